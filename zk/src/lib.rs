//! Commitments to records and zero-knowledge proofs about them: pure functions, no input or output, no clock.
//!
//! A dataset's records become leaves, leaves a [`merkle::Tree`], and a job's output rows a second tree of the same
//! shape. [`proof::prove`] shows, for eight positions nobody could choose, that the output's row and the registered
//! record stand at the same position; [`proof::verify`] and the contract check it. What a proof says and what it does
//! not say is written in `README.md` beside this crate.
//!
//! Native code stands beside its gadget (the same computation as constraints) in every module.

pub mod ceremony;
pub mod circuit;
pub mod error;
pub mod field;
pub mod keys;
pub mod merkle;
pub mod poseidon;
pub mod proof;
pub mod provenance;
pub mod solidity;
pub mod statement;
pub mod statistic;

pub use circuit::Circuit;
pub use error::{Error, Result};
pub use field::Field;

#[cfg(test)]
extern crate self as zk;
#[cfg(test)]
#[path = "../tests/support/mod.rs"]
mod support;
#[cfg(test)]
mod wires;
