//! Buying in one transaction: the price is allowed by a signature (ERC-2612), not by a transaction of its own.

use alloy::primitives::{Address, B256, U256};
use alloy::sol_types::{Eip712Domain, SolStruct};

use super::{Chain, Purchase, Sent, link, logged};
use crate::chain::Signer;
use crate::chain::bindings::{LicenseRegistry, Permit, RewardToken};
use crate::chain::typed;
use crate::{Error, Result};

/// Seconds for which a permit holds.
const HOLDS: u64 = 3600;

mod eip2612 {
    alloy::sol! {
        /// What a token's owner signs (ERC-2612).
        struct Permit {
            address owner;
            address spender;
            uint256 value;
            uint256 nonce;
            uint256 deadline;
        }
    }
}

impl Chain {
    /// Buys a license in one transaction, with a permit for exactly the price. Returns the license's id.
    ///
    /// # Errors
    /// [`Error::Refused`] when the currency takes no permits: [`Chain::buy`] works with every currency. Else as there.
    pub async fn buy_with_permit(&self, signer: &Signer, purchase: &Purchase) -> Result<(B256, Sent)> {
        let (id, dataset, price) = self.checked(signer, purchase).await?;
        let permit = self.permit(signer, purchase.offer.terms.currency, price).await?;
        let call = LicenseRegistry::buyWithPermitCall {
            offer: purchase.offer.clone(),
            signature: purchase.signature.to_vec().into(),
            dataset,
            nonce: purchase.nonce,
            permit,
        };
        let receipt = self.tell(signer, self.profile().licenses, call, &[id]).await?;
        let event: LicenseRegistry::LicenseBought = logged(&receipt, self.profile().licenses)?;
        Ok((event.license, link::summary(&receipt)))
    }

    /// Signs that the license registry may take `value` of the token.
    pub(super) async fn permit(&self, signer: &Signer, token: Address, value: U256) -> Result<Permit> {
        let domain = self.domain_of(token).await?;
        let owner = signer.address();
        let nonce = self.ask(token, RewardToken::noncesCall { owner }).await?;
        let deadline = U256::from(self.now().await?.saturating_add(HOLDS));
        let spender = self.profile().licenses;
        let signed = eip2612::Permit { owner, spender, value, nonce, deadline };
        let signature = typed::sign(signer, signed.eip712_signing_hash(&domain))?;
        let (r, s) = (B256::from_slice(&signature[..32]), B256::from_slice(&signature[32..64]));
        Ok(Permit { value, deadline, v: signature[64], r, s })
    }

    /// The token's own domain. Name and version are its word; chain and contract are ours, so that what is signed holds
    /// nowhere else.
    async fn domain_of(&self, token: Address) -> Result<Eip712Domain> {
        let without = || Error::Refused(format!("the currency at {token} takes no permits: allow the price first"));
        let said = self.ask(token, RewardToken::eip712DomainCall {}).await.map_err(|error| match error {
            Error::Network(_) => error,
            _ => without(),
        })?;
        let chain_id = U256::from(self.profile().chain_id);
        let domain =
            Eip712Domain::new(Some(said.name.into()), Some(said.version.into()), Some(chain_id), Some(token), None);
        if self.ask(token, RewardToken::DOMAIN_SEPARATORCall {}).await? != domain.separator() {
            return Err(without());
        }
        Ok(domain)
    }
}
