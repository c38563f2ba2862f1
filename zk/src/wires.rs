//! A solved system as plain matrices, so that tests can change wires and see which constraint notices.

use std::collections::BTreeSet;

use ark_ff::{AdditiveGroup, Field as _};
use ark_relations::{
    gr1cs::{ConstraintSystemRef, R1CS_PREDICATE_LABEL},
    utils::matrix::Matrix,
};

use crate::Field;

pub mod alone;
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
        self.fails(wire, value)
    }

    /// All constraints that fail.
    pub fn failing_now(&self) -> Vec<usize> {
        (0..self.constraints()).filter(|row| !self.row_holds(*row)).collect()
    }

    /// Whether a constraint that names a changed wire or one computed from it fails.
    fn fails(&mut self, wire: usize, value: Field) -> bool {
        let mut open: BTreeSet<usize> = self.rows[wire].iter().copied().collect();
        let mut before = vec![(wire, core::mem::replace(&mut self.values[wire], value))];
        let mut failing = false;
        while let Some(row) = open.pop_first().filter(|_| !failing) {
            match self.computes(row).filter(|computed| *computed != wire && self.computed_by[*computed] == Some(row)) {
                Some(computed) => {
                    let result = self.result(row);
                    if result != self.values[computed] {
                        before.push((computed, core::mem::replace(&mut self.values[computed], result)));
                        open.extend(self.rows[computed].iter().filter(|later| **later > row));
                    }
                }
                None => failing = !self.row_holds(row),
            }
        }
        before.into_iter().rev().for_each(|(wire, honest)| self.values[wire] = honest);
        failing
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

    /// What a constraint that computes a wire gives it.
    fn result(&self, row: usize) -> Field {
        let product = self.sum(0, row) * self.sum(1, row);
        let factor = self.matrices[2][row][0].0;
        if factor == Field::ONE { product } else { product * factor.inverse().unwrap() }
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
