//! Native relation and gadget, side by side, on instances small enough to try every position.

use ark_ff::{AdditiveGroup, Field as _, PrimeField};
use ark_r1cs_std::{GR1CSVar, alloc::AllocVar, boolean::Boolean, fields::fp::FpVar};
use ark_relations::gr1cs::{
    ConstraintSynthesizer, ConstraintSystem, ConstraintSystemRef, R1CS_PREDICATE_LABEL,
};

use super::{
    draw::{draws, scale},
    gadget::Circuit,
    *,
};
use crate::{
    Error,
    keys::constraint_count,
    merkle::{Tree, capacity, empty_leaf},
    support::{context, digest, leaf},
};

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
        let outputs = hashes
            .iter()
            .zip(&rows)
            .map(|(leaf, row)| output_leaf(*leaf, row))
            .collect();
        let owner = OwnerSecret::new(&[5; 32], &[6; 31]).unwrap();
        let (records, outputs) = (tree(depth, hashes), tree(depth, outputs));
        Self {
            owner,
            leaves,
            rows,
            records,
            outputs,
            shape: Shape { depth, draws },
        }
    }

    fn job(&self, challenge: u64) -> (Statement, Witness) {
        let Self {
            owner,
            leaves,
            rows,
            records,
            outputs,
            ..
        } = self;
        let material = Material {
            owner,
            leaves,
            records,
            row_digests: rows,
            outputs,
        };
        let statement = material.statement(context("job"), Field::from(challenge));
        (
            statement,
            Witness::gather_shape(&material, statement.challenge, self.shape.draws).unwrap(),
        )
    }
}

fn system(shape: Shape, statement: &Statement, witness: &Witness) -> ConstraintSystemRef<Field> {
    let cs = ConstraintSystem::new_ref();
    Circuit {
        shape,
        values: Some((statement, witness)),
    }
    .generate_constraints(cs.clone())
    .unwrap();
    cs
}

/// The gadget's answer, which must be the native one.
fn satisfied(shape: Shape, statement: &Statement, witness: &Witness) -> bool {
    let native = witness.check(shape, statement);
    let gadget = system(shape, statement, witness).is_satisfied().unwrap();
    assert_eq!(native.is_ok(), gadget, "native: {native:?}");
    gadget
}

#[test]
fn honest_jobs_satisfy_at_awkward_counts() {
    for (depth, count) in [
        (1, 1),
        (1, 2),
        (1, 7),
        (1, 8),
        (2, 1),
        (2, 8),
        (2, 9),
        (2, 63),
        (2, 64),
    ] {
        let small = Small::new(depth, 5, count);
        for challenge in 0..3 {
            let (statement, witness) = small.job(challenge);
            assert!(
                satisfied(small.shape, &statement, &witness),
                "{count} records, depth {depth}"
            );
        }
    }
}

#[test]
fn every_changed_public_input_is_refused() {
    let small = Small::new(1, 2, 5);
    let (statement, witness) = small.job(1);
    let cs = system(small.shape, &statement, &witness);
    assert!(cs.is_satisfied().unwrap());
    for input in 1..=input::LENGTH {
        for delta in [Field::ONE, -Field::ONE, Field::from(1u64 << 60)] {
            let change = |delta: Field| {
                cs.borrow_mut().unwrap().assignments.instance_assignment[input] += delta
            };
            change(delta);
            assert!(!cs.is_satisfied().unwrap(), "input {input}");
            change(-delta);
        }
    }
}

#[test]
fn swapped_public_inputs_are_refused() {
    let small = Small::new(1, 2, 5);
    let (statement, witness) = small.job(1);
    let cs = system(small.shape, &statement, &witness);
    for first in 1..=input::LENGTH {
        for second in first + 1..=input::LENGTH {
            let swap = || {
                cs.borrow_mut()
                    .unwrap()
                    .assignments
                    .instance_assignment
                    .swap(first, second)
            };
            swap();
            assert!(!cs.is_satisfied().unwrap(), "inputs {first} and {second}");
            swap();
        }
    }
    assert!(cs.is_satisfied().unwrap());
}

#[test]
fn every_changed_wire_is_noticed() {
    let small = Small::new(1, 1, 5);
    let (statement, witness) = small.job(1);
    let cs = system(small.shape, &statement, &witness);
    cs.finalize();
    let inputs = cs.num_instance_variables();
    let matrices = cs
        .to_matrices()
        .unwrap()
        .remove(R1CS_PREDICATE_LABEL)
        .unwrap();
    let mut wires = [
        cs.instance_assignment().unwrap(),
        cs.witness_assignment().unwrap(),
    ]
    .concat();
    let mut rows_of = vec![Vec::new(); wires.len()];
    for matrix in &matrices {
        for (number, row) in matrix.iter().enumerate() {
            row.iter().for_each(|(_, wire)| rows_of[*wire].push(number));
        }
    }
    let product = |row: &[(Field, usize)], wires: &[Field]| {
        row.iter().map(|(c, w)| *c * wires[*w]).sum::<Field>()
    };
    let holds = |row: usize, wires: &[Field]| {
        let [a, b, c] = [0, 1, 2].map(|m: usize| product(&matrices[m][row], wires));
        a * b == c
    };
    assert!((0..matrices[0].len()).all(|row| holds(row, &wires)));
    for wire in 1..wires.len() {
        let honest = wires[wire];
        for value in [
            Field::ZERO,
            Field::ONE,
            -Field::ONE,
            honest + Field::ONE,
            Field::from(77u64),
        ] {
            wires[wire] = value;
            let noticed = rows_of[wire].iter().any(|row| !holds(*row, &wires));
            assert!(
                noticed || value == honest,
                "wire {wire} of {}, {inputs} public",
                rows_of.len()
            );
        }
        wires[wire] = honest;
    }
}

#[test]
fn wrong_owner_is_refused() {
    let small = Small::new(1, 2, 5);
    let (statement, mut witness) = small.job(1);
    for owner in [
        OwnerSecret::new(&[4; 32], &[6; 31]),
        OwnerSecret::new(&[5; 32], &[7; 31]),
    ] {
        witness.owner = owner.unwrap();
        assert!(!satisfied(small.shape, &statement, &witness));
    }
}

#[test]
fn wrong_leaf_preimage_is_refused() {
    let small = Small::new(1, 2, 5);
    let (statement, witness) = small.job(1);
    let changes: [fn(&mut Leaf); 5] = [
        |leaf| leaf.salt[0] ^= 1,
        |leaf| leaf.digest[0] ^= 1,
        |leaf| leaf.digest[31] ^= 1,
        |leaf| leaf.level ^= 1,
        |leaf| leaf.value = Some(leaf.value.unwrap_or(0) ^ 1),
    ];
    for change in changes {
        for draw in 0..2 {
            let mut changed = witness.clone();
            change(&mut changed.drawn[draw].leaf);
            assert!(!satisfied(small.shape, &statement, &changed));
        }
    }
}

#[test]
fn swapped_row_digest_is_refused() {
    let small = Small::new(1, 2, 8);
    let (statement, witness) = (0..)
        .map(|c| small.job(c))
        .find(|(_, w)| w.drawn[0] != w.drawn[1])
        .unwrap();
    let mut swapped = witness.clone();
    (swapped.drawn[0].row_digest, swapped.drawn[1].row_digest) =
        (witness.drawn[1].row_digest, witness.drawn[0].row_digest);
    assert!(!satisfied(small.shape, &statement, &swapped));
    let mut changed = witness.clone();
    changed.drawn[1].row_digest[31] ^= 1;
    assert!(!satisfied(small.shape, &statement, &changed));
    let mut reordered = witness;
    reordered.drawn.swap(0, 1);
    assert!(!satisfied(small.shape, &statement, &reordered));
}

#[test]
fn rows_of_other_records_are_refused() {
    let mut small = Small::new(1, 4, 8);
    let hashes: Vec<_> = small.leaves.iter().map(Leaf::hash).collect();
    let shifted = |i: usize| output_leaf(hashes[(i + 1) % 8], &small.rows[i]);
    small.outputs = tree(1, (0..8).map(shifted).collect());
    let (statement, witness) = small.job(1);
    assert!(!satisfied(small.shape, &statement, &witness));
}

#[test]
fn padding_past_the_records_cannot_be_opened() {
    let small = Small::new(1, 4, 3);
    // Claiming more records than the tree holds draws empty positions, whose leaf nobody knows a preimage of.
    let challenge = (0..)
        .find(|c| draws(Field::from(*c), 8).take(4).any(|p| p > 2))
        .unwrap();
    let (mut statement, mut witness) = small.job(challenge);
    statement.count = 8;
    for (drawn, position) in witness.drawn.iter_mut().zip(draws(statement.challenge, 8)) {
        drawn.record = small.records.opening(position).unwrap();
        drawn.output = small.outputs.opening(position).unwrap();
        drawn.leaf = leaf(position);
    }
    assert_eq!(small.records.leaf(7).unwrap(), empty_leaf());
    assert!(!satisfied(small.shape, &statement, &witness));
}

#[test]
fn inner_node_as_leaf_is_refused() {
    // A tree of depth 1 whose leaves are the roots of trees of depth 1 has the root of a tree of depth 2.
    let deep = Small::new(2, 2, 64);
    let shallow = Small::new(1, 2, 8);
    let (mut statement, witness) = shallow.job(1);
    assert!(satisfied(shallow.shape, &statement, &witness));
    statement.root = deep.records.root();
    statement.output_root = deep.outputs.root();
    let mut lifted = witness;
    for (drawn, position) in lifted.drawn.iter_mut().zip(draws(statement.challenge, 8)) {
        let (record, output) = (
            deep.records.opening(8 * position).unwrap(),
            deep.outputs.opening(8 * position).unwrap(),
        );
        drawn.record.siblings = record.siblings[1..].to_vec();
        drawn.output.siblings = output.siblings[1..].to_vec();
        drawn.leaf = deep.leaves[8 * position as usize];
    }
    assert!(!satisfied(shallow.shape, &statement, &lifted));
}

#[test]
fn shallower_tree_is_refused() {
    let shallow = Small::new(1, 2, 8);
    let deep = Shape { depth: 2, draws: 2 };
    let (statement, mut witness) = shallow.job(1);
    assert!(matches!(
        witness.check(deep, &statement),
        Err(Error::Unsatisfied { .. })
    ));
    for drawn in &mut witness.drawn {
        drawn.record.siblings.push([empty_leaf(); 7]);
        drawn.output.siblings.push([empty_leaf(); 7]);
    }
    assert!(!satisfied(deep, &statement, &witness));
}

#[test]
fn counts_outside_the_tier_are_refused() {
    let small = Small::new(1, 2, 8);
    let (statement, witness) = small.job(1);
    for count in [0, 9, 16, 1 << 60, u64::MAX] {
        let statement = Statement { count, ..statement };
        assert!(matches!(
            witness.check(small.shape, &statement),
            Err(Error::Count { .. })
        ));
        assert!(
            !system(small.shape, &statement, &witness)
                .is_satisfied()
                .unwrap(),
            "count {count}"
        );
    }
}

#[test]
fn another_number_of_openings_is_refused() {
    let small = Small::new(1, 2, 8);
    let (statement, mut witness) = small.job(1);
    witness.drawn.pop();
    assert!(matches!(
        witness.check(small.shape, &statement),
        Err(Error::Unsatisfied { .. })
    ));
    let circuit = Circuit {
        shape: small.shape,
        values: Some((&statement, &witness)),
    };
    assert!(
        circuit
            .generate_constraints(ConstraintSystem::new_ref())
            .is_err()
    );
}

#[test]
fn gathering_from_unequal_lengths_is_refused() {
    let small = Small::new(1, 2, 8);
    let Small {
        owner,
        leaves,
        rows,
        records,
        outputs,
        ..
    } = &small;
    let material = Material {
        owner,
        leaves,
        records,
        row_digests: rows,
        outputs,
    };
    let other = Small::new(1, 2, 7);
    for unequal in [
        Material {
            leaves: &leaves[1..],
            ..material
        },
        Material {
            row_digests: &rows[1..],
            ..material
        },
        Material {
            records: &other.records,
            ..material
        },
        Material {
            outputs: &other.outputs,
            ..material
        },
    ] {
        assert!(matches!(
            Witness::gather(&unequal, Field::ONE),
            Err(Error::Unsatisfied { .. })
        ));
    }
}

#[test]
fn word_bits_spell_the_lowest_240_bits() {
    let challenge = context("words");
    let hash =
        crate::poseidon::hash(crate::poseidon::Tag::Draw, &[challenge, Field::ZERO]).into_bigint();
    let bits = ark_ff::BigInteger::to_bits_le(&hash);
    let word = |i: usize| {
        (0..60)
            .filter(|b| bits[60 * i + b])
            .map(|b| 1u64 << b)
            .sum::<u64>()
    };
    // With 2^60 positions the scaled word is the word.
    let drawn: Vec<_> = draws(challenge, 1 << 60).take(4).collect();
    assert_eq!(drawn, [word(0), word(1), word(2), word(3)]);
}

#[test]
fn positions_stay_below_the_count() {
    for count in [1, 2, 3, 7, 8, 9, 1000, 2_097_151, 2_097_152] {
        for challenge in 0..50u64 {
            assert!(
                positions(Field::from(challenge), count)
                    .iter()
                    .all(|p| *p < count)
            );
        }
        assert_eq!(scale((1 << 60) - 1, count), count - 1);
        assert_eq!(scale(0, count), 0);
    }
}

#[test]
fn positions_are_even_over_an_awkward_count() {
    let mut seen = [0u32; 7];
    for challenge in 0..1000u64 {
        positions(Field::from(challenge), 7)
            .iter()
            .for_each(|p| seen[*p as usize] += 1);
    }
    // 8,000 draws over 7: 1,143 each, standard deviation 31.
    assert!(seen.iter().all(|n| (990..1300).contains(n)), "{seen:?}");
}

#[test]
fn number_and_number_plus_modulus_are_not_both_decompositions() {
    let bits = |value: ark_ff::BigInteger256| {
        let cs = ConstraintSystem::<Field>::new_ref();
        let all = ark_ff::BigInteger::to_bits_le(&value);
        let bits: Vec<_> = all[..254]
            .iter()
            .map(|b| Boolean::new_witness(cs.clone(), || Ok(*b)).unwrap())
            .collect();
        Boolean::enforce_in_field_le(&bits).unwrap();
        cs.is_satisfied().unwrap()
    };
    let mut aliased = ark_ff::BigInteger256::from(12345u64);
    assert!(bits(aliased));
    assert!(!ark_ff::BigInteger::add_with_carry(
        &mut aliased,
        &Field::MODULUS
    ));
    assert!(!bits(aliased));
    assert!(!bits(Field::MODULUS));
}

#[test]
fn drawn_positions_in_the_circuit_are_the_native_ones() {
    for (count, challenge) in [(1, 3), (5, 4), (8, 5), (61, 6), (64, 7)] {
        let cs = ConstraintSystem::new_ref();
        let wire = |value| FpVar::new_input(cs.clone(), || Ok(value)).unwrap();
        let (challenge, count_wire) = (
            wire(Field::from(challenge as u64)),
            wire(Field::from(count)),
        );
        let drawn =
            gadget::draw(&cs, Shape { depth: 2, draws: 6 }, &challenge, &count_wire).unwrap();
        let values: Vec<u64> = drawn
            .iter()
            .map(|bits| {
                bits.iter()
                    .rev()
                    .fold(0, |n, bit| 2 * n + u64::from(bit.value().unwrap()))
            })
            .collect();
        assert_eq!(
            values,
            draws(challenge.value().unwrap(), count)
                .take(6)
                .collect::<Vec<_>>()
        );
        assert!(cs.is_satisfied().unwrap());
    }
}

#[test]
fn position_equal_to_the_count_is_refused() {
    // A solution with position = count needs rest = (word − 2^60) · count, which is negative.
    let count = 5u64;
    let cs = ConstraintSystem::new_ref();
    let wire = |value| FpVar::new_witness(cs.clone(), || Ok(value)).unwrap();
    let word = wire(Field::from((1u64 << 60) - 1));
    gadget::scaled(&cs, &word, &wire(Field::from(count)), 2).unwrap();
    assert!(cs.is_satisfied().unwrap());
    // Six position bits follow the two wires; then sixty of the rest.
    let set = |place: usize, bit: bool| {
        cs.borrow_mut().unwrap().assignments.witness_assignment[place] = Field::from(bit)
    };
    for wrong in 0..64u64 {
        (0..6).for_each(|b| set(2 + b, wrong >> b & 1 == 1));
        let rest = (u128::from((1u64 << 60) - 1) * u128::from(count))
            .wrapping_sub(u128::from(wrong) << 60);
        (0..60).for_each(|b| set(8 + b, rest >> b & 1 == 1));
        assert_eq!(cs.is_satisfied().unwrap(), wrong == count - 1, "{wrong}");
    }
}

#[test]
fn constraint_counts_stay_under_their_domains() {
    let counts = Tier::ALL.map(|tier| constraint_count(tier).unwrap());
    assert_eq!(
        counts,
        Tier::ALL.map(|tier| crate::keys::Pin::of(tier).unwrap().constraints)
    );
    assert!(counts[2] + input::LENGTH < 1 << 16, "{counts:?}");
}

#[test]
fn inputs_stand_where_their_names_say() {
    let [root, owner, output_root, context, challenge] = [1u64, 3, 4, 5, 6].map(Field::from);
    let statement = Statement {
        root,
        count: 2,
        owner,
        output_root,
        context,
        challenge,
    };
    assert_eq!(statement.inputs(), [1u64, 2, 3, 4, 5, 6].map(Field::from));
}

#[test]
fn leaf_packs_level_and_value() {
    let packed = |level, value| {
        Leaf {
            level,
            value,
            ..leaf(0)
        }
        .preimage()[3]
    };
    assert_eq!(packed(0, None), Field::ZERO);
    assert_eq!(packed(0, Some(i32::MIN)), Field::ONE);
    assert_eq!(packed(0, Some(0)), Field::from((1u64 << 31) + 1));
    assert_eq!(packed(0, Some(i32::MAX)), Field::from(1u64 << 32));
    assert_eq!(packed(3, Some(-1)), Field::from((3u64 << 33) + (1 << 31)));
    assert_eq!(capacity(1), 8);
}

#[test]
fn identity_secret_at_the_modulus_is_refused() {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(&ark_ff::BigInteger::to_bytes_be(&Field::MODULUS));
    assert!(matches!(
        OwnerSecret::new(&bytes, &[0; 31]),
        Err(Error::NotCanonical { .. })
    ));
    assert!(owner_commitment(&[0xff; 32], &[0; 31]).is_err());
}

#[test]
fn secrets_do_not_print() {
    let (_, witness) = Small::new(1, 2, 8).job(1);
    let printed = format!(
        "{witness:?} {:?} {:?}",
        witness.owner, witness.drawn[0].leaf
    );
    assert_eq!(
        printed,
        "Witness(2 openings, ..) OwnerSecret(..) Leaf { level: 0, .. }".replace(
            "level: 0",
            &format!("level: {}", witness.drawn[0].leaf.level)
        )
    );
}
