//! Import: files, folders and exports become records in the vault; what no connector reads is kept whole.
//! Importing the same thing twice adds nothing. A file goes in whole or not at all.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use vault::{ObjectId, Read as _, Stamp};

use crate::connector::{self, Format};
use crate::error::{Error, Result};
use crate::home::{Home, Kind};
use crate::importer::{self, Importer};
use crate::library::{self, Adding, Ids};
use crate::progress::{Progress, check_interrupt};
use crate::record::Record;
use crate::unchanged::{Say, Unchanged};
use crate::view;
use crate::worker::setting;

/// The vault is made durable after about this many bytes: a sync a file would cost more than the file.
const COMMIT_BYTES: u64 = 64 << 20;
/// And after about this many objects: each that waits for it takes memory.
const COMMIT_OBJECTS: usize = 1024;
/// How a file that no connector reads is remembered.
const OTHER: &str = "other";
/// Text of one file's records that is held until the file was read to its end. Of a longer one the records go into the
/// vault at once, and out of it again if the file cannot be read to its end: memory must not grow with the file.
const HELD_BYTES: usize = 16 << 20;
/// Bytes that a record takes beside its text, about.
const RECORD_BYTES: usize = 1024;
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

impl Imported {
    /// What an import says of the file when it comes again.
    fn say(&self) -> Say {
        match (self.problems.is_empty(), self.format == OTHER) {
            (false, _) => Say::Remembered,
            (true, true) => Say::KeptWhole,
            (true, false) => Say::Nothing,
        }
    }
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
    let mut run = Run { ids: None, done: view::Import::default(), kept: 0, uncommitted: 0, importer };
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

/// All files below `path` in the order of their names, and in their places what cannot be listed. Links are not followed, and
/// the vault's own folder is left out. Of a large tree one folder's names are in memory, and those of the folders above it.
pub(crate) fn files(
    home: &Home,
    path: &Path,
) -> impl Iterator<Item = std::result::Result<PathBuf, view::ImportError>> + use<> {
    let (path, own) = (path.to_owned(), home.dir.canonicalize().unwrap_or_else(|_| home.dir.clone()));
    let mut walk = walkdir::WalkDir::new(&path).sort_by_file_name().into_iter();
    std::iter::from_fn(move || {
        loop {
            let problem = |at: &Path, reason: &str| {
                Some(Err(view::ImportError { file: at.display().to_string(), reason: reason.to_owned() }))
            };
            match walk.next()? {
                Ok(entry) if is_own(&entry, &own) => {
                    if entry.file_type().is_dir() {
                        walk.skip_current_dir();
                    }
                    return problem(entry.path(), "it belongs to the vault itself");
                }
                Ok(entry) if entry.file_type().is_file() => return Some(Ok(entry.into_path())),
                Ok(entry) if entry.file_type().is_dir() => {}
                Ok(entry) => return problem(entry.path(), "it is a link or a special file; those are not followed"),
                Err(error) => return problem(error.path().unwrap_or(&path), &error.to_string()),
            }
        }
    })
}

/// Is it the vault's folder, or what the walk starts from in there?
fn is_own(entry: &walkdir::DirEntry, own: &Path) -> bool {
    let may_be = entry.depth() == 0 || (entry.file_type().is_dir() && Some(entry.file_name()) == own.file_name());
    may_be && entry.path().canonicalize().is_ok_and(|real| real.starts_with(own))
}

/// A file's name below the path that was imported.
pub(crate) fn shown_name(base: &Path, path: &Path) -> String {
    match path.strip_prefix(base) {
        Ok(below) if !below.as_os_str().is_empty() => below.display().to_string(),
        _ => path.file_name().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned()),
    }
}

struct Run {
    /// Ids of all records that the vault has or had, once a file had to be looked into.
    ids: Option<Ids>,
    done: view::Import,
    /// Files that went in.
    kept: u64,
    uncommitted: u64,
    importer: Importer,
}

impl Run {
    fn path(&mut self, home: &mut Home, path: &Path, source: &str) -> Result<()> {
        let mut adding = Adding::to(home, source)?;
        let mut unchanged = Unchanged::below(home, path)?;
        let before = self.kept;
        let done = self.each_file(home, &mut adding, &mut unchanged, path, source);
        if self.kept > before {
            adding.finish(home, crate::time::now())?;
        }
        unchanged.save(home)?;
        if done.is_err() {
            // The files that went in stay, with their records: a vault that stays open would otherwise know the files only.
            home.commit()?;
        }
        done
    }

    fn each_file(
        &mut self,
        home: &mut Home,
        adding: &mut Adding,
        unchanged: &mut Unchanged,
        path: &Path,
        source: &str,
    ) -> Result<()> {
        let mut progress = Progress::start("importing files");
        let (total, mut index) = (files(home, path).flatten().count() as u64, 0);
        for file in files(home, path) {
            let file = match file {
                Ok(file) => file,
                Err(problem) => {
                    self.done.problem(problem);
                    continue;
                }
            };
            progress.at(index, total.max(index))?;
            index += 1;
            let shown = shown_name(path, &file);
            if !self.unchanged(home, unchanged, &file, &shown)? {
                if let Some(kept) = self.file(home, adding, &file, source, shown)? {
                    unchanged.remember(&file, kept.stamp, kept.imported, kept.say);
                }
            }
            if self.uncommitted >= COMMIT_BYTES || home.uncommitted()? >= COMMIT_OBJECTS {
                adding.finish(home, crate::time::now())?;
                home.commit()?;
                self.uncommitted = 0;
            }
        }
        Ok(())
    }

    /// Was the file imported, and is it as it was then? It is not read, and what was said of it is said again.
    fn unchanged(&mut self, home: &Home, unchanged: &Unchanged, file: &Path, shown: &str) -> Result<bool> {
        let Ok(now) = file.symlink_metadata() else { return Ok(false) };
        let Some((id, say)) = unchanged.known(home, file, &now)? else { return Ok(false) };
        match say {
            Say::Remembered => self.again(imported(home, &id)?, shown.to_owned()),
            Say::KeptWhole | Say::Nothing => {
                self.done.objects += 1;
                self.done.duplicates += 1;
                if say == Say::KeptWhole {
                    self.done.kept_whole(shown.to_owned());
                }
            }
        }
        Ok(true)
    }

    /// Reads a file. What the vault now remembers of it, if it is in it.
    fn file(
        &mut self,
        home: &mut Home,
        adding: &mut Adding,
        path: &Path,
        source: &str,
        shown: String,
    ) -> Result<Option<Kept>> {
        let failed = |reason: String| view::ImportError { file: shown.clone(), reason };
        // The stamp is taken before the file is read: what changes it meanwhile makes it another.
        let opened = File::open(path).and_then(|file| Ok((Stamp::of(&file.metadata()?), digest(file)?)));
        let (stamp, (mut file, digest, bytes)) = match opened {
            Ok(read) => read,
            Err(error) => {
                self.done.problem(failed(error.to_string()));
                return Ok(None);
            }
        };
        self.done.bytes += bytes;
        let name = hex::encode(digest);
        if let Some(entry) = home.vault.find(Kind::Imported.word(), &name)? {
            let known = imported(home, &entry.id)?;
            let say = known.say();
            self.again(known, shown);
            return Ok(Some(Kept { stamp, imported: entry.id, say }));
        }
        self.importer.ready()?;
        let read = match self.records(home, adding, &mut file, bytes, source, &shown)? {
            Ok(read) => read,
            Err(error) => {
                self.done.problem(failed(error.to_string()));
                return check_interrupt().map(|()| None);
            }
        };
        let mut problems: Vec<view::ImportError> = read.summary.problems.iter().map(failed_at).collect();
        if read.summary.more_problems > 0 {
            problems.push(failed(format!("{} more problems of this kind", read.summary.more_problems)));
        }
        if read.deleted > 0 {
            problems.push(failed(format!(
                "{} records in it were deleted: its other records are there, the file itself is not kept",
                read.deleted
            )));
        }
        problems.iter().cloned().for_each(|problem| self.done.problem(problem));
        if read.summary.format == Format::Empty {
            self.done.problem(failed("the file is empty".into()));
            return Ok(None);
        }
        let licensable = read.summary.format != Format::Other;
        if licensable && read.taken.count == 0 && read.duplicates == 0 {
            if read.summary.problems.is_empty() {
                self.done.problem(failed("no records were found in it".into()));
            }
            return Ok(None);
        }
        let found = Found { name: &name, source, shown: &shown, problems: &problems };
        let (imported, say) = self.keep(home, adding, read, &mut file, &found)?;
        if !licensable {
            self.done.kept_whole(shown);
        }
        self.uncommitted += bytes;
        Ok(Some(Kept { stamp, imported, say }))
    }

    /// A file that the vault has: nothing is added, and what could not be read of it is said again.
    fn again(&mut self, known: Imported, shown: String) {
        self.done.objects += 1;
        self.done.duplicates += 1;
        let problems = known.problems.into_iter().map(|(file, reason)| view::ImportError { file, reason });
        problems.for_each(|problem| self.done.problem(problem));
        if known.format == OTHER {
            self.done.kept_whole(shown);
        }
    }

    /// Reads a file's records, leaving out those that the vault has. The inner error is the file's, the outer one the vault's.
    fn records(
        &mut self,
        home: &mut Home,
        adding: &mut Adding,
        file: &mut File,
        bytes: u64,
        source: &str,
        shown: &str,
    ) -> Result<Result<Reading>> {
        let ids = match &mut self.ids {
            Some(ids) => ids,
            none => none.insert(Ids::of(home)?),
        };
        let (mut taken, mut new, mut unwritten) = (Taken::default(), Vec::new(), None);
        let (mut duplicates, mut deleted) = (0, 0);
        let from = importer::Source { file, bytes, source, name: shown };
        let read = self.importer.read(from, &mut |record| {
            check_interrupt()?;
            let id = record.identity()?;
            if ids.deleted(&id) {
                (duplicates, deleted) = (duplicates + 1, deleted + 1);
                return Ok(());
            }
            let taking = ids.add(&id).and_then(|is_new| {
                if !is_new {
                    duplicates += 1;
                    return Ok(());
                }
                if taken.before.is_none() {
                    new.push(id);
                }
                taken.take(home, adding, record)
            });
            taking.map_err(|error| {
                let message = error.to_string();
                unwritten = Some(error);
                Error::failure(message)
            })
        });
        match read {
            Ok(summary) => Ok(Ok(Reading { summary, taken, duplicates, deleted })),
            Err(error) => {
                // Of a long file they are too many to be forgotten one by one; they are read anew.
                let forgotten = if taken.before.is_none() {
                    ids.forget(&new)
                } else {
                    self.ids = None;
                    Ok(())
                };
                let undone = taken.undo(home, adding).and(forgotten);
                unwritten.map_or(undone, Err).map(|()| Err(error))
            }
        }
    }

    /// Keeps a file that was read, or nothing of it.
    fn keep(
        &mut self,
        home: &mut Home,
        adding: &mut Adding,
        mut read: Reading,
        file: &mut File,
        found: &Found<'_>,
    ) -> Result<(ObjectId, Say)> {
        let kept = self.keep_whole(home, adding, &mut read, file, found);
        if kept.is_err() {
            read.taken.undo(home, adding)?;
        }
        kept
    }

    fn keep_whole(
        &mut self,
        home: &mut Home,
        adding: &mut Adding,
        read: &mut Reading,
        file: &mut File,
        found: &Found<'_>,
    ) -> Result<(ObjectId, Say)> {
        // A file that holds what was deleted would bring it back.
        if read.deleted == 0 {
            file.seek(SeekFrom::Start(0))?;
            self.done.new_bytes += home.keep_stream(Kind::Original, found.name, file)?.new_bytes;
        }
        self.kept += 1;
        self.done.objects += 1;
        self.done.duplicates += read.duplicates;
        self.done.records += read.taken.count;
        let imported = Imported {
            source: found.source.to_owned(),
            file: found.shown.to_owned(),
            format: format!("{:?}", read.summary.format).to_lowercase(),
            records: read.taken.count,
            problems: found.problems.iter().map(|problem| (problem.file.clone(), problem.reason.clone())).collect(),
        };
        read.taken.held.drain(..).try_for_each(|record| adding.record(home, record))?;
        adding.file();
        home.keep(Kind::Imported, found.name, &imported)?;
        let entry = home.vault.find(Kind::Imported.word(), found.name)?;
        let entry = entry.ok_or_else(|| Error::failure("what was just kept is not in the vault"))?;
        Ok((entry.id, imported.say()))
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

/// A file that is in the vault.
struct Kept {
    /// How it looked before it was read.
    stamp: Option<Stamp>,
    /// What the vault remembers of it.
    imported: ObjectId,
    say: Say,
}

/// What one file gave.
struct Reading {
    summary: connector::Summary,
    taken: Taken,
    duplicates: u64,
    /// Records among the duplicates that were deleted.
    deleted: u64,
}

/// The records of one file.
#[derive(Default)]
struct Taken {
    /// Those that wait for the file's end.
    held: Vec<Record>,
    bytes: usize,
    count: u64,
    /// Where their source stood, once they no longer waited.
    before: Option<library::Source>,
}

impl Taken {
    fn take(&mut self, home: &mut Home, adding: &mut Adding, record: Record) -> Result<()> {
        self.count += 1;
        if self.before.is_some() {
            return adding.record(home, record);
        }
        self.bytes += record.text.as_ref().map_or(0, String::len) + RECORD_BYTES;
        self.held.push(record);
        if self.bytes < HELD_BYTES {
            return Ok(());
        }
        self.before = Some(adding.mark(home)?);
        std::mem::take(&mut self.held).into_iter().try_for_each(|record| adding.record(home, record))
    }

    /// Takes out of the vault what went in.
    fn undo(self, home: &mut Home, adding: &mut Adding) -> Result<()> {
        self.before.map_or(Ok(()), |before| adding.back_to(home, before))
    }
}

/// What the vault remembers of a file.
fn imported(home: &Home, id: &ObjectId) -> Result<Imported> {
    serde_ipld_dagcbor::from_slice(&home.vault.read(id)?)
        .map_err(|e| Error::integrity(format!("the vault's entry for an imported file cannot be read: {e}")))
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
