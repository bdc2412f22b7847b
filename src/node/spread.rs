//! Copies: how a version gets to both neighbours of the owner, and what a neighbour does with it.

use super::Node;
use super::keys::{Asker, Deed, Outcome, OwnerOp};
use super::owned::OwnedEntry;
use super::pending::{Manner, Purpose, Silence};
use super::speak::Asked;
use super::transfer::Parcel;
use crate::config::Rule;
use crate::id::Id;
use crate::store::{Stored, Untaken};
use crate::wire::{Answer, Entry, Item, Peer, Refusal, Request, Value, Version};
use alloc::vec::Vec;

/// A version on its way to both neighbours.
#[derive(Clone, Debug)]
pub(super) struct Spreading {
    pub version: Version,
    /// The neighbourhood that it counts in.
    pub neighbourhood: u32,
    /// Who stored it.
    pub stored_by: heapless::Vec<Peer, 2>,
}

impl Node {
    /// True if both neighbours are known to hold the entry, under the term that this node settled with.
    pub(super) fn is_confirmed(&self, id: Id, stored: &Stored) -> bool {
        self.rights.settled_term(id) == Some(stored.rank.ballot) && self.is_with_all(stored)
    }

    /// True if both neighbours are known to hold the entry.
    pub(super) fn is_with_all(&self, stored: &Stored) -> bool {
        if !self.is_saved(stored.changed) {
            return false;
        }
        let alone = self.predecessor.is_none() && self.successors.head().is_none();
        let matched = self.rights.matched_predecessor.min(self.rights.matched_successor);
        alone || stored.confirmed == self.rights.neighbourhood || stored.changed <= matched
    }

    /// How many nodes hold what is confirmed.
    pub(super) fn copies(&self) -> u8 {
        1 + self.group().len() as u8
    }

    /// The two neighbours, or the one that is both, or nobody.
    pub(super) fn group(&self) -> heapless::Vec<Peer, 2> {
        let head = self.successors.head();
        let predecessor = self.predecessor.filter(|predecessor| Some(*predecessor) != head);
        predecessor.into_iter().chain(head).collect()
    }

    /// Has both neighbours store this version, on which all in the line rests.
    pub(super) fn begin_spreading(&mut self, number: u64, version: Version) {
        let neighbourhood = self.rights.neighbourhood;
        if let Some(line) = self.owner_ops.get_mut(number) {
            line.spreading = Some(Spreading { version, neighbourhood, stored_by: heapless::Vec::new() });
            self.spread(number);
        }
    }

    /// Sends the version to those neighbours that have not stored it and are not being asked.
    pub(super) fn spread(&mut self, number: u64) {
        let Some(line) = self.owner_ops.get(number) else { return };
        let (Some(spreading), key) = (line.spreading.clone(), line.key.clone()) else { return };
        let id = Id::of_key(&key);
        let unchecked = || self.store.get(&key).map(|stored| stored.rank.ballot).filter(|_| self.may_acknowledge(id));
        let settled = self.rights.settled_term(id).filter(|_| self.is_settled_for(self.now.at, id));
        let Some(term) = settled.or_else(unchecked) else { return self.owner_retry(number) };
        self.store.raise_ballot(&key, term);
        let missing: Vec<Peer> = self.group().into_iter().filter(|peer| !spreading.stored_by.contains(peer)).collect();
        if missing.is_empty() || (!spreading.stored_by.is_empty() && !self.config.keeps(Rule::BothCopies)) {
            let (changed, ballot) = self.store.get(&key).map_or((0, 0), |stored| (stored.changed, stored.rank.ballot));
            if ballot > term {
                // As below. Alone there is nobody else to find out, and it would never count as confirmed.
                self.outranked(id, ballot);
                return self.owner_retry(number);
            }
            // Our own copy must be saved as well; once it is, this is looked at again.
            return if self.is_saved(changed) {
                self.spread_done(number, &key, &spreading)
            };
        }
        let Some(entry) = self.store.fetch_key(&key).filter(|entry| entry.rank.version == spreading.version) else {
            return self.superseded(number);
        };
        if entry.rank.ballot > term {
            // Someone put it under a higher term: settle anew, above it.
            let ballot = entry.rank.ballot;
            self.outranked(id, ballot);
            return self.owner_retry(number);
        }
        let entry = OwnedEntry::from(entry);
        for peer in missing {
            let asking =
                |to: &Peer, purpose: &Purpose| *to == peer && matches!(purpose, Purpose::Replicate(n) if *n == number);
            if self.requests.any(asking) {
                continue;
            }
            let manner = Manner { client: true, ..self.patient() };
            let request = Request::Replicate(entry.borrow());
            if !self.ask(peer, request, Purpose::Replicate(number), manner) {
                self.owner_retry(number);
            }
        }
    }

    /// True while this node speaks for the id: what its neighbours store in the meantime counts.
    pub(super) fn may_acknowledge(&self, id: Id) -> bool {
        self.is_settled_for(self.now.at, id) || !self.config.keeps(Rule::CheckBeforeAcknowledging)
    }

    /// The version is stored by the whole group, as it is now.
    fn spread_done(&mut self, number: u64, key: &[u8], spreading: &Spreading) {
        let still =
            spreading.neighbourhood == self.rights.neighbourhood || !self.config.keeps(Rule::CheckBeforeAcknowledging);
        if !still {
            return self.owner_retry(number);
        }
        self.store.confirm(key, spreading.version, self.rights.neighbourhood);
        self.end_spreading(number);
        while let Some(op) = self.owner_ops.take_first(number, |op| op.outcome.is_some()) {
            self.counters.writes += u64::from(matches!(op.outcome, Some(Outcome::Wrote(..))));
            self.end_judged(op);
        }
        self.run_line(number);
    }

    /// An entry that beats it came in between, or this node does not speak any more: writes of ours are of unknown
    /// outcome, anything else begins again.
    pub(super) fn superseded(&mut self, number: u64) {
        self.end_spreading(number);
        let wrote = |op: &OwnerOp| matches!(op.outcome, Some(Outcome::Wrote(..)));
        while let Some(op) = self.owner_ops.take_first(number, wrote) {
            self.end_op(op, Answer::Refused(Refusal::Unknown));
        }
        if let Some(line) = self.owner_ops.get_mut(number) {
            line.ops.iter_mut().for_each(|op| op.outcome = None);
        }
        self.run_line(number);
    }

    /// Nothing that the neighbours were asked for a line counts any more.
    fn end_spreading(&mut self, number: u64) {
        if let Some(line) = self.owner_ops.get_mut(number) {
            line.spreading = None;
        }
        self.abandon_copies(number);
    }

    /// A neighbour stored it.
    pub(super) fn replicated(&mut self, number: u64, by: Peer) {
        let neighbourhood = self.rights.neighbourhood;
        if let Some(spreading) = self.owner_ops.get_mut(number).and_then(|line| line.spreading.as_mut()) {
            if spreading.neighbourhood == neighbourhood && !spreading.stored_by.contains(&by) {
                // Two neighbours at most; one more would be a former one, which does not count anyway.
                let _ = spreading.stored_by.push(by);
            }
            self.spread(number);
        }
    }

    /// A neighbour did not store it.
    pub(super) fn replicate_refused(&mut self, number: u64, by: Peer, silence: Silence) {
        let Some(line) = self.owner_ops.get(number) else { return };
        let id = Id::of_key(&line.key);
        match silence {
            Silence::Refused(Refusal::Newer { rank }) => {
                let item = Item { id, rank };
                let manner = Manner { client: true, ..self.patient() };
                self.ask(by, Request::Fetch(item), Purpose::Newer(number), manner);
            }
            Silence::Refused(Refusal::Stale { term }) => self.outranked(id, term),
            _ => {}
        }
        self.owner_retry(number);
    }

    /// A neighbour's entry that beats ours arrived.
    pub(super) fn newer_fetched(&mut self, number: u64, from: Peer, entry: &Entry<'_>) {
        // If there is no room for it the operation runs into its deadline.
        if let Err(missing @ (Untaken::Partial | Untaken::Nameless)) = self.take_entry(entry) {
            return self.take_parcel(from, entry, missing, |entry| Parcel::Newer(number, entry));
        }
        self.owner_retry(number);
    }

    /// The owner of a key, our neighbour, gives us a copy.
    pub(super) fn serve_replicate(&mut self, asked: &Asked, entry: &Entry<'_>) {
        let id = Id::of_key(entry.key);
        let known = self.terms.at(id);
        if self.neighbour_asking(asked).is_none() || self.has_stopped() {
            // A copy on a leaver that has handed over is none.
            return self.refuse(asked, Refusal::NotNeighbour);
        }
        if known > entry.rank.ballot && self.config.keeps(Rule::HighestTermOnly) {
            return self.refuse(asked, Refusal::Stale { term: known });
        }
        // Of a key that was deleted since only a datagram that somebody repeats can speak.
        let dead = self.is_dead(Item { id, rank: entry.rank }).then(|| self.rank_of_absent(id));
        let here = self.store.get(entry.key).map(|stored| stored.rank);
        if let Some(rank) = dead.or(here).filter(|rank| rank.beats(&entry.rank)) {
            return self.refuse(asked, Refusal::Newer { rank });
        }
        if let Some(rank) = here.filter(|_| self.store.knows_of_less(entry) && self.config.keeps(Rule::LessLeftIsTold))
        {
            // The owner takes this copy, and with it what is left.
            return self.refuse(asked, Refusal::Newer { rank });
        }
        match self.take_entry(entry) {
            Ok(_) => self.answer_saved(asked, true),
            Err(missing @ (Untaken::Partial | Untaken::Nameless)) => {
                self.take_parcel(asked.sender(self.me.id()), entry, missing, |entry| Parcel::Replicate(*asked, entry));
            }
            Err(Untaken::Full | Untaken::Unsound) => self.refuse(asked, self.full()),
        }
    }

    /// Someone holds an entry that is ours.
    pub(super) fn serve_offer(&mut self, asked: &Asked, entry: &Entry<'_>) {
        if !self.is_settled_for(self.now.at, Id::of_key(entry.key)) {
            return self.refuse(asked, Refusal::NotSettled);
        }
        if self.is_dead(Item { id: Id::of_key(entry.key), rank: entry.rank }) {
            return self.answer(asked, Answer::Offered { confirmed: true });
        }
        match self.take_entry(entry) {
            Ok(_) => {}
            Err(missing @ (Untaken::Partial | Untaken::Nameless)) => {
                let sender = asked.sender(self.me.id());
                return self.take_parcel(sender, entry, missing, |entry| Parcel::Offer(*asked, entry));
            }
            Err(Untaken::Full | Untaken::Unsound) => return self.refuse(asked, self.full()),
        }
        let stored = self.store.get(entry.key);
        let confirmed = stored.is_some_and(|stored| self.is_confirmed(Id::of_key(entry.key), stored))
            && self.neighbour_asking(asked).is_none();
        if !confirmed {
            self.start_owner(Asker::Nobody, entry.key, Deed::Get);
        }
        self.answer(asked, Answer::Offered { confirmed });
    }

    /// Takes an entry into the store if it is sound and beats what is there. Tells whether it did.
    ///
    /// # Errors
    /// [`Untaken`]; nothing was changed.
    pub(super) fn take_entry(&mut self, entry: &Entry<'_>) -> Result<bool, Untaken> {
        let carried = self.config.keeps(Rule::CopiesCarryWhatIsLeft);
        let names = entry.names.filter(|_| self.config.keeps(Rule::NamesWithCopies));
        let taken = if carried && names == entry.names {
            self.store.merge(entry)
        } else {
            let value = entry.value.map(|value| if carried { value } else { Value { left_ms: 0, ..value } });
            self.store.merge(&Entry { value, names, ..entry.clone() })
        };
        if taken.is_ok() {
            self.clock_ms = self.clock_ms.max(entry.rank.version.time_ms);
        }
        taken
    }
}
