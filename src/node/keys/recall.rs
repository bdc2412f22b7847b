//! What an owner remembers of its writes beyond the log of the entry.
//!
//! The log of an entry has room for a few writes, and goes wherever the entry goes. A queue at the owner is longer: by
//! the time that the last of it is looked at, the log has forgotten writes that are younger than it, and could not tell
//! it from one that was done before. The owner that wrote an entry itself knows better: which writes led to it, and
//! that no other one did since. It remembers those that the log forgot, for as long as the entry is the one that it
//! wrote last. An entry that came from elsewhere has its log only.

use crate::id::Id;
use crate::limits::RECALL_MAX;
use crate::store::Stored;
use crate::wire::{Freshness, Logged, Operation, OperationId, Version};
use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;

/// What is known of a write at the entry that it would change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Known {
    /// It was done.
    Done(Logged),
    /// It may have been done: whoever could tell has forgotten.
    Perhaps,
    /// It was not done.
    New,
}

/// One step of a key: an entry that was made from another.
pub(in super::super) struct Step {
    /// The version of the entry that was there.
    pub from: Version,
    /// The version of the entry that was written over it.
    pub to: Version,
    /// What the log had forgotten before.
    pub forgotten: Freshness,
    /// What the log forgot for the new write.
    pub dropped: Option<Logged>,
}

/// What is remembered of one key.
#[derive(Debug)]
struct Branch {
    /// The version of the entry that it is about.
    of: Version,
    /// How fresh a write may have been that led to the entry and is remembered nowhere.
    forgotten: Freshness,
    names: usize,
}

/// The writes of this owner that the logs of its entries have forgotten, the last of all keys.
#[derive(Debug, Default)]
pub(in super::super) struct Recall {
    branches: BTreeMap<Id, Branch>,
    names: BTreeMap<(Id, OperationId), Logged>,
    order: VecDeque<(Id, OperationId)>,
}

impl Recall {
    /// How many writes are remembered.
    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// What is known of a write at the entry of this id. (Two keys of one id are possible and differ in version.)
    pub fn find(&self, id: Id, stored: &Stored, operation: &Operation) -> Known {
        if let Some(write) = stored.find(operation.id) {
            return Known::Done(write);
        }
        let Some(branch) = self.branches.get(&id).filter(|branch| branch.of == stored.rank.version) else {
            return if stored.log.may_have_forgotten(operation) { Known::Perhaps } else { Known::New };
        };
        match self.names.get(&(id, operation.id)) {
            Some(write) => Known::Done(*write),
            None if operation.fresh <= branch.forgotten && branch.forgotten != Freshness::default() => Known::Perhaps,
            None => Known::New,
        }
    }

    /// The owner has written an entry.
    pub fn add(&mut self, id: Id, step: &Step) {
        if self.branches.get(&id).is_some_and(|branch| branch.of != step.from) {
            // The entry that was there came from elsewhere.
            self.forget(id);
        }
        match (self.branches.get_mut(&id), step.dropped) {
            (Some(branch), _) => branch.of = step.to,
            (None, Some(_)) => {
                self.branches.insert(id, Branch { of: step.to, forgotten: step.forgotten, names: 0 });
            }
            // The log has it all.
            (None, None) => return,
        }
        let Some(write) = step.dropped else { return };
        self.names.insert((id, write.id), write);
        self.order.push_back((id, write.id));
        if let Some(branch) = self.branches.get_mut(&id) {
            branch.names += 1;
        }
        while self.order.len() > RECALL_MAX {
            self.drop_oldest();
        }
    }

    fn drop_oldest(&mut self) {
        let Some((id, name)) = self.order.pop_front() else { return };
        let Some(write) = self.names.remove(&(id, name)) else { return };
        let Some(branch) = self.branches.get_mut(&id) else { return };
        branch.forgotten = branch.forgotten.max(write.version.into());
        branch.names -= 1;
        if branch.names == 0 {
            // The log itself says the same now.
            self.branches.remove(&id);
        }
    }

    fn forget(&mut self, id: Id) {
        self.branches.remove(&id);
        let first = (id, OperationId([0; 16]));
        let of_id = self.names.range(first..).take_while(|((other, _), _)| *other == id);
        for name in of_id.map(|(name, _)| *name).collect::<Vec<_>>() {
            self.names.remove(&name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::OPERATIONS_MAX;
    use crate::store::Store;
    use crate::wire::{Entry, Item, OperationLog, Rank, Value};

    const KEY: &[u8] = b"k";

    fn name(n: u64) -> OperationId {
        OperationId(u128::from(n).to_be_bytes())
    }

    fn operation(n: u64, time_ms: u64) -> Operation {
        Operation { id: name(n), fresh: Freshness { term: 1, time_ms } }
    }

    fn logged(n: u64, version: Version) -> Logged {
        Logged { id: name(n), version, mark: n.into() }
    }

    fn version(time_ms: u64) -> Version {
        Version { term: 1, time_ms, writer: 0 }
    }

    /// An owner that has written the key so often, at 10, 20, 30 ... ms.
    struct Owner {
        store: Store,
        recall: Recall,
        written: u64,
        /// Of the tombstone that was collected last.
        floor: Freshness,
    }

    impl Owner {
        fn new() -> Self {
            Self { store: Store::default(), recall: Recall::default(), written: 0, floor: Freshness::default() }
        }

        fn write(&mut self) {
            self.written += 1;
            let before = self.store.get(KEY);
            let from = before.map_or(Version::NONE, |stored| stored.rank.version);
            let mut log = before.map_or_else(|| OperationLog::since(self.floor), |stored| stored.log.clone());
            let (to, forgotten) = (version(10 * self.written), log.forgotten());
            let dropped = log.push(logged(self.written, to));
            assert_eq!(self.store.write(KEY, Rank::of_write(to), log, None), Ok(true));
            self.recall.add(Id::of_key(KEY), &Step { from, to, forgotten, dropped });
        }

        /// The tombstone of the key is dropped, and its log with it.
        fn collect(&mut self) {
            let rank = self.store.get(KEY).unwrap().rank;
            self.floor = rank.version.into();
            self.store.drop_exact(Item { id: Id::of_key(KEY), rank });
        }

        fn find(&self, operation: Operation) -> Known {
            self.recall.find(Id::of_key(KEY), self.store.get(KEY).unwrap(), &operation)
        }
    }

    #[test]
    fn an_owner_knows_more_of_its_own_writes_than_their_log() {
        let mut owner = Owner::new();
        let writes = OPERATIONS_MAX as u64 + 50;
        (0..writes).for_each(|_| owner.write());
        for n in 1..=writes {
            assert_eq!(owner.find(operation(n, 10 * n - 1)), Known::Done(logged(n, version(10 * n))));
        }
        assert_eq!(owner.find(operation(99, 0)), Known::New, "as old as the first of them, and not done");
    }

    #[test]
    fn what_even_the_owner_has_forgotten_may_have_been_done() {
        let mut owner = Owner::new();
        let writes = (OPERATIONS_MAX + RECALL_MAX) as u64 + 5;
        (0..writes).for_each(|_| owner.write());
        assert_eq!(owner.recall.len(), RECALL_MAX);
        assert_eq!(owner.find(operation(5, 49)), Known::Perhaps);
        assert_eq!(owner.find(operation(6, 59)), Known::Done(logged(6, version(60))));
        assert_eq!(owner.find(operation(99_999, 50)), Known::Perhaps);
        assert_eq!(owner.find(operation(99_999, 51)), Known::New);
    }

    #[test]
    fn what_a_tombstone_knew_that_was_collected_may_have_been_done() {
        let mut owner = Owner::new();
        (0..20).for_each(|_| owner.write());
        owner.collect();
        owner.write();
        for n in 1..=20 {
            assert_eq!(owner.find(operation(n, 10 * n - 1)), Known::Perhaps);
        }
        (0..20).for_each(|_| owner.write());
        assert_eq!(owner.find(operation(19, 189)), Known::Perhaps);
        assert_eq!(owner.find(operation(22, 219)), Known::Done(logged(22, version(220))));
        assert_eq!(owner.find(operation(99, 201)), Known::New);
    }

    #[test]
    fn of_an_entry_from_elsewhere_only_its_log_counts() {
        let mut owner = Owner::new();
        (0..20).for_each(|_| owner.write());
        // Another owner took over, wrote more often than a log is long, and is gone again.
        let mut log = owner.store.get(KEY).unwrap().log.clone();
        for n in 100..100 + OPERATIONS_MAX as u64 + 1 {
            log.push(logged(n, version(10 * n)));
        }
        let (rank, value) = (Rank::of_write(version(2000)), Some(Value::plain(b"v")));
        assert_eq!(owner.store.merge(&Entry { key: KEY, rank, log, names: None, value, came: &[] }), Ok(true));
        assert_eq!(owner.find(operation(100, 300)), Known::Perhaps, "what the other one did is forgotten");
        assert_eq!(owner.find(operation(3, 25)), Known::Perhaps, "and whether this led to it is not known");
        owner.written = 1000;
        owner.write();
        assert_eq!(owner.find(operation(100, 300)), Known::Perhaps);
        assert_eq!(owner.find(operation(101, 1005)), Known::Done(logged(101, version(1010))));
        assert_eq!(owner.find(operation(2, 1001)), Known::New);
    }
}
