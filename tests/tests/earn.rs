//! Earning while the vault is locked, in the real window: what goes on, what does not, and that nothing of it is lost.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tests::desk::{NO, YES, asked, open, open_behind, unlock};
use tests::gate::Gate;
use tests::market::Market;
use tests::text;
use tests::window::{Window, until};

/// How long a job may take on a busy machine, beside the looks at the chain.
const PATIENCE: Duration = Duration::from_secs(240);

/// A market whose contributor always approves what its consumer asks of the dataset `diary`; a license for it.
fn market() -> (Market, String) {
    let market = Market::open();
    market.publish("diary", 10);
    let license = market.license(&market.offer("diary", &["--max-runs", "3"]));
    let consumer = text(&market.consumer.run(&["wallet", "show"]), "wallet");
    let bounds = ["--template", "embed", "--min-price", "1", "--runs-per-week", "9"];
    market.contributor.run(&[&["approval", "add", "--consumer", &consumer][..], &bounds].concat());
    (market, license)
}

/// The window, unlocked, on the network.
fn opened(market: &Market) -> Window {
    ready(market, open(market, &[]))
}

fn ready(market: &Market, window: Window) -> Window {
    window.type_into("#passphrase", &format!("{}\u{e007}", market.contributor.passphrase));
    window.element("[data-testid=page-home]");
    window.invoke("network_use", &json!({"name": "embedded"})).expect("chosen");
    window
}

/// Turns it on by hand; what was asked.
fn turn_on(window: &Window) -> String {
    window.click("[data-testid=page-home]");
    window.click("[data-testid=page-settings]");
    // What is still on its way would move what is clicked.
    until("all that the page shows", || window.find("main .loading").is_none().then_some(()));
    until("the dataset to be chosen", || {
        window.click("[data-testid=earning-dataset]:not(:checked)");
        window.find("[data-testid=earning-dataset]:checked")
    });
    let start = || window.click("[data-testid=earning-start]:not([disabled]):not([aria-disabled=true])");
    asked(window, start, NO);
    assert_eq!(earning(window), Value::Null, "it was turned on without a yes");
    let question = asked(window, start, YES);
    window.element("[data-testid=earning-stop]");
    question
}

fn earning(window: &Window) -> Value {
    window.invoke("earning_show", &json!({})).expect("it answers")
}

fn lock(window: &Window) {
    window.click("[data-testid=vault-lock]");
    until("the unlock page", || window.find("#passphrase"));
    assert_eq!(window.invoke("vault_status", &json!({})), Ok(Value::Null));
}

/// Waits until the job is so, as the consumer sees it.
fn stands(market: &Market, job: &str, state: &str) {
    let started = Instant::now();
    while market.consumer.run(&["job", "show", job])["state"] != state {
        assert!(started.elapsed() < PATIENCE, "{job} does not become {state}");
        std::thread::sleep(Duration::from_millis(500));
    }
}

fn files(folder: &Path) -> usize {
    std::fs::read_dir(folder).map_or(0, Iterator::count)
}

#[test]
fn job_is_committed_while_the_vault_is_locked_and_paid_after_it_is_unlocked() {
    let (market, license) = market();
    let home = &market.contributor.home;
    let window = opened(&market);
    let question = turn_on(&window);
    assert!(question.contains("while the vault is locked, until") && question.contains("diary"), "{question}");
    assert!(question.contains("10 jobs at most over each dataset"), "{question}");
    lock(&window);
    let shown = window.text("[data-testid=earning]");
    assert!(shown.contains("Earning until") && shown.contains("diary"), "{shown}");
    assert_eq!(earning(&window)["datasets"], json!(["diary"]));
    assert_eq!(files(&home.join("earning")), 1);

    let job = market.job(&license);
    stands(&market, &job, "drawn");
    // It was done with the vault closed, and all else stays refused.
    assert_eq!(window.invoke("vault_status", &json!({})), Ok(Value::Null));
    for command in ["job_inbox", "reward_list", "approval_list", "earning_stop", "deadline_list"] {
        assert_eq!(window.invoke(command, &json!({})).expect_err(command)["code"], "locked");
    }
    assert_eq!(files(&home.join("earned")), 1);
    market.consumer.run(&["job", "accept", &job]);

    unlock(&window, &market);
    assert_eq!(files(&home.join("earned")), 0, "the work was not taken over");
    stands(&market, &job, "settled");
    let rewards = window.invoke("reward_list", &json!({})).expect("rewards");
    assert_eq!(rewards["claimable"], "2.5 USU", "{rewards}");
    assert_eq!(window.invoke("receipt_show", &json!({"job": job})).expect("a receipt")["valid"], true);
    let out = market.received().join("out");
    let fetched = market.consumer.run(&["job", "fetch", &job, "--out", &out.to_string_lossy()]);
    assert!(fetched["checks"].as_array().expect("checks").iter().all(|check| check["ok"] == true), "{fetched:#}");
    market.consumer.run(&["verify", &out.join("job.bundle").to_string_lossy()]);

    // Turned off: what is requested then waits for the owner.
    window.invoke("earning_stop", &json!({})).expect("off");
    assert_eq!(earning(&window), Value::Null);
    window.invoke("vault_lock", &json!({})).expect("locked");
    assert_eq!((earning(&window), files(&home.join("earning"))), (Value::Null, 0));
    assert!(!window.said().contains("panicked"), "{}", window.said());
}

#[test]
fn work_done_while_locked_survives_the_end_of_the_program() {
    let (market, license) = market();
    let home = &market.contributor.home;
    let window = opened(&market);
    turn_on(&window);
    lock(&window);
    let job = market.job(&license);
    stands(&market, &job, "drawn");
    drop(window);
    // Whoever opens the vault next takes it over, proves it and is paid.
    let run = market.contributor.run(&["job", "run", &job]);
    assert_eq!((&run["state"], files(&home.join("earned"))), (&json!("drawn"), 0), "{run:#}");
    market.consumer.run(&["job", "accept", &job]);
    assert_eq!(market.contributor.run(&["job", "settle", &job])["state"], "settled");
    assert_eq!(market.contributor.run(&["reward", "list"])["claimable"], "2.5 USU");
}

#[test]
fn job_committed_while_locked_is_paid_once_after_the_program_was_killed_before_its_draw() {
    let (market, license) = market();
    let home = &market.contributor.home;
    let gate = Gate::before(&market.contributor.network_home, market.folder.path().join("behind"));
    let window = ready(&market, open_behind(&market, &gate.network_home, &[]));
    turn_on(&window);
    lock(&window);
    // The commitment gets to the chain; the draw, which comes next, does not.
    gate.let_through(1);
    let job = market.job(&license);
    gate.holds();
    window.kill();
    drop(window);
    let committed = market.consumer.run(&["job", "show", &job]);
    assert_eq!(committed["state"], "committed", "{committed:#}");
    assert_eq!((files(&home.join("earned")), files(&home.join("earning"))), (1, 1));

    // Opened again, by the window: the work is taken over, drawn, proven and paid, by itself.
    let window = opened(&market);
    assert_eq!((files(&home.join("earned")), window.find("[data-testid=failure]")), (0, None));
    stands(&market, &job, "drawn");
    market.consumer.run(&["job", "accept", &job]);
    stands(&market, &job, "settled");
    let rewards = window.invoke("reward_list", &json!({})).expect("rewards");
    assert_eq!((&rewards["claimable"], &rewards["by_dataset"][0]["jobs"]), (&json!("2.5 USU"), &json!(1)), "{rewards}");
    assert_eq!(
        window.invoke("reward_history", &json!({})).expect("payments")["payments"].as_array().map(Vec::len),
        Some(1)
    );
    assert_eq!(window.invoke("receipt_show", &json!({"job": job})).expect("a receipt")["valid"], true);
    let out = market.received().join("out");
    let fetched = market.consumer.run(&["job", "fetch", &job, "--out", &out.to_string_lossy()]);
    assert!(fetched["checks"].as_array().expect("checks").iter().all(|check| check["ok"] == true), "{fetched:#}");
    // The buyer paid for one run of three.
    assert_eq!(market.consumer.run(&["license", "list"])["licenses"][0]["runs_left"], 2);
    assert!(!window.said().contains("panicked"), "{}", window.said());
}

#[test]
fn nothing_goes_on_while_locked_unless_it_is_on_and_its_end_has_not_passed() {
    let (market, license) = market();
    let home = &market.contributor.home;
    let window = opened(&market);
    // Off, as it is before anybody turned it on.
    assert_eq!(earning(&window), Value::Null);
    lock(&window);
    let job = market.job(&license);
    assert!(window.find("[data-testid=earning]").is_none());
    // More than one look at the chain: with it on, a look is all that it takes.
    std::thread::sleep(Duration::from_secs(15));
    let waits = |job: &str| assert_eq!(market.consumer.run(&["job", "show", job])["state"], "requested");
    waits(&job);
    assert_eq!((files(&home.join("earned")), home.join("earning").exists()), (0, false));
    // The owner has to decline what the approval would run once the vault is open.
    market.contributor.run(&["job", "decline", &job]);

    // On, and its end has passed when the job is asked for.
    window.type_into("#passphrase", &format!("{}\u{e007}", market.contributor.passphrase));
    window.element("[data-testid=page-home]");
    turn_on(&window);
    market.wait(8 * 3_600 + 60);
    lock(&window);
    let job = market.job(&license);
    until("it to end", || (earning(&window) == Value::Null).then_some(()));
    waits(&job);
    assert_eq!((files(&home.join("earned")), files(&home.join("earning"))), (0, 0));
    assert!(!window.said().contains("panicked"), "{}", window.said());
}
