//! The way of a lookup: whom it asked, and on whose word. Of two that were asked at one time, since the first was slow,
//! both may answer, but the way goes on through one of them.

use super::command::Hop;
use crate::wire::Peer;
use alloc::vec::Vec;
use core::net::SocketAddr;

/// The place of the one who named a node among those asked; none if the asker knew it by itself.
pub(super) type NamedBy = Option<u8>;

#[derive(Clone, Copy, Debug)]
struct Asked {
    peer: Peer,
    answered: bool,
    by: NamedBy,
}

/// Those asked, in order.
#[derive(Debug, Default)]
pub(super) struct Trail(Vec<Asked>);

impl Trail {
    /// How many were asked.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// True if this one was asked.
    pub fn was_asked(&self, peer: &Peer) -> bool {
        self.0.iter().any(|asked| asked.peer == *peer)
    }

    /// This one is asked now.
    pub fn ask(&mut self, peer: Peer, by: NamedBy) {
        self.0.push(Asked { peer, answered: false, by });
    }

    fn place(&self, addr: SocketAddr) -> Option<usize> {
        self.0.iter().rposition(|asked| asked.peer.addr() == addr)
    }

    /// An answer came from there.
    pub fn answer(&mut self, addr: SocketAddr) {
        if let Some(at) = self.place(addr) {
            self.0[at].answered = true;
        }
    }

    /// What those are noted with whom this one names.
    pub fn named_by(&self, peer: &Peer) -> NamedBy {
        self.place(peer.addr()).and_then(|at| u8::try_from(at).ok())
    }

    /// The hops, of which those led on whose word the last of these was asked on. If it came to nothing, all that
    /// answered count as if they had.
    pub fn hops(&self, last: Option<&Peer>) -> Vec<Hop> {
        let hop = |asked: &Asked| Hop {
            peer: asked.peer,
            answered: asked.answered,
            led_on: last.is_none() && asked.answered,
        };
        let mut hops: Vec<Hop> = self.0.iter().map(hop).collect();
        let mut next = last.and_then(|last| self.named_by(last));
        while let Some(at) = next.map(usize::from) {
            hops[at].led_on = true;
            // Whoever names another was asked before it.
            next = self.0[at].by.filter(|by| usize::from(*by) < at);
        }
        hops
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Id;
    use crate::wire::{Incarnation, Place};

    fn peer(id: u8) -> Peer {
        let place = Place { addr: ([10, 0, 0, id], 4321).into(), id: Id::new(id.into()) };
        Peer { place, incarnation: Incarnation::new(1) }
    }

    /// A slow one, two asked in its place, and the owner, on the word of the slow one after all.
    fn trail() -> Trail {
        let mut trail = Trail::default();
        trail.ask(peer(1), None);
        trail.ask(peer(2), None);
        trail.answer(peer(2).addr());
        trail.ask(peer(3), trail.named_by(&peer(2)));
        trail.answer(peer(1).addr());
        trail.ask(peer(4), trail.named_by(&peer(1)));
        trail.answer(peer(4).addr());
        trail
    }

    #[test]
    fn those_led_on_that_named_one_another_up_to_the_owner() {
        let hops = trail().hops(Some(&peer(4)));
        assert_eq!(hops.iter().map(|hop| hop.answered).collect::<Vec<_>>(), [true, true, false, true]);
        assert_eq!(hops.iter().map(|hop| hop.led_on).collect::<Vec<_>>(), [true, false, false, true]);
    }

    #[test]
    fn of_a_try_that_came_to_nothing_all_answers_count() {
        assert!(trail().hops(None).iter().all(|hop| hop.led_on == hop.answered));
    }
}
