//! A machine of the simulated world: an address, its clocks, and the process on it, if any.

use super::clock::Clock;
use super::disk::Disk;
use crate::id::{Arc, Id};
use crate::node::{Batch, Command, Node, Ticket};
use crate::time::{Instant, Now};
use crate::wire::{Peer, Place};
use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;

/// What waits for a paused process: as many datagrams as a socket's buffer may hold.
pub(super) const INBOX_MAX: usize = 256;

/// Which machine a new host is.
#[derive(Clone, Debug)]
pub struct Machine {
    /// Where other nodes reach it.
    pub addr: SocketAddr,
    /// The id that its nodes are given; `None` lets it follow from the address.
    pub id: Option<Id>,
    /// Its clocks.
    pub clock: Clock,
}

/// Something that a process is to handle.
#[derive(Debug)]
pub(super) enum Input {
    Datagram {
        source: SocketAddr,
        bytes: Box<[u8]>,
    },
    Command {
        tag: Option<u64>,
        command: Box<Command>,
    },
    Timeout,
    /// A batch is saved, or could not be.
    Saved(Result<u64, Box<Batch>>),
}

/// One machine.
pub struct Host {
    pub(super) machine: Machine,
    pub(super) seeds: Vec<SocketAddr>,
    pub(super) node: Option<Box<Node>>,
    /// How many processes were started here.
    pub(super) lives: u32,
    pub(super) born: Instant,
    /// When the last process here ended.
    pub(super) ended: Instant,
    /// Until when the process is stopped.
    pub(super) paused: Option<Instant>,
    /// When it last went on after a pause, or was started.
    pub(super) running_since: Instant,
    pub(super) inbox: VecDeque<Input>,
    /// The next wake-up that counts; others in the queue are stale.
    pub(super) wake: Instant,
    /// Wake-ups so far, over all lives.
    pub(super) wakes: u64,
    pub(super) tickets: BTreeMap<Ticket, u64>,
    /// Where its processes save what they hold, if it has one.
    pub(super) disk: Option<Disk>,
    /// The node has left the ring, and told whether it handed over what it held.
    pub(super) left: Option<bool>,
}

impl Host {
    pub(super) const fn new(machine: Machine) -> Self {
        Self {
            machine,
            seeds: Vec::new(),
            node: None,
            lives: 0,
            born: Instant::ZERO,
            ended: Instant::ZERO,
            paused: None,
            running_since: Instant::ZERO,
            inbox: VecDeque::new(),
            wake: Instant::FAR,
            wakes: 0,
            tickets: BTreeMap::new(),
            disk: None,
            left: None,
        }
    }

    /// The process, if one is alive; it may be paused.
    pub fn node(&self) -> Option<&Node> {
        self.node.as_deref()
    }

    /// What others know its process as. (A guest does not know its own address.)
    pub(super) fn peer(&self) -> Option<Peer> {
        let me = self.node()?.me();
        Some(Peer { place: Place { addr: self.machine.addr, ..me.place }, ..me })
    }

    /// Where it is.
    pub const fn addr(&self) -> SocketAddr {
        self.machine.addr
    }

    /// The position of its nodes on the ring.
    pub fn id(&self) -> Id {
        self.machine.id.unwrap_or_else(|| Id::of_addr(self.machine.addr))
    }

    /// What its clocks show at a moment of the world.
    pub fn local(&self, world: Instant) -> Now {
        self.machine.clock.read(world)
    }

    /// When the process was started.
    pub const fn born(&self) -> Instant {
        self.born
    }

    /// True if there is no process any more, and was one after this moment.
    pub fn went_after(&self, moment: Instant) -> bool {
        self.node.is_none() && self.ended > moment
    }

    /// How many processes were started here so far.
    pub const fn lives(&self) -> u32 {
        self.lives
    }

    /// True if the process is alive and stopped.
    pub const fn is_paused(&self) -> bool {
        self.paused.is_some()
    }

    /// True if the process is alive and not stopped.
    pub const fn is_running(&self) -> bool {
        self.node.is_some() && self.paused.is_none()
    }

    /// Since when the process has run without a pause.
    pub const fn running_since(&self) -> Instant {
        self.running_since
    }

    /// How often it was woken by its own deadline, over all lives.
    pub const fn wakes(&self) -> u64 {
        self.wakes
    }

    /// True for a member that answers for all it claims.
    pub fn is_ready(&self, world: Instant) -> bool {
        self.node.as_ref().is_some_and(|node| node.is_member() && node.is_ready(self.local(world).at))
    }

    /// True if the process would answer for this id now.
    pub fn is_settled_for(&self, world: Instant, id: Id) -> bool {
        self.node.as_ref().is_some_and(|node| node.is_settled_for(self.local(world).at, id))
    }

    /// The arc that the process holds both consents for now.
    pub fn spoken(&self, world: Instant) -> Option<Arc> {
        self.node.as_ref()?.spoken(self.local(world).at)
    }

    /// True if the process holds its predecessor's consent now.
    pub fn has_predecessors_consent(&self, world: Instant) -> bool {
        self.node.as_ref().is_some_and(|node| node.has_predecessors_consent(self.local(world).at))
    }

    /// Keeps an input for later; what a full socket buffer would lose is lost.
    pub(super) fn keep(&mut self, input: Input) -> bool {
        let room = self.inbox.len() < INBOX_MAX || matches!(input, Input::Saved(_));
        if room {
            self.inbox.push_back(input);
        }
        room
    }
}
