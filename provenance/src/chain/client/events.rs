//! What happened on the chain, read in pages. Everything else is rebuilt from this.

use alloy::primitives::{Address, B256};
use alloy::providers::Provider;
use alloy::rpc::types::{Filter, Log};
use alloy::sol_types::SolEventInterface;

use serde::{Deserialize, Serialize};

use super::{Chain, revert};
use crate::chain::bindings::DatasetRegistry::DatasetRegistryEvents;
use crate::chain::bindings::JobEscrow::JobEscrowEvents;
use crate::chain::bindings::LicenseRegistry::LicenseRegistryEvents;
use crate::{Error, Result};

/// Blocks asked for at once; nodes refuse longer ranges.
const PAGE: u64 = 2_000;

/// Where in the chain something happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Place {
    /// The block's number.
    pub block: u64,
    /// The log's position in the block.
    pub index: u64,
    /// The block's time in seconds since 1970.
    pub time: u64,
    /// The transaction's hash.
    pub tx: B256,
}

/// One logged event of our contracts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Where it was logged.
    pub place: Place,
    /// What was logged.
    pub fact: Fact,
}

/// What one of our contracts logged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact {
    /// By the `DatasetRegistry`.
    Dataset(DatasetRegistryEvents),
    /// By the `LicenseRegistry`.
    License(LicenseRegistryEvents),
    /// By the `JobEscrow`.
    Job(JobEscrowEvents),
}

impl Chain {
    /// Every event of our contracts from block `from` on, in order, and the block to ask from next time.
    ///
    /// # Errors
    /// [`Error::Network`].
    pub async fn events(&self, from: u64) -> Result<(Vec<Event>, u64)> {
        let profile = self.profile();
        let filter = Filter::new().address(vec![profile.datasets, profile.licenses, profile.escrow]);
        let head = self.head_block().await?;
        let found = self.pages(filter, from.max(profile.first_block), head).await?;
        Ok((found, head + 1))
    }

    /// Every event that matches `filter`, whenever it was logged.
    pub(super) async fn find(&self, filter: Filter) -> Result<Vec<Event>> {
        let head = self.head_block().await?;
        self.pages(filter, self.profile().first_block, head).await
    }

    async fn pages(&self, filter: Filter, from: u64, to: u64) -> Result<Vec<Event>> {
        let mut events = Vec::new();
        let mut start = from;
        while start <= to {
            let end = (start + PAGE - 1).min(to);
            let page = filter.clone().from_block(start).to_block(end);
            for log in self.link.provider().get_logs(&page).await.map_err(revert::error)? {
                if let Some(fact) = self.fact(&log.inner).filter(|_| !log.removed) {
                    events.push(Event { place: self.place(&log).await?, fact });
                }
            }
            start = end + 1;
        }
        events.sort_by_key(|event| (event.place.block, event.place.index));
        Ok(events)
    }

    /// Events that our contracts inherit (token transfers and the like) are nothing to us.
    pub(super) fn fact(&self, log: &alloy::primitives::Log) -> Option<Fact> {
        let (profile, contract): (_, Address) = (self.profile(), log.address);
        if contract == profile.datasets {
            DatasetRegistryEvents::decode_log(log).ok().map(|log| Fact::Dataset(log.data))
        } else if contract == profile.licenses {
            LicenseRegistryEvents::decode_log(log).ok().map(|log| Fact::License(log.data))
        } else if contract == profile.escrow {
            JobEscrowEvents::decode_log(log).ok().map(|log| Fact::Job(log.data))
        } else {
            None
        }
    }

    async fn place(&self, log: &Log) -> Result<Place> {
        let incomplete = || Error::Integrity("the node gave a log without its place".into());
        let block = log.block_number.ok_or_else(incomplete)?;
        let time = match log.block_timestamp {
            Some(time) => time,
            None => {
                let header = self.link.provider().get_block_by_number(block.into()).await.map_err(revert::error)?;
                header.ok_or_else(incomplete)?.header.timestamp
            }
        };
        Ok(Place {
            block,
            index: log.log_index.ok_or_else(incomplete)?,
            time,
            tx: log.transaction_hash.ok_or_else(incomplete)?,
        })
    }
}
