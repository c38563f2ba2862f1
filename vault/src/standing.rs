//! What stands: the catalog, and over it the changes that are not in it yet.

use std::collections::HashMap;

use crate::catalog::{Catalog, Change, Changes, Located};
use crate::error::Result;
use crate::head::{Live, Mark, Sum};
use crate::key::Keys;
use crate::object::{CatalogName, ObjectId};

/// Changes kept in memory at most while a catalog is made anew.
const CHANGES_MAX: usize = 4096;

pub(crate) struct Standing {
    pub(crate) catalog: Catalog,
    changes: Changes,
    ids: HashMap<ObjectId, CatalogName>,
    /// Figures of what stands, changes included.
    pub(crate) live: Live,
    /// How many objects stopped standing since the vault was opened.
    displaced: u64,
}

impl Standing {
    pub(crate) fn new(catalog: Catalog, live: Live) -> Standing {
        Standing { catalog, changes: Changes::new(), ids: HashMap::new(), live, displaced: 0 }
    }

    /// Forgets all changes and figures, for a catalog that was emptied.
    pub(crate) fn restart(&mut self) {
        self.changes.clear();
        self.ids.clear();
        self.live = Live::default();
        self.displaced += 1;
    }

    /// What stands under a name.
    pub(crate) fn get(&self, name: &CatalogName) -> Result<Option<Located>> {
        match self.changes.get(name) {
            Some(change) => Ok(change.now.clone()),
            None => self.catalog.get(name),
        }
    }

    /// The object with an id, if it stands.
    pub(crate) fn by_id(&self, id: &ObjectId) -> Result<Option<(CatalogName, Located)>> {
        if let Some(name) = self.ids.get(id) {
            let now = self.changes.get(name).and_then(|change| change.now.as_ref());
            return Ok(now.filter(|l| l.entry.id == *id).map(|l| (*name, l.clone())));
        }
        let Some((name, found)) = self.catalog.by_id(id)? else { return Ok(None) };
        Ok((!self.changes.contains_key(&name)).then_some((name, found)))
    }

    /// Everything that stands under names with a prefix.
    pub(crate) fn scan(&self, prefix: &[u8]) -> Result<Vec<Located>> {
        let mut found: Vec<Located> = self
            .catalog
            .scan(prefix)?
            .into_iter()
            .filter_map(|(name, located)| (!self.changes.contains_key(&name)).then_some(located))
            .collect();
        let changed = self.changes.iter().filter(|(name, _)| name.starts_with(prefix));
        found.extend(changed.filter_map(|(_, change)| change.now.clone()));
        Ok(found)
    }

    /// Lets an object stand under a name, or nothing, and keeps the figures.
    pub(crate) fn set(&mut self, keys: &Keys, name: CatalogName, now: Option<Located>) -> Result<()> {
        let before = self.get(&name)?;
        self.replace(keys, name, before, now);
        Ok(())
    }

    /// [`Standing::set`] where it is known what stood before. It cannot fail, so that nothing comes between an entry in
    /// the log and its figures.
    pub(crate) fn replace(&mut self, keys: &Keys, name: CatalogName, before: Option<Located>, now: Option<Located>) {
        let was = before.as_ref().map(|before| before.entry.id);
        if let Some(Located { entry, .. }) = before {
            self.displaced += 1;
            self.live.objects -= 1;
            self.live.bytes -= entry.bytes;
            self.live.sum.subtract(Sum::of_object(keys, &name, &entry.id, entry.sequence));
        }
        if let Some(Located { entry, .. }) = &now {
            self.live.objects += 1;
            self.live.bytes += entry.bytes;
            self.live.sum.add(Sum::of_object(keys, &name, &entry.id, entry.sequence));
            self.ids.insert(entry.id, name);
        }
        match self.changes.get_mut(&name) {
            Some(change) => change.now = now,
            None => drop(self.changes.insert(name, Change { was, now })),
        }
    }

    /// How many objects stopped standing since the vault was opened: while that stays the same, what stood stands.
    pub(crate) fn displaced(&self) -> u64 {
        self.displaced
    }

    /// How many changes are not in the catalog yet.
    pub(crate) fn changed(&self) -> usize {
        self.changes.len()
    }

    /// Visits the id of everything that stands, in bounded memory.
    pub(crate) fn each_id(&self, visit: &mut dyn FnMut(ObjectId)) -> Result<()> {
        self.catalog.each(&[], &mut |name, located| {
            if !self.changes.contains_key(&name) {
                visit(located.entry.id);
            }
            Ok(())
        })?;
        self.changes.values().filter_map(|change| change.now.as_ref()).for_each(|located| visit(located.entry.id));
        Ok(())
    }

    /// Moves the changes into the catalog together with the commit they belong to.
    pub(crate) fn apply(&mut self, mark: &Mark) -> Result<()> {
        self.catalog.apply(&self.changes, Some((mark, &self.live)))?;
        self.changes.clear();
        self.ids.clear();
        Ok(())
    }

    /// Keeps memory bounded while a catalog without a mark is filled.
    pub(crate) fn spill(&mut self) -> Result<()> {
        if self.changes.len() >= CHANGES_MAX && self.catalog.mark().is_none() {
            self.catalog.apply(&self.changes, None)?;
            self.changes.clear();
            self.ids.clear();
        }
        Ok(())
    }
}
