//! Delegates: other accounts that may answer jobs in the owner's name, within limits and until a day. The payee stays the
//! owner. A grant is a signature; ending it is a transaction.

use std::path::Path;

use provenance::chain::typed::{Grant, SignatureBytes, Typed};
use provenance::chain::{Address, B256, JobState, U256};
use provenance::receipt::Mandate;
use provenance::terms::Action;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::home::{Home, Kind};
use crate::network::Network;
use crate::{bundle, dataset, ids, job, random, time, view};

/// What the first field of a grant's file says.
const FORMAT: &str = "usufruct grant v1";
/// Days that a grant lasts at most.
const MOST_DAYS: u32 = 3650;
/// Largest grant file read, in bytes.
const LARGEST: u64 = 16 * 1024;

/// A signed grant, as it is kept and handed to the delegate.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Given {
    format: String,
    chain_id: u64,
    escrow: String,
    owner: String,
    delegate: String,
    dataset: Option<String>,
    actions: Vec<String>,
    jobs: u32,
    valid_until: u64,
    nonce: String,
    signature: String,
}

/// Signs a grant, keeps it, and writes it to `out` for the delegate.
///
/// # Errors
/// `Usage` for a grant of nothing; `NotFound` for an unknown dataset; `Refused` where `out` exists; `Network`.
pub async fn add(
    home: &mut Home,
    network: &Network,
    wanted: &view::DelegateWanted,
    out: &Path,
    dry_run: bool,
) -> Result<view::Grant> {
    if out.exists() {
        return Err(Error::refused(format!("{} is there already", out.display())).hint("Name another file with --out."));
    }
    bundle::check_folder(out)?;
    let grant = granted(home, network, wanted).await?;
    let mut view = shown(network, home.person.address(), &grant).await?;
    if dry_run {
        "would be signed and kept; nothing becomes public before the delegate uses it".clone_into(&mut view.note);
        return Ok(view);
    }
    let given = Given::give(home, network, &grant)?;
    let text = serde_json::to_vec_pretty(&given).map_err(|e| Error::failure(e.to_string()))?;
    bundle::write_new(out, &text)?;
    view.note = format!("give {} to the delegate: `job decline JOB --grant FILE` uses it", out.display());
    Ok(view)
}

async fn granted(home: &Home, network: &Network, wanted: &view::DelegateWanted) -> Result<Grant> {
    let delegate = ids::address(&wanted.account)?;
    if delegate == home.person.address() || delegate.is_zero() {
        return Err(Error::usage("a delegate is another account than your own"));
    }
    if wanted.jobs == 0 || wanted.days == 0 || wanted.days > MOST_DAYS {
        return Err(Error::usage(format!("a grant is for one job or more and for 1 to {MOST_DAYS} days")));
    }
    let dataset = match &wanted.dataset {
        Some(name) => dataset::find(home, name)?.published_on(network)?.id.into(),
        None => B256::ZERO,
    };
    Ok(Grant {
        delegate,
        dataset,
        actions: action_bits(&wanted.actions).map_err(|error| Error::usage(error.message))?,
        maxJobs: wanted.jobs,
        validUntil: network.chain.now().await? + u64::from(wanted.days) * 86_400,
        nonce: U256::from_be_bytes(random::bytes::<32>()?),
    })
}

/// What a grant would let happen, for the owner to confirm.
pub fn facts(wanted: &view::DelegateWanted) -> Vec<String> {
    let over = wanted.dataset.as_ref().map_or("every dataset".to_owned(), |name| format!("the dataset {name}"));
    vec![
        format!(
            "{} may answer {} jobs {} over {over} in your name",
            wanted.account,
            wanted.jobs,
            wanted.actions.join(", ")
        ),
        format!("for {} days, or until you end it by a transaction", wanted.days),
        "you stay the one who is paid".to_owned(),
    ]
}

/// The grants that this person gave on this network.
///
/// # Errors
/// `Network`; `Integrity` where a kept grant cannot be read.
pub async fn list(home: &Home, network: &Network) -> Result<view::Grants> {
    let mut grants = Vec::new();
    for (_, given) in home.all::<Given>(Kind::Grant)? {
        if given.is_for(network) {
            grants.push(shown(network, home.person.address(), &given.grant()?).await?);
        }
    }
    Ok(view::Grants { grants })
}

/// Ends a grant: from then on the escrow refuses it.
///
/// # Errors
/// `NotFound` for a grant that is not in this vault; `Network`.
pub async fn remove(home: &Home, network: &Network, id: &str, dry_run: bool) -> Result<view::Grant> {
    let id = ids::shown(ids::id(id, "grant")?);
    let given: Given = home.find(Kind::Grant, &id)?.filter(|given: &Given| given.is_for(network)).ok_or_else(|| {
        Error::not_found(format!("this vault gave no grant {id} on this network"))
            .hint("`wallet delegate list` shows them.")
    })?;
    let grant = given.grant()?;
    let mut view = shown(network, home.person.address(), &grant).await?;
    if dry_run || view.state == "canceled" {
        "would be ended, for good".clone_into(&mut view.note);
        return Ok(view);
    }
    let sent = network.chain.cancel_grant(home.person.signer(), grant.nonce).await?;
    let mut view = shown(network, home.person.address(), &grant).await?;
    view.tx = Some(sent.tx.to_string());
    Ok(view)
}

/// A delegate refuses a job with the grant in `file`; the buyer is refunded.
///
/// # Errors
/// What [`read`] returns; `Refused` for a job past asking, or that the grant does not cover; `Integrity` where the job's owner
/// did not sign the grant.
pub async fn decline(home: &Home, network: &Network, job: &str, file: &Path, dry_run: bool) -> Result<view::Job> {
    let (grant, signature) = read(home, network, file)?;
    let seen = job::see(home, network, job).await?;
    seen.in_state(&[JobState::Requested])?;
    if dry_run {
        return job::would(&seen, network, "the buyer would be refunded, in the name of the dataset's owner");
    }
    let sent = network.chain.decline_for(home.person.signer(), seen.record.id, &grant, &signature).await?;
    job::see(home, network, job).await?.view(network, Some(sent))
}

/// The grant in a file, for this network and this person.
///
/// # Errors
/// `NotFound` without the file; `Integrity` where it is no grant or for another network; `Refused` where it names another
/// delegate.
pub fn read(home: &Home, network: &Network, file: &Path) -> Result<(Grant, SignatureBytes)> {
    use std::io::Read;
    let opened = std::fs::File::open(file).map_err(|e| Error::not_found(format!("{}: {e}", file.display())))?;
    let mut text = Vec::new();
    opened.take(LARGEST).read_to_end(&mut text)?;
    let given: Given =
        serde_json::from_slice(&text).map_err(|e| Error::integrity(format!("{} is no grant: {e}", file.display())))?;
    if given.format != FORMAT || !given.is_for(network) {
        return Err(Error::integrity(format!(
            "{} is no grant for the network {:?}",
            file.display(),
            network.profile.name
        )));
    }
    let Mandate { grant, signature } = given.mandate()?;
    if grant.delegate != home.person.address() {
        return Err(Error::refused(format!("the grant is for {}, not for you", grant.delegate)));
    }
    Ok((grant, signature))
}

impl Given {
    /// Signs a grant and keeps it: what the owner cannot find again it cannot end.
    ///
    /// # Errors
    /// When the grant is of nothing, or the vault cannot be written.
    pub(crate) fn give(home: &mut Home, network: &Network, grant: &Grant) -> Result<Self> {
        let signature = network.chain.sign_grant(home.person.signer(), grant)?;
        let given = Self::new(home, network, grant, &signature)?;
        home.keep(Kind::Grant, &id_of(network, grant), &given)?;
        home.commit()?;
        Ok(given)
    }

    /// The grant with the owner's signature.
    ///
    /// # Errors
    /// `Integrity` where it cannot be read.
    pub(crate) fn mandate(&self) -> Result<Mandate> {
        let mut signature: SignatureBytes = [0; 65];
        hex::decode_to_slice(self.signature.trim_start_matches("0x"), &mut signature)
            .map_err(|_| Error::integrity("the grant's signature is not 65 bytes"))?;
        Ok(Mandate { grant: self.grant()?, signature })
    }

    fn new(home: &Home, network: &Network, grant: &Grant, signature: &SignatureBytes) -> Result<Self> {
        Ok(Self {
            format: FORMAT.to_owned(),
            chain_id: network.profile.chain_id,
            escrow: network.profile.escrow.to_string(),
            owner: home.person.address().to_string(),
            delegate: grant.delegate.to_string(),
            dataset: (!grant.dataset.is_zero()).then(|| ids::shown(grant.dataset)),
            actions: action_names(grant.actions),
            jobs: grant.maxJobs,
            valid_until: grant.validUntil,
            nonce: grant.nonce.to_string(),
            signature: format!("0x{}", hex::encode(signature)),
        })
    }

    fn is_for(&self, network: &Network) -> bool {
        self.chain_id == network.profile.chain_id && self.escrow == network.profile.escrow.to_string()
    }

    fn grant(&self) -> Result<Grant> {
        let unreadable = |error: Error| Error::integrity(format!("the grant cannot be read: {}", error.message));
        Ok(Grant {
            delegate: ids::address(&self.delegate).map_err(unreadable)?,
            dataset: match &self.dataset {
                Some(id) => ids::id(id, "dataset").map_err(unreadable)?,
                None => B256::ZERO,
            },
            actions: action_bits(&self.actions).map_err(unreadable)?,
            maxJobs: self.jobs,
            validUntil: self.valid_until,
            nonce: self.nonce.parse().map_err(|_| Error::integrity("the grant's nonce cannot be read"))?,
        })
    }
}

fn action_bits(names: &[String]) -> Result<u16> {
    let mut bits = 0;
    for name in names {
        bits |= name.parse::<Action>()?.bit();
    }
    Ok(bits)
}

fn action_names(bits: u16) -> Vec<String> {
    let named = Action::ALL.iter().filter(|action| bits & action.bit() != 0);
    named.map(|action| action.name().to_owned()).collect()
}

fn id_of(network: &Network, grant: &Grant) -> String {
    ids::shown(grant.signing_hash(&network.chain.grants_domain()))
}

async fn shown(network: &Network, owner: Address, grant: &Grant) -> Result<view::Grant> {
    let (used, canceled) = network.chain.grant_status(owner, grant).await?;
    let state = match () {
        () if canceled => "canceled",
        () if used >= grant.maxJobs => "used up",
        () if network.chain.now().await? > grant.validUntil => "expired",
        () => "live",
    };
    Ok(view::Grant {
        grant_id: id_of(network, grant),
        delegate: grant.delegate.to_string(),
        dataset_id: (!grant.dataset.is_zero()).then(|| ids::shown(grant.dataset)),
        actions: action_names(grant.actions),
        jobs: grant.maxJobs,
        used,
        valid_until: time::rfc3339(grant.validUntil as i64),
        state: state.to_owned(),
        tx: None,
        note: String::new(),
    })
}
