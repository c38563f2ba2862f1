//! Word of a coming suspend, from systemd-logind: the vault locks before the machine sleeps, which waits for it. Where there is no
//! logind, the auto-lock still counts the time that the machine slept.

use std::cell::{Cell, RefCell};

use gtk::gio::{self, DBusConnection, UnixFDList};
use gtk::glib::prelude::*;
use tauri::{AppHandle, Manager};

use crate::desk::Desk;

const LOGIND: &str = "org.freedesktop.login1";
const MANAGER: &str = "org.freedesktop.login1.Manager";
const PATH: &str = "/org/freedesktop/login1";
/// Milliseconds that logind may take to answer.
const PATIENCE: i32 = 10_000;

thread_local! {
    /// While this is there, logind lets the machine sleep some seconds later, and not before it is gone. On the main thread.
    static DELAY: RefCell<Option<UnixFDList>> = const { RefCell::new(None) };
    /// From the word of a sleep to the word of its end.
    static ASLEEP: Cell<bool> = const { Cell::new(false) };
}

/// Locks the vault whenever the machine is about to sleep. Called once, on the main thread.
pub fn watch(app: &AppHandle) {
    let Ok(bus) = gio::bus_get_sync(gio::BusType::System, gio::Cancellable::NONE) else { return };
    // The end of the bus is no reason to end.
    bus.set_exit_on_close(false);
    delay(&bus);
    let app = app.clone();
    bus.signal_subscribe(
        Some(LOGIND),
        Some(MANAGER),
        Some("PrepareForSleep"),
        Some(PATH),
        None,
        gio::DBusSignalFlags::NONE,
        move |bus, _, _, _, _, said| match said.try_child_get::<bool>(0) {
            Ok(Some(true)) => {
                ASLEEP.set(true);
                lock(app.clone());
            }
            Ok(Some(false)) => {
                ASLEEP.set(false);
                delay(bus);
            }
            _ => {}
        },
    );
    // The subscription lives as long as the connection, and the connection as long as the program.
    std::mem::forget(bus);
}

/// Locks the vault, then lets the machine sleep. Not on this thread, which answers the window: closing the vault waits for its
/// current step.
fn lock(app: AppHandle) {
    std::thread::spawn(move || {
        app.state::<Desk>().locked();
        let _ = app.run_on_main_thread(|| {
            // Where locking took longer than the machine waited, it is awake again, and what is held is for the next time.
            if ASLEEP.get() {
                DELAY.set(None);
            }
        });
    });
}

/// Asks logind to wait before the next sleep. Where it does not, the vault locks all the same, if there is time.
fn delay(bus: &DBusConnection) {
    let what = ("sleep", "Usufruct", "The vault is locked first.", "delay").to_variant();
    let reply = gtk::glib::VariantTy::new("(h)").ok();
    bus.call_with_unix_fd_list(
        Some(LOGIND),
        PATH,
        MANAGER,
        "Inhibit",
        Some(&what),
        reply,
        gio::DBusCallFlags::NONE,
        PATIENCE,
        UnixFDList::NONE,
        gio::Cancellable::NONE,
        |answered| match answered {
            Ok((_, files)) => DELAY.set(Some(files)),
            Err(_) => app::log::note("the machine does not wait for the vault to be locked before it sleeps"),
        },
    );
}
