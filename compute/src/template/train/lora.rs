//! Where the numbers of the adapters lie, how they begin, and what PEFT calls them.

use std::ops::Range;

use super::params::{Adapters, Target};
use super::random::Random;

/// The adapters of an encoder. Their weights lie flat: layer by layer, target by target in [`Target`]'s order, `A` as
/// `[rank, width]` and then `B` as `[width, rank]`, row by row.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Lora {
    pub layers: usize,
    pub width: usize,
    pub rank: usize,
    /// What the adapter's output is multiplied by: `alpha / rank`.
    pub scale: f32,
    pub targets: Vec<Target>,
}

/// A matrix of the adapters under its PEFT name.
pub(super) struct Named {
    pub name: String,
    pub shape: [usize; 2],
    pub range: Range<usize>,
}

impl Lora {
    /// The adapters that `params` asks for on an encoder of this size.
    pub fn new(params: &Adapters, layers: usize, width: usize) -> Self {
        let mut targets = params.targets.clone();
        targets.sort_unstable();
        let scale = (params.alpha / f64::from(params.rank)) as f32;
        Self { layers, width, rank: params.rank as usize, scale, targets }
    }

    /// Numbers in all adapters.
    pub fn len(&self) -> usize {
        self.layers * self.targets.len() * 2 * self.matrix()
    }

    /// Where `A` and `B` of a target in a layer lie; none where the target has no adapter.
    pub fn place(&self, layer: usize, target: Target) -> Option<(Range<usize>, Range<usize>)> {
        let index = self.targets.iter().position(|known| *known == target)?;
        let start = (layer * self.targets.len() + index) * 2 * self.matrix();
        let middle = start + self.matrix();
        Some((start..middle, middle..middle + self.matrix()))
    }

    /// The weights before the first step: `A` uniform within `1 / sqrt(width)` as in PEFT, `B` zero, so that the encoder
    /// computes what it does without adapters.
    pub fn beginning(&self, seed: u64) -> Vec<f32> {
        let mut random = Random::seeded(seed, "adapters");
        let bound = 1.0 / (self.width as f64).sqrt();
        let mut weights = vec![0.0; self.len()];
        for named in self.named().filter(|named| named.shape[0] == self.rank && named.name.contains("lora_A")) {
            weights[named.range].fill_with(|| (bound * (2.0 * random.unit() - 1.0)) as f32);
        }
        weights
    }

    /// Every matrix in order, as PEFT names it.
    pub fn named(&self) -> impl Iterator<Item = Named> + '_ {
        let places = (0..self.layers).flat_map(|layer| self.targets.iter().map(move |&target| (layer, target)));
        places.flat_map(|(layer, target)| {
            let at = format!("base_model.model.encoder.layer.{layer}.attention.self.{}", target.name());
            let (a, b) = self.place(layer, target).unwrap_or_default();
            [
                Named { name: format!("{at}.lora_A.weight"), shape: [self.rank, self.width], range: a },
                Named { name: format!("{at}.lora_B.weight"), shape: [self.width, self.rank], range: b },
            ]
        })
    }

    fn matrix(&self) -> usize {
        self.rank * self.width
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lora() -> Lora {
        let params = Adapters { rank: 2, alpha: 4.0, targets: vec![Target::Value, Target::Query] };
        Lora::new(&params, 3, 8)
    }

    #[test]
    fn matrices_cover_every_number_once_and_in_order() {
        let lora = lora();
        let mut end = 0;
        for named in lora.named() {
            assert_eq!(named.range.start, end);
            assert_eq!(named.range.len(), named.shape[0] * named.shape[1]);
            end = named.range.end;
        }
        assert_eq!((end, lora.scale), (lora.len(), 2.0));
    }

    #[test]
    fn matrices_have_the_names_of_peft() {
        let names: Vec<String> = lora().named().map(|named| named.name).collect();
        assert_eq!(names.len(), 12);
        assert_eq!(names[0], "base_model.model.encoder.layer.0.attention.self.query.lora_A.weight");
        assert_eq!(names[11], "base_model.model.encoder.layer.2.attention.self.value.lora_B.weight");
    }

    #[test]
    fn beginning_has_zero_b_and_bounded_a_that_follow_from_the_seed() {
        let lora = lora();
        let weights = lora.beginning(7);
        for named in lora.named() {
            let values = &weights[named.range];
            if named.name.contains("lora_B") {
                assert!(values.iter().all(|value| *value == 0.0));
            } else {
                assert!(values.iter().all(|value| value.abs() <= 1.0 / 8f32.sqrt()));
                assert!(values.iter().any(|value| value.abs() > 0.1));
            }
        }
        assert_eq!(weights, lora.beginning(7));
        assert_ne!(weights, lora.beginning(8));
    }

    #[test]
    fn target_without_an_adapter_has_no_place() {
        assert_eq!(lora().place(0, Target::Key), None);
    }
}
