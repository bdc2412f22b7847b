//! The end of values that live for a time. The owner that finds one ended writes a tombstone in its place before it
//! answers anything that rests on it: no later owner, whose clock may differ, brings it back.

use super::Node;
use super::keys::Step;
use crate::id::Id;
use crate::wire::{Rank, Version};

impl Node {
    /// When a value that is taken now ends, if it lives for so many seconds; zero for never.
    pub(super) const fn end_of(&self, ttl_s: u32) -> u64 {
        if ttl_s == 0 { 0 } else { self.now.wall_ms.saturating_add(ttl_s as u64 * 1000) }
    }

    /// True if the key has a value that has ended by this node's clock.
    pub(super) fn has_ended(&self, key: &[u8]) -> bool {
        let value = self.store.get(key).and_then(|stored| stored.value.as_ref());
        value.is_some_and(|content| content.has_ended(self.now.wall_ms))
    }

    /// Writes a tombstone over a value that has ended; the line goes on when both neighbours have it.
    pub(super) fn expire(&mut self, number: u64, key: &[u8]) {
        let id = Id::of_key(key);
        let Some(stored) = self.store.get(key) else { return };
        let (rank, log) = (stored.rank, stored.log.clone());
        let forgotten = log.forgotten();
        let known = self.terms.at(id).max(rank.ballot);
        let Some(term) = self.rights.settled_term(id).filter(|term| *term >= known) else {
            self.outranked(id, known);
            return self.refuse_line(number, key);
        };
        self.clock_ms = self.tick().max(rank.version.time_ms.saturating_add(1));
        let version = Version { term, time_ms: self.clock_ms, writer: self.writer() };
        match self.store.write(key, Rank::of_write(version), log, None) {
            Ok(true) => {
                let step = Step { from: rank.version, to: version, forgotten, dropped: None };
                self.owner_ops.recall.add(id, &step);
                self.begin_spreading(number, version);
            }
            // Only where the clock has come to its end.
            _ => self.refuse_line(number, key),
        }
    }

    /// The name of this node in the versions that it gives.
    pub(super) const fn writer(&self) -> u64 {
        (self.me.place.id.get() >> 64) as u64
    }
}
