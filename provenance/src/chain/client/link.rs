//! The connection to a node, and what the client holds the node to.

use std::collections::BTreeMap;
use std::time::Duration;

use alloy::eips::{BlockId, BlockNumberOrTag};
use alloy::primitives::{Address, B256, Bytes, U256, keccak256};
use alloy::providers::{DynProvider, Provider, ProviderBuilder};
use alloy::rpc::client::RpcClient;
use alloy::rpc::types::{TransactionReceipt, TransactionRequest};

use super::http::{Http, Patience};
use super::profile::{Profile, Rules};
use super::revert;
use crate::chain::devnet::Devnet;
use crate::chain::outbox::Outbox;
use crate::{Error, Result};

/// Gas money a test node is told to give, in wei: 100 tokens.
const GIFT: u128 = 100_000_000_000_000_000_000;
/// Gas money that is enough, in wei: 10 tokens.
const ENOUGH: u128 = 10_000_000_000_000_000_000;

/// Where a chain is reached.
#[derive(Debug, Clone)]
pub enum Endpoint {
    /// A node's JSON-RPC over HTTP.
    Http(String),
    /// The same with other limits than the usual ones.
    HttpWithin(String, Patience),
    /// The embedded chain in this process.
    Embedded(Devnet),
}

/// A transaction that was included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sent {
    /// The transaction's hash.
    pub tx: B256,
    /// The block it is in.
    pub block: u64,
    /// Gas it used.
    pub gas_used: u64,
    /// Wei it cost.
    pub fee: U256,
}

/// A connection to one chain. Clones share it.
#[derive(Debug, Clone)]
pub(in crate::chain) struct Link {
    provider: DynProvider,
    chain_id: u64,
    genesis: B256,
    pub(super) poll: Duration,
    pub(super) rules: Rules,
    /// keccak-256 of the code at the addresses that are pinned.
    code: BTreeMap<Address, B256>,
    pub(super) outbox: Outbox,
}

impl Link {
    /// Connects and asks the node which chain it is.
    pub(in crate::chain) async fn open(endpoint: Endpoint) -> Result<Self> {
        let (client, poll) = match endpoint {
            Endpoint::Http(url) => http(&url, Patience::default())?,
            Endpoint::HttpWithin(url, patience) => http(&url, patience)?,
            Endpoint::Embedded(devnet) => (RpcClient::new(devnet, true), Duration::from_millis(5)),
        };
        let provider = ProviderBuilder::new()
            .disable_recommended_fillers()
            .connect_client(client.with_poll_interval(poll))
            .erased();
        let chain_id = provider.get_chain_id().await.map_err(revert::error)?;
        let (rules, code, outbox) = (Rules::default(), BTreeMap::new(), Outbox::in_memory());
        let mut link = Self { provider, chain_id, genesis: B256::ZERO, poll, rules, code, outbox };
        link.genesis = link.first_block().await?;
        Ok(link)
    }

    /// Holds the node to what the profile pins, from now on.
    pub(super) fn hold_to(&mut self, profile: &Profile) {
        self.code = profile.code_hashes.clone();
        self.rules = profile.rules.clone();
    }

    /// Where steps are written down before they are sent.
    pub(super) fn keep_in(&mut self, outbox: Outbox) {
        self.outbox = outbox;
    }

    /// The hash of block 0. Nothing else of it is read: on some chains it is no block like the others.
    async fn first_block(&self) -> Result<B256> {
        #[derive(Debug, serde::Deserialize)]
        struct First {
            hash: B256,
        }
        let first: Option<First> =
            self.provider.raw_request("eth_getBlockByNumber".into(), ("0x0", false)).await.map_err(revert::error)?;
        Ok(first.ok_or_else(|| Error::Network("the node gives no first block".into()))?.hash)
    }

    /// Refuses to sign for a node that is, by now, another chain or has other code at `to`.
    pub(super) async fn check_pins(&self, to: Option<&Address>) -> Result<()> {
        let node = self.provider.get_chain_id().await.map_err(revert::error)?;
        if node != self.chain_id {
            return Err(Error::WrongNetwork(format!("the node now says chain {node}, not {}", self.chain_id)));
        }
        if self.first_block().await? != self.genesis {
            return Err(Error::WrongNetwork(format!("the node now runs another chain with the id {node}")));
        }
        let Some((to, expected)) = to.and_then(|to| self.code.get_key_value(to)) else { return Ok(()) };
        let code = self.provider.get_code_at(*to).await.map_err(revert::error)?;
        if keccak256(&code) != *expected {
            return Err(Error::WrongNetwork(format!("the contract at {to} is not the one that was deployed")));
        }
        Ok(())
    }

    pub(in crate::chain) fn provider(&self) -> &DynProvider {
        &self.provider
    }

    /// The chain id the node gave when the connection was made; transactions are signed for it.
    pub(in crate::chain) fn chain_id(&self) -> u64 {
        self.chain_id
    }

    /// The hash of block 0.
    pub(in crate::chain) fn genesis(&self) -> B256 {
        self.genesis
    }

    /// Asks the contract at `to`, in the state after the newest block.
    pub(super) async fn ask(&self, to: Address, input: Vec<u8>) -> Result<Bytes> {
        let request = TransactionRequest::default().to(to).input(Bytes::from(input).into());
        self.provider.call(request).block(BlockId::latest()).await.map_err(revert::error)
    }

    /// Gives an account with little gas money some, on the embedded chain and on anvil.
    pub(in crate::chain) async fn fund(&self, account: Address) -> Result<()> {
        let provider = &self.provider;
        if provider.get_balance(account).await.map_err(revert::error)? >= U256::from(ENOUGH) {
            return Ok(());
        }
        let ours: Result<Option<B256>, _> = provider.raw_request("usufruct_fund".into(), (account,)).await;
        match ours {
            Err(error) if error.as_error_resp().is_some() => {
                let given: Result<serde_json::Value, _> =
                    provider.raw_request("anvil_setBalance".into(), (account, U256::from(GIFT))).await;
                given.map(drop).map_err(revert::error)
            }
            other => other.map(drop).map_err(revert::error),
        }
    }

    /// Refuses every node but the embedded chain and anvil.
    pub(in crate::chain) async fn development_only(&self) -> Result<()> {
        let version = self.provider.get_client_version().await.map_err(revert::error)?;
        if version.starts_with("usufruct/") || version.starts_with("anvil/") {
            return Ok(());
        }
        Err(Error::Refused(format!("{version} is not a node for trying things out")))
    }

    /// The time the next block will carry at the earliest, in seconds since 1970.
    pub(super) async fn now(&self) -> Result<u64> {
        let pending = self.provider.get_block_by_number(BlockNumberOrTag::Pending).await.map_err(revert::error)?;
        let block = match pending {
            Some(block) => Some(block),
            None => self.provider.get_block_by_number(BlockNumberOrTag::Latest).await.map_err(revert::error)?,
        };
        Ok(block.ok_or_else(|| Error::Network("the node gives no newest block".into()))?.header.timestamp)
    }
}

/// What a receipt says about cost.
pub(super) fn summary(receipt: &TransactionReceipt) -> Sent {
    Sent {
        tx: receipt.transaction_hash,
        block: receipt.block_number.unwrap_or_default(),
        gas_used: receipt.gas_used,
        fee: U256::from(receipt.effective_gas_price) * U256::from(receipt.gas_used),
    }
}

fn http(url: &str, patience: Patience) -> Result<(RpcClient, Duration)> {
    let http = Http::new(url, patience)?;
    let local = http.is_local();
    let poll = if local { Duration::from_millis(25) } else { Duration::from_secs(2) };
    Ok((RpcClient::new(http, local), poll))
}
