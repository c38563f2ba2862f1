//! Embeds the page and states which commands there are: none is allowed to a window unless a file in
//! `capabilities/` names it.

use std::path::Path;

/// Every command, as in `src/command.rs`.
const COMMANDS: &[&str] = &[
    "vault_home",
    "vault_exists",
    "vault_status",
    "vault_create",
    "vault_unlock",
    "vault_lock",
    "vault_touch",
    "source_list",
    "dataset_list",
    "recovery_phrase",
    "recovery_done",
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
