//! The recovery window. It alone may ask for the recovery phrase; its page shows nothing that came from a file.

use app::error::{Error, Result};
use tauri::{AppHandle, Manager, WebviewUrl, WebviewWindow, WebviewWindowBuilder};

/// The window's label: `capabilities/recovery.json` names it.
pub const LABEL: &str = "recovery";

/// Width and height, in logical pixels: all 24 words without scrolling.
const SIZE: (f64, f64) = (640.0, 720.0);

/// Opens the window.
///
/// # Errors
/// `Failure` when the system refuses another window.
pub fn open(app: &AppHandle) -> Result<()> {
    dismiss(app)?;
    WebviewWindowBuilder::new(app, LABEL, WebviewUrl::App("recovery.html".into()))
        .title("Usufruct")
        .on_document_title_changed(|window, title| {
            let _ = window.set_title(&title);
        })
        .inner_size(SIZE.0, SIZE.1)
        .build()
        .map(|_| ())
        .map_err(failure)
}

/// Closes it where it is open.
///
/// # Errors
/// `Failure` when the system does not close it.
pub fn dismiss(app: &AppHandle) -> Result<()> {
    app.get_webview_window(LABEL).map_or(Ok(()), |window| close(&window))
}

/// Closes it.
///
/// # Errors
/// `Failure` when the system does not close it.
pub fn close(window: &WebviewWindow) -> Result<()> {
    window.destroy().map_err(failure)
}

fn failure(error: tauri::Error) -> Error {
    Error::failure(format!("the recovery window: {error}"))
}
