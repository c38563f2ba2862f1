//! The system's own dialogs for files: the page never names a path and never sees a file's content.

use std::path::PathBuf;
use std::sync::mpsc;

use app::error::{Error, Result};
use gtk::prelude::*;
use gtk::{FileChooserAction, FileChooserNative, ResponseType};
use tauri::AppHandle;

/// What is chosen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Choose {
    /// Files that are there.
    Files,
    /// A folder that is there, or is made.
    Folder,
    /// The name of a new file.
    NewFile,
}

/// Asks the person for paths; none where the dialog was closed. Not to be called on the main thread.
///
/// # Errors
/// `Failure` where the system shows no dialog.
pub fn ask(app: &AppHandle, choose: Choose, name: &str) -> Result<Vec<PathBuf>> {
    let (answer, answered) = mpsc::channel();
    let name = name.to_owned();
    app.run_on_main_thread(move || show(choose, &name, answer)).map_err(|error| Error::failure(error.to_string()))?;
    // The sender is dropped with the dialog: then nothing was chosen.
    Ok(answered.recv().unwrap_or_default())
}

fn show(choose: Choose, name: &str, answer: mpsc::Sender<Vec<PathBuf>>) {
    let action = match choose {
        Choose::Files => FileChooserAction::Open,
        Choose::Folder => FileChooserAction::SelectFolder,
        Choose::NewFile => FileChooserAction::Save,
    };
    let dialog = FileChooserNative::new(None, gtk::Window::NONE, action, None, None);
    dialog.set_modal(true);
    dialog.set_select_multiple(choose == Choose::Files);
    if choose == Choose::NewFile {
        dialog.set_current_name(name);
    }
    // A native dialog is not kept by anything but its owner: it lives in its own handler until it was answered.
    let kept = std::cell::RefCell::new(Some(dialog.clone()));
    dialog.connect_response(move |dialog, response| {
        let chosen = if response == ResponseType::Accept { dialog.filenames() } else { Vec::new() };
        let _ = answer.send(chosen);
        dialog.hide();
        kept.borrow_mut().take();
    });
    dialog.show();
}
