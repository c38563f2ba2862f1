//! Licenses: buying them, their standing, and getting unused money back.

use alloy::primitives::{Address, B256, U256};
use alloy::rpc::types::Filter;
use alloy::sol_types::{SolEvent, SolValue};

use super::{Chain, Fact, Place, Sent, link, logged, mapping_slot};
use crate::chain::bindings::LicenseRegistry::{self, LicenseRegistryEvents};
use crate::chain::bindings::{Dataset, DatasetState, License, LicenseState, RewardToken};
use crate::chain::typed::SignatureBytes;
use crate::chain::{Signer, keccak256, typed};
use crate::{Error, Result, ids};

/// Where `LicenseRegistry` keeps its licenses; a test on the compiled contract holds it in place.
const LICENSES_POSITION: u64 = 10;
/// The low bits of a license's slot that are not its hash.
const NOT_HASH: u32 = 40;

/// A license and how it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LicenseRecord {
    /// Its id, also the token's.
    pub id: B256,
    /// What was fixed when it was bought.
    pub terms: License,
    /// Runs that were bought.
    pub runs: u32,
    /// Runs never requested.
    pub runs_left: u32,
    /// Whether it was ended. Expiry is not a state: see [`LicenseRecord::is_usable`].
    pub state: LicenseState,
    /// Where it was bought.
    pub bought: Place,
}

impl LicenseRecord {
    /// Whether a job could be requested at `now` (seconds since 1970).
    #[must_use]
    pub fn is_usable(&self, now: u64) -> bool {
        self.state == LicenseState::Active && self.runs_left > 0 && now <= self.terms.expiresAt
    }
}

/// What is needed to buy a license.
#[derive(Debug, Clone)]
pub struct Purchase {
    /// The owner's proposal.
    pub offer: typed::Offer,
    /// The owner's signature over it.
    pub signature: SignatureBytes,
    /// Any number that the buyer did not use with this offer before.
    pub nonce: U256,
}

impl Chain {
    /// The id of the license that `licensee` buys from the offer with this digest.
    #[must_use]
    pub fn license_id(offer_digest: B256, licensee: Address, nonce: U256) -> B256 {
        ids::license_id(&offer_digest.0, licensee, nonce).into()
    }

    /// Buys a license: lets the registry take exactly the price where it may not yet, then buys. Returns the id and the
    /// transactions sent, the purchase last.
    ///
    /// # Errors
    /// [`Error::Refused`] or [`Error::Integrity`], before anything is sent, when the offer or the dataset does not allow
    /// it; [`Error::Reverted`] when the contract or the balance does not; [`Error::Network`].
    pub async fn buy(&self, signer: &Signer, purchase: &Purchase) -> Result<(B256, Vec<Sent>)> {
        let (offer, mut sent) = (purchase.offer.clone(), Vec::new());
        let (id, dataset, price) = self.checked(signer, purchase).await?;
        if let Some(approval) = self.allow(signer, offer.terms.currency, price).await? {
            sent.push(approval);
        }
        let call = LicenseRegistry::buyCall {
            offer,
            signature: purchase.signature.to_vec().into(),
            dataset,
            nonce: purchase.nonce,
        };
        let receipt = self.tell(signer, self.profile().licenses, call, &[id]).await?;
        let event: LicenseRegistry::LicenseBought = logged(&receipt, self.profile().licenses)?;
        sent.push(link::summary(&receipt));
        Ok((event.license, sent))
    }

    /// The license, rebuilt from its purchase and checked against the hash the contract holds.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Integrity`], [`Error::Network`].
    pub async fn license(&self, id: B256) -> Result<LicenseRecord> {
        let filter = bought_filter(self.profile().licenses).topic1(id);
        let bought = self.purchases(filter).await?.into_iter().next();
        let Some((event, place)) = bought else {
            let slot = self.storage(self.profile().licenses, mapping_slot(id, LICENSES_POSITION)).await?;
            return Err(self.absent("license", id, slot));
        };
        self.license_record(event, place).await
    }

    /// Every license that `licensee` bought, oldest first.
    ///
    /// # Errors
    /// [`Error::Integrity`], [`Error::Network`].
    pub async fn licenses_of(&self, licensee: Address) -> Result<Vec<LicenseRecord>> {
        self.license_records(bought_filter(self.profile().licenses).topic3(licensee.into_word())).await
    }

    /// Every license to the datasets of `owner`, oldest first.
    ///
    /// # Errors
    /// [`Error::Integrity`], [`Error::Network`].
    pub async fn licenses_to(&self, owner: Address) -> Result<Vec<LicenseRecord>> {
        let datasets = self.datasets_of(owner).await?;
        if datasets.is_empty() {
            return Ok(Vec::new());
        }
        self.license_records(bought_filter(self.profile().licenses).topic2(datasets)).await
    }

    /// Owner: ends the license; its unused runs are credited to the licensee.
    ///
    /// # Errors
    /// [`Error::Reverted`], [`Error::NotFound`], [`Error::Network`].
    pub async fn revoke(&self, signer: &Signer, id: B256) -> Result<Sent> {
        let terms = self.license(id).await?.terms;
        let call = LicenseRegistry::revokeCall { license: id, terms };
        Ok(link::summary(&self.tell(signer, self.profile().licenses, call, &[id]).await?))
    }

    /// Licensee at any time, anyone after expiry: ends the license; its unused runs are credited to the licensee.
    ///
    /// # Errors
    /// [`Error::Reverted`], [`Error::NotFound`], [`Error::Network`].
    pub async fn reclaim(&self, signer: &Signer, id: B256) -> Result<Sent> {
        let terms = self.license(id).await?.terms;
        let call = LicenseRegistry::reclaimCall { license: id, terms };
        Ok(link::summary(&self.tell(signer, self.profile().licenses, call, &[id]).await?))
    }

    /// The license's id, the dataset and the whole price of a purchase that can be made.
    pub(super) async fn checked(&self, signer: &Signer, purchase: &Purchase) -> Result<(B256, Dataset, U256)> {
        let offer = &purchase.offer;
        let dataset = self.dataset(offer.dataset).await?;
        self.check_offer(signer, purchase, &dataset).await?;
        let digest = typed::Typed::signing_hash(offer, &self.offers_domain());
        let id = Self::license_id(digest, signer.address(), purchase.nonce);
        Ok((id, dataset, offer.terms.pricePerRun.saturating_mul(U256::from(offer.terms.maxRuns))))
    }

    /// Refuses an offer before any token is allowed: signature, chain, contract, end, buyer, currency and state.
    async fn check_offer(&self, signer: &Signer, purchase: &Purchase, dataset: &Dataset) -> Result<()> {
        let offer = &purchase.offer;
        let hash = typed::Typed::signing_hash(offer, &self.offers_domain());
        typed::expect_signer(hash, &purchase.signature, dataset.owner, "the offer")?;
        let now = self.now().await?;
        if now > offer.validUntil {
            return Err(Error::Refused(format!("the offer ended at {} and it is {now}", offer.validUntil)));
        }
        if !offer.licensee.is_zero() && offer.licensee != signer.address() {
            return Err(Error::Refused(format!("the offer is for {} alone", offer.licensee)));
        }
        if self.profile().currency(offer.terms.currency).is_none() {
            return Err(Error::Refused(format!("{} is not a currency of this network", offer.terms.currency)));
        }
        self.check_open(offer, hash, dataset).await
    }

    /// What offers are signed for.
    fn offers_domain(&self) -> typed::Domain {
        typed::Domain { chain_id: self.profile().chain_id, contract: self.profile().licenses }
    }

    /// Refuses an offer that nobody can buy any more. `digest` is the offer's.
    async fn check_open(&self, offer: &typed::Offer, digest: B256, dataset: &Dataset) -> Result<()> {
        if dataset.state != DatasetState::Active {
            return Err(Error::Refused(format!(
                "the dataset is {:?} and takes no new licenses; choose another",
                dataset.state
            )));
        }
        let (sold, canceled) = self.offer_status(dataset.owner, offer.nonce, digest).await?;
        if canceled {
            return Err(Error::Refused("the owner canceled the offer; ask for a new one".into()));
        }
        if sold >= offer.maxLicenses {
            return Err(Error::Refused(format!(
                "all {} licenses of the offer are sold; ask the owner for a new offer",
                offer.maxLicenses
            )));
        }
        Ok(())
    }

    async fn allow(&self, signer: &Signer, token: Address, price: U256) -> Result<Option<Sent>> {
        let spender = self.profile().licenses;
        let allowance = RewardToken::allowanceCall { owner: signer.address(), spender };
        if self.ask(token, allowance).await? >= price {
            return Ok(None);
        }
        let call = RewardToken::approveCall { spender, value: price };
        let receipt = self.tell(signer, token, call, &[spender.into_word(), price.into()]).await?;
        Ok(Some(link::summary(&receipt)))
    }

    async fn license_records(&self, filter: Filter) -> Result<Vec<LicenseRecord>> {
        let mut records = Vec::new();
        for (event, place) in self.purchases(filter).await? {
            records.push(self.license_record(event, place).await?);
        }
        Ok(records)
    }

    async fn purchases(&self, filter: Filter) -> Result<Vec<(LicenseRegistry::LicenseBought, Place)>> {
        let bought = |event: super::Event| match event.fact {
            Fact::License(LicenseRegistryEvents::LicenseBought(bought)) => Some((bought, event.place)),
            _ => None,
        };
        Ok(self.find(filter).await?.into_iter().filter_map(bought).collect())
    }

    async fn license_record(&self, event: LicenseRegistry::LicenseBought, bought: Place) -> Result<LicenseRecord> {
        let slot = self.storage(self.profile().licenses, mapping_slot(event.license, LICENSES_POSITION)).await?;
        let hash: U256 = keccak256(event.terms.abi_encode()).into();
        if slot >> NOT_HASH != hash >> NOT_HASH {
            let text = format!("the purchase of license {} does not match what the contract holds", event.license);
            return Err(Error::Integrity(text));
        }
        let status =
            self.ask(self.profile().licenses, LicenseRegistry::statusOfCall { license: event.license }).await?;
        Ok(LicenseRecord {
            id: event.license,
            terms: event.terms,
            runs: event.runs,
            runs_left: status.runsLeft,
            state: status.state,
            bought,
        })
    }
}

fn bought_filter(licenses: Address) -> Filter {
    Filter::new().address(licenses).event_signature(LicenseRegistry::LicenseBought::SIGNATURE_HASH)
}
