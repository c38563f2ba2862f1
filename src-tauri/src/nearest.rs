//! Search by meaning in the window: the reading of records as a task, and a model that stays warm for a while after a search.
//! It ends with the lock; what it was asked is nowhere else.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use app::error::{Code, Result};
use app::meaning::{self, Made, Reading};
use app::progress::check_interrupt;
use app::view::{Records, Task, TaskKind};
use app::worker::encoder::Encoder;

use crate::desk::Desk;
use crate::task::Outcome;

/// How long a model stays warm after the last search.
const WARM: Duration = Duration::from_secs(120);
/// How often that is looked at.
const LOOK: Duration = Duration::from_secs(5);

/// The warm model, while there is one. Cloning it names the same.
#[derive(Clone, Default)]
pub struct Warm(Arc<Mutex<Option<Used>>>);

struct Used {
    encoder: Encoder,
    at: Instant,
}

impl Warm {
    /// The records nearest to what `query` means, nearest first; of one source where it is named.
    ///
    /// # Errors
    /// `Locked`; `NotFound` without a model or a source of that name; `Usage` for an empty query; what the worker failed at.
    pub fn search(&self, desk: &Desk, source: Option<&str>, query: &str, limit: usize) -> Result<Records> {
        let mut warm = self.hold();
        desk.hold.open(|home| {
            meaning::check(home, source, query)?;
            let fresh = warm.is_none();
            let mut encoder = match warm.take() {
                Some(used) => used.encoder,
                None => meaning::encoder(home, &desk.device())?,
            };
            let found = meaning::search(home, &mut encoder, source, query, limit)?;
            if desk.hold.is_open() {
                *warm = Some(Used { encoder, at: Instant::now() });
            }
            if fresh {
                self.clone().end_when_unused();
            }
            Ok(found)
        })
    }

    /// Ends the model, once a search that is under way has ended; does not wait for that.
    pub fn end(&self) {
        let warm = self.clone();
        std::thread::spawn(move || warm.hold().take());
    }

    fn end_when_unused(self) {
        std::thread::spawn(move || {
            loop {
                std::thread::sleep(LOOK);
                let mut warm = self.hold();
                if warm.as_ref().is_none_or(|used| used.at.elapsed() > WARM) {
                    warm.take();
                    return;
                }
            }
        });
    }

    fn hold(&self) -> MutexGuard<'_, Option<Used>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads, as a task, all records that were not read with the model yet. Others may change the vault meanwhile.
///
/// # Errors
/// `Locked`; `NotFound` without a model; `Busy` while they are being read.
pub fn read(desk: &Desk) -> Result<Task> {
    let act = |desk: &Desk| {
        let mut reading = desk.hold.open(|home| Reading::start(home, &desk.device()))?;
        while let Some(made) = desk.hold.open(|home| reading.next(home))? {
            keep(desk, &made)?;
        }
        Ok(Outcome::Done)
    };
    desk.hold.open(|_| app::model::for_search().map(|_| ()))?;
    desk.start(TaskKind::Meaning, "", act)
}

/// Keeps what was made, even if it has to wait for a long import.
fn keep(desk: &Desk, made: &Made) -> Result<()> {
    loop {
        match desk.hold.change(|home| made.keep(home)) {
            Err(error) if error.code == Code::Busy => check_interrupt()?,
            done => return done,
        }
    }
}
