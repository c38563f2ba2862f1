//! Files as trees of pieces, by the profile `unixfs-v1-2025`: CIDv1, sha2-256, raw leaves of 1 MiB, 1024 links, balanced.

use super::MAX_PIECE;
use crate::cid::{Cid, Codec};
use crate::{Error, Result};
use rust_unixfs::file::adder::{BalancedCollector, Chunker, FileAdder, FileBranch, parse_file_branch};

/// The name of the profile, for manifests.
pub const PROFILE: &str = "unixfs-v1-2025";
/// Links in one node.
const LINKS: usize = 1024;
/// Deepest tree read: three levels of nodes above the leaves hold 2^50 bytes.
const MAX_DEPTH: usize = 3;

/// Splits `bytes` into pieces, hands each to `keep` (children before parents), and returns the root's CID: raw when one
/// piece holds it all, else dag-pb.
///
/// # Errors
/// Whatever `keep` returns.
pub fn split(bytes: &[u8], keep: &mut dyn FnMut(&Cid, &[u8]) -> Result<()>) -> Result<Cid> {
    let mut adder = FileAdder::builder()
        .with_chunker(Chunker::Size(MAX_PIECE))
        .with_collector(BalancedCollector::with_branching_factor(LINKS))
        .with_raw_leaves(true)
        .build();
    let mut root = None;
    let mut each = |cid: &cid::Cid, piece: &[u8]| -> Result<()> {
        let cid = Cid::from_generic(cid)?;
        root = Some(cid);
        keep(&cid, piece)
    };
    let mut rest = bytes;
    while !rest.is_empty() {
        let (pieces, used) = adder.push(rest);
        for (cid, piece) in pieces {
            each(&cid, &piece)?;
        }
        rest = &rest[used..];
    }
    for (cid, piece) in adder.finish() {
        each(&cid, &piece)?;
    }
    root.ok_or_else(|| Error::Invalid("a file without pieces".into()))
}

/// The CID that [`split`] gives `bytes`, keeping nothing.
///
/// # Errors
/// None in practice.
pub fn file_cid(bytes: &[u8]) -> Result<Cid> {
    split(bytes, &mut |_, _| Ok(()))
}

/// The file below `root`, at most `max` bytes. `fetch` returns the verified bytes of one piece.
///
/// # Errors
/// [`Error::Integrity`] when the tree is deeper, wider or of other sizes than it says; [`Error::Invalid`] when the file
/// is larger than `max` or no such file; whatever `fetch` returns.
pub fn join(root: &Cid, max: u64, fetch: &mut dyn FnMut(&Cid) -> Result<Vec<u8>>) -> Result<Vec<u8>> {
    let mut file = Vec::new();
    walk(root, max, fetch, &mut |cid, piece| {
        if cid.codec() == Codec::Raw {
            file.extend_from_slice(piece);
        }
        Ok(())
    })?;
    Ok(file)
}

/// Visits every piece of the file below `root`, parents before children, leaves in order. Limits and errors as [`join`].
pub(crate) fn walk(
    root: &Cid,
    max: u64,
    fetch: &mut dyn FnMut(&Cid) -> Result<Vec<u8>>,
    visit: &mut dyn FnMut(&Cid, &[u8]) -> Result<()>,
) -> Result<()> {
    let mut left = max;
    // Nodes still to visit: CID, the size its parent says it has, how many nodes are above it.
    let mut stack: Vec<(Cid, Option<u64>, usize)> = vec![(*root, None, 0)];
    while let Some((cid, said, depth)) = stack.pop() {
        let piece = fetch(&cid)?;
        match cid.codec() {
            Codec::Raw => {
                check_said(&cid, said, piece.len() as u64)?;
                left = left.checked_sub(piece.len() as u64).ok_or_else(|| too_large(root, max))?;
            }
            Codec::DagPb => {
                let node = node(&cid, &piece, depth)?;
                check_said(&cid, said, node.filesize)?;
                if node.filesize > left {
                    return Err(too_large(root, max));
                }
                for link in node.links.iter().rev() {
                    stack.push((Cid::from_generic(&link.cid)?, Some(link.blocksize), depth + 1));
                }
            }
            Codec::DagCbor => return Err(Error::Invalid(format!("{cid} is a document, not a file"))),
        }
        visit(&cid, &piece)?;
    }
    Ok(())
}

/// Reads one node and checks that its sizes add up. A child of size zero is refused: a tree of them would never end.
fn node(cid: &Cid, piece: &[u8], depth: usize) -> Result<FileBranch> {
    let bad = |why: &str| Error::Integrity(format!("{cid} is not a file node of profile {PROFILE}: {why}"));
    if depth >= MAX_DEPTH {
        return Err(bad("the tree is too deep"));
    }
    let node = parse_file_branch(piece).ok_or_else(|| bad("it cannot be read as one"))?;
    if node.links.len() > LINKS {
        return Err(bad("too many links"));
    }
    if node.links.iter().any(|link| link.blocksize == 0) {
        return Err(bad("an empty child"));
    }
    let sum = node.links.iter().try_fold(0u64, |sum, link| sum.checked_add(link.blocksize));
    if sum != Some(node.filesize) {
        return Err(bad("its sizes do not add up"));
    }
    Ok(node)
}

fn check_said(cid: &Cid, said: Option<u64>, found: u64) -> Result<()> {
    match said {
        Some(said) if said != found => {
            Err(Error::Integrity(format!("{cid} is {found} bytes; the node above it says {said}")))
        }
        _ => Ok(()),
    }
}

fn too_large(root: &Cid, max: u64) -> Error {
    Error::Invalid(format!("{root} is larger than the {max} bytes that are read here"))
}
