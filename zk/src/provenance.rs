//! The circuit `provenance@1`: eight rows of an output, drawn by nobody, stand where registered records stand.
//!
//! [`Statement`] is what everybody sees, [`Witness`] what only the owner holds; `gadget.rs` is the same relation as
//! constraints. The tier fixes the depth; eight draws in every tier.

mod draw;
pub(crate) mod gadget;
mod leaf;
mod witness;

pub use draw::{DRAWS, positions};
pub(crate) use leaf::packed;
pub use leaf::{Leaf, OwnerSecret, output_leaf, owner_commitment, row_digest};
pub use witness::{Drawn, Material, Witness};

pub use crate::statement::{Statement, input};
use crate::{
    Field, Result,
    circuit::{Circuit, Relation, another},
    merkle::Tier,
};
use ark_relations::gr1cs::{ConstraintSystemRef, SynthesisError};

/// The circuit's name and version: a changed constraint is a new version with new keys.
pub const CIRCUIT: &str = "provenance@1";

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

impl Relation for Witness {
    fn check(&self, circuit: Circuit, statement: &Statement) -> Result<()> {
        match circuit {
            Circuit::Provenance(tier) => self.check_shape(tier.into(), statement),
            _ => Err(another(circuit, CIRCUIT)),
        }
    }

    fn constrain(
        &self,
        circuit: Circuit,
        statement: &Statement,
        cs: ConstraintSystemRef<Field>,
    ) -> core::result::Result<(), SynthesisError> {
        gadget::constrain(cs, circuit.tier().into(), Some((statement, self)))
    }
}

#[cfg(test)]
mod tests;
