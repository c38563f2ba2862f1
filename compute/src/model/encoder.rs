//! The BERT encoder as burn modules, with mean pooling over each text's own tokens (Devlin et al. 2018; Reimers and
//! Gurevych 2019).

use std::collections::HashMap;

use burn::module::{Module, Param};
use burn::nn::{Embedding, LayerNorm, LayerNormConfig, Linear};
use burn::tensor::activation::{gelu, softmax};
use burn::tensor::{Device, Int, Tensor, TensorData, TensorReadError};

use super::architecture::{Architecture, Slot};
use super::tokens::Tokens;
use super::weights::Weights;
use crate::device::Failure;
use crate::template::train::Target;
use crate::{Error, Result};

/// Added to the attention score of a padding token: its share is then exactly 0 in f32.
const MASKED: f32 = -1e9;

/// The least length that a vector is divided by, as in the reference's `normalize`.
const LEAST_LENGTH: f32 = 1e-12;

/// What is added to the output of attention matrices.
pub(crate) trait Adapt {
    /// What to add to `target`'s output in `layer` for the input `states`, `[texts * length, hidden]`; none for nothing.
    fn adapt(&self, layer: usize, target: Target, states: &Tensor<2>) -> Option<Tensor<2>>;
}

/// Nothing is added.
struct Plain;

impl Adapt for Plain {
    fn adapt(&self, _: usize, _: Target, _: &Tensor<2>) -> Option<Tensor<2>> {
        None
    }
}

/// An encoder on a device.
#[derive(Module, Debug)]
pub(crate) struct Encoder {
    words: Embedding,
    positions: Embedding,
    types: Embedding,
    norm: LayerNorm,
    layers: Vec<Layer>,
}

#[derive(Module, Debug)]
struct Layer {
    query: Linear,
    key: Linear,
    value: Linear,
    attended: Linear,
    attended_norm: LayerNorm,
    inner: Linear,
    outer: Linear,
    outer_norm: LayerNorm,
    heads: usize,
}

impl Encoder {
    /// Reads the weights onto `device`.
    pub fn load(architecture: &Architecture, weights: &Weights, device: &Device) -> Result<Self> {
        let mut parts = Parts::read(architecture, weights, device)?;
        let layers = (0..architecture.layers).map(|layer| Layer::assemble(&mut parts, layer)).collect::<Result<_>>()?;
        Ok(Self {
            words: parts.embedding("embeddings.word_embeddings")?,
            positions: parts.embedding("embeddings.position_embeddings")?,
            types: parts.embedding("embeddings.token_type_embeddings")?,
            norm: parts.norm("embeddings.LayerNorm")?,
            layers,
        })
    }

    /// The unit vector of each text of a batch.
    pub fn embed(&self, batch: &[&Tokens], device: &Device) -> std::result::Result<Vec<Vec<f32>>, Failure> {
        let vectors = self.vectors(batch, &Plain, device);
        let [_, width] = vectors.dims();
        let values: Vec<f32> = vectors.try_into_vec_as::<f32>().map_err(read_failed)?;
        Ok(values.chunks_exact(width).map(<[f32]>::to_vec).collect())
    }

    /// The unit vector of each text of a batch as `[texts, hidden]`, with what `adapt` adds.
    pub fn vectors(&self, batch: &[&Tokens], adapt: &dyn Adapt, device: &Device) -> Tensor<2> {
        let (ids, mask) = padded(batch, device);
        self.forward(ids, mask, adapt)
    }

    /// Texts as ids `[texts, length]` and a mask of the same shape, 1 for a token and 0 for padding, to vectors
    /// `[texts, hidden]` of length 1.
    fn forward(&self, ids: Tensor<2, Int>, mask: Tensor<2>, adapt: &dyn Adapt) -> Tensor<2> {
        let [texts, length] = ids.dims();
        let bias = ((mask.clone() - 1.0) * -MASKED).reshape([texts, 1, 1, length]);
        let mut states = self.embeddings(ids);
        for (place, layer) in self.layers.iter().enumerate() {
            let adapt = |target, states: &Tensor<2>| adapt.adapt(place, target, states);
            states = layer.forward(states, bias.clone(), &adapt);
        }
        let [_, hidden] = states.dims();
        let counts = mask.clone().sum_dim(1);
        let weights = mask.reshape([texts, length, 1]);
        let sums = (states.reshape([texts, length, hidden]) * weights).sum_dim(1).reshape([texts, hidden]);
        let means = sums / counts;
        let lengths = means.clone().square().sum_dim(1).sqrt().clamp_min(LEAST_LENGTH);
        means / lengths
    }

    /// The sum of word, position and type embeddings, normalized, as `[texts * length, hidden]`.
    fn embeddings(&self, ids: Tensor<2, Int>) -> Tensor<2> {
        let [texts, length] = ids.dims();
        let words = self.words.forward(ids);
        let [_, _, hidden] = words.dims();
        let positions = self.positions.weight.val().slice([0..length, 0..hidden]);
        let types = self.types.weight.val().slice([0..1, 0..hidden]);
        let places = (positions + types).reshape([1, length, hidden]);
        self.norm.forward((words + places).reshape([texts * length, hidden]))
    }
}

/// What is added to an attention matrix's output in one layer.
type Added<'a> = dyn Fn(Target, &Tensor<2>) -> Option<Tensor<2>> + 'a;

impl Layer {
    fn assemble(parts: &mut Parts<'_>, layer: usize) -> Result<Self> {
        let at = format!("encoder.layer.{layer}");
        Ok(Self {
            query: parts.linear(&format!("{at}.attention.self.query"))?,
            key: parts.linear(&format!("{at}.attention.self.key"))?,
            value: parts.linear(&format!("{at}.attention.self.value"))?,
            attended: parts.linear(&format!("{at}.attention.output.dense"))?,
            attended_norm: parts.norm(&format!("{at}.attention.output.LayerNorm"))?,
            inner: parts.linear(&format!("{at}.intermediate.dense"))?,
            outer: parts.linear(&format!("{at}.output.dense"))?,
            outer_norm: parts.norm(&format!("{at}.output.LayerNorm"))?,
            heads: parts.architecture.heads,
        })
    }

    /// States `[texts * length, hidden]` and the attention bias `[texts, 1, 1, length]` to states of the same shape.
    fn forward(&self, states: Tensor<2>, bias: Tensor<4>, adapt: &Added<'_>) -> Tensor<2> {
        let attended = self.attended.forward(self.attention(states.clone(), bias, adapt));
        let states = self.attended_norm.forward(attended + states);
        let outer = self.outer.forward(gelu(self.inner.forward(states.clone())));
        self.outer_norm.forward(outer + states)
    }

    fn attention(&self, states: Tensor<2>, bias: Tensor<4>, adapt: &Added<'_>) -> Tensor<2> {
        let [texts, _, _, length] = bias.dims();
        let [rows, hidden] = states.dims();
        let width = hidden / self.heads;
        let split = |flat: Tensor<2>| flat.reshape([texts, length, self.heads, width]).swap_dims(1, 2);
        let project = |linear: &Linear, target| {
            let plain = linear.forward(states.clone());
            match adapt(target, &states) {
                Some(added) => plain + added,
                None => plain,
            }
        };
        let query = split(project(&self.query, Target::Query) * (1.0 / (width as f64).sqrt()));
        let key = split(project(&self.key, Target::Key));
        let value = split(project(&self.value, Target::Value));
        let shares = softmax(query.matmul(key.swap_dims(2, 3)) + bias, 3);
        shares.matmul(value).swap_dims(1, 2).reshape([rows, hidden])
    }
}

/// The ids and the mask of a batch, padded at the end to its longest text with id 0, which the mask hides.
fn padded(batch: &[&Tokens], device: &Device) -> (Tensor<2, Int>, Tensor<2>) {
    let length = batch.iter().map(|tokens| tokens.len()).max().unwrap_or(0);
    let mut ids = vec![0i32; batch.len() * length];
    let mut mask = vec![0f32; batch.len() * length];
    for (row, tokens) in batch.iter().enumerate() {
        for (column, id) in tokens.ids().iter().enumerate() {
            ids[row * length + column] = *id as i32;
            mask[row * length + column] = 1.0;
        }
    }
    let shape = [batch.len(), length];
    (Tensor::from_data(TensorData::new(ids, shape), device), Tensor::from_data(TensorData::new(mask, shape), device))
}

/// The tensors of a model on a device, by name, until each has found its place.
struct Parts<'a> {
    architecture: &'a Architecture,
    device: &'a Device,
    matrices: HashMap<String, Tensor<2>>,
    vectors: HashMap<String, Tensor<1>>,
}

impl<'a> Parts<'a> {
    fn read(architecture: &'a Architecture, weights: &Weights, device: &'a Device) -> Result<Self> {
        let mut parts = Self { architecture, device, matrices: HashMap::new(), vectors: HashMap::new() };
        weights.read(&architecture.slots(), |slot, values| {
            parts.place(slot, values);
            Ok(())
        })?;
        Ok(parts)
    }

    fn place(&mut self, slot: &Slot, values: Vec<f32>) {
        let name = slot.name.clone();
        match slot.shape[..] {
            [out, into] if !name.contains("_embeddings.") => {
                let data = TensorData::new(transposed(&values, out, into), [into, out]);
                self.matrices.insert(name, Tensor::from_data(data, self.device));
            }
            [rows, columns] => {
                let data = TensorData::new(values, [rows, columns]);
                self.matrices.insert(name, Tensor::from_data(data, self.device));
            }
            _ => {
                let length = values.len();
                self.vectors.insert(name, Tensor::from_data(TensorData::new(values, [length]), self.device));
            }
        }
    }

    fn embedding(&mut self, name: &str) -> Result<Embedding> {
        Ok(Embedding { weight: Param::from_tensor(self.matrix(name)?) })
    }

    fn linear(&mut self, name: &str) -> Result<Linear> {
        let bias = self.vector(&format!("{name}.bias"))?;
        Ok(Linear { weight: Param::from_tensor(self.matrix(name)?), bias: Some(Param::from_tensor(bias)) })
    }

    fn norm(&mut self, name: &str) -> Result<LayerNorm> {
        let config = LayerNormConfig::new(self.architecture.hidden).with_epsilon(self.architecture.epsilon);
        let mut norm = config.init(self.device);
        norm.gamma = Param::from_tensor(self.vector(&format!("{name}.weight"))?);
        norm.beta = Some(Param::from_tensor(self.vector(&format!("{name}.bias"))?));
        Ok(norm)
    }

    fn matrix(&mut self, name: &str) -> Result<Tensor<2>> {
        let name = format!("{}{name}.weight", self.architecture.prefix);
        self.matrices.remove(&name).ok_or_else(|| missing(name))
    }

    fn vector(&mut self, name: &str) -> Result<Tensor<1>> {
        let name = format!("{}{name}", self.architecture.prefix);
        self.vectors.remove(&name).ok_or_else(|| missing(name))
    }
}

/// A row-major matrix `[out, into]` as `[into, out]`, the layout of burn's linear layers.
fn transposed(values: &[f32], out: usize, into: usize) -> Vec<f32> {
    let mut turned = Vec::with_capacity(values.len());
    for column in 0..into {
        turned.extend((0..out).map(|row| values[row * into + column]));
    }
    turned
}

fn missing(tensor: String) -> Error {
    Error::Weights { tensor, reason: "is missing".to_owned() }
}

pub(crate) fn read_failed(error: TensorReadError) -> Failure {
    match error {
        TensorReadError::Execution(error) => Failure::Stack(error),
        other => Failure::Unread(other.to_string()),
    }
}
