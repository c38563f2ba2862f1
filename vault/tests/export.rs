//! Plain files hold just what the vault holds, under names that stay in their folder.
#![allow(clippy::unwrap_used, missing_docs)]

mod support;

use std::fs;
use std::ops::ControlFlow;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use support::{Random, empty_vault, files, flip, open, packs};
use tempfile::TempDir;
use vault::{Error, ExportItem, Exported, ObjectId, Vault};

fn go(_: u64, _: u64) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

fn filled() -> (TempDir, Vault, Vec<(String, Vec<u8>)>) {
    let (dir, path) = empty_vault();
    let mut vault = open(&path);
    let named = ["plain.txt", "../../escape", "/absolute", "mail/17", ".hidden", "A", "a", "empty", "large"];
    let mut expected = Vec::new();
    for (i, name) in named.iter().enumerate() {
        let length = match *name {
            "empty" => 0,
            "large" => 5 << 20,
            _ => 100 + i,
        };
        let bytes = Random(i as u64).bytes(length);
        vault.put("note", name, &mut bytes.as_slice()).unwrap();
        expected.push((name.to_string(), bytes));
    }
    vault.commit().unwrap();
    (dir, vault, expected)
}

fn items(vault: &Vault) -> Vec<ExportItem> {
    vault.list("note").unwrap().iter().map(ExportItem::from).collect()
}

fn export(vault: &Vault, items: &[ExportItem], to: &Path) -> vault::Result<Exported> {
    vault.export(items, to, &mut go)
}

#[test]
fn exported_files_hold_what_the_objects_do() {
    let (dir, vault, expected) = filled();
    let to = dir.path().join("plain");
    let done = export(&vault, &items(&vault), &to).unwrap();
    assert_eq!((done.files, done.problems.len()), (expected.len() as u64, 0));
    assert_eq!(done.bytes, expected.iter().map(|(_, bytes)| bytes.len() as u64).sum::<u64>());
    let written = files(&to);
    assert_eq!(written.len(), expected.len());
    let mut all: Vec<Vec<u8>> = written.iter().map(|f| fs::read(f).unwrap()).collect();
    let mut wanted: Vec<Vec<u8>> = expected.into_iter().map(|(_, bytes)| bytes).collect();
    all.sort();
    wanted.sort();
    assert!(all == wanted);
    assert!(written.iter().all(|f| f.parent().unwrap() == to.join("note")));
    assert!(to.join("note/plain.txt").exists() && to.join("note/mail%2F17").exists());
    // Nothing went anywhere else.
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert!(written.iter().all(|f| mode(f) == 0o600));
    assert_eq!((mode(&to), mode(&to.join("note"))), (0o700, 0o700));
}

#[test]
fn folder_that_is_not_empty_is_refused() {
    let (dir, vault, _) = filled();
    let to = dir.path().join("plain");
    fs::create_dir_all(&to).unwrap();
    fs::write(to.join("mine"), "mine").unwrap();
    assert!(matches!(export(&vault, &items(&vault), &to), Err(Error::Exists(_))));
    assert_eq!(files(&to).len(), 1);
    let inside = dir.path().join("vault/plain");
    assert!(matches!(export(&vault, &items(&vault), &inside), Err(Error::Limit(_))));
    assert!(!inside.exists());
}

#[test]
fn damaged_object_is_named_and_leaves_no_file() {
    let (dir, vault, expected) = filled();
    let large = packs(&dir.path().join("vault"))[0].clone();
    flip(&large, (3 << 20) * 8);
    let to = dir.path().join("plain");
    let done = export(&vault, &items(&vault), &to).unwrap();
    assert_eq!(done.problems.len(), 1);
    assert_eq!(done.problems[0].object, Some(("note".into(), "large".into())));
    assert_eq!((done.files, files(&to).len()), (expected.len() as u64 - 1, expected.len() - 1));
    assert!(!to.join("note/large").exists());
}

#[test]
fn object_that_does_not_stand_is_refused_before_anything_is_written() {
    let (dir, vault, _) = filled();
    let to = dir.path().join("plain");
    let mut wanted = items(&vault);
    wanted.push(ExportItem { id: ObjectId([7; 32]), folder: "note".into(), name: "none".into() });
    assert!(matches!(export(&vault, &wanted, &to), Err(Error::NotFound(_))));
    assert!(!to.exists());
}

#[test]
fn export_ended_by_its_caller_leaves_whole_files() {
    let (dir, vault, expected) = filled();
    let to = dir.path().join("plain");
    let mut calls = 0;
    let ended = vault.export(&items(&vault), &to, &mut |_, _| {
        calls += 1;
        if calls > 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    assert!(matches!(ended, Err(Error::Interrupted)));
    let written: Vec<Vec<u8>> = files(&to).iter().map(|f| fs::read(f).unwrap()).collect();
    assert_eq!(written.len(), 3);
    assert!(written.iter().all(|bytes| expected.iter().any(|(_, wanted)| wanted == bytes)));
}

#[test]
fn caller_chooses_folder_and_name() {
    let (dir, vault, expected) = filled();
    let id = vault.find("note", "A").unwrap().unwrap().id;
    let item = ExportItem { id, folder: "letters".into(), name: "to my aunt.txt".into() };
    let to = dir.path().join("plain");
    export(&vault, &[item], &to).unwrap();
    let wanted = &expected.iter().find(|(name, _)| name == "A").unwrap().1;
    assert_eq!(fs::read(to.join("letters/to my aunt.txt")).unwrap(), *wanted);
}
