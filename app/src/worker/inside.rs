//! The worker's own side: it opens, gives up its rights, says so, and answers until its pipe is closed.

use std::io::{self, StdinLock, StdoutLock};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

use serde_bytes::ByteBuf;

use super::cage::{Cage, Layer};
use super::task::{self, Halfway, Stopped, Task};
use super::wire::{self, Ask, Failure, Job, MAX_ASK, Open, Ready, Say, Work};
use crate::error::{Error, Result};

/// Runs as a worker until the other side closes the pipe.
pub fn main() -> ExitCode {
    // Whatever happens to the process that started this one: nobody is left computing for nobody.
    let _ = nix::sys::prctl::set_pdeathsig(nix::sys::signal::Signal::SIGKILL);
    let mut pipes = Pipes { input: io::stdin().lock(), output: io::stdout().lock() };
    let ended = catch_unwind(AssertUnwindSafe(|| serve(&mut pipes)));
    match ended {
        Ok(Ok(())) => std::process::exit(0),
        // The other side is told by the end of the pipe; drivers are not asked to clean up.
        Ok(Err(_)) | Err(_) => std::process::exit(1),
    }
}

/// The two pipes of a worker.
pub(super) struct Pipes {
    input: StdinLock<'static>,
    output: StdoutLock<'static>,
}

impl Pipes {
    /// The next message; none when the other side is done.
    pub fn ask(&mut self) -> Result<Option<Ask>> {
        wire::read(&mut self.input, MAX_ASK)?.map(|body| wire::unpack(&body)).transpose()
    }

    pub fn say(&mut self, say: &Say) -> Result<()> {
        wire::write(&mut self.output, &wire::pack(say)?)
    }

    /// Hands over how far a task is, and waits until it is told to go on.
    fn halfway(&mut self, halfway: Halfway) -> std::result::Result<(), Stopped> {
        let Halfway { done, total, state } = halfway;
        let lost = |_| Stopped { kind: Failure::Other, reason: "the other side is gone".to_owned() };
        self.say(&Say::Halfway { done, total, state: ByteBuf::from(state) }).map_err(lost)?;
        match self.ask().map_err(lost)? {
            Some(Ask::More) => Ok(()),
            _ => Err(unexpected()),
        }
    }

    fn answer(&mut self, answer: std::result::Result<Say, Stopped>) -> Result<()> {
        match answer {
            Ok(say) => self.say(&say),
            Err(Stopped { kind, reason }) => self.say(&Say::Failed { kind, reason }),
        }
    }
}

fn serve(pipes: &mut Pipes) -> Result<()> {
    let Some(Ask::Open(open)) = pipes.ask()? else {
        return Err(Error::usage("a worker is first told what to be"));
    };
    let without = open.without.iter().map(|word| word.parse()).collect::<Result<Vec<Layer>>>()?;
    let readable = match &open.work {
        Work::Job(job) => task::files(job),
        _ => Vec::new(),
    };
    let cage = Cage::enter(&readable, &without);
    match &open.work {
        Work::Job(job) => run(pipes, cage, &open, job),
        Work::Devices => {
            let found = caught(|| Ok(Say::Devices(compute::Device::adapters()?)));
            pipes.answer(found)
        }
        Work::Import => {
            ready(pipes, cage, &open, None)?;
            super::import::serve(pipes)
        }
    }
}

fn ready(pipes: &mut Pipes, cage: Cage, open: &Open, device: Option<(wire::Place, Option<String>)>) -> Result<()> {
    let layers = cage.shut(&open.limits);
    let (device, fallback) = device.map_or((None, None), |(place, fallback)| (Some(place), fallback));
    pipes.say(&Say::Ready(Ready { layers, device, fallback }))
}

fn run(pipes: &mut Pipes, cage: Cage, open: &Open, job: &Job) -> Result<()> {
    let warm = match caught(|| task::open(job, open.limits.memory)) {
        Ok(warm) => warm,
        Err(stopped) => return pipes.answer(Err(stopped)),
    };
    let mut task = warm.task;
    ready(pipes, cage, open, Some((warm.device, warm.fallback)))?;
    while let Some(ask) = pipes.ask()? {
        let answer = caught(|| step(task.as_mut(), ask, pipes));
        pipes.answer(answer)?;
    }
    Ok(())
}

fn step(task: &mut dyn Task, ask: Ask, pipes: &mut Pipes) -> std::result::Result<Say, Stopped> {
    let bytes = match ask {
        Ask::Params(json) => task.params(&json)?,
        Ask::Batch(rows) => task.batch(rows)?,
        Ask::Kept(rows) => task.kept(rows)?,
        Ask::Resume(state) => task.resume(state.into_vec())?,
        Ask::Finish => task.finish(&mut |halfway| pipes.halfway(halfway))?,
        _ => return Err(unexpected()),
    };
    Ok(Say::Answer(ByteBuf::from(bytes)))
}

fn unexpected() -> Stopped {
    Stopped { kind: Failure::Other, reason: "not a message for a job".to_owned() }
}

/// A panic is a failure like another; its words stay here, they may hold a row's.
fn caught<T>(work: impl FnOnce() -> std::result::Result<T, Stopped>) -> std::result::Result<T, Stopped> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| {
        Err(Stopped { kind: Failure::Other, reason: "the worker stopped by a fault of its own".into() })
    })
}
