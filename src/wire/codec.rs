//! Frames to bytes and back.

use super::message::Message;
use super::peer::Incarnation;
use super::stamp::Stamp;
use crate::limits::{DATAGRAM_MAX, FRAME_MAX};
use core::fmt;
use core::ops::Range;
use serde::{Deserialize, Serialize};

/// The version of the protocol. A node will understand its own and the one before; there is none before this one.
pub const VERSION: u8 = 1;

const TAG: usize = 8;

/// Where a frame stands in the largest datagram: between version and tag.
const BODY: Range<usize> = 1..FRAME_MAX - TAG;

/// One datagram, taken apart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frame<'a> {
    /// Ties an answer to its request.
    pub transaction: [u8; 8],
    /// The sender's incarnation.
    pub from: Incarnation,
    /// The receiver's incarnation, if the sender knows it.
    pub to: Incarnation,
    /// In a request the echo of the receiver's newest stamp, in an answer a new stamp.
    pub stamp: Option<Stamp>,
    /// What it says.
    #[serde(borrow)]
    pub message: Message<'a>,
    /// What later versions add; also the padding of requests that expect a long answer.
    pub extension: &'a [u8],
}

/// Why a datagram was dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// Too short or too long to be a frame.
    Length,
    /// Another version of the protocol.
    Version,
    /// The tag does not fit: corrupted, or of another ring.
    Tag,
    /// No frame: an unknown kind, a list beyond its limit, a field cut short.
    Malformed,
    /// A frame with bytes behind it.
    Trailing,
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Length => "wrong length",
            Self::Version => "unknown protocol version",
            Self::Tag => "wrong tag: corrupted, or of a ring with another name",
            Self::Malformed => "malformed",
            Self::Trailing => "trailing bytes",
        })
    }
}

/// The key that a ring's name stands for. It keeps rings apart; it is no secret.
#[derive(Clone, Debug)]
pub struct RingKey([u8; 32]);

impl RingKey {
    /// The key of the ring with this name.
    pub fn new(ring: &str) -> Self {
        Self(blake3::derive_key("sky ring name v1", ring.as_bytes()))
    }

    fn tag(&self, bytes: &[u8]) -> [u8; TAG] {
        let mut tag = [0; TAG];
        tag.copy_from_slice(&blake3::keyed_hash(&self.0, bytes).as_bytes()[..TAG]);
        tag
    }

    /// Writes the frame into the buffer and returns its length, or `None` if it does not fit.
    pub fn encode(&self, frame: &Frame<'_>, buffer: &mut [u8; FRAME_MAX]) -> Option<usize> {
        let body = postcard::to_slice(frame, &mut buffer[BODY]).ok()?.len();
        Some(self.seal(body, buffer))
    }

    /// The same for any bytes in a frame's place: whoever knows the ring's name can send them.
    pub fn tagged(&self, body: &[u8], buffer: &mut [u8; FRAME_MAX]) -> Option<usize> {
        buffer[BODY].get_mut(..body.len())?.copy_from_slice(body);
        Some(self.seal(body.len(), buffer))
    }

    /// Puts the version before a body of this length, which stands in its place, and the tag behind it.
    fn seal(&self, body: usize, buffer: &mut [u8; FRAME_MAX]) -> usize {
        buffer[0] = VERSION;
        let tag = self.tag(&buffer[..=body]);
        buffer[1 + body..1 + body + TAG].copy_from_slice(&tag);
        1 + body + TAG
    }

    /// Reads a datagram.
    ///
    /// # Errors
    /// The first flaw found. Nothing of a flawed datagram is to be believed.
    pub fn decode<'a>(&self, datagram: &'a [u8]) -> Result<Frame<'a>, Flaw> {
        if datagram.len() > DATAGRAM_MAX || datagram.len() <= 1 + TAG {
            return Err(Flaw::Length);
        }
        if datagram[0] != VERSION {
            return Err(Flaw::Version);
        }
        let (framed, tag) = datagram.split_at(datagram.len() - TAG);
        // Not a secret, so not in constant time.
        if self.tag(framed) != tag {
            return Err(Flaw::Tag);
        }
        match postcard::take_from_bytes(&framed[1..]) {
            Ok((frame, [])) => Ok(frame),
            Ok(_) => Err(Flaw::Trailing),
            Err(_) => Err(Flaw::Malformed),
        }
    }
}
