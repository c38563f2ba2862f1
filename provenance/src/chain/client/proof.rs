//! The proof that paid for a job, read back from the transaction that settled it.

use alloy::consensus::Transaction;
use alloy::providers::Provider;
use alloy::sol_types::SolCall;

use super::{Chain, JobRecord, revert};
use crate::chain::bindings::JobEscrow;
use crate::{Error, Result};

impl Chain {
    /// The eight words of the proof that settled this job, as the escrow was given them.
    ///
    /// # Errors
    /// [`Error::Refused`] for a job that is not settled; [`Error::NotFound`] when it was settled through another contract,
    /// whose input is not ours to read; [`Error::Integrity`] when the transaction settles another job; [`Error::Network`].
    pub async fn settling_proof(&self, record: &JobRecord) -> Result<[[u8; 32]; 8]> {
        let settled = record.settled.ok_or_else(|| Error::Refused(format!("job {} is not settled", record.id)))?;
        let found = self.link.provider().get_transaction_by_hash(settled.place.tx).await.map_err(revert::error)?;
        let transaction = found.ok_or_else(|| Error::NotFound(format!("transaction {}", settled.place.tx)))?;
        let call = JobEscrow::settleCall::abi_decode(transaction.input())
            .map_err(|_| Error::NotFound(format!("job {} was settled through another contract", record.id)))?;
        if call.job != record.id {
            return Err(Error::Integrity(format!("transaction {} settles another job", settled.place.tx)));
        }
        Ok(call.proof.map(|word| word.to_be_bytes()))
    }
}
