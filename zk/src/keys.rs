//! Proving and verifying keys, one pair for each tier, and the pins that say which keys this program uses.
//!
//! **The keys here are development keys and insecure.** They come from a seed that everybody knows, so anybody can
//! forge proofs for them. They are for the embedded network, anvil and declared testnets.

use std::sync::OnceLock;

use ark_bn254::Bn254;
use ark_groth16::{Groth16, PreparedVerifyingKey, prepare_verifying_key};
use ark_relations::{
    gr1cs::{ConstraintSynthesizer, ConstraintSystem, R1CS_PREDICATE_LABEL, SynthesisMode},
    utils::matrix::Matrix,
};
use ark_serialize::{CanonicalDeserialize, CanonicalSerialize};
use ark_std::rand::{SeedableRng, rngs::StdRng};
use sha2::{Digest, Sha256};

use crate::{
    Error, Field, Result,
    merkle::Tier,
    provenance::{CIRCUIT, Shape, gadget::Circuit, input},
    solidity::{self, KEY_WORDS, Word},
};

/// Bytes of a verifying key.
pub const VERIFYING_KEY_BYTES: usize = 32 * KEY_WORDS;

/// First bytes of a stored proving key; the tier's number follows.
const PROVING_KEY_MAGIC: &[u8; 15] = b"usufruct zk key";

/// One line per tier: name, constraints, SHA-256 of the verifying key, SHA-256 of the stored proving key.
const PINS: &str = include_str!("../pinned/provenance-1.txt");

/// What git says about a tier's circuit and keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pin {
    /// Constraints of the circuit.
    pub constraints: usize,
    /// SHA-256 of [`VerifyingKey::to_bytes`].
    pub verifying_key: [u8; 32],
    /// SHA-256 of [`ProvingKey::to_bytes`].
    pub proving_key: [u8; 32],
}

impl Pin {
    /// The pin of a tier.
    ///
    /// # Errors
    /// [`Error::Key`] when the pins in the program are incomplete.
    pub fn of(tier: Tier) -> Result<Self> {
        let parse = || {
            let mut fields = PINS
                .lines()
                .map(str::split_whitespace)
                .find_map(|mut line| (line.next() == Some(tier.name())).then_some(line))?;
            let constraints = fields.next()?.parse().ok()?;
            let mut digest =
                || -> Option<[u8; 32]> { hex::decode(fields.next()?).ok()?.try_into().ok() };
            Some(Self {
                constraints,
                verifying_key: digest()?,
                proving_key: digest()?,
            })
        };
        parse().ok_or_else(|| refused(format!("no pin for the tier {}", tier.name())))
    }
}

/// What a verifier holds: alpha, beta, gamma, delta and one point for each public input and the constant.
#[derive(Clone, Debug)]
pub struct VerifyingKey {
    prepared: PreparedVerifyingKey<Bn254>,
}

impl PartialEq for VerifyingKey {
    fn eq(&self, other: &Self) -> bool {
        self.prepared.vk == other.prepared.vk
    }
}

impl Eq for VerifyingKey {}

impl VerifyingKey {
    /// The key that this program verifies a tier's proofs with.
    ///
    /// # Errors
    /// [`Error::Key`] when the pinned key and its pinned digest disagree.
    pub fn pinned(tier: Tier) -> Result<Self> {
        let bytes: &[u8] = match tier {
            Tier::Small => include_bytes!("../pinned/provenance-1-small.vk"),
            Tier::Medium => include_bytes!("../pinned/provenance-1-medium.vk"),
            Tier::Large => include_bytes!("../pinned/provenance-1-large.vk"),
        };
        let key = Self::from_bytes(bytes)?;
        if key.digest() != Pin::of(tier)?.verifying_key {
            return Err(refused(format!(
                "the verifying key of the tier {} is not the pinned one",
                tier.name()
            )));
        }
        Ok(key)
    }

    /// The 28 words of [`solidity::key_words`], one after the other.
    pub fn to_bytes(&self) -> Vec<u8> {
        solidity::key_words(self).concat()
    }

    /// Reads [`VerifyingKey::to_bytes`]: every point checked, and the key as a whole.
    ///
    /// # Errors
    /// [`Error::Key`] for another length, a malformed point, or a key under which proofs can be forged or inputs
    /// exchanged.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let (words, rest) = bytes.as_chunks::<32>();
        let words: &[Word; KEY_WORDS] = match (words.try_into(), rest) {
            (Ok(words), []) => words,
            _ => {
                return Err(refused(format!(
                    "{} bytes where {VERIFYING_KEY_BYTES} are due",
                    bytes.len()
                )));
            }
        };
        Self::from_words(words).map_err(|reason| refused(reason.to_owned()))
    }

    fn from_words(words: &[Word; KEY_WORDS]) -> core::result::Result<Self, &'static str> {
        let (alpha, rest) = words.split_first_chunk::<2>().ok_or("no alpha")?;
        let (g2, inputs) = rest.split_at(12);
        let g2: Vec<_> = g2
            .as_chunks::<4>()
            .0
            .iter()
            .map(solidity::read_g2)
            .collect::<core::result::Result<_, _>>()?;
        let [beta_g2, gamma_g2, delta_g2] =
            g2.try_into().map_err(|_| "three points of G2 are due")?;
        let gamma_abc_g1 = inputs
            .as_chunks::<2>()
            .0
            .iter()
            .map(solidity::read_g1)
            .collect::<core::result::Result<_, _>>()?;
        let alpha_g1 = solidity::read_g1(alpha)?;
        Self::checked(ark_groth16::VerifyingKey {
            alpha_g1,
            beta_g2,
            gamma_g2,
            delta_g2,
            gamma_abc_g1,
        })
    }

    /// Refuses a key that is well-formed and still worthless. Points are on their curve and not at infinity here.
    fn checked(key: ark_groth16::VerifyingKey<Bn254>) -> core::result::Result<Self, &'static str> {
        if key.gamma_abc_g1.len() != input::LENGTH + 1 {
            return Err("the key is for another number of public inputs");
        }
        if key.gamma_g2 == key.delta_g2 || key.gamma_g2 == -key.delta_g2 {
            return Err("gamma equals delta: anybody could forge proofs");
        }
        if key.beta_g2 == key.gamma_g2 || key.beta_g2 == key.delta_g2 {
            return Err("beta equals gamma or delta");
        }
        let points = &key.gamma_abc_g1;
        if (1..points.len()).any(|i| points[..i].contains(&points[i])) {
            return Err("two public inputs have the same point: they could be exchanged");
        }
        Ok(Self {
            prepared: prepare_verifying_key(&key),
        })
    }

    /// SHA-256 of [`VerifyingKey::to_bytes`]: the key's name in pins and bundles.
    pub fn digest(&self) -> [u8; 32] {
        Sha256::digest(self.to_bytes()).into()
    }

    pub(crate) fn inner(&self) -> &ark_groth16::VerifyingKey<Bn254> {
        &self.prepared.vk
    }

    pub(crate) fn prepared(&self) -> &PreparedVerifyingKey<Bn254> {
        &self.prepared
    }
}

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
        bytes.extend_from_slice(PROVING_KEY_MAGIC);
        bytes.push(self.tier.id());
        self.key
            .serialize_uncompressed(&mut bytes)
            .map_err(|error| refused(error.to_string()))?;
        Ok(bytes)
    }

    /// Reads a key this program pins. The digest of the bytes stands for all checks of the points.
    ///
    /// # Errors
    /// [`Error::Key`] for bytes that are damaged or not the pinned key: make the key again.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let tier = bytes
            .strip_prefix(PROVING_KEY_MAGIC.as_slice())
            .and_then(|rest| Tier::from_id(*rest.first()?))
            .ok_or_else(|| refused("these bytes are not a proving key".to_owned()))?;
        if Sha256::digest(bytes)[..] != Pin::of(tier)?.proving_key {
            let name = tier.name();
            return Err(refused(format!(
                "the stored proving key of the tier {name} is damaged or of another version: remove it and it is made again"
            )));
        }
        let body = &bytes[PROVING_KEY_MAGIC.len() + 1..];
        let key = ark_groth16::ProvingKey::deserialize_uncompressed_unchecked(body)
            .map_err(|error| refused(error.to_string()))?;
        Self::from_parts(tier, key)
    }

    fn from_parts(tier: Tier, key: ark_groth16::ProvingKey<Bn254>) -> Result<Self> {
        let verifying =
            VerifyingKey::checked(key.vk.clone()).map_err(|reason| refused(reason.to_owned()))?;
        Ok(Self {
            tier,
            key,
            verifying,
            constraints: OnceLock::new(),
        })
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
        Circuit {
            shape,
            values: None,
        }
        .generate_constraints(cs.clone())?;
        cs.finalize();
        let matrices = cs
            .to_matrices()?
            .remove(R1CS_PREDICATE_LABEL)
            .unwrap_or_default();
        Ok(Self {
            matrices,
            inputs: cs.num_instance_variables(),
            count: cs.num_constraints(),
        })
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
    let seed = format!(
        "insecure development key of {CIRCUIT}, tier {}",
        tier.name()
    );
    let mut rng = StdRng::from_seed(Sha256::digest(seed).into());
    let circuit = Circuit {
        shape: tier.into(),
        values: None,
    };
    let key = Groth16::<Bn254>::generate_random_parameters_with_reduction(circuit, &mut rng)?;
    ProvingKey::from_parts(tier, key)
}

fn refused(reason: String) -> Error {
    Error::Key { reason }
}
