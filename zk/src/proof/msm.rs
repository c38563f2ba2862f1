//! Sums of many points times many numbers, where a prover spends most of its time.
//!
//! Pippenger's buckets with signed digits: a number is cut into windows of a few bits, and in each window the points with
//! the same digit are added up first. They are added in pairs in affine coordinates, all pairs of a round sharing one
//! inversion: six multiplications for a sum where projective buckets take ten (Gabizon and Williamson, "Turbo-PLONK",
//! section on batch affine additions; the idea is Montgomery's).

use ark_ec::{
    AffineRepr, VariableBaseMSM,
    short_weierstrass::{Affine, Projective, SWCurveConfig},
};
use ark_ff::{AdditiveGroup, BigInteger, Field as _, PrimeField, Zero};
use rayon::prelude::*;
use zeroize::Zeroize;

use crate::Field;

/// Widest window, so that a digit and its sign fit 16 bits.
const WIDEST: usize = 15;

/// Additions that share an inversion: an inversion costs hundreds of multiplications, the cache holds this many.
const SHARED: usize = 1024;

/// Numbers cut into signed digits, to be multiplied with several sets of points.
pub(super) struct Digits {
    width: usize,
    /// For each window, lowest first, each number's digit from `−2^(width − 1)` to `2^(width − 1)`.
    windows: Vec<Vec<i16>>,
}

impl Drop for Digits {
    fn drop(&mut self) {
        self.windows.iter_mut().for_each(Zeroize::zeroize);
    }
}

impl Digits {
    /// Cuts into windows of the width that costs least for this many numbers.
    pub(super) fn of(numbers: &[Field]) -> Self {
        let width = width(numbers.len());
        let mut windows = vec![vec![0; numbers.len()]; window_count(width)];
        for (place, number) in numbers.iter().enumerate() {
            let mut rest = number.into_bigint();
            let mut carry = 0;
            for window in &mut windows {
                if rest.is_zero() && carry == 0 {
                    break;
                }
                let digit = (rest.0[0] & ((1 << width) - 1)) as i32 + carry;
                rest >>= width as u32;
                carry = i32::from(digit > 1 << (width - 1));
                window[place] = (digit - (carry << width)) as i16;
            }
        }
        Self { width, windows }
    }

    /// `Σ number · point`, over the numbers from `first` on and as many points.
    pub(super) fn sum<P: SWCurveConfig>(&self, first: usize, points: &[Affine<P>]) -> Projective<P> {
        let sums: Vec<Projective<P>> = self
            .windows
            .par_iter()
            .map(|digits| window_sum(digits.get(first..).unwrap_or_default(), points, 1 << (self.width - 1)))
            .collect();
        sums.iter().rev().fold(Projective::ZERO, |mut total, sum| {
            (0..self.width).for_each(|_| _ = total.double_in_place());
            total + sum
        })
    }
}

/// Windows for all bits of the field, one more for the last carry where they fill the last window.
fn window_count(width: usize) -> usize {
    Field::MODULUS_BIT_SIZE as usize / width + 1
}

/// The width that needs the fewest multiplications: about six for each number and 18 for each bucket, in each window.
fn width(numbers: usize) -> usize {
    (2..=WIDEST).min_by_key(|width| window_count(*width) * (6 * numbers + (18 << (width - 1)))).unwrap_or(WIDEST)
}

/// `Σ digit · point` of one window, digits up to `most`.
fn window_sum<P: SWCurveConfig>(digits: &[i16], points: &[Affine<P>], most: usize) -> Projective<P> {
    let (mut sorted, mut buckets) = sort(digits, points, most);
    let mut scratch = Scratch::default();
    while buckets.iter().any(|bucket| bucket.1 > 1) {
        halve(&mut sorted, &mut buckets, &mut scratch);
    }
    // Bucket b counts b times: add up the sums of the buckets from b on.
    let (mut above, mut total) = (Projective::<P>::ZERO_BUCKET, Projective::<P>::ZERO_BUCKET);
    for (start, length) in buckets.into_iter().rev() {
        if length == 1 {
            above += &sorted[start as usize];
        }
        total += &above;
    }
    total.into()
}

/// A bucket's first place among the sorted points, and how many it has.
type Bucket = (u32, u32);

/// The points in order of their digits, negated for negative ones; the bucket of digit 1 comes first.
fn sort<P: SWCurveConfig>(digits: &[i16], points: &[Affine<P>], most: usize) -> (Vec<Affine<P>>, Vec<Bucket>) {
    let used = || digits.iter().zip(points).filter(|(digit, point)| **digit != 0 && !point.is_zero());
    let mut buckets = vec![(0, 0); most];
    used().for_each(|(digit, _)| buckets[usize::from(digit.unsigned_abs()) - 1].1 += 1);
    let mut next = 0;
    for (start, length) in &mut buckets {
        *start = next;
        next += core::mem::take(length);
    }
    let mut sorted = vec![Affine::identity(); next as usize];
    for (digit, point) in used() {
        let (start, length) = &mut buckets[usize::from(digit.unsigned_abs()) - 1];
        sorted[(*start + *length) as usize] = if *digit < 0 { -*point } else { *point };
        *length += 1;
    }
    (sorted, buckets)
}

/// What a round does with points, in order: a pair is replaced by its sum, an odd point moves up.
#[derive(Clone, Copy)]
struct Step {
    from: u32,
    to: u32,
    pair: bool,
}

/// Memory that the rounds of a window use again.
struct Scratch<F> {
    steps: Vec<Step>,
    /// What each addition divides by.
    divisors: Vec<F>,
    /// The product of the divisors before each.
    products: Vec<F>,
}

impl<F> Default for Scratch<F> {
    fn default() -> Self {
        Self { steps: Vec::new(), divisors: Vec::new(), products: Vec::new() }
    }
}

/// Adds up the points of every bucket in pairs. A result stands before all points of later steps, so nothing is
/// overwritten that is still needed.
fn halve<P: SWCurveConfig>(sorted: &mut [Affine<P>], buckets: &mut [Bucket], scratch: &mut Scratch<P::BaseField>) {
    let mut to = 0;
    for (start, length) in buckets {
        let first = to;
        for from in (*start..*start + *length).step_by(2) {
            scratch.steps.push(Step { from, to, pair: from + 1 < *start + *length });
            to += 1;
            if scratch.steps.len() == SHARED {
                take(sorted, scratch);
            }
        }
        (*start, *length) = (first, to - first);
    }
    take(sorted, scratch);
}

/// Takes the collected steps, with one inversion for all of them.
fn take<P: SWCurveConfig>(sorted: &mut [Affine<P>], scratch: &mut Scratch<P::BaseField>) {
    let Scratch { steps, divisors, products } = scratch;
    let mut product = P::BaseField::ONE;
    for step in steps.iter().filter(|step| step.pair) {
        let divisor = divisor(&sorted[step.from as usize], &sorted[step.from as usize + 1]);
        products.push(product);
        divisors.push(divisor);
        product *= divisor;
    }
    // No divisor is zero, so neither is their product.
    let mut inverse = product.inverse().unwrap_or(P::BaseField::ZERO);
    for (product, divisor) in products.iter_mut().zip(&*divisors).rev() {
        *product *= inverse;
        inverse *= divisor;
    }
    let mut inverses = products.drain(..);
    for step in steps.drain(..) {
        let from = step.from as usize;
        sorted[step.to as usize] = match inverses.by_ref().take(usize::from(step.pair)).next() {
            Some(inverse) => add(&sorted[from], &sorted[from + 1], inverse),
            None => sorted[from],
        };
    }
    drop(inverses);
    divisors.clear();
}

/// What the slope through two points divides by; one where the sum needs no slope.
fn divisor<P: SWCurveConfig>(left: &Affine<P>, right: &Affine<P>) -> P::BaseField {
    if left.is_zero() || right.is_zero() {
        return P::BaseField::ONE;
    }
    let across = right.x - left.x;
    match across.is_zero() {
        false => across,
        true if left.y == right.y && !left.y.is_zero() => left.y.double(),
        true => P::BaseField::ONE,
    }
}

/// The sum, given the inverse of [`divisor`].
fn add<P: SWCurveConfig>(left: &Affine<P>, right: &Affine<P>, inverse: P::BaseField) -> Affine<P> {
    if left.is_zero() {
        return *right;
    }
    if right.is_zero() {
        return *left;
    }
    let slope = if left.x != right.x {
        (right.y - left.y) * inverse
    } else if left.y == right.y && !left.y.is_zero() {
        let square = left.x.square();
        (square.double() + square + P::COEFF_A) * inverse
    } else {
        return Affine::identity();
    };
    let x = slope.square() - left.x - right.x;
    Affine::new_unchecked(x, slope * (left.x - x) - left.y)
}

#[cfg(test)]
mod tests {
    use ark_bn254::G1Affine;
    use ark_ec::CurveGroup;
    use ark_ff::UniformRand;
    use ark_std::test_rng;

    use super::*;

    fn points<P: SWCurveConfig<ScalarField = Field>>(number: usize) -> Vec<Affine<P>> {
        let step = Projective::from(Affine::<P>::generator()) * Field::from(7u64);
        let all: Vec<_> = core::iter::successors(Some(step), |point| Some(*point + step)).take(number).collect();
        Projective::normalize_batch(&all)
    }

    fn check<P: SWCurveConfig<ScalarField = Field>>(numbers: &[Field], points: &[Affine<P>]) {
        let expected: Projective<P> = numbers.iter().zip(points).map(|(number, point)| *point * number).sum();
        assert_eq!(Digits::of(numbers).sum(0, points), expected, "{} points", points.len());
    }

    #[test]
    fn sums_of_random_numbers_are_the_plain_ones() {
        let mut rng = test_rng();
        for number in [0, 1, 2, 3, 7, 64, 300] {
            let numbers: Vec<_> = (0..number).map(|_| Field::rand(&mut rng)).collect();
            check::<ark_bn254::g1::Config>(&numbers, &points(number));
            check::<ark_bn254::g2::Config>(&numbers, &points(number));
        }
    }

    #[test]
    fn sums_of_edge_numbers_are_the_plain_ones() {
        let edges = [0u64, 1, 2, 3, 1 << 11, (1 << 11) + 1, u64::MAX].map(Field::from);
        let numbers: Vec<_> = edges.iter().flat_map(|edge| [*edge, -*edge, *edge / Field::from(2u64)]).collect();
        check::<ark_bn254::g1::Config>(&numbers, &points(numbers.len()));
        check::<ark_bn254::g2::Config>(&numbers, &points(numbers.len()));
    }

    #[test]
    fn equal_opposite_and_absent_points_add_up() {
        let [first, second] = points::<ark_bn254::g1::Config>(2)[..] else { panic!() };
        let none = G1Affine::identity();
        let all = [first, first, -first, none, second, none, first, -second, -second, first, first, first];
        for number in [1u64, 5, 77].map(Field::from).into_iter().chain([-Field::from(1u64)]) {
            for length in 0..=all.len() {
                check(&vec![number; length], &all[..length]);
            }
        }
    }

    #[test]
    fn numbers_from_a_place_on_are_taken() {
        let numbers: Vec<_> = (1..40u64).map(Field::from).collect();
        let points = points::<ark_bn254::g1::Config>(10);
        let expected: Projective<_> = numbers[5..].iter().zip(&points).map(|(number, point)| *point * number).sum();
        assert_eq!(Digits::of(&numbers).sum(5, &points), expected);
        assert_eq!(Digits::of(&numbers).sum(39, &points), Projective::ZERO);
    }

    #[test]
    fn every_width_cuts_every_number() {
        let mut rng = test_rng();
        for count in [1, 20, 100, 1000, 5000, 20_000, 60_000] {
            let width = width(count);
            let number = Field::rand(&mut rng);
            let mut numbers = vec![number, -number, -Field::from(1u64), Field::from(1u64)];
            numbers.resize(count.max(4), Field::from(0u64));
            let digits = Digits::of(&numbers);
            assert_eq!(digits.windows.len(), window_count(digits.width), "{width}");
            for (place, number) in numbers.iter().take(4).enumerate() {
                let again = digits.windows.iter().rev().fold(Field::from(0u64), |sum, window| {
                    sum * Field::from(1u64 << digits.width) + Field::from(window[place])
                });
                assert_eq!(again, *number, "{count} numbers");
            }
        }
        assert!((2..=WIDEST).all(|width| window_count(width) * width >= 255));
    }
}
