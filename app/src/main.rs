//! The command line. Data goes to standard output, messages and progress to standard error.

use std::process::ExitCode;

use app::args::Cli;
use app::command;
use clap::Parser;

fn main() -> ExitCode {
    if let Some(ended) = app::worker::enter() {
        return ended;
    }
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            if error.use_stderr() && std::env::args().any(|argument| argument == "--json") {
                print(format!("{:#}\n", app::error::Error::usage(error.to_string().trim_end()).json()));
            } else {
                let _ = error.print();
            }
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    let wanted = tracing_subscriber::EnvFilter::try_from_env("USUFRUCT_LOG");
    tracing_subscriber::fmt()
        .with_env_filter(wanted.unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("error,provenance=warn")))
        .with_writer(std::io::stderr)
        .init();
    let json = cli.global.json;
    match command::run(cli) {
        Ok(outcome) => {
            print(if json { outcome.json } else { printable(&outcome.text) });
            ExitCode::from(outcome.code)
        }
        Err(error) => {
            if json {
                print(format!("{:#}\n", error.json()));
            } else {
                eprintln!("usufruct: {}", printable(&error.to_string()));
            }
            ExitCode::from(error.code as u8)
        }
    }
}

/// A reader that went away (`usufruct … | head`) is no error.
fn print(text: String) {
    use std::io::Write;
    let _ = std::io::stdout().write_all(text.as_bytes());
}

/// Text fit for a terminal: imported files and other people's offers must not move the cursor, change colors or reverse
/// the reading direction.
fn printable(text: &str) -> String {
    let odd = |c: char| {
        (c.is_control() && c != '\n' && c != '\t') || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars().map(|c| if odd(c) { '\u{fffd}' } else { c }).collect()
}
