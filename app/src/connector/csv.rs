//! Tables: one record a row. Separator, header row and encoding are found in the content.

use std::cell::Cell;
use std::collections::HashSet;
use std::io::{self, BufRead, Cursor, Read};
use std::rc::Rc;

use ::csv::{ByteRecord, Reader, ReaderBuilder};

use super::json::{ROW_SCHEMA, field_name, put_row};
use super::{Connector, Output, Result, decode, sniff, time};
use crate::record::{MAX_FIELDS, MAX_RECORD_BYTES, Record, Value};

/// Most bytes of one row. An unclosed quotation mark makes a row of the whole rest: it ends here.
const MAX_ROW_BYTES: usize = MAX_RECORD_BYTES;
/// What the reader below may take in advance of a row's end.
const READ_AHEAD: usize = 64 << 10;

/// The connector for [`super::Format::Csv`].
pub(super) struct Table;

impl Connector for Table {
    fn records(&self, input: &mut dyn BufRead, out: &mut Output<'_>) -> Result<()> {
        let mut input = decode::utf8(input).map_err(|error| out.read_error(error))?;
        let head = super::read_head(&mut *input).map_err(|error| out.read_error(error))?;
        let delimiter = sniff::delimiter(&head, head.len() == sniff::HEAD_BYTES).unwrap_or(b',');
        let told = head.len() - sniff::told_delimiter(&head).0.len();
        let mut start = Cursor::new(head);
        start.set_position(told as u64);
        let row_bytes = Rc::new(Cell::new(0));
        let limited = Limited { input: start.chain(input), row_bytes: Rc::clone(&row_bytes) };
        let reader = ReaderBuilder::new()
            .delimiter(delimiter)
            .has_headers(false)
            .flexible(true)
            .buffer_capacity(READ_AHEAD)
            .from_reader(limited);
        rows(reader, &row_bytes, out)
    }
}

fn rows(mut reader: Reader<impl Read>, row_bytes: &Cell<usize>, out: &mut Output<'_>) -> Result<()> {
    let mut row = ByteRecord::new();
    let mut columns: Option<Columns> = None;
    for number in 1_u64.. {
        row_bytes.set(0);
        let place = format!("row {number}");
        match reader.read_byte_record(&mut row) {
            Ok(true) => {}
            Ok(false) => break,
            Err(error) => return stopped(error, &place, out),
        }
        if let Some(columns) = &columns {
            put(&row, columns, &place, out)?;
            continue;
        }
        if row.len() > MAX_FIELDS {
            out.problem(place, format!("{} columns, more than {MAX_FIELDS}; the table was left out", row.len()));
            break;
        }
        let found = Columns::from_first(&row);
        if !found.from_header {
            put(&row, &found, &place, out)?;
        }
        columns = Some(found);
    }
    Ok(())
}

fn stopped(error: ::csv::Error, place: &str, out: &mut Output<'_>) -> Result<()> {
    match error.into_kind() {
        ::csv::ErrorKind::Io(error) if error.kind() == io::ErrorKind::FileTooLarge => {
            let reason =
                format!("longer than {MAX_ROW_BYTES} bytes, perhaps an unclosed quotation mark; the rest was left out");
            out.problem(place, reason);
            Ok(())
        }
        ::csv::ErrorKind::Io(error) => Err(out.read_error(error)),
        other => {
            out.problem(place, format!("{other:?}; the rest was left out"));
            Ok(())
        }
    }
}

fn put(row: &ByteRecord, columns: &Columns, place: &str, out: &mut Output<'_>) -> Result<()> {
    if row.len() != columns.names.len() {
        let reason =
            format!("{} cells where the table has {} columns; this row was left out", row.len(), columns.names.len());
        out.problem(place, reason);
        return Ok(());
    }
    if row.iter().all(|cell| cell.trim_ascii().is_empty()) {
        return Ok(());
    }
    let record = columns.record(row, out.record(ROW_SCHEMA));
    put_row(record, place, out)
}

/// What the columns are called and which hold the text and the time.
struct Columns {
    names: Vec<String>,
    from_header: bool,
    text: Option<usize>,
    time: Option<usize>,
}

impl Columns {
    fn from_first(row: &ByteRecord) -> Self {
        let from_header = sniff::is_header_row(row);
        let mut taken = HashSet::new();
        let mut names: Vec<String> = Vec::new();
        for (position, cell) in row.iter().enumerate() {
            let told = decode::text(cell).trim().to_owned();
            let plain = if from_header && !told.is_empty() { told } else { format!("column_{}", position + 1) };
            let mut name = field_name(plain.clone());
            while !taken.insert(name.clone()) {
                name = format!("{plain}_{}", position + 1);
                if name.len() > plain.len() + 8 || taken.contains(&name) {
                    name = format!("column_{}_{}", position + 1, taken.len());
                }
            }
            names.push(name);
        }
        let best = |rank: fn(&str) -> Option<usize>| {
            let cells = row.iter().enumerate().filter(|_| from_header);
            cells
                .filter_map(|(position, cell)| Some((rank(&decode::text(cell))?, position)))
                .min()
                .map(|(_, position)| position)
        };
        Self { text: best(time::text_rank), time: best(time::time_rank), names, from_header }
    }

    fn record(&self, row: &ByteRecord, mut record: Record) -> Record {
        for (position, (name, cell)) in self.names.iter().zip(row.iter()).enumerate() {
            let text = decode::text(cell);
            if text.trim().is_empty() {
                continue;
            }
            if self.time == Some(position) {
                record.time = time::parse(&text);
            }
            if self.text == Some(position) {
                record.text = Some(text.into_owned());
            } else {
                record.fields.insert(name.clone(), Value::from_text(text.trim()));
            }
        }
        record
    }
}

/// Counts what is read for one row and refuses too much.
struct Limited<R> {
    input: R,
    row_bytes: Rc<Cell<usize>>,
}

impl<R: Read> Read for Limited<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.row_bytes.get() > MAX_ROW_BYTES {
            return Err(io::Error::from(io::ErrorKind::FileTooLarge));
        }
        let count = self.input.read(buffer)?;
        self.row_bytes.set(self.row_bytes.get() + count);
        Ok(count)
    }
}
