//! Directories of files, by the dag-pb and UnixFS specifications: one node that names its entries. What js-ipfs and Kubo
//! would split into a tree of nodes (HAMT) because it is large is refused here.

use super::{MAX_PIECE, unixfs};
use crate::cid::{Cid, Codec};
use crate::{Error, Result};

/// A directory's `Data`: UnixFS type 1.
const DIRECTORY: &[u8] = &[0x08, 0x01];
/// Larger directories are split by other implementations, in bytes of names and CIDs.
const LARGEST: usize = 256 << 10;
const TAG_LINKS: u8 = 0x12;
const TAG_DATA: u8 = 0x0a;
const TAG_HASH: u8 = 0x0a;
const TAG_NAME: u8 = 0x12;
const TAG_SIZE: u8 = 0x18;

/// One name in a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its name: not empty, without `/`.
    pub name: String,
    /// What it names: a file or a directory.
    pub cid: Cid,
    /// Bytes of all nodes below it, its own node included (`Tsize`).
    pub total: u64,
}

impl Entry {
    /// The entry of a file with these bytes, and its pieces for `keep`.
    ///
    /// # Errors
    /// Whatever `keep` returns.
    pub fn file(name: &str, bytes: &[u8], keep: &mut dyn FnMut(&Cid, &[u8]) -> Result<()>) -> Result<Self> {
        let mut total = 0;
        let cid = unixfs::split(bytes, &mut |cid, piece| {
            total += piece.len() as u64;
            keep(cid, piece)
        })?;
        Ok(Self { name: name.to_owned(), cid, total })
    }

    /// The entry of a directory with these entries, and its node.
    ///
    /// # Errors
    /// As [`write`].
    pub fn directory(name: &str, entries: &[Entry]) -> Result<(Self, Vec<u8>)> {
        let (cid, node) = write(entries)?;
        let total = node.len() as u64 + entries.iter().map(|entry| entry.total).sum::<u64>();
        Ok((Self { name: name.to_owned(), cid, total }, node))
    }
}

/// The node of a directory and its CID. The order of `entries` does not matter.
///
/// # Errors
/// [`Error::Invalid`] for a name that is empty, holds `/`, is `.` or `..`, or is there twice, and above 256 KiB of names
/// and CIDs.
pub fn write(entries: &[Entry]) -> Result<(Cid, Vec<u8>)> {
    let mut sorted: Vec<&Entry> = entries.iter().collect();
    sorted.sort_by(|a, b| a.name.as_bytes().cmp(b.name.as_bytes()));
    check_names(&sorted)?;
    let mut node = Vec::new();
    for entry in sorted {
        let mut link = Vec::new();
        put_bytes(&mut link, TAG_HASH, &entry.cid.to_bytes());
        put_bytes(&mut link, TAG_NAME, entry.name.as_bytes());
        link.push(TAG_SIZE);
        put_varint(&mut link, entry.total);
        put_bytes(&mut node, TAG_LINKS, &link);
    }
    put_bytes(&mut node, TAG_DATA, DIRECTORY);
    Ok((Cid::of(Codec::DagPb, &node), node))
}

/// The entries of a directory's node, in its order; `None` for a node that is no directory.
///
/// # Errors
/// [`Error::Integrity`] when it is one that [`write`] would not have written.
pub fn read(cid: &Cid, node: &[u8]) -> Result<Option<Vec<Entry>>> {
    let mut tail = Vec::new();
    put_bytes(&mut tail, TAG_DATA, DIRECTORY);
    let Some(mut rest) = node.strip_suffix(tail.as_slice()).filter(|_| cid.codec() == Codec::DagPb) else {
        return Ok(None);
    };
    let bad = || Error::Integrity(format!("{cid} is not a directory that is read here"));
    let mut entries = Vec::new();
    while !rest.is_empty() {
        let mut link = take_bytes(&mut rest, TAG_LINKS).ok_or_else(bad)?;
        let hash = take_bytes(&mut link, TAG_HASH).ok_or_else(bad)?;
        let name = take_bytes(&mut link, TAG_NAME).ok_or_else(bad)?;
        let (&TAG_SIZE, size) = link.split_first().ok_or_else(bad)? else { return Err(bad()) };
        let mut size = size;
        let total = take_varint(&mut size).filter(|_| size.is_empty()).ok_or_else(bad)?;
        let name = String::from_utf8(name.to_vec()).map_err(|_| bad())?;
        entries.push(Entry { name, cid: Cid::from_bytes(hash).map_err(|_| bad())?, total });
    }
    // One form alone: the same entries written again are the same bytes.
    if write(&entries).map_err(|_| bad())?.1 != node {
        return Err(bad());
    }
    Ok(Some(entries))
}

fn check_names(sorted: &[&Entry]) -> Result<()> {
    let bad = |name: &str, why: &str| Err(Error::Invalid(format!("the name {name:?} {why}")));
    let mut size = 0;
    for (index, entry) in sorted.iter().enumerate() {
        let name = entry.name.as_str();
        if name.is_empty() || name.contains('/') || matches!(name, "." | "..") {
            return bad(name, "cannot stand in a directory");
        }
        if index > 0 && sorted[index - 1].name == name {
            return bad(name, "is there twice");
        }
        size += name.len() + entry.cid.to_bytes().len();
    }
    if size > LARGEST.min(MAX_PIECE) {
        return Err(Error::Invalid(format!("the directory has {size} bytes of names and CIDs; at most {LARGEST}")));
    }
    Ok(())
}

fn put_bytes(out: &mut Vec<u8>, tag: u8, bytes: &[u8]) {
    out.push(tag);
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn take_bytes<'a>(rest: &mut &'a [u8], tag: u8) -> Option<&'a [u8]> {
    let (first, mut after) = rest.split_first()?;
    if *first != tag {
        return None;
    }
    let length = usize::try_from(take_varint(&mut after)?).ok()?;
    let (taken, left) = after.split_at_checked(length)?;
    *rest = left;
    Some(taken)
}

fn take_varint(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0u64;
    for (index, byte) in rest.iter().enumerate().take(10) {
        value |= u64::from(byte & 0x7f).checked_shl(7 * index as u32)?;
        if byte & 0x80 == 0 {
            *rest = &rest[index + 1..];
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
#[path = "directory_tests.rs"]
mod tests;
