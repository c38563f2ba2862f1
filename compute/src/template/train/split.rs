//! Who is trained on and when: the part held back, and the records of each step.

use super::random::Random;

/// One record in so many is held back.
const HELD_BACK: usize = 10;

/// How many of `records` [`Split::tenth`] holds back.
pub(super) fn tenth(records: u64) -> u64 {
    (records / HELD_BACK as u64).max(1)
}

/// Records of a run: those that are trained on, and those held back.
pub(super) struct Split {
    pub learning: Vec<usize>,
    pub held_back: Vec<usize>,
}

impl Split {
    /// Holds back exactly a tenth of `count` records, in a random order.
    pub fn tenth(count: usize, random: &mut Random) -> Self {
        let mut order: Vec<usize> = (0..count).collect();
        random.shuffle(&mut order);
        let learning = order.split_off(tenth(count as u64) as usize);
        Self::sorted(learning, order)
    }

    /// Holds back each of `count` records with a chance of a tenth, whatever the others do: what one record adds does not
    /// depend on another.
    pub fn chance(count: usize, random: &mut Random) -> Self {
        let (held_back, learning) = (0..count).partition(|_| random.below(HELD_BACK) == 0);
        Self::sorted(learning, held_back)
    }

    fn sorted(mut learning: Vec<usize>, mut held_back: Vec<usize>) -> Self {
        learning.sort_unstable();
        held_back.sort_unstable();
        Self { learning, held_back }
    }
}

/// How the records of a step are chosen.
pub(super) enum Draw {
    /// In a new random order each time all were seen.
    Shuffled {
        /// Records that are still to come in this pass.
        left: Vec<usize>,
        /// Records in a step.
        batch: usize,
    },
    /// Each record with the same chance, whatever the others do (Poisson sampling).
    Chance {
        /// The chance.
        rate: f64,
    },
}

impl Draw {
    /// The records of the next step.
    pub fn next(&mut self, learning: &[usize], random: &mut Random) -> Vec<usize> {
        match self {
            Self::Chance { rate } => learning.iter().copied().filter(|_| random.unit() < *rate).collect(),
            Self::Shuffled { left, batch } => {
                if left.is_empty() {
                    left.extend_from_slice(learning);
                    random.shuffle(left);
                }
                left.split_off(left.len().saturating_sub(*batch))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn split_holds_every_record_once() {
        for split in
            [Split::tenth(205, &mut Random::seeded(1, "split")), Split::chance(205, &mut Random::seeded(1, "split"))]
        {
            let mut all = [split.learning, split.held_back].concat();
            all.sort_unstable();
            assert_eq!(all, (0..205).collect::<Vec<_>>());
        }
        assert_eq!(Split::tenth(205, &mut Random::seeded(2, "split")).held_back.len(), 20);
        let held_back = Split::chance(10_000, &mut Random::seeded(2, "split")).held_back.len();
        assert!((900..1_100).contains(&held_back), "{held_back}");
    }

    #[test]
    fn shuffled_steps_see_every_record_once_a_pass() {
        let learning: Vec<usize> = (10..35).collect();
        let mut draw = Draw::Shuffled { left: Vec::new(), batch: 8 };
        let mut random = Random::seeded(3, "order");
        for _ in 0..3 {
            let steps: Vec<Vec<usize>> = (0..4).map(|_| draw.next(&learning, &mut random)).collect();
            assert_eq!(steps.iter().map(Vec::len).collect::<Vec<_>>(), [8, 8, 8, 1]);
            let mut seen = steps.concat();
            seen.sort_unstable();
            assert_eq!(seen, learning);
        }
    }

    #[test]
    fn poisson_sample_has_the_rate_and_differs_each_time() {
        let learning: Vec<usize> = (0..1_000).collect();
        let mut draw = Draw::Chance { rate: 0.05 };
        let mut random = Random::secret(&[7; 32], "sample");
        let steps: Vec<Vec<usize>> = (0..200).map(|_| draw.next(&learning, &mut random)).collect();
        let mean = steps.concat().len() as f64 / 200.0;
        assert!((mean - 50.0).abs() < 2.0, "{mean}");
        assert!(steps.iter().map(Vec::len).max() > steps.iter().map(Vec::len).min());
        assert_ne!(steps[0], steps[1]);
    }
}
