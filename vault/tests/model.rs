//! Random operations on a vault and on a map in memory must agree, whatever is closed, deleted or rebuilt in between.
#![allow(clippy::unwrap_used, missing_docs)]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::ops::ControlFlow;

use proptest::prelude::*;
use support::{Random, count, empty_vault, open, recovery};
use vault::{CheckDepth, GcOptions, Vault};

#[derive(Clone, Debug)]
enum Step {
    Put { kind: u8, name: u8, content: u8 },
    Remove { kind: u8, name: u8 },
    Commit,
    Reopen,
    LoseIndex,
    LoseCatalog,
    Rebuild,
    Check,
    Collect { waste_percent: u8 },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        10 => (0..3u8, 0..6u8, 0..24u8).prop_map(|(kind, name, content)| Step::Put { kind, name, content }),
        4 => (0..3u8, 0..6u8).prop_map(|(kind, name)| Step::Remove { kind, name }),
        5 => Just(Step::Commit),
        3 => Just(Step::Reopen),
        1 => Just(Step::LoseIndex),
        1 => Just(Step::LoseCatalog),
        1 => Just(Step::Rebuild),
        1 => Just(Step::Check),
        2 => prop_oneof![Just(0), 1..100u8].prop_map(|waste_percent| Step::Collect { waste_percent }),
    ]
}

type Model = BTreeMap<(String, String), Vec<u8>>;

/// 24 contents: empty, short, compressible, and some of several chunks that share a part.
fn content(which: u8) -> Vec<u8> {
    let shared = || Random(99).bytes(700_000);
    match which {
        0 => Vec::new(),
        1..12 => Random(u64::from(which)).bytes(usize::from(which) * 150),
        12..20 => format!("line {which}\n").repeat(usize::from(which) * 500).into_bytes(),
        _ => [shared(), Random(u64::from(which)).bytes(300_000)].concat(),
    }
}

fn agree(vault: &Vault, model: &Model) {
    for kind in 0..3 {
        let kind = format!("kind{kind}");
        let listed = vault.list(&kind).unwrap();
        assert_eq!(listed.len(), model.keys().filter(|(k, _)| *k == kind).count());
        for entry in listed {
            let expected = &model[&(kind.clone(), entry.name.clone())];
            assert_eq!(*vault.read(&entry.id).unwrap(), *expected);
            assert_eq!(vault.find(&kind, &entry.name).unwrap(), Some(entry));
        }
    }
    let status = vault.status().unwrap();
    assert_eq!(status.objects, model.len() as u64);
    assert_eq!(status.bytes, model.values().map(|v| v.len() as u64).sum::<u64>());
}

fn run(steps: &[Step]) {
    let (_dir, path) = empty_vault();
    let (mut working, mut committed) = (Model::new(), Model::new());
    let mut vault = Some(open(&path));
    for step in steps {
        let open_vault = vault.as_mut().unwrap();
        match step {
            Step::Put { kind, name, content: which } => {
                let (kind, name, bytes) = (format!("kind{kind}"), format!("name{name}"), content(*which));
                let stored = open_vault.put(&kind, &name, &mut bytes.as_slice()).unwrap();
                assert_eq!(stored.duplicate, working.get(&(kind.clone(), name.clone())) == Some(&bytes));
                working.insert((kind, name), bytes);
            }
            Step::Remove { kind, name } => {
                let key = (format!("kind{kind}"), format!("name{name}"));
                let found = open_vault.find(&key.0, &key.1).unwrap();
                assert_eq!(found.is_some(), working.remove(&key).is_some());
                if let Some(entry) = found {
                    open_vault.remove(&entry.id).unwrap();
                }
            }
            Step::Commit => {
                open_vault.commit().unwrap();
                committed = working.clone();
            }
            Step::Reopen | Step::LoseIndex | Step::LoseCatalog => {
                drop(vault.take());
                let lost = match step {
                    Step::LoseIndex => Some("index"),
                    Step::LoseCatalog => Some("catalog"),
                    _ => None,
                };
                if let Some(folder) = lost {
                    fs::remove_dir_all(path.join(folder)).unwrap();
                }
                vault = Some(Vault::open(&path, &recovery()).unwrap());
                working = committed.clone();
                agree(vault.as_ref().unwrap(), &working);
            }
            Step::Rebuild => {
                open_vault.commit().unwrap();
                committed = working.clone();
                assert_eq!(open_vault.rebuild().unwrap(), []);
                agree(open_vault, &working);
            }
            Step::Collect { waste_percent } => {
                open_vault.commit().unwrap();
                committed = working.clone();
                let plan = open_vault.gc_plan(&GcOptions { waste_percent: *waste_percent }).unwrap();
                let outcome = open_vault.gc(&plan, &mut |_, _| ControlFlow::Continue(())).unwrap();
                assert_eq!((outcome.left.len(), outcome.copied_bytes), (0, plan.copied_bytes));
                assert!(open_vault.gc_plan(&GcOptions { waste_percent: *waste_percent }).unwrap().leaves_all());
                agree(open_vault, &working);
                assert_eq!(open_vault.check(CheckDepth::ReadData).unwrap().problems, []);
            }
            Step::Check => {
                open_vault.commit().unwrap();
                committed = working.clone();
                assert_eq!(open_vault.check(CheckDepth::ReadData).unwrap().problems, []);
            }
        }
    }
    agree(vault.as_ref().unwrap(), &working);
}

#[test]
fn random_operations_agree_with_a_map() {
    let cases = count("VAULT_MODEL_CASES", 16);
    let config = ProptestConfig {
        cases: cases as u32,
        max_shrink_iters: 200,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    println!("{cases} cases");
    proptest!(config, |(steps in proptest::collection::vec(step(), 1..40))| run(&steps));
}
