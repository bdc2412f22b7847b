//! Finding the successor of an id (Stoica et al., SIGCOMM 2001, section 4.3), iteratively: the asker drives, those on
//! the way keep no state, and a silent one is skipped.

use super::Node;
use super::command::{Hop, Ticket};
use super::pending::{Manner, Purpose};
use super::speak::Asked;
use crate::id::{Arc, Id};
use crate::limits::{ALTERNATIVES_MAX, LOOKUP_STEPS_MAX};
use crate::wire::{Alternatives, Answer, Freshness, Item, Peer, Refusal, Request};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

/// What a lookup is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LookupFor {
    /// An operation of a client, which turns to the owner itself.
    Operation(Ticket),
    /// A client that wants to know the owner; the owner itself confirms it.
    Owner(Ticket),
    /// A place on the ring; the predecessor itself confirms it.
    Join,
    /// The finger with this exponent.
    Finger(u8),
    /// An entry that belongs to someone else.
    Stray(Item),
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
struct Lookup {
    id: Id,
    purpose: LookupFor,
    path: Vec<Hop>,
    candidates: Vec<Peer>,
}

/// The lookups under way.
#[derive(Debug, Default)]
pub(super) struct Lookups {
    table: BTreeMap<u64, Lookup>,
}

/// Candidates kept in reserve for one lookup.
const CANDIDATES_MAX: usize = 16;

impl Lookup {
    fn was_asked(&self, peer: &Peer) -> bool {
        self.path.iter().any(|hop| hop.peer == *peer)
    }

    /// Adds a candidate; the nearest before the id stand first, and the farthest gives way.
    fn add(&mut self, peer: Peer) {
        if self.was_asked(&peer) || self.candidates.contains(&peer) {
            return;
        }
        let distance = peer.id().distance_to(self.id);
        let at = self.candidates.partition_point(|known| known.id().distance_to(self.id) <= distance);
        self.candidates.insert(at, peer);
        self.candidates.truncate(CANDIDATES_MAX);
    }
}

impl Node {
    /// Begins a lookup from this node's own tables.
    pub(super) fn start_lookup(&mut self, id: Id, purpose: LookupFor) {
        let me = self.me;
        if let Some(head) = self.successors.head().filter(|head| Arc::new(me.id(), head.id()).contains(id))
            && !matches!(purpose, LookupFor::Owner(_))
        {
            let (successors, fresh) = (self.next_successors(), self.freshness(id));
            let found = Found { predecessor: me, owner: head, successors, fresh, path: Vec::new() };
            return self.lookup_ended(purpose, Some(found));
        }
        let mut contacts = self.closest_preceding(id);
        contacts.extend(self.successors.head());
        self.start_lookup_from(id, purpose, &contacts);
    }

    /// Begins a lookup from certain nodes.
    pub(super) fn start_lookup_from(&mut self, id: Id, purpose: LookupFor, contacts: &[Peer]) {
        let mut lookup = Lookup { id, purpose, path: Vec::new(), candidates: Vec::new() };
        contacts.iter().for_each(|peer| lookup.add(*peer));
        let number = self.next_number();
        self.lookups.table.insert(number, lookup);
        self.lookup_on(number);
    }

    /// The known nodes between this one and the id, nearest to the id first.
    fn closest_preceding(&self, id: Id) -> Vec<Peer> {
        let me = self.me.id();
        let fingers = self.fingers.iter().map(|(_, peer)| peer);
        let mut known: Vec<Peer> = self.successors.as_slice().iter().copied().chain(fingers).collect();
        known.retain(|peer| peer.id().is_between(me, id));
        known.sort_by_key(|peer| peer.id().distance_to(id));
        known.dedup();
        known.truncate(CANDIDATES_MAX);
        known
    }

    /// Asks the best candidate.
    fn lookup_on(&mut self, number: u64) {
        let Some(lookup) = self.lookups.table.get_mut(&number) else { return };
        if lookup.candidates.is_empty() || lookup.path.len() >= LOOKUP_STEPS_MAX {
            return self.lookup_failed(number);
        }
        let (next, id) = (lookup.candidates.remove(0), lookup.id);
        lookup.path.push(Hop { peer: next, answered: false });
        // With others in reserve one timeout is enough.
        let tries = if lookup.candidates.is_empty() { self.config.tries } else { 1 };
        let manner = Manner { tries, timeout: None, client: true };
        if !self.ask(next, Request::FindSuccessor(id), Purpose::Lookup(number), manner) {
            self.lookup_failed(number);
        }
    }

    /// Someone knows the owner.
    pub(super) fn lookup_found(&mut self, number: u64, from: Peer, found: Found) {
        let Some(lookup) = self.lookups.table.get_mut(&number) else { return };
        lookup.answered(&from);
        let confirmed = match lookup.purpose {
            LookupFor::Owner(_) => found.owner,
            LookupFor::Join => found.predecessor,
            _ => from,
        };
        if confirmed != from {
            if lookup.was_asked(&confirmed) {
                return self.lookup_failed(number);
            }
            if matches!(lookup.purpose, LookupFor::Owner(_)) {
                // Should the owner be silent, the node after it may own the id by now.
                found.successors.iter().for_each(|peer| lookup.add(*peer));
            }
            lookup.candidates.retain(|peer| *peer != confirmed);
            lookup.candidates.insert(0, confirmed);
            return self.lookup_on(number);
        }
        if let Some(lookup) = self.lookups.table.remove(&number) {
            self.lookup_ended(lookup.purpose, Some(Found { path: lookup.path, ..found }));
        }
    }

    /// Someone knows nodes that are closer.
    pub(super) fn lookup_closer(&mut self, number: u64, from: Peer, closer: &[Peer]) {
        let me = self.me.id();
        let Some(lookup) = self.lookups.table.get_mut(&number) else { return };
        lookup.answered(&from);
        // Only what leads on counts: a liar can cost steps, but not lead in a circle.
        let leads_on = |peer: &Peer| peer.id().is_between(from.id(), lookup.id) && peer.id() != me;
        let onward: Alternatives = closer.iter().copied().filter(leads_on).collect();
        onward.into_iter().for_each(|peer| lookup.add(peer));
        self.lookup_on(number);
    }

    /// The one asked is silent, or refuses.
    pub(super) fn lookup_silent(&mut self, number: u64) {
        self.lookup_on(number);
    }

    fn lookup_failed(&mut self, number: u64) {
        if let Some(lookup) = self.lookups.table.remove(&number) {
            self.lookup_ended(lookup.purpose, None);
        }
    }

    fn lookup_ended(&mut self, purpose: LookupFor, found: Option<Found>) {
        match purpose {
            LookupFor::Operation(ticket) | LookupFor::Owner(ticket) => self.client_found(ticket, found),
            LookupFor::Join => self.join_found(found),
            LookupFor::Finger(exponent) => self.finger_found(exponent, found),
            LookupFor::Stray(item) => self.stray_found(item, found),
        }
    }

    /// Answers who the successor of an id is, or who is closer.
    pub(super) fn serve_lookup(&mut self, asked: &Asked, id: Id) {
        let me = self.me;
        let (predecessor, head) = (self.predecessor, self.successors.head());
        let (predecessor, owner) = match (predecessor, head) {
            (None, None) if self.rights.alone_until.is_some() => (me, me),
            (Some(predecessor), _) if Arc::new(predecessor.id(), me.id()).contains(id) => (predecessor, me),
            (_, Some(head)) if Arc::new(me.id(), head.id()).contains(id) => (me, head),
            (_, Some(_)) => {
                let closer = self.closest_preceding(id).into_iter().take(ALTERNATIVES_MAX).collect();
                return self.answer(asked, Answer::Closer(closer));
            }
            (_, None) => return self.refuse(asked, Refusal::NotMember),
        };
        let (successors, fresh) = (self.next_successors(), self.freshness(id));
        self.answer(asked, Answer::Found { predecessor, owner, successors, fresh });
    }
}

impl Lookup {
    fn answered(&mut self, from: &Peer) {
        if let Some(hop) = self.path.iter_mut().rev().find(|hop| hop.peer.addr() == from.addr()) {
            hop.answered = true;
        }
    }
}
