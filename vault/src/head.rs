//! The head: commits that end a batch, the small file that says which is the newest, and the mark kept elsewhere.

use std::path::{Path, PathBuf};

use crate::disk::{self, File};
use crate::error::{Error, Result};
use crate::key::Keys;
use crate::object::{CatalogName, ObjectId};
use crate::pack::{Location, PackId};
use crate::seal::{BOX, Reader};

const SLOT: usize = 4096;
/// Length of the head file.
pub(crate) const SIZE: u64 = 2 * SLOT as u64;

/// A sum of keyed hashes modulo 2^256: the same for the same set, whatever the order of its making.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sum([u64; 4]);

impl Sum {
    pub(crate) fn from_bytes(bytes: &[u8; 32]) -> Sum {
        let mut fields = Reader(bytes);
        Sum(std::array::from_fn(|_| fields.u64().unwrap_or_default()))
    }

    pub(crate) fn to_bytes(self) -> [u8; 32] {
        let mut out = [0; 32];
        out.as_chunks_mut::<8>().0.iter_mut().zip(self.0).for_each(|(o, limb)| *o = limb.to_le_bytes());
        out
    }

    pub(crate) fn add(&mut self, other: Sum) {
        let mut carry = false;
        for (limb, more) in self.0.iter_mut().zip(other.0) {
            let (sum, first) = limb.overflowing_add(more);
            let (sum, second) = sum.overflowing_add(u64::from(carry));
            (*limb, carry) = (sum, first | second);
        }
    }

    pub(crate) fn subtract(&mut self, other: Sum) {
        let mut borrow = false;
        for (limb, less) in self.0.iter_mut().zip(other.0) {
            let (rest, first) = limb.overflowing_sub(less);
            let (rest, second) = rest.overflowing_sub(u64::from(borrow));
            (*limb, borrow) = (rest, first | second);
        }
    }

    /// What one live object adds to the live sum.
    pub(crate) fn of_object(keys: &Keys, name: &CatalogName, id: &ObjectId, sequence: u64) -> Sum {
        let mut hasher = blake3::Hasher::new_keyed(&keys.live);
        hasher.update(name).update(&id.0).update(&sequence.to_le_bytes());
        Sum::from_bytes(hasher.finalize().as_bytes())
    }

    /// What one pack adds to the pack sum.
    pub(crate) fn of_pack(keys: &Keys, pack: &PackId) -> Sum {
        let mut hasher = blake3::Hasher::new_keyed(&keys.pack);
        hasher.update(&pack.number.to_le_bytes()).update(&pack.id);
        Sum::from_bytes(hasher.finalize().as_bytes())
    }
}

/// What stands in the vault, in figures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Live {
    pub(crate) objects: u64,
    pub(crate) bytes: u64,
    pub(crate) sum: Sum,
    /// The greatest sequence given out.
    pub(crate) sequence: u64,
}

/// Points at a commit in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) counter: u64,
    pub(crate) id: [u8; 32],
    pub(crate) at: Location,
}

impl Mark {
    const SIZE: usize = 56;

    pub(crate) fn encode(&self) -> [u8; Mark::SIZE] {
        let mut out = [0; Mark::SIZE];
        out[..8].copy_from_slice(&self.counter.to_le_bytes());
        out[8..12].copy_from_slice(&self.at.pack.to_le_bytes());
        out[12..20].copy_from_slice(&u64::from(self.at.offset).to_le_bytes());
        out[20..24].copy_from_slice(&self.at.length.to_le_bytes());
        out[24..].copy_from_slice(&self.id);
        out
    }

    pub(crate) fn read(fields: &mut Reader<'_>) -> Option<Mark> {
        let (counter, pack) = (fields.u64()?, fields.u32()?);
        let offset = u32::try_from(fields.u64()?).ok()?;
        let at = Location { pack, offset, length: fields.u32()? };
        Some(Mark { counter, at, id: fields.array()? })
    }
}

/// The content of a commit entry: the state of the whole vault after its batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Commit {
    pub(crate) counter: u64,
    pub(crate) epoch: u32,
    pub(crate) live: Live,
    pub(crate) packs: u32,
    pub(crate) pack_sum: Sum,
    pub(crate) previous: [u8; 32],
    pub(crate) retired: Vec<u32>,
}

impl Commit {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(144 + 4 * self.retired.len());
        out.extend_from_slice(&self.counter.to_le_bytes());
        out.extend_from_slice(&self.live.sequence.to_le_bytes());
        out.extend_from_slice(&self.epoch.to_le_bytes());
        out.extend_from_slice(&self.live.objects.to_le_bytes());
        out.extend_from_slice(&self.live.bytes.to_le_bytes());
        out.extend_from_slice(&self.live.sum.to_bytes());
        out.extend_from_slice(&self.packs.to_le_bytes());
        out.extend_from_slice(&self.pack_sum.to_bytes());
        out.extend_from_slice(&self.previous);
        out.extend_from_slice(&(self.retired.len() as u32).to_le_bytes());
        self.retired.iter().for_each(|n| out.extend_from_slice(&n.to_le_bytes()));
        out
    }

    pub(crate) fn decode(body: &[u8]) -> Option<Commit> {
        let mut fields = Reader(body);
        let (counter, sequence, epoch) = (fields.u64()?, fields.u64()?, fields.u32()?);
        let (objects, bytes) = (fields.u64()?, fields.u64()?);
        let live = Live { objects, bytes, sum: Sum::from_bytes(&fields.array()?), sequence };
        let (packs, pack_sum) = (fields.u32()?, Sum::from_bytes(&fields.array()?));
        let previous = fields.array()?;
        let count = fields.u32()? as usize;
        if fields.0.len() != count.checked_mul(4)? {
            return None;
        }
        let retired = (0..count).map(|_| fields.u32()).collect::<Option<Vec<u32>>>()?;
        Some(Commit { counter, epoch, live, packs, pack_sum, previous, retired })
    }
}

/// What the two slots of the head file say.
pub(crate) struct Heads {
    /// The newest mark that verifies, with the header's epoch it was written under.
    pub(crate) newest: (Mark, u32),
    /// Does the other slot verify too? If not, it may have held a newer mark.
    pub(crate) both: bool,
}

/// The head file, open for writing.
pub(crate) struct HeadFile {
    file: File,
    path: PathBuf,
}

impl HeadFile {
    /// Makes the file with the first commit's mark in both slots. A later mark with an even counter fills the first
    /// alone; the next commit fills the other.
    pub(crate) fn create(path: &Path, keys: &Keys, first: Mark, epoch: u32) -> Result<HeadFile> {
        let head = HeadFile { file: disk::create(path)?, path: path.to_path_buf() };
        disk::write_at(&head.file, path, &[0; 2 * SLOT], 0)?;
        head.put(keys, &Mark { counter: 0, ..first }, epoch)?;
        head.write(keys, &first, epoch)?;
        Ok(head)
    }

    pub(crate) fn open(path: &Path) -> Result<HeadFile> {
        match disk::open(path) {
            Err(Error::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
                Err(Error::damaged("the head file is missing"))
            }
            other => Ok(HeadFile { file: other?, path: path.to_path_buf() }),
        }
    }

    /// Reads both slots. An error unless at least one verifies.
    pub(crate) fn read(&self, keys: &Keys) -> Result<Heads> {
        let length = disk::length_of(&self.file, &self.path)?;
        if length != 2 * SLOT as u64 {
            return Err(Error::damaged(format!("head: its length is {length}, not {}", 2 * SLOT)));
        }
        let slots = [self.slot(keys, 0)?, self.slot(keys, 1)?];
        let both = slots.iter().all(Option::is_some);
        match slots.into_iter().flatten().max_by_key(|(mark, _)| mark.counter) {
            // Counter 0 is the first commit, written a second time to fill the other slot.
            Some((mark, epoch)) if mark.counter == 0 => {
                Ok(Heads { newest: (Mark { counter: 1, ..mark }, epoch), both })
            }
            Some(newest) => Ok(Heads { newest, both }),
            None => Err(Error::damaged("head: neither of its two slots authenticates")),
        }
    }

    /// Writes a mark over the older slot and syncs it.
    pub(crate) fn write(&self, keys: &Keys, mark: &Mark, epoch: u32) -> Result<()> {
        self.put(keys, mark, epoch)?;
        disk::sync(&self.file, &self.path)
    }

    /// Writes the slot of a mark anew, byte for byte as it can be read, and syncs it.
    pub(crate) fn write_again(&self, mark: &Mark) -> Result<()> {
        let (mut sealed, offset) = (vec![0; SLOT], mark.counter % 2 * SLOT as u64);
        disk::read_at(&self.file, &self.path, &mut sealed, offset)?;
        disk::write_at(&self.file, &self.path, &sealed, offset)?;
        disk::sync(&self.file, &self.path)
    }

    fn put(&self, keys: &Keys, mark: &Mark, epoch: u32) -> Result<()> {
        let slot = (mark.counter % 2) as u8;
        let mut plain = vec![0; SLOT - BOX];
        plain[..56].copy_from_slice(&mark.encode());
        plain[56..60].copy_from_slice(&epoch.to_le_bytes());
        let sealed = keys.head.seal(&[&[slot]], &plain)?;
        disk::write_at(&self.file, &self.path, &sealed, u64::from(slot) * SLOT as u64)
    }

    fn slot(&self, keys: &Keys, slot: u8) -> Result<Option<(Mark, u32)>> {
        let mut sealed = vec![0; SLOT];
        disk::read_at(&self.file, &self.path, &mut sealed, u64::from(slot) * SLOT as u64)?;
        let decode = |plain: &[u8]| {
            let mut fields = Reader(plain);
            let (mark, epoch) = (Mark::read(&mut fields)?, fields.u32()?);
            fields.zeros()?;
            (mark.counter % 2 == u64::from(slot)).then_some((mark, epoch))
        };
        Ok(keys.head.open(&[&[slot]], &sealed).and_then(|plain| decode(&plain)))
    }
}

/// The highest head seen on this machine, kept outside the vault's folder.
pub(crate) struct Seen {
    path: PathBuf,
}

impl Seen {
    pub(crate) fn new(state: &Path, keys: &Keys) -> Result<Seen> {
        disk::make_dir(state)?;
        Ok(Seen { path: state.join(format!("{}.seen", hex::encode(keys.vault))) })
    }

    /// Counter and id of the newest commit seen, where that is known.
    pub(crate) fn newest(&self, keys: &Keys) -> Option<(u64, [u8; 32])> {
        let sealed = disk::read(&self.path, 4096).ok()?;
        let opened = keys.seen.open(&[], &sealed).and_then(|plain| {
            let mut fields = Reader(&plain);
            Some((fields.u64()?, fields.array::<32>()?))
        });
        if opened.is_none() {
            tracing::warn!("the record of the highest head seen does not authenticate and is ignored");
        }
        opened
    }

    /// Refuses a vault whose newest commit is older than, or not the same as, the one seen.
    pub(crate) fn check(&self, keys: &Keys, newest: &Mark) -> Result<()> {
        let Some((counter, id)) = self.newest(keys) else { return Ok(()) };
        match counter.cmp(&newest.counter) {
            std::cmp::Ordering::Greater => Err(Error::Rollback(format!(
                "its newest commit is number {}, but number {counter} was seen on this machine",
                newest.counter
            ))),
            std::cmp::Ordering::Equal if id != newest.id => {
                Err(Error::Rollback(format!("its commit number {counter} is not the one seen on this machine")))
            }
            _ => Ok(()),
        }
    }

    /// Remembers a commit. Not synced: a power failure may lose the newest, never make one up.
    pub(crate) fn write(&self, keys: &Keys, mark: &Mark) -> Result<()> {
        let mut plain = mark.counter.to_le_bytes().to_vec();
        plain.extend_from_slice(&mark.id);
        disk::replace_unsynced(&self.path, &keys.seen.seal(&[], &plain)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sum_carries_and_borrows_across_limbs() {
        let ones = Sum::from_bytes(&[0xff; 32]);
        let mut one = [0; 32];
        one[0] = 1;
        let mut sum = ones;
        sum.add(Sum::from_bytes(&one));
        assert_eq!(sum, Sum::default());
        sum.subtract(Sum::from_bytes(&one));
        assert_eq!(sum, ones);
    }

    #[test]
    fn commit_cut_or_extended_is_refused() {
        let commit = Commit {
            counter: 3,
            epoch: 1,
            live: Live::default(),
            packs: 2,
            pack_sum: Sum::default(),
            previous: [4; 32],
            retired: vec![1, 9],
        };
        let bytes = commit.encode();
        assert_eq!(Commit::decode(&bytes), Some(commit));
        (0..bytes.len()).for_each(|n| assert_eq!(Commit::decode(&bytes[..n]), None));
        assert_eq!(Commit::decode(&[bytes.as_slice(), &[0]].concat()), None);
    }
}
