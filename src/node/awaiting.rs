//! Coming back: a node that was started again with what it had saved does not know whether its ring went on without it.
//!
//! It joins like any other, or raises the ring together with others that wait as well, and awaits those who stood
//! beside it. Until it has seen them on its ring it answers for nothing and consents to nobody; nor does one that joins
//! beside it. What ends that is to see them all, or that both neighbours stand on a ring that is whole without them
//! and has taken this node in.
//!
//! One of the two must know that: it has settled since it was started, or stands beside one that has. Nodes that left
//! long ago, and come back with the rest, have soon seen whom they await, and know nothing of those who came after
//! them. But if one of them had spoken for this node's place later than this node itself, the ring went on without it
//! then, and it need not know more than a joiner.
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
use alloc::boxed::Box;
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
    /// The term that it spoke for its own place under before it was started.
    spoke_under: u64,
    /// Another has spoken for that place since: the ring has gone on without this node, which is like a joiner.
    superseded: bool,
}

impl Awaiting {
    fn new(beside: Neighbourhood, others: &[SocketAddr], spoke_under: u64) -> Self {
        Self { missing: beside.clone(), beside, others: others.to_vec(), spoke_under, superseded: false }
    }

    /// A neighbour names a term that this node's place was spoken for under.
    fn compare(&mut self, term: u64) {
        self.superseded |= term > self.spoke_under;
    }

    /// True if what it knows of before says nothing of the ring: it joins, or its place was taken.
    fn is_like_a_joiner(&self) -> bool {
        self.superseded || !self.is_of_before()
    }

    /// True if the neighbours have told that the ring is whole without those whom it awaits. That both are unsure is
    /// enough for a joiner only.
    fn is_over(&self, told: [Option<Awaits>; 2]) -> bool {
        let sure = |told: &Option<Awaits>| matches!(told, Some(Awaits::Nobody | Awaits::NobodyAndNew));
        told.iter().all(|told| told.is_some_and(|told| told != Awaits::Others))
            && (self.is_like_a_joiner() || told.iter().any(sure))
    }

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
            self.awaiting = Some(Box::new(Awaiting::new(beside, others, self.spoke_under.at(self.me.id()))));
            if let Some(pause) = self.config.reopen_after {
                self.timers.set(Timer::Reopen, self.now.at + pause);
            }
        }
    }

    /// It joins beside one that awaits others.
    pub(super) fn await_beside(&mut self) {
        if self.awaiting.is_none() {
            self.awaiting = Some(Box::new(Awaiting::new(Neighbourhood::new(), &[], 0)));
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

    /// What a neighbour is told. A node that has yet to settle, or waits as a joiner does, tells on what its other
    /// neighbour says; one that awaits others only that the ring has gone on without it: else what lies behind it may
    /// be just what is missing.
    pub(super) fn tells_awaits(&self, to: Beside, peer: &Peer) -> Awaits {
        use Awaits::{Nobody, NobodyAndNew, Others, Unsure};
        let from = match to {
            Beside::Successor => Beside::Predecessor,
            Beside::Predecessor => Beside::Successor,
        };
        let told = self.ring.awaits[from as usize];
        match &self.awaiting {
            None if self.is_witness() => self.witness(to, peer),
            None if matches!(told, Some(Nobody | NobodyAndNew)) => Nobody,
            None => self.unsure(to, peer),
            Some(_) if told == Some(NobodyAndNew) => Nobody,
            Some(awaiting) if awaiting.is_like_a_joiner() => match told {
                Some(Nobody) => Nobody,
                Some(Unsure { .. }) => self.unsure(to, peer),
                _ => Others,
            },
            Some(_) => Others,
        }
    }

    /// True if it knows of itself that the ring is whole, or its operator does.
    fn is_witness(&self) -> bool {
        self.is_established() || self.collector.reopened || !self.config.keeps(Rule::WitnessesHaveSettled)
    }

    /// What it knows of itself.
    fn witness(&self, to: Beside, peer: &Peer) -> Awaits {
        if self.was_passed_over(to, peer) && !self.collector.reopened {
            Awaits::Unsure { after: self.me.id(), term: 0 }
        } else if self.beside.is_empty() || self.beside.iter().any(|place| place.id == peer.id()) {
            Awaits::Nobody
        } else {
            Awaits::NobodyAndNew
        }
    }

    /// What it knows of the neighbour's place from before, or has heard from the node on its other side: the owner of
    /// the place may stand behind others that are unsure.
    fn unsure(&self, to: Beside, peer: &Peer) -> Awaits {
        let (id, me) = (peer.id(), self.me.id());
        let (after, term) = self.spoke_under.since(id);
        match self.ring.awaits[Beside::Successor as usize] {
            Some(Awaits::Unsure { after: farther, term: higher })
                if to == Beside::Predecessor && higher > term && id.is_between(farther, me) =>
            {
                Awaits::Unsure { after: farther, term: higher }
            }
            _ => Awaits::Unsure { after, term },
        }
    }

    /// True if whoever stood on that side when this node settled last lies between the neighbour and the next that it
    /// has there: the neighbour has gone past that one, which may live.
    fn was_passed_over(&self, side: Beside, neighbour: &Peer) -> bool {
        let (stood, behind) = match side {
            Beside::Predecessor => (self.beside.first(), self.ring.before_predecessor),
            Beside::Successor => {
                let next = self.successors.as_slice().get(1);
                (self.beside.last(), Some(next.map_or(self.me.id(), Peer::id)))
            }
        };
        stood.zip(behind).is_some_and(|(stood, behind)| match side {
            Beside::Predecessor => stood.id.is_between(behind, neighbour.id()),
            Beside::Successor => stood.id.is_between(neighbour.id(), behind),
        })
    }

    /// A neighbour tells whether it awaits others. If neither does, and they can tell, this node is as good as a joiner
    /// between them.
    pub(super) fn told_awaits(&mut self, by: Beside, awaits: Awaits) {
        let news = self.ring.awaits[by as usize].replace(awaits) != Some(awaits);
        let Some(awaiting) = &mut self.awaiting else { return };
        if let Awaits::Unsure { term, .. } = awaits {
            awaiting.compare(term);
        }
        if awaiting.is_over(self.ring.awaits) {
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
            if self.ring.silent.is_none() {
                self.timers.cancel(Timer::Reopen);
            }
            self.live(why);
            self.tell_beside();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Net, addr};
    use super::super::{Config, Identity, Store};
    use super::*;
    use crate::id::Id;

    fn of_before(term: u64) -> Awaiting {
        let place = Place { addr: SocketAddr::from(([192, 0, 2, 1], 4321)), id: Id::new(1) };
        Awaiting::new(core::iter::once(place).collect(), &[], term)
    }

    const UNSURE: Option<Awaits> = Some(Awaits::Unsure { after: Id::new(0), term: 5 });
    const OTHERS: Option<Awaits> = Some(Awaits::Others);

    #[test]
    fn two_that_are_unsure_do_not_free_one_that_comes_back_but_one_that_has_settled_does() {
        let [nobody, new] = [Awaits::Nobody, Awaits::NobodyAndNew].map(Some);
        for sure in [nobody, new] {
            assert!(of_before(5).is_over([sure, sure]));
            assert!(of_before(5).is_over([UNSURE, sure]));
            assert!(!of_before(5).is_over([OTHERS, sure]), "what lies behind the other may be missing");
            assert!(!of_before(5).is_over([sure, None]), "the other has yet to tell");
        }
        assert!(!of_before(5).is_over([UNSURE, UNSURE]));
    }

    #[test]
    fn who_joins_or_was_replaced_is_free_as_soon_as_neither_neighbour_awaits_others() {
        let joiner = Awaiting::new(Neighbourhood::new(), &[], 0);
        let mut replaced = of_before(5);
        replaced.compare(5);
        assert!(!replaced.is_over([UNSURE, UNSURE]), "that was its own term: nobody spoke there after it");
        replaced.compare(6);
        replaced.compare(0);
        for awaiting in [joiner, replaced] {
            assert!(awaiting.is_over([UNSURE, UNSURE]));
            assert!(!awaiting.is_over([OTHERS, UNSURE]));
        }
    }

    #[test]
    fn the_time_to_reopen_ends_when_the_ring_is_found() {
        let mut net = Net::new();
        (1..=3).for_each(|n| net.start(n));
        net.run(20_000);
        let record = net.nodes[&addr(2)].record();
        net.nodes.remove(&addr(2));
        net.run(10_000);
        let config = Config { reopen_after: Some(Duration::from_secs(20)), ..Config::default() };
        let (identity, saved) = (Identity { addr: addr(2), id: None }, (Store::new(1 << 20), Some(record)));
        let node = Node::with_disk(config, identity, true, [2; 32], net.now, saved);
        assert!(node.recalls() && node.timers.is_set(Timer::Reopen));
        net.nodes.insert(addr(2), node);
        net.run(10_000);
        let node = &net.nodes[&addr(2)];
        assert!(node.is_established() && !node.timers.is_set(Timer::Reopen));
    }
}
