//! Archives, most of them hostile.

use super::*;

fn fine() -> (&'static str, Vec<u8>) {
    ("fine.txt", b"A fine note.".to_vec())
}

/// The archive with one of its entry names changed in place, in both headers.
fn renamed(archive: &[u8], from: &str, to: &str) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let mut bytes = archive.to_vec();
    for position in 0..bytes.len() - from.len() {
        if bytes[position..].starts_with(from.as_bytes()) {
            bytes[position..position + to.len()].copy_from_slice(to.as_bytes());
        }
    }
    bytes
}

#[test]
fn archive_entries_are_read_by_content() {
    let (records, summary) = import(zipped(&[
        ("notes/a.bin", b"A note.".to_vec()),
        ("b.txt", data("fixtures/people.json")),
        ("c", data("fixtures/mail.mbox")),
        ("d.dat", data("fixtures/expenses.csv")),
        ("e.jpg", b"\xff\xd8\xff\xe0 picture".to_vec()),
        ("empty", Vec::new()),
        ("__MACOSX/._a", b"\0\x05".to_vec()),
    ]));
    assert_eq!(summary.format, Format::Zip);
    let kinds: HashSet<&str> = records.iter().map(|record| record.kind.as_str()).collect();
    assert_eq!((records.len(), kinds), (1 + 3 + 3 + 2, HashSet::from(["note", "row", "mail"])));
    assert_eq!(summary.others, ["e.jpg", "empty"]);
    let places: Vec<String> = summary.problems.iter().map(ToString::to_string).collect();
    assert!(
        places[0].starts_with("file/b.txt, element 3:") && places[1].starts_with("file/d.dat, row 4:"),
        "{places:?}"
    );
}

#[test]
fn archive_that_is_cut_off_gives_a_problem_and_no_records() {
    let whole = zipped(&[fine(), ("b.txt", b"Another note.".to_vec())]);
    for length in [4, 30, whole.len() / 2, whole.len() - 1] {
        let (records, summary) = import(&whole[..length]);
        assert!(records.is_empty(), "{length}");
        assert!(only_problem(&summary).contains("cannot be listed"), "{length}");
    }
}

#[test]
fn archive_without_entries_gives_nothing() {
    let (records, summary) = import(zipped::<&str, &[u8]>(&[]));
    assert!(records.is_empty() && summary.is_whole());
}

#[test]
fn archive_entry_with_a_wrong_checksum_gives_no_records() {
    let long = "A note that is long enough to be changed in the middle of its bytes.\n".repeat(50);
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let stored = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    for (name, bytes) in [("bad.txt", long.as_bytes()), ("fine.txt", b"A fine note.")] {
        writer.start_file(name, stored).unwrap();
        writer.write_all(bytes).unwrap();
    }
    let mut bytes = writer.finish().unwrap().into_inner();
    bytes[1_000] ^= 1;
    let (records, summary) = import(bytes);
    assert_eq!(texts(&records), ["A fine note."]);
    assert!(only_problem(&summary).starts_with("file/bad.txt: "));
}

#[test]
fn archive_names_that_point_outside_are_refused() {
    let archive = zipped(&[("xxx/evil.txt", b"evil".to_vec()), fine()]);
    for name in ["../x/ev.txt.", "..\\x\\ev.txt.", "/etc/passwd.", "C:\\evil.txt", "a/../../b/c.", "\\\\host\\ev.t"] {
        let (records, summary) = import(renamed(&archive, "xxx/evil.txt", &format!("{name:.<12}")[..12]));
        assert_eq!(texts(&records), ["A fine note."], "{name}");
        assert!(only_problem(&summary).contains("points outside"), "{name}");
    }
}

#[test]
fn archive_links_are_refused() {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    writer.add_symlink("link.txt", "/etc/passwd", SimpleFileOptions::default()).unwrap();
    writer.start_file("fine.txt", SimpleFileOptions::default()).unwrap();
    writer.write_all(b"A fine note.").unwrap();
    let (records, summary) = import(writer.finish().unwrap().into_inner());
    assert_eq!(texts(&records), ["A fine note."]);
    assert!(only_problem(&summary).contains("a link, not a file"));
}

#[test]
fn archive_that_explodes_is_refused_and_the_rest_is_read() {
    let bomb = vec![b'a'; 64 << 20];
    let archive = zipped(&[("bomb.txt", bomb), fine()]);
    assert!(archive.len() < 100_000);
    let (records, summary) = import(archive);
    assert_eq!(texts(&records), ["A fine note."]);
    assert!(only_problem(&summary).starts_with("file/bomb.txt: it unpacks to more than"));
}

#[test]
fn archive_whose_header_lies_about_the_size_is_counted() {
    let archive = zipped(&[("bomb.txt", vec![b'a'; 64 << 20])]);
    let mut lying = archive.clone();
    let size = (64_u32 << 20).to_le_bytes();
    for position in 0..lying.len() - 4 {
        if lying[position..position + 4] == size {
            lying[position..position + 4].copy_from_slice(&5_u32.to_le_bytes());
        }
    }
    assert_ne!(lying, archive);
    let (records, summary) = import(lying);
    assert!(records.is_empty() && !summary.is_whole());
}

#[test]
fn archive_of_many_middling_entries_uses_up_its_budget() {
    let entries: Vec<(String, Vec<u8>)> = (0..8).map(|n| (format!("{n}.txt"), vec![b'a'; 9 << 20])).collect();
    let (records, summary) = import(zipped(&entries));
    assert!(records.is_empty());
    assert!(
        summary.problems.iter().any(|problem| problem.reason.contains("rest of the archive")),
        "{:?}",
        summary.problems
    );
}

#[test]
fn archive_inside_an_archive_is_read_and_a_third_is_not() {
    let inner = zipped(&[fine()]);
    let middle = zipped(&[("inner.zip", inner)]);
    assert_eq!(texts(&import(&middle).0), ["A fine note."]);
    let (records, summary) = import(zipped(&[("middle.zip", middle)]));
    assert!(records.is_empty());
    assert!(only_problem(&summary).starts_with("file/middle.zip/inner.zip: an archive inside"));
}

#[test]
fn archive_inside_an_archive_does_not_use_up_the_others_budget() {
    let mut state = 1_u64;
    let mut hex = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        format!("{state:x}\n\n")
    };
    let long: String = (0..700_000).map(|_| hex()).collect();
    assert!(long.len() > 11 << 20);
    let (records, summary) = import(zipped(&[("inner.zip", zipped(&[fine()])), ("long.txt", long.into_bytes())]));
    assert!(records.len() > 1_000 && summary.is_whole(), "{:?}", summary.problems);
}

#[test]
fn archive_damaged_anywhere_never_panics() {
    let whole = zipped(&[fine(), ("b.json", data("fixtures/people.json"))]);
    for position in 0..whole.len() {
        for change in [0x01, 0xff] {
            let mut bytes = whole.clone();
            bytes[position] ^= change;
            let (records, _) = import(bytes);
            assert!(records.len() <= 8);
        }
    }
}
