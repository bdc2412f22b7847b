//! How far back a claim reaches once another node, farther away, stands in the place of the predecessor that was lost.
//!
//! Who stood before the lost one is the next. If it is gone too, whoever stood before that once had its consent, or
//! joined before it, and says so. A node that is neither may have come from a ring that formed apart: it went back
//! along this one, as each node named it a closer one, until one did not answer. Those who live before that one speak
//! for what lies between. So the claim does not grow for such a node until they have had the time to find out who is
//! dead, and to come: twice that of a pledge, since the lost one was heard. One of them is a closer predecessor then,
//! and no claim reaches past that.

use super::Node;
use crate::config::Rule;
use crate::id::Id;
use crate::time::Instant;
use crate::wire::Peer;

/// Where a claim begins at the earliest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reach {
    /// The lost predecessor: so far the claim reached before.
    after: Id,
    /// Whoever stood before one of these is next: the lost one, and before it the farthest that is known.
    known: [Id; 2],
    until: Instant,
}

impl Reach {
    /// Where the claim begins at the earliest, as long as that holds.
    pub fn start(&self, now: Instant) -> Option<Id> {
        (self.until > now).then_some(self.after)
    }

    /// A predecessor was lost. While an earlier loss counts, who came to its place has yet to prove itself, and so has
    /// what it said of those before it.
    fn after_loss(earlier: Option<Self>, lost: Id, known: [Id; 2], me: Id, until: Instant) -> Self {
        let nearer = earlier.filter(|earlier| earlier.after.is_between(lost, me));
        Self {
            after: nearer.map_or(lost, |earlier| earlier.after),
            known: earlier.map_or(known, |earlier| earlier.known),
            until,
        }
    }

    /// True if this predecessor, which stood before that node, is next to the lost one as far as is known.
    fn extends_to(&self, predecessor: Id, stood_before: Option<Id>) -> bool {
        let [_, farthest] = self.known;
        predecessor == farthest
            || predecessor == self.after
            || (farthest != self.after && predecessor.is_between(farthest, self.after))
            || stood_before.is_some_and(|id| self.known.contains(&id))
    }
}

impl Node {
    /// The predecessor is about to be replaced.
    pub(super) fn limit_reach(&mut self, new: Option<Peer>) {
        let (now, me) = (self.now.at, self.me.id());
        let Some((old, new)) = self.predecessor.zip(new).filter(|(old, new)| old.id() != new.id()) else { return };
        self.ring.passed_over.take_if(|(id, until)| *id == new.id() || *until <= now);
        let time = self.config.pledge() * 2;
        if new.id().is_between(old.id(), me) {
            self.ring.passed_over = Some((old.id(), now + time));
        } else if self.config.keeps(Rule::FormerClaim) {
            let before = self.ring.before_predecessor.unwrap_or(old.id());
            let known = self.ring.passed_over.map_or([old.id(), before], |(id, _)| [id; 2]);
            let earlier = self.rights.reach.filter(|reach| reach.until > now);
            // Those before it miss it since then, and this node may have slept.
            let heard = self.peers.get(&old).and_then(|relation| relation.heard_request);
            let came = (!self.ring.predecessor_left).then_some(self.rights.of_predecessor.since);
            let heard = heard.or(came).unwrap_or(now);
            self.rights.reach = Some(Reach::after_loss(earlier, old.id(), known, me, heard + time));
        }
    }

    /// The predecessor says who stands before it, and whom it stood before.
    pub(super) fn extend_reach(&mut self, predecessor: Id, before: Id, stood_before: Option<Id>) {
        let me = self.me.id();
        // A node that has just come from another ring names one of that, until it knows better.
        self.ring.passed_over.take_if(|(id, _)| before == *id || before.is_between(*id, me));
        if self.rights.reach.take_if(|reach| reach.extends_to(predecessor, stood_before)).is_some() {
            self.settle();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ME: Id = Id::new(100);
    const UNTIL: Instant = Instant::from_millis(1);

    fn lost(earlier: Option<Reach>, lost: u128, before: u128) -> Reach {
        Reach::after_loss(earlier, Id::new(lost), [lost, before].map(Id::new), ME, UNTIL)
    }

    fn extends(reach: Reach, predecessor: u128, stood_before: Option<u128>) -> bool {
        reach.extends_to(Id::new(predecessor), stood_before.map(Id::new))
    }

    #[test]
    fn the_place_of_a_lost_predecessor_is_for_those_who_stood_before_it() {
        let reach = lost(None, 90, 80);
        assert!(extends(reach, 80, None), "it stood before the lost one");
        assert!(extends(reach, 85, None), "it came in between");
        assert!(extends(reach, 70, Some(80)), "it stood before that one, which is gone too");
        assert!(extends(reach, 70, Some(90)), "it took over from that one, which the lost one had not told of yet");
        assert!(!extends(reach, 70, None), "who knows whence it comes");
        assert!(!extends(reach, 70, Some(60)), "it comes from elsewhere");
        assert!(!extends(reach, 95, None), "nearer, it proves nothing of those before the lost one");
        let untold = lost(None, 90, 90);
        assert!(extends(untold, 80, Some(90)), "it stood before it");
        assert!(!extends(untold, 80, None), "the lost one had not told of it yet");
    }

    #[test]
    fn the_claim_grows_for_others_once_the_living_have_had_their_time() {
        let reach = lost(None, 90, 80);
        assert_eq!(reach.start(Instant::ZERO), Some(Id::new(90)));
        assert_eq!(reach.start(UNTIL), None);
    }

    #[test]
    fn who_comes_and_goes_meanwhile_proves_nothing() {
        // 60 took the place of 90, and is lost as well; or 95 joined beside 60, and is.
        assert_eq!(lost(Some(lost(None, 90, 80)), 60, 50), lost(None, 90, 80));
        let nearer = lost(Some(lost(None, 90, 80)), 95, 60);
        assert_eq!(nearer.start(Instant::ZERO), Some(Id::new(95)));
        assert!(!extends(nearer, 60, Some(95)));
        assert!(extends(nearer, 80, None));
    }
}
