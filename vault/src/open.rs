//! Opening a vault: lock, unlock, find the newest commit, take in or cut off what came after it, and bring index and
//! catalog up to it or make them anew.

use std::collections::HashMap;
use std::fs::{File, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, RwLock};

use crate::catalog::{Catalog, Located};
use crate::disk;
use crate::error::{Error, Result};
use crate::head::{Commit, HeadFile, Heads, Live, Mark, Seen};
use crate::index::Index;
use crate::key::{Header, Keys, Unlock};
use crate::log::{Gap, Log, Position, batch_hasher, extend_batch};
use crate::object::{CatalogName, Object, ObjectId, Removal, catalog_name};
use crate::pack::{EntryHead, HEADER, Location, Type};
use crate::standing::Standing;
use crate::vault::Vault;

/// With up to this many objects the whole catalog is verified at each opening.
const SURVEY_MAX: u64 = 4_096;
/// Index entries kept in memory at most while it is made anew.
const RECENT_MAX: usize = 65_536;

/// What to do when the vault is older than what was seen on this machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnRollback {
    /// Refuse with [`Error::Rollback`].
    #[default]
    Refuse,
    /// Take the older state as the newest from now on.
    Accept,
}

/// What to do when packs no longer hold every object the last commit counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnDamage {
    /// Refuse with [`Error::Damaged`].
    #[default]
    Refuse,
    /// Open with what can still be read.
    Salvage,
}

/// How to open a vault.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// A folder outside the vault that remembers the highest head seen, so that an older copy is noticed.
    pub state: Option<PathBuf>,
    /// What to do when the vault went back in time.
    pub rollback: OnRollback,
    /// What to do when objects were lost.
    pub damage: OnDamage,
}

/// Names of what is in a vault's folder.
pub(crate) struct Paths(pub(crate) PathBuf);

impl Paths {
    pub(crate) fn header(&self) -> PathBuf {
        self.0.join("header")
    }
    pub(crate) fn head(&self) -> PathBuf {
        self.0.join("head")
    }
    pub(crate) fn packs(&self) -> PathBuf {
        self.0.join("packs")
    }
    pub(crate) fn index(&self) -> PathBuf {
        self.0.join("index")
    }
    pub(crate) fn catalog(&self) -> PathBuf {
        self.0.join("catalog")
    }
    fn lock(&self) -> PathBuf {
        self.0.join("lock")
    }
}

/// Takes the vault's lock for as long as the file is kept. [`Error::Busy`] with the holder's pid if it is taken.
pub(crate) fn lock(paths: &Paths) -> Result<File> {
    let path = paths.lock();
    let mut file = disk::open_or_create(&path)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut text = String::new();
            let _ = file.read_to_string(&mut text);
            return Err(Error::Busy { pid: text.trim().parse().ok() });
        }
        Err(TryLockError::Error(e)) => return Err(Error::io("lock", &path)(e)),
    }
    // The pid is a courtesy to others: a full disk must not keep the vault from opening.
    let write = |file: &mut File| {
        file.set_len(0)?;
        file.seek(SeekFrom::Start(0))?;
        write!(file, "{}", std::process::id())
    };
    if let Err(error) = write(&mut file) {
        tracing::warn!(%error, "the lock file does not name this process");
    }
    Ok(file)
}

pub(crate) fn open(dir: &Path, unlock: &Unlock, options: &Options) -> Result<Vault> {
    let paths = Paths(dir.to_path_buf());
    if !paths.header().exists() {
        return Err(Error::NotFound(format!("no vault in {}", dir.display())));
    }
    let lock = lock(&paths)?;
    let header = Header::read(&paths.header())?;
    let master = header.unlock(unlock, &paths.header())?;
    let keys = Arc::new(Keys::new(header.vault, master));
    open_unlocked(paths, lock, header, keys, options)
}

/// Everything about opening that comes after the keys are known.
pub(crate) fn open_unlocked(
    paths: Paths,
    lock: File,
    header: Header,
    keys: Arc<Keys>,
    options: &Options,
) -> Result<Vault> {
    let head = HeadFile::open(&paths.head())?;
    let heads = head.read(&keys)?;
    let mut log = Log::open(&paths.packs(), keys.clone())?;
    let counted = counted_commit(&log, &heads, header.epoch)?;
    let ahead = batches_after(&log, &keys, &heads.newest.0)?;
    let (last, commit) = ahead.last().cloned().unwrap_or((heads.newest.0, counted));
    let seen = options.state.as_deref().map(|state| Seen::new(state, &keys)).transpose()?;
    match seen.as_ref().map(|s| s.check(&keys, &last)) {
        Some(Err(error)) if options.rollback == OnRollback::Refuse => return Err(error),
        _ => {}
    }
    settle_tail(&mut log, &keys, &head, &heads, last, &commit, header.epoch)?;
    check_packs(&mut log, &commit)?;
    if let Some(seen) = &seen {
        seen.write(&keys, &last)?;
    }
    let (index, standing) = bring_up(&paths, &keys, &log, last, &commit, options.damage)?;
    let mut vault = Vault {
        paths,
        header,
        head,
        seen,
        log,
        index: RwLock::new(index),
        standing,
        last,
        keys,
        _lock: lock,
    };
    if !heads.both {
        // With one slot only, a crash could leave it unclear what was counted: a commit writes the other again.
        vault.commit_batch().unwrap_or_else(|error| tracing::warn!(%error, "the head's lost slot is not healed yet"));
    }
    Ok(vault)
}

/// The commit the head names, verified to be where it should.
fn counted_commit(log: &Log, heads: &Heads, epoch: u32) -> Result<Commit> {
    let (mark, head_epoch) = &heads.newest;
    if *head_epoch > epoch {
        return Err(Error::Rollback("the header with the key slots is older than the head".into()));
    }
    read_commit(log, mark).map_err(|error| match error {
        Error::Damaged(what) => Error::Rollback(format!("the last commit that the head counted is not there ({what})")),
        other => other,
    })
}

/// Reads the commit a mark points to. [`Error::Damaged`] if it is not there or another one is.
pub(crate) fn read_commit(log: &Log, mark: &Mark) -> Result<Commit> {
    let (head, body) = log.read(&mark.at)?;
    let commit = Commit::decode(&body).filter(|c| {
        head.kind == Type::Commit && head.id == mark.id && c.counter == mark.counter
    });
    commit.ok_or_else(|| Error::damaged(format!("{}: this is not commit {}", mark.at, mark.counter)))
}

fn after(mark: &Mark) -> Position {
    Position { pack: mark.at.pack, offset: mark.at.end() }
}

/// Whole batches after the head's mark: a crash came between their sync and the head's. Each is verified to the last
/// byte; the first that does not verify ends the list.
fn batches_after(log: &Log, keys: &Keys, newest: &Mark) -> Result<Vec<(Mark, Commit)>> {
    let mut found = Vec::new();
    let mut last = *newest;
    let mut batch = batch_hasher(keys, &last.id, last.counter + 1);
    let mut at = after(&last);
    loop {
        let head = match log.head_at(at) {
            Err(Error::Damaged(_)) => return Ok(found),
            other => other?,
        };
        let Some(head) = head else {
            match next_pack(log, at)? {
                Some(next) => at = next,
                None => return Ok(found),
            }
            continue;
        };
        let location = Location { pack: at.pack, offset: at.offset as u32, length: head.entry_length() };
        let Ok((_, body)) = log.read(&location) else { return Ok(found) };
        at.offset = location.end();
        if head.kind != Type::Commit {
            extend_batch(&mut batch, &location, &log.raw(&location)?);
            continue;
        }
        let commit = Commit::decode(&body).filter(|c| c.counter == last.counter + 1 && c.previous == last.id);
        match commit {
            Some(commit) if *batch.finalize().as_bytes() == head.id => {
                last = Mark { counter: commit.counter, id: head.id, at: location };
                batch = batch_hasher(keys, &last.id, last.counter + 1);
                found.push((last, commit));
            }
            _ => return Ok(found),
        }
    }
}

/// The start of the next pack, when the one at hand ends cleanly here.
fn next_pack(log: &Log, at: Position) -> Result<Option<Position>> {
    let next = log.packs().range(at.pack + 1..).next().map(|(n, _)| *n);
    match next {
        Some(pack) if log.length(at.pack)? == at.offset => {
            // A crash may leave a new pack without its header: it holds nothing.
            Ok((log.length(pack)? >= HEADER).then_some(Position { pack, offset: HEADER }))
        }
        _ => Ok(None),
    }
}

/// Makes the last whole batch the head's, and cuts off what came after it.
fn settle_tail(
    log: &mut Log,
    keys: &Keys,
    head: &HeadFile,
    heads: &Heads,
    last: Mark,
    commit: &Commit,
    epoch: u32,
) -> Result<()> {
    let end = after(&last);
    let beyond = log.packs().range(end.pack + 1..).next().is_some() || log.length(end.pack)? > end.offset;
    if beyond && !heads.both && last == heads.newest.0 {
        return Err(Error::damaged("one of the head's two slots is lost and the packs go on after the other"));
    }
    log.start(end, &last.id, last.counter);
    if beyond {
        log.cut(end)?;
    }
    if last != heads.newest.0 {
        log.sync_from(heads.newest.0.at.pack)?;
    }
    if last != heads.newest.0 {
        head.write(keys, &last, epoch.max(commit.epoch))?;
    }
    Ok(())
}

/// Every pack the commit counts must be there, and no other.
fn check_packs(log: &mut Log, commit: &Commit) -> Result<()> {
    for number in &commit.retired {
        if log.packs().contains_key(number) {
            log.delete(*number)?;
        }
    }
    let (count, sum) = log.census(&[]);
    match (count == commit.packs, sum == commit.pack_sum) {
        (true, true) => Ok(()),
        (false, _) if count < commit.packs => {
            Err(Error::Rollback(format!("the head counts {} packs and {count} are there", commit.packs)))
        }
        _ => Err(Error::damaged("packs: there are files that the last commit does not count")),
    }
}

/// Index and catalog, up to the last commit.
fn bring_up(
    paths: &Paths,
    keys: &Arc<Keys>,
    log: &Log,
    last: Mark,
    commit: &Commit,
    damage: OnDamage,
) -> Result<(Index, Standing)> {
    let index = Index::open(&paths.index(), keys.clone()).and_then(|index| {
        let covers = index.covers().ok_or_else(|| Error::damaged("chunk index: it covers nothing"))?;
        check_in_log(log, &covers, &last).map(|()| index)
    });
    let mut catalog = Catalog::open(&paths.catalog(), keys.clone())?;
    let known = catalog.mark().filter(|(mark, _)| check_in_log(log, mark, &last).is_ok());
    if let (Ok(index), Some((mark, live))) = (index, known) {
        let standing = Standing::new(catalog, live);
        match catch_up(keys, log, index, standing, mark, last, commit) {
            Ok(done) => return Ok(done),
            Err(error) => tracing::warn!(%error, "index and catalog are made anew from the packs"),
        }
        catalog = Catalog::open(&paths.catalog(), keys.clone())?;
        catalog.reset()?;
    } else {
        catalog.clear()?;
    }
    let index = Index::empty(&paths.index(), keys.clone())?;
    let mut standing = Standing::new(catalog, Live::default());
    let (index, gaps) = rebuild(keys, log, index, &mut standing, last)?;
    for gap in &gaps {
        tracing::warn!(%gap, "damage found while making index and catalog anew");
    }
    accept_rebuilt(&standing.live, &commit.live, &gaps, damage)?;
    Ok((index, standing))
}

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

/// A mark of index or catalog must be a commit of this log, not after the last.
fn check_in_log(log: &Log, mark: &Mark, last: &Mark) -> Result<()> {
    match mark.counter.cmp(&last.counter) {
        std::cmp::Ordering::Greater => Err(Error::damaged("it is ahead of the packs")),
        std::cmp::Ordering::Equal if mark == last => Ok(()),
        std::cmp::Ordering::Equal => Err(Error::damaged("it belongs to another state of the packs")),
        std::cmp::Ordering::Less => read_commit(log, mark).map(|_| ()),
    }
}

/// Replays what the log has after the marks of index and catalog.
fn catch_up(
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
    let mut gaps = log.walk(Position { pack: first, offset: HEADER }, after(&last), &mut |at, head| {
        match replay.take(at, &head) {
            Err(Error::Damaged(_)) => {
                bodies.push(Gap { pack: at.pack, from: u64::from(at.offset), to: at.end() });
                Ok(())
            }
            other => other,
        }
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
    index.flush(last)?;
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
