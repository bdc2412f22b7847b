//! Lists of keys, a page at a time.

use super::entry::Version;
use crate::id::Id;
use crate::limits::LISTED_MAX;
use serde::{Deserialize, Serialize};

/// The answer to `List`: all keys of the arc up to a position, in ring order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed<'a> {
    /// There are no others in the arc up to and including this position.
    pub upto: Id,
    /// The keys.
    #[serde(borrow)]
    pub items: heapless::Vec<Listing<'a>, LISTED_MAX>,
}

/// A key as its owner lists it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listing<'a> {
    /// The key.
    pub key: &'a [u8],
    /// Its version.
    pub version: Version,
    /// Bytes of its value.
    pub length: u32,
}

impl Listing<'_> {
    /// Bytes that it takes in a frame.
    pub fn size(&self) -> usize {
        let Version { term, time_ms, writer } = self.version;
        let numbers = [self.key.len() as u64, term, time_ms, self.length.into()];
        self.key.len() + numbers.into_iter().map(varint).sum::<usize>() + size_of_val(&writer)
    }
}

/// How many bytes a number takes, seven bits in each.
const fn varint(number: u64) -> usize {
    (u64::BITS - (number | 1).leading_zeros()).div_ceil(7) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_size_is_what_it_takes() {
        let numbers = [0, 1, 127, 128, 16_383, 16_384, u64::from(u32::MAX), u64::MAX >> 1, u64::MAX];
        for (number, length) in numbers.into_iter().zip([0, 1, 127, 128, 255, 3, 4, 5, 6]) {
            let version = Version { term: number, time_ms: number / 3, writer: number / 5 };
            let listing = Listing { key: &[7; 255][..length], version, length: number as u32 };
            let mut buffer = [0; 400];
            assert_eq!(postcard::to_slice(&listing, &mut buffer).unwrap().len(), listing.size(), "{listing:?}");
        }
    }
}
