//! The kinds of computation an owner can permit. A consumer supplies parameters, never code or weights.

pub mod embed;
pub mod statistic;
pub mod train;

/// What a progress callback answers: go on, or stop the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Continue {
    /// Go on.
    Yes,
    /// Stop after the batch in hand; the run ends with [`crate::Error::Stopped`].
    No,
}
