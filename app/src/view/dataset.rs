//! Datasets, and what publishing them makes public.

use std::fmt::{self, Display, Formatter};

use serde::Serialize;

use super::table;

/// One dataset.
#[derive(Serialize, Clone, specta::Type)]
pub struct Dataset {
    /// Its name in this vault; never published unless given as the public name.
    pub name: String,
    /// How many records it has.
    pub records: u64,
    /// The commitment to them, hex.
    pub root: String,
    /// The tree's tier: small, medium or large.
    pub tier: String,
    /// `draft`, `active`, `end of life` or `revoked`.
    pub state: String,
    /// The names of the fields that its records' canonical bytes include.
    pub fields: Vec<String>,
    /// The fields whose values leave with each row of a licensed run.
    pub released: Vec<String>,
    /// The field that classifiers learn to tell, where one is named.
    pub label: Option<String>,
    /// The field that statistics count, where one is named.
    pub counted: Option<String>,
    /// Its id on-chain, once published.
    pub dataset_id: Option<String>,
    /// Its manifest, once published.
    pub manifest_cid: Option<String>,
}

impl Display for Dataset {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: {} records, {}", self.name, self.records, self.state)?;
        writeln!(f, "root   {}", self.root)?;
        writeln!(f, "fields {}", self.fields.join(", "))?;
        if !self.released.is_empty() {
            writeln!(f, "released with each row: {}", self.released.join(", "))?;
        }
        if let Some(label) = &self.label {
            writeln!(f, "label  {label}")?;
        }
        if let Some(counted) = &self.counted {
            writeln!(f, "counted by statistics: {counted}")?;
        }
        if let (Some(id), Some(cid)) = (&self.dataset_id, &self.manifest_cid) {
            writeln!(f, "id     {id}\nmanifest {cid}")?;
        }
        Ok(())
    }
}

/// `dataset list`
#[derive(Serialize, specta::Type)]
pub struct Datasets {
    /// All of them, by name.
    pub datasets: Vec<Dataset>,
}

impl Display for Datasets {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let rows = self.datasets.iter().map(|d| {
            vec![d.name.clone(), d.records.to_string(), d.state.clone(), d.dataset_id.clone().unwrap_or_default()]
        });
        table(f, &["dataset", "records", "state", "id"], rows)
    }
}

/// `dataset publish`
#[derive(Serialize, specta::Type)]
pub struct Published {
    /// The dataset's id on-chain.
    pub dataset_id: String,
    /// Where its manifest is.
    pub manifest_cid: String,
    /// The transaction; none with `--dry-run`.
    pub tx: Option<String>,
    /// What this makes public, forever, in plain words.
    pub public: Vec<String>,
}

impl Display for Published {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.tx.is_none() {
            writeln!(f, "Nothing was published. Publishing would make this public, forever:")?;
            for fact in &self.public {
                writeln!(f, "  - {fact}")?;
            }
        }
        writeln!(f, "dataset  {}\nmanifest {}", self.dataset_id, self.manifest_cid)?;
        if let Some(tx) = &self.tx {
            writeln!(f, "tx       {tx}")?;
        }
        Ok(())
    }
}
