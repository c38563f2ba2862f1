//! Commitments, their encodings and what they refuse.

use ark_ff::{AdditiveGroup, Field as _, PrimeField};

use super::Small;
use crate::{Error, Field, provenance::*, support::leaf};

#[test]
fn leaf_packs_level_and_value() {
    let packed = |level, value| Leaf { level, value, ..leaf(0) }.preimage()[3];
    assert_eq!(packed(0, None), Field::ZERO);
    assert_eq!(packed(0, Some(i32::MIN)), Field::ONE);
    assert_eq!(packed(0, Some(0)), Field::from((1u64 << 31) + 1));
    assert_eq!(packed(0, Some(i32::MAX)), Field::from(1u64 << 32));
    assert_eq!(packed(3, Some(-1)), Field::from((3u64 << 33) + (1 << 31)));
}

#[test]
fn leaves_of_many_records_are_each_record_s_own() {
    let many: Vec<_> = (0..10_000).map(leaf).collect();
    let mut seen = Vec::new();
    let hashes = Leaf::hash_all(&many, &mut |done, total| seen.push((done, total)));
    assert!(hashes.iter().zip(&many).all(|(hash, leaf)| *hash == leaf.hash()));
    assert_eq!((hashes.len(), seen), (10_000, vec![(8_192, 10_000), (10_000, 10_000)]));
    assert!(Leaf::hash_all(&[], &mut |_, _| ()).is_empty());
}

#[test]
fn identity_secret_at_the_modulus_is_refused() {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(&ark_ff::BigInteger::to_bytes_be(&Field::MODULUS));
    assert!(matches!(OwnerSecret::new(&bytes, &[0; 31]), Err(Error::NotCanonical { .. })));
    assert!(owner_commitment(&[0xff; 32], &[0; 31]).is_err());
}

#[test]
fn secrets_do_not_print() {
    let (_, witness) = Small::new(1, 2, 8).job(1);
    let printed = format!("{witness:?} {:?} {:?}", witness.owner, witness.drawn[0].leaf);
    assert_eq!(
        printed,
        "Witness(2 openings, ..) OwnerSecret(..) Leaf { level: 0, .. }"
            .replace("level: 0", &format!("level: {}", witness.drawn[0].leaf.level))
    );
}

#[test]
fn inputs_stand_where_their_names_say() {
    let [root, owner, output_root, context, challenge] = [1u64, 3, 4, 5, 6].map(Field::from);
    let statement = Statement { root, count: 2, owner, output_root, context, challenge };
    assert_eq!(statement.inputs(), [1u64, 2, 3, 4, 5, 6].map(Field::from));
}
