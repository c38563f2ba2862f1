//! Records to unit vectors, and from a slope at each vector back to each record's own gradient at the adapters.

mod burned;
mod frozen;
mod slices;

pub(super) use burned::Burned;
pub(super) use frozen::Frozen;
pub(super) use slices::Slices;

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

/// `records` in groups of similar length, longest first, each of at most `rows`, and of at most as many tokens when padded to its
/// longest as `tokens` says for that length.
pub(super) fn groups(
    records: &[usize],
    length: impl Fn(usize) -> usize,
    rows: usize,
    tokens: &dyn Fn(usize) -> Result<usize>,
) -> Result<Vec<Vec<usize>>> {
    let mut order = records.to_vec();
    order.sort_by_key(|&record| (std::cmp::Reverse(length(record)), record));
    let mut groups: Vec<Vec<usize>> = Vec::new();
    let (mut longest, mut room) = (0, 0);
    for record in order {
        match groups.last_mut() {
            Some(group) if group.len() < rows && (group.len() + 1) * longest <= room => group.push(record),
            _ => {
                longest = length(record);
                room = tokens(longest)?;
                groups.push(vec![record]);
            }
        }
    }
    Ok(groups)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::descent::dot;
    use super::super::lora::Lora;
    use super::super::params::{Adapters, Target};
    use super::super::random::Random;
    use super::super::records::Texts;
    use super::*;
    use crate::model::Tokens;
    use crate::support::{Tiny, rows};
    use crate::{Choice, Device, Model};

    fn kept(tokens: &[Tokens]) -> Texts {
        let mut texts = Texts::default();
        texts.add(tokens);
        texts
    }

    fn texts(model: &Model) -> Texts {
        let texts = ["a b c", "", "e d c b a e d c b a", "b", "a a b"];
        kept(&model.tokenizer(16).unwrap().encode(&rows(texts)).unwrap())
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

    /// Runs `check` with both ways of encoding on the CPU, which get the same records.
    fn both(model: &Model, device: &Device, texts: &Texts, lora: &Lora, check: &mut dyn FnMut(&mut dyn Encode)) {
        let encoder = Burned::load(model, device).unwrap();
        check(&mut Burned::new(&encoder, model, device, lora.clone(), texts));
        let tuned = model.tuned().unwrap();
        check(&mut Slices::new(&tuned, model, device, lora.clone(), texts).unwrap());
    }

    #[test]
    fn gradients_equal_finite_differences() {
        let (_folder, model, device) = Tiny::new().ready();
        let (texts, lora) = (texts(&model), lora(&model));
        both(&model, &device, &texts, &lora, &mut |encode| check_gradients(encode, &lora));
    }

    #[test]
    fn slices_give_what_tensors_give() {
        let (model, device) = (crate::support::real(), Device::open(Choice::Cpu).unwrap());
        let long = "The harbor lights went out one after another. ".repeat(40);
        let texts = ["yes", "", "A letter came late, and my brother read it twice.", &long, "no, not yet", "🙂 Ça va?"];
        let texts = kept(&model.tokenizer(256).unwrap().encode(&rows(texts)).unwrap());
        for targets in
            [vec![Target::Query, Target::Value], vec![Target::Query, Target::Key, Target::Value], vec![Target::Key]]
        {
            let lora = Lora::new(&Adapters { rank: 3, alpha: 6.0, targets }, model.layers(), model.dimension());
            let adapters = numbers(lora.len(), 0.05, "adapters");
            let mut found = Vec::new();
            both(&model, &device, &texts, &lora, &mut |encode| {
                found.push(gradients(encode, &adapters, &[5, 0, 3, 1, 4, 2]))
            });
            for (tensors, slices) in found[0].iter().zip(&found[1]) {
                let scale = tensors.1.iter().fold(0f32, |most, value| most.max(value.abs()));
                let off = crate::support::difference(&tensors.1, &slices.1) / scale;
                assert!(tensors.0 == slices.0 && scale > 0.0 && off < 1e-3, "record {}: {off} of {scale}", tensors.0);
            }
        }
    }

    #[test]
    fn slices_have_the_same_bits_in_any_company_and_within_little_memory() {
        let (_folder, model, device) = Tiny::new().ready();
        let (texts, lora) = (texts(&model), lora(&model));
        let adapters = numbers(lora.len(), 0.3, "adapters");
        let tuned = model.tuned().unwrap();
        let mut encode = Slices::new(&tuned, &model, &device, lora.clone(), &texts).unwrap();
        let together = gradients(&mut encode, &adapters, &[0, 1, 2, 3, 4]);
        for (record, gradient) in &together {
            assert_eq!(gradients(&mut encode, &adapters, &[*record])[0].1, *gradient, "{record}");
        }
        let little = device.clone().within(1 << 16);
        let mut encode = Slices::new(&tuned, &model, &little, lora.clone(), &texts).unwrap();
        assert_eq!(encode.passes(), 1);
        assert_eq!(gradients(&mut encode, &adapters, &[0, 1, 2, 3, 4]), together);
        let none = device.within(1 << 10);
        assert!(matches!(Slices::new(&tuned, &model, &none, lora, &texts), Err(crate::Error::Memory { .. })));
    }

    #[test]
    fn zero_adapters_give_the_vectors_of_the_encoder_alone() {
        let (_folder, model, device) = Tiny::new().ready();
        let (texts, lora) = (texts(&model), lora(&model));
        let tokens: Vec<Tokens> = (0..5).map(|record| texts.get(record)).collect();
        let plain = model.embed(&device, &tokens.iter().collect::<Vec<_>>()).unwrap();
        both(&model, &device, &texts, &lora, &mut |encode| {
            let mut take = |record: usize, vector: &[f32]| {
                assert!(crate::support::difference(vector, &plain[record]) < 1e-6);
                Ok(())
            };
            encode.vectors(&lora.beginning(5), &[4, 2, 0, 1, 3], &mut take).unwrap();
        });
    }

    #[test]
    fn record_has_the_same_gradient_alone_and_among_others() {
        let (_folder, model, device) = Tiny::new().ready();
        let (texts, lora) = (texts(&model), lora(&model));
        let adapters = numbers(lora.len(), 0.3, "adapters");
        both(&model, &device, &texts, &lora, &mut |encode| {
            for (record, gradient) in gradients(encode, &adapters, &[0, 1, 2, 3, 4]) {
                let alone = gradients(encode, &adapters, &[record]).remove(0).1;
                assert!(crate::support::difference(&gradient, &alone) < 1e-4, "{record}");
            }
        });
    }

    #[test]
    fn groups_hold_every_record_once_within_their_bounds() {
        let length = |record: usize| 1 + record * 7 % 50;
        let records: Vec<usize> = (0..200).collect();
        let groups = groups(&records, length, 16, &|_| Ok(256)).unwrap();
        for group in &groups {
            let longest = group.iter().map(|&record| length(record)).max().unwrap();
            assert!(group.len() <= 16 && (group.len() * longest <= 256 || group.len() == 1));
        }
        let mut seen = groups.concat();
        seen.sort_unstable();
        assert_eq!(seen, records);
    }
}
