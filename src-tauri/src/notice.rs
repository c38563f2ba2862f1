//! The system's notifications: that something waits or ended, never what.

use app::view::{Language, Settings, Task, TaskKind, TaskState};
use gtk::gio::prelude::*;
use gtk::{gio, glib};
use tauri::AppHandle;

/// What is told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Notice {
    /// Somebody asked for a job, and the owner has to decide.
    Request,
    /// A job ran to its proof.
    Finished,
    /// A job was settled.
    Paid,
    /// A job failed.
    Attention,
}

impl Notice {
    /// What the end of a task is worth telling; nothing for what the person watched or stopped.
    pub fn of(task: &Task) -> Option<Notice> {
        match (task.kind, task.state) {
            (TaskKind::Job, TaskState::Done) => Some(Notice::Finished),
            (TaskKind::Settle, TaskState::Done) => Some(Notice::Paid),
            (TaskKind::Job | TaskKind::Settle, TaskState::Failed) => Some(Notice::Attention),
            _ => None,
        }
    }

    fn words(self, language: Language) -> &'static str {
        match (self, language) {
            (Notice::Request, Language::French) => "Une demande attend votre décision.",
            (Notice::Request, _) => "A request waits for your decision.",
            (Notice::Finished, Language::French) => "Une demande est terminée.",
            (Notice::Finished, _) => "A job is finished.",
            (Notice::Paid, Language::French) => "Un paiement est arrivé.",
            (Notice::Paid, _) => "A payment has arrived.",
            (Notice::Attention, Language::French) => "Une demande a besoin de vous.",
            (Notice::Attention, _) => "A job needs your attention.",
        }
    }
}

/// The language of the settings, or the system's where they leave it to it.
fn language(settings: &Settings) -> Language {
    let french = || glib::language_names().first().is_some_and(|name| name.starts_with("fr"));
    match settings.language {
        Language::System if french() => Language::French,
        chosen => chosen,
    }
}

/// Says it through the desktop's notifications (org.freedesktop.Notifications), where the settings want that. Nothing
/// happens where there are none.
pub fn send(app: &AppHandle, notice: Notice, settings: &Settings) {
    if !settings.notifications {
        return;
    }
    let text = notice.words(language(settings));
    let _ = app.run_on_main_thread(move || {
        let Ok(bus) = gio::bus_get_sync(gio::BusType::Session, gio::Cancellable::NONE) else { return };
        let hints = glib::VariantDict::new(None).end();
        let none: Vec<String> = Vec::new();
        let said = ("Usufruct", 0u32, "usufruct", "Usufruct", text, none, hints, -1i32).to_variant();
        let (name, path) = ("org.freedesktop.Notifications", "/org/freedesktop/Notifications");
        bus.call(
            Some(name),
            path,
            name,
            "Notify",
            Some(&said),
            None,
            gio::DBusCallFlags::NONE,
            5_000,
            gio::Cancellable::NONE,
            |_| (),
        );
    });
}
