//! Search by meaning with the real model: it finds what was said in other words, forgets what was deleted, and leaves nothing
//! readable behind.

use std::collections::HashSet;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use app::args::DeviceChoice;
use app::error::Code;
use app::home::{Home, Kind};
use app::meaning::{self, Reading};
use app::progress::{Stage, Watch, watched};
use serde_json::Value;
use tests::market::notes;
use tests::{Person, program, root, text};
use vault::Read as _;

/// What was said, and what somebody may look for it with: no word in common but small ones.
const SAID: [(&str, &str); 6] = [
    ("My fever is gone; the physician came twice and left a bitter draught.", "being ill and seeing a doctor"),
    ("We counted eleven herons on the far bank, more than in any year before.", "watching birds by the river"),
    (
        "The landlord raised what we pay each month, and we must leave by spring.",
        "moving out because the flat is too expensive",
    ),
    ("Please find the minutes of the meeting attached, with two corrections.", "office paperwork"),
    ("The pears are ripe at last; I will send a basket with Thomas.", "harvest of fruit from the garden"),
    ("She played the second violin, badly, and the hall was half empty.", "a disappointing concert"),
];
const FRENCH: [(&str, &str); 3] = [
    ("Le médecin est venu deux fois et la fièvre est tombée.", "maladie et docteur"),
    ("Nous avons acheté du pain et du fromage au marché.", "pain et fromage achetés"),
    ("Le train de Lyon avait deux heures de retard.", "le train est arrivé trop tard"),
];

fn with_notes(folder: &Path, said: &[(&str, &str)]) -> Person {
    let person = Person::new(folder, "person");
    person.run(&["init"]);
    let letters = folder.join("letters");
    fs::create_dir_all(&letters).expect("a folder");
    for (number, (said, _)) in said.iter().enumerate() {
        fs::write(letters.join(format!("{number}.txt")), said).expect("a note");
    }
    person.run(&["import", &letters.to_string_lossy()]);
    person
}

fn looked_for(person: &Person, words: &str) -> Vec<Value> {
    let found = person.run(&["record", "search", "--meaning", "--device", "cpu", words]);
    found["records"].as_array().expect("records").clone()
}

fn opened(person: &Person) -> Home {
    app::worker::set_manner(app::worker::Manner::of(&program("usufruct")));
    Home::open(&person.home, &person.passphrase).expect("it opens")
}

fn nearest_is(said: &[(&str, &str)]) {
    let folder = tempfile::tempdir().expect("a folder");
    let person = with_notes(folder.path(), said);
    for (said, words) in said {
        let found = looked_for(&person, words);
        let begin: String = said.chars().take(40).collect();
        assert!(text(&found[0], "preview").starts_with(&begin), "{words}: {found:#?}");
        let closeness: Vec<f64> = found.iter().map(|one| one["closeness"].as_f64().expect("a number")).collect();
        assert!(closeness.is_sorted_by(|one, next| one >= next) && closeness[0] < 1.01, "{closeness:?}");
        // The words alone find nothing.
        assert_eq!(person.run(&["record", "search", words])["total"], 0, "{words}");
    }
}

#[test]
fn query_in_other_words_finds_the_fitting_record_first() {
    nearest_is(&SAID);
}

#[test]
fn query_in_french_finds_french_records() {
    nearest_is(&FRENCH);
}

#[test]
fn sample_is_found_by_what_it_is_about() {
    let folder = tempfile::tempdir().expect("a folder");
    let person = Person::new(folder.path(), "person");
    person.run(&["init"]);
    person.run(&["import", &root().join("tests/data/sample/addresses.json").to_string_lossy(), "--source", "sample"]);
    let found = looked_for(&person, "a university for the young");
    let shown: Vec<String> = found.iter().take(3).map(|one| text(one, "preview")).collect();
    // Washington's on a national university.
    assert!(shown.iter().any(|text| text.starts_with("I have heretofore proposed")), "{shown:#?}");
    let of =
        |source: &str| person.try_run(&["record", "search", "--meaning", "--source", source, "war", "--limit", "2"]);
    assert_eq!(of("sample").1["records"].as_array().map(Vec::len), Some(2));
    assert_eq!(of("nothing").0, 4);
    assert_eq!(person.try_run(&["record", "search", "--meaning", "  "]).0, 2);
}

#[test]
fn deleted_record_is_not_found_and_its_vector_is_gone() {
    let folder = tempfile::tempdir().expect("a folder");
    let person = with_notes(folder.path(), &SAID);
    let (_, words) = SAID[1];
    let id = text(&looked_for(&person, words)[0], "id");
    assert_eq!(slots(&opened(&person)).len(), SAID.len());
    person.run(&["record", "delete", &id]);
    let found = looked_for(&person, words);
    assert!(found.len() == SAID.len() - 1 && !found.iter().any(|one| one["id"] == id.as_str()), "{found:#?}");
    assert_eq!(slots(&opened(&person)).len(), SAID.len() - 1);
    // Nor is it read again.
    assert_eq!(meaning::status(&opened(&person)).expect("a status").unread, 0);
}

/// The vectors that are kept, with their ids.
fn slots(home: &Home) -> HashSet<Vec<u8>> {
    let names = home.names(Kind::Meaning).expect("names");
    let parts = names.iter().map(|name| home.find_bytes(Kind::Meaning, name).expect("read").expect("there"));
    let slots: Vec<Vec<u8>> =
        parts.flat_map(|part| part.chunks(32 + 384).map(<[u8]>::to_vec).collect::<Vec<_>>()).collect();
    slots.into_iter().filter(|slot| slot[..32] != [0; 32]).collect()
}

/// Stops once so many records are done.
struct At {
    most: u64,
    done: AtomicU64,
}

impl Watch for At {
    fn stage(&self, _: Stage) {}
    fn at(&self, done: u64, _: u64) {
        self.done.store(done, Ordering::SeqCst);
    }
    fn stopped(&self) -> bool {
        self.done.load(Ordering::SeqCst) >= self.most
    }
}

/// Reads what is left, or until so many records are done; what was kept anew, by name.
fn read(home: &mut Home, most: u64) -> Result<Vec<String>, Code> {
    let before: HashSet<_> = home.vault.list("meaning").expect("a list").into_iter().map(|one| one.id).collect();
    watched(Arc::new(At { most, done: AtomicU64::new(0) }), || {
        let mut reading = Reading::start(home, &DeviceChoice::Cpu)?;
        while let Some(made) = reading.next(home)? {
            made.keep(home)?;
        }
        Ok(())
    })
    .map_err(|error: app::error::Error| error.code)?;
    let after = home.vault.list("meaning").expect("a list").into_iter();
    Ok(after.filter(|one| !before.contains(&one.id)).map(|one| one.name).collect())
}

#[test]
fn stopped_reading_goes_on_where_it_was_and_reads_only_what_is_new() {
    let folder = tempfile::tempdir().expect("a folder");
    let person = Person::new(folder.path(), "person");
    person.run(&["init"]);
    let lines =
        |from: u32, to: u32| (from..to).map(|n| format!("{{\"id\":{n},\"text\":\"day {n}\"}}\n")).collect::<String>();
    let file = folder.path().join("days.jsonl");
    fs::write(&file, lines(0, 600)).expect("a file");
    person.run(&["import", &file.to_string_lossy()]);
    let mut home = opened(&person);
    let unread = |home: &Home| meaning::status(home).expect("a status").unread;
    assert_eq!(unread(&home), 600);
    // The first part is kept, the next is cut short.
    assert_eq!(read(&mut home, 300), Err(Code::Interrupted));
    assert_eq!(unread(&home), 344);
    assert_eq!(read(&mut home, u64::MAX).map(|parts| parts.len()), Ok(2));
    assert_eq!((unread(&home), slots(&home).len()), (0, 600));
    drop(home);
    fs::write(&file, lines(590, 610)).expect("a file");
    person.run(&["import", &file.to_string_lossy()]);
    let mut home = opened(&person);
    assert_eq!(unread(&home), 10);
    assert_eq!(read(&mut home, u64::MAX).map(|parts| parts.len()), Ok(1));
    assert_eq!((unread(&home), slots(&home).len()), (0, 610));
}

#[test]
fn vectors_of_a_record_deleted_meanwhile_are_not_kept() {
    let folder = tempfile::tempdir().expect("a folder");
    let person = with_notes(folder.path(), &SAID);
    let mut home = opened(&person);
    let mut reading = Reading::start(&home, &DeviceChoice::Cpu).expect("it starts");
    let made = reading.next(&home).expect("made").expect("a part");
    let id = app::library::search(&home, None, "herons", 1).expect("records").records.remove(0).id;
    app::deletion::delete(&mut home, &id, false).expect("deleted");
    made.keep(&mut home).expect("kept");
    assert_eq!(slots(&home).len(), SAID.len() - 1);
    assert!(!slots(&home).iter().any(|slot| slot[..32] == hex(&id)), "its vector was kept");
}

fn hex(id: &str) -> Vec<u8> {
    (0..id.len()).step_by(2).map(|at| u8::from_str_radix(&id[at..at + 2], 16).expect("hex")).collect()
}

#[test]
fn vectors_texts_and_queries_are_in_no_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let person = with_notes(folder.path(), &SAID);
    let query = "quincunx of the herons";
    looked_for(&person, query);
    let vectors: Vec<Vec<u8>> = slots(&opened(&person)).into_iter().map(|slot| slot[32..64].to_vec()).collect();
    let secrets: Vec<&[u8]> =
        vectors.iter().map(Vec::as_slice).chain([query.as_bytes(), b"herons", b"physician"]).collect();
    assert_eq!(secrets.len(), SAID.len() + 3);
    let mut searched = 0;
    for file in below(&person.home) {
        let bytes = fs::read(&file).unwrap_or_default();
        searched += bytes.len();
        for secret in &secrets {
            let found = bytes.windows(secret.len()).any(|window| window == *secret);
            assert!(!found, "{} holds {:?}", file.display(), String::from_utf8_lossy(secret));
        }
    }
    assert!(searched > 10_000, "{searched}");
}

fn below(folder: &Path) -> Vec<std::path::PathBuf> {
    let items = fs::read_dir(folder).into_iter().flatten().map(|item| item.expect("an entry").path());
    items.flat_map(|path| if path.is_dir() { below(&path) } else { vec![path] }).collect()
}

#[test]
fn without_a_model_or_the_passphrase_nothing_is_searched() {
    let folder = tempfile::tempdir().expect("a folder");
    let person = Person::new(folder.path(), "person");
    person.run(&["init"]);
    notes(&folder.path().join("rain"), "rain", 3);
    person.run(&["import", &folder.path().join("rain").to_string_lossy()]);
    let mut command = person.command(&["record", "search", "--meaning", "weather"]);
    let output = command.env("USUFRUCT_MODEL", folder.path().join("none/model")).output().expect("it starts");
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(4), "{said}");
    assert!(said.contains("all-MiniLM-L6-v2 is not on this machine") && said.contains("usufruct-model"), "{said}");
    let stranger = Person { passphrase: "another one entirely".into(), ..person.again() };
    stranger.fails(3, &["record", "search", "--meaning", "weather"]);
    assert_eq!(opened(&person).names(Kind::Meaning).expect("names"), Vec::<String>::new());
}

#[test]
fn equally_near_records_come_by_their_ids() {
    let folder = tempfile::tempdir().expect("a folder");
    let person = Person::new(folder.path(), "person");
    person.run(&["init"]);
    let file = folder.path().join("twins.jsonl");
    // The model reads the text; the number makes them different records.
    let lines: String = (0..40).map(|n| format!("{{\"n\":{n},\"text\":\"rain again\"}}\n")).collect();
    fs::write(&file, lines).expect("a file");
    person.run(&["import", &file.to_string_lossy()]);
    let found = person.run(&["record", "search", "--meaning", "rain", "--limit", "7"]);
    let ids: Vec<String> = found["records"].as_array().expect("records").iter().map(|one| text(one, "id")).collect();
    assert!(ids.len() == 7 && ids.is_sorted(), "{ids:?}");
    assert_eq!(found["total"], 40);
    let all = person.run(&["record", "search", "--meaning", "rain", "--limit", "4000000000"]);
    assert_eq!(text(&all["records"][0], "id"), ids[0]);
}

/// A line of this process's status, in KiB.
fn status(line: &str) -> u64 {
    let said = fs::read_to_string("/proc/self/status").expect("a status");
    let found = said.lines().find_map(|one| one.strip_prefix(line)).expect("a line");
    found.trim().trim_end_matches(" kB").parse().expect("a number")
}

/// `MEANING_RECORDS` records (4,000) with random vectors: how long a search takes, and what memory.
#[test]
fn search_takes_little_memory_whatever_the_vault_holds() {
    let count: u32 = std::env::var("MEANING_RECORDS").ok().and_then(|n| n.parse().ok()).unwrap_or(4_000);
    let folder = tempfile::tempdir().expect("a folder");
    let person = Person::new(folder.path(), "person");
    person.run(&["init"]);
    let mut home = opened(&person);
    let digest = app::model::for_search().expect("a model").digest;
    let mut adding = app::library::Adding::to(&home, "days").expect("a source");
    let mut part = Vec::new();
    let mut state = 1u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    for n in 0..count {
        let mut record = app::record::Record::new("usufruct/note@1", "days");
        record.text = Some(format!("Day {n}: {}", "rain on the roof and nothing to read ".repeat(6)));
        part.extend(record.identity().expect("an id"));
        part.extend((0..384).map(|_| next().saturating_sub(1)));
        adding.record(&mut home, record).expect("added");
        if (n + 1) % 256 == 0 || n + 1 == count {
            let name = format!("{}/days/{}/{}", hex_of(&digest[..8]), n / 1024, n % 1024 / 256 * 256);
            home.keep_bytes(Kind::Meaning, &name, &std::mem::take(&mut part)).expect("kept");
        }
    }
    adding.finish(&mut home, 0).expect("a source");
    home.commit().expect("durable");
    assert_eq!(meaning::status(&home).expect("a status").unread, 0);
    let mut encoder = meaning::encoder(&home, &DeviceChoice::Cpu).expect("a model");
    fs::write("/proc/self/clear_refs", "5").expect("the peak is forgotten");
    let (before, started) = (status("VmRSS:"), std::time::Instant::now());
    let found = meaning::search(&home, &mut encoder, None, "a wet day", 50).expect("records");
    let (taken, grown) = (started.elapsed(), status("VmHWM:").saturating_sub(before));
    assert_eq!((found.total, found.records.len()), (u64::from(count), 50.min(count as usize)));
    println!("{count} records: searched in {} ms, with {} MiB more than before", taken.as_millis(), grown / 1024);
    assert!(grown < 64 * 1024, "{grown} KiB");
}

fn hex_of(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
