//! Objects go in and come out as they were: round trips, deduplication, replacing, removing, reopening, unlocking.
#![allow(clippy::unwrap_used, missing_docs)]

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;

use support::{ENTROPY, PASSPHRASE, Random, empty_vault, files, open, passphrase, recovery};
use vault::{CheckDepth, Error, KIND_MAX, KdfCost, NAME_MAX, ObjectId, Secret, Unlock, Vault};

const MIN: usize = 512 * 1024;
const MAX: usize = 2 * 1024 * 1024;

#[test]
fn object_of_any_length_comes_back_after_reopening() {
    let (_dir, path) = empty_vault();
    let mut random = Random(1);
    let lengths = [0, 1, 63, 64, 255, 256, 257, 4096, MIN - 1, MIN, MIN + 1, MAX - 1, MAX, MAX + 1, 20 << 20];
    let contents: Vec<Vec<u8>> = lengths.iter().map(|n| random.bytes(*n)).collect();
    let mut vault = open(&path);
    for (i, content) in contents.iter().enumerate() {
        let stored = vault.put("file", &format!("f{i}"), &mut content.as_slice()).unwrap();
        assert_eq!(
            (stored.bytes, stored.new_bytes, stored.duplicate),
            (content.len() as u64, content.len() as u64, false)
        );
        assert_eq!(*vault.read(&stored.id).unwrap(), *content);
    }
    vault.commit().unwrap();
    drop(vault);
    let vault = open(&path);
    for (entry, content) in vault.list("file").unwrap().iter().zip(&contents) {
        assert_eq!(entry.bytes, content.len() as u64);
        assert_eq!(*vault.read(&entry.id).unwrap(), *content);
        let mut out = Vec::new();
        assert_eq!(vault.read_to(&entry.id, &mut out).unwrap(), entry.bytes);
        assert_eq!(out, *content);
    }
    assert_eq!(vault.list("file").unwrap().len(), lengths.len());
    assert_eq!(vault.check(CheckDepth::ReadData).unwrap().problems, []);
}

#[test]
fn compressible_object_takes_less_room_than_its_length() {
    let (_dir, path) = empty_vault();
    let mut vault = open(&path);
    let text = "what is mine is mine to lend, ".repeat(200_000);
    let id = vault.put("text", "long", &mut text.as_bytes()).unwrap().id;
    vault.commit().unwrap();
    assert!(vault.status().unwrap().stored_bytes < text.len() as u64 / 20);
    assert_eq!(vault.read(&id).unwrap().as_slice(), text.as_bytes());
}

#[test]
fn same_content_twice_adds_almost_nothing() {
    let (_dir, path) = empty_vault();
    let content = Random(2).bytes(6 << 20);
    let mut vault = open(&path);
    let first = vault.put("file", "a", &mut content.as_slice()).unwrap();
    vault.commit().unwrap();
    let before = vault.status().unwrap();
    let again = vault.put("file", "a", &mut content.as_slice()).unwrap();
    assert_eq!((again.id, again.new_bytes, again.duplicate), (first.id, 0, true));
    vault.commit().unwrap();
    assert_eq!(vault.status().unwrap(), before);
    let other_name = vault.put("file", "b", &mut content.as_slice()).unwrap();
    assert_eq!((other_name.new_bytes, other_name.duplicate), (0, false));
    assert_ne!(other_name.id, first.id);
    vault.commit().unwrap();
    let grown = vault.status().unwrap().stored_bytes - before.stored_bytes;
    assert!(grown < 4096, "{grown}");
}

#[test]
fn insertion_at_the_front_stores_little_anew() {
    let (_dir, path) = empty_vault();
    let content = Random(3).bytes(12 << 20);
    let mut vault = open(&path);
    vault.put("file", "a", &mut content.as_slice()).unwrap();
    let shifted = [b"one more byte or so".as_slice(), &content].concat();
    let stored = vault.put("file", "b", &mut shifted.as_slice()).unwrap();
    assert!(stored.new_bytes <= 2 * MAX as u64, "{}", stored.new_bytes);
    assert_eq!(*vault.read(&stored.id).unwrap(), shifted);
}

#[test]
fn same_name_again_replaces_the_object() {
    let (_dir, path) = empty_vault();
    let mut vault = open(&path);
    let old = vault.put("setting", "theme", &mut &b"light"[..]).unwrap().id;
    vault.commit().unwrap();
    let new = vault.put("setting", "theme", &mut &b"dark"[..]).unwrap().id;
    assert_eq!(vault.find("setting", "theme").unwrap().unwrap().id, new);
    assert!(matches!(vault.read(&old), Err(Error::NotFound(_))));
    vault.commit().unwrap();
    drop(vault);
    let mut vault = open(&path);
    assert_eq!(vault.list("setting").unwrap().len(), 1);
    assert_eq!(vault.read_named("setting", "theme").unwrap().unwrap().as_slice(), b"dark");
    assert!(matches!(vault.read(&old), Err(Error::NotFound(_))));
    let back = vault.put("setting", "theme", &mut &b"light"[..]).unwrap();
    assert_eq!((back.id, back.new_bytes, back.duplicate), (old, 0, false));
    vault.commit().unwrap();
    drop(vault);
    assert_eq!(open(&path).read(&old).unwrap().as_slice(), b"light");
}

#[test]
fn removed_object_is_gone_and_can_be_stored_again() {
    let (_dir, path) = empty_vault();
    let mut vault = open(&path);
    let id = vault.put("note", "n", &mut &b"text"[..]).unwrap().id;
    vault.commit().unwrap();
    vault.remove(&id).unwrap();
    assert_eq!(vault.find("note", "n").unwrap(), None);
    assert!(matches!(vault.remove(&id), Err(Error::NotFound(_))));
    vault.commit().unwrap();
    drop(vault);
    let mut vault = open(&path);
    assert_eq!(vault.list("note").unwrap(), []);
    assert!(matches!(vault.read(&id), Err(Error::NotFound(_))));
    assert_eq!(vault.status().unwrap().objects, 0);
    vault.put("note", "n", &mut &b"text"[..]).unwrap();
    vault.commit().unwrap();
    assert_eq!(vault.rebuild().unwrap(), []);
    assert_eq!(vault.read(&id).unwrap().as_slice(), b"text");
}

#[test]
fn kinds_and_names_do_not_run_into_each_other() {
    let (_dir, path) = empty_vault();
    let mut vault = open(&path);
    let pairs = [("ab", "c"), ("a", "bc"), ("a", "b"), ("A", "b"), ("a", "ü"), ("a", " ")];
    for (kind, name) in pairs {
        vault.put(kind, name, &mut format!("{kind}/{name}").as_bytes()).unwrap();
    }
    vault.commit().unwrap();
    for (kind, name) in pairs {
        let found = vault.read_named(kind, name).unwrap().unwrap();
        assert_eq!(found.as_slice(), format!("{kind}/{name}").as_bytes());
    }
    assert_eq!(vault.list("a").unwrap().len(), 4);
    assert_eq!(vault.list("").unwrap(), []);
}

#[test]
fn names_the_format_cannot_hold_are_refused() {
    let (_dir, path) = empty_vault();
    let mut vault = open(&path);
    let long = |n: usize| "x".repeat(n);
    vault.put(&long(KIND_MAX), &long(NAME_MAX), &mut &b"fits"[..]).unwrap();
    for (kind, name) in
        [(long(KIND_MAX + 1), long(1)), (long(1), long(NAME_MAX + 1)), (long(0), long(1)), (long(1), long(0))]
    {
        assert!(matches!(vault.put(&kind, &name, &mut &b"x"[..]), Err(Error::Limit(_))));
    }
    vault.commit().unwrap();
    assert_eq!(vault.status().unwrap().objects, 1);
}

#[test]
fn reader_that_fails_stores_nothing() {
    struct Failing(usize);
    impl std::io::Read for Failing {
        fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
            if self.0 == 0 {
                return Err(std::io::Error::other("cable pulled"));
            }
            let n = out.len().min(self.0);
            self.0 -= n;
            Ok(n)
        }
    }
    let (_dir, path) = empty_vault();
    let mut vault = open(&path);
    for length in [0, 10, 5 << 20] {
        let error = vault.put("file", "f", &mut Failing(length)).unwrap_err();
        assert!(error.to_string().contains("cable pulled"), "{error}");
    }
    vault.put("file", "g", &mut &b"fine"[..]).unwrap();
    vault.commit().unwrap();
    drop(vault);
    let vault = open(&path);
    assert_eq!(vault.status().unwrap().objects, 1);
    assert_eq!(vault.check(CheckDepth::ReadData).unwrap().problems, []);
}

#[test]
fn uncommitted_object_is_gone_after_reopening() {
    let (_dir, path) = empty_vault();
    let mut vault = open(&path);
    let kept = vault.put("note", "kept", &mut &b"kept"[..]).unwrap().id;
    vault.commit().unwrap();
    let lost = vault.put("note", "lost", &mut &b"lost"[..]).unwrap().id;
    vault.remove(&kept).unwrap();
    drop(vault);
    let vault = open(&path);
    assert_eq!(vault.read(&kept).unwrap().as_slice(), b"kept");
    assert!(matches!(vault.read(&lost), Err(Error::NotFound(_))));
    assert_eq!(vault.check(CheckDepth::ReadData).unwrap().problems, []);
}

#[test]
fn unknown_id_is_not_found() {
    let (_dir, path) = empty_vault();
    assert!(matches!(open(&path).read(&ObjectId([9; 32])), Err(Error::NotFound(_))));
    assert!("xyz".parse::<ObjectId>().is_err());
    assert_eq!(ObjectId([9; 32]).to_string().parse::<ObjectId>().unwrap(), ObjectId([9; 32]));
}

#[test]
fn passphrase_and_recovery_phrase_open_and_nothing_else_does() {
    let (_dir, path) = empty_vault();
    let id = {
        let mut vault = Vault::open(&path, &passphrase(PASSPHRASE)).unwrap();
        let id = vault.put("note", "n", &mut &b"text"[..]).unwrap().id;
        vault.commit().unwrap();
        id
    };
    assert_eq!(Vault::open(&path, &recovery()).unwrap().read(&id).unwrap().as_slice(), b"text");
    for wrong in ["", "rhubarb under the stair", "Rhubarb under the stairs", "rhubarb under the stairs "] {
        assert!(matches!(Vault::open(&path, &passphrase(wrong)), Err(Error::WrongKey)), "{wrong:?}");
    }
    let mut entropy = ENTROPY;
    entropy[31] ^= 1;
    assert!(matches!(Vault::open(&path, &Unlock::Recovery(entropy.into())), Err(Error::WrongKey)));
}

#[test]
fn changed_passphrase_replaces_the_old_one() {
    let (_dir, path) = empty_vault();
    let mut vault = open(&path);
    let id = vault.put("note", "n", &mut &b"text"[..]).unwrap().id;
    vault.commit().unwrap();
    let old_header = fs::read(path.join("header")).unwrap();
    vault.change_passphrase(&Secret::from("quince"), KdfCost::FLOOR).unwrap();
    drop(vault);
    assert!(matches!(Vault::open(&path, &passphrase(PASSPHRASE)), Err(Error::WrongKey)));
    assert_eq!(Vault::open(&path, &passphrase("quince")).unwrap().read(&id).unwrap().as_slice(), b"text");
    let vault = open(&path);
    assert_eq!(vault.status().unwrap().slots, 2);
    drop(vault);
    fs::write(path.join("header"), old_header).unwrap();
    assert!(matches!(Vault::open(&path, &recovery()), Err(Error::Rollback(_))));
}

#[test]
fn kdf_cost_out_of_bounds_is_refused() {
    let dir = tempfile::TempDir::new().unwrap();
    let floor = KdfCost::FLOOR;
    let bad = [
        KdfCost { memory_kib: floor.memory_kib - 1, ..floor },
        KdfCost { passes: floor.passes - 1, ..floor },
        KdfCost { lanes: 0, ..floor },
        KdfCost { memory_kib: KdfCost::CEILING.memory_kib + 1, ..floor },
        KdfCost { passes: KdfCost::CEILING.passes + 1, ..floor },
        KdfCost { lanes: KdfCost::CEILING.lanes + 1, ..floor },
    ];
    for cost in bad {
        let made = Vault::create(&dir.path().join("v"), &Secret::from("p"), &ENTROPY, cost);
        assert!(matches!(made, Err(Error::Limit(_))), "{cost:?}");
    }
    assert!(files(dir.path()).is_empty());
}

#[test]
fn folder_with_something_in_it_is_not_overwritten() {
    let (_dir, path) = empty_vault();
    let again = Vault::create(&path, &Secret::from("p"), &ENTROPY, KdfCost::FLOOR);
    assert!(matches!(again, Err(Error::Exists(_))));
    open(&path);
}

#[test]
fn empty_folder_becomes_a_vault_and_leaves_nothing_beside_it() {
    let dir = tempfile::TempDir::new().unwrap();
    let path = dir.path().join("home.d");
    fs::create_dir(&path).unwrap();
    drop(Vault::create(&path, &Secret::from("p"), &ENTROPY, KdfCost::FLOOR).unwrap());
    open(&path);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn missing_vault_is_not_found() {
    let dir = tempfile::TempDir::new().unwrap();
    assert!(matches!(Vault::open(dir.path(), &recovery()), Err(Error::NotFound(_))));
    assert!(matches!(Vault::open(&dir.path().join("no"), &recovery()), Err(Error::NotFound(_))));
}

#[test]
fn second_opener_is_busy_until_the_first_is_gone() {
    let (_dir, path) = empty_vault();
    let vault = open(&path);
    match Vault::open(&path, &recovery()) {
        Err(Error::Busy { pid }) => assert_eq!(pid, Some(std::process::id())),
        other => panic!("{other:?}"),
    }
    drop(vault);
    open(&path);
}

#[test]
fn derived_keys_differ_by_purpose_and_vault_and_stay() {
    let (_dir, path) = empty_vault();
    let vault = open(&path);
    let (a, b) = (vault.derive("wallet"), vault.derive("index"));
    assert_ne!(*a, *b);
    drop(vault);
    assert_eq!(*open(&path).derive("wallet"), *a);
    let dir = tempfile::TempDir::new().unwrap();
    let other = Vault::create(&dir.path().join("v"), &Secret::from("p"), &ENTROPY, KdfCost::FLOOR).unwrap();
    assert_ne!(*other.derive("wallet"), *a);
}

#[test]
fn files_belong_to_the_owner_only() {
    let (_dir, path) = empty_vault();
    let mut vault = open(&path);
    vault.put("note", "n", &mut &b"text"[..]).unwrap();
    vault.commit().unwrap();
    drop(vault);
    drop(open(&path));
    for file in files(&path).into_iter().filter(|f| !f.ends_with("head") && !f.ends_with("header")) {
        // Files copied from the template have the mode of the copy; those made here must be private.
        if file.starts_with(path.join("catalog")) || file.ends_with("lock") {
            assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600, "{}", file.display());
        }
    }
    let dir = tempfile::TempDir::new().unwrap();
    let made = dir.path().join("v");
    drop(Vault::create(&made, &Secret::from("p"), &ENTROPY, KdfCost::FLOOR).unwrap());
    for file in files(&made) {
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600, "{}", file.display());
    }
    for folder in ["", "packs", "index", "catalog"] {
        assert_eq!(fs::metadata(made.join(folder)).unwrap().permissions().mode() & 0o777, 0o700, "{folder}");
    }
}

#[test]
fn vault_can_sit_behind_a_mutex() {
    let (_dir, path) = empty_vault();
    let vault = std::sync::Arc::new(std::sync::Mutex::new(open(&path)));
    let threads: Vec<_> = (0..4)
        .map(|i| {
            let vault = vault.clone();
            std::thread::spawn(move || {
                let mut vault = vault.lock().unwrap();
                vault.put("note", &format!("n{i}"), &mut &b"text"[..]).unwrap();
                vault.commit().unwrap();
            })
        })
        .collect();
    threads.into_iter().for_each(|t| t.join().unwrap());
    assert_eq!(vault.lock().unwrap().list("note").unwrap().len(), 4);
}
