//! Earning while the vault is locked: turned on with a confirmation, shown also then, turned off.

use app::earn;
use app::home::Home;
use app::network::Network;
use app::view::{Act, Earning, EarningWanted};
use tauri::State;

use crate::desk::{Answer, Desk};

/// What goes on while the vault is locked, and until when; nothing where it is off. Also while the vault is locked: it names
/// datasets, whose names are public.
#[tauri::command]
#[specta::specta]
pub async fn earning_show(desk: State<'_, Desk>) -> Answer<Option<Earning>> {
    desk.off(Desk::earning).await
}

/// Lets standing approvals go on while the vault is locked, once the person confirmed it in the window `confirm`.
#[tauri::command]
#[specta::specta]
pub async fn earning_start(desk: State<'_, Desk>, wanted: EarningWanted) -> Answer<Earning> {
    desk.off(move |desk| {
        let draft = desk.look(async |home, network| earn::draft(home, network, &wanted).await)?;
        let facts = async |home: &mut Home, network: &Network| earn::facts(home, network, &draft);
        let start = async |home: &mut Home, network: &Network| earn::start(home, network, &draft).await;
        let started = desk.with_consent(Act::Earn, facts, start)?;
        desk.arm();
        Ok(started)
    })
    .await
}

/// Ends it now.
#[tauri::command]
#[specta::specta]
pub async fn earning_stop(desk: State<'_, Desk>) -> Answer<()> {
    desk.off(|desk| {
        desk.hold.change(earn::stop)?;
        desk.arm();
        Ok(())
    })
    .await
}
