//! Real disks that are full: a vault on a small tmpfs of each of many sizes takes objects until one no longer fits. It
//! then opens, reads all that was acknowledged, removes and collects. Mounting needs `unshare` and a kernel that lets a
//! user have namespaces of its own; without them the simulated disks (`reserve.rs`) are all that is filled.
#![allow(clippy::unwrap_used, missing_docs)]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use support::{Random, copy, count, empty_vault, open};
use vault::{CheckDepth, Error, GcOptions, Vault};

const DIR: &str = "VAULT_FULL_DIR";
/// The smallest disk, and how much larger each next one is, in KiB: odd, so that they fill up in different places.
const FIRST: u64 = 2304;
const STEP: u64 = 37;

type Contents = BTreeMap<String, Vec<u8>>;

/// A tmpfs, for as long as it is kept.
struct Mounted(PathBuf);

impl Mounted {
    fn new(at: PathBuf, kib: u64) -> Option<Mounted> {
        fs::create_dir_all(&at).unwrap();
        let size = format!("size={kib}k,mode=700");
        let done = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "small"]).arg(&at).output().ok()?;
        done.status.success().then_some(Mounted(at))
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let done = Command::new("umount").arg(&self.0).status();
        assert!(std::thread::panicking() || done.is_ok_and(|status| status.success()));
    }
}

/// Of three objects two are small, and each third fills a good part of a disk.
fn content(i: u64) -> Vec<u8> {
    Random(i).bytes(if i % 3 == 2 { 150_000 + (i as usize % 7) * 20_000 } else { 300 + (i as usize % 9) * 3000 })
}

fn contents(vault: &Vault) -> Contents {
    vault.list("n").unwrap().iter().map(|e| (e.name.clone(), vault.read(&e.id).unwrap().to_vec())).collect()
}

/// Imports until the disk is full. Everything acknowledged, and what the vault said.
fn fill(path: &Path) -> (Contents, String) {
    let (mut vault, mut acknowledged, mut batch) = (open(path), Contents::new(), Contents::new());
    for i in 0.. {
        let (name, bytes) = (format!("n{i}"), content(i));
        let done = vault.put("n", &name, &mut bytes.as_slice()).and_then(|_| match i % 4 {
            3 => vault.commit().map(|()| true),
            _ => Ok(false),
        });
        batch.insert(name, bytes);
        match done {
            Ok(true) => acknowledged.append(&mut batch),
            Ok(false) => {}
            Err(error) => {
                assert!(
                    matches!(&error, Error::Io { source, .. } if source.kind() == ErrorKind::StorageFull),
                    "{error}"
                );
                return (acknowledged, error.to_string());
            }
        }
    }
    unreachable!("no disk is without end")
}

/// One disk: filled, opened, read, emptied one object at a time, and collected. How many objects were removed.
fn use_full_disk(disk: &Path, template: &Path) -> u64 {
    let path = disk.join("v");
    copy(template, &path);
    let (mut expected, said) = fill(&path);
    assert!(said.contains("No space left on device") && said.contains("/v/"), "{said}");
    let mut vault = open(&path);
    assert!(contents(&vault) == expected, "after: {said}");
    let mut removed = 0;
    for entry in vault.list("n").unwrap() {
        vault.remove(&entry.id).unwrap();
        vault.commit().unwrap();
        expected.remove(&entry.name);
        removed += 1;
        if removed % 5 == 0 {
            drop(vault);
            vault = open(&path);
            assert!(contents(&vault) == expected);
        }
    }
    let before = vault.status().unwrap().stored_bytes;
    let plan = vault.gc_plan(&GcOptions { waste_percent: 0 }).unwrap();
    let outcome = vault.gc(&plan, &mut |_, _| ControlFlow::Continue(())).unwrap();
    assert!(outcome.left.is_empty() && outcome.freed_bytes > before / 2, "{outcome:?}");
    // What did not fit does now.
    vault.put("n", "again", &mut content(2).as_slice()).unwrap();
    vault.commit().unwrap();
    assert_eq!(vault.check(CheckDepth::ReadData).unwrap().problems, []);
    drop(vault);
    assert_eq!(contents(&open(&path)), Contents::from([("again".to_owned(), content(2))]));
    removed
}

/// Uses disks of all sizes. Does nothing unless started for it.
#[test]
fn process_on_small_disks() {
    let Ok(dir) = std::env::var(DIR) else { return };
    let (_folder, template) = empty_vault();
    let (start, sizes, mut removed) = (Instant::now(), count("VAULT_FULL_SIZES", 64), 0);
    for number in 0..sizes {
        let kib = FIRST + number * STEP;
        let Some(disk) = Mounted::new(Path::new(&dir).join("disk"), kib) else {
            println!("cannot mount");
            return;
        };
        println!("{kib} KiB");
        removed += use_full_disk(&disk.0, &template);
    }
    println!("{sizes} sizes, {removed} objects removed from full disks, {:.1} s", start.elapsed().as_secs_f64());
}

#[test]
fn vault_on_a_full_tmpfs_opens_reads_removes_and_collects() {
    let dir = tempfile::TempDir::new().unwrap();
    let mut unshare = Command::new("unshare");
    unshare.args(["--map-root-user", "--mount"]).arg(std::env::current_exe().unwrap());
    unshare.args(["--exact", "process_on_small_disks", "--nocapture"]).env(DIR, dir.path());
    let (said, ended, why) = match unshare.output() {
        Ok(output) => (
            String::from_utf8_lossy(&output.stdout).into_owned(),
            output.status.success(),
            String::from_utf8_lossy(&output.stderr).into_owned(),
        ),
        Err(error) => (String::new(), false, error.to_string()),
    };
    if said.contains("cannot mount") || !said.contains("KiB") && !ended {
        println!("SKIPPED: no tmpfs can be mounted here, so no real disk was filled, only simulated ones: {said}{why}");
        return;
    }
    println!("{}", said.lines().filter(|line| line.contains("sizes")).collect::<String>());
    assert!(ended && said.contains("objects removed"), "{said}\n{why}");
}
