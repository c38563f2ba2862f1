//! Mutated model files, thousands of them: each is refused with an error, or opens; none panics or takes memory for what it
//! merely claims. `COMPUTE_HEADERS` says how many, `COMPUTE_SEED` where to begin; a failing one is named by its own seed.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use compute::{Error, Model};
use proptest::prelude::Rng;
use proptest::test_runner::{RngAlgorithm, TestRng};

use crate::support::Tiny;

/// Model files in a run of `make test`.
const HEADERS: u64 = 20_000;
/// Bytes that the process may grow by while it opens files of a few kilobytes that claim anything.
const MAX_GROWTH: u64 = 96 << 20;
/// Numbers that are wrong in most places.
const NUMBERS: [&str; 14] = [
    "0",
    "1",
    "7",
    "8",
    "9",
    "-1",
    "4294967296",
    "9223372036854775807",
    "9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
    "1e18",
    "0.5",
    "null",
];
/// What other formats begin with.
const FOREIGN: [&[u8]; 8] = [
    b"PK\x03\x04",
    b"\x80\x02}",
    b"\x80\x05\x95",
    b"GGUF\x03\0\0\0",
    b"\x89HDF\r\n\x1a\n",
    b"\x08\x08\x12\x07pytorch",
    b"TFL3",
    b"\x7fELF",
];

/// proptest's own generator (ChaCha), from a seed that is printed.
struct Chance(TestRng);

impl Chance {
    fn new(seed: u64) -> Self {
        let mut whole = [0; 32];
        whole[..8].copy_from_slice(&seed.to_le_bytes());
        Self(TestRng::from_seed(RngAlgorithm::ChaCha, &whole))
    }

    fn next(&mut self) -> u64 {
        self.0.next_u64()
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }

    fn of<'a, T: ?Sized>(&mut self, from: &[&'a T]) -> &'a T {
        from[self.below(from.len())]
    }
}

#[derive(Default, Debug)]
struct Tally {
    opened: u64,
    files: u64,
    weights: u64,
    others: u64,
}

#[test]
fn mutated_headers_are_refused_without_a_panic() {
    let number = |name: &str, default| std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default);
    let (count, first) = (number("COMPUTE_HEADERS", HEADERS), number("COMPUTE_SEED", 1));
    let whole = Tiny::new().weights();
    let folder = Tiny::new().write();
    let config = fs::read(folder.path().join("config.json")).unwrap();
    let (started, before) = (Instant::now(), peak());
    let mut tally = Tally::default();
    for seed in first..first + count {
        let mut chance = Chance::new(seed);
        fs::write(folder.path().join("model.safetensors"), mutated(&whole, &mut chance)).unwrap();
        // Without a config the shapes alone say what the model is.
        match chance.below(4) {
            0 => drop(fs::remove_file(folder.path().join("config.json"))),
            1 => fs::write(folder.path().join("config.json"), renumbered(&config, &mut chance)).unwrap(),
            _ => fs::write(folder.path().join("config.json"), &config).unwrap(),
        }
        match catch_unwind(AssertUnwindSafe(|| Model::open(folder.path()))) {
            Ok(Ok(_)) => tally.opened += 1,
            Ok(Err(Error::ModelFile { .. })) => tally.files += 1,
            Ok(Err(Error::Weights { .. })) => tally.weights += 1,
            Ok(Err(_)) => tally.others += 1,
            Err(_) => panic!("repeat it with COMPUTE_SEED={seed} COMPUTE_HEADERS=1"),
        }
    }
    let grown = peak().saturating_sub(before);
    println!(
        "seeds {first} to {}: {:.1} s, {tally:?}, 0 panics, grown by {} KiB",
        first + count - 1,
        started.elapsed().as_secs_f64(),
        grown >> 10
    );
    assert!(grown < MAX_GROWTH, "the process grew by {grown} bytes");
    assert!(count < 1000 || (tally.opened > 0 && tally.files > 0 && tally.weights > 0), "{tally:?}");
}

/// The file with one to four things wrong, mostly in its header.
fn mutated(whole: &[u8], chance: &mut Chance) -> Vec<u8> {
    let length = u64::from_le_bytes(whole[..8].try_into().unwrap()) as usize;
    let (mut header, mut data) = (whole[8..8 + length].to_vec(), whole[8 + length..].to_vec());
    let mut claimed = None;
    if chance.below(3) == 0 {
        header = reshaped(&header, chance);
    }
    for _ in 0..chance.below(4) {
        match chance.below(12) {
            0..=4 => header = renumbered(&header, chance),
            5 => header = reworded(&header, chance),
            6 => {
                let at = chance.below(header.len());
                header[at] ^= 1 << chance.below(8);
            }
            7 => header.truncate(chance.below(header.len() + 1)),
            8 => {
                let from = chance.below(header.len());
                let piece = header[from..header.len().min(from + 1 + chance.below(200))].to_vec();
                let at = chance.below(header.len());
                header.splice(at..at, piece);
            }
            9 => claimed = Some([0, 1, 7, 8, 100_000_000, u64::MAX, u64::MAX - 7, chance.next()][chance.below(8)]),
            10 => data.truncate(chance.below(data.len() + 1)),
            _ => {
                let count = chance.below(64);
                data.extend(std::iter::repeat_n(0xff, count));
            }
        }
        if header.is_empty() {
            header.push(b'{');
        }
    }
    let mut file = claimed.unwrap_or(header.len() as u64).to_le_bytes().to_vec();
    file.extend(header);
    file.extend(data);
    if chance.below(50) == 0 {
        let magic = chance.of(&FOREIGN);
        file.splice(..magic.len(), magic.iter().copied());
    }
    file
}

/// The header with shapes turned, flattened or split, or tensors that changed names: its offsets still fit.
fn reshaped(header: &[u8], chance: &mut Chance) -> Vec<u8> {
    let Ok(mut tensors) = serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(header) else {
        return header.to_vec();
    };
    let mut names: Vec<String> = tensors.keys().filter(|name| *name != "__metadata__").cloned().collect();
    for _ in 0..=chance.below(3) {
        let name = names[chance.below(names.len())].clone();
        match chance.below(4) {
            0 => {
                if let Some(shape) = tensors[&name]["shape"].as_array_mut() {
                    shape.reverse();
                }
            }
            1 => {
                if let Some(shape) = tensors[&name]["shape"].as_array_mut() {
                    shape.push(1.into());
                }
            }
            2 => {
                let tensor = tensors.remove(&name).unwrap();
                names.retain(|known| *known != name);
                names.push(format!("bert.{name}"));
                tensors.insert(format!("bert.{name}"), tensor);
            }
            _ => {
                let other = names[chance.below(names.len())].clone();
                let (left, right) = (tensors[&name].clone(), tensors[&other].clone());
                tensors.insert(name, right);
                tensors.insert(other, left);
            }
        }
    }
    serde_json::to_vec(&tensors).unwrap()
}

/// The text with one of its numbers replaced.
fn renumbered(text: &[u8], chance: &mut Chance) -> Vec<u8> {
    let starts: Vec<usize> = (1..text.len())
        .filter(|at| text[*at].is_ascii_digit() && !text[at - 1].is_ascii_digit() && text[at - 1] != b'"')
        .collect();
    if starts.is_empty() {
        return text.to_vec();
    }
    let start = starts[chance.below(starts.len())];
    let end = (start..text.len()).find(|at| !text[*at].is_ascii_digit()).unwrap_or(text.len());
    let by = match chance.below(3) {
        0 => chance.next().to_string(),
        _ => chance.of(&NUMBERS).to_owned(),
    };
    [&text[..start], by.as_bytes(), &text[end..]].concat()
}

/// The text with one word of its structure replaced everywhere from some place on, or once.
fn reworded(text: &[u8], chance: &mut Chance) -> Vec<u8> {
    let words: [(&str, &str); 14] = [
        ("F32", "F16"),
        ("F32", "F4"),
        ("F32", "I64"),
        ("F32", "F32 "),
        ("shape", "Shape"),
        ("shape", "dtype"),
        ("data_offsets", "shape"),
        ("\"shape\":[", "\"shape\":[["),
        ("\"shape\":[", "\"shape\":[0,"),
        ("\"shape\":[", "\"shape\":[9223372036854775807,9223372036854775807,"),
        (".weight", ".bias"),
        ("layer.0", "layer.18446744073709551615"),
        ("embeddings", "__metadata__"),
        ("{", "{\"__metadata__\":{\"a\":1},"),
    ];
    let (from, to) = words[chance.below(words.len())];
    let text = String::from_utf8_lossy(text);
    let found: Vec<usize> = text.match_indices(from).map(|(at, _)| at).collect();
    if found.is_empty() {
        return text.into_owned().into_bytes();
    }
    let at = found[chance.below(found.len())];
    let (front, back) = text.split_at(at);
    let back = if chance.below(2) == 0 { back.replace(from, to) } else { back.replacen(from, to, 1) };
    format!("{front}{back}").into_bytes()
}

/// The most memory that this process ever held, in bytes; nothing where the system does not say.
fn peak() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap_or(0) << 10
}
