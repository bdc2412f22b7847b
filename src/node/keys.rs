//! Operations at the owner of a key.
//!
//! One operation on a key runs at a time, others wait behind it. What is answered is on all nodes of the group: an
//! entry that is not confirmed on both neighbours is completed before anything is said that rests on it.

use super::Node;
use super::command::Ticket;
use super::pending::Purpose;
use super::speak::Asked;
use super::spread::Spreading;
use super::timers::Timer;
use crate::config::Rule;
use crate::id::Id;
use crate::limits::{KEY_MAX, OWNER_MAX};
use crate::store::Content;
use crate::time::Instant;
use crate::wire::{Answer, Condition, Logged, Mark, Operation, Refusal};
use alloc::boxed::Box;
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
        /// What it asks for.
        mark: Mark,
        /// When to refuse.
        condition: Condition,
        /// Refuse if the group has fewer nodes.
        min_copies: u8,
        /// The value, which ends so many seconds after it was taken; zero for never.
        value: Option<(Content, u32)>,
    },
    /// Tell how a write ended that is known here by its name: its value is not here again.
    Tell {
        /// The name of the write.
        operation: Operation,
        /// What it asks for.
        mark: Mark,
    },
}

impl Deed {
    /// The name of the write that it is about.
    const fn operation(&self) -> Option<&Operation> {
        match self {
            Self::Get => None,
            Self::Write { operation, .. } | Self::Tell { operation, .. } => Some(operation),
        }
    }

    /// True if it is about another write of this name.
    fn reuses(&self, name: &Operation, asks: Mark) -> bool {
        match self {
            Self::Get => false,
            Self::Write { operation, mark, .. } | Self::Tell { operation, mark } => {
                operation.id == name.id && !mark.is_same(asks)
            }
        }
    }
}

/// An operation at its owner.
#[derive(Debug)]
pub(super) struct OwnerOp {
    asker: Asker,
    /// The key.
    pub key: Box<[u8]>,
    deed: Deed,
    deadline: Instant,
    /// A version on its way to both neighbours, on which the operation rests.
    pub spreading: Option<Spreading>,
}

impl OwnerOp {
    /// True if no answer is waited for.
    pub(super) const fn is_for_nobody(&self) -> bool {
        matches!(self.asker, Asker::Nobody)
    }
}

/// The pause before a neighbour that refused or was silent is asked again.
const RETRY: Duration = Duration::from_millis(50);

impl Node {
    /// A coordinator reads a key.
    pub(super) fn serve_get(&mut self, asked: &Asked, key: &[u8]) {
        let same = |op: &OwnerOp| matches!(&op.asker, Asker::Remote(other) if other.is_same(asked));
        if self.owner_ops.values().any(same) {
            self.counters.repeated += 1;
        } else if asked.proven.is_none() && !self.answers_at_once(key) {
            // Whoever is not there must not keep a place among the operations, nor set others in motion.
            self.refuse(asked, Refusal::Unproven);
        } else {
            self.start_owner(Asker::Remote(*asked), key, Deed::Get);
        }
    }

    /// True if a read of the key ends without anything being waited for.
    fn answers_at_once(&self, key: &[u8]) -> bool {
        let id = Id::of_key(key);
        self.is_settled_for(self.now.at, id)
            && !self.has_ended(key)
            && self.store.get(key).is_none_or(|stored| self.is_confirmed(id, stored))
            && !self.owner_ops.values().any(|op| *op.key == *key)
    }

    /// True if the same write is under way: its answer goes where it was asked for last. Another one under its name is
    /// refused.
    pub(super) fn repeats(&mut self, asker: &Asker, key: &[u8], name: &Operation, mark: Mark) -> bool {
        let same =
            |op: &&mut OwnerOp| *op.key == *key && op.deed.operation().is_some_and(|operation| operation.id == name.id);
        let Some(under_way) = self.owner_ops.values_mut().find(same) else { return false };
        if under_way.deed.reuses(name, mark) {
            self.tell(*asker, Answer::Refused(Refusal::Reused));
            return true;
        }
        let former = core::mem::replace(&mut under_way.asker, *asker);
        self.counters.repeated += u64::from(matches!(former, Asker::Remote(_)));
        true
    }

    /// Begins an operation, or puts it behind another on the same key.
    pub(super) fn start_owner(&mut self, asker: Asker, key: &[u8], deed: Deed) {
        if !(1..=KEY_MAX).contains(&key.len()) {
            return self.tell(asker, Answer::Refused(Refusal::TooLarge));
        }
        if let Deed::Write { operation, mark, .. } | Deed::Tell { operation, mark } = &deed
            && self.repeats(&asker, key, operation, *mark)
        {
            return;
        }
        if self.owner_ops.len() >= OWNER_MAX {
            let done = deed.operation().is_some_and(|operation| self.may_have_done(key, operation));
            let refusal = if done { Refusal::Unknown } else { Refusal::Busy };
            self.note_refused_for_now(&asker, &deed, &Answer::Refused(refusal));
            return self.tell(asker, Answer::Refused(refusal));
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
    pub(super) fn run_owner(&mut self, number: u64) {
        let Some(op) = self.owner_ops.get(&number) else { return };
        let (key, deed) = (op.key.clone(), op.deed.clone());
        let id = Id::of_key(&key);
        if !self.is_settled_for(self.now.at, id) {
            let claimed = self.claim(self.now.at).is_some_and(|claim| claim.contains(id));
            let before = deed.operation().and_then(|operation| self.stored_before(&key, operation));
            let refusal = before.unwrap_or(match () {
                () if claimed && self.silenced().is_some() => Refusal::Silent,
                () if claimed => Refusal::NotSettled,
                () => Refusal::NotOwner,
            });
            self.settle();
            return self.end_owner(number, Answer::Refused(refusal));
        }
        if self.has_ended(&key) {
            return self.expire(number, &key);
        }
        let stored = self.store.get(&key);
        let confirmed = stored.is_none_or(|stored| self.is_confirmed(id, stored))
            || !self.config.keeps(Rule::CompleteBeforeAnswering);
        let rests_on_it = match &deed {
            Deed::Get | Deed::Tell { .. } => true,
            Deed::Write { operation, condition, value, .. } => {
                *condition != Condition::None || value.is_none() || self.has_logged(&key, operation)
            }
        };
        if let Some(version) = stored.filter(|_| !confirmed && rests_on_it).map(|stored| stored.rank.version) {
            return self.begin_spreading(number, version, None);
        }
        match deed {
            Deed::Get => self.finish_get(number, &key),
            Deed::Tell { operation, mark } => self.tell_outcome(number, &key, &operation, mark),
            Deed::Write { operation, mark, condition, min_copies, value } => {
                if self.copies() < min_copies && !self.has_logged(&key, &operation) {
                    return self.refuse_write(number, &operation, mark, Refusal::TooFew { copies: self.copies() });
                }
                self.run_write(number, &key, (operation, mark), condition, value);
            }
        }
    }

    /// How a write is refused of which an earlier copy was stored here, or may have been: that nothing was changed
    /// would be a lie.
    pub(super) fn stored_before(&self, key: &[u8], operation: &Operation) -> Option<Refusal> {
        match () {
            () if self.has_logged(key, operation) => Some(Refusal::Unknown),
            // If this is its first and only copy, its coordinator looks the term up anew.
            () if self.may_have_done(key, operation) => Some(Refusal::Forgotten),
            () => None,
        }
    }

    /// True if an earlier copy of the write was stored here, as far as the entry remembers.
    pub(super) fn may_have_done(&self, key: &[u8], operation: &Operation) -> bool {
        match self.store.get(key) {
            Some(stored) => stored.find(operation.id).is_some() || stored.log.may_have_forgotten(operation),
            None => self.may_be_under_floor(key, operation.fresh),
        }
    }

    /// What is remembered of the write, if it was done.
    pub(super) fn logged(&self, key: &[u8], operation: &Operation) -> Option<Logged> {
        self.store.get(key).and_then(|stored| stored.find(operation.id))
    }

    pub(super) fn has_logged(&self, key: &[u8], operation: &Operation) -> bool {
        self.logged(key, operation).is_some()
    }

    fn finish_get(&mut self, number: u64, key: &[u8]) {
        let found = self.store.get(key).and_then(|stored| Some((stored.rank.version, stored.value.clone()?)));
        let op = self.owner_ops.get(&number);
        let is_here = op.is_some_and(|op| matches!(op.asker, Asker::Local(_)));
        self.counters.reads += u64::from(op.is_some_and(|op| !op.is_for_nobody()));
        match found {
            Some((version, content)) => {
                let copies = self.copies();
                let left_ms = content.left_ms(self.store.lived_us());
                let value = if is_here { content.whole(left_ms) } else { content.framed(left_ms, 0, 0) };
                self.end_owner(number, Answer::Value { version, copies, value });
            }
            None => self.end_owner(number, Answer::Refused(Refusal::NotFound)),
        }
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
        if op.deadline <= now || !self.may_acknowledge(id) {
            let refusal = if wrote { Refusal::Unknown } else { Refusal::NotSettled };
            return self.end_owner(number, Answer::Refused(refusal));
        }
        self.spread(number);
    }

    /// Ends an operation, and begins the one that waited for it.
    pub(super) fn end_owner(&mut self, number: u64, answer: Answer<'_>) {
        self.timers.cancel(Timer::Owner(number));
        let Some(op) = self.owner_ops.remove(&number) else { return };
        self.requests.abandon(
            &mut self.timers,
            |purpose| matches!(purpose, Purpose::Replicate(n) | Purpose::Newer(n) if *n == number),
        );
        let answer = match (&op.asker, op.deed.operation(), answer) {
            (Asker::Remote(asked), Some(_), Answer::Refused(refusal)) => {
                Answer::Refused(self.refusals.in_truth(asked, refusal))
            }
            (Asker::Remote(asked), Some(_), answer) => {
                self.refusals.add_done(self.now.at, asked);
                answer
            }
            (_, _, answer) => answer,
        };
        self.note_refused_for_now(&op.asker, &op.deed, &answer);
        self.tell(op.asker, answer);
        let next = self.owner_ops.iter().find(|(_, other)| other.key == op.key).map(|(next, _)| *next);
        if let Some(next) = next {
            // Not here and now, or a long queue would be a deep recursion.
            self.timers.set(Timer::Owner(next), self.now.at);
        }
    }

    fn note_refused_for_now(&mut self, asker: &Asker, deed: &Deed, answer: &Answer<'_>) {
        use Refusal::{Busy, Forgotten, NoNames, NotOwner, NotSettled, Reused, Silent, TooOld};
        if let Answer::Refused(refusal) = answer
            && matches!(refusal, NotOwner | NotSettled | Silent | Busy | Forgotten | Reused | TooOld | NoNames)
            && let (Asker::Remote(asked), Some(_)) = (asker, deed.operation())
        {
            self.refusals.add_for_now(self.now.at, asked, *refusal);
        }
    }

    fn tell(&mut self, asker: Asker, answer: Answer<'_>) {
        match asker {
            Asker::Remote(asked) => self.answer(&asked, answer),
            Asker::Local(ticket) => self.operation_ended(ticket, self.me, &answer),
            Asker::Nobody => {}
        }
    }
}
