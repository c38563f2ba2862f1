//! The verifying key: read with every point checked, and refused when proofs under it would be worth nothing.

use ark_bn254::Bn254;
use ark_groth16::{PreparedVerifyingKey, prepare_verifying_key};
use sha2::{Digest, Sha256};

use super::{
    Pin,
    lint::{Rule, lint_key, read},
    refused,
};
use crate::{
    Circuit, Error, Result,
    merkle::Tier,
    solidity::{self, KEY_WORDS},
};

/// Bytes of a verifying key.
pub const VERIFYING_KEY_BYTES: usize = 32 * KEY_WORDS;

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
    /// The key that this program verifies a circuit's proofs with.
    ///
    /// # Errors
    /// [`Error::Key`] when the pinned key and its pinned digest disagree.
    pub fn pinned(circuit: impl Into<Circuit>) -> Result<Self> {
        let circuit = circuit.into();
        let bytes: &[u8] = match circuit {
            Circuit::Provenance(Tier::Small) => include_bytes!("../../pinned/provenance-1-small.vk"),
            Circuit::Provenance(Tier::Medium) => include_bytes!("../../pinned/provenance-1-medium.vk"),
            Circuit::Provenance(Tier::Large) => include_bytes!("../../pinned/provenance-1-large.vk"),
            Circuit::Statistic => include_bytes!("../../pinned/statistic-1.vk"),
        };
        let key = Self::from_bytes(bytes)?;
        if key.digest() != Pin::of(circuit)?.verifying_key {
            return Err(refused(format!("the verifying key {} is not the pinned one", circuit.file_stem())));
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
        if words.len() != KEY_WORDS || !rest.is_empty() {
            return Err(refused(format!("{} bytes where {VERIFYING_KEY_BYTES} are due", bytes.len())));
        }
        Self::checked(read(words).map_err(|broken| list(&broken))?)
    }

    /// The key, unless it breaks a rule of the linter.
    pub(super) fn checked(key: ark_groth16::VerifyingKey<Bn254>) -> Result<Self> {
        match lint_key(&key)[..] {
            [] => Ok(Self { prepared: prepare_verifying_key(&key) }),
            ref broken => Err(list(broken)),
        }
    }

    /// Whether this is one of the **insecure** development keys, for which anybody can forge proofs.
    ///
    /// # Errors
    /// [`Error::Key`] when the pins in the program are incomplete.
    pub fn is_development(&self) -> Result<bool> {
        let digest = self.digest();
        Circuit::ALL
            .into_iter()
            .try_fold(false, |found, circuit| Ok(found || Pin::of(circuit)?.verifying_key == digest))
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

fn list(broken: &[Rule]) -> Error {
    refused(broken.iter().map(Rule::to_string).collect::<Vec<_>>().join("; "))
}
