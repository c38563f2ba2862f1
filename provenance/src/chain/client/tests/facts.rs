//! A settled job's facts: true ones are accepted, each altered part is not.

use alloy::primitives::{Address, B256, Bytes, U256};

use super::Endpoint;
use super::anvil::Anvil;
use super::world::{K, World, embedded, on};
use crate::bundle::{ChainFacts, LoggedEvent};
use crate::chain::confirm;
use crate::chain::devnet::Devnet;
use crate::chain::facts::{JobFacts, LogFact};
use crate::{Error, Result};

async fn settled(world: &World) -> JobFacts {
    let job = world.accepted().await;
    world.settle(job).await.unwrap();
    world.chain.job_facts(job).await.unwrap()
}

fn refused<T: std::fmt::Debug>(result: Result<T>) {
    assert!(matches!(result, Err(Error::Integrity(_))), "{result:?}");
}

#[tokio::test]
async fn facts_of_a_settled_job_are_checked_without_a_network() {
    let folder = tempfile::tempdir().unwrap();
    let endpoint = Endpoint::Embedded(Devnet::open(folder.path()).unwrap());
    let world = on(endpoint.clone()).await;
    let facts = settled(&world).await;
    let told = facts.check().unwrap();
    let record = world.chain.job(facts.job).await.unwrap();
    assert_eq!(told.details, record.details);
    assert_eq!(Some(&told.commitment), record.commitment.as_ref());
    assert_eq!((told.k, told.head), (B256::from(K), record.settled.unwrap().head));
    assert_eq!(told.blocks[3].number, record.settled.unwrap().place.block);
    assert_eq!(confirm::facts(endpoint, &facts).await.unwrap(), told);
    let text = serde_json::to_string(&facts).unwrap();
    assert_eq!(serde_json::from_str::<JobFacts>(&text).unwrap(), facts);
    let packed = serde_ipld_dagcbor::to_vec(&facts).unwrap();
    assert_eq!(serde_ipld_dagcbor::from_slice::<JobFacts>(&packed).unwrap(), facts);
    assert!(packed.len() < 16_384, "{}", packed.len());
}

#[tokio::test]
async fn facts_from_anvil_are_proved_too() {
    let anvil = Anvil::start();
    let facts = settled(&on(anvil.endpoint()).await).await;
    confirm::facts(anvil.endpoint(), &facts).await.unwrap();
}

#[tokio::test]
async fn unsettled_job_has_no_facts() {
    let world = embedded().await;
    let job = world.accepted().await;
    assert!(matches!(world.chain.job_facts(job).await, Err(Error::Refused(_))));
    assert!(matches!(world.chain.job_facts(B256::ZERO).await, Err(Error::NotFound(_))));
}

fn flipped(bytes: &Bytes, at: usize) -> Bytes {
    let mut bytes = bytes.to_vec();
    let at = at % bytes.len();
    bytes[at] ^= 1;
    bytes.into()
}

#[tokio::test]
async fn altered_facts_are_refused() {
    let good = settled(&embedded().await).await;
    good.check().unwrap();
    for at in (0..1200).step_by(37) {
        let fact = &good.settled;
        refused(LogFact { receipt: flipped(&fact.receipt, at), ..fact.clone() }.check());
        refused(LogFact { nodes: vec![flipped(&fact.nodes[0], at)], ..fact.clone() }.check());
        // Another header is another block: it fits nothing, or nobody knows its hash.
        let header = JobFacts {
            committed: LogFact { header: flipped(&good.committed.header, at), ..good.committed.clone() },
            ..good.clone()
        };
        refused(header.check());
    }
    let other = |change: &dyn Fn(&mut JobFacts)| {
        let mut facts = good.clone();
        change(&mut facts);
        refused(facts.check());
    };
    other(&|facts| facts.escrow = Address::repeat_byte(1));
    other(&|facts| facts.job = B256::repeat_byte(1));
    other(&|facts| facts.drawn = facts.settled.clone());
    other(&|facts| facts.settled = facts.drawn.clone());
    other(&|facts| facts.settled.log += 1);
    other(&|facts| facts.settled.position += 1);
    other(&|facts| facts.settled.nodes.clear());
    other(&|facts| facts.settled.nodes = vec![facts.settled.nodes[0].clone(); 100]);
    other(&|facts| facts.settled.receipt = Bytes::new());
    other(&|facts| facts.settled.header = Bytes::new());
    other(&|facts| facts.settled.header = [facts.settled.header.as_ref(), &[0]].concat().into());
}

#[tokio::test]
async fn facts_of_another_jobs_events_are_refused() {
    let world = embedded().await;
    let license = world.license().await;
    let mut all = Vec::new();
    for nonce in [1, 2] {
        let job = world.request(license, nonce).await.unwrap();
        world.chain.commit(&world.owner, job, &super::world::output()).await.unwrap();
        world.chain.draw(&world.owner, job).await.unwrap();
        world.chain.accept(&world.licensee, job).await.unwrap();
        world.settle(job).await.unwrap();
        all.push(world.chain.job_facts(job).await.unwrap());
    }
    let (one, two) = (&all[0], &all[1]);
    refused(JobFacts { requested: two.requested.clone(), ..one.clone() }.check());
    refused(JobFacts { committed: two.committed.clone(), ..one.clone() }.check());
    refused(JobFacts { drawn: two.drawn.clone(), ..one.clone() }.check());
    refused(JobFacts { settled: two.settled.clone(), ..one.clone() }.check());
    assert_ne!(one.check().unwrap().head, two.check().unwrap().head);
    assert_eq!(one.check().unwrap().amount, U256::from(super::world::TOKEN) * U256::from(5) / U256::from(2));
}

#[tokio::test]
async fn blocks_of_another_chain_are_not_confirmed() {
    let facts = settled(&embedded().await).await;
    let folder = tempfile::tempdir().unwrap();
    let endpoint = Endpoint::Embedded(Devnet::open(folder.path()).unwrap());
    refused(confirm::facts(endpoint.clone(), &facts).await);
    let elsewhere = JobFacts { chain_id: 1, ..facts };
    assert!(matches!(confirm::facts(endpoint, &elsewhere).await, Err(Error::WrongNetwork(_))));
}

/// What a bundle says about this job.
async fn said(world: &World, job: B256) -> ChainFacts {
    let record = world.chain.job(job).await.unwrap();
    let (committed, settled) = (record.committed.unwrap(), record.settled.unwrap());
    let profile = world.chain.profile();
    ChainFacts {
        chain_id: profile.chain_id,
        datasets: profile.datasets,
        licenses: profile.licenses,
        escrow: profile.escrow,
        key_hash: record.commitment.as_ref().unwrap().output.keyHash.0,
        commit_block: committed.block,
        commit_block_hash: world.chain.block_hash(committed.block).await.unwrap().0,
        settle_tx: settled.place.tx.0,
        settle_block: settled.place.block,
        settle_block_hash: world.chain.block_hash(settled.place.block).await.unwrap().0,
        settled: world.chain.settled_event(&record).await.unwrap(),
        proofs: world.chain.job_facts(job).await.unwrap(),
    }
}

#[tokio::test]
async fn what_a_bundle_says_is_confirmed_or_denied() {
    let folder = tempfile::tempdir().unwrap();
    let endpoint = Endpoint::Embedded(Devnet::open(folder.path()).unwrap());
    let world = on(endpoint.clone()).await;
    let job = world.accepted().await;
    world.settle(job).await.unwrap();
    let good = said(&world, job).await;
    confirm::bundle(endpoint.clone(), &good).await.unwrap();
    let other = |change: &dyn Fn(&mut ChainFacts)| {
        let mut facts = good.clone();
        change(&mut facts);
        facts
    };
    for facts in [
        other(&|facts| facts.commit_block_hash[0] ^= 1),
        other(&|facts| facts.commit_block += 1),
        other(&|facts| facts.settle_block_hash[0] ^= 1),
        other(&|facts| facts.settle_block += 1_000_000),
        other(&|facts| facts.settle_tx[0] ^= 1),
        other(&|facts| facts.escrow = facts.licenses),
        other(&|facts| facts.settled.topics[1][0] ^= 1),
        other(&|facts| facts.settled.data[31] ^= 1),
        other(&|facts| facts.settled = LoggedEvent { topics: Vec::new(), data: Vec::new() }),
    ] {
        refused(confirm::bundle(endpoint.clone(), &facts).await);
    }
    let elsewhere = other(&|facts| facts.chain_id = 1);
    assert!(matches!(confirm::bundle(endpoint, &elsewhere).await, Err(Error::WrongNetwork(_))));
}

fn elsewhere<T: std::fmt::Debug>(result: Result<T>) {
    assert!(matches!(result, Err(Error::WrongNetwork(_))), "{result:?}");
}

#[tokio::test]
async fn bundle_about_other_contracts_is_not_confirmed_on_a_network() {
    let folder = tempfile::tempdir().unwrap();
    let endpoint = Endpoint::Embedded(Devnet::open(folder.path()).unwrap());
    let world = on(endpoint.clone()).await;
    // The same contracts with the same code a second time, by somebody who chose the verifiers' keys.
    let others = on(endpoint.clone()).await;
    assert_ne!(world.chain.profile().escrow, others.chain.profile().escrow);
    let job = others.accepted().await;
    others.settle(job).await.unwrap();
    let good = said(&others, job).await;
    confirm::bundle(endpoint, &good).await.unwrap();
    confirm::bundle_with(&others.chain, &good).await.unwrap();
    elsewhere(confirm::bundle_with(&world.chain, &good).await);
    let profile = world.chain.profile();
    let named = [
        ChainFacts { escrow: profile.escrow, ..good.clone() },
        ChainFacts { licenses: profile.licenses, ..good.clone() },
        ChainFacts { datasets: profile.datasets, ..good.clone() },
        ChainFacts { chain_id: 1, ..good.clone() },
    ];
    for facts in &named {
        elsewhere(confirm::bundle_with(&others.chain, facts).await);
    }
    // All of ours are named, but none of them logged it.
    let ours = ChainFacts { licenses: profile.licenses, datasets: profile.datasets, ..named[0].clone() };
    refused(confirm::bundle_with(&world.chain, &ours).await);
    refused(confirm::bundle_with(&others.chain, &ChainFacts { settle_block: good.settle_block + 1, ..good }).await);
}

#[tokio::test]
async fn bundle_is_confirmed_by_the_code_at_the_profiles_contracts() {
    let anvil = Anvil::start();
    let world = on(anvil.endpoint()).await;
    let job = world.accepted().await;
    world.settle(job).await.unwrap();
    let good = said(&world, job).await;
    let mut profile = world.chain.profile().clone();
    profile.url = anvil.url.clone();
    confirm::bundle_on(&profile, &good).await.unwrap();
    refused(confirm::bundle_on(&profile, &ChainFacts { settle_tx: [7; 32], ..good.clone() }).await);
    elsewhere(confirm::bundle_on(&profile, &ChainFacts { escrow: good.licenses, ..good.clone() }).await);
    profile.code_hashes.insert(profile.escrow, B256::repeat_byte(1));
    elsewhere(confirm::bundle_on(&profile, &good).await);
}

#[tokio::test]
async fn proof_and_nonces_are_read_back_from_the_transactions() {
    let world = embedded().await;
    let job = world.accepted().await;
    let before = world.chain.job(job).await.unwrap();
    assert!(matches!(world.chain.settling_proof(&before).await, Err(Error::Refused(_))));
    assert!(matches!(world.chain.settled_event(&before).await, Err(Error::Refused(_))));
    let proof = super::trapdoor::proof(&world.chain, world.inputs(job).await).await;
    world.chain.settle(&world.owner, job, &proof, K).await.unwrap();
    let record = world.chain.job(job).await.unwrap();
    assert_eq!(world.chain.settling_proof(&record).await.unwrap(), proof);
    assert_eq!(world.chain.job_nonce(&record).await.unwrap(), Some(U256::from(1)));
    let license = world.chain.license(record.details.license).await.unwrap();
    assert_eq!(world.chain.license_nonce(&license).await.unwrap(), Some(U256::from(9)));
    assert_eq!(world.chain.settled_event(&record).await.unwrap().topics[1], job.0);
    let mut other = record.clone();
    other.id = B256::ZERO;
    refused(world.chain.settling_proof(&other).await);
    refused(world.chain.settled_event(&other).await);
}
