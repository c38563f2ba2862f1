//! Repair: what can be read stays, what was lost is named, and the vault opens again.
#![allow(clippy::unwrap_used, missing_docs)]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use support::{Random, empty_vault, files, flip, open, packs, recovery};
use vault::{CheckDepth, Error, OnRollback, Options, Problem, Vault};

type Contents = BTreeMap<String, Vec<u8>>;

/// Sixty notes in two commits, some of several kilobytes, one removed and one written twice.
fn fill(path: &Path) -> Contents {
    let (mut vault, mut random, mut contents) = (open(path), Random(31), Contents::new());
    for i in 0..60u64 {
        let bytes = random.bytes(20 + (i as usize % 7) * 1500);
        vault.put("note", &format!("n{i}"), &mut bytes.as_slice()).unwrap();
        contents.insert(format!("n{i}"), bytes);
        if i == 30 {
            vault.commit().unwrap();
        }
    }
    let gone = vault.find("note", "n7").unwrap().unwrap().id;
    vault.remove(&gone).unwrap();
    contents.remove("n7");
    vault.put("note", "n8", &mut &b"written again"[..]).unwrap();
    contents.insert("n8".into(), b"written again".to_vec());
    vault.commit().unwrap();
    contents
}

fn contents(vault: &Vault) -> Contents {
    let read = |e: &vault::Entry| (e.name.clone(), vault.read(&e.id).unwrap().to_vec());
    vault.list("note").unwrap().iter().map(read).collect()
}

fn repair(path: &Path) -> (Vault, Vec<Problem>) {
    Vault::repair(path, &recovery(), &Options::default()).unwrap()
}

fn lost(problems: &[Problem]) -> Vec<String> {
    problems.iter().filter_map(|p| p.object.as_ref()).map(|(_, name)| name.clone()).collect()
}

/// Repairs, then demands a sound vault that holds all but what was named, and goes on as any other.
fn assert_repaired(path: &Path, before: &Contents) -> Vec<Problem> {
    let examined = Vault::examine(path, &recovery(), &Options::default()).unwrap();
    assert!(!examined.problems.is_empty());
    let (vault, problems) = repair(path);
    assert!(!problems.is_empty());
    let after = contents(&vault);
    drop(vault);
    let named = lost(&problems);
    for (name, bytes) in before {
        if !named.contains(name) {
            assert_eq!(after.get(name), Some(bytes), "{name} {problems:?}");
        }
    }
    assert!(after.keys().all(|name| before.contains_key(name)), "{problems:?}");
    let mut vault = open(path);
    assert_eq!(contents(&vault), after);
    assert_eq!(vault.check(CheckDepth::ReadData).unwrap().problems, []);
    assert_eq!(vault.rebuild().unwrap(), []);
    vault.put("other", "later", &mut &b"later"[..]).unwrap();
    vault.commit().unwrap();
    drop(vault);
    let (vault, again) = repair(path);
    assert_eq!(again, []);
    assert_eq!(contents(&vault), after);
    problems
}

#[test]
fn one_byte_flipped_anywhere_loses_one_object_and_names_it() {
    let (mut random, mut losses) = (Random(32), 0);
    for _ in 0..support::count("VAULT_FLIPS", 24) {
        let (_dir, path) = empty_vault();
        let before = fill(&path);
        let pack = &packs(&path)[0];
        let bit = random.below(fs::metadata(pack).unwrap().len() * 8);
        flip(pack, bit);
        let named = lost(&assert_repaired(&path, &before));
        assert!(named.len() <= 1, "bit {bit}: {named:?}");
        losses += named.len();
    }
    assert!(losses > 10);
}

#[test]
fn one_byte_flipped_without_index_and_catalog_is_repaired() {
    let (_dir, path) = empty_vault();
    let before = fill(&path);
    let pack = &packs(&path)[0];
    let keep = fs::metadata(pack).unwrap().len() / 3;
    flip(pack, keep * 8);
    fs::remove_dir_all(path.join("index")).unwrap();
    fs::remove_dir_all(path.join("catalog")).unwrap();
    let (vault, problems) = repair(&path);
    assert!(!problems.is_empty());
    let after = contents(&vault);
    assert!(after.len() + 1 >= before.len());
    assert!(after.iter().all(|(name, bytes)| before.get(name) == Some(bytes)));
    drop(vault);
    assert_eq!(repair(&path).1, []);
}

#[test]
fn refused_openings_do_not_forget_the_names_of_what_is_lost() {
    let (_dir, path) = empty_vault();
    let before = fill(&path);
    let pack = packs(&path)[0].clone();
    let length = fs::metadata(&pack).unwrap().len();
    // The body of the third entry: the record of a small note.
    flip(&pack, (64 + 3 * 384 + 100) * 8);
    assert!(length > 64 + 4 * 384);
    fs::remove_dir_all(path.join("index")).unwrap();
    for _ in 0..3 {
        match Vault::open(&path, &recovery()) {
            Ok(_) => {}
            Err(error) => assert!(matches!(error, Error::Damaged(_)), "{error}"),
        }
    }
    let named = lost(&assert_repaired(&path, &before));
    assert_eq!(named.len(), 1, "{named:?}");
}

#[test]
fn rebuild_that_would_lose_an_object_changes_nothing() {
    let (_dir, path) = empty_vault();
    let before = fill(&path);
    let mut vault = open(&path);
    let (pack, mut refused) = (packs(&path)[0].clone(), 0);
    let length = fs::metadata(&pack).unwrap().len();
    for i in 1..40 {
        let bit = (length * i / 40) * 8;
        flip(&pack, bit);
        refused += usize::from(matches!(vault.rebuild(), Err(Error::Damaged(_))));
        flip(&pack, bit);
        assert_eq!(contents(&vault), before);
    }
    assert!(refused > 0);
    drop(vault);
    assert_eq!(contents(&open(&path)), before);
}

#[test]
fn truncated_pack_is_repaired() {
    for cut in [1, 100, 500, 3000, 20_000] {
        let (_dir, path) = empty_vault();
        let before = fill(&path);
        let pack = &packs(&path)[0];
        let bytes = fs::read(pack).unwrap();
        fs::write(pack, &bytes[..bytes.len() - cut]).unwrap();
        assert!(matches!(Vault::open(&path, &recovery()), Err(Error::Rollback(_))));
        let (vault, problems) = repair(&path);
        assert!(!problems.is_empty());
        let after = contents(&vault);
        drop(vault);
        let named = lost(&problems);
        let kept = before.iter().filter(|(name, _)| !named.contains(name));
        kept.for_each(|(name, bytes)| assert_eq!(after.get(name), Some(bytes), "{cut} {name}"));
        if cut <= 100 {
            assert_eq!((named.len(), &after), (0, &before));
        }
        assert_eq!(open(&path).check(CheckDepth::ReadData).unwrap().problems, []);
        assert_eq!(repair(&path).1, []);
    }
}

#[test]
fn damaged_pack_header_loses_nothing() {
    for byte in [0, 8, 12, 20, 40, 60] {
        let (_dir, path) = empty_vault();
        let before = fill(&path);
        let pack = packs(&path)[0].clone();
        let bytes = fs::read(&pack).unwrap();
        flip(&pack, byte * 8);
        assert!(Vault::open(&path, &recovery()).is_err());
        assert_eq!(lost(&assert_repaired(&path, &before)), [""; 0]);
        // The damaged pack itself is kept.
        let kept = fs::read(&files(&path.join("packs.damaged"))[0]).unwrap();
        assert_eq!(kept.len(), bytes.len());
    }
}

#[test]
fn missing_or_damaged_head_loses_nothing() {
    let (_dir, path) = empty_vault();
    let before = fill(&path);
    fs::remove_file(path.join("head")).unwrap();
    assert_eq!(lost(&assert_repaired(&path, &before)), [""; 0]);
    fs::write(path.join("head"), [0; 8192]).unwrap();
    assert_eq!(lost(&assert_repaired(&path, &before)), [""; 0]);
}

#[test]
fn missing_pack_loses_what_was_in_it() {
    let (_dir, path) = empty_vault();
    let before = fill(&path);
    fs::remove_file(&packs(&path)[0]).unwrap();
    let problems = assert_repaired(&path, &before);
    let mut named = lost(&problems);
    named.sort();
    assert_eq!(named, before.keys().cloned().collect::<Vec<_>>());
}

#[test]
fn healthy_vault_is_not_changed_by_repair() {
    let (_dir, path) = empty_vault();
    let before = fill(&path);
    drop(open(&path));
    let snapshot = || -> Vec<_> {
        let kept = ["header", "head"].map(|name| path.join(name)).into_iter().chain(packs(&path));
        kept.map(|file| (file.clone(), fs::read(file).unwrap())).collect()
    };
    let bytes = snapshot();
    let (vault, problems) = repair(&path);
    assert_eq!((problems, contents(&vault)), (Vec::new(), before));
    drop(vault);
    assert_eq!(snapshot(), bytes);
    assert!(!path.join("packs.damaged").exists());
}

#[test]
fn older_copy_is_repaired_only_when_the_loss_is_accepted() {
    let (dir, path) = empty_vault();
    let options = Options { state: Some(dir.path().join("state")), ..Options::default() };
    let before = fill(&path);
    let old = dir.path().join("old");
    support::copy(&path, &old);
    let mut vault = Vault::open_with(&path, &recovery(), &options).unwrap();
    vault.put("note", "newer", &mut &b"newer"[..]).unwrap();
    vault.commit().unwrap();
    vault.put("note", "newest", &mut &b"newest"[..]).unwrap();
    vault.commit().unwrap();
    drop(vault);
    let refused = Vault::repair(&old, &recovery(), &options);
    assert!(matches!(refused, Err(Error::Rollback(_))), "{refused:?}");
    let accept = Options { rollback: OnRollback::Accept, ..options.clone() };
    let (vault, problems) = Vault::repair(&old, &recovery(), &accept).unwrap();
    assert!(problems[0].what.contains("back in time"), "{problems:?}");
    assert_eq!(contents(&vault), before);
    drop(vault);
    assert_eq!(Vault::repair(&old, &recovery(), &options).unwrap().1, []);
}

#[test]
fn wrong_secret_repairs_nothing() {
    let (_dir, path) = empty_vault();
    fill(&path);
    flip(&packs(&path)[0], 20 * 8);
    let bytes = fs::read(&packs(&path)[0]).unwrap();
    let wrong = vault::Unlock::Recovery(zeroize::Zeroizing::new([1; 32]));
    assert!(matches!(Vault::repair(&path, &wrong, &Options::default()), Err(Error::WrongKey)));
    assert!(matches!(Vault::examine(&path, &wrong, &Options::default()), Err(Error::WrongKey)));
    assert_eq!(fs::read(&packs(&path)[0]).unwrap(), bytes);
}
