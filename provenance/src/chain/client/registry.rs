//! Datasets on the chain, and where their offers are announced.

use alloy::primitives::{Address, B256, U256};
use alloy::rpc::types::Filter;
use alloy::sol_types::{SolEvent, SolValue};

use super::{Chain, Event, Fact, Place, Sent, link, logged};
use crate::chain::bindings::DatasetRegistry::{self, DatasetRegistryEvents as Logged};
use crate::chain::bindings::LicenseRegistry::{self, LicenseRegistryEvents};
use crate::chain::bindings::{Dataset, DatasetState};
use crate::chain::{Signer, keccak256, typed};
use crate::{Error, Result, ids};

/// What is registered of a dataset or of a new version of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Registration {
    /// sha2-256 digest of the manifest's CID.
    pub manifest: B256,
    /// Poseidon-Merkle root of the records.
    pub root: U256,
    /// Number of records.
    pub count: u64,
    /// 0, 1 or 2.
    pub tier: u8,
    /// Poseidon(OWNER, identity secret, dataset salt).
    pub owner_commitment: U256,
}

/// Somebody said that an offer is stored under this digest. Anyone can say so: check the offer's signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Announcement {
    /// Who said it.
    pub owner: Address,
    /// sha2-256 digest of the offer's CID.
    pub offer: B256,
    /// Where it was said.
    pub place: Place,
}

impl Chain {
    /// The id of the dataset that `owner` registers first with this manifest.
    #[must_use]
    pub fn dataset_id(owner: Address, first_manifest: B256) -> B256 {
        ids::dataset_id(owner, &first_manifest.0).into()
    }

    /// Registers a dataset for the signer and returns its id.
    ///
    /// # Errors
    /// [`Error::Reverted`] when it was registered before or a value is out of range; [`Error::Network`].
    pub async fn register(&self, signer: &Signer, new: &Registration) -> Result<(B256, Sent)> {
        let call = DatasetRegistry::registerCall {
            manifest: new.manifest,
            root: new.root,
            count: new.count,
            tier: new.tier,
            ownerCommitment: new.owner_commitment,
        };
        let receipt = self.tell(signer, self.profile().datasets, call, &[new.manifest]).await?;
        let event: DatasetRegistry::DatasetRegistered = logged(&receipt, self.profile().datasets)?;
        Ok((event.id, link::summary(&receipt)))
    }

    /// Replaces the dataset's current version and returns the new version's number.
    ///
    /// # Errors
    /// [`Error::Reverted`] when somebody was faster or the dataset is not active; [`Error::Network`].
    pub async fn publish_version(&self, signer: &Signer, id: B256, new: &Registration) -> Result<(u32, Sent)> {
        let current = self.dataset(id).await?;
        let call = DatasetRegistry::publishVersionCall {
            id,
            current,
            manifest: new.manifest,
            root: new.root,
            count: new.count,
            tier: new.tier,
            ownerCommitment: new.owner_commitment,
        };
        let receipt = self.tell(signer, self.profile().datasets, call, &[id, new.manifest]).await?;
        let event: DatasetRegistry::VersionPublished = logged(&receipt, self.profile().datasets)?;
        Ok((event.dataset.version, link::summary(&receipt)))
    }

    /// Moves the dataset forward to `EndOfLife` or `Revoked`.
    ///
    /// # Errors
    /// [`Error::Reverted`] when that is not forward; [`Error::Network`].
    pub async fn set_state(&self, signer: &Signer, id: B256, state: DatasetState) -> Result<Sent> {
        let current = self.dataset(id).await?;
        let call = DatasetRegistry::setStateCall { id, current, state };
        Ok(link::summary(&self.tell(signer, self.profile().datasets, call, &[id, typed::word(state as u64)]).await?))
    }

    /// The dataset's current version, rebuilt from events and checked against the hash the contract holds.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Integrity`] when the node's events do not match the contract, [`Error::Network`].
    pub async fn dataset(&self, id: B256) -> Result<Dataset> {
        let stored = self.ask(self.profile().datasets, DatasetRegistry::hashOfCall { id }).await?;
        if stored.is_zero() {
            return Err(Error::NotFound(format!("no dataset {id} is registered on {}", self.profile().name)));
        }
        let newest = self.versions(id).await?.pop();
        match newest {
            Some((dataset, _)) if keccak256(dataset.abi_encode()) == stored => Ok(dataset),
            _ => Err(Error::Integrity(format!("the events of dataset {id} do not match what the contract holds"))),
        }
    }

    /// Every version and state the dataset had, oldest first.
    ///
    /// # Errors
    /// [`Error::Network`].
    pub async fn versions(&self, id: B256) -> Result<Vec<(Dataset, Place)>> {
        let filter = Filter::new().address(self.profile().datasets).topic1(id);
        Ok(self
            .find(filter)
            .await?
            .into_iter()
            .filter_map(dataset_of)
            .map(|(_, dataset, place)| (dataset, place))
            .collect())
    }

    /// The ids of the datasets `owner` registered, oldest first.
    ///
    /// # Errors
    /// [`Error::Network`].
    pub async fn datasets_of(&self, owner: Address) -> Result<Vec<B256>> {
        let filter = Filter::new()
            .address(self.profile().datasets)
            .event_signature(DatasetRegistry::DatasetRegistered::SIGNATURE_HASH)
            .topic2(owner.into_word());
        Ok(self.find(filter).await?.into_iter().filter_map(dataset_of).map(|(id, _, _)| id).collect())
    }

    /// Says that an offer is stored under this digest.
    ///
    /// # Errors
    /// [`Error::Network`].
    pub async fn announce(&self, signer: &Signer, offer: B256) -> Result<Sent> {
        let call = LicenseRegistry::announceCall { offerCid: offer };
        Ok(link::summary(&self.tell(signer, self.profile().licenses, call, &[offer]).await?))
    }

    /// Every announcement, oldest first; by one owner where `owner` is given.
    ///
    /// # Errors
    /// [`Error::Network`].
    pub async fn announcements(&self, owner: Option<Address>) -> Result<Vec<Announcement>> {
        let mut filter = Filter::new()
            .address(self.profile().licenses)
            .event_signature(LicenseRegistry::OfferAnnounced::SIGNATURE_HASH);
        if let Some(owner) = owner {
            filter = filter.topic1(owner.into_word());
        }
        let announcement = |event: Event| match event.fact {
            Fact::License(LicenseRegistryEvents::OfferAnnounced(said)) => {
                Some(Announcement { owner: said.owner, offer: said.offerCid, place: event.place })
            }
            _ => None,
        };
        Ok(self.find(filter).await?.into_iter().filter_map(announcement).collect())
    }

    /// Ends every offer of the signer that carries this nonce.
    ///
    /// # Errors
    /// [`Error::Network`].
    pub async fn cancel_offer(&self, signer: &Signer, nonce: U256) -> Result<Sent> {
        let call = LicenseRegistry::cancelOfferCall { nonce };
        Ok(link::summary(&self.tell(signer, self.profile().licenses, call, &[nonce.into()]).await?))
    }

    /// How many licenses were sold under an offer's digest, and whether its owner canceled it.
    ///
    /// # Errors
    /// [`Error::Network`].
    pub async fn offer_status(&self, owner: Address, nonce: U256, digest: B256) -> Result<(u32, bool)> {
        let licenses = self.profile().licenses;
        let sold = self.ask(licenses, LicenseRegistry::soldCall { offer: digest }).await?;
        let canceled = self.ask(licenses, LicenseRegistry::isOfferCanceledCall { owner, nonce }).await?;
        Ok((sold, canceled))
    }
}

fn dataset_of(event: Event) -> Option<(B256, Dataset, Place)> {
    let Fact::Dataset(fact) = event.fact else { return None };
    let (id, dataset) = match fact {
        Logged::DatasetRegistered(logged) => (logged.id, logged.dataset),
        Logged::VersionPublished(logged) => (logged.id, logged.dataset),
        Logged::StateChanged(logged) => (logged.id, logged.dataset),
    };
    Some((id, dataset, event.place))
}
