//! The commands that a page may call: one line each over `app`. Which window may call which is in `capabilities/`.

mod approval;
mod confirm;
mod data;
mod dataset;
mod earn;
mod job;
mod market;
mod recovery;
mod settings;
mod trail;
mod vault;

use app::view::{Change, Failure};
use tauri::Wry;
use tauri_specta::{Builder, ErrorHandlingMode, collect_commands};

use crate::desk::CHANGED;

/// All of them. `ui/src/bindings.ts` is generated from this.
pub fn all() -> Builder<Wry> {
    Builder::new()
        .commands(collect_commands![
            vault::vault_home,
            vault::vault_exists,
            vault::passphrase_strength,
            vault::vault_status,
            vault::vault_create,
            vault::vault_unlock,
            vault::recover_open,
            vault::vault_lock,
            vault::vault_touch,
            vault::vault_check,
            vault::vault_check_data,
            vault::vault_backup,
            vault::vault_passphrase,
            data::source_list,
            data::record_list,
            data::meaning_show,
            data::meaning_read,
            data::meaning_search,
            data::record_delete,
            data::record_restore,
            data::import_files,
            data::import_folder,
            data::import_sample,
            data::import_preview,
            data::import_start,
            data::import_forget,
            dataset::dataset_list,
            dataset::dataset_preview,
            dataset::dataset_identifiers,
            dataset::dataset_create,
            dataset::dataset_public,
            dataset::dataset_publish,
            market::preset_list,
            market::offer_preview,
            market::offer_create,
            market::offer_list,
            market::license_list,
            market::license_revoke,
            job::job_inbox,
            job::job_show,
            job::job_approve,
            job::job_decline,
            job::job_run,
            job::job_settle,
            approval::approval_list,
            approval::approval_add,
            approval::approval_remove,
            approval::delegate_list,
            approval::delegate_add,
            approval::delegate_remove,
            earn::earning_show,
            earn::earning_start,
            earn::earning_stop,
            job::deadline_list,
            job::task_list,
            job::task_stop,
            job::task_forget,
            trail::trail_show,
            trail::receipt_show,
            trail::bundle_export,
            trail::reward_list,
            trail::reward_history,
            trail::reward_claim,
            trail::reward_export,
            settings::network_list,
            settings::network_chosen,
            settings::network_use,
            settings::network_status,
            settings::wallet_show,
            settings::wallet_faucet,
            settings::device_list,
            settings::model_list,
            settings::model_add,
            settings::settings_show,
            settings::settings_change,
            settings::about_show,
            settings::log_show,
            settings::app_quit,
            recovery::recovery_phrase,
            recovery::recovery_places,
            recovery::recovery_check,
            recovery::recovery_print,
            recovery::recovery_done,
            recovery::recover_strength,
            recovery::recover_folder,
            recovery::recover_vault,
            recovery::recover_close,
            confirm::confirm_show,
            confirm::confirm_yes,
            confirm::confirm_no,
        ])
        // A refused call rejects its promise with a `Failure`.
        .error_handling(ErrorHandlingMode::Throw)
        .typ::<Failure>()
        // The payload of the event `CHANGED`.
        .typ::<Change>()
        .constant("CHANGED", CHANGED)
        .disable_serde_phases()
        // Counts and sizes: far below 2^53, where a JavaScript number stops being exact.
        .dangerously_cast_bigints_to_number()
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

    /// Every permission of every window, a line each, from the capability files that the configuration names.
    fn granted() -> String {
        let config: serde_json::Value = serde_json::from_str(include_str!("../tauri.conf.json")).unwrap();
        let mut lines = Vec::new();
        for name in config["app"]["security"]["capabilities"].as_array().unwrap() {
            let path = format!("{}/capabilities/{}.json", env!("CARGO_MANIFEST_DIR"), name.as_str().unwrap());
            let capability: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
            assert!(capability.get("remote").is_none() && capability.get("webviews").is_none(), "{name}");
            for window in capability["windows"].as_array().unwrap() {
                for permission in capability["permissions"].as_array().unwrap() {
                    lines.push(format!("{} {}\n", window.as_str().unwrap(), permission.as_str().unwrap()));
                }
            }
        }
        lines.concat()
    }

    #[test]
    fn capabilities_equal_the_reviewed_file() {
        let (granted, reviewed) = (granted(), include_str!("../reviewed.txt"));
        assert!(
            granted == reviewed,
            "src-tauri/reviewed.txt says what a person looked at; now it would be:\n{granted}"
        );
    }

    /// Command → the windows that may call it, from the capability files.
    fn allowed() -> BTreeMap<String, Vec<String>> {
        let mut allowed: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for file in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/capabilities")).unwrap() {
            let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
            let capability: serde_json::Value = serde_json::from_str(&text).unwrap();
            for permission in capability["permissions"].as_array().unwrap() {
                let Some(command) = permission.as_str().unwrap().strip_prefix("allow-") else { continue };
                let command = command.replace('-', "_");
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
    fn secrets_and_confirmations_are_denied_to_the_main_window() {
        for (command, windows) in allowed() {
            let window = match command.split('_').next().unwrap() {
                "recovery" => "recovery",
                "recover" if command != "recover_open" => "recover",
                "confirm" => "confirm",
                _ => "main",
            };
            assert_eq!(windows, [window], "{command}");
        }
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
