//! Proving and verifying by Groth16 (Groth, "On the Size of Pairing-based Non-interactive Arguments",
//! 2016/260) over BN254.

use ark_bn254::{Bn254, G1Affine, G2Affine};
use ark_ff::PrimeField;
use ark_groth16::Groth16;
use ark_relations::gr1cs::{ConstraintSystem, SynthesisMode};
use zeroize::Zeroize;

use crate::{
    Circuit, Error, Field, Result,
    circuit::Relation,
    keys::{Constraints, ProvingKey, Reduction, VerifyingKey},
    solidity::{self, Word},
    statement::Statement,
};

mod batch;
mod groth16;
mod msm;

pub use batch::verify_batch;

/// Words of a proof.
pub const PROOF_WORDS: usize = 8;

/// A proof: two points of G1 and one of G2, 256 bytes.
///
/// Anybody can turn a proof into another one of the same statement: its bytes identify nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proof {
    a: G1Affine,
    b: G2Affine,
    c: G1Affine,
}

impl Proof {
    /// The words that `settle` takes: `A.x, A.y, B.x.c1, B.x.c0, B.y.c1, B.y.c0, C.x, C.y`.
    pub fn to_words(&self) -> [Word; PROOF_WORDS] {
        let ([a0, a1], [b0, b1, b2, b3], [c0, c1]) =
            (solidity::g1(&self.a), solidity::g2(&self.b), solidity::g1(&self.c));
        [a0, a1, b0, b1, b2, b3, c0, c1]
    }

    /// Reads [`Proof::to_words`].
    ///
    /// # Errors
    /// [`Error::Malformed`] for a coordinate that is not below the base field's modulus, a point at infinity, off its
    /// curve or outside its subgroup.
    pub fn from_words(words: &[Word; PROOF_WORDS]) -> Result<Self> {
        let [a0, a1, b0, b1, b2, b3, c0, c1] = *words;
        let malformed = |reason| Error::Malformed { reason };
        Ok(Self {
            a: solidity::read_g1(&[a0, a1]).map_err(malformed)?,
            b: solidity::read_g2(&[b0, b1, b2, b3]).map_err(malformed)?,
            c: solidity::read_g1(&[c0, c1]).map_err(malformed)?,
        })
    }
}

/// Proves that `witness` satisfies `statement`. The proof is blinded with fresh randomness and verified before it is
/// returned.
///
/// # Errors
/// [`Error::Unsatisfied`] or [`Error::Count`], naming what is wrong, when there is nothing to prove; [`Error::Key`] for
/// another circuit's key; [`Error::Randomness`] when the system gives none.
pub fn prove(key: &ProvingKey, statement: &Statement, witness: &impl Relation) -> Result<Proof> {
    witness.check(key.circuit(), statement)?;
    let constraints = key.constraints()?;
    let mut assignment = solve(key.circuit(), statement, witness)?;
    let made = create(key.inner(), key.reduction(), constraints, &assignment);
    assignment.zeroize();
    let made = made?;
    let proof = Proof { a: made.a, b: made.b, c: made.c };
    verify(key.verifying_key(), statement, &proof)?;
    Ok(proof)
}

/// A proof, blinded with fresh randomness.
pub(crate) fn create(
    key: &ark_groth16::ProvingKey<Bn254>,
    reduction: Reduction,
    constraints: &Constraints,
    assignment: &[Field],
) -> Result<ark_groth16::Proof<Bn254>> {
    groth16::points(key, reduction, constraints, assignment, [random()?, random()?])
}

/// Verifies `proof` for `statement`.
///
/// # Errors
/// [`Error::NotProven`] when it does not hold.
pub fn verify(key: &VerifyingKey, statement: &Statement, proof: &Proof) -> Result<()> {
    let proof = ark_groth16::Proof { a: proof.a, b: proof.b, c: proof.c };
    let holds = Groth16::<Bn254>::verify_proof(key.prepared(), &proof, &statement.inputs())?;
    if holds { Ok(()) } else { Err(Error::NotProven) }
}

/// The value of every wire: the constant, the public inputs, then the private ones.
pub(crate) fn solve(circuit: Circuit, statement: &Statement, witness: &impl Relation) -> Result<Vec<Field>> {
    let cs = ConstraintSystem::new_ref();
    cs.set_mode(SynthesisMode::Prove { construct_matrices: false, generate_lc_assignments: false });
    witness.constrain(circuit, statement, cs.clone())?;
    let mut system = cs.into_inner().ok_or(ark_relations::gr1cs::SynthesisError::MissingCS)?;
    let mut assignment = core::mem::take(&mut system.assignments.instance_assignment);
    assignment.extend_from_slice(&system.assignments.witness_assignment);
    system.assignments.witness_assignment.zeroize();
    Ok(assignment)
}

/// A uniform element: 512 random bits leave a bias below 2^-256.
fn random() -> Result<Field> {
    let mut bytes = [0; 64];
    getrandom::fill(&mut bytes).map_err(|error| Error::Randomness(error.to_string()))?;
    let element = Field::from_le_bytes_mod_order(&bytes);
    bytes.zeroize();
    Ok(element)
}

#[cfg(test)]
mod tests;
