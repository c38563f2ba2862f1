//! What the command line prints and the window shows. These types are the only ones of this crate that are
//! serialized for a reader; their field names are the JSON contract. None of them holds a key; the recovery phrase
//! appears once, in [`Init`]. `Display` is the same for a person.

use std::fmt::{self, Display, Formatter};

use serde::Serialize;

use crate::error::Error;

/// An error, as the window shows it.
#[derive(Serialize, specta::Type, Debug)]
pub struct Failure {
    /// The word of its code, such as `locked`.
    pub code: String,
    /// What happened.
    pub message: String,
    /// What to do next, where something can be done.
    pub hint: Option<String>,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure { code: error.code.word().to_owned(), message: error.message, hint: error.hint }
    }
}

/// `init`
#[derive(Serialize)]
pub struct Init {
    /// The vault's id, hex.
    pub vault_id: String,
    /// The wallet's address.
    pub wallet: String,
    /// 24 words, shown once.
    pub recovery_phrase: String,
}

impl Display for Init {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "Vault  {}\nWallet {}\n", self.vault_id, self.wallet)?;
        writeln!(f, "Recovery phrase. Write it down now; it is not shown again:\n")?;
        for (row, words) in self.recovery_phrase.split(' ').collect::<Vec<_>>().chunks(6).enumerate() {
            let row: Vec<_> =
                words.iter().enumerate().map(|(i, w)| format!("{:>2} {w:<10}", row * 6 + i + 1)).collect();
            writeln!(f, "  {}", row.join(" ").trim_end())?;
        }
        Ok(())
    }
}

/// A file, or a part of one, that was not imported.
#[derive(Serialize, Clone)]
pub struct ImportError {
    /// The file, and the place in it where there is one.
    pub file: String,
    /// What is wrong with it.
    pub reason: String,
}

/// `import`
#[derive(Serialize, Default)]
pub struct Import {
    /// Files that went in or were there already.
    pub objects: u64,
    /// New records.
    pub records: u64,
    /// Bytes read.
    pub bytes: u64,
    /// Bytes that the vault did not have yet, as stored (compressed).
    pub new_bytes: u64,
    /// Records and files that the vault had already.
    pub duplicates: u64,
    /// Files kept whole that no connector reads: not licensable yet.
    pub not_licensable: Vec<String>,
    /// What did not go in.
    pub errors: Vec<ImportError>,
}

impl Display for Import {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} files, {} new records, {} duplicates", self.objects, self.records, self.duplicates)?;
        writeln!(f, "{} read, {} added to the vault", bytes(self.bytes), bytes(self.new_bytes))?;
        for file in &self.not_licensable {
            writeln!(f, "kept, not licensable yet: {file}")?;
        }
        for error in &self.errors {
            writeln!(f, "not imported: {}: {}", error.file, error.reason)?;
        }
        Ok(())
    }
}

/// One source.
#[derive(Serialize, specta::Type)]
pub struct Source {
    /// Its name.
    pub name: String,
    /// The kinds of its records.
    pub kinds: Vec<String>,
    /// How many records it has.
    pub records: u64,
    /// How many files it came from.
    pub files: u64,
    /// When it was last added to, RFC 3339.
    pub imported_at: String,
}

/// `source list`
#[derive(Serialize, specta::Type)]
pub struct Sources {
    /// All of them, by name.
    pub sources: Vec<Source>,
}

impl Display for Sources {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let rows = self.sources.iter().map(|s| {
            vec![s.name.clone(), s.kinds.join(", "), s.records.to_string(), s.files.to_string(), s.imported_at.clone()]
        });
        table(f, &["source", "kinds", "records", "files", "imported"], rows)
    }
}

/// One record, shortened.
#[derive(Serialize)]
pub struct Record {
    /// Its id, hex.
    pub id: String,
    /// Its kind.
    pub kind: String,
    /// Its source.
    pub source: String,
    /// Its own time, RFC 3339, where it has one.
    pub time: Option<String>,
    /// The beginning of its text.
    pub preview: String,
}

/// `record list`, `record search`
#[derive(Serialize)]
pub struct Records {
    /// How many there are in all.
    pub total: u64,
    /// The first of them.
    pub records: Vec<Record>,
}

impl Display for Records {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let rows = self.records.iter().map(|r| {
            vec![r.id[..12].to_owned(), r.kind.clone(), r.time.clone().unwrap_or_default(), r.preview.clone()]
        });
        table(f, &["record", "kind", "time", "text"], rows)?;
        if self.total > self.records.len() as u64 {
            writeln!(f, "{} of {}", self.records.len(), self.total)?;
        }
        Ok(())
    }
}

/// `record delete`
#[derive(Serialize)]
pub struct Deleted {
    /// The one record.
    pub records: Vec<Record>,
    /// Whether it was deleted; not with `--dry-run`.
    pub deleted: bool,
}

impl Display for Deleted {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let what = if self.deleted { "deleted" } else { "would be deleted:" };
        self.records.iter().try_for_each(|record| writeln!(f, "{what} {} {}", record.id, record.preview))
    }
}

/// One dataset.
#[derive(Serialize, Clone, specta::Type)]
pub struct Dataset {
    /// Its name in this vault; never published unless given as the public name.
    pub name: String,
    /// How many records it has.
    pub records: u64,
    /// The commitment to them, hex.
    pub root: String,
    /// The tree's tier: small, medium or large.
    pub tier: String,
    /// `draft`, `active`, `end of life` or `revoked`.
    pub state: String,
    /// The names of the fields that its records' canonical bytes include.
    pub fields: Vec<String>,
    /// Its id on-chain, once published.
    pub dataset_id: Option<String>,
    /// Its manifest, once published.
    pub manifest_cid: Option<String>,
}

impl Display for Dataset {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: {} records, {}", self.name, self.records, self.state)?;
        writeln!(f, "root   {}", self.root)?;
        writeln!(f, "fields {}", self.fields.join(", "))?;
        if let (Some(id), Some(cid)) = (&self.dataset_id, &self.manifest_cid) {
            writeln!(f, "id     {id}\nmanifest {cid}")?;
        }
        Ok(())
    }
}

/// `dataset list`
#[derive(Serialize, specta::Type)]
pub struct Datasets {
    /// All of them, by name.
    pub datasets: Vec<Dataset>,
}

impl Display for Datasets {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let rows = self.datasets.iter().map(|d| {
            vec![d.name.clone(), d.records.to_string(), d.state.clone(), d.dataset_id.clone().unwrap_or_default()]
        });
        table(f, &["dataset", "records", "state", "id"], rows)
    }
}

/// `dataset publish`
#[derive(Serialize)]
pub struct Published {
    /// The dataset's id on-chain.
    pub dataset_id: String,
    /// Where its manifest is.
    pub manifest_cid: String,
    /// The transaction; none with `--dry-run`.
    pub tx: Option<String>,
    /// What this makes public, forever, in plain words.
    pub public: Vec<String>,
}

impl Display for Published {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.tx.is_none() {
            writeln!(f, "Nothing was published. Publishing would make this public, forever:")?;
            for fact in &self.public {
                writeln!(f, "  - {fact}")?;
            }
        }
        writeln!(f, "dataset  {}\nmanifest {}", self.dataset_id, self.manifest_cid)?;
        if let Some(tx) = &self.tx {
            writeln!(f, "tx       {tx}")?;
        }
        Ok(())
    }
}

/// The terms of an offer, in words a person reads.
#[derive(Serialize, Clone)]
pub struct Terms {
    /// What may be done.
    pub actions: Vec<String>,
    /// What for.
    pub purposes: Vec<String>,
    /// Whether commercial use is allowed.
    pub commercial: bool,
    /// Whether the source must be named.
    pub attribution: bool,
    /// Price of one run, such as `2.5 USU`.
    pub price_per_run: String,
    /// How many runs a license has.
    pub max_runs: u32,
    /// How long a license lasts, seconds.
    pub duration: u64,
    /// How long the owner has to run a job, seconds.
    pub respond_within: u64,
    /// How long the consumer has to look at an output, seconds.
    pub accept_within: u64,
    /// The smallest dataset that may be used.
    pub min_records: u32,
    /// How long the consumer may keep outputs, days.
    pub retention_days: u32,
    /// The text of the license, by content.
    pub legal_text: String,
    /// The same in short sentences.
    pub summary: Vec<String>,
}

/// One offer.
#[derive(Serialize, Clone)]
pub struct Offer {
    /// The offer, by content.
    pub offer_cid: String,
    /// The dataset it is for.
    pub dataset_id: String,
    /// The dataset's public name.
    pub dataset: String,
    /// Its description.
    pub description: String,
    /// How many records the dataset has.
    pub records: u64,
    /// The kinds of records.
    pub kinds: Vec<String>,
    /// The fields.
    pub fields: Vec<String>,
    /// How the records' source is known, such as `self-asserted`.
    pub source_level: String,
    /// The owner's address.
    pub owner: String,
    /// How many jobs the owner settled, and how many ended in a refund.
    pub delivered: u64,
    /// Jobs of this owner that were refunded.
    pub refunded: u64,
    /// Until when it can be bought, RFC 3339.
    pub valid_until: String,
    /// The terms.
    pub terms: Terms,
}

impl Display for Offer {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.offer_cid)?;
        writeln!(f, "  {}: {} records ({}), {}", self.dataset, self.records, self.kinds.join(", "), self.source_level)?;
        for sentence in &self.terms.summary {
            writeln!(f, "  - {sentence}")?;
        }
        writeln!(f, "  owner {}: {} delivered, {} refunded", self.owner, self.delivered, self.refunded)
    }
}

/// `offer create`
#[derive(Serialize)]
pub struct OfferCreated {
    /// The offer, by content.
    pub offer_cid: String,
    /// The announcing transaction; none with `--dry-run`.
    pub tx: Option<String>,
    /// Its terms.
    pub terms: Terms,
    /// What this makes public.
    pub public: Vec<String>,
}

impl Display for OfferCreated {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for sentence in &self.terms.summary {
            writeln!(f, "  - {sentence}")?;
        }
        match &self.tx {
            Some(tx) => writeln!(f, "offer {}\ntx    {tx}", self.offer_cid),
            None => {
                writeln!(f, "Nothing was published. Publishing would make this public, forever:")?;
                self.public.iter().try_for_each(|fact| writeln!(f, "  - {fact}"))
            }
        }
    }
}

/// `offer list`, `offer find`
#[derive(Serialize)]
pub struct Offers {
    /// The offers that were found and verified.
    pub offers: Vec<Offer>,
    /// Announced offers that were left out, and why.
    pub left_out: Vec<String>,
}

impl Display for Offers {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.offers.is_empty() {
            writeln!(f, "no offers")?;
        }
        self.offers.iter().try_for_each(|offer| write!(f, "{offer}"))?;
        self.left_out.iter().try_for_each(|why| writeln!(f, "left out: {why}"))
    }
}

/// One license.
#[derive(Serialize)]
pub struct License {
    /// Its id.
    pub license_id: String,
    /// `active`, `expired`, `used up` or `revoked`.
    pub status: String,
    /// Runs not requested yet.
    pub runs_left: u32,
    /// When it ends, RFC 3339.
    pub expires_at: String,
    /// What may be done.
    pub actions: Vec<String>,
    /// The dataset.
    pub dataset_id: String,
    /// Who holds it.
    pub licensee: String,
    /// The transaction of the last change, where this command made one.
    pub tx: Option<String>,
    /// What this makes public or pays; filled with `--dry-run`.
    pub public: Vec<String>,
}

impl Display for License {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "license {}", self.license_id)?;
        writeln!(
            f,
            "  {}, {} runs left, until {}, {}",
            self.status,
            self.runs_left,
            self.expires_at,
            self.actions.join(", ")
        )?;
        self.public.iter().try_for_each(|fact| writeln!(f, "  - {fact}"))
    }
}

/// `license list`
#[derive(Serialize)]
pub struct Licenses {
    /// Licenses held, and licenses given on own datasets.
    pub licenses: Vec<License>,
}

impl Display for Licenses {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.licenses.iter().try_for_each(|license| write!(f, "{license}"))
    }
}

/// One job, from either side.
#[derive(Serialize)]
pub struct Job {
    /// Its id.
    pub job_id: String,
    /// `requested`, `approved`, `committed`, `drawn`, `accepted`, `settled` or `refunded`.
    pub state: String,
    /// `embed`, …
    pub template: String,
    /// The license it uses.
    pub license_id: String,
    /// The dataset.
    pub dataset_id: String,
    /// How many records it uses: all of the dataset version.
    pub records: u64,
    /// Bytes of the sealed output, once there is one.
    pub output_bytes: Option<u64>,
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
}

impl Display for Job {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "job {}", self.job_id)?;
        writeln!(
            f,
            "  {}: {} over {} records for {}, pays {}",
            self.state, self.template, self.records, self.licensee, self.price
        )?;
        if let Some(device) = &self.device {
            writeln!(f, "  device {device}, model {}", self.model.as_deref().unwrap_or("unknown"))?;
        }
        if let Some(size) = self.output_bytes {
            writeln!(f, "  output {}", bytes(size))?;
        }
        self.leaves.iter().try_for_each(|what| writeln!(f, "  - {what}"))?;
        writeln!(f, "  next: {}", self.next)
    }
}

/// `job inbox`
#[derive(Serialize)]
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

/// One check of a verification.
#[derive(Serialize, Clone)]
pub struct Check {
    /// What was checked.
    pub name: String,
    /// Whether it holds.
    pub ok: bool,
    /// What it rests on: `verified` here, or `asserted` by the chain facts that the bundle carries.
    pub standing: String,
    /// What was found.
    pub detail: String,
}

impl Display for Check {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let sign = if !self.ok {
            "FAILED"
        } else if self.standing == "asserted" {
            "asserted"
        } else {
            "ok"
        };
        writeln!(f, "{sign:>8}  {}: {}", self.name, self.detail)
    }
}

/// `job fetch`
#[derive(Serialize)]
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
#[derive(Serialize)]
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

/// `reward list`, `reward claim`
#[derive(Serialize)]
pub struct Rewards {
    /// What can be withdrawn now.
    pub claimable: String,
    /// What was withdrawn: by this command for `claim`, in all for `list`.
    pub claimed: String,
    /// By dataset.
    pub by_dataset: Vec<DatasetReward>,
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
#[derive(Serialize)]
pub struct TrailNode {
    /// Unique on this trail.
    pub id: String,
    /// `dataset`, `offer`, `license`, `job`, `output`, `receipt`, `reward`, …
    pub kind: String,
    /// A short text for it.
    pub label: String,
}

/// What connects two things, and what backs it.
#[derive(Serialize)]
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
}

/// `trail`
#[derive(Serialize)]
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

/// `bundle export`
#[derive(Serialize)]
pub struct Bundle {
    /// The file.
    pub file: String,
    /// Its size.
    pub bytes: u64,
    /// Whether every check of it holds.
    pub valid: bool,
    /// Every check, as `verify` makes them.
    pub checks: Vec<Check>,
}

impl Display for Bundle {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} ({}), {} checks hold", self.file, bytes(self.bytes), self.checks.len())
    }
}

/// `verify`
#[derive(Serialize)]
pub struct Verified {
    /// Whether every check holds.
    pub valid: bool,
    /// What the proof in it says: `bound` or `proven`; see the README.
    pub says: String,
    /// Every check.
    pub checks: Vec<Check>,
}

impl Display for Verified {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.checks.iter().try_for_each(|check| write!(f, "{check}"))?;
        writeln!(f, "{}\nThis shows {}.", if self.valid { "valid" } else { "NOT VALID" }, self.says)
    }
}

/// `vault status`
#[derive(Serialize, Clone, specta::Type)]
pub struct VaultStatus {
    /// The vault's id, hex.
    pub vault_id: String,
    /// Where it is.
    pub home: String,
    /// How many objects it holds.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
    /// The bytes on disk.
    pub stored_bytes: u64,
    /// Pack files.
    pub packs: u64,
    /// Sources, records and datasets.
    pub sources: u64,
    /// Records that are not deleted.
    pub records: u64,
    /// Datasets, published or not.
    pub datasets: u64,
    /// The wallet's address.
    pub wallet: String,
}

impl Display for VaultStatus {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "vault   {}\nhome    {}\nwallet  {}", self.vault_id, self.home, self.wallet)?;
        writeln!(f, "holds   {} records from {} sources, {} datasets", self.records, self.sources, self.datasets)?;
        writeln!(
            f,
            "objects {} ({}), {} on disk in {} packs",
            self.objects,
            bytes(self.bytes),
            bytes(self.stored_bytes),
            self.packs
        )
    }
}

/// `vault check`, `vault repair`
#[derive(Serialize)]
pub struct VaultChecked {
    /// Whether nothing is wrong.
    pub sound: bool,
    /// What was looked at.
    pub objects: u64,
    /// What is wrong, by object or pack.
    pub problems: Vec<String>,
}

impl Display for VaultChecked {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.problems.iter().try_for_each(|problem| writeln!(f, "{problem}"))?;
        writeln!(f, "{} objects, {} problems", self.objects, self.problems.len())
    }
}

/// `network status`, `network list`
#[derive(Serialize)]
pub struct Network {
    /// Its name.
    pub name: String,
    /// The chain's id.
    pub chain_id: Option<u64>,
    /// Where the chain answers.
    pub rpc: Option<String>,
    /// Its newest number.
    pub height: Option<u64>,
    /// Whether this is the network in use.
    pub in_use: bool,
    /// The contracts' addresses.
    pub contracts: serde_json::Value,
    /// What a person should know about it.
    pub note: String,
}

impl Display for Network {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let mark = if self.in_use { "*" } else { " " };
        let id = self.chain_id.map_or_else(|| "not reached".to_owned(), |id| format!("chain {id}"));
        writeln!(f, "{mark} {} ({id}) {}\n  {}", self.name, self.rpc.as_deref().unwrap_or(""), self.note)
    }
}

/// `network list`
#[derive(Serialize)]
pub struct Networks {
    /// All profiles.
    pub networks: Vec<Network>,
}

impl Display for Networks {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.networks.iter().try_for_each(|network| write!(f, "{network}"))
    }
}

/// `wallet show`, `wallet faucet`
#[derive(Serialize)]
pub struct Wallet {
    /// The address.
    pub wallet: String,
    /// Reward tokens it holds.
    pub balance: String,
    /// What it has for gas.
    pub gas_balance: String,
    /// The network.
    pub network: String,
    /// The transaction, where this command made one.
    pub tx: Option<String>,
}

impl Display for Wallet {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "wallet  {}\nbalance {} on {}", self.wallet, self.balance, self.network)
    }
}

/// One embedding model.
#[derive(Serialize)]
pub struct Model {
    /// Its name.
    pub name: String,
    /// Its digest, hex: what a job names.
    pub digest: String,
    /// Length of one vector.
    pub dimension: u64,
    /// Where it is.
    pub folder: String,
}

/// `model list`, `model add`
#[derive(Serialize)]
pub struct Models {
    /// The models that jobs may use.
    pub models: Vec<Model>,
}

impl Display for Models {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let rows = self
            .models
            .iter()
            .map(|m| vec![m.name.clone(), m.dimension.to_string(), m.digest.clone(), m.folder.clone()]);
        table(f, &["model", "dimension", "digest", "folder"], rows)
    }
}

/// What proving cost.
#[derive(Serialize)]
pub struct ProofCost {
    /// Constraints of the circuit.
    pub constraints: u64,
    /// Proving, milliseconds.
    pub prove_ms: u64,
    /// Verifying, milliseconds.
    pub verify_ms: u64,
    /// Size on-chain, bytes.
    pub bytes: u64,
}

/// `demo`
#[derive(Serialize)]
pub struct Demo {
    /// Records in the dataset.
    pub records: u64,
    /// Their commitment.
    pub root: String,
    /// The dataset.
    pub dataset_id: String,
    /// The offer.
    pub offer_cid: String,
    /// The license.
    pub license_id: String,
    /// The job.
    pub job_id: String,
    /// Where it ran.
    pub device: String,
    /// With which model.
    pub model: String,
    /// Rows that the consumer got.
    pub output_rows: u64,
    /// Their length.
    pub embedding_dim: u64,
    /// The proof.
    pub proof: ProofCost,
    /// Gas of the settling transaction.
    pub settle_gas: u64,
    /// What the contributor withdrew.
    pub reward: String,
    /// Whether the consumer's bundle verifies.
    pub bundle_valid: bool,
    /// Corrupted proofs, receipts and outputs that were tried and refused.
    pub tamper_rejected: u64,
    /// The whole, seconds.
    pub seconds: f64,
}

impl Display for Demo {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "\n{} records licensed, embedded on {}, proven and paid.", self.records, self.device)?;
        writeln!(f, "  output    {} rows of {} numbers ({})", self.output_rows, self.embedding_dim, self.model)?;
        writeln!(
            f,
            "  proof     {} constraints, proved in {} ms, verified in {} ms, {} bytes",
            self.proof.constraints, self.proof.prove_ms, self.proof.verify_ms, self.proof.bytes
        )?;
        writeln!(f, "  settled   {} gas", self.settle_gas)?;
        writeln!(f, "  reward    {} withdrawn", self.reward)?;
        writeln!(f, "  bundle    {}", if self.bundle_valid { "valid" } else { "NOT VALID" })?;
        writeln!(f, "  tampering {} of {} corruptions refused", self.tamper_rejected, self.tamper_rejected)?;
        writeln!(f, "  time      {:.1} s", self.seconds)
    }
}

/// Bytes in IEC units.
fn bytes(count: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if count < 1024 {
        return format!("{count} B");
    }
    let mut value = count as f64 / 1024.0;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

/// Aligned columns under a heading; nothing but the heading for no rows.
fn table(f: &mut Formatter<'_>, heads: &[&str], rows: impl Iterator<Item = Vec<String>>) -> fmt::Result {
    let mut lines = vec![heads.iter().map(|head| (*head).to_owned()).collect::<Vec<_>>()];
    lines.extend(rows);
    let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..heads.len()).map(width).collect();
    for line in &lines {
        let cells: Vec<String> = line.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        writeln!(f, "{}", cells.join("  ").trim_end())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_use_iec_units() {
        assert_eq!(bytes(1023), "1023 B");
        assert_eq!(bytes(1024), "1.0 KiB");
        assert_eq!(bytes(3 << 30), "3.0 GiB");
    }

    #[test]
    fn table_aligns_columns() {
        let shown = Sources { sources: vec![] }.to_string();
        assert_eq!(shown, "source  kinds  records  files  imported\n");
    }
}
