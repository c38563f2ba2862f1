//! What `make bench-vault` runs of our own: one command a process, so that its processor time can be compared with
//! that of other programs doing the same. The comparison itself is `tools/bench-vault`.

mod corpus;

use std::error::Error;
use std::fs::{self, File};
use std::io::{BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use vault::{CheckDepth, KdfCost, Secret, Stamp, Stamps, Unlock, Vault};

const PASSPHRASE: &str = "correct horse battery staple";
const RECOVERY: [u8; 32] = [7; 32];
const KIND: &str = "file";
/// Bytes between two commits, at most.
const COMMIT_BYTES: u64 = 256 << 20;
/// Objects between two commits, at most, as in `usufruct import`.
const COMMIT_OBJECTS: usize = 1024;

type Outcome = Result<(), Box<dyn Error>>;

fn main() -> Outcome {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["corpus", what, dir, percent] => corpus::write(what, Path::new(dir), percent.parse()?),
        ["create", vault] => create(Path::new(vault)),
        ["locked", vault] => open(Path::new(vault)).map(drop),
        ["import", vault, from] => import(Path::new(vault), Path::new(from)),
        ["restore", vault, to] => restore(Path::new(vault), Path::new(to)),
        ["check", vault] => check(Path::new(vault)),
        ["stream", vault, megabytes] => stream(Path::new(vault), megabytes.parse()?),
        ["seal", megabytes] => seal(megabytes.parse()?),
        ["many", vault, chunks] => many(Path::new(vault), chunks.parse()?),
        ["open", vault] => open_and_read(Path::new(vault)),
        _ => {
            println!("this is run by tools/bench-vault; `make bench-vault` does so");
            Ok(())
        }
    }
}

fn create(vault: &Path) -> Outcome {
    Vault::create(vault, &Secret::from(PASSPHRASE), &RECOVERY, KdfCost::FLOOR)?;
    Ok(())
}

fn open(vault: &Path) -> Result<Vault, Box<dyn Error>> {
    Ok(Vault::open(vault, &Unlock::Passphrase(Secret::from(PASSPHRASE)))?)
}

/// Stores every file below `from` under its path. A file that looks as it did at the last import is not read.
fn import(vault: &Path, from: &Path) -> Outcome {
    let mut vault = open(vault)?;
    let mut stamps = Stamps::load(&vault, "stamps", "import")?;
    let (mut files, mut known, mut bytes, mut uncommitted) = (0u64, 0u64, 0, 0);
    let mut folders = vec![from.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for item in fs::read_dir(&folder)? {
            let item = item?;
            let path = item.path();
            if item.file_type()?.is_dir() {
                folders.push(path);
                continue;
            }
            files += 1;
            let stamp = Stamp::of(&item.metadata()?);
            if let Some(stamp) = stamp
                && stamps.known(&vault, &path, stamp)?.is_some()
            {
                known += 1;
                continue;
            }
            let name = path.strip_prefix(from)?.to_string_lossy().into_owned();
            let stored = vault.put(KIND, &name, &mut File::open(&path)?)?;
            stamps.remember(&path, stamp, stored.id, 0);
            (bytes, uncommitted) = (bytes + stored.bytes, uncommitted + stored.new_bytes);
            if uncommitted >= COMMIT_BYTES || vault.uncommitted() >= COMMIT_OBJECTS {
                vault.commit()?;
                uncommitted = 0;
            }
        }
    }
    stamps.save(&mut vault)?;
    vault.commit()?;
    drop(vault);
    println!("{files} files, {known} known, {bytes} bytes read");
    Ok(())
}

/// Writes every file back under its path.
fn restore(vault: &Path, to: &Path) -> Outcome {
    let vault = open(vault)?;
    for entry in vault.list(KIND)? {
        let path = to.join(&entry.name);
        let mut file = match File::create_new(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                fs::create_dir_all(path.parent().unwrap_or(to))?;
                File::create_new(&path)?
            }
            other => other?,
        };
        vault.read_to(&entry.id, &mut file)?;
    }
    Ok(())
}

fn check(vault: &Path) -> Outcome {
    let report = open(vault)?.check(CheckDepth::ReadData)?;
    println!("{} chunks, {} bytes", report.chunks, report.bytes_read);
    match report.problems.is_empty() {
        true => Ok(()),
        false => Err(format!("{:?}", report.problems).into()),
    }
}

/// Stores one object of random bytes that is never in memory whole. Prints the most memory the process ever had, in MiB.
fn stream(vault: &Path, megabytes: u64) -> Outcome {
    let mut vault = Vault::create(vault, &Secret::from(PASSPHRASE), &RECOVERY, KdfCost::FLOOR)?;
    let mut random = blake3::Hasher::new().finalize_xof().take(megabytes << 20);
    let stored = vault.put(KIND, "stream", &mut random)?;
    vault.commit()?;
    println!("{} bytes stored, {} MiB", stored.bytes, memory("VmHWM:")? >> 20);
    Ok(())
}

/// Seals and opens chunks of 1 MiB; prints bytes a second for both, in place and with the copies around it.
fn seal(megabytes: usize) -> Outcome {
    let (sealed, opened) = vault::measure::seal_and_open_in_place(1 << 20, megabytes)?;
    let (copied, wiped) = vault::measure::seal_and_open(1 << 20, megabytes)?;
    println!("{sealed:.0} {opened:.0} {copied:.0} {wiped:.0}");
    Ok(())
}

/// Makes a vault of many small chunks, a thousand to an object.
fn many(vault: &Path, chunks: u64) -> Outcome {
    let mut vault = Vault::create(vault, &Secret::from(PASSPHRASE), &RECOVERY, KdfCost::FLOOR)?;
    for object in 0..chunks.div_ceil(1000) {
        let count = (chunks - object * 1000).min(1000);
        let content: Vec<u8> = (0..count).flat_map(|n| (object * 1000 + n).to_le_bytes()).collect();
        vault::measure::put_in_pieces(&mut vault, KIND, &format!("{object}"), &content, 8)?;
        if object % 100 == 99 {
            vault.commit()?;
        }
    }
    vault.put(KIND, "one", &mut &b"the chunk that is read"[..])?;
    vault.commit()?;
    Ok(())
}

/// Opens a vault and reads an object of one chunk. Prints the milliseconds that took after the key was derived, and the memory then
/// resident beyond what the process had before, in bytes.
fn open_and_read(vault: &Path) -> Outcome {
    let master = vault::measure::Opening::derive(vault, &Unlock::Passphrase(Secret::from(PASSPHRASE)))?;
    let before = memory("VmRSS:")?;
    let start = Instant::now();
    let vault = master.open()?;
    let entry = vault.find(KIND, "one")?.ok_or("the object is not there")?;
    let length = vault.read(&entry.id)?.len();
    let elapsed = start.elapsed().as_secs_f64() * 1e3;
    let after = memory("VmRSS:")?;
    println!("{elapsed:.2} {} {length}", after.saturating_sub(before));
    Ok(())
}

/// A line of this process's status, in bytes.
fn memory(name: &str) -> Result<u64, Box<dyn Error>> {
    let text = fs::read_to_string("/proc/self/status")?;
    let line = text.lines().find_map(|line| line.strip_prefix(name)).ok_or("the line is not there")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? * 1024)
}

/// A file to write a corpus to.
fn create_file(path: PathBuf) -> std::io::Result<BufWriter<File>> {
    Ok(BufWriter::with_capacity(1 << 20, File::create(path)?))
}

fn finish(mut file: BufWriter<File>) -> std::io::Result<()> {
    file.flush()
}
