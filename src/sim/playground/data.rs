//! What the nodes hold at the end of a run, and what they had to repair.

use super::Playground;
use crate::node::{Counters, Held, Node, Status};
use crate::sim::world::World;
use crate::wire::Peer;
use core::time::Duration;

/// Entries that are asked of a node at one time.
const PAGE: usize = 4096;

/// How it stands with the keys of a run, over all nodes that live.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Data {
    /// Keys that were to be written before anything disturbed the ring.
    pub keys: usize,
    /// Those of them that a node acknowledged.
    pub written: usize,
    /// Those of these that no living node holds.
    pub lost: usize,
    /// Entries that nodes hold of their own claims.
    pub owned: usize,
    /// Entries that they hold of their neighbours' arcs.
    pub copied: usize,
    /// Entries that belong elsewhere.
    pub strays: usize,
    /// Entries of own claims that a neighbour of their owner does not hold.
    pub under_copied: usize,
    /// Entries of own claims that are not confirmed under the present term: once an arc has changed hands, the first to
    /// read a key has it confirmed.
    pub unconfirmed: usize,
    /// Entries that were pulled since arcs shared with a neighbour differed, by nodes that have died since as well;
    /// counted from the warm-up on.
    pub repaired: u64,
    /// Bytes of their keys and values.
    pub repaired_bytes: u64,
    /// The longest time for which two neighbours have differed.
    pub differs_for: Option<Duration>,
}

/// Entries repaired and their bytes, by nodes that are gone, less what was repaired while keys were written.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Repairs {
    gone: (u64, u64),
    before: (u64, u64),
}

impl Repairs {
    /// A process has ended.
    pub const fn add(&mut self, counters: &Counters) {
        self.gone.0 += counters.repaired;
        self.gone.1 += counters.repaired_bytes;
    }

    /// From now on it is counted.
    pub fn begin(&mut self, alive: &[usize], world: &World) {
        self.before = self.all(alive, world);
    }

    fn all(&self, alive: &[usize], world: &World) -> (u64, u64) {
        let counters = alive.iter().filter_map(|host| Some(world.host(*host).node()?.counters()));
        counters.fold(self.gone, |all, it| (all.0 + it.repaired, all.1 + it.repaired_bytes))
    }
}

impl Playground {
    /// How it stands with the keys; `None` if the plan has none. Walks all stores: not for every event.
    pub(super) fn data(&self) -> Option<Data> {
        if self.keys.wanted() == 0 {
            return None;
        }
        let alive = self.population.alive();
        let (all, before) = (self.repairs.all(alive, &self.world), self.repairs.before);
        let mut data = Data {
            keys: self.keys.wanted(),
            written: self.keys.written(),
            repaired: all.0 - before.0,
            repaired_bytes: all.1 - before.1,
            ..Data::default()
        };
        for status in self.statuses() {
            data.owned += status.owned;
            data.copied += status.copied;
            data.strays += status.strays;
            data.unconfirmed += status.under_copied;
            data.differs_for = data.differs_for.max(status.differs_for);
        }
        let mut held = vec![false; data.keys];
        self.each_held(|node, entry| {
            self.keys.number_of(&entry.key).into_iter().for_each(|number| held[number] = true);
            data.under_copied += usize::from(entry.owned && !self.is_copied(node, entry));
        });
        data.lost = data.written - held.into_iter().filter(|held| *held).count();
        Some(data)
    }

    /// What each living node shows of itself.
    pub(super) fn statuses(&self) -> impl Iterator<Item = Status> {
        let (now, hosts) = (self.world.now(), self.population.alive().iter().map(|host| self.world.host(*host)));
        hosts.filter_map(move |host| Some(host.node()?.status(host.local(now).at)))
    }

    /// Shows each entry that a living node holds, with its node.
    fn each_held(&self, mut see: impl FnMut(&Node, &Held)) {
        for host in self.population.alive().iter().map(|host| self.world.host(*host)) {
            let Some(node) = host.node() else { continue };
            let mut after: Option<Vec<u8>> = None;
            loop {
                let page = node.held(host.local(self.world.now()).at, after.as_deref(), PAGE);
                page.iter().for_each(|entry| see(node, entry));
                if page.len() < PAGE {
                    break;
                }
                after = page.into_iter().last().map(|entry| entry.key);
            }
        }
    }

    /// True if both neighbours of an entry's owner live and hold it, whatever the owner knows of that.
    fn is_copied(&self, owner: &Node, entry: &Held) -> bool {
        let neighbours = [owner.predecessor(), owner.successors().first().copied()];
        let holds = |peer: Option<Peer>| {
            let version = self.world.node_of(peer?).and_then(|(_, node)| node.version_of(&entry.key));
            version.filter(|version| *version >= entry.version)
        };
        neighbours == [None; 2] || neighbours.into_iter().all(|peer| holds(peer).is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::playground::{Deed, Plan, Report, Start, Step};

    fn run(plan: Plan) -> Report {
        let mut run = Playground::new(plan).expect("it can be carried out");
        while run.advance(Duration::from_secs(1), &mut |_, _| {}) {}
        run.report()
    }

    fn data(plan: Plan) -> Data {
        run(plan).data.expect("there are keys")
    }

    fn crash(ids: &[u128]) -> Plan {
        let step = |id: &u128| Step { at: Duration::from_secs(1), deed: Deed::Crash(*id) };
        Plan { bits: 4, ids: (0..16).collect(), keys: 2000, steps: ids.iter().map(step).collect(), ..Plan::default() }
    }

    #[test]
    fn keys_are_where_they_belong_before_anything_is_measured() {
        for (nodes, copies) in [(1, 0), (2, 1), (3, 2), (16, 2)] {
            for start in [Start::Warm, Start::Joining] {
                let plan = Plan { nodes, start, keys: 300, time: Duration::ZERO, ..Plan::default() };
                let wanted = Data { keys: 300, written: 300, owned: 300, copied: 300 * copies, ..Data::default() };
                assert_eq!(data(plan), wanted, "{nodes} nodes, {start:?}");
            }
        }
    }

    #[test]
    fn after_a_crash_all_is_copied_again_and_nothing_is_lost() {
        let after = data(crash(&[5]));
        assert_eq!((after.written, after.lost, after.under_copied, after.differs_for), (2000, 0, 0, None), "{after:?}");
        assert_eq!((after.owned, after.copied, after.strays), (2000, 4000, 0), "{after:?}");
    }

    #[test]
    fn what_three_in_a_row_held_is_lost_when_they_crash_at_once() {
        let (after, of_two) = (data(crash(&[5, 6, 7])), data(crash(&[6, 7])));
        // Of sixteen arcs one was held by nobody else.
        assert!((50..250).contains(&after.lost) && of_two.lost == 0, "{after:?}, {of_two:?}");
    }

    #[test]
    fn the_same_plan_gives_the_same_figures_and_without_keys_there_are_none() {
        let plan = || Plan { keys: 500, joins: 0.2, departures: 0.2, graceful: 0.5, ..Plan::default() };
        let (one, other) = (run(plan()), run(plan()));
        assert_eq!(format!("{one:?}"), format!("{other:?}"));
        assert!(
            run(Plan { keys: 0, ..plan() }).data.is_none()
                && data(Plan { seed: 2, ..plan() }) != one.data.expect("some")
        );
    }
}
