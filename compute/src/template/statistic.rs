//! `statistic`: count, sum and histogram of one number of each row, in exact integers: the same on every device.
//!
//! Small bins are merged: from the lowest bin up, a group ends with a bin when it has `least` values and at least `least`
//! are above it; the last group ends with the last bin. So no group has fewer than `least`, and the groups hold every value.

mod graphics;

use serde::{Deserialize, Serialize};

use crate::{Device, Error, Kind, Result};

/// Bins of the histogram.
pub const BINS: usize = 16;

/// Most rows: what the proof of a statistic covers.
pub const MAX_ROWS: usize = 512;

/// What the owner and the terms fix; a consumer chooses nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// The bins' edges, rising. Bin `b` holds values from edge `b` up to, not including, edge `b + 1`; what is below the
    /// first edge counts in the first bin, what is not below the last in the last.
    pub edges: [i32; BINS + 1],
    /// Fewest values in a group, at least 1.
    pub least: u32,
}

impl Params {
    /// Checks the bounds.
    ///
    /// # Errors
    /// [`Error::Parameter`] names the parameter and what it must be.
    pub fn check(&self) -> Result<()> {
        let refuse = |name, reason: &str| Err(Error::Parameter { name, reason: reason.to_owned() });
        if !self.edges.is_sorted_by(|a, b| a < b) {
            return refuse("edges", "they do not rise");
        }
        if self.least == 0 {
            return refuse("least", "a group of no values: the smallest is 1");
        }
        Ok(())
    }
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// Rows that have a value.
    pub count: u32,
    /// Sum of the values.
    pub sum: i64,
    /// Values in the group that ends with each bin, 0 where none ends.
    pub groups: [u32; BINS],
}

/// What was counted, before small bins are merged.
struct Counts {
    sum: i64,
    bins: [u32; BINS],
}

/// Computes the answer over `values`, one for each row, none where the row has no value, on `device`.
///
/// # Errors
/// [`Error::Parameter`] and [`Error::Rows`] for bounds; [`Error::TooFew`] when fewer rows than `least` have a value;
/// [`Error::Device`] from a graphics adapter.
pub fn run(values: &[Option<i32>], params: &Params, device: &Device) -> Result<Answer> {
    params.check()?;
    if values.is_empty() || values.len() > MAX_ROWS {
        return Err(Error::Rows { reason: format!("{} rows; a statistic takes 1 to {MAX_ROWS}", values.len()) });
    }
    let values: Vec<i32> = values.iter().copied().flatten().collect();
    let count = values.len() as u32;
    if count < params.least {
        return Err(Error::TooFew { values: count, least: params.least });
    }
    let Counts { sum, bins } = match device.kind() {
        Kind::Cpu => counts(&values, params),
        Kind::Gpu => graphics::counts(&values, params, device)?,
    };
    Ok(Answer { count, sum, groups: merged(&bins, count, params.least) })
}

fn counts(values: &[i32], params: &Params) -> Counts {
    let mut counts = Counts { sum: 0, bins: [0; BINS] };
    for value in values {
        let inner = &params.edges[1..BINS];
        counts.bins[inner.partition_point(|edge| edge <= value)] += 1;
        counts.sum += i64::from(*value);
    }
    counts
}

/// The bins' counts gathered into groups, each counted where it ends.
fn merged(bins: &[u32; BINS], count: u32, least: u32) -> [u32; BINS] {
    let mut groups = [0; BINS];
    let (mut group, mut above) = (0, count);
    for (bin, values) in bins.iter().enumerate() {
        group += values;
        above -= values;
        if bin == BINS - 1 || (group >= least && above >= least) {
            groups[bin] = group;
            group = 0;
        }
    }
    groups
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Choice;

    fn run(values: &[Option<i32>], params: &Params) -> Result<Answer> {
        super::run(values, params, &Device::open(Choice::Cpu).unwrap())
    }

    fn params(least: u32) -> Params {
        Params { edges: core::array::from_fn(|edge| edge as i32 * 10), least }
    }

    #[test]
    fn values_fall_into_their_bins() {
        let values = [Some(0), Some(9), Some(10), None, Some(159)];
        let answer = run(&values, &params(1)).unwrap();
        assert_eq!((answer.count, answer.sum), (4, 178));
        assert_eq!(answer.groups[15], 1);
        assert_eq!(answer.groups.iter().sum::<u32>(), 4);
        assert_eq!(answer.groups[0], 2);
        assert_eq!(answer.groups[1], 1);
    }

    #[test]
    fn values_outside_the_edges_count_in_the_outer_bins() {
        let answer = run(&[Some(i32::MIN), Some(i32::MAX)], &params(1)).unwrap();
        assert_eq!((answer.groups[0], answer.groups[15], answer.sum), (1, 1, -1));
    }

    #[test]
    fn small_bins_are_merged_upward() {
        let values: Vec<Option<i32>> = [5, 15, 25, 35, 45, 55].map(Some).to_vec();
        let answer = run(&values, &params(2)).unwrap();
        assert_eq!(answer.groups.iter().copied().filter(|group| *group > 0).collect::<Vec<_>>(), [2, 2, 2]);
        assert_eq!(run(&values, &params(4)).unwrap().groups[15], 6);
    }

    #[test]
    fn too_few_values_give_no_answer() {
        let refused = run(&[Some(1), None, None], &params(2));
        assert!(matches!(refused, Err(Error::TooFew { values: 1, least: 2 })));
        assert!(matches!(run(&[None], &params(1)), Err(Error::TooFew { values: 0, least: 1 })));
    }

    #[test]
    fn bounds_are_kept() {
        assert!(matches!(run(&[], &params(1)), Err(Error::Rows { .. })));
        assert!(matches!(run(&[Some(1); 513], &params(1)), Err(Error::Rows { .. })));
        assert!(matches!(run(&[Some(1)], &params(0)), Err(Error::Parameter { name: "least", .. })));
        let mut flat = params(1);
        flat.edges[3] = flat.edges[2];
        assert!(matches!(run(&[Some(1)], &flat), Err(Error::Parameter { name: "edges", .. })));
    }

    #[test]
    fn graphics_adapter_counts_as_the_cpu_does() {
        let gpu = Device::open(Choice::Gpu).expect("no wgpu adapter; on Debian install mesa-vulkan-drivers");
        let edges =
            |from: i32, step: i32| Params { edges: core::array::from_fn(|edge| from + edge as i32 * step), least: 1 };
        let mut state = 7u32;
        let mut random = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state.cast_signed()
        };
        let wide = edges(-1 << 30, 1 << 27);
        let outer = Params {
            edges: core::array::from_fn(
                |edge| if edge < 8 { i32::MIN + edge as i32 } else { i32::MAX - 16 + edge as i32 },
            ),
            least: 1,
        };
        for (values, params) in [
            (vec![Some(i32::MIN); MAX_ROWS], &wide),
            (vec![Some(i32::MAX); MAX_ROWS], &wide),
            (vec![Some(-1); MAX_ROWS], &wide),
            (vec![Some(0)], &edges(0, 1)),
            ((0..MAX_ROWS).map(|_| Some(random())).collect(), &wide),
            ((0..MAX_ROWS).map(|at| (at % 3 > 0).then(|| random())).collect(), &edges(-8 << 24, 1 << 24)),
            // Neighbors that a float of 32 bits cannot tell apart.
            ((0..MAX_ROWS).map(|at| Some(0x7fff_ff00 + (at % 256) as i32 - 128)).collect(), &edges(0x7fff_fef0, 1)),
            (
                (0..MAX_ROWS)
                    .map(|at| Some(if at % 2 == 0 { i32::MIN + at as i32 % 16 } else { i32::MAX - at as i32 % 16 }))
                    .collect(),
                &outer,
            ),
        ] {
            assert_eq!(super::run(&values, params, &gpu).unwrap(), run(&values, params).unwrap());
        }
        assert!(matches!(super::run(&[None], &wide, &gpu), Err(Error::TooFew { values: 0, least: 1 })));
    }

    proptest! {
        #[test]
        fn no_group_is_small_and_none_is_lost(
            values in proptest::collection::vec(proptest::option::of(-50i32..250), 1..MAX_ROWS),
            least in 1u32..40,
        ) {
            let Ok(answer) = run(&values, &params(least)) else {
                prop_assert!((values.iter().flatten().count() as u32) < least);
                return Ok(());
            };
            prop_assert!(answer.groups.iter().all(|group| *group == 0 || *group >= least));
            prop_assert_eq!(answer.groups.iter().sum::<u32>(), answer.count);
            prop_assert_eq!(answer.sum, values.iter().flatten().map(|value| i64::from(*value)).sum::<i64>());
        }
    }
}
