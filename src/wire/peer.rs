//! Who a node is: place on the ring, address, incarnation.

use crate::id::Id;
use core::fmt;
use core::net::SocketAddr;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Which life of a node this is: drawn at random at each start, and anew when it loses its place. What was said to,
/// or promised by, another incarnation under the same address does not bind this one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Incarnation(u32);

impl Incarnation {
    /// Not known: the receiver of a first contact is whoever lives at the address.
    pub const UNKNOWN: Self = Self(0);

    /// An incarnation from random bits; never [`Incarnation::UNKNOWN`].
    pub const fn new(random: u32) -> Self {
        Self(if random == 0 { 1 } else { random })
    }

    /// Its four bytes, as on the wire.
    pub const fn to_bytes(self) -> [u8; 4] {
        self.0.to_be_bytes()
    }
}

impl fmt::Display for Incarnation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

// Random bits: as a varint they would mostly take five bytes.
impl Serialize for Incarnation {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.to_bytes().serialize(to)
    }
}

impl<'de> Deserialize<'de> for Incarnation {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        <[u8; 4]>::deserialize(from).map(|bytes| Self(u32::from_be_bytes(bytes)))
    }
}

/// Where a node is: its address and its position. On the wire the id is left out where it follows from the address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The address that other nodes reach it at.
    pub addr: SocketAddr,
    /// Its position on the ring.
    pub id: Id,
}

#[derive(Serialize, Deserialize)]
struct PlaceOnWire {
    addr: SocketAddr,
    id: Option<Id>,
}

impl Serialize for Place {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let id = (self.id != Id::of_addr(self.addr)).then_some(self.id);
        PlaceOnWire { addr: self.addr, id }.serialize(to)
    }
}

impl<'de> Deserialize<'de> for Place {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let PlaceOnWire { addr, id } = PlaceOnWire::deserialize(from)?;
        Ok(Self { addr, id: id.unwrap_or_else(|| Id::of_addr(addr)) })
    }
}

/// One life of a node at its place. Two are the same if position and incarnation are, whatever address they were met
/// at.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Peer {
    /// Where it is.
    pub place: Place,
    /// Which of its lives.
    pub incarnation: Incarnation,
}

impl Peer {
    /// Its position on the ring.
    pub const fn id(&self) -> Id {
        self.place.id
    }

    /// The address to reach it at.
    pub const fn addr(&self) -> SocketAddr {
        self.place.addr
    }
}

impl PartialEq for Peer {
    fn eq(&self, other: &Self) -> bool {
        self.id() == other.id() && self.incarnation == other.incarnation
    }
}

impl Eq for Peer {}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({:08x})", self.addr(), self.id().get() >> 96)
    }
}

/// A finger: the first known node at or after a distance of a power of two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finger {
    /// The exponent: the finger's target is the id of the node that has it plus 2^`exponent`.
    pub exponent: u8,
    /// The node that it points to.
    pub peer: Peer,
}
