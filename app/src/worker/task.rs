//! What a worker does with rows: one [`Task`] a template. The only place that knows which templates there are.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use compute::template::{Continue, embed, statistic, train};
use compute::{Device, Model, Row};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::wire::{Failure, Job, Place, plain};

/// Why a task could not go on.
pub struct Stopped {
    /// What kind of failure.
    pub kind: Failure,
    /// In words.
    pub reason: String,
}

type Result<T> = std::result::Result<T, Stopped>;

/// A template at work: parameters once, then batches of rows, then the end. Each gives bytes; what they mean, and whether
/// they may leave, is decided outside.
pub trait Task {
    /// The consumer's parameters, JSON.
    fn params(&mut self, json: &[u8]) -> Result<Vec<u8>>;
    /// The next rows.
    fn batch(&mut self, rows: Vec<ByteBuf>) -> Result<Vec<u8>>;
    /// The next rows, which an earlier worker is done with.
    fn kept(&mut self, _: Vec<ByteBuf>) -> Result<Vec<u8>> {
        Err(stopped(Failure::Other, "the template takes no rows back"))
    }
    /// What an earlier worker handed over. Nothing where the task goes on from it, else why it does not.
    fn resume(&mut self, _: Vec<u8>) -> Result<Vec<u8>> {
        Ok(b"the template begins anew".to_vec())
    }
    /// No more rows. What is done halfway may be handed over.
    fn finish(&mut self, hand_over: &mut HandOver<'_>) -> Result<Vec<u8>>;
}

/// Takes how far a task is, and comes back when it may go on.
pub type HandOver<'a> = dyn FnMut(Halfway) -> Result<()> + 'a;

/// How far a task is with what comes at the end.
pub struct Halfway {
    /// Steps done.
    pub done: u64,
    /// Steps in all.
    pub total: u64,
    /// What another worker can go on from.
    pub state: Vec<u8>,
}

/// A task that is open and warm, and where it computes.
pub struct Warm {
    /// The task.
    pub task: Box<dyn Task>,
    /// The device it uses.
    pub device: Place,
    /// Why not a GPU, where one would have been taken.
    pub fallback: Option<String>,
}

/// Files that a job reads while it opens: all that it may read of the person's.
pub fn files(job: &Job) -> Vec<PathBuf> {
    folder(job).into_iter().collect()
}

fn folder(job: &Job) -> Option<PathBuf> {
    job.model.as_ref().map(|bytes| PathBuf::from(OsStr::from_bytes(bytes)))
}

/// Opens what the template needs, and computes something once, so that drivers and libraries have what they want. Batches
/// will fit `memory` bytes.
pub fn open(job: &Job, memory: u64) -> Result<Warm> {
    let device = match &job.adapter {
        Some(name) => Device::open_named(name)?,
        None => Device::open(job.device)?,
    }
    .within(memory);
    let place = Place {
        gpu: device.adapter().is_some(),
        software: device.adapter().is_some_and(|adapter| adapter.software),
        name: plain(&device.name()),
    };
    let fallback = device.fallback().map(plain);
    let task: Box<dyn Task> = match job.template.as_str() {
        "embed" => Box::new(Embed::open(job, device)?),
        "statistic" => Box::new(Statistic::open(device)?),
        "train" => Box::new(Train::open(job, device)?),
        other => return Err(stopped(Failure::Other, &format!("there is no template {other:?}"))),
    };
    Ok(Warm { task, device: place, fallback })
}

/// `embed`: a row is its text, a batch's answer the rows' vectors one after another, and nothing comes at the end.
struct Embed {
    model: Model,
    device: Device,
    params: embed::Params,
}

impl Embed {
    fn open(job: &Job, device: Device) -> Result<Self> {
        let task = Self { model: model(job)?, device, params: embed::Params::default() };
        task.run(&[Row::new("warm"), Row::new("up ".repeat(250))])?;
        Ok(task)
    }

    fn run(&self, rows: &[Row]) -> Result<Vec<u8>> {
        let output = embed::run(&self.model, &self.device, &self.params, rows, &mut |_, _| Continue::Yes)?;
        Ok(output.rows.concat())
    }
}

impl Task for Embed {
    fn params(&mut self, json: &[u8]) -> Result<Vec<u8>> {
        let refused =
            |why: &str| stopped(Failure::Parameters, &format!("the parameters are not those of embed: {why}"));
        self.params = serde_json::from_slice(json).map_err(|e| refused(&e.to_string()))?;
        self.params.check()?;
        Ok(Vec::new())
    }

    fn batch(&mut self, rows: Vec<ByteBuf>) -> Result<Vec<u8>> {
        let text = |row: ByteBuf| String::from_utf8(row.into_vec()).map(Row::new);
        let rows: Vec<Row> = rows
            .into_iter()
            .map(text)
            .collect::<std::result::Result<_, _>>()
            .map_err(|_| stopped(Failure::Other, "a row is no text"))?;
        self.run(&rows)
    }

    fn finish(&mut self, _: &mut HandOver<'_>) -> Result<Vec<u8>> {
        Ok(Vec::new())
    }
}

/// A checkpoint is handed over once the steps behind the last one took so many times as long as handing that one over did: it
/// costs at most a twentieth of the time. After each step, where a step takes that long.
const WORTH: u32 = 20;

/// `train`: a row is its class's number (two bytes, little-endian) and its text. Without adapters a batch's answer is the rows'
/// vectors one after another, and a row that an earlier worker is done with is its class's number and its vector. The rest comes
/// at the end.
struct Train {
    model: Model,
    device: Device,
    loaded: train::Loaded,
    order: Option<(TrainOrder, train::Records)>,
    /// The checkpoint that it goes on from.
    from: Option<Vec<u8>>,
}

/// What a training run starts from.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainOrder {
    /// The consumer's parameters.
    pub params: train::Params,
    /// The classes by number.
    pub classes: Vec<String>,
    /// What samples and noise follow from, drawn for this run.
    pub secret: [u8; 32],
    /// Bytes of a checkpoint that are taken, at most.
    pub checkpoint: u64,
}

/// What a training run gave.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainAnswer {
    /// The adapters as safetensors.
    pub adapters: Option<ByteBuf>,
    /// The head as safetensors.
    pub head: ByteBuf,
    /// The metrics record, JSON.
    pub metrics: String,
    /// Each record's row.
    pub rows: ByteBuf,
}

impl Train {
    fn open(job: &Job, device: Device) -> Result<Self> {
        let model = model(job)?;
        let loaded = train::load(&model, &device)?;
        embed::run(&model, &device, &embed::Params::default(), &[Row::new("warm")], &mut |_, _| Continue::Yes)?;
        Ok(Self { model, device, loaded, order: None, from: None })
    }
}

impl Task for Train {
    fn params(&mut self, json: &[u8]) -> Result<Vec<u8>> {
        let order: TrainOrder = serde_json::from_slice(json)
            .map_err(|e| stopped(Failure::Parameters, &format!("the parameters are not those of train: {e}")))?;
        let records = train::Records::new(&self.model, &order.params)?;
        self.order = Some((order, records));
        Ok(Vec::new())
    }

    fn batch(&mut self, rows: Vec<ByteBuf>) -> Result<Vec<u8>> {
        let (_, records) = self.order.as_mut().ok_or_else(unordered)?;
        let (mut texts, mut labels) = (Vec::with_capacity(rows.len()), Vec::with_capacity(rows.len()));
        for row in &rows {
            let (class, text) = classed(row)?;
            let text = std::str::from_utf8(text).map_err(|_| stopped(Failure::Other, "a row is no text"))?;
            labels.push(Some(class));
            texts.push(Row::new(text));
        }
        Ok(records.add(&self.model, &self.device, &texts, &labels)?)
    }

    fn kept(&mut self, rows: Vec<ByteBuf>) -> Result<Vec<u8>> {
        let (_, records) = self.order.as_mut().ok_or_else(unordered)?;
        for row in &rows {
            let (class, vector) = classed(row)?;
            records.add_vectors(&self.model, vector, &[Some(class)])?;
        }
        Ok(Vec::new())
    }

    fn resume(&mut self, state: Vec<u8>) -> Result<Vec<u8>> {
        let (order, records) = self.order.as_ref().ok_or_else(unordered)?;
        match train::check(&self.order(order, records), &state) {
            Ok(_) => {
                self.from = Some(state);
                Ok(Vec::new())
            }
            Err(compute::Error::Checkpoint { reason }) => Ok(plain(&reason).into_bytes()),
            Err(other) => Err(other.into()),
        }
    }

    fn finish(&mut self, hand_over: &mut HandOver<'_>) -> Result<Vec<u8>> {
        let (order, records) = self.order.take().ok_or_else(unordered)?;
        let trained = self.train(&self.order(&order, &records), order.checkpoint, hand_over)?;
        let rows = trained.rows().rows.concat();
        let other = |e: &dyn std::fmt::Display| stopped(Failure::Other, &e.to_string());
        let answer = TrainAnswer {
            metrics: serde_json::to_string(&trained.metrics).map_err(|e| other(&e))?,
            adapters: trained.adapters.map(ByteBuf::from),
            head: ByteBuf::from(trained.head),
            rows: ByteBuf::from(rows),
        };
        serde_ipld_dagcbor::to_vec(&answer).map_err(|e| other(&e))
    }
}

impl Train {
    fn order<'a>(&'a self, order: &'a TrainOrder, records: &'a train::Records) -> train::Order<'a> {
        train::Order {
            model: &self.model,
            device: &self.device,
            loaded: &self.loaded,
            params: &order.params,
            records,
            classes: &order.classes,
            secret: &order.secret,
        }
    }

    /// Trains, and hands over checkpoints of at most `most` bytes on the way.
    fn train(&self, order: &train::Order<'_>, most: u64, hand_over: &mut HandOver<'_>) -> Result<train::Trained> {
        let (mut cost, mut last, mut failed) = (Duration::ZERO, Instant::now(), None);
        let mut watch = |halfway: &train::Halfway<'_>| {
            let (done, total, started) = (halfway.done(), halfway.total(), Instant::now());
            if done == total || last.elapsed() < cost * WORTH {
                return Continue::Yes;
            }
            let state = halfway.bytes();
            if state.len() as u64 <= most {
                failed = hand_over(Halfway { done, total, state }).err();
            }
            (cost, last) = (started.elapsed(), Instant::now());
            if failed.is_some() { Continue::No } else { Continue::Yes }
        };
        let trained = train::run(order, self.from.as_deref(), &mut watch);
        failed.map_or_else(|| Ok(trained?), Err)
    }
}

/// A row's class and what comes behind it.
fn classed(row: &[u8]) -> Result<(u16, &[u8])> {
    let (class, rest) =
        row.split_first_chunk::<2>().ok_or_else(|| stopped(Failure::Other, "a row does not begin with a class"))?;
    Ok((u16::from_le_bytes(*class), rest))
}

/// `statistic`: a row is its number (four bytes, little-endian), or nothing where it has none. Nothing comes before the end,
/// then the answer.
struct Statistic {
    device: Device,
    params: Option<statistic::Params>,
    values: Vec<Option<i32>>,
}

impl Statistic {
    fn open(device: Device) -> Result<Self> {
        let warm = statistic::Params { edges: std::array::from_fn(|edge| edge as i32), least: 1 };
        statistic::run(&[Some(3), None, Some(-7)], &warm, &device)?;
        Ok(Self { device, params: None, values: Vec::new() })
    }
}

impl Task for Statistic {
    fn params(&mut self, json: &[u8]) -> Result<Vec<u8>> {
        let params: statistic::Params = serde_json::from_slice(json)
            .map_err(|e| stopped(Failure::Parameters, &format!("the parameters are not those of statistic: {e}")))?;
        params.check()?;
        self.params = Some(params);
        Ok(Vec::new())
    }

    fn batch(&mut self, rows: Vec<ByteBuf>) -> Result<Vec<u8>> {
        for row in rows {
            let value = match row.as_slice() {
                [] => None,
                &[a, b, c, d] => Some(i32::from_le_bytes([a, b, c, d])),
                _ => return Err(stopped(Failure::Other, "a row is no number")),
            };
            self.values.push(value);
        }
        Ok(Vec::new())
    }

    fn finish(&mut self, _: &mut HandOver<'_>) -> Result<Vec<u8>> {
        let params = self.params.take().ok_or_else(unordered)?;
        let answer = statistic::run(&self.values, &params, &self.device)?;
        serde_ipld_dagcbor::to_vec(&answer).map_err(|e| stopped(Failure::Other, &e.to_string()))
    }
}

/// The model that a job names.
fn model(job: &Job) -> Result<Model> {
    let folder = folder(job).ok_or_else(|| stopped(Failure::Model, "the template needs a model"))?;
    let model = Model::open(&folder)?;
    if model.digest()[..] != job.digest[..] {
        return Err(stopped(Failure::Model, "the model's files changed since it was chosen"));
    }
    Ok(model)
}

fn unordered() -> Stopped {
    stopped(Failure::Other, "there are no parameters")
}

fn stopped(kind: Failure, reason: &str) -> Stopped {
    Stopped { kind, reason: plain(reason) }
}

impl From<compute::Error> for Stopped {
    fn from(error: compute::Error) -> Self {
        use compute::Error as C;
        let kind = match &error {
            C::Parameter { .. } | C::Diverged { .. } => Failure::Parameters,
            C::Rows { .. } | C::Labels { .. } | C::TooFew { .. } => Failure::Rows,
            C::ModelFile { .. } | C::Weights { .. } | C::Tokenizer { .. } => Failure::Model,
            C::NoAdapter { .. } | C::Device { .. } | C::Memory { .. } => Failure::Device,
            C::NotFinite { .. } => Failure::NotFinite,
            _ => Failure::Other,
        };
        stopped(kind, &error.to_string())
    }
}
