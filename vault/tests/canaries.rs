//! Plaintext, names and kinds are found nowhere outside the process: not in the vault, in temporary files, in what is
//! logged, nor in the names of files, whatever the process did and however it ended.
#![allow(clippy::unwrap_used, missing_docs)]

mod support;

use std::collections::HashSet;
use std::fs;
use std::ops::ControlFlow;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::Command;

use support::{Random, count, empty_vault, files, recovery};
use vault::{Error, GcOptions, KdfCost, Options, Secret, Vault};

const DIR: &str = "VAULT_CANARIES_DIR";
/// So many bytes of a canary, in a row and from its beginning or its middle, count as found.
const PIECE: usize = 10;

fn canaries() -> Vec<String> {
    let mut random = Random(19);
    (0..count("VAULT_CANARIES", 1_000)).map(|_| format!("{:016x}{:016x}", random.next(), random.next())).collect()
}

/// Prints all that is logged, with every field.
struct Printer;

impl tracing::Subscriber for Printer {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }
    fn new_span(&self, attributes: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        println!("{attributes:?}");
        tracing::span::Id::from_u64(1)
    }
    fn record(&self, _: &tracing::span::Id, values: &tracing::span::Record<'_>) {
        println!("{values:?}");
    }
    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
    fn event(&self, event: &tracing::Event<'_>) {
        println!("logged {event:?}");
    }
    fn enter(&self, _: &tracing::span::Id) {}
    fn exit(&self, _: &tracing::span::Id) {}
}

/// Stores, replaces, removes, collects, repairs, fails and is cut short with canaries in hand. Does nothing unless
/// started for it.
#[test]
fn process_that_handles_canaries() {
    let Ok(dir) = std::env::var(DIR) else { return };
    tracing::subscriber::set_global_default(Printer).unwrap();
    let (dir, canaries) = (Path::new(&dir), canaries());
    let (path, options) = (dir.join("vault"), Options { state: Some(dir.join("state")), ..Options::default() });
    let open = || Vault::open_with(&path, &recovery(), &options).unwrap();
    let mut vault = open();
    for (i, canary) in canaries.iter().enumerate() {
        let id = vault.put(canary, canary, &mut canary.as_bytes()).unwrap().id;
        let long = canary.repeat(if i % 50 == 0 { 20_000 } else { 20 });
        vault.put("many", &format!("{canary}/x"), &mut long.as_bytes()).unwrap();
        vault.read(&id).unwrap();
        vault.derive(canary);
        if i % 3 == 0 {
            vault.remove(&id).unwrap();
        }
        if i % 100 == 0 {
            vault.commit().unwrap();
        }
    }
    vault.commit().unwrap();
    vault.change_passphrase(&Secret::from(canaries[0].as_str()), KdfCost::FLOOR).unwrap();
    let plan = vault.gc_plan(&GcOptions { waste_percent: 0 }).unwrap();
    vault.gc(&plan, &mut |_, _| ControlFlow::Continue(())).unwrap();
    println!("{vault:?} {:?}", vault.status().unwrap());
    drop(vault);
    let wrong = Vault::open_with(&path, &support::passphrase(&canaries[1]), &options);
    assert!(matches!(wrong, Err(Error::WrongKey)));
    println!("{}", wrong.unwrap_err());
    fs::remove_dir_all(path.join("index")).unwrap();
    fs::write(path.join("catalog/db"), vec![7; 100_000]).unwrap();
    files(&dir.join("state")).iter().for_each(|seen| fs::write(seen, "x").unwrap());
    drop(open());
    // The repair names what was lost to its caller, who may show it; it must not log it.
    let pack = support::packs(&path)[0].clone();
    support::flip(&pack, fs::metadata(&pack).unwrap().len() * 4);
    let (mut vault, lost) = Vault::repair(&path, &recovery(), &options).unwrap();
    assert!(!lost.is_empty());
    for canary in &canaries {
        vault.put("unfinished", canary, &mut canary.repeat(10).as_bytes()).unwrap();
    }
    std::process::abort();
}

/// Pieces of every form a canary may have.
fn pieces(canaries: &[String]) -> HashSet<[u8; PIECE]> {
    let forms = |canary: &String| {
        let utf16: Vec<u8> = canary.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let base64 = |shift: usize| base64(&canary.as_bytes()[shift..]);
        [canary.clone().into_bytes(), utf16, hex::encode(canary).into_bytes(), base64(0), base64(1), base64(2)]
    };
    let piece = |form: Vec<u8>| {
        let middle = form.len() / 2;
        [*form.first_chunk().unwrap(), *form[middle..].first_chunk().unwrap()]
    };
    canaries.iter().flat_map(forms).flat_map(piece).collect()
}

fn base64(bytes: &[u8]) -> Vec<u8> {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let groups = bytes.as_chunks::<3>().0.iter();
    groups
        .flat_map(|[a, b, c]| {
            let word = u32::from_be_bytes([0, *a, *b, *c]);
            [18, 12, 6, 0].map(|shift| LETTERS[(word >> shift) as usize & 63])
        })
        .collect()
}

fn assert_none(bytes: &[u8], pieces: &HashSet<[u8; PIECE]>, place: &str) {
    let found = bytes.windows(PIECE).position(|window| pieces.contains(window));
    assert_eq!(found, None, "{place} holds a canary");
}

#[test]
fn planted_canaries_are_found_nowhere() {
    let (dir, _) = empty_vault();
    let temporary = dir.path().join("temporary");
    fs::create_dir(&temporary).unwrap();
    let started = std::time::Instant::now();
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "process_that_handles_canaries", "--nocapture"])
        .current_dir(&temporary)
        .env(DIR, dir.path())
        .envs(["TMPDIR", "HOME", "XDG_STATE_HOME", "XDG_RUNTIME_DIR"].map(|name| (name, &temporary)))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("logged") && !complaints.contains("panicked"), "{said}{complaints}");
    let canaries = canaries();
    let pieces = pieces(&canaries);
    assert_none(&output.stdout, &pieces, "what was printed and logged");
    assert_none(&output.stderr, &pieces, "what was complained");
    let (mut searched, files) = (output.stdout.len() + output.stderr.len(), files(dir.path()));
    for file in &files {
        let bytes = fs::read(file).unwrap();
        assert_none(&bytes, &pieces, &file.display().to_string());
        assert_none(file.as_os_str().as_bytes(), &pieces, "the name of a file");
        searched += bytes.len();
    }
    assert!(searched > canaries.len() * 768);
    // The search itself finds what is there.
    assert!(canaries.iter().all(|canary| pieces.contains(&canary.as_bytes()[..PIECE])));
    println!(
        "{} canaries: none in {searched} bytes of {} files and the log, {:.1} s",
        canaries.len(),
        files.len(),
        started.elapsed().as_secs_f64()
    );
}
