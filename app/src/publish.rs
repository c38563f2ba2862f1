//! Publishing a dataset: its manifest goes to the content store, its root and owner commitment on-chain. Forever.

use provenance::chain::client::{Chain, Registration};
use provenance::chain::{B256, U256};
use provenance::exchange;
use provenance::manifest::{self, Field, FieldKind, Level, Manifest, UsageInfo};
use provenance::terms::Preset;

use crate::counted::Counted;
use crate::dataset::{self, Dataset, Opened, Published};
use crate::error::{Error, Result};
use crate::home::{Home, Kind};
use crate::labels::Labels;
use crate::network::Network;
use crate::record::{TEXT_FIELD, Value};
use crate::release::{self, TIME_FIELD};
use crate::{ids, time, view};

/// Publishes the dataset `name`, or says what that would make public.
///
/// # Errors
/// `NotFound`; `Refused` where it is published already; `Integrity` where its records no longer give its root.
pub async fn run(home: &mut Home, network: &Network, name: &str, dry_run: bool) -> Result<view::Published> {
    let mut dataset = dataset::find(home, name)?;
    if let Ok(published) = dataset.published_on(network) {
        return Err(Error::refused(format!("dataset {name:?} is published already, as {}", ids::shown(published.id)))
            .hint("A changed selection is a new dataset."));
    }
    dataset::check_members(home, &dataset)?;
    let manifest = match home.find_bytes(Kind::Manifest, name)? {
        Some(bytes) => Manifest::from_bytes(&bytes)?,
        None => describe(home, network, &dataset, &dataset::open(home, &dataset)?).await?,
    };
    let cid = manifest.cid()?;
    let id = Chain::dataset_id(home.person.address(), cid.digest().into());
    let shown = |tx: Option<String>| view::Published {
        dataset_id: ids::shown(id),
        manifest_cid: cid.to_string(),
        tx,
        public: manifest.public_facts(),
    };
    if dry_run {
        return Ok(shown(None));
    }
    // Kept before anything is sent: the same command run again finds the same manifest, hence the same id.
    home.keep_bytes(Kind::Manifest, name, &manifest.to_bytes()?)?;
    home.commit()?;
    let tx = register(home, network, &manifest, id).await?.to_string();
    dataset.published.push(Published {
        chain_id: network.profile.chain_id,
        registry: network.profile.datasets.into_array(),
        id: id.0,
        manifest: cid.to_string(),
        tx: tx.clone(),
    });
    home.keep(Kind::Dataset, name, &dataset)?;
    home.commit()?;
    Ok(shown(Some(tx)))
}

/// Stores the manifest and registers the dataset, unless an earlier run got that far; the registering transaction.
async fn register(home: &Home, network: &Network, manifest: &Manifest, id: B256) -> Result<B256> {
    network.content.put_raw(&manifest.to_bytes()?)?;
    if let Some((_, place)) = network.chain.versions(id).await?.first() {
        return Ok(place.tx);
    }
    let registration = Registration {
        manifest: manifest.cid()?.digest().into(),
        root: U256::from_be_bytes(manifest.root),
        count: manifest.records,
        tier: manifest.tier.id(),
        owner_commitment: U256::from_be_bytes(manifest.owner_commitment),
    };
    Ok(network.chain.register(home.person.signer(), &registration).await?.1.tx)
}

async fn describe(home: &Home, network: &Network, dataset: &Dataset, opened: &Opened) -> Result<Manifest> {
    let today = time::rfc3339(network.chain.now().await? as i64);
    let description = match dataset.description.trim() {
        "" => format!("Personal records of kind {}.", dataset.kinds.join(", ")),
        given => given.to_owned(),
    };
    Ok(Manifest {
        name: dataset.name.trim().to_owned(),
        description,
        published: today[..10].parse()?,
        version: dataset.version,
        previous: None,
        usage: UsageInfo {
            name: "By license only".to_owned(),
            description:
                "Nobody may use this dataset without a license. Offers announced by its owner say on what terms."
                    .to_owned(),
            legal_text: Preset::Private.legal_cid(),
        },
        owner: home.person.address(),
        owner_commitment: zk::field::to_bytes(&dataset.owner_secret(home)?.commitment()),
        exchange_key: exchange::public_of(&*dataset.exchange_secret(home)?),
        root: zk::field::to_bytes(&opened.tree.root()),
        records: dataset.count,
        tier: manifest::Tier::from_id(dataset.tier()?.id())?,
        levels: vec![Level::SelfAsserted],
        kinds: dataset.kinds.clone(),
        days: None,
        fields: fields(dataset, opened)?,
        counted: dataset.counted.as_ref().map(Counted::to_manifest),
        labels: dataset.labels.as_ref().map(Labels::to_manifest),
    })
}

/// The included fields, each with the narrowest type that all its values have, and the day where it is released.
fn fields(dataset: &Dataset, opened: &Opened) -> Result<Vec<Field>> {
    let records = opened.records.all()?;
    let released = release::kinds(&records, &dataset.selection.released)?;
    let mut kinds = released.clone();
    if let Some(counted) = &dataset.counted {
        let kind = if counted.scale == 0 { FieldKind::Integer } else { FieldKind::Number };
        kinds.entry(counted.field.clone()).or_insert(kind);
    }
    let known = kinds.clone();
    for record in &records {
        for (name, value) in record.fields.iter().filter(|(name, _)| !known.contains_key(*name)) {
            let kind = match value {
                Value::Null => continue,
                Value::Bool(_) => FieldKind::Boolean,
                Value::Int(_) => FieldKind::Integer,
                Value::Text(_) => FieldKind::Text,
            };
            let known = kinds.entry(name.clone()).or_insert(kind);
            if *known != kind {
                *known = FieldKind::Text;
            }
        }
    }
    let mut names = dataset.fields.clone();
    names.extend(released.contains_key(TIME_FIELD).then(|| TIME_FIELD.to_owned()));
    let field = |name: String| Field {
        description: match name.as_str() {
            TEXT_FIELD => "The record's text.",
            TIME_FIELD if released.contains_key(TIME_FIELD) => "The day of the record.",
            _ => "A field of the record.",
        }
        .to_owned(),
        kind: kinds.get(&name).copied().unwrap_or(FieldKind::Text),
        released: released.contains_key(&name),
        name,
    };
    Ok(names.into_iter().map(field).collect())
}
