//! What files would give before they are imported, read by the same confined worker as an import: nothing is kept.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use crate::error::Result;
use crate::home::{Home, Kind};
use crate::import;
use crate::importer::{Importer, Source};
use crate::progress::check_interrupt;
use crate::view;
use crate::worker::setting;

/// Files that a preview names and looks into; further ones are only counted.
const MAX_FILES: usize = 500;
/// Bytes that a preview looks into; files beyond them are only counted.
const MAX_BYTES: u64 = 256 << 20;
/// Problems that a preview names.
const MAX_PROBLEMS: usize = 200;

/// What importing `paths` would give. Large imports are looked into up to a limit, and the rest is counted.
///
/// # Errors
/// `NotFound` where a path is not there; `Refused` where the worker is not confined; `Interrupted`.
pub fn of(home: &Home, paths: &[PathBuf]) -> Result<view::ImportPreview> {
    let mut preview = view::ImportPreview {
        source: match paths {
            [one, ..] => import::source_name(one)?,
            [] => String::new(),
        },
        paths: paths.iter().map(|path| path.display().to_string()).collect(),
        files: Vec::new(),
        more_files: 0,
        kinds: Vec::new(),
        bytes: 0,
        problems: Vec::new(),
    };
    let mut kinds = BTreeMap::new();
    let mut importer = Importer::new(setting::allowed(home)?);
    importer.ready()?;
    for path in paths {
        for file in import::files(home, path) {
            check_interrupt()?;
            let file = match file {
                Ok(file) => file,
                Err(problem) => {
                    if preview.problems.len() < MAX_PROBLEMS {
                        preview.problems.push(problem);
                    }
                    continue;
                }
            };
            let bytes = std::fs::metadata(&file).map_or(0, |found| found.len());
            if preview.files.len() >= MAX_FILES || preview.bytes + bytes > MAX_BYTES {
                preview.more_files += 1;
            } else {
                one(home, &mut importer, path, &file, &mut preview, &mut kinds)?;
            }
            preview.bytes += bytes;
        }
    }
    preview.kinds = kinds.into_iter().map(|(name, count)| view::Count { name, count }).collect();
    preview.problems.truncate(MAX_PROBLEMS);
    Ok(preview)
}

fn one(
    home: &Home,
    importer: &mut Importer,
    base: &Path,
    path: &Path,
    preview: &mut view::ImportPreview,
    kinds: &mut BTreeMap<String, u64>,
) -> Result<()> {
    let name = import::shown_name(base, path);
    let failed = |reason: String| view::ImportError { file: name.clone(), reason };
    let (mut file, digest, bytes) = match File::open(path).and_then(import::digest) {
        Ok(read) => read,
        Err(error) => {
            preview.problems.push(failed(error.to_string()));
            return Ok(());
        }
    };
    let from = Source { file: &mut file, bytes, source: "preview", name: &name };
    let read = importer.read(from, &mut |record| {
        check_interrupt()?;
        *kinds.entry(record.kind).or_default() += 1;
        Ok(())
    });
    let summary = match read {
        Ok(summary) => summary,
        Err(error) => {
            check_interrupt()?;
            preview.problems.push(failed(error.to_string()));
            return Ok(());
        }
    };
    preview.problems.extend(summary.problems.iter().map(import::failed_at));
    preview.files.push(view::ImportFile {
        format: format!("{:?}", summary.format).to_lowercase(),
        records: summary.records,
        bytes,
        known: home.has(Kind::Imported, &hex::encode(digest))?,
        file: name,
    });
    Ok(())
}
