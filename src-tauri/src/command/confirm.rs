//! The confirmation window. These commands belong to it alone.

use app::view::Confirmation;
use tauri::State;

use crate::desk::{Answer, Desk};

/// What is asked; nothing once it was answered.
#[tauri::command]
#[specta::specta]
pub fn confirm_show(desk: State<'_, Desk>) -> Option<Confirmation> {
    desk.confirm.shown()
}

/// Yes to the question with this nonce.
#[tauri::command]
#[specta::specta]
pub fn confirm_yes(desk: State<'_, Desk>, nonce: String) -> Answer<()> {
    Ok(desk.confirm.answer(&nonce, true)?)
}

/// No to the question with this nonce.
#[tauri::command]
#[specta::specta]
pub fn confirm_no(desk: State<'_, Desk>, nonce: String) -> Answer<()> {
    Ok(desk.confirm.answer(&nonce, false)?)
}
