//! Proving and verifying keys, one pair for each tier, and the pins that say which keys this program uses.
//!
//! **The keys here are development keys and insecure.** They come from a seed that everybody knows, so anybody can
//! forge proofs for them. They are for the embedded network, anvil and declared testnets.

mod proving;
mod verifying;

pub use proving::{ProvingKey, constraint_count, development};
pub use verifying::{VERIFYING_KEY_BYTES, VerifyingKey};

use crate::{Error, Result, merkle::Tier};

/// One line per tier: name, constraints, SHA-256 of the verifying key, SHA-256 of the stored proving key.
const PINS: &str = include_str!("../pinned/provenance-1.txt");

/// What git says about a tier's circuit and keys.
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
    /// The pin of a tier.
    ///
    /// # Errors
    /// [`Error::Key`] when the pins in the program are incomplete.
    pub fn of(tier: Tier) -> Result<Self> {
        let parse = || {
            let mut fields = PINS
                .lines()
                .map(str::split_whitespace)
                .find_map(|mut line| (line.next() == Some(tier.name())).then_some(line))?;
            let constraints = fields.next()?.parse().ok()?;
            let mut digest = || -> Option<[u8; 32]> { hex::decode(fields.next()?).ok()?.try_into().ok() };
            Some(Self { constraints, verifying_key: digest()?, proving_key: digest()? })
        };
        parse().ok_or_else(|| refused(format!("no pin for the tier {}", tier.name())))
    }
}

fn refused(reason: String) -> Error {
    Error::Key { reason }
}
