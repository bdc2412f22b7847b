//! Who may speak for which ids: at most one node each, after every event; and at most one that answers.

use super::world::World;
use crate::id::{Arc, Id};
use crate::limits::SETTLE_DEPTH;
use crate::node::Node;

/// A set of sample ids, by their numbers.
pub type Samples = u128;

/// What the node on a machine has a right to: the ids in both arcs.
pub type Right = fn(&World, usize) -> Option<[Arc; 2]>;

/// What the node on this machine would answer for.
pub fn is_settled(world: &World, host: usize) -> Option<[Arc; 2]> {
    let it = world.host(host);
    let settled = it.node()?.settled_arc()?;
    Some([it.spoken(world.now())?, settled])
}

/// What the node on this machine holds both consents for, if those before it hold their predecessors' consents and
/// neither neighbour may be cut off, as must be for it to settle.
pub fn may_settle(world: &World, host: usize) -> Option<[Arc; 2]> {
    let now = world.now();
    let spoken = world.host(host).spoken(now)?;
    let before = |host: &usize| {
        let predecessor = world.host(*host).node().and_then(Node::predecessor);
        predecessor.and_then(|peer| world.node_of(peer)).map(|(before, _)| before)
    };
    let ahead = world.host(host).node()?.successors().first().and_then(|peer| world.node_of(*peer));
    if before(&host).into_iter().chain(ahead.map(|(host, _)| host)).any(|beside| cut_off(world, beside)) {
        return None;
    }
    let mut all = core::iter::successors(before(&host), before).take(SETTLE_DEPTH).take_while(|before| *before != host);
    all.all(|before| world.host(before).has_predecessors_consent(now)).then_some([spoken, spoken])
}

fn cut_off(world: &World, host: usize) -> bool {
    world.host(host).node().is_some_and(Node::may_be_cut_off)
}

/// Watches who has a right to which of a number of sample ids.
///
/// Only an event at a node can give it a right, and time alone mostly takes rights away. So it is enough to look, after
/// each event, at the node that had it: if it has the right to an id to which another had it after that one's last
/// event, the other is asked whether it still has.
#[derive(Clone, Debug)]
pub struct Speakers {
    ids: Vec<Id>,
    /// The ids in ring order, with their numbers.
    sorted: Vec<(Id, usize)>,
    right: Right,
    /// For each machine the ids that its node had the right to after its last event.
    held: Vec<Samples>,
    /// The same the other way round: for each id the machines.
    holders: Vec<Vec<usize>>,
}

impl Speakers {
    /// How many ids can be watched.
    pub const IDS_MAX: usize = Samples::BITS as usize;

    /// Watches this right to these ids, or to the first [`Speakers::IDS_MAX`] of them.
    pub fn new(right: Right, ids: impl IntoIterator<Item = Id>) -> Self {
        let ids: Vec<Id> = ids.into_iter().take(Self::IDS_MAX).collect();
        let mut sorted: Vec<(Id, usize)> = ids.iter().copied().zip(0..).collect();
        sorted.sort_unstable();
        Self { holders: vec![Vec::new(); ids.len()], ids, sorted, right, held: Vec::new() }
    }

    /// The ids watched.
    pub fn ids(&self) -> &[Id] {
        &self.ids
    }

    /// Looks at a node after its event. Returns the ids that it has now and had not before.
    ///
    /// # Errors
    /// The violation: the id and the other machine.
    pub fn look(&mut self, world: &World, host: usize) -> Result<Samples, (Id, usize)> {
        if self.held.len() <= host {
            self.held.resize(world.hosts().len().max(host + 1), 0);
        }
        let now = self.rights_of(world, host);
        let before = self.hold(host, now);
        for at in ones(now) {
            while let Some(other) = self.holders[at].iter().copied().find(|&other| other != host) {
                if self.rights_of(world, other) & 1 << at != 0 {
                    return Err((self.ids[at], other));
                }
                self.hold(other, self.held[other] & !(1 << at));
            }
        }
        Ok(now & !before)
    }

    /// The ids that a node has the right to at this moment.
    fn rights_of(&self, world: &World, host: usize) -> Samples {
        let Some([arc, and]) = (self.right)(world, host) else { return 0 };
        let first = self.sorted.partition_point(|(id, _)| *id <= arc.after);
        let (upto, from) = self.sorted.split_at(first);
        let inside = from.iter().chain(upto).take_while(|(id, _)| arc.contains(*id));
        inside.filter(|(id, _)| and.contains(*id)).fold(0, |set, (_, at)| set | 1 << at)
    }

    /// Forgets a node that crashed, and returns what it had after its last event.
    pub fn forget(&mut self, host: usize) -> Samples {
        if host < self.held.len() { self.hold(host, 0) } else { 0 }
    }

    /// Notes what a node has now, and returns what it had.
    fn hold(&mut self, host: usize, now: Samples) -> Samples {
        let before = core::mem::replace(&mut self.held[host], now);
        ones(before & !now).for_each(|at| self.holders[at].retain(|&holder| holder != host));
        ones(now & !before).for_each(|at| self.holders[at].push(host));
        before
    }

    /// What a node had after its last event.
    pub fn held(&self, host: usize) -> Samples {
        self.held.get(host).copied().unwrap_or(0)
    }
}

/// The numbers of the samples in a set.
fn ones(mut set: Samples) -> impl Iterator<Item = usize> {
    core::iter::from_fn(move || {
        let at = (set != 0).then(|| set.trailing_zeros() as usize);
        set &= set.wrapping_sub(1);
        at
    })
}
