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
    /// Two hashes of it, which exchanges with neighbours compare.
    digests: Digests,
}

/// Hashes of parts of a successor list.
#[derive(Clone, Copy, Debug)]
struct Digests {
    behind_head: u32,
    kept_by_predecessor: u32,
}

impl Successors {
    /// An empty list for the node at `me`, which will hold up to `capacity` nodes (at most `limits::SUCCESSORS_MAX`).
    pub fn new(me: Id, capacity: usize) -> Self {
        let capacity = capacity.min(SUCCESSORS_MAX);
        Self { me, capacity, list: Box::default(), digests: Digests::of(&[], capacity) }
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
        let list = self.cut_list(nodes);
        Self { list: Box::from(&*list), digests: Digests::of(&list, self.capacity), ..*self }
    }

    /// The same, only to look at.
    pub fn cut_list(&self, nodes: impl IntoIterator<Item = Peer>) -> PeerList {
        let mut list = PeerList::new();
        for node in nodes {
            let repeats = node.id() == self.me || list.iter().any(|known| known.id() == node.id());
            if repeats || list.len() == self.capacity || list.push(node).is_err() {
                break;
            }
        }
        list
    }

    /// The digest of what follows after the head: tells the head whether its own list has changed since.
    pub const fn behind_head(&self) -> u32 {
        self.digests.behind_head
    }

    /// The digest of what the node before this one keeps of this list: all, or all but the last, since this node comes
    /// first in its list, and both lists have the same capacity. If that node is on the list, it keeps what is before
    /// itself.
    pub fn kept_by(&self, before: Id) -> u32 {
        let at = self.list.iter().position(|node| node.id() == before);
        at.map_or(self.digests.kept_by_predecessor, |at| {
            Self::digest(&self.list[..at.min(self.capacity.saturating_sub(1))])
        })
    }

    /// A hash of a list; its length is part of it, so that an empty list has a hash too.
    fn digest(list: &[Peer]) -> u32 {
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

impl Digests {
    fn of(list: &[Peer], capacity: usize) -> Self {
        let kept = list.len().min(capacity.saturating_sub(1));
        let behind_head = Successors::digest(list.get(1..).unwrap_or_default());
        Self { behind_head, kept_by_predecessor: Successors::digest(&list[..kept]) }
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

    #[test]
    fn a_node_and_the_one_before_it_agree_on_the_list_that_both_keep() {
        let nodes = [2, 3, 4, 5, 6].map(peer);
        for after in 0..=nodes.len() {
            for before in [1, 3, 5, 6] {
                let mine = Successors::new(Id::new(2), 4).cut(nodes[1..].iter().copied().take(after));
                let list = core::iter::once(nodes[0]).chain(mine.as_slice().iter().copied());
                let theirs = Successors::new(Id::new(before), 4).cut(list);
                assert_eq!(theirs.behind_head(), mine.kept_by(Id::new(before)), "{after} of them, before {before}");
            }
        }
    }
}
