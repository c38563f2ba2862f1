//! Campaigns against the verifier: malformed proofs and statements in numbers, and what anybody may do to a proof.
//!
//! `ZK_PROOFS` and `ZK_STATEMENTS` are how many are tried, `ZK_SEED` where they start.

use ark_bn254::{Fq, Fq2, Fr, G1Projective, G2Projective};
use ark_ec::{AffineRepr, CurveGroup};
use ark_ff::{BigInteger, UniformRand};
use ark_std::rand::{Rng, SeedableRng, rngs::StdRng};

use super::*;
use crate::{merkle::Tier, statement::input, support::number_from};

/// The stored statement and proof of every circuit with its pinned key.
fn stored() -> Vec<(VerifyingKey, Statement, Proof)> {
    let texts = [
        include_str!("../../pinned/provenance-1-small.json"),
        include_str!("../../pinned/provenance-1-medium.json"),
        include_str!("../../pinned/provenance-1-large.json"),
        include_str!("../../pinned/statistic-1.json"),
    ];
    let read = |(circuit, text): (Circuit, &str)| {
        let words: Vec<Word> =
            text.split("\"0x").skip(1).map(|rest| hex::decode(&rest[..64]).unwrap().try_into().unwrap()).collect();
        let statement = Statement::from_words(words[28..34].try_into().unwrap()).unwrap();
        let proof = Proof::from_words(words[34..].try_into().unwrap()).unwrap();
        (VerifyingKey::pinned(circuit).unwrap(), statement, proof)
    };
    Circuit::ALL.into_iter().zip(texts).map(read).collect()
}

fn accepted(key: &VerifyingKey, statement: &Statement, words: &[Word; PROOF_WORDS]) -> bool {
    Proof::from_words(words).is_ok_and(|proof| verify(key, statement, &proof).is_ok())
}

/// `word + times · modulus`, `None` past 2^256.
fn aliased(word: &Word, modulus: impl BigInteger, times: usize) -> Option<Word> {
    let mut number = *word;
    for _ in 0..times {
        let mut carry = 0;
        for (digit, add) in number.iter_mut().rev().zip(modulus.to_bytes_le()) {
            let sum = u16::from(*digit) + u16::from(add) + carry;
            (*digit, carry) = (sum as u8, sum >> 8);
        }
        if carry > 0 {
            return None;
        }
    }
    Some(number)
}

fn random_word(rng: &mut StdRng) -> Word {
    let mut word = [0; 32];
    rng.fill(&mut word);
    word
}

fn point_outside_the_subgroup(rng: &mut StdRng) -> G2Affine {
    loop {
        let point = G2Affine::get_point_from_x_unchecked(Fq2::rand(rng), rng.gen_bool(0.5));
        if let Some(point) = point.filter(|p| !p.is_in_correct_subgroup_assuming_on_curve()) {
            return point;
        }
    }
}

/// A proof changed in one of fourteen ways.
fn malformed(proof: &Proof, stranger: &Proof, way: usize, rng: &mut StdRng) -> [Word; PROOF_WORDS] {
    let mut words = proof.to_words();
    let place = rng.gen_range(0..PROOF_WORDS);
    let mut changed = *proof;
    match way {
        0 => words[place][rng.gen_range(0..32)] ^= 1 << rng.gen_range(0..8),
        1 => {
            let alias = aliased(&words[place], <Fq as PrimeField>::MODULUS, rng.gen_range(1..6));
            words[place] = alias.unwrap_or([0xff; 32]);
        }
        2 => words[place] = random_word(rng),
        3 => words.swap(place, (place + rng.gen_range(1..PROOF_WORDS)) % PROOF_WORDS),
        4 => words[[0..2, 2..6, 6..8][place % 3].clone()].fill([0; 32]),
        5 => words = core::array::from_fn(|_| random_word(rng)),
        // The two parts of each coordinate of G2 the other way round.
        6 => [(2, 3), (4, 5)].into_iter().for_each(|(first, second)| words.swap(first, second)),
        7 => words.rotate_left(2),
        _ => {
            let random = Fr::rand(rng);
            match way {
                8 => changed.a = G1Projective::rand(rng).into_affine(),
                9 => changed.c = G1Projective::rand(rng).into_affine(),
                10 => changed.b = G2Projective::rand(rng).into_affine(),
                11 => changed.b = point_outside_the_subgroup(rng),
                12 => match place % 4 {
                    0 => changed.a = -changed.a,
                    1 => changed.b = -changed.b,
                    2 => changed.c = -changed.c,
                    _ => changed.a = (changed.a * random).into_affine(),
                },
                _ => match place % 4 {
                    0 => changed.a = stranger.a,
                    1 => changed.b = stranger.b,
                    2 => changed.c = stranger.c,
                    _ => {
                        changed = Proof { a: G1Affine::generator(), b: G2Affine::generator(), c: G1Affine::generator() }
                    }
                },
            }
            return changed.to_words();
        }
    }
    words
}

#[test]
fn malformed_proofs_are_refused() {
    let (seed, proofs) = (number_from("ZK_SEED", 1), number_from("ZK_PROOFS", 2000) as usize);
    let (mut rng, stored) = (StdRng::seed_from_u64(seed), stored());
    let mut undecoded = 0;
    for number in 0..proofs {
        let (key, statement, proof) = &stored[number % stored.len()];
        let stranger = &stored[(number + 1) % stored.len()].2;
        let words = malformed(proof, stranger, number / stored.len() % 14, &mut rng);
        assert_ne!(words, proof.to_words(), "number {number}, seed {seed}");
        undecoded += usize::from(Proof::from_words(&words).is_err());
        assert!(!accepted(key, statement, &words), "number {number}, seed {seed}");
    }
    println!("{proofs} malformed proofs, seed {seed}: {undecoded} not decoded, the others not proven, 0 accepted");
}

#[test]
fn changed_statements_are_refused() {
    let (seed, statements) = (number_from("ZK_SEED", 1), number_from("ZK_STATEMENTS", 500) as usize);
    let (mut rng, stored) = (StdRng::seed_from_u64(seed), stored());
    let edges: Vec<Word> = [Fr::from(0u64), Fr::from(1u64), -Fr::from(1u64)]
        .map(|edge| crate::field::to_bytes(&edge))
        .into_iter()
        .chain([<Fr as PrimeField>::MODULUS, <Fq as PrimeField>::MODULUS].map(|m| m.to_bytes_be().try_into().unwrap()))
        .chain([[0xff; 32]])
        .collect();
    let mut undecoded = 0;
    for number in 0..statements {
        let (key, statement, proof) = &stored[number % stored.len()];
        let mut words = statement.to_words();
        let place = rng.gen_range(0..input::LENGTH);
        match number / stored.len() % 4 {
            0 => words[place][rng.gen_range(0..32)] ^= 1 << rng.gen_range(0..8),
            1 => words.swap(place, (place + rng.gen_range(1..input::LENGTH)) % input::LENGTH),
            2 => words[place] = edges[rng.gen_range(0..edges.len())],
            _ => words[place] = random_word(&mut rng),
        }
        assert_ne!(words, statement.to_words(), "number {number}, seed {seed}");
        match Statement::from_words(&words) {
            Ok(changed) => assert!(verify(key, &changed, proof).is_err(), "number {number}, seed {seed}"),
            Err(_) => undecoded += 1,
        }
    }
    println!("{statements} changed statements, seed {seed}: {undecoded} not decoded, the others not proven");
}

#[test]
fn aliased_inputs_are_refused() {
    for (_, statement, _) in stored() {
        let words = statement.to_words();
        assert_eq!(Statement::from_words(&words).unwrap(), statement);
        for place in 0..input::LENGTH {
            let mut tried = 0;
            for times in 1..=6 {
                let Some(alias) = aliased(&words[place], <Fr as PrimeField>::MODULUS, times) else { break };
                let mut changed = words;
                changed[place] = alias;
                assert!(matches!(Statement::from_words(&changed), Err(Error::NotCanonical { .. })));
                tried += 1;
            }
            assert!(tried >= 4, "input {place}");
        }
    }
}

#[test]
fn counts_that_no_tier_holds_are_refused() {
    let mut words = stored()[0].1.to_words();
    for count in [0, Tier::Large.capacity() + 1, u64::MAX] {
        words[input::COUNT] = crate::field::to_bytes(&Field::from(count));
        assert!(matches!(Statement::from_words(&words), Err(Error::Count { .. })));
    }
    words[input::COUNT] = [0; 32];
    words[input::COUNT][20] = 1;
    assert!(matches!(Statement::from_words(&words), Err(Error::Count { .. })));
}

/// Anybody can turn a proof into another of the same statement, so nothing may hang on a proof's bytes.
#[test]
fn rerandomized_proofs_hold_for_their_statement_alone() {
    let (mut rng, stored) = (StdRng::seed_from_u64(number_from("ZK_SEED", 1)), stored());
    for (place, (key, statement, proof)) in stored.iter().enumerate() {
        let inner = ark_groth16::Proof { a: proof.a, b: proof.b, c: proof.c };
        let made = Groth16::<Bn254>::rerandomize_proof(key.inner(), &inner, &mut rng);
        let other = Proof { a: made.a, b: made.b, c: made.c };
        assert!(other.a != proof.a && other.b != proof.b && other.c != proof.c);
        verify(key, statement, &Proof::from_words(&other.to_words()).unwrap()).unwrap();
        let moved = Statement { context: statement.context + Field::from(1u64), ..*statement };
        assert!(matches!(verify(key, &moved, &other), Err(Error::NotProven)));
        let (another_key, another, _) = &stored[(place + 1) % stored.len()];
        assert!(verify(another_key, another, &other).is_err());
    }
}

/// Different proofs of one circuit: made anew from the stored one.
fn batch(number: usize) -> (VerifyingKey, Vec<(Statement, Proof)>) {
    let mut rng = StdRng::seed_from_u64(number_from("ZK_SEED", 1));
    let (key, statement, proof) = stored().swap_remove(0);
    let inner = ark_groth16::Proof { a: proof.a, b: proof.b, c: proof.c };
    let again = (0..number).map(|_| {
        let made = Groth16::<Bn254>::rerandomize_proof(key.inner(), &inner, &mut rng);
        (statement, Proof { a: made.a, b: made.b, c: made.c })
    });
    let batch = again.collect();
    (key, batch)
}

#[test]
fn batches_hold_only_when_every_proof_does() {
    let (key, honest) = batch(8);
    verify_batch(&key, &honest).unwrap();
    verify_batch(&key, &[]).unwrap();
    let refused = |batch: &[(Statement, Proof)]| matches!(verify_batch(&key, batch), Err(Error::NotProven));
    for place in 0..honest.len() {
        let mut wrong = honest.clone();
        wrong[place].1.a = -wrong[place].1.a;
        assert!(refused(&wrong));
        let mut wrong = honest.clone();
        wrong[place].0.context += Field::from(1u64);
        assert!(refused(&wrong));
        assert!(refused(&wrong[place..=place]));
    }
}

#[test]
fn wrong_proofs_that_make_up_for_each_other_are_refused() {
    let (key, mut batch) = batch(2);
    let shift = G1Affine::generator();
    batch[0].1.c = (batch[0].1.c + shift).into_affine();
    batch[1].1.c = (batch[1].1.c - shift).into_affine();
    assert!(matches!(verify_batch(&key, &batch), Err(Error::NotProven)));
    assert!(batch.iter().all(|(statement, proof)| verify(&key, statement, proof).is_err()));
}
