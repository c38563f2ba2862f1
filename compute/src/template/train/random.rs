//! Random numbers of a run: the keystream of ChaCha20 (RFC 8439) under a key that says what they are for.
//!
//! What the consumer may know follows from the seed it chose. What must stay secret, the noise and who is in a sample when
//! privacy is on, follows from 32 bytes of the operating system's that the caller drew for this run alone.

use std::f64::consts::TAU;

use chacha20::ChaCha20;
use chacha20::cipher::{KeyIvInit, StreamCipher};
use sha2::{Digest, Sha256};

/// Bytes of keystream made at a time.
const BLOCK: usize = 1_024;

/// A source of random numbers.
pub(super) struct Random {
    stream: ChaCha20,
    block: [u8; BLOCK],
    used: usize,
}

impl Random {
    /// The numbers for `purpose` that follow from a public seed.
    pub fn seeded(seed: u64, purpose: &str) -> Self {
        Self::new(&seed.to_le_bytes(), purpose)
    }

    /// The numbers for `purpose` that follow from a secret.
    pub fn secret(secret: &[u8; 32], purpose: &str) -> Self {
        Self::new(secret, purpose)
    }

    fn new(origin: &[u8], purpose: &str) -> Self {
        let mut hash = Sha256::new();
        hash.update(b"usufruct train 1\n");
        hash.update([origin.len() as u8]);
        hash.update(origin);
        hash.update(purpose.as_bytes());
        let key: [u8; 32] = hash.finalize().into();
        Self { stream: ChaCha20::new(&key.into(), &[0; 12].into()), block: [0; BLOCK], used: BLOCK }
    }

    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        if self.used == BLOCK {
            self.block = [0; BLOCK];
            self.stream.apply_keystream(&mut self.block);
            self.used = 0;
        }
        let mut word = [0; 8];
        word.copy_from_slice(&self.block[self.used..][..8]);
        self.used += 8;
        u64::from_le_bytes(word)
    }

    /// A number from 0 to below 1, a multiple of 2^-53.
    pub fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// A whole number below `bound`, each as likely as the others to within 2^-43.
    pub fn below(&mut self, bound: usize) -> usize {
        ((u128::from(self.bits()) * bound as u128) >> 64) as usize
    }

    /// A normal number with deviation 1 (Box and Muller).
    ///
    /// Four of them are added and halved: the low bits of a single one tell which floating-point numbers can have
    /// been added to it (Mironov 2012), those of a sum of four do not in practice (Holohan and Braghin 2021).
    pub fn normal(&mut self) -> f64 {
        let mut sum = 0.0;
        for _ in 0..2 {
            // From above 0 to 1, so that the logarithm is finite.
            let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
            let (sine, cosine) = (TAU * self.unit()).sin_cos();
            sum += radius * (sine + cosine);
        }
        sum / 2.0
    }

    /// Puts `items` in a random order, each as likely as the others (Fisher and Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_follow_from_origin_and_purpose() {
        let first = |mut random: Random| random.bits();
        let one = first(Random::seeded(1, "order"));
        assert_eq!(one, first(Random::seeded(1, "order")));
        assert_ne!(one, first(Random::seeded(2, "order")));
        assert_ne!(one, first(Random::seeded(1, "noise")));
        let mut secret = [0; 32];
        secret[0] = 1;
        assert_ne!(one, first(Random::secret(&secret, "order")));
    }

    #[test]
    fn numbers_go_on_past_a_block() {
        let mut random = Random::seeded(3, "order");
        let numbers: std::collections::HashSet<u64> = (0..1_000).map(|_| random.bits()).collect();
        assert_eq!(numbers.len(), 1_000);
    }

    #[test]
    fn normal_numbers_have_the_moments_and_tails_of_the_normal_distribution() {
        let mut random = Random::seeded(4, "noise");
        let numbers: Vec<f64> = (0..200_000).map(|_| random.normal()).collect();
        let moment = |power: i32| numbers.iter().map(|number| number.powi(power)).sum::<f64>() / numbers.len() as f64;
        assert!(moment(1).abs() < 0.01 && (moment(2) - 1.0).abs() < 0.02, "{} {}", moment(1), moment(2));
        assert!(moment(3).abs() < 0.05 && (moment(4) - 3.0).abs() < 0.1, "{} {}", moment(3), moment(4));
        let beyond = |limit: f64| numbers.iter().filter(|number| number.abs() > limit).count() as f64 / 200_000.0;
        assert!((beyond(1.96) - 0.05).abs() < 0.002 && (beyond(3.0) - 0.0027).abs() < 0.0005);
    }

    #[test]
    fn shuffle_keeps_every_item_and_puts_each_anywhere() {
        let mut seen = [[0u32; 4]; 4];
        let mut random = Random::seeded(5, "order");
        for _ in 0..4_000 {
            let mut items = [0, 1, 2, 3];
            random.shuffle(&mut items);
            for (place, item) in items.into_iter().enumerate() {
                seen[place][item] += 1;
            }
        }
        assert!(seen.iter().flatten().all(|count| (850..1_150).contains(count)), "{seen:?}");
    }
}
