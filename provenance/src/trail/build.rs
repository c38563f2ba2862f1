//! Building the trail: one pass over the events in their order, then the heads.

use super::{Backing, Edge, Event, Fact, Node, NodeKind, Place, Sources, Standing, Trail, Version};
use crate::chain::Address;
use crate::ids::next_head;
use crate::receipt::SignedReceipt;
use crate::terms::{Action, Amount};
use std::collections::BTreeMap;

pub(super) fn build(sources: &Sources<'_>) -> Trail {
    let mut events: Vec<&Event> = sources.events.iter().collect();
    events.sort_by_key(|event| event.place);
    events.dedup_by_key(|event| (event.place.block, event.place.index));
    let mut builder = Builder {
        sources,
        trail: Trail::default(),
        index: BTreeMap::new(),
        heads: BTreeMap::new(),
        unpaid: Vec::new(),
    };
    for event in events {
        builder.take(&event.place, &event.fact);
    }
    builder.check_heads();
    builder.trail
}

struct Builder<'a> {
    sources: &'a Sources<'a>,
    trail: Trail,
    /// Place of each node by its id.
    index: BTreeMap<String, usize>,
    /// Head of each dataset as recomputed so far.
    heads: BTreeMap<[u8; 32], [u8; 32]>,
    /// Rewards not withdrawn yet: account, currency, node.
    unpaid: Vec<(Address, Address, String)>,
}

impl Builder<'_> {
    fn take(&mut self, at: &Place, fact: &Fact) {
        match fact {
            Fact::Published(version) => self.published(at, version),
            Fact::StateChanged(version) => {
                self.set(&id(NodeKind::Dataset, &version.dataset), "state", version.state.into());
            }
            Fact::Bought { license, dataset, offer, licensee, runs, price_per_run, expires_at } => {
                let facts = vec![
                    ("licensee", licensee.to_string()),
                    ("state", "active".into()),
                    ("runs", runs.to_string()),
                    ("price per run", price_per_run.decimal()),
                    ("expires at", expires_at.to_string()),
                ];
                let (from, to) = (id(NodeKind::Offer, offer), id(NodeKind::License, license));
                if self.add(NodeKind::Offer, from.clone(), Some(*dataset), at, vec![]) {
                    self.edge(
                        id(NodeKind::Dataset, dataset),
                        from.clone(),
                        "offered",
                        recorded(at),
                        Standing::Recorded,
                    );
                }
                self.add(NodeKind::License, to.clone(), Some(*dataset), at, facts);
                self.edge(from, to, "bought", recorded(at), Standing::Recorded);
            }
            Fact::LicenseEnded { license, by, runs, amount } => {
                let node = id(NodeKind::License, license);
                self.set(&node, "state", (*by).into());
                self.set(&node, "runs returned", runs.to_string());
                self.set(&node, "refunded", amount.decimal());
            }
            Fact::Requested { job, license, dataset, version, action, records, amount, licensee } => {
                let action = Action::from_bit(*action).map_or_else(|_| format!("bits {action:#x}"), |a| a.to_string());
                let facts = vec![
                    ("state", "requested".into()),
                    ("action", action),
                    ("records", records.to_string()),
                    ("amount", amount.decimal()),
                    ("licensee", licensee.to_string()),
                ];
                let to = id(NodeKind::Job, job);
                self.add(NodeKind::Job, to.clone(), Some(*dataset), at, facts);
                self.edge(id(NodeKind::License, license), to.clone(), "requested", recorded(at), Standing::Recorded);
                self.edge(version_id(dataset, *version), to, "used", recorded(at), Standing::Recorded);
            }
            Fact::Committed { job, dataset, output_root, output_digest } => {
                let facts = vec![("output root", hash(output_root)), ("output digest", hash(output_digest))];
                let to = id(NodeKind::Output, job);
                self.set(&id(NodeKind::Job, job), "state", "committed".into());
                self.add(NodeKind::Output, to.clone(), Some(*dataset), at, facts);
                self.edge(id(NodeKind::Job, job), to, "committed", recorded(at), Standing::Recorded);
            }
            Fact::Drawn { job } => self.set(&id(NodeKind::Job, job), "state", "drawn".into()),
            Fact::Accepted { job } => self.set(&id(NodeKind::Job, job), "state", "accepted".into()),
            Fact::Settled { job, dataset, owner, currency, amount, receipt, head } => {
                self.settled(
                    at,
                    &Settled { job, dataset, owner: *owner, currency: *currency, amount: *amount, receipt, head },
                );
            }
            Fact::Refunded { job, amount, reason } => {
                let node = id(NodeKind::Job, job);
                self.set(&node, "state", "refunded".into());
                self.set(&node, "refunded", amount.decimal());
                self.set(&node, "reason", (*reason).into());
            }
            Fact::Acknowledged { job, receipt } => {
                self.set(&id(NodeKind::Job, job), "state", "delivered".into());
                self.set(&id(NodeKind::Receipt, receipt), "acknowledged", "yes".into());
            }
            Fact::Withdrawn { account, currency, to, amount } => self.withdrawn(at, *account, *currency, *to, *amount),
        }
    }

    fn published(&mut self, at: &Place, version: &Version) {
        let dataset = id(NodeKind::Dataset, &version.dataset);
        let facts = vec![("owner", version.owner.to_string()), ("state", version.state.into())];
        self.add(NodeKind::Dataset, dataset.clone(), Some(version.dataset), at, facts);
        let facts = vec![
            ("version", version.number.to_string()),
            ("records", version.records.to_string()),
            ("root", hash(&version.root)),
            ("manifest", hash(&version.manifest)),
        ];
        let to = version_id(&version.dataset, version.number);
        self.add(NodeKind::Version, to.clone(), Some(version.dataset), at, facts);
        self.edge(dataset, to, "published", recorded(at), Standing::Recorded);
    }

    fn settled(&mut self, at: &Place, settled: &Settled<'_>) {
        let (receipt, reward) = (id(NodeKind::Receipt, settled.receipt), id(NodeKind::Reward, settled.job));
        self.set(&id(NodeKind::Job, settled.job), "state", "settled".into());
        let before = self.heads.get(settled.dataset).copied().unwrap_or_default();
        let after = next_head(&before, settled.job, settled.receipt);
        self.heads.insert(*settled.dataset, after);
        let at_hand = self.sources.receipts.iter().find(|signed| signed.receipt.job == *settled.job);
        let standing = self.judge(at_hand, settled, after);
        let acknowledged = at_hand.is_some_and(|signed| signed.acknowledgement.is_some());
        let facts =
            vec![("hash", hash(settled.receipt)), ("acknowledged", if acknowledged { "yes" } else { "no" }.into())];
        self.add(NodeKind::Receipt, receipt.clone(), Some(*settled.dataset), at, facts);
        let backing = Backing::Receipt { hash: *settled.receipt, tx: at.tx };
        self.edge(id(NodeKind::Output, settled.job), receipt.clone(), "settled", backing, standing.clone());
        let facts = vec![
            ("amount", settled.amount.decimal()),
            ("currency", settled.currency.to_string()),
            ("to", settled.owner.to_string()),
            ("state", "claimable".into()),
        ];
        self.add(NodeKind::Reward, reward.clone(), Some(*settled.dataset), at, facts);
        self.edge(receipt, reward.clone(), "paid", backing, standing);
        self.unpaid.push((settled.owner, settled.currency, reward));
    }

    /// Compares the receipt at hand with what was settled.
    fn judge(&self, at_hand: Option<&SignedReceipt>, settled: &Settled<'_>, head: [u8; 32]) -> Standing {
        if head != *settled.head {
            return Standing::Refuted("the head that the contract logged does not follow from the jobs before".into());
        }
        let Some(signed) = at_hand else { return Standing::Missing };
        if signed.receipt.hash() != *settled.receipt {
            return Standing::Refuted("the receipt is not the one that was settled".into());
        }
        match signed.verify(settled.owner, &self.sources.escrow) {
            Ok(()) => Standing::Signed,
            Err(error) => Standing::Refuted(error.to_string()),
        }
    }

    fn withdrawn(&mut self, at: &Place, account: Address, currency: Address, to: Address, amount: Amount) {
        let node = format!("withdrawal:{}:{}", at.block, at.index);
        let facts = vec![
            ("amount", amount.decimal()),
            ("currency", currency.to_string()),
            ("account", account.to_string()),
            ("to", to.to_string()),
        ];
        self.add(NodeKind::Withdrawal, node.clone(), None, at, facts);
        let (paid, unpaid) = std::mem::take(&mut self.unpaid)
            .into_iter()
            .partition(|(owner, coin, _)| *owner == account && *coin == currency);
        self.unpaid = unpaid;
        for (_, _, reward) in paid as Vec<(Address, Address, String)> {
            self.set(&reward, "state", "claimed".into());
            self.edge(reward, node.clone(), "withdrawn", recorded(at), Standing::Recorded);
        }
    }

    /// Where the contract's head is not the one recomputed, something is not here.
    fn check_heads(&mut self) {
        let heads: Vec<_> = self.sources.heads.to_vec();
        for said in heads {
            let found = self.heads.get(&said.dataset).copied().unwrap_or_default();
            if found == said.head {
                continue;
            }
            let node = id(NodeKind::Omission, &said.dataset);
            let facts = vec![("head by the contract", hash(&said.head)), ("head by the receipts", hash(&found))];
            let at =
                self.trail.nodes.iter().rfind(|node| node.dataset == Some(said.dataset)).and_then(|node| node.time);
            self.push(Node {
                id: node.clone(),
                kind: NodeKind::Omission,
                dataset: Some(said.dataset),
                time: at,
                facts,
            });
            let from = id(NodeKind::Dataset, &said.dataset);
            self.edge(from, node, "omitted", Backing::Head(said.head), Standing::Omitted);
        }
    }

    /// Adds a node unless it is there; says whether it was added.
    fn add(
        &mut self,
        kind: NodeKind,
        id: String,
        dataset: Option<[u8; 32]>,
        at: &Place,
        facts: Vec<(&'static str, String)>,
    ) -> bool {
        if self.index.contains_key(&id) {
            return false;
        }
        self.push(Node { id, kind, dataset, time: Some(at.time), facts });
        true
    }

    fn push(&mut self, node: Node) {
        self.index.insert(node.id.clone(), self.trail.nodes.len());
        self.trail.nodes.push(node);
    }

    fn set(&mut self, id: &str, name: &'static str, value: String) {
        if let Some(index) = self.index.get(id) {
            self.trail.nodes[*index].set(name, value);
        }
    }

    fn edge(&mut self, from: String, to: String, verb: &'static str, backing: Backing, standing: Standing) {
        self.trail.edges.push(Edge { from, to, verb, backing, standing });
    }
}

/// The parts of a settlement.
struct Settled<'a> {
    job: &'a [u8; 32],
    dataset: &'a [u8; 32],
    owner: Address,
    currency: Address,
    amount: Amount,
    receipt: &'a [u8; 32],
    head: &'a [u8; 32],
}

fn id(kind: NodeKind, id: &[u8; 32]) -> String {
    format!("{}:{}", kind.word(), hash(id))
}

fn version_id(dataset: &[u8; 32], number: u32) -> String {
    format!("version:{}:{number}", hash(dataset))
}

fn hash(bytes: &[u8; 32]) -> String {
    format!("0x{}", hex::encode(bytes))
}

fn recorded(at: &Place) -> Backing {
    Backing::Transaction { tx: at.tx, block: at.block }
}
