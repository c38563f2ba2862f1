//! The private side: what the owner opens, and the check that it satisfies a statement.

use core::fmt;

use super::{Leaf, OwnerSecret, Shape, Statement, draw::draws, output_leaf};
use crate::{
    Error, Field, Result,
    merkle::{Opening, Tree, capacity},
};

/// Everything a witness is gathered from: the whole dataset and the whole output.
#[derive(Clone, Copy, Debug)]
pub struct Material<'a> {
    /// What opens the owner's commitment.
    pub owner: &'a OwnerSecret,
    /// Every record's leaf, in order.
    pub leaves: &'a [Leaf],
    /// The tree over their hashes.
    pub records: &'a Tree,
    /// Every row's digest, in the same order.
    pub row_digests: &'a [[u8; 32]],
    /// The tree over their output leaves.
    pub outputs: &'a Tree,
}

impl Material<'_> {
    /// The statement this material proves for a job's context and challenge.
    pub fn statement(&self, context: Field, challenge: Field) -> Statement {
        Statement {
            root: self.records.root(),
            count: self.records.count(),
            owner: self.owner.commitment(),
            output_root: self.outputs.root(),
            context,
            challenge,
        }
    }
}

/// One drawn position opened in both trees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drawn {
    /// The record's leaf.
    pub leaf: Leaf,
    /// The digest of the row computed from it.
    pub row_digest: [u8; 32],
    /// From the record's leaf to the dataset's root.
    pub record: Opening,
    /// From the output's leaf to the output's root.
    pub output: Opening,
}

/// What only the owner knows, for one challenge.
#[derive(Clone)]
pub struct Witness {
    /// What opens the owner's commitment.
    pub owner: OwnerSecret,
    /// The drawn positions, in the order drawn.
    pub drawn: Vec<Drawn>,
}

impl fmt::Debug for Witness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Witness({} openings, ..)", self.drawn.len())
    }
}

impl Witness {
    /// Opens the positions that `challenge` draws.
    ///
    /// # Errors
    /// [`Error::Unsatisfied`] when leaves, rows and trees are not of one length.
    pub fn gather(material: &Material<'_>, challenge: Field) -> Result<Self> {
        Self::gather_shape(material, challenge, super::DRAWS)
    }

    pub(crate) fn gather_shape(material: &Material<'_>, challenge: Field, draws_wanted: usize) -> Result<Self> {
        let Material { owner, leaves, records, row_digests, outputs } = *material;
        let count = records.count();
        if leaves.len() as u64 != count || row_digests.len() as u64 != count || outputs.count() != count {
            let (leaves, rows, outputs) = (leaves.len(), row_digests.len(), outputs.count());
            return unsatisfied(format!(
                "{leaves} leaves, {rows} rows and {outputs} output leaves for {count} records: all four must be equal"
            ));
        }
        let open = |position: u64| {
            let place = position as usize;
            Ok(Drawn {
                leaf: leaves[place],
                row_digest: row_digests[place],
                record: records.opening(position)?,
                output: outputs.opening(position)?,
            })
        };
        let drawn = draws(challenge, count).take(draws_wanted).map(open).collect::<Result<_>>()?;
        Ok(Self { owner: owner.clone(), drawn })
    }

    /// Checks natively all that the circuit constrains.
    ///
    /// # Errors
    /// [`Error::Count`] for a count outside the tier, [`Error::Unsatisfied`] naming the first opening that fails.
    pub(crate) fn check_shape(&self, shape: Shape, statement: &Statement) -> Result<()> {
        let (count, capacity) = (statement.count, capacity(shape.depth));
        if !(1..=capacity).contains(&count) {
            return Err(Error::Count { count, capacity });
        }
        if self.owner.commitment() != statement.owner {
            return unsatisfied("the identity secret and dataset salt do not open the owner's commitment".into());
        }
        if self.drawn.len() != shape.draws {
            return unsatisfied(format!("{} positions are opened where {} are drawn", self.drawn.len(), shape.draws));
        }
        let positions = draws(statement.challenge, count);
        self.drawn.iter().zip(positions).try_for_each(|(drawn, position)| drawn.check(shape, statement, position))
    }
}

impl Drawn {
    fn check(&self, shape: Shape, statement: &Statement, position: u64) -> Result<()> {
        let leaf = self.leaf.hash();
        let output = output_leaf(leaf, &self.row_digest);
        for (name, opening, leaf, root) in [
            ("record", &self.record, leaf, statement.root),
            ("output row", &self.output, output, statement.output_root),
        ] {
            if opening.siblings.len() != shape.depth {
                let levels = opening.siblings.len();
                return unsatisfied(format!("the {name}'s opening has {levels} levels, the tier has {}", shape.depth));
            }
            if opening.root(leaf, position) != root {
                return unsatisfied(format!("the {name} at drawn position {position} does not open the {name}s' root"));
            }
        }
        Ok(())
    }
}

fn unsatisfied<T>(reason: String) -> Result<T> {
    Err(Error::Unsatisfied { reason })
}
