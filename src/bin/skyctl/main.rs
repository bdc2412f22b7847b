//! The tool of the person beside a ring.

mod client;
mod export;
mod import;
mod line;
mod progress;
mod sim;
mod swarm;

use argh::FromArgs;
use std::ffi::OsString;
use std::fmt;
use std::io::Write;
use std::process::ExitCode;

/// The command line as argh reads it.
#[derive(FromArgs, Debug)]
#[argh(
    description = "The tool for the person beside a ring of skynodes.",
    error_code(1, "A promise was broken, or entries could not be read or written."),
    error_code(2, "The command line was wrong."),
    error_code(3, "The node cannot be reached.")
)]
struct Arguments {
    /// print the version and exit
    #[argh(switch)]
    version: bool,
    #[argh(subcommand)]
    command: Option<Command>,
}

#[derive(FromArgs, Debug)]
#[argh(subcommand)]
enum Command {
    Sim(Box<sim::Sim>),
    Swarm(swarm::Arguments),
    Export(export::Arguments),
    Import(import::Arguments),
}

/// Why a command that has to do with a node did not come to its end.
#[derive(Debug)]
enum Failure {
    /// The command line is wrong.
    Usage(String),
    /// The node cannot be reached.
    Unreachable(client::Unreachable),
    /// Anything else.
    Other(String),
}

impl Failure {
    const fn code(&self) -> u8 {
        match self {
            Self::Usage(_) => 2,
            Self::Unreachable(_) => 3,
            Self::Other(_) => 1,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(text) | Self::Other(text) | Self::Unreachable(client::Unreachable(text)) => f.write_str(text),
        }
    }
}

impl From<client::Unreachable> for Failure {
    fn from(unreachable: client::Unreachable) -> Self {
        Self::Unreachable(unreachable)
    }
}

/// The node that the command line names, or else the environment.
fn node_of(given: Option<&str>) -> Result<String, Failure> {
    let text = match given {
        Some(text) => Some(text.to_owned()),
        None => std::env::var("SKY_NODE").ok().filter(|text| !text.is_empty()),
    };
    let text = text.ok_or_else(|| Failure::Usage(String::from("which node? Say --node host:port, or set SKY_NODE")))?;
    client::node(&text).map_err(Failure::Usage)
}

fn main() -> ExitCode {
    let texts: Result<Vec<String>, OsString> = std::env::args_os().skip(1).map(OsString::into_string).collect();
    let texts = match texts {
        Ok(texts) => texts,
        Err(wrong) => return fail(&format!("the argument {wrong:?} is not UTF-8")),
    };
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    match Arguments::from_args(&["skyctl"], &texts) {
        Ok(Arguments { version: true, .. }) => tell(&format!("skyctl {}", env!("CARGO_PKG_VERSION"))),
        Ok(Arguments { command: Some(Command::Sim(options)), .. }) => {
            sim::run(&options).unwrap_or_else(|wrong| fail(&wrong))
        }
        Ok(Arguments { command: Some(Command::Swarm(options)), .. }) => {
            swarm::run(&options).unwrap_or_else(|wrong| fail(&wrong))
        }
        Ok(Arguments { command: Some(Command::Export(options)), .. }) => ended(export::run(&options)),
        Ok(Arguments { command: Some(Command::Import(options)), .. }) => ended(import::run(&options)),
        Ok(Arguments { command: None, .. }) => fail("there is nothing to do: --help lists the commands"),
        Err(early) if early.status.is_ok() => tell(&early.output),
        Err(early) => fail(&early.output.split_whitespace().collect::<Vec<_>>().join(" ")),
    }
}

fn tell(text: &str) -> ExitCode {
    say(text);
    ExitCode::SUCCESS
}

/// Writes to the standard output.
fn say(text: &str) {
    // A reader that has gone away, as `head` does, is no failure.
    let _ = writeln!(std::io::stdout(), "{}", text.trim_end());
}

fn fail(text: &str) -> ExitCode {
    ended(Err(Failure::Usage(text.to_owned())))
}

fn ended(outcome: Result<ExitCode, Failure>) -> ExitCode {
    outcome.unwrap_or_else(|failure| {
        let _ = writeln!(std::io::stderr(), "skyctl: {failure}");
        ExitCode::from(failure.code())
    })
}
