//! The vault: put, read, find, list, remove and commit over the log, the index and the catalog.

use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use zeroize::Zeroizing;

use crate::check::{CheckDepth, Problem, Report};
use crate::chunk::{Encoding, Windows};
use crate::disk::{self, Lock};
use crate::error::{Error, Result};
use crate::head::{Commit, HeadFile, Live, Mark, Seen};
use crate::index::Index;
use crate::key::{Header, KdfCost, Keys, Secret, Unlock};
use crate::log::{Gap, Log};
use crate::object::{Entry, ObjectId, Removal, catalog_name, kind_prefix};
use crate::open::{self, OnDamage, Options, Paths};
use crate::pack::Type;
use crate::put::now_ms;
use crate::replay::{accept_rebuilt, rebuild};
use crate::reserve::Reserve;
use crate::sealing::Sealing;
use crate::standing::Standing;
use crate::survey::Survey;

/// The index goes to disk at a commit once this many entries are in memory only.
const INDEX_FLUSH: usize = if cfg!(test) { 16 } else { 1024 };
/// At closing it goes to disk from this many on; fewer are replayed faster than a run is written.
const INDEX_FLUSH_CLOSING: usize = if cfg!(test) { 4 } else { 64 };

/// What [`Vault::put`] did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// The object's id.
    pub id: ObjectId,
    /// Its length in bytes.
    pub bytes: u64,
    /// How many of them the vault did not hold yet.
    pub new_bytes: u64,
    /// Did this very object (kind, name and content) stand already? Then nothing was written.
    pub duplicate: bool,
}

/// The vault in figures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// The vault's id, hexadecimal.
    pub vault_id: String,
    /// Objects that stand.
    pub objects: u64,
    /// Their length in bytes, before deduplication and compression.
    pub bytes: u64,
    /// Length of all packs in bytes.
    pub stored_bytes: u64,
    /// Number of packs.
    pub packs: u64,
    /// Key slots in the header.
    pub slots: u64,
    /// Number of the last commit.
    pub commits: u64,
}

/// An open vault. It holds the only lock on its folder until it is dropped.
pub struct Vault {
    pub(crate) paths: Paths,
    pub(crate) header: Header,
    pub(crate) head: HeadFile,
    pub(crate) seen: Option<Seen>,
    pub(crate) log: Log,
    pub(crate) index: RwLock<Index>,
    pub(crate) standing: Standing,
    pub(crate) last: Mark,
    /// Is the head known to be on the disk?
    pub(crate) head_sure: bool,
    /// Making the catalog anew failed half way: what is not in it may stand all the same.
    pub(crate) half_made: bool,
    pub(crate) reserve: Reserve,
    pub(crate) keys: Arc<Keys>,
    /// What [`Vault::put`] reads into, wiped at the next commit.
    pub(crate) windows: Windows,
    /// Threads that seal, once there was something for them to do. Only [`Vault::put`] uses them; the lock lets a vault
    /// be read from several threads.
    pub(crate) sealing: Mutex<Option<Sealing>>,
    pub(crate) _lock: Lock,
}

impl std::fmt::Debug for Vault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Vault({})", self.paths.0.display())
    }
}

impl Vault {
    /// Makes a vault in `dir`, which must be empty or absent, with a slot for the passphrase and one for the recovery
    /// phrase's 32 bytes of entropy, and opens it. A crash leaves either no vault or a whole one.
    ///
    /// # Errors
    /// [`Error::Exists`] if the folder is not empty, [`Error::Limit`] if the cost is out of bounds, [`Error::Io`].
    pub fn create(dir: &Path, passphrase: &Secret, recovery_entropy: &[u8; 32], cost: KdfCost) -> Result<Vault> {
        Vault::create_with(dir, passphrase, recovery_entropy, cost, &Options::default())
    }

    /// [`Vault::create`] with options.
    ///
    /// # Errors
    /// As [`Vault::create`].
    pub fn create_with(
        dir: &Path,
        passphrase: &Secret,
        recovery_entropy: &[u8; 32],
        cost: KdfCost,
        options: &Options,
    ) -> Result<Vault> {
        crate::create::create(dir, passphrase, recovery_entropy, cost, options)
    }

    /// Opens the vault in `dir`.
    ///
    /// # Errors
    /// [`Error::NotFound`] where there is none, [`Error::WrongKey`], [`Error::Busy`] while it is open elsewhere,
    /// [`Error::Unsupported`], [`Error::Damaged`], [`Error::Rollback`], [`Error::Io`].
    pub fn open(dir: &Path, unlock: &Unlock) -> Result<Vault> {
        Vault::open_with(dir, unlock, &Options::default())
    }

    /// [`Vault::open`] with options.
    ///
    /// # Errors
    /// As [`Vault::open`].
    pub fn open_with(dir: &Path, unlock: &Unlock, options: &Options) -> Result<Vault> {
        open::open(dir, unlock, options)
    }

    /// All bytes of an object, every chunk authenticated and its id recomputed. Wiped from memory when dropped.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Damaged`] naming object and pack if a bit is not as it was written, [`Error::Io`].
    pub fn read(&self, id: &ObjectId) -> Result<Zeroizing<Vec<u8>>> {
        let (object, _) = self.record(id)?;
        let length = usize::try_from(object.bytes).map_err(|_| Error::Limit("the object exceeds memory".into()))?;
        let mut out = Zeroizing::new(Vec::new());
        out.try_reserve_exact(length).map_err(|_| Error::Limit("the object exceeds memory".into()))?;
        self.each_chunk(&object, &mut |plaintext| {
            out.extend_from_slice(plaintext);
            Ok(())
        })?;
        Ok(out)
    }

    /// Writes an object's bytes to `out`, one verified chunk at a time. On an error `out` has a correct beginning only.
    /// Returns the number of bytes.
    ///
    /// # Errors
    /// As [`Vault::read`], and [`Error::Io`] from `out`.
    pub fn read_to(&self, id: &ObjectId, out: &mut dyn Write) -> Result<u64> {
        let (object, _) = self.record(id)?;
        self.each_chunk(&object, &mut |plaintext| {
            let failed = |source| Error::Io { doing: "write", path: "what was read".into(), source };
            out.write_all(plaintext).map_err(failed)
        })?;
        Ok(object.bytes)
    }

    /// All bytes of the object that stands under (kind, name), if one does.
    ///
    /// # Errors
    /// As [`Vault::read`], without [`Error::NotFound`].
    pub fn read_named(&self, kind: &str, name: &str) -> Result<Option<Zeroizing<Vec<u8>>>> {
        self.find(kind, name)?.map(|entry| self.read(&entry.id)).transpose()
    }

    /// The object that stands under (kind, name), if one does.
    ///
    /// # Errors
    /// [`Error::Damaged`] or [`Error::Io`] from the catalog.
    pub fn find(&self, kind: &str, name: &str) -> Result<Option<Entry>> {
        let found = self.noticed(self.standing.get(&catalog_name(&self.keys, kind, name)))?;
        Ok(found.map(|located| located.entry))
    }

    /// Does the object with this id stand?
    ///
    /// # Errors
    /// As [`Vault::find`].
    pub fn stands(&self, id: &ObjectId) -> Result<bool> {
        Ok(self.noticed(self.standing.by_id(id))?.is_some())
    }

    /// Visits the id of every object that stands.
    pub(crate) fn each_standing(&self, visit: &mut dyn FnMut(ObjectId)) -> Result<()> {
        self.noticed(self.standing.each_id(visit))
    }

    /// All objects of a kind that stand, oldest first.
    ///
    /// # Errors
    /// As [`Vault::find`].
    pub fn list(&self, kind: &str) -> Result<Vec<Entry>> {
        let found = self.noticed(self.standing.scan(&kind_prefix(&self.keys, kind)))?;
        let mut entries: Vec<Entry> = found.into_iter().map(|l| l.entry).filter(|e| e.kind == kind).collect();
        entries.sort_unstable_by_key(|e| e.sequence);
        Ok(entries)
    }

    /// Lets an object no longer stand. Durable once [`Vault::commit`] returned; its bytes stay in the packs until they
    /// are collected.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Stopped`], [`Error::Io`].
    pub fn remove(&mut self, id: &ObjectId) -> Result<()> {
        let found = self.noticed(self.standing.by_id(id))?;
        let (name, located) = found.ok_or_else(|| Error::NotFound(format!("object {id}")))?;
        let sequence = self.standing.live.sequence + 1;
        let Entry { kind, name: text, .. } = located.entry.clone();
        let body = Removal { kind, name: text, sequence, time_ms: now_ms() }.encode();
        self.freeing(|vault| vault.log.append(Type::Removal, id.0, Encoding::Bytes, body.len(), &body))?;
        self.standing.replace(&self.keys, name, Some(located), None);
        self.standing.live.sequence = sequence;
        Ok(())
    }

    /// How many objects were stored or removed since the last commit. Each takes memory until then: who stores very many
    /// commits now and then.
    pub fn uncommitted(&self) -> usize {
        self.standing.changed()
    }

    /// Makes everything since the last commit durable, all of it or none. One sync of each pack written to and one of
    /// the head, however many objects there are.
    ///
    /// # Errors
    /// [`Error::Io`]: nothing since the last commit is durable. After a failed sync this handle no longer writes
    /// ([`Error::Stopped`]); after a full disk the commit can be tried again.
    pub fn commit(&mut self) -> Result<()> {
        match self.log.pending() {
            true => self.commit_batch(),
            false => Ok(()),
        }
    }

    /// Commits, even if nothing was appended.
    pub(crate) fn commit_batch(&mut self) -> Result<()> {
        self.windows = Windows::default();
        self.freeing(Vault::end_batch)?;
        self.follow_up();
        Ok(())
    }

    /// Does something that takes away only, if need be with the room of the reserve.
    pub(crate) fn freeing<T>(&mut self, act: impl Fn(&mut Vault) -> Result<T>) -> Result<T> {
        match act(self) {
            Err(Error::Io { source, .. })
                if disk::out_of_space(&source) && !self.log.adds() && !self.log.stopped() && self.reserve.spend() =>
            {
                act(self)
            }
            other => other,
        }
    }

    /// Writes the commit and the head. Once this returns the batch is durable; [`Vault::follow_up`] comes next.
    pub(crate) fn end_batch(&mut self) -> Result<()> {
        self.log.make_room()?;
        let (packs, pack_sum) = self.log.census(&[]);
        let commit = Commit {
            counter: self.last.counter + 1,
            epoch: self.header.epoch,
            live: self.standing.live,
            packs,
            pack_sum,
            previous: self.last.id,
            retired: self.log.retired(),
        };
        let (id, body) = (self.log.batch_id(), commit.encode());
        let at = self.log.append(Type::Commit, id, Encoding::Bytes, body.len(), &body)?;
        self.log.sync()?;
        let mark = Mark { counter: commit.counter, id, at };
        self.write_head(&mark)?;
        self.log.committed(&id, mark.counter);
        self.last = mark;
        Ok(())
    }

    fn write_head(&mut self, mark: &Mark) -> Result<()> {
        let written = self.make_head_sure().and_then(|()| self.head.write(&self.keys, mark, self.header.epoch));
        if let Err(error) = &written {
            self.log.stop(error.to_string());
        }
        written
    }

    /// An earlier process may have failed to sync the head: what can be read of it need not be on the disk. It is written
    /// and synced once more before the other slot is given up.
    fn make_head_sure(&mut self) -> Result<()> {
        if !std::mem::replace(&mut self.head_sure, true) {
            self.head.write_again(&self.last)?;
        }
        Ok(())
    }

    /// What is made anew when it is missing need not be durable, and its failure does not undo a commit.
    pub(crate) fn follow_up(&mut self) {
        let mark = self.last;
        if let Err(error) = self.standing.apply(&mark) {
            tracing::warn!(%error, "the catalog fell behind and is made anew at the next opening");
            self.standing.catalog.invalidate();
        }
        let index = self.index.get_mut().unwrap_or_else(PoisonError::into_inner);
        if index.recent() >= INDEX_FLUSH {
            index.flush(mark).unwrap_or_else(|error| tracing::warn!(%error, "the chunk index was not written"));
        }
        if let Some(Err(error)) = self.seen.as_ref().map(|seen| seen.write(&self.keys, &mark)) {
            tracing::warn!(%error, "the highest head seen was not recorded");
        }
        if let Err(error) = self.log.sweep() {
            tracing::warn!(%error, "packs that nothing needs were not deleted yet");
        }
        self.reserve.renew();
    }

    /// A key for the program's own use: 32 bytes, different for each purpose and vault, the same at every opening.
    pub fn derive(&self, purpose: &str) -> Zeroizing<[u8; 32]> {
        self.keys.app(purpose)
    }

    /// The vault in figures.
    ///
    /// # Errors
    /// [`Error::Io`] if a pack cannot be looked at.
    pub fn status(&self) -> Result<Status> {
        let mut stored_bytes = 0;
        for number in self.log.packs().keys() {
            stored_bytes += self.log.length(*number)?;
        }
        Ok(Status {
            vault_id: hex::encode(self.keys.vault),
            objects: self.standing.live.objects,
            bytes: self.standing.live.bytes,
            stored_bytes,
            packs: self.log.packs().len() as u64,
            slots: self.header.slots() as u64,
            commits: self.last.counter,
        })
    }

    /// Compares everything on disk with everything else. Problems are in the report, not errors.
    ///
    /// # Errors
    /// [`Error::Io`] if the disk refuses.
    pub fn check(&self, depth: CheckDepth) -> Result<Report> {
        crate::check::check(self, depth)
    }

    /// Opens a vault that is damaged, and one that does not open any more. Everything that can be read becomes its
    /// newest state in a new commit; an object whose newest version is lost stands in an older one where there is one.
    /// Damaged packs are kept in `packs.damaged`. Returns what was wrong and each lost object by kind and name; for a
    /// sound vault nothing, and nothing is changed. `options.damage` is not looked at.
    ///
    /// # Errors
    /// [`Error::Rollback`] for an older copy than was seen here, unless `options.rollback` accepts it. The errors of
    /// [`Vault::open`] that come before the packs are read; [`Error::Io`].
    pub fn repair(dir: &Path, unlock: &Unlock, options: &Options) -> Result<(Vault, Vec<Problem>)> {
        crate::repair::repair(dir, unlock, options)
    }

    /// [`Vault::check`], reading all data, of a vault that may not open. One that does not is only read: the report
    /// says what [`Vault::repair`] would find.
    ///
    /// # Errors
    /// The errors of [`Vault::open`] that come before the packs are read; [`Error::Io`].
    pub fn examine(dir: &Path, unlock: &Unlock, options: &Options) -> Result<Report> {
        crate::repair::examine(dir, unlock, options)
    }

    /// Makes index and catalog anew from the packs alone, if those can be read whole. Otherwise nothing is changed:
    /// [`Vault::repair`] is for that. Returns the places that could not be read.
    ///
    /// # Errors
    /// [`Error::Limit`] with uncommitted changes, [`Error::Damaged`] if objects were lost, [`Error::Io`].
    pub fn rebuild(&mut self) -> Result<Vec<Problem>> {
        if self.log.pending() {
            return Err(Error::Limit("commit before rebuilding".into()));
        }
        self.log.close_files();
        let counted = open::read_commit(&self.log, &self.last)?.live;
        let survey = Survey::of(&self.paths, &self.keys, &self.log)?;
        accept_rebuilt(&survey.live(&self.keys, &[], counted.sequence), &counted, &[], OnDamage::Refuse)?;
        if !survey.problems.is_empty() {
            return Ok(survey.problems);
        }
        let gaps = self.rebuild_from_packs(&counted).inspect_err(|error| {
            // A commit now would count what is not in the catalog as never stored.
            self.log.stop(error.to_string());
            self.half_made = true;
        })?;
        Ok(gaps.iter().map(|gap| Problem { what: gap.to_string(), object: None }).collect())
    }

    fn rebuild_from_packs(&mut self, counted: &Live) -> Result<Vec<Gap>> {
        let index = Index::empty(&self.paths.index(), self.keys.clone())?;
        self.standing.catalog.clear()?;
        let (index, gaps) = rebuild(&self.keys, &self.log, index, &mut self.standing, self.last)?;
        *self.index.get_mut().unwrap_or_else(PoisonError::into_inner) = index;
        accept_rebuilt(&self.standing.live, counted, &gaps, OnDamage::Refuse).map(|()| gaps)
    }

    /// Replaces the passphrase, and commits. The old one no longer opens this folder; copies made before still open with
    /// it.
    ///
    /// # Errors
    /// [`Error::Limit`] if the cost is out of bounds, [`Error::Io`].
    pub fn change_passphrase(&mut self, new: &Secret, cost: KdfCost) -> Result<()> {
        self.replace_header(self.header.set_passphrase(new, cost, &self.keys.master)?)
    }

    pub(crate) fn replace_header(&mut self, header: Header) -> Result<()> {
        header.write(&self.paths.header(), &self.keys.master)?;
        self.header = header;
        // From this commit on a header from before is noticed.
        self.commit_batch()
    }
}

impl Drop for Vault {
    /// Writes what makes the next opening fast. What was not committed is cut off.
    fn drop(&mut self) {
        if self.log.stopped() {
            return;
        }
        let closing = || -> Result<()> {
            self.standing.catalog.flush()?;
            let index = self.index.get_mut().unwrap_or_else(PoisonError::into_inner);
            match self.log.pending() {
                true => self.log.abandon(),
                false if index.recent() >= INDEX_FLUSH_CLOSING => index.flush(self.last)?,
                false => {}
            }
            Ok(())
        };
        let mut closing = closing;
        if let Err(error) = closing() {
            tracing::warn!(%error, "closing left work for the next opening");
        }
    }
}

/// A vault can be used from any thread, and read from several.
const _: () = {
    const fn send_and_sync<T: Send + Sync>() {}
    send_and_sync::<Vault>();
};
