//! Ids and words that are derived, never counted: the same function of the same inputs as in the contracts.

use crate::chain::typed::{hash_words, word};
use crate::chain::{Address, B256, U256};

/// `keccak256(abi.encode(owner, firstManifestDigest))`. `first_manifest` is the digest of version 1's manifest.
pub fn dataset_id(owner: Address, first_manifest: &[u8; 32]) -> [u8; 32] {
    hash_words(&[owner.into_word(), B256::from(*first_manifest)]).0
}

/// `keccak256(abi.encode(offerDigest, licensee, nonce))`. `offer` is the offer's EIP-712 digest, domain included.
pub fn license_id(offer: &[u8; 32], licensee: Address, nonce: U256) -> [u8; 32] {
    hash_words(&[B256::from(*offer), licensee.into_word(), nonce.into()]).0
}

/// `keccak256(abi.encode(licenseId, specDigest, nonce))`.
pub fn job_id(license: &[u8; 32], spec: &[u8; 32], nonce: U256) -> [u8; 32] {
    hash_words(&[B256::from(*license), B256::from(*spec), nonce.into()]).0
}

/// What ties a proof to one job on one chain: the inputs of the `CONTEXT` word.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Context {
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// The `JobEscrow` contract.
    pub escrow: Address,
    /// JobId.
    pub job: [u8; 32],
    /// LicenseId.
    pub license: [u8; 32],
    /// sha2-256 digest of the sealed job spec.
    pub spec: [u8; 32],
    /// sha2-256 digest of the sealed package.
    pub output_digest: [u8; 32],
    /// keccak256 of the package key.
    pub key_hash: [u8; 32],
    /// The dataset's owner, the only one paid.
    pub payee: Address,
}

impl Context {
    /// The public input: the hash of the fields, shifted right by eight bits so that it is below the field's order.
    pub fn word(&self) -> [u8; 32] {
        shifted(hash_words(&[
            word(self.chain_id),
            self.escrow.into_word(),
            B256::from(self.job),
            B256::from(self.license),
            B256::from(self.spec),
            B256::from(self.output_digest),
            B256::from(self.key_hash),
            self.payee.into_word(),
        ]))
    }
}

/// The `CHALLENGE` public input that the contract draws: `keccak256(abi.encode(blockhash, job)) >> 8`.
pub fn challenge(block_hash: &[u8; 32], job: &[u8; 32]) -> [u8; 32] {
    shifted(hash_words(&[B256::from(*block_hash), B256::from(*job)]))
}

/// The dataset's head after a job settled: `keccak256(abi.encode(head, job, receiptStructHash))`. Zero before the first.
pub fn next_head(head: &[u8; 32], job: &[u8; 32], receipt: &[u8; 32]) -> [u8; 32] {
    hash_words(&[B256::from(*head), B256::from(*job), B256::from(*receipt)]).0
}

fn shifted(hash: B256) -> [u8; 32] {
    let mut word = [0; 32];
    word[1..].copy_from_slice(&hash[..31]);
    word
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chain::keccak256;

    #[test]
    fn ids_are_keccak_of_abi_words() {
        let owner = Address::repeat_byte(0xaa);
        let mut bytes = vec![0; 12];
        bytes.extend_from_slice(owner.as_slice());
        bytes.extend_from_slice(&[1; 32]);
        assert_eq!(dataset_id(owner, &[1; 32]), keccak256(bytes).0);
        let mut bytes = vec![2; 32];
        bytes.extend_from_slice(&[0; 12]);
        bytes.extend_from_slice(owner.as_slice());
        bytes.extend_from_slice(&U256::from(7).to_be_bytes::<32>());
        assert_eq!(license_id(&[2; 32], owner, U256::from(7)), keccak256(bytes).0);
        let mut bytes = vec![3; 64];
        bytes.extend_from_slice(&U256::from(9).to_be_bytes::<32>());
        assert_eq!(job_id(&[3; 32], &[3; 32], U256::from(9)), keccak256(bytes).0);
    }

    fn context() -> Context {
        Context {
            chain_id: 31337,
            escrow: Address::repeat_byte(1),
            job: [2; 32],
            license: [3; 32],
            spec: [4; 32],
            output_digest: [5; 32],
            key_hash: [6; 32],
            payee: Address::repeat_byte(7),
        }
    }

    #[test]
    fn context_is_below_two_to_the_248() {
        assert_eq!(context().word()[0], 0);
        assert_eq!(challenge(&[1; 32], &[2; 32])[0], 0);
    }

    #[test]
    fn every_field_of_the_context_counts() {
        let base = context();
        let changed = [
            Context { chain_id: 1, ..base },
            Context { escrow: Address::repeat_byte(9), ..base },
            Context { job: [9; 32], ..base },
            Context { license: [9; 32], ..base },
            Context { spec: [9; 32], ..base },
            Context { output_digest: [9; 32], ..base },
            Context { key_hash: [9; 32], ..base },
            Context { payee: Address::repeat_byte(9), ..base },
        ];
        for other in changed {
            assert_ne!(other.word(), base.word(), "{other:?}");
        }
    }

    #[test]
    fn head_depends_on_order() {
        let ab = next_head(&next_head(&[0; 32], &[1; 32], &[2; 32]), &[3; 32], &[4; 32]);
        let ba = next_head(&next_head(&[0; 32], &[3; 32], &[4; 32]), &[1; 32], &[2; 32]);
        assert_ne!(ab, ba);
    }
}
