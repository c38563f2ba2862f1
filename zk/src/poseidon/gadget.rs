//! The same hash as constraints: three for each S-box, none for the matrices.
//!
//! The words that enter the S-boxes are sums over earlier S-boxes' outputs, and the coefficients of those sums are the
//! same in every hash of one width. They are computed once, from the plain form of the permutation, so building a
//! hash only names wires.

use std::sync::OnceLock;

use ark_ff::{AdditiveGroup, Field as _};
use ark_r1cs_std::fields::{
    FieldVar,
    fp::{AllocatedFp, FpVar},
};
use ark_relations::gr1cs::{ConstraintSystemRef, LinearCombination, SynthesisError, Variable};
use light_poseidon::PoseidonParameters;

use super::{FULL_ROUNDS, MAX_INPUTS, Tag, parameters};
use crate::Field;

type Wire = FpVar<Field>;

/// `Poseidon(tag, inputs…)` of wires; equal to [`super::hash`] on their values.
pub(crate) fn hash(cs: &ConstraintSystemRef<Field>, tag: Tag, inputs: &[Wire]) -> Result<Wire, SynthesisError> {
    let mut words = vec![Wire::Constant(tag.element())];
    words.extend_from_slice(inputs);
    raw(cs, &words)
}

/// circomlib's `poseidon(words)`: no tag added.
pub(super) fn raw(cs: &ConstraintSystemRef<Field>, words: &[Wire]) -> Result<Wire, SynthesisError> {
    let sums = Sums::of_width(words.len() + 1)?;
    let zero = Wire::Constant(Field::ZERO);
    let mut state = [&zero]
        .into_iter()
        .chain(words)
        .zip(&sums.first)
        .map(|(word, constant)| fifth_power(&(word + *constant)))
        .collect::<Result<Vec<_>, _>>()?;
    for rows in &sums.opening {
        state = full_round(cs, rows, &state)?;
    }
    for row in &sums.partial {
        let word = sum(cs, row, &state)?;
        state.push(fifth_power(&word)?);
    }
    for rows in &sums.closing {
        state = full_round(cs, rows, &state)?;
    }
    sum(cs, &sums.output, &state)
}

fn full_round(cs: &ConstraintSystemRef<Field>, rows: &[Row], state: &[Wire]) -> Result<Vec<Wire>, SynthesisError> {
    rows.iter().map(|row| fifth_power(&sum(cs, row, state)?)).collect()
}

/// The S-box. The last product has the sum on its left, so that only single wires stand on the right.
fn fifth_power(x: &Wire) -> Result<Wire, SynthesisError> {
    let fourth = x.square()?.square()?;
    Ok(x * fourth)
}

/// `constant + Σ coefficient · wire`, without a constraint.
fn sum(cs: &ConstraintSystemRef<Field>, row: &Row, wires: &[Wire]) -> Result<Wire, SynthesisError> {
    let mut constant = row.constant;
    let mut value = Some(Field::ZERO);
    let mut terms = Vec::with_capacity(wires.len() + 1);
    for (coefficient, wire) in row.coefficients.iter().zip(wires) {
        match wire {
            Wire::Constant(known) => constant += *coefficient * known,
            Wire::Var(wire) => {
                value = value.zip(wire.value().ok()).map(|(total, word)| total + *coefficient * word);
                terms.push((*coefficient, wire.variable));
            }
        }
    }
    if terms.is_empty() {
        return Ok(Wire::Constant(constant));
    }
    terms.push((constant, Variable::One));
    let variable = cs.new_lc(|| LinearCombination(terms))?;
    Ok(Wire::Var(AllocatedFp::new(value.map(|total| total + constant), variable, cs.clone())))
}

/// One sum over the S-box outputs that came before.
#[derive(Clone)]
struct Row {
    coefficients: Vec<Field>,
    constant: Field,
}

/// The sums of all rounds of one width.
struct Sums {
    /// Constants of the first round.
    first: Vec<Field>,
    /// Three full rounds, each over the `t` outputs before it.
    opening: Vec<Vec<Row>>,
    /// Sum `r` is over the `t` outputs of the last opening round and the `r` partial outputs so far.
    partial: Vec<Row>,
    /// Four full rounds; the first is over the `t` opening and all partial outputs.
    closing: Vec<Vec<Row>>,
    /// Word 0 after the last matrix.
    output: Row,
}

impl Sums {
    fn of_width(width: usize) -> Result<&'static Self, SynthesisError> {
        static WIDTHS: [OnceLock<Sums>; MAX_INPUTS + 3] = [const { OnceLock::new() }; MAX_INPUTS + 3];
        let cell = WIDTHS.get(width).filter(|_| width > 1).ok_or(SynthesisError::Unsatisfiable)?;
        Ok(cell.get_or_init(|| Self::derive(&parameters(width as u8))))
    }

    fn derive(parameters: &PoseidonParameters<Field>) -> Self {
        let (width, partial_rounds) = (parameters.width, parameters.partial_rounds);
        let half = FULL_ROUNDS / 2;
        let constants: Vec<&[Field]> = parameters.ark.chunks(width).collect();
        let plain = |round: usize| -> Vec<Row> {
            parameters.mds.iter().zip(constants[round]).map(|(m, c)| Row::new(m.clone(), *c)).collect()
        };

        let mut state: Vec<Row> = (0..width).map(|i| Row::unit(i, width + partial_rounds)).collect();
        let mut partial = Vec::with_capacity(partial_rounds);
        for round in 0..partial_rounds {
            state = step(&parameters.mds, &state, constants[half + round]);
            partial.push(state[0].truncated(width + round));
            state[0] = Row::unit(width + round, width + partial_rounds);
        }
        let after = step(&parameters.mds, &state, constants[half + partial_rounds]);
        let closing = (half + partial_rounds + 1..FULL_ROUNDS + partial_rounds).map(plain);
        Self {
            first: constants[0].to_vec(),
            opening: (1..half).map(plain).collect(),
            partial,
            closing: core::iter::once(after).chain(closing).collect(),
            output: Row::new(parameters.mds[0].clone(), Field::ZERO),
        }
    }
}

impl Row {
    fn new(coefficients: Vec<Field>, constant: Field) -> Self {
        Self { coefficients, constant }
    }

    /// The wire at `place` of `length`, alone.
    fn unit(place: usize, length: usize) -> Self {
        let mut coefficients = vec![Field::ZERO; length];
        coefficients[place] = Field::ONE;
        Self::new(coefficients, Field::ZERO)
    }

    /// The same sum; coefficients from `length` on are zero and dropped.
    fn truncated(&self, length: usize) -> Self {
        Self::new(self.coefficients[..length].to_vec(), self.constant)
    }
}

/// Matrix, then the next round's constants, on sums.
fn step(matrix: &[Vec<Field>], state: &[Row], constants: &[Field]) -> Vec<Row> {
    let length = state[0].coefficients.len();
    matrix
        .iter()
        .zip(constants)
        .map(|(factors, constant)| {
            let mut next = Row::new(vec![Field::ZERO; length], *constant);
            for (factor, row) in factors.iter().zip(state) {
                next.constant += *factor * row.constant;
                next.coefficients.iter_mut().zip(&row.coefficients).for_each(|(n, c)| *n += *factor * c);
            }
            next
        })
        .collect()
}
