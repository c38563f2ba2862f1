//! Backups: a folder that holds header, head and packs of a vault as they were at one commit, brought up to date in
//! place. What a backup holds is encrypted as the vault is, and opens with its passphrase or recovery phrase.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use crate::create::{move_into_place, resolve};
use crate::disk;
use crate::error::{Error, Result};
use crate::gc::Progress;
use crate::head::{HeadFile, Seen};
use crate::key::{Header, Keys, Unlock};
use crate::log::{Log, Position};
use crate::open::{OnRollback, Options, Paths, read_commit};
use crate::pack::{HEADER, PACK_MAX, PackId};
use crate::seal::random;
use crate::vault::Vault;
use crate::{Problem, head::SIZE as HEAD_SIZE};

/// What to do with packs that a backup holds already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Existing {
    /// Those of the right length are taken to be right: they were verified when they were copied.
    #[default]
    Trust,
    /// All are read and authenticated, and copied again where they are damaged.
    Verify,
}

/// What [`Vault::backup`] did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BackupOutcome {
    /// Number of the commit that the backup now holds.
    pub commits: u64,
    /// Packs in it.
    pub packs: u64,
    /// Packs copied this time.
    pub copied_packs: u64,
    /// Their length in bytes.
    pub copied_bytes: u64,
    /// Packs deleted from it because the vault no longer has them.
    pub deleted_packs: u64,
}

/// A backup older than what its vault was on this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Behind {
    /// Number of the backup's last commit.
    pub backup: u64,
    /// Number of the last commit seen on this machine.
    pub seen: u64,
}

/// What [`Vault::restore`] made.
#[derive(Debug)]
pub struct Restored {
    /// The vault, open.
    pub vault: Vault,
    /// What of the backup was damaged, lost objects by name. Empty for a sound one.
    pub problems: Vec<Problem>,
    /// Set when this machine saw later commits than the backup holds, and `options` accepted that.
    pub behind: Option<Behind>,
}

impl Vault {
    /// Brings the backup in the folder `to` up to the last commit; an empty or absent folder becomes one. Packs that it
    /// holds already are not copied again. Each pack is authenticated entry by entry after it was copied. The old state
    /// can be restored until the new head is in place, which comes last. Can be run on any file system, and run again
    /// after it was cut short.
    ///
    /// # Errors
    /// [`Error::Exists`] for a folder that holds other things, [`Error::Limit`] for the backup of another vault,
    /// [`Error::Rollback`] for one that is newer than this vault or went another way, [`Error::Damaged`] if a pack of
    /// this vault cannot be read whole, [`Error::Interrupted`], [`Error::Io`].
    pub fn backup(&self, to: &Path, existing: Existing, progress: &mut Progress<'_>) -> Result<BackupOutcome> {
        let to = resolve(to)?;
        if to.starts_with(resolve(&self.paths.0)?) {
            return Err(Error::Limit("a backup inside the vault's own folder would be lost with it".into()));
        }
        let target = Paths(to);
        self.accept(&target)?;
        disk::make_dir(&target.packs())?;
        self.copy_header(&target)?;
        let mut outcome = BackupOutcome { commits: self.last.counter, ..BackupOutcome::default() };
        self.copy_packs(&target, existing, progress, &mut outcome)?;
        self.copy_head(&target)?;
        outcome.deleted_packs = self.delete_others(&target)?;
        Ok(outcome)
    }

    /// Refuses a folder that is not an older backup of this vault, nor empty.
    fn accept(&self, target: &Paths) -> Result<()> {
        if !disk::exists(&target.0) || disk::list(&target.0)?.is_empty() {
            return Ok(());
        }
        if !disk::exists(&target.header()) {
            return Err(Error::Exists(target.0.clone()));
        }
        let header = Header::read(&target.header())?;
        if header.vault != self.keys.vault {
            let id = hex::encode(header.vault);
            return Err(Error::Limit(format!("that folder holds a backup of another vault ({id}): choose another")));
        }
        header.verify(&target.header(), &self.keys.master)?;
        let newer = |what: &str| {
            Error::Rollback(format!("the backup {what}. This vault is the older one, or the two went separate ways"))
        };
        if header.epoch > self.header.epoch {
            return Err(newer("has newer key slots"));
        }
        if !disk::exists(&target.head()) {
            return Ok(());
        }
        let mark = match HeadFile::open(&target.head()).and_then(|head| head.read(&self.keys)) {
            Ok(heads) => heads.newest.0,
            // It is replaced, and says nothing that is needed.
            Err(Error::Damaged(_)) => return Ok(()),
            Err(error) => return Err(error),
        };
        if mark.counter > self.last.counter {
            return Err(newer(&format!(
                "holds commit {}, and this vault's last is {}",
                mark.counter, self.last.counter
            )));
        }
        let known = mark == self.last || (mark.counter < self.last.counter && self.had(&mark)?);
        if known { Ok(()) } else { Err(newer(&format!("holds another commit {}", mark.counter))) }
    }

    /// Was this a commit here? One whose pack was collected since is believed.
    fn had(&self, mark: &crate::head::Mark) -> Result<bool> {
        if !self.log.holds(mark.at.pack) {
            return Ok(true);
        }
        match read_commit(&self.log, mark) {
            Ok(_) => Ok(true),
            Err(Error::Damaged(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The header first: it must never be older than the head.
    fn copy_header(&self, target: &Paths) -> Result<()> {
        self.header.verify(&self.paths.header(), &self.keys.master)?;
        self.header.write(&target.header(), &self.keys.master)
    }

    fn copy_packs(
        &self,
        target: &Paths,
        existing: Existing,
        progress: &mut Progress<'_>,
        outcome: &mut BackupOutcome,
    ) -> Result<()> {
        let fresh = target.0.join("packs.new");
        disk::remove_dir(&fresh)?;
        let mut missing = Vec::new();
        for (pack, length) in self.counted_packs()? {
            outcome.packs += 1;
            let there = target.packs().join(pack.file_name());
            let trusted = disk::exists(&there) && disk::length(&there)? == length;
            if !trusted || (existing == Existing::Verify && !self.sound(&target.packs(), &pack, length)?) {
                missing.push((pack, length));
            }
        }
        let total = missing.iter().map(|(_, length)| length).sum();
        for (pack, length) in missing {
            if progress(outcome.copied_bytes, total).is_break() {
                disk::remove_dir(&fresh)?;
                return Err(Error::Interrupted);
            }
            self.copy_pack(&fresh, target, &pack, length)?;
            outcome.copied_packs += 1;
            outcome.copied_bytes += length;
        }
        disk::remove_dir(&fresh)?;
        disk::sync_dir(&target.packs())?;
        disk::sync_dir(&target.0)?;
        let _ = progress(total, total);
        Ok(())
    }

    /// The packs that the last commit counts, each with the length it had then.
    fn counted_packs(&self) -> Result<Vec<(PackId, u64)>> {
        let last = &self.last.at;
        let counted = self.log.packs().values().filter(|pack| pack.number <= last.pack);
        let length = |pack: &PackId| match pack.number == last.pack {
            true => Ok(last.end()),
            false => self.log.length(pack.number),
        };
        counted.map(|pack| Ok((*pack, length(pack)?))).collect()
    }

    fn copy_pack(&self, fresh: &Path, target: &Paths, pack: &PackId, length: u64) -> Result<()> {
        disk::make_dir(fresh)?;
        let (name, from) = (pack.file_name(), self.log.pack_path(pack.number)?);
        let mut bytes = disk::read(&from, PACK_MAX)?;
        bytes.truncate(length as usize);
        let copy = fresh.join(&name);
        write_synced(&copy, &bytes)?;
        if !self.sound(fresh, pack, length)? {
            disk::remove_dir(fresh)?;
            return Err(Error::damaged(format!("pack {}: it was not copied, repair the vault first", pack.number)));
        }
        let to = target.packs().join(name);
        disk::rename(&copy, &to).map_err(Error::io("replace", &to))
    }

    /// Does every entry of a copied pack authenticate, from the first to the last byte?
    fn sound(&self, dir: &Path, pack: &PackId, length: u64) -> Result<bool> {
        let log = Log::open(dir, self.keys.clone())?;
        let (from, to) =
            (Position { pack: pack.number, offset: HEADER }, Position { pack: pack.number, offset: length });
        let read = log
            .verify_header(pack.number)
            .and_then(|()| log.walk(from, to, &mut |at, _| log.read_encoded(&at).map(|_| ())));
        match read {
            Ok(gaps) => Ok(gaps.is_empty() && log.packs().get(&pack.number) == Some(pack)),
            Err(Error::Damaged(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The head last: from here on the backup is the new state.
    fn copy_head(&self, target: &Paths) -> Result<()> {
        let bytes = disk::read(&self.paths.head(), HEAD_SIZE)?;
        if self.head.read(&self.keys)?.newest.0 != self.last {
            return Err(Error::damaged("head: it does not name the last commit"));
        }
        disk::replace(&target.head(), &bytes)
    }

    fn delete_others(&self, target: &Paths) -> Result<u64> {
        let counted: BTreeSet<String> = self.counted_packs()?.iter().map(|(pack, _)| pack.file_name()).collect();
        let mut deleted = 0;
        for path in pack_files(&target.packs())? {
            if path.file_name().is_some_and(|name| !counted.contains(&*name.to_string_lossy())) {
                disk::remove(&path)?;
                deleted += 1;
            }
        }
        disk::sync_dir(&target.packs())?;
        Ok(deleted)
    }

    /// Makes a vault in `to`, which must be empty or absent, from the backup in `from`, which is only read, and opens it.
    /// All of it is read and authenticated; what is damaged is left out and named, as [`Vault::repair`] does.
    ///
    /// # Errors
    /// [`Error::NotFound`] where there is no backup, [`Error::WrongKey`] (nothing was copied), [`Error::Exists`],
    /// [`Error::Stale`] if later commits were seen on this machine and `options.rollback` does not accept that (nothing
    /// is left behind), [`Error::Interrupted`], [`Error::Unsupported`], [`Error::Io`].
    pub fn restore(
        from: &Path,
        to: &Path,
        unlock: &Unlock,
        options: &Options,
        progress: &mut Progress<'_>,
    ) -> Result<Restored> {
        let (from, to) = (Paths(from.to_path_buf()), resolve(to)?);
        if !disk::exists(&from.header()) {
            return Err(Error::NotFound(format!("there is no backup in {}", from.0.display())));
        }
        if disk::exists(&to) && !disk::list(&to)?.is_empty() {
            return Err(Error::Exists(to));
        }
        let header = Header::read(&from.header())?;
        let master = header.unlock(unlock, &from.header())?;
        let keys = Arc::new(Keys::new(header.vault, master));
        let temporary = Paths(to.with_extension(format!("new-{}", hex::encode(random::<8>()?))));
        let copied = copy_all(&from, &temporary, progress)
            .and_then(|()| behind(&temporary, &keys, options))
            .and_then(|behind| move_into_place(&temporary.0, &to).map(|()| behind));
        if copied.is_err() {
            let _ = disk::remove_dir(&temporary.0);
        }
        let behind = copied?;
        let rollback = if behind.is_some() { OnRollback::Accept } else { options.rollback };
        let (vault, problems) = Vault::repair(&to, unlock, &Options { rollback, ..options.clone() })?;
        Ok(Restored { vault, problems, behind })
    }
}

fn copy_all(from: &Paths, to: &Paths, progress: &mut Progress<'_>) -> Result<()> {
    disk::make_dir(&to.packs())?;
    if !disk::exists(&from.head()) {
        return Err(Error::NotFound(format!("the backup in {} was never finished", from.0.display())));
    }
    for (from, to) in [(from.header(), to.header()), (from.head(), to.head())] {
        write_synced(&to, &disk::read(&from, HEAD_SIZE)?)?;
    }
    let packs = pack_files(&from.packs())?;
    let total = packs.iter().map(|path| disk::length(path)).sum::<Result<u64>>()?;
    let mut done = 0;
    for path in packs {
        if progress(done, total) == ControlFlow::Break(()) {
            return Err(Error::Interrupted);
        }
        let bytes = disk::read(&path, PACK_MAX)?;
        done += bytes.len() as u64;
        if let Some(name) = path.file_name() {
            write_synced(&to.packs().join(name), &bytes)?;
        }
    }
    let _ = progress(total, total);
    disk::sync_dir(&to.packs())?;
    disk::sync_dir(&to.0)
}

/// Is a backup older than what was seen here? [`Error::Stale`] then, unless that is accepted.
fn behind(copy: &Paths, keys: &Keys, options: &Options) -> Result<Option<Behind>> {
    let Some(state) = &options.state else { return Ok(None) };
    let newest = match HeadFile::open(&copy.head()).and_then(|head| head.read(keys)) {
        Ok(heads) => heads.newest.0,
        Err(Error::Damaged(_)) => return Ok(None),
        Err(error) => return Err(error),
    };
    let older = Seen::new(state, keys)?.newest(keys).filter(|(counter, _)| *counter > newest.counter);
    match older {
        None => Ok(None),
        Some((seen, _)) if options.rollback == OnRollback::Accept => Ok(Some(Behind { backup: newest.counter, seen })),
        Some((seen, _)) => Err(Error::Stale { backup: newest.counter, seen }),
    }
}

/// Paths of the packs in a folder.
fn pack_files(dir: &Path) -> Result<Vec<std::path::PathBuf>> {
    let is_pack =
        |path: &std::path::PathBuf| path.file_name().and_then(|name| name.to_str()).and_then(PackId::parse).is_some();
    let mut found: Vec<_> = disk::list(dir)?.into_iter().filter(is_pack).collect();
    found.sort();
    Ok(found)
}

fn write_synced(path: &Path, bytes: &[u8]) -> Result<()> {
    let file = disk::create(path)?;
    disk::write_at(&file, path, bytes, 0)?;
    disk::sync(&file, path)
}
