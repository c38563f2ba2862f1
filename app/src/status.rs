//! The vault itself: created, described, checked, rebuilt, its passphrase changed.

use std::path::Path;

use provenance::wallet::{Language, Phrase};
pub use vault::CheckDepth;
use vault::{KdfCost, Read, Secret, Unlock, Vault};

use crate::error::{Code, Error, Result};
use crate::home::{self, Home, Kind};
use crate::library;
use crate::{passphrase, view};

/// Creates a vault in `dir` for the person of `phrase`.
///
/// # Errors
/// `Refused` when there is one already.
pub fn init(dir: &Path, passphrase: &str, phrase: &Phrase) -> Result<view::Init> {
    let home = Home::create(dir, passphrase, phrase)?;
    Ok(view::Init {
        vault_id: home.vault.status()?.vault_id,
        wallet: home.person.address().to_string(),
        recovery_phrase: phrase.words()?.to_string(),
    })
}

/// Creates a vault in `dir` for a new person, whose recovery phrase is in the answer.
///
/// # Errors
/// `Usage` for a passphrase that is too short; `Refused` when there is a vault already.
pub fn create(dir: &Path, secret: &str) -> Result<view::Init> {
    passphrase::check(secret)?;
    init(dir, secret, &Phrase::generate(Language::English)?)
}

/// What the vault holds.
///
/// # Errors
/// `Integrity` where it cannot be read.
pub fn vault(home: &Home) -> Result<view::VaultStatus> {
    let status = home.vault.status()?;
    let sources = library::sources(home)?;
    let deleted = home.names(Kind::Deleted)?.len() as u64;
    Ok(view::VaultStatus {
        vault_id: status.vault_id,
        home: home.dir.display().to_string(),
        objects: status.objects,
        bytes: status.bytes,
        stored_bytes: status.stored_bytes,
        packs: status.packs,
        sources: sources.sources.len() as u64,
        records: sources.sources.iter().map(|source| source.records).sum::<u64>().saturating_sub(deleted),
        datasets: home.names(Kind::Dataset)?.len() as u64,
        wallet: home.person.address().to_string(),
    })
}

/// Looks for damage; also in a vault that no longer opens.
///
/// # Errors
/// `Locked` for a wrong passphrase; damage is in the answer.
pub fn check(dir: &Path, secret: &str, read_data: bool) -> Result<view::VaultChecked> {
    let report = match Home::open(dir, secret) {
        Ok(home) if read_data => home.vault.check(CheckDepth::ReadData)?,
        Ok(home) => home.vault.check(CheckDepth::Structure)?,
        Err(error) if !matches!(error.code, Code::Integrity | Code::Failure) => return Err(error),
        Err(_) => Vault::examine(&home::folder(dir), &Unlock::Passphrase(Secret::from(secret)), &home::options(dir))?,
    };
    Ok(checked(report.objects, &report.problems))
}

/// Looks for damage in an open vault.
///
/// # Errors
/// When it cannot be looked at at all; damage is in the answer.
pub fn looked_at(home: &Home, depth: CheckDepth) -> Result<view::VaultChecked> {
    let report = home.vault.check(depth)?;
    Ok(checked(report.objects, &report.problems))
}

/// Gives an open vault another passphrase; `present` has to open it.
///
/// # Errors
/// `Locked` where `present` is not the passphrase; `Usage` where the new one is too short.
pub fn replace(home: &mut Home, present: &str, wanted: &str) -> Result<()> {
    passphrase::check(wanted)?;
    // The vault is open here: a second opening asks this process, which answers those only who know the key.
    Home::open(&home.dir, present)?;
    passwd(home, wanted).map(|_| ())
}

/// Makes a damaged vault one that opens again: what can be read is kept, what was lost is named. Changes nothing in a sound one.
///
/// # Errors
/// `Locked` for a wrong passphrase; `NotFound` without a vault.
pub fn repair(dir: &Path, secret: &str) -> Result<view::VaultChecked> {
    if !home::exists(dir) {
        return Err(Error::not_found(format!("there is no vault in {}", dir.display())));
    }
    let unlock = Unlock::Passphrase(Secret::from(secret));
    let (vault, found) = Vault::repair(&home::folder(dir), &unlock, &home::options(dir))?;
    Ok(checked(vault.status()?.objects, &found))
}

fn checked(objects: u64, problems: &[vault::Problem]) -> view::VaultChecked {
    let problems: Vec<String> = problems.iter().map(named).collect();
    view::VaultChecked { sound: problems.is_empty(), objects, problems }
}

/// Changes the passphrase.
///
/// # Errors
/// When the vault cannot be written; then the old one stays.
pub fn passwd(home: &mut Home, secret: &str) -> Result<view::VaultStatus> {
    home.vault.change(|vault| vault.change_passphrase(&Secret::from(secret), KdfCost::FLOOR))?;
    vault(home)
}

/// Opens a vault with its recovery phrase and gives it a new passphrase.
///
/// # Errors
/// `Locked` where the phrase is not this vault's; `Integrity` where it was altered.
pub fn recover(dir: &Path, phrase: &Phrase, secret: &str) -> Result<view::VaultStatus> {
    passwd(&mut Home::recover(dir, phrase)?, secret)
}

pub(crate) fn named(problem: &vault::Problem) -> String {
    match &problem.object {
        Some((kind, name)) => format!("{kind} {name:?}: {}", problem.what),
        None => problem.what.clone(),
    }
}
