//! The chain as the rest of the program sees it: datasets, licenses, jobs and rewards. Nobody above sees a transport.

mod delegate;
mod events;
mod evidence;
mod follow;
mod http;
mod identity;
mod job;
mod license;
mod link;
mod permit;
mod profile;
mod proved;
mod registry;
mod revert;
mod reward;
mod sending;
mod signing;
mod steps;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use alloy::primitives::{Address, B256, TxKind, U256, keccak256};
use alloy::providers::Provider;
use alloy::rpc::types::{Log, TransactionReceipt};
use alloy::sol_types::{SolCall, SolEvent};

pub use self::events::{Event, Fact, Place};
pub use self::follow::{EventFile, Followed};
pub use self::http::Patience;
pub use self::identity::{Identity, Kind};
pub use self::job::{Acknowledgment, JobRecord, Refund, Settlement};
pub use self::license::{LicenseRecord, Purchase};
pub use self::link::{Endpoint, Sent};
pub use self::profile::{Currency, Profile, Rules};
pub use self::registry::{Announcement, Registration};
pub use self::reward::Credit;

pub(in crate::chain) use self::link::Link;
pub(in crate::chain) use self::revert::error as transport_error;
pub(in crate::chain) use self::sending::Step;

use super::Signer;
use super::bindings::ProvenanceVerifier;
use super::outbox::Outbox;
use crate::{Error, Result};

/// The code hashes of some contracts, by address.
pub(in crate::chain) type CodeHashes = BTreeMap<Address, B256>;

/// A connection to one network's contracts. Clones share it.
#[derive(Debug, Clone)]
pub struct Chain {
    link: Link,
    profile: Profile,
}

impl Chain {
    /// Connects over HTTP to where the profile says.
    ///
    /// # Errors
    /// [`Error::Network`] when nothing answers, [`Error::WrongNetwork`] when it is another chain or other contracts.
    pub async fn connect(profile: Profile) -> Result<Self> {
        Self::open(Endpoint::Http(profile.url.clone()), profile).await
    }

    /// Connects over `endpoint` to the contracts of `profile`.
    ///
    /// # Errors
    /// As [`Chain::connect`].
    pub async fn open(endpoint: Endpoint, profile: Profile) -> Result<Self> {
        let mut link = Link::open(endpoint).await?;
        if link.chain_id() != profile.chain_id {
            return Err(Error::WrongNetwork(format!(
                "the node runs chain {}, the network {} is chain {}",
                link.chain_id(),
                profile.name,
                profile.chain_id
            )));
        }
        if profile.genesis.is_some_and(|genesis| genesis != link.genesis()) {
            return Err(Error::WrongNetwork(format!(
                "the node runs another chain with the id {}: its first block is not the one of the network {}",
                profile.chain_id, profile.name
            )));
        }
        link.hold_to(&profile);
        let chain = Self { link, profile };
        chain.check_code().await?;
        if !chain.profile.development {
            chain.check_production().await?;
        }
        Ok(chain)
    }

    /// The same connection, with every step written down in `outbox` before it is sent. Without one, what was begun is
    /// forgotten when the process ends.
    #[must_use]
    pub fn with_outbox(mut self, outbox: Outbox) -> Self {
        self.link.keep_in(outbox);
        self
    }

    /// Goes on with every step of the signer that was begun and is not finished, and sends again what a reorganization
    /// undid; nothing is done twice. Returns what was included. To be called when a network is opened after a crash.
    ///
    /// # Errors
    /// [`Error::Network`], [`Error::WrongNetwork`]; the steps stay in the outbox.
    pub async fn resume(&self, signer: &Signer) -> Result<Vec<Sent>> {
        self.link.resume(signer, self.profile.confirmations).await
    }

    /// The network this is.
    #[must_use]
    pub fn profile(&self) -> &Profile {
        &self.profile
    }

    /// The time the next block will carry at the earliest, in seconds since 1970: what deadlines are measured against.
    ///
    /// # Errors
    /// [`Error::Network`].
    pub async fn now(&self) -> Result<u64> {
        self.link.now().await
    }

    /// The number of the newest block.
    ///
    /// # Errors
    /// [`Error::Network`].
    pub async fn head_block(&self) -> Result<u64> {
        self.link.provider().get_block_number().await.map_err(revert::error)
    }

    /// The hash of a block.
    ///
    /// # Errors
    /// [`Error::NotFound`] for a block that does not exist, [`Error::Network`].
    pub async fn block_hash(&self, number: u64) -> Result<B256> {
        let block = self.link.provider().get_block_by_number(number.into()).await.map_err(revert::error)?;
        Ok(block.ok_or_else(|| Error::NotFound(format!("block {number}")))?.header.hash)
    }

    pub(in crate::chain) fn link(&self) -> &Link {
        &self.link
    }

    async fn check_code(&self) -> Result<()> {
        let profile = &self.profile;
        let ours = [profile.datasets, profile.licenses, profile.escrow];
        for address in ours.iter().chain(&profile.verifiers).chain(&profile.statistic) {
            if !profile.code_hashes.contains_key(address) {
                return Err(Error::WrongNetwork(format!("the profile pins no code for the contract at {address}")));
            }
        }
        let found = code_hashes(&self.link, profile.code_hashes.keys().copied()).await?;
        for (address, expected) in &profile.code_hashes {
            if found.get(address) != Some(expected) {
                return Err(Error::WrongNetwork(format!(
                    "the contract at {address} on {} is missing or is not the one that was deployed",
                    profile.name
                )));
            }
        }
        Ok(())
    }

    /// Where money is real, the challenge must not be foreseeable and the keys must not be the public ones.
    async fn check_production(&self) -> Result<()> {
        let profile = &self.profile;
        if profile.genesis.is_none() {
            return Err(Error::Refused(format!("the profile of {} pins no first block; write it again", profile.name)));
        }
        if !profile.unpredictable_hash {
            return Err(Error::Refused(format!(
                "block hashes on {} can be foreseen: it is for trying things out only",
                profile.name
            )));
        }
        for verifier in profile.verifiers.into_iter().chain(profile.statistic) {
            if self.ask(verifier, ProvenanceVerifier::insecureDevelopmentKeyCall {}).await? {
                return Err(Error::Refused(format!(
                    "the verifier at {verifier} has a key that anyone can forge proofs for"
                )));
            }
        }
        Ok(())
    }

    async fn ask<C: SolCall>(&self, to: Address, call: C) -> Result<C::Return> {
        let output = self.link.ask(to, call.abi_encode()).await?;
        C::abi_decode_returns(&output)
            .map_err(|_| Error::Integrity(format!("the answer to {} cannot be read", C::SIGNATURE)))
    }

    /// Does a step at most once. `about` says what it is done to: the same function about the same thing is the same
    /// step, even where its other arguments differ from one try to the next.
    async fn tell<C: SolCall>(
        &self,
        signer: &Signer,
        to: Address,
        call: C,
        about: &[B256],
    ) -> Result<TransactionReceipt> {
        let mut named = [to.as_slice(), &C::SELECTOR].concat();
        named.extend(about.iter().flat_map(|word| word.0));
        let step = Step { key: keccak256(named), to: TxKind::Call(to), input: call.abi_encode().into() };
        self.link.send(signer, &step, self.profile.confirmations).await
    }

    /// Why a job or license whose events are not there is not there: the contract's slot for it decides.
    fn absent(&self, what: &str, id: B256, slot: U256) -> Error {
        if slot.is_zero() {
            return Error::NotFound(format!("no {what} {id} on {}", self.profile.name));
        }
        Error::Integrity(format!("the node holds back the events of {what} {id}; ask another node"))
    }

    async fn storage(&self, contract: Address, slot: U256) -> Result<U256> {
        self.link.provider().get_storage_at(contract, slot).await.map_err(revert::error)
    }
}

/// The event `E` that `contract` logged in this transaction.
fn logged<E: SolEvent>(receipt: &TransactionReceipt, contract: Address) -> Result<E> {
    let logs: &[Log] = receipt.logs();
    logs.iter()
        .filter(|log| log.address() == contract)
        .find_map(|log| E::decode_log(&log.inner).ok())
        .map(|log| log.data)
        .ok_or_else(|| Error::Integrity(format!("transaction {} logged no {}", receipt.transaction_hash, E::SIGNATURE)))
}

/// The slot of `key` in a contract's mapping at storage position `position`.
fn mapping_slot(key: B256, position: u64) -> U256 {
    super::typed::hash_words(&[key, super::typed::word(position)]).into()
}

/// keccak-256 of the code at each address; an address without code is left out.
pub(in crate::chain) async fn code_hashes(link: &Link, addresses: impl Iterator<Item = Address>) -> Result<CodeHashes> {
    let mut hashes = CodeHashes::new();
    for address in addresses {
        let code = link.provider().get_code_at(address).await.map_err(revert::error)?;
        if !code.is_empty() {
            hashes.insert(address, alloy::primitives::keccak256(&code));
        }
    }
    Ok(hashes)
}
