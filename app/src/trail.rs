//! The trail: everything that happened to a dataset, rebuilt from chain events and the receipts in this vault alone.

use std::collections::BTreeSet;

use provenance::chain::B256;
use provenance::receipt::SignedReceipt;
use provenance::trail::{Backing, Event, Head, Node, NodeKind, Sources, Trail};

use crate::error::Result;
use crate::home::{Home, Kind};
use crate::job::run::receipts_domain;
use crate::network::Network;
use crate::{dataset, ids, view};

/// Hex digits of an id that a label shows.
const SHORT: usize = 10;

/// The trail of one dataset (a name in this vault, or an id), or of all that this person owns or licensed.
///
/// # Errors
/// `NotFound` for an unknown name; `Network`; `Integrity` where a stored receipt cannot be read.
pub async fn show(home: &Home, network: &Network, wanted: Option<&str>) -> Result<view::Trail> {
    let datasets = datasets(home, network, wanted).await?;
    let events: Vec<Event> = network.chain.events(0).await?.0.iter().filter_map(Event::from_chain).collect();
    let mut receipts = Vec::new();
    for name in home.names(Kind::Receipt)? {
        if let Some(bytes) = home.find_bytes(Kind::Receipt, &name)? {
            receipts.push(SignedReceipt::from_bytes(&bytes)?);
        }
    }
    let mut heads = Vec::new();
    for id in &datasets {
        heads.push(Head { dataset: id.0, head: network.chain.head(*id).await?.0 });
    }
    let sources = Sources { events: &events, receipts: &receipts, heads: &heads, escrow: receipts_domain(network) };
    let whole = Trail::build(&sources);
    let mut view = view::Trail { nodes: vec![], edges: vec![] };
    for id in &datasets {
        add(&mut view, &whole.of(&id.0));
    }
    Ok(view)
}

async fn datasets(home: &Home, network: &Network, wanted: Option<&str>) -> Result<BTreeSet<B256>> {
    if let Some(wanted) = wanted {
        return Ok(BTreeSet::from([named(home, network, wanted)?]));
    }
    let me = home.person.address();
    let mut found: BTreeSet<B256> = network.chain.datasets_of(me).await?.into_iter().collect();
    found.extend(network.chain.licenses_of(me).await?.iter().map(|license| license.terms.dataset));
    Ok(found)
}

fn named(home: &Home, network: &Network, wanted: &str) -> Result<B256> {
    match ids::id(wanted, "dataset") {
        Ok(id) => Ok(id),
        Err(_) => Ok(dataset::find(home, wanted)?.published_on(network)?.id.into()),
    }
}

fn add(view: &mut view::Trail, part: &Trail) {
    for node in &part.nodes {
        if view.nodes.iter().all(|known| known.id != node.id) {
            view.nodes.push(view::TrailNode {
                id: node.id.clone(),
                kind: node.kind.word().to_owned(),
                label: label(node),
            });
        }
    }
    for edge in &part.edges {
        view.edges.push(view::TrailEdge {
            from: edge.from.clone(),
            to: edge.to.clone(),
            kind: edge.verb.to_owned(),
            backed_by: match edge.backing {
                Backing::Transaction { tx, block } => {
                    format!("transaction {} in block {block}", short(&hex::encode(tx)))
                }
                Backing::Receipt { hash, .. } => format!("receipt {}", short(&hex::encode(hash))),
                Backing::Head(head) => format!("the dataset's head {}", short(&hex::encode(head))),
            },
            standing: edge.standing.to_string(),
            verified: edge.standing.is_sound(),
        });
    }
}

fn label(node: &Node) -> String {
    let id = node.id.split_once(":0x").map_or(node.id.as_str(), |(_, id)| id);
    if let Some(amount) = node.fact("amount").filter(|_| node.kind == NodeKind::Withdrawal) {
        return format!("of {amount}");
    }
    match node.fact("state") {
        Some(state) => format!("{} ({state})", short(id)),
        None => short(id),
    }
}

fn short(id: &str) -> String {
    id.chars().take(SHORT).collect()
}
