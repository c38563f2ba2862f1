//! The confinement of a worker, in two steps. [`enter`] comes first of all, before any thread and any library: no way to
//! the network, to other processes and to files besides the system's and the model's. [`shut`] comes once everything is
//! open and warm, and takes the rest: from then on nothing can be opened at all.
//!
//! Each layer says whether it holds, after it was tried ([`super::probe`]), and why not otherwise. Whether that is enough is for the
//! owner's process to decide.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use landlock::{
    ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, PathBeneath, PathFd, Ruleset, RulesetAttr,
    RulesetCreatedAttr, Scope,
};
use nix::sched::{CloneFlags, unshare};
use serde::{Deserialize, Serialize};

use super::{Limits, filter, probe};
use crate::error::{Error, Result};

/// What every program reads in order to run: loader, libraries, drivers, what the processor can do.
const SYSTEM: [&str; 9] =
    ["/usr", "/lib", "/lib64", "/etc", "/sys", "/proc/self", "/proc/cpuinfo", "/proc/meminfo", "/proc/driver"];
/// Devices that a driver opens for reading and writing; nothing here keeps what is written to it.
const DEVICES: [&str; 8] = [
    "/dev/dri",
    "/dev/nvidia0",
    "/dev/nvidiactl",
    "/dev/nvidia-uvm",
    "/dev/nvidia-modeset",
    "/dev/null",
    "/dev/zero",
    "/dev/urandom",
];

/// One of the things that shut a worker in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Layer {
    /// A user and a network namespace of its own, with nothing in them. Not every system has them.
    Namespaces,
    /// No capability, no way to gain one, no inherited descriptor, no environment, no debugger.
    Privileges,
    /// Landlock: no file but the system's and the model's to read, none to write.
    Landlock,
    /// A filter of system calls: nothing can be opened, started or connected.
    Seccomp,
    /// Limits of memory, processor time, file size and processes.
    Limits,
}

impl Layer {
    /// All of them, in the order in which they are put on.
    pub const ALL: [Layer; 5] = [Self::Namespaces, Self::Privileges, Self::Landlock, Self::Seccomp, Self::Limits];

    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Privileges => "privileges",
            Self::Namespaces => "namespaces",
            Self::Landlock => "landlock",
            Self::Seccomp => "seccomp",
            Self::Limits => "limits",
        }
    }
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl FromStr for Layer {
    type Err = Error;

    fn from_str(word: &str) -> Result<Self> {
        Layer::ALL.into_iter().find(|layer| layer.word() == word).ok_or_else(|| {
            Error::usage(format!("{word:?} is no layer of confinement"))
                .hint("They are: privileges, namespaces, landlock, seccomp, limits.")
        })
    }
}

/// How one layer stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Held {
    /// The layer.
    pub layer: Layer,
    /// How many attempts to get around it were made, and failed.
    pub denied: u32,
    /// Why it does not hold; nothing where it does.
    pub problem: Option<String>,
}

/// A confinement that is being put on.
pub(super) struct Cage {
    without: Vec<Layer>,
    held: Vec<Held>,
}

impl Cage {
    /// The first step: the process has one thread, and has read nothing but which files it may read.
    pub fn enter(readable: &[PathBuf], without: &[Layer]) -> Self {
        let mut cage = Cage { without: without.to_vec(), held: Vec::new() };
        cage.put(Layer::Namespaces, own_namespaces, probe::namespaces);
        cage.put(Layer::Privileges, give_up_privileges, probe::privileges);
        cage.put(Layer::Landlock, || restrict(&read_only(readable)), probe::landlock);
        cage
    }

    /// The second step, for all threads: nothing more is opened. Returns how every layer stands.
    pub fn shut(mut self, limits: &Limits) -> Vec<Held> {
        let own = self.held.iter().any(|held| held.layer == Layer::Namespaces && held.problem.is_none());
        self.put(Layer::Limits, || limits.apply(own), || probe::limits(limits));
        if self.held.iter().any(|held| held.layer == Layer::Landlock && held.problem.is_none()) {
            // Threads that run already keep what the first step left them; the filter below stops these as well.
            self.again(Layer::Landlock, || restrict(&[]));
        }
        self.put(Layer::Seccomp, filtered, probe::seccomp);
        self.held
    }

    fn put(&mut self, layer: Layer, apply: impl FnOnce() -> Result<()>, probe: impl FnOnce() -> Result<u32>) {
        let tried = match self.without.contains(&layer) {
            true => Err(Error::failure("left out on purpose")),
            false => apply().and_then(|()| probe()),
        };
        let (denied, problem) = match tried {
            Ok(denied) => (denied, None),
            Err(error) => (0, Some(error.message)),
        };
        self.held.push(Held { layer, denied, problem });
    }

    fn again(&mut self, layer: Layer, apply: impl FnOnce() -> Result<()>) {
        if let (Err(error), Some(held)) = (apply(), self.held.iter_mut().find(|held| held.layer == layer)) {
            held.problem = Some(error.message);
        }
    }
}

/// Closes whatever was open when the process began, besides its pipes.
fn close_inherited() -> Result<()> {
    let open: Vec<i32> = std::fs::read_dir("/proc/self/fd")?
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|descriptor| *descriptor > 2)
        .collect();
    // The listing's own descriptor is among them and is closed by now.
    for descriptor in open {
        let _ = nix::unistd::close(descriptor);
    }
    Ok(())
}

/// Capabilities too: an administrator's, and those that an own user namespace gives.
fn give_up_privileges() -> Result<()> {
    use caps::CapSet::{Ambient, Effective, Inheritable, Permitted};
    let failed = |what: &str, why: &dyn fmt::Display| Error::failure(format!("{what}: {why}"));
    close_inherited()?;
    nix::sys::prctl::set_no_new_privs().map_err(|e| failed("no_new_privs", &e))?;
    nix::sys::prctl::set_dumpable(false).map_err(|e| failed("not dumpable", &e))?;
    for set in [Ambient, Effective, Inheritable, Permitted] {
        caps::clear(None, set).map_err(|e| failed("capabilities could not be dropped", &e))?;
    }
    Ok(())
}

/// A user namespace makes the others possible without being an administrator.
fn own_namespaces() -> Result<()> {
    let all =
        CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWIPC | CloneFlags::CLONE_NEWUTS;
    unshare(all).map_err(|error| Error::failure(format!("this system gives no user namespace: {error}")))
}

fn filtered() -> Result<()> {
    for program in filter::programs()? {
        seccompiler::apply_filter_all_threads(&program)
            .map_err(|e| Error::failure(format!("the filter of system calls could not be put on: {e}")))?;
    }
    Ok(())
}

type Rule<'a> = (&'a Path, landlock::BitFlags<AccessFs>);

fn read_only(readable: &[PathBuf]) -> Vec<Rule<'_>> {
    let read = AccessFs::from_read(ABI::V5);
    let device = AccessFs::ReadFile | AccessFs::WriteFile | AccessFs::ReadDir | AccessFs::IoctlDev;
    let system = SYSTEM.iter().map(|path| (Path::new(*path), read));
    let devices = DEVICES.iter().map(|path| (Path::new(*path), device));
    let named = readable.iter().map(|path| (path.as_path(), AccessFs::ReadFile | AccessFs::ReadDir));
    system.chain(devices).chain(named).collect()
}

/// Landlock with these rules and nothing else. Files are confined or it is an error; network, signals and devices as far
/// as this kernel can.
fn restrict(rules: &[Rule<'_>]) -> Result<()> {
    let apply = || -> std::result::Result<_, landlock::RulesetError> {
        let mut set = Ruleset::default()
            .set_compatibility(CompatLevel::HardRequirement)
            .handle_access(AccessFs::from_all(ABI::V2))?
            .set_compatibility(CompatLevel::BestEffort)
            .handle_access(AccessFs::from_all(ABI::V5))?
            .handle_access(AccessNet::from_all(ABI::V5))?
            .scope(Scope::from_all(ABI::V6))?
            .create()?;
        for (path, access) in rules {
            if let Ok(found) = PathFd::new(path) {
                let access = if path.is_dir() { *access } else { *access & AccessFs::from_file(ABI::V5) };
                set = set.add_rule(PathBeneath::new(found, access))?;
            }
        }
        set.restrict_self()
    };
    match apply() {
        Ok(status) if status.ruleset != landlock::RulesetStatus::NotEnforced => Ok(()),
        Ok(_) => Err(Error::failure("the kernel has no Landlock")),
        Err(error) => Err(Error::failure(format!("Landlock: {error}"))),
    }
}
