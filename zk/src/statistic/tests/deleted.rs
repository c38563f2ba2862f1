//! Constraints deleted in turn: each refuses a lie alone, but one.

use super::*;
use crate::{
    merkle::empty_leaf,
    poseidon::{Tag, hash},
    support::sampled,
    wires::alone::Open,
};

/// Datasets around which lies are looked for.
fn datasets() -> Vec<Small> {
    // The outer bins are of unlike widths; here the last is the wider one, in `mixed` the first.
    let low = Bins::new(&(0..17).map(|edge| 9 * edge - 200).collect::<Vec<_>>()).unwrap();
    let mut all = vec![mixed(), Small::of(&[None, Some(0)], 1), Small { bins: low, ..Small::of(&[None, Some(0)], 1) }];
    // The last record has no value, so that it need not be one.
    all.extend((1..8).map(|last| Small::of(&(0..=last).map(|place| (place == 0).then_some(0)).collect::<Vec<_>>(), 1)));
    // A number of values is in each bin, so that every comparison of a group's size comes out both ways somewhere.
    let edges = *bins().edges();
    let at = |bins: &[usize]| bins.iter().map(|bin| Some(edges[*bin])).collect::<Vec<_>>();
    all.push(Small::of(&at(&[0, 2, 4, 6, 8, 10, 12, 14]), 1));
    all.extend([Small::of(&at(&[0, 0, 15, 15]), 2), Small::of(&at(&[15]), 1), Small::of(&at(&[0]), 1)]);
    all.extend((0..BINS).map(|bin| Small::of(&at(&[bin, bin, bin]), 3)));
    all.extend((1..BINS).map(|bin| Small::of(&at(&[bin - 1, bin, bin]), 2)));
    all
}

fn wires(small: &Small) -> Wires {
    let (statement, given) = small.given();
    Wires::of(&system(&statement, &given))
}

/// `ZK_DELETED` constraints, from the seed `ZK_SEED`.
#[test]
fn constraints_deleted_let_a_lie_pass() {
    let settled = [input::ROOT, input::COUNT, input::OWNER, input::OUTPUT_ROOT].map(|place| 1 + place);
    let honest = wires(&mixed());
    let constraints = honest.constraints();
    let mut left = sampled(constraints);
    let tried = left.len();
    for small in datasets() {
        left = wires(&small).unnoticed(&left, Open { settled: &settled, twins: &[] });
    }
    println!(
        "statistic, eight positions: {tried} of {constraints} constraints, seed {}: {} refuse a lie alone",
        number_from("ZK_SEED", 1),
        tried - left.len()
    );
    // Written list: that the first position's bit is one. Were it not, no later record could be there, nor a value anywhere,
    // since a value needs a bit that is 1; and an answer about no values is refused by what bounds `least`.
    let first = honest.bits_summed_to(1 + input::COUNT)[0];
    assert!(left.iter().all(|row| *row == first), "{left:?} of {constraints}");
}

#[test]
fn constraints_leave_open_only_what_hashes_hide() {
    for small in datasets().iter().take(3) {
        let freedom = wires(small).freedom();
        // The owner's two secrets fix one commitment, the eight contents one root.
        assert_eq!((freedom.directions, freedom.unnamed), (1 + 8 - 1, 0));
    }
}

#[test]
fn a_tree_without_records_is_refused() {
    let (statement, mut given) = mixed().given();
    given.places.fill(witness::Place::default());
    let root = hash(Tag::Node, &[empty_leaf(); 8]);
    let statement = Statement { count: 0, root, ..statement };
    assert!(!system(&statement, &given).is_satisfied().unwrap());
    assert_eq!(capacity(1), 8);
}
