//! Proving keys: made once from a fixed seed, cached on disk, checked against the digest pinned in this program.
//! They are development keys: whoever has them can forge proofs, and anybody can make them.

use std::path::PathBuf;

use zk::keys::{ProvingKey, VerifyingKey};
use zk::merkle::Tier;

use crate::error::{Error, Result};
use crate::home;

/// Where keys are cached: `USUFRUCT_KEYS`, or `$XDG_DATA_HOME/usufruct/keys`.
fn folder() -> Result<PathBuf> {
    match std::env::var_os("USUFRUCT_KEYS") {
        Some(folder) => Ok(folder.into()),
        None => Ok(home::data_dir()?.join("keys")),
    }
}

/// The development key of a tier. Makes it the first time, which takes some seconds.
///
/// # Errors
/// `Integrity` where the key made here is not the pinned one.
pub fn key(tier: Tier) -> Result<ProvingKey> {
    let path = folder()?.join(format!("provenance-1-{}.key", tier.name()));
    if let Some(key) = std::fs::read(&path).ok().and_then(|bytes| ProvingKey::from_bytes(&bytes).ok()) {
        if fits(&key, tier)? {
            return Ok(key);
        }
    }
    eprintln!("making the development proving key of the {} tier (once)", tier.name());
    let key = zk::keys::development(tier)?;
    if !fits(&key, tier)? {
        return Err(Error::integrity("the proving key made here does not match the pinned verifying key"));
    }
    // A cache that cannot be written only costs time.
    let _ = write(&path, &key);
    Ok(key)
}

fn fits(key: &ProvingKey, tier: Tier) -> Result<bool> {
    Ok(key.tier() == tier && key.verifying_key().digest() == VerifyingKey::pinned(tier)?.digest())
}

fn write(path: &std::path::Path, key: &ProvingKey) -> Result<()> {
    use std::io::Write;
    let folder = path.parent().ok_or_else(|| Error::failure("no folder"))?;
    std::fs::create_dir_all(folder)?;
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(&key.to_bytes()?)?;
    file.persist(path).map_err(|e| Error::failure(e.to_string()))?;
    Ok(())
}
