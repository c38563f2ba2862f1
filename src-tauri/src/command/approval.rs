//! Standing approvals and delegates: what may go on without the owner's word.

use app::home::Home;
use app::network::Network;
use app::view::{Act, ApprovalWanted, Approvals, DelegateWanted, Grant, Grants};
use app::{approval, delegate};
use tauri::State;

use crate::desk::{Answer, Desk};
use crate::dialog::{self, Choose};

/// What is approved ahead of time.
#[tauri::command]
#[specta::specta]
pub async fn approval_list(desk: State<'_, Desk>) -> Answer<Approvals> {
    desk.open(|home| approval::list(home)).await
}

/// Approves a consumer's jobs ahead of time, once the person confirmed it in the window `confirm`. They run while the vault
/// is open.
#[tauri::command]
#[specta::specta]
pub async fn approval_add(desk: State<'_, Desk>, wanted: ApprovalWanted) -> Answer<Approvals> {
    desk.off(move |desk| {
        let facts = async |_: &mut Home, _: &Network| Ok((wanted.consumer.clone(), approval::facts(&wanted)?));
        desk.with_consent(Act::ApproveAlways, facts, async |home, _| approval::add(home, &wanted))
    })
    .await
}

/// Takes a standing approval back.
#[tauri::command]
#[specta::specta]
pub async fn approval_remove(desk: State<'_, Desk>, approval: String) -> Answer<Approvals> {
    desk.change(move |home| app::approval::remove(home, &approval)).await
}

/// The grants that this person gave on this network.
#[tauri::command]
#[specta::specta]
pub async fn delegate_list(desk: State<'_, Desk>) -> Answer<Grants> {
    desk.off(|desk| desk.look(async |home, network| delegate::list(home, network).await)).await
}

/// Asks for a file name and writes a signed grant there, once the person confirmed it in the window `confirm`; nothing where
/// the dialog is closed.
#[tauri::command]
#[specta::specta]
pub async fn delegate_add(desk: State<'_, Desk>, wanted: DelegateWanted) -> Answer<Option<Grant>> {
    desk.off(move |desk| {
        desk.hold.open(|_| Ok(()))?;
        let Some(out) = dialog::ask(&desk.app, Choose::NewFile, "grant.json")?.pop() else { return Ok(None) };
        let facts = async |home: &mut Home, network: &Network| {
            delegate::add(home, network, &wanted, &out, true).await?;
            Ok((wanted.account.clone(), delegate::facts(&wanted)))
        };
        let add = async |home: &mut Home, network: &Network| delegate::add(home, network, &wanted, &out, false).await;
        desk.with_consent(Act::Delegate, facts, add).map(Some)
    })
    .await
}

/// Ends a grant, for good: a transaction.
#[tauri::command]
#[specta::specta]
pub async fn delegate_remove(desk: State<'_, Desk>, grant: String) -> Answer<Grant> {
    desk.off(move |desk| desk.act(async |home, network| delegate::remove(home, network, &grant, false).await)).await
}
