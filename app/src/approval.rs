//! Standing approvals: what the owner allows ahead of time, by consumer, template, price and runs a week. A job that fits one is
//! approved by it as if the owner had looked; everything else waits for `job approve`.

use provenance::chain::Address;
use provenance::terms::Amount;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::error::{Error, Result};
use crate::home::{Home, Kind};
use crate::job::template::Template;
use crate::job::{Kept, Seen};
use crate::{budget, view};

/// Seconds in the week that runs are counted over: the one before now, not the calendar's.
const WEEK: u64 = 7 * 86_400;
/// The currency of prices here.
const SYMBOL: &str = "USU";
/// Most runs a week that one approval may allow.
const MAX_RUNS: u32 = 1_000;

/// One standing approval.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Standing {
    /// Whose jobs.
    consumer: String,
    /// Of which template.
    template: String,
    /// Least price of a run, in base units of the currency.
    floor: String,
    /// Most runs in any seven days.
    runs_a_week: u32,
}

/// Keeps a standing approval. The same one again changes nothing; another one for the same consumer and template replaces it.
///
/// # Errors
/// `Usage` for what is no address, template, price or number of runs.
pub fn add(home: &mut Home, wanted: &view::ApprovalWanted) -> Result<view::Approvals> {
    let standing = Standing::of(wanted)?;
    home.keep(Kind::Standing, &standing.id(), &standing)?;
    home.commit()?;
    list(home)
}

/// What a standing approval would let happen, for the owner to confirm.
///
/// # Errors
/// Like [`add`].
pub fn facts(wanted: &view::ApprovalWanted) -> Result<Vec<String>> {
    let standing = Standing::of(wanted)?;
    let Standing { consumer, template, runs_a_week, .. } = &standing;
    let floor = standing.floor()?.show(SYMBOL);
    let mut facts = vec![
        format!(
            "jobs {template} of {consumer} that pay {floor} or more run without asking you, {runs_a_week} in any seven days"
        ),
        "what leaves is what their license says, and you do not look at it before".to_owned(),
        "it goes on until you end it".to_owned(),
    ];
    facts.extend(standing.warning()?);
    Ok(facts)
}

/// Takes a standing approval back. Jobs that it approved stay approved.
///
/// # Errors
/// `NotFound` where there is none with this id.
pub fn remove(home: &mut Home, id: &str) -> Result<view::Approvals> {
    if !home.has(Kind::Standing, id)? {
        return Err(Error::not_found(format!("there is no standing approval {id:?}"))
            .hint("`usufruct approval list` shows them."));
    }
    home.forget(Kind::Standing, id)?;
    home.commit()?;
    list(home)
}

/// All standing approvals.
///
/// # Errors
/// `Integrity` where one cannot be read.
pub fn list(home: &Home) -> Result<view::Approvals> {
    let shown = |(id, standing): (String, Standing)| {
        Ok(view::StandingApproval {
            id,
            consumer: standing.consumer.clone(),
            template: standing.template.clone(),
            min_price: standing.floor()?.show(SYMBOL),
            runs_a_week: standing.runs_a_week,
            warning: standing.warning()?,
        })
    };
    let approvals = home.all::<Standing>(Kind::Standing)?.into_iter().map(shown).collect::<Result<_>>()?;
    Ok(view::Approvals { approvals })
}

/// The id of the standing approval that covers this job, and still has runs; none where the owner has to look.
///
/// # Errors
/// `Integrity` where the vault's entries cannot be read.
pub(crate) fn covering(home: &Home, seen: &Seen) -> Result<Option<String>> {
    let details = &seen.record.details;
    let template = Template::of_bit(details.action)?.to_string();
    let paid = Amount::from_units(details.amount)?;
    for (id, standing) in home.all::<Standing>(Kind::Standing)? {
        let fits = standing.consumer == details.licensee.to_string() && standing.template == template;
        if fits && paid.units() >= standing.floor()?.units() && used(home, &id, seen.now)? < standing.runs_a_week {
            return Ok(Some(id));
        }
    }
    Ok(None)
}

/// Jobs that the approval let through in the seven days before `now`, by the chain's clock.
fn used(home: &Home, id: &str, now: u64) -> Result<u32> {
    let recent = |kept: &Kept| {
        kept.approved.as_ref().is_some_and(|approved| {
            approved.standing.as_deref() == Some(id) && u64::try_from(approved.at).is_ok_and(|at| at + WEEK > now)
        })
    };
    let count = home.all::<Kept>(Kind::Job)?.iter().filter(|(_, kept)| recent(kept)).count();
    Ok(u32::try_from(count).unwrap_or(u32::MAX))
}

impl Standing {
    fn of(wanted: &view::ApprovalWanted) -> Result<Standing> {
        let consumer: Address = wanted.consumer.parse().map_err(|_| {
            Error::usage(format!("{:?} is no address", wanted.consumer)).hint("`job inbox` shows who asks.")
        })?;
        let template = Template::named(&wanted.template)?.to_string();
        let floor: Amount = Amount::parse(&wanted.min_price, SYMBOL).map_err(|e| Error::usage(e.to_string()))?;
        if !(1..=MAX_RUNS).contains(&wanted.runs_a_week) {
            return Err(Error::usage(format!("an approval allows 1 to {MAX_RUNS} runs a week")));
        }
        Ok(Standing {
            consumer: consumer.to_string(),
            template,
            floor: floor.units().to_string(),
            runs_a_week: wanted.runs_a_week,
        })
    }

    /// From consumer and template: there is one approval for both.
    fn id(&self) -> String {
        let digest = Sha256::digest(format!("standing approval\n{}\n{}\n", self.consumer, self.template));
        hex::encode(&digest[..6])
    }

    /// What the owner should know of it; nothing where its runs spend nothing.
    fn warning(&self) -> Result<Option<String>> {
        Ok(Template::named(&self.template)?.spends().then(|| {
            format!(
                "runs may spend privacy budget, at most {} in a dataset's life, and it does not come back; a license without \
                one lets them run unprotected",
                budget::shown(budget::LIFETIME_MICRO)
            )
        }))
    }

    fn floor(&self) -> Result<Amount> {
        let unreadable = || Error::integrity("a standing approval's price cannot be read");
        Amount::from_units(self.floor.parse().map_err(|_| unreadable())?).map_err(|_| unreadable())
    }
}
