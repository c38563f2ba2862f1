//! The window's log: the last lines that this program said of itself, in memory. It names no record and no key.

use std::collections::VecDeque;
use std::io;
use std::sync::{Mutex, PoisonError};

use tracing_subscriber::EnvFilter;

use crate::view;

/// Lines that are kept.
const LINES: usize = 500;
/// Bytes of a line that are kept.
const LINE_BYTES: usize = 2000;

static KEPT: Mutex<VecDeque<String>> = Mutex::new(VecDeque::new());

/// Keeps from now on what this program says of itself: warnings and errors, or what `USUFRUCT_LOG` asks for.
pub fn keep() {
    let filter = EnvFilter::try_from_env("USUFRUCT_LOG").unwrap_or_else(|_| EnvFilter::new("warn"));
    let kept = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false).with_writer(|| Ring).try_init();
    if kept.is_err() {
        note("the log was begun twice");
    }
}

/// Keeps one line.
pub fn note(line: &str) {
    let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    if kept.len() == LINES {
        kept.pop_front();
    }
    kept.push_back(line.chars().take(LINE_BYTES).collect());
}

/// The lines that are kept, the oldest first.
pub fn lines() -> view::Log {
    view::Log { lines: KEPT.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect() }
}

/// Writes into the kept lines.
struct Ring;

impl io::Write for Ring {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        String::from_utf8_lossy(bytes).lines().filter(|line| !line.is_empty()).for_each(note);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_keeps_the_last_lines_only() {
        for number in 0..LINES + 10 {
            note(&format!("line {number} {}", "x".repeat(LINE_BYTES)));
        }
        let lines = lines().lines;
        assert_eq!(lines.len(), LINES);
        assert!(lines[0].starts_with("line 10 ") && lines.iter().all(|line| line.len() <= LINE_BYTES));
    }
}
