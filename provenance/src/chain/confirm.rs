//! Asks a node whether what somebody says about its chain is so.

use alloy::primitives::{B256, Log};
use alloy::providers::Provider;

use super::client::{Chain, Endpoint, Link, Profile, transport_error};
use super::facts::{JobFacts, SettledJob};
use crate::bundle::ChainFacts;
use crate::{Error, Result};

/// Whether the blocks that a job's proved facts rest on are in the node's chain. The facts are checked first.
///
/// # Errors
/// [`Error::Integrity`] when they are not; [`Error::WrongNetwork`] when it is another chain; [`Error::Network`].
pub async fn facts(endpoint: Endpoint, facts: &JobFacts) -> Result<SettledJob> {
    let settled = facts.check()?;
    let link = open(endpoint, facts.chain_id).await?;
    for block in &settled.blocks {
        check_block(&link, block.number, block.hash).await?;
    }
    Ok(settled)
}

/// Whether all blocks that a bundle's events were proved to are in the node's chain, and the settling transaction logged what
/// the bundle says, at the contract that the bundle names. Whether that contract is one of ours is not known then: anybody
/// can deploy one that logs the same. Where the network is known, ask [`bundle_on`].
///
/// # Errors
/// As [`facts`].
pub async fn bundle(endpoint: Endpoint, said: &ChainFacts) -> Result<()> {
    check_bundle(&open(endpoint, said.chain_id).await?, said).await
}

/// Whether a bundle's contracts are those of `profile`, their code is the one it knows, and what [`bundle`] asks holds.
///
/// # Errors
/// [`Error::WrongNetwork`] when the bundle is about another chain or other contracts, or the node runs others; else as
/// [`facts`].
pub async fn bundle_on(profile: &Profile, said: &ChainFacts) -> Result<()> {
    check_contracts(profile, said)?;
    bundle_with(&Chain::connect(profile.clone()).await?, said).await
}

/// As [`bundle_on`] over a connection that is open already.
///
/// # Errors
/// As [`bundle_on`].
pub async fn bundle_with(chain: &Chain, said: &ChainFacts) -> Result<()> {
    check_contracts(chain.profile(), said)?;
    check_bundle(chain.link(), said).await
}

fn check_contracts(profile: &Profile, said: &ChainFacts) -> Result<()> {
    let elsewhere = |what: String| Err(Error::WrongNetwork(format!("the bundle is about {what}")));
    if said.chain_id != profile.chain_id {
        return elsewhere(format!(
            "chain {}, the network {} is chain {}",
            said.chain_id, profile.name, profile.chain_id
        ));
    }
    let contracts = [
        ("JobEscrow", said.escrow, profile.escrow),
        ("LicenseRegistry", said.licenses, profile.licenses),
        ("DatasetRegistry", said.datasets, profile.datasets),
    ];
    match contracts.into_iter().find(|(_, said, ours)| said != ours) {
        Some((name, said, ours)) => {
            elsewhere(format!("the {name} at {said}, the one of the network {} is at {ours}", profile.name))
        }
        None => Ok(()),
    }
}

async fn check_bundle(link: &Link, said: &ChainFacts) -> Result<()> {
    for block in said.proofs.check()?.blocks {
        check_block(link, block.number, block.hash).await?;
    }
    check_block(link, said.commit_block, said.commit_block_hash.into()).await?;
    check_block(link, said.settle_block, said.settle_block_hash.into()).await?;
    let hash = B256::from(said.settle_tx);
    let receipt = link.provider().get_transaction_receipt(hash).await.map_err(transport_error)?;
    let receipt = receipt.ok_or_else(|| denied(format!("transaction {hash} is not in the node's chain")))?;
    if receipt.block_hash != Some(said.settle_block_hash.into()) || !receipt.status() {
        return Err(denied(format!("transaction {hash} is in another block, or failed")));
    }
    if !receipt.logs().iter().any(|log| is_said(&log.inner, said)) {
        return Err(denied(format!("transaction {hash} logged something else")));
    }
    Ok(())
}

fn is_said(log: &Log, said: &ChainFacts) -> bool {
    let topics = log.topics().iter().map(|topic| topic.0);
    log.address == said.escrow && topics.eq(said.settled.topics.iter().copied()) && log.data.data == said.settled.data
}

async fn open(endpoint: Endpoint, chain_id: u64) -> Result<Link> {
    let link = Link::open(endpoint).await?;
    if link.chain_id() == chain_id {
        return Ok(link);
    }
    Err(Error::WrongNetwork(format!("the node runs chain {}, the facts are of chain {chain_id}", link.chain_id())))
}

async fn check_block(link: &Link, number: u64, hash: B256) -> Result<()> {
    let found = link.provider().get_block_by_number(number.into()).await.map_err(transport_error)?;
    if found.map(|found| found.header.hash) == Some(hash) {
        return Ok(());
    }
    Err(denied(format!("block {number} of the node's chain is another one")))
}

fn denied(what: String) -> Error {
    Error::Integrity(format!("the node denies it: {what}"))
}
