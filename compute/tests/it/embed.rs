//! The `embed` template against sentence-transformers' vectors, on the CPU and on a wgpu adapter.

use compute::template::embed;
use compute::{Choice, Continue, Device, Dtype, Error, Kind, Row};

use crate::support::{Case, Tiny, cosine, difference, embed as run, golden, real, rows};

/// Least cosine with the reference on the CPU and on a GPU.
const CPU_COSINE: f64 = 0.9999;
const GPU_COSINE: f64 = 0.999;
/// Most difference of a unit vector's value between the CPU and a GPU.
const GPU_DIFFERENCE: f32 = 1e-3;

/// The least cosine of the cases' vectors with the reference, which is printed with the text's position.
fn worst(device: &Device, cases: &[Case], dtype: Dtype) -> f64 {
    let params = embed::Params { dtype, ..embed::Params::default() };
    let rows = rows(cases.iter().map(|case| case.text.as_str()));
    let started = std::time::Instant::now();
    let output = embed::run(&real(), device, &params, &rows, &mut |_, _| Continue::Yes).unwrap();
    assert_eq!((output.rows.len(), output.dtype), (cases.len(), dtype));
    let cosine = |(row, case): (usize, &Case)| (cosine(&output.values(row).unwrap(), &case.vector), row);
    let (worst, row) = cases.iter().enumerate().map(cosine).min_by(|left, right| left.0.total_cmp(&right.0)).unwrap();
    let (texts, device, seconds) = (cases.len(), device.name(), started.elapsed().as_secs_f64());
    println!("{texts} texts on {device}, {dtype:?}: least cosine {worst:.7} (text {row}), {seconds:.1} s");
    worst
}

#[test]
fn cpu_vectors_equal_the_reference() {
    let (device, cases) = (Device::open(Choice::Cpu).unwrap(), golden());
    assert_eq!(cases.len(), 200);
    assert!(worst(&device, &cases, Dtype::F32) >= CPU_COSINE);
}

/// A part of the texts, for a software adapter is slow; `COMPUTE_GOLDEN=all` takes all of them.
#[test]
fn gpu_vectors_equal_the_reference() {
    let device = Device::open(Choice::Gpu).expect("no wgpu adapter; on Debian install mesa-vulkan-drivers");
    assert_eq!(device.kind(), Kind::Gpu);
    let mut cases = golden();
    if std::env::var("COMPUTE_GOLDEN").as_deref() != Ok("all") {
        let mut position = 0;
        cases.retain(|case| {
            position += 1;
            case.text.len() < 120 && position % 6 == 1
        });
        assert!(cases.len() > 24, "{}", cases.len());
    }
    assert!(worst(&device, &cases, Dtype::F32) >= GPU_COSINE);
}

#[test]
fn smaller_numbers_stay_close_to_the_reference() {
    let (device, cases) = (Device::open(Choice::Cpu).unwrap(), golden());
    let cases: Vec<Case> = cases.into_iter().filter(|case| case.windows == 1).step_by(4).collect();
    assert!(worst(&device, &cases, Dtype::F16) >= 0.99999);
    assert!(worst(&device, &cases, Dtype::Int8) >= 0.9998);
}

#[test]
fn long_text_has_the_weighted_mean_of_its_windows() {
    let (_folder, model, device) = Tiny::new().ready();
    // Windows of six tokens of the text's own: these three have 6, 6 and 2.
    let params = embed::Params { max_tokens: 8, ..embed::Params::default() };
    let run = |rows: &[Row]| embed::run(&model, &device, &params, rows, &mut |_, _| Continue::Yes).unwrap();
    let parts = ["a b c d e a", "e e d d c c", "b a"];
    let output = run(&[rows([parts.join(" ").as_str()]), rows(parts)].concat());
    let mut mean = vec![0f32; 8];
    for (part, weight) in [(1, 6.0), (2, 6.0), (3, 2.0)] {
        mean.iter_mut().zip(output.values(part).unwrap()).for_each(|(sum, value)| *sum += weight * value);
    }
    let length = mean.iter().map(|value| value * value).sum::<f32>().sqrt();
    mean.iter_mut().for_each(|value| *value /= length);
    assert!(difference(&output.values(0).unwrap(), &mean) < 1e-6);
    assert!(difference(&output.values(0).unwrap(), &output.values(1).unwrap()) > 1e-3);
}

#[test]
fn text_that_fills_its_window_is_one_window() {
    let (_folder, model, device) = Tiny::new().ready();
    let vectors = |long| {
        let params = embed::Params { max_tokens: 8, long, ..embed::Params::default() };
        let rows = rows(["", "a", "a b c d e a", "a b c d e a b"]);
        embed::run(&model, &device, &params, &rows, &mut |_, _| Continue::Yes).unwrap().rows
    };
    let (windows, first) = (vectors(embed::Long::Windows), vectors(embed::Long::First));
    assert_eq!(windows[..3], first[..3]);
    assert_eq!(first[2], first[3]);
    assert_ne!(windows[2], windows[3]);
}

#[test]
fn windows_past_the_last_do_not_count() {
    let (_folder, model, device) = Tiny::new().ready();
    let params = embed::Params { max_tokens: 8, ..embed::Params::default() };
    let full = "a b c d e a ".repeat(embed::MAX_WINDOWS);
    let less = "a b c d e a ".repeat(embed::MAX_WINDOWS - 1);
    let rows = rows([full.clone(), full + "e e e e", less + "e e e e"].iter().map(String::as_str));
    let output = embed::run(&model, &device, &params, &rows, &mut |_, _| Continue::Yes).unwrap();
    assert_eq!(output.rows[0], output.rows[1]);
    assert_ne!(output.rows[0], output.rows[2]);
}

#[test]
fn long_rows_have_the_same_bytes_in_any_company() {
    let (_folder, model, device) = Tiny::new().ready();
    let texts: Vec<String> =
        (0..40).map(|row| "a b c d e b . d ".repeat(row * row % 23) + &"e a ".repeat(row)).collect();
    let rows = rows(texts.iter().map(String::as_str));
    let vectors = |rows: &[Row], batch_rows| {
        let params = embed::Params { max_tokens: 8, batch_rows, ..embed::Params::default() };
        embed::run(&model, &device, &params, rows, &mut |_, _| Continue::Yes).unwrap().rows
    };
    let together = vectors(&rows, 128);
    assert_eq!(vectors(&rows, 3), together);
    for (position, row) in rows.iter().enumerate() {
        assert_eq!(vectors(std::slice::from_ref(row), 7)[0], together[position], "row {position}");
    }
}

#[test]
fn numbers_of_every_type_are_those_of_f32_rounded() {
    let (_folder, model, device) = Tiny::new().ready();
    let rows = rows(["a", "b c", "d e a b c d e a b c d e a b c d e"]);
    let output = |dtype| {
        let params = embed::Params { dtype, ..embed::Params::default() };
        embed::run(&model, &device, &params, &rows, &mut |_, _| Continue::Yes).unwrap()
    };
    let whole = output(Dtype::F32);
    for (dtype, bytes) in [(Dtype::F16, 2), (Dtype::Int8, 1)] {
        let output = output(dtype);
        for row in 0..rows.len() {
            assert_eq!(output.rows[row], dtype.row(&whole.values(row).unwrap()));
            assert_eq!(output.rows[row].len(), 8 * bytes);
            assert!(difference(&output.values(row).unwrap(), &whole.values(row).unwrap()) < 1.0 / 127.0);
        }
    }
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
fn tokens_past_the_first_window_do_not_count_where_the_request_says_so() {
    let (_folder, model, device) = Tiny::new().ready();
    let params = embed::Params { max_tokens: 8, batch_rows: 4, long: embed::Long::First, ..embed::Params::default() };
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

/// What a run over `rows` gives on `device`, and in how many batches.
fn counted(model: &compute::Model, device: &Device, rows: &[Row]) -> (compute::Output, u32) {
    let mut batches = 0;
    let params = embed::Params { batch_rows: 128, ..embed::Params::default() };
    let mut progress = |_, _| {
        batches += 1;
        Continue::Yes
    };
    let output = embed::run(model, device, &params, rows, &mut progress).unwrap();
    (output, batches)
}

#[test]
fn little_memory_gives_small_batches_and_the_same_vectors() {
    let (_folder, model, cpu) = Tiny::new().ready();
    let texts: Vec<String> = (0..40).map(|text| "a b c d e".repeat(1 + text % 3)).collect();
    let rows = rows(texts.iter().map(String::as_str));
    let (whole, one) = counted(&model, &cpu, &rows);
    assert_eq!(one, 1);
    let mut last = one;
    for memory in [1 << 18, 1 << 16, 1 << 14] {
        let (same, batches) = counted(&model, &cpu.clone().within(memory), &rows);
        println!("{memory} bytes: {batches} batches");
        assert!(same == whole && batches > last, "{memory}: {batches} batches");
        last = batches;
    }
    let gpu = Device::open(Choice::Gpu).expect("no wgpu adapter; on Debian install mesa-vulkan-drivers");
    let (there, one) = counted(&model, &gpu, &rows);
    let (same, batches) = counted(&model, &gpu.clone().within(1 << 18), &rows);
    assert!(one == 1 && batches > 3, "{one} {batches}");
    for row in 0..rows.len() {
        let (there, same) = (there.values(row).unwrap(), same.values(row).unwrap());
        assert!(difference(&there, &same) < 1e-5 && difference(&there, &whole.values(row).unwrap()) <= GPU_DIFFERENCE);
    }
}

#[test]
fn device_without_memory_for_one_text_refuses_it_and_goes_on_with_more() {
    let (_folder, model, cpu) = Tiny::new().ready();
    let gpu = Device::open(Choice::Gpu).expect("no wgpu adapter; on Debian install mesa-vulkan-drivers");
    for device in [cpu, gpu] {
        let refused = run(&model, &device.clone().within(1 << 8), 1, &rows(["a b c"])).unwrap_err();
        assert!(matches!(refused, Error::Memory { room: 0..=64, needed: 65.., .. }), "{refused}");
        run(&model, &device, 1, &rows(["a b c"])).unwrap();
    }
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
    // The last one has three windows.
    let rows = rows(["a b", "c", "a b c d e d c b a a b e c d b e b b a c d e a d e b a d c b a e d c a b"]);
    let first = run(&model, &cpu, 2, &rows).unwrap();
    let other = run(&model, &gpu, 2, &rows).unwrap();
    let again = run(&model, &cpu, 2, &rows).unwrap();
    assert_eq!(first, again);
    for position in 0..rows.len() {
        assert!(difference(&first.values(position).unwrap(), &other.values(position).unwrap()) <= GPU_DIFFERENCE);
    }
}
