//! The words for how a node is.

use crate::node::{Silenced, State, Status};

/// The word for a state.
pub const fn state_name(state: State) -> &'static str {
    match state {
        State::Joining => "joining",
        State::Settling => "settling",
        State::Settled => "settled",
        State::Silent => "silent",
        State::Leaving => "leaving",
    }
}

/// The word for how a node's disk is.
pub const fn disk_name(status: &Status) -> &'static str {
    match (status.has_disk, status.fails_to_save) {
        (false, _) => "none",
        (true, false) => "works",
        (true, true) => "fails",
    }
}

/// Why a node is isolated, and what can be done about it.
pub fn why_silent(why: Silenced, min_nodes: usize) -> String {
    match why {
        Silenced::Row => String::from(
            "It lost three neighbours in a row, so it may be cut off from a larger ring, and serves nothing until it \
             hears one of them. If they are dead: POST /reopen.",
        ),
        Silenced::Told(peer) => format!(
            "Its predecessor is isolated, as it may be cut off from a larger ring, and this node with it: \
             http://{}/readyz says why.",
            peer.addr()
        ),
        Silenced::Slept => String::from(
            "Its process stood still while it knew no other node, so a ring may have gone on without it. If there is \
             none: POST /reopen.",
        ),
        Silenced::Awaits { missing: Some(missing) } => format!(
            "It restored its entries from disk, and serves none until {missing}, which stood beside it, is back, or \
             the ring takes it in, so that nothing newer is missed. If that node is gone for good: POST /reopen."
        ),
        Silenced::Awaits { missing: None } => String::from(
            "The ring that it joined was started again, and is not complete yet: its neighbours wait for the nodes \
             that stood beside them.",
        ),
        Silenced::Few { known } => format!(
            "It knows {known} of at least {min_nodes} living nodes, itself included: start the others, or start this \
             one with a lower --min-nodes."
        ),
    }
}
