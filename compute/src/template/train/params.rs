//! What a consumer may choose for a training run, each value within bounds that are checked before any work.

use serde::{Deserialize, Serialize};

use crate::model::MAX_TOKENS;
use crate::{Error, Result};

/// Most passes over the records.
pub const MAX_EPOCHS: u32 = 50;

/// Most records in a step, or expected in one where they are drawn at random.
pub const MAX_BATCH: u32 = 256;

/// Highest rank of an adapter.
pub const MAX_RANK: u32 = 64;

/// Steps of one run, at most: bounds the time of a run whatever its records are.
pub const MAX_STEPS: u64 = 200_000;

/// What a consumer may choose.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Params {
    /// Low-rank adapters on the encoder; without them only the head is trained.
    pub adapters: Option<Adapters>,
    /// Passes over the records, 1 to [`MAX_EPOCHS`].
    pub epochs: u32,
    /// Records in a step, 1 to [`MAX_BATCH`].
    pub batch: u32,
    /// The adapters' step size at the beginning, above 0 and at most 1; it falls to 0 in a straight line.
    pub rate: f64,
    /// The head's step size at the beginning, likewise.
    pub head_rate: f64,
    /// AdamW's weight decay, 0 to 1.
    pub weight_decay: f64,
    /// Tokens of a record that count, special tokens included; the rest is cut off. 8 to [`MAX_TOKENS`].
    pub max_tokens: u32,
    /// What the adapters' beginning and the order of records follow from.
    pub seed: u64,
    /// Differential privacy for every record; without it the run protects nothing.
    pub privacy: Option<Privacy>,
}

/// Low-rank adapters (Hu et al. 2021): `y = W x + b + alpha / rank * B A x`, with `A` random and `B` zero at first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Adapters {
    /// Rows of `A`, 1 to [`MAX_RANK`].
    pub rank: u32,
    /// Scale of what the adapter adds, above 0 and at most 1024.
    pub alpha: f64,
    /// The matrices of each layer that have an adapter: at least one, each once.
    pub targets: Vec<Target>,
}

/// A matrix of an attention layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Target {
    /// The query's.
    Query,
    /// The key's.
    Key,
    /// The value's.
    Value,
}

impl Target {
    /// The module's name, in the model's files and in PEFT's.
    pub fn name(self) -> &'static str {
        match self {
            Self::Query => "query",
            Self::Key => "key",
            Self::Value => "value",
        }
    }
}

/// Differential privacy by clipped and noised gradients (Abadi et al. 2016).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Privacy {
    /// The budget that the whole run may spend, in millionths of epsilon: 10,000 to 100,000,000. The noise follows from it.
    pub epsilon_micro: u64,
    /// The norm to which each record's gradient is clipped, 0.001 to 100.
    pub clip: f64,
    /// Releases how many held-back records were right and wrong, each with Gaussian noise of this deviation (1 to 10,000),
    /// paid from the same budget; without it no result of an evaluation leaves.
    #[serde(default)]
    pub evaluation_noise: Option<f64>,
}

impl Default for Params {
    fn default() -> Self {
        Self {
            adapters: None,
            epochs: 4,
            batch: 32,
            rate: 1e-3,
            head_rate: 1e-2,
            weight_decay: 0.01,
            max_tokens: MAX_TOKENS as u32,
            seed: 0,
            privacy: None,
        }
    }
}

impl Default for Adapters {
    fn default() -> Self {
        Self { rank: 8, alpha: 16.0, targets: vec![Target::Query, Target::Value] }
    }
}

impl Params {
    /// Checks the bounds that do not depend on the records.
    ///
    /// # Errors
    /// [`Error::Parameter`] names the parameter and its bounds.
    pub fn check(&self) -> Result<()> {
        whole("epochs", self.epochs.into(), 1, MAX_EPOCHS.into())?;
        whole("batch", self.batch.into(), 1, MAX_BATCH.into())?;
        whole("max_tokens", self.max_tokens.into(), 8, MAX_TOKENS as u64)?;
        real("rate", self.rate, f64::MIN_POSITIVE, 1.0)?;
        real("head_rate", self.head_rate, f64::MIN_POSITIVE, 1.0)?;
        real("weight_decay", self.weight_decay, 0.0, 1.0)?;
        self.adapters.as_ref().map_or(Ok(()), Adapters::check)?;
        self.privacy.as_ref().map_or(Ok(()), Privacy::check)
    }

    /// Steps that a run over `records` records takes.
    ///
    /// # Errors
    /// [`Error::Parameter`] above [`MAX_STEPS`].
    pub fn steps(&self, records: u64) -> Result<u64> {
        let steps = u64::from(self.epochs) * records.div_ceil(u64::from(self.batch.max(1)));
        if steps > MAX_STEPS {
            let reason = format!("{steps} steps over {records} records; at most {MAX_STEPS}. Take a larger batch");
            return Err(Error::Parameter { name: "epochs", reason });
        }
        Ok(steps)
    }
}

impl Adapters {
    fn check(&self) -> Result<()> {
        whole("rank", self.rank.into(), 1, MAX_RANK.into())?;
        real("alpha", self.alpha, f64::MIN_POSITIVE, 1024.0)?;
        let mut targets = self.targets.clone();
        targets.sort_unstable();
        targets.dedup();
        if targets.is_empty() || targets.len() != self.targets.len() {
            let reason = "name at least one of query, key and value, each once".to_owned();
            return Err(Error::Parameter { name: "targets", reason });
        }
        Ok(())
    }
}

impl Privacy {
    fn check(&self) -> Result<()> {
        whole("epsilon_micro", self.epsilon_micro, 10_000, 100_000_000)?;
        real("clip", self.clip, 1e-3, 100.0)?;
        self.evaluation_noise.map_or(Ok(()), |noise| real("evaluation_noise", noise, 1.0, 1e4))
    }
}

fn whole(name: &'static str, value: u64, low: u64, high: u64) -> Result<()> {
    if (low..=high).contains(&value) {
        return Ok(());
    }
    Err(Error::Parameter { name, reason: format!("{value} is not between {low} and {high}") })
}

fn real(name: &'static str, value: f64, low: f64, high: f64) -> Result<()> {
    if (low..=high).contains(&value) {
        return Ok(());
    }
    let low = if low == f64::MIN_POSITIVE { "above 0".to_owned() } else { format!("at least {low}") };
    Err(Error::Parameter { name, reason: format!("{value} is not {low} and at most {high}") })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn refused(text: &str) -> &'static str {
        match serde_json::from_str::<Params>(text).unwrap().check() {
            Err(Error::Parameter { name, .. }) => name,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn params_at_their_bounds_are_accepted() {
        Params::default().check().unwrap();
        let full = r#"{"adapters":{"rank":64,"alpha":1024.0,"targets":["value","key","query"]},"epochs":50,"batch":256,
            "rate":1.0,"head_rate":1e-9,"weight_decay":0.0,"max_tokens":8,"seed":18446744073709551615,
            "privacy":{"epsilon_micro":10000,"clip":0.001,"evaluation_noise":1.0}}"#;
        serde_json::from_str::<Params>(full).unwrap().check().unwrap();
    }

    #[test]
    fn params_out_of_bounds_are_named() {
        for (text, name) in [
            (r#"{"epochs":0}"#, "epochs"),
            (r#"{"epochs":1000000000}"#, "epochs"),
            (r#"{"batch":0}"#, "batch"),
            (r#"{"batch":4294967295}"#, "batch"),
            (r#"{"max_tokens":7}"#, "max_tokens"),
            (r#"{"max_tokens":257}"#, "max_tokens"),
            (r#"{"rate":0.0}"#, "rate"),
            (r#"{"rate":-1.0}"#, "rate"),
            (r#"{"rate":1e300}"#, "rate"),
            (r#"{"head_rate":1.5}"#, "head_rate"),
            (r#"{"weight_decay":-0.1}"#, "weight_decay"),
            (r#"{"adapters":{"rank":1000000000}}"#, "rank"),
            (r#"{"adapters":{"rank":0}}"#, "rank"),
            (r#"{"adapters":{"alpha":0.0}}"#, "alpha"),
            (r#"{"adapters":{"targets":[]}}"#, "targets"),
            (r#"{"adapters":{"targets":["key","key"]}}"#, "targets"),
            (r#"{"privacy":{"epsilon_micro":0,"clip":1.0}}"#, "epsilon_micro"),
            (r#"{"privacy":{"epsilon_micro":18446744073709551615,"clip":1.0}}"#, "epsilon_micro"),
            (r#"{"privacy":{"epsilon_micro":1000000,"clip":0.0}}"#, "clip"),
            (r#"{"privacy":{"epsilon_micro":1000000,"clip":1.0,"evaluation_noise":0.5}}"#, "evaluation_noise"),
        ] {
            assert_eq!(refused(text), name, "{text}");
        }
        let undefined = Params { rate: f64::NAN, ..Params::default() };
        assert!(matches!(undefined.check(), Err(Error::Parameter { name: "rate", .. })));
    }

    #[test]
    fn params_of_another_form_are_refused() {
        for text in [
            r#"{"script":"x"}"#,
            r#"{"epochs":-1}"#,
            r#"{"epochs":4294967296}"#,
            r#"{"adapters":{"targets":["dense"]}}"#,
            r#"{"adapters":{"weights":"x"}}"#,
            r#"{"privacy":{}}"#,
            r#"{"privacy":{"epsilon_micro":1,"clip":1,"noise":0}}"#,
        ] {
            assert!(serde_json::from_str::<Params>(text).is_err(), "{text}");
        }
    }

    #[test]
    fn steps_above_the_bound_are_refused() {
        let params = Params { epochs: 50, batch: 1, ..Params::default() };
        assert_eq!(params.steps(4_000).unwrap(), MAX_STEPS);
        assert!(matches!(params.steps(4_001), Err(Error::Parameter { name: "epochs", .. })));
    }
}
