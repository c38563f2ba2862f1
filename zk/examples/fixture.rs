//! Makes everything in `pinned/` that comes from the development keys, or prints one circuit's fixture.
//!
//! `cargo run --release -p zk --example fixture -- provenance-1-small` prints the circuit's JSON: key words, inputs and
//! a proof, as the contracts' tests take them. `… -- write` makes the keys of all circuits and writes `pinned/`; the
//! stored proof of a circuit whose key has not changed stays.
#![allow(clippy::unwrap_used)]

use std::{fs, path::Path, time::Instant};

use sha2::{Digest, Sha256};
use zk::{
    Circuit, field,
    keys::{self, ProvingKey},
    merkle::Tier,
    proof::{Proof, prove},
    solidity::key_words,
    statement::Statement,
};

#[path = "../tests/support/mod.rs"]
mod support;

fn main() {
    let wanted = std::env::args().nth(1).unwrap_or_default();
    if wanted == "write" {
        return write(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/pinned")));
    }
    match Circuit::ALL.into_iter().find(|circuit| circuit.file_stem() == wanted) {
        Some(circuit) => print!("{}", json(&keys::development(circuit).unwrap())),
        None => eprintln!("usage: fixture write | {}", Circuit::ALL.map(Circuit::file_stem).join(" | ")),
    }
}

fn write(folder: &Path) {
    for (file, circuits) in [("provenance-1.txt", &Circuit::ALL[..3]), ("statistic-1.txt", &Circuit::ALL[3..])] {
        let pins: String = circuits.iter().map(|circuit| write_circuit(folder, *circuit)).collect();
        fs::write(folder.join(file), pins).unwrap();
    }
}

/// Writes a circuit's files and returns the line of its pin.
fn write_circuit(folder: &Path, circuit: Circuit) -> String {
    let stem = circuit.file_stem();
    let started = Instant::now();
    let key = keys::development(circuit).unwrap();
    let stored = key.to_bytes().unwrap();
    eprintln!("{stem}: key of {} bytes in {:.1} s", stored.len(), started.elapsed().as_secs_f32());
    let verifying = key.verifying_key();
    let (vk, fixture) = (folder.join(format!("{stem}.vk")), folder.join(format!("{stem}.json")));
    if !fixture.exists() || fs::read(&vk).unwrap_or_default() != verifying.to_bytes() {
        fs::write(vk, verifying.to_bytes()).unwrap();
        let started = Instant::now();
        fs::write(fixture, json(&key)).unwrap();
        eprintln!("{stem}: proof in {:.1} s", started.elapsed().as_secs_f32());
    }
    format!(
        "{} {} {} {}\n",
        circuit.tier().name(),
        keys::constraint_count(circuit).unwrap(),
        hex::encode(verifying.digest()),
        hex::encode(Sha256::digest(&stored)),
    )
}

fn json(key: &ProvingKey) -> String {
    let circuit = key.circuit();
    let (statement, proof) = proven(key);
    format!(
        "{{\n  \"circuit\": \"{}\",\n  \"tier\": {},\n  \"constraints\": {},\n  \"key_words\": {},\n  \"inputs\": {},\n  \"proof\": {}\n}}\n",
        circuit.name(),
        circuit.tier().id(),
        keys::constraint_count(circuit).unwrap(),
        list(&key_words(key.verifying_key())),
        list(&statement.inputs().map(|input| field::to_bytes(&input))),
        list(&proof.to_words()),
    )
}

fn proven(key: &ProvingKey) -> (Statement, Proof) {
    let count = match key.circuit() {
        Circuit::Provenance(Tier::Small) | Circuit::Statistic => 300,
        Circuit::Provenance(Tier::Medium) => 1_000,
        Circuit::Provenance(Tier::Large) => 40_000,
    };
    let sample = support::Sample::new(key.tier(), count);
    if key.circuit() == Circuit::Statistic {
        let (statement, witness) = sample.statistic("fixture");
        return (statement, prove(key, &statement, &witness).unwrap());
    }
    let (statement, witness) = sample.job("fixture");
    (statement, prove(key, &statement, &witness).unwrap())
}

fn list(words: &[[u8; 32]]) -> String {
    let words: Vec<_> = words.iter().map(|word| format!("\n    \"0x{}\"", hex::encode(word))).collect();
    format!("[{}\n  ]", words.join(","))
}
