//! What the owner sees before approving, and what they allow ahead of time.

use std::collections::HashSet;

use tests::market::Market;
use tests::text;

#[test]
fn owner_sees_what_leaves_before_approving() {
    let market = Market::open();
    let (_, job) = market.requested("diary", 10, &[]);
    for args in [&["job", "show", &job][..], &["job", "approve", &job, "--dry-run"], &["job", "inbox"]] {
        let answer = market.contributor.run(args);
        let preview = if args[1] == "inbox" { &answer["jobs"][0]["preview"] } else { &answer["preview"] };
        assert_eq!((&preview["template"], &preview["records"]), (&"embed".into(), &10.into()), "{answer:#}");
        assert_eq!((&preview["rows"], &preview["bytes"]), (&10.into(), &(10 * 384 * 4).into()));
        assert_eq!((&preview["price"], &preview["budget_spent"]), (&"2.5 USU".into(), &serde_json::Value::Null));
        assert!(preview["fields"].to_string().contains("text") && text(preview, "worst").contains("recover"));
    }
    // Nobody else learns what the owner's vault knows.
    assert!(market.consumer.run(&["job", "show", &job])["preview"].is_null());
}

#[test]
fn standing_approval_lets_through_what_it_covers_and_nothing_else() {
    let market = Market::open();
    let (license, first) = market.requested("diary", 9, &["--max-runs", "4"]);
    let consumer = text(&market.consumer.run(&["wallet", "show"]), "wallet");
    let stranger = text(&market.contributor.run(&["wallet", "show"]), "wallet");
    let serve = || market.contributor.run(&["job", "serve", "--once", "--device", "cpu"]);
    let add = |consumer: &str, price: &str, runs: &str| {
        let args = ["approval", "add", "--consumer", consumer, "--template", "embed", "--min-price", price];
        market.contributor.run(&[&args[..], &["--runs-per-week", runs]].concat())
    };
    let lets_through = |count: usize| {
        let served = serve();
        assert_eq!(served["approved"].as_array().map(Vec::len), Some(count), "{served:#}");
        assert_eq!((&served["ran"], &served["failed"]), (&served["approved"], &serde_json::json!([])));
    };
    // None at all, one for somebody else, one that asks for more money.
    lets_through(0);
    add(&stranger, "1", "9");
    add(&consumer, "2.500001", "9");
    lets_through(0);
    // The price it was offered at, one run a week; it replaces the one before.
    let listed = add(&consumer, "2.5", "1");
    assert_eq!(listed["approvals"].as_array().map(Vec::len), Some(2), "{listed:#}");
    lets_through(1);
    assert_eq!(market.contributor.run(&["job", "show", &first])["state"], "drawn");
    // A second one in the same week waits for the owner; a week later it goes through.
    let second = market.job(&license);
    lets_through(0);
    assert_eq!(market.contributor.run(&["job", "show", &second])["state"], "requested");
    // What the consumer accepted is settled without being asked.
    market.consumer.run(&["job", "accept", &first]);
    assert_eq!(serve()["settled"], serde_json::json!([first]));
    market.wait(7 * 86_400 + 60);
    let third = market.job(&license);
    let taken_back =
        listed["approvals"].as_array().and_then(|all| all.iter().find(|one| one["consumer"] == consumer.as_str()));
    let id = text(taken_back.expect("it is listed"), "id");
    market.contributor.run(&["approval", "remove", &id]);
    lets_through(0);
    add(&consumer, "2.5", "1");
    lets_through(1);
    assert_eq!(market.contributor.run(&["job", "show", &third])["state"], "drawn");
}

#[test]
fn standing_approval_that_makes_no_sense_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let person = tests::Person::new(folder.path(), "person");
    person.run(&["init"]);
    let address = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8";
    for (consumer, template, price, runs) in [
        ("nobody", "embed", "1", "1"),
        (address, "mine", "1", "1"),
        (address, "embed", "-1", "1"),
        (address, "embed", "1", "0"),
        (address, "embed", "1", "1001"),
    ] {
        let args = ["--consumer", consumer, "--template", template, "--runs-per-week", runs];
        person.fails(2, &[&["approval", "add", &format!("--min-price={price}")][..], &args].concat());
    }
    person.fails(4, &["approval", "remove", "000000000000"]);
    assert_eq!(person.run(&["approval", "list"])["approvals"], serde_json::json!([]));
}

#[test]
fn serving_goes_on_after_a_job_that_fails() {
    let market = Market::open();
    let (license, first) = market.requested("diary", 9, &["--max-runs", "2"]);
    let second = market.job(&license);
    for job in [&first, &second] {
        market.contributor.run(&["job", "approve", job]);
    }
    let both = |served: &serde_json::Value, key: &str| {
        let served: HashSet<&str> =
            served[key].as_array().into_iter().flatten().filter_map(|one| one.as_str()).collect();
        served == HashSet::from([first.as_str(), second.as_str()])
    };
    // The model is gone: both fail, the second although the first did, and both can be run when it is back.
    let empty = tempfile::tempdir().expect("a folder");
    let mut without = market.contributor.command(&["job", "serve", "--once", "--device", "cpu"]);
    let output = without.env("USUFRUCT_MODEL", empty.path().join("none")).output().expect("the program starts");
    let served: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(served["failed"].as_array().map(Vec::len), Some(2), "{served:#}");
    assert!(text(&served["failed"][0], "reason").contains("model"), "{served:#}");
    let served = market.contributor.run(&["job", "serve", "--once", "--device", "cpu"]);
    assert!(both(&served, "ran") && served["failed"] == serde_json::json!([]), "{served:#}");
}

#[test]
fn standing_approval_says_that_training_may_spend_the_privacy_budget() {
    let folder = tempfile::tempdir().expect("a folder");
    let person = tests::Person::new(folder.path(), "person");
    person.run(&["init"]);
    let address = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8";
    for (template, warned) in [("train", true), ("embed", false), ("statistic", false)] {
        let args = ["approval", "add", "--consumer", address, "--min-price", "1", "--runs-per-week", "1", "--template"];
        let answer = person.run(&[&args[..], &[template]].concat());
        let approvals = answer["approvals"].as_array().expect("a list");
        let added = approvals.iter().find(|approval| approval["template"] == template).expect("it is listed");
        let warning = added["warning"].as_str().unwrap_or_default();
        assert_eq!(warning.contains("privacy budget, at most 8"), warned, "{answer:#}");
    }
}
