//! `train`: a classifier over an encoder, and a training-use row for each record. The rows stay in the vault, their salted
//! digests are *bound*: a tree over them stands beside the dataset's.

mod begun;

use compute::template::train::{Mechanism, Params, Privacy, Shape, Use};
use compute::{Dtype, Row};
use provenance::manifest::Manifest;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use self::begun::Begun;
use super::{Asked, Asking, Delivered, Made, Out, Work, embed};
use crate::args::DeviceChoice;
use crate::budget;
use crate::dataset::Opened;
use crate::error::{Error, Result};
use crate::gate::RowShape;
use crate::home::{Home, Kind};
use crate::job::rows::{self, Order};
use crate::job::trained::Trained;
use crate::labels::Labels;
use crate::model::Known;
use crate::record::Record;
use crate::worker::task::{TrainAnswer, TrainOrder};
use crate::worker::wire::Place;
use crate::{gate, model, random};

/// Clipping norm where the consumer names none: about the norm of one record's gradient at the beginning.
const CLIP: f64 = 1.0;

/// Bytes of a training-use row: four 32-bit numbers.
const ROW: usize = 16;

/// What a request for a training run says.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    /// The field to be learned.
    label: String,
    /// The template's parameters.
    params: Params,
}

/// What stays in the vault of a run: each record's training-use row, and the salt of its digest.
#[derive(Serialize, Deserialize)]
pub(crate) struct Kept {
    /// Four 32-bit numbers a record: steps, loss before, loss after, contribution.
    rows: ByteBuf,
    /// 32 bytes a record.
    salts: ByteBuf,
}

impl Kept {
    /// Each record's row, in the dataset's order.
    pub(crate) fn uses(&self) -> Vec<Use> {
        let number = |four: &[u8]| f32::from_le_bytes([four[0], four[1], four[2], four[3]]);
        let used = |row: &[u8]| Use {
            steps: number(&row[..4]) as u32,
            before: number(&row[4..8]),
            after: number(&row[8..12]),
            contribution: number(&row[12..16]),
        };
        self.rows.chunks_exact(ROW).map(used).collect()
    }
}

pub(super) fn ask(asking: &Asking<'_>, manifest: &Manifest) -> Result<Asked> {
    let model = model::named(asking.model.unwrap_or(model::DEFAULT))?;
    let labels = manifest.labels.as_ref().ok_or_else(|| {
        Error::refused("the dataset names no label to be learned")
            .hint("Its owner names one with `dataset create --label`.")
    })?;
    let label = asking.label.ok_or_else(|| {
        Error::usage("a training run needs --label").hint(format!("The dataset's is {:?}.", labels.field))
    })?;
    if label != labels.field {
        return Err(Error::not_found(format!("the dataset's label is {:?}, not {label:?}", labels.field)));
    }
    let mut params: Params = serde_json::from_str(asking.params.unwrap_or("{}"))
        .map_err(|e| Error::usage(format!("--params are not those of train: {e}")))?;
    if params.privacy.is_none() && asking.max_epsilon_micro > 0 {
        let epsilon_micro = asking.max_epsilon_micro.min(budget::LIFETIME_MICRO);
        params.privacy = Some(Privacy { epsilon_micro, clip: CLIP, evaluation_noise: None });
    }
    check(&params, manifest.records, asking.max_epsilon_micro)?;
    let wanted = Wanted { label: label.to_owned(), params };
    let params = serde_json::to_value(wanted).map_err(|e| Error::failure(e.to_string()))?;
    Ok(Asked { model: model.digest, params })
}

/// That the parameters are within the template's bounds and the license's.
fn check(params: &Params, records: u64, max_epsilon_micro: u64) -> Result<()> {
    params.check()?;
    params.steps(records)?;
    match &params.privacy {
        Some(privacy) if privacy.epsilon_micro > max_epsilon_micro => Err(Error::refused(format!(
            "the license lets a run spend {} of the privacy budget, and {} were asked for",
            budget::shown(max_epsilon_micro),
            budget::shown(privacy.epsilon_micro)
        ))),
        None if max_epsilon_micro > 0 => {
            Err(Error::refused("the license asks for differential privacy, and the request has none"))
        }
        Some(privacy) => Ok(Mechanism::within(params, privacy, records).map(drop)?),
        None => Ok(()),
    }
}

/// The request, checked against the dataset and the license.
fn wanted(work: &Work) -> Result<(Params, &Labels)> {
    let wanted: Wanted = serde_json::from_value(work.spec.params.clone())
        .map_err(|e| Error::refused(format!("the request's parameters are not those of train: {e}")))?;
    check(&wanted.params, work.count, work.max_epsilon_micro)?;
    match &work.dataset.labels {
        Some(labels) if labels.field == wanted.label => Ok((wanted.params, labels)),
        _ => Err(Error::refused("the request asks for a label that the dataset does not declare")),
    }
}

pub(super) fn leaves(home: &Home, work: &Work) -> Result<Vec<String>> {
    let (params, labels) = wanted(work)?;
    let shape = shape(&model::find(&work.spec.model)?, &params, labels);
    let budget = match &params.privacy {
        Some(privacy) => {
            let budget = begun::budget(home, work, &params)?;
            budget.allows(privacy.epsilon_micro)?;
            Some((privacy.epsilon_micro, budget.left_micro()))
        }
        None => None,
    };
    gate::least(work.count, work.min_records)?;
    Ok(gate::preview_training(&params, &shape, labels, work.count, budget))
}

pub(super) fn out(home: &Home, work: &Work) -> Result<Out> {
    let (params, labels) = wanted(work)?;
    let shape = shape(&model::find(&work.spec.model)?, &params, labels);
    let budget = match &params.privacy {
        Some(privacy) => {
            let left = begun::budget(home, work, &params)?.left_micro();
            Some((privacy.epsilon_micro, left.saturating_sub(privacy.epsilon_micro)))
        }
        None => None,
    };
    Ok(Out {
        kind: "the weights of one classifier, and its metrics",
        rows: 1,
        bytes: gate::training_bytes(&shape, work.count),
        worst: match budget {
            Some(_) => "Whoever gets the weights can learn of one record no more than the privacy budget lets through.",
            None => {
                "Whoever gets the weights can test whether a text was among the records, and draw parts of some texts out of them."
            }
        },
        budget,
    })
}

fn shape(model: &Known, params: &Params, labels: &Labels) -> Shape {
    Shape::new(params, model.layers as usize, model.dimension as usize, labels.classes.len())
}

pub(super) fn compute(home: &mut Home, work: &Work, opened: &Opened, device: DeviceChoice) -> Result<Made> {
    let (params, labels) = wanted(work)?;
    gate::least(work.count, work.min_records)?;
    let model = model::find(&work.spec.model)?;
    let shape = shape(&model, &params, labels);
    let begun = match Begun::find(home, work, &params)? {
        Some(begun) => begun,
        None => Begun::begin(home, work, &params)?,
    };
    let ordered = Ordered { work, model: &model, params: &params, labels, shape: &shape, begun: &begun };
    let (mut trained, place) = ordered.train(home, opened, device)?;
    gate::pass_training(&mut trained, &shape, &params, &labels.classes, work.count)?;

    let rows: Vec<&[u8]> = trained.rows.chunks_exact(ROW).collect();
    let salts = (0..rows.len()).map(|_| random::bytes()).collect::<Result<Vec<[u8; 32]>>>()?;
    let digests: Vec<[u8; 32]> =
        salts.iter().zip(&rows).map(|(salt, row)| zk::provenance::row_digest(salt, row)).collect();
    let kept = Kept { rows: ByteBuf::from(rows.concat()), salts: ByteBuf::from(salts.concat()) };
    home.keep(Kind::Uses, &work.job, &kept)?;
    let package = Trained {
        format: Trained::format(),
        model: model.public_name.clone(),
        device: gate::device(&place).to_owned(),
        layers: model.layers as u32,
        width: model.dimension as u32,
        adapters: trained.adapters,
        head: trained.head,
        metrics: trained.metrics,
        leaves: opened.tree.leaves().iter().flat_map(zk::field::to_bytes).collect(),
        row_digests: digests.concat(),
    };
    Ok(Made {
        package: package.to_bytes()?,
        output_root: embed::output_tree(&work.dataset, opened, &digests)?.root(),
        opening: digests.concat(),
        device: place.name,
        model: Some(model.public_name),
    })
}

/// What a worker is to train.
struct Ordered<'a> {
    work: &'a Work,
    model: &'a Known,
    params: &'a Params,
    labels: &'a Labels,
    shape: &'a Shape,
    begun: &'a Begun,
}

impl Ordered<'_> {
    /// Trains in a worker. What comes back is not yet through the gate.
    fn train(&self, home: &mut Home, opened: &Opened, device: DeviceChoice) -> Result<(TrainAnswer, Place)> {
        let Self { work, model, params, labels, shape, .. } = *self;
        let read = labels.without(&work.dataset.fields);
        let class = |record: &Record| labels.of(record).unwrap_or(u16::MAX).to_le_bytes();
        let text = |record: &Record| Row::new(record.readable(&read));
        let row = |record: &Record| [&class(record)[..], text(record).head().as_bytes()].concat();
        let row = |position: usize| opened.records.with(position, row);
        let kept = |position: usize, vector: &[u8]| {
            opened.records.with(position, |record| [&class(record)[..], vector].concat())
        };
        // Without adapters each record is embedded once, and its vector is all that is learned from.
        let vector = RowShape { dimension: model.dimension, dtype: Dtype::F32 };
        let width = if shape.has_adapters() { 0 } else { vector.width() as usize };
        let pass = |rows: &[u8], first: usize| match rows.len().checked_div(width) {
            Some(count) => gate::pass_rows(rows, first, count, vector),
            None => Ok(()),
        };
        let halfway = rows::handed_over(shape.checkpoint_bytes(work.count));
        let computed = rows::compute(
            home,
            &Order {
                job: &work.job,
                template: work.template.name(),
                model: Some(model),
                params: &self.order(halfway)?,
                rows_of: &serde_json::json!({ "long": "first@1", "max_tokens": params.max_tokens }),
                root: &work.dataset.root,
                count: opened.records.len(),
                row: &row,
                width,
                pass: &pass,
                kept: Some(&kept),
                end: gate::training_bytes(shape, work.count) as usize,
                halfway,
                device,
                what: "training",
            },
        )?;
        let answer: TrainAnswer = serde_ipld_dagcbor::from_slice(&computed.end)
            .map_err(|_| Error::integrity("the worker's answer is no training run"))?;
        Ok((answer, computed.device))
    }

    fn order(&self, halfway: usize) -> Result<serde_json::Value> {
        let order = TrainOrder {
            params: self.params.clone(),
            classes: self.labels.classes.clone(),
            secret: self.begun.secret()?,
            checkpoint: halfway as u64,
        };
        serde_json::to_value(order).map_err(|e| Error::failure(e.to_string()))
    }
}

pub(super) fn open(package: &[u8]) -> Result<Box<dyn Delivered>> {
    Ok(Box::new(Trained::from_bytes(package)?))
}
