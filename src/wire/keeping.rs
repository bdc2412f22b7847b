//! What neighbours tell each other all the time: how they keep what they hold, and whom they await.

use crate::id::Id;
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
    /// What is left of its memory is for copies of what others have taken already.
    Little,
    /// It cannot save anything: its disk is full or broken.
    NoDisk,
    /// It has room, but not for another name of a write.
    NoNames,
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
