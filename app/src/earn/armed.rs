//! What the process holds to earn while the vault is locked, and nothing else: a fresh key, a delegate's key, and bounds. The
//! datasets are in files beside the vault, sealed under the fresh key; they and it are gone when this is dropped.

use std::collections::{HashMap, HashSet};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

use provenance::chain::outbox::Outbox;
use provenance::chain::{Address, B256, Output, Signer};
use provenance::exchange;
use provenance::receipt::Mandate;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{Chosen, NOW, Plan, TEMPLATE, alone, own_key, signer, work};
use crate::approval::Bounds;
use crate::dataset::{self, Dataset};
use crate::error::{Error, Result};
use crate::home::{Home, Kind};
use crate::job::Kept;
use crate::record::Record;
use crate::worker::{Layer, setting};
use crate::{ids, random, view};

/// Ready to earn with the vault closed. Has no key of the vault's, the wallet's or the person's.
pub struct Armed {
    /// The vault's folder: for the sealed copies and the sealed work.
    pub(super) dir: PathBuf,
    /// What the copies are sealed under.
    pub(super) key: Zeroizing<[u8; 32]>,
    /// Signs commits and receipts within its grants.
    pub(super) delegate: Signer,
    /// The public key that work is sealed to; the vault has the secret.
    pub(super) to: [u8; 32],
    /// Whose datasets they are.
    pub(super) owner: Address,
    /// The network's name.
    pub(super) network: String,
    /// The end, seconds since 1970.
    pub(super) until: u64,
    /// The opening of the vault that this comes from.
    pub(super) mark: alone::Mark,
    /// The sealed copies.
    pub(super) copies: Vec<SealedCopy>,
    /// What standing approvals allow.
    pub(super) bounds: Bounds,
    /// The layers of confinement that a worker need not have.
    pub(super) without: Vec<Layer>,
    /// Jobs that the vault has begun or decided by itself.
    pub(super) begun: HashSet<B256>,
    /// What was computed here and may be committed: never computed again.
    pub(super) made: HashMap<B256, Output>,
    /// Jobs that did not come further, and when.
    pub(super) failed: HashMap<B256, Instant>,
    /// The delegate's transactions.
    pub(super) outbox: Outbox,
    /// What is shown of it.
    pub(super) shown: view::Earning,
}

/// A dataset that is earned with: what may be known of it without opening its copy.
pub(super) struct SealedCopy {
    /// Its id on-chain.
    pub id: B256,
    /// The delegate's grant over it.
    pub mandate: Mandate,
    /// The root that its records give.
    root: Vec<u8>,
    file: PathBuf,
}

/// What is in a sealed copy.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Content {
    /// The dataset, with what its leaves' salts derive from.
    pub dataset: Dataset,
    /// The secret that requests for it are sealed to.
    #[serde(with = "serde_bytes")]
    pub exchange: Vec<u8>,
    /// Its records, without what is not in it.
    pub records: Vec<Record>,
}

/// Gets ready to earn, by what is on in the open vault: `before` is what was ready, whose copies are used again where they
/// are still right. Nothing where it is off or over.
///
/// # Errors
/// When the vault cannot be read, or its folder not be written; then nothing is ready.
pub fn arm(home: &mut Home, before: Option<Armed>) -> Result<Option<Armed>> {
    let plan = match home.find::<Plan>(Kind::Earning, NOW)? {
        Some(plan) if !plan.over() => plan,
        over => {
            clean(&home.dir, &[]);
            return if over.is_some() { super::stop(home).map(|()| None) } else { Ok(None) };
        }
    };
    let (key, old) = match before {
        Some(mut before) => (before.key.clone(), std::mem::take(&mut before.copies)),
        None => (Zeroizing::new(random::bytes::<32>()?), Vec::new()),
    };
    let mut armed = Armed::of(home, &plan, key)?;
    let known: Vec<&SealedCopy> = old.iter().collect();
    for chosen in &plan.datasets {
        match armed.copy(home, chosen, &known) {
            Ok(copy) => armed.copies.push(copy),
            Err(error) => crate::log::note(&format!("a dataset does not earn while locked: {:?}", error.code)),
        }
    }
    clean(&home.dir, &armed.copies);
    armed.shown.datasets = armed.named(home)?;
    Ok((!armed.copies.is_empty()).then_some(armed))
}

impl Armed {
    fn of(home: &Home, plan: &Plan, key: Zeroizing<[u8; 32]>) -> Result<Self> {
        let begun = home.all::<Kept>(Kind::Job)?.into_iter().filter(|(_, kept)| kept.approved.is_some());
        Ok(Armed {
            dir: home.dir.clone(),
            key,
            delegate: signer(&plan.delegate.0)?,
            to: work::public(home)?,
            owner: home.person.address(),
            network: plan.network.clone(),
            until: plan.until,
            mark: alone::mark(&home.dir)?,
            copies: Vec::new(),
            bounds: Bounds::of(home)?.of_template(TEMPLATE),
            without: setting::allowed(home)?,
            begun: begun.map(|(name, _)| ids::id(&name, "job")).collect::<Result<_>>()?,
            made: HashMap::new(),
            failed: HashMap::new(),
            outbox: Outbox::in_memory(),
            shown: plan.shown(),
        })
    }

    /// What is shown of it.
    pub fn shown(&self) -> &view::Earning {
        &self.shown
    }

    /// The sealed copy of a chosen dataset; one that is there already where it is of the same records.
    fn copy(&self, home: &Home, chosen: &Chosen, known: &[&SealedCopy]) -> Result<SealedCopy> {
        let dataset = dataset::find(home, &chosen.name)?;
        dataset::check_members(home, &dataset)?;
        let mandate = chosen.given.mandate()?;
        let id = mandate.grant.dataset;
        let file = folder(&self.dir).join(format!("{}.copy", ids::shown(id)));
        let root = dataset.root.clone();
        if known.iter().any(|copy| copy.id == id && copy.root == root) && file.exists() {
            return Ok(SealedCopy { id, mandate, root, file });
        }
        let content = Content {
            exchange: own_key(home, &dataset)?.to_vec(),
            records: dataset::records(home, &dataset)?,
            dataset: dataset.to_copy(),
        };
        content.seal(&self.key, &id, &file)?;
        Ok(SealedCopy { id, mandate, root, file })
    }

    /// The names of the datasets that there is a copy of.
    fn named(&self, home: &Home) -> Result<Vec<String>> {
        let name = |copy: &SealedCopy| Ok(dataset::find_by_id(home, &copy.id.0)?.map(|dataset| dataset.name));
        self.copies.iter().filter_map(|copy| name(copy).transpose()).collect()
    }
}

impl Drop for Armed {
    fn drop(&mut self) {
        for copy in &self.copies {
            let _ = std::fs::remove_file(&copy.file);
        }
    }
}

impl SealedCopy {
    /// The copy, opened.
    ///
    /// # Errors
    /// `Integrity` where the file was altered or is of another dataset; `NotFound` where it is gone.
    pub fn open(&self, key: &[u8; 32]) -> Result<Content> {
        let sealed = std::fs::read(&self.file)?;
        let bytes = exchange::open_copy(key, &self.id.0, &sealed)?;
        let content: Content = serde_ipld_dagcbor::from_slice(&bytes)
            .map_err(|e| Error::integrity(format!("a sealed copy cannot be read: {e}")))?;
        if content.dataset.root != self.root {
            return Err(Error::integrity("a sealed copy is of other records"));
        }
        Ok(content)
    }
}

impl Content {
    fn seal(&self, key: &[u8; 32], id: &B256, file: &Path) -> Result<()> {
        let bytes = serde_ipld_dagcbor::to_vec(self).map_err(|e| Error::failure(format!("encoding a copy: {e}")))?;
        let sealed = exchange::seal_copy(key, &id.0, &Zeroizing::new(bytes))?;
        let folder = file.parent().ok_or_else(|| Error::failure("no folder"))?;
        std::fs::create_dir_all(folder)?;
        let mut draft = tempfile::NamedTempFile::new_in(folder)?;
        draft.write_all(&sealed)?;
        draft.persist(file).map_err(|error| Error::from(error.error))?;
        Ok(())
    }
}

/// Removes the files of all copies but these, also of a program that ended without doing so.
fn clean(dir: &Path, kept: &[SealedCopy]) {
    for file in std::fs::read_dir(folder(dir)).into_iter().flatten().flatten() {
        if kept.iter().all(|copy| copy.file != file.path()) {
            let _ = std::fs::remove_file(file.path());
        }
    }
}

fn folder(dir: &Path) -> PathBuf {
    dir.join("earning")
}
