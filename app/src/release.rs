//! Released fields: the values of a record that leave with its row. Numbers, yes or no, and days; never free text.
//!
//! The owner names them when the dataset is created, the manifest names them in public, and the output gate checks each
//! value again before it is sealed. The row's digest covers them, so the output's root commits to them too.

use std::collections::BTreeMap;

use provenance::manifest::FieldKind;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::record::{self, Record, TEXT_FIELD, Value};

/// The name that stands for the day of the record's own time.
pub const TIME_FIELD: &str = "time";
/// Bytes that one released value takes with its name, at most: a name has 64, the longest value is a day.
pub const MAX_VALUE_BYTES: u64 = 64 + 2 + 11;
/// Digits on each side of a decimal's point, at most.
const MAX_DIGITS: usize = 15;

/// A value that may leave.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Released {
    /// Yes or no.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A decimal number.
    Number(f64),
    /// A day such as `2024-01-31`.
    Day(String),
}

/// The released values of one record by field; what a record lacks is left out.
pub type Fields = BTreeMap<String, Released>;

impl Released {
    /// What `value` gives; none for free text and for nothing.
    fn of(value: &Value) -> Option<Self> {
        match value {
            Value::Null => None,
            Value::Bool(value) => Some(Self::Bool(*value)),
            Value::Int(value) => Some(Self::Int(*value)),
            Value::Text(text) => decimal(text).map(Self::Number).or_else(|| day(text).then(|| Self::Day(text.clone()))),
        }
    }

    /// The type that a manifest names.
    fn kind(&self) -> FieldKind {
        match self {
            Self::Bool(_) => FieldKind::Boolean,
            Self::Int(_) => FieldKind::Integer,
            Self::Number(_) => FieldKind::Number,
            Self::Day(_) => FieldKind::Day,
        }
    }

    /// Whether it is what it says: a finite number, a day of the calendar.
    fn stands(&self) -> bool {
        match self {
            Self::Bool(_) | Self::Int(_) => true,
            Self::Number(number) => number.is_finite(),
            Self::Day(text) => day(text),
        }
    }
}

/// The number of a text such as `-12.50`: digits, a point, digits, and no leading zeros, which mark a name.
fn decimal(text: &str) -> Option<f64> {
    let (whole, fraction) = text.strip_prefix('-').unwrap_or(text).split_once('.')?;
    let digits = |part: &str| (1..=MAX_DIGITS).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
    let plain = digits(whole) && digits(fraction) && (whole == "0" || !whole.starts_with('0'));
    plain.then(|| text.parse().ok()).flatten()
}

fn day(text: &str) -> bool {
    text.parse::<provenance::manifest::Day>().is_ok()
}

/// The values of `record` under `names`.
///
/// # Errors
/// `Refused` for a value that is free text, with the field's name and never the value.
pub fn of(record: &Record, names: &[String]) -> Result<Fields> {
    let mut fields = Fields::new();
    for name in names {
        if name == TIME_FIELD {
            if let Some(time) = record.time {
                fields.insert(name.clone(), Released::Day(crate::time::day_of(time)?));
            }
            continue;
        }
        match record.fields.get(name) {
            None | Some(Value::Null) => {}
            Some(value) => {
                let released = Released::of(value).ok_or_else(|| free_text(name))?;
                fields.insert(name.clone(), released);
            }
        }
    }
    Ok(fields)
}

/// The type of each released field over all records.
///
/// # Errors
/// `Refused` for a field with free text or with values of several types; `NotFound` for one that is empty in all records.
pub fn kinds(records: &[Record], names: &[String]) -> Result<BTreeMap<String, FieldKind>> {
    let mut kinds: BTreeMap<String, FieldKind> = BTreeMap::new();
    for record in records {
        for (name, value) in of(record, names)? {
            let kind = value.kind();
            let known = kinds.entry(name.clone()).or_insert(kind);
            *known = match (*known, kind) {
                (known, kind) if known == kind => kind,
                (FieldKind::Integer | FieldKind::Number, FieldKind::Integer | FieldKind::Number) => FieldKind::Number,
                _ => {
                    return Err(Error::refused(format!("the field {name:?} holds values of several types"))
                        .hint("A released field holds numbers only, days only, or true and false only."));
                }
            };
        }
    }
    match names.iter().find(|name| !kinds.contains_key(*name)) {
        Some(empty) => Err(Error::not_found(format!("no selected record has a value for {empty:?} to release"))),
        None => Ok(kinds),
    }
}

fn free_text(name: &str) -> Error {
    Error::refused(format!("the field {name:?} holds free text, which never leaves"))
        .hint("Only numbers, true or false, and days such as 2024-01-31 can be released.")
}

/// Refuses names that cannot be released from records whose fields are `included`.
///
/// # Errors
/// `Refused` for the text; `NotFound` for a field that is not included; `Usage` where `time` could mean two things.
pub fn check_names(names: &[String], included: &[String]) -> Result<()> {
    for name in names {
        if name == TEXT_FIELD {
            return Err(free_text(name));
        }
        if name == TIME_FIELD && included.contains(name) {
            return Err(Error::usage("the records have a field called `time` beside their own time")
                .hint("Leave that field out with --field to release the day of the record."));
        }
        if name != TIME_FIELD && !included.contains(name) {
            return Err(Error::not_found(format!("the dataset does not include a field {name:?} to release"))
                .hint(format!("It includes: {}.", included.join(", "))));
        }
        if name.len() > record::MAX_FIELD_NAME_BYTES.min(64) {
            return Err(Error::usage("a released field's name has at most 64 bytes"));
        }
    }
    Ok(())
}

/// The bytes that a row's digest covers and the package carries: DAG-CBOR, nothing at all for no fields.
///
/// # Errors
/// `Failure` where they cannot be encoded.
pub fn to_bytes(fields: &Fields) -> Result<Vec<u8>> {
    if fields.is_empty() {
        return Ok(Vec::new());
    }
    serde_ipld_dagcbor::to_vec(fields).map_err(|e| Error::failure(format!("encoding released fields: {e}")))
}

/// Reads what [`to_bytes`] wrote.
///
/// # Errors
/// `Integrity` for other bytes, and for a value that is neither a number, nor yes or no, nor a day.
pub fn from_bytes(bytes: &[u8]) -> Result<Fields> {
    if bytes.is_empty() {
        return Ok(Fields::new());
    }
    let fields: Fields = serde_ipld_dagcbor::from_slice(bytes)
        .map_err(|_| Error::integrity("a row's released fields are not in their encoding"))?;
    if !fields.values().all(Released::stands) || to_bytes(&fields)? != bytes {
        return Err(Error::integrity("a row's released fields hold something that is no number and no day"));
    }
    Ok(fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(field: &str, value: Value) -> Record {
        let mut record = Record::new("usufruct/row@1", "s");
        record.time = Some(86_400);
        record.text = Some("Never to leave.".into());
        record.fields.insert(field.into(), value);
        record
    }

    fn released(value: Value) -> Option<Released> {
        of(&record("f", value), &["f".into()]).ok().and_then(|mut fields| fields.remove("f"))
    }

    #[test]
    fn numbers_and_days_are_released() {
        for (value, expected) in [
            (Value::Int(i64::MIN), Released::Int(i64::MIN)),
            (Value::Bool(true), Released::Bool(true)),
            ("-12.50".into(), Released::Number(-12.5)),
            ("0.1".into(), Released::Number(0.1)),
            ("2024-02-29".into(), Released::Day("2024-02-29".into())),
        ] {
            assert_eq!(released(value), Some(expected));
        }
    }

    #[test]
    fn free_text_is_refused_whatever_it_looks_like() {
        for text in [
            "hello",
            "2023-02-29",
            "007",
            "00.5",
            "1.",
            ".5",
            "1e9",
            "NaN",
            "inf",
            "1.5 kg",
            " 1.5",
            "1.5\n",
            "+1.5",
            "١.٥",
            "1234567890123456.5",
            "0.1234567890123456",
            "2024-02-29T00:00:00Z",
            "99999999999999999999",
            "",
        ] {
            let refused = of(&record("f", text.into()), &["f".into()]);
            let said = refused.expect_err(text).message;
            assert!(said.contains("\"f\"") && (text.is_empty() || !said.contains(text)), "{said}");
        }
    }

    #[test]
    fn nothing_else_of_a_record_is_released() {
        let fields = of(&record("n", Value::Int(7)), &["time".into(), "absent".into()]).unwrap();
        assert_eq!(fields, Fields::from([("time".into(), Released::Day("1970-01-02".into()))]));
        assert_eq!(of(&record("n", Value::Null), &["n".into()]).unwrap(), Fields::new());
    }

    #[test]
    fn kinds_over_records_are_one_a_field() {
        let all = |values: &[Value]| {
            let records: Vec<Record> = values.iter().map(|value| record("f", value.clone())).collect();
            kinds(&records, &["f".into()]).map(|mut kinds| kinds.remove("f"))
        };
        assert_eq!(all(&[Value::Int(1), "2.5".into(), Value::Null]).unwrap(), Some(FieldKind::Number));
        assert_eq!(all(&["2024-01-31".into()]).unwrap(), Some(FieldKind::Day));
        for mixed in [vec![Value::Int(1), Value::Bool(true)], vec!["2024-01-31".into(), "2.5".into()]] {
            assert!(all(&mixed).unwrap_err().message.contains("several types"));
        }
        assert!(all(&[Value::Null]).unwrap_err().message.contains("no selected record"));
        assert!(all(&["one of many".into(), Value::Int(1)]).is_err());
    }

    #[test]
    fn names_that_cannot_be_released_are_refused() {
        let included = ["text".to_owned(), "n".to_owned()];
        assert!(check_names(&["n".into(), "time".into()], &included).is_ok());
        for name in ["text", "absent", ""] {
            assert!(check_names(&[name.into()], &included).is_err(), "{name}");
        }
        assert!(check_names(&["time".into()], &["time".into()]).is_err());
    }

    #[test]
    fn bytes_read_back_and_others_are_refused() {
        let fields = Fields::from([
            ("a".into(), Released::Int(-3)),
            ("b".into(), Released::Number(2.0)),
            ("c".into(), Released::Day("2024-01-31".into())),
            ("d".into(), Released::Bool(false)),
        ]);
        let bytes = to_bytes(&fields).unwrap();
        assert_eq!(from_bytes(&bytes).unwrap(), fields);
        let json = serde_json::to_string(&fields).unwrap();
        assert_eq!(serde_json::from_str::<Fields>(&json).unwrap(), fields);
        for length in 1..bytes.len() {
            assert!(from_bytes(&bytes[..length]).is_err());
        }
        let smuggled = serde_ipld_dagcbor::to_vec(&BTreeMap::from([("a", "a secret")])).unwrap();
        assert!(from_bytes(&smuggled).is_err());
        // Another spelling of an empty map.
        assert!(from_bytes(&[0xa0]).is_err());
        let nested = serde_ipld_dagcbor::to_vec(&BTreeMap::from([("a", vec![1])])).unwrap();
        assert!(from_bytes(&nested).is_err());
    }
}
