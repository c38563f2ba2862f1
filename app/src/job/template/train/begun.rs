//! A run that was begun: its secret, and the spending that paid for what follows from it. Both stay until the job is done or given
//! up, so that a run that is cut short goes on with the same samples and the same noise, and pays once.

use compute::template::train::Params;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use sha2::{Digest, Sha256};
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::budget::{self, Budget, Spending};
use crate::error::{Error, Result};
use crate::home::{Home, Kind};
use crate::job::template::Work;
use crate::job::unfinished::Halfway;
use crate::random;

/// What the vault keeps of a run while it is under way.
#[derive(Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
#[serde(deny_unknown_fields)]
pub(super) struct Begun {
    /// What was asked for: a secret serves that alone.
    #[zeroize(skip)]
    of: ByteBuf,
    /// What samples and noise follow from.
    #[serde(with = "serde_bytes")]
    secret: Vec<u8>,
    /// What was spent before it was drawn; none where no budget protects the records.
    #[zeroize(skip)]
    paid: Option<Spending>,
}

impl Begun {
    /// The run that was begun for this job; none where it asked for something else, or its spending is not in the budget.
    ///
    /// # Errors
    /// `Integrity` where the budget was altered.
    pub fn find(home: &Home, work: &Work, params: &Params) -> Result<Option<Self>> {
        // What cannot be read is as good as nothing: the run is begun again, and paid again.
        let found: Option<Self> = home.find(Kind::Training, &work.job).unwrap_or_default();
        let Some(begun) = found.filter(|begun| begun.secret.len() == 32) else { return Ok(None) };
        let paid = match (&begun.paid, &params.privacy) {
            (None, None) => true,
            (Some(paid), Some(privacy)) => {
                let budget = Budget::of(home, &work.dataset.name)?;
                paid.epsilon_micro == privacy.epsilon_micro && budget.spent.contains(paid)
            }
            _ => false,
        };
        Ok((paid && begun.of == asked(work, params)).then_some(begun))
    }

    /// Begins a run: spends what it needs, and only then draws its secret.
    ///
    /// # Errors
    /// `Refused` where less of the budget is left; when the vault cannot be written, and then nothing was drawn.
    pub fn begin(home: &mut Home, work: &Work, params: &Params) -> Result<Self> {
        Halfway::forget(home, &work.job)?;
        let pay = |privacy: &compute::template::train::Privacy| {
            budget::spend(home, &work.dataset.name, &work.job, privacy.epsilon_micro)
        };
        let paid = params.privacy.as_ref().map(pay).transpose()?;
        let begun = Self { of: asked(work, params), secret: random::bytes::<32>()?.to_vec(), paid };
        home.keep(Kind::Training, &work.job, &begun)?;
        home.commit()?;
        Ok(begun)
    }

    /// What samples and noise follow from.
    ///
    /// # Errors
    /// `Integrity` where it is not 32 bytes long.
    pub fn secret(&self) -> Result<[u8; 32]> {
        self.secret.as_slice().try_into().map_err(|_| Error::integrity("a run's secret is not 32 bytes long"))
    }
}

/// The dataset's budget as this run finds it: what it paid already is not asked for again.
///
/// # Errors
/// `Integrity` where it was altered.
pub(super) fn budget(home: &Home, work: &Work, params: &Params) -> Result<Budget> {
    let budget = Budget::of(home, &work.dataset.name)?;
    let begun = Begun::find(home, work, params)?;
    Ok(match begun.as_ref().and_then(|begun| begun.paid.as_ref()) {
        Some(paid) => budget.before(paid),
        None => budget,
    })
}

/// Of job, model, parameters and records.
fn asked(work: &Work, params: &Params) -> ByteBuf {
    let mut hash = Sha256::new();
    let params = format!("{params:?}");
    let count = work.count.to_le_bytes();
    for part in [work.job.as_bytes(), &work.spec.model, params.as_bytes(), &work.dataset.root, &count] {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    ByteBuf::from(hash.finalize().to_vec())
}
