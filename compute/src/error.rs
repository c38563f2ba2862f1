//! What can go wrong in a computation: the device, the model's files, the parameters, or the numbers themselves.

use std::path::PathBuf;

/// The result of this crate's functions.
pub type Result<T> = std::result::Result<T, Error>;

/// What went wrong. Messages say what happened and what to do; none carries a row's text.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A GPU was asked for and no adapter can be used.
    #[error(
        "no GPU adapter can be used: {reason}. Choose the CPU, or install a driver (on Debian, mesa-vulkan-drivers holds a software one)"
    )]
    NoAdapter {
        /// What the graphics stack answered.
        reason: String,
    },
    /// The device failed while it worked: out of memory, lost, or its driver gave up.
    #[error("{device} failed: {reason}. Run it again, with smaller batches or on the CPU")]
    Device {
        /// The device's name.
        device: String,
        /// What the graphics stack said.
        reason: String,
    },
    /// The memory that may be used does not hold one text.
    #[error("{device}: one text takes {needed} bytes of memory, and {room} may be used. Choose a device with more")]
    Memory {
        /// The device's name.
        device: String,
        /// Bytes that one text takes.
        needed: u64,
        /// Bytes that a batch may take.
        room: u64,
    },
    /// A file of the model is missing, too large, of a refused format, or has changed since it was opened.
    #[error("{}: {reason}", path.display())]
    ModelFile {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong with it, and what is accepted.
        reason: String,
    },
    /// A tensor of the model is missing or is not what the architecture needs.
    #[error("model weights: tensor {tensor}: {reason}")]
    Weights {
        /// The tensor's name in the file.
        tensor: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The model's tokenizer cannot be read, or does not fit the model.
    #[error("tokenizer: {reason}")]
    Tokenizer {
        /// What is wrong with it.
        reason: String,
    },
    /// A template's parameter is out of its bounds.
    #[error("parameter {name}: {reason}")]
    Parameter {
        /// The parameter's name.
        name: &'static str,
        /// The bounds it must keep.
        reason: String,
    },
    /// There are no rows, or more than one run takes.
    #[error("rows: {reason}")]
    Rows {
        /// Which limit was broken.
        reason: String,
    },
    /// The labels cannot be learned from: some are missing, or a class has too few records.
    #[error("labels: {reason}")]
    Labels {
        /// What is missing, in counts.
        reason: String,
    },
    /// Training ran into values that are not finite numbers. Nothing of the run is returned.
    #[error("training left the finite numbers at step {step}: ask for a smaller rate")]
    Diverged {
        /// The step, from 0.
        step: u64,
    },
    /// Fewer rows have a value than an answer must be about.
    #[error("{values} records have a value, fewer than the {least} that an answer must be about: nothing is answered")]
    TooFew {
        /// Rows that have a value.
        values: u32,
        /// Fewest that there must be.
        least: u32,
    },
    /// A row's result holds a value that is not a finite number. Nothing of the run is returned.
    #[error("row {row} gave a value that is not a number; the model or the device is faulty. Run it again on the CPU")]
    NotFinite {
        /// The row's position in the input, from 0.
        row: u64,
    },
    /// The checkpoint of a run does not fit: it is of other records, parameters, model, device or program, or damaged.
    #[error("the checkpoint does not fit: {reason}")]
    Checkpoint {
        /// What does not fit.
        reason: String,
    },
    /// The caller stopped the run. Nothing of it is returned.
    #[error("stopped after {done} of {total} rows")]
    Stopped {
        /// Rows finished.
        done: u64,
        /// Rows asked for.
        total: u64,
    },
    /// An output, or a file that should hold one, is not well formed.
    #[error("output: {reason}")]
    Output {
        /// What is wrong with it.
        reason: String,
    },
}
