//! The worker: jobs and importers run in a process of their own that holds no key and is shut in before it gets any input.
//!
//! A program starts itself again as its worker ([`enter`]), with an empty environment and two pipes. The worker opens what
//! it needs and warms up, then gives up its rights ([`cage`]), tries whether they are really gone ([`probe`]), and says so;
//! only then does the other side ([`outside`]) hand it input. Messages are in [`wire`]: bounded in length, and read in one
//! spelling only. What comes out of a worker is believed by nobody: it passes `crate::gate` before it leaves.

pub mod cage;
pub mod encoder;
mod filter;
pub mod import;
mod inside;
mod limits;
pub mod outside;
pub mod probe;
pub mod setting;
pub(crate) mod task;
pub mod wire;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::error::{Error, Result};

pub use cage::Layer;
pub use limits::{Limits, machine_memory};
pub use outside::Worker;

/// The first argument of a process that is to be a worker.
pub const WORD: &str = "--as-worker";

/// How long an answer may take where nothing else was said: a batch of long rows on a slow device.
const PATIENCE: Duration = Duration::from_secs(1800);

/// How this process starts workers.
#[derive(Debug, Clone)]
pub struct Manner {
    /// The program that knows how to be a worker.
    pub program: PathBuf,
    /// How long one answer may take.
    pub patience: Duration,
    /// Layers left out on purpose: for trying out what happens then.
    pub without: Vec<Layer>,
    /// Bytes of memory that a job gets; none for what [`Limits::job`] says. For trying out what happens with little.
    pub memory: Option<u64>,
}

impl Manner {
    /// Workers of this program, with everything that shuts them in.
    pub fn of(program: &Path) -> Self {
        Manner { program: program.to_owned(), patience: PATIENCE, without: Vec::new(), memory: None }
    }
}

static MANNER: Mutex<Option<Manner>> = Mutex::new(None);

/// The first thing a program does: where it was started as a worker it becomes one, and ends with this code. Otherwise it
/// is remembered as the program that can be started as a worker: it itself, even after its file was replaced.
pub fn enter() -> Option<ExitCode> {
    if std::env::args_os().nth(1).as_deref() == Some(OsStr::new(WORD)) {
        return Some(inside::main());
    }
    set_manner(Manner::of(Path::new("/proc/self/exe")));
    None
}

/// Says how workers are started from now on: for processes that cannot be a worker themselves.
pub fn set_manner(manner: Manner) {
    *MANNER.lock().unwrap_or_else(PoisonError::into_inner) = Some(manner);
}

/// How this process starts workers.
///
/// # Errors
/// `Failure` where no program was named.
pub fn manner() -> Result<Manner> {
    let manner = MANNER.lock().unwrap_or_else(PoisonError::into_inner).clone();
    manner.ok_or_else(|| Error::failure("no program was named that can be a worker"))
}
