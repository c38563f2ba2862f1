//! What the connectors do with good, bad and hostile files.

mod archives;
mod chats;
mod mail;
mod random;
mod tables;

use std::collections::HashSet;
use std::io::{Cursor, Write};

use zip::write::SimpleFileOptions;

use super::*;

/// Reads a file and gives its records and summary; every record is within its limits.
fn import(bytes: impl AsRef<[u8]>) -> (Vec<Record>, Summary) {
    let mut records = Vec::new();
    let context = Context::new("source", "file");
    let summary = read(&mut Cursor::new(bytes.as_ref()), &context, &mut |record| {
        records.push(record);
        Ok(())
    })
    .unwrap();
    assert_eq!(summary.records, records.len() as u64);
    for record in &records {
        record.check().unwrap();
        assert_eq!(record.source, "source");
        assert!(["note", "row", "mail", "message"].contains(&record.kind.as_str()));
    }
    (records, summary)
}

fn texts(records: &[Record]) -> Vec<&str> {
    records.iter().map(|record| record.text.as_deref().unwrap_or("-")).collect()
}

/// The one problem of a file that has exactly one, as it is shown.
#[track_caller]
fn only_problem(summary: &Summary) -> String {
    assert_eq!(summary.problems.len(), 1, "{:?}", summary.problems);
    summary.problems[0].to_string()
}

fn data(name: &str) -> Vec<u8> {
    std::fs::read(format!("{}/../tests/data/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

/// A zip archive of these entries, deflated.
fn zipped<N: AsRef<str>, B: AsRef<[u8]>>(entries: &[(N, B)]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in entries {
        writer.start_file(name.as_ref(), SimpleFileOptions::default()).unwrap();
        writer.write_all(bytes.as_ref()).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

fn identities(records: &[Record]) -> HashSet<[u8; 32]> {
    records.iter().map(|record| record.identity().unwrap()).collect()
}

#[test]
fn sample_files_are_read_whole() {
    let mut all = Vec::new();
    for (name, format, count) in [
        ("addresses.json", Format::Json, 305),
        ("messages.mbox", Format::Mbox, 16),
        ("monroe-1823.md", Format::Text, 23),
    ] {
        let (records, summary) = import(data(&format!("sample/{name}")));
        assert_eq!((summary.format, summary.problems.as_slice()), (format, &[][..]), "{name}");
        assert_eq!(records.len(), count, "{name}");
        assert!(records.iter().all(|record| record.text.is_some()), "{name}");
        // All of them were written between 1790 and 1823.
        assert!(
            records.iter().all(|record| (-5_680_281_600..-4_607_712_000).contains(&record.time.unwrap())),
            "{name}"
        );
        all.extend(records);
    }
    assert_eq!(identities(&all).len(), all.len(), "no two records are the same");
}

#[test]
fn sample_mail_keeps_the_text_to_the_letter() {
    let (mails, _) = import(data("sample/messages.mbox"));
    let first = &mails[0];
    assert!(
        first
            .text
            .as_deref()
            .unwrap()
            .starts_with("Fellow Citizens of the Senate and House of Representatives:\n\nIt is a")
    );
    assert_eq!(first.fields["from"].display(), "Thomas Jefferson");
    assert_eq!(first.fields["subject"].display(), "Annual message of 1801");
    assert_eq!(first.time, time::parse("1801-12-08"));
    assert!(mails.iter().all(|mail| !mail.text.as_deref().unwrap().contains("=\n")));
}

#[test]
fn import_twice_gives_the_same_identities() {
    for name in ["sample/addresses.json", "fixtures/mail.mbox", "fixtures/day.md", "fixtures/expenses.csv"] {
        assert_eq!(identities(&import(data(name)).0), identities(&import(data(name)).0), "{name}");
    }
}

#[test]
fn receiver_error_stops_the_reading() {
    let bytes = data("sample/addresses.json");
    let mut seen = 0;
    let result = read(&mut Cursor::new(bytes), &Context::new("s", "f"), &mut |_| {
        seen += 1;
        if seen == 3 { Err(Error::receiver("the disk is full")) } else { Ok(()) }
    });
    assert!(matches!(result, Err(Error::Receiver(error)) if error.to_string() == "the disk is full"));
    assert_eq!(seen, 3);
}

#[test]
fn unreadable_file_is_an_error_that_names_it() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("bad sector"))
        }
    }
    impl Seek for Broken {
        fn seek(&mut self, _: SeekFrom) -> io::Result<u64> {
            Ok(0)
        }
    }
    let error = read(&mut Broken, &Context::new("s", "notes.txt"), &mut |_| Ok(())).unwrap_err();
    assert!(error.to_string().contains("notes.txt") && error.to_string().contains("bad sector"));
}

#[test]
fn file_without_content_gives_nothing_and_no_problem() {
    for bytes in [&b""[..], b"\n \n", b"\xef\xbb\xbf", b"\xff\xfe"] {
        let (records, summary) = import(bytes);
        assert!(records.is_empty() && summary.is_whole() && summary.format == Format::Empty, "{bytes:?}");
    }
}

#[test]
fn noise_is_kept_as_an_object() {
    let (records, summary) = import(data("fixtures/noise.bin"));
    assert!(records.is_empty() && summary.is_whole());
    assert_eq!(summary.format, Format::Other);
}

#[test]
fn problems_beyond_the_limit_are_counted() {
    let lines = "{\"text\":\"fine\"}\n".to_owned() + &"{bad\n".repeat(MAX_PROBLEMS + 7);
    let (records, summary) = import(lines);
    assert_eq!((records.len(), summary.problems.len(), summary.more_problems), (1, MAX_PROBLEMS, 7));
}

#[test]
fn problem_text_is_short_and_on_one_line() {
    assert_eq!(shortened("a\nb\u{1b}c"), "a b c");
    assert_eq!(shortened(&"x".repeat(1_000)).chars().count(), MAX_REPORT_CHARS + 1);
    let problem = Problem { file: "f".into(), place: "line 2".into(), reason: "r".into() };
    assert_eq!(problem.to_string(), "f, line 2: r");
    assert_eq!(Problem { place: String::new(), ..problem }.to_string(), "f: r");
}
