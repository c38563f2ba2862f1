//! What a job's proof shows: six public inputs, the same for every circuit, so that one contract call settles any job.

use crate::{Error, Field, Result, field, merkle::Tier, solidity::Word};

pub(crate) mod gadget;

/// Where each public input stands, in the circuits, in proofs' verification and in contracts.
pub mod input {
    /// Root of the registered records' tree.
    pub const ROOT: usize = 0;
    /// Number of registered records.
    pub const COUNT: usize = 1;
    /// The owner's commitment.
    pub const OWNER: usize = 2;
    /// What the output was committed as: the root of its rows' tree, or a statistic's blinded answer.
    pub const OUTPUT_ROOT: usize = 3;
    /// Digest of chain, escrow, job, license, spec, output, key and payee.
    pub const CONTEXT: usize = 4;
    /// Number drawn after the output was committed.
    pub const CHALLENGE: usize = 5;
    /// How many there are.
    pub const LENGTH: usize = 6;
}

/// What a proof shows: the public inputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Statement {
    /// Root of the registered records' tree.
    pub root: Field,
    /// Number of registered records, 1 to the tier's capacity.
    pub count: u64,
    /// The owner's commitment for this dataset.
    pub owner: Field,
    /// What the output was committed as; see [`input::OUTPUT_ROOT`].
    pub output_root: Field,
    /// What the proof is bound to; see [`crate::field::from_digest`].
    pub context: Field,
    /// Drawn after the output was committed; see [`crate::field::from_digest`].
    pub challenge: Field,
}

impl Statement {
    /// The public inputs in the order of [`input`].
    pub fn inputs(&self) -> [Field; input::LENGTH] {
        let mut inputs = [Field::from(0u64); input::LENGTH];
        inputs[input::ROOT] = self.root;
        inputs[input::COUNT] = Field::from(self.count);
        inputs[input::OWNER] = self.owner;
        inputs[input::OUTPUT_ROOT] = self.output_root;
        inputs[input::CONTEXT] = self.context;
        inputs[input::CHALLENGE] = self.challenge;
        inputs
    }

    /// The public inputs as a contract's `uint256[6]`.
    pub fn to_words(&self) -> [Word; input::LENGTH] {
        self.inputs().map(|input| field::to_bytes(&input))
    }

    /// Reads [`Statement::to_words`].
    ///
    /// # Errors
    /// [`Error::NotCanonical`] naming the input that is not below `r`: a contract and this program would otherwise see
    /// one statement in several numbers. [`Error::Count`] for a count that no tier holds.
    pub fn from_words(words: &[Word; input::LENGTH]) -> Result<Self> {
        let read = |place: usize, what| field::from_bytes(&words[place]).map_err(|_| Error::NotCanonical { what });
        let wide = read(input::COUNT, "the count")?;
        let count = small(&wide).filter(|count| (1..=Tier::Large.capacity()).contains(count));
        Ok(Self {
            root: read(input::ROOT, "the root")?,
            count: count
                .ok_or(Error::Count { count: small(&wide).unwrap_or(u64::MAX), capacity: Tier::Large.capacity() })?,
            owner: read(input::OWNER, "the owner's commitment")?,
            output_root: read(input::OUTPUT_ROOT, "the output's root")?,
            context: read(input::CONTEXT, "the context")?,
            challenge: read(input::CHALLENGE, "the challenge")?,
        })
    }
}

/// The element as a number where it fits 64 bits.
fn small(element: &Field) -> Option<u64> {
    match ark_ff::PrimeField::into_bigint(*element).0 {
        [low, 0, 0, 0] => Some(low),
        _ => None,
    }
}
