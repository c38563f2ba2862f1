//! Proving and verifying keys, one pair for each circuit, and the pins that say which keys this program uses.
//!
//! **The keys here are development keys and insecure.** They come from a seed that everybody knows, so anybody can
//! forge proofs for them. They are for the embedded network, anvil and declared testnets.

mod lint;
mod proving;
mod verifying;

pub use lint::{Rule, lint};
pub(crate) use proving::{Constraints, Reduction, seeded};
pub use proving::{ProvingKey, constraint_count, development};
pub use verifying::{VERIFYING_KEY_BYTES, VerifyingKey};

use crate::{Circuit, Error, Result};

/// One line per tier: name, constraints, SHA-256 of the verifying key, SHA-256 of the stored proving key.
const PROVENANCE: &str = include_str!("../pinned/provenance-1.txt");
const STATISTIC: &str = include_str!("../pinned/statistic-1.txt");

/// What git says about a circuit and its keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pin {
    /// Constraints of the circuit.
    pub constraints: usize,
    /// SHA-256 of [`VerifyingKey::to_bytes`].
    pub verifying_key: [u8; 32],
    /// SHA-256 of [`ProvingKey::to_bytes`].
    pub proving_key: [u8; 32],
}

impl Pin {
    /// The pin of a circuit.
    ///
    /// # Errors
    /// [`Error::Key`] when the pins in the program are incomplete.
    pub fn of(circuit: impl Into<Circuit>) -> Result<Self> {
        let circuit = circuit.into();
        let (pins, tier) = match circuit {
            Circuit::Provenance(tier) => (PROVENANCE, tier),
            Circuit::Statistic => (STATISTIC, circuit.tier()),
        };
        let parse = || {
            let mut fields = pins
                .lines()
                .map(str::split_whitespace)
                .find_map(|mut line| (line.next() == Some(tier.name())).then_some(line))?;
            let constraints = fields.next()?.parse().ok()?;
            let mut digest = || -> Option<[u8; 32]> { hex::decode(fields.next()?).ok()?.try_into().ok() };
            Some(Self { constraints, verifying_key: digest()?, proving_key: digest()? })
        };
        parse().ok_or_else(|| refused(format!("no pin for {}", circuit.file_stem())))
    }
}

fn refused(reason: String) -> Error {
    Error::Key { reason }
}
