//! Writes that were refused: a late copy of one must not be applied after its client was told that nothing changed.

use super::speak::Asked;
use crate::limits::REFUSALS_MAX;
use crate::time::Instant;
use crate::wire::{Freshness, Operation, OperationId, Refusal};
use alloc::collections::VecDeque;
use core::net::SocketAddr;

/// The last refusals that a node gave as owner, and how fresh the newest was that it has forgotten.
///
/// What was refused for good is known by the operation's name. What was refused for now its coordinator tries again,
/// under the same name but in another transaction; a late copy of the refused one is known by its transaction.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    recent: VecDeque<(OperationId, Freshness, Refusal)>,
    forgotten: Option<Freshness>,
    for_now: VecDeque<(SocketAddr, [u8; 8], Instant)>,
    for_now_forgotten: Instant,
}

impl Refusals {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.recent.len() + self.for_now.len()
    }

    /// What the operation was answered before, if it was refused; [`Refusal::Forgotten`] if that is not known any more.
    pub fn find(&self, operation: &Operation) -> Option<Refusal> {
        let known = self.recent.iter().find(|(id, _, _)| *id == operation.id).map(|(_, _, refusal)| *refusal);
        let doubtful = self.forgotten.is_some_and(|forgotten| operation.fresh <= forgotten);
        known.or(doubtful.then_some(Refusal::Forgotten))
    }

    /// How a copy of a request is refused that was refused for now, or may have been.
    pub fn find_copy(&self, asked: &Asked) -> Option<Refusal> {
        let copy = |(source, transaction, _): &(_, _, _)| (*source, *transaction) == (asked.source, asked.transaction);
        if self.for_now.iter().any(copy) {
            return Some(Refusal::NotSettled);
        }
        // Older than the newest that was forgotten: with a new stamp it is surely no copy.
        asked.proven.is_none_or(|stamped| stamped < self.for_now_forgotten).then_some(Refusal::Unproven)
    }

    /// Remembers a request that was refused for now.
    pub fn add_for_now(&mut self, now: Instant, asked: &Asked) {
        if self.for_now.len() >= REFUSALS_MAX
            && let Some((_, _, at)) = self.for_now.pop_front()
        {
            self.for_now_forgotten = at;
        }
        self.for_now.push_back((asked.source, asked.transaction, now));
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

    fn operation(n: u64) -> Operation {
        let id = OperationId(u128::from(n).to_be_bytes());
        Operation { id, fresh: Freshness { term: 1, time_ms: n } }
    }

    #[test]
    fn a_copy_of_what_was_refused_for_now_is_refused_and_what_is_too_old_must_be_proven_anew() {
        let mut refusals = Refusals::default();
        let asked = |n: u64| Asked {
            source: ([10, 0, 0, 1], 1).into(),
            transaction: n.to_be_bytes(),
            incarnation: crate::wire::Incarnation::new(1),
            proven: Some(Instant::from_millis(n)),
            length: 100,
        };
        let last = REFUSALS_MAX as u64 + 5;
        (1..=last).for_each(|n| refusals.add_for_now(Instant::from_millis(n + 1), &asked(n)));
        assert_eq!(refusals.find_copy(&asked(last)), Some(Refusal::NotSettled));
        assert_eq!(refusals.find_copy(&asked(5)), Some(Refusal::Unproven));
        assert_eq!(refusals.find_copy(&asked(last + 1)), None);
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
