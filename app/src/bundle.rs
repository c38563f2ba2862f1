//! Bundles: one file that shows a settled job to anybody, and its verification without vault or network.

use std::path::Path;

use provenance::bundle::{Argument, Bundle, ChainFacts, MAX_BUNDLE};
use provenance::chain::B256;
use provenance::chain::client::{Endpoint, JobRecord, LicenseRecord, Profile};
use provenance::chain::confirm;
use provenance::cid::{Cid, Codec};
use provenance::manifest::{self, Manifest};
use provenance::offer::SignedOffer;
use provenance::receipt::SignedReceipt;
use provenance::terms::Action;
use zk::Circuit;
use zk::keys::VerifyingKey;
use zk::merkle::Tier;
use zk::proof::Proof;
use zk::statement::Statement;

use crate::error::{Error, Result};
use crate::home::{Home, Kind};
use crate::job::answer::Answered;
use crate::job::package::Expected;
use crate::job::template::{Says, Template};
use crate::job::{delivery, see, template_and_circuit};
use crate::network::{self, Network};
use crate::{ids, view};

/// Writes the bundle of a settled job to `out`.
///
/// # Errors
/// `Refused` before the job is settled, or where `out` exists; `Integrity` where something stored is not what the chain says.
pub async fn export(home: &Home, network: &Network, job: &str, out: &Path) -> Result<view::Bundle> {
    if out.exists() {
        return Err(Error::refused(format!("{} is there already", out.display())).hint("Name another file with --out."));
    }
    check_folder(out)?;
    let bundle = assemble(home, network, job).await?;
    let verified = verified(&bundle);
    if let Some(failed) = verified.checks.iter().find(|check| !check.ok) {
        return Err(Error::integrity(format!("the bundle does not hold: {}: {}", failed.name, failed.detail)));
    }
    let bytes = bundle.to_bytes()?;
    write_new(out, &bytes)?;
    let size = bytes.len() as u64;
    Ok(view::Bundle { file: out.display().to_string(), bytes: size, valid: verified.valid, checks: verified.checks })
}

/// That the folder in which `out` is to be written is there.
///
/// # Errors
/// `NotFound` naming the folder.
pub(crate) fn check_folder(out: &Path) -> Result<()> {
    let folder = out.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if folder.is_dir() {
        Ok(())
    } else {
        Err(Error::not_found(format!("{} is no folder", folder.display())).hint("Make it first."))
    }
}

/// Writes a file whole or not at all.
pub(crate) fn write_new(out: &Path, bytes: &[u8]) -> Result<()> {
    use std::io::Write;
    let folder = out.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist_noclobber(out).map_err(|error| Error::from(error.error))?;
    Ok(())
}

/// The bundle of a settled job, from chain, content store and this vault's receipts.
///
/// # Errors
/// Like [`export`].
pub async fn assemble(home: &Home, network: &Network, job: &str) -> Result<Bundle> {
    let seen = see(home, network, job).await?;
    let record = &seen.record;
    let (Some(commitment), Some(committed), Some(settled)) = (&record.commitment, record.committed, record.settled)
    else {
        return Err(Error::refused("only a settled job has a bundle"));
    };
    let license = network.chain.license(record.details.license).await?;
    let offer = offer_of(network, &license).await?;
    let statement = crate::job::run::statement(network, &seen)?;
    let (first_manifest, manifest) = manifests(network, record).await?;
    let legal = network.content.get_raw(&offer.offer.terms.legal_cid())?;
    let bundle = Bundle {
        manifest,
        first_manifest,
        legal_text: String::from_utf8(legal).map_err(|_| Error::integrity("the terms' human text is no text"))?,
        symbol: network.symbol().to_owned(),
        odrl_offer: String::new(),
        odrl_agreement: String::new(),
        receipt: receipt(home, network, record).await?,
        licensee: record.details.licensee,
        license_nonce: network.chain.license_nonce(&license).await?,
        job_nonce: network.chain.job_nonce(record).await?,
        argument: Argument {
            circuit: template_and_circuit(record)?.1.name().to_owned(),
            tier: manifest::Tier::from_id(record.details.tier)?,
            statement: statement.inputs().map(|input| zk::field::to_bytes(&input)),
            proof: network.chain.settling_proof(record).await?,
        },
        chain: ChainFacts {
            chain_id: network.profile.chain_id,
            datasets: network.profile.datasets,
            licenses: network.profile.licenses,
            escrow: network.profile.escrow,
            key_hash: commitment.output.keyHash.0,
            commit_block: committed.block,
            commit_block_hash: network.chain.block_hash(committed.block).await?.0,
            settle_tx: settled.place.tx.0,
            settle_block: settled.place.block,
            settle_block_hash: network.chain.block_hash(settled.place.block).await?.0,
            settled: network.chain.settled_event(record).await?,
            proofs: network.chain.job_facts(record.id).await?,
        },
        offer,
    };
    Ok(bundle.with_odrl())
}

/// The signed offer under which a license was bought: among its owner's announcements, the one with its digest.
pub(crate) async fn offer_of(network: &Network, license: &LicenseRecord) -> Result<SignedOffer> {
    for announced in network.chain.announcements(Some(license.terms.owner)).await? {
        let cid = Cid::from_digest(Codec::Raw, announced.offer.0);
        let offer = network.content.get_raw(&cid).ok().and_then(|bytes| SignedOffer::from_bytes(&bytes).ok());
        if let Some(offer) = offer.filter(|offer| B256::from(offer.digest()) == license.terms.offer) {
            return Ok(offer);
        }
    }
    Err(Error::not_found("the offer of this license is not in the content store"))
}

/// The digest of the dataset's first manifest, and the bytes of the one that the job ran over.
pub(crate) async fn manifests(network: &Network, record: &JobRecord) -> Result<([u8; 32], Vec<u8>)> {
    let versions = network.chain.versions(record.details.dataset).await?;
    let find = |number: u32| versions.iter().map(|(version, _)| version).find(|version| version.version == number);
    let (Some(first), Some(used)) = (find(1), find(record.details.version)) else {
        return Err(Error::integrity("the chain does not know the dataset's version that the job ran over"));
    };
    let cid = Cid::from_digest(Codec::Raw, used.manifest.0);
    Ok((first.manifest.0, network.content.get_raw(&cid)?))
}

/// The receipt kept in this vault (with an acknowledgement, where one was given), or the one that was delivered.
async fn receipt(home: &Home, network: &Network, record: &JobRecord) -> Result<SignedReceipt> {
    let mut receipt = match home.find_bytes(Kind::Receipt, &ids::shown(record.id))? {
        Some(bytes) => SignedReceipt::from_bytes(&bytes)?,
        None => delivery::receipt(network, record).await?,
    };
    if let Some(given) = &record.acknowledged
        && receipt.acknowledgement.is_none()
    {
        receipt.acknowledgement = given.signature.as_ref().try_into().ok();
    }
    Ok(receipt)
}

/// Who says that the blocks a bundle rests on are the chain's.
#[derive(Default)]
pub struct Witnesses {
    /// A node, by its address, that is asked.
    pub rpc: Option<String>,
    /// Hashes of blocks that the person knows to be the chain's.
    pub checkpoints: Vec<String>,
}

/// Checks the bundle in `file`. Needs no vault and no network; the verifying keys are those pinned in this program. What
/// the bundle merely asserts about the chain is verified where a witness confirms the blocks; with `answer`, the answer of
/// a statistic in that file is opened too.
///
/// # Errors
/// `NotFound` where there is no file; `Integrity` where it is no bundle; `Usage` for a checkpoint that is no hash; `Network`
/// where the node does not answer. A bundle that does not hold is in the answer.
pub async fn verify(file: &Path, witnesses: &Witnesses, answer: Option<&Path>) -> Result<view::Verified> {
    use std::io::Read;
    let mut bytes = Vec::new();
    if file.is_dir() {
        return Err(Error::usage(format!("{} is a folder, not a bundle", file.display())));
    }
    let opened = std::fs::File::open(file).map_err(|e| Error::not_found(format!("{}: {e}", file.display())))?;
    opened.take(MAX_BUNDLE as u64 + 1).read_to_end(&mut bytes)?;
    let bundle = Bundle::from_bytes(&bytes)?;
    let mut view = verified(&bundle);
    if let Some(answer) = answer {
        let checks = check_answer(&bundle, answer)?;
        view.valid &= checks.iter().all(|check| check.ok);
        view.checks.extend(checks);
    }
    if !witnesses.checkpoints.is_empty() {
        let known = witnesses.checkpoints.iter().map(|hash| ids::id(hash, "block")).collect::<Result<Vec<_>>>()?;
        compare(&mut view, &bundle, &known);
    }
    if let Some(rpc) = &witnesses.rpc {
        ask(&mut view, &bundle, rpc).await?;
    }
    Ok(view)
}

/// The checks that a block's hash can confirm, with the events that they rest on: commit and draw, settlement.
const CONFIRMED: [(&str, &[usize]); 2] = [("statement challenge", &[1, 2]), ("settlement event", &[3])];

/// Compares the blocks that the bundle rests on with hashes that the person knows.
fn compare(view: &mut view::Verified, bundle: &Bundle, known: &[B256]) {
    let Ok(proved) = bundle.chain.proofs.check() else { return };
    let strange = known.iter().find(|hash| proved.blocks.iter().all(|block| block.hash != **hash));
    let (standing, detail) = match (strange, network::deployed_as(&bundle.chain)) {
        (Some(hash), _) => ("asserted", format!("the bundle rests on no block {hash}")),
        (None, None) => (
            "asserted",
            format!(
                "the blocks have what is said, by contract {}, which is of no network known here",
                bundle.chain.escrow
            ),
        ),
        (None, Some(profile)) => {
            let sure = |position: &usize| known.contains(&proved.blocks[*position].hash);
            let names = CONFIRMED.iter().filter(|(_, blocks)| blocks.iter().all(sure)).map(|(name, _)| *name);
            let names: Vec<&str> = names.collect();
            confirm_checks(view, &names);
            let said =
                if names.is_empty() { "nothing yet: more blocks are needed".to_owned() } else { names.join(", ") };
            ("verified", format!("by the contracts of network {:?}, these blocks confirm: {said}", profile.name))
        }
    };
    push(view, "checkpoint", strange.is_none(), standing, detail);
}

/// Asks the node at `rpc` for the blocks and the payment.
async fn ask(view: &mut view::Verified, bundle: &Bundle, rpc: &str) -> Result<()> {
    let known = network::deployed_as(&bundle.chain);
    let confirmed = match &known {
        Some(profile) => confirm::bundle_on(&Profile { url: rpc.to_owned(), ..profile.clone() }, &bundle.chain).await,
        None => confirm::bundle(Endpoint::Http(rpc.to_owned()), &bundle.chain).await,
    };
    if let Err(error @ provenance::Error::Network(_)) = confirmed {
        return Err(error.into());
    }
    let ok = confirmed.is_ok();
    let (standing, detail) = match (confirmed, known) {
        (Err(error), _) => ("asserted", error.to_string()),
        (Ok(()), Some(profile)) => {
            confirm_checks(view, &["statement challenge", "settlement event", "settlement"]);
            (
                "verified",
                format!("the payment is in the chain at {rpc}, by the contracts of network {:?}", profile.name),
            )
        }
        (Ok(()), None) => (
            "asserted",
            format!("{rpc} has the payment, by contract {}, which is of no network known here", bundle.chain.escrow),
        ),
    };
    push(view, "chain", ok, standing, detail);
    Ok(())
}

/// What held as the bundle's word holds by somebody else's now.
fn confirm_checks(view: &mut view::Verified, names: &[&str]) {
    for check in view.checks.iter_mut().filter(|check| check.ok && names.contains(&check.name.as_str())) {
        "verified".clone_into(&mut check.standing);
    }
}

fn push(view: &mut view::Verified, name: &str, ok: bool, standing: &str, detail: String) {
    view.checks.push(view::Check { name: name.to_owned(), ok, standing: standing.to_owned(), detail });
    view.valid &= ok;
    if !ok {
        FAILED.clone_into(&mut view.says);
    }
}

/// What a bundle says of which a check failed.
const FAILED: &str = "nothing: a check failed";

/// Checks a bundle's bytes, without asking any node.
///
/// # Errors
/// `Integrity` where they are no bundle.
pub fn verify_bytes(bytes: &[u8]) -> Result<view::Verified> {
    Ok(verified(&Bundle::from_bytes(bytes)?))
}

/// Every check of a bundle.
pub fn verified(bundle: &Bundle) -> view::Verified {
    let mut checks: Vec<view::Check> = bundle
        .checks()
        .into_iter()
        .map(|check| view::Check {
            name: check.name.to_owned(),
            ok: check.ok,
            standing: check.standing.word().to_owned(),
            detail: check.detail,
        })
        .collect();
    let proof = check_proof(bundle);
    checks.push(view::Check {
        name: "proof".to_owned(),
        ok: proof.is_ok(),
        standing: "verified".to_owned(),
        detail: match proof {
            Ok(()) => {
                "it shows the statement, under the key pinned in this program; forgeable: a development key".to_owned()
            }
            Err(error) => error.message,
        },
    });
    let valid = checks.iter().all(|check| check.ok);
    let says = match Template::of(bundle.receipt.receipt.action).map(Template::says) {
        Some(says) if valid => sentence(says),
        _ => FAILED,
    };
    view::Verified { valid, says: says.to_owned(), checks }
}

/// What a valid bundle shows.
fn sentence(says: Says) -> &'static str {
    match says {
        Says::Bound => {
            "bound: if the chain says what is asserted here, eight drawn rows of this output were committed, before they were \
             drawn, against registered records. Forgeable: the proof is under a development key"
        }
        Says::Proven => {
            "proven: if the chain says what is asserted here, the answer that was committed is count, sum and histogram over \
             every registered record. Forgeable: the proof is under a development key"
        }
    }
}

/// Opens the answer of a statistic that `job fetch` wrote to `file`: it is the one that the bundle is about.
///
/// # Errors
/// `NotFound` where there is no file; `Integrity` where it is no answer; `Usage` where the bundle is of another template.
fn check_answer(bundle: &Bundle, file: &Path) -> Result<Vec<view::Check>> {
    if bundle.receipt.receipt.action != Action::Statistic {
        return Err(Error::usage(format!("this bundle is of {}, which has no answer", bundle.receipt.receipt.action))
            .hint("Leave --answer out."));
    }
    let text = std::fs::read_to_string(file).map_err(|e| Error::not_found(format!("{}: {e}", file.display())))?;
    Ok(Answered::from_json(&text)?.checks(&expected(bundle)?))
}

/// What the output of a bundle's job must agree with.
///
/// # Errors
/// `Integrity` where the bundle's manifest or statement cannot be read.
pub(crate) fn expected(bundle: &Bundle) -> Result<Expected> {
    let statement = &bundle.argument.statement;
    Ok(Expected {
        tier: Tier::from_id(bundle.argument.tier.id()).ok_or_else(|| Error::integrity("the tier is unknown"))?,
        count: bundle.receipt.receipt.records,
        root: zk::field::from_bytes(&statement[0])?,
        output_root: zk::field::from_bytes(&statement[3])?,
        manifest: Manifest::from_bytes(&bundle.manifest)?,
        min_records: bundle.offer.offer.terms.min_records,
    })
}

/// Verifies the proof for the statement, both as in the bundle, with this program's own key.
///
/// # Errors
/// `Integrity` where it does not verify.
pub fn check_proof(bundle: &Bundle) -> Result<()> {
    let argument = &bundle.argument;
    let tier = Tier::from_id(argument.tier.id()).ok_or_else(|| Error::integrity("the tier is unknown"))?;
    let circuit = Circuit::named(&argument.circuit, tier)
        .ok_or_else(|| Error::integrity(format!("this program knows no circuit {:?}", argument.circuit)))?;
    let field = |position: usize| zk::field::from_bytes(&argument.statement[position]);
    let count = argument.statement[1];
    let small = count[..24].iter().all(|byte| *byte == 0);
    let mut low = [0; 8];
    low.copy_from_slice(&count[24..]);
    if !small {
        return Err(Error::integrity("the statement's record count is no small number"));
    }
    let statement = Statement {
        root: field(0)?,
        count: u64::from_be_bytes(low),
        owner: field(2)?,
        output_root: field(3)?,
        context: field(4)?,
        challenge: field(5)?,
    };
    let proof = Proof::from_words(&argument.proof)?;
    Ok(zk::proof::verify(&VerifyingKey::pinned(circuit)?, &statement, &proof)?)
}
