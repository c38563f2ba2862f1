//! What must not work, and what a silent party costs: each refused with its exit code, and the money where it belongs.

use std::fs;

use tests::market::{Market, notes};
use tests::{Person, text};

#[test]
fn unknown_network_is_not_found() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut person = Person::new(folder.path(), "person");
    person.run(&["init"]);
    person.network = "nowhere".into();
    person.fails(4, &["wallet", "show"]);
}

#[test]
fn wrong_command_is_usage_in_json_too() {
    let folder = tempfile::tempdir().expect("a folder");
    let person = Person::new(folder.path(), "person");
    person.fails(2, &["dataset", "forge"]);
    person.run(&["init"]);
    person.fails(2, &["job", "show", "not-an-id"]);
}

#[test]
fn wrong_passphrase_is_locked() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut person = Person::new(folder.path(), "person");
    person.run(&["init"]);
    person.passphrase = "something else".into();
    person.fails(3, &["vault", "status"]);
}

#[test]
fn missing_vault_is_not_found() {
    let folder = tempfile::tempdir().expect("a folder");
    Person::new(folder.path(), "nobody").fails(4, &["vault", "status"]);
}

#[test]
fn second_init_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let person = Person::new(folder.path(), "person");
    person.run(&["init"]);
    person.fails(8, &["init"]);
}

#[test]
fn bad_file_is_named_and_the_rest_goes_in() {
    let folder = tempfile::tempdir().expect("a folder");
    let person = Person::new(folder.path(), "person");
    person.run(&["init"]);
    let files = folder.path().join("files");
    notes(&files, "files", 3);
    fs::write(files.join("broken.zip"), b"PK\x03\x04 and then nothing of a zip").expect("a file");
    let (code, answer) = person.try_run(&["import", &files.to_string_lossy()]);
    assert_eq!(code, 9, "{answer:#}");
    assert_eq!(answer["records"], 3);
    assert!(text(&answer["errors"][0], "file").contains("broken.zip"));
    // What could not be read is said again, and nothing is added.
    let (code, again) = person.try_run(&["import", &files.to_string_lossy()]);
    assert_eq!((code, &again["records"], &again["errors"]), (9, &0.into(), &answer["errors"]));
}

#[test]
fn license_rules_hold_at_the_vault_and_in_the_contract() {
    let market = Market::open();
    market.publish("diary", 20);

    // A template that the license does not allow.
    let statistics = market.license(&market.offer("diary", &["--preset", "statistics-only"]));
    market.consumer.fails(8, &["job", "request", &statistics, "--template", "embed"]);

    // No runs left.
    let once = market.license(&market.offer("diary", &["--max-runs", "1"]));
    market.job(&once);
    market.consumer.fails(8, &["job", "request", &once, "--template", "embed"]);

    // Revoked: unused runs go back to the buyer.
    let revoked = market.license(&market.offer("diary", &["--max-runs", "2"]));
    market.contributor.run(&["license", "revoke", &revoked]);
    market.consumer.fails(8, &["job", "request", &revoked, "--template", "embed"]);
    assert_eq!(market.consumer.run(&["reward", "claim"])["claimed"], "5 USU");

    // Expired.
    let short = market.license(&market.offer("diary", &["--duration", "1"]));
    market.wait(2 * 86_400);
    market.consumer.fails(8, &["job", "request", &short, "--template", "embed"]);

    // Only the owner runs, only the consumer accepts.
    let license = market.license(&market.offer("diary", &[]));
    let job = market.job(&license);
    market.consumer.fails(8, &["job", "approve", &job]);
    market.contributor.fails(8, &["job", "accept", &job]);
}

#[test]
fn offers_that_cannot_be_made_are_refused_and_nothing_is_announced() {
    let market = Market::open();
    market.publish("diary", 12);
    let create = |code: i32, name: &str, preset: &str, more: &[&str]| {
        let said = market.contributor.fails(code, &[&["offer", "create", name, "--preset", preset], more].concat());
        assert!(!said.is_empty(), "{more:?}");
    };
    let embed = "embeddings-non-commercial";
    create(4, "nothing", embed, &["--price", "1"]);
    market.contributor.run(&["dataset", "create", "draft", "--source", "diary"]);
    create(8, "draft", embed, &["--price", "1"]);
    create(2, "diary", "no-such-preset", &["--price", "1"]);
    create(8, "diary", "private", &["--price", "1"]);
    for price in ["", "a lot", "-1", "1e5", "1,5", "2.5 EUR", "0.0000000000000000001", "999999999999999999999999"] {
        create(2, "diary", embed, &[&format!("--price={price}")]);
    }
    // One run could be paid, two could not.
    create(2, "diary", embed, &["--price", "300000000000000000000", "--max-runs", "2"]);
    create(2, "diary", embed, &["--price", "1", "--licensee", "0x12"]);
    for (option, value) in [
        ("--max-runs", "0"),
        ("--duration", "0"),
        ("--duration", "3651"),
        ("--respond-within", "0"),
        ("--respond-within", "721"),
        ("--accept-within", "0"),
        ("--accept-within", "721"),
        ("--min-records", "13"),
        ("--max-licenses", "0"),
        ("--valid", "0"),
    ] {
        create(8, "diary", embed, &["--price", "1", option, value]);
    }
    for offers in [market.contributor.run(&["offer", "list"]), market.consumer.run(&["offer", "find"])] {
        assert_eq!(
            (offers["offers"].as_array().map(Vec::len), offers["left_out"].as_array().map(Vec::len)),
            (Some(0), Some(0))
        );
    }
}

#[test]
fn licenses_that_cannot_be_bought_cost_nothing() {
    let market = Market::open();
    market.publish("diary", 12);
    let buy = |code: i32, offer: &str| {
        let before = market.balance(&market.consumer);
        let said = market.consumer.fails(code, &["license", "buy", offer]);
        assert_eq!(market.balance(&market.consumer), before, "{offer}: {said}");
        assert!(!said.is_empty(), "{offer}");
    };
    buy(2, "not-a-cid");
    // Nobody has it.
    buy(4, "bafkreifzjut3te7nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e");
    // Somebody has it, and it is no offer.
    buy(6, &text(&market.contributor.run(&["dataset", "show", "diary"]), "manifest_cid"));
    buy(8, &market.offer("diary", &["--licensee", "0x00000000000000000000000000000000000000ff"]));
    let dear = ["offer", "create", "diary", "--preset", "embeddings-non-commercial", "--price", "100000"];
    buy(8, &text(&market.contributor.run(&dear), "offer_cid"));
    let once = market.offer("diary", &["--max-licenses", "1"]);
    market.license(&once);
    buy(8, &once);
    let short = market.offer("diary", &["--valid", "1"]);
    market.wait(2 * 86_400);
    buy(8, &short);
    let held = market.consumer.run(&["license", "list"]);
    assert_eq!(held["licenses"].as_array().map(Vec::len), Some(1));
}

#[test]
fn silent_owner_refunds_the_consumer() {
    let market = Market::open();
    let (_, job) = market.requested("diary", 10, &["--respond-within", "1"]);
    market.consumer.fails(8, &["job", "refund", &job]);
    market.wait(3600 + 60);
    market.contributor.run(&["job", "approve", &job]);
    market.contributor.fails(8, &["job", "run", &job, "--device", "cpu"]);
    assert_eq!(market.consumer.run(&["job", "refund", &job])["state"], "refunded");
    assert_eq!(market.consumer.run(&["reward", "claim"])["claimed"], "2.5 USU");
}

#[test]
fn silent_consumer_pays_the_owner() {
    let market = Market::open();
    let (_, job) = market.requested("diary", 10, &["--accept-within", "1"]);
    market.run(&job);
    market.contributor.fails(8, &["job", "settle", &job]);
    market.wait(3600 + 60);
    market.consumer.fails(8, &["job", "reject", &job]);
    assert_eq!(market.contributor.run(&["job", "settle", &job])["state"], "settled");
    assert_eq!(market.contributor.run(&["reward", "claim"])["claimed"], "2.5 USU");
}

#[test]
fn rejected_and_declined_jobs_refund() {
    let market = Market::open();
    let (license, job) = market.requested("diary", 10, &["--max-runs", "2"]);
    market.run(&job);
    assert_eq!(market.consumer.run(&["job", "reject", &job])["state"], "refunded");
    market.contributor.fails(8, &["job", "settle", &job]);
    let second = market.job(&license);
    assert_eq!(market.contributor.run(&["job", "decline", &second])["state"], "refunded");
    market.contributor.fails(8, &["job", "run", &second, "--device", "cpu"]);
    assert_eq!(market.consumer.run(&["reward", "claim"])["claimed"], "5 USU");
}

#[test]
fn network_killed_between_two_steps_loses_nothing() {
    let mut market = Market::open();
    let (_, job) = market.requested("diary", 10, &[]);
    market.contributor.run(&["job", "approve", &job]);
    market.stop_network();
    market.start_network();
    assert_eq!(market.contributor.run(&["job", "run", &job, "--device", "cpu"])["state"], "drawn");
    // The same step again finds its work done.
    assert_eq!(market.contributor.run(&["job", "run", &job, "--device", "cpu"])["state"], "drawn");
}

#[test]
fn record_in_an_active_dataset_is_not_deleted() {
    let market = Market::open();
    market.publish("diary", 5);
    let record = text(&market.contributor.run(&["record", "list"])["records"][0], "id");
    market.contributor.fails(8, &["record", "delete", &record]);
    market.contributor.fails(4, &["record", "delete", "ffffffffffff"]);

    // One that only a draft holds can be deleted; the draft is not published then.
    let folder = market.folder.path().join("draft");
    notes(&folder, "draft", 9);
    market.contributor.run(&["import", &folder.to_string_lossy(), "--source", "draft"]);
    market.contributor.run(&["dataset", "create", "draft", "--source", "draft", "--source", "draft"]);
    let record = text(&market.contributor.run(&["record", "list", "--source", "draft"])["records"][0], "id");
    market.contributor.run(&["record", "delete", &record]);
    market.contributor.fails(8, &["dataset", "publish", "draft"]);
    assert_eq!(market.contributor.run(&["record", "list", "--source", "draft"])["total"], 8);
    assert_eq!(market.contributor.run(&["import", &folder.to_string_lossy(), "--source", "draft"])["records"], 0);
}

#[test]
fn dry_runs_change_nothing() {
    let market = Market::open();
    let folder = market.folder.path().join("n");
    notes(&folder, "n", 8);
    market.contributor.run(&["import", &folder.to_string_lossy(), "--source", "n"]);
    market.contributor.run(&["dataset", "create", "n", "--source", "n"]);
    let dry = market.contributor.run(&["dataset", "publish", "n", "--dry-run"]);
    assert!(dry["tx"].is_null() && dry["public"].as_array().is_some_and(|facts| facts.len() > 3), "{dry:#}");
    assert_eq!(market.contributor.run(&["dataset", "show", "n"])["state"], "draft");
    market.contributor.run(&["dataset", "publish", "n"]);
    market.contributor.run(&[
        "offer",
        "create",
        "n",
        "--preset",
        "embeddings-non-commercial",
        "--price",
        "1",
        "--dry-run",
    ]);
    assert_eq!(market.consumer.run(&["offer", "find"])["offers"].as_array().map(Vec::len), Some(0));
}

#[test]
fn held_vault_can_be_asked_and_is_busy_otherwise() {
    let market = Market::open();
    let (folder, person) = (&market.folder, &market.contributor);
    notes(&folder.path().join("notes"), "notes", 3);
    let import = ["import", &folder.path().join("notes").to_string_lossy()].map(str::to_owned);
    let import = import.each_ref().map(String::as_str);
    let held = app::home::Home::open(&person.home, &person.passphrase).expect("the vault opens");
    // Whoever knows the passphrase can ask; only the holder writes.
    assert!(person.run(&["vault", "status"])["vault_id"].is_string());
    assert_eq!(person.run(&["record", "list"])["total"], 0);
    assert_eq!(person.run(&["vault", "check"])["sound"], true);
    let holder = std::process::id().to_string();
    for refused in [&import[..], &["vault", "gc"], &["vault", "repair"], &["wallet", "faucet"]] {
        let said = person.fails(5, refused);
        assert!(said.contains(&holder), "{refused:?}: {said}");
    }
    let home = person.home.clone();
    let stranger = Person { passphrase: "another passphrase".into(), home, ..Person::new(folder.path(), "x") };
    stranger.fails(3, &["vault", "status"]);
    drop(held);
    person.run(&import);
    assert_eq!(person.run(&["record", "list"])["total"], 3);
    person.run(&["wallet", "faucet"]);
}

#[test]
fn interrupted_import_leaves_nothing_half_done() {
    let folder = tempfile::tempdir().expect("a folder");
    let person = Person::new(folder.path(), "person");
    person.run(&["init"]);
    let files = folder.path().join("files");
    notes(&files, "files", 6000);
    let path = files.to_string_lossy().into_owned();
    let mut child = person
        .command(&["import", &path, "--source", "n"])
        .stdout(std::process::Stdio::null())
        .spawn()
        .expect("it starts");
    std::thread::sleep(std::time::Duration::from_millis(400));
    let killed =
        std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("kill runs");
    assert!(killed.success(), "the import was over before it could be interrupted");
    // 130, or the signal itself where it came before the program listened to it.
    let ended = child.wait().expect("it ends");
    assert!(matches!(ended.code(), Some(130) | None), "{ended}");
    // What was not acknowledged is not there, and the step can be run again.
    assert!(person.run(&["vault", "check", "--read-data"])["sound"] == true);
    person.run(&["import", &path, "--source", "n"]);
    assert_eq!(person.run(&["record", "list"])["total"], 6000);
}

#[test]
fn killed_import_leaves_nothing_half_done() {
    let folder = tempfile::tempdir().expect("a folder");
    let person = Person::new(folder.path(), "person");
    person.run(&["init"]);
    let files = folder.path().join("files");
    notes(&files, "files", 500);
    let path = files.to_string_lossy().into_owned();
    for wait in [300, 450, 600] {
        let mut child = person
            .command(&["import", &path, "--source", "n"])
            .stdout(std::process::Stdio::null())
            .spawn()
            .expect("it starts");
        std::thread::sleep(std::time::Duration::from_millis(wait));
        let _ = child.kill();
        let _ = child.wait();
        assert!(person.run(&["vault", "check", "--read-data"])["sound"] == true);
    }
    person.run(&["import", &path, "--source", "n"]);
    assert_eq!(person.run(&["record", "list"])["total"], 500);
}

#[test]
fn corrupted_content_is_refused() {
    let market = Market::open();
    market.publish("diary", 10);
    let offer = market.offer("diary", &[]);
    let license = market.license(&offer);
    let job = market.job(&license);
    market.run(&job);
    assert!(corrupt(&market.contributor.network_home.join("content")) > 3);
    market.consumer.fails(6, &["job", "accept", &job]);
    market.consumer.fails(6, &["license", "buy", &offer]);
    let found = market.consumer.run(&["offer", "find"]);
    assert_eq!(found["offers"].as_array().map(Vec::len), Some(0));
    assert_eq!(found["left_out"].as_array().map(Vec::len), Some(1));
}

/// Flips a bit in the middle of every file below `folder`; how many there were.
fn corrupt(folder: &std::path::Path) -> usize {
    let mut count = 0;
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            count += corrupt(&path);
        } else {
            let mut bytes = fs::read(&path).expect("a file");
            if let Some(byte) = bytes.get_mut(0) {
                *byte ^= 1;
                count += 1;
            }
            let mut permissions = fs::metadata(&path).expect("a file").permissions();
            std::os::unix::fs::PermissionsExt::set_mode(&mut permissions, 0o600);
            fs::set_permissions(&path, permissions).expect("writable");
            fs::write(&path, bytes).expect("written");
        }
    }
    count
}

#[test]
fn recovery_phrase_opens_a_copy_and_restores_the_wallet() {
    let folder = tempfile::tempdir().expect("a folder");
    let person = Person::new(folder.path(), "person");
    let created = person.run(&["init"]);
    let (phrase, wallet) = (text(&created, "recovery_phrase"), text(&created, "wallet"));
    let files = folder.path().join("files");
    notes(&files, "files", 3);
    person.run(&["import", &files.to_string_lossy(), "--source", "n"]);

    // A copy of the home, and nobody who knows the passphrase.
    let mut copy = Person::new(folder.path(), "copy");
    let copied = std::process::Command::new("cp")
        .arg("-a")
        .arg(person.home.join("."))
        .arg(&copy.home)
        .status()
        .expect("cp runs");
    assert!(copied.success());
    let recover = |words: &str, to: &Person| {
        let output = to
            .command(&["vault", "recover"])
            .env("USUFRUCT_RECOVERY_PHRASE", words)
            .env("USUFRUCT_NEW_PASSPHRASE", "a new passphrase")
            .output()
            .expect("it starts");
        output.status.code()
    };
    let other = text(&Person::new(folder.path(), "other").run(&["init"]), "recovery_phrase");
    assert_eq!(recover(&other, &copy), Some(3));
    assert_eq!(recover("abandon abandon", &copy), Some(2));
    assert_eq!(recover(&phrase, &copy), Some(0));
    copy.fails(3, &["vault", "status"]);
    copy.passphrase = "a new passphrase".into();
    let status = copy.run(&["vault", "status"]);
    assert_eq!((&status["records"], text(&status, "wallet")), (&3.into(), wallet.clone()));

    // The phrase alone brings the wallet back on an empty machine.
    let empty = Person::new(folder.path(), "empty");
    let output =
        empty.command(&["init", "--from-phrase"]).env("USUFRUCT_RECOVERY_PHRASE", &phrase).output().expect("it starts");
    let restored: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(text(&restored, "wallet"), wallet);
}

#[test]
fn damaged_vault_is_repaired_and_the_rest_is_there() {
    let folder = tempfile::tempdir().expect("a folder");
    let person = Person::new(folder.path(), "person");
    person.run(&["init"]);
    for source in ["one", "two"] {
        let files = folder.path().join(source);
        notes(&files, source, 200);
        person.run(&["import", &files.to_string_lossy(), "--source", source]);
    }
    let packs = person.home.join("vault/packs");
    let pack = fs::read_dir(&packs)
        .expect("packs")
        .filter_map(|entry| Some(entry.ok()?.path()))
        .max_by_key(|path| fs::metadata(path).map(|m| m.len()).unwrap_or(0));
    let pack = pack.expect("a pack");
    let mut bytes = fs::read(&pack).expect("a pack");
    bytes[30_000] ^= 1;
    fs::write(&pack, bytes).expect("written");

    let (code, found) = person.try_run(&["vault", "check", "--read-data"]);
    assert_eq!((code, &found["sound"]), (6, &false.into()), "{found:#}");
    let repaired = person.run(&["vault", "repair"]);
    assert!(repaired["problems"].as_array().is_some_and(|problems| !problems.is_empty()), "{repaired:#}");
    // It opens, is sound, and takes more.
    assert_eq!(person.run(&["vault", "check", "--read-data"])["sound"], true);
    assert_eq!(person.run(&["vault", "repair"])["problems"].as_array().map(Vec::len), Some(0));
    person.run(&["vault", "status"]);
}

#[test]
fn delegate_declines_within_its_grant_and_no_further() {
    let market = Market::open();
    let (license, job) = market.requested("diary", 10, &["--max-runs", "2"]);
    let helper = Person::new(market.folder.path(), "helper");
    helper.run(&["init"]);
    let account = text(&helper.run(&["wallet", "show"]), "wallet");
    let file = market.folder.path().join("grant.json");
    let out = file.to_string_lossy().into_owned();
    let add = |more: &[&'static str]| {
        let mut args: Vec<String> = ["wallet", "delegate", "add", &account, "--out", &out].map(str::to_owned).to_vec();
        args.extend(more.iter().map(|word| (*word).to_owned()));
        args
    };
    let refused = |code: i32, more: &[&'static str]| {
        let args = add(more);
        market.contributor.fails(code, &args.iter().map(String::as_str).collect::<Vec<_>>())
    };
    let given = |more: &[&'static str]| {
        let args = add(more);
        market.contributor.run(&args.iter().map(String::as_str).collect::<Vec<_>>())
    };
    let decline = |job: &str| helper.try_run(&["job", "decline", job, "--grant", &out]);
    let grants = || market.contributor.run(&["wallet", "delegate", "list"])["grants"].clone();

    refused(2, &["--jobs", "0"]);
    refused(2, &["--days", "0"]);
    refused(2, &["--action", "dance"]);
    refused(4, &["--dataset", "absent"]);
    assert_eq!(given(&["--dry-run"])["state"], "live");
    assert!(!file.exists() && grants().as_array().is_some_and(Vec::is_empty));
    helper.fails(8, &["job", "decline", &job]);
    assert_eq!(decline(&job).0, 4);

    assert_eq!(given(&["--dataset", "diary", "--jobs", "1"])["used"], 0);
    refused(8, &[]);
    market.contributor.fails(8, &["job", "decline", &job, "--grant", &out]);
    let signed = fs::read_to_string(&file).expect("a grant");
    for (from, to) in
        [("\"jobs\": 1", "\"jobs\": 9"), ("grant v1", "grant v2"), ("\"chain_id\": 1", "\"chain_id\": 2"), ("{", "")]
    {
        assert!(signed.contains(from), "{from} in {signed}");
        fs::write(&file, signed.replacen(from, to, 1)).expect("a file");
        assert_eq!(decline(&job).0, 6, "{to}");
    }
    fs::write(&file, &signed).expect("a file");
    assert_eq!(helper.run(&["job", "decline", &job, "--grant", &out, "--dry-run"])["state"], "requested");
    assert_eq!(helper.run(&["job", "decline", &job, "--grant", &out])["state"], "refunded");
    assert_eq!((&grants()[0]["state"], &grants()[0]["used"]), (&"used up".into(), &1.into()));
    let second = market.job(&license);
    assert_eq!(decline(&second).0, 8);

    fs::remove_file(&file).expect("a grant");
    let grant = text(&given(&[]), "grant_id");
    let remove = ["wallet", "delegate", "remove", &grant];
    assert_eq!(market.contributor.run(&[&remove[..], &["--dry-run"]].concat())["state"], "live");
    assert_eq!(market.contributor.run(&remove)["state"], "canceled");
    assert_eq!(decline(&second).0, 8);
    helper.fails(4, &remove);
    assert_eq!(market.contributor.run(&["job", "show", &second])["state"], "requested");
}

#[test]
fn faucet_says_what_it_would_give_and_gives_nothing() {
    let market = Market::open();
    let before = market.balance(&market.consumer);
    let would = market.consumer.run(&["wallet", "faucet", "--dry-run"]);
    assert!(text(&would, "gives").starts_with("1000"), "{would:#}");
    assert_eq!(market.balance(&market.consumer), before);
    market.consumer.run(&["wallet", "faucet"]);
    assert_ne!(market.balance(&market.consumer), before);
}
