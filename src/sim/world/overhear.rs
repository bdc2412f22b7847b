//! Every datagram as its driver may hear it, when it gets on its way.

use super::{Happening, World};
use crate::sim::network::Fate;
use crate::wire::{Flaw, Frame};

impl World {
    /// From now on every datagram is told as [`Happening::Sent`].
    pub const fn overhear(&mut self) {
        self.overheard = true;
    }

    /// Reads a datagram of this world's ring.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read<'a>(&self, datagram: &'a [u8]) -> Result<Frame<'a>, Flaw> {
        self.ring.decode(datagram)
    }

    pub(super) fn tell_sent(&mut self, from: usize, to: usize, bytes: &[u8], fates: &[Fate]) {
        if self.overheard {
            self.happenings.push_back(Happening::Sent { from, to, bytes: bytes.into(), fates: fates.into() });
        }
    }
}
