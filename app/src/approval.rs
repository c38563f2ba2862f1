//! Standing approvals: what the owner allows ahead of time, by consumer, template, price and runs a week. A job that fits one is
//! approved by it as if the owner had looked; everything else waits for `job approve`.

use provenance::chain::{Address, Job};
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
    let mut facts = vec![
        standing.fact()?,
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
    Bounds::of(home)?.covering(&seen.record.details, seen.now)
}

/// All that standing approvals allow, and what they let through so far.
#[derive(Clone, Default)]
pub(crate) struct Bounds {
    /// The approvals, by id.
    standing: Vec<(String, Standing)>,
    /// Jobs that one of them let through: which, and when by the chain's clock.
    used: Vec<(String, u64)>,
}

impl Bounds {
    /// What the vault says.
    pub fn of(home: &Home) -> Result<Self> {
        let by_standing = |(_, kept): (String, Kept)| {
            let approved = kept.approved?;
            Some((approved.standing?, u64::try_from(approved.at).ok()?))
        };
        let used = home.all::<Kept>(Kind::Job)?.into_iter().filter_map(by_standing).collect();
        Ok(Bounds { standing: home.all::<Standing>(Kind::Standing)?, used })
    }

    /// The id of the approval that covers a job, and still has runs at `now`.
    pub fn covering(&self, details: &Job, now: u64) -> Result<Option<String>> {
        let template = Template::of_bit(details.action)?.to_string();
        let paid = Amount::from_units(details.amount)?;
        for (id, standing) in &self.standing {
            let fits = standing.consumer == details.licensee.to_string() && standing.template == template;
            if fits && paid.units() >= standing.floor()?.units() && self.used(id, now) < standing.runs_a_week as usize {
                return Ok(Some(id.clone()));
            }
        }
        Ok(None)
    }

    /// Counts a job that the approval with this id lets through.
    pub fn count(&mut self, id: String, at: u64) {
        self.used.push((id, at));
    }

    /// Those for one template alone.
    pub fn of_template(mut self, template: Template) -> Self {
        self.standing.retain(|(_, standing)| standing.template == template.name());
        self
    }

    /// What they let happen, in sentences.
    pub fn facts(&self) -> Result<Vec<String>> {
        self.standing.iter().map(|(_, standing)| standing.fact()).collect()
    }

    /// Jobs that the approval let through in the seven days before `now`.
    fn used(&self, id: &str, now: u64) -> usize {
        self.used.iter().filter(|(by, at)| by == id && at + WEEK > now).count()
    }
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

    /// What it lets happen.
    fn fact(&self) -> Result<String> {
        let Standing { consumer, template, runs_a_week, .. } = self;
        let floor = self.floor()?.show(SYMBOL);
        Ok(format!(
            "jobs {template} of {consumer} that pay {floor} or more run without asking you, {runs_a_week} in any seven days"
        ))
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

#[cfg(test)]
mod tests {
    use provenance::chain::{B256, U256};

    use super::*;

    const CONSUMER: Address = Address::repeat_byte(4);

    fn wanted(template: &str) -> view::ApprovalWanted {
        let consumer = CONSUMER.to_string();
        view::ApprovalWanted { consumer, template: template.into(), min_price: "2.5".into(), runs_a_week: 2 }
    }

    fn job(licensee: Address, template: Template, price: &str) -> Job {
        Job {
            license: B256::ZERO,
            dataset: B256::ZERO,
            owner: Address::ZERO,
            licensee,
            currency: Address::ZERO,
            amount: Amount::parse(price, SYMBOL).expect("a price").units(),
            action: template.action().bit(),
            spec: B256::ZERO,
            version: 1,
            root: U256::ZERO,
            count: 1,
            tier: 0,
            ownerCommitment: U256::ZERO,
            runBy: 0,
            acceptWithin: 0,
            settleBy: 0,
        }
    }

    #[test]
    fn bounds_cover_a_job_as_often_as_the_approval_says_and_no_other() {
        let standing = Standing::of(&wanted("embed")).expect("an approval");
        let id = standing.id();
        let mut bounds = Bounds { standing: vec![(id.clone(), standing)], used: Vec::new() };
        let covers = |bounds: &Bounds, job: &Job, now: u64| bounds.covering(job, now).expect("a look");
        let fits = job(CONSUMER, Template::Embed, "2.5");
        for other in [
            job(Address::repeat_byte(5), Template::Embed, "2.5"),
            job(CONSUMER, Template::Statistic, "2.5"),
            job(CONSUMER, Template::Embed, "2.499999"),
        ] {
            assert_eq!(covers(&bounds, &other, 1_000), None);
        }
        for at in [1_000, 2_000] {
            assert_eq!(covers(&bounds, &fits, at), Some(id.clone()));
            bounds.count(id.clone(), at);
        }
        assert_eq!(covers(&bounds, &fits, 2_000), None, "over the count");
        assert_eq!(covers(&bounds, &fits, 1_000 + WEEK - 1), None);
        assert_eq!(covers(&bounds, &fits, 1_000 + WEEK), Some(id), "a week after the first");
        let train = Bounds { standing: bounds.standing.clone(), used: Vec::new() }.of_template(Template::Train);
        assert!(train.facts().expect("facts").is_empty());
    }
}
