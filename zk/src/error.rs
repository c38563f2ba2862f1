//! What can go wrong in this crate, each variant named for it.

/// The crate's result.
pub type Result<T> = core::result::Result<T, Error>;

/// Why a commitment, key or proof was refused.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A 32-byte word is not below the modulus of the field it should be in.
    #[error("{what} is not below the field's modulus: every number has one encoding, take it from its source again")]
    NotCanonical {
        /// Which number.
        what: &'static str,
    },
    /// A number of records that no tier, or not this tier, can hold.
    #[error("{count} records do not fit: a tree holds 1 to {capacity}")]
    Count {
        /// Records asked for.
        count: u64,
        /// Most records the tree holds.
        capacity: u64,
    },
    /// A position outside the tree.
    #[error("position {position} is outside the tree, which ends at {capacity}")]
    Position {
        /// Position asked for.
        position: u64,
        /// First position outside.
        capacity: u64,
    },
    /// An answer over fewer values than may be told apart.
    #[error("{values} values are fewer than the {least} that an answer must be about: nothing is answered")]
    TooFew {
        /// Values there are.
        values: u64,
        /// Fewest values that a group of the answer may have.
        least: u64,
    },
    /// The witness does not satisfy the statement, so there is nothing to prove.
    #[error("the witness does not fit the statement: {reason}")]
    Unsatisfied {
        /// The first thing found wrong.
        reason: String,
    },
    /// Bytes that are not a key this program may use.
    #[error("key refused: {reason}")]
    Key {
        /// What is wrong with it and what to do.
        reason: String,
    },
    /// Words that are not a proof.
    #[error("proof refused: {reason}")]
    Malformed {
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A well-formed proof that does not show this statement.
    #[error("the proof does not show this statement")]
    NotProven,
    /// The constraint system could not be built or solved. A bug here, not a fault of the caller.
    #[error("the circuit could not be built: {0}")]
    Circuit(#[from] ark_relations::gr1cs::SynthesisError),
    /// The operating system gave no randomness.
    #[error("the operating system gave no randomness: {0}")]
    Randomness(String),
}
