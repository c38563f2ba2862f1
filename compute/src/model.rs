//! A text encoder in a local folder: safetensors weights, a `tokenizer.json` and, where there is one, a `config.json`.
//!
//! Only these three files are read. They are data: formats that can carry code (pickle, ONNX, GGUF) are refused by content
//! and by name. Sizes are checked before anything is allocated. The weights are read twice, once to open and digest them and
//! once onto a device, and the second reading must have the first one's digest.

mod architecture;
mod encoder;
mod memory;
mod packed;
mod tokens;
mod weights;
mod words;

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use sha2::{Digest, Sha256};

pub use architecture::MAX_TOKENS;
pub(crate) use encoder::{Adapt, Encoder, read_failed};
pub(crate) use memory::Work;
pub(crate) use packed::packs;
pub(crate) use packed::tuned::{Adapted, Pass, Place, Tuned};
pub(crate) use tokens::{Tokenizer, Tokens};

use crate::device::Failure;
use crate::{Device, Error, Kind, Result};
use architecture::Architecture;
use packed::Packed;
use weights::Weights;

/// The file of weights.
pub const WEIGHTS_FILE: &str = "model.safetensors";
/// The tokenizer's file.
pub const TOKENIZER_FILE: &str = "tokenizer.json";
/// The architecture's file; may be missing.
pub const CONFIG_FILE: &str = "config.json";

/// Most bytes of a tokenizer file.
const MAX_TOKENIZER_BYTES: u64 = 32 << 20;
/// Most bytes of a config file.
const MAX_CONFIG_BYTES: u64 = 1 << 20;

/// Models that are known by their digest, and what they are called.
const KNOWN: [(&str, &str); 1] =
    [("all-MiniLM-L6-v2", "8ee7f35a9a38bb93c8e03f2c244d9aea96bfc8305782674b079bb290f49b7021")];

/// An opened model. Its weights go onto a device at the first use and stay there.
pub struct Model {
    name: String,
    digest: [u8; 32],
    architecture: Architecture,
    weights: Weights,
    tokenizer: Tokenizer,
    loaded: Mutex<Option<Loaded>>,
}

/// The encoder on the device that used it last.
struct Loaded {
    device: u64,
    form: Form,
}

/// An encoder in the form that suits its device.
enum Form {
    /// Our own forward pass over packed texts.
    Cpu(Box<Packed>),
    /// Tensors and kernels of the tensor stack.
    Gpu(Box<Encoder>),
}

impl fmt::Debug for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Model").field("name", &self.name).field("digest", &hex::encode(self.digest)).finish()
    }
}

impl Model {
    /// Opens the model in `folder` and checks its files against each other. Needs no device.
    ///
    /// # Errors
    /// [`Error::ModelFile`] for a file that is missing, too large or of a refused format, [`Error::Weights`] naming a tensor
    /// that is missing or has a wrong shape or type, [`Error::Tokenizer`] for a tokenizer that cannot be read or does not fit.
    pub fn open(folder: &Path) -> Result<Self> {
        refuse_other_formats(folder)?;
        let weights = Weights::open(&folder.join(WEIGHTS_FILE))?;
        let architecture = match read_optional(&folder.join(CONFIG_FILE), MAX_CONFIG_BYTES)? {
            Some(config) => Architecture::from_config(&config, &folder.join(CONFIG_FILE), &weights)?,
            None => Architecture::from_shapes(&weights)?,
        };
        weights.check(&architecture.slots())?;
        let path = folder.join(TOKENIZER_FILE);
        let bytes = read_optional(&path, MAX_TOKENIZER_BYTES)?.ok_or_else(|| refused(&path, "is missing"))?;
        let tokenizer = Tokenizer::open(&bytes, &architecture)?;
        let digest = digest(&weights, &bytes, &architecture);
        let name = known(&digest).map_or_else(|| folder_name(folder), str::to_owned);
        Ok(Self { name, digest, architecture, weights, tokenizer, loaded: Mutex::new(None) })
    }

    /// What the model is called: its own name when its digest is known, otherwise the folder's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether the digest is that of a model this program knows by name.
    pub fn is_known(&self) -> bool {
        known(&self.digest).is_some()
    }

    /// SHA-256 over `"usufruct model 1\n"`, the SHA-256 of the weights file, the SHA-256 of the tokenizer file, and the line
    /// that states the architecture (so that a config file cannot change the results under the same digest).
    pub fn digest(&self) -> [u8; 32] {
        self.digest
    }

    /// The line that states the architecture, as it goes into the digest.
    pub fn architecture(&self) -> String {
        self.architecture.to_string()
    }

    /// Values in an embedding.
    pub fn dimension(&self) -> usize {
        self.architecture.hidden
    }

    /// The tokenizer, cutting off at `max_tokens` tokens, special tokens included.
    pub(crate) fn tokenizer(&self, max_tokens: usize) -> Result<Tokenizer> {
        self.tokenizer.limited(max_tokens.min(self.architecture.max_tokens()))
    }

    /// The encoder's layers.
    pub fn layers(&self) -> usize {
        self.architecture.layers
    }

    /// The encoder for training on the CPU, read anew.
    pub(crate) fn tuned(&self) -> Result<Tuned> {
        Ok(Tuned::new(Packed::load(&self.architecture, &self.weights)?))
    }

    /// The encoder for training on `device`, read anew.
    pub(crate) fn encoder(&self, device: &burn::tensor::Device) -> Result<Encoder> {
        Encoder::load(&self.architecture, &self.weights, device)
    }

    /// The unit vectors of one batch, computed on `device`; the weights are put there first if they are not.
    pub(crate) fn embed(&self, device: &Device, batch: &[&Tokens]) -> Result<Vec<Vec<f32>>> {
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        let result = device.guard(|| {
            if loaded.as_ref().is_none_or(|loaded| loaded.device != device.id()) {
                *loaded = None;
                *loaded = Some(Loaded { device: device.id(), form: self.form(device)? });
            }
            match loaded.as_ref().map(|loaded| &loaded.form) {
                Some(Form::Cpu(encoder)) => Ok(encoder.embed(batch)?),
                Some(Form::Gpu(encoder)) => encoder.embed(batch, device.tensors()),
                None => Err(Failure::Ours(refused(self.weights.path(), "was not loaded"))),
            }
        });
        if matches!(result, Err(Error::Device { .. })) {
            *loaded = None;
        }
        result
    }

    fn form(&self, device: &Device) -> Result<Form> {
        Ok(match device.kind() {
            Kind::Cpu => Form::Cpu(Box::new(Packed::load(&self.architecture, &self.weights)?)),
            Kind::Gpu => Form::Gpu(Box::new(Encoder::load(&self.architecture, &self.weights, device.tensors())?)),
        })
    }
}

fn digest(weights: &Weights, tokenizer: &[u8], architecture: &Architecture) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(b"usufruct model 1\n");
    hash.update(weights.digest());
    hash.update(Sha256::digest(tokenizer));
    hash.update(architecture.to_string().as_bytes());
    hash.finalize().into()
}

fn known(digest: &[u8; 32]) -> Option<&'static str> {
    let digest = hex::encode(digest);
    KNOWN.iter().find(|(_, known)| *known == digest).map(|(name, _)| *name)
}

fn folder_name(folder: &Path) -> String {
    let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_path_buf());
    folder.file_name().map_or_else(|| "model".to_owned(), |name| name.to_string_lossy().into_owned())
}

/// Endings of formats that are refused, each with its name.
const OTHER_FORMATS: [(&str, &str); 9] = [
    ("bin", "PyTorch pickle"),
    ("pt", "PyTorch pickle"),
    ("pth", "PyTorch pickle"),
    ("ckpt", "PyTorch pickle"),
    ("pkl", "pickle"),
    ("gguf", "GGUF"),
    ("onnx", "ONNX"),
    ("h5", "HDF5"),
    ("tflite", "TensorFlow Lite"),
];

/// Says plainly what is wrong when a folder has weights, but not in the one accepted format.
fn refuse_other_formats(folder: &Path) -> Result<()> {
    if folder.is_file() {
        let what = other_format(folder).unwrap_or("a file");
        return Err(refused(folder, &format!("is {what}; name a folder with {WEIGHTS_FILE} and {TOKENIZER_FILE}")));
    }
    let entries = folder.read_dir().map_err(|error| refused(folder, &format!("cannot be read: {error}")))?;
    if folder.join(WEIGHTS_FILE).exists() {
        return Ok(());
    }
    let mut names: Vec<PathBuf> = entries.filter_map(|entry| entry.ok().map(|entry| entry.path())).collect();
    names.sort();
    for path in names {
        if let Some(format) = other_format(&path) {
            return Err(refused(
                &path,
                &format!("{format} is not accepted, it can carry code; only {WEIGHTS_FILE} is"),
            ));
        }
    }
    Err(refused(&folder.join(WEIGHTS_FILE), "is missing"))
}

fn other_format(path: &Path) -> Option<&'static str> {
    let ending = path.extension()?.to_str()?.to_ascii_lowercase();
    OTHER_FORMATS.iter().find(|(known, _)| *known == ending).map(|(_, format)| *format)
}

/// The bytes of a regular file of at most `limit` bytes, or `None` if there is none.
fn read_optional(path: &Path, limit: u64) -> Result<Option<Vec<u8>>> {
    if !path.exists() {
        return Ok(None);
    }
    let (file, bytes) = open_regular(path, limit)?;
    let mut content = Vec::new();
    let read = file.take(limit).read_to_end(&mut content);
    read.map_err(|error| refused(path, &format!("cannot be read: {error}")))?;
    if content.len() as u64 != bytes {
        return Err(refused(path, "changed while it was read"));
    }
    Ok(Some(content))
}

/// Opens a regular file and gives its size, which is at most `limit` bytes.
fn open_regular(path: &Path, limit: u64) -> Result<(File, u64)> {
    // Looked at before it is opened: opening a pipe would wait for a writer.
    let about = path.metadata().map_err(|error| refused(path, &format!("cannot be read: {error}")))?;
    if !about.is_file() {
        return Err(refused(path, "is not a regular file"));
    }
    if about.len() > limit {
        return Err(refused(path, &format!("has {} bytes; at most {limit} are accepted", about.len())));
    }
    let file = File::open(path).map_err(|error| refused(path, &format!("cannot be read: {error}")))?;
    Ok((file, about.len()))
}

fn refused(path: &Path, reason: &str) -> Error {
    Error::ModelFile { path: path.to_path_buf(), reason: reason.to_owned() }
}
