//! The end of values that live for a time. The owner that finds one ended writes a tombstone in its place before it
//! answers anything that rests on it: no later owner, on whose clock a little more may be left, brings it back.
//!
//! No wall clock has a say. An owner counts what is left on its own clock that only goes on; copies and disks carry
//! what is left. Nobody but the owner ends a value.

use super::Node;
use super::keys::{Asker, Deed, OwnerOp, Step};
use crate::id::{Arc, Id};
use crate::limits::{OWNER_MAX, WALL_MAX_MS};
use crate::store::{End, Stored};
use crate::time::Instant;
use crate::wire::{Rank, Version};
use alloc::boxed::Box;
use core::time::Duration;

/// How far a node is with ending what nobody asks for.
#[derive(Debug, Default)]
pub(super) struct Sweep {
    /// All up to this one were looked at.
    behind: Option<End>,
    not_before: Instant,
}

/// Values that are ended in one step, and looked at for that: others own some of them.
const AT_ONCE: usize = 16;
/// See [`AT_ONCE`].
const LOOK: usize = 256;
/// Values that are being ended at one time.
const UNDER_WAY: usize = 64;
/// The pause before the next step.
const PAUSE: Duration = Duration::from_millis(20);
/// The pause before those are looked at again that had ended and could not be made to: they are another node's, or this
/// one does not answer just now.
const AGAIN: Duration = Duration::from_secs(2);

impl Node {
    /// True if the key has a value that has ended by this node's clock.
    pub(super) fn has_ended(&self, key: &[u8]) -> bool {
        let value = self.store.get(key).and_then(|stored| stored.value.as_ref());
        value.is_some_and(|content| self.store.has_ended(content))
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

    /// When the next value is to be swept.
    pub(super) fn sweep_due(&self) -> Instant {
        let end = self.store.next_end(None).map(|end| self.now.at + self.store.until(end));
        end.map_or(Instant::FAR, |end| end.max(self.sweep.not_before))
    }

    /// Ends values whose time is over, though nobody asks for them: so many in one step, of those that are its own.
    pub(super) fn sweep(&mut self) {
        let (now, behind) = (self.now.at, self.sweep.behind.take());
        if self.sweep_due() > now {
            return;
        }
        let has_ended = |node: &Self, end: &End| node.store.until(*end).is_zero();
        let (mut last, mut begun) = (behind, 0);
        let may = self.is_ready(now) && !self.fails_to_save();
        for _ in 0..if may { LOOK } else { 0 } {
            let next = self.store.next_end(last).filter(|end| has_ended(self, end));
            let Some((_, id)) = next else {
                let rest = self.store.next_end(None).is_some_and(|end| has_ended(self, &end));
                self.sweep = Sweep { behind: None, not_before: now + if rest { AGAIN } else { PAUSE } };
                return;
            };
            let busy = self.owner_ops.len() >= OWNER_MAX / 2 || self.swept_now() >= UNDER_WAY;
            if busy || begun >= AT_ONCE {
                break;
            }
            (last, begun) = (next, begun + usize::from(self.sweep_one(id)));
        }
        self.sweep = Sweep { behind: last, not_before: now + if may { PAUSE } else { AGAIN } };
    }

    /// How many operations run for nobody.
    fn swept_now(&self) -> usize {
        self.owner_ops.count(OwnerOp::is_for_nobody)
    }

    /// Ends what has ended under this id, if that is this node's to do. → true if it does.
    fn sweep_one(&mut self, id: Id) -> bool {
        if !self.is_settled_for(self.now.at, id) {
            return false;
        }
        let of_id = self.store.range(Arc::new(id.plus(u128::MAX), id));
        let ended = |stored: &Stored| stored.value.as_ref().is_some_and(|content| self.store.has_ended(content));
        let key = of_id.filter(|(_, _, stored)| ended(stored)).map(|(_, key, _)| Box::<[u8]>::from(key)).next();
        let key = key.filter(|key| self.owner_ops.of(key).is_none());
        let begins = key.is_some();
        key.into_iter().for_each(|key| self.start_owner(Asker::Nobody, &key, Deed::Get));
        begins
    }

    /// How many entries hold a value.
    pub fn values(&self) -> usize {
        self.store.len() - self.store.tombstones()
    }

    /// For how long a value has been here whose time is over, of those that are this node's to hold. Strays are handed
    /// on at a pace of their own.
    pub fn overdue(&self) -> Duration {
        let elsewhere = self.arcs_of_others();
        self.store.overdue(|id| elsewhere.is_none_or(|arc| !arc.contains(id)))
    }

    /// The name of this node in the versions that it gives.
    pub(super) const fn writer(&self) -> u64 {
        (self.me.place.id.get() >> 64) as u64
    }

    /// The hybrid logical clock, in milliseconds: above all it gave and saw before, and near the wall clock.
    pub(super) fn tick(&mut self) -> u64 {
        self.clock_ms = self.next_tick();
        self.clock_ms
    }

    /// What it will give next. Whoever only asks for it does not move it, or anybody could.
    pub(super) fn next_tick(&self) -> u64 {
        // No version may rest on a wall clock that is beyond all sense: there would be none above it.
        let wall_ms = Some(self.now.wall_ms).filter(|wall_ms| *wall_ms <= WALL_MAX_MS).unwrap_or(0);
        wall_ms.max(self.clock_ms.saturating_add(1))
    }
}
