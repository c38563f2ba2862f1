//! Curve points as the EVM's pairing precompile reads them (EIP-197): 32-byte big-endian words, a G2 coordinate's
//! imaginary part first.

use ark_bn254::{Fq, Fq2, G1Affine, G2Affine};
use ark_ec::AffineRepr;
use ark_ff::{BigInteger, PrimeField};

use crate::{field::big_integer, keys::VerifyingKey};

/// A `uint256` in big-endian bytes.
pub type Word = [u8; 32];

/// Words of a verifying key: alpha 2, beta 4, gamma 4, delta 4, and 2 for each of the seven input points.
pub const KEY_WORDS: usize = 28;

/// The key as a verifier contract's constructor takes it: alpha, beta, gamma, delta, then the input points, the
/// constant's first.
pub fn key_words(key: &VerifyingKey) -> [Word; KEY_WORDS] {
    let key = key.inner();
    let mut words = [[0; 32]; KEY_WORDS];
    let points = [g2(&key.beta_g2), g2(&key.gamma_g2), g2(&key.delta_g2)];
    let all =
        g1(&key.alpha_g1).into_iter().chain(points.into_iter().flatten()).chain(key.gamma_abc_g1.iter().flat_map(g1));
    words.iter_mut().zip(all).for_each(|(word, value)| *word = value);
    words
}

/// `x, y`; a point at infinity is two zero words.
pub(crate) fn g1(point: &G1Affine) -> [Word; 2] {
    point.xy().map_or([[0; 32]; 2], |(x, y)| [word(&x), word(&y)])
}

/// `x.c1, x.c0, y.c1, y.c0`; a point at infinity is four zero words.
pub(crate) fn g2(point: &G2Affine) -> [Word; 4] {
    point.xy().map_or([[0; 32]; 4], |(x, y)| [word(&x.c1), word(&x.c0), word(&y.c1), word(&y.c0)])
}

/// The point of G1 that two words name.
///
/// # Errors
/// What is wrong: a coordinate not below the base field's modulus, infinity, or a point off the curve.
pub(crate) fn read_g1([x, y]: &[Word; 2]) -> Result<G1Affine, &'static str> {
    let point = G1Affine::new_unchecked(coordinate(x)?, coordinate(y)?);
    if point.x == Fq::from(0u64) && point.y == Fq::from(0u64) {
        return Err(INFINITY);
    }
    if point.is_on_curve() { Ok(point) } else { Err(OFF_CURVE) }
}

/// The point of G2 that four words name.
///
/// # Errors
/// As [`read_g1`], and for a point outside the subgroup of order `r`.
pub(crate) fn read_g2([x1, x0, y1, y0]: &[Word; 4]) -> Result<G2Affine, &'static str> {
    let x = Fq2::new(coordinate(x0)?, coordinate(x1)?);
    let y = Fq2::new(coordinate(y0)?, coordinate(y1)?);
    let point = G2Affine::new_unchecked(x, y);
    if x == Fq2::from(0u64) && y == Fq2::from(0u64) {
        return Err(INFINITY);
    }
    if !point.is_on_curve() {
        return Err(OFF_CURVE);
    }
    if point.is_in_correct_subgroup_assuming_on_curve() { Ok(point) } else { Err("a point is outside its subgroup") }
}

const INFINITY: &str = "a point is at infinity";
const OFF_CURVE: &str = "a point is off its curve";

fn coordinate(word: &Word) -> Result<Fq, &'static str> {
    Fq::from_bigint(big_integer(word)).ok_or("a coordinate is not below the base field's modulus")
}

fn word(coordinate: &Fq) -> Word {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(&coordinate.into_bigint().to_bytes_be());
    bytes
}
