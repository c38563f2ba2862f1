//! A run that is under way: all that its next step follows from, and its bytes, from which another process goes on.
//!
//! Numbers are little-endian. A digest of what the run was asked and of its records comes first, then the steps done and the
//! records measured, then the weights; until the last step AdamW's two averages and the direction that contributions are measured
//! against; each record's contribution; and of the records measured their losses and, a bit each, whether they are classified
//! rightly. Who was in which step and the noise of each step follow from the seed or the secret, so they are not kept.

use super::descent::AdamW;
use crate::{Error, Result};

/// Bytes of a checkpoint besides its numbers: the digest and two counts.
const HEAD: usize = 48;

/// A run between two of its steps, or between two batches of its last measurement.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct State {
    /// Steps done.
    pub step: u64,
    /// Adapters, then head.
    pub weights: Vec<f32>,
    pub adam: AdamW,
    /// The mean gradient of some held-back records when this pass began.
    pub direction: Vec<f32>,
    /// Of each record so far.
    pub contributions: Vec<f32>,
    /// Losses after the last step, of the records measured so far.
    pub after: Vec<f32>,
    /// Whether these are classified rightly.
    pub right: Vec<bool>,
}

/// What a checkpoint must be of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fits {
    /// Of all that the run follows from.
    pub digest: [u8; 32],
    /// Steps in all.
    pub steps: u64,
    /// Numbers that are learned.
    pub numbers: usize,
    /// Records.
    pub records: usize,
    /// Records that are measured at a time.
    pub batch: usize,
}

impl Fits {
    /// Bytes of a checkpoint, at most.
    pub fn bytes(numbers: u64, records: u64) -> u64 {
        HEAD as u64 + 16 * numbers + 8 * records + records.div_ceil(8)
    }
}

impl State {
    /// Before the first step.
    pub fn new(weights: Vec<f32>, decay: f64, records: usize) -> Self {
        Self {
            step: 0,
            adam: AdamW::new(weights.len(), decay),
            direction: vec![0.0; weights.len()],
            weights,
            contributions: vec![0.0; records],
            after: Vec::new(),
            right: Vec::new(),
        }
    }

    /// Its bytes.
    pub fn write(&self, fits: &Fits) -> Vec<u8> {
        let mut bytes = fits.digest.to_vec();
        bytes.extend(self.step.to_le_bytes());
        bytes.extend((self.after.len() as u64).to_le_bytes());
        let learning: &[&[f32]] =
            if self.step < fits.steps { &[self.adam.first(), self.adam.second(), &self.direction] } else { &[] };
        for numbers in [&[self.weights.as_slice()], learning, &[&self.contributions, &self.after]].concat() {
            bytes.extend(numbers.iter().flat_map(|value| value.to_le_bytes()));
        }
        let bit = |(at, right): (usize, &bool)| u8::from(*right) << at;
        bytes.extend(self.right.chunks(8).map(|eight| eight.iter().enumerate().map(bit).sum::<u8>()));
        bytes
    }

    /// Reads what [`State::write`] wrote of the same run; `decay` is AdamW's.
    ///
    /// # Errors
    /// [`Error::Checkpoint`] says what does not fit.
    pub fn read(bytes: &[u8], fits: &Fits, decay: f64) -> Result<Self> {
        let mut rest = Rest(bytes);
        if rest.take(32)? != fits.digest {
            return Err(refused("it is of another run, or of another version of this program"));
        }
        let (step, measured) = (rest.count()?, rest.count()?);
        let whole = measured.is_multiple_of(fits.batch as u64) || measured == fits.records as u64;
        if step > fits.steps || measured > fits.records as u64 || !whole || (measured > 0 && step < fits.steps) {
            return Err(refused("its counts are none of this run"));
        }
        let (numbers, measured) = (fits.numbers, measured as usize);
        let learning = if step < fits.steps { numbers } else { 0 };
        let weights = rest.numbers(numbers)?;
        let (first, second, direction) = (rest.numbers(learning)?, rest.numbers(learning)?, rest.numbers(learning)?);
        let adam = AdamW::after(step, first, second, decay);
        let (contributions, after) = (rest.numbers(fits.records)?, rest.numbers(measured)?);
        let bits = rest.take(measured.div_ceil(8))?;
        let right = (0..measured).map(|at| bits[at / 8] >> (at % 8) & 1 == 1).collect();
        let state = Self { step, weights, adam, direction, contributions, after, right };
        if !rest.0.is_empty() || state.write(fits) != bytes {
            return Err(refused("it has more in it than it should"));
        }
        Ok(state)
    }
}

/// Bytes that were not read yet.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or_else(|| refused("it is cut short"))?;
        self.0 = rest;
        Ok(taken)
    }

    fn count(&mut self) -> Result<u64> {
        let (count, rest) = self.0.split_first_chunk().ok_or_else(|| refused("it is cut short"))?;
        self.0 = rest;
        Ok(u64::from_le_bytes(*count))
    }

    fn numbers(&mut self, count: usize) -> Result<Vec<f32>> {
        let values: Vec<f32> =
            self.take(4 * count)?.as_chunks::<4>().0.iter().map(|value| f32::from_le_bytes(*value)).collect();
        if values.iter().all(|value| value.is_finite()) { Ok(values) } else { Err(refused("it holds no numbers")) }
    }
}

fn refused(reason: &str) -> Error {
    Error::Checkpoint { reason: reason.to_owned() }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const FITS: Fits = Fits { digest: [7; 32], steps: 5, numbers: 3, records: 20, batch: 8 };

    fn state(step: u64, measured: usize) -> State {
        let numbers = |count: usize, by: f32| (0..count).map(|at| at as f32 * by - 1.0).collect::<Vec<_>>();
        let learning = if step < FITS.steps { 3 } else { 0 };
        State {
            step,
            weights: numbers(3, 0.5),
            adam: AdamW::after(step, numbers(learning, 0.25), numbers(learning, 0.75), 0.01),
            direction: numbers(learning, 1.5),
            contributions: numbers(20, 2.0),
            after: numbers(measured, 3.0),
            right: (0..measured).map(|at| at % 3 == 0).collect(),
        }
    }

    fn refused(bytes: &[u8]) -> bool {
        matches!(State::read(bytes, &FITS, 0.01), Err(Error::Checkpoint { .. }))
    }

    #[test]
    fn state_is_read_as_it_was_written_within_the_stated_bytes() {
        for (step, measured) in [(0, 0), (3, 0), (5, 0), (5, 8), (5, 16), (5, 20)] {
            let bytes = state(step, measured).write(&FITS);
            assert!(bytes.len() as u64 <= Fits::bytes(3, 20), "{}", bytes.len());
            assert_eq!(State::read(&bytes, &FITS, 0.01).unwrap(), state(step, measured));
        }
    }

    #[test]
    fn state_of_any_other_length_is_refused() {
        for (step, measured) in [(3, 0), (5, 16)] {
            let bytes = state(step, measured).write(&FITS);
            (0..bytes.len()).for_each(|length| assert!(refused(&bytes[..length]), "{length}"));
            assert!(refused(&[&bytes[..], &[0]].concat()));
        }
    }

    #[test]
    fn state_of_another_run_is_refused() {
        let bytes = state(3, 0).write(&FITS);
        for other in [
            Fits { digest: [8; 32], ..FITS },
            Fits { steps: 2, ..FITS },
            Fits { steps: 3, ..FITS },
            Fits { numbers: 4, ..FITS },
            Fits { records: 21, ..FITS },
        ] {
            assert!(State::read(&bytes, &other, 0.01).is_err(), "{other:?}");
        }
    }

    #[test]
    fn state_with_impossible_counts_or_no_numbers_is_refused() {
        let with = |at: usize, part: &[u8]| {
            let mut bytes = state(5, 16).write(&FITS);
            bytes[at..at + part.len()].copy_from_slice(part);
            bytes
        };
        assert!(!refused(&with(0, &[7])));
        for (at, part) in [
            (32, 4u64.to_le_bytes().to_vec()),
            (32, 6u64.to_le_bytes().to_vec()),
            (32, u64::MAX.to_le_bytes().to_vec()),
            (40, 15u64.to_le_bytes().to_vec()),
            (40, u64::MAX.to_le_bytes().to_vec()),
            (48, f32::NAN.to_le_bytes().to_vec()),
            (60, f32::INFINITY.to_le_bytes().to_vec()),
        ] {
            assert!(refused(&with(at, &part)), "{at} {part:?}");
        }
        // Bits behind the last record's.
        let mut bytes = state(5, 20).write(&FITS);
        *bytes.last_mut().unwrap() |= 0x80;
        assert!(refused(&bytes));
    }
}
