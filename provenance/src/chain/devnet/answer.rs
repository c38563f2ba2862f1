//! Blocks, transactions, receipts and logs as JSON-RPC shows them.

use std::ops::RangeInclusive;

use alloy::consensus::Transaction as _;
use alloy::consensus::transaction::Recovered;
use alloy::primitives::{Sealed, TxKind, U256};
use alloy::rpc::types::{self, BlockTransactions, Log, TransactionReceipt};
use serde_json::{Value, json};

use super::ledger::{BASE_FEE, Block, Included, Ledger};

/// The block, with whole transactions when `full`, else their hashes.
pub(super) fn block(block: &Block, full: bool) -> Value {
    let transactions = match (&block.included, full) {
        (Some(included), true) => BlockTransactions::Full(vec![rpc_transaction(block, included)]),
        (Some(included), false) => BlockTransactions::Hashes(vec![included.hash]),
        (None, true) => BlockTransactions::Full(Vec::new()),
        (None, false) => BlockTransactions::Hashes(Vec::new()),
    };
    let sealed = Sealed::new_unchecked(block.header.clone(), block.hash);
    let header = types::Header::from_consensus(sealed, Some(U256::ZERO), None);
    let block: types::Block =
        types::Block { header, uncles: Vec::new(), transactions, withdrawals: Some(Default::default()) };
    json!(block)
}

/// The block, or null.
pub(super) fn block_or_null(found: Option<&Block>, full: bool) -> Value {
    found.map_or(Value::Null, |found| block(found, full))
}

/// The block's transaction, or null.
pub(super) fn transaction(block: &Block) -> Value {
    block.included.as_ref().map_or(Value::Null, |included| json!(rpc_transaction(block, included)))
}

/// The receipt of the block's transaction, or null.
pub(super) fn receipt(block: &Block) -> Value {
    let Some(included) = &block.included else { return Value::Null };
    let to = included.transaction.kind();
    let mut index = 0;
    let inner = included.receipt.clone().map_logs(|log| {
        let log = rpc_log(block, included, index, log);
        index += 1;
        log
    });
    json!(TransactionReceipt {
        inner,
        transaction_hash: included.hash,
        transaction_index: Some(0),
        block_hash: Some(block.hash),
        block_number: Some(block.header.number),
        gas_used: included.receipt.cumulative_gas_used(),
        effective_gas_price: included.transaction.effective_gas_price(block.header.base_fee_per_gas),
        blob_gas_used: None,
        blob_gas_price: None,
        from: included.sender,
        to: to.to().copied(),
        contract_address: match to {
            TxKind::Create => Some(included.sender.create(included.transaction.nonce())),
            TxKind::Call(_) => None,
        },
    })
}

/// Every log of the block, in order.
pub(super) fn logs(block: &Block) -> Vec<Log> {
    let Some(included) = &block.included else { return Vec::new() };
    let logs = included.receipt.logs().iter().enumerate();
    logs.map(|(index, log)| rpc_log(block, included, index as u64, log.clone())).collect()
}

/// The fees of a range of blocks; `percentiles` asks for that many reward columns.
pub(super) fn fee_history(ledger: &Ledger, range: RangeInclusive<u64>, percentiles: Option<usize>) -> Value {
    let blocks: Vec<&Block> = range.clone().filter_map(|number| ledger.block(number)).collect();
    let tip = |block: &Block| {
        let included = block.included.as_ref()?;
        included.transaction.effective_tip_per_gas(BASE_FEE)
    };
    json!(types::FeeHistory {
        base_fee_per_gas: vec![u128::from(BASE_FEE); blocks.len() + 1],
        gas_used_ratio: blocks
            .iter()
            .map(|block| block.header.gas_used as f64 / block.header.gas_limit as f64)
            .collect(),
        oldest_block: *range.start(),
        reward: percentiles
            .map(|columns| blocks.iter().map(|block| vec![tip(block).unwrap_or_default(); columns]).collect()),
        ..Default::default()
    })
}

fn rpc_transaction(block: &Block, included: &Included) -> types::Transaction {
    types::Transaction {
        inner: Recovered::new_unchecked(included.transaction.clone(), included.sender),
        block_hash: Some(block.hash),
        block_number: Some(block.header.number),
        transaction_index: Some(0),
        effective_gas_price: Some(included.transaction.effective_gas_price(block.header.base_fee_per_gas)),
        block_timestamp: Some(block.header.timestamp),
    }
}

fn rpc_log(block: &Block, included: &Included, index: u64, log: alloy::primitives::Log) -> Log {
    Log {
        inner: log,
        block_hash: Some(block.hash),
        block_number: Some(block.header.number),
        block_timestamp: Some(block.header.timestamp),
        transaction_hash: Some(included.hash),
        transaction_index: Some(0),
        log_index: Some(index),
        removed: false,
    }
}
