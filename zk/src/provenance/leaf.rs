//! Records, rows and owners as field elements: the commitments that roots and public inputs are made of.

use core::fmt;

use rayon::prelude::*;
use sha2::{Digest, Sha256};
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::{
    Error, Field, Result, field,
    poseidon::{Tag, hash, hash_each},
};

/// Leaves hashed between two reports of progress.
const BATCH: usize = 8192;

/// Leaves hashed by one core before the next are shared out.
const SHARE: usize = 64;

/// What a record's leaf commits to: `Poseidon(LEAF, Poseidon(DATA, salt, lo, hi), packed)`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Leaf {
    /// Secret per record, so that roots hide guessable content.
    pub salt: [u8; 31],
    /// SHA-256 of the record's canonical bytes.
    pub digest: [u8; 32],
    /// Source level: 0 self-asserted, 1 device-signed, 2 DKIM-signed, 3 TLS-notarized.
    pub level: u8,
    /// The counted field's value in the manifest's decimal scale, if the record has one.
    pub value: Option<i32>,
}

impl Leaf {
    /// The leaf in the records' tree.
    pub fn hash(&self) -> Field {
        let [salt, lo, hi, packed] = self.preimage();
        hash(Tag::Leaf, &[hash(Tag::Data, &[salt, lo, hi]), packed])
    }

    /// The leaves of many records, in their order, on all cores. `progress(done, total)` counts leaves and is called on this
    /// thread every few thousand of them and at the end.
    pub fn hash_all(leaves: &[Self], progress: &mut dyn FnMut(u64, u64)) -> Vec<Field> {
        let mut hashes = Vec::with_capacity(leaves.len());
        for batch in leaves.chunks(BATCH) {
            hashes.par_extend(batch.par_chunks(SHARE).flat_map_iter(Self::hash_share));
            progress(hashes.len() as u64, leaves.len() as u64);
        }
        hashes
    }

    fn hash_share(leaves: &[Self]) -> Vec<Field> {
        let (data, packed): (Vec<_>, Vec<_>) =
            leaves.iter().map(Self::preimage).map(|[salt, lo, hi, packed]| ([salt, lo, hi], packed)).unzip();
        let data = hash_each(Tag::Data, &data).into_iter();
        hash_each(Tag::Leaf, &data.zip(packed).map(<[Field; 2]>::from).collect::<Vec<_>>())
    }

    /// `salt, lo, hi, packed`.
    pub(crate) fn preimage(&self) -> [Field; 4] {
        let (lo, hi) = field::limbs(&self.digest);
        [field::from_salt(&self.salt), lo, hi, packed(self.level, self.value)]
    }
}

/// `level·2^33 + v`, with `v` 0 for none, else `value + 2^31 + 1`.
pub(crate) fn packed(level: u8, value: Option<i32>) -> Field {
    let value = value.map_or(0, |value| (i64::from(value) + (1 << 31) + 1) as u64);
    Field::from((u64::from(level) << 33) + value)
}

impl fmt::Debug for Leaf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Leaf").field("level", &self.level).finish_non_exhaustive()
    }
}

/// The leaf of the output's tree: `Poseidon(OUTPUT, leaf, row_lo, row_hi)`, at the same position as the record's `leaf`.
pub fn output_leaf(leaf: Field, row_digest: &[u8; 32]) -> Field {
    let (lo, hi) = field::limbs(row_digest);
    hash(Tag::Output, &[leaf, lo, hi])
}

/// `SHA-256(salt ‖ row)`: what an output's leaf commits to. The salt keeps guessable rows hidden until delivery.
pub fn row_digest(salt: &[u8; 32], row: &[u8]) -> [u8; 32] {
    Sha256::new().chain_update(salt).chain_update(row).finalize().into()
}

/// What opens an owner's commitment. Wiped when dropped.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct OwnerSecret {
    identity: Field,
    dataset_salt: Field,
}

impl OwnerSecret {
    /// From the person's identity secret (a big-endian number below `r`) and the dataset's own salt.
    ///
    /// # Errors
    /// [`Error::NotCanonical`] when the identity secret is not below `r`.
    pub fn new(identity_secret: &[u8; 32], dataset_salt: &[u8; 31]) -> Result<Self> {
        let identity =
            field::from_bytes(identity_secret).map_err(|_| Error::NotCanonical { what: "the identity secret" })?;
        Ok(Self { identity, dataset_salt: field::from_salt(dataset_salt) })
    }

    /// `Poseidon(OWNER, identity_secret, dataset_salt)`.
    pub fn commitment(&self) -> Field {
        hash(Tag::Owner, &self.preimage())
    }

    pub(crate) fn preimage(&self) -> [Field; 2] {
        [self.identity, self.dataset_salt]
    }
}

impl fmt::Debug for OwnerSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OwnerSecret(..)")
    }
}

/// The owner's commitment for one dataset: not linkable to the owner's other datasets.
///
/// # Errors
/// [`Error::NotCanonical`] when the identity secret is not below `r`.
pub fn owner_commitment(identity_secret: &[u8; 32], dataset_salt: &[u8; 31]) -> Result<Field> {
    Ok(OwnerSecret::new(identity_secret, dataset_salt)?.commitment())
}
