//! Import: files, folders and exports become records in the vault; what no connector reads is kept whole.
//! Importing the same thing twice adds nothing. A file goes in whole or not at all.

use std::collections::HashSet;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::connector::{self, Format};
use crate::error::{Error, Result};
use crate::home::{Home, Kind};
use crate::importer::{self, Importer};
use crate::library::{self, Adding, RecordId};
use crate::progress::{Progress, check_interrupt};
use crate::record::Record;
use crate::view;
use crate::worker::setting;

/// The vault is made durable after about this many bytes: a sync a file would cost more than the file.
const COMMIT_EVERY: u64 = 64 << 20;
/// How a file that no connector reads is remembered.
const OTHER: &str = "other";
/// Bytes read at once.
const READ: usize = 1 << 16;

/// What the vault remembers of an imported file.
#[derive(Serialize, Deserialize)]
pub(crate) struct Imported {
    /// The source it belongs to.
    pub source: String,
    /// Its name below the imported path.
    pub file: String,
    /// What it was.
    format: String,
    /// How many records it gave.
    records: u64,
    /// What in it could not be read: place and reason.
    problems: Vec<(String, String)>,
}

/// Imports `paths` into one source each, or all into `source`.
///
/// # Errors
/// `NotFound` when a path is not there (nothing is imported then); `Interrupted`; when the vault cannot be written.
/// Files that cannot be read are in the answer, not an error.
pub fn run(home: &mut Home, paths: &[PathBuf], source: Option<&str>) -> Result<view::Import> {
    for path in paths {
        if !path.exists() {
            return Err(Error::not_found(format!("{} is not there", path.display())).hint("Nothing was imported."));
        }
    }
    let importer = Importer::new(setting::allowed(home)?);
    let mut run = Run { known: library::ids(home)?, done: view::Import::default(), uncommitted: 0, importer };
    for path in paths {
        let name = match source {
            Some(name) => name.to_owned(),
            None => source_name(path)?,
        };
        check_source_name(&name)?;
        run.path(home, path, &name)?;
    }
    home.commit()?;
    Ok(run.done)
}

/// The source's name for a path: its last part, without an ending that only says what it is.
pub(crate) fn source_name(path: &Path) -> Result<String> {
    let whole = path.canonicalize()?;
    let name = if whole.is_dir() { whole.file_name() } else { whole.file_stem() };
    name.map(|name| name.to_string_lossy().into_owned()).ok_or_else(|| {
        Error::usage(format!("{} has no name", path.display())).hint("Give the source a name with --source.")
    })
}

fn check_source_name(name: &str) -> Result<()> {
    let fits = !name.trim().is_empty() && name.len() <= 200 && !name.contains(|c: char| c.is_control() || c == '/');
    if fits {
        Ok(())
    } else {
        Err(Error::usage("a source's name has 1 to 200 bytes, no slash and no control characters"))
    }
}

/// All files below `path`, sorted, and what cannot be listed. Links are not followed.
pub(crate) fn files(path: &Path) -> (Vec<PathBuf>, Vec<view::ImportError>) {
    let (mut files, mut problems) = (Vec::new(), Vec::new());
    for entry in walkdir::WalkDir::new(path).sort_by_file_name() {
        match entry {
            Ok(entry) if entry.file_type().is_file() => files.push(entry.into_path()),
            Ok(entry) if entry.file_type().is_dir() => {}
            Ok(entry) => {
                let reason = "it is a link or a special file; those are not followed".to_owned();
                problems.push(view::ImportError { file: entry.path().display().to_string(), reason });
            }
            Err(error) => {
                let file = error.path().unwrap_or(path).display().to_string();
                problems.push(view::ImportError { file, reason: error.to_string() });
            }
        }
    }
    (files, problems)
}

/// A file's name below the path that was imported.
pub(crate) fn shown_name(base: &Path, path: &Path) -> String {
    match path.strip_prefix(base) {
        Ok(below) if !below.as_os_str().is_empty() => below.display().to_string(),
        _ => path.file_name().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned()),
    }
}

struct Run {
    /// Ids of all records that the vault has or had.
    known: HashSet<RecordId>,
    done: view::Import,
    uncommitted: u64,
    importer: Importer,
}

impl Run {
    fn path(&mut self, home: &mut Home, path: &Path, source: &str) -> Result<()> {
        let (files, problems) = files(path);
        self.done.errors.extend(problems);
        let mut progress = Progress::start("importing files");
        let mut adding = Adding::to(home, source)?;
        let before = self.done.records + self.done.objects;
        for (index, file) in files.iter().enumerate() {
            progress.at(index as u64, files.len() as u64)?;
            self.file(home, &mut adding, path, file, source)?;
            if self.uncommitted >= COMMIT_EVERY {
                adding.finish(home, crate::time::now())?;
                home.commit()?;
                self.uncommitted = 0;
            }
        }
        if self.done.records + self.done.objects > before { adding.finish(home, crate::time::now()) } else { Ok(()) }
    }

    fn file(&mut self, home: &mut Home, adding: &mut Adding, base: &Path, path: &Path, source: &str) -> Result<()> {
        let shown = shown_name(base, path);
        let failed = |reason: String| view::ImportError { file: shown.clone(), reason };
        let (mut file, digest, bytes) = match File::open(path).and_then(digest) {
            Ok(read) => read,
            Err(error) => {
                self.done.errors.push(failed(error.to_string()));
                return Ok(());
            }
        };
        self.done.bytes += bytes;
        let name = hex::encode(digest);
        if let Some(known) = home.find::<Imported>(Kind::Imported, &name)? {
            self.again(known, shown);
            return Ok(());
        }
        self.importer.ready()?;
        let read = match self.records(&mut file, bytes, source, &shown) {
            Ok(read) => read,
            Err(error) => {
                self.done.errors.push(failed(error.to_string()));
                return check_interrupt();
            }
        };
        let mut problems: Vec<view::ImportError> = read.summary.problems.iter().map(failed_at).collect();
        if read.summary.more_problems > 0 {
            problems.push(failed(format!("{} more problems of this kind", read.summary.more_problems)));
        }
        self.done.errors.extend(problems.iter().cloned());
        if read.summary.format == Format::Empty {
            self.done.errors.push(failed("the file is empty".into()));
            return Ok(());
        }
        let licensable = read.summary.format != Format::Other;
        if licensable && read.records.is_empty() && read.duplicates == 0 {
            if read.summary.problems.is_empty() {
                self.done.errors.push(failed("no records were found in it".into()));
            }
            return Ok(());
        }
        self.keep(home, adding, read, &mut file, &Found { name: &name, source, shown: &shown, problems: &problems })?;
        if !licensable {
            self.done.not_licensable.push(shown);
        }
        self.uncommitted += bytes;
        Ok(())
    }

    /// A file that the vault has: nothing is added, and what could not be read of it is said again.
    fn again(&mut self, known: Imported, shown: String) {
        self.done.objects += 1;
        self.done.duplicates += 1;
        self.done.errors.extend(known.problems.into_iter().map(|(file, reason)| view::ImportError { file, reason }));
        if known.format == OTHER {
            self.done.not_licensable.push(shown);
        }
    }

    /// Reads a file's records, leaving out those that the vault has.
    fn records(&mut self, file: &mut File, bytes: u64, source: &str, shown: &str) -> Result<Reading> {
        let mut records = Vec::new();
        let mut seen = HashSet::new();
        let mut duplicates = 0;
        let known = &self.known;
        let from = importer::Source { file, bytes, source, name: shown };
        let summary = self.importer.read(from, &mut |record| {
            check_interrupt()?;
            let id = record.identity()?;
            if known.contains(&id) || !seen.insert(id) {
                duplicates += 1;
            } else {
                records.push(record);
            }
            Ok(())
        })?;
        Ok(Reading { summary, records, duplicates })
    }

    fn keep(
        &mut self,
        home: &mut Home,
        adding: &mut Adding,
        read: Reading,
        file: &mut File,
        found: &Found<'_>,
    ) -> Result<()> {
        file.seek(SeekFrom::Start(0))?;
        let stored = home.keep_stream(Kind::Original, found.name, file)?;
        self.done.new_bytes += stored.new_bytes;
        self.done.objects += 1;
        self.done.duplicates += read.duplicates;
        self.done.records += read.records.len() as u64;
        let imported = Imported {
            source: found.source.to_owned(),
            file: found.shown.to_owned(),
            format: format!("{:?}", read.summary.format).to_lowercase(),
            records: read.records.len() as u64,
            problems: found.problems.iter().map(|problem| (problem.file.clone(), problem.reason.clone())).collect(),
        };
        for record in read.records {
            self.known.insert(record.identity()?);
            adding.record(home, record)?;
        }
        adding.file();
        home.keep(Kind::Imported, found.name, &imported)
    }
}

/// A file that is to be kept.
struct Found<'a> {
    /// Its digest, hex.
    name: &'a str,
    source: &'a str,
    /// Its name below the imported path.
    shown: &'a str,
    problems: &'a [view::ImportError],
}

/// What one file gave.
struct Reading {
    summary: connector::Summary,
    records: Vec<Record>,
    duplicates: u64,
}

pub(crate) fn failed_at(problem: &connector::Problem) -> view::ImportError {
    let place = if problem.place.is_empty() { String::new() } else { format!(", {}", problem.place) };
    view::ImportError { file: format!("{}{place}", problem.file), reason: problem.reason.clone() }
}

/// The file again, the digest of its content, and its length as read.
pub(crate) fn digest(mut file: File) -> std::io::Result<(File, [u8; 32], u64)> {
    let mut hash = Sha256::new();
    let mut buffer = vec![0; READ];
    let mut length = 0;
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok((file, hash.finalize().into(), length)),
            read => {
                hash.update(&buffer[..read]);
                length += read as u64;
            }
        }
    }
}
