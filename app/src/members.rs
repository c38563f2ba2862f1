//! The records of an opened dataset. All of them stay in memory where they are few; of more, a span at a time is read from the
//! vault again, so that a job's memory does not grow with the texts it reads.

use std::sync::{Mutex, PoisonError};

use crate::error::{Error, Result};
use crate::home::Home;
use crate::library::{self, Place};
use crate::record::{Record, Value};
use crate::{identifier, view};

/// Bytes of records that are kept in memory at a time, about.
pub(crate) const SPAN_BYTES: usize = 64 << 20;
/// Bytes that a record or a field of it takes besides its text, about.
const AROUND: usize = 96;

/// The records of a dataset, in order.
pub struct Members {
    count: usize,
    span: Mutex<Span>,
    away: Option<Away>,
}

/// Records that follow each other.
#[derive(Default)]
struct Span {
    first: usize,
    records: Vec<Record>,
}

/// Where those come from that are not in memory.
struct Away {
    home: Home,
    places: Vec<Place>,
    masked: Vec<view::Identifier>,
    /// What each takes of memory, about.
    bytes: Vec<u32>,
    /// What a span may take.
    most: usize,
}

impl Members {
    /// Records that are in memory.
    pub fn here(records: Vec<Record>) -> Self {
        let count = records.len();
        Members { count, span: Mutex::new(Span { first: 0, records }), away: None }
    }

    /// The records at `places`, with identifiers of the kinds in `masked` replaced. Each is shown to `look` with its position once,
    /// in the order in which they lie in the vault. Of more than `most` bytes a span of as many is in memory at a time.
    ///
    /// # Errors
    /// `Integrity` where a batch was altered; `Refused` where a record was deleted; what `look` and `progress` return.
    pub fn read(
        most: usize,
        home: &Home,
        places: Vec<Place>,
        masked: &[view::Identifier],
        progress: &mut dyn FnMut(u64, u64) -> Result<()>,
        look: &mut dyn FnMut(usize, &Record) -> Result<()>,
    ) -> Result<Self> {
        // Who does not hold the vault has no second handle on it.
        let another = home.another().ok();
        let (mut kept, mut bytes, mut all) = (vec![None; places.len()], vec![0; places.len()], 0);
        library::visit(home, &places, progress, &mut |position, record| {
            let mut record = library::present(position, record)?;
            identifier::mask(&mut record, masked);
            look(position, &record)?;
            bytes[position] = u32::try_from(weight(&record)).unwrap_or(u32::MAX);
            all += weight(&record);
            if all <= most || another.is_none() {
                kept[position] = Some(record);
            } else {
                kept.clear();
            }
            Ok(())
        })?;
        let records: Vec<Record> = kept.into_iter().flatten().collect();
        match another {
            Some(home) if records.len() < places.len() => {
                let (count, span) = (places.len(), Mutex::default());
                Ok(Members { count, span, away: Some(Away { home, places, masked: masked.to_vec(), bytes, most }) })
            }
            _ => Ok(Members::here(records)),
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// What `look` makes of the record at a position. Rising positions are read once.
    ///
    /// # Errors
    /// As [`Members::read`]; `Failure` for a position that is none.
    pub fn with<T>(&self, position: usize, look: impl FnOnce(&Record) -> T) -> Result<T> {
        let mut span = self.span.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(away) = self.away.as_ref().filter(|_| span.get(position).is_none()) {
            *span = Span::default();
            *span = away.span(position)?;
        }
        span.get(position).map(look).ok_or_else(|| Error::failure(format!("there is no record {position}")))
    }

    /// All of them.
    ///
    /// # Errors
    /// As [`Members::read`].
    pub fn all(&self) -> Result<Vec<Record>> {
        (0..self.count).map(|position| self.with(position, Record::clone)).collect()
    }
}

impl Span {
    fn get(&self, position: usize) -> Option<&Record> {
        position.checked_sub(self.first).and_then(|at| self.records.get(at))
    }
}

impl Away {
    /// The records from `first` on, as many as a span holds and at least one.
    fn span(&self, first: usize) -> Result<Span> {
        let mut room = self.most;
        let fits = |bytes: &&u32| room.checked_sub(**bytes as usize).map(|left| room = left).is_some();
        let count = self.bytes.iter().skip(first).take_while(fits).count().max(1);
        let places = self.places.get(first..self.places.len().min(first + count)).unwrap_or_default();
        let mut records = library::at(&self.home, places, &mut |_, _| crate::progress::check_interrupt())?;
        records.iter_mut().for_each(|record| identifier::mask(record, &self.masked));
        Ok(Span { first, records })
    }
}

/// Bytes that a record takes in memory, about.
fn weight(record: &Record) -> usize {
    let value = |value: &Value| match value {
        Value::Text(text) => text.len(),
        _ => 0,
    };
    let fields: usize = record.fields.iter().map(|(name, held)| name.len() + value(held) + AROUND).sum();
    AROUND + record.text.as_ref().map_or(0, String::len) + fields
}

#[cfg(test)]
mod tests {
    use provenance::wallet::{Language, Phrase};

    use super::*;
    use crate::home::Kind;
    use crate::library::Adding;

    /// A vault with 90 records in three sources, and their places in an order that is not theirs.
    fn vault() -> (tempfile::TempDir, Home, Vec<Place>) {
        let folder = tempfile::tempdir().expect("a folder");
        let phrase = Phrase::generate(Language::English).expect("a phrase");
        let mut home = Home::create(folder.path(), "correct horse", &phrase).expect("a vault");
        for source in ["a", "b", "c"] {
            let mut adding = Adding::to(&home, source).expect("a source");
            for number in 0..30 {
                let mut record = Record::new("usufruct/note@1", source);
                record.text =
                    Some(format!("Note {number} of {source}, to me@example.org. {}", "Again. ".repeat(number)));
                adding.record(&mut home, record).expect("kept");
                if number % 8 == 7 {
                    adding.mark(&mut home).expect("a batch of its own");
                }
            }
            adding.finish(&mut home, 0).expect("kept");
        }
        home.commit().expect("kept");
        let mut places = Vec::new();
        library::each(&home, &[], &mut |place, _| {
            places.push(place);
            Ok(())
        })
        .expect("places");
        let places = (0..90).map(|at| places[at * 37 % 90].clone()).collect();
        (folder, home, places)
    }

    fn members(most: usize, home: &Home, places: &[Place]) -> Result<Members> {
        let mut seen = vec![0; places.len()];
        let members = Members::read(most, home, places.to_vec(), &[], &mut |_, _| Ok(()), &mut |at, record| {
            seen[at] += 1;
            assert!(record.text.is_some());
            Ok(())
        })?;
        assert!(seen.iter().all(|count| *count == 1));
        Ok(members)
    }

    #[test]
    fn records_are_the_same_in_spans_of_any_size() {
        let (_folder, home, places) = vault();
        let whole = library::at(&home, &places, &mut |_, _| Ok(())).expect("records");
        for (most, away) in [(0, true), (1, true), (700, true), (9_000, true), (1 << 20, false)] {
            let members = members(most, &home, &places).expect("opened");
            assert_eq!((members.len(), members.away.is_some()), (90, away), "{most}");
            assert!(members.all().expect("records") == whole, "{most}");
            for position in [0, 89, 3, 3, 41, 40, 88, 2] {
                assert!(members.with(position, |record| *record == whole[position]).expect("a record"), "{position}");
                let held = members.span.lock().expect("a span");
                let bytes: usize = held.records.iter().map(weight).sum();
                assert!(!away || bytes <= most || held.records.len() == 1, "{bytes} of {most}");
            }
            assert!(members.with(90, |_| ()).is_err());
        }
    }

    #[test]
    fn records_are_masked_in_every_span() {
        let (_folder, home, places) = vault();
        let masked = [view::Identifier::Email];
        let look = &mut |_: usize, record: &Record| {
            assert!(!record.text.as_ref().is_some_and(|text| text.contains("example.org")));
            Ok(())
        };
        let members = Members::read(700, &home, places, &masked, &mut |_, _| Ok(()), look).expect("opened");
        let texts: Vec<String> = members.all().expect("records").into_iter().filter_map(|record| record.text).collect();
        assert!(texts.len() == 90 && texts.iter().all(|text| !text.contains("example.org")));
    }

    #[test]
    fn record_that_is_gone_is_an_error_at_once_and_in_a_span() {
        let (_folder, mut home, places) = vault();
        let members = members(700, &home, &places).expect("opened");
        home.keep(Kind::Records, "a/0", &Vec::<Option<Record>>::new()).expect("kept");
        home.commit().expect("kept");
        assert!(members.all().is_err());
        assert!(self::members(700, &home, &places).is_err());
    }
}
