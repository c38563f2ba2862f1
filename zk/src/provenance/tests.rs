//! Native relation and gadget, side by side, on instances small enough to try everything.

use ark_ff::Field as _;
use ark_relations::gr1cs::{ConstraintSystem, ConstraintSystemRef};

use super::*;
use crate::{
    keys::{Pin, constraint_count},
    merkle::Tree,
    support::{context, digest, leaf},
    wires::Wires,
};

mod commitments;
mod drawn;
mod mutated;
mod refused;

/// A dataset in a tree of any depth.
struct Small {
    owner: OwnerSecret,
    leaves: Vec<Leaf>,
    rows: Vec<[u8; 32]>,
    records: Tree,
    outputs: Tree,
    shape: Shape,
}

fn tree(depth: usize, leaves: Vec<Field>) -> Tree {
    Tree::of_depth(depth, leaves, &mut |_, _| ()).unwrap()
}

impl Small {
    fn new(depth: usize, draws: usize, count: u64) -> Self {
        let leaves: Vec<_> = (0..count).map(leaf).collect();
        let rows: Vec<_> = (0..count).map(|n| digest(format!("row {n}"))).collect();
        let hashes: Vec<_> = leaves.iter().map(Leaf::hash).collect();
        let outputs = hashes.iter().zip(&rows).map(|(leaf, row)| output_leaf(*leaf, row)).collect();
        let owner = OwnerSecret::new(&[5; 32], &[6; 31]).unwrap();
        let (records, outputs) = (tree(depth, hashes), tree(depth, outputs));
        Self { owner, leaves, rows, records, outputs, shape: Shape { depth, draws } }
    }

    fn job(&self, challenge: u64) -> (Statement, Witness) {
        let Self { owner, leaves, rows, records, outputs, .. } = self;
        let material = Material { owner, leaves, records, row_digests: rows, outputs };
        let statement = material.statement(context("job"), Field::from(challenge));
        (statement, Witness::gather_shape(&material, statement.challenge, self.shape.draws).unwrap())
    }
}

fn system(shape: Shape, statement: &Statement, witness: &Witness) -> ConstraintSystemRef<Field> {
    let cs = ConstraintSystem::new_ref();
    gadget::constrain(cs.clone(), shape, Some((statement, witness))).unwrap();
    cs
}

/// The gadget's answer, which must be the native one.
fn satisfied(shape: Shape, statement: &Statement, witness: &Witness) -> bool {
    let native = witness.check_shape(shape, statement);
    let gadget = system(shape, statement, witness).is_satisfied().unwrap();
    assert_eq!(native.is_ok(), gadget, "native: {native:?}");
    gadget
}

#[test]
fn honest_jobs_satisfy_at_awkward_counts() {
    for (depth, count) in [(1, 1), (1, 2), (1, 7), (1, 8), (2, 1), (2, 8), (2, 9), (2, 63), (2, 64)] {
        let small = Small::new(depth, 5, count);
        for challenge in 0..3 {
            let (statement, witness) = small.job(challenge);
            assert!(satisfied(small.shape, &statement, &witness), "{count} records, depth {depth}");
        }
    }
}

#[test]
fn constraint_counts_stay_under_their_domains() {
    let counts = Tier::ALL.map(|tier| constraint_count(tier).unwrap());
    assert_eq!(counts, Tier::ALL.map(|tier| Pin::of(tier).unwrap().constraints));
    assert!(counts[2] + input::LENGTH < 1 << 16, "{counts:?}");
}

#[test]
fn every_changed_public_input_is_refused() {
    let small = Small::new(1, 2, 5);
    let (statement, witness) = small.job(1);
    let mut wires = Wires::of(&system(small.shape, &statement, &witness));
    for input in 1..=input::LENGTH {
        let honest = wires.values[input];
        for delta in [Field::ONE, -Field::ONE, Field::from(1u64 << 60), -honest] {
            assert!(wires.notice(input, honest + delta), "input {input}");
        }
    }
    assert!(wires.hold());
}

#[test]
fn swapped_public_inputs_are_refused() {
    let small = Small::new(1, 2, 5);
    let (statement, witness) = small.job(1);
    let mut wires = Wires::of(&system(small.shape, &statement, &witness));
    for first in 1..=input::LENGTH {
        for second in first + 1..=input::LENGTH {
            wires.values.swap(first, second);
            assert!(!wires.hold(), "inputs {first} and {second}");
            wires.values.swap(first, second);
        }
    }
    assert!(wires.hold());
}
