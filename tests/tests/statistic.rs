//! Statistics as two people run them: from a table to an answer that is proven, and everything that is refused on the way.

use std::fs;
use std::path::Path;
use std::process::Command;

use compute::template::statistic;
use serde_json::{Value, json};
use tests::market::Market;
use tests::{Person, text};

/// 48 amounts in cents, four of them missing; edges at 0, 10, … 160.
fn amounts() -> Vec<Option<i64>> {
    (0..48).map(|row| (row % 12 != 5).then_some((row * 3_700 + row) % 16_000)).collect()
}

fn written(cents: &Option<i64>) -> String {
    cents.map(|cents| format!("{}.{:02}", cents / 100, cents % 100)).unwrap_or_default()
}

#[test]
fn statistic_runs_whole_and_is_proven() {
    let market = Market::open();
    let amounts = amounts();
    market.publish_amounts("money", &amounts.iter().map(written).collect::<Vec<_>>(), "0..160");
    let offer = market.offer("money", &["--preset", "statistics-only", "--min-records", "5", "--max-runs", "2"]);
    let found = market.consumer.run(&["offer", "find", "--action", "statistic"]);
    assert_eq!(found["offers"][0]["counted"], "amount");
    let license = market.license(&offer);
    let request = |more: &[&'static str]| [&["job", "request", &license, "--template"], more].concat();
    market.consumer.fails(8, &request(&["embed"]));
    market.consumer.fails(2, &request(&["statistic", "--model", "all-MiniLM-L6-v2"]));
    let job = text(&market.consumer.run(&request(&["statistic"])), "job_id");

    let inbox = market.contributor.run(&["job", "inbox"]);
    assert_eq!(inbox["jobs"][0]["says"], "proven");
    let leaves = inbox["jobs"][0]["leaves"].to_string();
    for said in ["fewer than 5", "the field amount", "no privacy budget", "one answer is given"] {
        assert!(leaves.contains(said), "{said}: {leaves}");
    }
    let ran = market.run(&job);
    assert_eq!((&ran["state"], &ran["positions"]), (&"drawn".into(), &json!([])));
    market.consumer.run(&["job", "accept", &job]);
    market.contributor.run(&["job", "settle", &job]);
    let out = market.received().join("output");
    let fetched = market.consumer.run(&["job", "fetch", &job, "--out", &out.to_string_lossy()]);
    let checks = fetched["checks"].as_array().expect("checks");
    assert!(checks.len() >= 5 && checks.iter().all(|check| check["ok"] == true), "{fetched:#}");
    assert!(fetched["checks"].to_string().contains("the output is proven"));

    is_the_answer_over(&read(&out.join("answer.json")), &amounts, 5);
    python_reads(&out);
    bundle_opens_this_answer_alone(&market.consumer, &out);
    let trail = market.contributor.run(&["trail", "money"]);
    assert!(trail["nodes"].to_string().contains("statistic, proven (delivered)"), "{trail:#}");
    assert_eq!(market.contributor.run(&["reward", "claim"])["claimed"], "2.5 USU");

    // Asked again: the same answer is served, and no finer or coarser one beside it.
    let again = text(&market.consumer.run(&request(&["statistic"])), "job_id");
    let would = market.contributor.run(&["job", "approve", &again, "--dry-run"]);
    assert!(would["leaves"].to_string().contains("the same answer that was given before"), "{would:#}");
    let stricter = market.offer("money", &["--preset", "statistics-only", "--min-records", "20"]);
    let stricter = market.license(&stricter);
    let coarser = text(&market.consumer.run(&["job", "request", &stricter, "--template", "statistic"]), "job_id");
    assert!(market.contributor.fails(8, &["job", "approve", &coarser]).contains("groups of at least 5"));
    market.contributor.run(&["job", "decline", &coarser]);
}

fn read(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).expect("a file")).expect("JSON")
}

/// Count and sum are exact; the groups are the bins, merged until none is small.
fn is_the_answer_over(answer: &Value, amounts: &[Option<i64>], least: i64) {
    let values: Vec<i64> = amounts.iter().flatten().copied().collect();
    let sum: i64 = values.iter().sum();
    assert_eq!((&answer["field"], &answer["scale"]), (&"amount".into(), &2.into()));
    assert_eq!(answer["count"], values.len());
    assert_eq!(answer["sum"], written(&Some(sum)));
    let cents = |edge: &Value, open: i64| {
        edge.as_str().map_or(open, |edge| edge.replace('.', "").parse().expect("an edge in cents"))
    };
    let groups = answer["groups"].as_array().expect("groups");
    assert!(groups.len() > 2);
    let mut from = i64::MIN;
    for group in groups {
        assert_eq!(cents(&group["from"], i64::MIN), from);
        let below = cents(&group["below"], i64::MAX);
        let inside = values.iter().filter(|value| (from..below).contains(*value)).count();
        assert_eq!(group["count"], inside);
        assert!(inside as i64 >= least);
        from = below;
    }
    assert_eq!(from, i64::MAX);
}

/// The Python in the output's README runs.
fn python_reads(out: &Path) {
    let readme = fs::read_to_string(out.join("README.md")).expect("README.md");
    assert!(readme.contains("*proven*"));
    let code =
        readme.split("```python\n").nth(1).and_then(|rest| rest.split("```").next()).expect("the README has Python");
    let output = Command::new("python3").arg("-c").arg(code).current_dir(out).output().expect("python3 runs");
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(printed.contains("44 values, mean"), "{printed}");
}

/// `verify --answer` accepts the answer that was fetched and no other.
fn bundle_opens_this_answer_alone(person: &Person, out: &Path) {
    let bundle = out.join("job.bundle").to_string_lossy().into_owned();
    let file = out.join("answer.json");
    let verify = || person.try_run(&["verify", &bundle, "--answer", &file.to_string_lossy()]);
    let (code, verified) = verify();
    assert_eq!((code, &verified["valid"]), (0, &true.into()), "{verified:#}");
    assert!(text(&verified, "says").starts_with("proven"));
    assert!(verified["checks"].to_string().contains("statistic@1"));

    let honest = fs::read_to_string(&file).expect("answer.json");
    let spoils: [fn(&mut Value); 10] = [
        |answer| answer["sum"] = "0.00".into(),
        |answer| answer["count"] = 43.into(),
        |answer| answer["groups"][0]["count"] = 6.into(),
        |answer| answer["opening"]["sum"] = 1.into(),
        |answer| answer["opening"]["least"] = 1.into(),
        |answer| answer["opening"]["groups"].as_array_mut().expect("groups").reverse(),
        |answer| answer["opening"]["edges"][1] = 1.into(),
        |answer| answer["opening"]["blinding"] = "00".repeat(31).into(),
        // The same packed number in other digits.
        |answer| {
            answer["opening"]["least"] = 1029.into();
            answer["opening"]["count"] = 43.into();
        },
        |answer| *answer = json!({}),
    ];
    for (number, spoil) in spoils.into_iter().enumerate() {
        let mut answer: Value = serde_json::from_str(&honest).expect("JSON");
        spoil(&mut answer);
        fs::write(&file, answer.to_string()).expect("written");
        let (code, verified) = verify();
        assert_eq!(code, 6, "spoil {number}: {verified:#}");
    }
    fs::write(&file, honest).expect("written");
    assert_eq!(verify().0, 0);
}

/// The three that must agree: the processor, a graphics adapter, and what the circuit is given to prove.
#[test]
fn statistic_is_the_same_on_cpu_on_gpu_and_in_the_circuit() {
    let open = |choice| compute::Device::open(choice).expect("no wgpu adapter; on Debian install mesa-vulkan-drivers");
    let (cpu, gpu) = (open(compute::Choice::Cpu), open(compute::Choice::Gpu));
    let mut state = 0x2545_f491u32;
    let mut random = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state
    };
    for round in 0..24 {
        let first = (random() >> 2).cast_signed() - (1 << 29);
        let edges: [i32; 17] = std::array::from_fn(|edge| first + edge as i32 * (1 << (round % 25)));
        let rows = [1, 2, 100, 511, 512][round % 5];
        // Every value of 32 bits, or only those about the edges.
        let values: Vec<Option<i32>> = (0..rows)
            .map(|row| match row % 4 {
                0 if rows > 3 => None,
                1 => Some(random().cast_signed()),
                _ => Some(edges[random() as usize % 17] + (random() % 3) as i32 - 1),
            })
            .collect();
        let least = 1 + random() % 9;
        let params = statistic::Params { edges, least };
        let bins = zk::statistic::Bins::new(&edges).expect("rising edges");
        let proven = zk::statistic::Answer::compute(values.iter().copied().flatten(), bins, least);
        let numbers = |answer: statistic::Answer| (answer.count, answer.sum, answer.groups);
        let counted = |device| statistic::run(&values, &params, device).map(numbers).ok();
        let proven = proven.map(|answer| (answer.count, answer.sum, answer.groups)).ok();
        assert_eq!(counted(&cpu), proven, "round {round}");
        assert_eq!(counted(&gpu), proven, "round {round}");
    }
}

#[test]
fn statistic_is_counted_in_a_confined_worker_and_a_hostile_one_gets_nothing_out() {
    let market = Market::open();
    market.publish_amounts("money", &amounts().iter().map(written).collect::<Vec<_>>(), "0..160");
    let license = market.license(&market.offer("money", &["--preset", "statistics-only", "--min-records", "5"]));
    let job = text(&market.consumer.run(&["job", "request", &license, "--template", "statistic"]), "job_id");
    market.contributor.run(&["job", "approve", &job]);
    // The exit code that an act comes to: 6 for an answer that is none, 8 for one that the gate refuses, 1 for none.
    for (act, code) in [
        ("answer-sum", 8),
        ("answer-small", 8),
        ("answer-field", 6),
        ("answer-behind", 6),
        ("answer-canary", 6),
        ("answer-long", 6),
        ("answer-nothing", 6),
        ("rows", 6),
        ("params", 6),
        ("crash", 1),
        ("without-seccomp", 8),
    ] {
        let run = ["job", "run", &job, "--device", "cpu"];
        let (ended, answer, _) = market.contributor.with_hostile(market.folder.path(), act, &run);
        assert_eq!(ended, Some(code), "{act}: {answer:#}");
    }
    assert_eq!(text(&market.contributor.run(&["job", "show", &job]), "state"), "approved");
    // On a graphics adapter, fully confined, and the answer is the one that is proven.
    let output = market.contributor.command(&["job", "run", &job, "--device", "gpu"]).output().expect("it starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("counting on wgpu") && said.contains("fully confined ("), "{said}");
    market.consumer.run(&["job", "accept", &job]);
    market.contributor.run(&["job", "settle", &job]);
    let out = market.received().join("output");
    market.consumer.run(&["job", "fetch", &job, "--out", &out.to_string_lossy()]);
    is_the_answer_over(&read(&out.join("answer.json")), &amounts(), 5);
}

#[test]
fn statistics_that_cannot_be_proven_are_refused() {
    let market = Market::open();
    let rows = |count: usize| (0..count).map(|row| row.to_string()).collect::<Vec<_>>();
    let create =
        |name: &'static str, more: &[&'static str]| [&["dataset", "create", name, "--source", name], more].concat();
    market.import_amounts("small", &["1".into(), "2.5".into(), String::new(), "-3".into()]);
    let contributor = &market.contributor;
    contributor.fails(2, &create("small", &["--statistic", "amount"]));
    contributor.fails(2, &create("small", &["--edges", "0..16"]));
    contributor.fails(2, &create("small", &["--statistic", "amount", "--edges", "1,2,3"]));
    contributor.fails(4, &create("small", &["--statistic", "absent", "--edges", "0..16"]));
    contributor.fails(4, &create("small", &["--field", "remark", "--statistic", "amount", "--edges", "0..16"]));
    let said = contributor.fails(8, &create("small", &["--statistic", "remark", "--edges", "0..16"]));
    assert!(said.contains("no number") && !said.contains("remark 0"), "{said}");

    // Fewer values than the license asks for: approved, then nothing leaves, and the buyer is refunded.
    contributor.run(&create("small", &["--statistic", "amount", "--edges", "-8..8"]));
    contributor.run(&["dataset", "publish", "small"]);
    let offer = market.offer("small", &["--preset", "statistics-only", "--min-records", "4"]);
    let license = market.license(&offer);
    let job = text(&market.consumer.run(&["job", "request", &license, "--template", "statistic"]), "job_id");
    contributor.run(&["job", "approve", &job]);
    let refused = contributor.fails(8, &["job", "run", &job]);
    assert!(refused.contains("fewer than the 4"), "{refused}");
    assert_eq!(contributor.run(&["job", "decline", &job])["state"], "refunded");

    // More records than a proof covers: refused, not downgraded.
    market.import_amounts("large", &rows(513));
    let said = contributor.fails(8, &create("large", &["--statistic", "amount", "--edges", "0..512"]));
    assert!(said.contains("512"), "{said}");
    contributor.run(&create("large", &[]));
    contributor.run(&["dataset", "publish", "large"]);
    let license = market.license(&market.offer("large", &["--preset", "open-research"]));
    let said = market.consumer.fails(8, &["job", "request", &license, "--template", "statistic"]);
    assert!(said.contains("512"), "{said}");

    // No field is counted.
    market.import_amounts("silent", &rows(20));
    contributor.run(&create("silent", &[]));
    contributor.run(&["dataset", "publish", "silent"]);
    let warned = |name, preset| {
        let terms = ["--preset", preset, "--price", "1", "--min-records", "2", "--dry-run"];
        let offered = contributor.run(&[&["offer", "create", name], &terms[..]].concat());
        offered["public"].to_string().contains("names no field to count")
    };
    assert!(warned("silent", "statistics-only") && warned("silent", "open-research"));
    assert!(!warned("silent", "embeddings-non-commercial") && !warned("small", "statistics-only"));
    let license = market.license(&market.offer("silent", &["--preset", "open-research"]));
    let said = market.consumer.fails(8, &["job", "request", &license, "--template", "statistic"]);
    assert!(said.contains("no field"), "{said}");
}
