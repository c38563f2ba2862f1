//! The key linter: one key broken for each rule. Verifying keys: read back as written, and refused when malformed or worthless.
#![allow(clippy::unwrap_used)]

use ark_bn254::{Fq, Fq2, G1Affine, G2Affine};
use ark_ec::AffineRepr;
use ark_ff::{BigInteger, PrimeField};
use zk::{
    Circuit, Error,
    keys::{Rule, VERIFYING_KEY_BYTES, VerifyingKey, lint},
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

/// `q − number`.
fn negated(word: &[u8]) -> Vec<u8> {
    (-Fq::from_be_bytes_mod_order(word)).into_bigint().to_bytes_be()
}

/// The key with the point at `place` turned to its opposite.
fn opposite(mut key: Vec<u8>, (start, length): (usize, usize)) -> Vec<u8> {
    for word in start + length / 2..start + length {
        let negated = negated(&key[part((word, 1))]);
        key[part((word, 1))].copy_from_slice(&negated);
    }
    key
}

fn with(place: (usize, usize), words: &[Vec<u8>]) -> Vec<u8> {
    let mut key = bytes();
    key[part(place)].copy_from_slice(&words.concat());
    key
}

fn word(coordinate: Fq) -> Vec<u8> {
    coordinate.into_bigint().to_bytes_be()
}

fn g2(point: G2Affine) -> Vec<Vec<u8>> {
    [point.x.c1, point.x.c0, point.y.c1, point.y.c0].map(word).to_vec()
}

/// A point of the twisted curve; nearly every one is outside the subgroup.
fn outside_the_subgroup() -> G2Affine {
    (1u64..).find_map(|x| G2Affine::get_point_from_x_unchecked(Fq2::from(x), false)).unwrap()
}

/// A key broken for each rule, as a contract's constructor would take it.
fn broken(rule: Rule) -> Vec<u8> {
    let infinity = |words| vec![vec![0; 32]; words];
    let generator = G1Affine::generator();
    match rule {
        Rule::Length => bytes()[..26 * 32].to_vec(),
        Rule::Coordinate => with((0, 1), &[vec![0xff; 32]]),
        Rule::Infinity => with(GAMMA, &infinity(4)),
        Rule::InputInfinity => with(input(3), &infinity(2)),
        Rule::OffCurve => with((0, 1), &[vec![1; 32]]),
        Rule::Subgroup => with(DELTA, &g2(outside_the_subgroup())),
        Rule::AlphaGenerator => with(ALPHA, &[word(generator.x), word(generator.y)]),
        Rule::BetaGenerator => with(BETA, &g2(G2Affine::generator())),
        Rule::DeltaGenerator => with(DELTA, &g2(G2Affine::generator())),
        Rule::GammaIsDelta => copied(DELTA, GAMMA),
        Rule::GammaIsMinusDelta => opposite(copied(DELTA, GAMMA), GAMMA),
        Rule::BetaIsGamma => copied(BETA, GAMMA),
        Rule::BetaIsDelta => opposite(copied(DELTA, BETA), BETA),
        Rule::EqualInputs => copied(input(2), input(5)),
        Rule::OppositeInputs => opposite(copied(input(1), input(6)), input(6)),
    }
}

#[test]
fn linter_finds_the_one_rule_that_each_key_breaks() {
    for rule in Rule::ALL {
        let key = broken(rule);
        assert_eq!(lint(key.as_chunks().0), [rule]);
        match VerifyingKey::from_bytes(&key) {
            Err(Error::Key { reason }) => assert!(rule == Rule::Length || reason == rule.to_string(), "{reason}"),
            other => panic!("not refused for {rule:?}: {other:?}"),
        }
    }
}

#[test]
fn linter_passes_the_pinned_keys_and_names_them_development_keys() {
    for circuit in Circuit::ALL {
        let key = VerifyingKey::pinned(circuit).unwrap();
        assert_eq!(lint(&key_words(&key)), []);
        assert!(key.is_development().unwrap());
    }
    let changed = VerifyingKey::from_bytes(&opposite(bytes(), input(4))).unwrap();
    assert!(!changed.is_development().unwrap());
}

#[test]
fn linter_finds_several_rules_at_once() {
    let mut key = broken(Rule::GammaIsDelta);
    key.copy_within(part(input(0)), part(input(1)).start);
    assert_eq!(lint(key.as_chunks().0), [Rule::GammaIsDelta, Rule::EqualInputs]);
    refused(&key, "gamma equals delta");
    refused(&key, "same point");
}

/// Whoever holds a key with gamma equal to delta forges a proof of any statement: why that rule is there.
#[test]
fn forgery_works_on_the_broken_key_alone() {
    use ark_bn254::{Bn254, Fr};
    use ark_ec::{CurveGroup, pairing::Pairing};

    let point = |key: &[u8], (start, _): (usize, usize)| {
        let at = |word: usize| Fq::from_be_bytes_mod_order(&key[part((start + word, 1))]);
        G1Affine::new(at(0), at(1))
    };
    let twisted = |key: &[u8], (start, _): (usize, usize)| {
        let at = |word: usize| Fq::from_be_bytes_mod_order(&key[part((start + word, 1))]);
        G2Affine::new(Fq2::new(at(1), at(0)), Fq2::new(at(3), at(2)))
    };
    let holds = |key: &[u8]| {
        let inputs = [7u64, 1, 2, 3, 4, 5].map(Fr::from);
        let sum = (0..6).map(|i| point(key, input(i + 1)) * inputs[i]).sum::<ark_bn254::G1Projective>();
        let sum = (sum + point(key, input(0))).into_affine();
        // A = alpha, B = beta, C = −sum: e(A, B) = e(alpha, beta) · e(sum, gamma) · e(C, delta).
        let (a, b, c) = (point(key, ALPHA), twisted(key, BETA), -sum);
        let right = Bn254::multi_pairing(
            [point(key, ALPHA), sum, c],
            [twisted(key, BETA), twisted(key, GAMMA), twisted(key, DELTA)],
        );
        Bn254::pairing(a, b) == right
    };
    assert!(holds(&broken(Rule::GammaIsDelta)));
    assert!(!holds(&bytes()));
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
