//! The windows beside the main one: the recovery phrase, its entry, and confirmations. Each has a label and a capability
//! file of its own, and shows nothing that came from a file.

use app::error::{Error, Result};
use app::view::{Language, Settings, Theme};
use tauri::{AppHandle, Manager, WebviewUrl, WebviewWindowBuilder};

/// A window beside the main one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Beside {
    /// Shows a new vault's recovery phrase.
    Recovery,
    /// Takes an existing recovery phrase.
    Recover,
    /// Asks for a confirmation.
    Confirm,
}

impl Beside {
    /// All of them.
    pub const ALL: [Beside; 3] = [Beside::Recovery, Beside::Recover, Beside::Confirm];

    /// The label that its capability file names.
    pub const fn label(self) -> &'static str {
        match self {
            Beside::Recovery => "recovery",
            Beside::Recover => "recover",
            Beside::Confirm => crate::confirm::LABEL,
        }
    }

    /// The window with this label.
    pub fn with_label(label: &str) -> Option<Beside> {
        Beside::ALL.into_iter().find(|window| window.label() == label)
    }

    /// Width and height in logical pixels.
    fn size(self) -> (f64, f64) {
        match self {
            Beside::Recovery | Beside::Recover => (640.0, 760.0),
            Beside::Confirm => (560.0, 600.0),
        }
    }
}

/// Opens a window; one with its label that is open already is closed first.
///
/// # Errors
/// `Failure` when the system refuses another window.
pub fn open(app: &AppHandle, which: Beside, settings: &Settings) -> Result<()> {
    close(app, which)?;
    let (width, height) = which.size();
    let page = WebviewUrl::App(format!("{}.html{}", which.label(), query(settings)).into());
    WebviewWindowBuilder::new(app, which.label(), page)
        .title("Usufruct")
        .on_document_title_changed(|window, title| {
            let _ = window.set_title(&title);
        })
        .inner_size(width, height)
        .focused(true)
        .build()
        .map(|_| ())
        .map_err(failure)
}

/// The language and the theme that its page should have: it cannot ask for the settings.
fn query(settings: &Settings) -> &'static str {
    match (settings.language, settings.theme) {
        (Language::System, Theme::System) => "",
        (Language::System, Theme::Light) => "?theme=light",
        (Language::System, Theme::Dark) => "?theme=dark",
        (Language::English, Theme::System) => "?lang=en",
        (Language::English, Theme::Light) => "?lang=en&theme=light",
        (Language::English, Theme::Dark) => "?lang=en&theme=dark",
        (Language::French, Theme::System) => "?lang=fr",
        (Language::French, Theme::Light) => "?lang=fr&theme=light",
        (Language::French, Theme::Dark) => "?lang=fr&theme=dark",
    }
}

/// Closes a window where it is open.
///
/// # Errors
/// `Failure` when the system does not close it.
pub fn close(app: &AppHandle, which: Beside) -> Result<()> {
    app.get_webview_window(which.label()).map_or(Ok(()), |window| window.destroy().map_err(failure))
}

/// Prints what a window shows, by the system's own dialog.
///
/// # Errors
/// `Failure` where the system cannot print.
pub fn print(app: &AppHandle, which: Beside) -> Result<()> {
    app.get_webview_window(which.label()).map_or(Ok(()), |window| window.print().map_err(failure))
}

fn failure(error: tauri::Error) -> Error {
    Error::failure(format!("the window: {error}"))
}
