//! The window, as a person uses it: unlocking, creating, locking.

use std::path::Path;

use app::home::Home;
use tests::window::{Alone, Window, kill, until};

const PASSPHRASE: &str = "seven quiet herons wading";

#[test]
fn window_unlocks_shows_the_vault_and_locks() {
    let place = tempfile::tempdir().unwrap();
    let home = place.path().join("home");
    let vault_id = vault_with_three_notes(place.path(), &home);
    // Drawn as it is where there is a graphics card; the other tests draw as this machine does.
    let window = Window::open_with(place.path(), &home, &[("WEBKIT_DISABLE_COMPOSITING_MODE", "0")]);

    assert_eq!(window.text("h1"), "Unlock your vault");
    window.type_into("#passphrase", "eight loud herons wading\u{e007}");
    let words = window.text("[role=alert] .note");
    assert!(words.contains("The vault did not open") && words.to_lowercase().contains("passphrase"), "{words}");
    assert!(window.find("[data-figure]").is_none(), "a wrong passphrase showed the vault");

    window.type_into("#passphrase", &format!("{PASSPHRASE}\u{e007}"));
    assert_eq!(window.text("[data-figure=records]"), "3");
    assert_eq!(window.text("[data-figure=sources]"), "1");
    assert_eq!(window.text("[data-figure=datasets]"), "0");
    assert_eq!(window.text("[data-fact=vault-id]"), vault_id);
    assert_eq!(window.text("tbody th"), "notes");

    assert!(!matches!(Home::open(&home, PASSPHRASE), Ok(home) if home.is_held()), "two processes hold one vault");
    window.click("header button");
    until("the page to lock", || (window.text("h1") == "Unlock your vault").then_some(()));
    assert!(window.call("source_list").contains("locked"));
    assert!(Home::open(&home, PASSPHRASE).unwrap().is_held());
}

#[test]
fn window_without_a_vault_creates_one_and_shows_its_phrase_elsewhere() {
    let place = tempfile::tempdir().unwrap();
    let home = place.path().join("home");
    let window = Window::open(place.path(), &home);

    assert_eq!(window.text("h1"), "Create your vault");
    // What the address told the page stands in it no longer: a page loaded again asks.
    assert_eq!(window.run("return location.search"), "");
    window.type_into("#passphrase", PASSPHRASE);
    window.type_into("#again", "something else\u{e007}");
    assert_eq!(window.text("#again-problem"), "The two passphrases differ.");
    window.clear("#passphrase");
    window.clear("#again");
    window.type_into("#passphrase", "short");
    window.type_into("#again", "short\u{e007}");
    assert!(window.text("[role=alert] .note").contains("at least 8 characters"));
    assert!(!app::home::exists(&home), "a refused passphrase left a vault");

    window.clear("#passphrase");
    window.clear("#again");
    window.type_into("#passphrase", PASSPHRASE);
    window.type_into("#again", &format!("{PASSPHRASE}\u{e007}"));
    until("the phrase's page", || (window.text("h1") == "Write down your recovery phrase").then_some(()));
    assert!(window.call("recovery_phrase").contains("not allowed"), "the main window read the recovery phrase");

    let (main, recovery) = window.both();
    window.switch(&recovery);
    let phrase = until("24 words", || {
        let words = window.texts(".word");
        (words.len() == 24).then(|| words.join(" "))
    });
    assert!(window.call("vault_status").contains("not allowed"), "the recovery window read the vault");
    assert_eq!(window.call("recovery_phrase"), "null", "the phrase was given twice");
    window.click("[data-testid=recovery-places]");
    window.text("form");
    let places =
        window.run("return [...document.querySelectorAll('[data-place]')].map((e) => e.dataset.place).join(' ')");
    for place in places.split(' ') {
        let word = phrase.split(' ').nth(place.parse::<usize>().unwrap() - 1).unwrap();
        window.type_into(&format!("[data-place='{place}']"), word);
    }
    // Clicked a moment later: a driver whose window closes under the click reports an error.
    window.run("setTimeout(() => document.querySelector('[data-testid=recovery-check]').click(), 100); return ''");
    until("the recovery window to close", || (window.handles().len() == 1).then_some(()));
    window.switch(&main);
    assert!(!phrase.split(' ').all(|word| window.text("body").contains(word)));
    window.click("main button");
    assert_eq!(window.text("[data-figure=records]"), "0");
    let phrase = provenance::wallet::Phrase::parse(&phrase).unwrap();
    let person = provenance::wallet::Person::from_phrase(&phrase).unwrap();
    assert_eq!(window.text("[data-fact=wallet]"), person.address().to_string());
}

#[test]
fn window_that_was_left_in_french_begins_in_french() {
    let place = tempfile::tempdir().unwrap();
    let home = place.path().join("home");
    app::status::create(&home, PASSPHRASE).unwrap();
    let settings = app::view::Settings { language: app::view::Language::French, ..app::settings::load(&home) };
    app::settings::save(&home, &settings).unwrap();
    let window = Window::open(place.path(), &home);
    assert_eq!(window.text("h1"), "Déverrouiller votre coffre");
    // What the vault says is read behind the first page.
    window.type_into("#passphrase", "eight loud herons wading\u{e007}");
    until("the failure in French", || {
        window.text("[role=alert] .note").to_lowercase().contains("n’ouvre pas ce coffre").then_some(())
    });
}

#[test]
fn window_lock_takes_the_phrase_off_the_screen() {
    let place = tempfile::tempdir().unwrap();
    let home = place.path().join("home");
    let window = Window::open(place.path(), &home);
    window.type_into("#passphrase", PASSPHRASE);
    window.type_into("#again", &format!("{PASSPHRASE}\u{e007}"));
    let (main, recovery) = window.both();
    window.switch(&recovery);
    until("24 words", || (window.texts(".word").len() == 24).then_some(()));
    window.switch(&main);
    window.click("main button");
    window.click("header button");
    until("the recovery window to close", || (window.handles() == [main.as_str()]).then_some(()));
    Home::open(&home, PASSPHRASE).unwrap();
}

#[test]
fn window_locks_by_itself_when_nobody_is_there() {
    let place = tempfile::tempdir().unwrap();
    let home = place.path().join("home");
    vault_with_three_notes(place.path(), &home);
    let window = Window::open_with(place.path(), &home, &[("USUFRUCT_AUTO_LOCK", "5")]);
    window.element("#passphrase");
    window.mark();
    window.type_into("#passphrase", &format!("{PASSPHRASE}\u{e007}"));
    assert_eq!(window.text("[data-figure=records]"), "3");
    window.again("#passphrase");
    assert_eq!(window.text("h1"), "Unlock your vault");
    assert!(window.call("source_list").contains("locked"));
    assert!(Home::open(&home, PASSPHRASE).unwrap().is_held());
}

#[test]
fn window_whose_page_ended_begins_again() {
    let place = tempfile::tempdir().unwrap();
    let window = Alone::open(place.path(), &place.path().join("home"));
    let page = until("a page", || window.page());
    kill(page);
    until("another page", || window.page().filter(|now| *now != page));
}

#[test]
fn window_page_runs_no_text_as_code() {
    let place = tempfile::tempdir().unwrap();
    let window = Window::open(place.path(), &place.path().join("home"));
    assert_eq!(window.text("h1"), "Create your vault");
    let outcome = window.run("try { return String(new Function('return 1')()) } catch (error) { return error.name }");
    assert_eq!(outcome, "EvalError");
    let outcome = window.run(
        "const script = document.createElement('script'); script.textContent = 'window.ran = 1'; document.head.append(script); return String(window.ran)",
    );
    assert_eq!(outcome, "undefined");
}

fn vault_with_three_notes(place: &Path, dir: &Path) -> String {
    let created = app::status::create(dir, PASSPHRASE).unwrap();
    let notes = place.join("notes");
    std::fs::create_dir(&notes).unwrap();
    for (name, text) in
        [("one.txt", "The pears are ripe."), ("two.txt", "The well is low."), ("three.txt", "Rain at last.")]
    {
        std::fs::write(notes.join(name), text).unwrap();
    }
    let mut home = Home::open(dir, PASSPHRASE).unwrap();
    app::worker::set_manner(app::worker::Manner::of(&tests::program("usufruct")));
    let imported = app::import::run(&mut home, &[notes], Some("notes")).unwrap();
    assert_eq!(imported.records, 3);
    created.vault_id
}
