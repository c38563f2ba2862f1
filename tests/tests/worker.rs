//! Jobs and imports in their own, confined processes: that they are, and that a worker which means harm gets nothing out,
//! takes nothing along, and leaves the job to be run again or refunded.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use app::worker::outside::Start;
use app::worker::wire::{Ask, Job, Work};
use app::worker::{Limits, Manner, Worker};
use serde_bytes::ByteBuf;
use serde_json::Value;
use tests::market::{Market, notes};
use tests::{Person, Victim, program, text};

/// What every canary of the hostile worker holds.
const CANARY: &[u8] = b"CANARY";

fn holds(folder: &Path, needle: &[u8]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(holds(&path, needle));
        } else if fs::read(&path).is_ok_and(|bytes| bytes.windows(needle.len()).any(|window| window == needle)) {
            found.push(path);
        }
    }
    found
}

#[test]
fn job_runs_fully_confined() {
    let market = Market::open();
    let (_, job) = market.requested("diary", 10, &[]);
    market.contributor.run(&["job", "approve", &job]);
    let output = market.contributor.command(&["job", "run", &job, "--device", "cpu"]).output().expect("it starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("fully confined (namespaces, privileges, landlock, limits, seccomp;"), "{said}");
}

#[test]
fn hostile_worker_gets_nothing_out_and_the_job_can_be_run_again() {
    let market = Market::open();
    let (_, job) = market.requested("diary", 10, &["--respond-within", "1"]);
    market.contributor.run(&["job", "approve", &job]);
    let run = ["job", "run", &job, "--device", "cpu"];
    let network = &market.contributor.network_home;
    let content = || fs::read_dir(network.join("content")).map(Iterator::count).unwrap_or(0);
    let before = content();
    // Act, and the exit code that it comes to: 6 for an answer that is none, 8 for one that the gate refuses, 1 for none.
    for (act, code) in [
        ("params", 6),
        ("rows", 8),
        ("nan", 8),
        ("infinite", 8),
        ("zero", 8),
        ("short", 6),
        ("row-less", 6),
        ("long", 6),
        ("huge", 6),
        ("nothing", 6),
        ("crash", 1),
        ("abort", 1),
        ("hang", 1),
        ("slow", 1),
        ("truncated", 6),
        ("endless", 6),
        ("announced", 1),
        ("failed", 1),
        ("records", 6),
        ("ready-again", 6),
        ("garbage", 6),
        ("field", 6),
        ("spelling", 6),
        ("behind", 6),
        ("silent-layers", 8),
        ("twice-landlock", 8),
        ("without-landlock", 8),
        ("without-seccomp", 8),
        ("without-limits", 8),
        ("without-privileges", 8),
    ] {
        let (ended, answer, output) = market.contributor.with_hostile(market.folder.path(), act, &run);
        assert_eq!(ended, Some(code), "{act}: {answer:#} {}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(content(), before, "{act} left something in the content store");
        assert!(!output.stdout.contains(&0x1b) && !output.stderr.contains(&0x1b), "{act} moved the cursor");
    }
    assert_eq!(holds(network, CANARY), Vec::<PathBuf>::new());
    assert_eq!(holds(&market.contributor.home, CANARY), Vec::<PathBuf>::new());
    // The same job with the real worker.
    assert_eq!(text(&market.contributor.run(&["job", "show", &job]), "state"), "approved");
    assert_eq!(market.contributor.run(&run)["state"], "drawn");
}

#[test]
fn words_of_a_worker_stay_with_the_owner() {
    let market = Market::open();
    let (_, job) = market.requested("diary", 10, &[]);
    market.contributor.run(&["job", "approve", &job]);
    let run = ["job", "run", &job, "--device", "cpu"];
    let (code, answer, _) = market.contributor.with_hostile(market.folder.path(), "words", &run);
    assert_eq!(code, Some(0), "{answer:#}");
    // Its rows are well formed; the names that it gave are shown to the owner and are nowhere else.
    market.consumer.run(&["job", "accept", &job]);
    market.contributor.run(&["job", "settle", &job]);
    let out = market.received().join("output");
    let fetched = market.consumer.run(&["job", "fetch", &job, "--out", &out.to_string_lossy()]);
    assert!(!fetched.to_string().contains("CANARY"), "{fetched:#}");
    assert!(fs::read_to_string(out.join("README.md")).expect("a file").contains("on a CPU"));
    assert_eq!(holds(&out, CANARY), Vec::<PathBuf>::new());
    assert_eq!(holds(&market.contributor.network_home, CANARY), Vec::<PathBuf>::new());
    let shown = market.consumer.run(&["job", "show", &job]);
    assert!(!shown.to_string().contains("CANARY"), "{shown:#}");
}

#[test]
fn job_whose_worker_failed_is_refunded() {
    let market = Market::open();
    let (_, job) = market.requested("diary", 10, &["--respond-within", "1"]);
    market.contributor.run(&["job", "approve", &job]);
    let run = ["job", "run", &job, "--device", "cpu"];
    assert_eq!(market.contributor.with_hostile(market.folder.path(), "rows", &run).0, Some(8));
    market.wait(3600 + 60);
    assert_eq!(market.consumer.run(&["job", "refund", &job])["state"], "refunded");
    assert_eq!(market.consumer.run(&["reward", "claim"])["claimed"], "2.5 USU");
}

#[test]
fn worker_without_a_layer_gets_no_input_until_its_owner_allows_that() {
    let folder = tempfile::tempdir().expect("a folder");
    let person = Person::new(folder.path(), "person");
    person.run(&["init"]);
    for layer in ["privileges", "landlock", "seccomp", "limits"] {
        let files = folder.path().join(layer);
        notes(&files, layer, 3);
        let import = ["import", &files.to_string_lossy()];
        let without = |args: &[&str]| person.with_worker(&program("usufruct"), &[("TEST_WITHOUT", layer)], args);
        let (code, answer, _) = without(&import);
        assert_eq!(code, Some(8), "{layer}: {answer:#}");
        assert!(answer["error"]["message"].as_str().is_some_and(|said| said.contains(layer)), "{answer:#}");
        person.run(&["worker", "allow", layer]);
        assert_eq!(without(&import).0, Some(0), "{layer} was allowed to be missing");
        person.run(&["worker", "require", layer]);
    }
    assert_eq!(person.run(&["record", "list"])["total"], 12);
    person.fails(2, &["worker", "allow", "hope"]);
    let status = person.run(&["worker", "status"]);
    assert_eq!(status["confined"], true, "{status:#}");
}

#[test]
fn importer_that_dies_of_a_file_names_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let person = Person::new(folder.path(), "person");
    person.run(&["init"]);
    let files = folder.path().join("files");
    notes(&files, "files", 3);
    for act in ["crash", "hang", "garbage", "stranger", "greedy", "nonsense"] {
        let (code, answer, _) =
            person.with_hostile(folder.path(), act, &["import", &files.to_string_lossy(), "--source", "n"]);
        assert_eq!(code, Some(9), "{act}: {answer:#}");
        assert_eq!((&answer["records"], answer["errors"].as_array().map(Vec::len)), (&0.into(), Some(3)), "{act}");
    }
    assert_eq!(person.run(&["record", "list"])["total"], 0);
    person.run(&["import", &files.to_string_lossy(), "--source", "n"]);
    assert_eq!(person.run(&["record", "list"])["total"], 3);
}

#[test]
fn killed_job_goes_on_behind_its_last_batch() {
    let market = Market::open();
    // Three batches of 128.
    let (_, job) = market.requested("diary", 300, &[]);
    market.contributor.run(&["job", "approve", &job]);
    let run = ["job", "run", &job, "--device", "cpu"];
    // Killed in the third batch, first the command and then, in another run, its worker.
    let killed = |victim| market.contributor.killed(market.folder.path(), "last-batch-waits", &run, victim);
    assert_eq!(killed(Victim::Command), None);
    assert_eq!(killed(Victim::Worker), Some(1));
    let output = market.contributor.command(&run).output().expect("it starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    market.consumer.run(&["job", "accept", &job]);
    market.contributor.run(&["job", "settle", &job]);
    let out = market.received().join("output");
    market.consumer.run(&["job", "fetch", &job, "--out", &out.to_string_lossy()]);
    let rows = fs::read(out.join("rows.safetensors")).expect("rows");
    let row = |number: usize| &rows[rows.len() - (300 - number) * 384 * 4..][..8];
    // What the first worker gave was not computed again; the third batch was.
    let first = [1f32.to_le_bytes(), 0f32.to_le_bytes()].concat();
    assert!((0..256).all(|number| row(number) == first), "a finished batch was lost");
    assert!((256..300).all(|number| row(number) != first), "a batch that was not finished was kept");
}

#[test]
fn output_in_smaller_numbers_is_delivered_and_a_hostile_worker_gets_none_through() {
    let market = Market::open();
    market.publish("diary", 10);
    let license = market.license(&market.offer("diary", &["--max-runs", "3"]));
    let mut nearest = Vec::new();
    for (dtype, name, bytes) in [("f16", "F16", 2), ("int8", "I8", 1)] {
        let asked = ["job", "request", &license, "--template", "embed", "--dtype", dtype];
        let job = text(&market.consumer.run(&asked), "job_id");
        let shown = market.contributor.run(&["job", "show", &job]);
        assert_eq!(shown["preview"]["bytes"], 10 * 384 * bytes, "{shown:#}");
        assert!(shown["leaves"].to_string().contains(&format!("({dtype})")), "{shown:#}");
        assert!(shown["leaves"].to_string().contains("windows@1"), "{shown:#}");
        market.contributor.run(&["job", "approve", &job]);
        let run = ["job", "run", &job, "--device", "cpu"];
        for (act, code) in [("rows", 8), ("zero", 8), ("short", 6), ("long", 6), ("other-type", 6), ("other-bytes", 8)]
        {
            let (ended, answer, _) = market.contributor.with_hostile(market.folder.path(), act, &run);
            assert_eq!(ended, Some(code), "{dtype} {act}: {answer:#}");
        }
        assert_eq!(holds(&market.contributor.network_home, CANARY), Vec::<PathBuf>::new());
        assert_eq!(market.contributor.run(&run)["state"], "drawn");
        market.consumer.run(&["job", "accept", &job]);
        market.contributor.run(&["job", "settle", &job]);
        let out = market.received().join(dtype);
        let fetched = market.consumer.run(&["job", "fetch", &job, "--out", &out.to_string_lossy()]);
        assert!(fetched["checks"].as_array().is_some_and(|checks| checks.iter().all(|check| check["ok"] == true)));
        let file = fs::read(out.join("rows.safetensors")).expect("rows");
        let head = String::from_utf8_lossy(&file[8..]).into_owned();
        assert!(head.contains(&format!(r#""dtype":"{name}","shape":[10,384]"#)), "{dtype}");
        let readme = fs::read_to_string(out.join("README.md")).expect("a file");
        assert!(readme.contains("rule windows@1"), "{readme}");
        let code = readme.split("```python\n").nth(1).and_then(|rest| rest.split("```").next()).expect("a snippet");
        let said =
            std::process::Command::new("python3").args(["-c", code]).current_dir(&out).output().expect("python3");
        let said = String::from_utf8_lossy(&said.stdout).trim().to_owned();
        assert!(said.starts_with("[10, 384] nearest to row 0: "), "{dtype}: {said}");
        nearest.push(said);
    }
    assert_eq!(nearest[0], nearest[1]);
    for more in [["--dtype", "f64"], ["--params", r#"{"dtype":"int4"}"#], ["--params", r#"{"long":"windows@2"}"#]] {
        let asked = [&["job", "request", &license, "--template", "embed"][..], &more].concat();
        let output = market.consumer.command(&asked).output().expect("it starts");
        assert_eq!(output.status.code(), Some(2), "{more:?}: {output:?}");
    }
}

/// A worker for `embed` on `device` that may use `memory` bytes.
fn embedder(device: compute::Choice, memory: u64) -> app::error::Result<Worker> {
    let mut worker = open("embed", device, memory)?;
    worker.ask(&Ask::Params(ByteBuf::from(b"{}")), 0)?;
    Ok(worker)
}

/// A worker for a template, without parameters.
fn open(template: &str, device: compute::Choice, memory: u64) -> app::error::Result<Worker> {
    let manner = Manner::of(&program("usufruct"));
    let model = app::model::named("all-MiniLM-L6-v2").expect("the model");
    Worker::start(Start {
        program: &manner.program,
        work: Work::Job(Job {
            template: template.into(),
            model: Some(ByteBuf::from(model.folder.as_os_str().as_bytes())),
            digest: ByteBuf::from(model.digest),
            device,
            adapter: None,
        }),
        limits: Limits { memory, ..Limits::job(3600) },
        allowed: &[],
        without: &[],
        patience: manner.patience,
    })
}

/// The vectors of `rows` by a worker.
fn vectors(worker: &mut Worker, rows: &[String]) -> app::error::Result<Vec<Vec<f32>>> {
    let asked = rows.iter().map(|row| ByteBuf::from(row.as_bytes())).collect();
    let answer = worker.ask(&Ask::Batch(asked), 384 * 4 * rows.len())?;
    Ok(answer.chunks_exact(384 * 4).map(|row| compute::Dtype::F32.numbers(row)).collect())
}

/// Half of this machine's memory, as a job gets.
fn half() -> u64 {
    Limits::job(1).memory
}

/// What a job on a graphics card goes through: driver, device and model are opened and warm before the process is shut in,
/// and every thread that the driver started is shut in with it.
#[test]
fn job_on_a_graphics_adapter_is_fully_confined_in_every_thread() {
    let mut worker = embedder(compute::Choice::Gpu, half()).expect("a worker on mesa's software adapter");
    let ready = &worker.ready;
    assert!(ready.device.as_ref().is_some_and(|place| place.gpu), "{ready:?}");
    assert!(worker.confinement().starts_with("fully confined (namespaces, privileges, landlock, limits, seccomp;"));
    let process = worker.process_id();
    let shut = || {
        let threads = fs::read_dir(format!("/proc/{process}/task")).expect("threads").flatten();
        let status = threads.map(|thread| fs::read_to_string(thread.path().join("status")).expect("a thread"));
        let each = status.map(|status| {
            for line in ["Seccomp:\t2", "NoNewPrivs:\t1", "CapEff:\t0000000000000000", "CapPrm:\t0000000000000000"] {
                assert!(status.lines().any(|said| said == line), "not {line}: {status}");
            }
        });
        each.count()
    };
    let before = shut();
    let rows = ["", "The almond trees are in bloom.", "fn main() {}"].map(str::to_owned);
    let there = vectors(&mut worker, &rows).expect("vectors");
    let after = shut();
    println!("{} threads before the first batch and {after} after it, each of them shut in", before);
    assert!(before > 1 && after > 1);
    let here = vectors(&mut embedder(compute::Choice::Cpu, half()).expect("a worker"), &rows).expect("vectors");
    for (there, here) in there.iter().zip(&here) {
        let cosine: f32 = there.iter().zip(here).map(|(left, right)| left * right).sum();
        assert!(cosine > 0.999, "{cosine}");
    }
}

#[test]
fn worker_that_runs_out_of_memory_ends_and_the_next_one_does_its_batch() {
    // Far more bytes than tokens: spaces are none.
    let rows: Vec<String> = (0..128).map(|row| format!("note {row}{}", " ".repeat(200_000))).collect();
    let roomy = embedder(compute::Choice::Cpu, half()).expect("a worker");
    let used = held(roomy.process_id(), "VmData:");
    let mut small = embedder(compute::Choice::Cpu, used + (24 << 20)).expect("there is memory for one text");
    let failed = vectors(&mut small, &rows).expect_err("more than its memory");
    assert!(failed.message.contains("ended before it was done"), "{failed:?}");
    assert!(failed.hint.is_some_and(|hint| hint.contains("memory")));
    let again = vectors(&mut embedder(compute::Choice::Cpu, half()).expect("a worker"), &rows).expect("vectors");
    assert_eq!(again.len(), 128);
}

#[test]
fn job_without_memory_for_one_text_fails_and_the_next_run_goes_on() {
    let market = Market::open();
    let (_, job) = market.requested("diary", 9, &[]);
    market.contributor.run(&["job", "approve", &job]);
    let run = ["job", "run", &job, "--device", "cpu"];
    let little = (4 << 20).to_string();
    let (code, answer, _) = market.contributor.with_worker(&program("usufruct"), &[("TEST_MEMORY", &little)], &run);
    assert_eq!(code, Some(1), "{answer:#}");
    assert!(answer["error"]["message"].as_str().is_some_and(|said| said.contains("bytes of memory")), "{answer:#}");
    assert_eq!(text(&market.contributor.run(&["job", "show", &job]), "state"), "approved");
    assert_eq!(market.contributor.run(&run)["state"], "drawn");
}

#[test]
fn worker_needs_no_more_memory_for_more_records() {
    let mut worker = embedder(compute::Choice::Cpu, half()).expect("a worker");
    let process = worker.process_id();
    let mut batch = |rows: Vec<String>| assert_eq!(vectors(&mut worker, &rows).expect("vectors").len(), rows.len());
    let few = |from: usize, count: usize| (from..from + count).map(|at| format!("note {at}")).collect::<Vec<_>>();
    // Four of the first 200 are long.
    batch([vec!["The sea and the harbor. ".repeat(900); 4], few(0, 124)].concat());
    batch(few(124, 72));
    let after_200 = held(process, "VmHWM:");
    (0..30).for_each(|number| batch(few(200 + number * 128, if number == 29 { 88 } else { 128 })));
    let after_4000 = held(process, "VmHWM:");
    println!(
        "a worker's greatest memory: {} KiB after 200 records, {} KiB after 4,000",
        after_200 >> 10,
        after_4000 >> 10
    );
    assert!(after_200 > 10 << 20 && after_4000 - after_200 < 8 << 20, "{after_200} {after_4000}");
}

#[test]
fn worker_that_trains_keeps_no_text_of_its_records() {
    let mut worker = open("train", compute::Choice::Cpu, half()).expect("a worker");
    let process = worker.process_id();
    for (params, kept) in [(r#"{"max_tokens":8}"#, 384 * 4), (r#"{"max_tokens":8,"adapters":{"rank":2}}"#, 8 * 2)] {
        let secret = vec![7; 32];
        let order = format!(r#"{{"params":{params},"classes":["a","b"],"secret":{secret:?},"checkpoint":0}}"#);
        worker.ask(&Ask::Params(ByteBuf::from(order)), 0).expect("parameters");
        let mut batch = |first: usize| {
            let text = |at: usize| format!("\0\0note {at} {}", "of the sea and the harbor ".repeat(400));
            let rows = (first..first + 128).map(|at| ByteBuf::from(text(at))).collect();
            worker.ask(&Ask::Batch(rows), 128 * 384 * 4).expect("vectors, or nothing");
        };
        (0..2).for_each(|number| batch(number * 128));
        let after_256 = held(process, "VmHWM:");
        (2..6).for_each(|number| batch(number * 128));
        let (more, texts) = (held(process, "VmHWM:") - after_256, 4 * 128 * 10_400);
        println!("{params}: {} KiB more for 512 records of {} KiB of text", more >> 10, texts >> 10);
        assert!(more < 4 * 128 * (kept + 256) + (2 << 20), "{more} more for {texts} bytes of text");
    }
}

/// Bytes that the system names so of a process: `VmHWM:` is the most memory it ever held, `VmData:` what its limit counts.
fn held(process: u32, name: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("a number");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") << 10
}

#[test]
fn named_device_that_is_not_there_fails_the_job_and_the_next_run_goes_on() {
    let market = Market::open();
    let (_, job) = market.requested("diary", 9, &[]);
    market.contributor.run(&["job", "approve", &job]);
    let said = market.contributor.fails(1, &["job", "run", &job, "--device", "no such card"]);
    assert!(said.contains("no such card"), "{said}");
    assert_eq!(market.contributor.run(&["job", "run", &job, "--device", "cpu"])["state"], "drawn");
}

#[test]
fn devices_are_listed_with_the_one_that_is_taken() {
    let folder = tempfile::tempdir().expect("a folder");
    let output = Person::new(folder.path(), "person").command(&["device", "list"]).output().expect("it starts");
    let answer: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let devices = answer["devices"].as_array().expect("devices");
    assert!(devices.iter().any(|device| device["kind"] == "cpu" && device["memory"].as_u64() > Some(1 << 28)));
    assert!(devices.iter().any(|device| device["kind"] != "cpu"), "mesa's software adapter is missing: {answer:#}");
    assert_eq!(devices.iter().filter(|device| device["chosen"] == true).count(), 1, "{answer:#}");
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
}
