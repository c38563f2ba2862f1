//! Repair: everything that can be read becomes the vault's newest state, in a new commit, and what was lost is named.
//! Nothing that is there is overwritten: damaged packs are set aside, and what was good in them is written again.

use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::check::{CheckDepth, Problem, Report};
use crate::chunk::Encoding;
use crate::disk::{self, Lock};
use crate::error::{Error, Result};
use crate::head::{Commit, HeadFile, Mark, Seen};
use crate::key::{Header, Keys, Unlock};
use crate::log::{Log, Position};
use crate::object::{CatalogName, Object, ObjectId, Removal, catalog_name};
use crate::open::{self, OnDamage, OnRollback, Options, Paths};
use crate::pack::{TARGET, Type};
use crate::survey::{Known, Survey};
use crate::vault::Vault;

/// A vault's folder, locked, with its keys.
struct Folder {
    dir: std::path::PathBuf,
    lock: Lock,
    keys: Arc<Keys>,
    options: Options,
}

/// How opening went.
enum Opened {
    Sound(Box<Vault>),
    Flawed(Vec<Problem>),
}

pub(crate) fn repair(dir: &Path, unlock: &Unlock, options: &Options) -> Result<(Vault, Vec<Problem>)> {
    let folder = Folder::enter(dir, unlock, options)?;
    let flaws = match folder.attempt()? {
        Opened::Sound(vault) => return Ok((*vault, Vec::new())),
        Opened::Flawed(flaws) => flaws,
    };
    let mut found = folder.salvage()?;
    disk::remove_dir(&folder.paths().index())?;
    disk::remove_dir(&folder.paths().catalog())?;
    let vault = folder.open(folder.options.rollback)?;
    disk::remove_dir(&folder.paths().catalog().with_extension("damaged"))?;
    if found.is_empty() {
        found = flaws;
    }
    Ok((vault, found))
}

pub(crate) fn examine(dir: &Path, unlock: &Unlock, options: &Options) -> Result<Report> {
    let folder = Folder::enter(dir, unlock, options)?;
    match folder.open(OnRollback::Refuse) {
        Ok(vault) => return vault.check(CheckDepth::ReadData),
        Err(error) if !of_the_packs(&error) => return Err(error),
        Err(_) => {}
    }
    let log = Log::open_salvaging(&folder.paths().packs(), folder.keys.clone())?;
    let survey = Survey::of(&folder.paths(), &folder.keys, &log)?;
    let settled = survey.settle(&Known::read(&folder.paths(), &folder.keys, &survey));
    let mut problems = survey.problems;
    problems.extend(folder.older_than_seen(&survey.head, &survey.newest)?);
    problems.extend(settled.lost);
    let lost = settled.again.iter().filter(|(_, object)| object.is_none()).count();
    let standing = survey.names.values().filter(|given| given.last().is_some_and(|g| g.object.is_some())).count();
    Ok(Report {
        packs: log.packs().len() as u64,
        entries: survey.entries.len() as u64,
        chunks: survey.entries.iter().filter(|(_, head)| head.kind == Type::Chunk).count() as u64,
        objects: (standing - lost) as u64,
        bytes_read: survey.entries.iter().map(|(at, _)| u64::from(at.length)).sum(),
        problems,
    })
}

/// Is this what repair is for?
fn of_the_packs(error: &Error) -> bool {
    matches!(error, Error::Damaged(_) | Error::Rollback(_) | Error::Unsupported { .. })
}

impl Folder {
    fn enter(dir: &Path, unlock: &Unlock, options: &Options) -> Result<Folder> {
        let (paths, lock, header, keys) = open::enter(dir, unlock)?;
        drop(header);
        Ok(Folder { dir: paths.0, lock, keys, options: options.clone() })
    }

    fn paths(&self) -> Paths {
        Paths(self.dir.clone())
    }

    fn open(&self, rollback: OnRollback) -> Result<Vault> {
        let paths = self.paths();
        let header = Header::read(&paths.header())?;
        let options = Options { rollback, damage: OnDamage::Refuse, ..self.options.clone() };
        open::open_unlocked(paths, self.lock.clone(), header, self.keys.clone(), &options)
    }

    fn attempt(&self) -> Result<Opened> {
        match self.open(OnRollback::Refuse) {
            Ok(vault) => {
                let problems = vault.check(CheckDepth::ReadData)?.problems;
                match problems.is_empty() {
                    true => Ok(Opened::Sound(Box::new(vault))),
                    false => Ok(Opened::Flawed(problems)),
                }
            }
            Err(error) if of_the_packs(&error) => {
                Ok(Opened::Flawed(vec![Problem { what: error.to_string(), object: None }]))
            }
            Err(error) => Err(error),
        }
    }

    /// A head or header from before what was seen here. An error unless that is accepted.
    fn older_than_seen(&self, head: &Option<(Mark, u32)>, newest: &Option<(Mark, Commit)>) -> Result<Option<Problem>> {
        let epoch = Header::read(&self.paths().header())?.epoch;
        let mut older = None;
        if head.as_ref().is_some_and(|(_, head_epoch)| *head_epoch > epoch) {
            older = Some(Error::Rollback("the header with the key slots is older than the head".into()));
        }
        let mark = [head.map(|(mark, _)| mark), newest.as_ref().map(|(mark, _)| *mark)].into_iter().flatten();
        if let (Some(state), Some(mark)) = (&self.options.state, mark.max_by_key(|m| m.counter)) {
            let seen = Seen::new(state, &self.keys)?;
            older = seen.check(&self.keys, &mark).err().or(older);
        }
        Ok(older.map(|error| Problem { what: error.to_string(), object: None }))
    }

    /// Writes what can be read as a new commit. Returns what was wrong; nothing is written when that is nothing.
    fn salvage(&self) -> Result<Vec<Problem>> {
        let (paths, keys) = (self.paths(), &self.keys);
        let mut log = Log::open_salvaging(&paths.packs(), keys.clone())?;
        let survey = Survey::of(&paths, keys, &log)?;
        let older = self.older_than_seen(&survey.head, &survey.newest)?;
        if let (Some(older), OnRollback::Refuse) = (&older, self.options.rollback) {
            return Err(Error::Rollback(older.what.clone()));
        }
        let settled = survey.settle(&Known::read(&paths, keys, &survey));
        let sound =
            survey.problems.is_empty() && survey.damaged.is_empty() && settled.again.is_empty() && survey.adds_up(keys);
        if sound && settled.lost.is_empty() && older.is_none() {
            return Ok(Vec::new());
        }
        let mark = self.write(&mut log, &survey, settled.again)?;
        self.replace_head(&mark)?;
        log.committed(&mark.id, mark.counter);
        log.sweep()?;
        let mut problems = survey.problems;
        problems.extend(older);
        problems.extend(settled.lost);
        Ok(problems)
    }

    /// Appends what damaged packs still hold, what must stand anew, and a commit that counts all that is good.
    fn write(&self, log: &mut Log, survey: &Survey, again: Vec<((String, String), Option<Object>)>) -> Result<Mark> {
        let keys = &self.keys;
        let known = [survey.head.map(|(m, _)| m), survey.newest.as_ref().map(|(m, _)| *m)].into_iter().flatten();
        let last = known.max_by_key(|mark| mark.counter);
        let (previous, counter) = last.map_or(([0; 32], 0), |mark| (mark.id, mark.counter));
        let pack = log.packs().keys().next_back().copied().unwrap_or(0);
        log.start(Position { pack, offset: TARGET }, &previous, counter);
        self.keep_damaged(log, survey)?;
        copy_entries(log, survey)?;
        let mut sequence = survey.sequence();
        let again = again
            .into_iter()
            .map(|item| give_again(log, keys, survey, item, &mut sequence))
            .collect::<Result<Vec<_>>>()?;
        log.make_room()?;
        log.retire(&survey.damaged.iter().copied().collect::<Vec<_>>());
        let retired = log.retired();
        let (packs, pack_sum) = log.census(&[]);
        let epoch = Header::read(&self.paths().header())?.epoch;
        let live = survey.live(keys, &again, sequence);
        let commit = Commit { counter: counter + 1, epoch, live, packs, pack_sum, previous, retired };
        let (id, body) = (log.batch_id(), commit.encode());
        let at = log.append(Type::Commit, id, Encoding::Bytes, body.len(), &body)?;
        log.sync()?;
        Ok(Mark { counter: commit.counter, id, at })
    }

    /// A second name for every damaged pack, so that its bytes stay when the vault stops counting it.
    fn keep_damaged(&self, log: &Log, survey: &Survey) -> Result<()> {
        if survey.damaged.is_empty() {
            return Ok(());
        }
        let dir = self.paths().damaged_packs();
        disk::make_dir(&dir)?;
        for number in &survey.damaged {
            let from = log.pack_path(*number)?;
            let Some(name) = from.file_name() else { continue };
            disk::keep_as(&from, &dir.join(name))?;
        }
        disk::sync_dir(&dir)?;
        disk::sync_dir(&self.dir)
    }

    /// A new head file in the place of the old, in one step.
    fn replace_head(&self, mark: &Mark) -> Result<()> {
        let path = self.paths().head();
        let fresh = path.with_extension("new");
        disk::remove(&fresh)?;
        let epoch = Header::read(&self.paths().header())?.epoch;
        HeadFile::create(&fresh, &self.keys, *mark, epoch)?;
        disk::rename(&fresh, &path).map_err(Error::io("replace", &path))?;
        disk::sync_dir(&self.dir)
    }
}

/// Writes the good entries of damaged packs again at the end of the log.
fn copy_entries(log: &mut Log, survey: &Survey) -> Result<()> {
    let mut placed: std::collections::HashSet<_> = survey
        .entries
        .iter()
        .filter(|(at, head)| head.kind == Type::Chunk && !survey.damaged.contains(&at.pack))
        .map(|(_, head)| head.id)
        .collect();
    for (at, head) in survey.entries.iter().filter(|(at, _)| survey.damaged.contains(&at.pack)) {
        if head.kind == Type::Chunk && !placed.insert(head.id) {
            continue;
        }
        log.append_again(at)?;
    }
    Ok(())
}

/// Lets an older version, or nothing, stand under a name from now on.
fn give_again(
    log: &mut Log,
    keys: &Keys,
    survey: &Survey,
    (words, object): ((String, String), Option<Object>),
    sequence: &mut u64,
) -> Result<(CatalogName, Option<Object>)> {
    *sequence += 1;
    let (kind, text) = words;
    let name = catalog_name(keys, &kind, &text);
    let Some(object) = object else {
        let body = Removal { kind, name: text, sequence: *sequence, time_ms: now_ms() }.encode();
        let id = survey.standing(keys, &name).map_or([0; 32], |id| id.0);
        log.append(Type::Removal, id, Encoding::Bytes, body.len(), &body)?;
        return Ok((name, None));
    };
    let object = Object { sequence: *sequence, ..object };
    let (ObjectId(id), body) = (object.id(keys), object.encode());
    log.append(Type::Object, id, Encoding::Bytes, body.len(), &body)?;
    Ok((name, Some(object)))
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
