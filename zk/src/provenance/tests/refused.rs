//! Witnesses that must not satisfy: refused natively and by the constraints, for the same reason.

use ark_ff::Field as _;
use ark_relations::gr1cs::ConstraintSystem;

use super::{Small, satisfied, system, tree};
use crate::{
    Error, Field,
    merkle::empty_leaf,
    provenance::{draw::draws, *},
    support::leaf,
};

#[test]
fn wrong_owner_is_refused() {
    let small = Small::new(1, 2, 5);
    let (statement, mut witness) = small.job(1);
    for owner in [OwnerSecret::new(&[4; 32], &[6; 31]), OwnerSecret::new(&[5; 32], &[7; 31])] {
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
    let (statement, witness) = (0..).map(|c| small.job(c)).find(|(_, w)| w.drawn[0] != w.drawn[1]).unwrap();
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
    let challenge = (0..).find(|c| draws(Field::from(*c), 8).take(4).any(|p| p > 2)).unwrap();
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
        let (record, output) =
            (deep.records.opening(8 * position).unwrap(), deep.outputs.opening(8 * position).unwrap());
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
    assert!(matches!(witness.check_shape(deep, &statement), Err(Error::Unsatisfied { .. })));
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
        assert!(matches!(witness.check_shape(small.shape, &statement), Err(Error::Count { .. })));
        assert!(!system(small.shape, &statement, &witness).is_satisfied().unwrap(), "count {count}");
    }
}

#[test]
fn another_number_of_openings_is_refused() {
    let small = Small::new(1, 2, 8);
    let (statement, mut witness) = small.job(1);
    witness.drawn.pop();
    assert!(matches!(witness.check_shape(small.shape, &statement), Err(Error::Unsatisfied { .. })));
    let cs = ConstraintSystem::new_ref();
    assert!(gadget::constrain(cs, small.shape, Some((&statement, &witness))).is_err());
}

#[test]
fn gathering_from_unequal_lengths_is_refused() {
    let small = Small::new(1, 2, 8);
    let Small { owner, leaves, rows, records, outputs, .. } = &small;
    let material = Material { owner, leaves, records, row_digests: rows, outputs };
    let other = Small::new(1, 2, 7);
    for unequal in [
        Material { leaves: &leaves[1..], ..material },
        Material { row_digests: &rows[1..], ..material },
        Material { records: &other.records, ..material },
        Material { outputs: &other.outputs, ..material },
    ] {
        assert!(matches!(Witness::gather(&unequal, Field::ONE), Err(Error::Unsatisfied { .. })));
    }
}
