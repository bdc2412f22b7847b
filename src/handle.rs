//! How the tasks of a process reach its node: requests over a bounded channel, each with a way back for its answer.
//!
//! One task owns the node and serves the other end; a [`Handle`] is cheap to clone. Who asks while the channel is full
//! waits, so a crowd of clients slows down instead of piling up.

mod trouble;

pub use trouble::{Found, Seed, Trouble};

use crate::node::{Attempt, Command, Held, Life, Reply, Status, Unavailable};
use core::fmt;
use core::time::Duration;
use smol::channel::{self, Receiver, Sender};
use std::sync::Arc;

/// Requests that wait for the node's task at one time; who comes next waits before sending.
pub const REQUESTS_MAX: usize = 256;

/// Happenings that wait for one who watches; whoever falls further behind is told nothing any more.
pub const HAPPENINGS_MAX: usize = 64;

/// What a task asks of the task that owns the node.
#[derive(Debug)]
pub enum Request {
    /// Do this; the reply goes back, except for a command that has none.
    Command(Command, Option<Sender<Reply>>),
    /// Show the node's state.
    Status(Sender<Snapshot>),
    /// List entries held here.
    Held {
        /// The key to go on after.
        after: Option<Box<[u8]>>,
        /// How many at most.
        limit: usize,
        /// Where the list goes.
        to: Sender<Vec<Held>>,
    },
    /// Tell from now on what happens in the node's life, as long as somebody listens.
    Watch(Sender<Life>),
}

impl Request {
    /// The reply to a command that no node has seen, nor will.
    pub fn refusal(&self) -> Reply {
        match self {
            // What became of the first attempt is known to nobody here.
            Self::Command(
                Command::Put { attempt: Some(Attempt::Again(operation)), .. }
                | Command::Delete { attempt: Some(Attempt::Again(operation)), .. },
                _,
            ) => Reply::Unknown { operation: *operation },
            _ => Reply::Unavailable(Unavailable::Leaving),
        }
    }
}

/// The node's state, and what its driver counts.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// What the node says of itself.
    pub status: Status,
    /// What the driver counts.
    pub driver: DriverCounters,
    /// How long the driver has run the node.
    pub uptime: Duration,
    /// Why the node cannot save, in words, since its last try failed.
    pub disk_fault: Option<Arc<str>>,
    /// The node does not serve, and the address that it advertises is not one of this machine's any more.
    pub homeless: bool,
    /// It reads what it had saved, and is no node before it has.
    pub loads: bool,
    /// What keeps the node from joining, while it looks for a ring.
    pub trouble: Option<Trouble>,
}

/// What a driver counts beside the node's own counters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DriverCounters {
    /// Datagrams that the system did not take: full buffers, no route. They are lost, as on a network.
    pub unsent: u64,
    /// Errors on receiving.
    pub unreceived: u64,
}

/// The node's task has ended, and with it this node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gone;

impl fmt::Display for Gone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the node has stopped")
    }
}

impl core::error::Error for Gone {}

/// A way to the node.
#[derive(Clone, Debug)]
pub struct Handle {
    requests: Sender<Request>,
}

impl Handle {
    /// A handle, and the end of the channel that the node's task serves.
    pub fn new() -> (Self, Receiver<Request>) {
        let (requests, served) = channel::bounded(REQUESTS_MAX);
        (Self { requests }, served)
    }

    /// Has the node do something, and waits for the reply. If the node has ended before, the reply says so.
    ///
    /// # Errors
    /// [`Gone`] if the node's task ended before it replied: the outcome of a write is unknown then.
    pub async fn ask(&self, command: Command) -> Result<Reply, Gone> {
        let (to, answer) = channel::bounded(1);
        match self.requests.send(Request::Command(command, Some(to))).await {
            Ok(()) => answer.recv().await.map_err(|_| Gone),
            Err(unsent) => Ok(unsent.into_inner().refusal()),
        }
    }

    /// Hands in a command that has no reply.
    ///
    /// # Errors
    /// [`Gone`] if the node's task has ended.
    pub async fn tell(&self, command: Command) -> Result<(), Gone> {
        self.requests.send(Request::Command(command, None)).await.map_err(|_| Gone)
    }

    /// The node's state at this moment.
    ///
    /// # Errors
    /// [`Gone`] if the node's task has ended.
    pub async fn status(&self) -> Result<Snapshot, Gone> {
        self.request(Request::Status).await
    }

    /// Entries that the node holds, in ring order, from the one after the key `after` on.
    ///
    /// # Errors
    /// [`Gone`] if the node's task has ended.
    pub async fn held(&self, after: Option<Box<[u8]>>, limit: usize) -> Result<Vec<Held>, Gone> {
        self.request(|to| Request::Held { after, limit, to }).await
    }

    /// What happens in the node's life from now on. The channel closes when the node ends, when its reader is
    /// [`HAPPENINGS_MAX`] behind, or at once if too many watch already.
    ///
    /// # Errors
    /// [`Gone`] if the node's task has ended.
    pub async fn watch(&self) -> Result<Receiver<Life>, Gone> {
        let (to, happenings) = channel::bounded(HAPPENINGS_MAX);
        self.requests.send(Request::Watch(to)).await.map_err(|_| Gone)?;
        Ok(happenings)
    }

    /// Waits until the node's task has ended.
    pub async fn ended(&self) {
        self.requests.closed().await;
    }

    /// True once the node's task has ended.
    pub fn has_ended(&self) -> bool {
        self.requests.is_closed()
    }

    async fn request<T>(&self, request: impl FnOnce(Sender<T>) -> Request) -> Result<T, Gone> {
        let (to, answer) = channel::bounded(1);
        self.requests.send(request(to)).await.map_err(|_| Gone)?;
        answer.recv().await.map_err(|_| Gone)
    }
}
