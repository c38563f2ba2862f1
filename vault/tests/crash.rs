//! A process that is killed loses nothing it acknowledged. The writer is this same test binary, started again.
#![allow(clippy::unwrap_used, missing_docs)]

mod support;

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use support::{Random, count, empty_vault, open, recovery};
use vault::{CheckDepth, Error, Vault};

const DIR: &str = "VAULT_CRASH_DIR";

/// After this many kills a new vault begins, so that looking at all of it stays cheap.
const KILLS_A_VAULT: u64 = 25;
/// A killed writer's vault opens within this.
const REOPEN_MAX: Duration = Duration::from_secs(2);

fn content(i: u64) -> Vec<u8> {
    let mut random = Random(i);
    let length = match i % 5 {
        0 => 40_000 + random.below(900_000),
        _ => random.below(3000),
    };
    random.bytes(length as usize)
}

/// The writer: puts and commits batches for ever, and says so before and after. Does nothing unless started as such.
#[test]
fn writer_to_be_killed() {
    let Ok(dir) = std::env::var(DIR) else { return };
    let mut vault = open(dir.as_ref());
    let mut i = vault.list("c").unwrap().len() as u64;
    let mut out = std::io::stdout().lock();
    loop {
        // A large one is applied to the catalog in parts.
        let batch = if i % 3 == 0 { 40 } else { 1 + i % 4 };
        // Made before the batch begins, so that a kill between the two lines hits a write.
        let contents: Vec<Vec<u8>> = (i..i + batch).map(content).collect();
        writeln!(out, "begin").unwrap();
        for (n, content) in (i..).zip(&contents) {
            vault.put("c", &format!("{n}"), &mut content.as_slice()).unwrap();
        }
        // What every batch changes must be from the same batch as what it adds.
        vault.put("state", "next", &mut format!("{}", i + batch).as_bytes()).unwrap();
        vault.commit().unwrap();
        i += batch;
        writeln!(out, "done {i}").unwrap();
    }
}

fn writer(path: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "writer_to_be_killed", "--nocapture"])
        .env(DIR, path)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Starts a writer and kills it some time after its first batch began. The last object it acknowledged, if any, and
/// whether the kill came in the middle of a batch.
fn kill_one(path: &Path, random: &mut Random) -> (Option<u64>, bool) {
    let mut child = writer(path);
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    // The test harness prints its own words in front of the first line.
    assert!(lines.any(|line| line.ends_with("begin")));
    let reader = std::thread::spawn(move || {
        let (mut done, mut writing) = (None, true);
        for line in lines {
            writing = line == "begin";
            done = line.strip_prefix("done ").and_then(|n| n.parse().ok()).or(done);
        }
        (done, writing)
    });
    std::thread::sleep(Duration::from_micros(random.below(200_000)));
    assert!(child.try_wait().unwrap().is_none(), "the writer ended by itself");
    child.kill().unwrap();
    child.wait().unwrap();
    reader.join().unwrap()
}

#[test]
fn killed_writer_loses_nothing_it_acknowledged() {
    let (kills, seed) = (count("VAULT_KILLS", 50), count("VAULT_SEED", 21));
    let (start, mut random) = (Instant::now(), Random(seed));
    let (mut in_the_middle, mut objects, mut slowest) = (0, 0, Duration::ZERO);
    let (mut folder, mut acknowledged) = (empty_vault(), 0);
    for kill in 0..kills {
        if kill % KILLS_A_VAULT == 0 {
            objects += acknowledged;
            (folder, acknowledged) = (empty_vault(), 0);
        }
        let (done, writing) = kill_one(&folder.1, &mut random);
        acknowledged = done.unwrap_or(acknowledged).max(acknowledged);
        in_the_middle += u64::from(writing);
        let opening = Instant::now();
        let vault = open(&folder.1);
        slowest = slowest.max(opening.elapsed());
        acknowledged = verify(&vault, acknowledged, kill);
    }
    objects += acknowledged;
    println!(
        "seed {seed}: {kills} kills, {in_the_middle} in the middle of a batch, {objects} objects, slowest opening {} ms, {:.1} s",
        slowest.as_millis(),
        start.elapsed().as_secs_f64()
    );
    assert!(objects > 0 && in_the_middle * 10 >= kills * 6);
    assert!(slowest <= REOPEN_MAX, "{slowest:?}");
}

/// All acknowledged objects are there and right, and batches are whole. Returns how many objects there are.
fn verify(vault: &Vault, acknowledged: u64, kill: u64) -> u64 {
    let found = vault.list("c").unwrap().len() as u64;
    assert!(found >= acknowledged, "kill {kill}: {found} of {acknowledged}");
    for n in 0..found {
        assert_eq!(*vault.read_named("c", &n.to_string()).unwrap().unwrap(), content(n), "kill {kill}: object {n}");
    }
    if found > 0 {
        let next = vault.read_named("state", "next").unwrap().unwrap();
        assert_eq!(next.as_slice(), found.to_string().as_bytes(), "kill {kill}: half a batch");
    }
    assert_eq!(vault.check(CheckDepth::Structure).unwrap().problems, [], "kill {kill}");
    found
}

#[test]
fn second_process_is_told_the_pid_of_the_holder() {
    let (_dir, path) = empty_vault();
    let mut child = writer(&path);
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().ends_with("begin")));
    let drain = std::thread::spawn(move || lines.for_each(drop));
    let opened = Vault::open(&path, &recovery());
    child.kill().unwrap();
    child.wait().unwrap();
    drain.join().unwrap();
    assert!(matches!(opened, Err(Error::Busy { pid: Some(pid) }) if pid == child.id()), "{opened:?}");
    // The lock goes with its holder.
    open(&path);
}

/// A process that is being started has, for a moment, the descriptors of the one that starts it, and with them its locks.
#[test]
fn closed_vault_opens_again_at_once_while_processes_are_started() {
    let (_dir, path) = empty_vault();
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                    Command::new("true").status().unwrap();
                }
            });
        }
        let opened: Vec<_> =
            (0..count("VAULT_OPENINGS", 100)).map(|_| Vault::open(&path, &recovery())).map(|v| v.map(drop)).collect();
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        let refused = opened.iter().filter(|o| o.is_err()).count();
        println!("{refused} of {} refused", opened.len());
        opened.into_iter().for_each(|opened| opened.unwrap());
    });
}
