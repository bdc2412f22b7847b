//! Up to where tombstones were collected.

use super::entry::{Rank, Version};
use crate::limits::{TERM_MAX, TIME_MAX_MS};
use serde::{Deserialize, Serialize};

/// What is left of tombstones once they are gone: an entry that would have lost against one of them is *under* the
/// floor. A node that knows to hold all that counts under it takes none that it lacks, so whoever was away while a key
/// was deleted does not bring it back.
///
/// Floors are compared and joined part by part: what is under one of two floors is under their [`Floor::or_higher`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Floor {
    /// The highest version that was collected.
    pub version: Version,
    /// The highest ballot that one of them had: a write that nobody was told of, and that lost against it, may have the
    /// higher version.
    pub ballot: u64,
}

impl Floor {
    /// The lowest: nothing is under it.
    pub const NONE: Self = Self { version: Version { term: 0, time_ms: 0, writer: 0 }, ballot: 0 };

    /// The floor that a tombstone of this rank leaves.
    pub const fn of(rank: &Rank) -> Self {
        Self { version: rank.version, ballot: rank.ballot }
    }

    /// How an entry would have to stand to be just under it.
    pub const fn rank(&self) -> Rank {
        Rank { version: self.version, ballot: self.ballot, chosen: true }
    }

    /// True if an entry of this rank is under it.
    pub fn covers(&self, rank: &Rank) -> bool {
        *self != Self::NONE && !rank.beats(&self.rank())
    }

    /// The higher of both, part by part.
    #[must_use]
    pub fn or_higher(self, other: Self) -> Self {
        Self { version: self.version.max(other.version), ballot: self.ballot.max(other.ballot) }
    }

    /// The lower of both, part by part.
    #[must_use]
    pub fn or_lower(self, other: Self) -> Self {
        Self { version: self.version.min(other.version), ballot: self.ballot.min(other.ballot) }
    }

    /// The term that whoever settles above it must exceed.
    pub const fn term(&self) -> u64 {
        if self.version.term > self.ballot { self.version.term } else { self.ballot }
    }

    /// True if it may have come about by itself: a node builds no other.
    pub const fn is_sound(&self) -> bool {
        self.term() <= TERM_MAX && self.version.time_ms <= TIME_MAX_MS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_loses_against_one_that_was_collected_is_under_the_floor_and_under_any_higher_one() {
        let rank = |term, ballot, chosen| Rank { version: Version { term, time_ms: 0, writer: 0 }, ballot, chosen };
        let all = (1..5).flat_map(|term| (term..5).map(move |ballot| (term, ballot)));
        let all: Vec<Rank> = all.flat_map(|(term, ballot)| [false, true].map(|is| rank(term, ballot, is))).collect();
        for (one, other) in all.iter().flat_map(|one| all.iter().map(move |other| (one, other))) {
            let (low, high) = (Floor::of(one), Floor::of(one).or_higher(Floor::of(other)));
            assert!(low.covers(one) && high.covers(one) && high.covers(other));
            for third in &all {
                let by_one = Floor::of(one).covers(third) || Floor::of(other).covers(third);
                assert_eq!(high.covers(third), by_one, "{third:?} under {one:?} and {other:?}");
                let by_both = Floor::of(one).covers(third) && Floor::of(other).covers(third);
                assert!(by_both || !low.or_lower(Floor::of(other)).covers(third));
            }
            assert!(!Floor::NONE.covers(one));
        }
    }
}
