//! The tool of the person beside a ring.

mod bench;
mod client;
mod del;
mod export;
mod get;
mod import;
mod line;
mod lookup;
mod ls;
mod node;
mod out;
mod progress;
mod put;
mod ring;
mod ring_options;
mod sim;
mod swarm;
mod up;
mod watch;

use argh::{FromArgs, SubCommands};
use out::say;
use smol::block_on;
use std::ffi::OsString;
use std::fmt;
use std::io::Write;
use std::process::ExitCode;

/// The command line as argh reads it.
#[derive(FromArgs, Debug)]
#[argh(
    description = "The client of a ring of skynodes for the command line. It talks to the ring over UDP and stores\n\
                   nothing itself; it finds the ring through any of its nodes, by default the one on\n\
                   127.0.0.1:4321.",
    example = "A ring on this machine, and what can be done with it from another terminal:\n\n\
               \x20 {command_name} up 3\n\
               \x20 {command_name} put greeting hello\n\
               \x20 {command_name} get greeting\n\
               \x20 {command_name} ls --long\n\
               \x20 {command_name} ring\n\
               \x20 {command_name} bench --clients 32",
    note = "--node host:port names nodes of the ring, several separated by commas or by repeating it; what is not\n\
            given there is taken from the environment: SKY_NODE, and SKY_RING for --ring. Each command has a --help.",
    note = "Values go to the standard output as they are, everything else that is said to the standard error.",
    error_code(0, "Done."),
    error_code(
        1,
        "There is no such key, or a condition does not hold; a promise was broken; entries, or the output, could\n\
                   not be read or written."
    ),
    error_code(2, "The command line or the value was wrong: nothing was sent."),
    error_code(3, "The ring cannot be reached, or cannot do it now."),
    error_code(
        4,
        "The outcome of a write is unknown: it may be stored, or may be yet. The message says how to repeat\n\
                   it; it is applied once."
    )
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
    Get(get::Arguments),
    Put(put::Arguments),
    Create(put::Create),
    Del(del::Arguments),
    Ls(ls::Arguments),
    Lookup(lookup::Arguments),
    Ring(ring::Arguments),
    Dot(ring::Dot),
    Node(node::Arguments),
    Watch(watch::Arguments),
    Bench(bench::Arguments),
    Up(up::Arguments),
    Export(export::Arguments),
    Import(import::Arguments),
    Sim(Box<sim::Sim>),
    Swarm(swarm::Arguments),
}

impl Command {
    fn run(&self) -> Result<ExitCode, Failure> {
        match self {
            Self::Get(options) => options.options().run(get::run(options)),
            Self::Put(options) => options.options().run(put::run(options)),
            Self::Create(options) => options.options().run(put::create(options)),
            Self::Del(options) => options.options().run(del::run(options)),
            Self::Ls(options) => options.options().run(ls::run(options)),
            Self::Lookup(options) => options.options().run(lookup::run(options)),
            Self::Ring(options) => options.options().run(ring::run(options)),
            Self::Dot(options) => options.options().run(ring::dot(options)),
            Self::Node(options) => node::run(options),
            Self::Watch(options) => watch::run(options),
            Self::Bench(options) => options.options().run(bench::run(options)),
            Self::Up(options) => block_on(up::run(options)),
            Self::Export(options) => export::run(options),
            Self::Import(options) => import::run(options),
            Self::Sim(options) => sim::run(options),
            Self::Swarm(options) => swarm::run(options),
        }
    }
}

/// Why a command that has to do with a node did not come to its end.
#[derive(Debug)]
enum Failure {
    /// The command line is wrong.
    Usage(String),
    /// The node cannot be reached.
    Unreachable(client::Unreachable),
    /// It cannot be done now.
    Refused(String),
    /// Whether a write was stored is not known.
    Unknown(String),
    /// Anything else.
    Other(String),
}

impl Failure {
    const fn code(&self) -> u8 {
        match self {
            Self::Usage(_) => 2,
            Self::Unreachable(_) | Self::Refused(_) => 3,
            Self::Unknown(_) => 4,
            Self::Other(_) => 1,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(text) | Self::Other(text) | Self::Unknown(text) | Self::Refused(text) => f.write_str(text),
            Self::Unreachable(client::Unreachable(text)) => f.write_str(text),
        }
    }
}

impl From<client::Unreachable> for Failure {
    fn from(unreachable: client::Unreachable) -> Self {
        Self::Unreachable(unreachable)
    }
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
        Ok(Arguments { command: Some(command), .. }) => ended(command.run()),
        Ok(Arguments { command: None, .. }) => fail(&format!("no command given. {}", commands())),
        Err(early) if early.status.is_ok() => tell(&early.output),
        Err(early) => fail(&wrong(&texts, &early.output)),
    }
}

/// The names of all commands, and where to read on.
fn commands() -> String {
    let names: Vec<&str> = Command::COMMANDS.iter().map(|command| command.name).collect();
    format!("Commands: {} (skyctl --help)", names.join(" "))
}

/// What is wrong with the command line, in one line that says where to read on.
fn wrong(texts: &[&str], said: &str) -> String {
    let known = texts.first().filter(|first| Command::COMMANDS.iter().any(|command| command.name == **first));
    match (known, texts.first(), said.trim().strip_prefix("Unrecognized argument: ")) {
        (None, Some(first), _) if !first.starts_with('-') => format!("no command {first:?}. {}", commands()),
        (None, _, Some(word)) => format!("{word:?} cannot stand before a command. {}", commands()),
        (Some(command), _, Some(word)) if word.starts_with('-') => {
            format!("no flag {word:?} (skyctl {command} --help)")
        }
        (Some(command), _, Some(word)) => format!("{word:?} is one argument too many (skyctl {command} --help)"),
        (known, ..) => {
            let words: Vec<&str> = said.split_whitespace().collect();
            let more = known.map_or_else(String::new, |command| format!("{command} "));
            format!("{} (skyctl {more}--help)", words.join(" ").trim_end_matches('.'))
        }
    }
}

fn tell(text: &str) -> ExitCode {
    ended(say(text).map(|()| ExitCode::SUCCESS))
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
