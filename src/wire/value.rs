//! Values as they travel. One that fits goes whole; of a longer one the first part goes ahead, with length and hash,
//! and whoever is to have it asks for the rest.

use crate::limits::{KIND_MAX, LEFT_MAX_MS, VALUE_MAX};
use serde::{Deserialize, Serialize};

/// BLAKE3 of a value: what its parts must come to.
pub type Hash = [u8; 32];

/// The bytes of a value, or the beginning of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Body<'a> {
    /// Bytes of the whole.
    pub length: u32,
    /// BLAKE3 of the whole; zeros may stand for it where nothing is missing.
    #[serde(with = "shortened")]
    pub hash: Hash,
    /// The first part: all of it, if it is as long as the whole.
    pub first: &'a [u8],
}

/// A hash that nobody will ask for takes one byte.
mod shortened {
    use super::Hash;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub fn serialize<S: Serializer>(hash: &Hash, to: S) -> Result<S::Ok, S::Error> {
        (*hash != [0; 32]).then_some(hash).serialize(to)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Hash, D::Error> {
        Option::<Hash>::deserialize(from).map(Option::unwrap_or_default)
    }
}

impl<'a> Body<'a> {
    /// All of it in one piece.
    pub const fn whole(bytes: &'a [u8]) -> Self {
        Self { length: bytes.len() as u32, hash: [0; 32], first: bytes }
    }

    /// As much of it as there is room for.
    pub fn cut(bytes: &'a [u8], hash: Hash, room: usize) -> Self {
        match bytes.get(..room) {
            Some(first) if first.len() < bytes.len() => Self { length: bytes.len() as u32, hash, first },
            _ => Self::whole(bytes),
        }
    }

    /// BLAKE3 of the whole, whether it is all here or said.
    pub fn digest(&self) -> Hash {
        if self.is_whole() { *blake3::hash(self.first).as_bytes() } else { self.hash }
    }

    /// True if nothing is missing.
    pub const fn is_whole(&self) -> bool {
        self.first.len() == self.length as usize
    }

    /// True if it may have come about by itself.
    pub const fn is_sound(&self) -> bool {
        self.length as usize <= VALUE_MAX && self.first.len() <= self.length as usize
    }
}

/// What is kept under a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Value<'a> {
    /// Its media type, as whoever wrote it said; empty if that was not said.
    pub kind: &'a [u8],
    /// How many milliseconds are left of it, at the moment at which this is sent; zero if it never ends.
    pub left_ms: u64,
    /// Whoever sends it has it from its disk, and may have been away while time went by for others.
    pub restored: bool,
    /// Its bytes.
    #[serde(borrow)]
    pub body: Body<'a>,
}

impl<'a> Value<'a> {
    /// A value that is nothing but its bytes.
    pub const fn plain(bytes: &'a [u8]) -> Self {
        Self { kind: &[], left_ms: 0, restored: false, body: Body::whole(bytes) }
    }

    /// True if it may have come about by itself: a node builds no other.
    pub const fn is_sound(&self) -> bool {
        self.kind.len() <= KIND_MAX && self.left_ms <= LEFT_MAX_MS && self.body.is_sound()
    }
}
