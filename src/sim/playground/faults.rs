//! Faults in the course of a run that are left to chance: pairs that cannot talk, nodes that come back, and their end.

use super::Playground;
use super::run::Due;
use crate::rng::Rng;
use crate::sim::network::{Weather, exponential};
use crate::time::Instant;
use core::time::Duration;
use std::collections::BTreeSet;

/// For so long two nodes cannot talk.
const CUT: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(30));
/// After so long a crashed node comes back.
const BACK_AFTER: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(20));

/// Faults under way.
#[derive(Debug)]
pub(super) struct Faults {
    /// Chance of their own, so that all else is as it would be without.
    rng: Rng,
    /// Machines whose nodes come back, and when.
    back: BTreeSet<(Instant, usize)>,
    /// The ring is to heal.
    over: bool,
}

impl Faults {
    /// None yet.
    pub(super) const fn new(seed: u64) -> Self {
        Self { rng: Rng::new(seed ^ 0x00FA_0175), back: BTreeSet::new(), over: false }
    }

    /// True if this is a fault, and none are to come any more.
    pub(super) const fn are_over(&self, due: Due) -> bool {
        self.over && matches!(due, Due::Join | Due::Depart | Due::Pause | Due::Cut | Due::Partition(_))
    }
}

impl Playground {
    pub(super) fn begin_cuts(&mut self) {
        if self.plan.cuts > 0.0 {
            let pause = Duration::try_from_secs_f64(1.0 / self.plan.cuts).unwrap_or(Duration::MAX);
            let after = exponential(&mut self.faults.rng, pause);
            // What would come in years does not come.
            if after < Duration::from_secs(1 << 30) {
                self.alarm(after, Due::Cut);
            }
        }
    }

    /// Two nodes cannot talk for a while, in one direction or both.
    pub(super) fn cut(&mut self) {
        if let Some((one, other)) = self.pair() {
            let rng = &mut self.faults.rng;
            let until = self.world.now() + rng.between(CUT.0, CUT.1);
            let (both, back) = (rng.chance(0.5), rng.chance(0.5));
            if both || !back {
                self.world.network.cut(one, other, until);
            }
            if both || back {
                self.world.network.cut(other, one, until);
            }
            self.deeds.cuts += 1;
        }
        self.begin_cuts();
    }

    /// Two of the living: half of the time one and its successor, where it has one that lives.
    fn pair(&mut self) -> Option<(usize, usize)> {
        let (alive, rng) = (self.population.alive(), &mut self.faults.rng);
        if alive.len() < 2 {
            return None;
        }
        let at = rng.index(alive.len());
        let other = alive[(at + 1 + rng.index(alive.len() - 1)) % alive.len()];
        let node = self.world.host(alive[at]).node().filter(|_| rng.chance(0.5));
        let next = node.and_then(|node| self.world.node_of(*node.successors().first()?));
        Some((alive[at], next.map_or(other, |(host, _)| host)))
    }

    /// A node has crashed: it may come back.
    pub(super) fn come_back(&mut self, host: usize) {
        if self.plan.restarts > 0.0 && self.faults.rng.chance(self.plan.restarts) {
            let after = self.faults.rng.between(BACK_AFTER.0, BACK_AFTER.1);
            self.faults.back.insert((self.world.now() + after, host));
            self.alarm(after, Due::Restart);
        }
    }

    /// Those whose time has come are back, unless a step has put another in the place of one.
    pub(super) fn restart(&mut self) {
        let now = self.world.now();
        while let Some((_, host)) = self.faults.back.first().copied().filter(|(at, _)| *at <= now) {
            self.faults.back.pop_first();
            let id = self.world.host(host).id();
            if self.population.alive().iter().all(|other| self.world.host(*other).id() != id) {
                self.deeds.restarts += 1;
                self.enter(Some(host));
            }
        }
    }

    pub(super) fn plan_quiet(&mut self) {
        if !self.plan.quiet.is_zero() {
            self.alarm(self.plan.time.saturating_sub(self.plan.quiet), Due::Quiet);
        }
    }

    /// Every fault ends: the ring is to heal. Datagrams take as long as before, and clocks stay as they are.
    pub(super) fn quiet(&mut self) {
        self.faults.over = true;
        self.world.network.heal();
        self.world.network.weather = Weather { delay: self.plan.weather.delay, ..Weather::QUIET };
        self.world.resume_all();
    }

    /// True if the ring has had the quiet that it was given to heal.
    pub(super) fn was_to_heal(&self) -> bool {
        self.faults.over && self.measure.traffic_at_end.is_some()
    }
}
