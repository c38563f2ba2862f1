//! The way to production keys: circuits out as `.r1cs`, keys of a ceremony in as `.zkey`.
//!
//! A ceremony is run by several people with `snarkjs`, an outside program: as long as one of them forgets what they
//! drew, nobody can forge proofs. The formats are iden3's binary ones (<https://github.com/iden3/r1csfile>,
//! <https://github.com/iden3/snarkjs>): little-endian, a magic word, numbered sections.

mod lone;
mod qap;
mod r1cs;
mod sections;
mod zkey;

pub use lone::insecure_zkey;
pub(crate) use qap::Snarkjs;
pub use r1cs::{r1cs, wtns};
pub use zkey::proving_key;

#[cfg(test)]
mod tests;
