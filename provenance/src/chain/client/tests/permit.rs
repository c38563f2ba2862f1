//! Buying with a permit: one transaction, exactly the price, and nothing allowed afterwards.

use alloy::primitives::{B256, U256};
use alloy::providers::Provider;

use super::anvil::Anvil;
use super::refusals::name;
use super::world::{TOKEN, World, embedded};
use crate::Error;
use crate::chain::bindings::{LicenseState, RewardToken};

const PRICE: u128 = TOKEN * 5 / 2;

async fn buys_in_one_transaction(world: &World) {
    let (chain, buyer) = (&world.chain, world.licensee.address());
    let dataset = world.dataset().await;
    let mut purchase = world.signed(&world.owner, world.offer(dataset));
    let before = chain.token_balance(buyer, world.token()).await.unwrap();
    let sent_before = chain.link.provider().get_transaction_count(buyer).await.unwrap();
    let (id, sent) = chain.buy_with_permit(&world.licensee, &purchase).await.unwrap();
    assert_eq!(chain.link.provider().get_transaction_count(buyer).await.unwrap(), sent_before + 1);
    // The first purchase fills storage that later ones find filled.
    assert!(sent.gas_used <= 230_000, "{}", sent.gas_used);
    let license = chain.license(id).await.unwrap();
    assert_eq!((license.runs, license.state), (2, LicenseState::Active));
    assert_eq!(chain.license_nonce(&license).await.unwrap(), Some(purchase.nonce));
    assert_eq!(chain.token_balance(buyer, world.token()).await.unwrap(), before - U256::from(2 * PRICE));
    let allowance = RewardToken::allowanceCall { owner: buyer, spender: chain.profile().licenses };
    assert_eq!(chain.ask(world.token(), allowance).await.unwrap(), U256::ZERO);
    assert_eq!(name(chain.buy_with_permit(&world.licensee, &purchase).await), "LicenseExists");
    purchase.nonce += U256::from(1);
    let (_, second) = chain.buy_with_permit(&world.licensee, &purchase).await.unwrap();
    assert!(second.gas_used <= 200_000, "{}", second.gas_used);
}

#[tokio::test]
async fn permit_buys_in_one_transaction_on_the_embedded_chain() {
    buys_in_one_transaction(&embedded().await).await;
}

#[tokio::test]
async fn permit_buys_in_one_transaction_on_anvil() {
    let anvil = Anvil::start();
    buys_in_one_transaction(&super::world::on(anvil.endpoint()).await).await;
}

#[tokio::test]
async fn permit_without_the_money_is_refused_before_anything_is_sent() {
    let world = embedded().await;
    let dataset = world.dataset().await;
    let purchase = world.signed(&world.owner, world.offer(dataset));
    let poor = world.chain.buy_with_permit(&world.stranger, &purchase).await;
    assert_eq!(name(poor), "ERC20InsufficientBalance");
    assert_eq!(world.chain.link.provider().get_transaction_count(world.stranger.address()).await.unwrap(), 0);
}

#[tokio::test]
async fn currency_without_permits_is_refused_with_a_way_out() {
    let world = embedded().await;
    let registry = world.chain.profile().datasets;
    let refused = world.chain.permit(&world.licensee, registry, U256::from(1)).await;
    assert!(matches!(&refused, Err(Error::Refused(text)) if text.contains("allow the price first")), "{refused:?}");
}

#[tokio::test]
async fn permit_for_a_dead_offer_is_never_signed() {
    let world = embedded().await;
    let dataset = world.dataset().await;
    let mut expired = world.offer(dataset);
    expired.validUntil = 1;
    let purchase = world.signed(&world.owner, expired);
    let refused = world.chain.buy_with_permit(&world.licensee, &purchase).await;
    assert!(matches!(refused, Err(Error::Refused(_))), "{refused:?}");
    let mut altered = world.signed(&world.owner, world.offer(dataset));
    altered.offer.dataset = B256::repeat_byte(7);
    assert!(world.chain.buy_with_permit(&world.licensee, &altered).await.is_err());
}
