//! The tool of the person beside a ring.

mod progress;
mod sim;
mod swarm;

use argh::FromArgs;
use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

/// The command line as argh reads it.
#[derive(FromArgs, Debug)]
#[argh(
    description = "The tool for the person beside a ring of skynodes.",
    error_code(1, "A promise was broken."),
    error_code(2, "The command line was wrong.")
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
    let _ = writeln!(std::io::stderr(), "skyctl: {text}");
    ExitCode::from(2)
}
