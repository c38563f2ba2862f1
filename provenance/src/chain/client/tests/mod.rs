//! The whole journey with the real contracts, on the embedded chain and on another node.

mod anvil;
mod bindings;
mod delegate;
mod facts;
mod faults;
mod follow;
mod journey;
mod liar;
mod permit;
mod refusals;
mod sending;
mod trapdoor;
mod world;

use super::*;
