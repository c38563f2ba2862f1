//! The command line: `usufruct <noun> <verb>`. Its shape, its JSON keys and its exit codes are a contract.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

const EXIT_CODES: &str = "Exit codes: 0 ok, 1 failure, 2 usage, 3 locked or wrong passphrase, 4 not found, 5 busy, 6 integrity or \
verification failed, 7 network unreachable, 8 refused by a license or by the vault's own rules, 9 partial, 130 interrupted.";

/// Keep personal data encrypted at home, license its use, and be paid for it.
#[derive(Parser)]
#[command(name = "usufruct", version, arg_required_else_help = true, max_term_width = 110, after_help = EXIT_CODES)]
pub struct Cli {
    /// Options that every command takes.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Options that every command takes.
#[derive(Args, Clone)]
pub struct Global {
    /// The folder that holds the vault
    #[arg(long, env = "USUFRUCT_HOME", global = true, value_name = "DIR")]
    pub home: Option<PathBuf>,
    /// The folder that remembers how new each vault was, so that one put back to an older copy is noticed. By default
    /// `$XDG_STATE_HOME/usufruct`, or inside the folder given with --home
    #[arg(long, env = "USUFRUCT_STATE", global = true, value_name = "DIR")]
    pub state: Option<PathBuf>,
    /// The network to use, instead of the one chosen with `network use`
    #[arg(long, env = "USUFRUCT_NETWORK", global = true, value_name = "NAME")]
    pub network: Option<String>,
    /// Print one JSON document on standard output
    #[arg(long, global = true)]
    pub json: bool,
    /// Read the passphrase from this file descriptor
    #[arg(long, global = true, value_name = "N")]
    pub passphrase_fd: Option<i32>,
    /// Give up the right to touch anything outside this folder and the network's (repeat for more)
    #[arg(long, global = true, value_name = "DIR")]
    pub confine: Vec<PathBuf>,
}

/// The nouns.
#[derive(Subcommand)]
pub enum Command {
    /// Create a vault, with its recovery phrase and wallet
    Init {
        /// Restore wallet and identity from an existing phrase, asked for on the terminal or read from USUFRUCT_RECOVERY_PHRASE
        #[arg(long)]
        from_phrase: bool,
    },
    /// Import files, folders and exports
    Import {
        /// What to import
        #[arg(required = true)]
        paths: Vec<PathBuf>,
        /// The source's name; by default the name of the file or folder
        #[arg(long)]
        source: Option<String>,
    },
    /// Where records came from
    #[command(subcommand)]
    Source(SourceCommand),
    /// Single records
    #[command(subcommand)]
    Record(RecordCommand),
    /// Selections of records, committed to by a root
    #[command(subcommand)]
    Dataset(DatasetCommand),
    /// Signed proposals to license a dataset
    #[command(subcommand)]
    Offer(OfferCommand),
    /// Bought rights to use a dataset
    #[command(subcommand)]
    License(LicenseCommand),
    /// Licensed uses of a dataset
    #[command(subcommand)]
    Job(JobCommand),
    /// What is allowed ahead of time
    #[command(subcommand)]
    Approval(ApprovalCommand),
    /// What jobs can run on
    #[command(subcommand)]
    Device(DeviceCommand),
    /// What was earned
    #[command(subcommand)]
    Reward(RewardCommand),
    /// Everything that happened to a dataset, or to all of them
    Trail {
        /// A dataset's name or id
        dataset: Option<String>,
    },
    /// Files that prove a settled job to anybody
    #[command(subcommand)]
    Bundle(BundleCommand),
    /// Check a bundle; needs no vault and no network
    Verify {
        /// The bundle
        file: PathBuf,
        /// Also ask this node whether the chain says what the bundle asserts
        #[arg(long, value_name = "URL")]
        rpc: Option<String>,
        /// Also open the answer of a statistic: the answer.json that `job fetch` wrote
        #[arg(long, value_name = "FILE")]
        answer: Option<PathBuf>,
        /// The hash of a block that you know to be in the chain: what the bundle proves to be in this block is verified then
        /// (repeat for more)
        #[arg(long = "checkpoint", value_name = "HASH")]
        checkpoints: Vec<String>,
    },
    /// The vault itself
    #[command(subcommand)]
    Vault(VaultCommand),
    /// Chain and content store
    #[command(subcommand)]
    Network(NetworkCommand),
    /// The account that signs and is paid
    #[command(subcommand)]
    Wallet(WalletCommand),
    /// Embedding models that jobs may use
    #[command(subcommand)]
    Model(ModelCommand),
    /// The processes that jobs and importers run in
    #[command(subcommand)]
    Worker(WorkerCommand),
    /// Print what makes a shell complete the commands of this program
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Write the manual pages of this program
    #[command(hide = true)]
    Manual {
        /// The folder to write to
        folder: PathBuf,
    },
    /// Run the whole loop as two people, on real parts
    Demo {
        /// What to import instead of the bundled sample
        #[arg(long)]
        data: Option<PathBuf>,
        /// Where jobs run: auto, gpu, cpu, or a name that `device list` shows
        #[arg(long, default_value = "auto", value_name = "DEVICE")]
        device: DeviceChoice,
        /// Keep both homes and the network, and say where
        #[arg(long)]
        keep: bool,
    },
}

/// `source`
#[derive(Subcommand)]
pub enum SourceCommand {
    /// All sources
    List,
}

/// `record`
#[derive(Subcommand)]
pub enum RecordCommand {
    /// The newest records
    List {
        /// Only of this source
        #[arg(long)]
        source: Option<String>,
        /// How many to show
        #[arg(long, default_value_t = 20)]
        limit: usize,
    },
    /// Records that contain all words of the query, or mean something like it
    Search {
        /// The words
        query: String,
        /// The records nearest in meaning, by the model on this machine; reads what is new with it first
        #[arg(long)]
        meaning: bool,
        /// Only of this source
        #[arg(long)]
        source: Option<String>,
        /// Where the model runs: auto, gpu, cpu, or a name that `device list` shows
        #[arg(long, default_value = "auto", value_name = "DEVICE", requires = "meaning")]
        device: DeviceChoice,
        /// How many to show
        #[arg(long, default_value_t = 20)]
        limit: usize,
    },
    /// Delete a record; refused while a published dataset holds it
    Delete {
        /// The record's id, or its beginning
        record: String,
        /// Say what would be deleted, and delete nothing
        #[arg(long)]
        dry_run: bool,
    },
}

/// `dataset`
#[derive(Subcommand)]
pub enum DatasetCommand {
    /// Select records and commit to them
    Create {
        /// The dataset's name; it becomes public when the dataset is published
        name: String,
        /// Records of this source (repeat for more)
        #[arg(long = "source", required = true, value_name = "S")]
        sources: Vec<String>,
        /// Records of this kind (repeat for more)
        #[arg(long = "kind", value_name = "K")]
        kinds: Vec<String>,
        /// Records from this day on, such as 2024-01-31
        #[arg(long)]
        from: Option<String>,
        /// Records before this day
        #[arg(long)]
        to: Option<String>,
        /// Include only these fields (repeat for more); `text` is one, source and time are always included
        #[arg(long = "field", value_name = "F")]
        fields: Vec<String>,
        /// Hand this field's value over with each row of a licensed run (repeat for more): numbers, true or false, and days
        /// only; `time` is the day of the record
        #[arg(long = "release", value_name = "F")]
        released: Vec<String>,
        /// The field that classifiers may learn to tell; the list of its values becomes public
        #[arg(long, value_name = "F")]
        label: Option<String>,
        /// The numeric field that statistics count; its values go into the records' commitments
        #[arg(long, value_name = "F", requires = "edges")]
        statistic: Option<String>,
        /// The edges of the histogram's 16 bins: 17 rising numbers with commas between them, or FIRST..LAST for bins of one
        /// width. Values outside count in the outer bins
        #[arg(long, value_name = "EDGES", requires = "statistic", allow_hyphen_values = true)]
        edges: Option<String>,
        /// A sentence about it for the public manifest
        #[arg(long, default_value = "")]
        description: String,
    },
    /// All datasets
    List,
    /// One dataset
    Show {
        /// Its name
        name: String,
    },
    /// Publish the manifest and register the root on-chain
    Publish {
        /// Its name
        name: String,
        /// List what would become public, and publish nothing
        #[arg(long)]
        dry_run: bool,
        /// Do not ask; without a terminal, and with `--json`, nobody is asked
        #[arg(long)]
        yes: bool,
    },
}

/// `offer`
#[derive(Subcommand)]
pub enum OfferCommand {
    /// Sign and announce an offer
    Create {
        /// The dataset's name
        name: String,
        /// The terms to start from
        #[arg(long, value_name = "P")]
        preset: String,
        /// Price of one run in USU, such as 2.5
        #[arg(long, value_name = "N")]
        price: String,
        /// Runs that a license has
        #[arg(long)]
        max_runs: Option<u32>,
        /// Days that a license lasts
        #[arg(long, value_name = "DAYS")]
        duration: Option<u32>,
        /// Hours that you have to run a requested job
        #[arg(long, value_name = "HOURS")]
        respond_within: Option<u32>,
        /// Hours that the consumer has to look at an output
        #[arg(long, value_name = "HOURS")]
        accept_within: Option<u32>,
        /// Smallest number of records that may be used
        #[arg(long)]
        min_records: Option<u32>,
        /// How many licenses may be sold
        #[arg(long, default_value_t = 1000)]
        max_licenses: u32,
        /// Only this account may buy
        #[arg(long, value_name = "ADDRESS")]
        licensee: Option<String>,
        /// Days that the offer can be bought
        #[arg(long, default_value_t = 90, value_name = "DAYS")]
        valid: u32,
        /// Say what would become public, and publish nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// Your own offers
    List,
    /// Offers announced on the network, verified
    Find {
        /// Only offers that allow this, such as embed
        #[arg(long)]
        action: Option<String>,
        /// Only datasets with records of this kind
        #[arg(long)]
        kind: Option<String>,
        /// Only offers that cost at most this for a run
        #[arg(long)]
        max_price: Option<String>,
    },
}

/// `license`
#[derive(Subcommand)]
pub enum LicenseCommand {
    /// Buy a license; pays all its runs into escrow
    Buy {
        /// The offer's CID
        offer: String,
        /// Say what would be paid and become public, and buy nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// Licenses you hold, and licenses on your datasets
    List,
    /// End a license you gave; unused runs go back to the buyer
    Revoke {
        /// The license's id
        license: String,
        /// Say what would happen, and do nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// Take back the price of runs that were never requested
    Reclaim {
        /// The license's id
        license: String,
        /// Say what would happen, and do nothing
        #[arg(long)]
        dry_run: bool,
    },
}

/// `job`
#[derive(Subcommand)]
pub enum JobCommand {
    /// Ask for a run (consumer)
    Request {
        /// The license's id
        license: String,
        /// The kind of computation
        #[arg(long, default_value = "embed")]
        template: String,
        /// The model, by name or digest, for a template that takes one [default: all-MiniLM-L6-v2]
        #[arg(long)]
        model: Option<String>,
        /// The field to be learned, for train: the one that the dataset names
        #[arg(long, value_name = "F")]
        label: Option<String>,
        /// The template's parameters as a JSON object; for train: epochs, batch, rate, adapters, privacy, seed, …; for embed:
        /// max_tokens, long (windows@1 or first@1), dtype
        #[arg(long, value_name = "JSON")]
        params: Option<String>,
        /// The numbers that leave, for embed: f32, f16 or int8 [default: f32]
        #[arg(long, value_name = "TYPE")]
        dtype: Option<compute::Dtype>,
        /// Say what would be published, and request nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// Jobs on your datasets, and jobs you asked for
    Inbox,
    /// One job
    Show {
        /// The job's id
        job: String,
        /// Show what training did with each record (contributor)
        #[arg(long)]
        records: bool,
    },
    /// Allow a job to run and its output to leave (contributor)
    Approve {
        /// The job's id
        job: String,
        /// Show what would leave, and approve nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// Refuse a job; the buyer is refunded (contributor, or a delegate)
    Decline {
        /// The job's id
        job: String,
        /// As a delegate, with the owner's grant in this file
        #[arg(long, value_name = "FILE")]
        grant: Option<PathBuf>,
        /// Say what would happen, and do nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// Run an approved job: compute, commit, draw, prove (contributor)
    Run {
        /// The job's id
        job: String,
        /// Where it runs: auto, gpu, cpu, or a name that `device list` shows
        #[arg(long, default_value = "auto", value_name = "DEVICE")]
        device: DeviceChoice,
        /// Say what would leave and become public, and run nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// Carry out what is allowed: approve by standing approvals, run, settle; what fails is named and the rest goes on
    /// (contributor)
    Serve {
        /// Where jobs run
        #[arg(long, default_value = "auto", value_name = "DEVICE")]
        device: DeviceChoice,
        /// Look once, and end
        #[arg(long)]
        once: bool,
    },
    /// Check the sealed output's digest and accept it (consumer)
    Accept {
        /// The job's id
        job: String,
        /// Say what would happen, and do nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// Reject the output before its deadline; you are refunded and can read nothing (consumer)
    Reject {
        /// The job's id
        job: String,
        /// Say what would happen, and do nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// Show the proof to the escrow and be credited (contributor)
    Settle {
        /// The job's id
        job: String,
        /// Say what would become public, and do nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// Close a job whose deadline passed; the buyer is refunded
    Refund {
        /// The job's id
        job: String,
        /// Say what would happen, and do nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// Open and check a settled output (consumer)
    Fetch {
        /// The job's id
        job: String,
        /// Where to write it
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
        /// Open and check it, and write and acknowledge nothing
        #[arg(long)]
        dry_run: bool,
    },
}

/// `approval`
#[derive(Subcommand)]
pub enum ApprovalCommand {
    /// Allow a consumer's jobs ahead of time; one approval for a consumer and a template. For train: each run that it lets
    /// through may spend the dataset's privacy budget, which does not come back
    Add {
        /// The consumer's address, as `job inbox` shows it
        #[arg(long, value_name = "ADDRESS")]
        consumer: String,
        /// The kind of computation
        #[arg(long)]
        template: String,
        /// Least price of a run, such as 2.5
        #[arg(long, value_name = "N")]
        min_price: String,
        /// Most runs in any seven days
        #[arg(long, value_name = "N")]
        runs_per_week: u32,
    },
    /// All of them
    List,
    /// Take one back
    Remove {
        /// Its id
        id: String,
    },
}

/// `device`
#[derive(Subcommand)]
pub enum DeviceCommand {
    /// The devices that jobs can run on, and the one that is taken by itself
    List,
}

/// `reward`
#[derive(Subcommand)]
pub enum RewardCommand {
    /// What was earned, by which dataset, from whom
    List,
    /// Withdraw everything that can be withdrawn
    Claim {
        /// Say what would be withdrawn, and withdraw nothing
        #[arg(long)]
        dry_run: bool,
    },
}

/// `bundle`
#[derive(Subcommand)]
pub enum BundleCommand {
    /// Write the bundle of a settled job
    Export {
        /// The job's id
        job: String,
        /// The file to write
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
}

/// `vault`
#[derive(Subcommand)]
pub enum VaultCommand {
    /// What the vault holds
    Status,
    /// Look for damage
    Check {
        /// Read and authenticate everything, not only the structure
        #[arg(long)]
        read_data: bool,
    },
    /// Make a damaged vault one that opens again: keep what can be read, name what was lost
    Repair,
    /// Change the passphrase; the new one comes from the terminal or USUFRUCT_NEW_PASSPHRASE
    Passwd,
    /// Open a vault (or a copy of one) with its recovery phrase, and give it a new passphrase
    Recover {
        /// Make the vault again from this encrypted backup first; the home folder must hold no vault
        #[arg(long, value_name = "BACKUP")]
        from: Option<PathBuf>,
    },
    /// Write the imported files out as they were, or an encrypted backup
    Export {
        /// The folder to write to. A backup that is there already is brought up to date
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
        /// An encrypted backup of the whole vault, which `vault recover --from` opens
        #[arg(long)]
        encrypted: bool,
    },
    /// Free the bytes of what was removed or replaced
    Gc {
        /// Rewrite every pack that holds anything removed, however little
        #[arg(long)]
        all: bool,
        /// Show the plan, and delete nothing
        #[arg(long)]
        dry_run: bool,
    },
}

/// `network`
#[derive(Subcommand)]
pub enum NetworkCommand {
    /// All networks
    List,
    /// Use this network from now on
    Use {
        /// Its name
        name: String,
        /// Where its chain answers from now on; it must be the same chain with the same contracts
        #[arg(long, value_name = "URL")]
        rpc: Option<String>,
    },
    /// Add a network that somebody else deployed
    Add {
        /// Its profile, a file NAME.network.json from the network folder of whoever deployed it
        file: PathBuf,
    },
    /// Whether the network in use answers
    Status,
    /// Serve the embedded network to programs on this machine
    Serve {
        /// End after this many seconds without a request
        #[arg(long, default_value_t = 900, value_name = "SECONDS")]
        idle: u64,
    },
    /// Deploy the contracts to a chain, and remember it as a network
    Deploy {
        /// The name it gets
        name: String,
        /// Where the chain answers
        #[arg(long)]
        rpc: String,
        /// Say what would be deployed where, and deploy nothing
        #[arg(long)]
        dry_run: bool,
    },
}

/// `wallet`
#[derive(Subcommand)]
pub enum WalletCommand {
    /// Address and balance
    Show,
    /// Get test money (development networks only)
    Faucet {
        /// Say what would be added, and send nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// Other accounts that may answer jobs in your name; you stay the one who is paid
    #[command(subcommand)]
    Delegate(DelegateCommand),
}

/// `wallet delegate`
#[derive(Subcommand)]
pub enum DelegateCommand {
    /// Sign a grant and write it to a file for the delegate
    Add {
        /// The delegate's account
        account: String,
        /// Only jobs over this dataset
        #[arg(long, value_name = "NAME")]
        dataset: Option<String>,
        /// What the jobs may do (repeat for more)
        #[arg(long = "action", value_name = "A", default_value = "embed")]
        actions: Vec<String>,
        /// For how many jobs
        #[arg(long, default_value_t = 10, value_name = "N")]
        jobs: u32,
        /// For how many days
        #[arg(long, default_value_t = 30, value_name = "DAYS")]
        days: u32,
        /// The file to write
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
        /// Say what would be signed, and sign nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// End a grant
    Remove {
        /// The grant's id
        grant: String,
        /// Say what would end, and end nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// The grants you gave
    List,
}

/// `model`
#[derive(Subcommand)]
pub enum ModelCommand {
    /// Models on this machine
    List,
    /// Allow the model in this folder (safetensors and tokenizer.json)
    Add {
        /// The folder
        path: PathBuf,
    },
}

/// `worker`
#[derive(Subcommand)]
pub enum WorkerCommand {
    /// Start one, let it try to get out, and say what shuts it in
    Status,
    /// Give workers input even where this layer of their confinement is missing
    Allow {
        /// privileges, landlock, seccomp or limits
        layer: String,
    },
    /// Give workers no input where this layer is missing, as it is by default
    Require {
        /// privileges, landlock, seccomp or limits
        layer: String,
    },
}

/// Where jobs run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeviceChoice {
    /// The GPU where there is one, the CPU otherwise; says which
    Auto,
    /// The GPU, or an error
    Gpu,
    /// The CPU
    Cpu,
    /// The graphics adapter of this name, or an error
    Named(String),
}

impl DeviceChoice {
    /// What it asks of `compute`.
    pub fn choice(&self) -> compute::Choice {
        match self {
            DeviceChoice::Auto => compute::Choice::Auto,
            DeviceChoice::Gpu | DeviceChoice::Named(_) => compute::Choice::Gpu,
            DeviceChoice::Cpu => compute::Choice::Cpu,
        }
    }

    /// The adapter that it names.
    pub fn named(&self) -> Option<&str> {
        match self {
            DeviceChoice::Named(name) => Some(name),
            _ => None,
        }
    }

    /// The word on the command line.
    pub fn word(&self) -> &str {
        match self {
            DeviceChoice::Auto => "auto",
            DeviceChoice::Gpu => "gpu",
            DeviceChoice::Cpu => "cpu",
            DeviceChoice::Named(name) => name,
        }
    }
}

impl std::str::FromStr for DeviceChoice {
    type Err = std::convert::Infallible;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        Ok(match word {
            "auto" => DeviceChoice::Auto,
            "gpu" => DeviceChoice::Gpu,
            "cpu" => DeviceChoice::Cpu,
            name => DeviceChoice::Named(name.to_owned()),
        })
    }
}
