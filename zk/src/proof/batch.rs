//! Many proofs under one key by one product of pairings.

use ark_bn254::{Bn254, G1Affine, G1Projective, G2Affine};
use ark_ec::{AffineRepr, CurveGroup, VariableBaseMSM, pairing::Pairing};
use ark_ff::{PrimeField, Zero};

use super::Proof;
use crate::{Error, Field, Result, keys::VerifyingKey, statement::Statement};

/// Verifies proofs of one circuit together, in about a third of the time each.
///
/// Every equation is taken times a fresh random number of 128 bits and all are added up: wrong ones cancel out with a
/// probability of 2^-128. Which of them is wrong is not said: [`super::verify`] tells.
///
/// # Errors
/// [`Error::NotProven`] when at least one does not hold, [`Error::Randomness`] when the system gives none.
pub fn verify_batch(key: &VerifyingKey, batch: &[(Statement, Proof)]) -> Result<()> {
    if batch.is_empty() {
        return Ok(());
    }
    let factors = factors(batch.len())?;
    let key = key.inner();
    let mut inputs = vec![Field::from(0u64); key.gamma_abc_g1.len()];
    for (factor, (statement, _)) in factors.iter().zip(batch) {
        inputs[0] += factor;
        inputs[1..].iter_mut().zip(statement.inputs()).for_each(|(sum, input)| *sum += *factor * input);
    }
    let sum = |points: &[G1Affine], factors: &[Field]| {
        G1Projective::msm(points, factors)
            .map_err(|_| Error::Malformed { reason: "points and factors differ in number" })
    };
    let last: Vec<_> = batch.iter().map(|(_, proof)| proof.c).collect();
    let right = [key.alpha_g1 * inputs[0], sum(&key.gamma_abc_g1, &inputs)?, sum(&last, &factors)?];
    let left = factors.iter().zip(batch).map(|(factor, (_, proof))| proof.a.mul_bigint(factor.into_bigint()));
    let g1 = G1Projective::normalize_batch(&left.chain(right.map(|point| -point)).collect::<Vec<_>>());
    let g2: Vec<G2Affine> =
        batch.iter().map(|(_, proof)| proof.b).chain([key.beta_g2, key.gamma_g2, key.delta_g2]).collect();
    if Bn254::multi_pairing(g1, g2).is_zero() { Ok(()) } else { Err(Error::NotProven) }
}

fn factors(number: usize) -> Result<Vec<Field>> {
    let mut bytes = vec![0; 16 * number];
    getrandom::fill(&mut bytes).map_err(|error| Error::Randomness(error.to_string()))?;
    Ok(bytes.as_chunks::<16>().0.iter().map(|bytes| Field::from(u128::from_le_bytes(*bytes))).collect())
}
