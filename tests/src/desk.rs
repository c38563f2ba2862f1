//! The window of a market's contributor: opened, unlocked, asked.

use std::path::Path;

use serde_json::json;

use crate::market::Market;
use crate::window::{Window, until};

/// The button that confirms.
pub const YES: &str = "[data-testid=confirm-yes]";
/// The button that does not.
pub const NO: &str = "[data-testid=confirm-no]";

/// The window on the contributor's vault, locked, opened with these files.
///
/// # Panics
/// When it does not open.
pub fn open(market: &Market, files: &[&Path]) -> Window {
    open_behind(market, &market.contributor.network_home, files)
}

/// The same, on the network in this folder.
///
/// # Panics
/// When it does not open.
pub fn open_behind(market: &Market, network: &Path, files: &[&Path]) -> Window {
    let models = app::model::folder().expect("a folder of models").join("model");
    let keys = app::home::data_dir().expect("a data folder").join("keys");
    let environment = [
        ("USUFRUCT_NETWORK_HOME", network.to_str().expect("a plain path")),
        ("USUFRUCT_MODEL", models.to_str().expect("a plain path")),
        ("USUFRUCT_KEYS", keys.to_str().expect("a plain path")),
    ];
    let window = Window::open_on(market.folder.path(), &market.contributor.home, &environment, files);
    until("the page", || window.find("#passphrase"));
    window
}

/// Unlocks it, by a command of its page.
///
/// # Panics
/// When it stays locked.
pub fn unlock(window: &Window, market: &Market) {
    let passphrase = json!({"passphrase": market.contributor.passphrase});
    window.invoke("vault_unlock", &passphrase).expect("the passphrase is right");
}

/// Does what asks for a confirmation, reads the question in its window and answers it by a click; the question.
///
/// # Panics
/// When nothing is asked, or the main page can read or answer it.
pub fn asked(window: &Window, act: impl FnOnce(), answer: &str) -> String {
    act();
    let (main, confirm) = window.both();
    // The main page can neither read the question nor answer it.
    for command in ["confirm_show", "confirm_yes", "confirm_no"] {
        let denied = window.invoke(command, &json!({"nonce": ""})).expect_err("the main window confirmed by itself");
        assert!(denied.to_string().contains("not allowed"), "{command}: {denied}");
    }
    window.switch(&confirm);
    let ready = format!("{answer}:not([disabled])");
    until("the question", || window.find(&ready));
    let question = window.text("main");
    assert!(window.call("vault_status").contains("not allowed"), "the confirmation window read the vault");
    window.try_click(&ready);
    until("the confirmation window to close", || (window.handles().len() == 1).then_some(()));
    window.switch(&main);
    question
}
