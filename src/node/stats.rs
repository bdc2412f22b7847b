//! Counters, and the picture of itself that a node shows.

use super::load::Load;
use super::seek::Seeking;
use crate::config::MemoryFrom;
use crate::id::{Arc, Id};
use crate::wire::{Finger, Flaw, Peer, Refusal, Room};
use alloc::string::String;
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;

/// Everything that a node counts, since its start.
///
/// A datagram that came in is counted once among `flawed`, `heard`, `unasked`, `answered`, `refused` and `repeated`, as
/// soon as it is done with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Datagrams received.
    pub datagrams_in: u64,
    /// Their bytes of UDP payload.
    pub bytes_in: u64,
    /// Datagrams handed out to be sent.
    pub datagrams_out: u64,
    /// Their bytes of UDP payload.
    pub bytes_out: u64,
    /// Datagrams dropped, by their flaw, in the order of [`Flaw`].
    pub flawed: [u64; 5],
    /// Answers that a request was waiting for.
    pub heard: u64,
    /// Answers that no request to that address was waiting for, and requests to a guest, which serves nobody.
    pub unasked: u64,
    /// Requests answered with what they asked for.
    pub answered: u64,
    /// Requests refused, by the kind of refusal, in the order of [`Counters::REFUSED`].
    pub refused: [u64; Self::REFUSED.len()],
    /// Requests dropped because the answer goes to another copy, or because the place on the ring was given up.
    pub repeated: u64,
    /// Datagrams that found the outbox full.
    pub overflowed: u64,
    /// Requests sent again because no answer came.
    pub retries: u64,
    /// Requests given up.
    pub timeouts: u64,
    /// Nodes dropped from the successor list, or suspected as predecessor.
    pub suspicions: u64,
    /// Times that a consent ran out while the node was settled.
    pub lapses: u64,
    /// Times that the node began to answer for an arc.
    pub settlements: u64,
    /// Changes of the predecessor or of the successor list.
    pub ring_changes: u64,
    /// Times that the claim grew because a neighbour was lost.
    pub takeovers: u64,
    /// Times that the node fell silent as it might be cut off.
    pub silences: u64,
    /// Entries pulled from other nodes.
    pub pulled: u64,
    /// Those of them that were pulled since the arcs shared with a neighbour differed.
    pub repaired: u64,
    /// Bytes of their keys and values.
    pub repaired_bytes: u64,
    /// Tombstones that were collected, and what else was under a floor.
    pub collected: u64,
    /// Writes acknowledged as owner.
    pub writes: u64,
    /// Reads answered as owner.
    pub reads: u64,
    /// Lookups of this node's own clients that found an owner, by how many nodes were asked; the last place is for all
    /// beyond.
    pub lookups: [u64; Self::HOPS_MAX + 2],
    /// How many nodes they asked, all together.
    pub hops: u64,
}

impl Counters {
    /// Lookups that asked more nodes than this are counted together: with so many a ring of a million is crossed.
    pub const HOPS_MAX: usize = 10;

    pub(super) fn count_lookup(&mut self, hops: usize) {
        self.lookups[hops.min(Self::HOPS_MAX + 1)] += 1;
        self.hops += hops as u64;
    }

    pub(super) fn count_flaw(&mut self, flaw: Flaw) {
        self.flawed[flaw as usize] += 1;
    }

    /// How many datagrams were dropped for this flaw.
    pub fn flaw(&self, flaw: Flaw) -> u64 {
        self.flawed[flaw as usize]
    }

    /// The flaws by the names that they are shown under, in the order of [`Flaw`].
    pub const FLAWED: [&str; 5] =
        ["flawed_length", "flawed_version", "flawed_tag", "flawed_malformed", "flawed_trailing"];

    /// The kinds of refusal by the names that they are shown under.
    pub const REFUSED: [&str; 21] = [
        "refused_unproven",
        "refused_not_member",
        "refused_not_owner",
        "refused_not_settled",
        "refused_not_neighbour",
        "refused_stale",
        "refused_conflict",
        "refused_not_found",
        "refused_newer",
        "refused_too_large",
        "refused_busy",
        "refused_unreachable",
        "refused_unknown",
        "refused_forgotten",
        "refused_full",
        "refused_silent",
        "refused_leaving",
        "refused_too_few",
        "refused_reused",
        "refused_too_old",
        "refused_no_names",
    ];

    pub(super) const fn count_refusal(&mut self, refusal: Refusal) {
        self.refused[place_of(refusal)] += 1;
    }

    /// How many requests were refused like this.
    pub const fn refusals(&self, refusal: Refusal) -> u64 {
        self.refused[place_of(refusal)]
    }

    /// How many datagrams that came in are done with; of the others the requests are still in work.
    pub fn done_with(&self) -> u64 {
        let sum = |counts: &[u64]| counts.iter().sum::<u64>();
        self.heard + self.answered + sum(&self.flawed) + self.unasked + sum(&self.refused) + self.repeated
    }
}

/// The place of a kind among [`Counters::REFUSED`].
const fn place_of(refusal: Refusal) -> usize {
    match refusal {
        Refusal::Unproven => 0,
        Refusal::NotMember => 1,
        Refusal::NotOwner => 2,
        Refusal::NotSettled => 3,
        Refusal::NotNeighbour => 4,
        Refusal::Stale { .. } => 5,
        Refusal::Conflict { .. } => 6,
        Refusal::NotFound => 7,
        Refusal::Newer { .. } => 8,
        Refusal::TooLarge => 9,
        Refusal::Busy => 10,
        Refusal::Unreachable => 11,
        Refusal::Unknown => 12,
        Refusal::Forgotten => 13,
        Refusal::Full { .. } => 14,
        Refusal::Silent => 15,
        Refusal::Leaving => 16,
        Refusal::TooFew { .. } => 17,
        Refusal::Reused => 18,
        Refusal::TooOld => 19,
        Refusal::NoNames => 20,
    }
}

/// How far a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It has no place on a ring yet.
    Joining,
    /// It has a place, and waits for consents or settles.
    Settling,
    /// It answers for its whole claim.
    Settled,
    /// It has a place, but may be cut off from a larger ring, and does not answer.
    Silent,
    /// It hands over what it holds, and then is gone.
    Leaving,
}

/// Why a node is silent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Silenced {
    /// It dropped three neighbours in a row: it may be the one that is cut off.
    Row,
    /// Its predecessor dropped three in a row, and told it.
    Told(Peer),
    /// It was started again with what it had saved, and its ring is not whole yet.
    Awaits {
        /// One who stood beside it and is missing. `None` if it only joined beside one that awaits others.
        missing: Option<SocketAddr>,
    },
    /// It was alone, and its process was stopped for longer than a consent lasts.
    Slept,
    /// It knows fewer living nodes than it is to have.
    Few {
        /// So many, itself included.
        known: usize,
    },
}

/// What a node shows of itself.
#[derive(Clone, Debug)]
pub struct Status {
    /// Who it is.
    pub me: Peer,
    /// How far it is.
    pub state: State,
    /// Why it is silent, if it is.
    pub silenced: Option<Silenced>,
    /// Its predecessor.
    pub predecessor: Option<Peer>,
    /// Its successors, nearest first.
    pub successors: Vec<Peer>,
    /// Its fingers, one for each distinct node, nearest first.
    pub fingers: Vec<Finger>,
    /// The arc that it claims.
    pub claim: Option<Arc>,
    /// The part of it that it answers for.
    pub settled: Option<Arc>,
    /// The highest term of its claim.
    pub term: u64,
    /// Entries that it holds, tombstones included.
    pub entries: usize,
    /// Those of its own claim.
    pub owned: usize,
    /// Those of its neighbours' arcs, which it keeps copies of.
    pub copied: usize,
    /// Those that belong elsewhere, until others are known to hold them.
    pub strays: usize,
    /// Those of its own claim that are not known to be on both neighbours.
    pub under_copied: usize,
    /// For how long what it shares with a neighbour has differed from what that one holds.
    pub differs_for: Option<Duration>,
    /// Tombstones among all.
    pub tombstones: usize,
    /// Names of writes that clients gave and that are remembered.
    pub names: usize,
    /// Bytes of keys and values.
    pub bytes: usize,
    /// Those of its own claim.
    pub owned_bytes: usize,
    /// Those of its neighbours' arcs.
    pub copied_bytes: usize,
    /// And of the strays.
    pub stray_bytes: usize,
    /// Bytes of memory that the entries take, as far as that can be reckoned.
    pub memory: usize,
    /// How many they may take.
    pub memory_max: usize,
    /// Who says so.
    pub memory_from: MemoryFrom,
    /// Whether it takes more, and if not, what it is full of.
    pub room: Room,
    /// The same of the neighbour that lacks room, if one does.
    pub room_beside: Room,
    /// How full its tables are.
    pub load: Load,
    /// How many living nodes it must know to answer for anything.
    pub min_nodes: usize,
    /// It saves what it holds on a disk.
    pub has_disk: bool,
    /// It has a disk, which fails: it takes no writes.
    pub fails_to_save: bool,
    /// The longest value that it takes of clients, in bytes.
    pub value_max: usize,
    /// The name of its ring.
    pub ring: String,
    /// The neighbours that large datagrams do not reach, while small ones do.
    pub narrow: Vec<SocketAddr>,
    /// Why it has no place on a ring, if it has none and looks for one.
    pub seeking: Option<Seeking>,
    /// Its counters.
    pub counters: Counters,
}

/// An entry as a node lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// The key.
    pub key: Vec<u8>,
    /// Its id.
    pub id: Id,
    /// Its version.
    pub version: crate::wire::Version,
    /// Bytes of its value.
    pub length: usize,
    /// It lies in this node's claim; otherwise it is a copy.
    pub owned: bool,
}

/// A datagram's way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transmit {
    /// Where it goes.
    pub to: SocketAddr,
    /// How many bytes of the caller's buffer it takes.
    pub length: usize,
}
