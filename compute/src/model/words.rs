//! Word embeddings read from the weights file a row at a time: they are half of a model, and a text needs few of them.

use std::fs::File;
use std::hash::{BuildHasher, RandomState};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use super::refused;
use crate::{Error, Result};

/// The matrix of word embeddings in an open file. Each row is known by a keyed hash from when the whole file was digested,
/// so a file that is written to later is noticed.
#[derive(Debug)]
pub(crate) struct Words {
    path: PathBuf,
    file: File,
    start: u64,
    keys: RandomState,
    hashes: Vec<u64>,
}

impl Words {
    /// A matrix without rows yet, whose values begin at `start` of `file`.
    pub fn new(path: PathBuf, file: File, start: u64) -> Self {
        Self { path, file, start, keys: RandomState::new(), hashes: Vec::new() }
    }

    /// Remembers the next row's bytes.
    pub fn remember(&mut self, row: &[u8]) {
        self.hashes.push(self.keys.hash_one(row));
    }

    /// Adds the row of word `id` to `out`; `bytes` is scratch space.
    ///
    /// # Errors
    /// [`Error::ModelFile`] when the file cannot be read any more or has changed.
    pub fn add(&self, id: u32, out: &mut [f32], bytes: &mut Vec<u8>) -> Result<()> {
        bytes.resize(out.len() * size_of::<f32>(), 0);
        let at = self.start + u64::from(id) * bytes.len() as u64;
        let read = self.file.read_exact_at(bytes, at);
        read.map_err(|error| refused(&self.path, &format!("cannot be read: {error}")))?;
        if self.hashes.get(id as usize) != Some(&self.keys.hash_one(bytes.as_slice())) {
            return Err(self.changed());
        }
        for (out, value) in out.iter_mut().zip(bytes.as_chunks::<4>().0) {
            *out += f32::from_le_bytes(*value);
        }
        Ok(())
    }

    fn changed(&self) -> Error {
        refused(&self.path, "changed after it was opened; open it again")
    }
}
