//! Trees, openings and their gadget.

use ark_ff::{AdditiveGroup, Field as _};
use ark_r1cs_std::{alloc::AllocVar, eq::EqGadget, fields::fp::FpVar};
use ark_relations::gr1cs::{ConstraintSystem, ConstraintSystemRef};

use super::*;
use crate::field;

fn leaves(count: u64) -> Vec<Field> {
    (0..count).map(|i| Field::from(i * i + 7)).collect()
}

fn tree(depth: usize, count: u64) -> Tree {
    Tree::of_depth(depth, leaves(count), &mut |_, _| ()).unwrap()
}

/// The definition, padding and all.
fn plain_root(depth: usize, leaves: &[Field]) -> Field {
    let mut level = leaves.to_vec();
    level.resize(capacity(depth) as usize, empty_leaf());
    while level.len() > 1 {
        level = level.as_chunks::<8>().0.iter().map(|c| hash(Tag::Node, c)).collect();
    }
    level[0]
}

#[test]
fn root_equals_the_padded_tree_at_awkward_counts() {
    for depth in 1..=3 {
        for count in [1, 2, 7, 8, 9, 63, 64, 65, 511, 512] {
            if count <= capacity(depth) {
                assert_eq!(tree(depth, count).root(), plain_root(depth, &leaves(count)), "{count} in depth {depth}");
            }
        }
    }
}

#[test]
fn tiers_hold_powers_of_eight() {
    assert_eq!(Tier::ALL.map(Tier::capacity), [512, 32_768, 2_097_152]);
    assert_eq!(Tier::for_count(1).unwrap(), Tier::Small);
    assert_eq!(Tier::for_count(512).unwrap(), Tier::Small);
    assert_eq!(Tier::for_count(513).unwrap(), Tier::Medium);
    assert_eq!(Tier::for_count(32_769).unwrap(), Tier::Large);
    assert_eq!(Tier::for_count(2_097_152).unwrap(), Tier::Large);
    assert_eq!(Tier::ALL.map(|tier| Tier::from_id(tier.id())), Tier::ALL.map(Some));
}

#[test]
fn counts_without_a_tier_are_refused() {
    for count in [0, 2_097_153, u64::MAX] {
        assert!(matches!(Tier::for_count(count), Err(Error::Count { .. })));
    }
    assert_eq!(Tier::from_id(3), None);
    assert!(matches!(Tree::build(Tier::Small, Vec::new(), &mut |_, _| ()), Err(Error::Count { count: 0, .. })));
    assert!(matches!(Tree::build(Tier::Small, leaves(513), &mut |_, _| ()), Err(Error::Count { count: 513, .. })));
}

#[test]
fn progress_ends_at_the_total() {
    let mut seen = Vec::new();
    Tree::build(Tier::Medium, leaves(32_768), &mut |done, total| seen.push((done, total))).unwrap();
    assert_eq!(seen.last(), Some(&(4681, 4681)));
    assert!(seen.is_sorted() && seen.iter().all(|(_, total)| *total == 4681));
}

#[test]
fn tree_over_a_million_leaves_is_built_with_progress() {
    let mut seen = Vec::new();
    let tree = Tree::build(Tier::Large, leaves(1_000_000), &mut |done, total| seen.push((done, total))).unwrap();
    assert_eq!(seen.last(), Some(&(142_860, 142_860)));
    assert!(seen.len() > 30 && seen.is_sorted() && seen.iter().all(|(_, total)| *total == 142_860));
    for position in [0, 7, 262_143, 999_999, 1_000_000, 2_097_151] {
        let leaf = tree.leaf(position).unwrap();
        assert_eq!(tree.opening(position).unwrap().root(leaf, position), tree.root());
    }
    assert_eq!(tree.leaves().len(), 1_000_000);
}

#[test]
fn appended_trees_equal_built_ones() {
    for (depth, from, to) in [(1, 1, 8), (2, 1, 2), (2, 7, 9), (2, 8, 64), (3, 63, 65), (3, 64, 512), (3, 100, 100)] {
        let mut grown = tree(depth, from);
        grown.append(&leaves(to)[from as usize..]).unwrap();
        let built = tree(depth, to);
        assert_eq!((grown.root(), grown.count()), (built.root(), to), "{from} to {to} in depth {depth}");
        let opening = grown.opening(to - 1).unwrap();
        assert_eq!(opening.root(built.leaf(to - 1).unwrap(), to - 1), built.root());
    }
}

#[test]
fn appending_past_the_capacity_is_refused() {
    let mut full = tree(1, 7);
    let root = full.root();
    assert!(matches!(full.append(&leaves(2)), Err(Error::Count { count: 9, capacity: 8 })));
    assert_eq!((full.root(), full.count()), (root, 7));
    full.append(&leaves(1)).unwrap();
    assert!(full.append(&leaves(1)).is_err());
}

#[test]
fn every_position_opens_the_root() {
    let tree = tree(2, 13);
    for position in 0..64 {
        let leaf = tree.leaf(position).unwrap();
        assert_eq!(tree.opening(position).unwrap().root(leaf, position), tree.root());
        assert_eq!(leaf == empty_leaf(), position >= 13);
    }
}

#[test]
fn opening_outside_the_tree_is_refused() {
    let tree = tree(2, 64);
    for position in [64, 65, u64::MAX] {
        assert!(matches!(tree.opening(position), Err(Error::Position { capacity: 64, .. })));
        assert!(tree.leaf(position).is_err());
    }
}

#[test]
fn opening_of_another_leaf_or_position_misses_the_root() {
    let tree = tree(3, 100);
    let opening = tree.opening(42).unwrap();
    let leaf = tree.leaf(42).unwrap();
    assert_ne!(opening.root(leaf + Field::ONE, 42), tree.root());
    for other in (0..512).filter(|p| *p != 42) {
        assert_ne!(opening.root(leaf, other), tree.root());
    }
    for level in 0..3 {
        for sibling in 0..7 {
            let mut changed = opening.clone();
            changed.siblings[level][sibling] += Field::ONE;
            assert_ne!(changed.root(leaf, 42), tree.root());
        }
    }
}

#[test]
fn leaf_order_changes_the_root() {
    let mut swapped = leaves(9);
    swapped.swap(0, 8);
    assert_ne!(tree(2, 9).root(), Tree::of_depth(2, swapped, &mut |_, _| ()).unwrap().root());
    assert_ne!(tree(2, 9).root(), tree(3, 9).root());
}

/// A system that opens `leaf` at `position`, and whether it holds against `root`.
fn opens(leaf: Field, position: u64, opening: &Opening, root: Field) -> (ConstraintSystemRef<Field>, bool) {
    let cs = ConstraintSystem::new_ref();
    let digits = field::gadget::bits(&cs, Some(position), 3 * opening.siblings.len()).unwrap();
    let leaf = FpVar::new_witness(cs.clone(), || Ok(leaf)).unwrap();
    let out = gadget::root(&cs, leaf, &digits, Some(opening)).unwrap();
    out.enforce_equal(&FpVar::new_input(cs.clone(), || Ok(root)).unwrap()).unwrap();
    let holds = cs.is_satisfied().unwrap();
    (cs, holds)
}

#[test]
fn gadget_opens_every_position() {
    let tree = tree(2, 30);
    for position in 0..64 {
        let leaf = tree.leaf(position).unwrap();
        assert!(opens(leaf, position, &tree.opening(position).unwrap(), tree.root()).1, "{position}");
    }
}

#[test]
fn gadget_refuses_another_leaf_or_position() {
    let tree = tree(2, 30);
    let (leaf, opening) = (tree.leaf(11).unwrap(), tree.opening(11).unwrap());
    assert!(!opens(leaf + Field::ONE, 11, &opening, tree.root()).1);
    assert!(!opens(Field::ZERO, 11, &opening, tree.root()).1);
    for other in (0..64).filter(|p| *p != 11) {
        assert!(!opens(leaf, other, &opening, tree.root()).1, "{other}");
    }
}

#[test]
fn gadget_refuses_a_changed_sibling_at_any_level() {
    let tree = tree(2, 30);
    let leaf = tree.leaf(11).unwrap();
    for level in 0..2 {
        for sibling in 0..7 {
            let mut opening = tree.opening(11).unwrap();
            opening.siblings[level][sibling] += Field::ONE;
            assert!(!opens(leaf, 11, &opening, tree.root()).1);
        }
    }
}

#[test]
fn gadget_ties_the_child_to_the_digit() {
    for digit in 0..8 {
        for place in 0..8 {
            let cs = ConstraintSystem::new_ref();
            let wire = |value: u64| FpVar::new_witness(cs.clone(), || Ok(Field::from(value))).unwrap();
            let children: Vec<_> = (10..18).map(wire).collect();
            let current = wire(10 + place);
            let bits = field::gadget::bits(&cs, Some(digit), 3).unwrap();
            gadget::enforce_child(&current, &children, bits.as_array().unwrap()).unwrap();
            assert_eq!(cs.is_satisfied().unwrap(), digit == place);
        }
    }
}

#[test]
fn gadget_costs_421_constraints_a_level() {
    let tree = tree(2, 30);
    let (cs, _) = opens(tree.leaf(11).unwrap(), 11, &tree.opening(11).unwrap(), tree.root());
    assert_eq!(cs.num_constraints(), 2 * 421 + 6 + 1);
}
