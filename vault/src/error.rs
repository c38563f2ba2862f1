//! What can go wrong in a vault, named for what happened and what to do about it.

use std::path::{Path, PathBuf};

/// Shorthand for a result with this crate's [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

/// Everything a vault call can fail with.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused a read, a write or a sync.
    #[error("could not {doing} {}: {source}", path.display())]
    Io {
        /// What was being done, as a verb phrase.
        doing: &'static str,
        /// The file or folder it was done to.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
    /// A vault or other files are already where something should be created.
    #[error("{} is not empty: choose an empty folder", .0.display())]
    Exists(PathBuf),
    /// No vault, or no such object.
    #[error("not found: {0}")]
    NotFound(String),
    /// The passphrase or recovery phrase opens none of the slots.
    #[error("the passphrase or recovery phrase does not open this vault: try again")]
    WrongKey,
    /// Another process, or another handle in this one, holds the vault.
    #[error("the vault is open in another process{}: close it there first", match .pid { Some(p) => format!(" (pid {p})"), None => String::new() })]
    Busy {
        /// The holder, where it could be read.
        pid: Option<u32>,
    },
    /// Bytes that do not authenticate or do not fit together. Nothing of them was returned.
    #[error("damaged: {0}. Run a check to see what is affected, and restore it from a backup")]
    Damaged(String),
    /// The vault was written by a version of the format that this program does not know.
    #[error("vault format {found} is not supported here (this program reads format 1): use a newer program")]
    Unsupported {
        /// The version found.
        found: u16,
    },
    /// An older state of the vault was put in the place of a newer one.
    #[error("the vault went back in time: {0}. Restore the newest copy, or accept the loss explicitly")]
    Rollback(String),
    /// A backup from before what was seen of its vault on this machine. It is what a backup is, not an attack: what was
    /// stored after it was made is not in it.
    #[error(
        "this backup ends at commit {backup}, and commit {seen} of its vault was seen on this machine: what was stored between the two is not in it. Restore a newer backup, or accept the loss"
    )]
    Stale {
        /// Number of the backup's last commit.
        backup: u64,
        /// Number of the last commit seen.
        seen: u64,
    },
    /// The caller ended it. What was finished stays; running it again goes on from there.
    #[error("ended before it was done: run it again to go on")]
    Interrupted,
    /// A value outside the limits of the format.
    #[error("refused: {0}")]
    Limit(String),
    /// A write or sync failed earlier; this handle no longer writes.
    #[error("writing stopped after an earlier failure ({0}): open the vault again")]
    Stopped(String),
}

impl Error {
    /// An [`Error::Io`] builder for `map_err`.
    pub(crate) fn io(doing: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Error {
        let path = path.to_path_buf();
        move |source| Error::Io { doing, path, source }
    }

    /// An [`Error::Damaged`] from anything printable.
    pub(crate) fn damaged(what: impl Into<String>) -> Error {
        Error::Damaged(what.into())
    }
}
