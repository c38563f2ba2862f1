//! The scalar field of BN254: where every commitment and public input lives, and how bytes become its elements.

use ark_ff::{BigInteger, PrimeField};

use crate::{Error, Result};

pub mod gadget;

/// An element of the scalar field of BN254 (EIP-196's group order `r`).
pub type Field = ark_bn254::Fr;

/// The element as 32 big-endian bytes, as a contract's `uint256` holds it.
pub fn to_bytes(element: &Field) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(&element.into_bigint().to_bytes_be());
    bytes
}

/// The element that these 32 big-endian bytes name.
///
/// # Errors
/// [`Error::NotCanonical`] for a number that is not below `r`: `x` and `x + r` would otherwise be the same input.
pub fn from_bytes(bytes: &[u8; 32]) -> Result<Field> {
    Field::from_bigint(big_integer(bytes)).ok_or(Error::NotCanonical { what: "the word" })
}

/// `uint256(digest) >> 8`: how a keccak-256 digest becomes a public input (`CONTEXT`, `CHALLENGE`).
pub fn from_digest(digest: &[u8; 32]) -> Field {
    Field::from_be_bytes_mod_order(&digest[..31])
}

/// 31 big-endian bytes as an element; always below `r`.
pub(crate) fn from_salt(salt: &[u8; 31]) -> Field {
    let mut bytes = [0; 32];
    bytes[1..].copy_from_slice(salt);
    Field::new(big_integer(&bytes))
}

/// A 256-bit digest as two 128-bit limbs `(lo, hi)` of its big-endian number.
pub(crate) fn limbs(digest: &[u8; 32]) -> (Field, Field) {
    let ark_ff::BigInt([a, b, c, d]) = big_integer(digest);
    (Field::new(ark_ff::BigInt([a, b, 0, 0])), Field::new(ark_ff::BigInt([c, d, 0, 0])))
}

/// 32 big-endian bytes as an unreduced integer.
pub(crate) fn big_integer(bytes: &[u8; 32]) -> ark_ff::BigInteger256 {
    let mut words = [0u64; 4];
    for (word, chunk) in words.iter_mut().rev().zip(bytes.as_chunks::<8>().0) {
        *word = u64::from_be_bytes(*chunk);
    }
    ark_ff::BigInteger256::new(words)
}

#[cfg(test)]
mod tests {
    use ark_ff::{AdditiveGroup, Field as _};
    use proptest::prelude::*;

    use super::*;

    fn modulus_plus(offset: u64) -> [u8; 32] {
        let mut number = Field::MODULUS;
        number.add_with_carry(&ark_ff::BigInteger256::from(offset));
        let mut bytes = [0; 32];
        bytes.copy_from_slice(&number.to_bytes_be());
        bytes
    }

    proptest! {
        #[test]
        fn bytes_round_trip(seed: [u8; 32]) {
            let element = Field::from_be_bytes_mod_order(&seed);
            prop_assert_eq!(from_bytes(&to_bytes(&element)).unwrap(), element);
        }
    }

    #[test]
    fn bytes_at_or_above_the_modulus_are_refused() {
        for offset in [0, 1, 2, 1 << 40] {
            assert!(matches!(from_bytes(&modulus_plus(offset)), Err(Error::NotCanonical { .. })));
        }
        assert!(from_bytes(&[0xff; 32]).is_err());
    }

    #[test]
    fn bytes_just_below_the_modulus_are_minus_one() {
        let mut bytes = modulus_plus(0);
        bytes[31] -= 1;
        assert_eq!(from_bytes(&bytes).unwrap(), -Field::ONE);
    }

    #[test]
    fn digest_loses_its_last_byte_only() {
        let mut digest = [0; 32];
        digest[31] = 0xff;
        assert_eq!(from_digest(&digest), Field::ZERO);
        digest[30] = 1;
        assert_eq!(from_digest(&digest), Field::ONE);
        assert_eq!(to_bytes(&from_digest(&[0xff; 32]))[0], 0);
        assert_eq!(to_bytes(&from_digest(&[0xff; 32]))[1..], [0xff; 31]);
    }

    #[test]
    fn limbs_split_the_big_endian_number() {
        let mut digest = [0; 32];
        digest[15] = 2;
        digest[31] = 3;
        assert_eq!(limbs(&digest), (Field::from(3u64), Field::from(2u64)));
    }
}
