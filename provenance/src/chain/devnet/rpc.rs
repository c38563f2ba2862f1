//! The JSON-RPC methods of the embedded chain: the smallest set that wallets and clients need.

use alloy::consensus::TxEnvelope;
use alloy::eips::eip2718::Decodable2718;
use alloy::eips::{BlockId, BlockNumberOrTag};
use alloy::primitives::{Address, B256, Bytes, U64, U256, hex};
use alloy::rpc::types::{Filter, TransactionRequest};
use alloy::sol_types::decode_revert_reason;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::ledger::{BASE_FEE, Block, CHAIN_ID, Ledger};
use super::{answer, estimate, faucet};

/// Why a request was not answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) code: i64,
    pub(super) message: String,
    pub(super) data: Option<Value>,
}

impl Failure {
    /// Something on this side failed, or the execution halted (-32000).
    pub(super) fn server(message: impl Into<String>) -> Self {
        Self { code: -32000, message: message.into(), data: None }
    }

    /// The chain does not take the transaction (-32003).
    pub(super) fn refused(message: impl Into<String>) -> Self {
        Self { code: -32003, message: message.into(), data: None }
    }

    /// A parameter is missing or wrong (-32602).
    pub(super) fn parameter(message: impl Into<String>) -> Self {
        Self { code: -32602, message: message.into(), data: None }
    }

    /// The method is not one of ours (-32601).
    fn method(name: &str) -> Self {
        Self { code: -32601, message: format!("the method {name} is not available"), data: None }
    }

    /// The contract reverted: code 3, the word "revert" and the data, as other nodes answer.
    pub(super) fn reverted(output: &Bytes) -> Self {
        let message = match decode_revert_reason(output) {
            Some(reason) => format!("execution reverted: {reason}"),
            None => "execution reverted".to_string(),
        };
        Self { code: 3, message, data: Some(json!(hex::encode_prefixed(output))) }
    }
}

/// Where in the chain a question about state is asked. Past states are not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Moment {
    /// As in the newest block.
    Latest,
    /// As in the block that comes next.
    Pending,
}

/// Answers one request.
///
/// # Errors
/// The failure to send back.
pub(super) fn answer(ledger: &mut Ledger, method: &str, params: &Value) -> Result<Value, Failure> {
    let params = Params(params.as_array().map_or(&[], Vec::as_slice));
    match method {
        "eth_chainId" => Ok(json!(U64::from(CHAIN_ID))),
        "net_version" => Ok(json!(CHAIN_ID.to_string())),
        "web3_clientVersion" => Ok(json!(concat!("usufruct/", env!("CARGO_PKG_VERSION")))),
        "eth_blockNumber" => Ok(json!(U64::from(ledger.head().header.number))),
        "eth_gasPrice" => Ok(json!(U64::from(BASE_FEE))),
        "eth_maxPriorityFeePerGas" => Ok(json!(U64::ZERO)),
        "eth_feeHistory" => fee_history(ledger, &params),
        "eth_getBlockByNumber" => block_by_number(ledger, &params),
        "eth_getBlockByHash" => {
            Ok(answer::block_or_null(ledger.block_by_hash(&params.required(0)?), params.or_default(1)?))
        }
        "eth_getTransactionByHash" => {
            Ok(ledger.block_of(&params.required(0)?).map_or(Value::Null, answer::transaction))
        }
        "eth_getTransactionReceipt" => Ok(ledger.block_of(&params.required(0)?).map_or(Value::Null, answer::receipt)),
        "eth_getBlockReceipts" => block_receipts(ledger, &params),
        "eth_getLogs" => logs(ledger, &params.required(0)?),
        "eth_getTransactionCount" | "eth_getBalance" | "eth_getCode" | "eth_getStorageAt" => {
            account(ledger, method, &params)
        }
        "eth_call" | "eth_estimateGas" => simulate(ledger, method, &params),
        "eth_sendRawTransaction" => send(ledger, &params.required(0)?),
        "evm_increaseTime" => Ok(json!(ledger.increase_time(params.seconds(0)?))),
        "evm_setNextBlockTimestamp" => ledger.set_next_timestamp(params.seconds(0)?).map(|()| Value::Null),
        "evm_mine" => ledger.mine().map(|()| json!("0x0")),
        "usufruct_fund" => faucet::fund(ledger, params.required(0)?),
        _ => Err(Failure::method(method)),
    }
}

fn account(ledger: &Ledger, method: &str, params: &Params) -> Result<Value, Failure> {
    let address: Address = params.required(0)?;
    let state = ledger.state();
    if method == "eth_getStorageAt" {
        let key: U256 = params.required(1)?;
        params.moment(2, ledger)?;
        return Ok(json!(B256::from(state.slot(&address, &key))));
    }
    params.moment(1, ledger)?;
    let found = state.account(&address);
    Ok(match method {
        "eth_getTransactionCount" => json!(U64::from(found.map_or(0, |account| account.nonce))),
        "eth_getBalance" => json!(found.map_or(U256::ZERO, |account| account.balance)),
        _ => json!(state.code(&address)),
    })
}

fn simulate(ledger: &Ledger, method: &str, params: &Params) -> Result<Value, Failure> {
    let request: TransactionRequest = params.required(0)?;
    if params.0.get(2).is_some_and(|overrides| overrides.as_object().is_some_and(|map| !map.is_empty())) {
        return Err(Failure::parameter("state overrides are not supported"));
    }
    let header = match params.moment(1, ledger)? {
        Moment::Latest => ledger.head().header.clone(),
        Moment::Pending => ledger.pending(),
    };
    if method == "eth_call" {
        estimate::call(ledger.state(), &header, &request).map(|output| json!(output))
    } else {
        // The transaction will run in the next block, whatever block the question names.
        estimate::gas(ledger.state(), &ledger.pending(), &request).map(|gas| json!(U64::from(gas)))
    }
}

fn send(ledger: &mut Ledger, raw: &Bytes) -> Result<Value, Failure> {
    let transaction = TxEnvelope::decode_2718_exact(raw)
        .map_err(|error| Failure::parameter(format!("the transaction cannot be read: {error}")))?;
    ledger.submit(transaction).map(|hash| json!(hash))
}

fn block_by_number(ledger: &Ledger, params: &Params) -> Result<Value, Failure> {
    let full = params.or_default(1)?;
    match params.required(0)? {
        BlockNumberOrTag::Pending => {
            let header = ledger.pending();
            let pending = Block { hash: header.hash_slow(), header, included: None };
            Ok(answer::block(&pending, full))
        }
        tag => Ok(answer::block_or_null(ledger.block(number_of(ledger, tag)), full)),
    }
}

fn block_receipts(ledger: &Ledger, params: &Params) -> Result<Value, Failure> {
    let block = match params.required(0)? {
        BlockId::Hash(hash) => ledger.block_by_hash(&hash.block_hash),
        BlockId::Number(tag) => ledger.block(number_of(ledger, tag)),
    };
    Ok(block.map_or(Value::Null, |block| match block.included {
        Some(_) => json!([answer::receipt(block)]),
        None => json!([]),
    }))
}

fn number_of(ledger: &Ledger, tag: BlockNumberOrTag) -> u64 {
    match tag {
        BlockNumberOrTag::Number(number) => number,
        BlockNumberOrTag::Earliest => 0,
        _ => ledger.head().header.number,
    }
}

fn logs(ledger: &Ledger, filter: &Filter) -> Result<Value, Failure> {
    let head = ledger.head().header.number;
    let (from, to) = match filter.block_option.as_block_hash() {
        Some(hash) => {
            let block = ledger.block_by_hash(hash).ok_or_else(|| Failure::server("unknown block"))?;
            (block.header.number, block.header.number)
        }
        None => {
            let number = |tag: Option<&BlockNumberOrTag>| tag.map_or(head, |tag| number_of(ledger, *tag));
            (number(filter.block_option.get_from_block()), number(filter.block_option.get_to_block()).min(head))
        }
    };
    if from > to && filter.block_option.get_to_block().is_some_and(|to| number_of(ledger, *to) < from) {
        return Err(Failure::parameter("the range of blocks ends before it begins"));
    }
    let blocks = (from..=to).filter_map(|number| ledger.block(number));
    let found = blocks
        .filter(|block| filter.matches_bloom(block.header.logs_bloom))
        .flat_map(answer::logs)
        .filter(|log| filter.matches(&log.inner));
    Ok(json!(found.collect::<Vec<_>>()))
}

fn fee_history(ledger: &Ledger, params: &Params) -> Result<Value, Failure> {
    let count: U64 = params.required(0)?;
    let newest = number_of(ledger, params.required(1)?).min(ledger.head().header.number);
    let percentiles: Option<Vec<f64>> = params.or_default(2)?;
    let count = count.to::<u64>().clamp(1, 1024).min(newest + 1);
    Ok(answer::fee_history(ledger, newest + 1 - count..=newest, percentiles.map(|list| list.len())))
}

/// The positional parameters of a request.
struct Params<'a>(&'a [Value]);

impl Params<'_> {
    fn required<T: DeserializeOwned>(&self, at: usize) -> Result<T, Failure> {
        let value = self.0.get(at).ok_or_else(|| Failure::parameter(format!("parameter {at} is missing")))?;
        T::deserialize(value).map_err(|error| Failure::parameter(format!("parameter {at}: {error}")))
    }

    fn or_default<T: DeserializeOwned + Default>(&self, at: usize) -> Result<T, Failure> {
        if self.0.get(at).is_none_or(Value::is_null) { Ok(T::default()) } else { self.required(at) }
    }

    /// Seconds as a number or as a hexadecimal string; both are in use.
    fn seconds(&self, at: usize) -> Result<u64, Failure> {
        match self.0.get(at).and_then(Value::as_u64) {
            Some(seconds) => Ok(seconds),
            None => Ok(self.required::<U64>(at)?.to()),
        }
    }

    fn moment(&self, at: usize, ledger: &Ledger) -> Result<Moment, Failure> {
        let head = ledger.head();
        let id: Option<BlockId> = self.or_default(at)?;
        let past = || Failure::server("the state of past blocks is not kept");
        match id {
            Some(BlockId::Number(BlockNumberOrTag::Pending)) => Ok(Moment::Pending),
            Some(BlockId::Number(BlockNumberOrTag::Earliest)) if head.header.number > 0 => Err(past()),
            Some(BlockId::Number(BlockNumberOrTag::Number(number))) if number != head.header.number => Err(past()),
            Some(BlockId::Hash(hash)) if hash.block_hash != head.hash => Err(past()),
            _ => Ok(Moment::Latest),
        }
    }
}
