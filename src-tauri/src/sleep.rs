//! Word of a coming suspend, from systemd-logind: the vault locks before the machine sleeps. Where there is no logind, the
//! auto-lock still counts the time that the machine slept.

use gtk::gio;
use tauri::{AppHandle, Manager};

use crate::desk::Desk;

/// Locks the vault whenever the machine is about to sleep. Called once, on the main thread.
pub fn watch(app: &AppHandle) {
    let Ok(bus) = gio::bus_get_sync(gio::BusType::System, gio::Cancellable::NONE) else { return };
    let app = app.clone();
    let name = "org.freedesktop.login1";
    bus.signal_subscribe(
        Some(name),
        Some("org.freedesktop.login1.Manager"),
        Some("PrepareForSleep"),
        Some("/org/freedesktop/login1"),
        None,
        gio::DBusSignalFlags::NONE,
        move |_, _, _, _, _, said| {
            if said.child_value(0).get::<bool>() == Some(true) {
                // Not here: closing the vault waits for its current step, and this thread answers the window.
                let app = app.clone();
                std::thread::spawn(move || app.state::<Desk>().locked());
            }
        },
    );
    // The subscription lives as long as the connection, and the connection as long as the program.
    std::mem::forget(bus);
}
