//! The window's commands in the real program: money and data with confirmations, the lock, and calls that make no sense.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use app::error::Code;
use app::home::{Home, Kind};
use app::progress::{Stage, Watch, watched};
use proptest::prelude::Rng;
use proptest::test_runner::{RngAlgorithm, TestRng};
use serde_json::{Value, json};
use tests::desk::{NO, YES, asked, open, unlock};
use tests::market::{Market, notes};
use tests::window::{Window, until};
use tests::{program, root};

/// Commands that ask by a dialog of the system's: nobody is there to close it.
const DIALOGS: [&str; 8] = [
    "import_files",
    "import_folder",
    "vault_backup",
    "bundle_export",
    "reward_export",
    "model_add",
    "recover_folder",
    "delegate_add",
];
/// Commands that answer while the vault is locked, and what they may do then.
const UNLOCKED: [&str; 13] = [
    "vault_home",          // names the folder
    "vault_exists",        // says whether there is a vault
    "passphrase_strength", // says something of what was typed
    "vault_status",        // says nothing
    "vault_create",        // refused: there is one
    "vault_unlock",        // the way in
    "recover_open",        // the other way in
    "vault_lock",          // locks what is locked
    "vault_touch",         // keeps nothing open that is not
    "settings_show",       // language and theme of the unlock page
    "earning_show",        // what goes on while it is locked, by names that are public
    "about_show",          // the program's version
    "app_quit",            // the way out
];

fn all_asked(question: &str, facts: &Value) {
    for fact in facts.as_array().expect("facts") {
        // The page folds white space.
        let fact = fact.as_str().expect("text").split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(question.contains(&fact), "{fact} was not asked: {question}");
    }
}

fn ended(window: &Window, task: &Value) -> Value {
    until("the task to end", || {
        let tasks = window.invoke("task_list", &json!({})).expect("the tasks");
        let found = tasks["tasks"].as_array()?.iter().find(|one| one["id"] == task["id"])?.clone();
        (found["state"] != "running").then_some(found)
    })
}

#[test]
fn money_and_data_move_in_the_window_only_when_confirmed() {
    let market = Market::open();
    let folder = market.folder.path().join("diary");
    notes(&folder, "diary", 12);
    std::fs::write(folder.join("mail.txt"), "Write to ann@example.org or call +33 6 12 34 56 78.").expect("a note");
    let window = open(&market, &[&folder]);
    window.type_into("#passphrase", &format!("{}\u{e007}", market.contributor.passphrase));

    // Import: the preview of what the window was opened with, then a task.
    let start = "[data-testid=import-start]:not([disabled])";
    window.element(start);
    assert_eq!(window.invoke("vault_status", &json!({})).expect("a status")["records"], 0);
    window.click(start);
    window.element("[data-testid=task][data-state=done]");
    assert_eq!(window.invoke("vault_status", &json!({})).expect("a status")["records"], 13);

    // Nothing goes to a network before one is chosen.
    let refused = window.invoke("offer_list", &json!({})).expect_err("a network was asked");
    assert!(refused["message"].as_str().is_some_and(|words| words.contains("no network")), "{refused}");
    window.click("[data-testid=page-settings]");
    window.click("[data-testid=network-use][data-network=embedded]");
    until("the network", || (window.invoke("network_chosen", &json!({})) != Ok(Value::Null)).then_some(()));

    // A dataset. Publishing it is declined, then confirmed.
    window.click("[data-testid=page-datasets]");
    window.click("[data-testid=dataset-new]");
    window.type_into("[data-testid=dataset-name]", "diary");
    until("the count", || (window.text("[data-testid=dataset-count]") == "13").then_some(()));
    window.click("[data-testid=dataset-create]:not([disabled])");
    window.click("[data-testid=dataset-public]");
    let public = window.invoke("dataset_public", &json!({"name": "diary"})).expect("facts")["public"].clone();
    let publish = || window.click("[data-testid=dataset-publish]:not([disabled])");
    asked(&window, publish, NO);
    assert_eq!(window.invoke("dataset_list", &json!({})).expect("datasets")["datasets"][0]["state"], "draft");
    let question = asked(&window, publish, YES);
    all_asked(&question, &public);

    // An offer; the consumer buys it and requests a job from the command line.
    window.click("[data-testid=offer-new]");
    let question = asked(&window, || window.click("[data-testid=offer-create]:not([disabled])"), YES);
    assert!(question.contains("2.5 USU"), "{question}");
    let offer = until("the offer", || {
        let offers = window.invoke("offer_list", &json!({})).expect("offers");
        offers["offers"][0]["offer_cid"].as_str().map(str::to_owned)
    });
    let license = market.license(&offer);
    let id = market.job(&license);
    let job = json!({"job": id});

    // The job: it does not run before it was approved; what leaves is asked.
    let task = ended(&window, &window.invoke("job_run", &job).expect("a task"));
    assert_eq!(task["failure"]["code"], "refused", "a job ran before it was approved: {task}");
    let leaves = window.invoke("job_show", &job).expect("the job")["leaves"].clone();
    window.click("[data-testid=page-jobs]");
    window.element("[data-testid=job][data-state=requested]");
    let question = asked(&window, || window.click("[data-testid=job-approve]"), YES);
    all_asked(&question, &leaves);

    // It runs as a task that a reload of the page does not end.
    window.click("[data-testid=job-run]");
    let running = |task: &Value| task["subject"] == id.as_str() && task["state"] == "running";
    let task = until("the task", || {
        let tasks = window.invoke("task_list", &json!({})).expect("tasks");
        tasks["tasks"].as_array()?.iter().find(|task| running(task)).cloned()
    });
    assert_eq!(task["stages"], json!(["read", "compute", "commit", "prove"]));
    window.mark();
    window.run("location.reload(); return ''");
    window.again("[data-testid=page-jobs]");
    let task = ended(&window, &task);
    assert_eq!((&task["state"], &task["job"]["state"]), (&json!("done"), &json!("drawn")), "{task}");

    // Accepted, settled, withdrawn.
    market.consumer.run(&["job", "accept", &id]);
    window.click("[data-testid=page-home]");
    window.click("[data-testid=page-jobs]");
    window.click("[data-testid=job-settle]");
    window.element("[data-testid=job][data-state=settled]");
    window.click("[data-testid=page-rewards]");
    let question = asked(&window, || window.click("[data-testid=reward-claim]:not([disabled])"), YES);
    assert!(question.contains("2.5 USU"), "{question}");
    let rewards = until("the withdrawal", || {
        let rewards = window.invoke("reward_list", &json!({})).expect("rewards");
        (rewards["claimable"] == "0 USU").then_some(rewards)
    });
    assert_eq!(rewards["claimed"], "2.5 USU");
    assert_eq!(window.invoke("reward_history", &json!({})).expect("payments")["payments"][0]["value"], 2.5);

    // The trail, its receipt, and the lock.
    window.click("[data-testid=page-trail]");
    window.element("[data-testid=trail-node]");
    let filter = json!({"filter": {"dataset": null, "consumer": null, "from": null, "to": null}});
    let trail = window.invoke("trail_show", &filter).expect("a trail");
    assert!(trail["edges"].as_array().expect("edges").iter().all(|edge| edge["verified"] == true), "{trail}");
    assert_eq!(window.invoke("receipt_show", &job).expect("a receipt")["valid"], true);
    window.click("[data-testid=vault-lock]");
    until("the unlock page", || window.find("#passphrase"));
    assert_eq!(window.invoke("reward_list", &json!({})).expect_err("open")["code"], "locked");
    window.type_into("#passphrase", &format!("{}\u{e007}", market.contributor.passphrase));
    window.element("[data-testid=page-home]");
    assert_eq!(window.invoke("vault_status", &json!({})).expect("a status")["datasets"], 1);
    assert!(!window.said().contains("panicked"), "{}", window.said());
}

#[test]
fn job_approved_always_runs_and_settles_without_a_question() {
    let market = Market::open();
    market.publish("diary", 10);
    let offer = market.offer("diary", &["--max-runs", "2"]);
    let license = market.license(&offer);
    // Both wait when the approval comes; it lets one through.
    let (first, second) = (market.job(&license), market.job(&license));
    let window = open(&market, &[]);
    unlock(&window, &market);
    window.invoke("network_use", &json!({"name": "embedded"})).expect("chosen");
    window.click("[data-testid=page-jobs]");
    window.click("[data-testid=job-always]");
    window.clear("[data-testid=always-runs]");
    window.type_into("[data-testid=always-runs]", "1");
    let add = || window.click("[data-testid=always-add]:not([aria-disabled=true])");
    asked(&window, add, NO);
    let approvals =
        |window: &Window| window.invoke("approval_list", &json!({})).expect("approvals")["approvals"].clone();
    assert_eq!(approvals(&window), json!([]));
    let question = asked(&window, add, YES);
    assert!(question.contains("or more run without asking you, 1 in any seven days"), "{question}");
    let state = |job: &str, wanted: &str| {
        until(&format!("{job} to be {wanted}"), || {
            let job = window.invoke("job_show", &json!({"job": job})).expect("the job");
            (job["state"] == wanted).then_some(())
        });
    };
    state(&first, "drawn");
    market.consumer.run(&["job", "accept", &first]);
    state(&first, "settled");

    // The second is over the bound: it was not begun, and waits for the owner.
    let tasks = window.invoke("task_list", &json!({})).expect("tasks");
    let begun =
        |job: &str| tasks["tasks"].as_array().expect("tasks").iter().filter(|one| one["subject"] == job).count();
    assert_eq!((begun(&first), begun(&second)), (2, 0), "{tasks}");
    window.element(&format!("[data-job='{second}'][data-state=requested]"));
    assert_eq!(approvals(&window)[0]["runs_a_week"], 1);
    window.click("[data-testid=approval-remove]");
    until("the approval to end", || (approvals(&window) == json!([])).then_some(()));
    state(&second, "requested");
    assert!(!window.said().contains("panicked"), "{}", window.said());
}

#[test]
fn identifiers_are_reported_dropped_and_masked() {
    let market = Market::open();
    let folder = market.folder.path().join("diary");
    notes(&folder, "diary", 6);
    std::fs::write(folder.join("mail.txt"), "Write to ann@example.org or call +33 6 12 34 56 78.").expect("a note");
    let window = open(&market, &[&folder]);
    unlock(&window, &market);
    ended(&window, &window.invoke("import_start", &json!({"source": null})).expect("a task"));
    let mut selection = sensible("SelectionWanted");
    let report = window.invoke("dataset_identifiers", &json!({"selection": selection})).expect("a report");
    assert_eq!(report["records"], 7);
    let email = json!({"kind": "email", "found": 1, "records": 1, "examples": ["ann@example.org"]});
    assert_eq!(report["kinds"][0], email);
    selection["masked"] = json!(["email", "phone"]);
    let found = window.invoke("dataset_preview", &json!({"selection": selection})).expect("counts");
    assert_eq!(found["records"], 7);
    let shown = |found: &Value| found["sample"].to_string();
    assert!(shown(&found).contains("Write to [email] or call [phone]."), "{found}");
    let made = |name: &str, selection: &Value| json!({"name": name, "description": "", "selection": selection});
    let masked = window.invoke("dataset_create", &made("masked", &selection)).expect("a dataset");
    selection["masked"] = json!([]);
    let kept = window.invoke("dataset_create", &made("kept", &selection)).expect("a dataset");
    assert_ne!(masked["root"], kept["root"]);
    selection["dropped"] = json!(["email"]);
    assert_eq!(window.invoke("dataset_create", &made("dropped", &selection)).expect("a dataset")["records"], 6);
}

#[test]
fn records_are_found_by_their_meaning_once_they_were_read() {
    let market = Market::open();
    let folder = market.folder.path().join("diary");
    notes(&folder, "the harbor", 5);
    std::fs::write(folder.join("ill.txt"), "My fever is gone; the physician came twice.").expect("a note");
    market.contributor.run(&["import", &folder.to_string_lossy()]);
    let window = open(&market, &[]);
    window.type_into("#passphrase", &format!("{}\u{e007}", market.contributor.passphrase));
    window.click("[data-testid=page-data]");
    window.click("label:has([data-testid=search-meaning])");
    assert_eq!(window.invoke("meaning_show", &json!({})).expect("a status")["unread"], 6);
    window.click("[data-testid=meaning-read]");
    until("the reading", || {
        (window.invoke("meaning_show", &json!({})).expect("a status")["unread"] == 0).then_some(())
    });
    window.type_into("[data-testid=record-list]", "being ill and seeing a doctor");
    until("the nearest record", || window.text(".records tbody tr").contains("physician").then_some(()));
    let asked = json!({"source": null, "query": "being ill and seeing a doctor", "limit": 2});
    let found = window.invoke("meaning_search", &asked).expect("records");
    assert_eq!((&found["total"], found["records"].as_array().map(Vec::len)), (&json!(6), Some(2)), "{found}");
    // The model ends with the lock, and what it found leaves the page.
    window.invoke("vault_lock", &json!({})).expect("locked");
    assert_eq!(window.invoke("meaning_search", &asked).expect_err("open")["code"], "locked");
    assert!(!window.said().contains("panicked"), "{}", window.said());
}

#[test]
fn counted_field_is_chosen_with_the_dataset() {
    let market = Market::open();
    market.import_amounts("ledger", &["1".to_owned(), "2.5".to_owned(), "40".to_owned()]);
    let window = open(&market, &[]);
    unlock(&window, &market);
    let mut selection = sensible("SelectionWanted");
    let made = |name: &str, selection: &Value| {
        window.invoke("dataset_create", &json!({"name": name, "description": "", "selection": selection}))
    };
    selection["statistic"] = json!({"field": "amount", "edges": "160..0"});
    assert_eq!(made("falling", &selection).expect_err("falling edges")["code"], "usage");
    selection["statistic"] = json!({"field": "nothing", "edges": "0..160"});
    assert!(made("none", &selection).is_err(), "a field that is not there was counted");
    selection["statistic"] = json!({"field": "amount", "edges": "0..160"});
    assert!(made("amounts", &selection).expect("a dataset")["counted"].to_string().contains("amount"));
}

#[test]
fn lock_closes_the_question_and_does_nothing() {
    let market = Market::open();
    market.publish("diary", 10);
    let window = open(&market, &[]);
    unlock(&window, &market);
    window.invoke("network_use", &json!({"name": "embedded"})).expect("chosen");
    let wanted = json!({"preset": "embeddings-non-commercial", "price": "1", "max_runs": null, "duration_days": null, "respond_hours": null, "accept_hours": null, "min_records": null, "max_licenses": 1, "licensee": null, "valid_days": 30});
    let call = window.begin("offer_create", &json!({"dataset": "diary", "wanted": wanted}));
    let (main, _) = window.both();
    let second = window.invoke("dataset_publish", &json!({"name": "diary"})).expect_err("published twice");
    assert_eq!(second["code"], "refused", "{second}");
    window.invoke("vault_lock", &json!({})).expect("locked");
    until("the question to close", || (window.handles() == [main.as_str()]).then_some(()));
    assert!(window.outcome(&call).is_err(), "an offer was made while the vault was locked");
    unlock(&window, &market);
    assert_eq!(window.invoke("offer_list", &json!({})).expect("offers")["offers"], json!([]));
}

/// All 200 texts go through this window's page in ui/tests/injection.spec.ts.
#[test]
fn question_shows_hostile_names_letter_for_letter() {
    let market = Market::open();
    let folder = market.folder.path().join("notes");
    notes(&folder, "rain", 3);
    // What is asked about, and a fact that is asked: a dataset's name has no slash, a source's neither.
    let ran = "onerror=\"window.ran=1\"";
    let (name, source) = (format!("<img src=x {ran}>"), format!("\"><svg onload=\"window.ran=1\"><img src=x {ran}>"));
    market.contributor.run(&["import", &folder.to_string_lossy(), "--source", &source]);
    market.contributor.run(&["dataset", "create", &name, "--source", &source]);
    let window = open(&market, &[]);
    unlock(&window, &market);
    window.invoke("network_use", &json!({"name": "embedded"})).expect("chosen");
    let call = window.begin("dataset_publish", &json!({"name": name}));
    let (main, confirm) = window.both();
    window.switch(&confirm);
    until("the question", || window.find(NO));
    assert_eq!(window.text("main .subject"), name);
    assert!(window.text("main").contains(&format!("The name \"{name}\" and the description.")));
    let made =
        "return String(window.ran) + ' ' + document.querySelectorAll('main img, main [onload], main [onerror]').length";
    assert_eq!(window.run(made), "undefined 0");
    window.try_click(NO);
    until("the question to close", || (window.handles() == [main.as_str()]).then_some(()));
    window.switch(&main);
    assert_eq!(window.outcome(&call).expect_err("it was published")["code"], "refused");
    assert_eq!(window.run("return String(window.ran)"), "undefined");
}

#[test]
fn locked_vault_refuses_every_command_but_a_few() {
    let market = Market::open();
    let window = open(&market, &[]);
    let mut refused = 0;
    for command in commands() {
        if UNLOCKED.contains(&command.name.as_str()) {
            continue;
        }
        let failure = window.invoke(&command.name, &command.sensible()).expect_err(&command.name);
        assert_eq!(failure["code"], "locked", "{}: {failure}", command.name);
        refused += 1;
    }
    assert!(refused > 40, "{refused}");
    assert_eq!(window.invoke("vault_status", &json!({})), Ok(Value::Null));
    let create = window.invoke("vault_create", &json!({"passphrase": "seven quiet herons wading"}));
    assert_eq!(create.expect_err("a second vault")["code"], "refused");
}

/// `USUFRUCT_FUZZ` calls of each command (6), from `USUFRUCT_FUZZ_SEED` (1).
#[test]
fn odd_calls_are_refused_and_nothing_panics() {
    let number = |name: &str, usual: u64| std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(usual);
    let (rounds, seed) = (number("USUFRUCT_FUZZ", 6), number("USUFRUCT_FUZZ_SEED", 1));
    let started = std::time::Instant::now();
    let market = Market::open();
    market.publish("diary", 10);
    let window = open(&market, &[]);
    unlock(&window, &market);
    window.invoke("network_use", &json!({"name": "embedded"})).expect("chosen");
    let mut dice = Dice::new(seed);
    let (mut calls, mut refused) = (0, 0);
    for command in commands() {
        let silent = ["app_quit", "recover_open", "import_sample", "vault_lock", "settings_change"];
        if DIALOGS.contains(&command.name.as_str()) || silent.contains(&command.name.as_str()) {
            continue;
        }
        for _ in 0..rounds {
            let args = command.odd(&mut dice);
            calls += 1;
            refused += u64::from(window.invoke(&command.name, &args).is_err());
        }
    }
    let status = window.invoke("vault_status", &json!({})).expect("the vault is still open");
    assert_eq!(status["records"], 10, "odd calls deleted or added records");
    assert_eq!(window.handles().len(), 1, "an odd call opened a window");
    let said = window.said();
    assert!(!said.contains("panicked"), "{said}");
    println!("seed {seed}: {calls} calls, {refused} refused, {} s", started.elapsed().as_secs());
}

/// Stops after so many looks.
struct After(AtomicU64);

impl Watch for After {
    fn stage(&self, _: Stage) {}
    fn at(&self, _: u64, _: u64) {}
    fn stopped(&self) -> bool {
        self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_err()
    }
}

#[test]
fn stopped_import_keeps_whole_files_with_their_records() {
    app::worker::set_manner(app::worker::Manner::of(&program("usufruct")));
    let dir = tempfile::tempdir().expect("a folder");
    let folder = dir.path().join("notes");
    notes(&folder, "rain", 20);
    app::status::create(&dir.path().join("home"), "seven quiet herons").expect("a vault");
    let mut home = Home::open(&dir.path().join("home"), "seven quiet herons").expect("open");
    let mut whole = 0;
    for looks in [0, 1, 5, 12, 25] {
        let paths = [folder.clone()];
        let stopped = watched(Arc::new(After(AtomicU64::new(looks))), || app::import::run(&mut home, &paths, None));
        assert_eq!(stopped.expect_err("it was stopped").code, Code::Interrupted);
        home.commit().expect("what another command would commit");
        let records = app::library::search(&home, None, "", 100).expect("records").total;
        let known = home.names(Kind::Imported).expect("files").len() as u64;
        assert_eq!(records, known, "a file is known whose records are not");
        assert!(records >= whole);
        whole = records;
    }
    assert!(0 < whole && whole < 20, "{whole}");
    assert_eq!(app::import::run(&mut home, &[folder], None).expect("imported").records, 20 - whole);
}

#[test]
fn stopped_import_of_a_long_file_leaves_nothing_of_it() {
    const LINES: u64 = 15_000;
    app::worker::set_manner(app::worker::Manner::of(&program("usufruct")));
    let dir = tempfile::tempdir().expect("a folder");
    let folder = dir.path().join("notes");
    notes(&folder, "rain", 1);
    let words = "the rain came late and was read twice before the lights went out ".repeat(16);
    let lines: String = (0..LINES).map(|n| format!("{{\"id\":{n},\"text\":\"{words}{n}\"}}\n")).collect();
    std::fs::write(folder.join("zz.jsonl"), lines).expect("a long file");
    app::status::create(&dir.path().join("home"), "seven quiet herons").expect("a vault");
    let mut home = Home::open(&dir.path().join("home"), "seven quiet herons").expect("open");
    // Early, while its records are held, and late, when most of them are in the vault.
    for looks in [1_000, LINES - 1_000] {
        let paths = [folder.clone()];
        let stopped = watched(Arc::new(After(AtomicU64::new(looks))), || app::import::run(&mut home, &paths, None));
        assert_eq!(stopped.expect_err("it was stopped").code, Code::Interrupted);
        home.commit().expect("what another command would commit");
        assert_eq!(app::library::search(&home, None, "", 1).expect("records").total, 1, "after {looks}");
        assert_eq!(home.names(Kind::Records).expect("batches").len(), 1, "after {looks}");
    }
    assert_eq!(app::import::run(&mut home, &[folder], None).expect("imported").records, LINES);
}

/// A command of the main window, with the types of its parameters, as the bindings state them.
struct Command {
    name: String,
    parameters: Vec<(String, String)>,
}

fn commands() -> Vec<Command> {
    let capability = std::fs::read_to_string(root().join("src-tauri/capabilities/main.json")).expect("a capability");
    let capability: Value = serde_json::from_str(&capability).expect("JSON");
    let bindings = std::fs::read_to_string(root().join("ui/src/bindings.ts")).expect("bindings");
    let allowed = capability["permissions"].as_array().expect("permissions").iter().filter_map(Value::as_str);
    let commands = allowed.filter_map(|permission| permission.strip_prefix("allow-")).map(|name| {
        let name = name.replace('-', "_");
        let line = bindings.lines().find(|line| line.contains(&format!("(\"{name}\""))).expect(&name);
        let between = line.split_once(": (").and_then(|(_, rest)| rest.split_once(") =>")).expect("parameters").0;
        let parameter = |text: &str| {
            let (name, kind) = text.split_once(": ").expect("a parameter");
            (name.to_owned(), kind.to_owned())
        };
        Command { name, parameters: between.split(", ").filter(|text| !text.is_empty()).map(parameter).collect() }
    });
    let commands: Vec<Command> = commands.collect();
    assert!(commands.len() > 50, "{}", commands.len());
    commands
}

impl Command {
    /// Arguments of the right types.
    fn sensible(&self) -> Value {
        self.parameters.iter().map(|(name, kind)| (name.clone(), sensible(kind))).collect()
    }

    /// Arguments that nobody would send: of the wrong types, huge, foreign, or missing.
    fn odd(&self, dice: &mut Dice) -> Value {
        let mut args = serde_json::Map::new();
        for (name, kind) in &self.parameters {
            let value = match dice.below(4) {
                0 => sensible(kind),
                1 => dice.any(),
                2 => dice.text(),
                _ => bent(&sensible(kind), dice),
            };
            if dice.below(12) > 0 {
                args.insert(name.clone(), value);
            }
        }
        Value::Object(args)
    }
}

fn sensible(kind: &str) -> Value {
    match kind {
        "string" => json!("diary"),
        "number" => json!(1),
        "boolean" => json!(false),
        "string[]" => json!([]),
        "SelectionWanted" => {
            json!({"sources": [], "kinds": [], "from": null, "to": null, "fields": [], "released": [], "label": null, "statistic": null, "masked": [], "dropped": []})
        }
        "OfferWanted" => {
            json!({"preset": "private", "price": "1", "max_runs": null, "duration_days": null, "respond_hours": null, "accept_hours": null, "min_records": null, "max_licenses": 1, "licensee": null, "valid_days": 1})
        }
        "ApprovalWanted" => {
            json!({"consumer": "0x71c7656ec7ab88b098defb751b7401b5f6d8976f", "template": "infer", "min_price": "1", "runs_a_week": 1})
        }
        "DelegateWanted" => {
            json!({"account": "0x71c7656ec7ab88b098defb751b7401b5f6d8976f", "dataset": null, "actions": ["embed"], "jobs": 1, "days": 1})
        }
        "EarningWanted" => json!({"datasets": ["diary"], "hours": 1, "jobs": 1}),
        "TrailFilter" => json!({"dataset": null, "consumer": null, "from": null, "to": null}),
        "Settings" => {
            json!({"auto_lock_minutes": 10, "language": "system", "theme": "system", "device": "auto", "notifications": true})
        }
        other if other.ends_with(" | null") => Value::Null,
        other => panic!("a parameter of type {other}: say what a sensible one is"),
    }
}

/// The same with one of its values replaced.
fn bent(value: &Value, dice: &mut Dice) -> Value {
    let Some(fields) = value.as_object() else { return dice.any() };
    let mut fields = fields.clone();
    let at = dice.below(fields.len() as u64) as usize;
    let name = fields.keys().nth(at).expect("a field").clone();
    let new = if dice.below(2) == 0 { dice.any() } else { dice.text() };
    fields.insert(name, if dice.below(4) == 0 { json!([new]) } else { new });
    Value::Object(fields)
}

/// Numbers that look random and are the same for the same seed: proptest's own generator.
struct Dice(TestRng);

impl Dice {
    fn new(seed: u64) -> Self {
        let mut whole = [0; 32];
        whole[..8].copy_from_slice(&seed.to_le_bytes());
        Dice(TestRng::from_seed(RngAlgorithm::ChaCha, &whole))
    }

    fn next(&mut self) -> u64 {
        self.0.next_u64()
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    fn any(&mut self) -> Value {
        match self.below(10) {
            0 => Value::Null,
            1 => json!(true),
            2 => json!(-1),
            3 => json!(1e308),
            4 => json!(u64::MAX),
            5 => json!(0.5),
            6 => json!([]),
            7 => json!({"__proto__": {"polluted": true}}),
            8 => json!([[[[[["deep"]]]]]]),
            _ => json!(4_294_967_296_u64),
        }
    }

    fn text(&mut self) -> Value {
        match self.below(10) {
            0 => json!(""),
            1 => json!("x".repeat(1 << 20)),
            2 => json!("\0"),
            3 => json!("../../../../etc/passwd"),
            4 => json!(format!("0x{:064x}", self.next())),
            5 => json!(format!("{:064x}", self.next())),
            6 => json!("<script>window.ran = 1</script>"),
            7 => json!("\u{202e}\u{feff}🦀".repeat(1000)),
            8 => json!("9999-99-99"),
            _ => json!("0x0000000000000000000000000000000000000000"),
        }
    }
}
