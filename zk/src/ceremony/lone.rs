//! A key as `.zkey` that no ceremony made: **insecure**, to measure snarkjs beside this prover without hours of set-up.

use ark_bn254::{Bn254, Fq, G1Affine, G2Affine};
use ark_ff::{BigInteger, PrimeField};
use ark_groth16::ProvingKey;

use super::{Snarkjs, sections::Writer};
use crate::{
    Circuit, Field, Result,
    keys::{Constraints, seeded},
};

/// **Insecure.** A key for a circuit as snarkjs takes it, made here from a fixed seed: whoever reads this line can forge
/// proofs for it. No program of this project takes it for more than a measurement.
///
/// # Errors
/// [`crate::Error::Circuit`] when the circuit cannot be built.
pub fn insecure_zkey(circuit: impl Into<Circuit>) -> Result<Vec<u8>> {
    let circuit = circuit.into();
    let key = seeded::<Snarkjs>(circuit, "insecure key to measure snarkjs with")?;
    Ok(encode(&key, &Constraints::of(circuit)?))
}

/// What `zkey.rs` reads.
pub(super) fn encode(key: &ProvingKey<Bn254>, constraints: &Constraints) -> Vec<u8> {
    let vk = &key.vk;
    let mut header = Vec::new();
    for modulus in [Fq::MODULUS, Field::MODULUS] {
        header.extend(32u32.to_le_bytes());
        header.extend(modulus.to_bytes_le());
    }
    let domain = (constraints.count + constraints.inputs).next_power_of_two();
    for number in [constraints.wires, constraints.inputs - 1, domain] {
        header.extend((number as u32).to_le_bytes());
    }
    header.extend([g1(&[vk.alpha_g1, key.beta_g1]), g2(&[vk.beta_g2, vk.gamma_g2])].concat());
    header.extend([g1(&[key.delta_g1]), g2(&[vk.delta_g2])].concat());
    let mut file = Writer::new(b"zkey", 1, 9);
    file.section(1, &1u32.to_le_bytes());
    file.section(2, &header);
    file.section(3, &g1(&vk.gamma_abc_g1));
    file.section(4, &coefficients(constraints));
    file.section(5, &g1(&key.a_query));
    file.section(6, &g1(&key.b_g1_query));
    file.section(7, &g2(&key.b_g2_query));
    file.section(8, &g1(&key.l_query));
    file.section(9, &g1(&key.h_query));
    file.finish()
}

/// The first two matrices, then a row for the constant and each public input; values times 2^512.
fn coefficients(constraints: &Constraints) -> Vec<u8> {
    let rows = |number: usize| {
        let rows = constraints.matrices[number].iter().enumerate();
        rows.flat_map(move |(row, terms)| terms.iter().map(move |(factor, wire)| (number, row, *wire, *factor)))
    };
    let inputs = (0..constraints.inputs).map(|input| (0, constraints.count + input, input, Field::from(1u64)));
    let all: Vec<_> = rows(0).chain(rows(1)).chain(inputs).collect();
    let mut bytes = (all.len() as u32).to_le_bytes().to_vec();
    for (matrix, row, wire, factor) in all {
        for number in [matrix, row, wire] {
            bytes.extend((number as u32).to_le_bytes());
        }
        bytes.extend((factor * Field::new_unchecked(Field::R2)).0.to_bytes_le());
    }
    bytes
}

fn g1(points: &[G1Affine]) -> Vec<u8> {
    points.iter().flat_map(|point| [point.x, point.y].map(stored).concat()).collect()
}

fn g2(points: &[G2Affine]) -> Vec<u8> {
    points.iter().flat_map(|p| [p.x.c0, p.x.c1, p.y.c0, p.y.c1].map(stored).concat()).collect()
}

/// A coordinate in Montgomery's form.
fn stored(coordinate: Fq) -> Vec<u8> {
    coordinate.0.to_bytes_le()
}
