//! Wires changed and constraints deleted: what the circuit must notice, on tiny instances all of it, on the shipped
//! sizes all constraints and samples of the wires.
//!
//! `ZK_SAMPLES` is the number of wires changed on a shipped size, `ZK_DELETED` of constraints deleted, `ZK_SEED` where the
//! samples start.

use ark_ff::{Field as _, UniformRand};
use ark_std::rand::{Rng, SeedableRng, rngs::StdRng};

use super::{Small, drawn::COMPARED, system};
use crate::{
    Field,
    merkle::Tier,
    provenance::{DRAWS, Shape, draw::WORDS},
    statement::input,
    support::{number_from, sampled},
    wires::{Wires, alone::Open},
};

fn wires(depth: usize, draws: usize, count: u64) -> Wires {
    let small = Small::new(depth, draws, count);
    let (statement, witness) = small.job(1);
    Wires::of(&system(small.shape, &statement, &witness))
}

/// The private wires that no public input determines, all of them inputs of hashes, which fix one element each:
/// two of the owner's (one open), and for each draw four of the leaf's preimage, two of the row's digest and seven
/// siblings in each level of two trees (two roots fix two). Opening them another way is finding a collision.
fn open_by_design(shape: Shape) -> usize {
    let draw = 4 + 2 + 2 * 7 * shape.depth - 2;
    1 + shape.draws * draw
}

fn changes(honest: Field, rng: &mut StdRng) -> [Field; 5] {
    [Field::from(0u64), Field::ONE, honest + Field::ONE, -Field::ONE, Field::rand(rng)]
}

/// Changes one wire five ways. The written list of wires that may change unnoticed is empty.
fn check_wire(wires: &mut Wires, wire: usize, rng: &mut StdRng) {
    let honest = wires.values[wire];
    for value in changes(honest, rng) {
        if value != honest {
            assert!(wires.notice(wire, value), "wire {wire} alone");
            assert!(wires.is_computed(wire) || wires.notice_recomputed(wire, value), "wire {wire}, recomputed");
        }
    }
}

#[test]
fn every_wire_of_a_tiny_instance_is_noticed() {
    let mut wires = wires(1, 2, 8);
    let mut rng = StdRng::seed_from_u64(number_from("ZK_SEED", 1));
    let given = (wires.public..wires.values.len()).filter(|wire| !wires.is_computed(*wire)).count();
    for wire in wires.public..wires.values.len() {
        check_wire(&mut wires, wire, &mut rng);
    }
    assert!(wires.hold());
    println!("{} wires, {given} of them given by the prover, 5 changes each", wires.values.len() - 1);
}

#[test]
fn sampled_wires_of_every_shipped_size_are_noticed() {
    let (seed, samples) = (number_from("ZK_SEED", 1), number_from("ZK_SAMPLES", 1000));
    let mut rng = StdRng::seed_from_u64(seed);
    for tier in Tier::ALL {
        let mut wires = wires(tier.depth(), DRAWS, 500);
        for _ in 0..samples {
            let wire = rng.gen_range(1..wires.values.len());
            check_wire(&mut wires, wire, &mut rng);
        }
        println!("{}: {samples} of {} wires, seed {seed}, 5 changes each", tier.name(), wires.values.len() - 1);
    }
}

/// Constraints that compare one drawn hash's bits with the field's modulus and that no honest hash comes near: a hash
/// must be within a few bits of `r` for them to matter. `drawn.rs` notices each of them with a number above `r`.
const COMPARISON: usize = 154;

#[test]
fn constraints_leave_open_only_what_hashes_hide() {
    for (depth, draws, count) in [(1, 1, 1), (1, 2, 8), (1, 2, 5), (2, 5, 64), (3, 8, 500), (5, 8, 500), (7, 8, 500)] {
        let freedom = wires(depth, draws, count).freedom();
        let directions = open_by_design(Shape { depth, draws });
        assert_eq!((freedom.directions, freedom.unnamed), (directions, 0), "depth {depth}, {draws} draws");
        // One for the count, one for each drawn hash's bits and one for each draw say that bits spell a number.
        let hashes = draws.div_ceil(WORDS);
        assert_eq!(freedom.redundant.len(), 1 + draws + hashes * (1 + COMPARISON));
    }
}

/// Wires of the first and of the second draw that hold the same child of the same node, in a tree of one level.
fn twins(wires: &Wires) -> Vec<[usize; 2]> {
    // Of each draw the four parts of the leaf, the row's two limbs, and eight children in each tree come last.
    let given = wires.given();
    let [.., first, second] = given.rchunks_exact(22).rev().collect::<Vec<_>>()[..] else { panic!("two draws") };
    first[6..].iter().zip(&second[6..]).map(|(one, other)| [*one, *other]).collect()
}

/// Constraints deleted in turn, `ZK_DELETED` of them: each refuses a lie alone, or takes a direction alone.
#[test]
fn constraints_deleted_are_noticed() {
    let settled = [input::ROOT, input::OWNER, input::OUTPUT_ROOT].map(|place| 1 + place);
    let of = |count, challenge| {
        let small = Small::new(1, 2, count);
        let (statement, witness) = small.job(challenge);
        Wires::of(&system(small.shape, &statement, &witness))
    };
    let [spelled] = of(5, 1).spelling_bits(254)[..] else { panic!("one drawn number for two draws") };
    // These are for numbers just above the modulus, which no hash comes near: `drawn.rs` makes such numbers.
    let compared = spelled + 1..spelled + 1 + COMPARED;
    let constraints = of(5, 1).constraints();
    let chosen = sampled(constraints);
    let mut left: Vec<usize> = chosen.iter().copied().filter(|row| !compared.contains(row)).collect();
    let others = left.len();
    // With one record the positions stay what they are, whatever was drawn.
    for (count, challenge) in core::iter::once((1, 1)).chain((1..=8).map(|challenge| (5, challenge))) {
        let mut wires = of(count, challenge);
        let twins = twins(&wires);
        left = wires.unnoticed(&left, Open { settled: &settled, twins: &twins });
    }
    let alone = others - left.len();
    // A false hash of a node cannot be made to give the root that the other path gives, too.
    let needed = of(5, 1).freedom().needed;
    left.retain(|row| needed.binary_search(row).is_err());
    println!(
        "provenance, two draws: {} of {constraints} constraints, seed {}: {alone} refuse a lie alone, {} more take a direction \
         alone, {} compare with the modulus",
        chosen.len(),
        number_from("ZK_SEED", 1),
        others - alone - left.len(),
        chosen.len() - others
    );
    assert!(left.is_empty(), "{left:?} of {constraints}");
}
