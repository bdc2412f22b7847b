//! The names of writes, as their coordinator sees them.

use crate::node::Node;
use crate::node::command::Attempt;
use crate::store::Content;
use crate::wire::{Condition, Freshness, Mark, OperationId};

/// Where the name of a write is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Naming {
    /// It was made here, and nobody has it yet.
    Ours,
    /// The client's own: what the owner remembers is looked up by the name alone.
    Client,
    /// Another answer brought it, with the first attempt's freshness: it is never fresher than that.
    Again,
}

impl Naming {
    /// What the owner is to remember of a write: of this value with its time to live in seconds, or of a delete.
    pub fn mark(self, value: Option<&(Content, u32)>, condition: Condition) -> Mark {
        let digest = value.map(|(content, _)| content.digest());
        let asked = digest.as_ref().zip(value).map(|(digest, (content, ttl_s))| (digest, content.kind(), *ttl_s));
        Mark::new(asked, condition, self != Self::Ours)
    }
}

impl Node {
    /// The name of a write: the client's own, or a new one that nobody can guess.
    pub(super) fn name(&mut self, attempt: Option<Attempt>) -> (OperationId, Naming, Option<Freshness>) {
        match attempt {
            Some(Attempt::Again(operation)) => (operation.id, Naming::Again, Some(operation.fresh)),
            Some(Attempt::First(id)) => (id, Naming::Client, None),
            None => {
                let number = self.next_number();
                let input = [&b"operation"[..], &number.to_be_bytes()].concat();
                let mut name = [0; 16];
                name.copy_from_slice(&blake3::keyed_hash(&self.transaction_key, &input).as_bytes()[..16]);
                (OperationId(name), Naming::Ours, None)
            }
        }
    }
}
