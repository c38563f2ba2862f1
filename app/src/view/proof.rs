//! Checks, bundles, and what the demo found.

use std::fmt::{self, Display, Formatter};

use serde::Serialize;

use super::bytes;

/// One check of a verification.
#[derive(Serialize, Clone, specta::Type)]
pub struct Check {
    /// What was checked.
    pub name: String,
    /// Whether it holds.
    pub ok: bool,
    /// What it rests on: `verified` here, or `asserted` by the chain facts that the bundle carries.
    pub standing: String,
    /// What was found.
    pub detail: String,
}

impl Display for Check {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let sign = if !self.ok {
            "FAILED"
        } else if self.standing == "asserted" {
            "asserted"
        } else {
            "ok"
        };
        writeln!(f, "{sign:>8}  {}: {}", self.name, self.detail)
    }
}

/// `bundle export`
#[derive(Serialize, specta::Type)]
pub struct Bundle {
    /// The file.
    pub file: String,
    /// Its size.
    pub bytes: u64,
    /// Whether every check of it holds.
    pub valid: bool,
    /// Every check, as `verify` makes them.
    pub checks: Vec<Check>,
}

impl Display for Bundle {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} ({}), {} checks hold", self.file, bytes(self.bytes), self.checks.len())
    }
}

/// `verify`
#[derive(Serialize, specta::Type)]
pub struct Verified {
    /// Whether every check holds.
    pub valid: bool,
    /// What the proof in it says: `bound` or `proven`; see the README.
    pub says: String,
    /// Every check.
    pub checks: Vec<Check>,
}

impl Display for Verified {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.checks.iter().try_for_each(|check| write!(f, "{check}"))?;
        writeln!(f, "{}\nThis shows {}.", if self.valid { "valid" } else { "NOT VALID" }, self.says)
    }
}

/// What proving cost.
#[derive(Serialize)]
pub struct ProofCost {
    /// Constraints of the circuit.
    pub constraints: u64,
    /// Proving, milliseconds.
    pub prove_ms: u64,
    /// Verifying, milliseconds.
    pub verify_ms: u64,
    /// Size on-chain, bytes.
    pub bytes: u64,
}

/// `demo`
#[derive(Serialize)]
pub struct Demo {
    /// Records in the dataset.
    pub records: u64,
    /// Their commitment.
    pub root: String,
    /// The dataset.
    pub dataset_id: String,
    /// The offer.
    pub offer_cid: String,
    /// The license.
    pub license_id: String,
    /// The job.
    pub job_id: String,
    /// Where it ran.
    pub device: String,
    /// With which model.
    pub model: String,
    /// Rows that the consumer got.
    pub output_rows: u64,
    /// Their length.
    pub embedding_dim: u64,
    /// The record positions that were drawn and opened by the proof.
    pub positions: Vec<u64>,
    /// The proof.
    pub proof: ProofCost,
    /// Gas of the settling transaction.
    pub settle_gas: u64,
    /// What the contributor withdrew.
    pub reward: String,
    /// Whether the consumer's bundle verifies.
    pub bundle_valid: bool,
    /// Corrupted proofs, receipts and outputs that were tried and refused.
    pub tamper_rejected: u64,
    /// The whole, seconds.
    pub seconds: f64,
}

impl Display for Demo {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "\n{} records licensed, embedded on {}, proven and paid.", self.records, self.device)?;
        writeln!(f, "  output    {} rows of {} numbers ({})", self.output_rows, self.embedding_dim, self.model)?;
        let drawn: Vec<String> = self.positions.iter().map(u64::to_string).collect();
        writeln!(f, "  drawn     positions {} of {}", drawn.join(", "), self.records)?;
        writeln!(
            f,
            "  proof     {} constraints, proved in {} ms, verified in {} ms, {} bytes",
            self.proof.constraints, self.proof.prove_ms, self.proof.verify_ms, self.proof.bytes
        )?;
        writeln!(f, "  settled   {} gas", self.settle_gas)?;
        writeln!(f, "  reward    {} withdrawn", self.reward)?;
        writeln!(f, "  bundle    {}", if self.bundle_valid { "valid" } else { "NOT VALID" })?;
        writeln!(f, "  tampering {} of {} corruptions refused", self.tamper_rejected, self.tamper_rejected)?;
        writeln!(f, "  time      {:.1} s", self.seconds)
    }
}
