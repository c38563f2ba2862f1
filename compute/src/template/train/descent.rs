//! The steps: AdamW (Loshchilov and Hutter 2019) with a step size that falls to zero, and clipping.

/// AdamW's averages, and the number that keeps a division finite: as in torch.
const BETAS: (f64, f64) = (0.9, 0.999);
const EPSILON: f64 = 1e-8;

/// AdamW over flat weights.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct AdamW {
    first: Vec<f32>,
    second: Vec<f32>,
    decay: f64,
    steps: i32,
}

impl AdamW {
    /// For `len` weights.
    pub fn new(len: usize, decay: f64) -> Self {
        Self::after(0, vec![0.0; len], vec![0.0; len], decay)
    }

    /// As it was after `steps` steps, with its averages of slopes and of their squares.
    pub fn after(steps: u64, first: Vec<f32>, second: Vec<f32>, decay: f64) -> Self {
        Self { first, second, decay, steps: i32::try_from(steps).unwrap_or(i32::MAX) }
    }

    /// Its average of slopes.
    pub fn first(&self) -> &[f32] {
        &self.first
    }

    /// Its average of their squares.
    pub fn second(&self) -> &[f32] {
        &self.second
    }

    /// One step down `gradient`; `rate` gives the step size of the weight at a position.
    pub fn step(&mut self, weights: &mut [f32], gradient: &[f32], rate: impl Fn(usize) -> f64) {
        self.steps += 1;
        let corrections = (1.0 - BETAS.0.powi(self.steps), 1.0 - BETAS.1.powi(self.steps));
        let averages = self.first.iter_mut().zip(&mut self.second);
        for (at, ((weight, slope), (first, second))) in weights.iter_mut().zip(gradient).zip(averages).enumerate() {
            let (rate, slope) = (rate(at), f64::from(*slope));
            let mean = BETAS.0 * f64::from(*first) + (1.0 - BETAS.0) * slope;
            let square = BETAS.1 * f64::from(*second) + (1.0 - BETAS.1) * slope * slope;
            let change = (mean / corrections.0) / ((square / corrections.1).sqrt() + EPSILON);
            *weight = (f64::from(*weight) * (1.0 - rate * self.decay) - rate * change) as f32;
            (*first, *second) = (mean as f32, square as f32);
        }
    }
}

/// The Euclidean norm.
pub(super) fn norm(values: &[f32]) -> f64 {
    values.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>().sqrt()
}

/// The inner product.
pub(super) fn dot(left: &[f32], right: &[f32]) -> f64 {
    left.iter().zip(right).map(|(left, right)| f64::from(*left) * f64::from(*right)).sum()
}

/// Scales `gradient` down so that its norm is at most `most`, whatever the rounding; a shorter one stays as it is.
pub(super) fn clip(gradient: &mut [f32], most: f64) {
    let norm = norm(gradient);
    if norm > most {
        // The factor is a little too small: rounding each value to f32 adds at most one part in 2^24.
        let factor = most / norm * (1.0 - f64::from(f32::EPSILON));
        gradient.iter_mut().for_each(|value| *value = (f64::from(*value) * factor) as f32);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn adamw_takes_the_steps_of_torch() {
        // torch 2.15: AdamW([1, -2, 0.5], lr=0.1, weight_decay=0.01), gradients [0.3, -0.2, 0] and then [-0.1, -0.4, 2].
        let mut weights = [1.0f32, -2.0, 0.5];
        let mut adam = AdamW::new(3, 0.01);
        adam.step(&mut weights, &[0.3, -0.2, 0.0], |_| 0.1);
        adam.step(&mut weights, &[-0.1, -0.4, 2.0], |_| 0.1);
        for (weight, expected) in weights.iter().zip(TORCH) {
            assert!((weight - expected).abs() < 1e-6, "{weights:?}");
        }
    }

    const TORCH: [f32; 3] = [0.858_079_2, -1.799_583_9, 0.424_586_83];

    #[test]
    fn short_gradient_is_not_clipped() {
        let mut gradient = [0.3f32, 0.4];
        clip(&mut gradient, 0.51);
        assert_eq!(gradient, [0.3, 0.4]);
    }

    proptest! {
        #[test]
        fn clipped_gradient_is_within_the_norm_and_points_the_same_way(
            values in proptest::collection::vec(-1e3f32..1e3, 1..500), most in 1e-3f64..100.0,
        ) {
            let mut clipped = values.clone();
            clip(&mut clipped, most);
            prop_assert!(norm(&clipped) <= most);
            let cosine = dot(&values, &clipped);
            prop_assert!((cosine - norm(&values) * norm(&clipped)).abs() <= 1e-5 * cosine.abs() + 1e-9);
        }
    }
}
