//! The catalog's database on a simulated disk: batches appended to one file, each whole or not there.
//!
//! sled opens its own files and cannot be put on a simulated disk. The vault asks two things of its database only, that
//! a batch is applied whole and that what it lost or damaged can be noticed, since the catalog is made anew from the
//! packs whenever its mark does not fit them. This stand-in keeps the first and, being an unsynced file among simulated
//! faults, breaks the second as often as can be. sled itself is tested on real files.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::medium;
use crate::catalog_db::{self, Batch, Pair};
use crate::disk;
use crate::error::Result;
use crate::seal::Reader;

const LIMIT: u64 = 1 << 30;

/// The database of a catalog.
pub(crate) enum Db {
    Sled(catalog_db::Db),
    Simulated(Store),
}

/// All pairs, and the file that their batches are appended to.
pub(crate) struct Store {
    path: PathBuf,
    file: disk::File,
    state: Mutex<State>,
}

type Pairs = BTreeMap<Vec<u8>, Vec<u8>>;

struct State {
    pairs: Pairs,
    /// Where the file ends, as far as it is known to be good.
    end: u64,
}

impl Db {
    pub(crate) fn open(dir: &Path) -> Result<Db> {
        match medium::at(dir) {
            Some(_) => Store::open(dir).map(Db::Simulated),
            None => catalog_db::Db::open(dir).map(Db::Sled),
        }
    }

    /// sled's own handle, for tests that change it behind the catalog's back.
    pub(crate) fn sled(&self) -> &catalog_db::Db {
        match self {
            Db::Sled(db) => db,
            Db::Simulated(_) => panic!("this catalog is simulated"),
        }
    }

    pub(crate) fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        match self {
            Db::Sled(db) => db.get(key),
            Db::Simulated(store) => store.read(|pairs| pairs.get(key).cloned()),
        }
    }

    pub(crate) fn scan(&self, prefix: &[u8]) -> Box<dyn Iterator<Item = Result<Pair>> + '_> {
        match self {
            Db::Sled(db) => Box::new(db.scan(prefix)),
            Db::Simulated(store) => {
                let pairs =
                    store.read(|pairs| pairs.clone().into_iter().filter(|(k, _)| k.starts_with(prefix)).collect());
                match pairs {
                    Ok(pairs) => Box::new(Vec::into_iter(pairs).map(Ok)),
                    Err(error) => Box::new(std::iter::once(Err(error))),
                }
            }
        }
    }

    pub(crate) fn apply(&self, changes: Batch) -> Result<()> {
        match self {
            Db::Sled(db) => db.apply(changes),
            Db::Simulated(store) => store.apply(changes),
        }
    }

    pub(crate) fn len(&self) -> u64 {
        match self {
            Db::Sled(db) => db.len(),
            Db::Simulated(store) => store.lock().pairs.len() as u64,
        }
    }

    pub(crate) fn flush(&self) -> Result<()> {
        match self {
            Db::Sled(db) => db.flush(),
            Db::Simulated(store) => disk::sync(&store.file, &store.path),
        }
    }
}

impl Store {
    fn open(dir: &Path) -> Result<Store> {
        disk::make_dir(dir)?;
        let path = dir.join("db");
        let file = disk::open_or_create(&path)?;
        let bytes = disk::read(&path, LIMIT)?;
        let (mut pairs, mut end) = (BTreeMap::new(), 0);
        while let Some((batch, length)) = decode(&bytes[end..]) {
            take(&mut pairs, batch);
            end += length;
        }
        if end < bytes.len() {
            disk::shorten(&file, &path, end as u64)?;
        }
        Ok(Store { path, file, state: Mutex::new(State { pairs, end: end as u64 }) })
    }

    /// Reads the pairs, as a real database would read its file.
    fn read<T>(&self, find: impl FnOnce(&Pairs) -> T) -> Result<T> {
        disk::length_of(&self.file, &self.path)?;
        Ok(find(&self.lock().pairs))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn apply(&self, batch: Batch) -> Result<()> {
        let (bytes, mut state) = (encode(&batch), self.lock());
        disk::write_at(&self.file, &self.path, &bytes, state.end)?;
        state.end += bytes.len() as u64;
        take(&mut state.pairs, batch);
        Ok(())
    }
}

fn take(pairs: &mut Pairs, batch: Batch) {
    for (key, value) in batch {
        match value {
            Some(value) => pairs.insert(key, value),
            None => pairs.remove(&key),
        };
    }
}

fn encode(batch: &Batch) -> Vec<u8> {
    let mut body = Vec::new();
    for (key, value) in batch {
        body.push(key.len() as u8);
        body.extend_from_slice(key);
        body.extend_from_slice(&value.as_ref().map_or(u32::MAX, |v| v.len() as u32).to_le_bytes());
        body.extend_from_slice(value.as_deref().unwrap_or_default());
    }
    let mut out = (body.len() as u32).to_le_bytes().to_vec();
    out.extend_from_slice(blake3::hash(&body).as_bytes());
    out.extend_from_slice(&body);
    out
}

/// The batch at the start of `bytes` and its length there.
fn decode(bytes: &[u8]) -> Option<(Batch, usize)> {
    let mut fields = Reader(bytes);
    let length = fields.u32()? as usize;
    let sum = fields.array::<32>()?;
    let body = fields.bytes(length)?;
    if *blake3::hash(body).as_bytes() != sum {
        return None;
    }
    let (mut batch, mut fields) = (Vec::new(), Reader(body));
    while !fields.0.is_empty() {
        let size = fields.u8()? as usize;
        let key = fields.bytes(size)?.to_vec();
        let value = match fields.u32()? {
            u32::MAX => None,
            size => Some(fields.bytes(size as usize)?.to_vec()),
        };
        batch.push((key, value));
    }
    Some((batch, 36 + length))
}
