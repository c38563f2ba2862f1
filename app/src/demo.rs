//! The whole loop on one machine: this program starts itself as two people, a contributor and a consumer, each with a
//! fresh vault. They share the chain and the content store and nothing else; the consumer's processes cannot even
//! read the contributor's folder (see [`crate::confine`]).

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::args::DeviceChoice;
use crate::error::{Code, Error, Result};
use crate::{random, sample, tamper, view};

/// Price of the demo's run.
const PRICE: &str = "2.5";
/// How long the network may take to start: it deploys the contracts first.
const NETWORK_START: Duration = Duration::from_secs(120);

/// What the demo runs on.
pub struct Options {
    /// What to import instead of the bundled sample.
    pub data: Option<PathBuf>,
    /// Where the job runs.
    pub device: DeviceChoice,
    /// The network's name, where it is not the embedded one.
    pub network: Option<String>,
    /// Where that network's chain answers.
    pub rpc: Option<String>,
    /// Whether the folders stay.
    pub keep: bool,
}

/// One person: a home, and how to start the program for it.
struct Player {
    role: &'static str,
    home: PathBuf,
    network_home: PathBuf,
    passphrase: String,
    confined: Vec<PathBuf>,
    network: String,
}

impl Player {
    /// Runs one command and returns the JSON that it printed.
    fn run(&self, args: &[&str]) -> Result<Value> {
        crate::progress::check_interrupt()?;
        eprintln!("{:>11}$ usufruct {}", self.role, args.join(" "));
        let mut command = program()?;
        command
            .args(args)
            .arg("--json")
            .env("USUFRUCT_HOME", &self.home)
            .env("USUFRUCT_NETWORK_HOME", &self.network_home)
            .env("USUFRUCT_NETWORK", &self.network)
            .env("USUFRUCT_PASSPHRASE", &self.passphrase)
            .env("XDG_RUNTIME_DIR", std::env::var_os("XDG_RUNTIME_DIR").unwrap_or_else(|| self.home.clone().into()))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit());
        for folder in &self.confined {
            command.arg("--confine").arg(folder);
        }
        let output = command.output()?;
        let answer: Value = serde_json::from_slice(&output.stdout).map_err(|_| {
            Error::failure(format!("`usufruct {}` ended with {} and printed no JSON", args.join(" "), output.status))
        })?;
        match answer.get("error") {
            Some(error) => Err(told(self.role, args, error, output.status.code())),
            None => Ok(answer),
        }
    }
}

fn told(role: &str, args: &[&str], error: &Value, status: Option<i32>) -> Error {
    let text = |key: &str| error[key].as_str().unwrap_or_default().to_owned();
    let code = status.and_then(Code::from_exit).unwrap_or(Code::Failure);
    let error = Error::new(code, format!("{role}: `usufruct {}`: {}", args.join(" "), text("message")));
    if text("hint").is_empty() { error } else { error.hint(text("hint")) }
}

fn program() -> Result<Command> {
    Ok(Command::new(std::env::current_exe()?))
}

/// Text under `key`, which the command line's contract promises.
fn text(answer: &Value, key: &str) -> Result<String> {
    answer[key].as_str().map(str::to_owned).ok_or_else(|| Error::failure(format!("a command printed no {key:?}")))
}

fn number(answer: &Value, key: &str) -> Result<u64> {
    answer[key].as_u64().ok_or_else(|| Error::failure(format!("a command printed no {key:?}")))
}

/// The embedded network's process; ended with the demo.
struct Serving(Child);

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn serve(network_home: &Path) -> Result<Serving> {
    let child = program()?
        .args(["network", "serve", "--json"])
        .env("USUFRUCT_NETWORK_HOME", network_home)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::inherit())
        .spawn()?;
    let mut serving = Serving(child);
    let started = Instant::now();
    while !crate::network::answers(network_home) {
        if let Some(status) = serving.0.try_wait()? {
            return Err(Error::network(format!("the embedded network ended at once with {status}")));
        }
        if started.elapsed() > NETWORK_START {
            return Err(Error::network("the embedded network did not start in time"));
        }
        crate::progress::check_interrupt()?;
        std::thread::sleep(Duration::from_millis(100));
    }
    Ok(serving)
}

/// Runs the loop.
///
/// # Errors
/// The first step that fails, with its code; `Integrity` where a corruption was accepted.
pub fn run(options: &Options) -> Result<view::Demo> {
    let started = Instant::now();
    let folder = tempfile::Builder::new().prefix("usufruct-demo-").tempdir()?;
    let demo = play(options, folder.path(), started);
    if options.keep {
        eprintln!("kept in {}", folder.keep().display());
    }
    demo
}

fn play(options: &Options, root: &Path, started: Instant) -> Result<view::Demo> {
    let network_home = root.join("network");
    std::fs::create_dir_all(&network_home)?;
    let network = options.network.clone().unwrap_or_else(|| "embedded".to_owned());
    let player = |role: &'static str| -> Result<Player> {
        let home = root.join(role);
        std::fs::create_dir_all(&home)?;
        let passphrase = hex::encode(random::bytes::<16>()?);
        Ok(Player {
            role,
            home,
            network_home: network_home.clone(),
            passphrase,
            confined: vec![],
            network: network.clone(),
        })
    };
    let contributor = player("contributor")?;
    let mut consumer = player("consumer")?;
    let received = root.join("received");
    std::fs::create_dir_all(&received)?;
    consumer.confined = vec![consumer.home.clone(), network_home.clone(), received.clone()];

    let _serving = if network == "embedded" {
        Some(serve(&network_home)?)
    } else {
        let rpc = options.rpc.as_deref().unwrap_or("http://127.0.0.1:8545");
        contributor.run(&["network", "deploy", &network, "--rpc", rpc])?;
        None
    };
    let data = match &options.data {
        Some(path) => path.clone(),
        None => sample::write(&root.join("sample"))?,
    };

    // The contributor: from files to an offer.
    contributor.run(&["init"])?;
    let imported = contributor.run(&["import", &data.to_string_lossy(), "--source", "demo"])?;
    eprintln!("             {} new records", imported["records"]);
    for error in imported["errors"].as_array().into_iter().flatten() {
        eprintln!("             not imported: {}: {}", error["file"], error["reason"]);
    }
    let mut create = vec!["dataset", "create", "demo", "--source", "demo"];
    if options.data.is_none() {
        // The sample's days are public; of a person's own data nothing is released unasked.
        create.extend(["--release", "time"]);
    }
    let dataset = contributor.run(&create)?;
    let published = contributor.run(&["dataset", "publish", "demo"])?;
    let offer =
        contributor.run(&["offer", "create", "demo", "--preset", "embeddings-non-commercial", "--price", PRICE])?;
    let offer_cid = text(&offer, "offer_cid")?;

    // The consumer: finds it, buys a license, asks for a run.
    consumer.run(&["init"])?;
    consumer.run(&["wallet", "faucet"])?;
    let offers = consumer.run(&["offer", "find", "--action", "embed"])?;
    if !offers["offers"]
        .as_array()
        .is_some_and(|offers| offers.iter().any(|offer| offer["offer_cid"] == offer_cid.as_str()))
    {
        return Err(Error::failure("the consumer did not find the contributor's offer"));
    }
    let license = consumer.run(&["license", "buy", &offer_cid])?;
    let license_id = text(&license, "license_id")?;
    let job_id = text(&consumer.run(&["job", "request", &license_id, "--template", "embed"])?, "job_id")?;

    // The contributor sees what would leave, allows it, runs it.
    contributor.run(&["job", "inbox"])?;
    contributor.run(&["job", "approve", &job_id])?;
    let ran = contributor.run(&["job", "run", &job_id, "--device", options.device.word()])?;
    consumer.run(&["job", "accept", &job_id])?;
    let settled = contributor.run(&["job", "settle", &job_id])?;

    // The consumer opens the output; the contributor is paid.
    let out = received.join("output");
    consumer.run(&["job", "fetch", &job_id, "--out", &out.to_string_lossy()])?;
    let bundle = received.join("job.bundle");
    consumer.run(&["bundle", "export", &job_id, "--out", &bundle.to_string_lossy()])?;
    let verified = consumer.run(&["verify", &bundle.to_string_lossy()])?;
    let claimed = contributor.run(&["reward", "claim"])?;
    contributor.run(&["trail", "demo"])?;

    eprintln!("  tampering: every check must refuse what it just accepted");
    let tampering = tamper::all(&bundle, &out, &mut |name| {
        let _ = writeln!(std::io::stderr(), "             refused: {name}");
    })?;
    Ok(view::Demo {
        records: number(&dataset, "records")?,
        root: text(&dataset, "root")?,
        dataset_id: text(&published, "dataset_id")?,
        offer_cid,
        license_id,
        job_id,
        device: text(&ran, "device")?,
        model: text(&ran, "model")?,
        output_rows: tampering.rows,
        embedding_dim: tampering.dimension,
        positions: ran["positions"].as_array().into_iter().flatten().filter_map(Value::as_u64).collect(),
        proof: view::ProofCost {
            constraints: tampering.constraints,
            prove_ms: number(&ran, "proof_ms")?,
            verify_ms: tampering.verify_ms,
            bytes: 256,
        },
        settle_gas: number(&settled, "gas")?,
        reward: text(&claimed, "claimed")?,
        bundle_valid: verified["valid"].as_bool().unwrap_or(false),
        tamper_rejected: tampering.rejected,
        seconds: (started.elapsed().as_millis() as f64 / 100.0).round() / 10.0,
    })
}
