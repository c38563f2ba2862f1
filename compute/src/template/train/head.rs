//! The linear head: logits `W v + b` over an encoder's unit vector `v`, cross entropy, and its gradient.

/// The shape of a head. Its weights lie flat: `W` row by row, one row a class, then `b`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    pub classes: usize,
    pub width: usize,
}

/// How a head judges one record.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Judged {
    /// Cross entropy in nats.
    pub loss: f32,
    /// Whether the record's class has the highest logit (of equal ones, the first).
    pub right: bool,
}

impl Head {
    /// Numbers in a head.
    pub fn len(self) -> usize {
        self.classes * (self.width + 1)
    }

    /// The loss of `vector`, whose class is `class`.
    pub fn judge(self, weights: &[f32], vector: &[f32], class: usize) -> Judged {
        self.shares(weights, vector, class).1
    }

    /// The loss with its gradient at the head's weights, written to `own`, and at the vector, which is returned.
    pub fn gradient(self, weights: &[f32], vector: &[f32], class: usize, own: &mut [f32]) -> (Judged, Vec<f32>) {
        let (mut shares, judged) = self.shares(weights, vector, class);
        shares[class] -= 1.0;
        let mut below = vec![0.0f32; self.width];
        for (row, &share) in shares.iter().enumerate() {
            let at = row * self.width;
            for column in 0..self.width {
                own[at + column] = (share * f64::from(vector[column])) as f32;
                below[column] += (share * f64::from(weights[at + column])) as f32;
            }
            own[self.classes * self.width + row] = share as f32;
        }
        (judged, below)
    }

    /// The softmax of the logits, and what it says of the record.
    fn shares(self, weights: &[f32], vector: &[f32], class: usize) -> (Vec<f64>, Judged) {
        let logit = |row: usize| {
            let products = weights[row * self.width..][..self.width].iter().zip(vector);
            let sum: f64 = products.map(|(weight, value)| f64::from(*weight) * f64::from(*value)).sum();
            sum + f64::from(weights[self.classes * self.width + row])
        };
        let mut shares: Vec<f64> = (0..self.classes).map(logit).collect();
        let best = (0..self.classes).fold(0, |best, row| if shares[row] > shares[best] { row } else { best });
        let (largest, own) = (shares[best], shares[class]);
        shares.iter_mut().for_each(|logit| *logit = (*logit - largest).exp());
        let sum: f64 = shares.iter().sum();
        shares.iter_mut().for_each(|share| *share /= sum);
        let loss = (sum.ln() + largest - own) as f32;
        (shares, Judged { loss, right: best == class })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::random::Random;
    use super::*;

    const HEAD: Head = Head { classes: 3, width: 5 };

    fn numbers(count: usize, seed: u64) -> Vec<f32> {
        let mut random = Random::seeded(seed, "test");
        (0..count).map(|_| random.normal() as f32).collect()
    }

    #[test]
    fn head_of_zeros_gives_every_class_the_same_share() {
        let judged = HEAD.judge(&vec![0.0; HEAD.len()], &numbers(5, 1), 2);
        assert!((judged.loss - 3f32.ln()).abs() < 1e-6 && !judged.right);
    }

    #[test]
    fn head_gradient_equals_finite_differences() {
        let (weights, vector) = (numbers(HEAD.len(), 2), numbers(5, 3));
        let mut own = vec![0.0; HEAD.len()];
        let (_, below) = HEAD.gradient(&weights, &vector, 1, &mut own);
        let step = 1e-2f32;
        let slope = |change: &dyn Fn(f32) -> f32| (change(step) - change(-step)) / (2.0 * step);
        for at in 0..HEAD.len() {
            let measured = slope(&|by| {
                let mut moved = weights.clone();
                moved[at] += by;
                HEAD.judge(&moved, &vector, 1).loss
            });
            assert!((measured - own[at]).abs() < 1e-3, "{at}: {measured} {}", own[at]);
        }
        for at in 0..5 {
            let measured = slope(&|by| {
                let mut moved = vector.clone();
                moved[at] += by;
                HEAD.judge(&weights, &moved, 1).loss
            });
            assert!((measured - below[at]).abs() < 1e-3, "{at}: {measured} {}", below[at]);
        }
    }

    #[test]
    fn head_with_huge_logits_stays_finite() {
        let judged = HEAD.judge(&vec![1e6; HEAD.len()], &numbers(5, 4), 0);
        assert!(judged.loss.is_finite());
    }
}
