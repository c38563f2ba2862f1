//! pending
use crate::{error::Result, home::Home, network::Network, view};
/// pending
pub async fn export(_: &Home, _: &Network, _: &str, _: &std::path::Path) -> Result<view::Bundle> { Ok(view::Bundle { file: String::new(), bytes: 0 }) }
/// pending
pub async fn agreement(_: &Network, _: &provenance::chain::client::LicenseRecord, _: &Home) -> Result<String> { Ok(String::new()) }
/// pending
pub fn verify(_: &std::path::Path) -> Result<view::Verified> { Ok(view::Verified { valid: false, says: String::new(), checks: vec![] }) }
