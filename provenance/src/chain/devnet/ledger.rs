//! The embedded chain itself: its blocks, its state and its clock. One block per transaction.

use std::collections::HashMap;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use alloy::consensus::proofs::{calculate_receipt_root, calculate_transaction_root};
use alloy::consensus::transaction::SignerRecoverable;
use alloy::consensus::{Header, Receipt, ReceiptEnvelope, TxEnvelope};
use alloy::eips::eip2718::{Decodable2718, Encodable2718};
use alloy::eips::eip7685::EMPTY_REQUESTS_HASH;
use alloy::primitives::{Address, B256, U256};
use revm::context::result::{ExecutionResult, ResultAndState};

use super::execute;
use super::journal::{Journal, Record};
use super::rpc::Failure;
use super::state::{Change, State, commitment};
use crate::{Error, Result};

/// The chain id of every embedded network.
pub const CHAIN_ID: u64 = 181_818;
/// Gas that fits into one block.
pub(super) const GAS_LIMIT: u64 = 30_000_000;
/// Wei per gas; it does not move.
pub(super) const BASE_FEE: u64 = 1_000_000_000;
/// Wei that the faucet holds at the start: 10^9 tokens.
const FAUCET_FUNDS: u128 = 1_000_000_000 * 1_000_000_000_000_000_000;

/// One block in memory.
#[derive(Debug)]
pub(super) struct Block {
    pub(super) hash: B256,
    pub(super) header: Header,
    pub(super) included: Option<Included>,
}

/// The one transaction of a block.
#[derive(Debug)]
pub(super) struct Included {
    pub(super) hash: B256,
    pub(super) sender: Address,
    pub(super) transaction: TxEnvelope,
    pub(super) receipt: ReceiptEnvelope,
}

/// The chain: blocks, state, clock, and the file they are kept in.
#[derive(Debug)]
pub(super) struct Ledger {
    blocks: Vec<Block>,
    by_block: HashMap<B256, u64>,
    by_transaction: HashMap<B256, u64>,
    state: State,
    pub(super) journal: Journal,
    /// Seconds the chain's clock runs ahead of the machine's.
    ahead: i64,
    /// The time the next block was told to carry.
    next_time: Option<u64>,
}

impl Ledger {
    /// Opens the chain kept in `folder`, or begins one whose faucet is `faucet`.
    ///
    /// # Errors
    /// [`Error::Io`], or [`Error::Integrity`] when the file of blocks is damaged or does not chain.
    pub(super) fn open(folder: &Path, faucet: Address) -> Result<Self> {
        let path = folder.join("blocks");
        if !path.exists() {
            Journal::create(&path, CHAIN_ID, &genesis(faucet)?)?;
        }
        let mut blocks = Replay::default();
        let journal = Journal::open(&path, CHAIN_ID, |record| blocks.take(record))?;
        let Replay { blocks, by_block, by_transaction, state, ahead } = blocks;
        if blocks.is_empty() {
            return Err(Error::Integrity("the chain file has no first block".into()));
        }
        Ok(Self { blocks, by_block, by_transaction, state, journal, ahead, next_time: None })
    }

    /// The newest block.
    pub(super) fn head(&self) -> &Block {
        // `open` refuses a chain without a first block and nothing removes one.
        &self.blocks[self.blocks.len() - 1]
    }

    /// The state after the newest block.
    pub(super) fn state(&self) -> &State {
        &self.state
    }

    /// The block with this number.
    pub(super) fn block(&self, number: u64) -> Option<&Block> {
        self.blocks.get(usize::try_from(number).ok()?)
    }

    /// The block with this hash.
    pub(super) fn block_by_hash(&self, hash: &B256) -> Option<&Block> {
        self.block(*self.by_block.get(hash)?)
    }

    /// The block that holds this transaction.
    pub(super) fn block_of(&self, transaction: &B256) -> Option<&Block> {
        self.block(*self.by_transaction.get(transaction)?)
    }

    /// The header the next block would begin with.
    pub(super) fn pending(&self) -> Header {
        let head = self.head();
        begin(head.hash, head.header.number + 1, self.next_timestamp(), B256::ZERO)
    }

    /// Moves the chain's clock forward and returns how far ahead of the machine's it is, in seconds.
    pub(super) fn increase_time(&mut self, seconds: u64) -> i64 {
        self.ahead = self.ahead.saturating_add_unsigned(seconds);
        self.ahead
    }

    /// Sets the time of the next block, in seconds since 1970.
    ///
    /// # Errors
    /// A failure when it lies before the newest block.
    pub(super) fn set_next_timestamp(&mut self, time: u64) -> Result<(), Failure> {
        let last = self.head().header.timestamp;
        if time < last {
            return Err(Failure::parameter(format!("the newest block is at {last}; the next cannot be earlier")));
        }
        self.next_time = Some(time);
        Ok(())
    }

    /// Runs a signed transaction in a block of its own and returns its hash. Sent again, it is not run again.
    ///
    /// # Errors
    /// A failure when the transaction is refused or the block cannot be written; the state is then as before.
    pub(super) fn submit(&mut self, transaction: TxEnvelope) -> Result<B256, Failure> {
        let hash = *transaction.tx_hash();
        if self.by_transaction.contains_key(&hash) {
            return Ok(hash);
        }
        if matches!(transaction, TxEnvelope::Eip4844(_)) {
            return Err(Failure::refused("blob transactions are not supported"));
        }
        let sender =
            transaction.recover_signer().map_err(|_| Failure::refused("the transaction's signature is invalid"))?;
        let mut header = self.sealed_pending()?;
        let outcome = execute::transaction(&self.state, &header, CHAIN_ID, &transaction, sender)?;
        let changes = self.state.changes(&outcome.state);
        let receipt = receipt(&transaction, outcome);
        header.gas_used = receipt.cumulative_gas_used();
        header.logs_bloom = *receipt.logs_bloom();
        header.transactions_root = calculate_transaction_root(std::slice::from_ref(&transaction));
        header.receipts_root = calculate_receipt_root(std::slice::from_ref(&receipt));
        self.seal(header, Some(Included { hash, sender, transaction, receipt }), changes)?;
        Ok(hash)
    }

    /// Adds a block without a transaction.
    ///
    /// # Errors
    /// A failure when the block cannot be written.
    pub(super) fn mine(&mut self) -> Result<(), Failure> {
        let header = self.sealed_pending()?;
        self.seal(header, None, Vec::new())
    }

    fn next_timestamp(&self) -> u64 {
        let now = now().saturating_add_signed(self.ahead);
        // Many blocks may carry one second, or a burst of transactions would run ahead of the deadlines.
        self.next_time.unwrap_or(now.max(self.head().header.timestamp))
    }

    /// The next block's header with fresh randomness, so that its hash cannot be known before.
    fn sealed_pending(&self) -> Result<Header, Failure> {
        Ok(Header { mix_hash: random()?, ..self.pending() })
    }

    /// Disk first, then memory: a block that was not written is not a block.
    fn seal(&mut self, mut header: Header, included: Option<Included>, changes: Vec<Change>) -> Result<(), Failure> {
        header.state_root = commitment(self.head().header.state_root, &changes);
        let ahead = match self.next_time {
            Some(time) => time as i64 - now() as i64,
            None => self.ahead,
        };
        let record = Record {
            sender: included.as_ref().map(|included| included.sender).unwrap_or_default(),
            transactions: included.iter().map(|included| included.transaction.encoded_2718().into()).collect(),
            receipts: included.iter().map(|included| included.receipt.encoded_2718().into()).collect(),
            changes,
            ahead: ahead as u64,
            header,
        };
        self.journal.append(&record).map_err(|error| Failure::server(error.to_string()))?;
        self.ahead = ahead;
        self.next_time = None;
        let hash = record.header.hash_slow();
        let number = record.header.number;
        self.state.apply(number, hash, &record.changes);
        self.by_block.insert(hash, number);
        if let Some(included) = &included {
            self.by_transaction.insert(included.hash, number);
        }
        self.blocks.push(Block { hash, header: record.header, included });
        Ok(())
    }
}

/// Puts stored blocks back, checking that each follows from the one before.
#[derive(Default)]
struct Replay {
    blocks: Vec<Block>,
    by_block: HashMap<B256, u64>,
    by_transaction: HashMap<B256, u64>,
    state: State,
    ahead: i64,
}

impl Replay {
    fn take(&mut self, record: Record) -> Result<()> {
        let number = self.blocks.len() as u64;
        let (parent, state) = match self.blocks.last() {
            Some(block) => (block.hash, block.header.state_root),
            None => (B256::ZERO, B256::ZERO),
        };
        let header = &record.header;
        if header.number != number
            || header.parent_hash != parent
            || header.state_root != commitment(state, &record.changes)
        {
            return Err(Error::Integrity(format!("block {number} of the chain file does not follow the one before")));
        }
        let included = included(&record)?;
        let hash = header.hash_slow();
        self.state.apply(number, hash, &record.changes);
        self.by_block.insert(hash, number);
        if let Some(included) = &included {
            self.by_transaction.insert(included.hash, number);
        }
        self.ahead = record.ahead as i64;
        self.blocks.push(Block { hash, header: record.header, included });
        Ok(())
    }
}

fn included(record: &Record) -> Result<Option<Included>> {
    let (Some(transaction), Some(receipt)) = (record.transactions.first(), record.receipts.first()) else {
        return Ok(None);
    };
    let damaged = |_| Error::Integrity(format!("block {} holds an unreadable transaction", record.header.number));
    let transaction = TxEnvelope::decode_2718(&mut transaction.as_ref()).map_err(damaged)?;
    let receipt = ReceiptEnvelope::decode_2718(&mut receipt.as_ref()).map_err(damaged)?;
    Ok(Some(Included { hash: *transaction.tx_hash(), sender: record.sender, transaction, receipt }))
}

fn receipt(transaction: &TxEnvelope, outcome: ResultAndState) -> ReceiptEnvelope {
    let gas_used = outcome.result.tx_gas_used();
    let success = outcome.result.is_success();
    let logs = match outcome.result {
        ExecutionResult::Success { logs, .. } => logs,
        _ => Vec::new(),
    };
    let receipt = Receipt { status: success.into(), cumulative_gas_used: gas_used, logs };
    ReceiptEnvelope::from_typed(transaction.tx_type(), receipt.with_bloom())
}

fn genesis(faucet: Address) -> Result<Record> {
    let changes = vec![Change::funding(faucet, U256::from(FAUCET_FUNDS))];
    let mix_hash = random().map_err(|failure| Error::Io(std::io::Error::other(failure.message)))?;
    let mut header = begin(B256::ZERO, 0, now(), mix_hash);
    header.state_root = commitment(B256::ZERO, &changes);
    Ok(Record { header, sender: Address::ZERO, transactions: Vec::new(), receipts: Vec::new(), changes, ahead: 0 })
}

fn begin(parent_hash: B256, number: u64, timestamp: u64, mix_hash: B256) -> Header {
    Header {
        parent_hash,
        number,
        timestamp,
        mix_hash,
        gas_limit: GAS_LIMIT,
        base_fee_per_gas: Some(BASE_FEE),
        withdrawals_root: Some(alloy::consensus::constants::EMPTY_ROOT_HASH),
        blob_gas_used: Some(0),
        excess_blob_gas: Some(0),
        parent_beacon_block_root: Some(B256::ZERO),
        requests_hash: Some(EMPTY_REQUESTS_HASH),
        ..Header::default()
    }
}

fn random() -> Result<B256, Failure> {
    let mut bytes = B256::ZERO;
    getrandom::fill(bytes.as_mut_slice()).map_err(|error| Failure::server(error.to_string()))?;
    Ok(bytes)
}

/// The machine's clock in seconds since 1970.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |passed| passed.as_secs())
}
