//! Why a request comes to nothing.

use super::entry::{Rank, Version};
use super::keeping::Room;
use serde::{Deserialize, Serialize};

/// Why a request was refused. Nothing was changed, except where it says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Refusal {
    /// Echo the stamp of this answer: your address is not proven.
    Unproven,
    /// I am not on the ring, or you mean an earlier incarnation of mine.
    NotMember,
    /// The key is not in my claim.
    NotOwner,
    /// It is in my claim, but I may not answer yet.
    NotSettled,
    /// You are not my neighbour on that side.
    NotNeighbour,
    /// I know a higher term of the arc.
    Stale {
        /// This one.
        term: u64,
    },
    /// The condition does not hold; the key exists in this version, or not at all.
    Conflict {
        /// The version.
        version: Option<Version>,
    },
    /// There is no such key.
    NotFound,
    /// I hold an entry of the key that wins.
    Newer {
        /// How it stands.
        rank: Rank,
    },
    /// Key, value or list is beyond a limit.
    TooLarge,
    /// Too much at one time: again in a moment.
    Busy,
    /// I do not hear it either.
    Unreachable,
    /// I stored the write, but cannot say whether it will stay: repeat it under the same name.
    Unknown,
    /// The operation is older than what is remembered here: an earlier copy of it may have been applied or refused.
    Forgotten,
    /// There is no room for another entry, here or with a neighbour.
    Full {
        /// What that node is full of.
        room: Room,
    },
    /// The key is in my claim, but I may be cut off from a larger ring, and answer for nothing.
    Silent,
    /// I am leaving too, and go first: again when I am gone.
    Leaving,
    /// The group of the key has fewer nodes than the write asks for.
    TooFew {
        /// So many.
        copies: u8,
    },
    /// The name of the write is that of another write: this one was not done.
    Reused,
    /// I answer for the key, and the operation is older than what is remembered of it: nobody will ever know more.
    TooOld,
    /// As many names of writes are remembered as may be: no further one, for now.
    NoNames,
}
