//! Progress of long steps: a bar on a terminal, a plain line now and then elsewhere; and the interrupt from the keyboard.

use std::cell::RefCell;
use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::error::{Error, Result};

/// How often a step reports where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(10);

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// Turns Ctrl-C into a flag that long steps look at between two pieces of work. A second Ctrl-C ends the process.
pub fn watch_interrupt() {
    let _ = ctrlc::set_handler(|| {
        if INTERRUPTED.swap(true, Ordering::SeqCst) {
            std::process::exit(130);
        }
        eprintln!("stopping; press Ctrl-C again to stop at once");
    });
}

/// An error once Ctrl-C was pressed, or once whoever watches this thread wants it to stop.
///
/// # Errors
/// `Interrupted` after the first Ctrl-C.
pub fn check_interrupt() -> Result<()> {
    let stopped = watcher().is_some_and(|watch| watch.stopped());
    if stopped || INTERRUPTED.load(Ordering::SeqCst) { Err(Error::interrupted()) } else { Ok(()) }
}

/// Whoever follows what one thread does, in the place of a bar on standard error.
pub trait Watch: Send + Sync {
    /// A stage of a job begins.
    fn stage(&self, stage: Stage);
    /// `done` of `total` is done.
    fn at(&self, done: u64, total: u64);
    /// Should it stop?
    fn stopped(&self) -> bool;
}

/// The stages of a job at its owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Records are read and hashed.
    Read,
    /// The model runs.
    Compute,
    /// The sealed output is stored and committed to, and the challenge drawn.
    Commit,
    /// The proof is made.
    Prove,
    /// The proof goes to the chain.
    Settle,
}

impl Stage {
    /// All of them, in order.
    pub const ALL: [Stage; 5] = [Stage::Read, Stage::Compute, Stage::Commit, Stage::Prove, Stage::Settle];

    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Stage::Read => "read",
            Stage::Compute => "compute",
            Stage::Commit => "commit",
            Stage::Prove => "prove",
            Stage::Settle => "settle",
        }
    }
}

thread_local! {
    static WATCH: RefCell<Option<Arc<dyn Watch>>> = const { RefCell::new(None) };
}

fn watcher() -> Option<Arc<dyn Watch>> {
    WATCH.with_borrow(Clone::clone)
}

/// Does `act` on this thread while `watch` follows it.
pub fn watched<T>(watch: Arc<dyn Watch>, act: impl FnOnce() -> T) -> T {
    struct Unwatch;
    impl Drop for Unwatch {
        fn drop(&mut self) {
            WATCH.set(None);
        }
    }
    WATCH.set(Some(watch));
    let _unwatch = Unwatch;
    act()
}

/// Says that a stage of a job begins on this thread.
pub fn stage(stage: Stage) {
    if let Some(watch) = watcher() {
        watch.stage(stage);
    }
}

/// One long step that reports how far it is, on standard error.
pub struct Progress {
    what: String,
    terminal: bool,
    /// Shown from the first report on: before, nobody knows how much there is.
    bar: Option<indicatif::ProgressBar>,
    last: Instant,
}

impl Progress {
    /// Starts a step. `what` is a short phrase such as "embedding records".
    pub fn start(what: &str) -> Self {
        Progress { what: what.to_owned(), terminal: std::io::stderr().is_terminal(), bar: None, last: Instant::now() }
    }

    fn bar(&self) -> indicatif::ProgressBar {
        let bar = indicatif::ProgressBar::new(0);
        if let Ok(style) = indicatif::ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len} {eta}") {
            bar.set_style(style);
        }
        bar.set_message(self.what.clone());
        bar
    }

    /// Says that `done` of `total` is done.
    ///
    /// # Errors
    /// `Interrupted` once Ctrl-C was pressed: the step should stop and leave nothing behind.
    pub fn at(&mut self, done: u64, total: u64) -> Result<()> {
        if let Some(watch) = watcher() {
            watch.at(done, total);
            return check_interrupt();
        }
        if self.terminal && self.bar.is_none() {
            self.bar = Some(self.bar());
        }
        match &self.bar {
            Some(bar) => {
                bar.set_length(total);
                bar.set_position(done);
            }
            None if self.last.elapsed() >= LINE_EVERY => {
                self.last = Instant::now();
                eprintln!("{}: {done} of {total}", self.what);
            }
            None => {}
        }
        check_interrupt()
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
