//! Taking deleted records out: of their batches, and with every kept file that holds them. What is left of them in the
//! packs is garbage then, which `vault gc` collects.

use std::collections::{BTreeSet, HashSet};
use std::io::Cursor;

use crate::error::Result;
use crate::home::{Home, Kind};
use crate::import::Imported;
use crate::importer::{self, Importer};
use crate::library::{self, RecordId};
use crate::progress::{Progress, check_interrupt};
use crate::view;
use crate::worker::setting;

/// Deletes the record whose id begins with `id`, and takes it out: no list, search or new dataset holds it, importing it
/// again does not bring it back, and nothing takes this back. The imported files that hold it are no longer kept,
/// whatever else is in them; their other records stay. The bytes leave the disk with the next `vault gc --all`.
///
/// # Errors
/// As [`library::delete`] and [`finish`].
pub fn delete(home: &mut Home, id: &str, dry_run: bool) -> Result<view::Deleted> {
    let deleted = library::delete(home, id, dry_run)?;
    let files = if dry_run {
        let ids = deleted.records.iter().map(|one| library::parse_id(&one.id)).collect::<Result<_>>()?;
        let sources = deleted.records.iter().map(|one| one.source.clone()).collect();
        files_with(home, &sources, &ids)?.into_iter().map(|(_, file)| file).collect()
    } else {
        finish(home)?
    };
    Ok(view::Deleted { files, ..deleted })
}

/// Takes out every record that was deleted and is still there. Returns the names of the imported files that held one and
/// are no longer kept.
///
/// # Errors
/// `Integrity` where a batch was altered; `Interrupted`, then it can be done again.
pub fn finish(home: &mut Home) -> Result<Vec<String>> {
    let ids = library::marked(home)?;
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    // All that can be interrupted comes before the first change.
    let sources = library::sources_with(home, &ids)?;
    let held = files_with(home, &sources, &ids)?;
    library::take_out(home, &sources, &ids)?;
    for (digest, _) in &held {
        home.forget(Kind::Original, digest)?;
    }
    home.commit()?;
    Ok(held.into_iter().map(|(_, file)| file).collect())
}

/// The kept files of some sources that give one of the records when they are read again: digest and name.
fn files_with(home: &Home, sources: &BTreeSet<String>, ids: &HashSet<RecordId>) -> Result<Vec<(String, String)>> {
    let mut progress = Progress::start("looking into the imported files");
    let mut kept = home.all::<Imported>(Kind::Imported)?;
    kept.retain(|(_, imported)| sources.contains(&imported.source));
    let mut importer = Importer::new(setting::allowed(home)?);
    let mut found = Vec::new();
    for (index, (digest, imported)) in kept.iter().enumerate() {
        progress.at(index as u64, kept.len() as u64)?;
        let Some(bytes) = home.find_bytes(Kind::Original, digest)? else { continue };
        importer.ready()?;
        let (file, length) = (&mut Cursor::new(bytes.as_slice()), bytes.len() as u64);
        let from = importer::Source { file, bytes: length, source: &imported.source, name: &imported.file };
        let mut holds = false;
        let read = importer.read(from, &mut |record| {
            check_interrupt()?;
            holds |= ids.contains(&record.identity()?);
            Ok(())
        });
        check_interrupt()?;
        // One that could not be read to its end may hold it: it goes too.
        if holds || read.is_err() {
            found.push((digest.clone(), imported.file.clone()));
        }
    }
    Ok(found)
}
