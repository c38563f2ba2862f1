//! The owner's side of a worker: starts it, hands it input once it says that it is shut in, and takes its answers within a
//! length and a time. A worker that is late, says too much, or says anything else is ended; it never gets a second chance.

use std::io::Write;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::cage::{Held, Layer};
use super::wire::{self, Ask, Failure, HEAD, MAX_SHORT, Open, Ready, Say, Work, plain};
use super::{Limits, WORD};
use crate::error::{Code, Error, Result};
use crate::progress::check_interrupt;

/// Variables that a worker has: where graphics drivers are, and that they keep nothing on the disk.
pub const KEPT: [&str; 4] =
    ["VK_DRIVER_FILES", "VK_ICD_FILENAMES", "MESA_SHADER_CACHE_DISABLE", "__GL_SHADER_DISK_CACHE"];
/// How long a worker may take to open its model and device.
const OPENING: Duration = Duration::from_secs(300);
/// How often a waiting process looks whether it should stop.
const LOOK: Duration = Duration::from_millis(100);

/// How a worker is started.
pub struct Start<'a> {
    /// The program; see [`super::manner`].
    pub program: &'a Path,
    /// What it is to do.
    pub work: Work,
    /// What it may use up.
    pub limits: Limits,
    /// Layers that the owner does without, in their settings.
    pub allowed: &'a [Layer],
    /// Layers that it leaves out on purpose: for trying out what happens then.
    pub without: &'a [Layer],
    /// How long one answer may take.
    pub patience: Duration,
}

/// A worker that is shut in and waits for input. Dropping it ends it.
pub struct Worker {
    process: Process,
    /// What it said when it was ready, before it had any input.
    pub ready: Ready,
    patience: Duration,
}

impl Worker {
    /// Starts a worker and waits until it is open, warm and shut in.
    ///
    /// # Errors
    /// `Refused` where a layer of its confinement does not hold and the owner did not allow that; `Failure` where it does
    /// not start; what it says it failed at.
    pub fn start(start: Start<'_>) -> Result<Worker> {
        let (process, said) = open(&start)?;
        let Say::Ready(ready) = said else { return Err(unexpected()) };
        enough(&ready.layers, start.allowed)?;
        Ok(Worker { process, ready, patience: start.patience })
    }

    /// Its process, as the system numbers it.
    pub fn process_id(&self) -> u32 {
        self.process.child.lock().unwrap_or_else(PoisonError::into_inner).id()
    }

    /// What shuts it in, in one phrase.
    pub fn confinement(&self) -> String {
        let held: Vec<&str> =
            self.ready.layers.iter().filter(|held| held.problem.is_none()).map(|held| held.layer.word()).collect();
        let denied: u32 = self.ready.layers.iter().map(|held| held.denied).sum();
        let fully = if held.len() == Layer::ALL.len() { "fully confined" } else { "confined" };
        format!("{fully} ({}; {denied} ways out tried, all shut)", held.join(", "))
    }

    /// Sends a message and takes the answer's bytes, at most `limit`.
    ///
    /// # Errors
    /// `Integrity` for an answer that is longer or none; `Failure` where the worker ended or took too long; what it says it
    /// failed at; `Interrupted`.
    pub fn ask(&mut self, ask: &Ask, limit: usize) -> Result<Vec<u8>> {
        match self.tell(ask, limit)? {
            Say::Answer(bytes) if bytes.len() <= limit => Ok(bytes.into_vec()),
            _ => Err(unexpected()),
        }
    }

    /// Sends a message and takes whatever comes back.
    ///
    /// # Errors
    /// Like [`Worker::ask`].
    pub fn tell(&mut self, ask: &Ask, limit: usize) -> Result<Say> {
        self.process.exchange(ask, limit.saturating_add(HEAD).max(MAX_SHORT), self.patience)
    }
}

/// The devices of this machine, asked of a worker that gets no input: graphics drivers are not loaded into this process.
///
/// # Errors
/// `Failure` where the graphics stack fails or hangs.
pub fn devices(program: &Path) -> Result<Vec<compute::Adapter>> {
    let start = Start {
        program,
        work: Work::Devices,
        limits: Limits::job(60),
        allowed: &Layer::ALL,
        without: &[],
        patience: OPENING,
    };
    match open(&start)?.1 {
        Say::Devices(adapters) => Ok(adapters),
        _ => Err(unexpected()),
    }
}

fn open(start: &Start<'_>) -> Result<(Process, Say)> {
    let mut process = Process::spawn(start.program)?;
    let open = Ask::Open(Open {
        work: start.work.clone(),
        limits: start.limits,
        without: start.without.iter().map(|layer| layer.word().to_owned()).collect(),
    });
    let said = process.exchange(&open, MAX_SHORT, OPENING)?;
    Ok((process, said))
}

/// That every layer holds which the owner asks for.
fn enough(layers: &[Held], allowed: &[Layer]) -> Result<()> {
    for layer in Layer::ALL {
        let problem = match layers.iter().filter(|held| held.layer == layer).collect::<Vec<_>>()[..] {
            [held] => held.problem.as_deref().map(plain),
            _ => Some("it says nothing about it".to_owned()),
        };
        let Some(problem) = problem else { continue };
        if layer == Layer::Namespaces || allowed.contains(&layer) {
            eprintln!("the worker is not confined by {layer}: {problem}");
            continue;
        }
        return Err(Error::refused(format!("the worker is not confined by {layer}: {problem}"))
            .hint(format!("It got no input. `usufruct worker allow {layer}` does without that layer from now on.")));
    }
    Ok(())
}

fn unexpected() -> Error {
    Error::integrity("the worker's answer is not one to what it was asked")
}

/// What is sent, and how long the answer may be.
type Exchange = (Vec<u8>, usize);

/// A process and the thread that talks to it: a pipe that nobody reads or writes at the other end blocks that thread only.
struct Process {
    child: Arc<Mutex<Child>>,
    send: Sender<Exchange>,
    answers: Receiver<Result<Vec<u8>>>,
}

impl Process {
    /// Starts `program` as a worker: no environment but [`KEPT`], no descriptor but two pipes.
    fn spawn(program: &Path) -> Result<Self> {
        let (send, asks) = channel::<Exchange>();
        let (answer, answers) = channel();
        let (started, starting) = channel();
        let mut command = command(program);
        // The thread that starts a process lives as long as it: the worker ends with that thread.
        std::thread::Builder::new().name("worker".to_owned()).spawn(move || {
            let mut child = match command.spawn() {
                Ok(child) => child,
                Err(error) => {
                    return drop(started.send(Err(Error::failure(format!("a worker did not start: {error}")))));
                }
            };
            let pipes = child.stdin.take().zip(child.stdout.take());
            let _ = started.send(Ok(Arc::new(Mutex::new(child))));
            let Some((mut to, mut from)) = pipes else { return };
            while let Ok((message, limit)) = asks.recv() {
                if answer.send(talk(&mut to, &mut from, &message, limit)).is_err() {
                    return;
                }
            }
        })?;
        let child = starting.recv().map_err(|_| Error::failure("a worker did not start"))??;
        Ok(Process { child, send, answers })
    }

    fn exchange(&mut self, ask: &Ask, limit: usize, patience: Duration) -> Result<Say> {
        let message = wire::pack(ask)?;
        let started = Instant::now();
        self.send.send((message, limit)).map_err(|_| self.ended())?;
        let body = loop {
            match self.answers.recv_timeout(LOOK) {
                Ok(Ok(body)) => break body,
                Ok(Err(error)) if error.code == Code::Integrity => return Err(error),
                Ok(Err(_)) | Err(RecvTimeoutError::Disconnected) => return Err(self.ended()),
                Err(RecvTimeoutError::Timeout) => check_interrupt()?,
            }
            if started.elapsed() > patience {
                return Err(Error::failure(format!(
                    "the worker gave no answer within {} s and was ended",
                    patience.as_secs()
                ))
                .hint("Nothing left this machine. The same command tries again."));
            }
        };
        match wire::unpack(&body)? {
            Say::Failed { kind, reason } => Err(failed(kind, &plain(&reason))),
            said => Ok(said),
        }
    }

    /// How it ended, as far as the system says.
    fn ended(&self) -> Error {
        let mut child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = child.kill();
        let how = child.wait().map_or_else(|error| error.to_string(), |status| status.to_string());
        Error::failure(format!("the worker ended before it was done ({how})"))
            .hint("It may have run out of memory or time. Nothing left this machine; the same command goes on.")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let mut child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = child.kill();
        let _ = child.wait();
    }
}

fn command(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.arg(WORD).env_clear().current_dir("/").stdin(Stdio::piped()).stdout(Stdio::piped());
    for name in KEPT {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command.env("MESA_SHADER_CACHE_DISABLE", "true").env("__GL_SHADER_DISK_CACHE", "0");
    // Drivers talk about what they looked for; whoever wants to hear it asks for the log.
    command.stderr(if std::env::var_os("USUFRUCT_LOG").is_some() { Stdio::inherit() } else { Stdio::null() });
    command
}

fn talk(to: &mut ChildStdin, from: &mut ChildStdout, message: &[u8], limit: usize) -> Result<Vec<u8>> {
    to.write_all(message)?;
    to.flush()?;
    wire::read(from, limit)?.ok_or_else(|| Error::failure("the worker closed its pipe"))
}

/// What a worker failed at, with what to do.
fn failed(kind: Failure, reason: &str) -> Error {
    let (code, hint) = match kind {
        Failure::Parameters | Failure::Rows => (Code::Refused, "`job decline` refunds the buyer."),
        Failure::Model => (Code::Integrity, "`usufruct model list` shows the models that can be read."),
        Failure::Device => {
            (Code::Failure, "Nothing left this machine. `--device cpu` computes without a graphics driver.")
        }
        Failure::NotFinite => {
            (Code::Integrity, "Nothing left this machine. `--device cpu` tells whether the device is faulty.")
        }
        Failure::Other => (Code::Failure, "Nothing left this machine. The same command tries again."),
    };
    Error::new(code, reason).hint(hint)
}
