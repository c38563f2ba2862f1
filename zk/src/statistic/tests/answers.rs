//! The native answer: bins, groups, commitment.

use ark_ff::Field as _;

use super::*;

fn answer(values: &[i32], least: u32) -> Answer {
    Answer::compute(values.iter().copied(), bins(), least).unwrap()
}

#[test]
fn bins_hold_every_value_once() {
    let bins = bins();
    let edges = *bins.edges();
    for bin in 0..BINS {
        assert_eq!(bins.bin(edges[bin]), bin);
        assert_eq!(bins.bin(edges[bin + 1] - 1), bin);
    }
    assert_eq!((bins.bin(i32::MIN), bins.bin(edges[0] - 1)), (0, 0));
    assert_eq!((bins.bin(i32::MAX), bins.bin(edges[16])), (15, 15));
}

#[test]
fn edges_that_do_not_rise_are_refused() {
    let refused = |edges: &[i32]| matches!(Bins::new(edges), Err(Error::Unsatisfied { .. }));
    let good: Vec<i32> = (0..17).collect();
    assert!(!refused(&good));
    assert!(refused(&good[..16]) && refused(&[]) && refused(&[good.clone(), vec![17]].concat()));
    for place in 0..16 {
        let mut equal = good.clone();
        equal[place] = equal[place + 1];
        assert!(refused(&equal));
        let mut swapped = good.clone();
        swapped.swap(place, place + 1);
        assert!(refused(&swapped));
    }
}

#[test]
fn no_group_is_smaller_than_asked() {
    // A number for each draw of a small generator: the same on every machine.
    let mut state = 1u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as i32
    };
    for _ in 0..500 {
        let values: Vec<i32> = (0..1 + next() % 60).map(|_| next() % 200 - 100).collect();
        let least = 1 + next() as u32 % values.len() as u32;
        let answer = answer(&values, least);
        let groups = answer.groups();
        assert!(groups.iter().all(|group| group.count >= least), "{groups:?}");
        assert_eq!(groups.iter().map(|group| group.count).sum::<u32>(), answer.count);
        assert_eq!((groups[0].bins.start, groups[groups.len() - 1].bins.end), (0, BINS));
        for group in &groups {
            let inside = values.iter().filter(|value| group.bins.contains(&bins().bin(**value))).count();
            assert_eq!(inside, group.count as usize);
        }
        assert!(groups.windows(2).all(|pair| pair[0].bins.end == pair[1].bins.start));
    }
}

#[test]
fn bins_that_are_large_enough_stay_apart() {
    let edges = *bins().edges();
    let values: Vec<i32> = edges[..16].iter().flat_map(|edge| [*edge, *edge + 1]).collect();
    assert_eq!(answer(&values, 2).groups, [2; BINS]);
    assert_eq!(answer(&values, 3).groups[..3], [0, 4, 0]);
    assert_eq!(answer(&values, 32).groups[15], 32);
}

#[test]
fn answers_over_too_few_values_are_refused() {
    let refused = |values: &[i32], least| Answer::compute(values.iter().copied(), bins(), least);
    assert!(matches!(refused(&[], 1), Err(Error::TooFew { values: 0, least: 1 })));
    assert!(matches!(refused(&[1, 2], 3), Err(Error::TooFew { values: 2, least: 3 })));
    assert!(matches!(refused(&[1, 2], 0), Err(Error::Unsatisfied { .. })));
    assert!(matches!(refused(&[0; 513], 1), Err(Error::Count { count: 513, capacity: 512 })));
    refused(&[0; 512], 512).unwrap();
}

#[test]
fn commitment_changes_with_every_part_of_the_answer() {
    let honest = answer(&[-60, -41, 0, 3, 500], 1);
    let mut edges = *honest.bins.edges();
    edges[15] += 1;
    let changes = [
        Answer { least: 2, ..honest },
        Answer { count: 6, ..honest },
        Answer { sum: honest.sum + 1, ..honest },
        Answer { sum: -honest.sum, ..honest },
        Answer {
            groups: {
                let mut g = honest.groups;
                g.swap(1, 2);
                g
            },
            ..honest
        },
        Answer { bins: Bins::new(&edges).unwrap(), ..honest },
    ];
    for changed in changes {
        assert_ne!(changed, honest);
        assert_ne!(changed.commitment(&BLINDING), honest.commitment(&BLINDING));
    }
    assert_ne!(honest.commitment(&[8; 31]), honest.commitment(&BLINDING));
}

#[test]
fn extreme_sums_pack_apart_from_counts() {
    let packed = |value: i32| answer(&[value; 512], 512).packed();
    let shift = Field::from(2u64).pow([10 * 18]);
    let counts = (0..18)
        .filter(|place| [0, 1, 17].contains(place))
        .map(|place| Field::from(512u64) * Field::from(2u64).pow([10 * place]));
    let counts: Field = counts.sum();
    for value in [i32::MIN, -1, 0, 1, i32::MAX] {
        let sum = 512 * i64::from(value) + (1 << 41);
        assert!(sum > 0 && sum < 1 << 42);
        assert_eq!(packed(value), shift * Field::from(sum as u64) + counts);
    }
}
