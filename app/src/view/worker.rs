//! Workers and the devices that they compute on.

use std::fmt::{self, Display, Formatter};

use serde::Serialize;

use super::table;

/// `worker status`, `worker allow`, `worker require`
#[derive(Serialize)]
pub struct Worker {
    /// Whether every layer holds.
    pub confined: bool,
    /// What shuts a worker in.
    pub layers: Vec<WorkerLayer>,
}

/// One layer of a worker's confinement.
#[derive(Serialize)]
pub struct WorkerLayer {
    /// `namespaces`, `privileges`, `landlock`, `limits` or `seccomp`.
    pub layer: String,
    /// Whether it holds.
    pub holds: bool,
    /// How many ways around it the worker tried in vain.
    pub tried: u32,
    /// Why it does not hold.
    pub problem: Option<String>,
    /// Whether a worker without it gets no input.
    pub required: bool,
}

impl Display for Worker {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let rows = self.layers.iter().map(|layer| {
            let stands = layer.problem.clone().unwrap_or_else(|| format!("holds; {} ways out tried", layer.tried));
            vec![layer.layer.clone(), stands, if layer.required { "yes" } else { "no" }.to_owned()]
        });
        table(f, &["layer", "stands", "required"], rows)?;
        writeln!(f, "{}", if self.confined { "workers are fully confined" } else { "workers are not fully confined" })
    }
}
