//! The other side: whoever has offered a value, or an entry with names, gives what is asked of it.

use crate::id::Id;
use crate::limits::{NAME_SIZE, PART_SIZE};
use crate::node::Node;
use crate::node::pending::Purpose;
use crate::node::speak::Asked;
use crate::wire::{Answer, Hash, Peer, Refusal};

impl Node {
    /// A receiver asks for a part of what it was offered: an entry of the store, one that others
    /// were written over while it is read, or what a client of ours writes.
    pub(in crate::node) fn serve_part(&mut self, asked: &Asked, id: Id, hash: &Hash, offset: u32) {
        let stored = self.store.content(id, hash);
        let read = || self.owner_ops.being_read(id, hash);
        let written = || self.client_ops.values().find_map(|op| op.offers(id, hash));
        let content = stored.or_else(read).or_else(written).cloned();
        let bytes = content.as_ref().map_or(&[][..], |content| content.bytes());
        let start = offset as usize;
        let part = bytes.get(start..bytes.len().min(start.saturating_add(PART_SIZE))).filter(|part| !part.is_empty());
        match part {
            Some(part) => {
                self.answer(asked, Answer::Part(part));
                self.keep_waiting(asked, id);
            }
            None => self.refuse(asked, Refusal::NotFound),
        }
    }

    /// A receiver asks for names that an entry remembers.
    pub(in crate::node) fn serve_names(&mut self, asked: &Asked, id: Id, before_ms: u64, offset: u32) {
        let mut part = heapless::Vec::<u8, PART_SIZE>::new();
        let kept = self.store.names_from(id, before_ms, offset as usize / NAME_SIZE);
        for kept in kept.take(PART_SIZE / NAME_SIZE) {
            // As many as have room.
            let _ = part.extend_from_slice(&kept.to_bytes(self.now.at));
        }
        if part.is_empty() {
            return self.refuse(asked, Refusal::NotFound);
        }
        self.answer(asked, Answer::Part(&part));
        self.keep_waiting(asked, id);
    }

    /// Whoever asks for parts of a value is at work on the request that offered it.
    fn keep_waiting(&mut self, asked: &Asked, id: Id) {
        let (owner_ops, client_ops, now) = (&self.owner_ops, &self.client_ops, self.now.at);
        let offered = |to: &Peer, purpose: &Purpose| {
            to.addr() == asked.source
                && match purpose {
                    Purpose::Replicate(line) => owner_ops.get(*line).is_some_and(|line| Id::of_key(&line.key) == id),
                    Purpose::Operation(ticket) => client_ops.get(ticket).is_some_and(|op| op.is_for(id)),
                    Purpose::Offer(item) => item.id == id,
                    _ => false,
                }
        };
        self.requests.wait_anew(now, &mut self.timers, offered);
    }
}
