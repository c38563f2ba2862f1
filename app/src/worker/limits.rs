//! What a worker may use up: memory, processor time, the size of a file, processes.

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// Threads and processes that a worker may have in its own user namespace.
const MAX_THREADS: u64 = 512;
/// Least memory that a job gets: model, batches and the libraries around them.
const LEAST_MEMORY: u64 = 2 << 30;
/// Memory of an importer: connectors stream, and hold an archive inside an archive at most.
const IMPORT_MEMORY: u64 = 2 << 30;

/// What one worker may use up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Bytes of memory that it can write to.
    pub memory: u64,
    /// Seconds of processor time, over all its threads.
    pub cpu_seconds: u64,
}

impl Limits {
    /// Half of this machine's memory and `cpu_seconds` for a job.
    pub fn job(cpu_seconds: u64) -> Self {
        Limits { memory: (machine_memory() / 2).max(LEAST_MEMORY), cpu_seconds }
    }

    /// What an importer gets.
    pub fn import(cpu_seconds: u64) -> Self {
        Limits { memory: IMPORT_MEMORY, cpu_seconds }
    }

    /// Sets them for this process; they cannot be raised again.
    ///
    /// # Errors
    /// What the system refused, or does not show afterwards.
    pub(super) fn apply(&self, own_user_namespace: bool) -> Result<()> {
        // Files: nothing can be opened any more; what a driver keeps open is anonymous memory.
        let mut wanted = vec![
            (Resource::RLIMIT_DATA, self.memory),
            (Resource::RLIMIT_CPU, self.cpu_seconds),
            (Resource::RLIMIT_FSIZE, self.memory),
            (Resource::RLIMIT_CORE, 0),
            (Resource::RLIMIT_MEMLOCK, 1 << 26),
            (Resource::RLIMIT_MSGQUEUE, 0),
        ];
        // Elsewhere all processes of the user count, and a limit below them would stop our own threads.
        if own_user_namespace {
            wanted.push((Resource::RLIMIT_NPROC, MAX_THREADS));
        }
        for (resource, value) in wanted {
            let (_, hard) = getrlimit(resource).map_err(refused)?;
            let value = value.min(hard);
            setrlimit(resource, value, value).map_err(refused)?;
            if getrlimit(resource).map_err(refused)? != (value, value) {
                return Err(Error::failure("a limit was set and does not hold"));
            }
        }
        Ok(())
    }
}

fn refused(error: nix::errno::Errno) -> Error {
    Error::failure(format!("a limit could not be set: {error}"))
}

/// Bytes of memory of this machine; little where it does not say.
pub fn machine_memory() -> u64 {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:")).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse::<u64>().map_or(LEAST_MEMORY, |kib| kib * 1024)
}
