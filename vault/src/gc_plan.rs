//! Planning a collection: what stands in each pack, and what it would cost and bring to rewrite it. Nothing is written.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::time::{Duration, Instant};

use crate::chunk::ChunkId;
use crate::error::{Error, Result};
use crate::gc::STEP;
use crate::log::Position;
use crate::object::{CatalogName, Object, ObjectId, Removal, catalog_name};
use crate::pack::{EntryHead, HEADER, Location, Type};
use crate::vault::Vault;

/// A pack with less garbage than this is left alone, unless all garbage shall go.
const WORTH: u64 = 64 * 1024;
/// Bytes read to see how fast this machine copies.
const SAMPLE: u64 = 4 * 1024 * 1024;

/// Which packs to collect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GcOptions {
    /// A pack is rewritten when at least this share of it is garbage, in percent, and that is 64 KiB or more. With 0
    /// every pack goes that holds anything removed or replaced, however little: then no byte of it is left.
    pub waste_percent: u8,
}

impl Default for GcOptions {
    /// A quarter of the pack.
    fn default() -> GcOptions {
        GcOptions { waste_percent: 25 }
    }
}

/// What becomes of a pack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It stays as it is.
    Stays,
    /// What stands in it is copied, then it is deleted.
    Rewritten,
    /// Nothing stands in it: it is deleted.
    Deleted,
}

/// What is in a pack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackUse {
    /// Its number.
    pub number: u32,
    /// Its length in bytes.
    pub bytes: u64,
    /// Bytes of it that stand: records of objects and their chunks.
    pub live_bytes: u64,
    /// What the plan makes of it.
    pub fate: Fate,
}

/// What a collection would do. It holds for the commit it was made at; [`Vault::gc`] refuses it after another.
#[derive(Clone, Debug)]
pub struct GcPlan {
    /// All packs, by number.
    pub packs: Vec<PackUse>,
    /// Bytes that are garbage, in packs that stay too.
    pub dead_bytes: u64,
    /// Bytes that would be copied.
    pub copied_bytes: u64,
    /// Bytes by which the packs would become shorter together, but for two commits.
    pub freed_bytes: u64,
    /// Free bytes on the disk that the largest step needs; with less, only packs in which nothing stands are deleted.
    pub space_bytes: u64,
    /// About how long it takes, from the time that reading and sealing a sample took; syncing is not in it.
    pub time: Duration,
    pub(crate) commit: [u8; 32],
    moves: BTreeMap<u32, Vec<Location>>,
}

impl GcPlan {
    /// Does it change nothing?
    pub fn leaves_all(&self) -> bool {
        self.packs.iter().all(|pack| pack.fate == Fate::Stays)
    }

    pub(crate) fn with(&self, fate: Fate) -> Vec<u32> {
        self.packs.iter().filter(|pack| pack.fate == fate).map(|pack| pack.number).collect()
    }

    pub(crate) fn removes(&self, number: u32) -> bool {
        self.packs.iter().any(|pack| pack.number == number && pack.fate != Fate::Stays)
    }

    /// What has to be copied out of a pack.
    pub(crate) fn moves(&self, number: u32) -> &[Location] {
        self.moves.get(&number).map_or(&[], Vec::as_slice)
    }

    pub(crate) fn live_in(&self, number: u32) -> u64 {
        length(self.moves(number))
    }

    pub(crate) fn copied_from(&self, packs: &[u32]) -> u64 {
        packs.iter().map(|number| self.live_in(*number)).sum()
    }

    /// How many packs from the front of a list can be copied with a budget of bytes; one at least.
    pub(crate) fn that_fit(&self, packs: &[u32], budget: u64) -> usize {
        let mut sum = 0;
        let fits = packs.iter().take_while(|number| {
            sum += self.live_in(**number);
            sum <= budget
        });
        fits.count().max(1)
    }
}

fn length(entries: &[Location]) -> u64 {
    entries.iter().map(|at| u64::from(at.length)).sum()
}

/// Chunks that objects need, and where each is.
type Wanted = HashMap<ChunkId, Option<Location>>;

/// An entry that says something about a name.
struct Named {
    name: CatalogName,
    sequence: u64,
    at: Location,
}

/// What stands, and where.
#[derive(Default)]
struct Uses {
    /// Entries that stand, by pack.
    live: BTreeMap<u32, Vec<Location>>,
    /// Packs that hold something removed or replaced, or say that something was.
    stained: BTreeSet<u32>,
    /// Records of objects that no longer stand.
    dead_records: Vec<Named>,
    removals: Vec<Named>,
}

impl Vault {
    /// What a collection would do. Reads the record of every object and the head of every entry; changes nothing.
    ///
    /// # Errors
    /// [`Error::Limit`] with uncommitted changes, [`Error::Damaged`] if the vault must be repaired first, [`Error::Io`].
    pub fn gc_plan(&self, options: &GcOptions) -> Result<GcPlan> {
        if self.log.pending() {
            return Err(Error::Limit("commit before collecting".into()));
        }
        let mut uses = self.uses()?;
        let mut packs = Vec::new();
        for number in self.log.packs().keys().copied() {
            let bytes = self.log.length(number)?;
            let live_bytes = uses.live.get(&number).map_or(0, |entries| length(entries));
            let last = number == self.last.at.pack;
            let fate = fate(bytes, live_bytes, last, uses.stained.contains(&number), options);
            packs.push(PackUse { number, bytes, live_bytes, fate });
        }
        uses.carry_removals(&mut packs);
        let gone = || packs.iter().filter(|pack| pack.fate != Fate::Stays);
        let moves: BTreeMap<u32, Vec<Location>> =
            gone().map(|pack| (pack.number, uses.live.remove(&pack.number).unwrap_or_default())).collect();
        let copied_bytes: u64 = moves.values().map(|entries| length(entries)).sum();
        let largest = moves.values().map(|entries| length(entries)).max().unwrap_or(0);
        Ok(GcPlan {
            dead_bytes: packs.iter().map(|pack| pack.bytes.saturating_sub(HEADER + pack.live_bytes)).sum(),
            freed_bytes: gone().map(|pack| pack.bytes).sum::<u64>().saturating_sub(copied_bytes),
            copied_bytes,
            space_bytes: if copied_bytes == 0 { 0 } else { copied_bytes.min(STEP).max(largest) + WORTH },
            time: self.time_to_copy(&moves, copied_bytes)?,
            commit: self.last.id,
            packs,
            moves,
        })
    }

    fn uses(&self) -> Result<Uses> {
        let (records, mut wanted) = self.wanted()?;
        let mut uses = Uses::default();
        let (mut live_at, mut seen) = (HashSet::new(), Vec::new());
        let first = self.log.packs().keys().next().copied().unwrap_or(1);
        let gaps = self.log.walk(Position { pack: first, offset: HEADER }, self.log.end(), &mut |at, head| {
            // Of several copies of a chunk the last one counts, as in an index made anew.
            if let (Type::Chunk, Some(place)) = (head.kind, wanted.get_mut(&head.id)) {
                *place = Some(at);
            }
            seen.push((at, head.kind));
            uses.take(self, at, &head, &records)
        })?;
        if let Some(gap) = gaps.first() {
            return Err(Error::damaged(format!("{gap}; repair the vault before collecting")));
        }
        for place in wanted.into_values() {
            live_at.insert(place.ok_or_else(|| Error::damaged("a chunk is in no pack; repair the vault first"))?);
        }
        for (at, kind) in seen {
            let live = match kind {
                Type::Chunk => live_at.contains(&at),
                Type::Object => records.contains(&at),
                Type::Removal => false,
                Type::Commit => continue,
            };
            match live {
                true => uses.live.entry(at.pack).or_default().push(at),
                false => drop(uses.stained.insert(at.pack)),
            }
        }
        Ok(uses)
    }

    /// Records of all objects that stand, and the chunks they name.
    fn wanted(&self) -> Result<(HashSet<Location>, Wanted)> {
        let (mut records, mut chunks) = (HashSet::new(), HashMap::new());
        for located in self.noticed(self.standing.scan(&[]))? {
            let object = self.record(&located.entry.id)?.0;
            chunks.extend(object.chunks.iter().map(|(id, _)| (*id, None)));
            records.insert(located.at);
        }
        Ok((records, chunks))
    }

    /// Reads, opens and seals a sample of what would be copied.
    fn time_to_copy(&self, moves: &BTreeMap<u32, Vec<Location>>, bytes: u64) -> Result<Duration> {
        let (began, mut sampled) = (Instant::now(), 0);
        for at in moves.values().flatten() {
            if sampled >= SAMPLE {
                break;
            }
            self.log.seal_again(at)?;
            sampled += u64::from(at.length);
        }
        Ok(began.elapsed().mul_f64(if sampled == 0 { 0.0 } else { bytes as f64 / sampled as f64 }))
    }
}

impl Uses {
    /// Notes what an entry says about a name.
    fn take(&mut self, vault: &Vault, at: Location, head: &EntryHead, records: &HashSet<Location>) -> Result<()> {
        let wrong = || Error::damaged(format!("{at}: a record cannot be read; repair the vault before collecting"));
        match head.kind {
            Type::Object if !records.contains(&at) => {
                let (_, body) = vault.log.read(&at)?;
                let object = Object::decode(&vault.keys, &ObjectId(head.id), &body).ok_or_else(wrong)?;
                let name = catalog_name(&vault.keys, &object.kind, &object.name);
                self.dead_records.push(Named { name, sequence: object.sequence, at });
            }
            Type::Removal => {
                let (_, body) = vault.log.read(&at)?;
                let removal = Removal::decode(&body).ok_or_else(wrong)?;
                let name = catalog_name(&vault.keys, &removal.kind, &removal.name);
                self.removals.push(Named { name, sequence: removal.sequence, at });
            }
            _ => {}
        }
        Ok(())
    }

    /// A removal is needed for as long as an older record of its name is there: it is copied where that record is in a
    /// pack that stays, or that goes in a later step than the removal's own.
    fn carry_removals(&mut self, packs: &mut [PackUse]) {
        let mut carried = HashSet::new();
        // To carry one moves its pack to a later step, which others may depend on.
        loop {
            let needed = self.needed_removals(packs, &carried);
            if needed.is_empty() {
                return;
            }
            for at in needed {
                carried.insert(at);
                self.live.entry(at.pack).or_default().push(at);
                packs.iter_mut().filter(|pack| pack.number == at.pack).for_each(|pack| pack.fate = Fate::Rewritten);
            }
        }
    }

    /// Removals that would go before an older record of their name does.
    fn needed_removals(&self, packs: &[PackUse], carried: &HashSet<Location>) -> Vec<Location> {
        let turns: HashMap<u32, Turn> = packs.iter().map(|pack| (pack.number, self.turn(pack))).collect();
        let mut last: HashMap<CatalogName, Vec<(Turn, u64)>> = HashMap::new();
        for record in &self.dead_records {
            let turn = turns.get(&record.at.pack).copied().unwrap_or(Turn::Never);
            last.entry(record.name).or_default().push((turn, record.sequence));
        }
        let needed = |removal: &&Named| {
            let own = turns.get(&removal.at.pack).copied().unwrap_or(Turn::Never);
            let mut older = last.get(&removal.name).into_iter().flatten();
            !carried.contains(&removal.at) && older.any(|(turn, seq)| *turn > own && *seq < removal.sequence)
        };
        self.removals.iter().filter(needed).map(|removal| removal.at).collect()
    }

    /// When a pack goes.
    fn turn(&self, pack: &PackUse) -> Turn {
        match pack.fate {
            Fate::Deleted => Turn::First,
            Fate::Rewritten => Turn::Then(self.live.get(&pack.number).map_or(0, |live| length(live)), pack.number),
            Fate::Stays => Turn::Never,
        }
    }
}

/// Packs in which nothing stands go together, then the others by what is to be copied of them, as [`Vault::gc`] takes them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Turn {
    First,
    Then(u64, u32),
    Never,
}

fn fate(bytes: u64, live: u64, last: bool, stained: bool, options: &GcOptions) -> Fate {
    let dead = bytes.saturating_sub(HEADER + live);
    let share = u128::from(dead) * 100 >= u128::from(bytes) * u128::from(options.waste_percent);
    let wasteful = match options.waste_percent {
        0 => stained,
        _ => dead >= WORTH && share,
    };
    match (live, wasteful) {
        // A pack that holds nothing else than commits goes too, but not the last: it would go at each collection.
        (0, _) if wasteful || !last => Fate::Deleted,
        (_, true) => Fate::Rewritten,
        (_, false) => Fate::Stays,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(waste_percent: u8) -> GcOptions {
        GcOptions { waste_percent }
    }

    #[test]
    fn pack_with_little_garbage_stays() {
        assert_eq!(fate(1 << 20, 1 << 20, false, true, &with(25)), Fate::Stays);
        assert_eq!(fate(1 << 20, (1 << 20) - WORTH - HEADER, false, true, &with(25)), Fate::Stays);
        assert_eq!(fate(4 * WORTH, 3 * WORTH, false, true, &with(25)), Fate::Stays);
        assert_eq!(fate(4 * WORTH, 3 * WORTH - HEADER, false, true, &with(25)), Fate::Rewritten);
    }

    #[test]
    fn last_pack_with_commits_only_stays() {
        assert_eq!(fate(2000, 0, true, false, &with(25)), Fate::Stays);
        assert_eq!(fate(2000, 0, true, false, &with(0)), Fate::Stays);
        assert_eq!(fate(2000, 0, false, false, &with(25)), Fate::Deleted);
    }

    #[test]
    fn any_stain_goes_when_all_shall() {
        assert_eq!(fate(1 << 25, (1 << 25) - 1000, true, true, &with(0)), Fate::Rewritten);
        assert_eq!(fate(2000, 0, true, true, &with(0)), Fate::Deleted);
        assert_eq!(fate(1 << 25, 1 << 24, false, false, &with(0)), Fate::Stays);
    }
}
