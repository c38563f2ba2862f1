//! The command line with a worker that a test chose: `TEST_WORKER` is its program, `TEST_PATIENCE` the seconds that it has for
//! an answer, `TEST_MEMORY` the bytes of memory, `TEST_WITHOUT` the layers of confinement that it leaves out. For tests only: `usufruct` itself reads none of them.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use app::args::Cli;
use app::worker::{self, Manner};
use clap::Parser;

fn main() -> ExitCode {
    let variable = |name: &str| std::env::var(name).unwrap_or_default();
    let mut manner = Manner::of(Path::new(&variable("TEST_WORKER")));
    if let Ok(seconds) = variable("TEST_PATIENCE").parse() {
        manner.patience = Duration::from_secs(seconds);
    }
    manner.memory = variable("TEST_MEMORY").parse().ok();
    manner.without = variable("TEST_WITHOUT").split_whitespace().map(|word| word.parse().expect("a layer")).collect();
    worker::set_manner(manner);
    match app::command::run(Cli::parse()) {
        Ok(outcome) => {
            print!("{}", outcome.json);
            ExitCode::from(outcome.code)
        }
        Err(error) => {
            println!("{:#}", error.json());
            ExitCode::from(error.code as u8)
        }
    }
}
