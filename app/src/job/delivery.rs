//! The delivery note: where the sealed package is, and the receipt, signed by the owner or its delegate. Its digest is what
//! `commit` puts on-chain as the output's CID; the receipt names the sealed package by its own digest, so neither contains the
//! other.

use provenance::chain::client::JobRecord;
use provenance::cid::{Cid, Codec};
use provenance::exchange::MAX_SEALED;
use provenance::receipt::SignedReceipt;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::run::receipts_domain;
use crate::error::{Error, Result};
use crate::network::Network;

/// The note's layout, in its first field.
const FORMAT: &str = "usufruct/delivery@1";

/// Where an output is, and its receipt.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Delivery {
    /// [`FORMAT`].
    format: String,
    /// The sealed package's CID.
    output: String,
    /// The receipt, signed by the owner or its delegate.
    #[serde(with = "serde_bytes")]
    receipt: Vec<u8>,
}

impl Delivery {
    /// A note for the sealed package at `output`.
    ///
    /// # Errors
    /// `Failure` where the receipt cannot be encoded.
    pub fn new(output: &Cid, receipt: &SignedReceipt) -> Result<Self> {
        Ok(Delivery { format: FORMAT.to_owned(), output: output.to_string(), receipt: receipt.to_bytes()? })
    }

    /// Its bytes: DAG-CBOR.
    ///
    /// # Errors
    /// `Failure` where it cannot be encoded.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        serde_ipld_dagcbor::to_vec(self).map_err(|e| Error::failure(format!("encoding the delivery note: {e}")))
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let note: Delivery = serde_ipld_dagcbor::from_slice(bytes)
            .map_err(|e| Error::integrity(format!("this is no delivery note: {e}")))?;
        if note.format == FORMAT {
            Ok(note)
        } else {
            Err(Error::integrity(format!("this delivery note's format is {:?}", note.format)))
        }
    }
}

/// The owner's receipt for a committed job, verified against what the chain says.
///
/// # Errors
/// `Integrity` where neither the owner nor its delegate signed it, or it says something else than the chain; `NotFound` before
/// the commit.
pub async fn receipt(network: &Network, record: &JobRecord) -> Result<SignedReceipt> {
    Ok(note(network, record).await?.1)
}

/// The sealed package of a committed job, and the owner's receipt for it, both verified against what the chain says.
///
/// # Errors
/// `Integrity` where either is not what was committed; `NotFound` before the commit.
pub async fn receive(network: &Network, record: &JobRecord) -> Result<(Vec<u8>, SignedReceipt)> {
    let (note, receipt) = note(network, record).await?;
    let cid: Cid = note.output.parse()?;
    let sealed = network.content.get_file(&cid, MAX_SEALED)?;
    let digest: [u8; 32] = Sha256::digest(&sealed).into();
    if digest != receipt.receipt.output_digest {
        return Err(Error::integrity("the stored output is not the one that was committed")
            .hint("`job reject` returns the price, before the deadline."));
    }
    Ok((sealed, receipt))
}

async fn note(network: &Network, record: &JobRecord) -> Result<(Delivery, SignedReceipt)> {
    let commitment =
        record.commitment.as_ref().ok_or_else(|| Error::refused("nothing was committed for this job yet"))?;
    let cid = Cid::from_digest(Codec::Raw, commitment.output.outputCid.0);
    let note = Delivery::from_bytes(&network.content.get_raw(&cid)?)?;
    let receipt = SignedReceipt::from_bytes(&note.receipt)?;
    receipt.verify(record.details.owner, &receipts_domain(network))?;
    match record.receipt() {
        Some(expected) if expected == receipt.receipt.to_typed() => Ok((note, receipt)),
        _ => Err(Error::integrity("the owner's receipt says something else than the chain")),
    }
}
