//! The system's notifications: that something ended, never what.

use app::view::{Task, TaskKind, TaskState};
use gtk::gio::prelude::*;
use gtk::{gio, glib};
use tauri::AppHandle;

/// Says through the desktop's notifications (org.freedesktop.Notifications) that a task ended. Nothing happens where there are none.
pub fn send(app: &AppHandle, task: &Task) {
    let text = match (task.kind, task.state) {
        (TaskKind::Job, TaskState::Done) => "A job is finished.",
        (TaskKind::Settle, TaskState::Done) => "A payment has arrived.",
        _ => "A job needs your attention.",
    };
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
