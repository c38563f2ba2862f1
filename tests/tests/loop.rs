//! The loop as two people run it: from files to a withdrawn reward and a bundle that verifies anywhere.

use std::fs;
use std::process::Command;

use tests::market::Market;
use tests::{Person, program, root, text};

#[test]
fn loop_runs_whole_and_pays() {
    let market = Market::open();
    let before = market.balance(&market.contributor);
    let dataset = market.publish("diary", 40);
    let offer = market.offer("diary", &[]);

    let found = market.consumer.run(&["offer", "find", "--action", "embed", "--max-price", "3"]);
    assert_eq!(found["offers"][0]["offer_cid"], offer.as_str());
    assert_eq!(found["offers"][0]["records"], 40);
    assert_eq!(found["offers"][0]["source_level"], "self-asserted");
    assert_eq!(market.consumer.run(&["offer", "find", "--max-price", "1"])["offers"].as_array().map(Vec::len), Some(0));

    let bought = market.consumer.run(&["license", "buy", &offer]);
    assert_eq!(bought["status"], "active");
    let license = text(&bought, "license_id");
    let job = market.job(&license);
    let inbox = market.contributor.run(&["job", "inbox"]);
    assert_eq!(inbox["jobs"][0]["job_id"], job.as_str());
    assert_eq!(inbox["jobs"][0]["state"], "requested");

    // Nothing leaves before the owner said so.
    assert!(market.contributor.fails(8, &["job", "run", &job, "--device", "cpu"]).contains("approve"));
    let ran = market.run(&job);
    assert_eq!(ran["state"], "drawn");
    assert!(ran["proof_ms"].as_u64().is_some_and(|ms| ms > 0));
    assert!(text(&ran, "device").contains("CPU"));

    // The consumer cannot open it yet, and the contributor is not paid yet.
    let out = market.received().join("output");
    market.consumer.fails(8, &["job", "fetch", &job, "--out", &out.to_string_lossy()]);
    assert_eq!(market.contributor.run(&["reward", "list"])["claimable"], "0 USU");
    market.contributor.fails(8, &["job", "settle", &job]);

    market.consumer.run(&["job", "accept", &job]);
    let settled = market.contributor.run(&["job", "settle", &job]);
    assert_eq!(settled["state"], "settled");
    let rewards = market.contributor.run(&["reward", "list"]);
    assert_eq!(rewards["claimable"], "2.5 USU");
    assert_eq!(rewards["by_dataset"][0]["dataset_id"], dataset.as_str());
    assert_eq!(rewards["by_dataset"][0]["name"], "diary");
    assert_eq!(rewards["by_consumer"][0]["amount"], "2.5 USU");
    assert_eq!(market.contributor.run(&["reward", "claim"])["claimed"], "2.5 USU");
    assert_ne!(market.balance(&market.contributor), before);
    market.contributor.fails(8, &["reward", "claim"]);

    let fetched = market.consumer.run(&["job", "fetch", &job, "--out", &out.to_string_lossy()]);
    assert!(
        fetched["checks"]
            .as_array()
            .is_some_and(|checks| checks.len() >= 4 && checks.iter().all(|check| check["ok"] == true))
    );
    python_reads(&out);

    let bundle = market.received().join("job.bundle").to_string_lossy().into_owned();
    assert_eq!(market.consumer.run(&["bundle", "export", &job, "--out", &bundle])["valid"], true);
    verifies_anywhere(&bundle);
    let network = market.consumer.run(&["network", "status"]);
    let confirmed = market.consumer.run(&["verify", &bundle, "--rpc", &text(&network, "rpc")]);
    assert!(confirmed["checks"].as_array().is_some_and(|checks| {
        checks.iter().any(|check| check["name"] == "chain" && check["ok"] == true && check["standing"] == "verified")
    }));
    assert_eq!(standing(&confirmed, "settlement event"), "verified");
    market.consumer.fails(7, &["verify", &bundle, "--rpc", "http://127.0.0.1:9"]);
    checkpoints_confirm(&market, &bundle);

    let trail = market.contributor.run(&["trail", "diary"]);
    let kinds: Vec<&str> =
        trail["nodes"].as_array().expect("nodes").iter().filter_map(|node| node["kind"].as_str()).collect();
    for kind in ["dataset", "offer", "license", "job", "receipt", "reward"] {
        assert!(kinds.contains(&kind), "no {kind} on the trail: {kinds:?}");
    }
    assert!(trail["edges"].as_array().expect("edges").iter().all(|edge| edge["verified"] == true));
}

/// How far a check of a verified bundle can be relied on.
fn standing(verified: &serde_json::Value, name: &str) -> String {
    let check = verified["checks"].as_array().and_then(|checks| checks.iter().find(|check| check["name"] == name));
    text(check.unwrap_or_else(|| panic!("no {name} in {verified:#}")), "standing")
}

/// Events are proved down to block hashes; who knows a hash turns what is asserted into what is verified.
fn checkpoints_confirm(market: &Market, bundle: &str) {
    let verify = |person: &Person, hashes: &[&str]| {
        let more = hashes.iter().flat_map(|hash| ["--checkpoint", hash]);
        person.try_run(&["verify", bundle].into_iter().chain(more).collect::<Vec<_>>())
    };
    let (_, said) = verify(&market.consumer, &[]);
    assert_eq!(standing(&said, "receipt proofs"), "verified");
    let proofs = said["checks"].as_array().and_then(|checks| checks.iter().find(|c| c["name"] == "receipt proofs"));
    let proofs = text(proofs.expect("receipt proofs"), "detail");
    let hashes: Vec<&str> = proofs.split([' ', ',']).filter(|word| word.starts_with("0x")).collect();
    assert_eq!(hashes.len(), 4, "{proofs}");
    let asserted = |said: &serde_json::Value| {
        ["statement challenge", "settlement event", "settlement"].map(|name| standing(said, name) == "asserted")
    };
    assert_eq!(asserted(&said), [true; 3]);
    assert_eq!(asserted(&verify(&market.consumer, &hashes[3..]).1), [true, false, true]);
    let (code, all) = verify(&market.consumer, &hashes);
    assert_eq!((code, asserted(&all)), (0, [false, false, true]));
    // The hash of no block in it, no hash, and somebody who does not know the contracts.
    let (code, strange) = verify(&market.consumer, &[hashes[3], &format!("0x{}", "ab".repeat(32))]);
    assert_eq!((code, &strange["valid"], asserted(&strange)), (6, &false.into(), [true; 3]));
    assert_eq!(verify(&market.consumer, &["0x12"]).0, 2);
    let stranger = Person { network_home: market.folder.path().join("none"), ..Person::new(market.folder.path(), "s") };
    let (code, unknown) = verify(&stranger, &hashes);
    assert_eq!((code, asserted(&unknown)), (0, [true; 3]));
    assert_eq!(standing(&unknown, "checkpoint"), "asserted");
}

#[test]
fn released_fields_reach_the_consumer_and_text_never_does() {
    let market = Market::open();
    let table = market.folder.path().join("expenses.csv");
    let rows = (1..=9).map(|n| format!("2024-03-0{n},{},{n}.25,{n},a private remark {n}\n", n % 2 == 0));
    fs::write(&table, format!("date,paid,amount,people,remark\n{}", rows.collect::<String>())).expect("a table");
    market.contributor.run(&["import", &table.to_string_lossy(), "--source", "expenses"]);
    let create = |more: &[&'static str]| [&["dataset", "create", "expenses", "--source", "expenses"], more].concat();
    assert!(market.contributor.fails(8, &create(&["--release", "remark"])).contains("free text"));
    assert!(market.contributor.fails(8, &create(&["--release", "text"])).contains("free text"));
    market.contributor.fails(4, &create(&["--release", "absent"]));
    market.contributor.fails(4, &create(&["--field", "remark", "--release", "amount"]));
    let dataset = market.contributor.run(&create(&["--release", "amount", "--release", "people", "--release", "time"]));
    assert_eq!(dataset["released"], serde_json::json!(["amount", "people", "time"]));

    let would = market.contributor.run(&["dataset", "publish", "expenses", "--dry-run"]);
    assert!(would["public"].to_string().contains("amount, people, time go to whoever licenses"), "{would:#}");
    market.contributor.run(&["dataset", "publish", "expenses"]);
    let offer = market.offer("expenses", &["--min-records", "1"]);
    let found = market.consumer.run(&["offer", "find"]);
    assert_eq!(found["offers"][0]["released"], dataset["released"]);
    let job = market.job(&market.license(&offer));
    let preview = market.contributor.run(&["job", "approve", &job, "--dry-run"]);
    assert!(preview["leaves"].to_string().contains("amount, people, time"), "{preview:#}");
    let ran = market.run(&job);
    assert_eq!(ran["positions"].as_array().map(Vec::len), Some(8));
    market.consumer.run(&["job", "accept", &job]);
    market.contributor.run(&["job", "settle", &job]);
    let out = market.received().join("output");
    let fetched = market.consumer.run(&["job", "fetch", &job, "--out", &out.to_string_lossy()]);
    assert!(fetched["checks"].to_string().contains("amount, people, time, as the manifest says"), "{fetched:#}");
    let rows = fs::read_to_string(out.join("rows.jsonl")).expect("rows.jsonl");
    assert!(!rows.contains("remark") && !rows.contains("private") && !rows.contains("paid"), "{rows}");
    let first: serde_json::Value = serde_json::from_str(rows.lines().next().expect("a row")).expect("JSON");
    assert_eq!(first["fields"], serde_json::json!({"amount": 1.25, "people": 1, "time": "2024-03-01"}));
}

/// The three lines of Python in the output's README read the rows.
fn python_reads(out: &std::path::Path) {
    let rows = fs::read_to_string(out.join("rows.jsonl")).expect("rows.jsonl");
    assert_eq!(rows.lines().count(), 40);
    let readme = fs::read_to_string(out.join("README.md")).expect("README.md");
    let code =
        readme.split("```python\n").nth(1).and_then(|rest| rest.split("```").next()).expect("the README has Python");
    let output = Command::new("python3").arg("-c").arg(code).current_dir(out).output().expect("python3 runs");
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(printed.contains("40") && printed.contains("384"), "{printed}");
}

/// No vault, no network, nothing in the environment.
fn verifies_anywhere(bundle: &str) {
    let output =
        Command::new(program("usufruct")).args(["verify", bundle, "--json"]).env_clear().output().expect("it starts");
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(answer["valid"], true, "{answer:#}");
    assert_eq!(output.status.code(), Some(0));
    let names: Vec<&str> =
        answer["checks"].as_array().expect("checks").iter().filter_map(|check| check["name"].as_str()).collect();
    assert!(names.iter().any(|name| name.contains("proof")), "{names:?}");
}

#[test]
fn consumer_cannot_read_the_contributors_home() {
    let market = Market::open();
    let secret = market.contributor.home.join("plain.txt");
    fs::write(&secret, "not yours").expect("a file");
    // The same path is readable for a process that is not confined: the refusal below is the confinement's.
    let free = Person { confined: vec![], ..Person::new(market.folder.path(), "free") };
    free.run(&["init"]);
    free.run(&["import", &secret.to_string_lossy()]);
    let (code, answer) = market.consumer.try_run(&["import", &secret.to_string_lossy()]);
    assert_ne!(code, 0, "{answer:#}");
    // Nor the vault, even with its passphrase; the same processes unconfined can.
    let intruder = |confined: Vec<std::path::PathBuf>| {
        let other = Person { confined, ..Person::new(market.folder.path(), "consumer") };
        Person { home: market.contributor.home.clone(), passphrase: market.contributor.passphrase.clone(), ..other }
    };
    let said = intruder(market.consumer.confined.clone()).fails(1, &["vault", "status"]);
    assert!(said.contains("Permission denied"), "{said}");
    intruder(vec![]).run(&["vault", "status"]);
}

#[test]
fn demo_runs_on_the_bundled_sample() {
    let output =
        Command::new(program("usufruct")).args(["demo", "--json", "--device", "cpu"]).output().expect("it starts");
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("no JSON: {}", String::from_utf8_lossy(&output.stderr)));
    assert_eq!(output.status.code(), Some(0), "{answer:#}");
    for key in ["root", "dataset_id", "offer_cid", "license_id", "job_id", "device", "model", "reward"] {
        assert!(!text(&answer, key).is_empty(), "{key}");
    }
    assert_eq!(answer["records"], answer["output_rows"]);
    assert!(answer["records"].as_u64().is_some_and(|records| records >= 100));
    assert_eq!(answer["embedding_dim"], 384);
    assert_eq!(answer["bundle_valid"], true);
    assert_eq!(answer["reward"], "2.5 USU");
    assert!(answer["tamper_rejected"].as_u64().is_some_and(|count| count >= 12), "{answer:#}");
    assert_eq!(answer["positions"].as_array().map(Vec::len), Some(8), "{answer:#}");
    assert!(answer["proof"]["constraints"].as_u64().is_some_and(|count| count > 10_000));
}

#[test]
fn sample_data_imports_whole() {
    let folder = tempfile::tempdir().expect("a folder");
    let person = Person::new(folder.path(), "person");
    person.run(&["init"]);
    let sample = root().join("tests/data/sample").to_string_lossy().into_owned();
    let first = person.run(&["import", &sample]);
    assert!(first["records"].as_u64().is_some_and(|records| records >= 100), "{first:#}");
    let second = person.run(&["import", &sample]);
    assert_eq!((&second["records"], &second["new_bytes"]), (&0.into(), &0.into()), "{second:#}");
}
