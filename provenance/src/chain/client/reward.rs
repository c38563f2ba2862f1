//! Money: what is credited, withdrawing it, balances, and free tokens on networks for trying things out.

use alloy::primitives::{Address, B256, U256};
use alloy::providers::Provider;
use alloy::rpc::types::Filter;
use alloy::sol_types::{SolCall, SolEvent};

use super::{Chain, Fact, Place, Sent, link, revert};
use crate::chain::Signer;
use crate::chain::bindings::JobEscrow::{self, JobEscrowEvents};
use crate::chain::bindings::RewardToken;
use crate::{Error, Result};

/// Money that became an account's to withdraw.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Credit {
    /// The token.
    pub currency: Address,
    /// The job it was paid or refunded for, or the license whose unused runs it returns.
    pub cause: B256,
    /// Base units.
    pub amount: U256,
    /// Where it was credited.
    pub place: Place,
}

impl Chain {
    /// Base units of `currency` that `account` can withdraw.
    ///
    /// # Errors
    /// [`Error::Network`].
    pub async fn claimable(&self, account: Address, currency: Address) -> Result<U256> {
        self.ask(self.profile().escrow, JobEscrow::creditsCall { account, currency }).await
    }

    /// Everything that was ever credited to `account`, oldest first.
    ///
    /// # Errors
    /// [`Error::Network`].
    pub async fn credits_of(&self, account: Address) -> Result<Vec<Credit>> {
        let filter = Filter::new()
            .address(self.profile().escrow)
            .event_signature(JobEscrow::Credited::SIGNATURE_HASH)
            .topic1(account.into_word());
        let credit = |event: super::Event| match event.fact {
            Fact::Job(JobEscrowEvents::Credited(logged)) => Some(Credit {
                currency: logged.currency,
                cause: logged.cause,
                amount: logged.amount,
                place: event.place,
            }),
            _ => None,
        };
        Ok(self.find(filter).await?.into_iter().filter_map(credit).collect())
    }

    /// Sends the signer everything credited to it in this currency and returns the base units.
    ///
    /// # Errors
    /// [`Error::Reverted`] with `NothingToWithdraw`; [`Error::Network`].
    pub async fn withdraw(&self, signer: &Signer, currency: Address) -> Result<(U256, Sent)> {
        let receipt = self
            .tell(signer, self.profile().escrow, JobEscrow::withdrawCall { currency }, &[currency.into_word()])
            .await?;
        let event: JobEscrow::Withdrawn = super::logged(&receipt, self.profile().escrow)?;
        Ok((event.amount, link::summary(&receipt)))
    }

    /// The account's gas money in wei.
    ///
    /// # Errors
    /// [`Error::Network`].
    pub async fn balance(&self, account: Address) -> Result<U256> {
        self.link.provider().get_balance(account).await.map_err(revert::error)
    }

    /// The account's tokens in base units.
    ///
    /// # Errors
    /// [`Error::Network`].
    pub async fn token_balance(&self, account: Address, token: Address) -> Result<U256> {
        self.ask(token, RewardToken::balanceOfCall { account }).await
    }

    /// Gives a wallet gas money, where the network is for trying things out and the wallet has little.
    ///
    /// # Errors
    /// [`Error::Refused`] on other networks; [`Error::Network`].
    pub async fn fund(&self, account: Address) -> Result<()> {
        self.development_only()?;
        self.link.fund(account).await
    }

    /// Base units that the faucet would give `account` now. Nothing is sent.
    ///
    /// # Errors
    /// As [`Chain::faucet`].
    pub async fn faucet_gives(&self, account: Address) -> Result<U256> {
        self.development_only()?;
        let currency = self.profile().currencies.first().map(|currency| currency.token);
        let token = currency.ok_or_else(|| Error::Refused("this network has no currency".into()))?;
        self.link.ask(token, RewardToken::faucetCall { to: account }.abi_encode()).await?;
        self.ask(token, RewardToken::FAUCET_AMOUNTCall {}).await
    }

    /// Calls the token's faucet for the signer and returns the base units it gave.
    ///
    /// # Errors
    /// [`Error::Refused`] on networks that are not for trying things out; [`Error::Reverted`] when it gives no more.
    pub async fn faucet(&self, signer: &Signer) -> Result<(U256, Sent)> {
        self.development_only()?;
        let currency = self.profile().currencies.first().map(|currency| currency.token);
        let token = currency.ok_or_else(|| Error::Refused("this network has no currency".into()))?;
        let receipt = self.tell(signer, token, RewardToken::faucetCall { to: signer.address() }, &[]).await?;
        let event: RewardToken::FaucetUsed = super::logged(&receipt, token)?;
        Ok((event.amount, link::summary(&receipt)))
    }

    /// Moves the chain's clock forward, where the network is for trying things out.
    ///
    /// # Errors
    /// [`Error::Refused`] on other networks; [`Error::Network`].
    pub async fn pass_time(&self, seconds: u64) -> Result<()> {
        self.development_only()?;
        let provider = self.link.provider();
        let _: serde_json::Value =
            provider.raw_request("evm_increaseTime".into(), (seconds,)).await.map_err(revert::error)?;
        self.pass_block().await
    }

    /// Adds a block without a transaction, where the network is for trying things out.
    ///
    /// # Errors
    /// [`Error::Refused`] on other networks; [`Error::Network`].
    pub async fn pass_block(&self) -> Result<()> {
        self.development_only()?;
        let _: serde_json::Value =
            self.link.provider().raw_request("evm_mine".into(), ()).await.map_err(revert::error)?;
        Ok(())
    }

    fn development_only(&self) -> Result<()> {
        if self.profile().development {
            return Ok(());
        }
        Err(Error::Refused(format!("{} is not a network for trying things out", self.profile().name)))
    }
}
