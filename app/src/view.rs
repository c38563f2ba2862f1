//! What the command line prints and the window shows. These types are the only ones of this crate that are
//! serialized for a reader; their field names are the JSON contract. None of them holds a key; the recovery phrase
//! appears once, in [`Init`]. `Display` is the same for a person.

mod dataset;
mod job;
mod manual;
mod market;
mod network;
mod proof;
mod select;
mod settings;
mod task;
mod vault;
mod worker;

pub use dataset::*;
pub use job::*;
pub use manual::*;
pub use market::*;
pub use network::*;
pub use proof::*;
pub use select::*;
pub use settings::*;
pub use task::*;
pub use vault::*;
pub use worker::*;

use std::fmt::{self, Formatter};

use serde::Serialize;

use crate::error::Error;

/// An error, as the window shows it.
#[derive(Serialize, specta::Type, Clone, Debug)]
pub struct Failure {
    /// The word of its code, such as `locked`.
    pub code: String,
    /// What happened.
    pub message: String,
    /// What to do next, where something can be done.
    pub hint: Option<String>,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure { code: error.code.word().to_owned(), message: error.message, hint: error.hint }
    }
}

/// Bytes in IEC units.
fn bytes(count: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if count < 1024 {
        return format!("{count} B");
    }
    let mut value = count as f64 / 1024.0;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

/// Aligned columns under a heading; nothing but the heading for no rows.
fn table(f: &mut Formatter<'_>, heads: &[&str], rows: impl Iterator<Item = Vec<String>>) -> fmt::Result {
    let mut lines = vec![heads.iter().map(|head| (*head).to_owned()).collect::<Vec<_>>()];
    lines.extend(rows);
    let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..heads.len()).map(width).collect();
    for line in &lines {
        let cells: Vec<String> = line.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        writeln!(f, "{}", cells.join("  ").trim_end())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_use_iec_units() {
        assert_eq!(bytes(1023), "1023 B");
        assert_eq!(bytes(1024), "1.0 KiB");
        assert_eq!(bytes(3 << 30), "3.0 GiB");
    }

    #[test]
    fn table_aligns_columns() {
        let shown = Sources { sources: vec![] }.to_string();
        assert_eq!(shown, "source  kinds  records  files  imported\n");
    }
}
