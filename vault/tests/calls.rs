//! Every call to the operating system that changes something fails in turn, or is the process's last: an import or a
//! collection is then there whole or not at all, and what was acknowledged is there. Needs `strace`.
#![allow(clippy::unwrap_used, missing_docs)]

mod support;

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::Command;

use support::{Random, copy, count, empty_vault, open};
use vault::{CheckDepth, GcOptions, Vault};

const DIR: &str = "VAULT_CALLS_DIR";
const WHAT: &str = "VAULT_CALLS_WHAT";
const CALLS: [&str; 9] =
    ["write", "pwrite64", "fsync", "fdatasync", "rename", "ftruncate", "unlink", "unlinkat", "openat"];
const FAULTS: [&str; 3] = ["error=EIO", "error=ENOSPC", "signal=SIGKILL"];
/// Objects that stand before, and that an import adds.
const OLD: u64 = 6;
const NEW: u64 = 5;

fn content(i: u64) -> Vec<u8> {
    Random(i).bytes(if i.is_multiple_of(4) { 300_000 } else { 2_000 })
}

/// Puts objects, every other of which replaces nothing, and commits.
fn import(vault: &mut Vault, from: u64, to: u64) -> vault::Result<()> {
    for i in from..to {
        vault.put("note", &i.to_string(), &mut content(i).as_slice())?;
    }
    vault.commit()
}

fn collect(vault: &mut Vault) -> vault::Result<()> {
    let plan = vault.gc_plan(&GcOptions { waste_percent: 0 })?;
    vault.gc(&plan, &mut |_, _| ControlFlow::Continue(())).map(drop)
}

/// Opens the vault and does one thing. Does nothing unless started for it.
#[test]
fn process_whose_calls_fail() {
    let (Ok(dir), Ok(what)) = (std::env::var(DIR), std::env::var(WHAT)) else { return };
    let done = Vault::open(dir.as_ref(), &support::recovery()).and_then(|mut vault| match what.as_str() {
        "import" => import(&mut vault, OLD, OLD + NEW),
        _ => collect(&mut vault),
    });
    match done {
        Ok(()) => println!("acknowledged"),
        Err(error) => println!("failed: {error}"),
    }
}

/// Runs the process under strace. Its output, and how often each call was made.
fn run(dir: &Path, what: &str, inject: Option<String>) -> (String, Vec<usize>) {
    let log = dir.with_extension("calls");
    let mut strace = Command::new("strace");
    strace.args(["-f", "-qq", "-e", &format!("trace={}", CALLS.join(",")), "-o"]).arg(&log);
    if let Some(inject) = inject {
        strace.args(["-e", &format!("inject={inject}")]);
    }
    strace.arg(std::env::current_exe().unwrap());
    strace.args(["--exact", "process_whose_calls_fail", "--nocapture"]);
    let output = strace.env(DIR, dir).env(WHAT, what).output().unwrap();
    let calls = std::fs::read_to_string(&log).unwrap_or_default();
    let made = |call: &&str| calls.lines().filter(|line| line.contains(&format!(" {call}("))).count();
    (String::from_utf8_lossy(&output.stdout).into_owned(), CALLS.iter().map(made).collect())
}

/// What stands is what stood before or after, and nothing is wrong with it.
fn verify(dir: &Path, what: &str, said: &str, case: &str) {
    let vault = Vault::open(dir, &support::recovery()).unwrap_or_else(|error| panic!("{case}: {error}\n{said}"));
    let listed = vault.list("note").unwrap();
    let added = listed.iter().filter(|entry| entry.name.parse::<u64>().unwrap() >= OLD).count() as u64;
    assert!(added == 0 || added == NEW, "{case}: half an import");
    assert!(what != "import" || added == NEW || !said.contains("acknowledged"), "{case}: an import is lost");
    assert_eq!(listed.len() as u64 - added, OLD / 2, "{case}");
    for entry in listed {
        assert_eq!(*vault.read(&entry.id).unwrap(), content(entry.name.parse().unwrap()), "{case}: {}", entry.name);
    }
    assert_eq!(vault.check(CheckDepth::ReadData).unwrap().problems, [], "{case}");
}

/// A vault with some garbage in it.
fn prepared() -> (tempfile::TempDir, PathBuf) {
    let (folder, path) = empty_vault();
    let mut vault = open(&path);
    import(&mut vault, 0, OLD).unwrap();
    for entry in vault.list("note").unwrap().iter().filter(|entry| entry.sequence % 2 == 0) {
        vault.remove(&entry.id).unwrap();
    }
    vault.commit().unwrap();
    drop(vault);
    (folder, path)
}

/// Fails one call after the other; `every` says how many to step over in between.
fn fail_in_turn(what: &str, every: usize) {
    if Command::new("strace").arg("-V").output().is_err() {
        println!("SKIPPED: strace is not installed, so no call was made to fail on a real disk ({what})");
        return;
    }
    let (folder, template) = prepared();
    let path = folder.path().join("work");
    let renew = || {
        let _ = std::fs::remove_dir_all(&path);
        copy(&template, &path);
    };
    renew();
    let (said, made) = run(&path, what, None);
    if !said.contains("acknowledged") {
        println!("SKIPPED: strace cannot trace here, so no call was made to fail on a real disk ({what}): {said}");
        return;
    }
    let start = std::time::Instant::now();
    let cases: Vec<(&str, usize, &str)> = (CALLS.iter().zip(&made))
        .flat_map(|(call, times)| (1..=*times).flat_map(move |nth| FAULTS.map(|fault| (*call, nth, fault))))
        .collect();
    let (mut runs, mut acknowledged) = (0, 0);
    for (call, nth, fault) in cases.iter().skip(every / 2).step_by(every) {
        renew();
        let inject = format!("{call}:{fault}:when={nth}");
        let (said, _) = run(&path, what, Some(inject.clone()));
        verify(&path, what, &said, &format!("{what}, {inject}"));
        runs += 1;
        acknowledged += u64::from(said.contains("acknowledged"));
    }
    println!(
        "{what}: {runs} of {} cases, {acknowledged} acknowledged all the same, {:.1} s; calls {:?}",
        cases.len(),
        start.elapsed().as_secs_f64(),
        CALLS.iter().zip(made).collect::<Vec<_>>()
    );
}

#[test]
fn import_whose_calls_fail_is_whole_or_not_there() {
    fail_in_turn("import", count("VAULT_CALLS_EVERY", 1) as usize);
}

#[test]
fn collection_whose_calls_fail_loses_nothing() {
    let every = count("VAULT_CALLS_EVERY", 0) as usize;
    if every == 0 {
        println!("the calls of a collection are made to fail in the campaign: VAULT_CALLS_EVERY=1");
        return;
    }
    fail_in_turn("collection", every);
}
