//! The embedded chain through the client library that the product uses, across crashes, and over HTTP.

mod disk;
mod rules;
mod server;

use std::path::Path;
use std::time::Duration;

use alloy::network::{EthereumWallet, TransactionBuilder};
use alloy::primitives::{Address, B256, Bytes, U256, hex};
use alloy::providers::{Provider, ProviderBuilder};
use alloy::rpc::client::RpcClient;
use alloy::rpc::types::TransactionRequest;
use alloy::signers::local::PrivateKeySigner;

use super::*;

pub(super) const TEN: u128 = 10_000_000_000_000_000_000;

pub(super) fn signer(byte: u8) -> PrivateKeySigner {
    PrivateKeySigner::from_bytes(&B256::repeat_byte(byte)).unwrap()
}

/// A provider on `devnet` that signs for `who`, who has gas money.
pub(super) async fn funded(devnet: &Devnet, who: &PrivateKeySigner) -> impl Provider + use<> {
    let provider = ProviderBuilder::new()
        .with_simple_nonce_management()
        .wallet(EthereumWallet::from(who.clone()))
        .connect_client(RpcClient::new(devnet.clone(), true).with_poll_interval(Duration::from_millis(1)));
    let _: Option<B256> = provider.raw_request("usufruct_fund".into(), (who.address(),)).await.unwrap();
    provider
}

/// Initialization code that returns `runtime` as the contract's code.
pub(super) fn creation(runtime: &[u8]) -> Bytes {
    let size = u8::try_from(runtime.len()).unwrap();
    // PUSH1 size DUP1 PUSH1 11 PUSH1 0 CODECOPY PUSH1 0 RETURN
    let mut code = vec![0x60, size, 0x80, 0x60, 0x0b, 0x60, 0x00, 0x39, 0x60, 0x00, 0xf3];
    code.extend_from_slice(runtime);
    code.into()
}

/// Stores the first call word at slot 0 and logs it under topic 0x07: SSTORE, then LOG1.
pub(super) const NOTEBOOK: [u8; 14] = hex!("5f35805f555f52600760205fa100");

pub(super) async fn deploy(provider: &impl Provider, runtime: &[u8]) -> Address {
    let request = TransactionRequest::default().with_deploy_code(creation(runtime));
    let receipt = provider.send_transaction(request).await.unwrap().get_receipt().await.unwrap();
    assert!(receipt.status());
    receipt.contract_address.unwrap()
}

pub(super) fn note(contract: Address, word: u64) -> TransactionRequest {
    TransactionRequest::default().with_to(contract).with_input(B256::from(U256::from(word)).to_vec())
}

/// A chain with a contract and a few notes in it.
pub(super) async fn busy_chain(folder: &Path) -> Devnet {
    let devnet = Devnet::open(folder).unwrap();
    let provider = funded(&devnet, &signer(1)).await;
    let notebook = deploy(&provider, &NOTEBOOK).await;
    for word in 1..5 {
        provider.send_transaction(note(notebook, word)).await.unwrap().get_receipt().await.unwrap();
    }
    devnet
}
