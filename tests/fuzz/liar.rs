//! A stranger on the network that is no node: it hears what is sent to its address, and so can prove the address and
//! answer what it is asked. What it says stands in the input.

use skynode::limits::FRAME_MAX;
use skynode::time::Instant;
use skynode::wire::{Frame, Incarnation, Message, Request, RingKey, Stamp, Stamper};
use std::net::SocketAddr;

/// What a frame has around a request to ping: its version before it; that request, an empty extension and the tag.
const BEFORE: usize = 1;
const BEHIND: usize = 2 + 1 + 8;

/// Kinds of answers, and one more for all that more than one kind of question has.
const KINDS: usize = 17;

/// What it knows of one node.
#[derive(Default)]
struct Known {
    incarnation: Incarnation,
    /// The newest stamp from it.
    stamp: Option<Stamp>,
    /// The last of its questions to each kind of answer, in the order of [`Answer`](skynode::wire::Answer), and of all.
    asked: [[u8; 8]; KINDS],
}

pub struct Liar {
    ring: RingKey,
    stamper: Stamper,
    known: [Known; 3],
    said: u64,
}

impl Liar {
    pub fn new(ring: RingKey) -> Self {
        Self { ring, stamper: Stamper::new([3; 32]), known: Default::default(), said: 0 }
    }

    /// A datagram came from a node. → what it says, for the log.
    pub fn hear(&mut self, host: usize, datagram: &[u8]) -> String {
        let Ok(frame) = self.ring.decode(datagram) else { return String::new() };
        let known = &mut self.known[host];
        known.incarnation = frame.from;
        match frame.message {
            Message::Request(ref request) => {
                let of_its_own = kinds_of_answer(request).iter();
                of_its_own.chain(&[KINDS - 1]).for_each(|&kind| known.asked[kind] = frame.transaction);
            }
            Message::Answer(_) => known.stamp = frame.stamp.or(known.stamp),
        }
        format!("{:?}", frame.message)
    }

    /// A datagram for a node with this message and a header that fits.
    pub fn say(&mut self, now: Instant, host: usize, to: SocketAddr, message: &[u8]) -> Option<Vec<u8>> {
        let known = &self.known[host];
        self.said += 1;
        let (is_answer, kind) = match message {
            // Done, Refused, Mirrored and what is no answer may come to any question.
            [1, kind @ (0..=9 | 13..=15), ..] => (true, usize::from(*kind)),
            [1, _, ..] => (true, KINDS - 1),
            _ => (false, 0),
        };
        let header = Frame {
            transaction: if is_answer { known.asked[kind] } else { self.said.to_be_bytes() },
            from: Incarnation::new(9),
            to: known.incarnation,
            stamp: if is_answer { Some(self.stamper.make(now, to)) } else { known.stamp },
            message: Message::Request(Request::Ping),
            extension: &[],
        };
        let mut buffer = [0; FRAME_MAX];
        let length = self.ring.encode(&header, &mut buffer)?;
        let body = [&buffer[BEFORE..length - BEHIND], message, &[0]].concat();
        let length = self.ring.tagged(&body, &mut buffer)?;
        Some(buffer[..length].to_vec())
    }
}

/// The numbers of the answers that a question may have, besides `Done` and `Refused`.
const fn kinds_of_answer(request: &Request<'_>) -> &'static [usize] {
    match request {
        Request::Ping | Request::PingFor(_) => &[0],
        Request::FindSuccessor(_) => &[1, 2],
        Request::Stabilise(_) => &[3],
        Request::Survey { .. } => &[4],
        Request::Fetch(_) => &[5],
        Request::Offer(_) => &[6],
        Request::Get { .. } => &[7],
        Request::Put { .. } | Request::Delete { .. } => &[8],
        Request::Walk => &[9],
        Request::Part { .. } => &[13],
        Request::List(_) => &[14],
        Request::Fingers => &[15],
        _ => &[],
    }
}
