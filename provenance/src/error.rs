//! What can go wrong in this crate, in words that say what happened and what to do.

/// `Result` with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The chain or a content node did not answer. Nothing was lost; the step can be run again.
    #[error("network unreachable: {0}")]
    Network(String),
    /// A contract refused the transaction or the question.
    #[error("the contract refused ({name}): {message}")]
    Reverted {
        /// The name of the contract's custom error, as in `contracts/interfaces`.
        name: String,
        /// The same in words.
        message: String,
        /// What to do about it.
        hint: String,
    },
    /// The network is not the one the profile names, or holds other code than the profile pins. Nothing was signed.
    #[error("wrong network: {0}")]
    WrongNetwork(String),
    /// Nothing is known under this id.
    #[error("not found: {0}")]
    NotFound(String),
    /// Somebody else holds what was asked for.
    #[error("busy: {0}")]
    Busy(String),
    /// Data does not match what was committed to it.
    #[error("integrity: {0}")]
    Integrity(String),
    /// A value that cannot be what it claims to be.
    #[error("invalid: {0}")]
    Invalid(String),
    /// The license or its terms do not allow it.
    #[error("refused: {0}")]
    Refused(String),
    /// A file or folder could not be read or written.
    #[error("input or output failed: {0}")]
    Io(#[from] std::io::Error),
}
