//! Fingers: shortcuts that halve the way (Stoica et al., SIGCOMM 2001, section 4.3). They are for speed only; nothing
//! rests on their being right. Between two of them a node knows one more, half-way: a step over the farthest known node
//! before the id then saves three binary orders of distance in the mean, where it would save two.

use crate::id::Id;
use crate::limits::HALVES_MAX;
use crate::wire::Peer;
use alloc::vec::Vec;

/// The distinct nodes that a node's fingers point to, nearest first. Finger i is the first node at or after the
/// distance 2^i; those that the successor list covers are not kept.
#[derive(Clone, Debug)]
pub struct Fingers {
    me: Id,
    table: Vec<(u8, Peer)>,
    /// At most one of each binary order of distances, from its half on; nearest first.
    halves: Vec<Peer>,
}

impl Fingers {
    /// No fingers yet.
    pub const fn new(me: Id) -> Self {
        Self { me, table: Vec::new(), halves: Vec::new() }
    }

    /// The target of the finger with this exponent.
    pub const fn target(&self, exponent: u8) -> Id {
        self.me.plus(1 << exponent)
    }

    /// Half-way from the target of this finger to that of the next.
    pub const fn half(&self, exponent: u8) -> Id {
        let finger = 1 << exponent;
        self.me.plus(finger | finger >> 1)
    }

    /// The lowest exponent whose target lies beyond `node`, if there is one.
    pub fn first_beyond(&self, node: Id) -> Option<u8> {
        let exponent = Id::BITS - self.me.distance_to(node).leading_zeros();
        (exponent < Id::BITS).then_some(exponent as u8)
    }

    /// Records that the finger points to this node, and with it all fingers whose targets the node is after. Returns
    /// whether anything changed. There is at most one finger an exponent, so at most 128.
    pub fn set(&mut self, exponent: u8, node: Peer) -> bool {
        let beyond = self.first_beyond(node.id()).unwrap_or(Id::BITS as u8);
        if self.table.iter().any(|(e, known)| *e == exponent && *known == node)
            && !self.table.iter().any(|(e, _)| *e > exponent && *e < beyond)
        {
            return false;
        }
        self.table.retain(|(e, known)| (*e < exponent || *e >= beyond) && known.id() != node.id());
        let at = self.table.partition_point(|(e, _)| *e < exponent);
        // They are few and seldom change: no room is kept for more.
        self.table.reserve_exact(1);
        self.table.insert(at, (exponent, node));
        true
    }

    /// The finger that was recorded for this exponent.
    pub fn get(&self, exponent: u8) -> Option<Peer> {
        self.table.iter().find(|(e, _)| *e == exponent).map(|(_, peer)| *peer)
    }

    /// Forgets the fingers below this exponent: the successor list covers them.
    pub fn covered_below(&mut self, exponent: Option<u8>) {
        self.table.retain(|(e, _)| exponent.is_some_and(|first| *e >= first));
        let (me, first) = (self.me, exponent.unwrap_or(Id::BITS as u8));
        self.halves.retain(|half| order(me, half) >= first);
    }

    /// Forgets a node that did not answer.
    pub fn remove(&mut self, gone: Peer) {
        self.table.retain(|(_, node)| *node != gone);
        self.halves.retain(|node| *node != gone);
    }

    /// The fingers with their exponents, nearest first.
    pub fn iter(&self) -> impl Iterator<Item = (u8, Peer)> {
        self.table.iter().copied()
    }

    /// Records the first node half-way or farther from the finger with this exponent to the next, in place of the one
    /// known before. If it is the next finger, or beyond it, there is none. The farthest are kept.
    pub fn set_half(&mut self, exponent: u8, node: Peer) {
        let me = self.me;
        self.halves.retain(|half| order(me, half) != exponent);
        let distance = me.distance_to(node.id());
        if order(me, &node) != exponent || distance < me.distance_to(self.half(exponent)) {
            return;
        }
        if self.halves.len() >= HALVES_MAX {
            self.halves.remove(0);
        }
        let at = self.halves.partition_point(|half| order(me, half) < exponent);
        self.halves.reserve_exact(1);
        self.halves.insert(at, node);
    }

    /// The node half-way from the finger with this exponent to the next.
    pub fn get_half(&self, exponent: u8) -> Option<Peer> {
        self.halves.iter().find(|half| order(self.me, half) == exponent).copied()
    }

    /// All nodes known, the fingers and those half-way.
    pub fn all(&self) -> impl Iterator<Item = Peer> {
        self.table.iter().map(|(_, peer)| *peer).chain(self.halves.iter().copied())
    }
}

/// The binary order of the distance to a node: the exponent of the last finger's target that is not beyond it.
const fn order(me: Id, node: &Peer) -> u8 {
    (Id::BITS - 1).saturating_sub(me.distance_to(node.id()).leading_zeros()) as u8
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Incarnation, Place};

    fn peer(id: u128) -> Peer {
        Peer {
            place: Place { addr: ([10, 0, 0, 1], id as u16).into(), id: Id::new(id) },
            incarnation: Incarnation::new(1),
        }
    }

    #[test]
    fn one_node_serves_all_exponents_up_to_its_distance() {
        let mut fingers = Fingers::new(Id::new(0));
        assert!(fingers.set(3, peer(100)));
        assert_eq!(fingers.first_beyond(Id::new(100)), Some(7), "2^6 = 64 is before it, 2^7 = 128 beyond");
        assert!(!fingers.set(3, peer(100)));
        assert!(fingers.set(3, peer(20)), "a nearer one took its place");
        assert!(fingers.set(5, peer(100)));
        assert_eq!(fingers.iter().map(|(e, p)| (e, p.id().get())).collect::<Vec<_>>(), [(3, 20), (5, 100)]);
    }

    #[test]
    fn a_farther_node_swallows_the_fingers_that_it_is_after() {
        let mut fingers = Fingers::new(Id::new(0));
        fingers.set(3, peer(20));
        fingers.set(5, peer(40));
        assert!(fingers.set(3, peer(100)), "the nodes at 20 and 40 are gone");
        assert_eq!(fingers.iter().count(), 1);
    }

    #[test]
    fn there_is_one_node_half_way_to_each_next_finger() {
        let mut fingers = Fingers::new(Id::new(0));
        let known = |fingers: &Fingers| fingers.all().map(|peer| peer.id().get()).collect::<Vec<_>>();
        assert_eq!((fingers.half(3), fingers.half(0)), (Id::new(12), Id::new(1)));
        fingers.set_half(5, peer(50));
        fingers.set_half(3, peer(13));
        fingers.set_half(4, peer(20));
        fingers.set_half(6, peer(128));
        assert_eq!(known(&fingers), [13, 50], "20 is not half-way from 16 to 32, and 128 is a finger's target");
        fingers.set_half(5, peer(48));
        assert_eq!((known(&fingers), fingers.get_half(5)), (vec![13, 48], Some(peer(48))));
        fingers.set_half(5, peer(64));
        assert_eq!(known(&fingers), [13], "nobody is left between 48 and 64");
        (4..16).for_each(|exponent| fingers.set_half(exponent, peer(7 << (exponent - 2))));
        assert_eq!(known(&fingers).len(), HALVES_MAX);
        fingers.covered_below(Some(15));
        fingers.remove(peer(1));
        assert_eq!(known(&fingers), [7 << 13]);
    }

    #[test]
    fn the_last_finger_has_nothing_beyond() {
        let fingers = Fingers::new(Id::new(10));
        assert_eq!(fingers.first_beyond(Id::new(9)), None);
        assert_eq!(fingers.first_beyond(Id::new(11)), Some(1));
        assert_eq!(fingers.first_beyond(Id::new(10).plus(1 << 127)), None);
        assert_eq!(fingers.target(127), Id::new(10).plus(1 << 127));
    }
}
