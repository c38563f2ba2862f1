//! `embed`: a vector for each record. The rows are *bound*: a tree over them stands beside the dataset's.

use compute::template::embed::Params;
use compute::{Dtype, Output, Row};
use provenance::manifest::Manifest;
use zk::merkle::Tree;
use zk::proof::Proof;
use zk::provenance::{Material, Witness, output_leaf};

use super::{Asked, Asking, Delivered, Made, Out, Proving, Work};
use crate::args::DeviceChoice;
use crate::dataset::{self, Dataset, Opened};
use crate::error::{Error, Result};
use crate::gate::{self, RowShape};
use crate::job::package::{Expected, Package};
use crate::job::rows::{self, Order, Shelf};
use crate::progress::Progress;
use crate::view::Check;
use crate::{model, proving, random, release};

pub(super) fn ask(asking: &Asking<'_>) -> Result<Asked> {
    if asking.label.is_some() {
        return Err(Error::usage("embed takes no --label"));
    }
    let mut params: Params = serde_json::from_str(asking.params.unwrap_or("{}"))
        .map_err(|e| Error::usage(format!("--params are not those of embed: {e}")))?;
    if let Some(dtype) = asking.dtype {
        params.dtype = dtype;
    }
    params.check()?;
    let model = model::named(asking.model.unwrap_or(model::DEFAULT))?;
    // All of them, by name: what the request means does not change with a later program's defaults.
    Ok(Asked { model: model.digest, params: written(&params)? })
}

fn written(params: &Params) -> Result<serde_json::Value> {
    serde_json::to_value(params).map_err(|e| Error::failure(e.to_string()))
}

/// The request's parameters, checked, and the shape of the rows that it asks for.
fn wanted(work: &Work) -> Result<(Params, RowShape)> {
    let params: Params = serde_json::from_value(work.spec.params.clone())
        .map_err(|e| Error::refused(format!("the request's parameters are not those of embed: {e}")))?;
    params.check()?;
    let shape = RowShape { dimension: model::find(&work.spec.model)?.dimension, dtype: params.dtype };
    Ok((params, shape))
}

pub(crate) fn leaves(work: &Work) -> Result<Vec<String>> {
    let (params, shape) = wanted(work)?;
    let released = &work.dataset.selection.released;
    gate::fits(work.count, shape, released.len() as u64)?;
    Ok(gate::preview(work.count, shape, &params, released))
}

pub(super) fn out(work: &Work) -> Result<Out> {
    let (_, shape) = wanted(work)?;
    Ok(Out {
        kind: match shape.dtype {
            Dtype::F32 => "one vector of 32-bit floating-point numbers for each record",
            Dtype::F16 => "one vector of 16-bit floating-point numbers for each record",
            Dtype::Int8 => "one vector of 8-bit whole numbers for each record",
        },
        rows: work.count,
        bytes: work.count * shape.width(),
        budget: None,
        worst: "Whoever gets the output can recover much of the text of every record from its vector, and keep it forever.",
    })
}

pub(crate) fn compute(shelf: &mut dyn Shelf, work: &Work, opened: &Opened, device: DeviceChoice) -> Result<Made> {
    let Work { dataset, count, min_records, .. } = work;
    let (params, shape) = wanted(work)?;
    let model = model::find(&work.spec.model)?;
    let included = dataset.included();
    let text = |position: usize| {
        opened.records.with(position, |record| Row::new(record.readable(&included)).head().as_bytes().to_vec())
    };
    let width = shape.width() as usize;
    let written = written(&params)?;
    let computed = rows::compute(
        shelf,
        &Order {
            job: &work.job,
            template: "embed",
            model: Some(&model),
            params: &written,
            rows_of: &written,
            root: &dataset.root,
            count: opened.records.len(),
            row: &text,
            width,
            pass: &|rows, first| gate::pass_rows(rows, first, rows.len() / width, shape),
            kept: None,
            end: 0,
            halfway: 0,
            device,
            what: "embedding records",
        },
    )?;
    let rows = computed.rows.chunks_exact(width).map(<[u8]>::to_vec).collect();
    let output = Output { rows, dimension: model.dimension as usize, dtype: shape.dtype };
    gate::pass(&output, *count, shape, *min_records)?;
    let fields = released(dataset, opened)?;
    gate::pass_fields(&fields, *count, &dataset.selection.released)?;

    let salts = (0..output.rows.len()).map(|_| random::bytes()).collect::<Result<Vec<[u8; 32]>>>()?;
    let name = model.public_name;
    let leaves = opened.tree.leaves();
    let package =
        Package::new(&name, gate::device(&computed.device), &params, &output, &salts, leaves).with_fields(fields);
    let digests: Vec<[u8; 32]> = (0..output.rows.len()).map(|position| package.row_digest(position)).collect();
    Ok(Made {
        package: package.to_bytes()?,
        output_root: output_tree(dataset, opened, &digests)?.root(),
        opening: digests.concat(),
        device: computed.device.name,
        model: Some(name),
    })
}

/// The released fields of every record, encoded; none at all where the dataset releases none.
fn released(dataset: &Dataset, opened: &Opened) -> Result<Vec<Vec<u8>>> {
    let names = &dataset.selection.released;
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let fields = |position| opened.records.with(position, |record| release::to_bytes(&release::of(record, names)?))?;
    (0..opened.records.len()).map(fields).collect()
}

pub(super) fn output_tree(dataset: &Dataset, opened: &Opened, digests: &[[u8; 32]]) -> Result<Tree> {
    let leaves = opened.tree.leaves().iter().zip(digests).map(|(leaf, digest)| output_leaf(*leaf, digest)).collect();
    dataset::tree(dataset.tier()?, leaves, &mut Progress::start("building the output's tree"))
}

/// Opens the drawn positions in both trees. What was kept is one digest of 32 bytes a row.
pub(super) fn prove(from: &Proving<'_>) -> Result<(Proof, u64)> {
    let Proving { home, dataset, opened, opening, statement } = *from;
    let digests: Vec<[u8; 32]> = opening.chunks_exact(32).map(crate::job::run::word).collect::<Result<_>>()?;
    let outputs = output_tree(dataset, opened, &digests)?;
    let owner = dataset.owner_secret(home)?;
    let material = Material {
        owner: &owner,
        leaves: &opened.leaves,
        records: &opened.tree,
        row_digests: &digests,
        outputs: &outputs,
    };
    if material.statement(statement.context, statement.challenge) != *statement {
        return Err(Error::integrity("the vault's records and rows do not fit what was committed on-chain"));
    }
    proving::prove(dataset.tier()?, statement, &Witness::gather(&material, statement.challenge)?)
}

pub(super) fn open(package: &[u8]) -> Result<Box<dyn Delivered>> {
    Ok(Box::new(Package::from_bytes(package)?))
}

impl Delivered for Package {
    fn checks(&self, expected: &Expected) -> Result<Vec<Check>> {
        Package::checks(self, expected)
    }

    fn files(&self, manifest: &Manifest) -> Result<Vec<(&'static str, Vec<u8>)>> {
        Ok(vec![
            ("rows.safetensors", safetensors(self)?),
            ("rows.jsonl", rows(self)?.into_bytes()),
            ("README.md", readme(self, &manifest.name).into_bytes()),
        ])
    }
}

fn safetensors(package: &Package) -> Result<Vec<u8>> {
    Ok(compute::output::to_safetensors(&package.output())?)
}

/// One line a row: its position, the leaf that it is bound to, and what its digest is made of.
fn rows(package: &Package) -> Result<String> {
    let mut lines = String::new();
    for position in 0..package.count() as usize {
        let line = serde_json::json!({
            "position": position,
            "leaf": hex::encode(zk::field::to_bytes(&package.leaf(position)?)),
            "row_salt": hex::encode(&package.row_salts[position * 32..][..32]),
            "row_digest": hex::encode(package.row_digest(position)),
            "fields": release::from_bytes(package.row_fields(position))?,
        });
        lines.push_str(&line.to_string());
        lines.push('\n');
    }
    Ok(lines)
}

fn readme(package: &Package, dataset: &str) -> String {
    format!(
        "# Output over the dataset {dataset}\n\n\
        {count} rows of {dimension} numbers, one for each record of the dataset, in its order, made with {model} on {device}\n\
        (as the owner's machine said). Each row is *bound*: it was committed against a registered record before the drawn positions were known.\n\n\
        | file | what |\n|---|---|\n\
        | rows.safetensors | one tensor, `embeddings`, {count} × {dimension}, {dtype} |\n\
        | rows.jsonl | a line a row: position, leaf, and salt and digest of the row, and its released fields{fields} |\n\
        | terms.jsonld | the agreement (ODRL 2.2): what may be done with this |\n\
        | job.bundle | manifest, terms, receipt, proof and chain facts: `usufruct verify job.bundle` |\n\n\
        Of long records: {rule}.\n\n\
        It needs `pip install safetensors numpy`, or nothing but Python's standard library as here:\n\n\
        ```python\n\
        import json, struct\n\
        data = open(\"rows.safetensors\", \"rb\").read(); size = struct.unpack(\"<Q\", data[:8])[0]; rows = list(struct.iter_unpack(\"<{dimension}{code}\", data[8 + size:]))\n\
        print(json.loads(data[8:8 + size])[\"embeddings\"][\"shape\"], \"nearest to row 0:\", max(range(1, {count}), key=lambda r: sum(a * b for a, b in zip(rows[0], rows[r])) / sum(b * b for b in rows[r]) ** 0.5))\n\
        ```\n",
        fields = if package.fields.is_empty() { ": none here" } else { "" },
        count = package.count(),
        dimension = package.dimension,
        dtype = match package.params.dtype {
            Dtype::F32 => "32-bit floats",
            Dtype::F16 => "16-bit floats",
            Dtype::Int8 => "8-bit whole numbers: divide a row by its length to get its vector",
        },
        code = match package.params.dtype {
            Dtype::F32 => "f",
            Dtype::F16 => "e",
            Dtype::Int8 => "b",
        },
        rule = gate::long(&package.params),
        model = package.model,
        device = package.device,
    )
}
