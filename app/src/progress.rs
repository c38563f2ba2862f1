//! Progress of long steps: a bar on a terminal, a plain line now and then elsewhere; and the interrupt from the keyboard.

use std::io::IsTerminal;
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

/// An error once Ctrl-C was pressed.
///
/// # Errors
/// `Interrupted` after the first Ctrl-C.
pub fn check_interrupt() -> Result<()> {
    if INTERRUPTED.load(Ordering::SeqCst) { Err(Error::interrupted()) } else { Ok(()) }
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
