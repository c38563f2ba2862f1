//! Networks, devices, models, settings, the end of the program.

use app::view::{About, Devices, Log, Models, Network, Networks, Settings, Wallet};
use app::{machine, model, network, settings, wallet};
use tauri::{State, async_runtime};

use crate::desk::{Answer, Desk};
use crate::dialog::{self, Choose};

/// The networks known on this machine. Asks none of them anything.
#[tauri::command]
#[specta::specta]
pub async fn network_list(desk: State<'_, Desk>) -> Answer<Networks> {
    desk.open(|home| network::known(home)).await
}

/// The network that was chosen, for the badge; none before one is. Asks it nothing.
#[tauri::command]
#[specta::specta]
pub async fn network_chosen(desk: State<'_, Desk>) -> Answer<Option<Network>> {
    desk.open(|home| network::badge(home)).await
}

/// Chooses a network. Nothing goes to any before this.
#[tauri::command]
#[specta::specta]
pub async fn network_use(desk: State<'_, Desk>, name: String) -> Answer<Network> {
    desk.change(move |home| async_runtime::block_on(network::choose(home, &name, None))).await
}

/// Whether the chosen network answers, and as what.
#[tauri::command]
#[specta::specta]
pub async fn network_status(desk: State<'_, Desk>) -> Answer<Network> {
    desk.off(|desk| desk.look(async |_, network| network::answering(network).await)).await
}

/// The wallet's address and balance.
#[tauri::command]
#[specta::specta]
pub async fn wallet_show(desk: State<'_, Desk>) -> Answer<Wallet> {
    desk.off(|desk| desk.look(async |home, network| wallet::show(home, network).await)).await
}

/// Test money from the faucet of a network for trying things out.
#[tauri::command]
#[specta::specta]
pub async fn wallet_faucet(desk: State<'_, Desk>) -> Answer<Wallet> {
    desk.off(|desk| desk.act(async |home, network| wallet::faucet(home, network).await)).await
}

/// What jobs can run on.
#[tauri::command]
#[specta::specta]
pub async fn device_list(desk: State<'_, Desk>) -> Answer<Devices> {
    desk.open(|_| machine::devices()).await
}

/// The models that jobs may use.
#[tauri::command]
#[specta::specta]
pub async fn model_list(desk: State<'_, Desk>) -> Answer<Models> {
    desk.open(|_| model::list()).await
}

/// Asks for a model's folder and allows it for jobs; nothing where the dialog is closed.
#[tauri::command]
#[specta::specta]
pub async fn model_add(desk: State<'_, Desk>) -> Answer<Option<Models>> {
    desk.off(|desk| {
        desk.hold.open(|_| Ok(()))?;
        dialog::ask(&desk.app, Choose::Folder, "")?.pop().map(|folder| model::add(&folder)).transpose()
    })
    .await
}

/// The settings. Also while the vault is locked: the unlock page has a language and a theme too.
#[tauri::command]
#[specta::specta]
pub fn settings_show(desk: State<'_, Desk>) -> Settings {
    desk.settings()
}

/// Changes the settings.
#[tauri::command]
#[specta::specta]
pub async fn settings_change(desk: State<'_, Desk>, settings: Settings) -> Answer<Settings> {
    desk.off(move |desk| {
        desk.hold.open(|_| settings::save(desk.hold.dir(), &settings))?;
        desk.apply(&settings);
        Ok(settings)
    })
    .await
}

/// About this program.
#[tauri::command]
#[specta::specta]
pub fn about_show(desk: State<'_, Desk>) -> About {
    machine::about(desk.hold.dir())
}

/// The last lines that this program said of itself: warnings and errors, no content.
#[tauri::command]
#[specta::specta]
pub async fn log_show(desk: State<'_, Desk>) -> Answer<Log> {
    desk.open(|_| Ok(app::log::lines())).await
}

/// Locks the vault and ends the program. The page lists `deadline_list` and running tasks first.
#[tauri::command]
#[specta::specta]
pub async fn app_quit(desk: State<'_, Desk>) -> Answer<()> {
    desk.off(Desk::quit).await
}
