//! [`crate::system`] with a simulated disk beside the real one: the path decides.

use std::io;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::{MutexGuard, PoisonError};

use super::medium::{self, Medium, Shared};
use crate::system::{self, Expect};

/// A file open for reading and writing.
#[derive(Debug)]
pub(crate) enum File {
    Real(system::File),
    Simulated(Open),
}

/// A simulated file in the hands of a process.
pub(crate) struct Open {
    disk: Shared,
    node: u64,
    process: u64,
    locked: std::sync::atomic::AtomicBool,
}

impl std::fmt::Debug for Open {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "simulated file {}", self.node)
    }
}

impl Open {
    /// The disk, as long as the process that opened the file is the one that runs.
    fn disk(&self) -> io::Result<MutexGuard<'_, Medium>> {
        let disk = locked(&self.disk);
        match disk.process() == self.process {
            true => Ok(disk),
            false => Err(io::Error::other("this file was opened by a process that has ended")),
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        if self.locked.load(std::sync::atomic::Ordering::Relaxed)
            && let Ok(mut disk) = self.disk()
        {
            disk.unlock(self.node);
        }
    }
}

/// The bytes of a file, mapped into memory.
pub(crate) enum Map {
    Real(system::Map),
    Simulated(Vec<u8>),
}

impl Deref for Map {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Map::Real(map) => map,
            Map::Simulated(bytes) => bytes,
        }
    }
}

fn locked(disk: &Shared) -> MutexGuard<'_, Medium> {
    disk.lock().unwrap_or_else(PoisonError::into_inner)
}

impl File {
    pub(crate) fn open(path: &Path, expect: Expect) -> io::Result<File> {
        let Some(disk) = medium::at(path) else { return system::File::open(path, expect).map(File::Real) };
        let (node, process) = {
            let mut disk = locked(&disk);
            (disk.open(path, expect != Expect::New, expect != Expect::Old)?, disk.process())
        };
        Ok(File::Simulated(Open { disk, node, process, locked: false.into() }))
    }

    pub(crate) fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        match self {
            File::Real(file) => file.read_at(buffer, offset),
            File::Simulated(open) => {
                let mut disk = open.disk()?;
                let bytes = disk.read(open.node)?;
                let wanted = bytes.get(offset as usize..).and_then(|rest| rest.get(..buffer.len()));
                buffer.copy_from_slice(wanted.ok_or(io::ErrorKind::UnexpectedEof)?);
                Ok(())
            }
        }
    }

    pub(crate) fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        match self {
            File::Real(file) => file.write_at(bytes, offset),
            File::Simulated(open) => open.disk()?.write(open.node, bytes, offset),
        }
    }

    pub(crate) fn sync(&self) -> io::Result<()> {
        match self {
            File::Real(file) => file.sync(),
            File::Simulated(open) => open.disk()?.sync(open.node),
        }
    }

    pub(crate) fn set_length(&self, length: u64) -> io::Result<()> {
        match self {
            File::Real(file) => file.set_length(length),
            File::Simulated(open) => open.disk()?.set_length(open.node, length),
        }
    }

    pub(crate) fn length(&self) -> io::Result<u64> {
        match self {
            File::Real(file) => file.length(),
            File::Simulated(open) => Ok(open.disk()?.read(open.node)?.len() as u64),
        }
    }

    pub(crate) fn lock(&self) -> io::Result<bool> {
        match self {
            File::Real(file) => file.lock(),
            File::Simulated(open) => {
                let taken = open.disk()?.lock(open.node);
                open.locked.store(taken, std::sync::atomic::Ordering::Relaxed);
                Ok(taken)
            }
        }
    }

    pub(crate) fn unlock(&self) -> io::Result<()> {
        match self {
            File::Real(file) => file.unlock(),
            // It goes with the file: no process is started while it is open.
            File::Simulated(_) => Ok(()),
        }
    }

    pub(crate) fn map(&self) -> io::Result<Map> {
        match self {
            File::Real(file) => file.map().map(Map::Real),
            File::Simulated(open) => Ok(Map::Simulated(open.disk()?.read(open.node)?.to_vec())),
        }
    }
}

/// Does it on the disk that a path is on.
fn on<T>(
    path: &Path,
    simulated: impl FnOnce(&mut Medium) -> io::Result<T>,
    real: impl FnOnce() -> io::Result<T>,
) -> io::Result<T> {
    match medium::at(path) {
        Some(disk) => simulated(&mut locked(&disk)),
        None => real(),
    }
}

pub(crate) fn read(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let simulated = |disk: &mut Medium| {
        let id = disk.id(path)?;
        let bytes = disk.read(id)?;
        Ok(bytes[..bytes.len().min(limit as usize)].to_vec())
    };
    on(path, simulated, || system::read(path, limit))
}

pub(crate) fn length(path: &Path) -> io::Result<u64> {
    let simulated = |disk: &mut Medium| {
        let id = disk.id(path)?;
        Ok(disk.read(id)?.len() as u64)
    };
    on(path, simulated, || system::length(path))
}

pub(crate) fn exists(path: &Path) -> bool {
    on(path, |disk| Ok(disk.exists(path)), || Ok(system::exists(path))).unwrap_or_default()
}

pub(crate) fn list(path: &Path) -> io::Result<Vec<PathBuf>> {
    on(path, |disk| disk.list(path), || system::list(path))
}

pub(crate) fn make_dir(path: &Path) -> io::Result<()> {
    on(path, |disk| disk.make_dir(path), || system::make_dir(path))
}

pub(crate) fn sync_dir(path: &Path) -> io::Result<()> {
    let simulated = |disk: &mut Medium| {
        let id = disk.id(path)?;
        disk.sync(id)
    };
    on(path, simulated, || system::sync_dir(path))
}

pub(crate) fn rename(from: &Path, to: &Path) -> io::Result<()> {
    on(from, |disk| disk.rename(from, to), || system::rename(from, to))
}

pub(crate) fn link(from: &Path, to: &Path) -> io::Result<()> {
    on(from, |disk| disk.link(from, to), || system::link(from, to))
}

pub(crate) fn remove(path: &Path) -> io::Result<()> {
    on(path, |disk| disk.remove(path), || system::remove(path))
}

pub(crate) fn remove_dir(path: &Path) -> io::Result<()> {
    on(path, |disk| disk.remove_dir(path), || system::remove_dir(path))
}

pub(crate) fn restrict(path: &Path) -> io::Result<()> {
    on(path, |_| Ok(()), || system::restrict(path))
}

pub(crate) fn resolve(path: &Path) -> io::Result<PathBuf> {
    on(path, |_| Ok(path.to_path_buf()), || system::resolve(path))
}
