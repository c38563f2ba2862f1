//! Plain files: objects written out under names that are safe on any file system, verified as they are read.

use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};

use crate::Problem;
use crate::create::resolve;
use crate::disk::{self, File};
use crate::error::{Error, Result};
use crate::gc::Progress;
use crate::object::{Entry, ObjectId};
use crate::vault::Vault;

/// Longest name of a file or folder made here, in bytes.
const NAME_BYTES: usize = 180;

/// An object to be written out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExportItem {
    /// Which object.
    pub id: ObjectId,
    /// The folder to put it in, in the caller's words.
    pub folder: String,
    /// The file's name, in the caller's words.
    pub name: String,
}

impl From<&Entry> for ExportItem {
    /// An object under its own kind and name.
    fn from(entry: &Entry) -> ExportItem {
        ExportItem { id: entry.id, folder: entry.kind.clone(), name: entry.name.clone() }
    }
}

/// What [`Vault::export`] wrote.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exported {
    /// Files written.
    pub files: u64,
    /// Their length in bytes.
    pub bytes: u64,
    /// Objects that could not be read whole, by the folder and name they were to have. No file is left of them.
    pub problems: Vec<Problem>,
}

impl Vault {
    /// Writes objects as plain files into `to`, which must be empty or absent: mode 0600, one folder for each that the
    /// items name. What is not a letter, a digit, a space or one of `-_.,()@+=` becomes `%` and two hexadecimal digits a
    /// byte, and so do a dot in front, and a dot or space at the end; what is longer than 180 bytes is cut and gets a
    /// hash, and so does a name that differs from another in case only. Durable once it returned.
    ///
    /// # Errors
    /// [`Error::Exists`] for a folder that is not empty, [`Error::NotFound`] for an object that does not stand,
    /// [`Error::Interrupted`] (whole files are left), [`Error::Io`]. Damaged objects are in the answer.
    pub fn export(&self, items: &[ExportItem], to: &Path, progress: &mut Progress<'_>) -> Result<Exported> {
        let to = resolve(to)?;
        if disk::exists(&to) && !disk::list(&to)?.is_empty() {
            return Err(Error::Exists(to));
        }
        if to.starts_with(resolve(&self.paths.0)?) {
            return Err(Error::Limit("plain files do not belong into the vault's own folder".into()));
        }
        let total = items.iter().map(|item| Ok(self.record(&item.id)?.0.bytes)).sum::<Result<u64>>()?;
        disk::make_dir(&to)?;
        let (mut taken, mut written, mut done) = (HashSet::new(), Vec::new(), Exported::default());
        let mut folders = HashSet::from([to.clone()]);
        for item in items {
            if progress(done.bytes, total).is_break() {
                return Err(Error::Interrupted);
            }
            let path = unused(&to, item, &mut taken);
            if let Some(folder) = path.parent().filter(|folder| !folders.contains(*folder)) {
                disk::make_dir(folder)?;
                folders.insert(folder.to_path_buf());
            }
            match self.export_one(&item.id, &path) {
                Ok(bytes) => {
                    done.files += 1;
                    done.bytes += bytes;
                    written.push(path);
                }
                Err(Error::Damaged(what)) => {
                    done.problems.push(Problem { what, object: Some((item.folder.clone(), item.name.clone())) });
                }
                Err(error) => return Err(error),
            }
        }
        // Together at the end: the first sync of a file system with little left to write is the costly one.
        for path in &written {
            disk::sync(&disk::open(path)?, path)?;
        }
        folders.iter().try_for_each(|folder| disk::sync_dir(folder))?;
        Ok(done)
    }

    /// Writes one file, or leaves none.
    fn export_one(&self, id: &ObjectId, path: &Path) -> Result<u64> {
        let mut out = Out { file: disk::create(path)?, path, at: 0 };
        let written = self.read_to(id, &mut out);
        if written.is_err() {
            disk::remove(path)?;
        }
        written
    }
}

/// A file being written from its beginning.
struct Out<'a> {
    file: File,
    path: &'a Path,
    at: u64,
}

impl io::Write for Out<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        disk::write_at(&self.file, self.path, bytes, self.at).map_err(|error| match error {
            Error::Io { source, .. } => source,
            other => io::Error::other(other),
        })?;
        self.at += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A path below `to` that no item before it has.
fn unused(to: &Path, item: &ExportItem, taken: &mut HashSet<String>) -> PathBuf {
    let folder = safe_name(&item.folder);
    let mut name = safe_name(&item.name);
    let folded = |name: &str| format!("{folder}/{name}").to_lowercase();
    if taken.contains(&folded(&name)) {
        name = with_hash(&name, format!("{}/{}/{}", item.folder, item.name, taken.len()).as_bytes());
    }
    taken.insert(folded(&name));
    to.join(folder).join(name)
}

/// A name for a file or folder that means nothing to any file system but itself.
fn safe_name(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    let last = text.chars().count().saturating_sub(1);
    for (i, c) in text.chars().enumerate() {
        let edge = (i == 0 && ". -".contains(c)) || (i == last && ". ".contains(c));
        if !edge && (c.is_alphanumeric() || " -_.,()@+=".contains(c)) {
            safe.push(c);
        } else {
            c.encode_utf8(&mut [0; 4]).bytes().for_each(|byte| safe.push_str(&format!("%{byte:02X}")));
        }
    }
    match safe.len() {
        0 => "%".into(),
        1..=NAME_BYTES => safe,
        _ => with_hash(&safe, text.as_bytes()),
    }
}

/// A name cut to leave room for a hash of what makes it different from others.
fn with_hash(name: &str, of: &[u8]) -> String {
    let mut cut = name.len().min(NAME_BYTES - 17);
    while !name.is_char_boundary(cut) {
        cut -= 1;
    }
    let hash = blake3::hash(of);
    format!("{}~{}", &name[..cut], hex::encode(&hash.as_bytes()[..8]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_mean_something_to_a_file_system_are_escaped() {
        for (name, safe) in [
            ("letter 3.txt", "letter 3.txt"),
            ("..", "%2E%2E"),
            (".", "%2E"),
            ("../../etc/passwd", "%2E.%2F..%2Fetc%2Fpasswd"),
            ("/etc/passwd", "%2Fetc%2Fpasswd"),
            ("mail/17", "mail%2F17"),
            ("a\\b", "a%5Cb"),
            ("c:stream", "c%3Astream"),
            ("nul\0byte", "nul%00byte"),
            ("line\nbreak", "line%0Abreak"),
            ("50%", "50%25"),
            ("-rf", "%2Drf"),
            (".hidden", "%2Ehidden"),
            ("end. ", "end.%20"),
            ("end.", "end%2E"),
            (" ", "%20"),
            ("Grüße", "Grüße"),
            ("\u{202e}gpj.exe", "%E2%80%AEgpj.exe"),
            ("", "%"),
        ] {
            assert_eq!(safe_name(name), safe, "{name:?}");
        }
    }

    #[test]
    fn safe_names_are_short_distinct_and_one_component() {
        let mut seen = HashSet::new();
        for i in 0..2000u32 {
            let bytes = blake3::hash(&i.to_le_bytes());
            let long: String = bytes.as_bytes().iter().flat_map(|b| char::from_u32(u32::from(*b) * 7)).collect();
            for name in [long.clone(), long.repeat(15), format!("{}{i}", "/".repeat(400))] {
                let safe = safe_name(&name);
                assert!(safe.len() <= NAME_BYTES && !safe.contains(['/', '\\', '\0']) && safe != "." && safe != "..");
                assert!(!safe.starts_with('.') && seen.insert(safe));
            }
        }
    }

    #[test]
    fn names_equal_but_for_case_get_different_files() {
        let item = |name: &str| ExportItem { id: ObjectId([0; 32]), folder: "f".into(), name: name.into() };
        let mut taken = HashSet::new();
        let paths: HashSet<String> = ["Letter", "letter", "LETTER", "letter", "leTTer"]
            .iter()
            .map(|name| unused(Path::new("/x"), &item(name), &mut taken).to_string_lossy().to_lowercase())
            .collect();
        assert_eq!(paths.len(), 5);
    }
}
