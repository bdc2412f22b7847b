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
    Operation {
        /// Whose.
        ticket: Ticket,
        /// Only the predecessor itself may name the owner.
        exact: bool,
    },
    /// A client that wants to know the owner; the owner itself confirms it.
    Owner(Ticket),
    /// A place on the ring; the predecessor itself confirms it.
    Join,
    /// This node itself, from a node that may be on another ring; the predecessor itself confirms it.
    Myself,
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

impl Lookups {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.table.len()
    }
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
        let contacts = self.closest_preceding(id);
        let Some((predecessor, owner)) = self.listed_owner(id) else {
            return self.start_lookup_from(id, purpose, None, &contacts);
        };
        let first = match purpose {
            LookupFor::Owner(_) => owner,
            LookupFor::Operation { exact: true, .. } | LookupFor::Join if predecessor != self.me => predecessor,
            _ => {
                let (successors, fresh, path) = (Alternatives::new(), self.freshness(id), Vec::new());
                let found = Found { predecessor, owner, successors, fresh, path };
                return self.lookup_ended(purpose, Some(found));
            }
        };
        self.start_lookup_from(id, purpose, Some(first), &contacts);
    }

    /// Begins a lookup from certain nodes: from the first, if there is one, and else from the nearest.
    pub(super) fn start_lookup_from(&mut self, id: Id, purpose: LookupFor, first: Option<Peer>, contacts: &[Peer]) {
        let mut lookup = Lookup { id, purpose, path: Vec::new(), candidates: Vec::new() };
        contacts.iter().for_each(|peer| lookup.add(*peer));
        lookup.put_first(first);
        let number = self.next_number();
        self.lookups.table.insert(number, lookup);
        self.lookup_on(number);
    }

    /// The owner of the id, and the node before it, if the successor list spans the id. Of the head this node itself is
    /// the predecessor and knows best; farther on a node may have joined that the list does not name yet.
    fn listed_owner(&self, id: Id) -> Option<(Peer, Peer)> {
        let list = self.successors.as_slice();
        let before = core::iter::once(&self.me).chain(list);
        let mut pairs = before.zip(list);
        pairs.find(|(a, b)| Arc::new(a.id(), b.id()).contains(id)).map(|(a, b)| (*a, *b))
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
            LookupFor::Operation { exact: true, .. } if found.owner != from => found.predecessor,
            LookupFor::Join | LookupFor::Myself => found.predecessor,
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
            lookup.put_first(Some(confirmed));
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
            if let LookupFor::Owner(ticket) = lookup.purpose {
                self.client_walked(ticket, lookup.path);
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
            LookupFor::Stray(item) => self.stray_found(item, found),
        }
    }

    /// Answers who the successor of an id is, or who is closer.
    pub(super) fn serve_lookup(&mut self, asked: &Asked, id: Id) {
        let me = self.me;
        let own = self.predecessor.filter(|predecessor| Arc::new(predecessor.id(), me.id()).contains(id));
        let found = own.map(|predecessor| (predecessor, me)).or_else(|| self.listed_owner(id));
        let (predecessor, owner) = match found {
            Some(found) => found,
            None if self.rights.alone_until.is_some() => (me, me),
            None if self.successors.head().is_some() => {
                let closer = self.closest_preceding(id).into_iter().take(ALTERNATIVES_MAX).collect();
                return self.answer(asked, Answer::Closer(closer));
            }
            None => return self.refuse(asked, Refusal::NotMember),
        };
        let (successors, fresh) = (self.next_successors(), self.freshness(id));
        self.answer(asked, Answer::Found { predecessor, owner, successors, fresh });
    }
}

impl Lookup {
    fn put_first(&mut self, first: Option<Peer>) {
        if let Some(first) = first {
            self.candidates.retain(|peer| *peer != first);
            self.candidates.insert(0, first);
        }
    }

    fn answered(&mut self, from: &Peer) {
        if let Some(hop) = self.path.iter_mut().rev().find(|hop| hop.peer.addr() == from.addr()) {
            hop.answered = true;
        }
    }
}
