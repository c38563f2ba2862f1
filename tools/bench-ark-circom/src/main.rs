//! Proves a circom circuit with ark-circom and ark-groth16: key read from a `.zkey`, witness from a `.wtns`.
//! Usage: ark-circom-peer KEY WITNESS. Prints name, value and unit, a tab between them.

use std::{fs, io::Cursor};

use ark_bn254::{Bn254, Fr};
use ark_circom::{CircomReduction, read_zkey};
use ark_ff::{PrimeField, UniformRand};
use ark_groth16::{Groth16, prepare_verifying_key};
use ark_std::rand::{SeedableRng, rngs::StdRng};

fn main() {
    let [key, witness] = [1, 2].map(|place| std::env::args().nth(place).expect("KEY and WITNESS"));
    let (key, matrices) = read_zkey(&mut Cursor::new(fs::read(key).expect("the key"))).expect("a .zkey");
    let witness = values(&fs::read(witness).expect("the witness"));
    let (inputs, constraints) = (matrices.num_instance_variables, matrices.num_constraints);
    let matrices = [matrices.a, matrices.b];
    let mut rng = StdRng::seed_from_u64(1);
    let mut prove = || {
        let (r, s) = (Fr::rand(&mut rng), Fr::rand(&mut rng));
        type Prover = Groth16<Bn254, CircomReduction>;
        Prover::create_proof_with_reduction_and_matrices(&key, r, s, &matrices, inputs, constraints, &witness)
            .expect("a proof")
    };
    let proof = prove();
    let holds = Groth16::<Bn254>::verify_proof(&prepare_verifying_key(&key.vk), &proof, &witness[1..inputs]);
    assert!(holds.expect("a statement"), "the proof does not hold");
    let mut times: Vec<f64> = (0..5)
        .map(|_| {
            let start = cpu();
            prove();
            cpu() - start
        })
        .collect();
    times.sort_by(f64::total_cmp);
    println!("proof, CPU\t{:.4}\ts", times[2]);
}

/// The values in the second section of a `.wtns` file.
fn values(file: &[u8]) -> Vec<Fr> {
    let number = |at: usize, length: usize| {
        file[at..at + length].iter().rev().fold(0usize, |number, byte| number << 8 | usize::from(*byte))
    };
    let mut at = 12;
    while number(at, 4) != 2 {
        at += 12 + number(at + 4, 8);
    }
    file[at + 12..][..number(at + 4, 8)].chunks(32).map(Fr::from_le_bytes_mod_order).collect()
}

/// Seconds of processor time that this process has used, all threads, in hundredths.
fn cpu() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").expect("Linux");
    let fields: Vec<&str> = stat.rsplit_once(')').expect("a name").1.split_whitespace().collect();
    let ticks = |place: usize| fields[place].parse::<f64>().expect("a number");
    (ticks(11) + ticks(12)) / 100.0
}
