//! Elements that need not be fully reduced: sums of products with one reduction for all of them.
//!
//! The modulus `r` has 254 bits of 256, so that numbers up to `5r` fit. A [`Loose`] is an element's Montgomery form or
//! that plus `r`: below `2r`. A product of two such numbers comes out of Montgomery's reduction below `1.76r` without
//! any comparison, and eight products can be summed before it. What stands in the way of larger sums is 512 bits.

use ark_ff::{BigInt, MontConfig, PrimeField};

use super::rounds::Arithmetic;
use crate::Field;

const MODULUS: [u64; 4] = Field::MODULUS.0;

/// Twice the modulus.
const DOUBLE: [u64; 4] = double(MODULUS);

/// `−1/r` modulo 2^64.
const INVERSE: u64 = <ark_bn254::FrConfig as MontConfig<4>>::INV;

/// Most products in one sum: eight products of numbers below `2r` and `r`, a number below `r` and the reduction's own multiple
/// of `r` stay below `2^512`, and the result below `5.1r`.
const TOGETHER: usize = 8;

/// A number below `2r` that stands for an element, in Montgomery form.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Loose(pub(super) [u64; 4]);

impl From<Field> for Loose {
    fn from(element: Field) -> Self {
        Self(element.0.0)
    }
}

impl From<Loose> for Field {
    fn from(loose: Loose) -> Self {
        Self::new_unchecked(BigInt::new(reduced(loose.0, MODULUS)))
    }
}

/// One number at a time.
#[derive(Clone, Copy)]
pub(super) struct Single;

impl Arithmetic for Single {
    type Number = Loose;
    type Constant = Loose;

    #[inline(always)]
    fn known(self, constant: &Loose) -> Loose {
        *constant
    }

    #[inline(always)]
    fn plus(self, one: Loose, other: Loose) -> Loose {
        one.plus(other)
    }

    #[inline(always)]
    fn fifth_power(self, number: Loose) -> Loose {
        number.fifth_power()
    }

    #[inline(always)]
    fn affine(self, factors: &[Loose], values: &[Loose], constant: &Loose) -> Loose {
        affine(factors, values, constant)
    }
}

impl Loose {
    const ZERO: Self = Self([0; 4]);

    /// `self + other`.
    #[inline(always)]
    fn plus(self, other: Self) -> Self {
        let ([a, b, c, d], [e, f, g, h]) = (self.0, other.0);
        let (a, carry) = sum(a, e, 0);
        let (b, carry) = sum(b, f, carry);
        let (c, carry) = sum(c, g, carry);
        let (d, _) = sum(d, h, carry);
        Self(reduced([a, b, c, d], DOUBLE))
    }

    /// The S-box: the fifth power, below `1.6r`.
    #[inline(always)]
    fn fifth_power(self) -> Self {
        let square = Self(by_columns(&Square(self.0), &Self::ZERO));
        let fourth = Self(by_columns(&Square(square.0), &Self::ZERO));
        Self(by_columns(&Sum { factors: &[fourth], values: &[self] }, &Self::ZERO))
    }
}

/// `constant + Σ factors · values`, over as many of both, at most 24. Factors and constant are below `r`, as [`Loose::from`]
/// gives them.
#[inline(always)]
fn affine(factors: &[Loose], values: &[Loose], constant: &Loose) -> Loose {
    if factors.len() <= TOGETHER {
        return summed(factors, values, constant);
    }
    let (first, factors) = factors.split_at(TOGETHER);
    let (values, others) = values.split_at(TOGETHER);
    let first = summed(first, values, constant);
    if factors.len() <= TOGETHER {
        return first.plus(summed(factors, others, &Loose::ZERO));
    }
    let (second, factors) = factors.split_at(TOGETHER);
    let (values, others) = others.split_at(TOGETHER);
    first.plus(summed(second, values, &Loose::ZERO)).plus(summed(factors, others, &Loose::ZERO))
}

/// [`affine`] for at most [`TOGETHER`] products: written out for each number, so that it is known where a sum is compiled.
#[inline(always)]
fn summed(factors: &[Loose], values: &[Loose], constant: &Loose) -> Loose {
    macro_rules! by_length {
        ($($length:literal)*) => {
            match factors.len() {
                $($length => match (factors.first_chunk::<$length>(), values.first_chunk::<$length>()) {
                    (Some(factors), Some(values)) => below_double(by_columns(&Sum { factors, values }, constant)),
                    _ => unreachable!("as many values as factors"),
                },)*
                _ => unreachable!("at most eight products"),
            }
        };
    }
    by_length!(1 2 3 4 5 6 7 8)
}

/// A number below `5.3r` made less than `2r`.
#[inline(always)]
fn below_double(number: [u64; 4]) -> Loose {
    Loose(reduced(reduced(number, DOUBLE), DOUBLE))
}

const fn double(number: [u64; 4]) -> [u64; 4] {
    let [a, b, c, d] = number;
    [a << 1, (b << 1) | (a >> 63), (c << 1) | (b >> 63), (d << 1) | (c >> 63)]
}

/// `a + b + carry` and the next carry.
#[inline(always)]
fn sum(a: u64, b: u64, carry: u64) -> (u64, u64) {
    let sum = u128::from(a) + u128::from(b) + u128::from(carry);
    (sum as u64, (sum >> 64) as u64)
}

/// `a − b − borrow` and the next borrow.
#[inline(always)]
fn difference(a: u64, b: u64, borrow: u64) -> (u64, u64) {
    let difference = u128::from(a).wrapping_sub(u128::from(b) + u128::from(borrow));
    (difference as u64, (difference >> 64) as u64 & 1)
}

/// `number`, less `step` where it is not smaller.
#[inline(always)]
fn reduced(number: [u64; 4], step: [u64; 4]) -> [u64; 4] {
    let ([a, b, c, d], [e, f, g, h]) = (number, step);
    let (e, borrow) = difference(a, e, 0);
    let (f, borrow) = difference(b, f, borrow);
    let (g, borrow) = difference(c, g, borrow);
    let (h, borrow) = difference(d, h, borrow);
    if borrow == 0 { [e, f, g, h] } else { [a, b, c, d] }
}

/// What one column of a product sums to: the low halves of its products and the high ones, so that no carry goes from one
/// to the other before the end.
struct Column {
    low: u128,
    high: u128,
}

impl Column {
    #[inline(always)]
    fn add(&mut self, a: u64, b: u64) {
        let product = u128::from(a) * u128::from(b);
        self.low += u128::from(product as u64);
        self.high += product >> 64;
    }

    #[inline(always)]
    fn add_twice(&mut self, a: u64, b: u64) {
        let product = u128::from(a) * u128::from(b);
        self.low += u128::from(product as u64) << 1;
        self.high += (product >> 64) << 1;
    }

    /// Adds the multiple of the modulus that makes the column's digit 0 and goes on to the next column; the multiple.
    #[inline(always)]
    fn cancel(&mut self) -> u64 {
        let multiple = (self.low as u64).wrapping_mul(INVERSE);
        self.add(multiple, MODULUS[0]);
        self.next(0);
        multiple
    }

    /// Adds a digit and goes on to the next column; the digit of this one.
    #[inline(always)]
    fn next(&mut self, digit: u64) -> u64 {
        self.low += u128::from(digit);
        let digit = self.low as u64;
        self.low = self.high + (self.low >> 64);
        self.high = 0;
        digit
    }
}

/// Something that is multiplied out column by column, as on paper, with digits of 64 bits.
trait Product {
    /// Adds the products of digits whose places sum to `PLACE`.
    fn add_column<const PLACE: usize>(&self, column: &mut Column);
}

/// A product after Montgomery's reduction, plus a constant. Written out, so that a place is known where it is compiled.
#[inline(always)]
fn by_columns(product: &impl Product, Loose(constant): &Loose) -> [u64; 4] {
    let [_, r1, r2, r3] = MODULUS;
    let mut column = Column { low: 0, high: 0 };
    product.add_column::<0>(&mut column);
    let m0 = column.cancel();
    product.add_column::<1>(&mut column);
    column.add(m0, r1);
    let m1 = column.cancel();
    product.add_column::<2>(&mut column);
    column.add(m0, r2);
    column.add(m1, r1);
    let m2 = column.cancel();
    product.add_column::<3>(&mut column);
    column.add(m0, r3);
    column.add(m1, r2);
    column.add(m2, r1);
    let m3 = column.cancel();
    product.add_column::<4>(&mut column);
    column.add(m1, r3);
    column.add(m2, r2);
    column.add(m3, r1);
    let first = column.next(constant[0]);
    product.add_column::<5>(&mut column);
    column.add(m2, r3);
    column.add(m3, r2);
    let second = column.next(constant[1]);
    product.add_column::<6>(&mut column);
    column.add(m3, r3);
    let third = column.next(constant[2]);
    [first, second, third, column.next(constant[3])]
}

/// `Σ factors · values`.
struct Sum<'a, const N: usize> {
    factors: &'a [Loose; N],
    values: &'a [Loose; N],
}

impl<const N: usize> Product for Sum<'_, N> {
    #[inline(always)]
    fn add_column<const PLACE: usize>(&self, column: &mut Column) {
        for place in 0..N {
            let (factor, value) = (&self.factors[place].0, &self.values[place].0);
            match PLACE {
                0 => column.add(factor[0], value[0]),
                1 => {
                    column.add(factor[0], value[1]);
                    column.add(factor[1], value[0]);
                }
                2 => {
                    column.add(factor[0], value[2]);
                    column.add(factor[1], value[1]);
                    column.add(factor[2], value[0]);
                }
                3 => {
                    column.add(factor[0], value[3]);
                    column.add(factor[1], value[2]);
                    column.add(factor[2], value[1]);
                    column.add(factor[3], value[0]);
                }
                4 => {
                    column.add(factor[1], value[3]);
                    column.add(factor[2], value[2]);
                    column.add(factor[3], value[1]);
                }
                5 => {
                    column.add(factor[2], value[3]);
                    column.add(factor[3], value[2]);
                }
                _ => column.add(factor[3], value[3]),
            }
        }
    }
}

/// The square of a number: ten products of digits instead of sixteen.
struct Square([u64; 4]);

impl Product for Square {
    #[inline(always)]
    fn add_column<const PLACE: usize>(&self, column: &mut Column) {
        let [a, b, c, d] = self.0;
        match PLACE {
            0 => column.add(a, a),
            1 => column.add_twice(a, b),
            2 => {
                column.add_twice(a, c);
                column.add(b, b);
            }
            3 => {
                column.add_twice(a, d);
                column.add_twice(b, c);
            }
            4 => {
                column.add_twice(b, d);
                column.add(c, c);
            }
            5 => column.add_twice(c, d),
            _ => column.add(d, d),
        }
    }
}

#[cfg(test)]
mod tests {
    use ark_ff::{AdditiveGroup, Field as _, UniformRand};
    use ark_std::rand::{SeedableRng, rngs::StdRng};

    use super::*;

    /// The same element's other number.
    fn other(element: Field) -> Loose {
        let mut number = element.0;
        assert!(!ark_ff::BigInteger::add_with_carry(&mut number, &Field::MODULUS));
        Loose(number.0)
    }

    fn is_loose(loose: Loose) -> bool {
        reduced(loose.0, DOUBLE) == loose.0
    }

    /// Edges and random elements.
    fn elements() -> Vec<Field> {
        let mut rng = StdRng::seed_from_u64(1);
        let highest = Field::new_unchecked(BigInt::new([MODULUS[0] - 1, MODULUS[1], MODULUS[2], MODULUS[3]]));
        let edges = [Field::ZERO, Field::ONE, -Field::ONE, highest];
        edges.into_iter().chain((0..40).map(|_| Field::rand(&mut rng))).collect()
    }

    #[test]
    fn both_numbers_of_an_element_are_the_element() {
        for element in elements() {
            assert_eq!(Field::from(Loose::from(element)), element);
            assert_eq!(Field::from(other(element)), element);
        }
    }

    #[test]
    fn sums_and_powers_are_those_of_the_elements() {
        for one in elements() {
            for loose in [Loose::from(one), other(one)] {
                let power = loose.fifth_power();
                assert!(is_loose(power));
                assert_eq!(Field::from(power), one.pow([5]));
            }
            for two in elements() {
                for sum in [Loose::from(one).plus(other(two)), other(one).plus(other(two))] {
                    assert!(is_loose(sum));
                    assert_eq!(Field::from(sum), one + two);
                }
            }
        }
    }

    #[test]
    fn products_are_summed_up_to_the_largest_numbers() {
        let all = elements();
        // The fourth is r − 1 as it stands: with it in every place no sum is larger.
        for length in 1..=24 {
            for start in 0..all.len() {
                let at = |place: usize| all[if start == 3 { 3 } else { (start + 7 * place) % all.len() }];
                let factors: Vec<Loose> = (0..length).map(|i| at(i).into()).collect();
                let values: Vec<Loose> = (0..length).map(|i| other(at(i + 1))).collect();
                let expected = at(length) + (0..length).map(|i| at(i) * at(i + 1)).sum::<Field>();
                let sum = affine(&factors, &values, &at(length).into());
                assert!(is_loose(sum), "{length} products from {start}");
                assert_eq!(Field::from(sum), expected, "{length} products from {start}");
            }
        }
    }
}
