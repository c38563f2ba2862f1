//! A job's rows through a worker, batch by batch. Finished batches are kept in the vault, sealed like everything in it, and so is
//! how far a worker is with what comes at the end: a run that is cut short loses one batch at most, and the next one goes on behind
//! the last that was kept.

use std::ops::Range;
use std::os::unix::ffi::OsStrExt;

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use sha2::{Digest, Sha256};

use super::unfinished::Halfway;
use crate::args::DeviceChoice;
use crate::error::{Error, Result};
use crate::home::{Home, Kind};
use crate::model::Known;
use crate::progress::Progress;
use crate::worker::outside::Start;
use crate::worker::wire::{Ask, HEAD, Job, MAX_ASK, Place, Ready, Say, Work, plain};
use crate::worker::{self, Layer, Limits, Worker, setting};

/// Rows in a batch: what is lost at most when a run is cut short.
pub const BATCH_ROWS: usize = 128;
/// Bytes of a worker's reason not to go on from what was kept.
const MAX_REASON: usize = 1 << 10;
/// Processor time that a worker gets before its first batch, in seconds.
const OPENING_CPU: u64 = 600;

/// What a worker is to compute.
pub(crate) struct Order<'a> {
    /// The job's id, as shown.
    pub job: &'a str,
    /// The template's name.
    pub template: &'static str,
    /// The model, where it takes one.
    pub model: Option<&'a Known>,
    /// The consumer's parameters, and whatever else it starts from.
    pub params: &'a serde_json::Value,
    /// What the rows depend on of that.
    pub rows_of: &'a serde_json::Value,
    /// The root of the records that the rows come from.
    pub root: &'a [u8],
    /// How many rows there are.
    pub count: usize,
    /// The row at a position: what the template reads.
    pub row: &'a dyn Fn(usize) -> Result<Vec<u8>>,
    /// Bytes that each row gives.
    pub width: usize,
    /// The output gate for the rows from a position on: nothing that it refuses is kept.
    pub pass: &'a dyn Fn(&[u8], usize) -> Result<()>,
    /// What a worker is told of a row in the place of the row itself, where an earlier one gave these bytes for it. None where it
    /// need not know of such rows, and the rows are the output.
    pub kept: Option<&'a Told<'a>>,
    /// Bytes that come at the end, at most.
    pub end: usize,
    /// Bytes of what a worker hands over on the way there, at most.
    pub halfway: usize,
    /// Where it runs.
    pub device: DeviceChoice,
    /// What it is called while it goes on, such as "embedding records".
    pub what: &'static str,
}

/// What a worker is told of the row at a position, for which an earlier one gave these bytes.
pub(crate) type Told<'a> = dyn Fn(usize, &[u8]) -> Result<Vec<u8>> + 'a;

/// What came out of a worker; what came at the end is not yet through the gate.
pub(crate) struct Computed {
    /// What the rows gave, `width` bytes each, one after another; nothing where only a worker needs it.
    pub rows: Vec<u8>,
    /// What came at the end.
    pub end: Vec<u8>,
    /// Where it was computed.
    pub device: Place,
}

/// Where finished batches are kept, and what is known of the worker: the vault, or nothing while it is locked.
pub(crate) trait Shelf {
    /// The batch of this name.
    fn batch(&self, name: &str) -> Option<Batch>;
    /// Keeps a batch, durably.
    fn keep_batch(&mut self, name: &str, batch: &Batch) -> Result<()>;
    /// What a worker handed over of this job.
    fn halfway(&self, _job: &str) -> Option<Halfway> {
        None
    }
    /// Keeps that, in the place of what was kept before.
    fn keep_halfway(&mut self, _job: &str, _halfway: &Halfway) -> Result<()> {
        Ok(())
    }
    /// The layers of confinement that a worker need not have.
    fn without(&self) -> Result<Vec<Layer>>;
}

impl Shelf for Home {
    fn batch(&self, name: &str) -> Option<Batch> {
        self.find(Kind::Batch, name).unwrap_or_default()
    }

    fn keep_batch(&mut self, name: &str, batch: &Batch) -> Result<()> {
        self.keep(Kind::Batch, name, batch)?;
        self.commit()
    }

    fn halfway(&self, job: &str) -> Option<Halfway> {
        Halfway::find(self, job)
    }

    fn keep_halfway(&mut self, job: &str, halfway: &Halfway) -> Result<()> {
        halfway.keep(self, job)
    }

    fn without(&self) -> Result<Vec<Layer>> {
        setting::allowed(self)
    }
}

/// A batch that is done.
#[derive(Serialize, Deserialize)]
pub(crate) struct Batch {
    /// What it was computed from: a batch of anything else is not taken.
    #[serde(with = "serde_bytes")]
    of: Vec<u8>,
    device: Place,
    rows: ByteBuf,
}

/// Computes what is ordered. Batches that an earlier run finished are taken from the shelf.
///
/// # Errors
/// What the worker failed at, after which the same order goes on; `Refused` where it is not confined, or its rows do not
/// pass the gate; `Interrupted`.
pub(crate) fn compute(shelf: &mut dyn Shelf, order: &Order<'_>) -> Result<Computed> {
    let of = order.digest()?;
    let mut progress = Progress::start(order.what);
    let mut rows = Vec::with_capacity(if order.kept.is_none() { order.count * order.width } else { 0 });
    let (mut worker, mut device) = (None, None);
    for (number, first) in (0..order.count).step_by(BATCH_ROWS).enumerate() {
        let positions = first..order.count.min(first + BATCH_ROWS);
        let bytes = positions.len() * order.width;
        let name = format!("{}/{number}", order.job);
        let kept = shelf.batch(&name).filter(|batch| batch.of == of && batch.rows.len() == bytes);
        let kept = match (kept, order.kept) {
            (Some(batch), Some(told)) => order.told(started(&mut worker, shelf, order)?, batch, first, told)?,
            (kept, _) => kept,
        };
        let batch = match kept {
            Some(batch) => batch,
            None => {
                let batch = order.batch(started(&mut worker, shelf, order)?, positions.clone(), &of)?;
                if order.width > 0 {
                    shelf.keep_batch(&name, &batch)?;
                }
                batch
            }
        };
        if order.kept.is_none() {
            rows.extend_from_slice(&batch.rows);
        }
        device = Some(batch.device);
        progress.at(positions.end as u64, order.count as u64)?;
    }
    let end = match order.end {
        0 => Vec::new(),
        _ => {
            let worker = started(&mut worker, shelf, order)?;
            order.end(worker, shelf)?
        }
    };
    let device = device.ok_or_else(|| Error::refused("there are no rows"))?;
    Ok(Computed { rows, end, device })
}

/// Bytes of what a worker may hand over halfway: `bytes`, or nothing where so much could not be given back to the next.
pub(crate) fn handed_over(bytes: u64) -> usize {
    usize::try_from(bytes).ok().filter(|bytes| bytes + HEAD <= MAX_ASK).unwrap_or(0)
}

/// The order's worker, started at its first use.
fn started<'w>(worker: &'w mut Option<Worker>, shelf: &dyn Shelf, order: &Order<'_>) -> Result<&'w mut Worker> {
    if worker.is_none() {
        *worker = Some(order.start(shelf)?);
    }
    worker.as_mut().ok_or_else(|| Error::failure("there is no worker"))
}

fn place(ready: &Ready) -> Place {
    let unknown = || Place { gpu: false, software: false, name: "unknown".to_owned() };
    ready.device.as_ref().map_or_else(unknown, |place| Place { name: plain(&place.name), ..place.clone() })
}

impl Order<'_> {
    fn start(&self, shelf: &dyn Shelf) -> Result<Worker> {
        let manner = worker::manner()?;
        let batches = self.count.div_ceil(BATCH_ROWS) as u64;
        let job = Job {
            template: self.template.to_owned(),
            model: self.model.map(|model| ByteBuf::from(model.folder.as_os_str().as_bytes())),
            digest: ByteBuf::from(self.model.map_or([0; 32], |model| model.digest)),
            device: self.device.choice(),
            adapter: self.device.named().map(str::to_owned),
        };
        let limits = Limits::job(OPENING_CPU + batches * manner.patience.as_secs());
        let mut worker = Worker::start(Start {
            program: &manner.program,
            work: Work::Job(job),
            limits: Limits { memory: manner.memory.unwrap_or(limits.memory), ..limits },
            allowed: &shelf.without()?,
            without: &manner.without,
            patience: manner.patience,
        })?;
        if let Some(reason) = &worker.ready.fallback {
            eprintln!("using the CPU: {}", plain(reason));
        }
        eprintln!("{} on {}, {}", self.what, place(&worker.ready).name, worker.confinement());
        let params = serde_json::to_vec(self.params).map_err(|e| Error::failure(e.to_string()))?;
        worker.ask(&Ask::Params(ByteBuf::from(params)), 0)?;
        Ok(worker)
    }

    /// The rows at these positions by `worker`, past the gate.
    fn batch(&self, worker: &mut Worker, positions: Range<usize>, of: &[u8]) -> Result<Batch> {
        let (first, bytes) = (positions.start, positions.len() * self.width);
        let input = |position| Ok(ByteBuf::from((self.row)(position)?));
        let inputs = positions.map(input).collect::<Result<_>>()?;
        let answer = worker.ask(&Ask::Batch(inputs), bytes)?;
        if answer.len() != bytes {
            return Err(Error::integrity(format!("the worker gave {} bytes for {bytes}", answer.len())));
        }
        (self.pass)(&answer, first)?;
        Ok(Batch { of: of.to_vec(), device: place(&worker.ready), rows: ByteBuf::from(answer) })
    }

    /// Tells `worker` of the rows of a batch that is done; nothing where the batch was computed elsewhere, and is to be done again.
    fn told(&self, worker: &mut Worker, batch: Batch, first: usize, told: &Told<'_>) -> Result<Option<Batch>> {
        if batch.device.name != place(&worker.ready).name {
            return Ok(None);
        }
        let rows = batch.rows.chunks_exact(self.width.max(1)).enumerate();
        let rows = rows.map(|(at, row)| Ok(ByteBuf::from(told(first + at, row)?))).collect::<Result<_>>()?;
        worker.ask(&Ask::Kept(rows), 0)?;
        Ok(Some(batch))
    }

    /// What comes at the end, from where an earlier worker was with it.
    fn end(&self, worker: &mut Worker, shelf: &mut dyn Shelf) -> Result<Vec<u8>> {
        let mut done = match shelf.halfway(self.job).filter(|_| self.halfway > 0) {
            Some(kept) => self.resumed(worker, kept)?,
            None => 0,
        };
        let mut progress = Progress::start(self.what);
        let mut ask = Ask::Finish;
        loop {
            match worker.tell(&ask, self.end.max(self.halfway))? {
                Say::Answer(bytes) if bytes.len() <= self.end => return Ok(bytes.into_vec()),
                Say::Halfway { done: now, total, state }
                    if done < now && now < total && state.len() <= self.halfway =>
                {
                    done = now;
                    shelf.keep_halfway(self.job, &Halfway { done, total, state })?;
                    progress.at(done, total)?;
                }
                _ => return Err(Error::integrity("the worker gave no answer to what it was told")),
            }
            ask = Ask::More;
        }
    }

    /// Gives a worker what an earlier one handed over; the steps that need not be done again.
    fn resumed(&self, worker: &mut Worker, kept: Halfway) -> Result<u64> {
        let Halfway { done, total, state } = kept;
        let refused = worker.ask(&Ask::Resume(state), MAX_REASON)?;
        if refused.is_empty() {
            eprintln!("{} goes on behind step {done} of {total}", self.what);
            return Ok(done);
        }
        let reason = plain(&String::from_utf8_lossy(&refused));
        eprintln!("{} begins anew; what was kept of an earlier run does not fit: {reason}", self.what);
        Ok(0)
    }

    /// What the rows depend on.
    fn digest(&self) -> Result<Vec<u8>> {
        let mut hash = Sha256::new();
        let model = self.model.map_or([0; 32], |model| model.digest);
        let params = self.rows_of.to_string();
        for part in [self.template.as_bytes(), &model, params.as_bytes(), self.root, &self.count.to_le_bytes()] {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        Ok(hash.finalize().to_vec())
    }
}
