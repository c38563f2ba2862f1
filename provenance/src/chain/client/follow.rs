//! Following the contracts' events from a checkpoint on disk: every block's header is linked to the one before it, and a
//! block whose header says that one of our contracts may have logged in it is read whole. Nothing can be left out or put
//! in, and what a reorganization undid is undone here.

use std::path::Path;

use alloy::eips::BlockNumberOrTag;
use alloy::primitives::{Address, B256, BloomInput, Log};
use futures::future::try_join_all;
use serde::{Deserialize, Serialize};

use super::{Chain, Event, Place};
use crate::chain::outbox::REMEMBERED;
use crate::chain::sealed::Sealed;
use crate::{Error, Result};

const MAGIC: &[u8; 8] = b"USUFEVT2";
/// Headers asked for at once.
const AT_ONCE: u64 = 32;
/// Blocks between two places on disk from which reading can go on.
const PAGE: u64 = 512;

/// What was read so far, sealed on disk; nothing rests on it, since everything in it can be read again. One process at a
/// time holds it.
#[derive(Debug, Default)]
pub struct EventFile {
    file: Option<Sealed>,
    pages: Vec<Page>,
    /// Frames in the file; when they are many more than pages, it is written anew.
    written: usize,
}

/// How one call of [`Chain::follow`] went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Followed {
    /// Blocks read.
    pub read: u64,
    /// Blocks that were read before and are not in the chain any more.
    pub undone: u64,
    /// Logs of our contracts there are now.
    pub logs: u64,
}

/// A run of blocks: the last one's number and hash, and what was logged in them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Page {
    first: u64,
    last: u64,
    hash: B256,
    logs: Vec<Kept>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Kept {
    place: Place,
    log: Log,
}

#[derive(Debug, Serialize, Deserialize)]
enum Record {
    /// What the file is about: chain id, first block, contracts.
    About {
        chain_id: u64,
        genesis: B256,
        contracts: [Address; 3],
    },
    Page(Page),
    /// Every page from this block on was undone.
    Back {
        from: u64,
    },
}

impl EventFile {
    /// A file that ends with the process: everything is read from the network's first block.
    #[must_use]
    pub fn in_memory() -> Self {
        Self::default()
    }

    /// Opens the file of what was read on `chain`, sealed under `key`, or begins one. A file about another network is begun
    /// anew.
    ///
    /// # Errors
    /// [`Error::Busy`] while another process holds it; [`Error::Integrity`] when it is damaged or sealed under another key:
    /// then it can be removed; [`Error::Io`].
    pub fn open(path: &Path, key: &[u8; 32], chain: &Chain) -> Result<Self> {
        let (mut sealed, lines) = Sealed::open(path, *MAGIC, key)?;
        let about = about(chain);
        if lines.first() != Some(&about) {
            sealed.rewrite(&[about])?;
            return Ok(Self { file: Some(sealed), pages: Vec::new(), written: 1 });
        }
        let mut file = Self { file: Some(sealed), pages: Vec::new(), written: lines.len() };
        for line in &lines[1..] {
            let record = serde_json::from_slice(line)
                .map_err(|error| Error::Integrity(format!("{} cannot be read: {error}", path.display())))?;
            file.apply(record);
        }
        if file.written > 2 * file.pages.len() + 64 {
            file.shorten(about)?;
        }
        Ok(file)
    }

    /// Everything that was read, in order.
    ///
    /// # Errors
    /// [`Error::Integrity`] where what was kept is not an event of our contracts.
    pub fn events(&self, chain: &Chain) -> Result<Vec<Event>> {
        let kept = self.pages.iter().flat_map(|page| &page.logs);
        Ok(kept.filter_map(|kept| chain.fact(&kept.log).map(|fact| Event { place: kept.place, fact })).collect())
    }

    fn write(&mut self, record: Record) -> Result<()> {
        if let Some(file) = &mut self.file {
            file.append(&line(&record)?)?;
            self.written += 1;
        }
        self.apply(record);
        Ok(())
    }

    fn apply(&mut self, record: Record) {
        match record {
            Record::About { .. } => {}
            Record::Page(page) => self.pages.push(page),
            Record::Back { from } => self.pages.retain(|page| page.first < from),
        }
    }

    /// Pages that no reorganization reaches become longer ones, and what was undone is left out.
    fn shorten(&mut self, about: Vec<u8>) -> Result<()> {
        let head = self.pages.last().map_or(0, |page| page.last);
        let mut merged: Vec<Page> = Vec::new();
        for page in std::mem::take(&mut self.pages) {
            match merged.last_mut() {
                Some(last) if page.last + REMEMBERED < head && page.last - last.first < PAGE => {
                    last.logs.extend(page.logs);
                    (last.last, last.hash) = (page.last, page.hash);
                }
                _ => merged.push(page),
            }
        }
        let mut lines = vec![about];
        for page in &merged {
            lines.push(line(&Record::Page(page.clone()))?);
        }
        (self.pages, self.written) = (merged, lines.len());
        match &mut self.file {
            Some(file) => file.rewrite(&lines),
            None => Ok(()),
        }
    }
}

impl Chain {
    /// Reads on to the newest block, undoing first what is not in the chain any more. Cut off at any moment, it goes on
    /// where it was.
    ///
    /// # Errors
    /// [`Error::Integrity`] when the node's blocks do not fit together; [`Error::Network`]. What was read stays.
    pub async fn follow(&self, file: &mut EventFile) -> Result<Followed> {
        let mut followed = Followed::default();
        self.undo(file, &mut followed).await?;
        let head = self.head_block().await?;
        let mut next = file.pages.last().map_or(self.profile().first_block, |page| page.last + 1);
        while next <= head {
            // Old blocks by the page; new ones one by one, so that a reorganization undoes no more than it must.
            let old = head.saturating_sub(REMEMBERED);
            let last = if next + AT_ONCE <= old { (next + PAGE - 1).min(old) } else { next };
            let stop = if last > next { last } else { (next + AT_ONCE - 1).min(head) };
            let parent = file.pages.last().map(|page| page.hash);
            for page in self.pages_of(next, stop, last > next, parent).await? {
                followed.read += page.last + 1 - page.first;
                file.write(Record::Page(page))?;
            }
            next = stop + 1;
        }
        followed.logs = file.pages.iter().map(|page| page.logs.len() as u64).sum();
        Ok(followed)
    }

    /// Drops the pages whose last block is not in the chain any more.
    async fn undo(&self, file: &mut EventFile, followed: &mut Followed) -> Result<()> {
        let mut from = None;
        for page in file.pages.iter().rev() {
            let found = self.link.header(BlockNumberOrTag::Number(page.last)).await?;
            if found.is_some_and(|found| found.hash == page.hash) {
                break;
            }
            followed.undone += page.last + 1 - page.first;
            from = Some(page.first);
        }
        match from {
            Some(from) => file.write(Record::Back { from }),
            None => Ok(()),
        }
    }

    /// The blocks from `first` to `last`, as one page or each as its own, linked to `parent` and to each other.
    async fn pages_of(&self, first: u64, last: u64, as_one: bool, mut parent: Option<B256>) -> Result<Vec<Page>> {
        let mut pages: Vec<Page> = Vec::new();
        for start in (first..=last).step_by(AT_ONCE as usize) {
            let numbers = start..=(start + AT_ONCE - 1).min(last);
            let asked = numbers.map(|number| self.link.header(BlockNumberOrTag::Number(number)));
            for found in try_join_all(asked).await? {
                let found = found.ok_or_else(|| Error::Network("the chain changed while it was read".into()))?;
                if parent.is_some_and(|parent| parent != found.header.parent_hash) {
                    return Err(Error::Network("the chain changed while it was read; read again".into()));
                }
                parent = Some(found.hash);
                let number = found.header.number;
                let logs = if self.may_hold(&found.header.logs_bloom) {
                    self.logs_of(number, found.hash).await?
                } else {
                    Vec::new()
                };
                match pages.last_mut() {
                    Some(page) if as_one => {
                        page.logs.extend(logs);
                        (page.last, page.hash) = (number, found.hash);
                    }
                    _ => pages.push(Page { first: number, last: number, hash: found.hash, logs }),
                }
            }
        }
        Ok(pages)
    }

    fn ours(&self) -> [Address; 3] {
        [self.profile().datasets, self.profile().licenses, self.profile().escrow]
    }

    /// Whether one of our contracts may have logged in a block with this bloom.
    fn may_hold(&self, bloom: &alloy::primitives::Bloom) -> bool {
        self.ours().iter().any(|contract| bloom.contains_input(BloomInput::Raw(contract.as_slice())))
    }

    async fn logs_of(&self, number: u64, hash: B256) -> Result<Vec<Kept>> {
        let block = self.link.block(number).await?.filter(|block| block.hash == hash);
        let block = block.ok_or_else(|| Error::Network("the chain changed while it was read; read again".into()))?;
        let ours = block.logs().filter(|(_, _, log)| self.ours().contains(&log.address));
        let time = block.header.timestamp;
        let kept = |(tx, index, log): (B256, u64, &Log)| Kept {
            place: Place { block: number, index, time, tx },
            log: log.clone(),
        };
        Ok(ours.map(kept).collect())
    }
}

fn about(chain: &Chain) -> Vec<u8> {
    let (chain_id, genesis, contracts) = (chain.profile().chain_id, chain.link.genesis(), chain.ours());
    line(&Record::About { chain_id, genesis, contracts }).unwrap_or_default()
}

fn line(record: &Record) -> Result<Vec<u8>> {
    serde_json::to_vec(record).map_err(|error| Error::Invalid(error.to_string()))
}
