//! What happens in the life of a node, in words for logs and for people who watch.

use crate::count::Count;
use crate::id::Arc;
use crate::limits::DATAGRAM_MAX;
use crate::wire::Peer;
use core::fmt;
use core::net::SocketAddr;

/// IPv6 and UDP put 48 bytes around a datagram.
const MTU: usize = DATAGRAM_MAX + 48;

/// What happens in the life of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    /// It created a ring.
    Created,
    /// It would create a ring, but hears too few of the seeds to be sure that there is none.
    SeedsMissing {
        /// Seeds that it hears, itself included.
        heard: usize,
        /// So many are needed.
        needed: usize,
        /// Of so many.
        seeds: usize,
    },
    /// It has a place on the ring.
    Joined {
        /// Its predecessor.
        predecessor: Peer,
        /// Its successor.
        successor: Peer,
    },
    /// It has another predecessor.
    Predecessor(Option<Peer>),
    /// It has another successor.
    Successor(Option<Peer>),
    /// It took a node for dead and dropped it.
    Dropped(Peer),
    /// It answers for this arc, under this term.
    Settled {
        /// The arc.
        arc: Arc,
        /// The term.
        term: u64,
    },
    /// It answers no longer, until it has settled again.
    Unsettled(Unsettled),
    /// It is the only node left.
    Alone,
    /// It is silent, as it may be cut off from a larger ring.
    Silent,
    /// It answers for nothing, as it knows fewer living nodes than it is to have.
    Few {
        /// So many, itself included.
        known: usize,
        /// So many are needed.
        needed: usize,
    },
    /// The silence is over: one of those that it had lost was heard.
    Heard,
    /// The silence is over: an operator said so, or the time for it had passed.
    Reopened,
    /// It hands over what it holds, to leave the ring.
    Leaving,
    /// It comes back with what it had saved, and answers for nothing until it has found those who stood beside it.
    Awaits {
        /// One of them.
        missing: SocketAddr,
        /// It holds so many entries.
        entries: usize,
    },
    /// Those whom it awaited are there, or the ring has taken it in without them.
    Whole,
    /// What it changes cannot be saved: it takes no writes.
    SavesNot,
    /// What it changes is saved again.
    Saves,
    /// Its machine has another address now: it joins again under that.
    Moved {
        /// The former one.
        from: SocketAddr,
        /// The present one.
        to: SocketAddr,
    },
    /// Large datagrams do not reach this neighbour, small ones do.
    Narrow(Peer),
    /// They reach it again.
    Wide(Peer),
    /// It took over what a neighbour holds of their common arcs.
    Pulled {
        /// From whom.
        from: Peer,
        /// How many entries were new or newer.
        entries: u32,
    },
}

/// Why a node stopped to answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unsettled {
    /// A neighbour changed.
    Neighbour,
    /// A consent ran out.
    Lapse,
    /// It may be cut off.
    Silent,
    /// An arc was found under a higher term.
    Term,
    /// It knows fewer living nodes than it is to have.
    Few,
    /// It is leaving.
    Leaving,
}

impl Life {
    /// The name of what happened, the same in every version of the program.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::SeedsMissing { .. } => "seeds-missing",
            Self::Joined { .. } => "joined",
            Self::Predecessor(_) => "predecessor",
            Self::Successor(_) => "successor",
            Self::Dropped(_) => "dropped",
            Self::Settled { .. } => "settled",
            Self::Unsettled(_) => "unsettled",
            Self::Alone => "alone",
            Self::Silent => "silent",
            Self::Few { .. } => "few",
            Self::Heard => "heard",
            Self::Reopened => "reopened",
            Self::Leaving => "leaving",
            Self::Awaits { .. } => "awaits",
            Self::Whole => "whole",
            Self::SavesNot => "saves-not",
            Self::Saves => "saves",
            Self::Moved { .. } => "moved",
            Self::Narrow(_) => "narrow",
            Self::Wide(_) => "wide",
            Self::Pulled { .. } => "pulled",
        }
    }

    /// The other node that it is about, if it is about one.
    pub const fn peer(&self) -> Option<&Peer> {
        match self {
            Self::Predecessor(peer) | Self::Successor(peer) => peer.as_ref(),
            Self::Narrow(peer) | Self::Wide(peer) => Some(peer),
            Self::Dropped(peer) | Self::Pulled { from: peer, .. } | Self::Joined { successor: peer, .. } => Some(peer),
            _ => None,
        }
    }

    /// True if somebody may have to do something about it.
    pub const fn is_warning(&self) -> bool {
        use Life::{Alone, Awaits, Dropped, Few, Moved, Narrow, Reopened, SavesNot, SeedsMissing, Silent};
        matches!(
            self,
            SeedsMissing { .. }
                | Dropped(_)
                | Alone
                | Silent
                | Few { .. }
                | Reopened
                | Awaits { .. }
                | SavesNot
                | Moved { .. }
                | Narrow(_)
        )
    }
}

impl Life {
    /// True if it tells of the ring's inner workings, which are as they should be: for engineers, not for operators.
    pub const fn is_detail(&self) -> bool {
        use Life::{Predecessor, Pulled, Settled, Successor, Unsettled as Stopped};
        match self {
            // That lasts until somebody starts other nodes.
            Stopped(why) => !matches!(why, Unsettled::Few),
            _ => matches!(self, Predecessor(_) | Successor(_) | Settled { .. } | Pulled { .. }),
        }
    }
}

impl fmt::Display for Life {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Created => f.write_str("created a ring, and is the only node on it"),
            Self::SeedsMissing { heard, needed, seeds } => write!(
                f,
                "creates no ring yet: hears {heard} of {}, itself included, and needs {needed} to be sure that it is \
                 not cut off from a ring; start more of them",
                Count(*seeds, "seed", "seeds")
            ),
            Self::Joined { predecessor, successor } if predecessor == successor => {
                write!(f, "joined the ring beside {successor}")
            }
            Self::Joined { predecessor, successor } => {
                write!(f, "joined the ring between {predecessor} and {successor}")
            }
            Self::Predecessor(Some(peer)) => write!(f, "predecessor is now {peer}"),
            Self::Predecessor(None) => f.write_str("has no predecessor now"),
            Self::Successor(Some(peer)) => write!(f, "successor is now {peer}"),
            Self::Successor(None) => f.write_str("has no successor now"),
            Self::Dropped(peer) => write!(f, "dropped {peer}: it does not answer"),
            Self::Settled { arc, term } => write!(f, "serves {arc} under epoch {term}"),
            Self::Unsettled(Unsettled::Few) => f.write_str("not serving: it knows too few living nodes (--min-nodes)"),
            Self::Unsettled(Unsettled::Leaving) => f.write_str("not serving any more: it is leaving"),
            Self::Unsettled(why) => write!(f, "re-settling, not serving until then: {}", why.reason()),
            Self::Alone => f.write_str("is the only node left"),
            Self::Silent => f.write_str(
                "isolated: it may be cut off from a larger ring, and serves nothing until it hears a lost neighbour; \
                 GET /readyz says what to do",
            ),
            Self::Few { known, needed } => write!(
                f,
                "not serving: knows {known} of the {needed} living nodes that --min-nodes asks for, itself included"
            ),
            Self::Heard => f.write_str("no longer isolated: a lost neighbour was heard"),
            Self::Reopened => f.write_str("reopened: serves again, though it may be cut off from a larger ring"),
            Self::Awaits { missing, entries } => write!(
                f,
                "restored {} from disk; not serving until {missing} is back, or the ring takes it in, so that nothing \
                 newer is missed. If that node is gone for good: POST /reopen, or start this one with --alone",
                Count(*entries, "entry", "entries")
            ),
            Self::Whole => f.write_str("waits for no former neighbour any more: its ring is complete again here"),
            Self::SavesNot => {
                f.write_str("cannot save what it changes: takes no writes until it can; it tries again and again")
            }
            Self::Saves => f.write_str("saves again: takes writes"),
            Self::Moved { from, to } => write!(
                f,
                "others see this node at {to}, and at {from} no more: takes that address, and joins the ring again"
            ),
            Self::Narrow(peer) => write!(
                f,
                "large datagrams do not reach {peer}, small ones do: values of more than some hundred bytes cannot be \
                 copied there. Let UDP datagrams of {DATAGRAM_MAX} bytes pass on that path (MTU of {MTU} or more)"
            ),
            Self::Wide(peer) => write!(f, "large datagrams reach {peer} again"),
            Self::Leaving => f.write_str("is leaving the ring"),
            Self::Pulled { from, entries } => {
                let entries = *entries as usize;
                write!(f, "synced with {from}: took {}", Count(entries, "new entry", "new entries"))
            }
        }
    }
}

impl Unsettled {
    /// Why, in words.
    const fn reason(self) -> &'static str {
        match self {
            Self::Neighbour => "a neighbour changed",
            Self::Lapse => "a neighbour's lease ran out",
            Self::Silent => "it may be cut off",
            Self::Term => "its range was found under a higher epoch",
            Self::Few => "it knows too few living nodes",
            Self::Leaving => "it is leaving",
        }
    }
}
