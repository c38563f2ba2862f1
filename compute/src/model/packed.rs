//! The BERT encoder on the CPU: texts laid end to end without padding, so that a token costs the same in any company.
//!
//! The same computation as the encoder of tensors beside it, in the order that suits a processor: query, key and value in
//! one product, biases, GELU and residuals while a product's values are in registers, attention text by text and head by
//! head. Threads take packs of texts, each through all layers. A text's vector does not depend on its pack.

pub(crate) mod tuned;

use std::collections::HashMap;
use std::ops::Range;

use fearless_simd::{Level, Simd, dispatch};
use rayon::prelude::*;

use super::architecture::Architecture;
use super::tokens::Tokens;
use super::weights::Weights;
use super::words::Words;
use crate::kernel::{Finish, Panels, Rows, normalize, product, softmax};
use crate::{Error, Result};

/// Tokens in a pack, unless one text alone has more: enough that weights read from memory serve many rows, few enough that
/// the states stay in the second cache.
const PACK_TOKENS: usize = 256;

/// Rows that go through the widest layer at a time.
const INNER_ROWS: usize = 96;

/// Query rows whose scores are held at a time.
const SCORE_ROWS: usize = 24;

/// The least length that a vector is divided by, as in the reference's `normalize`.
const LEAST_LENGTH: f32 = 1e-12;

/// An encoder in memory, but for its word embeddings.
#[derive(Debug)]
pub(crate) struct Packed {
    heads: usize,
    epsilon: f32,
    words: Words,
    /// Position embeddings with that of the first token type added, one row a position.
    places: Vec<f32>,
    norm: Norm,
    layers: Vec<Layer>,
    level: Level,
}

#[derive(Debug)]
struct Layer {
    /// Query (divided by the root of a head's width), key and value side by side.
    taken: Linear,
    attended: Linear,
    attended_norm: Norm,
    inner: Linear,
    outer: Linear,
    outer_norm: Norm,
}

#[derive(Debug)]
struct Linear {
    weight: Panels,
    bias: Vec<f32>,
}

#[derive(Debug)]
struct Norm {
    weight: Vec<f32>,
    bias: Vec<f32>,
}

/// What one thread works in.
#[derive(Default)]
struct Space {
    bytes: Vec<u8>,
    states: Vec<f32>,
    taken: Vec<f32>,
    mixed: Vec<f32>,
    inner: Vec<f32>,
    scores: Vec<f32>,
    keys: Panels,
    values: Panels,
}

impl Packed {
    /// Reads the weights into memory.
    pub fn load(architecture: &Architecture, weights: &Weights) -> Result<Self> {
        let mut parts = Parts { architecture, tensors: HashMap::new() };
        let words = format!("{}embeddings.word_embeddings.weight", architecture.prefix);
        let words = weights.read_rows(&architecture.slots(), &words, |slot, values| {
            parts.tensors.insert(slot.name.clone(), values);
            Ok(())
        })?;
        let hidden = architecture.hidden;
        let (mut places, types) = (parts.take("embeddings.position_embeddings.weight")?, parts.types()?);
        for place in places.chunks_exact_mut(hidden) {
            place.iter_mut().zip(&types).for_each(|(place, kind)| *place += kind);
        }
        Ok(Self {
            heads: architecture.heads,
            epsilon: architecture.epsilon as f32,
            words,
            places,
            norm: parts.norm("embeddings.LayerNorm")?,
            layers: (0..architecture.layers).map(|layer| Layer::assemble(&mut parts, layer)).collect::<Result<_>>()?,
            level: Level::new(),
        })
    }

    /// The unit vector of each text of a batch.
    pub fn embed(&self, batch: &[&Tokens]) -> Result<Vec<Vec<f32>>> {
        let packs = packs(batch.iter().map(|text| text.len()));
        let packs = packs.into_par_iter().map_init(Space::default, |space, pack| self.pack(&batch[pack], space));
        Ok(packs.collect::<Result<Vec<_>>>()?.concat())
    }

    fn pack(&self, texts: &[&Tokens], space: &mut Space) -> Result<Vec<Vec<f32>>> {
        self.place(texts, &mut space.states, &mut space.bytes)?;
        dispatch!(self.level, simd => self.layers(simd, texts, space));
        let mut rows = space.states.chunks_exact(self.hidden());
        Ok(texts.iter().map(|text| unit(rows.by_ref().take(text.len()), self.hidden()).0).collect())
    }

    fn hidden(&self) -> usize {
        self.norm.weight.len()
    }

    /// The sum of word, position and type embeddings of every token, into `states`; `bytes` is scratch space.
    fn place(&self, texts: &[&Tokens], states: &mut Vec<f32>, bytes: &mut Vec<u8>) -> Result<()> {
        let hidden = self.hidden();
        states.clear();
        for text in texts {
            states.extend_from_slice(&self.places[..text.len() * hidden]);
        }
        let ids = texts.iter().flat_map(|text| text.ids());
        for (state, id) in states.chunks_exact_mut(hidden).zip(ids) {
            self.words.add(*id, state, bytes)?;
        }
        Ok(())
    }

    #[inline(always)]
    fn layers<S: Simd>(&self, simd: S, texts: &[&Tokens], space: &mut Space) {
        self.norm.apply(simd, &mut space.states, self.epsilon);
        for layer in &self.layers {
            self.attention(simd, layer, texts, space);
            layer.attended_norm.apply(simd, &mut space.states, self.epsilon);
            for states in space.states.chunks_mut(INNER_ROWS * self.hidden()) {
                layer.inner.write(simd, states, &mut space.inner, Finish::Gelu);
                layer.outer.apply(simd, &space.inner, states, Finish::Add);
            }
            layer.outer_norm.apply(simd, &mut space.states, self.epsilon);
        }
    }

    fn attention<S: Simd>(&self, simd: S, layer: &Layer, texts: &[&Tokens], space: &mut Space) {
        let hidden = self.hidden();
        layer.taken.write(simd, &space.states, &mut space.taken, Finish::Bias);
        space.mixed.resize(space.states.len(), 0.0);
        let mut first = 0;
        for text in texts {
            for head in 0..self.heads {
                self.head(simd, head, first..first + text.len(), space);
            }
            first += text.len();
        }
        debug_assert_eq!(first * hidden, space.states.len());
        layer.attended.apply(simd, &space.mixed, &mut space.states, Finish::Add);
    }

    /// One head's attention within one text, whose tokens have these rows.
    fn head<S: Simd>(&self, simd: S, head: usize, rows: Range<usize>, space: &mut Space) {
        let (hidden, length) = (self.hidden(), rows.len());
        let width = hidden / self.heads;
        let part = |which: usize, row: usize| Rows {
            values: &space.taken[row * 3 * hidden + which * hidden + head * width..],
            stride: 3 * hidden,
        };
        space.keys.set_transposed(part(1, rows.start), width, length);
        space.values.set(part(2, rows.start), length, width);
        space.scores.resize(SCORE_ROWS * length, 0.0);
        for row in rows.clone().step_by(SCORE_ROWS) {
            let count = SCORE_ROWS.min(rows.end - row);
            product(simd, count, part(0, row), &space.keys, (&mut space.scores, length), Finish::Store);
            space.scores.chunks_exact_mut(length).take(count).for_each(|scores| softmax(simd, scores));
            let shares = Rows { values: &space.scores, stride: length };
            let out = &mut space.mixed[row * hidden + head * width..];
            product(simd, count, shares, &space.values, (out, hidden), Finish::Store);
        }
    }
}

impl Layer {
    fn assemble(parts: &mut Parts<'_>, layer: usize) -> Result<Self> {
        let at = format!("encoder.layer.{layer}");
        Ok(Self {
            taken: parts.taken(&at)?,
            attended: parts.linear(&format!("{at}.attention.output.dense"))?,
            attended_norm: parts.norm(&format!("{at}.attention.output.LayerNorm"))?,
            inner: parts.linear(&format!("{at}.intermediate.dense"))?,
            outer: parts.linear(&format!("{at}.output.dense"))?,
            outer_norm: parts.norm(&format!("{at}.output.LayerNorm"))?,
        })
    }
}

impl Linear {
    fn new(weight: &[f32], bias: Vec<f32>) -> Self {
        Self { weight: Panels::transposed(weight, weight.len() / bias.len()), bias }
    }

    /// As [`Linear::apply`], into `out` made as long as it has to be.
    fn write<'a, S: Simd>(
        &'a self,
        simd: S,
        input: &[f32],
        out: &mut Vec<f32>,
        finish: impl Fn(&'a [f32]) -> Finish<'a>,
    ) {
        out.resize(input.len() / self.weight.inner() * self.bias.len(), 0.0);
        self.apply(simd, input, out, finish);
    }

    fn apply<'a, S: Simd>(&'a self, simd: S, input: &[f32], out: &mut [f32], finish: impl Fn(&'a [f32]) -> Finish<'a>) {
        let inner = self.weight.inner();
        let rows = Rows { values: input, stride: inner };
        product(simd, input.len() / inner, rows, &self.weight, (out, self.bias.len()), finish(&self.bias));
    }
}

impl Norm {
    fn apply<S: Simd>(&self, simd: S, states: &mut [f32], epsilon: f32) {
        for state in states.chunks_exact_mut(self.weight.len()) {
            normalize(simd, state, &self.weight, &self.bias, epsilon);
        }
    }
}

/// Texts of these lengths in order, cut into packs.
pub(crate) fn packs(lengths: impl Iterator<Item = usize>) -> Vec<Range<usize>> {
    let mut packs: Vec<Range<usize>> = Vec::new();
    let mut tokens = 0;
    for (position, length) in lengths.enumerate() {
        tokens += length;
        match packs.last_mut() {
            Some(pack) if tokens <= PACK_TOKENS => pack.end = position + 1,
            _ => {
                tokens = length;
                packs.push(position..position + 1);
            }
        }
    }
    packs
}

/// The mean of these rows, divided by its length; and that length.
fn unit<'a>(rows: impl ExactSizeIterator<Item = &'a [f32]>, hidden: usize) -> (Vec<f32>, f32) {
    let count = rows.len() as f32;
    let mut mean = vec![0f32; hidden];
    for row in rows {
        mean.iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
    }
    mean.iter_mut().for_each(|value| *value /= count);
    let length = mean.iter().map(|value| value * value).sum::<f32>().sqrt().max(LEAST_LENGTH);
    mean.iter_mut().for_each(|value| *value /= length);
    (mean, length)
}

/// The tensors of a model by name, until each has found its place.
struct Parts<'a> {
    architecture: &'a Architecture,
    tensors: HashMap<String, Vec<f32>>,
}

impl Parts<'_> {
    /// The embedding of the first token type, the only one that single texts have.
    fn types(&mut self) -> Result<Vec<f32>> {
        let mut types = self.take("embeddings.token_type_embeddings.weight")?;
        types.truncate(self.architecture.hidden);
        Ok(types)
    }

    fn taken(&mut self, at: &str) -> Result<Linear> {
        let scale = 1.0 / ((self.architecture.hidden / self.architecture.heads) as f32).sqrt();
        let (mut weight, mut bias) = (Vec::new(), Vec::new());
        for (part, scale) in [("query", scale), ("key", 1.0), ("value", 1.0)] {
            let name = format!("{at}.attention.self.{part}");
            weight.extend(self.take(&format!("{name}.weight"))?.into_iter().map(|value| value * scale));
            bias.extend(self.take(&format!("{name}.bias"))?.into_iter().map(|value| value * scale));
        }
        Ok(Linear::new(&weight, bias))
    }

    fn linear(&mut self, name: &str) -> Result<Linear> {
        let bias = self.take(&format!("{name}.bias"))?;
        Ok(Linear::new(&self.take(&format!("{name}.weight"))?, bias))
    }

    fn norm(&mut self, name: &str) -> Result<Norm> {
        Ok(Norm { weight: self.take(&format!("{name}.weight"))?, bias: self.take(&format!("{name}.bias"))? })
    }

    fn take(&mut self, name: &str) -> Result<Vec<f32>> {
        let tensor = format!("{}{name}", self.architecture.prefix);
        self.tensors.remove(&tensor).ok_or(Error::Weights { tensor, reason: "is missing".to_owned() })
    }
}
