//! The verifying key: read with every point checked, and refused when proofs under it would be worth nothing.

use ark_bn254::Bn254;
use ark_groth16::{PreparedVerifyingKey, prepare_verifying_key};
use sha2::{Digest, Sha256};

use super::{Pin, refused};
use crate::{
    Result,
    merkle::Tier,
    provenance::input,
    solidity::{self, KEY_WORDS, Word},
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
    /// The key that this program verifies a tier's proofs with.
    ///
    /// # Errors
    /// [`Error::Key`] when the pinned key and its pinned digest disagree.
    pub fn pinned(tier: Tier) -> Result<Self> {
        let bytes: &[u8] = match tier {
            Tier::Small => include_bytes!("../../pinned/provenance-1-small.vk"),
            Tier::Medium => include_bytes!("../../pinned/provenance-1-medium.vk"),
            Tier::Large => include_bytes!("../../pinned/provenance-1-large.vk"),
        };
        let key = Self::from_bytes(bytes)?;
        if key.digest() != Pin::of(tier)?.verifying_key {
            return Err(refused(format!("the verifying key of the tier {} is not the pinned one", tier.name())));
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
                return Err(refused(format!("{} bytes where {VERIFYING_KEY_BYTES} are due", bytes.len())));
            }
        };
        Self::from_words(words).map_err(|reason| refused(reason.to_owned()))
    }

    fn from_words(words: &[Word; KEY_WORDS]) -> core::result::Result<Self, &'static str> {
        let (alpha, rest) = words.split_first_chunk::<2>().ok_or("no alpha")?;
        let (g2, inputs) = rest.split_at(12);
        let g2: Vec<_> = g2.as_chunks::<4>().0.iter().map(solidity::read_g2).collect::<core::result::Result<_, _>>()?;
        let [beta_g2, gamma_g2, delta_g2] = g2.try_into().map_err(|_| "three points of G2 are due")?;
        let gamma_abc_g1 =
            inputs.as_chunks::<2>().0.iter().map(solidity::read_g1).collect::<core::result::Result<_, _>>()?;
        let alpha_g1 = solidity::read_g1(alpha)?;
        Self::checked(ark_groth16::VerifyingKey { alpha_g1, beta_g2, gamma_g2, delta_g2, gamma_abc_g1 })
    }

    /// Refuses a key that is well-formed and still worthless. Points are on their curve and not at infinity here.
    pub(super) fn checked(key: ark_groth16::VerifyingKey<Bn254>) -> core::result::Result<Self, &'static str> {
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
        Ok(Self { prepared: prepare_verifying_key(&key) })
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
