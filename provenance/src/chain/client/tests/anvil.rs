//! The same transactions on the embedded chain and on anvil: gas, status, logs and what the contracts hold are equal.
//!
//! Needs the binary from `contracts/node_modules` or at `USUFRUCT_ANVIL`; without it these tests fail.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use alloy::consensus::Transaction as _;
use alloy::eips::Encodable2718;
use alloy::eips::eip2930::{AccessList, AccessListItem};
use alloy::network::{EthereumWallet, NetworkTransactionBuilder, TransactionBuilder};
use alloy::primitives::{Address, B256, Bytes, U256, address, hex};
use alloy::providers::{DynProvider, Provider};
use alloy::rpc::types::{TransactionReceipt, TransactionRequest};
use alloy::sol_types::SolEvent;

use super::Endpoint;
use crate::chain::Signer;
use crate::chain::bindings::JobEscrow::JobDrawn;
use crate::chain::devnet::{CHAIN_ID, Devnet};

/// A running anvil; ends with the value.
pub(super) struct Anvil {
    child: Child,
    pub(super) url: String,
}

impl Anvil {
    pub(super) fn start() -> Self {
        Self::with(&[])
    }

    /// Anvil whose first block has this time, so that two of them are two chains.
    pub(super) fn start_at(time: u64) -> Self {
        Self::with(&["--timestamp", &time.to_string()])
    }

    /// Anvil that keeps no past states, as most nodes keep few.
    pub(super) fn start_forgetful() -> Self {
        Self::with(&["--prune-history"])
    }

    fn with(more: &[&str]) -> Self {
        let path = binary();
        assert!(
            path.exists(),
            "anvil is missing at {}: run `npm install` in contracts, or set USUFRUCT_ANVIL",
            path.display()
        );
        let mut child = Command::new(&path)
            .args(["--host", "127.0.0.1", "--port", "0", "--chain-id", "181818", "--hardfork", "prague"])
            .args(more)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let address = lines.find_map(|line| line.strip_prefix("Listening on ").map(str::to_string)).unwrap();
        // Whoever stops reading makes the writer wait.
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, url: format!("http://{address}") }
    }

    pub(super) fn endpoint(&self) -> Endpoint {
        Endpoint::Http(self.url.clone())
    }
}

impl Drop for Anvil {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn binary() -> PathBuf {
    if let Some(path) = std::env::var_os("USUFRUCT_ANVIL") {
        return path.into();
    }
    let arch = if std::env::consts::ARCH == "aarch64" { "arm64" } else { "amd64" };
    let package = format!("../contracts/node_modules/@foundry-rs/anvil-linux-{arch}/bin/anvil");
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(package)
}

#[tokio::test]
async fn whole_job_runs_on_anvil() {
    let anvil = Anvil::start();
    let world = super::world::on(anvil.endpoint()).await;
    super::journey::whole_job(&world).await;
}

/// One transaction as it is compared.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    from: Address,
    to: Option<Address>,
    status: bool,
    /// Gas without the data's price, which depends on the zero bytes in a random challenge.
    gas: u64,
    logs: Vec<(Address, Vec<B256>, Vec<B256>)>,
}

/// Every transaction that `people` sent, in order.
async fn seen(provider: &DynProvider, people: &[Address]) -> Vec<Seen> {
    let mut all = Vec::new();
    for number in 1..=provider.get_block_number().await.unwrap() {
        let block = provider.get_block_by_number(number.into()).full().await.unwrap().unwrap();
        for transaction in block.transactions.into_transactions() {
            if people.contains(&transaction.inner.signer()) {
                let receipt = provider.get_transaction_receipt(*transaction.inner.tx_hash()).await.unwrap().unwrap();
                all.push(compared(&transaction.inner.input().clone(), receipt));
            }
        }
    }
    all
}

fn compared(input: &[u8], receipt: TransactionReceipt) -> Seen {
    let zeros = input.iter().filter(|byte| **byte == 0).count() as u64;
    let price = 4 * zeros + 16 * (input.len() as u64 - zeros);
    let logs = receipt.logs().iter().map(|log| {
        let drawn = log.topic0() == Some(&JobDrawn::SIGNATURE_HASH);
        let words = log.data().data.chunks(32).map(|word| masked(word, drawn)).collect();
        (log.address(), log.topics().to_vec(), words)
    });
    Seen {
        from: receipt.from,
        to: receipt.to,
        status: receipt.status(),
        gas: receipt.gas_used - price,
        logs: logs.collect(),
    }
}

/// Times differ by the seconds between two runs, and the challenge by the block's hash.
fn masked(word: &[u8], drawn: bool) -> B256 {
    let value = U256::from_be_slice(word);
    let is_time = value > U256::from(1_700_000_000u64) && value < U256::from(3_000_000_000u64);
    if drawn || is_time { B256::ZERO } else { value.into() }
}

#[tokio::test]
async fn journey_is_the_same_on_both_nodes() {
    let anvil = Anvil::start();
    // The embedded chain's faucet takes a block for each of the four accounts; anvil's does not.
    let link = super::Link::open(anvil.endpoint()).await.unwrap();
    for _ in 0..4 {
        let _: serde_json::Value = link.provider().raw_request("evm_mine".into(), ()).await.unwrap();
    }
    let (there, here) = (super::world::on(anvil.endpoint()).await, super::world::embedded().await);
    let mut both = Vec::new();
    for world in [&there, &here] {
        super::journey::whole_job(world).await;
        let people = [&world.owner, &world.licensee, &world.stranger].map(|person| person.address());
        let deployer = world.chain.profile().datasets;
        let mut transactions = seen(world.chain.link.provider(), &people).await;
        assert!(transactions.len() >= 10, "{}", transactions.len());
        let mut holdings = Vec::new();
        for person in people.iter().chain(&[world.chain.profile().escrow]) {
            holdings.push(world.chain.token_balance(*person, world.token()).await.unwrap());
            holdings.push(world.chain.claimable(*person, world.token()).await.unwrap());
        }
        let record = world.chain.jobs_for(world.owner.address()).await.unwrap().remove(0);
        let head = world.chain.head(record.details.dataset).await.unwrap();
        transactions.sort_by_key(|transaction| transaction.from);
        let held = storage(&world.chain, record.details.dataset, &people).await;
        assert!(held.iter().filter(|word| !word.is_zero()).count() >= 8, "{held:?}");
        let provider = world.chain.link.provider();
        let coins = coins_but_for_gas(provider, &people).await;
        for contract in world.chain.profile().code_hashes.keys() {
            assert_eq!(provider.get_balance(*contract).await.unwrap(), U256::ZERO, "{contract} takes no coins");
        }
        let codes = world.chain.profile().code_hashes.clone();
        both.push((transactions, holdings, head, record.id, deployer, codes, held, coins));
    }
    assert_eq!(both[0], both[1]);
}

/// The chain's own coins of each of `people`, with what gas cost them added: the nodes' base fees differ, nothing else may.
async fn coins_but_for_gas(provider: &DynProvider, people: &[Address]) -> Vec<U256> {
    let bare = balances(provider, people).await;
    let mut coins = bare.clone();
    for number in 1..=provider.get_block_number().await.unwrap() {
        for receipt in provider.get_block_receipts(number.into()).await.unwrap().unwrap() {
            if let Some(at) = people.iter().position(|person| *person == receipt.from) {
                coins[at] += super::link::summary(&receipt).fee;
            }
        }
    }
    assert!(coins.iter().zip(&bare).all(|(with, without)| with > without), "somebody paid for no gas");
    coins
}

/// The first storage slots of every contract, and those of a dataset and of people in its mappings. What is kept of jobs
/// and licenses hashes times, which differ between two runs; the client compares it with the events on each chain.
async fn storage(chain: &super::Chain, dataset: B256, people: &[Address]) -> Vec<U256> {
    let profile = chain.profile();
    let contracts = [profile.datasets, profile.licenses, profile.escrow, profile.currencies[0].token];
    let keys: Vec<B256> = people.iter().map(|person| person.into_word()).chain([dataset]).collect();
    let mut words = Vec::new();
    for contract in contracts {
        for position in 0..12 {
            words.push(chain.storage(contract, U256::from(position)).await.unwrap());
            for key in &keys {
                words.push(chain.storage(contract, super::mapping_slot(*key, position)).await.unwrap());
            }
        }
    }
    words
}

/// The chain's own coins of each of `people`.
async fn balances(provider: &DynProvider, people: &[Address]) -> Vec<U256> {
    let mut balances = Vec::new();
    for person in people {
        balances.push(provider.get_balance(*person).await.unwrap());
    }
    balances
}

/// A signed transaction that both chains are given.
async fn signed(signer: &Signer, nonce: u64, request: TransactionRequest) -> Vec<u8> {
    let request = request.with_nonce(nonce).with_chain_id(CHAIN_ID);
    let envelope = request.build(&EthereumWallet::from(signer.clone())).await.unwrap();
    envelope.encoded_2718()
}

/// MSTORE(0, 8); CALL(gas, callee, 0, 0, 32, 0, 0); SSTORE(1, the chain id).
fn call_with_eight(callee: Address) -> Vec<u8> {
    let mut code = hex!("60085f525f5f60205f5f73").to_vec();
    code.extend_from_slice(callee.as_slice());
    code.extend_from_slice(&hex!("5af1504660015500"));
    code
}

/// Transactions that reach into the corners of the gas rules; the addresses follow from the sender's nonces.
fn corners(sender: Address) -> Vec<TransactionRequest> {
    let base = || {
        TransactionRequest::default()
            .with_gas_limit(300_000)
            .with_max_fee_per_gas(20_000_000_000)
            .with_max_priority_fee_per_gas(1)
    };
    let create = |runtime: &[u8]| {
        let mut code =
            vec![0x60, u8::try_from(runtime.len()).unwrap(), 0x80, 0x60, 0x0b, 0x60, 0x00, 0x39, 0x60, 0x00, 0xf3];
        code.extend_from_slice(runtime);
        base().with_deploy_code(Bytes::from(code))
    };
    let call = |nonce: u64, input: Vec<u8>| base().with_to(sender.create(nonce)).with_input(input);
    let word = |value: u64| B256::from(U256::from(value)).to_vec();
    let point = [word(1), word(2), word(77)].concat();
    vec![
        // 0: stores its first word in slot 0 and logs it.
        create(&hex!("5f35805f555f52600760205fa100")),
        // 1: calls the first contract with the number 8 and all but a 64th of its gas, then keeps the chain id.
        create(&call_with_eight(sender.create(0))),
        // 2: creates a contract whose constructor destroys it: CREATE of `33ff`.
        create(&hex!("6133ff5f526002601e5ff0 5f55 00")),
        // 3: reverts with four bytes.
        create(&hex!("63deadbeef5f526004601cfd")),
        // 4: an opcode that does not exist.
        create(&hex!("fe")),
        // 5: keeps a transient word and reads it back into a slot.
        create(&hex!("602a5f5d5f5c60015500")),
        call(0, word(5)),
        call(0, word(5)),
        call(0, word(6)),
        // Clearing a slot gives a refund.
        call(0, word(0)),
        call(1, Vec::new()),
        call(2, Vec::new()),
        call(3, Vec::new()),
        call(4, Vec::new()),
        call(5, Vec::new()),
        // Not enough gas for the store.
        call(0, word(9)).with_gas_limit(30_000),
        // Much data: the floor price of data applies.
        base().with_to(Address::ZERO).with_input(vec![0xff; 2000]),
        // A precompile called directly.
        base().with_to(address!("0000000000000000000000000000000000000007")).with_input(point),
        base().with_to(address!("0000000000000000000000000000000000000008")).with_input(vec![0; 192]),
        base().with_to(address!("0000000000000000000000000000000000000008")).with_input(vec![1; 192]),
        // A transfer to nobody, and one of nothing to nobody.
        base().with_to(Address::repeat_byte(0x99)).with_value(U256::from(1)),
        base().with_to(Address::repeat_byte(0x98)),
        // An access list, and a transaction of the oldest kind.
        call(0, word(3)).with_access_list(AccessList(vec![AccessListItem {
            address: sender.create(0),
            storage_keys: vec![B256::ZERO],
        }])),
        TransactionRequest::default()
            .with_gas_limit(100_000)
            .with_gas_price(20_000_000_000)
            .with_to(sender.create(0))
            .with_input(word(4)),
    ]
}

#[tokio::test]
async fn corners_of_the_gas_rules_are_the_same_on_both_nodes() {
    let anvil = Anvil::start();
    let folder = tempfile::tempdir().unwrap();
    let devnet = Devnet::open(folder.path()).unwrap();
    let signer = Signer::from_bytes(&B256::repeat_byte(0x5a)).unwrap();
    let links = [
        super::Link::open(anvil.endpoint()).await.unwrap(),
        super::Link::open(Endpoint::Embedded(devnet)).await.unwrap(),
    ];
    for link in &links {
        link.fund(signer.address()).await.unwrap();
    }
    // The embedded chain's base fee never changes; anvil is told it before each block.
    let base_fee = links[1].provider().get_gas_price().await.unwrap();
    let people = [signer.address(), Address::ZERO, Address::repeat_byte(0x99), Address::repeat_byte(0x98)];
    for (nonce, request) in corners(signer.address()).into_iter().enumerate() {
        let raw = signed(&signer, nonce as u64, request).await;
        let mut receipts = Vec::new();
        let told = links[0].provider().raw_request("anvil_setNextBlockBaseFeePerGas".into(), (U256::from(base_fee),));
        let _: serde_json::Value = told.await.unwrap();
        for link in &links {
            let pending = link.provider().send_raw_transaction(&raw).await.unwrap();
            let receipt = pending.get_receipt().await.unwrap();
            let logs: Vec<_> = receipt.logs().iter().map(|log| log.inner.clone()).collect();
            let bloom = *receipt.inner.logs_bloom();
            receipts.push((
                receipt.status(),
                receipt.gas_used,
                receipt.contract_address,
                logs,
                bloom,
                receipt.transaction_type(),
                receipt.effective_gas_price,
                balances(link.provider(), &people).await,
            ));
        }
        assert_eq!(receipts[0], receipts[1], "transaction {nonce}");
    }
    let slots = async |link: &super::Link| {
        let mut slots = Vec::new();
        for nonce in 0..6 {
            for slot in 0..2 {
                let contract = signer.address().create(nonce);
                slots.push(link.provider().get_storage_at(contract, U256::from(slot)).await.unwrap());
            }
        }
        slots
    };
    assert_eq!(slots(&links[0]).await, slots(&links[1]).await);
}

#[tokio::test]
async fn refusals_are_the_same_words_on_both_nodes() {
    let anvil = Anvil::start();
    let (there, here) = (super::world::on(anvil.endpoint()).await, super::world::embedded().await);
    let mut both = Vec::new();
    for world in [&there, &here] {
        let job = world.accepted().await;
        let poor = Signer::from_bytes(&B256::repeat_byte(0xee)).unwrap();
        both.push([
            format!("{:?}", world.chain.settle(&world.owner, job, &[[1; 32]; 8], [2; 32]).await.unwrap_err()),
            format!("{:?}", world.chain.reject(&world.stranger, job).await.unwrap_err()),
            format!("{:?}", world.chain.commit(&world.owner, job, &super::world::output()).await.unwrap_err()),
            format!("{:?}", world.chain.withdraw(&world.owner, world.token()).await.unwrap_err()),
            matches!(world.chain.announce(&poor, B256::ZERO).await, Err(crate::Error::Refused(_))).to_string(),
        ]);
    }
    assert_eq!(both[0], both[1]);
    assert!(both[0][0].contains("KeyMismatch") && both[0][4] == "true", "{:?}", both[0]);
}
