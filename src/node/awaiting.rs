//! Coming back: a node that was started again with what it had saved does not know whether its ring went on without it.
//!
//! It joins like any other, or raises the ring together with others that wait as well, and awaits those who stood
//! beside it. Until it has seen them on its ring it answers for nothing and consents to nobody; nor does one that joins
//! beside it. What ends that is to see them all, or two neighbours of which neither awaits anybody: then the ring is
//! whole without them, and has taken this node in.
//!
//! Why that is enough: suppose that of the last group of a key nobody has come back. Whoever stood beside that group is
//! awaiting one of it, and so on either side of the gap stands one that consents to nobody: nobody in the gap speaks.

use super::Node;
use super::life::Life;
use super::lookup::{Found, LookupFor};
use super::pending::{Manner, Probe, Purpose};
use super::record::Neighbourhood;
use super::stabilise::Beside;
use super::timers::Timer;
use crate::config::Rule;
use crate::wire::{Awaits, Peer, Place, Request};
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;

/// Whom a node awaits.
#[derive(Debug)]
pub(super) struct Awaiting {
    /// Those who stood beside it and were not seen yet.
    missing: Neighbourhood,
    /// All who stood beside it; none if it has only joined beside one that awaits others.
    beside: Neighbourhood,
    /// Others that it knew, who may know its ring.
    others: Vec<SocketAddr>,
}

impl Awaiting {
    /// True if it awaits those who stood beside it before it was started.
    pub fn is_of_before(&self) -> bool {
        !self.beside.is_empty()
    }

    /// True if one stood beside it: one who comes back keeps its place, but may have another address.
    pub fn stood_beside(&self, other: &Place) -> bool {
        self.beside.iter().any(|place| place.id == other.id)
    }
}

impl Node {
    /// The node comes back to what it had saved.
    pub(super) fn await_former(&mut self, beside: Neighbourhood, others: &[SocketAddr]) {
        if !beside.is_empty() {
            let others = others.to_vec();
            self.awaiting = Some(alloc::boxed::Box::new(Awaiting { missing: beside.clone(), beside, others }));
            if let Some(pause) = self.config.reopen_after {
                self.timers.set(Timer::Reopen, self.now.at + pause);
            }
        }
    }

    /// It joins beside one that awaits others.
    pub(super) fn await_beside(&mut self) {
        if self.awaiting.is_none() {
            let (missing, beside) = (Neighbourhood::new(), Neighbourhood::new());
            self.awaiting = Some(alloc::boxed::Box::new(Awaiting { missing, beside, others: Vec::new() }));
        }
    }

    /// True for a node that comes back and has not found its ring whole yet.
    pub(super) fn recalls(&self) -> bool {
        self.awaiting.as_ref().is_some_and(|awaiting| awaiting.is_of_before())
    }

    /// One whom it awaits.
    pub(super) fn awaited(&self) -> Option<SocketAddr> {
        self.missing_nodes().next()
    }

    /// Those who stood beside it before it was started, and have yet to be found.
    pub fn missing_nodes(&self) -> impl Iterator<Item = SocketAddr> {
        self.awaiting.iter().flat_map(|awaiting| &awaiting.missing).map(|place| place.addr)
    }

    /// The way back to the ring: everyone whom it knew is asked.
    pub(super) fn ask_former(&mut self) {
        let Some(awaiting) = &self.awaiting else { return };
        let me = self.me.addr();
        let all: Vec<SocketAddr> =
            awaiting.beside.iter().map(|place| place.addr).chain(awaiting.others.iter().copied()).collect();
        for addr in all.into_iter().filter(|addr| *addr != me) {
            self.ask_stranger(addr, Request::Ping, Purpose::Probe(Probe::Seed));
        }
    }

    /// What a neighbour is told. A node that was started again, or has joined beside such, tells on what its other
    /// neighbour says; but one that was started again only if the ring has gone on without it: else what lies behind it
    /// may be just what is missing.
    pub(super) fn tells_awaits(&self, to: Beside, peer: &Peer) -> Awaits {
        let from = match to {
            Beside::Successor => Beside::Predecessor,
            Beside::Predecessor => Beside::Successor,
        };
        let told = self.ring.awaits[from as usize];
        match &self.awaiting {
            None if self.beside.is_empty() || self.beside.iter().any(|place| place.id == peer.id()) => Awaits::Nobody,
            None => Awaits::NobodyAndNew,
            Some(awaiting) if told == Some(Awaits::Nobody) && !awaiting.is_of_before() => Awaits::Nobody,
            Some(_) if told == Some(Awaits::NobodyAndNew) => Awaits::Nobody,
            Some(_) => Awaits::Others,
        }
    }

    /// A neighbour tells whether it awaits others. If neither does, this node is as good as a joiner between them.
    pub(super) fn told_awaits(&mut self, by: Beside, awaits: Awaits) {
        let news = self.ring.awaits[by as usize].replace(awaits) != Some(awaits);
        if self.awaiting.is_none() {
            return;
        }
        if self.ring.awaits.iter().all(|told| told.is_some_and(|told| told != Awaits::Others)) {
            self.awaits_no_more(Life::Whole);
        } else if news {
            self.tell_beside();
        }
    }

    /// Both neighbours are told at once.
    fn tell_beside(&mut self) {
        self.stabilise_soon(Duration::ZERO);
        self.timers.set_earlier(Timer::TellList, self.now.at);
    }

    /// Looks for those whom it awaits, on the ring that it stands on itself.
    pub(super) fn look_for_awaited(&mut self) {
        let Some(awaiting) = self.awaiting.as_ref().filter(|_| self.has_joined()) else { return };
        if !self.config.keeps(Rule::AwaitFormerNeighbours) {
            return self.awaits_no_more(Life::Whole);
        }
        let missing = if self.is_member() { awaiting.missing.clone() } else { Neighbourhood::new() };
        for place in missing {
            self.start_lookup(place.id, LookupFor::Awaited(place));
            // It may stand on another ring, which was raised beside this one: then the two meet.
            self.ask_stranger(place.addr, Request::Ping, Purpose::Probe(Probe::Seed));
        }
        let pause = self.jitter(600, 900);
        self.timers.set(Timer::Awaited, self.now.at + pause);
    }

    /// The lookup of one of them ended: if it found that one, it may still have died since.
    pub(super) fn awaited_found(&mut self, place: Place, found: Option<Found>) {
        let owner = found.map(|found| found.owner).filter(|owner| owner.id() == place.id);
        if let Some(owner) = owner.filter(|_| self.awaiting.is_some()) {
            let manner = Manner { tries: 1, ..self.patient() };
            self.ask(owner, Request::Ping, Purpose::Awaited, manner);
        }
    }

    /// One of them lives, and stands on our ring.
    pub(super) fn awaited_answered(&mut self, from: Peer) {
        let Some(awaiting) = self.awaiting.as_mut() else { return };
        awaiting.missing.retain(|place| place.id != from.id());
        if awaiting.is_of_before() && awaiting.missing.is_empty() {
            self.awaits_no_more(Life::Whole);
        }
    }

    pub(super) fn awaits_no_more(&mut self, why: Life) {
        if self.awaiting.take().is_some() {
            self.timers.cancel(Timer::Awaited);
            self.live(why);
            self.tell_beside();
        }
    }
}
