//! Records to unit vectors, and from a slope at each vector back to each record's own gradient at the adapters.

mod burned;
mod frozen;

pub(super) use burned::Burned;
pub(super) use frozen::Frozen;

use crate::Result;

/// Takes a record's position and its vector.
pub(super) type Take<'a> = dyn FnMut(usize, &[f32]) -> Result<()> + 'a;

/// Takes a record's position and its vector, and gives the slope of the record's loss at the vector.
pub(super) type Pull<'a> = dyn FnMut(usize, &[f32]) -> Result<Vec<f32>> + 'a;

/// An encoder with adapters, over the records of one run, which are named by their positions.
pub(super) trait Encode {
    /// The vectors of `records`, in any order.
    fn vectors(&mut self, adapters: &[f32], records: &[usize], take: &mut Take<'_>) -> Result<()>;

    /// Gives each record's vector to `pull`, and then the gradient of that record's loss at `adapters` to `take`; records
    /// in any order.
    fn gradients(
        &mut self,
        adapters: &[f32],
        records: &[usize],
        pull: &mut Pull<'_>,
        take: &mut Take<'_>,
    ) -> Result<()>;
}

/// `records` in groups of similar length, longest first, each at most `most` when padded to its longest, at least one a group.
pub(super) fn groups(
    records: &[usize],
    length: impl Fn(usize) -> usize,
    rows: usize,
    tokens: usize,
) -> Vec<Vec<usize>> {
    let mut order = records.to_vec();
    order.sort_by_key(|&record| (std::cmp::Reverse(length(record)), record));
    let mut groups: Vec<Vec<usize>> = Vec::new();
    let mut longest = 0;
    for record in order {
        match groups.last_mut() {
            Some(group) if group.len() < rows && (group.len() + 1) * longest <= tokens => group.push(record),
            _ => {
                longest = length(record);
                groups.push(vec![record]);
            }
        }
    }
    groups
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::descent::dot;
    use super::super::lora::Lora;
    use super::super::params::{Adapters, Target};
    use super::super::random::Random;
    use super::*;
    use crate::Model;
    use crate::model::Tokens;
    use crate::support::{Tiny, rows};

    fn tokens(model: &Model) -> Vec<Tokens> {
        let texts = ["a b c", "", "e d c b a e d c b a", "b", "a a b"];
        model.tokenizer(16).unwrap().encode(&rows(texts)).unwrap()
    }

    fn lora(model: &Model) -> Lora {
        let targets = vec![Target::Query, Target::Key, Target::Value];
        Lora::new(&Adapters { rank: 2, alpha: 3.0, targets }, model.layers(), model.dimension())
    }

    fn numbers(count: usize, scale: f64, purpose: &str) -> Vec<f32> {
        let mut random = Random::seeded(11, purpose);
        (0..count).map(|_| (scale * random.normal()) as f32).collect()
    }

    /// The sum over `records` of the product of each vector with its own fixed slope.
    fn total(encode: &mut dyn Encode, adapters: &[f32], records: &[usize]) -> f64 {
        let mut sum = 0.0;
        encode
            .vectors(adapters, records, &mut |record, vector| {
                sum += dot(vector, &numbers(vector.len(), 1.0, &format!("slope {record}")));
                Ok(())
            })
            .unwrap();
        sum
    }

    fn gradients(encode: &mut dyn Encode, adapters: &[f32], records: &[usize]) -> Vec<(usize, Vec<f32>)> {
        let mut found = Vec::new();
        let mut pull = |record: usize, vector: &[f32]| Ok(numbers(vector.len(), 1.0, &format!("slope {record}")));
        let mut take = |record: usize, gradient: &[f32]| {
            found.push((record, gradient.to_vec()));
            Ok(())
        };
        encode.gradients(adapters, records, &mut pull, &mut take).unwrap();
        found.sort_by_key(|(record, _)| *record);
        found
    }

    /// Each record's gradient along random directions against differences of the vectors themselves.
    fn check_gradients(encode: &mut dyn Encode, lora: &Lora) {
        let adapters = numbers(lora.len(), 0.3, "adapters");
        for (record, gradient) in gradients(encode, &adapters, &[0, 1, 2, 3, 4]) {
            for direction in 0..8 {
                let direction = numbers(lora.len(), 0.01, &format!("direction {direction}"));
                let moved = |by: f32| -> Vec<f32> {
                    adapters.iter().zip(&direction).map(|(weight, step)| weight + by * step).collect()
                };
                let measured = (total(encode, &moved(1.0), &[record]) - total(encode, &moved(-1.0), &[record])) / 2.0;
                let stated = dot(&gradient, &direction);
                assert!((measured - stated).abs() < 2e-2 * stated.abs() + 2e-5, "{record}: {measured} {stated}");
            }
        }
    }

    #[test]
    fn burned_gradients_equal_finite_differences() {
        let (_folder, model, device) = Tiny::new().ready();
        let (tokens, lora) = (tokens(&model), lora(&model));
        let encoder = Burned::load(&model, &device).unwrap();
        check_gradients(&mut Burned::new(&encoder, &device, lora.clone(), &tokens), &lora);
    }

    #[test]
    fn zero_adapters_give_the_vectors_of_the_encoder_alone() {
        let (_folder, model, device) = Tiny::new().ready();
        let (tokens, lora) = (tokens(&model), lora(&model));
        let plain = model.embed(&device, &tokens.iter().collect::<Vec<_>>()).unwrap();
        let encoder = Burned::load(&model, &device).unwrap();
        let mut encode = Burned::new(&encoder, &device, lora.clone(), &tokens);
        let mut take = |record: usize, vector: &[f32]| {
            assert!(crate::support::difference(vector, &plain[record]) < 1e-6);
            Ok(())
        };
        encode.vectors(&lora.beginning(5), &[4, 2, 0, 1, 3], &mut take).unwrap();
    }

    #[test]
    fn record_has_the_same_gradient_alone_and_among_others() {
        let (_folder, model, device) = Tiny::new().ready();
        let (tokens, lora) = (tokens(&model), lora(&model));
        let adapters = numbers(lora.len(), 0.3, "adapters");
        let encoder = Burned::load(&model, &device).unwrap();
        let mut encode = Burned::new(&encoder, &device, lora, &tokens);
        for (record, gradient) in gradients(&mut encode, &adapters, &[0, 1, 2, 3, 4]) {
            let alone = gradients(&mut encode, &adapters, &[record]).remove(0).1;
            assert!(crate::support::difference(&gradient, &alone) < 1e-4, "{record}");
        }
    }

    #[test]
    fn groups_hold_every_record_once_within_their_bounds() {
        let length = |record: usize| 1 + record * 7 % 50;
        let records: Vec<usize> = (0..200).collect();
        let groups = groups(&records, length, 16, 256);
        for group in &groups {
            let longest = group.iter().map(|&record| length(record)).max().unwrap();
            assert!(group.len() <= 16 && (group.len() * longest <= 256 || group.len() == 1));
        }
        let mut seen = groups.concat();
        seen.sort_unstable();
        assert_eq!(seen, records);
    }
}
