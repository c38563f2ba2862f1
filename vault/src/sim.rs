//! A simulated disk for the crate's own tests: what was not synced may be lost, torn or reordered when the power goes,
//! and any call may fail. A path that starts with `/simulated/<number>` is on such a disk, every other is real.
//!
//! The disk is as unkind as POSIX allows: syncing a file does not make its name durable, nor syncing a folder the
//! content of its files; each 512-byte sector and each name reaches the disk or not by itself; after a failed sync what
//! was written is gone for good, although it can still be read until the power goes.

mod flips;
mod lives;
mod medium;
mod model;
mod random;
mod store;
pub(crate) mod system;

pub(crate) use medium::{Disk, End};
pub(crate) use random::vault_bytes;
pub(crate) use store::Db;
