//! What a datagram brought or is to bring, with its own copy of key and value, so that store and buffer are free
//! meanwhile.

use crate::wire::{Body, Condition, Entry, Hash, Mark, Operation, OperationLog, Rank, Value};
use alloc::boxed::Box;

/// An entry as one datagram holds it.
#[derive(Debug)]
pub(super) struct OwnedEntry {
    key: Box<[u8]>,
    rank: Rank,
    log: OperationLog,
    value: Option<OwnedValue>,
}

/// A value as one datagram holds it.
#[derive(Debug)]
pub(super) struct OwnedValue {
    kind: Box<[u8]>,
    expires_ms: u64,
    length: u32,
    hash: Hash,
    first: Box<[u8]>,
}

impl From<Value<'_>> for OwnedValue {
    fn from(value: Value<'_>) -> Self {
        let Value { kind, expires_ms, body: Body { length, hash, first } } = value;
        Self { kind: kind.into(), expires_ms, length, hash, first: first.into() }
    }
}

impl OwnedValue {
    /// The value again.
    pub fn borrow(&self) -> Value<'_> {
        let body = Body { length: self.length, hash: self.hash, first: &self.first };
        Value { kind: &self.kind, expires_ms: self.expires_ms, body }
    }

    /// The value with these bytes, which are all of it.
    pub fn with<'a>(&'a self, bytes: &'a [u8]) -> Value<'a> {
        Value { body: Body::whole(bytes), ..self.borrow() }
    }
}

impl From<Entry<'_>> for OwnedEntry {
    fn from(entry: Entry<'_>) -> Self {
        let (key, value) = (entry.key.into(), entry.value.map(OwnedValue::from));
        Self { key, rank: entry.rank, log: entry.log, value }
    }
}

impl OwnedEntry {
    /// The entry again.
    pub fn borrow(&self) -> Entry<'_> {
        let value = self.value.as_ref().map(OwnedValue::borrow);
        Entry { key: &self.key, rank: self.rank, log: self.log.clone(), value }
    }

    /// The entry with a value of these bytes, which are all of it.
    pub fn with<'a>(&'a self, bytes: &'a [u8]) -> Entry<'a> {
        let value = self.value.as_ref().map(|value| value.with(bytes));
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
