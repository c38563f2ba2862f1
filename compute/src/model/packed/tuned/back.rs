//! The way back through the encoder: products by the transposed weights, and each text's own gradient at the adapters.

use fearless_simd::{Simd, dispatch};

use super::super::{INNER_ROWS, Norm};
use super::{Adapted, Back, Kept, Pair, Pass, Space, Standard, Tuned, third};
use crate::kernel::{Columns, Finish, Rows, gelu_back, product, softmax_back, standardize_back};

impl Tuned {
    /// From the slope at each text's vector to each text's gradient at the adapters, which lie as they were given. `pass` is what
    /// [`Tuned::there`] left.
    pub fn back(&self, slopes: &[Vec<f32>], adapted: &Adapted, pass: &mut Pass) -> Vec<Vec<f32>> {
        let mut gradients = vec![vec![0.0; adapted.numbers]; slopes.len()];
        pass.space.slopes.clear();
        for ((slope, (vector, length)), tokens) in slopes.iter().zip(&pass.vectors).zip(&pass.lengths) {
            let along: f32 = slope.iter().zip(vector).map(|(slope, value)| slope * value).sum();
            let part = 1.0 / (length * *tokens as f32);
            let row: Vec<f32> = slope.iter().zip(vector).map(|(slope, value)| (slope - value * along) * part).collect();
            (0..*tokens).for_each(|_| pass.space.slopes.extend_from_slice(&row));
        }
        dispatch!(self.packed.level, simd => self.layers_back(simd, adapted, pass, &mut gradients));
        gradients
    }

    #[inline(always)]
    fn layers_back<S: Simd>(&self, simd: S, adapted: &Adapted, pass: &mut Pass, gradients: &mut [Vec<f32>]) {
        let hidden = self.packed.hidden();
        let Pass { lengths, layers, space, .. } = pass;
        let mut slopes = std::mem::take(&mut space.slopes);
        let tokens = slopes.len() / hidden;
        for (place, (layer, back)) in self.packed.layers.iter().zip(&self.back).enumerate().rev() {
            let (pairs, kept) = (&adapted.layers[place], &layers[place]);
            norm_back(simd, &layer.outer_norm, &mut slopes, &kept.outer);
            let inner = layer.inner.bias.len();
            for (slopes, wide) in slopes.chunks_mut(INNER_ROWS * hidden).zip(kept.inner.chunks(INNER_ROWS * inner)) {
                let rows = slopes.len() / hidden;
                space.inner.resize(wide.len(), 0.0);
                let out = Rows { values: slopes, stride: hidden };
                product(simd, rows, out, &back.outer, (&mut space.inner, inner), Finish::Store);
                gelu_back(simd, &mut space.inner, wide);
                let wide = Rows { values: &space.inner, stride: inner };
                product(simd, rows, wide, &back.inner, (slopes, hidden), Finish::Sum);
            }
            norm_back(simd, &layer.attended_norm, &mut slopes, &kept.attended);
            space.mixed.resize(slopes.len(), 0.0);
            let out = Rows { values: &slopes, stride: hidden };
            product(simd, tokens, out, &back.attended, (&mut space.mixed, hidden), Finish::Store);
            self.attention_back(simd, lengths, kept, space);
            // Below the first layer are only the embeddings, which stay as they are.
            let below = if place > 0 { Some(slopes.as_mut_slice()) } else { None };
            self.taken_back(simd, lengths, (pairs, kept), back, space, below, gradients);
        }
        space.slopes = slopes;
    }

    /// From the slopes at what was mixed to those at query, key and value.
    #[inline(always)]
    fn attention_back<S: Simd>(&self, simd: S, lengths: &[usize], kept: &Kept, space: &mut Space) {
        let hidden = self.packed.hidden();
        let width = hidden / self.packed.heads;
        space.taken.resize(kept.taken.len(), 0.0);
        let (mut first, mut shares) = (0, kept.shares.as_slice());
        for &length in lengths {
            space.scores.resize(length * length, 0.0);
            for head in 0..self.packed.heads {
                let own;
                (own, shares) = shares.split_at(length * length);
                let part = |which: usize| third(&kept.taken, hidden, first, which, head * width);
                let mixed = Rows { values: &space.mixed[first * hidden + head * width..], stride: hidden };
                space.queries.set(part(0), length, width);
                space.keys.set(part(1), length, width);
                space.values.set_transposed(part(2), width, length);
                space.mixes.set(mixed, length, width);
                product(simd, length, mixed, &space.values, (&mut space.scores, length), Finish::Store);
                let scores = space.scores.chunks_exact_mut(length).zip(own.chunks_exact(length));
                scores.for_each(|(slopes, shares)| softmax_back(simd, slopes, shares));
                let at = |which: usize| first * 3 * hidden + which * hidden + head * width;
                let along = Rows { values: &space.scores, stride: length };
                let across = Columns { values: &space.scores, stride: length };
                let shares = Columns { values: own, stride: length };
                let stride = 3 * hidden;
                product(simd, length, along, &space.keys, (&mut space.taken[at(0)..], stride), Finish::Store);
                product(simd, length, across, &space.queries, (&mut space.taken[at(1)..], stride), Finish::Store);
                product(simd, length, shares, &space.mixes, (&mut space.taken[at(2)..], stride), Finish::Store);
            }
            first += length;
        }
    }

    /// From the slopes at query, key and value to those at the layer's input, added to `below`, and to the adapters' gradients.
    #[inline(always)]
    #[allow(clippy::too_many_arguments)]
    fn taken_back<S: Simd>(
        &self,
        simd: S,
        lengths: &[usize],
        (pairs, kept): (&[Pair], &Kept),
        back: &Back,
        space: &mut Space,
        below: Option<&mut [f32]>,
        gradients: &mut [Vec<f32>],
    ) {
        let hidden = self.packed.hidden();
        let tokens = kept.states.len() / hidden;
        let Space { taken, low, keys, values, .. } = space;
        low.resize_with(pairs.len().max(low.len()), Vec::new);
        for (pair, low) in pairs.iter().zip(low.iter_mut()) {
            low.resize(tokens * pair.rank(), 0.0);
            let out = third(taken, hidden, 0, pair.part, 0);
            product(simd, tokens, out, &pair.up_back, (low, pair.rank()), Finish::Store);
        }
        if let Some(slopes) = below {
            let all = Rows { values: taken, stride: 3 * hidden };
            product(simd, tokens, all, &back.taken, (slopes, hidden), Finish::Sum);
            for (pair, low) in pairs.iter().zip(low.iter()) {
                let low = Rows { values: low, stride: pair.rank() };
                product(simd, tokens, low, &pair.down_back, (slopes, hidden), Finish::Sum);
            }
        }
        let mut first = 0;
        for (&length, gradient) in lengths.iter().zip(gradients) {
            keys.set(Rows { values: &kept.states[first * hidden..], stride: hidden }, length, hidden);
            for ((pair, before), after) in pairs.iter().zip(&kept.low).zip(low.iter()) {
                let rank = pair.rank();
                let after = Columns { values: &after[first * rank..], stride: rank };
                product(simd, rank, after, keys, (&mut gradient[pair.place.a.clone()], hidden), Finish::Store);
                values.set(Rows { values: &before[first * rank..], stride: rank }, length, rank);
                let from = &taken[first * 3 * hidden + pair.part * hidden..];
                let from = Columns { values: from, stride: 3 * hidden };
                let up = &mut gradient[pair.place.b.clone()];
                product(simd, hidden, from, values, (up, rank), Finish::Store);
                up.iter_mut().for_each(|value| *value *= pair.scale);
            }
            first += length;
        }
    }
}

#[inline(always)]
fn norm_back<S: Simd>(simd: S, norm: &Norm, slopes: &mut [f32], kept: &Standard) {
    let hidden = norm.weight.len();
    let rows = slopes.chunks_exact_mut(hidden).zip(kept.rows.chunks_exact(hidden)).zip(&kept.factors);
    rows.for_each(|((slopes, row), factor)| standardize_back(simd, slopes, row, &norm.weight, *factor));
}
