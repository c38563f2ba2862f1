//! From bytes to text: byte order marks, UTF-16, and the Windows-1252 of old exports.

use std::borrow::Cow;
use std::io::{self, BufRead, BufReader, Read};

use encoding_rs::{Decoder, Encoding, UTF_8, WINDOWS_1252};

/// How many bytes are transcoded at a time.
const STEP_BYTES: usize = 16 << 10;

/// Text from bytes that are UTF-8 or, where they are not, Windows-1252 (which has a meaning for every byte).
pub(super) fn text(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => WINDOWS_1252.decode_without_bom_handling(bytes).0,
    }
}

/// The encoding that a byte order mark announces, and the mark's length.
pub(super) fn marked(head: &[u8]) -> Option<(&'static Encoding, usize)> {
    Encoding::for_bom(head)
}

/// The head of a file as UTF-8 bytes without a byte order mark, for sniffing.
pub(super) fn head(head: &[u8]) -> Cow<'_, [u8]> {
    match marked(head) {
        None => Cow::Borrowed(head),
        Some((encoding, length)) if encoding == UTF_8 => Cow::Borrowed(&head[length..]),
        Some((encoding, length)) => {
            // Whole code units only: a head cut in the middle is no malformed file.
            let whole = length + (head.len() - length) / 4 * 4;
            let (text, _) = encoding.decode_without_bom_handling(&head[length..whole]);
            Cow::Owned(text.into_owned().into_bytes())
        }
    }
}

/// The input as UTF-8 bytes without a byte order mark. Without a mark the bytes pass unchanged.
pub(super) fn utf8<'a>(input: &'a mut dyn BufRead) -> io::Result<Box<dyn BufRead + 'a>> {
    let mut mark = Vec::new();
    (&mut *input).take(3).read_to_end(&mut mark)?;
    Ok(match marked(&mark) {
        Some((encoding, length)) if encoding != UTF_8 => {
            let left = mark.split_off(length);
            let rest = io::Cursor::new(left).chain(input);
            let decoder = encoding.new_decoder_without_bom_handling();
            Box::new(BufReader::new(Transcoder { rest, decoder, done: Vec::new(), given: 0, ended: false }))
        }
        Some(_) => Box::new(input),
        None => Box::new(io::Cursor::new(mark).chain(input)),
    })
}

struct Transcoder<R> {
    rest: R,
    decoder: Decoder,
    done: Vec<u8>,
    given: usize,
    ended: bool,
}

impl<R: Read> Transcoder<R> {
    fn refill(&mut self) -> io::Result<()> {
        let mut raw = [0; STEP_BYTES];
        let count = self.rest.read(&mut raw)?;
        self.ended = count == 0;
        let room = self.decoder.max_utf8_buffer_length(count).unwrap_or(STEP_BYTES * 4);
        self.done.resize(room, 0);
        let (_, _, written, _) = self.decoder.decode_to_utf8(&raw[..count], &mut self.done, self.ended);
        self.done.truncate(written);
        self.given = 0;
        Ok(())
    }
}

impl<R: Read> Read for Transcoder<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.given == self.done.len() && !self.ended {
            self.refill()?;
        }
        let count = out.len().min(self.done.len() - self.given);
        out[..count].copy_from_slice(&self.done[self.given..self.given + count]);
        self.given += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(bytes: &[u8]) -> String {
        let mut input = bytes;
        let mut text = String::new();
        utf8(&mut input).unwrap().read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn utf16_of_both_orders_is_read() {
        let text = "date;été\n€ 𝄞\n".repeat(5_000);
        let little: Vec<u8> = [0xfeff].into_iter().chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect();
        let big: Vec<u8> = [0xfeff].into_iter().chain(text.encode_utf16()).flat_map(u16::to_be_bytes).collect();
        assert_eq!(all(&little), text);
        assert_eq!(all(&big), text);
    }

    #[test]
    fn utf16_cut_in_the_middle_ends_with_a_replacement() {
        assert_eq!(all(b"\xff\xfea\0b"), "a\u{fffd}");
    }

    #[test]
    fn utf8_mark_is_taken_off_once() {
        assert_eq!(all(b"\xef\xbb\xbfx"), "x");
        assert_eq!(all(b"\xef\xbb\xbf\xef\xbb\xbfx"), "\u{feff}x");
    }

    #[test]
    fn short_input_passes_unchanged() {
        for text in ["", "a", "ab", "abc", "abcd"] {
            assert_eq!(all(text.as_bytes()), text);
        }
    }

    #[test]
    fn windows_text_is_read_where_utf8_fails() {
        assert_eq!(text(b"caf\xe9 \x80"), "café €");
        assert_eq!(text("café".as_bytes()), "café");
    }
}
