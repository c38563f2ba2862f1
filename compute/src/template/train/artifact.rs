//! What leaves a training run: the adapters and the head as safetensors, in one accepted way, and the metrics record.

use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use serde::{Deserialize, Serialize};

use super::accountant::Mechanism;
use super::head::Head;
use super::lora::Lora;
use super::params::Params;
use super::state::Fits;
use crate::{Error, Result};

/// Digits after the point in a measured number that leaves.
const DECIMALS: f64 = 1e4;

/// What the files of a run must look like: known before the run from its parameters, the model and the list of classes.
#[derive(Debug, Clone, PartialEq)]
pub struct Shape {
    lora: Option<Lora>,
    head: Head,
}

/// The metrics record. Every field is declared here, and nothing else leaves.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Metrics {
    /// What was asked for.
    pub params: Params,
    /// The classes by number, as the dataset's manifest lists them.
    pub classes: Vec<String>,
    /// Records in the dataset.
    pub records: u64,
    /// Steps taken.
    pub steps: u64,
    /// Without privacy: how the model did, exactly.
    pub evaluation: Option<Evaluation>,
    /// With privacy: what was spent, and what else was released.
    pub privacy: Option<Spent>,
}

/// How the model did on all records and on the part that was held back, rounded to four digits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evaluation {
    /// Records that were held back from training.
    pub held_back: u64,
    /// Mean loss of the records trained on, before the first step and after the last.
    pub loss: [f64; 2],
    /// The same of those held back.
    pub held_back_loss: [f64; 2],
    /// Share of the records held back that the model classifies rightly.
    pub held_back_accuracy: f64,
}

/// What a run with privacy spent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spent {
    /// The epsilon of everything that leaves, at `delta`.
    pub epsilon: f64,
    /// The probability with which the guarantee may fail.
    pub delta: f64,
    /// The probability with which a record takes part in a step.
    pub sampling_rate: f64,
    /// The noise on a step's sum of gradients, as a multiple of the clipping norm.
    pub noise_multiplier: f64,
    /// How many of the records held back were right and wrong, with the noise asked for; may be negative.
    pub counts: Option<[f64; 2]>,
}

impl Spent {
    /// What `mechanism` spends, with the noised `counts`.
    pub(super) fn new(mechanism: &Mechanism, delta: f64, counts: Option<[f64; 2]>) -> Self {
        Self {
            epsilon: mechanism.epsilon(delta),
            delta,
            sampling_rate: mechanism.sampling_rate,
            noise_multiplier: mechanism.noise_multiplier,
            counts,
        }
    }
}

/// `value` with four digits after the point.
pub(super) fn rounded(value: f64) -> f64 {
    (value * DECIMALS).round() / DECIMALS
}

impl Metrics {
    /// Checks that every number is finite and that what leaves is what the parameters declare.
    ///
    /// # Errors
    /// [`Error::Output`] says what differs.
    pub fn check(&self, params: &Params, classes: &[String], records: u64) -> Result<()> {
        if self.params != *params || self.classes != classes || self.records != records {
            return Err(refused("the metrics are of another run".to_owned()));
        }
        let evaluation = self.evaluation.iter().flat_map(|found| {
            [found.loss, found.held_back_loss].concat().into_iter().chain([found.held_back_accuracy])
        });
        let spent = self.privacy.iter().flat_map(|spent| {
            let numbers = [spent.epsilon, spent.delta, spent.sampling_rate, spent.noise_multiplier];
            numbers.into_iter().chain(spent.counts.into_iter().flatten())
        });
        if !evaluation.chain(spent).all(f64::is_finite) {
            return Err(refused("a metric is not a finite number".to_owned()));
        }
        let counts = self.privacy.as_ref().is_some_and(|spent| spent.counts.is_some());
        let asked = params.privacy.as_ref().is_some_and(|privacy| privacy.evaluation_noise.is_some());
        if self.privacy.is_some() != params.privacy.is_some()
            || self.evaluation.is_some() != params.privacy.is_none()
            || counts != asked
        {
            return Err(refused("the metrics hold something else than was declared".to_owned()));
        }
        Ok(())
    }
}

impl Shape {
    /// The shape of a run of `params` on an encoder of `layers` layers and `width` values, for `classes` classes.
    pub fn new(params: &Params, layers: usize, width: usize, classes: usize) -> Self {
        let lora = params.adapters.as_ref().map(|adapters| Lora::new(adapters, layers, width));
        Self { lora, head: Head { classes, width } }
    }

    /// Numbers that leave: those of the adapters and of the head.
    pub fn numbers(&self) -> u64 {
        (self.lora.as_ref().map_or(0, Lora::len) + self.head.len()) as u64
    }

    /// Bytes of a checkpoint of such a run over so many records, at most.
    pub fn checkpoint_bytes(&self, records: u64) -> u64 {
        Fits::bytes(self.numbers(), records)
    }

    /// Whether there are adapters.
    pub fn has_adapters(&self) -> bool {
        self.lora.is_some()
    }

    /// Writes flat weights, adapters first, as the files of adapters and head.
    pub(super) fn write(&self, weights: &[f32]) -> Result<(Option<Vec<u8>>, Vec<u8>)> {
        let (adapters, head) = weights.split_at(weights.len() - self.head.len());
        let file = self.lora.as_ref().map(|lora| write(&self.adapters(lora), adapters)).transpose()?;
        Ok((file, write(&self.classifier(), head)?))
    }

    /// Checks the file of adapters: the declared matrices, finite numbers, and nothing else.
    ///
    /// # Errors
    /// [`Error::Output`] says what differs.
    pub fn check_adapters(&self, file: Option<&[u8]>) -> Result<()> {
        match (&self.lora, file) {
            (Some(lora), Some(file)) => check(&self.adapters(lora), file),
            (None, None) => Ok(()),
            (Some(_), None) => Err(refused("the adapters are missing".to_owned())),
            (None, Some(_)) => Err(refused("there are adapters that were not declared".to_owned())),
        }
    }

    /// Checks the file of the head likewise.
    ///
    /// # Errors
    /// [`Error::Output`] says what differs.
    pub fn check_head(&self, file: &[u8]) -> Result<()> {
        check(&self.classifier(), file)
    }

    fn adapters(&self, lora: &Lora) -> Vec<(String, Vec<usize>)> {
        lora.named().map(|named| (named.name, named.shape.to_vec())).collect()
    }

    fn classifier(&self) -> Vec<(String, Vec<usize>)> {
        let Head { classes, width } = self.head;
        vec![("weight".to_owned(), vec![classes, width]), ("bias".to_owned(), vec![classes])]
    }
}

/// Tensors of these names and shapes over flat `values`.
fn write(tensors: &[(String, Vec<usize>)], values: &[f32]) -> Result<Vec<u8>> {
    if !values.iter().all(|value| value.is_finite()) {
        return Err(refused("a trained weight is not a finite number".to_owned()));
    }
    let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    let mut rest = bytes.as_slice();
    let mut views = Vec::with_capacity(tensors.len());
    for (name, shape) in tensors {
        let Some((own, behind)) = rest.split_at_checked(4 * shape.iter().product::<usize>()) else {
            return Err(refused("there are fewer weights than their shapes say".to_owned()));
        };
        rest = behind;
        views.push((name.clone(), view(shape, own)?));
    }
    file(views)
}

/// That `given` is what [`write`] gives for these names and shapes and some finite values.
fn check(tensors: &[(String, Vec<usize>)], given: &[u8]) -> Result<()> {
    let parsed = SafeTensors::deserialize(given).map_err(|error| refused(format!("not safetensors: {error}")))?;
    if parsed.len() != tensors.len() {
        return Err(refused(format!("{} tensors; {} were declared", parsed.len(), tensors.len())));
    }
    let mut views = Vec::with_capacity(tensors.len());
    for (name, shape) in tensors {
        let tensor = parsed.tensor(name).map_err(|_| refused(format!("the tensor {name} is missing")))?;
        if tensor.dtype() != Dtype::F32 || tensor.shape() != shape {
            return Err(refused(format!("{name} is {:?} {:?}, not F32 {shape:?}", tensor.dtype(), tensor.shape())));
        }
        if !tensor.data().as_chunks::<4>().0.iter().all(|value| f32::from_le_bytes(*value).is_finite()) {
            return Err(refused(format!("{name} holds a value that is not a finite number")));
        }
        views.push((name.clone(), view(shape, tensor.data())?));
    }
    if file(views)? != given {
        return Err(refused("the file is not written in the one accepted way".to_owned()));
    }
    Ok(())
}

fn view<'a>(shape: &[usize], bytes: &'a [u8]) -> Result<TensorView<'a>> {
    TensorView::new(Dtype::F32, shape.to_vec(), bytes).map_err(|error| refused(error.to_string()))
}

fn file(views: Vec<(String, TensorView<'_>)>) -> Result<Vec<u8>> {
    let note = [("format".to_owned(), "pt".to_owned())].into();
    safetensors::serialize(views, Some(note)).map_err(|error| refused(error.to_string()))
}

fn refused(reason: String) -> Error {
    Error::Output { reason }
}
