//! Gas money for new wallets. The faucet's key is public: these tokens are worth nothing.

use alloy::consensus::{SignableTransaction, TxEip1559, TxEnvelope};
use alloy::primitives::{Address, TxKind, U256, keccak256};
use alloy::signers::SignerSync;
use alloy::signers::local::PrivateKeySigner;
use serde_json::{Value, json};

use super::ledger::{BASE_FEE, CHAIN_ID, Ledger};
use super::rpc::Failure;

/// Below this balance, in wei, a wallet is given more: 10 tokens.
const ENOUGH: u128 = 10_000_000_000_000_000_000;
/// What a wallet is given, in wei: 100 tokens.
const GIFT: u128 = 100_000_000_000_000_000_000;

/// The account that holds all gas money at the start.
///
/// # Errors
/// A failure when the fixed words do not make a key.
pub(super) fn signer() -> Result<PrivateKeySigner, Failure> {
    PrivateKeySigner::from_bytes(&keccak256("usufruct embedded network faucet"))
        .map_err(|error| Failure::server(error.to_string()))
}

/// Sends gas money to an account that has little; answers with the transaction's hash, or null where there is enough.
///
/// # Errors
/// A failure when the transfer is refused.
pub(super) fn fund(ledger: &mut Ledger, account: Address) -> Result<Value, Failure> {
    let balance = |address| ledger.state().account(&address).map_or(U256::ZERO, |account| account.balance);
    if balance(account) >= U256::from(ENOUGH) {
        return Ok(Value::Null);
    }
    let signer = signer()?;
    let nonce = ledger.state().account(&signer.address()).map_or(0, |account| account.nonce);
    let transfer = TxEip1559 {
        chain_id: CHAIN_ID,
        nonce,
        gas_limit: 100_000,
        max_fee_per_gas: u128::from(BASE_FEE),
        max_priority_fee_per_gas: 0,
        to: TxKind::Call(account),
        value: U256::from(GIFT),
        ..TxEip1559::default()
    };
    let signature =
        signer.sign_hash_sync(&transfer.signature_hash()).map_err(|error| Failure::server(error.to_string()))?;
    ledger.submit(TxEnvelope::from(transfer.into_signed(signature))).map(|hash| json!(hash))
}
