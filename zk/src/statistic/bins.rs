//! The edges of a histogram's bins, and where they stand in the answer's commitment.

use crate::{Error, Field, Result};

/// Bins of the histogram.
pub const BINS: usize = 16;

/// Edges between bins; the two outer edges bound nothing.
pub(super) const INNER: usize = BINS - 1;

/// Edges in one element of the commitment.
pub(super) const PACKED: usize = 5;

/// Bits of an encoded edge or value.
pub(super) const VALUE_BITS: usize = 33;

/// What an encoded value is above the value itself, so that none is 0.
pub(super) const OFFSET: i64 = (1 << 31) + 1;

/// The edges that a manifest gives its counted field: bin `b` holds values from edge `b` up to, not including, edge
/// `b + 1`. Values below the first edge count in the first bin and values from the last edge on in the last, so that
/// the bins hold every value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bins {
    edges: [i32; BINS + 1],
}

impl Bins {
    /// Bins between 17 rising edges, in the manifest's decimal scale.
    ///
    /// # Errors
    /// [`Error::Unsatisfied`] for another number of edges, or edges that do not rise.
    pub fn new(edges: &[i32]) -> Result<Self> {
        let refused = |reason: String| Error::Unsatisfied { reason };
        let edges: [i32; BINS + 1] =
            edges.try_into().map_err(|_| refused(format!("{} bin edges where 17 are due", edges.len())))?;
        if !edges.is_sorted_by(|a, b| a < b) {
            return Err(refused("bin edges do not rise".to_owned()));
        }
        Ok(Self { edges })
    }

    /// All 17 edges.
    pub fn edges(&self) -> &[i32; BINS + 1] {
        &self.edges
    }

    /// The bin that holds `value`.
    pub fn bin(&self, value: i32) -> usize {
        self.inner().iter().filter(|edge| **edge <= value).count()
    }

    /// The edges between bins.
    pub(super) fn inner(&self) -> &[i32] {
        &self.edges[1..BINS]
    }

    /// The edges between bins as the leaves encode values.
    pub(super) fn encoded(&self) -> [u64; INNER] {
        core::array::from_fn(|place| encode(self.edges[place + 1]))
    }

    /// The edges between bins, five to an element: `Σ edge · 2^(33·place)`.
    pub(super) fn packed(&self) -> [Field; INNER / PACKED] {
        let encoded = self.encoded();
        core::array::from_fn(|element| {
            let edges = &encoded[PACKED * element..PACKED * (element + 1)];
            edges
                .iter()
                .rev()
                .fold(Field::from(0u64), |sum, edge| sum * Field::from(1u64 << VALUE_BITS) + Field::from(*edge))
        })
    }
}

/// `value + 2^31 + 1`, from 1 to 2^32.
pub(super) fn encode(value: i32) -> u64 {
    (i64::from(value) + OFFSET) as u64
}
