//! Rewards: what own datasets earned, by which jobs, from whom; and one command to withdraw it.

use std::collections::{BTreeMap, BTreeSet};

use provenance::chain::U256;
use provenance::terms::Amount;

use crate::dataset;
use crate::error::{Error, Result};
use crate::home::Home;
use crate::ids;
use crate::network::Network;
use crate::view;

/// What was earned.
///
/// # Errors
/// `Network`; `Integrity` where the node's events do not match the contract.
pub async fn list(home: &Home, network: &Network) -> Result<view::Rewards> {
    let me = home.person.address();
    let currency = network.currency()?;
    let claimable = network.chain.claimable(me, currency).await?;
    let mut credited = U256::ZERO;
    for credit in network.chain.credits_of(me).await? {
        if credit.currency == currency {
            credited += credit.amount;
        }
    }
    Ok(view::Rewards {
        claimable: money(claimable, network)?,
        claimed: money(credited.saturating_sub(claimable), network)?,
        by_dataset: by_dataset(home, network).await?,
        tx: None,
    })
}

/// Withdraws everything.
///
/// # Errors
/// `Refused` where there is nothing.
pub async fn claim(home: &Home, network: &Network, dry_run: bool) -> Result<view::Rewards> {
    let currency = network.currency()?;
    let claimable = network.chain.claimable(home.person.address(), currency).await?;
    if claimable.is_zero() {
        return Err(
            Error::refused("there is nothing to withdraw").hint("`reward list` shows what was earned and withdrawn.")
        );
    }
    if dry_run {
        return list(home, network).await;
    }
    let (amount, sent) = network.chain.withdraw(home.person.signer(), currency).await?;
    let mut view = list(home, network).await?;
    view.claimed = money(amount, network)?;
    view.tx = Some(sent.tx.to_string());
    Ok(view)
}

#[derive(Default)]
struct Earned {
    amount: U256,
    jobs: u64,
    from: BTreeSet<String>,
}

async fn by_dataset(home: &Home, network: &Network) -> Result<Vec<view::DatasetReward>> {
    let mut earned: BTreeMap<[u8; 32], Earned> = BTreeMap::new();
    for job in network.chain.jobs_for(home.person.address()).await? {
        if let Some(settled) = job.settled {
            let entry = earned.entry(job.details.dataset.0).or_default();
            entry.amount += settled.amount;
            entry.jobs += 1;
            entry.from.insert(job.details.licensee.to_string());
        }
    }
    earned
        .into_iter()
        .map(|(id, earned)| {
            Ok(view::DatasetReward {
                name: dataset::find_by_id(home, &id)?
                    .map_or_else(|| "not in this vault".to_owned(), |dataset| dataset.name.clone()),
                dataset_id: ids::shown(id),
                amount: money(earned.amount, network)?,
                jobs: earned.jobs,
                from: earned.from.into_iter().collect(),
            })
        })
        .collect()
}

fn money(units: U256, network: &Network) -> Result<String> {
    Ok(Amount::from_units(units)?.show(network.symbol()))
}
