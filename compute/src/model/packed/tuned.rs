//! The CPU encoder with low-rank adapters, there and back: from texts to unit vectors, keeping what the way back needs, and from
//! the slope at each vector to each text's own gradient at the adapters.
//!
//! The encoder's weights are fixed: the way back has one product for each one of the way there, and nothing is computed for the
//! weights themselves. Texts lie end to end without padding, and a text's numbers do not depend on its pack.

mod back;

use std::ops::Range;

use fearless_simd::{Simd, dispatch};

use super::{INNER_ROWS, Layer, Norm, Packed};
use crate::Result;
use crate::kernel::{Finish, Panels, Rows, gelu_all, product, softmax, standardize};
use crate::model::Tokens;
use crate::template::train::Target;

/// An encoder in memory with the matrices of the way back.
#[derive(Debug)]
pub(crate) struct Tuned {
    packed: Packed,
    back: Vec<Back>,
}

/// The weights of a layer as the way back multiplies by them.
#[derive(Debug)]
struct Back {
    taken: Panels,
    attended: Panels,
    inner: Panels,
    outer: Panels,
}

/// Where the adapters of one target in one layer lie among all: `A` as `[rank, hidden]`, `B` as `[hidden, rank]`.
pub(crate) struct Place {
    pub target: Target,
    pub a: Range<usize>,
    pub b: Range<usize>,
}

/// Adapters in the layout of products, layer by layer.
pub(crate) struct Adapted {
    layers: Vec<Vec<Pair>>,
    numbers: usize,
}

struct Pair {
    place: Place,
    /// Which third of what is taken it adds to.
    part: usize,
    /// What its output is multiplied by, a query's own scale included.
    scale: f32,
    /// `A` and `B` (scaled) as the way there multiplies by them, and as the way back does.
    down: Panels,
    up: Panels,
    down_back: Panels,
    up_back: Panels,
}

/// A pack of texts on its way, with what is kept for the way back. Keeps its memory from one pack to the next.
#[derive(Default)]
pub(crate) struct Pass {
    lengths: Vec<usize>,
    states: Vec<f32>,
    layers: Vec<Kept>,
    /// Each text's unit vector, and the length of the mean that it was made of.
    vectors: Vec<(Vec<f32>, f32)>,
    space: Space,
}

/// What one layer keeps.
#[derive(Default)]
struct Kept {
    states: Vec<f32>,
    taken: Vec<f32>,
    /// What each pair's `A` gave.
    low: Vec<Vec<f32>>,
    /// Text after text, head after head, `[length, length]`.
    shares: Vec<f32>,
    attended: Standard,
    /// The widest layer before GELU.
    inner: Vec<f32>,
    outer: Standard,
}

/// What a norm keeps: its rows before weight and bias, and each row's factor.
#[derive(Default)]
struct Standard {
    rows: Vec<f32>,
    factors: Vec<f32>,
}

/// What is worked in.
#[derive(Default)]
struct Space {
    bytes: Vec<u8>,
    slopes: Vec<f32>,
    taken: Vec<f32>,
    mixed: Vec<f32>,
    inner: Vec<f32>,
    scores: Vec<f32>,
    low: Vec<Vec<f32>>,
    keys: Panels,
    values: Panels,
    queries: Panels,
    mixes: Panels,
}

impl Adapted {
    /// The adapters that lie flat in `numbers`, layer by layer as `places` says, each output multiplied by `scale`; `heads` is the
    /// encoder's number of heads.
    pub fn new(numbers: &[f32], places: Vec<Vec<Place>>, scale: f32, tuned: &Tuned) -> Self {
        let hidden = tuned.packed.hidden();
        let query = 1.0 / ((hidden / tuned.packed.heads) as f32).sqrt();
        let pair = |place: Place| {
            let (part, scale) = match place.target {
                Target::Query => (0, scale * query),
                Target::Key => (1, scale),
                Target::Value => (2, scale),
            };
            let a = &numbers[place.a.clone()];
            let b: Vec<f32> = numbers[place.b.clone()].iter().map(|value| value * scale).collect();
            let rank = a.len() / hidden;
            let (mut down_back, mut up_back) = (Panels::default(), Panels::default());
            down_back.set(Rows { values: a, stride: hidden }, rank, hidden);
            up_back.set(Rows { values: &b, stride: rank }, hidden, rank);
            let (down, up) = (Panels::transposed(a, hidden), Panels::transposed(&b, rank));
            Pair { place, part, scale, down, up, down_back, up_back }
        };
        let layers = places.into_iter().map(|places| places.into_iter().map(pair).collect()).collect();
        Self { layers, numbers: numbers.len() }
    }
}

impl Pass {
    /// Each text's unit vector.
    pub fn vectors(&self) -> impl Iterator<Item = &[f32]> {
        self.vectors.iter().map(|(vector, _)| vector.as_slice())
    }
}

impl Tuned {
    /// With the matrices of the way back beside those of the way there.
    pub fn new(packed: Packed) -> Self {
        let turned = |layer: &Layer| Back {
            taken: layer.taken.weight.turned(),
            attended: layer.attended.weight.turned(),
            inner: layer.inner.weight.turned(),
            outer: layer.outer.weight.turned(),
        };
        Self { back: packed.layers.iter().map(turned).collect(), packed }
    }

    /// Sends `texts` through the encoder.
    ///
    /// # Errors
    /// [`crate::Error::ModelFile`] where the word embeddings can no longer be read.
    pub fn there(&self, texts: &[&Tokens], adapted: &Adapted, pass: &mut Pass) -> Result<()> {
        let hidden = self.packed.hidden();
        pass.lengths = texts.iter().map(|text| text.len()).collect();
        self.packed.place(texts, &mut pass.states, &mut pass.space.bytes)?;
        pass.layers.resize_with(self.back.len(), Kept::default);
        dispatch!(self.packed.level, simd => self.layers_there(simd, adapted, pass));
        let mut rows = pass.states.chunks_exact(hidden);
        pass.vectors = pass.lengths.iter().map(|length| super::unit(rows.by_ref().take(*length), hidden)).collect();
        Ok(())
    }

    #[inline(always)]
    fn layers_there<S: Simd>(&self, simd: S, adapted: &Adapted, pass: &mut Pass) {
        let Pass { lengths, states, layers, space, .. } = pass;
        self.packed.norm.apply(simd, states, self.packed.epsilon);
        for ((layer, pairs), kept) in self.packed.layers.iter().zip(&adapted.layers).zip(layers) {
            copy(states, &mut kept.states);
            layer.taken.write(simd, states, &mut kept.taken, Finish::Bias);
            kept.low.resize_with(pairs.len(), Vec::new);
            for (pair, low) in pairs.iter().zip(&mut kept.low) {
                pair.there(simd, states, low, &mut kept.taken);
            }
            self.attention_there(simd, lengths, kept, space);
            layer.attended.apply(simd, &space.mixed, states, Finish::Add);
            self.norm_there(simd, &layer.attended_norm, states, &mut kept.attended);
            let (hidden, inner) = (self.packed.hidden(), layer.inner.bias.len());
            kept.inner.resize(states.len() / hidden * inner, 0.0);
            for (states, wide) in states.chunks_mut(INNER_ROWS * hidden).zip(kept.inner.chunks_mut(INNER_ROWS * inner))
            {
                layer.inner.apply(simd, states, wide, Finish::Bias);
                space.inner.resize(wide.len(), 0.0);
                gelu_all(simd, wide, &mut space.inner);
                layer.outer.apply(simd, &space.inner, states, Finish::Add);
            }
            self.norm_there(simd, &layer.outer_norm, states, &mut kept.outer);
        }
    }

    #[inline(always)]
    fn attention_there<S: Simd>(&self, simd: S, lengths: &[usize], kept: &mut Kept, space: &mut Space) {
        let hidden = self.packed.hidden();
        let width = hidden / self.packed.heads;
        kept.shares.resize(self.packed.heads * lengths.iter().map(|length| length * length).sum::<usize>(), 0.0);
        space.mixed.resize(kept.states.len(), 0.0);
        let (mut first, mut shares) = (0, kept.shares.as_mut_slice());
        for &length in lengths {
            for head in 0..self.packed.heads {
                let own;
                (own, shares) = std::mem::take(&mut shares).split_at_mut(length * length);
                let part = |which: usize| third(&kept.taken, hidden, first, which, head * width);
                space.keys.set_transposed(part(1), width, length);
                space.values.set(part(2), length, width);
                product(simd, length, part(0), &space.keys, (own, length), Finish::Store);
                own.chunks_exact_mut(length).for_each(|scores| softmax(simd, scores));
                let out = &mut space.mixed[first * hidden + head * width..];
                product(
                    simd,
                    length,
                    Rows { values: own, stride: length },
                    &space.values,
                    (out, hidden),
                    Finish::Store,
                );
            }
            first += length;
        }
    }

    #[inline(always)]
    fn norm_there<S: Simd>(&self, simd: S, norm: &Norm, states: &mut [f32], kept: &mut Standard) {
        copy(states, &mut kept.rows);
        let hidden = norm.weight.len();
        kept.factors.clear();
        for (row, out) in kept.rows.chunks_exact_mut(hidden).zip(states.chunks_exact_mut(hidden)) {
            kept.factors.push(standardize(simd, row, out, &norm.weight, &norm.bias, self.packed.epsilon));
        }
    }
}

impl Pair {
    fn rank(&self) -> usize {
        self.down.columns()
    }

    /// Adds what the adapters give for `states` to their third of `taken`.
    #[inline(always)]
    fn there<S: Simd>(&self, simd: S, states: &[f32], low: &mut Vec<f32>, taken: &mut [f32]) {
        let (hidden, rank) = (self.down.inner(), self.rank());
        let tokens = states.len() / hidden;
        low.resize(tokens * rank, 0.0);
        let rows = Rows { values: states, stride: hidden };
        product(simd, tokens, rows, &self.down, (low, rank), Finish::Store);
        let out = &mut taken[self.part * hidden..];
        product(simd, tokens, Rows { values: low, stride: rank }, &self.up, (out, 3 * hidden), Finish::Sum);
    }
}

/// Rows of one third of what was taken, from the row `first` and the column `column` of the third on.
#[inline(always)]
fn third(taken: &[f32], hidden: usize, first: usize, which: usize, column: usize) -> Rows<'_> {
    Rows { values: &taken[first * 3 * hidden + which * hidden + column..], stride: 3 * hidden }
}

fn copy(from: &[f32], to: &mut Vec<f32>) {
    to.clear();
    to.extend_from_slice(from);
}
