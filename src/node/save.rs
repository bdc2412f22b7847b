//! Saving: what a node has changed is handed to its driver in batches, and nothing that rests on a change is said
//! before it is saved. While one batch is being saved the next one grows, so that under load many writes share one.
//!
//! A node whose disk fails goes on answering for what it holds. It takes no writes, and tries again.

use super::Node;
use super::life::Life;
use super::speak::Asked;
use super::timers::Timer;
use crate::config::Rule;
use crate::limits::HELD_MAX;
use crate::store::Unsaved;
use crate::time::Now;
use crate::wire::{Answer, Keeping, Refusal, Room};
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::time::Duration;

/// What is to be saved in one go: all of it, or nothing.
#[derive(Clone, Debug)]
pub struct Batch {
    /// Its number, one above that of the batch before.
    pub number: u64,
    /// The entries that were changed.
    pub entries: Vec<Unsaved>,
    /// What the node is to know of itself, if that was changed: the bytes of a [`Record`](super::Record).
    pub record: Option<Vec<u8>>,
    /// For how many microseconds the entries have been held: the clock by which values end.
    pub lived_us: u64,
}

/// How far a node is with saving.
#[derive(Debug, Default)]
pub(super) struct Saving {
    /// The record is to be saved.
    pub record_changed: bool,
    /// The number of the last batch.
    number: u64,
    /// It is being saved: the count of changes of the store up to which it reaches.
    under_way: Option<u64>,
    /// The count of changes up to which all is saved.
    saved: u64,
    /// Answers that wait for the batch of a number; whether each says that a copy is kept.
    held: VecDeque<(u64, Asked, bool)>,
    failed: bool,
}

impl Saving {
    /// The store holds just what was saved.
    pub fn new(saved: u64) -> Self {
        Self { saved, ..Self::default() }
    }
}

/// The longest time after which what is left of a value is saved again, unless a tenth of it is longer.
const LIVED: Duration = Duration::from_secs(60);

/// The pause before a disk that failed is tried again.
const RETRY: Duration = Duration::from_secs(2);

impl Node {
    /// Hands out what is to be saved next, unless the batch before is still being saved. Whoever takes it says how that
    /// ended: see [`Node::handle_saved`].
    pub fn poll_save(&mut self) -> Option<Batch> {
        let changed = core::mem::take(&mut self.terms.changed)
            | core::mem::take(&mut self.spoke_under.changed)
            | self.floors.take_changed();
        let waits = self.timers.is_set(Timer::Save);
        let first_end = self.store.next_end(None);
        let lived = first_end.is_some() && !self.timers.is_set(Timer::Lived);
        let saving = self.saving.as_mut()?;
        saving.record_changed |= changed;
        if saving.under_way.is_some() || waits || !(saving.record_changed || self.store.has_unsaved() || lived) {
            return None;
        }
        self.timers.cancel(Timer::Lived);
        if let Some(end) = first_end {
            // Of the others more is left.
            self.timers.set(Timer::Lived, self.now.at + LIVED.max(self.store.until(end) / 10));
        }
        saving.number += 1;
        saving.under_way = Some(self.store.changes());
        let (number, with_record) = (saving.number, core::mem::take(&mut saving.record_changed));
        let record = with_record.then(|| self.record().to_bytes());
        Some(Batch { number, entries: self.store.take_unsaved(), record, lived_us: self.store.lived_us() })
    }

    /// A batch is saved, or could not be: then it comes back.
    pub fn handle_saved(&mut self, now: Now, outcome: Result<u64, Batch>) {
        self.begin(now);
        let Some(saving) = &mut self.saving else { return };
        let Some(changes) = saving.under_way.take() else { return };
        match outcome {
            Ok(_) => {
                saving.saved = changes;
                if core::mem::take(&mut saving.failed) {
                    self.live(Life::Saves);
                }
                self.say_held();
                self.spread_saved();
            }
            Err(batch) => {
                saving.record_changed |= batch.record.is_some();
                let first = !core::mem::replace(&mut saving.failed, true);
                self.store.put_back_unsaved(&batch.entries);
                self.timers.set(Timer::Save, self.now.at + RETRY);
                if first {
                    self.live(Life::SavesNot);
                }
                self.say_held();
            }
        }
    }

    /// The driver has seen that nothing can be saved, while there was nothing to save: the record is to be, and as that
    /// fails, the node takes no writes until it can save again.
    pub fn handle_doubt(&mut self) {
        if let Some(saving) = &mut self.saving {
            saving.record_changed = true;
        }
    }

    /// Answers that waited are sent: those to batches that are saved; or, as nothing can be saved, all.
    fn say_held(&mut self) {
        let Some(saving) = &mut self.saving else { return };
        let (number, failed) = (saving.number, saving.failed);
        let ready = saving.held.iter().take_while(|(of, ..)| failed || *of <= number).count();
        for (_, asked, copy) in saving.held.drain(..ready).collect::<Vec<_>>() {
            if failed && copy {
                self.refuse(&asked, Refusal::Full { room: Room::NoDisk });
            } else {
                self.answer(&asked, Answer::Done);
            }
        }
    }

    /// Operations of ours as owner that waited for our own disk go on.
    fn spread_saved(&mut self) {
        for number in self.owner_ops.numbers(|line| line.spreading.is_some()) {
            self.spread(number);
        }
    }

    /// Says that it is done, once all that was changed up to now is saved. `copy` if it is a copy that the asker is to
    /// count on; a term may rest on memory alone where the disk has failed.
    pub(super) fn answer_saved(&mut self, asked: &Asked, copy: bool) {
        let clean = !self.has_unsaved();
        let keeps = self.config.keeps(Rule::SaveBeforeTelling);
        let Some(saving) = self.saving.as_mut().filter(|_| keeps) else { return self.answer(asked, Answer::Done) };
        match saving.under_way {
            _ if saving.failed && copy => self.refuse(asked, Refusal::Full { room: Room::NoDisk }),
            _ if saving.failed => self.answer(asked, Answer::Done),
            None if clean => self.answer(asked, Answer::Done),
            under_way => {
                let number = saving.number + u64::from(!clean || under_way.is_none());
                if let Some(same) = saving.held.iter_mut().find(|(_, other, _)| other.is_same(asked)) {
                    same.1 = *asked;
                    self.counters.repeated += 1;
                } else if saving.held.len() >= HELD_MAX {
                    self.refuse(asked, Refusal::Busy);
                } else {
                    saving.held.push_back((number, *asked, copy));
                }
            }
        }
    }

    /// True if something was changed that is in no batch yet.
    fn has_unsaved(&self) -> bool {
        let record = self.saving.as_ref().is_some_and(|saving| saving.record_changed);
        self.store.has_unsaved() || record || self.terms.changed || self.floors.have_changed()
    }

    /// True if what was changed at this count of changes of the store is saved, or need not be.
    pub(super) fn is_saved(&self, changed: u64) -> bool {
        let saved = self.saving.as_ref().is_none_or(|saving| changed <= saving.saved);
        saved || !self.config.keeps(Rule::SaveBeforeTelling)
    }

    /// True while a batch is being saved.
    pub fn is_saving(&self) -> bool {
        self.saving.as_ref().is_some_and(|saving| saving.under_way.is_some())
    }

    /// True if this node has a disk that fails.
    pub fn fails_to_save(&self) -> bool {
        self.saving.as_ref().is_some_and(|saving| saving.failed)
    }

    /// How many answers wait for the disk.
    pub fn held_back(&self) -> u64 {
        self.saving.as_ref().map_or(0, |saving| saving.held.len() as u64)
    }

    /// How this node keeps what it holds, for its neighbours.
    pub(super) fn keeping(&self) -> Keeping {
        let unsaved = self.saving.as_ref().is_some_and(|saving| saving.under_way.is_some() || self.store.has_unsaved());
        let room = match () {
            () if self.fails_to_save() => Room::NoDisk,
            () => match self.store.room() {
                Room::Enough if self.store.is_full_of_names() => Room::NoNames,
                room => room,
            },
        };
        Keeping { unsaved: unsaved && self.config.keeps(Rule::SaveBeforeTelling), room }
    }

    /// True if a neighbour, as far as it said, has no room for another name of a write.
    pub(super) fn lacks_room_for_name(&self) -> bool {
        self.ring.room.contains(&Room::NoNames)
    }

    /// How what the store of this node cannot take is refused.
    pub(super) fn full(&self) -> Refusal {
        Refusal::Full { room: self.store.full_of() }
    }

    /// What this node is full of, or a neighbour as far as it said, if one of them has no room for a write.
    pub(super) fn lacks_room(&self, grows: bool) -> Option<Room> {
        let mut all = core::iter::once(self.keeping().room).chain(self.ring.room);
        all.find(|room| room.lacks(grows))
    }
}
