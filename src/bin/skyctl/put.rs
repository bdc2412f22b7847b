//! `skyctl put` and `skyctl create`: a value goes to its place.

use super::line::is_printable;
use super::ring_options::asks_key;
use super::{Failure, say};
use serde_json::json;
use skynode::client::{OperationId, Put, Stored, Version};
use skynode::limits::{Beyond, Limited, TTL_MAX_S, VALUE_MAX};
use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

/// Makes a command that writes of the fields given, with those beside them that all such commands have.
macro_rules! writes {
    ($(#[$meta:meta])* struct $name:ident { $($fields:tt)* }) => {
        asks_key! {
            $(#[$meta])*
            struct $name {
                /// the value, at most 1 MiB
                #[argh(positional)]
                value: Option<String>,
                /// the file that holds the value; - for the standard input
                #[argh(option, short = 'f', arg_name = "file")]
                file: Option<PathBuf>,
                /// store the value also if the file or the standard input is empty; a terminal is not read then
                #[argh(switch)]
                empty: bool,
                /// the media type, as text/plain
                #[argh(option, short = 't', arg_name = "type")]
                r#type: Option<String>,
                /// the value ends after so many seconds
                #[argh(option, arg_name = "seconds", from_str_fn(seconds_of_life))]
                ttl: Option<Duration>,
                $($fields)*
                /// only if so many nodes would hold it, 1 to 3
                #[argh(option, arg_name = "n", from_str_fn(copies))]
                min_copies: Option<u8>,
                /// repeat a write whose outcome was unknown, by the name that the message gave; or name a new one with
                /// 32 hexadecimal digits, which are remembered for ten minutes
                #[argh(option, arg_name = "name")]
                operation: Option<String>,
            }
        }

        impl $name {
            /// Writes, under a condition.
            async fn write(&self, condition: impl FnOnce(Put) -> Put) -> Result<ExitCode, Failure> {
                let key = self.key()?;
                let named = self.operation.as_deref().map(named).transpose()?;
                if self.r#type.as_deref().is_some_and(|kind| !is_printable(kind)) {
                    return Err(Failure::Usage("a type is printable ASCII: nothing was changed".into()));
                }
                let value = value(self.value.as_deref(), self.file.as_deref(), self.empty)?;
                let client = self.options().connect().await?;
                let mut put = condition(client.put(&key, value)).min_copies(self.min_copies.unwrap_or(0));
                put = match named {
                    None => put,
                    Some(Named::First(name)) => put.named(name),
                    Some(Named::Again(operation)) => put.again(operation),
                };
                if let Some(kind) = &self.r#type {
                    put = put.kind(kind);
                }
                if let Some(ttl) = self.ttl {
                    put = put.ttl(ttl);
                }
                tell(&put.await?, self.json)?;
                Ok(ExitCode::SUCCESS)
            }
        }
    };
}

writes! {
    /// Write a value, under a key that may exist or not: it is stored on three nodes when this ends with 0. The value
    /// is the second argument, or a file, or the standard input. Written to the standard output: its version.
    #[argh(
        subcommand,
        name = "put",
        example = "skyctl put greeting hello",
        example = "skyctl put photo.jpg --file photo.jpg --type image/jpeg",
        example = "date | skyctl put now --ttl 60",
        example = "skyctl put counter 8 --if-match $(skyctl put counter 7)",
        note = "A value that is an argument ends where the argument does; from the standard input all bytes count,\n\
                the last line's end included.",
        note = "A file or a standard input that is empty is an error, as it is mostly what a command that failed has\n\
                left: an empty value is the argument '', or is allowed by --empty."
    )]
    struct Arguments {
        /// only if the key exists in this version, or in any: *
        #[argh(option, arg_name = "version", from_str_fn(expected))]
        if_match: Option<Expected>,
    }
}

writes! {
    /// Write a value under a key that must not exist: as put does, but 1 is the exit code if the key is there.
    #[argh(subcommand, name = "create", example = "skyctl create lock/nightly $HOSTNAME --ttl 3600 && ./nightly")]
    struct Create {}
}

/// In which version a key is to exist.
#[derive(Clone, Copy, Debug)]
pub enum Expected {
    Any,
    Version(Version),
}

pub fn expected(text: &str) -> Result<Expected, String> {
    match text.trim_matches('"') {
        "*" => Ok(Expected::Any),
        text => text.parse().map(Expected::Version).map_err(|_| {
            format!("{text:?} is no version: write one as skyctl put or get --json shows it, or * for any")
        }),
    }
}

pub fn copies(text: &str) -> Result<u8, String> {
    text.parse().ok().filter(|n| (1..=3).contains(n)).ok_or_else(|| format!("{text:?} is no number from 1 to 3"))
}

fn seconds_of_life(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is no time to live: write seconds, from 1 on");
    let seconds = text.parse::<u64>().ok().filter(|seconds| *seconds > 0).ok_or_else(wrong)?;
    let within = Beyond::check(Limited::Life, seconds, TTL_MAX_S.into());
    within.map(|()| Duration::from_secs(seconds)).map_err(|beyond| format!("{beyond}: nothing was changed"))
}

/// Whether a name of a write is a new one, or that of one to repeat.
pub enum Named {
    First(OperationId),
    Again(skynode::client::Operation),
}

pub fn named(text: &str) -> Result<Named, Failure> {
    let first = text.parse().map(Named::First);
    first.or_else(|_| text.parse().map(Named::Again)).map_err(|_| {
        Failure::Usage(format!("{text:?} names no write: give what the message said, or 32 hexadecimal digits"))
    })
}

pub async fn run(options: &Arguments) -> Result<ExitCode, Failure> {
    let condition = |put: Put| match options.if_match {
        None => put,
        Some(Expected::Any) => put.if_present(),
        Some(Expected::Version(version)) => put.if_match(version),
    };
    options.write(condition).await
}

pub async fn create(options: &Create) -> Result<ExitCode, Failure> {
    options.write(Put::if_absent).await
}

/// What became of a write.
fn tell(stored: &Stored, as_json: bool) -> Result<(), Failure> {
    let Stored { version, copies, created, owner, operation } = stored;
    let text = if as_json {
        let (version, operation) = (version.to_string(), operation.to_string());
        json!({ "version": version, "copies": copies, "created": created, "owner": owner, "operation": operation })
            .to_string()
    } else {
        version.to_string()
    };
    say(&text).map_err(|failure| Failure::Other(format!("stored as version {version}, but {failure}")))
}

/// The value, which is empty only if that is meant.
fn value(argument: Option<&str>, file: Option<&Path>, may_be_empty: bool) -> Result<Vec<u8>, Failure> {
    let (bytes, name) = match (argument, file) {
        (Some(_), Some(_)) => return Err(Failure::Usage("give the value or --file, but not both".into())),
        (Some(text), None) => return Ok(text.as_bytes().to_vec()),
        (None, Some(path)) if path != Path::new("-") => {
            let told = |error: io::Error| Failure::Usage(format!("{}: {error}", path.display()));
            let file = File::open(path).map_err(told)?;
            // What is no file tells no length.
            within(file.metadata().map_err(told)?.len())?;
            (read(file).map_err(told)?, path.display().to_string())
        }
        (None, None) if may_be_empty && io::stdin().is_terminal() => return Ok(Vec::new()),
        (None, _) => {
            let told = |error| Failure::Usage(format!("the standard input cannot be read: {error}"));
            (read(io::stdin().lock()).map_err(told)?, String::from("the standard input"))
        }
    };
    if bytes.len() > VALUE_MAX {
        let beyond = Beyond { what: Limited::Value, given: None, limit: Some(VALUE_MAX as u64) };
        return Err(Failure::Usage(format!("{beyond}: nothing was changed")));
    }
    if bytes.is_empty() && !may_be_empty {
        let told = format!("{name} is empty, and nothing was changed: if an empty value is meant, add --empty");
        return Err(Failure::Usage(told));
    }
    Ok(bytes)
}

fn within(length: u64) -> Result<(), Failure> {
    let within = Beyond::check(Limited::Value, length, VALUE_MAX as u64);
    within.map_err(|beyond| Failure::Usage(format!("{beyond}: nothing was changed")))
}

/// All of it, but no more than one byte beyond what a value may have.
fn read(from: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(VALUE_MAX as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}
