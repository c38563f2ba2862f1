//! `std`'s `io` and `error` under the name that old `multihash` releases import.
pub use std::{error, io};
