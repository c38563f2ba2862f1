//! What the tests of the vault share: folders, a template vault that is copied, seeded bytes.
#![allow(dead_code, missing_docs, clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use tempfile::TempDir;
use vault::{KdfCost, Secret, Unlock, Vault};
use zeroize::Zeroizing;

pub const PASSPHRASE: &str = "rhubarb under the stairs";
pub const ENTROPY: [u8; 32] = [0x5e; 32];

pub fn recovery() -> Unlock {
    Unlock::Recovery(Zeroizing::new(ENTROPY))
}

pub fn passphrase(text: &str) -> Unlock {
    Unlock::Passphrase(Secret::from(text))
}

/// An empty vault in a new folder, copied from one made once per test binary, because each passphrase costs time.
pub fn empty_vault() -> (TempDir, PathBuf) {
    static TEMPLATE: OnceLock<(TempDir, PathBuf)> = OnceLock::new();
    let (_, template) = TEMPLATE.get_or_init(|| {
        let dir = TempDir::new().unwrap();
        let path = dir.path().join("vault");
        Vault::create(&path, &Secret::from(PASSPHRASE), &ENTROPY, KdfCost::FLOOR).unwrap();
        (dir, path)
    });
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("vault");
    copy(template, &path);
    (dir, path)
}

pub fn open(path: &Path) -> Vault {
    Vault::open(path, &recovery()).unwrap()
}

pub fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for item in fs::read_dir(from).unwrap() {
        let item = item.unwrap();
        let target = to.join(item.file_name());
        match item.path().is_dir() {
            true => copy(&item.path(), &target),
            false => drop(fs::copy(item.path(), target).unwrap()),
        }
    }
}

/// Every file below a folder.
pub fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for item in fs::read_dir(dir).unwrap() {
        let path = item.unwrap().path();
        match path.is_dir() {
            true => found.extend(files(&path)),
            false => found.push(path),
        }
    }
    found.sort();
    found
}

pub fn packs(vault: &Path) -> Vec<PathBuf> {
    files(&vault.join("packs"))
}

pub fn flip(path: &Path, bit: u64) {
    let mut bytes = fs::read(path).unwrap();
    bytes[(bit / 8) as usize] ^= 1 << (bit % 8);
    fs::write(path, bytes).unwrap();
}

/// SplitMix64: small, seeded, the same everywhere.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
    pub fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }
    pub fn bytes(&mut self, n: usize) -> Vec<u8> {
        (0..n.div_ceil(8)).flat_map(|_| self.next().to_le_bytes()).take(n).collect()
    }
}

/// A count that an environment variable may raise.
pub fn count(variable: &str, default: u64) -> u64 {
    std::env::var(variable).ok().and_then(|v| v.parse().ok()).unwrap_or(default)
}
