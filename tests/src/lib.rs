//! What only shows when the parts are put together: the command line as a person uses it, two people and the network
//! between them, and the rules of this codebase.

pub mod desk;
pub mod gate;
pub mod logind;
pub mod market;
pub mod stage;
pub mod window;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

/// The folder of the whole project.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map(Path::to_owned).unwrap_or_default()
}

/// A program of this workspace, beside the test that runs.
///
/// # Panics
/// When it was not built: `cargo build --workspace` builds it.
pub fn program(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("a running test has a path");
    let path =
        test.parent().and_then(Path::parent).map(|folder| folder.join(name)).expect("a test is in target/debug/deps");
    assert!(path.exists(), "{} is missing; `cargo build --workspace` builds it", path.display());
    path
}

/// One person at the command line: a home and a network.
pub struct Person {
    /// The vault's folder.
    pub home: PathBuf,
    /// The network's folder.
    pub network_home: PathBuf,
    /// The network's name.
    pub network: String,
    /// The passphrase.
    pub passphrase: String,
    /// Folders that this person's processes are confined to; none for no confinement.
    pub confined: Vec<PathBuf>,
    /// The program that it runs.
    pub program: String,
}

impl Person {
    /// A person with an empty home below `folder`, on the embedded network there.
    pub fn new(folder: &Path, name: &str) -> Self {
        let home = folder.join(name);
        std::fs::create_dir_all(&home).expect("a home");
        Person {
            home,
            network_home: folder.join("network"),
            network: "embedded".into(),
            passphrase: format!("correct horse {name}"),
            confined: vec![],
            program: "usufruct".into(),
        }
    }

    /// The same person.
    pub fn again(&self) -> Self {
        Person {
            home: self.home.clone(),
            network_home: self.network_home.clone(),
            network: self.network.clone(),
            passphrase: self.passphrase.clone(),
            confined: self.confined.clone(),
            program: self.program.clone(),
        }
    }

    /// The command, not started.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(program(&self.program));
        command
            .args(args)
            .arg("--json")
            .env("USUFRUCT_HOME", &self.home)
            .env("USUFRUCT_NETWORK_HOME", &self.network_home)
            .env("USUFRUCT_NETWORK", &self.network)
            .env("USUFRUCT_PASSPHRASE", &self.passphrase)
            .stdin(std::process::Stdio::null());
        for folder in &self.confined {
            command.arg("--confine").arg(folder);
        }
        command
    }

    /// Runs it; the exit code and what it printed.
    pub fn try_run(&self, args: &[&str]) -> (i32, Value) {
        let output = self.command(args).output().expect("the program starts");
        (output.status.code().unwrap_or(-1), parse(args, &output))
    }

    /// Runs it and expects success.
    ///
    /// # Panics
    /// With what it said, when it failed.
    pub fn run(&self, args: &[&str]) -> Value {
        let (code, answer) = self.try_run(args);
        assert_eq!(code, 0, "usufruct {}: {answer:#}", args.join(" "));
        answer
    }

    /// Runs it and expects this exit code; the message.
    ///
    /// # Panics
    /// When it ended otherwise.
    pub fn fails(&self, code: i32, args: &[&str]) -> String {
        let (found, answer) = self.try_run(args);
        assert_eq!(found, code, "usufruct {}: {answer:#}", args.join(" "));
        answer["error"]["message"].as_str().unwrap_or_default().to_owned()
    }
}

/// What [`Person::killed`] kills.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Victim {
    /// The command.
    Command,
    /// Its worker.
    Worker,
}

impl Person {
    /// Runs a command with the hostile worker as its worker, doing `act`, by a link in `folder`. The exit code, what it
    /// printed, and the whole output.
    ///
    /// # Panics
    /// When it printed no JSON.
    pub fn with_hostile(&self, folder: &Path, act: &str, args: &[&str]) -> (Option<i32>, Value, Output) {
        let worker = folder.join(act);
        if !worker.exists() {
            std::os::unix::fs::symlink(program("hostile-worker"), &worker).expect("a link");
        }
        self.with_worker(&worker, &[("TEST_PATIENCE", "4")], args)
    }

    /// The same with this program as the worker, and with `more` in its environment.
    ///
    /// # Panics
    /// When it printed no JSON.
    pub fn with_worker(&self, worker: &Path, more: &[(&str, &str)], args: &[&str]) -> (Option<i32>, Value, Output) {
        let other = Person { program: "usufruct-with-worker".into(), ..self.again() };
        let mut command = other.command(args);
        command.env("TEST_WORKER", worker);
        let output = command.envs(more.iter().copied()).output().expect("it starts");
        (output.status.code(), parse(args, &output), output)
    }

    /// Runs a command with the hostile worker doing `act`, which waits at some point and says so by a file beside its link in
    /// `folder`; there it kills the worker, or the command first, with the signal that nobody can catch. Its exit code.
    ///
    /// # Panics
    /// Where the worker never came to that point.
    pub fn killed(&self, folder: &Path, act: &str, args: &[&str], victim: Victim) -> Option<i32> {
        let (worker, waits) = (folder.join(act), folder.join(format!("{act}.waits")));
        if !worker.exists() {
            std::os::unix::fs::symlink(program("hostile-worker"), &worker).expect("a link");
        }
        let other = Person { program: "usufruct-with-worker".into(), ..self.again() };
        let mut command = other.command(args);
        let quiet = command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
        let mut running = quiet.env("TEST_WORKER", &worker).spawn().expect("it starts");
        let started = std::time::Instant::now();
        let process = loop {
            let said = std::fs::read_to_string(&waits).unwrap_or_default();
            if let Ok(process) = said.parse::<u32>() {
                break process.to_string();
            }
            assert!(running.try_wait().expect("a process").is_none(), "{args:?} ended before {act}");
            assert!(started.elapsed().as_secs() < 600, "{args:?} never came to {act}");
            std::thread::sleep(std::time::Duration::from_millis(20));
        };
        if victim == Victim::Command {
            running.kill().expect("a signal");
            running.wait().expect("it ends");
        }
        // The hostile worker does not end with its command as the real one does.
        Command::new("kill").args(["-9", &process]).status().expect("a signal");
        std::fs::remove_file(&waits).expect("a file");
        running.wait().expect("it ends").code()
    }
}

impl Person {
    /// Runs a command that trains, and kills it or its worker with the signal that nobody can catch once a checkpoint stands beside
    /// the vault that was not there before. Its exit code.
    ///
    /// # Panics
    /// Where it ended before, or no checkpoint came.
    pub fn killed_in_training(&self, args: &[&str], victim: Victim) -> Option<i32> {
        let before = self.checkpoints();
        let mut command = self.command(args);
        let quiet = command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
        let mut running = quiet.spawn().expect("it starts");
        let started = std::time::Instant::now();
        while self.checkpoints() == before || self.checkpoints().is_empty() {
            assert!(running.try_wait().expect("a process").is_none(), "{args:?} ended without a checkpoint");
            assert!(started.elapsed().as_secs() < 600, "{args:?} never kept a checkpoint");
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        match victim {
            Victim::Command => running.kill().expect("a signal"),
            Victim::Worker => {
                let worker = child_of(running.id()).expect("a worker");
                Command::new("kill").args(["-9", &worker.to_string()]).status().expect("a signal");
            }
        }
        running.wait().expect("it ends").code()
    }

    /// The sealed checkpoints of training runs beside the vault.
    pub fn checkpoints(&self) -> Vec<Vec<u8>> {
        let files = std::fs::read_dir(self.home.join("training")).into_iter().flatten().flatten();
        let kept = files.filter(|file| file.path().extension().is_some_and(|ending| ending == "halfway"));
        kept.filter_map(|file| std::fs::read(file.path()).ok()).collect()
    }
}

/// A process that this one started.
fn child_of(parent: u32) -> Option<u32> {
    let processes = std::fs::read_dir("/proc").ok()?.flatten();
    let mut numbers = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    numbers.find(|process| {
        let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
        // The name stands in brackets and may hold anything; state and parent come behind it.
        let behind = stat.rsplit_once(')').map_or("", |(_, behind)| behind);
        behind.split_whitespace().nth(1) == Some(&parent.to_string())
    })
}

fn parse(args: &[&str], output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
        panic!(
            "usufruct {} printed no JSON ({error}): {}{}",
            args.join(" "),
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        )
    })
}

/// Text under a key that the command line promises.
///
/// # Panics
/// When it is not there.
pub fn text(answer: &Value, key: &str) -> String {
    answer[key].as_str().unwrap_or_else(|| panic!("no {key:?} in {answer:#}")).to_owned()
}
