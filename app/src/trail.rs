//! pending
use crate::{error::Result, home::Home, network::Network, view};
/// pending
pub async fn show(_: &Home, _: &Network, _: Option<&str>) -> Result<view::Trail> { Ok(view::Trail { nodes: vec![], edges: vec![] }) }
