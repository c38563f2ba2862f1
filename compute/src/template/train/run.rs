//! One run from beginning to end: embed or load, hold back, step, measure.

use super::accountant::{DELTA, Mechanism};
use super::artifact::{Evaluation, Metrics, Shape, Spent, rounded};
use super::descent::{AdamW, clip, dot, norm};
use super::encode::{Burned, Encode, Frozen, Slices};
use super::head::{Head, Judged};
use super::lora::Lora;
use super::params::{Adapters, Params, Target};
use super::random::Random;
use super::split::{Draw, Split, tenth};
use super::{Data, Trained, Use};
use crate::model::{Encoder, MAX_TOKENS, Tokens, Tuned};
use crate::template::{Continue, embed};
use crate::{Device, Error, Kind, Model, Result, Row};

/// Records held back whose gradient the others' are compared with, at most: a sample of them is as good, and bounds time.
const COMPARED: usize = 64;

/// A model on a device, ready to be trained on: nothing is read from its folder any more.
pub struct Loaded(Form);

/// An encoder in the form that suits its device.
enum Form {
    /// Our own products.
    Cpu(Box<Tuned>),
    /// Tensors and kernels of the tensor stack.
    Gpu(Box<Encoder>),
}

impl Loaded {
    fn encode<'a>(
        &'a self,
        model: &'a Model,
        device: &'a Device,
        lora: &Lora,
        tokens: &'a [Tokens],
    ) -> Result<Box<dyn Encode + 'a>> {
        Ok(match &self.0 {
            Form::Cpu(tuned) => Box::new(Slices::new(tuned, model, device, lora.clone(), tokens)?),
            Form::Gpu(encoder) => Box::new(Burned::new(encoder, model, device, lora.clone(), tokens)),
        })
    }
}

/// Puts `model` on `device` for training, and takes one small step there, so that its libraries have what they want.
///
/// # Errors
/// [`Error::ModelFile`] where the files changed since they were opened; [`Error::Device`]; [`Error::Memory`].
pub fn load(model: &Model, device: &Device) -> Result<Loaded> {
    let loaded = Loaded(match device.kind() {
        Kind::Cpu => Form::Cpu(Box::new(model.tuned()?)),
        Kind::Gpu => Form::Gpu(Box::new(Burned::load(model, device)?)),
    });
    let params = Adapters { rank: 1, alpha: 1.0, targets: vec![Target::Query, Target::Key, Target::Value] };
    let lora = Lora::new(&params, model.layers(), model.dimension());
    let tokens = model.tokenizer(MAX_TOKENS)?.encode(&[Row::new("warm"), Row::new("")])?;
    let weights = lora.beginning(0);
    let mut pull = |_: usize, vector: &[f32]| Ok(vector.to_vec());
    loaded.encode(model, device, &lora, &tokens)?.gradients(&weights, &[0, 1], &mut pull, &mut |_, _| Ok(()))?;
    Ok(loaded)
}

/// Trains on `data` with `model` on `device`, where it was [`load`]ed. `secret` is 32 bytes that nobody else knows and that serve this run alone; they
/// matter with privacy only, and must be drawn after its spending was recorded. `progress` hears steps done and in all.
///
/// # Errors
/// [`Error::Parameter`], [`Error::Rows`] and [`Error::Labels`] before any work; [`Error::Stopped`] when `progress` says so;
/// [`Error::NotFinite`], [`Error::Diverged`], [`Error::Device`] and [`Error::Memory`] from the computation. On an error nothing
/// is returned.
pub fn run(
    model: &Model,
    device: &Device,
    loaded: &Loaded,
    params: &Params,
    data: Data<'_>,
    secret: &[u8; 32],
    progress: &mut dyn FnMut(u64, u64) -> Continue,
) -> Result<Trained> {
    params.check()?;
    data.check()?;
    let records = data.rows.len() as u64;
    let mechanism = params.privacy.as_ref().map(|privacy| Mechanism::within(params, privacy, records)).transpose()?;
    let steps = match &mechanism {
        Some(mechanism) => mechanism.steps,
        None => params.steps(records - tenth(records))?,
    };
    let lora = params.adapters.as_ref().map(|adapters| Lora::new(adapters, model.layers(), model.dimension()));
    let tokens: Vec<Tokens> = match lora {
        Some(_) => model.tokenizer(params.max_tokens as usize)?.encode(data.rows)?,
        None => Vec::new(),
    };
    let mut encode: Box<dyn Encode> = match &lora {
        Some(lora) => loaded.encode(model, device, lora, &tokens)?,
        None => Box::new(Frozen::new(embedded(model, device, params, data)?)),
    };
    let mut weights = lora.as_ref().map_or_else(Vec::new, |lora| lora.beginning(params.seed));
    let head = Head { classes: data.classes.len(), width: model.dimension() };
    let adapters = weights.len();
    weights.resize(adapters + head.len(), 0.0);
    let mut learner = Learner {
        encode: encode.as_mut(),
        data,
        head,
        adapters,
        weights,
        uses: vec![Use { steps: 0, before: 0.0, after: 0.0, contribution: 0.0 }; data.rows.len()],
    };
    let split = learner.train(params, mechanism.as_ref(), secret, steps, progress)?;
    let right = learner.measure()?;
    let shape = Shape::new(params, model.layers(), model.dimension(), data.classes.len());
    let (file, head) = shape.write(&learner.weights)?;
    let metrics = Metrics {
        params: params.clone(),
        classes: data.classes.to_vec(),
        records,
        steps,
        evaluation: mechanism.is_none().then(|| evaluation(&learner.uses, &right, &split)),
        privacy: mechanism.map(|mechanism| Spent::new(&mechanism, DELTA, counts(&mechanism, &right, &split, secret))),
    };
    Ok(Trained { adapters: file, head, metrics, uses: learner.uses })
}

/// Every record's vector by the `embed` template, of its first window: the rest of a long record is not learned from.
fn embedded(model: &Model, device: &Device, params: &Params, data: Data<'_>) -> Result<Vec<Vec<f32>>> {
    let params = embed::Params { max_tokens: params.max_tokens, long: embed::Long::First, ..embed::Params::default() };
    let output = embed::run(model, device, &params, data.rows, &mut |_, _| Continue::Yes)?;
    Ok((0..output.rows.len()).filter_map(|position| output.values(position)).collect())
}

/// The state of a run.
struct Learner<'a> {
    encode: &'a mut dyn Encode,
    data: Data<'a>,
    head: Head,
    /// How many of the weights are the adapters'; the head's follow.
    adapters: usize,
    weights: Vec<f32>,
    uses: Vec<Use>,
}

impl Learner<'_> {
    fn train(
        &mut self,
        params: &Params,
        mechanism: Option<&Mechanism>,
        secret: &[u8; 32],
        steps: u64,
        progress: &mut dyn FnMut(u64, u64) -> Continue,
    ) -> Result<Split> {
        let count = self.data.rows.len();
        let (split, mut order, mut draw) = match mechanism {
            None => {
                let draw = Draw::Shuffled { left: Vec::new(), batch: params.batch as usize };
                let split = Split::tenth(count, &mut Random::seeded(params.seed, "held back"));
                (split, Random::seeded(params.seed, "order"), draw)
            }
            // The consumer chose the seed: what privacy rests on must not follow from it.
            Some(mechanism) => {
                let split = Split::chance(count, &mut Random::secret(secret, "held back"));
                (split, Random::secret(secret, "sample"), Draw::Chance { rate: mechanism.sampling_rate })
            }
        };
        self.uses_before();
        let mut noise = Random::secret(secret, "noise");
        let mut adam = AdamW::new(self.weights.len(), params.weight_decay);
        let pass = steps.div_ceil(u64::from(params.epochs)).max(1);
        let mut direction = Vec::new();
        for step in 0..steps {
            if step % pass == 0 {
                direction = self.direction(&split.held_back, step)?;
            }
            let fall = 1.0 - step as f64 / steps as f64;
            let adapters = self.adapters;
            let rate = |at: usize| fall * if at < adapters { params.rate } else { params.head_rate };
            let chosen = draw.next(&split.learning, &mut order);
            // With privacy, the divisor says nothing about how many were drawn.
            let divisor = if mechanism.is_some() { f64::from(params.batch) } else { chosen.len() as f64 };
            let most = params.privacy.as_ref().map(|privacy| privacy.clip);
            let pull: Vec<f32> =
                direction.iter().enumerate().map(|(at, slope)| (rate(at) * f64::from(*slope)) as f32).collect();
            let mut sum = self.sum(&chosen, &pull, divisor, most, step)?;
            if let (Some(mechanism), Some(most)) = (mechanism, most) {
                let deviation = mechanism.noise_multiplier * most;
                sum.iter_mut().for_each(|value| *value += deviation * noise.normal());
            }
            let gradient: Vec<f32> = sum.iter().map(|value| (value / divisor) as f32).collect();
            adam.step(&mut self.weights, &gradient, rate);
            if !self.weights.iter().all(|weight| weight.is_finite()) {
                return Err(Error::Diverged { step });
            }
            if progress(step + 1, steps) == Continue::No && step + 1 < steps {
                return Err(Error::Stopped { done: step + 1, total: steps });
            }
        }
        Ok(split)
    }

    /// The loss before the first step: the head is zero, so that every class has the same share.
    fn uses_before(&mut self) {
        let loss = (self.head.classes as f32).ln();
        self.uses.iter_mut().for_each(|used| used.before = loss);
    }

    /// The sum of the chosen records' gradients, each clipped to `most` where there is such a bound;
    /// `direction` is what a gradient is compared with for the record's contribution.
    fn sum(
        &mut self,
        chosen: &[usize],
        direction: &[f32],
        divisor: f64,
        most: Option<f64>,
        step: u64,
    ) -> Result<Vec<f64>> {
        let mut sum = vec![0.0f64; self.weights.len()];
        let uses = &mut self.uses;
        let each = &mut |record: usize, gradient: &mut [f32]| {
            uses[record].steps += 1;
            uses[record].contribution += (dot(direction, gradient) / divisor) as f32;
            most.into_iter().for_each(|most| clip(gradient, most));
            sum.iter_mut().zip(gradient).for_each(|(sum, value)| *sum += f64::from(*value));
        };
        gradients(self.encode, self.head, self.adapters, &self.weights, self.data, chosen, step, each)?;
        Ok(sum)
    }

    /// The mean gradient of a part of the held-back records.
    fn direction(&mut self, held_back: &[usize], step: u64) -> Result<Vec<f32>> {
        let some = &held_back[..held_back.len().min(COMPARED)];
        let mut sum = vec![0.0f32; self.weights.len()];
        let each = &mut |_: usize, gradient: &mut [f32]| {
            sum.iter_mut().zip(gradient).for_each(|(sum, value)| *sum += *value / some.len() as f32);
        };
        gradients(self.encode, self.head, self.adapters, &self.weights, self.data, some, step, each)?;
        Ok(sum)
    }

    /// Every record's loss after the last step, and whether it is classified rightly.
    fn measure(&mut self) -> Result<Vec<bool>> {
        let (adapters, head) = self.weights.split_at(self.adapters);
        let all: Vec<usize> = (0..self.data.rows.len()).collect();
        let mut right = vec![false; all.len()];
        self.encode.vectors(adapters, &all, &mut |record, vector| {
            let judged = self.head.judge(head, vector, class(self.data, record));
            if !judged.loss.is_finite() {
                return Err(Error::NotFinite { row: record as u64 });
            }
            self.uses[record].after = judged.loss;
            right[record] = judged.right;
            Ok(())
        })?;
        Ok(right)
    }
}

/// Gives the whole gradient of each of `records` to `each`, head included.
#[allow(clippy::too_many_arguments)]
fn gradients(
    encode: &mut dyn Encode,
    head: Head,
    adapters: usize,
    weights: &[f32],
    data: Data<'_>,
    records: &[usize],
    step: u64,
    each: &mut dyn FnMut(usize, &mut [f32]),
) -> Result<()> {
    let (low, high) = weights.split_at(adapters);
    let heads = std::cell::RefCell::new(std::collections::HashMap::new());
    let mut pull = |record: usize, vector: &[f32]| {
        let mut own = vec![0.0; head.len()];
        let (Judged { loss, .. }, slope) = head.gradient(high, vector, class(data, record), &mut own);
        heads.borrow_mut().insert(record, own);
        if loss.is_finite() { Ok(slope) } else { Err(undefined(record, step)) }
    };
    let mut whole = vec![0.0f32; weights.len()];
    let mut take = |record: usize, gradient: &[f32]| {
        whole[..adapters].copy_from_slice(gradient);
        if let Some(own) = heads.borrow_mut().remove(&record) {
            whole[adapters..].copy_from_slice(&own);
        }
        if !norm(&whole).is_finite() {
            return Err(undefined(record, step));
        }
        each(record, &mut whole);
        Ok(())
    };
    encode.gradients(low, records, &mut pull, &mut take)
}

/// Before the first step it is not the rate's fault.
fn undefined(record: usize, step: u64) -> Error {
    if step == 0 { Error::NotFinite { row: record as u64 } } else { Error::Diverged { step } }
}

fn class(data: Data<'_>, record: usize) -> usize {
    data.labels[record].map_or(0, usize::from)
}

/// What leaves of an evaluation without privacy.
fn evaluation(uses: &[Use], right: &[bool], split: &Split) -> Evaluation {
    let mean = |records: &[usize], of: &dyn Fn(usize) -> f64| {
        rounded(records.iter().map(|&record| of(record)).sum::<f64>() / records.len().max(1) as f64)
    };
    let before = |record: usize| f64::from(uses[record].before);
    let after = |record: usize| f64::from(uses[record].after);
    Evaluation {
        held_back: split.held_back.len() as u64,
        loss: [mean(&split.learning, &before), mean(&split.learning, &after)],
        held_back_loss: [mean(&split.held_back, &before), mean(&split.held_back, &after)],
        held_back_accuracy: mean(&split.held_back, &|record| f64::from(u8::from(right[record]))),
    }
}

/// How many held-back records were right and wrong, noised: a record changes one of the two by one.
fn counts(mechanism: &Mechanism, right: &[bool], split: &Split, secret: &[u8; 32]) -> Option<[f64; 2]> {
    let deviation = mechanism.evaluation_noise?;
    let mut noise = Random::secret(secret, "evaluation");
    let right = split.held_back.iter().filter(|record| right[**record]).count();
    let exact = [right, split.held_back.len() - right];
    Some(exact.map(|count| rounded(count as f64 + deviation * noise.normal())))
}
