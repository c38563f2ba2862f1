//! Blocks that hold together: the header has the block's hash, and its roots are those of the transactions and receipts.
//!
//! An answer in which one part was changed or left out is noticed here. A node that makes up whole blocks is not: that
//! takes the chain's own consensus, or a second node.

use alloy::consensus::proofs::{calculate_receipt_root, calculate_transaction_root};
use alloy::consensus::transaction::SignerRecoverable;
use alloy::consensus::{Header, ReceiptEnvelope, Transaction as _, TxEnvelope};
use alloy::eips::eip2718::Encodable2718;
use alloy::eips::{BlockId, BlockNumberOrTag};
use alloy::primitives::{Address, B256, Log, keccak256};
use alloy::providers::Provider;
use alloy::rpc::types::{Log as RpcLog, TransactionReceipt};

use super::{Link, revert};
use crate::{Error, Result};

/// A header and the hash that it has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::chain) struct ProvedHeader {
    pub(in crate::chain) header: Header,
    pub(in crate::chain) hash: B256,
}

/// A header and the transactions that it is over.
#[derive(Debug, Clone)]
pub(super) struct ProvedBody {
    pub(super) header: Header,
    pub(super) hash: B256,
    transactions: Vec<TxEnvelope>,
}

/// A block whose parts fit together.
#[derive(Debug, Clone)]
pub(in crate::chain) struct ProvedBlock {
    pub(in crate::chain) header: Header,
    pub(in crate::chain) hash: B256,
    transactions: Vec<TxEnvelope>,
    receipts: Vec<ReceiptEnvelope>,
}

impl Link {
    /// The header of a block; `None` for a block that the node does not have.
    ///
    /// # Errors
    /// [`Error::Integrity`] when it has not the hash that the node says; [`Error::Network`].
    pub(in crate::chain) async fn header(&self, block: BlockNumberOrTag) -> Result<Option<ProvedHeader>> {
        let found = self.provider().get_block_by_number(block).await.map_err(revert::error)?;
        found.map(|found| checked(found.header.inner, found.header.hash, block)).transpose()
    }

    /// A whole block; `None` for one that the node does not have.
    ///
    /// # Errors
    /// [`Error::Integrity`] when its parts do not fit together; [`Error::Network`].
    pub(in crate::chain) async fn block(&self, number: u64) -> Result<Option<ProvedBlock>> {
        let Some(ProvedBody { header, hash, transactions }) = self.body(number).await? else { return Ok(None) };
        let receipts = self.receipts(&header).await?;
        if receipts.len() != transactions.len() {
            return Err(broken(number, "more or fewer receipts than transactions"));
        }
        Ok(Some(ProvedBlock { header, hash, transactions, receipts }))
    }

    /// A block without its receipts; `None` for one that the node does not have.
    ///
    /// # Errors
    /// [`Error::Integrity`] when its parts do not fit together; [`Error::Network`].
    pub(super) async fn body(&self, number: u64) -> Result<Option<ProvedBody>> {
        let tag = BlockNumberOrTag::from(number);
        let Some(found) = self.provider().get_block_by_number(tag).full().await.map_err(revert::error)? else {
            return Ok(None);
        };
        let ProvedHeader { header, hash } = checked(found.header.inner, found.header.hash, tag)?;
        let transactions: Vec<TxEnvelope> =
            found.transactions.into_transactions().map(|transaction| transaction.into_inner()).collect();
        if calculate_transaction_root(&transactions) != header.transactions_root {
            return Err(broken(number, "other transactions than its header says"));
        }
        Ok(Some(ProvedBody { header, hash, transactions }))
    }

    /// The receipts of the block with this header.
    pub(in crate::chain) async fn receipts(&self, header: &Header) -> Result<Vec<ReceiptEnvelope>> {
        let receipts = self.provider().get_block_receipts(BlockId::from(header.number)).await.map_err(revert::error)?;
        let receipts: Vec<ReceiptEnvelope> = receipts
            .unwrap_or_default()
            .into_iter()
            .map(|receipt| receipt.inner.map_logs(|log: RpcLog| log.inner))
            .collect();
        if calculate_receipt_root(&receipts) != header.receipts_root {
            return Err(broken(header.number, "other receipts than its header says"));
        }
        Ok(receipts)
    }

    /// The receipt of a transaction in this block, when it is there.
    pub(super) async fn receipt_in(&self, number: u64, tx: B256) -> Result<Option<TransactionReceipt>> {
        let Some(block) = self.block(number).await? else { return Ok(None) };
        let position = block.transactions.iter().position(|transaction| hash_of(transaction) == tx);
        position.map(|position| block.receipt(position)).transpose()
    }
}

impl ProvedBody {
    /// The hash of the transaction that `account` sent with this nonce, when it is in this block.
    pub(super) fn sent_by(&self, account: Address, nonce: u64) -> Option<B256> {
        self.by(account, |used| used == nonce).map(hash_of)
    }

    /// Whether `account` sent a transaction with a higher nonce than this one in this block.
    pub(super) fn has_later_by(&self, account: Address, nonce: u64) -> bool {
        self.by(account, |used| used > nonce).is_some()
    }

    fn by(&self, account: Address, fits: impl Fn(u64) -> bool) -> Option<&TxEnvelope> {
        let mut fitting = self.transactions.iter().filter(|transaction| fits(TxEnvelope::nonce(transaction)));
        fitting.find(|transaction| transaction.recover_signer().is_ok_and(|sender| sender == account))
    }
}

impl ProvedBlock {
    /// Every log of the block: its transaction's hash, its position in the block, and the log.
    pub(in crate::chain) fn logs(&self) -> impl Iterator<Item = (B256, u64, &Log)> {
        let logs = self.transactions.iter().zip(&self.receipts);
        let logs = logs.flat_map(|(transaction, receipt)| {
            let tx = hash_of(transaction);
            receipt.logs().iter().map(move |log| (tx, log))
        });
        logs.enumerate().map(|(index, (tx, log))| (tx, index as u64, log))
    }

    /// The receipt with nothing in it that the header does not back.
    fn receipt(&self, position: usize) -> Result<TransactionReceipt> {
        let (transaction, receipt) = (&self.transactions[position], &self.receipts[position]);
        let tx = hash_of(transaction);
        let from = transaction.recover_signer().map_err(|_| broken(self.header.number, "an unsigned transaction"))?;
        let before = position.checked_sub(1).map_or(0, |before| self.receipts[before].cumulative_gas_used());
        let mut index: u64 = self.receipts[..position].iter().map(|receipt| receipt.logs().len() as u64).sum();
        let inner = receipt.clone().map_logs(|inner| {
            index += 1;
            self.log(inner, tx, position, index - 1)
        });
        Ok(TransactionReceipt {
            inner,
            transaction_hash: tx,
            transaction_index: Some(position as u64),
            block_hash: Some(self.hash),
            block_number: Some(self.header.number),
            gas_used: receipt.cumulative_gas_used().saturating_sub(before),
            effective_gas_price: transaction.effective_gas_price(self.header.base_fee_per_gas),
            blob_gas_used: None,
            blob_gas_price: None,
            from,
            to: transaction.to(),
            contract_address: transaction.kind().is_create().then(|| from.create(transaction.nonce())),
        })
    }

    fn log(&self, inner: Log, tx: B256, position: usize, index: u64) -> RpcLog {
        RpcLog {
            inner,
            block_hash: Some(self.hash),
            block_number: Some(self.header.number),
            block_timestamp: Some(self.header.timestamp),
            transaction_hash: Some(tx),
            transaction_index: Some(position as u64),
            log_index: Some(index),
            removed: false,
        }
    }
}

/// Computed, since a node's word for it is worth nothing.
fn hash_of(transaction: &TxEnvelope) -> B256 {
    keccak256(transaction.encoded_2718())
}

fn checked(header: Header, said: B256, asked: BlockNumberOrTag) -> Result<ProvedHeader> {
    let hash = header.hash_slow();
    if hash != said {
        return Err(broken(header.number, "another hash than its header"));
    }
    match asked {
        BlockNumberOrTag::Number(number) if number != header.number => {
            Err(Error::Integrity(format!("the node gave block {} when asked for {number}", header.number)))
        }
        _ => Ok(ProvedHeader { header, hash }),
    }
}

fn broken(number: u64, has: &str) -> Error {
    Error::Integrity(format!("block {number} of the node has {has}; ask another node"))
}
