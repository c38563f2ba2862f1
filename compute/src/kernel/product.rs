//! Matrix products: rows by panels, with what follows done while the values are in registers (Goto and van de Geijn 2008,
//! without packing the left side: at these sizes its rows stay in the cache).

use std::array::from_fn;

use fearless_simd::prelude::*;
use fearless_simd::{Simd, f32x16};

use super::panels::{Line, PANEL, Panels};
use super::rows::gelu;
use super::{LANES, load, save};

pub(crate) use super::panels::{Columns, Rows};

/// What is done with a product's values before they are stored.
#[derive(Clone, Copy)]
pub(crate) enum Finish<'a> {
    /// Nothing.
    Store,
    /// Adds a bias per column.
    Bias(&'a [f32]),
    /// Adds a bias per column and applies GELU.
    Gelu(&'a [f32]),
    /// Adds a bias per column, and what the place held before.
    Add(&'a [f32]),
    /// Adds what the place held before.
    Sum,
}

/// The left side of a product.
pub(crate) trait Left: Copy {
    /// Its rows but the first `rows`.
    fn after(self, rows: usize) -> Self;

    /// The sums of `R` rows by `V` vectors of columns, beginning with `vector`. Each is one chain over the inner index, whatever
    /// `R` and `V` are.
    fn sums<S: Simd, const R: usize, const V: usize>(
        self,
        simd: S,
        lines: &[Line],
        vector: usize,
    ) -> [[f32x16<S>; V]; R];
}

/// Writes `left · right`, finished, for `count` rows of `left`, into rows of `out` that begin every `stride` values.
pub(crate) fn product<S: Simd>(
    simd: S,
    count: usize,
    left: impl Left,
    right: &Panels,
    out: (&mut [f32], usize),
    finish: Finish<'_>,
) {
    let (out, stride) = out;
    for (first, lines) in right.iter() {
        let panel = Panel { lines, first, width: PANEL.min(right.columns() - first), finish };
        // As many rows as the registers hold sums of: 32 registers of 16 values, or 16 of 8.
        if S::f32s::LEN >= LANES {
            rows::<S, _, 12, 2>(simd, count, left, &panel, out, stride);
        } else {
            rows::<S, _, 6, 1>(simd, count, left, &panel, out, stride);
        }
    }
}

/// One panel of the right side.
struct Panel<'a> {
    lines: &'a [Line],
    first: usize,
    width: usize,
    finish: Finish<'a>,
}

/// All rows by one panel: `R` at a time, then what is left over.
fn rows<S: Simd, L: Left, const R: usize, const V: usize>(
    simd: S,
    count: usize,
    left: L,
    panel: &Panel<'_>,
    out: &mut [f32],
    stride: usize,
) {
    let mut row = 0;
    while row < count {
        let (left, out) = (left.after(row), &mut out[row * stride..]);
        row += match count - row {
            rest if rest >= R => tile::<S, L, R, V>(simd, left, panel, out, stride),
            4.. => tile::<S, L, 4, V>(simd, left, panel, out, stride),
            2.. => tile::<S, L, 2, V>(simd, left, panel, out, stride),
            _ => tile::<S, L, 1, V>(simd, left, panel, out, stride),
        };
    }
}

/// `R` rows by one panel, `V` vectors of columns at a time. Returns `R`.
fn tile<S: Simd, L: Left, const R: usize, const V: usize>(
    simd: S,
    left: L,
    panel: &Panel<'_>,
    out: &mut [f32],
    stride: usize,
) -> usize {
    simd.vectorize(
        #[inline(always)]
        || {
            for vector in (0..panel.width.div_ceil(LANES)).step_by(V) {
                let sums = left.sums::<S, R, V>(simd, panel.lines, vector);
                for (row, sums) in sums.into_iter().enumerate() {
                    for (v, sum) in sums.into_iter().enumerate() {
                        let column = (vector + v) * LANES;
                        if column < panel.width {
                            let (at, width) = (panel.first + column, LANES.min(panel.width - column));
                            finish(simd, sum, at, &mut out[row * stride + at..][..width], panel.finish);
                        }
                    }
                }
            }
            R
        },
    )
}

impl Left for Rows<'_> {
    #[inline(always)]
    fn after(self, rows: usize) -> Self {
        Self { values: &self.values[rows * self.stride..], ..self }
    }

    #[inline(always)]
    fn sums<S: Simd, const R: usize, const V: usize>(
        self,
        simd: S,
        lines: &[Line],
        vector: usize,
    ) -> [[f32x16<S>; V]; R] {
        let rows: [&[f32]; R] = from_fn(|row| &self.values[row * self.stride..][..lines.len()]);
        let mut sums = [[f32x16::splat(simd, 0.0); V]; R];
        for (inner, line) in lines.iter().enumerate() {
            let right: [f32x16<S>; V] = from_fn(|v| f32x16::from_slice(simd, &line.0[(vector + v) * LANES..][..LANES]));
            for (sums, row) in sums.iter_mut().zip(rows) {
                let left = f32x16::splat(simd, row[inner]);
                for (sum, right) in sums.iter_mut().zip(right) {
                    *sum = left.mul_add(right, *sum);
                }
            }
        }
        sums
    }
}

impl Left for Columns<'_> {
    #[inline(always)]
    fn after(self, rows: usize) -> Self {
        Self { values: &self.values[rows..], ..self }
    }

    #[inline(always)]
    fn sums<S: Simd, const R: usize, const V: usize>(
        self,
        simd: S,
        lines: &[Line],
        vector: usize,
    ) -> [[f32x16<S>; V]; R] {
        let mut sums = [[f32x16::splat(simd, 0.0); V]; R];
        for (inner, line) in lines.iter().enumerate() {
            let column = &self.values[inner * self.stride..][..R];
            let right: [f32x16<S>; V] = from_fn(|v| f32x16::from_slice(simd, &line.0[(vector + v) * LANES..][..LANES]));
            for (sums, value) in sums.iter_mut().zip(column) {
                let left = f32x16::splat(simd, *value);
                for (sum, right) in sums.iter_mut().zip(right) {
                    *sum = left.mul_add(right, *sum);
                }
            }
        }
        sums
    }
}

#[inline(always)]
fn finish<S: Simd>(simd: S, sum: f32x16<S>, column: usize, out: &mut [f32], finish: Finish<'_>) {
    let width = out.len();
    let biased = |bias: &[f32]| sum + load(simd, &bias[column..][..width], 0.0);
    let value = match finish {
        Finish::Store => sum,
        Finish::Bias(bias) => biased(bias),
        Finish::Gelu(bias) => gelu(simd, biased(bias)),
        Finish::Add(bias) => biased(bias) + load(simd, out, 0.0),
        Finish::Sum => sum + load(simd, out, 0.0),
    };
    save(value, out);
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use fearless_simd::{Level, dispatch};

    use super::*;

    /// Small whole numbers, whose products and sums are exact in f32.
    fn numbers(count: usize, seed: usize) -> Vec<f32> {
        (0..count).map(|n| ((n * 7919 + seed) % 17) as f32 - 8.0).collect()
    }

    fn levels() -> Vec<Level> {
        let level = Level::new();
        #[cfg(target_arch = "x86_64")]
        let levels = [level.as_avx2().map(Level::Avx2), level.as_sse4_2().map(Level::Sse4_2), Some(level)];
        #[cfg(not(target_arch = "x86_64"))]
        let levels = [Some(level)];
        levels.into_iter().flatten().collect()
    }

    #[test]
    fn product_equals_the_definition_at_every_shape_and_level() {
        for level in levels() {
            for (count, inner, columns) in
                [(1, 1, 1), (3, 5, 4), (12, 8, 32), (25, 33, 47), (7, 64, 96), (13, 31, 33), (11, 2, 16), (24, 7, 8)]
            {
                let (left, right) = (numbers(count * inner, 3), numbers(columns * inner, 5));
                let bias = numbers(columns, 1);
                let panels = Panels::transposed(&right, inner);
                let mut out = vec![2.0; count * columns];
                let rows = Rows { values: &left, stride: inner };
                dispatch!(level, simd => product(simd, count, rows, &panels, (&mut out, columns), Finish::Add(&bias)));
                for row in 0..count {
                    for column in 0..columns {
                        let terms = (0..inner).map(|k| left[row * inner + k] * right[column * inner + k]);
                        let expected = 2.0 + bias[column] + terms.sum::<f32>();
                        assert_eq!(out[row * columns + column], expected, "{level:?} {count}x{inner}x{columns}");
                    }
                }
            }
        }
    }

    #[test]
    fn product_of_columns_equals_the_product_of_their_transpose() {
        for level in levels() {
            for (count, inner, columns) in [(1, 1, 1), (3, 5, 4), (12, 8, 32), (25, 33, 47), (8, 64, 96), (31, 9, 8)] {
                let (left, right) = (numbers(inner * (count + 3), 3), numbers(inner * columns, 5));
                let turned: Vec<f32> = (0..count)
                    .flat_map(|row| (0..inner).map(move |at| (row, at)))
                    .map(|(row, at)| left[at * (count + 3) + row])
                    .collect();
                let mut panels = Panels::default();
                panels.set(Rows { values: &right, stride: columns }, inner, columns);
                let (mut found, mut expected) = (vec![2.0; count * columns], vec![2.0; count * columns]);
                let across = Columns { values: &left, stride: count + 3 };
                let along = Rows { values: &turned, stride: inner };
                dispatch!(level, simd => product(simd, count, across, &panels, (&mut found, columns), Finish::Sum));
                dispatch!(level, simd => product(simd, count, along, &panels, (&mut expected, columns), Finish::Sum));
                assert_eq!(found, expected, "{level:?} {count}x{inner}x{columns}");
                assert_ne!(found, vec![2.0; count * columns]);
            }
        }
    }

    #[test]
    fn turned_panels_are_those_of_the_transpose() {
        for (rows, inner) in [(40, 5), (32, 64), (7, 33)] {
            let values = numbers(rows * inner, 9);
            let mut expected = Panels::default();
            expected.set(Rows { values: &values, stride: inner }, rows, inner);
            let turned = Panels::transposed(&values, inner).turned();
            assert_eq!((turned.inner(), turned.columns()), (rows, inner));
            let lines = |panels: &Panels| {
                panels.iter().flat_map(|(_, lines)| lines.iter().map(|line| line.0)).collect::<Vec<_>>()
            };
            assert_eq!(lines(&turned), lines(&expected));
        }
    }

    #[test]
    fn rows_have_the_same_bits_in_any_company() {
        let (inner, columns) = (96, 80);
        let left: Vec<f32> = numbers(31 * inner, 3).iter().map(|value| value / 7.0).collect();
        let right: Vec<f32> = numbers(columns * inner, 5).iter().map(|value| value / 11.0).collect();
        let panels = Panels::transposed(&right, inner);
        let rows = Rows { values: &left, stride: inner };
        let mut together = vec![0.0; 31 * columns];
        let level = Level::new();
        dispatch!(level, simd => product(simd, 31, rows, &panels, (&mut together, columns), Finish::Store));
        for row in 0..31 {
            let mut alone = vec![0.0; columns];
            let rows = Rows { values: &left[row * inner..], stride: inner };
            dispatch!(level, simd => product(simd, 1, rows, &panels, (&mut alone, columns), Finish::Store));
            assert_eq!(alone, together[row * columns..][..columns], "row {row}");
        }
    }

    #[test]
    fn panels_of_rows_equal_the_panels_of_their_transpose() {
        let values = numbers(5 * 40, 9);
        let turned: Vec<f32> = (0..40)
            .flat_map(|column| (0..5).map(move |row| (row, column)))
            .map(|(row, column)| values[row * 40 + column])
            .collect();
        let mut plain = Panels::default();
        plain.set(Rows { values: &values, stride: 40 }, 5, 40);
        let transposed = Panels::transposed(&turned, 5);
        let lines =
            |panels: &Panels| panels.iter().flat_map(|(_, lines)| lines.iter().map(|line| line.0)).collect::<Vec<_>>();
        assert_eq!(lines(&plain), lines(&transposed));
    }
}
