//! Mail in mbox form: one record a message, with its text, people, subject and date. Attachments are named, not kept.
//!
//! Messages are separated by a `From ` line after a blank line (or at the start) that is followed by a header or ends
//! in a date. `>From ` in a body loses one `>`, as mboxrd (and mboxo for single marks) has it.

use std::io::BufRead;

use mail_parser::{Address, DateTime, Message, MessageParser, MimeHeaders};

use super::lines::{Line, bare, next_line};
use super::{Connector, Output, Result, decode, sniff, time};
use crate::record::{MAX_TEXT_BYTES, Record, Value};

/// The schema of mail messages.
const SCHEMA: &str = "usufruct/mail@1";
/// Largest message with its attachments, in bytes.
const MAX_MESSAGE_BYTES: usize = 32 << 20;
/// Longest line, in bytes; mail allows 998, broken senders use more.
const MAX_LINE_BYTES: usize = 8 << 20;
/// Most header lines and part boundaries in one message: each takes memory beyond its bytes.
const MAX_STRUCTURE_LINES: usize = 20_000;
/// Most addresses kept of one header.
const MAX_ADDRESSES: usize = 100;
/// Most attachments named.
const MAX_ATTACHMENTS: usize = 100;
/// Longest kept value of one header, in characters.
const MAX_HEADER_CHARS: usize = 4_096;
/// Most text parts joined into the text.
const MAX_TEXT_PARTS: usize = 64;

/// The connector for [`super::Format::Mbox`].
pub(super) struct Mbox;

impl Connector for Mbox {
    fn records(&self, input: &mut dyn BufRead, out: &mut Output<'_>) -> Result<()> {
        let mut input = decode::utf8(input).map_err(|error| out.read_error(error))?;
        let mut mail = Mail::default();
        let (mut line, mut number) = (Vec::new(), 0);
        // A separator that only counts if a header follows.
        let mut waiting: Option<Vec<u8>> = None;
        loop {
            let read = next_line(&mut input, MAX_LINE_BYTES, &mut line).map_err(|error| out.read_error(error))?;
            if let Some(separator) = waiting.take() {
                if read != Line::End && sniff::is_header(&decode::text(bare(&line))) {
                    mail.finish(&mut number, out)?;
                    mail = Mail::begin(&separator);
                } else {
                    mail.add(&separator, Line::Whole);
                }
            }
            match read {
                Line::End => return mail.finish(&mut number, out),
                _ if !mail.after_blank || !line.starts_with(b"From ") => mail.add(&line, read),
                _ if separator_time(&line).is_some() => {
                    mail.finish(&mut number, out)?;
                    mail = Mail::begin(&line);
                }
                _ => waiting = Some(line.clone()),
            }
        }
    }
}

/// The date that ends a separator: `From somebody Fri Mar  1 12:30:00 2024`.
fn separator_time(line: &[u8]) -> Option<i64> {
    let text = decode::text(bare(line));
    let (_, date) = text.strip_prefix("From ")?.split_once(' ')?;
    time::parse_separator(date)
}

/// One message being collected.
struct Mail {
    bytes: Vec<u8>,
    envelope_time: Option<i64>,
    begun: bool,
    after_blank: bool,
    in_head: bool,
    structure: usize,
    refused: Option<String>,
}

impl Default for Mail {
    fn default() -> Self {
        Self {
            bytes: Vec::new(),
            envelope_time: None,
            begun: false,
            after_blank: true,
            in_head: true,
            structure: 0,
            refused: None,
        }
    }
}

impl Mail {
    fn begin(separator: &[u8]) -> Self {
        Self { envelope_time: separator_time(separator), begun: true, after_blank: false, ..Self::default() }
    }

    fn add(&mut self, line: &[u8], read: Line) {
        self.follow(bare(line));
        if self.refused.is_some() {
            return;
        }
        let quoted =
            line.iter().position(|byte| *byte != b'>').is_some_and(|end| end > 0 && line[end..].starts_with(b"From "));
        self.bytes.extend_from_slice(if quoted { &line[1..] } else { line });
        if read == Line::Cut {
            self.refuse(format!("a line longer than {MAX_LINE_BYTES} bytes; this message was left out"));
        } else if self.bytes.len() > MAX_MESSAGE_BYTES {
            self.refuse(format!("longer than {MAX_MESSAGE_BYTES} bytes; this message was left out"));
        } else if self.structure > MAX_STRUCTURE_LINES {
            self.refuse(format!("more than {MAX_STRUCTURE_LINES} headers and parts; this message was left out"));
        }
    }

    /// Counts headers and part boundaries, which cost memory when parsed.
    fn follow(&mut self, line: &[u8]) {
        self.after_blank = line.is_empty();
        let boundary = line.starts_with(b"--");
        if self.after_blank || boundary {
            self.in_head = true;
            self.structure += usize::from(boundary);
        } else if self.in_head {
            let folded = line.starts_with(b" ") || line.starts_with(b"\t");
            let header = !folded && line.iter().take(77).any(|byte| *byte == b':');
            self.in_head = folded || header;
            self.structure += usize::from(header);
        }
    }

    fn refuse(&mut self, reason: String) {
        self.refused = Some(reason);
        self.bytes = Vec::new();
    }

    fn finish(&mut self, number: &mut u64, out: &mut Output<'_>) -> Result<()> {
        if !self.begun && self.bytes.trim_ascii().is_empty() {
            return Ok(());
        }
        *number += 1;
        let place = format!("message {number}");
        if let Some(reason) = self.refused.take() {
            out.problem(place, reason);
            return Ok(());
        }
        match MessageParser::default().parse(&self.bytes) {
            Some(message) => out.put(record(&message, self.envelope_time, out.record(SCHEMA)), place)?,
            None => out.problem(place, "not a mail message (no headers); it was left out"),
        }
        Ok(())
    }
}

fn record(message: &Message<'_>, envelope_time: Option<i64>, mut record: Record) -> Record {
    record.time = message.date().and_then(seconds).or(envelope_time);
    let text = body(message);
    record.text = (!text.trim().is_empty()).then(|| text.trim_matches(['\r', '\n']).trim_end().to_owned());
    for (name, people) in [("from", message.from()), ("to", message.to()), ("cc", message.cc())] {
        record.set(name, bounded(&addresses(people)));
    }
    record.set("subject", bounded(message.subject().unwrap_or_default()));
    record.set("message_id", bounded(message.message_id().unwrap_or_default()));
    record.set("in_reply_to", bounded(message.in_reply_to().as_text().unwrap_or_default()));
    let names: Vec<&str> =
        message.attachments().take(MAX_ATTACHMENTS).map(|part| part.attachment_name().unwrap_or("unnamed")).collect();
    record.set("attachments", bounded(&names.join(", ")));
    if message.attachment_count() > 0 {
        let count = i64::try_from(message.attachment_count()).unwrap_or(i64::MAX);
        record.fields.insert("attachment_count".into(), Value::Int(count));
    }
    record
}

/// The text parts, HTML made plain, one after another. More than a record may have is left for the record to refuse.
fn body(message: &Message<'_>) -> String {
    let mut text = String::new();
    for position in 0..message.text_body_count().min(MAX_TEXT_PARTS) {
        if let Some(part) = message.body_text(position) {
            if !text.is_empty() {
                text.push('\n');
            }
            text.push_str(&part);
        }
        if text.len() > MAX_TEXT_BYTES {
            break;
        }
    }
    text
}

fn addresses(people: Option<&Address<'_>>) -> String {
    let Some(people) = people else { return String::new() };
    let shown = people.iter().take(MAX_ADDRESSES).map(|person| match (person.name(), person.address()) {
        (Some(name), Some(address)) => format!("{name} <{address}>"),
        (name, address) => name.or(address).unwrap_or_default().to_owned(),
    });
    shown.filter(|person| !person.is_empty()).collect::<Vec<_>>().join(", ")
}

fn bounded(text: &str) -> String {
    text.chars().take(MAX_HEADER_CHARS).collect()
}

fn seconds(date: &DateTime) -> Option<i64> {
    let small = |number: u8| i8::try_from(number).ok();
    let offset = (i64::from(date.tz_hour) * 60 + i64::from(date.tz_minute)) * 60;
    let offset = if date.tz_before_gmt { -offset } else { offset };
    let civil = [i16::try_from(date.year).ok()?, i16::from(date.month), i16::from(date.day)];
    time::from_civil(civil, [small(date.hour)?, small(date.minute)?, small(date.second)?], offset)
}
