//! Ready-made terms, one click each, every one with its human text.

use super::{Action, Actions, Amount, DAY, Purpose, Purposes, Terms};
use crate::chain::Address;
use crate::cid::Cid;
use crate::{Error, Result};
use std::fmt;
use std::str::FromStr;

/// A ready-made set of terms.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Preset {
    /// Nobody may use it.
    Private,
    /// Counts and histograms, nothing about one record.
    StatisticsOnly,
    /// Embeddings for research, not commercially.
    EmbeddingsNonCommercial,
    /// Training a classifier, commercially, paid per run.
    TrainClassifier,
    /// Any action for research and the public interest.
    OpenResearch,
}

/// All presets, the most careful first.
pub const PRESETS: [Preset; 5] = [
    Preset::Private,
    Preset::StatisticsOnly,
    Preset::EmbeddingsNonCommercial,
    Preset::TrainClassifier,
    Preset::OpenResearch,
];

impl Preset {
    /// The name used in commands and file names.
    pub const fn name(self) -> &'static str {
        match self {
            Preset::Private => "private",
            Preset::StatisticsOnly => "statistics-only",
            Preset::EmbeddingsNonCommercial => "embeddings-non-commercial",
            Preset::TrainClassifier => "train-classifier",
            Preset::OpenResearch => "open-research",
        }
    }

    /// The name shown to people.
    pub const fn title(self) -> &'static str {
        match self {
            Preset::Private => "Private",
            Preset::StatisticsOnly => "Statistics only",
            Preset::EmbeddingsNonCommercial => "Embeddings, non-commercial",
            Preset::TrainClassifier => "Train a classifier, commercial, per run",
            Preset::OpenResearch => "Open research",
        }
    }

    /// The human text. It is stored by CID; the digest stands in the terms.
    pub const fn legal_text(self) -> &'static str {
        match self {
            Preset::Private => include_str!("../legal/private.txt"),
            Preset::StatisticsOnly => include_str!("../legal/statistics-only.txt"),
            Preset::EmbeddingsNonCommercial => include_str!("../legal/embeddings-non-commercial.txt"),
            Preset::TrainClassifier => include_str!("../legal/train-classifier.txt"),
            Preset::OpenResearch => include_str!("../legal/open-research.txt"),
        }
    }

    /// The content id of [`Preset::legal_text`].
    pub fn legal_cid(self) -> Cid {
        Cid::raw(self.legal_text().as_bytes())
    }

    /// The preset whose text has this digest.
    pub fn of_legal_text(digest: &[u8; 32]) -> Option<Self> {
        PRESETS.into_iter().find(|preset| preset.legal_cid().digest() == *digest)
    }

    /// The terms, at `price` for one run in `currency`. Every field can be changed afterwards.
    pub fn terms(self, price: Amount, currency: Address) -> Terms {
        let base = Terms {
            actions: Actions::NONE,
            purposes: Purposes::NONE,
            commercial: false,
            attribution: false,
            price_per_run: price,
            currency,
            max_runs: 1,
            duration: 30 * DAY,
            respond_within: 3 * DAY,
            accept_within: DAY,
            min_records: 1,
            max_epsilon_micro: 0,
            retention_days: 0,
            legal_text: self.legal_cid().digest(),
        };
        match self {
            Preset::Private => base,
            Preset::StatisticsOnly => Terms {
                actions: Actions::of(&[Action::Statistic]),
                purposes: Purposes::of(&[Purpose::Any]),
                commercial: true,
                min_records: 20,
                ..base
            },
            Preset::EmbeddingsNonCommercial => Terms {
                actions: Actions::of(&[Action::Embed]),
                purposes: Purposes::of(&[Purpose::Research, Purpose::Personalization, Purpose::PublicInterest]),
                min_records: 8,
                retention_days: 365,
                ..base
            },
            Preset::TrainClassifier => Terms {
                actions: Actions::of(&[Action::TrainNonGenerative, Action::Evaluate]),
                purposes: Purposes::of(&[Purpose::Research, Purpose::Product]),
                commercial: true,
                attribution: true,
                min_records: 50,
                max_epsilon_micro: 8_000_000,
                retention_days: 730,
                ..base
            },
            Preset::OpenResearch => Terms {
                actions: Actions::of(&[
                    Action::Statistic,
                    Action::Embed,
                    Action::TrainNonGenerative,
                    Action::Infer,
                    Action::Evaluate,
                ]),
                purposes: Purposes::of(&[Purpose::Research, Purpose::PublicInterest]),
                attribution: true,
                max_runs: 10,
                duration: 365 * DAY,
                min_records: 8,
                ..base
            },
        }
    }
}

impl fmt::Display for Preset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Preset {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        PRESETS.into_iter().find(|preset| preset.name() == name).ok_or_else(|| {
            let known: Vec<&str> = PRESETS.iter().map(|preset| preset.name()).collect();
            Error::Invalid(format!("`{name}` is no preset; there are {}", known.join(", ")))
        })
    }
}
