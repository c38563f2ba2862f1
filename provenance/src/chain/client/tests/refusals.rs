//! What the client and the contracts refuse, and in which words.

use alloy::primitives::{B256, U256};

use super::world::{EMBED, K, World, embedded, keys, output, registration};
use super::{Chain, Endpoint, Purchase, Registration, trapdoor};
use crate::chain::bindings::DatasetState;
use crate::chain::deploy::{Keys, deploy};
use crate::chain::devnet::Devnet;
use crate::chain::{Address, Signer};
use crate::{Error, Result};

/// The name of the contract's error.
pub(super) fn name<T: std::fmt::Debug>(result: Result<T>) -> String {
    match result.unwrap_err() {
        Error::Reverted { name, message, hint } => {
            assert!(!message.is_empty() && !hint.is_empty(), "{name} has no words");
            name
        }
        other => panic!("not a revert: {other}"),
    }
}

#[tokio::test]
async fn dataset_out_of_range_or_registered_twice_is_refused() {
    let world = embedded().await;
    let register = async |new: Registration| name(world.chain.register(&world.owner, &new).await);
    assert_eq!(register(Registration { count: 0, ..registration() }).await, "CountOutOfRange");
    assert_eq!(register(Registration { count: 513, ..registration() }).await, "CountOutOfRange");
    assert_eq!(register(Registration { tier: 3, ..registration() }).await, "TierUnknown");
    assert_eq!(register(Registration { root: U256::MAX, ..registration() }).await, "NotInField");
    assert_eq!(register(Registration { manifest: B256::ZERO, ..registration() }).await, "ManifestMissing");
    let id = world.dataset().await;
    assert_eq!(register(registration()).await, "DatasetExists");
    let by_stranger = world.chain.publish_version(&world.stranger, id, &registration()).await;
    assert_eq!(name(by_stranger), "NotDatasetOwner");
    world.chain.set_state(&world.owner, id, DatasetState::Revoked).await.unwrap();
    let back = world.chain.set_state(&world.owner, id, DatasetState::EndOfLife).await;
    assert_eq!(name(back), "StateNotForward");
}

#[tokio::test]
async fn unknown_ids_are_not_found() {
    let world = embedded().await;
    let id = B256::repeat_byte(9);
    assert!(matches!(world.chain.dataset(id).await, Err(Error::NotFound(_))));
    assert!(matches!(world.chain.license(id).await, Err(Error::NotFound(_))));
    assert!(matches!(world.chain.job(id).await, Err(Error::NotFound(_))));
    assert!(matches!(world.chain.block_hash(1_000_000).await, Err(Error::NotFound(_))));
}

#[tokio::test]
async fn offer_that_cannot_be_bought_allows_no_token() {
    let world = embedded().await;
    let dataset = world.dataset().await;
    let good = world.offer(dataset);
    let mut foreign = world.signed(&world.owner, good.clone());
    foreign.offer.terms.pricePerRun = U256::from(1);
    let mut expired = good.clone();
    expired.validUntil = 1;
    let mut for_another = good.clone();
    for_another.licensee = world.stranger.address();
    let mut other_token = good.clone();
    other_token.terms.currency = Address::repeat_byte(7);
    for purchase in [
        foreign,
        world.signed(&world.stranger, good.clone()),
        world.signed(&world.owner, expired),
        world.signed(&world.owner, for_another),
        world.signed(&world.owner, other_token),
    ] {
        let error = world.chain.buy(&world.licensee, &purchase).await.unwrap_err();
        assert!(matches!(error, Error::Refused(_) | Error::Integrity(_)), "{error}");
    }
    assert_eq!(sent(&world).await, 1, "the faucet call and nothing else");
}

#[tokio::test]
async fn purchase_is_refused_by_the_contract_when_it_must_be() {
    let world = embedded().await;
    let dataset = world.dataset().await;
    let purchase = world.signed(&world.owner, world.offer(dataset));
    assert_eq!(name(world.chain.buy(&world.stranger, &purchase).await), "ERC20InsufficientBalance");
    world.chain.buy(&world.licensee, &purchase).await.unwrap();
    assert_eq!(name(world.chain.buy(&world.licensee, &purchase).await), "LicenseExists");
    let mut long = world.offer(dataset);
    long.terms.duration = u64::from(u32::MAX);
    assert_eq!(name(world.chain.buy(&world.licensee, &world.signed(&world.owner, long)).await), "TermOutOfRange");
}

/// How many transactions the licensee sent.
async fn sent(world: &World) -> u64 {
    let provider = world.chain.link.provider();
    alloy::providers::Provider::get_transaction_count(provider, world.licensee.address()).await.unwrap()
}

#[tokio::test]
async fn offer_that_nobody_can_buy_any_more_costs_no_gas() {
    let world = embedded().await;
    let dataset = world.dataset().await;
    let mut once = world.offer(dataset);
    once.maxLicenses = 1;
    let mut purchase = world.signed(&world.owner, once);
    world.chain.buy(&world.licensee, &purchase).await.unwrap();
    purchase.nonce += U256::from(1);
    let before = sent(&world).await;
    let refused = async |purchase: &Purchase, words: &str| {
        let error = world.chain.buy(&world.licensee, purchase).await.unwrap_err();
        assert!(matches!(&error, Error::Refused(message) if message.contains(words)), "{words}: {error}");
        assert_eq!(sent(&world).await, before, "{words}");
    };
    refused(&purchase, "all 1 licenses of the offer are sold").await;
    let mut canceled = world.offer(dataset);
    canceled.nonce = U256::from(2);
    world.chain.cancel_offer(&world.owner, canceled.nonce).await.unwrap();
    refused(&world.signed(&world.owner, canceled), "canceled").await;
    let mut ended = world.offer(dataset);
    ended.nonce = U256::from(3);
    ended.validUntil = world.chain.now().await.unwrap();
    let ended = world.signed(&world.owner, ended);
    world.chain.pass_time(10).await.unwrap();
    refused(&ended, "the offer ended").await;
    let mut fresh = world.offer(dataset);
    fresh.nonce = U256::from(4);
    let fresh = world.signed(&world.owner, fresh);
    for state in [DatasetState::EndOfLife, DatasetState::Revoked] {
        world.chain.set_state(&world.owner, dataset, state).await.unwrap();
        refused(&fresh, "takes no new licenses").await;
    }
}

#[tokio::test]
async fn job_outside_the_license_is_refused() {
    let world = embedded().await;
    let license = world.license().await;
    let spec = B256::repeat_byte(0x55);
    let ask = async |signer: &Signer, action: u16, nonce: u64| {
        name(world.chain.request(signer, license, action, spec, U256::from(nonce)).await)
    };
    assert_eq!(ask(&world.stranger, EMBED, 1).await, "NotLicensee");
    assert_eq!(ask(&world.licensee, 4, 1).await, "ActionNotLicensed");
    assert_eq!(ask(&world.licensee, EMBED | 4, 1).await, "ActionNotLicensed");
    world.request(license, 1).await.unwrap();
    assert_eq!(ask(&world.licensee, EMBED, 1).await, "JobExists");
    world.request(license, 2).await.unwrap();
    assert_eq!(ask(&world.licensee, EMBED, 3).await, "NoRunsLeft");
}

#[tokio::test]
async fn expired_license_takes_no_job() {
    let world = embedded().await;
    let license = world.license().await;
    world.chain.pass_time(31 * 24 * 3600).await.unwrap();
    assert_eq!(name(world.request(license, 1).await), "LicenseExpired");
    world.chain.reclaim(&world.stranger, license).await.unwrap();
}

#[tokio::test]
async fn steps_by_the_wrong_person_or_out_of_order_are_refused() {
    let world = embedded().await;
    let chain = &world.chain;
    let job = world.job().await;
    for early in [
        chain.accept(&world.licensee, job).await,
        chain.reject(&world.licensee, job).await,
        chain.draw(&world.owner, job).await.map(|(_, sent)| sent),
        chain.settle(&world.owner, job, &[[1; 32]; 8], K).await,
    ] {
        assert!(matches!(early, Err(Error::Refused(_))), "nothing is committed yet: {early:?}");
    }
    assert_eq!(name(chain.decline(&world.stranger, job).await), "NotOwner");
    assert_eq!(name(chain.commit(&world.stranger, job, &output()).await), "NotOwner");
    chain.commit(&world.owner, job, &output()).await.unwrap();
    assert_eq!(name(chain.commit(&world.owner, job, &output()).await), "WrongState");
    assert_eq!(name(chain.decline(&world.owner, job).await), "WrongState");
    assert_eq!(name(chain.accept(&world.licensee, job).await), "WrongState");
    chain.draw(&world.owner, job).await.unwrap();
    assert_eq!(name(chain.draw(&world.owner, job).await), "WrongState");
    assert_eq!(name(chain.accept(&world.owner, job).await), "NotLicensee");
    assert_eq!(name(chain.reject(&world.owner, job).await), "NotLicensee");
    chain.accept(&world.licensee, job).await.unwrap();
    assert_eq!(name(chain.reject(&world.licensee, job).await), "WrongState");
    assert_eq!(name(chain.refund(&world.licensee, job).await), "DeadlineNotPassed");
    assert_eq!(name(chain.withdraw(&world.owner, world.token()).await), "NothingToWithdraw");
}

#[tokio::test]
async fn proof_that_is_not_for_this_job_settles_nothing() {
    let world = embedded().await;
    let job = world.accepted().await;
    let inputs = world.inputs(job).await;
    let settle = async |inputs: [U256; 6]| {
        let proof = trapdoor::proof(&world.chain, inputs).await;
        name(world.chain.settle(&world.owner, job, &proof, K).await)
    };
    for at in 0..6 {
        let mut other = inputs;
        other[at] += U256::from(1);
        assert_eq!(settle(other).await, "ProofRefused", "input {at}");
    }
    let good = trapdoor::proof(&world.chain, inputs).await;
    for at in 0..8 {
        let mut bent = good;
        bent[at][31] ^= 1;
        assert_eq!(name(world.chain.settle(&world.owner, job, &bent, K).await), "ProofRefused", "word {at}");
    }
    let zero = [[0; 32]; 8];
    assert_eq!(name(world.chain.settle(&world.owner, job, &zero, K).await), "ProofRefused");
    assert_eq!(name(world.chain.settle(&world.owner, job, &good, [1; 32]).await), "KeyMismatch");
    world.chain.settle(&world.owner, job, &good, K).await.unwrap();
    assert_eq!(name(world.chain.settle(&world.owner, job, &good, K).await), "WrongState");
}

#[tokio::test]
async fn acknowledgment_by_another_is_refused() {
    let world = embedded().await;
    let job = world.accepted().await;
    world.settle(job).await.unwrap();
    let receipt = world.chain.job(job).await.unwrap().receipt().unwrap();
    let escrow = world.chain.profile().escrow;
    let sign = |signer: &Signer, chain_id: u64, contract: Address| {
        let domain = crate::chain::typed::Domain { chain_id, contract };
        let hash = crate::chain::typed::Typed::signing_hash(&receipt, &domain);
        crate::chain::typed::sign(signer, hash).unwrap()
    };
    let chain_id = world.chain.profile().chain_id;
    for signature in [
        sign(&world.owner, chain_id, escrow),
        sign(&world.licensee, chain_id + 1, escrow),
        sign(&world.licensee, chain_id, world.chain.profile().licenses),
        [0; 65],
    ] {
        assert_eq!(name(world.chain.acknowledge(&world.owner, job, &signature).await), "SignatureRefused");
    }
}

#[tokio::test]
async fn other_chain_or_other_code_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let endpoint = Endpoint::Embedded(Devnet::open(folder.path()).unwrap());
    let world = super::world::on(endpoint.clone()).await;
    let good = world.chain.profile().clone();
    Chain::open(endpoint.clone(), good.clone()).await.unwrap();
    let mut other_chain = good.clone();
    other_chain.chain_id = 1;
    let mut other_code = good.clone();
    other_code.code_hashes.insert(good.escrow, B256::ZERO);
    let mut no_code = good.clone();
    no_code.code_hashes.insert(Address::repeat_byte(5), B256::ZERO);
    let mut unpinned = good.clone();
    unpinned.code_hashes.remove(&good.escrow);
    let mut swapped = good.clone();
    swapped.escrow = Address::repeat_byte(6);
    for profile in [other_chain, other_code, no_code, unpinned, swapped] {
        let refused = Chain::open(endpoint.clone(), profile).await;
        assert!(matches!(refused, Err(Error::WrongNetwork(_))), "{refused:?}");
    }
}

#[tokio::test]
async fn nothing_there_is_a_network_error() {
    let mut profile = embedded().await.chain.profile().clone();
    profile.url = "http://127.0.0.1:9".into();
    let error = Chain::connect(profile.clone()).await.unwrap_err();
    assert!(matches!(error, Error::Network(_)), "{error}");
    profile.url = "not a url".into();
    assert!(matches!(Chain::connect(profile).await, Err(Error::Invalid(_))));
}

#[tokio::test]
async fn server_that_speaks_no_json_is_not_believed() {
    let profile = embedded().await.chain.profile().clone();
    for answer in
        ["HTTP/1.1 500 no\r\ncontent-length: 2\r\n\r\nno", "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{]", ""]
    {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            use std::io::{Read, Write};
            for stream in listener.incoming().flatten() {
                let mut stream = stream;
                let mut buffer = [0; 4096];
                let _ = stream.read(&mut buffer);
                let _ = stream.write_all(answer.as_bytes());
            }
        });
        let refused = Chain::connect(super::Profile { url, ..profile.clone() }).await;
        assert!(matches!(refused, Err(Error::Network(_) | Error::Integrity(_))), "{answer}: {refused:?}");
    }
}

#[tokio::test]
async fn money_for_nothing_is_refused_outside_development() {
    let world = embedded().await;
    let mut chain = world.chain.clone();
    chain.profile.development = false;
    assert!(matches!(chain.fund(world.stranger.address()).await, Err(Error::Refused(_))));
    assert!(matches!(chain.faucet(&world.stranger).await, Err(Error::Refused(_))));
    assert!(matches!(chain.pass_time(1).await, Err(Error::Refused(_))));
}

#[tokio::test]
async fn wallet_without_gas_money_is_told_so() {
    let world = embedded().await;
    let poor = Signer::from_bytes(&B256::repeat_byte(0xee)).unwrap();
    let error = world.chain.announce(&poor, B256::ZERO).await.unwrap_err();
    assert!(matches!(&error, Error::Refused(text) if text.contains("gas money")), "{error}");
}

#[tokio::test]
async fn faulty_verifying_keys_are_not_deployed() {
    let folder = tempfile::tempdir().unwrap();
    let endpoint = Endpoint::Embedded(Devnet::open(folder.path()).unwrap());
    let good = trapdoor::key();
    let mut same = good;
    same.copy_within(6..10, 10);
    let mut off_curve = good;
    off_curve[1][31] ^= 1;
    let mut identity = good;
    identity[14] = [0; 32];
    identity[15] = [0; 32];
    let mut equal = good;
    equal.copy_within(14..16, 16);
    for key in [same, off_curve, identity, equal] {
        for keys in [
            Keys { provenance: [good, key, good], statistic: None },
            Keys { provenance: [good; 3], statistic: Some(key) },
        ] {
            assert_eq!(name(deploy("faulty", "", endpoint.clone(), &keys).await), "KeyRefused");
        }
    }
}

#[tokio::test]
async fn node_is_known_by_its_chain_and_first_block() {
    let anvil = super::anvil::Anvil::start();
    let folder = tempfile::tempdir().unwrap();
    let endpoint = Endpoint::Embedded(Devnet::open(folder.path()).unwrap());
    let profile = super::world::on(endpoint.clone()).await.chain.profile().clone();
    let (here, there) =
        (super::Identity::of(endpoint).await.unwrap(), super::Identity::of(anvil.endpoint()).await.unwrap());
    assert_eq!((here.kind(), there.kind()), (super::Kind::Embedded, super::Kind::Anvil));
    assert_eq!((here.chain_id, there.chain_id), (crate::chain::devnet::CHAIN_ID, crate::chain::devnet::CHAIN_ID));
    assert!(profile.is_of(&here));
    // The same chain id is not the same chain.
    assert!(!profile.is_of(&there));
    assert!(!profile.is_of(&super::Identity { chain_id: 1, ..here }));
}

#[tokio::test]
async fn withheld_purchase_is_not_taken_for_a_missing_one() {
    let anvil = super::anvil::Anvil::start();
    let world = super::world::on(anvil.endpoint()).await;
    let (license, job) = (world.license().await, B256::repeat_byte(9));
    let liar = super::liar::Liar::before(&anvil.url).await;
    let chain = Chain::open(Endpoint::Http(liar.url.clone()), world.chain.profile().clone()).await.unwrap();
    liar.lie(1, &[super::liar::Fault::MissingLogs], 1);
    assert!(matches!(chain.license(license).await, Err(Error::Integrity(text)) if text.contains("holds back")));
    assert!(matches!(chain.job(job).await, Err(Error::NotFound(_))));
}

#[tokio::test]
async fn production_with_foreseeable_hashes_or_public_keys_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let endpoint = Endpoint::Embedded(Devnet::open(folder.path()).unwrap());
    let good = super::world::on(endpoint.clone()).await.chain.profile().clone();
    let foreseeable = super::Profile { development: false, ..good.clone() };
    let public_keys = super::Profile { development: false, unpredictable_hash: true, ..good };
    for (profile, word) in [(foreseeable, "foreseen"), (public_keys, "forge")] {
        let error = Chain::open(endpoint.clone(), profile).await.unwrap_err();
        assert!(matches!(&error, Error::Refused(text) if text.contains(word)), "{error}");
    }
}

#[tokio::test]
async fn node_that_is_not_for_trying_things_out_gets_no_development_keys() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        use std::io::{Read, Write};
        for mut stream in listener.incoming().flatten() {
            let mut buffer = [0; 4096];
            let count = stream.read(&mut buffer).unwrap_or(0);
            let asked = String::from_utf8_lossy(&buffer[..count]).into_owned();
            let result = match asked.as_str() {
                asked if asked.contains("web3_clientVersion") => r#""Geth/v1.15""#.to_string(),
                asked if asked.contains("eth_getBlockByNumber") => format!(r#"{{"hash":"{}"}}"#, B256::ZERO),
                _ => r#""0x1""#.to_string(),
            };
            let id = asked
                .rsplit("\"id\":")
                .next()
                .and_then(|rest| rest.split([',', '}']).next())
                .unwrap_or("0")
                .to_string();
            let body = format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#);
            let head = format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", body.len());
            let _ = stream.write_all((head + &body).as_bytes());
        }
    });
    let refused = deploy("mainnet", &url, Endpoint::Http(url.clone()), &keys()).await;
    assert!(matches!(&refused, Err(Error::Refused(text)) if text.contains("Geth")), "{refused:?}");
}
