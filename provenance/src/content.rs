//! Where public bytes are kept and fetched: manifests, offers, sealed specs, sealed packages. Nothing in here is secret.
//!
//! A store is never believed: whatever comes out of one is counted while it is read, and its CID is recomputed.

pub mod car;
pub mod directory;
pub mod kubo;
pub mod local;
pub mod several;
pub mod unixfs;

use crate::cid::{Cid, Codec};
use crate::{Error, Result};

/// Largest piece, in bytes. Larger content is a file of several pieces.
pub const MAX_PIECE: usize = 1 << 20;

/// A place that keeps bytes under their CID. Calls block; all of them may be called from several threads.
pub trait ContentStore: Send + Sync {
    /// Keeps `bytes`, whose CID the caller computed. Durable when it returns, as far as the place can promise.
    ///
    /// # Errors
    /// [`Error::Integrity`] when they are not what `cid` names, [`Error::Invalid`] above [`MAX_PIECE`],
    /// [`Error::Network`] or [`Error::Io`] when the place does not take them.
    fn put_piece(&self, cid: &Cid, bytes: &[u8]) -> Result<()>;

    /// The bytes of `cid`, at most [`MAX_PIECE`], recomputed.
    ///
    /// # Errors
    /// [`Error::NotFound`] when the place does not have them, [`Error::Integrity`] when what it has was altered,
    /// [`Error::Network`] or [`Error::Io`] when it does not answer.
    fn get_piece(&self, cid: &Cid) -> Result<Vec<u8>>;

    /// Whether the place says that it has `cid`. Says nothing about the bytes.
    ///
    /// # Errors
    /// [`Error::Network`] or [`Error::Io`] when the place does not answer.
    fn has(&self, cid: &Cid) -> Result<bool>;

    /// Asks the place to keep `cid` and all that hangs below it.
    ///
    /// # Errors
    /// [`Error::NotFound`] when a piece is missing; else as [`ContentStore::get_piece`].
    fn pin(&self, cid: &Cid) -> Result<()>;

    /// Keeps `bytes` as one raw piece and returns its CID. A place that throws away what is not pinned pins it.
    ///
    /// # Errors
    /// As [`ContentStore::put_piece`]; there also as [`ContentStore::pin`].
    fn put_raw(&self, bytes: &[u8]) -> Result<Cid> {
        check_size(bytes.len())?;
        let cid = Cid::raw(bytes);
        self.put_piece(&cid, bytes)?;
        Ok(cid)
    }

    /// Keeps `bytes` as a UnixFS file of the profile `unixfs-v1-2025` and returns the CID of its root. A place that throws
    /// away what is not pinned pins the root with all below it.
    ///
    /// # Errors
    /// As [`ContentStore::put_piece`]; there also as [`ContentStore::pin`].
    fn put_file(&self, bytes: &[u8]) -> Result<Cid> {
        unixfs::split(bytes, &mut |cid, piece| self.put_piece(cid, piece))
    }

    /// The bytes of one raw piece.
    ///
    /// # Errors
    /// As [`ContentStore::get_piece`]; [`Error::Invalid`] for a CID of another codec.
    fn get_raw(&self, cid: &Cid) -> Result<Vec<u8>> {
        if cid.codec() != Codec::Raw {
            return Err(Error::Invalid(format!("{cid} is not a raw piece")));
        }
        self.get_piece(cid)
    }

    /// The bytes of a file, at most `max` of them.
    ///
    /// # Errors
    /// As [`ContentStore::get_piece`]; [`Error::Integrity`] when the file's tree is not what it says;
    /// [`Error::Invalid`] when there is more than `max`.
    fn get_file(&self, cid: &Cid, max: u64) -> Result<Vec<u8>> {
        unixfs::join(cid, max, &mut |cid| self.get_piece(cid))
    }
}

/// Refuses what is larger than a piece.
fn check_size(length: usize) -> Result<()> {
    if length > MAX_PIECE {
        return Err(Error::Invalid(format!("a piece is at most {MAX_PIECE} bytes, not {length}: store it as a file")));
    }
    Ok(())
}

#[cfg(test)]
#[path = "content/js_ipfs_tests.rs"]
mod js_ipfs_tests;
#[cfg(test)]
#[path = "content/tests.rs"]
mod tests;
