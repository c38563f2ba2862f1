//! Checking: everything on disk is compared with everything else, and each difference is named.

use std::collections::{HashMap, HashSet};

use crate::catalog::Located;
use crate::chunk::{self, ChunkId};
use crate::error::{Error, Result};
use crate::head::{Commit, Sum};
use crate::key::Header;
use crate::log::Position;
use crate::object::{CatalogName, Object, ObjectId, Removal, catalog_name};
use crate::open::read_commit;
use crate::pack::{EntryHead, HEADER, Location, Type};
use crate::vault::Vault;

/// How much [`Vault::check`] reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckDepth {
    /// Every entry's head, every record, head, header, index and catalog. Chunk bodies are not read.
    Structure,
    /// Those and every chunk, authenticated and its id recomputed.
    ReadData,
}

/// Something a check found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// What is wrong, and in which file.
    pub what: String,
    /// Kind and name of the object it touches, where that is known.
    pub object: Option<(String, String)>,
}

/// What a check found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Packs walked.
    pub packs: u64,
    /// Entries whose head could be opened.
    pub entries: u64,
    /// Chunks among them.
    pub chunks: u64,
    /// Objects that stand by the packs.
    pub objects: u64,
    /// Chunk bytes read and authenticated.
    pub bytes_read: u64,
    /// Everything that is not as it should be. Empty for a sound vault.
    pub problems: Vec<Problem>,
}

impl Report {
    fn note(&mut self, what: impl Into<String>) {
        self.problems.push(Problem { what: what.into(), object: None });
    }
}

/// What the packs alone say.
struct Walk<'a> {
    vault: &'a Vault,
    depth: CheckDepth,
    report: Report,
    chunks: HashMap<ChunkId, Vec<Location>>,
    /// Chunks that could not be read.
    bad: HashSet<Location>,
    /// Newest record by name: its sequence, and the object unless it is a removal.
    newest: HashMap<CatalogName, (u64, Option<(Located, Object)>)>,
}

pub(crate) fn check(vault: &Vault, depth: CheckDepth) -> Result<Report> {
    vault.log.close_files();
    let report = Report { packs: vault.log.packs().len() as u64, ..Report::default() };
    let (chunks, bad, newest) = (HashMap::new(), HashSet::new(), HashMap::new());
    let mut walk = Walk { vault, depth, report, chunks, bad, newest };
    walk.head_and_header()?;
    walk.packs()?;
    walk.objects();
    walk.catalog()?;
    walk.index()?;
    Ok(walk.report)
}

/// Damage becomes a problem; everything else stays an error.
fn or_note<T>(report: &mut Report, result: Result<T>) -> Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(Error::Damaged(what)) => {
            report.note(what);
            Ok(None)
        }
        Err(error @ (Error::Unsupported { .. } | Error::NotFound(_) | Error::Limit(_))) => {
            report.note(error.to_string());
            Ok(None)
        }
        Err(Error::Io { source, path, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
            report.note(format!("{} is missing", path.display()));
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

impl Walk<'_> {
    fn head_and_header(&mut self) -> Result<()> {
        let (vault, path) = (self.vault, self.vault.paths.header());
        let header = Header::read(&path).and_then(|h| h.verify(&path, &vault.keys.master));
        or_note(&mut self.report, header)?;
        if let Some(heads) = or_note(&mut self.report, vault.head.read(&vault.keys))? {
            if !heads.both {
                self.report.note("head: one of its two slots does not authenticate");
            }
            if heads.newest.0 != vault.last {
                self.report.note("head: it does not name the last commit");
            }
        }
        Ok(())
    }

    fn packs(&mut self) -> Result<()> {
        let log = &self.vault.log;
        let first = log.packs().keys().next().copied().unwrap_or(1);
        let mut found = Vec::new();
        let gaps = log.walk(Position { pack: first, offset: HEADER }, log.end(), &mut |at, head| {
            found.push((at, head));
            Ok(())
        });
        for gap in or_note(&mut self.report, gaps)?.unwrap_or_default() {
            self.report.note(gap.to_string());
        }
        for (at, head) in found {
            self.report.entries += 1;
            let taken = self.take(at, &head);
            or_note(&mut self.report, taken)?;
        }
        let (end, length) = (log.end(), or_note(&mut self.report, log.length(log.end().pack))?);
        if length.is_some_and(|length| length > end.offset) {
            self.report.note(format!("pack {}: it goes on after the last entry", end.pack));
        }
        Ok(())
    }

    fn take(&mut self, at: Location, head: &EntryHead) -> Result<()> {
        let (log, keys) = (&self.vault.log, &self.vault.keys);
        let damaged = |what: &str| Error::damaged(format!("{at}: {what}"));
        match head.kind {
            Type::Chunk => {
                self.report.chunks += 1;
                self.chunks.entry(head.id).or_default().push(at);
                self.read_chunk(at, head)
            }
            Type::Object => {
                let id = ObjectId(head.id);
                let (_, body) = log.read(&at)?;
                let object = Object::decode(keys, &id, &body).ok_or_else(|| damaged("an object's record is wrong"))?;
                let name = catalog_name(keys, &object.kind, &object.name);
                let located = Located { entry: object.entry(id), at };
                self.newer(name, object.sequence, Some((located, object)));
                Ok(())
            }
            Type::Removal => {
                let (_, body) = log.read(&at)?;
                let removal = Removal::decode(&body).ok_or_else(|| damaged("a removal is wrong"))?;
                self.newer(catalog_name(keys, &removal.kind, &removal.name), removal.sequence, None);
                Ok(())
            }
            Type::Commit => {
                let (_, body) = log.read(&at)?;
                Commit::decode(&body).map(|_| ()).ok_or_else(|| damaged("a commit is wrong"))
            }
        }
    }

    fn newer(&mut self, name: CatalogName, sequence: u64, now: Option<(Located, Object)>) {
        let newest = self.newest.entry(name).or_insert((0, None));
        if sequence >= newest.0 {
            *newest = (sequence, now);
        }
    }

    fn read_chunk(&mut self, at: Location, head: &EntryHead) -> Result<()> {
        if self.depth == CheckDepth::Structure {
            return Ok(());
        }
        let wrong = || Error::damaged(format!("{at}: a chunk's bytes have another id"));
        let key = &self.vault.keys.chunk_id;
        let read = self.vault.log.read(&at).and_then(|(_, plaintext)| {
            (chunk::id(key, &plaintext) == head.id).then_some(plaintext.len() as u64).ok_or_else(wrong)
        });
        match read {
            Ok(bytes) => self.report.bytes_read += bytes,
            Err(error) => {
                self.bad.insert(at);
                return Err(error);
            }
        }
        Ok(())
    }

    /// Every chunk of every object that stands must be there.
    fn objects(&mut self) {
        let mut sum = Sum::default();
        for (name, (_, now)) in &self.newest {
            let Some((located, object)) = now else { continue };
            self.report.objects += 1;
            sum.add(Sum::of_object(&self.vault.keys, name, &located.entry.id, located.entry.sequence));
            let sound =
                |id: &ChunkId| self.chunks.get(id).is_some_and(|all| all.iter().any(|at| !self.bad.contains(at)));
            let lost = object.chunks.iter().filter(|(id, _)| !sound(id)).count();
            if lost > 0 {
                let what = format!("{lost} of {} chunks cannot be read", object.chunks.len());
                let object = Some((object.kind.clone(), object.name.clone()));
                self.report.problems.push(Problem { what, object });
            }
        }
        if sum != self.vault.standing.live.sum {
            self.report.note("packs: what stands by them is not what the last commit counts");
        }
    }

    fn catalog(&mut self) -> Result<()> {
        let committed = read_commit(&self.vault.log, &self.vault.last);
        let committed = or_note(&mut self.report, committed)?;
        let survey = or_note(&mut self.report, self.vault.standing.catalog.survey())?;
        if let (Some(survey), Some(commit)) = (survey, committed)
            && survey.sum != commit.live.sum
        {
            self.report.note("catalog: it does not add up to the last commit");
        }
        let Some(listed) = or_note(&mut self.report, self.vault.standing.scan(&[]))? else { return Ok(()) };
        let by_id: HashMap<ObjectId, Located> = listed.into_iter().map(|l| (l.entry.id, l)).collect();
        let mut differing = 0;
        for (located, _) in self.newest.values().filter_map(|(_, now)| now.as_ref()) {
            differing += u64::from(by_id.get(&located.entry.id) != Some(located));
        }
        if differing > 0 || by_id.len() as u64 != self.report.objects {
            let what = format!("catalog: {differing} objects of the packs are not in it as they are there");
            self.report.note(what);
        }
        Ok(())
    }

    fn index(&mut self) -> Result<()> {
        let index = self.vault.index.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        if or_note(&mut self.report, index.verify())?.is_none() {
            return Ok(());
        }
        let mut astray = 0;
        index.each(&mut |id, at| {
            astray += u64::from(!self.chunks.get(&id).is_some_and(|all| all.contains(&at)));
        })?;
        if astray > 0 {
            self.report.note(format!("chunk index: {astray} entries do not lead to their chunk"));
        }
        let mut absent = 0;
        for id in self.chunks.keys() {
            absent += u64::from(!matches!(index.get(id), Ok(Some(_))));
        }
        if absent > 0 {
            self.report.note(format!("chunk index: {absent} chunks are not in it"));
        }
        Ok(())
    }
}
