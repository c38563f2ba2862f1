//! The vault locks before the machine sleeps: the real window, on a system bus with a stand-in for logind.

use app::home::Home;
use serde_json::{Value, json};
use tests::logind::{Logind, Sleep};
use tests::window::Window;

const PASSPHRASE: &str = "seven quiet herons wading";

fn unlock(window: &Window) {
    window.type_into("#passphrase", &format!("{PASSPHRASE}\u{e007}"));
    window.element("[data-testid=page-home]");
    window.mark();
}

fn is_open(window: &Window) -> bool {
    window.invoke("vault_status", &json!({})).expect("it answers") != Value::Null
}

#[test]
fn vault_locks_before_the_machine_sleeps_and_the_machine_waits_for_it() {
    let place = tempfile::tempdir().expect("a folder");
    let home = place.path().join("home");
    app::status::create(&home, PASSPHRASE).expect("a vault");
    let logind = Logind::start(place.path());
    let window = Window::open_with(place.path(), &home, &[("DBUS_SYSTEM_BUS_ADDRESS", &logind.address)]);
    unlock(&window);
    let delay = logind.delay();
    assert_eq!(delay.what, ("sleep".to_owned(), "delay".to_owned()));

    // A word that is not logind's locks nothing, and neither does the end of a sleep: who wakes up asks anew.
    logind.let_a_stranger_say(Sleep::Begins);
    logind.say(Sleep::Ended);
    let mut next = logind.delay();
    delay.given_back();
    for _ in 0..2 {
        assert!(is_open(&window));
        logind.say(Sleep::Begins);
        next.given_back();
        // Now the machine sleeps: nobody has the vault open any more.
        assert!(
            Home::open(&home, PASSPHRASE).expect("the vault").is_held(),
            "the machine slept before the vault was locked"
        );
        window.again("#passphrase");
        assert!(window.call("source_list").contains("locked"));
        assert!(logind.is_quiet(), "a machine that sleeps was asked to wait");
        logind.say(Sleep::Ended);
        next = logind.delay();
        unlock(&window);
    }
    assert!(is_open(&window));
    assert!(!window.said().contains("panicked"), "{}", window.said());
}
