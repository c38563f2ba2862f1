//! One person's folder: the vault in it, unlocked, and the person whose keys it keeps. Everything that the app
//! remembers is a named object in the vault, so the packs alone bring all of it back.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use etcetera::BaseStrategy;
use provenance::chain::client::{Chain, EventFile};
use provenance::chain::outbox::Outbox;
use provenance::wallet::{Language, Person, Phrase};
use serde::{Serialize, de::DeserializeOwned};
pub use vault::AutoLock;
use vault::{Access, KdfCost, OnRollback, Options, Read, Secret, Unlock, Vault, socket_folder};
use zeroize::Zeroizing;

use crate::earn::{self, Alone};
use crate::error::{Code, Error, Result};

/// The kinds of named objects that the app keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The entropy behind the recovery phrase, under one fixed name.
    Phrase,
    /// The bytes of an imported file, by their digest.
    Original,
    /// That a file with this digest was imported.
    Imported,
    /// Which files of a folder were imported and how they looked.
    Stamps,
    /// A batch of records.
    Records,
    /// What a model makes of the records of a part of a batch: search by meaning compares it.
    Meaning,
    /// A source.
    Source,
    /// A deleted record, by its id.
    Deleted,
    /// A dataset.
    Dataset,
    /// The manifest that a dataset is published with.
    Manifest,
    /// The records of a dataset, in order.
    Members,
    /// The contributor's side of a job.
    Job,
    /// Finished rows of a job that is not done yet.
    Batch,
    /// What a training run that is not done yet goes on with, by job.
    Training,
    /// What a dataset spent of its privacy budget.
    Budget,
    /// What training did with each record of a dataset, by job.
    Uses,
    /// The one answer that statistics over a dataset version give.
    Answer,
    /// The sealed package of a job.
    Package,
    /// The consumer's side of a job, by its spec.
    Request,
    /// What is about to be bought or requested, until the chain has it.
    Intent,
    /// A signed receipt, by job.
    Receipt,
    /// A standing approval, by its id.
    Standing,
    /// What a delegate was allowed, by the grant's id.
    Grant,
    /// What is earned with while the vault is locked, under one fixed name.
    Earning,
    /// A setting.
    Setting,
}

impl Kind {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Kind::Phrase => "phrase",
            Kind::Original => "original",
            Kind::Imported => "imported",
            Kind::Stamps => "stamps",
            Kind::Records => "records",
            Kind::Meaning => "meaning",
            Kind::Source => "source",
            Kind::Deleted => "deleted",
            Kind::Dataset => "dataset",
            Kind::Manifest => "manifest",
            Kind::Members => "members",
            Kind::Job => "job",
            Kind::Batch => "batch",
            Kind::Training => "training",
            Kind::Budget => "budget",
            Kind::Uses => "uses",
            Kind::Answer => "answer",
            Kind::Package => "package",
            Kind::Request => "request",
            Kind::Intent => "intent",
            Kind::Receipt => "receipt",
            Kind::Standing => "standing",
            Kind::Grant => "grant",
            Kind::Earning => "earning",
            Kind::Setting => "setting",
        }
    }
}

/// The name under which the phrase's entropy is kept.
const PHRASE: &str = "entropy";

/// An unlocked vault and its person.
pub struct Home {
    /// The folder.
    pub dir: PathBuf,
    /// The vault in it; another process may have it open, then that one is asked.
    pub vault: Access,
    /// Whose it is.
    pub person: Arc<Person>,
    /// Nobody earns with a copy of the vault while it is open.
    _alone: Option<Alone>,
}

impl Home {
    /// Creates a vault in `dir` for the person of `phrase`.
    ///
    /// # Errors
    /// `Refused` when there is a vault already; `Failure` when the folder cannot be written.
    pub fn create(dir: &Path, passphrase: &str, phrase: &Phrase) -> Result<Home> {
        if exists(dir) {
            return Err(Error::refused(format!("there is a vault in {} already", dir.display()))
                .hint("Choose another folder with --home, or use the vault that is there."));
        }
        // Made beside its place and moved there whole: a vault that was not finished is never found.
        let (draft, secret) = (dir.join("vault.new"), Secret::from(passphrase));
        match std::fs::remove_dir_all(&draft) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
        let mut vault = Vault::create_with(&draft, &secret, phrase.entropy(), KdfCost::FLOOR, &options(dir))?;
        let mut kept = Zeroizing::new(vec![language_code(phrase.language())]);
        kept.extend(phrase.entropy());
        vault.put(Kind::Phrase.word(), PHRASE, &mut kept.as_slice())?;
        vault.commit()?;
        drop(vault);
        std::fs::rename(&draft, folder(dir))?;
        std::fs::File::open(dir)?.sync_all()?;
        Home::open(dir, passphrase)
    }

    /// Opens the vault in `dir`.
    ///
    /// # Errors
    /// `NotFound` without a vault; `Locked` for a wrong passphrase; `Busy` while another process holds it;
    /// `Integrity` where it was altered.
    pub fn open(dir: &Path, passphrase: &str) -> Result<Home> {
        Home::unlock(dir, &Unlock::Passphrase(Secret::from(passphrase)), &options(dir))
    }

    /// Opens the vault in `dir`, or a copy of it that was put back there, with its recovery phrase. An older copy is
    /// accepted: that is what a backup is.
    ///
    /// # Errors
    /// Like [`Home::open`].
    pub fn recover(dir: &Path, phrase: &Phrase) -> Result<Home> {
        let options = Options { rollback: OnRollback::Accept, ..options(dir) };
        Home::unlock(dir, &Unlock::Recovery(Zeroizing::new(*phrase.entropy())), &options)
    }

    fn unlock(dir: &Path, unlock: &Unlock, options: &Options) -> Result<Home> {
        if !exists(dir) {
            return Err(Error::not_found(format!("there is no vault in {}", dir.display()))
                .hint("Create one with `usufruct init`, or name its folder with --home."));
        }
        let sockets = socket_folder(options.state.as_deref().unwrap_or(dir));
        let vault = Access::open(&folder(dir), unlock, options, &sockets)?;
        let kept = vault.read_named(Kind::Phrase.word(), PHRASE)?.ok_or_else(|| {
            Error::integrity("the vault holds no recovery phrase; it was not finished when it was created")
        })?;
        let phrase = phrase(&kept)?;
        let held = matches!(vault, Access::Held(_));
        let alone = if held { Alone::open(dir)? } else { None };
        let person = Arc::new(Person::from_phrase(&phrase)?);
        let mut home = Home { dir: dir.to_owned(), vault, person, _alone: alone };
        if held {
            earn::adopt(&mut home);
        }
        Ok(home)
    }

    /// Keeps `value` under `name`; the newest stands. Durable after [`Home::commit`].
    ///
    /// # Errors
    /// When the vault cannot be written.
    pub fn keep<T: Serialize>(&mut self, kind: Kind, name: &str, value: &T) -> Result<()> {
        let bytes = Zeroizing::new(
            serde_ipld_dagcbor::to_vec(value)
                .map_err(|e| Error::failure(format!("encoding a {}: {e}", kind.word())))?,
        );
        self.keep_bytes(kind, name, &bytes)
    }

    /// Keeps bytes under `name`.
    ///
    /// # Errors
    /// When the vault cannot be written.
    pub fn keep_bytes(&mut self, kind: Kind, name: &str, bytes: &[u8]) -> Result<()> {
        self.vault.change(|vault| vault.put(kind.word(), name, &mut &*bytes))?;
        Ok(())
    }

    /// The value kept under `name`.
    ///
    /// # Errors
    /// `Integrity` where it cannot be read as what it should be.
    pub fn find<T: DeserializeOwned>(&self, kind: Kind, name: &str) -> Result<Option<T>> {
        let Some(bytes) = self.find_bytes(kind, name)? else { return Ok(None) };
        serde_ipld_dagcbor::from_slice(&bytes)
            .map(Some)
            .map_err(|e| Error::integrity(format!("the vault's {} {name:?} cannot be read: {e}", kind.word())))
    }

    /// The bytes kept under `name`.
    ///
    /// # Errors
    /// `Integrity` where they were altered.
    pub fn find_bytes(&self, kind: Kind, name: &str) -> Result<Option<Zeroizing<Vec<u8>>>> {
        match self.vault.find(kind.word(), name)? {
            Some(entry) => Ok(Some(self.vault.read(&entry.id)?)),
            None => Ok(None),
        }
    }

    /// Whether there is something under `name`.
    ///
    /// # Errors
    /// When the vault cannot be read.
    pub fn has(&self, kind: Kind, name: &str) -> Result<bool> {
        Ok(self.vault.find(kind.word(), name)?.is_some())
    }

    /// The names of a kind, sorted.
    ///
    /// # Errors
    /// When the vault cannot be read.
    pub fn names(&self, kind: Kind) -> Result<Vec<String>> {
        let mut names: Vec<String> = self.vault.list(kind.word())?.into_iter().map(|entry| entry.name).collect();
        names.sort();
        Ok(names)
    }

    /// All values of a kind, by name.
    ///
    /// # Errors
    /// `Integrity` where one cannot be read.
    pub fn all<T: DeserializeOwned>(&self, kind: Kind) -> Result<Vec<(String, T)>> {
        let mut found = Vec::new();
        for name in self.names(kind)? {
            if let Some(value) = self.find(kind, &name)? {
                found.push((name, value));
            }
        }
        Ok(found)
    }

    /// Removes what is kept under `name`; nothing when there is nothing.
    ///
    /// # Errors
    /// When the vault cannot be written.
    pub fn forget(&mut self, kind: Kind, name: &str) -> Result<()> {
        if let Some(entry) = self.vault.find(kind.word(), name)? {
            self.vault.change(|vault| vault.remove(&entry.id))?;
        }
        Ok(())
    }

    /// The transactions that this person began: a file beside the vault, sealed under a key of the vault's. Nothing can be
    /// begun while another process holds the vault.
    ///
    /// # Errors
    /// `Integrity` where it was altered; `Busy` while another process has it open.
    pub fn outbox(&self) -> Result<Outbox> {
        let key = self.vault.derive("outbox")?;
        Ok(match &self.vault {
            Access::Held(_) => Outbox::open(&self.dir.join("outbox"), &key)?,
            Access::Asked(reader) => Outbox::closed(vault::Error::Busy { pid: Some(reader.holder()) }.to_string()),
        })
    }

    /// The same vault and person for another thread. It stops answering when this one is dropped.
    ///
    /// # Errors
    /// `Busy` where another process holds the vault.
    pub fn another(&self) -> Result<Home> {
        match &self.vault {
            Access::Held(shared) => {
                let vault = Access::Held(shared.another());
                Ok(Home { dir: self.dir.clone(), vault, person: self.person.clone(), _alone: None })
            }
            Access::Asked(reader) => Err(vault::Error::Busy { pid: Some(reader.holder()) }.into()),
        }
    }

    /// What was read of a network's chain, to go on reading where the last reading ended: a file beside the vault, sealed
    /// under a key of the vault's. Nothing rests on it: one that is damaged is begun anew, and everything is read again by
    /// whoever does not hold the vault, or while somebody else reads on.
    ///
    /// # Errors
    /// `Failure` where it cannot be written.
    pub fn events(&self, chain: &Chain) -> Result<EventFile> {
        if !self.is_held() {
            return Ok(EventFile::in_memory());
        }
        let key = self.vault.derive("events")?;
        let path = self.dir.join(format!("events-{}", chain.profile().name));
        match EventFile::open(&path, &key, chain) {
            Err(provenance::Error::Integrity(why)) => {
                eprintln!("{why}; the chain is read again from the network's first block");
                std::fs::remove_file(&path)?;
                Ok(EventFile::open(&path, &key, chain)?)
            }
            Err(provenance::Error::Busy(_)) => Ok(EventFile::in_memory()),
            opened => Ok(opened?),
        }
    }

    /// Whether this process holds the vault. It only reads otherwise.
    pub fn is_held(&self) -> bool {
        matches!(self.vault, Access::Held(_))
    }

    /// Makes everything since the last commit durable. Nothing is acknowledged before this returns.
    ///
    /// # Errors
    /// When the disk refuses; then nothing of it counts as kept.
    pub fn commit(&mut self) -> Result<()> {
        Ok(self.vault.change(Vault::commit)?)
    }

    /// How many things were kept or forgotten since the last commit.
    ///
    /// # Errors
    /// `Busy` where another process holds the vault.
    pub fn uncommitted(&self) -> Result<usize> {
        Ok(self.vault.change(|vault| Ok(vault.uncommitted()))?)
    }

    /// Puts a stream of bytes under `name` and says how many bytes the vault did not have yet.
    ///
    /// # Errors
    /// When the stream cannot be read or the vault cannot be written.
    pub fn keep_stream(&mut self, kind: Kind, name: &str, from: &mut dyn std::io::Read) -> Result<vault::Stored> {
        Ok(self.vault.change(|vault| vault.put(kind.word(), name, from))?)
    }
}

/// The phrase from what [`Home::create`] kept: a byte for the language, then the entropy.
fn phrase(kept: &[u8]) -> Result<Phrase> {
    let unreadable = || Error::integrity("the vault's recovery phrase cannot be read");
    let (language, entropy) = kept.split_first().ok_or_else(unreadable)?;
    let language = [Language::English, Language::French]
        .into_iter()
        .find(|l| language_code(*l) == *language)
        .ok_or_else(unreadable)?;
    Ok(Phrase::from_entropy(entropy.try_into().map_err(|_| unreadable())?, language))
}

fn language_code(language: Language) -> u8 {
    match language {
        Language::English => 0,
        Language::French => 1,
    }
}

/// Whether there is a vault in `dir`.
pub fn exists(dir: &Path) -> bool {
    folder(dir).join("header").exists()
}

pub(crate) fn folder(dir: &Path) -> PathBuf {
    dir.join("vault")
}

/// Where the highest head seen is remembered, if the command line named a folder.
static STATE: OnceLock<PathBuf> = OnceLock::new();

/// Remembers the highest heads seen in `dir` from now on. The first call counts.
pub fn set_state_dir(dir: PathBuf) {
    let _ = STATE.set(dir);
}

/// The highest head seen is remembered outside the vault's own folder, so that a vault put back to an older copy is noticed:
/// in the folder that was named, else in `$XDG_STATE_HOME/usufruct` for the person's own vault, which also notices a home
/// folder that was put back whole; else in the home folder, which then moves as one.
pub(crate) fn options(dir: &Path) -> Options {
    let own = || default_dir().is_ok_and(|own| own == dir).then(|| base().ok()?.state_dir()).flatten();
    let state = STATE.get().cloned().or_else(|| Some(own()?.join("usufruct"))).unwrap_or_else(|| dir.join("state"));
    Options { state: Some(state), ..Options::default() }
}

/// Where the vault is without `--home`: `$XDG_DATA_HOME/usufruct/home`.
///
/// # Errors
/// `Usage` where the user has no home folder.
pub fn default_dir() -> Result<PathBuf> {
    Ok(data_dir()?.join("home"))
}

/// `$XDG_DATA_HOME/usufruct`.
///
/// # Errors
/// `Usage` where the user has no home folder.
pub fn data_dir() -> Result<PathBuf> {
    Ok(base()?.data_dir().join("usufruct"))
}

fn base() -> Result<impl BaseStrategy> {
    etcetera::choose_base_strategy().map_err(|_| {
        Error::new(Code::Usage, "this user has no home folder").hint("Name a folder with --home or USUFRUCT_HOME.")
    })
}
