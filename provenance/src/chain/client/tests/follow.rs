//! Events read from a checkpoint are those read from nothing, whatever was undone in between.

use alloy::primitives::{B256, U256};
use alloy::providers::Provider;

use super::anvil::Anvil;
use super::liar::{Dice, Fault, Liar};
use super::world::{World, embedded, output};
use super::{Chain, Endpoint, EventFile};
use crate::Error;
use crate::chain::typed::Domain;
use crate::trail::{self, Head, Sources, Trail};

const KEY: [u8; 32] = [7; 32];

/// The trail of everything in `events`.
async fn trail(chain: &Chain, events: &[super::Event]) -> Trail {
    let events: Vec<trail::Event> = events.iter().filter_map(trail::Event::from_chain).collect();
    let mut heads = Vec::new();
    for event in &events {
        if let trail::Fact::Published(version) = &event.fact {
            let head = chain.head(version.dataset.into()).await.unwrap().0;
            heads.push(Head { dataset: version.dataset, head });
        }
    }
    let escrow = Domain { chain_id: chain.profile().chain_id, contract: chain.profile().escrow };
    Trail::build(&Sources { events: &events, receipts: &[], heads: &heads, escrow })
}

/// What `file` holds is what is read from nothing, and what the node says in one answer.
async fn same(chain: &Chain, file: &mut EventFile) {
    chain.follow(file).await.unwrap();
    let kept = file.events(chain).unwrap();
    let mut fresh = EventFile::in_memory();
    chain.follow(&mut fresh).await.unwrap();
    assert_eq!(kept, fresh.events(chain).unwrap());
    assert_eq!(kept, chain.events(0).await.unwrap().0);
    assert_eq!(trail(chain, &kept).await, trail(chain, &fresh.events(chain).unwrap()).await);
}

async fn whole_journey(world: &World) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events");
    let mut file = EventFile::open(&path, &KEY, &world.chain).unwrap();
    same(&world.chain, &mut file).await;
    super::journey::whole_job(world).await;
    same(&world.chain, &mut file).await;
    let events = file.events(&world.chain).unwrap();
    assert!(events.len() >= 9, "{}", events.len());
    drop(file);
    let mut file = EventFile::open(&path, &KEY, &world.chain).unwrap();
    assert_eq!(file.events(&world.chain).unwrap(), events);
    let again = world.chain.follow(&mut file).await.unwrap();
    assert_eq!((again.read, again.undone), (0, 0));
}

#[tokio::test]
async fn events_from_a_checkpoint_are_those_from_nothing_on_the_embedded_chain() {
    whole_journey(&embedded().await).await;
}

#[tokio::test]
async fn events_from_a_checkpoint_are_those_from_nothing_on_anvil() {
    let anvil = Anvil::start();
    whole_journey(&super::world::on(anvil.endpoint()).await).await;
}

#[tokio::test]
async fn undone_events_are_undone_in_the_file() {
    let anvil = Anvil::start();
    let world = super::world::on(anvil.endpoint()).await;
    let license = world.license().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events");
    let mut dice = Dice(7);
    let provider = world.chain.link.provider();
    for round in 0..12u64 {
        let mut file = EventFile::open(&path, &KEY, &world.chain).unwrap();
        let mark: serde_json::Value = provider.raw_request("evm_snapshot".into(), ()).await.unwrap();
        world.chain.announce(&world.owner, B256::repeat_byte(1 + round as u8)).await.unwrap();
        if round % 3 == 0 {
            let job = world.request(license, round).await;
            if let Ok(job) = job {
                world.chain.commit(&world.owner, job, &output()).await.unwrap();
            }
        }
        for _ in 0..dice.below(64) {
            world.chain.pass_block().await.unwrap();
        }
        same(&world.chain, &mut file).await;
        let before = file.events(&world.chain).unwrap().len();
        let back: bool = provider.raw_request("evm_revert".into(), (mark,)).await.unwrap();
        assert!(back);
        for _ in 0..dice.below(80) {
            world.chain.pass_time(3).await.unwrap();
        }
        same(&world.chain, &mut file).await;
        assert!(file.events(&world.chain).unwrap().len() < before);
    }
    assert_eq!(world.chain.claimable(world.owner.address(), world.token()).await.unwrap(), U256::ZERO);
}

#[tokio::test]
async fn long_files_are_shortened_and_say_the_same() {
    let world = embedded().await;
    world.dataset().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events");
    let mut file = EventFile::open(&path, &KEY, &world.chain).unwrap();
    for _ in 0..4 {
        for _ in 0..200 {
            world.chain.pass_block().await.unwrap();
        }
        world.chain.announce(&world.owner, B256::repeat_byte(3)).await.unwrap();
        world.chain.follow(&mut file).await.unwrap();
        drop(file);
        file = EventFile::open(&path, &KEY, &world.chain).unwrap();
        same(&world.chain, &mut file).await;
    }
}

#[tokio::test]
async fn node_that_leaves_logs_out_or_changes_them_is_noticed() {
    let anvil = Anvil::start();
    let world = super::world::on(anvil.endpoint()).await;
    super::journey::whole_job(&world).await;
    let truth = world.chain.events(0).await.unwrap().0;
    let liar = Liar::before(&anvil.url).await;
    let chain = Chain::open(Endpoint::Http(liar.url.clone()), world.chain.profile().clone()).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    for (number, fault) in [Fault::MissingLogs, Fault::FakeReceipt, Fault::NullReceipt].into_iter().enumerate() {
        let mut file = EventFile::open(&folder.path().join(number.to_string()), &KEY, &chain).unwrap();
        liar.lie(1, &[fault], 1);
        let refused = chain.follow(&mut file).await;
        assert!(matches!(refused, Err(Error::Integrity(_))), "{fault:?}: {refused:?}");
        assert!(file.events(&chain).unwrap().is_empty());
        liar.tell_the_truth();
        chain.follow(&mut file).await.unwrap();
        assert_eq!(file.events(&chain).unwrap(), truth);
    }
}

#[tokio::test]
async fn checkpoint_is_sealed_and_opens_with_its_key_alone() {
    let world = embedded().await;
    let dataset = world.dataset().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events");
    let mut file = EventFile::open(&path, &KEY, &world.chain).unwrap();
    world.chain.follow(&mut file).await.unwrap();
    assert!(!file.events(&world.chain).unwrap().is_empty());
    drop(file);
    let kept = std::fs::read(&path).unwrap();
    let (raw, text) = (dataset.0, dataset.to_string());
    assert!(!kept.windows(32).any(|bytes| bytes == raw));
    assert!(!kept.windows(text.len()).any(|bytes| bytes == text.as_bytes()));
    let other = EventFile::open(&path, &[8; 32], &world.chain);
    assert!(matches!(other, Err(Error::Integrity(_))), "{other:?}");
    let mut damaged = kept.clone();
    *damaged.last_mut().unwrap() ^= 1;
    std::fs::write(&path, &damaged).unwrap();
    let refused = EventFile::open(&path, &KEY, &world.chain);
    assert!(matches!(refused, Err(Error::Integrity(_))), "{refused:?}");
}

#[tokio::test]
async fn file_of_another_network_is_begun_anew() {
    let (first, second) = (embedded().await, embedded().await);
    super::journey::whole_job(&first).await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events");
    let mut file = EventFile::open(&path, &KEY, &first.chain).unwrap();
    first.chain.follow(&mut file).await.unwrap();
    drop(file);
    let other = Chain {
        profile: super::Profile { escrow: first.owner.address(), ..second.chain.profile().clone() },
        ..second.chain.clone()
    };
    let file = EventFile::open(&path, &KEY, &other).unwrap();
    assert!(file.events(&other).unwrap().is_empty());
    drop(file);
    assert!(EventFile::open(&path, &KEY, &first.chain).unwrap().events(&first.chain).unwrap().is_empty());
}
