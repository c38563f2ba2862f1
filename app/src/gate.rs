//! The output gate: what may leave the machine for a job, checked before it is sealed. It stands outside the code that
//! computes, and shows the owner the same facts before approval.

use compute::template::embed::{self, Long, MAX_WINDOWS};
use compute::template::statistic;
use compute::template::train::{Metrics, Params, Shape};
use compute::{Dtype, Output};
use provenance::exchange::MAX_PACKAGE;
use zk::statistic::Answer;

use crate::error::{Error, Result};
use crate::labels::Labels;
use crate::worker::task::TrainAnswer;
use crate::worker::wire::Place;
use crate::{budget, release};

/// Bytes that one record may give, at most: the widest row a model here produces.
const MAX_ROW_BYTES: u64 = 4 * 4096;
/// Bytes of a package besides rows, salts and leaves, at most.
const PACKAGE_HEAD: u64 = 1024;

/// Bytes of a record's training-use row, and of what is written around the numbers of a training run, at most.
const TRAINING_ROW: u64 = 16;
const TRAINING_HEAD: u64 = 1 << 17;

/// How far the square of a row's length may be from 1: rounding, and no more.
const UNIT_WITHIN: f64 = 1e-3;

/// What every row in int8 reaches to, on one side or the other.
const INT8_MAX: f32 = 127.0;

/// What the rows of an `embed` job are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowShape {
    /// Numbers in a row.
    pub dimension: u64,
    /// Their type.
    pub dtype: Dtype,
}

impl RowShape {
    /// Bytes of a row.
    pub fn width(&self) -> u64 {
        self.dimension.saturating_mul(self.dtype.bytes() as u64)
    }
}

/// What an `embed` job will let out, in plain words, before it runs. `released` are the fields that leave with each row.
pub fn preview(records: u64, shape: RowShape, params: &embed::Params, released: &[String]) -> Vec<String> {
    let fields = match released {
        [] => "no text, no fields, no logs, no timings".to_owned(),
        names => format!(
            "with each row the record's own value of {}: numbers, true or false, or days. No text, no other field, no logs, no timings",
            names.join(", ")
        ),
    };
    vec![
        format!(
            "{records} rows of {} numbers ({}), one for each record: {} bytes, sealed and padded to whole MiB",
            shape.dimension,
            shape.dtype.word(),
            records * shape.width()
        ),
        long(params),
        "a salted commitment to each record (nothing can be read from it)".to_owned(),
        "the name of the model, and whether a CPU or a GPU computed it".to_owned(),
        fields,
        "an embedding is data: much of a text can be recovered from it. No privacy budget protects it".to_owned(),
    ]
}

/// What is read of a long record.
pub fn long(params: &embed::Params) -> String {
    let tokens = params.max_tokens;
    match params.long {
        Long::Windows => format!(
            "a record of more than {tokens} tokens is read in windows of {tokens}, {MAX_WINDOWS} at most; its row is the weighted \
            mean of theirs (rule windows@1)"
        ),
        Long::First => format!("of a record of more than {tokens} tokens the first {tokens} are read (rule first@1)"),
    }
}

/// What a `train` job will let out, in plain words, before it runs. `budget` is what it spends and what is left before it,
/// in millionths of epsilon.
pub fn preview_training(
    params: &Params,
    shape: &Shape,
    labels: &Labels,
    records: u64,
    budget: Option<(u64, u64)>,
) -> Vec<String> {
    let what = if shape.has_adapters() { "low-rank adapters and a linear head" } else { "a linear head" };
    let classes = labels.classes.len();
    let mut leaves = vec![
        format!(
            "{what} that tell {:?} ({classes} classes), learned from {records} records: {} numbers, {} bytes, sealed and padded to whole MiB",
            labels.field,
            shape.numbers(),
            4 * shape.numbers()
        ),
        "a salted commitment to what training did with each record (nothing can be read from it); the rows stay here"
            .to_owned(),
        "the name of the model, and whether a CPU or a GPU computed it".to_owned(),
        long(&embed::Params { max_tokens: params.max_tokens, long: Long::First, ..embed::Params::default() }),
    ];
    let counts = params.privacy.as_ref().and_then(|privacy| privacy.evaluation_noise);
    leaves.push(match (&params.privacy, counts) {
        (None, _) => "mean losses and the accuracy on a held-back tenth of the records".to_owned(),
        (Some(_), None) => "no measured number; no text, no field, no logs, no timings".to_owned(),
        (Some(_), Some(noise)) => format!("two counts of held-back records, right and wrong, with noise of {noise}"),
    });
    leaves.push(match budget {
        Some((spends, left)) => format!(
            "differential privacy: it spends {} of the dataset's privacy budget; {} is left before it. The spending counts even if the run fails",
            budget::shown(spends),
            budget::shown(left)
        ),
        None => "no differential privacy: at worst, weights tell who is in the data, or give back pieces of a record"
            .to_owned(),
    });
    leaves
}

/// That the dataset is as large as the terms ask for.
///
/// # Errors
/// `Refused` where it is smaller.
pub fn least(records: u64, min_records: u32) -> Result<()> {
    if records >= u64::from(min_records) {
        return Ok(());
    }
    Err(Error::refused(format!("the terms ask for at least {min_records} records and the dataset has {records}")))
}

/// Bytes that a training run gives, at most: its numbers and rows, and what is written around them.
pub fn training_bytes(shape: &Shape, records: u64) -> u64 {
    4 * shape.numbers() + TRAINING_ROW * records + TRAINING_HEAD
}

/// Lets a training run pass: files of the declared shapes with finite numbers, the declared metrics, a row for each record.
/// The metrics are written anew, so that nothing but their values gets through.
///
/// # Errors
/// `Refused` where something is not what was declared.
pub fn pass_training(
    trained: &mut TrainAnswer,
    shape: &Shape,
    params: &Params,
    classes: &[String],
    records: u64,
) -> Result<()> {
    let refused = |why: &dyn std::fmt::Display| Error::refused(format!("the output gate let nothing out: {why}"));
    shape.check_adapters(trained.adapters.as_ref().map(|file| file.as_slice())).map_err(|e| refused(&e))?;
    shape.check_head(&trained.head).map_err(|e| refused(&e))?;
    let metrics: Metrics =
        serde_json::from_str(&trained.metrics).map_err(|_| refused(&"the metrics are not those that were declared"))?;
    metrics.check(params, classes, records).map_err(|e| refused(&e))?;
    trained.metrics = serde_json::to_string(&metrics).map_err(|e| refused(&e))?;
    let rows = trained.rows.chunks(TRAINING_ROW as usize).map(<[u8]>::to_vec).collect::<Vec<_>>();
    if rows.len() as u64 != records {
        return refuse(format!("{} rows for {records} records", rows.len()));
    }
    Output { rows, dimension: 4, dtype: Dtype::F32 }.check().map_err(|e| refused(&e))
}

/// What a `statistic` job will let out, in plain words, before it runs. `served` where the answer was given before.
pub fn preview_statistic(field: &str, least: u32, served: bool) -> Vec<String> {
    vec![
        format!(
            "how many records have a number in the field {field}, the sum of the numbers, and how many fall into each of 16 bins, \
            sealed and padded to whole MiB"
        ),
        format!(
            "no group of fewer than {least} values: smaller bins are merged. Minimum and maximum only as the bin edges of the manifest"
        ),
        "no single record, no text, no other field, no logs, no timings".to_owned(),
        "it is exact: no privacy budget protects it. Who knows all numbers but one learns that one from the sum"
            .to_owned(),
        if served {
            "the same answer that was given before over this dataset version".to_owned()
        } else {
            "one answer is given over this dataset version; whoever licenses it later gets the same".to_owned()
        },
    ]
}

/// That the rows, with a salt, a leaf and `released` fields each, fit one package.
///
/// # Errors
/// `Refused` where they do not: said before anything is computed.
pub fn fits(records: u64, shape: RowShape, released: u64) -> Result<()> {
    let fields = records * released * release::MAX_VALUE_BYTES;
    let size = records * shape.width() + records * 70 + fields + PACKAGE_HEAD;
    if size <= MAX_PACKAGE {
        return Ok(());
    }
    let dimension = shape.dimension;
    Err(Error::refused(format!("{records} rows of {dimension} numbers do not fit one output of {MAX_PACKAGE} bytes"))
        .hint("Offer a smaller dataset, or ask for --dtype int8."))
}

/// What may be said of where it was computed: one of three words, not the name that a driver or a worker gave.
pub fn device(place: &Place) -> &'static str {
    match (place.gpu, place.software) {
        (false, _) => "a CPU",
        (true, false) => "a GPU",
        (true, true) => "a GPU in software",
    }
}

/// Lets an output pass.
///
/// # Errors
/// `Refused` where it is not what was declared: a row for each record, each as [`pass_rows`] asks, and at least as many
/// records as the terms ask for.
pub fn pass(output: &Output, records: u64, shape: RowShape, min_records: u32) -> Result<()> {
    if records < u64::from(min_records) {
        return refuse(format!("the terms ask for at least {min_records} records and the dataset has {records}"));
    }
    if output.rows.len() as u64 != records {
        return refuse(format!("{} rows for {records} records", output.rows.len()));
    }
    output.rows.iter().enumerate().try_for_each(|(position, row)| pass_rows(row, position, 1, shape))
}

/// Lets `count` rows pass that follow each other in one piece, the first at `position`.
///
/// # Errors
/// `Refused` where a row is not so many finite numbers of that type that make a vector of length 1; in int8, a direction that
/// reaches to 127.
pub fn pass_rows(rows: &[u8], position: usize, count: usize, shape: RowShape) -> Result<()> {
    let width = shape.width();
    if width == 0 || width > MAX_ROW_BYTES {
        return refuse(format!("a row of {width} bytes; the most is {MAX_ROW_BYTES}"));
    }
    if rows.len() as u64 != count as u64 * width {
        return refuse(format!("{} bytes for {count} rows of {width} bytes from row {position} on", rows.len()));
    }
    for (number, row) in rows.chunks_exact(width as usize).enumerate() {
        let (row, values) = (position + number, shape.dtype.numbers(row));
        if !values.iter().all(|value| value.is_finite()) {
            return refuse(format!("row {row} holds something that is no number"));
        }
        let length: f64 = values.iter().map(|value| f64::from(*value) * f64::from(*value)).sum();
        let most = values.iter().fold(0f32, |most, value| most.max(value.abs()));
        match shape.dtype {
            Dtype::F32 | Dtype::F16 if (length - 1.0).abs() > UNIT_WITHIN => {
                return refuse(format!("row {row} is no vector of length 1"));
            }
            Dtype::Int8 if most != INT8_MAX => return refuse(format!("row {row} does not reach to {INT8_MAX}")),
            _ => {}
        }
    }
    Ok(())
}

fn refuse<T>(why: String) -> Result<T> {
    Err(Error::refused(format!("the output gate let nothing out: {why}")))
}

/// Lets the released fields pass, as the bytes that would leave: one entry a row, or none at all.
///
/// # Errors
/// `Refused` where a row has more than its owner released: another field, free text, or too many bytes.
pub fn pass_fields(fields: &[Vec<u8>], records: u64, released: &[String]) -> Result<()> {
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

/// Lets an answer pass: the one that the proof will show, about enough values, in groups that are large enough.
///
/// # Errors
/// `Refused` where it is not.
pub fn pass_statistic(answer: &statistic::Answer, proven: &Answer, records: u64, min_records: u32) -> Result<()> {
    let refuse = |why: String| Err(Error::refused(format!("the output gate let nothing out: {why}")));
    if (answer.count, answer.sum, answer.groups) != (proven.count, proven.sum, proven.groups) {
        return refuse("the answer is not the one that the proof would show".to_owned());
    }
    let least = min_records.max(1);
    if records < u64::from(least) || answer.count < least {
        return refuse(format!("the terms ask for at least {least} records with a value; there are {}", answer.count));
    }
    if let Some(small) = answer.groups.iter().find(|group| **group > 0 && **group < least) {
        return refuse(format!("a group of {small} values; the terms ask for at least {least}"));
    }
    if u64::from(answer.count) > records || answer.groups.iter().sum::<u32>() != answer.count {
        return refuse("the groups do not hold each value once".to_owned());
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

    const SHAPE: RowShape = RowShape { dimension: 8, dtype: Dtype::F32 };

    fn of(dtype: Dtype) -> RowShape {
        RowShape { dtype, ..SHAPE }
    }

    fn unit(dtype: Dtype) -> Vec<u8> {
        dtype.row(&[0.6, 0.0, 0.0, -0.8, 0.0, 0.0, 0.0, 0.0])
    }

    fn output(rows: &[Vec<u8>], dtype: Dtype) -> Output {
        Output { rows: rows.to_vec(), dimension: 8, dtype }
    }

    /// That ten rows pass, and do not with the fourth changed like this; what the gate said.
    fn refused_of(dtype: Dtype, change: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut rows = vec![unit(dtype); 10];
        pass(&output(&rows, dtype), 10, of(dtype), 10).unwrap();
        change(&mut rows[3]);
        pass(&output(&rows, dtype), 10, of(dtype), 10).unwrap_err().message
    }

    fn refused(change: impl FnOnce(&mut Vec<u8>)) -> String {
        refused_of(Dtype::F32, change)
    }

    #[test]
    fn rows_of_another_shape_are_refused() {
        assert!(refused(|row| row.truncate(28)).contains("28 bytes for 1 rows of 32 bytes from row 3"));
        assert!(refused(|row| row.push(0)).contains("33 bytes"));
        assert!(refused(Vec::clear).contains("0 bytes"));
        let rows = output(&vec![unit(Dtype::F32); 10], Dtype::F32);
        for (records, dimension) in [(9, 8), (11, 8), (10, 7), (10, 9), (10, 0), (10, 1 << 40), (10, u64::MAX)] {
            assert!(pass(&rows, records, RowShape { dimension, ..SHAPE }, 1).is_err(), "{records} {dimension}");
        }
    }

    #[test]
    fn rows_of_another_type_are_refused() {
        let all = [Dtype::F32, Dtype::F16, Dtype::Int8];
        for (asked, given) in all.into_iter().flat_map(|asked| all.map(|given| (asked, given))) {
            let passed = pass(&output(&vec![unit(given); 10], given), 10, of(asked), 1);
            assert_eq!(passed.is_ok(), asked == given, "{asked:?} {given:?}");
        }
        // As many bytes as were asked for, of another type.
        for (asked, given) in [(Dtype::F16, Dtype::F32), (Dtype::Int8, Dtype::F32), (Dtype::F32, Dtype::F16)] {
            assert!(
                refused_of(asked, |row| *row = unit(given).into_iter().cycle().take(row.len()).collect())
                    .contains("row 3")
            );
        }
    }

    #[test]
    fn rows_that_are_no_unit_vectors_are_refused() {
        for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            assert!(refused(|row| row[4..8].copy_from_slice(&value.to_le_bytes())).contains("row 3 holds something"));
        }
        for value in [0f32, 1.1, -0.9, 1e30] {
            assert!(refused(|row| row[..4].copy_from_slice(&value.to_le_bytes())).contains("row 3 is no vector"));
        }
        let text = b"my bank is in Zurich, my number is 41";
        assert!(refused(|row| row.copy_from_slice(&text[..32])).contains("row 3"));
    }

    #[test]
    fn small_rows_that_are_no_unit_vectors_are_refused() {
        for half in [[0, 0x7c], [0, 0xfc], [1, 0x7e]] {
            assert!(refused_of(Dtype::F16, |row| row[2..4].copy_from_slice(&half)).contains("row 3 holds something"));
        }
        for half in [[0, 0], [0, 0x3c], [0xff, 0x7b]] {
            assert!(refused_of(Dtype::F16, |row| row[..2].copy_from_slice(&half)).contains("row 3 is no vector"));
        }
        for whole in [0u8, 126, 0x82, 0x80] {
            assert!(refused_of(Dtype::Int8, |row| row[3] = whole).contains("row 3 does not reach"), "{whole}");
        }
        let text = b"my bank is in Zurich, my number is 41";
        assert!(refused_of(Dtype::F16, |row| row.copy_from_slice(&text[..16])).contains("row 3"));
        assert!(refused_of(Dtype::Int8, |row| row.copy_from_slice(&text[..8])).contains("row 3"));
    }

    #[test]
    fn preview_says_type_bytes_and_what_is_read_of_long_records() {
        for (dtype, said) in [(Dtype::F32, "(f32)"), (Dtype::F16, "(f16)"), (Dtype::Int8, "(int8)")] {
            let params = embed::Params { dtype, ..embed::Params::default() };
            let leaves = preview(10, of(dtype), &params, &[]).join("\n");
            assert!(leaves.contains(said) && leaves.contains(&format!("{} bytes", 80 * dtype.bytes())), "{leaves}");
            assert!(leaves.contains("windows of 256, 32 at most") && leaves.contains("windows@1"), "{leaves}");
        }
        assert!(long(&embed::Params { long: Long::First, ..embed::Params::default() }).contains("first@1"));
    }

    #[test]
    fn outputs_of_fewer_records_than_the_terms_ask_for_are_refused() {
        let rows = output(&vec![unit(Dtype::F32); 10], Dtype::F32);
        assert!(pass(&rows, 10, SHAPE, 11).unwrap_err().message.contains("at least 11"));
    }

    #[test]
    fn outputs_over_the_quota_are_refused_before_they_are_computed() {
        let shape = |dtype| RowShape { dimension: 384, dtype };
        fits(1000, shape(Dtype::F32), 0).unwrap();
        let full = MAX_PACKAGE / 4 / 384;
        assert!(fits(full, shape(Dtype::F32), 0).is_err());
        fits(full, shape(Dtype::F16), 0).unwrap();
        assert!(fits(4 * full, shape(Dtype::Int8), 0).is_err());
        assert!(fits(1 << 21, shape(Dtype::Int8), 32).is_err());
    }

    #[test]
    fn device_is_one_of_three_words() {
        let place = |gpu, software| Place { gpu, software, name: "my bank is in Zurich".into() };
        assert_eq!(device(&place(false, true)), "a CPU");
        assert_eq!(device(&place(true, false)), "a GPU");
        assert_eq!(device(&place(true, true)), "a GPU in software");
    }

    #[test]
    fn statistics_pass_only_as_proven_and_in_large_groups() {
        let edges: Vec<i32> = (0..17).map(|edge| edge * 10).collect();
        let bins = zk::statistic::Bins::new(&edges).unwrap();
        let values = [5, 6, 7, 25, 26, 27, 28];
        let proven = Answer::compute(values, bins, 3).unwrap();
        let answer = statistic::Answer { count: proven.count, sum: proven.sum, groups: proven.groups };
        assert!(pass_statistic(&answer, &proven, 9, 3).is_ok());
        let spoils: [fn(&mut statistic::Answer); 4] = [
            |answer| answer.count += 1,
            |answer| answer.sum -= 1,
            |answer| answer.groups.swap(0, 1),
            |answer| answer.groups[15] = 0,
        ];
        for spoil in spoils {
            let mut other = answer.clone();
            spoil(&mut other);
            assert!(pass_statistic(&other, &proven, 9, 3).is_err());
        }
        // More values than records, a smallest group that these have not, fewer values than the terms ask for.
        for (records, least) in [(6, 3), (9, 4), (9, 8)] {
            assert!(pass_statistic(&answer, &proven, records, least).is_err(), "{records} {least}");
        }
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
