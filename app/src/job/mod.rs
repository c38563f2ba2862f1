//! Jobs: one licensed use of a dataset, seen from both sides. What the chain knows is read from it each time; what only
//! one side knows (approval, keys, salts) is kept in that side's vault.

pub mod answer;
pub mod delivery;
pub mod fetch;
pub mod package;
pub mod request;
pub(crate) mod rows;
pub mod run;
pub mod serve;
pub mod settle;
pub mod template;
pub mod trained;
pub(crate) mod unfinished;
pub mod uses;

use std::collections::BTreeSet;
use std::fmt;

use provenance::chain::client::{JobRecord, Sent};
use provenance::chain::{B256, JobState};
use provenance::cid::{Cid, Codec};
use provenance::exchange::{self, JobSpec};
use provenance::terms::Amount;
use serde::{Deserialize, Serialize};
use zk::Circuit;
use zk::merkle::Tier;

use self::template::{Template, Work};
use crate::dataset::Dataset;
use crate::error::{Error, Result};
use crate::home::{Home, Kind};
use crate::network::Network;
use crate::{budget, ids, time, view};

/// Blocks after the commit in which the challenge can be drawn (`DRAW_WINDOW` of the escrow).
const DRAW_WINDOW: u64 = 256;

/// What the contributor's vault keeps of a job.
#[derive(Default, Serialize, Deserialize)]
pub struct Kept {
    /// That the owner allowed it to run and its output to leave.
    pub approved: Option<Approval>,
    /// What the run gave.
    pub run: Option<run::Ran>,
}

/// What the owner saw and allowed: nothing else may leave. The request itself cannot change, its digest is on-chain.
#[derive(Serialize, Deserialize)]
pub struct Approval {
    /// What would leave, as it was shown.
    pub leaves: Vec<String>,
    /// When, in seconds since 1970: by the chain's clock where a standing approval did it.
    pub at: i64,
    /// The standing approval that did it; none where the owner looked.
    #[serde(default)]
    pub standing: Option<String>,
}

/// What a job command prints.
#[derive(Serialize)]
#[serde(untagged)]
pub enum View {
    /// One job.
    One(Box<view::Job>),
    /// Several.
    Many(view::Jobs),
    /// A fetched output.
    Fetched(view::Fetched),
    /// What training did with each record.
    Uses(view::Uses),
    /// What was carried out.
    Served(view::Served),
}

impl From<view::Uses> for View {
    fn from(view: view::Uses) -> Self {
        View::Uses(view)
    }
}

impl From<view::Served> for View {
    fn from(view: view::Served) -> Self {
        View::Served(view)
    }
}

impl From<view::Job> for View {
    fn from(view: view::Job) -> Self {
        View::One(Box::new(view))
    }
}

impl From<view::Jobs> for View {
    fn from(view: view::Jobs) -> Self {
        View::Many(view)
    }
}

impl From<view::Fetched> for View {
    fn from(view: view::Fetched) -> Self {
        View::Fetched(view)
    }
}

impl fmt::Display for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            View::One(view) => view.fmt(f),
            View::Many(view) => view.fmt(f),
            View::Fetched(view) => view.fmt(f),
            View::Uses(view) => view.fmt(f),
            View::Served(view) => view.fmt(f),
        }
    }
}

/// A job as this person sees it.
pub(crate) struct Seen {
    pub record: JobRecord,
    pub kept: Kept,
    pub side: Side,
    pub now: u64,
    /// The chain's newest block.
    pub block: u64,
}

/// Whose job it is to this person.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Side {
    Contributor,
    Consumer,
    Neither,
}

/// Reads the job with this id from the chain, and what this vault keeps of it.
pub(crate) async fn see(home: &Home, network: &Network, job: &str) -> Result<Seen> {
    let record = network.chain.job(ids::id(job, "job")?).await?;
    seen(home, network, record).await
}

async fn seen(home: &Home, network: &Network, record: JobRecord) -> Result<Seen> {
    let kept = home.find(Kind::Job, &ids::shown(record.id))?.unwrap_or_default();
    let me = home.person.address();
    let side = match (record.details.owner == me, record.details.licensee == me) {
        (true, _) => Side::Contributor,
        (_, true) => Side::Consumer,
        _ => Side::Neither,
    };
    let (now, block) = (network.chain.now().await?, network.chain.head_block().await?);
    Ok(Seen { record, kept, side, now, block })
}

impl Seen {
    /// That the job is this person's as `side`.
    pub(crate) fn only(&self, side: Side) -> Result<()> {
        if self.side == side {
            return Ok(());
        }
        let (who, account) = match side {
            Side::Contributor => ("the dataset's owner", self.record.details.owner),
            _ => ("the buyer", self.record.details.licensee),
        };
        Err(Error::refused(format!("only {who} ({account}) can do this")))
    }

    /// That the job stands in one of these states.
    pub(crate) fn in_state(&self, states: &[JobState]) -> Result<()> {
        if states.contains(&self.record.state) {
            return Ok(());
        }
        Err(Error::refused(format!("the job is {}", state(&self.record, &self.kept))).hint(next(self)))
    }

    /// Whether the challenge can no longer be drawn.
    fn draw_missed(&self) -> bool {
        draw_missed(&self.record, self.block)
    }

    /// The positions that the challenge draws; none before it is drawn, or where the proof opens every record.
    fn positions(&self) -> Result<Vec<u64>> {
        let Some(challenge) = self.record.challenge() else { return Ok(vec![]) };
        if !matches!(template_and_circuit(&self.record), Ok((_, Circuit::Provenance(_)))) {
            return Ok(vec![]);
        }
        let challenge = zk::field::from_bytes(&challenge.to_be_bytes::<32>())?;
        Ok(zk::provenance::positions(challenge, self.record.details.count).to_vec())
    }

    /// For a reader.
    pub(crate) fn view(&self, network: &Network, sent: Option<Sent>) -> Result<view::Job> {
        let details = &self.record.details;
        let template = Template::of_bit(details.action)?;
        let run = self.kept.run.as_ref();
        Ok(view::Job {
            job_id: ids::shown(self.record.id),
            state: state(&self.record, &self.kept).to_owned(),
            template: template.to_string(),
            says: template.says().word().to_owned(),
            license_id: ids::shown(details.license),
            dataset_id: ids::shown(details.dataset),
            records: details.count,
            output_bytes: run.map(|run| run.output_bytes),
            positions: self.positions()?,
            proof_ms: run.and_then(|run| run.proof.as_ref()).map(|proof| proof.ms),
            licensee: details.licensee.to_string(),
            price: Amount::from_units(details.amount)?.show(network.symbol()),
            device: run.map(|run| run.device.clone()),
            model: run.and_then(|run| run.model.clone()),
            run_by: time::rfc3339(details.runBy as i64),
            accept_by: self.record.accept_by().map(|time| time::rfc3339(time as i64)),
            settle_by: time::rfc3339(details.settleBy as i64),
            next: next(self),
            tx: sent.map(|sent| sent.tx.to_string()),
            gas: sent.map(|sent| sent.gas_used),
            leaves: vec![],
            preview: None,
        })
    }
}

/// Whether a job's challenge can no longer be drawn: the chain knows the hashes of the last 256 blocks only.
pub(crate) fn draw_missed(record: &JobRecord, block: u64) -> bool {
    record.commitment.as_ref().is_some_and(|commitment| block >= commitment.atBlock + DRAW_WINDOW)
}

/// What a job computes, and the circuit of its proof.
///
/// # Errors
/// `Refused` for what this program cannot run; `Integrity` for an unknown tier.
pub(crate) fn template_and_circuit(record: &JobRecord) -> Result<(Template, Circuit)> {
    let template = Template::of_bit(record.details.action)?;
    let tier = Tier::from_id(record.details.tier).ok_or_else(|| Error::integrity("the dataset's tier is unknown"))?;
    Ok((template, template.circuit(tier)?))
}

fn state(record: &JobRecord, kept: &Kept) -> &'static str {
    match record.state {
        JobState::Requested if kept.approved.is_some() => "approved",
        JobState::Requested => "requested",
        JobState::Committed => "committed",
        JobState::Drawn => "drawn",
        JobState::Accepted => "accepted",
        JobState::Settled => "settled",
        JobState::Delivered => "delivered",
        JobState::Refunded => "refunded",
        _ => "unknown",
    }
}

/// Who does what next, in one sentence.
fn next(seen: &Seen) -> String {
    let details = &seen.record.details;
    let until = |time: u64| time::rfc3339(time as i64);
    let accept_by = seen.record.accept_by().unwrap_or_default();
    match (seen.record.state, seen.side) {
        (JobState::Requested, _) if seen.now > details.runBy => {
            "the owner did not run it in time: `job refund` returns the price".into()
        }
        (JobState::Requested, Side::Contributor) if seen.kept.approved.is_some() => {
            format!("`job run`, until {}", until(details.runBy))
        }
        (JobState::Requested, Side::Contributor) => {
            format!("`job approve` or `job decline`, until {}", until(details.runBy))
        }
        (JobState::Requested, _) => format!("the owner approves and runs it, until {}", until(details.runBy)),
        (JobState::Committed, _) if seen.draw_missed() => {
            "the challenge was not drawn in time: `job refund` returns the price".into()
        }
        (JobState::Committed, Side::Contributor) => "`job run` again draws the challenge".into(),
        (JobState::Committed, _) => "the owner draws the challenge".into(),
        (JobState::Drawn, Side::Consumer) if seen.now <= accept_by => {
            format!("`job accept` or `job reject`, until {}", until(accept_by))
        }
        (JobState::Drawn, Side::Contributor) if seen.now <= accept_by => {
            format!("the buyer accepts it; after {} silence counts as acceptance", until(accept_by))
        }
        (JobState::Drawn | JobState::Accepted, _) if seen.now > details.settleBy => {
            "it was not settled in time: `job refund` returns the price".into()
        }
        (JobState::Drawn | JobState::Accepted, Side::Contributor) => {
            format!("`job settle`, until {}", until(details.settleBy))
        }
        (JobState::Drawn | JobState::Accepted, _) => format!("the owner settles it, until {}", until(details.settleBy)),
        (JobState::Settled, Side::Consumer) => "`job fetch` opens the output".into(),
        (JobState::Settled | JobState::Delivered, Side::Contributor) => {
            "`reward claim` withdraws what was earned".into()
        }
        (JobState::Refunded, Side::Consumer) => "`reward claim` withdraws the refund".into(),
        _ => "nothing".into(),
    }
}

/// Jobs on own datasets and jobs that this person asked for, newest first.
///
/// # Errors
/// `Network`; `Integrity` where the node's events do not match the contract.
pub async fn inbox(home: &mut Home, network: &Network) -> Result<view::Jobs> {
    let me = home.person.address();
    let mut records = network.chain.jobs_for(me).await?;
    for asked in network.chain.jobs_by(me).await? {
        if !records.iter().any(|record| record.id == asked.id) {
            records.push(asked);
        }
    }
    records.sort_by_key(|record| std::cmp::Reverse(record.requested));
    let (mut jobs, mut over) = (Vec::new(), BTreeSet::new());
    for record in records {
        let seen = seen(home, network, record).await?;
        let mut view = seen.view(network, None)?;
        if seen.side == Side::Contributor && seen.record.state == JobState::Requested {
            match preview(home, network, &seen).await {
                Ok((leaves, preview)) => (view.leaves, view.preview) = (leaves, Some(preview)),
                Err(error) => view.leaves = vec![error.message],
            }
        }
        if seen.side == Side::Contributor && is_over(&seen) {
            over.insert(ids::shown(seen.record.id));
        }
        if home.is_held() && matches!(seen.record.state, JobState::Delivered | JobState::Refunded) {
            home.forget(Kind::Package, &ids::shown(seen.record.id))?;
        }
        jobs.push(view);
    }
    if home.is_held() {
        unfinished::forget(home, &|job| over.contains(job))?;
    }
    Ok(view::Jobs { jobs })
}

/// Whether a job is past being computed: what was kept of its computation is of no use any more.
fn is_over(seen: &Seen) -> bool {
    seen.record.state != JobState::Requested || seen.kept.run.is_some() || seen.now > seen.record.details.runBy
}

/// What this person has to do by when on own datasets, the nearest first.
///
/// # Errors
/// Like [`inbox`].
pub async fn deadlines(home: &Home, network: &Network) -> Result<view::Deadlines> {
    let mut open = Vec::new();
    for record in network.chain.jobs_for(home.person.address()).await? {
        let details = &record.details;
        let until = match record.state {
            JobState::Requested => details.runBy,
            JobState::Committed | JobState::Drawn | JobState::Accepted => details.settleBy,
            _ => continue,
        };
        let seen = seen(home, network, record).await?;
        if seen.now <= until {
            let job_id = ids::shown(seen.record.id);
            open.push((until, view::Deadline { job_id, next: next(&seen), until: time::rfc3339(until as i64) }));
        }
    }
    open.sort_by_key(|(until, _)| *until);
    Ok(view::Deadlines { deadlines: open.into_iter().map(|(_, deadline)| deadline).collect() })
}

/// One job.
///
/// # Errors
/// `NotFound`; `Network`; `Integrity`.
pub async fn show(home: &Home, network: &Network, job: &str) -> Result<view::Job> {
    let seen = see(home, network, job).await?;
    let mut view = seen.view(network, None)?;
    if seen.side == Side::Contributor && seen.record.state == JobState::Requested {
        let (leaves, preview) = preview(home, network, &seen).await?;
        (view.leaves, view.preview) = (leaves, Some(preview));
    }
    Ok(view)
}

/// What the consumer asked for, opened with the key of the dataset. Requests for a dataset that was published before it had
/// a key of its own are sealed to the person's.
pub(crate) fn spec(home: &Home, network: &Network, record: &JobRecord, dataset: &Dataset) -> Result<JobSpec> {
    let own = spec_with(network, record, &*dataset.exchange_secret(home)?);
    own.or_else(|_| spec_with(network, record, home.person.exchange_secret()))
}

/// What the consumer asked for, opened with the secret of the key that the dataset's manifest names.
pub(crate) fn spec_with(network: &Network, record: &JobRecord, secret: &[u8; 32]) -> Result<JobSpec> {
    let cid = Cid::from_digest(Codec::Raw, record.details.spec.0);
    let sealed = network.content.get_raw(&cid)?;
    Ok(exchange::open_spec(&sealed, &record.details.license.0, secret)?)
}

/// What a job would let out, for the owner to decide on: in sentences, and the same in figures.
async fn preview(home: &Home, network: &Network, seen: &Seen) -> Result<(Vec<String>, view::Preview)> {
    let license = network.chain.license(seen.record.details.license).await?;
    let work = Work::of(home, network, seen, &license).await?;
    let leaves = work.template.leaves(home, &work)?;
    let price = Amount::from_units(seen.record.details.amount)?.show(network.symbol());
    let out = work.template.out(home, &work)?;
    let preview = view::Preview {
        template: work.template.to_string(),
        records: work.count,
        fields: work.dataset.fields.clone(),
        kind: out.kind.to_owned(),
        rows: out.rows,
        bytes: out.bytes,
        released: work.dataset.selection.released.clone(),
        budget_spent: out.budget.map(|(spent, _)| budget::shown(spent)),
        budget_left: out.budget.map(|(_, left)| budget::shown(left)),
        price,
        worst: out.worst.to_owned(),
    };
    Ok((leaves, preview))
}

/// What would leave, in sentences.
async fn leaves(home: &Home, network: &Network, seen: &Seen) -> Result<Vec<String>> {
    Ok(preview(home, network, seen).await?.0)
}

/// The owner allows a job to run and its output to leave.
///
/// # Errors
/// `Refused` for another's dataset, or a job past asking.
pub async fn approve(home: &mut Home, network: &Network, job: &str, dry_run: bool) -> Result<view::Job> {
    let mut seen = see(home, network, job).await?;
    seen.only(Side::Contributor)?;
    seen.in_state(&[JobState::Requested])?;
    let (leaves, preview) = preview(home, network, &seen).await?;
    if !dry_run {
        seen.kept.approved = Some(Approval { leaves: leaves.clone(), at: time::now(), standing: None });
        keep(home, seen.record.id, &seen.kept)?;
    }
    let mut view = seen.view(network, None)?;
    (view.leaves, view.preview) = (leaves, Some(preview));
    Ok(view)
}

/// Keeps the contributor's side of a job, durably.
pub(crate) fn keep(home: &mut Home, job: B256, kept: &Kept) -> Result<()> {
    home.keep(Kind::Job, &ids::shown(job), kept)?;
    home.commit()
}

/// The owner refuses a job; the buyer is refunded.
///
/// # Errors
/// `Refused` for another's dataset or a job past asking.
pub async fn decline(home: &mut Home, network: &Network, job: &str, dry_run: bool) -> Result<view::Job> {
    let seen = see(home, network, job).await?;
    seen.only(Side::Contributor)?;
    seen.in_state(&[JobState::Requested])?;
    if dry_run {
        return would(&seen, network, "the buyer would be refunded");
    }
    let sent = network.chain.decline(home.person.signer(), seen.record.id).await?;
    if home.is_held() {
        unfinished::forget(home, &|job| job == ids::shown(seen.record.id))?;
    }
    see(home, network, job).await?.view(network, Some(sent))
}

/// The consumer checks that the sealed output is there, is the one that was committed and is sealed to it, and accepts it.
///
/// # Errors
/// `Integrity` where the stored output is not the committed one; `Refused` for another's job or past the deadline.
pub async fn accept(home: &Home, network: &Network, job: &str, dry_run: bool) -> Result<view::Job> {
    let seen = see(home, network, job).await?;
    seen.only(Side::Consumer)?;
    seen.in_state(&[JobState::Drawn])?;
    let (sealed, _) = delivery::receive(network, &seen.record).await?;
    let reply = request::reply_secret(home, &seen.record)?;
    exchange::open_seal(&sealed, &seen.record.id.0, &reply)?;
    if dry_run {
        return would(
            &seen,
            network,
            "the sealed output is there and is the committed one; the owner could settle at once",
        );
    }
    let sent = network.chain.accept(home.person.signer(), seen.record.id).await?;
    see(home, network, job).await?.view(network, Some(sent))
}

/// The consumer rejects an output that it cannot read yet, and is refunded.
///
/// # Errors
/// `Refused` for another's job or past the deadline.
pub async fn reject(home: &Home, network: &Network, job: &str, dry_run: bool) -> Result<view::Job> {
    let seen = see(home, network, job).await?;
    seen.only(Side::Consumer)?;
    seen.in_state(&[JobState::Committed, JobState::Drawn])?;
    if dry_run {
        return would(&seen, network, "the price would be refunded to you; the output stays sealed");
    }
    let sent = network.chain.reject(home.person.signer(), seen.record.id).await?;
    see(home, network, job).await?.view(network, Some(sent))
}

/// Anyone closes a job whose deadline passed; the buyer is refunded.
///
/// # Errors
/// `Refused` before the deadline.
pub async fn refund(home: &Home, network: &Network, job: &str, dry_run: bool) -> Result<view::Job> {
    let seen = see(home, network, job).await?;
    if dry_run {
        return would(&seen, network, "the price would be refunded to the buyer, if a deadline has passed");
    }
    let sent = network.chain.refund(home.person.signer(), seen.record.id).await?;
    see(home, network, job).await?.view(network, Some(sent))
}

pub(crate) fn would(seen: &Seen, network: &Network, what: &str) -> Result<view::Job> {
    let mut view = seen.view(network, None)?;
    view.leaves = vec![what.to_owned()];
    Ok(view)
}
