//! Signing a step: what it may cost is computed here, and refused here.

use alloy::consensus::{SignableTransaction, Transaction as _, TxEip1559, TxEnvelope};
use alloy::eips::{BlockId, BlockNumberOrTag};
use alloy::primitives::TxKind;
use alloy::providers::Provider;
use alloy::rpc::types::TransactionRequest;
use alloy::signers::SignerSync;

use super::sending::Step;
use super::{Link, revert};
use crate::chain::Signer;
use crate::chain::outbox::Entry;
use crate::{Error, Result};

/// Wei per gas.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Fees {
    max: u128,
    tip: u128,
}

impl Link {
    /// The step as a signed transaction with this nonce. Its fees are enough to replace the transactions `before`.
    pub(super) async fn signed(
        &self,
        signer: &Signer,
        step: &Step,
        nonce: u64,
        before: &[TxEnvelope],
    ) -> Result<TxEnvelope> {
        let request = TransactionRequest { from: Some(signer.address()), to: Some(step.to), ..Default::default() }
            .input(step.input.clone().into())
            .nonce(nonce);
        let needed = self.provider().estimate_gas(request).block(BlockId::pending()).await.map_err(revert::error)?;
        let fees = before.iter().fold(self.fees().await?, |fees, before| fees.above(before));
        let transaction = TxEip1559 {
            chain_id: self.chain_id(),
            nonce,
            // State can change before inclusion; what is not used is not paid.
            gas_limit: needed.saturating_add(needed / 5),
            max_fee_per_gas: fees.max,
            max_priority_fee_per_gas: fees.tip,
            to: step.to,
            input: step.input.clone(),
            ..Default::default()
        };
        self.check_price(&transaction)?;
        sign(signer, transaction)
    }

    /// The entry's newest transaction with a higher fee; `None` where the limits do not allow one.
    pub(super) async fn raised(&self, signer: &Signer, entry: &Entry) -> Result<Option<TxEnvelope>> {
        let Some(last) = entry.signed.last() else { return Ok(None) };
        let fees = match self.fees().await {
            Ok(fees) => fees.above(last),
            // While the node asks too much, or does not answer, what was sent stays.
            Err(Error::Refused(_) | Error::Network(_) | Error::Integrity(_)) => return Ok(None),
            Err(error) => return Err(error),
        };
        let transaction = TxEip1559 {
            chain_id: self.chain_id(),
            nonce: entry.nonce,
            gas_limit: last.gas_limit(),
            max_fee_per_gas: fees.max,
            max_priority_fee_per_gas: fees.tip,
            to: last.to().map_or(TxKind::Create, TxKind::Call),
            input: last.input().clone(),
            ..Default::default()
        };
        if self.check_price(&transaction).is_err() {
            return Ok(None);
        }
        sign(signer, transaction).map(Some)
    }

    /// Twice the newest block's base fee, which a block raises by an eighth at most, and the tip that the node suggests.
    async fn fees(&self) -> Result<Fees> {
        let newest = self.header(BlockNumberOrTag::Latest).await?;
        let newest = newest.ok_or_else(|| Error::Network("the node gives no newest block".into()))?;
        let base = newest.header.base_fee_per_gas.ok_or_else(|| {
            Error::Refused("the node's blocks have no base fee: networks before EIP-1559 are not supported".into())
        })?;
        let tip = self.provider().get_max_priority_fee_per_gas().await.map_err(revert::error)?;
        if tip > u128::from(self.rules.max_tip) {
            return Err(Error::Refused(format!(
                "the node asks for a tip of {tip} wei per gas and the limit is {}: nothing was signed",
                self.rules.max_tip
            )));
        }
        Ok(Fees { max: u128::from(base) * 2 + tip, tip })
    }

    fn check_price(&self, transaction: &TxEip1559) -> Result<()> {
        let (price, limit) = (transaction.max_fee_per_gas, u128::from(self.rules.max_per_gas));
        if price > limit {
            return Err(Error::Refused(format!(
                "the transaction may cost {price} wei per gas and the limit is {limit}: nothing was signed. Wait until \
                 the network is cheaper, or raise the limit in the network's profile."
            )));
        }
        let (whole, limit) = (price.saturating_mul(transaction.gas_limit.into()), u128::from(self.rules.max_fee));
        if whole > limit {
            return Err(Error::Refused(format!(
                "the transaction may cost {whole} wei and the limit is {limit}: nothing was signed. Wait until the \
                 network is cheaper, or raise the limit in the network's profile."
            )));
        }
        Ok(())
    }
}

impl Fees {
    /// At least an eighth more than `before`: nodes take no replacement for less than a tenth.
    fn above(self, before: &TxEnvelope) -> Self {
        let more = |old: u128| old + old / 8 + 1;
        let tip = self.tip.max(more(before.max_priority_fee_per_gas().unwrap_or_default()));
        Self { max: self.max.max(more(before.max_fee_per_gas())).max(tip), tip }
    }
}

fn sign(signer: &Signer, transaction: TxEip1559) -> Result<TxEnvelope> {
    let signature = signer
        .sign_hash_sync(&transaction.signature_hash())
        .map_err(|error| Error::Invalid(format!("cannot sign the transaction: {error}")))?;
    Ok(TxEnvelope::from(transaction.into_signed(signature)))
}
