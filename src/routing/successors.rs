//! The successor list.

use crate::id::Id;
use crate::limits::SUCCESSORS_MAX;
use crate::wire::{Peer, PeerList};
use alloc::boxed::Box;

/// The next nodes clockwise, nearest first: never this node itself, never one id twice. Empty on a ring of one.
#[derive(Clone, Debug)]
pub struct Successors {
    me: Id,
    capacity: usize,
    list: Box<[Peer]>,
}

impl Successors {
    /// An empty list for the node at `me`, which will hold up to `capacity` nodes (at most `limits::SUCCESSORS_MAX`).
    pub fn new(me: Id, capacity: usize) -> Self {
        Self { me, capacity: capacity.min(SUCCESSORS_MAX), list: Box::default() }
    }

    /// The nearest.
    pub fn head(&self) -> Option<Peer> {
        self.list.first().copied()
    }

    /// All of them, nearest first.
    pub fn as_slice(&self) -> &[Peer] {
        &self.list
    }

    /// The list that a live head brings: itself, then its own successors, cut before this node, before the first
    /// repetition, and at the capacity (Zave 2017). Lists are adopted whole, never merged.
    pub fn cut(&self, nodes: impl IntoIterator<Item = Peer>) -> Self {
        let mut list = PeerList::new();
        for node in nodes {
            let repeats = node.id() == self.me || list.iter().any(|known| known.id() == node.id());
            if repeats || list.len() == self.capacity || list.push(node).is_err() {
                break;
            }
        }
        Self { list: Box::from(&*list), ..*self }
    }

    /// A hash of the list as the head has it: what follows after `self.head()`. It tells whether the head's own list
    /// has changed since; the length is part of it, so that an empty list has a hash too.
    pub fn digest(list: &[Peer]) -> u32 {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&[list.len() as u8]);
        for node in list {
            hasher.update(&node.id().get().to_be_bytes());
            hasher.update(&node.incarnation.to_bytes());
        }
        let hash = hasher.finalize();
        u32::from_be_bytes([hash.as_bytes()[0], hash.as_bytes()[1], hash.as_bytes()[2], hash.as_bytes()[3]])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Incarnation, Place};

    fn peer(id: u128) -> Peer {
        let place = Place { addr: ([10, 0, 0, id as u8], 4321).into(), id: Id::new(id) };
        Peer { place, incarnation: Incarnation::new(1) }
    }

    fn ids(list: &Successors) -> Vec<u128> {
        list.as_slice().iter().map(|p| p.id().get()).collect()
    }

    #[test]
    fn cut_stops_before_self_before_a_repetition_and_at_the_capacity() {
        let empty = Successors::new(Id::new(5), 4);
        assert_eq!(ids(&empty.cut([7, 9, 5, 6].map(peer))), [7, 9]);
        assert_eq!(ids(&empty.cut([7, 9, 7, 6].map(peer))), [7, 9]);
        assert_eq!(ids(&empty.cut([7, 8, 9, 1, 2].map(peer))), [7, 8, 9, 1]);
        assert_eq!(ids(&empty.cut([])), [0u128; 0]);
    }

    #[test]
    fn the_digest_changes_with_order_length_and_incarnation() {
        let digest = |list: &[Peer]| Successors::digest(list);
        let (a, b) = (peer(1), peer(2));
        let reborn = Peer { incarnation: Incarnation::new(2), ..a };
        let all = [digest(&[]), digest(&[a]), digest(&[a, b]), digest(&[b, a]), digest(&[reborn])];
        for (i, x) in all.iter().enumerate() {
            assert!(all[i + 1..].iter().all(|y| x != y));
        }
    }
}
