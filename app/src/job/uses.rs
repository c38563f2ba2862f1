//! What training did with each record, for its owner: how often it was used, its loss before and after, and which records
//! earned the reward. Nothing of this leaves the vault but salted digests.

use compute::template::train::Use;
use provenance::terms::Amount;

use super::template::train::Kept;
use super::{Side, see};
use crate::error::{Error, Result};
use crate::home::{Home, Kind};
use crate::network::Network;
use crate::record::Record;
use crate::{dataset, ids, view};

/// Characters of a record's text that are shown.
const SHOWN: usize = 48;

/// The training-use rows of a job that this vault ran, the records that earned most first.
///
/// A record's share is its contribution over the sum of all that are above zero; the reward itself is one payment.
///
/// # Errors
/// `Refused` for another's dataset; `NotFound` where this vault ran no training for the job.
pub async fn show(home: &Home, network: &Network, job: &str) -> Result<view::Uses> {
    let seen = see(home, network, job).await?;
    seen.only(Side::Contributor)?;
    let id = ids::shown(seen.record.id);
    let kept: Kept = home.find(Kind::Uses, &id)?.ok_or_else(|| {
        Error::not_found("this vault did no training for this job").hint("`job show` says what it is.")
    })?;
    let details = &seen.record.details;
    let dataset = dataset::find_by_id(home, &details.dataset.0)?
        .ok_or_else(|| Error::not_found("this vault does not hold the dataset of this job"))?;
    let opened = dataset::open(home, &dataset)?;
    let uses = kept.uses();
    if uses.len() != opened.records.len() {
        return Err(Error::integrity("the training-use rows are not of the dataset's records"));
    }
    let helped: f64 = uses.iter().map(|used| f64::from(used.contribution.max(0.0))).sum();
    let included = dataset.included();
    let shown = |record: &Record| {
        let text = record.readable(&included);
        text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(SHOWN).collect()
    };
    let row = |(position, used): (usize, &Use)| {
        Ok(view::RecordUse {
            position: position as u64,
            text: opened.records.with(position, shown)?,
            steps: used.steps,
            loss_before: used.before,
            loss_after: used.after,
            contribution: used.contribution,
            share: if helped > 0.0 { f64::from(used.contribution.max(0.0)) / helped } else { 0.0 },
        })
    };
    let mut records = uses.iter().enumerate().map(row).collect::<Result<Vec<view::RecordUse>>>()?;
    records.sort_by(|a, b| b.contribution.total_cmp(&a.contribution).then(a.position.cmp(&b.position)));
    Ok(view::Uses { job_id: id, pays: Amount::from_units(details.amount)?.show(network.symbol()), records })
}
