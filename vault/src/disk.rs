//! Files and folders as the vault wants them: owner only, replaced atomically, synced when said so.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::{Error, Result};
// In the crate's own tests paths on a simulated disk go to that disk; all others to the operating system.
#[cfg(test)]
use crate::sim::system;
#[cfg(not(test))]
use crate::system;
use crate::system::Expect;

pub(crate) use system::{File, Map};

/// Makes a folder with mode 0700, and its parents.
pub(crate) fn make_dir(path: &Path) -> Result<()> {
    system::make_dir(path).map_err(Error::io("create the folder", path))
}

/// Makes a new file with mode 0600, open for reading and writing. Fails if it exists.
pub(crate) fn create(path: &Path) -> Result<File> {
    File::open(path, Expect::New).map_err(Error::io("create", path))
}

/// Opens a file for reading and writing, making it with mode 0600 where there is none.
pub(crate) fn open_or_create(path: &Path) -> Result<File> {
    File::open(path, Expect::Any).map_err(Error::io("open", path))
}

/// Opens an existing file for reading and writing.
pub(crate) fn open(path: &Path) -> Result<File> {
    File::open(path, Expect::Old).map_err(Error::io("open", path))
}

/// Reads a file of at most `limit` bytes. A longer one is refused as damaged.
pub(crate) fn read(path: &Path, limit: u64) -> Result<Vec<u8>> {
    let length = length(path)?;
    if length > limit {
        return Err(Error::damaged(format!("{} is longer than it can be ({length} bytes)", path.display())));
    }
    system::read(path, limit).map_err(Error::io("read", path))
}

/// Length of a file in bytes.
pub(crate) fn length(path: &Path) -> Result<u64> {
    system::length(path).map_err(Error::io("read", path))
}

/// Length in bytes of a file that is open.
pub(crate) fn length_of(file: &File, path: &Path) -> Result<u64> {
    file.length().map_err(Error::io("read", path))
}

/// Is there a file or folder of that name?
pub(crate) fn exists(path: &Path) -> bool {
    system::exists(path)
}

/// Paths of what is in a folder, in any order.
pub(crate) fn list(path: &Path) -> Result<Vec<PathBuf>> {
    system::list(path).map_err(Error::io("list", path))
}

/// Fills `buffer` from `offset`. A file that ends before is an [`Error::Io`] of kind `UnexpectedEof`.
pub(crate) fn read_at(file: &File, path: &Path, buffer: &mut [u8], offset: u64) -> Result<()> {
    file.read_at(buffer, offset).map_err(Error::io("read", path))
}

/// Writes all of `bytes` at `offset`.
pub(crate) fn write_at(file: &File, path: &Path, bytes: &[u8], offset: u64) -> Result<()> {
    file.write_at(bytes, offset).map_err(Error::io("write", path))
}

/// Shortens a file.
pub(crate) fn shorten(file: &File, path: &Path, length: u64) -> Result<()> {
    file.set_length(length).map_err(Error::io("shorten", path))
}

/// Maps a file into memory, for files that are never changed or shortened afterwards.
pub(crate) fn map(file: &File, path: &Path) -> Result<Map> {
    file.map().map_err(Error::io("map", path))
}

/// Makes a file's bytes durable. A failure is final: it must never be tried again on the same file.
pub(crate) fn sync(file: &File, path: &Path) -> Result<()> {
    file.sync().map_err(Error::io("sync", path))
}

/// Makes created, renamed and deleted names in a folder durable.
pub(crate) fn sync_dir(path: &Path) -> Result<()> {
    system::sync_dir(path).map_err(Error::io("sync", path))
}

/// Replaces a file whole: temporary file, sync, rename, sync of the folder. After a crash it is the old or the new one.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> Result<()> {
    let file = write_new(path, bytes)?;
    sync(&file, path)?;
    rename_new(path)?;
    match path.parent() {
        Some(parent) => sync_dir(parent),
        None => Ok(()),
    }
}

/// Replaces a file whole without syncing, for what may be lost in a power failure.
pub(crate) fn replace_unsynced(path: &Path, bytes: &[u8]) -> Result<()> {
    write_new(path, bytes)?;
    rename_new(path)
}

fn write_new(path: &Path, bytes: &[u8]) -> Result<File> {
    let temporary = path.with_extension("new");
    remove(&temporary)?;
    let file = create(&temporary)?;
    write_at(&file, &temporary, bytes, 0)?;
    Ok(file)
}

fn rename_new(path: &Path) -> Result<()> {
    rename(&path.with_extension("new"), path).map_err(Error::io("replace", path))
}

/// Gives a file or folder another name in the same folder. The error is the system's own: its kind matters to callers.
pub(crate) fn rename(from: &Path, to: &Path) -> io::Result<()> {
    system::rename(from, to)
}

/// A second name for a file's bytes, so that they stay when the first is deleted. Its folder is not synced.
pub(crate) fn keep_as(from: &Path, to: &Path) -> Result<()> {
    remove(to)?;
    system::link(from, to).map_err(Error::io("set aside", from))
}

/// Does an error say that there is no room left?
pub(crate) fn out_of_space(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// Deletes a file; one that is not there is no error.
pub(crate) fn remove(path: &Path) -> Result<()> {
    unless_absent(system::remove(path)).map_err(Error::io("delete", path))
}

/// Deletes a folder and all in it; one that is not there is no error.
pub(crate) fn remove_dir(path: &Path) -> Result<()> {
    unless_absent(system::remove_dir(path)).map_err(Error::io("delete", path))
}

/// What is not there need not be taken away.
pub(crate) fn unless_absent(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Gives a folder mode 0700 and all files below it mode 0600.
pub(crate) fn restrict(path: &Path) -> Result<()> {
    system::restrict(path).map_err(Error::io("set the mode of", path))
}

/// The path without links and relative parts, whether or not something is there.
pub(crate) fn resolve(path: &Path) -> Result<PathBuf> {
    system::resolve(path).map_err(Error::io("find", path))
}

/// The lock of a file, given back when the last copy of this is dropped.
#[derive(Clone)]
pub(crate) struct Lock {
    _held: Arc<Held>,
}

struct Held(File);

impl Drop for Held {
    /// To close the file would not do: a process that is being started has a copy of every descriptor until it becomes
    /// another program, and with them the lock.
    fn drop(&mut self) {
        if let Err(error) = self.0.unlock() {
            tracing::warn!(%error, "the vault's lock was not given back before its file was closed");
        }
    }
}

/// Takes the lock of a file for as long as it is kept, and writes this process's id into it. [`Error::Busy`] with the
/// holder's id if it is taken.
pub(crate) fn lock(path: &Path) -> Result<Lock> {
    let file = open_or_create(path)?;
    if !file.lock().map_err(Error::io("lock", path))? {
        return Err(Error::Busy { pid: holder(path) });
    }
    // The id is a courtesy to others: a full disk must not keep the vault from opening.
    let id = std::process::id().to_string();
    if let Err(error) = file.set_length(0).and_then(|()| file.write_at(id.as_bytes(), 0)) {
        tracing::warn!(%error, "the lock file does not name this process");
    }
    Ok(Lock { _held: Arc::new(Held(file)) })
}

/// The process id that the holder of a lock wrote into it.
pub(crate) fn holder(path: &Path) -> Option<u32> {
    let text = system::read(path, 20).ok()?;
    String::from_utf8_lossy(&text).trim().parse().ok()
}

#[cfg(test)]
mod tests {
    /// The lines of this crate's sources outside their tests that name something.
    fn lines_naming(words: &[&str]) -> Vec<String> {
        let sources = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let mut found = Vec::new();
        for item in std::fs::read_dir(sources).unwrap() {
            let path = item.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            // Stamps are of files that the caller read: they are not the vault's own.
            if name.ends_with(".rs") && name != "system.rs" && name != "stamps.rs" {
                let text = std::fs::read_to_string(&path).unwrap();
                let code = text.split("#[cfg(test)]\nmod tests").next().unwrap();
                let lines = code.lines().filter(|line| words.iter().any(|word| line.contains(word)));
                found.extend(lines.map(|line| format!("{name}: {}", line.trim())));
            }
        }
        found
    }

    #[test]
    fn files_are_reached_through_this_module_only() {
        let words = ["std::fs", "fs::", "OpenOptions", ".exists()", ".read_dir()", ".is_dir()", ".canonicalize()"];
        let found = lines_naming(&words);
        assert!(found.is_empty(), "these go around the disk layer: {found:#?}");
    }
}
