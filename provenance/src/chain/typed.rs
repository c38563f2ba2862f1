//! The structs that people sign, as EIP-712 typed data: the same names and field order as in the contracts.
//!
//! A signature is 65 bytes `r ‖ s ‖ v` with `v` 27 or 28 and `s` in the lower half (EIP-2), the only form that the
//! contracts take. Every other form of the same signature is refused here too, so that it has one encoding.

use super::{Address, B256, Signature, Signer, U256, keccak256};
use crate::{Error, Result};
use alloy::signers::SignerSync;
use alloy::sol_types::{Eip712Domain, SolStruct};

/// A signature in the one form that is accepted.
pub type SignatureBytes = [u8; 65];

/// Half the order of secp256k1, rounded down: the largest `s` accepted (EIP-2).
const HALF_ORDER: U256 =
    U256::from_limbs([0xdfe9_2f46_681b_20a0, 0x5d57_6e73_57a4_501d, 0xffff_ffff_ffff_ffff, 0x7fff_ffff_ffff_ffff]);

pub use super::bindings::{Grant, Offer, Receipt, Terms};

/// The EIP-712 domain that a signature is for: one contract on one chain. Name and version are fixed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Domain {
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// `LicenseRegistry` for offers, `JobEscrow` for receipts and grants.
    pub contract: Address,
}

impl Domain {
    fn eip712(&self) -> Eip712Domain {
        Eip712Domain::new(
            Some("Usufruct".into()),
            Some("1".into()),
            Some(U256::from(self.chain_id)),
            Some(self.contract),
            None,
        )
    }
}

/// A struct that can be signed as typed data.
pub trait Typed {
    /// `hashStruct` of EIP-712: the struct's own hash, without a domain.
    fn struct_hash(&self) -> B256;
    /// The hash that is signed: `keccak256(0x1901 ‖ domain separator ‖ struct hash)`.
    fn signing_hash(&self, domain: &Domain) -> B256;
}

impl<T: SolStruct> Typed for T {
    fn struct_hash(&self) -> B256 {
        self.eip712_hash_struct()
    }

    fn signing_hash(&self, domain: &Domain) -> B256 {
        self.eip712_signing_hash(&domain.eip712())
    }
}

/// Signs `hash` with `signer`.
///
/// # Errors
/// [`Error::Invalid`] when the key cannot sign.
pub fn sign(signer: &Signer, hash: B256) -> Result<SignatureBytes> {
    let signature = signer.sign_hash_sync(&hash).map_err(|e| Error::Invalid(format!("cannot sign: {e}")))?;
    Ok(signature.normalized_s().as_bytes())
}

/// The address whose key signed `hash`.
///
/// # Errors
/// [`Error::Integrity`] for a signature in another form than the accepted one, or of no key at all.
pub fn recover(hash: B256, signature: &SignatureBytes) -> Result<Address> {
    if !matches!(signature[64], 27 | 28) {
        return Err(Error::Integrity(format!("signature ends in {}, not 27 or 28", signature[64])));
    }
    let parsed = Signature::from_raw_array(signature).map_err(|e| Error::Integrity(format!("bad signature: {e}")))?;
    if parsed.s() > HALF_ORDER {
        return Err(Error::Integrity("signature has a high s (EIP-2): it is not the one that was made".into()));
    }
    let address = parsed
        .recover_address_from_prehash(&hash)
        .map_err(|e| Error::Integrity(format!("signature belongs to no key: {e}")))?;
    if address.is_zero() {
        return Err(Error::Integrity("signature recovers the zero address".into()));
    }
    Ok(address)
}

/// Checks that `signer` signed `hash`. `what` names the signed thing in errors.
///
/// # Errors
/// [`Error::Integrity`] as for [`recover`], or when somebody else signed.
pub fn expect_signer(hash: B256, signature: &SignatureBytes, signer: Address, what: &str) -> Result<()> {
    let found = recover(hash, signature)?;
    if found == signer {
        return Ok(());
    }
    Err(Error::Integrity(format!("{what} was signed by {found}, not by {signer}, or it was altered")))
}

/// `keccak256(abi.encode(words...))` over values of one 32-byte word each: how all ids are made.
pub fn hash_words(words: &[B256]) -> B256 {
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.0).collect();
    keccak256(bytes)
}

/// `value` as an ABI word.
pub fn word(value: u64) -> B256 {
    U256::from(value).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy::sol_types::SolValue;

    fn signer(byte: u8) -> Signer {
        Signer::from_bytes(&B256::repeat_byte(byte)).unwrap()
    }

    fn domain() -> Domain {
        Domain { chain_id: 31337, contract: Address::repeat_byte(0x11) }
    }

    fn terms() -> Terms {
        Terms {
            actions: 2,
            purposes: 1,
            commercial: false,
            attribution: true,
            pricePerRun: U256::from(5),
            currency: Address::repeat_byte(0x22),
            maxRuns: 3,
            duration: 86400,
            respondWithin: 3600,
            acceptWithin: 3600,
            minRecords: 8,
            maxEpsilonMicro: 0,
            retentionDays: 30,
            legalText: B256::repeat_byte(0x33),
        }
    }

    fn offer() -> Offer {
        Offer {
            dataset: B256::repeat_byte(0x44),
            terms: terms(),
            licensee: Address::ZERO,
            maxLicenses: 10,
            validUntil: 2_000_000_000,
            nonce: U256::from(7),
        }
    }

    #[test]
    fn types_are_encoded_as_the_contracts_name_them() {
        const TERMS: &str = "Terms(uint16 actions,uint16 purposes,bool commercial,bool attribution,uint256 pricePerRun,\
            address currency,uint32 maxRuns,uint64 duration,uint64 respondWithin,uint64 acceptWithin,uint32 minRecords,\
            uint64 maxEpsilonMicro,uint32 retentionDays,bytes32 legalText)";
        assert_eq!(Terms::eip712_encode_type(), TERMS);
        assert_eq!(
            Offer::eip712_encode_type(),
            format!(
                "Offer(bytes32 dataset,Terms terms,address licensee,uint32 maxLicenses,uint64 validUntil,uint256 nonce){TERMS}"
            )
        );
        assert_eq!(
            Receipt::eip712_encode_type(),
            "Receipt(bytes32 license,bytes32 job,bytes32 dataset,uint32 version,uint256 root,bytes32 spec,uint16 action,\
             uint64 records,uint256 outputRoot,bytes32 outputDigest,uint256 amount)"
        );
    }

    #[test]
    fn struct_hash_is_that_of_the_specification() {
        let type_hash = keccak256(Terms::eip712_encode_type().as_bytes());
        assert_eq!(terms().struct_hash(), keccak256((type_hash, terms()).abi_encode()));
    }

    #[test]
    fn signing_hash_is_that_of_the_specification() {
        let domain_type = "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)";
        let separator = hash_words(&[
            keccak256(domain_type),
            keccak256("Usufruct"),
            keccak256("1"),
            word(31337),
            domain().contract.into_word(),
        ]);
        let mut bytes = vec![0x19, 0x01];
        bytes.extend_from_slice(separator.as_slice());
        bytes.extend_from_slice(offer().struct_hash().as_slice());
        assert_eq!(offer().signing_hash(&domain()), keccak256(bytes));
    }

    #[test]
    fn hash_words_is_abi_encode() {
        let (a, b) = (B256::repeat_byte(1), Address::repeat_byte(2));
        assert_eq!(hash_words(&[a, b.into_word(), word(3)]), keccak256((a, b, U256::from(3)).abi_encode()));
    }

    #[test]
    fn signature_recovers_its_signer() {
        let hash = offer().signing_hash(&domain());
        let signature = sign(&signer(1), hash).unwrap();
        assert_eq!(recover(hash, &signature).unwrap(), signer(1).address());
        expect_signer(hash, &signature, signer(1).address(), "offer").unwrap();
    }

    #[test]
    fn signature_by_another_is_refused() {
        let hash = offer().signing_hash(&domain());
        let signature = sign(&signer(2), hash).unwrap();
        assert!(expect_signer(hash, &signature, signer(1).address(), "offer").is_err());
    }

    /// A signature over one thing must not pass for `changed`.
    fn not_transferable(changed: &Offer, domain_changed: &Domain) {
        let signature = sign(&signer(1), offer().signing_hash(&domain())).unwrap();
        let hash = changed.signing_hash(domain_changed);
        assert!(expect_signer(hash, &signature, signer(1).address(), "offer").is_err());
    }

    #[test]
    fn signature_for_another_chain_is_refused() {
        not_transferable(&offer(), &Domain { chain_id: 1, ..domain() });
    }

    #[test]
    fn signature_for_another_contract_is_refused() {
        not_transferable(&offer(), &Domain { contract: Address::repeat_byte(0x12), ..domain() });
    }

    #[test]
    fn signature_for_other_terms_is_refused() {
        let mut other = offer();
        other.terms.pricePerRun = U256::from(4);
        not_transferable(&other, &domain());
        let mut other = offer();
        other.terms.commercial = true;
        not_transferable(&other, &domain());
    }

    #[test]
    fn malleable_twin_is_refused() {
        let order = HALF_ORDER * U256::from(2) + U256::from(1);
        let hash = offer().signing_hash(&domain());
        let mut signature = sign(&signer(1), hash).unwrap();
        let s = U256::from_be_slice(&signature[32..64]);
        signature[32..64].copy_from_slice(&(order - s).to_be_bytes::<32>());
        signature[64] ^= 27 ^ 28;
        assert!(recover(hash, &signature).unwrap_err().to_string().contains("high s"));
    }

    #[test]
    fn other_recovery_bytes_are_refused() {
        let hash = offer().signing_hash(&domain());
        for v in [0, 1, 26, 29, 35, 255] {
            let mut signature = sign(&signer(1), hash).unwrap();
            signature[64] = v;
            assert!(recover(hash, &signature).is_err(), "{v}");
        }
    }

    #[test]
    fn empty_signature_is_refused() {
        let mut zero = [0; 65];
        assert!(recover(B256::ZERO, &zero).is_err());
        zero[64] = 27;
        assert!(recover(B256::ZERO, &zero).is_err());
    }

    #[test]
    fn every_flipped_bit_of_a_signature_is_refused() {
        let hash = offer().signing_hash(&domain());
        let good = sign(&signer(1), hash).unwrap();
        for index in 0..65 {
            let mut bad = good;
            bad[index] ^= 1;
            assert!(expect_signer(hash, &bad, signer(1).address(), "offer").is_err(), "byte {index}");
        }
    }
}
