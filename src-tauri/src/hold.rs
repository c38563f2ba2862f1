//! What the process holds between two commands: the vault while it is open, and a recovery phrase until it was shown.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use app::error::{Code, Error, Result};
use app::home::{AutoLock, Home};
use zeroize::{Zeroize, Zeroizing};

/// The vault's folder, the open vault, the phrase.
pub struct Hold {
    dir: PathBuf,
    home: AutoLock<Home>,
    phrase: Mutex<Option<Zeroizing<String>>>,
}

impl Hold {
    /// Nothing held yet, for the vault in `dir`. What will be held is dropped after `idle` without use; `told` hears that.
    pub fn new(dir: PathBuf, idle: Duration, told: impl Fn() + Send + 'static) -> Self {
        Hold { dir, home: AutoLock::new(idle, told), phrase: Mutex::new(None) }
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
        *lock(&self.phrase) = Some(Zeroizing::new(std::mem::take(&mut created.recovery_phrase)));
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

    /// Locks the vault, once what is running with it has ended; `hide` then closes the window that shows the phrase.
    ///
    /// # Errors
    /// What `hide` returns. The vault is locked all the same.
    pub fn lock(&self, hide: impl FnOnce() -> Result<()>) -> Result<()> {
        self.home.lock();
        self.forget_phrase();
        hide()
    }

    /// What `ask` says of the open vault.
    ///
    /// # Errors
    /// `Locked` while there is none; what `ask` returns.
    pub fn open<T>(&self, ask: impl FnOnce(&Home) -> Result<T>) -> Result<T> {
        self.if_open(ask)?.ok_or_else(|| Error::new(Code::Locked, "the vault is locked").hint("Unlock it first."))
    }

    /// What `ask` says of the open vault; nothing while it is locked.
    ///
    /// # Errors
    /// What `ask` returns.
    pub fn if_open<T>(&self, ask: impl FnOnce(&Home) -> Result<T>) -> Result<Option<T>> {
        self.home.with(|home| ask(home)).transpose()
    }

    /// Somebody is at the window: counts as use.
    pub fn touch(&self) {
        self.home.touch();
    }

    /// The recovery phrase: the first time, and never again.
    pub fn take_phrase(&self) -> Option<String> {
        lock(&self.phrase).take().map(|mut phrase| std::mem::take(&mut *phrase))
    }

    /// Forgets a phrase that nobody took.
    pub fn forget_phrase(&self) {
        if let Some(mut phrase) = lock(&self.phrase).take() {
            phrase.zeroize();
        }
    }
}

/// A command that panicked leaves a vault that is still sound: what it did not commit does not count.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
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
        let phrase = hold.take_phrase().unwrap();
        assert_eq!(phrase.split(' ').count(), 24);
        assert!(hold.take_phrase().is_none());
    }

    #[test]
    fn phrase_is_forgotten_with_its_window_and_with_the_lock() {
        let (_dir, hold) = fresh();
        hold.create(PASSPHRASE, || Ok(())).unwrap();
        hold.forget_phrase();
        assert!(hold.take_phrase().is_none());
        let (_dir, hold) = fresh();
        hold.create(PASSPHRASE, || Ok(())).unwrap();
        hold.lock(|| Ok(())).unwrap();
        assert!(hold.take_phrase().is_none());
    }

    #[test]
    fn locked_vault_answers_nothing() {
        let (_dir, hold) = fresh();
        hold.create(PASSPHRASE, || Ok(())).unwrap();
        assert!(hold.if_open(app::status::vault).unwrap().is_some());
        hold.lock(|| Ok(())).unwrap();
        assert!(hold.if_open(app::status::vault).unwrap().is_none());
        assert_eq!(hold.open(app::library::sources).err().unwrap().code, Code::Locked);
        assert_eq!(hold.open(app::dataset::list).err().unwrap().code, Code::Locked);
    }

    #[test]
    fn lock_locks_even_when_the_phrase_cannot_be_hidden() {
        let (_dir, hold) = fresh();
        hold.create(PASSPHRASE, || Ok(())).unwrap();
        assert!(hold.lock(|| Err(Error::failure("no window"))).is_err());
        assert!(hold.if_open(app::status::vault).unwrap().is_none());
        assert!(hold.take_phrase().is_none());
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
