//! The proving key: made once, kept on disk, accepted back only when it is the pinned one.

use core::fmt;
use std::sync::OnceLock;

use ark_bn254::Bn254;
use ark_groth16::{
    Groth16,
    r1cs_to_qap::{LibsnarkReduction, R1CSToQAP},
};
use ark_relations::{
    gr1cs::{
        ConstraintSynthesizer, ConstraintSystem, ConstraintSystemRef, R1CS_PREDICATE_LABEL, SynthesisError,
        SynthesisMode,
    },
    utils::matrix::Matrix,
};
use ark_serialize::{CanonicalDeserialize, CanonicalSerialize};
use ark_std::rand::{SeedableRng, rngs::StdRng};
use sha2::{Digest, Sha256};

use super::{Pin, VerifyingKey, refused};
use crate::{Circuit, Field, Result, merkle::Tier};

/// First bytes of a stored proving key; the circuit's number follows.
const MAGIC: &[u8; 15] = b"usufruct zk key";

/// What a prover holds for one circuit: tens of megabytes, worth keeping on disk and in memory.
pub struct ProvingKey {
    circuit: Circuit,
    reduction: Reduction,
    key: ark_groth16::ProvingKey<Bn254>,
    verifying: VerifyingKey,
    constraints: OnceLock<Constraints>,
}

/// How a key takes the quotient polynomial; see [`crate::ceremony`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reduction {
    /// By its coefficients: keys made here.
    Libsnark,
    /// By its values: keys from a ceremony.
    Snarkjs,
}

/// Added to the circuit's number in the first bytes of a stored key from a ceremony.
const FROM_CEREMONY: u8 = 0x80;

/// The circuit's matrices, which do not depend on what is proved.
pub(crate) struct Constraints {
    pub matrices: Vec<Matrix<Field>>,
    /// Constant, public and private wires.
    pub wires: usize,
    /// The constant and the public inputs.
    pub inputs: usize,
    /// Constraints.
    pub count: usize,
}

impl ProvingKey {
    /// The circuit whose proofs it makes.
    pub fn circuit(&self) -> Circuit {
        self.circuit
    }

    /// The size of the trees its proofs are about.
    pub fn tier(&self) -> Tier {
        self.circuit.tier()
    }

    /// The key its proofs are verified with.
    pub fn verifying_key(&self) -> &VerifyingKey {
        &self.verifying
    }

    /// The key for a file; [`ProvingKey::from_bytes`] reads it.
    ///
    /// # Errors
    /// [`Error::Key`] when the key cannot be encoded.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let mut bytes = Vec::with_capacity(self.key.uncompressed_size() + 16);
        bytes.extend_from_slice(MAGIC);
        bytes.push(match self.reduction {
            Reduction::Libsnark => self.circuit.id(),
            Reduction::Snarkjs => self.circuit.id() | FROM_CEREMONY,
        });
        self.key.serialize_uncompressed(&mut bytes).map_err(|error| refused(error.to_string()))?;
        Ok(bytes)
    }

    /// Reads a key this program pins. The digest of the bytes stands for all checks of the points.
    ///
    /// # Errors
    /// [`Error::Key`] for bytes that are damaged or not the pinned key: make the key again.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let (circuit, reduction) = bytes
            .strip_prefix(MAGIC.as_slice())
            .and_then(|rest| kind(*rest.first()?))
            .ok_or_else(|| refused("these bytes are not a proving key".to_owned()))?;
        if Sha256::digest(bytes)[..] != Pin::of(circuit)?.proving_key {
            let name = circuit.file_stem();
            return Err(refused(format!(
                "the stored proving key {name} is damaged or of another version: remove it and it is made again"
            )));
        }
        let body = &bytes[MAGIC.len() + 1..];
        let key = ark_groth16::ProvingKey::deserialize_uncompressed_unchecked(body)
            .map_err(|error| refused(error.to_string()))?;
        Self::from_parts(circuit, reduction, key)
    }

    /// A key that a ceremony made.
    pub(crate) fn of_ceremony(circuit: Circuit, key: ark_groth16::ProvingKey<Bn254>) -> Result<Self> {
        Self::from_parts(circuit, Reduction::Snarkjs, key)
    }

    fn from_parts(circuit: Circuit, reduction: Reduction, key: ark_groth16::ProvingKey<Bn254>) -> Result<Self> {
        let verifying = VerifyingKey::checked(key.vk.clone())?;
        Ok(Self { circuit, reduction, key, verifying, constraints: OnceLock::new() })
    }

    pub(crate) fn reduction(&self) -> Reduction {
        self.reduction
    }

    pub(crate) fn inner(&self) -> &ark_groth16::ProvingKey<Bn254> {
        &self.key
    }

    /// The circuit's matrices, built at the first proof.
    pub(crate) fn constraints(&self) -> Result<&Constraints> {
        if let Some(constraints) = self.constraints.get() {
            return Ok(constraints);
        }
        let built = Constraints::of(self.circuit)?;
        Ok(self.constraints.get_or_init(|| built))
    }
}

impl Constraints {
    pub(crate) fn of(circuit: Circuit) -> Result<Self> {
        Self::built(|cs| circuit.constrain(cs))
    }

    /// The constraints that `build` makes.
    pub(crate) fn built(
        build: impl FnOnce(ConstraintSystemRef<Field>) -> core::result::Result<(), SynthesisError>,
    ) -> Result<Self> {
        let cs = ConstraintSystem::new_ref();
        cs.set_mode(SynthesisMode::Setup);
        build(cs.clone())?;
        cs.finalize();
        let matrices = cs.to_matrices()?.remove(R1CS_PREDICATE_LABEL).unwrap_or_default();
        let (inputs, private) = (cs.num_instance_variables(), cs.num_witness_variables());
        Ok(Self { matrices, wires: inputs + private, inputs, count: cs.num_constraints() })
    }
}

impl fmt::Debug for ProvingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ProvingKey({})", self.circuit.file_stem())
    }
}

/// What a stored key's number says.
fn kind(number: u8) -> Option<(Circuit, Reduction)> {
    let reduction = if number & FROM_CEREMONY == 0 { Reduction::Libsnark } else { Reduction::Snarkjs };
    Some((Circuit::from_id(number & !FROM_CEREMONY)?, reduction))
}

/// Number of a circuit's constraints.
///
/// # Errors
/// [`crate::Error::Circuit`] when the circuit cannot be built.
pub fn constraint_count(circuit: impl Into<Circuit>) -> Result<usize> {
    Ok(Constraints::of(circuit.into())?.count)
}

/// **Insecure.** The circuit's development key, made from a fixed seed: whoever reads this line can forge proofs for
/// it. Takes seconds and gives the same key everywhere; keep [`ProvingKey::to_bytes`].
///
/// # Errors
/// [`crate::Error::Circuit`] when the circuit cannot be built.
pub fn development(circuit: impl Into<Circuit>) -> Result<ProvingKey> {
    let circuit = circuit.into();
    let key = seeded::<LibsnarkReduction>(circuit, "insecure development key")?;
    ProvingKey::from_parts(circuit, Reduction::Libsnark, key)
}

/// **Insecure.** The key that comes from a seed of these words and the circuit's name.
pub(crate) fn seeded<Q: R1CSToQAP>(circuit: Circuit, words: &str) -> Result<ark_groth16::ProvingKey<Bn254>> {
    let seed = format!("{words} of {}, tier {}", circuit.name(), circuit.tier().name());
    let mut rng = StdRng::from_seed(Sha256::digest(seed).into());
    Ok(Groth16::<Bn254, Q>::generate_random_parameters_with_reduction(Unsolved(circuit), &mut rng)?)
}

/// A circuit without values, as the key generator takes it.
struct Unsolved(Circuit);

impl ConstraintSynthesizer<Field> for Unsolved {
    fn generate_constraints(self, cs: ConstraintSystemRef<Field>) -> core::result::Result<(), SynthesisError> {
        self.0.constrain(cs)
    }
}
