//! The catalog: which objects stand, in sled, names hashed and values sealed. Disposable.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

#[cfg(not(test))]
use crate::catalog_db::Db;
use crate::disk;
use crate::error::{Error, Result};
use crate::head::{Live, Mark, Sum};
use crate::key::Keys;
use crate::object::{CatalogName, Entry, KIND_PREFIX, ObjectId, catalog_name, push_names, take_names};
use crate::pack::Location;
use crate::seal::{Reader, padded};
// On a simulated disk something simpler stands in for sled.
#[cfg(test)]
use crate::sim::Db;

const MARK: &[u8] = &[0];
const VALUE: u8 = 1;
const LINK: u8 = 2;
const VALUE_FLOOR: usize = 128;
/// What a mark is bound to. A catalog with keys of another form has no mark that opens.
const LAYOUT: &[u8] = &[2];
/// Keys this short are kept by sled in the nodes of its tree; a longer one has memory of its own and a count of its owners.
const KEY: usize = 22;
/// How much of it is of the kind.
const KIND_PART: usize = 5;

/// An object that stands, and where its record is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Located {
    pub(crate) entry: Entry,
    pub(crate) at: Location,
}

/// Changes to the catalog, by name.
pub(crate) type Changes = BTreeMap<CatalogName, Change>;

/// What stands under a name in the catalog, and what is to stand there.
#[derive(Debug)]
pub(crate) struct Change {
    pub(crate) was: Option<ObjectId>,
    pub(crate) now: Option<Located>,
}

pub(crate) struct Catalog {
    /// `None` only while the folder is being replaced.
    db: Option<Db>,
    dir: PathBuf,
    keys: Arc<Keys>,
}

impl Catalog {
    /// Opens or makes the database. A damaged one is set aside and an empty one takes its place; so is one whose lock is
    /// not given back, as the vault's own lock keeps other processes out.
    pub(crate) fn open(dir: &Path, keys: Arc<Keys>) -> Result<Catalog> {
        let mut catalog = Catalog { db: None, dir: dir.to_path_buf(), keys };
        match Db::open(dir) {
            Ok(db) => catalog.db = Some(db),
            // It is as it should be, and setting it aside would take more room yet.
            Err(Error::Io { doing, path, source }) if disk::out_of_space(&source) => {
                return Err(Error::Io { doing, path, source });
            }
            Err(error) => {
                tracing::warn!(%error, "the catalog cannot be opened: it is set aside and made anew");
                catalog.reset()?;
            }
        }
        catalog.restrict();
        Ok(catalog)
    }

    /// Sets the folder aside and starts an empty catalog.
    pub(crate) fn reset(&mut self) -> Result<()> {
        self.db = None;
        let aside = self.dir.with_extension("damaged");
        disk::remove_dir(&aside)?;
        disk::unless_absent(disk::rename(&self.dir, &aside)).map_err(Error::io("set aside", &self.dir))?;
        self.db = Some(Db::open(&self.dir)?);
        self.restrict();
        Ok(())
    }

    /// The database in a folder, if there is one that opens. Nothing is made or set aside.
    pub(crate) fn open_existing(dir: &Path, keys: Arc<Keys>) -> Option<Catalog> {
        let db = disk::exists(&dir.join("db")).then(|| Db::open(dir).ok()).flatten()?;
        Some(Catalog { db: Some(db), dir: dir.to_path_buf(), keys })
    }

    /// Puts the folder that was set aside back in its place: what was made instead was refused.
    pub(crate) fn put_back(mut self) -> Result<()> {
        self.db = None;
        let aside = self.dir.with_extension("damaged");
        if !disk::exists(&aside) {
            return Ok(());
        }
        disk::remove_dir(&self.dir)?;
        disk::rename(&aside, &self.dir).map_err(Error::io("put back", &self.dir))
    }

    /// Deletes the folder that was set aside: what was made instead holds everything.
    pub(crate) fn forget_aside(&self) -> Result<()> {
        disk::remove_dir(&self.dir.with_extension("damaged"))
    }

    /// Deletes the folder and starts an empty catalog.
    pub(crate) fn clear(&mut self) -> Result<()> {
        self.db = None;
        disk::remove_dir(&self.dir)?;
        self.db = Some(Db::open(&self.dir)?);
        self.restrict();
        Ok(())
    }

    fn restrict(&self) {
        if let Err(error) = disk::restrict(&self.dir) {
            tracing::warn!(%error, "the catalog's files keep wider modes inside the vault's own folder");
        }
    }

    fn db(&self) -> Result<&Db> {
        self.db.as_ref().ok_or_else(|| Error::damaged("catalog: it is not open"))
    }

    /// The commit it reflects and the figures it had then. `None` makes it worthless.
    pub(crate) fn mark(&self) -> Option<(Mark, Live)> {
        let sealed = self.db().ok()?.get(MARK).ok()??;
        let plain = self.keys.catalog_mark.open(&[LAYOUT], &sealed)?;
        let mut fields = Reader(&plain);
        let mark = Mark::read(&mut fields)?;
        let (objects, bytes) = (fields.u64()?, fields.u64()?);
        let live = Live { objects, bytes, sum: Sum::from_bytes(&fields.array()?), sequence: fields.u64()? };
        fields.end()?;
        Some((mark, live))
    }

    /// Makes the next opening rebuild it.
    pub(crate) fn invalidate(&self) {
        if let Some(db) = &self.db {
            let _ = db.apply(vec![(MARK.to_vec(), None)]);
            let _ = db.flush();
        }
    }

    /// What stands under a name.
    pub(crate) fn get(&self, name: &CatalogName) -> Result<Option<Located>> {
        match self.value(&value_key(name))? {
            Some((found, located)) if found == *name => Ok(Some(located)),
            Some(_) => Err(Error::damaged("catalog: two names have one key")),
            None => Ok(None),
        }
    }

    fn value(&self, key: &[u8]) -> Result<Option<(CatalogName, Located)>> {
        self.db()?.get(key)?.map(|sealed| self.open_value(key, &sealed)).transpose()
    }

    /// The object with an id, if it stands.
    pub(crate) fn by_id(&self, id: &ObjectId) -> Result<Option<(CatalogName, Located)>> {
        let Some(key) = self.db()?.get(&link_key(id))? else { return Ok(None) };
        match self.value(&key)? {
            Some((name, found)) if found.entry.id == *id => Ok(Some((name, found))),
            _ => Err(Error::damaged("catalog: a link leads to another object")),
        }
    }

    /// Everything whose catalog name starts with `prefix`, in no order a person would know.
    pub(crate) fn scan(&self, prefix: &[u8]) -> Result<Vec<(CatalogName, Located)>> {
        let mut found = Vec::new();
        self.each(prefix, &mut |name, located| {
            if name.starts_with(prefix) {
                found.push((name, located));
            }
            Ok(())
        })?;
        Ok(found)
    }

    /// Visits everything whose catalog name starts with `prefix`, as far as keys show that.
    pub(crate) fn each(&self, prefix: &[u8], visit: &mut dyn FnMut(CatalogName, Located) -> Result<()>) -> Result<()> {
        let start = [&[VALUE], &prefix[..prefix.len().min(KIND_PART)]].concat();
        for item in self.db()?.scan(&start) {
            let (key, sealed) = item?;
            let (name, located) = self.open_value(&key, &sealed)?;
            visit(name, located)?;
        }
        Ok(())
    }

    /// Opens every value and adds them up. Also demands a link to each and no other.
    pub(crate) fn survey(&self) -> Result<Live> {
        let mut live = Live::default();
        let db = self.db()?;
        self.each(&[], &mut |name, located| {
            live.objects += 1;
            live.bytes += located.entry.bytes;
            live.sequence = live.sequence.max(located.entry.sequence);
            live.sum.add(Sum::of_object(&self.keys, &name, &located.entry.id, located.entry.sequence));
            let link = db.get(&link_key(&located.entry.id))?;
            match link.is_some_and(|link| link == value_key(&name)) {
                true => Ok(()),
                false => Err(Error::damaged("catalog: an object has no link")),
            }
        })?;
        let links = db.scan(&[LINK]).try_fold(0, |n, link| link.map(|_| n + 1))?;
        let all = db.len();
        let mark = u64::from(db.get(MARK)?.is_some());
        match links == live.objects && all == links + live.objects + mark {
            true => Ok(live),
            false => Err(Error::damaged("catalog: it holds keys that belong to no object")),
        }
    }

    /// Applies changes, all or none, and with them the mark they lead to if that is reached.
    pub(crate) fn apply(&self, changes: &Changes, reached: Option<(&Mark, &Live)>) -> Result<()> {
        let mut batch = Vec::new();
        // Removals of links first: an id may move from one name's change to another's insertion, never the other way.
        for (name, Change { was, now }) in changes {
            batch.extend(was.map(|id| (link_key(&id), None)));
            if now.is_none() {
                batch.push((value_key(name), None));
            }
        }
        for (name, Change { now, .. }) in changes {
            let Some(located) = now else { continue };
            let key = value_key(name);
            let sealed = self.seal_value(&key, located)?;
            batch.push((link_key(&located.entry.id), Some(key.clone())));
            batch.push((key, Some(sealed)));
        }
        if let Some((mark, live)) = reached {
            batch.push((MARK.to_vec(), Some(self.seal_mark(mark, live)?)));
        }
        self.db()?.apply(batch)
    }

    /// Hands everything to the operating system; a crash of this process then loses nothing.
    pub(crate) fn flush(&self) -> Result<()> {
        self.db()?.flush()?;
        self.restrict();
        Ok(())
    }

    fn seal_mark(&self, mark: &Mark, live: &Live) -> Result<Vec<u8>> {
        let mut plain = mark.encode().to_vec();
        plain.extend_from_slice(&live.objects.to_le_bytes());
        plain.extend_from_slice(&live.bytes.to_le_bytes());
        plain.extend_from_slice(&live.sum.to_bytes());
        plain.extend_from_slice(&live.sequence.to_le_bytes());
        self.keys.catalog_mark.seal(&[LAYOUT], &plain)
    }

    fn seal_value(&self, key: &[u8], located: &Located) -> Result<Vec<u8>> {
        let Located { entry, at } = located;
        let mut plain = zeroize::Zeroizing::new(Vec::with_capacity(padded(71 + entry.name.len() + 64, VALUE_FLOOR)));
        plain.extend_from_slice(&entry.id.0);
        plain.extend_from_slice(&entry.sequence.to_le_bytes());
        plain.extend_from_slice(&entry.time_ms.to_le_bytes());
        plain.extend_from_slice(&entry.bytes.to_le_bytes());
        plain.extend_from_slice(&at.encode());
        push_names(&mut plain, &entry.kind, &entry.name);
        let size = padded(plain.len(), VALUE_FLOOR);
        plain.resize(size, 0);
        self.keys.catalog_value.seal(&[key], &plain)
    }

    /// What a value holds, and the name that it is of.
    fn open_value(&self, key: &[u8], sealed: &[u8]) -> Result<(CatalogName, Located)> {
        let decode = || {
            let plain = self.keys.catalog_value.open(&[key], sealed)?;
            let mut fields = Reader(&plain);
            let id = ObjectId(fields.array()?);
            let (sequence, time_ms, bytes) = (fields.u64()?, fields.i64()?, fields.u64()?);
            let at = Location::read(&mut fields)?;
            let (kind, name) = take_names(&mut fields)?;
            fields.zeros()?;
            let full = catalog_name(&self.keys, &kind, &name);
            let located = Located { entry: Entry { id, kind, name, bytes, time_ms, sequence }, at };
            (value_key(&full) == key).then_some((full, located))
        };
        decode().ok_or_else(|| Error::damaged("catalog: a value does not authenticate"))
    }
}

fn value_key(name: &CatalogName) -> Vec<u8> {
    [&[VALUE], &name[..KIND_PART], &name[KIND_PREFIX..][..KEY - 1 - KIND_PART]].concat()
}

fn link_key(id: &ObjectId) -> Vec<u8> {
    [&[LINK], &id.0[..KEY - 1]].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::{KdfCost, Secret, Unlock};
    use crate::vault::Vault;

    fn vault(dir: &Path) -> Vault {
        let mut vault = Vault::create(dir, &Secret::from("p"), &[1; 32], KdfCost::FLOOR).unwrap();
        vault.put("note", "a", &mut &b"old"[..]).unwrap();
        vault.put("note", "b", &mut &b"other"[..]).unwrap();
        vault.commit().unwrap();
        vault
    }

    fn reopen(dir: &Path) -> Vault {
        Vault::open(dir, &Unlock::Recovery([1; 32].into())).unwrap()
    }

    /// Lets `tamper` change the database behind the vault's back, then demands that the vault opens as it was.
    fn check(tamper: impl Fn(&sled::Db, &Catalog, &[(Vec<u8>, Vec<u8>)])) {
        let dir = tempfile::TempDir::new().unwrap();
        let dir = dir.path().join("v");
        let mut vault = vault(&dir);
        let catalog = &vault.standing.catalog;
        let old: Vec<_> = catalog
            .db()
            .unwrap()
            .sled()
            .sled
            .iter()
            .map(|i| i.unwrap())
            .map(|(k, v)| (k.to_vec(), v.to_vec()))
            .collect();
        vault.put("note", "a", &mut &b"new"[..]).unwrap();
        vault.commit().unwrap();
        let before = vault.list("note").unwrap();
        let catalog = &vault.standing.catalog;
        tamper(&catalog.db().unwrap().sled().sled, catalog, &old);
        drop(vault);
        let vault = reopen(&dir);
        assert_eq!(vault.list("note").unwrap(), before);
        assert_eq!(vault.read_named("note", "a").unwrap().unwrap().as_slice(), b"new");
        assert_eq!(vault.check(crate::CheckDepth::ReadData).unwrap().problems, []);
    }

    fn values(old: &[(Vec<u8>, Vec<u8>)]) -> impl Iterator<Item = &(Vec<u8>, Vec<u8>)> {
        old.iter().filter(|(key, _)| key[0] == VALUE)
    }

    #[test]
    fn older_value_put_back_is_noticed() {
        check(|db, _, old| values(old).for_each(|(k, v)| drop(db.insert(k, v.as_slice()).unwrap())));
    }

    #[test]
    fn whole_older_catalog_put_back_catches_up() {
        check(|db, _, old| {
            db.clear().unwrap();
            old.iter().for_each(|(k, v)| drop(db.insert(k, v.as_slice()).unwrap()));
        });
    }

    #[test]
    fn values_swapped_between_names_are_noticed() {
        check(|db, _, old| {
            let (a, b) = (values(old).next().unwrap(), values(old).nth(1).unwrap());
            let (x, y) = (db.get(&a.0).unwrap().unwrap(), db.get(&b.0).unwrap().unwrap());
            db.insert(&a.0, y).unwrap();
            db.insert(&b.0, x).unwrap();
        });
    }

    #[test]
    fn removed_value_is_noticed() {
        check(|db, _, old| drop(db.remove(&values(old).next().unwrap().0).unwrap()));
    }

    #[test]
    fn removed_link_is_noticed() {
        check(|db, _, _| {
            let link = db.scan_prefix([LINK]).next().unwrap().unwrap().0;
            db.remove(link).unwrap();
        });
    }

    #[test]
    fn link_bent_to_another_object_is_noticed() {
        check(|db, _, _| {
            let links: Vec<_> = db.scan_prefix([LINK]).map(|i| i.unwrap()).collect();
            db.insert(&links[0].0, &links[1].1).unwrap();
        });
    }

    #[test]
    fn added_key_is_noticed() {
        check(|db, _, _| drop(db.insert([LINK, 7, 7], vec![0; 48]).unwrap()));
    }

    #[test]
    fn mark_altered_or_removed_is_noticed() {
        check(|db, _, _| drop(db.remove(MARK).unwrap()));
        check(|db, _, old| {
            let mut mark = old.iter().find(|(k, _)| k == MARK).unwrap().1.clone();
            mark[40] ^= 1;
            db.insert(MARK, mark).unwrap();
        });
    }

    #[test]
    fn catalog_whose_lock_is_not_given_back_is_made_anew() {
        let dir = tempfile::TempDir::new().unwrap();
        let dir = dir.path().join("v");
        let vault = vault(&dir);
        let before = vault.list("note").unwrap();
        drop(vault);
        let held = Db::open(&dir.join("catalog")).unwrap();
        let vault = reopen(&dir);
        assert_eq!(vault.list("note").unwrap(), before);
        assert_eq!(vault.check(crate::CheckDepth::ReadData).unwrap().problems, []);
        drop(held);
    }

    #[test]
    fn changes_with_a_mark_are_all_there_or_none() {
        let dir = tempfile::TempDir::new().unwrap();
        let dir = dir.path().join("v");
        let vault = vault(&dir);
        let (mark, live) = vault.standing.catalog.mark().unwrap();
        assert_eq!(mark, vault.last);
        assert_eq!(live, vault.standing.live);
        assert_eq!(vault.standing.catalog.survey().unwrap().sum, live.sum);
    }
}
