//! Poseidon over BN254 with circomlib's parameters and layout: state `[0, tag, inputs…]`, output word 0.
//!
//! Source: Grassi et al., "Poseidon: A New Hash Function for Zero-Knowledge Proof Systems" (2019/458); constants as
//! published by circomlib, taken from `light-poseidon`. Native hashing computes the partial rounds as a recurrence
//! (`rounds.rs`) and reduces sums of products once (`loose.rs`), derived here from the plain form and tested equal to it.

use std::sync::OnceLock;

use ark_ff::AdditiveGroup;
use light_poseidon::{PoseidonParameters, parameters::bn254_x5::get_poseidon_parameters};

use crate::Field;

pub mod gadget;
mod loose;
mod rounds;

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

/// circomlib's `poseidon(words)`: no tag added.
fn raw(words: &[Field]) -> Field {
    macro_rules! by_width {
        ($($width:literal)*) => {
            match words.len() + 1 {
                $($width => {
                    static ROUNDS: OnceLock<Rounds<$width>> = OnceLock::new();
                    ROUNDS.get_or_init(|| Rounds::derive(&parameters($width))).hash(words)
                })*
                width => unreachable!("no parameters of width {width}"),
            }
        };
    }
    by_width!(2 3 4 5 6 7 8 9 10 11 12 13)
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
