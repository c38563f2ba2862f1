//! Datasets: built, and published.

use app::home::Home;
use app::network::Network;
use app::view::{Act, Dataset, Datasets, Identifiers, Published, SelectionFound, SelectionWanted};
use app::{dataset, publish};
use tauri::State;

use crate::desk::{Answer, Desk};

/// The datasets in the vault.
#[tauri::command]
#[specta::specta]
pub async fn dataset_list(desk: State<'_, Desk>) -> Answer<Datasets> {
    desk.open(|home| dataset::list(home)).await
}

/// What a selection comes to: counts and a sample. Keeps nothing.
#[tauri::command]
#[specta::specta]
pub async fn dataset_preview(desk: State<'_, Desk>, selection: SelectionWanted) -> Answer<SelectionFound> {
    desk.open(move |home| dataset::preview(home, &selection)).await
}

/// The personal identifiers that a selection holds, by kind: to be dropped, masked or kept.
#[tauri::command]
#[specta::specta]
pub async fn dataset_identifiers(desk: State<'_, Desk>, selection: SelectionWanted) -> Answer<Identifiers> {
    desk.open(move |home| dataset::identifiers(home, &selection)).await
}

/// Makes a dataset of a selection, in this vault only.
#[tauri::command]
#[specta::specta]
pub async fn dataset_create(
    desk: State<'_, Desk>,
    name: String,
    description: String,
    selection: SelectionWanted,
) -> Answer<Dataset> {
    desk.change(move |home| dataset::create(home, &name, &description, (&selection).try_into()?)).await
}

/// What publishing a dataset would make public, forever. Publishes nothing.
#[tauri::command]
#[specta::specta]
pub async fn dataset_public(desk: State<'_, Desk>, name: String) -> Answer<Published> {
    desk.off(move |desk| desk.look(async |home, network| publish::run(home, network, &name, true).await)).await
}

/// Publishes a dataset, once the person confirmed it in the window `confirm`.
#[tauri::command]
#[specta::specta]
pub async fn dataset_publish(desk: State<'_, Desk>, name: String) -> Answer<Published> {
    desk.off(move |desk| {
        let facts = async |home: &mut Home, network: &Network| {
            Ok((name.clone(), publish::run(home, network, &name, true).await?.public))
        };
        desk.with_consent(Act::Publish, facts, async |home, network| publish::run(home, network, &name, false).await)
    })
    .await
}
