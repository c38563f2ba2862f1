//! The steps of a job, from request to settled, refunded or delivered: one transaction each.

use alloy::primitives::{B256, U256};
use alloy::sol_types::{SolCall, SolValue};

use super::{Chain, Sent, link, logged};
use crate::chain::bindings::JobEscrow;
use crate::chain::bindings::{Commitment, Job, Output};
use crate::chain::typed::SignatureBytes;
use crate::chain::{Signer, keccak256};
use crate::{Error, Result};

impl Chain {
    /// Licensee: requests one run and returns the job's id.
    ///
    /// # Errors
    /// [`Error::Reverted`] when the license does not allow it (`LicenseExpired`, `NoRunsLeft`, `LicenseEnded`,
    /// `ActionNotLicensed`, …); [`Error::NotFound`]; [`Error::Network`].
    pub async fn request(
        &self,
        signer: &Signer,
        license: B256,
        action: u16,
        spec: B256,
        nonce: U256,
    ) -> Result<(B256, Sent)> {
        let terms = self.license(license).await?.terms;
        let dataset = self.dataset(terms.dataset).await?;
        let call = JobEscrow::requestCall { license, terms, dataset, action, spec, nonce };
        let receipt = self.tell(signer, self.profile().escrow, call, &[license, spec, nonce.into()]).await?;
        let event: JobEscrow::JobRequested = logged(&receipt, self.profile().escrow)?;
        Ok((event.job, link::summary(&receipt)))
    }

    /// Owner: refuses a requested job; the licensee is refunded.
    ///
    /// # Errors
    /// [`Error::Reverted`], [`Error::NotFound`], [`Error::Network`].
    pub async fn decline(&self, signer: &Signer, job: B256) -> Result<Sent> {
        let details = self.job(job).await?.details;
        self.step(signer, JobEscrow::declineCall { job, details }, &[job]).await
    }

    /// Owner: commits to the output, once.
    ///
    /// # Errors
    /// [`Error::Reverted`] after runBy or in another state; [`Error::NotFound`]; [`Error::Network`].
    pub async fn commit(&self, signer: &Signer, job: B256, output: &Output) -> Result<Sent> {
        let details = self.job(job).await?.details;
        let about = [job, keccak256(output.abi_encode())];
        self.step(signer, JobEscrow::commitCall { job, details, output: output.clone() }, &about).await
    }

    /// Anyone: fixes the challenge and returns it.
    ///
    /// # Errors
    /// [`Error::Reverted`] outside the draw's window; [`Error::NotFound`]; [`Error::Network`].
    pub async fn draw(&self, signer: &Signer, job: B256) -> Result<(U256, Sent)> {
        let (details, commitment) = self.committed_job(job).await?;
        let call = JobEscrow::drawCall { job, details, commitment };
        let receipt = self.tell(signer, self.profile().escrow, call, &[job]).await?;
        let event: JobEscrow::JobDrawn = logged(&receipt, self.profile().escrow)?;
        Ok((event.challenge, link::summary(&receipt)))
    }

    /// Licensee, until acceptBy: refuses the sealed package and is refunded.
    ///
    /// # Errors
    /// [`Error::Reverted`], [`Error::NotFound`], [`Error::Network`].
    pub async fn reject(&self, signer: &Signer, job: B256) -> Result<Sent> {
        let (details, commitment) = self.committed_job(job).await?;
        self.step(signer, JobEscrow::rejectCall { job, details, commitment }, &[job]).await
    }

    /// Licensee, until acceptBy, after the draw: lets the owner settle at once.
    ///
    /// # Errors
    /// [`Error::Reverted`], [`Error::NotFound`], [`Error::Network`].
    pub async fn accept(&self, signer: &Signer, job: B256) -> Result<Sent> {
        let (details, commitment) = self.committed_job(job).await?;
        self.step(signer, JobEscrow::acceptCall { job, details, commitment }, &[job]).await
    }

    /// Anyone: pays the owner for a valid proof and publishes `k`.
    ///
    /// # Errors
    /// [`Error::Reverted`] with `ProofRefused`, `KeyMismatch` or a deadline; [`Error::NotFound`]; [`Error::Network`].
    pub async fn settle(&self, signer: &Signer, job: B256, proof: &[[u8; 32]; 8], k: [u8; 32]) -> Result<Sent> {
        let (details, commitment) = self.committed_job(job).await?;
        let proof = proof.map(U256::from_be_bytes);
        let k = k.into();
        self.step(signer, JobEscrow::settleCall { job, details, commitment, proof, k }, &[job, k]).await
    }

    /// Anyone: refunds the licensee of a job that missed a deadline.
    ///
    /// # Errors
    /// [`Error::Reverted`] before the deadline; [`Error::NotFound`]; [`Error::Network`].
    pub async fn refund(&self, signer: &Signer, job: B256) -> Result<Sent> {
        let record = self.job(job).await?;
        let commitment = record.commitment.unwrap_or_default();
        self.step(signer, JobEscrow::refundCall { job, details: record.details, commitment }, &[job]).await
    }

    /// Anyone who holds the licensee's signature over the receipt: marks a settled job as delivered.
    ///
    /// # Errors
    /// [`Error::Reverted`] when the signature is not the licensee's; [`Error::NotFound`]; [`Error::Network`].
    pub async fn acknowledge(&self, signer: &Signer, job: B256, signature: &SignatureBytes) -> Result<Sent> {
        let (details, commitment) = self.committed_job(job).await?;
        let signature = signature.to_vec().into();
        self.step(signer, JobEscrow::acknowledgeCall { job, details, commitment, signature }, &[job]).await
    }

    pub(super) async fn step(&self, signer: &Signer, call: impl SolCall, about: &[B256]) -> Result<Sent> {
        Ok(link::summary(&self.tell(signer, self.profile().escrow, call, about).await?))
    }

    async fn committed_job(&self, job: B256) -> Result<(Job, Commitment)> {
        let record = self.job(job).await?;
        match record.commitment {
            Some(commitment) => Ok((record.details, commitment)),
            None => Err(Error::Refused(format!("job {job} is {:?}: nothing was committed for it", record.state))),
        }
    }
}
