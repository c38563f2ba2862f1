//! Drawn positions: native and in the circuit.

use ark_ff::{AdditiveGroup, PrimeField};
use ark_r1cs_std::{GR1CSVar, alloc::AllocVar, boolean::Boolean, fields::fp::FpVar};
use ark_relations::gr1cs::ConstraintSystem;

use crate::{
    Field,
    provenance::{
        Shape,
        draw::{draws, scale},
        gadget, positions,
    },
    support::context,
    wires::Wires,
};

#[test]
fn word_bits_spell_the_lowest_240_bits() {
    let challenge = context("words");
    let hash = crate::poseidon::hash(crate::poseidon::Tag::Draw, &[challenge, Field::ZERO]).into_bigint();
    let bits = ark_ff::BigInteger::to_bits_le(&hash);
    let word = |i: usize| (0..60).filter(|b| bits[60 * i + b]).map(|b| 1u64 << b).sum::<u64>();
    // With 2^60 positions the scaled word is the word.
    let drawn: Vec<_> = draws(challenge, 1 << 60).take(4).collect();
    assert_eq!(drawn, [word(0), word(1), word(2), word(3)]);
}

#[test]
fn positions_stay_below_the_count() {
    for count in [1, 2, 3, 7, 8, 9, 1000, 2_097_151, 2_097_152] {
        for challenge in 0..50u64 {
            assert!(positions(Field::from(challenge), count).iter().all(|p| *p < count));
        }
        assert_eq!(scale((1 << 60) - 1, count), count - 1);
        assert_eq!(scale(0, count), 0);
    }
}

#[test]
fn positions_are_even_over_an_awkward_count() {
    let mut seen = [0u32; 7];
    for challenge in 0..1000u64 {
        positions(Field::from(challenge), 7).iter().for_each(|p| seen[*p as usize] += 1);
    }
    // 8,000 draws over 7: 1,143 each, standard deviation 31.
    assert!(seen.iter().all(|n| (990..1300).contains(n)), "{seen:?}");
}

#[test]
fn number_and_number_plus_modulus_are_not_both_decompositions() {
    let bits = |value: ark_ff::BigInteger256| {
        let cs = ConstraintSystem::<Field>::new_ref();
        let all = ark_ff::BigInteger::to_bits_le(&value);
        let bits: Vec<_> = all[..254].iter().map(|b| Boolean::new_witness(cs.clone(), || Ok(*b)).unwrap()).collect();
        Boolean::enforce_in_field_le(&bits).unwrap();
        cs.is_satisfied().unwrap()
    };
    let mut aliased = ark_ff::BigInteger256::from(12345u64);
    assert!(bits(aliased));
    assert!(!ark_ff::BigInteger::add_with_carry(&mut aliased, &Field::MODULUS));
    assert!(!bits(aliased));
    assert!(!bits(Field::MODULUS));
}

#[test]
fn drawn_positions_in_the_circuit_are_the_native_ones() {
    for (count, challenge) in [(1, 3), (5, 4), (8, 5), (61, 6), (64, 7)] {
        let cs = ConstraintSystem::new_ref();
        let wire = |value| FpVar::new_input(cs.clone(), || Ok(value)).unwrap();
        let (challenge, count_wire) = (wire(Field::from(challenge as u64)), wire(Field::from(count)));
        let drawn = gadget::draw(&cs, Shape { depth: 2, draws: 6 }, &challenge, &count_wire).unwrap();
        let values: Vec<u64> = drawn
            .iter()
            .map(|bits| bits.iter().rev().fold(0, |n, bit| 2 * n + u64::from(bit.value().unwrap())))
            .collect();
        assert_eq!(values, draws(challenge.value().unwrap(), count).take(6).collect::<Vec<_>>());
        assert!(cs.is_satisfied().unwrap());
    }
}

#[test]
fn position_equal_to_the_count_is_refused() {
    // The largest word and 5 records: position 4 is the only one with a rest of 60 bits that is not negative.
    let (word, count) = ((1u64 << 60) - 1, 5u64);
    let cs = ConstraintSystem::new_ref();
    let wire = |value: u64| FpVar::new_witness(cs.clone(), || Ok(Field::from(value))).unwrap();
    gadget::scaled(&cs, &wire(word), &wire(count), 2).unwrap();
    let mut wires = Wires::of(&cs);
    assert!(wires.hold());
    // After the constant and the two wires come six bits of the position, then sixty of the rest.
    for wrong in 0..64u64 {
        let rest = (u128::from(word) * u128::from(count)).wrapping_sub(u128::from(wrong) << 60);
        (0..6).for_each(|b| wires.values[3 + b] = Field::from(wrong >> b & 1));
        (0..60).for_each(|b| wires.values[9 + b] = Field::from((rest >> b & 1) as u64));
        assert_eq!(wires.hold(), wrong == count - 1, "{wrong}");
    }
}

#[test]
fn numbers_above_the_modulus_are_noticed_by_one_constraint_each() {
    use std::collections::BTreeSet;

    use ark_ff::{BigInteger, Field as _};

    let mut below = Field::MODULUS;
    below.sub_with_borrow(&ark_ff::BigInteger256::from(1u64));
    let mut needed = BTreeSet::new();
    let mut constraints = 0;
    // Numbers that follow r − 1 down to one of its zeros and have a one there: the least that is wrong with a number.
    for place in (0..254).filter(|place| !below.get_bit(*place)) {
        let bits = (0..254).map(|i| if i > place { below.get_bit(i) } else { i == place });
        let cs = ConstraintSystem::<Field>::new_ref();
        let bits: Vec<_> = bits.map(|bit| Boolean::new_witness(cs.clone(), || Ok(bit)).unwrap()).collect();
        Boolean::enforce_in_field_le(&bits).unwrap();
        let mut wires = Wires::of(&cs);
        constraints = wires.constraints();
        let failing = wires.failing_now();
        assert!(!failing.is_empty());
        for wire in wires.public..wires.values.len() {
            for value in [Field::ZERO, Field::ONE] {
                if let [alone] = wires.failing_after(&failing, wire, value)[..] {
                    needed.insert(alone);
                }
            }
        }
    }
    // The first 254 say that bits are bits. Of the others, some only repeat that a wire with 0 or 1 for factors is 0 or
    // 1 itself: deleting those changes nothing.
    let survivors: Vec<_> = (254..constraints).filter(|row| !needed.contains(row)).collect();
    assert_eq!((constraints - 254, survivors.len()), (385, 25), "{survivors:?}");
}
