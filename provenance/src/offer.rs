//! Offers: a proposal to license a dataset, signed by its owner and stored as one raw piece of DAG-CBOR.

use crate::chain::typed::{self, Domain, SignatureBytes, Typed};
use crate::chain::{Address, B256, Signer, U256};
use crate::cid::Cid;
use crate::dagcbor::{self, Fixed};
use crate::terms::{Terms, TermsWire};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// Largest stored offer, in bytes. A real one is under 700.
pub const MAX_OFFER: usize = 4096;
/// Version of the stored form.
const VERSION: u8 = 1;

/// A proposal to license a dataset.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Offer {
    /// DatasetId.
    pub dataset: [u8; 32],
    /// What is allowed, for how much.
    pub terms: Terms,
    /// The only one who may buy; `None` for anyone.
    pub licensee: Option<Address>,
    /// How many licenses it sells in all.
    pub max_licenses: u32,
    /// Last second in which it can be bought, since 1970.
    pub valid_until: u64,
    /// Chosen by the owner; canceling a nonce ends every offer that carries it.
    pub nonce: U256,
}

impl Offer {
    /// The struct that is hashed and signed.
    pub fn to_typed(&self) -> typed::Offer {
        typed::Offer {
            dataset: B256::from(self.dataset),
            terms: self.terms.to_typed(),
            licensee: self.licensee.unwrap_or(Address::ZERO),
            maxLicenses: self.max_licenses,
            validUntil: self.valid_until,
            nonce: self.nonce,
        }
    }

    /// The offer of a struct from the chain.
    ///
    /// # Errors
    /// [`Error::Invalid`] as for [`Terms::from_typed`].
    pub fn from_typed(typed: &typed::Offer) -> Result<Self> {
        Ok(Self {
            dataset: typed.dataset.0,
            terms: Terms::from_typed(&typed.terms)?,
            licensee: (!typed.licensee.is_zero()).then_some(typed.licensee),
            max_licenses: typed.maxLicenses,
            valid_until: typed.validUntil,
            nonce: typed.nonce,
        })
    }

    /// The EIP-712 digest under `domain`: what is signed, and what LicenseIds derive from.
    pub fn digest(&self, domain: &Domain) -> [u8; 32] {
        self.to_typed().signing_hash(domain).0
    }

    /// Signs the offer as the dataset's owner, for the `LicenseRegistry` that `domain` names.
    ///
    /// # Errors
    /// [`Error::Refused`] when the terms cannot be offered or nothing would be sold.
    pub fn sign(self, owner: &Signer, domain: Domain) -> Result<SignedOffer> {
        self.terms.check()?;
        if self.max_licenses == 0 {
            return Err(Error::Refused("max_licenses is 0: the offer would sell nothing".into()));
        }
        let signature = typed::sign(owner, self.digest(&domain).into())?;
        Ok(SignedOffer { offer: self, domain, signature })
    }

    /// Whether `buyer` can buy it at `now` (seconds since 1970), as far as the offer itself says.
    ///
    /// # Errors
    /// [`Error::Refused`] when it ended, is for another, or its terms cannot be bought.
    pub fn allows(&self, buyer: Address, now: u64) -> Result<()> {
        self.terms.check()?;
        if now > self.valid_until {
            return Err(Error::Refused("the offer ended: ask the owner for another".into()));
        }
        match self.licensee {
            Some(licensee) if licensee != buyer => {
                Err(Error::Refused(format!("the offer is for {licensee}, not for {buyer}")))
            }
            _ => Ok(()),
        }
    }
}

/// An offer with its owner's signature.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SignedOffer {
    /// The offer.
    pub offer: Offer,
    /// The `LicenseRegistry` and chain it was signed for.
    pub domain: Domain,
    /// The owner's signature over [`SignedOffer::digest`].
    pub signature: SignatureBytes,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    version: u8,
    chain_id: u64,
    registry: Fixed<20>,
    dataset: Fixed<32>,
    terms: TermsWire,
    licensee: Fixed<20>,
    max_licenses: u32,
    valid_until: u64,
    nonce: Fixed<32>,
    signature: Fixed<65>,
}

impl SignedOffer {
    /// The EIP-712 digest that was signed.
    pub fn digest(&self) -> [u8; 32] {
        self.offer.digest(&self.domain)
    }

    /// Who signed.
    ///
    /// # Errors
    /// [`Error::Integrity`] when the signature is malformed.
    pub fn signer(&self) -> Result<Address> {
        typed::recover(self.digest().into(), &self.signature)
    }

    /// Checks that `owner`, the dataset's owner, signed exactly this for exactly `domain`.
    ///
    /// # Errors
    /// [`Error::Integrity`] when another signed or a byte differs; [`Error::WrongNetwork`] for another chain or registry.
    pub fn verify(&self, owner: Address, domain: &Domain) -> Result<()> {
        if self.domain != *domain {
            return Err(Error::WrongNetwork(format!(
                "the offer is for registry {} on chain {}, not {} on {}",
                self.domain.contract, self.domain.chain_id, domain.contract, domain.chain_id
            )));
        }
        typed::expect_signer(self.digest().into(), &self.signature, owner, "the offer")
    }

    /// The stored form: canonical DAG-CBOR.
    ///
    /// # Errors
    /// None in practice.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let offer = &self.offer;
        let wire = Wire {
            version: VERSION,
            chain_id: self.domain.chain_id,
            registry: Fixed::new(self.domain.contract.into_array()),
            dataset: Fixed::new(offer.dataset),
            terms: TermsWire::from(&offer.terms),
            licensee: Fixed::new(offer.licensee.unwrap_or(Address::ZERO).into_array()),
            max_licenses: offer.max_licenses,
            valid_until: offer.valid_until,
            nonce: Fixed::new(offer.nonce.to_be_bytes()),
            signature: Fixed::new(self.signature),
        };
        dagcbor::encode(&wire, "the offer")
    }

    /// Reads the stored form. Says nothing about the signature: see [`SignedOffer::verify`].
    ///
    /// # Errors
    /// [`Error::Invalid`] for other bytes than [`SignedOffer::to_bytes`] writes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let wire: Wire = dagcbor::decode(bytes, MAX_OFFER, "the offer")?;
        if wire.version != VERSION {
            return Err(Error::Invalid(format!("offer version {} is not read here; {VERSION} is", wire.version)));
        }
        let licensee = Address::from(wire.licensee.into_array());
        Ok(Self {
            offer: Offer {
                dataset: wire.dataset.into_array(),
                terms: wire.terms.try_into()?,
                licensee: (!licensee.is_zero()).then_some(licensee),
                max_licenses: wire.max_licenses,
                valid_until: wire.valid_until,
                nonce: U256::from_be_bytes(wire.nonce.into_array()),
            },
            domain: Domain { chain_id: wire.chain_id, contract: Address::from(wire.registry.into_array()) },
            signature: wire.signature.into_array(),
        })
    }

    /// The content id of the stored form, raw codec: what is announced.
    ///
    /// # Errors
    /// As [`SignedOffer::to_bytes`].
    pub fn cid(&self) -> Result<Cid> {
        Ok(Cid::raw(&self.to_bytes()?))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::terms::{Amount, Preset};

    pub(crate) fn signer(byte: u8) -> Signer {
        Signer::from_bytes(&B256::repeat_byte(byte)).unwrap()
    }

    pub(crate) fn domain() -> Domain {
        Domain { chain_id: 31337, contract: Address::repeat_byte(0x11) }
    }

    pub(crate) fn offer(preset: Preset) -> Offer {
        Offer {
            dataset: [0xda; 32],
            terms: preset.terms(Amount::tokens(2), Address::repeat_byte(0xcc)),
            licensee: None,
            max_licenses: 10,
            valid_until: 2_000_000_000,
            nonce: U256::from(1),
        }
    }

    fn signed() -> SignedOffer {
        offer(Preset::OpenResearch).sign(&signer(1), domain()).unwrap()
    }

    #[test]
    fn offer_survives_storage_and_verifies() {
        let signed = signed();
        let bytes = signed.to_bytes().unwrap();
        let read = SignedOffer::from_bytes(&bytes).unwrap();
        assert_eq!(read, signed);
        read.verify(signer(1).address(), &domain()).unwrap();
        assert_eq!(read.signer().unwrap(), signer(1).address());
        read.cid().unwrap().verify(&bytes).unwrap();
        assert_eq!(Offer::from_typed(&signed.offer.to_typed()).unwrap(), signed.offer);
        assert!(bytes.len() < 700, "{}", bytes.len());
    }

    #[test]
    fn offer_for_one_buyer_survives_storage() {
        let offer = Offer { licensee: Some(Address::repeat_byte(5)), ..offer(Preset::StatisticsOnly) };
        let signed = offer.sign(&signer(1), domain()).unwrap();
        assert_eq!(SignedOffer::from_bytes(&signed.to_bytes().unwrap()).unwrap(), signed);
        signed.offer.allows(Address::repeat_byte(5), 2_000_000_000).unwrap();
        assert!(signed.offer.allows(Address::repeat_byte(6), 0).unwrap_err().to_string().contains("not for"));
    }

    #[test]
    fn private_terms_are_not_signed() {
        assert!(matches!(offer(Preset::Private).sign(&signer(1), domain()), Err(Error::Refused(_))));
    }

    #[test]
    fn offer_of_nothing_is_not_signed() {
        let nothing = Offer { max_licenses: 0, ..offer(Preset::OpenResearch) };
        assert!(matches!(nothing.sign(&signer(1), domain()), Err(Error::Refused(_))));
    }

    #[test]
    fn ended_offer_is_refused() {
        let offer = offer(Preset::OpenResearch);
        offer.allows(Address::repeat_byte(5), offer.valid_until).unwrap();
        assert!(offer.allows(Address::repeat_byte(5), offer.valid_until + 1).is_err());
    }

    #[test]
    fn offer_by_another_is_refused() {
        let signed = offer(Preset::OpenResearch).sign(&signer(2), domain()).unwrap();
        assert!(matches!(signed.verify(signer(1).address(), &domain()), Err(Error::Integrity(_))));
    }

    #[test]
    fn offer_for_another_registry_or_chain_is_refused() {
        for other in [Domain { chain_id: 1, ..domain() }, Domain { contract: Address::repeat_byte(2), ..domain() }] {
            assert!(matches!(signed().verify(signer(1).address(), &other), Err(Error::WrongNetwork(_))));
            let moved = SignedOffer { domain: other, ..signed() };
            assert!(matches!(moved.verify(signer(1).address(), &other), Err(Error::Integrity(_))));
        }
    }

    #[test]
    fn every_flipped_bit_is_refused() {
        let bytes = signed().to_bytes().unwrap();
        for index in 0..bytes.len() {
            for bit in [0x01, 0x80] {
                let mut bad = bytes.clone();
                bad[index] ^= bit;
                let verdict = SignedOffer::from_bytes(&bad).and_then(|o| o.verify(signer(1).address(), &domain()));
                assert!(verdict.is_err(), "byte {index} bit {bit:#x}");
            }
        }
    }

    #[test]
    fn every_truncation_is_refused() {
        let bytes = signed().to_bytes().unwrap();
        for length in 0..bytes.len() {
            assert!(SignedOffer::from_bytes(&bytes[..length]).is_err(), "{length}");
        }
    }

    #[test]
    fn trailing_bytes_and_oversize_are_refused() {
        let mut bytes = signed().to_bytes().unwrap();
        bytes.push(0);
        assert!(SignedOffer::from_bytes(&bytes).is_err());
        bytes.resize(MAX_OFFER + 1, 0);
        assert!(SignedOffer::from_bytes(&bytes).unwrap_err().to_string().contains("at most"));
    }
}
