//! Drawn positions: native and in the circuit.

use ark_ff::{AdditiveGroup, BigInteger, PrimeField};
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
    wires::{Wires, alone::Open},
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
fn positions_are_even_over_awkward_counts() {
    for count in [2, 3, 5, 7, 9, 63, 65, 511] {
        let mut seen = vec![0u32; count];
        for challenge in 0..1000u64 {
            positions(Field::from(challenge), count as u64).iter().for_each(|p| seen[*p as usize] += 1);
        }
        // Chi-square of 8,000 draws: as many as there are positions less one, give or take four standard deviations.
        let expected = 8000.0 / count as f64;
        let chi: f64 = seen.iter().map(|n| (f64::from(*n) - expected).powi(2) / expected).sum();
        let free = (count - 1) as f64;
        assert!(chi < free + 4.0 * (2.0 * free).sqrt() + 4.0, "{count} positions: {chi}");
    }
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

/// Constraints that compare 254 bits with the modulus.
pub const COMPARED: usize = 385;

/// These bits, lowest first, compared with the modulus.
fn compared(bits: impl Iterator<Item = bool>) -> Wires {
    let cs = ConstraintSystem::<Field>::new_ref();
    let bits: Vec<_> = bits.map(|bit| Boolean::new_witness(cs.clone(), || Ok(bit)).unwrap()).collect();
    Boolean::enforce_in_field_le(&bits).unwrap();
    Wires::of(&cs)
}

#[test]
fn numbers_above_the_modulus_are_noticed_by_one_constraint_each() {
    let mut below = Field::MODULUS;
    below.sub_with_borrow(&ark_ff::BigInteger256::from(1u64));
    let honest = compared((0..254).map(|_| false));
    // The first 254 say that bits are bits.
    let mut left: Vec<usize> = (254..honest.constraints()).collect();
    assert_eq!(left.len(), COMPARED);
    // Numbers that follow r − 1 down to one of its zeros and have a one there: the least that is wrong with a number.
    for place in (0..254).filter(|place| !below.get_bit(*place)) {
        let mut wires = compared((0..254).map(|i| if i > place { below.get_bit(i) } else { i == place }));
        let failing = wires.failing_now();
        assert!(!failing.is_empty());
        left.retain(|row| failing != [*row]);
        left = wires.unnoticed(&left, Open { settled: &[], twins: &[] });
    }
    // The survivors are the second halves of "is this run of bits all ones". The first half, `s · m = unequal` with `s` what
    // the run's sum is short of, gives a run of ones `unequal` 0. The second, `s · (1 − unequal) = 0`, forbids to claim
    // the same of another run, which would only add to what later bits may not be. Deleting it lets no number pass.
    println!("{COMPARED} constraints: all but {} refuse a number above the modulus alone", left.len());
    assert!(left.iter().all(|row| honest.is_second_half_of_unequal(*row)), "{left:?}");
    // The modulus has twelve runs of three ones or more; shorter runs are products.
    assert_eq!(left.len(), 12);
}
