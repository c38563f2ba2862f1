//! The main window, and those beside it: the recovery phrase, its entry, and confirmations. Each of these has a label and a
//! capability file of its own, and shows nothing that came from a file.

use std::cell::Cell;
use std::path::Path;
use std::time::{Duration, Instant};

use app::error::{Error, Result};
use app::view::{Language, Settings, Theme};
use gtk::glib::prelude::*;
use tauri::{AppHandle, Manager, Url, WebviewUrl, WebviewWindow, WebviewWindowBuilder};

use crate::desk::{Desk, MAIN};

/// A page that ends this soon after it began again ends each time.
const AT_ONCE: Duration = Duration::from_secs(10);

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

/// Opens the main window for the vault in `dir`. Its address says what the page would have to ask for before its first frame:
/// language, theme, whether there is a vault, and where.
///
/// # Errors
/// `Failure` when the system refuses a window.
pub fn open_main(app: &AppHandle, dir: &Path, settings: &Settings) -> Result<()> {
    let page = if app::home::exists(dir) { "unlock" } else { "create" };
    let folder = dir.display().to_string();
    let mut told: Vec<(&str, &str)> = chosen(settings).collect();
    told.extend([("page", page), ("home", &folder)]);
    WebviewWindowBuilder::new(app, MAIN, address("index", &told)?)
        .title("Usufruct")
        .inner_size(1100.0, 800.0)
        .min_inner_size(480.0, 560.0)
        .build()
        .and_then(|window| begin_again_after_its_end(app, &window))
        .map_err(failure)
}

/// Opens a window; one with its label that is open already is closed first.
///
/// # Errors
/// `Failure` when the system refuses another window.
pub fn open(app: &AppHandle, which: Beside, settings: &Settings) -> Result<()> {
    close(app, which)?;
    let (width, height) = which.size();
    // It cannot ask for the settings.
    WebviewWindowBuilder::new(app, which.label(), address(which.label(), &chosen(settings).collect::<Vec<_>>())?)
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

/// The process that shows the page can end, for want of memory or by a fault. Then the vault locks, and the page begins again
/// where it would stay blank; not where it just did, for a page that ends each time would never stop.
fn begin_again_after_its_end(app: &AppHandle, window: &WebviewWindow) -> tauri::Result<()> {
    let (app, last) = (app.clone(), Cell::new(None::<Instant>));
    window.with_webview(move |view| {
        view.inner().connect_local("web-process-terminated", false, move |_| {
            let just = last.replace(Some(Instant::now())).is_some_and(|before| before.elapsed() < AT_ONCE);
            let app = app.clone();
            // Not here: closing the vault waits for its current step, and this thread answers the window.
            std::thread::spawn(move || {
                let desk = app.state::<Desk>();
                if just { drop(desk.lock()) } else { desk.locked() }
            });
            None
        });
    })
}

/// The language and the theme, where they are not the system's.
fn chosen(settings: &Settings) -> impl Iterator<Item = (&'static str, &'static str)> {
    let language = match settings.language {
        Language::System => None,
        Language::English => Some(("lang", "en")),
        Language::French => Some(("lang", "fr")),
    };
    let theme = match settings.theme {
        Theme::System => None,
        Theme::Light => Some(("theme", "light")),
        Theme::Dark => Some(("theme", "dark")),
    };
    language.into_iter().chain(theme)
}

/// Where a page is, and what it is told.
fn address(page: &str, told: &[(&str, &str)]) -> Result<WebviewUrl> {
    let whole = Url::parse_with_params("page:/", told)
        .map_err(|error| Error::failure(format!("the address of the page {page}: {error}")))?;
    Ok(WebviewUrl::App(format!("{page}.html?{}", whole.query().unwrap_or_default()).into()))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn address_says_what_was_chosen_and_escapes_what_stands_in_a_folders_name() {
        let settings = Settings { language: Language::French, theme: Theme::Dark, ..Settings::default() };
        let mut told: Vec<(&str, &str)> = chosen(&settings).collect();
        told.push(("home", "/home/a&b=c?d#e \"ü"));
        let found = address("index", &told).expect("an address");
        assert_eq!(
            found,
            WebviewUrl::App("index.html?lang=fr&theme=dark&home=%2Fhome%2Fa%26b%3Dc%3Fd%23e+%22%C3%BC".into())
        );
        let found = address("confirm", &chosen(&Settings::default()).collect::<Vec<_>>()).expect("an address");
        assert_eq!(found, WebviewUrl::App("confirm.html?".into()));
    }
}
