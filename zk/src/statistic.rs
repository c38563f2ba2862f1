//! The circuit `statistic@1`: how many registered records have a value, the sum of the values and their histogram, all
//! of it proven.
//!
//! Every leaf of the dataset's tree, at most 512, stands in the proof. The answer is blinded on-chain:
//! `OUTPUT_ROOT = Poseidon(RESULT, blinding, packed, edges…)` is opened by whoever holds the [`Answer`] and its
//! blinding. [`Answer::compute`] is the native twin of `gadget.rs`.

mod answer;
mod bins;
pub(crate) mod gadget;
mod witness;

use ark_relations::gr1cs::{ConstraintSystemRef, SynthesisError};

pub use crate::statement::{Statement, input};
use crate::{
    Circuit, Field, Result,
    circuit::{Relation, another},
};
pub use answer::{Answer, Group};
pub use bins::{BINS, Bins};
pub use witness::{Material, Witness};

/// The circuit's name and version: a changed constraint is a new version with new keys.
pub const CIRCUIT: &str = "statistic@1";

/// Most records a statistic is proven over. More are refused: a smaller claim is never made in its place.
pub const MAX_RECORDS: u64 = 512;

impl Relation for Witness {
    fn check(&self, circuit: Circuit, statement: &Statement) -> Result<()> {
        match circuit {
            Circuit::Statistic => self.check_depth(circuit.tier().depth(), statement),
            _ => Err(another(circuit, CIRCUIT)),
        }
    }

    fn constrain(
        &self,
        circuit: Circuit,
        statement: &Statement,
        cs: ConstraintSystemRef<Field>,
    ) -> core::result::Result<(), SynthesisError> {
        gadget::constrain(cs, circuit.tier().depth(), Some((statement, self)))
    }
}

#[cfg(test)]
mod tests;
