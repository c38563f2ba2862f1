use super::*;
use serde_json::{Value, json};

pub(crate) fn manifest() -> Manifest {
    let terms = crate::terms::Preset::EmbeddingsNonCommercial
        .terms(crate::terms::Amount::tokens(2), Address::repeat_byte(0xcc));
    Manifest {
        name: "Letters of a naturalist".into(),
        description: "Letters written and received, one record per letter.".into(),
        published: "2026-11-21".parse().unwrap(),
        version: 1,
        previous: None,
        usage: UsageInfo::of("Embeddings, non-commercial", &terms, "USU"),
        owner: Address::repeat_byte(0xaa),
        owner_commitment: [0x0c; 32],
        exchange_key: [0x0e; 32],
        root: [0x0f; 32],
        records: 300,
        tier: Tier::Small,
        levels: vec![Level::SelfAsserted],
        kinds: vec!["letter".into(), "note".into()],
        days: Some(("1831-12-27".parse().unwrap(), "1836-10-02".parse().unwrap())),
        fields: vec![
            Field { name: "text".into(), description: "The letter.".into(), kind: FieldKind::Text, released: false },
            Field {
                name: "time".into(),
                description: "When it was written.".into(),
                kind: FieldKind::Time,
                released: false,
            },
            Field {
                name: "pages".into(),
                description: "How long it is.".into(),
                kind: FieldKind::Integer,
                released: true,
            },
        ],
        counted: Some(Counted { field: "pages".into(), scale: 0, edges: (0..17).collect() }),
        labels: None,
    }
}

fn golden(name: &str, bytes: &[u8]) {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, bytes).unwrap();
    }
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    assert_eq!(text(&std::fs::read(&path).unwrap_or_default()), text(bytes), "{name} differs from its golden file");
}

#[test]
fn manifest_matches_its_golden_file() {
    golden("manifest.json", &manifest().to_bytes().unwrap());
    golden("manifest.cid", (manifest().cid().unwrap().to_string() + "\n").as_bytes());
    golden("manifest.public-facts.txt", (manifest().public_facts().join("\n") + "\n").as_bytes());
}

#[test]
fn manifest_round_trips() {
    let second = Manifest {
        version: 2,
        previous: Some(Cid::raw(b"one")),
        days: None,
        counted: None,
        labels: Some(Labels { field: "pages".into(), classes: vec!["long".into(), "short".into()] }),
        levels: Level::ALL.into(),
        records: 512 + 1,
        tier: Tier::Medium,
        ..manifest()
    };
    for manifest in [manifest(), second] {
        let bytes = manifest.to_bytes().unwrap();
        assert_eq!(Manifest::from_bytes(&bytes).unwrap(), manifest);
        manifest.cid().unwrap().verify(&bytes).unwrap();
    }
}

#[test]
fn manifest_without_a_time_range_does_not_show_one() {
    let quiet = Manifest { days: None, ..manifest() };
    let text = String::from_utf8(quiet.to_bytes().unwrap()).unwrap();
    assert!(!text.contains("1831") && !text.contains("temporalCoverage"));
    assert!(!quiet.public_facts().iter().any(|fact| fact.contains("1831")));
}

#[test]
fn public_facts_name_what_is_shown() {
    let facts = manifest().public_facts().join(" ");
    for shown in
        ["Letters of a naturalist", "300", "letter, note", "text, time, pages", "0xaAaA", "1831-12-27", "pages"]
    {
        assert!(facts.contains(shown), "{shown}: {facts}");
    }
}

/// A manifest after `change` must not be written.
fn unwritable(change: impl FnOnce(&mut Manifest), reason: &str) {
    let mut bad = manifest();
    change(&mut bad);
    let message = bad.to_bytes().unwrap_err().to_string();
    assert!(message.contains(reason), "{message}");
}

#[test]
fn odd_texts_are_refused() {
    unwritable(|m| m.name = String::new(), "name has 0");
    unwritable(|m| m.name = "x".repeat(121), "name has 121");
    unwritable(|m| m.name = " x".into(), "space around");
    unwritable(|m| m.name = "a\u{0}b".into(), "control");
    unwritable(|m| m.name = "a\u{202e}b".into(), "control");
    unwritable(|m| m.description = "x".repeat(4001), "description has 4001");
    unwritable(|m| m.fields[0].name = String::new(), "field name");
    unwritable(|m| m.kinds[0] = "\u{1b}[31m".into(), "kind");
}

#[test]
fn lines_are_broken_in_descriptions_alone() {
    unwritable(|m| m.name = "a\nb".into(), "name has more than one line");
    unwritable(|m| m.usage.name = "a\nb".into(), "usage name has more than one line");
    unwritable(|m| m.kinds[0] = "let\nter".into(), "kind has more than one line");
    unwritable(|m| m.fields[0].name = "te\nxt".into(), "field name has more than one line");
    unwritable(|m| m.fields[0].description = "The\nletter.".into(), "field description has more than one line");
    for odd in ["a\rb", "a\u{85}b", "a\u{2028}b", "a\u{2029}b", "a\u{2067}b", "a\n\u{1b}[31mb"] {
        unwritable(|m| m.description = odd.into(), "control");
        unwritable(|m| m.usage.description = odd.into(), "control");
    }
    unwritable(|m| m.description = "a\n".into(), "space around");
    let mut several = manifest();
    several.description = "One.\n\n  Two.".into();
    several.usage.description = "One.\nTwo.".into();
    assert_eq!(Manifest::from_bytes(&several.to_bytes().unwrap()).unwrap(), several);
}

#[test]
fn refusals_repeat_nothing_that_steers_a_terminal() {
    let text = String::from_utf8(manifest().to_bytes().unwrap()).unwrap();
    for (from, to) in [("{\n", "{\n  \"\\u001b[31m\\n\": 1,\n"), ("2026-11-21", "2026-11-21\\u001b[31m\\u202e")] {
        let altered = text.replacen(from, to, 1);
        assert_ne!(altered, text);
        let message = Manifest::from_bytes(altered.as_bytes()).unwrap_err().to_string();
        assert!(is_one_line(&message), "{message:?}");
        assert!(message.contains("[31m"), "{message:?}");
    }
}

#[test]
fn odd_counts_are_refused() {
    unwritable(|m| m.records = 0, "records");
    unwritable(|m| m.records = 513, "do not fit");
    unwritable(|m| m.version = 0, "version");
    unwritable(|m| m.version = 2, "names the one before");
    unwritable(|m| m.previous = Some(Cid::raw(b"one")), "names the one before");
}

#[test]
fn words_outside_the_field_are_refused() {
    unwritable(|m| m.root = [0xff; 32], "root");
    unwritable(|m| m.root = ORDER, "root");
    unwritable(|m| m.owner_commitment = [0xff; 32], "owner commitment");
    let mut most = ORDER;
    most[31] = 0;
    Manifest { root: most, ..manifest() }.to_bytes().unwrap();
}

#[test]
fn missing_keys_are_refused() {
    unwritable(|m| m.owner = Address::ZERO, "owner");
    unwritable(|m| m.exchange_key = [0; 32], "exchange key");
    let mut low_order = [0; 32];
    low_order[0] = 1;
    unwritable(|m| m.exchange_key = low_order, "exchange key");
}

#[test]
fn unsorted_sets_are_refused() {
    unwritable(|m| m.kinds.reverse(), "sorted");
    unwritable(|m| m.kinds = vec!["a".into(), "a".into()], "sorted");
    unwritable(|m| m.kinds.clear(), "kinds");
    unwritable(|m| m.levels.clear(), "source levels");
    unwritable(|m| m.levels = vec![Level::DkimSigned, Level::SelfAsserted], "source levels");
}

#[test]
fn odd_fields_are_refused() {
    unwritable(|m| m.fields.clear(), "fields");
    unwritable(|m| m.fields[1].name = "text".into(), "twice");
    unwritable(|m| m.fields = vec![m.fields[0].clone(); 65], "fields");
    unwritable(|m| m.fields[0].released = true, "free text");
    unwritable(|m| m.days = Some(("2025-01-02".parse().unwrap(), "2025-01-01".parse().unwrap())), "first day");
}

#[test]
fn odd_counted_fields_are_refused() {
    let counted = |field: &str, scale, edges| Some(Counted { field: field.into(), scale, edges });
    unwritable(|m| m.counted = counted("text", 0, vec![]), "not a number");
    unwritable(|m| m.counted = counted("absent", 0, vec![]), "not a number");
    unwritable(|m| m.counted = counted("pages", 10, vec![]), "scale");
    unwritable(|m| m.counted = counted("pages", 0, vec![1, 2, 3]), "17");
    unwritable(|m| m.counted = counted("pages", 0, vec![0; 17]), "rise");
}

#[test]
fn odd_labels_are_refused() {
    let labels = |field: &str, classes: &[&str]| {
        Some(Labels { field: field.into(), classes: classes.iter().map(|class| (*class).to_owned()).collect() })
    };
    unwritable(|m| m.labels = labels("absent", &["a", "b"]), "not among the fields");
    unwritable(|m| m.labels = labels("pages", &["a"]), "fewer than two");
    unwritable(|m| m.labels = labels("pages", &[&"a".repeat(65), "b"]), "class");
    unwritable(|m| m.labels = labels("pages", &["b", "a"]), "sorted");
    unwritable(|m| m.labels = labels("pages", &["a", "a"]), "sorted");
    unwritable(|m| m.labels = labels("pages", &["a", "b\nc"]), "line");
    let many: Vec<String> = (100..165).map(|class| class.to_string()).collect();
    unwritable(|m| m.labels = Some(Labels { field: "pages".into(), classes: many }), "too many");
}

/// The manifest's JSON after `change` must be refused with a message that has `reason`.
fn unreadable(change: impl FnOnce(&mut Value), reason: &str) {
    let mut value: Value = serde_json::from_slice(&manifest().to_bytes().unwrap()).unwrap();
    change(&mut value);
    let mut bytes = serde_json::to_vec_pretty(&value).unwrap();
    bytes.push(b'\n');
    let error = Manifest::from_bytes(&bytes).unwrap_err();
    assert!(matches!(error, Error::Invalid(_)), "{error}");
    assert!(error.to_string().contains(reason), "{reason}: {error}");
}

#[test]
fn every_missing_member_is_refused_by_its_name() {
    let value: Value = serde_json::from_slice(&manifest().to_bytes().unwrap()).unwrap();
    let optional = ["usu:counted", "temporalCoverage"];
    for name in value.as_object().unwrap().keys().filter(|name| !optional.contains(&name.as_str())) {
        unreadable(|v| drop(v.as_object_mut().unwrap().shift_remove(name)), name);
    }
}

#[test]
fn every_member_of_another_type_is_refused_by_its_name() {
    let value: Value = serde_json::from_slice(&manifest().to_bytes().unwrap()).unwrap();
    for name in value.as_object().unwrap().keys() {
        unreadable(|v| v[name] = json!(null), name);
    }
}

#[test]
fn unknown_members_are_refused_by_their_place() {
    unreadable(|v| v["note"] = json!("x"), "manifest.note");
    unreadable(|v| v["usageInfo"]["note"] = json!("x"), "manifest.usageInfo.note");
    unreadable(|v| v["recordSet"][0]["field"][1]["value"] = json!({}), "manifest.recordSet[0].field[1].value");
    unreadable(|v| v["recordSet"][0]["data"] = json!([{"text": "leak"}]), "recordSet[0].data");
    unreadable(|v| v["@context"]["evil"] = json!("http://x"), "@context.evil");
}

#[test]
fn contradicting_members_are_refused() {
    unreadable(|v| v["creator"]["name"] = json!("somebody"), "creator.name");
    unreadable(|v| v["license"] = json!("https://creativecommons.org/publicdomain/zero/1.0/"), "license");
    unreadable(|v| v["usu:circuit"] = json!("provenance@2"), "usu:circuit");
    unreadable(|v| v["usu:unixfsProfile"] = json!("unixfs-v0"), "usu:unixfsProfile");
    unreadable(|v| v["conformsTo"] = json!(["http://mlcommons.org/croissant/1.0"]), "conformsTo");
    unreadable(|v| v["recordSet"][0]["field"][0]["@id"] = json!("records/other"), "field[0].@id");
}

#[test]
fn odd_values_are_refused_by_their_name() {
    unreadable(|v| v["usu:root"] = json!("0x12"), "usu:root");
    unreadable(|v| v["usu:records"] = json!(-1), "usu:records");
    unreadable(|v| v["usu:records"] = json!(1.5), "usu:records");
    unreadable(|v| v["usu:tier"] = json!("huge"), "usu:tier");
    unreadable(|v| v["usu:sourceLevels"] = json!(["notarized"]), "usu:sourceLevels");
    unreadable(|v| v["version"] = json!("1.0"), "version");
    unreadable(|v| v["version"] = json!("01.0.0"), "version");
    unreadable(|v| v["datePublished"] = json!("2025-02-29"), "datePublished");
    unreadable(|v| v["usu:owner"] = json!("0xaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"), "usu:owner");
    unreadable(|v| v["usageInfo"]["url"] = json!("https://example.org"), "url");
    unreadable(|v| v["usu:counted"]["usu:binEdges"] = json!([3_000_000_000u64]), "usu:binEdges");
    unreadable(|v| v["recordSet"][0]["field"][0]["dataType"] = json!("sc:Image"), "dataType");
    unreadable(|v| v["recordSet"] = json!([]), "recordSet");
}

#[test]
fn another_encoding_of_the_same_is_refused() {
    let bytes = manifest().to_bytes().unwrap();
    let value: Value = serde_json::from_slice(&bytes).unwrap();
    for other in
        [serde_json::to_vec(&value).unwrap(), [bytes.as_slice(), b"\n"].concat(), bytes[..bytes.len() - 1].into()]
    {
        assert!(Manifest::from_bytes(&other).unwrap_err().to_string().contains("one encoding"));
    }
    let text = String::from_utf8(bytes).unwrap();
    let twice = text.replacen("\"name\":", "\"name\": \"first\",\n  \"name\":", 1);
    assert!(Manifest::from_bytes(twice.as_bytes()).is_err());
}

#[test]
fn every_cut_of_a_manifest_is_refused() {
    let bytes = manifest().to_bytes().unwrap();
    for length in (0..bytes.len()).step_by(7) {
        assert!(Manifest::from_bytes(&bytes[..length]).is_err(), "{length}");
    }
}

#[test]
fn large_and_deep_documents_are_refused() {
    assert!(Manifest::from_bytes(&vec![b' '; MAX_MANIFEST + 1]).unwrap_err().to_string().contains("at most"));
    assert!(Manifest::from_bytes("[".repeat(100_000).as_bytes()).is_err());
    assert!(Manifest::from_bytes(b"").is_err());
    assert!(Manifest::from_bytes(b"[]").is_err());
}

#[test]
fn days_are_days_of_the_calendar() {
    for day in ["2024-02-29", "2000-02-29", "1999-12-31"] {
        assert_eq!(day.parse::<Day>().unwrap().to_string(), day);
    }
    for day in [
        "",
        "2023-02-29",
        "1900-02-29",
        "2024-13-01",
        "2024-00-01",
        "2024-01-00",
        "2024-04-31",
        "2024-1-1",
        "24-01-01",
        "2024-01-01T00:00",
        "2024/01/01",
        "+024-01-01",
    ] {
        assert!(day.parse::<Day>().is_err(), "{day}");
    }
}

#[test]
fn tiers_hold_powers_of_eight() {
    assert_eq!(Tier::ALL.map(Tier::capacity), [512, 32_768, 2_097_152]);
    assert_eq!(Tier::from_id(2).unwrap(), Tier::Large);
    assert!(Tier::from_id(3).is_err());
    assert_eq!(Level::ALL.map(Level::code), [0, 1, 2, 3]);
}
