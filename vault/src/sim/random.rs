//! Seeded numbers: one seed, one run. Where a seed is set, the vault's own randomness follows from it too.

use std::cell::RefCell;

thread_local! {
    static VAULT: RefCell<Option<Random>> = const { RefCell::new(None) };
}

/// SplitMix64.
#[derive(Clone, Debug)]
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `n`, or 0 when `n` is 0.
    pub(crate) fn below(&mut self, n: u64) -> u64 {
        self.next() % n.max(1)
    }

    /// True once in `n` times.
    pub(crate) fn once_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    pub(crate) fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length.div_ceil(8)).flat_map(|_| self.next().to_le_bytes()).take(length).collect()
    }
}

/// Lets nonces, salts and names of packs on this thread follow from a seed, so that a run can be repeated.
pub(crate) fn seed_vault(seed: u64) {
    VAULT.with_borrow_mut(|random| *random = Some(Random(seed)));
}

/// Bytes for [`crate::seal::random`], where this thread has a seed.
pub(crate) fn vault_bytes(buffer: &mut [u8]) -> bool {
    VAULT.with_borrow_mut(|random| match random {
        Some(random) => {
            buffer.copy_from_slice(&random.bytes(buffer.len()));
            true
        }
        None => false,
    })
}
