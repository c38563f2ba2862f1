//! Plain text and Markdown: a short file is one note, a longer one is cut at headings and blank lines.

use std::collections::BTreeMap;
use std::io::{BufRead, Read};

use super::{Connector, Output, Result, decode, time};
use crate::record::{Value, unix_lines};

/// The schema of notes.
const SCHEMA: &str = "usufruct/note@1";
/// Longest file, in bytes; a longer one is kept as an object.
const MAX_FILE_BYTES: u64 = 32 << 20;
/// A text up to this many bytes is one record.
const NOTE_BYTES: usize = 4 << 10;
/// A longer text is cut into pieces of whole paragraphs, up to about this many bytes each.
const PIECE_BYTES: usize = 2 << 10;
/// Most lines of front matter; more is no front matter.
const MAX_FRONT_LINES: usize = 64;
/// Longest title, in characters.
const MAX_TITLE_CHARS: usize = 200;

/// The connector for [`super::Format::Text`].
pub(super) struct Notes;

impl Connector for Notes {
    fn records(&self, input: &mut dyn BufRead, out: &mut Output<'_>) -> Result<()> {
        let mut input = decode::utf8(input).map_err(|error| out.read_error(error))?;
        let mut bytes = Vec::new();
        (&mut input).take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(|error| out.read_error(error))?;
        if bytes.len() as u64 > MAX_FILE_BYTES {
            out.problem(
                "",
                format!("a text longer than {MAX_FILE_BYTES} bytes; kept as an object, not licensable yet"),
            );
            return Ok(());
        }
        let text = decode::text(&bytes);
        notes(&unix_lines(&text), out)
    }
}

fn notes(text: &str, out: &mut Output<'_>) -> Result<()> {
    let (front, body) = front_matter(text);
    let named = front.iter().find(|(name, _)| name.eq_ignore_ascii_case("title")).map(|(_, title)| title.clone());
    let title = named.or_else(|| first_heading(body));
    let dated = front.iter().filter_map(|(name, value)| Some((time::time_rank(name)?, time::parse(value)?))).min();
    let time = dated.map(|(_, time)| time).or_else(|| time::parse_written(title.as_deref()?));
    let pieces = if body.len() <= NOTE_BYTES { vec![(1, body)] } else { pieces(body) };
    let many = pieces.len() > 1;
    for (number, (line, piece)) in pieces.into_iter().enumerate() {
        if piece.trim().is_empty() {
            continue;
        }
        let mut record = out.record(SCHEMA);
        record.time = time;
        record.text = Some(piece.trim_matches('\n').trim_end().to_owned());
        for (name, value) in &front {
            record.fields.insert(super::json::field_name(name.clone()), Value::from_text(value));
        }
        if let Some(title) = &title {
            record.set("title", title);
        }
        if many {
            record.fields.insert("piece".into(), Value::Int(i64::try_from(number + 1).unwrap_or(i64::MAX)));
        }
        out.put(record, format!("line {line}"))?;
    }
    Ok(())
}

/// The `name: value` lines between a first and a second line of `---`, and what follows. Text without them is all body.
fn front_matter(text: &str) -> (BTreeMap<String, String>, &str) {
    let none = (BTreeMap::new(), text);
    let Some(rest) = text.strip_prefix("---\n") else { return none };
    let mut fields = BTreeMap::new();
    let mut used = 0;
    for line in rest.split_inclusive('\n').take(MAX_FRONT_LINES) {
        used += line.len();
        let line = line.trim_end();
        if line == "---" || line == "..." {
            return (fields, &rest[used..]);
        }
        // Lists and nested values are not fields; they are passed over.
        if let Some((name, value)) = line.split_once(':').filter(|(name, _)| !name.starts_with([' ', '-', '#'])) {
            let value = value.trim().trim_matches(['"', '\'']);
            if !value.is_empty() && !name.trim().is_empty() {
                fields.insert(name.trim().to_owned(), value.to_owned());
            }
        }
    }
    none
}

fn first_heading(body: &str) -> Option<String> {
    let line = body.lines().find(|line| !line.trim().is_empty())?;
    let title = line.trim_start_matches('#');
    let marks = line.len() - title.len();
    let is_heading = (1..=6).contains(&marks) && title.starts_with(' ');
    is_heading.then(|| title.trim().trim_end_matches('#').trim().chars().take(MAX_TITLE_CHARS).collect())
}

/// Cuts a text at headings and blank lines into pieces of up to [`PIECE_BYTES`], each with its first line's number.
/// A single paragraph longer than that stays whole.
fn pieces(body: &str) -> Vec<(usize, &str)> {
    let mut pieces = Vec::new();
    let (mut start, mut start_line) = (0, 1);
    let (mut paragraph, mut paragraph_line) = (0, 1);
    let (mut position, mut blank, mut fenced) = (0, true, false);
    for (line, text) in (1..).zip(body.split_inclusive('\n')) {
        let heading = !fenced && blank && text.starts_with('#');
        if blank && !text.trim().is_empty() {
            // A paragraph begins here: close the piece before it when it is full or a heading opens a new one.
            (paragraph, paragraph_line) = (position, line);
            if heading && start < position {
                pieces.push((start_line, &body[start..position]));
                (start, start_line) = (position, line);
            }
        }
        if text.starts_with("```") {
            fenced = !fenced;
        }
        blank = text.trim().is_empty() && !fenced;
        position += text.len();
        if position - start > PIECE_BYTES && paragraph > start {
            pieces.push((start_line, &body[start..paragraph]));
            (start, start_line) = (paragraph, paragraph_line);
        }
    }
    pieces.push((start_line, &body[start..]));
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_together_are_the_text() {
        let body = (0..200).map(|n| format!("Paragraph {n}.\nSecond line.\n\n")).collect::<String>() + "# End\n\ntext";
        let cut = pieces(&body);
        assert!(cut.len() > 2);
        assert_eq!(cut.iter().map(|(_, piece)| *piece).collect::<String>(), body);
        assert!(cut.iter().all(|(_, piece)| piece.len() <= PIECE_BYTES && !piece.starts_with('\n')));
        assert!(cut.last().is_some_and(|(_, piece)| piece.starts_with("# End")));
        let lines: Vec<&str> = body.lines().collect();
        assert!(cut.iter().all(|(line, piece)| piece.starts_with(lines[line - 1])));
    }

    #[test]
    fn heading_inside_a_fence_cuts_nothing() {
        let body = format!("start\n\n```\n\n# not a heading\n\n```\n\n{}", "x".repeat(100));
        assert_eq!(pieces(&body).len(), 1);
    }

    #[test]
    fn long_paragraph_stays_whole() {
        let body = format!("short\n\n{}\n\nshort", "x".repeat(3 * PIECE_BYTES));
        assert_eq!(pieces(&body).len(), 3);
    }

    #[test]
    fn front_matter_without_an_end_is_text() {
        assert_eq!(front_matter("---\ntitle: a\nbody").1, "---\ntitle: a\nbody");
        assert_eq!(front_matter(&format!("---\n{}---\n", "a: b\n".repeat(MAX_FRONT_LINES))).0.len(), 0);
        let (fields, body) = front_matter("---\ntitle: \"A: b\"\ntags:\n - x\n---\nbody");
        assert_eq!((fields.len(), fields["title"].as_str(), body), (1, "A: b", "body"));
    }

    #[test]
    fn first_heading_is_the_title_and_a_tag_is_not() {
        assert_eq!(first_heading("\n## A day ##\n").as_deref(), Some("A day"));
        assert_eq!(first_heading("#tag line\n"), None);
        assert_eq!(first_heading("plain\n# later"), None);
    }
}
