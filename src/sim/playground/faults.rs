//! Faults in the course of a run that are left to chance: pairs that cannot talk, nodes that come back, and their end.

use super::Playground;
use super::run::Due;
use crate::node::Node;
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

    /// True if a node may go, and as many stay as the plan says.
    pub(super) fn may_lose_one(&self) -> bool {
        let stays = |node: &Node| node.is_member() && !node.is_leaving();
        let nodes = self.population.alive().iter().filter_map(|host| self.world.host(*host).node());
        self.population.alive().len() > 1
            && (self.plan.least <= 1 || nodes.filter(|node| stays(node)).count() > self.plan.least)
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

    /// Whether the ring is ideal and all have settled after the quiet that it was given for that.
    pub(super) fn has_healed(&self) -> Option<bool> {
        let ready = |host: &usize| self.world.host(*host).is_ready(self.world.now());
        let healed = || self.watch.ideal_since().is_some() && self.population.alive().iter().all(ready);
        (self.faults.over && self.measure.traffic_at_end.is_some()).then(healed)
    }
}

#[cfg(test)]
mod tests {
    use crate::sim::clock::Clock;
    use crate::sim::network::Weather;
    use crate::sim::playground::{Partition, Plan, Playground, Report, Shape};
    use core::time::Duration;

    fn run(plan: Plan) -> (Playground, Report) {
        let mut run = Playground::new(plan).expect("it can be carried out");
        while run.advance(Duration::from_secs(1), &mut |_, _| {}) {}
        let report = run.report();
        (run, report)
    }

    #[test]
    fn every_fault_shows_in_what_is_counted() {
        let (_, calm) = run(Plan::default());
        let counts = [calm.traffic.lost, calm.traffic.cut, calm.traffic.slow, calm.deeds.cuts, calm.deeds.restarts];
        assert_eq!(counts, [0; 5]);
        let weather = |weather| run(Plan { weather, ..Plan::default() }).1.traffic;
        assert!(weather(Weather { burst: 0.01, ..Weather::QUIET }).lost > 0);
        assert!(weather(Weather { slow: 0.01, ..Weather::QUIET }).slow > 0);
        let (_, cut) = run(Plan { cuts: 0.2, ..Plan::default() });
        assert!(cut.deeds.cuts > 3 && cut.traffic.cut > 0, "{:?}", cut.deeds);
    }

    #[test]
    fn crashed_nodes_come_back_where_they_were_and_settle() {
        let plan = Plan { departures: 0.1, restarts: 1.0, quiet: Duration::from_secs(40), ..Plan::default() };
        let (it, report) = run(plan);
        assert!(report.deeds.crashes > 0 && report.deeds.restarts == report.deeds.crashes, "{:?}", report.deeds);
        assert_eq!((report.nodes, report.settled, it.world().hosts().len()), (16, 16, 16));
        assert_eq!(
            it.world().hosts().iter().map(|host| u64::from(host.lives()) - 1).sum::<u64>(),
            report.deeds.crashes
        );
    }

    #[test]
    fn clocks_are_off_each_in_its_own_way() {
        let clocks = Clock { offset_us: 0, rate_ppm: 10_000, skew_ms: 6000 };
        let (it, report) = run(Plan { clocks, ..Plan::default() });
        let now = it.world().now();
        let ahead =
            |host: &crate::sim::Host| host.local(now).at.as_micros().cast_signed() - now.as_micros().cast_signed();
        let ahead: Vec<i64> = it.world().hosts().iter().map(ahead).collect();
        let most = now.as_micros().cast_signed() / 100 + 1;
        assert!(ahead.iter().all(|us| us.abs() <= most) && ahead.iter().any(|us| *us > 0), "{ahead:?}");
        assert!(ahead.iter().any(|us| *us < 0) && report.findings.total() == 0);
    }

    #[test]
    fn the_quiet_ends_every_fault_and_the_ring_heals_in_it() {
        let weather = Weather { loss: 0.05, ..Weather::QUIET };
        let partitions =
            vec![Partition { shape: Shape::Halves, at: Duration::from_secs(1), lasting: Duration::from_secs(5) }];
        let plan =
            Plan { weather, partitions, pauses: 0.1, cuts: 0.1, time: Duration::from_secs(90), ..Plan::default() };
        let plan = Plan { quiet: Duration::from_secs(60), ..plan };
        let mut it = Playground::new(plan.clone()).expect("it can be carried out");
        let (quiet, second) = (plan.warm_up + Duration::from_secs(31), Duration::from_secs(1));
        while it.world().now().as_millis() < quiet.as_millis() as u64 && it.advance(second, &mut |_, _| {}) {}
        let before = it.report();
        while it.advance(second, &mut |_, _| {}) {}
        let after = it.report();
        assert!(before.healed.is_none() && before.traffic.lost > 0 && before.deeds.pauses + before.deeds.cuts > 0);
        assert_eq!((before.traffic.lost, before.traffic.cut), (after.traffic.lost, after.traffic.cut));
        assert_eq!((before.deeds, after.healed), (after.deeds, Some(true)));
        let late = Partition { shape: Shape::Halves, at: Duration::from_secs(28), lasting: Duration::from_secs(5) };
        let late = Plan { partitions: vec![late], ..plan };
        assert!(Playground::new(late).is_err_and(|wrong| wrong.contains("heal")));
    }

    #[test]
    fn too_little_quiet_is_told_as_such() {
        let partitions = vec![Partition { shape: Shape::Thirds, at: Duration::ZERO, lasting: Duration::from_secs(20) }];
        let plan = Plan { partitions, time: Duration::from_secs(21), quiet: Duration::from_secs(1), ..Plan::default() };
        assert_eq!(run(plan).1.healed, Some(false));
    }
}
