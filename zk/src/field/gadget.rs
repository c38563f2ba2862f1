//! Bits of public and private numbers inside a circuit, and the range checks they give.

use ark_ff::PrimeField;
use ark_r1cs_std::{GR1CSVar, alloc::AllocVar, boolean::Boolean, fields::fp::FpVar};
use ark_relations::gr1cs::{ConstraintSystemRef, SynthesisError};

use super::Field;

/// Allocates the low `width` bits of `value`, least significant first, each constrained to 0 or 1.
pub(crate) fn bits(
    cs: &ConstraintSystemRef<Field>,
    value: Option<u64>,
    width: usize,
) -> Result<Vec<Boolean<Field>>, SynthesisError> {
    (0..width)
        .map(|place| {
            Boolean::new_witness(cs.clone(), || {
                value
                    .map(|v| v.checked_shr(place as u32).unwrap_or(0) & 1 == 1)
                    .ok_or(SynthesisError::AssignmentMissing)
            })
        })
        .collect()
}

/// The low 64 bits of a wire's value; only ever a hint for bits that are constrained to add up.
pub(crate) fn small(wire: &FpVar<Field>) -> Option<u64> {
    wire.value().ok().map(|value| value.into_bigint().0[0])
}

/// The number that `bits` (least significant first, fewer than the field has) spell: a sum, no constraint.
pub(crate) fn number(bits: &[Boolean<Field>]) -> Result<FpVar<Field>, SynthesisError> {
    Boolean::le_bits_to_fp(bits)
}

/// Allocates private wires with these values.
pub(crate) fn allocate<const N: usize>(
    cs: &ConstraintSystemRef<Field>,
    values: Option<[Field; N]>,
) -> Result<[FpVar<Field>; N], SynthesisError> {
    let wires = (0..N)
        .map(|place| {
            FpVar::new_witness(cs.clone(), || values.map(|v| v[place]).ok_or(SynthesisError::AssignmentMissing))
        })
        .collect::<Result<Vec<_>, _>>()?;
    wires.try_into().map_err(|_| SynthesisError::Unsatisfiable)
}
