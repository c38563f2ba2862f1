//! The permutation with its partial rounds in sparse form: 2t − 1 multiplications a round instead of t².
//!
//! Two rewritings of the same function. Constants: in a partial round only word 0 meets the S-box, so the other
//! words' constants move forward through the matrix until the next full round. Matrices: the round's matrix is split
//! as `L = S · diag(1, B)` with `S` sparse; `diag(1, B)` leaves word 0 alone, so it moves back past the S-box into
//! the matrix of the round before.

use ark_ff::{AdditiveGroup, Field as _};
use light_poseidon::PoseidonParameters;

use super::{FULL_ROUNDS, fifth_power};
use crate::Field;

type Square<const T: usize> = [[Field; T]; T];

/// One partial round: add to word 0, S-box on word 0, sparse matrix.
struct Partial<const T: usize> {
    constant: Field,
    /// First row of the matrix.
    row: [Field; T],
    /// First column of the matrix below the first row (entry 0 is not used); the rest is the identity.
    column: [Field; T],
}

/// Precomputed rounds for a state of `T` words.
pub(super) struct Sparse<const T: usize> {
    constants: [[Field; T]; FULL_ROUNDS],
    matrix: Square<T>,
    /// The matrix of the last full round before the partial ones.
    bridge: Square<T>,
    partial: Vec<Partial<T>>,
}

impl<const T: usize> Sparse<T> {
    /// Rewrites the published parameters. Takes milliseconds: keep the result.
    pub(super) fn derive(parameters: &PoseidonParameters<Field>) -> Self {
        let matrix: Square<T> = core::array::from_fn(|i| core::array::from_fn(|j| parameters.mds[i][j]));
        let mut rounds = parameters.ark.as_chunks::<T>().0.to_vec();
        let (first, last) = (FULL_ROUNDS / 2, FULL_ROUNDS / 2 + parameters.partial_rounds);
        for round in first..last {
            let mut moved = rounds[round];
            moved[0] = Field::ZERO;
            let moved = product(&matrix, &moved);
            rounds[round + 1].iter_mut().zip(moved).for_each(|(constant, m)| *constant += m);
        }
        let (bridge, partial) = split(&matrix, rounds[first..last].iter().map(|round| round[0]));
        let constants =
            core::array::from_fn(|i| if i < first { rounds[i] } else { rounds[i + parameters.partial_rounds] });
        Self { constants, matrix, bridge, partial }
    }

    /// Word 0 of the permuted state `[0, words…]`; `words` has `T − 1` entries.
    pub(super) fn hash(&self, words: &[Field]) -> Field {
        let mut state = [Field::ZERO; T];
        state[1..].copy_from_slice(words);
        let (opening, closing) = self.constants.split_at(FULL_ROUNDS / 2);
        for (round, constants) in opening.iter().enumerate() {
            let matrix = if round + 1 == opening.len() { &self.bridge } else { &self.matrix };
            state = product(matrix, &full_layer(&state, constants));
        }
        self.partial.iter().for_each(|round| round.apply(&mut state));
        for constants in &closing[..closing.len() - 1] {
            state = product(&self.matrix, &full_layer(&state, constants));
        }
        dot(&self.matrix[0], &full_layer(&state, &closing[closing.len() - 1]))
    }
}

impl<const T: usize> Partial<T> {
    #[inline(always)]
    fn apply(&self, state: &mut [Field; T]) {
        state[0] = fifth_power(state[0] + self.constant);
        let (first, top) = (state[0], dot(&self.row, state));
        for (word, factor) in state.iter_mut().zip(&self.column).skip(1) {
            *word += first * factor;
        }
        state[0] = top;
    }
}

#[inline(always)]
fn full_layer<const T: usize>(state: &[Field; T], constants: &[Field; T]) -> [Field; T] {
    core::array::from_fn(|i| fifth_power(state[i] + constants[i]))
}

#[inline(always)]
fn dot<const T: usize>(row: &[Field; T], state: &[Field; T]) -> Field {
    Field::sum_of_products(row, state)
}

#[inline(always)]
fn product<const T: usize>(matrix: &Square<T>, state: &[Field; T]) -> [Field; T] {
    core::array::from_fn(|i| dot(&matrix[i], state))
}

/// Splits the partial rounds' matrices from the last to the first; returns the matrix left for the round before them.
fn split<const T: usize>(
    matrix: &Square<T>,
    constants: impl DoubleEndedIterator<Item = Field>,
) -> (Square<T>, Vec<Partial<T>>) {
    let mut left = *matrix;
    let mut partial: Vec<_> = constants
        .rev()
        .map(|constant| {
            let block: Vec<Vec<Field>> = left[1..].iter().map(|row| row[1..].to_vec()).collect();
            let inverse = inverse(&block);
            let row = core::array::from_fn(|j| match j {
                0 => left[0][0],
                _ => (1..T).map(|k| left[0][k] * inverse[k - 1][j - 1]).sum(),
            });
            let column = core::array::from_fn(|i| left[i][0]);
            left = core::array::from_fn(|i| match i {
                0 => matrix[0],
                _ => core::array::from_fn(|j| (1..T).map(|k| block[i - 1][k - 1] * matrix[k][j]).sum()),
            });
            Partial { constant, row, column }
        })
        .collect();
    partial.reverse();
    (left, partial)
}

/// The inverse by Gauss and Jordan. Every block met for the published parameters has one (a test derives all widths).
fn inverse(matrix: &[Vec<Field>]) -> Vec<Vec<Field>> {
    let size = matrix.len();
    let unit = |i: usize| (0..size).map(move |j| if i == j { Field::ONE } else { Field::ZERO });
    let mut rows: Vec<Vec<Field>> =
        matrix.iter().enumerate().map(|(i, row)| row.iter().copied().chain(unit(i)).collect()).collect();
    for column in 0..size {
        let Some(pivot) = (column..size).find(|&i| rows[i][column] != Field::ZERO) else {
            unreachable!("the published matrices split");
        };
        rows.swap(column, pivot);
        let scale = rows[column][column].inverse().unwrap_or(Field::ONE);
        rows[column].iter_mut().for_each(|entry| *entry *= scale);
        let pivot = rows[column].clone();
        for (i, row) in rows.iter_mut().enumerate() {
            let factor = row[column];
            if i != column && factor != Field::ZERO {
                row.iter_mut().zip(&pivot).for_each(|(entry, p)| *entry -= factor * p);
            }
        }
    }
    rows.into_iter().map(|row| row[size..].to_vec()).collect()
}
