//! The answer: computed from records, merged so that no group is small, and committed.

use core::ops::Range;

use super::{BINS, Bins};
use crate::{
    Error, Field, Result, field,
    poseidon::{Tag, hash},
};

/// Bits of a count in the packed answer; 512 has ten.
pub(super) const COUNT_BITS: usize = 10;

/// Added to the sum, so that it is packed as a positive number: 512 values of 32 bits stay below.
pub(super) const SUM_OFFSET: u64 = 1 << 41;

/// Count, sum and histogram of the values of a dataset's counted field.
///
/// A bin with fewer than [`Answer::least`] values is merged with those above it until the group has as many, and what
/// has too few above it goes to the last group. A group's values are counted in its highest bin; the other
/// bins of the group hold 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Fewest values in a group, at least 1.
    pub least: u32,
    /// Records that have a value.
    pub count: u32,
    /// Sum of the values, in the manifest's decimal scale.
    pub sum: i64,
    /// Values in the group that ends with each bin, 0 where none ends.
    pub groups: [u32; BINS],
    /// The edges of the bins.
    pub bins: Bins,
}

/// Neighboring bins and how many values they hold together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Which bins.
    pub bins: Range<usize>,
    /// How many values.
    pub count: u32,
}

impl Answer {
    /// Computes the answer over the values of a dataset's records, those that have one.
    ///
    /// # Errors
    /// [`Error::Count`] for more values than a dataset of 512 records has, [`Error::TooFew`] when fewer than `least` records have
    /// a value, [`Error::Unsatisfied`] when `least` is 0.
    pub fn compute(values: impl IntoIterator<Item = i32>, bins: Bins, least: u32) -> Result<Self> {
        let values: Vec<i32> = values.into_iter().collect();
        let (count, capacity) = (values.len() as u64, super::MAX_RECORDS);
        if count > capacity {
            return Err(Error::Count { count, capacity });
        }
        if least == 0 {
            return Err(Error::Unsatisfied { reason: "a group of no values: the smallest is 1".to_owned() });
        }
        if count < u64::from(least) {
            return Err(Error::TooFew { values: count, least: least.into() });
        }
        let mut histogram = [0; BINS];
        values.iter().for_each(|value| histogram[bins.bin(*value)] += 1);
        Ok(Self {
            least,
            count: values.len() as u32,
            sum: values.iter().map(|value| i64::from(*value)).sum(),
            groups: merge(&histogram, least),
            bins,
        })
    }

    /// An answer as somebody delivered it, in the only encoding that its commitment stands for: without this check, other
    /// numbers could be found for the same `packed`.
    ///
    /// # Errors
    /// [`Error::Unsatisfied`] naming what no honest answer has.
    pub fn delivered(least: u32, count: u32, sum: i64, groups: [u32; BINS], bins: Bins) -> Result<Self> {
        let refused = |reason: &str| Err(Error::Unsatisfied { reason: reason.to_owned() });
        if least == 0 || count < least || u64::from(count) > super::MAX_RECORDS {
            return refused("the answer is about fewer values than its smallest group, or more than 512");
        }
        if groups.iter().any(|group| *group != 0 && *group < least) {
            return refused("a group of the answer is smaller than its smallest may be");
        }
        if groups.iter().map(|group| u64::from(*group)).sum::<u64>() != u64::from(count) {
            return refused("the groups do not hold as many values as were counted");
        }
        if sum.unsigned_abs() > u64::from(count) << 31 {
            return refused("the sum is beyond what that many values can have");
        }
        Ok(Self { least, count, sum, groups, bins })
    }

    /// The groups from the lowest values to the highest; together they hold every bin and every value.
    pub fn groups(&self) -> Vec<Group> {
        let mut start = 0;
        let ends = self.groups.iter().enumerate().filter(|(_, count)| **count > 0);
        ends.map(|(bin, count)| Group { bins: core::mem::replace(&mut start, bin + 1)..bin + 1, count: *count })
            .collect()
    }

    /// `OUTPUT_ROOT = Poseidon(RESULT, blinding, packed, edges…)`: what stands on-chain. The blinding must be random and
    /// secret until delivery, or the answer can be guessed.
    pub fn commitment(&self, blinding: &[u8; 31]) -> Field {
        let [low, middle, high] = self.bins.packed();
        hash(Tag::Result, &[field::from_salt(blinding), self.packed(), low, middle, high])
    }

    /// From the lowest bit: `least`, `count` and 16 groups of 10 bits each, then `sum + 2^41`.
    pub(super) fn packed(&self) -> Field {
        let counts = [self.least, self.count].into_iter().chain(self.groups);
        let shift = Field::from(1u64 << COUNT_BITS);
        let sum = Field::from(self.sum.wrapping_add(SUM_OFFSET as i64) as u64);
        counts.rev().fold(sum, |packed, count| packed * shift + Field::from(count))
    }
}

/// Bins as groups: a group ends with a bin when it has `least` values and as many are above it.
fn merge(histogram: &[u32; BINS], least: u32) -> [u32; BINS] {
    let mut above: u32 = histogram.iter().sum();
    let mut group = 0;
    core::array::from_fn(|bin| {
        group += histogram[bin];
        above -= histogram[bin];
        let ends = bin + 1 == BINS || (group >= least && above >= least);
        if ends { core::mem::take(&mut group) } else { 0 }
    })
}
