//! What a batch takes of a device's memory, and so how many tokens it may have.

use super::Model;
use crate::{Device, Error, Kind, Result};

/// What is done with a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Work {
    /// From texts to vectors.
    Embed,
    /// There and back, with every layer's values kept between.
    Train,
}

impl Model {
    /// Tokens that a batch may have on `device` when its longest text has `longest`, padding included: at most `most`, and what
    /// the memory of the device allows.
    ///
    /// # Errors
    /// [`Error::Memory`] where not even one such text fits.
    pub(crate) fn batch_tokens(&self, device: &Device, work: Work, longest: usize, most: usize) -> Result<usize> {
        let (token, widest) = self.token_bytes(device.kind(), work, longest);
        let fit = (device.room() / token).min(device.largest_buffer() / widest);
        let fit = usize::try_from(fit).unwrap_or(usize::MAX).min(most);
        if fit >= longest || most < longest {
            return Ok(fit);
        }
        let needed = longest as u64 * token;
        Err(Error::Memory { device: device.name(), needed, room: device.room().min(fit as u64 * token) })
    }

    /// Bytes that a token takes at most, counted from the tensors that are there at the same time, and those of the widest of
    /// them.
    fn token_bytes(&self, kind: Kind, work: Work, longest: usize) -> (u64, u64) {
        let shape = &self.architecture;
        let (hidden, inner, scores) = (shape.hidden, shape.intermediate, shape.heads * longest);
        let numbers = match (kind, work) {
            // States, what is taken of them and what is mixed; the widest layer and the scores are cut into pieces.
            (Kind::Cpu, Work::Embed) => 6 * hidden,
            // Of every layer what came in, what was taken, two norms, the widest layer and the shares.
            (Kind::Cpu, Work::Train) => shape.layers * (7 * hidden + inner + scores) + 6 * hidden,
            (Kind::Gpu, Work::Embed) => 8 * hidden + 3 * inner + 3 * scores,
            // The tape keeps what every step of every layer gave.
            (Kind::Gpu, Work::Train) => shape.layers * (16 * hidden + 8 * inner + 4 * scores),
        };
        let bytes = |numbers: usize| (numbers * size_of::<f32>()) as u64;
        (bytes(numbers), bytes(inner.max(scores).max(hidden)))
    }
}
