//! Native answer and circuit, side by side, on instances small enough to try everything.

use ark_ff::UniformRand;
use ark_relations::gr1cs::{ConstraintSystem, ConstraintSystemRef};
use ark_std::rand::{Rng, SeedableRng, rngs::StdRng};

use super::{gadget::constrain_given, witness::Given, *};
use crate::{
    Error,
    merkle::{Tree, capacity},
    provenance::{Leaf, OwnerSecret},
    support::{bins, context, leaf, number_from},
    wires::Wires,
};

mod answers;
mod deleted;
mod refused;

const BLINDING: [u8; 31] = [9; 31];

/// A dataset in a tree of any depth.
struct Small {
    owner: OwnerSecret,
    leaves: Vec<Leaf>,
    records: Tree,
    bins: Bins,
    least: u32,
}

fn tree(depth: usize, leaves: Vec<Field>) -> Tree {
    Tree::of_depth(depth, leaves, &mut |_, _| ()).unwrap()
}

impl Small {
    /// Records with these values in a tree of one level; `None` for no value.
    fn of(values: &[Option<i32>], least: u32) -> Self {
        Self::in_depth(1, values, least)
    }

    fn in_depth(depth: usize, values: &[Option<i32>], least: u32) -> Self {
        let leaves: Vec<_> = values.iter().enumerate().map(|(n, v)| Leaf { value: *v, ..leaf(n as u64) }).collect();
        let records = tree(depth, leaves.iter().map(Leaf::hash).collect());
        Self { owner: OwnerSecret::new(&[5; 32], &[6; 31]).unwrap(), leaves, records, bins: bins(), least }
    }

    fn material(&self) -> Material<'_> {
        let Self { owner, leaves, records, bins, least } = self;
        Material { owner, leaves, records, bins: *bins, least: *least, blinding: &BLINDING }
    }

    fn job(&self) -> (Statement, Witness) {
        let statement = self.material().statement(context("job"), context("challenge")).unwrap();
        (statement, Witness::gather(&self.material()).unwrap())
    }

    fn given(&self) -> (Statement, Given) {
        let (statement, witness) = self.job();
        (statement, Given::of(&witness, self.records.depth()))
    }
}

fn system(statement: &Statement, given: &Given) -> ConstraintSystemRef<Field> {
    let cs = ConstraintSystem::new_ref();
    let depth = given.places.len().ilog(8) as usize;
    constrain_given(cs.clone(), depth, Some((statement, given))).unwrap();
    cs
}

/// The gadget's answer, which must be the native one.
fn satisfied(statement: &Statement, witness: &Witness) -> bool {
    let native = witness.check_depth(1, statement);
    let gadget = system(statement, &Given::of(witness, 1)).is_satisfied().unwrap();
    assert_eq!(native.is_ok(), gadget, "native: {native:?}");
    gadget
}

/// Values in several bins, a record without one, and two positions without a record.
fn mixed() -> Small {
    Small::of(&[Some(-60), None, Some(-41), Some(0), Some(3), Some(500)], 1)
}

#[test]
fn honest_answers_satisfy_at_every_count() {
    for count in 1..=8u64 {
        for least in 1..=count as u32 {
            let values: Vec<_> = (0..count).map(|n| Some(30 * n as i32 - 90)).collect();
            let (statement, witness) = Small::of(&values, least).job();
            assert!(satisfied(&statement, &witness), "{count} values, {least} at least");
        }
    }
}

#[test]
fn honest_answers_satisfy_at_the_edges_of_values_and_bins() {
    let edge = bins().edges()[8];
    let extremes = [i32::MIN, i32::MAX, edge - 1, edge, edge + 1, 0, -1, 1].map(Some);
    let (statement, witness) = Small::of(&extremes, 1).job();
    assert!(satisfied(&statement, &witness));
    let lone = |value| Small::of(&[None, value], 1).job();
    for value in [i32::MIN, i32::MAX] {
        let (statement, witness) = lone(Some(value));
        assert!(satisfied(&statement, &witness));
    }
}

/// Whether a wire stays unnoticed when it is changed and what follows from it is computed again. Alone it must be noticed.
fn is_free(wires: &mut Wires, wire: usize, rng: &mut StdRng) -> bool {
    let honest = wires.values[wire];
    let one = Field::from(1u64);
    let changes = [Field::from(0u64), one, honest + one, -one, Field::rand(rng)];
    let changes: Vec<_> = changes.into_iter().filter(|value| *value != honest).collect();
    assert!(changes.iter().all(|value| wires.notice(wire, *value)), "wire {wire} alone");
    !wires.is_computed(wire) && changes.iter().any(|value| !wires.notice_recomputed(wire, *value))
}

#[test]
fn every_wire_is_noticed_but_those_of_empty_positions() {
    let mut rng = StdRng::seed_from_u64(number_from("ZK_SEED", 1));
    let (statement, given) = mixed().given();
    let mut wires = Wires::of(&system(&statement, &given));
    let private = wires.public..wires.values.len();
    let free = private.filter(|wire| is_free(&mut wires, *wire, &mut rng)).count();
    // Written list: at a position without a record, the content's hash and the level's eight bits go nowhere, since
    // the empty leaf stands there whatever they are.
    assert_eq!(free, 2 * (1 + 8));
}

#[test]
fn sampled_wires_of_the_shipped_size_are_noticed() {
    let (seed, samples) = (number_from("ZK_SEED", 1), number_from("ZK_SAMPLES", 1000));
    let mut rng = StdRng::seed_from_u64(seed);
    // A record at every position, so that no wire of the written list is free.
    let values: Vec<_> = (0..512).map(|n| (n % 5 != 0).then_some(n - 200)).collect();
    let (statement, given) = Small::in_depth(3, &values, 5).given();
    let mut wires = Wires::of(&system(&statement, &given));
    assert!(wires.hold());
    for _ in 0..samples {
        let wire = rng.gen_range(wires.public..wires.values.len());
        assert!(!is_free(&mut wires, wire, &mut rng), "wire {wire}, seed {seed}");
    }
    println!("statistic: {samples} of {} wires, seed {seed}, 5 changes each", wires.values.len() - 1);
}
