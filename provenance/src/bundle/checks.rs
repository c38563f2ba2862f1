//! Everything about a bundle that can be recomputed from it, as a list of named checks.

use super::{Bundle, LoggedEvent};
use crate::chain::typed::Domain;
use crate::chain::{Address, keccak256};
use crate::cid::Cid;
use crate::exchange::key_hash;
use crate::ids::{Context, challenge, dataset_id, job_id, license_id};
use crate::manifest::{CIRCUIT, Manifest, STATISTIC_CIRCUIT};
use crate::terms::Action;
use crate::{Error, Result};

/// The `JobSettled` event of `JobEscrow`, as its signature hash is made.
const SETTLED: &str = "JobSettled(bytes32,bytes32,address,address,uint256,bytes32,bytes32,bytes32)";

/// How far a check that holds can be relied on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Standing {
    /// Recomputed here.
    Verified,
    /// The bundle says so; ask a chain.
    Asserted,
}

impl Standing {
    /// The word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Standing::Verified => "verified",
            Standing::Asserted => "asserted",
        }
    }
}

/// One check.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Check {
    /// A short name, the same in every bundle.
    pub name: &'static str,
    /// Whether it holds.
    pub ok: bool,
    /// What was found, or what is wrong.
    pub detail: String,
    /// How far it can be relied on when it holds.
    pub standing: Standing,
}

/// Whether no check failed. An empty list proves nothing.
pub fn is_valid(checks: &[Check]) -> bool {
    !checks.is_empty() && checks.iter().all(|check| check.ok)
}

impl Bundle {
    /// Every check that needs neither a network nor a verifying key. None is left out because another failed.
    pub fn checks(&self) -> Vec<Check> {
        let manifest = Manifest::from_bytes(&self.manifest);
        let mut checks = vec![self.check_manifest(&manifest)];
        if let Ok(manifest) = &manifest {
            checks.extend(self.check_published(manifest));
            checks.extend(self.check_signed(manifest));
            checks.extend(self.check_statement(manifest));
        }
        checks.extend(self.check_chain(manifest.as_ref().ok()));
        checks
    }

    fn check_manifest(&self, manifest: &Result<Manifest>) -> Check {
        let described = |manifest: &Manifest| {
            format!("\"{}\", {} records, {}", manifest.name, manifest.records, Cid::raw(&self.manifest))
        };
        verified("manifest", manifest.as_ref().map(described).map_err(ToString::to_string))
    }

    /// What was published: dataset, offer, terms.
    fn check_published(&self, manifest: &Manifest) -> Vec<Check> {
        let (receipt, offer) = (&self.receipt.receipt, &self.offer.offer);
        let registry = Domain { chain_id: self.chain.chain_id, contract: self.chain.licenses };
        let (odrl_offer, odrl_agreement) = self.expected_odrl();
        vec![
            verified("dataset id", self.dataset_id(manifest)),
            verified(
                "offer signature",
                said(self.offer.verify(manifest.owner, &registry), format!("signed by {}", manifest.owner)),
            ),
            holds(
                "offer dataset",
                offer.dataset == receipt.dataset,
                "the offer is for this dataset",
                "the offer is for another dataset",
            ),
            holds(
                "offer licensee",
                offer.licensee.is_none_or(|licensee| licensee == self.licensee),
                "the licensee may buy it",
                "the offer is for another licensee",
            ),
            verified(
                "legal text",
                said(offer.terms.legal_cid().verify(self.legal_text.as_bytes()), offer.terms.legal_cid().to_string()),
            ),
            holds(
                "terms as ODRL",
                self.odrl_offer == odrl_offer && self.odrl_agreement == odrl_agreement,
                "offer and agreement say what was signed",
                "the ODRL documents say something else than what was signed",
            ),
        ]
    }

    /// What was signed: license, job, receipt, acknowledgement.
    fn check_signed(&self, manifest: &Manifest) -> Vec<Check> {
        let receipt = &self.receipt.receipt;
        let escrow = Domain { chain_id: self.chain.chain_id, contract: self.chain.escrow };
        let license = self.license_nonce.map(|nonce| license_id(&self.offer.digest(), self.licensee, nonce));
        let job = self.job_nonce.map(|nonce| job_id(&receipt.license, &receipt.spec, nonce));
        vec![
            derived("license id", license, &receipt.license),
            derived("job id", job, &receipt.job),
            verified(
                "receipt signature",
                said(self.receipt.verify(manifest.owner, &escrow), self.receipt.signed_by(manifest.owner)),
            ),
            self.acknowledgement(),
            verified("receipt and manifest", self.receipt_and_manifest(manifest)),
            verified("receipt and terms", self.receipt_and_terms()),
        ]
    }

    /// What the proof is about. The proof itself is the caller's to verify.
    fn check_statement(&self, manifest: &Manifest) -> Vec<Check> {
        let receipt = &self.receipt.receipt;
        let [root, count, owner, output_root, context, drawn] = &self.argument.statement;
        let argument = &self.argument;
        let mut records = [0; 32];
        records[24..].copy_from_slice(&receipt.records.to_be_bytes());
        let block = self.chain.commit_block;
        let drawn_here = *drawn == challenge(&self.chain.commit_block_hash, &receipt.job);
        vec![
            holds(
                "circuit",
                argument.circuit == circuit_of(receipt.action),
                circuit_of(receipt.action),
                "the proof is for another circuit than the receipt's action is proven with",
            ),
            holds(
                "tier",
                argument.tier == manifest.tier,
                manifest.tier.name(),
                "the proof is for a tree of another size",
            ),
            holds("statement root", *root == receipt.root, "the receipt's root", "ROOT is not the receipt's"),
            holds("statement count", *count == records, "the receipt's records", "COUNT is not the receipt's"),
            holds(
                "statement owner",
                *owner == manifest.owner_commitment,
                "the manifest's owner",
                "OWNER is not the manifest's",
            ),
            holds(
                "statement output",
                *output_root == receipt.output_root,
                "the receipt's output",
                "OUTPUT_ROOT is not the receipt's",
            ),
            holds(
                "statement context",
                *context == self.context(manifest.owner),
                "chain, escrow, job, license, spec, output, key and payee",
                "CONTEXT is for another chain, escrow, job, license, spec, output, key or payee",
            ),
            Check {
                standing: Standing::Asserted,
                ..holds(
                    "statement challenge",
                    drawn_here,
                    &format!("drawn from the hash of block {block}"),
                    "CHALLENGE is not drawn from the commit's block and this job",
                )
            },
        ]
    }

    /// What the chain is said to have logged.
    fn check_chain(&self, manifest: Option<&Manifest>) -> Vec<Check> {
        let chain = &self.chain;
        let event = Settled::read(&chain.settled).and_then(|event| self.event_and_receipt(&event, manifest));
        let order = chain.commit_block < chain.settle_block;
        let asserted = |check: Check| Check { standing: Standing::Asserted, ..check };
        vec![
            verified("receipt proofs", self.receipt_proofs(manifest)),
            asserted(verified("settlement event", event)),
            asserted(holds(
                "settlement",
                order,
                &format!(
                    "transaction 0x{} in block {} of chain {}",
                    hex::encode(chain.settle_tx),
                    chain.settle_block,
                    chain.chain_id
                ),
                "the job is said to be settled before its output was committed",
            )),
        ]
    }

    /// That the job's events are in the blocks whose hashes the bundle names, and say what it says.
    fn receipt_proofs(&self, manifest: Option<&Manifest>) -> std::result::Result<String, String> {
        let (chain, receipt) = (&self.chain, &self.receipt.receipt);
        let proved = chain.proofs.check().map_err(|error| error.to_string())?;
        let (logged, _) = chain.proofs.settled.check().map_err(|error| error.to_string())?;
        let [_, committed, _, settled] = proved.blocks;
        let (details, commitment) = (&proved.details, &proved.commitment);
        let topics = logged.topics().iter().map(|topic| topic.0);
        differing(&[
            ("chain", chain.proofs.chain_id == chain.chain_id),
            ("contract", chain.proofs.escrow == chain.escrow),
            ("receipt", proved.receipt_hash.0 == receipt.hash()),
            ("licensee", details.licensee == self.licensee),
            ("owner", manifest.is_none_or(|manifest| details.owner == manifest.owner)),
            ("currency", details.currency == self.offer.offer.terms.currency),
            ("key", commitment.output.keyHash.0 == chain.key_hash),
            ("challenge", commitment.challenge.to_be_bytes::<32>() == self.argument.statement[5]),
            ("commit block", (committed.number, committed.hash.0) == (chain.commit_block, chain.commit_block_hash)),
            ("settlement block", (settled.number, settled.hash.0) == (chain.settle_block, chain.settle_block_hash)),
            ("transaction", chain.proofs.settled.tx.0 == chain.settle_tx),
            ("event", topics.eq(chain.settled.topics.iter().copied()) && logged.data.data == chain.settled.data),
        ])?;
        let named = ["requested", "committed", "drawn", "settled"].iter().zip(&proved.blocks);
        let named = named.map(|(what, block)| format!("{what} in block {} {}", block.number, block.hash));
        Ok(named.collect::<Vec<_>>().join(", "))
    }

    fn dataset_id(&self, manifest: &Manifest) -> std::result::Result<String, String> {
        let receipt = &self.receipt.receipt;
        let digest = Cid::raw(&self.manifest).digest();
        if (manifest.version == 1) != (digest == self.first_manifest) {
            return Err("the first manifest is not the one of version 1".into());
        }
        if dataset_id(manifest.owner, &self.first_manifest) != receipt.dataset {
            return Err("the DatasetId does not derive from this owner and first manifest".into());
        }
        Ok(format!("0x{}", hex::encode(receipt.dataset)))
    }

    fn acknowledgement(&self) -> Check {
        match self.receipt.verify_acknowledgement(self.licensee) {
            Ok(true) => verified("acknowledgement", Ok(format!("signed by {}", self.licensee))),
            Ok(false) => Check {
                standing: Standing::Asserted,
                ..verified("acknowledgement", Ok("unacknowledged: the licensee signed nothing".into()))
            },
            Err(error) => verified("acknowledgement", Err(error.to_string())),
        }
    }

    fn receipt_and_manifest(&self, manifest: &Manifest) -> std::result::Result<String, String> {
        let receipt = &self.receipt.receipt;
        differing(&[
            ("version", receipt.version == manifest.version),
            ("root", receipt.root == manifest.root),
            ("records", receipt.records == manifest.records),
        ])
        .map(|()| format!("version {}, {} records", receipt.version, receipt.records))
    }

    fn receipt_and_terms(&self) -> std::result::Result<String, String> {
        let (receipt, terms) = (&self.receipt.receipt, &self.offer.offer.terms);
        differing(&[
            ("action", terms.actions.contains(receipt.action)),
            ("amount", receipt.amount == terms.price_per_run),
            ("records", receipt.records >= u64::from(terms.min_records)),
        ])
        .map(|()| format!("{} for {}", receipt.action, receipt.amount.show(&self.symbol)))
    }

    fn context(&self, payee: Address) -> [u8; 32] {
        let receipt = &self.receipt.receipt;
        Context {
            chain_id: self.chain.chain_id,
            escrow: self.chain.escrow,
            job: receipt.job,
            license: receipt.license,
            spec: receipt.spec,
            output_digest: receipt.output_digest,
            key_hash: self.chain.key_hash,
            payee,
        }
        .word()
    }

    fn event_and_receipt(&self, event: &Settled, manifest: Option<&Manifest>) -> std::result::Result<String, String> {
        let receipt = &self.receipt.receipt;
        differing(&[
            ("job", event.job == receipt.job),
            ("dataset", event.dataset == receipt.dataset),
            ("owner", manifest.is_none_or(|manifest| event.owner == manifest.owner)),
            ("currency", event.currency == self.offer.offer.terms.currency),
            ("amount", event.amount == receipt.amount.units().to_be_bytes::<32>()),
            ("key", key_hash(&event.key) == self.chain.key_hash),
            ("receipt", event.receipt == receipt.hash()),
        ])
        .map(|()| format!("paid {} to {}", receipt.amount.show(&self.symbol), event.owner))
    }
}

/// The words of a `JobSettled` event.
struct Settled {
    job: [u8; 32],
    dataset: [u8; 32],
    owner: Address,
    currency: Address,
    amount: [u8; 32],
    key: [u8; 32],
    receipt: [u8; 32],
}

impl Settled {
    fn read(event: &LoggedEvent) -> std::result::Result<Self, String> {
        let bad = || "this is no JobSettled event".to_owned();
        let [kind, job, dataset, owner] = event.topics.as_slice() else { return Err(bad()) };
        let (words, []) = event.data.as_chunks::<32>() else { return Err(bad()) };
        let [currency, amount, key, receipt, _head] = words else { return Err(bad()) };
        if *kind != keccak256(SETTLED).0 {
            return Err(bad());
        }
        Ok(Self {
            job: *job,
            dataset: *dataset,
            owner: address(owner).ok_or_else(bad)?,
            currency: address(currency).ok_or_else(bad)?,
            amount: *amount,
            key: *key,
            receipt: *receipt,
        })
    }
}

/// The address in a word, whose first twelve bytes must be zero.
fn address(word: &[u8; 32]) -> Option<Address> {
    word[..12].iter().all(|byte| *byte == 0).then(|| Address::from_slice(&word[12..]))
}

fn verified(name: &'static str, result: std::result::Result<String, String>) -> Check {
    let ok = result.is_ok();
    let detail = result.unwrap_or_else(|why| why);
    Check { name, ok, detail, standing: Standing::Verified }
}

fn holds(name: &'static str, ok: bool, detail: &str, wrong: &str) -> Check {
    verified(name, if ok { Ok(detail.into()) } else { Err(wrong.into()) })
}

/// The circuit that an action's jobs are proven with: the escrow picks its verifier by the same rule.
const fn circuit_of(action: Action) -> &'static str {
    match action {
        Action::Statistic => STATISTIC_CIRCUIT,
        _ => CIRCUIT,
    }
}

fn said(result: Result<(), Error>, detail: String) -> std::result::Result<String, String> {
    result.map(|()| detail).map_err(|error| error.to_string())
}

/// An id that derives from a nonce; without the nonce it is only asserted.
fn derived(name: &'static str, expected: Option<[u8; 32]>, found: &[u8; 32]) -> Check {
    let id = format!("0x{}", hex::encode(found));
    match expected {
        Some(expected) => holds(name, expected == *found, &id, "the id does not derive from what it should"),
        None => Check {
            standing: Standing::Asserted,
            ..verified(name, Ok(format!("{id}; its nonce is not in the bundle")))
        },
    }
}

fn differing(parts: &[(&str, bool)]) -> std::result::Result<(), String> {
    let wrong: Vec<&str> = parts.iter().filter(|(_, same)| !same).map(|(name, _)| *name).collect();
    if wrong.is_empty() { Ok(()) } else { Err(format!("{} differ from what was signed", wrong.join(", "))) }
}
