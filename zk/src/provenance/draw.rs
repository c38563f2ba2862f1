//! The positions a challenge draws: nobody chooses them, everybody computes them.

use ark_ff::PrimeField;

use crate::{
    Field,
    poseidon::{Tag, hash},
};

/// Positions drawn for one proof, with replacement.
pub const DRAWS: usize = 8;

/// Bits of one word: enough that `word · count` leans to no position by more than `count / 2^60`.
pub(crate) const WORD_BITS: usize = 60;

/// Words taken from one hash: its bits 0–59, 60–119, 120–179 and 180–239, least significant first. The top 14 bits,
/// which `r` makes uneven, are left out.
pub(crate) const WORDS: usize = 4;

/// The positions in `0..count` that `challenge` draws: `⌊word · count / 2^60⌋` for eight 60-bit words of
/// `Poseidon(DRAW, challenge, 0)` and `Poseidon(DRAW, challenge, 1)`. `count` is at least 1.
pub fn positions(challenge: Field, count: u64) -> [u64; DRAWS] {
    let mut drawn = draws(challenge, count);
    core::array::from_fn(|_| drawn.next().unwrap_or_default())
}

/// The endless sequence that [`positions`] begins.
pub(crate) fn draws(challenge: Field, count: u64) -> impl Iterator<Item = u64> {
    (0u64..).flat_map(move |j| words(hash(Tag::Draw, &[challenge, Field::from(j)]))).map(move |word| scale(word, count))
}

/// `⌊word · count / 2^60⌋`.
pub(crate) fn scale(word: u64, count: u64) -> u64 {
    ((u128::from(word) * u128::from(count)) >> WORD_BITS) as u64
}

fn words(hash: Field) -> [u64; WORDS] {
    let limbs = hash.into_bigint().0;
    core::array::from_fn(|i| {
        let (limb, shift) = (i * WORD_BITS / 64, i * WORD_BITS % 64);
        let pair = u128::from(limbs[limb]) | limbs.get(limb + 1).map_or(0, |next| u128::from(*next) << 64);
        (pair >> shift) as u64 & ((1 << WORD_BITS) - 1)
    })
}
