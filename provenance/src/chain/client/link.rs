//! The connection to a node, and sending transactions over it one at a time per account.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant};

use alloy::consensus::{SignableTransaction, TxEip1559, TxEnvelope};
use alloy::eips::{BlockId, BlockNumberOrTag, Encodable2718};
use alloy::primitives::{Address, B256, Bytes, TxKind, U256};
use alloy::providers::{DynProvider, Provider, ProviderBuilder};
use alloy::rpc::client::RpcClient;
use alloy::rpc::types::{TransactionReceipt, TransactionRequest};
use alloy::signers::SignerSync;
use alloy::transports::http::reqwest;

use super::revert;
use crate::chain::Signer;
use crate::chain::devnet::Devnet;
use crate::{Error, Result};

/// How long one question to a node may take.
const QUESTION: Duration = Duration::from_secs(30);
/// How long a transaction may take to be included before the wait is given up.
const INCLUSION: Duration = Duration::from_secs(600);
/// Wei per gas that are never exceeded: a node that asks for more is not believed.
const FEE_CEILING: u128 = 2_000_000_000_000;
/// Gas money a test node is told to give, in wei: 100 tokens.
const GIFT: u128 = 100_000_000_000_000_000_000;
/// Gas money that is enough, in wei: 10 tokens.
const ENOUGH: u128 = 10_000_000_000_000_000_000;
/// Tries when another process used the account's next nonce first.
const NONCE_TRIES: usize = 3;

/// Where a chain is reached.
#[derive(Debug, Clone)]
pub enum Endpoint {
    /// A node's JSON-RPC over HTTP.
    Http(String),
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

/// A connection to one chain.
#[derive(Debug, Clone)]
pub(in crate::chain) struct Link {
    provider: DynProvider,
    chain_id: u64,
    poll: Duration,
}

impl Link {
    /// Connects and asks the node which chain it is.
    pub(in crate::chain) async fn open(endpoint: Endpoint) -> Result<Self> {
        let (client, poll) = match endpoint {
            Endpoint::Http(url) => http(&url)?,
            Endpoint::Embedded(devnet) => (RpcClient::new(devnet, true), Duration::from_millis(5)),
        };
        let provider = ProviderBuilder::new()
            .disable_recommended_fillers()
            .connect_client(client.with_poll_interval(poll))
            .erased();
        let chain_id = provider.get_chain_id().await.map_err(revert::error)?;
        Ok(Self { provider, chain_id, poll })
    }

    pub(in crate::chain) fn provider(&self) -> &DynProvider {
        &self.provider
    }

    /// The chain id the node gave when the connection was made; transactions are signed for it.
    pub(in crate::chain) fn chain_id(&self) -> u64 {
        self.chain_id
    }

    /// Asks the contract at `to`, in the state after the newest block.
    pub(super) async fn ask(&self, to: Address, input: Vec<u8>) -> Result<Bytes> {
        let request = TransactionRequest::default().to(to).input(Bytes::from(input).into());
        self.provider.call(request).block(BlockId::latest()).await.map_err(revert::error)
    }

    /// Signs, sends and waits until `confirmations` blocks follow the transaction's.
    ///
    /// # Errors
    /// [`Error::Reverted`] before anything is sent when the contract would refuse, or after when it did.
    pub(in crate::chain) async fn send(
        &self,
        signer: &Signer,
        to: TxKind,
        input: Bytes,
        confirmations: u64,
    ) -> Result<TransactionReceipt> {
        let turn = turn(self.chain_id, signer.address());
        let hash = {
            let _turn = turn.lock().await;
            self.broadcast(signer, to, input).await?
        };
        self.included(hash, confirmations).await
    }

    async fn broadcast(&self, signer: &Signer, to: TxKind, input: Bytes) -> Result<B256> {
        let mut tries = 0;
        loop {
            let transaction = self.prepare(signer, to, input.clone()).await?;
            let envelope = sign(signer, transaction)?;
            match self.provider.send_raw_transaction(&envelope.encoded_2718()).await {
                Ok(_) => return Ok(*envelope.tx_hash()),
                Err(error) => {
                    tries += 1;
                    if tries == NONCE_TRIES || !revert::is_stale_nonce(&error) {
                        return Err(revert::error(error));
                    }
                }
            }
        }
    }

    async fn prepare(&self, signer: &Signer, to: TxKind, input: Bytes) -> Result<TxEip1559> {
        let node = self.provider.get_chain_id().await.map_err(revert::error)?;
        if node != self.chain_id {
            return Err(Error::WrongNetwork(format!("the node now says chain {node}, not {}", self.chain_id)));
        }
        let from = signer.address();
        let nonce = self.provider.get_transaction_count(from).pending().await.map_err(revert::error)?;
        let request = TransactionRequest { from: Some(from), to: Some(to), ..Default::default() }
            .input(input.clone().into())
            .nonce(nonce);
        let needed = self.provider.estimate_gas(request).block(BlockId::pending()).await.map_err(revert::error)?;
        let fees = self.provider.estimate_eip1559_fees().await.map_err(revert::error)?;
        if fees.max_fee_per_gas > FEE_CEILING {
            return Err(Error::Refused(format!(
                "the node asks for {} wei per gas, which is absurd",
                fees.max_fee_per_gas
            )));
        }
        Ok(TxEip1559 {
            chain_id: self.chain_id,
            nonce,
            // State can change before inclusion; what is not used is not paid.
            gas_limit: needed + needed / 5,
            max_fee_per_gas: fees.max_fee_per_gas,
            max_priority_fee_per_gas: fees.max_priority_fee_per_gas,
            to,
            input,
            ..Default::default()
        })
    }

    async fn included(&self, hash: B256, confirmations: u64) -> Result<TransactionReceipt> {
        let start = Instant::now();
        loop {
            let receipt = self.provider.get_transaction_receipt(hash).await.map_err(|error| sent(hash, error))?;
            if let Some(receipt) = receipt
                && self.is_deep(&receipt, confirmations).await?
            {
                return self.succeeded(receipt).await;
            }
            if start.elapsed() > INCLUSION {
                return Err(Error::Network(format!("transaction {hash} was sent and is not included yet")));
            }
            tokio::time::sleep(self.poll).await;
        }
    }

    async fn is_deep(&self, receipt: &TransactionReceipt, confirmations: u64) -> Result<bool> {
        if confirmations == 0 {
            return Ok(true);
        }
        let head = self.provider.get_block_number().await.map_err(revert::error)?;
        Ok(receipt.block_number.is_some_and(|block| head >= block + confirmations))
    }

    /// A transaction that was included and reverted: asks again for the reason.
    async fn succeeded(&self, receipt: TransactionReceipt) -> Result<TransactionReceipt> {
        if receipt.status() {
            return Ok(receipt);
        }
        let hash = receipt.transaction_hash;
        let again = match self.provider.get_transaction_by_hash(hash).await.map_err(revert::error)? {
            Some(transaction) => self.provider.call(transaction.into_request()).pending().await.err(),
            None => None,
        };
        match again.map(revert::error) {
            Some(error @ Error::Reverted { .. }) => Err(error),
            _ => Err(revert::unexplained(format!("transaction {hash} was included and reverted"))),
        }
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

fn sign(signer: &Signer, transaction: TxEip1559) -> Result<TxEnvelope> {
    let signature = signer
        .sign_hash_sync(&transaction.signature_hash())
        .map_err(|error| Error::Invalid(format!("cannot sign the transaction: {error}")))?;
    Ok(TxEnvelope::from(transaction.into_signed(signature)))
}

/// An error after a transaction left: it may still be included.
fn sent(hash: B256, error: alloy::transports::TransportError) -> Error {
    match revert::error(error) {
        Error::Network(message) => {
            Error::Network(format!("{message}; transaction {hash} was sent and may be included"))
        }
        other => other,
    }
}

fn http(url: &str) -> Result<(RpcClient, Duration)> {
    let parsed: reqwest::Url = url.parse().map_err(|error| Error::Invalid(format!("{url} is not a URL: {error}")))?;
    let local = matches!(parsed.host_str(), Some("127.0.0.1" | "localhost" | "[::1]"));
    let mut builder = reqwest::Client::builder().timeout(QUESTION).connect_timeout(Duration::from_secs(10));
    if local {
        builder = builder.no_proxy();
    }
    let client = builder.build().map_err(|error| Error::Invalid(format!("cannot start an HTTP client: {error}")))?;
    let poll = if local { Duration::from_millis(25) } else { Duration::from_secs(2) };
    Ok((RpcClient::new_http_with_client(client, parsed), poll))
}

type Turn = Arc<tokio::sync::Mutex<()>>;

/// One sender at a time per account and chain: the next nonce is asked for, used and sent before anybody else asks.
fn turn(chain_id: u64, account: Address) -> Turn {
    static TURNS: LazyLock<Mutex<HashMap<(u64, Address), Turn>>> = LazyLock::new(Mutex::default);
    let mut turns = TURNS.lock().unwrap_or_else(PoisonError::into_inner);
    Arc::clone(turns.entry((chain_id, account)).or_default())
}
