//! The public inputs as wires.

use ark_r1cs_std::{
    alloc::AllocVar,
    fields::{FieldVar, fp::FpVar},
};
use ark_relations::gr1cs::{ConstraintSystemRef, SynthesisError};

use super::{Statement, input};
use crate::Field;

type Wire = FpVar<Field>;

/// Allocates the public inputs in the order of [`input`].
pub(crate) fn allocate(
    cs: &ConstraintSystemRef<Field>,
    statement: Option<&Statement>,
) -> Result<[Wire; input::LENGTH], SynthesisError> {
    let values = statement.map(Statement::inputs);
    let wires = (0..input::LENGTH)
        .map(|place| Wire::new_input(cs.clone(), || values.map(|v| v[place]).ok_or(SynthesisError::AssignmentMissing)))
        .collect::<Result<Vec<_>, _>>()?;
    wires.try_into().map_err(|_| SynthesisError::Unsatisfiable)
}

/// Names in a constraint an input that no other one names: an input without a constraint could be exchanged in a
/// finished proof.
pub(crate) fn bind(input: &Wire) -> Result<(), SynthesisError> {
    input.square().map(|_| ())
}
