//! What the packs of a vault still hold, read around everything that is damaged. Nothing is written.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use crate::catalog::Catalog;
use crate::check::Problem;
use crate::chunk::{self, ChunkId};
use crate::error::{Error, Result};
use crate::head::{Commit, HeadFile, Live, Mark, Sum};
use crate::key::Keys;
use crate::log::{Gap, Log, Position};
use crate::object::{CatalogName, Entry, Object, ObjectId, Removal, catalog_name};
use crate::open::{Paths, after};
use crate::pack::{EntryHead, HEADER, Location, Type};

/// Entries and where they are.
type Found = Vec<(Location, EntryHead)>;

/// What a name was given, once.
pub(crate) struct Given {
    pub(crate) sequence: u64,
    /// Kind and name in words.
    pub(crate) words: (String, String),
    /// The record, or `None` where the name was taken away.
    pub(crate) object: Option<Object>,
}

/// Everything that can be read.
pub(crate) struct Survey {
    /// Every entry that is as it was written, in order, commits left out.
    pub(crate) entries: Found,
    /// Packs that hold something damaged, or something that was never committed.
    pub(crate) damaged: BTreeSet<u32>,
    /// The newest mark of the head file, with the header's epoch, if one verifies.
    pub(crate) head: Option<(Mark, u32)>,
    /// The newest commit that can be read.
    pub(crate) newest: Option<(Mark, Commit)>,
    /// All that was given to each name, in order.
    pub(crate) names: BTreeMap<CatalogName, Vec<Given>>,
    /// Ids of the chunks among the entries.
    pub(crate) chunks: HashSet<ChunkId>,
    /// What is wrong with the files.
    pub(crate) problems: Vec<Problem>,
}

fn note(problems: &mut Vec<Problem>, what: impl Into<String>) {
    problems.push(Problem { what: what.into(), object: None });
}

/// Damage becomes `None`; a disk that refuses stays an error.
fn readable<T>(result: Result<T>) -> Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(Error::Damaged(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

impl Survey {
    /// Reads all of every pack.
    pub(crate) fn of(paths: &Paths, keys: &Arc<Keys>, log: &Log) -> Result<Survey> {
        let mut survey = Survey {
            entries: Vec::new(),
            damaged: BTreeSet::new(),
            head: None,
            newest: None,
            names: BTreeMap::new(),
            chunks: HashSet::new(),
            problems: Vec::new(),
        };
        match HeadFile::open(&paths.head()).and_then(|head| head.read(keys)) {
            Ok(heads) => survey.head = Some(heads.newest),
            Err(Error::Damaged(what)) => note(&mut survey.problems, what),
            Err(error) => return Err(error),
        }
        let (mut found, mut gaps) = survey.walk(log)?;
        let end = survey.find_end(log, &found)?;
        let retired = survey.retired(log);
        found.retain(|(at, _)| !retired.contains(&at.pack));
        gaps.retain(|gap| !retired.contains(&gap.pack));
        survey.note_packs(log, &gaps, end, &retired)?;
        for (at, head) in found {
            let here = Position { pack: at.pack, offset: u64::from(at.offset) };
            if here < end {
                survey.take(keys, log, at, head)?;
            } else {
                survey.damaged.insert(at.pack);
            }
        }
        survey.names.values_mut().for_each(|given| given.sort_by_key(|g| g.sequence));
        Ok(survey)
    }

    /// Everything whose head opens, and what lies between.
    fn walk(&mut self, log: &Log) -> Result<(Found, Vec<Gap>)> {
        let mut found: Found = Vec::new();
        let numbers = log.packs().keys();
        let (Some(first), Some(last)) = (numbers.clone().next(), numbers.clone().next_back()) else {
            return Ok((found, Vec::new()));
        };
        let to = Position { pack: *last, offset: log.length(*last)? };
        let gaps = log.walk(Position { pack: *first, offset: HEADER }, to, &mut |at, head| {
            found.push((at, head));
            Ok(())
        })?;
        for number in log.packs().keys() {
            let Err(error) = log.verify_header(*number) else { continue };
            match error {
                // A pack of a newer format is not damage.
                Error::Unsupported { .. } if !found.iter().any(|(at, _)| at.pack == *number) => return Err(error),
                Error::Damaged(_) | Error::Unsupported { .. } => {
                    note(&mut self.problems, format!("pack {number}: its header is damaged"));
                    self.damaged.insert(*number);
                }
                other => return Err(other),
            }
        }
        Ok((found, gaps))
    }

    /// What comes after the last commit, by the head or by the packs, is not part of the vault.
    fn find_end(&mut self, log: &Log, found: &[(Location, EntryHead)]) -> Result<Position> {
        for (at, head) in found.iter().filter(|(_, head)| head.kind == Type::Commit) {
            let Some((_, body)) = readable(log.read(at))? else { continue };
            let Some(commit) = Commit::decode(&body) else { continue };
            if self.newest.as_ref().is_none_or(|(mark, _)| mark.counter <= commit.counter) {
                self.newest = Some((Mark { counter: commit.counter, id: head.id, at: *at }, commit));
            }
        }
        let read = self.newest.as_ref().map(|(mark, _)| *mark);
        if let (Some((mark, _)), newest) = (&self.head, &read)
            && newest.is_none_or(|newest| newest.counter < mark.counter)
        {
            note(&mut self.problems, format!("commit {}, which the head counts, cannot be read", mark.counter));
        }
        let counted = [self.head.map(|(mark, _)| mark), read].into_iter().flatten().map(|mark| after(&mark)).max();
        match (self.head, counted) {
            (Some(_), Some(end)) => Ok(end),
            // Without a head nothing says where the last commit was: all that can be read is taken.
            _ => Ok(Position { pack: u32::MAX, offset: u64::MAX }),
        }
    }

    /// Packs that the newest commit left out and that a crash left behind: what is in them is garbage.
    fn retired(&mut self, log: &Log) -> Vec<u32> {
        let named = self.newest.iter().flat_map(|(_, commit)| commit.retired.iter().copied());
        let retired: Vec<u32> = named.filter(|number| log.holds(*number)).collect();
        self.damaged.extend(&retired);
        retired
    }

    fn note_packs(&mut self, log: &Log, gaps: &[Gap], end: Position, retired: &[u32]) -> Result<()> {
        for gap in gaps {
            self.damaged.insert(gap.pack);
            if (Position { pack: gap.pack, offset: gap.from }) < end {
                note(&mut self.problems, gap.to_string());
            }
        }
        let beyond: Vec<u32> = log.packs().keys().copied().filter(|n| *n > end.pack).collect();
        self.damaged.extend(&beyond);
        if let Some((mark, commit)) = &self.newest
            && mark.at.pack <= end.pack
        {
            let (count, sum) = log.census(&[beyond, retired.to_vec()].concat());
            if sum != commit.pack_sum {
                let what = format!("packs: the last commit counts {} and {count} are there", commit.packs);
                note(&mut self.problems, what);
            }
        }
        if end.pack != u32::MAX && log.packs().contains_key(&end.pack) && log.length(end.pack)? < end.offset {
            note(&mut self.problems, format!("pack {}: it is cut short", end.pack));
            self.damaged.insert(end.pack);
        }
        Ok(())
    }

    /// Takes an entry in if all of it is as it was written.
    fn take(&mut self, keys: &Keys, log: &Log, at: Location, head: EntryHead) -> Result<()> {
        let whole = match readable(log.read(&at))? {
            None => false,
            Some((_, body)) => match head.kind {
                Type::Chunk if chunk::id(&keys.chunk_id, &body) == head.id => {
                    self.chunks.insert(head.id);
                    true
                }
                Type::Chunk => false,
                Type::Commit => Commit::decode(&body).is_some(),
                Type::Object => match Object::decode(keys, &ObjectId(head.id), &body) {
                    Some(object) => {
                        let (sequence, words) = (object.sequence, (object.kind.clone(), object.name.clone()));
                        self.give(keys, Given { sequence, words, object: Some(object) });
                        true
                    }
                    None => false,
                },
                Type::Removal => match Removal::decode(&body) {
                    Some(Removal { kind, name, sequence, .. }) => {
                        self.give(keys, Given { sequence, words: (kind, name), object: None });
                        true
                    }
                    None => false,
                },
            },
        };
        if !whole {
            self.damaged.insert(at.pack);
            note(&mut self.problems, format!("{at}: the entry is damaged"));
        } else if head.kind != Type::Commit {
            self.entries.push((at, head));
        }
        Ok(())
    }

    fn give(&mut self, keys: &Keys, given: Given) {
        let name = catalog_name(keys, &given.words.0, &given.words.1);
        self.names.entry(name).or_default().push(given);
    }

    /// The greatest sequence met.
    pub(crate) fn sequence(&self) -> u64 {
        let met = self.names.values().flatten().map(|g| g.sequence).max().unwrap_or(0);
        met.max(self.newest.as_ref().map_or(0, |(_, commit)| commit.live.sequence))
    }

    /// Can every chunk of an object be read?
    fn whole(&self, object: &Object) -> bool {
        object.chunks.iter().all(|(id, _)| self.chunks.contains(id))
    }

    /// What must be given anew so that only whole objects stand, and what was lost. `known` says what stood by the
    /// catalog.
    pub(crate) fn settle(&self, known: &Known) -> Settled {
        let mut settled = Settled { again: Vec::new(), lost: Vec::new() };
        for (name, given) in &self.names {
            let Some(last) = given.last() else { continue };
            let stood = known.names.get(name);
            if known.removed_since(name, last) {
                settled.again.push((last.words.clone(), None));
                continue;
            }
            let newest_lost = stood.is_some_and(|entry| entry.sequence > last.sequence);
            let broken = last.object.as_ref().is_some_and(|object| !self.whole(object));
            let older = given.iter().rev().map_while(|g| g.object.as_ref()).find(|object| self.whole(object));
            if broken {
                settled.again.push((last.words.clone(), older.cloned()));
            }
            if newest_lost || broken {
                settled.lost.push(loss(&last.words, older.filter(|_| last.object.is_some())));
            }
        }
        for (name, entry) in &known.names {
            if !self.names.contains_key(name) {
                settled.lost.push(loss(&(entry.kind.clone(), entry.name.clone()), None));
            }
        }
        settled
    }

    /// Does what stands add up to the newest commit?
    pub(crate) fn adds_up(&self, keys: &Keys) -> bool {
        let live = self.live(keys, &[], 0);
        self.newest.as_ref().is_some_and(|(_, commit)| commit.live.sum == live.sum)
    }

    /// The id of what stands under a name.
    pub(crate) fn standing(&self, keys: &Keys, name: &CatalogName) -> Option<ObjectId> {
        self.names.get(name)?.last()?.object.as_ref().map(|object| object.id(keys))
    }

    /// What stands once `again` was given after all else, `sequence` being the greatest given out.
    pub(crate) fn live(&self, keys: &Keys, again: &[(CatalogName, Option<Object>)], sequence: u64) -> Live {
        let mut live = Live { sequence, ..Live::default() };
        let again: HashMap<&CatalogName, Option<&Object>> = again.iter().map(|(n, o)| (n, o.as_ref())).collect();
        for (name, given) in &self.names {
            let last = given.last().and_then(|g| g.object.as_ref());
            let Some(object) = again.get(name).copied().unwrap_or(last) else { continue };
            live.objects += 1;
            live.bytes += object.bytes;
            live.sum.add(Sum::of_object(keys, name, &object.id(keys), object.sequence));
        }
        live
    }
}

fn loss(words: &(String, String), older: Option<&Object>) -> Problem {
    let what = match older {
        Some(_) => "its newest version is lost; an older one is there",
        None => "it is lost: its record or a chunk of it cannot be read",
    };
    Problem { what: what.into(), object: Some(words.clone()) }
}

/// What [`Survey::settle`] found.
pub(crate) struct Settled {
    /// Names to give anew: an older version, or nothing.
    pub(crate) again: Vec<((String, String), Option<Object>)>,
    /// The objects that were lost.
    pub(crate) lost: Vec<Problem>,
}

/// What stood by the catalogs that are left. It may be old, but nobody without the key can have made it up.
#[derive(Default)]
pub(crate) struct Known {
    names: HashMap<CatalogName, Entry>,
    /// Names that stood at the last commit the head counts, and the sequence then, where that is certain.
    at_head: Option<(HashSet<CatalogName>, u64)>,
}

impl Known {
    /// Reads the catalog, and one that was set aside.
    pub(crate) fn read(paths: &Paths, keys: &Arc<Keys>, survey: &Survey) -> Known {
        let mut known = Known::default();
        for dir in [paths.catalog(), paths.catalog().with_extension("damaged")] {
            let Some(catalog) = Catalog::open_existing(&dir, keys.clone()) else { continue };
            let Ok(found) = catalog.scan(&[]) else { continue };
            let counted =
                survey.head.as_ref().zip(survey.newest.as_ref()).filter(|((head, _), (mark, _))| head == mark);
            if let Some((_, (_, commit))) = counted
                && catalog.survey().is_ok_and(|live| live.sum == commit.live.sum)
            {
                known.at_head = Some((found.iter().map(|(name, _)| *name).collect(), commit.live.sequence));
            }
            for (name, located) in found {
                let newer = known.names.get(&name).is_none_or(|e| e.sequence < located.entry.sequence);
                if newer {
                    known.names.insert(name, located.entry);
                }
            }
        }
        if let Some((standing, _)) = &known.at_head {
            known.names.retain(|name, _| standing.contains(name));
        }
        known
    }

    /// Was a name certainly taken away, though the removal can no longer be read?
    fn removed_since(&self, name: &CatalogName, last: &Given) -> bool {
        let at_head = self.at_head.as_ref();
        last.object.is_some() && at_head.is_some_and(|(names, upto)| last.sequence <= *upto && !names.contains(name))
    }
}
