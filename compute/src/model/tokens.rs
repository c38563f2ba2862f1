//! From text to token ids, as the model's `tokenizer.json` says, in windows of the model's limit.

use std::panic::{AssertUnwindSafe, catch_unwind};

use tokenizers::{Encoding, TruncationDirection, TruncationParams};

use super::architecture::Architecture;
use crate::device::panic_text;
use crate::{Error, Result, Row};

/// The token ids of one text, special tokens included; at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tokens(Vec<u32>);

impl Tokens {
    /// Tokens with these ids.
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
    /// Tokens that every window has besides those of the text.
    special: usize,
    /// Tokens of the text in a window, at most.
    room: usize,
}

impl Tokenizer {
    /// Reads a `tokenizer.json`.
    pub fn open(file: &[u8], architecture: &Architecture) -> Result<Self> {
        let mut inner = quiet(|| tokenizers::Tokenizer::from_bytes(file))?;
        inner.with_padding(None);
        quiet(|| inner.with_truncation(None).map(|_| ()))?;
        let vocabulary = architecture.vocabulary;
        if let Some(id) = inner.get_vocab(true).into_values().max().filter(|id| *id as usize >= vocabulary) {
            return Err(wrong(format!("token {id} is outside of the model's {vocabulary} word embeddings")));
        }
        let mut tokenizer = Self { inner, vocabulary, special: 0, room: architecture.max_tokens() };
        tokenizer.special = tokenizer.encode(&[Row::new("")])?.iter().map(Tokens::len).sum();
        tokenizer.limited(architecture.max_tokens())
    }

    /// The same tokenizer with windows of at most `max_tokens`, special tokens included.
    pub fn limited(&self, max_tokens: usize) -> Result<Self> {
        let room = max_tokens.checked_sub(self.special).filter(|room| *room > 0);
        let crowded =
            || wrong(format!("a window of {max_tokens} tokens has no room beside {} special ones", self.special));
        Ok(Self { room: room.ok_or_else(crowded)?, ..self.clone() })
    }

    /// The first window of each row.
    pub fn encode(&self, rows: &[Row]) -> Result<Vec<Tokens>> {
        Ok(self.windows(rows, 1)?.into_iter().flatten().collect())
    }

    /// Each row's text cut into windows without overlap, each with its special tokens; the first `most` of them, at least one.
    pub fn windows(&self, rows: &[Row], most: usize) -> Result<Vec<Vec<Tokens>>> {
        let texts: Vec<&str> = rows.iter().map(Row::head).collect();
        let encodings = match most {
            // The library stops at the first window by itself, and has no other.
            0 | 1 => quiet(|| self.stopping()?.encode_batch_fast(texts, false))?,
            _ => quiet(|| self.inner.encode_batch_fast(texts, false))?,
        };
        encodings.into_iter().map(|encoding| self.cut(encoding, most)).collect()
    }

    /// The library's tokenizer, stopping where the first window is full.
    fn stopping(&self) -> tokenizers::Result<tokenizers::Tokenizer> {
        let mut inner = self.inner.clone();
        inner.with_truncation(Some(TruncationParams {
            max_length: self.room + self.special,
            ..TruncationParams::default()
        }))?;
        Ok(inner)
    }

    /// The first `most` windows of a text's own tokens, with special tokens around each.
    fn cut(&self, mut encoding: Encoding, most: usize) -> Result<Vec<Tokens>> {
        encoding.truncate(self.room, 0, TruncationDirection::Right);
        let more = encoding.take_overflowing();
        let windows = std::iter::once(encoding).chain(more).take(most.max(1));
        windows.map(|window| self.tokens(&quiet(|| self.inner.post_process(window, None, true))?)).collect()
    }

    /// How many of a window's tokens are of the text itself.
    pub fn own(&self, window: &Tokens) -> usize {
        window.len().saturating_sub(self.special)
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
