//! The three points of a proof, from the key and the value of every wire.
//!
//! As `ark-groth16` computes them (Groth 2016/260, figure 4), with the sums of [`super::msm`].

use ark_bn254::{Bn254, G1Affine, G1Projective, G2Projective};
use ark_ec::CurveGroup;
use ark_groth16::r1cs_to_qap::{LibsnarkReduction, R1CSToQAP};
use ark_poly::GeneralEvaluationDomain;

use super::msm::Digits;
use crate::{
    Field, Result,
    ceremony::Snarkjs,
    keys::{Constraints, Reduction},
};

/// The proof with these two blinding factors, which must be fresh and random.
pub(super) fn points(
    key: &ark_groth16::ProvingKey<Bn254>,
    reduction: Reduction,
    constraints: &Constraints,
    wires: &[Field],
    [r, s]: [Field; 2],
) -> Result<ark_groth16::Proof<Bn254>> {
    let inputs = constraints.inputs;
    let numbers = Digits::of(wires);
    let g1 = |points: &[G1Affine]| numbers.sum(0, points);
    let ((a, b1), (b2, c)): ((_, _), (_, Result<G1Projective>)) = rayon::join(
        || rayon::join(|| g1(&key.a_query), || g1(&key.b_g1_query)),
        || {
            rayon::join(
                || numbers.sum(0, &key.b_g2_query),
                || {
                    let quotient = Digits::of(&quotient(reduction, constraints, wires)?);
                    Ok(numbers.sum(inputs, &key.l_query) + quotient.sum(0, &key.h_query))
                },
            )
        },
    );
    let a = a + key.delta_g1 * r + key.vk.alpha_g1;
    let b1 = b1 + key.delta_g1 * s + key.beta_g1;
    let b2: G2Projective = b2 + key.vk.delta_g2 * s + key.vk.beta_g2;
    let c = c? + a * s + b1 * r - key.delta_g1 * (r * s);
    Ok(ark_groth16::Proof { a: a.into_affine(), b: b2.into_affine(), c: c.into_affine() })
}

/// The polynomial by which the constraints hold, as the key takes it.
fn quotient(reduction: Reduction, constraints: &Constraints, wires: &[Field]) -> Result<Vec<Field>> {
    let of = match reduction {
        Reduction::Libsnark => LibsnarkReduction::witness_map_from_matrices::<_, GeneralEvaluationDomain<_>>,
        Reduction::Snarkjs => Snarkjs::witness_map_from_matrices::<_, GeneralEvaluationDomain<_>>,
    };
    let Constraints { matrices, inputs, count, .. } = constraints;
    Ok(of(matrices, *inputs, *count, wires)?)
}

#[cfg(test)]
mod tests {
    use ark_groth16::Groth16;
    use ark_relations::gr1cs::{ConstraintSynthesizer, ConstraintSystem, ConstraintSystemRef, SynthesisError};
    use ark_std::rand::{SeedableRng, rngs::StdRng};

    use super::*;
    use crate::{
        merkle::Tier,
        provenance::{Shape, Witness, gadget::constrain},
        support::{Sample, context, number_from},
    };

    /// One draw in the small tier: large enough for windows of several bits.
    const SHAPE: Shape = Shape { depth: 3, draws: 1 };

    struct Unsolved;

    impl ConstraintSynthesizer<Field> for Unsolved {
        fn generate_constraints(self, cs: ConstraintSystemRef<Field>) -> core::result::Result<(), SynthesisError> {
            constrain(cs, SHAPE, None)
        }
    }

    fn wires() -> Vec<Field> {
        let sample = Sample::new(Tier::Small, 300);
        let statement = sample.material().statement(context("job"), context("challenge"));
        let witness = Witness::gather_shape(&sample.material(), statement.challenge, SHAPE.draws).unwrap();
        let cs = ConstraintSystem::new_ref();
        constrain(cs.clone(), SHAPE, Some((&statement, &witness))).unwrap();
        [cs.instance_assignment().unwrap(), cs.witness_assignment().unwrap()].concat()
    }

    #[test]
    fn points_are_those_of_ark_groth16() {
        let mut rng = StdRng::seed_from_u64(number_from("ZK_SEED", 1));
        let key = Groth16::<Bn254>::generate_random_parameters_with_reduction(Unsolved, &mut rng).unwrap();
        let constraints = Constraints::built(|cs| constrain(cs, SHAPE, None)).unwrap();
        let (wires, [r, s]) = (wires(), [Field::from(77u64), -Field::from(5u64)]);
        let Constraints { matrices, inputs, count, .. } = &constraints;
        let prove = Groth16::<Bn254>::create_proof_with_reduction_and_matrices;
        let theirs = prove(&key, r, s, matrices, *inputs, *count, &wires).unwrap();
        assert_eq!(points(&key, Reduction::Libsnark, &constraints, &wires, [r, s]).unwrap(), theirs);
    }
}
