//! Who is disturbed, and for how long: the bound within which the promises hold.
//!
//! Who only joins is disturbed less than others: nothing that was there is lost with it. But it has no copies yet, and
//! stands between those who have; and while nobody but two neighbours knows of it, these must not go at once, for
//! whoever takes over would not wait for the consents that they gave it.

use super::world::World;
use crate::id::Id;
use crate::node::Node;
use crate::time::Instant;
use crate::wire::{Peer, Version};
use std::collections::{BTreeMap, BTreeSet};

/// Of so many neighbours in a row ...
pub const ROW: usize = 7;
/// ... at most so many may be disturbed ...
pub const DISTURBED_MAX: usize = 2;
/// ... and so many more be about to join.
pub const NEWCOMERS_MAX: usize = 2;

/// The keys that clients use, and the highest version of each that anyone was told of.
#[derive(Clone, Debug, Default)]
pub struct Keys {
    names: Vec<Box<[u8]>>,
    acknowledged: Vec<Option<Version>>,
    /// The highest tombstone of each that any node was seen to hold.
    gone: Vec<Option<Version>>,
    /// When each key's highest version grew, in order of time.
    grew: Vec<Vec<(Instant, Version)>>,
}

impl Keys {
    /// These keys, never written.
    pub fn new(names: Vec<Box<[u8]>>) -> Self {
        let (acknowledged, gone) = (vec![None; names.len()], vec![None; names.len()]);
        let grew = vec![Vec::new(); names.len()];
        Self { names, acknowledged, gone, grew }
    }

    /// How many there are.
    pub const fn len(&self) -> usize {
        self.names.len()
    }

    /// True if there are none.
    pub const fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// The bytes of a key.
    pub fn name(&self, key: usize) -> &[u8] {
        &self.names[key]
    }

    /// Their ids.
    pub fn ids(&self) -> impl Iterator<Item = Id> {
        self.names.iter().map(|name| Id::of_key(name))
    }

    /// The highest version that anyone was told of.
    pub fn acknowledged(&self, key: usize) -> Option<Version> {
        self.acknowledged[key]
    }

    /// The same as it was at a moment.
    pub fn acknowledged_before(&self, key: usize, moment: Instant) -> Option<Version> {
        let known = self.grew[key].partition_point(|(at, _)| *at <= moment);
        known.checked_sub(1).map(|last| self.grew[key][last].1)
    }

    /// Somebody was told of a version.
    pub fn acknowledge(&mut self, now: Instant, key: usize, version: Version) {
        if self.acknowledged[key] < Some(version) {
            self.acknowledged[key] = Some(version);
            self.grew[key].push((now, version));
        }
    }

    /// Takes note of the tombstones that a node holds.
    pub fn note_tombstones(&mut self, node: &Node) {
        for (name, gone) in self.names.iter().zip(&mut self.gone) {
            *gone = node.tombstone_of(name).max(*gone);
        }
    }

    /// A key of which the node takes for dead what nobody deleted.
    pub fn wrongly_under_floor(&self, node: &Node) -> Option<usize> {
        let wrong = |&key: &usize| {
            let acknowledged = self.acknowledged[key];
            let under = node.floor_over(self.name(key)) >= acknowledged;
            acknowledged.is_some() && under && self.gone[key] < acknowledged
        };
        (0..self.len()).find(wrong)
    }

    /// The settled speaker of a key, if there is one.
    pub fn speaker<'a>(&self, world: &'a World, key: usize) -> Option<(usize, &'a Node)> {
        let id = Id::of_key(&self.names[key]);
        world.members().find(|&(host, _)| world.host(host).is_settled_for(world.now(), id))
    }

    /// True if a settled speaker and both its neighbours hold what it holds: judged by looking at the stores.
    pub fn is_copied(&self, world: &World, key: usize) -> bool {
        let name = self.name(key);
        let Some((_, speaker)) = self.speaker(world, key) else { return false };
        let Some(version) = speaker.version_of(name) else { return true };
        let holds = |peer: Peer| world.node_of(peer).is_some_and(|(_, node)| node.has_seen(name, version));
        speaker.predecessor().into_iter().chain(speaker.successors().first().copied()).all(holds)
    }

    /// How many living nodes hold the version that was last acknowledged, or a higher one; all count if none was.
    pub fn holders(&self, world: &World, key: usize) -> usize {
        let holds = |node: &Node| self.acknowledged[key].is_none_or(|version| node.has_seen(self.name(key), version));
        world.members().filter(|(_, node)| holds(node)).count()
    }
}

/// The machines that are disturbed: crashed, stopped, cut off, wrongly suspected or joining, until they are whole
/// again.
#[derive(Clone, Debug, Default)]
pub struct Bound {
    /// Until when at least.
    disturbed: BTreeMap<usize, Instant>,
    /// Those of them that are so only as they join: new ones, to which nothing else has happened.
    newcomers: BTreeSet<usize>,
}

impl Bound {
    /// A machine is disturbed at least until then.
    pub fn disturb(&mut self, host: usize, until: Instant) {
        let ends = self.disturbed.entry(host).or_insert(until);
        *ends = until.max(*ends);
        self.newcomers.remove(&host);
    }

    /// A machine is disturbed only as it joins.
    pub fn welcome(&mut self, host: usize, now: Instant) {
        self.disturb(host, now);
        self.newcomers.insert(host);
    }

    /// True if it is disturbed only as it joins.
    pub fn is_newcomer(&self, host: usize) -> bool {
        self.newcomers.contains(&host)
    }

    /// True if it is disturbed.
    pub fn is_disturbed(&self, host: usize) -> bool {
        self.disturbed.contains_key(&host)
    }

    /// All of them.
    pub fn hosts(&self) -> impl Iterator<Item = usize> {
        self.disturbed.keys().copied()
    }

    /// How many are.
    pub fn count(&self) -> usize {
        self.disturbed.len()
    }

    /// Forgets those that are whole again, if no key is short of copies.
    pub fn review(&mut self, world: &World, keys: &Keys) {
        let now = world.now();
        if self.disturbed.is_empty() || !(0..keys.len()).all(|key| keys.is_copied(world, key)) {
            return;
        }
        self.disturbed.retain(|&host, until| *until > now || !is_whole(world, host));
        self.newcomers.retain(|host| self.disturbed.contains_key(host));
    }

    /// True if these machines may be disturbed as well without leaving the bound.
    pub fn admits(&self, world: &World, more: &[usize]) -> bool {
        let newcomers: BTreeSet<usize> = self.newcomers.iter().copied().filter(|host| !more.contains(host)).collect();
        self.admits_with(world, more, &newcomers)
    }

    /// The same of machines that will do no more than to join.
    pub fn admits_newcomers(&self, world: &World, more: &[usize]) -> bool {
        self.admits_with(world, more, &self.newcomers.iter().chain(more).copied().collect())
    }

    fn admits_with(&self, world: &World, more: &[usize], newcomers: &BTreeSet<usize>) -> bool {
        let mut on_ring: BTreeMap<Id, State> = world.members().map(|(_, node)| (node.me().id(), State::Well)).collect();
        for host in self.disturbed.keys().chain(more) {
            let state = if newcomers.contains(host) { State::Newcomer } else { State::Disturbed };
            on_ring.insert(world.host(*host).id(), state);
        }
        is_within(&on_ring.into_values().collect::<Vec<_>>())
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Well,
    Newcomer,
    Disturbed,
}

/// True if of any [`ROW`] in a row, round the ring, at most [`DISTURBED_MAX`] are disturbed, and [`NEWCOMERS_MAX`] are
/// newcomers, who have somebody well on one side: nobody else may know of them yet. In a ring of four or less, not
/// counting newcomers, at most one is disturbed.
fn is_within(row: &[State]) -> bool {
    let n = row.len();
    let in_window = |from: usize, state| (0..ROW.min(n)).filter(|step| row[(from + step) % n] == state).count();
    let others = row.iter().filter(|state| **state != State::Newcomer).count();
    let most = if others <= 4 { 1 } else { DISTURBED_MAX };
    let counts = |from| in_window(from, State::Disturbed) <= most && in_window(from, State::Newcomer) <= NEWCOMERS_MAX;
    let is_enclosed = |at: usize| {
        let beside = |step: usize| {
            let mut others = (1..n).map(|far| row[(at + far * step) % n]);
            others.find(|state| *state != State::Newcomer) == Some(State::Disturbed)
        };
        row[at] == State::Newcomer && beside(1) && beside(n - 1)
    };
    (0..n).all(|at| counts(at) && !is_enclosed(at))
}

/// True if a living node is settled and in all lists that span it, and does not leave, or a dead one is in none; and if
/// nobody counts it among those dropped in a row any more.
fn is_whole(world: &World, host: usize) -> bool {
    let it = world.host(host);
    if world.members().any(|(_, node)| node.dropped_in_row().any(|peer| peer.id() == it.id())) {
        return false;
    }
    if it.node().is_some_and(Node::is_leaving) {
        return false;
    }
    let Some(me) = it.node().map(Node::me) else {
        let names = |node: &Node| node.successors().iter().chain(&node.predecessor()).any(|peer| peer.id() == it.id());
        return !world.members().any(|(_, node)| names(node));
    };
    let length = world.config().successors;
    let missed = |node: &Node| {
        let list = node.successors();
        // A list that is not full says that there are no others: it goes round the ring.
        let spans = list.len() < length
            || list.last().is_some_and(|last| me.id().is_between(node.me().id(), last.id()) || last.id() == me.id());
        node.me() != me && spans && !list.contains(&me)
    };
    it.is_running() && it.is_ready(world.now()) && !world.members().any(|(_, node)| missed(node))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(text: &str) -> bool {
        let state = |b| match b {
            b'x' => State::Disturbed,
            b'j' => State::Newcomer,
            _ => State::Well,
        };
        is_within(&text.bytes().map(state).collect::<Vec<_>>())
    }

    #[test]
    fn two_of_any_seven_in_a_row_are_within_the_bound() {
        for good in ["", "x", "xx...", "..", "x...", "xx.....xx.....", "x......xx.....", ".x....x.......", "xx....."] {
            assert!(row(good), "{good}");
        }
        for bad in
            ["xx", "xx..", "xxx", "x..x..x.......", "xx....xx......", "x..........xx.", "xx...........x", "xxx..."]
        {
            assert!(!row(bad), "{bad}");
        }
    }

    #[test]
    fn two_more_may_be_about_to_join() {
        for good in ["jj...", "jjx...", ".jxxj..", "jjxx.....jj.....", "jj.....jjxx..."] {
            assert!(row(good), "{good}");
        }
        for bad in ["jjj..", "jjxx..", "jxj.jx.", "jj....j..", "jjxxx....", "..xjx...", "..xjjx..."] {
            assert!(!row(bad), "{bad}");
        }
    }

    #[test]
    fn the_highest_version_told_of_counts() {
        let mut keys = Keys::new(vec![b"a"[..].into()]);
        let version = |term| Version { term, ..Version::default() };
        for (second, term) in [1, 3, 2].into_iter().enumerate() {
            keys.acknowledge(Instant::from_millis(1000 * second as u64), 0, version(term));
        }
        assert_eq!(keys.acknowledged(0), Some(version(3)));
        assert_eq!(keys.acknowledged_before(0, Instant::from_millis(999)), Some(version(1)));
        assert_eq!(keys.acknowledged_before(0, Instant::from_millis(1000)), Some(version(3)));
    }
}
