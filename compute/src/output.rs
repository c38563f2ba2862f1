//! What leaves a computation: rows of numbers in the input's order, and the one file layout they are handed over in.
//!
//! A row's canonical bytes are its numbers as its [`Dtype`] says, little-endian, one after another; digests are taken over these
//! bytes. The file is safetensors with one tensor, `embeddings`, of shape `[rows, dimension]`. There is exactly one way to write a
//! given output, and a file written in any other way is refused, so that nothing can be hidden beside the rows.

use std::str::FromStr;

use burn::tensor::f16;
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

/// The greatest number of a row in int8, and with a minus the least.
const INT8_MAX: f32 = 127.0;

/// The type of an output's numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dtype {
    /// IEEE 754 single precision, 4 bytes.
    #[default]
    F32,
    /// IEEE 754 half precision, 2 bytes; rounded to the nearest, ties to even.
    F16,
    /// Whole numbers from -127 to 127, 1 byte. A row is a direction: each value is multiplied by what makes the one farthest from
    /// 0 exactly 127 or -127, and rounded to the nearest (halves away from 0). Dividing a row by its length gives its vector.
    Int8,
}

impl Dtype {
    /// Bytes of one number.
    pub fn bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 => 2,
            Self::Int8 => 1,
        }
    }

    /// The word for it in parameters and packages.
    pub fn word(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::Int8 => "int8",
        }
    }

    /// The name in a safetensors header.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "F32",
            Self::F16 => "F16",
            Self::Int8 => "I8",
        }
    }

    /// A row's canonical bytes.
    pub fn row(self, values: &[f32]) -> Vec<u8> {
        match self {
            Self::F32 => row_bytes(values),
            Self::F16 => values.iter().flat_map(|value| f16::from_f32(*value).to_le_bytes()).collect(),
            Self::Int8 => {
                let most = values.iter().fold(0f32, |most, value| most.max(value.abs()));
                let scale = if most > 0.0 { INT8_MAX / most } else { 0.0 };
                values.iter().map(|value| ((value * scale).round() as i8).cast_unsigned()).collect()
            }
        }
    }

    /// The numbers that a row's bytes hold; bytes behind the last whole number are not looked at.
    pub fn numbers(self, row: &[u8]) -> Vec<f32> {
        match self {
            Self::F32 => row.as_chunks::<4>().0.iter().map(|value| f32::from_le_bytes(*value)).collect(),
            Self::F16 => row.as_chunks::<2>().0.iter().map(|value| f16::from_le_bytes(*value).to_f32()).collect(),
            Self::Int8 => row.iter().map(|value| f32::from(value.cast_signed())).collect(),
        }
    }

    fn of(dtype: safetensors::Dtype) -> Option<Self> {
        match dtype {
            safetensors::Dtype::F32 => Some(Self::F32),
            safetensors::Dtype::F16 => Some(Self::F16),
            safetensors::Dtype::I8 => Some(Self::Int8),
            _ => None,
        }
    }
}

impl FromStr for Dtype {
    type Err = Error;

    fn from_str(word: &str) -> Result<Self> {
        [Self::F32, Self::F16, Self::Int8]
            .into_iter()
            .find(|dtype| dtype.word() == word)
            .ok_or_else(|| Error::Parameter { name: "dtype", reason: format!("{word:?} is not one of f32, f16, int8") })
    }
}

/// The cosine between two rows in int8, from -1 to 1; 0 where one of them is all zeros. Numbers that only one row has count as 0.
/// Sums are of whole numbers, so that the same rows give the same value on every machine.
pub fn cosine(one: &[u8], other: &[u8]) -> f32 {
    let wide = |value: &u8| i32::from(value.cast_signed());
    let length = |row: &[u8]| row.iter().map(|value| wide(value) * wide(value)).sum::<i32>();
    let product: i32 = one.iter().zip(other).map(|(a, b)| wide(a) * wide(b)).sum();
    let lengths = f64::from(length(one)) * f64::from(length(other));
    if lengths > 0.0 { (f64::from(product) / lengths.sqrt()) as f32 } else { 0.0 }
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
    /// The values of the row at `position`, or `None` past the end. A row in int8 is divided by its length.
    pub fn values(&self, position: usize) -> Option<Vec<f32>> {
        let mut values = self.dtype.numbers(self.rows.get(position)?);
        if self.dtype == Dtype::Int8 {
            let length = values.iter().map(|value| value * value).sum::<f32>().sqrt().max(1.0);
            values.iter_mut().for_each(|value| *value /= length);
        }
        Some(values)
    }

    /// Checks that every row has the declared size and only finite values, in int8 with 127 as the greatest distance from 0.
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
            let numbers = self.dtype.numbers(row);
            if !numbers.iter().all(|value| value.is_finite()) {
                return Err(Error::NotFinite { row: position as u64 });
            }
            let most = numbers.iter().fold(0f32, |most, value| most.max(value.abs()));
            if self.dtype == Dtype::Int8 && most != INT8_MAX {
                return Err(refused(format!("row {position} reaches to {most}; in int8 a row reaches to {INT8_MAX}")));
            }
        }
        Ok(())
    }
}

/// A row's canonical bytes in [`Dtype::F32`].
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
    let dtype = Dtype::of(tensor.dtype())
        .ok_or_else(|| refused(format!("values are {:?}, not F32, F16 or I8", tensor.dtype())))?;
    let &[rows, dimension] = tensor.shape() else {
        return Err(refused(format!("shape {:?} is not [rows, dimension]", tensor.shape())));
    };
    check_shape(rows, dimension)?;
    let expected = header(rows, dimension, dtype);
    if file.get(LENGTH_BYTES..LENGTH_BYTES + expected.len()) != Some(expected.as_bytes())
        || file.len() != LENGTH_BYTES + expected.len() + tensor.data().len()
    {
        return Err(refused("the header is not written in the one accepted way".to_owned()));
    }
    let rows = tensor.data().chunks_exact(dimension * dtype.bytes()).map(<[u8]>::to_vec).collect();
    let output = Output { rows, dimension, dtype };
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

fn refused(reason: String) -> Error {
    Error::Output { reason }
}
