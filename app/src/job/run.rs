//! The contributor runs an approved job: compute, gate, seal, commit, draw, prove. Each step is kept before the next is
//! taken, so that running it again goes on where it stopped.

use provenance::chain::client::{JobRecord, LicenseRecord};
use provenance::chain::typed::Domain;
use provenance::chain::{JobState, Output, U256};
use provenance::cid::Cid;
use provenance::content::unixfs;
use provenance::exchange;
use provenance::receipt::{Receipt, SignedReceipt};
use provenance::terms::{Action, Amount};
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop};
use zk::keys::VerifyingKey;
use zk::statement::Statement;

use super::delivery::Delivery;
use super::template::{Made, Proving, Template, Work};
use super::{Seen, Side, keep, see, template_and_circuit, unfinished};
use crate::args::DeviceChoice;
use crate::dataset::{self, Dataset};
use crate::error::{Error, Result};
use crate::home::{Home, Kind};
use crate::network::{self, Network};
use crate::progress::{Stage, stage};
use crate::{ids, view};

/// What a run gave: all that committing, proving and settling need.
#[derive(Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
pub struct Ran {
    /// The package's key; public once settled.
    #[serde(with = "serde_bytes")]
    pub key: Vec<u8>,
    /// The output's root, big-endian.
    #[serde(with = "serde_bytes")]
    pub output_root: Vec<u8>,
    /// SHA-256 of the sealed package.
    #[serde(with = "serde_bytes")]
    pub output_digest: Vec<u8>,
    /// The delivery note.
    #[serde(with = "serde_bytes")]
    pub delivery: Vec<u8>,
    /// Its digest in the content store.
    #[serde(with = "serde_bytes")]
    pub output_cid: Vec<u8>,
    /// What proving needs again, in the template's layout.
    #[serde(with = "serde_bytes")]
    pub opening: Vec<u8>,
    /// Bytes of the sealed package.
    pub output_bytes: u64,
    /// Where it ran.
    pub device: String,
    /// With which model, where there is one.
    pub model: Option<String>,
    /// The proof, once drawn.
    pub proof: Option<Proved>,
}

/// A proof that was verified here.
#[derive(Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
pub struct Proved {
    /// Eight words of 32 bytes, as the escrow takes them.
    #[serde(with = "serde_bytes")]
    pub words: Vec<u8>,
    /// How long proving took, milliseconds.
    pub ms: u64,
}

impl Ran {
    /// What is committed on-chain.
    pub(crate) fn output(&self) -> Result<Output> {
        Ok(Output {
            outputRoot: U256::from_be_slice(&self.output_root),
            outputDigest: word(&self.output_digest)?.into(),
            keyHash: exchange::key_hash(&word(&self.key)?).into(),
            outputCid: word(&self.output_cid)?.into(),
        })
    }
}

pub(crate) fn word(bytes: &[u8]) -> Result<[u8; 32]> {
    bytes.try_into().map_err(|_| Error::integrity("a stored word is not 32 bytes long"))
}

/// Runs a job as far as its owner can: to a drawn challenge and a verified proof.
///
/// # Errors
/// `Refused` where the license or the vault does not allow it; `Network`, after which the same command goes on.
pub async fn run(home: &mut Home, network: &Network, job: &str, device: DeviceChoice) -> Result<view::Job> {
    let mut seen = see(home, network, job).await?;
    seen.only(Side::Contributor)?;
    seen.in_state(&[JobState::Requested, JobState::Committed, JobState::Drawn, JobState::Accepted])?;
    if seen.record.state == JobState::Requested && seen.kept.run.is_none() {
        let license = allowed(home, network, &seen).await?;
        compute_and_seal(home, network, &mut seen, &license, device).await?;
    }
    // Computing can take longer than the embedded network waits for somebody to ask something.
    let network = &network::again(network).await?;
    let mut sent = None;
    stage(Stage::Commit);
    if seen.record.state == JobState::Requested {
        allowed(home, network, &seen).await?;
        upload(home, network, &seen)?;
        sent = Some(network.chain.commit(home.person.signer(), seen.record.id, &ran(&seen)?.output()?).await?);
        seen.record = network.chain.job(seen.record.id).await?;
    }
    if seen.record.state == JobState::Committed {
        sent = Some(network.chain.draw(home.person.signer(), seen.record.id).await?.1);
        seen.record = network.chain.job(seen.record.id).await?;
    }
    if ran(&seen)?.proof.is_none() {
        stage(Stage::Prove);
        prove(home, network, &mut seen)?;
    }
    see(home, network, job).await?.view(network, sent)
}

/// Puts the kept package and its delivery note into the content store. Doing it again changes nothing.
///
/// # Errors
/// `Network` where the store does not answer; `NotFound` where this vault holds no package for the job.
pub(crate) fn upload(home: &Home, network: &Network, seen: &Seen) -> Result<()> {
    let sealed = home.find_bytes(Kind::Package, &ids::shown(seen.record.id))?;
    let sealed = sealed.ok_or_else(|| Error::not_found("this vault holds no output for this job"))?;
    network.content.put_file(&sealed)?;
    network.content.put_raw(&ran(seen)?.delivery)?;
    Ok(())
}

pub(crate) fn ran(seen: &Seen) -> Result<&Ran> {
    seen.kept
        .run
        .as_ref()
        .ok_or_else(|| Error::not_found("this vault did not run this job").hint("Use the vault that ran it."))
}

/// The vault's own check, before anything is read: approved, in time, licensed, and over a dataset that is here.
async fn allowed(home: &Home, network: &Network, seen: &Seen) -> Result<LicenseRecord> {
    let details = &seen.record.details;
    if seen.kept.approved.is_none() {
        return Err(Error::refused("this job was not approved")
            .hint("`job show` says what would leave; `job approve` allows it."));
    }
    let dataset = dataset::find_by_id(home, &details.dataset.0)?.ok_or_else(|| {
        Error::not_found("this vault does not hold the dataset of this job").hint("Use the vault that published it.")
    })?;
    licensed(network, &seen.record, seen.now, &dataset).await
}

/// The job's license, where the job is in time, licensed, and over this version of the dataset.
pub(crate) async fn licensed(
    network: &Network,
    record: &JobRecord,
    now: u64,
    dataset: &Dataset,
) -> Result<LicenseRecord> {
    let details = &record.details;
    if now > details.runBy {
        return Err(
            Error::refused("the time to run this job is over").hint("The buyer can be refunded with `job refund`.")
        );
    }
    let license = network.chain.license(details.license).await?;
    let template = Template::of_bit(details.action)?;
    if license.terms.actions & details.action == 0 {
        return Err(Error::refused(format!("the license does not allow {template}")));
    }
    if dataset.version != details.version || dataset.count != details.count {
        return Err(Error::refused("the job is for another version of the dataset than this vault holds"));
    }
    if details.count < u64::from(license.terms.minRecords) {
        return Err(Error::refused("the dataset has fewer records than the license asks for"));
    }
    Ok(license)
}

/// Everything up to the sealed package, kept before anything leaves: what was computed is never computed again.
async fn compute_and_seal(
    home: &mut Home,
    network: &Network,
    seen: &mut Seen,
    license: &LicenseRecord,
    device: DeviceChoice,
) -> Result<()> {
    let work = Work::of(home, network, seen, license).await?;
    let leaves = work.template.leaves(home, &work)?;
    if seen.kept.approved.as_ref().is_none_or(|approved| approved.leaves != leaves) {
        return Err(
            Error::refused("the request is not the one that was approved").hint("`job approve` shows it again.")
        );
    }
    dataset::check_members(home, &work.dataset)?;
    stage(Stage::Read);
    let opened = dataset::open(home, &work.dataset)?;
    stage(Stage::Compute);
    let made = work.template.compute(home, &work, &opened, device)?;
    let domain = receipts_domain(network);
    let person = home.person.clone();
    let sealed = sealed(&seen.record, &work.spec.reply, made, |receipt| Ok(receipt.sign(person.signer(), domain)?))?;
    seen.kept.run = Some(sealed.run);
    home.keep_bytes(Kind::Receipt, &ids::shown(seen.record.id), &sealed.receipt)?;
    home.keep_bytes(Kind::Package, &ids::shown(seen.record.id), &sealed.package)?;
    home.keep(Kind::Job, &ids::shown(seen.record.id), &seen.kept)?;
    unfinished::forget(home, &|job| job == work.job)
}

/// An output that is ready to be stored and committed to.
pub(crate) struct Sealed {
    /// What committing, proving and settling need.
    pub run: Ran,
    /// The package, under a fresh key and sealed to the consumer.
    pub package: Vec<u8>,
    /// The signed receipt.
    pub receipt: Vec<u8>,
}

/// Seals what was computed to the consumer's `reply` key, with a receipt by `sign`.
pub(crate) fn sealed(
    record: &JobRecord,
    reply: &[u8; 32],
    made: Made,
    sign: impl FnOnce(Receipt) -> Result<SignedReceipt>,
) -> Result<Sealed> {
    let details = &record.details;
    let key = exchange::package_key()?;
    let output_root = zk::field::to_bytes(&made.output_root);
    let package = exchange::seal_package(&key, &record.id.0, reply, &made.package)?;
    let output_digest = sha256(&package);
    let receipt = Receipt {
        license: details.license.0,
        job: record.id.0,
        dataset: details.dataset.0,
        version: details.version,
        root: details.root.to_be_bytes(),
        spec: details.spec.0,
        action: Action::from_bit(details.action)?,
        records: details.count,
        output_root,
        output_digest,
        amount: Amount::from_units(details.amount)?,
    };
    let receipt = sign(receipt)?;
    let delivery = Delivery::new(&unixfs::file_cid(&package)?, &receipt)?.to_bytes()?;
    let run = Ran {
        key: key.to_vec(),
        output_root: output_root.to_vec(),
        output_digest: output_digest.to_vec(),
        output_cid: Cid::raw(&delivery).digest().to_vec(),
        delivery,
        opening: made.opening,
        output_bytes: package.len() as u64,
        device: made.device,
        model: made.model,
        proof: None,
    };
    Ok(Sealed { run, package, receipt: receipt.to_bytes()? })
}

/// The contract that receipts are signed for.
pub(crate) fn receipts_domain(network: &Network) -> Domain {
    Domain { chain_id: network.profile.chain_id, contract: network.profile.escrow }
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    use sha2::Digest;
    sha2::Sha256::digest(bytes).into()
}

/// Proves what was committed, and verifies the proof before it is kept.
fn prove(home: &mut Home, network: &Network, seen: &mut Seen) -> Result<()> {
    let (template, circuit) = template_and_circuit(&seen.record)?;
    let dataset = dataset::find_by_id(home, &seen.record.details.dataset.0)?
        .ok_or_else(|| Error::not_found("the dataset is gone"))?;
    let opened = dataset::open(home, &dataset)?;
    let statement = statement(network, seen)?;
    let opening = &ran(seen)?.opening;
    let (proof, ms) =
        template.prove(&Proving { home, dataset: &dataset, opened: &opened, opening, statement: &statement })?;
    zk::proof::verify(&VerifyingKey::pinned(circuit)?, &statement, &proof)?;
    if let Some(run) = &mut seen.kept.run {
        run.proof = Some(Proved { words: proof.to_words().concat(), ms });
    }
    keep(home, seen.record.id, &seen.kept)
}

/// The public side of a job's proof, from the chain alone.
pub(crate) fn statement(network: &Network, seen: &Seen) -> Result<Statement> {
    let details = &seen.record.details;
    let commitment =
        seen.record.commitment.as_ref().ok_or_else(|| Error::refused("nothing was committed for this job"))?;
    let challenge = seen.record.challenge().ok_or_else(|| Error::refused("the challenge was not drawn yet"))?;
    let field = |word: U256| zk::field::from_bytes(&word.to_be_bytes::<32>());
    Ok(Statement {
        root: field(details.root)?,
        count: details.count,
        owner: field(details.ownerCommitment)?,
        output_root: field(commitment.output.outputRoot)?,
        context: field(network.chain.context(seen.record.id, details, &commitment.output))?,
        challenge: field(challenge)?,
    })
}
