//! Simulated clients repeat writes that they were told the outcome of, under the names that they gave them, long after
//! and through any node. Each is to be answered as the first time: a second effect would show as another version.
//! Another write under such a name is to be refused.

use super::ledger::{Act, Ledger};
use super::patience::take_late;
use super::world::World;
use crate::limits::NAMES_KEPT;
use crate::node::{Attempt, Command, Reply};
use crate::rng::Rng;
use crate::store::Content;
use crate::time::Instant;
use crate::wire::{Condition, OperationId, Version};
use std::collections::BTreeMap;

/// Each time that clients have begun so many operations, one of them repeats a write.
const EVERY: u64 = 5;
/// So many of the writes that were done are repeated by turns.
const DONE_MAX: usize = 200;

/// A write that was done.
#[derive(Clone, Copy, Debug)]
pub(super) struct Done {
    pub key: usize,
    pub act: Act,
    /// Its name, if the client chose it.
    pub id: Option<OperationId>,
    /// What the client was told.
    pub told: (Version, bool),
    /// When.
    pub at: Instant,
}

#[derive(Clone, Copy, Debug)]
struct Asked {
    done: Done,
    host: usize,
    start: Instant,
    /// It is another write under the name.
    other: bool,
}

/// The writes that were done, and their repetitions under way.
#[derive(Debug)]
pub(super) struct Repeats {
    rng: Rng,
    done: Vec<Done>,
    asked: BTreeMap<u64, Asked>,
    /// How often one was answered as the first time.
    pub answered: u64,
}

impl Repeats {
    pub const fn new(rng: Rng) -> Self {
        Self { rng, done: Vec::new(), asked: BTreeMap::new(), answered: 0 }
    }

    /// True if it is time for a repetition.
    pub const fn is_due(operations: u64) -> bool {
        operations.is_multiple_of(EVERY)
    }

    /// True while one waits for its answer.
    pub fn is_waiting(&self) -> bool {
        !self.asked.is_empty()
    }

    /// A client was told that its write is done.
    ///
    /// # Errors
    /// A key was created that was there, as far as the write's own condition says, or the other way round.
    pub fn learn(&mut self, done: Done) -> Result<(), String> {
        let condition = match done.act {
            Act::Put { condition, .. } | Act::Delete { condition } => condition,
            Act::Get => return Ok(()),
        };
        let created = match (done.act, condition) {
            (Act::Put { .. }, Condition::Absent) => Some(true),
            // A key that is absent meets the condition, and one that is there may.
            (Act::Put { .. }, condition) if condition.holds(None) => None,
            _ => Some(false),
        };
        if created.is_some_and(|created| created != done.told.1) {
            return Err(format!("{done:?}: it cannot be true whether the key was created"));
        }
        if done.id.is_none() {
            return Ok(());
        }
        if self.done.len() < DONE_MAX {
            self.done.push(done);
        } else {
            let at = self.rng.index(DONE_MAX);
            self.done[at] = done;
        }
        Ok(())
    }

    /// A client repeats a write through this machine, or gives its name to another one.
    pub fn submit(&mut self, world: &mut World, tag: u64, host: usize, ledger: &Ledger) {
        let now = world.now();
        // A minute for the answer; and clocks may run slower.
        self.done.retain(|done| now.since(done.at) < NAMES_KEPT * 4 / 5);
        if self.done.is_empty() {
            return;
        }
        let done = self.done[self.rng.index(self.done.len())];
        let other = self.rng.chance(0.2);
        self.asked.insert(tag, Asked { done, host, start: now, other });
        let key: Box<[u8]> = ledger.keys.name(done.key).into();
        let (attempt, min_copies) = (done.id.map(Attempt::First), 0);
        let command = match done.act {
            Act::Put { value, condition } => {
                let content = Content::new(ledger.bytes_of(value), if other { b"a/b" } else { b"" }, 0);
                Command::Put { key, content, ttl_s: Ledger::ttl_of(value), condition, min_copies, attempt }
            }
            Act::Delete { condition } if other => {
                let other = if condition == Condition::Present { Condition::None } else { Condition::Present };
                Command::Delete { key, condition: other, min_copies, attempt }
            }
            Act::Delete { condition } => Command::Delete { key, condition, min_copies, attempt },
            Act::Get => return,
        };
        world.submit(host, tag, command);
    }

    /// Takes an answer in; `None` if the process died first. → whether it answers a repetition, and what is wrong with
    /// it.
    pub fn reply(&mut self, tag: u64, reply: Option<&Reply>) -> Option<Result<(), String>> {
        let asked = self.asked.remove(&tag)?;
        Some(match reply {
            None | Some(Reply::Unavailable(_) | Reply::Unknown { .. }) => Ok(()),
            Some(Reply::Reused) if asked.other => Ok(()),
            Some(Reply::Stored { version, created, .. }) if !asked.other && asked.done.told == (*version, *created) => {
                self.answered += 1;
                Ok(())
            }
            other => Err(format!("a write under a name that was used before, {asked:?}: {other:?}")),
        })
    }

    /// What waits longer for an answer than it may. It is told once.
    pub fn take_overdue(&mut self, world: &World) -> Vec<String> {
        let late = take_late(&mut self.asked, world, |asked| (asked.host, asked.start));
        late.into_iter()
            .map(|asked| format!("a write under a name that was used before, {asked:?}: no answer"))
            .collect()
    }
}
