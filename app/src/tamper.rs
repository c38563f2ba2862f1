//! Deliberate corruptions of what the demo just accepted: each is put to the same verifier right after its untampered
//! twin, which must be accepted, and must be refused.

use std::path::Path;
use std::time::Instant;

use provenance::bundle::Bundle;
use provenance::chain::Bytes;
use provenance::cid::Cid;
use provenance::content::car;
use provenance::terms::Amount;
use zk::merkle::Tier;

use crate::bundle::{check_proof, expected, verified, verify_bytes};
use crate::error::{Error, Result};
use crate::job::package::{Expected, Package};
use crate::release::{self, Fields, Released};

/// What was tried.
pub struct Tampering {
    /// Corruptions that were refused: all that were tried.
    pub rejected: u64,
    /// Rows of the untampered output.
    pub rows: u64,
    /// Numbers in a row.
    pub dimension: u64,
    /// Constraints of the proof's circuit.
    pub constraints: u64,
    /// Verifying the untampered proof, milliseconds.
    pub verify_ms: u64,
}

/// Tries every corruption of the bundle in `bundle` and the fetched output in `output`; `report` hears each that was refused.
///
/// # Errors
/// `Integrity` where an untampered twin is refused or a corruption accepted.
pub fn all(bundle: &Path, output: &Path, report: &mut dyn FnMut(&str)) -> Result<Tampering> {
    let bytes = std::fs::read(bundle)?;
    let bundle = Bundle::from_bytes(&bytes)?;
    let package = Package::from_files(output)?;
    let mut tried = Tried { rejected: 0, report };
    proofs(&mut tried, &bundle)?;
    documents(&mut tried, &bundle)?;
    chain_facts(&mut tried, &bundle)?;
    outputs(&mut tried, &package, &expected(&bundle)?)?;
    files(&mut tried, &bytes, &bundle)?;
    let started = Instant::now();
    check_proof(&bundle)?;
    let verify_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    Ok(Tampering {
        rejected: tried.rejected,
        rows: package.count(),
        dimension: u64::from(package.dimension),
        constraints: zk::keys::Pin::of(tier(&bundle)?)?.constraints as u64,
        verify_ms,
    })
}

struct Tried<'a> {
    rejected: u64,
    report: &'a mut dyn FnMut(&str),
}

impl Tried<'_> {
    /// `accepts` must hold for `sound` and must not for what `spoil` makes of it.
    fn one<T: Clone>(
        &mut self,
        name: &str,
        sound: &T,
        spoil: impl FnOnce(&mut T),
        accepts: impl Fn(&T) -> bool,
    ) -> Result<()> {
        if !accepts(sound) {
            return Err(Error::integrity(format!("{name}: the untampered twin was refused")));
        }
        let mut spoiled = sound.clone();
        spoil(&mut spoiled);
        if accepts(&spoiled) {
            return Err(Error::integrity(format!("{name}: the corruption was accepted")));
        }
        self.rejected += 1;
        (self.report)(name);
        Ok(())
    }
}

fn tier(bundle: &Bundle) -> Result<Tier> {
    Tier::from_id(bundle.argument.tier.id()).ok_or_else(|| Error::integrity("the tier is unknown"))
}

/// The proof and its six public inputs, against the pinned key.
fn proofs(tried: &mut Tried<'_>, bundle: &Bundle) -> Result<()> {
    let accepts = |bundle: &Bundle| check_proof(bundle).is_ok();
    tried.one("proof with a changed bit", bundle, |b| b.argument.proof[0][31] ^= 1, accepts)?;
    tried.one("proof with two words swapped", bundle, |b| b.argument.proof.swap(2, 3), accepts)?;
    tried.one("proof with its first point as its last", bundle, |b| b.argument.proof.copy_within(0..2, 6), accepts)?;
    for (position, name) in ["root", "count", "owner", "output root", "context", "challenge"].iter().enumerate() {
        let name = format!("proof for another {name}");
        tried.one(&name, bundle, |b| b.argument.statement[position][31] ^= 1, accepts)?;
    }
    Ok(())
}

/// Receipt, offer, manifest, terms and ids, against each other.
fn documents(tried: &mut Tried<'_>, bundle: &Bundle) -> Result<()> {
    let accepts = |bundle: &Bundle| verified(bundle).valid;
    tried.one("receipt over another amount", bundle, |b| b.receipt.receipt.amount = Amount::tokens(1000), accepts)?;
    tried.one("receipt for another job", bundle, |b| b.receipt.receipt.job[0] ^= 1, accepts)?;
    tried.one("receipt with another signature", bundle, |b| b.receipt.signature[40] ^= 1, accepts)?;
    tried.one(
        "offer at another price",
        bundle,
        |b| b.offer.offer.terms.price_per_run = Amount::tokens(1000),
        accepts,
    )?;
    tried.one("offer with another signature", bundle, |b| b.offer.signature[5] ^= 1, accepts)?;
    tried.one("manifest with a changed byte", bundle, |b| b.manifest[100] ^= 1, accepts)?;
    tried.one("terms with another human text", bundle, |b| b.legal_text.push('!'), accepts)?;
    tried.one(
        "agreement with other words",
        bundle,
        |b| b.odrl_agreement = b.odrl_agreement.replacen("embed", "train", 1),
        accepts,
    )?;
    tried.one("key of another package", bundle, |b| b.chain.key_hash[0] ^= 1, accepts)?;
    tried.one("facts of another chain", bundle, |b| b.chain.chain_id += 1, accepts)?;
    tried.one("facts of another escrow", bundle, |b| b.chain.escrow.0[0] ^= 1, accepts)
}

/// The chain's events, against the hashes of the blocks that they are proved to be in.
fn chain_facts(tried: &mut Tried<'_>, bundle: &Bundle) -> Result<()> {
    let accepts = |bundle: &Bundle| verified(bundle).valid;
    let flip = |bytes: &mut Bytes| {
        let mut altered = bytes.to_vec();
        altered[40] ^= 1;
        *bytes = altered.into();
    };
    tried.one("receipt proof to another block", bundle, |b| flip(&mut b.chain.proofs.settled.header), accepts)?;
    tried.one("receipt proof of another receipt", bundle, |b| flip(&mut b.chain.proofs.settled.receipt), accepts)?;
    tried.one("receipt proof over another node", bundle, |b| flip(&mut b.chain.proofs.settled.nodes[0]), accepts)?;
    tried.one("receipt proof without nodes", bundle, |b| b.chain.proofs.settled.nodes.clear(), accepts)?;
    tried.one("receipt proof at another place", bundle, |b| b.chain.proofs.settled.position += 1, accepts)?;
    let other = |b: &mut Bundle| b.chain.proofs.committed = b.chain.proofs.requested.clone();
    tried.one("receipt proof of another event", bundle, other, accepts)?;
    tried.one("settlement in another block", bundle, |b| b.chain.settle_block_hash[0] ^= 1, accepts)?;
    tried.one("payment of another amount", bundle, |b| b.chain.settled.data[63] ^= 1, accepts)
}

/// The output's rows, salts and leaves, against both roots.
fn outputs(tried: &mut Tried<'_>, package: &Package, expected: &Expected) -> Result<()> {
    let accepts = |package: &Package| package.checks(expected).is_ok_and(|checks| checks.iter().all(|check| check.ok));
    let width = package.dimension as usize * 4;
    tried.one("row with a changed number", package, |p| p.rows[0] ^= 1, accepts)?;
    tried.one("row with another salt", package, |p| p.row_salts[0] ^= 1, accepts)?;
    tried.one("row bound to another leaf", package, |p| p.leaves[31] ^= 1, accepts)?;
    tried.one("two rows swapped", package, |p| p.rows.rotate_left(width), accepts)?;
    if package.fields.first().is_some_and(|first| !first.is_empty()) {
        let other = serde_bytes::ByteBuf::from(Vec::new());
        tried.one("row with its released fields changed", package, |p| p.fields[0] = other, accepts)?;
        let strange = Fields::from([("another".to_owned(), Released::Int(1))]);
        let strange = serde_bytes::ByteBuf::from(release::to_bytes(&strange)?);
        tried.one("row with a field that was not released", package, |p| p.fields[0] = strange, accepts)?;
    }
    tried.one("a row left out", package, |p| p.leave_out_last(), accepts)
}

/// Files as they lie on a disk: the bundle, and a CAR of the manifest.
fn files(tried: &mut Tried<'_>, bytes: &Vec<u8>, bundle: &Bundle) -> Result<()> {
    let accepts = |bytes: &Vec<u8>| verify_bytes(bytes).is_ok_and(|verified| verified.valid);
    tried.one("bundle cut short", bytes, |b| b.truncate(b.len() - 1), accepts)?;
    tried.one("bundle with something added", bytes, |b| b.push(0), accepts)?;
    let cid = Cid::raw(&bundle.manifest);
    let archive = car::write(&cid, [(&cid, bundle.manifest.as_slice())]);
    let most = archive.len() as u64 + 1;
    let accepts = |bytes: &Vec<u8>| car::read(bytes, most).is_ok();
    let last = archive.len() - 1;
    tried.one("CAR with a changed byte", &archive, |b| b[last] ^= 1, accepts)?;
    tried.one("CAR cut short", &archive, |b| b.truncate(last), accepts)
}
