//! A file of frames that only its key opens: what it says is nobody's business but the vault's.

use std::path::Path;

use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305};

use super::frames::{Frames, Magic};
use crate::{Error, Result};

/// Bytes of an entry's nonce, in front of the sealed entry (XChaCha20-Poly1305, the magic as associated data).
const NONCE: usize = 24;

/// An open file of sealed entries, held by one process at a time.
pub(super) struct Sealed {
    frames: Frames,
    seal: Seal,
}

struct Seal {
    cipher: XChaCha20Poly1305,
    magic: Magic,
}

impl std::fmt::Debug for Sealed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sealed").field("frames", &self.frames).finish_non_exhaustive()
    }
}

impl Sealed {
    /// Opens the file, or begins one, and returns its entries in order.
    ///
    /// # Errors
    /// As [`Frames::open`]; [`Error::Integrity`] too when it is sealed under another key.
    pub(super) fn open(path: &Path, magic: Magic, key: &[u8; 32]) -> Result<(Self, Vec<Vec<u8>>)> {
        let (frames, bodies) = Frames::open(path, magic)?;
        let seal = Seal { cipher: XChaCha20Poly1305::new(key.into()), magic };
        let unreadable = || Error::Integrity(format!("{} is damaged or of another vault", path.display()));
        let entries =
            bodies.iter().map(|body| seal.open(body).ok_or_else(unreadable)).collect::<Result<Vec<Vec<u8>>>>()?;
        Ok((Self { frames, seal }, entries))
    }

    /// Appends one entry and waits until it is on disk.
    ///
    /// # Errors
    /// As [`Frames::append`].
    pub(super) fn append(&mut self, entry: &[u8]) -> Result<()> {
        self.frames.append(&self.seal.close(entry)?)
    }

    /// Replaces everything by these entries, whole or not at all.
    ///
    /// # Errors
    /// As [`Frames::rewrite`].
    pub(super) fn rewrite(&mut self, entries: &[Vec<u8>]) -> Result<()> {
        let bodies = entries.iter().map(|entry| self.seal.close(entry)).collect::<Result<Vec<_>>>()?;
        self.frames.rewrite(&bodies)
    }
}

impl Seal {
    fn close(&self, entry: &[u8]) -> Result<Vec<u8>> {
        let mut nonce = [0; NONCE];
        getrandom::fill(&mut nonce).map_err(|error| Error::Io(std::io::Error::other(error.to_string())))?;
        let sealed = self.cipher.encrypt(&nonce.into(), Payload { msg: entry, aad: &self.magic });
        Ok([&nonce[..], &sealed.map_err(|_| Error::Invalid("an entry is too long to be sealed".into()))?].concat())
    }

    fn open(&self, body: &[u8]) -> Option<Vec<u8>> {
        let (nonce, sealed) = body.split_first_chunk::<NONCE>()?;
        self.cipher.decrypt(&(*nonce).into(), Payload { msg: sealed, aad: &self.magic }).ok()
    }
}
