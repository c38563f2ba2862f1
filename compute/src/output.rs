//! What leaves a computation: rows of numbers in the input's order, and the one file layout they are handed over in.
//!
//! A row's canonical bytes are its values as little-endian f32, one after another; digests are taken over these bytes. The
//! file is safetensors with one tensor, `embeddings`, of shape `[rows, dimension]`. There is exactly one way to write a given
//! output, and a file written in any other way is refused, so that nothing can be hidden beside the rows.

use safetensors::SafeTensors;
use serde::{Deserialize, Serialize};

use crate::rows::MAX_ROWS;
use crate::{Error, Result};

/// The name of the only tensor in an output file.
pub const TENSOR: &str = "embeddings";

/// Most values in one row.
pub const MAX_DIMENSION: usize = 4_096;

/// Bytes of the length that begins a safetensors file.
const LENGTH_BYTES: usize = 8;

/// The type of an output's values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Dtype {
    /// IEEE 754 single precision, little-endian, 4 bytes.
    F32,
}

impl Dtype {
    /// Bytes of one value.
    pub fn bytes(self) -> usize {
        match self {
            Self::F32 => 4,
        }
    }

    /// The name in a safetensors header.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "F32",
        }
    }
}

/// The rows that came out, in the order of the rows that went in, as many as went in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// Each row's canonical bytes, `dimension * dtype.bytes()` long.
    pub rows: Vec<Vec<u8>>,
    /// Values in a row.
    pub dimension: usize,
    /// The type of the values.
    pub dtype: Dtype,
}

impl Output {
    /// The values of the row at `position`, or `None` past the end.
    pub fn values(&self, position: usize) -> Option<Vec<f32>> {
        self.rows.get(position).map(|row| values(row))
    }

    /// Checks that every row has the declared size and only finite values.
    ///
    /// # Errors
    /// [`Error::Rows`] when there are none or too many, [`Error::Output`] for a wrong size, [`Error::NotFinite`] for a value
    /// that is not a finite number.
    pub fn check(&self) -> Result<()> {
        check_shape(self.rows.len(), self.dimension)?;
        let bytes = self.dimension * self.dtype.bytes();
        for (position, row) in self.rows.iter().enumerate() {
            if row.len() != bytes {
                return Err(refused(format!("row {position} has {} bytes, not {bytes}", row.len())));
            }
            if !values(row).iter().all(|value| value.is_finite()) {
                return Err(Error::NotFinite { row: position as u64 });
            }
        }
        Ok(())
    }
}

/// A row's canonical bytes: each value as little-endian f32.
pub fn row_bytes(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

/// Writes `output` as safetensors. The same output always gives the same bytes.
///
/// # Errors
/// Those of [`Output::check`].
pub fn to_safetensors(output: &Output) -> Result<Vec<u8>> {
    output.check()?;
    let header = header(output.rows.len(), output.dimension, output.dtype);
    let data = output.rows.len() * output.dimension * output.dtype.bytes();
    let mut file = Vec::with_capacity(LENGTH_BYTES + header.len() + data);
    file.extend_from_slice(&(header.len() as u64).to_le_bytes());
    file.extend_from_slice(header.as_bytes());
    for row in &output.rows {
        file.extend_from_slice(row);
    }
    Ok(file)
}

/// Reads a file that [`to_safetensors`] wrote.
///
/// # Errors
/// [`Error::Output`] when it is not safetensors, holds anything but the one tensor, or was written in any other way;
/// [`Error::Rows`] and [`Error::NotFinite`] as in [`Output::check`].
pub fn from_safetensors(file: &[u8]) -> Result<Output> {
    let parsed = SafeTensors::deserialize(file).map_err(|error| refused(format!("not safetensors: {error}")))?;
    if parsed.len() != 1 {
        return Err(refused(format!("{} tensors, not the one named {TENSOR}", parsed.len())));
    }
    let tensor = parsed.tensor(TENSOR).map_err(|_| refused(format!("the tensor is not named {TENSOR}")))?;
    if tensor.dtype() != safetensors::Dtype::F32 {
        return Err(refused(format!("values are {:?}, not F32", tensor.dtype())));
    }
    let &[rows, dimension] = tensor.shape() else {
        return Err(refused(format!("shape {:?} is not [rows, dimension]", tensor.shape())));
    };
    check_shape(rows, dimension)?;
    let expected = header(rows, dimension, Dtype::F32);
    if file.get(LENGTH_BYTES..LENGTH_BYTES + expected.len()) != Some(expected.as_bytes())
        || file.len() != LENGTH_BYTES + expected.len() + tensor.data().len()
    {
        return Err(refused("the header is not written in the one accepted way".to_owned()));
    }
    let rows = tensor.data().chunks_exact(dimension * Dtype::F32.bytes()).map(<[u8]>::to_vec).collect();
    let output = Output { rows, dimension, dtype: Dtype::F32 };
    output.check()?;
    Ok(output)
}

/// The header of an output file, padded with spaces so that the data begins at a multiple of 8.
fn header(rows: usize, dimension: usize, dtype: Dtype) -> String {
    let end = rows * dimension * dtype.bytes();
    let mut header = format!(
        r#"{{"__metadata__":{{"format":"pt"}},"{TENSOR}":{{"dtype":"{}","shape":[{rows},{dimension}],"data_offsets":[0,{end}]}}}}"#,
        dtype.name()
    );
    while !header.len().is_multiple_of(LENGTH_BYTES) {
        header.push(' ');
    }
    header
}

fn check_shape(rows: usize, dimension: usize) -> Result<()> {
    if rows == 0 || rows > MAX_ROWS {
        return Err(Error::Rows { reason: format!("{rows} rows; an output has 1 to {MAX_ROWS}") });
    }
    if dimension == 0 || dimension > MAX_DIMENSION {
        return Err(refused(format!("{dimension} values in a row; a row has 1 to {MAX_DIMENSION}")));
    }
    Ok(())
}

fn values(row: &[u8]) -> Vec<f32> {
    row.as_chunks::<4>().0.iter().map(|value| f32::from_le_bytes(*value)).collect()
}

fn refused(reason: String) -> Error {
    Error::Output { reason }
}
