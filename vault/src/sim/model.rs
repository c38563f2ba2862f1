//! A vault on a simulated disk beside a map in memory: whatever goes wrong, both agree on all that was acknowledged.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::OnceLock;

use super::medium::{Disk, End, Fault, trace};
use super::random::{Random, seed_vault};
use crate::check::CheckDepth;
use crate::error::{Error, Result};
use crate::gc_plan::GcOptions;
use crate::key::{Header, KdfCost, Secret, Unlock};
use crate::open::Options;
use crate::vault::Vault;

const ENTROPY: [u8; 32] = [0x5e; 32];
pub(super) const KINDS: [&str; 2] = ["note", "photo"];
const NAMES: u64 = 6;
const CONTENTS: u64 = 40;
/// After this many failed seeds there is enough to look at.
const FAILURES_MAX: usize = 20;

/// What stands: content by kind and name.
pub(super) type Objects = BTreeMap<(String, String), Vec<u8>>;

/// An empty vault made once, since a passphrase costs time, and its header under another passphrase.
struct Template {
    disk: Disk,
    headers: [Header; 2],
}

fn template() -> &'static Template {
    static TEMPLATE: OnceLock<Template> = OnceLock::new();
    TEMPLATE.get_or_init(|| {
        seed_vault(0);
        let disk = Disk::new(0);
        let dir = disk.path().join("vault");
        let vault = Vault::create(&dir, &Secret::from("first"), &ENTROPY, KdfCost::FLOOR).unwrap();
        let other = vault.header.set_passphrase(&Secret::from("second"), KdfCost::FLOOR, &vault.keys.master).unwrap();
        let first = Header::read(&vault.paths.header()).unwrap();
        drop(vault);
        disk.restart(End::Kill);
        Template { disk, headers: [first, other] }
    })
}

/// What happened in one run or in many.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tally {
    pub(super) processes: u64,
    pub(super) acknowledged: u64,
    pub(super) power_cuts: u64,
    pub(super) kills: u64,
    pub(super) errors: u64,
    /// Crashes and failures that came while a commit was being written.
    pub(super) amid_commit: u64,
    /// Unacknowledged batches that were there after all, whole.
    pub(super) taken_in: u64,
    /// Packs that garbage collection deleted.
    pub(super) collected: u64,
    /// Objects there were before bits were flipped, and after a repair.
    pub(super) filled: u64,
    pub(super) kept: u64,
}

impl Tally {
    pub(super) fn add(&mut self, other: Tally) {
        self.processes += other.processes;
        self.acknowledged += other.acknowledged;
        self.power_cuts += other.power_cuts;
        self.kills += other.kills;
        self.errors += other.errors;
        self.amid_commit += other.amid_commit;
        self.taken_in += other.taken_in;
        self.collected += other.collected;
        self.filled += other.filled;
        self.kept += other.kept;
    }
}

/// One vault, one disk, one map.
pub(super) struct Run {
    pub(super) disk: Disk,
    pub(super) random: Random,
    pub(super) vault: Option<Vault>,
    /// What the vault may hold after it is opened again: the acknowledged state first, then those that a commit tried
    /// to reach since.
    allowed: Vec<Objects>,
    working: Objects,
    /// States whose commit failed, at a sync for example. All of its bytes may have reached the disk, and until the next
    /// commit takes their place such a state may appear after a power cut.
    ghosts: Vec<Objects>,
    /// The same for the passphrase.
    slots: Vec<usize>,
    pub(super) tally: Tally,
}

impl Run {
    pub(super) fn new(seed: u64) -> Run {
        let disk = template().disk.copy(seed);
        seed_vault(seed);
        let (allowed, slots) = (vec![Objects::new()], vec![0]);
        let random = Random(seed ^ 0x5eed);
        Run {
            disk,
            random,
            vault: None,
            allowed,
            working: Objects::new(),
            ghosts: Vec::new(),
            slots,
            tally: Tally::default(),
        }
    }

    pub(super) fn dir(&self) -> PathBuf {
        self.disk.path().join("vault")
    }

    pub(super) fn options(&self) -> Options {
        Options { state: Some(self.disk.path().join("state")), ..Options::default() }
    }

    pub(super) fn unlock() -> Unlock {
        Unlock::Recovery(ENTROPY.into())
    }

    fn acknowledge(&mut self) {
        self.allowed = vec![self.working.clone()];
        self.ghosts.clear();
        self.tally.acknowledged += 1;
    }

    /// Takes an error, which only a fault excuses.
    fn excused<T>(&mut self, what: &str, result: Result<T>) -> Option<T> {
        trace(|| format!("{what}: {}", result.as_ref().err().map_or("done".into(), Error::to_string)));
        match result {
            Ok(value) => Some(value),
            Err(error) => {
                assert!(self.disk.fired(), "{what} failed without a fault: {error}");
                self.tally.errors += 1;
                None
            }
        }
    }

    /// Opens the vault and demands that it holds an allowed state. `false` if a fault kept it from that.
    pub(super) fn open(&mut self) -> bool {
        self.tally.processes += 1;
        let opened = Vault::open_with(&self.dir(), &Run::unlock(), &self.options());
        let Some(vault) = self.excused("opening", opened) else { return false };
        self.settle(vault)
    }

    fn settle(&mut self, vault: Vault) -> bool {
        let read = contents(&vault);
        let Some(found) = self.excused("reading", read) else { return false };
        let at = self.allowed.iter().position(|state| *state == found);
        let Some(at) = at else {
            panic!(
                "the vault holds {:?}, allowed is any of {:?}",
                figures(&found),
                self.allowed.iter().map(figures).collect::<Vec<_>>()
            );
        };
        self.tally.taken_in += u64::from(at > 0);
        let headers = &template().headers;
        let slots = headers.iter().position(|h| vault.header.same_slots(h)).expect("a passphrase that was set");
        assert!(self.slots.contains(&slots), "passphrase {slots} was not to be expected, but one of {:?}", self.slots);
        self.allowed = vec![found.clone()];
        self.allowed.extend(self.ghosts.iter().cloned());
        // A header that could not be made durable on opening may still give way to the one before.
        if !vault.log.stopped() {
            self.slots = vec![slots];
        }
        self.working = found;
        self.vault = Some(vault);
        true
    }

    /// Puts one object.
    pub(super) fn put(&mut self) {
        let (kind, name, content) = (self.kind(), self.name(), self.content());
        let Some(vault) = self.vault.as_mut() else { return };
        let stored = vault.put(kind, &name, &mut content.as_slice());
        let key = (kind.to_owned(), name);
        if let Some(stored) = self.excused("put", stored) {
            assert_eq!(stored.duplicate, self.working.get(&key) == Some(&content));
            self.working.insert(key, content);
        }
    }

    /// Removes one object, where there is one.
    pub(super) fn remove(&mut self) {
        let key = (self.kind().to_owned(), self.name());
        let Some(vault) = self.vault.as_mut() else { return };
        let removed = vault.find(&key.0, &key.1).and_then(|found| match found {
            Some(entry) => vault.remove(&entry.id).map(|()| true),
            None => Ok(false),
        });
        if let Some(removed) = self.excused("remove", removed) {
            assert_eq!(removed, self.working.remove(&key).is_some(), "{key:?}");
        }
    }

    /// Reads one object.
    pub(super) fn read(&mut self) {
        let key = (self.kind().to_owned(), self.name());
        let Some(vault) = &self.vault else { return };
        let read = vault.read_named(&key.0, &key.1);
        if let Some(read) = self.excused("read", read) {
            assert_eq!(read.as_deref(), self.working.get(&key), "{key:?}");
        }
    }

    pub(super) fn commit(&mut self) -> bool {
        let Some(vault) = self.vault.as_mut() else { return false };
        self.allowed.push(self.working.clone());
        let (before, counter) = (self.disk.fired(), vault.last.counter);
        let committed = vault.commit();
        let nothing = vault.last.counter == counter;
        let stopped = matches!(committed, Err(Error::Stopped(_)));
        self.tally.amid_commit += u64::from(self.disk.fired() && !before);
        match self.excused("commit", committed) {
            Some(()) if nothing => {
                self.allowed = vec![self.working.clone()];
                self.allowed.extend(self.ghosts.iter().cloned());
                true
            }
            Some(()) => {
                self.acknowledge();
                true
            }
            None => {
                if stopped {
                    self.allowed.pop();
                } else {
                    self.ghosts.push(self.working.clone());
                }
                false
            }
        }
    }

    pub(super) fn change_passphrase(&mut self) {
        let Some(vault) = self.vault.as_mut() else { return };
        let to = self.random.below(2) as usize;
        let header = vault.header.with_slots_of(&template().headers[to]);
        let changed = vault.replace_header(header);
        self.slots.push(to);
        self.allowed.push(self.working.clone());
        match self.excused("changing the passphrase", changed) {
            Some(()) => {
                self.slots = vec![to];
                self.acknowledge();
            }
            None => self.ghosts.push(self.working.clone()),
        }
    }

    /// Commits, then compares everything with everything, or makes index and catalog anew.
    pub(super) fn check(&mut self) {
        if !self.commit() {
            return;
        }
        let Some(vault) = self.vault.as_mut() else { return };
        let depth = [CheckDepth::Structure, CheckDepth::ReadData][self.random.below(2) as usize];
        let fired = self.disk.fired();
        let problems = match self.random.once_in(3) {
            true => vault.rebuild(),
            false => vault.check(depth).map(|report| report.problems),
        };
        if let Some(problems) = self.excused("check", problems) {
            // After a failure index and catalog may be behind until the next opening.
            assert!(fired || problems.is_empty(), "{problems:?}");
        }
    }

    /// Collects garbage, ended early now and then.
    pub(super) fn collect(&mut self) {
        if !self.commit() {
            return;
        }
        let Some(vault) = self.vault.as_mut() else { return };
        let steps = self.random.below(8);
        let collected = vault.gc_plan(&GcOptions { waste_percent: 0 }).and_then(|plan| {
            let mut step = 0;
            vault.gc(&plan, &mut |_, _| {
                step += 1;
                if step > steps && steps > 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            })
        });
        if let Some(outcome) = self.excused("collecting", collected) {
            self.tally.collected += outcome.deleted + outcome.rewritten;
        }
    }

    /// Closes the vault and has it repaired: nothing may change, for nothing is damaged.
    pub(super) fn repair(&mut self) -> bool {
        self.vault = None;
        self.tally.processes += 1;
        let repaired = Vault::repair(&self.dir(), &Run::unlock(), &self.options());
        let Some((vault, problems)) = self.excused("repair", repaired) else { return false };
        assert!(problems.is_empty(), "{problems:?}");
        self.settle(vault)
    }

    /// Ends the process, by what the fault was or else in a way of chance.
    pub(super) fn end(&mut self) {
        if self.random.once_in(2) {
            self.vault = None;
        }
        let end = [End::PowerCut, End::Kill][self.random.below(2) as usize];
        let end = self.disk.ended().unwrap_or(end);
        trace(|| format!("{end:?}\n"));
        match end {
            End::PowerCut => self.tally.power_cuts += 1,
            End::Kill => self.tally.kills += 1,
        }
        self.disk.restart(end);
        self.vault = None;
    }

    /// Plans a fault for some call to come, most often an end of the process.
    pub(super) fn plan(&mut self, within: u64) {
        let fault = match self.random.below(16) {
            0..6 => Fault::Ends(End::PowerCut),
            6..8 => Fault::Ends(End::Kill),
            8..10 => Fault::Broken,
            10 => Fault::BrokenForEver,
            11..13 => Fault::Full,
            13 => Fault::Unreadable,
            _ => return,
        };
        self.disk.plan(1 + self.random.below(within), fault);
    }

    fn kind(&mut self) -> &'static str {
        KINDS[self.random.below(KINDS.len() as u64) as usize]
    }

    fn name(&mut self) -> String {
        format!("name {}", self.random.below(NAMES))
    }

    fn content(&mut self) -> Vec<u8> {
        content(self.random.below(CONTENTS))
    }

    /// Is this one of the contents that are put?
    pub(super) fn was_put(bytes: &[u8]) -> bool {
        (0..CONTENTS).any(|which| content(which) == bytes)
    }
}

/// Few different contents, so that some come twice: empty, short, and now and then long enough to fill a pack.
fn content(which: u64) -> Vec<u8> {
    let length = match which {
        0 => 0,
        1..32 => which * 61,
        32..38 => which * 150,
        _ => which * 700,
    };
    match which % 3 {
        0 => format!("line {which}\n").into_bytes().into_iter().cycle().take(length as usize).collect(),
        _ => Random(which).bytes(length as usize),
    }
}

/// Everything a vault holds.
pub(super) fn contents(vault: &Vault) -> Result<Objects> {
    let mut found = Objects::new();
    for kind in KINDS {
        for entry in vault.list(kind)? {
            found.insert((kind.to_owned(), entry.name), vault.read(&entry.id)?.to_vec());
        }
    }
    Ok(found)
}

fn figures(objects: &Objects) -> BTreeMap<String, usize> {
    objects.iter().map(|((kind, name), content)| (format!("{kind} {name}"), content.len())).collect()
}

/// Runs a number of seeds from the one that `VAULT_SEED` names on, and says how to repeat the first that fails.
pub(super) fn seeds(variable: &str, default: u64, run: impl Fn(u64) -> Tally + std::panic::RefUnwindSafe) {
    let number = |name: &str, default| std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default);
    let (first, count) = (number("VAULT_SEED", 1), number(variable, default));
    let (start, mut tally, mut failed) = (std::time::Instant::now(), Tally::default(), Vec::new());
    for seed in first..first + count {
        match std::panic::catch_unwind(|| run(seed)) {
            Ok(one) => tally.add(one),
            Err(_) => {
                println!("seed {seed} failed: repeat it with VAULT_SEED={seed} {variable}=1");
                failed.push(seed);
            }
        }
        if failed.len() >= FAILURES_MAX {
            break;
        }
    }
    println!("seeds {first} to {}: {:.1} s, {tally:?}", first + count - 1, start.elapsed().as_secs_f64());
    assert!(failed.is_empty(), "seeds that failed: {failed:?}");
}
