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
    /// When it ends, in milliseconds since 1970; zero if never.
    pub expires_ms: u64,
    /// Of one that may not fit a frame.
    hash: Option<Box<Hash>>,
}

impl Content {
    /// These bytes, of this media type; an empty one stands for none.
    pub fn new(bytes: impl Into<Shared<[u8]>>, kind: &[u8], expires_ms: u64) -> Self {
        let bytes = bytes.into();
        let hash = (bytes.len() > FIRST_MAX).then(|| Box::new(*blake3::hash(&bytes).as_bytes()));
        Self { bytes, kind: (!kind.is_empty()).then(|| kind.into()), expires_ms, hash }
    }

    /// The same with this end.
    pub fn until(self, expires_ms: u64) -> Self {
        Self { expires_ms, ..self }
    }

    /// Its bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Its media type; empty if that was not said.
    pub fn kind(&self) -> &[u8] {
        self.kind.as_deref().unwrap_or_default()
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

    /// True if it had ended by then.
    pub const fn has_ended(&self, wall_ms: u64) -> bool {
        self.expires_ms != 0 && self.expires_ms <= wall_ms
    }

    /// All of it in one piece.
    pub fn whole(&self) -> Value<'_> {
        Value { kind: self.kind(), expires_ms: self.expires_ms, body: Body::whole(&self.bytes) }
    }

    /// As it goes into one frame, beside a key of this length and a log of so many operations.
    pub fn framed(&self, key: usize, operations: usize) -> Value<'_> {
        let room = room_for_value(key, self.kind().len(), operations);
        let body = Body::cut(&self.bytes, self.hash().copied().unwrap_or_default(), room);
        Value { body, ..self.whole() }
    }
}

impl From<Value<'_>> for Content {
    /// Of a value of which nothing is missing.
    fn from(value: Value<'_>) -> Self {
        Self::new(value.body.first, value.kind, value.expires_ms)
    }
}
