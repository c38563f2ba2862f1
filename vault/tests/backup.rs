//! Backups bring everything back, are brought up to date in place, and are told from a vault that went back in time.
#![allow(clippy::unwrap_used, missing_docs)]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::ops::ControlFlow;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use support::{PASSPHRASE, Random, copy, empty_vault, files, flip, open, packs, passphrase, recovery};
use tempfile::TempDir;
use vault::{
    BackupOutcome, Behind, CheckDepth, Error, Existing, GcOptions, KdfCost, OnRollback, Options, Restored, Secret,
    Unlock, Vault,
};

type Contents = BTreeMap<String, Vec<u8>>;

fn go(_: u64, _: u64) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

fn back_up(vault: &Vault, to: &Path) -> vault::Result<BackupOutcome> {
    vault.backup(to, Existing::Trust, &mut go)
}

fn restore(from: &Path, to: &Path, options: &Options) -> vault::Result<Restored> {
    Vault::restore(from, to, &recovery(), options, &mut go)
}

fn contents(vault: &Vault) -> Contents {
    let read = |e: &vault::Entry| (e.name.clone(), vault.read(&e.id).unwrap().to_vec());
    vault.list("note").unwrap().iter().map(read).collect()
}

/// Puts `n` objects of half a mebibyte and commits.
fn grow(vault: &mut Vault, from: u64, n: u64) {
    for i in from..from + n {
        vault.put("note", &format!("n{i}"), &mut Random(i).bytes(1 << 19).as_slice()).unwrap();
    }
    vault.commit().unwrap();
}

/// A folder for a vault, one for a backup, one to restore to.
fn three() -> (TempDir, TempDir, PathBuf, PathBuf, PathBuf) {
    let (dir, path) = empty_vault();
    let other = TempDir::new().unwrap();
    let (backup, restored) = (other.path().join("backup"), other.path().join("restored"));
    (dir, other, path, backup, restored)
}

fn assert_restores(backup: &Path, to: &Path, expected: &Contents) {
    let restored = restore(backup, to, &Options::default()).unwrap();
    assert_eq!((restored.problems, restored.behind), (Vec::new(), None));
    let mut vault = restored.vault;
    assert!(contents(&vault) == *expected);
    grow(&mut vault, 9000, 1);
    drop(vault);
    let vault = open(to);
    assert_eq!(vault.check(CheckDepth::ReadData).unwrap().problems, []);
    drop(vault);
    fs::remove_dir_all(to).unwrap();
}

#[test]
fn backup_brings_everything_back_with_phrase_or_passphrase() {
    let (_dir, _other, path, backup, to) = three();
    let mut vault = open(&path);
    grow(&mut vault, 0, 80);
    let outcome = back_up(&vault, &backup).unwrap();
    assert_eq!((outcome.packs, outcome.copied_packs, outcome.deleted_packs), (2, 2, 0));
    let expected = contents(&vault);
    assert_restores(&backup, &to, &expected);
    let restored = Vault::restore(&backup, &to, &passphrase(PASSPHRASE), &Options::default(), &mut go).unwrap();
    assert!(contents(&restored.vault) == expected);
}

#[test]
fn backup_of_an_open_vault_holds_the_last_commit_and_nothing_after_it() {
    let (_dir, _other, path, backup, to) = three();
    let mut vault = open(&path);
    grow(&mut vault, 0, 3);
    let committed = contents(&vault);
    vault.put("note", "not committed", &mut Random(1).bytes(40 << 20).as_slice()).unwrap();
    back_up(&vault, &backup).unwrap();
    assert_restores(&backup, &to, &committed);
    vault.commit().unwrap();
    back_up(&vault, &backup).unwrap();
    assert_restores(&backup, &to, &contents(&vault));
}

#[test]
fn second_backup_copies_only_what_is_new() {
    let (_dir, _other, path, backup, to) = three();
    let mut vault = open(&path);
    grow(&mut vault, 0, 150);
    assert_eq!(back_up(&vault, &backup).unwrap().copied_packs, 3);
    assert_eq!(back_up(&vault, &backup).unwrap().copied_packs, 0);
    let first = fs::metadata(&packs(&backup)[0]).unwrap().modified().unwrap();
    grow(&mut vault, 200, 2);
    let outcome = back_up(&vault, &backup).unwrap();
    assert_eq!((outcome.packs, outcome.copied_packs), (3, 1));
    assert_eq!(fs::metadata(&packs(&backup)[0]).unwrap().modified().unwrap(), first);
    assert_restores(&backup, &to, &contents(&vault));
}

#[test]
fn backup_after_a_collection_follows_it() {
    let (_dir, _other, path, backup, to) = three();
    let mut vault = open(&path);
    grow(&mut vault, 0, 80);
    back_up(&vault, &backup).unwrap();
    for i in 0..70 {
        let id = vault.find("note", &format!("n{i}")).unwrap().unwrap().id;
        vault.remove(&id).unwrap();
    }
    vault.commit().unwrap();
    let plan = vault.gc_plan(&GcOptions::default()).unwrap();
    vault.gc(&plan, &mut go).unwrap();
    let outcome = back_up(&vault, &backup).unwrap();
    assert!(outcome.deleted_packs > 0 && outcome.packs == packs(&backup).len() as u64, "{outcome:?}");
    let names = |dir: &Path| packs(dir).iter().map(|p| p.file_name().unwrap().to_owned()).collect::<Vec<_>>();
    assert_eq!(names(&backup), names(&path));
    assert_restores(&backup, &to, &contents(&vault));
}

/// Cuts a backup short before each pack and after the last, and restores what is there.
fn assert_interrupted_is_old_or_new(vault: &Vault, backup: &Path, to: &Path, states: &[Contents]) {
    let (mut cut, scratch) = (0, TempDir::new().unwrap());
    loop {
        let partly = scratch.path().join(cut.to_string());
        copy(backup, &partly);
        let mut calls = 0;
        let outcome = vault.backup(&partly, Existing::Trust, &mut |_, _| {
            calls += 1;
            if calls > cut { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        let restored = restore(&partly, to, &Options::default()).unwrap();
        assert_eq!(restored.problems, []);
        assert!(states.contains(&contents(&restored.vault)), "cut {cut}");
        drop(restored);
        fs::remove_dir_all(to).unwrap();
        if outcome.is_ok() {
            break;
        }
        assert!(matches!(outcome, Err(Error::Interrupted)));
        back_up(vault, &partly).unwrap();
        assert_restores(&partly, to, states.last().unwrap());
        cut += 1;
    }
    assert!(cut >= 2);
}

#[test]
fn interrupted_backup_restores_an_earlier_state_and_goes_on() {
    let (_dir, _other, path, backup, to) = three();
    let mut vault = open(&path);
    grow(&mut vault, 0, 20);
    back_up(&vault, &backup).unwrap();
    let mut states = vec![contents(&vault)];
    for i in 0..5 {
        grow(&mut vault, 100 + 20 * i, 20);
        states.push(contents(&vault));
    }
    assert_interrupted_is_old_or_new(&vault, &backup, &to, &states);
}

#[test]
fn interrupted_backup_after_a_collection_restores_an_earlier_state() {
    let (_dir, _other, path, backup, to) = three();
    let mut vault = open(&path);
    grow(&mut vault, 0, 80);
    back_up(&vault, &backup).unwrap();
    let mut states = vec![contents(&vault)];
    for i in (0..80).filter(|i| i % 3 > 0) {
        let id = vault.find("note", &format!("n{i}")).unwrap().unwrap().id;
        vault.remove(&id).unwrap();
    }
    vault.commit().unwrap();
    states.push(contents(&vault));
    let plan = vault.gc_plan(&GcOptions::default()).unwrap();
    vault.gc(&plan, &mut go).unwrap();
    grow(&mut vault, 100, 60);
    states.push(contents(&vault));
    assert_interrupted_is_old_or_new(&vault, &backup, &to, &states);
}

#[test]
fn first_backup_that_was_never_finished_is_said_to_be_none() {
    let (_dir, _other, path, backup, to) = three();
    let mut vault = open(&path);
    grow(&mut vault, 0, 2);
    let cut = vault.backup(&backup, Existing::Trust, &mut |_, _| ControlFlow::Break(()));
    assert!(matches!(cut, Err(Error::Interrupted)));
    assert!(matches!(restore(&backup, &to, &Options::default()), Err(Error::NotFound(_))));
    assert!(!to.exists());
    back_up(&vault, &backup).unwrap();
    assert_restores(&backup, &to, &contents(&vault));
}

#[test]
fn backup_of_another_vault_is_refused_and_left_as_it_is() {
    let (_dir, other, path, backup, _) = three();
    let stranger = other.path().join("stranger");
    let mut theirs = Vault::create(&stranger, &Secret::from("p"), &[9; 32], KdfCost::FLOOR).unwrap();
    grow(&mut theirs, 0, 2);
    back_up(&theirs, &backup).unwrap();
    let before: Vec<_> = files(&backup).iter().map(|f| fs::read(f).unwrap()).collect();
    let refused = back_up(&open(&path), &backup);
    assert!(matches!(&refused, Err(Error::Limit(what)) if what.contains("another vault")), "{refused:?}");
    assert_eq!(before, files(&backup).iter().map(|f| fs::read(f).unwrap()).collect::<Vec<_>>());
}

#[test]
fn folder_with_other_things_is_refused() {
    let (_dir, _other, path, backup, to) = three();
    fs::create_dir_all(&backup).unwrap();
    fs::write(backup.join("thesis.txt"), "a year of work").unwrap();
    let vault = open(&path);
    assert!(matches!(back_up(&vault, &backup), Err(Error::Exists(_))));
    assert!(matches!(back_up(&vault, &path.join("backup")), Err(Error::Limit(_))));
    assert!(matches!(back_up(&vault, &path), Err(Error::Limit(_))));
    assert_eq!(files(&backup).len(), 1);
    assert!(matches!(restore(&backup, &to, &Options::default()), Err(Error::NotFound(_))));
    fs::remove_file(backup.join("thesis.txt")).unwrap();
    back_up(&vault, &backup).unwrap();
    fs::create_dir_all(&to).unwrap();
    fs::write(to.join("thesis.txt"), "a year of work").unwrap();
    assert!(matches!(restore(&backup, &to, &Options::default()), Err(Error::Exists(_))));
    assert_eq!(files(&to).len(), 1);
}

#[test]
fn older_vault_does_not_overwrite_a_newer_backup() {
    let (_dir, other, path, backup, to) = three();
    let mut vault = open(&path);
    grow(&mut vault, 0, 2);
    drop(vault);
    let old = other.path().join("old");
    copy(&path, &old);
    let mut vault = open(&path);
    grow(&mut vault, 10, 2);
    back_up(&vault, &backup).unwrap();
    assert!(matches!(back_up(&open(&old), &backup), Err(Error::Rollback(_))));
    // And one that went another way from the same state, to as many commits or more.
    let mut other_way = open(&old);
    for i in 0..3 {
        grow(&mut other_way, 20 + i, 1);
        assert!(matches!(back_up(&other_way, &backup), Err(Error::Rollback(_))), "{i}");
    }
    assert_restores(&backup, &to, &contents(&vault));
}

#[test]
fn header_from_after_the_vaults_is_refused() {
    let (_dir, other, path, backup, _) = three();
    let old = other.path().join("old");
    copy(&path, &old);
    let mut vault = open(&path);
    vault.change_passphrase(&Secret::from("new"), KdfCost::FLOOR).unwrap();
    back_up(&vault, &backup).unwrap();
    assert!(matches!(back_up(&open(&old), &backup), Err(Error::Rollback(_))));
}

#[test]
fn new_passphrase_opens_the_backup_made_after_it() {
    let (_dir, _other, path, backup, to) = three();
    let mut vault = open(&path);
    back_up(&vault, &backup).unwrap();
    vault.change_passphrase(&Secret::from("new"), KdfCost::FLOOR).unwrap();
    back_up(&vault, &backup).unwrap();
    let with = |text: &str| Vault::restore(&backup, &to, &passphrase(text), &Options::default(), &mut go);
    assert!(matches!(with(PASSPHRASE), Err(Error::WrongKey)));
    assert!(!to.exists());
    with("new").unwrap();
}

#[test]
fn wrong_phrase_restores_nothing() {
    let (_dir, other, path, backup, to) = three();
    back_up(&open(&path), &backup).unwrap();
    let wrong = Unlock::Recovery([8; 32].into());
    assert!(matches!(Vault::restore(&backup, &to, &wrong, &Options::default(), &mut go), Err(Error::WrongKey)));
    let nowhere = other.path().join("nowhere");
    assert!(matches!(restore(&nowhere, &to, &Options::default()), Err(Error::NotFound(_))));
    assert!(!to.exists());
    assert_eq!(fs::read_dir(other.path()).unwrap().count(), 1);
}

#[test]
fn stale_backup_is_told_from_a_rollback() {
    let (_dir, other, path, backup, to) = three();
    let state = other.path().join("state");
    let options = Options { state: Some(state), ..Options::default() };
    let accept = Options { rollback: OnRollback::Accept, ..options.clone() };
    let mut vault = Vault::open_with(&path, &recovery(), &options).unwrap();
    grow(&mut vault, 0, 2);
    let old = contents(&vault);
    back_up(&vault, &backup).unwrap();
    let then = vault.status().unwrap().commits;
    grow(&mut vault, 10, 2);
    let now = vault.status().unwrap().commits;
    drop(vault);
    let refused = restore(&backup, &to, &options);
    assert!(matches!(refused, Err(Error::Stale { backup, seen }) if (backup, seen) == (then, now)), "{refused:?}");
    assert!(refused.unwrap_err().to_string().contains("backup"));
    assert!(!to.exists());
    assert_eq!(fs::read_dir(other.path()).unwrap().count(), 2);
    // The same state in the place of the vault itself is a rollback.
    let moved = other.path().join("moved");
    copy(&backup, &moved);
    assert!(matches!(Vault::open_with(&moved, &recovery(), &options), Err(Error::Rollback(_))));
    let restored = restore(&backup, &to, &accept).unwrap();
    assert_eq!(restored.behind, Some(Behind { backup: then, seen: now }));
    assert!(contents(&restored.vault) == old);
    drop(restored);
    // What was accepted is the newest from now on; the vault it was restored over is not.
    assert!(contents(&Vault::open_with(&to, &recovery(), &options).unwrap()) == old);
    // On an empty machine nothing is known of later commits.
    fs::remove_dir_all(&to).unwrap();
    assert_restores(&backup, &to, &old);
}

#[test]
fn damaged_backup_gives_back_what_can_be_read_and_names_the_rest() {
    let (_dir, _other, path, backup, to) = three();
    let mut vault = open(&path);
    grow(&mut vault, 0, 20);
    back_up(&vault, &backup).unwrap();
    flip(&packs(&backup)[0], (6 << 20) * 8);
    let restored = restore(&backup, &to, &Options::default()).unwrap();
    let lost: Vec<_> = restored.problems.iter().filter_map(|p| p.object.clone()).collect();
    assert_eq!(lost.len(), 1, "{:?}", restored.problems);
    assert_eq!(contents(&restored.vault).len(), 19);
    // A backup is told apart from a good one when it is asked to be, and mended.
    assert_eq!(back_up(&vault, &backup).unwrap().copied_packs, 0);
    assert_eq!(vault.backup(&backup, Existing::Verify, &mut go).unwrap().copied_packs, 1);
    assert_eq!(vault.backup(&backup, Existing::Verify, &mut go).unwrap().copied_packs, 0);
    drop(restored);
    fs::remove_dir_all(&to).unwrap();
    assert_restores(&backup, &to, &contents(&vault));
}

#[test]
fn damaged_pack_of_the_vault_does_not_replace_a_good_one_of_the_backup() {
    let (_dir, _other, path, backup, to) = three();
    let mut vault = open(&path);
    grow(&mut vault, 0, 4);
    back_up(&vault, &backup).unwrap();
    let old = contents(&vault);
    grow(&mut vault, 10, 1);
    flip(&packs(&path)[0], (1 << 20) * 8);
    assert!(matches!(back_up(&vault, &backup), Err(Error::Damaged(_))));
    assert!(!backup.join("packs.new").exists());
    assert_restores(&backup, &to, &old);
}

#[test]
fn backup_without_its_head_or_a_pack_is_refused_or_named() {
    let (_dir, _other, path, backup, to) = three();
    let mut vault = open(&path);
    grow(&mut vault, 0, 80);
    back_up(&vault, &backup).unwrap();
    let pack = packs(&backup)[0].clone();
    let bytes = fs::read(&pack).unwrap();
    fs::remove_file(&pack).unwrap();
    let restored = restore(&backup, &to, &Options::default()).unwrap();
    assert!(!restored.problems.is_empty());
    drop(restored);
    fs::remove_dir_all(&to).unwrap();
    fs::write(&pack, bytes).unwrap();
    assert_restores(&backup, &to, &contents(&vault));
    flip(&backup.join("header"), 100 * 8);
    assert!(matches!(restore(&backup, &to, &Options::default()), Err(Error::Damaged(_))));
    assert!(matches!(back_up(&vault, &backup), Err(Error::Damaged(_))));
}

#[test]
fn backup_is_for_its_owner_only() {
    let (_dir, _other, path, backup, _) = three();
    back_up(&open(&path), &backup).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert!(files(&backup).iter().all(|file| mode(file) == 0o600));
    assert_eq!((mode(&backup), mode(&backup.join("packs"))), (0o700, 0o700));
}

#[test]
fn read_only_backup_restores() {
    let (_dir, _other, path, backup, to) = three();
    let mut vault = open(&path);
    grow(&mut vault, 0, 2);
    back_up(&vault, &backup).unwrap();
    let set = |mode, dirs| {
        files(&backup).iter().for_each(|f| fs::set_permissions(f, fs::Permissions::from_mode(mode)).unwrap());
        [backup.join("packs"), backup.clone()]
            .iter()
            .for_each(|d| fs::set_permissions(d, fs::Permissions::from_mode(dirs)).unwrap());
    };
    set(0o400, 0o500);
    let restored = restore(&backup, &to, &Options::default()).unwrap();
    assert!(contents(&restored.vault) == contents(&vault));
    set(0o600, 0o700);
}
