//! The log: all packs of a vault in order, appended at the end, read anywhere.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::chunk::{self, Encoding};
use crate::disk::{self, File};
use crate::error::{Error, Result};
use crate::head::Sum;
use crate::key::Keys;
use crate::pack::{ALIGN, EntryHead, HEAD_BOX, HEADER, Location, PACK_MAX, PackId, Sealed, TARGET, Type, tags};
use crate::wiped::Wiped;

/// Bytes of entries that are gathered before they are written: many small entries are one write.
const TAIL_MAX: usize = 1 << 20;
/// Open pack files kept at most.
const FILES_MAX: usize = 64;

/// A place in the log: everything before `offset` of pack `pack`, and all earlier packs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Position {
    pub(crate) pack: u32,
    pub(crate) offset: u64,
}

/// A stretch of a pack in which no entry could be opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Gap {
    pub(crate) pack: u32,
    pub(crate) from: u64,
    pub(crate) to: u64,
}

impl std::fmt::Display for Gap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "pack {}: no entry can be opened in bytes {} to {}", self.pack, self.from, self.to)
    }
}

pub(crate) struct Log {
    dir: PathBuf,
    keys: Arc<Keys>,
    packs: BTreeMap<u32, PackId>,
    /// Packs that the next commit will not count, if it comes about.
    retiring: BTreeMap<u32, PackId>,
    /// Packs that a commit no longer counts and whose files may still be there.
    leaving: BTreeMap<u32, PackId>,
    files: Mutex<HashMap<u32, Arc<File>>>,
    end: Position,
    /// The last entries before `end`, if they are not written yet.
    tail: Vec<u8>,
    /// Where the log ended at the last commit: a failed one is cut back to here.
    committed: Position,
    batch: blake3::Hasher,
    batch_entries: u64,
    /// Does the batch add something, and not only take away?
    batch_adds: bool,
    dirty: BTreeSet<u32>,
    /// May names in the folder not be durable? True at first: an earlier process may have deleted packs and ended.
    dir_dirty: bool,
    stopped: Option<String>,
    /// Are packs read whatever their headers say? What is in them is authenticated in any case.
    headers: OnHeader,
}

/// What to do with a pack whose header is not its own.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnHeader {
    Refuse,
    Ignore,
}

impl Log {
    /// The packs in a folder, with nothing read from them yet.
    pub(crate) fn open(dir: &Path, keys: Arc<Keys>) -> Result<Log> {
        let mut packs = BTreeMap::new();
        for path in disk::list(dir)? {
            let name = path.file_name().and_then(|name| name.to_str());
            let Some(pack) = name.and_then(PackId::parse) else { continue };
            if packs.insert(pack.number, pack).is_some() {
                return Err(Error::damaged(format!("there are two packs with number {}", pack.number)));
            }
        }
        Ok(Log {
            dir: dir.to_path_buf(),
            batch: blake3::Hasher::new_keyed(&keys.commit_id),
            keys,
            packs,
            retiring: BTreeMap::new(),
            leaving: BTreeMap::new(),
            files: Mutex::default(),
            end: Position { pack: 0, offset: TARGET },
            committed: Position { pack: 0, offset: TARGET },
            tail: Vec::new(),
            batch_entries: 0,
            batch_adds: false,
            dirty: BTreeSet::new(),
            dir_dirty: true,
            stopped: None,
            headers: OnHeader::Refuse,
        })
    }

    /// The packs in a folder, read around damaged headers.
    pub(crate) fn open_salvaging(dir: &Path, keys: Arc<Keys>) -> Result<Log> {
        Ok(Log { headers: OnHeader::Ignore, ..Log::open(dir, keys)? })
    }

    /// Refuses a pack unless its header is its own.
    pub(crate) fn verify_header(&self, number: u32) -> Result<()> {
        let (pack, path) = (self.pack(number)?, self.path(number)?);
        self.check_header(&pack, &disk::open(&path)?, &path)
    }

    fn check_header(&self, pack: &PackId, file: &File, path: &Path) -> Result<()> {
        let mut header = [0; HEADER as usize];
        disk::read_at(file, path, &mut header, 0)
            .map_err(|e| cut_short(e, || format!("pack {} has no header", pack.number)))?;
        pack.verify(&self.keys, &header)
    }

    /// The file of a pack.
    pub(crate) fn pack_path(&self, number: u32) -> Result<PathBuf> {
        self.path(number)
    }

    /// Says where the committed log ends and which commit is the last, before the first entry is appended.
    pub(crate) fn start(&mut self, end: Position, last: &[u8; 32], counter: u64) {
        self.end = end;
        self.committed = end;
        self.begin_batch(last, counter + 1);
    }

    fn begin_batch(&mut self, previous: &[u8; 32], counter: u64) {
        self.batch = batch_hasher(&self.keys, previous, counter);
        self.batch_entries = 0;
        self.batch_adds = false;
    }

    pub(crate) fn packs(&self) -> &BTreeMap<u32, PackId> {
        &self.packs
    }

    /// Does a pack belong to the log, and stay?
    pub(crate) fn holds(&self, number: u32) -> bool {
        self.packs.contains_key(&number)
    }

    /// Number and sum of the packs, as a commit counts them.
    pub(crate) fn census(&self, without: &[u32]) -> (u32, Sum) {
        let (mut count, mut sum) = (0, Sum::default());
        for pack in self.packs.values().filter(|p| !without.contains(&p.number)) {
            count += 1;
            sum.add(Sum::of_pack(&self.keys, pack));
        }
        (count, sum)
    }

    /// Has anything been appended since the last commit?
    pub(crate) fn pending(&self) -> bool {
        self.batch_entries > 0
    }

    /// Has anything been added since the last commit, not only taken away?
    pub(crate) fn adds(&self) -> bool {
        self.batch_adds
    }

    /// Id for a commit of what was appended since the last one.
    pub(crate) fn batch_id(&self) -> [u8; 32] {
        *self.batch.finalize().as_bytes()
    }

    /// Appends one entry. It is neither durable nor part of the vault before the commit after it is.
    pub(crate) fn append(
        &mut self,
        kind: Type,
        id: [u8; 32],
        encoding: Encoding,
        length: usize,
        stored: &[u8],
    ) -> Result<Location> {
        let head = EntryHead::new(kind, encoding, length, stored.len(), id)?;
        self.append_sealed(&mut head.seal(&self.keys, stored)?)
    }

    /// Appends an entry whose body was sealed before. Otherwise as [`Log::append`].
    pub(crate) fn append_sealed(&mut self, sealed: &mut Sealed) -> Result<Location> {
        self.check_writable()?;
        let head = sealed.head;
        let room = PACK_MAX - u64::from(head.entry_length());
        if self.end.offset >= TARGET || self.end.offset > room {
            self.create_pack()?;
        }
        let pack = self.pack(self.end.pack)?;
        let entry = sealed.finish(&self.keys, &pack, self.end.offset)?;
        self.dirty.insert(pack.number);
        let at_once = head.kind == Type::Commit || entry.len() > TAIL_MAX / 4;
        if at_once || self.tail.len() + entry.len() > TAIL_MAX {
            self.write_tail()?;
        }
        match at_once {
            true => self.write(entry, self.end.offset)?,
            false => self.tail.extend_from_slice(entry),
        }
        let at = Location { pack: pack.number, offset: self.end.offset as u32, length: entry.len() as u32 };
        if head.kind != Type::Commit {
            extend_batch(&mut self.batch, &at, entry);
            self.batch_entries += 1;
            self.batch_adds |= head.kind != Type::Removal;
        }
        self.end.offset = at.end();
        Ok(at)
    }

    /// Goes on in a new pack, whatever room the last one has.
    pub(crate) fn turn(&mut self) -> Result<()> {
        // Synced now, for it may be left out by the commit to come.
        self.dirty.remove(&self.end.pack);
        self.check_writable().and_then(|()| self.create_pack())
    }

    /// A pack with room for a commit must exist before the packs are counted for it.
    pub(crate) fn make_room(&mut self) -> Result<()> {
        match self.end.offset >= TARGET {
            true => self.check_writable().and_then(|()| self.create_pack()),
            false => Ok(()),
        }
    }

    /// Writes what was gathered. If that fails it is kept, to be written once there is room.
    fn write_tail(&mut self) -> Result<()> {
        let tail = std::mem::take(&mut self.tail);
        let written = match tail.is_empty() {
            true => Ok(()),
            false => self.write(&tail, self.end.offset - tail.len() as u64),
        };
        self.tail = tail;
        if written.is_ok() {
            self.tail.clear();
        }
        written
    }

    fn write(&mut self, bytes: &[u8], offset: u64) -> Result<()> {
        let number = self.end.pack;
        let (file, path) = (self.file(number)?, self.path(number)?);
        disk::write_at(&file, &path, bytes, offset).inspect_err(|_| {
            // A torn entry must not stay in front of later ones.
            if let Err(e) = disk::shorten(&file, &path, offset) {
                self.stopped = Some(e.to_string());
            }
        })
    }

    /// The bytes from `offset` of a pack on that were appended and are not written yet, if it is there that they begin
    /// or it is among them.
    fn unwritten(&self, pack: u32, offset: u64) -> Option<&[u8]> {
        let first = self.end.offset.checked_sub(self.tail.len() as u64)?;
        let skip = usize::try_from(offset.checked_sub(first)?).ok()?;
        (pack == self.end.pack && !self.tail.is_empty()).then(|| self.tail.get(skip..)).flatten()
    }

    fn create_pack(&mut self) -> Result<()> {
        self.write_tail()?;
        let numbers = self.packs.keys().chain(self.retiring.keys()).chain(self.leaving.keys());
        let last = numbers.max().copied().unwrap_or(0);
        let number = last.checked_add(1).ok_or_else(|| Error::Limit("no pack number is left".into()))?;
        let pack = PackId::new(number)?;
        // What was cut off the pack before must not come back between its end and this pack.
        if self.packs.contains_key(&self.end.pack) && !self.dirty.contains(&self.end.pack) {
            let (file, path) = (self.file(self.end.pack)?, self.path(self.end.pack)?);
            disk::sync(&file, &path).inspect_err(|error| self.stop(error.to_string()))?;
        }
        // A pack that was deleted must not come back beside a new one of its number.
        if self.dir_dirty {
            disk::sync_dir(&self.dir).inspect_err(|error| self.stop(error.to_string()))?;
        }
        let path = self.dir.join(pack.file_name());
        // From here on, for one that is made and taken away again must not come back either.
        self.dir_dirty = true;
        let file = disk::create(&path)?;
        if let Err(error) = disk::write_at(&file, &path, &pack.header(&self.keys), 0) {
            disk::remove(&path)?;
            return Err(error);
        }
        self.packs.insert(number, pack);
        self.dirty.insert(number);
        self.end = Position { pack: number, offset: HEADER };
        Ok(())
    }

    /// Makes everything appended durable. Once this failed, nothing is written or synced again by this handle.
    pub(crate) fn sync(&mut self) -> Result<()> {
        self.check_writable()?;
        self.write_tail()?;
        let result = self.try_sync();
        if let Err(error) = &result {
            self.stop(error.to_string());
            self.abandon();
        }
        result
    }

    /// Makes what follows a position durable, written by another process that may have failed to sync it: a failed sync
    /// can leave bytes that are read but never written to the disk, so they are written once more.
    pub(crate) fn write_again(&mut self, from: Position) -> Result<()> {
        self.check_writable()?;
        let numbers: Vec<u32> = self.packs.range(from.pack..).map(|(n, _)| *n).collect();
        for number in numbers {
            let (file, path, length) = (self.file(number)?, self.path(number)?, self.length(number)?);
            let mut offset = if number == from.pack { from.offset } else { 0 };
            while offset < length {
                let mut bytes = vec![0; (length - offset).min(1 << 20) as usize];
                disk::read_at(&file, &path, &mut bytes, offset)?;
                disk::write_at(&file, &path, &bytes, offset)?;
                offset += bytes.len() as u64;
            }
            self.dirty.insert(number);
        }
        self.dir_dirty = true;
        self.sync()
    }

    fn try_sync(&mut self) -> Result<()> {
        for number in std::mem::take(&mut self.dirty) {
            disk::sync(&*self.file(number)?, &self.path(number)?)?;
        }
        if std::mem::take(&mut self.dir_dirty) {
            disk::sync_dir(&self.dir)?;
        }
        Ok(())
    }

    /// The commit with this id is durable and counted by the head; the next batch begins.
    pub(crate) fn committed(&mut self, id: &[u8; 32], counter: u64) {
        self.committed = self.end;
        self.leaving.append(&mut self.retiring);
        self.begin_batch(id, counter + 1);
    }

    /// Ends all writing. What is on disk stays as it is.
    pub(crate) fn stop(&mut self, why: String) {
        self.stopped = Some(why);
    }

    /// Has writing ended?
    pub(crate) fn stopped(&self) -> bool {
        self.stopped.is_some()
    }

    /// Cuts off what was not committed, as far as that is possible.
    pub(crate) fn abandon(&mut self) {
        if let Err(error) = self.cut(self.committed) {
            tracing::warn!(%error, "what was not committed could not be cut off; it is ignored at the next opening");
        }
    }

    /// Takes back everything since the last commit, `last`, so that writing can go on from there. What an earlier commit
    /// left out stays left out, deleted or not.
    pub(crate) fn undo(&mut self, last: &[u8; 32], counter: u64) -> Result<()> {
        self.packs.append(&mut self.retiring);
        self.check_writable()?;
        if let Err(error) = self.cut(self.committed) {
            self.stop(error.to_string());
            return Err(error);
        }
        self.start(self.committed, last, counter);
        Ok(())
    }

    fn check_writable(&self) -> Result<()> {
        match &self.stopped {
            None => Ok(()),
            Some(why) => Err(Error::Stopped(why.clone())),
        }
    }

    /// Removes everything after a position: later packs are deleted, its own is shortened.
    pub(crate) fn cut(&mut self, end: Position) -> Result<()> {
        self.tail.clear();
        let later: Vec<PackId> = self.packs.range(end.pack + 1..).map(|(_, p)| *p).collect();
        for pack in later.iter().rev() {
            self.forget(pack.number);
            self.dir_dirty = true;
            disk::remove(&self.dir.join(pack.file_name()))?;
        }
        if self.packs.contains_key(&end.pack) && self.length(end.pack)? > end.offset {
            let path = self.path(end.pack)?;
            disk::shorten(&*self.file(end.pack)?, &path, end.offset)?;
        }
        Ok(())
    }

    /// Leaves packs out from now on: the next commit does not count them and names them as retired.
    pub(crate) fn retire(&mut self, numbers: &[u32]) {
        for number in numbers {
            if let Some(pack) = self.packs.remove(number) {
                self.retiring.insert(*number, pack);
            }
        }
    }

    /// Leaves packs out that a commit on the disk names as retired.
    pub(crate) fn leave_out(&mut self, numbers: &[u32]) {
        for number in numbers {
            if let Some(pack) = self.packs.remove(number) {
                self.leaving.insert(*number, pack);
            }
        }
    }

    /// What a commit names as retired: every pack left out whose deletion is not known to be durable.
    pub(crate) fn retired(&self) -> Vec<u32> {
        let mut numbers: Vec<u32> = self.leaving.keys().chain(self.retiring.keys()).copied().collect();
        numbers.sort_unstable();
        numbers
    }

    /// Deletes the files of the packs that the last commit left out. When it fails the next commit names them again.
    pub(crate) fn sweep(&mut self) -> Result<()> {
        if self.leaving.is_empty() {
            return Ok(());
        }
        self.dir_dirty = true;
        // The oldest first: what takes an entry back comes after it, and must not be gone before it.
        for (number, pack) in self.leaving.clone() {
            self.forget(number);
            disk::remove(&self.dir.join(pack.file_name()))?;
        }
        disk::sync_dir(&self.dir)?;
        self.leaving.clear();
        Ok(())
    }

    fn forget(&mut self, number: u32) {
        self.packs.remove(&number);
        self.dirty.remove(&number);
        self.files.lock().unwrap_or_else(PoisonError::into_inner).remove(&number);
    }

    fn pack(&self, number: u32) -> Result<PackId> {
        self.packs.get(&number).copied().ok_or_else(|| Error::damaged(format!("pack {number} is missing")))
    }

    fn path(&self, number: u32) -> Result<PathBuf> {
        Ok(self.dir.join(self.pack(number)?.file_name()))
    }

    /// The file of a pack, its header verified when it is opened.
    fn file(&self, number: u32) -> Result<Arc<File>> {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(file) = files.get(&number) {
            return Ok(file.clone());
        }
        let (pack, path) = (self.pack(number)?, self.path(number)?);
        let file = disk::open(&path)?;
        if self.headers == OnHeader::Refuse {
            self.check_header(&pack, &file, &path)?;
        }
        if files.len() >= FILES_MAX {
            files.clear();
        }
        let file = Arc::new(file);
        files.insert(number, file.clone());
        Ok(file)
    }

    /// Length of a pack's file.
    pub(crate) fn length(&self, number: u32) -> Result<u64> {
        let written = disk::length(&self.path(number)?)?;
        Ok(if number == self.end.pack { written + self.tail.len() as u64 } else { written })
    }

    /// The head of the entry at a position, or `None` when none can be opened there.
    pub(crate) fn head_at(&self, at: Position) -> Result<Option<EntryHead>> {
        let (pack, path, file) = (self.pack(at.pack)?, self.path(at.pack)?, self.file(at.pack)?);
        if let Some(sealed) = self.unwritten(at.pack, at.offset).and_then(|bytes| bytes.first_chunk::<HEAD_BOX>()) {
            return Ok(EntryHead::open(&self.keys, &pack, at.offset, sealed));
        }
        let mut sealed = [0; HEAD_BOX];
        match disk::read_at(&file, &path, &mut sealed, at.offset) {
            Err(Error::Io { source, .. }) if source.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(None),
            other => other?,
        }
        Ok(EntryHead::open(&self.keys, &pack, at.offset, &sealed))
    }

    /// Reads and opens a whole entry. [`Error::Damaged`] if a bit of it is not as it was written.
    pub(crate) fn read(&self, at: &Location) -> Result<(EntryHead, Wiped)> {
        self.open_entry(at, self.raw(at)?)
    }

    /// Opens an entry whose sealed bytes were read.
    pub(crate) fn open_entry(&self, at: &Location, entry: Vec<u8>) -> Result<(EntryHead, Wiped)> {
        let pack = self.pack(at.pack)?;
        let bad = || Error::damaged(format!("{at}: the entry does not authenticate"));
        let (head, _) = entry.split_at_checked(HEAD_BOX).ok_or_else(bad)?;
        let head = EntryHead::open(&self.keys, &pack, u64::from(at.offset), head).ok_or_else(bad)?;
        if head.entry_length() != at.length {
            return Err(bad());
        }
        let content = head.open_body(&self.keys, Wiped::from(entry), HEAD_BOX).ok_or_else(bad)?;
        Ok((head, content))
    }

    /// Writes an entry again at the end of the log, after all of it was verified, a chunk's id too. Says what it is.
    pub(crate) fn append_again(&mut self, at: &Location) -> Result<(EntryHead, Location)> {
        let (head, encoded) = self.read_encoded(at)?;
        let to = self.append(head.kind, head.id, head.encoding, head.length as usize, &encoded)?;
        Ok((head, to))
    }

    /// Does all the work of writing an entry again but the writing.
    pub(crate) fn seal_again(&self, at: &Location) -> Result<()> {
        let (head, encoded) = self.read_encoded(at)?;
        head.seal(&self.keys, &encoded).map(|_| ())
    }

    /// The content of an entry as it was encoded.
    pub(crate) fn read_encoded(&self, at: &Location) -> Result<(EntryHead, Wiped)> {
        let (head, content) = self.read(at)?;
        if head.kind == Type::Chunk && chunk::id(&self.keys.chunk_id, &content) != head.id {
            return Err(Error::damaged(format!("{at}: a chunk's bytes have another id")));
        }
        if head.encoding == Encoding::Bytes {
            return Ok((head, content));
        }
        let entry = Wiped::from(self.raw(at)?);
        let encoded = head.open_encoded(&self.keys, entry, HEAD_BOX);
        encoded
            .map(|encoded| (head, encoded))
            .ok_or_else(|| Error::damaged(format!("{at}: it changed while it was read")))
    }

    /// The sealed bytes of an entry.
    pub(crate) fn raw(&self, at: &Location) -> Result<Vec<u8>> {
        if u64::from(at.length) > PACK_MAX {
            return Err(Error::damaged(format!("{at}: impossible length {}", at.length)));
        }
        if let Some(entry) = self.unwritten(at.pack, at.offset.into()).and_then(|b| b.get(..at.length as usize)) {
            return Ok(entry.to_vec());
        }
        let mut entry = vec![0; at.length as usize];
        disk::read_at(&*self.file(at.pack)?, &self.path(at.pack)?, &mut entry, u64::from(at.offset))
            .map_err(|e| cut_short(e, || format!("{at}: the pack ends before the entry does")))?;
        Ok(entry)
    }

    /// Visits the entries between two positions in order, and says where entries could not be opened. Where one
    /// cannot, the next multiple of 64 bytes that opens is where the walk goes on.
    pub(crate) fn walk(
        &self,
        from: Position,
        to: Position,
        visit: &mut dyn FnMut(Location, EntryHead) -> Result<()>,
    ) -> Result<Vec<Gap>> {
        let mut gaps = Vec::new();
        let numbers: Vec<u32> = self.packs.range(from.pack..=to.pack).map(|(n, _)| *n).collect();
        for number in numbers {
            let length = self.length(number)?;
            let end = if number == to.pack { to.offset } else { length };
            let start = if number == from.pack { from.offset } else { HEADER };
            if let Err(Error::Damaged(_)) = self.file(number) {
                gaps.push(Gap { pack: number, from: 0, to: length });
                continue;
            }
            self.walk_pack(number, start, end, visit, &mut gaps)?;
        }
        Ok(gaps)
    }

    fn walk_pack(
        &self,
        pack: u32,
        start: u64,
        end: u64,
        visit: &mut dyn FnMut(Location, EntryHead) -> Result<()>,
        gaps: &mut Vec<Gap>,
    ) -> Result<()> {
        let mut offset = start;
        let mut lost_from = None;
        while offset < end {
            let head = self.head_at(Position { pack, offset })?;
            let fits = head.filter(|h| offset + u64::from(h.entry_length()) <= end);
            let Some(head) = fits else {
                lost_from.get_or_insert(offset);
                offset += ALIGN;
                continue;
            };
            if let Some(from) = lost_from.take() {
                gaps.push(Gap { pack, from, to: offset });
            }
            let at = Location { pack, offset: offset as u32, length: head.entry_length() };
            visit(at, head)?;
            offset = at.end();
        }
        if let Some(from) = lost_from {
            gaps.push(Gap { pack, from, to: end });
        }
        Ok(())
    }

    /// Closes the files, so that the next read looks at what is on disk and verifies headers again.
    pub(crate) fn close_files(&self) {
        self.files.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// The place after the last byte of the log.
    pub(crate) fn end(&self) -> Position {
        self.end
    }
}

/// The hasher for the id of the commit with this counter.
pub(crate) fn batch_hasher(keys: &Keys, previous: &[u8; 32], counter: u64) -> blake3::Hasher {
    let mut hasher = blake3::Hasher::new_keyed(&keys.commit_id);
    hasher.update(previous).update(&counter.to_le_bytes());
    hasher
}

/// Adds an entry, as it is on disk, to a batch.
pub(crate) fn extend_batch(batch: &mut blake3::Hasher, at: &Location, entry: &[u8]) {
    batch.update(&at.pack.to_le_bytes()).update(&u64::from(at.offset).to_le_bytes()).update(&tags(entry));
}

fn cut_short(error: Error, what: impl FnOnce() -> String) -> Error {
    match error {
        Error::Io { source, .. } if source.kind() == std::io::ErrorKind::UnexpectedEof => Error::Damaged(what()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use zeroize::Zeroizing;

    use super::*;

    /// A log of three packs, all of them committed.
    fn three_packs(dir: &Path) -> Log {
        let keys = Arc::new(Keys::new([7; 16], Zeroizing::new([9; 32])));
        let mut log = Log::open(dir, keys).unwrap();
        for _ in 0..3 {
            log.turn().unwrap();
        }
        log.sync().unwrap();
        log.committed(&[1; 32], 1);
        log
    }

    fn numbers(log: &Log) -> Vec<u32> {
        log.packs().keys().copied().collect()
    }

    #[test]
    fn pack_that_was_deleted_without_a_sync_is_not_taken_back() {
        let dir = tempfile::TempDir::new().unwrap();
        let mut log = three_packs(dir.path());
        log.retire(&[1]);
        log.committed(&[2; 32], 2);
        std::fs::remove_file(log.dir.join(log.leaving[&1].file_name())).unwrap();
        log.retire(&[2]);
        assert_eq!((numbers(&log), log.retired()), (vec![3], vec![1, 2]));
        log.undo(&[2; 32], 2).unwrap();
        assert_eq!((numbers(&log), log.retired()), (vec![2, 3], vec![1]));
        log.sweep().unwrap();
        assert_eq!((numbers(&log), log.retired()), (vec![2, 3], vec![]));
    }

    #[test]
    fn pack_of_a_step_that_failed_is_not_deleted() {
        let dir = tempfile::TempDir::new().unwrap();
        let mut log = three_packs(dir.path());
        log.retire(&[1, 2]);
        log.sweep().unwrap();
        assert_eq!(disk::list(dir.path()).unwrap().len(), 3);
        log.undo(&[1; 32], 1).unwrap();
        assert_eq!((numbers(&log), log.retired()), (vec![1, 2, 3], vec![]));
    }
}
