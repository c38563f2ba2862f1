//! One run from beginning to end: hold back, step, measure. It can be stopped after any step and gone on with.

use sha2::{Digest, Sha256};

use super::accountant::{DELTA, Mechanism};
use super::artifact::{Evaluation, Metrics, Shape, Spent, rounded};
use super::descent::{clip, dot, norm};
use super::encode::{Burned, Encode, Frozen, Slices};
use super::head::{Head, Judged};
use super::lora::Lora;
use super::params::{Adapters, Target};
use super::random::Random;
use super::records::Texts;
use super::split::{Draw, Split, tenth};
use super::state::{Fits, State};
use super::{Order, Trained, Use};
use crate::model::{Encoder, MAX_TOKENS, Tuned};
use crate::template::Continue;
use crate::{Device, Error, Kind, Model, Result, Row};

/// Records held back whose gradient the others' are compared with, at most: a sample of them is as good, and bounds time.
const COMPARED: usize = 64;

/// Records whose loss is measured at a time when the last step is done.
const MEASURED: usize = 128;

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
        texts: &'a Texts,
    ) -> Result<Box<dyn Encode + 'a>> {
        Ok(match &self.0 {
            Form::Cpu(tuned) => Box::new(Slices::new(tuned, model, device, lora.clone(), texts)?),
            Form::Gpu(encoder) => Box::new(Burned::new(encoder, model, device, lora.clone(), texts)),
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
    let mut texts = Texts::default();
    texts.add(&model.tokenizer(MAX_TOKENS)?.encode(&[Row::new("warm"), Row::new("")])?);
    let weights = lora.beginning(0);
    let mut pull = |_: usize, vector: &[f32]| Ok(vector.to_vec());
    loaded.encode(model, device, &lora, &texts)?.gradients(&weights, &[0, 1], &mut pull, &mut |_, _| Ok(()))?;
    Ok(loaded)
}

/// A run after one of its steps, or after it measured some records.
pub struct Halfway<'a> {
    state: &'a State,
    fits: &'a Fits,
}

impl Halfway<'_> {
    /// Steps done.
    pub fn steps(&self) -> u64 {
        self.state.step
    }

    /// Steps and batches of records measured that are done.
    pub fn done(&self) -> u64 {
        self.state.step + self.state.after.len().div_ceil(MEASURED) as u64
    }

    /// Steps and batches in all.
    pub fn total(&self) -> u64 {
        self.fits.steps + self.fits.records.div_ceil(MEASURED) as u64
    }

    /// A checkpoint: what another process needs to go on from here. It holds what was learned of the records so far.
    pub fn bytes(&self) -> Vec<u8> {
        self.state.write(self.fits)
    }
}

/// Hears how far a run is, and says whether it goes on.
pub type Watch<'a> = dyn FnMut(&Halfway<'_>) -> Continue + 'a;

/// Trains as `order` says, from its beginning or from the bytes of an earlier run's [`Halfway`], and then to the bit as that
/// run would have gone on on the same device. `watch` hears of each step.
///
/// # Errors
/// [`Error::Parameter`], [`Error::Rows`], [`Error::Labels`] and [`Error::Checkpoint`] before any work; [`Error::Stopped`] when
/// `watch` says so; [`Error::NotFinite`], [`Error::Diverged`], [`Error::Device`] and [`Error::Memory`] from the computation. On
/// an error nothing is returned.
pub fn run(order: &Order<'_>, from: Option<&[u8]>, watch: &mut Watch<'_>) -> Result<Trained> {
    let plan = Plan::new(order)?;
    let state = match from {
        Some(bytes) => plan.read(order, bytes)?,
        None => plan.beginning(order),
    };
    let encode: Box<dyn Encode> = match (&plan.lora, order.records.texts()) {
        (Some(lora), Some(texts)) => order.loaded.encode(order.model, order.device, lora, texts)?,
        _ => Box::new(Frozen::new(order.records.vectors())),
    };
    let mut learner = Learner { encode, order, plan: &plan, state, steps: vec![0; order.records.len()] };
    let split = learner.train(watch)?;
    learner.measure(watch)?;
    let Learner { state, steps, .. } = learner;
    let shape = Shape::new(order.params, order.model.layers(), order.model.dimension(), order.classes.len());
    let (file, head) = shape.write(&state.weights)?;
    let uses = uses(&state, &steps, plan.head);
    let spent =
        |mechanism: &Mechanism| Spent::new(mechanism, DELTA, counts(mechanism, &state.right, &split, order.secret));
    let metrics = Metrics {
        params: order.params.clone(),
        classes: order.classes.to_vec(),
        records: order.records.len() as u64,
        steps: plan.fits.steps,
        evaluation: plan.mechanism.is_none().then(|| evaluation(&uses, &state.right, &split)),
        privacy: plan.mechanism.as_ref().map(spent),
    };
    Ok(Trained { adapters: file, head, metrics, uses })
}

/// Checks that [`run`] would go on from a checkpoint; gives the steps that were done.
///
/// # Errors
/// [`Error::Checkpoint`] says what does not fit; those of [`run`] before any work.
pub fn check(order: &Order<'_>, checkpoint: &[u8]) -> Result<u64> {
    Ok(Plan::new(order)?.read(order, checkpoint)?.step)
}

/// What a run will do.
struct Plan {
    mechanism: Option<Mechanism>,
    lora: Option<Lora>,
    head: Head,
    /// How many of the weights are the adapters'; the head's follow.
    adapters: usize,
    fits: Fits,
}

impl Plan {
    fn new(order: &Order<'_>) -> Result<Self> {
        let Order { model, params, records, .. } = order;
        params.check()?;
        order.check()?;
        let count = records.len() as u64;
        let mechanism = params.privacy.as_ref().map(|privacy| Mechanism::within(params, privacy, count)).transpose()?;
        let steps = match &mechanism {
            Some(mechanism) => mechanism.steps,
            None => params.steps(count - tenth(count))?,
        };
        let lora = params.adapters.as_ref().map(|adapters| Lora::new(adapters, model.layers(), model.dimension()));
        if lora.is_some() != records.texts().is_some() {
            return Err(Error::Rows { reason: "the records were read for another kind of run".to_owned() });
        }
        let head = Head { classes: order.classes.len(), width: model.dimension() };
        let adapters = lora.as_ref().map_or(0, Lora::len);
        let fits = Fits {
            digest: digest(order),
            steps,
            numbers: adapters + head.len(),
            records: records.len(),
            batch: MEASURED,
        };
        Ok(Self { mechanism, lora, head, adapters, fits })
    }

    fn beginning(&self, order: &Order<'_>) -> State {
        let mut weights = self.lora.as_ref().map_or_else(Vec::new, |lora| lora.beginning(order.params.seed));
        weights.resize(self.fits.numbers, 0.0);
        State::new(weights, order.params.weight_decay, self.fits.records)
    }

    fn read(&self, order: &Order<'_>, checkpoint: &[u8]) -> Result<State> {
        State::read(checkpoint, &self.fits, order.params.weight_decay)
    }
}

/// Of all that a run follows from: program, model, device, parameters, classes, secret, and the records as they are read.
fn digest(order: &Order<'_>) -> [u8; 32] {
    let mut hash = Sha256::new();
    let said = format!("{:?} {:?} {}", order.params, order.classes, order.device.name());
    let version = concat!("usufruct training checkpoint 1 ", env!("CARGO_PKG_VERSION"));
    for part in [version.as_bytes(), &order.model.digest(), said.as_bytes(), order.secret] {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    order.records.digest(&mut hash);
    hash.finalize().into()
}

/// A run at work.
struct Learner<'a> {
    encode: Box<dyn Encode + 'a>,
    order: &'a Order<'a>,
    plan: &'a Plan,
    state: State,
    /// How many steps each record was in.
    steps: Vec<u32>,
}

impl Learner<'_> {
    fn train(&mut self, watch: &mut Watch<'_>) -> Result<Split> {
        let Order { params, records, secret, .. } = self.order;
        let count = records.len();
        let (split, mut random, mut draw) = match &self.plan.mechanism {
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
        for step in 0..self.plan.fits.steps {
            let chosen = draw.next(&split.learning, &mut random);
            chosen.iter().for_each(|&record| self.steps[record] += 1);
            // What an earlier run did is drawn again, and not done again.
            if step >= self.state.step {
                self.step(step, &chosen, &split.held_back)?;
                self.state.step = step + 1;
                self.tell(watch)?;
            }
        }
        Ok(split)
    }

    /// One step over the `chosen` records.
    fn step(&mut self, step: u64, chosen: &[usize], held_back: &[usize]) -> Result<()> {
        let (params, mechanism, steps) = (self.order.params, &self.plan.mechanism, self.plan.fits.steps);
        let pass = steps.div_ceil(u64::from(params.epochs)).max(1);
        if step % pass == 0 {
            self.state.direction = self.direction(held_back, step)?;
        }
        let fall = 1.0 - step as f64 / steps as f64;
        let adapters = self.plan.adapters;
        let rate = |at: usize| fall * if at < adapters { params.rate } else { params.head_rate };
        // With privacy, the divisor says nothing about how many were drawn.
        let divisor = if mechanism.is_some() { f64::from(params.batch) } else { chosen.len() as f64 };
        let most = params.privacy.as_ref().map(|privacy| privacy.clip);
        let pull: Vec<f32> =
            self.state.direction.iter().enumerate().map(|(at, slope)| (rate(at) * f64::from(*slope)) as f32).collect();
        let mut sum = self.sum(chosen, &pull, divisor, most, step)?;
        if let (Some(mechanism), Some(most)) = (mechanism, most) {
            // Of this step alone: a run that goes on from a checkpoint repeats the steps behind it with the same noise.
            let mut noise = Random::secret(self.order.secret, &format!("noise {step}"));
            let deviation = mechanism.noise_multiplier * most;
            sum.iter_mut().for_each(|value| *value += deviation * noise.normal());
        }
        let gradient: Vec<f32> = sum.iter().map(|value| (value / divisor) as f32).collect();
        self.state.adam.step(&mut self.state.weights, &gradient, rate);
        let finite = self.state.weights.iter().all(|weight| weight.is_finite());
        if finite { Ok(()) } else { Err(Error::Diverged { step }) }
    }

    fn tell(&mut self, watch: &mut Watch<'_>) -> Result<()> {
        let halfway = Halfway { state: &self.state, fits: &self.plan.fits };
        let (done, total) = (halfway.done(), halfway.total());
        match watch(&halfway) {
            Continue::No if done < total => Err(Error::Stopped { done, total }),
            _ => Ok(()),
        }
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
        let State { weights, contributions, .. } = &mut self.state;
        let mut sum = vec![0.0f64; weights.len()];
        let each = &mut |record: usize, gradient: &mut [f32]| {
            contributions[record] += (dot(direction, gradient) / divisor) as f32;
            most.into_iter().for_each(|most| clip(gradient, most));
            sum.iter_mut().zip(gradient).for_each(|(sum, value)| *sum += f64::from(*value));
        };
        gradients(self.encode.as_mut(), self.order, self.plan, weights, chosen, step, each)?;
        Ok(sum)
    }

    /// The mean gradient of a part of the held-back records.
    fn direction(&mut self, held_back: &[usize], step: u64) -> Result<Vec<f32>> {
        let some = &held_back[..held_back.len().min(COMPARED)];
        let mut sum = vec![0.0f32; self.state.weights.len()];
        let each = &mut |_: usize, gradient: &mut [f32]| {
            sum.iter_mut().zip(gradient).for_each(|(sum, value)| *sum += *value / some.len() as f32);
        };
        gradients(self.encode.as_mut(), self.order, self.plan, &self.state.weights, some, step, each)?;
        Ok(sum)
    }

    /// Every record's loss after the last step, and whether it is classified rightly.
    fn measure(&mut self, watch: &mut Watch<'_>) -> Result<()> {
        let count = self.order.records.len();
        while self.state.after.len() < count {
            let first = self.state.after.len();
            let batch: Vec<usize> = (first..count.min(first + MEASURED)).collect();
            let mut found = vec![Judged { loss: 0.0, right: false }; batch.len()];
            let (adapters, head) = self.state.weights.split_at(self.plan.adapters);
            self.encode.vectors(adapters, &batch, &mut |record, vector| {
                found[record - first] = self.plan.head.judge(head, vector, class(self.order, record));
                let finite = found[record - first].loss.is_finite();
                if finite { Ok(()) } else { Err(Error::NotFinite { row: record as u64 }) }
            })?;
            self.state.after.extend(found.iter().map(|judged| judged.loss));
            self.state.right.extend(found.iter().map(|judged| judged.right));
            self.tell(watch)?;
        }
        Ok(())
    }
}

/// Gives the whole gradient of each of `records` to `each`, head included.
fn gradients(
    encode: &mut dyn Encode,
    order: &Order<'_>,
    plan: &Plan,
    weights: &[f32],
    records: &[usize],
    step: u64,
    each: &mut dyn FnMut(usize, &mut [f32]),
) -> Result<()> {
    let (head, adapters) = (plan.head, plan.adapters);
    let (low, high) = weights.split_at(adapters);
    let heads = std::cell::RefCell::new(std::collections::HashMap::new());
    let mut pull = |record: usize, vector: &[f32]| {
        let mut own = vec![0.0; head.len()];
        let (Judged { loss, .. }, slope) = head.gradient(high, vector, class(order, record), &mut own);
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

fn class(order: &Order<'_>, record: usize) -> usize {
    order.records.labels()[record].map_or(0, usize::from)
}

/// What the run did with each record. Before the first step the head is zero, so that every class has the same share.
fn uses(state: &State, steps: &[u32], head: Head) -> Vec<Use> {
    let before = (head.classes as f32).ln();
    let each = steps.iter().zip(&state.after).zip(&state.contributions);
    each.map(|((&steps, &after), &contribution)| Use { steps, before, after, contribution }).collect()
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
