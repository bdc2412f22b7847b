//! How far back a node may claim once another, farther away, stands in the place of the predecessor that it lost.
//!
//! Who stood before the lost one had it in its list, dropped it too, and says so. A node that does not say so may have
//! come from a ring that formed apart: it walked back along this one, each node naming it a closer one, and met the
//! node whose predecessor had just died. Those who stand before the dead one are behind it then, and speak. They come
//! within the time that pledges last, and what the dead one pledged to them has run out by then.

use super::Node;
use crate::config::Rule;
use crate::id::Id;
use crate::time::Instant;
use crate::wire::Peer;

/// The claim begins no farther back than it did beside the predecessor that was lost.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bound {
    /// The lost one, behind whom the claim began.
    after: Id,
    /// Who stood before it, if it told.
    before: Option<Id>,
    until: Instant,
}

impl Bound {
    /// Where the claim begins at the earliest, as long as that holds.
    pub fn start(&self, now: Instant) -> Option<Id> {
        (self.until > now).then_some(self.after)
    }

    /// True if this predecessor stood behind the lost one, or took over from it, as far as can be told.
    fn is_lifted_by(&self, predecessor: Id, dropped: &[Peer], me: Id) -> bool {
        let lost = [Some(self.after), self.before];
        dropped.iter().any(|node| lost.contains(&Some(node.id())))
            || self.before.is_some_and(|before| predecessor == before || predecessor.is_between(before, me))
    }
}

impl Node {
    /// The predecessor is about to be replaced.
    pub(super) fn bound_claim(&mut self, new: Option<Peer>) {
        let (now, me) = (self.now.at, self.me.id());
        let Some((old, new)) = self.predecessor.map(|old| old.id()).zip(new.map(|new| new.id())) else { return };
        if old == new || new.is_between(old, me) || !self.config.keeps(Rule::FormerClaim) {
            return;
        }
        let until = now + self.config.pledge();
        let nearer = |bound: &Bound| bound.start(now).is_some_and(|start| start.is_between(old, me));
        self.rights.bound = Some(match self.rights.bound.filter(nearer) {
            Some(bound) => Bound { until, ..bound },
            None => Bound { after: old, before: self.ring.before_predecessor, until },
        });
    }

    /// The predecessor says whom it dropped.
    pub(super) fn unbind_claim(&mut self, predecessor: Id, dropped: &[Peer]) {
        let me = self.me.id();
        if self.rights.bound.take_if(|bound| bound.is_lifted_by(predecessor, dropped, me)).is_some() {
            self.settle();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Incarnation, Place};

    #[test]
    fn a_claim_reaches_past_the_lost_one_for_those_who_lost_it_too() {
        let node = |id| Peer {
            place: Place { addr: ([10, 0, 0, id as u8], 1).into(), id: Id::new(id) },
            incarnation: Incarnation::UNKNOWN,
        };
        let (me, until) = (Id::new(100), Instant::from_millis(1));
        let bound = Bound { after: Id::new(90), before: Some(Id::new(80)), until };
        let lifts = |bound: Bound, id, dropped: &[u128]| {
            let dropped: alloc::vec::Vec<Peer> = dropped.iter().map(|id| node(*id)).collect();
            bound.is_lifted_by(Id::new(id), &dropped, me)
        };
        assert!(lifts(bound, 70, &[90]), "it had the lost one in its list");
        assert!(lifts(bound, 70, &[80]), "both may have gone, one of them with a word");
        assert!(lifts(bound, 80, &[]), "it stood before the lost one");
        assert!(lifts(bound, 85, &[]), "it came in between");
        assert!(!lifts(bound, 70, &[]), "who knows whence it comes");
        assert!(!lifts(bound, 70, &[60]), "it lost another");
        assert!(!lifts(Bound { before: None, ..bound }, 80, &[]), "the lost one had not told yet");
        assert_eq!(bound.start(Instant::ZERO), Some(Id::new(90)));
        assert_eq!(bound.start(until), None, "what the lost one had pledged has run out");
    }
}
