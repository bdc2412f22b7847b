//! Server-sent events: what happens, as text that goes over the line.
//!
//! Each event has one line of JSON, in which `event` and `text` are always there: what happened, as a word and in
//! words. What happens in the life of the node has the name `life` for browsers, which want all names told beforehand.

use super::json::PeerJson;
use super::parse::escape;
use crate::count::Count;
use crate::node::{Life, Reply};
use crate::wire::Version;
use serde::Serialize;
use std::fmt::Display;

/// A line that says nothing, so that whoever is gone is noticed.
pub const ALIVE: &str = ": alive\n\n";

fn event(name: &str, data: &impl Serialize) -> String {
    // What is serialised here are strings and numbers in structures: nothing that JSON cannot write.
    let data = serde_json::to_string(data).unwrap_or_default();
    format!("event: {name}\ndata: {data}\n\n")
}

/// Something in the life of the node.
pub fn life(life: &Life, unix_ms: u64) -> String {
    #[derive(Serialize)]
    struct LifeJson {
        event: &'static str,
        text: String,
        warning: bool,
        unix_ms: u64,
        peer: Option<PeerJson>,
    }
    let peer = life.peer().map(PeerJson::from);
    let (text, warning) = (life.to_string(), life.is_warning());
    event("life", &LifeJson { event: life.name(), text, warning, unix_ms, peer })
}

/// How the node is when somebody begins to watch.
pub fn state(text: impl Display, unix_ms: u64) -> String {
    #[derive(Serialize)]
    struct StateJson {
        event: &'static str,
        text: String,
        unix_ms: u64,
    }
    event("state", &StateJson { event: "state", text: text.to_string(), unix_ms })
}

/// What is known of one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// It has a value of this version and length in bytes.
    Present(Version, usize),
    /// There is no such key.
    Absent,
    /// Nobody who may tell answers.
    Unavailable,
}

impl From<&Reply> for Known {
    fn from(reply: &Reply) -> Self {
        match reply {
            Reply::Seen { version, length, .. } => Self::Present(*version, *length),
            Reply::NotFound => Self::Absent,
            _ => Self::Unavailable,
        }
    }
}

/// A key is found to be otherwise than before.
pub fn key(key: &[u8], known: Known, unix_ms: u64) -> String {
    #[derive(Serialize)]
    struct KeyJson {
        event: &'static str,
        text: String,
        unix_ms: u64,
        key: Option<String>,
        path: String,
        version: Option<String>,
        bytes: Option<usize>,
    }
    let path = format!("/storage/{}", escape(key));
    let (name, text, version, bytes) = match known {
        Known::Present(version, bytes) => (
            "value",
            format!("{path} has {}, version {version}", Count(bytes, "byte", "bytes")),
            Some(version.to_string()),
            Some(bytes),
        ),
        Known::Absent => ("absent", format!("{path} does not exist"), None, None),
        Known::Unavailable => ("unavailable", format!("nobody who answers for {path} can be reached now"), None, None),
    };
    let key = str::from_utf8(key).ok().map(str::to_owned);
    event(name, &KeyJson { event: name, text, unix_ms, key, path, version, bytes })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_a_name_and_one_line_of_json() {
        let text = life(&Life::Alone, 7);
        let data = r#"{"event":"alone","text":"is the only node left","warning":true,"unix_ms":7,"peer":null}"#;
        assert_eq!(text, format!("event: life\ndata: {data}\n\n"));
    }

    #[test]
    fn a_key_of_any_bytes_stays_on_its_line() {
        let text = key(b"a\n\nevent: x\xff", Known::Absent, 7);
        assert_eq!(text.matches('\n').count(), 3, "{text}");
        assert!(text.contains(r#""key":null,"path":"/storage/a%0A%0Aevent%3A%20x%FF""#), "{text}");
    }
}
