//! The consumer opens a settled output, recomputes every row's digest and both roots, and writes it in open formats.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use provenance::chain::JobState;
use provenance::exchange;
use provenance::manifest::Manifest;
use zk::merkle::Tier;

use super::package::{Expected, Package};
use super::run::statement;
use super::{Seen, Side, delivery, request, see};
use crate::error::{Error, Result};
use crate::home::{Home, Kind};
use crate::network::Network;
use crate::{bundle, ids, release, view};

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
    let package = open(home, &seen, &sealed)?;
    let expected = expected(network, &seen).await?;
    let checks = package.checks(&expected)?;
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
    let files = write(home, network, &package, job, out).await?;
    // Last: what was acknowledged is on the consumer's disk.
    if seen.record.state == JobState::Settled
        && let Some(signature) = &receipt.acknowledgement
    {
        network.chain.acknowledge(home.person.signer(), seen.record.id, signature).await?;
    }
    let state = see(home, network, job).await?.view(network, None)?.state;
    Ok(view::Fetched { job_id: ids::shown(seen.record.id), state, files, checks })
}

fn open(home: &Home, seen: &Seen, sealed: &[u8]) -> Result<Package> {
    let settled = seen.record.settled.ok_or_else(|| Error::refused("the job is not settled"))?;
    let commitment = seen.record.commitment.as_ref().ok_or_else(|| Error::refused("nothing was committed"))?;
    let reply = request::reply_secret(home, &seen.record)?;
    let bytes = exchange::open_package(sealed, &seen.record.id.0, &reply, &settled.k.0, &commitment.output.keyHash.0)?;
    Package::from_bytes(&bytes)
}

async fn expected(network: &Network, seen: &Seen) -> Result<Expected> {
    let statement = statement(network, seen)?;
    let tier =
        Tier::from_id(seen.record.details.tier).ok_or_else(|| Error::integrity("the dataset's tier is unknown"))?;
    let manifest = Manifest::from_bytes(&bundle::manifests(network, &seen.record).await?.1)?;
    Ok(Expected {
        tier,
        count: statement.count,
        root: statement.root,
        output_root: statement.output_root,
        released: manifest.released().map(str::to_owned).collect(),
    })
}

/// Writes the files beside `out` first and moves them there together, so that a half-written output is never found.
async fn write(home: &Home, network: &Network, package: &Package, job: &str, out: &Path) -> Result<Vec<String>> {
    let parent = out.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // For this person's eyes: much of a text can be recovered from its embedding.
    let draft = tempfile::Builder::new().permissions(fs::Permissions::from_mode(0o700)).tempdir_in(parent)?;
    let put = |name: &str, bytes: &[u8]| {
        let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(draft.path().join(name))?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    put("rows.safetensors", &safetensors(package)?)?;
    put("rows.jsonl", rows(package)?.as_bytes())?;
    let bundle = bundle::assemble(home, network, job).await?;
    put("terms.jsonld", bundle.odrl_agreement.as_bytes())?;
    put("job.bundle", &bundle.to_bytes()?)?;
    let manifest = Manifest::from_bytes(&bundle.manifest)?;
    put("README.md", readme(package, &manifest.name).as_bytes())?;
    let _ = fs::remove_dir(out);
    let draft = draft.keep();
    fs::rename(&draft, out)?;
    fs::File::open(parent)?.sync_all()?;
    let names = ["rows.safetensors", "rows.jsonl", "terms.jsonld", "job.bundle", "README.md"];
    Ok(names.iter().map(|name| out.join(name).display().to_string()).collect())
}

fn safetensors(package: &Package) -> Result<Vec<u8>> {
    let rows = (0..package.count() as usize).map(|position| package.row(position).to_vec()).collect();
    let output = compute::Output { rows, dimension: package.dimension as usize, dtype: compute::Dtype::F32 };
    Ok(compute::output::to_safetensors(&output)?)
}

/// One line a row: its position, the leaf that it is bound to, and what its digest is made of.
fn rows(package: &Package) -> Result<String> {
    let mut lines = String::new();
    for position in 0..package.count() as usize {
        let line = serde_json::json!({
            "position": position,
            "leaf": hex::encode(zk::field::to_bytes(&package.leaf(position)?)),
            "row_salt": hex::encode(&package.row_salts[position * 32..][..32]),
            "row_digest": hex::encode(package.row_digest(position)),
            "fields": release::from_bytes(package.row_fields(position))?,
        });
        lines.push_str(&line.to_string());
        lines.push('\n');
    }
    Ok(lines)
}

fn readme(package: &Package, dataset: &str) -> String {
    format!(
        "# Output over the dataset {dataset}\n\n\
        {count} rows of {dimension} numbers, one for each record of the dataset, in its order, made with {model} on {device}\n\
        (as the owner's machine said). Each row was committed against a registered record before the drawn positions were known.\n\n\
        | file | what |\n|---|---|\n\
        | rows.safetensors | one tensor, `embeddings`, {count} × {dimension}, 32-bit floats |\n\
        | rows.jsonl | a line a row: position, leaf, and salt and digest of the row, and its released fields{fields} |\n\
        | terms.jsonld | the agreement (ODRL 2.2): what may be done with this |\n\
        | job.bundle | manifest, terms, receipt, proof and chain facts: `usufruct verify job.bundle` |\n\n\
        It needs `pip install safetensors numpy`, or nothing but Python's standard library as here:\n\n\
        ```python\n\
        import array, json, struct\n\
        data = open(\"rows.safetensors\", \"rb\").read(); size = struct.unpack(\"<Q\", data[:8])[0]; rows = array.array(\"f\", data[8 + size:])\n\
        print(json.loads(data[8:8 + size])[\"embeddings\"][\"shape\"], \"nearest to row 0:\", max(range(1, {count}), key=lambda r: sum(rows[i] * rows[r * {dimension} + i] for i in range({dimension}))))\n\
        ```\n",
        fields = if package.fields.is_empty() { ": none here" } else { "" },
        count = package.count(),
        dimension = package.dimension,
        model = package.model,
        device = package.device,
    )
}
