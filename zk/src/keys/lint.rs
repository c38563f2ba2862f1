//! The key linter: what makes a verifying key worthless, found before it is deployed or trusted.
//!
//! Every [`VerifyingKey`](super::VerifyingKey) read from bytes has passed it. A key that passes can still be a
//! development key: [`VerifyingKey::is_development`](super::VerifyingKey::is_development) says so.

use core::fmt;

use ark_bn254::{Bn254, Fq, Fq2, G1Affine, G2Affine};
use ark_ec::AffineRepr;
use ark_ff::PrimeField;

use crate::{
    field::big_integer,
    solidity::{KEY_WORDS, Word},
};

/// What may be wrong with a key, one variant for each rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Rule {
    /// Not 28 words: alpha, beta, gamma, delta, and a point for the constant and each of the six public inputs.
    Length,
    /// A coordinate has two encodings.
    Coordinate,
    /// A point of the key's own is at infinity: it drops out of the equation.
    Infinity,
    /// An input's point is at infinity: the input could be anything.
    InputInfinity,
    /// A point is off its curve: operations on it mean nothing.
    OffCurve,
    /// A point is outside the subgroup of order `r`.
    Subgroup,
    /// Alpha is the generator: the ceremony's first phase left it as it was, so everybody knows its logarithm.
    AlphaGenerator,
    /// Beta is the generator, likewise.
    BetaGenerator,
    /// Delta is the generator: nobody contributed to the ceremony's second phase.
    DeltaGenerator,
    /// Gamma equals delta: anybody can forge a proof of anything.
    GammaIsDelta,
    /// Gamma is the opposite of delta, likewise.
    GammaIsMinusDelta,
    /// Beta is gamma or its opposite.
    BetaIsGamma,
    /// Beta is delta or its opposite.
    BetaIsDelta,
    /// Two inputs have the same point: their values can be exchanged.
    EqualInputs,
    /// Two inputs have opposite points: the same number can be added to both.
    OppositeInputs,
}

impl Rule {
    /// All rules.
    pub const ALL: [Self; 15] = [
        Self::Length,
        Self::Coordinate,
        Self::Infinity,
        Self::InputInfinity,
        Self::OffCurve,
        Self::Subgroup,
        Self::AlphaGenerator,
        Self::BetaGenerator,
        Self::DeltaGenerator,
        Self::GammaIsDelta,
        Self::GammaIsMinusDelta,
        Self::BetaIsGamma,
        Self::BetaIsDelta,
        Self::EqualInputs,
        Self::OppositeInputs,
    ];
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Length => "the key is not 28 words, or for another number of public inputs",
            Self::Coordinate => "a coordinate is not below the base field's modulus",
            Self::Infinity => "a point is at infinity",
            Self::InputInfinity => "an input's point is at infinity: the input could be anything",
            Self::OffCurve => "a point is off its curve",
            Self::Subgroup => "a point is outside its subgroup",
            Self::AlphaGenerator => "alpha is the generator: the ceremony's first phase has no contribution",
            Self::BetaGenerator => "beta is the generator: the ceremony's first phase has no contribution",
            Self::DeltaGenerator => "delta is the generator: the ceremony's second phase has no contribution",
            Self::GammaIsDelta => "gamma equals delta: anybody could forge proofs",
            Self::GammaIsMinusDelta => "gamma equals delta's opposite: anybody could forge proofs",
            Self::BetaIsGamma => "beta equals gamma or its opposite",
            Self::BetaIsDelta => "beta equals delta or its opposite",
            Self::EqualInputs => "two public inputs have the same point: they could be exchanged",
            Self::OppositeInputs => "two public inputs have opposite points: the same could be added to both",
        })
    }
}

type Key = ark_groth16::VerifyingKey<Bn254>;

/// Every rule that a key breaks, given as a verifier contract's constructor takes it; none for a sound key. Points that
/// cannot be read are reported alone: nothing can be said of how they stand to each other.
pub fn lint(words: &[Word]) -> Vec<Rule> {
    match read(words) {
        Ok(key) => lint_key(&key),
        Err(broken) => broken,
    }
}

/// The key with all points as they are named, when each by itself is a point of its group.
pub(super) fn read(words: &[Word]) -> Result<Key, Vec<Rule>> {
    let words: &[Word; KEY_WORDS] = words.try_into().map_err(|_| vec![Rule::Length])?;
    let (alpha, rest) = (&words[..2], &words[2..]);
    let (g2, inputs) = rest.split_at(12);
    let mut broken = Vec::new();
    let alpha = g1(alpha, Rule::Infinity, &mut broken);
    let [beta, gamma, delta] = [0, 4, 8].map(|place| read_g2(&g2[place..place + 4], &mut broken));
    let inputs = inputs.chunks(2).map(|pair| g1(pair, Rule::InputInfinity, &mut broken)).collect();
    broken.sort_unstable();
    broken.dedup();
    match broken.is_empty() {
        true => Ok(Key { alpha_g1: alpha, beta_g2: beta, gamma_g2: gamma, delta_g2: delta, gamma_abc_g1: inputs }),
        false => Err(broken),
    }
}

/// The rules on points and on how they stand to each other, for a key that is made of points.
pub(super) fn lint_key(key: &Key) -> Vec<Rule> {
    let Key { alpha_g1, beta_g2, gamma_g2, delta_g2, gamma_abc_g1: inputs } = key;
    let same = |a: &G2Affine, b: &G2Affine| a == b || *a == -*b;
    let pairs = || (1..inputs.len()).flat_map(|i| inputs[..i].iter().map(move |other| (inputs[i], *other)));
    let checks = [
        (Rule::Length, inputs.len() * 2 + 14 != KEY_WORDS),
        (Rule::Infinity, alpha_g1.is_zero() || [beta_g2, gamma_g2, delta_g2].iter().any(|point| point.is_zero())),
        (Rule::InputInfinity, inputs.iter().any(AffineRepr::is_zero)),
        (Rule::AlphaGenerator, *alpha_g1 == G1Affine::generator()),
        (Rule::BetaGenerator, *beta_g2 == G2Affine::generator()),
        (Rule::DeltaGenerator, *delta_g2 == G2Affine::generator()),
        (Rule::GammaIsDelta, gamma_g2 == delta_g2),
        (Rule::GammaIsMinusDelta, *gamma_g2 == -*delta_g2),
        (Rule::BetaIsGamma, same(beta_g2, gamma_g2)),
        (Rule::BetaIsDelta, same(beta_g2, delta_g2)),
        (Rule::EqualInputs, pairs().any(|(point, other)| point == other)),
        (Rule::OppositeInputs, pairs().any(|(point, other)| point == -other)),
    ];
    checks.into_iter().filter_map(|(rule, broken)| broken.then_some(rule)).collect()
}

fn g1(words: &[Word], infinity: Rule, broken: &mut Vec<Rule>) -> G1Affine {
    let [Some(x), Some(y)] = [&words[0], &words[1]].map(coordinate) else {
        broken.push(Rule::Coordinate);
        return G1Affine::zero();
    };
    let point = G1Affine::new_unchecked(x, y);
    if x == Fq::from(0u64) && y == Fq::from(0u64) {
        broken.push(infinity);
    } else if !point.is_on_curve() {
        broken.push(Rule::OffCurve);
    }
    point
}

fn read_g2(words: &[Word], broken: &mut Vec<Rule>) -> G2Affine {
    let [Some(x1), Some(x0), Some(y1), Some(y0)] = [0, 1, 2, 3].map(|place| coordinate(&words[place])) else {
        broken.push(Rule::Coordinate);
        return G2Affine::zero();
    };
    let (x, y) = (Fq2::new(x0, x1), Fq2::new(y0, y1));
    let point = G2Affine::new_unchecked(x, y);
    if x == Fq2::from(0u64) && y == Fq2::from(0u64) {
        broken.push(Rule::Infinity);
    } else if !point.is_on_curve() {
        broken.push(Rule::OffCurve);
    } else if !point.is_in_correct_subgroup_assuming_on_curve() {
        broken.push(Rule::Subgroup);
    }
    point
}

fn coordinate(word: &Word) -> Option<Fq> {
    Fq::from_bigint(big_integer(word))
}
