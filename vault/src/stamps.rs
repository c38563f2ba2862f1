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
/// Path, stamp, object and note.
const ENTRY: usize = 16 + 16 + 32 + 1;

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
/// let known = match Stamp::of(&path.symlink_metadata()?) {
///     Some(stamp) => stamps.known(vault, path, stamp)?,
///     None => None,
/// };
/// if known.is_none() {
///     let mut file = std::fs::File::open(path)?;
///     let stamp = Stamp::of(&file.metadata()?);
///     let stored = vault.put("photo", "beach", &mut file)?;
///     stamps.remember(path, stamp, stored.id, 0);
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
    files: HashMap<[u8; 16], Known>,
    changed: bool,
    /// How many objects had stopped standing in this process when it was last certain that all of these stand.
    certain: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Known {
    stamp: Stamp,
    id: ObjectId,
    note: u8,
}

impl Stamps {
    /// The table stored under (kind, name); an empty one where there is none. Files whose object no longer stands are
    /// not in it.
    ///
    /// # Errors
    /// Those of [`Vault::read`]. [`Error::Damaged`] if what stands there is no such table.
    pub fn load(vault: &Vault, kind: &str, name: &str) -> Result<Stamps> {
        let table = vault.find(kind, name)?;
        let bytes = table.as_ref().map(|entry| vault.read(&entry.id)).transpose()?.unwrap_or_default();
        let (entries, rest) = bytes.as_chunks::<ENTRY>();
        if !rest.is_empty() {
            return Err(Error::damaged(format!("{kind} {name:?} is no table of stamps")));
        }
        let files = entries.iter().map(decode).collect();
        let mut stamps = Stamps {
            kind: kind.to_owned(),
            name: name.to_owned(),
            files,
            changed: false,
            certain: vault.standing.displaced(),
        };
        // Nothing was stored or removed since the table was: then all it names stand, as they did.
        if table.is_some_and(|entry| entry.sequence != vault.standing.live.sequence) {
            stamps.leave_out_what_is_gone(vault)?;
        }
        Ok(stamps)
    }

    /// The object that the file at `path` was stored as, and the note, if the file looks as it did then and the object
    /// stands.
    ///
    /// # Errors
    /// As [`Vault::find`].
    pub fn known(&self, vault: &Vault, path: &Path, stamp: Stamp) -> Result<Option<(ObjectId, u8)>> {
        let Some(known) = self.files.get(&path_id(path)).filter(|known| known.stamp == stamp) else { return Ok(None) };
        let stands = self.certain == vault.standing.displaced() || vault.stands(&known.id)?;
        Ok(stands.then_some((known.id, known.note)))
    }

    /// Remembers that the file at `path` was stored as `id`, which stands, with a note of the caller's own; or with no
    /// stamp that it must be read again.
    pub fn remember(&mut self, path: &Path, stamp: Option<Stamp>, id: ObjectId, note: u8) {
        let path = path_id(path);
        self.changed |= match stamp.map(|stamp| Known { stamp, id, note }) {
            Some(known) => self.files.insert(path, known) != Some(known),
            None => self.files.remove(&path).is_some(),
        };
    }

    /// Stores the table, if anything in it changed. Durable once [`Vault::commit`] returned; it must be the commit of
    /// the objects it names, or a later one. The next [`Stamps::load`] is fastest if it is the last that is stored.
    ///
    /// # Errors
    /// Those of [`Vault::put`].
    pub fn save(&mut self, vault: &mut Vault) -> Result<Option<Stored>> {
        if self.certain != vault.standing.displaced() {
            self.leave_out_what_is_gone(vault)?;
        }
        if !self.changed {
            return Ok(None);
        }
        let mut sorted: Vec<_> = self.files.iter().collect();
        sorted.sort_unstable_by_key(|(path, _)| **path);
        let mut bytes = Zeroizing::new(Vec::with_capacity(sorted.len() * ENTRY));
        for (path, known) in sorted {
            bytes.extend_from_slice(path);
            bytes.extend_from_slice(&known.stamp.0);
            bytes.extend_from_slice(&known.id.0);
            bytes.push(known.note);
        }
        let stored = vault.put(&self.kind, &self.name, &mut bytes.as_slice())?;
        self.changed = false;
        // The table took the place of the one before, and nothing else did.
        self.certain = vault.standing.displaced();
        Ok(Some(stored))
    }

    /// One pass over all that stands costs less than a look for each file.
    fn leave_out_what_is_gone(&mut self, vault: &Vault) -> Result<()> {
        let mut wanted: HashMap<ObjectId, bool> = self.files.values().map(|known| (known.id, false)).collect();
        vault.each_standing(&mut |id| drop(wanted.entry(id).and_modify(|stands| *stands = true)))?;
        let before = self.files.len();
        self.files.retain(|_, known| wanted.get(&known.id) == Some(&true));
        self.changed |= self.files.len() != before;
        self.certain = vault.standing.displaced();
        Ok(())
    }
}

fn decode(entry: &[u8; ENTRY]) -> ([u8; 16], Known) {
    let (mut path, mut stamp, mut id) = ([0; 16], [0; 16], [0; 32]);
    path.copy_from_slice(&entry[..16]);
    stamp.copy_from_slice(&entry[16..32]);
    id.copy_from_slice(&entry[32..64]);
    (path, Known { stamp: Stamp(stamp), id: ObjectId(id), note: entry[64] })
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
        stamps.remember(&path, Some(before), id, 3);
        fs::write(&path, b"DEAR").unwrap();
        File::options().write(true).open(&path).unwrap().set_modified(UNIX_EPOCH + LONG_AGO).unwrap();
        let after = settled(&path);
        assert_ne!(before, after);
        assert_eq!(stamps.known(&vault, &path, after).unwrap(), None);
        stamps.save(&mut vault).unwrap();
        let again = Stamps::load(&vault, "stamps", "all").unwrap();
        assert_eq!(again.known(&vault, &path, before).unwrap(), Some((id, 3)));
        assert_eq!(again.known(&vault, Path::new("elsewhere"), before).unwrap(), None);
    }

    #[test]
    fn stamp_changes_with_whatever_is_done_to_the_file() {
        let (dir, _, _, _, path) = imported();
        let other = dir.path().join("other");
        let changes: [(&str, &dyn Fn()); 7] = [
            ("rewritten with as many bytes", &|| fs::write(&path, b"DEAR").unwrap()),
            ("longer", &|| fs::write(&path, b"dear me").unwrap()),
            ("cut to nothing and written again", &|| {
                File::create(&path).unwrap();
                fs::write(&path, b"dear me").unwrap();
            }),
            ("another file of the same bytes in its place", &|| {
                fs::copy(&path, &other).unwrap();
                fs::rename(&other, &path).unwrap();
            }),
            ("another file with its times in its place", &|| {
                fs::write(&other, b"DEAR ME").unwrap();
                let modified = path.symlink_metadata().unwrap().modified().unwrap();
                File::options().write(true).open(&other).unwrap().set_modified(modified).unwrap();
                fs::rename(&other, &path).unwrap();
            }),
            ("a hard link to another", &|| {
                fs::write(&other, b"Dear me").unwrap();
                fs::remove_file(&path).unwrap();
                fs::hard_link(&other, &path).unwrap();
            }),
            ("not to be read any more", &|| {
                use std::os::unix::fs::PermissionsExt;
                fs::set_permissions(&path, fs::Permissions::from_mode(0o000)).unwrap();
            }),
        ];
        for (what, change) in changes {
            let before = settled(&path);
            // The clock of the file system may stand still for some milliseconds; a stamp is given after two seconds only.
            std::thread::sleep(Duration::from_millis(20));
            change();
            assert_ne!(before, settled(&path), "{what}");
        }
    }

    #[test]
    fn table_without_changes_is_not_stored_again() {
        let (_dir, mut vault, mut stamps, id, path) = imported();
        assert_eq!(stamps.save(&mut vault).unwrap(), None);
        let stamp = settled(&path);
        stamps.remember(&path, Some(stamp), id, 0);
        assert!(stamps.save(&mut vault).unwrap().is_some());
        stamps.remember(&path, Some(stamp), id, 0);
        assert_eq!(stamps.save(&mut vault).unwrap(), None);
        stamps.remember(&path, Some(stamp), id, 1);
        assert!(stamps.save(&mut vault).unwrap().is_some());
        stamps.remember(&path, None, id, 1);
        assert!(stamps.save(&mut vault).unwrap().is_some());
        assert_eq!(Stamps::load(&vault, "stamps", "all").unwrap().known(&vault, &path, stamp).unwrap(), None);
    }

    #[test]
    fn object_that_is_no_table_is_refused() {
        let (_dir, mut vault, ..) = imported();
        vault.put("stamps", "all", &mut &b"something else"[..]).unwrap();
        assert!(matches!(Stamps::load(&vault, "stamps", "all"), Err(Error::Damaged(_))));
    }

    #[test]
    fn file_whose_object_is_gone_is_not_known() {
        type Act = fn(&mut Vault, ObjectId);
        let ways: [Act; 2] = [
            |vault, id| vault.remove(&id).unwrap(),
            |vault, _| drop(vault.put("file", "letter", &mut &b"another"[..]).unwrap()),
        ];
        for way in ways {
            let (_dir, mut vault, mut stamps, id, path) = imported();
            let stamp = settled(&path);
            stamps.remember(&path, Some(stamp), id, 0);
            stamps.save(&mut vault).unwrap();
            let loaded = Stamps::load(&vault, "stamps", "all").unwrap();
            assert_eq!(loaded.known(&vault, &path, stamp).unwrap(), Some((id, 0)));
            way(&mut vault, id);
            assert!(!vault.stands(&id).unwrap());
            for table in [&stamps, &loaded, &Stamps::load(&vault, "stamps", "all").unwrap()] {
                assert_eq!(table.known(&vault, &path, stamp).unwrap(), None);
            }
            // A table that is stored after that does not name it.
            stamps.save(&mut vault).unwrap();
            assert_eq!(stamps.files.len(), 0);
            vault.commit().unwrap();
            let opened = Stamps::load(&vault, "stamps", "all").unwrap();
            assert_eq!((opened.files.len(), opened.known(&vault, &path, stamp).unwrap()), (0, None));
        }
    }

    #[test]
    fn file_is_known_after_other_things_were_stored() {
        let (_dir, mut vault, mut stamps, id, path) = imported();
        let stamp = settled(&path);
        stamps.remember(&path, Some(stamp), id, 9);
        stamps.save(&mut vault).unwrap();
        vault.put("file", "later", &mut &b"later"[..]).unwrap();
        vault.commit().unwrap();
        let loaded = Stamps::load(&vault, "stamps", "all").unwrap();
        assert_eq!(loaded.known(&vault, &path, stamp).unwrap(), Some((id, 9)));
    }
}
