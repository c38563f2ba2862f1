//! The chain: the one place that names alloy or revm. Above it there are datasets, licenses, jobs and rewards.
//!
//! [`client::Chain`] talks to the contracts on any network; [`outbox::Outbox`] keeps what it began; [`devnet::Devnet`] is
//! the embedded network's chain;
//! [`deploy::deploy`] puts the contracts on a fresh one; [`facts`] are events that can be checked without any network.

pub mod bindings;
pub mod client;
pub mod confirm;
pub mod deploy;
pub mod devnet;
mod extent;
pub mod facts;
mod frames;
pub mod outbox;
mod sealed;
pub mod typed;

pub use bindings::{Commitment, Dataset, DatasetState, Job, JobState, License, LicenseState, Output, RefundReason};

pub use alloy::primitives::{Address, B256, Bytes, Signature, U256, keccak256};
pub use alloy::signers::local::PrivateKeySigner as Signer;
