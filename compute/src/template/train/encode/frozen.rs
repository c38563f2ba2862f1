//! The encoder as it is: every record is embedded once, and only the head learns.

use super::{Encode, Pull, Take};
use crate::Result;

/// Vectors that do not change.
pub struct Frozen<'a> {
    vectors: &'a [Box<[f32]>],
}

impl<'a> Frozen<'a> {
    /// Over the records with these vectors.
    pub fn new(vectors: &'a [Box<[f32]>]) -> Self {
        Self { vectors }
    }
}

impl Encode for Frozen<'_> {
    fn vectors(&mut self, _: &[f32], records: &[usize], take: &mut Take<'_>) -> Result<()> {
        records.iter().try_for_each(|&record| take(record, &self.vectors[record]))
    }

    fn gradients(&mut self, _: &[f32], records: &[usize], pull: &mut Pull<'_>, take: &mut Take<'_>) -> Result<()> {
        records.iter().try_for_each(|&record| {
            pull(record, &self.vectors[record])?;
            take(record, &[])
        })
    }
}
