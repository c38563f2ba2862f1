//! The consumer asks for a run: the spec is sealed to the owner, its digest goes on-chain, the reply key stays here.

use provenance::chain::client::{Chain, JobRecord};
use provenance::chain::{B256, Dataset, U256};
use provenance::cid::Cid;
use provenance::exchange::{self, JobSpec};
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop};

use super::see;
use super::template::{Asked, Asking, Template};
use crate::error::{Error, Result};
use crate::home::{Home, Kind};
use crate::network::Network;
use crate::{bundle, ids, offer, random, view};

/// A request that is about to be sent: the same command after a crash finds it and does not use up another run.
#[derive(Serialize, Deserialize)]
struct Intent {
    /// The sealed spec.
    #[serde(with = "serde_bytes")]
    sealed: Vec<u8>,
    /// From which the job's id derives, big-endian.
    #[serde(with = "serde_bytes")]
    nonce: Vec<u8>,
}

/// What the consumer's vault keeps of a request, under the spec's digest: it is kept before the job has an id.
#[derive(Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
struct Kept {
    /// The X25519 secret that opens the package.
    #[serde(with = "serde_bytes")]
    reply: Vec<u8>,
}

/// What a request says of the computation, as it is typed.
#[derive(Clone, Copy, Default)]
pub struct Words<'a> {
    /// The template's name.
    pub template: &'a str,
    /// The model, for a template that takes one.
    pub model: Option<&'a str>,
    /// The field to be learned, for `train`.
    pub label: Option<&'a str>,
    /// The template's parameters, JSON.
    pub params: Option<&'a str>,
    /// The type of the numbers that leave, for `embed`.
    pub dtype: Option<compute::Dtype>,
}

/// Requests a job under a license.
///
/// # Errors
/// `Refused` where the license does not allow it (as the contract would); `Usage` for an unknown template or model.
pub async fn run(
    home: &mut Home,
    network: &Network,
    license: &str,
    words: &Words<'_>,
    dry_run: bool,
) -> Result<view::Job> {
    let id = ids::id(license, "license")?;
    let record = network.chain.license(id).await?;
    let template = Template::named(words.template)?;
    let action = template.action();
    if record.terms.licensee != home.person.address() {
        return Err(Error::refused(format!("this license belongs to {}", record.terms.licensee)));
    }
    if record.terms.actions & action.bit() == 0 {
        return Err(
            Error::refused(format!("the license does not allow {action}")).hint("`license list` shows what it allows.")
        );
    }
    let resumed = home.names(Kind::Intent)?.iter().any(|name| name.starts_with(&format!("request {}", ids::shown(id))));
    if !resumed && !record.is_usable(network.chain.now().await?) {
        return Err(
            Error::refused("the license has ended or has no runs left").hint("`license list` shows how it stands.")
        );
    }
    let dataset = network.chain.dataset(record.terms.dataset).await?;
    let manifest = offer::read_manifest(network, dataset.manifest.0)?;
    let max_epsilon_micro = match template {
        Template::Train => bundle::offer_of(network, &record).await?.offer.terms.max_epsilon_micro,
        _ => 0,
    };
    let asking =
        Asking { model: words.model, label: words.label, params: words.params, dtype: words.dtype, max_epsilon_micro };
    let asked = template.ask(&asking, &manifest)?;
    if dry_run {
        return Ok(preview(&record.id, &dataset, template, network));
    }
    let params = Cid::raw(asked.params.to_string().as_bytes());
    let name = format!("request {} {template} {} {params}", ids::shown(id), hex::encode(asked.model));
    let intent = match home.find::<Intent>(Kind::Intent, &name)? {
        Some(intent) => intent,
        None => prepare(home, &id, &manifest.exchange_key, &name, template, asked)?,
    };
    let (spec, nonce) = (Cid::raw(&intent.sealed), U256::from_be_slice(&intent.nonce));
    let job = Chain::job_id(id, spec.digest().into(), nonce);
    let sent = match network.chain.job(job).await {
        Ok(_) => None,
        Err(provenance::Error::NotFound(_)) => {
            network.content.put_raw(&intent.sealed)?;
            let signer = home.person.signer();
            Some(network.chain.request(signer, id, action.bit(), spec.digest().into(), nonce).await?.1)
        }
        Err(error) => return Err(error.into()),
    };
    home.forget(Kind::Intent, &name)?;
    home.commit()?;
    see(home, network, &ids::shown(job)).await?.view(network, sent)
}

/// Seals a spec to the owner's key and keeps it, with the reply key, before anything is sent.
fn prepare(
    home: &mut Home,
    license: &B256,
    owner_key: &[u8; 32],
    name: &str,
    template: Template,
    asked: Asked,
) -> Result<Intent> {
    let (secret, reply) = exchange::reply_pair()?;
    let spec = JobSpec { template: template.to_string(), params: asked.params, model: asked.model, reply };
    let sealed = exchange::seal_spec(&spec, &license.0, owner_key)?;
    let intent = Intent { nonce: random::bytes::<32>()?.to_vec(), sealed };
    home.keep(Kind::Request, &ids::shown(Cid::raw(&intent.sealed).digest()), &Kept { reply: secret.to_vec() })?;
    home.keep(Kind::Intent, name, &intent)?;
    home.commit()?;
    Ok(intent)
}

fn preview(license: &B256, dataset: &Dataset, template: Template, network: &Network) -> view::Job {
    view::Job {
        job_id: String::new(),
        state: "not requested".into(),
        template: template.to_string(),
        says: template.says().word().to_owned(),
        license_id: ids::shown(license),
        dataset_id: String::new(),
        records: dataset.count,
        output_bytes: None,
        positions: vec![],
        proof_ms: None,
        licensee: String::new(),
        price: format!("one run, paid in {} when the license was bought", network.symbol()),
        device: None,
        model: None,
        run_by: String::new(),
        accept_by: None,
        settle_by: String::new(),
        next: "run it again without --dry-run".into(),
        tx: None,
        gas: None,
        preview: None,
        leaves: vec!["that this license was used, when, and a digest of the sealed request: public forever".into()],
    }
}

/// The secret that opens the package of this job.
///
/// # Errors
/// `NotFound` where the job was requested from another vault.
pub(crate) fn reply_secret(home: &Home, record: &JobRecord) -> Result<zeroize::Zeroizing<[u8; 32]>> {
    let kept: Kept = home.find(Kind::Request, &ids::shown(record.details.spec))?.ok_or_else(|| {
        Error::not_found("this vault holds no key for this job's output").hint("Use the vault that requested the job.")
    })?;
    let mut secret = zeroize::Zeroizing::new([0; 32]);
    if kept.reply.len() != secret.len() {
        return Err(Error::integrity("the stored reply key is not 32 bytes long"));
    }
    secret.copy_from_slice(&kept.reply);
    Ok(secret)
}
