//! What the benchmark needs and no caller does: sealing alone, opening without the key derivation, and a vault of many
//! small chunks. Not part of the crate's interface.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use zeroize::Zeroizing;

use crate::chunk::Cutter;
use crate::disk::Lock;
use crate::error::{Error, Result};
use crate::key::{Header, Keys, Unlock};
use crate::open::{self, Options, Paths};
use crate::seal::{Domain, Sealer};
use crate::vault::{Stored, Vault};

/// Seals and opens boxes of `length` bytes where they are, on one thread, until `megabytes` MiB went through each way, as
/// `openssl speed` does. Returns bytes a second for both.
///
/// # Errors
/// [`Error::Io`] without randomness, [`Error::Damaged`] if a box does not open.
pub fn seal_and_open_in_place(length: usize, megabytes: usize) -> Result<(f64, f64)> {
    let sealer = Sealer::new(Zeroizing::new([7; 32]), [1; 16], Domain::Chunk);
    let rounds = (megabytes << 20).div_ceil(length).max(1);
    let (sealing, opening) = sealer.time_in_place(&vec![0x5a; length], rounds)?;
    Ok((length as f64 / sealing, length as f64 / opening))
}

/// The same with what the vault does around it: a copy of the plaintext to where it is sealed, and of the box to where it
/// is opened, which is wiped afterwards.
///
/// # Errors
/// [`Error::Io`] without randomness, [`Error::Damaged`] if a box does not open.
pub fn seal_and_open(length: usize, megabytes: usize) -> Result<(f64, f64)> {
    let sealer = Sealer::new(Zeroizing::new([7; 32]), [1; 16], Domain::Chunk);
    let plain = vec![0x5a; length];
    let rounds = (megabytes << 20).div_ceil(length);
    let mut sealed = Vec::new();
    let start = Instant::now();
    for _ in 0..rounds {
        sealed.clear();
        sealer.seal_into(&[b"context"], &plain, &mut sealed)?;
    }
    let sealing = start.elapsed().as_secs_f64();
    let start = Instant::now();
    for _ in 0..rounds {
        let opened = sealer.open(&[b"context"], &sealed).ok_or_else(|| Error::damaged("a box does not open"))?;
        std::hint::black_box(&opened);
    }
    let opening = start.elapsed().as_secs_f64();
    let bytes = (rounds * length) as f64;
    Ok((bytes / sealing, bytes / opening))
}

/// [`Vault::put`] with chunks of `piece` bytes, as another writer may cut them.
///
/// # Errors
/// Those of [`Vault::put`].
pub fn put_in_pieces(vault: &mut Vault, kind: &str, name: &str, content: &[u8], piece: usize) -> Result<Stored> {
    let mut source = content;
    vault.put_cut(kind, name, &mut Cutter::of_pieces(&mut source, piece))
}

/// A vault that is locked for this process and whose key is known, but which is not open yet.
pub struct Opening {
    paths: Paths,
    lock: Lock,
    header: Header,
    keys: Arc<Keys>,
}

impl Opening {
    /// Does everything up to and with the key derivation.
    ///
    /// # Errors
    /// Those of [`Vault::open`].
    pub fn derive(dir: &Path, unlock: &Unlock) -> Result<Opening> {
        let (paths, lock, header, keys) = open::enter(dir, unlock)?;
        Ok(Opening { paths, lock, header, keys })
    }

    /// Does the rest.
    ///
    /// # Errors
    /// Those of [`Vault::open`].
    pub fn open(self) -> Result<Vault> {
        open::open_unlocked(self.paths, self.lock, self.header, self.keys, &Options::default())
    }
}
