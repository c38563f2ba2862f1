//! Altered, cut, swapped, replayed and missing files: refused or made anew, never believed.
#![allow(clippy::unwrap_used, missing_docs)]

mod support;

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::Path;

use support::{PASSPHRASE, Random, copy, count, empty_vault, files, flip, open, packs, passphrase, recovery};
use vault::{CheckDepth, Entry, Error, OnDamage, OnRollback, Options, Vault};

/// Length of a small entry: an object or chunk of up to 256 bytes, a removal, a commit.
const SMALL: usize = 384;
const PACK_HEADER: usize = 64;

/// Ten notes, each committed, and one removal. Returns the notes as listed.
fn fill(path: &Path) -> Vec<Entry> {
    let mut vault = open(path);
    for i in 0..10 {
        vault.put("note", &format!("n{i}"), &mut content(i).as_slice()).unwrap();
        vault.commit().unwrap();
    }
    let extra = vault.put("note", "removed", &mut &b"gone"[..]).unwrap().id;
    vault.remove(&extra).unwrap();
    vault.commit().unwrap();
    vault.list("note").unwrap()
}

fn content(i: usize) -> Vec<u8> {
    format!("content of note {i}").into_bytes()
}

/// Everything that can be read is right. Returns how many notes could not be read.
fn assert_nothing_wrong(vault: &Vault, notes: &[Entry]) -> usize {
    let mut refused = 0;
    for (i, note) in notes.iter().enumerate() {
        match vault.read(&note.id) {
            Ok(bytes) => assert_eq!(*bytes, content(i)),
            Err(Error::Damaged(what)) => {
                assert!(what.contains(&note.id.to_string()), "{what}");
                refused += 1;
            }
            // The version in a pack's header.
            Err(Error::Unsupported { .. }) => refused += 1,
            Err(other) => panic!("{other}"),
        }
    }
    refused
}

fn assert_whole(path: &Path, notes: &[Entry]) {
    let vault = open(path);
    assert_eq!(vault.list("note").unwrap(), notes);
    assert_eq!(assert_nothing_wrong(&vault, notes), 0);
    assert_eq!(vault.check(CheckDepth::ReadData).unwrap().problems, []);
}

fn error(path: &Path) -> Error {
    Vault::open(path, &recovery()).map(|_| "a vault").unwrap_err()
}

/// Writes a header with its checksum made right again, as an attacker would.
fn write_header(path: &Path, mut bytes: Vec<u8>) {
    let end = bytes.len() - 32;
    let sum = blake3::hash(&bytes[..end]);
    bytes[end..].copy_from_slice(sum.as_bytes());
    fs::write(path.join("header"), bytes).unwrap();
}

#[test]
fn header_with_any_bit_flipped_does_not_open() {
    let (_dir, path) = empty_vault();
    let good = fs::read(path.join("header")).unwrap();
    for bit in 0..good.len() * 8 {
        let mut bad = good.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        fs::write(path.join("header"), bad).unwrap();
        assert!(matches!(error(&path), Error::Damaged(_) | Error::Unsupported { .. }), "bit {bit}");
    }
    fs::write(path.join("header"), good).unwrap();
    open(&path);
}

#[test]
fn header_with_any_bit_flipped_and_a_right_checksum_does_not_open() {
    let (_dir, path) = empty_vault();
    let good = fs::read(path.join("header")).unwrap();
    for bit in 0..(good.len() - 32) * 8 {
        let mut bad = good.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        write_header(&path, bad);
        let e = error(&path);
        let refused = matches!(e, Error::Damaged(_) | Error::Unsupported { .. } | Error::WrongKey | Error::Limit(_));
        assert!(refused, "bit {bit}: {e}");
    }
}

#[test]
fn header_cut_or_extended_does_not_open() {
    let (_dir, path) = empty_vault();
    let good = fs::read(path.join("header")).unwrap();
    for length in 0..good.len() {
        fs::write(path.join("header"), &good[..length]).unwrap();
        assert!(matches!(error(&path), Error::Damaged(_)), "{length}");
    }
    fs::write(path.join("header"), [good.as_slice(), &[0]].concat()).unwrap();
    assert!(matches!(error(&path), Error::Damaged(_)));
    fs::write(path.join("header"), vec![0; 1 << 20]).unwrap();
    assert!(matches!(error(&path), Error::Damaged(_)));
}

#[test]
fn header_with_costs_out_of_bounds_is_refused_before_they_are_paid() {
    let (_dir, path) = empty_vault();
    let good = fs::read(path.join("header")).unwrap();
    // Memory, passes and lanes of the passphrase slot, which is the first.
    let cases =
        [(68, 65_535u32), (68, 1 << 20 | 1), (68, u32::MAX), (72, 2), (72, 11), (72, u32::MAX), (76, 0), (76, 5)];
    for (offset, value) in cases {
        let mut bad = good.clone();
        bad[offset..offset + 4].copy_from_slice(&value.to_le_bytes());
        write_header(&path, bad);
        let e = Vault::open(&path, &passphrase(PASSPHRASE)).map(|_| ()).unwrap_err();
        assert!(matches!(e, Error::Limit(_)), "{offset} {value}: {e}");
    }
}

#[test]
fn header_with_another_cost_salt_or_commitment_is_a_wrong_key() {
    let (_dir, path) = empty_vault();
    let good = fs::read(path.join("header")).unwrap();
    for (offset, change) in [(72, 7u8), (80, 1), (112, 1)] {
        let mut bad = good.clone();
        bad[offset] ^= change;
        write_header(&path, bad);
        assert!(matches!(Vault::open(&path, &passphrase(PASSPHRASE)), Err(Error::WrongKey)), "{offset}");
    }
}

#[test]
fn key_slot_of_another_vault_does_not_open() {
    let (_dir, path) = empty_vault();
    let other = tempfile::TempDir::new().unwrap();
    let other_path = other.path().join("v");
    let (secret, floor) = (vault::Secret::from(PASSPHRASE), vault::KdfCost::FLOOR);
    drop(Vault::create(&other_path, &secret, &support::ENTROPY, floor).unwrap());
    let (mut mine, theirs) = (fs::read(path.join("header")).unwrap(), fs::read(other_path.join("header")).unwrap());
    mine[64..64 + 304].copy_from_slice(&theirs[64..64 + 304]);
    write_header(&path, mine);
    assert!(matches!(error(&path), Error::Damaged(_)));
    fs::write(path.join("header"), theirs).unwrap();
    assert!(matches!(error(&path), Error::Damaged(_)));
}

/// Flips every bit of a file in turn while the vault is open: a check finds each, and nothing that is read is wrong.
fn assert_every_bit_is_found(vault: &Vault, file: &Path, depth: CheckDepth, read: impl Fn()) {
    let (start, good) = (std::time::Instant::now(), fs::read(file).unwrap());
    let handle = fs::File::options().write(true).open(file).unwrap();
    for bit in 0..good.len() * 8 {
        let (byte, at) = (good[bit / 8], bit as u64 / 8);
        handle.write_all_at(&[byte ^ 1 << (bit % 8)], at).unwrap();
        assert!(!vault.check(depth).unwrap().problems.is_empty(), "bit {bit} of {}", file.display());
        read();
        handle.write_all_at(&[byte], at).unwrap();
    }
    assert_eq!(vault.check(depth).unwrap().problems, []);
    println!("{} bits of {}: {:.1} s", good.len() * 8, file.display(), start.elapsed().as_secs_f64());
}

/// A vault with two notes, and these.
fn few_notes() -> (tempfile::TempDir, std::path::PathBuf, Vec<Entry>) {
    let (dir, path) = empty_vault();
    let mut vault = open(&path);
    (0..2).for_each(|i| drop(vault.put("note", &format!("n{i}"), &mut content(i).as_slice()).unwrap()));
    vault.commit().unwrap();
    let notes = vault.list("note").unwrap();
    (dir, path, notes)
}

#[test]
fn every_bit_of_header_and_packs_is_found() {
    let (_dir, path, notes) = few_notes();
    let vault = open(&path);
    let right = || _ = assert_nothing_wrong(&vault, &notes);
    assert_every_bit_is_found(&vault, &path.join("header"), CheckDepth::Structure, right);
    for pack in packs(&path) {
        assert_every_bit_is_found(&vault, &pack, CheckDepth::ReadData, right);
    }
}

#[test]
fn every_bit_of_the_head_is_found() {
    let (_dir, path, notes) = few_notes();
    let vault = open(&path);
    let right = || _ = assert_nothing_wrong(&vault, &notes);
    assert_every_bit_is_found(&vault, &path.join("head"), CheckDepth::Structure, right);
}

#[test]
fn every_bit_of_the_index_is_found() {
    let (_dir, path, _) = few_notes();
    // So few entries are not written when a vault is closed, but when its index is made anew.
    fs::remove_dir_all(path.join("index")).unwrap();
    let vault = open(&path);
    let found = files(&path.join("index"));
    assert_eq!(found.len(), 2, "a set and a run");
    for file in found {
        assert_every_bit_is_found(&vault, &file, CheckDepth::Structure, || ());
    }
}

#[test]
fn head_slot_flipped_anywhere_loses_nothing_and_is_found() {
    let (_dir, path) = empty_vault();
    let notes = fill(&path);
    let mut random = Random(11);
    for _ in 0..count("VAULT_FLIPS", 24) {
        let bit = random.below(8192 * 8);
        {
            let vault = open(&path);
            flip(&path.join("head"), bit);
            assert!(!vault.check(CheckDepth::Structure).unwrap().problems.is_empty(), "bit {bit}");
        }
        assert_whole(&path, &notes);
    }
}

#[test]
fn head_lost_cut_or_flipped_twice_does_not_open() {
    let (_dir, path) = empty_vault();
    fill(&path);
    let good = fs::read(path.join("head")).unwrap();
    for length in [0, 1, 4095, 4096, 8191] {
        fs::write(path.join("head"), &good[..length]).unwrap();
        assert!(matches!(error(&path), Error::Damaged(_)), "{length}");
    }
    let mut bad = good.clone();
    bad[30] ^= 1;
    bad[4096 + 30] ^= 1;
    fs::write(path.join("head"), bad).unwrap();
    assert!(matches!(error(&path), Error::Damaged(_)));
    let mut swapped = good[4096..].to_vec();
    swapped.extend_from_slice(&good[..4096]);
    fs::write(path.join("head"), swapped).unwrap();
    assert!(matches!(error(&path), Error::Damaged(_)));
    fs::remove_file(path.join("head")).unwrap();
    assert!(matches!(error(&path), Error::Damaged(_)));
}

#[test]
fn pack_flipped_anywhere_never_returns_wrong_bytes_and_is_found() {
    let (_dir, path) = empty_vault();
    let notes = fill(&path);
    let vault = open(&path);
    let pack = &packs(&path)[0];
    let bits = fs::metadata(pack).unwrap().len() * 8;
    let flips = count("VAULT_FLIPS", 24) * 25;
    let (seed, mut refused) = (12, 0);
    let mut random = Random(seed);
    for _ in 0..flips {
        let bit = random.below(bits);
        flip(pack, bit);
        let report = vault.check(CheckDepth::ReadData).unwrap();
        assert!(!report.problems.is_empty(), "bit {bit} of {bits} was not found");
        refused += usize::from(assert_nothing_wrong(&vault, &notes) > 0);
        flip(pack, bit);
    }
    println!("seed {seed}: {flips} flips, {refused} made an object unreadable");
    assert_eq!(vault.check(CheckDepth::ReadData).unwrap().problems, []);
    assert!(refused > 0);
}

#[test]
fn pack_flipped_without_index_and_catalog_opens_right_or_not_at_all() {
    let (_dir, path) = empty_vault();
    let notes = fill(&path);
    let pack = &packs(&path)[0];
    let bits = fs::metadata(pack).unwrap().len() * 8;
    let mut random = Random(13);
    let (mut opened, mut refused) = (0, 0);
    for _ in 0..count("VAULT_FLIPS", 24) {
        fs::remove_dir_all(path.join("index")).unwrap();
        fs::remove_dir_all(path.join("catalog")).unwrap();
        let bit = random.below(bits);
        flip(pack, bit);
        match Vault::open(&path, &recovery()) {
            Ok(vault) => {
                opened += 1;
                assert_eq!(vault.list("note").unwrap(), notes);
                assert_nothing_wrong(&vault, &notes);
                assert!(!vault.check(CheckDepth::ReadData).unwrap().problems.is_empty(), "bit {bit}");
            }
            Err(Error::Damaged(_) | Error::Rollback(_)) => {
                refused += 1;
                let options = Options { damage: OnDamage::Salvage, ..Options::default() };
                if let Ok(vault) = Vault::open_with(&path, &recovery(), &options) {
                    assert_nothing_wrong_in_what_is_listed(&vault);
                }
            }
            Err(other) => panic!("{other}"),
        }
        flip(pack, bit);
        fs::create_dir_all(path.join("index")).unwrap();
        fs::create_dir_all(path.join("catalog")).unwrap();
    }
    println!("{opened} opened, {refused} refused");
    assert_whole(&path, &notes);
}

fn assert_nothing_wrong_in_what_is_listed(vault: &Vault) {
    for note in vault.list("note").unwrap().iter().filter(|n| n.name != "removed") {
        let i: usize = note.name[1..].parse().unwrap();
        if let Ok(bytes) = vault.read(&note.id) {
            assert_eq!(*bytes, content(i));
        }
    }
}

#[test]
fn entries_swapped_copied_or_taken_from_another_vault_are_refused() {
    let (_dir, path) = empty_vault();
    let notes = fill(&path);
    let other = tempfile::TempDir::new().unwrap();
    let other_path = other.path().join("v");
    let (secret, floor) = (vault::Secret::from("x"), vault::KdfCost::FLOOR);
    drop(Vault::create(&other_path, &secret, &support::ENTROPY, floor).unwrap());
    fill(&other_path);
    let theirs = fs::read(&packs(&other_path)[0]).unwrap();
    let pack = packs(&path)[0].clone();
    let good = fs::read(&pack).unwrap();
    let entries = (good.len() - PACK_HEADER) / SMALL;
    assert_eq!((good.len() - PACK_HEADER) % SMALL, 0);
    let at = |i: usize| PACK_HEADER + i * SMALL..PACK_HEADER + (i + 1) * SMALL;
    let vault = open(&path);
    let mut random = Random(14);
    for round in 0..count("VAULT_FLIPS", 24) * 4 {
        let (a, b) = (random.below(entries as u64) as usize, random.below(entries as u64) as usize);
        let mut bad = good.clone();
        match round % 3 {
            _ if a == b => bad[at(a)].copy_from_slice(&theirs[at(a)]),
            0 => {
                bad[at(a)].copy_from_slice(&good[at(b)]);
                bad[at(b)].copy_from_slice(&good[at(a)]);
            }
            // Only the bodies: the heads stay in their places.
            1 => {
                let body = |i: usize| at(i).start + 88..at(i).end;
                bad[body(a)].copy_from_slice(&good[body(b)]);
                bad[body(b)].copy_from_slice(&good[body(a)]);
            }
            _ => bad[at(a)].copy_from_slice(&good[at(b)]),
        }
        fs::write(&pack, bad).unwrap();
        assert_nothing_wrong(&vault, &notes);
        assert!(!vault.check(CheckDepth::ReadData).unwrap().problems.is_empty(), "{round}: {a} {b}");
    }
    fs::write(&pack, good).unwrap();
    assert_eq!(vault.check(CheckDepth::ReadData).unwrap().problems, []);
}

#[test]
fn pack_of_another_vault_or_with_another_number_is_refused() {
    let (_dir, path) = empty_vault();
    fill(&path);
    let pack = packs(&path)[0].clone();
    let renamed = pack.with_file_name(pack.file_name().unwrap().to_str().unwrap().replacen("00000001", "00000002", 1));
    fs::copy(&pack, &renamed).unwrap();
    // A later pack that no commit counts is no part of the vault.
    open(&path);
    assert!(!renamed.exists());
    fs::rename(&pack, &renamed).unwrap();
    assert!(matches!(error(&path), Error::Rollback(_) | Error::Damaged(_)));
    let mut bytes = fs::read(&renamed).unwrap();
    bytes[16] ^= 1;
    fs::write(&pack, bytes).unwrap();
    fs::remove_file(&renamed).unwrap();
    assert!(matches!(error(&path), Error::Rollback(_) | Error::Damaged(_)));
}

#[test]
fn pack_cut_anywhere_before_its_end_is_a_rollback() {
    let (_dir, path) = empty_vault();
    fill(&path);
    let pack = packs(&path)[0].clone();
    let good = fs::read(&pack).unwrap();
    let lengths = (0..good.len()).step_by(64).chain([good.len() - 1, good.len() - 17]);
    for length in lengths {
        fs::write(&pack, &good[..length]).unwrap();
        assert!(matches!(error(&path), Error::Rollback(_) | Error::Damaged(_)), "{length}");
        assert_eq!(fs::metadata(&pack).unwrap().len(), length as u64);
    }
    fs::remove_file(&pack).unwrap();
    assert!(matches!(error(&path), Error::Rollback(_)));
}

#[test]
fn torn_tail_after_the_last_commit_is_cut_off() {
    let (_dir, path) = empty_vault();
    let notes = fill(&path);
    let pack = packs(&path)[0].clone();
    let good = fs::read(&pack).unwrap();
    let mut random = Random(15);
    for length in [1, 63, 64, 87, 88, 384, 385, 5000] {
        fs::write(&pack, [good.as_slice(), &random.bytes(length)].concat()).unwrap();
        assert_whole(&path, &notes);
        assert_eq!(fs::read(&pack).unwrap(), good);
    }
}

#[test]
fn second_pack_missing_or_emptied_is_a_rollback() {
    let (_dir, path) = empty_vault();
    let mut vault = open(&path);
    let big = Random(16).bytes(33 << 20);
    let first = vault.put("file", "big", &mut big.as_slice()).unwrap().id;
    let second = vault.put("file", "small", &mut &b"in the second pack"[..]).unwrap().id;
    vault.commit().unwrap();
    assert_eq!(vault.status().unwrap().packs, 2);
    assert_eq!(*vault.read(&first).unwrap(), big);
    assert_eq!(vault.read(&second).unwrap().as_slice(), b"in the second pack");
    drop(vault);
    let names = packs(&path);
    let (one, two) = (fs::read(&names[0]).unwrap(), fs::read(&names[1]).unwrap());
    fs::remove_file(&names[1]).unwrap();
    assert!(matches!(error(&path), Error::Rollback(_)));
    fs::write(&names[1], &two[..64]).unwrap();
    assert!(matches!(error(&path), Error::Rollback(_)));
    fs::write(&names[1], &two).unwrap();
    fs::remove_file(&names[0]).unwrap();
    assert!(matches!(error(&path), Error::Rollback(_)));
    fs::write(&names[0], &two).unwrap();
    let vault = open(&path);
    assert!(matches!(vault.read(&first), Err(Error::Damaged(_))));
    assert_eq!(vault.read(&second).unwrap().as_slice(), b"in the second pack");
    assert!(!vault.check(CheckDepth::Structure).unwrap().problems.is_empty());
    fs::write(&names[0], &one).unwrap();
    drop(vault);
    assert_eq!(*open(&path).read(&first).unwrap(), big);
}

#[test]
fn index_and_catalog_deleted_or_damaged_are_made_anew_entry_for_entry() {
    let (_dir, path) = empty_vault();
    let notes = fill(&path);
    let mut random = Random(17);
    let garble = |dir: &str, random: &mut Random| {
        for file in files(&path.join(dir)) {
            let length = fs::metadata(&file).unwrap().len() as usize;
            fs::write(&file, random.bytes(length)).unwrap();
        }
    };
    for round in 0..9 {
        match round {
            0 => fs::remove_dir_all(path.join("index")).unwrap(),
            1 => fs::remove_dir_all(path.join("catalog")).unwrap(),
            2 => {
                fs::remove_dir_all(path.join("index")).unwrap();
                fs::remove_dir_all(path.join("catalog")).unwrap();
            }
            3 => garble("index", &mut random),
            4 => garble("catalog", &mut random),
            5 => files(&path.join("catalog")).iter().for_each(|f| fs::write(f, b"").unwrap()),
            6 => files(&path.join("index")).iter().for_each(|f| fs::write(f, b"").unwrap()),
            7 => fs::remove_file(path.join("catalog/db")).unwrap(),
            _ => {
                for file in files(&path.join("catalog")) {
                    let bytes = fs::read(&file).unwrap();
                    fs::write(&file, &bytes[..bytes.len() / 2]).unwrap();
                }
            }
        }
        assert_whole(&path, &notes);
    }
}

#[test]
fn index_page_flipped_anywhere_is_found_and_made_anew() {
    let (_dir, path) = empty_vault();
    let mut vault = open(&path);
    let text = |i: usize| format!("text number {i}");
    let ids: Vec<_> = (0..300).map(|i| vault.put("t", &format!("{i}"), &mut text(i).as_bytes()).unwrap().id).collect();
    vault.commit().unwrap();
    drop(vault);
    let run = files(&path.join("index")).into_iter().find(|f| f.extension().is_some_and(|e| e == "run")).unwrap();
    assert!(fs::metadata(&run).unwrap().len() >= 4 * 4096);
    let good = fs::read(&run).unwrap();
    let mut random = Random(18);
    let vault = open(&path);
    for _ in 0..count("VAULT_FLIPS", 24) * 10 {
        let bit = 4096 * 8 + random.below((good.len() as u64 - 4096) * 8);
        flip(&run, bit);
        assert!(!vault.check(CheckDepth::Structure).unwrap().problems.is_empty(), "bit {bit}");
        flip(&run, bit);
    }
    drop(vault);
    for bit in [3, 4096 * 8 + 5, 4096 * 8 + 3000 * 8, 3 * 4096 * 8 + 9] {
        fs::write(&run, &good).unwrap();
        flip(&run, bit);
        let vault = open(&path);
        ids.iter().enumerate().for_each(|(i, id)| assert_eq!(*vault.read(id).unwrap(), text(i).into_bytes()));
        drop(vault);
        fs::remove_dir_all(path.join("index")).unwrap();
        drop(open(&path));
        fs::remove_dir_all(path.join("index")).unwrap();
        fs::create_dir(path.join("index")).unwrap();
    }
}

#[test]
fn index_and_catalog_of_an_older_or_another_state_are_not_believed() {
    let (dir, path) = empty_vault();
    fill(&path);
    let (old, fork) = (dir.path().join("old"), dir.path().join("fork"));
    copy(&path, &old);
    copy(&path, &fork);
    let mut vault = open(&path);
    vault.put("note", "n0", &mut &b"content of note 0"[..]).unwrap();
    vault.put("more", "m", &mut &b"more"[..]).unwrap();
    vault.commit().unwrap();
    let (notes, more) = (vault.list("note").unwrap(), vault.list("more").unwrap());
    drop(vault);
    let mut other = open(&fork);
    other.put("more", "m", &mut &b"something else"[..]).unwrap();
    other.commit().unwrap();
    drop(other);
    for from in [&old, &fork] {
        for part in ["index", "catalog"] {
            fs::remove_dir_all(path.join(part)).unwrap();
            copy(&from.join(part), &path.join(part));
        }
        assert_whole(&path, &notes);
        assert_eq!(open(&path).list("more").unwrap(), more);
    }
}

#[test]
fn older_copy_of_the_vault_is_a_rollback_where_the_newer_was_seen() {
    let (dir, path) = empty_vault();
    let state = dir.path().join("state");
    let options = Options { state: Some(state.clone()), ..Options::default() };
    fill(&path);
    let old = dir.path().join("old");
    copy(&path, &old);
    let mut vault = Vault::open_with(&path, &recovery(), &options).unwrap();
    vault.put("note", "newer", &mut &b"newer"[..]).unwrap();
    vault.commit().unwrap();
    drop(vault);
    Vault::open_with(&path, &recovery(), &options).unwrap();
    match Vault::open_with(&old, &recovery(), &options) {
        Err(Error::Rollback(what)) => assert!(what.contains("12") && what.contains("13"), "{what}"),
        other => panic!("{other:?}"),
    }
    // A fork with as many commits is not the vault that was seen either.
    let mut fork = open(&old);
    fork.put("note", "forked", &mut &b"forked"[..]).unwrap();
    fork.commit().unwrap();
    drop(fork);
    assert!(matches!(Vault::open_with(&old, &recovery(), &options), Err(Error::Rollback(_))));
    let accept = Options { rollback: OnRollback::Accept, ..options.clone() };
    drop(Vault::open_with(&old, &recovery(), &accept).unwrap());
    drop(Vault::open_with(&old, &recovery(), &options).unwrap());
    assert!(matches!(Vault::open_with(&path, &recovery(), &options), Err(Error::Rollback(_))));
    for file in files(&state) {
        fs::write(&file, b"garbage").unwrap();
    }
    Vault::open_with(&path, &recovery(), &options).unwrap();
}

#[test]
fn older_head_with_newer_packs_moves_forward() {
    let (_dir, path) = empty_vault();
    let mut vault = open(&path);
    vault.put("note", "n0", &mut content(0).as_slice()).unwrap();
    vault.commit().unwrap();
    let old = fs::read(path.join("head")).unwrap();
    for i in 1..4 {
        vault.put("note", &format!("n{i}"), &mut content(i).as_slice()).unwrap();
        vault.commit().unwrap();
    }
    let notes = vault.list("note").unwrap();
    drop(vault);
    fs::write(path.join("head"), old).unwrap();
    assert_whole(&path, &notes);
}

#[test]
fn older_packs_under_a_newer_head_are_a_rollback() {
    let (dir, path) = empty_vault();
    fill(&path);
    let old = dir.path().join("old");
    copy(&path.join("packs"), &old);
    let mut vault = open(&path);
    vault.put("note", "newer", &mut &b"newer"[..]).unwrap();
    vault.commit().unwrap();
    drop(vault);
    fs::remove_dir_all(path.join("packs")).unwrap();
    copy(&old, &path.join("packs"));
    assert!(matches!(error(&path), Error::Rollback(_)));
}
