//! Datasets: an ordered selection of records, committed to by one root, and published.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};
use zk::merkle::{Tier, Tree};
use zk::provenance::{Leaf, OwnerSecret};

use crate::counted::Counted;
use crate::error::{Error, Result};
use crate::home::{Home, Kind};
use crate::labels::Labels;
use crate::library::{self, Place};
use crate::members::{Members, SPAN_BYTES};
use crate::network::Network;
use crate::progress::Progress;
use crate::record::{self, Record};
use crate::{counted, identifier, random, release, view};

/// The name a dataset may have: it becomes public.
const MAX_NAME: usize = 100;
/// Bytes of a description, at most.
const MAX_DESCRIPTION: usize = 4000;
/// Identifiers of a kind that a report shows.
const EXAMPLES: usize = 3;
/// Records that a preview shows.
const SAMPLE: usize = 8;
/// Fields that a dataset may include: a manifest names each.
const MAX_FIELDS: usize = 64;

/// Which records go in, and which of their fields.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Selection {
    /// Of these sources.
    pub sources: Vec<String>,
    /// Of these kinds; of any for none.
    pub kinds: Vec<String>,
    /// From this second on.
    pub from: Option<i64>,
    /// Before this second.
    pub to: Option<i64>,
    /// Only these fields; all for none. `text` is one; source and time are always included.
    pub fields: Vec<String>,
    /// The fields whose values leave with each row of a licensed run; `time` is the day of the record.
    #[serde(default)]
    pub released: Vec<String>,
    /// The field that classifiers learn to tell.
    #[serde(default)]
    pub label: Option<String>,
    /// The field that statistics count, and the edges of their bins.
    #[serde(default)]
    pub statistic: Option<counted::Wanted>,
    /// Identifiers of these kinds are masked in text and fields before anything is hashed or computed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub masked: Vec<view::Identifier>,
    /// Records with identifiers of these kinds are left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dropped: Vec<view::Identifier>,
}

impl TryFrom<&view::SelectionWanted> for Selection {
    type Error = Error;

    fn try_from(wanted: &view::SelectionWanted) -> Result<Selection> {
        Ok(Selection {
            sources: wanted.sources.clone(),
            kinds: wanted.kinds.clone(),
            from: wanted.from.as_deref().map(crate::time::day).transpose()?,
            to: wanted.to.as_deref().map(crate::time::day).transpose()?,
            fields: wanted.fields.clone(),
            released: wanted.released.clone(),
            label: wanted.label.clone(),
            statistic: wanted
                .statistic
                .as_ref()
                .map(|counted| counted::Wanted { field: counted.field.clone(), edges: counted.edges.clone() }),
            masked: wanted.masked.clone(),
            dropped: wanted.dropped.clone(),
        })
    }
}

/// A dataset in the vault.
#[derive(Clone, Serialize, Deserialize)]
pub struct Dataset {
    /// The public name.
    pub name: String,
    /// A sentence about it.
    pub description: String,
    /// What was selected.
    pub selection: Selection,
    /// The fields that are in the canonical bytes.
    pub fields: Vec<String>,
    /// The kinds of its records.
    pub kinds: Vec<String>,
    /// The field that classifiers learn to tell, with its values.
    #[serde(default)]
    pub labels: Option<Labels>,
    /// The field that statistics count.
    #[serde(default)]
    pub counted: Option<Counted>,
    /// How many records.
    pub count: u64,
    /// The commitment, big-endian.
    #[serde(with = "serde_bytes")]
    pub root: Vec<u8>,
    /// The version on-chain, from 1.
    pub version: u32,
    /// What its salts derive from.
    pub secret: Secret,
    /// What makes the owner commitment its own.
    #[serde(with = "serde_bytes")]
    pub owner_salt: Vec<u8>,
    /// Where it was published, oldest first.
    pub published: Vec<Published>,
}

/// A secret of 32 bytes, wiped when dropped.
#[derive(Clone, Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
pub struct Secret(#[serde(with = "serde_bytes")] Vec<u8>);

/// What a published dataset has on-chain.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Published {
    /// The EIP-155 id of the chain it is on.
    pub chain_id: u64,
    /// The registry on that chain.
    pub registry: [u8; 20],
    /// Its id.
    pub id: [u8; 32],
    /// Its manifest's CID.
    pub manifest: String,
    /// The registering transaction.
    pub tx: String,
}

impl Dataset {
    /// What it has on `network`'s chain.
    ///
    /// # Errors
    /// `Refused` where it was not published there.
    pub fn published_on(&self, network: &Network) -> Result<&Published> {
        let here =
            |one: &&Published| one.chain_id == network.profile.chain_id && one.registry == network.profile.datasets.0;
        self.published.iter().rev().find(here).ok_or_else(|| {
            Error::refused(format!(
                "dataset {:?} is not published on the network {:?}",
                self.name, network.profile.name
            ))
            .hint(format!("`usufruct dataset publish {:?}` does that.", self.name))
        })
    }

    /// The tree's tier.
    ///
    /// # Errors
    /// `Refused` for no records, or more than the largest tier holds.
    pub fn tier(&self) -> Result<Tier> {
        Ok(Tier::for_count(self.count)?)
    }

    /// The commitment.
    ///
    /// # Errors
    /// `Integrity` where the vault's copy is no field element.
    pub fn root(&self) -> Result<zk::Field> {
        word(&self.root)
    }

    /// What opens the owner commitment of `home`'s person for this dataset.
    ///
    /// # Errors
    /// `Integrity` where a stored secret has the wrong length.
    pub fn owner_secret(&self, home: &Home) -> Result<OwnerSecret> {
        let salt: &[u8; 31] = self
            .owner_salt
            .as_slice()
            .try_into()
            .map_err(|_| Error::integrity("a stored salt is not 31 bytes long"))?;
        Ok(OwnerSecret::new(home.person.identity_secret(), salt)?)
    }

    /// The X25519 secret to which requests for this dataset are sealed: its own, so that it can be handed on without the
    /// person's.
    ///
    /// # Errors
    /// `Integrity` where the vault's copy has no salt.
    pub fn exchange_secret(&self, home: &Home) -> Result<Zeroizing<[u8; 32]>> {
        if self.owner_salt.len() != 31 {
            return Err(Error::integrity("a stored salt is not 31 bytes long"));
        }
        let mut from = Zeroizing::new(home.person.exchange_secret().to_vec());
        from.extend_from_slice(&self.owner_salt);
        Ok(Zeroizing::new(blake3::derive_key("usufruct 2026 dataset exchange secret v1", &from)))
    }

    /// The same without what only proving and publishing need: what a sealed copy holds.
    pub(crate) fn to_copy(&self) -> Dataset {
        Dataset { owner_salt: Vec::new(), description: String::new(), published: Vec::new(), ..self.clone() }
    }

    /// The leaf of the record at `position`: a salted commitment to its canonical bytes.
    ///
    /// # Errors
    /// `Failure` where the record cannot be encoded; `Refused` where its counted value is no number.
    fn leaf(&self, position: u64, record: &Record) -> Result<Leaf> {
        let digest = record.content_digest(&self.included())?;
        let value = self.counted.as_ref().map(|counted| counted.value(record)).transpose()?.flatten();
        Ok(Leaf { salt: self.salt(position), digest, level: 0, value })
    }

    /// The parts of a record that are in its canonical bytes.
    pub fn included(&self) -> record::Selection {
        record::Selection::only(self.fields.iter().cloned())
    }

    /// 31 bytes for the leaf at `position`, from the dataset's secret alone.
    fn salt(&self, position: u64) -> [u8; 31] {
        let mut key = [0; 32];
        key.copy_from_slice(&self.secret.0);
        let mut input = b"usufruct leaf salt".to_vec();
        input.extend(self.version.to_le_bytes());
        input.extend(position.to_le_bytes());
        let mut salt = [0; 31];
        salt.copy_from_slice(&blake3::keyed_hash(&key, &input).as_bytes()[..31]);
        key.zeroize();
        salt
    }
}

fn word(bytes: &[u8]) -> Result<zk::Field> {
    let bytes: [u8; 32] = bytes.try_into().map_err(|_| Error::integrity("a stored word is not 32 bytes long"))?;
    Ok(zk::field::from_bytes(&bytes)?)
}

/// A dataset's records with their leaves and tree: what a job works on.
pub struct Opened {
    /// The records, in order.
    pub records: Members,
    /// Their leaves' preimages.
    pub leaves: Vec<Leaf>,
    /// The tree over them.
    pub tree: Tree,
}

/// Selects records, orders them by time and id, and commits to them.
///
/// # Errors
/// `Refused` for a name that is taken, for a released field of free text and for a counted one that is not all numbers;
/// `NotFound` for an unknown source or an empty selection.
pub fn create(home: &mut Home, name: &str, description: &str, mut selection: Selection) -> Result<view::Dataset> {
    check_name(name)?;
    for names in [&mut selection.sources, &mut selection.kinds, &mut selection.fields, &mut selection.released] {
        names.sort();
        names.dedup();
    }
    if description.chars().any(|c| c.is_control() && c != '\n') || description.len() > MAX_DESCRIPTION {
        return Err(Error::usage(format!(
            "a description has at most {MAX_DESCRIPTION} bytes and no control characters"
        )));
    }
    if home.has(Kind::Dataset, name)? {
        return Err(Error::refused(format!("there is a dataset {name:?} already")).hint("Choose another name."));
    }
    let (places, fields, kinds) = select(home, &selection)?;
    release::check_names(&selection.released, &fields)?;
    let mut dataset = Dataset {
        name: name.to_owned(),
        description: description.to_owned(),
        selection,
        fields,
        kinds,
        labels: None,
        counted: None,
        count: places.len() as u64,
        root: Vec::new(),
        version: 1,
        secret: Secret(random::bytes::<32>()?.to_vec()),
        owner_salt: random::bytes::<31>()?.to_vec(),
        published: Vec::new(),
    };
    let records = read_places(home, &places, &dataset.selection.masked)?;
    release::kinds(&records, &dataset.selection.released)?;
    if let Some(field) = &dataset.selection.label {
        dataset.labels = Some(Labels::declare(field, &records, &dataset.fields)?);
    }
    if let Some(wanted) = &dataset.selection.statistic {
        dataset.counted = Some(counted::declare(wanted, &records, &dataset.fields)?);
    }
    let leaves = leaves(&dataset, &records)?;
    drop(records);
    dataset.root = zk::field::to_bytes(&commit_to(&dataset, &leaves)?.root()).to_vec();
    home.keep(Kind::Members, name, &places)?;
    home.keep(Kind::Dataset, name, &dataset)?;
    home.commit()?;
    shown(&dataset)
}

fn check_name(name: &str) -> Result<()> {
    let fits =
        !name.trim().is_empty() && name.len() <= MAX_NAME && !name.contains(|c: char| c.is_control() || c == '/');
    if fits {
        Ok(())
    } else {
        Err(Error::usage(format!("a dataset's name has 1 to {MAX_NAME} bytes, no slash and no control characters")))
    }
}

/// The places of the selected records in order, and the fields and kinds that they have.
fn select(home: &Home, selection: &Selection) -> Result<(Vec<Place>, Vec<String>, Vec<String>)> {
    let mut chosen = Vec::new();
    let mut fields = std::collections::BTreeSet::new();
    let mut kinds = std::collections::BTreeSet::new();
    library::each(home, &selection.sources, &mut |place, record| {
        if selected(selection, &record) {
            if record.text.is_some() {
                fields.insert(record::TEXT_FIELD.to_owned());
            }
            fields.extend(record.fields.keys().cloned());
            kinds.insert(record.kind.clone());
            chosen.push(((record.time.unwrap_or(i64::MIN), record.identity()?), place));
        }
        Ok(())
    })?;
    if chosen.is_empty() {
        return Err(Error::not_found("no record fits this selection")
            .hint("`usufruct record list --source S` shows what a source holds."));
    }
    if let Some(missing) = selection.fields.iter().find(|field| !fields.contains(*field)) {
        let known: Vec<String> = fields.into_iter().collect();
        return Err(Error::not_found(format!("no selected record has a field {missing:?}"))
            .hint(format!("They have: {}.", known.join(", "))));
    }
    chosen.sort_by(|a, b| a.0.cmp(&b.0));
    if fields.len() > MAX_FIELDS && selection.fields.is_empty() {
        return Err(Error::refused(format!(
            "the records have {} fields; a dataset includes at most {MAX_FIELDS}",
            fields.len()
        ))
        .hint("Name the ones to include with --field."));
    }
    let kept = if selection.fields.is_empty() { fields.into_iter().collect() } else { selection.fields.clone() };
    Ok((chosen.into_iter().map(|(_, place)| place).collect(), kept, kinds.into_iter().collect()))
}

/// What a selection comes to, without keeping anything: counts, and the first of its records.
///
/// # Errors
/// `NotFound` for an unknown source; `Usage` for a day that is none.
pub fn preview(home: &Home, wanted: &view::SelectionWanted) -> Result<view::SelectionFound> {
    let selection = Selection::try_from(wanted)?;
    let (mut kinds, mut fields) = (BTreeMap::<String, u64>::new(), BTreeMap::<String, u64>::new());
    let mut times: Option<(i64, i64)> = None;
    let mut found = view::SelectionFound {
        records: 0,
        tier: None,
        kinds: Vec::new(),
        fields: Vec::new(),
        days: None,
        sample: Vec::new(),
    };
    library::each(home, &selection.sources, &mut |_, record| {
        crate::progress::check_interrupt()?;
        if !selected(&selection, &record) {
            return Ok(());
        }
        found.records += 1;
        *kinds.entry(record.kind.clone()).or_default() += 1;
        let text = record.text.is_some().then(|| record::TEXT_FIELD.to_owned());
        for field in text.into_iter().chain(record.fields.keys().cloned()) {
            *fields.entry(field).or_default() += 1;
        }
        if let Some(time) = record.time {
            times = Some(times.map_or((time, time), |(first, last)| (first.min(time), last.max(time))));
        }
        if found.sample.len() < SAMPLE {
            found.sample.push(library::shown_as(&record, &selection.masked)?);
        }
        Ok(())
    })?;
    let counts = |counted: BTreeMap<String, u64>| {
        counted.into_iter().map(|(name, count)| view::Count { name, count }).collect::<Vec<_>>()
    };
    (found.kinds, found.fields) = (counts(kinds), counts(fields));
    found.tier = Tier::for_count(found.records).ok().map(|tier| tier.name().to_owned());
    let day = |time: i64| crate::time::rfc3339(time);
    found.days = times.map(|(first, last)| (day(first), day(last)));
    Ok(found)
}

/// The personal identifiers in what is selected, as it is before masking and dropping.
///
/// # Errors
/// Like [`preview`].
pub fn identifiers(home: &Home, wanted: &view::SelectionWanted) -> Result<view::Identifiers> {
    let selection = Selection { dropped: Vec::new(), ..Selection::try_from(wanted)? };
    let none = |kind| view::IdentifierCount { kind, found: 0, records: 0, examples: Vec::new() };
    let mut report = view::Identifiers { records: 0, kinds: view::Identifier::ALL.map(none).to_vec() };
    library::each(home, &selection.sources, &mut |_, record| {
        crate::progress::check_interrupt()?;
        if selected(&selection, &record) {
            report.records += 1;
            count(&record, &mut report.kinds);
        }
        Ok(())
    })?;
    Ok(report)
}

fn count(record: &Record, kinds: &mut [view::IdentifierCount]) {
    let found: Vec<(view::Identifier, &str)> = identifier::texts(record)
        .flat_map(|text| identifier::find(text).into_iter().map(move |(kind, range)| (kind, &text[range])))
        .collect();
    for entry in kinds {
        let mut of_kind = found.iter().filter(|(kind, _)| *kind == entry.kind).peekable();
        entry.records += u64::from(of_kind.peek().is_some());
        for (_, text) in of_kind {
            entry.found += 1;
            if entry.examples.len() < EXAMPLES && entry.examples.iter().all(|known| known != text) {
                entry.examples.push((*text).to_owned());
            }
        }
    }
}

fn selected(selection: &Selection, record: &Record) -> bool {
    let kind = selection.kinds.is_empty() || selection.kinds.contains(&record.kind);
    let from = selection.from.is_none_or(|from| record.time.is_some_and(|time| time >= from));
    let to = selection.to.is_none_or(|to| record.time.is_some_and(|time| time < to));
    kind && from && to && !identifier::holds(record, &selection.dropped)
}

/// That none of a dataset's records was deleted since it was created.
///
/// # Errors
/// `Refused` where one was.
pub fn check_members(home: &Home, dataset: &Dataset) -> Result<()> {
    let places: Vec<Place> = home.find(Kind::Members, &dataset.name)?.unwrap_or_default();
    let deleted = library::deleted_among(home, &places)?;
    if deleted == 0 {
        return Ok(());
    }
    Err(Error::refused(format!("{deleted} records of dataset {:?} were deleted since it was created", dataset.name))
        .hint("Create the dataset again under another name."))
}

/// Reads a dataset's records and rebuilds its tree.
///
/// # Errors
/// `Integrity` where the records no longer give the committed root.
pub fn open(home: &Home, dataset: &Dataset) -> Result<Opened> {
    let places: Vec<Place> = home.find(Kind::Members, &dataset.name)?.ok_or_else(|| {
        Error::integrity(format!("the list of records of dataset {:?} is missing from the vault", dataset.name))
    })?;
    let mut leaves = vec![None; places.len()];
    let mut reading = Progress::start("reading records");
    let progress = &mut |done, total| reading.at(done, total);
    let records =
        Members::read(SPAN_BYTES, home, places, &dataset.selection.masked, progress, &mut |position, record| {
            leaves[position] = Some(dataset.leaf(position as u64, record)?);
            Ok(())
        })?;
    drop(reading);
    checked(dataset, records, leaves.into_iter().flatten().collect())
}

/// A dataset's records, in order, without what is not in their canonical bytes: what a sealed copy holds.
///
/// # Errors
/// As [`open`].
pub(crate) fn records(home: &Home, dataset: &Dataset) -> Result<Vec<Record>> {
    let mut records = open(home, dataset)?.records.all()?;
    let included = dataset.included();
    for record in &mut records {
        record.fields.retain(|name, _| included.has(name));
        if !included.has(record::TEXT_FIELD) {
            record.text = None;
        }
    }
    Ok(records)
}

/// A dataset over these records.
///
/// # Errors
/// `Integrity` where they do not give the committed root.
pub(crate) fn of_records(dataset: &Dataset, records: Vec<Record>) -> Result<Opened> {
    let leaves = leaves(dataset, &records)?;
    checked(dataset, Members::here(records), leaves)
}

/// The dataset over these records and leaves, where they give the committed root.
fn checked(dataset: &Dataset, records: Members, leaves: Vec<Leaf>) -> Result<Opened> {
    let tree = commit_to(dataset, &leaves)?;
    let opened = Opened { records, leaves, tree };
    if opened.tree.root() != dataset.root()? {
        return Err(Error::integrity(format!("the records of dataset {:?} no longer give its root", dataset.name))
            .hint("`usufruct vault check --read-data` says what was damaged."));
    }
    Ok(opened)
}

/// The records at `places`, with identifiers of the kinds that the dataset masks replaced.
fn read_places(home: &Home, places: &[Place], masked: &[view::Identifier]) -> Result<Vec<Record>> {
    let mut reading = Progress::start("reading records");
    let mut records = library::at(home, places, &mut |done, total| reading.at(done, total))?;
    records.iter_mut().for_each(|record| identifier::mask(record, masked));
    Ok(records)
}

fn leaves(dataset: &Dataset, records: &[Record]) -> Result<Vec<Leaf>> {
    records.iter().enumerate().map(|(position, record)| dataset.leaf(position as u64, record)).collect()
}

fn commit_to(dataset: &Dataset, leaves: &[Leaf]) -> Result<Tree> {
    let hashes = {
        let mut hashing = Progress::start("hashing records");
        Leaf::hash_all(leaves, &mut |done, total| {
            let _ = hashing.at(done, total);
        })
    };
    crate::progress::check_interrupt()?;
    tree(dataset.tier()?, hashes, &mut Progress::start("building the tree"))
}

/// A tree over `leaves`, with progress.
///
/// # Errors
/// `Refused` where they do not fit the tier; `Interrupted`.
pub fn tree(tier: Tier, leaves: Vec<zk::Field>, progress: &mut Progress) -> Result<Tree> {
    let tree = Tree::build(tier, leaves, &mut |done, total| {
        let _ = progress.at(done, total);
    })?;
    crate::progress::check_interrupt()?;
    Ok(tree)
}

/// The dataset called `name`.
///
/// # Errors
/// `NotFound` where there is none.
pub fn find(home: &Home, name: &str) -> Result<Dataset> {
    home.find(Kind::Dataset, name)?.ok_or_else(|| {
        Error::not_found(format!("there is no dataset {name:?}")).hint("`usufruct dataset list` shows them.")
    })
}

/// The own dataset with this id on-chain.
///
/// # Errors
/// `Integrity` where the vault's entries cannot be read.
pub fn find_by_id(home: &Home, id: &[u8; 32]) -> Result<Option<Dataset>> {
    let all = home.all::<Dataset>(Kind::Dataset)?;
    Ok(all.into_iter().map(|(_, dataset)| dataset).find(|dataset| dataset.published.iter().any(|p| &p.id == id)))
}

/// The name of a dataset that holds the record at `place` and is published, or is about to be.
///
/// # Errors
/// `Integrity` where the vault's entries cannot be read.
pub fn active_with(home: &Home, place: &Place) -> Result<Option<String>> {
    for (name, dataset) in home.all::<Dataset>(Kind::Dataset)? {
        let members: Vec<Place> = home.find(Kind::Members, &name)?.unwrap_or_default();
        let active = !dataset.published.is_empty() || home.has(Kind::Manifest, &name)?;
        if active && members.contains(place) {
            return Ok(Some(name));
        }
    }
    Ok(None)
}

/// All datasets.
///
/// # Errors
/// `Integrity` where one cannot be read.
pub fn list(home: &Home) -> Result<view::Datasets> {
    let all = home.all::<Dataset>(Kind::Dataset)?;
    Ok(view::Datasets { datasets: all.iter().map(|(_, dataset)| shown(dataset)).collect::<Result<_>>()? })
}

/// One dataset, for a reader.
///
/// # Errors
/// `Integrity` where it cannot be read.
pub fn shown(dataset: &Dataset) -> Result<view::Dataset> {
    Ok(view::Dataset {
        name: dataset.name.clone(),
        records: dataset.count,
        root: hex::encode(&dataset.root),
        tier: dataset.tier()?.name().to_owned(),
        state: if dataset.published.is_empty() { "draft" } else { "active" }.to_owned(),
        fields: dataset.fields.clone(),
        released: dataset.selection.released.clone(),
        label: dataset.labels.as_ref().map(|labels| labels.field.clone()),
        counted: dataset.counted.as_ref().map(|counted| counted.field.clone()),
        dataset_id: dataset.published.last().map(|p| hex::encode(p.id)),
        manifest_cid: dataset.published.last().map(|p| p.manifest.clone()),
    })
}
