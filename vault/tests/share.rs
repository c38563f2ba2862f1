//! A second process reads what the holder has open, by its key only, and cannot harm it.
#![allow(clippy::unwrap_used, missing_docs)]

mod support;

use std::fs;
use std::io::{BufRead, BufReader, Read as _, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use support::{Random, copy, empty_vault, flip, open, packs, passphrase, recovery};
use tempfile::TempDir;
use vault::{Access, CheckDepth, Error, ObjectId, Options, Read, Reader, Shared, Unlock, Vault};

/// An open vault that answers, with a few objects, and the folder of its socket.
fn holder() -> (TempDir, PathBuf, PathBuf, Shared) {
    let (dir, path) = empty_vault();
    let sockets = dir.path().join("sockets");
    let mut vault = open(&path);
    for i in 0..30u64 {
        vault.put("note", &format!("n{i}"), &mut Random(i).bytes(i as usize * 40).as_slice()).unwrap();
    }
    vault.put("large", "one", &mut Random(99).bytes(9 << 20).as_slice()).unwrap();
    vault.put("large", "empty", &mut &b""[..]).unwrap();
    vault.commit().unwrap();
    let shared = Shared::new(vault);
    shared.serve(&sockets).unwrap();
    (dir, path, sockets, shared)
}

fn reader(path: &Path, sockets: &Path) -> Reader {
    Reader::open(path, &recovery(), sockets).unwrap()
}

fn socket(sockets: &Path) -> PathBuf {
    fs::read_dir(sockets).unwrap().next().unwrap().unwrap().path()
}

/// The same answers to every question.
fn assert_agree(one: &dyn Read, other: &dyn Read) {
    assert_eq!(one.status().unwrap(), other.status().unwrap());
    for kind in ["note", "large", "nothing"] {
        let listed = one.list(kind).unwrap();
        assert_eq!(listed, other.list(kind).unwrap());
        for entry in listed {
            assert_eq!(one.find(kind, &entry.name).unwrap(), Some(entry.clone()));
            assert_eq!(other.find(kind, &entry.name).unwrap(), Some(entry.clone()));
            assert!(one.read(&entry.id).unwrap() == other.read(&entry.id).unwrap());
            let named = other.read_named(kind, &entry.name).unwrap().unwrap();
            assert!(one.read_named(kind, &entry.name).unwrap().unwrap() == named);
        }
    }
    assert_eq!(one.find("note", "none").unwrap(), other.find("note", "none").unwrap());
    assert_eq!(one.read_named("note", "none").unwrap(), other.read_named("note", "none").unwrap());
    assert_eq!(one.derive("purpose").unwrap(), other.derive("purpose").unwrap());
    for depth in [CheckDepth::Structure, CheckDepth::ReadData] {
        assert_eq!(one.check(depth).unwrap(), other.check(depth).unwrap());
    }
}

#[test]
fn reader_says_what_the_holder_does() {
    let (_dir, path, sockets, shared) = holder();
    let reader = reader(&path, &sockets);
    assert_eq!(reader.holder(), std::process::id());
    assert_agree(&shared, &reader);
    shared.change(|vault| vault.put("note", "later", &mut &b"later"[..])).unwrap();
    shared.change(Vault::commit).unwrap();
    assert_agree(&shared, &reader);
}

#[test]
fn errors_come_through_by_kind() {
    let (_dir, path, sockets, shared) = holder();
    let reader = reader(&path, &sockets);
    assert!(matches!(reader.read(&ObjectId([1; 32])), Err(Error::NotFound(_))));
    assert!(matches!(reader.find("", "x"), Err(Error::Limit(_))));
    assert!(matches!(reader.find("note", &"x".repeat(5000)), Err(Error::Limit(_))));
    assert!(matches!(reader.list(&"x".repeat(65)), Err(Error::Limit(_))));
    flip(&packs(&path)[0], (4 << 20) * 8);
    let large = reader.find("large", "one").unwrap().unwrap();
    assert!(matches!(reader.read(&large.id), Err(Error::Damaged(_))));
    assert!(!reader.check(CheckDepth::ReadData).unwrap().problems.is_empty());
    assert_agree_on_problems(&shared, &reader);
}

fn assert_agree_on_problems(shared: &Shared, reader: &Reader) {
    assert_eq!(shared.check(CheckDepth::ReadData).unwrap(), reader.check(CheckDepth::ReadData).unwrap());
}

#[test]
fn wrong_passphrase_does_not_reach_the_holder() {
    let (_dir, path, sockets, _shared) = holder();
    let wrong = Unlock::Recovery([8; 32].into());
    assert!(matches!(Reader::open(&path, &wrong, &sockets), Err(Error::WrongKey)));
    assert!(matches!(Reader::open(&path, &passphrase("no"), &sockets), Err(Error::WrongKey)));
}

#[test]
fn closed_vault_answers_nothing_and_can_be_opened() {
    let (_dir, path, sockets, shared) = holder();
    let reader = reader(&path, &sockets);
    shared.close();
    assert!(matches!(reader.list("note"), Err(Error::NotFound(_))));
    assert!(matches!(shared.list("note"), Err(Error::NotFound(_))));
    assert!(matches!(shared.change(Vault::commit), Err(Error::NotFound(_))));
    assert_eq!(fs::read_dir(&sockets).unwrap().count(), 0);
    assert!(matches!(Reader::open(&path, &recovery(), &sockets), Err(Error::Busy { .. })));
    open(&path);
    drop(shared);
}

#[test]
fn holder_opened_again_answers_the_same_reader() {
    let (_dir, path, sockets, shared) = holder();
    let reader = reader(&path, &sockets);
    drop(shared);
    assert!(reader.status().is_err());
    let shared = Shared::new(open(&path));
    shared.serve(&sockets).unwrap();
    shared.serve(&sockets).unwrap();
    assert_agree(&shared, &reader);
}

#[test]
fn copy_of_the_vault_in_another_folder_is_not_answered_for() {
    let (dir, path, sockets, _shared) = holder();
    let other = dir.path().join("other");
    copy(&path, &other);
    assert!(matches!(Reader::open(&other, &recovery(), &sockets), Err(Error::Busy { .. })));
}

#[test]
fn access_holds_or_asks() {
    let (_dir, path, sockets, shared) = holder();
    drop(shared);
    let held = Access::open(&path, &recovery(), &Options::default(), &sockets).unwrap();
    let asked = Access::open(&path, &recovery(), &Options::default(), &sockets).unwrap();
    assert!(matches!((&held, &asked), (Access::Held(_), Access::Asked(_))));
    assert_agree(&held, &asked);
    held.change(Vault::commit).unwrap();
    let refused = asked.change(Vault::commit);
    assert!(matches!(refused, Err(Error::Busy { pid: Some(pid) }) if pid == std::process::id()), "{refused:?}");
    drop(held);
    // Held, though nobody can be answered: the folder is open to others.
    fs::set_permissions(&sockets, fs::Permissions::from_mode(0o755)).unwrap();
    assert!(matches!(Access::open(&path, &recovery(), &Options::default(), &sockets), Ok(Access::Held(_))));
}

#[test]
fn folder_open_to_others_is_refused() {
    let (dir, path, sockets, shared) = holder();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&sockets), mode(&socket(&sockets))), (0o700, 0o600));
    fs::set_permissions(&sockets, fs::Permissions::from_mode(0o711)).unwrap();
    assert!(matches!(Reader::open(&path, &recovery(), &sockets), Err(Error::Busy { .. })));
    drop(shared);
    let shared = Shared::new(open(&path));
    assert!(matches!(shared.serve(&sockets), Err(Error::Limit(_))));
    let link = dir.path().join("link");
    std::os::unix::fs::symlink(dir.path(), &link).unwrap();
    assert!(matches!(shared.serve(&link), Err(Error::Limit(_))));
    let long = dir.path().join("x".repeat(120));
    assert!(matches!(shared.serve(&long), Err(Error::Limit(_))));
    shared.serve(&dir.path().join("fresh")).unwrap();
}

#[test]
fn socket_left_by_a_killed_holder_is_replaced() {
    let (_dir, path, sockets, shared) = holder();
    let place = socket(&sockets);
    drop(shared);
    drop(std::os::unix::net::UnixListener::bind(&place).unwrap());
    assert!(place.exists());
    assert!(matches!(Reader::open(&path, &recovery(), &sockets), Err(Error::Busy { .. })));
    let shared = Shared::new(open(&path));
    shared.serve(&sockets).unwrap();
    assert_agree(&shared, &reader(&path, &sockets));
}

#[test]
fn impostor_at_the_socket_is_told_nothing_and_named() {
    let (_dir, path, sockets, shared) = holder();
    let place = socket(&sockets);
    drop(shared);
    let listener = std::os::unix::net::UnixListener::bind(&place).unwrap();
    let impostor = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(&[b"USUFASK1".as_slice(), &[7; 32]].concat()).unwrap();
        let mut said = vec![0; 84];
        stream.read_exact(&mut said).unwrap();
        stream.write_all(&[44, 0, 0, 0]).unwrap();
        stream.write_all(&[0; 44]).unwrap();
        stream.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
        let mut more = Vec::new();
        let _ = stream.read_to_end(&mut more);
        (said, more)
    });
    assert!(matches!(Reader::open(&path, &recovery(), &sockets), Err(Error::Damaged(_))));
    // A nonce, and an empty frame sealed under a key that it does not know.
    let (said, more) = impostor.join().unwrap();
    assert_eq!((said.len(), more.len()), (84, 0));
}

/// Bytes of all sorts, from peers that know no key.
fn harass(socket: &Path, random: &mut Random) -> Vec<UnixStream> {
    let mut open = Vec::new();
    for _ in 0..12 {
        let Ok(mut stream) = UnixStream::connect(socket) else { continue };
        let length = random.below(300) as usize;
        let mut bytes = random.bytes(length);
        if random.below(2) == 0 {
            bytes = [b"USUFASK1".as_slice(), &random.bytes(32), &(random.below(1 << 33) as u32).to_le_bytes(), &bytes]
                .concat();
        }
        let _ = stream.write_all(&bytes);
        if random.below(2) == 0 {
            open.push(stream);
        }
    }
    open
}

#[test]
fn hostile_peers_neither_stop_nor_slow_the_holder() {
    let (_dir, path, sockets, shared) = holder();
    let (place, mut random) = (socket(&sockets), Random(support::count("VAULT_SEED", 41)));
    for round in 0..support::count("VAULT_HARASS", 4) {
        let silent = harass(&place, &mut random);
        let began = Instant::now();
        shared.change(|vault| vault.put("note", &format!("h{round}"), &mut &b"x"[..])).unwrap();
        shared.change(Vault::commit).unwrap();
        shared.list("note").unwrap();
        assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
        drop(silent);
    }
    // Those who kept their connections open were sent away by now, or will be when the time for a proof is over.
    let _silent = harass(&place, &mut random);
    std::thread::sleep(Duration::from_millis(2500));
    assert_agree(&shared, &reader(&path, &sockets));
}

#[test]
fn replayed_session_is_refused() {
    let (_dir, path, sockets, shared) = holder();
    let place = socket(&sockets);
    let real = place.with_extension("real");
    fs::rename(&place, &real).unwrap();
    // One in the middle who records what the reader says.
    let listener = std::os::unix::net::UnixListener::bind(&place).unwrap();
    let through = real.clone();
    let middle = std::thread::spawn(move || {
        let (mut reader, _) = listener.accept().unwrap();
        let mut holder = UnixStream::connect(through).unwrap();
        let (mut back, mut from) = (reader.try_clone().unwrap(), holder.try_clone().unwrap());
        let backward = std::thread::spawn(move || {
            let _ = std::io::copy(&mut from, &mut back);
        });
        let (mut recorded, mut buffer) = (Vec::new(), [0; 4096]);
        while let Ok(n) = reader.read(&mut buffer) {
            if n == 0 {
                break;
            }
            recorded.extend_from_slice(&buffer[..n]);
            holder.write_all(&buffer[..n]).unwrap();
        }
        let _ = holder.shutdown(std::net::Shutdown::Both);
        backward.join().unwrap();
        recorded
    });
    let asked = Reader::open(&path, &recovery(), &sockets).unwrap();
    asked.read_named("note", "n7").unwrap().unwrap();
    drop(asked);
    let recorded = middle.join().unwrap();
    assert!(recorded.len() > 120);
    let mut replay = UnixStream::connect(&real).unwrap();
    replay.write_all(&recorded).unwrap();
    let mut said = Vec::new();
    let _ = replay.read_to_end(&mut said);
    assert!(said.len() <= 40, "{}", said.len());
    drop(shared);
}

#[test]
fn question_while_the_holder_is_busy_waits_for_it() {
    let (_dir, path, sockets, shared) = holder();
    let asked = reader(&path, &sockets);
    let shared = std::sync::Arc::new(shared);
    let (busy, began) = (shared.clone(), std::sync::mpsc::channel());
    let holding = std::thread::spawn(move || {
        busy.change(|_| {
            began.0.send(()).unwrap();
            std::thread::sleep(Duration::from_millis(700));
            Ok(())
        })
    });
    began.1.recv().unwrap();
    let asking = Instant::now();
    asked.status().unwrap();
    assert!(asking.elapsed() > Duration::from_millis(300));
    holding.join().unwrap().unwrap();
}

/// What a program of a user hears from the socket.
fn heard_by(user: u32, socket: &Path) -> Vec<u8> {
    const LISTEN: &str = "my $s = IO::Socket::UNIX->new(Peer => $ARGV[0]) or die qq(cannot connect: $!\n); \
                          local $/; binmode STDOUT; print <$s> // '';";
    let mut perl = Command::new("perl");
    perl.args(["-MIO::Socket::UNIX", "-e", LISTEN]).arg(socket).current_dir("/").uid(user);
    let output = perl.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

#[test]
fn program_of_another_user_is_sent_away_whatever_the_modes() {
    let (dir, _path, sockets, _shared) = holder();
    let own = fs::metadata(dir.path()).unwrap().uid();
    if own != 0 {
        println!("SKIPPED: only root can start a program as another user");
        return;
    }
    let place = socket(&sockets);
    for (path, mode) in [(dir.path(), 0o755), (&sockets, 0o755), (&place, 0o666)] {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }
    assert_eq!(heard_by(own, &place).len(), 40);
    assert_eq!(heard_by(65_534, &place), b"");
}

const DIR: &str = "VAULT_SHARE_DIR";

/// The other process: holds the vault and answers until it is killed. Does nothing unless started as such.
#[test]
fn holder_to_be_asked() {
    let Ok(dir) = std::env::var(DIR) else { return };
    let (path, sockets) = (Path::new(&dir).join("vault"), Path::new(&dir).join("sockets"));
    let shared = Shared::new(open(&path));
    shared.serve(&sockets).unwrap();
    println!("\nready");
    for i in 0u64.. {
        shared
            .change(|vault| vault.put("count", "up", &mut i.to_string().as_bytes()).and_then(|_| vault.commit()))
            .unwrap();
        std::thread::sleep(Duration::from_millis(1));
    }
}

struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn other_process_is_asked_while_it_writes_and_named_to_who_wants_to() {
    let (dir, path) = empty_vault();
    let sockets = dir.path().join("sockets");
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "holder_to_be_asked", "--nocapture"])
        .env(DIR, dir.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut child = Killed(child);
    let mut lines = BufReader::new(child.0.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap() == "ready"));
    let asked = Access::open(&path, &recovery(), &Options::default(), &sockets).unwrap();
    let pid = child.0.id();
    assert!(matches!(&asked, Access::Asked(reader) if reader.holder() == pid));
    let mut last = 0;
    for _ in 0..200 {
        let Some(text) = asked.read_named("count", "up").unwrap() else { continue };
        let now: u64 = std::str::from_utf8(&text).unwrap().parse().unwrap();
        assert!(now >= last);
        last = now;
    }
    assert_eq!(asked.check(CheckDepth::Structure).unwrap().problems, []);
    assert!(matches!(asked.change(Vault::commit), Err(Error::Busy { pid: Some(found) }) if found == pid));
    drop(child);
    assert!(asked.status().is_err());
    // The lock went with its holder, and the socket it left is replaced.
    let held = Access::open(&path, &recovery(), &Options::default(), &sockets).unwrap();
    assert!(matches!(held, Access::Held(_)));
    assert_agree(&held, &asked);
}
