//! The window's settings: a small file beside the vault, read before the vault is open. It holds nothing secret, and
//! nothing in it can open the vault or let anything leave.

use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::view::Settings;

/// Bytes of the file, at most.
const MAX_BYTES: u64 = 64 << 10;
/// The longest time without use, minutes: a day.
const MAX_MINUTES: u32 = 1440;

fn path(dir: &Path) -> PathBuf {
    dir.join("window.json")
}

/// The settings of the window for the vault in `dir`: the usual ones where there is no file or it cannot be read.
pub fn load(dir: &Path) -> Settings {
    let small = std::fs::metadata(path(dir)).is_ok_and(|file| file.len() <= MAX_BYTES);
    let text = if small { std::fs::read(path(dir)).unwrap_or_default() } else { Vec::new() };
    serde_json::from_slice(&text).ok().filter(|settings| check(settings).is_ok()).unwrap_or_default()
}

/// Keeps the settings: whole or not at all.
///
/// # Errors
/// `Usage` for a value out of range; when the folder cannot be written.
pub fn save(dir: &Path, settings: &Settings) -> Result<()> {
    use std::io::Write;
    check(settings)?;
    std::fs::create_dir_all(dir)?;
    let text = serde_json::to_vec_pretty(settings).map_err(|e| Error::failure(e.to_string()))?;
    let mut file = tempfile::NamedTempFile::new_in(dir)?;
    file.write_all(&text)?;
    file.as_file().sync_all()?;
    file.persist(path(dir)).map_err(|error| Error::from(error.error))?;
    Ok(())
}

fn check(settings: &Settings) -> Result<()> {
    if (1..=MAX_MINUTES).contains(&settings.auto_lock_minutes) {
        return Ok(());
    }
    Err(Error::usage(format!("the vault locks after 1 to {MAX_MINUTES} minutes without use")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::Theme;

    #[test]
    fn settings_are_kept() {
        let dir = tempfile::tempdir().expect("a folder");
        let changed = Settings { auto_lock_minutes: 3, theme: Theme::Dark, ..Settings::default() };
        save(dir.path(), &changed).expect("saved");
        assert_eq!(load(dir.path()), changed);
    }

    #[test]
    fn settings_that_make_no_sense_are_the_usual_ones() {
        let dir = tempfile::tempdir().expect("a folder");
        assert_eq!(load(dir.path()), Settings::default());
        for text in ["", "{", "[]", r#"{"auto_lock_minutes":0}"#, r#"{"theme":"neon"}"#, r#"{"other":1}"#] {
            std::fs::write(path(dir.path()), text).expect("written");
            assert_eq!(load(dir.path()), Settings::default(), "{text}");
        }
        std::fs::write(path(dir.path()), vec![b' '; 1 << 20]).expect("written");
        assert_eq!(load(dir.path()), Settings::default());
    }

    #[test]
    fn settings_out_of_range_are_refused() {
        let dir = tempfile::tempdir().expect("a folder");
        for minutes in [0, MAX_MINUTES + 1, u32::MAX] {
            let settings = Settings { auto_lock_minutes: minutes, ..Settings::default() };
            assert!(save(dir.path(), &settings).is_err(), "{minutes}");
        }
        assert_eq!(load(dir.path()), Settings::default());
    }
}
