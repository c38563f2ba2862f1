//! What is asked and answered over a vault's socket, as bytes.

use std::io;
use std::time::{Duration, Instant};

use zeroize::Zeroizing;

use super::Read;
use super::session::{PART, Session};
use crate::check::{CheckDepth, Problem, Report};
use crate::error::{Error, Result};
use crate::object::{Entry, KIND_MAX, NAME_MAX, ObjectId, check_name, push_names, take_names};
use crate::seal::Reader as Fields;
use crate::vault::{Status, Vault};

/// Longest question.
pub(crate) const REQUEST_MAX: usize = 1 + 3 + KIND_MAX + NAME_MAX;
/// First byte of a frame of an answer.
const LAST: u8 = 0;
const MORE: u8 = 1;
const FAILED: u8 = 2;

/// A question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Request {
    Status,
    Find { kind: String, name: String },
    List { kind: String },
    Read { id: ObjectId },
    ReadNamed { kind: String, name: String },
    Check { depth: CheckDepth },
}

impl Request {
    pub(crate) fn encode(&self) -> Zeroizing<Vec<u8>> {
        let mut out = Zeroizing::new(Vec::new());
        match self {
            Request::Status => out.push(1),
            Request::Find { kind, name } => {
                out.push(2);
                push_names(&mut out, kind, name);
            }
            Request::List { kind } => {
                out.push(3);
                push_names(&mut out, kind, "*");
            }
            Request::Read { id } => {
                out.push(4);
                out.extend_from_slice(&id.0);
            }
            Request::ReadNamed { kind, name } => {
                out.push(5);
                push_names(&mut out, kind, name);
            }
            Request::Check { depth: CheckDepth::Structure } => out.push(6),
            Request::Check { depth: CheckDepth::ReadData } => out.push(7),
        }
        out
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Request> {
        let mut fields = Fields(bytes);
        let what = fields.u8()?;
        let request = match what {
            1 => Request::Status,
            2 | 3 | 5 => {
                let (kind, name) = take_names(&mut fields)?;
                match what {
                    2 => Request::Find { kind, name },
                    3 => Request::List { kind },
                    _ => Request::ReadNamed { kind, name },
                }
            }
            4 => Request::Read { id: ObjectId(fields.array()?) },
            6 => Request::Check { depth: CheckDepth::Structure },
            7 => Request::Check { depth: CheckDepth::ReadData },
            _ => return None,
        };
        fields.end()?;
        Some(request)
    }

    /// Refuses words that no object can have, before they are sent.
    pub(crate) fn check(&self) -> Result<()> {
        match self {
            Request::Find { kind, name } | Request::ReadNamed { kind, name } => check_name(kind, name),
            Request::List { kind } => check_name(kind, "*"),
            _ => Ok(()),
        }
    }

    /// The answer of a vault.
    pub(crate) fn put_to(&self, vault: &Vault) -> Result<Zeroizing<Vec<u8>>> {
        let mut out = Zeroizing::new(Vec::new());
        match self {
            Request::Status => push_status(&mut out, &Read::status(vault)?),
            Request::Find { kind, name } => {
                vault.find(kind, name)?.iter().for_each(|entry| push_entry(&mut out, entry))
            }
            Request::List { kind } => vault.list(kind)?.iter().for_each(|entry| push_entry(&mut out, entry)),
            Request::Read { id } => return vault.read(id),
            Request::ReadNamed { kind, name } => match vault.read_named(kind, name)? {
                None => out.push(0),
                Some(bytes) => {
                    out.reserve_exact(bytes.len() + 1);
                    out.push(1);
                    out.extend_from_slice(&bytes);
                }
            },
            Request::Check { depth } => push_report(&mut out, &vault.check(*depth)?),
        }
        Ok(out)
    }
}

impl Session {
    /// Sends an answer in as many frames as it takes.
    pub(crate) fn send_answer(&mut self, answer: &Result<Zeroizing<Vec<u8>>>) -> Result<()> {
        let bytes = match answer {
            Ok(bytes) => bytes,
            Err(error) => return self.send(&encode_error(error)),
        };
        let parts = bytes.len().div_ceil(PART).max(1);
        for part in 0..parts {
            let content = &bytes[part * PART..bytes.len().min((part + 1) * PART)];
            let mut frame = Zeroizing::new(Vec::with_capacity(content.len() + 1));
            frame.push(if part + 1 == parts { LAST } else { MORE });
            frame.extend_from_slice(content);
            self.send(&frame)?;
        }
        Ok(())
    }

    /// The whole answer, which may be an error of the holder's. Each frame must be there after `patience`; an error of
    /// the session itself ends it.
    pub(crate) fn receive_answer(&mut self, patience: Duration) -> Result<Result<Zeroizing<Vec<u8>>>> {
        let mut parts = Vec::new();
        loop {
            let frame = self.receive(PART + 1, Instant::now() + patience)?;
            let kind = frame.first().copied();
            match kind {
                Some(FAILED) => return Ok(Err(decode_error(&frame[1..]))),
                Some(LAST | MORE) => parts.push(frame),
                _ => return Err(unreadable()),
            }
            if kind == Some(LAST) {
                break;
            }
        }
        // Gathered at once: a buffer that grows would leave copies behind.
        let mut whole = Zeroizing::new(Vec::with_capacity(parts.iter().map(|part| part.len() - 1).sum()));
        parts.iter().for_each(|part| whole.extend_from_slice(&part[1..]));
        Ok(Ok(whole))
    }
}

pub(crate) fn unreadable() -> Error {
    Error::damaged("an answer over the vault's socket cannot be read: the two programs may be of different versions")
}

fn push_text(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(&(text.len() as u32).to_le_bytes());
    out.extend_from_slice(text.as_bytes());
}

fn take_text(fields: &mut Fields<'_>) -> Option<String> {
    let length = fields.u32()? as usize;
    fields.text(length).map(str::to_owned)
}

fn push_entry(out: &mut Vec<u8>, entry: &Entry) {
    out.extend_from_slice(&entry.id.0);
    out.extend_from_slice(&entry.bytes.to_le_bytes());
    out.extend_from_slice(&entry.time_ms.to_le_bytes());
    out.extend_from_slice(&entry.sequence.to_le_bytes());
    push_names(out, &entry.kind, &entry.name);
}

pub(crate) fn take_entries(bytes: &[u8]) -> Option<Vec<Entry>> {
    let (mut fields, mut entries) = (Fields(bytes), Vec::new());
    while !fields.0.is_empty() {
        let id = ObjectId(fields.array()?);
        let (bytes, time_ms, sequence) = (fields.u64()?, fields.i64()?, fields.u64()?);
        let (kind, name) = take_names(&mut fields)?;
        entries.push(Entry { id, kind, name, bytes, time_ms, sequence });
    }
    Some(entries)
}

fn push_status(out: &mut Vec<u8>, status: &Status) {
    push_text(out, &status.vault_id);
    let Status { vault_id: _, objects, bytes, stored_bytes, packs, slots, commits } = status;
    for figure in [objects, bytes, stored_bytes, packs, slots, commits] {
        out.extend_from_slice(&figure.to_le_bytes());
    }
}

pub(crate) fn take_status(bytes: &[u8]) -> Option<Status> {
    let mut fields = Fields(bytes);
    let status = Status {
        vault_id: take_text(&mut fields)?,
        objects: fields.u64()?,
        bytes: fields.u64()?,
        stored_bytes: fields.u64()?,
        packs: fields.u64()?,
        slots: fields.u64()?,
        commits: fields.u64()?,
    };
    fields.end()?;
    Some(status)
}

fn push_report(out: &mut Vec<u8>, report: &Report) {
    let Report { packs, entries, chunks, objects, bytes_read, problems } = report;
    for figure in [packs, entries, chunks, objects, bytes_read] {
        out.extend_from_slice(&figure.to_le_bytes());
    }
    for Problem { what, object } in problems {
        push_text(out, what);
        let (kind, name) = object.as_ref().map_or(("", ""), |(kind, name)| (kind.as_str(), name.as_str()));
        push_text(out, kind);
        push_text(out, name);
    }
}

pub(crate) fn take_report(bytes: &[u8]) -> Option<Report> {
    let mut fields = Fields(bytes);
    let mut report = Report {
        packs: fields.u64()?,
        entries: fields.u64()?,
        chunks: fields.u64()?,
        objects: fields.u64()?,
        bytes_read: fields.u64()?,
        problems: Vec::new(),
    };
    while !fields.0.is_empty() {
        let what = take_text(&mut fields)?;
        let object = (take_text(&mut fields)?, take_text(&mut fields)?);
        report.problems.push(Problem { what, object: (!object.0.is_empty()).then_some(object) });
    }
    Some(report)
}

fn encode_error(error: &Error) -> Zeroizing<Vec<u8>> {
    let (code, text) = match error {
        Error::NotFound(what) => (1, what.clone()),
        Error::Damaged(what) => (2, what.clone()),
        Error::Limit(what) => (3, what.clone()),
        Error::Stopped(what) => (4, what.clone()),
        Error::Busy { pid } => (5, pid.map_or_else(String::new, |pid| pid.to_string())),
        other => (6, other.to_string()),
    };
    // A frame holds more than any message has.
    let text: String = text.chars().take(PART / 8).collect();
    Zeroizing::new([&[FAILED, code], text.as_bytes()].concat())
}

fn decode_error(bytes: &[u8]) -> Error {
    let Some((code, text)) = bytes.split_first() else { return unreadable() };
    let text = String::from_utf8_lossy(text).into_owned();
    match code {
        1 => Error::NotFound(text),
        2 => Error::Damaged(text),
        3 => Error::Limit(text),
        4 => Error::Stopped(text),
        5 => Error::Busy { pid: text.parse().ok() },
        _ => Error::Io {
            doing: "read, in the program that holds it,",
            path: "the vault".into(),
            source: io::Error::other(text),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn requests() -> Vec<Request> {
        let (kind, name) = (String::from("note"), String::from("first"));
        vec![
            Request::Status,
            Request::Find { kind: kind.clone(), name: name.clone() },
            Request::List { kind: kind.clone() },
            Request::Read { id: ObjectId([9; 32]) },
            Request::ReadNamed { kind, name },
            Request::Check { depth: CheckDepth::Structure },
            Request::Check { depth: CheckDepth::ReadData },
        ]
    }

    #[test]
    fn requests_cut_extended_or_unknown_are_refused() {
        for request in requests() {
            let bytes = request.encode();
            assert!(bytes.len() <= REQUEST_MAX);
            assert_eq!(Request::decode(&bytes), Some(request));
            (0..bytes.len()).for_each(|n| assert_eq!(Request::decode(&bytes[..n]), None));
            assert_eq!(Request::decode(&[bytes.as_slice(), &[0]].concat()), None);
        }
        (0..=255u8).filter(|b| !(1..=7).contains(b)).for_each(|b| assert_eq!(Request::decode(&[b]), None));
    }

    #[test]
    fn answers_cut_anywhere_are_refused_or_shorter() {
        let entry = Entry {
            id: ObjectId([1; 32]),
            kind: "note".into(),
            name: "first".into(),
            bytes: 5,
            time_ms: -1,
            sequence: 3,
        };
        let mut bytes = Vec::new();
        (0..3).for_each(|_| push_entry(&mut bytes, &entry));
        assert_eq!(take_entries(&bytes).unwrap(), vec![entry; 3]);
        let whole = |n: usize| n.is_multiple_of(bytes.len() / 3);
        (0..bytes.len()).for_each(|n| assert_eq!(take_entries(&bytes[..n]).is_some(), whole(n)));
        let problem = Problem { what: "gone".into(), object: Some(("note".into(), "first".into())) };
        let bare = Problem { what: "head".into(), object: None };
        let report = Report { packs: 1, chunks: 2, problems: vec![problem, bare], ..Report::default() };
        let mut bytes = Vec::new();
        push_report(&mut bytes, &report);
        assert_eq!(take_report(&bytes), Some(report.clone()));
        (0..bytes.len()).for_each(|n| assert_ne!(take_report(&bytes[..n]), Some(report.clone())));
    }

    #[test]
    fn errors_keep_their_kind() {
        let through = |error: Error| decode_error(&encode_error(&error)[1..]);
        assert!(matches!(through(Error::NotFound("x".into())), Error::NotFound(x) if x == "x"));
        assert!(matches!(through(Error::Damaged("x".into())), Error::Damaged(x) if x == "x"));
        assert!(matches!(through(Error::Busy { pid: Some(7) }), Error::Busy { pid: Some(7) }));
        assert!(matches!(through(Error::Busy { pid: None }), Error::Busy { pid: None }));
        assert!(matches!(through(Error::Interrupted), Error::Io { .. }));
        assert!(matches!(decode_error(&[]), Error::Damaged(_)));
    }
}
