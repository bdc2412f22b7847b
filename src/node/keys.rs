//! Operations at the owner of a key.
//!
//! The operations on one key stand in a line. One version of it is on its way to the copies at a time; what comes
//! meanwhile waits. When both neighbours have stored that version, first all reads that wait are answered, then all
//! writes that wait are applied here one after another, each with its own version and its own condition, and the last
//! of them goes to the neighbours: they all end together. What is answered is on all nodes of the group: an entry that
//! is not confirmed on both neighbours is completed before anything is said that rests on it.

mod line;
mod recall;

use super::Node;
use super::command::Ticket;
use super::pending::Purpose;
use super::speak::Asked;
use super::timers::Timer;
use crate::config::Rule;
use crate::id::Id;
use crate::limits::KEY_MAX;
use crate::store::Content;
use crate::wire::{Answer, Condition, Mark, Operation, Refusal};
use core::time::Duration;
pub(super) use line::{Batch, Lines, Outcome, OwnerOp};
pub(super) use recall::{Known, Step};

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

    /// True if it is about this write, and no other one of its name.
    fn is_about(&self, name: &Operation, asks: Mark) -> bool {
        match self {
            Self::Get => false,
            Self::Write { operation, mark, .. } | Self::Tell { operation, mark } => {
                operation.id == name.id && mark.is_same(asks)
            }
        }
    }

    /// Bytes of the value that it brings.
    fn size(&self) -> usize {
        match self {
            Self::Write { value: Some((content, _)), .. } => content.size(),
            Self::Write { value: None, .. } | Self::Get | Self::Tell { .. } => 0,
        }
    }
}

/// The pause before a neighbour that refused or was silent is asked again.
const RETRY: Duration = Duration::from_millis(50);

impl Node {
    /// A coordinator reads a key.
    pub(super) fn serve_get(&mut self, asked: &Asked, key: &[u8]) {
        let same = |op: &OwnerOp| matches!(&op.asker, Asker::Remote(other) if other.is_same(asked));
        let line = self.owner_ops.of(key).and_then(|number| self.owner_ops.get(number));
        if line.is_some_and(|line| line.ops.iter().any(same)) {
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
            && self.owner_ops.of(key).is_none()
    }

    /// True if the same write is under way: its answer goes where it was asked for last.
    pub(super) fn repeats(&mut self, asker: &Asker, key: &[u8], name: &Operation, mark: Mark) -> bool {
        let line = self.owner_ops.of(key).and_then(|number| self.owner_ops.get_mut(number));
        let same = line.and_then(|line| line.ops.iter_mut().find(|op| op.deed.is_about(name, mark)));
        let Some(under_way) = same else { return false };
        let former = core::mem::replace(&mut under_way.asker, *asker);
        self.counters.repeated += u64::from(matches!(former, Asker::Remote(_)));
        true
    }

    /// Begins an operation, or puts it behind others on the same key.
    pub(super) fn start_owner(&mut self, asker: Asker, key: &[u8], deed: Deed) {
        if !(1..=KEY_MAX).contains(&key.len()) {
            return self.tell(asker, Answer::Refused(Refusal::TooLarge));
        }
        if matches!(deed, Deed::Get) && self.answers_at_once(key) {
            return self.tell_value(asker, key);
        }
        if let Deed::Write { operation, mark, .. } | Deed::Tell { operation, mark } = &deed
            && self.repeats(&asker, key, operation, *mark)
        {
            return;
        }
        if !self.owner_ops.has_room() {
            let done = deed.operation().is_some_and(|operation| self.may_have_done(key, operation));
            let refusal = if done { Refusal::Unknown } else { Refusal::Busy };
            self.note_refused_for_now(&asker, &deed, &Answer::Refused(refusal));
            return self.tell(asker, Answer::Refused(refusal));
        }
        let line = self.owner_ops.of(key);
        let number = line.unwrap_or_else(|| self.next_number());
        let deadline = self.now.at + self.config.deadline;
        self.owner_ops.push(number, key, OwnerOp { asker, deed, deadline, outcome: None });
        if line.is_none() {
            self.timers.set(Timer::Owner(number), deadline);
            self.run_line(number);
        }
    }

    /// Does what is in a line, as far as that needs nobody else, and sends the neighbours what the rest waits for.
    pub(super) fn run_line(&mut self, number: u64) {
        if self.close_line(number) {
            return;
        }
        let line = self.owner_ops.get(number).filter(|line| line.spreading.is_none());
        let Some(key) = line.map(|line| line.key.clone()) else { return };
        if !self.is_settled_for(self.now.at, Id::of_key(&key)) {
            return self.refuse_line(number, &key);
        }
        if self.has_ended(&key) {
            return self.expire(number, &key);
        }
        if self.may_rest_on(&key) {
            self.answer_readers(number, &key);
        }
        let Some(batch) = self.write_batch(number, &key) else { return self.refuse_line(number, &key) };
        if self.close_line(number) {
            return;
        }
        // Without an entry nothing waits for one.
        let last = batch.last.or_else(|| self.store.get(&key).map(|stored| stored.rank.version));
        match last {
            Some(version) => self.begin_spreading(number, version),
            None => self.owner_retry(number),
        }
    }

    /// True if what is stored under the key is with both neighbours, so that answers may rest on it.
    pub(super) fn may_rest_on(&self, key: &[u8]) -> bool {
        self.store.get(key).is_none_or(|stored| self.is_confirmed(Id::of_key(key), stored))
            || !self.config.keeps(Rule::CompleteBeforeAnswering)
    }

    /// All that only want to know something of the key are told.
    fn answer_readers(&mut self, number: u64, key: &[u8]) {
        let reads = |op: &OwnerOp| matches!(op.deed, Deed::Get | Deed::Tell { .. });
        while let Some(op) = self.owner_ops.take_first(number, reads) {
            match op.deed {
                Deed::Tell { operation, mark } => {
                    let answer = self.outcome_of(key, &operation, mark);
                    self.end_op(op, answer);
                }
                Deed::Get | Deed::Write { .. } => self.tell_value(op.asker, key),
            }
        }
    }

    /// This node does not answer for the key just now.
    pub(super) fn refuse_line(&mut self, number: u64, key: &[u8]) {
        let claimed = self.claim(self.now.at).is_some_and(|claim| claim.contains(Id::of_key(key)));
        let refusal = match () {
            () if claimed && self.silenced().is_some() => Refusal::Silent,
            () if claimed => Refusal::NotSettled,
            () => Refusal::NotOwner,
        };
        while let Some(op) = self.owner_ops.take_first(number, |_| true) {
            let before = op.deed.operation().and_then(|operation| self.stored_before(key, operation));
            self.end_op(op, Answer::Refused(before.unwrap_or(refusal)));
        }
        self.close_line(number);
        self.settle();
    }

    /// How a write is refused of which an earlier copy was stored here, or may have been: that nothing was changed
    /// would be a lie.
    pub(super) fn stored_before(&self, key: &[u8], operation: &Operation) -> Option<Refusal> {
        match self.known(key, operation) {
            Known::Done(_) => Some(Refusal::Unknown),
            // If this is its first and only copy, its coordinator looks the term up anew.
            Known::Perhaps => Some(Refusal::Forgotten),
            Known::New => None,
        }
    }

    /// What this node knows of a write at the entry that it holds.
    pub(super) fn known(&self, key: &[u8], operation: &Operation) -> Known {
        match self.store.get(key) {
            Some(stored) => self.owner_ops.recall.find(Id::of_key(key), stored, operation),
            None if self.may_be_under_floor(key, operation.fresh) => Known::Perhaps,
            None => Known::New,
        }
    }

    /// True if an earlier copy of the write was stored here, as far as that is remembered.
    pub(super) fn may_have_done(&self, key: &[u8], operation: &Operation) -> bool {
        self.known(key, operation) != Known::New
    }

    pub(super) fn has_done(&self, key: &[u8], operation: &Operation) -> bool {
        matches!(self.known(key, operation), Known::Done(_))
    }

    fn tell_value(&mut self, asker: Asker, key: &[u8]) {
        let found = self.store.get(key).and_then(|stored| Some((stored.rank.version, stored.value.clone()?)));
        self.counters.reads += u64::from(!matches!(asker, Asker::Nobody));
        match found {
            Some((version, content)) => {
                let copies = self.copies();
                let is_here = matches!(asker, Asker::Local(_));
                let left_ms = content.left_ms(self.store.lived_us());
                let value = if is_here { content.whole(left_ms) } else { content.framed(left_ms, 0, 0) };
                if !value.body.is_whole() {
                    self.owner_ops.keep_read(self.now.at, Id::of_key(key), &content);
                }
                self.tell(asker, Answer::Value { version, copies, value });
            }
            None => self.tell(asker, Answer::Refused(Refusal::NotFound)),
        }
    }

    /// Looks at the line again in a moment.
    pub(super) fn owner_retry(&mut self, number: u64) {
        if self.owner_ops.get(number).is_some() {
            self.timers.set_earlier(Timer::Owner(number), self.now.at + RETRY);
        }
    }

    /// The node answers no longer: operations under way find out at once.
    pub(super) fn wake_owner_ops(&mut self) {
        let now = self.now.at;
        for number in self.owner_ops.numbers(|_| true) {
            self.timers.set(Timer::Owner(number), now);
        }
    }

    /// The next try of a line, or the deadline of its first operation.
    pub(super) fn owner_due(&mut self, number: u64) {
        let (now, neighbourhood) = (self.now.at, self.rights.neighbourhood);
        let Some(key) = self.owner_ops.get(number).map(|line| line.key.clone()) else { return };
        let late = |op: &OwnerOp| op.deadline <= now;
        while let Some(op) = self.owner_ops.take_first(number, late) {
            let before = || op.deed.operation().and_then(|operation| self.stored_before(&key, operation));
            let refusal = match op.outcome {
                Some(Outcome::Wrote(..) | Outcome::Known(..)) => Refusal::Unknown,
                Some(Outcome::Refused(_) | Outcome::Again(_)) => Refusal::NotSettled,
                None => before().unwrap_or(Refusal::Busy),
            };
            self.end_op(op, Answer::Refused(refusal));
        }
        if self.close_line(number) {
            return;
        }
        let Some(line) = self.owner_ops.get_mut(number) else { return };
        let id = Id::of_key(&line.key);
        let deadline = line.ops.front().map_or(now, |op| op.deadline);
        self.timers.set(Timer::Owner(number), deadline.max(now + RETRY));
        let Some(spreading) = &mut line.spreading else { return self.run_line(number) };
        if spreading.neighbourhood != neighbourhood {
            // Other neighbours than before: what the former ones stored does not count.
            spreading.neighbourhood = neighbourhood;
            spreading.stored_by.clear();
        }
        if self.is_settled_for(now, id) {
            self.refuse_unsaved(number);
        }
        if self.close_line(number) {
            return;
        }
        if self.may_acknowledge(id) { self.spread(number) } else { self.superseded(number) }
    }

    /// Where a neighbour cannot save anything, the version on its way does not get there. Writes behind it are refused
    /// for what is in their way, as they would be without it.
    fn refuse_unsaved(&mut self, number: u64) {
        let Some(room) = self.lacks_room(false) else { return };
        while let Some((at, mark)) = self.owner_ops.get(number).and_then(|line| {
            line.ops.iter().enumerate().find_map(|(at, op)| match &op.deed {
                Deed::Write { operation, mark, .. } => {
                    (op.outcome.is_none() && !self.may_have_done(&line.key, operation)).then_some((at, *mark))
                }
                Deed::Get | Deed::Tell { .. } => None,
            })
        }) && let Some(mut op) = self.owner_ops.take(number, at)
        {
            op.outcome = Some(Outcome::full(room, mark));
            self.end_judged(op);
        }
    }

    /// Ends a line that nothing is left in. → whether it did.
    fn close_line(&mut self, number: u64) -> bool {
        let is_over = self.owner_ops.close(number);
        if is_over {
            self.timers.cancel(Timer::Owner(number));
            self.abandon_copies(number);
        }
        is_over
    }

    /// What was asked of the neighbours for a line does not count any more.
    pub(super) fn abandon_copies(&mut self, number: u64) {
        let for_it = |purpose: &Purpose| matches!(purpose, Purpose::Replicate(n) | Purpose::Newer(n) if *n == number);
        self.requests.abandon(&mut self.timers, for_it);
    }

    /// Ends an operation that was taken out of its line.
    pub(super) fn end_op(&mut self, op: OwnerOp, answer: Answer<'_>) {
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
    }

    fn note_refused_for_now(&mut self, asker: &Asker, deed: &Deed, answer: &Answer<'_>) {
        use Refusal::{Busy, Forgotten, Full, NoNames, NotOwner, NotSettled, Reused, Silent, TooOld};
        if let Answer::Refused(refusal) = answer
            && matches!(
                refusal,
                NotOwner | NotSettled | Silent | Busy | Forgotten | Reused | TooOld | NoNames | Full { .. }
            )
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
