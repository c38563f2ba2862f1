//! `embed`: one unit vector per row, the mean of the encoder's last states over the row's own tokens.
//!
//! Pooling and normalization are those of sentence-transformers (`modules.json` of all-MiniLM-L6-v2: transformer, mean
//! pooling over the attention mask, L2 norm). Rows are embedded in batches of similar length, for speed; the output is in the
//! rows' order, and which rows share a batch changes values by rounding only. A text of no words gives the vector of the
//! special tokens alone.

use serde::{Deserialize, Serialize};

use super::Continue;
use crate::model::{MAX_TOKENS, Tokens};
use crate::output::row_bytes;
use crate::rows::MAX_ROWS;
use crate::{Device, Dtype, Error, Model, Output, Result, Row};

/// Most rows in a batch.
pub const MAX_BATCH_ROWS: u32 = 128;

/// Most tokens in a batch, padding included; bounds the memory of a batch whatever its rows are.
const MAX_BATCH_TOKENS: usize = 8_192;

/// Rows tokenized and sorted by length at a time, so that memory does not grow with their number.
const WINDOW: usize = 2_048;

/// What a consumer may choose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Params {
    /// Tokens of a row that count, special tokens included; the rest is cut off. 8 to [`MAX_TOKENS`].
    pub max_tokens: u32,
    /// Rows in a batch, 1 to [`MAX_BATCH_ROWS`]. Changes speed and memory, and values by rounding only.
    pub batch_rows: u32,
}

impl Default for Params {
    fn default() -> Self {
        Self { max_tokens: MAX_TOKENS as u32, batch_rows: 32 }
    }
}

impl Params {
    /// Checks the bounds.
    ///
    /// # Errors
    /// [`Error::Parameter`] names the parameter and its bounds.
    pub fn check(&self) -> Result<()> {
        within("max_tokens", self.max_tokens, 8, MAX_TOKENS as u32)?;
        within("batch_rows", self.batch_rows, 1, MAX_BATCH_ROWS)
    }
}

/// Embeds `rows` with `model` on `device`; `progress` hears rows done and rows asked for after each batch.
///
/// The output has one row of [`Model::dimension`] values per input row, in the same order, each of length 1.
///
/// # Errors
/// [`Error::Parameter`] and [`Error::Rows`] before any work; [`Error::Stopped`] when `progress` says so;
/// [`Error::NotFinite`] and [`Error::Device`] from the computation. On an error nothing is returned.
pub fn run(
    model: &Model,
    device: &Device,
    params: &Params,
    rows: &[Row],
    progress: &mut dyn FnMut(u64, u64) -> Continue,
) -> Result<Output> {
    params.check()?;
    if rows.is_empty() || rows.len() > MAX_ROWS {
        return Err(Error::Rows { reason: format!("{} rows; a run takes 1 to {MAX_ROWS}", rows.len()) });
    }
    let total = rows.len() as u64;
    let tokenizer = model.tokenizer(params.max_tokens as usize)?;
    let mut out: Vec<Vec<u8>> = vec![Vec::new(); rows.len()];
    let mut done = 0u64;
    for (window, chunk) in rows.chunks(WINDOW).enumerate() {
        let tokens = tokenizer.encode(chunk)?;
        for batch in batches(&tokens, params.batch_rows as usize) {
            let members: Vec<&Tokens> = batch.iter().map(|&position| &tokens[position]).collect();
            let vectors = model.embed(device, &members)?;
            for (&position, vector) in batch.iter().zip(&vectors) {
                let position = window * WINDOW + position;
                if !vector.iter().all(|value| value.is_finite()) {
                    return Err(Error::NotFinite { row: position as u64 });
                }
                out[position] = row_bytes(vector);
            }
            done += batch.len() as u64;
            if progress(done, total) == Continue::No && done < total {
                return Err(Error::Stopped { done, total });
            }
        }
    }
    let output = Output { rows: out, dimension: model.dimension(), dtype: Dtype::F32 };
    output.check()?;
    Ok(output)
}

/// Positions grouped into batches of similar length, longest first: memory is asked for once, and a device too small fails
/// at the start.
fn batches(tokens: &[Tokens], batch_rows: usize) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..tokens.len()).collect();
    order.sort_by_key(|&position| (std::cmp::Reverse(tokens[position].len()), position));
    let mut batches: Vec<Vec<usize>> = Vec::new();
    let mut longest = 0;
    for position in order {
        match batches.last_mut() {
            Some(batch) if batch.len() < batch_rows && (batch.len() + 1) * longest <= MAX_BATCH_TOKENS => {
                batch.push(position);
            }
            _ => {
                longest = tokens[position].len();
                batches.push(vec![position]);
            }
        }
    }
    batches
}

fn within(name: &'static str, value: u32, low: u32, high: u32) -> Result<()> {
    if (low..=high).contains(&value) {
        return Ok(());
    }
    Err(Error::Parameter { name, reason: format!("{value} is not between {low} and {high}") })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn params(max_tokens: u32, batch_rows: u32) -> Result<()> {
        Params { max_tokens, batch_rows }.check()
    }

    #[test]
    fn params_at_their_bounds_are_accepted() {
        Params::default().check().unwrap();
        params(8, 1).unwrap();
        params(256, MAX_BATCH_ROWS).unwrap();
    }

    #[test]
    fn params_out_of_bounds_are_named() {
        assert!(matches!(params(7, 32), Err(Error::Parameter { name: "max_tokens", .. })));
        assert!(matches!(params(257, 32), Err(Error::Parameter { name: "max_tokens", .. })));
        assert!(matches!(params(256, 0), Err(Error::Parameter { name: "batch_rows", .. })));
        assert!(matches!(params(256, MAX_BATCH_ROWS + 1), Err(Error::Parameter { name: "batch_rows", .. })));
    }

    #[test]
    fn params_with_an_unknown_field_are_refused() {
        assert!(serde_json::from_str::<Params>(r#"{"max_tokens":64,"script":"x"}"#).is_err());
        assert_eq!(serde_json::from_str::<Params>("{}").unwrap(), Params::default());
    }

    proptest! {
        #[test]
        fn batches_hold_every_position_once_within_the_bounds(
            lengths in proptest::collection::vec(1usize..=256, 1..300),
            rows in 1usize..=128,
        ) {
            let tokens: Vec<Tokens> = lengths.iter().map(|&length| Tokens::of(vec![0; length])).collect();
            let batches = batches(&tokens, rows);
            let mut seen: Vec<usize> = batches.concat();
            seen.sort_unstable();
            prop_assert_eq!(seen, (0..lengths.len()).collect::<Vec<_>>());
            for batch in batches {
                let longest = batch.iter().map(|&position| lengths[position]).max().unwrap_or(0);
                prop_assert!(batch.len() <= rows && batch.len() * longest <= MAX_BATCH_TOKENS);
            }
        }
    }
}
