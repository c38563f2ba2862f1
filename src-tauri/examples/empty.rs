//! A window with nothing in it, by the same libraries: what `make bench-desktop` compares the real one with.

fn main() -> tauri::Result<()> {
    tauri::Builder::default().run(tauri::generate_context!("examples/empty/tauri.conf.json"))
}
