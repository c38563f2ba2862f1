//! The consumer opens a settled output, recomputes every row's digest and both roots, and writes it in open formats.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use provenance::chain::JobState;
use provenance::exchange;
use provenance::manifest::Manifest;
use zk::merkle::Tier;

use super::package::Expected;
use super::run::statement;
use super::template::Delivered;
use super::{Seen, Side, delivery, request, see, template_and_circuit};
use crate::error::{Error, Result};
use crate::home::{Home, Kind};
use crate::network::Network;
use crate::{bundle, ids, view};

/// Fetches, opens, checks and writes the output of a settled job into `out`, and acknowledges it on-chain; a dry run ends
/// after the checks.
///
/// # Errors
/// `Refused` before the job is settled; `Integrity` where anything differs from what was committed: nothing is written then.
pub async fn run(home: &mut Home, network: &Network, job: &str, out: &Path, dry_run: bool) -> Result<view::Fetched> {
    let seen = see(home, network, job).await?;
    seen.only(Side::Consumer)?;
    seen.in_state(&[JobState::Settled, JobState::Delivered])?;
    if out.is_dir() && fs::read_dir(out)?.next().is_some() {
        return Err(Error::refused(format!("{} is not empty", out.display())).hint("Name another folder with --out."));
    }
    bundle::check_folder(out)?;
    if out.is_file() {
        return Err(Error::usage(format!("{} is a file; --out names a folder", out.display())));
    }
    let (sealed, receipt) = delivery::receive(network, &seen.record).await?;
    let output = open(home, &seen, &sealed)?;
    let mut checks = output.checks(&expected(network, &seen).await?)?;
    checks.push(proof(home, network, &seen, job).await?);
    if let Some(failed) = checks.iter().find(|check| !check.ok) {
        return Err(Error::integrity(format!("the output was refused: {}: {}", failed.name, failed.detail))
            .hint("The price is not refunded in this version. Keep the receipt: it is signed by the owner."));
    }
    if dry_run {
        let state = seen.view(network, None)?.state;
        return Ok(view::Fetched { job_id: ids::shown(seen.record.id), state, files: vec![], checks });
    }
    let receipt = receipt.acknowledge(home.person.signer())?;
    home.keep_bytes(Kind::Receipt, &ids::shown(seen.record.id), &receipt.to_bytes()?)?;
    home.commit()?;
    let files = write(home, network, output.as_ref(), job, out).await?;
    // Last: what was acknowledged is on the consumer's disk.
    if seen.record.state == JobState::Settled
        && let Some(signature) = &receipt.acknowledgement
    {
        network.chain.acknowledge(home.person.signer(), seen.record.id, signature).await?;
    }
    let state = see(home, network, job).await?.view(network, None)?.state;
    Ok(view::Fetched { job_id: ids::shown(seen.record.id), state, files, checks })
}

fn open(home: &Home, seen: &Seen, sealed: &[u8]) -> Result<Box<dyn Delivered>> {
    let settled = seen.record.settled.ok_or_else(|| Error::refused("the job is not settled"))?;
    let commitment = seen.record.commitment.as_ref().ok_or_else(|| Error::refused("nothing was committed"))?;
    let reply = request::reply_secret(home, &seen.record)?;
    let bytes = exchange::open_package(sealed, &seen.record.id.0, &reply, &settled.k.0, &commitment.output.keyHash.0)?;
    template_and_circuit(&seen.record)?.0.open(&bytes)
}

/// That the proof which settled the job holds here, under the key pinned in this program.
async fn proof(home: &Home, network: &Network, seen: &Seen, job: &str) -> Result<view::Check> {
    let says = template_and_circuit(&seen.record)?.0.says().word();
    let held = bundle::check_proof(&bundle::assemble(home, network, job).await?);
    Ok(view::Check {
        name: "proof".to_owned(),
        ok: held.is_ok(),
        standing: "verified".to_owned(),
        detail: held
            .map_or_else(|error| error.message, |()| format!("the one that settled the job: the output is {says}")),
    })
}

async fn expected(network: &Network, seen: &Seen) -> Result<Expected> {
    let statement = statement(network, seen)?;
    let tier =
        Tier::from_id(seen.record.details.tier).ok_or_else(|| Error::integrity("the dataset's tier is unknown"))?;
    let license = network.chain.license(seen.record.details.license).await?;
    Ok(Expected {
        tier,
        count: statement.count,
        root: statement.root,
        output_root: statement.output_root,
        manifest: Manifest::from_bytes(&bundle::manifests(network, &seen.record).await?.1)?,
        min_records: license.terms.minRecords,
    })
}

/// Writes the files beside `out` first and moves them there together, so that a half-written output is never found.
async fn write(home: &Home, network: &Network, output: &dyn Delivered, job: &str, out: &Path) -> Result<Vec<String>> {
    let parent = out.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // For this person's eyes: much of a text can be recovered from its embedding.
    let draft = tempfile::Builder::new().permissions(fs::Permissions::from_mode(0o700)).tempdir_in(parent)?;
    let put = |name: &str, bytes: &[u8]| {
        let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(draft.path().join(name))?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    let bundle = bundle::assemble(home, network, job).await?;
    let mut files = output.files(&Manifest::from_bytes(&bundle.manifest)?)?;
    files.push(("terms.jsonld", bundle.odrl_agreement.clone().into_bytes()));
    files.push(("job.bundle", bundle.to_bytes()?));
    for (name, bytes) in &files {
        put(name, bytes)?;
    }
    let _ = fs::remove_dir(out);
    let draft = draft.keep();
    fs::rename(&draft, out)?;
    fs::File::open(parent)?.sync_all()?;
    Ok(files.iter().map(|(name, _)| out.join(name).display().to_string()).collect())
}
