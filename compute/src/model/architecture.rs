//! The shape of a BERT encoder, from `config.json` or from the shapes of its tensors, and the tensors it needs.

use std::fmt;
use std::path::Path;

use serde::Deserialize;

use super::refused;
use super::weights::Weights;
use crate::output::MAX_DIMENSION;
use crate::{Error, Result};

/// Most tokens of a text that count, special tokens included: what the sentence models of this family were made for.
pub const MAX_TOKENS: usize = 256;

/// Most layers of an encoder.
const MAX_LAYERS: usize = 48;

/// The epsilon of every published BERT, taken when there is no config file.
const EPSILON: f64 = 1e-12;

/// Heads of the published encoders by hidden size, taken when there is no config file: tensors do not show them.
const HEADS: [(usize, usize); 5] = [(128, 2), (256, 4), (384, 12), (768, 12), (1024, 16)];

/// A BERT encoder: learned positions, layer norm after each block, exact (erf) GELU.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Architecture {
    pub layers: usize,
    pub hidden: usize,
    pub heads: usize,
    pub intermediate: usize,
    pub vocabulary: usize,
    pub positions: usize,
    pub types: usize,
    pub epsilon: f64,
    /// What tensor names begin with: nothing, or `bert.`.
    pub prefix: &'static str,
}

/// The one way to state an architecture; part of the model's digest.
impl fmt::Display for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "bert layers={} hidden={} heads={} intermediate={} vocabulary={} positions={} types={} epsilon={:e} gelu=erf \
             pooling=mean norm=l2 tokens={}",
            self.layers,
            self.hidden,
            self.heads,
            self.intermediate,
            self.vocabulary,
            self.positions,
            self.types,
            self.epsilon,
            self.max_tokens()
        )
    }
}

/// What of `config.json` matters. Other fields concern training or other programs.
#[derive(Deserialize)]
struct Config {
    model_type: String,
    hidden_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    intermediate_size: usize,
    hidden_act: String,
    layer_norm_eps: f64,
    max_position_embeddings: usize,
    type_vocab_size: usize,
    vocab_size: usize,
    position_embedding_type: Option<String>,
}

/// A tensor that the encoder needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Slot {
    pub name: String,
    pub shape: Vec<usize>,
}

impl Architecture {
    /// The architecture that a config file states, if it is one that can be run.
    pub fn from_config(config: &[u8], path: &Path, weights: &Weights) -> Result<Self> {
        let config: Config = serde_json::from_slice(config).map_err(|error| refused(path, &error.to_string()))?;
        let positions = config.position_embedding_type.as_deref().unwrap_or("absolute");
        if config.model_type != "bert" || config.hidden_act != "gelu" || positions != "absolute" {
            let what = format!(
                "a {} encoder with {} and {positions} positions cannot be run; bert with gelu and absolute positions can",
                config.model_type, config.hidden_act
            );
            return Err(refused(path, &what));
        }
        Self {
            layers: config.num_hidden_layers,
            hidden: config.hidden_size,
            heads: config.num_attention_heads,
            intermediate: config.intermediate_size,
            vocabulary: config.vocab_size,
            positions: config.max_position_embeddings,
            types: config.type_vocab_size,
            epsilon: config.layer_norm_eps,
            prefix: prefix(weights),
        }
        .bounded()
        .map_err(|reason| refused(path, &reason))
    }

    /// The architecture that the tensors' shapes show. The number of heads is that of the published encoder of this size.
    pub fn from_shapes(weights: &Weights) -> Result<Self> {
        let prefix = prefix(weights);
        let matrix = |name: &str| match weights.shape(&format!("{prefix}{name}")) {
            Some(&[rows, columns]) => Ok((rows, columns)),
            Some(shape) => Err(wrong(prefix, name, format!("has shape {shape:?}, not two dimensions"))),
            None => Err(wrong(prefix, name, "is missing".to_owned())),
        };
        let (vocabulary, hidden) = matrix("embeddings.word_embeddings.weight")?;
        let (positions, _) = matrix("embeddings.position_embeddings.weight")?;
        let (types, _) = matrix("embeddings.token_type_embeddings.weight")?;
        let (intermediate, _) = matrix("encoder.layer.0.intermediate.dense.weight")?;
        let heads = HEADS.iter().find(|(size, _)| *size == hidden).map_or(0, |(_, heads)| *heads);
        let layers = (0..=MAX_LAYERS)
            .take_while(|layer| {
                weights.shape(&format!("{prefix}encoder.layer.{layer}.attention.self.query.weight")).is_some()
            })
            .count();
        Self { layers, hidden, heads, intermediate, vocabulary, positions, types, epsilon: EPSILON, prefix }
            .bounded()
            .map_err(|reason| refused(weights.path(), &format!("{reason}; a config.json beside it can say it")))
    }

    /// Tokens of a text that count, special tokens included.
    pub fn max_tokens(&self) -> usize {
        MAX_TOKENS.min(self.positions)
    }

    /// Every tensor the encoder needs, with its shape as the file has it: `[out, in]` for linear layers.
    pub fn slots(&self) -> Vec<Slot> {
        let (hidden, inner) = (self.hidden, self.intermediate);
        let mut slots = vec![
            self.slot("embeddings.word_embeddings.weight", &[self.vocabulary, hidden]),
            self.slot("embeddings.position_embeddings.weight", &[self.positions, hidden]),
            self.slot("embeddings.token_type_embeddings.weight", &[self.types, hidden]),
        ];
        let mut pair = |name: String, out: usize, into: Option<usize>| {
            let weight = into.map_or_else(|| vec![out], |into| vec![out, into]);
            slots.push(self.slot(&format!("{name}.weight"), &weight));
            slots.push(self.slot(&format!("{name}.bias"), &[out]));
        };
        pair("embeddings.LayerNorm".to_owned(), hidden, None);
        for layer in 0..self.layers {
            let at = format!("encoder.layer.{layer}");
            for part in ["self.query", "self.key", "self.value", "output.dense"] {
                pair(format!("{at}.attention.{part}"), hidden, Some(hidden));
            }
            pair(format!("{at}.attention.output.LayerNorm"), hidden, None);
            pair(format!("{at}.intermediate.dense"), inner, Some(hidden));
            pair(format!("{at}.output.dense"), hidden, Some(inner));
            pair(format!("{at}.output.LayerNorm"), hidden, None);
        }
        slots
    }

    fn slot(&self, name: &str, shape: &[usize]) -> Slot {
        Slot { name: format!("{}{name}", self.prefix), shape: shape.to_vec() }
    }

    fn bounded(self) -> std::result::Result<Self, String> {
        let bounds = [
            ("layers", self.layers, 1, MAX_LAYERS),
            ("hidden size", self.hidden, 1, MAX_DIMENSION),
            ("attention heads", self.heads, 1, 64),
            ("intermediate size", self.intermediate, 1, 4 * MAX_DIMENSION),
            ("vocabulary", self.vocabulary, 1, 1 << 20),
            ("positions", self.positions, 8, 1 << 16),
            ("token types", self.types, 1, 16),
        ];
        for (what, value, low, high) in bounds {
            if !(low..=high).contains(&value) {
                return Err(format!("{what}: {value} is not between {low} and {high}"));
            }
        }
        if !self.hidden.is_multiple_of(self.heads) {
            return Err(format!("{} attention heads do not divide a hidden size of {}", self.heads, self.hidden));
        }
        if !(self.epsilon > 0.0 && self.epsilon < 1e-2) {
            return Err(format!("layer norm epsilon {} is not between 0 and 0.01", self.epsilon));
        }
        Ok(self)
    }
}

/// Some checkpoints name the encoder inside a larger model.
fn prefix(weights: &Weights) -> &'static str {
    let inner = "bert.embeddings.word_embeddings.weight";
    if weights.shape(inner).is_some() { "bert." } else { "" }
}

fn wrong(prefix: &str, name: &str, reason: String) -> Error {
    Error::Weights { tensor: format!("{prefix}{name}"), reason }
}
