//! Work that was done while the vault was locked: sealed to a key of the vault's before anything is committed, and taken over
//! when the vault is opened. Who did it cannot read it again.

use std::io::Write;
use std::path::{Path, PathBuf};

use provenance::chain::B256;
use provenance::exchange;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use vault::Read;
use zeroize::Zeroizing;

use crate::error::{Error, Result};
use crate::home::{Home, Kind};
use crate::ids;
use crate::job::Kept;

/// What the vault's key for work derives from.
const PURPOSE: &str = "earned";

/// One job's work.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Work {
    /// The approval, and what committing, proving and settling need.
    pub kept: Kept,
    /// The sealed package.
    pub package: ByteBuf,
    /// The signed receipt.
    pub receipt: ByteBuf,
}

fn folder(dir: &Path) -> PathBuf {
    dir.join("earned")
}

fn secret(home: &Home) -> Result<Zeroizing<[u8; 32]>> {
    Ok(home.vault.derive(PURPOSE)?)
}

/// The key that work for this vault is sealed to.
///
/// # Errors
/// When the vault was closed.
pub(super) fn public(home: &Home) -> Result<[u8; 32]> {
    Ok(exchange::public_of(&*secret(home)?))
}

impl Work {
    /// Keeps it in a file beside the vault in `dir`, sealed to the key `to`. On disk when this returns.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn keep(&self, dir: &Path, to: &[u8; 32], job: B256) -> Result<()> {
        let bytes =
            serde_ipld_dagcbor::to_vec(self).map_err(|e| Error::failure(format!("encoding a job's work: {e}")))?;
        let sealed = exchange::seal_work(to, &job.0, &Zeroizing::new(bytes))?;
        std::fs::create_dir_all(folder(dir))?;
        let mut file = tempfile::NamedTempFile::new_in(folder(dir))?;
        file.write_all(&sealed)?;
        file.as_file().sync_all()?;
        file.persist(folder(dir).join(ids::shown(job))).map_err(|error| Error::from(error.error))?;
        std::fs::File::open(folder(dir))?.sync_all()?;
        std::fs::File::open(dir)?.sync_all()?;
        Ok(())
    }

    fn open(sealed: &[u8], job: &B256, secret: &[u8; 32]) -> Result<Self> {
        let bytes = exchange::open_work(sealed, &job.0, secret)?;
        serde_ipld_dagcbor::from_slice(&bytes)
            .map_err(|e| Error::integrity(format!("a job's work cannot be read: {e}")))
    }
}

/// Takes over what was done while the vault was locked. What cannot be taken over stays where it is, and is said: the vault
/// opens all the same.
pub(crate) fn adopt(home: &mut Home) {
    let Ok(files) = std::fs::read_dir(folder(&home.dir)) else { return };
    for file in files.flatten() {
        let name = file.file_name().to_string_lossy().into_owned();
        let Ok(job) = ids::id(&name, "job") else { continue };
        let taken = take_over(home, job, &file.path()).and_then(|()| Ok(std::fs::remove_file(file.path())?));
        if let Err(error) = taken {
            eprintln!("the work done for job {name} while the vault was locked was not taken over: {error}");
            crate::log::note(&format!("work done while locked was not taken over: {:?}", error.code));
        }
    }
}

fn take_over(home: &mut Home, job: B256, file: &Path) -> Result<()> {
    let work = Work::open(&std::fs::read(file)?, &job, &*secret(home)?)?;
    let name = ids::shown(job);
    let known: Kept = home.find(Kind::Job, &name)?.unwrap_or_default();
    if let Some(run) = &known.run {
        let same = work.kept.run.as_ref().is_some_and(|earned| earned.key == run.key);
        return if same { Ok(()) } else { Err(Error::refused("the vault ran this job itself")) };
    }
    home.keep_bytes(Kind::Receipt, &name, &work.receipt)?;
    home.keep_bytes(Kind::Package, &name, &work.package)?;
    home.keep(Kind::Job, &name, &work.kept)?;
    home.commit()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::Approval;
    use crate::job::run::Ran;

    const PASSPHRASE: &str = "seven quiet herons wading";
    const JOB: B256 = B256::repeat_byte(7);

    fn work(key: u8) -> Work {
        let run = Ran {
            key: vec![key; 32],
            output_root: vec![2; 32],
            output_digest: vec![3; 32],
            delivery: vec![4; 9],
            output_cid: vec![5; 32],
            opening: vec![6; 64],
            output_bytes: 1,
            device: "CPU".into(),
            model: None,
            proof: None,
        };
        let approved = Approval { leaves: vec!["rows".into()], at: 9, standing: Some("abc".into()) };
        let kept = Kept { approved: Some(approved), run: Some(run) };
        Work { kept, package: ByteBuf::from(vec![8; 100]), receipt: ByteBuf::from(vec![9; 10]) }
    }

    fn vault() -> (tempfile::TempDir, Home) {
        let dir = tempfile::tempdir().expect("a folder");
        crate::status::create(&dir.path().join("home"), PASSPHRASE).expect("a vault");
        let home = Home::open(&dir.path().join("home"), PASSPHRASE).expect("open");
        (dir, home)
    }

    #[test]
    fn work_is_taken_over_when_the_vault_is_opened_and_is_unreadable_before() {
        let (_dir, home) = vault();
        let (place, to) = (home.dir.clone(), public(&home).expect("a key"));
        drop(home);
        work(1).keep(&place, &to, JOB).expect("kept");
        let file = folder(&place).join(ids::shown(JOB));
        let sealed = std::fs::read(&file).expect("a file");
        assert!(!sealed.windows(32).any(|bytes| bytes == [1; 32]), "the package's key is in the file");
        let home = Home::open(&place, PASSPHRASE).expect("open");
        let kept: Kept = home.find(Kind::Job, &ids::shown(JOB)).expect("a look").expect("taken over");
        assert_eq!(kept.run.as_ref().map(|run| run.key.clone()), Some(vec![1; 32]));
        assert_eq!(kept.approved.and_then(|approved| approved.standing), Some("abc".into()));
        let package = home.find_bytes(Kind::Package, &ids::shown(JOB)).expect("a look").expect("taken over");
        assert_eq!(package.len(), 100);
        assert!(!file.exists());
    }

    #[test]
    fn work_that_was_altered_or_is_of_another_vault_is_left_and_opens_all_the_same() {
        let (_dir, home) = vault();
        let (_other, stranger) = vault();
        let (place, to, other) = (home.dir.clone(), public(&home).expect("a key"), public(&stranger).expect("a key"));
        drop(home);
        let file = folder(&place).join(ids::shown(JOB));
        work(1).keep(&place, &to, JOB).expect("kept");
        let mut sealed = std::fs::read(&file).expect("a file");
        sealed[50] ^= 1;
        std::fs::write(&file, &sealed).expect("altered");
        let refused = |place: &Path| {
            let home = Home::open(place, PASSPHRASE).expect("opens all the same");
            assert!(!home.has(Kind::Job, &ids::shown(JOB)).expect("a look"));
            assert!(file.exists(), "it was thrown away");
        };
        refused(&place);
        work(1).keep(&place, &other, JOB).expect("kept");
        refused(&place);
        // Under another job's name.
        std::fs::remove_file(&file).expect("removed");
        work(1).keep(&place, &to, B256::repeat_byte(8)).expect("kept");
        std::fs::rename(folder(&place).join(ids::shown(B256::repeat_byte(8))), &file).expect("renamed");
        refused(&place);
    }

    #[test]
    fn work_replaces_nothing_that_the_vault_did_itself() {
        let (_dir, mut home) = vault();
        let (place, to) = (home.dir.clone(), public(&home).expect("a key"));
        home.keep(Kind::Job, &ids::shown(JOB), &work(2).kept).expect("kept");
        home.commit().expect("kept");
        drop(home);
        work(1).keep(&place, &to, JOB).expect("kept");
        let home = Home::open(&place, PASSPHRASE).expect("open");
        let kept: Kept = home.find(Kind::Job, &ids::shown(JOB)).expect("a look").expect("there");
        assert_eq!(kept.run.as_ref().map(|run| run.key.clone()), Some(vec![2; 32]));
        assert!(folder(&place).join(ids::shown(JOB)).exists(), "what may be committed was thrown away");
    }
}
