//! What clients asked for, when, and what they were told.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::ops::Range;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// A value: no two writes have the same.
pub type Value = u32;

/// What a write asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    None,
    /// The key exists, with this value.
    Is(Value),
    /// It does not exist.
    Absent,
}

/// What an operation on a key does. A write that sets nothing deletes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    Get,
    Write { condition: Condition, sets: Option<Value> },
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// This was read.
    Read(Option<Value>),
    /// The write was done; whether the key existed before, if that was told.
    Done { existed: Option<bool> },
    /// The condition did not hold, or there was nothing to delete.
    Failed,
    /// It may be done, or may be yet, or never.
    Unknown,
}

/// One operation of one client.
#[derive(Clone, Copy, Debug)]
pub struct Operation {
    pub act: Act,
    pub outcome: Outcome,
    pub start: Instant,
    /// `None` if it may yet be done.
    pub end: Option<Instant>,
}

/// Everything that was done in one run, by key.
#[derive(Default)]
pub struct Record {
    operations: Mutex<BTreeMap<usize, Vec<Operation>>>,
    faults: Mutex<Vec<String>>,
    values: AtomicU32,
    /// The keys that clients use at this moment.
    page: AtomicU32,
}

impl Record {
    /// How many keys are used at one time.
    pub const KEYS: usize = 3;

    pub fn add(&self, key: usize, operation: Operation) {
        let mut operations = self.operations.lock().unwrap_or_else(PoisonError::into_inner);
        operations.entry(key).or_default().push(operation);
    }

    /// Something that no answer may say.
    pub fn fault(&self, text: String) {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner).push(text);
    }

    pub fn new_value(&self) -> Value {
        self.values.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// The next keys: a checker finds its way through short histories only.
    pub fn new_page(&self) {
        self.page.fetch_add(1, Ordering::Relaxed);
    }

    pub fn current(&self) -> Range<usize> {
        let first = self.page.load(Ordering::Relaxed) as usize * Self::KEYS;
        first..first + Self::KEYS
    }

    pub fn keys(&self) -> Vec<usize> {
        self.operations.lock().unwrap_or_else(PoisonError::into_inner).keys().copied().collect()
    }

    pub fn take(&self) -> BTreeMap<usize, Vec<Operation>> {
        std::mem::take(&mut self.operations.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub fn faults(&self) -> Vec<String> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// All of it as lines, in seconds since the beginning.
pub fn text(operations: &BTreeMap<usize, Vec<Operation>>, begun: Instant) -> String {
    let mut text = String::new();
    for (key, history) in operations {
        let mut history = history.clone();
        history.sort_by_key(|operation| operation.start);
        let _ = writeln!(text, "key {key}");
        for Operation { act, outcome, start, end } in history {
            let since = |at: Instant| at.saturating_duration_since(begun).as_secs_f64();
            let end = end.map_or_else(|| String::from("      -"), |end| format!("{:7.3}", since(end)));
            let _ = writeln!(text, "{:7.3} {end}  {act:?} -> {outcome:?}", since(start));
        }
    }
    text
}
