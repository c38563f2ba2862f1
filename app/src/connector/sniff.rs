//! Recognizing a file by its first bytes.

use std::collections::HashSet;

use super::{Format, decode, json};

/// How many bytes of a file are looked at to recognize it.
pub const HEAD_BYTES: usize = 64 << 10;

/// The column separators a table may have.
pub(super) const DELIMITERS: [u8; 4] = *b",;\t|";
/// How many rows of the head decide whether it is a table.
const TABLE_ROWS: usize = 20;
/// Longest cell of a header row, in bytes; prose is longer.
const MAX_HEADER_CELL: usize = 60;

/// Documents and pictures that begin like text, or that text rules would take for something else.
const BINARY_STARTS: [&[u8]; 14] = [
    b"%PDF-",
    b"%!PS",
    b"{\\rtf",
    b"\x89PNG",
    b"\xff\xd8\xff",
    b"GIF8",
    b"RIFF",
    b"OggS",
    b"ID3",
    b"SQLite format 3",
    b"\x1f\x8b",
    b"7z\xbc\xaf",
    b"Rar!",
    b"\x7fELF",
];

/// Markup whose text would come with its tags: kept as an object.
const MARKUP_STARTS: [&str; 5] = ["<?xml", "<!doctype", "<html", "<svg", "<head"];

/// What a file is, from its first [`HEAD_BYTES`] (or all of it, if shorter). An archive with chat conversations is a
/// [`Format::Zip`] here: only its directory tells.
#[must_use]
pub fn sniff(head: &[u8]) -> Format {
    if head.is_empty() {
        return Format::Empty;
    }
    if head.starts_with(b"PK\x03\x04") || head.starts_with(b"PK\x05\x06") {
        return Format::Zip;
    }
    let cut = head.len() >= HEAD_BYTES;
    let plain = decode::head(head);
    if BINARY_STARTS.iter().any(|start| head.starts_with(start)) || !looks_like_text(&plain, cut) {
        return Format::Other;
    }
    let text = decode::text(&plain);
    let text = text.trim_start();
    if text.is_empty() {
        return if cut { Format::Other } else { Format::Empty };
    }
    let start: String = text.chars().take(9).collect::<String>().to_lowercase();
    if MARKUP_STARTS.iter().any(|markup| start.starts_with(markup)) {
        Format::Other
    } else if looks_like_mbox(text) {
        Format::Mbox
    } else if let Some(format) = json_format(text) {
        format
    } else if !text.starts_with("---\n") && !text.starts_with("---\r") && delimiter(plain.as_ref(), cut).is_some() {
        Format::Csv
    } else {
        Format::Text
    }
}

/// Text has no control characters, and is UTF-8 or has mostly ASCII.
fn looks_like_text(bytes: &[u8], cut: bool) -> bool {
    let control = |byte: &u8| matches!(byte, 0..=8 | 14..=26 | 28..=31 | 127);
    if bytes.iter().any(control) {
        return false;
    }
    match std::str::from_utf8(bytes) {
        Ok(_) => true,
        Err(error) if cut && error.error_len().is_none() => true,
        Err(_) => bytes.iter().filter(|byte| !byte.is_ascii()).count() * 3 < bytes.len(),
    }
}

fn looks_like_mbox(text: &str) -> bool {
    let mut lines = text.lines();
    lines.next().is_some_and(|line| line.starts_with("From ")) && lines.next().is_some_and(is_header)
}

/// Whether a line could be a mail header: `Name: value` (RFC 5322 section 2.2).
pub(super) fn is_header(line: &str) -> bool {
    line.split_once(':').is_some_and(|(name, _)| {
        !name.is_empty() && name.len() <= 76 && name.bytes().all(|byte| matches!(byte, 33..=126))
    })
}

fn json_format(text: &str) -> Option<Format> {
    let mut signs = text.chars().filter(|c| !c.is_whitespace());
    let format = match (signs.next()?, signs.next()) {
        ('[', Some('{' | '[' | ']')) => Format::Json,
        ('{', Some('"' | '}')) => one_or_many(text),
        _ => return None,
    };
    let chat = text.contains("\"mapping\"") && (text.contains("\"create_time\"") || text.contains("\"current_node\""));
    Some(if chat { Format::Chatgpt } else { format })
}

/// Whether text that begins with an object is that one object, or one object a line.
fn one_or_many(text: &str) -> Format {
    match json::first_value_end(text.as_bytes()) {
        Some(end) if text[end..].trim_start().is_empty() => Format::Json,
        Some(_) => Format::JsonLines,
        None if text.contains('\n') && !first_line_is_object(text) => Format::Json,
        None => Format::JsonLines,
    }
}

fn first_line_is_object(text: &str) -> bool {
    text.lines().next().is_some_and(|line| serde_json::from_str::<serde_json::Map<_, _>>(line).is_ok())
}

/// The column separator, if the head is a table. `cut` says that the last line may be incomplete.
pub(super) fn delimiter(head: &[u8], cut: bool) -> Option<u8> {
    let whole = if cut { head.iter().rposition(|byte| *byte == b'\n').map_or(head, |end| &head[..end]) } else { head };
    let (whole, told) = told_delimiter(whole);
    if told.is_some() {
        return told;
    }
    // A Markdown table begins with a bar; a table whose separator is a bar does not.
    if whole.starts_with(b"|") {
        return None;
    }
    let scored = DELIMITERS.into_iter().filter_map(|sign| Some((columns(whole, sign)?, sign)));
    scored.max_by_key(|(columns, _)| *columns).map(|(_, sign)| sign)
}

/// The separator that a first line `sep=;` tells (spreadsheets write it), and what follows that line.
pub(super) fn told_delimiter(head: &[u8]) -> (&[u8], Option<u8>) {
    match head.strip_prefix(b"sep=") {
        Some([sign, rest @ ..]) if DELIMITERS.contains(sign) && rest.first().is_some_and(|b| b"\r\n".contains(b)) => {
            let end = rest.iter().position(|byte| *byte == b'\n').map_or(rest.len(), |end| end + 1);
            (&rest[end..], Some(*sign))
        }
        _ => (head, None),
    }
}

/// The number of columns, if `sign` makes the head a table: a header row of names or three equal rows, and at least
/// one row below in which most have the header's width.
fn columns(head: &[u8], sign: u8) -> Option<usize> {
    let mut reader = ::csv::ReaderBuilder::new().delimiter(sign).has_headers(false).flexible(true).from_reader(head);
    let rows: Vec<::csv::ByteRecord> = reader.byte_records().take(TABLE_ROWS + 1).filter_map(Result::ok).collect();
    let (header, rest) = rows.split_first()?;
    let width = header.len();
    let equal = rest.iter().filter(|row| row.len() == width).count();
    if width < 2 || rest.is_empty() || equal * 2 < rest.len() {
        return None;
    }
    // "Hello, world" over "Dear all, hi": a blank after every comma is prose unless the rows agree on several columns.
    let spaced = header.iter().skip(1).all(|cell| cell.starts_with(b" "));
    let regular = equal == rest.len() && rest.len() >= 2;
    if spaced && (!regular || width < 3) {
        return None;
    }
    (is_header_row(header) || (regular && width >= 3)).then_some(width)
}

/// Whether a row names columns: short, different, no numbers, no sentences.
pub(super) fn is_header_row(row: &::csv::ByteRecord) -> bool {
    let mut seen = HashSet::new();
    row.iter().all(|cell| {
        let text = decode::text(cell);
        let text = text.trim();
        let named = text.is_empty() || seen.insert(text.to_lowercase());
        named && text.len() <= MAX_HEADER_CELL && text.parse::<f64>().is_err() && !text.ends_with(['.', '!', '?'])
    }) && !seen.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(head: impl AsRef<[u8]>, expected: Format) {
        assert_eq!(sniff(head.as_ref()), expected, "{}", String::from_utf8_lossy(head.as_ref()));
    }

    #[test]
    fn sniff_of_nothing_is_empty() {
        check("", Format::Empty);
        check(" \n\t", Format::Empty);
        check("\u{feff}", Format::Empty);
    }

    #[test]
    fn sniff_of_binary_is_other() {
        check(b"\x89PNG\r\n\x1a\n", Format::Other);
        check("%PDF-1.7\nhello", Format::Other);
        check("{\\rtf1 hello}", Format::Other);
        check([0u8; 64], Format::Other);
        check(b"hello\0world", Format::Other);
        check((128..=255).collect::<Vec<u8>>(), Format::Other);
        check("<!DOCTYPE html><p>hello", Format::Other);
        check("<?xml version='1.0'?><a/>", Format::Other);
    }

    #[test]
    fn sniff_of_archives_is_zip() {
        check(b"PK\x03\x04rest", Format::Zip);
        check(b"PK\x05\x06\0\0\0\0", Format::Zip);
        check("PKZIP is a program", Format::Text);
    }

    #[test]
    fn sniff_tells_json_from_json_lines() {
        check("[{\"a\":1}]", Format::Json);
        check("[]", Format::Json);
        check("{\"a\":\n1}", Format::Json);
        check("{\"a\":1}", Format::Json);
        check("{}", Format::Json);
        check("{\"a\":1}\n{\"a\":2}\n", Format::JsonLines);
        check("{\"a\":1}\nnot json\n", Format::JsonLines);
        check("\u{feff}{\"a\":1}\r\n{\"a\":2}", Format::JsonLines);
        check(
            format!("{{\"a\":\"{}\"}}\n{{}}", "x".repeat(HEAD_BYTES)).as_bytes()[..HEAD_BYTES].to_vec(),
            Format::JsonLines,
        );
        check(format!("{{\n\"a\":\"{}\"}}", "x".repeat(HEAD_BYTES)).as_bytes()[..HEAD_BYTES].to_vec(), Format::Json);
    }

    #[test]
    fn sniff_of_brackets_in_prose_is_text() {
        check("[1] See the footnote.", Format::Text);
        check("[link](there) and more", Format::Text);
        check("{curly} words", Format::Text);
    }

    #[test]
    fn sniff_of_conversations_is_chatgpt() {
        check("[{\"title\":\"t\",\"create_time\":1.5,\"mapping\":{}}]", Format::Chatgpt);
        check("[{\"title\":\"t\",\"mapping\":{}}]", Format::Json);
    }

    #[test]
    fn sniff_of_mail_needs_a_header() {
        check("From a@b Fri Mar  1 12:30:00 2024\nSubject: x\n\nhello\n", Format::Mbox);
        check("From a@b Fri Mar  1 12:30:00 2024\r\nReceived: x\r\n", Format::Mbox);
        check("From here on it rained\nand rained.\n", Format::Text);
        check("From a@b Fri Mar  1 12:30:00 2024", Format::Text);
    }

    #[test]
    fn sniff_of_tables_finds_every_separator() {
        for sign in [",", ";", "\t", "|"] {
            check(["date", "text"].join(sign) + "\n" + &["2024-01-01", "hello"].join(sign) + "\n", Format::Csv);
        }
        check("sep=;\na;b\n1;2\n", Format::Csv);
        check("1,2,3\n4,5,6\n7,8,9\n", Format::Csv);
        check("date;montant\n1/2/2024;3,50\n2/2/2024;4,20\n", Format::Csv);
        let utf16: Vec<u8> = "\u{feff}a;b\n1;2\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
        check(utf16, Format::Csv);
    }

    #[test]
    fn delimiter_of_decimal_commas_is_the_semicolon() {
        assert_eq!(delimiter(b"date;amount\n1;3,50\n2;4,20\n", false), Some(b';'));
        assert_eq!(delimiter(b"a\tb, c\n1\t2, 3\n4\t5, 6\n", false), Some(b'\t'));
    }

    #[test]
    fn sniff_of_prose_is_text() {
        check("Dear all, hello.\nWe met, and talked.\n", Format::Text);
        check("Hello, world\nGood bye, world\n", Format::Text);
        check("One line, with a comma", Format::Text);
        check("| a | b |\n|---|---|\n| 1 | 2 |\n", Format::Text);
        check("---\ntitle: a, b\ndate: c, d\n---\ntext", Format::Text);
        check("# Heading\n\nText; more text\n", Format::Text);
        check(b"Caf\xe9 au lait\n", Format::Text);
    }
}
