//! The privacy budget of a dataset: what training with differential privacy has spent of it, in the owner's vault.
//!
//! A spending is written, durably, before the randomness is drawn that it pays for, and is never given back: not when the
//! run fails, not when it is stopped. A run that is cut short goes on with what it paid for; where that randomness is lost, the same
//! job spends again. Epsilons and deltas of all runs are added up, which
//! bounds what all outputs together tell of a record, whoever asked for them and however each chose its parameters.

use compute::template::train::DELTA;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::home::{Home, Kind};
use crate::time;

/// What a dataset can spend in its life, in millionths of epsilon.
pub const LIFETIME_MICRO: u64 = 8_000_000;

/// What was spent on one run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spending {
    /// The job.
    pub job: String,
    /// Millionths of epsilon.
    pub epsilon_micro: u64,
    /// The probability with which its guarantee may fail.
    pub delta: f64,
    /// When, in seconds since 1970.
    pub at: i64,
}

/// Everything that a dataset spent, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Budget {
    /// The spendings.
    pub spent: Vec<Spending>,
}

impl Budget {
    /// The budget of the dataset called `dataset`.
    ///
    /// # Errors
    /// `Integrity` where it was altered.
    pub fn of(home: &Home, dataset: &str) -> Result<Self> {
        Ok(home.find(Kind::Budget, dataset)?.unwrap_or_default())
    }

    /// Millionths of epsilon that are left.
    pub fn left_micro(&self) -> u64 {
        let spent = self.spent.iter().fold(0u64, |sum, spending| sum.saturating_add(spending.epsilon_micro));
        LIFETIME_MICRO.saturating_sub(spent)
    }

    /// As it was without this spending.
    pub fn before(mut self, spending: &Spending) -> Self {
        if let Some(at) = self.spent.iter().position(|known| known == spending) {
            self.spent.remove(at);
        }
        self
    }

    /// Refuses what is not left.
    ///
    /// # Errors
    /// `Refused` with what is left.
    pub fn allows(&self, epsilon_micro: u64) -> Result<()> {
        let left = self.left_micro();
        if epsilon_micro <= left {
            return Ok(());
        }
        Err(Error::refused(format!(
            "the job would spend {} of the dataset's privacy budget; {} is left of {}",
            shown(epsilon_micro),
            shown(left),
            shown(LIFETIME_MICRO)
        ))
        .hint("`job decline` refunds the buyer. What was spent does not come back."))
    }
}

/// Spends `epsilon_micro` of the dataset's budget on `job`, and gives what was written. When this returns, it is on the disk.
///
/// # Errors
/// `Refused` where less is left; when the vault cannot be written, and then nothing may be drawn.
pub fn spend(home: &mut Home, dataset: &str, job: &str, epsilon_micro: u64) -> Result<Spending> {
    let mut budget = Budget::of(home, dataset)?;
    budget.allows(epsilon_micro)?;
    let spending = Spending { job: job.to_owned(), epsilon_micro, delta: DELTA, at: time::now() };
    budget.spent.push(spending.clone());
    home.keep(Kind::Budget, dataset, &budget)?;
    home.commit()?;
    Ok(spending)
}

/// Millionths as a decimal number.
pub fn shown(micro: u64) -> String {
    let text = format!("{}.{:06}", micro / 1_000_000, micro % 1_000_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spending(epsilon_micro: u64) -> Spending {
        Spending { job: "j".into(), epsilon_micro, delta: DELTA, at: 0 }
    }

    #[test]
    fn budget_is_spent_to_the_last_and_no_further() {
        let mut budget = Budget::default();
        assert!(budget.allows(LIFETIME_MICRO).is_ok() && budget.allows(LIFETIME_MICRO + 1).is_err());
        budget.spent.push(spending(LIFETIME_MICRO - 1));
        assert!(budget.allows(1).is_ok() && budget.allows(2).is_err());
        budget.spent.push(spending(u64::MAX));
        assert_eq!(budget.left_micro(), 0);
        assert!(budget.allows(0).is_ok() && budget.allows(1).is_err());
    }

    #[test]
    fn budget_before_a_spending_lacks_that_one_alone() {
        let budget = Budget { spent: vec![spending(1_000_000), spending(2_000_000), spending(2_000_000)] };
        assert_eq!(budget.clone().before(&spending(2_000_000)).left_micro(), 5_000_000);
        assert_eq!(budget.before(&spending(3_000_000)).left_micro(), 3_000_000);
    }

    #[test]
    fn micro_is_shown_as_a_decimal() {
        assert_eq!([8_000_000, 1_500_000, 1, 0].map(shown), ["8", "1.5", "0.000001", "0"]);
    }
}
