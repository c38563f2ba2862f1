//! The proving key: made once, kept on disk, accepted back only when it is the pinned one.

use core::fmt;
use std::sync::OnceLock;

use ark_bn254::Bn254;
use ark_groth16::Groth16;
use ark_relations::{
    gr1cs::{ConstraintSynthesizer, ConstraintSystem, R1CS_PREDICATE_LABEL, SynthesisMode},
    utils::matrix::Matrix,
};
use ark_serialize::{CanonicalDeserialize, CanonicalSerialize};
use ark_std::rand::{SeedableRng, rngs::StdRng};
use sha2::{Digest, Sha256};

use super::{Pin, VerifyingKey, refused};
use crate::{
    Field, Result,
    merkle::Tier,
    provenance::{CIRCUIT, Shape, gadget::Circuit},
};

/// First bytes of a stored proving key; the tier's number follows.
const MAGIC: &[u8; 15] = b"usufruct zk key";

/// What a prover holds for one tier: tens of megabytes, worth keeping on disk and in memory.
pub struct ProvingKey {
    tier: Tier,
    key: ark_groth16::ProvingKey<Bn254>,
    verifying: VerifyingKey,
    constraints: OnceLock<Constraints>,
}

/// The circuit's matrices, which do not depend on what is proved.
pub(crate) struct Constraints {
    pub matrices: Vec<Matrix<Field>>,
    pub inputs: usize,
    pub count: usize,
}

impl ProvingKey {
    /// The tier whose proofs it makes.
    pub fn tier(&self) -> Tier {
        self.tier
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
        bytes.push(self.tier.id());
        self.key.serialize_uncompressed(&mut bytes).map_err(|error| refused(error.to_string()))?;
        Ok(bytes)
    }

    /// Reads a key this program pins. The digest of the bytes stands for all checks of the points.
    ///
    /// # Errors
    /// [`Error::Key`] for bytes that are damaged or not the pinned key: make the key again.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let tier = bytes
            .strip_prefix(MAGIC.as_slice())
            .and_then(|rest| Tier::from_id(*rest.first()?))
            .ok_or_else(|| refused("these bytes are not a proving key".to_owned()))?;
        if Sha256::digest(bytes)[..] != Pin::of(tier)?.proving_key {
            let name = tier.name();
            return Err(refused(format!(
                "the stored proving key of the tier {name} is damaged or of another version: remove it and it is made again"
            )));
        }
        let body = &bytes[MAGIC.len() + 1..];
        let key = ark_groth16::ProvingKey::deserialize_uncompressed_unchecked(body)
            .map_err(|error| refused(error.to_string()))?;
        Self::from_parts(tier, key)
    }

    fn from_parts(tier: Tier, key: ark_groth16::ProvingKey<Bn254>) -> Result<Self> {
        let verifying = VerifyingKey::checked(key.vk.clone()).map_err(|reason| refused(reason.to_owned()))?;
        Ok(Self { tier, key, verifying, constraints: OnceLock::new() })
    }

    pub(crate) fn inner(&self) -> &ark_groth16::ProvingKey<Bn254> {
        &self.key
    }

    /// The circuit's matrices, built at the first proof.
    pub(crate) fn constraints(&self) -> Result<&Constraints> {
        if let Some(constraints) = self.constraints.get() {
            return Ok(constraints);
        }
        let built = Constraints::of(self.tier.into())?;
        Ok(self.constraints.get_or_init(|| built))
    }
}

impl Constraints {
    pub(crate) fn of(shape: Shape) -> Result<Self> {
        let cs = ConstraintSystem::new_ref();
        cs.set_mode(SynthesisMode::Setup);
        Circuit { shape, values: None }.generate_constraints(cs.clone())?;
        cs.finalize();
        let matrices = cs.to_matrices()?.remove(R1CS_PREDICATE_LABEL).unwrap_or_default();
        Ok(Self { matrices, inputs: cs.num_instance_variables(), count: cs.num_constraints() })
    }
}

impl fmt::Debug for ProvingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ProvingKey({})", self.tier.name())
    }
}

/// Constraints of a tier's circuit.
///
/// # Errors
/// [`Error::Circuit`] when the circuit cannot be built.
pub fn constraint_count(tier: Tier) -> Result<usize> {
    Ok(Constraints::of(tier.into())?.count)
}

/// **Insecure.** The tier's development key, made from a fixed seed: whoever reads this line can forge proofs for it.
/// Takes seconds and gives the same key everywhere; keep [`ProvingKey::to_bytes`].
///
/// # Errors
/// [`Error::Circuit`] when the circuit cannot be built.
pub fn development(tier: Tier) -> Result<ProvingKey> {
    let seed = format!("insecure development key of {CIRCUIT}, tier {}", tier.name());
    let mut rng = StdRng::from_seed(Sha256::digest(seed).into());
    let circuit = Circuit { shape: tier.into(), values: None };
    let key = Groth16::<Bn254>::generate_random_parameters_with_reduction(circuit, &mut rng)?;
    ProvingKey::from_parts(tier, key)
}
