//! Running transactions and calls on revm, with the fork and the chain id pinned.

use alloy::consensus::{Header, Transaction as _, TxEnvelope};
use alloy::primitives::{Address, Bytes, TxKind, U256};
use alloy::rpc::types::TransactionRequest;
use revm::context::result::{EVMError, ExecutionResult, InvalidTransaction, ResultAndState};
use revm::context::{BlockEnv, CfgEnv, Context, TxEnv};
use revm::context_interface::block::BlobExcessGasAndPrice;
use revm::context_interface::either::Either;
use revm::database_interface::WrapDatabaseRef;
use revm::primitives::eip4844::BLOB_BASE_FEE_UPDATE_FRACTION_PRAGUE;
use revm::primitives::hardfork::SpecId;
use revm::{ExecuteEvm, MainBuilder, MainContext};

use super::rpc::Failure;
use super::state::State;

/// The rules of the embedded chain. Pinned: a later default would cap a transaction at 16.7 million gas.
const FORK: SpecId = SpecId::PRAGUE;

/// What a call or transaction did.
pub(super) type Outcome = ResultAndState;

/// Runs a signed transaction in the block that `header` begins.
///
/// # Errors
/// A failure when the chain would not include the transaction at all; a revert is an outcome.
pub(super) fn transaction(
    state: &State,
    header: &Header,
    chain_id: u64,
    envelope: &TxEnvelope,
    sender: Address,
) -> Result<Outcome, Failure> {
    run(state, header, strict(chain_id), signed(envelope, sender))
}

/// Runs an unsigned call in the block that `header` describes: no nonce, no fees.
///
/// # Errors
/// A failure when the call cannot start, for want of balance or gas.
pub(super) fn call(
    state: &State,
    header: &Header,
    chain_id: u64,
    request: &TransactionRequest,
    gas: u64,
) -> Result<Outcome, Failure> {
    let mut rules = strict(chain_id);
    rules.disable_nonce_check = true;
    rules.disable_eip3607 = true;
    rules.disable_base_fee = true;
    run(state, header, rules, unsigned(request, chain_id, gas))
}

/// What a reverted or halted execution is answered with; `None` when it succeeded.
pub(super) fn refusal(result: &ExecutionResult) -> Option<Failure> {
    match result {
        ExecutionResult::Success { .. } => None,
        ExecutionResult::Revert { output, .. } => Some(Failure::reverted(output)),
        ExecutionResult::Halt { reason, .. } => Some(Failure::server(format!("EVM error {reason:?}"))),
    }
}

fn strict(chain_id: u64) -> CfgEnv {
    CfgEnv::new().with_chain_id(chain_id).with_spec_and_mainnet_gas_params(FORK)
}

fn run(state: &State, header: &Header, rules: CfgEnv, tx: TxEnv) -> Result<Outcome, Failure> {
    let mut evm = Context::mainnet()
        .with_db(WrapDatabaseRef(state))
        .with_cfg(rules)
        .with_block(environment(header))
        .build_mainnet();
    evm.transact(tx).map_err(|error| match error {
        EVMError::Transaction(InvalidTransaction::LackOfFundForMaxFee { fee, balance }) => {
            Failure::refused(format!("insufficient funds for gas * price + value: have {balance} want {fee}"))
        }
        EVMError::Transaction(InvalidTransaction::NonceTooLow { tx, state }) => {
            Failure::refused(format!("nonce too low: next nonce {state}, tx nonce {tx}"))
        }
        EVMError::Transaction(InvalidTransaction::NonceTooHigh { tx, state }) => {
            Failure::refused(format!("nonce too high: next nonce {state}, tx nonce {tx}"))
        }
        EVMError::Transaction(invalid) => Failure::refused(invalid.to_string()),
        other => Failure::server(other.to_string()),
    })
}

fn environment(header: &Header) -> BlockEnv {
    BlockEnv {
        number: U256::from(header.number),
        beneficiary: header.beneficiary,
        timestamp: U256::from(header.timestamp),
        gas_limit: header.gas_limit,
        basefee: header.base_fee_per_gas.unwrap_or_default(),
        difficulty: U256::ZERO,
        prevrandao: Some(header.mix_hash),
        blob_excess_gas_and_price: Some(BlobExcessGasAndPrice::new(0, BLOB_BASE_FEE_UPDATE_FRACTION_PRAGUE)),
        ..BlockEnv::default()
    }
}

fn signed(envelope: &TxEnvelope, sender: Address) -> TxEnv {
    TxEnv {
        tx_type: envelope.tx_type() as u8,
        caller: sender,
        gas_limit: envelope.gas_limit(),
        gas_price: envelope.max_fee_per_gas(),
        kind: envelope.kind(),
        value: envelope.value(),
        data: envelope.input().clone(),
        nonce: envelope.nonce(),
        chain_id: envelope.chain_id(),
        access_list: envelope.access_list().cloned().unwrap_or_default(),
        gas_priority_fee: envelope.max_priority_fee_per_gas(),
        authorization_list: envelope
            .authorization_list()
            .unwrap_or_default()
            .iter()
            .cloned()
            .map(Either::Left)
            .collect(),
        ..bare()
    }
}

fn unsigned(request: &TransactionRequest, chain_id: u64, gas: u64) -> TxEnv {
    let access_list = request.access_list.clone().unwrap_or_default();
    TxEnv {
        tx_type: u8::from(!access_list.is_empty()),
        caller: request.from.unwrap_or_default(),
        gas_limit: gas,
        kind: request.to.unwrap_or(TxKind::Create),
        value: request.value.unwrap_or_default(),
        data: request.input.input().cloned().unwrap_or_default(),
        chain_id: Some(chain_id),
        access_list,
        ..bare()
    }
}

/// Every field empty. `TxEnv::default` would name chain 1 and cap the gas.
fn bare() -> TxEnv {
    TxEnv {
        tx_type: 0,
        caller: Address::ZERO,
        gas_limit: 0,
        gas_price: 0,
        kind: TxKind::Create,
        value: U256::ZERO,
        data: Bytes::new(),
        nonce: 0,
        chain_id: None,
        access_list: Default::default(),
        gas_priority_fee: None,
        blob_hashes: Vec::new(),
        max_fee_per_blob_gas: 0,
        authorization_list: Vec::new(),
    }
}
