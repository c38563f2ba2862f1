//! Eight hashes side by side, with AVX-512's products of 52-bit digits (IFMA), on processors that have them.
//!
//! A number is five digits of 52 bits, each a vector with a lane for every hash, in Montgomery form with `R = 2^260`. The
//! modulus `r` is less than `0.0119·R`, so a product of numbers below `a·r` and `b·r` comes out of Montgomery's reduction
//! below `(1 + 0.0119·a·b)·r` and nothing needs to be compared or taken away on the way:
//!
//! | number | below |
//! |---|---|
//! | an input, and with the first round's constant | `16r`, `17r` |
//! | fifth power of a number below `17r` | `(1 + 0.0119·17·1.24)·r`, less than `1.3r` (square `4.5r`, fourth power `1.24r`) |
//! | constant and 24 products of factors below `r` and numbers below `5r` | `(2 + 0.0119·24·5)·r`, less than `3.5r` |
//! | that and the fifth power of a number below `5r` | `(3.5 + 1.07)·r`, less than `5r` |
//!
//! All stay below `5r` after the first round, and `17r` is below `2^260`. A column of digits sums at most 226 numbers below
//! `2^52` before it is carried on, which stays below `2^60`.

use core::arch::x86_64::{
    __m512i, _mm512_add_epi64, _mm512_and_si512, _mm512_madd52hi_epu64, _mm512_madd52lo_epu64, _mm512_set1_epi64,
    _mm512_setzero_si512, _mm512_srli_epi64,
};

use ark_ff::{Field as _, MontConfig, PrimeField};
use fearless_simd::{Level, SimdFrom, kernel, u64x8, x86::Avx512};

use super::{loose::Loose, rounds::Arithmetic};
use crate::Field;

/// Hashes side by side.
pub(super) const LANES: usize = 8;

/// Digits of a number, and their bits.
const DIGITS: usize = 5;
const BITS: u32 = 52;
const MASK: u64 = (1 << BITS) - 1;

const MODULUS: Digits = Digits::of(Field::MODULUS.0, 0);

/// `−1/r` modulo 2^52.
const INVERSE: u64 = <ark_bn254::FrConfig as MontConfig<4>>::INV & MASK;

/// A number below `2^260`: the same in every lane.
#[derive(Clone, Copy)]
pub(super) struct Digits([u64; DIGITS]);

/// A number below `2^260` for each lane.
#[derive(Clone, Copy)]
pub(super) struct Lanes([__m512i; DIGITS]);

/// Sums of digits of products, by their place.
type Columns = [__m512i; 2 * DIGITS];

/// The processor's instructions, if it has those that are needed here.
pub(super) fn detected() -> Option<Avx512> {
    Level::new().as_avx512()
}

impl Digits {
    /// The number times `2^shift`.
    const fn of([a, b, c, d]: [u64; 4], shift: u32) -> Self {
        Self([
            (a << shift) & MASK,
            ((a >> (52 - shift)) | (b << (12 + shift))) & MASK,
            ((b >> (40 - shift)) | (c << (24 + shift))) & MASK,
            ((c >> (28 - shift)) | (d << (36 + shift))) & MASK,
            d >> (16 - shift),
        ])
    }

    /// The number, below `2^256`.
    const fn number(self) -> [u64; 4] {
        let [a, b, c, d, e] = self.0;
        [a | (b << 52), (b >> 12) | (c << 40), (c >> 24) | (d << 28), (d >> 36) | (e << 16)]
    }
}

impl From<Field> for Digits {
    fn from(element: Field) -> Self {
        // arkworks' form is for R = 2^256: that of the element times 16 is ours.
        Self::of((element * Field::from(16u64)).0.0, 0)
    }
}

impl Lanes {
    /// The elements as they are kept, times 16: below `16r`.
    pub(super) fn of(avx512: Avx512, elements: [Field; LANES]) -> Self {
        Self::spread(avx512, elements.map(|element| Digits::of(element.0.0, 4)))
    }

    /// The elements that numbers below `5r` stand for.
    pub(super) fn elements(self, avx512: Avx512) -> [Field; LANES] {
        // A factor of 2^256, which is 2^260 times 1/16, leaves arkworks' form, below 1.06r.
        let loose = affine(avx512, &[SIXTEENTH], &[self], &Digits([0; DIGITS]));
        loose.gathered(avx512).map(|digits| Loose(digits.number()).into())
    }

    fn spread(avx512: Avx512, numbers: [Digits; LANES]) -> Self {
        let lanes = |digit: usize| u64x8::simd_from(avx512, numbers.map(|number| number.0[digit])).into();
        Self(core::array::from_fn(lanes))
    }

    fn gathered(self, avx512: Avx512) -> [Digits; LANES] {
        let digits = self.0.map(|lanes| *u64x8::simd_from(avx512, lanes));
        core::array::from_fn(|lane| Digits(digits.map(|lanes| lanes[lane])))
    }
}

/// `2^256` modulo `r`: arkworks' form of 1.
const SIXTEENTH: Digits = Digits::of(Field::ONE.0.0, 0);

impl Arithmetic for Avx512 {
    type Number = Lanes;
    type Constant = Digits;

    fn known(self, constant: &Digits) -> Lanes {
        known(self, constant)
    }

    fn plus(self, one: Lanes, other: Lanes) -> Lanes {
        plus(self, &one, &other)
    }

    fn fifth_power(self, number: Lanes) -> Lanes {
        fifth_power(self, &number)
    }

    fn affine(self, factors: &[Digits], values: &[Lanes], constant: &Digits) -> Lanes {
        affine(self, factors, values, constant)
    }
}

kernel!(
    fn known(avx512: Avx512, constant: &Digits) -> Lanes {
        broadcast(constant)
    }
);

kernel!(
    fn plus(avx512: Avx512, one: &Lanes, other: &Lanes) -> Lanes {
        let mut sum = one.0;
        for (sum, digit) in sum.iter_mut().zip(other.0) {
            *sum = _mm512_add_epi64(*sum, digit);
        }
        carried(sum)
    }
);

kernel!(
    fn fifth_power(avx512: Avx512, number: &Lanes) -> Lanes {
        let fourth = square(&square(number));
        let mut columns = [_mm512_setzero_si512(); 2 * DIGITS];
        add_product(&mut columns, &fourth, number);
        reduced(columns)
    }
);

kernel!(
    /// `constant + Σ factors · values`, over at most 24 of each.
    fn affine(avx512: Avx512, factors: &[Digits], values: &[Lanes], constant: &Digits) -> Lanes {
        let mut columns = [_mm512_setzero_si512(); 2 * DIGITS];
        for (factor, value) in factors.iter().zip(values) {
            add_product(&mut columns, &broadcast(factor), value);
        }
        let constant = broadcast(constant);
        for digit in 0..DIGITS {
            columns[DIGITS + digit] = _mm512_add_epi64(columns[DIGITS + digit], constant.0[digit]);
        }
        reduced(columns)
    }
);

#[inline]
#[target_feature(enable = "avx512f")]
fn broadcast(number: &Digits) -> Lanes {
    let mut lanes = [_mm512_setzero_si512(); DIGITS];
    for (lanes, digit) in lanes.iter_mut().zip(number.0) {
        *lanes = _mm512_set1_epi64(digit as i64);
    }
    Lanes(lanes)
}

#[inline]
#[target_feature(enable = "avx512f,avx512ifma")]
fn square(number: &Lanes) -> Lanes {
    let mut columns = [_mm512_setzero_si512(); 2 * DIGITS];
    for one in 0..DIGITS {
        for other in one + 1..DIGITS {
            add_digits(&mut columns, one + other, number.0[one], number.0[other]);
        }
    }
    for column in &mut columns {
        *column = _mm512_add_epi64(*column, *column);
    }
    for digit in 0..DIGITS {
        add_digits(&mut columns, 2 * digit, number.0[digit], number.0[digit]);
    }
    reduced(columns)
}

#[inline]
#[target_feature(enable = "avx512f,avx512ifma")]
fn add_product(columns: &mut Columns, one: &Lanes, other: &Lanes) {
    for i in 0..DIGITS {
        for j in 0..DIGITS {
            add_digits(columns, i + j, one.0[i], other.0[j]);
        }
    }
}

/// Adds the product of two digits whose places sum to `place`. What a digit has above its 52 bits is not looked at.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma")]
fn add_digits(columns: &mut Columns, place: usize, one: __m512i, other: __m512i) {
    columns[place] = _mm512_madd52lo_epu64(columns[place], one, other);
    columns[place + 1] = _mm512_madd52hi_epu64(columns[place + 1], one, other);
}

/// Montgomery's reduction: multiples of the modulus make the lower five columns 0, the upper five are the number.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma")]
fn reduced(mut columns: Columns) -> Lanes {
    let (inverse, modulus) = (_mm512_set1_epi64(INVERSE as i64), broadcast(&MODULUS));
    for place in 0..DIGITS {
        let multiple = _mm512_madd52lo_epu64(_mm512_setzero_si512(), columns[place], inverse);
        for digit in 0..DIGITS {
            add_digits(&mut columns, place + digit, multiple, modulus.0[digit]);
        }
        columns[place + 1] = _mm512_add_epi64(columns[place + 1], _mm512_srli_epi64::<BITS>(columns[place]));
    }
    let [_, _, _, _, _, a, b, c, d, e] = columns;
    carried([a, b, c, d, e])
}

/// Digits of 52 bits of a number below `2^260`.
#[inline]
#[target_feature(enable = "avx512f")]
fn carried(mut digits: [__m512i; DIGITS]) -> Lanes {
    let mask = _mm512_set1_epi64(MASK as i64);
    for digit in 0..DIGITS - 1 {
        digits[digit + 1] = _mm512_add_epi64(digits[digit + 1], _mm512_srli_epi64::<BITS>(digits[digit]));
        digits[digit] = _mm512_and_si512(digits[digit], mask);
    }
    Lanes(digits)
}

#[cfg(test)]
mod tests {
    use ark_ff::{AdditiveGroup, BigInt, BigInteger, UniformRand};
    use ark_std::rand::{SeedableRng, rngs::StdRng};

    use super::*;

    /// The processor's instructions, or a word that nothing was tested.
    fn instructions() -> Option<Avx512> {
        let found = detected();
        if found.is_none() {
            eprintln!("this processor has no AVX-512 with IFMA: nothing was tested");
        }
        found
    }

    /// `times · r`, at most 5.
    fn multiple(times: u64) -> BigInt<4> {
        (0..times).fold(BigInt::zero(), |mut sum, _| {
            assert!(!sum.add_with_carry(&Field::MODULUS));
            sum
        })
    }

    /// Edges, whose last is kept as `r − 1`, and random elements.
    fn elements() -> [Field; LANES] {
        let mut rng = StdRng::seed_from_u64(1);
        let mut highest = Field::MODULUS;
        highest.0[0] -= 1;
        let highest = element(highest);
        let [a, b, c, d] = core::array::from_fn(|_| Field::rand(&mut rng));
        [Field::ZERO, Field::ONE, -Field::ONE, a, b, c, d, highest]
    }

    /// The element whose constant is kept as this number, below `r`.
    fn element(number: BigInt<4>) -> Field {
        let sixteenth = Field::from(16u64).inverse().unwrap();
        Field::new_unchecked(number) * sixteenth
    }

    /// Each element's number with `times · r` added.
    fn lanes(avx512: Avx512, elements: [Field; LANES], times: u64) -> Lanes {
        let numbers = elements.map(|element| {
            let mut number = BigInt::new(Digits::from(element).number());
            assert!(!number.add_with_carry(&multiple(times)));
            Digits::of(number.0, 0)
        });
        Lanes::spread(avx512, numbers)
    }

    /// The elements, once all digits and numbers are seen to be within their bounds.
    fn checked(avx512: Avx512, lanes: Lanes) -> [Field; LANES] {
        for digits in lanes.gathered(avx512) {
            assert!(digits.0.iter().all(|digit| *digit <= MASK) && digits.0[DIGITS - 1] >> 48 == 0);
            assert!(BigInt::new(digits.number()) < multiple(5));
        }
        lanes.elements(avx512)
    }

    fn turned(elements: [Field; LANES], by: usize) -> [Field; LANES] {
        core::array::from_fn(|lane| elements[(lane + by) % LANES])
    }

    #[test]
    fn numbers_are_taken_apart_and_put_together() {
        for element in elements() {
            assert_eq!(Digits::of(element.0.0, 0).number(), element.0.0);
        }
        assert_eq!(Digits::of([u64::MAX; 4], 4).0, [MASK - 15, MASK, MASK, MASK, MASK]);
        assert_eq!(Digits([MASK, MASK, MASK, MASK, MASK >> 4]).number(), [u64::MAX; 4]);
    }

    #[test]
    fn every_number_of_an_element_is_the_element() {
        let Some(avx512) = instructions() else { return };
        let elements = elements();
        assert_eq!(Lanes::of(avx512, elements).elements(avx512), elements);
        for times in 0..5 {
            assert_eq!(checked(avx512, lanes(avx512, elements, times)), elements);
        }
        for element in elements {
            assert_eq!(checked(avx512, avx512.known(&element.into())), [element; LANES]);
        }
    }

    #[test]
    fn sums_are_those_of_the_elements() {
        let Some(avx512) = instructions() else { return };
        for by in 0..LANES {
            let (one, other) = (elements(), turned(elements(), by));
            for times in 0..5 {
                let sum = avx512.plus(lanes(avx512, one, times), lanes(avx512, other, 4 - times));
                let expected: [Field; LANES] = core::array::from_fn(|lane| one[lane] + other[lane]);
                assert_eq!(sum.elements(avx512), expected);
            }
        }
    }

    #[test]
    fn fifth_powers_are_those_of_the_elements() {
        let Some(avx512) = instructions() else { return };
        let elements = elements();
        let powers = elements.map(|element| element.pow([5]));
        for times in 0..5 {
            assert_eq!(checked(avx512, avx512.fifth_power(lanes(avx512, elements, times))), powers);
        }
    }

    #[test]
    fn fifth_powers_of_inputs_with_a_constant_are_those_of_the_elements() {
        let Some(avx512) = instructions() else { return };
        // As arkworks keeps them these are the highest numbers, 16 times as high here.
        let mut inputs = elements();
        inputs[0] = inputs[7] * Field::from(16u64);
        for constant in elements() {
            let sum = avx512.plus(Lanes::of(avx512, inputs), avx512.known(&constant.into()));
            let expected = inputs.map(|input| (input + constant).pow([5]));
            assert_eq!(checked(avx512, avx512.fifth_power(sum)), expected);
        }
    }

    #[test]
    fn products_are_summed_up_to_the_largest_numbers() {
        let Some(avx512) = instructions() else { return };
        let all = elements();
        for length in 0..=24 {
            for start in 0..LANES {
                // From the last, which is kept as r − 1, every factor and value is the highest there is.
                let at = |place: usize| all[if start == 7 { 7 } else { (start + 7 * place) % LANES }];
                let values = |place: usize| if start == 7 { [all[7]; LANES] } else { turned(all, place) };
                let factors: Vec<Digits> = (0..length).map(|place| at(place).into()).collect();
                let numbers: Vec<_> = (0..length).map(|place| lanes(avx512, values(place), 4)).collect();
                let sum = avx512.affine(&factors, &numbers, &at(length).into());
                let expected: [Field; LANES] = core::array::from_fn(|lane| {
                    at(length) + (0..length).map(|place| at(place) * values(place)[lane]).sum::<Field>()
                });
                assert_eq!(checked(avx512, sum), expected, "{length} products from {start}");
                // What a partial round adds to it stays within the bound too.
                let power = avx512.fifth_power(lanes(avx512, all, 4));
                checked(avx512, avx512.plus(sum, power));
            }
        }
    }
}
