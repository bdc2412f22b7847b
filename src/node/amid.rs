//! A node born in the midst of a ring that stands: its tables are given to it and right. For simulations, which would
//! otherwise spend most of their time on forming a ring.

use super::Node;
use super::timers::Timer;
use crate::wire::Peer;
use core::time::Duration;

impl Node {
    /// Gives a node that was just born its place on the ring, as if it had been there before: its predecessor, its
    /// successors, its fingers, both in ring order, and the nodes half-way between those. Its consents it has to ask
    /// for, and it settles as any node does; there must be nothing stored yet, anywhere on the ring.
    ///
    /// Does nothing if the node is a member already.
    pub fn stand_amid(&mut self, predecessor: Peer, successors: &[Peer], fingers: &[Peer], halves: &[(u8, Peer)]) {
        if self.birth.member {
            return;
        }
        self.birth.member = true;
        // Its place is a firm one.
        self.rights.of_predecessor.had = true;
        self.rights.of_successor.had = true;
        let list = self.successors.cut(successors.iter().copied());
        self.set_neighbours(Some(predecessor), list);
        self.timers.cancel(Timer::Join);
        self.enter_rounds();
        // They do not go in step, as nodes do that were started one by one.
        let first = self.rng.between(Duration::ZERO, self.config.stabilise_max);
        self.timers.set(Timer::Round, self.now.at + first);
        for finger in fingers {
            let covered = self.successors.as_slice().last().map_or(self.me.id(), Peer::id);
            let before = self.fingers.iter().last().map_or(covered, |(_, peer)| peer.id());
            if let Some(exponent) = self.fingers.first_beyond(before) {
                self.fingers.set(exponent, *finger);
            }
        }
        halves.iter().for_each(|(exponent, half)| self.fingers.set_half(*exponent, *half));
        self.fingers_rest();
    }
}
