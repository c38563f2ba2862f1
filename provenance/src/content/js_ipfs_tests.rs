//! The Kubo-RPC client against a daemon that somebody else wrote: js-ipfs, started here, offline and on loopback.
//!
//! Its npm packages are installed by `tools/setup` in `tests/js-ipfs`; without them these tests fail.

use super::kubo::{Kubo, Timeouts};
use super::tests::{Memory, bytes, check_kept};
use super::{ContentStore, MAX_PIECE, car, directory, unixfs};
use crate::Error;
use crate::cid::Cid;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

struct Daemon {
    child: Child,
    kubo: Kubo,
    /// The same with little patience: js-ipfs waits for a missing piece as long as it is let.
    hasty: Kubo,
    _repo: tempfile::TempDir,
}

impl Daemon {
    fn start() -> Self {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/js-ipfs");
        assert!(folder.join("node_modules/ipfs-core").exists(), "js-ipfs is missing: run tools/setup");
        let repo = tempfile::tempdir().unwrap();
        let mut child = Command::new("node")
            .current_dir(&folder)
            .args(["--require", "./polyfill.cjs", "daemon.mjs"])
            .arg(repo.path().join("repo"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let address = lines.find_map(|line| line.strip_prefix("listening on ").map(str::to_owned));
        std::thread::spawn(move || lines.for_each(drop));
        let address = address.expect("js-ipfs ended before it listened; its error is above");
        let within = |limit| Kubo::new(&address, Timeouts { call: limit, fetch: limit, pin: limit }).unwrap();
        let (kubo, hasty) = (within(Duration::from_secs(120)), within(Duration::from_secs(3)));
        Self { child, kubo, hasty, _repo: repo }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn js_ipfs_keeps_and_delivers_what_the_client_puts() {
    let daemon = Daemon::start();
    let kubo = &daemon.kubo;
    assert!(!kubo.version().unwrap().is_empty());
    check_kept(kubo);
    whole_tree_is_pinned(kubo, &daemon.hasty);
    directory_is_read_back(kubo, &daemon.hasty);
}

/// A file with a missing piece is neither delivered nor pinned; with the piece it is both.
fn whole_tree_is_pinned(kubo: &Kubo, hasty: &Kubo) {
    let file: Vec<u8> = bytes(2 * MAX_PIECE + 3).into_iter().rev().collect();
    let mut pieces = Vec::new();
    let root = unixfs::split(&file, &mut |cid, piece| {
        pieces.push((*cid, piece.to_vec()));
        Ok(())
    })
    .unwrap();
    let (missing, rest) = pieces.split_first().unwrap();
    for (cid, piece) in rest {
        kubo.put_piece(cid, piece).unwrap();
    }
    assert!(matches!(hasty.get_file(&root, 1 << 30), Err(Error::NotFound(_) | Error::Network(_))));
    assert!(matches!(hasty.pin(&root), Err(Error::NotFound(_) | Error::Network(_))));
    kubo.put_piece(&missing.0, &missing.1).unwrap();
    kubo.pin(&root).unwrap();
    assert_eq!(kubo.get_file(&root, 1 << 30).unwrap(), file);
}

fn directory_is_read_back(kubo: &Kubo, hasty: &Kubo) {
    let entry = directory::Entry::file("readme", b"hello", &mut |cid, piece| kubo.put_piece(cid, piece)).unwrap();
    let (cid, node) = directory::write(std::slice::from_ref(&entry)).unwrap();
    kubo.put_piece(&cid, &node).unwrap();
    kubo.pin(&cid).unwrap();
    assert_eq!(directory::read(&cid, &kubo.get_piece(&cid).unwrap()).unwrap(), Some(vec![entry]));
    assert!(!matches!(hasty.has(&Cid::raw(b"not there")), Ok(true)));
}

/// Runs `car.mjs` on a file and returns what it prints.
fn their_car(what: &str, file: &Path) -> String {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/js-ipfs");
    assert!(folder.join("node_modules/@ipld/car").exists(), "js-ipfs is missing: run tools/setup");
    let ran = Command::new("node").current_dir(&folder).args(["car.mjs", what]).arg(file).output().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    String::from_utf8(ran.stdout).unwrap().trim().to_owned()
}

#[test]
fn car_of_ours_is_read_by_the_other_implementation() {
    let folder = tempfile::tempdir().unwrap();
    let (path, store) = (folder.path().join("ours.car"), Memory::default());
    let root = store.put_file(&bytes(2 * MAX_PIECE + 5)).unwrap();
    std::fs::write(&path, car::export(&store, &root, 1 << 30).unwrap()).unwrap();
    assert_eq!(their_car("read", &path), format!("{root} 4"));
}

#[test]
fn car_of_the_other_implementation_is_read_by_ours() {
    let folder = tempfile::tempdir().unwrap();
    let (path, store) = (folder.path().join("theirs.car"), Memory::default());
    let root = their_car("write", &path);
    let bytes_of_car = std::fs::read(&path).unwrap();
    assert_eq!(car::import(&store, &bytes_of_car, 1 << 30).unwrap().to_string(), root);
    let cid = root.parse::<Cid>().unwrap();
    assert_eq!(store.get_file(&cid, 1 << 30).unwrap(), bytes(2 * MAX_PIECE + 5));
}

#[test]
fn golden_cids_are_those_that_the_other_implementation_gives_now() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/js-ipfs");
    assert!(folder.join("node_modules/ipfs-unixfs-importer").exists(), "js-ipfs is missing: run tools/setup");
    let checked = Command::new("node").current_dir(&folder).args(["golden.mjs", "--check"]).output().unwrap();
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
}
