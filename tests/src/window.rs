//! The window, as a person uses it: the real program on a screen of its own, driven through WebKit's WebDriver.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// How long anything on the page may take, on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// A question about the page is asked again after this long: the driver loses those that meet a reload.
const ASK_AGAIN: Duration = Duration::from_secs(10);
/// The name under which WebDriver hands out elements.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";
/// The file that takes what the program says.
const SAID: &str = "said.log";

/// Waits for something to be there.
///
/// # Panics
/// When it is not there in time.
pub fn until<T>(what: &str, probe: impl FnMut() -> Option<T>) -> T {
    in_time(probe).unwrap_or_else(|| panic!("waited {} s for {what}", PATIENCE.as_secs()))
}

fn in_time<T>(mut probe: impl FnMut() -> Option<T>) -> Option<T> {
    let start = Instant::now();
    loop {
        let found = probe();
        if found.is_some() || start.elapsed() > PATIENCE {
            return found;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// A process that ends, with all that it started, when this is dropped.
pub(crate) struct Ending(pub(crate) Child);

impl Ending {
    pub(crate) fn start(command: &mut Command, package: &str) -> Ending {
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
pub struct Window {
    said: PathBuf,
    port: u16,
    path: String,
    driver: Ending,
    _screen: Ending,
}

impl Window {
    /// Opens it for the vault in `home`; everything else that it keeps goes below `place`.
    ///
    /// # Panics
    /// When the driver refuses.
    pub fn open(place: &Path, home: &Path) -> Window {
        Window::open_with(place, home, &[])
    }

    /// With these in its environment.
    ///
    /// # Panics
    /// When the driver refuses, or it is not there in time.
    pub fn open_with(place: &Path, home: &Path, environment: &[(&str, &str)]) -> Window {
        Window::open_on(place, home, environment, &[])
    }

    /// With these in its environment, opened with these files.
    ///
    /// # Panics
    /// When it does not open.
    pub fn open_on(place: &Path, home: &Path, environment: &[(&str, &str)], files: &[&Path]) -> Window {
        let program = crate::program("usufruct-desktop");
        let (screen, display) = screen();
        let port = TcpListener::bind("127.0.0.1:0")
            .expect("the driver answers as it should")
            .local_addr()
            .expect("the driver answers as it should")
            .port();
        let mut command = Command::new("WebKitWebDriver");
        let said = std::fs::File::create(place.join(SAID)).expect("a file for what the program says");
        command.arg(format!("--port={port}")).stdout(Stdio::null()).stderr(said);
        surround(&mut command, place, home, &display);
        command.env("TAURI_WEBVIEW_AUTOMATION", "true");
        command.envs(environment.iter().copied());
        let driver = Ending::start(&mut command, "webkit2gtk-driver");
        until("WebKitWebDriver to listen", || TcpStream::connect(("127.0.0.1", port)).ok());
        let mut window = Window { said: place.join(SAID), port, path: String::new(), driver, _screen: screen };
        let wanted =
            json!({"capabilities": {"alwaysMatch": {"webkitgtk:browserOptions": {"binary": program, "args": files}}}});
        let opened =
            window.post("/session", &wanted).unwrap_or_else(|error| panic!("the window does not open: {error}"));
        window.path = format!("/session/{}", opened["sessionId"].as_str().expect("the driver answers as it should"));
        window
    }

    /// The element, once it is there.
    ///
    /// # Panics
    /// When the driver refuses, or it is not there in time.
    pub fn element(&self, selector: &str) -> String {
        self.wait(selector, || self.find(selector))
    }

    /// Waits for something on the page; where it does not come, says what the page shows instead.
    fn wait<T>(&self, what: &str, probe: impl FnMut() -> Option<T>) -> T {
        in_time(probe).unwrap_or_else(|| {
            let script = json!({"script": "return location.href + '\\n' + document.body.innerText", "args": []});
            let page = self.post("/execute/sync", &script);
            panic!("waited {} s for {what}; the page: {page:?}; said: {}", PATIENCE.as_secs(), self.said())
        })
    }

    /// Marks this page, so that [`Window::again`] tells it from the next.
    ///
    /// # Panics
    /// When the driver refuses.
    pub fn mark(&self) {
        self.run("window.marked = true; return ''");
    }

    /// Waits until the marked page was loaded again and shows this.
    ///
    /// # Panics
    /// When it is not there in time.
    pub fn again(&self, selector: &str) {
        let again = json!({"script": "return !window.marked && document.querySelector(arguments[0]) !== null", "args": [selector]});
        self.wait(&format!("{selector} on the page loaded again"), || {
            (self.look("POST", "/execute/sync", &again).ok()? == true).then_some(())
        });
    }

    /// The element, if it is there.
    pub fn find(&self, selector: &str) -> Option<String> {
        let found = self.look("POST", "/element", &json!({"using": "css selector", "value": selector})).ok()?;
        Some(found[ELEMENT].as_str()?.to_owned())
    }

    /// The text of the first element, once it is there; an element that is replaced meanwhile is looked for again.
    ///
    /// # Panics
    /// When the driver refuses, or it is not there in time.
    pub fn text(&self, selector: &str) -> String {
        self.wait(selector, || {
            let id = self.find(selector)?;
            let text = self.look("GET", &format!("/element/{id}/text"), &Value::Null).ok()?;
            Some(text.as_str()?.to_owned())
        })
    }

    /// The texts of all such elements.
    ///
    /// # Panics
    /// When the driver refuses.
    pub fn texts(&self, selector: &str) -> Vec<String> {
        let script = json!({"script": "return [...document.querySelectorAll(arguments[0])].map((e) => e.textContent)", "args": [selector]});
        let found = self.post("/execute/sync", &script).expect("the driver answers as it should");
        found
            .as_array()
            .expect("the driver answers as it should")
            .iter()
            .map(|text| text.as_str().expect("the driver answers as it should").to_owned())
            .collect()
    }

    /// Types into the element.
    ///
    /// # Panics
    /// When the driver refuses.
    pub fn type_into(&self, selector: &str, keys: &str) {
        let id = self.element(selector);
        self.post(&format!("/element/{id}/value"), &json!({"text": keys})).expect("the driver answers as it should");
    }

    /// Empties an input.
    ///
    /// # Panics
    /// When the driver refuses.
    pub fn clear(&self, selector: &str) {
        let id = self.element(selector);
        self.post(&format!("/element/{id}/clear"), &json!({})).expect("the driver answers as it should");
    }

    /// Clicks the element, as a mouse would.
    ///
    /// # Panics
    /// When the driver refuses.
    pub fn click(&self, selector: &str) {
        // What is on its way over the page, a message or a dialog, may lie on the element for a moment.
        self.wait(&format!("a click on {selector}"), || {
            let id = self.find(selector)?;
            self.post(&format!("/element/{id}/click"), &json!({})).ok()
        });
    }

    /// Clicks, where the window may close under the click: the driver calls that an error.
    pub fn try_click(&self, selector: &str) {
        if let Some(id) = self.find(selector) {
            let _ = self.post(&format!("/element/{id}/click"), &json!({}));
        }
    }

    /// What a script on the page returns.
    ///
    /// # Panics
    /// When the driver refuses.
    pub fn run(&self, script: &str) -> String {
        let value = self
            .post("/execute/sync", &json!({"script": script, "args": []}))
            .expect("the driver answers as it should");
        value.as_str().expect("the driver answers as it should").to_owned()
    }

    /// What a command answers when the page's own script calls it, as JSON.
    ///
    /// # Panics
    /// When the driver refuses, or it is not there in time.
    pub fn call(&self, command: &str) -> String {
        let script = "const done = arguments[1]; window.__TAURI_INTERNALS__.invoke(arguments[0]).then((v) => done(JSON.stringify(v ?? null)), (e) => done(JSON.stringify(e)))";
        let value = self
            .post("/execute/async", &json!({"script": script, "args": [command]}))
            .expect("the driver answers as it should");
        value.as_str().expect("the driver answers as it should").to_owned()
    }

    /// What a command answers when the page's own script calls it with these arguments, or the failure.
    ///
    /// # Errors
    /// The failure that the command answered, or text where the call itself was refused.
    ///
    /// # Panics
    /// When there is no answer in time.
    pub fn invoke(&self, command: &str, args: &Value) -> Result<Value, Value> {
        let call = self.begin(command, args);
        self.outcome(&call)
    }

    /// Calls a command and does not wait.
    ///
    /// # Panics
    /// When the driver refuses.
    pub fn begin(&self, command: &str, args: &Value) -> String {
        let script = "const [command, args] = arguments; const calls = (window.calls ??= []); const at = calls.push(null) - 1; window.__TAURI_INTERNALS__.invoke(command, args).then((v) => (calls[at] = { ok: v ?? null }), (e) => (calls[at] = { failed: e })); return String(at)";
        let begun = self.post("/execute/sync", &json!({"script": script, "args": [command, args]}));
        begun.expect("the page's script runs").as_str().expect("a number").to_owned()
    }

    /// What a call that was begun came to.
    ///
    /// # Errors
    /// Like [`Window::invoke`].
    ///
    /// # Panics
    /// When there is no answer in time.
    pub fn outcome(&self, call: &str) -> Result<Value, Value> {
        let answered = until(&format!("call {call} to be answered"), || self.answered(call));
        if answered.get("failed").is_some() { Err(answered["failed"].clone()) } else { Ok(answered["ok"].clone()) }
    }

    /// What a call came to, if it was answered.
    ///
    /// # Panics
    /// When the driver refuses.
    pub fn answered(&self, call: &str) -> Option<Value> {
        let script = json!({"script": "return window.calls[Number(arguments[0])]", "args": [call]});
        let answer = self.post("/execute/sync", &script).expect("the page's script runs");
        (!answer.is_null()).then_some(answer)
    }

    /// What the program and the driver wrote to standard error.
    pub fn said(&self) -> String {
        std::fs::read_to_string(&self.said).unwrap_or_default()
    }

    /// All windows.
    ///
    /// # Panics
    /// When the driver refuses.
    pub fn handles(&self) -> Vec<String> {
        let handles = self.get("/window/handles").expect("the driver answers as it should");
        handles
            .as_array()
            .expect("the driver answers as it should")
            .iter()
            .map(|handle| handle.as_str().expect("the driver answers as it should").to_owned())
            .collect()
    }

    /// The main window's handle and that of the other one, once there are two.
    ///
    /// # Panics
    /// When the driver refuses, or it is not there in time.
    pub fn both(&self) -> (String, String) {
        let main = self
            .get("/window")
            .expect("the driver answers as it should")
            .as_str()
            .expect("the driver answers as it should")
            .to_owned();
        let other = until("a second window", || self.handles().into_iter().find(|handle| *handle != main));
        (main, other)
    }

    /// Goes on in another window.
    ///
    /// # Panics
    /// When the driver refuses.
    pub fn switch(&self, handle: &str) {
        self.post("/window", &json!({"handle": handle})).expect("the driver answers as it should");
    }

    /// Ends the program with the signal that nobody can catch. Returns once it is gone.
    ///
    /// # Panics
    /// When it does not run, or does not end.
    pub fn kill(&self) {
        kill(self.process());
    }

    /// The program's process, which the driver started.
    fn process(&self) -> u32 {
        children(self.driver.0.id()).into_iter().next().expect("the driver started the program")
    }

    /// Asks the driver.
    ///
    /// # Errors
    /// What the driver says.
    pub fn get(&self, path: &str) -> Result<Value, String> {
        self.ask("GET", path, "", PATIENCE)
    }

    /// Looks at the page, which may be asked again.
    fn look(&self, method: &str, path: &str, body: &Value) -> Result<Value, String> {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.ask(method, path, &body, ASK_AGAIN)
    }

    /// Tells the driver.
    ///
    /// # Errors
    /// What the driver says.
    pub fn post(&self, path: &str, body: &Value) -> Result<Value, String> {
        self.ask("POST", path, &body.to_string(), PATIENCE)
    }

    /// One request of the WebDriver protocol; its value, or the driver's error.
    fn ask(&self, method: &str, path: &str, body: &str, patience: Duration) -> Result<Value, String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).map_err(|error| error.to_string())?;
        stream.set_read_timeout(Some(patience)).map_err(|error| error.to_string())?;
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
        let _ = self.ask("DELETE", "", "", PATIENCE);
    }
}

/// The running program on a screen of its own, with nobody who drives it: a driver ends with the page's process.
pub struct Alone {
    program: Ending,
    _screen: Ending,
}

impl Alone {
    /// Opens it for the vault in `home`; everything else that it keeps goes below `place`.
    ///
    /// # Panics
    /// When it does not start.
    pub fn open(place: &Path, home: &Path) -> Alone {
        let (screen, display) = screen();
        let mut command = Command::new(crate::program("usufruct-desktop"));
        surround(&mut command, place, home, &display);
        Alone { program: Ending::start(&mut command, "libwebkit2gtk-4.1-0"), _screen: screen }
    }

    /// The process that shows the page, once the page's script runs in it.
    pub fn page(&self) -> Option<u32> {
        let name = |of: &Path| std::fs::read_to_string(of.join("comm")).unwrap_or_default();
        children(self.program.0.id()).into_iter().find(|process| {
            let threads = std::fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten();
            let runs = threads.map(|thread| name(&thread.path())).any(|name| name.trim() == "JITWorker");
            runs && name(Path::new(&format!("/proc/{process}"))).starts_with("WebKitWebProces")
        })
    }
}

/// Ends a process with the signal that nobody can catch. Returns once it is gone.
///
/// # Panics
/// When it is not there, or does not end.
pub fn kill(process: u32) {
    let killed = Command::new("kill").args(["-KILL", &process.to_string()]).status();
    assert!(killed.is_ok_and(|status| status.success()), "process {process} was not there to be killed");
    until("the process to end", || (!is_running(process)).then_some(()));
}

/// What the program finds around it: a screen, folders of its own below `place`, and a language.
fn surround(command: &mut Command, place: &Path, home: &Path, display: &str) {
    let runtime = place.join("runtime");
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&runtime).expect("a folder");
    command
        .env("DISPLAY", display)
        .env("XDG_RUNTIME_DIR", &runtime)
        .env("XDG_DATA_HOME", place.join("data"))
        .env("XDG_CACHE_HOME", place.join("cache"))
        .env("USUFRUCT_HOME", home)
        .env("LC_ALL", "C.UTF-8")
        .env("NO_AT_BRIDGE", "1")
        .env("GDK_BACKEND", "x11")
        .env_remove("WAYLAND_DISPLAY")
        .env_remove("LANGUAGE")
        .env_remove("USUFRUCT_PASSPHRASE");
}

/// The processes that a process started and that run.
fn children(process: u32) -> Vec<u32> {
    let threads = std::fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten();
    let named = threads.map(|thread| std::fs::read_to_string(thread.path().join("children")).unwrap_or_default());
    let named = named.collect::<Vec<_>>().join(" ");
    named.split_whitespace().filter_map(|child| child.parse().ok()).filter(|child| is_running(*child)).collect()
}

/// Whether a process is there and has not ended.
fn is_running(process: u32) -> bool {
    let state = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    state.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with(['Z', 'X']))
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
    BufReader::new(screen.0.stdout.take().expect("the driver answers as it should"))
        .read_line(&mut line)
        .expect("the driver answers as it should");
    assert!(!line.trim().is_empty(), "Xvfb found no free display");
    (screen, format!(":{}", line.trim()))
}
