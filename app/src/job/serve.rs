//! Carries out what the owner allowed: approves jobs that a standing approval covers, runs approved ones, settles those that
//! can be settled. A job that fails is named and the others go on.

use std::time::Duration;

use provenance::chain::JobState;

use super::{Approval, Seen, Side, keep, leaves, run, see, seen, settle};
use crate::args::DeviceChoice;
use crate::error::{Code, Result};
use crate::home::Home;
use crate::network::{self, Network};
use crate::progress::check_interrupt;
use crate::{approval, ids, view};

/// How long to wait between two looks at the chain.
const EVERY: Duration = Duration::from_secs(15);

/// How long serving goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// One look at what is there.
    Done,
    /// Until Ctrl-C.
    Interrupted,
}

/// Serves the jobs on own datasets.
///
/// # Errors
/// `Network` where the chain does not answer; `Integrity` where the vault cannot be read. What fails with one job is in the
/// answer.
pub async fn run(home: &mut Home, network: &Network, device: DeviceChoice, until: Until) -> Result<view::Served> {
    let mut served = view::Served::default();
    loop {
        let network = &network::again(network).await?;
        once(home, network, &device, &mut served).await?;
        if until == Until::Done {
            return Ok(served);
        }
        for _ in 0..EVERY.as_millis() / 100 {
            if check_interrupt().is_err() {
                return Ok(served);
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

async fn once(home: &mut Home, network: &Network, device: &DeviceChoice, served: &mut view::Served) -> Result<()> {
    for record in network.chain.jobs_for(home.person.address()).await? {
        let (id, state) = (ids::shown(record.id), record.state);
        if !open(state) {
            continue;
        }
        let network = &network::again(network).await?;
        let mut seen = seen(home, network, record).await?;
        match step(home, network, &mut seen, device, served).await {
            Ok(()) => served.failed.retain(|failed| failed.job_id != id),
            Err(error) if error.code == Code::Interrupted => return Err(error),
            Err(error) => {
                served.failed.retain(|failed| failed.job_id != id);
                served.failed.push(view::ServedFailure { job_id: id, reason: error.message });
            }
        }
    }
    Ok(())
}

/// What there is to do for a job on an own dataset.
pub struct Due {
    /// The job.
    pub job: String,
    /// What there is to do.
    pub what: What,
}

/// What an owner, or a standing approval in the owner's place, can do for a job now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// Only the owner can decide.
    Decide,
    /// Approve it by the standing approval with this id, and run it.
    Approve(String),
    /// Run it, or go on where it stopped.
    Run,
    /// Settle it.
    Settle,
}

/// What waits for the owner's decision, and what standing approvals let go on without one. Jobs that the owner approved by
/// hand are left out: the owner runs them.
///
/// # Errors
/// `Network`; `Integrity` where the vault cannot be read.
pub async fn due(home: &Home, network: &Network) -> Result<Vec<Due>> {
    let mut due = Vec::new();
    for record in network.chain.jobs_for(home.person.address()).await? {
        if !open(record.state) {
            continue;
        }
        let seen = seen(home, network, record).await?;
        let by_hand = seen.kept.approved.as_ref().is_some_and(|approved| approved.standing.is_none());
        if let Some(what) = what(home, &seen)?.filter(|_| !by_hand) {
            due.push(Due { job: ids::shown(seen.record.id), what });
        }
    }
    Ok(due)
}

/// Carries out what can be done for one job now.
///
/// # Errors
/// Like [`run::run`] and [`settle::run`].
pub async fn one(home: &mut Home, network: &Network, job: &str, device: &DeviceChoice) -> Result<view::Job> {
    let mut seen = see(home, network, job).await?;
    step(home, network, &mut seen, device, &mut view::Served::default()).await?;
    see(home, network, job).await?.view(network, None)
}

fn open(state: JobState) -> bool {
    matches!(state, JobState::Requested | JobState::Committed | JobState::Drawn | JobState::Accepted)
}

/// What can be done for one job now; nothing for another's, or past its deadline.
fn what(home: &Home, seen: &Seen) -> Result<Option<What>> {
    let details = &seen.record.details;
    let over = match seen.record.state {
        JobState::Requested => seen.now > details.runBy,
        JobState::Committed => seen.draw_missed(),
        _ => seen.now > details.settleBy,
    };
    if over || seen.side != Side::Contributor {
        return Ok(None);
    }
    if seen.record.state == JobState::Requested && seen.kept.approved.is_none() {
        return Ok(Some(approval::covering(home, seen)?.map_or(What::Decide, What::Approve)));
    }
    let unproven = seen.kept.run.as_ref().is_none_or(|run| run.proof.is_none());
    if matches!(seen.record.state, JobState::Requested | JobState::Committed) || unproven {
        return Ok(Some(What::Run));
    }
    let silent = seen.record.accept_by().is_some_and(|until| seen.now > until);
    Ok((seen.record.state == JobState::Accepted || silent).then_some(What::Settle))
}

async fn step(
    home: &mut Home,
    network: &Network,
    seen: &mut Seen,
    device: &DeviceChoice,
    served: &mut view::Served,
) -> Result<()> {
    let id = ids::shown(seen.record.id);
    match what(home, seen)? {
        None | Some(What::Decide) => {}
        Some(What::Settle) => {
            settle::run(home, network, &id, false).await?;
            served.settled.push(id);
        }
        Some(what) => {
            if let What::Approve(standing) = what {
                let leaves = leaves(home, network, seen).await?;
                let at = i64::try_from(seen.now).unwrap_or(i64::MAX);
                seen.kept.approved = Some(Approval { leaves, at, standing: Some(standing) });
                keep(home, seen.record.id, &seen.kept)?;
                served.approved.push(id.clone());
            }
            run::run(home, network, &id, device.clone()).await?;
            served.ran.push(id);
        }
    }
    Ok(())
}
