//! Meeting a ring that formed apart, or the other turn of a loop: now and then a node looks up its own id through one
//! that is not near (Liben-Nowell, Balakrishnan and Karger, PODC 2002, call it strong stabilisation).
//!
//! On one ring the lookup ends at the node itself. Otherwise its predecessor's place is taken in two ways: whoever owns
//! the id there is offered to stabilise as a candidate. It learns of this node, and takes it for its predecessor if it
//! is closer than its own; from there the two rings close like a zip, one exchange for each tooth.

use super::Node;
use super::command::Event;
use super::lookup::{Found, LookupFor};
use super::pending::{Manner, Probe, Purpose};
use super::timers::Timer;
use crate::wire::{Incarnation, Peer, Request};
use alloc::vec::Vec;
use core::net::SocketAddr;

/// A node that looks for itself.
#[derive(Debug, Default)]
pub(super) struct Reunion {
    /// Through whom the lookup under way began.
    through: Option<Peer>,
    /// The seeds' addresses were asked for, to look through one of them.
    wants_seeds: bool,
}

/// Who may be asked, beside the last of the list.
#[derive(Clone, Copy, Debug)]
enum Contact {
    Finger(Peer),
    Remembered(Peer),
    Seeds,
}

impl Node {
    /// The next look: often enough that rings meet within a minute or two, for a few bytes a second.
    pub(super) fn reunite_later(&mut self) {
        let pause = self.jitter(30_000, 60_000);
        self.timers.set(Timer::Reunion, self.now.at + pause);
    }

    /// Looks up the own id through a node that is not near, if there is one.
    pub(super) fn reunite(&mut self) {
        self.reunite_later();
        if !self.has_firm_place() {
            return;
        }
        if let Some(closer) = self.known_closer() {
            return self.consider(closer);
        }
        let far = |peer: &Peer| !self.is_near(peer.addr());
        let fingers: Vec<Peer> = self.fingers.iter().map(|(_, peer)| peer).filter(far).collect();
        let remembered: Vec<Peer> = self.remembered.peers().into_iter().filter(far).collect();
        // Each kind has the same chance, however many there are of it: fingers lead to this ring, the others perhaps
        // to another.
        let finger = fingers.get(self.rng.index(fingers.len())).map(|peer| Contact::Finger(*peer));
        let once = remembered.get(self.rng.index(remembered.len())).map(|peer| Contact::Remembered(*peer));
        let seeds = self.birth.seeds_given.then_some(Contact::Seeds);
        let kinds: heapless::Vec<Contact, 3> = finger.into_iter().chain(once).chain(seeds).collect();
        match kinds.get(self.rng.index(kinds.len())) {
            Some(Contact::Finger(peer)) => self.look_for_myself(*peer),
            Some(Contact::Remembered(peer)) => {
                let anyone = Peer { incarnation: Incarnation::UNKNOWN, ..*peer };
                let manner = Manner { client: true, ..self.patient() };
                self.ask(anyone, Request::Ping, Purpose::Probe(Probe::Remembered), manner);
            }
            Some(Contact::Seeds) => {
                self.reunion.wants_seeds = true;
                self.emit(Event::SeedsWanted { tries: None });
            }
            None => self.look_from_afar(),
        }
    }

    /// The nearest known node between this one and its successor. In a loop the list itself may come round to one; on a
    /// ring it is one that died, or a new neighbour that the next exchange would bring.
    fn known_closer(&self) -> Option<Peer> {
        let (me, head) = (self.me.id(), self.successors.head()?.id());
        let known = self.successors.as_slice().iter().copied().chain(self.fingers.iter().map(|(_, peer)| peer));
        known.filter(|peer| peer.id().is_between(me, head)).min_by_key(|peer| me.distance_to(peer.id()))
    }

    /// The addresses of the seeds, for a node that has its place: they are what rings that formed apart have in common.
    pub(super) fn reunite_through(&mut self, seeds: &[SocketAddr]) {
        if !core::mem::take(&mut self.reunion.wants_seeds) {
            return;
        }
        let far: Vec<SocketAddr> = seeds.iter().copied().filter(|addr| !self.is_near(*addr)).collect();
        match far.get(self.rng.index(far.len())) {
            Some(seed) => {
                self.ask_stranger(*seed, Request::Ping, Purpose::Probe(Probe::Seed));
            }
            None => self.look_from_afar(),
        }
    }

    /// Nobody else is known: the last of the list is the farthest. In a loop it may stand just before the other turn.
    fn look_from_afar(&mut self) {
        let last = self.successors.as_slice().last().copied();
        if let Some(last) = last.filter(|last| Some(*last) != self.predecessor) {
            self.look_for_myself(last);
        }
    }

    /// Looks up the own id from a member on; the predecessor itself confirms it. Only one such lookup is under way.
    pub(super) fn look_for_myself(&mut self, through: Peer) {
        if self.reunion.through.is_none() && self.has_firm_place() {
            self.reunion.through = Some(through);
            self.start_lookup_from(self.me.id(), LookupFor::Myself, Some(through), &[]);
        }
    }

    /// The lookup of the own id has ended.
    pub(super) fn myself_found(&mut self, found: Option<Found>) {
        let through = self.reunion.through.take();
        let Some(found) = found.filter(|_| self.has_firm_place()) else { return };
        if let Some(through) = through {
            self.remembered.remove(&through);
        }
        if found.owner.id() != self.me.id() {
            self.consider(found.owner);
        }
    }

    /// Puts the node between these, and lets it forget all others: for simulations of what it cannot get into
    /// by itself.
    #[cfg(feature = "std")]
    pub(crate) fn put_between(&mut self, predecessor: Peer, successors: &[Peer]) {
        self.remembered = super::recover::Remembered::default();
        self.fingers = crate::routing::Fingers::new(self.me.id());
        (self.predecessor, self.successors) = (Some(predecessor), self.successors.cut(successors.iter().copied()));
        self.rights.lose_consents(self.now.at);
        self.counters.ring_changes += 1;
    }

    /// Ends what it pledged to its successor: for simulations of one that comes from another ring.
    #[cfg(feature = "std")]
    pub(crate) const fn forget_pledge_to_successor(&mut self) {
        self.rights.pledge_successor = None;
    }

    /// True for a neighbour, and for this node itself.
    pub(super) fn is_near(&self, addr: SocketAddr) -> bool {
        let list = self.successors.as_slice().iter();
        addr == self.me.addr() || list.chain(&self.predecessor).any(|peer| peer.addr() == addr)
    }

    /// True for a node with neighbours that had their consent and does not leave: whoever is about to join, or alone,
    /// finds a ring in another way. Where others are awaited nobody consents yet.
    fn has_firm_place(&self) -> bool {
        let had = (self.rights.of_predecessor.had && self.rights.of_successor.had) || self.awaiting.is_some();
        had && self.is_member() && !self.seeks_ring() && self.leaving.is_none()
    }
}
