//! Operations at the owner of a key.
//!
//! One operation on a key runs at a time, others wait behind it. What is answered is on all nodes of the group: an entry
//! that is not confirmed on both neighbours is completed before anything is said that rests on it.

use super::Node;
use super::command::Ticket;
use super::pending::{Purpose, Silence};
use super::speak::Asked;
use super::timers::Timer;
use crate::id::Id;
use crate::limits::{KEY_MAX, OWNER_MAX, VALUE_MAX};
use crate::store::{Full, Stored};
use crate::time::Instant;
use crate::wire::{Answer, Condition, Entry, Item, Operation, Peer, Refusal, Request, Version};
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::time::Duration;

/// Who waits for an operation at its owner.
#[derive(Clone, Copy, Debug)]
pub(super) enum Asker {
    /// A client of this very node.
    Local(Ticket),
    /// Another node.
    Remote(Asked),
    /// Nobody: an entry is completed for its own sake.
    Nobody,
}

/// What is to be done with the key.
#[derive(Clone, Debug)]
pub(super) enum Deed {
    /// Read it.
    Get,
    /// Write it, or delete it if there is no value.
    Write {
        /// The name of the write.
        operation: Operation,
        /// When to refuse.
        condition: Condition,
        /// The value.
        value: Option<Box<[u8]>>,
    },
}

/// An operation at its owner.
#[derive(Debug)]
pub(super) struct OwnerOp {
    asker: Asker,
    key: Box<[u8]>,
    deed: Deed,
    deadline: Instant,
    spreading: Option<Spreading>,
}

/// A version on its way to both neighbours.
#[derive(Clone, Debug)]
struct Spreading {
    version: Version,
    /// It is the operation's own write: once it is stored everywhere the operation is done. Otherwise the operation begins
    /// only then. Holds whether the key is new.
    own: Option<bool>,
    neighbourhood: u32,
    stored_by: heapless::Vec<Peer, 2>,
}

/// The pause before a neighbour that refused or was silent is asked again.
const RETRY: Duration = Duration::from_millis(150);

impl Node {
    /// A coordinator reads a key.
    pub(super) fn serve_get(&mut self, asked: &Asked, key: &[u8]) {
        let same = |op: &OwnerOp| matches!(&op.asker, Asker::Remote(other) if other.is_same(asked));
        if !self.owner_ops.values().any(same) {
            self.start_owner(Asker::Remote(*asked), key, Deed::Get);
        }
    }

    /// A coordinator writes a key, or deletes it.
    pub(super) fn serve_write(
        &mut self,
        asked: &Asked,
        operation: Operation,
        key: &[u8],
        condition: Condition,
        value: Option<&[u8]>,
    ) {
        let value = value.map(Box::from);
        self.start_owner(Asker::Remote(*asked), key, Deed::Write { operation, condition, value });
    }

    /// Begins an operation, or puts it behind another on the same key.
    pub(super) fn start_owner(&mut self, asker: Asker, key: &[u8], deed: Deed) {
        let too_long = matches!(&deed, Deed::Write { value: Some(value), .. } if value.len() > VALUE_MAX);
        if !(1..=KEY_MAX).contains(&key.len()) || too_long {
            return self.tell(asker, Answer::Refused(Refusal::TooLarge));
        }
        if let Deed::Write { operation, .. } = &deed {
            let name = operation.id;
            let same = |op: &&mut OwnerOp| matches!(&op.deed, Deed::Write { operation, .. } if operation.id == name);
            if let Some(under_way) = self.owner_ops.values_mut().find(same) {
                // The same write again: its answer goes where it was asked for last.
                under_way.asker = asker;
                return;
            }
        }
        if self.owner_ops.len() >= OWNER_MAX {
            return self.tell(asker, Answer::Refused(Refusal::Busy));
        }
        let number = self.next_number();
        let waits = self.owner_ops.values().any(|op| *op.key == *key);
        let deadline = self.now.at + self.config.deadline;
        let op = OwnerOp { asker, key: key.into(), deed, deadline, spreading: None };
        self.owner_ops.insert(number, op);
        self.timers.set(Timer::Owner(number), deadline);
        if !waits {
            self.run_owner(number);
        }
    }

    /// Does the operation, as far as that needs nobody else.
    fn run_owner(&mut self, number: u64) {
        let Some(op) = self.owner_ops.get(&number) else { return };
        let (key, deed) = (op.key.clone(), op.deed.clone());
        let id = Id::of_key(&key);
        if !self.is_settled_for(self.now.at, id) {
            let claimed = self.claim(self.now.at).is_some_and(|claim| claim.contains(id));
            let refusal = if claimed { Refusal::NotSettled } else { Refusal::NotOwner };
            self.settle();
            return self.end_owner(number, Answer::Refused(refusal));
        }
        let stored = self.store.get(&key);
        let confirmed = stored.is_none_or(|stored| self.is_confirmed(stored));
        let rests_on_it = match &deed {
            Deed::Get => true,
            Deed::Write { operation, condition, value } => {
                *condition != Condition::None
                    || value.is_none()
                    || stored.is_some_and(|stored| stored.log.find(operation.id).is_some())
            }
        };
        if let Some(version) = stored.filter(|_| !confirmed && rests_on_it).map(|stored| stored.version) {
            return self.begin_spreading(number, version, None);
        }
        match deed {
            Deed::Get => self.finish_get(number, &key),
            Deed::Write { operation, condition, value } => {
                self.run_write(number, &key, operation, condition, value.as_deref());
            }
        }
    }

    fn finish_get(&mut self, number: u64, key: &[u8]) {
        let found = self.store.get(key).and_then(|stored| Some((stored.version, stored.value.clone()?)));
        self.counters.reads += 1;
        match found {
            Some((version, value)) => {
                let copies = self.copies();
                self.end_owner(number, Answer::Value { version, copies, value: &value });
            }
            None => self.end_owner(number, Answer::Refused(Refusal::NotFound)),
        }
    }

    fn run_write(&mut self, number: u64, key: &[u8], operation: Operation, condition: Condition, value: Option<&[u8]>) {
        let stored = self.store.get(key);
        let present = stored.and_then(Stored::present);
        let mut log = stored.map(|stored| stored.log.clone()).unwrap_or_default();
        let last = stored.map_or(Version::default(), |stored| stored.version);
        if let Some(version) = log.find(operation.id) {
            // It was done before, and its answer lost. Whether it created the key is not remembered.
            let copies = self.copies();
            return self.end_owner(number, Answer::Stored { version, copies, created: condition == Condition::Absent });
        }
        if log.may_have_forgotten(&operation) {
            return self.end_owner(number, Answer::Refused(Refusal::Forgotten));
        }
        let id = Id::of_key(key);
        let term = self.terms.at(id);
        if last.term > term {
            self.outranked(id, last.term);
            return self.end_owner(number, Answer::Refused(Refusal::NotSettled));
        }
        if value.is_none() && present.is_none() {
            return self.end_owner(number, Answer::Refused(Refusal::NotFound));
        }
        if !condition.holds(present) {
            return self.end_owner(number, Answer::Refused(Refusal::Conflict { version: present }));
        }
        let after = last.time_ms.max(operation.fresh.time_ms).saturating_add(1);
        self.clock_ms = self.tick().max(after);
        let version = Version { term, time_ms: self.clock_ms, writer: (self.me.id().get() >> 64) as u64 };
        log.push(operation.id, version);
        match self.store.merge(&Entry { key, version, log, value }) {
            Ok(_) => self.begin_spreading(number, version, Some(present.is_none())),
            Err(Full) => self.end_owner(number, Answer::Refused(Refusal::Full)),
        }
    }

    /// True if both neighbours are known to hold the entry.
    fn is_confirmed(&self, stored: &Stored) -> bool {
        let alone = self.predecessor.is_none() && self.successors.head().is_none();
        let matched = self.rights.matched_predecessor.min(self.rights.matched_successor);
        alone || stored.confirmed == self.rights.neighbourhood || stored.changed <= matched
    }

    /// How many nodes hold what is confirmed.
    fn copies(&self) -> u8 {
        1 + self.group().len() as u8
    }

    /// The two neighbours, or the one that is both, or nobody.
    fn group(&self) -> heapless::Vec<Peer, 2> {
        let head = self.successors.head();
        let predecessor = self.predecessor.filter(|predecessor| Some(*predecessor) != head);
        predecessor.into_iter().chain(head).collect()
    }

    fn begin_spreading(&mut self, number: u64, version: Version, own: Option<bool>) {
        if let Some(op) = self.owner_ops.get_mut(&number) {
            let neighbourhood = self.rights.neighbourhood;
            op.spreading = Some(Spreading { version, own, neighbourhood, stored_by: heapless::Vec::new() });
            self.spread(number);
        }
    }

    /// Sends the version to those neighbours that have not stored it and are not being asked.
    fn spread(&mut self, number: u64) {
        let Some(spreading) = self.owner_ops.get(&number).and_then(|op| op.spreading.clone()) else { return };
        let Some(key) = self.owner_ops.get(&number).map(|op| op.key.clone()) else { return };
        let missing: Vec<Peer> = self.group().into_iter().filter(|peer| !spreading.stored_by.contains(peer)).collect();
        if missing.is_empty() {
            return self.spread_done(number, &key, &spreading);
        }
        let id = Id::of_key(&key);
        let term = self.terms.at(id);
        if !self.is_settled_for(self.now.at, id) {
            return self.owner_retry(number);
        }
        let Some(entry) = self.store.fetch_key(&key).filter(|entry| entry.version == spreading.version) else {
            return self.superseded(number, &spreading);
        };
        let entry = super::serve::owned(entry);
        for peer in missing {
            let asking =
                |to: &Peer, purpose: &Purpose| *to == peer && matches!(purpose, Purpose::Replicate(n) if *n == number);
            if self.requests.any(asking) {
                continue;
            }
            let manner = self.patient();
            let request = Request::Replicate { term, entry: entry.borrow() };
            if !self.ask(peer, request, Purpose::Replicate(number), manner) {
                self.owner_retry(number);
            }
        }
    }

    /// The version is stored by the whole group, as it is now.
    fn spread_done(&mut self, number: u64, key: &[u8], spreading: &Spreading) {
        if !self.is_settled_for(self.now.at, Id::of_key(key)) || spreading.neighbourhood != self.rights.neighbourhood {
            return self.owner_retry(number);
        }
        self.store.confirm(key, spreading.version, self.rights.neighbourhood);
        match spreading.own {
            Some(created) => {
                self.counters.writes += 1;
                let (version, copies) = (spreading.version, self.copies());
                self.end_owner(number, Answer::Stored { version, copies, created });
            }
            None => {
                if let Some(op) = self.owner_ops.get_mut(&number) {
                    op.spreading = None;
                }
                self.run_owner(number);
            }
        }
    }

    /// A higher version came in between: a write of ours is of unknown outcome, anything else begins again.
    fn superseded(&mut self, number: u64, spreading: &Spreading) {
        if spreading.own.is_some() {
            return self.end_owner(number, Answer::Refused(Refusal::Unknown));
        }
        if let Some(op) = self.owner_ops.get_mut(&number) {
            op.spreading = None;
        }
        self.run_owner(number);
    }

    /// A neighbour stored it.
    pub(super) fn replicated(&mut self, number: u64, by: Peer) {
        let neighbourhood = self.rights.neighbourhood;
        if let Some(spreading) = self.owner_ops.get_mut(&number).and_then(|op| op.spreading.as_mut()) {
            if spreading.neighbourhood == neighbourhood && !spreading.stored_by.contains(&by) {
                // Two neighbours at most; one more would be a former one, which does not count anyway.
                let _ = spreading.stored_by.push(by);
            }
            self.spread(number);
        }
    }

    /// A neighbour did not store it.
    pub(super) fn replicate_refused(&mut self, number: u64, by: Peer, silence: Silence) {
        let Some(op) = self.owner_ops.get(&number) else { return };
        let id = Id::of_key(&op.key);
        match silence {
            Silence::Refused(Refusal::Newer { version }) => {
                let item = Item { id, version };
                let manner = self.patient();
                self.ask(by, Request::Fetch(item), Purpose::Newer(number), manner);
            }
            Silence::Refused(Refusal::Stale { term }) => self.outranked(id, term),
            _ => {}
        }
        self.owner_retry(number);
    }

    /// A neighbour's higher version arrived.
    pub(super) fn newer_fetched(&mut self, number: u64, entry: &Entry<'_>) {
        // If there is no room for it the operation runs into its deadline.
        let _ = self.take_entry(entry);
        self.owner_retry(number);
    }

    /// Looks at the operation again in a moment.
    pub(super) fn owner_retry(&mut self, number: u64) {
        if self.owner_ops.contains_key(&number) {
            self.timers.set_earlier(Timer::Owner(number), self.now.at + RETRY);
        }
    }

    /// The node answers no longer: operations under way find out at once.
    pub(super) fn wake_owner_ops(&mut self) {
        let now = self.now.at;
        for number in self.owner_ops.keys() {
            self.timers.set(Timer::Owner(*number), now);
        }
    }

    /// The next try of an operation, or its deadline.
    pub(super) fn owner_due(&mut self, number: u64) {
        let now = self.now.at;
        let neighbourhood = self.rights.neighbourhood;
        let Some(op) = self.owner_ops.get_mut(&number) else { return };
        self.timers.set(Timer::Owner(number), op.deadline.max(now + RETRY));
        let id = Id::of_key(&op.key);
        let Some(spreading) = &mut op.spreading else {
            // It waits behind another, or its turn has come.
            let (late, key) = (op.deadline <= now, op.key.clone());
            if late {
                return self.end_owner(number, Answer::Refused(Refusal::Busy));
            }
            if !self.owner_ops.values().any(|other| other.key == key && other.spreading.is_some()) {
                self.run_owner(number);
            }
            return;
        };
        if spreading.neighbourhood != neighbourhood {
            // Other neighbours than before: what the former ones stored does not count.
            spreading.neighbourhood = neighbourhood;
            spreading.stored_by.clear();
        }
        let wrote = spreading.own.is_some();
        if op.deadline <= now || !self.is_settled_for(now, id) {
            let refusal = if wrote { Refusal::Unknown } else { Refusal::NotSettled };
            return self.end_owner(number, Answer::Refused(refusal));
        }
        self.spread(number);
    }

    /// Ends an operation, and begins the one that waited for it.
    fn end_owner(&mut self, number: u64, answer: Answer<'_>) {
        self.timers.cancel(Timer::Owner(number));
        let Some(op) = self.owner_ops.remove(&number) else { return };
        self.requests.abandon(
            &mut self.timers,
            |purpose| matches!(purpose, Purpose::Replicate(n) | Purpose::Newer(n) if *n == number),
        );
        self.tell(op.asker, answer);
        let next = self.owner_ops.iter().find(|(_, other)| other.key == op.key).map(|(next, _)| *next);
        if let Some(next) = next {
            // Not here and now, or a long queue would be a deep recursion.
            self.timers.set(Timer::Owner(next), self.now.at);
        }
    }

    fn tell(&mut self, asker: Asker, answer: Answer<'_>) {
        match asker {
            Asker::Remote(asked) => self.answer(&asked, answer),
            Asker::Local(ticket) => self.operation_ended(ticket, self.me, true, &answer),
            Asker::Nobody => {}
        }
    }

    /// The owner of a key, our neighbour, gives us a copy.
    pub(super) fn serve_replicate(&mut self, asked: &Asked, term: u64, entry: &Entry<'_>) {
        let id = Id::of_key(entry.key);
        let known = self.terms.at(id);
        if self.neighbour_asking(asked).is_none() {
            return self.refuse(asked, Refusal::NotNeighbour);
        }
        if known > term {
            return self.refuse(asked, Refusal::Stale { term: known });
        }
        let here = self.store.get(entry.key).map(|stored| stored.version);
        if let Some(version) = here.filter(|version| *version > entry.version) {
            return self.refuse(asked, Refusal::Newer { version });
        }
        match self.take_entry(entry) {
            Ok(_) => self.answer(asked, Answer::Done),
            Err(Full) => self.refuse(asked, Refusal::Full),
        }
    }

    /// Someone holds an entry that is ours.
    pub(super) fn serve_offer(&mut self, asked: &Asked, entry: &Entry<'_>) {
        if !self.is_settled_for(self.now.at, Id::of_key(entry.key)) {
            return self.refuse(asked, Refusal::NotSettled);
        }
        if self.take_entry(entry).is_err() {
            return self.refuse(asked, Refusal::Full);
        }
        let stored = self.store.get(entry.key);
        let confirmed =
            stored.is_some_and(|stored| self.is_confirmed(stored)) && self.neighbour_asking(asked).is_none();
        if !confirmed {
            self.start_owner(Asker::Nobody, entry.key, Deed::Get);
        }
        self.answer(asked, Answer::Offered { confirmed });
    }
}
