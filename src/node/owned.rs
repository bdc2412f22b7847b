//! What a datagram brought or is to bring, with its own copy of key and value, so that store and buffer are free
//! meanwhile.

use crate::wire::{Body, Condition, Entry, Hash, Kept, Mark, NamesSum, Operation, OperationLog, Rank, Value};
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::time::Duration;

/// An entry as one datagram holds it.
#[derive(Debug)]
pub(super) struct OwnedEntry {
    key: Box<[u8]>,
    rank: Rank,
    log: OperationLog,
    names: Option<NamesSum>,
    value: Option<OwnedValue>,
    came: Vec<Kept>,
}

/// A value as one datagram holds it.
#[derive(Debug)]
pub(super) struct OwnedValue {
    kind: Box<[u8]>,
    left_ms: u64,
    restored: bool,
    length: u32,
    hash: Hash,
    first: Box<[u8]>,
}

impl From<Value<'_>> for OwnedValue {
    fn from(value: Value<'_>) -> Self {
        let Value { kind, left_ms, restored, body: Body { length, hash, first } } = value;
        Self { kind: kind.into(), left_ms, restored, length, hash, first: first.into() }
    }
}

impl OwnedValue {
    /// The value again.
    pub fn borrow(&self) -> Value<'_> {
        let body = Body { length: self.length, hash: self.hash, first: &self.first };
        Value { kind: &self.kind, left_ms: self.left_ms, restored: self.restored, body }
    }

    /// The value with these bytes, which are all of it, and which took so long to come.
    pub fn with<'a>(&'a self, bytes: &'a [u8], took: Duration) -> Value<'a> {
        Value { body: Body::whole(bytes), ..self.after(took) }
    }

    /// The value as it is so long after it came.
    fn after(&self, took: Duration) -> Value<'_> {
        let took = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        let left_ms = if self.left_ms == 0 { 0 } else { self.left_ms.saturating_sub(took).max(1) };
        Value { left_ms, ..self.borrow() }
    }
}

impl From<Entry<'_>> for OwnedEntry {
    fn from(entry: Entry<'_>) -> Self {
        let (key, value) = (entry.key.into(), entry.value.map(OwnedValue::from));
        Self { key, rank: entry.rank, log: entry.log, names: entry.names, value, came: entry.came.to_vec() }
    }
}

impl OwnedEntry {
    /// The entry again.
    pub fn borrow(&self) -> Entry<'_> {
        let value = self.value.as_ref().map(OwnedValue::borrow);
        Entry { key: &self.key, rank: self.rank, log: self.log.clone(), names: self.names, value, came: &self.came }
    }

    /// Puts the names that it remembers beside it, if these are all of them.
    pub fn take_names(&mut self, came: Vec<Kept>) -> bool {
        let sum = came.iter().fold(0u64, |sum, kept| sum.wrapping_add(kept.write.hash()));
        let fits = self.names.is_some_and(|names| names.sum == sum && usize::from(names.count) == came.len());
        self.came = came;
        fits
    }

    /// The entry as it is so long after it came.
    pub fn after(&self, took: Duration) -> Entry<'_> {
        Entry { value: self.value.as_ref().map(|value| value.after(took)), ..self.borrow() }
    }

    /// The entry with a value of these bytes, which are all of it, and which took so long to come.
    pub fn with<'a>(&'a self, bytes: &'a [u8], took: Duration) -> Entry<'a> {
        let value = self.value.as_ref().map(|value| value.with(bytes, took));
        Entry { value, ..self.borrow() }
    }
}

/// A write as one datagram holds it, without its value.
#[derive(Debug)]
pub(super) struct OwnedWrite {
    pub operation: Operation,
    pub mark: Mark,
    pub key: Box<[u8]>,
    pub condition: Condition,
    pub min_copies: u8,
    pub ttl_s: u32,
    pub kind: Box<[u8]>,
}
