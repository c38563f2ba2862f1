//! `statistic`: count, sum and histogram of the dataset's counted field. The answer is *proven*: every record stands in the
//! proof. One answer is given for a dataset version, and the same to whoever asks again. The worker gets the field's numbers
//! and nothing else; what it counts must be what the circuit counts.

use compute::template::statistic;
use provenance::manifest::{Manifest, Tier};
use serde::{Deserialize, Serialize};
use zk::Circuit;
use zk::proof::Proof;
use zk::statistic::{Answer, MAX_RECORDS, Material, Witness};

use super::{Asked, Asking, Delivered, Made, Out, Proving, Work};
use crate::args::DeviceChoice;
use crate::counted::Counted;
use crate::dataset::{Dataset, Opened};
use crate::error::{Error, Result};
use crate::home::{Home, Kind};
use crate::job::answer::Answered;
use crate::job::package::Expected;
use crate::job::rows::{self, Order};
use crate::view::Check;
use crate::worker::wire::{self, Place};
use crate::{gate, proving, random};

/// Bytes of a worker's answer, at most: 18 numbers and their names.
const ANSWER_BYTES: usize = 256;

/// What the vault keeps of the one answer over a dataset version.
#[derive(PartialEq, Eq, Serialize, Deserialize)]
struct Kept {
    /// Fewest values in a group.
    least: u32,
    /// What was answered.
    answer: statistic::Answer,
}

/// What proving needs of an answer again.
#[derive(Serialize, Deserialize)]
struct Opening {
    least: u32,
    #[serde(with = "serde_bytes")]
    blinding: Vec<u8>,
}

pub(super) fn circuit(tier: zk::merkle::Tier) -> Result<Circuit> {
    if tier == Circuit::Statistic.tier() { Ok(Circuit::Statistic) } else { Err(too_many()) }
}

fn too_many() -> Error {
    Error::refused(format!("a statistic is proven over at most {MAX_RECORDS} records, and this dataset has more"))
        .hint("It is refused rather than answered with a weaker proof. Ask the owner for a smaller dataset.")
}

pub(super) fn ask(asking: &Asking<'_>, manifest: &Manifest) -> Result<Asked> {
    if asking.model.is_some() || asking.label.is_some() || asking.params.is_some() {
        return Err(Error::usage("a statistic takes no model, no label and no parameters")
            .hint("Leave --model, --label and --params out: its owner fixed what is counted."));
    }
    if manifest.tier != Tier::Small {
        return Err(too_many());
    }
    if manifest.counted.as_ref().is_none_or(|counted| counted.edges.is_empty()) {
        return Err(nothing_counted());
    }
    Ok(Asked { model: [0; 32], params: serde_json::json!({}) })
}

fn nothing_counted() -> Error {
    Error::refused("the dataset names no field for statistics to count")
        .hint("Its owner names one with `dataset create --statistic FIELD --edges EDGES`.")
}

fn counted(dataset: &Dataset) -> Result<&Counted> {
    dataset.counted.as_ref().ok_or_else(nothing_counted)
}

/// Where the answer over a dataset version is kept.
fn name(dataset: &Dataset) -> String {
    format!("{}/{}", dataset.name, dataset.version)
}

/// The smallest group: of the answer that was given already, or else as the license asks.
fn least(home: &Home, work: &Work) -> Result<u32> {
    let asked = work.min_records.max(1);
    match home.find::<Kept>(Kind::Answer, &name(&work.dataset))? {
        Some(kept) if kept.least < asked => Err(Error::refused(format!(
            "the answer over this dataset was given with groups of at least {}, and this license asks for {asked}",
            kept.least
        ))
        .hint("Two answers could be compared. `job decline` refunds the buyer; a new dataset can be offered on these terms.")),
        Some(kept) => Ok(kept.least),
        None => Ok(asked),
    }
}

pub(super) fn out() -> Out {
    Out {
        kind: "a count, a sum and a histogram, in exact integers",
        rows: 1,
        bytes: 8 * (2 + 16),
        budget: None,
        worst: "Whoever gets the answer knows these numbers exactly, and can subtract what it knows of some records to learn of the others.",
    }
}

pub(super) fn leaves(home: &Home, work: &Work) -> Result<Vec<String>> {
    circuit(work.dataset.tier()?)?;
    let served = home.has(Kind::Answer, &name(&work.dataset))?;
    Ok(gate::preview_statistic(&counted(&work.dataset)?.field, least(home, work)?, served))
}

pub(super) fn compute(home: &mut Home, work: &Work, opened: &Opened, device: DeviceChoice) -> Result<Made> {
    let counted = counted(&work.dataset)?;
    let least = least(home, work)?;
    let edges = counted.edges.as_slice().try_into().map_err(|_| Error::integrity("the kept bin edges are not 17"))?;
    let values: Vec<Option<i32>> = opened.leaves.iter().map(|leaf| leaf.value).collect();
    let (answer, place) = count(home, work, &values, &statistic::Params { edges, least }, device)?;
    let proven = Answer::compute(values.into_iter().flatten(), counted.bins()?, least)?;
    gate::pass_statistic(&answer, &proven, work.count, work.min_records)?;
    let given = Kept { least, answer };
    match home.find::<Kept>(Kind::Answer, &name(&work.dataset))? {
        Some(kept) if kept != given => {
            return Err(Error::integrity("the dataset's records give another answer than the one that was given"));
        }
        Some(_) => {}
        None => home.keep(Kind::Answer, &name(&work.dataset), &given)?,
    }
    // A new blinding for each job: nobody sees on-chain that two got the same answer.
    let blinding = random::bytes::<31>()?;
    let opening = Opening { least, blinding: blinding.to_vec() };
    Ok(Made {
        package: Answered::new(&proven, &blinding).to_bytes()?,
        output_root: proven.commitment(&blinding),
        opening: serde_ipld_dagcbor::to_vec(&opening).map_err(|e| Error::failure(e.to_string()))?,
        device: place.name,
        model: None,
    })
}

/// Counts in a worker. What comes back is not yet through the gate.
fn count(
    home: &mut Home,
    work: &Work,
    values: &[Option<i32>],
    params: &statistic::Params,
    device: DeviceChoice,
) -> Result<(statistic::Answer, Place)> {
    let params = serde_json::to_value(params).map_err(|e| Error::failure(e.to_string()))?;
    let row = |position: usize| Ok(values[position].map_or_else(Vec::new, |value| value.to_le_bytes().to_vec()));
    let computed = rows::compute(
        home,
        &Order {
            job: &work.job,
            template: work.template.name(),
            model: None,
            params: &params,
            rows_of: &params,
            root: &work.dataset.root,
            count: values.len(),
            row: &row,
            width: 0,
            pass: &|_, _| Ok(()),
            kept: None,
            end: ANSWER_BYTES,
            halfway: 0,
            device,
            what: "counting",
        },
    )?;
    Ok((wire::unpack(&computed.end)?, computed.device))
}

pub(super) fn prove(from: &Proving<'_>) -> Result<(Proof, u64)> {
    let Proving { home, dataset, opened, opening, statement } = *from;
    let damaged = || Error::integrity("what this vault keeps of the job is damaged");
    let opening: Opening = serde_ipld_dagcbor::from_slice(opening).map_err(|_| damaged())?;
    let blinding: [u8; 31] = opening.blinding.try_into().map_err(|_| damaged())?;
    let material = Material {
        owner: &dataset.owner_secret(home)?,
        leaves: &opened.leaves,
        records: &opened.tree,
        bins: counted(dataset)?.bins()?,
        least: opening.least,
        blinding: &blinding,
    };
    if material.statement(statement.context, statement.challenge)? != *statement {
        return Err(Error::integrity("the vault's records and answer do not fit what was committed on-chain"));
    }
    proving::prove(Circuit::Statistic, statement, &Witness::gather(&material)?)
}

pub(super) fn open(package: &[u8]) -> Result<Box<dyn Delivered>> {
    Ok(Box::new(Answered::from_bytes(package)?))
}

impl Delivered for Answered {
    fn checks(&self, expected: &Expected) -> Result<Vec<Check>> {
        Ok(Answered::checks(self, expected))
    }

    fn files(&self, manifest: &Manifest) -> Result<Vec<(&'static str, Vec<u8>)>> {
        let counted = manifest.counted.as_ref().ok_or_else(nothing_counted)?;
        let answer = self.to_json(&counted.field, counted.scale)?;
        Ok(vec![
            ("answer.json", format!("{answer:#}\n").into_bytes()),
            ("README.md", self.readme(manifest)?.into_bytes()),
        ])
    }
}
