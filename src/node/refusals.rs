//! Writes that were refused: a late copy of one must not be applied after its client was told that nothing changed.

use super::speak::Asked;
use crate::limits::{DONE_MAX, REFUSALS_MAX};
use crate::time::Instant;
use crate::wire::{Freshness, Operation, OperationId, Refusal};
use alloc::collections::VecDeque;
use core::net::SocketAddr;

/// The last refusals that a node gave as owner, the last writes that it did, and how fresh the newest was that it has
/// forgotten.
///
/// What was refused for good is known by the operation's name. What was refused for now its coordinator tries again,
/// under the same name but in another transaction; a late copy of the refused one is known by its transaction.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    recent: VecDeque<(OperationId, Freshness, Refusal)>,
    forgotten: Option<Freshness>,
    for_now: VecDeque<ForNow>,
    for_now_forgotten: Instant,
    done: VecDeque<(SocketAddr, [u8; 8], Instant)>,
    done_forgotten: Instant,
}

/// A request that was refused for now.
#[derive(Debug)]
struct ForNow {
    source: SocketAddr,
    transaction: [u8; 8],
    at: Instant,
    /// Its copies are told just this: what says less would lie.
    refusal: Refusal,
}

impl Refusals {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.recent.len() + self.for_now.len() + self.done.len()
    }

    /// What the operation was answered before, if it was refused; [`Refusal::Forgotten`] if that is not known any more.
    pub fn find(&self, operation: &Operation) -> Option<Refusal> {
        let known = self.recent.iter().find(|(id, _, _)| *id == operation.id).map(|(_, _, refusal)| *refusal);
        let doubtful = self.forgotten.is_some_and(|forgotten| operation.fresh <= forgotten);
        known.or(doubtful.then_some(Refusal::Forgotten))
    }

    /// How a copy of a request is refused that was refused for now, or may have been.
    pub fn find_copy(&self, asked: &Asked) -> Option<Refusal> {
        let copy = |known: &&ForNow| (known.source, known.transaction) == (asked.source, asked.transaction);
        if let Some(known) = self.for_now.iter().find(copy) {
            return Some(known.refusal);
        }
        // Older than the newest that was forgotten: with a new stamp it is surely no copy.
        asked.proven.is_none_or(|stamped| stamped < self.for_now_forgotten).then_some(Refusal::Unproven)
    }

    /// Remembers a request that was refused for now.
    pub fn add_for_now(&mut self, now: Instant, asked: &Asked, refusal: Refusal) {
        if self.for_now.len() >= REFUSALS_MAX
            && let Some(oldest) = self.for_now.pop_front()
        {
            self.for_now_forgotten = oldest.at;
        }
        let (source, transaction) = (asked.source, asked.transaction);
        self.for_now.push_back(ForNow { source, transaction, at: now, refusal });
    }

    /// Remembers a request whose write was done.
    pub fn add_done(&mut self, now: Instant, asked: &Asked) {
        if self.done.len() >= DONE_MAX
            && let Some((_, _, at)) = self.done.pop_front()
        {
            self.done_forgotten = at;
        }
        self.done.push_back((asked.source, asked.transaction, now));
    }

    /// What a request is refused with that would be refused like this: if it is a copy of one that was done, which the
    /// network made and whose answer may still be under way, its coordinator must not hear that nothing was.
    pub fn in_truth(&self, asked: &Asked, refusal: Refusal) -> Refusal {
        let done = self
            .done
            .iter()
            .any(|(source, transaction, _)| (*source, *transaction) == (asked.source, asked.transaction));
        // Older than the newest that is not known any more, it may be a copy of that.
        let doubtful = || asked.proven.is_none_or(|stamped| stamped < self.done_forgotten);
        if done || refusal == Refusal::Forgotten && doubtful() { Refusal::Unknown } else { refusal }
    }

    /// Remembers a refusal; the oldest may be forgotten for it.
    pub fn add(&mut self, operation: &Operation, refusal: Refusal) {
        if self.recent.len() >= REFUSALS_MAX
            && let Some((_, fresh, _)) = self.recent.pop_front()
        {
            self.forgotten = self.forgotten.max(Some(fresh));
        }
        self.recent.push_back((operation.id, operation.fresh, refusal));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One of many requests of a coordinator, which echoes a stamp made at this millisecond.
    fn asked(n: u64) -> Asked {
        Asked {
            source: ([10, 0, 0, 1], 1).into(),
            transaction: n.to_be_bytes(),
            incarnation: crate::wire::Incarnation::new(1),
            proven: Some(Instant::from_millis(n)),
            length: 100,
        }
    }

    fn operation(n: u64) -> Operation {
        let id = OperationId(u128::from(n).to_be_bytes());
        Operation { id, fresh: Freshness { term: 1, time_ms: n } }
    }

    #[test]
    fn a_copy_of_what_was_refused_for_now_is_refused_and_what_is_too_old_must_be_proven_anew() {
        let mut refusals = Refusals::default();
        let last = REFUSALS_MAX as u64 + 5;
        (1..=last).for_each(|n| refusals.add_for_now(Instant::from_millis(n + 1), &asked(n), Refusal::NotOwner));
        assert_eq!(refusals.find_copy(&asked(last)), Some(Refusal::NotOwner));
        assert_eq!(refusals.find_copy(&asked(5)), Some(Refusal::Unproven));
        assert_eq!(refusals.find_copy(&asked(last + 1)), None);
    }

    #[test]
    fn a_copy_of_what_was_done_is_not_told_that_nothing_was() {
        let mut refusals = Refusals::default();
        let last = DONE_MAX as u64 + 5;
        (1..=last).for_each(|n| refusals.add_done(Instant::from_millis(n + 1), &asked(n)));
        for refusal in [Refusal::Forgotten, Refusal::NotOwner, Refusal::NotFound] {
            assert_eq!(refusals.in_truth(&asked(last), refusal), Refusal::Unknown);
            assert_eq!(refusals.in_truth(&asked(last + 1), refusal), refusal);
        }
        assert_eq!(refusals.in_truth(&asked(5), Refusal::Forgotten), Refusal::Unknown, "it may have been done");
    }

    #[test]
    fn a_refusal_is_repeated_and_one_that_is_forgotten_is_doubtful() {
        let mut refusals = Refusals::default();
        let last = REFUSALS_MAX as u64 + 5;
        for n in 1..=last {
            assert_eq!(refusals.find(&operation(n)), None);
            refusals.add(&operation(n), Refusal::NotFound);
        }
        assert_eq!(refusals.find(&operation(last)), Some(Refusal::NotFound));
        assert_eq!(refusals.find(&operation(5)), Some(Refusal::Forgotten));
        assert_eq!(refusals.find(&operation(last + 1)), None);
    }
}
