//! The file of blocks: one record a block, length and checksum first, on disk before the state changes.
//!
//! Layout: 8 bytes of magic, 8 bytes of chain id (little endian), the acknowledged length (see [`extent`]), then records of
//! `length: u32 LE`, `checksum: 8 bytes` (the first of keccak-256 over the body), `body: RLP of Record`. What a crash cut
//! short lies behind the acknowledged length; it is cut off when the file is opened, and that is said. Damage before it is
//! refused.

use std::fs::{File, OpenOptions};
use std::io::{BufReader, Read, Seek, SeekFrom, Write};
use std::path::Path;

use alloy::consensus::Header;
use alloy::primitives::{Address, Bytes, keccak256};
use alloy_rlp::{Decodable, RlpDecodable, RlpEncodable};

use super::state::Change;
use crate::chain::extent;
use crate::{Error, Result};

const MAGIC: &[u8; 8] = b"USUFCHN2";
/// Where the acknowledged length stands.
const EXTENT_AT: u64 = 16;
const FILE_HEADER: u64 = EXTENT_AT + extent::SIZE as u64;
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
        let (mut file, first) = (File::create(&draft)?, frame(genesis));
        file.write_all(MAGIC)?;
        file.write_all(&chain_id.to_le_bytes())?;
        file.write_all(&extent::encode(FILE_HEADER + first.len() as u64))?;
        file.write_all(&first)?;
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
    /// [`Error::Integrity`] when the file is another chain's, or anything that was acknowledged is damaged.
    pub(super) fn open(path: &Path, chain_id: u64, mut each: impl FnMut(Record) -> Result<()>) -> Result<Self> {
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        let total = file.metadata()?.len();
        let mut reader = BufReader::new(&file);
        let acknowledged = read_header(&mut reader, chain_id)?;
        let mut length = FILE_HEADER;
        while let Some((record, size)) = next_record(&mut reader, length, total)? {
            each(record)?;
            length += size;
        }
        if length < acknowledged {
            return Err(Error::Integrity(format!("the chain file {} is damaged at byte {length}", path.display())));
        }
        let mut journal = Self { file, length, broken: false };
        if length < total {
            let cut = total - length;
            tracing::warn!("{}: a block of {cut} bytes that a crash cut short was dropped", path.display());
            journal.file.set_len(length)?;
        }
        if length != acknowledged || length < total {
            journal.acknowledge()?;
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
        self.broken = true;
        self.file.write_all(&bytes)?;
        self.file.sync_data()?;
        self.length += bytes.len() as u64;
        self.acknowledge()?;
        self.broken = false;
        Ok(())
    }

    /// Says in the file's header how much of it is on disk, and goes back to its end.
    fn acknowledge(&mut self) -> Result<()> {
        self.file.seek(SeekFrom::Start(EXTENT_AT))?;
        self.file.write_all(&extent::encode(self.length))?;
        self.file.seek(SeekFrom::Start(self.length))?;
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

/// The acknowledged length.
fn read_header(reader: &mut impl Read, chain_id: u64) -> Result<u64> {
    let (mut head, mut extent) = ([0u8; EXTENT_AT as usize], [0u8; extent::SIZE]);
    let no_header = |_| Error::Integrity("the chain file has no header".into());
    reader.read_exact(&mut head).map_err(no_header)?;
    if &head[..8] != MAGIC {
        return Err(Error::Integrity(
            "the chain file is not one of this program's, or of another version of it".into(),
        ));
    }
    if head[8..] != chain_id.to_le_bytes() {
        return Err(Error::Integrity("the chain file belongs to another chain id".into()));
    }
    reader.read_exact(&mut extent).map_err(no_header)?;
    extent::decode(&extent).ok_or_else(|| Error::Integrity(format!("the chain file is damaged at byte {EXTENT_AT}")))
}

/// The record that starts at `at`, and its size; `None` where no whole one does.
fn next_record(reader: &mut impl Read, at: u64, total: u64) -> Result<Option<(Record, u64)>> {
    let left = total - at;
    if left < RECORD_HEADER {
        return Ok(None);
    }
    let mut head = [0u8; RECORD_HEADER as usize];
    reader.read_exact(&mut head)?;
    let length = u64::from(u32::from_le_bytes([head[0], head[1], head[2], head[3]]));
    let size = RECORD_HEADER + length;
    if length == 0 || length > LONGEST_RECORD || size > left {
        return Ok(None);
    }
    let mut body = vec![0u8; length as usize];
    reader.read_exact(&mut body)?;
    if keccak256(&body)[..8] != head[4..] {
        return Ok(None);
    }
    let damaged = |_| Error::Integrity(format!("the chain file is damaged at byte {at}"));
    Ok(Some((Record::decode(&mut body.as_slice()).map_err(damaged)?, size)))
}
