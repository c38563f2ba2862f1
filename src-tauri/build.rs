//! Embeds the page and states which commands there are: none is allowed to a window unless a file in
//! `capabilities/` names it.

use std::path::Path;

/// Every command, as in `src/command.rs`.
const COMMANDS: &[&str] = &[
    "vault_home",
    "vault_exists",
    "passphrase_strength",
    "vault_status",
    "vault_create",
    "vault_unlock",
    "recover_open",
    "vault_lock",
    "vault_touch",
    "vault_check",
    "vault_check_data",
    "vault_backup",
    "vault_passphrase",
    "source_list",
    "record_list",
    "meaning_show",
    "meaning_read",
    "meaning_search",
    "record_delete",
    "record_restore",
    "import_files",
    "import_folder",
    "import_sample",
    "import_preview",
    "import_start",
    "import_forget",
    "dataset_list",
    "dataset_preview",
    "dataset_identifiers",
    "dataset_create",
    "dataset_public",
    "dataset_publish",
    "preset_list",
    "offer_preview",
    "offer_create",
    "offer_list",
    "license_list",
    "license_revoke",
    "job_inbox",
    "job_show",
    "job_approve",
    "job_decline",
    "job_run",
    "job_settle",
    "approval_list",
    "approval_add",
    "approval_remove",
    "delegate_list",
    "delegate_add",
    "delegate_remove",
    "earning_show",
    "earning_start",
    "earning_stop",
    "deadline_list",
    "task_list",
    "task_stop",
    "task_forget",
    "trail_show",
    "receipt_show",
    "bundle_export",
    "reward_list",
    "reward_history",
    "reward_claim",
    "reward_export",
    "network_list",
    "network_chosen",
    "network_use",
    "network_status",
    "wallet_show",
    "wallet_faucet",
    "device_list",
    "model_list",
    "model_add",
    "settings_show",
    "settings_change",
    "about_show",
    "log_show",
    "app_quit",
    "recovery_phrase",
    "recovery_places",
    "recovery_check",
    "recovery_print",
    "recovery_done",
    "recover_strength",
    "recover_folder",
    "recover_vault",
    "recover_close",
    "confirm_show",
    "confirm_yes",
    "confirm_no",
];

fn main() {
    println!("cargo::rerun-if-changed=../ui/dist");
    if !Path::new("../ui/dist/index.html").exists() {
        println!(
            "cargo::error=ui/dist is missing: the window's page is not built. Run `make build`, or in ui/: npm ci --ignore-scripts && npm run build"
        );
        return;
    }
    let manifest = tauri_build::AppManifest::new().commands(COMMANDS);
    if let Err(error) = tauri_build::try_build(tauri_build::Attributes::new().app_manifest(manifest)) {
        println!("cargo::error=the window's configuration does not build: {error:#}");
    }
}
