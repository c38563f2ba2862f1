//! A network as the client knows it: where it answers, which chain it is, which contracts on it are ours.

use std::collections::BTreeMap;

use alloy::primitives::{Address, B256};
use serde::{Deserialize, Serialize};

/// A chain with the contracts on it. Kept in the network's folder; a client signs for nothing that differs from it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    /// What people call the network: `embedded`, `anvil`, a testnet's name.
    pub name: String,
    /// Where its JSON-RPC answers.
    pub url: String,
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// The `DatasetRegistry`.
    pub datasets: Address,
    /// The `LicenseRegistry`; offers are signed for it.
    pub licenses: Address,
    /// The `JobEscrow`; receipts are signed for it.
    pub escrow: Address,
    /// The `ProvenanceVerifier` of tiers 0, 1 and 2.
    pub verifiers: [Address; 3],
    /// keccak-256 of the code at each of our addresses.
    pub code_hashes: BTreeMap<Address, B256>,
    /// The tokens prices can be in, as fixed in the contracts.
    pub currencies: Vec<Currency>,
    /// The block before our first contract; no event of ours is older.
    pub first_block: u64,
    /// Blocks that must follow a transaction's block before it counts; 0 where a block is final at once.
    pub confirmations: u64,
    /// The network is for trying things out: its money is worth nothing and its proofs can be forged.
    pub development: bool,
    /// Nobody can choose or foresee a block's hash. The challenge is drawn from it, so without this a network is for
    /// trying things out only.
    #[serde(default)]
    pub unpredictable_hash: bool,
}

/// A token that prices can be in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Currency {
    /// Such as `USU`.
    pub symbol: String,
    /// Decimal places of one whole token.
    pub decimals: u8,
    /// The token's contract.
    pub token: Address,
}

impl Profile {
    /// The currency with this token address.
    #[must_use]
    pub fn currency(&self, token: Address) -> Option<&Currency> {
        self.currencies.iter().find(|currency| currency.token == token)
    }
}
