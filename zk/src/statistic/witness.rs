//! The private side: what the owner knows of the records, and the check that it satisfies a statement.

use core::fmt;

use zeroize::{Zeroize, ZeroizeOnDrop};

use super::{
    Answer, BINS, Bins, Statement,
    bins::{INNER, encode},
};
use crate::{
    Error, Field, Result, field,
    merkle::{Tree, capacity},
    poseidon::{Tag, hash},
    provenance::{Leaf, OwnerSecret, packed},
};

/// Everything a statistic is proven from.
#[derive(Clone, Copy, Debug)]
pub struct Material<'a> {
    /// What opens the owner's commitment.
    pub owner: &'a OwnerSecret,
    /// Every record's leaf, in order.
    pub leaves: &'a [Leaf],
    /// The tree over their hashes.
    pub records: &'a Tree,
    /// The edges of the histogram's bins.
    pub bins: Bins,
    /// Fewest values in a group of the answer.
    pub least: u32,
    /// 31 random bytes that hide the answer on-chain.
    pub blinding: &'a [u8; 31],
}

impl Material<'_> {
    /// The answer that this material proves.
    ///
    /// # Errors
    /// As [`Answer::compute`].
    pub fn answer(&self) -> Result<Answer> {
        Answer::compute(self.leaves.iter().filter_map(|leaf| leaf.value), self.bins, self.least)
    }

    /// The statement this material proves for a job's context and challenge.
    ///
    /// # Errors
    /// As [`Answer::compute`].
    pub fn statement(&self, context: Field, challenge: Field) -> Result<Statement> {
        Ok(Statement {
            root: self.records.root(),
            count: self.records.count(),
            owner: self.owner.commitment(),
            output_root: self.answer()?.commitment(self.blinding),
            context,
            challenge,
        })
    }
}

/// What the circuit takes of a record: the hash of its content, and what it counts.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Counted {
    pub data: Field,
    pub level: u8,
    pub value: Option<i32>,
}

/// What only the owner knows. The same for every job with the same answer and blinding.
#[derive(Clone)]
pub struct Witness {
    pub(super) owner: OwnerSecret,
    pub(super) records: Vec<Counted>,
    pub(super) bins: Bins,
    pub(super) least: u32,
    pub(super) blinding: Blinding,
}

/// Wiped when dropped.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub(super) struct Blinding(pub [u8; 31]);

impl fmt::Debug for Witness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Witness({} records, ..)", self.records.len())
    }
}

impl Witness {
    /// Takes what the circuit needs of the records.
    ///
    /// # Errors
    /// [`Error::Unsatisfied`] when leaves and tree are not of one length.
    pub fn gather(material: &Material<'_>) -> Result<Self> {
        let Material { owner, leaves, records, bins, least, blinding } = *material;
        if leaves.len() as u64 != records.count() {
            let (leaves, count) = (leaves.len(), records.count());
            return unsatisfied(format!("{leaves} leaves for {count} records: both must be equal"));
        }
        let counted = leaves.iter().map(|leaf| {
            let [salt, lo, hi, _] = leaf.preimage();
            Counted { data: hash(Tag::Data, &[salt, lo, hi]), level: leaf.level, value: leaf.value }
        });
        Ok(Self { owner: owner.clone(), records: counted.collect(), bins, least, blinding: Blinding(*blinding) })
    }

    /// Checks natively all that the circuit constrains.
    ///
    /// # Errors
    /// [`Error::Count`] for a count outside the tree, [`Error::TooFew`] when nothing may be answered,
    /// [`Error::Unsatisfied`] naming what does not open.
    pub(super) fn check_depth(&self, depth: usize, statement: &Statement) -> Result<()> {
        let (count, capacity) = (statement.count, capacity(depth));
        if !(1..=capacity).contains(&count) {
            return Err(Error::Count { count, capacity });
        }
        if self.owner.commitment() != statement.owner {
            return unsatisfied("the identity secret and dataset salt do not open the owner's commitment".into());
        }
        if self.records.len() as u64 != count {
            return unsatisfied(format!("{} records are opened where {count} are registered", self.records.len()));
        }
        let leaves = self.records.iter().map(Counted::leaf).collect();
        if Tree::of_depth(depth, leaves, &mut |_, _| ())?.root() != statement.root {
            return unsatisfied("the records do not open the dataset's root".into());
        }
        if self.answer()?.commitment(&self.blinding.0) != statement.output_root {
            return unsatisfied("the answer and its blinding do not open the committed one".into());
        }
        Ok(())
    }

    /// The answer over the records.
    pub(super) fn answer(&self) -> Result<Answer> {
        Answer::compute(self.records.iter().filter_map(|record| record.value), self.bins, self.least)
    }
}

/// Everything that the circuit takes as given and constrains: no constraint relies on these being honest.
#[derive(Clone)]
pub(super) struct Given {
    pub owner: OwnerSecret,
    /// Encoded edges between bins.
    pub edges: [u64; INNER],
    /// One for each leaf of the tree.
    pub places: Vec<Place>,
    pub least: u64,
    pub blinding: Field,
}

/// What the prover gives of one position; all 0 where no record is.
#[derive(Clone, Copy, Default)]
pub(super) struct Place {
    pub there: bool,
    /// The bins that the value is said to be in.
    pub chosen: [bool; BINS],
    /// The encoded value, 0 for none.
    pub value: u64,
    pub level: u8,
    pub data: Field,
}

impl Given {
    pub(super) fn of(witness: &Witness, depth: usize) -> Self {
        let mut places: Vec<_> = witness.records.iter().map(|record| Place::of(record, &witness.bins)).collect();
        places.resize(capacity(depth) as usize, Place::default());
        Self {
            owner: witness.owner.clone(),
            edges: witness.bins.encoded(),
            places,
            least: witness.least.into(),
            blinding: field::from_salt(&witness.blinding.0),
        }
    }
}

impl Place {
    fn of(record: &Counted, bins: &Bins) -> Self {
        Self {
            there: true,
            chosen: core::array::from_fn(|place| record.value.is_some_and(|value| bins.bin(value) == place)),
            value: record.value.map_or(0, encode),
            level: record.level,
            data: record.data,
        }
    }
}

impl Counted {
    pub(super) fn leaf(&self) -> Field {
        hash(Tag::Leaf, &[self.data, packed(self.level, self.value)])
    }
}

fn unsatisfied<T>(reason: String) -> Result<T> {
    Err(Error::Unsatisfied { reason })
}
