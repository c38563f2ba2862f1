//! Rewards: what own datasets earned, by which jobs, from whom; and one command to withdraw it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use provenance::chain::U256;
use provenance::chain::client::JobRecord;
use provenance::terms::Amount;

use crate::dataset;
use crate::error::{Error, Result};
use crate::home::Home;
use crate::ids;
use crate::network::Network;
use crate::{time, view};

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
    let jobs = network.chain.jobs_for(me).await?;
    Ok(view::Rewards {
        claimable: money(claimable, network)?,
        claimed: money(credited.saturating_sub(claimable), network)?,
        by_dataset: by_dataset(home, network, &jobs)?,
        by_consumer: by_consumer(network, &jobs)?,
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

/// Every payment, the oldest first.
///
/// # Errors
/// `Network`; `Integrity` where the node's events do not match the contract.
pub async fn history(home: &Home, network: &Network) -> Result<view::Payments> {
    let mut payments = Vec::new();
    for job in network.chain.jobs_for(home.person.address()).await? {
        let Some(settled) = job.settled else { continue };
        let id = job.details.dataset;
        let amount = Amount::from_units(settled.amount)?;
        let shown = amount.show(network.symbol());
        payments.push((
            settled.place.time,
            view::Payment {
                time: time::rfc3339(settled.place.time as i64),
                job_id: ids::shown(job.id),
                dataset: dataset::find_by_id(home, &id.0)?
                    .map_or_else(|| ids::shown(id), |dataset| dataset.name.clone()),
                consumer: job.details.licensee.to_string(),
                value: shown.split(' ').next().and_then(|number| number.parse().ok()).unwrap_or_default(),
                amount: shown,
                tx: settled.place.tx.to_string(),
            },
        ));
    }
    payments.sort_by_key(|(time, _)| *time);
    Ok(view::Payments {
        payments: payments.into_iter().map(|(_, payment)| payment).collect(),
        symbol: network.symbol().to_owned(),
    })
}

/// Writes every payment as a table (RFC 4180) to `out`, which must not exist.
///
/// # Errors
/// Like [`history`]; `Refused` where `out` is there already.
pub async fn export(home: &Home, network: &Network, out: &Path) -> Result<view::Written> {
    let mut table = csv::Writer::from_writer(Vec::new());
    let failed = |error: csv::Error| Error::failure(error.to_string());
    table.write_record(["time", "dataset", "consumer", "amount", "job", "transaction"]).map_err(failed)?;
    for one in history(home, network).await?.payments {
        // A name that a spreadsheet would take for a formula is shown as text.
        let name = if one.dataset.starts_with(['=', '+', '-', '@', '\t', '\r']) {
            format!("'{}", one.dataset)
        } else {
            one.dataset
        };
        table.write_record([one.time, name, one.consumer, one.amount, one.job_id, one.tx]).map_err(failed)?;
    }
    let bytes = table.into_inner().map_err(|e| Error::failure(e.to_string()))?;
    crate::bundle::write_new(out, &bytes)?;
    Ok(view::Written { file: out.display().to_string(), bytes: bytes.len() as u64 })
}

#[derive(Default)]
struct Earned {
    amount: U256,
    jobs: u64,
    from: BTreeSet<String>,
}

fn by_dataset(home: &Home, network: &Network, jobs: &[JobRecord]) -> Result<Vec<view::DatasetReward>> {
    let mut earned: BTreeMap<[u8; 32], Earned> = BTreeMap::new();
    for job in jobs {
        if let Some(settled) = &job.settled {
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

fn by_consumer(network: &Network, jobs: &[JobRecord]) -> Result<Vec<view::ConsumerReward>> {
    let mut paid: BTreeMap<String, (U256, u64)> = BTreeMap::new();
    for job in jobs {
        if let Some(settled) = &job.settled {
            let (amount, jobs) = paid.entry(job.details.licensee.to_string()).or_default();
            *amount += settled.amount;
            *jobs += 1;
        }
    }
    let mut paid: Vec<_> = paid.into_iter().collect();
    paid.sort_by_key(|(_, (amount, _))| std::cmp::Reverse(*amount));
    let shown =
        |(consumer, (amount, jobs))| Ok(view::ConsumerReward { consumer, amount: money(amount, network)?, jobs });
    paid.into_iter().map(shown).collect()
}

fn money(units: U256, network: &Network) -> Result<String> {
    Ok(Amount::from_units(units)?.show(network.symbol()))
}
