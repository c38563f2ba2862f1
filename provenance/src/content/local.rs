//! A content store in a folder, for the embedded network: two people on one machine meet in it.
//!
//! ```text
//! pieces/<two characters>/<cid>    one file a piece, written aside, synced and renamed
//! pins/<cid>                       empty
//! incoming/<random>                pieces being written; what a crash left is removed after a day
//! ```

use super::{ContentStore, MAX_PIECE, check_size, unixfs};
use crate::cid::{Cid, Codec};
use crate::{Error, Result};
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// After this time a piece that is still being written belongs to a process that died.
const STALE: Duration = Duration::from_secs(86_400);

/// A content store in a folder. Several processes may use the same one.
pub struct Local {
    dir: PathBuf,
}

impl Local {
    /// Opens the store in `dir`, making it where there is none.
    ///
    /// # Errors
    /// [`Error::Io`] when the folder cannot be made or read.
    pub fn open(dir: impl Into<PathBuf>) -> Result<Self> {
        let dir = dir.into();
        for part in ["pieces", "pins", "incoming"] {
            fs::create_dir_all(dir.join(part))?;
        }
        sync_dir(&dir)?;
        let store = Self { dir };
        store.sweep();
        Ok(store)
    }

    /// Removes what crashed writers left. Best effort: a file that stays is no harm.
    fn sweep(&self) {
        let Ok(entries) = fs::read_dir(self.dir.join("incoming")) else { return };
        for entry in entries.flatten() {
            let age = entry.metadata().and_then(|meta| meta.modified()).map(|time| time.elapsed().unwrap_or_default());
            if age.is_ok_and(|age| age > STALE) {
                let _ = fs::remove_file(entry.path());
            }
        }
    }

    fn path(&self, cid: &Cid) -> PathBuf {
        let name = cid.to_string();
        let shard = name[name.len() - 3..name.len() - 1].to_owned();
        self.dir.join("pieces").join(shard).join(name)
    }

    fn pin_path(&self, cid: &Cid) -> PathBuf {
        self.dir.join("pins").join(cid.to_string())
    }

    /// Writes `bytes` aside, syncs, and moves them to `path`, whose folder is synced too.
    fn write(&self, path: &Path, bytes: &[u8]) -> Result<()> {
        let mut random = [0; 16];
        getrandom::fill(&mut random).map_err(io::Error::other)?;
        let aside = self.dir.join("incoming").join(hex::encode(random));
        let written = (|| {
            let mut file = File::create_new(&aside)?;
            file.write_all(bytes)?;
            file.sync_all()?;
            fs::rename(&aside, path)
        })();
        if let Err(error) = written {
            let _ = fs::remove_file(&aside);
            return Err(error.into());
        }
        path.parent().map_or(Ok(()), sync_dir)
    }
}

impl ContentStore for Local {
    fn put_piece(&self, cid: &Cid, bytes: &[u8]) -> Result<()> {
        check_size(bytes.len())?;
        cid.verify(bytes)?;
        if self.get_piece(cid).is_ok() {
            return Ok(());
        }
        let path = self.path(cid);
        if let Some(shard) = path.parent()
            && !shard.is_dir()
        {
            fs::create_dir_all(shard)?;
            sync_dir(&self.dir.join("pieces"))?;
        }
        self.write(&path, bytes)
    }

    fn get_piece(&self, cid: &Cid) -> Result<Vec<u8>> {
        let file = File::open(self.path(cid)).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => Error::NotFound(format!("{cid} is not in the content store")),
            _ => Error::Io(error),
        })?;
        let mut bytes = Vec::new();
        file.take(MAX_PIECE as u64 + 1).read_to_end(&mut bytes)?;
        if bytes.len() > MAX_PIECE {
            return Err(Error::Integrity(format!("content of {cid} was altered: it is larger than a piece")));
        }
        cid.verify(&bytes)?;
        Ok(bytes)
    }

    fn has(&self, cid: &Cid) -> Result<bool> {
        Ok(self.path(cid).try_exists()?)
    }

    fn pin(&self, cid: &Cid) -> Result<()> {
        if cid.codec() == Codec::DagCbor {
            self.get_piece(cid)?;
        } else {
            unixfs::walk(cid, u64::MAX, &mut |cid| self.get_piece(cid), &mut |_, _| Ok(()))?;
        }
        self.write(&self.pin_path(cid), &[])
    }
}

impl std::fmt::Debug for Local {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Local({})", self.dir.display())
    }
}

/// Makes the names in a folder durable. A failed sync is not tried again: it is reported.
fn sync_dir(dir: &Path) -> Result<()> {
    Ok(File::open(dir)?.sync_all()?)
}
