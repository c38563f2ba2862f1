//! What can go wrong, as a person or a program should learn it: a code, a message, and what to do next.

use std::fmt;

/// Why a command ended. The number is the process's exit code, and part of the command line's contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Code {
    /// Something failed that no other code names.
    Failure = 1,
    /// The command was called wrongly.
    Usage = 2,
    /// The vault is locked, or the passphrase is wrong.
    Locked = 3,
    /// What was asked for is not there.
    NotFound = 4,
    /// Another process holds the vault or the network.
    Busy = 5,
    /// A check of stored or received data failed: it was altered, or it is not what it claims to be.
    Integrity = 6,
    /// The chain or the content store does not answer.
    Network = 7,
    /// A license, or one of the vault's own rules, does not allow it.
    Refused = 8,
    /// A part was done; the rest was reported.
    Partial = 9,
    /// Interrupted from the keyboard.
    Interrupted = 130,
}

impl Code {
    /// The code with this number.
    pub fn from_exit(status: i32) -> Option<Code> {
        use Code::*;
        let all = [Failure, Usage, Locked, NotFound, Busy, Integrity, Network, Refused, Partial, Interrupted];
        all.into_iter().find(|code| *code as i32 == status)
    }

    /// The word that stands for this code in `{"error":{"code":…}}`.
    pub fn word(self) -> &'static str {
        match self {
            Code::Failure => "failure",
            Code::Usage => "usage",
            Code::Locked => "locked",
            Code::NotFound => "not_found",
            Code::Busy => "busy",
            Code::Integrity => "integrity",
            Code::Network => "network",
            Code::Refused => "refused",
            Code::Partial => "partial",
            Code::Interrupted => "interrupted",
        }
    }
}

/// An error with a code, what happened, and what to do next.
#[derive(Clone, Debug)]
pub struct Error {
    /// The exit code.
    pub code: Code,
    /// What happened.
    pub message: String,
    /// What to do next, where something can be done.
    pub hint: Option<String>,
}

/// The result of a use-case.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// An error without a hint.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Error { code, message: message.into(), hint: None }
    }

    /// The same error with what to do next.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Something failed.
    pub fn failure(message: impl Into<String>) -> Self {
        Error::new(Code::Failure, message)
    }

    /// The command was called wrongly.
    pub fn usage(message: impl Into<String>) -> Self {
        Error::new(Code::Usage, message)
    }

    /// What was asked for is not there.
    pub fn not_found(message: impl Into<String>) -> Self {
        Error::new(Code::NotFound, message)
    }

    /// A check failed.
    pub fn integrity(message: impl Into<String>) -> Self {
        Error::new(Code::Integrity, message)
    }

    /// A license or a rule of the vault does not allow it.
    pub fn refused(message: impl Into<String>) -> Self {
        Error::new(Code::Refused, message)
    }

    /// The chain or the content store does not answer.
    pub fn network(message: impl Into<String>) -> Self {
        Error::new(Code::Network, message)
    }

    /// Stopped from the keyboard; what was not finished left nothing behind.
    pub fn interrupted() -> Self {
        Error::new(Code::Interrupted, "interrupted: nothing was left half done")
    }

    /// The error as the JSON document that `--json` prints.
    pub fn json(&self) -> serde_json::Value {
        serde_json::json!({ "error": { "code": self.code.word(), "message": self.message, "hint": self.hint } })
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match &self.hint {
            Some(hint) => write!(f, "\n  {hint}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Error {}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        let code = if error.kind() == std::io::ErrorKind::NotFound { Code::NotFound } else { Code::Failure };
        Error::new(code, error.to_string())
    }
}

impl From<crate::record::RecordError> for Error {
    fn from(error: crate::record::RecordError) -> Self {
        Error::failure(error.to_string())
    }
}

impl From<crate::connector::Error> for Error {
    fn from(error: crate::connector::Error) -> Self {
        Error::failure(error.to_string())
    }
}

impl From<vault::Error> for Error {
    fn from(error: vault::Error) -> Self {
        use vault::Error as V;
        let code = match &error {
            V::WrongKey => Code::Locked,
            V::Busy { .. } => Code::Busy,
            V::NotFound(_) => Code::NotFound,
            V::Damaged(_) | V::Rollback(_) | V::Stale { .. } => Code::Integrity,
            V::Exists(_) => Code::Refused,
            V::Interrupted => Code::Interrupted,
            _ => Code::Failure,
        };
        Error::new(code, error.to_string())
    }
}

impl From<provenance::Error> for Error {
    fn from(error: provenance::Error) -> Self {
        use provenance::Error as P;
        let code = match &error {
            P::Network(_) => Code::Network,
            P::NotFound(_) => Code::NotFound,
            P::Busy(_) => Code::Busy,
            P::Integrity(_) | P::Invalid(_) | P::WrongNetwork(_) => Code::Integrity,
            P::Refused(_) | P::Reverted { .. } => Code::Refused,
            _ => Code::Failure,
        };
        Error::new(code, error.to_string())
    }
}

impl From<zk::Error> for Error {
    fn from(error: zk::Error) -> Self {
        use zk::Error as Z;
        let code = match &error {
            Z::NotCanonical { .. } | Z::Unsatisfied { .. } | Z::Key { .. } | Z::Malformed { .. } | Z::NotProven => {
                Code::Integrity
            }
            Z::Count { .. } | Z::TooFew { .. } => Code::Refused,
            _ => Code::Failure,
        };
        Error::new(code, error.to_string())
    }
}

impl From<compute::Error> for Error {
    fn from(error: compute::Error) -> Self {
        use compute::Error as C;
        let code = match &error {
            C::Parameter { .. } | C::Labels { .. } | C::TooFew { .. } => Code::Refused,
            C::Stopped { .. } => Code::Interrupted,
            C::ModelFile { .. } | C::Weights { .. } | C::Tokenizer { .. } | C::NotFinite { .. } | C::Output { .. } => {
                Code::Integrity
            }
            _ => Code::Failure,
        };
        Error::new(code, error.to_string())
    }
}
