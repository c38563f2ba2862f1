//! The trail: everything that happened to a dataset, rebuilt from chain events and receipts alone.
//!
//! Each edge names the transaction or the receipt that backs it. The contract keeps one hash per dataset, its head, that
//! takes in every settled job in order; the trail recomputes it from the receipts. A settled job whose receipt is not
//! there, is another, or was left out of the events altogether shows as an edge that is marked so.

mod build;
mod events;

pub use events::{Event, Fact, Place, Version};

use crate::chain::typed::Domain;
use crate::receipt::SignedReceipt;
use std::collections::BTreeSet;
use std::fmt;

/// What a trail is built from.
#[derive(Clone, Copy, Debug)]
pub struct Sources<'a> {
    /// What the contracts logged, in any order.
    pub events: &'a [Event],
    /// The receipts at hand.
    pub receipts: &'a [SignedReceipt],
    /// What the contract says each dataset's head is now.
    pub heads: &'a [Head],
    /// The `JobEscrow` and chain that receipts must be for.
    pub escrow: Domain,
}

/// The head of a dataset, as the contract says it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Head {
    /// DatasetId.
    pub dataset: [u8; 32],
    /// `head[dataset]`; zero before the first settled job.
    pub head: [u8; 32],
}

/// What a node stands for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum NodeKind {
    /// A dataset.
    Dataset,
    /// One version of it.
    Version,
    /// An offer under which a license was bought.
    Offer,
    /// A license.
    License,
    /// A job.
    Job,
    /// What a job committed to give.
    Output,
    /// The receipt of a settled job.
    Receipt,
    /// The payment of a settled job.
    Reward,
    /// A withdrawal of rewards.
    Withdrawal,
    /// Something that the chain's head says happened and that is not here.
    Omission,
}

impl NodeKind {
    /// The word for it.
    pub const fn word(self) -> &'static str {
        match self {
            NodeKind::Dataset => "dataset",
            NodeKind::Version => "version",
            NodeKind::Offer => "offer",
            NodeKind::License => "license",
            NodeKind::Job => "job",
            NodeKind::Output => "output",
            NodeKind::Receipt => "receipt",
            NodeKind::Reward => "reward",
            NodeKind::Withdrawal => "withdrawal",
            NodeKind::Omission => "omission",
        }
    }
}

/// One thing on the trail.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Node {
    /// `kind:0x…`, unique on the trail.
    pub id: String,
    /// What it stands for.
    pub kind: NodeKind,
    /// DatasetId it belongs to; `None` for a withdrawal, which can be of several.
    pub dataset: Option<[u8; 32]>,
    /// When it came to be, in seconds since 1970.
    pub time: Option<u64>,
    /// What is known about it: names and values. Later events change values, such as a job's `state`.
    pub facts: Vec<(&'static str, String)>,
}

impl Node {
    /// The value of the fact called `name`.
    pub fn fact(&self, name: &str) -> Option<&str> {
        self.facts.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
    }

    fn set(&mut self, name: &'static str, value: String) {
        match self.facts.iter_mut().find(|(known, _)| *known == name) {
            Some((_, old)) => *old = value,
            None => self.facts.push((name, value)),
        }
    }
}

/// What backs an edge.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Backing {
    /// A transaction: its hash and block number.
    Transaction {
        /// Transaction hash.
        tx: [u8; 32],
        /// Block number.
        block: u64,
    },
    /// A receipt: its struct hash, and the transaction that settled it.
    Receipt {
        /// EIP-712 struct hash of the receipt.
        hash: [u8; 32],
        /// Transaction hash.
        tx: [u8; 32],
    },
    /// The contract's head of the dataset.
    Head([u8; 32]),
}

/// How far an edge can be relied on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Standing {
    /// The chain says so.
    Recorded,
    /// The chain says so, and a receipt signed by the owner says the same.
    Signed,
    /// The chain says that there is a receipt, and it is not at hand.
    Missing,
    /// The head says that something settled that is not among the events.
    Omitted,
    /// A receipt is at hand and contradicts the chain; the reason.
    Refuted(String),
}

impl Standing {
    /// Whether the edge can be relied on as far as it goes.
    pub const fn is_sound(&self) -> bool {
        matches!(self, Standing::Recorded | Standing::Signed)
    }
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Standing::Recorded => f.write_str("recorded"),
            Standing::Signed => f.write_str("signed"),
            Standing::Missing => f.write_str("missing"),
            Standing::Omitted => f.write_str("omitted"),
            Standing::Refuted(why) => write!(f, "refuted: {why}"),
        }
    }
}

/// One step of the trail.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Edge {
    /// [`Node::id`] where it starts.
    pub from: String,
    /// [`Node::id`] where it ends.
    pub to: String,
    /// What happened, as a verb: `published`, `offered`, `bought`, …
    pub verb: &'static str,
    /// What backs it.
    pub backing: Backing,
    /// How far it can be relied on.
    pub standing: Standing,
}

/// Everything that happened, as a graph.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Trail {
    /// In the order in which they came to be.
    pub nodes: Vec<Node>,
    /// In the order in which they happened.
    pub edges: Vec<Edge>,
}

impl Trail {
    /// Builds the trail. It never fails: what does not fit is marked on its edge.
    pub fn build(sources: &Sources<'_>) -> Self {
        build::build(sources)
    }

    /// The part that belongs to one dataset, with the withdrawals of its rewards.
    pub fn of(&self, dataset: &[u8; 32]) -> Self {
        let own = |node: &&Node| node.dataset == Some(*dataset);
        let mut kept: BTreeSet<&str> = self.nodes.iter().filter(own).map(|node| node.id.as_str()).collect();
        let withdrawn: Vec<&str> = self
            .edges
            .iter()
            .filter(|edge| edge.verb == "withdrawn" && kept.contains(edge.from.as_str()))
            .map(|edge| edge.to.as_str())
            .collect();
        kept.extend(withdrawn);
        Self {
            nodes: self.nodes.iter().filter(|node| kept.contains(node.id.as_str())).cloned().collect(),
            edges: self
                .edges
                .iter()
                .filter(|edge| kept.contains(edge.from.as_str()) && kept.contains(edge.to.as_str()))
                .cloned()
                .collect(),
        }
    }

    /// Edges that cannot be relied on: nothing here means that nothing was left out.
    pub fn gaps(&self) -> impl Iterator<Item = &Edge> {
        self.edges.iter().filter(|edge| !edge.standing.is_sound())
    }

    /// The node with this id.
    pub fn node(&self, id: &str) -> Option<&Node> {
        self.nodes.iter().find(|node| node.id == id)
    }
}

#[cfg(test)]
#[path = "trail/tests.rs"]
mod tests;
