//! What a license allows and costs: one struct is the source of truth, everything else is emitted from it.

mod amount;
mod emit;
mod odrl;
mod preset;
mod sets;

pub use amount::{Amount, DECIMALS};
pub use emit::{aipref, cawg_training_mining, croissant_usage_info};
pub use odrl::{Parties, odrl_agreement, odrl_offer};
pub use preset::{PRESETS, Preset};
pub use sets::{Action, Actions, Purpose, Purposes};

use crate::chain::{Address, B256, typed};
use crate::cid::{Cid, Codec};
use crate::dagcbor::Fixed;
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// Longest license, in seconds: the contract's limit.
pub const MAX_DURATION: u64 = 3650 * DAY;
/// Longest time that either side can be given to act, in seconds: the contract's limit.
pub const MAX_WAIT: u64 = 30 * DAY;
/// Seconds in a day.
pub const DAY: u64 = 86_400;
/// Seconds in an hour.
const HOUR: u64 = 3_600;

/// What a license allows and costs. Names and order follow the contract's struct.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Terms {
    /// Kinds of job that may be requested.
    pub actions: Actions,
    /// What the output may be used for. A duty on the consumer.
    pub purposes: Purposes,
    /// Whether the output may be used commercially. A duty on the consumer.
    pub commercial: bool,
    /// Whether the source has to be named where the output is used. A duty on the consumer.
    pub attribution: bool,
    /// Price of one run over the whole dataset version.
    pub price_per_run: Amount,
    /// The token in which it is paid, from the network's list.
    pub currency: Address,
    /// Runs that one license buys, paid in advance; unused ones come back.
    pub max_runs: u32,
    /// Seconds from purchase to expiry.
    pub duration: u64,
    /// Seconds that the owner has from request to commit.
    pub respond_within: u64,
    /// Seconds that the consumer has from commit to reject.
    pub accept_within: u64,
    /// Smallest dataset, and smallest group in an output.
    pub min_records: u32,
    /// Privacy budget per job in millionths of epsilon; 0 where none is spent.
    pub max_epsilon_micro: u64,
    /// Days after which the consumer deletes the output; 0 for no limit. A duty on the consumer.
    pub retention_days: u32,
    /// sha2-256 digest of the human text.
    pub legal_text: [u8; 32],
}

/// One use that is asked for, as the vault sees it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Use {
    /// The kind of job.
    pub action: Action,
    /// What for, where the consumer said so.
    pub purpose: Option<Purpose>,
    /// Whether the consumer said that the use is commercial.
    pub commercial: bool,
    /// Now, in seconds since 1970.
    pub now: u64,
    /// When the license was bought, in seconds since 1970.
    pub bought_at: u64,
    /// Runs requested before this one.
    pub runs_used: u32,
    /// Records in the dataset version.
    pub records: u64,
}

impl Terms {
    /// The content id of the human text.
    pub const fn legal_cid(&self) -> Cid {
        Cid::from_digest(Codec::Raw, self.legal_text)
    }

    /// Checks that an offer with these terms can be bought: what the contract refuses is refused here first.
    ///
    /// # Errors
    /// [`Error::Refused`] naming the first term that is out of range.
    pub fn check(&self) -> Result<()> {
        let refuse = |why: String| Err(Error::Refused(why));
        if self.actions.is_empty() {
            return refuse("these terms allow no action: a private dataset cannot be offered".into());
        }
        if self.purposes.is_empty() {
            return refuse("these terms allow no purpose: name one, or `any`".into());
        }
        if self.max_runs == 0 {
            return refuse("max_runs is 0: a license needs at least one run".into());
        }
        self.price_per_run.times(self.max_runs)?;
        within("duration", self.duration, MAX_DURATION)?;
        within("respond_within", self.respond_within, MAX_WAIT)?;
        within("accept_within", self.accept_within, MAX_WAIT)?;
        if self.legal_text == [0; 32] {
            return refuse("legal_text is missing: terms need their human text".into());
        }
        Ok(())
    }

    /// The price of all runs, paid at purchase.
    ///
    /// # Errors
    /// [`Error::Invalid`] when it is above what the contracts carry.
    pub fn total_price(&self) -> Result<Amount> {
        self.price_per_run.times(self.max_runs)
    }

    /// Every reason why `asked` is not allowed; none when it is.
    pub fn refusals(&self, asked: &Use) -> Vec<String> {
        let mut reasons = Vec::new();
        if !self.actions.contains(asked.action) {
            reasons.push(format!("the license does not allow {}; it allows {}", asked.action, self.actions));
        }
        if let Some(purpose) = asked.purpose
            && !self.purposes.contains(Purpose::Any)
            && !self.purposes.contains(purpose)
        {
            reasons.push(format!("the license is not for {purpose}; it is for {}", self.purposes));
        }
        if asked.commercial && !self.commercial {
            reasons.push("the license is for non-commercial use only".into());
        }
        if asked.now > self.expires_at(asked.bought_at) {
            reasons.push(format!("the license expired {}", ago(asked.now - self.expires_at(asked.bought_at))));
        }
        if asked.runs_used >= self.max_runs {
            reasons.push(format!("all {} runs of the license were used", self.max_runs));
        }
        if asked.records < u64::from(self.min_records) {
            reasons.push(format!(
                "the dataset has {} records; the terms ask for at least {}",
                asked.records, self.min_records
            ));
        }
        reasons
    }

    /// Whether `asked` is allowed.
    ///
    /// # Errors
    /// [`Error::Refused`] with every reason.
    pub fn allows(&self, asked: &Use) -> Result<()> {
        let reasons = self.refusals(asked);
        if reasons.is_empty() { Ok(()) } else { Err(Error::Refused(reasons.join("; "))) }
    }

    /// Last second of a license bought at `bought_at`.
    pub const fn expires_at(&self, bought_at: u64) -> u64 {
        bought_at.saturating_add(self.duration)
    }

    /// The terms in plain sentences. `symbol` is the currency's, such as `USU`.
    pub fn summary(&self, symbol: &str) -> Vec<String> {
        if self.actions.is_empty() {
            return vec!["Nobody may use this dataset.".into()];
        }
        let mut lines = vec![format!("Allowed: {}.", self.actions.sentence())];
        lines.push(if self.purposes.contains(Purpose::Any) {
            "For any purpose.".into()
        } else {
            format!("For {} only.", self.purposes.sentence())
        });
        lines.push(if self.commercial { "Commercial use is allowed." } else { "No commercial use." }.into());
        lines.push(if self.price_per_run.is_zero() {
            format!("Free of charge, {}.", plural(self.max_runs.into(), "run"))
        } else {
            format!("{} for each run, {}.", self.price_per_run.show(symbol), plural(self.max_runs.into(), "run"))
        });
        lines.push(format!("Ends {} after purchase.", span(self.duration)));
        lines.push(format!(
            "The owner has {} to run a job, the buyer {} to look at the sealed result.",
            span(self.respond_within),
            span(self.accept_within)
        ));
        if self.min_records > 1 {
            lines.push(format!("Never over fewer than {} records.", self.min_records));
        }
        if self.max_epsilon_micro > 0 {
            lines.push(format!("Spends at most {} of the privacy budget.", micro(self.max_epsilon_micro)));
        }
        if self.attribution {
            lines.push("The source has to be named.".into());
        }
        if self.retention_days > 0 {
            lines.push(format!("The buyer deletes the result after {}.", plural(self.retention_days.into(), "day")));
        }
        lines
    }

    /// The struct that is hashed and signed.
    pub fn to_typed(&self) -> typed::Terms {
        typed::Terms {
            actions: self.actions.bits(),
            purposes: self.purposes.bits(),
            commercial: self.commercial,
            attribution: self.attribution,
            pricePerRun: self.price_per_run.units(),
            currency: self.currency,
            maxRuns: self.max_runs,
            duration: self.duration,
            respondWithin: self.respond_within,
            acceptWithin: self.accept_within,
            minRecords: self.min_records,
            maxEpsilonMicro: self.max_epsilon_micro,
            retentionDays: self.retention_days,
            legalText: B256::from(self.legal_text),
        }
    }

    /// The terms of a struct from the chain.
    ///
    /// # Errors
    /// [`Error::Invalid`] for unknown bits or a price out of range.
    pub fn from_typed(typed: &typed::Terms) -> Result<Self> {
        Ok(Self {
            actions: Actions::from_bits(typed.actions)?,
            purposes: Purposes::from_bits(typed.purposes)?,
            commercial: typed.commercial,
            attribution: typed.attribution,
            price_per_run: Amount::from_units(typed.pricePerRun)?,
            currency: typed.currency,
            max_runs: typed.maxRuns,
            duration: typed.duration,
            respond_within: typed.respondWithin,
            accept_within: typed.acceptWithin,
            min_records: typed.minRecords,
            max_epsilon_micro: typed.maxEpsilonMicro,
            retention_days: typed.retentionDays,
            legal_text: typed.legalText.0,
        })
    }
}

/// The terms as a DAG-CBOR map.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TermsWire {
    actions: u16,
    purposes: u16,
    commercial: bool,
    attribution: bool,
    price_per_run: Fixed<32>,
    currency: Fixed<20>,
    max_runs: u32,
    duration: u64,
    respond_within: u64,
    accept_within: u64,
    min_records: u32,
    max_epsilon_micro: u64,
    retention_days: u32,
    legal_text: Fixed<32>,
}

impl From<&Terms> for TermsWire {
    fn from(terms: &Terms) -> Self {
        Self {
            actions: terms.actions.bits(),
            purposes: terms.purposes.bits(),
            commercial: terms.commercial,
            attribution: terms.attribution,
            price_per_run: Fixed::new(terms.price_per_run.units().to_be_bytes()),
            currency: Fixed::new(terms.currency.into_array()),
            max_runs: terms.max_runs,
            duration: terms.duration,
            respond_within: terms.respond_within,
            accept_within: terms.accept_within,
            min_records: terms.min_records,
            max_epsilon_micro: terms.max_epsilon_micro,
            retention_days: terms.retention_days,
            legal_text: Fixed::new(terms.legal_text),
        }
    }
}

impl TryFrom<TermsWire> for Terms {
    type Error = Error;

    fn try_from(wire: TermsWire) -> Result<Self> {
        Ok(Self {
            actions: Actions::from_bits(wire.actions)?,
            purposes: Purposes::from_bits(wire.purposes)?,
            commercial: wire.commercial,
            attribution: wire.attribution,
            price_per_run: Amount::from_units(crate::chain::U256::from_be_bytes(wire.price_per_run.into_array()))?,
            currency: Address::from(wire.currency.into_array()),
            max_runs: wire.max_runs,
            duration: wire.duration,
            respond_within: wire.respond_within,
            accept_within: wire.accept_within,
            min_records: wire.min_records,
            max_epsilon_micro: wire.max_epsilon_micro,
            retention_days: wire.retention_days,
            legal_text: wire.legal_text.into_array(),
        })
    }
}

fn within(name: &str, value: u64, limit: u64) -> Result<()> {
    if value == 0 || value > limit {
        return Err(Error::Refused(format!("{name} is {value} seconds; it must be between 1 and {limit}")));
    }
    Ok(())
}

/// `3 days`, `1 hour`, `90 seconds`: the largest unit that divides `seconds`.
fn span(seconds: u64) -> String {
    match seconds {
        s if s > 0 && s.is_multiple_of(DAY) => plural(s / DAY, "day"),
        s if s > 0 && s.is_multiple_of(HOUR) => plural(s / HOUR, "hour"),
        s if s > 0 && s.is_multiple_of(60) => plural(s / 60, "minute"),
        s => plural(s, "second"),
    }
}

fn ago(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{} ago", plural(seconds, "second")),
        60..HOUR => format!("{} ago", plural(seconds / 60, "minute")),
        HOUR..DAY => format!("{} ago", plural(seconds / HOUR, "hour")),
        _ => format!("{} ago", plural(seconds / DAY, "day")),
    }
}

fn plural(count: u64, unit: &str) -> String {
    if count == 1 { format!("1 {unit}") } else { format!("{count} {unit}s") }
}

/// Millionths as a decimal.
fn micro(value: u64) -> String {
    let text = format!("{}.{:06}", value / 1_000_000, value % 1_000_000);
    text.trim_end_matches('0').trim_end_matches('.').into()
}

#[cfg(test)]
#[path = "terms/tests.rs"]
mod tests;
