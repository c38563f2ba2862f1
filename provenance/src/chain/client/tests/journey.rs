//! From registering a dataset to the withdrawn reward, and every other way a job or license ends.

use alloy::primitives::{B256, U256};
use alloy::sol_types::SolValue;

use super::world::{EMBED, HOUR, K, TOKEN, World, embedded, output, registration};
use super::{Chain, Endpoint, Fact};
use crate::chain::bindings::{DatasetState, JobState, LicenseState, RefundReason};
use crate::chain::devnet::{Devnet, Server, ServerOptions};
use crate::chain::typed::{self, Typed};
use crate::chain::{Address, keccak256};

const PRICE: u128 = TOKEN * 5 / 2;

#[tokio::test]
async fn dataset_registered_is_rebuilt_from_its_events() {
    let world = embedded().await;
    let (chain, owner) = (&world.chain, world.owner.address());
    let (id, sent) = chain.register(&world.owner, &registration()).await.unwrap();
    assert_eq!(id, Chain::dataset_id(owner, registration().manifest));
    assert!(sent.gas_used < 60_000, "{}", sent.gas_used);
    let dataset = chain.dataset(id).await.unwrap();
    assert_eq!((dataset.owner, dataset.version, dataset.count, dataset.state), (owner, 1, 100, DatasetState::Active));
    let newer = super::Registration { manifest: B256::repeat_byte(0x12), count: 200, ..registration() };
    assert_eq!(chain.publish_version(&world.owner, id, &newer).await.unwrap().0, 2);
    chain.set_state(&world.owner, id, DatasetState::EndOfLife).await.unwrap();
    let dataset = chain.dataset(id).await.unwrap();
    assert_eq!((dataset.version, dataset.count, dataset.state), (2, 200, DatasetState::EndOfLife));
    assert_eq!(chain.versions(id).await.unwrap().len(), 3);
    assert_eq!(chain.datasets_of(owner).await.unwrap(), [id]);
    assert!(chain.datasets_of(world.stranger.address()).await.unwrap().is_empty());
}

#[tokio::test]
async fn announced_offer_is_found_and_bought() {
    let world = embedded().await;
    let (chain, owner) = (&world.chain, world.owner.address());
    let dataset = world.dataset().await;
    let purchase = world.signed(&world.owner, world.offer(dataset));
    let cid = B256::repeat_byte(0x77);
    chain.announce(&world.owner, cid).await.unwrap();
    chain.announce(&world.stranger, cid).await.unwrap();
    assert_eq!(chain.announcements(None).await.unwrap().len(), 2);
    let found = chain.announcements(Some(owner)).await.unwrap();
    assert_eq!((found.len(), found[0].offer, found[0].owner), (1, cid, owner));
    let before = chain.token_balance(world.licensee.address(), world.token()).await.unwrap();
    let (id, sent) = chain.buy(&world.licensee, &purchase).await.unwrap();
    assert_eq!(sent.len(), 2, "an approval and a purchase");
    let domain = typed::Domain { chain_id: chain.profile().chain_id, contract: chain.profile().licenses };
    let digest = purchase.offer.signing_hash(&domain);
    assert_eq!(id, Chain::license_id(digest, world.licensee.address(), purchase.nonce));
    let license = chain.license(id).await.unwrap();
    assert_eq!((license.runs, license.runs_left, license.state), (2, 2, LicenseState::Active));
    assert_eq!((license.terms.offer, license.terms.owner), (digest, owner));
    assert!(license.is_usable(chain.now().await.unwrap()));
    assert!(!license.is_usable(license.terms.expiresAt + 1));
    let after = chain.token_balance(world.licensee.address(), world.token()).await.unwrap();
    assert_eq!(before - after, U256::from(2 * PRICE));
    assert_eq!(chain.offer_status(owner, purchase.offer.nonce, digest).await.unwrap(), (1, false));
    assert_eq!(chain.licenses_of(world.licensee.address()).await.unwrap(), std::slice::from_ref(&license));
    assert_eq!(chain.licenses_to(owner).await.unwrap(), [license]);
    chain.cancel_offer(&world.owner, purchase.offer.nonce).await.unwrap();
    assert_eq!(chain.offer_status(owner, purchase.offer.nonce, digest).await.unwrap(), (1, true));
}

/// Request, commit, draw, accept, settle, withdraw, acknowledge, with every fact checked on the way.
pub(super) async fn whole_job(world: &World) {
    let chain = &world.chain;
    let job = world.job().await;
    let record = chain.job(job).await.unwrap();
    assert_eq!((record.state, record.details.amount), (JobState::Requested, U256::from(PRICE)));
    assert_eq!(record.details.runBy, record.requested.time + 24 * HOUR);
    assert_eq!(job, Chain::job_id(record.details.license, record.details.spec, U256::from(1)));
    assert_eq!(chain.jobs_for(world.owner.address()).await.unwrap(), std::slice::from_ref(&record));
    assert_eq!(chain.jobs_by(world.licensee.address()).await.unwrap(), [record]);

    chain.commit(&world.owner, job, &output()).await.unwrap();
    let record = chain.job(job).await.unwrap();
    assert_eq!((record.state, record.challenge()), (JobState::Committed, None));
    let committed = record.committed.unwrap();
    assert_eq!(record.accept_by(), Some(committed.time + HOUR));

    let (challenge, _) = chain.draw(&world.stranger, job).await.unwrap();
    let hash = chain.block_hash(committed.block).await.unwrap();
    assert_eq!(challenge, U256::from_be_bytes(keccak256((hash, job).abi_encode()).0) >> 8);
    assert_eq!(chain.job(job).await.unwrap().challenge(), Some(challenge));

    chain.accept(&world.licensee, job).await.unwrap();
    assert_eq!(chain.job(job).await.unwrap().state, JobState::Accepted);

    let dataset = chain.job(job).await.unwrap().details.dataset;
    assert_eq!(chain.head(dataset).await.unwrap(), B256::ZERO);
    world.settle(job).await.unwrap();
    let record = chain.job(job).await.unwrap();
    let settled = record.settled.unwrap();
    assert_eq!((record.state, settled.k, settled.amount), (JobState::Settled, B256::from(K), U256::from(PRICE)));
    let receipt = record.receipt().unwrap();
    assert_eq!(settled.receipt_hash, receipt.struct_hash());
    assert_eq!(settled.head, keccak256((B256::ZERO, job, receipt.struct_hash()).abi_encode()));
    assert_eq!(chain.head(dataset).await.unwrap(), settled.head);

    let owner = world.owner.address();
    assert_eq!(chain.claimable(owner, world.token()).await.unwrap(), U256::from(PRICE));
    assert_eq!(chain.credits_of(owner).await.unwrap()[0].cause, job);
    let (amount, _) = chain.withdraw(&world.owner, world.token()).await.unwrap();
    assert_eq!(amount, U256::from(PRICE));
    assert_eq!(chain.token_balance(owner, world.token()).await.unwrap(), U256::from(PRICE));
    assert_eq!(chain.claimable(owner, world.token()).await.unwrap(), U256::ZERO);

    let domain = typed::Domain { chain_id: chain.profile().chain_id, contract: chain.profile().escrow };
    let signature = typed::sign(&world.licensee, receipt.signing_hash(&domain)).unwrap();
    chain.acknowledge(&world.stranger, job, &signature).await.unwrap();
    let record = chain.job(job).await.unwrap();
    assert_eq!(record.state, JobState::Delivered);
    assert_eq!(record.acknowledged.unwrap().signature.as_ref(), signature);
}

#[tokio::test]
async fn job_runs_from_request_to_delivery() {
    whole_job(&embedded().await).await;
}

#[tokio::test]
async fn events_read_in_parts_equal_events_read_at_once() {
    let world = embedded().await;
    whole_job(&world).await;
    let (all, next) = world.chain.events(0).await.unwrap();
    assert_eq!(next, world.chain.head_block().await.unwrap() + 1);
    let middle = all[all.len() / 2].place.block;
    let early: Vec<_> = all.iter().filter(|event| event.place.block < middle).cloned().collect();
    let (late, _) = world.chain.events(middle).await.unwrap();
    assert_eq!([early, late].concat(), all);
    assert!(all.is_sorted_by_key(|event| (event.place.block, event.place.index)));
    let jobs = all.iter().filter(|event| matches!(event.fact, Fact::Job(_))).count();
    assert_eq!(jobs, 8, "request, commit, draw, accept, credit, settle, withdraw, acknowledge");
    assert!(world.chain.events(next).await.unwrap().0.is_empty());
}

#[tokio::test]
async fn silent_licensee_does_not_stop_the_payment() {
    let world = embedded().await;
    let job = world.job().await;
    world.chain.commit(&world.owner, job, &output()).await.unwrap();
    world.chain.draw(&world.owner, job).await.unwrap();
    assert_eq!(super::refusals::name(world.settle(job).await), "DeadlineNotPassed");
    world.chain.pass_time(HOUR + 1).await.unwrap();
    world.settle(job).await.unwrap();
    assert_eq!(world.chain.job(job).await.unwrap().state, JobState::Settled);
}

/// The licensee gets the price back, for `reason`.
async fn refunded(world: &World, job: B256, reason: RefundReason) {
    let record = world.chain.job(job).await.unwrap();
    assert_eq!(record.state, JobState::Refunded);
    assert_eq!(record.refunded.unwrap().reason, reason);
    let credit = world.chain.claimable(world.licensee.address(), world.token()).await.unwrap();
    assert_eq!(credit, U256::from(PRICE));
    world.chain.withdraw(&world.licensee, world.token()).await.unwrap();
}

#[tokio::test]
async fn silent_owner_is_refunded_from_by_anyone() {
    let world = embedded().await;
    let job = world.job().await;
    assert_eq!(super::refusals::name(world.chain.refund(&world.stranger, job).await), "DeadlineNotPassed");
    world.chain.pass_time(24 * HOUR + 1).await.unwrap();
    world.chain.refund(&world.stranger, job).await.unwrap();
    refunded(&world, job, RefundReason::NotRun).await;
}

#[tokio::test]
async fn declined_and_rejected_jobs_are_refunded() {
    let world = embedded().await;
    let license = world.license().await;
    let first = world.request(license, 1).await.unwrap();
    world.chain.decline(&world.owner, first).await.unwrap();
    refunded(&world, first, RefundReason::Declined).await;
    let second = world.request(license, 2).await.unwrap();
    world.chain.commit(&world.owner, second, &output()).await.unwrap();
    world.chain.reject(&world.licensee, second).await.unwrap();
    refunded(&world, second, RefundReason::Rejected).await;
}

#[tokio::test]
async fn job_never_drawn_or_never_settled_is_refunded() {
    let world = embedded().await;
    let license = world.license().await;
    let undrawn = world.request(license, 1).await.unwrap();
    world.chain.commit(&world.owner, undrawn, &output()).await.unwrap();
    for _ in 0..257 {
        world.chain.pass_block().await.unwrap();
    }
    assert_eq!(super::refusals::name(world.chain.draw(&world.owner, undrawn).await), "DrawWindowMissed");
    world.chain.refund(&world.stranger, undrawn).await.unwrap();
    refunded(&world, undrawn, RefundReason::NotDrawn).await;
    let unsettled = world.request(license, 2).await.unwrap();
    world.chain.commit(&world.owner, unsettled, &output()).await.unwrap();
    world.chain.draw(&world.owner, unsettled).await.unwrap();
    world.chain.accept(&world.licensee, unsettled).await.unwrap();
    world.chain.pass_time(3 * 24 * HOUR).await.unwrap();
    assert_eq!(super::refusals::name(world.settle(unsettled).await), "DeadlinePassed");
    world.chain.refund(&world.stranger, unsettled).await.unwrap();
    refunded(&world, unsettled, RefundReason::NotSettled).await;
}

#[tokio::test]
async fn unused_runs_come_back_by_reclaim_and_revoke() {
    let world = embedded().await;
    let license = world.license().await;
    world.chain.reclaim(&world.licensee, license).await.unwrap();
    let record = world.chain.license(license).await.unwrap();
    assert_eq!((record.state, record.runs_left), (LicenseState::Reclaimed, 0));
    let credit = world.chain.claimable(world.licensee.address(), world.token()).await.unwrap();
    assert_eq!(credit, U256::from(2 * PRICE));
    let mut purchase = world.signed(&world.owner, world.offer(record.terms.dataset));
    purchase.nonce = U256::from(10);
    let (second, _) = world.chain.buy(&world.licensee, &purchase).await.unwrap();
    world.request(second, 1).await.unwrap();
    world.chain.revoke(&world.owner, second).await.unwrap();
    assert_eq!(world.chain.license(second).await.unwrap().state, LicenseState::Revoked);
    let credit = world.chain.claimable(world.licensee.address(), world.token()).await.unwrap();
    assert_eq!(credit, U256::from(3 * PRICE));
    assert_eq!(super::refusals::name(world.request(second, 2).await), "LicenseEnded");
}

#[tokio::test]
async fn transactions_of_one_account_sent_together_all_arrive() {
    let world = embedded().await;
    let announce = |byte: u8| {
        let (chain, owner) = (world.chain.clone(), world.owner.clone());
        tokio::spawn(async move { chain.announce(&owner, B256::repeat_byte(byte)).await })
    };
    let tasks: Vec<_> = (1..=12).map(announce).collect();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    assert_eq!(world.chain.announcements(None).await.unwrap().len(), 12);
}

#[tokio::test]
async fn step_runs_again_after_the_network_was_down() {
    let folder = tempfile::tempdir().unwrap();
    let devnet = Devnet::open(folder.path()).unwrap();
    let world = super::world::on(Endpoint::Embedded(devnet.clone())).await;
    let dataset = world.dataset().await;
    let purchase = world.signed(&world.owner, world.offer(dataset));
    let server = Server::bind(devnet.clone(), ServerOptions::default()).await.unwrap();
    let profile = super::Profile { url: server.url(), ..world.chain.profile().clone() };
    let port = profile.url.rsplit(':').next().unwrap().parse().unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let serving = tokio::spawn(server.run(async move { stopped.await.unwrap() }));
    let chain = Chain::connect(profile).await.unwrap();
    chain.head_block().await.unwrap();
    stop.send(()).unwrap();
    serving.await.unwrap().unwrap();
    let down = chain.buy(&world.licensee, &purchase).await.unwrap_err();
    assert!(matches!(down, crate::Error::Network(_)), "{down}");
    let server = Server::bind(devnet, ServerOptions { port, idle: None }).await.unwrap();
    let serving = tokio::spawn(server.run(std::future::pending()));
    let (license, _) = chain.buy(&world.licensee, &purchase).await.unwrap();
    assert_eq!(chain.license(license).await.unwrap().runs_left, 2);
    serving.abort();
}

#[tokio::test]
async fn contracts_are_found_again_over_http_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let devnet = Devnet::open(folder.path()).unwrap();
    let world = super::world::on(Endpoint::Embedded(devnet.clone())).await;
    let license = world.license().await;
    let before = world.chain.license(license).await.unwrap();
    let mut profile = world.chain.profile().clone();
    drop((devnet, world));
    let devnet = Devnet::open(folder.path()).unwrap();
    let server = Server::bind(devnet, ServerOptions::default()).await.unwrap();
    profile.url = server.url();
    let serving = tokio::spawn(server.run(std::future::pending()));
    let text = serde_json::to_string(&profile).unwrap();
    let chain = Chain::connect(serde_json::from_str(&text).unwrap()).await.unwrap();
    assert_eq!(chain.license(license).await.unwrap(), before);
    assert_eq!(chain.profile().currency(Address::ZERO), None);
    assert_eq!(before.terms.actions, EMBED);
    serving.abort();
}
