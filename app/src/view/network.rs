//! Networks, the wallet and models.

use std::fmt::{self, Display, Formatter};

use serde::Serialize;

use super::table;

/// `network status`, `network list`
#[derive(Serialize, specta::Type)]
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
    pub contracts: Option<Contracts>,
    /// What a person should know about it.
    pub note: String,
}

/// The addresses of a network's contracts.
#[derive(Serialize, specta::Type)]
pub struct Contracts {
    /// The registry of datasets.
    pub datasets: String,
    /// The licenses.
    pub licenses: String,
    /// The escrow.
    pub escrow: String,
}

impl Display for Network {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let mark = if self.in_use { "*" } else { " " };
        let id = self.chain_id.map_or_else(|| "not reached".to_owned(), |id| format!("chain {id}"));
        writeln!(f, "{mark} {} ({id}) {}\n  {}", self.name, self.rpc.as_deref().unwrap_or(""), self.note)
    }
}

/// `network list`
#[derive(Serialize, specta::Type)]
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
#[derive(Serialize, specta::Type)]
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

/// `wallet faucet --dry-run`
#[derive(Serialize)]
pub struct Faucet {
    /// The address.
    pub wallet: String,
    /// What would be added to it.
    pub gives: String,
    /// The network.
    pub network: String,
}

impl Display for Faucet {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} would be added to {} on {}, by a public transaction", self.gives, self.wallet, self.network)
    }
}

/// `wallet delegate add`, `wallet delegate remove`
#[derive(Serialize, specta::Type)]
pub struct Grant {
    /// Its id: the hash that was signed.
    pub grant_id: String,
    /// Who may act.
    pub delegate: String,
    /// For which dataset; every one where there is none.
    pub dataset_id: Option<String>,
    /// For which actions.
    pub actions: Vec<String>,
    /// For how many jobs.
    pub jobs: u32,
    /// How many it was used for.
    pub used: u32,
    /// Until when.
    pub valid_until: String,
    /// `live`, `used up`, `expired` or `canceled`.
    pub state: String,
    /// The transaction, where this command made one.
    pub tx: Option<String>,
    /// What happens next, or would happen.
    pub note: String,
}

impl Display for Grant {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { grant_id, delegate, jobs, used, valid_until, state, .. } = self;
        let dataset = self.dataset_id.as_deref().unwrap_or("every dataset");
        let actions = self.actions.join(", ");
        writeln!(f, "{grant_id} ({state})\n  {delegate} may answer {actions} jobs over {dataset}")?;
        writeln!(f, "  {used} of {jobs} used, until {valid_until}")?;
        if self.note.is_empty() { Ok(()) } else { writeln!(f, "  {}", self.note) }
    }
}

/// `wallet delegate list`
#[derive(Serialize, specta::Type)]
pub struct Grants {
    /// Every grant that was given.
    pub grants: Vec<Grant>,
}

impl Display for Grants {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.grants.iter().try_for_each(|grant| write!(f, "{grant}"))
    }
}

/// One embedding model.
#[derive(Serialize, specta::Type)]
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
#[derive(Serialize, specta::Type)]
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
