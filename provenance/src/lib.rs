//! What the data is, whose it is and on what terms; the chain; the content network.

pub mod chain;
pub mod error;

pub use error::{Error, Result};
