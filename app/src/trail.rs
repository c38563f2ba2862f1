//! The trail: everything that happened to a dataset, rebuilt from chain events and the receipts in this vault alone. Events
//! are read on from where the last reading ended, and those that a reorganization undid are undone.

use std::collections::BTreeSet;

use provenance::chain::B256;
use provenance::receipt::SignedReceipt;
use provenance::trail::{Backing, Edge, Event, Head, Node, NodeKind, Sources, Trail};

use crate::error::Result;
use crate::home::{Home, Kind};
use crate::job::run::receipts_domain;
use crate::job::template::Template;
use crate::network::Network;
use crate::{dataset, ids, time, view};

/// Hex digits of an id that a label shows.
const SHORT: usize = 10;

/// The trail of one dataset (a name in this vault, or an id), or of all that this person owns or licensed.
///
/// # Errors
/// `NotFound` for an unknown name; `Network`; `Integrity` where a stored receipt cannot be read, or the node's blocks do not
/// fit together.
pub async fn show(home: &Home, network: &Network, wanted: Option<&str>) -> Result<view::Trail> {
    let datasets = datasets(home, network, wanted).await?;
    let mut file = home.events(&network.chain)?;
    network.chain.follow(&mut file).await?;
    let events: Vec<Event> = file.events(&network.chain)?.iter().filter_map(Event::from_chain).collect();
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
                dataset_id: node.dataset.map(ids::shown),
                time: node.time.map(|time| time::rfc3339(time as i64)),
                facts: node.facts.iter().map(|(name, value)| fact(name, value)).collect(),
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
            job_id: job_of(edge),
        });
    }
}

fn fact(name: &str, value: &str) -> view::Fact {
    view::Fact { name: name.to_owned(), value: value.to_owned() }
}

/// The job of an edge that a receipt backs: both ends of it are named after the job.
fn job_of(edge: &Edge) -> Option<String> {
    let backed = matches!(edge.backing, Backing::Receipt { .. });
    let ends = [&edge.to, &edge.from];
    let id = ends.iter().find_map(|end| {
        ["job:0x", "output:0x", "receipt:0x", "reward:0x"].iter().find_map(|kind| end.strip_prefix(kind))
    });
    id.filter(|_| backed).map(str::to_owned)
}

/// The part of the trail that `filter` asks for.
///
/// # Errors
/// Like [`show`]; `Usage` for a day or an address that is none.
pub async fn filtered(home: &Home, network: &Network, filter: &view::TrailFilter) -> Result<view::Trail> {
    let consumer = filter.consumer.as_deref().map(ids::address).transpose()?.map(|address| address.to_string());
    let day = |text: &Option<String>| text.as_deref().map(time::day).transpose();
    let (from, to) = (day(&filter.from)?.map(time::rfc3339), day(&filter.to)?.map(time::rfc3339));
    let whole = show(home, network, filter.dataset.as_deref()).await?;
    Ok(part(whole, consumer.as_deref(), from.as_deref(), to.as_deref()))
}

/// Leaves out what belongs to another consumer's licenses, and what happened outside the time.
fn part(whole: view::Trail, consumer: Option<&str>, from: Option<&str>, to: Option<&str>) -> view::Trail {
    let fact =
        |node: &view::TrailNode, name: &str| node.facts.iter().find(|fact| fact.name == name).map(|f| f.value.clone());
    let mut dropped: BTreeSet<String> = BTreeSet::new();
    if let Some(consumer) = consumer {
        let other = |node: &&view::TrailNode| fact(node, "licensee").is_some_and(|licensee| licensee != consumer);
        dropped.extend(whole.nodes.iter().filter(other).map(|node| node.id.clone()));
        // What came only out of what was left out goes with it; edges are in the order in which things happened.
        for node in &whole.nodes {
            let mut into = whole.edges.iter().filter(|edge| edge.to == node.id && edge.from != node.id).peekable();
            if into.peek().is_some()
                && into.any(|edge| dropped.contains(&edge.from))
                && fact(node, "licensee").is_none()
            {
                dropped.insert(node.id.clone());
            }
        }
    }
    let time = |id: &str| whole.nodes.iter().find(|node| node.id == id).and_then(|node| node.time.clone());
    let within = |edge: &view::TrailEdge| {
        let Some(at) = time(&edge.to) else { return from.is_none() && to.is_none() };
        from.is_none_or(|from| at.as_str() >= from) && to.is_none_or(|to| at.as_str() < to)
    };
    let kept = |edge: &&view::TrailEdge| !dropped.contains(&edge.from) && !dropped.contains(&edge.to) && within(edge);
    let edges: Vec<view::TrailEdge> = whole.edges.iter().filter(kept).cloned().collect();
    let unfiltered = consumer.is_none() && from.is_none() && to.is_none();
    let ends: BTreeSet<&str> = edges.iter().flat_map(|edge| [edge.from.as_str(), edge.to.as_str()]).collect();
    let nodes = whole.nodes.iter().filter(|node| unfiltered || ends.contains(node.id.as_str())).cloned().collect();
    view::Trail { nodes, edges }
}

/// The receipt of a settled job, and every check that a bundle of it makes.
///
/// # Errors
/// `Refused` before the job is settled; `Integrity` where something stored is not what the chain says.
pub async fn receipt(home: &Home, network: &Network, job: &str) -> Result<view::ReceiptShown> {
    let bundle = crate::bundle::assemble(home, network, job).await?;
    let said = &bundle.receipt.receipt;
    let facts = vec![
        fact("license", &ids::shown(said.license)),
        fact("dataset", &ids::shown(said.dataset)),
        fact("version", &said.version.to_string()),
        fact("root", &ids::shown(said.root)),
        fact("action", said.action.name()),
        fact("records", &said.records.to_string()),
        fact("output root", &ids::shown(said.output_root)),
        fact("output digest", &ids::shown(said.output_digest)),
        fact("amount", &said.amount.show(network.symbol())),
        fact("settled in block", &bundle.chain.settle_block.to_string()),
        fact("transaction", &ids::shown(bundle.chain.settle_tx)),
    ];
    let verified = crate::bundle::verified(&bundle);
    Ok(view::ReceiptShown {
        job_id: job.to_owned(),
        facts,
        valid: verified.valid,
        says: verified.says,
        checks: verified.checks,
    })
}

fn label(node: &Node) -> String {
    let id = node.id.split_once(":0x").map_or(node.id.as_str(), |(_, id)| id);
    if let Some(amount) = node.fact("amount").filter(|_| node.kind == NodeKind::Withdrawal) {
        return format!("of {amount}");
    }
    let template = node.fact("action").and_then(|action| action.parse().ok()).and_then(Template::of);
    match (node.fact("state"), template) {
        (Some(state), Some(template)) => format!("{} {template}, {} ({state})", short(id), template.says().word()),
        (Some(state), None) => format!("{} ({state})", short(id)),
        (None, _) => short(id),
    }
}

fn short(id: &str) -> String {
    id.chars().take(SHORT).collect()
}
