//! Stamps: which files were stored already, told by what the file system says of them, without reading them again.

use std::collections::HashMap;
use std::fs::Metadata;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use zeroize::Zeroizing;

use crate::error::{Error, Result};
use crate::object::ObjectId;
use crate::vault::{Stored, Vault};

/// A file changed this recently may change again within the tick of the clock that its times count in.
const SETTLED: Duration = Duration::from_secs(2);
const ENTRY: usize = 16 + 16 + 32;

/// What the file system said of a file: device, inode, length, and the times of its last change to the nanosecond. A
/// program can set the modification time back, but not the time of the change itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp([u8; 16]);

impl Stamp {
    /// The stamp of a file, or `None` when it changed within the last two seconds: such a file must be read again next
    /// time. Take it before the file is read.
    pub fn of(file: &Metadata) -> Option<Stamp> {
        Stamp::at(file, SystemTime::now())
    }

    fn at(file: &Metadata, now: SystemTime) -> Option<Stamp> {
        let changed = Duration::new(u64::try_from(file.ctime()).ok()?, u32::try_from(file.ctime_nsec()).ok()?);
        let age = now.duration_since(UNIX_EPOCH + changed).ok()?;
        let mut hasher = blake3::Hasher::new();
        for number in [file.dev(), file.ino(), file.len(), u64::from(file.mode())] {
            hasher.update(&number.to_le_bytes());
        }
        for time in [file.mtime(), file.mtime_nsec(), file.ctime(), file.ctime_nsec()] {
            hasher.update(&time.to_le_bytes());
        }
        let mut stamp = [0; 16];
        hasher.finalize_xof().fill(&mut stamp);
        (age >= SETTLED).then_some(Stamp(stamp))
    }
}

/// A table from paths to the objects their files were stored as, itself one object of the vault.
///
/// ```no_run
/// # fn import(vault: &mut vault::Vault, path: &std::path::Path) -> Result<(), Box<dyn std::error::Error>> {
/// use vault::{Stamp, Stamps};
/// let mut stamps = Stamps::load(vault, "stamps", "photos")?;
/// let stamp = Stamp::of(&path.symlink_metadata()?);
/// let known = stamp.and_then(|stamp| stamps.known(path, stamp));
/// if !known.map_or(Ok(false), |id| vault.stands(&id))? {
///     let stored = vault.put("photo", "beach", &mut std::fs::File::open(path)?)?;
///     stamps.remember(path, stamp, stored.id);
///     stamps.save(vault)?;
///     vault.commit()?;
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Stamps {
    kind: String,
    name: String,
    files: HashMap<[u8; 16], (Stamp, ObjectId)>,
    changed: bool,
}

impl Stamps {
    /// The table stored under (kind, name); an empty one where there is none.
    ///
    /// # Errors
    /// Those of [`Vault::read`]. [`Error::Damaged`] if what stands there is no such table.
    pub fn load(vault: &Vault, kind: &str, name: &str) -> Result<Stamps> {
        let bytes = vault.read_named(kind, name)?.unwrap_or_default();
        let (entries, rest) = bytes.as_chunks::<ENTRY>();
        if !rest.is_empty() {
            return Err(Error::damaged(format!("{kind} {name:?} is no table of stamps")));
        }
        let mut files = HashMap::with_capacity(entries.len());
        for entry in entries {
            let (mut path, mut stamp, mut id) = ([0; 16], [0; 16], [0; 32]);
            path.copy_from_slice(&entry[..16]);
            stamp.copy_from_slice(&entry[16..32]);
            id.copy_from_slice(&entry[32..]);
            files.insert(path, (Stamp(stamp), ObjectId(id)));
        }
        Ok(Stamps { kind: kind.to_owned(), name: name.to_owned(), files, changed: false })
    }

    /// The object that the file at `path` was stored as, if it looks as it did then. Ask [`Vault::stands`] whether it
    /// still is in the vault.
    pub fn known(&self, path: &Path, stamp: Stamp) -> Option<ObjectId> {
        self.files.get(&path_id(path)).filter(|(then, _)| *then == stamp).map(|(_, id)| *id)
    }

    /// Remembers that the file at `path` was stored as `id`, or with no stamp that it must be read again.
    pub fn remember(&mut self, path: &Path, stamp: Option<Stamp>, id: ObjectId) {
        let path = path_id(path);
        self.changed |= match stamp {
            Some(stamp) => self.files.insert(path, (stamp, id)) != Some((stamp, id)),
            None => self.files.remove(&path).is_some(),
        };
    }

    /// Stores the table, if anything in it changed. Durable once [`Vault::commit`] returned; it must be the commit of
    /// the objects it names, or a later one.
    ///
    /// # Errors
    /// Those of [`Vault::put`].
    pub fn save(&mut self, vault: &mut Vault) -> Result<Option<Stored>> {
        if !self.changed {
            return Ok(None);
        }
        let mut sorted: Vec<_> = self.files.iter().collect();
        sorted.sort_unstable_by_key(|(path, _)| **path);
        let mut bytes = Zeroizing::new(Vec::with_capacity(sorted.len() * ENTRY));
        for (path, (stamp, id)) in sorted {
            bytes.extend_from_slice(path);
            bytes.extend_from_slice(&stamp.0);
            bytes.extend_from_slice(&id.0);
        }
        let stored = vault.put(&self.kind, &self.name, &mut bytes.as_slice())?;
        self.changed = false;
        Ok(Some(stored))
    }
}

fn path_id(path: &Path) -> [u8; 16] {
    let mut id = [0; 16];
    blake3::Hasher::new().update(path.as_os_str().as_bytes()).finalize_xof().fill(&mut id);
    id
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};

    use super::*;
    use crate::key::{KdfCost, Secret};

    const LONG_AGO: Duration = Duration::from_secs(1_000_000_000);

    /// A vault, a file in it, and the table that names it.
    fn imported() -> (tempfile::TempDir, Vault, Stamps, ObjectId, std::path::PathBuf) {
        let dir = tempfile::TempDir::new().unwrap();
        let path = dir.path().join("letter");
        fs::write(&path, b"dear").unwrap();
        let mut vault = Vault::create(&dir.path().join("v"), &Secret::from("p"), &[1; 32], KdfCost::FLOOR).unwrap();
        let id = vault.put("file", "letter", &mut File::open(&path).unwrap()).unwrap().id;
        let stamps = Stamps::load(&vault, "stamps", "all").unwrap();
        (dir, vault, stamps, id, path)
    }

    fn settled(path: &Path) -> Stamp {
        Stamp::at(&path.symlink_metadata().unwrap(), SystemTime::now() + SETTLED).unwrap()
    }

    #[test]
    fn stamp_of_a_file_just_written_is_not_given() {
        let (_dir, _, _, _, path) = imported();
        let file = path.symlink_metadata().unwrap();
        let changed = UNIX_EPOCH + Duration::new(file.ctime() as u64, file.ctime_nsec() as u32);
        assert_eq!(Stamp::at(&file, changed - Duration::from_secs(1)), None);
        assert_eq!(Stamp::at(&file, changed), None);
        assert_eq!(Stamp::at(&file, changed + Duration::from_millis(1999)), None);
        assert!(Stamp::at(&file, changed + SETTLED).is_some());
    }

    #[test]
    fn stamp_changes_with_a_rewrite_that_sets_the_time_back() {
        let (_dir, mut vault, mut stamps, id, path) = imported();
        File::options().write(true).open(&path).unwrap().set_modified(UNIX_EPOCH + LONG_AGO).unwrap();
        let before = settled(&path);
        stamps.remember(&path, Some(before), id);
        fs::write(&path, b"DEAR").unwrap();
        File::options().write(true).open(&path).unwrap().set_modified(UNIX_EPOCH + LONG_AGO).unwrap();
        let after = settled(&path);
        assert_ne!(before, after);
        assert_eq!(stamps.known(&path, after), None);
        stamps.save(&mut vault).unwrap();
        let again = Stamps::load(&vault, "stamps", "all").unwrap();
        assert_eq!(again.known(&path, before), Some(id));
        assert_eq!(again.known(Path::new("elsewhere"), before), None);
    }

    #[test]
    fn table_without_changes_is_not_stored_again() {
        let (_dir, mut vault, mut stamps, id, path) = imported();
        assert_eq!(stamps.save(&mut vault).unwrap(), None);
        let stamp = settled(&path);
        stamps.remember(&path, Some(stamp), id);
        assert!(stamps.save(&mut vault).unwrap().is_some());
        stamps.remember(&path, Some(stamp), id);
        assert_eq!(stamps.save(&mut vault).unwrap(), None);
        stamps.remember(&path, None, id);
        assert!(stamps.save(&mut vault).unwrap().is_some());
        assert_eq!(Stamps::load(&vault, "stamps", "all").unwrap().known(&path, stamp), None);
    }

    #[test]
    fn object_that_is_no_table_is_refused() {
        let (_dir, mut vault, ..) = imported();
        vault.put("stamps", "all", &mut &b"something else"[..]).unwrap();
        assert!(matches!(Stamps::load(&vault, "stamps", "all"), Err(Error::Damaged(_))));
    }

    #[test]
    fn removed_object_does_not_stand() {
        let (_dir, mut vault, _, id, _) = imported();
        assert!(vault.stands(&id).unwrap());
        vault.remove(&id).unwrap();
        assert!(!vault.stands(&id).unwrap());
    }
}
