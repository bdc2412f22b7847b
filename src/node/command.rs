//! What a driver may ask of its node, and what the node tells it.

use super::life::Life;
use crate::id::{Arc, Id};
use crate::store::Content;
use crate::wire::{Answer, Condition, Finger, Operation, OperationId, Peer, Refusal, Room, Version};
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::net::SocketAddr;

/// Names one command; its reply carries the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// What a driver asks of its node. Each is answered by exactly one [`Event::Reply`], at the latest after the deadline
/// of [`Config`](crate::config::Config), save `Seeds`. A guest that hears nobody yet waits for that as long before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Read a key. → `Value`, `NotFound`, `Unavailable`.
    Get {
        /// 1 to 255 bytes.
        key: Box<[u8]>,
    },
    /// Find out what there is to know of a value but its bytes. → `Seen`, `NotFound`, `Unavailable`.
    Glance {
        /// 1 to 255 bytes.
        key: Box<[u8]>,
    },
    /// Write a key. → `Stored`, `Conflict`, `TooLarge`, `Invented`, `Reused`, `Forgotten`,
    /// `Unavailable`, `Unknown`.
    Put {
        /// 1 to 255 bytes.
        key: Box<[u8]>,
        /// At most `Config::value_max` bytes, of a media type of at most `limits::KIND_MAX`.
        content: Content,
        /// For how many seconds it is to live, at most `limits::TTL_MAX_S`; zero for ever.
        ttl_s: u32,
        /// When to refuse.
        condition: Condition,
        /// Refuse if the group of the key has fewer nodes.
        min_copies: u8,
        /// The name of the write, if the client has one; otherwise the node chooses.
        attempt: Option<Attempt>,
    },
    /// Delete a key. → `Stored`, `NotFound`, `Conflict`, `Invented`, `Reused`, `Forgotten`, `Unavailable`,
    /// `Unknown`.
    Delete {
        /// 1 to 255 bytes.
        key: Box<[u8]>,
        /// When to refuse.
        condition: Condition,
        /// As in `Put`.
        min_copies: u8,
        /// As in `Put`.
        attempt: Option<Attempt>,
    },
    /// Find the owner of an id. → `Owner`, `Unavailable`.
    Lookup {
        /// The id.
        id: Id,
    },
    /// Walk the ring clockwise from this node, or from the node given. → `Ring`.
    Walk {
        /// Where to go on, from the `next` of an earlier reply.
        from: Option<SocketAddr>,
        /// How many nodes at most.
        max: usize,
    },
    /// Which fingers this node has, or the node at the address given. → `Fingers`.
    Fingers {
        /// Whose, if not this one's.
        of: Option<SocketAddr>,
    },
    /// List the keys of the whole ring, in ring order from the id 0 on, whoever is asked. → `Listed`, `Unavailable`.
    List {
        /// From this position on.
        from: Id,
        /// Of that position only keys behind this one.
        after: Option<Box<[u8]>>,
        /// How many at most, up to `limits::LIST_MAX`.
        limit: usize,
    },
    /// The addresses that each seed's name stands for, none where it does not resolve, in answer to
    /// [`Event::SeedsWanted`]. No reply.
    Seeds(Vec<Vec<SocketAddr>>),
    /// Leave the ring: hand over what is held here, then say good-bye. → `Done` at once; [`Event::Left`] tells the end.
    Leave,
    /// End the silence of a node that may be cut off: the operator knows that the others are dead, or takes the risk of
    /// two histories. → `Done`, or `NotSilent`, or `SilentFor`.
    Reopen,
}

/// Which attempt at a write this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attempt {
    /// The first, under a name that the client chose.
    First(OperationId),
    /// A repetition, under the name that the answer of unknown outcome gave. It is not applied twice.
    Again(Operation),
}

/// How a command ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// The newest value.
    Value {
        /// The value.
        content: Content,
        /// How many milliseconds are left of it; zero if it never ends.
        left_ms: u64,
        /// Its version.
        version: Version,
        /// How many nodes hold it.
        copies: u8,
        /// Who answered.
        owner: Peer,
    },
    /// What there is to know of the newest value but its bytes.
    Seen {
        /// Its version.
        version: Version,
        /// How many bytes it has.
        length: usize,
        /// Its media type; empty if that was not said.
        kind: Box<[u8]>,
        /// How many milliseconds are left of it; zero if it never ends.
        left_ms: u64,
        /// How many nodes hold it.
        copies: u8,
        /// Who answered.
        owner: Peer,
    },
    /// The write is stored by the whole group.
    Stored {
        /// The version that it was given.
        version: Version,
        /// How many nodes stored it.
        copies: u8,
        /// The key did not exist before.
        created: bool,
        /// Who answered.
        owner: Peer,
        /// The name of the write.
        operation: Operation,
    },
    /// There is no such key. Nothing was changed.
    NotFound,
    /// The condition does not hold: the key exists in this version, or not at all. Nothing was changed.
    Conflict {
        /// The version of the key, if it exists.
        version: Option<Version>,
    },
    /// Key or value is empty or beyond its limit. Nothing was changed.
    TooLarge,
    /// The name of the write is none that anybody can have been told. Nothing was changed.
    Invented,
    /// The name of the write is that of another write of the key. This one was not done.
    Reused,
    /// The name of the write is older than what is remembered of the key's writes: whether it was done nobody can tell
    /// any more, and it is not done now.
    Forgotten,
    /// It cannot be done now, and nothing was changed.
    Unavailable(Unavailable),
    /// The write may have been stored or not: repeat it under the same name.
    Unknown {
        /// The name of the write.
        operation: Operation,
    },
    /// The owner of an id.
    Owner {
        /// The owner.
        owner: Peer,
        /// The arc that it owns, as far as the last node on the path knew.
        arc: Arc,
        /// The nodes asked, in order, those of tries that came to nothing first; the last is the owner itself. Empty
        /// if this node is the owner.
        path: Vec<Hop>,
    },
    /// A stretch of the ring.
    Ring {
        /// The nodes in ring order.
        nodes: Vec<RingNode>,
        /// Where to go on; `None` if the walk came round.
        next: Option<SocketAddr>,
    },
    /// Fingers, one for each distinct node, nearest first; of another node with too many the farthest. `None` if that
    /// node does not answer, has no place on a ring, or too many are asked at one time.
    Fingers(Option<Vec<Finger>>),
    /// Keys, of which none between the first position asked for and the end of the page is left out.
    Listed {
        /// The keys in ring order, each as its owner has it.
        entries: Vec<OwnedKey>,
        /// Where to go on: from this position, behind the last key of the page. `None` if the ring is at its end.
        next: Option<Id>,
    },
    /// It is being done.
    Done,
    /// There is no silence to end.
    NotSilent,
    /// The node is silent only because its predecessor is: it is the one to reopen.
    SilentFor(Peer),
}

/// One node asked in a lookup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hop {
    /// The node.
    pub peer: Peer,
    /// It answered; otherwise it was skipped as silent.
    pub answered: bool,
    /// It is on the way to the owner: it is the owner, or named the next one on the way. Others that answered were
    /// asked beside it. In a try that came to nothing all that answered are.
    pub led_on: bool,
}

/// A key as its owner lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnedKey {
    /// The key.
    pub key: Box<[u8]>,
    /// Its id.
    pub id: Id,
    /// Its version.
    pub version: Version,
    /// Bytes of its value.
    pub length: u32,
    /// The owner.
    pub owner: SocketAddr,
}

/// One node of a walk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RingNode {
    /// The node.
    pub peer: Peer,
    /// Its predecessor.
    pub predecessor: Option<Peer>,
    /// Its next successors.
    pub successors: Vec<Peer>,
    /// It answers for its whole claim.
    pub settled: bool,
    /// How many entries it holds, copies and tombstones included.
    pub entries: u32,
    /// It answered. Otherwise only other nodes speak of it, and of the above nothing but its place is known.
    pub heard: bool,
}

/// Why a command could not be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unavailable {
    /// This node has no place on the ring yet; a guest hears nobody who has.
    NotMember,
    /// Too many operations at one time.
    Busy,
    /// No owner answered before the deadline.
    NoOwner,
    /// The owner of the key, or a neighbour of it, has no room.
    Full {
        /// What that node is full of.
        room: Room,
    },
    /// This node is leaving the ring.
    Leaving,
    /// The owner is silent, as it may be cut off from a larger ring.
    Silent,
    /// As many names of clients' writes are remembered as may be: a write under a further one has to wait.
    Names,
    /// The group of the key has fewer nodes than the write asks for.
    TooFew {
        /// So many.
        copies: u8,
    },
}

impl Unavailable {
    /// What keeps an operation from being done, if its owner goes on answering this.
    pub(super) const fn told_by(answer: &Answer<'_>) -> Self {
        match answer {
            Answer::Refused(Refusal::Silent) => Self::Silent,
            Answer::Refused(Refusal::Busy) => Self::Busy,
            _ => Self::NoOwner,
        }
    }
}

/// What a node tells its driver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A command has ended.
    Reply(Ticket, Reply),
    /// The node wants to try its seeds (again): resolve their names anew and hand them in as `Command::Seeds`.
    SeedsWanted {
        /// How many tries have failed before; `None` if the node has a place, and only looks whether a ring formed
        /// apart from its own.
        tries: Option<u32>,
    },
    /// Something happened in the node's life, for logs and pages.
    Life(Life),
    /// The node has left the ring and says no more: its driver may end.
    Left {
        /// Everything that it held was handed over first. If not, the others repair what they can, as after a crash.
        handed_over: bool,
    },
}
