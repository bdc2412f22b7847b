//! Who may answer for which ids: at most one settled speaker each, after every event.

use super::world::World;
use crate::id::Id;

/// A set of sample ids, by their numbers.
pub type Samples = u128;

/// Watches who is settled for a number of sample ids.
///
/// Only an event at a node can give it a right, and time alone only takes rights away. So it is enough to look, after
/// each event, at the node that had it: if it is settled for an id for which another was after that one's last event,
/// the other is asked whether it still is.
#[derive(Clone, Debug)]
pub struct Speakers {
    ids: Vec<Id>,
    /// For each machine the ids that its node was settled for after its last event.
    settled: Vec<Samples>,
}

impl Speakers {
    /// How many ids can be watched.
    pub const IDS_MAX: usize = Samples::BITS as usize;

    /// Watches these ids, or the first [`Speakers::IDS_MAX`] of them.
    pub fn new(ids: impl IntoIterator<Item = Id>) -> Self {
        Self { ids: ids.into_iter().take(Self::IDS_MAX).collect(), settled: Vec::new() }
    }

    /// The ids watched.
    pub fn ids(&self) -> &[Id] {
        &self.ids
    }

    /// Looks at a node after its event. Returns the ids that it is now settled for and was not before, or the id that
    /// two nodes would answer for, and the other node.
    ///
    /// # Errors
    /// The violation: the id and the other machine.
    pub fn look(&mut self, world: &World, host: usize) -> Result<Samples, (Id, usize)> {
        if self.settled.len() <= host {
            self.settled.resize(world.hosts().len().max(host + 1), 0);
        }
        let is_settled = |host: usize, at: usize| world.host(host).is_settled_for(world.now(), self.ids[at]);
        let member = world.host(host).node().is_some_and(crate::node::Node::is_member);
        let now: Samples = if member {
            (0..self.ids.len()).filter(|&at| is_settled(host, at)).fold(0, |set, at| set | 1 << at)
        } else {
            0
        };
        let before = core::mem::replace(&mut self.settled[host], now);
        for other in (0..self.settled.len()).filter(|&other| other != host) {
            let mut both = now & self.settled[other];
            while both != 0 {
                let at = both.trailing_zeros() as usize;
                both &= both - 1;
                if is_settled(other, at) {
                    return Err((self.ids[at], other));
                }
                self.settled[other] &= !(1 << at);
            }
        }
        Ok(now & !before)
    }

    /// Forgets a node that crashed, and returns what it was settled for after its last event.
    pub fn forget(&mut self, host: usize) -> Samples {
        self.settled.get_mut(host).map_or(0, core::mem::take)
    }

    /// What a node was settled for after its last event.
    pub fn settled(&self, host: usize) -> Samples {
        self.settled.get(host).copied().unwrap_or(0)
    }
}
