//! The two windows of the recovery phrase. These commands belong to them alone.

use app::{backup, passphrase};
use tauri::State;
use zeroize::Zeroizing;

use crate::desk::{Answer, Desk};
use crate::dialog::{self, Choose};
use crate::windows::{self, Beside};

/// The recovery phrase of a vault that was just created: once, and only to the window `recovery`.
#[tauri::command]
#[specta::specta]
pub fn recovery_phrase(desk: State<'_, Desk>) -> Answer<Option<String>> {
    Ok(desk.hold.phrase.take()?)
}

/// The places, from 1, of the two words that the person should repeat.
#[tauri::command]
#[specta::specta]
pub fn recovery_places(desk: State<'_, Desk>) -> Vec<u8> {
    desk.hold.phrase.places()
}

/// Whether these are the two words.
#[tauri::command]
#[specta::specta]
pub fn recovery_check(desk: State<'_, Desk>, words: Vec<String>) -> Answer<bool> {
    let words: Vec<Zeroizing<String>> = words.into_iter().map(Zeroizing::new).collect();
    Ok(desk.hold.phrase.check(&words)?)
}

/// Prints what the window `recovery` shows.
#[tauri::command]
#[specta::specta]
pub async fn recovery_print(desk: State<'_, Desk>) -> Answer<()> {
    desk.off(|desk| windows::print(&desk.app, Beside::Recovery)).await
}

/// Closes the window `recovery`.
#[tauri::command]
#[specta::specta]
pub async fn recovery_done(desk: State<'_, Desk>) -> Answer<()> {
    desk.off(|desk| windows::close(&desk.app, Beside::Recovery)).await
}

/// How long the new passphrase would hold.
#[tauri::command]
#[specta::specta]
pub async fn recover_strength(desk: State<'_, Desk>, passphrase: String) -> Answer<app::view::Strength> {
    let secret = Zeroizing::new(passphrase);
    desk.off(move |_| Ok(passphrase::strength(&secret))).await
}

/// Asks for the folder of an encrypted backup; nothing where the dialog is closed.
#[tauri::command]
#[specta::specta]
pub async fn recover_folder(desk: State<'_, Desk>) -> Answer<Option<String>> {
    desk.off(|desk| {
        let chosen = dialog::ask(&desk.app, Choose::Folder, "")?.pop();
        Ok(chosen.map(|folder| folder.display().to_string()))
    })
    .await
}

/// Opens the vault of this folder with its recovery phrase (or makes it again from the backup in `from`), gives it a new
/// passphrase and leaves it open. Answers what of a backup was damaged or missing.
#[tauri::command]
#[specta::specta]
pub async fn recover_vault(
    desk: State<'_, Desk>,
    phrase: String,
    passphrase: String,
    from: Option<String>,
) -> Answer<Vec<String>> {
    let (phrase, secret) = (Zeroizing::new(phrase), Zeroizing::new(passphrase));
    desk.off(move |desk| {
        let problems = backup::recovered(desk.hold.dir(), from.as_deref(), &phrase, &secret)?;
        desk.unlock(&secret)?;
        desk.begin_again();
        Ok(problems)
    })
    .await
}

/// Closes the window `recover`.
#[tauri::command]
#[specta::specta]
pub async fn recover_close(desk: State<'_, Desk>) -> Answer<()> {
    desk.off(|desk| windows::close(&desk.app, Beside::Recover)).await
}
