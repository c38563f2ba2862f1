//! What is on disk survives: restarts, torn writes, kill -9; and damage is refused.

use std::io::{BufRead, BufReader, Seek, SeekFrom, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use alloy::network::TransactionBuilder;
use alloy::primitives::{Address, B256, U256};
use alloy::providers::Provider;
use alloy::rpc::client::RpcClient;
use alloy::rpc::types::TransactionRequest;

use super::super::journal::Journal;
use super::{Devnet, NOTEBOOK, busy_chain, deploy, funded, note, signer};
use crate::Error;

/// Everything a client can see of a chain, for comparing two openings of it.
async fn portrait(devnet: &Devnet) -> Vec<String> {
    let client = RpcClient::new(devnet.clone(), true);
    let mut seen = Vec::new();
    let head: alloy::primitives::U64 = client.request_noparams("eth_blockNumber").await.unwrap();
    for number in 0..=head.to::<u64>() {
        let number = alloy::primitives::U64::from(number);
        for (method, params) in [
            ("eth_getBlockByNumber", serde_json::json!([number, true])),
            ("eth_getBlockReceipts", serde_json::json!([number])),
        ] {
            seen.push(client.request::<_, serde_json::Value>(method, params).await.unwrap().to_string());
        }
    }
    for who in [signer(1).address(), signer(2).address(), Address::ZERO] {
        seen.push(client.request::<_, serde_json::Value>("eth_getBalance", (who,)).await.unwrap().to_string());
    }
    seen
}

#[tokio::test]
async fn chain_reopened_is_the_same_chain() {
    let folder = tempfile::tempdir().unwrap();
    let devnet = busy_chain(folder.path()).await;
    let before = portrait(&devnet).await;
    drop(devnet);
    let devnet = Devnet::open(folder.path()).unwrap();
    assert_eq!(portrait(&devnet).await, before);
    let provider = funded(&devnet, &signer(1)).await;
    let request = TransactionRequest::default().with_to(Address::ZERO).with_value(U256::from(5));
    assert!(provider.send_transaction(request).await.unwrap().get_receipt().await.unwrap().status());
}

/// The file of a busy chain, and the bytes that one more block adds to it.
async fn chain_and_next_block(folder: &Path) -> (Vec<u8>, Vec<u8>) {
    drop(busy_chain(folder).await);
    let path = folder.join("blocks");
    let whole = std::fs::read(&path).unwrap();
    let devnet = Devnet::open(folder).unwrap();
    devnet.ledger.lock().unwrap().mine().unwrap();
    drop(devnet);
    let next = std::fs::read(&path).unwrap().split_off(whole.len());
    std::fs::write(&path, &whole).unwrap();
    (whole, next)
}

#[tokio::test]
async fn torn_tail_of_every_length_is_cut_off() {
    let folder = tempfile::tempdir().unwrap();
    let (whole, next) = chain_and_next_block(folder.path()).await;
    let path = folder.path().join("blocks");
    let before = portrait(&Devnet::open(folder.path()).unwrap()).await;
    for length in (1..next.len()).step_by(23) {
        std::fs::write(&path, [&whole[..], &next[..length]].concat()).unwrap();
        let devnet = Devnet::open(folder.path()).unwrap();
        assert_eq!(portrait(&devnet).await, before, "{length} bytes of the next block");
        drop(devnet);
        assert_eq!(std::fs::read(&path).unwrap(), whole, "{length} bytes of the next block");
    }
}

/// The process died between writing a block and saying that it is there.
#[tokio::test]
async fn whole_block_behind_the_acknowledged_length_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let (whole, next) = chain_and_next_block(folder.path()).await;
    let path = folder.path().join("blocks");
    let before = Devnet::open(folder.path()).unwrap().ledger.lock().unwrap().head().header.number;
    std::fs::write(&path, [whole, next].concat()).unwrap();
    for _ in 0..2 {
        assert_eq!(Devnet::open(folder.path()).unwrap().ledger.lock().unwrap().head().header.number, before + 1);
    }
}

#[tokio::test]
async fn damaged_last_block_is_refused_and_not_taken_for_a_torn_write() {
    let folder = tempfile::tempdir().unwrap();
    let (whole, next) = chain_and_next_block(folder.path()).await;
    let path = folder.path().join("blocks");
    std::fs::write(&path, &whole).unwrap();
    let devnet = Devnet::open(folder.path()).unwrap();
    devnet.ledger.lock().unwrap().mine().unwrap();
    drop(devnet);
    let longer = std::fs::read(&path).unwrap();
    let mut damages: Vec<Vec<u8>> = Vec::new();
    for at in (0..next.len()).step_by(7) {
        let mut damaged = longer.clone();
        damaged[whole.len() + at] ^= 0x40;
        damages.push(damaged);
        damages.push(longer[..whole.len() + at].to_vec());
    }
    let mut zeroed = longer.clone();
    zeroed[whole.len()..].fill(0);
    damages.push(zeroed);
    for damaged in damages {
        std::fs::write(&path, &damaged).unwrap();
        let error = Devnet::open(folder.path()).unwrap_err();
        assert!(matches!(error, Error::Integrity(_)), "{error}");
        assert_eq!(std::fs::read(&path).unwrap(), damaged);
    }
}

#[tokio::test]
async fn tail_of_zeros_or_noise_is_cut_off() {
    let folder = tempfile::tempdir().unwrap();
    drop(busy_chain(folder.path()).await);
    let path = folder.path().join("blocks");
    let whole = std::fs::read(&path).unwrap();
    let mut short = vec![0x40, 0, 0, 0];
    short.extend_from_slice(&[0xab; 40]);
    for tail in [vec![0; 5], vec![0; 700], short] {
        std::fs::write(&path, [whole.as_slice(), &tail].concat()).unwrap();
        drop(Devnet::open(folder.path()).unwrap());
        assert_eq!(std::fs::read(&path).unwrap(), whole);
    }
}

#[tokio::test]
async fn damage_is_refused_and_nothing_is_cut() {
    let folder = tempfile::tempdir().unwrap();
    drop(busy_chain(folder.path()).await);
    let path = folder.path().join("blocks");
    let whole = std::fs::read(&path).unwrap();
    for at in [0, 9, 16, 17, 24, 31, 32, 33, 34, 36, 56, 216, whole.len() / 2, whole.len() - 1] {
        let mut damaged = whole.clone();
        damaged[at] ^= 0x40;
        std::fs::write(&path, &damaged).unwrap();
        let error = Devnet::open(folder.path()).unwrap_err();
        assert!(matches!(error, Error::Integrity(_)), "byte {at}: {error}");
        assert_eq!(std::fs::read(&path).unwrap(), damaged, "byte {at}");
    }
}

#[tokio::test]
async fn blocks_of_another_chain_do_not_follow() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    drop(busy_chain(one.path()).await);
    drop(busy_chain(two.path()).await);
    let genesis = |bytes: &[u8]| 32 + 12 + u32::from_le_bytes(bytes[32..36].try_into().unwrap()) as usize;
    let (first, second) =
        (std::fs::read(one.path().join("blocks")).unwrap(), std::fs::read(two.path().join("blocks")).unwrap());
    let spliced = [&first[..genesis(&first)], &second[genesis(&second)..]].concat();
    std::fs::write(one.path().join("blocks"), spliced).unwrap();
    assert!(matches!(Devnet::open(one.path()), Err(Error::Integrity(_))));
}

#[tokio::test]
async fn thousand_blocks_reopen_quickly() {
    let folder = tempfile::tempdir().unwrap();
    let devnet = Devnet::open(folder.path()).unwrap();
    let provider = funded(&devnet, &signer(1)).await;
    let notebook = deploy(&provider, &NOTEBOOK).await;
    let start = Instant::now();
    for word in 0..1000 {
        let request = note(notebook, word).with_gas_limit(100_000).with_nonce(word + 1);
        let _ = provider.send_transaction(request).await.unwrap();
    }
    drop((provider, devnet));
    let (made, start) = (start.elapsed(), Instant::now());
    let devnet = Devnet::open(folder.path()).unwrap();
    let took = start.elapsed();
    assert!(devnet.ledger.lock().unwrap().head().header.number > 1000);
    // Seconds mean nothing on a busy machine; making the blocks, one sync each, took its share of it, too.
    assert!(took < made, "{took:?} to open what took {made:?} to make");
}

#[test]
fn second_holder_of_a_chain_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let first = Devnet::open(folder.path()).unwrap();
    assert!(matches!(Devnet::open(folder.path()), Err(Error::Busy(_))));
    drop(first);
    Devnet::open(folder.path()).unwrap();
}

#[tokio::test]
async fn block_that_cannot_be_written_is_not_a_block() {
    let folder = tempfile::tempdir().unwrap();
    let devnet = busy_chain(folder.path()).await;
    let before = portrait(&devnet).await;
    devnet.ledger.lock().unwrap().journal = Journal::on_a_full_disk();
    let provider = funded(&devnet, &signer(1)).await;
    for _ in 0..2 {
        let transfer = TransactionRequest::default().with_to(Address::ZERO).with_value(U256::from(1));
        assert!(provider.send_transaction(transfer).await.is_err());
        assert_eq!(portrait(&devnet).await, before);
    }
    drop((provider, devnet));
    assert_eq!(portrait(&Devnet::open(folder.path()).unwrap()).await, before);
}

/// The folder a child process writes blocks into until it is killed.
const CRASH_FOLDER: &str = "USUFRUCT_TEST_CRASH_FOLDER";

/// Not a test by itself: the process that the next test kills.
#[tokio::test]
#[ignore = "the process that the next test starts and kills"]
async fn child_that_is_killed() {
    let folder = std::env::var_os(CRASH_FOLDER).unwrap();
    let devnet = Devnet::open(Path::new(&folder)).unwrap();
    let provider = funded(&devnet, &signer(1)).await;
    let notebook = deploy(&provider, &NOTEBOOK).await;
    for word in 1.. {
        let hash = *provider.send_transaction(note(notebook, word)).await.unwrap().tx_hash();
        // Acknowledged: from here on it must be there.
        println!("\nacknowledged {hash}");
    }
}

#[tokio::test]
async fn chain_survives_kill_9_with_every_acknowledged_transaction() {
    for round in 0..4 {
        let folder = tempfile::tempdir().unwrap();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "chain::devnet::tests::disk::child_that_is_killed", "--nocapture", "--ignored"])
            .env(CRASH_FOLDER, folder.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let hash = |line: String| line.strip_prefix("acknowledged ").and_then(|hash| hash.parse::<B256>().ok());
        let wanted = 5 + 11 * round;
        let mut acknowledged: Vec<B256> = lines.by_ref().filter_map(hash).take(wanted).collect();
        // Somewhere in the middle of the next blocks.
        std::thread::sleep(Duration::from_millis(7 * round as u64));
        child.kill().unwrap();
        child.wait().unwrap();
        acknowledged.extend(lines.filter_map(hash));
        assert!(acknowledged.len() >= wanted, "the child ended by itself");
        let devnet = Devnet::open(folder.path()).unwrap();
        let ledger = devnet.ledger.lock().unwrap();
        for hash in &acknowledged {
            let receipt = ledger.block_of(hash).and_then(|block| block.included.as_ref()).unwrap();
            assert!(receipt.receipt.is_success());
        }
    }
}

#[test]
fn journal_appends_after_the_cut() {
    let folder = tempfile::tempdir().unwrap();
    let devnet = Devnet::open(folder.path()).unwrap();
    devnet.ledger.lock().unwrap().mine().unwrap();
    drop(devnet);
    let path = folder.path().join("blocks");
    let mut file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.seek(SeekFrom::End(0)).unwrap();
    file.write_all(&[9; 7]).unwrap();
    drop(file);
    for _ in 0..2 {
        let devnet = Devnet::open(folder.path()).unwrap();
        devnet.ledger.lock().unwrap().mine().unwrap();
    }
    let devnet = Devnet::open(folder.path()).unwrap();
    assert_eq!(devnet.ledger.lock().unwrap().head().header.number, 3);
}
