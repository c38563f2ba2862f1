//! Proofs from end to end: honest ones of every tier verify, and everything changed by hand is refused.
#![allow(clippy::unwrap_used)]

use std::sync::OnceLock;

use sha2::{Digest, Sha256};
use support::{Sample, context};
use zk::{
    Circuit, Error, Field,
    keys::{Pin, ProvingKey, VerifyingKey, constraint_count, development},
    merkle::{Tier, Tree, empty_leaf},
    proof::{Proof, prove, verify},
    provenance::{OwnerSecret, Statement, Witness, output_leaf, positions},
    solidity::{Word, key_words},
};

mod support;

/// One development key for each tier, made once for all tests.
fn key(tier: Tier) -> &'static ProvingKey {
    static KEYS: [OnceLock<ProvingKey>; 3] = [const { OnceLock::new() }; 3];
    KEYS[usize::from(tier.id())].get_or_init(|| development(tier).unwrap())
}

fn small() -> &'static ProvingKey {
    key(Tier::Small)
}

/// A proof that stands for any honest one.
fn honest() -> &'static (Statement, Witness, Proof) {
    static PROOF: OnceLock<(Statement, Witness, Proof)> = OnceLock::new();
    PROOF.get_or_init(|| {
        let (statement, witness) = Sample::new(Tier::Small, 100).job("honest");
        let proof = prove(small(), &statement, &witness).unwrap();
        (statement, witness, proof)
    })
}

fn pinned(tier: Tier) -> VerifyingKey {
    VerifyingKey::pinned(tier).unwrap()
}

/// The 32-byte words of a pinned fixture, in order: key, inputs, proof.
fn fixture_words(tier: Tier) -> Vec<Word> {
    let text = match tier {
        Tier::Small => include_str!("../pinned/provenance-1-small.json"),
        Tier::Medium => include_str!("../pinned/provenance-1-medium.json"),
        Tier::Large => include_str!("../pinned/provenance-1-large.json"),
    };
    text.split("\"0x").skip(1).map(|rest| hex::decode(&rest[..64]).unwrap().try_into().unwrap()).collect()
}

fn fixture(tier: Tier) -> (Statement, Proof) {
    let words = fixture_words(tier);
    let input = |place: usize| zk::field::from_bytes(&words[28 + place]).unwrap();
    let count = u64::from_be_bytes(words[29][24..].try_into().unwrap());
    let [root, owner, output_root, context, challenge] = [0, 2, 3, 4, 5].map(input);
    let statement = Statement { root, count, owner, output_root, context, challenge };
    (statement, Proof::from_words(words[34..].try_into().unwrap()).unwrap())
}

#[test]
fn every_tier_makes_its_pinned_key_and_proves() {
    for (tier, count) in [(Tier::Small, 300), (Tier::Medium, 1000), (Tier::Large, 2000)] {
        let (key, pin) = (key(tier), Pin::of(tier).unwrap());
        assert_eq!(key.verifying_key(), &pinned(tier));
        assert_eq!(key.verifying_key().digest(), pin.verifying_key);
        assert_eq!(Sha256::digest(key.to_bytes().unwrap())[..], pin.proving_key);
        assert_eq!(constraint_count(tier).unwrap(), pin.constraints);
        let (statement, witness) = Sample::new(tier, count).job("tier");
        let proof = prove(key, &statement, &witness).unwrap();
        verify(&pinned(tier), &statement, &proof).unwrap();
    }
}

#[test]
fn stored_proof_of_every_tier_verifies() {
    for tier in Tier::ALL {
        let (statement, proof) = fixture(tier);
        verify(&pinned(tier), &statement, &proof).unwrap();
        assert_eq!(fixture_words(tier)[..28], key_words(&pinned(tier)));
        assert_eq!(fixture_words(tier).len(), 28 + 6 + 8);
    }
}

#[test]
fn stored_proof_of_another_tier_is_refused() {
    for tier in Tier::ALL {
        for other in Tier::ALL.into_iter().filter(|other| *other != tier) {
            let (statement, proof) = fixture(other);
            assert!(matches!(verify(&pinned(tier), &statement, &proof), Err(Error::NotProven)));
        }
    }
}

#[test]
fn honest_counts_prove_and_verify() {
    for count in [1, 2, 7, 8, 9, 512] {
        let (statement, witness) = Sample::new(Tier::Small, count).job("count");
        let proof = prove(small(), &statement, &witness).unwrap();
        verify(&pinned(Tier::Small), &statement, &proof).unwrap();
        assert_eq!(Proof::from_words(&proof.to_words()).unwrap(), proof);
    }
}

#[test]
fn two_proofs_of_one_witness_differ() {
    let (statement, witness, proof) = honest();
    assert_ne!(&prove(small(), statement, witness).unwrap(), proof);
}

#[test]
fn changed_statements_are_refused() {
    let (statement, _, proof) = honest();
    verify(&pinned(Tier::Small), statement, proof).unwrap();
    let fields: [fn(&mut Statement) -> &mut Field; 5] =
        [|s| &mut s.root, |s| &mut s.owner, |s| &mut s.output_root, |s| &mut s.context, |s| &mut s.challenge];
    let refused = |changed: Statement| {
        assert_ne!(&changed, statement);
        assert!(matches!(verify(&pinned(Tier::Small), &changed, proof), Err(Error::NotProven)));
    };
    for field in fields {
        let honest = *field(&mut statement.clone());
        let edges = [0u64, 1, 1 << 60].map(Field::from);
        for value in edges.into_iter().chain([honest + Field::from(1u64), -honest, -Field::from(1u64)]) {
            let mut changed = *statement;
            *field(&mut changed) = value;
            refused(changed);
        }
        for other in fields {
            let mut changed = *statement;
            let (first, second) = (honest, *other(&mut changed));
            (*other(&mut changed), *field(&mut changed)) = (first, second);
            if first != second {
                refused(changed);
            }
        }
    }
    for count in [0, 1, 99, 101, 512, 513, u64::MAX] {
        refused(Statement { count, ..*statement });
    }
}

#[test]
fn changed_proof_words_are_refused() {
    let (statement, _, proof) = honest();
    let key = pinned(Tier::Small);
    let words = proof.to_words();
    let accepted = |words: &[Word; 8]| Proof::from_words(words).is_ok_and(|p| verify(&key, statement, &p).is_ok());
    assert!(accepted(&words));
    for place in 0..8 {
        for bit in [0, 1, 7, 100, 200, 253, 255] {
            let mut changed = words;
            changed[place][31 - bit / 8] ^= 1 << (bit % 8);
            assert!(!accepted(&changed), "word {place}, bit {bit}");
        }
        for value in [[0; 32], [0xff; 32]] {
            let mut changed = words;
            changed[place] = value;
            assert!(!accepted(&changed));
        }
        for other in place + 1..8 {
            let mut changed = words;
            changed.swap(place, other);
            assert!(!accepted(&changed), "words {place} and {other}");
        }
    }
    let stranger = fixture(Tier::Small).1.to_words();
    for part in [0..2, 2..6, 6..8] {
        let mut mixed = words;
        mixed[part.clone()].copy_from_slice(&stranger[part]);
        assert!(Proof::from_words(&mixed).is_ok() && !accepted(&mixed));
    }
}

/// `number + q`, `q` the base field's modulus, in 32 bytes.
fn aliased(word: &Word) -> Word {
    let q = hex::decode("30644e72e131a029b85045b68181585d97816a916871ca8d3c208c16d87cfd47").unwrap();
    let mut carry = 0;
    let mut sum = [0; 32];
    for i in (0..32).rev() {
        let digit = u16::from(word[i]) + u16::from(q[i]) + carry;
        (sum[i], carry) = (digit as u8, digit >> 8);
    }
    assert_eq!(carry, 0);
    sum
}

#[test]
fn aliased_coordinates_are_refused() {
    let words = honest().2.to_words();
    for place in 0..8 {
        let mut changed = words;
        changed[place] = aliased(&words[place]);
        assert!(matches!(Proof::from_words(&changed), Err(Error::Malformed { .. })), "word {place}");
    }
}

#[test]
fn points_at_infinity_are_refused() {
    let words = honest().2.to_words();
    for part in [0..2, 2..6, 6..8] {
        let mut changed = words;
        changed[part].fill([0; 32]);
        assert!(matches!(Proof::from_words(&changed), Err(Error::Malformed { reason }) if reason.contains("infinity")));
    }
}

#[test]
fn points_outside_the_subgroup_are_refused() {
    use ark_bn254::{Fq, Fq2, G2Affine};
    use ark_ff::{BigInteger, PrimeField};

    // Nearly every point of the twisted curve is outside the subgroup of order r.
    let point = (1u64..).find_map(|x| G2Affine::get_point_from_x_unchecked(Fq2::from(x), false)).unwrap();
    assert!(point.is_on_curve() && !point.is_in_correct_subgroup_assuming_on_curve());
    let word = |coordinate: Fq| -> Word { coordinate.into_bigint().to_bytes_be().try_into().unwrap() };
    let mut words = honest().2.to_words();
    words[2..6].copy_from_slice(&[point.x.c1, point.x.c0, point.y.c1, point.y.c0].map(word));
    assert!(matches!(Proof::from_words(&words), Err(Error::Malformed { reason }) if reason.contains("subgroup")));
}

#[test]
fn witness_of_another_owner_is_not_proved() {
    let (statement, witness, _) = honest();
    let owner = OwnerSecret::new(&[1; 32], &[7; 31]).unwrap();
    refused(statement, &Witness { owner, ..witness.clone() }, "owner");
}

#[test]
fn witness_for_another_challenge_is_not_proved() {
    let (statement, witness, _) = honest();
    let challenge = context("another");
    assert_ne!(positions(challenge, 100), positions(statement.challenge, 100));
    refused(&Statement { challenge, ..*statement }, witness, "record");
}

#[test]
fn witness_with_a_changed_leaf_is_not_proved() {
    let (statement, witness, _) = honest();
    let mut changed = witness.clone();
    changed.drawn[7].leaf.digest[3] ^= 1;
    refused(statement, &changed, "record at drawn position");
}

#[test]
fn witness_with_a_changed_row_is_not_proved() {
    let (statement, witness, _) = honest();
    let mut changed = witness.clone();
    changed.drawn[2].row_digest = changed.drawn[3].row_digest;
    refused(statement, &changed, "output row at drawn position");
}

#[test]
fn witness_of_the_wrong_size_is_not_proved() {
    let (statement, witness, _) = honest();
    let mut fewer = witness.clone();
    fewer.drawn.pop();
    refused(statement, &fewer, "7 positions");
    let mut shallower = witness.clone();
    shallower.drawn[0].record.siblings.pop();
    refused(statement, &shallower, "levels");
}

#[test]
fn counts_outside_the_tier_are_not_proved() {
    let (statement, witness, _) = honest();
    for count in [0, 513, u64::MAX] {
        let refused = prove(small(), &Statement { count, ..*statement }, witness);
        assert!(matches!(refused, Err(Error::Count { capacity: 512, .. })));
    }
}

#[test]
fn more_records_than_the_tree_holds_are_not_proved() {
    let sample = Sample::new(Tier::Small, 3);
    let (statement, mut witness) = sample.job("few");
    let statement = Statement { count: 512, ..statement };
    for (drawn, position) in witness.drawn.iter_mut().zip(positions(statement.challenge, 512)) {
        drawn.record = sample.records.opening(position).unwrap();
        drawn.output = sample.outputs.opening(position).unwrap();
    }
    assert_eq!(sample.records.leaf(511).unwrap(), empty_leaf());
    refused(&statement, &witness, "record");
}

#[test]
fn output_rows_bound_to_other_records_are_not_proved() {
    let mut sample = Sample::new(Tier::Small, 100);
    let rows = sample.row_digests.iter().enumerate();
    let shifted = rows.map(|(i, row)| output_leaf(sample.leaves[(i + 1) % 100].hash(), row)).collect();
    sample.outputs = Tree::build(Tier::Small, shifted, &mut |_, _| ()).unwrap();
    let (statement, witness) = sample.job("shifted");
    refused(&statement, &witness, "output row");
}

fn refused(statement: &Statement, witness: &Witness, reason: &str) {
    match prove(small(), statement, witness) {
        Err(Error::Unsatisfied { reason: said }) => assert!(said.contains(reason), "{said}"),
        other => panic!("not refused for {reason}: {other:?}"),
    }
}

#[test]
fn stored_key_proves() {
    let bytes = small().to_bytes().unwrap();
    let key = ProvingKey::from_bytes(&bytes).unwrap();
    let (statement, witness, _) = honest();
    verify(&pinned(Tier::Small), statement, &prove(&key, statement, witness).unwrap()).unwrap();
}

#[test]
fn damaged_stored_key_is_refused() {
    let bytes = small().to_bytes().unwrap();
    let refused = |bytes: &[u8]| matches!(ProvingKey::from_bytes(bytes), Err(Error::Key { .. }));
    for place in [0, 14, 15, 16, 17, 500, bytes.len() / 2, bytes.len() - 1] {
        let mut damaged = bytes.clone();
        damaged[place] ^= 1;
        assert!(refused(&damaged), "byte {place}");
    }
    assert!(refused(&[]) && refused(&bytes[..16]) && refused(&bytes[..bytes.len() - 1]));
    assert!(refused(&[bytes, vec![0]].concat()));
}

#[test]
fn statistic_makes_its_pinned_key_and_proves() {
    let key = development(Circuit::Statistic).unwrap();
    let pin = Pin::of(Circuit::Statistic).unwrap();
    let pinned = VerifyingKey::pinned(Circuit::Statistic).unwrap();
    assert_eq!(key.verifying_key(), &pinned);
    assert_eq!(Sha256::digest(key.to_bytes().unwrap())[..], pin.proving_key);
    assert_eq!(constraint_count(Circuit::Statistic).unwrap(), pin.constraints);
    assert!(pin.constraints + 7 < 1 << 18, "{}", pin.constraints);
    let sample = Sample::new(Tier::Small, 512);
    let (statement, witness) = sample.statistic("full");
    let proof = prove(&key, &statement, &witness).unwrap();
    verify(&pinned, &statement, &proof).unwrap();
    let answer = sample.counted(5, &[9; 31]).answer().unwrap();
    assert_eq!(answer.commitment(&[9; 31]), statement.output_root);
    assert!(verify(&pinned, &Statement { count: 511, ..statement }, &proof).is_err());

    // A witness for one circuit is not proved with another's key.
    let (statement, witness) = sample.job("rows");
    assert!(matches!(prove(&key, &statement, &witness), Err(Error::Key { .. })));
}
