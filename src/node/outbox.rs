//! Datagrams that wait to be sent, one behind the other in one buffer.

use super::stats::Transmit;
use crate::limits::{FRAME_MAX, OUTBOX_MAX};
use alloc::collections::VecDeque;
use core::net::SocketAddr;

/// A bounded queue of encoded datagrams. When it is full, the newest is dropped as a network would drop it.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    bytes: VecDeque<u8>,
    datagrams: VecDeque<(SocketAddr, u16)>,
}

impl Outbox {
    /// How many bytes wait.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Puts a datagram behind the others. False if there was no room.
    pub fn push(&mut self, to: SocketAddr, datagram: &[u8]) -> bool {
        let fits = self.bytes.len() + datagram.len() <= OUTBOX_MAX && datagram.len() <= FRAME_MAX;
        if fits {
            self.bytes.extend(datagram);
            self.datagrams.push_back((to, datagram.len() as u16));
        }
        fits
    }

    /// Takes out the first, into the caller's buffer.
    pub fn pop(&mut self, buffer: &mut [u8; FRAME_MAX]) -> Option<Transmit> {
        let (to, length) = self.datagrams.pop_front()?;
        let length = usize::from(length);
        // The datagram may lie around the end of the ring buffer.
        let (first, second) = self.bytes.as_slices();
        let here = length.min(first.len());
        buffer[..here].copy_from_slice(&first[..here]);
        buffer[here..length].copy_from_slice(&second[..length - here]);
        self.bytes.drain(..length);
        Some(Transmit { to, length })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_back_what_was_put_in_and_no_more_than_its_limit() {
        let (mut outbox, mut buffer) = (Outbox::default(), [0; FRAME_MAX]);
        let to = SocketAddr::from(([10, 0, 0, 1], 1));
        assert!(outbox.push(to, b"one") && outbox.push(to, b"three"));
        assert_eq!(outbox.pop(&mut buffer), Some(Transmit { to, length: 3 }));
        assert_eq!(&buffer[..3], b"one");
        let room = (0..).take_while(|_| outbox.push(to, &[0; FRAME_MAX])).count();
        assert_eq!(room, (OUTBOX_MAX - 5) / FRAME_MAX);
    }

    #[test]
    fn a_datagram_is_whole_wherever_it_lies() {
        let (mut outbox, mut buffer) = (Outbox::default(), [0; FRAME_MAX]);
        let to = SocketAddr::from(([10, 0, 0, 1], 1));
        for length in (1..250).cycle().take(2000) {
            let (one, two) = (vec![length as u8; length], vec![!length as u8; length]);
            assert!(outbox.push(to, &one) && outbox.push(to, &two));
            for whole in [one, two] {
                assert_eq!(outbox.pop(&mut buffer), Some(Transmit { to, length }));
                assert_eq!(buffer[..length], whole);
            }
        }
    }
}
