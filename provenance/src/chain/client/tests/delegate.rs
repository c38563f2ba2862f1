//! What a delegate can do with a grant, and what it cannot.

use alloy::primitives::{Address, B256, U256};

use super::refusals::name;
use super::world::{EMBED, K, World, embedded, output};
use crate::Error;
use crate::chain::bindings::{JobState, RefundReason};
use crate::chain::typed::{self, Grant, Typed};

fn grant(world: &World) -> Grant {
    Grant {
        delegate: world.stranger.address(),
        dataset: B256::ZERO,
        actions: EMBED,
        maxJobs: 2,
        validUntil: 4_000_000_000,
        nonce: U256::from(3),
    }
}

#[tokio::test]
async fn delegate_commits_and_the_owner_is_paid() {
    let world = embedded().await;
    let (chain, grant) = (&world.chain, grant(&world));
    let signature = chain.sign_grant(&world.owner, &grant).unwrap();
    let job = world.job().await;
    chain.commit_for(&world.stranger, job, &output(), &grant, &signature).await.unwrap();
    assert_eq!(chain.grant_status(world.owner.address(), &grant).await.unwrap(), (1, false));
    chain.draw(&world.stranger, job).await.unwrap();
    chain.accept(&world.licensee, job).await.unwrap();
    let inputs = world.inputs(job).await;
    let proof = super::trapdoor::proof(chain, inputs).await;
    chain.settle(&world.stranger, job, &proof, K).await.unwrap();
    let record = chain.job(job).await.unwrap();
    assert_eq!(record.state, JobState::Settled);
    assert_eq!(chain.claimable(world.owner.address(), world.token()).await.unwrap(), record.details.amount);
    assert_eq!(chain.claimable(world.stranger.address(), world.token()).await.unwrap(), U256::ZERO);
}

#[tokio::test]
async fn delegate_declines_until_the_grant_is_used_up() {
    let world = embedded().await;
    let (chain, grant) = (&world.chain, Grant { maxJobs: 1, ..grant(&world) });
    let signature = chain.sign_grant(&world.owner, &grant).unwrap();
    let license = world.license().await;
    let (first, second) = (world.request(license, 1).await.unwrap(), world.request(license, 2).await.unwrap());
    chain.decline_for(&world.stranger, first, &grant, &signature).await.unwrap();
    assert_eq!(chain.job(first).await.unwrap().refunded.unwrap().reason, RefundReason::Declined);
    let used_up = chain.decline_for(&world.stranger, second, &grant, &signature).await;
    assert_eq!(name(used_up), "GrantUsedUp");
}

#[tokio::test]
async fn grant_that_does_not_cover_the_job_is_refused() {
    let world = embedded().await;
    let chain = &world.chain;
    let job = world.job().await;
    let tried = async |grant: Grant| {
        let signature = chain.sign_grant(&world.owner, &grant).unwrap();
        name(chain.commit_for(&world.stranger, job, &output(), &grant, &signature).await)
    };
    let whole = grant(&world);
    assert_eq!(tried(Grant { delegate: Address::repeat_byte(1), ..whole.clone() }).await, "NotDelegate");
    assert_eq!(tried(Grant { dataset: B256::repeat_byte(1), ..whole.clone() }).await, "GrantNotForJob");
    assert_eq!(tried(Grant { actions: 1, ..whole.clone() }).await, "GrantNotForJob");
    assert_eq!(tried(Grant { validUntil: 1, ..whole.clone() }).await, "GrantExpired");
    chain.cancel_grant(&world.owner, whole.nonce).await.unwrap();
    assert_eq!(tried(whole.clone()).await, "GrantIsCanceled");
    assert_eq!(chain.grant_status(world.owner.address(), &whole).await.unwrap(), (0, true));
}

#[tokio::test]
async fn grant_signed_by_another_or_for_another_chain_is_refused_before_anything_is_sent() {
    let world = embedded().await;
    let (chain, grant) = (&world.chain, grant(&world));
    let job = world.job().await;
    let elsewhere = typed::Domain { chain_id: 1, ..chain.grants_domain() };
    let foreign = [
        chain.sign_grant(&world.stranger, &grant).unwrap(),
        typed::sign(&world.owner, grant.signing_hash(&elsewhere)).unwrap(),
        chain.sign_grant(&world.owner, &Grant { maxJobs: 3, ..grant.clone() }).unwrap(),
    ];
    for signature in foreign {
        let refused = chain.commit_for(&world.stranger, job, &output(), &grant, &signature).await;
        assert!(matches!(refused, Err(Error::Integrity(_))), "{refused:?}");
        assert!(chain.decline_for(&world.stranger, job, &grant, &signature).await.is_err());
    }
    assert_eq!(chain.job(job).await.unwrap().state, JobState::Requested);
}

#[tokio::test]
async fn grant_for_nothing_is_not_signed() {
    let world = embedded().await;
    let whole = grant(&world);
    for empty in [
        Grant { delegate: Address::ZERO, ..whole.clone() },
        Grant { actions: 0, ..whole.clone() },
        Grant { maxJobs: 0, ..whole },
    ] {
        assert!(matches!(world.chain.sign_grant(&world.owner, &empty), Err(Error::Invalid(_))));
    }
}
