//! Verifying keys: read back as written, and refused when malformed or worthless.
#![allow(clippy::unwrap_used)]

use zk::{
    Error,
    keys::{VERIFYING_KEY_BYTES, VerifyingKey},
    merkle::Tier,
    solidity::key_words,
};

/// Where the parts of a key start, in words, and their length.
const ALPHA: (usize, usize) = (0, 2);
const BETA: (usize, usize) = (2, 4);
const GAMMA: (usize, usize) = (6, 4);
const DELTA: (usize, usize) = (10, 4);
const INPUTS: usize = 14;

fn bytes() -> Vec<u8> {
    VerifyingKey::pinned(Tier::Small).unwrap().to_bytes()
}

fn part((start, length): (usize, usize)) -> std::ops::Range<usize> {
    32 * start..32 * (start + length)
}

fn input(place: usize) -> (usize, usize) {
    (INPUTS + 2 * place, 2)
}

fn refused(bytes: &[u8], reason: &str) {
    match VerifyingKey::from_bytes(bytes) {
        Err(Error::Key { reason: said }) => assert!(said.contains(reason), "{said}"),
        other => panic!("not refused for {reason}: {other:?}"),
    }
}

/// The key with `from` written over `to`.
fn copied(from: (usize, usize), to: (usize, usize)) -> Vec<u8> {
    let mut key = bytes();
    key.copy_within(part(from), part(to).start);
    key
}

#[test]
fn pinned_keys_differ_and_round_trip() {
    let keys = Tier::ALL.map(|tier| VerifyingKey::pinned(tier).unwrap());
    for key in &keys {
        assert_eq!(key.to_bytes().len(), VERIFYING_KEY_BYTES);
        assert_eq!(&VerifyingKey::from_bytes(&key.to_bytes()).unwrap(), key);
        assert_eq!(key.to_bytes(), key_words(key).concat());
    }
    assert!(keys[0] != keys[1] && keys[1] != keys[2] && keys[0] != keys[2]);
    assert!(keys[0].digest() != keys[1].digest());
}

#[test]
fn gamma_equal_to_delta_is_refused() {
    refused(&copied(DELTA, GAMMA), "gamma equals delta");
}

#[test]
fn gamma_opposite_to_delta_is_refused() {
    let mut key = copied(DELTA, GAMMA);
    for word in [8, 9] {
        let negated = negated(&key[part((word, 1))]);
        key[part((word, 1))].copy_from_slice(&negated);
    }
    refused(&key, "gamma equals delta");
}

/// `q − number`.
fn negated(word: &[u8]) -> Vec<u8> {
    use ark_ff::{BigInteger, PrimeField};
    (-ark_bn254::Fq::from_be_bytes_mod_order(word)).into_bigint().to_bytes_be()
}

#[test]
fn beta_equal_to_gamma_or_delta_is_refused() {
    refused(&copied(BETA, GAMMA), "beta equals");
    refused(&copied(BETA, DELTA), "beta equals");
}

#[test]
fn equal_input_points_are_refused() {
    for (first, second) in [(0, 1), (1, 2), (0, 6), (5, 6)] {
        refused(&copied(input(first), input(second)), "same point");
    }
}

#[test]
fn points_at_infinity_are_refused() {
    for place in [ALPHA, BETA, GAMMA, DELTA, input(0), input(6)] {
        let mut key = bytes();
        key[part(place)].fill(0);
        refused(&key, "infinity");
    }
}

#[test]
fn points_off_the_curve_are_refused() {
    for place in [ALPHA, BETA, GAMMA, DELTA, input(0), input(6)] {
        let mut key = bytes();
        let last = part(place).end - 1;
        key[last] ^= 1;
        refused(&key, "off its curve");
    }
}

#[test]
fn coordinates_above_the_modulus_are_refused() {
    for word in 0..28 {
        let mut key = bytes();
        key[part((word, 1))].fill(0xff);
        refused(&key, "modulus");
    }
}

#[test]
fn other_lengths_are_refused() {
    let key = bytes();
    refused(&key[..key.len() - 1], "bytes where");
    refused(&key[..key.len() - 64], "bytes where");
    refused(&[key.as_slice(), &[0; 64]].concat(), "bytes where");
    refused(&[], "bytes where");
}
