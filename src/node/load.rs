//! How full a node's tables are: each has a limit, and an idle node's are all but empty.

use super::Node;
use crate::limits::{
    CLIENT_MAX, DONE_MAX, EVENTS_MAX, HELD_MAX, LISTS_MAX, OUTBOX_MAX, OWNER_MAX, PEERS_MAX, PENDING_MAX, PULLS_MAX,
    RECALL_MAX, REFUSALS_MAX, REMEMBERED_MAX, STRETCHES_MAX, TRANSFERS_MAX, VALUE_MAX,
};

/// How many entries each table of a node has, in the order of [`Load::LIMITS`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load([usize; Load::TABLES]);

impl Load {
    const TABLES: usize = 19;

    /// The tables by name, each with the most that it may hold, and with the most that it may hold in a node at rest.
    pub const LIMITS: [(&str, usize, usize); Self::TABLES] = [
        ("requests in flight", PENDING_MAX, 40),
        ("lookups", PENDING_MAX, 20),
        ("operations of clients", CLIENT_MAX, 0),
        ("operations as owner", OWNER_MAX, 0),
        ("walks and questions for fingers", CLIENT_MAX, 0),
        ("lists of keys", LISTS_MAX, 0),
        ("pulled arcs", PULLS_MAX, 2),
        ("transfers of values", TRANSFERS_MAX, 0),
        ("bytes of values that come", TRANSFERS_MAX * VALUE_MAX, 0),
        ("dropped nodes and acquaintances", 2 * REMEMBERED_MAX, 2 * REMEMBERED_MAX),
        ("paths and relations", 2 * PEERS_MAX, 2 * PEERS_MAX),
        ("refusals and writes done", 2 * REFUSALS_MAX + DONE_MAX, 2 * REFUSALS_MAX + DONE_MAX),
        ("writes remembered beyond their logs", RECALL_MAX, RECALL_MAX),
        ("terms", STRETCHES_MAX, STRETCHES_MAX),
        ("floors", 2 * STRETCHES_MAX, 2 * STRETCHES_MAX),
        // Tombstones may be collected just then.
        ("answers that wait for the disk", HELD_MAX, 2),
        ("bytes to be sent", OUTBOX_MAX, 0),
        ("events", EVENTS_MAX, 0),
        ("deadlines", PENDING_MAX + 2 * CLIENT_MAX + OWNER_MAX + LISTS_MAX + 16, 60),
    ];

    /// The tables by name, each with the number of its entries.
    pub fn tables(&self) -> impl Iterator<Item = (&'static str, usize)> {
        Self::LIMITS.iter().zip(self.0).map(|(limit, held)| (limit.0, held))
    }

    /// The first table that is fuller than it may be, with the number of its entries.
    pub fn overfull(&self, at_rest: bool) -> Option<(&'static str, usize)> {
        let full = Self::LIMITS.iter().zip(self.0);
        let beyond = |limit: &(&str, usize, usize), held| held > if at_rest { limit.2 } else { limit.1 };
        full.filter(|(limit, held)| beyond(limit, *held)).map(|(limit, held)| (limit.0, held)).next()
    }
}

impl Node {
    /// How full this node's tables are. The store has a getter of its own.
    pub fn load(&self) -> Load {
        Load([
            self.requests.len(),
            self.lookups.len(),
            self.client_ops.len(),
            self.owner_ops.len(),
            self.walks.len() + self.asked_fingers.len(),
            self.lists.len(),
            self.pulls.len(),
            self.transfers.len(),
            self.transfers.bytes(),
            self.remembered.len(),
            self.peers.len(),
            self.refusals.len(),
            self.owner_ops.recall.len(),
            self.terms.len(),
            self.floors.known.len() + self.floors.firm.len(),
            self.held_back() as usize,
            self.outbox.len(),
            self.events.len(),
            self.timers.len(),
        ])
    }
}
