//! Receipts: what one job used and gave, signed by the owner, or by a delegate with the owner's grant, when it is committed, and
//! by the licensee when it got it.

use crate::chain::typed::{self, Domain, Grant, SignatureBytes, Typed};
use crate::chain::{Address, B256, Signer, U256};
use crate::dagcbor::{self, Fixed};
use crate::terms::{Action, Amount};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// Largest stored receipt, in bytes. A real one is under 800.
pub const MAX_RECEIPT: usize = 4096;
/// Version of the stored form.
const VERSION: u8 = 1;

/// The record of one job. Names and order follow the contract's struct.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Receipt {
    /// LicenseId.
    pub license: [u8; 32],
    /// JobId.
    pub job: [u8; 32],
    /// DatasetId.
    pub dataset: [u8; 32],
    /// Dataset version that the job ran over.
    pub version: u32,
    /// Root of that version.
    pub root: [u8; 32],
    /// sha2-256 digest of the sealed job spec.
    pub spec: [u8; 32],
    /// What was done.
    pub action: Action,
    /// How many records it was done with.
    pub records: u64,
    /// Root over the output's rows.
    pub output_root: [u8; 32],
    /// sha2-256 digest of the sealed package.
    pub output_digest: [u8; 32],
    /// What was paid for it.
    pub amount: Amount,
}

impl Receipt {
    /// The struct that is hashed and signed.
    pub fn to_typed(&self) -> typed::Receipt {
        typed::Receipt {
            license: B256::from(self.license),
            job: B256::from(self.job),
            dataset: B256::from(self.dataset),
            version: self.version,
            root: U256::from_be_bytes(self.root),
            spec: B256::from(self.spec),
            action: self.action.bit(),
            records: self.records,
            outputRoot: U256::from_be_bytes(self.output_root),
            outputDigest: B256::from(self.output_digest),
            amount: self.amount.units(),
        }
    }

    /// The receipt of a struct from the chain.
    ///
    /// # Errors
    /// [`Error::Invalid`] for an action that is not one bit or an amount out of range.
    pub fn from_typed(typed: &typed::Receipt) -> Result<Self> {
        Ok(Self {
            license: typed.license.0,
            job: typed.job.0,
            dataset: typed.dataset.0,
            version: typed.version,
            root: typed.root.to_be_bytes(),
            spec: typed.spec.0,
            action: Action::from_bit(typed.action)?,
            records: typed.records,
            output_root: typed.outputRoot.to_be_bytes(),
            output_digest: typed.outputDigest.0,
            amount: Amount::from_units(typed.amount)?,
        })
    }

    /// The EIP-712 struct hash, which the dataset's head on the chain takes in.
    pub fn hash(&self) -> [u8; 32] {
        self.to_typed().struct_hash().0
    }

    /// The EIP-712 digest under `domain`: what both sides sign.
    pub fn digest(&self, domain: &Domain) -> [u8; 32] {
        self.to_typed().signing_hash(domain).0
    }

    /// Signs as the dataset's owner, for the `JobEscrow` that `domain` names.
    ///
    /// # Errors
    /// [`Error::Invalid`] when the key cannot sign.
    pub fn sign(self, owner: &Signer, domain: Domain) -> Result<SignedReceipt> {
        let signature = typed::sign(owner, self.digest(&domain).into())?;
        Ok(SignedReceipt { receipt: self, domain, signature, mandate: None, acknowledgement: None })
    }

    /// Signs as a delegate of the dataset's owner, who signed the `mandate`.
    ///
    /// # Errors
    /// [`Error::Invalid`] when the key cannot sign, is not the delegate's, or the grant does not cover the job.
    pub fn sign_for(self, delegate: &Signer, domain: Domain, mandate: Mandate) -> Result<SignedReceipt> {
        if mandate.grant.delegate != delegate.address() || !mandate.covers(&self) {
            return Err(Error::Invalid("the grant does not let this key answer this job".into()));
        }
        let signature = typed::sign(delegate, self.digest(&domain).into())?;
        Ok(SignedReceipt { receipt: self, domain, signature, mandate: Some(mandate), acknowledgement: None })
    }
}

/// An owner's grant to a delegate, with the owner's signature.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Mandate {
    /// What the delegate may answer.
    pub grant: Grant,
    /// The owner's signature over it.
    pub signature: SignatureBytes,
}

impl Mandate {
    /// Whether the grant is for this job's dataset and action. Its end and its number of jobs are the escrow's to check, when
    /// the delegate commits.
    fn covers(&self, receipt: &Receipt) -> bool {
        let dataset = self.grant.dataset.is_zero() || self.grant.dataset.0 == receipt.dataset;
        dataset && self.grant.actions & receipt.action.bit() != 0
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct MandateWire {
    delegate: Fixed<20>,
    dataset: Fixed<32>,
    actions: u16,
    jobs: u32,
    until: u64,
    nonce: Fixed<32>,
    signature: Fixed<65>,
}

impl From<&Mandate> for MandateWire {
    fn from(Mandate { grant, signature }: &Mandate) -> Self {
        MandateWire {
            delegate: Fixed::new(grant.delegate.into_array()),
            dataset: Fixed::new(grant.dataset.0),
            actions: grant.actions,
            jobs: grant.maxJobs,
            until: grant.validUntil,
            nonce: Fixed::new(grant.nonce.to_be_bytes()),
            signature: Fixed::new(*signature),
        }
    }
}

impl From<MandateWire> for Mandate {
    fn from(wire: MandateWire) -> Self {
        let grant = Grant {
            delegate: Address::from(wire.delegate.into_array()),
            dataset: B256::from(wire.dataset.into_array()),
            actions: wire.actions,
            maxJobs: wire.jobs,
            validUntil: wire.until,
            nonce: U256::from_be_bytes(wire.nonce.into_array()),
        };
        Mandate { grant, signature: wire.signature.into_array() }
    }
}

/// A receipt with the owner's signature, or a delegate's, and, once delivered, the licensee's.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SignedReceipt {
    /// The receipt.
    pub receipt: Receipt,
    /// The `JobEscrow` and chain it was signed for.
    pub domain: Domain,
    /// The owner's signature over the digest; with a mandate, the delegate's.
    pub signature: SignatureBytes,
    /// The owner's grant to the delegate who signed; `None` where the owner did.
    pub mandate: Option<Mandate>,
    /// The licensee's signature over the same digest; `None` shows as *unacknowledged*.
    pub acknowledgement: Option<SignatureBytes>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    format: u8,
    chain_id: u64,
    escrow: Fixed<20>,
    license: Fixed<32>,
    job: Fixed<32>,
    dataset: Fixed<32>,
    version: u32,
    root: Fixed<32>,
    spec: Fixed<32>,
    action: u16,
    records: u64,
    output_root: Fixed<32>,
    output_digest: Fixed<32>,
    amount: Fixed<32>,
    signature: Fixed<65>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    mandate: Option<MandateWire>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    acknowledgement: Option<Fixed<65>>,
}

impl SignedReceipt {
    /// The EIP-712 digest that was signed.
    pub fn digest(&self) -> [u8; 32] {
        self.receipt.digest(&self.domain)
    }

    /// Signs the same digest as the licensee who received the output.
    ///
    /// # Errors
    /// [`Error::Invalid`] when the key cannot sign.
    pub fn acknowledge(mut self, licensee: &Signer) -> Result<Self> {
        self.acknowledgement = Some(typed::sign(licensee, self.digest().into())?);
        Ok(self)
    }

    /// Checks that `owner` signed exactly this for exactly `domain`, or a delegate to whom the owner granted it.
    ///
    /// # Errors
    /// [`Error::Integrity`] when another signed or a byte differs; [`Error::WrongNetwork`] for another chain or escrow.
    pub fn verify(&self, owner: Address, domain: &Domain) -> Result<()> {
        if self.domain != *domain {
            return Err(Error::WrongNetwork(format!(
                "the receipt is for escrow {} on chain {}, not {} on {}",
                self.domain.contract, self.domain.chain_id, domain.contract, domain.chain_id
            )));
        }
        let Some(Mandate { grant, signature }) = &self.mandate else {
            return typed::expect_signer(self.digest().into(), &self.signature, owner, "the receipt");
        };
        typed::expect_signer(grant.signing_hash(domain), signature, owner, "the grant")?;
        if !self.mandate.as_ref().is_some_and(|mandate| mandate.covers(&self.receipt)) {
            return Err(Error::Integrity(
                "the receipt was signed by a delegate whose grant is not for this job".into(),
            ));
        }
        typed::expect_signer(self.digest().into(), &self.signature, grant.delegate, "the receipt")
    }

    /// Who signed it for `owner`, in words.
    #[must_use]
    pub fn signed_by(&self, owner: Address) -> String {
        match &self.mandate {
            Some(mandate) => format!("signed by {}, a delegate of {owner}", mandate.grant.delegate),
            None => format!("signed by {owner}"),
        }
    }

    /// Checks the acknowledgement: `false` when there is none.
    ///
    /// # Errors
    /// [`Error::Integrity`] when there is one and `licensee` did not make it.
    pub fn verify_acknowledgement(&self, licensee: Address) -> Result<bool> {
        let Some(signature) = &self.acknowledgement else { return Ok(false) };
        typed::expect_signer(self.digest().into(), signature, licensee, "the acknowledgement")?;
        Ok(true)
    }

    /// The stored form: canonical DAG-CBOR.
    ///
    /// # Errors
    /// None in practice.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let receipt = &self.receipt;
        let wire = Wire {
            format: VERSION,
            chain_id: self.domain.chain_id,
            escrow: Fixed::new(self.domain.contract.into_array()),
            license: Fixed::new(receipt.license),
            job: Fixed::new(receipt.job),
            dataset: Fixed::new(receipt.dataset),
            version: receipt.version,
            root: Fixed::new(receipt.root),
            spec: Fixed::new(receipt.spec),
            action: receipt.action.bit(),
            records: receipt.records,
            output_root: Fixed::new(receipt.output_root),
            output_digest: Fixed::new(receipt.output_digest),
            amount: Fixed::new(receipt.amount.units().to_be_bytes()),
            signature: Fixed::new(self.signature),
            mandate: self.mandate.as_ref().map(MandateWire::from),
            acknowledgement: self.acknowledgement.map(Fixed::new),
        };
        dagcbor::encode(&wire, "the receipt")
    }

    /// Reads the stored form. Says nothing about the signatures: see [`SignedReceipt::verify`].
    ///
    /// # Errors
    /// [`Error::Invalid`] for other bytes than [`SignedReceipt::to_bytes`] writes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let wire: Wire = dagcbor::decode(bytes, MAX_RECEIPT, "the receipt")?;
        if wire.format != VERSION {
            return Err(Error::Invalid(format!("receipt format {} is not read here; {VERSION} is", wire.format)));
        }
        Ok(Self {
            receipt: Receipt {
                license: wire.license.into_array(),
                job: wire.job.into_array(),
                dataset: wire.dataset.into_array(),
                version: wire.version,
                root: wire.root.into_array(),
                spec: wire.spec.into_array(),
                action: Action::from_bit(wire.action)?,
                records: wire.records,
                output_root: wire.output_root.into_array(),
                output_digest: wire.output_digest.into_array(),
                amount: Amount::from_units(U256::from_be_bytes(wire.amount.into_array()))?,
            },
            domain: Domain { chain_id: wire.chain_id, contract: Address::from(wire.escrow.into_array()) },
            signature: wire.signature.into_array(),
            mandate: wire.mandate.map(Mandate::from),
            acknowledgement: wire.acknowledgement.map(Fixed::into_array),
        })
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::offer::tests::signer;

    pub(crate) fn domain() -> Domain {
        Domain { chain_id: 31337, contract: Address::repeat_byte(0xe5) }
    }

    pub(crate) fn receipt() -> Receipt {
        Receipt {
            license: [1; 32],
            job: [2; 32],
            dataset: [3; 32],
            version: 1,
            root: [4; 32],
            spec: [5; 32],
            action: Action::Embed,
            records: 300,
            output_root: [6; 32],
            output_digest: [7; 32],
            amount: Amount::tokens(2),
        }
    }

    fn signed() -> SignedReceipt {
        receipt().sign(&signer(1), domain()).unwrap()
    }

    fn grant() -> Grant {
        Grant {
            delegate: signer(4).address(),
            dataset: [3; 32].into(),
            actions: Action::Embed.bit(),
            maxJobs: 5,
            validUntil: 2_000_000_000,
            nonce: U256::from(9),
        }
    }

    fn mandate(grant: Grant, by: u8) -> Mandate {
        let signature = typed::sign(&signer(by), grant.signing_hash(&domain())).unwrap();
        Mandate { grant, signature }
    }

    fn signed_for() -> SignedReceipt {
        receipt().sign_for(&signer(4), domain(), mandate(grant(), 1)).unwrap()
    }

    #[test]
    fn delegated_receipt_survives_storage_and_verifies() {
        let signed = signed_for().acknowledge(&signer(2)).unwrap();
        let read = SignedReceipt::from_bytes(&signed.to_bytes().unwrap()).unwrap();
        assert_eq!(read, signed);
        read.verify(signer(1).address(), &domain()).unwrap();
        assert!(read.verify(signer(4).address(), &domain()).is_err(), "a delegate passed for the owner");
        assert!(read.verify_acknowledgement(signer(2).address()).unwrap());
    }

    #[test]
    fn delegated_receipt_without_the_owners_grant_is_refused() {
        let refused = |receipt: SignedReceipt| receipt.verify(signer(1).address(), &domain()).unwrap_err();
        refused(SignedReceipt { mandate: None, ..signed_for() });
        // Granted by somebody else, for another dataset or action, or to another.
        refused(receipt().sign_for(&signer(4), domain(), mandate(grant(), 5)).unwrap());
        for other in [
            Grant { dataset: [8; 32].into(), ..grant() },
            Grant { actions: Action::Statistic.bit(), ..grant() },
            Grant { delegate: signer(5).address(), ..grant() },
        ] {
            assert!(receipt().sign_for(&signer(4), domain(), mandate(other.clone(), 1)).is_err());
            refused(SignedReceipt { mandate: Some(mandate(other, 1)), ..signed_for() });
        }
        // A grant for all datasets is one for this.
        let all = mandate(Grant { dataset: B256::ZERO, ..grant() }, 1);
        let signed = receipt().sign_for(&signer(4), domain(), all).unwrap();
        signed.verify(signer(1).address(), &domain()).unwrap();
    }

    #[test]
    fn receipt_survives_storage_and_verifies() {
        let signed = signed();
        let read = SignedReceipt::from_bytes(&signed.to_bytes().unwrap()).unwrap();
        assert_eq!(read, signed);
        read.verify(signer(1).address(), &domain()).unwrap();
        assert!(!read.verify_acknowledgement(signer(2).address()).unwrap());
        assert_eq!(Receipt::from_typed(&receipt().to_typed()).unwrap(), receipt());
    }

    #[test]
    fn acknowledged_receipt_survives_storage_and_verifies() {
        let signed = signed().acknowledge(&signer(2)).unwrap();
        let read = SignedReceipt::from_bytes(&signed.to_bytes().unwrap()).unwrap();
        assert_eq!(read, signed);
        assert!(read.verify_acknowledgement(signer(2).address()).unwrap());
    }

    #[test]
    fn acknowledgement_by_another_is_refused() {
        let signed = signed().acknowledge(&signer(3)).unwrap();
        assert!(matches!(signed.verify_acknowledgement(signer(2).address()), Err(Error::Integrity(_))));
    }

    #[test]
    fn owner_signature_is_no_acknowledgement() {
        let mut signed = signed();
        signed.acknowledgement = Some(signed.signature);
        assert!(signed.verify_acknowledgement(signer(2).address()).is_err());
    }

    #[test]
    fn receipt_by_another_is_refused() {
        assert!(signed().verify(signer(2).address(), &domain()).is_err());
    }

    #[test]
    fn receipt_for_another_escrow_or_chain_is_refused() {
        for other in [Domain { chain_id: 1, ..domain() }, Domain { contract: Address::repeat_byte(2), ..domain() }] {
            assert!(matches!(signed().verify(signer(1).address(), &other), Err(Error::WrongNetwork(_))));
            let moved = SignedReceipt { domain: other, ..signed() };
            assert!(matches!(moved.verify(signer(1).address(), &other), Err(Error::Integrity(_))));
        }
    }

    #[test]
    fn every_flipped_bit_is_refused() {
        for signed in [signed(), signed_for()] {
            let bytes = signed.acknowledge(&signer(2)).unwrap().to_bytes().unwrap();
            for index in 0..bytes.len() {
                let mut bad = bytes.clone();
                bad[index] ^= 1;
                let verdict = SignedReceipt::from_bytes(&bad).and_then(|receipt| {
                    receipt.verify(signer(1).address(), &domain())?;
                    receipt.verify_acknowledgement(signer(2).address())
                });
                assert!(verdict.is_err(), "byte {index}");
            }
        }
    }

    #[test]
    fn every_truncation_is_refused() {
        let bytes = signed().to_bytes().unwrap();
        for length in 0..bytes.len() {
            assert!(SignedReceipt::from_bytes(&bytes[..length]).is_err(), "{length}");
        }
    }

    #[test]
    fn two_actions_in_one_receipt_are_refused() {
        let mut typed = receipt().to_typed();
        typed.action = 3;
        assert!(Receipt::from_typed(&typed).is_err());
        typed.action = 0;
        assert!(Receipt::from_typed(&typed).is_err());
    }
}
