//! Writes that were refused: a late copy of one must not be applied after its client was told that nothing changed.

use super::speak::Asked;
use crate::limits::{DONE_MAX, REFUSALS_MAX};
use crate::time::Instant;
use crate::wire::{Freshness, Mark, Operation, Refusal};
use alloc::collections::VecDeque;
use core::net::SocketAddr;

/// The last refusals that a node gave as owner, the last writes that it did, and how fresh the newest was that it has
/// forgotten.
///
/// What was refused for good is known by the operation's name. What was refused for now its coordinator tries again,
/// under the same name but in another transaction; a late copy of the refused one is known by its transaction.
#[derive(Debug)]
pub(super) struct Refusals {
    recent: VecDeque<(Operation, Mark, Refusal)>,
    forgotten: Option<Freshness>,
    /// With what their copies are told: what says less would lie.
    for_now: Requests<Refusal>,
    done: Requests<()>,
}

impl Default for Refusals {
    fn default() -> Self {
        let (for_now, done) = (Requests::new(REFUSALS_MAX), Requests::new(DONE_MAX));
        Self { recent: VecDeque::new(), forgotten: None, for_now, done }
    }
}

/// The last requests of some kind, so that a copy of one is known for it.
#[derive(Debug)]
struct Requests<T> {
    most: usize,
    recent: VecDeque<(SocketAddr, [u8; 8], Instant, T)>,
    /// When the newest came that is not known any more.
    forgotten: Instant,
}

impl<T> Requests<T> {
    fn new(most: usize) -> Self {
        Self { most, recent: VecDeque::new(), forgotten: Instant::ZERO }
    }

    fn add(&mut self, now: Instant, asked: &Asked, what: T) {
        if self.recent.len() >= self.most
            && let Some((_, _, at, _)) = self.recent.pop_front()
        {
            self.forgotten = at;
        }
        self.recent.push_back((asked.source, asked.transaction, now, what));
    }

    fn find(&self, asked: &Asked) -> Option<&T> {
        let copy = |known: &&(SocketAddr, [u8; 8], Instant, T)| (known.0, known.1) == (asked.source, asked.transaction);
        self.recent.iter().find(copy).map(|(.., what)| what)
    }

    /// True of what may be a copy of one that is not known any more. With a new stamp it surely is none.
    fn may_have_forgotten(&self, asked: &Asked) -> bool {
        asked.proven.is_none_or(|stamped| stamped < self.forgotten)
    }
}

impl Refusals {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.recent.len() + self.for_now.recent.len() + self.done.recent.len()
    }

    /// What the operation was answered before, if it was refused; [`Refusal::TooOld`] if that is not known any more,
    /// and [`Refusal::Reused`] if it is another one under the name.
    pub fn find(&self, operation: &Operation, mark: Mark) -> Option<Refusal> {
        let known = self.recent.iter().find(|(known, ..)| known.id == operation.id);
        let known = known.map(|(_, asked, refusal)| if mark.is_same(*asked) { *refusal } else { Refusal::Reused });
        let doubtful = self.forgotten.is_some_and(|forgotten| operation.fresh <= forgotten);
        known.or(doubtful.then_some(Refusal::TooOld))
    }

    /// How a copy of a request is refused that was refused for now, or may have been.
    pub fn find_copy(&self, asked: &Asked) -> Option<Refusal> {
        let doubtful = || self.for_now.may_have_forgotten(asked).then_some(Refusal::Unproven);
        self.for_now.find(asked).copied().or_else(doubtful)
    }

    /// Remembers a request that was refused for now.
    pub fn add_for_now(&mut self, now: Instant, asked: &Asked, refusal: Refusal) {
        self.for_now.add(now, asked, refusal);
    }

    /// Remembers a request whose write was done.
    pub fn add_done(&mut self, now: Instant, asked: &Asked) {
        self.done.add(now, asked, ());
    }

    /// What a request is refused with that would be refused like this: if it is a copy of one that was done, which the
    /// network made and whose answer may still be under way, its coordinator must not hear that nothing was.
    pub fn in_truth(&self, asked: &Asked, refusal: Refusal) -> Refusal {
        let doubtful = matches!(refusal, Refusal::Forgotten | Refusal::TooOld) && self.done.may_have_forgotten(asked);
        if doubtful || self.done.find(asked).is_some() { Refusal::Unknown } else { refusal }
    }

    /// Remembers a refusal; the oldest may be forgotten for it.
    pub fn add(&mut self, operation: &Operation, mark: Mark, refusal: Refusal) {
        if self.recent.len() >= REFUSALS_MAX
            && let Some((oldest, ..)) = self.recent.pop_front()
        {
            self.forgotten = self.forgotten.max(Some(oldest.fresh));
        }
        self.recent.push_back((*operation, mark, refusal));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::OperationId;

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
        let (last, mark) = (REFUSALS_MAX as u64 + 5, Mark::default());
        for n in 1..=last {
            assert_eq!(refusals.find(&operation(n), mark), None);
            refusals.add(&operation(n), mark, Refusal::NotFound);
        }
        assert_eq!(refusals.find(&operation(last), mark), Some(Refusal::NotFound));
        assert_eq!(refusals.find(&operation(last), 4.into()), Some(Refusal::Reused));
        assert_eq!(refusals.find(&operation(5), mark), Some(Refusal::TooOld));
        assert_eq!(refusals.find(&operation(last + 1), mark), None);
    }
}
