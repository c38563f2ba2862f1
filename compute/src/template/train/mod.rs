//! `train`: a classifier over the encoder, learned from records and one label each: a linear head on the unit vector, and on
//! request low-rank adapters on the encoder.
//!
//! A tenth of the records is held back: it is not trained on, and shows what the rest is worth. What leaves is the adapters,
//! the head and a [`Metrics`] record. A [`Use`] of each record says how often it was trained on, its loss before and
//! after, and how far its gradients agreed with those of the held-back records; these stay with the owner.
//!
//! Without privacy, one seed gives one result on one device. With it, who is in a step and the noise follow from a
//! secret that is drawn for the run, every record's gradient is clipped, and the whole run keeps one epsilon.
//!
//! A run can be stopped after any step and gone on with from its checkpoint, in another process, with the same result to the
//! bit. With privacy it goes on with its secret: the noise of a step follows from the secret and the step's number, so that a step
//! that is done again is the same step, and not a second look at the records.

mod accountant;
mod artifact;
mod descent;
mod encode;
mod head;
mod lora;
mod params;
mod random;
mod records;
mod run;
mod split;
mod state;

pub use accountant::{DELTA, MAX_RECORDS as MAX_PRIVATE_RECORDS, Mechanism};
pub use artifact::{Evaluation, Metrics, Shape, Spent};
pub use params::{Adapters, MAX_BATCH, MAX_EPOCHS, MAX_RANK, MAX_STEPS, Params, Privacy, Target};
pub use records::Records;
pub use run::{Halfway, Loaded, Watch, check, load, run};

use crate::output::row_bytes;
use crate::{Device, Dtype, Error, Model, Output, Result};

/// Fewest and most records that are trained on.
pub const RECORDS: (usize, usize) = (20, 100_000);

/// Fewest records of a class.
pub const MIN_CLASS: usize = 5;

/// Most classes.
pub const MAX_CLASSES: usize = 64;

/// What a run is asked.
#[derive(Clone, Copy)]
pub struct Order<'a> {
    /// The encoder.
    pub model: &'a Model,
    /// Where it runs.
    pub device: &'a Device,
    /// The encoder there, by [`load`].
    pub loaded: &'a Loaded,
    /// What the consumer chose.
    pub params: &'a Params,
    /// The records, in the dataset's order, read for these parameters.
    pub records: &'a Records,
    /// The classes by number.
    pub classes: &'a [String],
    /// 32 bytes that nobody else knows and that serve this run alone. They matter with privacy only, and must be drawn after its
    /// spending was recorded; a run that goes on from a checkpoint has those of the run that it goes on with.
    pub secret: &'a [u8; 32],
}

impl Order<'_> {
    /// Checks that there is something to learn: enough records, a label on each, two classes with enough records.
    ///
    /// # Errors
    /// [`Error::Rows`] and [`Error::Labels`] say what is missing, in counts only.
    pub fn check(&self) -> Result<()> {
        let (least, most) = RECORDS;
        let count = self.records.len();
        if !(least..=most).contains(&count) {
            return Err(Error::Rows { reason: format!("{count} records; training takes {least} to {most}") });
        }
        let refuse = |reason: String| Err(Error::Labels { reason });
        if !(2..=MAX_CLASSES).contains(&self.classes.len()) {
            return refuse(format!("{} classes; a classifier has 2 to {MAX_CLASSES}", self.classes.len()));
        }
        let mut counts = vec![0usize; self.classes.len()];
        let mut missing = 0;
        for label in self.records.labels() {
            match label.and_then(|label| counts.get_mut(usize::from(label))) {
                Some(count) => *count += 1,
                None => missing += 1,
            }
        }
        if missing > 0 {
            return refuse(format!("{missing} of {count} records have no label from the list"));
        }
        match counts.iter().position(|count| *count < MIN_CLASS) {
            Some(class) => refuse(format!(
                "class {class} has {} records; each of the {} classes needs at least {MIN_CLASS}",
                counts[class],
                counts.len()
            )),
            None => Ok(()),
        }
    }
}

/// What training did with one record.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Use {
    /// Steps that the record took part in; 0 for one that was held back.
    pub steps: u32,
    /// Its loss before the first step.
    pub before: f32,
    /// Its loss after the last.
    pub after: f32,
    /// Its part in lowering the held-back records' loss, to first order (Wang et al. 2024): over its steps, the step size
    /// times the product of its gradient with theirs, over the batch. Above 0 it helped.
    pub contribution: f32,
}

/// What a run gave.
#[derive(Debug, Clone, PartialEq)]
pub struct Trained {
    /// The adapters as safetensors under PEFT's names, where they were asked for.
    pub adapters: Option<Vec<u8>>,
    /// The head as safetensors: `weight` `[classes, values]` and `bias` `[classes]`, as torch's linear layer takes them.
    pub head: Vec<u8>,
    /// What leaves beside them.
    pub metrics: Metrics,
    /// Of each record in order; stays with the owner.
    pub uses: Vec<Use>,
}

impl Trained {
    /// The uses as rows of four numbers (steps, loss before, loss after, contribution), to be committed and kept.
    pub fn rows(&self) -> Output {
        let row = |used: &Use| row_bytes(&[used.steps as f32, used.before, used.after, used.contribution]);
        Output { rows: self.uses.iter().map(row).collect(), dimension: 4, dtype: Dtype::F32 }
    }
}
