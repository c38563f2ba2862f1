//! One look at the chain with the vault locked: what standing approvals cover is computed, sealed to the vault, stored and
//! committed by the delegate, and its challenge drawn. Proving and settling want the person's keys and wait for them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use provenance::chain::client::JobRecord;
use provenance::chain::{B256, JobState};
use serde_bytes::ByteBuf;
use zeroize::Zeroizing;

use super::alone::{self, Alone, Look};
use super::armed::{Armed, Content, SealedCopy};
use super::work::Work as Done;
use crate::args::DeviceChoice;
use crate::error::{Code, Error, Result};
use crate::job::rows::{Batch, Shelf};
use crate::job::run::{licensed, receipts_domain, sealed};
use crate::job::template::{Work, embed};
use crate::job::{self, Approval, Kept};
use crate::network::{self, Network};
use crate::progress::{self, Stage, Watch, check_interrupt};
use crate::worker::Layer;
use crate::{dataset, time};

/// What did not come further is tried again after this long.
const AGAIN: Duration = Duration::from_secs(600);

/// What a look came to.
#[derive(Debug, PartialEq, Eq)]
pub enum Passed {
    /// So many jobs were committed.
    Committed(usize),
    /// Its time is over, or the vault was opened meanwhile: what was ready is to be dropped.
    Over,
}

impl Armed {
    /// Looks once, and carries out what there is. Stops early when somebody wants to open the vault.
    ///
    /// # Errors
    /// `Network`; `Interrupted`. What fails with one job is noted, and the others go on.
    pub fn look(&mut self, device: &DeviceChoice) -> Result<Passed> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let wanted = Arc::new(Wanted(self.dir.clone()));
        progress::watched(wanted, || runtime.block_on(self.pass(device)))
    }

    async fn pass(&mut self, device: &DeviceChoice) -> Result<Passed> {
        if self.is_over(u64::try_from(time::now()).unwrap_or(u64::MAX)) {
            return Ok(Passed::Over);
        }
        let _alone: Alone = match Alone::look(&self.dir, &self.mark)? {
            Look::Free(alone) => alone,
            Look::Open => return Ok(Passed::Committed(0)),
            Look::Opened => return Ok(Passed::Over),
        };
        let network = self.connect().await?;
        if self.is_over(network.chain.now().await?) {
            return Ok(Passed::Over);
        }
        let mut committed = 0;
        for record in network.chain.jobs_for(self.owner).await? {
            check_interrupt()?;
            let Some(at) = self.concerns(&record) else { continue };
            match self.step(&record, at, device).await {
                Ok(done) => committed += usize::from(done),
                Err(error) if error.code == Code::Interrupted => return Err(error),
                Err(error) => {
                    crate::log::note(&format!(
                        "a job did not come further while the vault was locked: {:?}",
                        error.code
                    ));
                    self.failed.insert(record.id, Instant::now());
                }
            }
        }
        Ok(Passed::Committed(committed))
    }

    fn is_over(&self, now: u64) -> bool {
        now > self.until
    }

    /// The copy of the job's dataset, where there may be something to do for the job.
    fn concerns(&self, record: &JobRecord) -> Option<usize> {
        let due = match record.state {
            JobState::Requested => !self.begun.contains(&record.id),
            JobState::Committed => self.made.contains_key(&record.id),
            _ => false,
        };
        let failed = self.failed.get(&record.id).is_some_and(|at| at.elapsed() < AGAIN);
        let copy = || self.copies.iter().position(|copy| copy.id == record.details.dataset);
        if due && !failed { copy() } else { None }
    }

    /// Carries one job on; whether it was committed.
    async fn step(&mut self, record: &JobRecord, at: usize, device: &DeviceChoice) -> Result<bool> {
        let network = self.connect().await?;
        if record.state == JobState::Committed {
            if !job::draw_missed(record, network.chain.head_block().await?) {
                network.chain.draw(&self.delegate, record.id).await?;
            }
            return Ok(false);
        }
        let ready = self.made.contains_key(&record.id) || self.make(&network, record, at, device).await?;
        if ready {
            self.commit(record.id, at).await?;
        }
        Ok(ready)
    }

    async fn connect(&self) -> Result<Network> {
        let mut network = network::connect(&self.network, None).await?;
        network.chain = network.chain.with_outbox(self.outbox.clone());
        Ok(network)
    }

    /// Computes a job's output, seals its work to the vault, and stores the output. Whether it may be committed.
    async fn make(&mut self, network: &Network, record: &JobRecord, at: usize, device: &DeviceChoice) -> Result<bool> {
        let now = network.chain.now().await?;
        let Some(standing) = self.allows(network, record, now, &self.copies[at]).await? else { return Ok(false) };
        progress::stage(Stage::Read);
        let Content { dataset, exchange, records } = self.copies[at].open(&self.key)?;
        let license = licensed(network, record, now, &dataset).await?;
        let spec = job::spec_with(network, record, &*Zeroizing::new(job::run::word(&Zeroizing::new(exchange))?))?;
        let work = Work::of_copy(record, &license, spec, dataset)?;
        let leaves = embed::leaves(&work)?;
        let opened = dataset::of_records(&work.dataset, records)?;
        progress::stage(Stage::Compute);
        let made = embed::compute(&mut Bare(&self.without), &work, &opened, device.clone())?;
        let (domain, mandate) = (receipts_domain(network), self.copies[at].mandate.clone());
        let sealed =
            sealed(record, &work.spec.reply, made, |receipt| Ok(receipt.sign_for(&self.delegate, domain, mandate)?))?;
        let (output, delivery) = (sealed.run.output()?, sealed.run.delivery.clone());
        let approved =
            Approval { leaves, at: i64::try_from(now).unwrap_or(i64::MAX), standing: Some(standing.clone()) };
        let done = Done {
            kept: Kept { approved: Some(approved), run: Some(sealed.run) },
            package: ByteBuf::from(sealed.package),
            receipt: ByteBuf::from(sealed.receipt),
        };
        check_interrupt()?;
        // On disk before anything is committed: a commit whose package key is lost is never paid.
        done.keep(&self.dir, &self.to, record.id)?;
        network.content.put_file(&done.package)?;
        network.content.put_raw(&delivery)?;
        self.made.insert(record.id, output);
        self.bounds.count(standing, now);
        Ok(true)
    }

    /// The standing approval that lets a requested job run now; none where it has to wait for the owner.
    async fn allows(
        &self,
        network: &Network,
        record: &JobRecord,
        now: u64,
        copy: &SealedCopy,
    ) -> Result<Option<String>> {
        let details = &record.details;
        let grant = &copy.mandate.grant;
        if now > details.runBy || grant.actions & details.action == 0 {
            return Ok(None);
        }
        let Some(standing) = self.bounds.covering(details, now)? else { return Ok(None) };
        let (used, canceled) = network.chain.grant_status(self.owner, grant).await?;
        Ok((!canceled && used < grant.maxJobs && now <= grant.validUntil).then_some(standing))
    }

    /// Commits what was made, as the delegate, and draws the challenge.
    async fn commit(&self, job: B256, at: usize) -> Result<()> {
        let output = self.made.get(&job).ok_or_else(|| Error::failure("there is nothing to commit"))?;
        let mandate = &self.copies[at].mandate;
        progress::stage(Stage::Commit);
        // Computing can take longer than the embedded network waits for somebody to ask something.
        let network = self.connect().await?;
        network.chain.commit_for(&self.delegate, job, output, &mandate.grant, &mandate.signature).await?;
        network.chain.draw(&self.delegate, job).await?;
        Ok(())
    }
}

/// Stops what is done when somebody wants to open the vault.
struct Wanted(std::path::PathBuf);

impl Watch for Wanted {
    fn stage(&self, _: Stage) {}
    fn at(&self, _: u64, _: u64) {}
    fn stopped(&self) -> bool {
        alone::is_wanted(&self.0)
    }
}

/// Keeps no batches: there is no vault to keep them in.
struct Bare<'a>(&'a [Layer]);

impl Shelf for Bare<'_> {
    fn batch(&self, _: &str) -> Option<Batch> {
        None
    }

    fn keep_batch(&mut self, _: &str, _: &Batch) -> Result<()> {
        Ok(())
    }

    fn without(&self) -> Result<Vec<Layer>> {
        Ok(self.0.to_vec())
    }
}
