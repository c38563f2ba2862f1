//! Notes, tables and JSON.

use super::*;
use crate::record::{MAX_FIELDS, MAX_TEXT_BYTES, Value};

fn int(record: &Record, name: &str) -> i64 {
    match record.fields.get(name) {
        Some(Value::Int(value)) => *value,
        other => panic!("{name} is {other:?}"),
    }
}

#[test]
fn csv_of_an_old_export_is_read() {
    let (rows, summary) = import(data("fixtures/expenses.csv"));
    assert_eq!(summary.format, Format::Csv);
    assert_eq!(only_problem(&summary), "file, row 4: 2 cells where the table has 3 columns; this row was left out");
    assert_eq!(rows.len(), 2);
    assert_eq!(rows[0].fields["texte"].display(), "Café avec Léa");
    assert_eq!(rows[0].fields["montant"], Value::Text("3,50".into()));
    assert_eq!(rows[0].time, Some(1_709_251_200));
    assert_eq!(rows[1].fields["texte"].display(), "Train; aller\r\net retour");
    assert_eq!(int(&rows[1], "montant"), 42);
}

#[test]
fn csv_text_and_time_columns_are_found_by_name() {
    let (rows, _) = import("id,Created At,Message\n7,2024-03-01T00:00:00Z,hello\n8,never,\n");
    assert_eq!((rows[0].text.as_deref(), rows[0].time, int(&rows[0], "id")), (Some("hello"), Some(1_709_251_200), 7));
    assert_eq!((rows[1].text.as_deref(), rows[1].time), (None, None));
    assert!(!rows[0].fields.contains_key("Message"));
}

#[test]
fn csv_in_utf16_is_read() {
    let text = "\u{feff}name\ttext\nÉlodie\tça va\n";
    let bytes: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let (rows, summary) = import(bytes);
    assert!(summary.is_whole());
    assert_eq!((rows[0].fields["name"].display().as_ref(), rows[0].text.as_deref()), ("Élodie", Some("ça va")));
}

#[test]
fn csv_without_a_header_gets_numbered_columns() {
    let (rows, _) = import("1,2,x\n3,4,y\n5,6,z\n");
    assert_eq!((rows.len(), int(&rows[0], "column_1"), int(&rows[2], "column_2")), (3, 1, 6));
}

#[test]
fn csv_with_a_told_separator_skips_that_line() {
    let (rows, summary) = import("sep=;\r\na;b\r\n1;2\r\n");
    assert_eq!((rows.len(), int(&rows[0], "b")), (1, 2));
    assert!(summary.is_whole());
}

#[test]
fn csv_with_repeated_and_empty_names_keeps_every_cell() {
    let (rows, _) = import("a,,b,\n1,2,3,4\n5,6,7,8\n");
    let names: Vec<&String> = rows[0].fields.keys().collect();
    assert_eq!(names, ["a", "b", "column_2", "column_4"]);
    let (rows, _) = import("a;b;c\nx;y;z\n");
    assert_eq!(rows[0].fields.len(), 3);
}

#[test]
fn csv_with_an_unclosed_quotation_mark_ends_there() {
    let table = "a,b\n1,2\n3,\"".to_owned() + &"4,5\n".repeat(1 << 20);
    let (rows, summary) = import(table);
    assert_eq!(rows.len(), 1);
    assert!(only_problem(&summary).contains("unclosed quotation mark"));
}

#[test]
fn csv_with_too_many_columns_is_left_out() {
    let row = |sign: &str| (0..=MAX_FIELDS).map(|n| format!("{sign}{n}")).collect::<Vec<_>>().join(",");
    let (rows, summary) = import(format!("{}\n{}\n", row("c"), row("v")));
    assert!(rows.is_empty());
    assert!(only_problem(&summary).contains("columns, more than"));
}

#[test]
fn csv_cell_longer_than_a_text_is_reported() {
    let (rows, summary) = import(format!("id,text\n1,short\n2,{}\n3,short\n", "x".repeat(MAX_TEXT_BYTES + 1)));
    assert_eq!(rows.len(), 2);
    assert!(only_problem(&summary).starts_with("file, row 3: the text has"));
}

#[test]
fn csv_of_only_a_header_is_no_table() {
    assert_eq!(import("a,b,c\n").1.format, Format::Text);
}

#[test]
fn json_array_is_read_element_by_element() {
    let (rows, summary) = import(data("fixtures/people.json"));
    assert_eq!(summary.format, Format::Json);
    assert_eq!(only_problem(&summary), "file, element 3: not a JSON object; this element was left out");
    assert_eq!(texts(&rows), ["Met the neighbors.", "It rained.", "No time given."]);
    assert_eq!([rows[0].time, rows[1].time, rows[2].time], [Some(1_709_276_400), Some(1_709_366_400), None]);
    assert_eq!(rows[0].fields["tags"].display(), "[\"b\",\"a\"]");
    assert_eq!(int(&rows[0], "stars"), 4);
    assert_eq!(rows[1].fields["weight"], Value::Text("71.5".into()));
    assert_eq!(rows[1].fields["done"], Value::Bool(true));
    assert!(!rows[1].fields.contains_key("left"));
}

#[test]
fn json_single_object_is_one_record() {
    let (rows, _) = import("\u{feff}{\n \"content\": \"hello\",\n \"text\": 5, \"n\": {\"b\": 1, \"a\": 2}\n}\n");
    assert_eq!(texts(&rows), ["hello"]);
    assert_eq!(int(&rows[0], "text_value"), 5);
    assert_eq!(rows[0].fields["n"].display(), "{\"a\":2,\"b\":1}");
}

#[test]
fn json_lines_go_on_after_a_bad_line() {
    let (rows, summary) = import(data("fixtures/entries.jsonl"));
    assert_eq!(summary.format, Format::JsonLines);
    assert_eq!(texts(&rows), ["One", "Two", "Four"]);
    assert!(only_problem(&summary).starts_with("file, line 3: not valid JSON"));
}

#[test]
fn json_that_is_cut_off_keeps_what_came_before() {
    let (rows, summary) = import("[{\"text\":\"one\"},{\"text\":\"tw");
    assert_eq!(texts(&rows), ["one"]);
    assert!(only_problem(&summary).contains("cut off"));
    assert!(only_problem(&import("[{\"text\":\"one\"},").1).contains("cut off"));
    assert!(only_problem(&import("[{\"text\":\"one\"}] x").1).contains("after the end"));
}

#[test]
fn json_nested_ten_thousand_deep_is_refused() {
    let deep = format!("[{{\"a\":{}1{}}},{{\"text\":\"fine\"}}]", "[".repeat(10_000), "]".repeat(10_000));
    let (rows, summary) = import(&deep);
    assert_eq!(texts(&rows), ["fine"]);
    assert!(only_problem(&summary).contains("levels deep"));
    let (rows, summary) = import(deep[1..].replace(",{", "\n{").trim_end_matches(']'));
    assert_eq!((texts(&rows), summary.problems.len()), (vec!["fine"], 1));
    let (rows, summary) = import("[".repeat(10_000));
    assert!(rows.is_empty());
    assert!(only_problem(&summary).contains("cut off"));
}

#[test]
fn json_element_with_too_many_values_or_bytes_is_left_out() {
    let many = format!("[{{\"a\":[{}1]}},{{\"text\":\"fine\"}}]", "1,".repeat(30_000));
    let (rows, summary) = import(many);
    assert_eq!(texts(&rows), ["fine"]);
    assert!(only_problem(&summary).contains("values in it"));
    let long = format!("[{{\"a\":\"{}\"}},{{\"text\":\"fine\"}}]", "x".repeat(5 << 20));
    let (rows, summary) = import(&long);
    assert_eq!(texts(&rows), ["fine"]);
    assert!(only_problem(&summary).contains("longer than"));
    let (rows, summary) = import(long[1..].replace(",{", "\n{").trim_end_matches(']'));
    assert_eq!((texts(&rows), summary.problems.len()), (vec!["fine"], 1));
}

#[test]
fn json_with_bad_bytes_or_brackets_is_reported() {
    for bad in [&b"[{\"a\":\"\xff\xfe caf\xe9\"}]"[..], b"[{\"a\":1]]", b"[{\"a\"}]", b"[{},}]", b"[{\"a\":01}]"] {
        let (rows, summary) = import(bad);
        assert!(rows.is_empty() && !summary.is_whole(), "{:?}", String::from_utf8_lossy(bad));
    }
}

#[test]
fn json_strings_with_brackets_and_escapes_do_not_confuse() {
    let (rows, summary) = import(r#"[{"text":"a ] } \" , [ { \\"},{"text":"b"}]"#);
    assert_eq!(texts(&rows), ["a ] } \" , [ { \\", "b"]);
    assert!(summary.is_whole());
}

#[test]
fn note_with_front_matter_has_title_and_time() {
    let (notes, summary) = import(data("fixtures/day.md"));
    assert_eq!((summary.format, notes.len()), (Format::Text, 1));
    assert_eq!(notes[0].fields["title"].display(), "A walk by the river");
    assert_eq!(notes[0].fields["tags"].display(), "walk");
    assert_eq!(notes[0].time, Some(1_709_251_200));
    assert_eq!(notes[0].text.as_deref(), Some("# Morning\n\nLeft at eight. The water was high."));
}

#[test]
fn note_in_windows_text_with_crlf_is_read() {
    let (notes, _) = import(b"# Journ\xe9e\r\n\r\nUne pomme.\r\n");
    assert_eq!(notes[0].text.as_deref(), Some("# Journée\n\nUne pomme."));
    assert_eq!(notes[0].fields["title"].display(), "Journée");
}

#[test]
fn long_note_becomes_numbered_pieces() {
    let (notes, _) = import("A paragraph of some length, again and again.\n\n".repeat(500));
    assert!(notes.len() > 5);
    assert!(notes.iter().enumerate().all(|(n, note)| int(note, "piece") == n as i64 + 1));
    assert_eq!(identities(&notes).len(), notes.len());
}

#[test]
fn note_with_one_endless_line_is_reported() {
    let (notes, summary) = import("word ".repeat(MAX_TEXT_BYTES / 4));
    assert!(notes.is_empty());
    assert!(only_problem(&summary).contains("split it"));
}

#[test]
fn text_longer_than_the_limit_is_kept_as_an_object() {
    let (notes, summary) = import("a line\n\n".repeat(5 << 20));
    assert!(notes.is_empty());
    assert!(only_problem(&summary).contains("kept as an object"));
}
