//! How many ways the private wires could move while every constraint still holds, to first order.
//!
//! A constraint `a·b = c` lets the private wires move by `d` only where `a(d)·b + a·b(d) = c(d)`. The directions that
//! all constraints allow form a space. Its dimension is compared with what the circuit leaves open by design, which is
//! the inputs of hashes beyond their one output. An unconstrained wire, or a hint that its constraints do not pin, adds
//! to it. A constraint whose line depends on those before it adds no rank: it speaks about bits, which cannot move a
//! little. Those are returned, to be tested with bits changed for good. So are the constraints without which there would be
//! one direction more: those that no such dependency holds.

use std::collections::{BTreeMap, BTreeSet};

use ark_ff::{AdditiveGroup, Field as _};

use super::Wires;
use crate::Field;

/// What the constraints leave open around a solution.
pub struct Freedom {
    /// Dimension of the space of allowed moves.
    pub directions: usize,
    /// Constraints whose line depends on those before.
    pub redundant: Vec<usize>,
    /// Constraints that each take a direction which all others together leave open.
    pub needed: Vec<usize>,
    /// Private wires that no constraint names with a factor.
    pub unnamed: usize,
}

type Line = Vec<(usize, Field)>;

/// What is left of a constraint's line, its newest wire with the factor 1.
struct Pinned {
    line: Line,
    made_of: Sum,
}

/// `scale · (row − Σ factor · earlier row's line)`.
struct Sum {
    row: usize,
    scale: Field,
    less: Vec<(usize, Field)>,
}

impl Wires {
    /// What the constraints leave open around this solution, the public wires held.
    ///
    /// Gauss elimination by each line's newest wire. Most constraints compute a new wire, so hardly any line meets an
    /// earlier one and the elimination is as fast as the matrices are sparse.
    pub fn freedom(&self) -> Freedom {
        let mut by_newest: Vec<Option<Pinned>> = self.values.iter().map(|_| None).collect();
        let mut scratch = vec![Field::ZERO; self.values.len()];
        let mut redundant = Vec::new();
        for row in 0..self.constraints() {
            let (line, made_of) = reduce(row, self.line(row), &by_newest, &mut scratch);
            match line.last() {
                Some((newest, _)) => {
                    let newest = *newest;
                    by_newest[newest] = Some(Pinned { line, made_of });
                }
                None => redundant.push(made_of),
            }
        }
        let pinned: BTreeMap<usize, Sum> =
            by_newest.into_iter().flatten().map(|pinned| (pinned.made_of.row, pinned.made_of)).collect();
        let dependent: BTreeSet<usize> = redundant.iter().flat_map(|sum| rows_of(sum, &pinned)).collect();
        let unnamed = self.rows[self.public..].iter().filter(|rows| rows.is_empty()).count();
        Freedom {
            directions: self.values.len() - self.public - pinned.len(),
            redundant: redundant.iter().map(|sum| sum.row).collect(),
            needed: pinned.into_keys().filter(|row| !dependent.contains(row)).collect(),
            unnamed,
        }
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

/// The constraints whose lines a redundant one is a sum of.
fn rows_of(redundant: &Sum, pinned: &BTreeMap<usize, Sum>) -> Vec<usize> {
    let mut open: BTreeMap<usize, Field> = BTreeMap::new();
    let mut rows = vec![redundant.row];
    let add = |open: &mut BTreeMap<usize, Field>, sum: &Sum, times: Field| {
        sum.less.iter().for_each(|(row, factor)| *open.entry(*row).or_insert(Field::ZERO) += times * factor);
    };
    add(&mut open, redundant, Field::ONE);
    while let Some((row, times)) = open.pop_last() {
        if times != Field::ZERO {
            let sum = &pinned[&row];
            rows.push(row);
            add(&mut open, sum, -times * sum.scale);
        }
    }
    rows
}

/// The line without the newest wires that earlier lines pin, its own newest one with the factor 1; empty when nothing is
/// left. `scratch` is zero before and after.
fn reduce(row: usize, line: Line, by_newest: &[Option<Pinned>], scratch: &mut [Field]) -> (Line, Sum) {
    let mut open = BTreeSet::new();
    for (wire, factor) in line {
        scratch[wire] += factor;
        open.insert(wire);
    }
    let (mut left, mut less) = (Vec::new(), Vec::new());
    while let Some(wire) = open.pop_last() {
        let factor = core::mem::replace(&mut scratch[wire], Field::ZERO);
        if factor == Field::ZERO {
            continue;
        }
        match &by_newest[wire] {
            // Past the newest wire that stays, the rest need not be reduced.
            Some(Pinned { line, made_of }) if left.is_empty() => {
                less.push((made_of.row, factor));
                for (other, coefficient) in &line[..line.len() - 1] {
                    scratch[*other] -= factor * coefficient;
                    open.insert(*other);
                }
            }
            _ => left.push((wire, factor)),
        }
    }
    left.reverse();
    let scale = left.last().map_or(Field::ONE, |(_, factor)| factor.inverse().unwrap());
    left.iter_mut().for_each(|(_, factor)| *factor *= scale);
    (left, Sum { row, scale, less })
}
