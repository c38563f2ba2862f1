//! The tree over leaves: Poseidon, eight children to a node, three tiers of fixed depth.
//!
//! `node = Poseidon(NODE, c0..c7)`. Positions without a record hold the empty leaf `Poseidon(EMPTY)`; subtrees of
//! empty leaves are never built, their roots are known per level.

use rayon::prelude::*;

use crate::{
    Error, Field, Result,
    poseidon::{Tag, hash, hash_each},
};

mod append;
pub mod gadget;

/// Children of a node.
pub const ARITY: usize = 8;

/// Nodes hashed between two reports of progress.
const BATCH: usize = 4096;

/// Nodes hashed by one core before the next are shared out.
const SHARE: usize = 8;

/// How deep a dataset's tree is. Fixed by the number of records; a proof is for one tier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Tier {
    /// 8^3 = 512 records.
    Small = 0,
    /// 8^5 = 32,768 records.
    Medium = 1,
    /// 8^7 = 2,097,152 records.
    Large = 2,
}

impl Tier {
    /// All tiers, smallest first.
    pub const ALL: [Self; 3] = [Self::Small, Self::Medium, Self::Large];

    /// The smallest tier that holds `count` records.
    ///
    /// # Errors
    /// [`Error::Count`] for none, or more than the largest tier holds.
    pub fn for_count(count: u64) -> Result<Self> {
        let fits = |tier: &Self| (1..=tier.capacity()).contains(&count);
        Self::ALL.into_iter().find(fits).ok_or(Error::Count { count, capacity: Self::Large.capacity() })
    }

    /// The tier with this number, as contracts name it.
    pub fn from_id(id: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|tier| tier.id() == id)
    }

    /// The tier's number, as contracts name it: 0, 1, 2.
    pub fn id(self) -> u8 {
        self as u8
    }

    /// The tier's name in file names and messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Small => "small",
            Self::Medium => "medium",
            Self::Large => "large",
        }
    }

    /// Levels between a leaf and the root.
    pub fn depth(self) -> usize {
        match self {
            Self::Small => 3,
            Self::Medium => 5,
            Self::Large => 7,
        }
    }

    /// Most records a tree of this tier holds.
    pub fn capacity(self) -> u64 {
        capacity(self.depth())
    }
}

/// Leaves of a tree of `depth` levels.
pub(crate) fn capacity(depth: usize) -> u64 {
    1 << (3 * depth)
}

/// The leaf at a position that holds no record.
pub fn empty_leaf() -> Field {
    hash(Tag::Empty, &[])
}

/// A tree with the levels its leaves reach; 8/7 of the leaves' own memory.
#[derive(Clone, Debug)]
pub struct Tree {
    /// Levels from the leaves up; the last holds the root alone.
    levels: Vec<Vec<Field>>,
    /// The root of an empty subtree of each height.
    empty: Vec<Field>,
}

impl Tree {
    /// Builds the tree of `tier` over `leaves`, on all cores. `progress(done, total)` counts nodes and is called on
    /// this thread every few thousand of them and at the end.
    ///
    /// # Errors
    /// [`Error::Count`] when there are no leaves or more than the tier holds.
    pub fn build(tier: Tier, leaves: Vec<Field>, progress: &mut dyn FnMut(u64, u64)) -> Result<Self> {
        Self::of_depth(tier.depth(), leaves, progress)
    }

    /// As [`Tree::build`], for any depth.
    pub(crate) fn of_depth(depth: usize, leaves: Vec<Field>, progress: &mut dyn FnMut(u64, u64)) -> Result<Self> {
        let (count, capacity) = (leaves.len() as u64, capacity(depth));
        if !(1..=capacity).contains(&count) {
            return Err(Error::Count { count, capacity });
        }
        let empty = empty_roots(depth);
        let total = node_count(leaves.len(), depth);
        let mut done = 0;
        let mut levels = vec![leaves];
        for padding in &empty[..depth] {
            let below = &levels[levels.len() - 1];
            let mut level = Vec::with_capacity(below.len().div_ceil(ARITY));
            for batch in below.chunks(BATCH * ARITY) {
                level.par_extend(batch.par_chunks(SHARE * ARITY).flat_map_iter(|below| nodes(below, *padding)));
                done += batch.len().div_ceil(ARITY) as u64;
                progress(done, total);
            }
            levels.push(level);
        }
        Ok(Self { levels, empty })
    }

    /// The root: the commitment to every leaf and its position.
    pub fn root(&self) -> Field {
        self.levels[self.levels.len() - 1][0]
    }

    /// The leaves that are not padding.
    pub fn leaves(&self) -> &[Field] {
        &self.levels[0]
    }

    /// Number of leaves that are not padding.
    pub fn count(&self) -> u64 {
        self.levels[0].len() as u64
    }

    /// Levels between a leaf and the root.
    pub fn depth(&self) -> usize {
        self.levels.len() - 1
    }

    /// The leaf at `position`; the empty leaf past the last record.
    ///
    /// # Errors
    /// [`Error::Position`] outside the tree.
    pub fn leaf(&self, position: u64) -> Result<Field> {
        let place = self.place(position)?;
        Ok(*self.levels[0].get(place).unwrap_or(&self.empty[0]))
    }

    /// What leads from the leaf at `position` to the root.
    ///
    /// # Errors
    /// [`Error::Position`] outside the tree.
    pub fn opening(&self, position: u64) -> Result<Opening> {
        let mut place = self.place(position)?;
        let mut siblings = Vec::with_capacity(self.depth());
        for (level, padding) in self.levels[..self.depth()].iter().zip(&self.empty) {
            let first = place / ARITY * ARITY;
            let own = place - first;
            let at = |i: usize| *level.get(first + i + usize::from(i >= own)).unwrap_or(padding);
            siblings.push(core::array::from_fn(at));
            place /= ARITY;
        }
        Ok(Opening { siblings })
    }

    fn place(&self, position: u64) -> Result<usize> {
        let capacity = capacity(self.depth());
        if position < capacity { Ok(position as usize) } else { Err(Error::Position { position, capacity }) }
    }
}

/// The seven other children at each level from a leaf to the root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opening {
    /// From the leaf's level up, in order of position.
    pub siblings: Vec<[Field; ARITY - 1]>,
}

impl Opening {
    /// The root that this opening gives to `leaf` at `position`; only as many of the position's base-8 digits as there
    /// are levels are used.
    pub fn root(&self, leaf: Field, position: u64) -> Field {
        let mut position = position;
        self.siblings.iter().fold(leaf, |current, siblings| {
            let own = (position % ARITY as u64) as usize;
            position /= ARITY as u64;
            node(&children(siblings, own, current))
        })
    }
}

/// `siblings` with `current` put in at place `own`.
pub(crate) fn children(siblings: &[Field; ARITY - 1], own: usize, current: Field) -> [Field; ARITY] {
    core::array::from_fn(|i| match i.cmp(&own) {
        core::cmp::Ordering::Less => siblings[i],
        core::cmp::Ordering::Equal => current,
        core::cmp::Ordering::Greater => siblings[i - 1],
    })
}

fn node(children: &[Field; ARITY]) -> Field {
    hash(Tag::Node, children)
}

/// The nodes over the words of a level, the last one padded.
fn nodes(below: &[Field], padding: Field) -> Vec<Field> {
    let (whole, rest) = below.as_chunks::<ARITY>();
    let mut nodes = hash_each(Tag::Node, whole);
    if !rest.is_empty() {
        nodes.push(node(&padded(rest, padding)));
    }
    nodes
}

fn padded(children: &[Field], padding: Field) -> [Field; ARITY] {
    core::array::from_fn(|i| *children.get(i).unwrap_or(&padding))
}

/// Roots of empty subtrees of heights 0 to `depth`.
fn empty_roots(depth: usize) -> Vec<Field> {
    core::iter::successors(Some(empty_leaf()), |below| Some(node(&[*below; ARITY]))).take(depth + 1).collect()
}

/// Nodes above `leaves` that are not roots of empty subtrees.
fn node_count(leaves: usize, depth: usize) -> u64 {
    let level = |width: &usize| Some(width.div_ceil(ARITY));
    core::iter::successors(level(&leaves), level).take(depth).map(|width| width as u64).sum()
}

#[cfg(test)]
mod tests;
