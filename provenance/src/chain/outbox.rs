//! The outbox: every step that was begun, with its nonce and its signed transactions, on disk before anything is sent.
//!
//! A nonce carries at most one transaction, so a step that keeps its nonce is done at most once, however often it is
//! begun again: after a crash, over a node that lies, with higher fees. It gets another nonce only when a transaction
//! that is not its own was seen, with proof, in its place, or the account's later ones were and its own in no block since it
//! was begun. The file holds signed transactions, which the chain shows to
//! everybody, and no keys; its entries are sealed all the same, since they say whose wallet this is.

use std::collections::HashMap;
use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use alloy::consensus::{Transaction as _, TxEnvelope};
use alloy::eips::eip2718::{Decodable2718, Encodable2718};
use alloy::primitives::{Address, B256, Bytes};
use serde::{Deserialize, Serialize};

use super::sealed::Sealed;
use crate::{Error, Result};

const MAGIC: &[u8; 8] = b"USUFOUT2";
/// Blocks for which a finished step is kept, so that a reorganization can bring it back.
pub(super) const REMEMBERED: u64 = 256;

/// Which chain: two chains with one id differ in their first block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) struct Scope {
    /// EIP-155 chain id.
    pub(super) chain_id: u64,
    /// The hash of block 0.
    pub(super) genesis: B256,
    /// Who sends.
    pub(super) account: Address,
}

/// How far a step is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// Sent or about to be; it may be included at any time.
    Open,
    /// The node would not take it. It may be included all the same; its nonce can be used by another step.
    Aside,
    /// Included in this block by this transaction.
    Done {
        /// The transaction's hash.
        tx: B256,
        /// The block's number.
        block: u64,
    },
}

/// A step that was begun.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// Its number in the file.
    pub(super) id: u64,
    pub(super) scope: Scope,
    /// What the step does and to what; the same step has the same key.
    pub(super) key: B256,
    pub(super) nonce: u64,
    /// No transaction of this step is in an older block.
    pub(super) since: u64,
    /// Everything that was signed for it, the newest last; all have its nonce.
    pub(super) signed: Vec<TxEnvelope>,
    pub(super) standing: Standing,
}

impl Entry {
    /// The hashes of all its transactions, the newest first.
    pub(super) fn hashes(&self) -> impl Iterator<Item = B256> + '_ {
        self.signed.iter().rev().map(|signed| *signed.tx_hash())
    }

    /// The transaction to send: the included one, or the newest.
    pub(super) fn current(&self) -> Option<&TxEnvelope> {
        match self.standing {
            Standing::Done { tx, .. } => self.signed.iter().find(|signed| *signed.tx_hash() == tx),
            _ => self.signed.last(),
        }
    }
}

/// One line of the file.
#[derive(Debug, Serialize, Deserialize)]
enum Record {
    /// A step was begun; what it sends follows.
    Begun { id: u64, scope: Scope, key: B256, nonce: u64, since: u64, raw: Bytes },
    /// Another transaction for the same step with the same nonce; opens it again.
    Signed { id: u64, raw: Bytes },
    /// The node would not take it.
    Aside { id: u64 },
    /// It was included.
    Done { id: u64, tx: B256, block: u64 },
    /// It was included and is no longer.
    Back { id: u64 },
    /// Something else used its nonce: it cannot be included any more.
    Gone { id: u64 },
}

#[derive(Default)]
struct Books {
    file: Option<Sealed>,
    /// Why nothing can be begun here.
    closed: Option<String>,
    entries: Vec<Entry>,
    next: u64,
}

type Turn = Arc<tokio::sync::Mutex<()>>;

/// What was begun and may not be finished. Clones share it.
#[derive(Clone, Default)]
pub struct Outbox {
    books: Arc<Mutex<Books>>,
    turns: Arc<Mutex<HashMap<Scope, Turn>>>,
}

/// A step that was begun and is not known to be finished.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfinished {
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// Who sends.
    pub account: Address,
    /// The account's nonce that it uses.
    pub nonce: u64,
    /// The transactions signed for it, the newest last; at most one is ever included.
    pub transactions: Vec<B256>,
}

impl fmt::Debug for Outbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outbox").field("unfinished", &self.unfinished().len()).finish_non_exhaustive()
    }
}

impl Outbox {
    /// An outbox that ends with the process: for questions, tests and deployments.
    #[must_use]
    pub fn in_memory() -> Self {
        Self::default()
    }

    /// An outbox in which nothing can be begun, for a process that may only ask; `why` says so.
    #[must_use]
    pub fn closed(why: String) -> Self {
        Self { books: Arc::new(Mutex::new(Books { closed: Some(why), ..Books::default() })), turns: Arc::default() }
    }

    /// Opens the outbox kept in the file `path` and sealed under `key`, or begins one. One process at a time holds it.
    ///
    /// # Errors
    /// [`Error::Busy`] while another process holds it; [`Error::Integrity`] when it is damaged or sealed under another key;
    /// [`Error::Io`].
    pub fn open(path: &Path, key: &[u8; 32]) -> Result<Self> {
        let (mut file, lines) = Sealed::open(path, *MAGIC, key)?;
        let mut books = Books::default();
        for line in &lines {
            let unreadable = |error| Error::Integrity(format!("{} cannot be read: {error}", path.display()));
            books.apply(serde_json::from_slice(line).map_err(unreadable)?)?;
        }
        books.forget_old();
        let kept = books.records();
        if kept.len() < lines.len() {
            file.rewrite(&kept.iter().map(line_of).collect::<Result<Vec<_>>>()?)?;
        }
        books.file = Some(file);
        Ok(Self { books: Arc::new(Mutex::new(books)), turns: Arc::default() })
    }

    /// Everything that was begun and is not known to be finished, oldest first.
    #[must_use]
    pub fn unfinished(&self) -> Vec<Unfinished> {
        let books = self.books();
        let open = books.entries.iter().filter(|entry| !matches!(entry.standing, Standing::Done { .. }));
        open.map(|entry| Unfinished {
            chain_id: entry.scope.chain_id,
            account: entry.scope.account,
            nonce: entry.nonce,
            transactions: entry.signed.iter().map(|signed| *signed.tx_hash()).collect(),
        })
        .collect()
    }

    /// One sender at a time per account and chain: the next nonce is asked for, used and sent before anybody else asks.
    pub(super) fn turn(&self, scope: &Scope) -> Turn {
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(turns.entry(*scope).or_default())
    }

    /// The step with this key that is not finished.
    pub(super) fn find(&self, scope: &Scope, key: B256) -> Option<Entry> {
        let unfinished = |entry: &&Entry| !matches!(entry.standing, Standing::Done { .. });
        let books = self.books();
        books.entries.iter().filter(unfinished).find(|entry| entry.scope == *scope && entry.key == key).cloned()
    }

    /// This step as it stands now.
    pub(super) fn entry(&self, id: u64) -> Option<Entry> {
        self.books().entries.iter().find(|entry| entry.id == id).cloned()
    }

    /// All steps of an account that are remembered, by nonce.
    pub(super) fn of(&self, scope: &Scope) -> Vec<Entry> {
        let mut found: Vec<Entry> =
            self.books().entries.iter().filter(|entry| entry.scope == *scope).cloned().collect();
        found.sort_by_key(|entry| entry.nonce);
        found
    }

    /// The lowest nonce from `pending` on that no step uses. A step that was set aside does not keep its nonce.
    pub(super) fn free_nonce(&self, scope: &Scope, pending: u64) -> u64 {
        let books = self.books();
        let used = |nonce: u64| {
            books.entries.iter().any(|entry| {
                entry.scope == *scope && entry.nonce == nonce && !matches!(entry.standing, Standing::Aside)
            })
        };
        let mut nonce = pending;
        while used(nonce) {
            nonce += 1;
        }
        nonce
    }

    /// Writes down a step with its first signed transaction, before it is sent.
    pub(super) fn begin(&self, scope: Scope, key: B256, since: u64, signed: &TxEnvelope) -> Result<Entry> {
        let mut books = self.books();
        if let Some(why) = &books.closed {
            return Err(Error::Busy(why.clone()));
        }
        let (id, nonce) = (books.next, signed.nonce());
        books.write(Record::Begun { id, scope, key, nonce, since, raw: signed.encoded_2718().into() })?;
        let begun = books.entries.iter().find(|entry| entry.id == id).cloned();
        begun.ok_or_else(|| Error::Invalid("a step was not written down".into()))
    }

    /// Writes down another transaction of the same step, before it is sent.
    pub(super) fn sign(&self, id: u64, signed: &TxEnvelope) -> Result<()> {
        self.books().write(Record::Signed { id, raw: signed.encoded_2718().into() })
    }

    pub(super) fn set_aside(&self, id: u64) -> Result<()> {
        self.books().write(Record::Aside { id })
    }

    pub(super) fn done(&self, id: u64, tx: B256, block: u64) -> Result<()> {
        let mut books = self.books();
        books.write(Record::Done { id, tx, block })?;
        books.forget_old();
        Ok(())
    }

    pub(super) fn take_back(&self, id: u64) -> Result<()> {
        self.books().write(Record::Back { id })
    }

    pub(super) fn give_up(&self, id: u64) -> Result<()> {
        self.books().write(Record::Gone { id })
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Books {
    /// On disk first, then in memory.
    fn write(&mut self, record: Record) -> Result<()> {
        if let Some(file) = &mut self.file {
            file.append(&line_of(&record)?)?;
        }
        self.apply(record)
    }

    fn apply(&mut self, record: Record) -> Result<()> {
        match record {
            Record::Begun { id, scope, key, nonce, since, raw } => {
                let signed = vec![decoded(&raw, nonce)?];
                self.next = self.next.max(id + 1);
                self.entries.push(Entry { id, scope, key, nonce, since, signed, standing: Standing::Open });
            }
            Record::Signed { id, raw } => {
                if let Some(entry) = self.entry(id) {
                    entry.signed.push(decoded(&raw, entry.nonce)?);
                    entry.standing = Standing::Open;
                }
            }
            Record::Aside { id } => self.stand(id, Standing::Aside),
            Record::Done { id, tx, block } => self.stand(id, Standing::Done { tx, block }),
            Record::Back { id } => self.stand(id, Standing::Open),
            Record::Gone { id } => self.entries.retain(|entry| entry.id != id),
        }
        Ok(())
    }

    fn entry(&mut self, id: u64) -> Option<&mut Entry> {
        self.entries.iter_mut().find(|entry| entry.id == id)
    }

    fn stand(&mut self, id: u64, standing: Standing) {
        if let Some(entry) = self.entry(id) {
            entry.standing = standing;
        }
    }

    /// Drops finished steps that no reorganization reaches any more.
    fn forget_old(&mut self) {
        let newest = |scope: &Scope, entries: &[Entry]| {
            let done = entries.iter().filter(|entry| entry.scope == *scope).filter_map(|entry| match entry.standing {
                Standing::Done { block, .. } => Some(block),
                _ => None,
            });
            done.max().unwrap_or_default()
        };
        let old: Vec<u64> = self
            .entries
            .iter()
            .filter(|entry| match entry.standing {
                Standing::Done { block, .. } => block + REMEMBERED < newest(&entry.scope, &self.entries),
                _ => false,
            })
            .map(|entry| entry.id)
            .collect();
        self.entries.retain(|entry| !old.contains(&entry.id));
    }

    /// The shortest file that says the same.
    fn records(&self) -> Vec<Record> {
        let mut records = Vec::new();
        for entry in &self.entries {
            let Entry { id, scope, key, nonce, since, .. } = *entry;
            let mut raws = entry.signed.iter().map(|signed| Bytes::from(signed.encoded_2718()));
            if let Some(raw) = raws.next() {
                records.push(Record::Begun { id, scope, key, nonce, since, raw });
            }
            records.extend(raws.map(|raw| Record::Signed { id, raw }));
            match entry.standing {
                Standing::Open => {}
                Standing::Aside => records.push(Record::Aside { id }),
                Standing::Done { tx, block } => records.push(Record::Done { id, tx, block }),
            }
        }
        records
    }
}

fn line_of(record: &Record) -> Result<Vec<u8>> {
    serde_json::to_vec(record).map_err(|error| Error::Invalid(error.to_string()))
}

fn decoded(raw: &Bytes, nonce: u64) -> Result<TxEnvelope> {
    let signed = TxEnvelope::decode_2718_exact(raw)
        .map_err(|error| Error::Integrity(format!("a transaction in the outbox cannot be read: {error}")))?;
    if signed.nonce() != nonce {
        return Err(Error::Integrity("a transaction in the outbox has another nonce than its step".into()));
    }
    Ok(signed)
}

#[cfg(test)]
#[path = "outbox_tests.rs"]
mod tests;
