//! Jobs as the contracts hold them: what was agreed, what happened, what stands.

use alloy::primitives::{Address, B256, Bytes, U256};
use alloy::rpc::types::Filter;
use alloy::sol_types::{SolEvent, SolValue};

use super::{Chain, Event, Fact, Place, mapping_slot};
use crate::chain::bindings::JobEscrow::{self, JobEscrowEvents as Logged};
use crate::chain::bindings::{Commitment, Job, JobState, Output, RefundReason};
use crate::chain::{keccak256, typed};
use crate::{Error, Result, ids};

/// Where `JobEscrow` keeps its jobs; a test on the compiled contract holds it in place.
const JOBS_POSITION: u64 = 5;
/// The low bits of a job's slot that are not its hash.
const NOT_HASH: u32 = 8;

/// The payment of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settlement {
    /// Where it was paid.
    pub place: Place,
    /// Base units paid.
    pub amount: U256,
    /// The package key, open to all and of use to the licensee alone.
    pub k: B256,
    /// The EIP-712 struct hash of the receipt.
    pub receipt_hash: B256,
    /// The dataset's head after it.
    pub head: B256,
}

/// The refund of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refund {
    /// Where it was refunded.
    pub place: Place,
    /// Base units refunded.
    pub amount: U256,
    /// Why.
    pub reason: RefundReason,
}

/// The licensee's signature over the receipt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acknowledgment {
    /// Where it was given.
    pub place: Place,
    /// The signature.
    pub signature: Bytes,
}

/// A job with everything that happened to it, checked against the hash the contract holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobRecord {
    /// Its id.
    pub id: B256,
    /// What was fixed at request: whose, for how much, over what, until when.
    pub details: Job,
    /// Where it stands.
    pub state: JobState,
    /// Where it was requested.
    pub requested: Place,
    /// The committed output with its deadline; the challenge is zero until drawn.
    pub commitment: Option<Commitment>,
    /// Where it was committed.
    pub committed: Option<Place>,
    /// Where the challenge was drawn.
    pub drawn: Option<Place>,
    /// Where it was accepted.
    pub accepted: Option<Place>,
    /// Its payment.
    pub settled: Option<Settlement>,
    /// Its refund.
    pub refunded: Option<Refund>,
    /// The licensee's acknowledgment.
    pub acknowledged: Option<Acknowledgment>,
}

impl JobRecord {
    /// The last second in which the licensee can accept or reject, once committed (seconds since 1970).
    #[must_use]
    pub fn accept_by(&self) -> Option<u64> {
        self.commitment.as_ref().map(|commitment| commitment.acceptBy)
    }

    /// The challenge, once drawn.
    #[must_use]
    pub fn challenge(&self) -> Option<U256> {
        let commitment = self.commitment.as_ref()?;
        self.drawn.map(|_| commitment.challenge)
    }

    /// The receipt that the owner signs at commit and the licensee on delivery; `None` before the commit.
    #[must_use]
    pub fn receipt(&self) -> Option<typed::Receipt> {
        Some(Self::receipt_of(self.id, &self.details, &self.commitment.as_ref()?.output))
    }

    /// The receipt of a job with this output.
    pub(in crate::chain) fn receipt_of(job: B256, details: &Job, output: &Output) -> typed::Receipt {
        typed::Receipt {
            license: details.license,
            job,
            dataset: details.dataset,
            version: details.version,
            root: details.root,
            spec: details.spec,
            action: details.action,
            records: details.count,
            outputRoot: output.outputRoot,
            outputDigest: output.outputDigest,
            amount: details.amount,
        }
    }

    fn begun(id: B256, details: Job, requested: Place) -> Self {
        Self {
            id,
            details,
            state: JobState::Requested,
            requested,
            commitment: None,
            committed: None,
            drawn: None,
            accepted: None,
            settled: None,
            refunded: None,
            acknowledged: None,
        }
    }

    fn apply(&mut self, event: Event) {
        let (place, Fact::Job(fact)) = (event.place, event.fact) else { return };
        match fact {
            Logged::JobCommitted(logged) => {
                self.committed = Some(place);
                self.commitment = Some(logged.commitment);
            }
            Logged::JobDrawn(logged) => {
                self.drawn = Some(place);
                if let Some(commitment) = &mut self.commitment {
                    commitment.challenge = logged.challenge;
                }
            }
            Logged::JobAccepted(_) => self.accepted = Some(place),
            Logged::JobSettled(logged) => {
                let JobEscrow::JobSettled { amount, k, receiptHash: receipt_hash, head, .. } = logged;
                self.settled = Some(Settlement { place, amount, k, receipt_hash, head });
            }
            Logged::JobRefunded(logged) => {
                self.refunded = Some(Refund { place, amount: logged.amount, reason: logged.reason });
            }
            Logged::JobAcknowledged(logged) => {
                self.acknowledged = Some(Acknowledgment { place, signature: logged.signature });
            }
            _ => {}
        }
    }

    /// What the contract's slot holds for this job in this state.
    fn slot(&self) -> U256 {
        let commitment = self.commitment.clone().unwrap_or_default();
        let hash: U256 = keccak256((self.details.clone(), commitment).abi_encode()).into();
        (hash >> NOT_HASH) << NOT_HASH
    }
}

impl Chain {
    /// The id of the job requested under this license with this spec.
    #[must_use]
    pub fn job_id(license: B256, spec: B256, nonce: U256) -> B256 {
        ids::job_id(&license.0, &spec.0, nonce).into()
    }

    /// The CONTEXT public input of a job whose output is `output`:
    /// keccak256(chain id, escrow, job, license, spec, output digest, key hash, payee) >> 8.
    #[must_use]
    pub fn context(&self, job: B256, details: &Job, output: &Output) -> U256 {
        let context = ids::Context {
            chain_id: self.profile().chain_id,
            escrow: self.profile().escrow,
            job: job.0,
            license: details.license.0,
            spec: details.spec.0,
            output_digest: output.outputDigest.0,
            key_hash: output.keyHash.0,
            payee: details.owner,
        };
        U256::from_be_bytes(context.word())
    }

    /// The job, rebuilt from its events and checked against the hash the contract holds.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Integrity`] when events and contract differ, [`Error::Network`].
    pub async fn job(&self, id: B256) -> Result<JobRecord> {
        let filter = Filter::new().address(self.profile().escrow).topic1(id);
        let mut record = None;
        for event in self.find(filter).await? {
            match (&mut record, &event.fact) {
                (None, Fact::Job(Logged::JobRequested(logged))) if logged.job == id => {
                    record = Some(JobRecord::begun(id, logged.details.clone(), event.place));
                }
                (Some(record), _) => JobRecord::apply(record, event),
                (None, _) => {}
            }
        }
        let slot = self.storage(self.profile().escrow, mapping_slot(id, JOBS_POSITION)).await?;
        let Some(mut record): Option<JobRecord> = record else { return Err(self.absent("job", id, slot)) };
        let state = u8::try_from((slot & U256::from(u8::MAX)).to::<u64>()).unwrap_or_default();
        record.state = JobState::try_from(state).unwrap_or(JobState::None);
        if (slot >> NOT_HASH) << NOT_HASH != record.slot() || record.state == JobState::None {
            return Err(Error::Integrity(format!("the events of job {id} do not match what the contract holds")));
        }
        Ok(record)
    }

    /// Every job over the datasets of `owner`, oldest first.
    ///
    /// # Errors
    /// [`Error::Integrity`], [`Error::Network`].
    pub async fn jobs_for(&self, owner: Address) -> Result<Vec<JobRecord>> {
        let datasets = self.datasets_of(owner).await?;
        if datasets.is_empty() {
            return Ok(Vec::new());
        }
        self.jobs(requested_filter(self.profile().escrow).topic3(datasets)).await
    }

    /// Every job that `licensee` requested, oldest first.
    ///
    /// # Errors
    /// [`Error::Integrity`], [`Error::Network`].
    pub async fn jobs_by(&self, licensee: Address) -> Result<Vec<JobRecord>> {
        let licenses: Vec<B256> = self.licenses_of(licensee).await?.into_iter().map(|license| license.id).collect();
        if licenses.is_empty() {
            return Ok(Vec::new());
        }
        self.jobs(requested_filter(self.profile().escrow).topic2(licenses)).await
    }

    /// The head of a dataset: a hash chain over its settled jobs; zero before the first.
    ///
    /// # Errors
    /// [`Error::Network`].
    pub async fn head(&self, dataset: B256) -> Result<B256> {
        self.ask(self.profile().escrow, JobEscrow::headCall { dataset }).await
    }

    async fn jobs(&self, filter: Filter) -> Result<Vec<JobRecord>> {
        let mut records = Vec::new();
        for event in self.find(filter).await? {
            if let Fact::Job(Logged::JobRequested(logged)) = event.fact {
                records.push(self.job(logged.job).await?);
            }
        }
        Ok(records)
    }
}

fn requested_filter(escrow: Address) -> Filter {
    Filter::new().address(escrow).event_signature(JobEscrow::JobRequested::SIGNATURE_HASH)
}
