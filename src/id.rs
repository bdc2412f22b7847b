//! Positions on the ring, and the only arithmetic on them.
//!
//! All of it rests on one operation, the clockwise distance: a wrapping subtraction. Intervals are open or half open as
//! in the Chord paper (Stoica et al., SIGCOMM 2001, section 4): a key belongs to the first node at or after its id.

use core::fmt;
use core::net::{SocketAddr, SocketAddrV4};
use core::str::FromStr;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A position on the ring of 2^128. Packed, so that a table of peers has no padding for the alignment of a `u128`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(Rust, packed(4))]
pub struct Id(u128);

impl Id {
    /// How many bits a position has, and so how many fingers a node can have.
    pub const BITS: u32 = u128::BITS;

    /// The position with this number.
    pub const fn new(position: u128) -> Self {
        Self(position)
    }

    /// The position as a number.
    pub const fn get(self) -> u128 {
        self.0
    }

    /// Where a key belongs: the first 16 bytes, big endian, of its BLAKE3 hash.
    pub fn of_key(key: &[u8]) -> Self {
        let mut first = [0; 16];
        first.copy_from_slice(&blake3::hash(key).as_bytes()[..16]);
        Self(u128::from_be_bytes(first))
    }

    /// Where a node stands unless it was told otherwise: the id of its address written `ip:port`.
    pub fn of_addr(addr: SocketAddr) -> Self {
        // "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff%4294967295]:65535" is the longest: 60 characters.
        let mut text = heapless::Vec::<u8, 64>::new();
        let written = match addr {
            SocketAddr::V4(addr) => write_v4(&mut text, addr),
            SocketAddr::V6(addr) => fmt::Write::write_fmt(&mut text, format_args!("{addr}")).map_err(|_| 0),
        };
        debug_assert!(written.is_ok(), "an address is at most 60 characters");
        Self::of_key(&text)
    }

    /// How far it is from here to `to`, going clockwise; zero only to itself.
    pub const fn distance_to(self, to: Self) -> u128 {
        to.0.wrapping_sub(self.0)
    }

    /// The position `distance` further on, clockwise.
    pub const fn plus(self, distance: u128) -> Self {
        Self(self.0.wrapping_add(distance))
    }

    /// True if this lies strictly inside the open arc from `a` clockwise to `b`. Where both are the same, the arc is
    /// the whole ring but that point: a node alone on the ring has everyone else between itself and itself.
    pub const fn is_between(self, a: Self, b: Self) -> bool {
        let here = a.distance_to(self);
        here != 0 && (a.0 == b.0 || here < a.distance_to(b))
    }
}

/// Writes `ip:port`, as `Display` does: with each place that is read or written its id is reckoned anew, and `Display`
/// took longer for that than the hash.
fn write_v4(text: &mut heapless::Vec<u8, 64>, addr: SocketAddrV4) -> Result<(), u8> {
    let [a, b, c, d] = addr.ip().octets().map(u16::from);
    for (number, before) in [(a, None), (b, Some(b'.')), (c, Some(b'.')), (d, Some(b'.')), (addr.port(), Some(b':'))] {
        before.map_or(Ok(()), |sign| text.push(sign))?;
        for power in [10_000, 1000, 100, 10, 1].into_iter().filter(|power| number >= *power || *power == 1) {
            text.push(b'0' + (number / power % 10) as u8)?;
        }
    }
    Ok(())
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.get())
    }
}

/// Why a text is not an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParseIdError;

impl fmt::Display for ParseIdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an id is 32 hexadecimal digits")
    }
}

impl core::error::Error for ParseIdError {}

impl FromStr for Id {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        if text.len() != 32 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(ParseIdError);
        }
        u128::from_str_radix(text, 16).map(Self).map_err(|_| ParseIdError)
    }
}

// On the wire an id is 16 bytes, big endian: postcard would write a u128 as a varint of up to 19.
impl Serialize for Id {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.0.to_be_bytes().serialize(to)
    }
}

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        <[u8; 16]>::deserialize(from).map(|bytes| Self(u128::from_be_bytes(bytes)))
    }
}

/// Stretches that an arc is cut into where two stores are compared: a power of two.
pub const STRETCHES: usize = 64;

const _: () = assert!(STRETCHES.is_power_of_two());

/// A stretch of the ring: what lies after `after` up to and including `upto`, clockwise. Where both are the same it is
/// the whole ring, as for the arc of a node alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Arc {
    /// The last position before the arc.
    pub after: Id,
    /// The last position in the arc.
    pub upto: Id,
}

impl Arc {
    /// The arc (`after`, `upto`].
    pub const fn new(after: Id, upto: Id) -> Self {
        Self { after, upto }
    }

    /// True if `id` lies in the arc.
    pub const fn contains(self, id: Id) -> bool {
        id.0 == self.upto.0 || id.is_between(self.after, self.upto)
    }

    /// How many positions the arc has, less one: the whole ring has 2^128, which does not fit.
    pub const fn span(self) -> u128 {
        self.after.distance_to(self.upto).wrapping_sub(1)
    }

    /// True if no position of `other` lies outside this arc.
    pub const fn covers(self, other: Self) -> bool {
        let first = self.after.distance_to(other.after);
        self.after.0 == self.upto.0 || (other.span() <= self.span() && first <= self.span() - other.span())
    }

    /// The length of one of [`STRETCHES`]; zero if the arc has too few positions for that.
    const fn stretch(self) -> u128 {
        self.span() / STRETCHES as u128
    }

    /// The number of the stretch, of [`STRETCHES`] that the arc is cut into, in which an id of the arc lies.
    pub const fn stretch_of(self, id: Id) -> usize {
        let position = self.after.distance_to(id).wrapping_sub(1);
        let at = match position.checked_div(self.stretch()) {
            Some(at) if at < STRETCHES as u128 => at as usize,
            _ => STRETCHES - 1,
        };
        // What is too short to be cut is one piece, the last.
        if self.stretch() == 0 { STRETCHES - 1 } else { at }
    }

    /// The arc cut into so many parts, a power of two up to [`STRETCHES`]. The last is the longest, as it takes what is
    /// left over. An arc with too few positions is not cut.
    pub fn parts(self, parts: usize) -> impl DoubleEndedIterator<Item = Self> + ExactSizeIterator {
        let parts = if self.stretch() == 0 { 1 } else { parts.clamp(1, STRETCHES) };
        let length = self.stretch() * (STRETCHES / parts) as u128;
        (0..parts).map(move |at| {
            let after = self.after.plus(length.wrapping_mul(at as u128));
            let upto = if at + 1 == parts { self.upto } else { after.plus(length) };
            Self { after, upto }
        })
    }
}

impl fmt::Display for Arc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "({:08x}, {:08x}]", self.after.0 >> 96, self.upto.0 >> 96)
    }
}

#[cfg(test)]
mod tests;
