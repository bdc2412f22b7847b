//! What happened in a world: a running hash that two runs of one seed must share, and lines for whoever looks.

use crate::time::Instant;
use core::fmt;

/// How much is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Detail {
    /// Nothing.
    #[default]
    Nothing,
    /// The lives of the nodes, the faults, the clients.
    Lives,
    /// Every datagram too.
    Datagrams,
}

/// Takes one line.
type Sink = Box<dyn FnMut(&str) + Send>;

/// The log of a world. Nothing is kept but the hash.
#[derive(Default)]
pub struct Log {
    hash: u64,
    detail: Detail,
    sink: Option<Sink>,
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Log").field("hash", &self.hash).field("detail", &self.detail).finish_non_exhaustive()
    }
}

impl Log {
    /// Hands every line of at most this detail to `sink` from now on.
    pub fn tell_to(&mut self, detail: Detail, sink: impl FnMut(&str) + Send + 'static) {
        self.detail = detail;
        self.sink = Some(Box::new(sink));
    }

    /// A hash over everything that happened, in its order.
    pub const fn hash(&self) -> u64 {
        self.hash
    }

    /// True if lines of this detail are told.
    pub fn tells(&self, detail: Detail) -> bool {
        self.detail >= detail && self.sink.is_some()
    }

    /// Counts what happened towards the hash.
    pub fn note(&mut self, what: &[u64]) {
        for word in what {
            self.hash = (self.hash.rotate_left(23) ^ word).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        }
    }

    /// Tells a line. Its text is made only if somebody takes it.
    pub fn tell(&mut self, detail: Detail, at: Instant, text: fmt::Arguments<'_>) {
        if self.detail >= detail
            && let Some(sink) = &mut self.sink
        {
            sink(&format!("{at} {text}"));
        }
    }
}
