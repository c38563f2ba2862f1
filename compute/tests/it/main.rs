//! The crate from outside: the real model against reference vectors, on the CPU and on a wgpu adapter, and every refusal.

#![allow(clippy::unwrap_used)]

mod checkpoint;
mod device;
mod embed;
mod headers;
mod model;
mod output;
mod support;
mod train;
