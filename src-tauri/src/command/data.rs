//! Sources and records: imported, searched, deleted.

use app::view::{Deleted, ImportPreview, Meaning, Records, Sources, Task};
use app::{library, meaning, preview};
use tauri::State;

use crate::desk::{Answer, Desk};
use crate::dialog::Choose;
use crate::nearest;

/// The sources in the vault.
#[tauri::command]
#[specta::specta]
pub async fn source_list(desk: State<'_, Desk>) -> Answer<Sources> {
    desk.open(|home| library::sources(home)).await
}

/// Records that contain every word of `query` (all for an empty one), newest first; of one source where it is named.
#[tauri::command]
#[specta::specta]
pub async fn record_list(desk: State<'_, Desk>, source: Option<String>, query: String, limit: u32) -> Answer<Records> {
    desk.open(move |home| library::search(home, source.as_deref(), &query, limit as usize)).await
}

/// Which model reads records for their meaning, and how many it has not read yet.
#[tauri::command]
#[specta::specta]
pub async fn meaning_show(desk: State<'_, Desk>) -> Answer<Meaning> {
    desk.open(|home| meaning::status(home)).await
}

/// Reads, as a task, the records that the model has not read yet. It runs on this machine.
#[tauri::command]
#[specta::specta]
pub async fn meaning_read(desk: State<'_, Desk>) -> Answer<Task> {
    desk.off(nearest::read).await
}

/// The records that mean something near to `query`, nearest first; of one source where it is named. Those that the model has
/// not read are not found.
#[tauri::command]
#[specta::specta]
pub async fn meaning_search(
    desk: State<'_, Desk>,
    source: Option<String>,
    query: String,
    limit: u32,
) -> Answer<Records> {
    desk.off(move |desk| desk.warm.search(desk, source.as_deref(), &query, limit as usize)).await
}

/// Deletes a record: no list, search or new dataset holds it from then on. Its bytes stay until the vault is collected.
#[tauri::command]
#[specta::specta]
pub async fn record_delete(desk: State<'_, Desk>, record: String) -> Answer<Deleted> {
    desk.change(move |home| library::delete(home, &record, false)).await
}

/// Takes a deletion back: until the vault was locked and is opened again.
#[tauri::command]
#[specta::specta]
pub async fn record_restore(desk: State<'_, Desk>, record: String) -> Answer<()> {
    desk.change(move |home| library::restore(home, &record)).await
}

/// Asks for files in the system's dialog and offers them, as if they had been dropped. Whether any were chosen.
#[tauri::command]
#[specta::specta]
pub async fn import_files(desk: State<'_, Desk>) -> Answer<bool> {
    desk.off(|desk| desk.choose(Choose::Files)).await
}

/// Asks for a folder in the system's dialog and offers it, as if it had been dropped. Whether one was chosen.
#[tauri::command]
#[specta::specta]
pub async fn import_folder(desk: State<'_, Desk>) -> Answer<bool> {
    desk.off(|desk| desk.choose(Choose::Folder)).await
}

/// Offers the bundled sample.
#[tauri::command]
#[specta::specta]
pub async fn import_sample(desk: State<'_, Desk>) -> Answer<()> {
    desk.off(Desk::offer_sample).await
}

/// What the files that were dropped or chosen would give; nothing while there are none.
#[tauri::command]
#[specta::specta]
pub async fn import_preview(desk: State<'_, Desk>) -> Answer<Option<ImportPreview>> {
    desk.off(|desk| {
        let paths = desk.offered();
        desk.hold.open(|home| if paths.is_empty() { Ok(None) } else { preview::of(home, &paths).map(Some) })
    })
    .await
}

/// Imports the files that were dropped or chosen, into one source each or all into `source`, as a task.
#[tauri::command]
#[specta::specta]
pub async fn import_start(desk: State<'_, Desk>, source: Option<String>) -> Answer<Task> {
    desk.off(move |desk| desk.import(source)).await
}

/// Forgets the files that were dropped or chosen.
#[tauri::command]
#[specta::specta]
pub async fn import_forget(desk: State<'_, Desk>) -> Answer<()> {
    desk.off(|desk| {
        desk.hold.open(|_| Ok(()))?;
        desk.offer(Vec::new());
        Ok(())
    })
    .await
}
