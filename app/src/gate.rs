//! The output gate: what may leave the machine for a job, checked before it is sealed. It stands outside the code that
//! computes, and shows the owner the same facts before approval.

use compute::Output;
use provenance::exchange::MAX_PACKAGE;

use crate::error::{Error, Result};

/// Bytes that one record may give, at most: the widest row a model here produces.
const MAX_ROW_BYTES: u64 = 4 * 4096;
/// Bytes of a package besides rows, salts and leaves, at most.
const PACKAGE_HEAD: u64 = 1024;

/// What an `embed` job will let out, in plain words, before it runs.
pub fn preview(records: u64, dimension: u64) -> Vec<String> {
    vec![
        format!(
            "{records} rows of {dimension} numbers, one for each record: {} bytes, sealed and padded to whole MiB",
            rows_bytes(records, dimension)
        ),
        "a salted commitment to each record (nothing can be read from it)".to_owned(),
        "the name of the model and of the device".to_owned(),
        "no text, no fields, no logs, no timings".to_owned(),
        "an embedding is data: much of a text can be recovered from it. No privacy budget protects it".to_owned(),
    ]
}

/// That the rows, with a salt and a leaf each, fit one package.
///
/// # Errors
/// `Refused` where they do not: said before anything is computed.
pub fn fits(records: u64, dimension: u64) -> Result<()> {
    let size = rows_bytes(records, dimension) + records * 64 + PACKAGE_HEAD;
    if size <= MAX_PACKAGE {
        return Ok(());
    }
    Err(Error::refused(format!("{records} rows of {dimension} numbers do not fit one output of {MAX_PACKAGE} bytes"))
        .hint("Offer a smaller dataset."))
}

/// Bytes of the rows alone.
pub fn rows_bytes(records: u64, dimension: u64) -> u64 {
    records * dimension * 4
}

/// Lets an output pass.
///
/// # Errors
/// `Refused` where it is not what was declared: a row for each record, rows of one width, numbers only, and at least as
/// many records as the terms ask for.
pub fn pass(output: &Output, records: u64, dimension: u64, min_records: u32) -> Result<()> {
    let refuse = |why: String| Err(Error::refused(format!("the output gate let nothing out: {why}")));
    if records < u64::from(min_records) {
        return refuse(format!("the terms ask for at least {min_records} records and the dataset has {records}"));
    }
    if output.rows.len() as u64 != records {
        return refuse(format!("{} rows for {records} records", output.rows.len()));
    }
    let width = dimension * 4;
    if width > MAX_ROW_BYTES {
        return refuse(format!("a row of {width} bytes; the most is {MAX_ROW_BYTES}"));
    }
    for (position, row) in output.rows.iter().enumerate() {
        if row.len() as u64 != width {
            return refuse(format!("row {position} has {} bytes; {width} were declared", row.len()));
        }
        if !row.chunks_exact(4).all(|four| f32::from_le_bytes([four[0], four[1], four[2], four[3]]).is_finite()) {
            return refuse(format!("row {position} holds something that is no number"));
        }
    }
    Ok(())
}
