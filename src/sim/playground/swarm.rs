//! Faults that follow from the seed: any mixture of them, and each may be missing.

use super::plan::{Partition, Plan, Shape};
use crate::rng::Rng;
use crate::sim::clock::Clock;
use crate::sim::network::{Delay, Weather};
use core::time::Duration;

/// A fault is missing this often.
const OFF: f64 = 0.35;

/// One of some, or none if this fault is missing.
fn pick<T: Copy>(rng: &mut Rng, none: T, some: &[T]) -> T {
    let at = rng.index(some.len());
    if rng.chance(OFF) { none } else { some[at] }
}

/// Up to this rate, or none.
fn up_to(rng: &mut Rng, most: f64) -> f64 {
    pick(rng, 0.0, &[0.2, 0.4, 0.6, 0.8, 1.0]) * most
}

impl Plan {
    /// Draws all faults from the seed, as many as suit the number of nodes. They end when two thirds of the measured
    /// time are over; in the last third the ring is to heal.
    pub fn draw_faults(&mut self) {
        let mut rng = Rng::new(self.seed ^ 0x0005_3A12);
        let (rng, nodes) = (&mut rng, self.nodes as f64);
        let millis = Duration::from_millis;
        let delays = [
            Delay::Between(Duration::from_micros(200), millis(15)),
            Delay::Between(Duration::from_micros(200), millis(60)),
            Delay::Exponential(millis(20)),
            Delay::Exponential(millis(50)),
        ];
        self.weather = Weather {
            loss: pick(rng, 0.0, &[0.005, 0.01, 0.02, 0.05]),
            burst: pick(rng, 0.0, &[0.0002, 0.0005, 0.002]),
            slow: pick(rng, 0.0, &[0.005, 0.01, 0.03]),
            duplicate: pick(rng, 0.0, &[0.02, 0.1]),
            corrupt: pick(rng, 0.0, &[0.002, 0.01]),
            delay: pick(rng, Weather::QUIET.delay, &delays),
            ..Weather::QUIET
        };
        let going = up_to(rng, nodes / 200.0);
        // In a small identifier space nodes join only where a step says so: then none may go either.
        self.departures = if self.bits < 64 { 0.0 } else { going };
        self.joins = self.departures;
        // Fewer than a list is long, and one, are no ring that anything is promised for.
        self.least = self.nodes.min(self.successors + 4);
        self.graceful = pick(rng, 0.0, &[0.2, 0.5, 0.8]);
        self.restarts = pick(rng, 0.0, &[0.3, 0.6, 1.0]);
        self.pauses = up_to(rng, nodes / 400.0);
        self.cuts = up_to(rng, nodes / 300.0);
        self.clocks = Clock {
            offset_us: 0,
            rate_ppm: pick(rng, 0, &[100, 10_000, 20_000]),
            skew_ms: pick(rng, 0, &[50, 1000, 6000]),
        };
        self.quiet = self.time / 3;
        let shape = pick(rng, None, &Shape::ALL.map(|(_, shape)| Some(shape)));
        let (at, lasting) = (rng.between(Duration::ZERO, self.time / 3), rng.between(self.time / 24, self.time / 4));
        self.partitions = shape.map(|shape| Partition { shape, at, lasting }).into_iter().collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::playground::Playground;

    fn drawn(seed: u64) -> Plan {
        let mut plan = Plan { seed, time: Duration::from_secs(60), ..Plan::default() };
        plan.draw_faults();
        plan
    }

    #[test]
    fn every_fault_is_missing_in_some_plans_and_there_in_others_and_all_can_be_carried_out() {
        let plans: Vec<Plan> = (0..200).map(drawn).collect();
        let faults: [fn(&Plan) -> bool; 12] = [
            |plan| plan.weather.loss > 0.0,
            |plan| plan.weather.burst > 0.0,
            |plan| plan.weather.slow > 0.0,
            |plan| plan.weather.duplicate > 0.0,
            |plan| plan.weather.corrupt > 0.0,
            |plan| plan.weather.delay != Weather::QUIET.delay,
            |plan| plan.joins > 0.0 && plan.departures > 0.0,
            |plan| plan.graceful > 0.0,
            |plan| plan.restarts > 0.0,
            |plan| plan.pauses > 0.0,
            |plan| plan.cuts > 0.0,
            |plan| !plan.partitions.is_empty(),
        ];
        for (at, has) in faults.iter().enumerate() {
            let there = plans.iter().filter(|plan| has(plan)).count();
            assert!((80..180).contains(&there), "fault {at} is there {there} times");
        }
        assert!(plans.iter().any(|plan| plan.clocks.skew_ms > 0) && plans.iter().any(|plan| plan.clocks.rate_ppm == 0));
        assert!(plans.iter().all(|plan| plan.check().is_ok() && plan.departures <= 16.0 / 200.0));
    }

    #[test]
    fn the_same_seed_gives_the_same_report_and_another_another() {
        let figures = |seed| {
            let mut run = Playground::new(drawn(seed)).expect("it can be carried out");
            while run.advance(Duration::from_secs(1), &mut |_, _| {}) {}
            format!("{:?}", run.report())
        };
        assert!(figures(3) == figures(3) && figures(3) != figures(4));
    }
}
