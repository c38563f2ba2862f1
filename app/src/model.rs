//! Embedding models on this machine: folders with safetensors and a tokenizer. A job names its model by digest; any
//! folder that the owner added counts.

use std::path::{Path, PathBuf};

use compute::Model;

use crate::error::{Error, Result};
use crate::{home, view};

/// The file that says where an added model is.
const LINK_ENDING: &str = ".model";

/// The model where none is named.
pub const DEFAULT: &str = "all-MiniLM-L6-v2";

/// A model that a job may use.
pub struct Known {
    /// Its name.
    pub name: String,
    /// Its digest.
    pub digest: [u8; 32],
    /// Layers of the encoder.
    pub layers: u64,
    /// Length of a vector.
    pub dimension: u64,
    /// Where it is.
    pub folder: PathBuf,
    /// What others may hear it called: the name that this program knows it by, or its digest. The name of a folder on this
    /// machine is nobody's business.
    pub public_name: String,
}

/// Where models are kept: the folder of `USUFRUCT_MODEL`, or `$XDG_DATA_HOME/usufruct/models`.
///
/// # Errors
/// `Usage` where the user has no home folder.
pub fn folder() -> Result<PathBuf> {
    match std::env::var_os("USUFRUCT_MODEL").map(PathBuf::from) {
        Some(model) => Ok(model.parent().map(Path::to_owned).unwrap_or(model)),
        None => Ok(home::data_dir()?.join("models")),
    }
}

/// Where models are looked for: the user's own folder, then those of packages (`usufruct/models` below each folder of
/// `$XDG_DATA_DIRS`). `USUFRUCT_MODEL` names the only one.
fn folders() -> Result<Vec<PathBuf>> {
    let mut folders = vec![folder()?];
    if std::env::var_os("USUFRUCT_MODEL").is_none() {
        let shared = std::env::var_os("XDG_DATA_DIRS").filter(|dirs| !dirs.is_empty());
        let shared = shared.unwrap_or_else(|| "/usr/local/share:/usr/share".into());
        folders.extend(std::env::split_paths(&shared).map(|dir| dir.join("usufruct/models")));
    }
    Ok(folders)
}

/// All models, by name. A folder that is no model is left out; of two that are the same model the first counts.
fn known() -> Result<Vec<Known>> {
    let mut found: Vec<Known> = Vec::new();
    for entry in folders()?.iter().filter_map(|folder| std::fs::read_dir(folder).ok()).flatten().flatten() {
        let path = entry.path();
        let target = match path.to_string_lossy().ends_with(LINK_ENDING) {
            true => PathBuf::from(std::fs::read_to_string(&path)?.trim_end()),
            false => path,
        };
        let Ok(model) = Model::open(&target) else { continue };
        if !found.iter().any(|known| known.digest == model.digest()) {
            found.push(describe(&model, target));
        }
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}

fn describe(model: &Model, folder: PathBuf) -> Known {
    let digest = model.digest();
    let public_name = if model.is_known() { model.name().to_owned() } else { hex::encode(digest) };
    Known {
        name: model.name().to_owned(),
        digest,
        dimension: model.dimension() as u64,
        layers: model.layers() as u64,
        folder,
        public_name,
    }
}

fn missing(what: &str) -> Error {
    Error::not_found(format!("the model {what} is not on this machine"))
        .hint("The Debian package usufruct-model holds the default model, and so does `make setup`; `usufruct model add PATH` adds another.")
}

/// The model with this digest.
///
/// # Errors
/// `NotFound` where it is not on this machine.
pub fn find(digest: &[u8; 32]) -> Result<Known> {
    known()?.into_iter().find(|model| &model.digest == digest).ok_or_else(|| missing(&hex::encode(digest)))
}

/// The model with this name, or whose digest this is.
///
/// # Errors
/// `NotFound` where it is not on this machine.
pub fn named(name: &str) -> Result<Known> {
    known()?
        .into_iter()
        .find(|model| model.name == name || hex::encode(model.digest) == name)
        .ok_or_else(|| missing(name))
}

/// The model that records are searched with: the one that jobs use where none is named, or else the first there is.
///
/// # Errors
/// `NotFound` where none is on this machine.
pub fn for_search() -> Result<Known> {
    let mut known = known()?;
    let at = known.iter().position(|model| model.name == DEFAULT).unwrap_or(0);
    if known.is_empty() { Err(missing(DEFAULT)) } else { Ok(known.swap_remove(at)) }
}

/// All models.
///
/// # Errors
/// Where the folder cannot be read.
pub fn list() -> Result<view::Models> {
    Ok(view::Models { models: known()?.iter().map(shown).collect() })
}

/// Allows the model in `path` for jobs.
///
/// # Errors
/// Where it is no model, with what is missing.
pub fn add(path: &Path) -> Result<view::Models> {
    let target = path.canonicalize()?;
    let model = Model::open(&target)?;
    let folder = folder()?;
    std::fs::create_dir_all(&folder)?;
    let link = folder.join(format!("{}{LINK_ENDING}", hex::encode(&model.digest()[..8])));
    std::fs::write(link, format!("{}\n", target.display()))?;
    Ok(view::Models { models: vec![shown(&describe(&model, target))] })
}

fn shown(model: &Known) -> view::Model {
    view::Model {
        name: model.name.clone(),
        digest: hex::encode(model.digest),
        dimension: model.dimension,
        folder: model.folder.display().to_string(),
    }
}
