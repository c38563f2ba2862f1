//! What `completions` and `manual` print.

use std::fmt::{self, Display, Formatter};

use serde::Serialize;

/// `completions`
#[derive(Serialize)]
pub struct Completions {
    /// The shell.
    pub shell: String,
    /// What it reads.
    pub script: String,
}

impl Display for Completions {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&self.script)
    }
}

/// `manual`
#[derive(Serialize)]
pub struct ManualPages {
    /// What was written.
    pub files: Vec<String>,
}

impl Display for ManualPages {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.files.iter().try_for_each(|file| writeln!(f, "{file}"))
    }
}
