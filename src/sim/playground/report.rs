//! What a run amounted to.

use super::{Data, Deeds, Findings, Playground, Results};
use crate::sim::network::Traffic;
use crate::time::Instant;
use core::time::Duration;

/// What the headers of IPv4 and UDP add to each datagram.
const HEADERS: u64 = 20 + 8;

/// The figures of a run. The same plan gives the same figures.
#[derive(Clone, Debug)]
pub struct Report {
    /// Nodes alive at the end.
    pub nodes: usize,
    /// Those of them that have settled.
    pub settled: usize,
    /// The measured part of the run.
    pub measured: Duration,
    /// The time of the world at the end.
    pub now: Instant,
    /// What came of the lookups.
    pub lookups: Results,
    /// What the network did in the measured part.
    pub traffic: Traffic,
    /// Living nodes times time in the measured part, in seconds.
    pub node_seconds: f64,
    /// What was done to the ring.
    pub deeds: Deeds,
    /// What the oracles saw.
    pub findings: Findings,
    /// True if they saw the whole ring after every event.
    pub every_event: bool,
    /// Since when the ring has been ideal; `None` if it is not.
    pub ideal_since: Option<Instant>,
    /// Whether the ring is ideal and all have settled after the quiet that it was given to heal; `None` if it was
    /// given none.
    pub healed: Option<bool>,
    /// How it stands with the keys; `None` if the plan has none.
    pub data: Option<Data>,
    /// Events in the whole run.
    pub events: u64,
}

impl Report {
    pub(super) fn of(run: &Playground) -> Self {
        let now = run.world.now();
        let (alive, before) = (run.population.alive(), run.measure.traffic);
        let all = run.world.network.traffic();
        Self {
            nodes: alive.len(),
            settled: alive.iter().filter(|host| run.world.host(**host).is_ready(now)).count(),
            measured: run.measure.counted.since(run.measure.from),
            now,
            lookups: run.lookups.results().clone(),
            traffic: run.measure.traffic_at_end.unwrap_or(all).since(before),
            node_seconds: run.measure.node_seconds,
            deeds: run.deeds,
            findings: run.watch.findings().clone(),
            every_event: run.watch.sees_every_event(),
            ideal_since: run.watch.ideal_since(),
            healed: run.has_healed(),
            data: run.data(),
            events: run.world.events(),
        }
    }

    /// What a node sent in the measured part, headers included, in bytes a second; zero if nothing was measured.
    pub fn bytes_per_node(&self) -> f64 {
        self.per_node((self.traffic.bytes + HEADERS * self.traffic.sent) as f64)
    }

    /// The datagrams that a node sent in the measured part, a second.
    pub fn datagrams_per_node(&self) -> f64 {
        self.per_node(self.traffic.sent as f64)
    }

    fn per_node(&self, all: f64) -> f64 {
        if self.node_seconds > 0.0 { all / self.node_seconds } else { 0.0 }
    }
}
