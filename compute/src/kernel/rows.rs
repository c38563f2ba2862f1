//! What stands between products: GELU, softmax and layer norm, sixteen values at a time.

use fearless_simd::prelude::*;
use fearless_simd::{Simd, f32x16, i32x16};

use super::{LANES, load, save};

/// The least exponent of [`exp`]: e^-87 is the smallest power that is a normal number.
const LEAST_EXPONENT: f32 = -87.0;

/// x · Φ(x), with Φ by erf as BERT has it (Hendrycks and Gimpel 2016).
#[inline(always)]
pub(super) fn gelu<S: Simd>(simd: S, x: f32x16<S>) -> f32x16<S> {
    let half = x * 0.5;
    half.mul_add(erf(simd, x * std::f32::consts::FRAC_1_SQRT_2), half)
}

/// The shares of `row`: e to each value, divided by their sum (the largest is taken off first). A row with a value that is not
/// a finite number becomes undefined as a whole.
pub(crate) fn softmax<S: Simd>(simd: S, row: &mut [f32]) {
    simd.vectorize(
        #[inline(always)]
        || {
            let mut most = f32x16::splat(simd, f32::MIN);
            // Stays 0 as long as all values are finite: a maximum alone can lose one that is undefined.
            let mut undefined = f32x16::splat(simd, 0.0);
            for values in row.chunks(LANES) {
                let values = load(simd, values, f32::MIN);
                most = most.max(values);
                undefined = values.mul_add(0.0, undefined);
            }
            let most = most.as_slice().iter().copied().fold(f32::MIN, f32::max);
            let mut sums = f32x16::splat(simd, 0.0);
            for values in row.chunks_mut(LANES) {
                let powers = exp(simd, load(simd, values, f32::MIN) - most);
                sums += powers;
                save(powers, values);
            }
            scale(simd, row, 1.0 / total(sums) + total(undefined));
        },
    )
}

/// `row` with mean 0 and variance 1, times `weight`, plus `bias` (Ba, Kiros and Hinton 2016). A row whose variance is too
/// large for f32 becomes undefined, never zero.
pub(crate) fn normalize<S: Simd>(simd: S, row: &mut [f32], weight: &[f32], bias: &[f32], epsilon: f32) {
    simd.vectorize(
        #[inline(always)]
        || {
            let count = row.len() as f32;
            let mut sums = f32x16::splat(simd, 0.0);
            for values in row.chunks(LANES) {
                sums += load(simd, values, 0.0);
            }
            let mean = total(sums) / count;
            let mut squares = f32x16::splat(simd, 0.0);
            for values in row.chunks_mut(LANES) {
                let away = load(simd, values, mean) - mean;
                squares = away.mul_add(away, squares);
                save(away, values);
            }
            let variance = total(squares) / count;
            let factor = if variance.is_finite() { 1.0 / (variance + epsilon).sqrt() } else { f32::NAN };
            for ((values, weight), bias) in row.chunks_mut(LANES).zip(weight.chunks(LANES)).zip(bias.chunks(LANES)) {
                let weighted = load(simd, values, 0.0) * factor;
                save(weighted.mul_add(load(simd, weight, 0.0), load(simd, bias, 0.0)), values);
            }
        },
    )
}

/// Makes `row` one of mean 0 and variance 1 and returns what its distances from the mean were multiplied by; `out` is the row
/// times `weight`, plus `bias`: what [`normalize`] gives.
pub(crate) fn standardize<S: Simd>(
    simd: S,
    row: &mut [f32],
    out: &mut [f32],
    weight: &[f32],
    bias: &[f32],
    epsilon: f32,
) -> f32 {
    simd.vectorize(
        #[inline(always)]
        || {
            let count = row.len() as f32;
            let mut sums = f32x16::splat(simd, 0.0);
            for values in row.chunks(LANES) {
                sums += load(simd, values, 0.0);
            }
            let mean = total(sums) / count;
            let mut squares = f32x16::splat(simd, 0.0);
            for values in row.chunks(LANES) {
                let away = load(simd, values, mean) - mean;
                squares = away.mul_add(away, squares);
            }
            let variance = total(squares) / count;
            let factor = if variance.is_finite() { 1.0 / (variance + epsilon).sqrt() } else { f32::NAN };
            let parts = weight.chunks(LANES).zip(bias.chunks(LANES));
            for ((values, out), (weight, bias)) in row.chunks_mut(LANES).zip(out.chunks_mut(LANES)).zip(parts) {
                let standard = (load(simd, values, mean) - mean) * factor;
                save(standard, values);
                save(standard.mul_add(load(simd, weight, 0.0), load(simd, bias, 0.0)), out);
            }
            factor
        },
    )
}

/// From the slopes at what [`standardize`] gave to those at what it was given: `row` and `factor` are its results.
pub(crate) fn standardize_back<S: Simd>(simd: S, slopes: &mut [f32], row: &[f32], weight: &[f32], factor: f32) {
    simd.vectorize(
        #[inline(always)]
        || {
            let (mut sums, mut products) = (f32x16::splat(simd, 0.0), f32x16::splat(simd, 0.0));
            for ((slopes, row), weight) in slopes.chunks_mut(LANES).zip(row.chunks(LANES)).zip(weight.chunks(LANES)) {
                let weighted = load(simd, slopes, 0.0) * load(simd, weight, 0.0);
                sums += weighted;
                products = weighted.mul_add(load(simd, row, 0.0), products);
                save(weighted, slopes);
            }
            let count = row.len() as f32;
            let (mean, along) = (total(sums) / count, total(products) / count);
            for (slopes, row) in slopes.chunks_mut(LANES).zip(row.chunks(LANES)) {
                let rest = load(simd, slopes, 0.0) - mean - load(simd, row, 0.0) * along;
                save(rest * factor, slopes);
            }
        },
    )
}

/// GELU of each of `from`, into `to`.
pub(crate) fn gelu_all<S: Simd>(simd: S, from: &[f32], to: &mut [f32]) {
    simd.vectorize(
        #[inline(always)]
        || {
            for (from, to) in from.chunks(LANES).zip(to.chunks_mut(LANES)) {
                save(gelu(simd, load(simd, from, 0.0)), to);
            }
        },
    )
}

/// Multiplies `slopes` by the derivative of GELU at each of `at`: Φ(x) + x · φ(x).
pub(crate) fn gelu_back<S: Simd>(simd: S, slopes: &mut [f32], at: &[f32]) {
    simd.vectorize(
        #[inline(always)]
        || {
            for (slopes, at) in slopes.chunks_mut(LANES).zip(at.chunks(LANES)) {
                let x = load(simd, at, 0.0);
                let below = erf(simd, x * std::f32::consts::FRAC_1_SQRT_2) * 0.5 + 0.5;
                let density = exp(simd, x * x * -0.5)
                    * (0.5 * std::f32::consts::FRAC_2_SQRT_PI * std::f32::consts::FRAC_1_SQRT_2);
                save(load(simd, slopes, 0.0) * x.mul_add(density, below), slopes);
            }
        },
    )
}

/// From the slopes at the shares that [`softmax`] gave to those at the values that it was given.
pub(crate) fn softmax_back<S: Simd>(simd: S, slopes: &mut [f32], shares: &[f32]) {
    simd.vectorize(
        #[inline(always)]
        || {
            let mut sums = f32x16::splat(simd, 0.0);
            for (slopes, shares) in slopes.chunks(LANES).zip(shares.chunks(LANES)) {
                sums = load(simd, slopes, 0.0).mul_add(load(simd, shares, 0.0), sums);
            }
            let mean = total(sums);
            for (slopes, shares) in slopes.chunks_mut(LANES).zip(shares.chunks(LANES)) {
                save((load(simd, slopes, 0.0) - mean) * load(simd, shares, 0.0), slopes);
            }
        },
    )
}

#[inline(always)]
fn scale<S: Simd>(simd: S, row: &mut [f32], factor: f32) {
    for values in row.chunks_mut(LANES) {
        save(load(simd, values, 0.0) * factor, values);
    }
}

/// The sum of a vector's values, halves onto halves: the same order on every machine.
#[inline(always)]
fn total<S: Simd>(values: f32x16<S>) -> f32 {
    let mut sums: [f32; LANES] = [0.0; LANES];
    sums.copy_from_slice(values.as_slice());
    for half in [8, 4, 2, 1] {
        for lane in 0..half {
            sums[lane] += sums[lane + half];
        }
    }
    sums[0]
}

/// erf by the quotient of polynomials that Eigen and XLA use: at most 5e-7 off.
#[inline(always)]
fn erf<S: Simd>(simd: S, x: f32x16<S>) -> f32x16<S> {
    let x = x.max(-4.0).min(4.0);
    let square = x * x;
    let over = [
        -2.726_142_2e-10,
        2.770_681_5e-8,
        -2.101_024e-6,
        -5.692_506_5e-5,
        -7.349_906e-4,
        -2.954_599_8e-3,
        -1.609_603_3e-2,
    ];
    let under = [-1.456_607_2e-5, -2.133_740_6e-4, -1.682_826_9e-3, -7.373_329_2e-3, -1.426_473_9e-2];
    x * polynomial(simd, square, over) / polynomial(simd, square, under)
}

/// e^x for x of at most 0, by a power of two and a polynomial (Cephes `expf`): at most 2e-7 off.
#[inline(always)]
fn exp<S: Simd>(simd: S, x: f32x16<S>) -> f32x16<S> {
    let x = x.max(LEAST_EXPONENT);
    let twos = (x * std::f32::consts::LOG2_E).round_ties_even();
    // ln 2 in two parts, the first with few bits, so that the rest is exact.
    let rest = twos.mul_add(-0.693_359_4, x);
    let rest = twos.mul_add(2.121_944_4e-4, rest);
    let series = [1.987_569_2e-4, 1.398_2e-3, 8.333_452e-3, 4.166_579_6e-2, 0.166_666_66, 0.5];
    let part = (rest * rest).mul_add(polynomial(simd, rest, series), rest) + 1.0;
    let power: i32x16<S> = twos.to_int();
    part * ((power + 127) << 23).bitcast::<f32x16<S>>()
}

/// A polynomial, highest power first.
#[inline(always)]
fn polynomial<S: Simd, const N: usize>(simd: S, x: f32x16<S>, coefficients: [f32; N]) -> f32x16<S> {
    let mut value = f32x16::splat(simd, coefficients[0]);
    for coefficient in &coefficients[1..] {
        value = value.mul_add(x, *coefficient);
    }
    value
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use fearless_simd::{Level, dispatch};

    use super::*;

    /// erf by its series in f64, for |x| of at most 4.
    fn exact_erf(x: f64) -> f64 {
        let (mut term, mut sum) = (x, x);
        for n in 1..200 {
            term *= -x * x / f64::from(n);
            sum += term / f64::from(2 * n + 1);
        }
        sum * std::f64::consts::FRAC_2_SQRT_PI
    }

    #[inline(always)]
    fn map<S: Simd>(simd: S, values: &mut [f32], f: impl Fn(f32x16<S>) -> f32x16<S>) {
        for values in values.chunks_mut(LANES) {
            save(f(load(simd, values, 0.0)), values);
        }
    }

    #[test]
    fn gelu_is_within_a_millionth() {
        let inputs: Vec<f32> = (-5600..=5600).map(|n| n as f32 / 1000.0).collect();
        let mut outputs = inputs.clone();
        dispatch!(Level::new(), simd => map(simd, &mut outputs, |x| gelu(simd, x)));
        for (x, y) in inputs.iter().zip(&outputs) {
            let x = f64::from(*x);
            let exact = 0.5 * x * (1.0 + exact_erf(x * std::f64::consts::FRAC_1_SQRT_2));
            assert!((exact - f64::from(*y)).abs() < 1e-6, "gelu({x}) is {exact}, not {y}");
        }
    }

    #[test]
    fn exp_is_within_three_parts_in_ten_million() {
        let inputs: Vec<f32> = (0..=86_000).map(|n| -n as f32 / 1000.0).collect();
        let mut outputs = inputs.clone();
        dispatch!(Level::new(), simd => map(simd, &mut outputs, |x| exp(simd, x)));
        for (x, y) in inputs.iter().zip(&outputs) {
            let exact = f64::from(*x).exp();
            assert!((exact - f64::from(*y)).abs() <= 3e-7 * exact, "exp({x}) is {exact}, not {y}");
        }
    }

    #[test]
    fn softmax_of_any_length_sums_to_one_and_survives_large_values() {
        for length in [1, 2, 15, 16, 17, 40] {
            let mut row: Vec<f32> = (0..length).map(|n| n as f32 * 10.0 - 3e4).collect();
            dispatch!(Level::new(), simd => softmax(simd, &mut row));
            let sum: f32 = row.iter().sum();
            assert!((sum - 1.0).abs() < 1e-6 && row.is_sorted(), "{length}: {row:?}");
        }
    }

    #[test]
    fn softmax_with_a_value_that_is_not_finite_is_undefined() {
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            for place in [0, 7, 16, 20] {
                let mut row = [0.5; 21];
                row[place] = bad;
                dispatch!(Level::new(), simd => softmax(simd, &mut row));
                assert!(row.iter().all(|value| value.is_nan()), "{bad} at {place}: {row:?}");
            }
        }
    }

    #[test]
    fn normalize_gives_mean_zero_and_variance_one_at_any_length() {
        for length in [2usize, 8, 16, 23, 384] {
            let mut row: Vec<f32> = (0..length).map(|n| (n * 7 % 13) as f32 + 100.0).collect();
            let (weight, bias) = (vec![1.0; length], vec![0.0; length]);
            dispatch!(Level::new(), simd => normalize(simd, &mut row, &weight, &bias, 1e-12));
            let mean: f32 = row.iter().sum::<f32>() / length as f32;
            let variance: f32 = row.iter().map(|value| value * value).sum::<f32>() / length as f32;
            assert!(mean.abs() < 1e-5 && (variance - 1.0).abs() < 1e-5, "{length}: {mean} {variance}");
        }
    }

    /// The slope of `f` at `x` along each coordinate, by differences in f64 steps that suit f32.
    fn slopes(x: &[f32], f: &mut dyn FnMut(&[f32]) -> f64) -> Vec<f64> {
        let step = 1e-2f32;
        (0..x.len())
            .map(|at| {
                let mut moved = x.to_vec();
                let mut by = |step: f32| {
                    moved[at] = x[at] + step;
                    f(&moved)
                };
                (by(step) - by(-step)) / (2.0 * f64::from(step))
            })
            .collect()
    }

    fn agree(stated: &[f32], measured: &[f64]) {
        for (stated, measured) in stated.iter().zip(measured) {
            assert!((f64::from(*stated) - measured).abs() < 2e-3 * (1.0 + measured.abs()), "{stated} {measured}");
        }
    }

    #[test]
    fn slopes_of_the_way_back_equal_differences_of_the_way_there() {
        for length in [5usize, 16, 23, 40] {
            let x: Vec<f32> = (0..length).map(|n| (n * 7 % 13) as f32 / 4.0 - 1.5).collect();
            let pull: Vec<f32> = (0..length).map(|n| (n * 5 % 11) as f32 / 5.0 - 1.0).collect();
            let weight: Vec<f32> = (0..length).map(|n| 0.5 + (n % 3) as f32 / 2.0).collect();
            let bias = vec![0.25; length];
            let dot = |values: &[f32]| values.iter().zip(&pull).map(|(a, b)| f64::from(a * b)).sum::<f64>();
            let level = Level::new();

            let mut stated = pull.clone();
            dispatch!(level, simd => gelu_back(simd, &mut stated, &x));
            let mut out = vec![0.0; length];
            agree(
                &stated,
                &slopes(&x, &mut |x| {
                    dispatch!(level, simd => gelu_all(simd, x, &mut out));
                    dot(&out)
                }),
            );

            let (mut shares, mut stated) = (x.clone(), pull.clone());
            dispatch!(level, simd => softmax(simd, &mut shares));
            dispatch!(level, simd => softmax_back(simd, &mut stated, &shares));
            agree(
                &stated,
                &slopes(&x, &mut |x| {
                    let mut shares = x.to_vec();
                    dispatch!(level, simd => softmax(simd, &mut shares));
                    dot(&shares)
                }),
            );

            let mut standard = x.clone();
            let factor = dispatch!(level, simd => standardize(simd, &mut standard, &mut out, &weight, &bias, 1e-6));
            let mut normal = x.clone();
            dispatch!(level, simd => normalize(simd, &mut normal, &weight, &bias, 1e-6));
            assert!(out.iter().zip(&normal).all(|(left, right)| (left - right).abs() < 1e-5));
            let mut stated = pull.clone();
            dispatch!(level, simd => standardize_back(simd, &mut stated, &standard, &weight, factor));
            agree(
                &stated,
                &slopes(&x, &mut |x| {
                    let mut row = x.to_vec();
                    dispatch!(level, simd => standardize(simd, &mut row, &mut out, &weight, &bias, 1e-6));
                    dot(&out)
                }),
            );
        }
    }

    #[test]
    fn normalize_of_values_too_large_is_undefined_not_zero() {
        let mut row = [3e38, -3e38, 3e38, -3e38];
        dispatch!(Level::new(), simd => normalize(simd, &mut row, &[1.0; 4], &[0.0; 4], 1e-12));
        assert!(row.iter().all(|value| value.is_nan()), "{row:?}");
    }
}
