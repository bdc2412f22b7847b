//! Writes at the owner of a key: what is asked, whether it holds, which version it gets.

use super::Node;
use super::keys::{Asker, Batch, Deed, Known, Outcome, OwnerOp, Step};
use super::owned::OwnedWrite;
use super::pending::Silence;
use super::speak::Asked;
use super::transfer::Parcel;
use crate::config::Rule;
use crate::id::{Arc, Id};
use crate::limits::{CLAIM_MAX_MS, KEY_MAX, KIND_MAX, TTL_MAX_S};
use crate::store::{Content, Stored, Untaken};
use crate::wire::{
    Answer, Body, Condition, Freshness, Logged, Mark, Operation, OperationLog, Rank, Refusal, Room, Version,
};
use alloc::sync::Arc as Shared;

impl Node {
    /// A coordinator writes a key, or deletes it. What did not fit of the value is asked for first, so that nobody
    /// waits behind a slow sender.
    pub(super) fn serve_write(&mut self, asked: &Asked, write: OwnedWrite, body: Option<&Body<'_>>) {
        if let Some(refusal) = self.refusals.find_copy(asked) {
            return self.refuse(asked, refusal);
        }
        let too_long = body.is_some_and(|body| !body.is_sound() || body.length as usize > self.config.value_max);
        let sound = (1..=KEY_MAX).contains(&write.key.len())
            && write.kind.len() <= KIND_MAX
            && write.ttl_s <= TTL_MAX_S
            && write.operation.fresh.is_sound();
        if too_long || !sound {
            return self.refuse(asked, Refusal::TooLarge);
        }
        if self.repeats(&Asker::Remote(*asked), &write.key, &write.operation, write.mark) {
            return;
        }
        match body {
            Some(body) if body.is_whole() => self.write_whole(asked, write, body.first),
            Some(_) if self.knows_outcome(&write) => {
                let (operation, mark) = (write.operation, write.mark);
                self.start_owner(Asker::Remote(*asked), &write.key, Deed::Tell { operation, mark });
            }
            Some(body) => {
                let id = Id::of_key(&write.key);
                if let Err(parcel) =
                    self.start_transfer(asked.sender(self.me.id()), id, body, Parcel::Write(*asked, write))
                {
                    self.untransferred(*parcel, Silence::Refused(Refusal::Busy));
                }
            }
            None => self.start_write(Asker::Remote(*asked), write, None),
        }
    }

    /// A write whose value is here.
    pub(super) fn write_whole(&mut self, asked: &Asked, write: OwnedWrite, bytes: impl Into<Shared<[u8]>>) {
        let content = Content::new(bytes, &write.kind, 0);
        self.start_write(Asker::Remote(*asked), write, Some(content));
    }

    fn start_write(&mut self, asker: Asker, write: OwnedWrite, content: Option<Content>) {
        let OwnedWrite { operation, mark, key, condition, min_copies, ttl_s, .. } = write;
        let value = content.map(|content| (content, ttl_s));
        self.start_owner(asker, &key, Deed::Write { operation, mark, condition, min_copies, value });
    }

    /// True if the write was done here before, and its value need not come again.
    fn knows_outcome(&self, write: &OwnedWrite) -> bool {
        self.has_done(&write.key, &write.operation) && self.config.keeps(Rule::OperationIds)
    }

    /// The answer to a write that was known by its name, or has been forgotten since.
    pub(super) fn outcome_of(&self, key: &[u8], operation: &Operation, mark: Mark) -> Answer<'static> {
        let copies = self.copies();
        match self.known(key, operation) {
            Known::Done(write) if !write.mark.is_same(mark) => Answer::Refused(Refusal::Reused),
            // Its answer was lost.
            Known::Done(write) => Answer::Stored { version: write.version, copies, created: write.mark.created() },
            Known::Perhaps | Known::New => Answer::Refused(Refusal::Unknown),
        }
    }

    /// The value of a write cannot be had just now.
    pub(super) fn refuse_for_now(&mut self, asked: &Asked, key: &[u8], operation: &Operation) {
        let refusal = if self.may_have_done(key, operation) { Refusal::Unknown } else { Refusal::Busy };
        // A copy of it that is still under way must not be applied: its coordinator counts on that.
        self.refusals.add_for_now(self.now.at, asked, refusal);
        self.refuse(asked, refusal);
    }

    /// Applies the writes that wait in a line, one after another, as many as may go to the neighbours together. What
    /// rests on nothing that has yet to get there is answered at once. `None` if this node must settle anew first.
    pub(super) fn write_batch(&mut self, number: u64, key: &[u8]) -> Option<Batch> {
        let (mut batch, mut at) = (Batch::default(), 0);
        while let Some(op) = self.owner_ops.get(number).and_then(|line| line.ops.get(at)).filter(|_| !batch.is_full()) {
            let Deed::Write { operation, mark, condition, min_copies, value } = &op.deed else {
                at += 1;
                continue;
            };
            let (operation, mark, condition, min_copies) = (*operation, *mark, *condition, *min_copies);
            let write = Write { operation, mark, condition, min_copies, value: value.clone() };
            let rests =
                write.condition != Condition::None || write.value.is_none() || self.has_done(key, &write.operation);
            let confirmed = batch.last.is_none() && self.may_rest_on(key);
            if rests && !confirmed && batch.last.is_none() {
                break;
            }
            let outcome = self.write(key, write)?;
            if let Outcome::Wrote(version, _) = outcome {
                batch.add(version, mark.named());
            }
            let waits = outcome.rests_on_entry() && (batch.last.is_some() || !confirmed);
            if let Some(op) = self.owner_ops.get_mut(number).and_then(|line| line.ops.get_mut(at)) {
                op.outcome = Some(outcome);
            }
            if waits {
                at += 1;
            } else if let Some(op) = self.owner_ops.take(number, at) {
                self.end_judged(op);
            }
        }
        Some(batch)
    }

    /// Judges a write by what is stored here, and applies it. `None` if this node must settle anew first.
    fn write(&mut self, key: &[u8], write: Write) -> Option<Outcome> {
        let Write { operation, mark, condition, min_copies, value } = write;
        let id = Id::of_key(key);
        let known_by_name = self.config.keeps(Rule::OperationIds);
        let done = self.known(key, &operation);
        if let Known::Done(write) = done
            && known_by_name
        {
            return Some(match write.mark.is_same(mark) {
                true => Outcome::Known(write.version, write.mark.created()),
                false => Outcome::Again(Refusal::Reused),
            });
        }
        if operation.fresh.time_ms > CLAIM_MAX_MS.max(self.next_tick()) {
            // Nothing here is as fresh, and no clock of a node began so late: a client made it up. Versions above it
            // would take away the room of all that come after.
            return Some(Outcome::Again(Refusal::TooOld));
        }
        if self.copies() < min_copies {
            return Some(Outcome::Refused(Refusal::TooFew { copies: self.copies() }));
        }
        if let Some(refusal) = self.refusals.find(&operation, mark).filter(|_| known_by_name) {
            return Some(Outcome::Again(refusal));
        }
        let stored = self.store.get(key);
        let present = stored.and_then(Stored::present);
        let before = stored.map(Stored::size);
        // A tombstone that is gone took its log with it.
        let from = stored.map_or(Version::NONE, |stored| stored.rank.version);
        let absent = self.rank_of_absent(id);
        let forgotten = || OperationLog::since(absent.version.into());
        let mut log = stored.map_or_else(forgotten, |stored| stored.log.clone());
        let Rank { version: last, ballot, .. } = stored.map_or(absent, |stored| stored.rank);
        let known = self.terms.at(id);
        let Some(term) = self.rights.settled_term(id).filter(|term| *term >= known) else {
            // Someone was to speak under a higher term than both neighbours stored for us.
            self.outranked(id, known);
            return None;
        };
        // An owner before us may have refused it, and that is not remembered: then it must have seen what is here.
        let unseen = operation.fresh.term < term && operation.fresh < last.into();
        let doubtful = (unseen || done == Known::Perhaps) && self.config.keeps(Rule::RefuseForgotten);
        if known_by_name && doubtful {
            return Some(Outcome::Again(Refusal::TooOld));
        }
        let ballot = ballot.max(self.floors.known.at(id).term);
        if ballot > term {
            self.outranked(id, ballot);
            return None;
        }
        if value.is_none() && present.is_none() {
            return Some(Outcome::Refused(Refusal::NotFound));
        }
        if !condition.holds(present) {
            return Some(Outcome::Refused(Refusal::Conflict { version: present }));
        }
        let after = last.time_ms.max(operation.fresh.time_ms).saturating_add(1);
        self.clock_ms = self.tick().max(after);
        let version = Version { term, time_ms: self.clock_ms, writer: self.writer() };
        let forgotten = log.forgotten();
        let dropped = log.push(Logged { id: operation.id, version, mark: mark.creating(present.is_none()) });
        let content = value.map(|(content, ttl_s)| content.until(self.store.end_in(u64::from(ttl_s) * 1000)));
        let grows = content.as_ref().is_some_and(|content| before.is_none_or(|before| content.size() > before));
        if mark.named() && (!self.store.has_room_for_name(key) || self.lacks_room_for_name()) {
            // Names come to their end: the client may try again under this one.
            return Some(Outcome::Again(Refusal::NoNames));
        }
        if let Some(room) = self.lacks_room(grows) {
            return Some(self.without_room(room, mark));
        }
        Some(match self.store.write(key, Rank::of_write(version), log, content) {
            Ok(true) => {
                self.collected_enough();
                self.owner_ops.recall.add(id, &Step { from, to: version, forgotten, dropped });
                Outcome::Wrote(version, present.is_none())
            }
            // Only where the clock has come to its end.
            Ok(false) | Err(Untaken::Unsound | Untaken::Nameless) => Outcome::Again(Refusal::NotSettled),
            Err(Untaken::Full | Untaken::Partial) => self.without_room(self.store.full_of(), mark),
        })
    }

    /// A write finds no room. If there will be some in a moment its coordinator tries again.
    fn without_room(&mut self, room: Room, mark: Mark) -> Outcome {
        self.collect_at_once();
        let soon = room != Room::NoDisk && self.has_room_soon();
        if soon { Outcome::Again(Refusal::Busy) } else { Outcome::full(room, mark) }
    }

    /// A write ends as it was judged: both neighbours have what that rests on.
    pub(super) fn end_judged(&mut self, op: OwnerOp) {
        let Some(outcome) = op.outcome else { return };
        let answer = match outcome {
            Outcome::Wrote(version, created) | Outcome::Known(version, created) => {
                Answer::Stored { version, copies: self.copies(), created }
            }
            Outcome::Refused(refusal) | Outcome::Again(refusal) => Answer::Refused(refusal),
        };
        if let (Outcome::Refused(refusal), Deed::Write { operation, mark, .. }) = (outcome, &op.deed) {
            self.note_refused(operation, *mark, refusal);
        }
        self.end_op(op, answer);
    }

    /// Nothing was changed, and no late copy of the operation may change that.
    fn note_refused(&mut self, operation: &Operation, mark: Mark, refusal: Refusal) {
        // What is remembered must not be fresher than anything that this node has seen.
        self.clock_ms = self.clock_ms.max(operation.fresh.time_ms.min(CLAIM_MAX_MS));
        let time_ms = operation.fresh.time_ms.min(self.clock_ms);
        let term = operation.fresh.term.min(self.terms.highest(Arc::new(self.me.id(), self.me.id())));
        let fresh = Freshness { term, time_ms };
        self.refusals.add(&Operation { fresh, ..*operation }, mark, refusal);
    }
}

/// A write that waits.
struct Write {
    operation: Operation,
    mark: Mark,
    condition: Condition,
    min_copies: u8,
    value: Option<(Content, u32)>,
}
