//! What a client is told.

use crate::id::{Arc, Id};
use crate::node::Hop;
use crate::store::Content;
use crate::wire::{Operation, Peer, Version};
use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

/// When a value was read, and what was left of its life then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Read {
    at: SystemTime,
    left: Option<Duration>,
}

impl Read {
    /// Just now, with so many milliseconds left; zero for a value that never ends.
    pub fn now(left_ms: u64) -> Self {
        Self { at: SystemTime::now(), left: (left_ms != 0).then(|| Duration::from_millis(left_ms)) }
    }
}

/// The newest value of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Value {
    pub(super) content: Content,
    pub(super) read: Read,
    /// Its version, for conditions.
    pub version: Version,
    /// How many nodes hold it.
    pub copies: u8,
    /// Who answered.
    pub owner: SocketAddr,
}

impl Value {
    /// The value.
    pub fn bytes(&self) -> &[u8] {
        self.content.bytes()
    }

    /// The media type that it was stored with; empty if none was given.
    pub fn kind(&self) -> &[u8] {
        self.content.kind()
    }

    /// How much of its life was left when it was read; `None` if it never ends.
    pub const fn left(&self) -> Option<Duration> {
        self.read.left
    }

    /// When it ends, as the wall clock of this machine stood when it was read; `None` if never. No owner looks at a
    /// wall clock: where this one may jump, count from [`Value::left`].
    pub fn expires(&self) -> Option<SystemTime> {
        self.read.at.checked_add(self.read.left?)
    }
}

/// A write that is stored by all nodes that hold the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stored {
    /// The version that it was given.
    pub version: Version,
    /// How many nodes stored it.
    pub copies: u8,
    /// The key did not exist before.
    pub created: bool,
    /// Who answered.
    pub owner: SocketAddr,
    /// The name of the write.
    pub operation: Operation,
}

/// The owner of a key, and the way to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The key's position on the ring.
    pub id: Id,
    /// The owner: the first node at or after that position.
    pub owner: Peer,
    /// The arc that it owns.
    pub arc: Arc,
    /// The nodes that were asked, in order; the last is the owner.
    pub path: Vec<Hop>,
}
