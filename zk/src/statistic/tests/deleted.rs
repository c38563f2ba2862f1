//! Constraints that add no rank to the others around any solution tried: a dishonest assignment notices each alone.

use std::collections::BTreeSet;

use super::*;
use crate::{
    merkle::empty_leaf,
    poseidon::{Tag, hash},
};

/// The constraints that fail for what is given. The public root and answer are the ones that come out.
fn failing(statement: &Statement, given: &Given) -> Vec<usize> {
    let mut wires = Wires::of(&system(statement, given));
    wires.settle(1 + input::ROOT);
    wires.settle(1 + input::OUTPUT_ROOT);
    wires.failing_now()
}

/// A number of values is in each bin, so that every comparison of a group's size comes out both ways somewhere.
fn datasets() -> Vec<Small> {
    let edges = *bins().edges();
    let at = |bins: &[usize]| bins.iter().map(|bin| Some(edges[*bin])).collect::<Vec<_>>();
    let mut all = vec![mixed(), Small::of(&at(&[0, 0, 15, 15]), 2), Small::of(&at(&[15]), 1), Small::of(&at(&[0]), 1)];
    all.extend((0..BINS).map(|bin| Small::of(&at(&[bin, bin, bin]), 3)));
    all.extend((1..BINS).map(|bin| Small::of(&at(&[bin - 1, bin, bin]), 2)));
    all
}

/// Givens of which exactly one constraint is broken, each by another lie.
fn lies() -> Vec<(Statement, Given)> {
    let mut lies = Vec::new();
    let (statement, honest) = Small::of(&[Some(0), None, None, None, None, None, None, None], 1).given();
    for place in 0..7 {
        // A hole among the records, at any place.
        let mut given = honest.clone();
        given.places[0].value = 0;
        given.places[0].chosen = [false; BINS];
        let (keeper, hole) = if place == 0 { (7, 0) } else { (0, place) };
        given.places[keeper].value = honest.places[0].value;
        given.places[keeper].chosen = honest.places[0].chosen;
        for (position, there) in given.places.iter_mut().enumerate() {
            there.there = position <= place + 1 && position != hole || (keeper == 7 && position > 0);
        }
        let count = given.places.iter().filter(|place| place.there).count() as u64;
        lies.push((Statement { count, ..statement }, given));
    }
    // Fewer records than registered.
    lies.push((Statement { count: 7, ..statement }, honest.clone()));
    for place in 0..8 {
        // A value counted where no record is.
        let mut given = honest.clone();
        given.places.iter_mut().skip(1).for_each(|p| p.there = false);
        given.places[0].there = place > 0;
        given.places[place].value = honest.places[0].value;
        given.places[place].chosen = honest.places[0].chosen;
        if place > 0 {
            given.places[0].value = 0;
            given.places[0].chosen = [false; BINS];
        }
        lies.push((Statement { count: u64::from(place > 0), ..statement }, given));
        // One value in two bins, between the sums of their edges.
        let mut given = honest.clone();
        given.edges = core::array::from_fn(|edge| 2 + 10 * edge as u64);
        given.places[0].value = 0;
        given.places[0].chosen = [false; BINS];
        given.places[place].value = given.edges[0] + given.edges[1];
        given.places[place].chosen = core::array::from_fn(|bin| bin == 1 || bin == 2);
        lies.push((statement, given));
    }
    for edge in 0..16 {
        // One edge that does not rise; the value stays in the first or last bin.
        let mut given = honest.clone();
        given.edges = core::array::from_fn(|place| 1_000 + 10 * place as u64);
        match edge {
            0 => given.edges[0] = 0,
            15 => given.edges[14] = (1 << 32) + 1,
            _ => given.edges[edge - 1] = given.edges[edge] + 5,
        }
        given.places[0].value = 1_145;
        given.places[0].chosen = core::array::from_fn(|bin| bin == if edge == 15 { 14 } else { 15 });
        lies.push((statement, given));
    }
    lies
}

#[test]
fn constraints_that_add_no_rank_are_noticed_by_lies() {
    let mut noticed = BTreeSet::new();
    let mut constraints = 0;
    for small in datasets() {
        let (statement, given) = small.given();
        let mut wires = Wires::of(&system(&statement, &given));
        constraints = wires.constraints();
        let freedom = wires.freedom();
        // Open by design: the owner's two secrets fix one commitment, the eight contents one root.
        assert_eq!((freedom.directions, freedom.unnamed), (1 + 8 - 1, 0));
        let redundant: BTreeSet<usize> = freedom.redundant.into_iter().collect();
        noticed.extend((0..constraints).filter(|row| !redundant.contains(row)));
        let open: Vec<usize> = redundant.into_iter().filter(|row| !noticed.contains(row)).collect();
        noticed.append(&mut wires.alone_noticing(&open));
    }
    let by_wires = noticed.len();
    for (statement, given) in lies() {
        let failing = failing(&statement, &given);
        assert!(!failing.is_empty());
        if let [alone] = failing[..] {
            noticed.insert(alone);
        }
    }
    let survivors: Vec<_> = (0..constraints).filter(|row| !noticed.contains(row)).collect();
    println!("{constraints} constraints: {by_wires} noticed by wires, {} by lies", noticed.len() - by_wires);
    assert!(survivors.is_empty(), "{survivors:?} of {constraints}");
}

#[test]
fn a_tree_without_records_is_refused() {
    let (statement, mut given) = mixed().given();
    given.places.fill(witness::Place::default());
    let root = hash(Tag::Node, &[empty_leaf(); 8]);
    let statement = Statement { count: 0, root, ..statement };
    assert!(!failing(&statement, &given).is_empty());
    assert_eq!(capacity(1), 8);
}
