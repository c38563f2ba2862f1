//! The whole journey with the real contracts, on the embedded chain and on another node.

mod anvil;
mod bindings;
mod facts;
mod faults;
mod follow;
mod journey;
mod liar;
mod refusals;
mod trapdoor;
mod world;

use super::*;
