//! Getting data out of a vault and back: plain files, an encrypted backup, the phrase, and the space of what was removed.

use std::fs;
use std::path::Path;

use tests::market::notes;
use tests::{Person, text};

fn filled(folder: &Path) -> (Person, String) {
    let person = Person::new(folder, "person");
    let phrase = text(&person.run(&["init"]), "recovery_phrase");
    notes(&folder.join("letters"), "letters", 12);
    person.run(&["import", &folder.join("letters").to_string_lossy()]);
    (person, phrase)
}

/// The program with a recovery phrase and a new passphrase in its environment; its exit code and answer.
fn recover(person: &Person, phrase: &str, from: &Path) -> (i32, serde_json::Value) {
    let output = person
        .command(&["vault", "recover", "--from", &from.to_string_lossy()])
        .env("USUFRUCT_RECOVERY_PHRASE", phrase)
        .env("USUFRUCT_NEW_PASSPHRASE", &person.passphrase)
        .output()
        .expect("it starts");
    (output.status.code().unwrap_or(-1), serde_json::from_slice(&output.stdout).unwrap_or_default())
}

#[test]
fn backup_and_phrase_bring_everything_back_on_an_empty_machine() {
    let folder = tempfile::tempdir().expect("a folder");
    let (person, phrase) = filled(folder.path());
    let before = person.run(&["vault", "status"]);
    let backup = folder.path().join("backup");
    let out = backup.to_string_lossy().into_owned();
    assert_eq!(person.run(&["vault", "export", "--encrypted", "--out", &out])["encrypted"], true);
    // Again: nothing new to write but what changed.
    notes(&folder.path().join("more"), "more", 2);
    person.run(&["import", &folder.path().join("more").to_string_lossy()]);
    person.run(&["vault", "export", "--encrypted", "--out", &out]);

    let other = Person::new(folder.path(), "other machine");
    let (code, answer) = recover(&other, "abandon ".repeat(24).trim(), &backup);
    assert_ne!(code, 0, "{answer:#}");
    let stranger = text(&Person::new(folder.path(), "stranger").run(&["init"]), "recovery_phrase");
    assert_eq!(recover(&other, &stranger, &backup).0, 3);
    assert_eq!(recover(&other, &phrase, &folder.path().join("nowhere")).0, 4);
    let (code, recovered) = recover(&other, &phrase, &backup);
    assert_eq!(code, 0, "{recovered:#}");
    for key in ["vault_id", "wallet"] {
        assert_eq!(recovered[key], before[key]);
    }
    assert_eq!(recovered["records"], 14);
    assert_eq!(
        other.run(&["record", "search", "letters"])["total"],
        person.run(&["record", "search", "letters"])["total"]
    );
    assert_eq!(other.run(&["vault", "check", "--read-data"])["sound"], true);
    // A vault that is there is never written over.
    assert_eq!(recover(&other, &phrase, &backup).0, 8);
}

#[test]
fn backup_of_another_vault_is_never_written_over() {
    let folder = tempfile::tempdir().expect("a folder");
    let (person, _) = filled(folder.path());
    let out = folder.path().join("backup").to_string_lossy().into_owned();
    person.run(&["vault", "export", "--encrypted", "--out", &out]);
    let other = Person::new(folder.path(), "other");
    other.run(&["init"]);
    let (code, answer) = other.try_run(&["vault", "export", "--encrypted", "--out", &out]);
    assert_ne!(code, 0, "{answer:#}");
    let holds = folder.path().join("letters").to_string_lossy().into_owned();
    person.fails(8, &["vault", "export", "--encrypted", "--out", &holds]);
    person.fails(8, &["vault", "export", "--out", &holds]);
}

#[test]
fn exported_files_are_those_that_were_imported() {
    let folder = tempfile::tempdir().expect("a folder");
    let (person, _) = filled(folder.path());
    let out = folder.path().join("plain");
    let done = person.run(&["vault", "export", "--out", &out.to_string_lossy()]);
    assert_eq!(done["files"], 12);
    for number in 0..12 {
        let name = format!("{number:04}.txt");
        let imported = fs::read(folder.path().join("letters").join(&name)).expect("imported");
        assert_eq!(fs::read(out.join("letters").join(&name)).expect("exported"), imported);
    }
}

#[test]
fn collection_shows_its_plan_and_frees_what_was_replaced() {
    let folder = tempfile::tempdir().expect("a folder");
    let (person, _) = filled(folder.path());
    // Every import replaces the source's entry; the old ones are garbage.
    for round in 0..3 {
        notes(&folder.path().join("letters"), &format!("round {round}"), 12);
        person.run(&["import", &folder.path().join("letters").to_string_lossy()]);
    }
    let plan = person.run(&["vault", "gc", "--all", "--dry-run"]);
    assert!(plan["freed_bytes"].is_null() && plan["dead_bytes"].as_u64() > Some(0), "{plan:#}");
    let done = person.run(&["vault", "gc", "--all"]);
    assert!(done["freed_bytes"].as_u64() > Some(0), "{done:#}");
    assert_eq!(person.run(&["vault", "check", "--read-data"])["sound"], true);
    assert_eq!(person.run(&["vault", "status"])["records"], 48);
    let again = person.run(&["vault", "gc", "--all", "--dry-run"]);
    assert!(again["dead_bytes"].as_u64() < plan["dead_bytes"].as_u64(), "{again:#}");
}

#[test]
fn home_put_back_whole_is_noticed_with_a_state_folder_outside() {
    let folder = tempfile::tempdir().expect("a folder");
    let (person, _) = filled(folder.path());
    let state = folder.path().join("state").to_string_lossy().into_owned();
    person.run(&["vault", "status", "--state", &state]);
    let copy = folder.path().join("copy");
    let copied = std::process::Command::new("cp").arg("-a").args([&person.home, &copy]).status().expect("cp");
    assert!(copied.success());
    notes(&folder.path().join("more"), "more", 2);
    person.run(&["import", &folder.path().join("more").to_string_lossy(), "--state", &state]);
    fs::remove_dir_all(&person.home).expect("removed");
    fs::rename(&copy, &person.home).expect("put back");
    let said = person.fails(6, &["vault", "status", "--state", &state]);
    assert!(said.contains("went back"), "{said}");
}

/// A file that changed within two seconds is read again in any case.
fn wait_until_settled() {
    std::thread::sleep(std::time::Duration::from_millis(2_100));
}

#[test]
fn vault_is_left_out_of_an_import_of_the_folder_it_is_in() {
    let folder = tempfile::tempdir().expect("a folder");
    let (person, _) = filled(folder.path());
    let home = person.home.clone();
    fs::write(folder.path().join("beside.txt"), "beside the vault").expect("written");
    let (code, all) = person.try_run(&["import", &folder.path().to_string_lossy()]);
    assert_eq!((code, &all["records"]), (9, &1.into()), "{all:#}");
    let own = |answer: &serde_json::Value| {
        let errors = answer["errors"].as_array().expect("errors").iter();
        errors.filter(|error| error["reason"] == "it belongs to the vault itself").count()
    };
    assert_eq!(own(&all), 1, "{all:#}");
    for inside in [home.clone(), home.join("vault"), home.join("vault/header")] {
        let (code, answer) = person.try_run(&["import", &inside.to_string_lossy()]);
        assert_eq!((code, own(&answer), &answer["objects"]), (9, 1, &0.into()), "{answer:#}");
    }
}

#[test]
fn unchanged_files_are_not_read_again_and_changed_ones_are() {
    let folder = tempfile::tempdir().expect("a folder");
    let (person, _) = filled(folder.path());
    let letters = folder.path().join("letters");
    fs::write(letters.join("picture.bin"), [0x89, 0, 1, 2, 0xff, 0xfe, 0, 7]).expect("written");
    fs::write(letters.join("half.csv"), "a,b\n1,2\n1,2,3\n").expect("written");
    let import = || person.try_run(&["import", &letters.to_string_lossy()]).1;
    wait_until_settled();
    let first = import();
    let again = import();
    assert!(first["bytes"].as_u64() > Some(0), "{first:#}");
    assert_eq!(again["bytes"], 0, "{again:#}");
    for key in ["objects", "duplicates"] {
        assert_eq!(again[key], 14, "{again:#}");
    }
    for key in ["not_licensable", "errors"] {
        assert_eq!(again[key], first[key]);
    }
    // Same length, and the time of modification set back.
    let changed = letters.join("0003.txt");
    let before = fs::metadata(&changed).and_then(|file| file.modified()).expect("a time");
    let text = fs::read_to_string(&changed).expect("read");
    fs::write(&changed, text.to_uppercase()).expect("written");
    fs::File::options().write(true).open(&changed).and_then(|file| file.set_modified(before)).expect("set back");
    // Another file under the name of one that is known.
    fs::rename(letters.join("0004.txt"), letters.join("moved.txt")).expect("moved");
    fs::write(letters.join("0004.txt"), "something else").expect("written");
    let third = import();
    assert_eq!(third["records"], 2, "{third:#}");
    assert_eq!(person.run(&["record", "search", "something else"])["total"], 1);
    // By another path and after other things were kept, they are known all the same.
    wait_until_settled();
    import();
    let link = folder.path().join("link");
    std::os::unix::fs::symlink(&letters, &link).expect("a link");
    person.run(&["dataset", "create", "d", "--source", "letters"]);
    let fourth = person.try_run(&["import", &link.to_string_lossy(), "--source", "letters"]).1;
    assert_eq!((&fourth["bytes"], &fourth["objects"]), (&0.into(), &15.into()), "{fourth:#}");
    assert_eq!(person.run(&["vault", "check", "--read-data"])["sound"], true);
}

#[test]
fn deleted_record_takes_the_files_that_hold_it_along() {
    let folder = tempfile::tempdir().expect("a folder");
    let (person, _) = filled(folder.path());
    let table = folder.path().join("table.csv");
    let secret: String = (0..9_000).map(|n| format!("{:x}", n * 2_654_435_761u64)).collect();
    fs::write(&table, format!("name,text\nrowan,quince\nmallory,{secret}\nwren,damson\n")).expect("written");
    person.run(&["import", &table.to_string_lossy()]);
    let stored = || person.run(&["vault", "status"])["stored_bytes"].as_u64().expect("a number");
    let record = text(&person.run(&["record", "search", "mallory"])["records"][0], "id");
    let asked = person.run(&["record", "delete", &record, "--dry-run"]);
    assert_eq!((&asked["files"], &asked["deleted"]), (&serde_json::json!(["table.csv"]), &false.into()));
    person.run(&["vault", "gc", "--all"]);
    let before = stored();
    assert_eq!(person.run(&["record", "delete", &record])["files"], asked["files"]);
    person.run(&["vault", "gc", "--all"]);
    // File and batch held it; with random hex of 70 KB that shows.
    assert!(stored() + 60_000 < before, "{} of {before}", stored());
    assert_eq!(person.run(&["record", "search", "mallory"])["total"], 0);
    assert_eq!(person.run(&["record", "search", "quince"])["total"], 1);
    let out = folder.path().join("plain");
    assert_eq!(person.run(&["vault", "export", "--out", &out.to_string_lossy()])["files"], 12);
    // It does not come back: not with the same file, nor with another that holds it.
    let size = stored();
    person.run(&["import", &table.to_string_lossy()]);
    let more = folder.path().join("more.csv");
    fs::write(&more, format!("name,text\nrowan,quince\nlinnet,medlar\nmallory,{secret}\n")).expect("written");
    let (code, answer) = person.try_run(&["import", &more.to_string_lossy(), "--source", "table"]);
    assert_eq!((code, &answer["records"], &answer["new_bytes"]), (9, &1.into(), &0.into()), "{answer:#}");
    assert!(stored() < size + 40_000, "{} of {size}", stored());
    assert_eq!(person.run(&["record", "search", "medlar"])["total"], 1);
    assert_eq!(person.run(&["vault", "check", "--read-data"])["sound"], true);
}

/// Random words that no program, format or file system writes by itself.
fn canaries(count: usize) -> Vec<String> {
    let mut state = 19u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 24) as u32 | 0x1000_0000
    };
    (0..count).map(|_| format!("canary{:08x}{:08x}", next(), next())).collect()
}

/// Files of every kind, with a canary in each record, and some in their names.
fn plant(folder: &Path, canaries: &[String]) {
    fs::create_dir_all(folder).expect("a folder");
    let write = |name: String, text: String| fs::write(folder.join(name), text).expect("a file");
    let (notes, rest) = canaries.split_at(canaries.len() / 10);
    notes.iter().for_each(|canary| write(format!("{canary}.md"), format!("# {canary}\n\nsaid twice: {canary}\n")));
    let parts: Vec<&[String]> = rest.chunks(rest.len().div_ceil(4)).collect();
    let each = |part: &[String], line: &dyn Fn(&String) -> String| part.iter().map(line).collect::<String>();
    write("table.csv".into(), format!("id,text\n{}", each(parts[0], &|c| format!("{c},about {c}\n"))));
    write("lines.jsonl".into(), each(parts[1], &|c| format!("{{\"text\":\"{c}\",\"more\":[\"{c}\"]}}\n")));
    let mail =
        |c: &String| format!("From a@b.example Thu Jan  4 00:00:00 2024\nFrom: {c}@b.example\nSubject: {c}\n\n{c}\n\n");
    write("mail.mbox".into(), each(parts[2], &mail));
    // No connector reads this one: it is kept whole.
    write("other.bin".into(), each(parts[3], &|c| format!("\u{0}\u{1}{c}\u{0}")));
    write("broken.json".into(), format!("{{\"text\": \"{}\"", canaries[0]));
}

/// All files below a folder.
fn below(folder: &Path) -> Vec<std::path::PathBuf> {
    let items = fs::read_dir(folder).into_iter().flatten().map(|item| item.expect("an entry").path());
    items.flat_map(|path| if path.is_dir() { below(&path) } else { vec![path] }).collect()
}

#[test]
fn planted_canaries_are_in_no_file_and_no_log_of_the_program() {
    let folder = tempfile::tempdir().expect("a folder");
    let person = Person::new(folder.path(), "person");
    let count = std::env::var("CANARIES").ok().and_then(|n| n.parse().ok()).unwrap_or(1_000);
    let (canaries, planted) = (canaries(count), folder.path().join("planted"));
    plant(&planted, &canaries);
    let traces = folder.path().join("traces");
    fs::create_dir(&traces).expect("a folder");
    let mut logged = 0;
    let mut run = |args: &[&str], code: i32| {
        let mut command = person.command(args);
        command.env("USUFRUCT_LOG", "trace").env("USUFRUCT_STATE", traces.join("state")).current_dir(&traces);
        command.envs(["TMPDIR", "HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME", "XDG_RUNTIME_DIR"].map(|v| (v, &traces)));
        let output = command.output().expect("it starts");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {said}");
        assert!(!said.contains("canary"), "{args:?} logs a canary");
        logged += said.len();
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    run(&["init"], 0);
    run(&["import", &planted.to_string_lossy(), "--source", &canaries[1]], 9);
    assert!(run(&["record", "search", &canaries[2]], 0).contains(&canaries[2]), "the canaries did not go in");
    run(&["record", "search", "--meaning", &canaries[5], "--device", "cpu"], 0);
    run(&["dataset", "create", &canaries[3], "--source", &canaries[1]], 0);
    let found: serde_json::Value = serde_json::from_str(&run(&["record", "search", &canaries[4]], 0)).expect("JSON");
    let deleted = found["records"][0]["id"].as_str().expect("a record").to_owned();
    run(&["record", "delete", &deleted], 0);
    run(&["import", &planted.to_string_lossy(), "--source", &canaries[1]], 9);
    run(&["vault", "gc", "--all"], 0);
    run(&["vault", "export", "--encrypted", "--out", &traces.join("backup").to_string_lossy()], 0);
    fs::write(person.home.join("vault/catalog/db"), vec![7; 100_000]).expect("a damaged catalog");
    run(&["vault", "check", "--read-data"], 0);
    run(&["vault", "repair"], 0);
    let files: Vec<_> = [&person.home, &traces].iter().flat_map(|folder| below(folder)).collect();
    let mut searched = 0;
    for file in &files {
        let bytes = fs::read(file).unwrap_or_default();
        let name = file.strip_prefix(folder.path()).unwrap_or(file).display().to_string();
        let text = format!("{name} {}", String::from_utf8_lossy(&bytes));
        assert!(!text.contains("canary"), "{name} holds a canary");
        searched += bytes.len();
    }
    assert!(files.len() > 5 && searched > canaries.len() * 64, "{searched} bytes of {} files", files.len());
    println!("{count} canaries: none in {searched} bytes of {} files and {logged} bytes of logs", files.len());
}

/// Lines of JSON with four kilobytes of text each.
fn long_lines(count: usize) -> String {
    let words = "the letter came late and was read twice before the harbor lights went out ".repeat(55);
    (0..count).map(|number| format!("{{\"id\":{number},\"text\":\"{words}{number}\"}}\n")).collect()
}

/// Runs it to its end; the exit code, and the most memory that the process had, in MiB.
fn run_measured(person: &Person, args: &[&str]) -> (Option<i32>, u64) {
    let mut child = person.command(args).stdout(std::process::Stdio::null()).spawn().expect("it starts");
    let status = format!("/proc/{}/status", child.id());
    let mut most = 0;
    loop {
        let said = fs::read_to_string(&status).unwrap_or_default();
        let line = said.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        most = line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(most);
        if let Some(ended) = child.try_wait().expect("it can be waited for") {
            return (ended.code(), most / 1024);
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
}

#[test]
fn long_file_takes_little_memory_to_import() {
    let folder = tempfile::tempdir().expect("a folder");
    let person = Person::new(folder.path(), "person");
    person.run(&["init"]);
    let file = folder.path().join("long.jsonl");
    let lines = std::env::var("IMPORT_LINES").ok().and_then(|n| n.parse().ok()).unwrap_or(40_000);
    fs::write(&file, long_lines(lines)).expect("a file");
    let (code, most) = run_measured(&person, &["import", &file.to_string_lossy()]);
    println!("{lines} lines, {} MiB: {most} MiB of memory", fs::metadata(&file).expect("a file").len() >> 20);
    assert_eq!(code, Some(0));
    // Of a file of 162 MiB, whose records would take more than that.
    assert!(most > 0 && most < 200, "{most} MiB");
    assert_eq!(person.run(&["record", "list", "--limit", "1"])["total"], lines);
}
