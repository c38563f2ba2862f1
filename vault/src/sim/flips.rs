//! Bits flipped in any file of a vault: no wrong bytes, no panic, and what is lost is found and named.

use std::path::PathBuf;

use super::medium::End;
use super::model::{Objects, Run, Tally, contents, seeds};
use crate::check::CheckDepth;
use crate::error::Error;
use crate::open::{OnRollback, Options};
use crate::vault::Vault;

/// One to three bits of one file are flipped, or many of any files.
fn flip(seed: u64) -> Tally {
    let mut run = Run::new(seed);
    let before = fill(&mut run);
    let flipped = flip_some(&mut run);
    let opened = Vault::open_with(&run.dir(), &Run::unlock(), &run.options());
    run.tally.processes += 1;
    let healthy = match opened {
        Ok(vault) => {
            assert_right(&vault, &before);
            let problems = vault.check(CheckDepth::ReadData).unwrap().problems;
            problems.is_empty()
        }
        Err(_) => false,
    };
    // Opening makes damaged parts of index and catalog anew, and one slot of the head; what is in packs a check must find.
    let lasting = |path: &PathBuf| path.starts_with(run.dir().join("packs"));
    assert!(!healthy || !flipped.iter().any(lasting), "a check did not find what was flipped in {flipped:?}");
    if flipped.iter().any(|path| path.ends_with("header")) {
        assert!(!healthy);
        run.tally.errors += 1;
        return run.tally;
    }
    let repaired = match Vault::repair(&run.dir(), &Run::unlock(), &run.options()) {
        // The last commit is lost: no one can tell that from an older copy but the owner, who has to say so.
        Err(Error::Rollback(_)) => {
            assert!(flipped.iter().any(lasting), "{flipped:?}");
            run.tally.errors += 1;
            let options = Options { rollback: OnRollback::Accept, ..run.options() };
            Vault::repair(&run.dir(), &Run::unlock(), &options)
        }
        other => other,
    };
    let (vault, _) = repaired.unwrap();
    assert_right(&vault, &before);
    assert_eq!(vault.check(CheckDepth::ReadData).unwrap().problems, []);
    run.tally.kept += contents(&vault).unwrap().len() as u64;
    run.tally.filled += before.len() as u64;
    drop(vault);
    run.tally
}

/// A vault of a few packs with an index, closed.
fn fill(run: &mut Run) -> Objects {
    assert!(run.open());
    for _ in 0..12 {
        run.put();
        run.put();
        run.remove();
        assert!(run.commit());
    }
    let before = contents(run.vault.as_ref().unwrap()).unwrap();
    run.vault = None;
    run.disk.restart(End::Kill);
    before
}

fn flip_some(run: &mut Run) -> Vec<PathBuf> {
    let files: Vec<(PathBuf, u64)> =
        run.disk.files().into_iter().filter(|(path, length)| *length > 0 && !path.ends_with("lock")).collect();
    let (flips, scattered) = (1 + run.random.below(3), run.random.once_in(4));
    let mut file = run.random.below(files.len() as u64) as usize;
    let mut flipped = Vec::new();
    for _ in 0..flips {
        if scattered {
            file = run.random.below(files.len() as u64) as usize;
        }
        let (path, length) = &files[file];
        run.disk.flip(path, run.random.below(length * 8));
        flipped.push(path.clone());
    }
    flipped
}

/// Nothing that can be read is wrong: each object is one that was there, with its own bytes or none.
fn assert_right(vault: &Vault, before: &Objects) {
    for kind in super::model::KINDS {
        let Ok(listed) = vault.list(kind) else { continue };
        for entry in listed {
            if let Ok(read) = vault.read(&entry.id) {
                let key = (kind.to_owned(), entry.name);
                // An older version may stand where the newest was lost; it is one of the model's contents all the same.
                assert!(before.get(&key) == Some(&read.to_vec()) || Run::was_put(&read), "{key:?} has other bytes");
            }
        }
    }
}

#[test]
fn flipped_bits_return_no_wrong_bytes_and_are_found() {
    seeds("VAULT_FLIP_SEEDS", 400, flip);
}
