//! What all commands that speak to a ring have in common: which nodes, which ring, how long, in what form.

use super::{Failure, client};
use serde_json::Value;
use skynode::client::{Client, Error, Options, node as node_text, why_not_serving};
use skynode::http::parse::{escape, unescape};
use skynode::limits::RING_NAME_MAX;
use std::process::ExitCode;
use std::time::Duration;

/// The node that is asked if neither the command line nor the environment names any: where one listens that was started
/// without flags.
const DEFAULT_NODE: &str = "127.0.0.1:4321";

/// Makes a command of the fields given, with what all that ask nodes have beside them.
macro_rules! asks {
    ($(#[$meta:meta])* struct $name:ident { $($fields:tt)* }) => {
        #[derive(argh::FromArgs, Debug)]
        $(#[$meta])*
        #[argh(
            error_code(0, "Done."),
            error_code(1, "There is no such key, or a condition does not hold: nothing was changed."),
            error_code(2, "The command line or the value was wrong: nothing was sent."),
            error_code(3, "The ring cannot be reached, or cannot do it now: nothing was changed."),
            error_code(4, "The outcome of a write is unknown; the message says how to repeat it safely.")
        )]
        pub struct $name {
            $($fields)*
            /// nodes of the ring, separated by commas; may be repeated; one that answers is enough (default: $SKY_NODE,
            /// or else 127.0.0.1:4321)
            #[argh(option, arg_name = "host:port", from_str_fn(super::ring_options::nodes))]
            node: Vec<String>,
            /// write JSON
            #[argh(switch)]
            json: bool,
        }
    };
}
pub(crate) use asks;

/// A command that asks one node, over HTTP.
macro_rules! asks_node {
    ($(#[$meta:meta])* struct $name:ident { $($fields:tt)* }) => {
        super::ring_options::asks! { $(#[$meta])* struct $name { $($fields)* } }

        impl $name {
            /// The node that the options name.
            fn node(&self) -> Result<String, super::Failure> {
                super::ring_options::node(&self.node)
            }
        }
    };
}
pub(crate) use asks_node;

/// A command that asks a ring, as a guest.
macro_rules! asks_ring {
    ($(#[$meta:meta])* struct $name:ident { $($fields:tt)* }) => {
        super::ring_options::asks! {
            $(#[$meta])*
            struct $name {
                $($fields)*
                /// the name of the ring, as its nodes have it (default: $SKY_RING, or else sky)
                #[argh(option, arg_name = "name")]
                ring: Option<String>,
                /// how long it may take, in seconds (default 5)
                #[argh(option, arg_name = "seconds", from_str_fn(super::ring_options::seconds))]
                timeout: Option<std::time::Duration>,
            }
        }

        impl $name {
            /// The ring that the options name.
            pub fn options(&self) -> super::ring_options::RingOptions {
                super::ring_options::RingOptions::new(&self.node, self.ring.as_deref(), self.timeout)
            }
        }
    };
}
pub(crate) use asks_ring;

/// The same of a command about one key.
macro_rules! asks_key {
    ($(#[$meta:meta])* struct $name:ident { $($fields:tt)* }) => {
        super::ring_options::asks_ring! {
            $(#[$meta])*
            struct $name {
                /// the key, 1 to 255 bytes
                #[argh(positional)]
                key: String,
                $($fields)*
                /// the key is escaped as in a URL, with %20 for a space: for keys that are no text
                #[argh(switch, short = 'e')]
                escaped: bool,
            }
        }

        impl $name {
            /// The key that is named.
            fn key(&self) -> Result<Vec<u8>, super::Failure> {
                super::ring_options::key(&self.key, self.escaped)
            }
        }
    };
}
pub(crate) use asks_key;

/// Checks nodes that are separated by commas.
pub fn nodes(text: &str) -> Result<String, String> {
    text.split(',').try_for_each(|node| node_text(node).map(drop)).map(|()| text.to_owned())
}

/// A time from 0.1 s to a day.
pub fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse::<f64>().ok().filter(|s| (0.1..=86_400.0).contains(s));
    seconds.map(Duration::from_secs_f64).ok_or_else(|| format!("{text:?} is no time: write seconds, 0.1 to 86400"))
}

/// What a variable of the environment says, if anything.
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|text| !text.is_empty())
}

/// The nodes that options or the environment name.
fn named(given: &[String]) -> Option<String> {
    Some(given.join(",")).filter(|text| !text.is_empty()).or_else(|| variable("SKY_NODE"))
}

/// The first of them, or the default, for what only a node itself can tell.
pub fn node(given: &[String]) -> Result<String, Failure> {
    first(&named(given).unwrap_or_else(|| DEFAULT_NODE.to_owned()))
}

/// The first of them: what writes or reads a whole ring is not to take one that nobody named.
pub fn named_node(given: &[String]) -> Result<String, Failure> {
    let wanted = || Failure::Usage(String::from("which node? Say --node host:port, or set SKY_NODE"));
    first(&named(given).ok_or_else(wanted)?)
}

fn first(nodes: &str) -> Result<String, Failure> {
    node_text(nodes.split(',').next().unwrap_or_default()).map_err(Failure::Usage)
}

/// A ring, as options and environment name it.
#[derive(Debug)]
pub struct RingOptions {
    nodes: String,
    /// Nobody named them.
    by_default: bool,
    ring: Option<String>,
    timeout: Option<Duration>,
}

impl RingOptions {
    pub fn new(nodes: &[String], ring: Option<&str>, timeout: Option<Duration>) -> Self {
        let named = named(nodes);
        let (by_default, nodes) = (named.is_none(), named.unwrap_or_else(|| DEFAULT_NODE.to_owned()));
        Self { nodes, by_default, ring: ring.map(str::to_owned).or_else(|| variable("SKY_RING")), timeout }
    }

    /// The nodes that are named.
    pub fn nodes(&self) -> Vec<&str> {
        self.nodes.split(',').collect()
    }

    /// Finds the ring.
    pub async fn connect(&self) -> Result<Client, Failure> {
        let mut options = Options::default();
        if let Some(name) = &self.ring {
            if !(1..=RING_NAME_MAX).contains(&name.len()) {
                let told = format!("{name:?} is no name of a ring: it has 1 to {RING_NAME_MAX} bytes");
                return Err(Failure::Usage(told));
            }
            options = options.ring(name);
        }
        if let Some(timeout) = self.timeout {
            options = options.deadline(timeout);
        }
        Client::connect(&self.nodes(), options).await.map_err(|error| match error {
            Error::Unreachable(why) if self.by_default => Failure::Unreachable(client::Unreachable(format!(
                "{why}. {DEFAULT_NODE} is the default: name a node with --node host:port or SKY_NODE"
            ))),
            error => error.into(),
        })
    }

    /// Runs a command. If the ring refuses it, the nodes that are named are asked whether they know why.
    pub fn run(&self, command: impl Future<Output = Result<ExitCode, Failure>>) -> Result<ExitCode, Failure> {
        smol::block_on(async {
            match command.await {
                Err(Failure::Refused(text)) => Err(Failure::Refused(match why_not_serving(&self.nodes()).await {
                    Some(why) => format!("{text}; {why}"),
                    None => text,
                })),
                outcome => outcome,
            }
        })
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::Seed(_) | Error::Key { .. } | Error::TooLarge(_) | Error::Invented | Error::Reused => {
                Self::Usage(error.to_string())
            }
            Error::Unreachable(text) => Self::Unreachable(client::Unreachable(text)),
            Error::Socket(_) => Self::Unreachable(client::Unreachable(error.to_string())),
            Error::Unavailable(_) => Self::Refused(error.to_string()),
            Error::Unknown { operation } => Self::Unknown(format!(
                "the write may have been stored or not; repeat it safely: the same command, --operation {operation}"
            )),
            Error::Stopped | Error::Forgotten => Self::Unknown(error.to_string()),
            other => Self::Other(other.to_string()),
        }
    }
}

/// The key of a command line, which may be escaped as in a URL.
pub fn key(text: &str, escaped: bool) -> Result<Vec<u8>, Failure> {
    if !escaped {
        return Ok(text.as_bytes().to_vec());
    }
    unescape(text, false)
        .ok_or_else(|| Failure::Usage(format!("{text:?} has a percent sign without two hexadecimal digits after it")))
}

/// A key as people read it: as it is, if it is text of one line.
pub fn shown(key: &[u8], escaped: bool) -> String {
    match str::from_utf8(key) {
        Ok(text) if !escaped && !text.chars().any(char::is_control) => text.to_owned(),
        _ => escape(key),
    }
}

/// Text as it is, anything else in base64 under another name.
pub fn put_bytes(json: &mut Value, name: &str, bytes: &[u8]) {
    match str::from_utf8(bytes) {
        Ok(text) => json[name] = text.into(),
        Err(_) => json[format!("{name}_base64")] = super::line::base64::encode(bytes).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_show_as_they_are_if_that_is_one_line_of_text() {
        assert_eq!(shown("grüße/a b%".as_bytes(), false), "grüße/a b%");
        assert_eq!(shown(b"a\nb", false), "a%0Ab");
        assert_eq!(shown(b"\xff", false), "%FF");
        assert_eq!(shown(b"a b", true), "a%20b");
        assert_eq!(key("a%20b%ff", true).unwrap(), b"a b\xff");
        assert_eq!(key("a%20b", false).unwrap(), b"a%20b");
        assert!(key("100%", true).is_err());
    }

    #[test]
    fn an_unknown_outcome_says_how_the_write_is_repeated() {
        let (id, fresh) = (skynode::client::OperationId([7; 16]), Default::default());
        let operation = skynode::client::Operation { id, fresh };
        let failure = Failure::from(Error::Unknown { operation });
        assert!(failure.to_string().ends_with(&format!("--operation {operation}")), "{failure}");
        let long = skynode::limits::Beyond::check(skynode::limits::Limited::Value, 2, 1).unwrap_err();
        let forgotten = Failure::from(Error::Forgotten);
        assert!(forgotten.code() == 4 && !forgotten.to_string().contains("repeat"), "{forgotten}");
        let others = [Error::Conflict { version: None }, long.into(), Error::Reused, Error::Stopped].map(Failure::from);
        assert_eq!((failure.code(), others.map(|failure| failure.code())), (4, [1, 2, 2, 4]));
        assert_eq!(Failure::from(Error::Unavailable(skynode::client::Unavailable::Busy)).code(), 3);
    }

    #[test]
    fn nodes_and_times_are_checked() {
        assert!(nodes("a:1,b:2").is_ok() && nodes("a:1,").is_err() && nodes("a").is_err());
        assert!(seconds("0.5").is_ok() && seconds("0").is_err() && seconds("x").is_err() && seconds("nan").is_err());
        let options = RingOptions::new(&["a:1,b:2".into(), "c:3".into()], Some("r"), None);
        assert_eq!(options.nodes(), ["a:1", "b:2", "c:3"]);
        assert_eq!(node(&["a:1,b:2".into()]).unwrap(), "a:1");
    }
}
