//! The counted field of a dataset: the number of each record that statistics are over, and the edges of their histogram.
//!
//! Both are fixed when the dataset is created: the number stands in the record's leaf, field and edges in the manifest.
//! A number is kept as a whole multiple of `10^-scale`, in 32 bits; nothing is rounded.

use provenance::manifest;
use serde::{Deserialize, Serialize};
use zk::statistic::{BINS, Bins, MAX_RECORDS};

use crate::error::{Error, Result};
use crate::record::{Record, TEXT_FIELD, Value};

/// Digits after the decimal point, at most: what a manifest allows.
const MAX_SCALE: u8 = 9;
/// Digits on each side of a decimal's point, at most.
const MAX_DIGITS: usize = 15;

/// What the owner asked for.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Wanted {
    /// The field.
    pub field: String,
    /// 17 rising numbers with commas between them, or `FIRST..LAST` for 16 bins of one width.
    pub edges: String,
}

/// The counted field of one dataset.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counted {
    /// The field.
    pub field: String,
    /// Digits after the decimal point.
    pub scale: u8,
    /// The 17 edges of the bins, in units of `10^-scale`.
    pub edges: Vec<i32>,
}

impl Counted {
    /// As a manifest has it.
    pub fn to_manifest(&self) -> manifest::Counted {
        manifest::Counted { field: self.field.clone(), scale: self.scale, edges: self.edges.clone() }
    }

    /// The bins between the edges.
    ///
    /// # Errors
    /// `Integrity` where the kept edges are none.
    pub fn bins(&self) -> Result<Bins> {
        Ok(Bins::new(&self.edges)?)
    }

    /// The record's number as its leaf holds it; none where the record has none.
    ///
    /// # Errors
    /// `Refused` for a value that is no number, or too large; the message never has the value.
    pub fn value(&self, record: &Record) -> Result<Option<i32>> {
        let Some(number) = of(record, &self.field)? else { return Ok(None) };
        let value = number.at(self.scale).and_then(|value| i32::try_from(value).ok());
        let (field, scale) = (&self.field, self.scale);
        value.map(Some).ok_or_else(|| {
            Error::refused(format!(
                "a value of the field {field:?} does not fit 32 bits with {scale} digits after the point"
            ))
            .hint("Statistics count whole multiples of the smallest unit, up to about 2,147 million of them.")
        })
    }
}

/// A decimal number: `digits · 10^-scale`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Decimal {
    digits: i128,
    scale: u8,
}

impl Decimal {
    /// Reads `-12.50` or `7`: no exponent, no leading zeros, which mark a name.
    fn parse(text: &str) -> Option<Self> {
        let unsigned = text.strip_prefix('-').unwrap_or(text);
        let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
        let digits = |part: &str| part.len() <= MAX_DIGITS && part.bytes().all(|byte| byte.is_ascii_digit());
        let plain = digits(whole)
            && digits(fraction)
            && !whole.is_empty()
            && unsigned.contains('.') != fraction.is_empty()
            && (whole == "0" || !whole.starts_with('0'));
        let number: i128 = plain.then(|| format!("{whole}{fraction}").parse().ok()).flatten()?;
        let digits = if text.starts_with('-') { -number } else { number };
        Some(Self { digits, scale: fraction.len() as u8 })
    }

    /// The number in units of `10^-scale`; none where that would round it.
    fn at(self, scale: u8) -> Option<i128> {
        let more = scale.checked_sub(self.scale)?;
        self.digits.checked_mul(10i128.pow(more.into()))
    }
}

/// `value · 10^-scale` as a person writes it.
pub fn show(value: i64, scale: u8) -> String {
    let digits = format!("{:0width$}", value.unsigned_abs(), width = usize::from(scale) + 1);
    let (whole, fraction) = digits.split_at(digits.len() - usize::from(scale));
    let sign = if value < 0 { "-" } else { "" };
    if fraction.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") }
}

/// The record's number in `field`; none where it has none.
fn of(record: &Record, field: &str) -> Result<Option<Decimal>> {
    let number = match record.fields.get(field) {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Int(value)) => Some(Decimal { digits: i128::from(*value), scale: 0 }),
        Some(Value::Text(text)) => Decimal::parse(text),
        Some(Value::Bool(_)) => None,
    };
    number.map(Some).ok_or_else(|| {
        Error::refused(format!("the field {field:?} holds something that is no number"))
            .hint("A statistic counts a field of whole or decimal numbers, such as 12 or -3.50; records may lack it.")
    })
}

/// Fixes what the owner asked for over these records, of which the dataset includes the fields `included`.
///
/// # Errors
/// `NotFound` for a field that no record has; `Refused` for values that are not all numbers of 32 bits and for more records
/// than a proof covers; `Usage` for edges that are none.
pub fn declare(wanted: &Wanted, records: &[Record], included: &[String]) -> Result<Counted> {
    let field = &wanted.field;
    if field == TEXT_FIELD || !included.contains(field) {
        let known: Vec<&str> = included.iter().map(String::as_str).filter(|name| *name != TEXT_FIELD).collect();
        return Err(Error::not_found(format!("the dataset does not include a field {field:?} to count"))
            .hint(format!("It includes: {}.", known.join(", "))));
    }
    let count = records.len() as u64;
    if count > MAX_RECORDS {
        return Err(Error::refused(format!("a statistic is proven over at most {MAX_RECORDS} records, not {count}"))
            .hint("Select fewer with --from, --to, --kind or --source, or leave --statistic out."));
    }
    let numbers = records.iter().map(|record| of(record, field)).collect::<Result<Vec<_>>>()?;
    let numbers: Vec<Decimal> = numbers.into_iter().flatten().collect();
    let Some(scale) = numbers.iter().map(|number| number.scale).max() else {
        return Err(Error::not_found(format!("no selected record has a value for {field:?} to count")));
    };
    let (scale, edges) = edges(&wanted.edges, scale)?;
    let counted = Counted { field: field.clone(), scale, edges };
    records.iter().try_for_each(|record| counted.value(record).map(drop))?;
    Ok(counted)
}

/// The scale that edges and values share, and the edges in it.
fn edges(text: &str, scale: u8) -> Result<(u8, Vec<i32>)> {
    let usage = |why: String| {
        Error::usage(why)
            .hint("--edges takes 17 rising numbers with commas between them, or FIRST..LAST, such as 0..160.")
    };
    let read = |part: &str| {
        Decimal::parse(part.trim()).ok_or_else(|| usage(format!("the bin edge {:?} is no number", part.trim())))
    };
    let (given, equal) = match text.split_once("..") {
        Some((first, last)) => (vec![read(first)?, read(last)?], true),
        None => (text.split(',').map(read).collect::<Result<Vec<_>>>()?, false),
    };
    if !equal && given.len() != BINS + 1 {
        return Err(usage(format!("{} bin edges where {} are due", given.len(), BINS + 1)));
    }
    let scale = given.iter().map(|edge| edge.scale).max().unwrap_or(0).max(scale);
    if scale > MAX_SCALE {
        return Err(Error::refused(format!("{scale} digits after the decimal point; a statistic keeps {MAX_SCALE}")));
    }
    let whole: Vec<i128> = given.iter().filter_map(|edge| edge.at(scale)).collect();
    let all: Vec<i128> = match whole[..] {
        [first, last] if equal => {
            let span = |step: usize| (last - first) * step as i128;
            (0..=BINS).map(|step| first + span(step).div_euclid(BINS as i128)).collect()
        }
        _ => whole,
    };
    let edges: Option<Vec<i32>> = all.iter().map(|edge| i32::try_from(*edge).ok()).collect();
    let edges =
        edges.ok_or_else(|| usage(format!("a bin edge does not fit 32 bits with {scale} digits after the point")))?;
    Bins::new(&edges).map_err(|_| usage(format!("the bin edges do not rise in steps of 10^-{scale}")))?;
    Ok((scale, edges))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Code;

    fn records(values: &[Value]) -> Vec<Record> {
        let record = |value: &Value| {
            let mut record = Record::new("usufruct/row@1", "s");
            record.fields.insert("n".into(), value.clone());
            record
        };
        values.iter().map(record).collect()
    }

    fn declared(values: &[Value], edges: &str) -> Result<Counted> {
        let wanted = Wanted { field: "n".into(), edges: edges.into() };
        declare(&wanted, &records(values), &["n".into(), "text".into()])
    }

    #[test]
    fn numbers_share_the_finest_scale() {
        let values = [Value::Int(3), "-1.5".into(), "0.25".into(), Value::Null];
        let counted = declared(&values, "0..16").unwrap();
        assert_eq!((counted.scale, counted.edges[0], counted.edges[16]), (2, 0, 1600));
        let kept: Vec<_> = records(&values).iter().map(|record| counted.value(record).unwrap()).collect();
        assert_eq!(kept, [Some(300), Some(-150), Some(25), None]);
    }

    #[test]
    fn edges_are_seventeen_or_a_span() {
        let listed = (0..17).map(|edge| edge.to_string()).collect::<Vec<_>>().join(", ");
        assert_eq!(declared(&[Value::Int(1)], &listed).unwrap().edges, (0..17).collect::<Vec<_>>());
        assert_eq!(declared(&[Value::Int(1)], "-8..8").unwrap().edges, (-8..9).collect::<Vec<_>>());
        assert_eq!(declared(&[Value::Int(1)], "0..1.6").unwrap().edges[1], 1);
        // Bins of one width round down to whole units.
        assert_eq!(declared(&[Value::Int(1)], "0..20").unwrap().edges[..4], [0, 1, 2, 3]);
    }

    #[test]
    fn edges_that_are_none_are_refused() {
        let falling = (0..17).rev().map(|edge| edge.to_string()).collect::<Vec<_>>().join(",");
        for edges in
            ["", "1", "0..", "..9", "a..b", "0..15", "5..5", "16..0", "0,1,2", "0..1e9", "0..99999999999", &falling]
        {
            let refused = declared(&[Value::Int(1)], edges).unwrap_err();
            assert_eq!(refused.code, Code::Usage, "{edges}: {refused}");
            assert!(refused.hint.is_some_and(|hint| hint.contains("--edges")), "{edges}");
        }
    }

    #[test]
    fn fields_that_are_no_numbers_are_refused_and_not_shown() {
        for value in
            [Value::Bool(true), "a secret".into(), "007".into(), "1e9".into(), "2024-01-31".into(), "1.".into()]
        {
            let shown = value.display().into_owned();
            let refused = declared(&[Value::Int(1), value], "0..16").unwrap_err();
            assert_eq!(refused.code, Code::Refused);
            assert!(!refused.message.contains(&shown), "{refused}");
        }
        for (values, code) in [(vec![Value::Null], Code::NotFound), (vec![Value::Int(1 << 31)], Code::Refused)] {
            assert_eq!(declared(&values, "0..16").unwrap_err().code, code);
        }
        // Fits as a whole number, not in the scale of another value.
        assert!(declared(&[Value::Int(30_000_000)], "0..16").is_ok());
        assert!(declared(&[Value::Int(30_000_000), "0.01".into()], "0..16").is_err());
    }

    #[test]
    fn field_must_be_included_and_records_fit_the_proof() {
        let wanted = |field: &str| Wanted { field: field.into(), edges: "0..16".into() };
        let one = records(&[Value::Int(1)]);
        for field in ["text", "absent", "n"] {
            assert_eq!(declare(&wanted(field), &one, &["text".into()]).unwrap_err().code, Code::NotFound, "{field}");
        }
        let many = |count: usize| records(&vec![Value::Int(1); count]);
        assert!(declare(&wanted("n"), &many(512), &["n".into()]).is_ok());
        let refused = declare(&wanted("n"), &many(513), &["n".into()]).unwrap_err();
        assert_eq!(refused.code, Code::Refused);
        assert!(refused.message.contains("512"));
    }

    #[test]
    fn numbers_are_shown_as_written() {
        for (value, scale, text) in
            [(0, 0, "0"), (7, 0, "7"), (-5, 2, "-0.05"), (12_345, 2, "123.45"), (1, 9, "0.000000001")]
        {
            assert_eq!(show(value, scale), text);
        }
    }
}
