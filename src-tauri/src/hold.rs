//! What the process holds between two commands: the vault while it is open, and a recovery phrase until it was shown.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, TryLockError};
use std::time::{Duration, Instant};

use app::error::{Code, Error, Result};
use app::home::{AutoLock, Home};
use zeroize::Zeroizing;

use crate::phrase::Phrase;

/// How long a change waits for another one to end.
const PATIENCE: Duration = Duration::from_secs(20);

/// The vault's folder, the open vault, the phrase.
pub struct Hold {
    dir: PathBuf,
    home: AutoLock<Home>,
    writing: Mutex<()>,
    /// Changes that were begun.
    changes: AtomicU64,
    /// The recovery phrase of a vault that was just created.
    pub phrase: Phrase,
}

impl Hold {
    /// Nothing held yet, for the vault in `dir`. What will be held is dropped after `idle` without use; `told` hears that.
    pub fn new(dir: PathBuf, idle: Duration, told: impl Fn() + Send + 'static) -> Self {
        Hold {
            dir,
            home: AutoLock::new(idle, told),
            writing: Mutex::default(),
            changes: AtomicU64::new(0),
            phrase: Phrase::default(),
        }
    }

    /// The vault's folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Creates a vault and keeps it open; `show` opens the window that then takes the phrase.
    ///
    /// # Errors
    /// `Refused` when there is one already; `Usage` for a short passphrase; what `show` returns.
    pub fn create(&self, passphrase: &str, show: impl FnOnce() -> Result<()>) -> Result<()> {
        let mut created = app::status::create(&self.dir, passphrase)?;
        self.phrase.hold(Zeroizing::new(std::mem::take(&mut created.recovery_phrase)));
        self.home.unlock(Home::open(&self.dir, passphrase)?);
        show().map_err(|error| {
            error.hint(format!(
                "The vault was created, but its recovery phrase was not shown. Remove {} and create it again.",
                self.dir.display()
            ))
        })
    }

    /// Opens the vault; nothing when it is open already.
    ///
    /// # Errors
    /// `Locked` for a wrong passphrase; `Busy` while another program has the vault open; `NotFound` without a vault.
    pub fn unlock(&self, passphrase: &str) -> Result<()> {
        if !self.home.is_unlocked() {
            let opened = Home::open(&self.dir, passphrase)?;
            if !opened.is_held() {
                return Err(Error::new(Code::Busy, "another program has this vault open")
                    .hint("Close it, or wait until it has ended."));
            }
            self.home.unlock(opened);
        }
        Ok(())
    }

    /// Locks the vault, once its current step has ended; `hide` then closes the windows that show something of it. What
    /// runs in the background finds the vault closed at its next step.
    ///
    /// # Errors
    /// What `hide` returns. The vault is locked all the same.
    pub fn lock(&self, hide: impl FnOnce() -> Result<()>) -> Result<()> {
        self.home.lock();
        self.phrase.forget();
        hide()
    }

    /// Whether the vault is open.
    pub fn is_open(&self) -> bool {
        self.home.is_unlocked()
    }

    /// What `ask` says of the open vault. Others may ask at the same time.
    ///
    /// # Errors
    /// `Locked` while there is none; what `ask` returns.
    pub fn open<T>(&self, ask: impl FnOnce(&mut Home) -> Result<T>) -> Result<T> {
        // What the page asks by itself is no use of the vault; what a person does comes with a touch.
        let home = self.home.look(Home::another);
        let mut home = home.ok_or_else(locked)??;
        // Locked meanwhile: whatever went wrong because of it, that is what to say.
        ask(&mut home).map_err(|error| if self.is_open() { error } else { locked() })
    }

    /// Lets `act` change the open vault, or act in its name: one at a time.
    ///
    /// # Errors
    /// Like [`Hold::open`]; `Busy` while something else changes it for long.
    pub fn change<T>(&self, act: impl FnOnce(&mut Home) -> Result<T>) -> Result<T> {
        let _alone = self.alone()?;
        self.open(|home| {
            self.changes.fetch_add(1, Ordering::SeqCst);
            act(home)
        })
    }

    /// Lets `act` see the open vault while nothing changes it, and how many changes there were.
    ///
    /// # Errors
    /// Like [`Hold::change`].
    pub fn still<T>(&self, act: impl FnOnce(&mut Home, u64) -> Result<T>) -> Result<T> {
        let _alone = self.alone()?;
        self.open(|home| act(home, self.changes()))
    }

    /// How many changes were begun so far.
    pub fn changes(&self) -> u64 {
        self.changes.load(Ordering::SeqCst)
    }

    fn alone(&self) -> Result<MutexGuard<'_, ()>> {
        let started = Instant::now();
        loop {
            match self.writing.try_lock() {
                Ok(guard) => return Ok(guard),
                // Who panicked left a vault that is still sound: what was not committed does not count.
                Err(TryLockError::Poisoned(poisoned)) => return Ok(poisoned.into_inner()),
                Err(TryLockError::WouldBlock) if !self.is_open() => return Err(locked()),
                Err(TryLockError::WouldBlock) if started.elapsed() > PATIENCE => {
                    return Err(Error::new(Code::Busy, "something else is being done with this vault")
                        .hint("Wait until it has ended, or stop it."));
                }
                Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(20)),
            }
        }
    }

    /// What `ask` says of the open vault; nothing while it is locked.
    ///
    /// # Errors
    /// What `ask` returns.
    pub fn if_open<T>(&self, ask: impl FnOnce(&Home) -> Result<T>) -> Result<Option<T>> {
        match self.open(|home| ask(home)) {
            Err(error) if error.code == Code::Locked && !self.is_open() => Ok(None),
            answer => answer.map(Some),
        }
    }

    /// Somebody is at the window, or something that was started there still runs: counts as use.
    pub fn touch(&self) {
        self.home.touch();
    }

    /// Changes how long the vault stays open without use.
    pub fn set_idle(&self, idle: Duration) {
        self.home.set_idle(idle);
    }
}

fn locked() -> Error {
    Error::new(Code::Locked, "the vault is locked").hint("Unlock it first.")
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSPHRASE: &str = "seven quiet herons wading";

    fn held(dir: PathBuf) -> Hold {
        Hold::new(dir, Duration::from_secs(600), || ())
    }

    fn fresh() -> (tempfile::TempDir, Hold) {
        let dir = tempfile::tempdir().unwrap();
        let hold = held(dir.path().join("home"));
        (dir, hold)
    }

    #[test]
    fn phrase_is_given_once() {
        let (_dir, hold) = fresh();
        hold.create(PASSPHRASE, || Ok(())).unwrap();
        let phrase = hold.phrase.take().unwrap().unwrap();
        assert_eq!(phrase.split(' ').count(), 24);
        assert!(hold.phrase.take().unwrap().is_none());
    }

    #[test]
    fn phrase_is_forgotten_with_its_window_and_with_the_lock() {
        let (_dir, hold) = fresh();
        hold.create(PASSPHRASE, || Ok(())).unwrap();
        hold.phrase.forget();
        assert!(hold.phrase.take().unwrap().is_none());
        let (_dir, hold) = fresh();
        hold.create(PASSPHRASE, || Ok(())).unwrap();
        hold.lock(|| Ok(())).unwrap();
        assert!(hold.phrase.take().unwrap().is_none());
    }

    #[test]
    fn locked_vault_answers_nothing() {
        let (_dir, hold) = fresh();
        hold.create(PASSPHRASE, || Ok(())).unwrap();
        assert!(hold.if_open(app::status::vault).unwrap().is_some());
        hold.lock(|| Ok(())).unwrap();
        assert!(hold.if_open(app::status::vault).unwrap().is_none());
        assert_eq!(hold.open(|home| app::library::sources(home)).err().unwrap().code, Code::Locked);
        assert_eq!(hold.open(|home| app::dataset::list(home)).err().unwrap().code, Code::Locked);
    }

    #[test]
    fn use_that_outlives_the_lock_finds_the_vault_closed() {
        let (_dir, hold) = fresh();
        hold.create(PASSPHRASE, || Ok(())).unwrap();
        let answer = hold.open(|home| {
            hold.lock(|| Ok(()))?;
            app::library::sources(home)
        });
        assert_eq!(answer.err().unwrap().code, Code::Locked);
        assert!(Home::open(hold.dir(), PASSPHRASE).unwrap().is_held());
    }

    #[test]
    fn changes_are_counted_before_they_are_made_and_only_while_the_vault_is_open() {
        let (_dir, hold) = fresh();
        hold.create(PASSPHRASE, || Ok(())).unwrap();
        let before = hold.changes();
        assert_eq!(hold.change(|_| Ok(hold.changes())).unwrap(), before + 1);
        assert_eq!(hold.still(|_, changes| Ok(changes)).unwrap(), before + 1);
        assert!(hold.change(|_| Err::<(), _>(Error::failure("half done"))).is_err());
        assert_eq!(hold.changes(), before + 2);
        hold.lock(|| Ok(())).unwrap();
        assert!(hold.change(|_| Ok(())).is_err() && hold.still(|_, _| Ok(())).is_err());
        assert_eq!(hold.changes(), before + 2, "what is refused changed something");
    }

    #[test]
    fn change_waits_for_another_and_ends_with_the_lock() {
        let (_dir, hold) = fresh();
        hold.create(PASSPHRASE, || Ok(())).unwrap();
        let (enter, entered) = std::sync::mpsc::channel();
        std::thread::scope(|scope| {
            let first = scope.spawn(|| {
                hold.change(|_| {
                    enter.send(()).unwrap();
                    std::thread::sleep(Duration::from_millis(300));
                    Ok(Instant::now())
                })
            });
            entered.recv().unwrap();
            let second = hold.change(|_| Ok(Instant::now())).unwrap();
            assert!(second >= first.join().unwrap().unwrap(), "two changed at a time");
        });
        hold.lock(|| Ok(())).unwrap();
        assert_eq!(hold.change(|_| Ok(())).err().unwrap().code, Code::Locked);
    }

    #[test]
    fn lock_locks_even_when_the_phrase_cannot_be_hidden() {
        let (_dir, hold) = fresh();
        hold.create(PASSPHRASE, || Ok(())).unwrap();
        assert!(hold.lock(|| Err(Error::failure("no window"))).is_err());
        assert!(hold.if_open(app::status::vault).unwrap().is_none());
        assert!(hold.phrase.take().unwrap().is_none());
    }

    #[test]
    fn unused_vault_locks_by_itself_and_says_so() {
        let dir = tempfile::tempdir().unwrap();
        let (tell, told) = std::sync::mpsc::channel();
        let hold = Hold::new(dir.path().join("home"), Duration::from_millis(300), move || _ = tell.send(()));
        hold.create(PASSPHRASE, || Ok(())).unwrap();
        assert!(hold.if_open(app::status::vault).unwrap().is_some());
        told.recv_timeout(Duration::from_secs(20)).unwrap();
        hold.touch();
        assert!(hold.if_open(app::status::vault).unwrap().is_none());
        assert!(Home::open(hold.dir(), PASSPHRASE).unwrap().is_held());
    }

    #[test]
    fn wrong_passphrase_opens_nothing_and_the_right_one_opens_after_it() {
        let (_dir, hold) = fresh();
        hold.create(PASSPHRASE, || Ok(())).unwrap();
        hold.lock(|| Ok(())).unwrap();
        assert_eq!(hold.unlock("eight loud herons wading").unwrap_err().code, Code::Locked);
        assert!(hold.if_open(app::status::vault).unwrap().is_none());
        hold.unlock(PASSPHRASE).unwrap();
        assert!(hold.if_open(app::status::vault).unwrap().is_some());
    }

    #[test]
    fn vault_open_elsewhere_is_busy() {
        let (_dir, hold) = fresh();
        hold.create(PASSPHRASE, || Ok(())).unwrap();
        let other = held(hold.dir().to_owned());
        assert_eq!(other.unlock(PASSPHRASE).unwrap_err().code, Code::Busy);
        hold.lock(|| Ok(())).unwrap();
        other.unlock(PASSPHRASE).unwrap();
    }

    #[test]
    fn create_refuses_a_second_vault_and_a_short_passphrase() {
        let (_dir, hold) = fresh();
        assert_eq!(hold.create("short", || Ok(())).unwrap_err().code, Code::Usage);
        assert!(!app::home::exists(hold.dir()));
        hold.create(PASSPHRASE, || Ok(())).unwrap();
        assert_eq!(hold.create(PASSPHRASE, || Ok(())).unwrap_err().code, Code::Refused);
    }

    #[test]
    fn create_without_a_recovery_window_says_what_to_do() {
        let (_dir, hold) = fresh();
        let error = hold.create(PASSPHRASE, || Err(Error::failure("no window"))).unwrap_err();
        assert!(error.hint.unwrap().contains("Remove"));
    }
}
