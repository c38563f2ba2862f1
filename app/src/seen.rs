//! A set of words that may be larger than memory: beyond a bound they go into a file, in sorted runs. The file has no name
//! and ends with the process. Words are keyed digests, so that the file tells nothing.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

/// What is in the set: 16 bytes that look random.
pub(crate) type Word = [u8; WORD];

const WORD: usize = 16;
/// Words in one block of a run: what a lookup reads.
const BLOCK: usize = 256;
/// Words held in memory until they make a run. As many as a table of 2^20 places takes before it doubles.
const HELD: usize = 900_000;

/// The set.
pub(crate) struct Seen {
    folder: PathBuf,
    most: usize,
    held: HashSet<Word>,
    runs: Vec<Run>,
    /// Words of runs that were taken out again.
    gone: HashSet<Word>,
}

/// Sorted words in a file.
struct Run {
    file: File,
    words: usize,
    /// The first word of each block.
    firsts: Vec<Word>,
}

impl Seen {
    /// An empty set, which may make files in `folder`.
    pub(crate) fn new(folder: PathBuf) -> Seen {
        Seen::holding(folder, HELD)
    }

    fn holding(folder: PathBuf, most: usize) -> Seen {
        Seen { folder, most, held: HashSet::new(), runs: Vec::new(), gone: HashSet::new() }
    }

    /// Adds a word. Whether it was not there.
    ///
    /// # Errors
    /// When a file cannot be read or written; then the set lacks words, and is not to be used any more.
    pub(crate) fn insert(&mut self, word: Word) -> io::Result<bool> {
        if self.gone.remove(&word) {
            return Ok(true);
        }
        if self.held.contains(&word) || self.written(&word)? {
            return Ok(false);
        }
        self.held.insert(word);
        if self.held.len() >= self.most {
            self.write()?;
        }
        Ok(true)
    }

    /// Takes a word out.
    ///
    /// # Errors
    /// When a file cannot be read; then it is still there.
    pub(crate) fn remove(&mut self, word: &Word) -> io::Result<()> {
        if !self.held.remove(word) && self.written(word)? {
            self.gone.insert(*word);
        }
        Ok(())
    }

    fn written(&self, word: &Word) -> io::Result<bool> {
        for run in &self.runs {
            if run.has(word)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Writes what is held as a run.
    fn write(&mut self) -> io::Result<()> {
        let mut words: Vec<Word> = self.held.drain().collect();
        words.sort_unstable();
        let mut out = BufWriter::new(tempfile::tempfile_in(&self.folder)?);
        words.iter().try_for_each(|word| out.write_all(word))?;
        let file = out.into_inner().map_err(io::IntoInnerError::into_error)?;
        let firsts = words.iter().step_by(BLOCK).copied().collect();
        self.runs.push(Run { file, words: words.len(), firsts });
        Ok(())
    }
}

impl Run {
    fn has(&self, word: &Word) -> io::Result<bool> {
        let Some(block) = self.firsts.partition_point(|first| first <= word).checked_sub(1) else { return Ok(false) };
        let words = BLOCK.min(self.words - block * BLOCK);
        let mut bytes = [0; BLOCK * WORD];
        let bytes = &mut bytes[..words * WORD];
        self.file.read_exact_at(bytes, (block * BLOCK * WORD) as u64)?;
        let (words, _) = bytes.as_chunks::<WORD>();
        Ok(words.binary_search(word).is_ok())
    }
}

#[cfg(test)]
mod tests {
    use sha2::{Digest, Sha256};

    use super::*;

    /// The word of a number.
    fn word(number: u64) -> Word {
        let digest = Sha256::digest(number.to_be_bytes());
        let mut word = Word::default();
        word.copy_from_slice(&digest[..WORD]);
        word
    }

    #[test]
    fn words_are_there_once_whether_held_or_written() {
        // One word more than a block, less than one, many blocks, and every word a run of its own.
        for (most, count) in [(BLOCK + 1, 1000), (10, 95), (1000, 5000), (1, 40), (100, 99)] {
            let folder = tempfile::tempdir().unwrap();
            let mut seen = Seen::holding(folder.path().to_path_buf(), most);
            assert!((0..count).all(|n| seen.insert(word(n)).unwrap()), "{most}");
            assert!(!(0..count).any(|n| seen.insert(word(n)).unwrap()), "{most}");
            assert_eq!(seen.runs.len() as u64, count / most as u64);
            assert!(seen.held.len() < most);
            assert!(seen.insert(word(count)).unwrap());
            assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "a file has a name");
        }
    }

    #[test]
    fn removed_words_can_come_again() {
        let folder = tempfile::tempdir().unwrap();
        let mut seen = Seen::holding(folder.path().to_path_buf(), 64);
        (0..200).for_each(|n| assert!(seen.insert(word(n)).unwrap()));
        for n in [0, 63, 64, 150, 199, 500] {
            seen.remove(&word(n)).unwrap();
        }
        for n in 0..200 {
            assert_eq!(seen.insert(word(n)).unwrap(), [0, 63, 64, 150, 199].contains(&n), "{n}");
        }
        assert!(seen.insert(word(500)).unwrap(), "a word that never was is there");
    }

    #[test]
    fn folder_that_takes_no_file_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let mut seen = Seen::holding(folder.path().join("nothing"), 2);
        assert!(seen.insert(word(1)).unwrap());
        assert!(seen.insert(word(2)).is_err());
    }
}
