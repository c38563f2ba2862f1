//! Collecting garbage: what stands is copied out of packs that hold little of it, a commit leaves those packs out, and
//! only then are they deleted. A crash at any moment leaves the vault as it was before or after a step.

use std::ops::ControlFlow;
use std::sync::PoisonError;

use crate::disk;
use crate::error::{Error, Result};
use crate::gc_plan::{Fate, GcPlan};
use crate::index::Index;
use crate::log::Position;
use crate::object::ObjectId;
use crate::pack::{EntryHead, HEADER, Location, Type};
use crate::standing::Standing;
use crate::vault::Vault;

/// Told how far a long operation is: bytes done, bytes to do. `Break` ends it where nothing is left half done.
pub type Progress<'a> = dyn FnMut(u64, u64) -> ControlFlow<()> + 'a;

/// Bytes copied in one step at most, one pack at least; what a step freed is there for the next.
pub(crate) const STEP: u64 = 32 * 1024 * 1024;
/// Index entries kept in memory at most while it is made anew.
const RECENT_MAX: usize = 65_536;

/// What [`Vault::gc`] did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GcOutcome {
    /// Packs deleted without copying anything.
    pub deleted: u64,
    /// Packs deleted after what stands in them was copied.
    pub rewritten: u64,
    /// Bytes copied.
    pub copied_bytes: u64,
    /// How much shorter all packs together are than before.
    pub freed_bytes: u64,
    /// Numbers of packs that were planned and stay, because the disk was too full or `progress` ended it.
    pub left: Vec<u32>,
}

/// How a step ended.
enum Step {
    Done(u64),
    TooFull,
    Ended,
}

/// An entry that was written again.
type Moved = (EntryHead, Location);

impl Vault {
    /// Carries out a plan: first deletes packs in which nothing stands, which works on a full disk too, then rewrites
    /// the others, those with the least to copy first. Each step is committed before old packs are deleted. A disk too
    /// full for a step is no error: what could be done is, and the rest is in [`GcOutcome::left`].
    ///
    /// # Errors
    /// [`Error::Limit`] if the vault changed since the plan was made, [`Error::Damaged`] if something that stands cannot
    /// be read (nothing of its pack is deleted), [`Error::Io`], [`Error::Stopped`].
    pub fn gc(&mut self, plan: &GcPlan, progress: &mut Progress<'_>) -> Result<GcOutcome> {
        if self.log.pending() || self.last.id != plan.commit {
            return Err(Error::Limit("the vault changed since this plan was made: make a new one".into()));
        }
        let (before, mut outcome) = (self.stored()?, GcOutcome::default());
        if plan.leaves_all() {
            return Ok(outcome);
        }
        self.forget_index()?;
        let collected = self.collect(plan, progress, &mut outcome);
        let indexed = self.index_anew();
        collected?;
        indexed?;
        outcome.freed_bytes = before.saturating_sub(self.stored()?);
        Ok(outcome)
    }

    fn stored(&self) -> Result<u64> {
        self.log.packs().keys().map(|number| self.log.length(*number)).sum()
    }

    fn collect(&mut self, plan: &GcPlan, progress: &mut Progress<'_>, outcome: &mut GcOutcome) -> Result<()> {
        let total = plan.copied_bytes;
        let dead = plan.with(Fate::Deleted);
        if !dead.is_empty() {
            match self.step(&dead, plan, &mut |_| progress(0, total))? {
                Step::Done(_) => outcome.deleted = dead.len() as u64,
                Step::TooFull => return Err(full("make room for one commit, 4 KiB, and collect again")),
                Step::Ended => outcome.left = dead,
            }
        }
        let mut left = plan.with(Fate::Rewritten);
        left.sort_by_key(|number| plan.live_in(*number));
        let (mut budget, mut ended) = (STEP, !outcome.left.is_empty());
        while !left.is_empty() && !ended {
            let count = plan.that_fit(&left, budget);
            let (now, before) = (left[..count].to_vec(), outcome.copied_bytes);
            match self.step(&now, plan, &mut |done| progress(before + done, total))? {
                Step::Done(copied) => {
                    outcome.copied_bytes += copied;
                    outcome.rewritten += count as u64;
                    left.drain(..count);
                }
                Step::TooFull if count > 1 => budget = plan.copied_from(&now[..count / 2]),
                Step::TooFull | Step::Ended => ended = true,
            }
        }
        outcome.left.extend(left);
        if outcome.deleted + outcome.rewritten > 0 {
            self.settle();
        }
        Ok(())
    }

    /// Copies what stands in some packs, commits without them and deletes them; or takes everything back.
    fn step(&mut self, packs: &[u32], plan: &GcPlan, progress: &mut dyn FnMut(u64) -> ControlFlow<()>) -> Result<Step> {
        let copied = match self.copy_and_commit(packs, plan, progress) {
            Ok(Some(moved)) => moved,
            failed => {
                let undone = self.log.undo(&self.last.id, self.last.counter);
                if self.log.stopped() {
                    return failed.and(undone).map(|()| Step::Ended);
                }
                return match failed {
                    Err(Error::Io { source, .. }) if disk::out_of_space(&source) => Ok(Step::TooFull),
                    other => other.map(|_| Step::Ended),
                };
            }
        };
        let bytes = copied.iter().map(|(_, to)| u64::from(to.length)).sum();
        if let Err(error) = self.relocate(copied) {
            // The packs are right, what is in memory is not: the next opening makes it anew.
            self.standing.catalog.invalidate();
            self.log.stop(error.to_string());
            return Err(error);
        }
        // The new packs are durable and counted, the old ones still there; too late to end.
        let _ = progress(bytes);
        self.follow_up();
        let _ = progress(bytes);
        Ok(Step::Done(bytes))
    }

    /// `None` when `progress` ended it.
    fn copy_and_commit(
        &mut self,
        packs: &[u32],
        plan: &GcPlan,
        progress: &mut dyn FnMut(u64) -> ControlFlow<()>,
    ) -> Result<Option<Vec<Moved>>> {
        if plan.removes(self.log.end().pack) {
            self.freeing(|vault| vault.log.turn())?;
        }
        let (mut moved, mut done) = (Vec::new(), 0);
        for at in packs.iter().flat_map(|number| plan.moves(*number)) {
            if progress(done).is_break() {
                return Ok(None);
            }
            let (head, to) = self.log.append_again(at)?;
            done += u64::from(to.length);
            moved.push((head, to));
        }
        if progress(done).is_break() {
            return Ok(None);
        }
        self.log.retire(packs);
        self.freeing(Vault::end_batch)?;
        Ok(Some(moved))
    }

    /// Index and catalog follow what was moved.
    fn relocate(&mut self, moved: Vec<Moved>) -> Result<()> {
        for (head, to) in moved {
            match head.kind {
                Type::Chunk => self.index.get_mut().unwrap_or_else(PoisonError::into_inner).insert(head.id, to),
                Type::Object => self.standing.relocate(&self.keys, &ObjectId(head.id), to)?,
                Type::Removal | Type::Commit => {}
            }
        }
        Ok(())
    }

    /// One commit more, so that both slots of the head name one whose pack stays, and none names packs as retired.
    fn settle(&mut self) {
        if let Err(error) = self.commit_batch() {
            tracing::warn!(%error, "the head's older slot still names a commit from before the collection");
        }
    }

    /// Before the first pack goes, the index goes: an old one would say that chunks are there which are not.
    fn forget_index(&mut self) -> Result<()> {
        let index = self.index.get_mut().unwrap_or_else(PoisonError::into_inner);
        index.forget_set()?;
        // In memory it stays right for all that stands; entries that lead to packs that are gone are not believed.
        index.set_partial();
        Ok(())
    }

    /// The index of what the packs hold now. Where the disk has no room for it, it stays in memory.
    fn index_anew(&mut self) -> Result<()> {
        if self.log.stopped() {
            return Ok(());
        }
        match self.index_to_disk() {
            Err(Error::Io { source, .. }) if disk::out_of_space(&source) => self.remake_index(),
            other => other,
        }
    }

    fn index_to_disk(&mut self) -> Result<()> {
        let mut fresh = Index::empty(&self.paths.index(), self.keys.clone())?;
        let first = self.log.packs().keys().next().copied().unwrap_or(1);
        let gaps = self.log.walk(Position { pack: first, offset: HEADER }, self.log.end(), &mut |at, head| {
            if head.kind == Type::Chunk {
                fresh.insert(head.id, at);
            }
            if fresh.recent() >= RECENT_MAX { fresh.spill() } else { Ok(()) }
        })?;
        if !gaps.is_empty() {
            fresh.set_partial();
        }
        fresh.flush(self.last)?;
        *self.index.get_mut().unwrap_or_else(PoisonError::into_inner) = fresh;
        Ok(())
    }
}

impl Standing {
    /// The record of an object that stands is elsewhere now.
    fn relocate(&mut self, keys: &crate::key::Keys, id: &ObjectId, to: Location) -> Result<()> {
        match self.by_id(id)? {
            Some((name, located)) => self.set(keys, name, Some(crate::catalog::Located { at: to, ..located })),
            None => Err(Error::damaged(format!("catalog: object {id} stands and is not in it"))),
        }
    }
}

fn full(what: &str) -> Error {
    Error::Limit(format!("the disk is full: {what}"))
}
