//! Permitted computations over a person's rows, on their own GPU or CPU.
//!
//! The crate takes plain rows and gives back rows; it knows no chain, no keys and no disk layout. A [`Device`] says what it
//! runs on and why, a [`Model`] is read from a local folder that holds no code, and a [`template`] is one kind of computation
//! with bounded parameters. An [`Output`] is the only thing that comes out.
//!
//! ```no_run
//! use compute::{Choice, Continue, Device, Model, Row, output, template::embed};
//!
//! # fn main() -> compute::Result<()> {
//! let device = Device::open(Choice::Auto)?;
//! let model = Model::open(std::path::Path::new("models/all-MiniLM-L6-v2"))?;
//! let rows = [Row::new("Dear Theo, the almond trees are in bloom.")];
//! let output = embed::run(&model, &device, &embed::Params::default(), &rows, &mut |_, _| Continue::Yes)?;
//! assert_eq!(output.rows.len(), 1);
//! let file = output::to_safetensors(&output)?;
//! # Ok(())
//! # }
//! ```

pub mod device;
pub mod error;
mod kernel;
pub mod model;
pub mod output;
pub mod rows;
pub mod template;

pub use device::{Adapter, Choice, Device, Kind};
pub use error::{Error, Result};
pub use model::Model;
pub use output::{Dtype, Output};
pub use rows::Row;
pub use template::Continue;

#[cfg(test)]
extern crate self as compute;

#[cfg(test)]
#[allow(dead_code, clippy::unwrap_used)]
#[path = "../tests/it/support.rs"]
mod support;
