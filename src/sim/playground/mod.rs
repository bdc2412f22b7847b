//! The playground: a ring of any size that does what a [`Plan`] says, watched by all oracles.

mod cue;
mod data;
mod faults;
mod keys;
mod lookups;
mod plan;
mod population;
mod presets;
mod report;
mod run;
mod step;
mod swarm;
mod watch;

pub use cue::Cue;
pub use data::Data;
pub use lookups::{ANSWER_MAX, Results};
pub use plan::{NODES_MAX, PPM_MAX, Partition, Plan, Shape, Start};
pub use presets::Preset;
pub use report::Report;
pub use step::{Deed, Step};
pub use watch::{EVERY_EVENT_MAX, Findings, SAMPLING, Violation};

use super::network::Traffic;
use super::world::World;
use crate::config::Config;
use crate::id::Id;
use crate::node::Hop;
use crate::rng::Rng;
use crate::time::Instant;
use crate::wire::Peer;
use core::time::Duration;
use lookups::Lookups;
use population::Population;
use watch::Watch;

/// Ids that are watched for who answers for them.
const SAMPLES: usize = 128;

/// A lookup that a step asked for, and its answer.
#[derive(Clone, Debug)]
pub struct Trace {
    /// The machine of the node that asked.
    pub from: usize,
    /// What for.
    pub key: Id,
    /// The owner.
    pub owner: Peer,
    /// The nodes asked, in order.
    pub path: Vec<Hop>,
}

/// What the run has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Nodes join one after the other; the last of them at this moment.
    Forming(Instant),
    /// Keys are written, and nothing disturbs that; the last of them at this moment.
    Filling(Instant),
    /// All disturbances are on, nothing is measured.
    WarmUp,
    /// Until then it is measured.
    Measured(Instant),
    /// Nothing new is asked, and answers are waited for.
    Draining(Instant),
    /// It is over.
    Done,
}

/// What had happened when the measurement began, and what since.
#[derive(Clone, Copy, Debug)]
struct Measure {
    from: Instant,
    traffic: Traffic,
    /// What it had done when the measurement ended.
    traffic_at_end: Option<Traffic>,
    /// Living nodes times time, in seconds, up to the moment after it.
    node_seconds: f64,
    counted: Instant,
}

/// What was done to the ring in the course of the run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Deeds {
    /// Nodes that joined.
    pub joins: u64,
    /// Nodes that crashed.
    pub crashes: u64,
    /// Nodes that were told to leave.
    pub leaves: u64,
    /// Nodes that crashed and came back.
    pub restarts: u64,
    /// Nodes that were stopped for a while.
    pub pauses: u64,
    /// Pairs of nodes that could not talk for a while.
    pub cuts: u64,
    /// Partitions.
    pub partitions: u64,
}

/// A run under way.
pub struct Playground {
    plan: Plan,
    world: World,
    rng: Rng,
    population: Population,
    lookups: Lookups,
    watch: Watch,
    phase: Phase,
    measure: Measure,
    /// Machines that have yet to join, the next one last.
    waiting: Vec<usize>,
    due: Vec<run::Due>,
    traced: Option<(u64, usize, Id)>,
    trace: Option<Trace>,
    deeds: Deeds,
    faults: faults::Faults,
    keys: keys::Keys,
    repairs: data::Repairs,
}

impl Playground {
    /// Sets the ring up.
    ///
    /// # Errors
    /// Why the plan cannot be carried out, in words.
    pub fn new(plan: Plan) -> Result<Self, String> {
        plan.check()?;
        let mut rng = Rng::new(plan.seed);
        let (successors, reopen_after, halves) = (plan.successors, plan.reopen_after, !plan.plain_fingers);
        let config = Config { successors, reopen_after, halves, deadline: ANSWER_MAX, ..Config::default() };
        let mut world = World::new(rng.next_u64(), config);
        world.network.weather = plan.weather;
        let mut population = Population::new(rng.fork(), plan.clocks, Rng::new(plan.seed ^ 0xC10C));
        let positions = population.positions(&plan);
        for at in 0..plan.nodes {
            population.add_machine(&mut world, positions.get(at).copied());
        }
        let some = world.hosts().iter().map(super::host::Host::id).take(SAMPLES / 2);
        let mut samples: Vec<Id> = some.collect();
        samples.extend((samples.len()..SAMPLES).map(|_| plan.random_position(&mut rng)));
        let now = Instant::ZERO;
        let measure =
            Measure { from: now, traffic: Traffic::default(), traffic_at_end: None, node_seconds: 0.0, counted: now };
        let mut it = Self {
            watch: Watch::new(plan.nodes, plan.successors, samples),
            lookups: Lookups::default(),
            phase: Phase::Forming(now),
            measure,
            waiting: Vec::new(),
            due: Vec::new(),
            traced: None,
            trace: None,
            deeds: Deeds::default(),
            faults: faults::Faults::new(plan.seed),
            keys: keys::Keys::new(plan.seed, plan.keys),
            repairs: data::Repairs::default(),
            rng,
            population,
            world,
            plan,
        };
        it.begin();
        Ok(it)
    }

    /// The world, to be drawn or asked.
    pub const fn world(&self) -> &World {
        &self.world
    }

    /// The same, to be listened to.
    pub const fn world_mut(&mut self) -> &mut World {
        &mut self.world
    }

    /// What it was asked to do.
    pub const fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The last lookup that a step asked for, if it was answered.
    pub const fn trace(&self) -> Option<&Trace> {
        self.trace.as_ref()
    }

    /// How much of the run is over, from 0 to 1, as far as that is known beforehand.
    pub fn progress(&self) -> f64 {
        let all = self.plan.warm_up + self.plan.time;
        let done = match self.phase {
            Phase::Forming(_) | Phase::Filling(_) => Duration::ZERO,
            Phase::WarmUp => self.plan.warm_up.saturating_sub(self.measure.from.since(self.world.now())),
            Phase::Measured(end) => all.saturating_sub(end.since(self.world.now())),
            Phase::Draining(_) | Phase::Done => all,
        };
        if all.is_zero() { 1.0 } else { done.as_secs_f64() / all.as_secs_f64() }
    }

    /// What it amounts to so far. Where there are keys all stores are walked.
    pub fn report(&self) -> Report {
        Report::of(self)
    }
}
