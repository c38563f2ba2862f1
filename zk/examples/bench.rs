//! Measures proving, verifying and hashing; `make bench-zk` runs it beside snarkjs and poseidon-lite.
//!
//! `bench export FOLDER` writes `circuit.r1cs`, `witness.wtns` and an insecure `circuit.zkey` of `provenance@1`, small
//! tier, for snarkjs.
//! `bench prove CIRCUIT FOLDER RECORDS` measures proofs of one circuit over so many records in a process of its own, the
//! key from FOLDER.
//! `bench verify` and `bench tree RECORDS` measure the rest. Every figure is one line: name, value, unit.
#![allow(clippy::unwrap_used)]

use std::{fs, path::Path, time::Instant};

use zk::{
    Circuit, ceremony,
    keys::{self, ProvingKey, VerifyingKey},
    merkle::{Tier, Tree},
    proof::{Proof, prove, verify, verify_batch},
    provenance::Leaf,
    statement::Statement,
};

#[path = "../tests/support/mod.rs"]
mod support;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["export", folder] => export(Path::new(folder)),
        ["prove", name, folder, records] => proving(circuit(name), Path::new(folder), records.parse().unwrap()),
        ["verify"] => verifying(),
        ["tree", records] => trees(records.parse().unwrap()),
        _ => eprintln!("usage: bench export FOLDER | prove CIRCUIT FOLDER RECORDS | verify | tree RECORDS"),
    }
}

fn circuit(name: &str) -> Circuit {
    Circuit::ALL.into_iter().find(|circuit| circuit.file_stem() == name).unwrap()
}

fn export(folder: &Path) {
    let (statement, witness) = support::Sample::new(Tier::Small, 500).job("bench");
    fs::write(folder.join("circuit.r1cs"), ceremony::r1cs(Tier::Small).unwrap()).unwrap();
    let values = ceremony::wtns(Tier::Small, &statement, &witness).unwrap();
    fs::write(folder.join("witness.wtns"), values).unwrap();
    fs::write(folder.join("circuit.zkey"), ceremony::insecure_zkey(Tier::Small).unwrap()).unwrap();
    line("constraints", keys::constraint_count(Tier::Small).unwrap() as f64, "");
}

/// The first proof with the key read from disk, then the median of the next five.
fn proving(circuit: Circuit, folder: &Path, records: u64) {
    let path = folder.join(format!("{}.key", circuit.file_stem()));
    if !path.exists() {
        fs::write(&path, keys::development(circuit).unwrap().to_bytes().unwrap()).unwrap();
    }
    let sample = support::Sample::new(circuit.tier(), records);
    let before = resident("VmRSS");
    let start = (Instant::now(), cpu());
    let key = ProvingKey::from_bytes(&fs::read(path).unwrap()).unwrap();
    line("key read", start.0.elapsed().as_secs_f64(), "s");
    prove_once(&key, &sample);
    line("first proof, key read", start.0.elapsed().as_secs_f64(), "s");
    line("first proof, key read, CPU", cpu() - start.1, "s");
    let rounds = (0..5).map(|_| {
        let start = (Instant::now(), cpu());
        prove_once(&key, &sample);
        (start.0.elapsed().as_secs_f64(), cpu() - start.1)
    });
    let (wall, cpu): (Vec<_>, Vec<_>) = rounds.unzip();
    line("next proofs", median(wall), "s");
    line("next proofs, CPU", median(cpu), "s");
    line("constraints", keys::constraint_count(circuit).unwrap() as f64, "");
    // With the sample's own leaves and trees, which are most of it for a million records.
    line("most memory", resident("VmHWM"), "MB");
    line("memory before the key was read", before, "MB");
}

fn prove_once(key: &ProvingKey, sample: &support::Sample) -> (Statement, Proof) {
    if key.circuit() == Circuit::Statistic {
        let (statement, witness) = sample.statistic("bench");
        return (statement, prove(key, &statement, &witness).unwrap());
    }
    let (statement, witness) = sample.job("bench");
    (statement, prove(key, &statement, &witness).unwrap())
}

fn verifying() {
    let key = VerifyingKey::pinned(Tier::Small).unwrap();
    let words: Vec<[u8; 32]> = include_str!("../pinned/provenance-1-small.json")
        .split("\"0x")
        .skip(1)
        .map(|rest| hex::decode(&rest[..64]).unwrap().try_into().unwrap())
        .collect();
    let statement = Statement::from_words(words[28..34].try_into().unwrap()).unwrap();
    let proof = Proof::from_words(words[34..].try_into().unwrap()).unwrap();
    // Processor time, which a busy machine does not stretch; it is counted in hundredths of a second.
    let time = |rounds: u32, run: &dyn Fn()| {
        let start = cpu();
        (0..rounds).for_each(|_| run());
        (cpu() - start) / f64::from(rounds) * 1e3
    };
    let wall = median((0..21).map(|_| {
        let start = Instant::now();
        verify(&key, &statement, &proof).unwrap();
        start.elapsed().as_secs_f64() * 1e3
    }));
    let single = time(400, &|| verify(&key, &statement, &proof).unwrap());
    let batch = vec![(statement, proof); 64];
    let each = time(20, &|| verify_batch(&key, &batch).unwrap()) / 64.0;
    line("verify", wall, "ms");
    line("verify, CPU", single, "ms");
    line("verify in a batch of 64, CPU each", each, "ms");
    line("batch to single", each / single, "×");
}

fn trees(records: u64) {
    let start = (Instant::now(), cpu());
    let leaves: Vec<_> = (0..records).map(support::leaf).collect();
    line("records made up", start.0.elapsed().as_secs_f64(), "s");
    let start = (Instant::now(), cpu());
    let hashes = Leaf::hash_all(&leaves, &mut |_, _| ());
    line("leaf, CPU each", (cpu() - start.1) / records as f64 * 1e6, "µs");
    let few = &leaves[..leaves.len().min(50_000)];
    let start = cpu();
    assert!(few.iter().map(Leaf::hash).eq(hashes[..few.len()].iter().copied()));
    line("leaf alone, CPU each", (cpu() - start) / few.len() as f64 * 1e6, "µs");
    let start = (Instant::now(), cpu());
    let mut tree = Tree::build(Tier::for_count(records).unwrap(), hashes, &mut |_, _| ()).unwrap();
    line("tree", start.0.elapsed().as_secs_f64(), "s");
    line("nodes, CPU for each record", (cpu() - start.1) / records as f64 * 1e6, "µs");
    let leaf = support::leaf(records).hash();
    let start = Instant::now();
    tree.append(&[leaf]).unwrap();
    line("append one", start.elapsed().as_secs_f64() * 1e6, "µs");
}

fn line(name: &str, value: f64, unit: &str) {
    println!("{name}\t{value:.4}\t{unit}");
}

fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Seconds of processor time that this process has used, all threads.
fn cpu() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let after_name = stat.rsplit_once(')').unwrap().1;
    let fields: Vec<f64> = after_name.split_whitespace().filter_map(|field| field.parse().ok()).collect();
    // User and system time in ticks of a hundredth of a second; the state's letter is not among the numbers.
    (fields[10] + fields[11]) / 100.0
}

/// Memory that this process has resident (`VmRSS`) or had at most (`VmHWM`), in megabytes.
fn resident(name: &str) -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(name)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() / 1024.0
}
