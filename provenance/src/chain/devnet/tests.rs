//! The embedded chain through the client library that the product uses, and across crashes.

use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use alloy::eips::BlockNumberOrTag;
use alloy::network::{EthereumWallet, NetworkTransactionBuilder, TransactionBuilder};
use alloy::primitives::{Address, B256, Bytes, U256, hex, keccak256};
use alloy::providers::{Provider, ProviderBuilder};
use alloy::rpc::client::RpcClient;
use alloy::rpc::types::{Filter, TransactionRequest};
use alloy::signers::local::PrivateKeySigner;

use super::{CHAIN_ID, Devnet, Server, ServerOptions, find};
use crate::Error;

const TEN: u128 = 10_000_000_000_000_000_000;

fn signer(byte: u8) -> PrivateKeySigner {
    PrivateKeySigner::from_bytes(&B256::repeat_byte(byte)).unwrap()
}

/// A provider on `devnet` that signs for `who`, who has gas money.
async fn funded(devnet: &Devnet, who: &PrivateKeySigner) -> impl Provider + use<> {
    let provider = ProviderBuilder::new()
        .with_simple_nonce_management()
        .wallet(EthereumWallet::from(who.clone()))
        .connect_client(RpcClient::new(devnet.clone(), true).with_poll_interval(Duration::from_millis(1)));
    let _: Option<B256> = provider.raw_request("usufruct_fund".into(), (who.address(),)).await.unwrap();
    provider
}

/// Initialization code that returns `runtime` as the contract's code.
fn creation(runtime: &[u8]) -> Bytes {
    let size = u8::try_from(runtime.len()).unwrap();
    // PUSH1 size DUP1 PUSH1 11 PUSH1 0 CODECOPY PUSH1 0 RETURN
    let mut code = vec![0x60, size, 0x80, 0x60, 0x0b, 0x60, 0x00, 0x39, 0x60, 0x00, 0xf3];
    code.extend_from_slice(runtime);
    code.into()
}

/// Stores the first call word at slot 0 and logs it under topic 0x07: SSTORE, then LOG1.
const NOTEBOOK: [u8; 14] = hex!("5f35805f555f52600760205fa100");

async fn deploy(provider: &impl Provider, runtime: &[u8]) -> Address {
    let request = TransactionRequest::default().with_deploy_code(creation(runtime));
    let receipt = provider.send_transaction(request).await.unwrap().get_receipt().await.unwrap();
    assert!(receipt.status());
    receipt.contract_address.unwrap()
}

fn note(contract: Address, word: u64) -> TransactionRequest {
    TransactionRequest::default().with_to(contract).with_input(B256::from(U256::from(word)).to_vec())
}

#[tokio::test]
async fn transfer_moves_value_and_pays_gas() {
    let folder = tempfile::tempdir().unwrap();
    let devnet = Devnet::open(folder.path()).unwrap();
    let (alice, bob) = (signer(1), signer(2).address());
    let provider = funded(&devnet, &alice).await;
    let before = provider.get_balance(alice.address()).await.unwrap();
    let transfer = TransactionRequest::default().with_to(bob).with_value(U256::from(TEN));
    let receipt = provider.send_transaction(transfer).await.unwrap().get_receipt().await.unwrap();
    assert_eq!(receipt.gas_used, 21_000);
    assert_eq!(provider.get_balance(bob).await.unwrap(), U256::from(TEN));
    let fee = U256::from(receipt.effective_gas_price * 21_000);
    assert_eq!(provider.get_balance(alice.address()).await.unwrap(), before - U256::from(TEN) - fee);
    assert_eq!(provider.get_chain_id().await.unwrap(), CHAIN_ID);
    assert_eq!(provider.get_transaction_count(alice.address()).await.unwrap(), 1);
}

#[tokio::test]
async fn transfer_of_more_than_the_balance_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let devnet = Devnet::open(folder.path()).unwrap();
    let provider = funded(&devnet, &signer(1)).await;
    let block = provider.get_block_number().await.unwrap();
    let transfer = TransactionRequest::default()
        .with_to(Address::ZERO)
        .with_value(U256::from(TEN) * U256::from(1000))
        .with_gas_limit(21_000);
    let error = provider.send_transaction(transfer).await.unwrap_err();
    assert!(error.to_string().contains("insufficient funds"), "{error}");
    assert_eq!(provider.get_block_number().await.unwrap(), block);
}

#[tokio::test]
async fn wrong_nonces_and_chain_ids_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let devnet = Devnet::open(folder.path()).unwrap();
    let provider = funded(&devnet, &signer(1)).await;
    let transfer = || TransactionRequest::default().with_to(Address::ZERO).with_gas_limit(21_000);
    provider.send_transaction(transfer()).await.unwrap().get_receipt().await.unwrap();
    for (request, word) in [
        (transfer().with_nonce(0).with_value(U256::from(1)), "nonce too low"),
        (transfer().with_nonce(5), "nonce too high"),
        (transfer().with_chain_id(1), "chain"),
        (transfer().with_max_fee_per_gas(1).with_max_priority_fee_per_gas(0), "basefee"),
        (transfer().with_gas_limit(20_000), "gas"),
    ] {
        let error = provider.send_transaction(request).await.unwrap_err().to_string();
        assert!(error.contains(word), "{word}: {error}");
    }
}

#[tokio::test]
async fn transaction_sent_twice_runs_once() {
    let folder = tempfile::tempdir().unwrap();
    let devnet = Devnet::open(folder.path()).unwrap();
    let alice = signer(1);
    let provider = funded(&devnet, &alice).await;
    let envelope = TransactionRequest::default()
        .with_to(Address::ZERO)
        .with_value(U256::from(1))
        .with_nonce(0)
        .with_gas_limit(21_000)
        .with_max_fee_per_gas(2_000_000_000)
        .with_max_priority_fee_per_gas(0)
        .with_chain_id(CHAIN_ID)
        .build(&EthereumWallet::from(alice))
        .await
        .unwrap();
    let raw = alloy::eips::Encodable2718::encoded_2718(&envelope);
    let first = *provider.send_raw_transaction(&raw).await.unwrap().tx_hash();
    let second = *provider.send_raw_transaction(&raw).await.unwrap().tx_hash();
    assert_eq!(first, second);
    assert_eq!(provider.get_balance(Address::ZERO).await.unwrap(), U256::from(1));
}

#[tokio::test]
async fn contract_code_storage_and_logs_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let devnet = Devnet::open(folder.path()).unwrap();
    let provider = funded(&devnet, &signer(1)).await;
    let notebook = deploy(&provider, &NOTEBOOK).await;
    assert_eq!(provider.get_code_at(notebook).await.unwrap().as_ref(), NOTEBOOK);
    let mut blocks = Vec::new();
    for word in [41, 42] {
        let receipt = provider.send_transaction(note(notebook, word)).await.unwrap().get_receipt().await.unwrap();
        assert!(receipt.status());
        blocks.push(receipt.block_number.unwrap());
    }
    assert_eq!(provider.get_storage_at(notebook, U256::ZERO).await.unwrap(), U256::from(42));
    let topic = B256::from(U256::from(7));
    let count = async |filter: Filter| provider.get_logs(&filter).await.unwrap().len();
    let all = Filter::new().from_block(0);
    assert_eq!(count(all.clone()).await, 2);
    assert_eq!(count(all.clone().address(notebook).event_signature(topic)).await, 2);
    assert_eq!(count(Filter::new().from_block(blocks[1])).await, 1);
    assert_eq!(count(Filter::new().from_block(0).to_block(blocks[0])).await, 1);
    assert_eq!(count(all.clone().address(Address::ZERO)).await, 0);
    assert_eq!(count(all.clone().event_signature(B256::ZERO)).await, 0);
    assert_eq!(count(all.topic1(topic)).await, 0);
    let log = &provider.get_logs(&Filter::new().from_block(blocks[0]).to_block(blocks[0])).await.unwrap()[0];
    assert_eq!(U256::from_be_slice(&log.inner.data.data), U256::from(41));
    assert_eq!(log.block_number, Some(blocks[0]));
}

#[tokio::test]
async fn revert_is_answered_with_code_3_and_data() {
    let folder = tempfile::tempdir().unwrap();
    let devnet = Devnet::open(folder.path()).unwrap();
    let provider = funded(&devnet, &signer(1)).await;
    // PUSH4 deadbeef PUSH1 0 MSTORE PUSH1 4 PUSH1 28 REVERT
    let contract = deploy(&provider, &hex!("63deadbeef5f526004601cfd")).await;
    let request = TransactionRequest::default().with_to(contract);
    for error in [
        provider.call(request.clone()).await.unwrap_err(),
        provider.estimate_gas(request.clone()).await.unwrap_err(),
    ] {
        let payload = error.as_error_resp().unwrap();
        assert_eq!(payload.code, 3);
        assert!(payload.message.contains("revert"), "{}", payload.message);
        assert_eq!(payload.as_revert_data().unwrap().as_ref(), hex!("deadbeef"));
    }
    let sent = provider.send_transaction(request.with_gas_limit(100_000)).await.unwrap();
    assert!(!sent.get_receipt().await.unwrap().status());
}

#[tokio::test]
async fn halted_call_is_an_error_that_is_not_a_revert() {
    let folder = tempfile::tempdir().unwrap();
    let devnet = Devnet::open(folder.path()).unwrap();
    let provider = funded(&devnet, &signer(1)).await;
    let contract = deploy(&provider, &[0xfe]).await;
    let error = provider.call(TransactionRequest::default().with_to(contract)).await.unwrap_err();
    let payload = error.as_error_resp().unwrap();
    assert_eq!(payload.code, -32000);
    assert!(payload.as_revert_data().is_none());
}

#[tokio::test]
async fn account_that_is_touched_and_empty_does_not_exist() {
    let folder = tempfile::tempdir().unwrap();
    let devnet = Devnet::open(folder.path()).unwrap();
    let provider = funded(&devnet, &signer(1)).await;
    let stranger = signer(9).address();
    let nothing = TransactionRequest::default().with_to(stranger).with_value(U256::ZERO);
    provider.send_transaction(nothing).await.unwrap().get_receipt().await.unwrap();
    assert!(devnet.ledger.lock().unwrap().state().account(&stranger).is_none());
    // The hash of an account that does not exist is zero: PUSH20 stranger EXTCODEHASH PUSH1 0 MSTORE PUSH1 32 PUSH1 0 RETURN
    let mut code = vec![0x73];
    code.extend_from_slice(stranger.as_slice());
    code.extend_from_slice(&hex!("3f5f5260205ff3"));
    let contract = deploy(&provider, &code).await;
    let hash = provider.call(TransactionRequest::default().with_to(contract)).await.unwrap();
    assert_eq!(hash.as_ref(), B256::ZERO);
}

#[tokio::test]
async fn block_hash_reaches_256_blocks_back() {
    let folder = tempfile::tempdir().unwrap();
    let devnet = Devnet::open(folder.path()).unwrap();
    let provider = funded(&devnet, &signer(1)).await;
    // PUSH1 0 CALLDATALOAD BLOCKHASH PUSH1 0 MSTORE PUSH1 32 PUSH1 0 RETURN
    let contract = deploy(&provider, &hex!("5f35405f5260205ff3")).await;
    for _ in 0..260 {
        let _: String = provider.raw_request("evm_mine".into(), ()).await.unwrap();
    }
    let next = provider.get_block_number().await.unwrap() + 1;
    let ask = async |number: u64| {
        let request = note(contract, number);
        B256::from_slice(&provider.call(request).block(BlockNumberOrTag::Pending.into()).await.unwrap())
    };
    for number in [next - 256, next - 255, next - 1] {
        let block = provider.get_block_by_number(number.into()).await.unwrap().unwrap();
        assert_eq!(ask(number).await, block.header.hash, "{number}");
        assert_eq!(block.header.hash, block.header.inner.hash_slow());
    }
    for number in [next - 257, next, next + 1] {
        assert_eq!(ask(number).await, B256::ZERO, "{number}");
    }
}

#[tokio::test]
async fn clock_moves_as_told_and_never_back() {
    let folder = tempfile::tempdir().unwrap();
    let devnet = Devnet::open(folder.path()).unwrap();
    let provider = funded(&devnet, &signer(1)).await;
    let time = async |tag: BlockNumberOrTag| provider.get_block_by_number(tag).await.unwrap().unwrap().header.timestamp;
    let mine = async || provider.raw_request::<_, String>("evm_mine".into(), ()).await.unwrap();
    let start = time(BlockNumberOrTag::Latest).await;
    let _: u64 = provider.raw_request("evm_increaseTime".into(), (3600,)).await.unwrap();
    assert!(time(BlockNumberOrTag::Pending).await >= start + 3600);
    mine().await;
    let later = time(BlockNumberOrTag::Latest).await;
    assert!((start + 3600..start + 3660).contains(&later));
    let exact = later + 86_400;
    let _: Option<u64> = provider.raw_request("evm_setNextBlockTimestamp".into(), (exact,)).await.unwrap();
    mine().await;
    assert_eq!(time(BlockNumberOrTag::Latest).await, exact);
    mine().await;
    assert!((exact..exact + 60).contains(&time(BlockNumberOrTag::Latest).await));
    let back: Result<Option<u64>, _> = provider.raw_request("evm_setNextBlockTimestamp".into(), (exact - 1,)).await;
    assert!(back.unwrap_err().to_string().contains("earlier"));
    drop(provider);
    drop(devnet);
    let devnet = Devnet::open(folder.path()).unwrap();
    let provider = funded(&devnet, &signer(1)).await;
    let pending = provider.get_block_by_number(BlockNumberOrTag::Pending).await.unwrap().unwrap();
    assert!((exact..exact + 120).contains(&pending.header.timestamp), "the clock survives a restart");
}

#[tokio::test]
async fn faucet_gives_once_and_then_only_when_little_is_left() {
    let folder = tempfile::tempdir().unwrap();
    let devnet = Devnet::open(folder.path()).unwrap();
    let provider = funded(&devnet, &signer(1)).await;
    let blocks = provider.get_block_number().await.unwrap();
    let again: Option<B256> = provider.raw_request("usufruct_fund".into(), (signer(1).address(),)).await.unwrap();
    assert_eq!(again, None);
    assert_eq!(provider.get_block_number().await.unwrap(), blocks);
}

#[tokio::test]
async fn unknown_methods_and_bad_parameters_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let devnet = Devnet::open(folder.path()).unwrap();
    let client = RpcClient::new(devnet, true);
    let code = async |method: &'static str, params: serde_json::Value| {
        let answer: Result<serde_json::Value, _> = client.request(method, params).await;
        answer.unwrap_err().as_error_resp().unwrap().code
    };
    assert_eq!(code("eth_sign", serde_json::json!([])).await, -32601);
    assert_eq!(code("eth_accounts_", serde_json::json!([])).await, -32601);
    assert_eq!(code("eth_getBalance", serde_json::json!([])).await, -32602);
    assert_eq!(code("eth_getBalance", serde_json::json!(["0x12"])).await, -32602);
    assert_eq!(code("eth_sendRawTransaction", serde_json::json!(["0x02ff"])).await, -32602);
    let overrides = serde_json::json!([{ "to": Address::ZERO }, "latest", { (Address::ZERO.to_string()): { "balance": "0x1" } }]);
    assert_eq!(code("eth_call", overrides).await, -32602);
    assert_eq!(code("eth_call", serde_json::json!([{ "to": Address::ZERO }, "0x5"])).await, -32000);
}

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

/// A chain with a contract and a few notes in it.
async fn busy_chain(folder: &Path) -> Devnet {
    let devnet = Devnet::open(folder).unwrap();
    let provider = funded(&devnet, &signer(1)).await;
    let notebook = deploy(&provider, &NOTEBOOK).await;
    for word in 1..5 {
        provider.send_transaction(note(notebook, word)).await.unwrap().get_receipt().await.unwrap();
    }
    devnet
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

#[tokio::test]
async fn torn_tail_of_every_length_is_cut_off() {
    let folder = tempfile::tempdir().unwrap();
    let devnet = busy_chain(folder.path()).await;
    let before = portrait(&devnet).await;
    drop(devnet);
    let path = folder.path().join("blocks");
    let whole = std::fs::read(&path).unwrap();
    let devnet = Devnet::open(folder.path()).unwrap();
    let client = RpcClient::new(devnet.clone(), true);
    let _: String = client.request_noparams("evm_mine").await.unwrap();
    drop((client, devnet));
    let longer = std::fs::read(&path).unwrap();
    for cut in (1..longer.len() - whole.len()).step_by(23) {
        std::fs::write(&path, &longer[..longer.len() - cut]).unwrap();
        let devnet = Devnet::open(folder.path()).unwrap();
        assert_eq!(portrait(&devnet).await, before, "{cut} bytes missing");
        drop(devnet);
        assert_eq!(std::fs::read(&path).unwrap(), whole, "{cut} bytes missing");
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
async fn damage_before_the_tail_is_refused_and_nothing_is_cut() {
    let folder = tempfile::tempdir().unwrap();
    drop(busy_chain(folder.path()).await);
    let path = folder.path().join("blocks");
    let whole = std::fs::read(&path).unwrap();
    for at in [0, 9, 16, 17, 18, 20, 40, 200, whole.len() / 2] {
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
    let genesis = |bytes: &[u8]| 16 + 12 + u32::from_le_bytes(bytes[16..20].try_into().unwrap()) as usize;
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
    for word in 0..1000 {
        let request = note(notebook, word).with_gas_limit(100_000).with_nonce(word + 1);
        let _ = provider.send_transaction(request).await.unwrap();
    }
    drop((provider, devnet));
    let start = Instant::now();
    let devnet = Devnet::open(folder.path()).unwrap();
    let took = start.elapsed();
    assert!(devnet.ledger.lock().unwrap().head().header.number > 1000);
    assert!(took < Duration::from_secs(2), "{took:?}");
}

#[test]
fn second_holder_of_a_chain_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let first = Devnet::open(folder.path()).unwrap();
    assert!(matches!(Devnet::open(folder.path()), Err(Error::Busy(_))));
    drop(first);
    Devnet::open(folder.path()).unwrap();
}

/// The folder a child process writes blocks into until it is killed.
const CRASH_FOLDER: &str = "USUFRUCT_TEST_CRASH_FOLDER";

/// Not a test by itself: the process that the next test kills.
#[tokio::test]
async fn child_that_is_killed() {
    let Some(folder) = std::env::var_os(CRASH_FOLDER) else { return };
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
    for round in 0..3u64 {
        let folder = tempfile::tempdir().unwrap();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "chain::devnet::tests::child_that_is_killed", "--nocapture"])
            .env(CRASH_FOLDER, folder.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut output = child.stdout.take().unwrap();
        std::thread::sleep(Duration::from_millis(900 + 137 * round));
        child.kill().unwrap();
        child.wait().unwrap();
        let mut text = String::new();
        output.read_to_string(&mut text).unwrap();
        let acknowledged: Vec<B256> = text
            .lines()
            .filter_map(|line| line.strip_prefix("acknowledged "))
            .filter_map(|hash| hash.parse().ok())
            .collect();
        assert!(acknowledged.len() > 3, "the child did nothing: {text}");
        let devnet = Devnet::open(folder.path()).unwrap();
        let ledger = devnet.ledger.lock().unwrap();
        for hash in &acknowledged {
            let receipt = ledger.block_of(hash).and_then(|block| block.included.as_ref()).unwrap();
            assert!(receipt.receipt.is_success());
        }
    }
}

async fn started(devnet: &Devnet, idle: Option<Duration>) -> (String, tokio::task::JoinHandle<crate::Result<()>>) {
    let server = Server::bind(devnet.clone(), ServerOptions { port: 0, idle }).await.unwrap();
    (server.url(), tokio::spawn(server.run(std::future::pending())))
}

#[tokio::test]
async fn server_gives_the_same_answers_and_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let devnet = busy_chain(folder.path()).await;
    let (url, server) = started(&devnet, None).await;
    let running = find(folder.path()).await.unwrap().unwrap();
    assert_eq!((running.url.as_str(), running.pid, running.chain_id), (url.as_str(), std::process::id(), CHAIN_ID));
    let provider = ProviderBuilder::new().connect_http(url.parse().unwrap());
    let inside = ProviderBuilder::new().connect_client(RpcClient::new(devnet.clone(), true));
    let (one, two) = (
        provider.get_block_by_number(BlockNumberOrTag::Latest).full().await.unwrap(),
        inside.get_block_by_number(BlockNumberOrTag::Latest).full().await.unwrap(),
    );
    assert_eq!(one, two);
    server.abort();
}

#[tokio::test]
async fn server_ends_when_nobody_asks() {
    let folder = tempfile::tempdir().unwrap();
    let devnet = Devnet::open(folder.path()).unwrap();
    let (_, server) = started(&devnet, Some(Duration::from_millis(300))).await;
    assert!(find(folder.path()).await.unwrap().is_some());
    tokio::time::timeout(Duration::from_secs(10), server).await.unwrap().unwrap().unwrap();
    assert!(!folder.path().join("network.json").exists());
    assert!(find(folder.path()).await.unwrap().is_none());
}

#[tokio::test]
async fn address_of_a_dead_server_is_not_believed() {
    let folder = tempfile::tempdir().unwrap();
    let devnet = Devnet::open(folder.path()).unwrap();
    let (_, server) = started(&devnet, None).await;
    server.abort();
    let _ = server.await;
    assert!(folder.path().join("network.json").exists());
    assert!(find(folder.path()).await.unwrap().is_none());
    std::fs::write(folder.path().join("network.json"), "{").unwrap();
    assert!(find(folder.path()).await.unwrap().is_none());
}

/// One HTTP request as bytes, and the status line of the answer.
async fn raw(url: &str, headers: &str) -> String {
    let address = url.strip_prefix("http://").unwrap().to_string();
    let body = r#"{"jsonrpc":"2.0","id":1,"method":"eth_chainId","params":[]}"#;
    let request = format!(
        "POST / HTTP/1.1\r\n{headers}content-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    let ask = move || {
        let mut stream = std::net::TcpStream::connect(&address).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer.lines().next().unwrap_or_default().to_string()
    };
    tokio::task::spawn_blocking(ask).await.unwrap()
}

#[tokio::test]
async fn server_refuses_browsers_and_foreign_hosts() {
    let folder = tempfile::tempdir().unwrap();
    let devnet = Devnet::open(folder.path()).unwrap();
    let (url, server) = started(&devnet, None).await;
    let host = url.strip_prefix("http://").unwrap();
    let port = host.rsplit(':').next().unwrap();
    assert!(raw(&url, &format!("host: {host}\r\n")).await.contains("200"));
    assert!(raw(&url, &format!("host: localhost:{port}\r\n")).await.contains("200"));
    for headers in [
        format!("host: evil.example:{port}\r\n"),
        "host: 127.0.0.1\r\n".to_string(),
        format!("host: {host}\r\norigin: https://evil.example\r\n"),
        format!("host: {host}\r\norigin: null\r\n"),
    ] {
        let status = raw(&url, &headers).await;
        assert!(status.contains("403"), "{headers}: {status}");
    }
    server.abort();
}

#[test]
fn lock_of_a_killed_holder_is_free() {
    let folder = tempfile::tempdir().unwrap();
    drop(Devnet::open(folder.path()).unwrap());
    assert!(folder.path().join("lock").exists());
    Devnet::open(folder.path()).unwrap();
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
    assert_ne!(keccak256(std::fs::read(&path).unwrap()), B256::ZERO);
}
