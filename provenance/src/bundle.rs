//! The bundle: one file that says where an output came from and under which license, to be checked without a network.
//!
//! A bundle is one canonical DAG-CBOR document. It carries what was published (manifest, offer, terms), what was signed
//! (receipt, acknowledgement), what was proven (statement and proof) and what the chain logged, each event with its proof
//! down to the hash of its block. What can be recomputed is recomputed by [`Bundle::checks`] and stands as *verified*;
//! whether the blocks are the chain's stands as *asserted*, until somebody who knows says so. The proof itself is verified by
//! the caller, with the verifying key pinned in its binary: a bundle never brings its own.

mod checks;

pub use checks::{Check, Standing, is_valid};

use crate::chain::facts::JobFacts;
use crate::chain::{Address, U256};
use crate::dagcbor::{self, Fixed};
use crate::manifest::{MAX_MANIFEST, Tier, is_one_line};
use crate::offer::SignedOffer;
use crate::receipt::SignedReceipt;
use crate::terms::{Parties, odrl_agreement, odrl_offer};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// Largest bundle, in bytes. A real one is about 30 KiB.
pub const MAX_BUNDLE: usize = 1 << 20;
/// Largest human text of terms, in bytes.
const MAX_TEXT: usize = 128 * 1024;
/// What the first field of a bundle says.
const FORMAT: &str = "usufruct bundle v2";
/// What it says whatever the version.
const ANY_FORMAT: &str = "usufruct bundle v";

/// Where an output came from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Bundle {
    /// The manifest of the version that the job ran over, as stored.
    pub manifest: Vec<u8>,
    /// Digest of the first version's manifest, from which the DatasetId derives.
    pub first_manifest: [u8; 32],
    /// The human text of the terms.
    pub legal_text: String,
    /// The offer under which the license was bought.
    pub offer: SignedOffer,
    /// The currency's symbol, for the ODRL documents.
    pub symbol: String,
    /// The ODRL offer, as JSON-LD text.
    pub odrl_offer: String,
    /// The ODRL agreement, as JSON-LD text.
    pub odrl_agreement: String,
    /// The receipt with its signatures.
    pub receipt: SignedReceipt,
    /// Who bought the license.
    pub licensee: Address,
    /// The nonce from which the LicenseId derives, where known.
    pub license_nonce: Option<U256>,
    /// The nonce from which the JobId derives, where known.
    pub job_nonce: Option<U256>,
    /// What is proven, and how.
    pub argument: Argument,
    /// What the chain is said to have logged.
    pub chain: ChainFacts,
}

/// A statement with its proof.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Argument {
    /// The circuit, such as `provenance@1`.
    pub circuit: String,
    /// The size of the tree.
    pub tier: Tier,
    /// `ROOT, COUNT, OWNER, OUTPUT_ROOT, CONTEXT, CHALLENGE`.
    pub statement: [[u8; 32]; 6],
    /// The Groth16 proof as the contract takes it.
    pub proof: [[u8; 32]; 8],
}

/// Facts about the chain. The events are proved down to their blocks' hashes; that these blocks are the chain's, only a chain
/// can confirm.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ChainFacts {
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// `DatasetRegistry`.
    pub datasets: Address,
    /// `LicenseRegistry`.
    pub licenses: Address,
    /// `JobEscrow`.
    pub escrow: Address,
    /// keccak256 of the package key, as committed.
    pub key_hash: [u8; 32],
    /// The block in which the output was committed.
    pub commit_block: u64,
    /// Its hash, from which the challenge derives.
    pub commit_block_hash: [u8; 32],
    /// The transaction that settled the job.
    pub settle_tx: [u8; 32],
    /// The block it stands in.
    pub settle_block: u64,
    /// That block's hash.
    pub settle_block_hash: [u8; 32],
    /// The `JobSettled` event, as logged.
    pub settled: LoggedEvent,
    /// The job's events with what proves that they are in their blocks.
    pub proofs: JobFacts,
}

/// An event as it stands in a transaction's receipt.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LoggedEvent {
    /// The indexed words, the event's own hash first.
    pub topics: Vec<[u8; 32]>,
    /// The other words.
    pub data: Vec<u8>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    format: String,
    #[serde(with = "serde_bytes")]
    manifest: Vec<u8>,
    first_manifest: Fixed<32>,
    legal_text: String,
    #[serde(with = "serde_bytes")]
    offer: Vec<u8>,
    symbol: String,
    odrl_offer: String,
    odrl_agreement: String,
    #[serde(with = "serde_bytes")]
    receipt: Vec<u8>,
    licensee: Fixed<20>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    license_nonce: Option<Fixed<32>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    job_nonce: Option<Fixed<32>>,
    circuit: String,
    tier: u8,
    statement: [Fixed<32>; 6],
    proof: [Fixed<32>; 8],
    chain: ChainWire,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ChainWire {
    chain_id: u64,
    datasets: Fixed<20>,
    licenses: Fixed<20>,
    escrow: Fixed<20>,
    key_hash: Fixed<32>,
    commit_block: u64,
    commit_block_hash: Fixed<32>,
    settle_tx: Fixed<32>,
    settle_block: u64,
    settle_block_hash: Fixed<32>,
    topics: Vec<Fixed<32>>,
    #[serde(with = "serde_bytes")]
    data: Vec<u8>,
    proofs: JobFacts,
}

/// Enough to say what a file is that is not read.
#[derive(Deserialize)]
struct Named {
    format: String,
}

impl Bundle {
    /// Fills in the ODRL documents from offer, receipt, licensee and symbol.
    #[must_use]
    pub fn with_odrl(mut self) -> Self {
        let (offer, agreement) = self.expected_odrl();
        self.odrl_offer = offer;
        self.odrl_agreement = agreement;
        self
    }

    /// The ODRL documents that belong to this bundle. The owner is whoever signed the offer.
    fn expected_odrl(&self) -> (String, String) {
        let offer = &self.offer.offer;
        let parties = Parties {
            dataset: offer.dataset,
            offer: self.offer.digest(),
            chain_id: self.offer.domain.chain_id,
            owner: self.offer.signer().unwrap_or_default(),
            licensee: offer.licensee,
        };
        let license = &self.receipt.receipt.license;
        let pretty = |value| format!("{value:#}\n");
        (
            pretty(odrl_offer(&offer.terms, &parties, &self.symbol)),
            pretty(odrl_agreement(&offer.terms, &parties, license, self.licensee, &self.symbol)),
        )
    }

    /// The bundle's bytes: the same for the same bundle, on every machine.
    ///
    /// # Errors
    /// [`Error::Invalid`] when it would not be read back: too large, or with control characters where a line stands.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let words = |word: &[u8; 32]| Fixed::new(*word);
        let wire = Wire {
            format: FORMAT.into(),
            manifest: self.manifest.clone(),
            first_manifest: Fixed::new(self.first_manifest),
            legal_text: self.legal_text.clone(),
            offer: self.offer.to_bytes()?,
            symbol: self.symbol.clone(),
            odrl_offer: self.odrl_offer.clone(),
            odrl_agreement: self.odrl_agreement.clone(),
            receipt: self.receipt.to_bytes()?,
            licensee: Fixed::new(self.licensee.into_array()),
            license_nonce: self.license_nonce.map(|nonce| Fixed::new(nonce.to_be_bytes())),
            job_nonce: self.job_nonce.map(|nonce| Fixed::new(nonce.to_be_bytes())),
            circuit: self.argument.circuit.clone(),
            tier: self.argument.tier.id(),
            statement: self.argument.statement.each_ref().map(words),
            proof: self.argument.proof.each_ref().map(words),
            chain: self.chain.to_wire(),
        };
        self.check_sizes()?;
        self.check_lines()?;
        let bytes = dagcbor::encode(&wire, "the bundle")?;
        if bytes.len() > MAX_BUNDLE {
            return Err(Error::Invalid(format!("the bundle is {} bytes; at most {MAX_BUNDLE}", bytes.len())));
        }
        Ok(bytes)
    }

    /// Reads a bundle. Says nothing about whether it holds: see [`Bundle::checks`].
    ///
    /// # Errors
    /// [`Error::Invalid`] for other bytes than [`Bundle::to_bytes`] writes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let wire: Wire =
            dagcbor::decode(bytes, MAX_BUNDLE, "the bundle").map_err(|error| other_version(bytes, error))?;
        if wire.format != FORMAT {
            return Err(other_version(bytes, Error::Invalid(format!("this is no `{FORMAT}`"))));
        }
        let nonce = |nonce: Option<Fixed<32>>| nonce.map(|nonce| U256::from_be_bytes(nonce.into_array()));
        let bundle = Self {
            manifest: wire.manifest,
            first_manifest: wire.first_manifest.into_array(),
            legal_text: wire.legal_text,
            offer: SignedOffer::from_bytes(&wire.offer)?,
            symbol: wire.symbol,
            odrl_offer: wire.odrl_offer,
            odrl_agreement: wire.odrl_agreement,
            receipt: SignedReceipt::from_bytes(&wire.receipt)?,
            licensee: Address::from(wire.licensee.into_array()),
            license_nonce: nonce(wire.license_nonce),
            job_nonce: nonce(wire.job_nonce),
            argument: Argument {
                circuit: wire.circuit,
                tier: Tier::from_id(wire.tier)?,
                statement: wire.statement.map(Fixed::into_array),
                proof: wire.proof.map(Fixed::into_array),
            },
            chain: ChainFacts::from_wire(wire.chain),
        };
        bundle.check_sizes()?;
        bundle.check_lines()?;
        Ok(bundle)
    }

    fn check_sizes(&self) -> Result<()> {
        let parts = [
            ("manifest", self.manifest.len(), MAX_MANIFEST),
            ("legal text", self.legal_text.len(), MAX_TEXT),
            ("symbol", self.symbol.len(), 16),
            ("circuit", self.argument.circuit.len(), 64),
            ("ODRL offer", self.odrl_offer.len(), MAX_TEXT),
            ("ODRL agreement", self.odrl_agreement.len(), MAX_TEXT),
            ("event's topics", self.chain.settled.topics.len(), 4),
            ("event's data", self.chain.settled.data.len(), 4096),
        ];
        match parts.into_iter().find(|(_, length, most)| length > most) {
            Some((what, length, most)) => {
                Err(Error::Invalid(format!("the bundle's {what} has length {length}; at most {most}")))
            }
            None => Ok(()),
        }
    }

    /// What is shown beside other words must not look like more than one of them.
    fn check_lines(&self) -> Result<()> {
        let lines = [("symbol", &self.symbol), ("circuit", &self.argument.circuit)];
        match lines.into_iter().find(|(_, text)| !is_one_line(text)) {
            Some((what, _)) => Err(Error::Invalid(format!(
                "the bundle's {what} has control characters, more than one line or space around it"
            ))),
            None => Ok(()),
        }
    }
}

/// What to say of a document that is no bundle of this version.
fn other_version(bytes: &[u8], error: Error) -> Error {
    let named = serde_ipld_dagcbor::from_slice::<Named>(bytes).ok();
    match named
        .filter(|named| named.format != FORMAT && named.format.starts_with(ANY_FORMAT) && named.format.len() < 32)
    {
        Some(named) => Error::Invalid(format!(
            "this is a `{}` and this program reads `{FORMAT}`; have it exported again",
            named.format.escape_debug()
        )),
        None => error,
    }
}

impl ChainFacts {
    fn to_wire(&self) -> ChainWire {
        ChainWire {
            chain_id: self.chain_id,
            datasets: Fixed::new(self.datasets.into_array()),
            licenses: Fixed::new(self.licenses.into_array()),
            escrow: Fixed::new(self.escrow.into_array()),
            key_hash: Fixed::new(self.key_hash),
            commit_block: self.commit_block,
            commit_block_hash: Fixed::new(self.commit_block_hash),
            settle_tx: Fixed::new(self.settle_tx),
            settle_block: self.settle_block,
            settle_block_hash: Fixed::new(self.settle_block_hash),
            topics: self.settled.topics.iter().map(|topic| Fixed::new(*topic)).collect(),
            data: self.settled.data.clone(),
            proofs: self.proofs.clone(),
        }
    }

    fn from_wire(wire: ChainWire) -> Self {
        let address = |address: Fixed<20>| Address::from(address.into_array());
        Self {
            chain_id: wire.chain_id,
            datasets: address(wire.datasets),
            licenses: address(wire.licenses),
            escrow: address(wire.escrow),
            key_hash: wire.key_hash.into_array(),
            commit_block: wire.commit_block,
            commit_block_hash: wire.commit_block_hash.into_array(),
            settle_tx: wire.settle_tx.into_array(),
            settle_block: wire.settle_block,
            settle_block_hash: wire.settle_block_hash.into_array(),
            settled: LoggedEvent { topics: wire.topics.into_iter().map(Fixed::into_array).collect(), data: wire.data },
            proofs: wire.proofs,
        }
    }
}

#[cfg(test)]
#[path = "bundle/tests.rs"]
mod tests;
