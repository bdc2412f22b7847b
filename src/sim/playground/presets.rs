//! Plans with a name: scenes to learn from, and experiments that others published.

use super::plan::{Partition, Plan, Shape, Start};
use super::step::{Deed, Step};
use crate::sim::network::{Delay, Weather};
use core::time::Duration;

/// A plan with a name.
#[derive(Clone, Copy, Debug)]
pub struct Preset {
    /// Its name.
    pub name: &'static str,
    /// What it shows, in a line.
    pub about: &'static str,
    /// The plan.
    pub plan: fn() -> Plan,
}

impl Preset {
    /// The one of this name.
    pub fn named(name: &str) -> Option<&'static Self> {
        Self::ALL.iter().find(|preset| preset.name == name)
    }

    /// All.
    pub const ALL: [Self; 9] = [
        Self { name: "three-bit", about: "the ring of nodes 0, 1 and 3 of the Chord paper", plan: three_bit },
        Self { name: "join", about: "node 6 joins the ring of nodes 0, 1 and 3", plan: join },
        Self { name: "crash", about: "a node of six dies, and the ring closes", plan: crash },
        Self { name: "loop", about: "sixteen nodes whose ring goes round twice find out, and heal", plan: wound },
        Self {
            name: "partition",
            about: "two halves of sixteen nodes part for a minute, and meet again",
            plan: parted,
        },
        Self { name: "chord-failures", about: "half of 1,000 nodes die at once, then 10,000 lookups", plan: failures },
        Self { name: "chord-churn", about: "1,000 nodes, 0.40 joins and departures a second", plan: churn },
        Self { name: "chord-churn-fast", about: "1,000 nodes, 4 joins and departures a second", plan: churn_fast },
        Self { name: "bamboo", about: "1,000 nodes that stay for 1.4 minutes in the median", plan: bamboo },
    ];
}

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn step(at: u64, deed: Deed) -> Step {
    Step { at: seconds(at), deed }
}

/// A small ring with these positions, and what happens to it.
fn scene(bits: u32, ids: &[u128], time: u64, steps: Vec<Step>) -> Plan {
    Plan {
        nodes: ids.len(),
        bits,
        ids: ids.to_vec(),
        successors: 3,
        time: seconds(time),
        lookups: 0.0,
        steps,
        ..Plan::default()
    }
}

fn three_bit() -> Plan {
    scene(3, &[0, 1, 3], 5, vec![step(1, Deed::Lookup { from: Some(3), key: 1 })])
}

fn join() -> Plan {
    let lookup = Deed::Lookup { from: Some(1), key: 5 };
    scene(3, &[0, 1, 3], 30, vec![step(1, Deed::Join(6)), step(25, lookup)])
}

fn crash() -> Plan {
    let lookup = Deed::Lookup { from: Some(11), key: 4 };
    scene(4, &[0, 3, 5, 8, 11, 14], 30, vec![step(1, Deed::Crash(5)), step(25, lookup)])
}

fn wound() -> Plan {
    Plan { start: Start::Wound(2), time: seconds(120), lookups: 0.0, ..Plan::default() }
}

fn parted() -> Plan {
    let partition = Partition { shape: Shape::Halves, at: seconds(5), lasting: seconds(60) };
    Plan { partitions: vec![partition], time: seconds(180), lookups: 0.0, ..Plan::default() }
}

/// Delays as in the published experiments: 50 ms in the mean.
const fn wide() -> Weather {
    Weather { delay: Delay::Exponential(Duration::from_millis(50)), ..Weather::QUIET }
}

fn failures() -> Plan {
    Plan {
        nodes: 1000,
        successors: 20,
        kill: 0.5,
        lookups: 10_000.0,
        time: seconds(1),
        weather: wide(),
        ..Plan::default()
    }
}

fn churning(rate: f64) -> Plan {
    Plan {
        nodes: 1000,
        successors: 20,
        joins: rate,
        departures: rate,
        warm_up: seconds(300),
        time: seconds(10_000),
        lookups: 1.0,
        weather: wide(),
        ..Plan::default()
    }
}

fn churn() -> Plan {
    churning(0.4)
}

fn churn_fast() -> Plan {
    churning(4.0)
}

fn bamboo() -> Plan {
    let rate = Plan::rate_of_session(1000, seconds(84));
    let time = seconds(600);
    // Nobody who died comes back, and nothing is cut: who lost three in a row need not wait for them.
    let reopen_after = Some(seconds(5));
    let lookups = 1000.0 * 10.0 / 600.0;
    Plan { successors: 8, lookups, time, warm_up: seconds(300), reopen_after, ..churning(rate) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::playground::Playground;

    #[test]
    fn every_scene_ends_with_an_ideal_ring_and_no_violation() {
        for preset in &Preset::ALL[..5] {
            let plan = (preset.plan)();
            let asks = plan.steps.iter().any(|step| matches!(step.deed, Deed::Lookup { .. }));
            let mut run = Playground::new(plan).expect("a preset can be carried out");
            while run.advance(seconds(1), &mut |_, _| {}) {}
            let report = run.report();
            assert_eq!(report.findings.total(), 0, "{}: {:?}", preset.name, report.findings);
            assert!(report.ideal_since.is_some(), "{} does not heal", preset.name);
            assert_eq!(report.settled, report.nodes, "{}", preset.name);
            assert_eq!(report.lookups.right, u64::from(asks), "{}: {:?}", preset.name, report.lookups);
            assert_eq!(run.trace().is_some(), asks);
        }
    }

    #[test]
    fn a_loop_is_a_loop_before_it_heals() {
        let mut run = Playground::new(wound()).expect("a preset can be carried out");
        while run.advance(seconds(1), &mut |_, _| {}) {}
        let findings = run.report().findings;
        assert!(findings.excused[4] > 0, "no cycle went round twice: {findings:?}");
    }

    #[test]
    fn the_same_plan_gives_the_same_figures() {
        let figures = || {
            let plan = Plan { nodes: 50, time: seconds(20), lookups: 20.0, ..churning(0.5) };
            let mut run = Playground::new(Plan { warm_up: seconds(5), ..plan }).expect("it can be carried out");
            while run.advance(seconds(1), &mut |_, _| {}) {}
            format!("{:?}", run.report())
        };
        assert_eq!(figures(), figures());
    }
}
