//! Earning while the vault is locked: standing approvals go on for chosen datasets until a stated time. The locked process
//! has no key of the vault, the wallet or the person; only a fresh key for a sealed copy of those datasets, and a delegate's,
//! whose grants end with it. What it does is sealed to the vault, which takes it over when it is opened.

mod alone;
mod armed;
mod pass;
mod work;

use provenance::chain::typed::Grant;
use provenance::chain::{B256, Signer, U256};
use provenance::exchange;
use provenance::manifest::Manifest;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop};

pub use self::armed::{Armed, arm};
pub use self::pass::Passed;
pub(crate) use self::{alone::Alone, work::adopt};

use crate::approval::Bounds;
use crate::dataset::{self, Dataset};
use crate::delegate::Given;
use crate::error::{Error, Result};
use crate::home::{Home, Kind};
use crate::job::template::Template;
use crate::network::Network;
use crate::{random, time, view};

/// The name under which the vault keeps what is on.
const NOW: &str = "now";
/// Hours that it lasts at most: a week.
const MOST_HOURS: u32 = 168;
/// Jobs over one dataset that it allows at most.
const MOST_JOBS: u32 = 1_000;
/// The one template that runs while the vault is locked: it spends no privacy budget and writes nothing but its output.
const TEMPLATE: Template = Template::Embed;

/// What is on, as the vault keeps it.
#[derive(Serialize, Deserialize)]
struct Plan {
    network: String,
    /// Seconds since 1970, by the chain's clock.
    until: u64,
    /// Jobs over each dataset.
    jobs: u32,
    datasets: Vec<Chosen>,
    delegate: Key,
}

/// A dataset, and what the delegate may do with it.
#[derive(Serialize, Deserialize)]
struct Chosen {
    name: String,
    given: Given,
}

/// A secret of 32 bytes, wiped when dropped.
#[derive(Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
struct Key(#[serde(with = "serde_bytes")] Vec<u8>);

/// What is about to be turned on: one delegate, one end. Nothing holds it before it was confirmed.
pub struct Draft {
    until: u64,
    jobs: u32,
    datasets: Vec<String>,
    delegate: Signer,
}

/// What turning it on would come to, with a fresh delegate.
///
/// # Errors
/// `Usage` for no dataset, or a time or number out of range; `Refused` where no standing approval could go on, or a dataset is
/// not published or has no key of its own.
pub async fn draft(home: &Home, network: &Network, wanted: &view::EarningWanted) -> Result<Draft> {
    if !(1..=MOST_HOURS).contains(&wanted.hours) || !(1..=MOST_JOBS).contains(&wanted.jobs) {
        return Err(Error::usage(format!(
            "earning while locked is for 1 to {MOST_HOURS} hours and 1 to {MOST_JOBS} jobs over each dataset"
        )));
    }
    let mut datasets = wanted.datasets.clone();
    datasets.sort();
    datasets.dedup();
    let until = network.chain.now().await? + u64::from(wanted.hours) * 3_600;
    let delegate = signer(&random::bytes::<32>()?)?;
    let draft = Draft { until, jobs: wanted.jobs, datasets, delegate };
    draft.check(home, network)?;
    Ok(draft)
}

/// What a draft is about, and what it lets happen, for the owner to confirm.
///
/// # Errors
/// Like [`draft`].
pub fn facts(home: &Home, network: &Network, draft: &Draft) -> Result<(String, Vec<String>)> {
    draft.check(home, network)?;
    let mut facts = Bounds::of(home)?.of_template(TEMPLATE).facts()?;
    let (jobs, until) = (draft.jobs, time::rfc3339(draft.until as i64));
    facts.push(format!("this goes on while the vault is locked, until {until}: {jobs} jobs at most over each dataset"));
    facts.push(format!(
        "the account {}, made for this alone, may commit their outputs in your name; you stay the one who is paid",
        draft.delegate.address()
    ));
    facts.push(
        "a sealed copy of these datasets' records stays beside the vault; its key is in this program's memory, also while \
         the vault is locked"
            .to_owned(),
    );
    facts.push("what leaves is what their license says, and you do not look at it before".to_owned());
    facts.push("it ends then, when you turn it off, or with this program".to_owned());
    Ok((draft.datasets.join(", "), facts))
}

/// Turns it on: the delegate gets its grants and its gas money, and the vault remembers both.
///
/// # Errors
/// Like [`draft`]; `Network`.
pub async fn start(home: &mut Home, network: &Network, draft: &Draft) -> Result<view::Earning> {
    draft.check(home, network)?;
    network.chain.fund(draft.delegate.address()).await?;
    let mut datasets = Vec::new();
    for name in &draft.datasets {
        let grant = Grant {
            delegate: draft.delegate.address(),
            dataset: dataset::find(home, name)?.published_on(network)?.id.into(),
            actions: TEMPLATE.action().bit(),
            maxJobs: draft.jobs,
            validUntil: draft.until,
            nonce: U256::from_be_bytes(random::bytes::<32>()?),
        };
        datasets.push(Chosen { name: name.clone(), given: Given::give(home, network, &grant)? });
    }
    let plan = Plan {
        network: network.profile.name.clone(),
        until: draft.until,
        jobs: draft.jobs,
        datasets,
        delegate: Key(draft.delegate.to_bytes().to_vec()),
    };
    home.keep(Kind::Earning, NOW, &plan)?;
    home.commit()?;
    Ok(plan.shown())
}

/// Turns it off. The delegate's key is forgotten with it, so nobody can use its grants any more.
///
/// # Errors
/// When the vault cannot be written.
pub fn stop(home: &mut Home) -> Result<()> {
    home.forget(Kind::Earning, NOW)?;
    home.commit()
}

/// What is on; nothing where it is off.
///
/// # Errors
/// `Integrity` where it cannot be read.
pub fn show(home: &Home) -> Result<Option<view::Earning>> {
    let plan = home.find::<Plan>(Kind::Earning, NOW)?;
    Ok(plan.filter(|plan| !plan.over()).map(|plan| plan.shown()))
}

impl Plan {
    fn over(&self) -> bool {
        i64::try_from(self.until).is_ok_and(|until| time::now() > until)
    }

    fn shown(&self) -> view::Earning {
        view::Earning {
            until: time::rfc3339(self.until as i64),
            datasets: self.datasets.iter().map(|chosen| chosen.name.clone()).collect(),
            jobs: self.jobs,
        }
    }
}

impl Draft {
    fn check(&self, home: &Home, network: &Network) -> Result<()> {
        if !network.profile.development {
            return Err(Error::refused("earning while locked works on networks for trying things out only")
                .hint("There the network's faucet pays for the delegate's transactions."));
        }
        if self.datasets.is_empty() {
            return Err(Error::usage("no dataset was chosen to earn with"));
        }
        for name in &self.datasets {
            let dataset = dataset::find(home, name)?;
            dataset.published_on(network)?;
            own_key(home, &dataset)?;
            dataset::check_members(home, &dataset)?;
        }
        if Bounds::of(home)?.of_template(TEMPLATE).facts()?.is_empty() {
            return Err(Error::refused(format!("no standing approval lets jobs {TEMPLATE} run"))
                .hint("Approve a consumer's jobs always, then turn this on."));
        }
        Ok(())
    }
}

/// The secret that requests for the dataset are sealed to, where it is the dataset's own.
fn own_key(home: &Home, dataset: &Dataset) -> Result<zeroize::Zeroizing<[u8; 32]>> {
    let secret = dataset.exchange_secret(home)?;
    let manifest = home
        .find_bytes(Kind::Manifest, &dataset.name)?
        .ok_or_else(|| Error::refused(format!("dataset {:?} is not published", dataset.name)))?;
    if Manifest::from_bytes(&manifest)?.exchange_key != exchange::public_of(&secret) {
        return Err(Error::refused(format!("dataset {:?} was published before it had a key of its own", dataset.name))
            .hint("Publish its records as a new dataset."));
    }
    Ok(secret)
}

fn signer(key: &[u8]) -> Result<Signer> {
    let word: [u8; 32] = key.try_into().map_err(|_| Error::integrity("a stored key is not 32 bytes long"))?;
    Signer::from_bytes(&B256::from(word)).map_err(|_| Error::failure("the delegate's key is none"))
}

#[cfg(test)]
mod tests;
