//! A solved system as plain matrices, so that tests can change wires and see which constraint notices.

use ark_relations::{
    gr1cs::{ConstraintSystemRef, R1CS_PREDICATE_LABEL},
    utils::matrix::Matrix,
};

use crate::Field;

/// The constant 1, the public wires and the private wires of a system, with its constraints.
pub struct Wires {
    /// Every wire's value; 0 is the constant, public inputs follow.
    pub values: Vec<Field>,
    matrices: Vec<Matrix<Field>>,
    /// The constraints that name each wire.
    rows: Vec<Vec<usize>>,
}

impl Wires {
    /// The wires as solved.
    pub fn of(cs: &ConstraintSystemRef<Field>) -> Self {
        cs.finalize();
        let values = [cs.instance_assignment().unwrap(), cs.witness_assignment().unwrap()].concat();
        let matrices = cs.to_matrices().unwrap().remove(R1CS_PREDICATE_LABEL).unwrap();
        let mut rows = vec![Vec::new(); values.len()];
        for matrix in &matrices {
            for (number, row) in matrix.iter().enumerate() {
                row.iter().for_each(|(_, wire)| rows[*wire].push(number));
            }
        }
        Self { values, matrices, rows }
    }

    /// Whether every constraint holds.
    pub fn hold(&self) -> bool {
        (0..self.matrices[0].len()).all(|row| self.row_holds(row))
    }

    /// Whether a constraint fails once `wire` has this value; the wire is put back.
    pub fn notice(&mut self, wire: usize, value: Field) -> bool {
        let honest = core::mem::replace(&mut self.values[wire], value);
        let noticed = self.rows[wire].iter().any(|row| !self.row_holds(*row));
        self.values[wire] = honest;
        noticed
    }

    fn row_holds(&self, row: usize) -> bool {
        let [a, b, c] = [0, 1, 2].map(|matrix: usize| {
            self.matrices[matrix][row].iter().map(|(factor, wire)| *factor * self.values[*wire]).sum::<Field>()
        });
        a * b == c
    }
}
