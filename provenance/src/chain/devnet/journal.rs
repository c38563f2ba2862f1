//! The file of blocks: one record a block, length and checksum first, on disk before the state changes.
//!
//! Layout: 8 bytes of magic, 8 bytes of chain id (little endian), then records of `length: u32 LE`, `checksum: 8 bytes`
//! (the first of keccak-256 over the body), `body: RLP of Record`. A record cut short by a crash is the file's last one;
//! it was never acknowledged and is cut off when the file is opened. Damage anywhere else is refused.

use std::fs::{File, OpenOptions};
use std::io::{BufReader, Read, Seek, SeekFrom, Write};
use std::path::Path;

use alloy::consensus::Header;
use alloy::primitives::{Address, Bytes, keccak256};
use alloy_rlp::{Decodable, RlpDecodable, RlpEncodable};

use super::state::Change;
use crate::{Error, Result};

const MAGIC: &[u8; 8] = b"USUFCHN1";
const FILE_HEADER: u64 = 16;
const RECORD_HEADER: u64 = 12;
/// No block comes near this size: a longer length is damage.
const LONGEST_RECORD: u64 = 1 << 26;

/// One block as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, RlpEncodable, RlpDecodable)]
pub(super) struct Record {
    pub(super) header: Header,
    /// The sender of the transaction, zero in a block without one.
    pub(super) sender: Address,
    /// No or one transaction, as it was signed (EIP-2718).
    pub(super) transactions: Vec<Bytes>,
    /// Its receipt (EIP-2718).
    pub(super) receipts: Vec<Bytes>,
    pub(super) changes: Vec<Change>,
    /// Seconds the chain's clock runs ahead of the machine's, as the two's complement of an `i64`.
    pub(super) ahead: u64,
}

/// The open file of blocks.
#[derive(Debug)]
pub(super) struct Journal {
    file: File,
    length: u64,
    /// A write failed: what is on disk is not known, so nothing more is written.
    broken: bool,
}

impl Journal {
    /// Writes a new file that holds the first block; it appears under `path` whole or not at all.
    pub(super) fn create(path: &Path, chain_id: u64, genesis: &Record) -> Result<()> {
        let draft = path.with_extension("new");
        let mut file = File::create(&draft)?;
        file.write_all(MAGIC)?;
        file.write_all(&chain_id.to_le_bytes())?;
        file.write_all(&frame(genesis))?;
        file.sync_all()?;
        std::fs::rename(&draft, path)?;
        if let Some(folder) = path.parent() {
            File::open(folder)?.sync_all()?;
        }
        Ok(())
    }

    /// Opens the file and hands every whole record to `each`, in order. Cuts a torn tail off.
    ///
    /// # Errors
    /// [`Error::Integrity`] when the file is another chain's or damaged before its tail.
    pub(super) fn open(path: &Path, chain_id: u64, mut each: impl FnMut(Record) -> Result<()>) -> Result<Self> {
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        let total = file.metadata()?.len();
        let mut reader = BufReader::new(&file);
        check_magic(&mut reader, chain_id)?;
        let mut length = FILE_HEADER;
        while let Some((record, size)) = next_record(&mut reader, length, total)? {
            each(record)?;
            length += size;
        }
        let mut journal = Self { file, length, broken: false };
        if length < total {
            refuse_lost_blocks(&journal.file, length)?;
            tracing::warn!(cut = total - length, "an unfinished block was cut off the chain file");
            journal.file.set_len(length)?;
            journal.file.sync_all()?;
        }
        journal.file.seek(SeekFrom::Start(length))?;
        Ok(journal)
    }

    /// Appends one block and waits until it is on disk.
    ///
    /// # Errors
    /// [`Error::Io`] when the disk refuses; from then on every call fails, since a failed sync must not be retried.
    pub(super) fn append(&mut self, record: &Record) -> Result<()> {
        if self.broken {
            return Err(std::io::Error::other("an earlier block could not be written; restart the network").into());
        }
        let bytes = frame(record);
        let written = self.file.write_all(&bytes).and_then(|()| self.file.sync_data());
        if let Err(error) = written {
            self.broken = true;
            return Err(error.into());
        }
        self.length += bytes.len() as u64;
        Ok(())
    }
}

#[cfg(test)]
impl Journal {
    /// A journal on a disk that takes nothing.
    pub(super) fn on_a_full_disk() -> Self {
        let file = OpenOptions::new().write(true).open("/dev/full").unwrap();
        Self { file, length: 0, broken: false }
    }
}

fn frame(record: &Record) -> Vec<u8> {
    let body = alloy_rlp::encode(record);
    let mut bytes = Vec::with_capacity(body.len() + RECORD_HEADER as usize);
    bytes.extend_from_slice(&(body.len() as u32).to_le_bytes());
    bytes.extend_from_slice(&keccak256(&body)[..8]);
    bytes.extend_from_slice(&body);
    bytes
}

fn check_magic(reader: &mut impl Read, chain_id: u64) -> Result<()> {
    let mut head = [0u8; FILE_HEADER as usize];
    reader.read_exact(&mut head).map_err(|_| Error::Integrity("the chain file has no header".into()))?;
    if &head[..8] != MAGIC {
        return Err(Error::Integrity("the chain file is not one of this program's".into()));
    }
    if head[8..] != chain_id.to_le_bytes() {
        return Err(Error::Integrity("the chain file belongs to another chain id".into()));
    }
    Ok(())
}

/// The record that starts at `at`, and its size; `None` at the end and at a torn tail.
fn next_record(reader: &mut impl Read, at: u64, total: u64) -> Result<Option<(Record, u64)>> {
    let left = total - at;
    if left < RECORD_HEADER {
        return Ok(None);
    }
    let mut head = [0u8; RECORD_HEADER as usize];
    reader.read_exact(&mut head)?;
    let length = u64::from(u32::from_le_bytes([head[0], head[1], head[2], head[3]]));
    let size = RECORD_HEADER + length;
    if size > left {
        return Ok(None);
    }
    let mut body = vec![0u8; length as usize];
    reader.read_exact(&mut body)?;
    let damaged = || Error::Integrity(format!("the chain file is damaged at byte {at}"));
    if length == 0 || length > LONGEST_RECORD || keccak256(&body)[..8] != head[4..] {
        return if size == left || rest_is_zero(&body, reader)? { Ok(None) } else { Err(damaged()) };
    }
    let record = Record::decode(&mut body.as_slice()).map_err(|_| damaged())?;
    Ok(Some((record, size)))
}

/// A damaged length looks like a torn tail, but then whole blocks follow it: those were acknowledged.
fn refuse_lost_blocks(mut file: &File, from: u64) -> Result<()> {
    let mut tail = Vec::new();
    file.seek(SeekFrom::Start(from))?;
    file.read_to_end(&mut tail)?;
    let whole = |at: usize| {
        let record = &tail[at..];
        let length = u32::from_le_bytes([record[0], record[1], record[2], record[3]]) as usize;
        let body = record.get(RECORD_HEADER as usize..RECORD_HEADER as usize + length);
        // A body is an RLP list of more than 55 bytes.
        body.is_some_and(|body| body.first() >= Some(&0xf8) && keccak256(body)[..8] == record[4..12])
    };
    match (1..tail.len().saturating_sub(RECORD_HEADER as usize)).find(|at| whole(*at)) {
        Some(_) => Err(Error::Integrity(format!("the chain file is damaged at byte {from}"))),
        None => Ok(()),
    }
}

/// A file system may lengthen a file before it stores the bytes: then the tail reads as zeros.
fn rest_is_zero(body: &[u8], reader: &mut impl Read) -> Result<bool> {
    if body.iter().any(|byte| *byte != 0) {
        return Ok(false);
    }
    let mut buffer = [0u8; 4096];
    loop {
        match reader.read(&mut buffer)? {
            0 => return Ok(true),
            count if buffer[..count].iter().any(|byte| *byte != 0) => return Ok(false),
            _ => {}
        }
    }
}
