//! Sending: one step, one nonce, one outcome. The step is in the outbox before it leaves; whoever runs the same step again
//! goes on with what was begun.

use std::time::{Duration, Instant};

use alloy::consensus::{Transaction as _, TxEnvelope};
use alloy::eips::BlockNumberOrTag;
use alloy::eips::eip2718::Encodable2718;
use alloy::primitives::{Address, B256, Bytes, TxKind, U256, keccak256};
use alloy::providers::Provider;
use alloy::rpc::types::TransactionReceipt;
use alloy::sol_types::SolValue;
use alloy::transports::TransportError;

use super::proved::ProvedBody;
use super::{Link, Sent, link, revert};
use crate::chain::Signer;
use crate::chain::outbox::{Entry, REMEMBERED, Scope, Standing};
use crate::{Error, Result};

/// Times that another program may take the nonce before the step is given up.
const ROUNDS: usize = 8;
/// Questions in a row that may fail while a transaction is waited for.
const FAILURES: u32 = 5;
/// Polls without news after which a transaction is sent again, as it is.
const REMIND: u32 = 8;
/// Part of the key of a step that only uses up a nonce.
const FILLER: &str = "fill";
/// Blocks looked through for the transaction that used a nonce.
const LOOKED_THROUGH: u64 = 4_096;

/// One thing to be done on the chain, at most once.
#[derive(Debug, Clone)]
pub(in crate::chain) struct Step {
    /// What is done and to what: the same step has the same key, even when its bytes differ.
    pub(in crate::chain) key: B256,
    pub(in crate::chain) to: TxKind,
    pub(in crate::chain) input: Bytes,
}

/// What became of a step.
enum Outcome {
    /// Included, as deep as the network asks for.
    Included(Box<TransactionReceipt>),
    /// Another transaction has its nonce: it was not done and cannot be any more.
    Taken,
}

/// What used a nonce.
enum Use {
    /// This transaction, in this block.
    By { tx: B256, block: u64 },
    /// Something before the step was begun: a later nonce of the account is in this block, and the step's own in none since.
    Before { later: u64 },
}

/// What is seen of a step at one moment.
enum Sight {
    Outcome(Outcome),
    /// Included, and not deep enough yet.
    Shallow,
    Nothing,
}

impl Link {
    /// Does the step, or goes on with it where it was begun before, and waits until `confirmations` blocks follow its
    /// block.
    ///
    /// # Errors
    /// [`Error::Reverted`] before anything is sent when the contract would refuse, or after when it did;
    /// [`Error::Refused`] above the fee limits or without gas money; [`Error::WrongNetwork`] when the node is not the one
    /// that the profile pins; [`Error::Network`], after which the step can be run again.
    pub(in crate::chain) async fn send(
        &self,
        signer: &Signer,
        step: &Step,
        confirmations: u64,
    ) -> Result<TransactionReceipt> {
        for _ in 0..ROUNDS {
            let entry = {
                let turn = self.outbox.turn(&self.scope(signer.address()));
                let _turn = turn.lock().await;
                self.begin(signer, step).await?
            };
            match self.outcome(signer, entry.id, confirmations).await? {
                Outcome::Included(receipt) => {
                    self.outbox.done(entry.id, receipt.transaction_hash, receipt.block_number.unwrap_or_default())?;
                    return self.succeeded(*receipt).await;
                }
                Outcome::Taken => self.outbox.give_up(entry.id)?,
            }
        }
        Err(Error::Busy("another program keeps sending from this account; stop it and run the step again".into()))
    }

    /// Goes on with every step of this account that was begun and not finished, and does again what a reorganization
    /// undid. Returns what was included. A step that its contract refuses by now is finished too.
    ///
    /// # Errors
    /// [`Error::Network`], [`Error::WrongNetwork`]; the steps stay in the outbox.
    pub(super) async fn resume(&self, signer: &Signer, confirmations: u64) -> Result<Vec<Sent>> {
        let scope = self.scope(signer.address());
        let mut sent = Vec::new();
        for entry in self.outbox.of(&scope) {
            let again = match entry.standing {
                Standing::Open => true,
                Standing::Aside => false,
                Standing::Done { .. } => self.is_undone(&entry).await?,
            };
            let Some(current) = entry.current().filter(|_| again) else { continue };
            if matches!(entry.standing, Standing::Done { .. }) {
                self.outbox.take_back(entry.id)?;
            }
            let step = Step { key: entry.key, to: current.kind(), input: current.input().clone() };
            match self.send(signer, &step, confirmations).await {
                Ok(receipt) => sent.push(link::summary(&receipt)),
                Err(Error::Reverted { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(sent)
    }

    pub(super) fn scope(&self, account: Address) -> Scope {
        Scope { chain_id: self.chain_id(), genesis: self.genesis(), account }
    }

    /// Whether a finished step is not in the chain any more.
    async fn is_undone(&self, entry: &Entry) -> Result<bool> {
        let Standing::Done { tx, block } = entry.standing else { return Ok(false) };
        if self.receipt_in(block, tx).await?.is_some() {
            return Ok(false);
        }
        Ok(self.find(entry).await?.is_none())
    }

    /// Finds the step in the outbox, or signs it and writes it down; then sends it.
    async fn begin(&self, signer: &Signer, step: &Step) -> Result<Entry> {
        self.check_pins(step.to.to()).await?;
        let scope = self.scope(signer.address());
        let undone = self.undone(&scope, step.key).await?;
        self.remind(&scope).await?;
        let entry = match undone.or_else(|| self.outbox.find(&scope, step.key)) {
            None => {
                let pending =
                    self.provider().get_transaction_count(scope.account).pending().await.map_err(revert::error)?;
                let nonce = self.outbox.free_nonce(&scope, pending);
                let signed = self.signed(signer, step, nonce, &[]).await?;
                self.outbox.begin(scope, step.key, self.since().await?, &signed)?
            }
            Some(entry) if entry.standing == Standing::Aside && self.can_be_revived(&entry).await? => {
                let signed = self.signed(signer, step, entry.nonce, &entry.signed).await?;
                self.outbox.sign(entry.id, &signed)?;
                self.outbox.entry(entry.id).unwrap_or(entry)
            }
            // Included meanwhile, or still waiting: its outcome is looked for.
            Some(entry) => entry,
        };
        if entry.standing == Standing::Open {
            self.broadcast(&entry).await?;
        }
        Ok(entry)
    }

    /// The same step where it was finished and a reorganization undid it since, opened again: a second one beside it would do
    /// it twice, once the first is back.
    async fn undone(&self, scope: &Scope, key: B256) -> Result<Option<Entry>> {
        for entry in self.outbox.of(scope).into_iter().filter(|entry| entry.key == key) {
            if matches!(entry.standing, Standing::Done { .. }) && self.is_undone(&entry).await? {
                self.outbox.take_back(entry.id)?;
                return Ok(self.outbox.entry(entry.id));
            }
        }
        Ok(None)
    }

    /// Whether a step that was set aside can be signed again: none of its transactions is in, its nonce is unused, and
    /// no other step waits with it.
    async fn can_be_revived(&self, entry: &Entry) -> Result<bool> {
        let others = self.outbox.of(&entry.scope);
        let taken = others.iter().any(|other| other.nonce == entry.nonce && other.standing == Standing::Open);
        Ok(!taken && self.used(entry).await? <= entry.nonce && self.find(entry).await?.is_none())
    }

    /// The number of transactions of the entry's account that the node has included.
    async fn used(&self, entry: &Entry) -> Result<u64> {
        self.provider().get_transaction_count(entry.scope.account).latest().await.map_err(revert::error)
    }

    /// Sends what the node should have and has not: steps left behind by a crash, and finished ones that a
    /// reorganization undid. Otherwise their nonces would hold up everything after them.
    async fn remind(&self, scope: &Scope) -> Result<()> {
        let known = self.outbox.of(scope);
        if known.is_empty() {
            return Ok(());
        }
        let used = self.provider().get_transaction_count(scope.account).latest().await.map_err(revert::error)?;
        let missing = known.iter().filter(|entry| entry.nonce >= used && entry.standing != Standing::Aside);
        for raw in missing.filter_map(Entry::current).map(Encodable2718::encoded_2718) {
            // What the node says to it does not matter: the step that is begun now looks for itself.
            let _ = self.provider().send_raw_transaction(&raw).await;
        }
        Ok(())
    }

    /// Where the node waits for an earlier nonce that nothing here will ever use (its transaction was another device's and a
    /// reorganization lost it, or it was set aside), uses that nonce for a transaction that does nothing. Should the other
    /// one be included after all, it has the nonce, and nothing is done twice either way.
    async fn fill_gap(&self, signer: &Signer, entry: &Entry) -> Result<()> {
        if entry.standing != Standing::Open {
            return Ok(());
        }
        let scope = entry.scope;
        let turn = self.outbox.turn(&scope);
        let _turn = turn.lock().await;
        let Some(nonce) = self.gap(entry).await.unwrap_or_default() else { return Ok(()) };
        let step = Step {
            key: keccak256((FILLER.to_owned(), scope.account, U256::from(nonce)).abi_encode()),
            to: TxKind::Call(scope.account),
            input: Bytes::new(),
        };
        let signed = self.signed(signer, &step, nonce, &[]).await;
        let (Ok(since), Ok(filler)) = (self.since().await, signed) else { return Ok(()) };
        tracing::warn!(nonce, "nothing uses a nonce before a transaction that waits; it is filled");
        let filler = self.outbox.begin(scope, step.key, since, &filler)?;
        // Whatever the node says: the next look finds out.
        let _ = self.broadcast(&filler).await;
        Ok(())
    }

    /// The first nonce before the entry's that the node has nothing for and no step here uses.
    async fn gap(&self, entry: &Entry) -> Result<Option<u64>> {
        let account = entry.scope.account;
        let waiting = self.provider().get_transaction_count(account).pending().await.map_err(revert::error)?;
        let free = self.outbox.free_nonce(&entry.scope, waiting.max(self.used(entry).await?));
        Ok((free < entry.nonce).then_some(free))
    }

    /// The block from which a step that begins now is looked for: the node has to show the newest one's header, since what is
    /// before is not searched.
    async fn since(&self) -> Result<u64> {
        let newest = self.header(BlockNumberOrTag::Latest).await?;
        let newest = newest.ok_or_else(|| Error::Network("the node gives no newest block".into()))?;
        Ok(newest.header.number.saturating_sub(REMEMBERED))
    }

    async fn broadcast(&self, entry: &Entry) -> Result<()> {
        let Some(current) = entry.current() else { return Ok(()) };
        match self.provider().send_raw_transaction(&current.encoded_2718()).await {
            Ok(_) => Ok(()),
            Err(error) if is_final_refusal(&error) => {
                self.outbox.set_aside(entry.id)?;
                Err(revert::error(error))
            }
            // A refusal that can also mean that it is there already, or that will pass.
            Err(error) if error.as_error_resp().is_some() => Ok(()),
            Err(error) => Err(kept(entry, revert::error(error))),
        }
    }

    /// Waits for what becomes of the step; sends it again when the node lost it, with a higher fee when it is stuck.
    async fn outcome(&self, signer: &Signer, id: u64, confirmations: u64) -> Result<Outcome> {
        let (start, mut signed_at) = (Instant::now(), Instant::now());
        let (mut failures, mut nothing) = (0, 0u32);
        loop {
            // Another call of the same step may have finished it, or found it impossible.
            let Some(entry) = self.outbox.entry(id) else { return Ok(Outcome::Taken) };
            match self.look(&entry, confirmations).await {
                Ok(Sight::Outcome(outcome)) => return Ok(outcome),
                Ok(Sight::Shallow) => (failures, nothing) = (0, 0),
                Ok(Sight::Nothing) => (failures, nothing) = (0, nothing + 1),
                Err(error @ (Error::Network(_) | Error::Integrity(_))) => {
                    failures += 1;
                    if failures >= FAILURES {
                        return Err(kept(&entry, error));
                    }
                }
                Err(error) => return Err(kept(&entry, error)),
            }
            if nothing % REMIND == REMIND - 1 && entry.standing != Standing::Aside {
                let _ = self.remind(&entry.scope).await;
            }
            if nothing > 0 && signed_at.elapsed() > Duration::from_secs(self.rules.stuck_after) {
                self.fill_gap(signer, &entry).await?;
                self.raise(signer, &entry).await?;
                signed_at = Instant::now();
            }
            if start.elapsed() > Duration::from_secs(self.rules.give_up_after) {
                return Err(kept(&entry, Error::Network("the transaction is not included yet".into())));
            }
            tokio::time::sleep(self.poll).await;
        }
    }

    async fn look(&self, entry: &Entry, confirmations: u64) -> Result<Sight> {
        if let Some(receipt) = self.find(entry).await? {
            let deep = self.is_deep(&receipt, confirmations).await?;
            return Ok(if deep { Sight::Outcome(Outcome::Included(Box::new(receipt))) } else { Sight::Shallow });
        }
        if self.used(entry).await? <= entry.nonce {
            return Ok(Sight::Nothing);
        }
        let block = match self.user_of(entry).await? {
            Some(Use::By { tx, .. }) if entry.hashes().any(|hash| hash == tx) => {
                return Err(Error::Integrity(format!("the node has transaction {tx} and denies it")));
            }
            Some(Use::By { block, .. } | Use::Before { later: block }) => block,
            None => {
                return Err(Error::Integrity(format!(
                    "the node says that nonce {} is used and does not show by what",
                    entry.nonce
                )));
            }
        };
        let settled = self.header(BlockNumberOrTag::Number(block + confirmations)).await?.is_some();
        Ok(if settled { Sight::Outcome(Outcome::Taken) } else { Sight::Shallow })
    }

    /// The receipt of whichever of the step's transactions is in the chain. The node's word only says where to look.
    async fn find(&self, entry: &Entry) -> Result<Option<TransactionReceipt>> {
        for hash in entry.hashes() {
            let said = self.provider().get_transaction_receipt(hash).await.map_err(revert::error)?;
            if let Some(number) = said.and_then(|receipt| receipt.block_number) {
                return match self.receipt_in(number, hash).await? {
                    Some(receipt) => Ok(Some(receipt)),
                    None => Err(Error::Integrity(format!("transaction {hash} is not in the block that the node says"))),
                };
            }
        }
        Ok(None)
    }

    async fn is_deep(&self, receipt: &TransactionReceipt, confirmations: u64) -> Result<bool> {
        let (Some(block), true) = (receipt.block_number, confirmations > 0) else { return Ok(true) };
        Ok(self.header(BlockNumberOrTag::Number(block + confirmations)).await?.is_some())
    }

    /// What used the entry's nonce; `None` when the node does not show it.
    async fn user_of(&self, entry: &Entry) -> Result<Option<Use>> {
        let head = self.provider().get_block_number().await.map_err(revert::error)?;
        if let Some(number) = self.first_block_after(entry, head).await
            && let Some(block) = self.body(number).await?
            && let Some(tx) = block.sent_by(entry.scope.account, entry.nonce)
        {
            return Ok(Some(Use::By { tx, block: number }));
        }
        self.searched(entry, head).await
    }

    /// The same, by reading the blocks since the step was begun, the newest first. Each is held to be the next one's parent:
    /// else a reorganization could carry the step's own transaction past the reader.
    async fn searched(&self, entry: &Entry, head: u64) -> Result<Option<Use>> {
        let last = entry.since.max(head.saturating_sub(LOOKED_THROUGH));
        let (mut later, mut child): (_, Option<ProvedBody>) = (None, None);
        for number in (last..=head).rev() {
            let Some(block) = self.body(number).await? else { return Ok(None) };
            if child.is_some_and(|child| child.header.parent_hash != block.hash) {
                return Ok(None);
            }
            if let Some(tx) = block.sent_by(entry.scope.account, entry.nonce) {
                return Ok(Some(Use::By { tx, block: number }));
            }
            if block.has_later_by(entry.scope.account, entry.nonce) {
                later = Some(number);
            }
            child = Some(block);
        }
        // Nonces are used in their order. Before the first block there is nothing that could have used it.
        Ok(later.filter(|_| last == entry.since && last > 0).map(|later| Use::Before { later }))
    }

    /// The block in which the nonce was used, by bisection; `None` where the node keeps no past states.
    async fn first_block_after(&self, entry: &Entry, head: u64) -> Option<u64> {
        // From the first block on: a node that said too low a count may have had a nonce signed that was used long ago.
        let (mut low, mut high) = (0, head);
        while low < high {
            let middle = low + (high - low) / 2;
            let count = self.provider().get_transaction_count(entry.scope.account).number(middle).await.ok()?;
            if count > entry.nonce { high = middle } else { low = middle + 1 }
        }
        Some(low)
    }

    /// Signs the step again with the same nonce and a higher fee, as far as the limits allow.
    async fn raise(&self, signer: &Signer, entry: &Entry) -> Result<()> {
        if entry.standing != Standing::Open {
            return Ok(());
        }
        let turn = self.outbox.turn(&self.scope(signer.address()));
        let _turn = turn.lock().await;
        let Some(raised) = self.raised(signer, entry).await? else { return Ok(()) };
        self.outbox.sign(entry.id, &raised)?;
        let _ = self.provider().send_raw_transaction(&raised.encoded_2718()).await;
        Ok(())
    }

    /// A transaction that was included and reverted: asks again for the reason.
    async fn succeeded(&self, receipt: TransactionReceipt) -> Result<TransactionReceipt> {
        if receipt.status() {
            return Ok(receipt);
        }
        let hash = receipt.transaction_hash;
        let again = match self.provider().get_transaction_by_hash(hash).await.map_err(revert::error)? {
            Some(transaction) => self.provider().call(transaction.into_request()).pending().await.err(),
            None => None,
        };
        match again.map(revert::error) {
            Some(error @ Error::Reverted { .. }) => Err(error),
            _ => Err(revert::unexplained(format!("transaction {hash} was included and reverted"))),
        }
    }
}

/// The node will not take it as it is, whenever it is sent. Everything else may mean that it is there already.
fn is_final_refusal(error: &TransportError) -> bool {
    let passing = ["nonce", "already", "known", "imported", "underpriced", "base fee", "basefee", "fee cap", "busy"];
    error.as_error_resp().is_some_and(|payload| {
        let message = payload.message.to_lowercase();
        !payload.is_retry_err() && !passing.iter().any(|word| message.contains(word))
    })
}

/// An error after a step was written down: it may still be included.
fn kept(entry: &Entry, error: Error) -> Error {
    let hash = entry.current().map(TxEnvelope::tx_hash).copied().unwrap_or_default();
    let text = |message: String| format!("{message}; transaction {hash} may still be included, run the step again");
    match error {
        Error::Network(message) => Error::Network(text(message)),
        Error::Integrity(message) => Error::Integrity(text(message)),
        other => other,
    }
}
