//! The circuit `provenance@1`: eight rows of an output, drawn by nobody, stand where registered records stand.
//!
//! [`Statement`] is what everybody sees, [`Witness`] what only the owner holds; `gadget.rs` is the same relation as
//! constraints. The tier fixes the depth; eight draws in every tier.

mod draw;
pub(crate) mod gadget;
mod leaf;
mod witness;

pub use draw::{DRAWS, positions};
pub use leaf::{Leaf, OwnerSecret, output_leaf, owner_commitment, row_digest};
pub use witness::{Drawn, Material, Witness};

use crate::{Field, merkle::Tier};

/// The circuit's name and version: a changed constraint is a new version with new keys.
pub const CIRCUIT: &str = "provenance@1";

/// Where each public input stands, in the circuit, in proofs' verification and in contracts.
pub mod input {
    /// Root of the registered records' tree.
    pub const ROOT: usize = 0;
    /// Number of registered records.
    pub const COUNT: usize = 1;
    /// The owner's commitment.
    pub const OWNER: usize = 2;
    /// Root of the output rows' tree.
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
    /// Root of the output rows' tree, of the same tier.
    pub output_root: Field,
    /// What the proof is bound to; see [`crate::field::from_digest`].
    pub context: Field,
    /// What the positions are drawn from; see [`crate::field::from_digest`].
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
}

/// How large an instance of the circuit is. Keys exist for the tiers; tests use smaller ones too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    /// Levels of both trees.
    pub depth: usize,
    /// Positions drawn.
    pub draws: usize,
}

impl From<Tier> for Shape {
    fn from(tier: Tier) -> Self {
        Self { depth: tier.depth(), draws: DRAWS }
    }
}

#[cfg(test)]
mod tests;
