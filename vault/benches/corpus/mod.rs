//! The corpora of the comparison, the same bytes on every machine: from a fixed seed, without a download.

use std::error::Error;
use std::fs;
use std::io::Write;
use std::path::Path;

use crate::{create_file, finish};

const SEED: &str = "usufruct bench 1";
const MIB: u64 = 1 << 20;

/// Writes `mixed` or `small` at a percentage of its full size into an empty folder.
pub fn write(what: &str, dir: &Path, percent: u64) -> Result<(), Box<dyn Error>> {
    fs::create_dir_all(dir)?;
    let mut random = Random::new(what);
    let words = Words::new(&mut random);
    match what {
        "mixed" => mixed(dir, percent, &mut random, &words),
        "small" => small(dir, percent, &mut random, &words),
        _ => Err(format!("there is no corpus {what:?}").into()),
    }
}

/// 1 GiB of random bytes in files of 4 to 8 MiB, 400 MiB of text in files of 2 to 18 MiB, 20,000 small files of text and
/// of random bytes, and copies of large and text files that make up 5 % of all bytes.
fn mixed(dir: &Path, percent: u64, random: &mut Random, words: &Words) -> Result<(), Box<dyn Error>> {
    for folder in ["photos", "texts", "copies"] {
        fs::create_dir_all(dir.join(folder))?;
    }
    let mut whole = Vec::new();
    let mut total = 0;
    let random_bytes = 1024 * MIB * percent / 100;
    while total < random_bytes {
        let length = random.between(4 * MIB, 8 * MIB).min(random_bytes - total);
        let path = dir.join(format!("photos/{:05}.jpg", whole.len()));
        let mut file = create_file(path.clone())?;
        random.fill_to(&mut file, length)?;
        finish(file)?;
        whole.push((path, length));
        total += length;
    }
    let text_bytes = 400 * MIB * percent / 100;
    let mut texts = 0;
    while texts < text_bytes {
        let length = random.between(2 * MIB, 18 * MIB).min(text_bytes - texts);
        let path = dir.join(format!("texts/{:05}.txt", whole.len()));
        let mut file = create_file(path.clone())?;
        words.write(&mut file, length, random)?;
        finish(file)?;
        whole.push((path, length));
        texts += length;
    }
    total += texts;
    for number in 0..20_000 * percent / 100 {
        let folder = dir.join(format!("small/{:03}", number / 100));
        fs::create_dir_all(&folder)?;
        let length = 200 << random.between(0, 6);
        let length = random.between(length, 2 * length);
        let mut file = create_file(folder.join(format!("{number:05}")))?;
        match random.between(0, 3) {
            0 => random.fill_to(&mut file, length)?,
            _ => words.write(&mut file, length, random)?,
        }
        finish(file)?;
        total += length;
    }
    let mut copied = 0;
    for number in 0.. {
        if copied * 20 >= total {
            break;
        }
        let (path, length) = &whole[random.between(0, whole.len() as u64) as usize];
        fs::copy(path, dir.join(format!("copies/{number:05}")))?;
        (copied, total) = (copied + length, total + length);
    }
    Ok(())
}

/// 100,000 files of 500 to 1,500 bytes of text, a thousand to a folder.
fn small(dir: &Path, percent: u64, random: &mut Random, words: &Words) -> Result<(), Box<dyn Error>> {
    for number in 0..100_000 * percent / 100 {
        let folder = dir.join(format!("{:03}", number / 1000));
        fs::create_dir_all(&folder)?;
        let mut file = create_file(folder.join(format!("{number:06}.txt")))?;
        words.write(&mut file, random.between(500, 1500), random)?;
        finish(file)?;
    }
    Ok(())
}

/// Bytes that follow from the seed.
struct Random(blake3::OutputReader);

impl Random {
    fn new(what: &str) -> Random {
        Random(blake3::Hasher::new_derive_key(SEED).update(what.as_bytes()).finalize_xof())
    }

    fn between(&mut self, low: u64, high: u64) -> u64 {
        let mut bytes = [0; 8];
        self.0.fill(&mut bytes);
        low + u64::from_le_bytes(bytes) % (high - low)
    }

    fn fill_to(&mut self, out: &mut dyn Write, mut length: u64) -> std::io::Result<()> {
        let mut buffer = vec![0; 1 << 16];
        while length > 0 {
            let part = length.min(buffer.len() as u64) as usize;
            self.0.fill(&mut buffer[..part]);
            out.write_all(&buffer[..part])?;
            length -= part as u64;
        }
        Ok(())
    }
}

/// Words of a made-up language: 20,000 of them, used about as often as Zipf's law has it.
struct Words(Vec<String>);

impl Words {
    fn new(random: &mut Random) -> Words {
        let syllables: Vec<String> = (0..120)
            .map(|_| {
                let (a, b) = (random.between(0, 20) as usize, random.between(0, 6) as usize);
                format!("{}{}", &"bcdfghjklmnprstvwxyz"[a..=a], &"aeiouy"[b..=b])
            })
            .collect();
        let word = |random: &mut Random| {
            let count = random.between(1, 5);
            (0..count).map(|_| syllables[random.between(0, 120) as usize].as_str()).collect()
        };
        Words((0..20_000).map(|_| word(random)).collect())
    }

    fn write(&self, out: &mut dyn Write, length: u64, random: &mut Random) -> std::io::Result<()> {
        let mut line = Vec::with_capacity(256);
        let mut left = length as usize;
        while left > 0 {
            line.clear();
            for _ in 0..random.between(4, 16) {
                // The rank's logarithm is even over its range: rank r comes up in proportion to 1/r.
                let rank = (20_000f64.ln() * random.between(0, 1 << 32) as f64 / (1u64 << 32) as f64).exp();
                line.extend_from_slice(self.0[(rank as usize).min(20_000) - 1].as_bytes());
                line.push(b' ');
            }
            line.extend_from_slice(b".\n");
            let part = left.min(line.len());
            out.write_all(&line[..part])?;
            left -= part;
        }
        Ok(())
    }
}
