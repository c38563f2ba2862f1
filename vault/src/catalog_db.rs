//! The catalog's database: sled, with its errors in this crate's words.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use crate::disk;
use crate::error::{Error, Result};

/// sled counts less than it takes: with 16 MiB, storing 300,000 objects took 330 MB more, and no less time.
const CACHE_BYTES: u64 = 1024 * 1024;
/// Ten seconds: sled lets go of its lock on a thread of its own, which a busy machine may keep waiting, and a process that
/// is being started has the lock too until it becomes another program.
const LOCK_TRIES: u32 = 500;
const LOCK_PAUSE: std::time::Duration = std::time::Duration::from_millis(20);

/// A key and its value.
pub(crate) type Pair = (Vec<u8>, Vec<u8>);

/// Keys and their new values, in order; `None` takes a key away.
pub(crate) type Batch = Vec<(Vec<u8>, Option<Vec<u8>>)>;

/// An open database.
pub(crate) struct Db(pub(crate) sled::Db);

impl Db {
    /// Opens sled. A handle of this process that was just dropped may hold its lock a moment longer.
    pub(crate) fn open(dir: &Path) -> Result<Db> {
        disk::make_dir(dir)?;
        for _ in 0..LOCK_TRIES {
            match try_open(dir) {
                Err(Error::Busy { .. }) => std::thread::sleep(LOCK_PAUSE),
                other => return other,
            }
        }
        try_open(dir)
    }

    pub(crate) fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        Ok(self.0.get(key).map_err(fault)?.map(|value| value.to_vec()))
    }

    /// All pairs whose key starts with a prefix, in the order of their keys.
    pub(crate) fn scan(&self, prefix: &[u8]) -> impl Iterator<Item = Result<Pair>> + use<> {
        self.0.scan_prefix(prefix).map(|pair| pair.map(|(k, v)| (k.to_vec(), v.to_vec())).map_err(fault))
    }

    /// Applies changes, all or none.
    pub(crate) fn apply(&self, changes: Batch) -> Result<()> {
        let mut batch = sled::Batch::default();
        for (key, value) in changes {
            match value {
                Some(value) => batch.insert(key, value),
                None => batch.remove(key),
            }
        }
        self.0.apply_batch(batch).map_err(fault)
    }

    /// Number of keys.
    pub(crate) fn len(&self) -> u64 {
        self.0.len() as u64
    }

    pub(crate) fn flush(&self) -> Result<()> {
        self.0.flush().map(|_| ()).map_err(fault)
    }
}

fn fault(error: sled::Error) -> Error {
    match error {
        sled::Error::Io(source) => Error::io("use", Path::new("the catalog"))(source),
        other => Error::damaged(format!("catalog: {other}")),
    }
}

/// Opens sled. It panics on some damage; that counts as damage too.
fn try_open(dir: &Path) -> Result<Db> {
    let config = sled::Config::new().path(dir).cache_capacity(CACHE_BYTES).flush_every_ms(None);
    match catch_unwind(AssertUnwindSafe(|| config.open())) {
        Ok(Ok(db)) => Ok(Db(db)),
        // sled reports a held lock as `Other`, with the reason in the text only.
        Ok(Err(sled::Error::Io(e))) if e.to_string().contains("could not acquire lock") => {
            Err(Error::Busy { pid: None })
        }
        Ok(Err(error)) => Err(fault(error)),
        Err(_) => Err(Error::damaged("catalog: the database cannot be read")),
    }
}
