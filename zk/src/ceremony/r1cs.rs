//! A circuit as iden3's `.r1cs`, and a solved one as `.wtns`.

use ark_ff::{BigInteger, PrimeField};
use ark_relations::utils::matrix::Matrix;
use zeroize::Zeroizing;

use super::sections::Writer;
use crate::{Circuit, Field, Result, circuit::Relation, keys::Constraints, proof::solve, statement::Statement};

/// The circuit for `snarkjs groth16 setup`.
///
/// # Errors
/// [`crate::Error::Circuit`] when the circuit cannot be built.
pub fn r1cs(circuit: impl Into<Circuit>) -> Result<Vec<u8>> {
    Ok(encode(&Constraints::of(circuit.into())?))
}

/// Every wire's value for `snarkjs groth16 prove`. **Holds every secret of the witness.**
///
/// # Errors
/// As [`crate::proof::prove`].
pub fn wtns(circuit: impl Into<Circuit>, statement: &Statement, witness: &impl Relation) -> Result<Zeroizing<Vec<u8>>> {
    let circuit = circuit.into();
    witness.check(circuit, statement)?;
    let values = Zeroizing::new(solve(circuit, statement, witness)?);
    Ok(Zeroizing::new(encode_values(&values)))
}

pub(super) fn encode(constraints: &Constraints) -> Vec<u8> {
    let mut header = 32u32.to_le_bytes().to_vec();
    header.extend(element(Field::MODULUS));
    // Wires, public outputs, public inputs, private inputs.
    for number in [constraints.wires, 0, constraints.inputs - 1, constraints.wires - constraints.inputs] {
        header.extend((number as u32).to_le_bytes());
    }
    header.extend((constraints.wires as u64).to_le_bytes());
    header.extend((constraints.count as u32).to_le_bytes());
    let mut body = Vec::new();
    for row in 0..constraints.count {
        constraints.matrices.iter().for_each(|matrix| write_terms(&mut body, matrix, row));
    }
    let labels: Vec<u8> = (0..constraints.wires as u64).flat_map(u64::to_le_bytes).collect();
    let mut file = Writer::new(b"r1cs", 1, 3);
    file.section(1, &header);
    file.section(2, &body);
    file.section(3, &labels);
    file.finish()
}

fn write_terms(body: &mut Vec<u8>, matrix: &Matrix<Field>, row: usize) {
    body.extend((matrix[row].len() as u32).to_le_bytes());
    for (factor, wire) in &matrix[row] {
        body.extend((*wire as u32).to_le_bytes());
        body.extend(element(factor.into_bigint()));
    }
}

pub(super) fn encode_values(values: &[Field]) -> Vec<u8> {
    let mut header = 32u32.to_le_bytes().to_vec();
    header.extend(element(Field::MODULUS));
    header.extend((values.len() as u32).to_le_bytes());
    let body: Vec<u8> = values.iter().flat_map(|value| element(value.into_bigint())).collect();
    let mut file = Writer::new(b"wtns", 2, 2);
    file.section(1, &header);
    file.section(2, &body);
    file.finish()
}

fn element(number: impl BigInteger) -> Vec<u8> {
    number.to_bytes_le()
}
