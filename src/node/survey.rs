//! What a node tells of what it holds: whoever pulls an arc compares it with that.

use super::Node;
use crate::id::{Arc, STRETCHES};
use crate::limits::ITEMS_MAX;
use crate::wire::{Holding, Item, Surveyed};

/// About so many entries a part of an arc has, where it is cut: nearly a full list.
const PART_ITEMS: usize = 8;

impl Node {
    /// What this node holds of an arc, and where it stands.
    pub(super) fn survey(&self, arc: Arc, digest: u64) -> Surveyed {
        Surveyed {
            predecessor: self.predecessor,
            successors: self.next_successors(),
            consented: self.has_predecessors_consent(self.now.at),
            silent: self.may_be_cut_off(),
            awaiting: self.awaiting.is_some(),
            // Under what it failed to settle nobody else is to speak: it would tell so when it is started again.
            term: self.terms.highest(arc).max(self.spoke_under.highest(arc)),
            footing: self.floors.at_beginning(arc),
            holding: self.holding(arc, digest),
        }
    }

    fn holding(&self, arc: Arc, digest: u64) -> Holding {
        let sums = self.store.sums(arc);
        if sums.total() == digest {
            return Holding::Same;
        }
        // As many parts as make each a list, if the entries lie evenly; what cannot be cut is listed as far as it fits.
        let parts = (sums.count() / PART_ITEMS).next_power_of_two().clamp(2, STRETCHES);
        if sums.count() < ITEMS_MAX || arc.parts(parts).len() < 2 {
            let items = self.store.range(arc).map(|(id, _, stored)| Item { id, rank: stored.rank });
            return Holding::items(items);
        }
        Holding::parts(sums.stretches(parts).map(u64::to_be_bytes))
    }
}
