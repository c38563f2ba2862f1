//! Where a computation runs: a wgpu adapter (kernels in WGSL), or the CPU; and why that one.
//!
//! Adapters are looked for before anything is computed, and the very adapter that was found is the one that is used. What was
//! asked for, what is used and the reason for any difference are recorded and can be shown; a GPU that was asked for is
//! never replaced by the CPU.

mod adapter;

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::str::FromStr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use burn::tensor::{Device as Tensors, ExecutionError};
use serde::{Deserialize, Serialize};

pub use adapter::Adapter;
use adapter::{Started, describe, machine_memory, none, probe, start};

use crate::{Error, Result};

/// The name of the CPU device: our own encoder, see [`crate::model`].
const CPU_NAME: &str = "CPU";

/// The id of the CPU device; GPU devices count from 1.
const CPU_ID: u64 = 0;

/// The part of the memory that one batch may take: models, drivers and everything else need the rest.
const SHARE: u64 = 4;

/// Bytes of memory that are taken to be there where nobody says how many are.
const UNKNOWN_MEMORY: u64 = 1 << 30;

/// What the person asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Choice {
    /// A GPU where there is one, otherwise the CPU, with the reason said. A software adapter is no GPU here: it computes on
    /// the CPU, several times slower than the CPU path does.
    Auto,
    /// A wgpu adapter, a software one if there is no other; an error where there is none.
    Gpu,
    /// The CPU.
    Cpu,
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Auto => "auto",
            Self::Gpu => "gpu",
            Self::Cpu => "cpu",
        })
    }
}

impl FromStr for Choice {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "auto" => Ok(Self::Auto),
            "gpu" => Ok(Self::Gpu),
            "cpu" => Ok(Self::Cpu),
            _ => Err(Error::Parameter { name: "device", reason: "choose auto, gpu or cpu".to_owned() }),
        }
    }
}

/// What a computation really runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A wgpu adapter. [`Adapter::software`] tells whether it is hardware.
    Gpu,
    /// The CPU, without a graphics driver.
    Cpu,
}

/// An open device. Cloning it is cheap and names the same device.
#[derive(Debug, Clone)]
pub struct Device {
    tensors: Tensors,
    id: u64,
    asked: Choice,
    adapter: Option<Adapter>,
    reason: Option<String>,
    /// Bytes that a batch may take.
    room: u64,
}

impl Device {
    /// Opens the device that `choice` asks for. A GPU is opened once per process and shared.
    ///
    /// # Errors
    /// [`Error::NoAdapter`] when a GPU is asked for and none can be used; [`Choice::Auto`] takes the CPU then and keeps the
    /// reason.
    pub fn open(choice: Choice) -> Result<Self> {
        match choice {
            Choice::Cpu => Ok(Self::cpu(choice, None)),
            Choice::Gpu => Self::gpu(choice, None),
            Choice::Auto => Self::auto(),
        }
    }

    /// Opens the first adapter whose name is `name` or holds it, whatever the case of its letters.
    ///
    /// # Errors
    /// [`Error::NoAdapter`] when there is none, with the names there are.
    pub fn open_named(name: &str) -> Result<Self> {
        Self::gpu(Choice::Gpu, Some(name))
    }

    /// The place in [`Device::adapters`] of the adapter that [`Choice::Auto`] takes; none for the CPU. Where that adapter
    /// turns out not to start, the CPU is taken all the same.
    pub fn auto_takes(adapters: &[Adapter]) -> Option<usize> {
        adapters.first().filter(|adapter| !adapter.software).map(|_| 0)
    }

    /// Every adapter of this machine that can compute, hardware first.
    ///
    /// # Errors
    /// [`Error::NoAdapter`] when the graphics stack itself fails; a machine without adapters gives an empty list.
    pub fn adapters() -> Result<Vec<Adapter>> {
        Ok(probe()?.iter().map(describe).collect())
    }

    /// What was asked for.
    pub fn asked(&self) -> Choice {
        self.asked
    }

    /// What is used.
    pub fn kind(&self) -> Kind {
        if self.adapter.is_some() { Kind::Gpu } else { Kind::Cpu }
    }

    /// The adapter in use, none on the CPU.
    pub fn adapter(&self) -> Option<&Adapter> {
        self.adapter.as_ref()
    }

    /// Why the CPU is used although a GPU would have been taken, if that is so.
    pub fn fallback(&self) -> Option<&str> {
        self.reason.as_deref()
    }

    /// The name to show and to record, such as `wgpu (WGSL): llvmpipe (LLVM 15.0.6, 256 bits), software` or `CPU`.
    pub fn name(&self) -> String {
        match &self.adapter {
            Some(adapter) if adapter.software => format!("wgpu (WGSL): {}, software", adapter.name),
            Some(adapter) => format!("wgpu (WGSL): {}", adapter.name),
            None => CPU_NAME.to_owned(),
        }
    }

    /// The same device for a process that may use `memory` bytes: batches are made to fit.
    pub fn within(mut self, memory: u64) -> Self {
        self.room = self.room.min(memory / SHARE);
        self
    }

    /// Bytes that a batch may take: a quarter of the device's memory, or of what the process may use.
    pub(crate) fn room(&self) -> u64 {
        self.room
    }

    /// Bytes of the largest single buffer.
    pub(crate) fn largest_buffer(&self) -> u64 {
        self.adapter.as_ref().map_or(u64::MAX, |adapter| adapter.max_buffer)
    }

    /// The device's handle for tensors.
    pub(crate) fn tensors(&self) -> &Tensors {
        &self.tensors
    }

    /// A number that differs for every device opened in this process.
    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    /// Runs `work` on this device and turns its errors and panics into [`Error::Device`].
    ///
    /// A GPU whose work panicked or that was lost is given up: the next [`Device::open`] starts it anew.
    pub(crate) fn guard<T>(&self, work: impl FnOnce() -> std::result::Result<T, Failure>) -> Result<T> {
        match catch_unwind(AssertUnwindSafe(work)) {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(Failure::Ours(error))) => Err(error),
            Ok(Err(Failure::Stack(error))) => {
                match error {
                    ExecutionError::DevicePoisoned { .. } => self.give_up(),
                    _ => drop(catch_unwind(AssertUnwindSafe(|| self.tensors.memory_cleanup()))),
                }
                Err(self.failed(first_lines(&error.to_string())))
            }
            Ok(Err(Failure::Unread(reason))) => {
                self.give_up();
                Err(self.failed(first_lines(&reason)))
            }
            Err(panic) => {
                self.give_up();
                Err(self.failed(first_lines(panic_text(panic.as_ref()))))
            }
        }
    }

    fn auto() -> Result<Self> {
        let adapters = match Self::adapters() {
            Ok(adapters) => adapters,
            Err(error) => return Ok(Self::cpu(Choice::Auto, Some(error.to_string()))),
        };
        let reason = match adapters.first() {
            Some(adapter) if !adapter.software => match Self::gpu(Choice::Auto, None) {
                Ok(device) => return Ok(device),
                Err(error) => error.to_string(),
            },
            Some(adapter) => {
                format!(
                    "the only adapter is software ({}), slower than the CPU path; --device gpu uses it",
                    adapter.name
                )
            }
            None => "no GPU adapter was found".to_owned(),
        };
        Ok(Self::cpu(Choice::Auto, Some(reason)))
    }

    fn cpu(asked: Choice, reason: Option<String>) -> Self {
        let room = machine_memory().unwrap_or(UNKNOWN_MEMORY) / SHARE;
        Self { tensors: Tensors::flex(), id: CPU_ID, asked, adapter: None, reason, room }
    }

    fn gpu(asked: Choice, name: Option<&str>) -> Result<Self> {
        let mut shared = shared();
        let fits = |open: &Open| name.is_none_or(|name| open.started.adapter.is_called(name));
        if !shared.open.as_ref().is_some_and(fits) {
            let started = start(name)?;
            shared.opened += 1;
            shared.open = Some(Open { started, id: shared.opened });
        }
        match &shared.open {
            Some(Open { started, id }) => Ok(Self {
                tensors: started.tensors.clone(),
                id: *id,
                asked,
                adapter: Some(started.adapter.clone()),
                reason: None,
                room: started.adapter.memory.unwrap_or(UNKNOWN_MEMORY) / SHARE,
            }),
            None => Err(none("the adapter was given up".to_owned())),
        }
    }

    fn give_up(&self) {
        let mut shared = shared();
        if shared.open.as_ref().is_some_and(|open| open.id == self.id) {
            shared.open = None;
        }
    }

    fn failed(&self, reason: String) -> Error {
        Error::Device { device: self.name(), reason }
    }
}

/// Why guarded work did not give a value.
pub(crate) enum Failure {
    /// The tensor stack reported it.
    Stack(ExecutionError),
    /// A result could not be read back, which is how the loss of a device shows.
    Unread(String),
    /// This crate found it.
    Ours(Error),
}

impl From<ExecutionError> for Failure {
    fn from(error: ExecutionError) -> Self {
        Self::Stack(error)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Ours(error)
    }
}

/// The GPU that this process has open, if any, and how many it has opened.
#[derive(Default)]
struct Shared {
    open: Option<Open>,
    opened: u64,
}

struct Open {
    started: Started,
    id: u64,
}

fn shared() -> MutexGuard<'static, Shared> {
    static SHARED: Mutex<Shared> = Mutex::new(Shared { open: None, opened: CPU_ID });
    SHARED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A panic's message.
pub(crate) fn panic_text(panic: &(dyn std::any::Any + Send)) -> &str {
    match (panic.downcast_ref::<String>(), panic.downcast_ref::<&str>()) {
        (Some(text), _) => text,
        (None, Some(text)) => text,
        (None, None) => "it stopped without a message",
    }
}

/// The beginning of a long message on one line: stacks append backtraces and shader sources.
fn first_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).take(4).collect();
    lines.join(" ").chars().take(400).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn choice_reads_what_it_writes() {
        for choice in [Choice::Auto, Choice::Gpu, Choice::Cpu] {
            assert_eq!(choice.to_string().parse::<Choice>().unwrap(), choice);
        }
        assert!(matches!("cuda".parse::<Choice>(), Err(Error::Parameter { name: "device", .. })));
    }

    #[test]
    fn cpu_is_named_and_is_no_fallback_when_asked_for() {
        let device = Device::open(Choice::Cpu).unwrap();
        assert_eq!((device.name().as_str(), device.kind(), device.fallback()), (CPU_NAME, Kind::Cpu, None));
    }

    /// Runs the test `name` again in a process of its own: the GPU that it takes away is its own.
    fn alone(name: &str) -> bool {
        const CHILD: &str = "COMPUTE_TEST_ALONE";
        if std::env::var_os(CHILD).is_some() {
            return true;
        }
        let mut again = std::process::Command::new(std::env::current_exe().unwrap());
        let status = again.args(["--exact", name, "--nocapture"]).env(CHILD, "1").status().unwrap();
        assert!(status.success(), "{name} failed in a process of its own");
        false
    }

    #[test]
    fn lost_gpu_fails_the_work_and_the_next_work_has_a_new_one() {
        if !alone("device::tests::lost_gpu_fails_the_work_and_the_next_work_has_a_new_one") {
            return;
        }
        let (_folder, model, _) = crate::support::Tiny::new().ready();
        let open = || Device::open(Choice::Gpu).expect("no wgpu adapter; on Debian install mesa-vulkan-drivers");
        let embed = |device: &Device| crate::support::embed(&model, device, 2, &crate::support::rows(["a b", "c"]));
        let first = open();
        let before = embed(&first).unwrap();
        shared().open.as_ref().unwrap().started.raw.destroy();
        let failed = embed(&first).unwrap_err();
        assert!(matches!(failed, Error::Device { .. }), "{failed}");
        let second = open();
        assert_ne!(first.id(), second.id());
        assert_eq!(embed(&second).unwrap(), before);
    }

    #[test]
    fn gpu_out_of_memory_fails_the_work_and_the_next_work_goes_on() {
        if !alone("device::tests::gpu_out_of_memory_fails_the_work_and_the_next_work_goes_on") {
            return;
        }
        let (_folder, model, _) = crate::support::Tiny::new().ready();
        let open = || Device::open(Choice::Gpu).expect("no wgpu adapter; on Debian install mesa-vulkan-drivers");
        let device = open();
        let failed = device.guard(|| {
            let huge = burn::tensor::Tensor::<1>::zeros([1usize << 42], device.tensors()) + 1.0;
            huge.try_into_vec_as::<f32>().map_err(crate::model::read_failed)
        });
        assert!(matches!(failed, Err(Error::Device { .. })), "{failed:?}");
        crate::support::embed(&model, &open(), 2, &crate::support::rows(["a b", "c"])).unwrap();
    }

    #[test]
    fn panic_in_guarded_work_is_an_error_that_names_the_device() {
        let device = Device::open(Choice::Cpu).unwrap();
        let failed = device.guard::<()>(|| panic!("out of memory: 4 GiB")).unwrap_err();
        assert!(failed.to_string().contains("out of memory: 4 GiB") && failed.to_string().contains(CPU_NAME));
    }

    #[test]
    fn error_of_guarded_work_passes_unchanged() {
        let device = Device::open(Choice::Cpu).unwrap();
        let failed = device.guard::<()>(|| Err(Error::NotFinite { row: 7 }.into())).unwrap_err();
        assert!(matches!(failed, Error::NotFinite { row: 7 }));
    }
}
