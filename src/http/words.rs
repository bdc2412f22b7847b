//! The words for how a node is.

use crate::handle::Snapshot;
use crate::limits::DATAGRAM_MAX;
use crate::node::{Silenced, State, Status};
use crate::wire::Room;

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

/// What writes a node cannot take though it serves, for itself or a neighbour, if there are any.
pub fn cramped(status: &Status) -> Option<String> {
    let full = |whose: &str, room: Room| format!("{whose} {room}. Writes that need room get 507.");
    let room = match (status.room, status.room_beside) {
        (Room::Enough, Room::Enough) => None,
        (Room::NoNames, Room::Enough) => {
            Some(format!("The node {}. Writes under further names of clients get 503.", Room::NoNames))
        }
        (Room::Enough | Room::NoNames, beside) => Some(full("A neighbour", beside)),
        (own, _) => Some(full("The node", own)),
    };
    let paths = status.narrow.iter().map(|to| {
        format!("Large datagrams do not reach {to}: let UDP datagrams of {DATAGRAM_MAX} bytes pass on the path there.")
    });
    let all: Vec<String> = room.into_iter().chain(paths).collect();
    (!all.is_empty()).then(|| all.join(" "))
}

/// Why a node does not answer for all that is its own, and what can be done about it; `None` if it does.
pub fn unready(snapshot: &Snapshot) -> Option<String> {
    let Snapshot { status, trouble, disk_fault, .. } = snapshot;
    let trouble = trouble.as_ref().map(ToString::to_string);
    Some(match (status.state, status.silenced, trouble) {
        (State::Settled, ..) if status.fails_to_save => {
            let why = disk_fault.as_deref().unwrap_or("cannot save them");
            format!("The node answers reads, but takes no writes: it {why}.")
        }
        (State::Settled, ..) => return None,
        (State::Leaving, ..) => String::from("It hands over what it holds: ask another one."),
        _ if snapshot.homeless => format!(
            "Its address {} is not one of this machine's any more, and no node that it knows has told another: does \
             the machine have a network? A node that was told its address, by --advertise or --listen, is to be \
             started again with the present one.",
            status.me.addr()
        ),
        _ if snapshot.loads => String::from("It reads what it saved on its disk."),
        (State::Settling | State::Joining, None, _) if !matches!(status.room, Room::Enough | Room::NoNames) => {
            format!("It {}. Else it cannot hold what is to be its own.", status.room)
        }
        // Before it had a place it knows nobody as it has none, not the other way round.
        (_, Some(Silenced::Few { .. }), Some(trouble)) if status.counters.settlements == 0 => trouble,
        (_, Some(why @ (Silenced::Awaits { .. } | Silenced::Few { .. })), Some(trouble)) => {
            format!("{} {trouble}", why_silent(why, status.min_nodes))
        }
        (_, None, Some(trouble)) => trouble,
        (_, Some(why), _) => why_silent(why, status.min_nodes),
        (State::Joining, None, None) => String::from("It looks for its place on the ring."),
        (State::Settling, None, None) => {
            String::from("It has a place on the ring, and waits for the consent or the data of its neighbours.")
        }
        (State::Silent, None, None) => String::from("It does not answer until it hears from its neighbours."),
    })
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
