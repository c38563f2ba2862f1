//! Opening a vault: lock, unlock, find the newest commit, take in or cut off what came after it, and bring index and
//! catalog up to it or make them anew.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, RwLock};

use crate::catalog::Catalog;
use crate::chunk::Windows;
use crate::disk::{self, Lock};
use crate::error::{Error, Result};
use crate::head::{Commit, HeadFile, Heads, Live, Mark, Seen};
use crate::index::Index;
use crate::key::{Header, Keys, Unlock};
use crate::log::{Log, Position, batch_hasher, extend_batch};
use crate::pack::{HEADER, Location, Type};
use crate::replay::{accept_rebuilt, catch_up, rebuild};
use crate::reserve::Reserve;
use crate::standing::Standing;
use crate::vault::Vault;

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
    pub(crate) fn damaged_packs(&self) -> PathBuf {
        self.0.join("packs.damaged")
    }
    pub(crate) fn reserve(&self) -> PathBuf {
        self.0.join("reserve")
    }
    pub(crate) fn lock(&self) -> PathBuf {
        self.0.join("lock")
    }
}

pub(crate) fn open(dir: &Path, unlock: &Unlock, options: &Options) -> Result<Vault> {
    let (paths, lock, header, keys) = enter(dir, unlock)?;
    open_unlocked(paths, lock, header, keys, options)
}

/// Takes the lock and finds the keys.
pub(crate) fn enter(dir: &Path, unlock: &Unlock) -> Result<(Paths, Lock, Header, Arc<Keys>)> {
    let paths = Paths(dir.to_path_buf());
    if !disk::exists(&paths.header()) {
        return Err(Error::NotFound(format!("no vault in {}", dir.display())));
    }
    let lock = disk::lock(&paths.lock())?;
    let header = Header::read(&paths.header())?;
    let master = header.unlock(unlock, &paths.header())?;
    let keys = Arc::new(Keys::new(header.vault, master));
    Ok((paths, lock, header, keys))
}

/// Everything about opening that comes after the keys are known.
pub(crate) fn open_unlocked(
    paths: Paths,
    lock: Lock,
    header: Header,
    keys: Arc<Keys>,
    options: &Options,
) -> Result<Vault> {
    let head = HeadFile::open(&paths.head())?;
    let heads = head.read(&keys)?;
    let mut log = Log::open(&paths.packs(), keys.clone())?;
    let counted = counted_commit(&log, &heads, header.epoch)?;
    let ahead = batches_after(&log, &keys, &heads.newest.0)?;
    ahead.iter().for_each(|(_, commit)| log.leave_out(&commit.retired));
    let (last, commit) = ahead.last().cloned().unwrap_or((heads.newest.0, counted));
    let seen = options.state.as_deref().map(|state| Seen::new(state, &keys)).transpose()?;
    match seen.as_ref().map(|s| s.check(&keys, &last)) {
        Some(Err(error)) if options.rollback == OnRollback::Refuse => return Err(error),
        _ => {}
    }
    settle_tail(&mut log, &keys, &head, &heads, &ahead, header.epoch)?;
    check_packs(&mut log, &commit, || if ahead.is_empty() { head.write_again(&last) } else { Ok(()) })?;
    if let Some(Err(error)) = seen.as_ref().map(|seen| seen.write(&keys, &last)) {
        tracing::warn!(%error, "the highest head seen was not recorded");
    }
    if header.epoch > heads.newest.1 {
        settle_header(&mut log, &header, &paths, &keys);
    }
    let mut reserve = Reserve::keep(paths.reserve());
    let bring = || bring_up(&paths, &keys, &log, last, &commit, options.damage);
    let mut brought = bring();
    if out_of_space(&brought) && reserve.spend() {
        brought = bring();
    }
    if out_of_space(&brought) {
        // A database wants room to be opened; a new one takes less than one that has grown.
        disk::remove_dir(&paths.catalog())?;
        brought = bring();
    }
    let (index, standing) = brought?;
    let mut vault = Vault {
        paths,
        header,
        head,
        seen,
        log,
        index: RwLock::new(index),
        standing,
        reserve,
        last,
        head_sure: last != heads.newest.0,
        half_made: false,
        keys,
        windows: Windows::default(),
        sealing: Mutex::default(),
        _lock: lock,
    };
    if !heads.both && last == heads.newest.0 {
        // With one slot only, a crash could leave it unclear what was counted: a commit writes the other again.
        vault.commit_batch().unwrap_or_else(|error| tracing::warn!(%error, "the head's lost slot is not healed yet"));
    }
    Ok(vault)
}

fn out_of_space<T>(result: &Result<T>) -> bool {
    matches!(result, Err(Error::Io { source, .. }) if disk::out_of_space(source))
}

/// A header that no head counts yet: whoever wrote it may not have come to sync it. A head that counts it must not reach
/// the disk before it does, so that without this nothing is written.
fn settle_header(log: &mut Log, header: &Header, paths: &Paths, keys: &Keys) {
    if let Err(error) = header.write(&paths.header(), &keys.master) {
        tracing::warn!(%error, "the header with the key slots may not be durable: nothing is written");
        log.stop(error.to_string());
    }
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
    let commit =
        Commit::decode(&body).filter(|c| head.kind == Type::Commit && head.id == mark.id && c.counter == mark.counter);
    commit.ok_or_else(|| Error::damaged(format!("{}: this is not commit {}", mark.at, mark.counter)))
}

/// The position just after a commit.
pub(crate) fn after(mark: &Mark) -> Position {
    Position { pack: mark.at.pack, offset: mark.at.end() }
}

/// Whole batches after the head's mark: a crash came between their sync and the head's. Each is verified to the last
/// byte; the first that does not verify ends the list.
fn batches_after(log: &Log, keys: &Keys, newest: &Mark) -> Result<Vec<(Mark, Commit)>> {
    let mut found = Vec::new();
    let mut last = *newest;
    let mut batch = batch_hasher(keys, &last.id, last.counter + 1);
    let mut at = after(&last);
    let mut whole = commit_ahead(log, at)?;
    while whole {
        let Some(head) = log.head_at(at)? else {
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
                whole = commit_ahead(log, at)?;
            }
            _ => return Ok(found),
        }
    }
    Ok(found)
}

/// Is there the head of a commit after a position? Looking at heads alone is fast, however much was written after them.
fn commit_ahead(log: &Log, mut at: Position) -> Result<bool> {
    loop {
        match log.head_at(at) {
            Ok(Some(head)) if head.kind == Type::Commit => return Ok(true),
            Ok(Some(head)) => at.offset += u64::from(head.entry_length()),
            Ok(None) => match next_pack(log, at)? {
                Some(next) => at = next,
                None => return Ok(false),
            },
            // A crash may also leave zeros in the place of a new pack's header.
            Err(Error::Damaged(_) | Error::Unsupported { .. }) => return Ok(false),
            Err(other) => return Err(other),
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

/// Makes the batches after the head's mark the head's, and cuts off what came after them.
fn settle_tail(
    log: &mut Log,
    keys: &Keys,
    head: &HeadFile,
    heads: &Heads,
    ahead: &[(Mark, Commit)],
    epoch: u32,
) -> Result<()> {
    let newest = heads.newest.0;
    let last = ahead.last().map_or(newest, |(mark, _)| *mark);
    let end = after(&last);
    let beyond = log.packs().range(end.pack + 1..).next().is_some() || log.length(end.pack)? > end.offset;
    if beyond && !heads.both && ahead.is_empty() {
        return Err(Error::damaged("one of the head's two slots is lost and the packs go on after the other"));
    }
    log.start(end, &last.id, last.counter);
    if beyond {
        log.cut(end)?;
    }
    if !ahead.is_empty() {
        log.write_again(after(&newest))?;
        head.write_again(&newest)?;
    }
    // In turn, so that the slot not being written always holds a mark.
    for (mark, commit) in &ahead[ahead.len().saturating_sub(2)..] {
        head.write(keys, mark, epoch.max(commit.epoch))?;
    }
    Ok(())
}

/// Every pack the commit counts must be there, and no other. Packs that it left out are deleted once `sure` has made the
/// head durable: an earlier process may have failed to sync it, and a power cut then brings a mark back that needs them.
fn check_packs(log: &mut Log, commit: &Commit, sure: impl FnOnce() -> Result<()>) -> Result<()> {
    log.leave_out(&commit.retired);
    let swept = if log.retired().is_empty() { Ok(()) } else { sure().and_then(|()| log.sweep()) };
    if let Err(error) = swept {
        tracing::warn!(%error, "packs that nothing needs were not deleted yet");
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
    }
    // Kept until the packs have been found to hold everything: it may be all that knows the names of what was lost.
    if catalog.mark().is_some() {
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
    if let Err(error) = accept_rebuilt(&standing.live, &commit.live, &gaps, damage) {
        standing.catalog.put_back()?;
        return Err(error);
    }
    match standing.live.sum == commit.live.sum {
        true => standing.catalog.forget_aside()?,
        // What was lost is not there any more: nobody may take this for the state that the last commit left.
        false => standing.live.sequence += 1,
    }
    Ok((index, standing))
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
