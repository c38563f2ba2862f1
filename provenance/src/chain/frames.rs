//! A small file that only grows: checksummed frames, each on disk before the call returns.
//!
//! Layout: 8 bytes of magic, the acknowledged length (see [`super::extent`]), then frames of `length: u32 LE`,
//! `checksum: 8 bytes` (the first of keccak-256 over the body), `body`. What a crash cut short lies behind the acknowledged
//! length; it is cut off when the file is opened, and that is said. Damage before it is refused.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use alloy::primitives::keccak256;

use super::extent;
use crate::{Error, Result};

/// Magic and acknowledged length.
const FILE_HEADER: usize = 8 + extent::SIZE;
const FRAME_HEADER: usize = 12;
/// No frame comes near this size: a longer length is damage.
const LONGEST_FRAME: usize = 1 << 24;

/// The kind of a file: its first eight bytes.
pub(super) type Magic = [u8; 8];

/// An open file of frames, held by one process at a time.
#[derive(Debug)]
pub(super) struct Frames {
    file: File,
    path: PathBuf,
    magic: Magic,
    /// Bytes of the file that are whole and on disk.
    length: u64,
    /// A write failed: what is on disk is not known, so nothing more is written.
    broken: bool,
    /// Held while the value lives; the operating system releases it when the process dies.
    _lock: File,
}

impl Frames {
    /// Opens the file, or begins one, and returns the bodies of its whole frames in order.
    ///
    /// # Errors
    /// [`Error::Busy`] while another process holds it; [`Error::Integrity`] when it is damaged or of another kind;
    /// [`Error::Io`].
    pub(super) fn open(path: &Path, magic: Magic) -> Result<(Self, Vec<Vec<u8>>)> {
        let lock = lock(path)?;
        if !path.exists() {
            replace(path, magic, &[])?;
        }
        let mut file = OpenOptions::new().read(true).write(true).open(path)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        if bytes.get(..magic.len()) != Some(&magic) {
            return Err(Error::Integrity(format!("{} is not a file of this kind", path.display())));
        }
        let damaged = |at: usize| Error::Integrity(format!("{} is damaged at byte {at}", path.display()));
        let head = bytes[magic.len()..].first_chunk().ok_or_else(|| damaged(bytes.len()))?;
        let acknowledged = extent::decode(head).ok_or_else(|| damaged(magic.len()))?;
        let (bodies, whole) = frames(&bytes, FILE_HEADER);
        if (whole as u64) < acknowledged {
            return Err(damaged(whole));
        }
        let mut frames =
            Self { file, path: path.to_path_buf(), magic, length: whole as u64, broken: false, _lock: lock };
        if whole < bytes.len() {
            let cut = bytes.len() - whole;
            tracing::warn!("{}: an entry of {cut} bytes that a crash cut short was dropped", path.display());
            frames.file.set_len(frames.length)?;
        }
        if frames.length != acknowledged || whole < bytes.len() {
            frames.acknowledge()?;
            frames.file.sync_all()?;
        }
        frames.file.seek(SeekFrom::Start(frames.length))?;
        Ok((frames, bodies))
    }

    /// Appends one frame and waits until it is on disk.
    ///
    /// # Errors
    /// [`Error::Io`] when the disk refuses; from then on every call fails, since a failed sync must not be retried.
    pub(super) fn append(&mut self, body: &[u8]) -> Result<()> {
        if self.broken {
            let text = format!("an earlier entry of {} could not be written; start again", self.path.display());
            return Err(std::io::Error::other(text).into());
        }
        let bytes = frame(body);
        self.broken = true;
        self.file.write_all(&bytes)?;
        self.file.sync_data()?;
        self.length += bytes.len() as u64;
        self.acknowledge()?;
        self.broken = false;
        Ok(())
    }

    /// Says in the file's header how much of it is on disk, and goes back to its end.
    fn acknowledge(&mut self) -> Result<()> {
        self.file.seek(SeekFrom::Start(self.magic.len() as u64))?;
        self.file.write_all(&extent::encode(self.length))?;
        self.file.seek(SeekFrom::Start(self.length))?;
        Ok(())
    }

    /// Replaces everything by these frames, whole or not at all.
    ///
    /// # Errors
    /// [`Error::Io`]; the old file is kept then.
    pub(super) fn rewrite(&mut self, bodies: &[Vec<u8>]) -> Result<()> {
        replace(&self.path, self.magic, bodies)?;
        self.file = OpenOptions::new().write(true).open(&self.path)?;
        self.length = self.file.seek(SeekFrom::End(0))?;
        Ok(())
    }
}

fn lock(path: &Path) -> Result<File> {
    let file = private().write(true).create(true).truncate(false).open(path.with_extension("lock"))?;
    file.try_lock().map_err(|error| match error {
        std::fs::TryLockError::WouldBlock => {
            Error::Busy(format!("another process uses {}; wait until it is done", path.display()))
        }
        std::fs::TryLockError::Error(error) => Error::Io(error),
    })?;
    Ok(file)
}

/// Files here are for their owner alone.
fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

fn replace(path: &Path, magic: Magic, bodies: &[Vec<u8>]) -> Result<()> {
    let draft = path.with_extension("new");
    let mut file = private().write(true).create(true).truncate(true).open(&draft)?;
    let frames: Vec<u8> = bodies.iter().flat_map(|body| frame(body)).collect();
    file.write_all(&magic)?;
    file.write_all(&extent::encode((FILE_HEADER + frames.len()) as u64))?;
    file.write_all(&frames)?;
    file.sync_all()?;
    std::fs::rename(&draft, path)?;
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}

fn frame(body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(body.len() + FRAME_HEADER);
    bytes.extend_from_slice(&(body.len() as u32).to_le_bytes());
    bytes.extend_from_slice(&keccak256(body)[..8]);
    bytes.extend_from_slice(body);
    bytes
}

/// The body of the frame at `at`, when it is whole.
fn body_at(bytes: &[u8], at: usize) -> Option<&[u8]> {
    let head = bytes.get(at..at + FRAME_HEADER)?;
    let length = u32::from_le_bytes([head[0], head[1], head[2], head[3]]) as usize;
    let body = bytes.get(at + FRAME_HEADER..at.checked_add(FRAME_HEADER)?.checked_add(length)?)?;
    let fits = length > 0 && length <= LONGEST_FRAME && keccak256(body)[..8] == head[4..];
    fits.then_some(body)
}

/// The bodies of all whole frames from `start` on, and where the last one ends.
fn frames(bytes: &[u8], start: usize) -> (Vec<Vec<u8>>, usize) {
    let (mut bodies, mut at) = (Vec::new(), start);
    while let Some(body) = body_at(bytes, at) {
        bodies.push(body.to_vec());
        at += FRAME_HEADER + body.len();
    }
    (bodies, at)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAGIC: Magic = *b"USUFTEST";

    fn filled(path: &Path) {
        let (mut frames, bodies) = Frames::open(path, MAGIC).unwrap();
        assert!(bodies.is_empty());
        for body in [&b"one"[..], b"two", b"three"] {
            frames.append(body).unwrap();
        }
    }

    #[test]
    fn frames_are_there_again_after_reopening() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        filled(&path);
        let (mut frames, bodies) = Frames::open(&path, MAGIC).unwrap();
        assert_eq!(bodies, [&b"one"[..], b"two", b"three"]);
        frames.rewrite(&[b"four".to_vec()]).unwrap();
        frames.append(b"five").unwrap();
        drop(frames);
        assert_eq!(Frames::open(&path, MAGIC).unwrap().1, [b"four", b"five"]);
    }

    /// A write cut short anywhere loses itself alone; what was acknowledged before it stays, and writing goes on.
    #[test]
    fn torn_write_of_every_length_is_cut_off() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        filled(&path);
        let whole = std::fs::read(&path).unwrap();
        let next = frame(b"four");
        for length in 0..next.len() {
            for rest in [&b""[..], &[0; 9], &[0xab; 30]] {
                std::fs::write(&path, [&whole[..], &next[..length], rest].concat()).unwrap();
                let (mut frames, bodies) = Frames::open(&path, MAGIC).unwrap();
                assert_eq!(bodies, [&b"one"[..], b"two", b"three"], "{length} and {rest:?}");
                assert_eq!(std::fs::read(&path).unwrap(), whole);
                frames.append(b"next").unwrap();
                drop(frames);
                assert_eq!(Frames::open(&path, MAGIC).unwrap().1.last().unwrap(), b"next");
            }
        }
    }

    /// A frame that is whole and was not acknowledged any more when the process died.
    #[test]
    fn whole_write_behind_the_acknowledged_length_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        filled(&path);
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, [&whole[..], &frame(b"four")].concat()).unwrap();
        assert_eq!(Frames::open(&path, MAGIC).unwrap().1.last().unwrap(), b"four");
        let mut kept = std::fs::read(&path).unwrap();
        kept.pop();
        std::fs::write(&path, &kept).unwrap();
        assert!(matches!(Frames::open(&path, MAGIC), Err(Error::Integrity(_))));
    }

    #[test]
    fn every_altered_or_missing_byte_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        filled(&path);
        let whole = std::fs::read(&path).unwrap();
        for index in 0..whole.len() {
            let mut bad = whole.clone();
            bad[index] ^= 1;
            for bad in [&bad, &whole[..index]] {
                std::fs::write(&path, bad).unwrap();
                assert!(matches!(Frames::open(&path, MAGIC), Err(Error::Integrity(_))), "byte {index}");
                assert_eq!(std::fs::read(&path).unwrap(), *bad);
            }
        }
    }

    #[test]
    fn second_holder_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let held = Frames::open(&path, MAGIC).unwrap();
        assert!(matches!(Frames::open(&path, MAGIC), Err(Error::Busy(_))));
        drop(held);
        Frames::open(&path, MAGIC).unwrap();
    }

    #[test]
    fn file_of_another_kind_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        filled(&path);
        assert!(matches!(Frames::open(&path, *b"USUFELSE"), Err(Error::Integrity(_))));
        std::fs::write(&path, b"").unwrap();
        assert!(matches!(Frames::open(&path, MAGIC), Err(Error::Integrity(_))));
    }

    #[cfg(unix)]
    #[test]
    fn file_is_for_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        filled(&path);
        let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&path).unwrap().permissions());
        assert_eq!(mode & 0o077, 0);
    }

    #[test]
    fn full_disk_stops_all_writing() {
        let folder = tempfile::tempdir().unwrap();
        let (mut frames, _) = Frames::open(&folder.path().join("file"), MAGIC).unwrap();
        frames.file = OpenOptions::new().write(true).open("/dev/full").unwrap();
        assert!(matches!(frames.append(b"x"), Err(Error::Io(_))));
        frames.file = File::create(folder.path().join("other")).unwrap();
        assert!(matches!(frames.append(b"x"), Err(Error::Io(_))));
    }
}
