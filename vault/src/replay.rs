//! Replaying the log: index and catalog are brought up to the last commit, or made anew from the packs alone.

use std::collections::HashMap;

use crate::catalog::Located;
use crate::disk;
use crate::error::{Error, Result};
use crate::head::{Commit, Live, Mark};
use crate::index::Index;
use crate::key::Keys;
use crate::log::{Gap, Log, Position};
use crate::object::{CatalogName, Object, ObjectId, Removal, catalog_name};
use crate::open::{OnDamage, after, read_commit};
use crate::pack::{EntryHead, HEADER, Location, Type};
use crate::standing::Standing;

/// With up to this many objects the whole catalog is verified at each opening.
const SURVEY_MAX: u64 = 4_096;
/// Index entries kept in memory at most while it is made anew.
const RECENT_MAX: usize = 65_536;

/// A rebuilt catalog must hold what the last commit counted.
pub(crate) fn accept_rebuilt(found: &Live, counted: &Live, gaps: &[Gap], damage: OnDamage) -> Result<()> {
    if found.sum == counted.sum || damage == OnDamage::Salvage {
        return Ok(());
    }
    let place = gaps.first().map_or_else(|| "no unreadable place was found".into(), Gap::to_string);
    Err(Error::damaged(format!(
        "the last commit counts {} objects and {} others can be read from the packs ({place})",
        counted.objects, found.objects
    )))
}

/// Replays what the log has after the marks of index and catalog.
pub(crate) fn catch_up(
    keys: &Keys,
    log: &Log,
    index: Index,
    mut standing: Standing,
    catalog_mark: Mark,
    last: Mark,
    commit: &Commit,
) -> Result<(Index, Standing)> {
    let index_mark = index.covers().unwrap_or(catalog_mark);
    let standing_now = &mut standing;
    let mut replay = Replay { keys, log, index, standing: standing_now, removed: HashMap::new(), seen: 0 };
    let (index_from, catalog_from) = (after(&index_mark), after(&catalog_mark));
    let gaps = log.walk(index_from.min(catalog_from), after(&last), &mut |at, head| {
        let here = Position { pack: at.pack, offset: u64::from(at.offset) };
        match head.kind {
            Type::Chunk if here < index_from => Ok(()),
            Type::Object | Type::Removal if here < catalog_from => Ok(()),
            _ => replay.take(at, &head),
        }
    })?;
    if let Some(gap) = gaps.first() {
        return Err(Error::damaged(gap.to_string()));
    }
    let index = replay.index;
    standing.live.sequence = commit.live.sequence;
    if standing.live != commit.live {
        return Err(Error::damaged("catalog: it does not add up to the last commit"));
    }
    if catalog_mark != last {
        standing.apply(&last)?;
    }
    if commit.live.objects <= SURVEY_MAX && standing.catalog.survey()?.sum != commit.live.sum {
        return Err(Error::damaged("catalog: its values do not add up to the last commit"));
    }
    Ok((index, standing))
}

/// Fills an empty index and an emptied catalog from all packs, going around what cannot be read.
pub(crate) fn rebuild(
    keys: &Keys,
    log: &Log,
    index: Index,
    standing: &mut Standing,
    last: Mark,
) -> Result<(Index, Vec<Gap>)> {
    standing.restart();
    let mut replay = Replay { keys, log, index, standing, removed: HashMap::new(), seen: 0 };
    let mut bodies = Vec::new();
    let first = log.packs().keys().next().copied().unwrap_or(1);
    let mut gaps = log.walk(Position { pack: first, offset: HEADER }, after(&last), &mut |at, head| match replay
        .take(at, &head)
    {
        Err(Error::Damaged(_)) => {
            bodies.push(Gap { pack: at.pack, from: u64::from(at.offset), to: at.end() });
            Ok(())
        }
        other => other,
    })?;
    gaps.extend(bodies);
    let Replay { mut index, standing, seen, .. } = replay;
    standing.live.sequence = seen;
    if let Ok(commit) = read_commit(log, &last) {
        standing.live.sequence = seen.max(commit.live.sequence);
    }
    standing.apply(&last)?;
    standing.catalog.flush()?;
    if !gaps.is_empty() {
        index.set_partial();
    }
    match index.flush(last) {
        Err(Error::Io { source, .. }) if disk::out_of_space(&source) => {
            tracing::warn!("the disk is full: the chunk index stays in memory");
        }
        other => other?,
    }
    Ok((index, gaps))
}

/// Takes entries of the log into index and catalog.
struct Replay<'a> {
    keys: &'a Keys,
    log: &'a Log,
    index: Index,
    standing: &'a mut Standing,
    /// Sequences of removals met so far: an older object must not come back, wherever in the log its record is.
    removed: HashMap<CatalogName, u64>,
    /// The greatest sequence met.
    seen: u64,
}

impl Replay<'_> {
    fn take(&mut self, at: Location, head: &EntryHead) -> Result<()> {
        match head.kind {
            Type::Commit => Ok(()),
            Type::Chunk => {
                self.index.insert(head.id, at);
                if self.index.recent() >= RECENT_MAX {
                    self.index.spill()?;
                }
                Ok(())
            }
            Type::Object => {
                let (object, id) = (self.read_object(&at, head)?, ObjectId(head.id));
                let name = catalog_name(self.keys, &object.kind, &object.name);
                self.seen = self.seen.max(object.sequence);
                let located = Located { entry: object.entry(id), at };
                self.place(name, object.sequence, Some(located))
            }
            Type::Removal => {
                let removal = self.read_removal(&at)?;
                let name = catalog_name(self.keys, &removal.kind, &removal.name);
                self.seen = self.seen.max(removal.sequence);
                let latest = self.removed.entry(name).or_default();
                *latest = removal.sequence.max(*latest);
                self.place(name, removal.sequence, None)
            }
        }
    }

    /// What has the greatest sequence stands. A copy of the record that stands takes its place.
    fn place(&mut self, name: CatalogName, sequence: u64, now: Option<Located>) -> Result<()> {
        let standing = self.standing.get(&name)?.map_or(0, |l| l.entry.sequence);
        let removed = self.removed.get(&name).copied().unwrap_or(0);
        if sequence >= standing && sequence >= removed {
            self.standing.set(self.keys, name, now)?;
        }
        self.standing.spill()
    }

    fn read_object(&self, at: &Location, head: &EntryHead) -> Result<Object> {
        let (_, body) = self.log.read(at)?;
        Object::decode(self.keys, &ObjectId(head.id), &body)
            .ok_or_else(|| Error::damaged(format!("{at}: an object's record cannot be read")))
    }

    fn read_removal(&self, at: &Location) -> Result<Removal> {
        let (_, body) = self.log.read(at)?;
        Removal::decode(&body).ok_or_else(|| Error::damaged(format!("{at}: a removal cannot be read")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::head::Sum;

    #[test]
    fn rebuilt_catalog_with_another_sum_is_refused() {
        let counted = Live { objects: 1, sum: Sum::from_bytes(&[1; 32]), ..Live::default() };
        assert!(accept_rebuilt(&counted, &counted, &[], OnDamage::Refuse).is_ok());
        let lost = accept_rebuilt(&Live::default(), &counted, &[], OnDamage::Refuse);
        assert!(matches!(lost, Err(Error::Damaged(_))));
        assert!(accept_rebuilt(&Live::default(), &counted, &[], OnDamage::Salvage).is_ok());
    }
}
