//! One step, one nonce, one outcome: under each single fault, within the fee limits, over kill -9.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use alloy::primitives::B256;
use alloy::providers::Provider;

use super::anvil::Anvil;
use super::liar::{Dice, Fault, Liar};
use super::world::{World, embedded, on};
use super::{Chain, Endpoint, Patience, Profile, Rules};
use crate::chain::Signer;
use crate::chain::outbox::Outbox;
use crate::{Error, Result};

/// Somebody with a chain behind a liar and an outbox on disk.
struct Lied {
    _anvil: Anvil,
    folder: tempfile::TempDir,
    world: World,
    liar: Liar,
}

impl Lied {
    async fn new() -> Self {
        Self::before(Anvil::start()).await
    }

    async fn before(anvil: Anvil) -> Self {
        let world = on(anvil.endpoint()).await;
        let liar = Liar::before(&anvil.url).await;
        Self { _anvil: anvil, folder: tempfile::tempdir().unwrap(), world, liar }
    }

    fn outbox(&self) -> Outbox {
        Outbox::open(&self.folder.path().join("outbox"), &[7; 32]).unwrap()
    }

    async fn chain(&self, outbox: Outbox) -> Chain {
        let second = Duration::from_secs(1);
        let patience = Patience { question: 2 * second, answer: 1 << 20, tries: 2, pause: second / 1000 };
        let rules = Rules { stuck_after: 1, give_up_after: 2, ..self.world.chain.profile().rules.clone() };
        let profile = Profile { rules, ..self.world.chain.profile().clone() };
        let endpoint = Endpoint::HttpWithin(self.liar.url.clone(), patience);
        Chain::open(endpoint, profile).await.unwrap().with_outbox(outbox)
    }

    async fn announce(&self, chain: &Chain) -> Result<super::Sent> {
        chain.announce(&self.world.owner, B256::repeat_byte(1)).await
    }

    /// How often the offer was announced, and how many transactions its owner sent.
    async fn happened(&self) -> (usize, u64) {
        let announced = self.world.chain.announcements(None).await.unwrap().len();
        let provider = self.world.chain.link.provider();
        (announced, provider.get_transaction_count(self.world.owner.address()).await.unwrap())
    }
}

/// A step that meets this fault every time, then the same step with the truth: done once in the end.
async fn done_once_after(fault: Fault) -> Error {
    let lied = Lied::new().await;
    let chain = lied.chain(lied.outbox()).await;
    lied.liar.lie(1, &[fault], 1);
    let error = lied.announce(&chain).await.expect_err("a lie was believed");
    drop(chain);
    lied.liar.tell_the_truth();
    let chain = lied.chain(lied.outbox()).await;
    let sent = lied.announce(&chain).await.unwrap();
    assert_eq!(lied.happened().await, (1, 1), "{fault:?}");
    let receipt = lied.world.chain.link.provider().get_transaction_receipt(sent.tx).await.unwrap().unwrap();
    assert_eq!(super::link::summary(&receipt), sent);
    drop(chain);
    assert!(lied.outbox().unfinished().is_empty());
    error
}

#[tokio::test]
async fn step_whose_answer_is_lost_is_done_once() {
    assert!(
        matches!(done_once_after(Fault::LostAnswer).await, Error::Network(text) if text.contains("run the step again"))
    );
}

#[tokio::test]
async fn step_that_is_denied_and_included_all_the_same_is_done_once() {
    done_once_after(Fault::DeniedSend).await;
}

#[tokio::test]
async fn step_whose_receipt_is_faked_or_withheld_is_done_once() {
    for fault in [Fault::FakeReceipt, Fault::NullReceipt, Fault::MissingLogs] {
        let error = done_once_after(fault).await;
        assert!(matches!(error, Error::Integrity(_)), "{fault:?}: {error}");
    }
}

#[tokio::test]
async fn node_that_is_down_slow_or_talks_nonsense_is_a_network_error() {
    for fault in [Fault::ServerError, Fault::TooMany, Fault::HalfJson, Fault::WrongId, Fault::Endless, Fault::TimeOut] {
        assert!(matches!(done_once_after(fault).await, Error::Network(_)), "{fault:?}");
    }
}

/// A step that must not even be signed.
async fn not_signed_under(fault: Fault) -> Error {
    let lied = Lied::new().await;
    let chain = lied.chain(lied.outbox()).await;
    lied.liar.lie(1, &[fault], 1);
    let error = lied.announce(&chain).await.unwrap_err();
    drop(chain);
    assert!(lied.outbox().unfinished().is_empty(), "signed under {fault:?}");
    assert_eq!(lied.happened().await, (0, 0));
    error
}

#[tokio::test]
async fn fees_that_are_made_up_are_refused_or_noticed() {
    let error = not_signed_under(Fault::DearFees).await;
    assert!(matches!(error, Error::Refused(_) | Error::Integrity(_)), "{error}");
}

#[tokio::test]
async fn node_that_becomes_another_chain_gets_no_signature() {
    assert!(matches!(not_signed_under(Fault::OtherChain).await, Error::WrongNetwork(_)));
}

#[tokio::test]
async fn contract_that_is_replaced_later_gets_no_signature() {
    let lied = Lied::new().await;
    let chain = lied.chain(lied.outbox()).await;
    let licenses = chain.profile().licenses;
    let told = chain.link.provider().raw_request("anvil_setCode".into(), (licenses, "0x6001"));
    let _: serde_json::Value = told.await.unwrap();
    let error = lied.announce(&chain).await.unwrap_err();
    assert!(matches!(&error, Error::WrongNetwork(text) if text.contains(&licenses.to_string())), "{error}");
    drop(chain);
    assert!(lied.outbox().unfinished().is_empty());
    let provider = lied.world.chain.link.provider();
    assert_eq!(provider.get_transaction_count(lied.world.owner.address()).await.unwrap(), 0);
}

/// A step refused under these limits, with the figure in the error.
async fn refused_under(rules: Rules, figure: &str) {
    let world = embedded().await;
    let mut chain = world.chain.clone();
    chain.link.hold_to(&Profile { rules, ..chain.profile().clone() });
    let refused = chain.announce(&world.owner, B256::ZERO).await;
    assert!(matches!(&refused, Err(Error::Refused(text)) if text.contains(figure)), "{refused:?}");
    assert!(chain.announcements(None).await.unwrap().is_empty());
    assert!(chain.link.outbox.unfinished().is_empty());
}

#[tokio::test]
async fn transaction_above_a_limit_is_refused_with_the_figure() {
    refused_under(Rules { max_per_gas: 1_999_999_999, ..Rules::default() }, "2000000000 wei per gas").await;
    refused_under(Rules { max_fee: 1_000_000, ..Rules::default() }, "the limit is 1000000").await;
}

#[tokio::test]
async fn chain_with_another_first_block_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let endpoint = Endpoint::Embedded(crate::chain::devnet::Devnet::open(folder.path()).unwrap());
    let good = on(endpoint.clone()).await.chain.profile().clone();
    assert!(good.genesis.is_some());
    let other = Profile { genesis: Some(B256::repeat_byte(1)), ..good };
    assert!(matches!(Chain::open(endpoint, other).await, Err(Error::WrongNetwork(_))));
}

#[tokio::test]
async fn stuck_transaction_is_replaced_with_a_higher_fee_and_done_once() {
    let lied = Lied::new().await;
    let provider = lied.world.chain.link.provider().clone();
    let _: serde_json::Value = provider.raw_request("evm_setAutomine".into(), (false,)).await.unwrap();
    let outbox = lied.outbox();
    let chain = lied.chain(outbox.clone()).await;
    let waited = lied.announce(&chain).await.unwrap_err();
    assert!(matches!(waited, Error::Network(_)), "{waited}");
    let unfinished = outbox.unfinished();
    assert!(unfinished[0].transactions.len() >= 2, "{unfinished:?}");
    let _: serde_json::Value = provider.raw_request("evm_mine".into(), ()).await.unwrap();
    let sent = lied.announce(&chain).await.unwrap();
    assert!(unfinished[0].transactions[1..].contains(&sent.tx));
    assert_eq!(lied.happened().await, (1, 1));
}

#[tokio::test]
async fn nonce_that_another_device_used_is_given_up_and_the_step_done_once() {
    let lied = Lied::new().await;
    let provider = lied.world.chain.link.provider().clone();
    let _: serde_json::Value = provider.raw_request("evm_setAutomine".into(), (false,)).await.unwrap();
    let chain = lied.chain(lied.outbox()).await;
    assert!(lied.announce(&chain).await.is_err());
    let _: bool = provider.raw_request("anvil_dropAllTransactions".into(), ()).await.unwrap_or_default();
    let _: serde_json::Value = provider.raw_request("evm_setAutomine".into(), (true,)).await.unwrap();
    // The other device knows nothing of the first one's outbox.
    lied.world.chain.announce(&lied.world.owner, B256::repeat_byte(2)).await.unwrap();
    lied.announce(&chain).await.unwrap();
    assert_eq!(lied.happened().await, (2, 2));
}

#[tokio::test]
async fn nonce_that_was_used_long_ago_is_given_up_once_a_later_one_is_seen() {
    let lied = Lied::before(Anvil::start_forgetful()).await;
    let (owner, provider) = (&lied.world.owner, lied.world.chain.link.provider().clone());
    let announce = async |byte: u8| lied.world.chain.announce(owner, B256::repeat_byte(byte)).await.unwrap();
    for byte in 2..5 {
        announce(byte).await;
    }
    let _: serde_json::Value = provider.raw_request("anvil_mine".into(), ("0x12c",)).await.unwrap();
    let outbox = lied.outbox();
    let chain = lied.chain(outbox.clone()).await;
    lied.liar.lie(1, &[Fault::StaleHead], 1);
    assert!(lied.announce(&chain).await.is_err());
    assert_eq!(outbox.unfinished()[0].nonce, 0, "the count was three too low");
    lied.liar.tell_the_truth();
    // The node's word alone that the nonce is used does not free the step.
    let error = lied.announce(&chain).await.unwrap_err();
    assert!(matches!(error, Error::Integrity(_) | Error::Network(_)), "{error}");
    assert_eq!((lied.happened().await, outbox.unfinished()[0].nonce), ((3, 3), 0));
    announce(5).await;
    lied.announce(&chain).await.unwrap();
    assert_eq!(lied.happened().await, (5, 5));
    assert!(outbox.unfinished().is_empty());
}

#[tokio::test]
async fn transaction_that_a_reorganization_undid_is_sent_again() {
    let lied = Lied::new().await;
    let provider = lied.world.chain.link.provider().clone();
    let mark: serde_json::Value = provider.raw_request("evm_snapshot".into(), ()).await.unwrap();
    let outbox = lied.outbox();
    let chain = lied.chain(outbox.clone()).await;
    let first = lied.announce(&chain).await.unwrap();
    let _: bool = provider.raw_request("evm_revert".into(), (mark,)).await.unwrap();
    assert_eq!(lied.happened().await, (0, 0));
    let again = chain.resume(&lied.world.owner).await.unwrap();
    assert_eq!(again.iter().map(|sent| sent.tx).collect::<Vec<_>>(), [first.tx]);
    assert_eq!(lied.happened().await, (1, 1));
    assert!(chain.resume(&lied.world.owner).await.unwrap().is_empty());
}

#[tokio::test]
async fn step_that_a_reorganization_undid_is_done_once_when_it_is_asked_for_again() {
    let lied = Lied::new().await;
    let provider = lied.world.chain.link.provider().clone();
    let mark: serde_json::Value = provider.raw_request("evm_snapshot".into(), ()).await.unwrap();
    let chain = lied.chain(lied.outbox()).await;
    let first = lied.announce(&chain).await.unwrap();
    let _: bool = provider.raw_request("evm_revert".into(), (mark,)).await.unwrap();
    assert_eq!(lied.announce(&chain).await.unwrap().tx, first.tx);
    assert_eq!(lied.happened().await, (1, 1));
    // What stands is another matter: asked for again, it is done again.
    assert_ne!(lied.announce(&chain).await.unwrap().tx, first.tx);
    assert_eq!(lied.happened().await, (2, 2));
}

/// Two devices' transactions wait, a reorganization loses both, and the first device does not come back.
#[tokio::test]
async fn nonce_that_nobody_will_use_is_filled_and_the_step_after_it_done_once() {
    let lied = Lied::new().await;
    let provider = lied.world.chain.link.provider().clone();
    let _: serde_json::Value = provider.raw_request("evm_setAutomine".into(), (false,)).await.unwrap();
    let gone = lied.chain(Outbox::in_memory()).await;
    assert!(gone.announce(&lied.world.owner, B256::repeat_byte(2)).await.is_err());
    let outbox = lied.outbox();
    let chain = lied.chain(outbox.clone()).await;
    assert!(lied.announce(&chain).await.is_err());
    assert_eq!(outbox.unfinished()[0].nonce, 1);
    let _: bool = provider.raw_request("anvil_dropAllTransactions".into(), ()).await.unwrap_or_default();
    let _: serde_json::Value = provider.raw_request("evm_setAutomine".into(), (true,)).await.unwrap();
    lied.announce(&chain).await.unwrap();
    assert_eq!(lied.happened().await, (1, 2));
    chain.resume(&lied.world.owner).await.unwrap();
    assert!(outbox.unfinished().is_empty());
    // The first device comes back after all: its step gets another nonce.
    gone.announce(&lied.world.owner, B256::repeat_byte(2)).await.unwrap();
    assert_eq!(lied.happened().await, (2, 3));
}

/// What the next test starts and kills: announces what is not announced yet, one after another.
#[tokio::test]
#[ignore = "the process that the next test starts and kills"]
async fn sender_that_is_killed() {
    let setting = |name: &str| std::env::var(name).unwrap();
    let profile: Profile = serde_json::from_str(&setting("USUFRUCT_TEST_PROFILE")).unwrap();
    let outbox = Outbox::open(Path::new(&setting("USUFRUCT_TEST_OUTBOX")), &[7; 32]).unwrap();
    let chain = Chain::connect(profile).await.unwrap().with_outbox(outbox);
    announce_the_rest(&chain, &Signer::from_bytes(&B256::repeat_byte(0xa1)).unwrap()).await;
}

/// How many offers the killed process announces.
const OFFERS: u8 = 40;

async fn announce_the_rest(chain: &Chain, owner: &Signer) {
    chain.resume(owner).await.unwrap();
    let done: Vec<B256> =
        chain.announcements(Some(owner.address())).await.unwrap().into_iter().map(|said| said.offer).collect();
    for byte in (1..=OFFERS).filter(|byte| !done.contains(&B256::repeat_byte(*byte))) {
        chain.announce(owner, B256::repeat_byte(byte)).await.unwrap();
    }
}

#[tokio::test]
async fn killed_sender_announces_each_offer_once() {
    let anvil = Anvil::start();
    let world = on(anvil.endpoint()).await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("outbox");
    let profile = Profile { url: anvil.url.clone(), ..world.chain.profile().clone() };
    let mut dice = Dice(5);
    let announced = async || world.chain.announcements(None).await.unwrap().len();
    for _ in 0..12 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "--ignored", "chain::client::tests::sending::sender_that_is_killed"])
            .env("USUFRUCT_TEST_PROFILE", serde_json::to_string(&profile).unwrap())
            .env("USUFRUCT_TEST_OUTBOX", &path)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let before = announced().await;
        // A busy machine takes long to start it.
        for _ in 0..6_000 {
            tokio::time::sleep(Duration::from_millis(5 + dice.below(10))).await;
            if announced().await > before {
                break;
            }
        }
        tokio::time::sleep(Duration::from_millis(dice.below(40))).await;
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let killed_at = announced().await;
    assert!(killed_at > 2 && killed_at < usize::from(OFFERS), "killed after {killed_at} offers");
    let chain = Chain::connect(profile).await.unwrap().with_outbox(Outbox::open(&path, &[7; 32]).unwrap());
    announce_the_rest(&chain, &world.owner).await;
    let mut offers: Vec<B256> =
        world.chain.announcements(None).await.unwrap().into_iter().map(|said| said.offer).collect();
    offers.sort();
    assert_eq!(offers, (1..=OFFERS).map(B256::repeat_byte).collect::<Vec<_>>());
    let sent = world.chain.link.provider().get_transaction_count(world.owner.address()).await.unwrap();
    assert_eq!(sent, u64::from(OFFERS));
}
