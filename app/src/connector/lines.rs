//! Lines of bounded length from a stream.

use std::io::{self, BufRead};

/// What was read of one line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Line {
    /// The whole line, its line ending included.
    Whole,
    /// The line's beginning; the rest was longer than allowed and was skipped.
    Cut,
    /// There is no further line.
    End,
}

/// Reads the next line into `line` (cleared before), at most `limit` bytes of it.
pub(super) fn next_line(input: &mut dyn BufRead, limit: usize, line: &mut Vec<u8>) -> io::Result<Line> {
    line.clear();
    let mut read = Line::End;
    loop {
        let ready = match input.fill_buf() {
            Ok([]) => return Ok(read),
            Ok(ready) => ready,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        let end = ready.iter().position(|byte| *byte == b'\n').map(|end| end + 1);
        let part = end.unwrap_or(ready.len());
        let room = part.min(limit - line.len());
        line.extend_from_slice(&ready[..room]);
        if room < part {
            read = Line::Cut;
        } else if read == Line::End {
            read = Line::Whole;
        }
        input.consume(part);
        if end.is_some() {
            return Ok(read);
        }
    }
}

/// The line without its line ending.
pub(super) fn bare(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::BufReader;

    #[test]
    fn lines_are_cut_at_the_limit_and_the_next_is_whole() {
        let mut input = BufReader::with_capacity(3, &b"abcdefgh\nij\n\nk"[..]);
        let mut line = Vec::new();
        let mut seen = Vec::new();
        loop {
            let read = next_line(&mut input, 5, &mut line).unwrap();
            if read == Line::End {
                break;
            }
            seen.push((read, String::from_utf8_lossy(bare(&line)).into_owned()));
        }
        let expected = [(Line::Cut, "abcde"), (Line::Whole, "ij"), (Line::Whole, ""), (Line::Whole, "k")];
        assert_eq!(seen, expected.map(|(read, text)| (read, text.to_owned())));
    }

    #[test]
    fn line_endings_are_taken_off_once() {
        assert_eq!(bare(b"a\r\n"), b"a");
        assert_eq!(bare(b"a\n\n"), b"a\n");
        assert_eq!(bare(b"a"), b"a");
    }
}
