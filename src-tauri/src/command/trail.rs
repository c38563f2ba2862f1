//! The trail and the rewards.

use app::home::Home;
use app::network::Network;
use app::view::{Act, Bundle, Payments, ReceiptShown, Rewards, Trail, TrailFilter, Written};
use app::{bundle, reward, trail};
use tauri::State;

use crate::desk::{Answer, Desk};
use crate::dialog::{self, Choose};

/// What happened to own and licensed datasets, from records to payments; or the part that the filter asks for.
#[tauri::command]
#[specta::specta]
pub async fn trail_show(desk: State<'_, Desk>, filter: TrailFilter) -> Answer<Trail> {
    desk.off(move |desk| desk.look(async |home, network| trail::filtered(home, network, &filter).await)).await
}

/// The receipt of a settled job, verified now.
#[tauri::command]
#[specta::specta]
pub async fn receipt_show(desk: State<'_, Desk>, job: String) -> Answer<ReceiptShown> {
    desk.off(move |desk| desk.look(async |home, network| trail::receipt(home, network, &job).await)).await
}

/// Asks for a file name and writes the bundle of a settled job there; nothing where the dialog is closed.
#[tauri::command]
#[specta::specta]
pub async fn bundle_export(desk: State<'_, Desk>, job: String) -> Answer<Option<Bundle>> {
    desk.off(move |desk| {
        desk.hold.open(|_| Ok(()))?;
        let Some(out) = dialog::ask(&desk.app, Choose::NewFile, "job.bundle")?.pop() else { return Ok(None) };
        desk.look(async |home, network| bundle::export(home, network, &job, &out).await).map(Some)
    })
    .await
}

/// What was earned, what can be withdrawn.
#[tauri::command]
#[specta::specta]
pub async fn reward_list(desk: State<'_, Desk>) -> Answer<Rewards> {
    desk.off(|desk| desk.look(async |home, network| reward::list(home, network).await)).await
}

/// Every payment, the oldest first.
#[tauri::command]
#[specta::specta]
pub async fn reward_history(desk: State<'_, Desk>) -> Answer<Payments> {
    desk.off(|desk| desk.look(async |home, network| reward::history(home, network).await)).await
}

/// Withdraws everything, once the person confirmed it in the window `confirm`.
#[tauri::command]
#[specta::specta]
pub async fn reward_claim(desk: State<'_, Desk>) -> Answer<Rewards> {
    desk.off(|desk| {
        let facts = async |home: &mut Home, network: &Network| {
            let would = reward::claim(home, network, true).await?;
            let to = format!("{} goes to {}", would.claimable, home.person.address());
            Ok((would.claimable, vec![to]))
        };
        desk.with_consent(Act::Withdraw, facts, async |home, network| reward::claim(home, network, false).await)
    })
    .await
}

/// Asks for a file name and writes every payment there as CSV; nothing where the dialog is closed.
#[tauri::command]
#[specta::specta]
pub async fn reward_export(desk: State<'_, Desk>) -> Answer<Option<Written>> {
    desk.off(|desk| {
        desk.hold.open(|_| Ok(()))?;
        let Some(out) = dialog::ask(&desk.app, Choose::NewFile, "rewards.csv")?.pop() else { return Ok(None) };
        desk.look(async |home, network| reward::export(home, network, &out).await).map(Some)
    })
    .await
}
