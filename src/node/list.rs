//! Listing the keys of the whole ring, a page at a time and in ring order: of each position in turn its owner is found,
//! and lists what it owns from there on. Only a settled owner does, as only that one knows of every acknowledged write.
//! So a page lacks no key between its first position and where it ends; where no owner answers it ends before that.

use super::Node;
use super::command::{Event, OwnedKey, Reply, Ticket, Unavailable};
use super::keys::{Asker, Deed};
use super::lookup::LookupFor;
use super::pending::{Purpose, Silence};
use super::speak::Asked;
use super::timers::Timer;
use crate::id::{Arc, Id};
use crate::limits::{FRAME_MAX, LIST_MAX, LISTED_MAX, LISTED_OVERHEAD, LISTED_WORK, LISTS_MAX};
use crate::store::Stored;
use crate::time::Instant;
use crate::wire::{Answer, Listed, Listing, Peer, Refusal, Request};
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::time::Duration;

/// The highest position. A list goes from the lowest to this one, whoever is asked.
const LAST: Id = Id::new(u128::MAX);

/// Ends of entries that are made final at one time because a list waits for them.
const COMPLETED_MAX: usize = 64;

/// A page under way.
#[derive(Debug)]
pub(super) struct ListOp {
    /// Everything before is listed, or was not wanted.
    from: Id,
    /// Of the first position only keys behind this one are wanted.
    after: Option<Box<[u8]>>,
    limit: usize,
    entries: Vec<OwnedKey>,
    /// An owner has listed something, if only that it has nothing.
    begun: bool,
    deadline: Instant,
    tries: u32,
    /// A lookup or a request is under way.
    busy: bool,
    /// Why the last try came to nothing.
    why: Unavailable,
}

/// What a settled owner has of the beginning of an arc.
type Stretch = (Id, Vec<OwnedKey>);

impl Node {
    /// Begins a page: keys from a position on, behind the key if one is given, so many at most.
    pub(super) fn start_list(&mut self, ticket: Ticket, from: Id, after: Option<Box<[u8]>>, limit: usize) {
        let why = match () {
            () if self.has_parted() => Some(Unavailable::Leaving),
            () if !self.may_coordinate() => Some(Unavailable::NotMember),
            () => (self.lists.len() >= LISTS_MAX).then_some(Unavailable::Busy),
        };
        if let Some(why) = why {
            return self.emit(Event::Reply(ticket, Reply::Unavailable(why)));
        }
        let (deadline, limit) = (self.now.at + self.config.deadline, limit.clamp(1, LIST_MAX));
        let (entries, why) = (Vec::new(), Unavailable::NoOwner);
        let op = ListOp { from, after, limit, entries, begun: false, deadline, tries: 0, busy: false, why };
        self.lists.insert(ticket, op);
        self.list_try(ticket);
    }

    /// One try at the next position: the own claim, or a lookup.
    fn list_try(&mut self, ticket: Ticket) {
        let Some(op) = self.lists.get_mut(&ticket) else { return };
        op.busy = true;
        let (from, exact) = (op.from, op.tries > 0);
        self.timers.set(Timer::Client(ticket), op.deadline);
        if self.is_own_by_pointers(from) {
            self.list_mine(ticket, from);
        } else {
            self.start_lookup(from, LookupFor::Operation { ticket, exact });
        }
    }

    /// This node is the owner.
    fn list_mine(&mut self, ticket: Ticket, from: Id) {
        match self.list_own(Arc::new(from.plus(u128::MAX), LAST)) {
            Ok((upto, keys)) => self.list_take(ticket, upto, keys),
            Err(refusal) => self.list_silent(ticket, Silence::Refused(refusal)),
        }
    }

    /// The lookup has ended.
    pub(super) fn list_found(&mut self, ticket: Ticket, owner: Option<Peer>) {
        let Some(from) = self.lists.get(&ticket).map(|op| op.from) else { return };
        match owner {
            None => self.list_retry(ticket),
            Some(owner) if owner == self.me => self.list_mine(ticket, from),
            Some(owner) => {
                let request = Request::List(Arc::new(from.plus(u128::MAX), LAST));
                if !self.ask(owner, request, Purpose::List(ticket), self.coordinator()) {
                    self.list_retry(ticket);
                }
            }
        }
    }

    /// An owner listed what it has.
    pub(super) fn list_answered(&mut self, ticket: Ticket, owner: Peer, listed: &Listed<'_>) {
        let own = |item: &Listing<'_>| OwnedKey {
            key: item.key.into(),
            id: Id::of_key(item.key),
            version: item.version,
            length: item.length,
            owner: owner.addr(),
        };
        self.list_take(ticket, listed.upto, listed.items.iter().map(own).collect());
    }

    /// The owner is silent, or refuses.
    pub(super) fn list_silent(&mut self, ticket: Ticket, silence: Silence) {
        let silenced = self.silenced().is_some();
        if let Some(op) = self.lists.get_mut(&ticket) {
            let silent = silence == Silence::Refused(Refusal::Silent);
            op.why = if silent { Unavailable::Silent } else { Unavailable::NoOwner };
            if silent && silenced {
                // This node does not answer either: it is not waited for.
                return self.list_cut(ticket);
            }
            self.list_retry(ticket);
        }
    }

    /// Adds a stretch to the page.
    fn list_take(&mut self, ticket: Ticket, upto: Id, keys: Vec<OwnedKey>) {
        let Some(op) = self.lists.get_mut(&ticket) else { return };
        let in_order = keys.is_sorted_by(|a, b| (a.id, &a.key) < (b.id, &b.key));
        if upto < op.from || !in_order || keys.iter().any(|key| key.id < op.from || key.id > upto) {
            return self.list_retry(ticket);
        }
        (op.begun, op.tries) = (true, 0);
        let after = op.after.as_deref().map(|key| (Id::of_key(key), key));
        for key in keys.into_iter().filter(|key| after.is_none_or(|after| (key.id, &*key.key) > after)) {
            match op.entries.last().map(|last| last.id) {
                Some(last) if op.entries.len() >= op.limit => return self.list_over(ticket, Some(last)),
                _ => op.entries.push(key),
            }
        }
        let full = op.entries.len() >= op.limit;
        op.from = upto.plus(1);
        if upto == LAST {
            self.list_over(ticket, None);
        } else if full {
            self.list_over(ticket, Some(upto.plus(1)));
        } else {
            // Not here and now: there may be many steps, and other work waits.
            op.busy = false;
            self.timers.set(Timer::Client(ticket), self.now.at);
        }
    }

    /// Tries again in a moment.
    fn list_retry(&mut self, ticket: Ticket) {
        let jitter = self.jitter(0, 30);
        let Some(op) = self.lists.get_mut(&ticket) else { return };
        op.busy = false;
        // As for other operations of clients: 20, 40 ... 320 ms.
        let pause = Duration::from_millis(20 << op.tries.min(4)) + jitter;
        op.tries += 1;
        self.timers.set(Timer::Client(ticket), op.deadline.min(self.now.at + pause));
    }

    /// The next step of a page, or its deadline.
    pub(super) fn list_due(&mut self, ticket: Ticket) {
        match self.lists.get(&ticket) {
            Some(op) if op.deadline <= self.now.at => self.list_cut(ticket),
            Some(op) if !op.busy => self.list_try(ticket),
            _ => {}
        }
    }

    /// Time is up: what there is makes a shorter page.
    pub(super) fn list_cut(&mut self, ticket: Ticket) {
        match self.lists.get(&ticket) {
            Some(op) if op.begun => self.list_over(ticket, Some(op.from)),
            Some(op) => self.list_ended(ticket, Reply::Unavailable(op.why)),
            None => {}
        }
    }

    /// The page is done. What there is from `next` on, behind the page's last key, is left to others.
    fn list_over(&mut self, ticket: Ticket, next: Option<Id>) {
        if let Some(op) = self.lists.get_mut(&ticket) {
            let entries = core::mem::take(&mut op.entries);
            self.list_ended(ticket, Reply::Listed { entries, next });
        }
    }

    fn list_ended(&mut self, ticket: Ticket, reply: Reply) {
        self.timers.cancel(Timer::Client(ticket));
        if self.lists.remove(&ticket).is_some() {
            let ours = |purpose: &Purpose| matches!(purpose, Purpose::List(of) if *of == ticket);
            self.requests.abandon(&mut self.timers, ours);
            self.emit(Event::Reply(ticket, reply));
        }
    }

    /// A coordinator asks what this node owns of the beginning of an arc.
    pub(super) fn serve_list(&mut self, asked: &Asked, arc: Arc) {
        match self.list_own(arc) {
            Ok((upto, keys)) => {
                let items = keys.iter().map(|OwnedKey { key, version, length, .. }| Listing {
                    key,
                    version: *version,
                    length: *length,
                });
                self.answer(asked, Answer::Listed(Box::new(Listed { upto, items: items.collect() })));
            }
            Err(refusal) => self.refuse(asked, refusal),
        }
    }

    /// The keys of the arc's beginning, as far as this node may answer for it and one frame has room. Entries under one
    /// id are listed together, so a position says enough of how far it came.
    fn list_own(&mut self, arc: Arc) -> Result<Stretch, Refusal> {
        let (now, first) = (self.now.at, arc.after.plus(1));
        let (spoken, settled) = match (self.spoken(now), self.settled_arc()) {
            (Some(spoken), Some(settled)) if spoken.contains(first) && settled.contains(first) => (spoken, settled),
            _ => {
                let claimed = self.claim(now).is_some_and(|claim| claim.contains(first));
                return Err(match () {
                    () if claimed && self.silenced().is_some() => Refusal::Silent,
                    () if claimed => Refusal::NotSettled,
                    () => Refusal::NotOwner,
                });
            }
        };
        let nearer = |a: Id, b: Id| if first.distance_to(a) < first.distance_to(b) { a } else { b };
        let end = nearer(arc.upto, nearer(spoken.upto, settled.upto));
        let (mut keys, mut room, mut cut) = (Vec::<OwnedKey>::new(), FRAME_MAX - LISTED_OVERHEAD, None);
        for (at, (id, key, stored)) in self.store.range(Arc::new(arc.after, end)).enumerate() {
            if at >= LISTED_WORK || self.may_come_back(stored) {
                cut = Some((id, Refusal::NotSettled));
                break;
            }
            let Some(content) = &stored.value else { continue };
            let (version, length) = (stored.rank.version, content.bytes().len() as u32);
            let size = Listing { key, version, length }.size();
            if keys.len() >= LISTED_MAX || size > room {
                cut = Some((id, Refusal::TooLarge));
                break;
            }
            room -= size;
            keys.push(OwnedKey { key: key.into(), id, version, length, owner: self.me.addr() });
        }
        let Some((id, refusal)) = cut else { return Ok((end, keys)) };
        if refusal == Refusal::NotSettled {
            self.complete_ends(Arc::new(id.plus(u128::MAX), end));
        }
        if id == first {
            return Err(refusal);
        }
        keys.retain(|key| key.id != id);
        Ok((id.plus(u128::MAX), keys))
    }

    /// True of what is not there as far as this node knows, but may turn out to be: a delete that the neighbours may
    /// not have heard of, and a value that has ended by this node's clock alone.
    fn may_come_back(&self, stored: &Stored) -> bool {
        match &stored.value {
            Some(content) => self.store.has_ended(content),
            None => !stored.rank.chosen && !self.is_with_all(stored),
        }
    }

    /// Has the neighbours store the first of such ends in the arc; then they are final.
    fn complete_ends(&mut self, arc: Arc) {
        let entries = self.store.range(arc).take(LISTED_WORK);
        let open = entries.filter(|(_, _, stored)| self.may_come_back(stored));
        let keys: Vec<Box<[u8]>> = open.take(COMPLETED_MAX).map(|(_, key, _)| key.into()).collect();
        for key in keys {
            if self.owner_ops.of(&key).is_none() {
                self.start_owner(Asker::Nobody, &key, Deed::Get);
            }
        }
    }
}
