//! What a consumer gets, sealed: every row with its salt and its leaf, so that all of them can be checked.

use std::path::Path;

use compute::Output;
use compute::template::embed::Params;
use provenance::manifest::Manifest;
use serde::{Deserialize, Serialize};
use zk::merkle::{Tier, Tree};
use zk::provenance::{output_leaf, row_digest};

use crate::error::{Error, Result};
use crate::release;
use crate::view::Check;

/// The package's layout, in its first field.
const FORMAT: &str = "usufruct/package@2";
/// Rows in one package, at most: the largest tier.
const MAX_ROWS: u64 = 1 << 21;

/// The output of one job, whole.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Package {
    /// [`FORMAT`].
    pub format: String,
    /// How many numbers a row has.
    pub dimension: u32,
    /// The model's name.
    pub model: String,
    /// Where it ran, as the owner's machine said.
    pub device: String,
    /// The request's parameters: the type of the numbers, what was read of long records.
    pub params: Params,
    /// All rows in order, each as its type's canonical bytes.
    #[serde(with = "serde_bytes")]
    pub rows: Vec<u8>,
    /// One salt of 32 bytes a row.
    #[serde(with = "serde_bytes")]
    pub row_salts: Vec<u8>,
    /// One leaf of 32 bytes a record, in the same order.
    #[serde(with = "serde_bytes")]
    pub leaves: Vec<u8>,
    /// The released fields of each row, encoded by [`release::to_bytes`]; empty where the dataset releases none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<serde_bytes::ByteBuf>,
}

/// A short name on one line: it is shown to the consumer, and the owner chose it.
pub(super) fn plain(name: &str) -> bool {
    name.len() <= 128 && name.chars().all(|c| c.is_ascii_alphanumeric() || " .,:;()_-/+@#".contains(c))
}

/// What a package must agree with: facts from the chain.
pub struct Expected {
    /// The dataset's tier.
    pub tier: Tier,
    /// How many records it has.
    pub count: u64,
    /// Its root.
    pub root: zk::Field,
    /// The output's root as committed.
    pub output_root: zk::Field,
    /// The dataset's manifest.
    pub manifest: Manifest,
    /// Smallest group in an output, by the license.
    pub min_records: u32,
}

impl Package {
    /// A package of the output's rows.
    pub fn new(
        model: &str,
        device: &str,
        params: &Params,
        output: &Output,
        row_salts: &[[u8; 32]],
        leaves: &[zk::Field],
    ) -> Self {
        Package {
            format: FORMAT.to_owned(),
            dimension: output.dimension as u32,
            model: model.to_owned(),
            device: device.to_owned(),
            params: Params { dtype: output.dtype, ..params.clone() },
            rows: output.rows.concat(),
            row_salts: row_salts.concat(),
            leaves: leaves.iter().flat_map(zk::field::to_bytes).collect(),
            fields: Vec::new(),
        }
    }

    /// The package with released fields, one entry a row, or none.
    pub fn with_fields(mut self, fields: Vec<Vec<u8>>) -> Self {
        self.fields = fields.into_iter().map(serde_bytes::ByteBuf::from).collect();
        self
    }

    /// Its bytes: DAG-CBOR.
    ///
    /// # Errors
    /// `Failure` where it cannot be encoded.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        serde_ipld_dagcbor::to_vec(self).map_err(|e| Error::failure(format!("encoding the package: {e}")))
    }

    /// Reads a package; its parts fit together.
    ///
    /// # Errors
    /// `Integrity` for anything else.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let package: Package = serde_ipld_dagcbor::from_slice(bytes)
            .map_err(|e| Error::integrity(format!("this is no output package: {e}")))?;
        if package.format != FORMAT {
            return Err(Error::integrity(format!(
                "this package's format is {:?}; this program reads {FORMAT}",
                package.format
            )));
        }
        if !plain(&package.model) || !plain(&package.device) {
            return Err(Error::integrity("the package names its model or device in words that are not plain"));
        }
        let count = package.count();
        let fits = package.leaves.len() as u64 == count * 32
            && package.row_salts.len() as u64 == count * 32
            && package.dimension > 0
            && package.rows.len() as u64 == count * package.width() as u64
            && (package.fields.is_empty() || package.fields.len() as u64 == count)
            && (1..=MAX_ROWS).contains(&count);
        if !fits {
            return Err(Error::integrity("the package's rows, salts, leaves and fields are not of one count"));
        }
        package.params.check()?;
        package.fields.iter().try_for_each(|fields| release::from_bytes(fields).map(drop))?;
        Ok(package)
    }

    /// The package again from the files that [`super::fetch`] wrote into `folder`.
    ///
    /// # Errors
    /// `Integrity` where they are not such files; where they cannot be read.
    pub fn from_files(folder: &Path) -> Result<Self> {
        let tensors = std::fs::read(folder.join("rows.safetensors"))?;
        let lines = std::fs::read_to_string(folder.join("rows.jsonl"))?;
        let unreadable = |what: &str| Error::integrity(format!("{} has no {what}", folder.display()));
        let output = compute::output::from_safetensors(&tensors)?;
        let mut package = Package::new("", "", &Params::default(), &output, &[], &[]);
        for line in lines.lines() {
            let line: serde_json::Value = serde_json::from_str(line).map_err(|_| unreadable("JSON in a line"))?;
            for (key, to) in [("leaf", &mut package.leaves), ("row_salt", &mut package.row_salts)] {
                let word =
                    line[key].as_str().and_then(|digits| hex::decode(digits).ok()).filter(|word| word.len() == 32);
                to.extend(word.ok_or_else(|| unreadable(key))?);
            }
            let fields = serde_json::from_value(line["fields"].clone()).map_err(|_| unreadable("fields in a line"))?;
            package.fields.push(serde_bytes::ByteBuf::from(release::to_bytes(&fields)?));
        }
        if package.fields.iter().all(|fields| fields.is_empty()) {
            package.fields.clear();
        }
        Package::from_bytes(&package.to_bytes()?)
    }

    /// Drops the last row with its salt and leaf.
    pub(crate) fn leave_out_last(&mut self) {
        let count = self.count() as usize - 1;
        self.rows.truncate(count * self.width());
        self.row_salts.truncate(count * 32);
        self.leaves.truncate(count * 32);
        self.fields.truncate(count);
    }

    /// Bytes of a row.
    fn width(&self) -> usize {
        self.dimension as usize * self.params.dtype.bytes()
    }

    /// The rows as a computation gives them.
    pub(crate) fn output(&self) -> Output {
        let rows = (0..self.count() as usize).map(|position| self.row(position).to_vec()).collect();
        Output { rows, dimension: self.dimension as usize, dtype: self.params.dtype }
    }

    /// How many rows it has.
    pub fn count(&self) -> u64 {
        self.leaves.len() as u64 / 32
    }

    /// The row at `position`: its bytes.
    pub fn row(&self, position: usize) -> &[u8] {
        &self.rows[position * self.width()..][..self.width()]
    }

    /// The released fields of the row at `position`, encoded.
    pub fn row_fields(&self, position: usize) -> &[u8] {
        self.fields.get(position).map_or(&[], |fields| fields.as_slice())
    }

    /// The row's digest, as the output's tree commits to it: over its numbers and, behind them, its released fields.
    pub fn row_digest(&self, position: usize) -> [u8; 32] {
        let mut salt = [0; 32];
        salt.copy_from_slice(&self.row_salts[position * 32..][..32]);
        row_digest(&salt, &[self.row(position), self.row_fields(position)].concat())
    }

    /// The leaf at `position`, as the dataset's tree commits to it.
    ///
    /// # Errors
    /// `Integrity` where it is no field element.
    pub fn leaf(&self, position: usize) -> Result<zk::Field> {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(&self.leaves[position * 32..][..32]);
        Ok(zk::field::from_bytes(&bytes)?)
    }

    /// Recomputes every row's digest and both roots.
    ///
    /// # Errors
    /// `Integrity` where a leaf is no field element; what does not agree is in the checks.
    pub fn checks(&self, expected: &Expected) -> Result<Vec<Check>> {
        let count = self.count() as usize;
        let leaves = (0..count).map(|position| self.leaf(position)).collect::<Result<Vec<_>>>()?;
        let outputs =
            leaves.iter().enumerate().map(|(position, leaf)| output_leaf(*leaf, &self.row_digest(position))).collect();
        let root = Tree::build(expected.tier, leaves, &mut |_, _| {})?.root();
        let output_root = Tree::build(expected.tier, outputs, &mut |_, _| {})?.root();
        let released: Vec<&str> = expected.manifest.released().collect();
        let check = |name: &str, ok: bool, detail: String| Check {
            name: name.to_owned(),
            ok,
            standing: "verified".to_owned(),
            detail,
        };
        Ok(vec![
            check(
                "row count",
                self.count() == expected.count,
                format!("{} rows for {} registered records", self.count(), expected.count),
            ),
            check("dataset root", root == expected.root, "recomputed from every leaf".to_owned()),
            check(
                "output root",
                output_root == expected.output_root,
                "recomputed from every row, salt and leaf".to_owned(),
            ),
            check(
                "rows are numbers",
                self.output().check().is_ok(),
                format!("{} numbers a row ({}), none infinite or undefined", self.dimension, self.params.dtype.word()),
            ),
            check(
                "released fields",
                self.fields_are_among(&released)?,
                match released.as_slice() {
                    [] => "none, as the manifest says".to_owned(),
                    names => format!("{}, as the manifest says; the owner states their values", names.join(", ")),
                },
            ),
        ])
    }

    fn fields_are_among(&self, released: &[&str]) -> Result<bool> {
        for fields in &self.fields {
            if !release::from_bytes(fields)?.keys().all(|name| released.contains(&name.as_str())) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}
