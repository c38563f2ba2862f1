//! The commands that a page may call: one line each. Which window may call which is in `capabilities/`.

use app::view::{Datasets, Failure, Sources, VaultStatus};
use tauri::{AppHandle, State, WebviewWindow, Wry};
use tauri_specta::{Builder, ErrorHandlingMode, collect_commands};
use zeroize::Zeroizing;

use crate::hold::Hold;
use crate::recovery;

type Answer<T> = Result<T, Failure>;

/// All of them. `ui/src/bindings.ts` is generated from this.
pub fn all() -> Builder<Wry> {
    Builder::new()
        .commands(collect_commands![
            vault_home,
            vault_exists,
            vault_status,
            vault_create,
            vault_unlock,
            vault_lock,
            vault_touch,
            source_list,
            dataset_list,
            recovery_phrase,
            recovery_done,
        ])
        // A refused call rejects its promise with a `Failure`.
        .error_handling(ErrorHandlingMode::Throw)
        .typ::<Failure>()
        .disable_serde_phases()
        // Counts and sizes: far below 2^53, where a JavaScript number stops being exact.
        .dangerously_cast_bigints_to_number()
}

/// The folder of this window's vault.
#[tauri::command]
#[specta::specta]
fn vault_home(hold: State<'_, Hold>) -> String {
    hold.dir().display().to_string()
}

/// Whether there is a vault in that folder.
#[tauri::command]
#[specta::specta]
fn vault_exists(hold: State<'_, Hold>) -> bool {
    app::home::exists(hold.dir())
}

/// What the vault holds; nothing while it is locked.
#[tauri::command(async)]
#[specta::specta]
fn vault_status(hold: State<'_, Hold>) -> Answer<Option<VaultStatus>> {
    Ok(hold.if_open(app::status::vault)?)
}

/// Creates a vault, leaves it open, and shows its recovery phrase in a window of its own.
#[tauri::command(async)]
#[specta::specta]
fn vault_create(window: AppHandle, hold: State<'_, Hold>, passphrase: String) -> Answer<()> {
    Ok(hold.create(&Zeroizing::new(passphrase), || recovery::open(&window))?)
}

/// Opens the vault.
#[tauri::command(async)]
#[specta::specta]
fn vault_unlock(hold: State<'_, Hold>, passphrase: String) -> Answer<()> {
    Ok(hold.unlock(&Zeroizing::new(passphrase))?)
}

/// Locks the vault: its keys leave memory, its phrase leaves the screen, and other programs can open it.
#[tauri::command(async)]
#[specta::specta]
fn vault_lock(window: AppHandle, hold: State<'_, Hold>) -> Answer<()> {
    Ok(hold.lock(|| recovery::dismiss(&window))?)
}

/// Somebody is at the window: the vault stays open for a while longer.
#[tauri::command]
#[specta::specta]
fn vault_touch(hold: State<'_, Hold>) {
    hold.touch();
}

/// The sources in the vault.
#[tauri::command(async)]
#[specta::specta]
fn source_list(hold: State<'_, Hold>) -> Answer<Sources> {
    Ok(hold.open(app::library::sources)?)
}

/// The datasets in the vault.
#[tauri::command(async)]
#[specta::specta]
fn dataset_list(hold: State<'_, Hold>) -> Answer<Datasets> {
    Ok(hold.open(app::dataset::list)?)
}

/// The recovery phrase of a vault that was just created: once, and only to the recovery window.
#[tauri::command]
#[specta::specta]
fn recovery_phrase(hold: State<'_, Hold>) -> Option<String> {
    hold.take_phrase()
}

/// Closes the recovery window.
#[tauri::command]
#[specta::specta]
fn recovery_done(window: WebviewWindow) -> Answer<()> {
    Ok(recovery::close(&window)?)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    const BINDINGS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../ui/src/bindings.ts");

    fn generated() -> String {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("bindings.ts");
        all().export(specta_typescript::Typescript::default(), &path).unwrap();
        std::fs::read_to_string(path).unwrap()
    }

    /// Command → the windows that may call it, from the capability files.
    fn allowed() -> BTreeMap<String, Vec<String>> {
        let mut allowed: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for file in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/capabilities")).unwrap() {
            let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
            let capability: serde_json::Value = serde_json::from_str(&text).unwrap();
            for permission in capability["permissions"].as_array().unwrap() {
                let command = permission.as_str().unwrap().strip_prefix("allow-").unwrap().replace('-', "_");
                let windows =
                    capability["windows"].as_array().unwrap().iter().map(|window| window.as_str().unwrap().to_owned());
                allowed.entry(command).or_default().extend(windows);
            }
        }
        allowed
    }

    #[test]
    fn bindings_equal_the_committed_file() {
        let generated = generated();
        if std::env::var_os("USUFRUCT_WRITE_BINDINGS").is_some() {
            std::fs::write(BINDINGS, &generated).unwrap();
        }
        let committed = std::fs::read_to_string(BINDINGS).unwrap_or_default();
        assert!(
            committed == generated,
            "ui/src/bindings.ts differs from the commands. Write it anew: USUFRUCT_WRITE_BINDINGS=1 cargo nextest run --workspace bindings_equal"
        );
    }

    #[test]
    fn command_each_belongs_to_exactly_one_window() {
        let allowed = allowed();
        let text = generated();
        let commands: Vec<&str> =
            text.split("=> __TAURI_INVOKE<").skip(1).filter_map(|rest| rest.split('"').nth(1)).collect();
        assert_eq!(commands.len(), allowed.len(), "{commands:?}");
        for command in commands {
            assert_eq!(allowed.get(command).map(Vec::len), Some(1), "{command}");
        }
    }

    #[test]
    fn recovery_phrase_is_denied_to_the_main_window() {
        let allowed = allowed();
        assert_eq!(allowed["recovery_phrase"], [recovery::LABEL]);
        assert_eq!(allowed["recovery_done"], [recovery::LABEL]);
    }

    #[test]
    fn content_policy_names_no_remote_origin_and_nothing_unsafe() {
        let config: serde_json::Value = serde_json::from_str(include_str!("../tauri.conf.json")).unwrap();
        let policy = config["app"]["security"]["csp"].as_object().unwrap();
        assert_eq!(policy["default-src"], "'none'");
        for (directive, sources) in policy {
            for source in sources.as_str().unwrap().split(' ') {
                assert!(["'none'", "'self'", "ipc:", "http://ipc.localhost"].contains(&source), "{directive} {source}");
            }
        }
    }
}
