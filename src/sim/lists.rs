//! Simulated clients list the keys of the ring now and then. A key that a list leaves out counts as read and not found:
//! the one history that explains all reads must explain that too.

use super::bound::Keys;
use super::ledger::{Act, Ledger, Question};
use super::patience::take_late;
use super::world::World;
use crate::id::Id;
use crate::limits::LIST_MAX;
use crate::node::{Command, OwnedKey, Reply};
use crate::time::Instant;
use crate::wire::Version;
use std::collections::{BTreeMap, BTreeSet};

/// Each time that clients have begun so many operations, one of them lists the ring.
const EVERY: u64 = 24;

#[derive(Clone, Copy, Debug)]
struct Asked {
    host: usize,
    start: Instant,
    /// It is the last look: the ring is whole, and must be listed to its end.
    last: bool,
}

/// The lists under way.
#[derive(Debug, Default)]
pub(super) struct Lists {
    asked: BTreeMap<u64, Asked>,
    /// The versions of each key in the last lists; none where it was left out.
    last: BTreeMap<usize, BTreeSet<Option<Version>>>,
    /// When they were asked for.
    last_asked: Option<Instant>,
}

impl Lists {
    /// True if it is time for one.
    pub const fn is_due(operations: u64) -> bool {
        operations.is_multiple_of(EVERY)
    }

    /// True while one waits for its answer.
    pub fn is_waiting(&self) -> bool {
        !self.asked.is_empty()
    }

    pub fn submit(&mut self, world: &mut World, tag: u64, host: usize, last: bool) {
        self.asked.insert(tag, Asked { host, start: world.now(), last });
        self.last_asked = self.last_asked.or(last.then(|| world.now()));
        world.submit(host, tag, Command::List { from: Id::new(0), after: None, limit: LIST_MAX });
    }

    /// Takes an answer in; `None` if the process died first. → whether it answers a list, and what is wrong with it.
    pub fn reply(
        &mut self,
        now: Instant,
        tag: u64,
        reply: Option<&Reply>,
        ledger: &mut Ledger,
    ) -> Option<Result<(), String>> {
        let asked = self.asked.remove(&tag)?;
        Some(match reply {
            Some(Reply::Listed { entries, next }) => self.judge(now, asked, entries, *next, ledger),
            Some(Reply::Unavailable(_)) if !asked.last => Ok(()),
            None => Ok(()),
            other => Err(format!("the list of {asked:?}: odd answer {other:?}")),
        })
    }

    fn judge(
        &mut self,
        now: Instant,
        asked: Asked,
        entries: &[OwnedKey],
        next: Option<Id>,
        ledger: &mut Ledger,
    ) -> Result<(), String> {
        let wrong = |what: &str| Err(format!("{what} in the list of {asked:?}: {entries:?}, {next:?}"));
        if !entries.is_sorted_by(|a, b| (a.id, &a.key) < (b.id, &b.key)) {
            return wrong("no order");
        }
        if asked.last && next.is_some() {
            return wrong("no end");
        }
        for key in 0..ledger.keys.len() {
            let name = ledger.keys.name(key);
            let listed = entries.iter().find(|entry| *entry.key == *name).map(|entry| entry.version);
            if next.is_some_and(|next| Id::of_key(name) >= next) {
                if listed.is_some() {
                    return wrong("something behind its end");
                }
                continue;
            }
            if listed.is_none() {
                let question = Question { client: None, host: asked.host, key, act: Act::Get, start: asked.start };
                ledger.read(question, now, None);
            }
            if asked.last {
                self.last.entry(key).or_default().insert(listed);
            }
        }
        Ok(())
    }

    /// What of a key's last lists does not fit what the last reads of it found. A write that nobody waited for any more
    /// may have come between the two: then a list may have what was there before, or not the key at all if that was a
    /// tombstone. Whether it was shows in the key's history: see [`Self::judge`].
    pub fn misfit(&self, key: usize, found: &BTreeSet<Option<Version>>, keys: &Keys) -> Option<String> {
        let listed = self.last.get(&key)?;
        // What may end meanwhile was counted as not found.
        let sure = found.len() == 1 && found.first().is_some_and(Option::is_some);
        let before = self.last_asked.and_then(|at| keys.acknowledged_before(key, at));
        let read = found.first().copied().flatten();
        let was_there = |version: &Option<Version>| version.is_none() || *version >= before;
        let fits =
            |version: &Option<Version>| *version == read || (before < read && *version < read && was_there(version));
        (sure && !listed.iter().all(fits))
            .then(|| format!("key {key}: {listed:?} was listed in the end, and {found:?} read"))
    }

    /// What waits longer for an answer than it may. It is told once.
    pub fn take_overdue(&mut self, world: &World) -> Vec<String> {
        let late = take_late(&mut self.asked, world, |asked| (asked.host, asked.start));
        late.into_iter().map(|asked| format!("the list of {asked:?}: no answer")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(time_ms: u64) -> Option<Version> {
        Some(Version { term: 1, time_ms, writer: 1 })
    }

    /// Whether a list that has this version of a key fits reads of that one, if somebody was told of version 1 before.
    fn fits(listed: Option<Version>, read: Option<Version>) -> bool {
        let mut keys = Keys::new(vec![b"key".to_vec().into()]);
        keys.acknowledge(Instant::ZERO, 0, Version { term: 1, time_ms: 1, writer: 1 });
        let last = [(0, BTreeSet::from([listed]))].into();
        let lists = Lists { last, last_asked: Some(Instant::from_millis(1)), ..Lists::default() };
        lists.misfit(0, &BTreeSet::from([read]), &keys).is_none()
    }

    #[test]
    fn the_last_list_has_what_is_read_or_what_was_there_before_a_late_write() {
        assert!(fits(version(1), version(1)));
        assert!(!fits(None, version(1)), "it was left out");
        assert!(!fits(version(0), version(1)), "it is older than what somebody was told of");
        for listed in [None, version(1), version(2), version(3)] {
            assert!(fits(listed, version(3)), "{listed:?}: version 1 may be a tombstone, 2 and 3 came late");
        }
        assert!(!fits(version(0), version(3)));
        assert!(!fits(version(4), version(3)), "nobody reads it");
    }
}
