//! CARv1: a file, directory or piece with everything below it in one stream, for handing over without a network.
//!
//! Source: ipld.io/specs/transport/car/carv1. One root; every entry is checked against its CID; order as written.

use super::{ContentStore, MAX_PIECE, directory, unixfs};
use crate::cid::{CID_BYTES, Cid, Codec};
use crate::{Error, Result};
use std::collections::BTreeSet;

/// The header with one root, up to the root's bytes: `{roots: [42(h'00' ...)], version: 1}` in DAG-CBOR.
const HEADER_START: &[u8] = b"\xa2\x65roots\x81\xd8\x2a\x58\x25\x00";
/// The header after the root's bytes.
const HEADER_END: &[u8] = b"\x67version\x01";
/// Length of a header with one root.
const HEADER: usize = HEADER_START.len() + CID_BYTES + HEADER_END.len();
/// Directories inside each other that are exported.
const MAX_NESTED: usize = 16;
/// Longest varint read: five bytes hold 2^35.
const MAX_VARINT: usize = 5;

/// A CAR that was read: every entry is what its CID names.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Car {
    /// What the CAR is about. It is among the entries.
    pub root: Cid,
    /// All pieces, in the order of the stream.
    pub pieces: Vec<(Cid, Vec<u8>)>,
}

/// Writes a CAR. Entries stand in the order given.
pub fn write<'a>(root: &Cid, pieces: impl IntoIterator<Item = (&'a Cid, &'a [u8])>) -> Vec<u8> {
    let mut out = Vec::new();
    put_varint(&mut out, HEADER);
    out.extend_from_slice(HEADER_START);
    out.extend_from_slice(&root.to_bytes());
    out.extend_from_slice(HEADER_END);
    for (cid, piece) in pieces {
        put_varint(&mut out, CID_BYTES + piece.len());
        out.extend_from_slice(&cid.to_bytes());
        out.extend_from_slice(piece);
    }
    out
}

/// Reads a CAR of at most `max` bytes.
///
/// # Errors
/// [`Error::Integrity`] naming the entry that is cut, altered or given twice, or when the root is missing;
/// [`Error::Invalid`] for another header or size.
pub fn read(bytes: &[u8], max: u64) -> Result<Car> {
    if bytes.len() as u64 > max {
        return Err(Error::Invalid(format!("the CAR is {} bytes; at most {max} are read", bytes.len())));
    }
    let mut rest = bytes;
    let root = header(&mut rest)?;
    let (mut pieces, mut seen) = (Vec::new(), BTreeSet::new());
    while !rest.is_empty() {
        let (cid, piece) = entry(&mut rest, pieces.len() + 1)?;
        if !seen.insert(cid) {
            return Err(Error::Integrity(format!("the CAR has {cid} twice")));
        }
        pieces.push((cid, piece));
    }
    if !seen.contains(&root) {
        return Err(Error::Integrity(format!("the CAR lacks its own root {root}")));
    }
    Ok(Car { root, pieces })
}

/// Everything below `root`, from `store`, at most `max` bytes of pieces.
///
/// # Errors
/// As [`ContentStore::get_file`].
pub fn export(store: &dyn ContentStore, root: &Cid, max: u64) -> Result<Vec<u8>> {
    let (mut pieces, mut seen) = (Vec::new(), BTreeSet::new());
    let mut keep = |cid: &Cid, piece: &[u8]| {
        if seen.insert(*cid) {
            pieces.push((*cid, piece.to_vec()));
        }
        Ok(())
    };
    let mut left = max;
    gather(store, root, &mut left, 0, &mut keep)?;
    Ok(write(root, pieces.iter().map(|(cid, piece)| (cid, piece.as_slice()))))
}

/// Everything below `root`, each directory before what is in it; counts `left` down by the bytes kept.
fn gather(
    store: &dyn ContentStore,
    root: &Cid,
    left: &mut u64,
    nested: usize,
    keep: &mut dyn FnMut(&Cid, &[u8]) -> Result<()>,
) -> Result<()> {
    let mut counted = |cid: &Cid, piece: &[u8]| {
        let more = || Error::Invalid(format!("{cid} and what comes before it are more than is exported"));
        *left = left.checked_sub(piece.len() as u64).ok_or_else(more)?;
        keep(cid, piece)
    };
    match root.codec() {
        Codec::DagCbor => return counted(root, &store.get_piece(root)?),
        Codec::DagPb => {
            let node = store.get_piece(root)?;
            if let Some(entries) = directory::read(root, &node)? {
                counted(root, &node)?;
                if nested == MAX_NESTED {
                    return Err(Error::Integrity(format!("{root} is nested deeper than {MAX_NESTED} directories")));
                }
                return entries.iter().try_for_each(|entry| gather(store, &entry.cid, left, nested + 1, keep));
            }
        }
        Codec::Raw => {}
    }
    unixfs::walk(root, u64::MAX, &mut |cid| store.get_piece(cid), &mut counted)
}

/// Keeps every piece of a CAR in `store` and returns its root.
///
/// # Errors
/// As [`read`], before anything is kept; then as [`ContentStore::put_piece`].
pub fn import(store: &dyn ContentStore, bytes: &[u8], max: u64) -> Result<Cid> {
    let car = read(bytes, max)?;
    for (cid, piece) in &car.pieces {
        store.put_piece(cid, piece)?;
    }
    Ok(car.root)
}

fn header(rest: &mut &[u8]) -> Result<Cid> {
    let bad = || Error::Invalid("not a CAR of version 1 with one root".into());
    let length = take_varint(rest).ok_or_else(bad)?;
    if length != HEADER {
        return Err(bad());
    }
    let header = take(rest, length).ok_or_else(bad)?;
    let root = header.strip_prefix(HEADER_START).and_then(|h| h.strip_suffix(HEADER_END)).ok_or_else(bad)?;
    Cid::from_bytes(root)
}

fn entry(rest: &mut &[u8], number: usize) -> Result<(Cid, Vec<u8>)> {
    let bad = |why: &str| Error::Integrity(format!("entry {number} of the CAR {why}"));
    let length = take_varint(rest).ok_or_else(|| bad("has no length"))?;
    if length < CID_BYTES || length - CID_BYTES > MAX_PIECE {
        return Err(bad("has a length that no piece has"));
    }
    let entry = take(rest, length).ok_or_else(|| bad("is cut"))?;
    let (cid, piece) = entry.split_at(CID_BYTES);
    let cid = Cid::from_bytes(cid).map_err(|e| bad(&format!("has no CID that is read here: {e}")))?;
    cid.verify(piece).map_err(|e| bad(&format!("is not what it says: {e}")))?;
    Ok((cid, piece.to_vec()))
}

fn take<'a>(rest: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, left) = rest.split_at_checked(length)?;
    *rest = left;
    Some(taken)
}

fn put_varint(out: &mut Vec<u8>, mut value: usize) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// An unsigned LEB128 number in its shortest form.
fn take_varint(rest: &mut &[u8]) -> Option<usize> {
    let mut value = 0u64;
    for (index, byte) in rest.iter().enumerate().take(MAX_VARINT) {
        value |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            if *byte == 0 && index > 0 {
                return None;
            }
            *rest = &rest[index + 1..];
            return usize::try_from(value).ok();
        }
    }
    None
}
