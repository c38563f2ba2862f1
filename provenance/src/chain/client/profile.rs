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
    /// The verifier of statistics; none on a network that settles none.
    #[serde(default)]
    pub statistic: Option<Address>,
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
    /// The hash of block 0; two chains can have one id.
    #[serde(default)]
    pub genesis: Option<B256>,
    /// What a transaction may cost, and how long it is waited for.
    #[serde(default)]
    pub rules: Rules,
}

/// What a transaction may cost, and how long it is waited for. A node that asks for more is not believed: nothing is
/// signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rules {
    /// Most wei per gas.
    pub max_per_gas: u64,
    /// Most wei per gas beyond the block's base fee.
    pub max_tip: u64,
    /// Most wei for a whole transaction: its gas limit times its price.
    pub max_fee: u64,
    /// Seconds after which a transaction that is not included is sent again with a higher fee.
    pub stuck_after: u64,
    /// Seconds after which the wait for a transaction is given up; running the step again goes on waiting.
    pub give_up_after: u64,
}

impl Default for Rules {
    /// 500 gwei per gas, 20 gwei of them as a tip, a tenth of a whole token for a transaction; one minute; ten minutes.
    fn default() -> Self {
        Self {
            max_per_gas: 500_000_000_000,
            max_tip: 20_000_000_000,
            max_fee: 100_000_000_000_000_000,
            stuck_after: 60,
            give_up_after: 600,
        }
    }
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
