//! The quotient polynomial as snarkjs' keys need it.
//!
//! A key made by snarkjs holds, in place of the powers of the secret times the vanishing polynomial, the odd Lagrange
//! polynomials of the doubled domain. So the prover hands in `a·b − c` at the odd points instead of the quotient's
//! coefficients: no division, one transform less.

use ark_ff::PrimeField;
use ark_groth16::r1cs_to_qap::{LibsnarkReduction, R1CSToQAP, evaluate_constraint};
use ark_poly::EvaluationDomain;
use ark_relations::{
    gr1cs::{ConstraintSystemRef, SynthesisError},
    utils::matrix::Matrix,
};
use rayon::prelude::*;

type Outcome<T> = Result<T, SynthesisError>;

/// snarkjs' reduction, for proofs under keys from a `.zkey`.
pub(crate) struct Snarkjs;

impl R1CSToQAP for Snarkjs {
    fn instance_map_with_evaluation<F: PrimeField, D: EvaluationDomain<F>>(
        cs: ConstraintSystemRef<F>,
        t: &F,
    ) -> Outcome<(Vec<F>, Vec<F>, Vec<F>, F, usize, usize)> {
        LibsnarkReduction::instance_map_with_evaluation::<F, D>(cs, t)
    }

    fn witness_map_from_matrices<F: PrimeField, D: EvaluationDomain<F>>(
        matrices: &[Matrix<F>],
        inputs: usize,
        constraints: usize,
        values: &[F],
    ) -> Outcome<Vec<F>> {
        let domain = D::new(constraints + inputs).ok_or(SynthesisError::PolynomialDegreeTooLarge)?;
        let double = D::new(2 * domain.size()).ok_or(SynthesisError::PolynomialDegreeTooLarge)?;
        let evaluate = |matrix: &Matrix<F>| {
            let mut sums = vec![F::zero(); domain.size()];
            sums[..constraints]
                .par_iter_mut()
                .zip(matrix)
                .for_each(|(sum, row)| *sum = evaluate_constraint(row, values));
            sums
        };
        let mut a = evaluate(&matrices[0]);
        let mut b = evaluate(&matrices[1]);
        // Where every constraint holds, c is a·b; the rows of the public inputs have b = 0.
        let mut c: Vec<F> = a.par_iter().zip(&b).map(|(a, b)| *a * b).collect();
        a[constraints..constraints + inputs].copy_from_slice(&values[..inputs]);
        for values in [&mut a, &mut b, &mut c] {
            domain.ifft_in_place(values);
            D::distribute_powers_and_mul_by_const(values, double.element(1), F::one());
            domain.fft_in_place(values);
        }
        a.par_iter_mut().zip(&b).zip(&c).for_each(|((a, b), c)| *a = *a * b - c);
        Ok(a)
    }

    fn h_query_scalars<F: PrimeField, D: EvaluationDomain<F>>(last: usize, t: F, _: F, unit: F) -> Outcome<Vec<F>> {
        // The Lagrange polynomials of the doubled domain at the secret, from its powers; the odd ones are taken.
        let powers = core::iter::successors(Some(unit), |power| Some(*power * t));
        let mut values: Vec<F> = powers.take(2 * last + 1).collect();
        let double = D::new(values.len()).ok_or(SynthesisError::PolynomialDegreeTooLarge)?;
        double.ifft_in_place(&mut values);
        Ok(values.into_iter().skip(1).step_by(2).collect())
    }
}
