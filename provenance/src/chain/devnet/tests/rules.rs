//! What transactions, calls and questions do.

use alloy::eips::BlockNumberOrTag;
use alloy::network::{EthereumWallet, NetworkTransactionBuilder, TransactionBuilder};
use alloy::primitives::{Address, B256, U256, hex};
use alloy::providers::Provider;
use alloy::rpc::client::RpcClient;
use alloy::rpc::types::{Filter, TransactionRequest};

use super::{CHAIN_ID, Devnet, NOTEBOOK, TEN, deploy, funded, note, signer};

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
    for error in
        [provider.call(request.clone()).await.unwrap_err(), provider.estimate_gas(request.clone()).await.unwrap_err()]
    {
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
    let overrides =
        serde_json::json!([{ "to": Address::ZERO }, "latest", { (Address::ZERO.to_string()): { "balance": "0x1" } }]);
    assert_eq!(code("eth_call", overrides).await, -32602);
    assert_eq!(code("eth_call", serde_json::json!([{ "to": Address::ZERO }, "0x5"])).await, -32000);
}
