//! Search by meaning: a vector for each record, made by the local model in a worker and kept in the vault, in parts beside the
//! batch that holds the record. A search reads all vectors, one part at a time, and keeps the nearest: memory does not grow
//! with the vault. Nothing is asked of a network.

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashSet, VecDeque};
use std::ops::Range;

use compute::Row;
use serde_bytes::ByteBuf;
use vault::Read as _;

use crate::args::DeviceChoice;
use crate::error::{Code, Error, Result};
use crate::home::{Home, Kind};
use crate::library::{self, Place, RecordId};
use crate::model::{self, Known};
use crate::progress::Progress;
use crate::record::{Record, Selection};
use crate::view;
use crate::worker::encoder::{self, Encoder};

/// Records in one part: what is lost at most when reading is cut short.
const PART: usize = 256;
/// Texts that the worker gets at a time: progress is told, and a stop heard, after each.
const ASKED: usize = 64;
/// Fields that say what a text is about; they are read before it.
const TITLES: [&str; 3] = ["title", "subject", "conversation_title"];
/// Longest query, in bytes.
const MAX_QUERY_BYTES: usize = 4096;
/// Records that a search names, at most.
const MOST: usize = 1000;
/// Bytes of an id.
const ID: usize = size_of::<RecordId>();
/// Characters of a model's digest in the names of parts: vectors of another model are never compared.
const MODEL_CHARS: usize = 16;

/// The vectors of some records of one batch, one after another: an id and a row each, or zeros where no record is any more.
struct Part {
    name: String,
    place: Place,
    bytes: Vec<u8>,
}

/// Reads the records that have no vector yet, part by part.
pub struct Reading {
    encoder: Encoder,
    waiting: VecDeque<(String, u32)>,
    batch: Option<Batch>,
    others: Vec<String>,
    progress: Progress,
    done: u64,
    total: u64,
}

/// A batch whose records are being read.
struct Batch {
    source: String,
    number: u32,
    records: Vec<Option<Record>>,
    /// Where its next part begins.
    at: usize,
    /// The names of the parts that it has.
    kept: HashSet<String>,
}

/// Vectors that were made and are not kept yet.
pub struct Made {
    part: Part,
    /// Parts of another model, which go when these come.
    others: Vec<String>,
}

impl Reading {
    /// Starts the model for what is left to read.
    ///
    /// # Errors
    /// `NotFound` without a model; `Refused` where its worker is not confined; what the vault says.
    pub fn start(home: &Home, device: &DeviceChoice) -> Result<Reading> {
        let model = model::for_search()?;
        let parts = parts(home, &model)?;
        let (mut waiting, mut total) = (VecDeque::new(), 0);
        for (name, source) in home.all::<library::Source>(Kind::Source)? {
            let read: u64 = of_source(&parts, &model, &name).map(|(_, records)| records).sum();
            let left = source.kinds.values().sum::<u64>().saturating_sub(read);
            if left > 0 {
                total += left;
                waiting.extend((0..source.batches).map(|batch| (name.clone(), batch)));
            }
        }
        let encoder = Encoder::start(home, model, device)?;
        let others = home.names(Kind::Meaning)?.into_iter().filter(|name| !parts.contains_key(name)).collect();
        let progress = Progress::start("reading records for their meaning");
        Ok(Reading { encoder, waiting, batch: None, others, progress, done: 0, total })
    }

    /// The vectors of the next records that have none; nothing once all have one.
    ///
    /// # Errors
    /// What the worker failed at; `Interrupted`; what the vault says.
    pub fn next(&mut self, home: &Home) -> Result<Option<Made>> {
        loop {
            let Some(batch) = &mut self.batch else {
                let Some((source, number)) = self.waiting.pop_front() else { return Ok(None) };
                self.batch = Some(Batch::open(home, self.encoder.model(), source, number)?);
                continue;
            };
            let range = batch.at..batch.records.len().min(batch.at + PART);
            if range.is_empty() {
                self.batch = None;
                continue;
            }
            let name = part_name(self.encoder.model(), &batch.source, batch.number, range.start);
            batch.at = range.end;
            if !batch.kept.contains(&name) {
                return self.made(name, range).map(Some);
            }
        }
    }

    fn made(&mut self, name: String, range: Range<usize>) -> Result<Made> {
        let Some(batch) = &self.batch else { return Err(Error::failure("there is no batch")) };
        let width = self.encoder.width();
        let mut bytes = vec![0; range.len() * (ID + width)];
        let there: Vec<(usize, &Record)> = batch.records[range.clone()]
            .iter()
            .enumerate()
            .filter_map(|(at, record)| record.as_ref().map(|record| (at, record)))
            .collect();
        let mut told = 0;
        for some in there.chunks(ASKED) {
            self.progress.at(self.done + told, self.total)?;
            let texts = some.iter().map(|(_, record)| ByteBuf::from(text(record))).collect();
            let rows = self.encoder.rows(texts)?;
            for ((at, record), row) in some.iter().zip(rows.chunks_exact(width)) {
                let slot = &mut bytes[at * (ID + width)..][..ID + width];
                slot[..ID].copy_from_slice(&record.identity()?);
                slot[ID..].copy_from_slice(row);
            }
            told += some.len() as u64;
        }
        self.done += range.len() as u64;
        self.progress.at(self.done, self.total)?;
        let place = Place { source: batch.source.clone(), batch: batch.number, index: range.start as u32 };
        Ok(Made { part: Part { name, place, bytes }, others: std::mem::take(&mut self.others) })
    }
}

impl Batch {
    fn open(home: &Home, model: &Known, source: String, number: u32) -> Result<Batch> {
        let records = library::read_batch(home, &source, number)?;
        let mut kept = HashSet::new();
        for at in (0..records.len()).step_by(PART) {
            let name = part_name(model, &source, number, at);
            if home.has(Kind::Meaning, &name)? {
                kept.insert(name);
            }
        }
        Ok(Batch { source, number, records, at: 0, kept })
    }
}

impl Made {
    /// Keeps the vectors of the records that are still at their places.
    ///
    /// # Errors
    /// When the vault cannot be written.
    pub fn keep(&self, home: &mut Home) -> Result<()> {
        let Part { name, place, bytes } = &self.part;
        let mut bytes = bytes.clone();
        let records = library::read_batch(home, &place.source, place.batch)?;
        let there = records.iter().skip(place.index as usize).take(PART);
        let slot = bytes.len() / there.len().max(1);
        for (slot, record) in bytes.chunks_exact_mut(slot.max(ID)).zip(there) {
            let id = record.as_ref().map(Record::identity).transpose()?;
            if id.is_none_or(|id| slot[..ID] != id) {
                slot.fill(0);
            }
        }
        self.others.iter().try_for_each(|other| home.forget(Kind::Meaning, other))?;
        home.keep_bytes(Kind::Meaning, name, &bytes)?;
        home.commit()
    }
}

/// Reads what has no vector yet, then searches like [`search`]. Where another program holds the vault nothing can be kept, and
/// what was read until now is searched.
///
/// # Errors
/// Like [`Reading::start`], [`Reading::next`] and [`search`]; what was read until an error is kept.
pub fn ask(
    home: &mut Home,
    source: Option<&str>,
    query: &str,
    limit: usize,
    device: &DeviceChoice,
) -> Result<view::Records> {
    let query = Query::check(home, source, query)?;
    let mut reading = Reading::start(home, device)?;
    if reading.total > 0 && !home.is_held() {
        eprintln!("another program has this vault open: {} records are not searched", reading.total);
    } else {
        while let Some(made) = reading.next(home)? {
            made.keep(home)?;
        }
    }
    query.nearest(home, &mut reading.encoder, limit)
}

/// Which model reads, and how many records it has not read yet.
///
/// # Errors
/// When the vault or the folders of models cannot be read.
pub fn status(home: &Home) -> Result<view::Meaning> {
    let model = match model::for_search() {
        Ok(model) => Some(model),
        Err(error) if error.code == Code::NotFound => None,
        Err(error) => return Err(error),
    };
    let (mut records, mut read) = (0, 0);
    for (_, source) in home.all::<library::Source>(Kind::Source)? {
        records += source.kinds.values().sum::<u64>();
    }
    if let Some(model) = &model {
        read = parts(home, model)?.values().sum();
    }
    Ok(view::Meaning { model: model.map(|model| model.name), unread: records.saturating_sub(read) })
}

/// The `limit` records nearest to the meaning of `query`, nearest first, by the cosine of their vectors; of equally near ones
/// the one with the lesser id comes first. All vectors are compared; records without one are not found.
///
/// # Errors
/// `Usage` for an empty or a very long query; `NotFound` for an unknown source; what the worker failed at.
pub fn search(
    home: &Home,
    encoder: &mut Encoder,
    source: Option<&str>,
    query: &str,
    limit: usize,
) -> Result<view::Records> {
    Query::check(home, source, query)?.nearest(home, encoder, limit)
}

/// The model, ready to be asked by [`search`].
///
/// # Errors
/// `NotFound` without a model; what its worker failed at.
pub fn encoder(home: &Home, device: &DeviceChoice) -> Result<Encoder> {
    Encoder::start(home, model::for_search()?, device)
}

/// Whether [`search`] would take this, before a model is started for it.
///
/// # Errors
/// Like [`search`].
pub fn check(home: &Home, source: Option<&str>, query: &str) -> Result<()> {
    Query::check(home, source, query).map(|_| ())
}

/// What is looked for, and where.
struct Query<'a> {
    words: &'a str,
    source: Option<&'a str>,
}

impl<'a> Query<'a> {
    fn check(home: &Home, source: Option<&'a str>, words: &'a str) -> Result<Query<'a>> {
        let words = words.trim();
        if words.is_empty() || words.len() > MAX_QUERY_BYTES {
            return Err(Error::usage(format!("what is looked for has 1 to {MAX_QUERY_BYTES} bytes")));
        }
        if let Some(source) = source {
            library::source(home, source)?;
        }
        Ok(Query { words, source })
    }

    fn nearest(&self, home: &Home, encoder: &mut Encoder, limit: usize) -> Result<view::Records> {
        let wanted = encoder.rows(vec![ByteBuf::from(self.words)])?;
        let deleted = library::deleted(home)?;
        let mut nearest = Nearest { limit: limit.min(MOST), compared: 0, found: Vec::new() };
        for name in parts(home, encoder.model())?.keys() {
            let place = place_of(name)?;
            if self.source.is_some_and(|source| source != place.source) {
                continue;
            }
            let Some(bytes) = home.find_bytes(Kind::Meaning, name)? else { continue };
            for (at, slot) in bytes.chunks_exact(ID + encoder.width()).enumerate() {
                let (id, row) =
                    slot.split_first_chunk::<ID>().ok_or_else(|| Error::integrity("a vector is cut short"))?;
                if *id == [0; ID] || deleted.contains(id) {
                    continue;
                }
                nearest.take(compute::output::cosine(&wanted, row), id, &place, at);
            }
        }
        nearest.shown(home)
    }
}

/// A record that was compared.
struct Hit {
    closeness: f32,
    id: RecordId,
    place: Place,
}

/// The nearest of those that were compared.
struct Nearest {
    limit: usize,
    compared: u64,
    found: Vec<Hit>,
}

impl Nearest {
    /// Compares one more: the record `at` places behind the one at `first`.
    fn take(&mut self, closeness: f32, id: &RecordId, first: &Place, at: usize) {
        self.compared += 1;
        let nearer = |known: &Hit| closeness.total_cmp(&known.closeness).then(known.id.cmp(id)) == Ordering::Less;
        let rank = self.found.partition_point(nearer);
        if rank < self.limit {
            self.found.truncate(self.limit - 1);
            let place = Place { index: first.index + at as u32, ..first.clone() };
            self.found.insert(rank, Hit { closeness, id: *id, place });
        }
    }

    fn shown(self, home: &Home) -> Result<view::Records> {
        let places: Vec<Place> = self.found.iter().map(|hit| hit.place.clone()).collect();
        let mut records = Vec::with_capacity(places.len());
        for (hit, record) in self.found.iter().zip(library::there(home, &places, &mut |_, _| Ok(()))?) {
            // One that was taken out a moment ago is no longer there.
            let Some(record) = record else { continue };
            records.push(view::Record { closeness: Some(hit.closeness), ..library::shown(&record)? });
        }
        Ok(view::Records { total: self.compared, records })
    }
}

/// Forgets the vector of the record at a place. The caller commits.
///
/// # Errors
/// When the vault cannot be written.
pub(crate) fn forget(home: &mut Home, place: &Place) -> Result<()> {
    let (part, at) = (place.index as usize / PART * PART, place.index as usize % PART);
    let end = format!("/{}/{}/{part}", place.source, place.batch);
    for name in home.names(Kind::Meaning)?.into_iter().filter(|name| name.get(MODEL_CHARS..) == Some(&end)) {
        let Some(mut bytes) = home.find_bytes(Kind::Meaning, &name)? else { continue };
        let records = library::read_batch(home, &place.source, place.batch)?.len().saturating_sub(part).min(PART);
        let width = bytes.len() / records.max(1);
        if let Some(slot) = bytes.get_mut(at * width..(at + 1) * width) {
            slot.fill(0);
        }
        home.keep_bytes(Kind::Meaning, &name, &bytes)?;
    }
    Ok(())
}

/// What the model reads of a record: what it is called, then its text, or else its fields.
fn text(record: &Record) -> Vec<u8> {
    let mut lines = Vec::new();
    if record.text.is_some() {
        lines.extend(
            TITLES.iter().filter_map(|name| record.fields.get(*name)).map(|value| value.display().into_owned()),
        );
    }
    lines.push(record.readable(&Selection::All));
    Row::new(lines.join("\n")).head().as_bytes().to_vec()
}

/// The parts that `model` made: name and how many records are in it.
fn parts(home: &Home, model: &Known) -> Result<BTreeMap<String, u64>> {
    let (of, slot) = (model_chars(model), (ID + encoder::width(model)) as u64);
    let entries = home.vault.list(Kind::Meaning.word())?.into_iter();
    Ok(entries.filter(|entry| entry.name.starts_with(&of)).map(|entry| (entry.name, entry.bytes / slot)).collect())
}

fn of_source<'a>(
    parts: &'a BTreeMap<String, u64>,
    model: &Known,
    source: &str,
) -> impl Iterator<Item = (&'a String, u64)> {
    let begin = format!("{}/{source}/", model_chars(model));
    parts.iter().filter(move |(name, _)| name.starts_with(&begin)).map(|(name, records)| (name, *records))
}

fn model_chars(model: &Known) -> String {
    hex::encode(&model.digest[..MODEL_CHARS / 2])
}

/// `MODEL/SOURCE/BATCH/FIRST`; a source's name has no slash.
fn part_name(model: &Known, source: &str, batch: u32, first: usize) -> String {
    format!("{}/{source}/{batch}/{first}", model_chars(model))
}

fn place_of(name: &str) -> Result<Place> {
    let wrong = || Error::integrity(format!("the vault names vectors {name:?}, which is no place"));
    match name.split('/').collect::<Vec<_>>()[..] {
        [_, source, batch, index] => Ok(Place {
            source: source.to_owned(),
            batch: batch.parse().map_err(|_| wrong())?,
            index: index.parse().map_err(|_| wrong())?,
        }),
        _ => Err(wrong()),
    }
}
