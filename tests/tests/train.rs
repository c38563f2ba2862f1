//! Training as two people use it: a labeled dataset, a private and a plain run, what leaves, and what the owner sees.

use std::fs;
use std::path::Path;

use serde_json::Value;
use tests::market::Market;
use tests::{Victim, text};

/// Notes about two things, in a table with a label.
fn table(folder: &Path, count: usize) {
    let sea = ["The tide", "A fishing boat", "The lighthouse", "Our sailing trip", "The harbor"];
    let money = ["The invoice", "A bank transfer", "Your tax return", "The mortgage", "Her salary"];
    let mut lines = String::from("text,topic,number\n");
    for at in 0..count {
        let (subject, topic) = if at % 2 == 0 { (sea[at / 2 % 5], "sea") } else { (money[at / 2 % 5], "money") };
        lines.push_str(&format!("{subject} is described in letter {at} to my brother.,{topic},{at}\n"));
    }
    fs::create_dir_all(folder).expect("a folder");
    fs::write(folder.join("notes.csv"), lines).expect("a file");
}

/// A published dataset with a label, and a license to train on it under this preset.
fn licensed(market: &Market, count: usize, preset: &str) -> String {
    let folder = market.folder.path().join("table");
    table(&folder, count);
    market.contributor.run(&["import", &folder.to_string_lossy(), "--source", "notes"]);
    let dataset = market.contributor.run(&["dataset", "create", "notes", "--source", "notes", "--label", "topic"]);
    assert_eq!((&dataset["records"], &dataset["label"]), (&count.into(), &"topic".into()));
    let public = market.contributor.run(&["dataset", "publish", "notes", "--dry-run"]).to_string();
    assert!(public.contains("money, sea"), "{public}");
    market.contributor.run(&["dataset", "publish", "notes"]);
    market.license(&market.offer("notes", &["--preset", preset, "--max-runs", "3"]))
}

fn request(market: &Market, license: &str, params: &str) -> String {
    let args = ["job", "request", license, "--template", "train", "--label", "topic", "--params", params];
    text(&market.consumer.run(&args), "job_id")
}

/// From a requested job to what the consumer fetched.
fn deliver(market: &Market, job: &str, name: &str) -> std::path::PathBuf {
    market.contributor.run(&["job", "approve", job]);
    market.contributor.run(&["job", "run", job, "--device", "cpu"]);
    market.consumer.run(&["job", "accept", job]);
    market.contributor.run(&["job", "settle", job]);
    let out = market.received().join(name);
    let fetched = market.consumer.run(&["job", "fetch", job, "--out", &out.to_string_lossy()]);
    assert!(fetched["checks"].as_array().is_some_and(|checks| checks.iter().all(|check| check["ok"] == true)));
    out
}

fn metrics(out: &Path) -> Value {
    serde_json::from_slice(&fs::read(out.join("metrics.json")).expect("metrics")).expect("JSON")
}

#[test]
fn classifier_is_trained_delivered_and_its_records_are_shown_to_the_owner_alone() {
    let market = Market::open();
    let license = licensed(&market, 60, "open-research");
    let params = r#"{"adapters":{"rank":2},"epochs":3,"batch":8,"max_tokens":32}"#;
    let job = request(&market, &license, params);
    let leaves = market.contributor.run(&["job", "show", &job])["leaves"].to_string();
    assert!(leaves.contains("no differential privacy") && leaves.contains("held-back"), "{leaves}");
    let out = deliver(&market, &job, "output");
    let found = metrics(&out)["evaluation"].clone();
    let losses = found["held_back_loss"].as_array().expect("two losses").clone();
    assert!(losses[1].as_f64() < losses[0].as_f64(), "{found}");
    for name in ["adapter_model.safetensors", "adapter_config.json", "head.safetensors", "README.md", "job.bundle"] {
        assert!(out.join(name).is_file(), "{name}");
    }
    assert!(market.consumer.run(&["verify", &out.join("job.bundle").to_string_lossy()])["valid"] == true);

    let uses = market.contributor.run(&["job", "show", &job, "--records"]);
    let records = uses["records"].as_array().expect("records");
    assert_eq!(records.len(), 60);
    assert!(records.iter().filter(|record| record["steps"] == 3).count() == 54);
    let shares: f64 = records.iter().filter_map(|record| record["share"].as_f64()).sum();
    assert!((shares - 1.0).abs() < 1e-6);
    market.consumer.fails(8, &["job", "show", &job, "--records"]);
    // Nothing of a record, and none of its rows, is among what was delivered.
    for file in fs::read_dir(&out).expect("a folder").flatten() {
        let bytes = fs::read(file.path()).expect("a file");
        assert!(!bytes.windows(11).any(|part| part == b"lighthouse "), "{}", file.path().display());
    }
}

#[test]
fn private_run_spends_the_budget_and_never_gets_it_back() {
    let market = Market::open();
    let license = licensed(&market, 60, "train-classifier");
    let params = r#"{"epochs":2,"batch":20,"privacy":{"epsilon_micro":2500000,"clip":1.0}}"#;
    let job = request(&market, &license, params);
    let leaves = market.contributor.run(&["job", "show", &job])["leaves"].to_string();
    assert!(leaves.contains("spends 2.5 of") && leaves.contains("8 is left"), "{leaves}");
    let out = deliver(&market, &job, "private");
    let spent = metrics(&out);
    assert!(spent["evaluation"].is_null());
    assert!(spent["privacy"]["epsilon"].as_f64().is_some_and(|epsilon| epsilon <= 2.5 && epsilon > 2.4), "{spent}");

    // One that is killed between its spending and its noise, which the worker would draw from what it waits for, has spent. It goes
    // on with what it paid for: what is left is what it was before that spending, for this job alone.
    let second = request(
        &market,
        &license,
        r#"{"adapters":{"rank":2},"epochs":20,"batch":8,"max_tokens":32,"privacy":{"epsilon_micro":2500000,"clip":1.0}}"#,
    );
    market.contributor.run(&["job", "approve", &second]);
    let run = ["job", "run", &second, "--device", "cpu"];
    let budget = |job: &str| {
        let preview = market.contributor.run(&["job", "show", job])["preview"].clone();
        (text(&preview, "budget_spent"), text(&preview, "budget_left"))
    };
    let was = |spent: &str, left: &str| (spent.to_owned(), left.to_owned());
    assert_eq!(market.contributor.killed(market.folder.path(), "params-wait", &run, Victim::Command), None);
    assert_eq!(budget(&second), was("2.5", "3"));
    // A worker that gives nothing that passes, one that dies halfway, and one that is killed among its steps spend nothing more.
    for (act, code) in [("halfway-done", 6), ("halfway-canary", 1)] {
        let (ended, answer, _) = market.contributor.with_hostile(market.folder.path(), act, &run);
        assert_eq!(ended, Some(code), "{act}: {answer:#}");
        assert_eq!(budget(&second), was("2.5", "3"), "{act}");
    }
    assert_eq!(market.contributor.killed_in_training(&run, Victim::Command), None);
    let third = request(&market, &license, params);
    assert_eq!((budget(&second), budget(&third)), (was("2.5", "3"), was("2.5", "0.5")));
    let said = market.contributor.command(&run).output().expect("it starts");
    let said = String::from_utf8_lossy(&said.stderr).into_owned();
    assert!(behind(&said).0 > 0, "{said}");
    assert_eq!(text(&market.contributor.run(&["job", "show", &second]), "state"), "drawn");
    assert_eq!(budget(&third), was("2.5", "0.5"));

    // One that is given up has spent all the same.
    market.contributor.run(&["job", "approve", &third]);
    let run = ["job", "run", &third, "--device", "cpu"];
    assert_eq!(market.contributor.killed(market.folder.path(), "params-wait", &run, Victim::Command), None);
    market.contributor.run(&["job", "decline", &third]);
    let license = market.license(&market.offer("notes", &["--preset", "train-classifier"]));
    let fourth = request(&market, &license, params);
    // 0.5 of 8 is left, and 2.5 would be needed.
    let said = market.contributor.fails(8, &["job", "show", &fourth]);
    assert!(said.contains("0.5 is left of 8"), "{said}");
    market.contributor.fails(8, &["job", "run", &fourth, "--device", "cpu"]);
    market.contributor.run(&["job", "decline", &fourth]);
}

/// The step behind which a run said that it goes on, and how many there are.
fn behind(said: &str) -> (u64, u64) {
    let rest = said.split("training goes on behind step ").nth(1).unwrap_or_else(|| panic!("it began anew: {said}"));
    let mut numbers = rest.split_whitespace().filter_map(|word| word.parse().ok());
    (numbers.next().expect("a step"), numbers.next().expect("all steps"))
}

/// Runs a job to its end; what it said on the way.
fn run_on(market: &Market, job: &str) -> String {
    let output = market.contributor.command(&["job", "run", job, "--device", "cpu"]).output().expect("it starts");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    said
}

fn settle(market: &Market, job: &str, name: &str) -> std::path::PathBuf {
    market.consumer.run(&["job", "accept", job]);
    market.contributor.run(&["job", "settle", job]);
    let out = market.received().join(name);
    market.consumer.run(&["job", "fetch", job, "--out", &out.to_string_lossy()]);
    out
}

#[test]
fn training_that_is_killed_goes_on_behind_its_last_step_and_gives_the_same_bytes() {
    let market = Market::open();
    let license = licensed(&market, 60, "open-research");
    let params = r#"{"adapters":{"rank":2},"epochs":20,"batch":8,"max_tokens":32}"#;
    let (killed, whole) = (request(&market, &license, params), request(&market, &license, params));
    market.contributor.run(&["job", "approve", &killed]);
    let run = ["job", "run", &killed, "--device", "cpu"];
    // The real worker, and then the command with its worker, each among the steps.
    assert_eq!(market.contributor.killed_in_training(&run, Victim::Worker), Some(1));
    assert_eq!(market.contributor.killed_in_training(&run, Victim::Command), None);
    let sealed = market.contributor.checkpoints().remove(0);
    let said = run_on(&market, &killed);
    let (done, all) = behind(&said);
    println!("killed twice; the third run did {} of {all} steps", all - done);
    assert!(done >= 2 && done < all, "{said}");
    assert_eq!(market.contributor.checkpoints(), Vec::<Vec<u8>>::new());
    assert!(!sealed.windows(5).any(|part| part == b"state"), "a checkpoint in the clear");
    let killed_out = settle(&market, &killed, "killed");

    market.contributor.run(&["job", "approve", &whole]);
    let said = run_on(&market, &whole);
    assert!(!said.contains("goes on behind") && !said.contains("begins anew"), "{said}");
    let whole_out = settle(&market, &whole, "whole");
    for file in ["adapter_model.safetensors", "head.safetensors", "metrics.json"] {
        let read = |out: &Path| fs::read(out.join(file)).expect("a file");
        assert!(read(&killed_out) == read(&whole_out), "{file} is not that of an uninterrupted run");
    }
    let uses = |job: &str| market.contributor.run(&["job", "show", job, "--records"])["records"].clone();
    assert_eq!(uses(&killed), uses(&whole));
}

#[test]
fn checkpoint_that_does_not_fit_is_dropped_and_training_begins_anew() {
    let market = Market::open();
    let license = licensed(&market, 60, "open-research");
    let job = request(&market, &license, r#"{"adapters":{"rank":2},"epochs":1,"max_tokens":32}"#);
    market.contributor.run(&["job", "approve", &job]);
    let run = ["job", "run", &job, "--device", "cpu"];
    let hostile = |act: &str| market.contributor.with_hostile(market.folder.path(), act, &run).0;
    // Too long; one that never comes further; then one that is kept, and is none.
    assert_eq!((hostile("halfway-long"), hostile("halfway-still")), (Some(6), Some(6)));
    assert_eq!(hostile("halfway-canary"), Some(1));
    let kept = market.contributor.checkpoints();
    assert!(kept.len() == 1 && !kept[0].windows(6).any(|part| part == b"CANARY"));
    let said = run_on(&market, &job);
    assert!(said.contains("training begins anew") && !said.contains("CANARY"), "{said}");
    assert_eq!(market.contributor.checkpoints(), Vec::<Vec<u8>>::new());
    settle(&market, &job, "output");
}

#[test]
fn records_embedded_for_a_head_are_not_embedded_again() {
    let market = Market::open();
    let license = licensed(&market, 300, "open-research");
    let job = request(&market, &license, "{}");
    market.contributor.run(&["job", "approve", &job]);
    let run = ["job", "run", &job, "--device", "cpu"];
    let folder = market.folder.path();
    // Rows that are no vectors are not kept.
    assert_eq!(market.contributor.with_hostile(folder, "rows", &run).0, Some(8));
    assert_eq!(market.contributor.killed(folder, "last-batch-waits", &run, Victim::Command), None);
    assert_eq!(market.contributor.with_hostile(folder, "counts-kept", &run).0, Some(1));
    assert_eq!(fs::read_to_string(folder.join("counts-kept.said")).expect("a file"), "256 kept, then 44");
    // The real worker computes elsewhere than that one said: it takes none of them, and what is learned is its own.
    run_on(&market, &job);
    let losses = metrics(&settle(&market, &job, "output"))["evaluation"]["held_back_loss"].clone();
    assert!(losses[1].as_f64() < losses[0].as_f64(), "{losses}");
}

#[test]
fn checkpoints_of_jobs_that_are_given_up_are_dropped() {
    let market = Market::open();
    let license = licensed(&market, 20, "open-research");
    let params = r#"{"adapters":{"rank":2}}"#;
    let [declined, late, other] = [0; 3].map(|_| request(&market, &license, params));
    for job in [&declined, &late, &other] {
        market.contributor.run(&["job", "approve", job]);
        let run = ["job", "run", job, "--device", "cpu"];
        assert_eq!(market.contributor.with_hostile(market.folder.path(), "halfway-canary", &run).0, Some(1));
    }
    let kept = || market.contributor.checkpoints().len();
    assert_eq!(kept(), 3);
    market.contributor.run(&["job", "decline", &declined]);
    market.contributor.run(&["job", "inbox"]);
    assert_eq!(kept(), 2, "declined");
    market.wait(400 * 86_400);
    market.contributor.run(&["job", "inbox"]);
    assert_eq!(kept(), 0, "past their time");
}

#[test]
fn requests_that_the_license_or_the_dataset_does_not_allow_are_refused() {
    let market = Market::open();
    let license = licensed(&market, 60, "train-classifier");
    let ask = |label: &str, params: &str| {
        market.consumer.try_run(&[
            "job",
            "request",
            &license,
            "--template",
            "train",
            "--label",
            label,
            "--params",
            params,
        ])
    };
    for (code, label, params) in [
        (4, "number", "{}"),
        (2, "topic", "not JSON"),
        (2, "topic", r#"{"script":"x"}"#),
        (8, "topic", r#"{"epochs":1000000000}"#),
        (8, "topic", r#"{"adapters":{"rank":1000000000}}"#),
        (8, "topic", r#"{"privacy":{"epsilon_micro":9000000,"clip":1.0}}"#),
    ] {
        let (found, answer) = ask(label, params);
        assert_eq!(found, code, "{params}: {answer:#}");
    }
    market.consumer.fails(2, &["job", "request", &license, "--template", "train"]);
    market.consumer.fails(8, &["job", "request", &license, "--template", "embed"]);
    // A label of many values, of few records, and one that is not there.
    for (code, label) in [(8, "number"), (8, "text"), (4, "absent")] {
        market.contributor.fails(code, &["dataset", "create", "other", "--source", "notes", "--label", label]);
    }
}
