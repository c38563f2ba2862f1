//! Training as two people use it: a labeled dataset, a private and a plain run, what leaves, and what the owner sees.

use std::fs;
use std::path::Path;

use serde_json::Value;
use tests::market::Market;
use tests::{Person, Victim, program, text};

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

    // So has one that is killed between its spending and its noise, which the worker would draw from what it waits for.
    let second = request(&market, &license, params);
    market.contributor.run(&["job", "approve", &second]);
    let run = ["job", "run", &second, "--device", "cpu"];
    assert_eq!(market.contributor.killed(market.folder.path(), "params-wait", &run, Victim::Command), None);
    let preview = market.contributor.run(&["job", "show", &second])["preview"].clone();
    assert_eq!((&preview["budget_spent"], &preview["budget_left"]), (&"2.5".into(), &"0.5".into()), "{preview:#}");

    // And one whose worker gives nothing that passes: the spending was written before.
    // What is left is another sum than the one that was approved.
    market.contributor.fails(8, &run);
    market.contributor.run(&["job", "approve", &second]);
    let worker = market.folder.path().join("rows");
    std::os::unix::fs::symlink(program("hostile-worker"), &worker).expect("a link");
    let other = Person { program: "usufruct-with-worker".into(), ..market.contributor.again() };
    let mut run = other.command(&["job", "run", &second, "--device", "cpu"]);
    let failed = run.env("TEST_WORKER", &worker).output().expect("the program starts");
    assert!(!failed.status.success() && !String::from_utf8_lossy(&failed.stdout).contains("CANARY"));
    // 0.5 of 8 is left, and 2.5 would be needed.
    let said = market.contributor.fails(8, &["job", "show", &second]);
    assert!(said.contains("0.5 is left of 8"), "{said}");
    market.contributor.fails(8, &["job", "run", &second, "--device", "cpu"]);
    market.contributor.run(&["job", "decline", &second]);
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
