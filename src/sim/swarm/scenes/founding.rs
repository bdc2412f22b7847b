//! Nodes with the same seeds, themselves included, start together or some seconds apart, and found one ring. On a calm
//! network the seeds are ready as soon as the last of them has started: none waits for a round of questions, or for
//! seconds to pass.

use super::{Config, Duration, Instant, Profile, Rng, Rules, Scene, Swarm, profile};
use crate::sim::network::{Delay, Weather};
use crate::sim::oracle::{self, Ring};

#[derive(Default)]
struct Founding {
    rings: usize,
    calm: bool,
    last_start: Option<Instant>,
    were_ready: bool,
    rests: bool,
}

/// Two to seven nodes, all of which are seeds, and in some runs up to three more that are none. In one run of three
/// datagrams are slow and some are lost: then only the number of rings counts.
pub fn stage(seed: u64) -> Swarm {
    let mut rng = Rng::new(seed ^ 0x00F0_C4DE);
    let founders = 2 + rng.index(6);
    let calm = rng.chance(0.67);
    let weather = if calm {
        Weather { delay: Delay::Between(Duration::from_micros(15), Duration::from_micros(500)), ..Weather::QUIET }
    } else {
        let longest = Duration::from_millis([5, 50, 200][rng.index(3)]);
        let delay = Delay::Between(Duration::from_millis(1), longest);
        Weather { delay, loss: [0.0, 0.02, 0.1][rng.index(3)], duplicate: 0.05, ..Weather::QUIET }
    };
    let nodes = founders + if rng.chance(0.3) { 1 + rng.index(3) } else { 0 };
    let profile = Profile {
        founders,
        starts: Duration::from_millis([0, 50, 1000, 3000, 4200, 5000][rng.index(6)]),
        weather,
        lateness: Duration::from_micros(200),
        ..profile(nodes, 8, &mut rng)
    };
    let rules = Rules { run_min: Duration::ZERO, ..Rules::default() };
    let scene = Founding { calm, ..Founding::default() };
    Swarm::staged(seed, profile, Config::default(), rules, Box::new(scene))
}

impl Scene for Founding {
    fn created(&mut self, run: &mut Swarm, host: usize) {
        self.rings += 1;
        if self.rings > 1 {
            run.fail(&format!("{host} has created a second ring"));
        }
    }

    fn has_formed(&mut self, run: &mut Swarm) -> bool {
        let now = run.world.now();
        let seeds = &run.world.hosts()[..run.profile.founders];
        if seeds.iter().any(|host| host.lives() == 0) {
            return false;
        }
        let last_start = *self.last_start.get_or_insert(now);
        let ready = seeds.iter().all(|host| host.is_ready(now));
        // Those that waited for the last one for four seconds have founded their ring without it.
        let in_time = self.calm && run.profile.starts < Duration::from_secs(4);
        if ready && !core::mem::replace(&mut self.were_ready, true) && in_time {
            let name = format!("s from the last start until {} seeds are ready", run.profile.founders);
            run.figure(&name, now.since(last_start).as_secs_f64());
        }
        let all = run.world.members().count() == run.profile.nodes;
        ready && all && oracle::is_ideal(&Ring::of(&run.world), run.profile.successors)
    }

    fn step(&mut self, run: &mut Swarm) -> Option<Duration> {
        // What is judged now is a ring at rest, so the network is calm from here on.
        run.world.network.weather = Weather::QUIET;
        (!core::mem::replace(&mut self.rests, true)).then_some(Duration::from_secs(3))
    }
}
