//! Starting, killing, healing: what the run does to its machines.

use super::{Phase, Plan, Swarm};
use crate::node::{Counters, Node};
use crate::rng::Rng;
use crate::sim::attacker::Attacker;
use crate::sim::chaos::Orders;
use crate::sim::log::Detail;
use crate::sim::oracle;
use crate::wire::Peer;
use core::time::Duration;

/// How long into healing a machine that comes back heeds the bound, though others may await it.
const AWAITED_AFTER: Duration = Duration::from_secs(3);

impl Swarm {
    /// A node was dropped by another: disturbed, if it was not before.
    fn suspected(&mut self, host: usize) {
        if self.chaos.bound.is_disturbed(host) && !self.chaos.bound.is_newcomer(host) {
            return;
        }
        if self.chaos.bound.is_newcomer(host) && self.world.host(host).node().is_none_or(|node| !node.is_member()) {
            // That was an earlier life of it.
            return;
        }
        self.chaos.bound.review(&self.world, self.clients.keys());
        self.chaos.bound.disturb(host, self.world.now() + Duration::from_secs(1));
        if !self.chaos.bound.admits(&self.world, &[]) && !self.beyond {
            self.beyond = true;
            self.world.log.tell(Detail::Lives, self.world.now(), format_args!("BEYOND the bound: {host} suspected"));
        }
    }

    /// A node was taken for dead by another.
    pub(super) fn dropped(&mut self, by: usize, peer: Peer) {
        if self.world.node_of(peer).is_some_and(|(_, node)| node.is_member()) {
            self.wronged();
            if self.world.members().filter(|(host, _)| *host != by).count() == 1 && !self.beyond {
                // The only two on a ring: neither can tell that from a crash.
                self.beyond = true;
                self.world.log.tell(Detail::Lives, self.world.now(), format_args!("BEYOND the bound: two left, {by}"));
            }
        }
        // Who is disturbed suspects others; these are well.
        if self.phase == Phase::Chaos
            && !self.chaos.bound.is_disturbed(by)
            && let Some(host) = self.world.host_at(peer.addr())
        {
            self.suspected(host);
        }
    }

    /// A node that came back found nobody, and raised a ring of its own until it does: that one is not whole.
    pub(super) fn raised(&mut self) {
        if self.world.members().count() > 1 {
            self.wronged();
        }
    }

    /// True if two more members may die and leave as many as the invariant speaks of.
    pub(super) fn may_lose(&self) -> bool {
        self.world.members().count() >= self.profile.least + 2
    }

    pub(super) fn start(&mut self, host: usize) {
        if self.world.host(host).node().is_some() {
            return;
        }
        let addrs = |hosts: &[usize]| hosts.iter().map(|&host| self.world.host(host).addr()).collect::<Vec<_>>();
        let first: Vec<usize> = (0..self.profile.nodes.min(self.profile.founders)).collect();
        let again = self.world.host(host).lives() > 0;
        let seeds = if !first.is_empty() {
            addrs(&first)
        } else if host == 0 && !again {
            Vec::new()
        } else if self.phase == Phase::Forming {
            addrs(&[0])
        } else {
            let living: Vec<usize> = self.world.members().map(|(host, _)| host).collect();
            // Three in a row: hardly will all of them be gone for good before one was heard.
            let from = self.rng.index(living.len().max(1));
            // After a blackout nobody lives: then it is told who did.
            let were =
                (0..self.world.hosts().len()).filter(|&other| other != host && self.world.host(other).lives() > 0);
            let living = if living.is_empty() { were.collect() } else { living };
            let chosen: Vec<usize> = living.iter().cycle().skip(from).take(living.len().min(3)).copied().collect();
            addrs(&chosen)
        };
        self.tally.restarts += u64::from(again);
        if self.phase != Phase::Forming {
            self.tally.joins += 1;
            self.joining.insert(host, self.world.now());
            self.chaos.bound.disturb(host, self.world.now());
        }
        self.world.start(host, &seeds);
    }

    pub(super) fn obey(&mut self, orders: &Orders) {
        for &host in &orders.crash {
            if self.may_go(host, &orders.leave) {
                self.crash(host, orders.crash.len() > 1);
            }
        }
        for (at, &host) in orders.leave.iter().enumerate() {
            if self.may_go(host, &orders.leave[..at]) {
                self.world.leave(host);
            }
        }
        if !orders.batch.is_empty() {
            self.start_batch(&orders.batch);
        }
        for _ in 0..orders.join {
            let bound = &self.chaos.bound;
            let free = |host: &usize| {
                let it = self.world.host(*host);
                let waits =
                    self.plans.values().any(|plan| matches!(plan, Plan::Start { host: waiting } if waiting == host));
                it.node().is_none() && !waits && bound.admits(&self.world, &[*host])
            };
            if let Some(host) = (0..self.world.hosts().len()).rev().find(free) {
                self.start(host);
            }
        }
    }

    /// Of the seeds that everyone was given one stays on the ring, beside those that are about to go: when all are gone
    /// from it, and start again, nothing tells them that there is a ring.
    fn may_go(&self, host: usize, going: &[usize]) -> bool {
        let seeds = self.profile.nodes.min(self.profile.founders);
        let stays = |(other, node): (usize, &Node)| {
            other < seeds && other != host && !node.is_leaving() && !going.contains(&other)
        };
        host >= seeds || self.world.members().any(stays)
    }

    fn crash(&mut self, host: usize, double: bool) {
        let id = self.world.host(host).id();
        if self.world.host(host).is_settled_for(self.world.now(), id)
            && let Some(sample) = self.speakers.ids().iter().position(|&sample| sample == id)
        {
            self.orphaned.insert(sample, (self.world.now(), double));
        }
        self.forget(host);
        if let Some(counters) = self.world.crash(host) {
            self.tally.add_counters(&counters);
        }
        self.count_hurt();
        self.come_back(host);
    }

    /// A node has left the ring. What it handed over must be there, in as many copies as before.
    pub(super) fn left(&mut self, host: usize, handed_over: bool, counters: &Counters) {
        self.forget(host);
        self.tally.add_counters(counters);
        self.tally.abrupt += u64::from(!handed_over);
        let copies = self.world.members().count().min(3);
        // Who is disturbed besides may be what is missing.
        let others = self.chaos.bound.count() - usize::from(self.chaos.bound.is_disturbed(host));
        let keys = self.clients.keys();
        let short = |key: &usize| keys.holders(&self.world, *key) + others < copies;
        if handed_over && let Some(key) = (0..keys.len()).find(short) {
            let holders = keys.holders(&self.world, key);
            let at = keys.ids().nth(key);
            let picture = oracle::picture(&self.world);
            self.fail(&format!("{host} has left, and key {key} at {at:?} is held {holders} times\n{picture}"));
        }
        self.come_back(host);
    }

    pub(super) fn forget(&mut self, host: usize) {
        self.speakers.forget(host);
        self.consented.forget(host);
        self.joining.remove(&host);
        self.shapes.remove(&host);
    }

    /// Most come back; some within one period. Those of a batch do so together.
    fn come_back(&mut self, host: usize) {
        if self.profile.batched().contains(&host) {
            return;
        }
        if self.phase == Phase::Chaos && self.scene.is_none() && self.rng.chance(0.75) {
            let longest = [60, 800, 4000, 12_000][self.rng.index(4)];
            let after = self.rng.between(Duration::from_millis(10), Duration::from_millis(longest));
            self.plan(after, Plan::Start { host });
        }
    }

    /// A machine comes back: not between two that are disturbed, for a joiner is disturbed as well.
    pub(super) fn start_again(&mut self, host: usize) {
        if self.phase == Phase::Healing {
            self.chaos.bound.review(&self.world, self.clients.keys());
        }
        let bound = &self.chaos.bound;
        // Those who await it are disturbed as long as it is away: then it comes whatever they are, but not before the
        // others have had time to find their places, or three newcomers in a row could stand between the only copy
        // and its owner.
        let waited = self.world.now().since(self.since) >= AWAITED_AFTER;
        let awaited = self.phase == Phase::Healing && self.profile.disks && waited;
        let wild = matches!(self.phase, Phase::Chaos | Phase::Healing) && !awaited;
        if wild && !bound.is_disturbed(host) && !bound.admits(&self.world, &[host]) {
            return self.plan(Duration::from_secs(1), Plan::Start { host });
        }
        self.start(host);
    }

    /// An attacker is at work from now on. It has a chance of its own, so that all else is as it would be without.
    pub(super) fn attack(&mut self, rate: u64) {
        let attacker = Attacker::new(&self.world.config().ring, rate, Rng::new(self.seed ^ 0xA77A_C4E2));
        self.world.set_attacker(Some(attacker));
    }

    pub(super) fn end_attack(&mut self) {
        self.tally.attacks += self.world.set_attacker(None).map_or(0, |attacker| attacker.sent());
    }

    /// All faults end. Half of the dead come back, as soon as nobody beside them is disturbed.
    pub(super) fn heal(&mut self) {
        self.enter(Phase::Healing);
        self.world.network.heal();
        self.world.disk_faults = 0.0;
        self.world.resume_all();
        for host in 0..self.world.hosts().len() {
            let was_here = self.world.host(host).lives() > 0 && self.world.host(host).node().is_none();
            // Nobody but an operator could tell whoever awaits one that it is dead for good.
            let addr = self.world.host(host).addr();
            let awaited = self.profile.blackouts > 0
                || self
                    .world
                    .hosts()
                    .iter()
                    .filter_map(|it| it.node())
                    .any(|node| node.missing_nodes().any(|it| it == addr));
            if was_here && (self.rng.chance(0.5) || awaited) {
                self.start_again(host);
            }
        }
    }
}
