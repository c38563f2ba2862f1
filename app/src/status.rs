//! The vault itself: created, described, checked, rebuilt, its passphrase changed.

use std::path::Path;

use provenance::wallet::{Language, Phrase};
use vault::{CheckDepth, KdfCost, Secret};

use crate::error::Result;
use crate::home::{Home, Kind};
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

/// Looks for damage.
///
/// # Errors
/// When the vault cannot be read at all; damage is in the answer.
pub fn check(home: &Home, read_data: bool) -> Result<view::VaultChecked> {
    let depth = if read_data { CheckDepth::ReadData } else { CheckDepth::Structure };
    let report = home.vault.check(depth)?;
    let problems: Vec<String> = report.problems.iter().map(named).collect();
    Ok(view::VaultChecked { sound: problems.is_empty(), objects: report.objects, problems })
}

/// Rebuilds index and catalog from the packs, then looks for damage.
///
/// # Errors
/// When the vault cannot be read or written.
pub fn repair(home: &mut Home) -> Result<view::VaultChecked> {
    home.vault.rebuild()?;
    check(home, true)
}

/// Changes the passphrase.
///
/// # Errors
/// When the vault cannot be written; then the old one stays.
pub fn passwd(home: &mut Home, secret: &str) -> Result<view::VaultStatus> {
    home.vault.change_passphrase(&Secret::from(secret), KdfCost::FLOOR)?;
    vault(home)
}

/// Opens a vault with its recovery phrase and gives it a new passphrase.
///
/// # Errors
/// `Locked` where the phrase is not this vault's; `Integrity` where it was altered.
pub fn recover(dir: &Path, phrase: &Phrase, secret: &str) -> Result<view::VaultStatus> {
    passwd(&mut Home::recover(dir, phrase)?, secret)
}

fn named(problem: &vault::Problem) -> String {
    match &problem.object {
        Some((kind, name)) => format!("{kind} {name:?}: {}", problem.what),
        None => problem.what.clone(),
    }
}
