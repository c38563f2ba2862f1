//! Poseidon over BN254 with circomlib's parameters and layout: state `[0, tag, inputs…]`, output word 0.
//!
//! Source: Grassi et al., "Poseidon: A New Hash Function for Zero-Knowledge Proof Systems" (2019/458); constants as
//! published by circomlib, taken from `light-poseidon`. Native hashing computes the partial rounds as a recurrence
//! (`rounds.rs`) and reduces sums of products once (`loose.rs`; `lanes.rs` for eight hashes side by side), derived here from
//! the plain form and tested equal to it.

use std::sync::OnceLock;

use ark_ff::AdditiveGroup;
#[cfg(target_arch = "x86_64")]
use fearless_simd::x86::Avx512;
use light_poseidon::{PoseidonParameters, parameters::bn254_x5::get_poseidon_parameters};

use crate::Field;

pub mod gadget;
#[cfg(target_arch = "x86_64")]
mod lanes;
mod loose;
mod rounds;

#[cfg(target_arch = "x86_64")]
use lanes::{Digits, Lanes};
use loose::{Loose, Single};
use rounds::Rounds;

/// Full rounds, half of them before the partial rounds and half after.
const FULL_ROUNDS: usize = 8;

/// Most inputs beside the tag: the widest published parameters have 13 words, one of them the capacity.
pub const MAX_INPUTS: usize = 11;

/// What a hash is about: its first input, so that no hash of one kind is a hash of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub enum Tag {
    /// A record's leaf: data hash and packed level and value.
    Leaf = 1,
    /// An inner node of a tree over its eight children.
    Node = 2,
    /// The leaf at a position that holds no record.
    Empty = 3,
    /// A record's content: salt and the two limbs of its digest.
    Data = 4,
    /// The owner's commitment: identity secret and dataset salt.
    Owner = 5,
    /// The positions a challenge draws.
    Draw = 6,
    /// A leaf of the output's tree: the record's leaf and the two limbs of the row's digest.
    Output = 7,
    /// A computed answer: blinding and packed results.
    Result = 8,
}

impl Tag {
    /// The tag as the hash's first input.
    pub fn element(self) -> Field {
        Field::from(self as u64)
    }
}

/// `Poseidon(tag, inputs…)`.
///
/// At most [`MAX_INPUTS`] inputs; more do not compile.
///
/// ```
/// use zk::poseidon::{Tag, hash};
/// let empty = hash(Tag::Empty, &[]);
/// assert_ne!(hash(Tag::Node, &[empty; 8]), empty);
/// ```
pub fn hash<const N: usize>(tag: Tag, inputs: &[Field; N]) -> Field {
    const { assert!(N <= MAX_INPUTS, "no published parameters for so many inputs") }
    let mut words = [Field::ZERO; MAX_INPUTS + 1];
    words[0] = tag.element();
    words[1..=N].copy_from_slice(inputs);
    raw(&words[..=N])
}

/// [`hash`] of each. Where the processor has AVX-512 with IFMA, eight are computed side by side, in about the time of one.
///
/// ```
/// use zk::{Field, poseidon::{Tag, hash, hash_each}};
/// let inputs: Vec<_> = (0..20u64).map(|i| [Field::from(i), Field::from(7u64)]).collect();
/// assert_eq!(hash_each(Tag::Owner, &inputs)[19], hash(Tag::Owner, &inputs[19]));
/// ```
pub fn hash_each<const N: usize>(tag: Tag, inputs: &[[Field; N]]) -> Vec<Field> {
    let mut hashes = Vec::with_capacity(inputs.len());
    #[cfg(target_arch = "x86_64")]
    if let Some(avx512) = lanes::detected() {
        for eight in inputs.as_chunks::<{ lanes::LANES }>().0 {
            let word = |place: usize| Lanes::of(avx512, eight.each_ref().map(|inputs| inputs[place]));
            let tag = Lanes::of(avx512, [tag.element(); lanes::LANES]);
            let words: Vec<_> = core::iter::once(tag).chain((0..N).map(word)).collect();
            hashes.extend(raw_lanes(avx512, &words).elements(avx512));
        }
    }
    let left = &inputs[hashes.len()..];
    hashes.extend(left.iter().map(|inputs| hash(tag, inputs)));
    hashes
}

/// The rounds' permutation of `words`, by the width of their state.
macro_rules! by_width {
    ($arithmetic:expr, $words:expr, $constant:ty: $($width:literal)*) => {
        match $words.len() + 1 {
            $($width => {
                static ROUNDS: OnceLock<Rounds<$width, $constant>> = OnceLock::new();
                ROUNDS.get_or_init(|| Rounds::derive(&parameters($width))).hash($arithmetic, $words)
            })*
            width => unreachable!("no parameters of width {width}"),
        }
    };
}

/// circomlib's `poseidon(words)`: no tag added.
fn raw(words: &[Field]) -> Field {
    let mut loose = [Loose::default(); MAX_INPUTS + 1];
    loose.iter_mut().zip(words).for_each(|(loose, word)| *loose = (*word).into());
    by_width!(Single, &loose[..words.len()], Loose: 2 3 4 5 6 7 8 9 10 11 12 13).into()
}

/// [`raw`] in every lane.
#[cfg(target_arch = "x86_64")]
fn raw_lanes(avx512: Avx512, words: &[Lanes]) -> Lanes {
    by_width!(avx512, words, Digits: 2 3 4 5 6 7 8 9 10 11 12 13)
}

/// The published parameters for a state of `width` words, 2 to 13.
fn parameters(width: u8) -> PoseidonParameters<Field> {
    match get_poseidon_parameters::<Field>(width) {
        Ok(parameters) => parameters,
        Err(error) => unreachable!("widths are fixed by the callers: {error}"),
    }
}

#[cfg(test)]
mod tests;
