//! Writes that were refused: a late copy of one must not be applied after its client was told that nothing changed.

use crate::limits::REFUSALS_MAX;
use crate::wire::{Freshness, Operation, OperationId, Refusal};
use alloc::collections::VecDeque;

/// The last refusals that a node gave as owner, and how fresh the newest was that it has forgotten.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    recent: VecDeque<(OperationId, Freshness, Refusal)>,
    forgotten: Option<Freshness>,
}

impl Refusals {
    /// What the operation was answered before, if it was refused; [`Refusal::Forgotten`] if that is not known any more.
    pub fn find(&self, operation: &Operation) -> Option<Refusal> {
        let known = self.recent.iter().find(|(id, _, _)| *id == operation.id).map(|(_, _, refusal)| *refusal);
        let doubtful = self.forgotten.is_some_and(|forgotten| operation.fresh <= forgotten);
        known.or(doubtful.then_some(Refusal::Forgotten))
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
