//! A list of inputs to two nodes, and a guest beside them, out of bytes: whatever the bytes are, they are some list.

use skynode::id::Id;
use skynode::node::{Attempt, Command};
use skynode::store::Content;
use skynode::wire::{Condition, Freshness, Operation, OperationId};
use std::net::SocketAddr;
use std::time::Duration;

/// A list ends after so many.
const STEPS_MAX: usize = 400;

/// Where something comes from or goes to: one of the two nodes, the guest, or the stranger on the network.
pub type Place = usize;

/// The nodes have the places before this one, which is the guest's.
pub const GUEST: Place = 2;

/// The place of the stranger.
pub const STRANGER: Place = 3;

/// The addresses of the places.
pub fn addr(place: Place) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, [1, 2, 9, 3][place]], 4321))
}

/// How long the longest of some key, value or datagram is.
const LONG: usize = 300;

/// What is done with the next datagram that a node sends.
#[derive(Debug)]
pub enum Way {
    Lost,
    Late(Duration),
    Twice(Duration),
    Flipped(u32),
}

/// What a client asks of a node.
#[derive(Debug)]
pub enum Ask {
    Get,
    Put { length: usize },
    PutAgain { term: u64, time_ms: u64 },
    Delete,
    Lookup,
    Walk { from: Option<Place> },
    Fingers { of: Place },
    List,
    Reopen,
    Seeds { of: Vec<Place> },
}

impl Ask {
    /// What the node is asked.
    pub fn command(&self, key: &[u8]) -> Command {
        let key: Box<[u8]> = key.into();
        let put = |length, attempt| Command::Put {
            key: key.clone(),
            content: Content::new(vec![b'v'; length], b"", 0),
            ttl_s: 0,
            condition: Condition::None,
            min_copies: 0,
            attempt,
        };
        match self {
            Self::Get => Command::Get { key },
            Self::Put { length } => put(*length, None),
            Self::PutAgain { term, time_ms } => {
                let fresh = Freshness { term: *term, time_ms: *time_ms };
                put(9, Some(Attempt::Again(Operation { id: OperationId([5; 16]), fresh })))
            }
            Self::Delete => Command::Delete { key, condition: Condition::None, min_copies: 0, attempt: None },
            Self::Lookup => Command::Lookup { id: Id::of_key(&key) },
            Self::Walk { from } => Command::Walk { from: from.map(addr), max: 9 },
            Self::Fingers { of } => Command::Fingers { of: Some(addr(*of)) },
            Self::List => Command::List { from: Id::new(0), after: Some(key), limit: 9 },
            Self::Reopen => Command::Reopen,
            Self::Seeds { of } => Command::Seeds(of.iter().map(|&place| vec![addr(place)]).collect()),
        }
    }
}

/// One input.
#[derive(Debug)]
pub enum Step {
    /// Time goes on.
    Wait(Duration),
    /// Something befalls the next datagram; the one after it overtakes it if that is late.
    Befall(Way),
    /// Nothing gets from one node to the other for a while.
    Cut {
        from: Place,
        lasts: Duration,
    },
    /// The process is stopped for a while.
    Pause {
        host: Place,
        lasts: Duration,
    },
    Crash {
        host: Place,
    },
    Start {
        host: Place,
    },
    Leave {
        host: Place,
    },
    /// One of the simulator's clients reads, writes or deletes something.
    Client {
        number: usize,
    },
    /// A client asks for something else, under keys of its own.
    Ask {
        host: Place,
        key: Vec<u8>,
        ask: Ask,
    },
    /// A datagram that somebody sends who hears nothing, under any sender's address, with the right tag.
    Forge {
        host: Place,
        source: Place,
        body: Vec<u8>,
    },
    /// What a stranger says who hears what is sent to it, and answers with what it knows from that.
    Lie {
        host: Place,
        message: Vec<u8>,
    },
    /// The wall clock of a machine is set.
    Clock {
        host: Place,
        skew_ms: i64,
    },
}

/// A list with what holds for all of it.
#[derive(Debug)]
pub struct Steps {
    /// The stranger speaks: nothing is promised any more but that the nodes stay whole.
    pub liar: bool,
    /// The two have formed a ring before the first step.
    pub formed: bool,
    /// A guest stands beside them.
    pub guest: bool,
    pub list: Vec<Step>,
}

struct Reader<'a> {
    rest: &'a [u8],
    /// There are so many processes.
    hosts: usize,
}

impl Reader<'_> {
    /// The next byte; zero after the end.
    fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.rest.split_first() else { return 0 };
        self.rest = rest;
        *first
    }

    fn host(&mut self) -> Place {
        usize::from(self.byte()) % self.hosts
    }

    fn place(&mut self) -> Place {
        [0, 1, STRANGER][usize::from(self.byte() % 3)]
    }

    /// Up to this many milliseconds: small ones in small steps.
    fn time(&mut self, longest: u64) -> Duration {
        let byte = u64::from(self.byte());
        Duration::from_millis(longest * byte * byte / (255 * 255))
    }

    /// A length, and as many bytes as it says or as there are.
    fn bytes(&mut self) -> Vec<u8> {
        let length = usize::from(self.byte()).min(self.rest.len());
        let (bytes, rest) = self.rest.split_at(length);
        self.rest = rest;
        bytes.to_vec()
    }

    fn way(&mut self) -> Way {
        match self.byte() % 4 {
            0 => Way::Lost,
            1 => Way::Late(self.time(4000)),
            2 => Way::Twice(self.time(4000)),
            _ => Way::Flipped(u32::from_be_bytes([0, 0, self.byte(), self.byte()])),
        }
    }

    fn ask(&mut self) -> Ask {
        let byte = self.byte();
        match byte % 8 {
            0 => Ask::Get,
            1 => Ask::Put { length: 3 * usize::from(self.byte()) },
            2 => Ask::PutAgain { term: 1 << (self.byte() % 64), time_ms: 1 << (self.byte() % 64) },
            3 => Ask::Delete,
            4 if byte > 0xf0 => Ask::List,
            4 => Ask::Lookup,
            5 if byte > 0xf0 => Ask::Fingers { of: self.place() },
            5 => Ask::Walk { from: [Some(0), Some(1), Some(STRANGER), None][usize::from(self.byte() % 4)] },
            6 => Ask::Reopen,
            _ => Ask::Seeds { of: (0..self.byte() % 4).map(|_| self.place()).collect() },
        }
    }

    /// Few different ones, and now and then one that is empty or too long.
    fn key(&mut self) -> Vec<u8> {
        match self.byte() {
            0 => Vec::new(),
            255 => vec![b'k'; LONG],
            byte => vec![b'k', byte % 8],
        }
    }

    fn step(&mut self) -> Step {
        match self.byte() % 14 {
            0 | 1 => Step::Wait(self.time(5000)),
            2 | 3 => Step::Befall(self.way()),
            4 => Step::Cut { from: self.host(), lasts: self.time(20_000) },
            5 => Step::Pause { host: self.host(), lasts: self.time(20_000) },
            6 => Step::Crash { host: self.host() },
            7 => Step::Start { host: self.host() },
            8 => Step::Leave { host: self.host() },
            9 => Step::Client { number: usize::from(self.byte() % 4) },
            10 => Step::Ask { host: self.host(), key: self.key(), ask: self.ask() },
            11 => Step::Forge { host: self.host(), source: self.place(), body: self.bytes() },
            12 => Step::Lie { host: self.host(), message: self.bytes() },
            _ => Step::Clock { host: self.host(), skew_ms: 1000 * i64::from(self.byte().cast_signed()) },
        }
    }
}

impl Steps {
    pub fn read(input: &[u8]) -> Self {
        let mut reader = Reader { rest: input, hosts: GUEST };
        let first = reader.byte();
        let (liar, formed, guest) = (first & 1 != 0, first & 2 != 0, first & 4 != 0);
        reader.hosts += usize::from(guest);
        let mut list = Vec::new();
        while !reader.rest.is_empty() && list.len() < STEPS_MAX {
            list.push(reader.step());
        }
        Self { liar, formed, guest, list }
    }

    /// All that is forged in it.
    pub fn forged(&self) -> Vec<u8> {
        let bodies = self.list.iter().map(|step| if let Step::Forge { body, .. } = step { &body[..] } else { &[] });
        bodies.collect::<Vec<_>>().concat()
    }
}
