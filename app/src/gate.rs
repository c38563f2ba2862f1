//! The output gate: what may leave the machine for a job, checked before it is sealed. It stands outside the code that
//! computes, and shows the owner the same facts before approval.

use compute::Output;
use provenance::exchange::MAX_PACKAGE;

use crate::error::{Error, Result};
use crate::release;

/// Bytes that one record may give, at most: the widest row a model here produces.
const MAX_ROW_BYTES: u64 = 4 * 4096;
/// Bytes of a package besides rows, salts and leaves, at most.
const PACKAGE_HEAD: u64 = 1024;

/// What an `embed` job will let out, in plain words, before it runs. `released` are the fields that leave with each row.
pub fn preview(records: u64, dimension: u64, released: &[String]) -> Vec<String> {
    let fields = match released {
        [] => "no text, no fields, no logs, no timings".to_owned(),
        names => format!(
            "with each row the record's own value of {}: numbers, true or false, or days. No text, no other field, no logs, no timings",
            names.join(", ")
        ),
    };
    vec![
        format!(
            "{records} rows of {dimension} numbers, one for each record: {} bytes, sealed and padded to whole MiB",
            rows_bytes(records, dimension)
        ),
        "a salted commitment to each record (nothing can be read from it)".to_owned(),
        "the name of the model and of the device".to_owned(),
        fields,
        "an embedding is data: much of a text can be recovered from it. No privacy budget protects it".to_owned(),
    ]
}

/// That the rows, with a salt, a leaf and `released` fields each, fit one package.
///
/// # Errors
/// `Refused` where they do not: said before anything is computed.
pub fn fits(records: u64, dimension: u64, released: u64) -> Result<()> {
    let fields = records * released * release::MAX_VALUE_BYTES;
    let size = rows_bytes(records, dimension) + records * 70 + fields + PACKAGE_HEAD;
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

/// Lets the released fields pass, as the bytes that would leave: one entry a row, or none at all.
///
/// # Errors
/// `Refused` where a row has more than its owner released: another field, free text, or too many bytes.
pub fn pass_fields(fields: &[Vec<u8>], records: u64, released: &[String]) -> Result<()> {
    let refuse = |why: String| Err(Error::refused(format!("the output gate let nothing out: {why}")));
    if released.is_empty() && fields.is_empty() {
        return Ok(());
    }
    if fields.len() as u64 != records {
        return refuse(format!("fields for {} rows of {records}", fields.len()));
    }
    for (position, bytes) in fields.iter().enumerate() {
        if bytes.len() as u64 > 5 + released.len() as u64 * release::MAX_VALUE_BYTES {
            return refuse(format!("the fields of row {position} take {} bytes", bytes.len()));
        }
        let Ok(fields) = release::from_bytes(bytes) else {
            return refuse(format!("the fields of row {position} are not numbers and days only"));
        };
        if let Some(name) = fields.keys().find(|name| !released.contains(name)) {
            return refuse(format!("row {position} has a field {name:?} that was not released"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::release::{Fields, Released};

    fn row(name: &str, value: Released) -> Vec<u8> {
        release::to_bytes(&Fields::from([(name.to_owned(), value)])).unwrap()
    }

    #[test]
    fn released_fields_pass_and_nothing_else_does() {
        let names = ["n".to_owned()];
        let good = row("n", Released::Int(1));
        assert!(pass_fields(&[good.clone(), vec![]], 2, &names).is_ok());
        assert!(pass_fields(&[], 2, &[]).is_ok());
        let secret = Released::Day("my bank is in Zurich".into());
        for bad in [
            vec![good.clone()],
            vec![good.clone(), good.clone(), good.clone()],
            vec![good.clone(), row("other", Released::Int(1))],
            vec![good.clone(), row("n", secret)],
            vec![good.clone(), vec![0; 4096]],
            vec![good.clone(), b"my bank is in Zurich".to_vec()],
        ] {
            let said = pass_fields(&bad, 2, &names).unwrap_err().message;
            assert!(said.contains("gate") && !said.contains("Zurich"), "{said}");
        }
        assert!(pass_fields(std::slice::from_ref(&good), 1, &[]).is_err());
    }
}
