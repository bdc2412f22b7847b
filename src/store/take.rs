//! Entries that come: whether one takes the place of what is here, and whether there is room for it.

use super::journal::Changed;
use super::names::{self, Change, Wanted};
use super::{Content, Store, Stored, Untaken, item_hash};
use crate::id::Id;
use crate::limits::{ENTRIES_MAX, ENTRY_COST};
use crate::wire::{Entry, OperationLog, Rank};

impl Store {
    /// Takes the entry if it beats the one that is here. Returns whether it did. Where the value is missing it may be
    /// here already, under the same version.
    ///
    /// # Errors
    /// [`Untaken`] if there is no room, or the entry is not sound, or not whole.
    pub fn merge(&mut self, entry: &Entry<'_>) -> Result<bool, Untaken> {
        if !entry.is_sound() {
            return Err(Untaken::Unsound);
        }
        let (whole, names) = (entry.is_whole(), Wanted::Exactly(entry.names, entry.came));
        let (left_ms, restored) = entry.value.map_or((0, false), |value| (value.left_ms, value.restored));
        let ends_us = self.end_in(left_ms);
        self.shorten(entry.key, entry.rank.version, ends_us, restored);
        self.take(entry.key, entry.rank, &entry.log, names, (self.limit, restored), || match entry.value {
            Some(value) if whole => Ok(Some(Content::from(value).until(ends_us))),
            Some(_) => Err(Untaken::Partial),
            None => Ok(None),
        })
    }

    /// The same with a value that shares its bytes with whoever else has it; none for a tombstone. The last tenth of
    /// the memory is not for these: others rest on what they bring here.
    ///
    /// # Errors
    /// As above.
    pub fn write(
        &mut self,
        key: &[u8],
        rank: Rank,
        log: OperationLog,
        content: Option<Content>,
    ) -> Result<bool, Untaken> {
        if !rank.is_sound() {
            return Err(Untaken::Unsound);
        }
        self.take(key, rank, &log, Wanted::Own, (self.limit - self.limit / 10, false), || Ok(content))
    }

    pub(super) fn take(
        &mut self,
        key: &[u8],
        rank: Rank,
        log: &OperationLog,
        names: Wanted<'_>,
        (limit, restored): (usize, bool),
        content: impl FnOnce() -> Result<Option<Content>, Untaken>,
    ) -> Result<bool, Untaken> {
        let (changed, now) = (self.changes + 1, self.now);
        let here = self.get_mut(key);
        let old = here.as_ref().map(|stored| stored.size() + stored.end_cost() + stored.names_cost());
        if let Some(stored) = here {
            let same = rank.version == stored.rank.version;
            stored.rank.chosen |= same && rank.chosen;
            if !rank.beats(&stored.rank) {
                return Ok(false);
            }
            if same {
                // The same value under a higher ballot.
                stored.log = log.clone();
                let more = stored.rerank(key, rank.ballot, changed);
                self.changes = changed;
                self.digests.change(Id::of_key(key), 0, more);
                self.note(key, Changed::Head, true);
                return Ok(true);
            }
        }
        let here = self.get(key);
        let change = Change::to(here, log, names, now)?;
        let brings_name = names::brings_name(here, log, names);
        let value = content()?;
        let size = value.as_ref().map_or(0, |content| content.size() + content.end_cost());
        let size = size + change.cost(here, log, brings_name, now);
        let nameless = !brings_name && change.is_none(here);
        let growth = match old {
            Some(old) => size.saturating_sub(old),
            None => size + key.len() + ENTRY_COST,
        };
        // What makes nothing larger is always taken, so that there is a way out: deleting.
        let full = growth > 0 && self.memory() + growth > limit;
        if full || (old.is_none() && self.entries.len() >= ENTRIES_MAX) {
            return Err(Untaken::Full);
        }
        let names = if nameless { None } else { self.change_names(key, change, brings_name) };
        let (log, hash) = (log.clone(), item_hash(key, &rank));
        self.put(key, Stored { rank, log, value, changed, confirmed: 0, restored, hash, names });
        Ok(true)
    }
}
