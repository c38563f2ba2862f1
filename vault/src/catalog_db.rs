//! The catalog's database: sled, with its errors in this crate's words.
//!
//! sled frees what a batch replaced only once the whole batch is applied: some 12 KB a key, and much more while the nodes of
//! its tree split. A large batch is therefore written down first and then applied in parts; one that was cut short is
//! finished at the next opening.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use crate::disk;
use crate::error::{Error, Result};
use crate::seal::Reader;

/// sled counts less than it takes: with 16 MiB, storing 300,000 objects took 330 MB more, and no less time.
const CACHE_BYTES: u64 = 1024 * 1024;
/// Keys that sled changes at once, at most.
const PART: usize = if cfg!(test) { 8 } else { 64 };
/// How often freeing is asked for after a part. Each time frees 512 pieces of memory at most.
const FREE_STEPS: usize = 4;
/// Bytes of one piece of what is written down: sled puts nodes of more than 128 KiB into files that it never syncs, and a
/// node has up to 16 pieces.
const PIECE: usize = 4096;
/// The tree that a large batch is written down in, and the key that says how many pieces it has, once all are there.
const PENDING: &str = "pending";
const PIECES: &[u8] = b"pieces";
/// In place of a value's length where the key is taken away.
const GONE: u16 = u16::MAX;
/// Ten seconds: sled lets go of its lock on a thread of its own, which a busy machine may keep waiting, and a process that
/// is being started has the lock too until it becomes another program.
const LOCK_TRIES: u32 = 500;
const LOCK_PAUSE: std::time::Duration = std::time::Duration::from_millis(20);

/// A key and its value.
pub(crate) type Pair = (Vec<u8>, Vec<u8>);

/// Keys and their new values, in order; `None` takes a key away.
pub(crate) type Batch = Vec<(Vec<u8>, Option<Vec<u8>>)>;

/// An open database.
pub(crate) struct Db {
    pub(crate) sled: sled::Db,
    pending: sled::Tree,
}

impl Db {
    /// Opens sled. A handle of this process that was just dropped may hold its lock a moment longer.
    pub(crate) fn open(dir: &Path) -> Result<Db> {
        disk::make_dir(dir)?;
        for _ in 0..LOCK_TRIES {
            match try_open(dir) {
                Err(Error::Busy { .. }) => std::thread::sleep(LOCK_PAUSE),
                other => return other,
            }
        }
        try_open(dir)
    }

    pub(crate) fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        Ok(self.sled.get(key).map_err(fault)?.map(|value| value.to_vec()))
    }

    /// All pairs whose key starts with a prefix, in the order of their keys.
    pub(crate) fn scan(&self, prefix: &[u8]) -> impl Iterator<Item = Result<Pair>> + use<> {
        self.sled.scan_prefix(prefix).enumerate().map(|(n, pair)| {
            if n % PART == 0 {
                free();
            }
            pair.map(|(k, v)| (k.to_vec(), v.to_vec())).map_err(fault)
        })
    }

    /// Applies changes, all or none. After an error it is open which: the caller makes the catalog's mark worthless.
    pub(crate) fn apply(&self, changes: Batch) -> Result<()> {
        // What a failed one left would be finished over what is newer.
        self.forget()?;
        if changes.len() <= PART {
            return self.apply_part(&changes);
        }
        self.write_down(&changes)?;
        changes.chunks(PART).try_for_each(|part| self.apply_part(part))?;
        self.forget()
    }

    fn apply_part(&self, part: &[(Vec<u8>, Option<Vec<u8>>)]) -> Result<()> {
        let mut batch = sled::Batch::default();
        for (key, value) in part {
            match value {
                Some(value) => batch.insert(key.as_slice(), value.as_slice()),
                None => batch.remove(key.as_slice()),
            }
        }
        self.sled.apply_batch(batch).map_err(fault)?;
        free();
        Ok(())
    }

    /// sled has one log for all its trees and finds a beginning of it again: where this number is, all pieces are.
    fn write_down(&self, changes: &Batch) -> Result<()> {
        let bytes = encode(changes)?;
        let pieces = bytes.chunks(PIECE);
        let count = pieces.len() as u32;
        for (number, piece) in (0u32..).zip(pieces) {
            self.pending.insert(number.to_be_bytes(), piece).map_err(fault)?;
        }
        self.pending.insert(PIECES, &count.to_be_bytes()).map(drop).map_err(fault)
    }

    fn forget(&self) -> Result<()> {
        match self.pending.contains_key(PIECES).map_err(fault)? {
            true => self.pending.remove(PIECES).map(drop).map_err(fault),
            false => Ok(()),
        }
    }

    /// Applies what an earlier process wrote down and did not finish.
    fn finish(&self) -> Result<()> {
        let unreadable = || Error::damaged("catalog: what was written down cannot be read");
        let Some(count) = self.pending.get(PIECES).map_err(fault)? else { return Ok(()) };
        let count = u32::from_be_bytes(count.as_ref().try_into().map_err(|_| unreadable())?);
        let mut bytes = Vec::new();
        for number in 0..count {
            let piece = self.pending.get(number.to_be_bytes()).map_err(fault)?.ok_or_else(unreadable)?;
            bytes.extend_from_slice(&piece);
        }
        let changes = decode(&bytes).ok_or_else(unreadable)?;
        changes.chunks(PART).try_for_each(|part| self.apply_part(part))?;
        self.forget()
    }

    /// Number of keys.
    pub(crate) fn len(&self) -> u64 {
        self.sled.len() as u64
    }

    pub(crate) fn flush(&self) -> Result<()> {
        self.sled.flush().map(|_| ()).map_err(fault)
    }
}

/// Frees what sled let go of. It leaves that to crossbeam-epoch, which by itself frees a little now and then: less than an
/// import lets go of.
fn free() {
    for _ in 0..FREE_STEPS {
        crossbeam_epoch::pin().flush();
    }
}

fn encode(changes: &Batch) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    for (key, value) in changes {
        let key_length = u8::try_from(key.len()).ok();
        let length = value.as_ref().map_or(Some(GONE), |v| u16::try_from(v.len()).ok().filter(|l| *l != GONE));
        let (Some(key_length), Some(length)) = (key_length, length) else {
            return Err(Error::Limit("catalog: a key or a value is too long".into()));
        };
        out.push(key_length);
        out.extend_from_slice(&length.to_le_bytes());
        out.extend_from_slice(key);
        out.extend_from_slice(value.as_deref().unwrap_or_default());
    }
    Ok(out)
}

fn decode(bytes: &[u8]) -> Option<Batch> {
    let mut fields = Reader(bytes);
    let mut changes = Batch::new();
    while !fields.0.is_empty() {
        let (key_length, length) = (fields.u8()?, fields.u16()?);
        let key = fields.bytes(key_length.into())?.to_vec();
        let value = match length {
            GONE => None,
            length => Some(fields.bytes(length.into())?.to_vec()),
        };
        changes.push((key, value));
    }
    Some(changes)
}

fn fault(error: sled::Error) -> Error {
    match error {
        sled::Error::Io(source) => Error::io("use", Path::new("the catalog"))(source),
        other => Error::damaged(format!("catalog: {other}")),
    }
}

/// Opens sled. It panics on some damage; that counts as damage too.
fn try_open(dir: &Path) -> Result<Db> {
    let config = sled::Config::new().path(dir).cache_capacity(CACHE_BYTES).flush_every_ms(None);
    let open = || {
        let sled = config.open()?;
        Ok((sled.open_tree(PENDING)?, sled))
    };
    let (pending, sled) = match catch_unwind(AssertUnwindSafe(open)) {
        Ok(Ok(opened)) => opened,
        // sled reports a held lock as `Other`, with the reason in the text only.
        Ok(Err(sled::Error::Io(e))) if e.to_string().contains("could not acquire lock") => {
            return Err(Error::Busy { pid: None });
        }
        Ok(Err(error)) => return Err(fault(error)),
        Err(_) => return Err(Error::damaged("catalog: the database cannot be read")),
    };
    let db = Db { sled, pending };
    db.finish()?;
    Ok(db)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open() -> (tempfile::TempDir, Db) {
        let dir = tempfile::TempDir::new().unwrap();
        let db = Db::open(dir.path()).unwrap();
        (dir, db)
    }

    /// Keys 0 to 99 with values of many lengths, over what `old` gives: every third key is taken away.
    fn large() -> Batch {
        let value = |n: u8| (!n.is_multiple_of(3)).then(|| vec![n; usize::from(n) * 7]);
        (0..100).map(|n| (vec![n], value(n))).collect()
    }

    fn old() -> Batch {
        (0..100).step_by(2).map(|n| (vec![n], Some(vec![0xee]))).collect()
    }

    fn all(db: &Db) -> Vec<Pair> {
        db.scan(&[]).collect::<Result<_>>().unwrap()
    }

    fn wanted(changes: Batch) -> Vec<Pair> {
        changes.into_iter().filter_map(|(key, value)| Some((key, value?))).collect()
    }

    #[test]
    fn large_batch_is_applied_whole() {
        let (dir, db) = open();
        db.apply(old()).unwrap();
        db.apply(large()).unwrap();
        assert_eq!(all(&db), wanted(large()));
        drop(db);
        assert_eq!(all(&Db::open(dir.path()).unwrap()), wanted(large()));
    }

    #[test]
    fn large_batch_cut_short_anywhere_is_all_there_or_not_at_all() {
        for parts in 0..=large().len().div_ceil(PART) {
            let (dir, db) = open();
            db.apply(old()).unwrap();
            db.write_down(&large()).unwrap();
            large().chunks(PART).take(parts).for_each(|part| db.apply_part(part).unwrap());
            drop(db);
            assert_eq!(all(&Db::open(dir.path()).unwrap()), wanted(large()), "{parts}");
        }
        let (dir, db) = open();
        db.apply(old()).unwrap();
        db.write_down(&large()).unwrap();
        db.pending.remove(PIECES).unwrap();
        drop(db);
        assert_eq!(all(&Db::open(dir.path()).unwrap()), wanted(old()), "not all of it written down");
    }

    #[test]
    fn batch_that_failed_is_not_finished_over_a_newer_one() {
        let (dir, db) = open();
        db.write_down(&large()).unwrap();
        db.apply(vec![(vec![1], Some(b"newer".to_vec()))]).unwrap();
        drop(db);
        assert_eq!(all(&Db::open(dir.path()).unwrap()), [(vec![1], b"newer".to_vec())]);
    }

    #[test]
    fn altered_pieces_are_an_error() {
        let pieces = encode(&large()).unwrap().len().div_ceil(PIECE) as u32;
        assert!(pieces > 2);
        let alter: [&dyn Fn(&sled::Tree); 5] = [
            &|tree| drop(tree.remove(1u32.to_be_bytes()).unwrap()),
            &|tree| drop(tree.insert(1u32.to_be_bytes(), &b"short"[..]).unwrap()),
            &|tree| drop(tree.insert(PIECES, &(pieces - 1).to_be_bytes()).unwrap()),
            &|tree| drop(tree.insert(PIECES, &u32::MAX.to_be_bytes()).unwrap()),
            &|tree| drop(tree.insert(PIECES, &b"no number"[..]).unwrap()),
        ];
        for (n, alter) in alter.iter().enumerate() {
            let (dir, db) = open();
            db.write_down(&large()).unwrap();
            alter(&db.pending);
            drop(db);
            assert!(matches!(Db::open(dir.path()), Err(Error::Damaged(_))), "{n}");
        }
    }

    #[test]
    fn value_that_cannot_be_written_down_is_refused() {
        let (_dir, db) = open();
        let mut changes = large();
        changes.push((vec![200], Some(vec![0; usize::from(GONE)])));
        assert!(matches!(db.apply(changes), Err(Error::Limit(_))));
        assert_eq!(db.len(), 0);
    }
}
