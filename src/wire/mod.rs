//! What nodes say to each other, in bytes.
//!
//! A datagram is one frame of at most [`FRAME_MAX`](crate::limits::FRAME_MAX) bytes:
//!
//! ```text
//! version      1 byte   the protocol's version, 1
//! transaction  8 bytes  unguessable; the answer to a request repeats the request's
//! from         4 bytes  the sender's incarnation: drawn anew at every start
//! to           4 bytes  the receiver's incarnation as far as known, else zeros
//! stamp        1 or 9   a request echoes the newest stamp it has of its receiver; an answer brings a new one
//! message      1 + n    its kind and body: see Message
//! extension    1 + n    length first; what is not understood is skipped, so that a ring can be upgraded node by node
//! tag          8 bytes  BLAKE3 over all before it, keyed by the ring's name
//! ```
//!
//! All but the version and the tag is postcard. Corrupted datagrams and those of a stranger's ring fail at the tag;
//! what does not decode to its last byte is dropped; every cause is counted ([`Flaw`]).

mod codec;
mod entry;
mod holding;
mod keeping;
mod listing;
mod mark;
mod message;
mod peer;
mod refusal;
mod stamp;
mod value;

pub use codec::{Flaw, Frame, RingKey, VERSION};
pub use entry::{
    Condition, Entry, Freshness, Item, Operation, OperationId, OperationLog, ParseOperationError, ParseVersionError,
    Rank, Version, Versions,
};
pub use holding::{Holding, Sum};
pub use keeping::{Awaits, Keeping, Room};
pub use listing::{Listed, Listing};
pub use mark::{Kept, Logged, Mark, NamesSum};
pub use message::{
    Alternatives, Answer, FingerList, Footing, Message, Named, Neighbours, PeerList, Pledged, Request, Stabilise, Step,
    Surveyed,
};
pub use peer::{Finger, Incarnation, Peer, Place};
pub use refusal::Refusal;
pub use stamp::{Stamp, Stamper};
pub use value::{Body, Hash, Value};

#[cfg(test)]
mod tests;
