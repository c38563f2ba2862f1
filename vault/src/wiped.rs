//! Buffers for plaintext: wiped when they are dropped, at the speed of memory.

use std::ops::{Deref, DerefMut};

use zeroize::optimization_barrier;

/// Bytes that are overwritten with zeros before their memory is given back. `Zeroizing<Vec<u8>>` does the same one byte
/// at a time, which takes as long as encrypting them; this is for chunks.
#[derive(Default)]
pub(crate) struct Wiped(Vec<u8>);

impl Wiped {
    /// `length` zeros.
    pub(crate) fn zeros(length: usize) -> Wiped {
        Wiped(vec![0; length])
    }
}

impl From<Vec<u8>> for Wiped {
    fn from(bytes: Vec<u8>) -> Wiped {
        Wiped(bytes)
    }
}

impl Deref for Wiped {
    type Target = Vec<u8>;
    fn deref(&self) -> &Vec<u8> {
        &self.0
    }
}

impl DerefMut for Wiped {
    fn deref_mut(&mut self) -> &mut Vec<u8> {
        &mut self.0
    }
}

impl Drop for Wiped {
    fn drop(&mut self) {
        self.0.clear();
        self.0.resize(self.0.capacity(), 0);
        optimization_barrier(self.0.as_slice());
    }
}
