//! The window of Usufruct: it opens the page and answers its commands. What the commands do is in `app`.

mod command;
mod confirm;
mod desk;
mod dialog;
mod earn;
mod hold;
mod nearest;
mod notice;
mod phrase;
mod sleep;
mod task;
mod watch;
mod windows;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use app::view::Change;
use tauri::{DragDropEvent, Manager, Window, WindowEvent};

use crate::desk::{Desk, MAIN};
use crate::windows::Beside;

fn main() -> ExitCode {
    if let Some(ended) = app::worker::enter() {
        return ended;
    }
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("usufruct-desktop: {problem}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), String> {
    if !set("DISPLAY") && !set("WAYLAND_DISPLAY") {
        return Err("there is no display. The same is done from a terminal by `usufruct`.".to_owned());
    }
    choose_renderer();
    app::log::keep();
    let dir = home_dir().map_err(|error| error.to_string())?;
    let idle = idle()?;
    let commands = command::all();
    // Files that this program is opened with are offered like files that are dropped on it.
    let named: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    tauri::Builder::default()
        .setup(move |app| {
            let desk = Desk::new(app.handle(), dir, idle);
            desk.apply(&desk.settings());
            desk.offer(named);
            app.manage(desk.clone());
            windows::open_main(app.handle(), desk.hold.dir(), &desk.settings())?;
            watch::start(&desk);
            sleep::watch(app.handle());
            Ok(())
        })
        .invoke_handler(commands.invoke_handler())
        .on_window_event(happened)
        .run(tauri::generate_context!())
        .map_err(|error| format!("the window did not open: {error}"))
}

/// What happened to a window: files over it, or its end.
fn happened(window: &Window, event: &WindowEvent) {
    let desk = window.state::<Desk>();
    match (event, Beside::with_label(window.label())) {
        (WindowEvent::DragDrop(dropped), None) if window.label() == MAIN => match dropped {
            DragDropEvent::Enter { .. } => desk.tell(Change::Hovering),
            DragDropEvent::Leave => desk.tell(Change::Left),
            DragDropEvent::Drop { paths, .. } => desk.offer(paths.clone()),
            _ => {}
        },
        (WindowEvent::CloseRequested { api, .. }, None) if desk.should_ask_before_closing() => {
            api.prevent_close();
            desk.tell(Change::Closing);
        }
        (WindowEvent::Destroyed, None) => {
            let _ = desk.lock();
            desk.earn_no_more();
        }
        (WindowEvent::Destroyed, Some(Beside::Recovery)) => desk.hold.phrase.forget(),
        (WindowEvent::Destroyed, Some(Beside::Confirm)) => desk.confirm.withdraw(),
        _ => {}
    }
}

/// How long the vault stays open without use, where `USUFRUCT_AUTO_LOCK` says so in seconds; else the settings do.
fn idle() -> Result<Option<Duration>, String> {
    match std::env::var("USUFRUCT_AUTO_LOCK") {
        Ok(seconds) => match seconds.parse() {
            Ok(seconds @ 1..=86_400) => Ok(Some(Duration::from_secs(seconds))),
            _ => Err(format!("USUFRUCT_AUTO_LOCK is {seconds:?}; it is a number of seconds from 1 to 86400")),
        },
        Err(_) => Ok(None),
    }
}

/// The vault's folder: `USUFRUCT_HOME`, or where the command line keeps it.
fn home_dir() -> app::error::Result<PathBuf> {
    match std::env::var_os("USUFRUCT_HOME") {
        Some(dir) if !dir.is_empty() => Ok(dir.into()),
        _ => app::home::default_dir(),
    }
}

fn set(variable: &str) -> bool {
    std::env::var_os(variable).is_some_and(|value| !value.is_empty())
}

/// How WebKit draws, where the person did not choose by the same variables. With NVIDIA's driver its DMABUF renderer leaves the
/// window blank (tauri#9304). Without a graphics card a software one would stand in for it to put layers together: slower, and
/// in a hundred MiB more, than drawing the window at once.
fn choose_renderer() {
    if Path::new("/proc/driver/nvidia/version").exists() {
        choose("WEBKIT_DISABLE_DMABUF_RENDERER");
    } else if !has_graphics_card() {
        choose("WEBKIT_DISABLE_COMPOSITING_MODE");
    }
}

/// Whether something here draws for programs.
fn has_graphics_card() -> bool {
    let Ok(nodes) = std::fs::read_dir("/dev/dri") else { return false };
    nodes.flatten().any(|node| node.file_name().to_string_lossy().starts_with("renderD"))
}

/// Sets one of WebKit's switches for this process and those that it starts, unless it is set. Only while nothing runs here that
/// could read the environment at the same time: a thread of WebKit's allocator is there from the start and does not.
fn choose(switch: &str) {
    let early = std::fs::read_dir("/proc/self/task").is_ok_and(|threads| threads.count() <= 2);
    if early && std::env::var_os(switch).is_none() {
        let _ = gtk::glib::setenv(switch, "1", false);
    }
}
