//! When values end: on a clock of the store's own. It goes on while a process holds the store, whatever the wall clock
//! does; it is saved with what is held, and goes on from there. So on the disk, too, an end says what is left.

use super::journal::Changed;
use super::{Content, Store, Stored};
use crate::id::Id;
use crate::limits::{END_COST, LEFT_MAX_MS};
use crate::wire::{Entry, Value, Version};
use core::ops::Bound;
use core::time::Duration;

/// A value that ends, in the order of their ends: when it does, and where its entry is.
pub type End = (u64, Id);

/// By so much more than a holder whose clock went on another may think that is left. It covers what a datagram is under
/// way for.
const LEEWAY_US: u64 = 2_000_000;

impl Store {
    /// So much time has passed since it was told last.
    pub fn live_on(&mut self, passed: Duration) {
        self.lived_us = self.lived_us.saturating_add(u64::try_from(passed.as_micros()).unwrap_or(u64::MAX));
    }

    /// For how many microseconds processes have held it.
    pub const fn lived_us(&self) -> u64 {
        self.lived_us
    }

    /// It is put back as it was saved after so many microseconds.
    pub const fn has_lived(&mut self, us: u64) {
        self.lived_us = us;
    }

    /// When a value ends that has so many milliseconds left; zero if it never does.
    pub const fn end_in(&self, left_ms: u64) -> u64 {
        if left_ms == 0 { 0 } else { self.lived_us.saturating_add(left_ms.saturating_mul(1000)) }
    }

    /// True if the value's time is over.
    pub const fn has_ended(&self, content: &Content) -> bool {
        content.ends_us != 0 && content.ends_us <= self.lived_us
    }

    /// The first value to end, or one of those that have; behind this one, if one is given.
    pub fn next_end(&self, behind: Option<End>) -> Option<End> {
        self.ends.range((behind.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded)).next().copied()
    }

    /// How long it is until then; zero if that is over.
    pub const fn until(&self, end: End) -> Duration {
        Duration::from_micros(end.0.saturating_sub(self.lived_us))
    }

    /// For how long a value has been here whose time is over, of those whose ids count.
    pub fn overdue(&self, counts: impl Fn(Id) -> bool) -> Duration {
        let mut ended = self.ends.iter().take_while(|(end, _)| *end < self.lived_us);
        let first = ended.find(|(_, id)| counts(*id)).map_or(u64::MAX, |(end, _)| *end);
        Duration::from_micros(self.lived_us.saturating_sub(first))
    }

    /// True if the sender, which was started from its disk, may not know how much time went by while it was away: here
    /// less is left of the same value.
    pub fn knows_of_less(&self, entry: &Entry<'_>) -> bool {
        let Some(Value { left_ms, restored: true, .. }) = entry.value else { return false };
        let here = self.get(entry.key).filter(|stored| stored.rank.version == entry.rank.version);
        let end = here.and_then(|stored| stored.value.as_ref()).map_or(0, |content| content.ends_us);
        // Of one that has ended nothing is left, however long ago that was: a sender that knows so is not told again.
        end != 0 && end.max(self.lived_us).saturating_add(LEEWAY_US) < self.end_in(left_ms)
    }

    /// Another holder of this version says when it ends. What is left can only be less than a holder thinks, as it may
    /// have come late, or have been away.
    pub(super) fn shorten(&mut self, key: &[u8], version: Version, ends_us: u64, restored: bool) {
        let Some(stored) = self.get_mut(key).filter(|stored| stored.rank.version == version) else { return };
        let (former, id) = (stored.ends_us(), Id::of_key(key));
        if former == 0 || ends_us == 0 {
            return;
        }
        stored.restored &= restored;
        if let Some(content) = stored.value.as_mut().filter(|_| ends_us < former) {
            content.ends_us = ends_us;
            self.ends.remove(&(former, id));
            self.ends.insert((ends_us, id));
            self.note(key, Changed::Head, false);
        }
    }
}

impl Stored {
    /// When its value ends, on the clock of the store; zero if never, or if there is none.
    pub(super) fn ends_us(&self) -> u64 {
        self.value.as_ref().map_or(0, |content| content.ends_us)
    }

    /// Bytes of memory that this takes.
    pub(super) fn end_cost(&self) -> usize {
        self.value.as_ref().map_or(0, Content::end_cost)
    }
}

impl Content {
    /// Bytes of memory that its end takes, if it has one.
    pub(super) const fn end_cost(&self) -> usize {
        if self.ends_us == 0 { 0 } else { END_COST }
    }

    /// How many milliseconds are left of it at this time of its store: zero if it never ends, one if it has ended and a
    /// tombstone has yet to take its place.
    pub fn left_ms(&self, lived_us: u64) -> u64 {
        match self.ends_us {
            0 => 0,
            end => end.saturating_sub(lived_us).div_ceil(1000).clamp(1, LEFT_MAX_MS),
        }
    }
}
