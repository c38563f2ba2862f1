//! The native hash, the gadget and light-poseidon agree, and agree with vectors made by poseidon-lite.

use std::str::FromStr;

use ark_ff::{Field as _, PrimeField, UniformRand};
use ark_r1cs_std::{GR1CSVar, alloc::AllocVar, fields::fp::FpVar};
use ark_relations::gr1cs::ConstraintSystem;
use ark_std::test_rng;
use light_poseidon::{Poseidon, PoseidonHasher};
use proptest::prelude::*;

use super::*;

/// `poseidon-lite` 0.3: inputs 1, 2, …, n; line n is the hash of the first n.
const PUBLISHED: &str = include_str!("../../pinned/poseidon.txt");

fn random(count: usize) -> Vec<Field> {
    let mut rng = test_rng();
    (0..count).map(|_| Field::rand(&mut rng)).collect()
}

fn plain(words: &[Field]) -> Field {
    Poseidon::<Field>::new_circom(words.len()).unwrap().hash(words).unwrap()
}

#[test]
fn hash_of_one_and_two_is_the_published_one() {
    let expected = "7853200120776062878684798364095072458815029376092732009249414926327459813530";
    assert_eq!(raw(&[Field::from(1u64), Field::from(2u64)]), Field::from_str(expected).unwrap());
}

#[test]
fn published_vectors_of_every_width_hold() {
    let words: Vec<_> = (1..=12u64).map(Field::from).collect();
    let expected: Vec<_> = PUBLISHED.lines().map(|line| Field::from_str(line).unwrap()).collect();
    assert_eq!(expected.len(), 12);
    for (length, expected) in (1..).zip(expected) {
        assert_eq!(raw(&words[..length]), expected, "{length} inputs");
    }
}

#[test]
fn recurrence_equals_the_plain_form_at_every_width() {
    for length in 1..=12 {
        for words in random(length * 20).chunks(length) {
            assert_eq!(raw(words), plain(words), "{length} inputs");
        }
        for edge in [Field::ZERO, Field::ONE, -Field::ONE] {
            assert_eq!(raw(&vec![edge; length]), plain(&vec![edge; length]));
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[test]
fn published_vectors_of_every_width_hold_in_every_lane() {
    let Some(avx512) = lanes::detected() else {
        return eprintln!("this processor has no AVX-512 with IFMA: nothing was tested");
    };
    let words: Vec<_> = (1..=12u64).map(|word| Lanes::of(avx512, [Field::from(word); lanes::LANES])).collect();
    for (length, expected) in (1..).zip(PUBLISHED.lines()) {
        let expected = [Field::from_str(expected).unwrap(); lanes::LANES];
        assert_eq!(raw_lanes(avx512, &words[..length]).elements(avx512), expected, "{length} inputs");
    }
}

/// [`hash_each`] is [`hash`] of each, and that is the plain form's.
fn hashes_each<const N: usize>(inputs: &[[Field; N]]) {
    let hashes = hash_each(Tag::Node, inputs);
    assert_eq!(hashes, inputs.iter().map(|inputs| hash(Tag::Node, inputs)).collect::<Vec<_>>(), "{N} inputs");
    if let (Some(first), Some(inputs)) = (hashes.first(), inputs.first()) {
        assert_eq!(*first, plain(&[&[Tag::Node.element()][..], inputs].concat()));
    }
}

#[test]
fn hash_of_each_is_its_hash_at_every_width_and_length() {
    fn at_every_length<const N: usize>() {
        let words = random(17 * N);
        let inputs: Vec<[Field; N]> = words.chunks(N.max(1)).map(|words| words.try_into().unwrap()).collect();
        (0..=inputs.len()).for_each(|length| hashes_each(&inputs[..length]));
    }
    hashes_each(&[[]; 17]);
    at_every_length::<1>();
    at_every_length::<2>();
    at_every_length::<3>();
    at_every_length::<4>();
    at_every_length::<5>();
    at_every_length::<8>();
    at_every_length::<11>();
}

#[test]
fn hash_of_each_is_its_hash_at_all_edges() {
    fn at_all_edges<const N: usize>() {
        let edges = [Field::ZERO, Field::ONE, -Field::ONE];
        let input = |number: usize| core::array::from_fn(|place| edges[number / 3usize.pow(place as u32) % 3]);
        hashes_each::<N>(&(0..3usize.pow(N as u32)).map(input).collect::<Vec<_>>());
    }
    at_all_edges::<2>();
    at_all_edges::<3>();
    at_all_edges::<8>();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn hash_of_each_is_its_hash(words: Vec<[u8; 32]>) {
        let words: Vec<_> = words.iter().map(|bytes| Field::from_le_bytes_mod_order(bytes)).collect();
        hashes_each::<1>(words.as_chunks().0);
        hashes_each::<2>(words.as_chunks().0);
        hashes_each::<3>(words.as_chunks().0);
        hashes_each::<8>(words.as_chunks().0);
    }
}

#[test]
fn tag_is_the_first_input() {
    let words = random(3);
    assert_eq!(
        hash(Tag::Data, &[words[0], words[1], words[2]]),
        plain(&[Field::from(4u64), words[0], words[1], words[2]])
    );
    assert_eq!(hash(Tag::Empty, &[]), plain(&[Field::from(3u64)]));
}

#[test]
fn tags_part_the_same_inputs() {
    let tags = [Tag::Leaf, Tag::Node, Tag::Empty, Tag::Data, Tag::Owner, Tag::Draw, Tag::Output, Tag::Result];
    let mut hashes: Vec<_> = tags.map(|tag| hash(tag, &[Field::ONE, Field::ONE]).into_bigint()).to_vec();
    hashes.sort();
    hashes.dedup();
    assert_eq!(hashes.len(), tags.len());
}

#[test]
fn gadget_equals_the_native_hash_at_every_width() {
    for length in 1..=12 {
        let words = random(length);
        let cs = ConstraintSystem::new_ref();
        let wires: Vec<_> = words.iter().map(|w| FpVar::new_witness(cs.clone(), || Ok(*w)).unwrap()).collect();
        let out = gadget::raw(&cs, &wires).unwrap();
        assert_eq!(out.value().unwrap(), raw(&words), "{length} inputs");
        // The wires agree with the constraints, not only the values carried beside them.
        let same = FpVar::new_witness(cs.clone(), || Ok(raw(&words))).unwrap();
        ark_r1cs_std::eq::EqGadget::enforce_equal(&out, &same).unwrap();
        assert!(cs.is_satisfied().unwrap());
    }
}

#[test]
fn gadget_refuses_another_output() {
    let cs = ConstraintSystem::new_ref();
    let wires: Vec<_> = random(9).iter().map(|w| FpVar::new_witness(cs.clone(), || Ok(*w)).unwrap()).collect();
    let out = gadget::raw(&cs, &wires).unwrap();
    let other = FpVar::new_witness(cs.clone(), || Ok(out.value().unwrap() + Field::ONE)).unwrap();
    ark_r1cs_std::eq::EqGadget::enforce_equal(&out, &other).unwrap();
    assert!(!cs.is_satisfied().unwrap());
}

#[test]
fn gadget_notices_every_changed_wire() {
    let cs = ConstraintSystem::new_ref();
    let wires: Vec<_> = random(2).iter().map(|w| FpVar::new_input(cs.clone(), || Ok(*w)).unwrap()).collect();
    let out = gadget::raw(&cs, &wires).unwrap();
    let fixed = FpVar::new_input(cs.clone(), || out.value()).unwrap();
    ark_r1cs_std::eq::EqGadget::enforce_equal(&out, &fixed).unwrap();
    let mut wires = crate::wires::Wires::of(&cs);
    for wire in 1..wires.values.len() {
        let changed = wires.values[wire] + Field::ONE;
        assert!(wires.notice(wire, changed), "wire {wire}");
    }
    assert!(wires.hold());
}

#[test]
fn gadget_costs_three_constraints_for_each_variable_s_box() {
    let cost = |wires: usize, constants: usize| {
        let cs = ConstraintSystem::new_ref();
        let mut words = vec![FpVar::Constant(Field::ONE); constants];
        words.extend((0..wires).map(|_| FpVar::new_witness(cs.clone(), || Ok(Field::ONE)).unwrap()));
        let _hash = gadget::raw(&cs, &words).unwrap();
        cs.num_constraints()
    };
    assert_eq!(cost(2, 0), 240);
    assert_eq!(cost(8, 1), 3 * (8 * 10 + 60) - 6);
    assert_eq!(cost(0, 2), 0);
}

#[test]
fn gadget_refuses_widths_without_parameters() {
    let cs = ConstraintSystem::new_ref();
    let word = FpVar::new_witness(cs.clone(), || Ok(Field::ONE)).unwrap();
    assert!(gadget::raw(&cs, &vec![word; 13]).is_err());
    assert!(gadget::raw(&cs, &[]).is_err());
}
