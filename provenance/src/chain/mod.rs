//! The chain: the one place that names alloy or revm. Above it there are datasets, licenses, jobs and rewards.

pub mod typed;

pub use alloy::primitives::{Address, B256, Bytes, Signature, U256, keccak256};
pub use alloy::signers::local::PrivateKeySigner as Signer;
