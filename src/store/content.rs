//! A value as a node keeps it.

use crate::limits::{FIRST_MAX, room_for_value};
use crate::wire::{Body, Hash, Value};
use alloc::boxed::Box;
use alloc::sync::Arc as Shared;

/// What is kept under a key. A copy of it shares the bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    bytes: Shared<[u8]>,
    kind: Option<Box<[u8]>>,
    /// When it ends on the clock of the store that keeps it, in microseconds; zero if never.
    pub ends_us: u64,
    /// Of one that may not fit a frame.
    hash: Option<Box<Hash>>,
}

impl Content {
    /// These bytes, of this media type; an empty one stands for none. The end is zero if it has none, or none yet.
    pub fn new(bytes: impl Into<Shared<[u8]>>, kind: &[u8], ends_us: u64) -> Self {
        let bytes = bytes.into();
        let hash = (bytes.len() > FIRST_MAX).then(|| Box::new(*blake3::hash(&bytes).as_bytes()));
        Self { bytes, kind: (!kind.is_empty()).then(|| kind.into()), ends_us, hash }
    }

    /// The same with this end.
    pub fn until(self, ends_us: u64) -> Self {
        Self { ends_us, ..self }
    }

    /// Its bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Its media type; empty if that was not said.
    pub fn kind(&self) -> &[u8] {
        self.kind.as_deref().unwrap_or_default()
    }

    /// The same, shared.
    pub fn shared(&self) -> Shared<[u8]> {
        Shared::clone(&self.bytes)
    }

    /// Bytes that it takes: those of the value and of the media type.
    pub fn size(&self) -> usize {
        self.bytes.len() + self.kind().len()
    }

    /// BLAKE3 of it, if it may have to be asked for in parts.
    pub fn hash(&self) -> Option<&Hash> {
        self.hash.as_deref()
    }

    /// BLAKE3 of it.
    pub fn digest(&self) -> Hash {
        self.hash().copied().unwrap_or_else(|| *blake3::hash(&self.bytes).as_bytes())
    }

    /// All of it in one piece, with so many milliseconds left; zero if it never ends.
    pub fn whole(&self, left_ms: u64) -> Value<'_> {
        Value { kind: self.kind(), left_ms, restored: false, body: Body::whole(&self.bytes) }
    }

    /// As it goes into one frame, beside a key of this length and a log of so many operations.
    pub fn framed(&self, left_ms: u64, key: usize, operations: usize) -> Value<'_> {
        let room = room_for_value(key, self.kind().len(), operations);
        let body = Body::cut(&self.bytes, self.hash().copied().unwrap_or_default(), room);
        Value { body, ..self.whole(left_ms) }
    }
}

impl From<Value<'_>> for Content {
    /// Of a value of which nothing is missing. Its end is up to the store.
    fn from(value: Value<'_>) -> Self {
        Self::new(value.body.first, value.kind, 0)
    }
}
