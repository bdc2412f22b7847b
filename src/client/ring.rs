//! The whole ring, walked in pieces.

use super::{Client, Error};
use crate::limits::WALK_MAX;
use crate::node::{Command, Reply, RingNode, Unavailable};

/// Walks once around, or as far as so many nodes. A piece goes once around from where it begins, so the end of the
/// whole is where its first node comes again, or, should that be gone, where its place is passed.
pub(super) async fn walk(client: &Client, max: usize) -> Result<Vec<RingNode>, Error> {
    let (mut all, mut from) = (Vec::<RingNode>::new(), None);
    while all.len() < max {
        let reply = client.ask(Command::Walk { from, max: (max - all.len()).min(WALK_MAX) }).await?;
        let Reply::Ring { nodes, next } = reply else { return Err(Error::of(reply)) };
        if nodes.is_empty() {
            // Half a ring is none: the node to begin or to go on with does not answer.
            return Err(Error::of(Reply::Unavailable(Unavailable::NotMember)));
        }
        let before = all.len();
        for node in nodes {
            let came_round = match (all.first(), all.last()) {
                (Some(first), Some(last)) => {
                    let (start, id) = (first.peer.id(), node.peer.id());
                    id == start || start.is_between(last.peer.id(), id)
                }
                _ => false,
            };
            if came_round {
                return Ok(all);
            }
            if all.last().is_none_or(|last| last.peer.id() != node.peer.id()) {
                all.push(node);
            }
        }
        from = next;
        if next.is_none() {
            break;
        }
        if all.len() == before {
            // Nor does one that the last of them knows.
            return Err(Error::of(Reply::Unavailable(Unavailable::NotMember)));
        }
    }
    Ok(all)
}
