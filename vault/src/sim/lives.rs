//! Random operations over several lives of a process, each of which ends or fails at a random call.

use super::model::{Run, Tally, seeds};

fn live(seed: u64) -> Tally {
    let mut run = Run::new(seed);
    let lives = 2 + run.random.below(5);
    for _ in 0..lives {
        let early = run.random.once_in(3);
        if early {
            run.plan(30);
        }
        if run.open() {
            if !early {
                run.plan(60);
            }
            act(&mut run);
        }
        run.end();
    }
    last(&mut run);
    run.tally
}

/// A few operations, until the process ends.
fn act(run: &mut Run) {
    for _ in 0..4 + run.random.below(12) {
        match run.random.below(21) {
            0..9 => run.put(),
            9..11 => run.remove(),
            11..15 => drop(run.commit()),
            15 => run.read(),
            16 => run.change_passphrase(),
            17 => run.check(),
            20 => run.collect(),
            18 => {
                run.vault = None;
                if !run.open() {
                    return;
                }
            }
            _ => {
                if run.random.once_in(3) && !run.repair() {
                    return;
                }
            }
        }
        if run.disk.ended().is_some() {
            return;
        }
    }
}

/// Without faults the vault opens, takes a commit and is sound to the last byte.
fn last(run: &mut Run) {
    assert!(run.open());
    run.put();
    assert!(run.commit());
    let problems = run.vault.as_ref().map(|vault| vault.check(crate::CheckDepth::ReadData).unwrap().problems);
    assert_eq!(problems, Some(Vec::new()));
}

/// Two faults in one collection; an index folder, and a pack whose header failed, that a power cut brought back.
#[test]
fn lives_that_ended_badly_once_end_well() {
    for seed in [33_045, 70_548, 78_692, 84_986] {
        live(seed);
    }
}

#[test]
fn acknowledged_writes_survive_any_end_of_a_process() {
    seeds("VAULT_SIM_SEEDS", 2_000, live);
}
