//! A ceremony's `.zkey` as a proving key.

use ark_bn254::{Bn254, Fq, Fq2, G1Affine, G2Affine};
use ark_ec::AffineRepr;
use ark_ff::{BigInteger, BigInteger256, PrimeField};

use super::sections::{Reader, refused, section};
use crate::{
    Circuit, Field, Result,
    keys::{Constraints, ProvingKey},
};

const MAGIC: &[u8; 4] = b"zkey";

type Key = ark_groth16::ProvingKey<Bn254>;

/// The proving key that a ceremony made for a circuit. Its constraints must be this program's, and its verifying key
/// passes the linter. Whether the ceremony was honest is for `snarkjs zkey verify` to say, against the circuit's
/// `.r1cs` and the first phase's `.ptau`.
///
/// # Errors
/// [`crate::Error::Key`] for bytes that are not a Groth16 key over BN254, a key for other constraints, points off their
/// curve, or a rule of the linter broken.
pub fn proving_key(circuit: impl Into<Circuit>, zkey: &[u8]) -> Result<ProvingKey> {
    let circuit = circuit.into();
    let key = read(zkey, &Constraints::of(circuit)?)?;
    ProvingKey::of_ceremony(circuit, key)
}

pub(super) fn read(zkey: &[u8], constraints: &Constraints) -> Result<Key> {
    if section(zkey, MAGIC, 1)? != 1u32.to_le_bytes() {
        return Err(refused("the .zkey file is not for Groth16"));
    }
    let mut header = Reader { bytes: section(zkey, MAGIC, 2)? };
    for modulus in [Fq::MODULUS.to_bytes_le(), Field::MODULUS.to_bytes_le()] {
        if header.u32()? != 32 || header.take(32)? != modulus {
            return Err(refused("the .zkey file is not over BN254"));
        }
    }
    let (wires, inputs, domain) = (header.u32()? as usize, header.u32()? as usize + 1, header.u32()? as usize);
    let due = (constraints.wires, constraints.inputs, (constraints.count + constraints.inputs).next_power_of_two());
    if (wires, inputs, domain) != due || !same_constraints(zkey, constraints)? {
        return Err(refused("the .zkey file is for other constraints: export the .r1cs again and repeat the setup"));
    }
    let (alpha_g1, beta_g1, beta_g2) = (g1(&mut header)?, g1(&mut header)?, g2(&mut header)?);
    let (gamma_g2, delta_g1, delta_g2) = (g2(&mut header)?, g1(&mut header)?, g2(&mut header)?);
    let many = |number| many_g1(section(zkey, MAGIC, number)?);
    let mut b_g2 = Reader { bytes: section(zkey, MAGIC, 7)? };
    let key = Key {
        vk: ark_groth16::VerifyingKey { alpha_g1, beta_g2, gamma_g2, delta_g2, gamma_abc_g1: many(3)? },
        beta_g1,
        delta_g1,
        a_query: many(5)?,
        b_g1_query: many(6)?,
        b_g2_query: (0..wires).map(|_| g2(&mut b_g2)).collect::<Result<_>>()?,
        h_query: many(9)?,
        l_query: many(8)?,
    };
    let lengths = [key.a_query.len(), key.b_g1_query.len(), key.l_query.len() + inputs, key.h_query.len()];
    if lengths != [wires, wires, wires, domain] || key.vk.gamma_abc_g1.len() != inputs {
        return Err(refused("the .zkey file does not hold as many points as it says"));
    }
    Ok(key)
}

/// Whether the key's coefficients are those of the first two matrices, and after them one row for each public input.
fn same_constraints(zkey: &[u8], constraints: &Constraints) -> Result<bool> {
    let mut rest = Reader { bytes: section(zkey, MAGIC, 4)? };
    let length = rest.u32()? as usize;
    let mut found = Vec::with_capacity(length);
    for _ in 0..length {
        let place = (rest.u32()?, rest.u32()?, rest.u32()?);
        // Stored times 2^512: two steps out of Montgomery's form.
        let once = Field::new_unchecked(integer(rest.array()?)).into_bigint();
        found.push((place, Field::new_unchecked(once)));
    }
    let mut due: Vec<_> = (0..constraints.inputs)
        .map(|input| ((0, (constraints.count + input) as u32, input as u32), Field::from(1u64)))
        .collect();
    for (number, matrix) in constraints.matrices[..2].iter().enumerate() {
        for (row, terms) in matrix.iter().enumerate() {
            due.extend(terms.iter().map(|(factor, wire)| ((number as u32, row as u32, *wire as u32), *factor)));
        }
    }
    found.sort_unstable_by_key(|(place, _)| *place);
    due.sort_unstable_by_key(|(place, _)| *place);
    Ok(found == due)
}

fn many_g1(bytes: &[u8]) -> Result<Vec<G1Affine>> {
    let mut rest = Reader { bytes };
    let mut points = Vec::with_capacity(bytes.len() / 64);
    while !rest.bytes.is_empty() {
        points.push(g1(&mut rest)?);
    }
    Ok(points)
}

fn g1(rest: &mut Reader<'_>) -> Result<G1Affine> {
    let (x, y) = (coordinate(rest)?, coordinate(rest)?);
    if x == Fq::from(0u64) && y == Fq::from(0u64) {
        return Ok(G1Affine::zero());
    }
    let point = G1Affine::new_unchecked(x, y);
    if point.is_on_curve() { Ok(point) } else { Err(refused("a point of the .zkey file is off its curve")) }
}

fn g2(rest: &mut Reader<'_>) -> Result<G2Affine> {
    let x = Fq2::new(coordinate(rest)?, coordinate(rest)?);
    let y = Fq2::new(coordinate(rest)?, coordinate(rest)?);
    if x == Fq2::from(0u64) && y == Fq2::from(0u64) {
        return Ok(G2Affine::zero());
    }
    let point = G2Affine::new_unchecked(x, y);
    if point.is_on_curve() { Ok(point) } else { Err(refused("a point of the .zkey file is off its curve")) }
}

/// A coordinate in Montgomery's form, as snarkjs stores it.
fn coordinate(rest: &mut Reader<'_>) -> Result<Fq> {
    let number = integer(rest.array()?);
    if number >= Fq::MODULUS {
        return Err(refused("a coordinate of the .zkey file is not below the base field's modulus"));
    }
    Ok(Fq::new_unchecked(number))
}

fn integer(bytes: [u8; 32]) -> BigInteger256 {
    let mut words = [0u64; 4];
    for (word, chunk) in words.iter_mut().zip(bytes.as_chunks::<8>().0) {
        *word = u64::from_le_bytes(*chunk);
    }
    BigInteger256::new(words)
}
