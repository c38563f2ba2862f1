//! Counting on a graphics adapter, in 32-bit integers that cannot overflow: there is nothing to round, so that the answer is
//! the CPU's.
//!
//! A value is cut into its lower 16 bits and the signed rest. Over [`MAX_ROWS`] values the lower halves add up to at most
//! 512 × 65,535, the upper ones to between 512 × -32,768 and 512 × 32,767, and no count is above 512. Values are compared with
//! edges as integers, never subtracted from them.

use burn::tensor::{Device as Tensors, Int, Tensor, TensorData};

use super::{BINS, Counts, MAX_ROWS, Params};
use crate::device::Failure;
use crate::model::read_failed;
use crate::{Device, Error, Result};

const _: () = assert!(MAX_ROWS * (1 << 16) < i32::MAX as usize);

/// Counts `values`, at least one and at most [`MAX_ROWS`], on `device`.
///
/// # Errors
/// [`Error::Device`] where it fails, or counts what cannot be.
pub(super) fn counts(values: &[i32], params: &Params, device: &Device) -> Result<Counts> {
    let [low, high, reached] = device.guard(|| sums(values, params, device.tensors()))?;
    let (low, high) = (total(&low), total(&high));
    let miscounted = || Error::Device { device: device.name(), reason: "it miscounted".to_owned() };
    let mut bins = [0; BINS];
    // How many values are not below each bin's lower edge: all, and then fewer and fewer.
    let mut left = i32::try_from(values.len()).map_err(|_| miscounted())?;
    for (bin, above) in bins.iter_mut().zip(reached.into_iter().chain([0])) {
        *bin = left.checked_sub(above).and_then(|values| u32::try_from(values).ok()).ok_or_else(miscounted)?;
        left = above;
    }
    Ok(Counts { sum: (high << 16) + low, bins })
}

/// The sum of the lower halves, that of the upper ones, and how many values reach each inner edge.
fn sums(values: &[i32], params: &Params, tensors: &Tensors) -> std::result::Result<[Vec<i32>; 3], Failure> {
    let column = |values: &[i32]| TensorData::new(values.to_vec(), [values.len(), 1]);
    let numbers = Tensor::<2, Int>::from_data(column(values), tensors);
    let inner = &params.edges[1..BINS];
    let edges = Tensor::<2, Int>::from_data(TensorData::new(inner.to_vec(), [1, inner.len()]), tensors);
    let shape = [values.len(), inner.len()];
    let reached = numbers.clone().expand(shape).greater_equal(edges.expand(shape)).int();
    let low = numbers.clone().bitwise_and_scalar(0xffff);
    let high = numbers.bitwise_right_shift_scalar(16);
    let read = |tensor: Tensor<2, Int>| tensor.sum_dim(0).try_into_vec_as::<i32>().map_err(read_failed);
    Ok([read(low)?, read(high)?, read(reached)?])
}

fn total(sums: &[i32]) -> i64 {
    sums.iter().map(|sum| i64::from(*sum)).sum()
}
