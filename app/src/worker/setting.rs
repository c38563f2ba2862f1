//! Which layers of confinement the owner does without: kept in the vault, and none by default.

use super::cage::Held;
use super::outside::Start;
use super::wire::{Work, plain};
use super::{Layer, Limits, Worker};
use crate::error::Result;
use crate::home::{Home, Kind};
use crate::view;

/// The name of the setting.
const SETTING: &str = "worker-without";

/// The layers that a worker of this vault need not have.
///
/// # Errors
/// `Integrity` where the setting cannot be read.
pub fn allowed(home: &Home) -> Result<Vec<Layer>> {
    Ok(home.find(Kind::Setting, SETTING)?.unwrap_or_default())
}

/// Starts a worker without input and says what shuts it in.
///
/// # Errors
/// Where it does not start.
pub fn status(home: &Home) -> Result<view::Worker> {
    let manner = super::manner()?;
    let required = allowed(home)?;
    let worker = Worker::start(Start {
        program: &manner.program,
        work: Work::Import,
        limits: Limits::import(60),
        allowed: &Layer::ALL,
        without: &manner.without,
        patience: manner.patience,
    })?;
    let layers: Vec<view::WorkerLayer> = worker.ready.layers.iter().map(|held| shown(held, &required)).collect();
    Ok(view::Worker { confined: layers.iter().all(|layer| layer.holds), layers })
}

fn shown(held: &Held, allowed: &[Layer]) -> view::WorkerLayer {
    view::WorkerLayer {
        layer: held.layer.word().to_owned(),
        holds: held.problem.is_none(),
        tried: held.denied,
        problem: held.problem.as_deref().map(plain),
        required: held.layer != Layer::Namespaces && !allowed.contains(&held.layer),
    }
}

/// From now on workers may lack `layer`, or must have it again.
///
/// # Errors
/// When the vault cannot be written.
pub fn set(home: &mut Home, layer: Layer, rule: Rule) -> Result<view::Worker> {
    let mut layers = allowed(home)?;
    layers.retain(|known| *known != layer);
    if rule == Rule::MayLack {
        layers.push(layer);
    }
    home.keep(Kind::Setting, SETTING, &layers)?;
    home.commit()?;
    status(home)
}

/// What the owner says about a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// Without it no worker gets input.
    MustHave,
    /// Workers without it get input too.
    MayLack,
}
