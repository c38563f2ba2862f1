//! The `embed` template against sentence-transformers' vectors, on the CPU and on a wgpu adapter.

use compute::template::embed;
use compute::{Choice, Continue, Device, Error, Kind, Output};

use crate::support::{Case, Tiny, difference, embed as run, real, reference, rows};

/// Most difference from the reference on the CPU and on a GPU, per value of a unit vector.
const CPU_DIFFERENCE: f32 = 1e-4;
const GPU_DIFFERENCE: f32 = 1e-3;

fn worst(output: &Output, cases: &[Case]) -> f32 {
    assert_eq!(output.rows.len(), cases.len());
    let differences =
        cases.iter().enumerate().map(|(row, case)| difference(&output.values(row).unwrap(), &case.vector));
    differences.fold(0.0, f32::max)
}

#[test]
fn cpu_vectors_equal_the_reference() {
    let (model, device, cases) = (real(), Device::open(Choice::Cpu).unwrap(), reference());
    let output = run(&model, &device, 4, &rows(cases.iter().map(|case| case.text.as_str()))).unwrap();
    let worst = worst(&output, &cases);
    println!("largest difference on {}: {worst:e}", device.name());
    assert!(worst <= CPU_DIFFERENCE, "{worst}");
}

#[test]
fn gpu_vectors_equal_the_reference() {
    let device = Device::open(Choice::Gpu).expect("no wgpu adapter; on Debian install mesa-vulkan-drivers");
    assert_eq!(device.kind(), Kind::Gpu);
    let (model, cases) = (real(), reference());
    let output = run(&model, &device, 4, &rows(cases.iter().map(|case| case.text.as_str()))).unwrap();
    let worst = worst(&output, &cases);
    println!("largest difference on {}: {worst:e}", device.name());
    assert!(worst <= GPU_DIFFERENCE, "{worst}");
}

#[test]
fn rows_in_a_batch_have_on_the_cpu_the_very_bytes_they_have_alone() {
    let (model, device) = (real(), Device::open(Choice::Cpu).unwrap());
    let long = "the almond trees are in bloom and the wind is mild ".repeat(30);
    let rows = rows(["yes", "", "a letter of some length about the weather in the south", &long, "no, not yet"]);
    let together = run(&model, &device, 5, &rows).unwrap();
    for (position, row) in rows.iter().enumerate() {
        let alone = run(&model, &device, 1, std::slice::from_ref(row)).unwrap();
        assert_eq!(alone.rows[0], together.rows[position], "row {position}");
    }
}

#[test]
fn vectors_are_in_the_rows_order_and_of_length_one() {
    let (_folder, model, device) = Tiny::new().ready();
    let texts = ["a b c d e", "", "b", "a a", "e d c", "b", "zzz", "a b c d e a b c d e a b c d e a b c d e"];
    let forward = run(&model, &device, 3, &rows(texts)).unwrap();
    let backward = run(&model, &device, 3, &rows(texts.into_iter().rev())).unwrap();
    for position in 0..texts.len() {
        let vector = forward.values(position).unwrap();
        let length: f64 = vector.iter().map(|value| f64::from(*value).powi(2)).sum();
        assert!((length - 1.0).abs() < 1e-5, "row {position} has length {length}");
        assert_eq!(forward.rows[position], backward.rows[texts.len() - 1 - position], "row {position}");
    }
    assert_eq!(forward.rows[2], forward.rows[5]);
    assert!(difference(&forward.values(0).unwrap(), &forward.values(4).unwrap()) > 1e-3);
}

#[test]
fn same_rows_again_give_the_same_bytes() {
    let (_folder, model, device) = Tiny::new().ready();
    let rows = rows(["a", "b c", "d e a"]);
    assert_eq!(run(&model, &device, 2, &rows).unwrap(), run(&model, &device, 2, &rows).unwrap());
}

#[test]
fn tokens_past_the_limit_do_not_count() {
    let (_folder, model, device) = Tiny::new().ready();
    let params = embed::Params { max_tokens: 8, batch_rows: 4 };
    let rows = rows(["a b c d e a", "a b c d e a b c d", "a b c d e b"]);
    let output = embed::run(&model, &device, &params, &rows, &mut |_, _| Continue::Yes).unwrap();
    assert_eq!(output.rows[0], output.rows[1]);
    assert_ne!(output.rows[0], output.rows[2]);
}

#[test]
fn progress_counts_every_row_once() {
    let (_folder, model, device) = Tiny::new().ready();
    let params = embed::Params { batch_rows: 2, ..embed::Params::default() };
    let mut heard = Vec::new();
    let mut progress = |done, total| {
        heard.push((done, total));
        Continue::Yes
    };
    embed::run(&model, &device, &params, &rows(["a", "b", "c", "d", "e"]), &mut progress).unwrap();
    assert_eq!(heard, [(2, 5), (4, 5), (5, 5)]);
}

#[test]
fn run_that_is_stopped_returns_nothing() {
    let (_folder, model, device) = Tiny::new().ready();
    let params = embed::Params { batch_rows: 1, ..embed::Params::default() };
    let stopped = embed::run(&model, &device, &params, &rows(["a", "b", "c"]), &mut |done, _| {
        if done == 2 { Continue::No } else { Continue::Yes }
    });
    assert!(matches!(stopped, Err(Error::Stopped { done: 2, total: 3 })));
}

#[test]
fn run_without_rows_is_refused() {
    let (_folder, model, device) = Tiny::new().ready();
    assert!(matches!(run(&model, &device, 1, &[]), Err(Error::Rows { .. })));
}

#[test]
fn run_with_parameters_out_of_bounds_is_refused() {
    let (_folder, model, device) = Tiny::new().ready();
    let refused = run(&model, &device, 0, &rows(["a"]));
    assert!(matches!(refused, Err(Error::Parameter { name: "batch_rows", .. })));
}

#[test]
fn values_that_are_not_numbers_fail_the_run_and_name_the_row() {
    let mut tiny = Tiny::new();
    let mut words = vec![0.1f32; 12 * 8];
    // The word `b`, id 5: finite weights whose normalization is not.
    words[5 * 8..6 * 8].copy_from_slice(&[3e38, -3e38, 3e38, -3e38, 3e38, -3e38, 3e38, -3e38]);
    tiny.set("embeddings.word_embeddings.weight", &[12, 8], &words);
    let (_folder, model, device) = tiny.ready();
    run(&model, &device, 1, &rows(["a"])).unwrap();
    let failed = run(&model, &device, 1, &rows(["a", "b"])).unwrap_err();
    assert!(matches!(failed, Error::NotFinite { row: 1 }), "{failed}");
}

#[test]
fn model_moves_between_devices() {
    let (_folder, model, cpu) = Tiny::new().ready();
    let gpu = Device::open(Choice::Gpu).expect("no wgpu adapter; on Debian install mesa-vulkan-drivers");
    let rows = rows(["a b", "c"]);
    let first = run(&model, &cpu, 2, &rows).unwrap();
    let other = run(&model, &gpu, 2, &rows).unwrap();
    let again = run(&model, &cpu, 2, &rows).unwrap();
    assert_eq!(first, again);
    for position in 0..rows.len() {
        assert!(difference(&first.values(position).unwrap(), &other.values(position).unwrap()) <= GPU_DIFFERENCE);
    }
}
