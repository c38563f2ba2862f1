//! Who may act for a vault: the program that has it open, or the one that earns with a sealed copy, never both. A file beside
//! the vault is held by either, and says whether the vault was opened since the copy was made.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::error::{Code, Error, Result};
use crate::random;

/// How long opening a vault waits for a job that is being carried out with the copy.
const PATIENCE: Duration = Duration::from_secs(60);
/// Pause between two looks.
const PAUSE: Duration = Duration::from_millis(20);

/// Names one opening of the vault.
pub(crate) type Mark = [u8; 16];

/// Held for as long as somebody acts for the vault.
pub(crate) struct Alone {
    _file: File,
}

/// What a look at the vault came to.
pub(super) enum Look {
    /// Nobody has it open, and nobody had since the mark.
    Free(Alone),
    /// Somebody has it open now.
    Open,
    /// Somebody opened it since the mark.
    Opened,
}

fn path(dir: &Path) -> PathBuf {
    dir.join("earning.lock")
}

fn asked_to_stop(dir: &Path) -> PathBuf {
    dir.join("earning.stop")
}

/// Whether somebody wants to open the vault: what is being done with the copy should stop.
pub(super) fn is_wanted(dir: &Path) -> bool {
    asked_to_stop(dir).exists()
}

impl Alone {
    /// Waits until nothing is done with a copy of the vault in `dir`, and marks that it is open. Nothing where no copy was
    /// ever made.
    ///
    /// # Errors
    /// `Busy` where it takes too long.
    pub fn open(dir: &Path) -> Result<Option<Alone>> {
        let Ok(mut file) = OpenOptions::new().read(true).write(true).open(path(dir)) else { return Ok(None) };
        let started = Instant::now();
        while let Err(TryLockError::WouldBlock) = file.try_lock() {
            let _ = File::create(asked_to_stop(dir));
            if started.elapsed() > PATIENCE {
                let _ = std::fs::remove_file(asked_to_stop(dir));
                return Err(Error::new(Code::Busy, "a job is being carried out for this vault")
                    .hint("Wait until it has ended."));
            }
            std::thread::sleep(PAUSE);
        }
        let _ = std::fs::remove_file(asked_to_stop(dir));
        // A mark that cannot be written is taken away: then no copy is used either.
        if write(&mut file).is_err() {
            std::fs::remove_file(path(dir))?;
        }
        Ok(Some(Alone { _file: file }))
    }

    /// A look at the vault in `dir`, for who earns with a copy that was made at `mark`.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(super) fn look(dir: &Path, mark: &Mark) -> Result<Look> {
        let Ok(mut file) = OpenOptions::new().read(true).write(true).open(path(dir)) else { return Ok(Look::Opened) };
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(Look::Open),
            Err(TryLockError::Error(error)) => return Err(error.into()),
        }
        let mut found = Mark::default();
        let same = file.read_exact(&mut found).is_ok() && found == *mark;
        Ok(if same { Look::Free(Alone { _file: file }) } else { Look::Opened })
    }
}

/// The mark of the present opening of the vault in `dir`, by the program that has it open.
///
/// # Errors
/// When the folder cannot be written.
pub(super) fn mark(dir: &Path) -> Result<Mark> {
    let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path(dir))?;
    let mut found = Mark::default();
    match file.read_exact(&mut found) {
        Ok(()) => Ok(found),
        Err(_) => write(&mut file),
    }
}

fn write(file: &mut File) -> Result<Mark> {
    let mark = random::bytes::<16>()?;
    file.seek(SeekFrom::Start(0))?;
    file.write_all(&mark)?;
    Ok(mark)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copy_is_used_only_while_nobody_has_or_had_the_vault_open() {
        let dir = tempfile::tempdir().expect("a folder");
        assert!(Alone::open(dir.path()).expect("a look").is_none(), "a file for who never earned");
        let made = mark(dir.path()).expect("a mark");
        assert_eq!(mark(dir.path()).expect("the same"), made);
        let free = Alone::look(dir.path(), &made).expect("a look");
        assert!(matches!(free, Look::Free(_)));
        drop(free);
        let open = Alone::open(dir.path()).expect("opened").expect("held");
        assert!(matches!(Alone::look(dir.path(), &made).expect("a look"), Look::Open));
        drop(open);
        assert!(matches!(Alone::look(dir.path(), &made).expect("a look"), Look::Opened));
    }

    #[test]
    fn opening_asks_what_uses_the_copy_to_stop_and_waits_for_it() {
        let dir = tempfile::tempdir().expect("a folder");
        let made = mark(dir.path()).expect("a mark");
        let held = Alone::look(dir.path(), &made).expect("a look");
        assert!(!is_wanted(dir.path()));
        std::thread::scope(|scope| {
            let opening = scope.spawn(|| Alone::open(dir.path()));
            while !is_wanted(dir.path()) {
                std::thread::sleep(PAUSE);
            }
            assert!(!opening.is_finished());
            drop(held);
            assert!(opening.join().expect("no panic").expect("opened").is_some());
        });
        assert!(!is_wanted(dir.path()));
    }
}
