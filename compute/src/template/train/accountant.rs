//! How much privacy a run spends: Rényi differential privacy of the Poisson-sampled Gaussian mechanism (Mironov, Talwar and
//! Zhang 2019), turned into epsilon (Canonne, Kamath and Steinke 2020, proposition 12).
//!
//! Neighbors differ by one record more or less. The Rényi divergence of order `a` between the two outputs of one step with
//! rate `q` and noise `s` is `ln E[(1 - q + q exp((2 z - 1) / 2 s^2))^a] / (a - 1)` for `z` normal with deviation `s`. The
//! expectation is summed by the trapezoid rule, whose error for such an integrand falls exponentially with the step.

use std::f64::consts::PI;

use super::params::{Params, Privacy};
use crate::{Error, Result};

/// The probability with which the guarantee may fail, for one run.
pub const DELTA: f64 = 1e-6;

/// Most records of a dataset that is trained on with privacy: [`DELTA`] must stay well below one in so many.
pub const MAX_RECORDS: u64 = 100_000;

/// Least and most noise that is looked at, as a multiple of the clipping norm.
const NOISE: (f64, f64) = (0.3, 10_000.0);

/// Part of the noise by which it may be larger than needed.
const PRECISION: f64 = 1e-4;

/// Deviations of the normal distribution that are summed on each side; what is beyond counts for less than 1e-300.
const REACH: f64 = 38.0;

/// What one run does to a record, as far as privacy is concerned.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mechanism {
    /// The probability with which a record takes part in a step.
    pub sampling_rate: f64,
    /// The noise's deviation as a multiple of the clipping norm.
    pub noise_multiplier: f64,
    /// How many steps.
    pub steps: u64,
    /// The deviation of the noise on the evaluation's two counts, if they are released.
    pub evaluation_noise: Option<f64>,
}

impl Mechanism {
    /// The mechanism with the least noise that keeps `privacy` for a run of `params` over `records` records.
    ///
    /// # Errors
    /// [`Error::Parameter`] where the batch is larger than the dataset, and where no noise is enough;
    /// [`Error::Rows`] above [`MAX_RECORDS`].
    pub fn within(params: &Params, privacy: &Privacy, records: u64) -> Result<Self> {
        if records > MAX_RECORDS {
            let reason = format!("{records} rows; with privacy a run takes at most {MAX_RECORDS}");
            return Err(Error::Rows { reason });
        }
        if u64::from(params.batch) > records {
            let reason = format!("{} is more than the {records} records", params.batch);
            return Err(Error::Parameter { name: "batch", reason });
        }
        let target = privacy.epsilon_micro as f64 / 1e6;
        let with = |noise_multiplier| Self {
            sampling_rate: f64::from(params.batch) / records as f64,
            noise_multiplier,
            steps: 0,
            evaluation_noise: privacy.evaluation_noise,
        };
        let steps = params.steps(records)?;
        let epsilon = |noise: f64| Self { steps, ..with(noise) }.epsilon(DELTA);
        let (mut low, mut high) = NOISE;
        if epsilon(high) > target {
            let reason = format!("no noise keeps {target} over {steps} steps; ask for more, or for fewer steps");
            return Err(Error::Parameter { name: "epsilon_micro", reason });
        }
        while high / low > 1.0 + PRECISION {
            let middle = (low * high).sqrt();
            if epsilon(middle) > target {
                low = middle;
            } else {
                high = middle;
            }
        }
        Ok(Self { steps, ..with(high) })
    }

    /// The epsilon that the whole run spends at `delta`.
    pub fn epsilon(&self, delta: f64) -> f64 {
        epsilon(delta, |order| {
            let step = divergence(self.sampling_rate, self.noise_multiplier, order);
            let evaluation = self.evaluation_noise.map_or(0.0, |noise| gaussian(noise, order));
            self.steps as f64 * step + evaluation
        })
    }
}

/// The orders at which the divergence is looked at: those of dp-accounting.
fn orders() -> impl Iterator<Item = f64> {
    let fine = (1..100).map(|tenth| 1.0 + f64::from(tenth) / 10.0);
    fine.chain((11..64).map(f64::from)).chain([128.0, 256.0, 512.0, 1024.0])
}

/// The least epsilon over all orders for a mechanism of the given divergence.
fn epsilon(delta: f64, divergence: impl Fn(f64) -> f64) -> f64 {
    let at = |order: f64| {
        let divergence = divergence(order);
        if delta * delta + (-divergence).exp_m1() > 0.0 {
            return 0.0;
        }
        divergence + (-1.0 / order).ln_1p() - (delta * order).ln() / (order - 1.0)
    };
    orders().map(at).fold(f64::INFINITY, f64::min).max(0.0)
}

/// The Rényi divergence of one step.
fn divergence(rate: f64, noise: f64, order: f64) -> f64 {
    if rate == 0.0 {
        return 0.0;
    }
    if rate >= 1.0 {
        return gaussian(noise, order);
    }
    log_moment(rate, noise, order) / (order - 1.0)
}

/// That of the Gaussian mechanism without sampling.
fn gaussian(noise: f64, order: f64) -> f64 {
    order / (2.0 * noise * noise)
}

/// `ln E[(1 - q + q exp((2 z - 1) / 2 s^2))^a]`.
fn log_moment(rate: f64, noise: f64, order: f64) -> f64 {
    let variance = noise * noise;
    let width = (0.5 * noise).min(0.5 * variance);
    let (least, most) = (-REACH * noise, order + REACH * noise);
    let stay = (-rate).ln_1p();
    let term = |z: f64| {
        let ratio = log_add(stay, rate.ln() + (2.0 * z - 1.0) / (2.0 * variance));
        order * ratio - z * z / (2.0 * variance)
    };
    let points = ((most - least) / width).ceil() as u64;
    let values = (0..=points).map(|point| term(least + point as f64 * width));
    // One pass: the sum is kept relative to the largest term seen so far.
    let (largest, sum) = values.fold((f64::NEG_INFINITY, 0.0f64), |(largest, sum), value| {
        if value <= largest {
            (largest, sum + (value - largest).exp())
        } else {
            (value, sum * (largest - value).exp() + 1.0)
        }
    });
    largest + sum.ln() + width.ln() - 0.5 * (2.0 * PI * variance).ln()
}

/// `ln(exp(a) + exp(b))`.
fn log_add(a: f64, b: f64) -> f64 {
    let (low, high) = if a < b { (a, b) } else { (b, a) };
    high + (low - high).exp().ln_1p()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde::Deserialize;

    use super::*;

    /// Epsilons of dp-accounting 0.6, made by `compute/tests/accountant.py`.
    #[derive(Deserialize)]
    struct Grid {
        points: Vec<Point>,
    }

    #[derive(Deserialize)]
    struct Point {
        sampling_rate: f64,
        noise_multiplier: f64,
        steps: u64,
        evaluation_noise: Option<f64>,
        delta: f64,
        epsilon: f64,
    }

    #[test]
    fn epsilon_agrees_with_dp_accounting_on_the_grid() {
        let grid: Grid = serde_json::from_str(include_str!("../../../tests/accountant.json")).unwrap();
        assert!(grid.points.len() >= 200);
        let mut worst = 0.0f64;
        for point in &grid.points {
            let mechanism = Mechanism {
                sampling_rate: point.sampling_rate,
                noise_multiplier: point.noise_multiplier,
                steps: point.steps,
                evaluation_noise: point.evaluation_noise,
            };
            let apart = (mechanism.epsilon(point.delta) - point.epsilon).abs() / point.epsilon;
            assert!(apart <= 1e-3, "{mechanism:?}: {} and {}", mechanism.epsilon(point.delta), point.epsilon);
            worst = worst.max(apart);
        }
        println!("{} points, largest relative difference {worst:e}", grid.points.len());
    }

    #[test]
    fn moment_of_a_sample_of_everything_is_the_gaussian_mechanisms() {
        for (noise, order) in [(0.5, 2.0), (1.0, 3.5), (4.0, 64.0)] {
            let almost = log_moment(1.0 - 1e-13, noise, order) / (order - 1.0);
            assert!((almost / gaussian(noise, order) - 1.0).abs() < 1e-9, "{noise} {order}");
        }
    }

    #[test]
    fn epsilon_grows_with_rate_and_steps_and_falls_with_noise() {
        let base = Mechanism { sampling_rate: 0.01, noise_multiplier: 1.0, steps: 1_000, evaluation_noise: None };
        let epsilon = base.epsilon(DELTA);
        assert!(Mechanism { sampling_rate: 0.02, ..base }.epsilon(DELTA) > epsilon);
        assert!(Mechanism { steps: 2_000, ..base }.epsilon(DELTA) > epsilon);
        assert!(Mechanism { noise_multiplier: 2.0, ..base }.epsilon(DELTA) < epsilon);
        assert!(Mechanism { evaluation_noise: Some(10.0), ..base }.epsilon(DELTA) > epsilon);
        assert_eq!(Mechanism { steps: 0, ..base }.epsilon(DELTA), 0.0);
    }

    #[test]
    fn mechanism_keeps_the_budget_with_hardly_more_noise_than_needed() {
        for (epsilon_micro, records, evaluation_noise) in
            [(1_000_000, 1_000, None), (8_000_000, 100, None), (500_000, 50_000, Some(20.0)), (100_000, 99_999, None)]
        {
            let params = Params { epochs: 3, ..Params::default() };
            let privacy = Privacy { epsilon_micro, clip: 1.0, evaluation_noise };
            let mechanism = Mechanism::within(&params, &privacy, records).unwrap();
            let budget = epsilon_micro as f64 / 1e6;
            assert!(mechanism.epsilon(DELTA) <= budget);
            let less = Mechanism { noise_multiplier: mechanism.noise_multiplier * 0.999, ..mechanism };
            assert!(less.epsilon(DELTA) > budget || less.noise_multiplier < NOISE.0, "{mechanism:?}");
        }
    }

    #[test]
    fn budget_that_no_noise_keeps_is_refused() {
        let privacy = Privacy { epsilon_micro: 10_000, clip: 1.0, evaluation_noise: Some(1.0) };
        let refused = Mechanism::within(&Params::default(), &privacy, 1_000);
        assert!(matches!(refused, Err(Error::Parameter { name: "epsilon_micro", .. })));
    }

    #[test]
    fn records_too_few_for_the_batch_or_too_many_for_delta_are_refused() {
        let privacy = Privacy { epsilon_micro: 1_000_000, clip: 1.0, evaluation_noise: None };
        let within = |records| Mechanism::within(&Params::default(), &privacy, records);
        assert!(matches!(within(31), Err(Error::Parameter { name: "batch", .. })));
        assert!(matches!(within(MAX_RECORDS + 1), Err(Error::Rows { .. })));
    }
}
