//! CIDs equal to another implementation's (`tests/js-ipfs/golden.mjs` writes the file), and nodes in one form alone.

use super::super::tests::{Memory, bytes};
use super::super::{ContentStore, car, unixfs};
use super::*;

#[derive(serde::Deserialize)]
struct Golden {
    files: Vec<GoldenFile>,
    directories: Vec<GoldenDirectory>,
}

#[derive(serde::Deserialize)]
struct GoldenFile {
    fill: String,
    size: usize,
    cid: String,
}

#[derive(serde::Deserialize)]
struct GoldenDirectory {
    entries: Vec<GoldenEntry>,
    cid: String,
}

#[derive(serde::Deserialize)]
struct GoldenEntry {
    name: String,
    size: usize,
}

fn golden() -> Golden {
    serde_json::from_str(include_str!("../../tests/golden/cids.json")).unwrap()
}

#[test]
fn files_of_boundary_sizes_have_the_cids_of_another_implementation() {
    let files = golden().files;
    assert_eq!(files.len(), 18);
    for file in files {
        let content = if file.fill == "zero" { vec![0; file.size] } else { bytes(file.size) };
        assert_eq!(unixfs::file_cid(&content).unwrap().to_string(), file.cid, "{} {}", file.fill, file.size);
    }
}

/// The entry called `name` of the files whose paths are given below it.
fn built(store: &Memory, name: &str, files: &[(&str, usize)]) -> Entry {
    let mut entries = Vec::new();
    let mut folders: Vec<(&str, Vec<(&str, usize)>)> = Vec::new();
    for (path, size) in files {
        match path.split_once('/') {
            None => {
                entries.push(Entry::file(path, &bytes(*size), &mut |cid, piece| store.put_piece(cid, piece)).unwrap())
            }
            Some((folder, rest)) => match folders.iter_mut().find(|(known, _)| *known == folder) {
                Some((_, inside)) => inside.push((rest, *size)),
                None => folders.push((folder, vec![(rest, *size)])),
            },
        }
    }
    entries.extend(folders.iter().map(|(folder, inside)| built(store, folder, inside)));
    let (entry, node) = Entry::directory(name, &entries).unwrap();
    store.put_piece(&entry.cid, &node).unwrap();
    let read_back = read(&entry.cid, &node).unwrap().unwrap();
    assert_eq!(read_back.len(), entries.len());
    assert!(entries.iter().all(|entry| read_back.contains(entry)));
    entry
}

#[test]
fn directories_have_the_cids_of_another_implementation() {
    let directories = golden().directories;
    assert_eq!(directories.len(), 6);
    for directory in directories {
        let store = Memory::default();
        let files: Vec<(&str, usize)> =
            directory.entries.iter().map(|entry| (entry.name.as_str(), entry.size)).collect();
        let root = built(&store, "root", &files);
        assert_eq!(root.cid.to_string(), directory.cid);
        let exported = car::export(&store, &root.cid, 1 << 30).unwrap();
        let target = Memory::default();
        assert_eq!(car::import(&target, &exported, 1 << 30).unwrap(), root.cid);
        assert_eq!(car::export(&target, &root.cid, 1 << 30).unwrap(), exported);
        let size =
            car::read(&exported, 1 << 30).unwrap().pieces.iter().map(|(_, piece)| piece.len() as u64).sum::<u64>();
        assert!(matches!(car::export(&store, &root.cid, size - 1), Err(Error::Invalid(_))));
    }
}

fn entry(name: &str) -> Entry {
    Entry { name: name.into(), cid: Cid::raw(name.as_bytes()), total: name.len() as u64 }
}

#[test]
fn names_that_cannot_stand_in_a_directory_are_refused() {
    for name in ["", ".", "..", "a/b", "/"] {
        assert!(matches!(write(&[entry(name)]), Err(Error::Invalid(_))), "{name:?}");
    }
    assert!(matches!(write(&[entry("a"), entry("b"), entry("a")]), Err(Error::Invalid(_))));
}

#[test]
fn directory_that_others_would_split_is_refused() {
    let entries: Vec<Entry> = (0..8000).map(|number| entry(&format!("{number:06}"))).collect();
    assert!(matches!(write(&entries), Err(Error::Invalid(_))));
    write(&entries[..6000]).unwrap();
}

#[test]
fn altered_node_is_refused_or_no_directory() {
    let (_, node) = write(&[entry("one"), entry("two")]).unwrap();
    for index in 0..node.len() {
        for bit in [0x01, 0x80] {
            let mut bad = node.clone();
            bad[index] ^= bit;
            let cid = Cid::of(Codec::DagPb, &bad);
            if let Ok(Some(entries)) = read(&cid, &bad) {
                // Another name, CID or size in the same form is another directory, never the same one.
                assert_eq!(write(&entries).unwrap().1, bad);
            }
        }
    }
    for length in 0..node.len() {
        let cid = Cid::of(Codec::DagPb, &node[..length]);
        assert!(!matches!(read(&cid, &node[..length]), Ok(Some(_))), "{length}");
    }
}

#[test]
fn entries_out_of_order_are_refused() {
    let (_, sorted) = write(&[entry("a"), entry("b")]).unwrap();
    let half = (sorted.len() - 4) / 2;
    let swapped = [&sorted[half..2 * half], &sorted[..half], &sorted[2 * half..]].concat();
    assert!(matches!(read(&Cid::of(Codec::DagPb, &swapped), &swapped), Err(Error::Integrity(_))));
}

#[test]
fn file_is_no_directory_and_a_directory_no_file() {
    let store = Memory::default();
    let file = store.put_file(&bytes(2 * MAX_PIECE)).unwrap();
    assert_eq!(read(&file, &store.get_piece(&file).unwrap()).unwrap(), None);
    let root = built(&store, "root", &[("one", 5)]);
    assert!(matches!(store.get_file(&root.cid, 1 << 30), Err(Error::Integrity(_))));
}

#[test]
fn directory_that_holds_itself_many_times_over_is_bounded() {
    let store = Memory::default();
    let mut child = Entry::file("leaf", &bytes(1000), &mut |cid, piece| store.put_piece(cid, piece)).unwrap();
    for _ in 0..12 {
        let twice: Vec<Entry> = ["a", "b"].iter().map(|name| Entry { name: (*name).into(), ..child.clone() }).collect();
        let (next, node) = Entry::directory("d", &twice).unwrap();
        store.put_piece(&next.cid, &node).unwrap();
        child = next;
    }
    assert!(matches!(car::export(&store, &child.cid, 1 << 16), Err(Error::Invalid(_))));
}
