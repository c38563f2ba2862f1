//! Earning while the vault is locked: what is ready for it while the vault is open, and what goes on when it is not.

use std::sync::{Mutex, MutexGuard, PoisonError};

use app::args::DeviceChoice;
use app::earn::{self, Armed, Passed};
use app::error::{Code, Result};
use app::view::Earning;

use crate::hold::Hold;

/// What is ready, and after which change of the vault it was made ready.
#[derive(Default)]
pub struct Earn {
    /// Held while a job is carried out.
    armed: Mutex<Option<Armed>>,
    /// The same for a reader, who does not wait.
    shown: Mutex<Shown>,
}

#[derive(Default)]
struct Shown {
    /// Changes of the vault that are known here; none before the first look.
    at: Option<u64>,
    earning: Option<Earning>,
}

impl Earn {
    /// Gets ready by what is on in the open vault, unless nothing changed since. After a failure nothing is ready until
    /// something changes.
    ///
    /// # Errors
    /// `Locked`, `Busy`; when the vault cannot be read.
    pub fn arm(&self, hold: &Hold) -> Result<()> {
        if locked(&self.shown).at == Some(hold.changes()) {
            return Ok(());
        }
        hold.still(|home, changes| {
            let mut armed = locked(&self.armed);
            let made = earn::arm(home, armed.take());
            *locked(&self.shown) = Shown { at: Some(changes), earning: None };
            *armed = made?;
            locked(&self.shown).earning = armed.as_ref().map(|armed| armed.shown().clone());
            Ok(())
        })
    }

    /// Whether something was ready when last looked at.
    pub fn is_on(&self) -> bool {
        locked(&self.shown).earning.is_some()
    }

    /// What goes on with the vault closed; nothing where it changed after all was made ready.
    pub fn shown(&self, hold: &Hold) -> Option<Earning> {
        let shown = locked(&self.shown);
        shown.earning.clone().filter(|_| shown.at == Some(hold.changes()))
    }

    /// Looks at the chain once with the vault closed; how many jobs were committed.
    pub fn look(&self, hold: &Hold, device: &DeviceChoice) -> usize {
        let mut armed = locked(&self.armed);
        if self.shown(hold).is_none() {
            return 0;
        }
        let Some(ready) = armed.as_mut() else { return 0 };
        match ready.look(device) {
            Ok(Passed::Committed(jobs)) => jobs,
            Ok(Passed::Over) => {
                *armed = None;
                *locked(&self.shown) = Shown::default();
                0
            }
            Err(error) => {
                if error.code != Code::Interrupted {
                    app::log::note(&format!("nothing was earned while the vault was locked: {:?}", error.code));
                }
                0
            }
        }
    }

    /// Drops what is ready: keys are wiped, copies removed. Waits for what is being done.
    pub fn disarm(&self) {
        *locked(&self.armed) = None;
        *locked(&self.shown) = Shown::default();
    }

    /// The same before the program ends, which waits for nothing: what is being done ends with it.
    pub fn disarm_now(&self) {
        if let Ok(mut armed) = self.armed.try_lock() {
            *armed = None;
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
