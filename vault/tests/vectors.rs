//! Walks `vectors/`: one file for each way a vault can be right or wrong.
//!
//! A vector is lines of `key: value`. `expect` names the outcome and words its message must have; `base` another vector
//! whose files it starts from; `unlock` is `recovery` or a passphrase; each other line is an edit, done in order (see
//! [`edit`]). A vector without `base` holds the files themselves in hexadecimal, and every object they must yield.
//! `pack` stands for the only pack.
#![allow(clippy::unwrap_used, missing_docs)]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use vault::{CheckDepth, Error, Unlock, Vault};

struct Vector {
    name: String,
    lines: Vec<(String, String)>,
    /// Hexadecimal lines after each `file`.
    files: BTreeMap<String, String>,
}

impl Vector {
    fn read(path: &Path) -> Vector {
        let (mut lines, mut files, mut file) = (Vec::new(), BTreeMap::new(), String::new());
        for line in fs::read_to_string(path).unwrap().lines() {
            match line.split_once(": ") {
                Some(("file", name)) => file = name.to_owned(),
                Some((key, value)) => lines.push((key.to_owned(), value.to_owned())),
                None => files.entry(file.clone()).or_insert_with(String::new).push_str(line),
            }
        }
        Vector { name: path.file_stem().unwrap().to_str().unwrap().to_owned(), lines, files }
    }

    fn get(&self, key: &str) -> Option<&str> {
        self.lines.iter().find(|(k, _)| k == key).map(|(_, v)| v.as_str())
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors")
}

/// `flip FILE BIT`, `flip-end FILE BYTES` (a bit of that byte from the end), `set FILE OFFSET HEX`, `cut FILE LENGTH`,
/// `cut-end FILE BYTES`, `append FILE HEX`, `delete FILE`, `swap FILE A B LENGTH`, `copy FILE FROM TO LENGTH`, `checksum FILE`.
fn edit(dir: &Path, key: &str, value: &str) {
    let words: Vec<&str> = value.split(' ').collect();
    let path = match words[0] {
        "pack" => support::packs(dir)[0].clone(),
        name => dir.join(name),
    };
    let mut bytes = fs::read(&path).unwrap();
    let number = |i: usize| words[i].parse::<usize>().unwrap();
    let length = bytes.len();
    match key {
        "flip" => bytes[number(1) / 8] ^= 1 << (number(1) % 8),
        "flip-end" => bytes[length - number(1)] ^= 1,
        "set" => {
            let new = hex::decode(words[2]).unwrap();
            bytes[number(1)..number(1) + new.len()].copy_from_slice(&new);
        }
        "cut" => bytes.truncate(number(1)),
        "cut-end" => bytes.truncate(length - number(1)),
        "append" => bytes.extend(hex::decode(words[1]).unwrap()),
        "swap" => (0..number(3)).for_each(|i| bytes.swap(number(1) + i, number(2) + i)),
        "copy" => bytes.copy_within(number(1)..number(1) + number(3), number(2)),
        "checksum" => {
            let sum = blake3::hash(&bytes[..length - 32]);
            bytes[length - 32..].copy_from_slice(sum.as_bytes());
        }
        "delete" => return fs::remove_file(&path).unwrap(),
        other => panic!("unknown edit {other}"),
    }
    fs::write(&path, bytes).unwrap();
}

/// Opens the vault, reads every object and checks it all. The class of the first thing that is wrong, with its words.
fn outcome(dir: &Path, unlock: &Unlock, golden: &Vector) -> (&'static str, String) {
    let vault = match Vault::open(dir, unlock) {
        Ok(vault) => vault,
        Err(error) => return (class(&error), error.to_string()),
    };
    let mut refused = None;
    let objects: Vec<_> = golden.lines.iter().filter(|(k, _)| k == "object").collect();
    for (_, object) in &objects {
        let words: Vec<&str> = object.splitn(3, ' ').collect();
        let content = hex::decode(words.get(2).copied().unwrap_or_default()).unwrap();
        match vault.read_named(words[0], words[1]) {
            Ok(found) => assert_eq!(*found.expect(object), content),
            Err(error) => refused = Some((class(&error), error.to_string())),
        }
    }
    assert_eq!(vault.status().unwrap().objects, objects.len() as u64);
    let problems = vault.check(CheckDepth::ReadData).unwrap().problems;
    match (refused, problems.first()) {
        (Some(refused), Some(_)) => refused,
        (Some(refused), None) => panic!("check did not find {refused:?}"),
        (None, Some(problem)) => ("damaged", problem.what.clone()),
        (None, None) => ("ok", String::new()),
    }
}

fn class(error: &Error) -> &'static str {
    match error {
        Error::WrongKey => "wrong-key",
        Error::Damaged(_) => "damaged",
        Error::Unsupported { .. } => "unsupported",
        Error::Rollback(_) => "rollback",
        Error::Limit(_) => "limit",
        _ => "other",
    }
}

fn run(vector: &Vector) {
    let dir = tempfile::TempDir::new().unwrap();
    let dir = dir.path();
    let based = vector.get("base").map(|base| Vector::read(&folder().join(format!("{base}.txt"))));
    let golden = based.as_ref().unwrap_or(vector);
    fs::create_dir(dir.join("packs")).unwrap();
    for (name, text) in &golden.files {
        fs::write(dir.join(name), hex::decode(text).unwrap()).unwrap();
    }
    const KEYS: [&str; 8] = ["expect", "about", "base", "unlock", "passphrase", "recovery", "object", "file"];
    for (key, value) in vector.lines.iter().filter(|(key, _)| !KEYS.contains(&key.as_str())) {
        edit(dir, key, value);
    }
    let unlock = match vector.get("unlock") {
        None | Some("recovery") => {
            let bytes = hex::decode(golden.get("recovery").unwrap()).unwrap();
            Unlock::Recovery(<[u8; 32]>::try_from(bytes).unwrap().into())
        }
        Some(text) => support::passphrase(text),
    };
    let expect = vector.get("expect").unwrap();
    let (wanted, words) = expect.split_once(' ').unwrap_or((expect, ""));
    let (found, message) = outcome(dir, &unlock, golden);
    assert!(found == wanted && message.contains(words), "{}: expected {expect}, found {found}: {message}", vector.name);
}

#[test]
fn every_vector_has_the_outcome_it_expects() {
    let mut paths: Vec<PathBuf> = fs::read_dir(folder()).unwrap().map(|item| item.unwrap().path()).collect();
    paths.sort();
    let failed: Vec<_> = paths
        .iter()
        .map(|path| Vector::read(path))
        .filter(|vector| std::panic::catch_unwind(|| run(vector)).is_err())
        .map(|vector| vector.name)
        .collect();
    println!("{} vectors", paths.len());
    assert!(failed.is_empty() && paths.len() >= 40, "{failed:?}");
}
