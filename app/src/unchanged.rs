//! Which files were imported and look as they did then: those are not read again. What the file system says of a file
//! decides, its inode and the time of its last change among it; a file that changed within the last two seconds is read.

use std::fs::Metadata;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use vault::{ObjectId, Stamp, Stamps};

use crate::error::Result;
use crate::home::{Home, Kind};

/// What an import says of a file that it has already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Say {
    /// Nothing more.
    Nothing = 0,
    /// That it was kept whole and gives no records.
    KeptWhole = 1,
    /// What the vault remembers of it.
    Remembered = 2,
}

impl Say {
    fn of(note: u8) -> Say {
        match note {
            0 => Say::Nothing,
            1 => Say::KeptWhole,
            _ => Say::Remembered,
        }
    }
}

/// The files below one folder that were imported.
pub(crate) struct Unchanged {
    stamps: Stamps,
    /// The folder as it was named, and as it is called without links and relative parts.
    named: PathBuf,
    real: PathBuf,
}

impl Unchanged {
    /// Of the folder `path`, or of the one that the file `path` is in.
    ///
    /// # Errors
    /// When the path cannot be followed or the vault cannot be read; `Busy` while another process holds it.
    pub(crate) fn below(home: &Home, path: &Path) -> Result<Unchanged> {
        let real = path.canonicalize()?;
        let folder = if real.is_dir() { real.as_path() } else { real.parent().unwrap_or(&real) };
        let name = hex::encode(Sha256::digest(folder.as_os_str().as_encoded_bytes()));
        let stamps = home.vault.change(|vault| Stamps::load(vault, Kind::Stamps.word(), &name))?;
        Ok(Unchanged { stamps, named: path.to_owned(), real })
    }

    /// The `Imported` entry of `file` and what to say of it, if the file is as it was when it was imported.
    ///
    /// # Errors
    /// When the vault cannot be read.
    pub(crate) fn known(&self, home: &Home, file: &Path, now: &Metadata) -> Result<Option<(ObjectId, Say)>> {
        let Some(stamp) = Stamp::of(now) else { return Ok(None) };
        let known = home.vault.change(|vault| self.stamps.known(vault, &self.real_path(file), stamp))?;
        Ok(known.map(|(id, note)| (id, Say::of(note))))
    }

    /// Remembers that `file` was imported, as it was when `stamp` was taken: before it was read.
    pub(crate) fn remember(&mut self, file: &Path, stamp: Option<Stamp>, imported: ObjectId, say: Say) {
        self.stamps.remember(&self.real_path(file), stamp, imported, say as u8);
    }

    /// Keeps what was remembered. The caller commits.
    ///
    /// # Errors
    /// When the vault cannot be written.
    pub(crate) fn save(&mut self, home: &Home) -> Result<()> {
        home.vault.change(|vault| self.stamps.save(vault))?;
        Ok(())
    }

    fn real_path(&self, file: &Path) -> PathBuf {
        match file.strip_prefix(&self.named) {
            Ok(below) if !below.as_os_str().is_empty() => self.real.join(below),
            _ => self.real.clone(),
        }
    }
}
