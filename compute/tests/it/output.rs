//! The output file: one way to write it, everything else refused.

use compute::output::{MAX_DIMENSION, cosine, from_safetensors, row_bytes, to_safetensors};
use compute::{Dtype, Error, Output};
use proptest::prelude::*;
use safetensors::tensor::TensorView;

fn small() -> Output {
    let rows = vec![row_bytes(&[1.0, -2.5, 0.0]), row_bytes(&[0.25, f32::MIN_POSITIVE, 3.0])];
    Output { rows, dimension: 3, dtype: Dtype::F32 }
}

fn refused(file: &[u8]) -> String {
    match from_safetensors(file) {
        Err(Error::Output { reason }) => reason,
        other => panic!("{other:?}"),
    }
}

#[test]
fn row_bytes_are_little_endian() {
    assert_eq!(row_bytes(&[1.0, -2.0]), [0, 0, 0x80, 0x3f, 0, 0, 0, 0xc0]);
}

#[test]
fn cosine_of_rows_is_that_of_their_directions() {
    let row = |values: &[f32]| Dtype::Int8.row(values);
    let (east, north) = (row(&[1.0, 0.0]), row(&[0.0, 1.0]));
    assert_eq!(cosine(&east, &east), 1.0);
    assert_eq!(cosine(&east, &north), 0.0);
    assert_eq!(cosine(&east, &row(&[-0.2, 0.0])), -1.0);
    assert!((cosine(&east, &row(&[3.0, 3.0])) - 0.5f32.sqrt()).abs() < 1e-6);
    assert_eq!(cosine(&east, &row(&[0.0, 0.0])), 0.0);
    assert_eq!(cosine(&[], &[]), 0.0);
    // No sum over the widest row is too great.
    let widest = vec![129u8; MAX_DIMENSION];
    assert_eq!(cosine(&widest, &widest), 1.0);
}

#[test]
fn file_has_one_fixed_layout() {
    let file = to_safetensors(&small()).unwrap();
    let header = r#"{"__metadata__":{"format":"pt"},"embeddings":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]}}"#;
    let padded = header.len().next_multiple_of(8);
    assert_eq!(file[..8], (padded as u64).to_le_bytes());
    assert_eq!(std::str::from_utf8(&file[8..8 + padded]).unwrap().trim_end(), header);
    assert_eq!(file[8 + padded..], small().rows.concat());
}

#[test]
fn file_reads_back_and_by_the_safetensors_crate() {
    let file = to_safetensors(&small()).unwrap();
    assert_eq!(from_safetensors(&file).unwrap(), small());
    let parsed = safetensors::SafeTensors::deserialize(&file).unwrap();
    assert_eq!(parsed.tensor("embeddings").unwrap().shape(), [2, 3]);
}

#[test]
fn file_cut_short_or_extended_is_refused() {
    let mut file = to_safetensors(&small()).unwrap();
    for length in [0, 7, 8, 50, file.len() - 1] {
        refused(&file[..length]);
    }
    file.push(0);
    refused(&file);
}

#[test]
fn file_with_a_second_tensor_is_refused() {
    let bytes = [0u8; 24];
    let view = || TensorView::new(safetensors::Dtype::F32, vec![2, 3], &bytes).unwrap();
    let file = safetensors::serialize([("embeddings", view()), ("more", view())], None).unwrap();
    assert!(refused(&file).contains("2 tensors"));
}

#[test]
fn file_with_another_name_type_or_rank_is_refused() {
    let bytes = [0u8; 24];
    for (name, dtype, shape) in [
        ("vectors", safetensors::Dtype::F32, vec![2, 3]),
        ("embeddings", safetensors::Dtype::I32, vec![2, 3]),
        ("embeddings", safetensors::Dtype::F32, vec![6]),
        ("embeddings", safetensors::Dtype::F32, vec![1, 2, 3]),
    ] {
        let view = TensorView::new(dtype, shape, &bytes).unwrap();
        refused(&safetensors::serialize([(name, view)], None).unwrap());
    }
}

#[test]
fn file_with_other_metadata_is_refused() {
    let bytes = small().rows.concat();
    let view = TensorView::new(safetensors::Dtype::F32, vec![2, 3], &bytes).unwrap();
    let note = Some([("note".to_owned(), "something else".to_owned())].into());
    let file = safetensors::serialize([("embeddings", view)], note).unwrap();
    assert!(refused(&file).contains("one accepted way"));
}

#[test]
fn value_that_is_not_finite_is_refused_both_ways() {
    for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let mut output = small();
        output.rows[1] = row_bytes(&[0.0, value, 0.0]);
        assert!(matches!(to_safetensors(&output), Err(Error::NotFinite { row: 1 })));
        let mut file = to_safetensors(&small()).unwrap();
        let end = file.len();
        file[end - 8..end - 4].copy_from_slice(&value.to_le_bytes());
        assert!(matches!(from_safetensors(&file), Err(Error::NotFinite { row: 1 })));
    }
}

#[test]
fn output_of_a_wrong_size_is_refused() {
    let mut output = small();
    output.rows[1].pop();
    assert!(matches!(to_safetensors(&output), Err(Error::Output { .. })));
    let empty = Output { rows: Vec::new(), ..small() };
    assert!(matches!(to_safetensors(&empty), Err(Error::Rows { .. })));
    let flat = Output { rows: vec![Vec::new()], dimension: 0, dtype: Dtype::F32 };
    assert!(matches!(to_safetensors(&flat), Err(Error::Output { .. })));
}

#[test]
fn halves_are_rounded_to_the_nearest() {
    // Above 1, a half's steps are 2^-10; 1 + 2^-11 is a tie and goes to the even 1.
    let row = Dtype::F16.row(&[1.0, -2.0, 1.000_488_3, 1.0005, 65_504.0]);
    assert_eq!(row, [0, 0x3c, 0, 0xc0, 0, 0x3c, 1, 0x3c, 0xff, 0x7b]);
    assert_eq!(Dtype::F16.numbers(&row), [1.0, -2.0, 1.0, 1.000_976_6, 65_504.0]);
}

#[test]
fn whole_numbers_reach_to_127_and_are_rounded_to_the_nearest() {
    let row = Dtype::Int8.row(&[0.5, -0.25, 0.001, -0.003, 0.0]);
    assert_eq!(Dtype::Int8.numbers(&row), [127.0, -64.0, 0.0, -1.0, 0.0]);
    assert_eq!(Dtype::Int8.numbers(&Dtype::Int8.row(&[-3e-9, 1e-9])), [-127.0, 42.0]);
    assert_eq!(Dtype::Int8.row(&[0.0, 0.0]), [0, 0]);
}

fn of(dtype: Dtype) -> Output {
    let rows = vec![dtype.row(&[0.6, -0.8, 0.0, 1e-3]), dtype.row(&[0.5, -0.5, 0.5, 0.5])];
    Output { rows, dimension: 4, dtype }
}

#[test]
fn files_of_every_type_read_back() {
    for (dtype, name, bytes) in [(Dtype::F16, "F16", 16), (Dtype::Int8, "I8", 8)] {
        let file = to_safetensors(&of(dtype)).unwrap();
        assert_eq!(from_safetensors(&file).unwrap(), of(dtype));
        let said = format!(r#""dtype":"{name}","shape":[2,4],"data_offsets":[0,{bytes}]"#);
        assert!(String::from_utf8_lossy(&file).contains(&said));
        let parsed = safetensors::SafeTensors::deserialize(&file).unwrap();
        assert_eq!(parsed.tensor("embeddings").unwrap().shape(), [2, 4]);
    }
}

#[test]
fn rows_of_another_type_are_refused() {
    for (dtype, other) in [(Dtype::F32, Dtype::F16), (Dtype::F16, Dtype::Int8), (Dtype::Int8, Dtype::F32)] {
        assert!(matches!(to_safetensors(&Output { dtype: other, ..of(dtype) }), Err(Error::Output { .. })));
    }
}

#[test]
fn halves_that_are_not_finite_are_refused() {
    for half in [[0, 0x7c], [0, 0xfc], [1, 0x7e]] {
        let mut output = of(Dtype::F16);
        output.rows[1][2..4].copy_from_slice(&half);
        assert!(matches!(to_safetensors(&output), Err(Error::NotFinite { row: 1 })));
    }
}

#[test]
fn whole_numbers_of_another_scale_are_refused() {
    for row in [[0u8; 4], [126, 0, 0, 1], [0x80, 0, 0, 127], *b"text"] {
        let mut output = of(Dtype::Int8);
        output.rows[1] = row.to_vec();
        assert!(matches!(to_safetensors(&output), Err(Error::Output { .. })), "{row:?}");
    }
}

proptest! {
    #[test]
    fn file_with_a_changed_byte_is_refused_or_holds_the_changed_value(at in 0usize..136, flip in 1u8..=255) {
        let mut file = to_safetensors(&small()).unwrap();
        let at = at % file.len();
        file[at] ^= flip;
        if let Ok(read) = from_safetensors(&file) {
            prop_assert!(at >= file.len() - 24);
            prop_assert_eq!(to_safetensors(&read).unwrap(), file);
        }
    }
}
