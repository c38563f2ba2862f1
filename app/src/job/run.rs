//! The contributor runs an approved job: compute, gate, seal, commit, draw, prove. Each step is kept before the next is
//! taken, so that running it again goes on where it stopped.

use std::time::Instant;

use compute::template::{Continue, embed};
use compute::{Choice, Device, Model, Row};
use provenance::chain::client::LicenseRecord;
use provenance::chain::typed::Domain;
use provenance::chain::{JobState, Output, U256};
use provenance::cid::Cid;
use provenance::content::unixfs;
use provenance::exchange;
use provenance::receipt::Receipt;
use provenance::terms::{Action, Amount};
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop};
use zk::merkle::Tree;
use zk::provenance::{Material, Statement, Witness, output_leaf};

use super::delivery::Delivery;
use super::package::Package;
use super::{Seen, Side, keep, see, spec};
use crate::args::DeviceChoice;
use crate::dataset::{self, Opened};
use crate::error::{Error, Result};
use crate::home::{Home, Kind};
use crate::network::{self, Network};
use crate::progress::{Progress, check_interrupt};
use crate::{gate, ids, model, proving, random, release, view};

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
    /// One digest of 32 bytes a row.
    #[serde(with = "serde_bytes")]
    pub row_digests: Vec<u8>,
    /// Bytes of the sealed package.
    pub output_bytes: u64,
    /// Where it ran.
    pub device: String,
    /// With which model.
    pub model: String,
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
        compute_and_seal(home, network, &mut seen, &license, device)?;
    }
    // Computing can take longer than the embedded network waits for somebody to ask something.
    let network = &network::again(network).await?;
    let mut sent = None;
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
    if seen.now > details.runBy {
        return Err(
            Error::refused("the time to run this job is over").hint("The buyer can be refunded with `job refund`.")
        );
    }
    let license = network.chain.license(details.license).await?;
    if license.terms.actions & details.action == 0 || Action::from_bit(details.action)? != Action::Embed {
        return Err(Error::refused("the license does not allow this template"));
    }
    let dataset = dataset::find_by_id(home, &details.dataset.0)?.ok_or_else(|| {
        Error::not_found("this vault does not hold the dataset of this job").hint("Use the vault that published it.")
    })?;
    if dataset.version != details.version || dataset.count != details.count {
        return Err(Error::refused("the job is for another version of the dataset than this vault holds"));
    }
    if details.count < u64::from(license.terms.minRecords) {
        return Err(Error::refused("the dataset has fewer records than the license asks for"));
    }
    Ok(license)
}

/// Everything up to the sealed package, kept before anything leaves: what was computed is never computed again.
fn compute_and_seal(
    home: &mut Home,
    network: &Network,
    seen: &mut Seen,
    license: &LicenseRecord,
    device: DeviceChoice,
) -> Result<()> {
    let details = &seen.record.details;
    let dataset =
        dataset::find_by_id(home, &details.dataset.0)?.ok_or_else(|| Error::not_found("the dataset is gone"))?;
    let spec = spec(home, network, &seen.record)?;
    if spec.template != Action::Embed.name() {
        return Err(Error::refused(format!(
            "the request asks for {:?}, which is not what was licensed",
            spec.template
        )));
    }
    let same = seen.kept.approved.as_ref().is_some_and(|approved| {
        approved.model == spec.model
            && approved.rows == details.count
            && approved.released == dataset.selection.released
    });
    if !same {
        return Err(
            Error::refused("the request is not the one that was approved").hint("`job approve` shows it again.")
        );
    }
    dataset::check_members(home, &dataset)?;
    let opened = dataset::open(home, &dataset)?;
    let model = Model::open(&model::find(&spec.model)?.folder)?;
    let device = open_device(device)?;
    eprintln!("embedding {} records with {} on {}", opened.records.len(), model.name(), device.name());
    let included = dataset.included();
    let rows: Vec<Row> = opened.records.iter().map(|record| Row::new(record.readable(&included))).collect();
    let output = {
        let mut progress = Progress::start("embedding records");
        embed::run(&model, &device, &params(&spec.params)?, &rows, &mut |done, total| match progress.at(done, total) {
            Ok(()) => Continue::Yes,
            Err(_) => Continue::No,
        })
    };
    check_interrupt()?;
    let output = output?;
    gate::pass(&output, details.count, model.dimension() as u64, license.terms.minRecords)?;
    let fields = released(&dataset, &opened)?;
    gate::pass_fields(&fields, details.count, &dataset.selection.released)?;

    let salts = (0..output.rows.len()).map(|_| random::bytes()).collect::<Result<Vec<[u8; 32]>>>()?;
    let leaves: Vec<zk::Field> = opened.leaves.iter().map(zk::provenance::Leaf::hash).collect();
    let key = exchange::package_key()?;

    // The name of a folder on this machine is nobody's business.
    let name = if model.is_known() { model.name().to_owned() } else { hex::encode(model.digest()) };
    let package = Package::new(&name, &device.name(), model.dimension() as u32, &output.rows, &salts, &leaves)
        .with_fields(fields);
    let digests: Vec<[u8; 32]> = (0..output.rows.len()).map(|position| package.row_digest(position)).collect();
    let output_root = zk::field::to_bytes(&output_tree(&dataset, &opened, &digests)?.root());
    let sealed = exchange::seal_package(&key, &seen.record.id.0, &spec.reply, &package.to_bytes()?)?;
    let output_digest = sha256(&sealed);
    let receipt = Receipt {
        license: details.license.0,
        job: seen.record.id.0,
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
    let receipt = receipt.sign(home.person.signer(), receipts_domain(network))?;
    let delivery = Delivery::new(&unixfs::file_cid(&sealed)?, &receipt)?.to_bytes()?;
    seen.kept.run = Some(Ran {
        key: key.to_vec(),
        output_root: output_root.to_vec(),
        output_digest: output_digest.to_vec(),
        output_cid: Cid::raw(&delivery).digest().to_vec(),
        delivery,
        row_digests: digests.concat(),
        output_bytes: sealed.len() as u64,
        device: device.name(),
        model: name,
        proof: None,
    });
    home.keep_bytes(Kind::Receipt, &ids::shown(seen.record.id), &receipt.to_bytes()?)?;
    home.keep_bytes(Kind::Package, &ids::shown(seen.record.id), &sealed)?;
    keep(home, seen.record.id, &seen.kept)
}

/// The released fields of every record, encoded; none at all where the dataset releases none.
fn released(dataset: &dataset::Dataset, opened: &Opened) -> Result<Vec<Vec<u8>>> {
    let names = &dataset.selection.released;
    if names.is_empty() {
        return Ok(Vec::new());
    }
    opened.records.iter().map(|record| release::to_bytes(&release::of(record, names)?)).collect()
}

/// The contract that receipts are signed for.
pub(crate) fn receipts_domain(network: &Network) -> Domain {
    Domain { chain_id: network.profile.chain_id, contract: network.profile.escrow }
}

/// The consumer's parameters, within the template's bounds.
fn params(wanted: &serde_json::Value) -> Result<embed::Params> {
    let params: embed::Params = serde_json::from_value(wanted.clone())
        .map_err(|e| Error::refused(format!("the request's parameters are not those of embed: {e}")))?;
    params.check()?;
    Ok(params)
}

fn open_device(choice: DeviceChoice) -> Result<Device> {
    let device = Device::open(match choice {
        DeviceChoice::Auto => Choice::Auto,
        DeviceChoice::Gpu => Choice::Gpu,
        DeviceChoice::Cpu => Choice::Cpu,
    })?;
    if let Some(reason) = device.fallback() {
        eprintln!("using the CPU: {reason}");
    }
    Ok(device)
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    use sha2::Digest;
    sha2::Sha256::digest(bytes).into()
}

fn output_tree(dataset: &dataset::Dataset, opened: &Opened, digests: &[[u8; 32]]) -> Result<Tree> {
    let leaves = opened.leaves.iter().zip(digests).map(|(leaf, digest)| output_leaf(leaf.hash(), digest)).collect();
    dataset::tree(dataset.tier()?, leaves, &mut Progress::start("building the output's tree"))
}

/// Proves the drawn positions, and verifies the proof before it is kept.
fn prove(home: &mut Home, network: &Network, seen: &mut Seen) -> Result<()> {
    let details = &seen.record.details;
    let dataset =
        dataset::find_by_id(home, &details.dataset.0)?.ok_or_else(|| Error::not_found("the dataset is gone"))?;
    let opened = dataset::open(home, &dataset)?;
    let digests: Vec<[u8; 32]> = ran(seen)?.row_digests.chunks_exact(32).map(word).collect::<Result<_>>()?;
    let outputs = output_tree(&dataset, &opened, &digests)?;
    let owner = dataset.owner_secret(home)?;
    let material = Material {
        owner: &owner,
        leaves: &opened.leaves,
        records: &opened.tree,
        row_digests: &digests,
        outputs: &outputs,
    };
    let statement = statement(network, seen)?;
    if material.statement(statement.context, statement.challenge) != statement {
        return Err(Error::integrity("the vault's records and rows do not fit what was committed on-chain"));
    }
    let witness = Witness::gather(&material, statement.challenge)?;
    let keys = proving::key(dataset.tier()?)?;
    eprintln!("proving");
    let started = Instant::now();
    let proof = zk::proof::prove(&keys, &statement, &witness)?;
    let ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    zk::proof::verify(&zk::keys::VerifyingKey::pinned(dataset.tier()?)?, &statement, &proof)?;
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
