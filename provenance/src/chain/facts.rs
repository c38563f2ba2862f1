//! Chain facts that travel: a job's events, each proved against the hash of the block it is in.
//!
//! A fact holds the block's header, the transaction's receipt and the trie nodes between them (Ethereum Yellow Paper,
//! section 4.3). [`JobFacts::check`] needs no network: it shows that the events are in those blocks. Whether the blocks
//! are the chain's is for [`super::confirm`] to ask a node, or for somebody who knows a block hash.

use alloy::consensus::{Header, ReceiptEnvelope};
use alloy::eips::{BlockId, Decodable2718, Encodable2718};
use alloy::primitives::{Address, B256, Bytes, Log, U256, keccak256};
use alloy::providers::Provider;
use alloy::rpc::types::Log as RpcLog;
use alloy::sol_types::SolEvent;
use alloy_rlp::Decodable;
use alloy_trie::proof::{ProofRetainer, verify_proof};
use alloy_trie::root::adjust_index_for_rlp;
use alloy_trie::{HashBuilder, Nibbles};
use serde::{Deserialize, Serialize};

use super::bindings::JobEscrow::{JobCommitted, JobDrawn, JobRequested, JobSettled};
use super::bindings::{Commitment, Job};
use super::client::{Chain, JobRecord, Link, Place, transport_error};
use super::typed::Typed;
use crate::{Error, Result, ids};

/// Larger than any honest receipt, header or trie node, in bytes.
const LARGEST_PART: usize = 1 << 20;
/// More nodes than any path through a block's receipts has.
const MOST_NODES: usize = 16;

/// One log with what proves that it is in a block.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogFact {
    /// The transaction's hash; a convenience that nothing rests on.
    pub tx: B256,
    /// The block's header, RLP; its keccak-256 is the block's hash.
    pub header: Bytes,
    /// The transaction's position in the block.
    pub position: u64,
    /// The transaction's receipt (EIP-2718).
    pub receipt: Bytes,
    /// The receipt trie's nodes from the header's receipts root down to the receipt.
    pub nodes: Vec<Bytes>,
    /// Which of the receipt's logs it is.
    pub log: u64,
}

/// The events of a settled job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JobFacts {
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// The `JobEscrow` that logged them.
    pub escrow: Address,
    /// The job's id.
    pub job: B256,
    /// `JobRequested`.
    pub requested: LogFact,
    /// `JobCommitted`.
    pub committed: LogFact,
    /// `JobDrawn`.
    pub drawn: LogFact,
    /// `JobSettled`.
    pub settled: LogFact,
}

/// A block that facts rest on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlockRef {
    /// Its number.
    pub number: u64,
    /// Its hash.
    pub hash: B256,
    /// Its time in seconds since 1970.
    pub time: u64,
}

/// What the facts say once they are checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettledJob {
    /// What was fixed at request.
    pub details: Job,
    /// The output with the drawn challenge.
    pub commitment: Commitment,
    /// The package key.
    pub k: B256,
    /// Base units paid to `details.owner`.
    pub amount: U256,
    /// The EIP-712 struct hash of the receipt.
    pub receipt_hash: B256,
    /// The dataset's head after it.
    pub head: B256,
    /// The blocks of request, commit, draw and settlement.
    pub blocks: [BlockRef; 4],
}

impl LogFact {
    /// Shows that the log is in the block and returns both.
    ///
    /// # Errors
    /// [`Error::Integrity`] naming the part that does not fit.
    pub fn check(&self) -> Result<(Log, BlockRef)> {
        self.check_sizes()?;
        let header = Header::decode(&mut self.header.as_ref()).map_err(|_| broken("the block's header"))?;
        if alloy_rlp::encode(&header) != self.header.as_ref() {
            return Err(broken("the block's header"));
        }
        let value = Some(self.receipt.to_vec());
        verify_proof(header.receipts_root, receipt_key(self.position as usize), value, &self.nodes)
            .map_err(|_| broken("the receipt's place in its block"))?;
        let receipt =
            ReceiptEnvelope::decode_2718_exact(&self.receipt).map_err(|_| broken("the transaction's receipt"))?;
        if !receipt.is_success() {
            return Err(broken("the transaction, which failed,"));
        }
        let log = receipt.logs().get(self.log as usize).cloned().ok_or_else(|| broken("the log's position"))?;
        let block = BlockRef { number: header.number, hash: keccak256(&self.header), time: header.timestamp };
        Ok((log, block))
    }

    fn check_sizes(&self) -> Result<()> {
        let parts = [&self.header, &self.receipt].into_iter().chain(&self.nodes);
        let fits = self.nodes.len() <= MOST_NODES && parts.into_iter().all(|part| part.len() <= LARGEST_PART);
        if fits { Ok(()) } else { Err(broken("the proof's size")) }
    }
}

impl JobFacts {
    /// Checks everything that needs no network: that the events are in their blocks, by this escrow, about this job, in
    /// order; that the challenge is the commit's block hash; that key, amount and receipt hash fit.
    ///
    /// # Errors
    /// [`Error::Integrity`] naming what does not fit.
    pub fn check(&self) -> Result<SettledJob> {
        let (requested, first) = self.event::<JobRequested>(&self.requested)?;
        let (committed, second) = self.event::<JobCommitted>(&self.committed)?;
        let (drawn, third) = self.event::<JobDrawn>(&self.drawn)?;
        let (settled, fourth) = self.event::<JobSettled>(&self.settled)?;
        let job = self.job;
        if [requested.job, committed.job, drawn.job, settled.job] != [job; 4] {
            return Err(broken("the job's id"));
        }
        let blocks = [first, second, third, fourth];
        let in_order = blocks.is_sorted_by_key(|block| block.number) && committed.commitment.atBlock == second.number;
        if !in_order || third.number <= second.number {
            return Err(broken("the order of the events"));
        }
        if drawn.challenge != U256::from_be_bytes(ids::challenge(&second.hash.0, &job.0)) {
            return Err(broken("the challenge"));
        }
        if keccak256(settled.k) != committed.commitment.output.keyHash {
            return Err(broken("the package key"));
        }
        let commitment = Commitment { challenge: drawn.challenge, ..committed.commitment };
        let receipt = JobRecord::receipt_of(job, &requested.details, &commitment.output);
        if settled.receiptHash != receipt.struct_hash() || settled.amount != requested.details.amount {
            return Err(broken("the receipt"));
        }
        Ok(SettledJob {
            details: requested.details,
            commitment,
            k: settled.k,
            amount: settled.amount,
            receipt_hash: settled.receiptHash,
            head: settled.head,
            blocks,
        })
    }

    fn event<E: SolEvent>(&self, fact: &LogFact) -> Result<(E, BlockRef)> {
        let (log, block) = fact.check()?;
        if log.address != self.escrow {
            return Err(broken("the contract that logged an event"));
        }
        let event = E::decode_log(&log).map_err(|_| broken(E::SIGNATURE))?;
        Ok((event.data, block))
    }
}

impl Chain {
    /// The facts of a settled job, to be kept with its receipt.
    ///
    /// # Errors
    /// [`Error::Refused`] before the job is settled; [`Error::Integrity`] where this chain's blocks cannot be proved;
    /// [`Error::NotFound`]; [`Error::Network`].
    pub async fn job_facts(&self, job: B256) -> Result<JobFacts> {
        let record = self.job(job).await?;
        let (Some(committed), Some(drawn), Some(settled)) = (record.committed, record.drawn, record.settled) else {
            return Err(Error::Refused(format!("job {job} is {:?}: it is not settled", record.state)));
        };
        let facts = JobFacts {
            chain_id: self.profile().chain_id,
            escrow: self.profile().escrow,
            job,
            requested: log_fact(self.link(), record.requested).await?,
            committed: log_fact(self.link(), committed).await?,
            drawn: log_fact(self.link(), drawn).await?,
            settled: log_fact(self.link(), settled.place).await?,
        };
        facts.check()?;
        Ok(facts)
    }
}

async fn log_fact(link: &Link, place: Place) -> Result<LogFact> {
    let unknown = || Error::Integrity(format!("the node does not give block {} whole", place.block));
    let provider = link.provider();
    let block = provider.get_block_by_number(place.block.into()).await.map_err(transport_error)?.ok_or_else(unknown)?;
    let receipts = provider.get_block_receipts(BlockId::from(place.block)).await.map_err(transport_error)?;
    let receipts = receipts.ok_or_else(unknown)?;
    let position = receipts.iter().position(|receipt| receipt.transaction_hash == place.tx).ok_or_else(unknown)?;
    let log =
        receipts[position].logs().iter().position(|log| log.log_index == Some(place.index)).ok_or_else(unknown)?;
    let encoded: Vec<Bytes> = receipts
        .into_iter()
        .map(|receipt| receipt.inner.map_logs(|log: RpcLog| log.inner).encoded_2718().into())
        .collect();
    Ok(LogFact {
        tx: place.tx,
        header: alloy_rlp::encode(&block.header.inner).into(),
        position: position as u64,
        nodes: nodes(&encoded, position),
        receipt: encoded[position].clone(),
        log: log as u64,
    })
}

/// The trie nodes from the root of a block's receipts down to the one at `position`.
fn nodes(receipts: &[Bytes], position: usize) -> Vec<Bytes> {
    let key = receipt_key(position);
    let mut builder = HashBuilder::default().with_proof_retainer(ProofRetainer::new(vec![key]));
    for place in 0..receipts.len() {
        let index = adjust_index_for_rlp(place, receipts.len());
        builder.add_leaf(receipt_key(index), &receipts[index]);
    }
    let _ = builder.root();
    builder.take_proof_nodes().into_nodes_sorted().into_iter().map(|(_, node)| node).collect()
}

fn receipt_key(position: usize) -> Nibbles {
    Nibbles::unpack(alloy_rlp::encode_fixed_size(&position))
}

fn broken(what: &str) -> Error {
    Error::Integrity(format!("{what} does not fit the chain facts"))
}

#[cfg(test)]
impl LogFact {
    /// A block of this number with one transaction that logged this alone.
    pub(crate) fn made_up(number: u64, address: Address, event: &impl SolEvent) -> Self {
        use alloy::consensus::{Eip658Value, Receipt};
        let log = Log { address, data: event.encode_log_data() };
        let receipt = Receipt { status: Eip658Value::Eip658(true), cumulative_gas_used: 50_000, logs: vec![log] };
        let receipt: Bytes = ReceiptEnvelope::Eip1559(receipt.with_bloom()).encoded_2718().into();
        let receipts_root = alloy_trie::root::ordered_trie_root_encoded(std::slice::from_ref(&receipt));
        let header = Header { number, receipts_root, timestamp: 1_800_000_000 + number, ..Default::default() };
        let nodes = nodes(std::slice::from_ref(&receipt), 0);
        let tx = B256::repeat_byte(number as u8);
        Self { tx, header: alloy_rlp::encode(&header).into(), position: 0, receipt, nodes, log: 0 }
    }

    /// The hash of its block.
    pub(crate) fn block_hash(&self) -> B256 {
        keccak256(&self.header)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every receipt of blocks of many sizes is proved by its own nodes, and by no other's.
    #[test]
    fn receipts_are_proved_in_blocks_of_any_size() {
        for size in [1usize, 2, 3, 16, 17, 128, 130, 300] {
            let receipts: Vec<Bytes> = (0..size).map(|at| vec![at as u8; 40 + at % 7].into()).collect();
            let root = alloy_trie::root::ordered_trie_root_encoded(&receipts);
            for position in [0, size / 2, size - 1] {
                let nodes = nodes(&receipts, position);
                let value = Some(receipts[position].to_vec());
                verify_proof(root, receipt_key(position), value.clone(), &nodes).unwrap();
                assert!(verify_proof(root, receipt_key(position + 1), value.clone(), &nodes).is_err());
                assert!(verify_proof(B256::ZERO, receipt_key(position), value, &nodes).is_err());
                assert!(verify_proof(root, receipt_key(position), Some(vec![7; 41]), &nodes).is_err());
            }
        }
    }
}
