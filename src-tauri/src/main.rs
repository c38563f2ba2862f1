//! The window of Usufruct: it opens the page and answers its commands. What the commands do is in `app`.

mod command;
mod hold;
mod recovery;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use tauri::{AppHandle, Manager};

use crate::hold::Hold;

fn main() -> ExitCode {
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
    if let Some(problem) = renderer_problem() {
        return Err(problem);
    }
    let dir = home_dir().map_err(|error| error.to_string())?;
    let idle = idle()?;
    let commands = command::all();
    tauri::Builder::default()
        .setup(move |app| {
            let window = app.handle().clone();
            app.manage(Hold::new(dir, idle, move || locked(&window)));
            Ok(())
        })
        .invoke_handler(commands.invoke_handler())
        .on_window_event(|window, event| {
            if window.label() == recovery::LABEL && matches!(event, tauri::WindowEvent::Destroyed) {
                window.state::<Hold>().forget_phrase();
            }
        })
        .run(tauri::generate_context!())
        .map_err(|error| format!("the window did not open: {error}"))
}

/// How long the vault stays open without use: ten minutes, or the seconds in `USUFRUCT_AUTO_LOCK`.
fn idle() -> Result<Duration, String> {
    match std::env::var("USUFRUCT_AUTO_LOCK") {
        Ok(seconds) => match seconds.parse() {
            Ok(seconds @ 1..=86_400) => Ok(Duration::from_secs(seconds)),
            _ => Err(format!("USUFRUCT_AUTO_LOCK is {seconds:?}; it is a number of seconds from 1 to 86400")),
        },
        Err(_) => Ok(Duration::from_secs(600)),
    }
}

/// The vault locked by itself: the phrase leaves the screen, and the page begins again, so that nothing it showed stays.
fn locked(app: &AppHandle) {
    app.state::<Hold>().forget_phrase();
    let _ = recovery::dismiss(app);
    if let Some(window) = app.get_webview_window("main") {
        let _ = window.reload();
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

/// With NVIDIA's driver, WebKit's DMABUF renderer leaves the window blank (tauri#9304). A process cannot soundly change
/// its own environment, so this one starts itself again without that renderer, unless the person chose. Returns only
/// when that was not needed, or with what went wrong.
fn renderer_problem() -> Option<String> {
    use std::os::unix::process::CommandExt;
    const SWITCH: &str = "WEBKIT_DISABLE_DMABUF_RENDERER";
    if std::env::var_os(SWITCH).is_some() || !Path::new("/proc/driver/nvidia/version").exists() {
        return None;
    }
    let program = match std::env::current_exe() {
        Ok(program) => program,
        Err(error) => return Some(format!("this program cannot be found again: {error}")),
    };
    let error = std::process::Command::new(program).args(std::env::args_os().skip(1)).env(SWITCH, "1").exec();
    Some(format!("this program cannot be started again without the DMABUF renderer: {error}"))
}
