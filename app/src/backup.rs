//! Taking data out of a vault: plain files, an encrypted backup, and a vault made again from one.

use std::ops::ControlFlow;
use std::path::Path;

use provenance::wallet::Phrase;
use vault::{Existing, ExportItem, KdfCost, OnRollback, Options, Read, Secret, Unlock, Vault};
use zeroize::Zeroizing;

use crate::deletion;
use crate::error::{Error, Result};
use crate::home::{self, Home, Kind};
use crate::import::Imported;
use crate::progress::Progress;
use crate::status;
use crate::view;

/// Writes every imported file as it was, in one folder a source, under the name it had.
///
/// # Errors
/// `Refused` where `out` holds something already; `Interrupted`, whole files are left then.
pub fn plain(home: &Home, out: &Path) -> Result<view::Exported> {
    let mut items = Vec::new();
    for entry in home.vault.list(Kind::Original.word())? {
        let imported: Option<Imported> = home.find(Kind::Imported, &entry.name)?;
        let item = ExportItem::from(&entry);
        items.push(match imported {
            // One folder a source; the folders below it become part of the file's name.
            Some(imported) => ExportItem { folder: imported.source, name: imported.file.replace('/', "_"), ..item },
            None => item,
        });
    }
    let mut progress = Progress::start("writing files");
    let done =
        home.vault.change(|vault| vault.export(&items, out, &mut |done, total| going(&mut progress, done, total)))?;
    Ok(view::Exported {
        files: done.files,
        bytes: done.bytes,
        out: out.display().to_string(),
        encrypted: false,
        problems: done.problems.iter().map(status::named).collect(),
    })
}

/// Brings the encrypted backup in `out` up to date; an absent or empty folder becomes one.
///
/// # Errors
/// `Refused` for a folder that holds something else, or another vault's backup; `Integrity` where this vault is damaged or
/// the backup is newer than it.
pub fn encrypted(home: &Home, out: &Path) -> Result<view::Exported> {
    let mut progress = Progress::start("backing up");
    let done = home
        .vault
        .change(|vault| vault.backup(out, Existing::Trust, &mut |done, total| going(&mut progress, done, total)))?;
    Ok(view::Exported {
        files: done.copied_packs,
        bytes: done.copied_bytes,
        out: out.display().to_string(),
        encrypted: true,
        problems: Vec::new(),
    })
}

/// Makes the vault in `dir` again from the backup in `from`, with the recovery phrase, and gives it a new passphrase.
///
/// # Errors
/// `Refused` where there is a vault already; `Locked` where the phrase is not the backup's; `NotFound` where there is none.
pub fn restore(dir: &Path, from: &Path, phrase: &Phrase, secret: &str) -> Result<view::Recovered> {
    if home::exists(dir) {
        return Err(Error::refused(format!("there is a vault in {} already", dir.display()))
            .hint("Choose an empty folder with --home."));
    }
    std::fs::create_dir_all(dir)?;
    let unlock = Unlock::Recovery(Zeroizing::new(*phrase.entropy()));
    let options = Options { rollback: OnRollback::Accept, ..home::options(dir) };
    let mut progress = Progress::start("restoring");
    let folder = home::folder(dir);
    let restored =
        Vault::restore(from, &folder, &unlock, &options, &mut |done, total| going(&mut progress, done, total))?;
    let mut problems: Vec<String> = restored.problems.iter().map(status::named).collect();
    if let Some(behind) = restored.behind {
        problems.push(format!(
            "the backup is older than what this machine has seen: commit {} of {}; what came later is not in it",
            behind.backup, behind.seen
        ));
    }
    let mut vault = restored.vault;
    vault.change_passphrase(&Secret::from(secret), KdfCost::FLOOR)?;
    drop(vault);
    Ok(view::Recovered { status: status::vault(&Home::open(dir, secret)?)?, problems })
}

/// Opens the vault in `dir` with its recovery phrase, or makes it again from the backup in `from`; it gets a new passphrase.
/// The answer is what of a backup was damaged, or missing in it.
///
/// # Errors
/// `Usage` for no phrase or a short passphrase; like [`restore`] and [`status::recover`].
pub fn recovered(dir: &Path, from: Option<&str>, phrase: &str, secret: &str) -> Result<Vec<String>> {
    crate::passphrase::check(secret)?;
    let phrase = Phrase::parse(phrase).map_err(|e| Error::usage(format!("this is no recovery phrase: {e}")))?;
    match from {
        Some(from) => Ok(restore(dir, Path::new(from), &phrase, secret)?.problems),
        None => status::recover(dir, &phrase, secret).map(|_| Vec::new()),
    }
}

fn going(progress: &mut Progress, done: u64, total: u64) -> ControlFlow<()> {
    match progress.at(done, total) {
        Ok(()) => ControlFlow::Continue(()),
        Err(_) => ControlFlow::Break(()),
    }
}

/// Frees what was removed or replaced; says what it would do first. Deleted records are taken out of their batches before
/// that, but not with `dry_run`: its plan does not count them. With `all`, every byte of it goes, whatever it costs.
///
/// # Errors
/// `Integrity` where something that stands cannot be read: then nothing of its pack is deleted; `Interrupted`.
pub fn collect(home: &mut Home, all: bool, dry_run: bool) -> Result<view::Collected> {
    if !dry_run {
        for file in deletion::finish(home)? {
            eprintln!("no longer kept, for it holds a deleted record: {file}");
        }
    }
    let options = if all { vault::GcOptions { waste_percent: 0 } } else { vault::GcOptions::default() };
    let plan = home.vault.change(|vault| vault.gc_plan(&options))?;
    let with = |fate| plan.packs.iter().filter(|pack| pack.fate == fate).count() as u64;
    let mut view = view::Collected {
        packs: plan.packs.len() as u64,
        dead_bytes: plan.dead_bytes,
        delete: with(vault::Fate::Deleted),
        rewrite: with(vault::Fate::Rewritten),
        copy_bytes: plan.copied_bytes,
        free_bytes: plan.freed_bytes,
        needs_bytes: plan.space_bytes,
        freed_bytes: None,
        left: 0,
    };
    if dry_run || plan.leaves_all() {
        return Ok(view);
    }
    eprint!("{view}");
    let mut progress = Progress::start("collecting");
    let done = home.vault.change(|vault| vault.gc(&plan, &mut |done, total| going(&mut progress, done, total)))?;
    view.freed_bytes = Some(done.freed_bytes);
    view.left = done.left.len() as u64;
    Ok(view)
}
