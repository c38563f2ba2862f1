//! Confinement: a process that gives up its own right to read or write outside a few folders (Landlock, Linux 5.19).
//! The demo starts its consumer this way, so that the two people it plays share nothing but chain and content store.

use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access, AccessFs, BitFlags, CompatLevel, Compatible, PathBeneath, PathFd, Ruleset, RulesetAttr,
    RulesetCreated, RulesetCreatedAttr, RulesetError, RulesetStatus,
};

use crate::error::{Code, Error, Result};

/// What every program on Linux needs to read in order to run: loader, libraries, drivers, devices, its own code.
const SYSTEM: [&str; 8] = ["/usr", "/lib", "/lib64", "/etc", "/proc", "/sys", "/dev", "/run"];

/// From here on this process, and all that it starts, can create, write and remove only below `folders`, and read only
/// there, in the system's folders and in `readable`. There is no way back. Truncating a file by its path is not covered:
/// Linux confines that from 6.2 on only.
///
/// # Errors
/// `Failure` where the kernel does not enforce it in full: a confinement that is not there is not promised.
pub fn confine(folders: &[PathBuf], readable: &[PathBuf]) -> Result<()> {
    let abi = ABI::V2;
    let apply = || -> std::result::Result<RulesetStatus, RulesetError> {
        let mut rules = Ruleset::default()
            .set_compatibility(CompatLevel::HardRequirement)
            .handle_access(AccessFs::from_all(abi))?
            .create()?;
        let (read, all, file) = (AccessFs::from_read(abi), AccessFs::from_all(abi), AccessFs::from_file(abi));
        for path in SYSTEM.iter().map(Path::new).chain(readable.iter().map(PathBuf::as_path)) {
            let access = if path.is_dir() { read } else { read & file };
            rules = allow(rules, path, access)?;
        }
        for device in ["/dev/null", "/dev/tty"] {
            rules = allow(rules, Path::new(device), AccessFs::ReadFile | AccessFs::WriteFile)?;
        }
        for folder in folders {
            rules = allow(rules, folder, all)?;
        }
        Ok(rules.restrict_self()?.ruleset)
    };
    match apply() {
        Ok(RulesetStatus::FullyEnforced) => Ok(()),
        Ok(_) => Err(unavailable("the kernel enforces it only in part")),
        Err(error) => Err(unavailable(&error.to_string())),
    }
}

/// A path that is not there needs no rule.
fn allow(
    rules: RulesetCreated,
    path: &Path,
    access: impl Into<BitFlags<AccessFs>>,
) -> std::result::Result<RulesetCreated, RulesetError> {
    match PathFd::new(path) {
        Ok(found) => rules.add_rule(PathBeneath::new(found, access)),
        Err(_) => Ok(rules),
    }
}

fn unavailable(why: &str) -> Error {
    Error::new(Code::Failure, format!("this process could not be confined: {why}"))
        .hint("Landlock needs Linux 5.19 or newer with `landlock` among its security modules.")
}

/// What this program reads besides its own folders: itself, and the model.
pub fn program_files() -> Vec<PathBuf> {
    std::env::current_exe().into_iter().chain(crate::model::folder().ok()).collect()
}
