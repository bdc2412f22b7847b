//! Which address others see: asked before there is a node, by a machine that listens on all of its addresses.
//!
//! Seeds that start together do not know their own addresses either, so whoever asks answers as well; one that is among
//! its own seeds sees itself.

use crate::limits::FRAME_MAX;
use crate::wire::{Answer, Frame, Incarnation, Message, Request, RingKey};
use core::net::SocketAddr;

/// The question, and who it is that asks.
#[derive(Clone, Debug)]
pub struct Mirror {
    key: RingKey,
    /// One for all who are asked: whoever answers was asked.
    transaction: [u8; 8],
    incarnation: Incarnation,
}

/// What a datagram meant to a [`Mirror`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reflection {
    /// Somebody sees us at this address.
    Seen(SocketAddr),
    /// Somebody asks the same: the answer stands in the buffer, so many bytes long.
    Asked(usize),
    /// Nothing: whoever sent it will try again when there is a node.
    Nothing,
}

impl Mirror {
    /// A question to nodes of the ring with this name. `entropy` must not be guessable, or anyone could answer.
    pub fn new(ring: &str, entropy: [u8; 32]) -> Self {
        let secret = blake3::derive_key("sky mirror v1", &entropy);
        let mut transaction = [0; 8];
        transaction.copy_from_slice(&secret[..8]);
        let incarnation = Incarnation::new(u32::from_be_bytes([secret[8], secret[9], secret[10], secret[11]]));
        Self { key: RingKey::new(ring), transaction, incarnation }
    }

    /// Writes the question into the buffer. → its length.
    pub fn question(&self, buffer: &mut [u8; FRAME_MAX]) -> usize {
        self.write(self.transaction, Incarnation::UNKNOWN, Message::Request(Request::Mirror), buffer)
    }

    /// Takes in a datagram; an answer to it is written into the buffer.
    pub fn take(&self, source: SocketAddr, datagram: &[u8], buffer: &mut [u8; FRAME_MAX]) -> Reflection {
        match self.key.decode(datagram) {
            Ok(Frame { message: Message::Answer(Answer::Mirrored(addr)), transaction, .. })
                if transaction == self.transaction =>
            {
                Reflection::Seen(addr)
            }
            Ok(Frame { message: Message::Request(Request::Mirror), transaction, from, .. }) => {
                let message = Message::Answer(Answer::Mirrored(source));
                Reflection::Asked(self.write(transaction, from, message, buffer))
            }
            _ => Reflection::Nothing,
        }
    }

    fn write(
        &self,
        transaction: [u8; 8],
        to: Incarnation,
        message: Message<'_>,
        buffer: &mut [u8; FRAME_MAX],
    ) -> usize {
        let frame = Frame { transaction, from: self.incarnation, to, stamp: None, message, extension: &[] };
        let length = self.key.encode(&frame, buffer);
        debug_assert!(length.is_some(), "question and answer are far below the limit");
        length.unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "192.0.2.1:1";
    const B: &str = "[2001:db8::2]:2";

    fn addr(text: &str) -> SocketAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn two_that_know_nothing_tell_each_other() {
        let (a, b) = (Mirror::new("sky", [1; 32]), Mirror::new("sky", [2; 32]));
        for (from, text) in [(addr(A), "v4"), (addr(B), "v6")] {
            let (mut question, mut answer) = ([0; FRAME_MAX], [0; FRAME_MAX]);
            let length = a.question(&mut question);
            let Reflection::Asked(answered) = b.take(from, &question[..length], &mut answer) else { panic!("{text}") };
            assert!(answered <= 3 * length, "no amplifier");
            assert_eq!(a.take(addr(B), &answer[..answered], &mut question), Reflection::Seen(from));
            assert_eq!(b.take(addr(A), &answer[..answered], &mut question), Reflection::Nothing, "it did not ask");
        }
    }

    #[test]
    fn one_sees_itself_and_nothing_of_another_ring() {
        let (a, other) = (Mirror::new("sky", [1; 32]), Mirror::new("other", [2; 32]));
        let (mut question, mut answer) = ([0; FRAME_MAX], [0; FRAME_MAX]);
        let length = a.question(&mut question);
        let Reflection::Asked(answered) = a.take(addr(A), &question[..length], &mut answer) else { panic!() };
        assert_eq!(a.take(addr(A), &answer[..answered], &mut question), Reflection::Seen(addr(A)));
        assert_eq!(other.take(addr(A), &answer[..answered], &mut question), Reflection::Nothing);
        assert_eq!(a.take(addr(A), b"noise", &mut question), Reflection::Nothing);
    }
}
