//! The medium: folders and files as programs see them, as they are durable, and what lies between; and its faults.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, ErrorKind};
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use super::random::Random;

const SECTOR: usize = 512;
const BLOCK: u64 = 4096;
const ROOT: u64 = 0;
const EIO: i32 = 5;
const ENOSPC: i32 = 28;

static DISKS: Mutex<BTreeMap<u64, Shared>> = Mutex::new(BTreeMap::new());

pub(super) type Shared = Arc<Mutex<Medium>>;

/// How a process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The power goes: what was not synced may be lost.
    PowerCut,
    /// The process is killed: what it wrote stays with the operating system.
    Kill,
}

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// One call is the process's last.
    Ends(End),
    /// One call fails: EIO.
    Broken,
    /// This call and all later ones that change something fail: EIO.
    BrokenForEver,
    /// One call fails: ENOSPC.
    Full,
    /// One call that reads fails: EIO.
    Unreadable,
}

#[derive(Clone)]
enum Change {
    Write(usize, Vec<u8>),
    Length(usize),
}

/// Names of one folder that change in one step.
type Names = Vec<(String, Option<u64>)>;

#[derive(Clone)]
enum Node {
    File { view: Vec<u8>, durable: Vec<u8>, unsynced: Vec<Change> },
    Folder { view: BTreeMap<String, u64>, durable: BTreeMap<String, u64>, unsynced: Vec<Names> },
}

/// A disk and all that is on it.
#[derive(Clone)]
pub(super) struct Medium {
    nodes: BTreeMap<u64, Node>,
    next: u64,
    random: Random,
    /// Calls that change something since the process began, and calls that read.
    changes: u64,
    reads: u64,
    /// The fault to come, and at which call.
    plan: Option<(u64, Fault)>,
    fired: bool,
    ended: Option<End>,
    /// Counts processes: a file opened by one is of no use to the next.
    process: u64,
    locks: BTreeSet<u64>,
    capacity: Option<u64>,
}

/// A simulated disk, known under its path until it is dropped.
pub(crate) struct Disk {
    number: u64,
    medium: Shared,
}

impl Disk {
    /// An empty disk.
    pub(crate) fn new(seed: u64) -> Disk {
        let root = Node::Folder { view: BTreeMap::new(), durable: BTreeMap::new(), unsynced: Vec::new() };
        Disk::mount(Medium {
            nodes: BTreeMap::from([(ROOT, root)]),
            next: ROOT + 1,
            random: Random(seed),
            changes: 0,
            reads: 0,
            plan: None,
            fired: false,
            ended: None,
            process: 0,
            locks: BTreeSet::new(),
            capacity: None,
        })
    }

    /// Another disk with the same bytes on it, whose faults follow from another seed.
    pub(crate) fn copy(&self, seed: u64) -> Disk {
        Disk::mount(Medium { random: Random(seed), ..self.lock().clone() })
    }

    fn mount(medium: Medium) -> Disk {
        let medium = Arc::new(Mutex::new(medium));
        let mut disks = DISKS.lock().unwrap_or_else(PoisonError::into_inner);
        let number = disks.keys().next_back().map_or(0, |last| last + 1);
        disks.insert(number, medium.clone());
        Disk { number, medium }
    }

    /// Where it is mounted.
    pub(crate) fn path(&self) -> PathBuf {
        PathBuf::from(format!("/simulated/{}", self.number))
    }

    fn lock(&self) -> MutexGuard<'_, Medium> {
        self.medium.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Plans a fault for the `nth` call from now, counted among those that the fault concerns.
    pub(crate) fn plan(&self, nth: u64, fault: Fault) {
        let mut medium = self.lock();
        let counted = if fault == Fault::Unreadable { medium.reads } else { medium.changes };
        medium.plan = Some((counted + nth, fault));
        medium.fired = false;
    }

    /// Has the planned fault happened?
    pub(crate) fn fired(&self) -> bool {
        self.lock().fired
    }

    /// How the process ended, if it did.
    pub(crate) fn ended(&self) -> Option<End> {
        self.lock().ended
    }

    /// Limits what fits, in bytes; files take whole blocks of 4096.
    pub(crate) fn set_capacity(&self, capacity: Option<u64>) {
        self.lock().capacity = capacity;
    }

    /// Bytes in use.
    pub(crate) fn used(&self) -> u64 {
        self.lock().used()
    }

    /// Ends the process, where it did not end by a fault, and starts the next. No fault is planned any more.
    pub(crate) fn restart(&self, end: End) {
        let mut medium = self.lock();
        if medium.ended.unwrap_or(end) == End::PowerCut {
            medium.settle();
        }
        medium.ended = None;
        medium.plan = None;
        medium.fired = false;
        medium.process += 1;
        medium.locks.clear();
    }

    /// Every file, with its length.
    pub(crate) fn files(&self) -> Vec<(PathBuf, u64)> {
        let mut found = Vec::new();
        self.lock().walk(ROOT, &self.path(), &mut found);
        found
    }

    /// Flips a bit of a file, on the medium and in memory.
    pub(crate) fn flip(&self, path: &Path, bit: u64) {
        let mut medium = self.lock();
        let Ok(id) = medium.find(path) else { return };
        let Some(Node::File { view, durable, .. }) = medium.nodes.get_mut(&id) else { return };
        for bytes in [view, durable] {
            if let Some(byte) = bytes.get_mut((bit / 8) as usize) {
                *byte ^= 1 << (bit % 8);
            }
        }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        DISKS.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.number);
    }
}

/// The disk that a path is on, if it is a simulated one.
pub(super) fn at(path: &Path) -> Option<Shared> {
    let number = path.strip_prefix("/simulated").ok()?.iter().next()?.to_str()?.parse().ok()?;
    DISKS.lock().unwrap_or_else(PoisonError::into_inner).get(&number).cloned()
}

/// Says what happens, where `VAULT_SIM_TRACE` is set: for looking into a seed that failed.
pub(super) fn trace(what: impl FnOnce() -> String) {
    static TRACED: OnceLock<bool> = OnceLock::new();
    if *TRACED.get_or_init(|| std::env::var_os("VAULT_SIM_TRACE").is_some()) {
        println!("{}", what());
    }
}

fn kind<T>(kind: ErrorKind) -> io::Result<T> {
    Err(kind.into())
}

/// The names on the way to a path, from the disk's root.
fn names(path: &Path) -> impl Iterator<Item = &str> {
    path.components().skip(3).filter_map(|part| match part {
        Component::Normal(name) => name.to_str(),
        _ => None,
    })
}

impl Medium {
    fn find(&self, path: &Path) -> io::Result<u64> {
        names(path).try_fold(ROOT, |id, name| match self.nodes.get(&id) {
            Some(Node::Folder { view, .. }) => view.get(name).copied().ok_or_else(|| ErrorKind::NotFound.into()),
            _ => kind(ErrorKind::NotADirectory),
        })
    }

    /// The folder a path is in, and its name there.
    fn place<'a>(&self, path: &'a Path) -> io::Result<(u64, &'a str)> {
        let name = names(path).last().ok_or(ErrorKind::InvalidInput)?;
        Ok((self.find(path.parent().ok_or(ErrorKind::InvalidInput)?)?, name))
    }

    /// Counts a call that changes something. The fault that this call meets, if any; the caller does what it wants of
    /// its work before it returns [`Medium::fail`].
    fn turn(&mut self, what: &str) -> io::Result<Option<Fault>> {
        if self.ended.is_some() {
            return Err(io::Error::other("this process has ended"));
        }
        self.changes += 1;
        trace(|| format!("    change {}: {what}", self.changes));
        match self.plan {
            Some((at, fault)) if fault != Fault::Unreadable && (at == self.changes || self.lasts(at, fault)) => {
                self.fired = true;
                trace(|| format!("  {fault:?}"));
                Ok(Some(fault))
            }
            _ => Ok(None),
        }
    }

    fn lasts(&self, at: u64, fault: Fault) -> bool {
        fault == Fault::BrokenForEver && self.changes >= at
    }

    fn fail<T>(&mut self, fault: Fault) -> io::Result<T> {
        match fault {
            Fault::Ends(end) => {
                self.ended = Some(end);
                Err(io::Error::other("this process ends here"))
            }
            Fault::Full => Err(io::Error::from_raw_os_error(ENOSPC)),
            Fault::Broken | Fault::BrokenForEver | Fault::Unreadable => Err(io::Error::from_raw_os_error(EIO)),
        }
    }

    /// Counts a call that reads.
    fn look(&mut self) -> io::Result<()> {
        if self.ended.is_some() {
            return Err(io::Error::other("this process has ended"));
        }
        self.reads += 1;
        match self.plan {
            Some((at, Fault::Unreadable)) if at == self.reads => {
                self.fired = true;
                trace(|| format!("  Unreadable at read {}", self.reads));
                self.fail(Fault::Unreadable)
            }
            _ => Ok(()),
        }
    }

    fn used(&self) -> u64 {
        let blocks = |node: &Node| match node {
            Node::File { view, .. } => (view.len() as u64).next_multiple_of(BLOCK),
            Node::Folder { .. } => BLOCK,
        };
        let (mut sum, mut next) = (0, vec![ROOT]);
        while let Some(node) = next.pop().and_then(|id| self.nodes.get(&id)) {
            sum += blocks(node);
            if let Node::Folder { view, .. } = node {
                next.extend(view.values());
            }
        }
        sum
    }

    /// How long a file may become, given what else is there.
    fn room(&self, id: u64) -> usize {
        let own = match self.nodes.get(&id) {
            Some(Node::File { view, .. }) => (view.len() as u64).next_multiple_of(BLOCK),
            _ => 0,
        };
        self.capacity.map_or(usize::MAX, |capacity| (own + capacity.saturating_sub(self.used())) as usize)
    }

    fn folder(&mut self, id: u64) -> io::Result<(&mut BTreeMap<String, u64>, &mut Vec<Names>)> {
        match self.nodes.get_mut(&id) {
            Some(Node::Folder { view, unsynced, .. }) => Ok((view, unsynced)),
            _ => kind(ErrorKind::NotADirectory),
        }
    }

    /// Changes names of a folder in one step.
    fn rename_in(&mut self, folder: u64, names: Names) -> io::Result<()> {
        let (view, unsynced) = self.folder(folder)?;
        for (name, id) in &names {
            match id {
                Some(id) => view.insert(name.clone(), *id),
                None => view.remove(name),
            };
        }
        unsynced.push(names);
        Ok(())
    }

    fn add(&mut self, node: Node) -> u64 {
        let id = self.next;
        self.next += 1;
        self.nodes.insert(id, node);
        id
    }

    /// Does a change of names unless a fault comes first; with one, it may be done or not.
    fn change(&mut self, folder: u64, names: Names) -> io::Result<()> {
        match self.turn(&format!("names {names:?}"))? {
            None => self.rename_in(folder, names),
            Some(fault) => {
                if matches!(fault, Fault::Ends(_)) && self.random.once_in(2) {
                    self.rename_in(folder, names)?;
                }
                self.fail(fault)
            }
        }
    }

    pub(super) fn process(&self) -> u64 {
        self.process
    }

    /// Opens a file, making it where it is new and may be. Returns its node.
    pub(super) fn open(&mut self, path: &Path, old: bool, new: bool) -> io::Result<u64> {
        let (folder, name) = self.place(path)?;
        match self.find(path) {
            Ok(_) if !old => return kind(ErrorKind::AlreadyExists),
            Ok(id) => return self.look().map(|()| id),
            Err(error) if !new => return self.look().and(Err(error)),
            Err(_) => {}
        }
        if self.room(u64::MAX) == 0 {
            self.turn("no room for a name")?;
            return self.fail(Fault::Full);
        }
        let id = self.add(Node::File { view: Vec::new(), durable: Vec::new(), unsynced: Vec::new() });
        self.change(folder, vec![(name.to_owned(), Some(id))]).map(|()| id)
    }

    pub(super) fn make_dir(&mut self, path: &Path) -> io::Result<()> {
        match (self.find(path), path.parent()) {
            (Ok(_), _) => return Ok(()),
            (Err(_), Some(parent)) if names(path).count() > 1 => self.make_dir(parent)?,
            _ => {}
        }
        if self.room(u64::MAX) == 0 {
            self.turn("no room for a name")?;
            return self.fail(Fault::Full);
        }
        let (folder, name) = self.place(path)?;
        let node = Node::Folder { view: BTreeMap::new(), durable: BTreeMap::new(), unsynced: Vec::new() };
        let id = self.add(node);
        self.change(folder, vec![(name.to_owned(), Some(id))])
    }

    pub(super) fn read(&mut self, id: u64) -> io::Result<&[u8]> {
        self.look()?;
        match self.nodes.get(&id) {
            Some(Node::File { view, .. }) => Ok(view),
            _ => kind(ErrorKind::IsADirectory),
        }
    }

    pub(super) fn write(&mut self, id: u64, bytes: &[u8], offset: u64) -> io::Result<()> {
        let offset = offset as usize;
        let mut fault = self.turn(&format!("write of {} at {offset} to {id}", bytes.len()))?;
        let mut length = bytes.len();
        if fault.is_some() {
            length = self.random.below(length as u64 + 1) as usize;
        }
        let room = self.room(id).saturating_sub(offset);
        if length > room {
            (length, fault) = (room, Some(Fault::Full));
        }
        self.put(id, Change::Write(offset, bytes[..length].to_vec()));
        match fault {
            Some(fault) => self.fail(fault),
            None => Ok(()),
        }
    }

    pub(super) fn set_length(&mut self, id: u64, length: u64) -> io::Result<()> {
        let fault = self.turn(&format!("length {length} of {id}"))?;
        if fault.is_none() || (matches!(fault, Some(Fault::Ends(_))) && self.random.once_in(2)) {
            self.put(id, Change::Length(length as usize));
        }
        fault.map_or(Ok(()), |fault| self.fail(fault))
    }

    fn put(&mut self, id: u64, change: Change) {
        if let Some(Node::File { view, unsynced, .. }) = self.nodes.get_mut(&id) {
            apply(view, &change);
            unsynced.push(change);
        }
    }

    /// Syncs a file or a folder. After a failure what was not durable may be or not, and is never tried again.
    pub(super) fn sync(&mut self, id: u64) -> io::Result<()> {
        match self.turn(&format!("sync of {id}"))? {
            None => {
                match self.nodes.get_mut(&id) {
                    Some(Node::File { durable, unsynced, .. }) => {
                        unsynced.drain(..).for_each(|change| apply(durable, &change));
                    }
                    Some(Node::Folder { view, durable, unsynced }) => {
                        unsynced.clear();
                        durable.clone_from(view);
                    }
                    None => {}
                }
                Ok(())
            }
            Some(fault) => {
                if !matches!(fault, Fault::Ends(_)) {
                    self.lose(id);
                }
                self.fail(fault)
            }
        }
    }

    pub(super) fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        let id = self.find(from)?;
        let ((folder, old), (target, new)) = (self.place(from)?, self.place(to)?);
        assert_eq!(folder, target, "the vault renames within one folder only");
        if let Ok(there) = self.find(to)
            && let Some(Node::Folder { view, .. }) = self.nodes.get(&there)
            && !view.is_empty()
        {
            return kind(ErrorKind::DirectoryNotEmpty);
        }
        self.change(folder, vec![(old.to_owned(), None), (new.to_owned(), Some(id))])?;
        self.sweep();
        Ok(())
    }

    pub(super) fn link(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        let id = self.find(from)?;
        let (folder, name) = self.place(to)?;
        match self.find(to) {
            Ok(_) => kind(ErrorKind::AlreadyExists),
            Err(_) => self.change(folder, vec![(name.to_owned(), Some(id))]),
        }
    }

    pub(super) fn remove(&mut self, path: &Path) -> io::Result<()> {
        self.find(path)?;
        let (folder, name) = self.place(path)?;
        self.change(folder, vec![(name.to_owned(), None)])?;
        self.sweep();
        Ok(())
    }

    /// Deletes a folder, one name after the other.
    pub(super) fn remove_dir(&mut self, path: &Path) -> io::Result<()> {
        for item in self.list(path)? {
            match self.nodes.get(&self.find(&item)?) {
                Some(Node::Folder { .. }) => self.remove_dir(&item)?,
                _ => self.remove(&item)?,
            }
        }
        self.remove(path)
    }

    pub(super) fn list(&mut self, path: &Path) -> io::Result<Vec<PathBuf>> {
        self.look()?;
        let id = self.find(path)?;
        Ok(self.folder(id)?.0.keys().map(|name| path.join(name)).collect())
    }

    pub(super) fn exists(&self, path: &Path) -> bool {
        self.find(path).is_ok()
    }

    pub(super) fn id(&mut self, path: &Path) -> io::Result<u64> {
        self.look()?;
        self.find(path)
    }

    pub(super) fn lock(&mut self, id: u64) -> bool {
        self.locks.insert(id)
    }

    pub(super) fn unlock(&mut self, id: u64) {
        self.locks.remove(&id);
    }

    fn walk(&self, id: u64, path: &Path, found: &mut Vec<(PathBuf, u64)>) {
        match self.nodes.get(&id) {
            Some(Node::File { view, .. }) => found.push((path.to_path_buf(), view.len() as u64)),
            Some(Node::Folder { view, .. }) => {
                view.iter().for_each(|(name, id)| self.walk(*id, &path.join(name), found))
            }
            None => {}
        }
    }

    /// Forgets what no name leads to, neither now nor after a power cut. Open files that were deleted go with it: the
    /// vault does not read them.
    fn sweep(&mut self) {
        let (mut reached, mut next) = (BTreeSet::new(), vec![ROOT]);
        while let Some(id) = next.pop() {
            if !reached.insert(id) {
                continue;
            }
            if let Some(Node::Folder { view, durable, unsynced }) = self.nodes.get(&id) {
                next.extend(view.values().chain(durable.values()));
                next.extend(unsynced.iter().flatten().filter_map(|(_, id)| *id));
            }
        }
        self.nodes.retain(|id, _| reached.contains(id));
    }

    /// The power goes, and comes back.
    fn settle(&mut self) {
        let ids: Vec<u64> = self.nodes.keys().copied().collect();
        for id in ids {
            self.lose(id);
            match self.nodes.get_mut(&id) {
                Some(Node::File { view, durable, .. }) => view.clone_from(durable),
                Some(Node::Folder { view, durable, .. }) => view.clone_from(durable),
                None => {}
            }
        }
        self.sweep();
    }

    /// Makes some of what was not synced durable, and forgets that the rest is not.
    fn lose(&mut self, id: u64) {
        let random = &mut self.random;
        match self.nodes.get_mut(&id) {
            Some(Node::File { durable, unsynced, .. }) => lose_bytes(random, durable, std::mem::take(unsynced)),
            Some(Node::Folder { durable, unsynced, .. }) => {
                for names in some_of(random, std::mem::take(unsynced)) {
                    for (name, id) in names {
                        match id {
                            Some(id) => durable.insert(name, id),
                            None => durable.remove(&name),
                        };
                    }
                }
            }
            None => {}
        }
    }
}

fn apply(bytes: &mut Vec<u8>, change: &Change) {
    match change {
        Change::Length(length) => bytes.resize(*length, 0),
        Change::Write(offset, new) => {
            bytes.resize(bytes.len().max(offset + new.len()), 0);
            bytes[*offset..offset + new.len()].copy_from_slice(new);
        }
    }
}

/// None, all, the first few, or each by a throw.
fn some_of<T>(random: &mut Random, mut all: Vec<T>) -> Vec<T> {
    match random.below(4) {
        0 => Vec::new(),
        1 => all,
        2 => {
            all.truncate(random.below(all.len() as u64 + 1) as usize);
            all
        }
        _ => all.into_iter().filter(|_| random.once_in(2)).collect(),
    }
}

/// Writes reach the disk by sectors; now and then one is torn inside. Where the file grew without its bytes, there are
/// zeros or what lay there before.
fn lose_bytes(random: &mut Random, durable: &mut Vec<u8>, changes: Vec<Change>) {
    let mut sectors = Vec::new();
    for change in changes {
        match change {
            Change::Length(length) => sectors.push(Change::Length(length)),
            Change::Write(mut offset, bytes) => {
                let mut rest = bytes.as_slice();
                while !rest.is_empty() {
                    let (sector, after) = rest.split_at(rest.len().min(SECTOR - offset % SECTOR));
                    sectors.push(Change::Write(offset, sector.to_vec()));
                    (offset, rest) = (offset + sector.len(), after);
                }
            }
        }
    }
    let stale = random.once_in(2).then(|| random.next());
    for mut change in some_of(random, sectors) {
        if let Change::Write(offset, bytes) = &mut change {
            if random.once_in(8) {
                bytes.truncate(random.below(bytes.len() as u64 + 1) as usize);
            }
            if let Some(seed) = stale
                && *offset > durable.len()
            {
                let gap = *offset - durable.len();
                durable.extend(Random(seed).bytes(gap));
            }
        }
        apply(durable, &change);
    }
}
