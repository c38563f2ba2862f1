//! From text to token ids, as the model's `tokenizer.json` says, cut off at the model's limit.

use std::panic::{AssertUnwindSafe, catch_unwind};

use tokenizers::{Encoding, TruncationParams};

use super::architecture::Architecture;
use crate::device::panic_text;
use crate::{Error, Result, Row};

/// The token ids of one text, special tokens included; at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tokens(Vec<u32>);

impl Tokens {
    /// Tokens with these ids.
    #[cfg(test)]
    pub fn of(ids: Vec<u32>) -> Self {
        Self(ids)
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn ids(&self) -> &[u32] {
        &self.0
    }
}

/// A model's tokenizer, checked against its vocabulary. The file's own padding and truncation are not used.
#[derive(Clone)]
pub(crate) struct Tokenizer {
    inner: tokenizers::Tokenizer,
    vocabulary: usize,
}

impl Tokenizer {
    /// Reads a `tokenizer.json`.
    pub fn open(file: &[u8], architecture: &Architecture) -> Result<Self> {
        let mut inner = quiet(|| tokenizers::Tokenizer::from_bytes(file))?;
        inner.with_padding(None);
        let vocabulary = architecture.vocabulary;
        if let Some(id) = inner.get_vocab(true).into_values().max().filter(|id| *id as usize >= vocabulary) {
            return Err(wrong(format!("token {id} is outside of the model's {vocabulary} word embeddings")));
        }
        let tokenizer = Self { inner, vocabulary }.limited(architecture.max_tokens())?;
        tokenizer.encode(&[Row::new("")])?;
        Ok(tokenizer)
    }

    /// The same tokenizer, cutting off at `max_tokens`.
    pub fn limited(&self, max_tokens: usize) -> Result<Self> {
        let mut limited = self.clone();
        let truncation = TruncationParams { max_length: max_tokens, ..TruncationParams::default() };
        quiet(|| limited.inner.with_truncation(Some(truncation)).map(|_| ()))?;
        Ok(limited)
    }

    /// The tokens of each row.
    pub fn encode(&self, rows: &[Row]) -> Result<Vec<Tokens>> {
        let texts: Vec<&str> = rows.iter().map(Row::head).collect();
        let encodings = quiet(|| self.inner.encode_batch_fast(texts, true))?;
        encodings.iter().map(|encoding| self.tokens(encoding)).collect()
    }

    fn tokens(&self, encoding: &Encoding) -> Result<Tokens> {
        let ids = encoding.get_ids();
        if ids.is_empty() {
            return Err(wrong("it gives no token for an empty text, so an empty row has no vector".to_owned()));
        }
        if let Some(id) = ids.iter().find(|id| **id as usize >= self.vocabulary) {
            return Err(wrong(format!("token {id} is outside of the model's {} word embeddings", self.vocabulary)));
        }
        Ok(Tokens(ids.to_vec()))
    }
}

/// Runs the tokenizer; its errors and panics become one error that does not repeat any text.
fn quiet<T>(work: impl FnOnce() -> tokenizers::Result<T>) -> Result<T> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(wrong(error.to_string())),
        Err(panic) => Err(wrong(panic_text(panic.as_ref()).to_owned())),
    }
}

fn wrong(reason: String) -> Error {
    Error::Tokenizer { reason }
}
