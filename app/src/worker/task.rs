//! What a worker does with rows: one [`Task`] a template. The only place that knows which templates there are.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use compute::template::{Continue, embed};
use compute::{Device, Model, Row};
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
    /// No more rows.
    fn finish(&mut self) -> Result<Vec<u8>>;
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

/// Opens what the template needs, and computes something once, so that drivers and libraries have what they want.
pub fn open(job: &Job) -> Result<Warm> {
    let device = Device::open(job.device)?;
    let place = Place {
        gpu: device.adapter().is_some(),
        software: device.adapter().is_some_and(|adapter| adapter.software),
        name: plain(&device.name()),
    };
    let fallback = device.fallback().map(plain);
    let task: Box<dyn Task> = match job.template.as_str() {
        "embed" => Box::new(Embed::open(job, device)?),
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
        let folder = folder(job).ok_or_else(|| stopped(Failure::Model, "embed needs a model"))?;
        let model = Model::open(&folder)?;
        if model.digest()[..] != job.digest[..] {
            return Err(stopped(Failure::Model, "the model's files changed since it was chosen"));
        }
        let task = Self { model, device, params: embed::Params::default() };
        task.run(&[Row::new("warm"), Row::new("up ".repeat(400))])?;
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

    fn finish(&mut self) -> Result<Vec<u8>> {
        Ok(Vec::new())
    }
}

fn stopped(kind: Failure, reason: &str) -> Stopped {
    Stopped { kind, reason: plain(reason) }
}

impl From<compute::Error> for Stopped {
    fn from(error: compute::Error) -> Self {
        use compute::Error as C;
        let kind = match &error {
            C::Parameter { .. } => Failure::Parameters,
            C::ModelFile { .. } | C::Weights { .. } | C::Tokenizer { .. } => Failure::Model,
            C::NoAdapter { .. } | C::Device { .. } => Failure::Device,
            C::NotFinite { .. } => Failure::NotFinite,
            _ => Failure::Other,
        };
        stopped(kind, &error.to_string())
    }
}
