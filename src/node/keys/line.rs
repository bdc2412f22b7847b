//! The operations on one key at its owner, in a line: those that end together come first, the others wait.

use super::recall::Recall;
use super::{Asker, Deed};
use crate::id::Id;
use crate::limits::{BATCH_MAX, OPERATIONS_MAX, OWNER_BYTES_MAX, OWNER_MAX, TRANSFERS_MAX};
use crate::node::spread::Spreading;
use crate::store::Content;
use crate::time::Instant;
use crate::wire::{Hash, Mark, Refusal, Room, Version};
use alloc::boxed::Box;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;
use core::time::Duration;

/// For so long a value is kept that is being read. It is asked for at once.
const KEPT: Duration = Duration::from_secs(1);

/// An operation at its owner.
#[derive(Debug)]
pub(in super::super) struct OwnerOp {
    pub asker: Asker,
    pub deed: Deed,
    pub deadline: Instant,
    /// How it ends once the version on its way is with both neighbours; `None` while it waits for its turn.
    pub outcome: Option<Outcome>,
}

impl OwnerOp {
    /// True if no answer is waited for.
    pub const fn is_for_nobody(&self) -> bool {
        matches!(self.asker, Asker::Nobody)
    }
}

/// What became of a write, as far as this node alone can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Outcome {
    /// It was applied, and given this version. With whether it created the key.
    Wrote(Version, bool),
    /// It had been applied before.
    Known(Version, bool),
    /// It changed nothing, and never will.
    Refused(Refusal),
    /// It was refused before, or is for now.
    Again(Refusal),
}

impl Outcome {
    /// There is no room for it. Under a name of its client it may come again when there is.
    pub const fn full(room: Room, mark: Mark) -> Self {
        let refusal = Refusal::Full { room };
        if mark.named() { Self::Again(refusal) } else { Self::Refused(refusal) }
    }

    /// True if it says something of the entry that is here.
    pub const fn rests_on_entry(&self) -> bool {
        match self {
            Self::Wrote(..) | Self::Known(..) => true,
            Self::Refused(refusal) => matches!(refusal, Refusal::NotFound | Refusal::Conflict { .. }),
            Self::Again(refusal) => matches!(refusal, Refusal::Reused),
        }
    }
}

/// The writes that go to both neighbours together: one after another they were applied here, and the last of them is
/// what the neighbours are sent.
#[derive(Debug, Default)]
pub(in super::super) struct Batch {
    /// The version that the last one was given.
    pub last: Option<Version>,
    writes: usize,
    /// Those from the first on that its client named.
    from_named: usize,
}

impl Batch {
    /// Adds a write, which its client named or did not.
    pub const fn add(&mut self, version: Version, named: bool) {
        self.last = Some(version);
        self.writes += 1;
        self.from_named += (named || self.from_named > 0) as usize;
    }

    /// True if no further write goes with it: a name that a client gave is still in the log that the neighbours get.
    pub const fn is_full(&self) -> bool {
        self.writes >= BATCH_MAX || self.from_named >= OPERATIONS_MAX
    }
}

/// What is to be done with one key.
#[derive(Debug)]
pub(in super::super) struct Line {
    pub key: Box<[u8]>,
    /// In the order in which they came.
    pub ops: VecDeque<OwnerOp>,
    /// A version on its way to both neighbours, on which all rest.
    pub spreading: Option<Spreading>,
}

/// The lines of all keys.
#[derive(Debug, Default)]
pub(in super::super) struct Lines {
    table: BTreeMap<u64, Line>,
    by_key: BTreeMap<Box<[u8]>, u64>,
    ops: usize,
    bytes: usize,
    /// What the logs of the entries do not tell.
    pub recall: Recall,
    /// Values that somebody was told of and has yet to ask for the rest of, and until when they are kept though others
    /// may have been written over them. Else readers of a key that is written all the time would never have one whole.
    read: VecDeque<(Instant, Id, Content)>,
}

impl Lines {
    /// How many operations there are.
    pub const fn len(&self) -> usize {
        self.ops
    }

    /// How many of the operations are like this.
    pub fn count(&self, is: impl Fn(&OwnerOp) -> bool) -> usize {
        self.table.values().flat_map(|line| &line.ops).filter(|op| is(op)).count()
    }

    /// True if there is room for one more.
    pub const fn has_room(&self) -> bool {
        self.ops < OWNER_MAX && self.bytes < OWNER_BYTES_MAX
    }

    /// The line of a key.
    pub fn of(&self, key: &[u8]) -> Option<u64> {
        self.by_key.get(key).copied()
    }

    /// A line by its number.
    pub fn get(&self, number: u64) -> Option<&Line> {
        self.table.get(&number)
    }

    /// The same, to change it.
    pub fn get_mut(&mut self, number: u64) -> Option<&mut Line> {
        self.table.get_mut(&number)
    }

    /// The numbers of all of which this is true.
    pub fn numbers(&self, mut is: impl FnMut(&Line) -> bool) -> Vec<u64> {
        self.table.iter().filter(|(_, line)| is(line)).map(|(number, _)| *number).collect()
    }

    /// Puts an operation at the end of a line, which begins with it if there is none of this number.
    pub fn push(&mut self, number: u64, key: &[u8], op: OwnerOp) {
        self.ops += 1;
        self.bytes += op.deed.size();
        let line = self.table.entry(number).or_insert_with(|| {
            self.by_key.insert(key.into(), number);
            Line { key: key.into(), ops: VecDeque::new(), spreading: None }
        });
        line.ops.push_back(op);
    }

    /// Somebody has yet to ask for the rest of this value.
    pub fn keep_read(&mut self, now: Instant, id: Id, content: &Content) {
        self.drop_read(now, |of, other| of == id && other.hash() == content.hash());
        if self.read.len() >= TRANSFERS_MAX {
            self.read.pop_front();
        }
        self.read.push_back((now + KEPT, id, content.clone()));
    }

    /// What is kept no longer, and what this is true of, is let go.
    pub fn drop_read(&mut self, now: Instant, is: impl Fn(Id, &Content) -> bool) {
        self.read.retain(|(until, id, content)| *until > now && !is(*id, content));
    }

    /// The value under this id with this hash, if somebody reads it.
    pub fn being_read(&self, id: Id, hash: &Hash) -> Option<&Content> {
        let is = |(_, of, content): &&(Instant, Id, Content)| *of == id && content.hash() == Some(hash);
        self.read.iter().find(is).map(|(.., content)| content)
    }

    /// Takes out the operation at this place of a line.
    pub fn take(&mut self, number: u64, at: usize) -> Option<OwnerOp> {
        let op = self.table.get_mut(&number)?.ops.remove(at)?;
        self.ops -= 1;
        self.bytes -= op.deed.size();
        Some(op)
    }

    /// Takes out the first operation of a line of which this is true.
    pub fn take_first(&mut self, number: u64, is: impl FnMut(&OwnerOp) -> bool) -> Option<OwnerOp> {
        let at = self.table.get(&number)?.ops.iter().position(is)?;
        self.take(number, at)
    }

    /// Ends a line if nothing is left in it. → whether it did.
    pub fn close(&mut self, number: u64) -> bool {
        if !self.table.get(&number).is_some_and(|line| line.ops.is_empty()) {
            return false;
        }
        if let Some(line) = self.table.remove(&number) {
            self.by_key.remove(&line.key);
        }
        true
    }
}
