//! What a worker and its owner say to each other: a length of four bytes (little-endian), then one message in DAG-CBOR.
//!
//! The reader knows how long the next message may be before it reads the first byte of it, and takes exactly one spelling
//! of it: unknown fields, other encodings of the same value and bytes behind it are refused.

use std::io::{Read, Write};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::error::{Error, Result};

/// Longest message besides those that carry rows, records or pieces of files, in bytes.
pub const MAX_SHORT: usize = 1 << 16;
/// Bytes of a message around what it carries, at most.
pub const HEAD: usize = 256;
/// Longest message that the owner sends: a batch of rows, or what an earlier worker handed over, in bytes.
pub const MAX_ASK: usize = 64 << 20;
/// Longest reason a worker may give, in characters.
const MAX_REASON: usize = 400;

/// What the owner tells the worker.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum Ask {
    /// The first message: what to open before giving up all rights. Names no record and no parameter.
    Open(Open),
    /// The consumer's parameters, JSON.
    Params(ByteBuf),
    /// The next rows, in order; what a row's bytes mean is the template's affair.
    Batch(Vec<ByteBuf>),
    /// The next rows, which an earlier worker is done with: what it gave for them, as the template reads it back.
    Kept(Vec<ByteBuf>),
    /// What an earlier worker handed over halfway; all rows are there.
    Resume(ByteBuf),
    /// There are no more rows.
    Finish,
    /// The next file to import.
    File(File),
    /// A piece of that file, which was asked for.
    Bytes(ByteBuf),
    /// Go on: what you gave was taken.
    More,
}

/// What kind of worker it is to be.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Open {
    /// What it will do.
    pub work: Work,
    /// What it may use up.
    pub limits: super::Limits,
    /// Confinement that is left out on purpose, by its word: for trying out what happens then.
    pub without: Vec<String>,
}

/// What a worker does.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum Work {
    /// Runs a template over rows.
    Job(Job),
    /// Reads records out of files.
    Import,
    /// Says which devices there are. Gets no input.
    Devices,
}

/// What a job needs before its input.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Job {
    /// The template's name.
    pub template: String,
    /// The model's folder, as the system's bytes.
    pub model: Option<ByteBuf>,
    /// The model's digest.
    pub digest: ByteBuf,
    /// Where it runs.
    pub device: compute::Choice,
    /// The adapter that it runs on, where one is named.
    pub adapter: Option<String>,
}

/// A file to import.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    /// The name of the source, for its records.
    pub source: String,
    /// The file's name, for reports.
    pub name: String,
    /// How many bytes it has.
    pub bytes: u64,
    /// The first of them: all, where they are few.
    pub head: ByteBuf,
}

/// What the worker tells its owner.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum Say {
    /// It is open, warm and shut in.
    Ready(Ready),
    /// What a batch, the parameters or the end gave.
    Answer(ByteBuf),
    /// How far it is with what comes at the end. It goes on when it is told to.
    Halfway {
        /// Steps done.
        done: u64,
        /// Steps in all.
        total: u64,
        /// What another worker can go on from.
        state: ByteBuf,
    },
    /// The devices of this machine.
    Devices(Vec<compute::Adapter>),
    /// It could not do that. Shown to its owner, and to nobody else.
    Failed {
        /// What kind of failure.
        kind: Failure,
        /// In words, of at most 400 characters.
        reason: String,
    },
    /// It needs a piece of the file.
    Need {
        /// From this byte.
        at: u64,
        /// So many bytes.
        bytes: u32,
    },
    /// Records, as [`crate::record::Record::encode`] writes them.
    Records(Vec<ByteBuf>),
    /// The file is read.
    Read(crate::connector::Summary),
}

/// A worker that waits for its input.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ready {
    /// What shuts it in.
    pub layers: Vec<super::cage::Held>,
    /// Where it computes.
    pub device: Option<Place>,
    /// Why not on a GPU, where one would have been taken.
    pub fallback: Option<String>,
}

/// Where a worker computes.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Place {
    /// On a graphics adapter.
    pub gpu: bool,
    /// On one that is software.
    pub software: bool,
    /// The device's name.
    pub name: String,
}

/// Why a worker could not go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Failure {
    /// The parameters are not the template's.
    Parameters,
    /// There are too few rows, too many, or rows that the template can do nothing with.
    Rows,
    /// The model's files are not what they should be.
    Model,
    /// The device failed, is lost or has too little memory.
    Device,
    /// A result was not a number.
    NotFinite,
    /// Anything else.
    Other,
}

/// Text of a worker's, made fit to be shown: short, on one line, plain.
pub fn plain(text: &str) -> String {
    let odd = |c: char| {
        c.is_control() || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars().take(MAX_REASON).map(|c| if odd(c) { ' ' } else { c }).collect()
}

/// A message's bytes, with their length in front.
///
/// # Errors
/// `Failure` where it cannot be encoded or is too long for four bytes.
pub fn pack<T: Serialize>(message: &T) -> Result<Vec<u8>> {
    let encoding = |why: &dyn std::fmt::Display| Error::failure(format!("encoding a message to the worker: {why}"));
    let body = serde_ipld_dagcbor::to_vec(message).map_err(|e| encoding(&e))?;
    let length = u32::try_from(body.len()).map_err(|e| encoding(&e))?;
    let mut bytes = Vec::with_capacity(4 + body.len());
    bytes.extend_from_slice(&length.to_le_bytes());
    bytes.extend(body);
    Ok(bytes)
}

/// A message from its bytes, without the length.
///
/// # Errors
/// `Integrity` for anything but one message in its one spelling.
pub fn unpack<T: DeserializeOwned + Serialize>(body: &[u8]) -> Result<T> {
    let refused = |why: &dyn std::fmt::Display| Error::integrity(format!("the worker's answer is none: {why}"));
    let message: T = serde_ipld_dagcbor::from_slice(body).map_err(|e| refused(&plain(&e.to_string())))?;
    let again = serde_ipld_dagcbor::to_vec(&message).map_err(|e| refused(&e))?;
    if again != body {
        return Err(refused(&"not in its one spelling"));
    }
    Ok(message)
}

/// Writes a packed message.
///
/// # Errors
/// Where the other side is gone.
pub fn write(to: &mut impl Write, packed: &[u8]) -> Result<()> {
    to.write_all(packed)?;
    Ok(to.flush()?)
}

/// Reads the bytes of one message of at most `limit` bytes; none where the other side closed the pipe before it.
///
/// # Errors
/// `Integrity` for a message that is longer, or cut short.
pub fn read(from: &mut impl Read, limit: usize) -> Result<Option<Vec<u8>>> {
    let mut length = [0; 4];
    let mut got = 0;
    while got < length.len() {
        match from.read(&mut length[got..])? {
            0 if got == 0 => return Ok(None),
            0 => return Err(Error::integrity("a message was cut short")),
            read => got += read,
        }
    }
    let length = u32::from_le_bytes(length) as usize;
    if length > limit {
        return Err(Error::integrity(format!("a message of {length} bytes; {limit} were allowed")));
    }
    // Grows with what really comes, not with what was announced.
    let mut body = Vec::new();
    from.take(length as u64).read_to_end(&mut body)?;
    if body.len() != length {
        return Err(Error::integrity("a message was cut short"));
    }
    Ok(Some(body))
}
