//! An encrypted object store in one folder: chunks in packs, a rebuildable index and catalog, one passphrase.
//!
//! The bytes on disk are described in `FORMAT.md`; module names are its headings. This crate knows nothing of records,
//! chains, proofs or windows: it keeps bytes under a kind and a name, and gives them back unaltered or not at all.
//!
//! ```no_run
//! use vault::{KdfCost, Secret, Unlock, Vault};
//! let dir = std::path::Path::new("my-vault");
//! let passphrase = Secret::from("correct horse battery staple");
//! let mut vault = Vault::create(dir, &passphrase, &[7; 32], KdfCost::FLOOR)?;
//! let stored = vault.put("note", "first", &mut &b"hello"[..])?;
//! vault.commit()?; // from here on the note survives a crash
//! assert_eq!(vault.read(&stored.id)?.as_slice(), b"hello");
//! drop(vault);
//! let vault = Vault::open(dir, &Unlock::Passphrase(passphrase))?;
//! assert_eq!(vault.list("note")?.len(), 1);
//! # Ok::<(), vault::Error>(())
//! ```
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod autolock;
mod backup;
mod catalog;
mod catalog_db;
mod check;
mod chunk;
mod cipher;
mod create;
mod disk;
mod error;
mod export;
mod gc;
mod gc_plan;
mod head;
mod index;
mod key;
mod log;
#[doc(hidden)]
pub mod measure;
mod object;
mod open;
mod pack;
mod put;
mod read;
mod repair;
mod replay;
mod reserve;
mod seal;
mod sealing;
mod share;
#[cfg(test)]
mod sim;
mod stamps;
mod standing;
mod survey;
mod system;
mod vault;
mod wiped;

pub use autolock::AutoLock;
pub use backup::{BackupOutcome, Behind, Existing, Restored};
pub use check::{CheckDepth, Problem, Report};
pub use error::{Error, Result};
pub use export::{ExportItem, Exported};
pub use gc::{GcOutcome, Progress};
pub use gc_plan::{Fate, GcOptions, GcPlan, PackUse};
pub use key::{KdfCost, Secret, Unlock};
pub use object::{Entry, KIND_MAX, NAME_MAX, ObjectId};
pub use open::{OnDamage, OnRollback, Options};
pub use share::{Access, Read, Reader, Shared, socket_folder};
pub use stamps::{Stamp, Stamps};
pub use vault::{Status, Stored, Vault};
