//! Finding the successor of an id (Stoica et al., SIGCOMM 2001, section 4.3), iteratively: the asker drives, and those
//! on the way keep no state. One that does not answer at once is not waited for: the next best is asked as well.

use super::Node;
use super::command::{Hop, Ticket};
use super::ends::Ends;
use super::pending::{Manner, Purpose};
use super::speak::Asked;
use super::trail::{NamedBy, Trail};
use crate::id::{Arc, Id};
use crate::limits::{ALTERNATIVES_MAX, LOOKUP_STEPS_MAX};
use crate::time::Instant;
use crate::wire::{Alternatives, Answer, Freshness, Item, Peer, Place, Refusal, Request};
use alloc::boxed::Box;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;

/// What a lookup is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LookupFor {
    /// An operation of a client, which turns to the owner itself.
    Operation {
        /// Whose.
        ticket: Ticket,
        /// Only the predecessor itself may name the owner.
        exact: bool,
    },
    /// A client that wants to know the owner: see [`super::ends`].
    Owner(Ticket),
    /// A place on the ring; the predecessor itself confirms it.
    Join,
    /// This node itself, from a node that may be on another ring; the predecessor itself confirms it.
    Myself,
    /// The finger with this exponent.
    Finger(u8),
    /// The node half-way from the finger with this exponent to the next.
    Half(u8),
    /// An entry that belongs to someone else.
    Stray(Item),
    /// One who stood beside this node before it was started.
    Awaited(Place),
}

/// Where a lookup ended.
#[derive(Clone, Debug)]
pub(super) struct Found {
    /// The node before the owner.
    pub predecessor: Peer,
    /// The owner.
    pub owner: Peer,
    /// The nodes after it.
    pub successors: Alternatives,
    /// What is known of the arc's history.
    pub fresh: Freshness,
    /// The nodes asked.
    pub path: Vec<Hop>,
}

#[derive(Debug)]
pub(super) struct Lookup {
    pub id: Id,
    purpose: LookupFor,
    pub trail: Trail,
    candidates: Vec<(Peer, NamedBy)>,
    /// Those that were asked a moment ago.
    pub open: Vec<Peer>,
    /// Those that did not answer at once, but may still.
    slow: Vec<Peer>,
    /// Who may own the id, once that is known.
    pub ends: Option<Ends>,
    /// Those of a list that came to nothing: another list may name them again.
    pub former: Option<Ends>,
}

/// The lookups under way.
#[derive(Debug, Default)]
pub(super) struct Lookups {
    pub table: BTreeMap<u64, Box<Lookup>>,
    /// Who did not answer at once of late, and when that was seen.
    silent: VecDeque<(SocketAddr, Instant)>,
}

impl Lookups {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// True if this one did not answer at once a moment ago: others are better to ask.
    pub fn avoids(&self, now: Instant, peer: &Peer) -> bool {
        self.silent.iter().any(|(addr, at)| *addr == peer.addr() && now.since(*at) < AVOIDED)
    }

    fn note_silent(&mut self, now: Instant, peer: &Peer) {
        self.silent.retain(|(addr, at)| *addr != peer.addr() && now.since(*at) < AVOIDED);
        if self.silent.len() >= SILENT_MAX {
            self.silent.pop_front();
        }
        self.silent.push_back((peer.addr(), now));
    }

    /// An answer came from there.
    pub fn heard(&mut self, addr: SocketAddr) {
        self.silent.retain(|(silent, _)| *silent != addr);
    }
}

/// For so long a node that did not answer at once is asked only where there is no other.
const AVOIDED: Duration = Duration::from_secs(5);

/// So many of them are remembered.
const SILENT_MAX: usize = 32;

/// Candidates kept in reserve for one lookup.
const CANDIDATES_MAX: usize = 16;

impl Lookup {
    fn new(id: Id, purpose: LookupFor, ends: Option<Ends>) -> Self {
        let (open, slow) = (Vec::new(), Vec::new());
        Self { id, purpose, trail: Trail::default(), candidates: Vec::new(), open, slow, ends, former: None }
    }

    /// True if one more may be asked: a lookup ends at some time, whatever it is told.
    pub fn goes_on(&self) -> bool {
        self.trail.len() < LOOKUP_STEPS_MAX
    }

    /// Adds a candidate; the nearest before the id stand first, and the farthest gives way.
    fn add(&mut self, peer: Peer, by: NamedBy) {
        if self.trail.was_asked(&peer) || self.candidates.iter().any(|(known, _)| *known == peer) {
            return;
        }
        let distance = peer.id().distance_to(self.id);
        let at = self.candidates.partition_point(|(known, _)| known.id().distance_to(self.id) <= distance);
        self.candidates.insert(at, (peer, by));
        self.candidates.truncate(CANDIDATES_MAX);
    }

    fn put_first(&mut self, first: Option<Peer>, by: NamedBy) {
        if let Some(first) = first {
            self.candidates.retain(|(peer, _)| *peer != first);
            self.candidates.insert(0, (first, by));
        }
    }

    /// True if somebody may still answer.
    pub const fn waits(&self) -> bool {
        !self.open.is_empty() || !self.slow.is_empty()
    }

    /// This one is not waited for any more.
    fn close(&mut self, peer: &Peer) {
        self.open.retain(|open| open.addr() != peer.addr());
        self.slow.retain(|slow| slow.addr() != peer.addr());
    }

    /// The place of the next candidate, if it is nearer than all that were asked a moment ago, or if so many are slow
    /// that more are better asked at one time.
    fn next(&self, avoids: impl Fn(&Peer) -> bool) -> Option<usize> {
        let distance = |peer: &Peer| peer.id().distance_to(self.id);
        let at = self.candidates.iter().position(|(peer, _)| !avoids(peer)).unwrap_or(0);
        let best = self.candidates.get(at).map(|(peer, _)| distance(peer))?;
        let more = self.open.len() <= self.slow.len() / 2;
        (more || self.open.iter().all(|open| distance(open) > best)).then_some(at)
    }

    /// This one is asked now.
    pub fn asked(&mut self, peer: Peer, by: NamedBy) {
        self.trail.ask(peer, by);
        self.open.push(peer);
    }

    /// This one answered.
    pub fn answered(&mut self, from: &Peer) {
        self.close(from);
        self.trail.answer(from.addr());
    }
}

impl Node {
    /// Begins a lookup from this node's own tables.
    pub(super) fn start_lookup(&mut self, id: Id, purpose: LookupFor) {
        let contacts = self.beginnings(id);
        let Some((predecessor, after)) = self.listed(id) else {
            return self.start_lookup_from(id, purpose, self.first_to_ask(id, purpose), &contacts);
        };
        let owner = after[0];
        match purpose {
            LookupFor::Owner(_) => {
                let ends = Ends::new(None, predecessor, None, after.iter().copied());
                let mut lookup = Lookup::new(id, purpose, Some(ends));
                contacts.iter().for_each(|peer| lookup.add(*peer, None));
                let number = self.next_number();
                self.lookups.table.insert(number, Box::new(lookup));
                self.ends_on(number);
            }
            LookupFor::Operation { exact: true, .. } | LookupFor::Join | LookupFor::Awaited(_)
                if predecessor != self.me =>
            {
                self.start_lookup_from(id, purpose, Some(predecessor), &contacts);
            }
            _ => {
                let (successors, fresh, path) = (Alternatives::new(), self.freshness(id), Vec::new());
                let found = Found { predecessor, owner, successors, fresh, path };
                self.lookup_ended(purpose, Some(found));
            }
        }
    }

    /// Begins a lookup from certain nodes: from the first, if there is one, and else from the nearest.
    pub(super) fn start_lookup_from(&mut self, id: Id, purpose: LookupFor, first: Option<Peer>, contacts: &[Peer]) {
        let mut lookup = Lookup::new(id, purpose, None);
        contacts.iter().for_each(|peer| lookup.add(*peer, None));
        lookup.put_first(first, None);
        let number = self.next_number();
        self.lookups.table.insert(number, Box::new(lookup));
        self.lookup_on(number);
    }

    /// The node before the id, and those at or after it, the owner first, if the successor list spans the id. Of the
    /// head this node itself is the predecessor and knows best; farther on a node may have joined that the list does
    /// not name yet.
    pub(super) fn listed(&self, id: Id) -> Option<(Peer, &[Peer])> {
        let list = self.successors.as_slice();
        let before = core::iter::once(&self.me).chain(list);
        let at = before.clone().zip(list).position(|(a, b)| Arc::new(a.id(), b.id()).contains(id))?;
        before.copied().nth(at).map(|before| (before, &list[at..]))
    }

    fn avoids(&self, peer: &Peer) -> bool {
        self.lookups.avoids(self.now.at, peer)
    }

    /// The known nodes between this one and the id, nearest to the id first, but those that seem dead last.
    pub(super) fn closest_preceding(&self, id: Id) -> Vec<Peer> {
        let me = self.me.id();
        let mut known: Vec<Peer> = self.successors.as_slice().iter().copied().chain(self.fingers.all()).collect();
        known.retain(|peer| peer.id().is_between(me, id));
        known.sort_by_key(|peer| (self.avoids(peer), peer.id().distance_to(id)));
        known.dedup();
        known.truncate(CANDIDATES_MAX);
        known
    }

    /// Asks the best candidates, unless better ones have yet to answer.
    pub(super) fn lookup_on(&mut self, number: u64) {
        while let Some(lookup) = self.lookups.table.get(&number) {
            match lookup.next(|peer| self.avoids(peer)) {
                Some(at) if lookup.goes_on() => self.lookup_ask(number, at),
                _ if lookup.waits() => return,
                _ => self.lookup_failed(number),
            }
        }
    }

    fn lookup_ask(&mut self, number: u64, candidate: usize) {
        let Some(lookup) = self.lookups.table.get_mut(&number) else { return };
        let (next, by) = lookup.candidates.remove(candidate);
        lookup.asked(next, by);
        // With others in reserve there is less to lose.
        let tries = if lookup.candidates.is_empty() { self.config.tries } else { 2 };
        let manner = Manner { tries, timeout: None, client: true };
        let id = lookup.id;
        if !self.ask(next, Request::FindSuccessor(id), Purpose::Lookup(number), manner) {
            self.lookup_failed(number);
        }
    }

    /// The one asked did not answer at once: it may be dead, or only slow.
    pub(super) fn lookup_slow(&mut self, number: u64, slow: Peer) {
        self.lookups.note_silent(self.now.at, &slow);
        let Some(lookup) = self.lookups.table.get_mut(&number) else { return };
        lookup.close(&slow);
        lookup.slow.push(slow);
        if let Some(ends) = &mut lookup.ends {
            ends.slow(&slow);
            return self.ends_on(number);
        }
        self.lookup_on(number);
    }

    /// Someone knows the owner.
    pub(super) fn lookup_found(&mut self, number: u64, from: Peer, found: Found) {
        let Some(lookup) = self.lookups.table.get_mut(&number) else { return };
        lookup.answered(&from);
        let by = lookup.trail.named_by(&from);
        if let LookupFor::Owner(_) = lookup.purpose {
            let all = core::iter::once(found.owner).chain(found.successors);
            match &mut lookup.ends {
                Some(ends) => ends.extend(lookup.id, by, all),
                None => {
                    let mut ends = Ends::new(Some(from), found.predecessor, by, all);
                    lookup.former.iter().for_each(|former| ends.remember(former));
                    lookup.ends = Some(ends);
                }
            }
            return self.ends_on(number);
        }
        let confirmed = match lookup.purpose {
            LookupFor::Operation { exact: true, .. } | LookupFor::Awaited(_) if found.owner != from => {
                found.predecessor
            }
            LookupFor::Join | LookupFor::Myself => found.predecessor,
            _ => from,
        };
        if confirmed != from {
            if lookup.trail.was_asked(&confirmed) {
                return self.lookup_failed(number);
            }
            lookup.put_first(Some(confirmed), by);
            return self.lookup_on(number);
        }
        self.lookup_over(number, from, found);
    }

    /// The lookup has come to its end, with the answer of this one.
    pub(super) fn lookup_over(&mut self, number: u64, last: Peer, found: Found) {
        if let Some(lookup) = self.lookups.table.remove(&number) {
            self.lookup_ended(lookup.purpose, Some(Found { path: lookup.trail.hops(Some(&last)), ..found }));
        }
    }

    /// Someone knows nodes that are closer.
    pub(super) fn lookup_closer(&mut self, number: u64, from: Peer, closer: &[Peer]) {
        let me = self.me.id();
        let Some(lookup) = self.lookups.table.get_mut(&number) else { return };
        lookup.answered(&from);
        match &lookup.ends {
            // Its list ends there: others before the id have one that reaches farther.
            Some(ends) if ends.knows_no_more(&from) => lookup.former = lookup.ends.take(),
            Some(_) => return self.ends_on(number),
            None => {}
        }
        // Only what leads on counts: a liar can cost steps, but not lead in a circle.
        let leads_on = |peer: &Peer| peer.id().is_between(from.id(), lookup.id) && peer.id() != me;
        let onward: Alternatives = closer.iter().copied().filter(leads_on).collect();
        let by = lookup.trail.named_by(&from);
        onward.into_iter().for_each(|peer| lookup.add(peer, by));
        self.lookup_on(number);
    }

    /// The one asked is silent, or refuses.
    pub(super) fn lookup_silent(&mut self, number: u64, silent: Peer) {
        let Some(lookup) = self.lookups.table.get_mut(&number) else { return };
        lookup.close(&silent);
        lookup.former.iter_mut().for_each(|former| former.silent(&silent));
        if let Some(ends) = &mut lookup.ends {
            ends.silent(&silent);
            return self.ends_on(number);
        }
        self.lookup_on(number);
    }

    pub(super) fn lookup_failed(&mut self, number: u64) {
        if let Some(lookup) = self.lookups.table.remove(&number) {
            if let LookupFor::Owner(ticket) = lookup.purpose {
                self.client_walked(ticket, lookup.trail.hops(None));
            }
            self.lookup_ended(lookup.purpose, None);
        }
    }

    fn lookup_ended(&mut self, purpose: LookupFor, found: Option<Found>) {
        match purpose {
            LookupFor::Operation { ticket, .. } | LookupFor::Owner(ticket) => self.client_found(ticket, found),
            LookupFor::Join => self.join_found(found),
            LookupFor::Myself => self.myself_found(found),
            LookupFor::Finger(exponent) => self.finger_found(exponent, found),
            LookupFor::Half(exponent) => self.half_found(exponent, found),
            LookupFor::Stray(item) => self.stray_found(item, found),
            LookupFor::Awaited(place) => self.awaited_found(place, found),
        }
    }

    /// Answers who the successor of an id is, or who is closer.
    pub(super) fn serve_lookup(&mut self, asked: &Asked, id: Id) {
        let me = self.me;
        let own = self.predecessor.filter(|predecessor| Arc::new(predecessor.id(), me.id()).contains(id));
        let alone = self.rights.alone_until.is_some().then_some(me);
        let few = |list: &[Peer]| -> Alternatives { list.iter().copied().take(ALTERNATIVES_MAX).collect() };
        let found = match (own.or(alone), self.listed(id)) {
            (Some(predecessor), _) => Some((predecessor, me, self.next_successors())),
            (None, Some((predecessor, after))) => Some((predecessor, after[0], few(&after[1..]))),
            (None, None) => None,
        };
        if let Some((predecessor, owner, successors)) = found {
            let fresh = self.freshness(id);
            self.answer(asked, Answer::Found { predecessor, owner, successors, fresh });
        } else if self.successors.head().is_some() {
            let closer = few(&self.closest_preceding(id));
            self.answer(asked, Answer::Closer(closer));
        } else {
            self.refuse(asked, Refusal::NotMember);
        }
    }
}
