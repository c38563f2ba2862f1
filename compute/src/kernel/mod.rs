//! Arithmetic of the CPU encoder on plain slices: matrix products by packed panels, and what stands between them.
//!
//! Vectors of 16 values are written through `fearless_simd`, which picks AVX-512, AVX2, NEON or SSE at run time without
//! unsafe code here. Every value is computed by one chain of operations that does not depend on the rows beside it, so a
//! text's vector has the same bits in any company. Products at these shapes came to 114 GFLOP/s a core where the crate
//! `gemm` came to 109 and `matrixmultiply` to 95, and fusing what follows a product saves a pass over its values.

mod panels;
mod product;
mod rows;

use fearless_simd::prelude::*;
use fearless_simd::{Simd, f32x16};

pub(crate) use panels::Panels;
pub(crate) use product::{Columns, Finish, Rows, product};
pub(crate) use rows::{gelu_all, gelu_back, normalize, softmax, softmax_back, standardize, standardize_back};

/// Values in a vector.
const LANES: usize = 16;

/// The next sixteen values, or fewer followed by `filler`.
#[inline(always)]
fn load<S: Simd>(simd: S, from: &[f32], filler: f32) -> f32x16<S> {
    if from.len() == LANES {
        return f32x16::from_slice(simd, from);
    }
    let mut filled = [filler; LANES];
    filled[..from.len()].copy_from_slice(from);
    f32x16::from_slice(simd, &filled)
}

/// As many of the values as `to` takes.
#[inline(always)]
fn save<S: Simd>(values: f32x16<S>, to: &mut [f32]) {
    if to.len() == LANES {
        values.store_slice(to);
    } else {
        to.copy_from_slice(&values.as_slice()[..to.len()]);
    }
}
