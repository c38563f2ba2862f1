//! Chunks: where content is cut, how a chunk is named, and whether compressing it pays.

use std::cell::RefCell;
use std::io::Read;
use std::ops::{Deref, Range};
use std::sync::Arc;

use fastcdc::v2020::{Normalization, cut_gear, get_gear_with_seed, select_masks};

use crate::error::{Error, Result};
use crate::wiped::Wiped;

/// No chunk but an object's last is shorter. An object shorter than this is one chunk.
pub(crate) const MIN: usize = 512 * 1024;
/// The size from which FastCDC's looser mask applies. It is the least one: a cut comes 256 KiB after it on average, and only
/// what comes after it is looked at.
const NORMAL: usize = MIN;
/// No chunk written here is longer.
pub(crate) const MAX: usize = 2 * 1024 * 1024;
/// No chunk of any writer is longer.
pub(crate) const READ_MAX: usize = 4 * 1024 * 1024;
const SAMPLE: usize = 4096;
const STRETCH: usize = 64;
const RANDOM_BITS: f64 = 7.6;
/// Level 3 saves 6 % more on text and takes two and a half times as long.
const ZSTD_LEVEL: i32 = 1;
/// Bytes read ahead of the cut.
const WINDOW: usize = 4 * MAX;

/// Keyed hash of a chunk's plaintext: equal chunks of one vault have equal ids, and an id says nothing without the key.
pub(crate) type ChunkId = [u8; 32];

/// The id of a chunk.
pub(crate) fn id(key: &[u8; 32], plaintext: &[u8]) -> ChunkId {
    *blake3::keyed_hash(key, plaintext).as_bytes()
}

/// A chunk's plaintext, in the window that it was read into.
pub(crate) struct Plaintext {
    window: Arc<Wiped>,
    range: Range<usize>,
}

impl Deref for Plaintext {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.window[self.range.clone()]
    }
}

impl From<Vec<u8>> for Plaintext {
    fn from(bytes: Vec<u8>) -> Plaintext {
        Plaintext { range: 0..bytes.len(), window: Arc::new(bytes.into()) }
    }
}

/// Windows that content was read into. One is used again when no chunk of it is about.
#[derive(Default)]
pub(crate) struct Windows(Vec<Arc<Wiped>>);

impl Windows {
    /// A window of which no chunk is about, or an empty one.
    fn free(&mut self) -> Wiped {
        let free = self.0.iter().position(|window| Arc::strong_count(window) == 1);
        free.and_then(|at| Arc::into_inner(self.0.swap_remove(at))).unwrap_or_default()
    }
}

/// Cuts what a reader yields into chunks, holding a few and no more.
pub(crate) struct Cutter<'a> {
    source: &'a mut dyn Read,
    /// Bytes that were read and not cut yet are those from `taken` to `filled`.
    window: Arc<Wiped>,
    others: Windows,
    filled: usize,
    taken: usize,
    ended: bool,
    /// Where content is cut whatever it is, if so.
    piece: Option<usize>,
    masks: (u64, u64),
    gear: (std::borrow::Cow<'static, [u64]>, std::borrow::Cow<'static, [u64]>),
}

impl<'a> Cutter<'a> {
    /// Cuts with a seed, in windows that an earlier cutter left.
    pub(crate) fn new(source: &'a mut dyn Read, seed: u64, mut windows: Windows) -> Cutter<'a> {
        Cutter {
            source,
            window: Arc::new(windows.free()),
            others: windows,
            filled: 0,
            taken: 0,
            ended: false,
            piece: None,
            masks: select_masks(NORMAL, Normalization::Level1),
            gear: get_gear_with_seed(seed),
        }
    }

    /// Cuts after every `piece` bytes, up to [`MAX`].
    pub(crate) fn of_pieces(source: &'a mut dyn Read, piece: usize) -> Cutter<'a> {
        Cutter { piece: Some(piece.clamp(1, MAX)), ..Cutter::new(source, 1, Windows::default()) }
    }

    /// The next chunk's plaintext and whether it is the last, or `None` at the end. Errors are the reader's.
    pub(crate) fn next(&mut self) -> Result<Option<(Plaintext, bool)>> {
        self.fill()?;
        let window = &self.window[self.taken..self.filled];
        if window.is_empty() {
            return Ok(None);
        }
        let end = self.piece.unwrap_or_else(|| self.cut(window)).clamp(1, window.len());
        self.taken += end;
        let last = self.ended && self.taken == self.filled;
        Ok(Some((Plaintext { window: self.window.clone(), range: self.taken - end..self.taken }, last)))
    }

    /// The windows, for the next cutter. They are not wiped.
    pub(crate) fn into_windows(mut self) -> Windows {
        self.others.0.push(self.window);
        self.others
    }

    fn cut(&self, window: &[u8]) -> usize {
        let (s, l) = self.masks;
        let window = &window[..window.len().min(MAX)];
        cut_gear(window, MIN, NORMAL, MAX, s, l, s << 1, l << 1, &self.gear.0, &self.gear.1).1
    }

    /// Reads until the next chunk cannot end later than what was read.
    fn fill(&mut self) -> Result<()> {
        if self.ended || self.filled - self.taken >= MAX {
            return Ok(());
        }
        let uncut = self.taken..self.filled;
        let mut window = match Arc::try_unwrap(std::mem::take(&mut self.window)) {
            Ok(mut window) => {
                window.copy_within(uncut.clone(), 0);
                window
            }
            Err(held) => {
                let mut window = self.others.free();
                if window.len() < uncut.len() {
                    window = Wiped::zeros(WINDOW);
                }
                window[..uncut.len()].copy_from_slice(&held[uncut.clone()]);
                self.others.0.push(held);
                window
            }
        };
        (self.taken, self.filled) = (0, uncut.len());
        let read = self.read_into(&mut window);
        self.window = Arc::new(window);
        read
    }

    /// Reads until the window is full or the source ends.
    fn read_into(&mut self, window: &mut Wiped) -> Result<()> {
        while !self.ended && self.filled < WINDOW {
            if self.filled == window.len() {
                grow(window, self.filled);
            }
            match self.source.read(&mut window[self.filled..]) {
                Ok(0) => self.ended = true,
                Ok(n) => self.filled += n,
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                Err(source) => {
                    return Err(Error::Io { doing: "read", path: "the bytes to be stored".into(), source });
                }
            }
        }
        Ok(())
    }
}

/// Small objects need a small window only. The old one is wiped as it goes.
fn grow(window: &mut Wiped, filled: usize) {
    let mut larger = Wiped::zeros((window.len() * 8).clamp(32 * 1024, WINDOW));
    larger[..filled].copy_from_slice(&window[..filled]);
    *window = larger;
}

/// How a chunk's bytes are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Encoding {
    Bytes = 0,
    Zstd = 1,
}

/// Compresses a chunk to the front of `out`, which has room for it as it is. Returns the frame's length, or `None` where
/// compressing does not pay; `out` then holds nothing of use.
pub(crate) fn compress(plaintext: &[u8], out: &mut [u8]) -> Option<usize> {
    if plaintext.len() < 64 || looks_random(plaintext) {
        return None;
    }
    COMPRESSOR.with_borrow_mut(|kept| {
        let compressor = match kept {
            Some(compressor) => compressor,
            None => kept.insert(zstd::bulk::Compressor::new(ZSTD_LEVEL).ok()?),
        };
        // A frame that does not fit saves too little.
        let room = plaintext.len() - plaintext.len() / 32;
        compressor.compress_to_buffer(plaintext, out.get_mut(..room)?).ok()
    })
}

/// Undoes [`compress`]; `None` unless it yields exactly `length` bytes.
pub(crate) fn decompress(frame: &[u8], length: usize) -> Option<Wiped> {
    if length > READ_MAX {
        return None;
    }
    DECOMPRESSOR.with_borrow_mut(|kept| {
        let decompressor = match kept {
            Some(decompressor) => decompressor,
            None => kept.insert(zstd::bulk::Decompressor::new().ok()?),
        };
        let mut plain = Wiped::default();
        plain.reserve_exact(length);
        decompressor.decompress_to_buffer(frame, &mut *plain).ok()?;
        (plain.len() == length).then_some(plain)
    })
}

thread_local! {
    /// Making one takes longer than compressing a small chunk.
    static COMPRESSOR: RefCell<Option<zstd::bulk::Compressor<'static>>> = const { RefCell::new(None) };
    static DECOMPRESSOR: RefCell<Option<zstd::bulk::Decompressor<'static>>> = const { RefCell::new(None) };
}

/// Shannon entropy of stretches taken evenly over the chunk. Few bytes cannot show 7.6 bits, so short chunks are tried.
fn looks_random(bytes: &[u8]) -> bool {
    let step = (bytes.len() / (SAMPLE / STRETCH)).max(STRETCH);
    let mut counts = [0u32; 256];
    let mut taken = 0u32;
    for byte in bytes.chunks(step).flat_map(|part| &part[..part.len().min(STRETCH)]).take(SAMPLE) {
        counts[*byte as usize] += 1;
        taken += 1;
    }
    let total = f64::from(taken);
    let bits: f64 = counts.iter().filter(|c| **c > 0).map(|c| f64::from(*c) / total).map(|p| -p * p.log2()).sum();
    bits > RANDOM_BITS
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(length: usize, seed: u64) -> Vec<u8> {
        let mut out = vec![0; length];
        let mut hasher = blake3::Hasher::new();
        hasher.update(&seed.to_le_bytes());
        hasher.finalize_xof().fill(&mut out);
        out
    }

    fn compressed(plaintext: &[u8]) -> Option<Vec<u8>> {
        let mut out = vec![0; plaintext.len()];
        compress(plaintext, &mut out).map(|length| out[..length].to_vec())
    }

    fn cuts(data: &[u8], seed: u64) -> Vec<usize> {
        let mut reader = data;
        let mut cutter = Cutter::new(&mut reader, seed, Windows::default());
        let mut lengths = Vec::new();
        while let Some((chunk, _)) = cutter.next().unwrap() {
            lengths.push(chunk.len());
        }
        lengths
    }

    #[test]
    fn cut_points_are_pinned() {
        // A change here means that chunks already stored no longer match new ones: deduplication would be lost.
        let pinned = [601_035, 650_123, 735_850, 531_365, 795_311, 595_667, 284_953];
        assert_eq!(cuts(&noise(4 << 20, 1), 42), pinned);
    }

    #[test]
    fn chunks_add_up_and_keep_their_bounds() {
        for length in [0, 1, MIN - 1, MIN, MIN + 1, MAX - 1, MAX, MAX + 1, 5 << 20] {
            let lengths = cuts(&noise(length, 7), 9);
            assert_eq!(lengths.iter().sum::<usize>(), length);
            assert!(lengths.iter().all(|l| *l <= MAX));
            assert!(lengths.iter().rev().skip(1).all(|l| *l >= MIN));
        }
        assert_eq!(cuts(&vec![0; MAX + 1], 9), vec![MAX, 1]);
    }

    #[test]
    fn chunks_stay_as_they_were_while_more_is_read() {
        let data = noise(3 * WINDOW + 12_345, 11);
        let mut windows = Windows::default();
        for kept in [0, 1, 7, usize::MAX] {
            let mut reader = data.as_slice();
            let mut cutter = Cutter::new(&mut reader, 5, windows);
            let (mut about, mut back) = (std::collections::VecDeque::new(), Vec::new());
            while let Some((chunk, _)) = cutter.next().unwrap() {
                about.push_back(chunk);
                if about.len() > kept {
                    back.extend_from_slice(&about.pop_front().unwrap());
                }
            }
            about.iter().for_each(|chunk| back.extend_from_slice(chunk));
            assert!(back == data, "{kept} chunks kept");
            windows = cutter.into_windows();
            assert!(windows.0.len() <= 4);
        }
    }

    #[test]
    fn cut_points_differ_between_seeds() {
        let data = noise(6 << 20, 3);
        assert_ne!(cuts(&data, 1), cuts(&data, 2));
    }

    #[test]
    fn compression_is_skipped_for_random_bytes() {
        assert_eq!(compressed(&noise(1 << 20, 5)), None);
        assert_eq!(compressed(&noise(63, 5)), None);
        let text = b"it is what it is ".repeat(1000);
        let frame = compressed(&text).unwrap();
        assert!(frame.len() < text.len() / 10);
        assert_eq!(*decompress(&frame, text.len()).unwrap(), text);
    }

    #[test]
    fn decompression_to_another_length_is_refused() {
        let text = b"it is what it is ".repeat(1000);
        let frame = compressed(&text).unwrap();
        assert!(decompress(&frame, text.len() - 1).is_none());
        assert!(decompress(&frame, text.len() + 1).is_none());
        assert!(decompress(&frame, READ_MAX + 1).is_none());
        assert!(decompress(&frame[..frame.len() - 1], text.len()).is_none());
    }
}
