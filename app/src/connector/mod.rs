//! Connectors: they read what a person has (notes, tables, mail, chat exports) and stream records out of it.
//!
//! A file is recognized by its content, never by its name. Every limit counts bytes that were read, never what a
//! header promises, and what cannot be read is reported by file, place and reason while the rest goes in.

mod archive;
mod chatgpt;
mod csv;
mod decode;
mod json;
mod lines;
mod mbox;
mod sniff;
mod text;
mod time;

use std::fmt;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};

use serde::{Deserialize, Serialize};

use crate::record::{Record, RecordError};

pub use sniff::{HEAD_BYTES, sniff};

/// Most problems a [`Summary`] names; further ones are only counted.
pub const MAX_PROBLEMS: usize = 1_000;
/// Most archive entries a [`Summary`] names as kept but not read; further ones are only counted.
pub const MAX_OTHERS: usize = 1_000;
/// Longest name, place or reason in a report, in characters: file content can reach all three.
const MAX_REPORT_CHARS: usize = 300;

/// What a file turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Format {
    /// A ChatGPT export: the zip, or a conversations file out of it.
    Chatgpt,
    /// Any other zip archive; its entries are read one by one.
    Zip,
    /// Mail in mbox form (RFC 4155 and its relatives).
    Mbox,
    /// One JSON object, or an array of them.
    Json,
    /// One JSON object a line.
    JsonLines,
    /// A table with a comma, semicolon, tab or bar between columns.
    Csv,
    /// Plain text or Markdown.
    Text,
    /// Nothing at all.
    Empty,
    /// Anything else: kept as an object, not licensable yet.
    Other,
}

/// Something that could not be read, while the rest went in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Problem {
    /// The file, with the archive entry after a slash.
    pub file: String,
    /// Where in it: `line 7`, `row 3` (the header is row 1), `element 2`, `message 12`; empty for the whole file.
    pub place: String,
    /// What was wrong and what was done about it.
    pub reason: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let gap = if self.place.is_empty() { "" } else { ", " };
        write!(out, "{}{gap}{}: {}", self.file, self.place, self.reason)
    }
}

/// What reading one file came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Summary {
    /// What the file was.
    pub format: Format,
    /// Records given to the receiver (before it dropped those it already had).
    pub records: u64,
    /// What could not be read, at most [`MAX_PROBLEMS`].
    pub problems: Vec<Problem>,
    /// Problems beyond those listed.
    pub more_problems: u64,
    /// Archive entries that are no records (pictures, account files), at most [`MAX_OTHERS`]: kept within the archive,
    /// not licensable yet.
    pub others: Vec<String>,
    /// Such entries beyond those listed.
    pub more_others: u64,
}

impl Summary {
    fn new(format: Format) -> Self {
        Self { format, records: 0, problems: Vec::new(), more_problems: 0, others: Vec::new(), more_others: 0 }
    }

    /// Whether everything that is a record went in.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.problems.is_empty()
    }

    fn other(&mut self, name: &str) {
        if self.others.len() < MAX_OTHERS {
            self.others.push(shortened(name));
        } else {
            self.more_others += 1;
        }
    }
}

/// Why reading stopped. What is merely wrong with a file is no error but a [`Problem`].
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file could not be read from the disk.
    #[error("{file} could not be read: {source}; check the disk and its permissions, then import it again")]
    Read {
        /// The file.
        file: String,
        /// What the system said.
        source: io::Error,
    },
    /// The receiver of the records could not go on.
    #[error("{0}")]
    Receiver(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Error {
    /// An error of whoever receives the records.
    pub fn receiver(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Receiver(error.into())
    }
}

/// This module's results.
pub type Result<T> = std::result::Result<T, Error>;

/// The receiver of records, one by one, each within the limits of [`Record::check`]. An error from it stops the reading.
pub type Emit<'a> = &'a mut dyn FnMut(Record) -> Result<()>;

/// What a connector knows besides the bytes.
#[derive(Debug, Clone)]
pub struct Context {
    /// The name of the source, for the records: the same wherever it is imported, so no path of this machine.
    pub source: String,
    /// The file's name, for reports only.
    pub file: String,
}

impl Context {
    /// The context of a file that belongs to a source.
    pub fn new(source: impl Into<String>, file: impl Into<String>) -> Self {
        Self { source: source.into(), file: file.into() }
    }

    fn entry(&self, name: &str) -> Self {
        Self { source: self.source.clone(), file: format!("{}/{name}", self.file) }
    }

    fn read_error(&self, source: io::Error) -> Error {
        Error::Read { file: shortened(&self.file), source }
    }
}

/// A reader of one format. Memory stays bounded by the format's own limits, whatever the input.
pub trait Connector {
    /// Streams the records of `input` to `out`.
    ///
    /// # Errors
    /// Only when the input cannot be read or the receiver refuses; everything else is reported as a [`Problem`].
    fn records(&self, input: &mut dyn BufRead, out: &mut Output<'_>) -> Result<()>;
}

/// Where a connector puts its records and says what it could not read.
pub struct Output<'a> {
    context: Context,
    summary: &'a mut Summary,
    emit: Emit<'a>,
}

impl Output<'_> {
    /// An empty record of a schema, of this source.
    fn record(&self, schema: &str) -> Record {
        Record::new(schema, &self.context.source)
    }

    /// Hands a record on, or reports why it cannot be one.
    fn put(&mut self, record: Record, place: impl fmt::Display) -> Result<()> {
        match record.check() {
            Ok(()) => {
                (self.emit)(record)?;
                self.summary.records += 1;
            }
            Err(RecordError::Empty) => {}
            Err(error) => self.problem(place, error),
        }
        Ok(())
    }

    fn problem(&mut self, place: impl fmt::Display, reason: impl fmt::Display) {
        if self.summary.problems.len() >= MAX_PROBLEMS {
            self.summary.more_problems += 1;
            return;
        }
        self.summary.problems.push(Problem {
            file: shortened(&self.context.file),
            place: shortened(&place.to_string()),
            reason: shortened(&reason.to_string()),
        });
    }

    fn read_error(&self, source: io::Error) -> Error {
        self.context.read_error(source)
    }

    /// The same receiver for an entry of the archive being read.
    fn entry(&mut self, name: &str) -> Output<'_> {
        Output { context: self.context.entry(name), summary: self.summary, emit: self.emit }
    }
}

/// Recognizes a file by its content and streams its records.
///
/// # Errors
/// [`Error::Read`] when the file cannot be read, or the receiver's own error. What is wrong with the file's content is
/// in the [`Summary`].
pub fn read<R: Read + Seek>(input: &mut R, context: &Context, emit: Emit<'_>) -> Result<Summary> {
    let head = read_head(input).map_err(|error| context.read_error(error))?;
    input.seek(SeekFrom::Start(0)).map_err(|error| context.read_error(error))?;
    let format = sniff(&head);
    let mut summary = Summary::new(format);
    let mut output = Output { context: context.clone(), summary: &mut summary, emit };
    match format {
        Format::Zip => {
            let found = archive::records(input, &mut output)?;
            summary.format = found;
        }
        _ => dispatch(format, &mut BufReader::new(input), &mut output)?,
    }
    Ok(summary)
}

fn dispatch(format: Format, input: &mut dyn BufRead, output: &mut Output<'_>) -> Result<()> {
    let connector: &dyn Connector = match format {
        Format::Chatgpt => &chatgpt::Conversations,
        Format::Mbox => &mbox::Mbox,
        Format::Json => &json::JsonValues,
        Format::JsonLines => &json::JsonLines,
        Format::Csv => &csv::Table,
        Format::Text => &text::Notes,
        Format::Zip | Format::Empty | Format::Other => return Ok(()),
    };
    connector.records(input, output)
}

/// The first [`HEAD_BYTES`], or as many as there are.
fn read_head(input: &mut (impl Read + ?Sized)) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    input.take(HEAD_BYTES as u64).read_to_end(&mut head)?;
    Ok(head)
}

/// Text fit for a report: of bounded length, on one line.
fn shortened(text: &str) -> String {
    let mut short: String = text.chars().take(MAX_REPORT_CHARS).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().nth(MAX_REPORT_CHARS).is_some() {
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests;
