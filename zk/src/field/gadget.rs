//! Bits of public and private numbers inside a circuit, and the range checks they give.

use ark_r1cs_std::{alloc::AllocVar, boolean::Boolean, fields::fp::FpVar};
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

/// The number that `bits` (least significant first, fewer than the field has) spell: a sum, no constraint.
pub(crate) fn number(bits: &[Boolean<Field>]) -> Result<FpVar<Field>, SynthesisError> {
    Boolean::le_bits_to_fp(bits)
}
