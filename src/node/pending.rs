//! Requests in flight: sent, sent again, answered or given up.

use super::command::Ticket;
use super::speak::Asked;
use super::stabilise::Said;
use super::stats::Counters;
use super::timers::{Timer, Timers};
use crate::id::Arc;
use crate::limits::{FRAME_MAX, PART_SIZE, PENDING_MAX, PENDING_RESERVE};
use crate::time::Instant;
use crate::wire::{Item, Peer, Refusal};
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;

/// What a request was sent for; tells who takes its answer.
#[derive(Clone, Copy, Debug)]
pub(super) enum Purpose {
    /// Stabilise, to the head.
    Stabilise(Said),
    /// Stabilise, to a node that might become the head.
    Candidate,
    /// Ping, for one of several reasons.
    Probe(Probe),
    /// Ping, on behalf of another node.
    Relay(Asked),
    /// PingFor, before a node is dropped.
    Indirect { suspect: Peer, since: Instant, role: Role },
    /// Release or Hint: only to arrive.
    Notice,
    /// FindSuccessor.
    Lookup(u64),
    /// Survey of an arc, for a pull, with the sum of what was held here when it was sent.
    Survey(u64, Arc, u64),
    /// Fetch, for a pull.
    Fetch(u64, Item),
    /// Part, from this offset, for a value.
    Part(u64, u32),
    /// Settle, or Floor, to settle.
    Settle(u64),
    /// Floor, to collect tombstones.
    Floor(u64),
    /// Replicate, for an operation at its owner.
    Replicate(u64),
    /// Fetch of an entry that beats the owner's, for an operation.
    Newer(u64),
    /// Offer of a stray.
    Offer(Item),
    /// Get, Put or Delete, for a client.
    Operation(Ticket),
    /// Walk, for a client.
    Walk(Ticket),
    /// Fingers, for a client.
    Fingers(Ticket),
    /// List, for a client.
    List(Ticket),
    /// Mirror, to find out whether this node has another address.
    Mirror,
    /// A large Put that nobody takes, to find out whether it arrives.
    Width,
    /// Ping, to one who stood beside this node before it was started.
    Awaited,
    /// Adopt, to leave: in this round of handing over, this arc.
    Adopt { round: u32, arc: Arc },
    /// Leave.
    Leave,
}

impl Purpose {
    /// True if the request belongs to the place on the ring, and means nothing once that is given up.
    pub const fn is_of_this_life(&self) -> bool {
        match self {
            Self::Probe(probe) => !matches!(probe, Probe::Seed | Probe::Remembered),
            Self::Stabilise(_) | Self::Candidate | Self::Indirect { .. } => true,
            Self::Survey(..) | Self::Fetch(..) | Self::Part(..) | Self::Settle(_) | Self::Replicate(_) => true,
            Self::Newer(_) | Self::Floor(_) | Self::Mirror | Self::Width => true,
            Self::Relay(_) | Self::Notice | Self::Lookup(_) | Self::Offer(_) => false,
            Self::Operation(_) | Self::Walk(_) | Self::Fingers(_) | Self::List(_) | Self::Awaited => false,
            Self::Adopt { .. } | Self::Leave => true,
        }
    }
}

/// Why a node is pinged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Probe {
    /// It is a seed, and we have no place on a ring.
    Seed,
    /// It comes after a head that is silent.
    Next,
    /// It is the predecessor, and missed two rounds.
    Predecessor,
    /// It is the predecessor, and a node behind it says to be ours.
    Rectify(Peer),
    /// It was dropped once.
    Remembered,
    /// It was known once, and all others failed.
    Last,
    /// One that was dropped was heard, so this one that was dropped too may live.
    Review,
}

/// What a suspected node is to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// Our successor.
    Head,
    /// Our predecessor.
    Predecessor,
    /// Our predecessor, with another that wants its place.
    Rectify(Peer),
}

/// A request that waits for its answer.
#[derive(Debug)]
pub(super) struct Pending {
    /// Whom it was sent to. The incarnation may be unknown, and the id then means nothing.
    pub to: Peer,
    /// What for.
    pub purpose: Purpose,
    /// When it was first sent.
    pub started: Instant,
    /// How often it was sent.
    pub sent: u8,
    /// How many copies of it went out; unlike `sent` it never starts afresh.
    pub copies: u32,
    /// How often it is to be sent at most.
    pub tries: u8,
    /// How long the first try waited for the answer; each further one waits twice as long as the one before.
    pub timeout: Duration,
    /// It was sent again with a stamp, because the first try was refused for want of one.
    pub proven_again: bool,
    /// The datagram.
    pub datagram: Vec<u8>,
}

impl Pending {
    /// The round trip, if an answer that comes now tells it: of a request that was sent once. After a much longer time
    /// than the timeout it would have been sent again, had we not been stopped: then the answer waited here. Who was
    /// asked to hear another took the time that the other took, or until it gave up.
    pub fn round_trip(&self, now: Instant) -> Option<Duration> {
        let taken = now.since(self.started);
        let at_once = !matches!(self.purpose, Purpose::Indirect { .. });
        (at_once && self.copies == 1 && taken <= self.timeout + LATE).then_some(taken)
    }
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Silence {
    /// None came. `late` if we were stopped meanwhile, so that the silence may be ours.
    Timeout { late: bool },
    /// Another incarnation lives at the address.
    Gone,
    /// It refused.
    Refused(Refusal),
}

/// What a deadline of a request leads to.
pub(super) enum Due {
    /// It is to be sent again; `first` if it is the first time that no answer came.
    Again { first: bool },
    /// It is to be given up. `late` if we were stopped meanwhile.
    GiveUp { late: bool },
}

/// So many parts that were asked for later have come before one counts as lost.
const OVERTAKEN: usize = 3;

/// A timer that fires later than this tells that the process was stopped.
const LATE: Duration = Duration::from_millis(250);

/// All requests in flight, by transaction.
#[derive(Debug, Default)]
pub(super) struct Requests {
    table: BTreeMap<u64, Box<Pending>>,
    count: u64,
    spare: Vec<Vec<u8>>,
}

/// How a request is to be sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Manner {
    /// How often at most.
    pub tries: u8,
    /// The first timeout, if it is not to follow the measured round trip.
    pub timeout: Option<Duration>,
    /// It serves a client, and so may not use what is kept for the ring.
    pub client: bool,
}

impl Requests {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// The number of the next transaction; unguessable once it went through the node's key.
    pub fn next_number(&mut self) -> u64 {
        self.count += 1;
        self.count
    }

    /// True if there is room for another request.
    pub fn has_room(&self, client: bool) -> bool {
        self.table.len() < if client { PENDING_MAX - PENDING_RESERVE } else { PENDING_MAX }
    }

    /// A buffer for the datagram of a request.
    pub fn buffer(&mut self) -> Vec<u8> {
        self.spare.pop().unwrap_or_default()
    }

    /// Notes a request that was just sent for the first time.
    pub fn insert(&mut self, transaction: u64, pending: Pending) {
        self.table.insert(transaction, Box::new(pending));
    }

    /// The request with this transaction, if it was sent to this address.
    pub fn get_mut(&mut self, transaction: u64, source: SocketAddr) -> Option<&mut Pending> {
        let pending = self.table.get_mut(&transaction)?;
        (pending.to.addr() == source).then_some(&mut **pending)
    }

    /// True while a request with this transaction, sent to this address, waits for its answer.
    pub fn awaits(&self, transaction: u64, from: SocketAddr) -> bool {
        self.table.get(&transaction).is_some_and(|pending| pending.to.addr() == from)
    }

    /// Takes out a request that was answered.
    pub fn remove(&mut self, transaction: u64, timers: &mut Timers) -> Option<Pending> {
        timers.cancel(Timer::Request(transaction));
        self.table.remove(&transaction).map(|pending| *pending)
    }

    /// Gives a datagram's buffer back.
    pub fn recycle(&mut self, mut buffer: Vec<u8>) {
        if self.spare.len() < 16 && buffer.capacity() <= FRAME_MAX {
            buffer.clear();
            self.spare.push(buffer);
        }
    }

    /// True if a request to the peer for such a purpose is in flight.
    pub fn any(&self, mut like: impl FnMut(&Peer, &Purpose) -> bool) -> bool {
        self.table.values().any(|pending| like(&pending.to, &pending.purpose))
    }

    /// The same, told as well when each was first sent.
    pub fn any_of(&self, mut like: impl FnMut(&Peer, &Purpose, Instant) -> bool) -> bool {
        self.table.values().any(|pending| like(&pending.to, &pending.purpose, pending.started))
    }

    /// Takes out all requests for such a purpose without a word.
    pub fn abandon(&mut self, timers: &mut Timers, mut like: impl FnMut(&Purpose) -> bool) {
        self.table.retain(|transaction, pending| {
            let gone = like(&pending.purpose);
            if gone {
                timers.cancel(Timer::Request(*transaction));
            }
            !gone
        });
    }

    /// A request's deadline came, which was set for `due`.
    pub fn due(
        &mut self,
        now: Instant,
        due: Instant,
        transaction: u64,
        counters: &mut Counters,
        timers: &mut Timers,
    ) -> Option<Due> {
        let pending = self.table.get_mut(&transaction)?;
        let late = now.since(due) > LATE;
        let first = pending.sent == 1;
        if late && pending.tries > 1 {
            // We were stopped: what was not heard meanwhile proves nothing, so the probing begins afresh.
            pending.sent = 0;
        }
        if pending.sent < pending.tries {
            let timeout = pending.timeout * (1 << pending.sent.min(6));
            pending.sent += 1;
            timers.set(Timer::Request(transaction), now + timeout);
            counters.retries += 1;
            return Some(Due::Again { first: first && !late });
        }
        counters.timeouts += 1;
        Some(Due::GiveUp { late })
    }

    /// The one asked shows by other means that it is at work: such requests have all their tries before them again.
    pub fn wait_anew(&mut self, now: Instant, timers: &mut Timers, mut like: impl FnMut(&Peer, &Purpose) -> bool) {
        for (transaction, pending) in &mut self.table {
            if like(&pending.to, &pending.purpose) {
                pending.sent = 1;
                timers.set(Timer::Request(*transaction), now + pending.timeout);
            }
        }
    }

    /// A part of a value arrived. Those that were asked for before it, and for which several later ones have come, are
    /// lost most likely: they are asked for again at once.
    pub fn overtaken(&self, now: Instant, timers: &mut Timers, transfer: u64, offset: u32) {
        for (transaction, pending) in self.table.iter().filter(|(_, pending)| pending.sent == 1) {
            let by = |before: u32| offset.saturating_sub(before) as usize / PART_SIZE;
            if matches!(pending.purpose, Purpose::Part(of, before) if of == transfer && by(before) >= OVERTAKEN) {
                timers.set_earlier(Timer::Request(*transaction), now);
            }
        }
    }

    /// One more copy of a request goes out.
    pub fn count_copy(&mut self, transaction: u64) {
        if let Some(pending) = self.table.get_mut(&transaction) {
            pending.copies += 1;
        }
    }

    /// The address and the datagram of a request, to send it again.
    pub fn datagram(&self, transaction: u64) -> Option<(SocketAddr, &[u8])> {
        self.table.get(&transaction).map(|pending| (pending.to.addr(), &*pending.datagram))
    }

    /// Whom a request was sent to.
    pub fn to(&self, transaction: u64) -> Option<Peer> {
        self.table.get(&transaction).map(|pending| pending.to)
    }

    /// What a request was sent for.
    pub fn purpose(&self, transaction: u64) -> Option<Purpose> {
        self.table.get(&transaction).map(|pending| pending.purpose)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Id;
    use crate::wire::{Incarnation, Place};

    #[test]
    fn an_answer_that_waited_until_we_went_on_says_nothing_of_its_way() {
        let place = Place { addr: ([10, 0, 0, 1], 1).into(), id: Id::new(1) };
        let sent_for = |purpose, copies| Pending {
            to: Peer { place, incarnation: Incarnation::UNKNOWN },
            purpose,
            started: Instant::from_millis(1000),
            sent: 1,
            copies,
            tries: 3,
            timeout: Duration::from_millis(150),
            proven_again: false,
            datagram: Vec::new(),
        };
        let at = Instant::from_millis;
        let pending = |copies| sent_for(Purpose::Probe(Probe::Seed), copies);
        assert_eq!(pending(1).round_trip(at(1007)), Some(Duration::from_millis(7)));
        assert_eq!(pending(2).round_trip(at(1007)), None, "which of the two was answered?");
        assert_eq!(pending(1).round_trip(at(1900)), None, "the timer would have come before it");
        let (suspect, since, role) = (pending(1).to, at(1000), Role::Head);
        let indirect = sent_for(Purpose::Indirect { suspect, since, role }, 1);
        assert_eq!(indirect.round_trip(at(1140)), None, "that long it waited for another");
    }
}
