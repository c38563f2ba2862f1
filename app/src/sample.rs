//! The bundled sample: real texts in the public domain. Their origin is stated in `tests/data/sample/README.md`.

use std::path::{Path, PathBuf};

use crate::error::Result;

const FILES: [(&str, &[u8]); 3] = [
    ("addresses.json", include_bytes!("../../tests/data/sample/addresses.json")),
    ("messages.mbox", include_bytes!("../../tests/data/sample/messages.mbox")),
    ("monroe-1823.md", include_bytes!("../../tests/data/sample/monroe-1823.md")),
];

/// Writes the sample's files into `folder` and returns it.
///
/// # Errors
/// When the folder cannot be written.
pub fn write(folder: &Path) -> Result<PathBuf> {
    std::fs::create_dir_all(folder)?;
    for (name, bytes) in FILES {
        std::fs::write(folder.join(name), bytes)?;
    }
    Ok(folder.to_owned())
}
