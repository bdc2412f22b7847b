//! Many nodes start at one moment, on one machine: datagrams take less than a clock's millisecond, and joiners meet at
//! one place.

use super::{Config, Duration, Instant, Profile, Rng, Rules, Scene, Swarm, profile};
use crate::sim::network::{Delay, Weather};
use crate::sim::oracle::{self, Ring};

#[derive(Default)]
struct Rush {
    one_ring: Option<Instant>,
}

/// Four to sixteen nodes.
pub fn stage(seed: u64) -> Swarm {
    let mut rng = Rng::new(seed ^ 0x0000_2054);
    let delay = Delay::Between(Duration::from_micros(15), Duration::from_micros(80));
    let profile = Profile {
        starts: Duration::from_millis([0, 5, 50, 500][rng.index(4)]),
        weather: Weather { delay, ..Weather::QUIET },
        lateness: Duration::from_micros(200),
        ..profile(4 + rng.index(13), 8, &mut rng)
    };
    let rules = Rules { run_min: Duration::ZERO, ..Rules::default() };
    Swarm::staged(seed, profile, Config::default(), rules, Box::new(Rush::default()))
}

impl Scene for Rush {
    fn has_formed(&mut self, run: &mut Swarm) -> bool {
        let now = run.world.now();
        let all = run.world.members().count() == run.profile.nodes;
        if self.one_ring.is_none() && all && oracle::is_ideal(&Ring::of(&run.world), run.profile.successors) {
            self.one_ring = Some(now);
            run.figure("s until there is one ring", now.since(Instant::ZERO).as_secs_f64());
        }
        let ready = run.world.hosts().iter().all(|host| host.is_ready(now));
        if ready && self.one_ring.is_some() {
            run.figure("s until all are ready", now.since(Instant::ZERO).as_secs_f64());
        }
        ready && self.one_ring.is_some()
    }

    fn step(&mut self, _run: &mut Swarm) -> Option<Duration> {
        None
    }
}
