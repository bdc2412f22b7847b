//! Whole frames of forged messages.

use super::Material;
use crate::limits::FRAME_MAX;
use crate::rng::Rng;
use crate::time::Instant;
use crate::wire::{Frame, Incarnation, Message, Peer, Request, RingKey, Stamp};
use std::net::SocketAddr;

const PADDING: [u8; 128] = [0; 128];

impl Material {
    /// A frame from whoever was sent this stamp, with what only a neighbour may say; without a stamp, a request that
    /// brings one. → its length.
    pub fn usurped(
        &self,
        rng: &mut Rng,
        ring: &RingKey,
        to: Peer,
        stamp: Option<Stamp>,
        buffer: &mut [u8; FRAME_MAX],
    ) -> Option<usize> {
        let key = self.key(rng);
        let request = match stamp {
            None => Request::Ping,
            Some(_) if rng.chance(0.3) => Request::Settle { arc: self.arc(rng), term: self.term(rng) },
            Some(_) => Request::Replicate(self.entry(rng, &key)),
        };
        let (transaction, from, extension) = (rng.next_u64().to_be_bytes(), Incarnation::new(7), &[][..]);
        let frame =
            Frame { transaction, from, to: to.incarnation, stamp, message: Message::Request(request), extension };
        ring.encode(&frame, buffer)
    }

    /// A whole frame for the node. → whence it is to come, and its length.
    pub fn frame(
        &self,
        rng: &mut Rng,
        ring: &RingKey,
        now: Instant,
        to: Peer,
        buffer: &mut [u8; FRAME_MAX],
    ) -> Option<(SocketAddr, usize)> {
        let (from, key) = (self.peer(rng), self.key(rng));
        let message = if rng.chance(0.75) {
            Message::Request(self.request(rng, now, from, &key))
        } else {
            Message::Answer(self.answer(rng, from, &key))
        };
        let frame = Frame {
            transaction: rng.next_u64().to_be_bytes(),
            from: from.incarnation,
            to: [to.incarnation, Incarnation::UNKNOWN, self.peer(rng).incarnation][rng.index(3)],
            stamp: rng.chance(0.6).then(|| self.stamp(rng, now, from.addr())),
            message,
            extension: &PADDING[..[0, 0, 128, 7][rng.index(4)]],
        };
        Some((from.addr(), ring.encode(&frame, buffer)?))
    }
}
