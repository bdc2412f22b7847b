//! The disk of a machine: it outlives the processes. A batch is saved as a whole or not at all, and takes its time; of
//! one that was under way when the process died nobody knows.

use crate::node::{Batch, Record};
use crate::store::{Content, Saved, Store};
use std::collections::BTreeMap;

/// What is on it.
#[derive(Debug, Default)]
pub(super) struct Disk {
    entries: BTreeMap<Vec<u8>, (Vec<u8>, Option<Content>)>,
    record: Option<Vec<u8>>,
    lived_us: u64,
    under_way: Option<Batch>,
}

impl Disk {
    /// A batch begins to be saved.
    pub(super) fn begin(&mut self, batch: Batch) {
        self.under_way = Some(batch);
    }

    /// The number of the batch under way.
    pub(super) fn number(&self) -> Option<u64> {
        self.under_way.as_ref().map(|batch| batch.number)
    }

    /// Takes out the batch under way, if it is the one of this number.
    pub(super) fn take(&mut self, number: u64) -> Option<Batch> {
        self.under_way.take_if(|batch| batch.number == number)
    }

    /// The batch under way is saved after all, or is not, as the process has died.
    pub(super) fn end(&mut self, saved: bool) {
        if let Some(batch) = self.under_way.take().filter(|_| saved) {
            self.save(batch);
        }
    }

    /// Saves a batch.
    pub(super) fn save(&mut self, batch: Batch) {
        self.record = batch.record.or(self.record.take());
        self.lived_us = batch.lived_us;
        for unsaved in batch.entries {
            match unsaved.entry {
                Saved::Gone => drop(self.entries.remove(&unsaved.place)),
                Saved::Whole(head, value) => drop(self.entries.insert(unsaved.place, (head, value))),
                Saved::Head(head) => {
                    if let Some((old, _)) = self.entries.get_mut(&unsaved.place) {
                        *old = head;
                    }
                }
            }
        }
    }

    /// What a process finds that is started on the machine.
    pub(super) fn restore(&self, memory_max: usize) -> (Store, Option<Record>) {
        let mut store = Store::new(memory_max);
        store.has_lived(self.lived_us);
        for (place, (head, value)) in &self.entries {
            let restored = store.restore(place, head, value.as_ref().map(Content::bytes));
            debug_assert!(restored.is_ok(), "it was saved like this");
        }
        (store, self.record.as_deref().and_then(Record::from_bytes))
    }
}
