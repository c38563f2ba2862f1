use provenance::chain::Address;
use provenance::chain::typed::{self, Domain, Typed};
use provenance::manifest::{self, Field, FieldKind, Level, UsageInfo};
use provenance::terms::Preset;
use zeroize::Zeroizing;

use super::*;
use crate::dataset::{Published, Selection};
use crate::job::template::Template;
use crate::library::Adding;
use crate::record::Record;

const PASSPHRASE: &str = "seven quiet herons wading";
const DATASET: [u8; 32] = [5; 32];

/// A vault with a published dataset of six records, of which one field is left out.
fn vault() -> (tempfile::TempDir, Home) {
    let dir = tempfile::tempdir().expect("a folder");
    crate::status::create(&dir.path().join("home"), PASSPHRASE).expect("a vault");
    let mut home = Home::open(&dir.path().join("home"), PASSPHRASE).expect("open");
    let mut adding = Adding::to(&home, "diary").expect("a source");
    for day in 0..6 {
        let mut record = Record::new("usufruct/note@1", "diary");
        record.text = Some(format!("it rained on day {day}"));
        record.time = Some(day * 86_400);
        record.set("ward", "left out of the dataset");
        adding.record(&mut home, record).expect("added");
    }
    adding.finish(&mut home, 0).expect("added");
    home.commit().expect("added");
    let selection = Selection { fields: vec!["text".into()], ..Selection::default() };
    dataset::create(&mut home, "diary", "", selection).expect("a dataset");
    publish(&mut home, true);
    (dir, home)
}

/// As publishing leaves it, with the dataset's own key in the manifest or the person's.
fn publish(home: &mut Home, own: bool) {
    let mut dataset = dataset::find(home, "diary").expect("a dataset");
    let exchange_key = match own {
        true => exchange::public_of(&dataset.exchange_secret(home).expect("a secret")),
        false => home.person.exchange_public(),
    };
    let manifest = Manifest {
        name: "diary".into(),
        description: "Notes.".into(),
        published: "2026-11-22".parse().expect("a day"),
        version: 1,
        previous: None,
        usage: UsageInfo {
            name: "By license only".into(),
            description: "Nobody may use it without a license.".into(),
            legal_text: Preset::Private.legal_cid(),
        },
        owner: home.person.address(),
        owner_commitment: zk::field::to_bytes(&dataset.owner_secret(home).expect("a secret").commitment()),
        exchange_key,
        root: zk::field::to_bytes(&dataset.root().expect("a root")),
        records: dataset.count,
        tier: manifest::Tier::from_id(dataset.tier().expect("a tier").id()).expect("a tier"),
        levels: vec![Level::SelfAsserted],
        kinds: vec!["note".into()],
        days: None,
        fields: vec![Field { name: "text".into(), description: "It.".into(), kind: FieldKind::Text, released: false }],
        counted: None,
        labels: None,
    };
    home.keep_bytes(Kind::Manifest, "diary", &manifest.to_bytes().expect("a manifest")).expect("kept");
    dataset.published =
        vec![Published { chain_id: 1, registry: [1; 20], id: DATASET, manifest: String::new(), tx: String::new() }];
    home.keep(Kind::Dataset, "diary", &dataset).expect("kept");
    home.commit().expect("kept");
}

/// Turns it on for so many seconds from now, as [`start`] does after the network's part.
fn turn_on(home: &mut Home, seconds: i64) {
    let until = u64::try_from(time::now() + seconds).expect("a time");
    let delegate = signer(&[3; 32]).expect("a key");
    let domain = Domain { chain_id: 1, contract: Address::repeat_byte(9) };
    let grant = Grant {
        delegate: delegate.address(),
        dataset: DATASET.into(),
        actions: TEMPLATE.action().bit(),
        maxJobs: 2,
        validUntil: until,
        nonce: U256::from(1),
    };
    let signature = typed::sign(home.person.signer(), grant.signing_hash(&domain)).expect("signed");
    let given = serde_json::json!({
        "format": "usufruct grant v1", "chain_id": 1, "escrow": domain.contract.to_string(),
        "owner": home.person.address().to_string(), "delegate": delegate.address().to_string(),
        "dataset": hex::encode(DATASET), "actions": ["embed"], "jobs": 2, "valid_until": until, "nonce": "1",
        "signature": hex::encode(signature),
    });
    let plan = Plan {
        network: "embedded".into(),
        until,
        jobs: 2,
        datasets: vec![Chosen { name: "diary".into(), given: serde_json::from_value(given).expect("a grant") }],
        delegate: Key(vec![3; 32]),
    };
    home.keep(Kind::Earning, NOW, &plan).expect("kept");
    home.commit().expect("kept");
}

fn armed(home: &mut Home) -> Armed {
    arm(home, None).expect("a look").expect("it is on")
}

fn files(home: &Home) -> Vec<std::path::PathBuf> {
    let files = std::fs::read_dir(home.dir.join("earning")).into_iter().flatten().flatten();
    files.map(|file| file.path()).collect()
}

fn contains(bytes: &[u8], secret: &[u8]) -> bool {
    bytes.windows(secret.len()).any(|window| window == secret)
}

#[test]
fn nothing_is_ready_where_it_was_not_turned_on() {
    let (_dir, mut home) = vault();
    assert!(arm(&mut home, None).expect("a look").is_none());
    assert!(show(&home).expect("a look").is_none() && files(&home).is_empty());
}

#[test]
fn what_is_held_has_no_key_of_the_vault_or_the_person() {
    let (_dir, mut home) = vault();
    turn_on(&mut home, 3_600);
    let ready = armed(&mut home);
    // All its fields, by name: a new one does not compile before somebody looked at it here.
    #[rustfmt::skip]
    let Armed {
        dir: _, key, delegate, to, owner: _, network: _, until: _, mark: _, copies, bounds: _, without: _, begun: _, made: _,
        failed: _, outbox: _, shown: _,
    } = &ready;
    let person = home.person.clone();
    let phrase = home.find_bytes(Kind::Phrase, "entropy").expect("a look").expect("a phrase");
    let salt = dataset::find(&home, "diary").expect("a dataset").owner_salt;
    let earned = vault::Read::derive(&home.vault, "earned").expect("a secret");
    let wallet = Zeroizing::new(person.signer().to_bytes().to_vec());
    let secrets: [&[u8]; 6] =
        [&person.identity_secret()[1..], person.exchange_secret(), &wallet, &phrase[1..], &salt, &earned[..]];
    let content = copies[0].open(key).expect("a copy");
    let held = serde_ipld_dagcbor::to_vec(&content).expect("encoded");
    for (which, secret) in secrets.into_iter().enumerate() {
        assert!(!contains(&held, secret), "secret {which} is in the copy");
        assert!(key.as_slice() != secret && delegate.to_bytes().as_slice() != secret && to != secret, "{which}");
    }
    assert!(contains(&held, b"it rained on day 3") && !contains(&held, b"left out of the dataset"));
    let sealed = std::fs::read(&files(&home)[0]).expect("a file");
    assert!(!contains(&sealed, b"it rained") && !contains(&sealed, &key[..]));
    assert_eq!(content.records.len(), 6);
    let opened = dataset::of_records(&content.dataset, content.records).expect("the same records");
    assert_eq!(opened.tree.root(), dataset::find(&home, "diary").expect("it").root().expect("a root"));
}

#[test]
fn copy_that_was_altered_swapped_or_removed_is_refused() {
    let (_dir, mut home) = vault();
    turn_on(&mut home, 3_600);
    let ready = armed(&mut home);
    let (file, copy) = (files(&home).remove(0), &ready.copies[0]);
    let sealed = std::fs::read(&file).expect("a file");
    copy.open(&ready.key).expect("as it was made");
    assert!(copy.open(&[7; 32]).is_err(), "under another key");
    for at in [0, 30, sealed.len() / 2, sealed.len() - 1] {
        let mut bad = sealed.clone();
        bad[at] ^= 1;
        std::fs::write(&file, bad).expect("altered");
        assert!(copy.open(&ready.key).is_err(), "byte {at}");
    }
    std::fs::write(&file, &sealed[..sealed.len() / 2]).expect("cut");
    assert!(copy.open(&ready.key).is_err());
    // A copy of another dataset, under the same key.
    let other = exchange::seal_copy(&ready.key, &[6; 32], &Zeroizing::new(b"another".to_vec())).expect("sealed");
    std::fs::write(&file, other).expect("swapped");
    assert!(copy.open(&ready.key).is_err());
    std::fs::remove_file(&file).expect("removed");
    assert!(copy.open(&ready.key).is_err());
}

#[test]
fn end_that_has_passed_ends_it_and_removes_the_copies() {
    let (_dir, mut home) = vault();
    turn_on(&mut home, 3_600);
    let mut ready = armed(&mut home);
    assert_eq!(files(&home).len(), 1);
    ready.until = 1;
    assert_eq!(ready.look(&crate::args::DeviceChoice::Cpu).expect("a look"), Passed::Over);
    drop(ready);
    assert!(files(&home).is_empty());
    turn_on(&mut home, -1);
    assert!(show(&home).expect("a look").is_none());
    assert!(arm(&mut home, None).expect("a look").is_none());
    assert!(!home.has(Kind::Earning, NOW).expect("a look"), "the delegate's key stays");
}

#[test]
fn vault_that_was_opened_meanwhile_ends_it() {
    let (_dir, mut home) = vault();
    turn_on(&mut home, 3_600);
    let mut ready = armed(&mut home);
    let place = home.dir.clone();
    drop(home);
    drop(Home::open(&place, PASSPHRASE).expect("opened by another program"));
    assert_eq!(ready.look(&crate::args::DeviceChoice::Cpu).expect("a look"), Passed::Over);
}

#[test]
fn dataset_with_a_record_deleted_since_is_not_earned_with() {
    let (_dir, mut home) = vault();
    turn_on(&mut home, 3_600);
    let ready = armed(&mut home);
    let mut gone = None;
    crate::library::each(&home, &[], &mut |_, record| {
        gone = Some(record.identity()?);
        Ok(())
    })
    .expect("records");
    home.keep_bytes(Kind::Deleted, &hex::encode(gone.expect("a record")), &[]).expect("deleted");
    home.commit().expect("deleted");
    assert!(arm(&mut home, Some(ready)).expect("a look").is_none());
    assert!(files(&home).is_empty(), "the copy with the deleted record stays");
}

#[test]
fn dataset_without_a_key_of_its_own_is_not_earned_with() {
    let (_dir, mut home) = vault();
    publish(&mut home, false);
    turn_on(&mut home, 3_600);
    assert!(arm(&mut home, None).expect("a look").is_none());
    let dataset = dataset::find(&home, "diary").expect("a dataset");
    assert!(own_key(&home, &dataset).unwrap_err().message.contains("before it had a key of its own"));
}

#[test]
fn copy_is_used_again_while_its_records_are_the_same() {
    let (_dir, mut home) = vault();
    turn_on(&mut home, 3_600);
    let ready = armed(&mut home);
    let (first, key) = (std::fs::read(&files(&home)[0]).expect("a file"), ready.key.clone());
    let again = arm(&mut home, Some(ready)).expect("a look").expect("it is on");
    assert_eq!(std::fs::read(&files(&home)[0]).expect("a file"), first);
    assert_eq!(again.key, key);
    drop(again);
    assert!(files(&home).is_empty());
    let fresh = armed(&mut home);
    assert_ne!(fresh.key, key, "a key was used twice");
}

#[test]
fn one_template_goes_on_and_it_spends_no_budget() {
    assert!(!TEMPLATE.spends());
    assert_eq!(TEMPLATE, Template::Embed);
}
