//! The coordinator: operations of this node's own clients. It finds the owner, sends the operation, and repeats it
//! under the same name until there is an answer or the deadline. A refusal says that nothing was changed; once a write
//! was sent and not answered, only "unknown" may be said.

mod naming;

use super::Node;
use super::command::{Command, Event, Hop, Reply, Ticket, Unavailable};
use super::keys::{Asker, Deed};
use super::lookup::{Found, LookupFor};
use super::pending::{Pending, Purpose, Silence};
use super::timers::Timer;
use super::transfer::{Parcel, Read};
use crate::id::{Arc, Id};
use crate::limits::{CLIENT_MAX, KEY_MAX, KIND_MAX, LOOKUP_STEPS_MAX, OPERATIONS_MAX, TTL_MAX_S};
use crate::store::Content;
use crate::time::Instant;
use crate::wire::{Answer, Condition, Freshness, Hash, Operation, OperationId, Peer, Refusal, Request, Value};
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::time::Duration;
use naming::Naming;

#[derive(Clone, Debug)]
enum Wish {
    Get,
    Glance,
    Write {
        name: OperationId,
        naming: Naming,
        /// Read at the first lookup, and kept for all repetitions.
        fresh: Option<Freshness>,
        condition: Condition,
        min_copies: u8,
        /// With its time to live in seconds.
        value: Option<(Content, u32)>,
    },
    Owner,
}

/// An operation of a client.
#[derive(Debug)]
pub(super) struct ClientOp {
    id: Id,
    key: Box<[u8]>,
    wish: Wish,
    deadline: Instant,
    tries: u32,
    /// A lookup, a request or an operation of our own as owner is under way.
    busy: bool,
    /// The write was sent and not answered, by this node or before by another: it may have been stored.
    uncertain: bool,
    /// Why the last try came to nothing.
    why: Unavailable,
    /// The nodes asked in lookups that came to nothing, where the client wants to know.
    path: Vec<Hop>,
}

impl ClientOp {
    /// Its time is over, for this reason.
    pub const fn cut(&mut self, now: Instant, why: Unavailable) {
        (self.deadline, self.why) = (now, why);
    }

    /// True if it is about a key of this id.
    pub fn is_for(&self, id: Id) -> bool {
        self.id == id
    }

    /// The value that it writes, if it is the one with this hash.
    pub fn offers(&self, id: Id, hash: &Hash) -> Option<&Content> {
        let Wish::Write { value: Some((content, _)), .. } = &self.wish else { return None };
        (self.id == id && content.hash() == Some(hash)).then_some(content)
    }
}

impl Node {
    /// Begins a client's operation.
    pub(super) fn start_client(&mut self, ticket: Ticket, command: Command) {
        let (key, wish) = match command {
            Command::Get { key } => (key, Wish::Get),
            Command::Glance { key } => (key, Wish::Glance),
            Command::Put { key, content, ttl_s, condition, min_copies, attempt } => {
                let (name, naming, fresh) = self.name(attempt);
                (key, Wish::Write { name, naming, fresh, condition, min_copies, value: Some((content, ttl_s)) })
            }
            Command::Delete { key, condition, min_copies, attempt } => {
                let (name, naming, fresh) = self.name(attempt);
                (key, Wish::Write { name, naming, fresh, condition, min_copies, value: None })
            }
            Command::Lookup { id } => return self.insert_client(ticket, id, Box::default(), Wish::Owner),
            Command::Walk { .. } | Command::Fingers { .. } | Command::List { .. } => return,
            Command::Seeds(_) | Command::Leave | Command::Reopen => return,
        };
        let beyond = |content: &Content, ttl_s: u32| {
            let (length, kind) = (content.bytes().len(), content.kind().len());
            length > self.config.value_max || kind > KIND_MAX || ttl_s > TTL_MAX_S
        };
        let too_long = matches!(&wish, Wish::Write { value: Some((content, ttl_s)), .. } if beyond(content, *ttl_s));
        // Whatever clock made it, some node may have given it, unless it is beyond any.
        if matches!(&wish, Wish::Write { fresh: Some(fresh), .. } if !fresh.is_sound()) {
            return self.emit(Event::Reply(ticket, Reply::Invented));
        }
        if !(1..=KEY_MAX).contains(&key.len()) || too_long {
            return self.emit(Event::Reply(ticket, Reply::TooLarge));
        }
        self.insert_client(ticket, Id::of_key(&key), key, wish);
    }

    fn insert_client(&mut self, ticket: Ticket, id: Id, key: Box<[u8]>, wish: Wish) {
        let why = if self.has_parted() {
            Some(Unavailable::Leaving)
        } else if !self.may_coordinate() {
            Some(Unavailable::NotMember)
        } else {
            (self.client_ops.len() >= CLIENT_MAX).then_some(Unavailable::Busy)
        };
        if let Some(why) = why {
            // Of a repetition nobody here knows what became of the first attempt.
            let reply = match wish {
                Wish::Write { name: id, fresh: Some(fresh), .. } => {
                    Reply::Unknown { operation: Operation { id, fresh } }
                }
                _ => Reply::Unavailable(why),
            };
            return self.emit(Event::Reply(ticket, reply));
        }
        let deadline = self.now.at + self.config.deadline;
        let uncertain = matches!(wish, Wish::Write { fresh: Some(_), .. });
        let why = Unavailable::NoOwner;
        let op = ClientOp { id, key, wish, deadline, tries: 0, busy: false, uncertain, why, path: Vec::new() };
        self.client_ops.insert(ticket, op);
        self.client_try(ticket);
    }

    /// One try: the own claim, or a lookup.
    fn client_try(&mut self, ticket: Ticket) {
        let me = self.me.id();
        let Some(op) = self.client_ops.get_mut(&ticket) else { return };
        op.busy = true;
        let (id, deadline, wish, op_tries) = (op.id, op.deadline, op.wish.clone(), op.tries);
        self.timers.set(Timer::Client(ticket), deadline);
        let own = self.is_own_by_pointers(id);
        match wish {
            Wish::Owner if own && self.is_established() => {
                let owner = self.me;
                let arc = Arc::new(self.predecessor.map_or(me, |predecessor| predecessor.id()), me);
                self.client_reply(ticket, Reply::Owner { owner, arc, path: Vec::new() });
            }
            // As of reads and writes: it will not answer, and knows that now.
            Wish::Owner if own && self.silenced().is_some() => {
                self.client_reply(ticket, Reply::Unavailable(Unavailable::Silent));
            }
            Wish::Owner if own => self.client_retry(ticket),
            Wish::Owner => self.start_lookup(id, LookupFor::Owner(ticket)),
            _ if own => self.client_own(ticket),
            Wish::Get | Wish::Glance
                if op_tries == 0
                    && let Some(found) = self.remembered_owner(id) =>
            {
                self.client_found(ticket, Some(found));
            }
            // What a list far away says may be out of date: after a failure the predecessor itself is asked. A write is
            // as fresh as the term that it was looked up under, and that only the owner and its neighbours know.
            Wish::Write { fresh: None, .. } if !self.is_beside_owner(id) => {
                self.start_lookup(id, LookupFor::Operation { ticket, exact: true });
            }
            _ => self.start_lookup(id, LookupFor::Operation { ticket, exact: op_tries > 0 }),
        }
    }

    /// The key is this node's own.
    fn client_own(&mut self, ticket: Ticket) {
        let Some(id) = self.client_ops.get(&ticket).map(|op| op.id) else { return };
        let now_fresh = self.freshness(id);
        let Some(op) = self.client_ops.get_mut(&ticket) else { return };
        let key = op.key.clone();
        let deed = match &mut op.wish {
            Wish::Write { name, naming, fresh, condition, min_copies, value } => {
                let operation = Operation { id: *name, fresh: *fresh.get_or_insert(now_fresh) };
                let (condition, min_copies) = (*condition, *min_copies);
                let mark = naming.mark(value.as_ref(), condition);
                Deed::Write { operation, mark, condition, min_copies, value: value.clone() }
            }
            Wish::Get | Wish::Glance | Wish::Owner => Deed::Get,
        };
        self.start_owner(Asker::Local(ticket), &key, deed);
    }

    /// A lookup came to nothing on this path.
    pub(super) fn client_walked(&mut self, ticket: Ticket, path: Vec<Hop>) {
        if let Some(op) = self.client_ops.get_mut(&ticket).filter(|op| op.path.len() < LOOKUP_STEPS_MAX) {
            op.path.extend(path);
        }
    }

    /// The lookup has ended.
    pub(super) fn client_found(&mut self, ticket: Ticket, found: Option<Found>) {
        found.iter().for_each(|found| self.note_found(found));
        if self.lists.contains_key(&ticket) {
            return self.list_found(ticket, found.map(|found| found.owner));
        }
        let Some(op) = self.client_ops.get_mut(&ticket) else { return };
        let Some(found) = found else { return self.client_retry(ticket) };
        let path = [core::mem::take(&mut op.path), found.path].concat();
        self.counters.count_lookup(path.len());
        if matches!(op.wish, Wish::Owner) {
            let arc = Arc::new(found.predecessor.id(), found.owner.id());
            return self.client_reply(ticket, Reply::Owner { owner: found.owner, arc, path });
        }
        if found.owner == self.me {
            return self.client_own(ticket);
        }
        let (key, owner) = (op.key.clone(), found.owner);
        let wish = match &mut op.wish {
            Wish::Write { fresh, .. } => {
                fresh.get_or_insert(if found.fresh.is_sound() { found.fresh } else { Freshness::default() });
                op.wish.clone()
            }
            other => other.clone(),
        };
        let request = match &wish {
            Wish::Write { name, naming, fresh, condition, min_copies, value } => {
                let operation = Operation { id: *name, fresh: fresh.unwrap_or_default() };
                let (key, condition, min_copies) = (&*key, *condition, *min_copies);
                let named = *naming != Naming::Ours;
                match value {
                    Some((content, ttl_s)) => {
                        // A name and a condition take no more room than two writes of a log, with a list than four.
                        let lists = matches!(condition, Condition::OneOf(_) | Condition::NoneOf { .. });
                        let operations = if lists { OPERATIONS_MAX } else { 2 };
                        let (Value { kind, body, .. }, ttl_s) = (content.framed(0, key.len(), operations), *ttl_s);
                        Request::Put { operation, named, key, condition, min_copies, ttl_s, kind, body }
                    }
                    None => Request::Delete { operation, named, key, condition, min_copies },
                }
            }
            Wish::Get | Wish::Glance | Wish::Owner => Request::Get { key: &key },
        };
        if !self.ask(owner, request, Purpose::Operation(ticket), self.coordinator()) {
            self.client_retry(ticket);
        }
    }

    /// The owner refused, or is silent.
    pub(super) fn operation_silent(&mut self, ticket: Ticket, owner: Peer, pending: &Pending, silence: Silence) {
        match silence {
            Silence::Refused(refusal @ (Refusal::Forgotten | Refusal::TooOld)) if pending.copies > 1 => {
                // The copy sent before may be what was applied and forgotten.
                self.in_doubt(ticket);
                self.operation_ended(ticket, owner, &Answer::Refused(refusal));
            }
            Silence::Timeout { .. } | Silence::Gone => {
                self.in_doubt(ticket);
                self.client_retry(ticket);
            }
            Silence::Refused(refusal) => self.operation_ended(ticket, owner, &Answer::Refused(refusal)),
        }
    }

    fn in_doubt(&mut self, ticket: Ticket) {
        if let Some(op) = self.client_ops.get_mut(&ticket) {
            op.uncertain |= matches!(op.wish, Wish::Write { .. });
        }
    }

    /// An answer to the operation. A final refusal holds for all copies of the request: the owner remembers it.
    pub(super) fn operation_ended(&mut self, ticket: Ticket, owner: Peer, answer: &Answer<'_>) {
        let silenced = self.silenced().is_some();
        let Some(op) = self.client_ops.get_mut(&ticket) else { return };
        let (name, naming) = match op.wish {
            Wish::Write { name: id, naming, fresh, .. } => {
                (Some(Operation { id, fresh: fresh.unwrap_or_default() }), naming)
            }
            Wish::Get | Wish::Glance | Wish::Owner => (None, Naming::Ours),
        };
        let uncertain = op.uncertain;
        op.why = Unavailable::told_by(answer);
        let reply = match (answer, name) {
            (Answer::Value { value, .. }, None) if !value.is_sound() => return self.client_retry(ticket),
            (Answer::Value { version, copies, value }, None) if matches!(op.wish, Wish::Glance) => {
                let (length, kind, left_ms) = (value.body.length as usize, value.kind.into(), value.left_ms);
                Reply::Seen { version: *version, length, kind, left_ms, copies: *copies, owner }
            }
            (Answer::Value { version, copies, value }, None) if !value.body.is_whole() => {
                let read = Read { version: *version, copies: *copies, value: (*value).into() };
                let (id, body) = (op.id, value.body);
                if self.start_transfer(owner, id, &body, Parcel::Read(ticket, read)).is_err() {
                    self.client_retry(ticket);
                }
                return;
            }
            (Answer::Value { version, copies, value }, None) => {
                let (content, left_ms) = ((*value).into(), value.left_ms);
                Reply::Value { content, left_ms, version: *version, copies: *copies, owner }
            }
            (Answer::Stored { version, copies, created }, Some(operation)) => {
                let (version, copies, created) = (*version, *copies, *created);
                Reply::Stored { version, copies, created, owner, operation }
            }
            (Answer::Refused(refusal), _) => match refusal {
                Refusal::NotFound
                | Refusal::Conflict { .. }
                | Refusal::TooLarge
                | Refusal::Full { .. }
                | Refusal::NoNames
                | Refusal::TooFew { .. }
                    if let Some(operation) = name.filter(|_| uncertain) =>
                {
                    // An owner before this one may have stored it, and may come back.
                    Reply::Unknown { operation }
                }
                Refusal::NotFound => Reply::NotFound,
                Refusal::Conflict { version } => Reply::Conflict { version: *version },
                Refusal::TooLarge => Reply::TooLarge,
                Refusal::Full { room } => Reply::Unavailable(Unavailable::Full { room: *room }),
                Refusal::NoNames => Reply::Unavailable(Unavailable::Names),
                Refusal::TooFew { copies } => Reply::Unavailable(Unavailable::TooFew { copies: *copies }),
                Refusal::Unknown => {
                    op.uncertain = true;
                    return self.client_retry(ticket);
                }
                // Neither this node nor the owner answers for anything until something else happens to them.
                Refusal::Silent if silenced => match name.filter(|_| uncertain) {
                    Some(operation) => Reply::Unknown { operation },
                    None => Reply::Unavailable(Unavailable::Silent),
                },
                Refusal::Reused => Reply::Reused,
                // Whoever is asked next knows no more, and never will.
                Refusal::TooOld if naming == Naming::Again => Reply::Forgotten,
                // That is the word of a node that may know less than the owner.
                Refusal::Forgotten if naming == Naming::Again => return self.client_retry(ticket),
                Refusal::Forgotten | Refusal::TooOld if uncertain => match name {
                    Some(operation) => Reply::Unknown { operation },
                    None => return self.client_retry(ticket),
                },
                Refusal::Forgotten | Refusal::TooOld => {
                    // The one copy of it was not applied: it begins anew, fresher. Nor does the client's own name rest
                    // on how fresh it is.
                    if let Wish::Write { fresh, .. } = &mut op.wish {
                        *fresh = None;
                    }
                    return self.client_retry(ticket);
                }
                _ => return self.client_retry(ticket),
            },
            _ => return self.client_retry(ticket),
        };
        self.client_reply(ticket, reply);
    }

    /// Tries again in a moment.
    pub(super) fn client_retry(&mut self, ticket: Ticket) {
        let jitter = self.jitter(0, 30);
        let Some(op) = self.client_ops.get_mut(&ticket) else { return };
        op.busy = false;
        // 20, 40 ... 320 ms: takeovers last seconds, a queue at the owner milliseconds.
        let pause = Duration::from_millis(20 << op.tries.min(4)) + jitter;
        op.tries += 1;
        self.timers.set(Timer::Client(ticket), op.deadline.min(self.now.at + pause));
    }

    /// The next try of an operation, or its deadline.
    pub(super) fn client_due(&mut self, ticket: Ticket) {
        match () {
            () if self.walks.contains_key(&ticket) => return self.walk_due(ticket),
            () if self.asked_fingers.contains(&ticket) => return self.fingers_ended(ticket, None),
            () if self.lists.contains_key(&ticket) => return self.list_due(ticket),
            () if self.waited_in_vain(ticket) => return,
            () => {}
        }
        let Some(op) = self.client_ops.get(&ticket) else { return };
        if op.deadline > self.now.at {
            if !op.busy {
                self.client_try(ticket);
            }
            return;
        }
        let reply = match op.wish {
            // A write that is still under way somewhere may come to its end.
            Wish::Write { name: id, fresh, .. } if op.uncertain || (op.busy && fresh.is_some()) => {
                Reply::Unknown { operation: Operation { id, fresh: fresh.unwrap_or_default() } }
            }
            _ => Reply::Unavailable(op.why),
        };
        self.client_reply(ticket, reply);
    }

    fn client_reply(&mut self, ticket: Ticket, reply: Reply) {
        self.timers.cancel(Timer::Client(ticket));
        if self.client_ops.remove(&ticket).is_some() {
            let ours = |purpose: &Purpose| matches!(purpose, Purpose::Operation(of) if *of == ticket);
            self.requests.abandon(&mut self.timers, ours);
            self.abandon_read(ticket);
            self.emit(Event::Reply(ticket, reply));
        }
    }
}
