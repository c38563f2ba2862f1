//! `provenance@1` as constraints.
//!
//! Each part of [`constrain`] stops one attack; the crate's `README.md` lists them. Salts, digest
//! limbs, packed values and row limbs are *not* range-checked: the hashes fix whatever elements were committed, and a
//! commitment to elements that no record or row has cannot be matched by `job fetch`, which recomputes both roots from
//! the delivered bytes.

use ark_r1cs_std::{
    boolean::Boolean,
    convert::ToBitsGadget,
    eq::EqGadget,
    fields::{FieldVar, fp::FpVar},
};
use ark_relations::gr1cs::{ConstraintSystemRef, SynthesisError};

use super::{
    Drawn, OwnerSecret, Shape, Statement, Witness,
    draw::{WORD_BITS, WORDS, scale},
};
use crate::{
    Field,
    field::{
        self,
        gadget::{allocate, bits, number, small},
    },
    merkle,
    poseidon::{Tag, gadget::hash},
    statement,
};

type Wire = FpVar<Field>;
type Bits = Vec<Boolean<Field>>;
type System = ConstraintSystemRef<Field>;
type Outcome<T> = Result<T, SynthesisError>;

/// The circuit; without values for key generation.
pub(crate) fn constrain(cs: System, shape: Shape, values: Option<(&Statement, &Witness)>) -> Outcome<()> {
    let (statement, witness) = values.unzip();
    let inputs = statement::gadget::allocate(&cs, statement)?;
    let [root, count, owner, output_root, context, challenge] = &inputs;

    statement::gadget::bind(context)?;
    enforce_count(&cs, count, shape.depth)?;
    enforce_owner(&cs, owner, witness.map(|w| &w.owner))?;
    for (draw, digits) in draw(&cs, shape, challenge, count)?.iter().enumerate() {
        let drawn = witness.map(|w| w.drawn.get(draw).ok_or(SynthesisError::AssignmentMissing)).transpose()?;
        enforce_drawn(&cs, [root, output_root], digits, drawn)?;
    }
    Ok(())
}

/// `1 ≤ count ≤ 8^depth`: `count − 1` has `3·depth` bits.
fn enforce_count(cs: &System, count: &Wire, depth: usize) -> Outcome<()> {
    let below = count - Field::from(1u64);
    let value = small(&below);
    number(&bits(cs, value, 3 * depth)?)?.enforce_equal(&below)
}

/// The prover knows what opens the owner's commitment.
pub(crate) fn enforce_owner(cs: &System, owner: &Wire, secret: Option<&OwnerSecret>) -> Outcome<()> {
    let secret = allocate(cs, secret.map(OwnerSecret::preimage))?;
    hash(cs, Tag::Owner, &secret)?.enforce_equal(owner)
}

/// The bits of each drawn position; see [`super::positions`].
///
/// The hash's bits are those of the one number below `r`: were `hash + r` allowed too, the prover would choose between
/// two sets of positions. `word · count = position · 2^60 + rest` has one solution, since nothing in it reaches `r`:
/// `word` and `rest` have 60 bits, `position` and `count − 1` at most `3·depth ≤ 21`. So `position < count` follows.
pub(super) fn draw(cs: &System, shape: Shape, challenge: &Wire, count: &Wire) -> Outcome<Vec<Bits>> {
    let mut words = Vec::new();
    for j in 0..shape.draws.div_ceil(WORDS) {
        let hash = hash(cs, Tag::Draw, &[challenge.clone(), Wire::Constant(Field::from(j as u64))])?;
        let bits = hash.to_bits_le()?;
        words.extend(
            bits.as_chunks::<WORD_BITS>().0.iter().take(WORDS).map(|word| number(word)).collect::<Outcome<Vec<_>>>()?,
        );
    }
    words.iter().take(shape.draws).map(|word| scaled(cs, word, count, shape.depth)).collect()
}

/// The bits of `⌊word · count / 2^60⌋`.
pub(super) fn scaled(cs: &System, word: &Wire, count: &Wire, depth: usize) -> Outcome<Bits> {
    let values = small(word).zip(small(count));
    let position = bits(cs, values.map(|(word, count)| scale(word, count)), 3 * depth)?;
    let rest = bits(cs, values.map(|(word, count)| word.wrapping_mul(count) & ((1 << WORD_BITS) - 1)), WORD_BITS)?;
    let shift = Field::from(1u64 << WORD_BITS);
    word.mul_equals(count, &(number(&position)? * shift + number(&rest)?))?;
    Ok(position)
}

/// One position opened in both trees: the leaf by its preimage, so that neither an empty leaf nor an inner node passes.
fn enforce_drawn(cs: &System, roots: [&Wire; 2], digits: &Bits, drawn: Option<&Drawn>) -> Outcome<()> {
    let [salt, lo, hi, packed] = allocate(cs, drawn.map(|d| d.leaf.preimage()))?;
    let [row_lo, row_hi] = allocate(cs, drawn.map(|d| d.row_digest).map(|digest| field::limbs(&digest).into()))?;
    let data = hash(cs, Tag::Data, &[salt, lo, hi])?;
    let leaf = hash(cs, Tag::Leaf, &[data, packed])?;
    let output = hash(cs, Tag::Output, &[leaf.clone(), row_lo, row_hi])?;

    let openings = [drawn.map(|d| &d.record), drawn.map(|d| &d.output)];
    for ((leaf, opening), root) in [leaf, output].into_iter().zip(openings).zip(roots) {
        merkle::gadget::root(cs, leaf, digits, opening)?.enforce_equal(root)?;
    }
    Ok(())
}
