//! What is remembered of a write beside its name: enough to know another write that comes under the same name, and to
//! answer a repetition as the first time.

use super::entry::{Condition, OperationId, Version};
use super::value::Hash;
use crate::limits::{NAME_SIZE, NAMES_KEPT, NAMES_MAX, VERSIONS_MAX};
use crate::time::Instant;
use core::time::Duration;
use serde::{Deserialize, Serialize};

/// A digest of what a write asked for, with two things more. It is as good as the write itself: that two writes under
/// one name have the same one by chance happens once in 2⁶² times.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark(#[serde(with = "super::entry::fixed")] u64);

/// The bits that are no digest.
const CREATED: u64 = 1;
const NAMED: u64 = 2;

/// Bytes of the longest condition: which it is, its versions, and whether the key may be absent.
const CONDITION_MAX: usize = 1 + VERSIONS_MAX * (10 + 10 + 8) + 1;

impl Mark {
    /// Of a write of a value with this hash, media type and time to live in seconds, or else of a delete; and whether
    /// its client named it.
    pub fn new(value: Option<(&Hash, &[u8], u32)>, condition: Condition, named: bool) -> Self {
        let mut hasher = blake3::Hasher::new();
        let mut buffer = [0; CONDITION_MAX];
        // It tells its own length, and none is longer.
        let condition = postcard::to_slice(&condition, &mut buffer).map(|bytes| &*bytes).unwrap_or_default();
        hasher.update(condition).update(&value.map_or(0, |(.., ttl_s)| ttl_s).to_be_bytes());
        if let Some((hash, kind, _)) = value {
            // A delete has neither: what follows has a length of its own.
            hasher.update(hash).update(kind);
        }
        let mut first = [0; 8];
        first.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
        let digest = u64::from_be_bytes(first) & !(CREATED | NAMED);
        Self(if named { digest | NAMED } else { digest })
    }

    /// The same of a write that created its key, or did not.
    pub const fn creating(self, created: bool) -> Self {
        Self(if created { self.0 | CREATED } else { self.0 & !CREATED })
    }

    /// True if the write created its key.
    pub const fn created(self) -> bool {
        self.0 & CREATED != 0
    }

    /// True if the client gave the name: it may come again at any time, and is remembered longer.
    pub const fn named(self) -> bool {
        self.0 & NAMED != 0
    }

    /// True if both asked for the same.
    pub const fn is_same(self, other: Self) -> bool {
        (self.0 ^ other.0) & !(CREATED | NAMED) == 0
    }

    /// All of it, as it is saved and sent.
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl From<u64> for Mark {
    fn from(all: u64) -> Self {
        Self(all)
    }
}

/// A write that was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Logged {
    /// Its name.
    pub id: OperationId,
    /// The version that it was given.
    pub version: Version,
    /// What it asked for.
    pub mark: Mark,
}

impl Logged {
    /// A hash of all of it.
    pub fn hash(&self) -> u64 {
        let mut first = [0; 8];
        let all = Kept { write: *self, until: Instant::ZERO }.to_bytes(Instant::ZERO);
        first.copy_from_slice(&blake3::hash(&all).as_bytes()[..8]);
        u64::from_be_bytes(first)
    }
}

/// A write whose name is remembered though the log of its entry has no room for it any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kept {
    /// The write.
    pub write: Logged,
    /// Until when it is remembered, by the clock of whoever holds it.
    pub until: Instant,
}

impl Kept {
    /// As it is sent.
    pub fn to_bytes(&self, now: Instant) -> [u8; NAME_SIZE] {
        let Logged { id, version, mark } = self.write;
        let left = self.until.since(now).as_micros() as u64;
        let mut bytes = [0; NAME_SIZE];
        bytes[..16].copy_from_slice(&id.0);
        let numbers = [version.term, version.time_ms, version.writer, mark.get(), left];
        for (place, number) in bytes[16..].chunks_exact_mut(8).zip(numbers) {
            place.copy_from_slice(&number.to_be_bytes());
        }
        bytes
    }

    /// Reads what was sent; `None` if it cannot have come about by itself. No longer than a name lives is it kept.
    pub fn from_bytes(bytes: &[u8; NAME_SIZE], now: Instant) -> Option<Self> {
        let (id, rest) = bytes.split_first_chunk::<16>()?;
        let mut numbers = rest.as_chunks::<8>().0.iter().map(|number| u64::from_be_bytes(*number));
        let mut next = || numbers.next().unwrap_or_default();
        let version = Version { term: next(), time_ms: next(), writer: next() };
        let (mark, left) = (Mark(next()), Duration::from_micros(next()));
        let write = Logged { id: OperationId(*id), version, mark };
        (version.is_sound() && mark.named()).then(|| Self { write, until: now + left.min(NAMES_KEPT) })
    }
}

/// The names that an entry remembers beside its log, in short.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamesSum {
    /// How many there are.
    pub count: u16,
    /// The sum of their hashes.
    #[serde(with = "super::entry::fixed")]
    pub sum: u64,
}

impl NamesSum {
    /// True if it may have come about by itself: a node builds no other. Where there are none the log alone is
    /// remembered.
    pub fn is_sound(self) -> bool {
        usize::from(self.count) <= NAMES_MAX && (self.count > 0 || self.sum == 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_a_write_asks_for_tells_it_from_another() {
        let version = Version { term: 1, time_ms: 2, writer: 3 };
        let (one, other) = (&[1; 32], &[2; 32]);
        let writes = [
            (Some((one, &b"a/b"[..], 5)), Condition::None),
            (Some((other, b"a/b", 5)), Condition::None),
            (Some((one, b"a/c", 5)), Condition::None),
            (Some((one, b"a/b", 6)), Condition::None),
            (Some((one, b"a/b", 5)), Condition::Absent),
            (Some((one, b"a/b", 5)), Condition::Match(version)),
            (Some((one, b"a/b", 5)), Condition::Match(Version { term: 2, ..version })),
            (None, Condition::None),
            (None, Condition::Present),
        ];
        let marks = writes.map(|(value, condition)| Mark::new(value, condition, false));
        for (at, mark) in marks.iter().enumerate() {
            assert_eq!(marks.iter().filter(|other| mark.is_same(**other)).count(), 1, "{at}");
        }
        let (value, condition) = writes[0];
        let named = Mark::new(value, condition, true).creating(true);
        assert!(named.is_same(marks[0]) && named.named() && named.created());
        assert!(!named.creating(false).created() && !marks[0].named());
    }
}
