//! The way to a place on the ring.
//!
//! A joiner finds its predecessor, pulls what its place asks for, and only then shows itself to its successor.
//!
//! From then on it is a member like any other: it consents from the start, and drops who is silent. Were it to wait for
//! a neighbour's first consent before it gave its own, or to start over where it would have to drop one, that would
//! keep no two nodes from answering for one key: it hangs on the pledges of the members on either side of a row of
//! joiners. It would only make two joiners side by side wait for each other.

use super::Node;
use super::life::Life;
use super::lookup::{Found, LookupFor};
use super::pending::{Probe, Purpose};
use super::pull::{PullFor, Standing};
use super::rights::Consent;
use super::seek::{Hitch, Search};
use super::timers::Timer;
use crate::config::Rule;
use crate::id::Arc;
use crate::wire::{Incarnation, Peer, Request};

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
    /// One of the two awaits others.
    awaiting: bool,
}

/// How far a node is with finding its place.
#[derive(Debug, Default)]
pub(super) struct Joining {
    /// A lookup of the own id is under way.
    walking: bool,
    place: Option<Place>,
    /// A member that was met: the next try begins there.
    contact: Option<Peer>,
    contact_failures: u8,
    /// What is known of why there is no place yet.
    pub search: Search,
}

impl Joining {
    /// True while a try to join is under way.
    pub const fn is_under_way(&self) -> bool {
        self.walking || self.place.is_some()
    }

    /// True while a member is known to begin at.
    pub const fn has_contact(&self) -> bool {
        self.contact.is_some()
    }
}

impl Node {
    /// True if the node has a place on a ring, neighbours or the whole of it, and did not say good-bye.
    pub fn is_member(&self) -> bool {
        self.has_joined() && !self.has_parted() && (!self.seeks_ring() || self.rights.alone_until.is_some())
    }

    /// True if the node had a place and did not give it up. One that lost all its neighbours has no place until it
    /// finds itself alone, or joins again: it must not take whoever comes first for its neighbour.
    pub(super) const fn has_joined(&self) -> bool {
        self.birth.member
    }

    pub(super) fn enter_rounds(&mut self) {
        self.timers.cancel(Timer::Found);
        self.timers.cancel(Timer::Founder);
        let at = self.now.at;
        let first = self.jitter(1, 100);
        self.timers.set(Timer::Round, at + first);
        self.timers.set_earlier(Timer::Recover, at + first * 20);
        self.timers.set_earlier(Timer::Fingers, at + first * 10);
        self.timers.set_earlier(Timer::Strays, at + first * 20);
        self.collect_later();
        self.reunite_later();
    }

    /// True while the node looks for a ring: it has no place, or is alone, or slept while it was.
    pub(super) fn seeks_ring(&self) -> bool {
        !self.birth.member || (self.predecessor.is_none() && self.successors.head().is_none())
    }

    /// A member of a ring was met by a node that looks for one.
    pub(super) fn meet_ring(&mut self, member: Peer) {
        if self.seeks_ring() && !self.joining.is_under_way() {
            self.joining.contact = Some(member);
            self.joining.contact_failures = 0;
            self.walk_to_place();
        }
    }

    /// The next try.
    pub(super) fn join_again(&mut self) {
        if self.is_guest() {
            return self.seek_contacts();
        }
        if !self.seeks_ring() || self.joining.is_under_way() {
            return;
        }
        if self.joining.contact.is_some() {
            self.walk_to_place();
        } else if self.birth.seeds_given || self.recalls() {
            self.want_seeds();
        } else {
            for peer in self.remembered.peers() {
                self.ask_stranger(peer.addr(), Request::Ping, Purpose::Probe(Probe::Seed));
            }
            let pause = self.jitter(3000, 4000);
            self.timers.set(Timer::Join, self.now.at + pause);
        }
    }

    /// Looks up the own id, from the member that was met last.
    fn walk_to_place(&mut self) {
        if let Some(contact) = self.joining.contact {
            self.joining.walking = true;
            self.start_lookup_from(self.me.id(), LookupFor::Join, Some(contact), &[]);
        }
    }

    /// The lookup of the own id ended at the predecessor-to-be, or nowhere.
    pub(super) fn join_found(&mut self, found: Option<Found>) {
        self.joining.walking = false;
        if !self.seeks_ring() {
            return;
        }
        let me = self.me.id();
        let Some(found) = found else {
            self.joining.contact_failures += 1;
            if let Some(contact) = self.joining.contact {
                self.joining.search.stopped(self.now.at, Hitch::Lost(contact.addr()));
            }
            return self.join_retry();
        };
        let (predecessor, successor) = (found.predecessor, found.owner);
        if predecessor.id() == me || successor.id() == me {
            // Perhaps by an earlier life of this node, until its neighbours notice.
            let holder = if predecessor.id() == me { predecessor } else { successor };
            self.joining.search.stopped(self.now.at, Hitch::Taken(holder));
            return self.join_retry();
        }
        self.joining.contact = Some(predecessor);
        self.joining.contact_failures = 0;
        self.birth.member_heard = Some(self.now.at);
        let arc = Arc::new(predecessor.id(), successor.id());
        let waiting = if predecessor == successor { 1 } else { 2 };
        self.joining.place = Some(Place { predecessor, successor, waiting, awaiting: false });
        let part = |part| PullFor::Join(part);
        let begun = self.start_pull(predecessor, arc, part(JoinPart::FromPredecessor))
            && (waiting == 1 || self.start_pull(successor, arc, part(JoinPart::FromSuccessor)));
        if !begun {
            self.join_retry();
        }
    }

    /// A transfer has ended.
    pub(super) fn join_pulled(&mut self, part: JoinPart, arc: Arc, standing: Standing) {
        let Some(place) = self.joining.place.clone() else { return };
        if !self.seeks_ring() {
            // It was alone, and a joiner came to it meanwhile.
            self.joining.place = None;
            return self.pulls.abandon(|purpose| matches!(purpose, PullFor::Join(_)));
        }
        if self.config.keeps(Rule::PullBeforeJoin) {
            self.terms.raise(arc, standing.term);
        }
        let (predecessor, successor) = (place.predecessor, place.successor);
        // A node joins only between two that are linked both ways.
        let head = standing.successors.first().copied();
        let linked = match part {
            _ if predecessor == successor => head.is_none_or(|head| head.id() == self.me.id()),
            JoinPart::FromSuccessor => standing.predecessor == Some(predecessor),
            JoinPart::FromPredecessor | JoinPart::ArcBefore => head == Some(successor),
        };
        // Who may be cut off must not grow into a ring of its own.
        if (!linked && self.config.keeps(Rule::LinkedBothWays)) || standing.silent {
            if standing.silent {
                let by = if part == JoinPart::FromSuccessor { successor } else { predecessor };
                self.joining.search.stopped(self.now.at, Hitch::CutOff(by.addr()));
                self.joining.place = None;
            }
            return self.join_retry();
        }
        let awaiting = place.awaiting || standing.awaiting;
        let place = Place { awaiting, ..place };
        self.joining.place = Some(place.clone());
        let before = standing.predecessor.filter(|_| part == JoinPart::FromPredecessor && predecessor != successor);
        if let Some(before) = before {
            let arc = Arc::new(before.id(), predecessor.id());
            if !self.start_pull(predecessor, arc, PullFor::Join(JoinPart::ArcBefore)) {
                self.join_retry();
            }
            return;
        }
        let waiting = place.waiting - 1;
        self.joining.place = Some(Place { waiting, ..place });
        if waiting == 0 {
            if awaiting {
                self.await_beside();
            }
            self.enter(predecessor, successor, &standing);
        }
    }

    fn enter(&mut self, predecessor: Peer, successor: Peer, standing: &Standing) {
        (self.joining.place, self.joining.search) = (None, Search::default());
        self.birth.member = true;
        self.birth.tries = 0;
        self.ring.row.clear();
        self.ring.silent = None;
        self.ring.stood_before = Some(successor.id());
        self.rights.alone_until = None;
        self.rights.of_predecessor = Consent::default();
        self.rights.of_successor = Consent::default();
        let after = standing.successors.iter().copied().filter(|peer| *peer != successor);
        let list = self.successors.cut(core::iter::once(successor).chain(after));
        self.live(Life::Joined { predecessor, successor });
        self.set_neighbours(Some(predecessor), list);
        self.look_for_awaited();
        self.enter_rounds();
        self.stabilise();
    }

    /// The place moved, or someone is silent: again in a moment.
    pub(super) fn join_retry(&mut self) {
        if let Some(Place { predecessor, successor, .. }) = self.joining.place.take() {
            let between = Hitch::Between(predecessor.addr(), successor.addr());
            self.joining.search.stopped(self.now.at, between);
        }
        self.pulls.abandon(|purpose| matches!(purpose, PullFor::Join(_)));
        if self.joining.contact_failures >= CONTACT_FAILURES_MAX {
            self.joining.contact = None;
            self.joining.contact_failures = 0;
            self.joining.search.begins_anew();
        }
        let pause = self.jitter(50, 250);
        self.timers.set(Timer::Join, self.now.at + pause);
    }

    /// The place is given up, and with it all that was said in it, save the pledges that it gave.
    pub(super) fn begin_new_life(&mut self) {
        self.peers.forget_all();
        self.requests.abandon(&mut self.timers, Purpose::is_of_this_life);
        self.counters.repeated += self.pulls.adoptions();
        self.pulls.abandon(|_| true);
        self.collector.now = None;
        self.abandon_transfers();
        self.remembered.forget_question();
        self.ring.forget_review();
        self.rights.established = false;
        self.ring.stood_before = None;
        self.me.incarnation = Incarnation::new(self.rng.next_u64() as u32);
    }
}

/// After so many failed walks the seeds are asked again.
const CONTACT_FAILURES_MAX: u8 = 3;
