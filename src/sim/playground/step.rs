//! What happens at a certain moment of a run.

use core::time::Duration;

/// One step of a script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// When, from the end of the warm-up.
    pub at: Duration,
    /// What.
    pub deed: Deed,
}

/// What can be done to a ring. Nodes and keys are named by their numbers in the plan's identifier space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// A node with this position joins.
    Join(u128),
    /// The node crashes.
    Crash(u128),
    /// The node leaves: it hands over what it holds and says good-bye.
    Leave(u128),
    /// A node looks up who owns a position.
    Lookup {
        /// The node; one that has settled, by chance, if none is named.
        from: Option<u128>,
        /// The position.
        key: u128,
    },
}
