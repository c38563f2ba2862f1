//! The records in a vault: in batches, each an object of its own, in the order in which they were imported.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashSet};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::error::{Code, Error, Result};
use crate::home::{Home, Kind};
use crate::record::Record;
use crate::seen::{Seen, Word};
use crate::{meaning, random, view};

/// A record's identity: the digest of all that it holds.
pub type RecordId = [u8; 32];

/// Records in one batch, at most.
const BATCH_RECORDS: usize = 1024;
/// Text bytes in one batch, about.
const BATCH_BYTES: usize = 4 << 20;
/// What marks a deleted record whose bytes were taken out of its batch; before that the mark is empty.
const TAKEN_OUT: &[u8] = b"taken out";
/// Characters of a record's text that a list shows.
const PREVIEW_CHARS: usize = 72;

/// Where records came from.
#[derive(Clone, Serialize, Deserialize, Default)]
pub struct Source {
    /// Records by kind, deleted ones included.
    pub kinds: BTreeMap<String, u64>,
    /// Files that gave records or were kept whole.
    pub files: u64,
    /// How many batches it has; they are named `<source>/<number>`.
    pub batches: u32,
    /// When it was last added to, seconds since 1970.
    pub imported_at: i64,
}

/// Where one record is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The source.
    pub source: String,
    /// The batch's number.
    pub batch: u32,
    /// Its position in the batch.
    pub index: u32,
}

/// The ids of all records that a vault has or had.
pub struct Ids {
    /// Of all that are there: there may be more than memory takes.
    there: Seen,
    /// Makes words of ids, another one each time: they may be written to a file.
    key: [u8; 32],
    /// Of all that were deleted: they do not come back by importing again.
    deleted: HashSet<RecordId>,
}

impl Ids {
    /// Reads them.
    ///
    /// # Errors
    /// `Integrity` where a batch was altered; when no file can be written for them.
    pub fn of(home: &Home) -> Result<Ids> {
        let mut ids = Ids { there: Seen::new(home.dir.clone()), key: random::bytes::<32>()?, deleted: deleted(home)? };
        each(home, &[], &mut |_, record| ids.add(&record.identity()?).map(|_| ()))?;
        Ok(ids)
    }

    /// Was the record deleted?
    pub(crate) fn deleted(&self, id: &RecordId) -> bool {
        self.deleted.contains(id)
    }

    /// Notes a record that is about to be added. Whether it was not there.
    ///
    /// # Errors
    /// When no file can be written for them.
    pub(crate) fn add(&mut self, id: &RecordId) -> Result<bool> {
        Ok(self.there.insert(self.word(id))?)
    }

    /// Forgets records that were not added after all.
    ///
    /// # Errors
    /// When what was written of them cannot be read.
    pub(crate) fn forget(&mut self, ids: &[RecordId]) -> Result<()> {
        ids.iter().try_for_each(|id| Ok(self.there.remove(&self.word(id))?))
    }

    /// The first half of a keyed digest: two records share it by chance only, and nobody can look for such a pair.
    fn word(&self, id: &RecordId) -> Word {
        let digest = Sha256::new().chain_update(self.key).chain_update(id).finalize();
        let mut word = Word::default();
        word.copy_from_slice(&digest[..16]);
        word
    }
}

/// The ids of records that were deleted, taken out or not.
pub(crate) fn deleted(home: &Home) -> Result<HashSet<RecordId>> {
    home.names(Kind::Deleted)?.iter().map(|name| parse_id(name)).collect()
}

/// Visits every record that is not deleted, in order; only of `sources`, where any are named.
///
/// # Errors
/// `NotFound` for an unknown source; `Integrity` where a batch was altered; what `visit` returns.
pub fn each(home: &Home, sources: &[String], visit: &mut dyn FnMut(Place, Record) -> Result<()>) -> Result<()> {
    let deleted = deleted(home)?;
    let names = if sources.is_empty() { home.names(Kind::Source)? } else { sources.to_vec() };
    for name in names {
        for batch in 0..source(home, &name)?.batches {
            for (index, record) in read_batch(home, &name, batch)?.into_iter().enumerate() {
                let Some(record) = record else { continue };
                if deleted.is_empty() || !deleted.contains(&record.identity()?) {
                    visit(Place { source: name.clone(), batch, index: index as u32 }, record)?;
                }
            }
        }
    }
    Ok(())
}

/// The source with this name.
///
/// # Errors
/// `NotFound` where there is none.
pub(crate) fn source(home: &Home, name: &str) -> Result<Source> {
    home.find(Kind::Source, name)?.ok_or_else(|| {
        Error::not_found(format!("there is no source {name:?}")).hint("`usufruct source list` shows them.")
    })
}

/// The records at `places`, in that order.
///
/// # Errors
/// `Integrity` where a batch was altered, `Refused` where a record was deleted.
pub fn at(home: &Home, places: &[Place], progress: &mut dyn FnMut(u64, u64) -> Result<()>) -> Result<Vec<Record>> {
    let records = there(home, places, progress)?;
    records.into_iter().enumerate().map(|(position, record)| present(position, record)).collect()
}

/// The record at a position of a dataset.
///
/// # Errors
/// `Refused` where it was deleted.
pub(crate) fn present(position: usize, record: Option<Record>) -> Result<Record> {
    record.ok_or_else(|| {
        Error::refused(format!("record {position} of the dataset was deleted from the vault"))
            .hint("Create the dataset again under another name.")
    })
}

/// The records at `places`, in that order; nothing for one that was taken out.
///
/// # Errors
/// `Integrity` where a batch was altered.
pub(crate) fn there(
    home: &Home,
    places: &[Place],
    progress: &mut dyn FnMut(u64, u64) -> Result<()>,
) -> Result<Vec<Option<Record>>> {
    let mut found: Vec<Option<Record>> = vec![None; places.len()];
    visit(home, places, progress, &mut |position, record| {
        found[position] = record;
        Ok(())
    })?;
    Ok(found)
}

/// Visits the records at `places` with their positions there, batch after batch; nothing for one that was taken out.
///
/// # Errors
/// `Integrity` where a batch was altered; what `progress` and `visit` return.
pub(crate) fn visit(
    home: &Home,
    places: &[Place],
    progress: &mut dyn FnMut(u64, u64) -> Result<()>,
    visit: &mut dyn FnMut(usize, Option<Record>) -> Result<()>,
) -> Result<()> {
    let mut wanted: BTreeMap<(&str, u32), Vec<usize>> = BTreeMap::new();
    for (position, place) in places.iter().enumerate() {
        wanted.entry((&place.source, place.batch)).or_default().push(position);
    }
    let mut done = 0;
    for ((source, batch), positions) in wanted {
        let mut records = read_batch(home, source, batch)?;
        for position in positions {
            visit(position, records.get_mut(places[position].index as usize).and_then(Option::take))?;
            done += 1;
        }
        progress(done, places.len() as u64)?;
    }
    Ok(())
}

/// A batch, with nothing in the places of records that were deleted.
pub(crate) fn read_batch(home: &Home, source: &str, batch: u32) -> Result<Vec<Option<Record>>> {
    home.find(Kind::Records, &batch_name(source, batch))?.ok_or_else(|| {
        Error::integrity(format!("batch {batch} of source {source:?} is missing from the vault"))
            .hint("`usufruct vault check --read-data` says what else is.")
    })
}

/// The sources whose batches hold one of these records, deleted or not.
///
/// # Errors
/// `Integrity` where a batch was altered.
pub(crate) fn sources_with(home: &Home, ids: &HashSet<RecordId>) -> Result<BTreeSet<String>> {
    let mut found = BTreeSet::new();
    for (name, source) in home.all::<Source>(Kind::Source)? {
        for batch in 0..source.batches {
            for record in read_batch(home, &name, batch)?.iter().flatten() {
                if ids.contains(&record.identity()?) {
                    found.insert(name.clone());
                }
            }
        }
    }
    Ok(found)
}

/// Takes records out of the batches of some sources, and their vectors; the others keep their places. They stay marked as deleted, for good.
/// The caller commits.
///
/// # Errors
/// `Integrity` where a batch was altered; when the vault cannot be written.
pub(crate) fn take_out(home: &mut Home, sources: &BTreeSet<String>, ids: &HashSet<RecordId>) -> Result<()> {
    for name in sources {
        let source: Source = home.find(Kind::Source, name)?.unwrap_or_default();
        for batch in 0..source.batches {
            let mut records = read_batch(home, name, batch)?;
            let mut taken = Vec::new();
            for (index, place) in records.iter_mut().enumerate() {
                let id = place.as_ref().map(Record::identity).transpose()?;
                if id.is_some_and(|id| ids.contains(&id)) {
                    *place = None;
                    taken.push(index as u32);
                }
            }
            if !taken.is_empty() {
                home.keep(Kind::Records, &batch_name(name, batch), &records)?;
            }
            for index in taken {
                meaning::forget(home, &Place { source: name.clone(), batch, index })?;
            }
        }
    }
    ids.iter().try_for_each(|id| home.keep_bytes(Kind::Deleted, &hex::encode(id), TAKEN_OUT))
}

/// The ids of records that were deleted and whose bytes are still in their batches.
///
/// # Errors
/// `Integrity` where the vault's entries cannot be read.
pub(crate) fn marked(home: &Home) -> Result<HashSet<RecordId>> {
    let mut marked = HashSet::new();
    for name in home.names(Kind::Deleted)? {
        if home.find_bytes(Kind::Deleted, &name)?.is_some_and(|mark| *mark != TAKEN_OUT) {
            marked.insert(parse_id(&name)?);
        }
    }
    Ok(marked)
}

fn batch_name(source: &str, batch: u32) -> String {
    format!("{source}/{batch}")
}

/// Adds records to one source, in batches.
pub struct Adding {
    name: String,
    source: Source,
    records: Vec<Record>,
    bytes: usize,
}

impl Adding {
    /// Starts to add to the source `name`, which may be new.
    ///
    /// # Errors
    /// `Integrity` where the vault's entry for it cannot be read.
    pub fn to(home: &Home, name: &str) -> Result<Self> {
        let source = home.find(Kind::Source, name)?.unwrap_or_default();
        Ok(Adding { name: name.to_owned(), source, records: Vec::new(), bytes: 0 })
    }

    /// Adds one record.
    ///
    /// # Errors
    /// When the vault cannot be written.
    pub fn record(&mut self, home: &mut Home, record: Record) -> Result<()> {
        *self.source.kinds.entry(record.kind.clone()).or_default() += 1;
        self.bytes += record.text.as_ref().map_or(64, String::len);
        self.records.push(record);
        if self.records.len() >= BATCH_RECORDS || self.bytes >= BATCH_BYTES { self.flush(home) } else { Ok(()) }
    }

    /// Lets what comes next have batches of its own, and returns what [`Adding::back_to`] goes back to.
    ///
    /// # Errors
    /// When the vault cannot be written.
    pub(crate) fn mark(&mut self, home: &mut Home) -> Result<Source> {
        self.flush(home)?;
        Ok(self.source.clone())
    }

    /// Takes back all that was added since `mark` was made. Nothing may have been committed since.
    ///
    /// # Errors
    /// When the vault cannot be written; what was added belongs to no source then.
    pub(crate) fn back_to(&mut self, home: &mut Home, mark: Source) -> Result<()> {
        let added = mark.batches..self.source.batches;
        (self.source, self.bytes) = (mark, 0);
        self.records.clear();
        added.into_iter().try_for_each(|batch| home.forget(Kind::Records, &batch_name(&self.name, batch)))
    }

    /// Counts one file.
    pub fn file(&mut self) {
        self.source.files += 1;
    }

    /// Writes what is left, and the source. The caller commits.
    ///
    /// # Errors
    /// When the vault cannot be written.
    pub fn finish(&mut self, home: &mut Home, now: i64) -> Result<()> {
        self.flush(home)?;
        self.source.imported_at = now;
        home.keep(Kind::Source, &self.name, &self.source)
    }

    fn flush(&mut self, home: &mut Home) -> Result<()> {
        if self.records.is_empty() {
            return Ok(());
        }
        home.keep(Kind::Records, &batch_name(&self.name, self.source.batches), &self.records)?;
        self.source.batches += 1;
        self.records.clear();
        self.bytes = 0;
        Ok(())
    }
}

/// All sources.
///
/// # Errors
/// `Integrity` where one cannot be read.
pub fn sources(home: &Home) -> Result<view::Sources> {
    let sources = home.all::<Source>(Kind::Source)?;
    let view = |(name, source): (String, Source)| view::Source {
        name,
        records: source.kinds.values().sum(),
        kinds: source.kinds.into_keys().collect(),
        files: source.files,
        imported_at: crate::time::rfc3339(source.imported_at),
    };
    Ok(view::Sources { sources: sources.into_iter().map(view).collect() })
}

/// Records that contain every word of `query` (all records for an empty one), newest first.
///
/// # Errors
/// `NotFound` for an unknown source.
pub fn search(home: &Home, source: Option<&str>, query: &str, limit: usize) -> Result<view::Records> {
    let words: Vec<String> = query.split_whitespace().map(str::to_lowercase).collect();
    let sources: Vec<String> = source.map(str::to_owned).into_iter().collect();
    // Only what is shown is held: the vault may have more than memory takes.
    let (mut newest, mut total) = (Vec::<Record>::new(), 0);
    each(home, &sources, &mut |_, record| {
        if words.is_empty() || holds(&record, &words) {
            total += 1;
            let rank = newest.partition_point(|known| known.time >= record.time);
            if rank < limit {
                newest.truncate(limit - 1);
                newest.insert(rank, record);
            }
        }
        Ok(())
    })?;
    Ok(view::Records { total, records: newest.iter().map(shown).collect::<Result<_>>()? })
}

fn holds(record: &Record, words: &[String]) -> bool {
    let text = searched(record).to_lowercase();
    words.iter().all(|word| text.contains(word))
}

fn searched(record: &Record) -> String {
    let mut text = record.text.clone().unwrap_or_default();
    for (name, value) in &record.fields {
        text.push_str(&format!("\n{name} {}", value.display()));
    }
    text
}

/// One record, for a reader.
///
/// # Errors
/// `Failure` where it cannot be encoded.
pub(crate) fn shown(record: &Record) -> Result<view::Record> {
    shown_as(record, &[])
}

/// A record as a dataset would have it that masks these kinds; under its own id.
pub(crate) fn shown_as(record: &Record, masked: &[view::Identifier]) -> Result<view::Record> {
    let text = crate::identifier::masked(&searched(record), masked);
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut preview: String = line.chars().take(PREVIEW_CHARS).collect();
    if preview.len() < line.len() {
        preview.push('…');
    }
    Ok(view::Record {
        id: hex::encode(record.identity()?),
        kind: record.kind.clone(),
        source: record.source.clone(),
        time: record.time.map(crate::time::rfc3339),
        preview,
        closeness: None,
    })
}

/// How many of the records at `places` were deleted.
///
/// # Errors
/// `Integrity` where a batch was altered.
pub fn deleted_among(home: &Home, places: &[Place]) -> Result<usize> {
    let deleted = deleted(home)?;
    if deleted.is_empty() {
        return Ok(0);
    }
    let mut batches = BTreeMap::new();
    let mut count = 0;
    for Place { source, batch, index } in places {
        let records = match batches.entry((source, batch)) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => new.insert(read_batch(home, source, *batch)?),
        };
        let gone = match records.get(*index as usize).and_then(Option::as_ref) {
            Some(record) => deleted.contains(&record.identity()?),
            None => true,
        };
        count += usize::from(gone);
    }
    Ok(count)
}

/// Deletes the record whose id begins with `id`: no list, search or new dataset holds it from then on, and importing it
/// again does not bring it back. [`restore`] takes that back, until [`crate::deletion::finish`] has taken its bytes out.
///
/// # Errors
/// `NotFound` for no such record, `Usage` for an ambiguous one, `Refused` while a dataset that is published and active holds it.
pub fn delete(home: &mut Home, id: &str, dry_run: bool) -> Result<view::Deleted> {
    let mut matching = Vec::new();
    each(home, &[], &mut |place, record| {
        if !id.is_empty() && hex::encode(record.identity()?).starts_with(&id.to_lowercase()) {
            matching.push((place, record.identity()?, shown(&record)?));
        }
        Ok(())
    })?;
    if matching.len() > 1 {
        return Err(
            Error::new(Code::Usage, format!("{} records begin with {id}", matching.len())).hint("Give more of the id.")
        );
    }
    let Some((place, found, view)) = matching.pop() else {
        return Err(Error::not_found(format!("there is no record {id:?}")));
    };
    if let Some(name) = crate::dataset::active_with(home, &place)? {
        return Err(Error::refused(format!("the active dataset {name:?} holds this record"))
            .hint("A record can be deleted once no active dataset holds it."));
    }
    if !dry_run {
        home.keep_bytes(Kind::Deleted, &hex::encode(found), &[])?;
        home.commit()?;
    }
    Ok(view::Deleted { records: vec![view], files: Vec::new(), deleted: !dry_run })
}

/// Takes a deletion back: the record is listed again.
///
/// # Errors
/// `NotFound` where no deleted record has this id, `Refused` where its bytes were taken out already.
pub fn restore(home: &mut Home, id: &str) -> Result<()> {
    let id = id.to_lowercase();
    match home.find_bytes(Kind::Deleted, &id)? {
        None => return Err(Error::not_found(format!("no deleted record has the id {id:?}"))),
        Some(mark) if *mark == TAKEN_OUT => {
            return Err(Error::refused("the bytes of this record were taken out of the vault")
                .hint("Only a backup from before holds it."));
        }
        Some(_) => {}
    }
    home.forget(Kind::Deleted, &id)?;
    home.commit()
}

/// A record's id from its name in the vault.
///
/// # Errors
/// `Integrity` where it is none.
pub(crate) fn parse_id(name: &str) -> Result<RecordId> {
    let mut id = RecordId::default();
    hex::decode_to_slice(name, &mut id)
        .map_err(|_| Error::integrity(format!("the vault names a deleted record {name:?}, which is no id")))?;
    Ok(id)
}
