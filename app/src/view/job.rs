//! Jobs, their outputs, rewards and the trail.

use std::fmt::{self, Display, Formatter};

use serde::Serialize;

use super::{Check, bytes, table};

/// One job, from either side.
#[derive(Serialize, specta::Type, Clone, Debug)]
pub struct Job {
    /// Its id.
    pub job_id: String,
    /// `requested`, `approved`, `committed`, `drawn`, `accepted`, `settled` or `refunded`.
    pub state: String,
    /// `embed`, …
    pub template: String,
    /// What its proof shows of its output: `bound` or `proven`; the README has the words.
    pub says: String,
    /// The license it uses.
    pub license_id: String,
    /// The dataset.
    pub dataset_id: String,
    /// How many records it uses: all of the dataset version.
    pub records: u64,
    /// Bytes of the sealed output, once there is one.
    pub output_bytes: Option<u64>,
    /// The positions that the challenge drew, in order; none before it is drawn. The proof opens these.
    pub positions: Vec<u64>,
    /// How long proving took.
    pub proof_ms: Option<u64>,
    /// Who asked for it.
    pub licensee: String,
    /// What it pays.
    pub price: String,
    /// Where it ran.
    pub device: Option<String>,
    /// With which model.
    pub model: Option<String>,
    /// Deadlines, RFC 3339.
    pub run_by: String,
    /// Until when the consumer may reject.
    pub accept_by: Option<String>,
    /// Until when it can be settled.
    pub settle_by: String,
    /// What to do next, and who.
    pub next: String,
    /// The last transaction that this command made.
    pub tx: Option<String>,
    /// Gas of that transaction.
    pub gas: Option<u64>,
    /// What leaves the machine, or becomes public, in plain words.
    pub leaves: Vec<String>,
    /// The same in figures, for the owner of a requested job.
    pub preview: Option<Preview>,
}

/// What the owner decides on.
#[derive(Serialize, specta::Type, Clone, Debug)]
pub struct Preview {
    /// What would be computed.
    pub template: String,
    /// Over how many records.
    pub records: u64,
    /// Fields of the records that the computation reads.
    pub fields: Vec<String>,
    /// What would leave.
    pub kind: String,
    /// How many rows of it.
    pub rows: u64,
    /// How many bytes, before sealing.
    pub bytes: u64,
    /// Fields whose values leave with each row.
    pub released: Vec<String>,
    /// Privacy budget that the job would spend (epsilon); none where no budget protects the output.
    pub budget_spent: Option<String>,
    /// Privacy budget that would be left for the dataset (epsilon).
    pub budget_left: Option<String>,
    /// What it pays.
    pub price: String,
    /// The worst that can come of it, in one sentence.
    pub worst: String,
}

impl Display for Preview {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let fields = if self.fields.is_empty() { "none".to_owned() } else { self.fields.join(", ") };
        writeln!(f, "  reads   {} records, fields {fields}", self.records)?;
        writeln!(f, "  leaves  {}: {} rows, {}", self.kind, self.rows, bytes(self.bytes))?;
        match (&self.budget_spent, &self.budget_left) {
            (Some(spent), Some(left)) => writeln!(f, "  budget  spends epsilon {spent}, leaves {left}")?,
            _ => writeln!(f, "  budget  none: no privacy budget protects this output")?,
        }
        writeln!(f, "  pays    {}", self.price)?;
        writeln!(f, "  worst   {}", self.worst)
    }
}

impl Display for Job {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "job {}", self.job_id)?;
        writeln!(
            f,
            "  {}: {} ({}) over {} records for {}, pays {}",
            self.state, self.template, self.says, self.records, self.licensee, self.price
        )?;
        if let Some(device) = &self.device {
            let model = self.model.as_ref().map(|model| format!(", model {model}")).unwrap_or_default();
            writeln!(f, "  device {device}{model}")?;
        }
        if let Some(size) = self.output_bytes {
            writeln!(f, "  output {}", bytes(size))?;
        }
        if !self.positions.is_empty() {
            let drawn: Vec<String> = self.positions.iter().map(u64::to_string).collect();
            writeln!(f, "  drawn positions {}", drawn.join(", "))?;
        }
        if let Some(preview) = &self.preview {
            write!(f, "{preview}")?;
        }
        self.leaves.iter().try_for_each(|what| writeln!(f, "  - {what}"))?;
        writeln!(f, "  next: {}", self.next)
    }
}

/// `job inbox`
#[derive(Serialize, specta::Type)]
pub struct Jobs {
    /// The jobs, newest first.
    pub jobs: Vec<Job>,
}

impl Display for Jobs {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.jobs.is_empty() {
            writeln!(f, "no jobs")?;
        }
        self.jobs.iter().try_for_each(|job| write!(f, "{job}"))
    }
}

/// `job show --records`
#[derive(Serialize, specta::Type)]
pub struct Uses {
    /// The job.
    pub job_id: String,
    /// What it pays.
    pub pays: String,
    /// The records, those that earned most first.
    pub records: Vec<RecordUse>,
}

/// What training did with one record.
#[derive(Serialize, specta::Type)]
pub struct RecordUse {
    /// Its position in the dataset.
    pub position: u64,
    /// How it begins.
    pub text: String,
    /// Steps that it took part in; 0 for one that was held back.
    pub steps: u32,
    /// Its loss before the first step.
    pub loss_before: f32,
    /// Its loss after the last.
    pub loss_after: f32,
    /// How far it lowered the loss of the records held back, to first order.
    pub contribution: f32,
    /// Its part of all contributions above zero, 0 to 1.
    pub share: f64,
}

impl Display for Uses {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "job {} pays {}; only you see this", self.job_id, self.pays)?;
        let rows = self.records.iter().map(|record| {
            vec![
                format!("{:.2} %", 100.0 * record.share),
                record.position.to_string(),
                record.steps.to_string(),
                format!("{:.4}", record.loss_before),
                format!("{:.4}", record.loss_after),
                record.text.clone(),
            ]
        });
        table(f, &["earned", "record", "steps", "loss before", "after", "text"], rows)
    }
}

/// `job serve`
#[derive(Serialize, Default)]
pub struct Served {
    /// Jobs that a standing approval covered.
    pub approved: Vec<String>,
    /// Jobs that were run.
    pub ran: Vec<String>,
    /// Jobs that were settled.
    pub settled: Vec<String>,
    /// Jobs that failed and can be tried again.
    pub failed: Vec<ServedFailure>,
}

/// A job that could not be carried out.
#[derive(Serialize)]
pub struct ServedFailure {
    /// The job.
    pub job_id: String,
    /// What happened.
    pub reason: String,
}

impl Display for Served {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (what, jobs) in [("approved", &self.approved), ("ran", &self.ran), ("settled", &self.settled)] {
            jobs.iter().try_for_each(|job| writeln!(f, "{what} {job}"))?;
        }
        self.failed.iter().try_for_each(|failed| writeln!(f, "failed {}: {}", failed.job_id, failed.reason))?;
        if self.approved.is_empty() && self.ran.is_empty() && self.settled.is_empty() && self.failed.is_empty() {
            writeln!(f, "nothing to do")?;
        }
        Ok(())
    }
}

/// `approval add`, `approval list`, `approval remove`
#[derive(Serialize, specta::Type)]
pub struct Approvals {
    /// What is approved ahead of time.
    pub approvals: Vec<StandingApproval>,
}

/// One standing approval.
#[derive(Serialize, specta::Type)]
pub struct StandingApproval {
    /// Its id.
    pub id: String,
    /// Whose jobs.
    pub consumer: String,
    /// Of which template.
    pub template: String,
    /// Least price of a run.
    pub min_price: String,
    /// Most runs in any seven days.
    pub runs_a_week: u32,
    /// What the owner should know of it; none where there is nothing to say.
    pub warning: Option<String>,
}

impl Display for Approvals {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let rows = self.approvals.iter().map(|approval| {
            let StandingApproval { id, consumer, template, min_price, runs_a_week, .. } = approval;
            vec![id.clone(), consumer.clone(), template.clone(), min_price.clone(), runs_a_week.to_string()]
        });
        table(f, &["id", "consumer", "template", "least price", "runs a week"], rows)?;
        let warned = self.approvals.iter().filter_map(|approval| Some((&approval.id, approval.warning.as_ref()?)));
        warned.into_iter().try_for_each(|(id, warning)| writeln!(f, "{id}: {warning}"))
    }
}

/// `job fetch`
#[derive(Serialize, specta::Type)]
pub struct Fetched {
    /// The job.
    pub job_id: String,
    /// Its state.
    pub state: String,
    /// The files that were written.
    pub files: Vec<String>,
    /// What was recomputed.
    pub checks: Vec<Check>,
}

impl Display for Fetched {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.checks.iter().try_for_each(|check| write!(f, "{check}"))?;
        self.files.iter().try_for_each(|file| writeln!(f, "{file}"))
    }
}

/// What one dataset earned.
#[derive(Serialize, specta::Type)]
pub struct DatasetReward {
    /// The dataset's name, where this vault knows it.
    pub name: String,
    /// Its id.
    pub dataset_id: String,
    /// What it earned in all.
    pub amount: String,
    /// By how many settled jobs.
    pub jobs: u64,
    /// Who paid.
    pub from: Vec<String>,
}

/// What one consumer paid.
#[derive(Serialize, specta::Type)]
pub struct ConsumerReward {
    /// Its account.
    pub consumer: String,
    /// What it paid in all.
    pub amount: String,
    /// For how many settled jobs.
    pub jobs: u64,
}

/// `reward list`, `reward claim`
#[derive(Serialize, specta::Type)]
pub struct Rewards {
    /// What can be withdrawn now.
    pub claimable: String,
    /// What was withdrawn: by this command for `claim`, in all for `list`.
    pub claimed: String,
    /// By dataset.
    pub by_dataset: Vec<DatasetReward>,
    /// By consumer, who paid most first.
    pub by_consumer: Vec<ConsumerReward>,
    /// The withdrawal, where this command made one.
    pub tx: Option<String>,
}

impl Display for Rewards {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "claimable {}\nclaimed   {}", self.claimable, self.claimed)?;
        let rows = self
            .by_dataset
            .iter()
            .map(|d| vec![d.name.clone(), d.amount.clone(), d.jobs.to_string(), d.from.join(", ")]);
        table(f, &["dataset", "earned", "jobs", "from"], rows)
    }
}

/// A thing on the trail.
#[derive(Serialize, specta::Type, Clone)]
pub struct TrailNode {
    /// Unique on this trail.
    pub id: String,
    /// `dataset`, `offer`, `license`, `job`, `output`, `receipt`, `reward`, …
    pub kind: String,
    /// A short text for it.
    pub label: String,
    /// The dataset it belongs to.
    pub dataset_id: Option<String>,
    /// When it came to be, RFC 3339.
    pub time: Option<String>,
    /// What is known about it.
    pub facts: Vec<Fact>,
}

/// A name and a value.
#[derive(Serialize, Clone, specta::Type)]
pub struct Fact {
    /// What it is.
    pub name: String,
    /// Its value.
    pub value: String,
}

/// The receipt of a job, and what was checked of it.
#[derive(Serialize, specta::Type)]
pub struct ReceiptShown {
    /// The job.
    pub job_id: String,
    /// What it says.
    pub facts: Vec<Fact>,
    /// Whether every check holds.
    pub valid: bool,
    /// What that shows.
    pub says: String,
    /// Every check.
    pub checks: Vec<Check>,
}

/// What connects two things, and what backs it.
#[derive(Serialize, specta::Type, Clone)]
pub struct TrailEdge {
    /// From this node
    pub from: String,
    /// to this one.
    pub to: String,
    /// What happened.
    pub kind: String,
    /// The transaction or receipt that says so.
    pub backed_by: String,
    /// How far it can be relied on: `recorded`, `signed`, or what is wrong.
    pub standing: String,
    /// Whether nothing is wrong with it.
    pub verified: bool,
    /// The job whose receipt can be shown for it.
    pub job_id: Option<String>,
}

/// `trail`
#[derive(Serialize, specta::Type)]
pub struct Trail {
    /// What there is.
    pub nodes: Vec<TrailNode>,
    /// What happened.
    pub edges: Vec<TrailEdge>,
}

impl Display for Trail {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let label = |id: &str| {
            self.nodes.iter().find(|n| n.id == id).map_or(id.to_owned(), |n| format!("{} {}", n.kind, n.label))
        };
        let rows = self.edges.iter().map(|e| {
            vec![
                label(&e.from),
                e.kind.clone(),
                label(&e.to),
                e.backed_by.clone(),
                if e.verified { e.standing.clone() } else { e.standing.to_uppercase() },
            ]
        });
        table(f, &["from", "what", "to", "backed by", "standing"], rows)
    }
}
