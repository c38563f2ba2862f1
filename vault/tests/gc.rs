//! Collecting garbage frees what nothing needs and loses nothing that stands, wherever it is cut short.
#![allow(clippy::unwrap_used, missing_docs)]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::ops::ControlFlow;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use support::{Random, copy, count, empty_vault, files, flip, open, packs, recovery};
use tempfile::TempDir;
use vault::{CheckDepth, Error, Fate, GcOptions, GcOutcome, GcPlan, Options, Vault};

type Contents = BTreeMap<String, Vec<u8>>;

const ALL: GcOptions = GcOptions { waste_percent: 0 };

fn plan(vault: &Vault) -> GcPlan {
    vault.gc_plan(&GcOptions::default()).unwrap()
}

fn collect(vault: &mut Vault, options: &GcOptions) -> GcOutcome {
    let plan = vault.gc_plan(options).unwrap();
    vault.gc(&plan, &mut |_, _| ControlFlow::Continue(())).unwrap()
}

fn contents(vault: &Vault) -> Contents {
    let read = |e: &vault::Entry| (e.name.clone(), vault.read(&e.id).unwrap().to_vec());
    vault.list("note").unwrap().iter().map(read).collect()
}

fn put(vault: &mut Vault, name: &str, bytes: &[u8]) {
    vault.put("note", name, &mut &*bytes).unwrap();
}

fn remove(vault: &mut Vault, name: &str) {
    let id = vault.find("note", name).unwrap().unwrap().id;
    vault.remove(&id).unwrap();
}

/// Two packs: large objects, most of them removed or replaced, small ones between them, some of each left.
fn fill(vault: &mut Vault, seed: u64) -> Contents {
    let (mut random, mut expected) = (Random(seed), Contents::new());
    for i in 0..24u64 {
        for (name, length) in [(format!("large{i}"), 2 << 20), (format!("small{i}"), 100 + i as usize)] {
            let bytes = random.bytes(length);
            put(vault, &name, &bytes);
            expected.insert(name, bytes);
        }
        if i % 8 == 7 {
            vault.commit().unwrap();
        }
    }
    for i in 0..24u64 {
        if i % 5 != 0 {
            remove(vault, &format!("large{i}"));
            expected.remove(&format!("large{i}"));
        }
        if i % 7 == 0 {
            put(vault, &format!("small{i}"), b"written again");
            expected.insert(format!("small{i}"), b"written again".to_vec());
        }
    }
    vault.commit().unwrap();
    expected
}

/// The vault in `path` holds just this, opened as it is and made anew from its packs.
fn assert_holds(path: &Path, expected: &Contents) {
    let vault = open(path);
    assert_eq!(contents(&vault), *expected);
    assert_eq!(vault.check(CheckDepth::ReadData).unwrap().problems, []);
    drop(vault);
    fs::remove_dir_all(path.join("index")).unwrap();
    fs::remove_dir_all(path.join("catalog")).unwrap();
    let mut vault = open(path);
    assert_eq!(contents(&vault), *expected);
    put(&mut vault, "later", b"later");
    vault.commit().unwrap();
    remove(&mut vault, "later");
    vault.commit().unwrap();
}

fn stored(path: &Path) -> u64 {
    packs(path).iter().map(|p| fs::metadata(p).unwrap().len()).sum()
}

#[test]
fn collected_vault_holds_what_stood_in_less_space() {
    let (_dir, path) = empty_vault();
    let mut vault = open(&path);
    let expected = fill(&mut vault, 1);
    let (before, plan) = (stored(&path), plan(&vault));
    assert!(plan.freed_bytes > 30 << 20 && plan.copied_bytes < 12 << 20, "{plan:?}");
    let outcome = vault.gc(&plan, &mut |_, _| ControlFlow::Continue(())).unwrap();
    assert_eq!(outcome.left, []);
    assert_eq!(outcome.copied_bytes, plan.copied_bytes);
    assert_eq!(before - stored(&path), outcome.freed_bytes);
    // The two commits and the header of a new pack are not in the plan.
    assert!(outcome.freed_bytes + 4096 > plan.freed_bytes, "{outcome:?} {plan:?}");
    assert_eq!(contents(&vault), expected);
    assert!(self::plan(&vault).leaves_all());
    drop(vault);
    assert_holds(&path, &expected);
}

#[test]
fn plan_changes_nothing() {
    let (_dir, path) = empty_vault();
    let mut vault = open(&path);
    fill(&mut vault, 2);
    let before: Vec<_> = packs(&path).iter().map(|p| fs::read(p).unwrap()).collect();
    let head = fs::read(path.join("head")).unwrap();
    let plan = vault.gc_plan(&ALL).unwrap();
    assert!(plan.packs.iter().any(|pack| pack.fate != Fate::Stays));
    assert_eq!(before, packs(&path).iter().map(|p| fs::read(p).unwrap()).collect::<Vec<_>>());
    assert_eq!(head, fs::read(path.join("head")).unwrap());
}

#[test]
fn everything_removed_leaves_next_to_nothing() {
    let (_dir, path) = empty_vault();
    let mut vault = open(&path);
    let expected = fill(&mut vault, 3);
    expected.keys().for_each(|name| remove(&mut vault, name));
    vault.commit().unwrap();
    let outcome = collect(&mut vault, &ALL);
    assert_eq!((outcome.rewritten, outcome.copied_bytes), (0, 0));
    assert!(stored(&path) < 4096, "{}", stored(&path));
    assert!(vault.gc_plan(&ALL).unwrap().leaves_all());
    drop(vault);
    assert_holds(&path, &Contents::new());
}

#[test]
fn vault_without_garbage_is_left_alone() {
    let (_dir, path) = empty_vault();
    let mut vault = open(&path);
    assert!(vault.gc_plan(&ALL).unwrap().leaves_all());
    put(&mut vault, "a", &Random(4).bytes(1 << 20));
    vault.commit().unwrap();
    let before = files(&path.join("packs"));
    assert_eq!(collect(&mut vault, &ALL), GcOutcome::default());
    assert_eq!(files(&path.join("packs")), before);
}

#[test]
fn small_stain_stays_unless_all_garbage_shall_go() {
    let (_dir, path) = empty_vault();
    let mut vault = open(&path);
    let kept = Random(5).bytes(2 << 20);
    put(&mut vault, "kept", &kept);
    put(&mut vault, "secret", b"nobody should find this");
    remove(&mut vault, "secret");
    vault.commit().unwrap();
    assert!(plan(&vault).leaves_all());
    let before = packs(&path);
    assert_eq!(collect(&mut vault, &ALL).rewritten, 1);
    assert!(packs(&path).iter().all(|pack| !before.contains(pack)));
    drop(vault);
    assert_holds(&path, &Contents::from([("kept".into(), kept)]));
}

#[test]
fn collected_content_is_stored_again_when_it_comes_back() {
    let (_dir, path) = empty_vault();
    let mut vault = open(&path);
    let bytes = Random(6).bytes(1 << 20);
    put(&mut vault, "a", &bytes);
    vault.commit().unwrap();
    remove(&mut vault, "a");
    vault.commit().unwrap();
    collect(&mut vault, &ALL);
    let again = vault.put("note", "a", &mut bytes.as_slice()).unwrap();
    assert_eq!(again.new_bytes, 1 << 20);
    vault.commit().unwrap();
    drop(vault);
    assert_holds(&path, &Contents::from([("a".into(), bytes)]));
}

#[test]
fn stale_plan_is_refused() {
    let (_dir, path) = empty_vault();
    let mut vault = open(&path);
    let mut expected = fill(&mut vault, 7);
    let old = plan(&vault);
    put(&mut vault, "new", b"new");
    assert!(matches!(vault.gc_plan(&ALL), Err(Error::Limit(_))));
    assert!(matches!(vault.gc(&old, &mut |_, _| ControlFlow::Continue(())), Err(Error::Limit(_))));
    vault.commit().unwrap();
    assert!(matches!(vault.gc(&old, &mut |_, _| ControlFlow::Continue(())), Err(Error::Limit(_))));
    expected.insert("new".into(), b"new".to_vec());
    // A plan of the same state holds for one collection only.
    let now = plan(&vault);
    vault.gc(&now, &mut |_, _| ControlFlow::Continue(())).unwrap();
    assert!(matches!(vault.gc(&now, &mut |_, _| ControlFlow::Continue(())), Err(Error::Limit(_))));
    drop(vault);
    assert_holds(&path, &expected);
}

#[test]
fn collection_of_a_damaged_pack_is_refused_and_deletes_nothing() {
    let (_dir, path) = empty_vault();
    let mut vault = open(&path);
    fill(&mut vault, 8);
    let plan = plan(&vault);
    assert!(plan.packs[0].fate == Fate::Rewritten);
    let first = packs(&path)[0].clone();
    // In the middle of the first object's first chunk, which stands.
    flip(&first, (64 + 20_000) * 8);
    let before = packs(&path);
    let failed = vault.gc(&plan, &mut |_, _| ControlFlow::Continue(()));
    assert!(matches!(failed, Err(Error::Damaged(_))), "{failed:?}");
    assert!(before.iter().all(|pack| packs(&path).contains(pack)));
    flip(&first, (64 + 20_000) * 8);
    assert_eq!(vault.check(CheckDepth::ReadData).unwrap().problems, []);
    // The head of an entry that hides what comes next.
    flip(&first, 64 * 8);
    assert!(matches!(vault.gc_plan(&ALL), Err(Error::Damaged(_))));
}

#[test]
fn removed_object_never_comes_back() {
    let (_dir, path) = empty_vault();
    let mut vault = open(&path);
    let (mut random, mut expected) = (Random(9), Contents::new());
    // The record of "gone" is in a pack that stays, its removal in one that goes.
    put(&mut vault, "gone", b"gone");
    let stays = random.bytes(33 << 20);
    put(&mut vault, "stays", &stays);
    expected.insert("stays".into(), stays);
    vault.commit().unwrap();
    remove(&mut vault, "gone");
    put(&mut vault, "goes", &random.bytes(1 << 20));
    vault.commit().unwrap();
    remove(&mut vault, "goes");
    vault.commit().unwrap();
    for _ in 0..3 {
        collect(&mut vault, &GcOptions::default());
        assert!(vault.find("note", "gone").unwrap().is_none());
        drop(vault);
        assert_holds(&path, &expected);
        vault = open(&path);
    }
    assert_eq!(packs(&path).len(), 2);
}

#[test]
fn collection_ended_by_its_caller_leaves_the_rest_for_later() {
    let (_dir, path) = empty_vault();
    let mut vault = open(&path);
    let expected = fill(&mut vault, 10);
    for after in [0, 1, 3] {
        let (plan, mut calls) = (plan(&vault), 0);
        let outcome = vault.gc(&plan, &mut |_, _| {
            calls += 1;
            if calls > after { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        assert!(!outcome.unwrap().left.is_empty());
        assert_eq!(contents(&vault), expected);
        assert_eq!(vault.check(CheckDepth::ReadData).unwrap().problems, []);
    }
    collect(&mut vault, &ALL);
    drop(vault);
    assert_holds(&path, &expected);
}

#[test]
fn crash_between_any_two_steps_loses_nothing() {
    let (_dir, path) = empty_vault();
    let mut vault = open(&path);
    let expected = fill(&mut vault, 11);
    let (plan, crashes) = (plan(&vault), TempDir::new().unwrap());
    let (mut moments, mut taken, mut random) = (0, 0, Random(count("VAULT_SEED", 23)));
    let share = count("VAULT_GC_MOMENTS_PERCENT", 10);
    vault
        .gc(&plan, &mut |done, total| {
            moments += 1;
            // Around a commit and the deletion after it always, between two copies some of the time.
            if done == 0 || done == total || random.below(100) < share {
                copy(&path, &crashes.path().join(taken.to_string()));
                taken += 1;
            }
            ControlFlow::Continue(())
        })
        .unwrap();
    assert!(moments > 10 && taken > 4, "{moments} {taken}");
    for crash in (0..taken).map(|n| crashes.path().join(n.to_string())) {
        let mut vault = open(&crash);
        assert_eq!(contents(&vault), expected);
        collect(&mut vault, &ALL);
        drop(vault);
        assert_holds(&crash, &expected);
    }
    println!("{taken} of {moments} moments");
}

#[test]
fn retired_pack_that_a_crash_left_is_deleted_at_opening_and_unknown_to_repair() {
    let (_dir, path) = empty_vault();
    let mut vault = open(&path);
    let expected = fill(&mut vault, 12);
    let (plan, crashes) = (plan(&vault), TempDir::new().unwrap());
    let crash = crashes.path().join("v");
    let mut last = 0;
    vault
        .gc(&plan, &mut |done, total| {
            // The first call after everything was copied and committed: nothing is deleted yet.
            if done == total && last == total && !crash.exists() {
                copy(&path, &crash);
            }
            last = done;
            ControlFlow::Continue(())
        })
        .unwrap();
    let repaired = crashes.path().join("r");
    copy(&crash, &repaired);
    let there = packs(&crash).len();
    assert!(there > packs(&path).len());
    assert_holds(&crash, &expected);
    assert!(packs(&crash).len() < there);
    // A pack that stays is damaged: repair must not take what is in the retired ones for something that stands.
    let newest = packs(&repaired).pop().unwrap();
    flip(&newest, (64 + 20_000) * 8);
    let (vault, problems) = Vault::repair(&repaired, &recovery(), &Options::default()).unwrap();
    let named: Vec<String> = problems.iter().filter_map(|p| p.object.clone()).map(|(_, name)| name).collect();
    let after = contents(&vault);
    assert!(after.keys().all(|name| expected.contains_key(name)), "{:?}", after.keys());
    for (name, bytes) in &expected {
        assert!(named.contains(name) || after.get(name) == Some(bytes), "{name}");
    }
    assert_eq!(vault.check(CheckDepth::ReadData).unwrap().problems, []);
}

#[test]
fn lost_newest_head_slot_after_a_collection_is_healed() {
    let (_dir, path) = empty_vault();
    let mut vault = open(&path);
    let expected = fill(&mut vault, 13);
    collect(&mut vault, &ALL);
    let newest = vault.status().unwrap().commits % 2;
    drop(vault);
    flip(&path.join("head"), (newest * 4096 + 100) * 8);
    assert_holds(&path, &expected);
}

#[test]
fn pack_put_back_after_a_collection_is_refused() {
    let (_dir, path) = empty_vault();
    let mut vault = open(&path);
    fill(&mut vault, 14);
    let old = packs(&path)[0].clone();
    let bytes = fs::read(&old).unwrap();
    collect(&mut vault, &ALL);
    drop(vault);
    assert!(!old.exists());
    fs::write(&old, bytes).unwrap();
    assert!(matches!(Vault::open(&path, &recovery()), Err(Error::Damaged(_))));
}

const DIR: &str = "VAULT_GC_CRASH_DIR";

/// The writer: replaces, removes and collects for ever. Does nothing unless started as such.
#[test]
fn collector_to_be_killed() {
    let Ok(dir) = std::env::var(DIR) else { return };
    let mut vault = open(dir.as_ref());
    let mut out = std::io::stdout().lock();
    let mut i = vault.list("state").unwrap().first().map_or(0, |_| {
        String::from_utf8(vault.read_named("state", "next").unwrap().unwrap().to_vec()).unwrap().parse().unwrap()
    });
    loop {
        put(&mut vault, &format!("n{}", i % 16), &content(i));
        if let Some(old) = vault.find("note", &format!("n{}", (i + 5) % 16)).unwrap() {
            vault.remove(&old.id).unwrap();
        }
        i += 1;
        vault.put("state", "next", &mut i.to_string().as_bytes()).unwrap();
        vault.commit().unwrap();
        writeln!(out, "done {i}").unwrap();
        if i.is_multiple_of(4) {
            writeln!(out, "collect").unwrap();
            collect(&mut vault, &ALL);
            writeln!(out, "collected").unwrap();
        }
    }
}

fn content(i: u64) -> Vec<u8> {
    let mut random = Random(i);
    let length = 1 + random.below(2 << 20);
    random.bytes(length as usize)
}

/// What stands after the writer did `n` rounds.
fn after_rounds(n: u64) -> Contents {
    let mut expected = Contents::new();
    for i in n.saturating_sub(64)..n {
        expected.insert(format!("n{}", i % 16), content(i));
        expected.remove(&format!("n{}", (i + 5) % 16));
    }
    expected
}

#[test]
fn killed_collector_loses_nothing() {
    let (_dir, path) = empty_vault();
    let (kills, seed) = (count("VAULT_GC_KILLS", 6), count("VAULT_SEED", 22));
    let (mut random, mut within, mut done) = (Random(seed), 0, 0);
    for kill in 0..kills {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "collector_to_be_killed", "--nocapture"])
            .env(DIR, &path)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        let (writes, began) = std::sync::mpsc::channel();
        let reader = std::thread::spawn(move || {
            let (mut done, mut collecting) = (0, false);
            for line in lines.lines().map_while(Result::ok) {
                collecting = line.ends_with("collect");
                if let Some(n) = line.split_once("done ").and_then(|(_, n)| n.parse().ok()) {
                    done = n;
                    let _ = writes.send(());
                }
            }
            (done, collecting)
        });
        began.recv().unwrap();
        std::thread::sleep(Duration::from_millis(random.below(500)));
        child.kill().unwrap();
        child.wait().unwrap();
        let (acknowledged, collecting) = reader.join().unwrap();
        within += u64::from(collecting);
        let vault = open(&path);
        let state = vault.read_named("state", "next").unwrap();
        let now = state.map_or(0, |text| std::str::from_utf8(&text).unwrap().parse().unwrap());
        assert!(now >= acknowledged && now >= done, "kill {kill}: {now} of {acknowledged}");
        assert_eq!(contents(&vault).keys().collect::<Vec<_>>(), after_rounds(now).keys().collect::<Vec<_>>());
        assert!(contents(&vault) == after_rounds(now), "kill {kill}");
        assert_eq!(vault.check(CheckDepth::Structure).unwrap().problems, [], "kill {kill}");
        done = now;
    }
    println!("seed {seed}: {kills} kills, {within} within a collection, {done} rounds");
    assert!(done > 0);
}
