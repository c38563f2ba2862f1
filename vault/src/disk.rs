//! Files and folders as the vault wants them: owner only, replaced atomically, synced when said so.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use crate::error::{Error, Result};

/// Makes a folder with mode 0700, and its parents.
pub(crate) fn make_dir(path: &Path) -> Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(Error::io("create the folder", path))
}

/// Makes a new file with mode 0600, open for reading and writing. Fails if it exists.
pub(crate) fn create(path: &Path) -> Result<File> {
    OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path).map_err(Error::io("create", path))
}

/// Opens a file for reading and writing, making it with mode 0600 where there is none.
pub(crate) fn open_or_create(path: &Path) -> Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .map_err(Error::io("open", path))
}

/// Opens an existing file for reading and writing.
pub(crate) fn open(path: &Path) -> Result<File> {
    OpenOptions::new().read(true).write(true).open(path).map_err(Error::io("open", path))
}

/// Reads a file of at most `limit` bytes. A longer one is refused as damaged.
pub(crate) fn read(path: &Path, limit: u64) -> Result<Vec<u8>> {
    let length = fs::metadata(path).map_err(Error::io("read", path))?.len();
    if length > limit {
        return Err(Error::damaged(format!("{} is longer than it can be ({length} bytes)", path.display())));
    }
    fs::read(path).map_err(Error::io("read", path))
}

/// Fills `buffer` from `offset`. A file that ends before is an [`Error::Io`] of kind `UnexpectedEof`.
pub(crate) fn read_at(file: &File, path: &Path, buffer: &mut [u8], offset: u64) -> Result<()> {
    file.read_exact_at(buffer, offset).map_err(Error::io("read", path))
}

/// Writes all of `bytes` at `offset`.
pub(crate) fn write_at(file: &File, path: &Path, bytes: &[u8], offset: u64) -> Result<()> {
    file.write_all_at(bytes, offset).map_err(Error::io("write", path))
}

/// Makes a file's bytes durable. A failure is final: it must never be tried again on the same file.
pub(crate) fn sync(file: &File, path: &Path) -> Result<()> {
    file.sync_data().map_err(Error::io("sync", path))
}

/// Makes created, renamed and deleted names in a folder durable.
pub(crate) fn sync_dir(path: &Path) -> Result<()> {
    let dir = File::open(path).map_err(Error::io("open", path))?;
    dir.sync_all().map_err(Error::io("sync", path))
}

/// Replaces a file whole: temporary file, sync, rename, sync of the folder. After a crash it is the old or the new one.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> Result<()> {
    let file = write_new(path, bytes)?;
    file.sync_all().map_err(Error::io("sync", path))?;
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
    fs::rename(path.with_extension("new"), path).map_err(Error::io("replace", path))
}

/// Deletes a file; one that is not there is no error.
pub(crate) fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(Error::io("delete", path)(e)),
        _ => Ok(()),
    }
}

/// Deletes a folder and all in it; one that is not there is no error.
pub(crate) fn remove_dir(path: &Path) -> Result<()> {
    match fs::remove_dir_all(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(Error::io("delete", path)(e)),
        _ => Ok(()),
    }
}

/// Gives a folder mode 0700 and all files below it mode 0600.
pub(crate) fn restrict(path: &Path) -> Result<()> {
    let set = |p: &Path, mode| {
        fs::set_permissions(p, fs::Permissions::from_mode(mode)).map_err(Error::io("set the mode of", p))
    };
    set(path, 0o700)?;
    for item in fs::read_dir(path).map_err(Error::io("list", path))? {
        let item = item.map_err(Error::io("list", path))?.path();
        match item.is_dir() {
            true => restrict(&item)?,
            false => set(&item, 0o600)?,
        }
    }
    Ok(())
}
