//! Calls that change nothing, and how much gas a transaction will need.

use alloy::consensus::Header;
use alloy::primitives::Bytes;
use alloy::rpc::types::TransactionRequest;

use super::execute;
use super::ledger::{CHAIN_ID, GAS_LIMIT};
use super::rpc::Failure;
use super::state::State;

/// The search ends when the answer is known to one part in this many.
const PRECISION: u64 = 64;
/// What a call that sends value gives its receiver on top.
const CALL_STIPEND: u64 = 2_300;

/// What the call returns.
///
/// # Errors
/// The revert or halt, in the words other nodes use.
pub(super) fn call(state: &State, header: &Header, request: &TransactionRequest) -> Result<Bytes, Failure> {
    let gas = request.gas.unwrap_or(GAS_LIMIT).min(GAS_LIMIT);
    let outcome = execute::call(state, header, CHAIN_ID, request, gas)?;
    match execute::refusal(&outcome.result) {
        Some(failure) => Err(failure),
        None => Ok(outcome.result.into_output().unwrap_or_default()),
    }
}

/// A gas limit with which the transaction succeeds, close to the smallest.
///
/// # Errors
/// The revert or halt, when it does not succeed with any.
pub(super) fn gas(state: &State, header: &Header, request: &TransactionRequest) -> Result<u64, Failure> {
    let most = request.gas.unwrap_or(GAS_LIMIT).min(GAS_LIMIT);
    let outcome = execute::call(state, header, CHAIN_ID, request, most)?;
    if let Some(failure) = execute::refusal(&outcome.result) {
        return Err(failure);
    }
    let succeeds = |gas: u64| {
        execute::call(state, header, CHAIN_ID, request, gas).is_ok_and(|outcome| outcome.result.is_success())
    };
    let used = outcome.result.gas().total_gas_spent();
    let (mut low, mut high) = (outcome.result.tx_gas_used().saturating_sub(1), most);
    // A contract keeps a 64th of its gas from the contracts it calls, so the first guess is that much above.
    let guess = (used + CALL_STIPEND) * 64 / 63;
    if guess < high {
        if succeeds(guess) { high = guess } else { low = guess }
    }
    while high - low > 1 && high - low > high / PRECISION {
        let middle = low + (high - low) / 2;
        if succeeds(middle) { high = middle } else { low = middle }
    }
    Ok(high)
}
