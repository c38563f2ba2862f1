//! The kinds of licensed computation that this program runs, and all that differs between them: what a request names, what
//! would leave, how it is computed and proven, what the consumer opens. Everything else about a job is the same for all.
//!
//! A new template is a variant here, one line in each `match`, and a module beside this one.

pub(crate) mod embed;
mod statistic;
pub(crate) mod train;

use std::fmt;

use compute::Dtype;
use provenance::chain::client::{JobRecord, LicenseRecord};
use provenance::exchange::JobSpec;
use provenance::manifest::Manifest;
use provenance::terms::Action;
use zk::Circuit;
use zk::merkle::Tier;
use zk::proof::Proof;
use zk::statement::Statement;

use super::package::Expected;
use super::{Seen, spec};
use crate::args::DeviceChoice;
use crate::dataset::{self, Dataset, Opened};
use crate::error::{Error, Result};
use crate::home::Home;
use crate::network::Network;
use crate::view::Check;
use crate::{bundle, ids};

/// One kind of licensed computation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Template {
    /// A vector for each record, by a model that is named by its digest.
    Embed,
    /// A classifier over an encoder, learned from a labeled field.
    Train,
    /// Count, sum and histogram of one number of each record.
    Statistic,
}

/// How far a job's proof reaches; the README has the words.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Says {
    /// Each output row was committed, before the challenge was known, against a registered record.
    Bound,
    /// The whole computation is in the proof.
    Proven,
}

impl Says {
    /// `bound` or `proven`.
    pub fn word(self) -> &'static str {
        match self {
            Says::Bound => "bound",
            Says::Proven => "proven",
        }
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What the command line says of a request, and the license of it.
pub(crate) struct Asking<'a> {
    /// The model, by name or digest.
    pub model: Option<&'a str>,
    /// The field to be learned.
    pub label: Option<&'a str>,
    /// The template's parameters, JSON.
    pub params: Option<&'a str>,
    /// The type of the numbers of an `embed` job.
    pub dtype: Option<Dtype>,
    /// Privacy budget that the license lets a run spend, in millionths of epsilon; 0 for none.
    pub max_epsilon_micro: u64,
}

/// What a request names, besides its template.
pub(crate) struct Asked {
    /// The model's digest; zeros where the template takes none.
    pub model: [u8; 32],
    /// The template's parameters.
    pub params: serde_json::Value,
}

/// A requested job as its owner's vault sees it.
pub(crate) struct Work {
    /// The job's id, as shown.
    pub job: String,
    /// What was asked for.
    pub template: Template,
    /// The consumer's request, opened.
    pub spec: JobSpec,
    /// The dataset it is over.
    pub dataset: Dataset,
    /// Records of the dataset version.
    pub count: u64,
    /// Smallest dataset, and smallest group in an output, by the license.
    pub min_records: u32,
    /// Privacy budget that the license lets a run spend, in millionths of epsilon; 0 for none.
    pub max_epsilon_micro: u64,
}

impl Work {
    /// The job's work, from its request, its license and this vault.
    ///
    /// # Errors
    /// `Refused` where the request asks for something else than was licensed; `NotFound` where the dataset is not here.
    pub async fn of(home: &Home, network: &Network, seen: &Seen, license: &LicenseRecord) -> Result<Self> {
        let details = &seen.record.details;
        let template = Template::of_bit(details.action)?;
        let dataset = dataset::find_by_id(home, &details.dataset.0)?.ok_or_else(|| {
            Error::not_found("this vault does not hold the dataset of this job")
                .hint("Use the vault that published it.")
        })?;
        let spec = spec(home, network, &seen.record, &dataset)?;
        template.check_asked(&spec)?;
        // The chain does not keep it: it stands in the offer.
        let max_epsilon_micro = match template {
            Template::Train => bundle::offer_of(network, license).await?.offer.terms.max_epsilon_micro,
            _ => 0,
        };
        Ok(Work {
            job: ids::shown(seen.record.id),
            template,
            spec,
            dataset,
            count: details.count,
            min_records: license.terms.minRecords,
            max_epsilon_micro,
        })
    }

    /// The work of a job that spends no privacy budget, from its opened request and a copy of its dataset.
    ///
    /// # Errors
    /// `Refused` where the request asks for something else than was licensed.
    pub fn of_copy(record: &JobRecord, license: &LicenseRecord, spec: JobSpec, dataset: Dataset) -> Result<Self> {
        let template = Template::of_bit(record.details.action)?;
        template.check_asked(&spec)?;
        Ok(Work {
            job: ids::shown(record.id),
            template,
            spec,
            dataset,
            count: record.details.count,
            min_records: license.terms.minRecords,
            max_epsilon_micro: 0,
        })
    }
}

/// What an output would be.
pub(crate) struct Out {
    /// What its rows are.
    pub kind: &'static str,
    /// How many.
    pub rows: u64,
    /// Bytes of all of them, before sealing.
    pub bytes: u64,
    /// What it would spend of the dataset's privacy budget, and what would be left, both in millionths of epsilon; none where
    /// no budget protects it.
    pub budget: Option<(u64, u64)>,
    /// The worst that can come of it, in one sentence.
    pub worst: &'static str,
}

/// What a computation gave, past the output gate and before it is sealed.
pub(crate) struct Made {
    /// The package's bytes.
    pub package: Vec<u8>,
    /// What it is committed as on-chain.
    pub output_root: zk::Field,
    /// What proving needs of it again, in the template's own layout. It stays in the vault.
    pub opening: Vec<u8>,
    /// Where it was computed.
    pub device: String,
    /// With which model, where there is one.
    pub model: Option<String>,
}

/// What proving starts from.
pub(crate) struct Proving<'a> {
    /// Whose vault it is.
    pub home: &'a Home,
    /// The dataset.
    pub dataset: &'a Dataset,
    /// Its records, leaves and tree.
    pub opened: &'a Opened,
    /// [`Made::opening`], as it was kept.
    pub opening: &'a [u8],
    /// What the chain says is to be shown.
    pub statement: &'a Statement,
}

/// An opened package, of any template.
pub(crate) trait Delivered {
    /// Recomputes what the chain committed to.
    ///
    /// # Errors
    /// `Integrity` where something cannot even be recomputed; what does not agree is in the checks.
    fn checks(&self, expected: &Expected) -> Result<Vec<Check>>;

    /// The files that the consumer gets, by name, `README.md` among them.
    ///
    /// # Errors
    /// `Failure` where one cannot be encoded.
    fn files(&self, manifest: &Manifest) -> Result<Vec<(&'static str, Vec<u8>)>>;
}

impl Template {
    /// All templates.
    pub const ALL: &'static [Self] = &[Self::Embed, Self::Statistic, Self::Train];

    /// The template with this name.
    ///
    /// # Errors
    /// `Usage` with the names there are.
    pub fn named(name: &str) -> Result<Self> {
        Self::ALL.iter().copied().find(|template| template.name() == name).ok_or_else(|| {
            Error::usage(format!("this program has no template {name:?}")).hint(format!("There are: {}.", names()))
        })
    }

    /// The word for it in requests and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Template::Embed => "embed",
            Template::Statistic => "statistic",
            Template::Train => "train",
        }
    }

    /// The template that an action licenses; none for what this program cannot run.
    pub fn of(action: Action) -> Option<Self> {
        Self::ALL.iter().copied().find(|template| template.action() == action)
    }

    /// The template that an action's bit stands for on-chain.
    ///
    /// # Errors
    /// `Refused` for an action that this program cannot run.
    pub fn of_bit(bit: u16) -> Result<Self> {
        let action = Action::from_bit(bit)?;
        Self::of(action).ok_or_else(|| Error::refused(format!("this program cannot run {action}: it runs {}", names())))
    }

    /// What a license must allow.
    pub fn action(self) -> Action {
        match self {
            Template::Embed => Action::Embed,
            Template::Train => Action::TrainNonGenerative,
            Template::Statistic => Action::Statistic,
        }
    }

    /// The circuit of its proofs over a dataset of this tier.
    ///
    /// # Errors
    /// `Refused` where there is none for the tier.
    pub fn circuit(self, tier: Tier) -> Result<Circuit> {
        match self {
            Template::Embed | Template::Train => Ok(Circuit::Provenance(tier)),
            Template::Statistic => statistic::circuit(tier),
        }
    }

    /// Whether a run can spend a dataset's privacy budget.
    pub fn spends(self) -> bool {
        matches!(self, Template::Train)
    }

    /// How far its proofs reach.
    pub fn says(self) -> Says {
        match self {
            Template::Embed | Template::Train => Says::Bound,
            Template::Statistic => Says::Proven,
        }
    }

    /// What a request for it names, from the command line's words, over the dataset that the manifest describes.
    ///
    /// # Errors
    /// `Usage` or `Refused` for what the template does not take, or not over this dataset.
    pub(crate) fn ask(self, asking: &Asking<'_>, manifest: &Manifest) -> Result<Asked> {
        match self {
            Template::Embed => embed::ask(asking),
            Template::Statistic => statistic::ask(asking, manifest),
            Template::Train => train::ask(asking, manifest),
        }
    }

    /// That the request asks for this template.
    fn check_asked(self, spec: &JobSpec) -> Result<()> {
        if spec.template == self.name() {
            return Ok(());
        }
        let asked = &spec.template;
        Err(Error::refused(format!("the request asks for {asked:?}, which is not what was licensed")))
    }

    /// What would leave, in plain words: what the owner decides on.
    ///
    /// # Errors
    /// `Refused` where the job cannot be run at all.
    pub(crate) fn leaves(self, home: &Home, work: &Work) -> Result<Vec<String>> {
        match self {
            Template::Embed => embed::leaves(work),
            Template::Train => train::leaves(home, work),
            Template::Statistic => statistic::leaves(home, work),
        }
    }

    /// What would leave, in figures.
    ///
    /// # Errors
    /// `NotFound` where the model is not here.
    pub(crate) fn out(self, home: &Home, work: &Work) -> Result<Out> {
        match self {
            Template::Embed => embed::out(work),
            Template::Train => train::out(home, work),
            Template::Statistic => Ok(statistic::out()),
        }
    }

    /// Computes the output and takes it through the output gate.
    ///
    /// # Errors
    /// `Refused` by the gate or the template's bounds; `Interrupted`.
    pub(crate) fn compute(self, home: &mut Home, work: &Work, opened: &Opened, device: DeviceChoice) -> Result<Made> {
        match self {
            Template::Embed => embed::compute(home, work, opened, device),
            Template::Train => train::compute(home, work, opened, device),
            Template::Statistic => statistic::compute(home, work, opened, device),
        }
    }

    /// Proves what the chain says is to be shown. Gives the proof and how long proving took, milliseconds.
    ///
    /// # Errors
    /// `Integrity` where the vault does not hold what was committed.
    pub(crate) fn prove(self, from: &Proving<'_>) -> Result<(Proof, u64)> {
        match self {
            Template::Embed | Template::Train => embed::prove(from),
            Template::Statistic => statistic::prove(from),
        }
    }

    /// Reads a package of this template.
    ///
    /// # Errors
    /// `Integrity` where it is none.
    pub(crate) fn open(self, package: &[u8]) -> Result<Box<dyn Delivered>> {
        match self {
            Template::Embed => embed::open(package),
            Template::Train => train::open(package),
            Template::Statistic => statistic::open(package),
        }
    }
}

fn names() -> String {
    Template::ALL.iter().map(Template::to_string).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_actions_lead_to_one_template() {
        for template in Template::ALL {
            assert_eq!(Template::named(&template.to_string()).unwrap(), *template);
            assert_eq!(Template::of_bit(template.action().bit()).unwrap(), *template);
        }
    }

    #[test]
    fn unknown_names_and_actions_are_refused() {
        assert!(Template::named("mine").unwrap_err().hint.is_some_and(|hint| hint.contains("embed")));
        for bit in [0, 3, Action::Download.bit(), 1 << 15] {
            assert!(Template::of_bit(bit).is_err(), "{bit}");
        }
    }
}
