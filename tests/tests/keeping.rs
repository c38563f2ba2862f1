//! Getting data out of a vault and back: plain files, an encrypted backup, the phrase, and the space of what was removed.

use std::fs;
use std::path::Path;

use tests::market::notes;
use tests::{Person, text};

fn filled(folder: &Path) -> (Person, String) {
    let person = Person::new(folder, "person");
    let phrase = text(&person.run(&["init"]), "recovery_phrase");
    notes(&folder.join("letters"), "letters", 12);
    person.run(&["import", &folder.join("letters").to_string_lossy()]);
    (person, phrase)
}

/// The program with a recovery phrase and a new passphrase in its environment; its exit code and answer.
fn recover(person: &Person, phrase: &str, from: &Path) -> (i32, serde_json::Value) {
    let output = person
        .command(&["vault", "recover", "--from", &from.to_string_lossy()])
        .env("USUFRUCT_RECOVERY_PHRASE", phrase)
        .env("USUFRUCT_NEW_PASSPHRASE", &person.passphrase)
        .output()
        .expect("it starts");
    (output.status.code().unwrap_or(-1), serde_json::from_slice(&output.stdout).unwrap_or_default())
}

#[test]
fn backup_and_phrase_bring_everything_back_on_an_empty_machine() {
    let folder = tempfile::tempdir().expect("a folder");
    let (person, phrase) = filled(folder.path());
    let before = person.run(&["vault", "status"]);
    let backup = folder.path().join("backup");
    let out = backup.to_string_lossy().into_owned();
    assert_eq!(person.run(&["vault", "export", "--encrypted", "--out", &out])["encrypted"], true);
    // Again: nothing new to write but what changed.
    notes(&folder.path().join("more"), "more", 2);
    person.run(&["import", &folder.path().join("more").to_string_lossy()]);
    person.run(&["vault", "export", "--encrypted", "--out", &out]);

    let other = Person::new(folder.path(), "other machine");
    let (code, answer) = recover(&other, "abandon ".repeat(24).trim(), &backup);
    assert_ne!(code, 0, "{answer:#}");
    let stranger = text(&Person::new(folder.path(), "stranger").run(&["init"]), "recovery_phrase");
    assert_eq!(recover(&other, &stranger, &backup).0, 3);
    assert_eq!(recover(&other, &phrase, &folder.path().join("nowhere")).0, 4);
    let (code, recovered) = recover(&other, &phrase, &backup);
    assert_eq!(code, 0, "{recovered:#}");
    for key in ["vault_id", "wallet"] {
        assert_eq!(recovered[key], before[key]);
    }
    assert_eq!(recovered["records"], 14);
    assert_eq!(
        other.run(&["record", "search", "letters"])["total"],
        person.run(&["record", "search", "letters"])["total"]
    );
    assert_eq!(other.run(&["vault", "check", "--read-data"])["sound"], true);
    // A vault that is there is never written over.
    assert_eq!(recover(&other, &phrase, &backup).0, 8);
}

#[test]
fn backup_of_another_vault_is_never_written_over() {
    let folder = tempfile::tempdir().expect("a folder");
    let (person, _) = filled(folder.path());
    let out = folder.path().join("backup").to_string_lossy().into_owned();
    person.run(&["vault", "export", "--encrypted", "--out", &out]);
    let other = Person::new(folder.path(), "other");
    other.run(&["init"]);
    let (code, answer) = other.try_run(&["vault", "export", "--encrypted", "--out", &out]);
    assert_ne!(code, 0, "{answer:#}");
    let holds = folder.path().join("letters").to_string_lossy().into_owned();
    person.fails(8, &["vault", "export", "--encrypted", "--out", &holds]);
    person.fails(8, &["vault", "export", "--out", &holds]);
}

#[test]
fn exported_files_are_those_that_were_imported() {
    let folder = tempfile::tempdir().expect("a folder");
    let (person, _) = filled(folder.path());
    let out = folder.path().join("plain");
    let done = person.run(&["vault", "export", "--out", &out.to_string_lossy()]);
    assert_eq!(done["files"], 12);
    for number in 0..12 {
        let name = format!("{number:04}.txt");
        let imported = fs::read(folder.path().join("letters").join(&name)).expect("imported");
        assert_eq!(fs::read(out.join("letters").join(&name)).expect("exported"), imported);
    }
}

#[test]
fn collection_shows_its_plan_and_frees_what_was_replaced() {
    let folder = tempfile::tempdir().expect("a folder");
    let (person, _) = filled(folder.path());
    // Every import replaces the source's entry; the old ones are garbage.
    for round in 0..3 {
        notes(&folder.path().join("letters"), &format!("round {round}"), 12);
        person.run(&["import", &folder.path().join("letters").to_string_lossy()]);
    }
    let plan = person.run(&["vault", "gc", "--all", "--dry-run"]);
    assert!(plan["freed_bytes"].is_null() && plan["dead_bytes"].as_u64() > Some(0), "{plan:#}");
    let done = person.run(&["vault", "gc", "--all"]);
    assert!(done["freed_bytes"].as_u64() > Some(0), "{done:#}");
    assert_eq!(person.run(&["vault", "check", "--read-data"])["sound"], true);
    assert_eq!(person.run(&["vault", "status"])["records"], 48);
    let again = person.run(&["vault", "gc", "--all", "--dry-run"]);
    assert!(again["dead_bytes"].as_u64() < plan["dead_bytes"].as_u64(), "{again:#}");
}

#[test]
fn home_put_back_whole_is_noticed_with_a_state_folder_outside() {
    let folder = tempfile::tempdir().expect("a folder");
    let (person, _) = filled(folder.path());
    let state = folder.path().join("state").to_string_lossy().into_owned();
    person.run(&["vault", "status", "--state", &state]);
    let copy = folder.path().join("copy");
    let copied = std::process::Command::new("cp").arg("-a").args([&person.home, &copy]).status().expect("cp");
    assert!(copied.success());
    notes(&folder.path().join("more"), "more", 2);
    person.run(&["import", &folder.path().join("more").to_string_lossy(), "--state", &state]);
    fs::remove_dir_all(&person.home).expect("removed");
    fs::rename(&copy, &person.home).expect("put back");
    let said = person.fails(6, &["vault", "status", "--state", &state]);
    assert!(said.contains("went back"), "{said}");
}
