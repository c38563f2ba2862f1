//! The window, as a person uses it: the real program on a screen of its own, driven through WebKit's WebDriver.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use app::home::Home;
use serde_json::{Value, json};

const PASSPHRASE: &str = "seven quiet herons wading";
/// How long anything on the page may take, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);
/// The name under which WebDriver hands out elements.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

#[test]
fn window_unlocks_shows_the_vault_and_locks() {
    let place = tempfile::tempdir().unwrap();
    let home = place.path().join("home");
    let vault_id = vault_with_three_notes(place.path(), &home);
    let window = Window::open(place.path(), &home);

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
    let window = Window::open_with(place.path(), &home, &[("USUFRUCT_AUTO_LOCK", "3")]);
    window.type_into("#passphrase", &format!("{PASSPHRASE}\u{e007}"));
    assert_eq!(window.text("[data-figure=records]"), "3");
    until("the page to lock", || (window.text("h1") == "Unlock your vault").then_some(()));
    assert!(window.call("source_list").contains("locked"));
    assert!(Home::open(&home, PASSPHRASE).unwrap().is_held());
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

fn until<T>(what: &str, mut probe: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = probe() {
            return found;
        }
        assert!(start.elapsed() < PATIENCE, "waited {} s for {what}", PATIENCE.as_secs());
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// A process that ends, with all that it started, when this is dropped.
struct Ending(Child);

impl Ending {
    fn start(command: &mut Command, package: &str) -> Ending {
        match command.process_group(0).spawn() {
            Ok(child) => Ending(child),
            Err(error) => {
                let program = command.get_program().to_string_lossy().into_owned();
                panic!("{program} does not start ({error}): install the Debian package {package}")
            }
        }
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        let _ = Command::new("kill").args(["-KILL", "--", &format!("-{}", self.0.id())]).status();
        let _ = self.0.wait();
    }
}

/// The running program, its screen and the driver that types and clicks in it.
struct Window {
    port: u16,
    path: String,
    _driver: Ending,
    _screen: Ending,
}

impl Window {
    fn open(place: &Path, home: &Path) -> Window {
        Window::open_with(place, home, &[])
    }

    /// With these in its environment.
    fn open_with(place: &Path, home: &Path, environment: &[(&str, &str)]) -> Window {
        let program = program();
        let (screen, display) = screen();
        let runtime = place.join("runtime");
        std::fs::DirBuilder::new().mode(0o700).create(&runtime).unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut command = Command::new("WebKitWebDriver");
        command.arg(format!("--port={port}")).stdout(Stdio::null()).stderr(Stdio::null());
        command
            .env("DISPLAY", display)
            .env("XDG_RUNTIME_DIR", &runtime)
            .env("XDG_DATA_HOME", place.join("data"))
            .env("XDG_CACHE_HOME", place.join("cache"));
        command
            .env("USUFRUCT_HOME", home)
            .env("TAURI_WEBVIEW_AUTOMATION", "true")
            .env("LC_ALL", "C.UTF-8")
            .env("NO_AT_BRIDGE", "1")
            .env("GDK_BACKEND", "x11");
        command.envs(environment.iter().copied());
        command.env_remove("WAYLAND_DISPLAY").env_remove("LANGUAGE").env_remove("USUFRUCT_PASSPHRASE");
        let driver = Ending::start(&mut command, "webkit2gtk-driver");
        until("WebKitWebDriver to listen", || TcpStream::connect(("127.0.0.1", port)).ok());
        let mut window = Window { port, path: String::new(), _driver: driver, _screen: screen };
        let wanted =
            json!({"capabilities": {"alwaysMatch": {"webkitgtk:browserOptions": {"binary": program, "args": []}}}});
        let opened =
            window.post("/session", &wanted).unwrap_or_else(|error| panic!("the window does not open: {error}"));
        window.path = format!("/session/{}", opened["sessionId"].as_str().unwrap());
        window
    }

    /// The element, once it is there.
    fn element(&self, selector: &str) -> String {
        until(selector, || self.find(selector))
    }

    fn find(&self, selector: &str) -> Option<String> {
        let found = self.post("/element", &json!({"using": "css selector", "value": selector})).ok()?;
        Some(found[ELEMENT].as_str()?.to_owned())
    }

    /// The text of the first element, once it is there; an element that is replaced meanwhile is looked for again.
    fn text(&self, selector: &str) -> String {
        until(selector, || {
            let id = self.find(selector)?;
            Some(self.get(&format!("/element/{id}/text")).ok()?.as_str()?.to_owned())
        })
    }

    fn texts(&self, selector: &str) -> Vec<String> {
        let script = json!({"script": "return [...document.querySelectorAll(arguments[0])].map((e) => e.textContent)", "args": [selector]});
        let found = self.post("/execute/sync", &script).unwrap();
        found.as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect()
    }

    fn type_into(&self, selector: &str, keys: &str) {
        let id = self.element(selector);
        self.post(&format!("/element/{id}/value"), &json!({"text": keys})).unwrap();
    }

    fn clear(&self, selector: &str) {
        let id = self.element(selector);
        self.post(&format!("/element/{id}/clear"), &json!({})).unwrap();
    }

    fn click(&self, selector: &str) {
        let id = self.element(selector);
        self.post(&format!("/element/{id}/click"), &json!({})).unwrap();
    }

    fn run(&self, script: &str) -> String {
        let value = self.post("/execute/sync", &json!({"script": script, "args": []})).unwrap();
        value.as_str().unwrap().to_owned()
    }

    /// What a command answers when the page's own script calls it, as JSON.
    fn call(&self, command: &str) -> String {
        let script = "const done = arguments[1]; window.__TAURI_INTERNALS__.invoke(arguments[0]).then((v) => done(JSON.stringify(v ?? null)), (e) => done(JSON.stringify(e)))";
        let value = self.post("/execute/async", &json!({"script": script, "args": [command]})).unwrap();
        value.as_str().unwrap().to_owned()
    }

    fn handles(&self) -> Vec<String> {
        let handles = self.get("/window/handles").unwrap();
        handles.as_array().unwrap().iter().map(|handle| handle.as_str().unwrap().to_owned()).collect()
    }

    /// The main window's handle and that of the other one, once there are two.
    fn both(&self) -> (String, String) {
        let main = self.get("/window").unwrap().as_str().unwrap().to_owned();
        let other = until("a second window", || self.handles().into_iter().find(|handle| *handle != main));
        (main, other)
    }

    fn switch(&self, handle: &str) {
        self.post("/window", &json!({"handle": handle})).unwrap();
    }

    fn get(&self, path: &str) -> Result<Value, String> {
        self.ask("GET", path, "")
    }

    fn post(&self, path: &str, body: &Value) -> Result<Value, String> {
        self.ask("POST", path, &body.to_string())
    }

    /// One request of the WebDriver protocol; its value, or the driver's error.
    fn ask(&self, method: &str, path: &str, body: &str) -> Result<Value, String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).map_err(|error| error.to_string())?;
        stream.set_read_timeout(Some(PATIENCE)).map_err(|error| error.to_string())?;
        let head = format!(
            "{method} {}{path} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            self.path,
            self.port,
            body.len()
        );
        stream
            .write_all(head.as_bytes())
            .and_then(|()| stream.write_all(body.as_bytes()))
            .map_err(|error| error.to_string())?;
        let answer = body_of(BufReader::new(stream)).map_err(|error| format!("{method} {path}: {error}"))?;
        let value = serde_json::from_slice::<Value>(&answer).map_err(|error| error.to_string())?["value"].take();
        if value.get("error").is_some() && value.get("stacktrace").is_some() {
            Err(value.to_string())
        } else {
            Ok(value)
        }
    }
}

impl Drop for Window {
    fn drop(&mut self) {
        let _ = self.ask("DELETE", "", "");
    }
}

fn body_of(mut answer: impl BufRead) -> std::io::Result<Vec<u8>> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        answer.read_line(&mut line)?;
        let line = line.trim_end().to_ascii_lowercase();
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().map_err(std::io::Error::other)?;
        }
        if line.is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    answer.read_exact(&mut body)?;
    Ok(body)
}

/// A screen in memory, and its name.
fn screen() -> (Ending, String) {
    let mut command = Command::new("Xvfb");
    command
        .args(["-displayfd", "1", "-screen", "0", "1280x1024x24", "-nolisten", "tcp"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let mut screen = Ending::start(&mut command, "xvfb");
    let mut line = String::new();
    BufReader::new(screen.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(!line.trim().is_empty(), "Xvfb found no free display");
    (screen, format!(":{}", line.trim()))
}

/// The program, beside this test in the same target folder.
fn program() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let program = test.ancestors().nth(2).unwrap().join("usufruct-desktop");
    assert!(program.exists(), "{} is missing: build it with `cargo build --workspace --bins`", program.display());
    program
}
