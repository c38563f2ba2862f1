//! Witnesses that must not satisfy: refused natively and by the constraints, for the same reason.

use super::*;

#[test]
fn another_answer_is_refused() {
    let small = mixed();
    let (statement, witness) = small.job();
    assert!(satisfied(&statement, &witness));
    let honest = small.material().answer().unwrap();
    for answer in [
        Answer { count: honest.count + 1, ..honest },
        Answer { sum: honest.sum + 1, ..honest },
        Answer { sum: honest.sum - 1, ..honest },
        Answer {
            groups: {
                let mut g = honest.groups;
                g.rotate_left(1);
                g
            },
            ..honest
        },
        Answer { least: 2, ..honest },
    ] {
        let statement = Statement { output_root: answer.commitment(&BLINDING), ..statement };
        assert!(!satisfied(&statement, &witness), "{answer:?}");
    }
}

#[test]
fn another_blinding_or_owner_is_refused() {
    let (statement, witness) = mixed().job();
    let mut blinded = witness.clone();
    blinded.blinding.0[0] ^= 1;
    assert!(!satisfied(&statement, &blinded));
    let mut other = witness;
    other.owner = OwnerSecret::new(&[4; 32], &[6; 31]).unwrap();
    assert!(!satisfied(&statement, &other));
}

#[test]
fn records_changed_left_out_or_added_are_refused() {
    let (statement, witness) = mixed().job();
    for place in 0..6 {
        let mut changed = witness.clone();
        changed.records[place].data += Field::from(1u64);
        assert!(!satisfied(&statement, &changed));
        let mut changed = witness.clone();
        changed.records[place].level ^= 1;
        assert!(!satisfied(&statement, &changed));
        let mut changed = witness.clone();
        changed.records[place].value = Some(changed.records[place].value.unwrap_or(0) ^ 1);
        assert!(!satisfied(&statement, &changed));
        let mut fewer = witness.clone();
        fewer.records.remove(place);
        assert!(!satisfied(&statement, &fewer));
        let mut more = witness.clone();
        more.records.insert(place, more.records[place]);
        assert!(!satisfied(&statement, &more));
    }
}

#[test]
fn a_value_left_out_of_a_level_is_refused() {
    // level·2^33 + v has one reading: a value is not hidden in a higher level, nor a level in a value.
    let (statement, mut given) = mixed().given();
    let place = &mut given.places[0];
    assert!(place.level == 0 && place.value > 0);
    place.chosen = [false; BINS];
    assert!(!system(&statement, &given).is_satisfied().unwrap());
}

#[test]
fn counts_other_than_the_records_are_refused() {
    let (statement, witness) = mixed().job();
    for count in [0, 1, 5, 7, 8, 9, 512, u64::MAX] {
        let statement = Statement { count, ..statement };
        assert!(!system(&statement, &Given::of(&witness, 1)).is_satisfied().unwrap(), "count {count}");
        assert!(witness.check_depth(1, &statement).is_err());
    }
}

#[test]
fn values_in_another_bin_are_refused() {
    let small = mixed();
    for place in [0, 2, 3, 4, 5] {
        for bin in 0..BINS {
            let (statement, mut given) = small.given();
            if !given.places[place].chosen[bin] {
                given.places[place].chosen = core::array::from_fn(|b| b == bin);
                assert!(!system(&statement, &given).is_satisfied().unwrap(), "position {place} in bin {bin}");
            }
        }
    }
}

#[test]
fn smaller_groups_than_claimed_are_refused() {
    let small = Small::of(&[Some(-60), Some(-60), Some(500), Some(500)], 2);
    let (statement, witness) = small.job();
    let mut one = witness;
    for least in [1, 3, 4, 5, 100] {
        one.least = least;
        assert!(!satisfied(&statement, &one), "{least}");
    }
}

#[test]
fn every_changed_or_swapped_public_input_is_refused() {
    let (statement, given) = mixed().given();
    let mut wires = Wires::of(&system(&statement, &given));
    for first in 1..=input::LENGTH {
        let honest = wires.values[first];
        for delta in [Field::from(1u64), -Field::from(1u64), Field::from(1u64 << 60), -honest] {
            assert!(wires.notice(first, honest + delta), "input {first}");
        }
        for second in first + 1..=input::LENGTH {
            wires.values.swap(first, second);
            assert!(!wires.hold(), "inputs {first} and {second}");
            wires.values.swap(first, second);
        }
    }
    assert!(wires.hold());
}

#[test]
fn gathering_from_unequal_lengths_is_refused() {
    let (small, other) = (mixed(), Small::of(&[Some(1)], 1));
    let unequal = Material { leaves: &small.leaves[1..], ..small.material() };
    assert!(matches!(Witness::gather(&unequal), Err(Error::Unsatisfied { .. })));
    let unequal = Material { records: &other.records, ..small.material() };
    assert!(matches!(Witness::gather(&unequal), Err(Error::Unsatisfied { .. })));
}
