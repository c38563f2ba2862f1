//! Proving keys: made once from a fixed seed, cached on disk, checked against the digest pinned in this program.
//! They are development keys: whoever has them can forge proofs, and anybody can make them.

use std::path::{Path, PathBuf};
use std::time::Instant;

use zk::Circuit;
use zk::circuit::Relation;
use zk::keys::{ProvingKey, VerifyingKey};
use zk::proof::Proof;
use zk::statement::Statement;

use crate::error::{Error, Result};
use crate::home;

/// Where keys are cached: `USUFRUCT_KEYS`, or `$XDG_DATA_HOME/usufruct/keys`.
fn folder() -> Result<PathBuf> {
    match std::env::var_os("USUFRUCT_KEYS") {
        Some(folder) => Ok(folder.into()),
        None => Ok(home::data_dir()?.join("keys")),
    }
}

/// Proves the statement with the circuit's key. Gives the proof and how long proving took with the key in memory,
/// milliseconds.
///
/// # Errors
/// As [`key`], and `Integrity` where the witness does not fit the statement.
pub fn prove(circuit: impl Into<Circuit>, statement: &Statement, witness: &impl Relation) -> Result<(Proof, u64)> {
    let key = key(circuit)?;
    eprintln!("proving");
    let started = Instant::now();
    let proof = zk::proof::prove(&key, statement, witness)?;
    Ok((proof, u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX)))
}

/// The development key of a circuit. Makes it the first time, which takes some seconds.
///
/// # Errors
/// `Integrity` where the key made here is not the pinned one.
pub fn key(circuit: impl Into<Circuit>) -> Result<ProvingKey> {
    let circuit = circuit.into();
    let path = folder()?.join(format!("{}.key", circuit.file_stem()));
    if let Some(key) = stored(&path, circuit)? {
        return Ok(key);
    }
    // One program makes it, the others wait for it: a statistic's key takes minutes of computing.
    let _made_once = lock(&path);
    if let Some(key) = stored(&path, circuit)? {
        return Ok(key);
    }
    eprintln!("making the development proving key {} (once)", circuit.file_stem());
    let key = zk::keys::development(circuit)?;
    if !fits(&key, circuit)? {
        return Err(Error::integrity("the proving key made here does not match the pinned verifying key"));
    }
    // A cache that cannot be written only costs time.
    let _ = write(&path, &key);
    Ok(key)
}

/// The key in this file, where it is the pinned one.
fn stored(path: &Path, circuit: Circuit) -> Result<Option<ProvingKey>> {
    let key = std::fs::read(path).ok().and_then(|bytes| ProvingKey::from_bytes(&bytes).ok());
    Ok(match key {
        Some(key) if fits(&key, circuit)? => Some(key),
        _ => None,
    })
}

/// Held while a key is made; none where it cannot be held, which only costs time.
fn lock(path: &Path) -> Option<std::fs::File> {
    std::fs::create_dir_all(path.parent()?).ok()?;
    let file = std::fs::File::create(path.with_extension("lock")).ok()?;
    file.lock().ok()?;
    Some(file)
}

fn fits(key: &ProvingKey, circuit: Circuit) -> Result<bool> {
    Ok(key.circuit() == circuit && key.verifying_key().digest() == VerifyingKey::pinned(circuit)?.digest())
}

fn write(path: &Path, key: &ProvingKey) -> Result<()> {
    use std::io::Write;
    let folder = path.parent().ok_or_else(|| Error::failure("no folder"))?;
    std::fs::create_dir_all(folder)?;
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(&key.to_bytes()?)?;
    file.persist(path).map_err(|e| Error::failure(e.to_string()))?;
    Ok(())
}
