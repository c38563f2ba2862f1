//! How many ways the private wires could move while every constraint still holds, to first order.
//!
//! A constraint `a·b = c` lets the private wires move by `d` only where `a(d)·b + a·b(d) = c(d)`. The directions that
//! all constraints allow form a space. Its dimension is compared with what the circuit leaves open by design, which is
//! the inputs of hashes beyond their one output. An unconstrained wire, or a hint that its constraints do not pin, adds
//! to it. A constraint whose line depends on those before it adds no rank: it speaks about bits, which cannot move a
//! little. Those are returned, to be tested with bits changed for good.

use std::collections::BTreeSet;

use ark_ff::{AdditiveGroup, Field as _};

use super::Wires;
use crate::Field;

/// What the constraints leave open around a solution.
#[derive(Debug, PartialEq, Eq)]
pub struct Freedom {
    /// Dimension of the space of allowed moves.
    pub directions: usize,
    /// Constraints whose line depends on those before.
    pub redundant: Vec<usize>,
    /// Private wires that no constraint names with a factor.
    pub unnamed: usize,
}

type Line = Vec<(usize, Field)>;

impl Wires {
    /// What the constraints leave open around this solution, the public wires held.
    ///
    /// Gauss elimination by each line's newest wire. Most constraints compute a new wire, so hardly any line meets an
    /// earlier one and the elimination is as fast as the matrices are sparse.
    pub fn freedom(&self) -> Freedom {
        let mut by_newest: Vec<Option<Line>> = vec![None; self.values.len()];
        let mut scratch = vec![Field::ZERO; self.values.len()];
        let mut redundant = Vec::new();
        for row in 0..self.constraints() {
            match reduce(self.line(row), &by_newest, &mut scratch) {
                Some(line) => {
                    let newest = line[line.len() - 1].0;
                    by_newest[newest] = Some(line);
                }
                None => redundant.push(row),
            }
        }
        let pinned = by_newest.iter().flatten().count();
        let unnamed = self.rows[self.public..].iter().filter(|rows| rows.is_empty()).count();
        Freedom { directions: self.values.len() - self.public - pinned, redundant, unnamed }
    }

    /// The constraint's line: what it asks of a move of the private wires.
    fn line(&self, row: usize) -> Line {
        let (a, b) = (self.sum(0, row), self.sum(1, row));
        let factors = [b, a, -Field::ONE];
        let terms = self.matrices.iter().zip(factors).flat_map(|(matrix, factor)| {
            matrix[row].iter().map(move |(coefficient, wire)| (*wire, *coefficient * factor))
        });
        terms.filter(|(wire, _)| *wire >= self.public).collect()
    }
}

/// The line without the newest wires that earlier lines pin, its own newest one with the factor 1; `None` when
/// nothing is left. `scratch` is zero before and after.
fn reduce(line: Line, by_newest: &[Option<Line>], scratch: &mut [Field]) -> Option<Line> {
    let mut open = BTreeSet::new();
    for (wire, factor) in line {
        scratch[wire] += factor;
        open.insert(wire);
    }
    let mut left = Vec::new();
    while let Some(wire) = open.pop_last() {
        let factor = core::mem::replace(&mut scratch[wire], Field::ZERO);
        if factor == Field::ZERO {
            continue;
        }
        match &by_newest[wire] {
            // Past the newest wire that stays, the rest need not be reduced.
            Some(pinned) if left.is_empty() => {
                for (other, coefficient) in &pinned[..pinned.len() - 1] {
                    scratch[*other] -= factor * coefficient;
                    open.insert(*other);
                }
            }
            _ => left.push((wire, factor)),
        }
    }
    left.reverse();
    let scale = left.last()?.1.inverse()?;
    left.iter_mut().for_each(|(_, factor)| *factor *= scale);
    Some(left)
}
