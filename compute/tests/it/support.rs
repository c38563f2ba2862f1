//! The real model, a tiny model made on the spot, and reference vectors.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use compute::{Choice, Continue, Device, Model, Output, Result, Row, template::embed};
use safetensors::Dtype;
use safetensors::tensor::TensorView;
use serde::Deserialize;

/// A text with its vector from the reference implementation.
pub struct Case {
    pub text: String,
    /// How many windows the reference read.
    pub windows: usize,
    pub vector: Vec<f32>,
}

#[derive(Deserialize)]
struct Golden {
    cases: Vec<GoldenText>,
}

#[derive(Deserialize)]
struct GoldenText {
    text: String,
    /// The text is this many of it, one after another.
    times: usize,
    windows: usize,
}

/// The 200 texts of `golden.py`.
pub fn golden() -> Vec<Case> {
    let golden: Golden = serde_json::from_str(include_str!("../golden.json")).unwrap();
    let vectors = compute::output::Dtype::F32;
    let file = safetensors::SafeTensors::deserialize(include_bytes!("../golden.safetensors")).unwrap();
    let tensor = file.tensor("embeddings").unwrap();
    assert_eq!(tensor.shape(), [golden.cases.len(), 384]);
    let rows = tensor.data().chunks_exact(384 * vectors.bytes()).map(|row| vectors.numbers(row));
    let case = |(text, vector): (GoldenText, Vec<f32>)| Case {
        text: text.text.repeat(text.times),
        windows: text.windows,
        vector,
    };
    golden.cases.into_iter().zip(rows).map(case).collect()
}

/// The folder of all-MiniLM-L6-v2; fails where it has not been fetched.
pub fn real_folder() -> PathBuf {
    let data = || std::env::var_os("XDG_DATA_HOME").filter(|folder| !folder.is_empty()).map(PathBuf::from);
    let home = || std::env::var_os("HOME").map(|home| Path::new(&home).join(".local/share"));
    let folder = std::env::var_os("USUFRUCT_MODEL")
        .map(PathBuf::from)
        .or_else(|| data().or_else(home).map(|folder| folder.join("usufruct/models/all-MiniLM-L6-v2")));
    let folder = folder.expect("neither USUFRUCT_MODEL nor HOME is set");
    let there = folder.join("model.safetensors").is_file();
    assert!(there, "the embedding model is not in {}: run tools/fetch-model", folder.display());
    folder
}

pub fn real() -> Model {
    Model::open(&real_folder()).unwrap()
}

pub fn rows<'a>(texts: impl IntoIterator<Item = &'a str>) -> Vec<Row> {
    texts.into_iter().map(Row::new).collect()
}

/// Embeds with `batch_rows` rows in a batch.
pub fn embed(model: &Model, device: &Device, batch_rows: u32, rows: &[Row]) -> Result<Output> {
    let params = embed::Params { batch_rows, ..embed::Params::default() };
    embed::run(model, device, &params, rows, &mut |_, _| Continue::Yes)
}

/// The largest absolute difference of two vectors.
pub fn difference(left: &[f32], right: &[f32]) -> f32 {
    assert_eq!(left.len(), right.len());
    left.iter().zip(right).map(|(left, right)| (left - right).abs()).fold(0.0, f32::max)
}

/// The cosine of the angle between two vectors.
pub fn cosine(left: &[f32], right: &[f32]) -> f64 {
    assert_eq!(left.len(), right.len());
    let dot = |left: &[f32], right: &[f32]| -> f64 {
        left.iter().zip(right).map(|(left, right)| f64::from(*left) * f64::from(*right)).sum()
    };
    dot(left, right) / (dot(left, left) * dot(right, right)).sqrt()
}

/// The files of a one-layer encoder with 8 values, 2 heads and 12 words, to be broken in one place.
pub struct Tiny {
    pub tensors: BTreeMap<String, (Dtype, Vec<usize>, Vec<u8>)>,
    pub tokenizer: serde_json::Value,
    pub config: Option<serde_json::Value>,
}

const WORDS: [&str; 12] = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "b", "c", "d", "e", "##a", "##b", "."];

impl Tiny {
    pub fn new() -> Self {
        Self::sized(8)
    }

    /// The same with `hidden` values instead of 8.
    pub fn sized(hidden: usize) -> Self {
        let mut tiny = Self { tensors: BTreeMap::new(), tokenizer: tokenizer(), config: Some(config(hidden)) };
        tiny.add("embeddings.word_embeddings.weight", &[WORDS.len(), hidden]);
        tiny.add("embeddings.position_embeddings.weight", &[16, hidden]);
        tiny.add("embeddings.token_type_embeddings.weight", &[2, hidden]);
        tiny.pair("embeddings.LayerNorm", &[hidden]);
        for part in ["self.query", "self.key", "self.value", "output.dense"] {
            tiny.pair(&format!("encoder.layer.0.attention.{part}"), &[hidden, hidden]);
        }
        tiny.pair("encoder.layer.0.attention.output.LayerNorm", &[hidden]);
        tiny.pair("encoder.layer.0.intermediate.dense", &[16, hidden]);
        tiny.pair("encoder.layer.0.output.dense", &[hidden, 16]);
        tiny.pair("encoder.layer.0.output.LayerNorm", &[hidden]);
        tiny
    }

    fn pair(&mut self, name: &str, shape: &[usize]) {
        self.add(&format!("{name}.weight"), shape);
        self.add(&format!("{name}.bias"), &shape[..1]);
    }

    /// Adds a tensor of small varied values.
    pub fn add(&mut self, name: &str, shape: &[usize]) {
        let count: usize = shape.iter().product();
        let seed = name.bytes().fold(7usize, |seed, byte| seed * 31 % 9973 + byte as usize);
        let values: Vec<f32> = (0..count).map(|n| ((seed + n * 37) % 101) as f32 / 101.0 - 0.4).collect();
        self.set(name, shape, &values);
    }

    pub fn set(&mut self, name: &str, shape: &[usize], values: &[f32]) {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.tensors.insert(name.to_owned(), (Dtype::F32, shape.to_vec(), bytes));
    }

    pub fn weights(&self) -> Vec<u8> {
        let views = self.tensors.iter().map(|(name, (dtype, shape, bytes))| {
            (name.clone(), TensorView::new(*dtype, shape.clone(), bytes).unwrap())
        });
        safetensors::serialize(views, None).unwrap()
    }

    /// Writes the files into a new folder.
    pub fn write(&self) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("model.safetensors"), self.weights()).unwrap();
        fs::write(folder.path().join("tokenizer.json"), self.tokenizer.to_string()).unwrap();
        if let Some(config) = &self.config {
            fs::write(folder.path().join("config.json"), config.to_string()).unwrap();
        }
        folder
    }

    /// Opens the model and deletes its files: enough to look at the model, not to run it.
    pub fn open(&self) -> Result<Model> {
        Model::open(self.write().path())
    }

    /// The opened model and the CPU, with the folder, which is deleted when it is dropped.
    pub fn ready(&self) -> (tempfile::TempDir, Model, Device) {
        let folder = self.write();
        let model = Model::open(folder.path()).unwrap();
        (folder, model, Device::open(Choice::Cpu).unwrap())
    }
}

fn config(hidden: usize) -> serde_json::Value {
    serde_json::json!({
        "model_type": "bert", "hidden_size": hidden, "num_hidden_layers": 1, "num_attention_heads": 2,
        "intermediate_size": 16, "hidden_act": "gelu", "layer_norm_eps": 1e-12, "max_position_embeddings": 16,
        "type_vocab_size": 2, "vocab_size": WORDS.len(),
    })
}

fn tokenizer() -> serde_json::Value {
    let vocabulary: serde_json::Map<String, serde_json::Value> =
        WORDS.iter().enumerate().map(|(id, word)| ((*word).to_owned(), id.into())).collect();
    let token = |text: &str, id: u32| serde_json::json!({ "id": text, "ids": [id], "tokens": [text] });
    serde_json::json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": [],
        "normalizer": { "type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true,
                        "strip_accents": null, "lowercase": true },
        "pre_tokenizer": { "type": "BertPreTokenizer" },
        "post_processor": { "type": "TemplateProcessing",
            "single": [{ "SpecialToken": { "id": "[CLS]", "type_id": 0 } }, { "Sequence": { "id": "A", "type_id": 0 } },
                       { "SpecialToken": { "id": "[SEP]", "type_id": 0 } }],
            "pair": [{ "Sequence": { "id": "A", "type_id": 0 } }, { "Sequence": { "id": "B", "type_id": 1 } }],
            "special_tokens": { "[CLS]": token("[CLS]", 2), "[SEP]": token("[SEP]", 3) } },
        "decoder": null,
        "model": { "type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
                   "max_input_chars_per_word": 100, "vocab": vocabulary },
    })
}
