//! The chunk index: sorted runs of fixed-width entries, memory-mapped, merged as they grow. Disposable.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::chunk::ChunkId;
use crate::disk::{self, Map};
use crate::error::{Error, Result};
use crate::head::Mark;
use crate::key::Keys;
use crate::pack::Location;
use crate::seal::{BOX, Reader, VERSION, random, same};

const PAGE: usize = 4096;
const PER_PAGE: usize = 92;
const IDS: usize = PER_PAGE * 32;
const LOCATIONS: usize = PER_PAGE * Location::SIZE;
const MAGIC: &[u8; 8] = b"USUFINDX";
const RUNS_MAX: usize = 1024;
/// Bytes of a set at most.
const SET_MAX: u64 = 1 << 20;
const _: () = assert!(IDS + 8 + LOCATIONS + BOX == PAGE);

/// Id of a run and its number of entries, as the set names them.
type NamedRun = ([u8; 16], u64);

/// One immutable sorted file of the index.
struct Run {
    id: [u8; 16],
    count: u64,
    map: Map,
}

impl Run {
    fn path(dir: &Path, id: &[u8; 16]) -> PathBuf {
        dir.join(format!("{}.run", hex::encode(id)))
    }

    /// Maps a run whose length and first page are right. Other pages are verified when they are used.
    fn open(dir: &Path, keys: &Keys, id: [u8; 16], count: u64) -> Result<Run> {
        let path = Run::path(dir, &id);
        let file = disk::open(&path)?;
        let length = disk::length_of(&file, &path)?;
        let run = Run { id, count, map: disk::map(&file, &path)? };
        let whole = length == (run.pages() + 1) * PAGE as u64 && run.map.len() as u64 == length;
        match whole && same(&run.map[..PAGE], &first_page(keys, &id, count)) {
            true => Ok(run),
            false => Err(damaged("a run is not the one its set names")),
        }
    }

    fn pages(&self) -> u64 {
        self.count.div_ceil(PER_PAGE as u64)
    }

    fn page(&self, number: u64) -> Option<&[u8]> {
        let start = usize::try_from(number + 1).ok()?.checked_mul(PAGE)?;
        self.map.get(start..start.checked_add(PAGE)?)
    }

    fn entries_in(&self, page: u64) -> usize {
        (self.count - page * PER_PAGE as u64).min(PER_PAGE as u64) as usize
    }

    fn id_at(&self, index: u64) -> Option<&[u8]> {
        let slot = (index % PER_PAGE as u64) as usize;
        self.page(index / PER_PAGE as u64)?.get(slot * 32..slot * 32 + 32)
    }

    /// Where a chunk is, if this run has it. The ids are searched as they are; the page is verified on a hit.
    fn get(&self, keys: &Keys, wanted: &ChunkId) -> Result<Option<Location>> {
        let (mut low, mut high) = (0, self.count);
        while low < high {
            let middle = low + (high - low) / 2;
            let found = self.id_at(middle).ok_or_else(|| damaged("a run is cut short"))?;
            match found.cmp(wanted.as_slice()) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
                std::cmp::Ordering::Equal => {
                    let entries = self.open_page(keys, middle / PER_PAGE as u64)?;
                    return Ok(entries.get((middle % PER_PAGE as u64) as usize).map(|(_, at)| *at));
                }
            }
        }
        Ok(None)
    }

    /// All entries of a page, authenticated.
    fn open_page(&self, keys: &Keys, number: u64) -> Result<Vec<(ChunkId, Location)>> {
        let bad = || damaged("a page does not authenticate");
        let page = self.page(number).ok_or_else(bad)?;
        let (ids, rest) = page.split_at(IDS);
        let (stored_number, sealed) = rest.split_at(8);
        if stored_number != number.to_le_bytes() {
            return Err(bad());
        }
        let count = self.entries_in(number);
        let context = page_context(&self.id, number, count);
        let locations = keys.index_page.open(&[&context, ids], sealed).ok_or_else(bad)?;
        let mut fields = Reader(&locations);
        let ids = ids.as_chunks::<32>().0.iter().take(count);
        let entries = ids.map(|id| Some((*id, Location::read(&mut fields)?))).collect::<Option<Vec<_>>>();
        entries.ok_or_else(bad)
    }

    /// Writes entries, which come in ascending order of id, as a new run.
    fn write(
        dir: &Path,
        keys: &Keys,
        count: u64,
        entries: &mut dyn Iterator<Item = Result<(ChunkId, Location)>>,
    ) -> Result<Run> {
        let id = random()?;
        let path = Run::path(dir, &id);
        let file = disk::create(&path)?;
        disk::write_at(&file, &path, &first_page(keys, &id, count), 0)?;
        let mut page = Vec::with_capacity(PER_PAGE);
        let (mut number, mut written) = (0u64, 0u64);
        loop {
            let next = entries.next().transpose()?;
            let last = next.is_none();
            page.extend(next);
            if page.len() == PER_PAGE || (last && !page.is_empty()) {
                let bytes = seal_page(keys, &id, number, &page)?;
                disk::write_at(&file, &path, &bytes, (number + 1) * PAGE as u64)?;
                (number, written) = (number + 1, written + page.len() as u64);
                page.clear();
            }
            if last {
                break;
            }
        }
        if written != count {
            return Err(damaged("a run has another number of entries than announced"));
        }
        disk::sync(&file, &path)?;
        Run::open(dir, keys, id, count)
    }
}

fn page_context(id: &[u8; 16], number: u64, count: usize) -> [u8; 26] {
    let mut out = [0; 26];
    out[..16].copy_from_slice(id);
    out[16..24].copy_from_slice(&number.to_le_bytes());
    out[24..].copy_from_slice(&(count as u16).to_le_bytes());
    out
}

fn seal_page(keys: &Keys, id: &[u8; 16], number: u64, entries: &[(ChunkId, Location)]) -> Result<Vec<u8>> {
    let mut out = Vec::with_capacity(PAGE);
    let mut locations = Vec::with_capacity(LOCATIONS);
    for (chunk, at) in entries {
        out.extend_from_slice(chunk);
        locations.extend_from_slice(&at.encode());
    }
    out.resize(IDS, 0xff);
    locations.resize(LOCATIONS, 0);
    let context = page_context(id, number, entries.len());
    let sealed = keys.index_page.seal(&[&context, &out], &locations)?;
    out.extend_from_slice(&number.to_le_bytes());
    out.extend_from_slice(&sealed);
    Ok(out)
}

fn first_page(keys: &Keys, id: &[u8; 16], count: u64) -> Vec<u8> {
    let mut out = MAGIC.to_vec();
    out.extend_from_slice(&VERSION.to_le_bytes());
    out.resize(16, 0);
    out.extend_from_slice(id);
    out.extend_from_slice(&count.to_le_bytes());
    out.resize(PAGE - 32, 0);
    let mac = blake3::keyed_hash(&keys.index_run, &out);
    out.extend_from_slice(mac.as_bytes());
    out
}

fn damaged(what: &str) -> Error {
    Error::damaged(format!("chunk index: {what}"))
}

/// The index: runs on disk, newest last, and what came since in memory.
pub(crate) struct Index {
    dir: PathBuf,
    keys: Arc<Keys>,
    runs: Vec<Run>,
    recent: BTreeMap<ChunkId, Location>,
    /// The commit up to which the runs cover the log.
    covers: Option<Mark>,
    /// Made from packs that could not all be read: never written, so that it is made anew once they are restored.
    partial: bool,
}

impl Index {
    /// An index without entries; the files of an earlier one are deleted.
    pub(crate) fn empty(dir: &Path, keys: Arc<Keys>) -> Result<Index> {
        disk::remove_dir(dir)?;
        match disk::make_dir(dir) {
            // It does for as long as it stays in memory.
            Err(Error::Io { source, .. }) if disk::out_of_space(&source) => {}
            other => other?,
        }
        Ok(Index {
            dir: dir.to_path_buf(),
            keys,
            runs: Vec::new(),
            recent: BTreeMap::new(),
            covers: None,
            partial: false,
        })
    }

    /// The index in a folder. Any error means that it should be made anew.
    pub(crate) fn open(dir: &Path, keys: Arc<Keys>) -> Result<Index> {
        let sealed = disk::read(&dir.join("set"), SET_MAX)?;
        let plain = keys.index_set.open(&[], &sealed).ok_or_else(|| damaged("its set does not authenticate"))?;
        let (mark, named) = decode_set(&plain).ok_or_else(|| damaged("its set cannot be read"))?;
        let runs = named.iter().map(|(id, count)| Run::open(dir, &keys, *id, *count)).collect::<Result<Vec<_>>>()?;
        let (recent, covers) = (BTreeMap::new(), Some(mark));
        let index = Index { dir: dir.to_path_buf(), keys, runs, recent, covers, partial: false };
        index.delete_unnamed()?;
        Ok(index)
    }

    /// The commit up to which nothing needs to be replayed.
    pub(crate) fn covers(&self) -> Option<Mark> {
        self.covers
    }

    /// Entries that are in memory only.
    pub(crate) fn recent(&self) -> usize {
        self.recent.len()
    }

    pub(crate) fn insert(&mut self, id: ChunkId, at: Location) {
        self.recent.insert(id, at);
    }

    /// Where a chunk is. An error means that a page is damaged and the index must be made anew.
    pub(crate) fn get(&self, id: &ChunkId) -> Result<Option<Location>> {
        if let Some(at) = self.recent.get(id) {
            return Ok(Some(*at));
        }
        for run in self.runs.iter().rev() {
            if let Some(at) = run.get(&self.keys, id)? {
                return Ok(Some(at));
            }
        }
        Ok(None)
    }

    /// Verifies the set as it is on disk, every page of every run, and that ids ascend. Returns how many entries there are.
    pub(crate) fn verify(&self) -> Result<u64> {
        if self.covers.is_some() && !self.partial {
            self.verify_set()?;
        }
        for run in &self.runs {
            if !same(&run.map[..PAGE], &first_page(&self.keys, &run.id, run.count)) {
                return Err(damaged("a run is not the one its set names"));
            }
            let mut last: Option<ChunkId> = None;
            for page in 0..run.pages() {
                for (id, _) in run.open_page(&self.keys, page)? {
                    if last.is_some_and(|l| l >= id) {
                        return Err(damaged("entries are out of order"));
                    }
                    last = Some(id);
                }
            }
        }
        Ok(self.runs.iter().map(|r| r.count).sum::<u64>() + self.recent.len() as u64)
    }

    fn verify_set(&self) -> Result<()> {
        let sealed = disk::read(&self.dir.join("set"), SET_MAX)?;
        let named = self.runs.iter().map(|run| (run.id, run.count)).collect::<Vec<_>>();
        let set = self.keys.index_set.open(&[], &sealed).and_then(|plain| decode_set(&plain));
        match set.is_some_and(|(mark, runs)| Some(mark) == self.covers && runs == named) {
            true => Ok(()),
            false => Err(damaged("its set is not the one that was written")),
        }
    }

    /// Writes what is in memory as a run that covers the log up to `mark`, merging runs that are not much larger.
    pub(crate) fn flush(&mut self, mark: Mark) -> Result<()> {
        if self.partial {
            return Ok(());
        }
        disk::make_dir(&self.dir)?;
        if !self.recent.is_empty() {
            let mut entries = self.recent.iter().map(|(id, at)| Ok((*id, *at)));
            let run = Run::write(&self.dir, &self.keys, self.recent.len() as u64, &mut entries)?;
            self.runs.push(run);
        }
        while self.should_merge() {
            self.merge_last_two()?;
        }
        self.write_set(mark)?;
        self.covers = Some(mark);
        self.recent.clear();
        self.delete_unnamed()
    }

    /// Durably forgets what is on disk: the next opening makes the index anew. What is in memory stays. The folder itself
    /// may be new and its name not durable: the folder above is synced too, or a power cut brings an older one back.
    pub(crate) fn forget_set(&self) -> Result<()> {
        disk::remove(&self.dir.join("set"))?;
        if disk::exists(&self.dir) {
            disk::sync_dir(&self.dir)?;
        }
        self.dir.parent().map_or(Ok(()), disk::sync_dir)
    }

    /// Says that some packs could not be read while this index was made.
    pub(crate) fn set_partial(&mut self) {
        self.partial = true;
    }

    /// Moves what is in memory to a run that no set names yet, while the index is made anew.
    pub(crate) fn spill(&mut self) -> Result<()> {
        let mut entries = self.recent.iter().map(|(id, at)| Ok((*id, *at)));
        let run = Run::write(&self.dir, &self.keys, self.recent.len() as u64, &mut entries)?;
        self.runs.push(run);
        self.recent.clear();
        Ok(())
    }

    /// Visits every entry, those that a newer run replaces included.
    pub(crate) fn each(&self, visit: &mut dyn FnMut(ChunkId, Location)) -> Result<()> {
        for run in &self.runs {
            for page in 0..run.pages() {
                run.open_page(&self.keys, page)?.into_iter().for_each(|(id, at)| visit(id, at));
            }
        }
        self.recent.iter().for_each(|(id, at)| visit(*id, *at));
        Ok(())
    }

    fn should_merge(&self) -> bool {
        match self.runs.as_slice() {
            [.., a, b] => a.count < 2 * b.count || self.runs.len() >= RUNS_MAX,
            _ => false,
        }
    }

    fn merge_last_two(&mut self) -> Result<()> {
        let [.., older, newer] = self.runs.as_slice() else { return Ok(()) };
        let keys = &self.keys;
        let count = Merge::new(keys, older, newer).try_fold(0u64, |n, e| e.map(|_| n + 1))?;
        let merged = Run::write(&self.dir, keys, count, &mut Merge::new(keys, older, newer))?;
        self.runs.truncate(self.runs.len() - 2);
        self.runs.push(merged);
        Ok(())
    }

    fn write_set(&self, mark: Mark) -> Result<()> {
        let mut plain = mark.encode().to_vec();
        plain.extend_from_slice(&(self.runs.len() as u16).to_le_bytes());
        for run in &self.runs {
            plain.extend_from_slice(&run.id);
            plain.extend_from_slice(&run.count.to_le_bytes());
        }
        disk::replace(&self.dir.join("set"), &self.keys.index_set.seal(&[], &plain)?)
    }

    fn delete_unnamed(&self) -> Result<()> {
        for path in disk::list(&self.dir)? {
            let named = self.runs.iter().any(|run| Run::path(&self.dir, &run.id) == path);
            if !named && path != self.dir.join("set") {
                disk::remove(&path)?;
            }
        }
        Ok(())
    }
}

fn decode_set(plain: &[u8]) -> Option<(Mark, Vec<NamedRun>)> {
    let mut fields = Reader(plain);
    let (mark, count) = (Mark::read(&mut fields)?, fields.u16()?);
    let runs = (0..count).map(|_| Some((fields.array()?, fields.u64()?))).collect::<Option<Vec<_>>>()?;
    fields.end()?;
    Some((mark, runs))
}

/// The entries of two runs in order; where both have an id, the newer run's.
struct Merge<'a> {
    older: std::iter::Peekable<Entries<'a>>,
    newer: std::iter::Peekable<Entries<'a>>,
}

impl<'a> Merge<'a> {
    fn new(keys: &'a Keys, older: &'a Run, newer: &'a Run) -> Merge<'a> {
        let entries = |run| Entries { keys, run, page: 0, ready: Vec::new().into_iter() }.peekable();
        Merge { older: entries(older), newer: entries(newer) }
    }
}

impl Iterator for Merge<'_> {
    type Item = Result<(ChunkId, Location)>;

    fn next(&mut self) -> Option<Self::Item> {
        let (Some(Ok((old, _))), Some(Ok((new, _)))) = (self.older.peek(), self.newer.peek()) else {
            return self.newer.next().or_else(|| self.older.next());
        };
        match old.cmp(new) {
            std::cmp::Ordering::Less => self.older.next(),
            std::cmp::Ordering::Greater => self.newer.next(),
            std::cmp::Ordering::Equal => {
                self.older.next();
                self.newer.next()
            }
        }
    }
}

struct Entries<'a> {
    keys: &'a Keys,
    run: &'a Run,
    page: u64,
    ready: std::vec::IntoIter<(ChunkId, Location)>,
}

impl Iterator for Entries<'_> {
    type Item = Result<(ChunkId, Location)>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(entry) = self.ready.next() {
            return Some(Ok(entry));
        }
        if self.page >= self.run.pages() {
            return None;
        }
        let page = self.run.open_page(self.keys, self.page);
        self.page += 1;
        match page {
            Ok(entries) => {
                self.ready = entries.into_iter();
                self.ready.next().map(Ok)
            }
            Err(error) => Some(Err(error)),
        }
    }
}
