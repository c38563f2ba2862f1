//! What the vault asks of the operating system, one call each. No other file of the vault names `std::fs`, so that tests
//! can put a simulated disk in this module's place.

use std::fs::{self, DirBuilder, OpenOptions, Permissions, TryLockError};
use std::io::{self, Read};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use memmap2::Mmap;

/// Which file an opening expects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expect {
    /// One that exists.
    Old,
    /// None: it is made.
    New,
    /// Either.
    Any,
}

/// A file open for reading and writing.
#[derive(Debug)]
pub(crate) struct File(fs::File);

/// The bytes of a file, mapped into memory.
pub(crate) type Map = Mmap;

impl File {
    /// Opens a file; a new one has mode 0600.
    pub(crate) fn open(path: &Path, expect: Expect) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).mode(0o600);
        match expect {
            Expect::Old => &mut options,
            Expect::New => options.create_new(true),
            Expect::Any => options.create(true).truncate(false),
        };
        options.open(path).map(File)
    }

    pub(crate) fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.0.read_exact_at(buffer, offset)
    }

    pub(crate) fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.0.write_all_at(bytes, offset)
    }

    pub(crate) fn sync(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    pub(crate) fn set_length(&self, length: u64) -> io::Result<()> {
        self.0.set_len(length)
    }

    pub(crate) fn length(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    /// Takes the file's lock for as long as it is open; `false` where another holds it.
    pub(crate) fn lock(&self) -> io::Result<bool> {
        match self.0.try_lock() {
            Ok(()) => Ok(true),
            Err(TryLockError::WouldBlock) => Ok(false),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// Gives the lock back, whoever else has the file open by this descriptor or a copy of it.
    pub(crate) fn unlock(&self) -> io::Result<()> {
        self.0.unlock()
    }

    /// Maps the file into memory, for files that are never changed or shortened once they are mapped.
    #[allow(unsafe_code)]
    pub(crate) fn map(&self) -> io::Result<Map> {
        // SAFETY: index runs are written once under a random name, never changed or shortened by this program, in a
        // folder that only the owner can write to and that the vault's lock keeps to one process; bytes read from them
        // are authenticated.
        unsafe { Mmap::map(&self.0) }
    }
}

/// All bytes of a file, which at most `limit` are read of.
pub(crate) fn read(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    fs::File::open(path)?.take(limit).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Length of a file in bytes.
pub(crate) fn length(path: &Path) -> io::Result<u64> {
    Ok(fs::metadata(path)?.len())
}

pub(crate) fn exists(path: &Path) -> bool {
    path.exists()
}

/// What is in a folder, in any order.
pub(crate) fn list(path: &Path) -> io::Result<Vec<PathBuf>> {
    fs::read_dir(path)?.map(|item| Ok(item?.path())).collect()
}

/// Makes a folder with mode 0700, and its parents.
pub(crate) fn make_dir(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

pub(crate) fn sync_dir(path: &Path) -> io::Result<()> {
    fs::File::open(path)?.sync_all()
}

pub(crate) fn rename(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)
}

/// A second name for a file, or where the file system has none, a synced copy.
pub(crate) fn link(from: &Path, to: &Path) -> io::Result<()> {
    fs::hard_link(from, to).or_else(|_| {
        fs::copy(from, to)?;
        fs::File::open(to)?.sync_all()
    })
}

pub(crate) fn remove(path: &Path) -> io::Result<()> {
    fs::remove_file(path)
}

pub(crate) fn remove_dir(path: &Path) -> io::Result<()> {
    fs::remove_dir_all(path)
}

/// Gives a folder mode 0700 and all files below it mode 0600.
pub(crate) fn restrict(path: &Path) -> io::Result<()> {
    fs::set_permissions(path, Permissions::from_mode(0o700))?;
    for item in list(path)? {
        match item.is_dir() {
            true => restrict(&item)?,
            false => fs::set_permissions(&item, Permissions::from_mode(0o600))?,
        }
    }
    Ok(())
}

/// Listens at a socket of mode 0600 in a folder of mode 0700, which is made; a socket that is left there is replaced.
pub(crate) fn listen(path: &Path) -> io::Result<UnixListener> {
    let folder = path.parent().unwrap_or(Path::new("."));
    make_dir(folder)?;
    check_private(folder)?;
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(path)?;
    fs::set_permissions(path, Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// Connects to a socket, if nobody else can have made it and a process of this user listens there.
pub(crate) fn connect(path: &Path) -> io::Result<UnixStream> {
    check_private(path.parent().unwrap_or(Path::new(".")))?;
    let stream = UnixStream::connect(path)?;
    check_same_user(&stream).map(|()| stream)
}

/// Refuses a connection whose other end was opened by a process of another user, root among them. Modes of folder and
/// socket keep others away already; this holds if those are changed.
pub(crate) fn check_same_user(stream: &UnixStream) -> io::Result<()> {
    match peer(stream)? == own_user() {
        true => Ok(()),
        false => Err(io::Error::new(io::ErrorKind::PermissionDenied, "a process of another user is at the other end")),
    }
}

/// The user, as the kernel noted it when the other end connected or began to listen.
#[allow(unsafe_code)]
fn peer(stream: &UnixStream) -> io::Result<u32> {
    let mut peer = libc::ucred { pid: 0, uid: u32::MAX, gid: u32::MAX };
    let mut length = size_of::<libc::ucred>() as libc::socklen_t;
    // SAFETY: the descriptor is open for as long as `stream` is borrowed; the kernel writes at most `length` bytes to
    // `peer`, which has that many and of which all values are valid.
    let done = unsafe {
        libc::getsockopt(
            stream.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_PEERCRED,
            (&raw mut peer).cast(),
            &raw mut length,
        )
    };
    match done {
        0 if length as usize == size_of::<libc::ucred>() => Ok(peer.uid),
        0 => Err(io::ErrorKind::InvalidData.into()),
        _ => Err(io::Error::last_os_error()),
    }
}

#[allow(unsafe_code)]
fn own_user() -> u32 {
    // SAFETY: it takes nothing, cannot fail and changes nothing.
    unsafe { libc::geteuid() }
}

/// Refuses a folder that is not this user's alone.
fn check_private(folder: &Path) -> io::Result<()> {
    let folder = fs::symlink_metadata(folder)?;
    match folder.is_dir() && folder.uid() == own_user() && folder.mode() & 0o077 == 0 {
        true => Ok(()),
        false => Err(io::Error::new(io::ErrorKind::PermissionDenied, "its folder is open to other users")),
    }
}

/// The path without links and relative parts, whether or not something is there.
pub(crate) fn resolve(path: &Path) -> io::Result<PathBuf> {
    match path.exists() {
        true => path.canonicalize(),
        false => std::path::absolute(path),
    }
}
