//! What a node says that it is, and which of the known networks that makes it.

use std::fmt;
use std::str::FromStr;

use alloy::primitives::B256;
use alloy::providers::Provider;

use super::{Endpoint, Link, Profile, revert};
use crate::{Error, Result};

/// Kinds of networks: what `network use` names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The chain that comes with this program.
    Embedded,
    /// A local node for trying things out.
    Anvil,
    /// Any other node, given by its URL.
    Custom,
}

impl Kind {
    /// Blocks that must follow a transaction's before it counts, where the network's profile was not told otherwise. 64
    /// blocks are two epochs of Ethereum: what is that deep is final there.
    #[must_use]
    pub const fn confirmations(self) -> u64 {
        match self {
            Kind::Embedded | Kind::Anvil => 0,
            Kind::Custom => 64,
        }
    }

    /// Whether a node of this kind can be given development keys and asked for free money.
    #[must_use]
    pub const fn is_for_trying_out(self) -> bool {
        matches!(self, Kind::Embedded | Kind::Anvil)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Embedded => "embedded",
            Kind::Anvil => "anvil",
            Kind::Custom => "custom",
        })
    }
}

impl FromStr for Kind {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        [Kind::Embedded, Kind::Anvil, Kind::Custom]
            .into_iter()
            .find(|kind| kind.to_string() == name)
            .ok_or_else(|| Error::Invalid(format!("{name:?} is none of embedded, anvil, custom")))
    }
}

/// What a node says that it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// The hash of block 0.
    pub genesis: B256,
    /// The program it runs, such as `anvil/v1.5.0`.
    pub client: String,
}

impl Identity {
    /// Asks the node at `endpoint`.
    ///
    /// # Errors
    /// [`Error::Network`] when it does not answer, [`Error::Invalid`] for a URL that is none.
    pub async fn of(endpoint: Endpoint) -> Result<Self> {
        let link = Link::open(endpoint).await?;
        let client = link.provider().get_client_version().await.map_err(revert::error)?;
        Ok(Self { chain_id: link.chain_id(), genesis: link.genesis(), client })
    }

    /// The kind of node that this program is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self.client.split('/').next() {
            Some("usufruct") => Kind::Embedded,
            Some("anvil") => Kind::Anvil,
            _ => Kind::Custom,
        }
    }
}

impl Profile {
    /// Whether this profile is about that node's chain: the same id, and the same first block where one is pinned. The
    /// contracts' code is compared when a connection is opened.
    #[must_use]
    pub fn is_of(&self, node: &Identity) -> bool {
        self.chain_id == node.chain_id && self.genesis.is_none_or(|genesis| genesis == node.genesis)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_read_back_from_their_names() {
        for kind in [Kind::Embedded, Kind::Anvil, Kind::Custom] {
            assert_eq!(kind.to_string().parse::<Kind>().unwrap(), kind);
        }
        for name in ["", "Embedded", "mainnet", "custom "] {
            assert!(matches!(name.parse::<Kind>(), Err(Error::Invalid(_))), "{name:?}");
        }
    }

    #[test]
    fn program_of_the_node_says_its_kind() {
        let kind = |client: &str| Identity { chain_id: 1, genesis: B256::ZERO, client: client.into() }.kind();
        assert_eq!(kind("usufruct/0.1.0"), Kind::Embedded);
        assert_eq!(kind("anvil/v1.5.0"), Kind::Anvil);
        for client in ["Geth/v1.15", "", "anvilish/1", "not usufruct/1"] {
            assert_eq!(kind(client), Kind::Custom);
        }
    }
}
