//! Birth, and the way to a place on the ring.
//!
//! A node without seeds creates a ring at once. A node with seeds never does, but tries them for ever; only one that is
//! its own seed creates the ring when no other seed turns out to be on one. A joiner finds its predecessor, pulls what
//! its place asks for, and only then shows itself to its successor. Until it has had the consent of both neighbours it
//! starts over, as a new incarnation, when it would have to drop one of them.

use super::Node;
use super::command::{Event, Life};
use super::consent::Consent;
use super::lookup::{Found, LookupFor};
use super::pending::{Probe, Purpose};
use super::pull::{PullFor, Standing};
use super::timers::Timer;
use crate::id::Arc;
use crate::time::Instant;
use crate::wire::{Incarnation, Peer, Request};
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;

/// Which of the transfers of a joiner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum JoinPart {
    /// The arc that will be split, from the successor-to-be.
    FromSuccessor,
    /// The same from the predecessor-to-be.
    FromPredecessor,
    /// The arc before it, of which the joiner will hold copies.
    ArcBefore,
}

/// The place that a joiner has found.
#[derive(Clone, Debug)]
struct Place {
    predecessor: Peer,
    successor: Peer,
    waiting: u8,
}

/// How far a node is with finding its place.
#[derive(Debug)]
pub(super) struct Birth {
    seeds_given: bool,
    member: bool,
    tries: u32,
    /// A lookup of the own id is under way.
    walking: bool,
    place: Option<Place>,
    /// A member that was met: the next try begins there.
    contact: Option<Peer>,
    contact_failures: u8,
    /// It is one of its own seeds.
    founder: bool,
    /// There are seeds beside itself.
    other_seeds: bool,
    /// When a seed with a lower id was heard that will create the ring instead.
    lower_founder: Option<Instant>,
    /// When the seeds were asked last, and since when a founder waits for a round of it to end before it creates the
    /// ring.
    asked: Option<Instant>,
    last_round: Option<Instant>,
    /// When a node on a ring was heard: there is one, however long it takes to join it.
    member_heard: Option<Instant>,
}

impl Birth {
    /// Before the first try.
    pub const fn new(seeds_given: bool) -> Self {
        Self {
            seeds_given,
            member: false,
            tries: 0,
            walking: false,
            place: None,
            contact: None,
            contact_failures: 0,
            founder: false,
            other_seeds: false,
            lower_founder: None,
            asked: None,
            last_round: None,
            member_heard: None,
        }
    }

    /// True for a node that has seeds other than itself.
    pub const fn has_other_seeds(&self) -> bool {
        self.other_seeds
    }

    /// True for a node that is one of its own seeds.
    pub const fn is_founder(&self) -> bool {
        self.founder
    }
}

impl Node {
    /// True if the node has a place on a ring: neighbours, or the whole of it.
    pub fn is_member(&self) -> bool {
        self.has_joined() && (!self.seeks_ring() || self.rights.alone_until.is_some())
    }

    /// True if the node had a place and did not give it up. One that lost all its neighbours has no place until it finds
    /// itself alone, or joins again: it must not take whoever comes first for its neighbour.
    pub(super) const fn has_joined(&self) -> bool {
        self.birth.member
    }

    /// The first thing a node does.
    pub(super) fn begin_life(&mut self) {
        if self.birth.seeds_given {
            self.want_seeds();
        } else {
            self.create_ring();
        }
    }

    fn create_ring(&mut self) {
        self.live(Life::Created);
        self.become_alone();
        self.enter_rounds();
    }

    /// From now on this node is the whole ring.
    pub(super) fn become_alone(&mut self) {
        self.birth.member = true;
        self.rights.alone_until = Some(self.now.at + self.config.consent);
        self.rights.slept = false;
        self.rights.of_predecessor.had = true;
        self.rights.of_successor.had = true;
        self.settle();
    }

    fn enter_rounds(&mut self) {
        self.timers.cancel(Timer::Found);
        let at = self.now.at;
        let first = self.jitter(1, 100);
        self.timers.set(Timer::Round, at + first);
        self.timers.set_earlier(Timer::Recover, at + first * 20);
        self.timers.set_earlier(Timer::Fingers, at + first * 10);
        self.timers.set_earlier(Timer::Strays, at + first * 20);
    }

    /// True while the node looks for a ring: it has no place, or is alone, or slept while it was.
    pub(super) fn seeks_ring(&self) -> bool {
        !self.birth.member || (self.predecessor.is_none() && self.successors.head().is_none())
    }

    fn want_seeds(&mut self) {
        self.emit(Event::SeedsWanted { tries: self.birth.tries });
        self.birth.tries = self.birth.tries.saturating_add(1);
        // 1, 1.5, 2.25 ... 15 s.
        let pause = SEEDS_PAUSE_MIN * 3u32.pow(self.birth.tries.min(7) - 1) / 2u32.pow(self.birth.tries.min(7) - 1);
        let jitter = self.jitter(0, 200);
        self.timers.set(Timer::Join, self.now.at + pause.min(SEEDS_PAUSE_MAX) + jitter);
    }

    /// The addresses of the seeds.
    pub(super) fn try_seeds(&mut self, addrs: &[SocketAddr]) {
        if !self.seeks_ring() {
            return;
        }
        let others: Vec<SocketAddr> = addrs.iter().copied().filter(|addr| *addr != self.me.addr()).collect();
        self.birth.other_seeds |= !others.is_empty();
        if others.len() < addrs.len() {
            self.is_own_seed();
            if others.is_empty() && !self.birth.member {
                return self.create_ring();
            }
        }
        self.birth.asked = Some(self.now.at);
        for addr in others.into_iter().take(SEEDS_MAX) {
            self.ask_stranger(addr, Request::Ping, Purpose::Probe(Probe::Seed));
        }
    }

    fn is_own_seed(&mut self) {
        if !self.birth.founder {
            self.birth.founder = true;
            if !self.birth.member {
                self.timers.set(Timer::Found, self.now.at + self.config.found_after.saturating_sub(SEEDS_ROUND));
            }
        }
    }

    /// A seed is alive.
    pub(super) fn seed_answered(&mut self, seed: Peer, member: bool, founder: bool) {
        if seed == self.me {
            self.is_own_seed();
        } else if member {
            self.birth.member_heard = Some(self.now.at);
            self.meet_ring(seed);
        } else {
            if founder && seed.id() < self.me.id() {
                self.birth.lower_founder = Some(self.now.at);
            }
            if self.rights.slept {
                self.remembered.add(self.now.at, seed);
            }
        }
    }

    /// A member of a ring was met by a node that looks for one.
    pub(super) fn meet_ring(&mut self, member: Peer) {
        if self.seeks_ring() && !self.birth.walking && self.birth.place.is_none() {
            self.birth.contact = Some(member);
            self.birth.contact_failures = 0;
            self.walk_to_place();
        }
    }

    /// A node that is its own seed has waited long enough for the others: one more round of questions, and if nobody is
    /// on a ring by then, it creates one.
    pub(super) fn found_ring(&mut self) {
        if self.birth.member {
            return;
        }
        let now = self.now.at;
        let recent = |heard: Option<Instant>, time| heard.is_some_and(|at| now.since(at) < time);
        let deferring = recent(self.birth.lower_founder, self.config.found_after);
        if deferring || recent(self.birth.member_heard, RING_LOST) || self.birth.walking || self.birth.place.is_some() {
            self.birth.last_round = None;
            return self.timers.set(Timer::Found, now + Duration::from_secs(1));
        }
        let Some(begun) = self.birth.last_round else {
            self.birth.last_round = Some(now);
            self.want_seeds();
            return self.timers.set(Timer::Found, now + SEEDS_ROUND);
        };
        let ended = self.birth.asked.is_some_and(|at| at >= begun && now.since(at) >= SEEDS_ROUND);
        if ended {
            self.create_ring();
        } else {
            // Their names are being resolved.
            self.timers.set(Timer::Found, now + SEEDS_ROUND / 4);
        }
    }

    /// The next try.
    pub(super) fn join_again(&mut self) {
        if !self.seeks_ring() || self.birth.walking || self.birth.place.is_some() {
            return;
        }
        if self.birth.contact.is_some() {
            self.walk_to_place();
        } else if self.birth.seeds_given {
            self.want_seeds();
        }
    }

    fn walk_to_place(&mut self) {
        if let Some(contact) = self.birth.contact {
            self.birth.walking = true;
            self.start_lookup_from(self.me.id(), LookupFor::Join, Some(contact), &[]);
        }
    }

    /// The lookup of the own id ended at the predecessor-to-be, or nowhere.
    pub(super) fn join_found(&mut self, found: Option<Found>) {
        self.birth.walking = false;
        if !self.seeks_ring() {
            return;
        }
        let me = self.me.id();
        let Some(found) = found else {
            self.birth.contact_failures += 1;
            return self.join_retry();
        };
        let (predecessor, successor) = (found.predecessor, found.owner);
        if predecessor.id() == me || successor.id() == me {
            // The place is still held by an earlier life of this node, until its neighbours notice.
            return self.join_retry();
        }
        self.birth.contact = Some(predecessor);
        self.birth.contact_failures = 0;
        self.birth.member_heard = Some(self.now.at);
        let arc = Arc::new(predecessor.id(), successor.id());
        let waiting = if predecessor == successor { 1 } else { 2 };
        self.birth.place = Some(Place { predecessor, successor, waiting });
        let part = |part| PullFor::Join(part);
        let begun = self.start_pull(predecessor, arc, part(JoinPart::FromPredecessor))
            && (waiting == 1 || self.start_pull(successor, arc, part(JoinPart::FromSuccessor)));
        if !begun {
            self.join_retry();
        }
    }

    /// A transfer has ended.
    pub(super) fn join_pulled(&mut self, part: JoinPart, arc: Arc, standing: Standing) {
        let Some(place) = self.birth.place.clone() else { return };
        self.terms.raise(arc, standing.term);
        let (predecessor, successor) = (place.predecessor, place.successor);
        // A node joins only between two that are linked both ways.
        let head = standing.successors.first().copied();
        let linked = match part {
            _ if predecessor == successor => head.is_none_or(|head| head.id() == self.me.id()),
            JoinPart::FromSuccessor => standing.predecessor == Some(predecessor),
            JoinPart::FromPredecessor | JoinPart::ArcBefore => head == Some(successor),
        };
        // Who may be cut off must not grow into a ring of its own.
        if !linked || standing.silent {
            return self.join_retry();
        }
        let before = standing.predecessor.filter(|_| part == JoinPart::FromPredecessor && predecessor != successor);
        if let Some(before) = before {
            let arc = Arc::new(before.id(), predecessor.id());
            if !self.start_pull(predecessor, arc, PullFor::Join(JoinPart::ArcBefore)) {
                self.join_retry();
            }
            return;
        }
        let waiting = place.waiting - 1;
        self.birth.place = Some(Place { waiting, ..place });
        if waiting == 0 {
            self.enter(predecessor, successor, &standing);
        }
    }

    fn enter(&mut self, predecessor: Peer, successor: Peer, standing: &Standing) {
        self.birth.place = None;
        self.birth.member = true;
        self.birth.tries = 0;
        self.ring.row.clear();
        self.ring.silent = None;
        self.rights.alone_until = None;
        self.rights.of_predecessor = Consent::default();
        self.rights.of_successor = Consent::default();
        let after = standing.successors.iter().copied().filter(|peer| *peer != successor);
        let list = self.successors.cut(core::iter::once(successor).chain(after));
        self.live(Life::Joined { predecessor, successor });
        self.set_neighbours(Some(predecessor), list);
        self.enter_rounds();
        let watch = self.jitter(3000, 6000);
        self.timers.set(Timer::JoinWatch, self.now.at + watch);
        self.stabilise();
    }

    /// The place moved, or someone is silent: again in a moment.
    pub(super) fn join_retry(&mut self) {
        self.birth.place = None;
        self.pulls.abandon(|purpose| matches!(purpose, PullFor::Join(_)));
        if self.birth.contact_failures >= CONTACT_FAILURES_MAX {
            self.birth.contact = None;
            self.birth.contact_failures = 0;
        }
        let pause = self.jitter(50, 250);
        self.timers.set(Timer::Join, self.now.at + pause);
    }

    /// A joiner that has not had both consents in time starts over.
    pub(super) fn join_watch(&mut self) {
        self.join_over();
    }

    /// Gives the place up and joins again, if the node has not had both consents yet. Tells whether it did.
    pub(super) fn join_over(&mut self) -> bool {
        let had_both = self.rights.of_predecessor.had && self.rights.of_successor.had;
        if had_both || !self.birth.member || self.rights.alone_until.is_some() {
            return false;
        }
        self.counters.join_overs += 1;
        self.live(Life::JoinOver);
        let empty = self.successors.cut([]);
        self.set_neighbours(None, empty);
        self.birth.member = false;
        self.rights.of_predecessor = Consent::default();
        self.rights.of_successor = Consent::default();
        self.ring = super::suspect::Suspicions::default();
        self.begin_new_life();
        for timer in [Timer::Round, Timer::Stabilise, Timer::JoinWatch, Timer::Settle] {
            self.timers.cancel(timer);
        }
        let pause = self.jitter(100, 500);
        self.timers.set(Timer::Join, self.now.at + pause);
        true
    }

    /// The place is given up, and with it all that was said in it, save the pledges that it gave.
    pub(super) fn begin_new_life(&mut self) {
        self.peers.forget_all();
        self.requests.abandon(&mut self.timers, Purpose::is_of_this_life);
        self.pulls.abandon(|_| true);
        self.me.incarnation = Incarnation::new(self.rng.next_u64() as u32);
    }
}

/// The pause between two tries of the seeds: the first, and the longest.
const SEEDS_PAUSE_MIN: Duration = Duration::from_secs(1);
const SEEDS_PAUSE_MAX: Duration = Duration::from_secs(15);

/// By then every seed that was asked has answered, or not answered three times.
const SEEDS_ROUND: Duration = Duration::from_millis(1200);

/// A node that is its own seed creates a ring in place of one that was not heard of for so long. The seeds are tried
/// several times meanwhile.
const RING_LOST: Duration = Duration::from_secs(60);

/// Addresses tried at one time, however many the names stand for.
const SEEDS_MAX: usize = 32;

/// After so many failed walks the seeds are asked again.
const CONTACT_FAILURES_MAX: u8 = 3;
