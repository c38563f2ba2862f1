//! The vault: created, opened, recovered, looked after, locked.

use app::view::{Strength, Task, TaskKind, VaultChecked, VaultStatus};
use app::{backup, passphrase, status};
use tauri::State;
use zeroize::Zeroizing;

use crate::desk::{Answer, Desk};
use crate::dialog::{self, Choose};
use crate::task::Outcome;
use crate::windows::Beside;

/// The folder of this window's vault.
#[tauri::command]
#[specta::specta]
pub fn vault_home(desk: State<'_, Desk>) -> String {
    desk.hold.dir().display().to_string()
}

/// Whether there is a vault in that folder.
#[tauri::command]
#[specta::specta]
pub fn vault_exists(desk: State<'_, Desk>) -> bool {
    app::home::exists(desk.hold.dir())
}

/// How long a passphrase would hold. It is not kept.
#[tauri::command]
#[specta::specta]
pub async fn passphrase_strength(desk: State<'_, Desk>, passphrase: String) -> Answer<Strength> {
    let secret = Zeroizing::new(passphrase);
    desk.off(move |_| Ok(passphrase::strength(&secret))).await
}

/// What the vault holds; nothing while it is locked.
#[tauri::command]
#[specta::specta]
pub async fn vault_status(desk: State<'_, Desk>) -> Answer<Option<VaultStatus>> {
    desk.off(|desk| desk.hold.if_open(status::vault)).await
}

/// Creates a vault, leaves it open, and shows its recovery phrase in the window `recovery` (page recovery.html).
#[tauri::command]
#[specta::specta]
pub async fn vault_create(desk: State<'_, Desk>, passphrase: String) -> Answer<()> {
    let secret = Zeroizing::new(passphrase);
    desk.off(move |desk| desk.hold.create(&secret, || desk.show(Beside::Recovery))).await
}

/// Opens the vault. What was earned while it was locked is taken over. Records that were deleted before it was locked are taken
/// out now: that is no longer taken back.
#[tauri::command]
#[specta::specta]
pub async fn vault_unlock(desk: State<'_, Desk>, passphrase: String) -> Answer<()> {
    let secret = Zeroizing::new(passphrase);
    desk.off(move |desk| desk.unlock(&secret)).await
}

/// Opens the window `recover` (page recover.html), in which a recovery phrase is typed. The main window is never given it. The
/// windows beside the main one get language and theme in their address: `?lang=fr&theme=dark`, where the settings say so.
#[tauri::command]
#[specta::specta]
pub async fn recover_open(desk: State<'_, Desk>) -> Answer<()> {
    desk.off(|desk| desk.show(Beside::Recover)).await
}

/// Locks the vault: its keys leave memory, its phrase leaves the screen, tasks stop, and other programs can open it. Where that
/// is on, standing approvals go on without it.
#[tauri::command]
#[specta::specta]
pub async fn vault_lock(desk: State<'_, Desk>) -> Answer<()> {
    desk.off(Desk::lock_by_hand).await
}

/// Somebody is at the window: the vault stays open for a while longer.
#[tauri::command]
#[specta::specta]
pub fn vault_touch(desk: State<'_, Desk>) {
    desk.touch();
}

/// Looks for damage: what the vault knows of its objects.
#[tauri::command]
#[specta::specta]
pub async fn vault_check(desk: State<'_, Desk>) -> Answer<VaultChecked> {
    desk.open(|home| status::looked_at(home, status::CheckDepth::Structure)).await
}

/// Looks for damage: every byte is read and verified. Takes a while for a large vault.
#[tauri::command]
#[specta::specta]
pub async fn vault_check_data(desk: State<'_, Desk>) -> Answer<VaultChecked> {
    desk.open(|home| status::looked_at(home, status::CheckDepth::ReadData)).await
}

/// Asks for a folder and brings the encrypted backup in it up to date, as a task; nothing where the dialog is closed.
#[tauri::command]
#[specta::specta]
pub async fn vault_backup(desk: State<'_, Desk>) -> Answer<Option<Task>> {
    desk.off(|desk| {
        desk.hold.open(|_| Ok(()))?;
        let Some(out) = dialog::ask(&desk.app, Choose::Folder, "")?.pop() else { return Ok(None) };
        let subject = out.display().to_string();
        let act = move |desk: &Desk| desk.hold.change(|home| backup::encrypted(home, &out)).map(Outcome::Exported);
        desk.start(TaskKind::Backup, &subject, act).map(Some)
    })
    .await
}

/// Gives the vault another passphrase; the present one is asked for again.
#[tauri::command]
#[specta::specta]
pub async fn vault_passphrase(desk: State<'_, Desk>, present: String, wanted: String) -> Answer<()> {
    let (present, wanted) = (Zeroizing::new(present), Zeroizing::new(wanted));
    desk.change(move |home| status::replace(home, &present, &wanted)).await
}
