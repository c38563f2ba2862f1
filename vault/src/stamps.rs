//! Stamps: which files were stored already, told by what the file system says of them, without reading them again.

use std::collections::BTreeMap;
use std::fs::Metadata;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::error::{Error, Result};
use crate::object::ObjectId;
use crate::vault::{Stored, Vault};

/// A file changed this recently may change again within the tick of the clock that its times count in.
const SETTLED: Duration = Duration::from_secs(2);
/// Path, stamp, object and note.
const ENTRY: usize = 16 + 16 + 32 + 1;
/// Files in a table, at most.
const FILES_MAX: usize = if cfg!(test) { 40 } else { 1 << 21 };
/// Files that wait to be moved into the table, at most.
const RECENT_MAX: usize = if cfg!(test) { 7 } else { 1 << 16 };
/// What stands in the table for a file that must be read again, until it is stored.
const FORGOTTEN: Known = Known { stamp: Stamp([0; 16]), id: ObjectId([0; 32]), note: 0 };

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
    /// Entries one after another, by path.
    table: Vec<u8>,
    /// What is not in the table yet.
    recent: BTreeMap<PathId, Known>,
    changed: bool,
    /// How many objects had stopped standing in this process when it was last certain that all of these stand.
    certain: u64,
}

type PathId = [u8; 16];

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
        let entry = vault.find(kind, name)?;
        let mut bytes = entry.as_ref().map(|entry| vault.read(&entry.id)).transpose()?.unwrap_or_default();
        let (entries, rest) = bytes.as_chunks();
        if !rest.is_empty() || !entries.is_sorted_by(|a, b| path_of(a) < path_of(b)) {
            return Err(Error::damaged(format!("{kind} {name:?} is no table of stamps")));
        }
        let mut stamps = Stamps {
            kind: kind.to_owned(),
            name: name.to_owned(),
            table: std::mem::take(&mut *bytes),
            recent: BTreeMap::new(),
            changed: false,
            certain: vault.standing.displaced(),
        };
        // Nothing was stored or removed since the table was: then all it names stand, as they did.
        if entry.is_some_and(|entry| entry.sequence != vault.standing.live.sequence) {
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
        let path = path_id(path);
        let in_table = || self.place(&path).ok().map(|n| decode(&self.entries()[n]));
        let known = self.recent.get(&path).copied().or_else(in_table);
        let Some(known) = known.filter(|known| known.stamp == stamp) else { return Ok(None) };
        let stands = self.certain == vault.standing.displaced() || vault.stands(&known.id)?;
        Ok(stands.then_some((known.id, known.note)))
    }

    /// Remembers that the file at `path` was stored as `id`, which stands, with a note of the caller's own; or with no
    /// stamp that it must be read again. Of more than 2,097,152 files the table remembers as many, so that it takes
    /// 136 MB of memory at most; the others are read again each time.
    pub fn remember(&mut self, path: &Path, stamp: Option<Stamp>, id: ObjectId, note: u8) {
        let path = path_id(path);
        let place = self.place(&path);
        let known = stamp.map(|stamp| Known { stamp, id, note });
        match (known, place) {
            (None, Err(_)) => self.changed |= self.recent.remove(&path).is_some(),
            (_, Ok(place)) => {
                let entry = encode(&path, &known.unwrap_or(FORGOTTEN));
                self.changed |= std::mem::replace(&mut self.table.as_chunks_mut().0[place], entry) != entry;
            }
            (Some(known), Err(_)) if self.entries().len() + self.recent.len() < FILES_MAX => {
                self.changed |= self.recent.insert(path, known) != Some(known);
            }
            (Some(_), Err(_)) => {}
        }
        if self.recent.len() >= RECENT_MAX {
            self.merge();
        }
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
        self.merge();
        self.retain(|known| known != FORGOTTEN);
        let stored = vault.put(&self.kind, &self.name, &mut self.table.as_slice())?;
        self.changed = false;
        // The table took the place of the one before, and nothing else did.
        self.certain = vault.standing.displaced();
        Ok(Some(stored))
    }

    fn entries(&self) -> &[[u8; ENTRY]] {
        self.table.as_chunks().0
    }

    /// Which entry of the table is of a path; as an error, where it would be.
    fn place(&self, path: &PathId) -> std::result::Result<usize, usize> {
        self.entries().binary_search_by_key(path, path_of)
    }

    /// Moves what is recent into the table. No path of it is there.
    fn merge(&mut self) {
        let recent = std::mem::take(&mut self.recent);
        let mut from = self.entries().len();
        let mut to = from + recent.len();
        self.table.resize(to * ENTRY, 0);
        let entries = self.table.as_chunks_mut().0;
        for (path, known) in recent.into_iter().rev() {
            while from > 0 && path_of(&entries[from - 1]) > path {
                (from, to) = (from - 1, to - 1);
                entries[to] = entries[from];
            }
            to -= 1;
            entries[to] = encode(&path, &known);
        }
    }

    fn retain(&mut self, keep: impl Fn(Known) -> bool) {
        let entries = self.table.as_chunks_mut().0;
        let mut kept = 0;
        for n in 0..entries.len() {
            if keep(decode(&entries[n])) {
                entries[kept] = entries[n];
                kept += 1;
            }
        }
        self.table.truncate(kept * ENTRY);
    }

    /// One pass over all that stands costs less than a look for each file.
    fn leave_out_what_is_gone(&mut self, vault: &Vault) -> Result<()> {
        self.merge();
        let mut ids: Vec<IdStart> = self.entries().iter().map(|entry| id_start(&decode(entry).id)).collect();
        ids.sort_unstable();
        let mut stand = vec![false; ids.len()];
        vault.each_standing(&mut |id| {
            // Files of the same content have one id.
            let id = id_start(&id);
            let first = ids.partition_point(|other| *other < id);
            (first..ids.len()).take_while(|n| ids[*n] == id).for_each(|n| stand[n] = true);
        })?;
        let before = self.table.len();
        self.retain(|known| ids.binary_search(&id_start(&known.id)).is_ok_and(|n| stand[n]));
        self.changed |= self.table.len() != before;
        self.certain = vault.standing.displaced();
        Ok(())
    }
}

/// As much of a keyed hash as tells objects apart.
type IdStart = [u8; 16];

fn id_start(id: &ObjectId) -> IdStart {
    field(&id.0, 0)
}

fn path_of(entry: &[u8; ENTRY]) -> PathId {
    field(entry, 0)
}

fn encode(path: &PathId, known: &Known) -> [u8; ENTRY] {
    let mut entry = [0; ENTRY];
    entry[..16].copy_from_slice(path);
    entry[16..32].copy_from_slice(&known.stamp.0);
    entry[32..64].copy_from_slice(&known.id.0);
    entry[64] = known.note;
    entry
}

fn decode(entry: &[u8; ENTRY]) -> Known {
    Known { stamp: Stamp(field(entry, 16)), id: ObjectId(field(entry, 32)), note: entry[64] }
}

/// The `N` bytes from `start` on.
fn field<const N: usize>(bytes: &[u8], start: usize) -> [u8; N] {
    let mut field = [0; N];
    field.copy_from_slice(&bytes[start..][..N]);
    field
}

fn path_id(path: &Path) -> PathId {
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
            assert_eq!(stamps.table.len(), 0);
            vault.commit().unwrap();
            let opened = Stamps::load(&vault, "stamps", "all").unwrap();
            assert_eq!((opened.table.len(), opened.known(&vault, &path, stamp).unwrap()), (0, None));
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

    /// Some other file's stamp and path.
    fn another(n: u32) -> (Stamp, std::path::PathBuf) {
        let mut stamp = [1; 16];
        stamp[..4].copy_from_slice(&n.to_le_bytes());
        (Stamp(stamp), format!("file {n}").into())
    }

    #[test]
    fn files_remembered_in_any_order_are_known_before_and_after_they_are_stored() {
        let (_dir, mut vault, mut stamps, id, _) = imported();
        let known = |stamps: &Stamps, vault: &Vault, n| {
            let (stamp, path) = another(n);
            stamps.known(vault, &path, stamp).unwrap().map(|(_, note)| note)
        };
        for n in (0..30).map(|n| n * 7 % 30) {
            let (stamp, path) = another(n);
            stamps.remember(&path, Some(stamp), id, n as u8);
        }
        for n in [3, 4, 29] {
            stamps.remember(&another(n).1, None, id, 0);
        }
        stamps.remember(&another(5).1, Some(another(5).0), id, 99);
        for n in 0..32 {
            let wanted = match n {
                3 | 4 | 29.. => None,
                5 => Some(99),
                _ => Some(n as u8),
            };
            assert_eq!(known(&stamps, &vault, n), wanted, "{n}");
        }
        stamps.save(&mut vault).unwrap();
        let mut loaded = Stamps::load(&vault, "stamps", "all").unwrap();
        assert_eq!(loaded.table.len(), 27 * ENTRY);
        for n in 0..32 {
            assert_eq!(known(&loaded, &vault, n), known(&stamps, &vault, n), "{n}");
        }
        loaded.remember(&another(3).1, Some(another(3).0), id, 3);
        loaded.remember(&another(6).1, None, id, 0);
        loaded.save(&mut vault).unwrap();
        let again = Stamps::load(&vault, "stamps", "all").unwrap();
        assert_eq!((known(&again, &vault, 3), known(&again, &vault, 6)), (Some(3), None));
        assert_eq!(again.table.len(), 27 * ENTRY);
    }

    #[test]
    fn full_table_takes_no_more_files_and_keeps_those_it_has() {
        let (_dir, mut vault, mut stamps, id, _) = imported();
        for n in 0..2 * FILES_MAX as u32 {
            let (stamp, path) = another(n);
            stamps.remember(&path, Some(stamp), id, 0);
        }
        stamps.save(&mut vault).unwrap();
        let mut loaded = Stamps::load(&vault, "stamps", "all").unwrap();
        assert_eq!(loaded.entries().len(), FILES_MAX);
        let (stamp, path) = another(0);
        assert_eq!(loaded.known(&vault, &path, stamp).unwrap(), Some((id, 0)));
        loaded.remember(&path, Some(stamp), id, 7);
        assert_eq!(loaded.known(&vault, &path, stamp).unwrap(), Some((id, 7)));
        loaded.remember(&path, None, id, 0);
        loaded.save(&mut vault).unwrap();
        assert_eq!(loaded.entries().len(), FILES_MAX - 1);
    }

    #[test]
    fn table_out_of_order_is_refused() {
        let (_dir, mut vault, mut stamps, id, _) = imported();
        for n in 0..2 {
            let (stamp, path) = another(n);
            stamps.remember(&path, Some(stamp), id, 0);
        }
        stamps.save(&mut vault).unwrap();
        let turned = [&stamps.table[ENTRY..], &stamps.table[..ENTRY]].concat();
        let twice = stamps.table[..ENTRY].repeat(2);
        for bytes in [turned, twice] {
            vault.put("stamps", "all", &mut bytes.as_slice()).unwrap();
            assert!(matches!(Stamps::load(&vault, "stamps", "all"), Err(Error::Damaged(_))));
        }
    }
}
