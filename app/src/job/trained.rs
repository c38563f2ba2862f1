//! What a consumer gets of a training run, sealed: adapters, head, metrics, and a digest for each record's training-use row.
//! The rows themselves stay in the owner's vault.

use compute::template::train::{Metrics, Params, Shape};
use provenance::manifest::Manifest;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use zk::merkle::Tree;
use zk::provenance::output_leaf;

use super::package::{Expected, plain};
use super::template::Delivered;
use crate::error::{Error, Result};
use crate::view::Check;

/// The package's layout, in its first field.
const FORMAT: &str = "usufruct/trained@1";

/// The output of one training run, whole.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trained {
    /// [`FORMAT`].
    pub format: String,
    /// The model's name, or its digest.
    pub model: String,
    /// Where it ran, as the owner's machine said.
    pub device: String,
    /// Layers of the model.
    pub layers: u32,
    /// Values in its vectors.
    pub width: u32,
    /// The adapters as safetensors, where they were asked for.
    pub adapters: Option<ByteBuf>,
    /// The head as safetensors.
    pub head: ByteBuf,
    /// The metrics record, JSON.
    pub metrics: String,
    /// One leaf of 32 bytes a record, in the dataset's order.
    #[serde(with = "serde_bytes")]
    pub leaves: Vec<u8>,
    /// One salted digest of 32 bytes a record's row.
    #[serde(with = "serde_bytes")]
    pub row_digests: Vec<u8>,
}

impl Trained {
    /// The format's name, for whoever builds one.
    pub fn format() -> String {
        FORMAT.to_owned()
    }

    /// Its bytes: DAG-CBOR.
    ///
    /// # Errors
    /// `Failure` where it cannot be encoded.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        serde_ipld_dagcbor::to_vec(self).map_err(|e| Error::failure(format!("encoding the package: {e}")))
    }

    /// Reads a package; its files are of the declared shape, and its parts fit together.
    ///
    /// # Errors
    /// `Integrity` for anything else.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let refused = |why: String| Error::integrity(format!("this is no package of a training run: {why}"));
        let package: Self = serde_ipld_dagcbor::from_slice(bytes).map_err(|e| refused(e.to_string()))?;
        if package.format != FORMAT || !plain(&package.model) || !plain(&package.device) {
            return Err(refused("its format or names are not as they should be".to_owned()));
        }
        let counts = [&package.leaves, &package.row_digests].map(|words| (words.len() / 32, words.len() % 32));
        if counts[0] != counts[1] || counts[0].0 == 0 || counts[0].1 != 0 {
            return Err(refused("leaves and digests are not of one count".to_owned()));
        }
        let metrics = package.measured()?;
        metrics.params.check()?;
        metrics.check(&metrics.params, &metrics.classes, package.count())?;
        let shape = package.shape(&metrics.params, metrics.classes.len());
        shape.check_adapters(package.adapters.as_ref().map(|file| file.as_slice()))?;
        shape.check_head(&package.head)?;
        Ok(package)
    }

    /// How many records it is about.
    pub fn count(&self) -> u64 {
        self.leaves.len() as u64 / 32
    }

    fn measured(&self) -> Result<Metrics> {
        serde_json::from_str(&self.metrics).map_err(|e| Error::integrity(format!("the metrics are none: {e}")))
    }

    fn shape(&self, params: &Params, classes: usize) -> Shape {
        Shape::new(params, self.layers.min(1 << 10) as usize, self.width.min(1 << 16) as usize, classes)
    }
}

impl Delivered for Trained {
    fn checks(&self, expected: &Expected) -> Result<Vec<Check>> {
        let metrics = self.measured()?;
        let leaf = |word: &[u8]| Ok(zk::field::from_bytes(&super::run::word(word)?)?);
        let leaves = self.leaves.chunks_exact(32).map(leaf).collect::<Result<Vec<zk::Field>>>()?;
        let outputs = leaves
            .iter()
            .zip(self.row_digests.chunks_exact(32))
            .map(|(leaf, digest)| Ok(output_leaf(*leaf, &super::run::word(digest)?)))
            .collect::<Result<Vec<_>>>()?;
        let root = Tree::build(expected.tier, leaves, &mut |_, _| {})?.root();
        let output_root = Tree::build(expected.tier, outputs, &mut |_, _| {})?.root();
        let declared = expected.manifest.labels.as_ref().map(|labels| &labels.classes);
        let check = |name: &str, ok: bool, detail: &str| Check {
            name: name.to_owned(),
            ok,
            standing: "verified".to_owned(),
            detail: detail.to_owned(),
        };
        Ok(vec![
            check("record count", self.count() == expected.count, "a digest for each registered record"),
            check("dataset root", root == expected.root, "recomputed from every leaf"),
            check("output root", output_root == expected.output_root, "recomputed from every digest and leaf"),
            check("classes", declared == Some(&metrics.classes), "those of the manifest"),
            check("files", true, "adapters and head have the declared shapes and finite numbers"),
        ])
    }

    fn files(&self, manifest: &Manifest) -> Result<Vec<(&'static str, Vec<u8>)>> {
        let metrics = self.measured()?;
        let mut files = vec![("head.safetensors", self.head.to_vec())];
        if let (Some(file), Some(adapters)) = (&self.adapters, &metrics.params.adapters) {
            files.push(("adapter_model.safetensors", file.to_vec()));
            let targets: Vec<&str> = adapters.targets.iter().map(|target| target.name()).collect();
            let config = serde_json::json!({
                "peft_type": "LORA", "task_type": "FEATURE_EXTRACTION", "base_model_name_or_path": self.model,
                "r": adapters.rank, "lora_alpha": adapters.alpha, "target_modules": targets,
                "bias": "none", "lora_dropout": 0.0, "fan_in_fan_out": false, "inference_mode": true,
            });
            files.push(("adapter_config.json", pretty(&config)?));
        }
        files.push(("metrics.json", pretty(&metrics)?));
        files.push(("README.md", readme(self, &metrics, &manifest.name).into_bytes()));
        Ok(files)
    }
}

fn pretty(value: &impl Serialize) -> Result<Vec<u8>> {
    let mut text = serde_json::to_string_pretty(value).map_err(|e| Error::failure(e.to_string()))?;
    text.push('\n');
    Ok(text.into_bytes())
}

fn readme(package: &Trained, metrics: &Metrics, dataset: &str) -> String {
    let (about, load) = match &package.adapters {
        Some(_) => (
            "| adapter_model.safetensors, adapter_config.json | low-rank adapters, as PEFT loads them |\n",
            "PeftModel.from_pretrained(AutoModel.from_pretrained(name), \".\")",
        ),
        None => ("", "AutoModel.from_pretrained(name)"),
    };
    let privacy = match &metrics.privacy {
        Some(spent) => {
            format!("trained with differential privacy (epsilon {:.3}, delta {:e})", spent.epsilon, spent.delta)
        }
        None => "trained without differential privacy: it may tell things about single records".to_owned(),
    };
    format!(
        "# A classifier trained on the dataset {dataset}\n\n\
        {classes} classes ({names}), learned from {records} records with {model} on {device} (as the owner's machine said), {privacy}.\n\
        A row for each record says what training did with it. The rows stay with the owner; their salted digests were committed\n\
        against the registered records before the drawn positions were known.\n\n\
        | file | what |\n|---|---|\n\
        {about}\
        | head.safetensors | `weight` [classes, values] and `bias` [classes] over the unit vector |\n\
        | metrics.json | what was asked for, and how it went |\n\
        | terms.jsonld | the agreement (ODRL 2.2): what may be done with this |\n\
        | job.bundle | manifest, terms, receipt, proof and chain facts: `usufruct verify job.bundle` |\n\n\
        It needs `pip install transformers peft safetensors torch` and the model under its own name or as a folder:\n\n\
        ```python\n\
        import torch; from transformers import AutoModel, AutoTokenizer; from peft import PeftModel; from safetensors.torch import load_file; name = \"{model_path}\"\n\
        head, model, batch = load_file(\"head.safetensors\"), {load}.eval(), AutoTokenizer.from_pretrained(name)([\"A text to classify.\"], return_tensors=\"pt\", padding=True, truncation=True, max_length={length})\n\
        mask = batch[\"attention_mask\"][..., None]; print((torch.nn.functional.normalize((model(**batch).last_hidden_state * mask).sum(1) / mask.sum(1)) @ head[\"weight\"].T + head[\"bias\"]).softmax(-1))\n\
        ```\n",
        classes = metrics.classes.len(),
        names = metrics.classes.join(", "),
        records = metrics.records,
        model = package.model,
        device = package.device,
        model_path = match package.model.as_str() {
            "all-MiniLM-L6-v2" => "sentence-transformers/all-MiniLM-L6-v2",
            other => other,
        },
        length = metrics.params.max_tokens,
    )
}
