//! Makes everything in `pinned/` that comes from the development keys, or prints one tier's fixture.
//!
//! `cargo run --release -p zk --example fixture -- small` prints the tier's JSON: key words, inputs and a proof, as
//! the contracts' tests take them. `… -- write` makes keys and proofs of all tiers and writes `pinned/`.
#![allow(clippy::unwrap_used)]

use std::{fs, path::Path, time::Instant};

use sha2::{Digest, Sha256};
use zk::{
    field,
    keys::{self, ProvingKey},
    merkle::Tier,
    proof::prove,
    solidity::key_words,
};

#[path = "../tests/support/mod.rs"]
mod support;

fn main() {
    let wanted = std::env::args().nth(1).unwrap_or_default();
    if wanted == "write" {
        return write(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/pinned")));
    }
    match Tier::ALL.into_iter().find(|tier| tier.name() == wanted) {
        Some(tier) => print!("{}", json(&keys::development(tier).unwrap())),
        None => eprintln!("usage: fixture small|medium|large|write"),
    }
}

fn write(folder: &Path) {
    let mut pins = String::new();
    for tier in Tier::ALL {
        let started = Instant::now();
        let key = keys::development(tier).unwrap();
        eprintln!("{}: key in {:.1} s", tier.name(), started.elapsed().as_secs_f32());
        let verifying = key.verifying_key();
        let stored = key.to_bytes().unwrap();
        pins += &format!(
            "{} {} {} {}\n",
            tier.name(),
            keys::constraint_count(tier).unwrap(),
            hex::encode(verifying.digest()),
            hex::encode(Sha256::digest(&stored)),
        );
        let file = |end: &str| folder.join(format!("provenance-1-{}.{end}", tier.name()));
        fs::write(file("vk"), verifying.to_bytes()).unwrap();
        let started = Instant::now();
        fs::write(file("json"), json(&key)).unwrap();
        eprintln!("{}: proof in {:.1} s, key {} bytes", tier.name(), started.elapsed().as_secs_f32(), stored.len());
    }
    fs::write(folder.join("provenance-1.txt"), pins).unwrap();
}

fn json(key: &ProvingKey) -> String {
    let tier = key.tier();
    let count = match tier {
        Tier::Small => 300,
        Tier::Medium => 1_000,
        Tier::Large => 40_000,
    };
    let (statement, witness) = support::Sample::new(tier, count).job("fixture");
    let proof = prove(key, &statement, &witness).unwrap();
    format!(
        "{{\n  \"circuit\": \"{}\",\n  \"tier\": {},\n  \"constraints\": {},\n  \"key_words\": {},\n  \"inputs\": {},\n  \"proof\": {}\n}}\n",
        zk::provenance::CIRCUIT,
        tier.id(),
        keys::constraint_count(tier).unwrap(),
        list(&key_words(key.verifying_key())),
        list(&statement.inputs().map(|input| field::to_bytes(&input))),
        list(&proof.to_words()),
    )
}

fn list(words: &[[u8; 32]]) -> String {
    let words: Vec<_> = words.iter().map(|word| format!("\n    \"0x{}\"", hex::encode(word))).collect();
    format!("[{}\n  ]", words.join(","))
}
