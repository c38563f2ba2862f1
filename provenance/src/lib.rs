//! What the data is, whose it is and on what terms; the chain; the content network.

pub mod bundle;
pub mod chain;
pub mod cid;
pub mod content;
mod dagcbor;
pub mod error;
pub mod exchange;
pub mod ids;
pub mod manifest;
pub mod offer;
pub mod receipt;
pub mod terms;
pub mod trail;
pub mod wallet;

pub use error::{Error, Result};
