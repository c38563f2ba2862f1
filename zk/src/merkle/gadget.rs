//! An opening as constraints: 421 a level, 414 for the node's hash and 7 to place the child.

use ark_r1cs_std::{
    GR1CSVar,
    alloc::AllocVar,
    boolean::Boolean,
    fields::{FieldVar, fp::FpVar},
};
use ark_relations::gr1cs::{ConstraintSystemRef, SynthesisError};

use super::{ARITY, Opening};
use crate::{
    Field,
    poseidon::{self, Tag},
};

/// The root that `opening` gives to `leaf` at the position spelled by `digits` (three bits a level, least significant
/// first).
///
/// All eight children of each level are witnessed; the one at the position's digit is constrained to equal what came
/// from below. Its siblings need no constraint: a hash that ends in the public root leaves one choice for them.
pub(crate) fn root(
    cs: &ConstraintSystemRef<Field>,
    leaf: FpVar<Field>,
    digits: &[Boolean<Field>],
    opening: Option<&Opening>,
) -> Result<FpVar<Field>, SynthesisError> {
    digits.as_chunks::<3>().0.iter().enumerate().try_fold(leaf, |current, (level, digit)| {
        let siblings = opening.map(|o| o.siblings.get(level).ok_or(SynthesisError::AssignmentMissing)).transpose()?;
        let values = siblings.map(|s| Ok(super::children(s, place(digit)?, current.value()?))).transpose()?;
        let children = (0..ARITY)
            .map(|i| FpVar::new_witness(cs.clone(), || values.map(|v| v[i]).ok_or(SynthesisError::AssignmentMissing)))
            .collect::<Result<Vec<_>, _>>()?;
        enforce_child(&current, &children, digit)?;
        poseidon::gadget::hash(cs, Tag::Node, &children)
    })
}

/// The digit's value.
fn place(digit: &[Boolean<Field>; 3]) -> Result<usize, SynthesisError> {
    digit.iter().rev().try_fold(0, |place, bit| Ok(2 * place + usize::from(bit.value()?)))
}

/// `children[digit] = current`, by halving three times: 4 + 2 + 1 constraints.
pub(super) fn enforce_child(
    current: &FpVar<Field>,
    children: &[FpVar<Field>],
    digit: &[Boolean<Field>; 3],
) -> Result<(), SynthesisError> {
    let [low, middle, high] = digit.each_ref().map(|bit| FpVar::from(bit.clone()));
    let halve = |wires: &[FpVar<Field>], bit: &FpVar<Field>| -> Vec<FpVar<Field>> {
        wires.as_chunks::<2>().0.iter().map(|[even, odd]| even + (odd - even) * bit).collect()
    };
    let last = halve(&halve(children, &low), &middle);
    let [even, odd] = last.as_slice() else {
        return Err(SynthesisError::Unsatisfiable);
    };
    (odd - even).mul_equals(&high, &(current - even))
}
