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
