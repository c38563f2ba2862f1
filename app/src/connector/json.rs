//! JSON: an array of objects, a single object, or one object a line. Each object becomes one record.
//!
//! The array is never held as a whole: a scanner that knows strings and brackets cuts it into elements, and each
//! element is parsed by itself. So memory is bounded by one element, nesting is refused before anything recurses, and
//! one bad element does not lose the rest.

use std::fmt::Display;
use std::io::{self, BufRead};

use serde_json::{Map, Value as Json};

use super::lines::{Line, next_line};
use super::{Connector, Output, Result, decode, time};
use crate::record::{MAX_RECORD_BYTES, Record, TEXT_FIELD, Value};

/// The schema of table rows and JSON objects.
pub(super) const ROW_SCHEMA: &str = "usufruct/row@1";
/// Deepest nesting of brackets in one element.
const MAX_DEPTH: usize = 64;

/// What one JSON element may come to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Its length in bytes.
    pub bytes: usize,
    /// Its values: each takes up to a hundred bytes of memory, however short it is.
    pub values: usize,
}

/// An element that becomes one record.
const ROW_LIMITS: Limits = Limits { bytes: 2 * MAX_RECORD_BYTES, values: 20_000 };

/// The connector for [`super::Format::Json`].
pub(super) struct JsonValues;

/// The connector for [`super::Format::JsonLines`].
pub(super) struct JsonLines;

impl Connector for JsonValues {
    fn records(&self, input: &mut dyn BufRead, out: &mut Output<'_>) -> Result<()> {
        each_value(input, ROW_LIMITS, out, &mut |value, place, out| put_object(value, place, out))
    }
}

impl Connector for JsonLines {
    fn records(&self, input: &mut dyn BufRead, out: &mut Output<'_>) -> Result<()> {
        let mut input = decode::utf8(input).map_err(|error| out.read_error(error))?;
        let mut line = Vec::new();
        for number in 1_u64.. {
            let place = format!("line {number}");
            match next_line(&mut input, ROW_LIMITS.bytes, &mut line).map_err(|error| out.read_error(error))? {
                Line::End => break,
                Line::Cut => out.problem(place, too_long(ROW_LIMITS)),
                Line::Whole if line.trim_ascii().is_empty() => {}
                Line::Whole => match parse_line(&line) {
                    Ok(value) => put_object(value, &place, out)?,
                    Err(reason) => out.problem(place, reason),
                },
            }
        }
        Ok(())
    }
}

fn parse_line(line: &[u8]) -> std::result::Result<Json, String> {
    let mut scanner = Scanner::new(ROW_LIMITS);
    for byte in line.trim_ascii() {
        _ = scanner.step(*byte);
    }
    scanner.finish()?;
    parse(line)
}

fn parse(bytes: &[u8]) -> std::result::Result<Json, String> {
    serde_json::from_slice(bytes).map_err(|error| format!("not valid JSON: {error}; this element was left out"))
}

fn too_long(limits: Limits) -> String {
    format!("longer than {} bytes; this element was left out", limits.bytes)
}

/// Parses every element of an array, or every value of a sequence, and hands it on with its place.
pub(super) fn each_value(
    input: &mut dyn BufRead,
    limits: Limits,
    out: &mut Output<'_>,
    take: &mut dyn FnMut(Json, &str, &mut Output<'_>) -> Result<()>,
) -> Result<()> {
    let mut input = decode::utf8(input).map_err(|error| out.read_error(error))?;
    let mut elements = Elements::new(&mut *input, limits);
    for number in 1_u64.. {
        let place = format!("element {number}");
        match elements.next().map_err(|error| out.read_error(error))? {
            Element::Value(bytes) => match parse(&bytes) {
                Ok(value) => take(value, &place, out)?,
                Err(reason) => out.problem(place, reason),
            },
            Element::Refused(reason) => out.problem(place, reason),
            Element::Broken(reason) => {
                out.problem(place, reason);
                break;
            }
            Element::End => break,
        }
    }
    Ok(())
}

fn put_object(value: Json, place: &str, out: &mut Output<'_>) -> Result<()> {
    let Json::Object(object) = value else {
        out.problem(place, "not a JSON object; this element was left out");
        return Ok(());
    };
    let record = row(object, out.record(ROW_SCHEMA));
    put_row(record, place, out)
}

/// Hands a row on, or says that it is empty.
pub(super) fn put_row(record: Record, place: impl Display, out: &mut Output<'_>) -> Result<()> {
    if record.text.is_none() && record.fields.is_empty() {
        out.problem(place, "nothing in it; it was left out");
        return Ok(());
    }
    out.put(record, place)
}

/// Fills a record from an object: the best text field, the best time field, the rest as fields. A nested value is
/// kept as JSON text with sorted keys, null as nothing, a number with a fraction as text.
fn row(object: Map<String, Json>, mut record: Record) -> Record {
    let written = |(name, value): &(&String, &Json)| {
        time::text_rank(name).filter(|_| value.as_str().is_some_and(|text| !text.trim().is_empty()))
    };
    let text_name =
        object.iter().filter_map(|pair| Some((written(&pair)?, pair.0))).min().map(|(_, name)| name.clone());
    let timed = |(name, value): (&String, &Json)| Some((time::time_rank(name)?, json_time(value)?));
    record.time = object.iter().filter_map(timed).min().map(|(_, time)| time);
    for (name, value) in object {
        if text_name.as_ref() == Some(&name) {
            record.text = value.as_str().map(str::to_owned);
        } else if let Some(value) = field(value) {
            record.fields.insert(field_name(name), value);
        }
    }
    record
}

/// A name as a field may have it: the name of the text is reserved.
pub(super) fn field_name(name: String) -> String {
    if name == TEXT_FIELD { format!("{TEXT_FIELD}_value") } else { name }
}

fn json_time(value: &Json) -> Option<i64> {
    match value {
        Json::String(text) => time::parse(text),
        Json::Number(number) => {
            number.as_i64().and_then(time::from_count).or_else(|| time::from_float(number.as_f64()?))
        }
        _ => None,
    }
}

fn field(value: Json) -> Option<Value> {
    Some(match value {
        Json::Null => return None,
        Json::Bool(value) => Value::Bool(value),
        Json::Number(number) => number.as_i64().map_or_else(|| Value::Text(number.to_string()), Value::Int),
        Json::String(text) => Value::Text(text),
        mut nested @ (Json::Array(_) | Json::Object(_)) => {
            nested.sort_all_objects();
            Value::Text(nested.to_string())
        }
    })
}

/// Where the first JSON value of `text` ends, if it does.
pub(super) fn first_value_end(text: &[u8]) -> Option<usize> {
    let start = text.iter().position(|byte| !byte.is_ascii_whitespace())?;
    let mut scanner = Scanner::new(Limits { bytes: usize::MAX, values: usize::MAX });
    for (position, byte) in text.iter().enumerate().skip(start) {
        match scanner.step(*byte) {
            Step::More => {}
            Step::Last => return Some(position + 1),
            Step::Past => return Some(position),
        }
    }
    None
}

/// Whether a byte belongs to the value being scanned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    More,
    Last,
    Past,
}

/// Follows one JSON value byte by byte: strings and brackets only, the parser judges the rest.
struct Scanner {
    limits: Limits,
    bytes: usize,
    values: usize,
    depth: usize,
    deepest: usize,
    string: bool,
    escaped: bool,
}

impl Scanner {
    fn new(limits: Limits) -> Self {
        Self { limits, bytes: 0, values: 1, depth: 0, deepest: 0, string: false, escaped: false }
    }

    fn step(&mut self, byte: u8) -> Step {
        if !self.string
            && self.depth == 0
            && self.bytes > 0
            && matches!(byte, b',' | b']' | b'}' | b' ' | b'\t' | b'\r' | b'\n')
        {
            return Step::Past;
        }
        self.bytes += 1;
        if self.string {
            let closing = !self.escaped && byte == b'"';
            self.escaped = !self.escaped && byte == b'\\';
            self.string = !closing;
            return if closing && self.depth == 0 { Step::Last } else { Step::More };
        }
        match byte {
            b'"' => self.string = true,
            b'{' | b'[' => {
                self.depth += 1;
                self.values += 1;
                self.deepest = self.deepest.max(self.depth);
            }
            b'}' | b']' => {
                self.depth = self.depth.saturating_sub(1);
                return if self.depth == 0 { Step::Last } else { Step::More };
            }
            b',' => self.values += 1,
            _ => {}
        }
        Step::More
    }

    /// Whether what was scanned may be kept.
    fn within(&self) -> bool {
        self.bytes <= self.limits.bytes && self.values <= self.limits.values && self.deepest <= MAX_DEPTH
    }

    fn finish(&self) -> std::result::Result<(), String> {
        if self.bytes > self.limits.bytes {
            Err(too_long(self.limits))
        } else if self.deepest > MAX_DEPTH {
            Err(format!("nested {} levels deep, more than {MAX_DEPTH}; this element was left out", self.deepest))
        } else if self.values > self.limits.values {
            Err(format!("more than {} values in it; this element was left out", self.limits.values))
        } else {
            Ok(())
        }
    }
}

/// One piece of a JSON file.
enum Element {
    Value(Vec<u8>),
    Refused(String),
    Broken(String),
    End,
}

/// Cuts an array, or a sequence of values, into its elements.
struct Elements<'a> {
    input: &'a mut dyn BufRead,
    limits: Limits,
    array: Option<bool>,
}

impl<'a> Elements<'a> {
    fn new(input: &'a mut dyn BufRead, limits: Limits) -> Self {
        Self { input, limits, array: None }
    }

    fn next(&mut self) -> io::Result<Element> {
        let mut first = self.skip(false)?;
        if self.array.is_none() {
            self.array = Some(first == Some(b'['));
            if first == Some(b'[') {
                self.input.consume(1);
                first = self.skip(true)?;
            }
        } else if first == Some(b',') {
            first = self.skip(true)?;
        }
        match (first, self.array) {
            (None, Some(true)) => Ok(Element::Broken("the file ends inside the array: it is cut off".into())),
            (None, _) => Ok(Element::End),
            (Some(b']'), Some(true)) => self.after_array(),
            (Some(b']' | b'}'), _) => Ok(Element::Broken("a closing bracket without its opening one".into())),
            (Some(_), _) => self.value(),
        }
    }

    fn after_array(&mut self) -> io::Result<Element> {
        self.input.consume(1);
        self.array = Some(false);
        Ok(match self.skip(false)? {
            None => Element::End,
            Some(_) => Element::Broken("more text after the end of the array; it was left out".into()),
        })
    }

    /// Skips blanks, and commas where asked to; the next byte is left in place.
    fn skip(&mut self, commas: bool) -> io::Result<Option<u8>> {
        loop {
            let ready = self.input.fill_buf()?;
            let blank = |byte: &u8| byte.is_ascii_whitespace() || (commas && *byte == b',');
            match ready.iter().position(|byte| !blank(byte)) {
                Some(position) => {
                    let byte = ready[position];
                    self.input.consume(position);
                    return Ok(Some(byte));
                }
                None if ready.is_empty() => return Ok(None),
                None => {
                    let length = ready.len();
                    self.input.consume(length);
                }
            }
        }
    }

    fn value(&mut self) -> io::Result<Element> {
        let mut scanner = Scanner::new(self.limits);
        let mut kept = Vec::new();
        loop {
            let ready = self.input.fill_buf()?;
            if ready.is_empty() {
                // A bare number may end with the file; anything else is cut off, and the parser says where.
                let whole = scanner.depth == 0 && !scanner.string;
                return Ok(if whole {
                    done(&scanner, kept)
                } else {
                    Element::Broken("the file ends inside this element: it is cut off".into())
                });
            }
            let mut used = 0;
            let mut last = Step::More;
            while used < ready.len() && last == Step::More {
                last = scanner.step(ready[used]);
                used += usize::from(last != Step::Past);
            }
            if scanner.within() {
                kept.extend_from_slice(&ready[..used]);
            } else {
                kept = Vec::new();
            }
            self.input.consume(used);
            if last != Step::More {
                return Ok(done(&scanner, kept));
            }
        }
    }
}

fn done(scanner: &Scanner, kept: Vec<u8>) -> Element {
    match scanner.finish() {
        Ok(()) => Element::Value(kept),
        Err(reason) => Element::Refused(reason),
    }
}
