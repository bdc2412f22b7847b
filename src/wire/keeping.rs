//! What neighbours tell each other all the time: how they keep what they hold, and whom they await.

use crate::id::Id;
use core::fmt;
use serde::{Deserialize, Serialize};

/// How a node keeps what it holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Keeping {
    /// Not all of it is saved yet, though it is to be: equal sums do not say that both hold it for good.
    pub unsaved: bool,
    /// Whether it takes more.
    pub room: Room,
}

/// What a node can take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Room {
    /// It has room.
    #[default]
    Enough,
    /// What is left of its memory is for copies of what others have taken already; values take the most.
    Values,
    /// It cannot save anything: its disk is full or broken.
    NoDisk,
    /// As with values, and a quarter of its memory or more has tombstones, which cannot be collected just now.
    Tombstones,
    /// It has as many entries as a node may have.
    Entries,
    /// It has room, but not for another name of a write.
    NoNames,
}

impl Room {
    /// All of them, with the names that they are shown under.
    pub const NAMES: [(Self, &str); 6] = [
        (Self::Enough, "enough"),
        (Self::Values, "values"),
        (Self::Tombstones, "tombstones"),
        (Self::Entries, "entries"),
        (Self::NoDisk, "disk"),
        (Self::NoNames, "names"),
    ];

    /// True if it lacks room for a write; one that makes nothing larger needs a disk at most.
    pub fn lacks(self, grows: bool) -> bool {
        self == Self::NoDisk || (grows && !matches!(self, Self::Enough | Self::NoNames))
    }

    /// The name that it is shown under.
    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(room, _)| *room == self).map_or("", |(_, name)| name)
    }
}

impl fmt::Display for Room {
    /// How it is with a node, after "it" or its name, and what can be done.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Enough => "has room",
            Self::Values => {
                "has its memory full of values (--max-memory): delete some, add nodes, or start it with more"
            }
            Self::Tombstones => {
                "has its memory full of tombstones of deleted keys (--max-memory): they go once both neighbours of \
                 their owner are there and hold them"
            }
            Self::Entries => "has as many entries as a node may have: delete some, or add nodes",
            Self::NoNames => "remembers as many names of writes as it may: they go after eleven minutes",
            Self::NoDisk => "cannot save to its disk: its log and GET /readyz say why",
        })
    }
}

/// Whether a node awaits those who stood beside it before it was started, as it tells a neighbour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Awaits {
    /// It awaits nobody; or one beside it does not, and it has nothing to say of its own.
    #[default]
    Nobody,
    /// It awaits nobody, and has settled without this neighbour: the ring has gone on since that one stood in it.
    NobodyAndNew,
    /// It awaits others, or waits with one who does.
    Others,
    /// It cannot tell whether the ring is whole: it has yet to settle, as has the node on its other side; or this
    /// neighbour has gone past the one that it settled beside.
    Unsure {
        /// From here on to its own place it spoke, or was about to, before it was started again; or did the next of
        /// those beside it that are unsure as well.
        after: Id,
        /// The highest term that this neighbour's place was spoken for under so; 0 if it was not.
        term: u64,
    },
}
