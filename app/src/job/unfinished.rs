//! What is kept of a job's computation until it is done: finished batches and a training run's secret in the vault, and how far
//! its steps are in a file beside it, sealed under a key of the vault's, which is replaced whole after a step.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use provenance::exchange;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use sha2::{Digest, Sha256};
use vault::Read;
use zeroize::Zeroizing;

use crate::error::{Error, Result};
use crate::home::{Home, Kind};

/// What the key of the sealed files is derived for.
const PURPOSE: &str = "training";
/// How the file of a job ends, and the one that is about to take its place.
const ENDING: &str = ".halfway";
const DRAFT: &str = ".new";

/// How far a worker is with what comes at the end.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Halfway {
    /// Steps done.
    pub done: u64,
    /// Steps in all.
    pub total: u64,
    /// What the next worker goes on from.
    pub state: ByteBuf,
}

impl Halfway {
    /// What was kept for a job. What cannot be opened is as good as nothing: only time is lost with it.
    pub fn find(home: &Home, job: &str) -> Option<Self> {
        let sealed = fs::read(path(home, job)).ok()?;
        let opened = || -> Result<Self> {
            let key = home.vault.derive(PURPOSE)?;
            let bytes = exchange::open_copy(&key, &about(job), &sealed)?;
            serde_ipld_dagcbor::from_slice(&bytes).map_err(|e| Error::integrity(e.to_string()))
        };
        opened().inspect_err(|_| eprintln!("the checkpoint of this training run cannot be opened")).ok()
    }

    /// Keeps it for a job, in the place of what was kept before.
    ///
    /// # Errors
    /// When the folder cannot be written; then what was kept before is still there.
    pub fn keep(&self, home: &Home, job: &str) -> Result<()> {
        let bytes = serde_ipld_dagcbor::to_vec(self)
            .map_err(|e| Error::failure(format!("encoding a checkpoint of training: {e}")))?;
        let key = home.vault.derive(PURPOSE)?;
        let sealed = exchange::seal_copy(&key, &about(job), &Zeroizing::new(bytes))?;
        let (path, draft) = (path(home, job), draft(home, job));
        fs::create_dir_all(folder(&home.dir))?;
        let mut file = File::options().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
        file.write_all(&sealed)?;
        file.sync_data()?;
        Ok(fs::rename(draft, path)?)
    }

    /// Drops what was kept for a job.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn forget(home: &Home, job: &str) -> Result<()> {
        for path in [draft(home, job), path(home, job)] {
            match fs::remove_file(path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
                _ => {}
            }
        }
        Ok(())
    }
}

/// Drops all that was kept of the computations of these jobs, and makes that and what was kept before it durable.
///
/// # Errors
/// When the vault or its folder cannot be written.
pub(crate) fn forget(home: &mut Home, over: &dyn Fn(&str) -> bool) -> Result<()> {
    for batch in home.names(Kind::Batch)? {
        if batch.split_once('/').is_some_and(|(job, _)| over(job)) {
            home.forget(Kind::Batch, &batch)?;
        }
    }
    for job in home.names(Kind::Training)? {
        if over(&job) {
            home.forget(Kind::Training, &job)?;
        }
    }
    home.commit()?;
    let files = fs::read_dir(folder(&home.dir)).into_iter().flatten().flatten().map(|file| file.file_name());
    let jobs: BTreeSet<String> = files.filter_map(|name| Some(name.to_str()?.get(..64)?.to_owned())).collect();
    jobs.iter().filter(|job| over(job)).try_for_each(|job| Halfway::forget(home, job))
}

/// What a sealed file says it is: of this kind, and of this job.
fn about(job: &str) -> [u8; 32] {
    Sha256::digest(format!("usufruct training checkpoint\n{job}\n")).into()
}

fn folder(dir: &Path) -> PathBuf {
    dir.join("training")
}

fn path(home: &Home, job: &str) -> PathBuf {
    folder(&home.dir).join(format!("{job}{ENDING}"))
}

fn draft(home: &Home, job: &str) -> PathBuf {
    folder(&home.dir).join(format!("{job}{DRAFT}"))
}

#[cfg(test)]
mod tests {
    use provenance::wallet::{Language, Phrase};

    use super::*;

    fn home() -> (tempfile::TempDir, Home) {
        let folder = tempfile::tempdir().expect("a folder");
        let phrase = Phrase::generate(Language::English).expect("a phrase");
        let home = Home::create(folder.path(), "correct horse", &phrase).expect("a vault");
        (folder, home)
    }

    fn halfway(done: u64) -> Halfway {
        Halfway { done, total: 9, state: ByteBuf::from(b"what was learned of a letter".repeat(20)) }
    }

    fn job(digit: char) -> String {
        digit.to_string().repeat(64)
    }

    #[test]
    fn newest_checkpoint_is_found_and_none_is_readable_on_the_disk() {
        let (_folder, home) = home();
        assert!(Halfway::find(&home, &job('a')).is_none());
        for done in [3, 4] {
            halfway(done).keep(&home, &job('a')).expect("kept");
        }
        let found = Halfway::find(&home, &job('a')).expect("a checkpoint");
        assert_eq!((found.done, found.total, found.state), (4, 9, halfway(4).state));
        let sealed = fs::read(path(&home, &job('a'))).expect("a file");
        assert!(!sealed.windows(6).any(|part| part == b"letter"));
        assert!(!draft(&home, &job('a')).exists());
    }

    #[test]
    fn checkpoint_that_was_altered_or_is_of_another_job_is_not_taken() {
        let (_folder, home) = home();
        halfway(3).keep(&home, &job('a')).expect("kept");
        fs::copy(path(&home, &job('a')), path(&home, &job('b'))).expect("a copy");
        assert!(Halfway::find(&home, &job('b')).is_none());
        let mut sealed = fs::read(path(&home, &job('a'))).expect("a file");
        sealed[40] ^= 1;
        fs::write(path(&home, &job('a')), &sealed).expect("a file");
        assert!(Halfway::find(&home, &job('a')).is_none());
        fs::write(path(&home, &job('a')), []).expect("a file");
        assert!(Halfway::find(&home, &job('a')).is_none());
        let (_other_folder, other) = self::home();
        halfway(3).keep(&other, &job('c')).expect("kept");
        fs::copy(path(&other, &job('c')), path(&home, &job('c'))).expect("a copy");
        assert!(Halfway::find(&home, &job('c')).is_none(), "of another vault");
    }

    #[test]
    fn all_that_was_kept_of_a_job_is_dropped_and_nothing_of_others() {
        let (_folder, mut home) = home();
        for one in ['a', 'b'] {
            halfway(1).keep(&home, &job(one)).expect("kept");
            home.keep(Kind::Training, &job(one), &1).expect("kept");
            for number in 0..3 {
                home.keep(Kind::Batch, &format!("{}/{number}", job(one)), &1).expect("kept");
            }
        }
        fs::write(draft(&home, &job('b')), b"cut short").expect("a file");
        forget(&mut home, &|found| found == job('b')).expect("dropped");
        assert_eq!(home.names(Kind::Batch).expect("names").len(), 3);
        assert_eq!(home.names(Kind::Training).expect("names"), [job('a')]);
        let files = fs::read_dir(folder(&home.dir)).expect("a folder").flatten().map(|file| file.path());
        assert_eq!(files.collect::<Vec<_>>(), [path(&home, &job('a'))]);
        Halfway::forget(&home, &job('b')).expect("nothing to drop");
    }
}
