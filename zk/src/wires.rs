//! A solved system as plain matrices, so that tests can change wires and see which constraint notices.

use std::collections::BTreeSet;

use ark_ff::{AdditiveGroup, Field as _};
use ark_relations::{
    gr1cs::{ConstraintSystemRef, R1CS_PREDICATE_LABEL},
    utils::matrix::Matrix,
};

use crate::Field;

mod alone;
mod freedom;

/// The constant 1, the public wires and the private wires of a system, with its constraints.
pub struct Wires {
    /// Every wire's value; 0 is the constant, public inputs follow.
    pub values: Vec<Field>,
    /// Number of wires that are not private: the constant and the public inputs.
    pub public: usize,
    matrices: Vec<Matrix<Field>>,
    /// The constraints that name each wire.
    rows: Vec<Vec<usize>>,
    /// The constraint that computes each wire from earlier ones, if one does.
    computed_by: Vec<Option<usize>>,
}

impl Wires {
    /// The wires as solved.
    pub fn of(cs: &ConstraintSystemRef<Field>) -> Self {
        cs.finalize();
        let public = cs.num_instance_variables();
        let values = [cs.instance_assignment().unwrap(), cs.witness_assignment().unwrap()].concat();
        let matrices = cs.to_matrices().unwrap().remove(R1CS_PREDICATE_LABEL).unwrap();
        let mut rows = vec![Vec::new(); values.len()];
        for matrix in &matrices {
            for (number, row) in matrix.iter().enumerate() {
                row.iter().for_each(|(_, wire)| rows[*wire].push(number));
            }
        }
        let mut wires = Self { computed_by: vec![None; values.len()], values, public, matrices, rows };
        for row in 0..wires.constraints() {
            if let Some(wire) = wires.computes(row) {
                wires.computed_by[wire].get_or_insert(row);
            }
        }
        wires
    }

    /// Number of constraints.
    pub fn constraints(&self) -> usize {
        self.matrices[0].len()
    }

    /// Whether every constraint holds.
    pub fn hold(&self) -> bool {
        (0..self.constraints()).all(|row| self.row_holds(row))
    }

    /// Whether a constraint fails once `wire` has this value; the wire is put back.
    pub fn notice(&mut self, wire: usize, value: Field) -> bool {
        let honest = core::mem::replace(&mut self.values[wire], value);
        let noticed = self.rows[wire].iter().any(|row| !self.row_holds(*row));
        self.values[wire] = honest;
        noticed
    }

    /// Whether a constraint fails once `wire` has this value and every wire computed from it is computed again; the
    /// wires are put back. This is what a dishonest prover would do with the wires that the circuit takes as given.
    pub fn notice_recomputed(&mut self, wire: usize, value: Field) -> bool {
        !self.failing(wire, value, self.naming(wire), 1).is_empty()
    }

    /// Of these constraints, those that are the only one to fail for some value 0 or 1 of a private wire they name, all
    /// wires computed from it computed again. Without such a constraint that dishonest assignment would be accepted.
    pub fn alone_noticing(&mut self, rows: &[usize]) -> BTreeSet<usize> {
        let mut found = BTreeSet::new();
        for row in rows {
            let named: BTreeSet<usize> = self.terms(*row).map(|(_, wire)| *wire).collect();
            // The newest first: among a sum's bits, the ones that least depends on.
            let alone = named.range(self.public..).rev().any(|&wire| {
                let honest = self.values[wire];
                [Field::ZERO, Field::ONE]
                    .into_iter()
                    .any(|value| value != honest && self.failing(wire, value, self.naming(wire), 2) == [*row])
            });
            if alone {
                found.insert(*row);
            }
        }
        found
    }

    /// All constraints that fail.
    pub fn failing_now(&self) -> Vec<usize> {
        (0..self.constraints()).filter(|row| !self.row_holds(*row)).collect()
    }

    /// The first constraints, at most `most`, that fail after a change: of those in `open` and those that name a wire
    /// computed from the changed one.
    fn failing(&mut self, wire: usize, value: Field, mut open: BTreeSet<usize>, most: usize) -> Vec<usize> {
        let mut before = vec![(wire, core::mem::replace(&mut self.values[wire], value))];
        let mut failing = Vec::new();
        while let Some(row) = open.pop_first().filter(|_| failing.len() < most) {
            match self.computes(row).filter(|computed| *computed != wire && self.computed_by[*computed] == Some(row)) {
                Some(computed) => {
                    let factor = self.matrices[2][row][0].0;
                    let result = self.sum(0, row) * self.sum(1, row) * factor.inverse().unwrap();
                    if result != self.values[computed] {
                        before.push((computed, core::mem::replace(&mut self.values[computed], result)));
                        open.extend(self.rows[computed].iter().filter(|later| **later > row));
                    }
                }
                None if !self.row_holds(row) => failing.push(row),
                None => {}
            }
        }
        before.into_iter().rev().for_each(|(wire, honest)| self.values[wire] = honest);
        failing
    }

    /// The constraints that name a wire.
    fn naming(&self, wire: usize) -> BTreeSet<usize> {
        self.rows[wire].iter().copied().collect()
    }

    /// Gives a public wire the value that its one equality asks for, as for the statement that an assignment does show.
    pub fn settle(&mut self, public: usize) {
        let [row] = self.rows[public][..] else { panic!("wire {public} is in {} places", self.rows[public].len()) };
        let (factor, _) = self.matrices[0][row].iter().find(|(_, wire)| *wire == public).unwrap();
        let change = self.sum(0, row) * factor.inverse().unwrap();
        self.values[public] -= change;
        assert!(self.row_holds(row));
    }

    /// Whether this is the second of the two constraints `s · m = u` and `s · (1 − u) = 0`, by which `u` says that `s` is not 0.
    pub fn is_second_half_of_unequal(&self, row: usize) -> bool {
        let [a, b, c] = [0, 1, 2].map(|matrix| &self.matrices[matrix]);
        let Some(first) = row.checked_sub(1) else { return false };
        let [(factor, unequal)] = c[first][..] else { return false };
        let mut rest = b[row].clone();
        rest.sort_by_key(|(_, wire)| *wire);
        factor == Field::ONE
            && a[row] == a[first]
            && c[row].is_empty()
            && rest == [(Field::ONE, 0), (-Field::ONE, unequal)]
    }

    /// Whether the circuit computes this wire from earlier ones; the others are given by the prover.
    pub fn is_computed(&self, wire: usize) -> bool {
        self.computed_by[wire].is_some()
    }

    /// The wire that a constraint `a · b = factor · wire` computes: private and newer than all in `a` and `b`.
    fn computes(&self, row: usize) -> Option<usize> {
        let [(factor, wire)] = self.matrices[2][row][..] else { return None };
        let newest = self.matrices[..2].iter().flat_map(|matrix| &matrix[row]).all(|(_, older)| *older < wire);
        (newest && wire >= self.public && factor != Field::ZERO).then_some(wire)
    }

    fn terms(&self, row: usize) -> impl Iterator<Item = &(Field, usize)> {
        self.matrices.iter().flat_map(move |matrix| &matrix[row])
    }

    fn sum(&self, matrix: usize, row: usize) -> Field {
        self.matrices[matrix][row].iter().map(|(factor, wire)| *factor * self.values[*wire]).sum()
    }

    fn row_holds(&self, row: usize) -> bool {
        self.sum(0, row) * self.sum(1, row) == self.sum(2, row)
    }
}
