//! Eight nodes leave one after another, now and then two neighbours at once, until one is left; then all come back.
//! Nobody who asks a node that stays may notice.

use super::{Config, Duration, Profile, Rng, Rules, Scene, Swarm, profile};
use crate::node::Reply;
use crate::sim::network::Weather;
use crate::time::Instant;
use std::collections::{BTreeMap, BTreeSet};

struct Leaves {
    rng: Rng,
    /// Who is on its way out.
    leaving: BTreeSet<usize>,
    /// Since when a node stays: the whole time, or since it was first ready after it came back.
    stays: BTreeMap<usize, Instant>,
    growing: bool,
}

const NODES: usize = 8;

/// All of it on a quiet network.
pub fn stage(seed: u64) -> Swarm {
    let mut rng = Rng::new(seed ^ 0x001E_A7E5);
    let calm = profile(NODES, 8, &mut rng);
    let profile = Profile { weather: Weather::QUIET, think: Duration::from_millis(300), clients: 6, keys: 12, ..calm };
    let rules = Rules { run_min: Duration::ZERO, ..Rules::default() };
    let scene = Leaves { rng, leaving: BTreeSet::new(), stays: BTreeMap::new(), growing: false };
    Swarm::staged(seed, profile, Config::default(), rules, Box::new(scene))
}

impl Scene for Leaves {
    fn step(&mut self, run: &mut Swarm) -> Option<Duration> {
        let now = run.world.now();
        for host in 0..NODES {
            if run.world.host(host).is_ready(now) && !self.leaving.contains(&host) {
                self.stays.entry(host).or_insert(now);
            }
        }
        run.chaos.bound.review(&run.world, run.clients.keys());
        let order = run.ring_order();
        if !self.growing && order.len() > 1 {
            if self.leaving.is_empty() {
                let at = self.rng.index(order.len());
                let two = order.len() > 2 && self.rng.chance(0.4);
                for step in 0..=usize::from(two) {
                    let host = order[(at + step) % order.len()];
                    self.leaving.insert(host);
                    self.stays.remove(&host);
                    run.chaos.bound.disturb(host, now + Duration::from_secs(1));
                    run.world.leave(host);
                }
            }
            return Some(self.rng.between(Duration::from_millis(500), Duration::from_secs(6)));
        }
        self.growing = true;
        let gone = (0..NODES).find(|&host| run.world.host(host).node().is_none());
        let joining = self.stays.len() < order.len();
        match gone.filter(|_| !joining || self.rng.chance(0.3)) {
            Some(host) => run.start(host),
            None if gone.is_none() && !joining => return None,
            None => {}
        }
        Some(self.rng.between(Duration::from_millis(500), Duration::from_secs(3)))
    }

    fn replied(&mut self, run: &mut Swarm, tag: u64, reply: Option<&Reply>) {
        let Some((host, asked)) = run.clients.asked_first(tag) else { return };
        let stays = self.stays.get(&host).is_some_and(|&since| since <= asked);
        if stays && matches!(reply, Some(Reply::Unavailable(_) | Reply::Unknown { .. }) | None) {
            run.fail(&format!("{host} stays, and was asked at {asked}: {reply:?}"));
        }
    }

    fn left(&mut self, run: &mut Swarm, host: usize, handed_over: bool) {
        self.leaving.remove(&host);
        run.figure("leavers", 1.0);
        if !handed_over {
            run.fail(&format!("{host} has left and did not hand over"));
        }
    }

    fn healed(&mut self, run: &mut Swarm, after: Duration) {
        run.figure("s until the ring is whole after the last has come back", after.as_secs_f64());
    }
}
