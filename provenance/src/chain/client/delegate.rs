//! Delegates: an owner lets another account commit and decline, so that a machine can answer jobs without the owner's key.
//! The payee stays the owner.

use alloy::primitives::{Address, B256, U256};
use alloy::sol_types::SolValue;

use super::{Chain, Sent};
use crate::chain::bindings::{JobEscrow, Output};
use crate::chain::typed::{self, Domain, Grant, SignatureBytes, Typed};
use crate::chain::{Signer, keccak256};
use crate::{Error, Result};

impl Chain {
    /// What grants are signed for.
    #[must_use]
    pub fn grants_domain(&self) -> Domain {
        Domain { chain_id: self.profile().chain_id, contract: self.profile().escrow }
    }

    /// Signs a grant: the delegate can commit and decline within it until the owner cancels it.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a grant to nobody, for no action or for no job.
    pub fn sign_grant(&self, owner: &Signer, grant: &Grant) -> Result<SignatureBytes> {
        if grant.delegate.is_zero() || grant.actions == 0 || grant.maxJobs == 0 {
            return Err(Error::Invalid("a grant names a delegate, an action and a number of jobs".into()));
        }
        typed::sign(owner, grant.signing_hash(&self.grants_domain()))
    }

    /// Delegate: commits to the output, once, for the owner who signed the grant.
    ///
    /// # Errors
    /// [`Error::Integrity`], before anything is sent, when the grant is not signed by the job's owner;
    /// [`Error::Reverted`] when it does not cover the job; else as [`Chain::commit`].
    pub async fn commit_for(
        &self,
        delegate: &Signer,
        job: B256,
        output: &Output,
        grant: &Grant,
        signature: &SignatureBytes,
    ) -> Result<Sent> {
        let details = self.job(job).await?.details;
        self.check_grant(grant, signature, details.owner)?;
        let about = [job, keccak256(output.abi_encode())];
        let (grant, signature) = (grant.clone(), signature.to_vec().into());
        let call = JobEscrow::commitForCall { job, details, output: output.clone(), grant, signature };
        self.step(delegate, call, &about).await
    }

    /// Delegate: refuses a requested job; the licensee is refunded.
    ///
    /// # Errors
    /// As [`Chain::commit_for`].
    pub async fn decline_for(
        &self,
        delegate: &Signer,
        job: B256,
        grant: &Grant,
        signature: &SignatureBytes,
    ) -> Result<Sent> {
        let details = self.job(job).await?.details;
        self.check_grant(grant, signature, details.owner)?;
        let (grant, signature) = (grant.clone(), signature.to_vec().into());
        self.step(delegate, JobEscrow::declineForCall { job, details, grant, signature }, &[job]).await
    }

    /// Owner: ends every grant of the signer that carries this nonce.
    ///
    /// # Errors
    /// [`Error::Network`].
    pub async fn cancel_grant(&self, owner: &Signer, nonce: U256) -> Result<Sent> {
        self.step(owner, JobEscrow::cancelGrantCall { nonce }, &[nonce.into()]).await
    }

    /// How many jobs were done under a grant, and whether `owner` canceled it.
    ///
    /// # Errors
    /// [`Error::Network`].
    pub async fn grant_status(&self, owner: Address, grant: &Grant) -> Result<(u32, bool)> {
        let escrow = self.profile().escrow;
        let digest = grant.signing_hash(&self.grants_domain());
        let used = self.ask(escrow, JobEscrow::grantUsedCall { grant: digest }).await?;
        let canceled = self.ask(escrow, JobEscrow::isGrantCanceledCall { owner, nonce: grant.nonce }).await?;
        Ok((used, canceled))
    }

    fn check_grant(&self, grant: &Grant, signature: &SignatureBytes, owner: Address) -> Result<()> {
        typed::expect_signer(grant.signing_hash(&self.grants_domain()), signature, owner, "the grant")
    }
}
