//! What neighbours tell each other, all the time, of how they keep what they hold.

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
}
