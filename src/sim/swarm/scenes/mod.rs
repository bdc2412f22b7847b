//! Scenes: rings that are cut in parts, that formed apart, that wind twice; pairs that cannot talk; nodes that leave
//! one after another, or several at once; many that join at one moment; seeds that found one ring; an attacker; an
//! owner that dies with what it has just told, or just taken; a node of another ring that goes past the living; an
//! outage of all while two are cut off; values that end while their owner is off, or while nobody asks; many that write
//! one key; stores that fill with tombstones, or have no room when a node dies. Most are beyond the bound that the
//! promises hold within; then what both sides wrote must meet.

pub mod apart;
pub mod astray;
pub mod cramped;
pub mod deletes;
pub mod exodus;
pub mod founding;
pub mod halves;
pub mod hostile;
pub mod lapse;
pub mod leaves;
pub mod lives;
pub mod moves;
pub mod outage;
pub mod pairs;
pub mod queue;
pub mod rush;
pub mod split;
pub mod strays;
pub mod sweep;

mod asks;

#[cfg(test)]
mod winding;

use super::{Plan, Rules, Scene, Swarm};
use crate::config::Config;
use crate::id::Id;
use crate::rng::Rng;
use crate::sim::chaos::Profile;
use crate::sim::clock::{Clock, WRONG_WALLS};
use crate::sim::log::Detail;
use crate::sim::network::Weather;
use crate::time::Instant;
use core::time::Duration;
use std::collections::BTreeSet;

/// A run that is ready to begin.
pub type Stage = fn(u64) -> Swarm;

/// The clients' wishes and the network of a scene; the rest is up to it.
fn profile(nodes: usize, successors: usize, rng: &mut Rng) -> Profile {
    let loss = if rng.chance(0.3) { 0.01 } else { 0.0 };
    Profile {
        successors,
        clients: 4,
        think: Duration::from_millis(600),
        weather: Weather { loss, ..Weather::QUIET },
        lateness: Duration::from_millis(1),
        clocks: Clock { offset_us: 3_000_000, rate_ppm: 100, skew_ms: 50 },
        ..Profile::quiet(nodes, 0.0, Duration::MAX)
    }
}

/// The length of the successor lists for so many nodes: 3 where that is enough, in half of the cases.
fn list_length(nodes: usize, rng: &mut Rng) -> usize {
    if nodes >= 12 && rng.chance(0.5) { 3 } else { 8 }
}

impl Swarm {
    /// The members in ring order.
    fn ring_order(&self) -> Vec<usize> {
        let mut hosts: Vec<usize> = self.world.members().map(|(host, _)| host).collect();
        hosts.sort_by_key(|&host| self.world.host(host).id());
        hosts
    }

    /// A process ends, with its memory. Its machine stays down as long as the scene lasts.
    fn kill(&mut self, host: usize) {
        self.chaos.bound.disturb(host, Instant::FAR);
        self.forget(host);
        if let Some(counters) = self.world.crash(host) {
            self.tally.add_counters(&counters);
        }
        self.count_hurt();
    }

    /// Somebody's wall clock jumps, or is corrected.
    fn jump(&mut self, rng: &mut Rng) {
        let (host, wrong) = (rng.index(self.world.hosts().len()), rng.index(WRONG_WALLS.len() + 1));
        self.world.set_wall_clock(host, WRONG_WALLS.get(wrong).copied().unwrap_or(0));
    }

    /// The machines whose nodes answer now.
    fn ready(&self) -> Vec<usize> {
        let hosts = self.world.hosts().iter().enumerate();
        hosts.filter(|(_, host)| host.is_ready(self.world.now())).map(|(number, _)| number).collect()
    }

    /// The machine whose node answers for an id now.
    fn speaker_for(&self, id: Id) -> Option<usize> {
        let now = self.world.now();
        (0..self.world.hosts().len()).find(|&host| self.world.host(host).is_settled_for(now, id))
    }

    /// Cuts these off from all others until the scene ends.
    fn cut_off(&mut self, hosts: &[usize]) {
        self.world.network.isolate(hosts.iter().copied().collect::<BTreeSet<_>>(), Instant::FAR);
        self.world.log.tell(Detail::Lives, self.world.now(), format_args!("{hosts:?} cut off"));
    }
}
