//! `embed`: one unit vector per row, the mean of the encoder's last states over the row's own tokens.
//!
//! Pooling and normalization are those of sentence-transformers (`modules.json` of all-MiniLM-L6-v2: transformer, mean
//! pooling over the attention mask, L2 norm). A text of no words gives the vector of the special tokens alone. A text of more
//! than `max_tokens` tokens is read as [`Long`] says. Windows are embedded in batches of similar length, for speed; the output
//! is in the rows' order, and which windows share a batch changes values by rounding only.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::Continue;
use crate::model::{MAX_TOKENS, Tokenizer, Tokens, Work};
use crate::rows::MAX_ROWS;
use crate::{Device, Dtype, Error, Model, Output, Result, Row};

/// Most windows that are read of one row.
pub const MAX_WINDOWS: usize = 32;

/// Most windows in a batch.
pub const MAX_BATCH_ROWS: u32 = 128;

/// Most tokens in a batch, padding included, on a device with memory to spare: more make nothing faster.
const MAX_BATCH_TOKENS: usize = 8_192;

/// Rows, and bytes of their texts, that are tokenized and sorted by length at a time, so that memory does not grow with their
/// number; a row alone may have more.
const SPAN_ROWS: usize = 2_048;
const SPAN_BYTES: usize = 1 << 19;

/// The least length that a mean is divided by.
const LEAST_LENGTH: f64 = 1e-12;

/// What is read of a text of more than `max_tokens` tokens. The names are those of requests; a changed rule gets a new one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Long {
    /// Windows of `max_tokens` tokens, special tokens included, one after another without overlap, at most [`MAX_WINDOWS`] of
    /// them. The row's vector is the mean of the windows' unit vectors, each weighted by how many of the text's own tokens
    /// it holds, divided by its length.
    #[default]
    #[serde(rename = "windows@1")]
    Windows,
    /// The first window alone.
    #[serde(rename = "first@1")]
    First,
}

impl Long {
    /// Windows that are read of one row, at most.
    pub fn windows(self) -> usize {
        match self {
            Self::Windows => MAX_WINDOWS,
            Self::First => 1,
        }
    }
}

/// What a consumer may choose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Params {
    /// Tokens in a window, special tokens included. 8 to [`MAX_TOKENS`].
    pub max_tokens: u32,
    /// Windows in a batch, 1 to [`MAX_BATCH_ROWS`]. Changes speed and memory, and values by rounding only.
    pub batch_rows: u32,
    /// What is read of a text that is longer than a window.
    pub long: Long,
    /// The type of the numbers that come out.
    pub dtype: Dtype,
}

impl Default for Params {
    fn default() -> Self {
        Self { max_tokens: MAX_TOKENS as u32, batch_rows: 32, long: Long::default(), dtype: Dtype::default() }
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
/// [`Error::NotFinite`], [`Error::Device`] and [`Error::Memory`] from the computation. On an error nothing is returned.
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
    let tokenizer = model.tokenizer(params.max_tokens as usize)?;
    let mut out = Vec::with_capacity(rows.len());
    for span in spans(rows) {
        let windows = tokenizer.windows(&rows[span.clone()], params.long.windows())?;
        let mut finished = |more: usize| match progress((span.start + more) as u64, rows.len() as u64) {
            Continue::No if span.start + more < rows.len() => {
                Err(Error::Stopped { done: (span.start + more) as u64, total: rows.len() as u64 })
            }
            _ => Ok(()),
        };
        let vectors = embed(model, device, params, &windows, &mut finished)?;
        for (windows, vectors) in windows.iter().zip(&vectors) {
            let vector = joined(&tokenizer, windows, vectors);
            if !vector.iter().all(|value| value.is_finite()) {
                return Err(Error::NotFinite { row: out.len() as u64 });
            }
            out.push(params.dtype.row(&vector));
        }
    }
    let output = Output { rows: out, dimension: model.dimension(), dtype: params.dtype };
    output.check()?;
    Ok(output)
}

/// The vectors of each row's windows. `finished` hears after each batch how many rows have all of theirs.
fn embed(
    model: &Model,
    device: &Device,
    params: &Params,
    rows: &[Vec<Tokens>],
    finished: &mut dyn FnMut(usize) -> Result<()>,
) -> Result<Vec<Vec<Vec<f32>>>> {
    let places: Vec<(usize, usize)> = rows
        .iter()
        .enumerate()
        .flat_map(|(row, windows)| (0..windows.len()).map(move |window| (row, window)))
        .collect();
    let tokens: Vec<&Tokens> = rows.iter().flatten().collect();
    let mut vectors: Vec<Vec<Vec<f32>>> = rows.iter().map(|windows| vec![Vec::new(); windows.len()]).collect();
    let mut missing: Vec<usize> = rows.iter().map(Vec::len).collect();
    let most = |longest| model.batch_tokens(device, Work::Embed, longest, MAX_BATCH_TOKENS);
    for batch in batches(&tokens, params.batch_rows as usize, &most)? {
        let members: Vec<&Tokens> = batch.iter().map(|&position| tokens[position]).collect();
        for (&position, vector) in batch.iter().zip(model.embed(device, &members)?) {
            let (row, window) = places[position];
            vectors[row][window] = vector;
            missing[row] -= 1;
        }
        finished(missing.iter().filter(|missing| **missing == 0).count())?;
    }
    Ok(vectors)
}

/// A row's vector from those of its windows, as [`Long::Windows`] says; that of a single window as it is.
fn joined(tokenizer: &Tokenizer, windows: &[Tokens], vectors: &[Vec<f32>]) -> Vec<f32> {
    if let [vector] = vectors {
        return vector.clone();
    }
    let mut mean = vec![0f64; vectors.first().map_or(0, Vec::len)];
    for (window, vector) in windows.iter().zip(vectors) {
        let weight = tokenizer.own(window) as f64;
        mean.iter_mut().zip(vector).for_each(|(sum, value)| *sum += weight * f64::from(*value));
    }
    let length = mean.iter().map(|value| value * value).sum::<f64>().sqrt().max(LEAST_LENGTH);
    mean.iter().map(|value| (value / length) as f32).collect()
}

/// Rows in order, cut where they have become too many or too long to be tokenized at a time.
fn spans(rows: &[Row]) -> Vec<Range<usize>> {
    let mut spans: Vec<Range<usize>> = Vec::new();
    let mut bytes = 0;
    for (position, row) in rows.iter().enumerate() {
        bytes += row.head().len();
        match spans.last_mut() {
            Some(span) if span.len() < SPAN_ROWS && bytes <= SPAN_BYTES => span.end = position + 1,
            _ => {
                bytes = row.head().len();
                spans.push(position..position + 1);
            }
        }
    }
    spans
}

/// Positions grouped into batches of similar length, longest first: memory is asked for once, and a device too small fails
/// at the start. `most` says how many tokens a batch with this longest text may have, padding included.
fn batches(tokens: &[&Tokens], batch_rows: usize, most: &dyn Fn(usize) -> Result<usize>) -> Result<Vec<Vec<usize>>> {
    let mut order: Vec<usize> = (0..tokens.len()).collect();
    order.sort_by_key(|&position| (std::cmp::Reverse(tokens[position].len()), position));
    let mut batches: Vec<Vec<usize>> = Vec::new();
    let (mut longest, mut room) = (0, 0);
    for position in order {
        match batches.last_mut() {
            Some(batch) if batch.len() < batch_rows && (batch.len() + 1) * longest <= room => batch.push(position),
            _ => {
                longest = tokens[position].len();
                room = most(longest)?;
                batches.push(vec![position]);
            }
        }
    }
    Ok(batches)
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
        Params { max_tokens, batch_rows, ..Params::default() }.check()
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
        assert!(serde_json::from_str::<Params>(r#"{"long":"windows@2"}"#).is_err());
        assert!(serde_json::from_str::<Params>(r#"{"dtype":"f64"}"#).is_err());
        assert_eq!(serde_json::from_str::<Params>("{}").unwrap(), Params::default());
    }

    #[test]
    fn params_name_their_rules() {
        let params = serde_json::to_string(&Params::default()).unwrap();
        assert_eq!(params, r#"{"max_tokens":256,"batch_rows":32,"long":"windows@1","dtype":"f32"}"#);
    }

    #[test]
    fn spans_hold_every_row_once_and_few_bytes() {
        let lengths = [0, 1, SPAN_BYTES / 8, 65_536, 65_536, 70_000, 3, 65_536, 65_536, 65_536, 65_536, 65_536, 65_536];
        let rows: Vec<Row> = lengths.iter().map(|&length| Row::new("x".repeat(length))).collect();
        let rows = [rows, vec![Row::new(""); 2 * SPAN_ROWS]].concat();
        let spans = spans(&rows);
        assert_eq!(spans.iter().cloned().flatten().collect::<Vec<_>>(), (0..rows.len()).collect::<Vec<_>>());
        for span in &spans {
            let bytes: usize = rows[span.clone()].iter().map(|row| row.head().len()).sum();
            assert!(span.len() <= SPAN_ROWS && (bytes <= SPAN_BYTES || span.len() == 1), "{span:?}");
        }
        assert_eq!(spans.len(), 4);
    }

    proptest! {
        #[test]
        fn batches_hold_every_position_once_within_the_bounds(
            lengths in proptest::collection::vec(1usize..=256, 1..300),
            rows in 1usize..=128,
            most in 256usize..=MAX_BATCH_TOKENS,
        ) {
            let tokens: Vec<Tokens> = lengths.iter().map(|&length| Tokens::of(vec![0; length])).collect();
            let batches = batches(&tokens.iter().collect::<Vec<_>>(), rows, &|_| Ok(most)).unwrap();
            let mut seen: Vec<usize> = batches.concat();
            seen.sort_unstable();
            prop_assert_eq!(seen, (0..lengths.len()).collect::<Vec<_>>());
            for batch in batches {
                let longest = batch.iter().map(|&position| lengths[position]).max().unwrap_or(0);
                prop_assert!(batch.len() <= rows && batch.len() * longest <= most);
            }
        }
    }
}
