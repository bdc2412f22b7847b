//! What may become of an operation that is not done.

use crate::count::Count;
use crate::limits::{Beyond, KEY_MAX, Limited};
use crate::node::{Reply, Unavailable};
use crate::wire::{Operation, Version};
use std::fmt;
use std::io;

/// Why an operation was not done, or may not have been. Of all but [`Error::Unknown`], [`Error::Forgotten`] and
/// [`Error::Stopped`] it is certain that it changed nothing; of a repetition, that this one did not.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// A text is no `host:port`, or there is none. What is wrong with it.
    Seed(String),
    /// No node of the ring answers. Whom was asked, and what may be the reason.
    Unreachable(String),
    /// The system has no socket or no random numbers.
    Socket(io::Error),
    /// A key has 1 to 255 bytes.
    Key {
        /// This one has so many.
        length: usize,
    },
    /// The value has more than 1 MiB, or more than its owner takes, or its media type has more than 96 bytes, or it is
    /// to live longer than ten years: which of these, and by how much.
    TooLarge(Beyond),
    /// The operation that is repeated is none that a node can have named, or is the name of another write.
    Invented,
    /// The name is that of another write of the key, with another value, media type, time to live or condition: this
    /// one was not done.
    Reused,
    /// The operation that is repeated is older than what is remembered of the key's writes: it may have been done or
    /// not, nobody can tell any more, and it is not done now. Read the key.
    Forgotten,
    /// The condition does not hold: the key exists in this version, or not at all.
    Conflict {
        /// The version.
        version: Option<Version>,
    },
    /// It cannot be done now; later it may.
    Unavailable(Unavailable),
    /// The write may have been stored or not, or may be even after this. Repeat it, with the same value, under the
    /// same name: it is applied once at most.
    Unknown {
        /// The name: hand it to [`Put::again`](super::Put::again) or [`Delete::again`](super::Delete::again).
        operation: Operation,
    },
    /// The task that drives the client was ended, as its executor was: whether a write was stored is not known.
    Stopped,
}

impl Error {
    /// What a reply says that is no success.
    pub(super) fn of(reply: Reply) -> Self {
        match reply {
            Reply::Conflict { version } => Self::Conflict { version },
            Reply::NotFound => Self::Conflict { version: None },
            // Of what the client could check itself nothing was sent.
            Reply::TooLarge => Self::TooLarge(Beyond { what: Limited::Value, given: None, limit: None }),
            Reply::Invented => Self::Invented,
            Reply::Reused => Self::Reused,
            Reply::Forgotten => Self::Forgotten,
            Reply::Unknown { operation } => Self::Unknown { operation },
            Reply::Unavailable(Unavailable::NotMember) => Self::Unreachable(
                "none of the nodes that are known answers: is the network there, and the ring?".into(),
            ),
            Reply::Unavailable(why) => Self::Unavailable(why),
            // Answers to other commands: no node gives them.
            Reply::Value { .. }
            | Reply::Seen { .. }
            | Reply::Stored { .. }
            | Reply::Owner { .. }
            | Reply::Ring { .. } => Self::Stopped,
            Reply::Fingers(_) | Reply::Listed { .. } | Reply::Done | Reply::NotSilent | Reply::SilentFor(_) => {
                Self::Stopped
            }
        }
    }
}

impl From<Beyond> for Error {
    fn from(beyond: Beyond) -> Self {
        Self::TooLarge(beyond)
    }
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Self::Socket(error)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Seed(text) | Self::Unreachable(text) => f.write_str(text),
            Self::Socket(error) => write!(f, "the system has no socket for a client: {error}"),
            Self::Key { length } => write!(f, "a key has 1 to {KEY_MAX} bytes, this one has {length}"),
            Self::TooLarge(beyond) => write!(f, "{beyond}: nothing was changed"),
            Self::Invented => {
                f.write_str("no node names a write so: give each write a name of its own, or repeat that of the answer")
            }
            Self::Reused => f.write_str(
                "this write was not done: its name is that of another write of the key, give each write its own",
            ),
            Self::Forgotten => f.write_str(
                "the write may have been stored or not, and is not done now: its name is older than what is \
                 remembered of the key, so read the key",
            ),
            Self::Conflict { version: Some(version) } => {
                write!(f, "nothing was changed: the key exists in version {version}")
            }
            Self::Conflict { version: None } => f.write_str("nothing was changed: there is no such key"),
            Self::Unavailable(why) => write!(f, "nothing was changed: {}", reason(*why)),
            Self::Unknown { operation } => {
                write!(
                    f,
                    "the write may have been stored or not: repeat it as operation {operation}, it is applied once"
                )
            }
            Self::Stopped => f.write_str("the client has stopped; whether a write was stored is not known"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Socket(error) => Some(error),
            _ => None,
        }
    }
}

fn reason(why: Unavailable) -> String {
    match why {
        Unavailable::NotMember => "no node answers".into(),
        Unavailable::Busy => "too many operations are under way: try again when some have ended".into(),
        Unavailable::NoOwner => {
            "no node serves the key at this moment, as for some seconds after a crash: try again".into()
        }
        Unavailable::Full { room } => format!("a node that is to hold the key {room}"),
        Unavailable::Names => {
            "as many names of writes are remembered as may be, each for eleven minutes: try again later, or let the \
             client draw the name"
                .into()
        }
        Unavailable::Leaving => "the client is being ended".into(),
        Unavailable::Silent => {
            "the owner is isolated, as it may be cut off from a larger ring: its GET /readyz says what can be done"
                .into()
        }
        Unavailable::TooFew { copies } => {
            format!("only {} would hold it, fewer than asked for", Count(copies.into(), "node", "nodes"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_say_whether_anything_was_changed() {
        for (error, part) in [
            (Error::of(Reply::NotFound), "no such key"),
            (Error::of(Reply::TooLarge), "the value has more bytes than the node responsible"),
            (
                Beyond { what: Limited::Kind, given: Some(97), limit: Some(96) }.into(),
                "97 bytes, the limit is 96: noth",
            ),
            (Error::of(Reply::Unavailable(Unavailable::TooFew { copies: 1 })), "only 1 node would"),
            (Error::of(Reply::Unavailable(Unavailable::NoOwner)), "nothing was changed"),
            (Error::of(Reply::Unavailable(Unavailable::NotMember)), "none of the nodes"),
            (Error::of(Reply::Done), "not known"),
            (Error::Key { length: 256 }, "this one has 256"),
        ] {
            assert!(error.to_string().contains(part), "{error}");
        }
    }
}
