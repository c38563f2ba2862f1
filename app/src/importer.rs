//! Reading files through a worker: parsers of whatever a person has run in a process that can do nothing but answer. One
//! worker reads all files of an import; one that dies of a file is replaced for the next.

use std::io::{Read, Seek, SeekFrom};
use std::time::Duration;

use serde_bytes::ByteBuf;

use crate::connector::Summary;
use crate::error::{Error, Result};
use crate::record::{MAX_RECORD_BYTES, Record};
use crate::worker::import::{PIECE, SEND_BYTES};
use crate::worker::outside::Start;
use crate::worker::wire::{self, Ask, Say, Work};
use crate::worker::{self, Layer, Limits, Worker};

/// Longest answer: records up to the size at which they are sent, and one more; or a report of problems.
const MAX_ANSWER: usize = SEND_BYTES + 4 * MAX_RECORD_BYTES;
/// How long a connector may take between two answers.
const PATIENCE: Duration = Duration::from_secs(120);
/// Processor time of one worker, in seconds: a day.
const CPU: u64 = 86_400;

/// Reads files, one after another.
pub struct Importer {
    allowed: Vec<Layer>,
    worker: Option<Worker>,
}

/// Where a file's bytes come from.
pub trait Bytes: Read + Seek {}

impl<T: Read + Seek> Bytes for T {}

/// A file to read.
pub struct Source<'a> {
    /// The file; from its beginning.
    pub file: &'a mut dyn Bytes,
    /// Its length.
    pub bytes: u64,
    /// The name of the source, for its records.
    pub source: &'a str,
    /// Its name, for reports.
    pub name: &'a str,
}

impl Importer {
    /// An importer whose workers may lack these layers of confinement.
    pub fn new(allowed: Vec<Layer>) -> Self {
        Importer { allowed, worker: None }
    }

    /// Makes sure that there is a worker.
    ///
    /// # Errors
    /// Where it does not start or is not confined: then no file can be read.
    pub fn ready(&mut self) -> Result<()> {
        if self.worker.is_none() {
            let manner = worker::manner()?;
            self.worker = Some(Worker::start(Start {
                program: &manner.program,
                work: Work::Import,
                limits: Limits::import(CPU),
                allowed: &self.allowed,
                without: &manner.without,
                patience: manner.patience.min(PATIENCE),
            })?);
        }
        Ok(())
    }

    /// Reads one file; `take` gets its records in order.
    ///
    /// # Errors
    /// Where the file cannot be read, the worker died of it or gave what is no record, or `take` refused. The next file can
    /// be read all the same.
    pub fn read(&mut self, from: Source<'_>, take: &mut dyn FnMut(Record) -> Result<()>) -> Result<Summary> {
        self.ready()?;
        let Some(mut worker) = self.worker.take() else { return Err(Error::failure("there is no worker")) };
        let summary = exchange(&mut worker, from, take)?;
        self.worker = Some(worker);
        Ok(summary)
    }
}

fn exchange(worker: &mut Worker, from: Source<'_>, take: &mut dyn FnMut(Record) -> Result<()>) -> Result<Summary> {
    let Source { file, bytes, source, name } = from;
    let mut ask = Ask::File(wire::File {
        source: source.to_owned(),
        name: name.to_owned(),
        bytes,
        head: ByteBuf::from(piece(file, 0, PIECE)?),
    });
    loop {
        ask = match worker.tell(&ask, MAX_ANSWER)? {
            Say::Need { at, bytes } => Ask::Bytes(ByteBuf::from(piece(file, at, bytes.min(PIECE))?)),
            Say::Records(records) => {
                for bytes in records {
                    let record = Record::decode(&bytes)?;
                    if record.source != source {
                        return Err(Error::integrity("the importer gave a record of another source"));
                    }
                    take(record)?;
                }
                Ask::More
            }
            Say::Read(summary) => return Ok(summary),
            _ => return Err(Error::integrity("the importer's answer is not one to what it was asked")),
        };
    }
}

/// The bytes of `file` from `at` on, at most `limit`; fewer at its end.
fn piece(file: &mut dyn Bytes, at: u64, limit: u32) -> Result<Vec<u8>> {
    file.seek(SeekFrom::Start(at))?;
    let mut piece = Vec::new();
    file.take(u64::from(limit)).read_to_end(&mut piece)?;
    Ok(piece)
}
