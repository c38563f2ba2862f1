//! What the transactions behind a settled job carried, read back for a bundle: the proof, the nonces, the event as logged.

use alloy::consensus::Transaction;
use alloy::primitives::{B256, U256};
use alloy::providers::Provider;
use alloy::sol_types::{SolCall, SolEvent};

use super::{Chain, JobRecord, LicenseRecord, revert};
use crate::bundle::LoggedEvent;
use crate::chain::bindings::{JobEscrow, LicenseRegistry};
use crate::{Error, Result};

impl Chain {
    /// The eight words of the proof that settled this job, as the escrow was given them.
    ///
    /// # Errors
    /// [`Error::Refused`] for a job that is not settled; [`Error::NotFound`] when it was settled through another contract,
    /// whose input is not ours to read; [`Error::Integrity`] when the transaction settles another job; [`Error::Network`].
    pub async fn settling_proof(&self, record: &JobRecord) -> Result<[[u8; 32]; 8]> {
        let settled = record.settled.ok_or_else(|| Error::Refused(format!("job {} is not settled", record.id)))?;
        let call: JobEscrow::settleCall = self
            .call_of(settled.place.tx)
            .await?
            .ok_or_else(|| Error::NotFound(format!("job {} was settled through another contract", record.id)))?;
        if call.job != record.id {
            return Err(Error::Integrity(format!("transaction {} settles another job", settled.place.tx)));
        }
        Ok(call.proof.map(|word| word.to_be_bytes()))
    }

    /// The `JobSettled` event of this job, as it stands in its transaction's receipt.
    ///
    /// # Errors
    /// [`Error::Refused`] for a job that is not settled; [`Error::Integrity`] when the transaction logged none;
    /// [`Error::Network`].
    pub async fn settled_event(&self, record: &JobRecord) -> Result<LoggedEvent> {
        let settled = record.settled.ok_or_else(|| Error::Refused(format!("job {} is not settled", record.id)))?;
        let receipt = self.link.provider().get_transaction_receipt(settled.place.tx).await.map_err(revert::error)?;
        let receipt = receipt.ok_or_else(|| Error::NotFound(format!("transaction {}", settled.place.tx)))?;
        let ours = |topics: &[B256]| topics.starts_with(&[JobEscrow::JobSettled::SIGNATURE_HASH, record.id]);
        let log = receipt.logs().iter().find(|log| log.address() == self.profile().escrow && ours(log.topics()));
        let log = log.ok_or_else(|| Error::Integrity(format!("transaction {} logged no payment", settled.place.tx)))?;
        let topics = log.topics().iter().map(|topic| topic.0).collect();
        Ok(LoggedEvent { topics, data: log.data().data.to_vec() })
    }

    /// The nonce from which the JobId derives; `None` when it was requested through another contract.
    ///
    /// # Errors
    /// [`Error::Network`].
    pub async fn job_nonce(&self, record: &JobRecord) -> Result<Option<U256>> {
        let call: Option<JobEscrow::requestCall> = self.call_of(record.requested.tx).await?;
        Ok(call.map(|call| call.nonce))
    }

    /// The nonce from which the LicenseId derives; `None` when it was bought through another contract.
    ///
    /// # Errors
    /// [`Error::Network`].
    pub async fn license_nonce(&self, record: &LicenseRecord) -> Result<Option<U256>> {
        let plain: Option<LicenseRegistry::buyCall> = self.call_of(record.bought.tx).await?;
        if let Some(call) = plain {
            return Ok(Some(call.nonce));
        }
        let permitted: Option<LicenseRegistry::buyWithPermitCall> = self.call_of(record.bought.tx).await?;
        Ok(permitted.map(|call| call.nonce))
    }

    /// The call that a transaction made, where it is a `C`.
    async fn call_of<C: SolCall>(&self, tx: B256) -> Result<Option<C>> {
        let found = self.link.provider().get_transaction_by_hash(tx).await.map_err(revert::error)?;
        let transaction = found.ok_or_else(|| Error::NotFound(format!("transaction {tx}")))?;
        Ok(C::abi_decode(transaction.input()).ok())
    }
}
