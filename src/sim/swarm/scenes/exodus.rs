//! One to five of eight nodes are told to leave at one moment, in half of the rounds neighbours in a row: every
//! acknowledged key goes to those who stay, within the time for leaving, and each leaver says that it was handed over.
//! Then the leavers come back, and the next round begins.

use super::{Config, Duration, Instant, Profile, Rng, Rules, Scene, Swarm, profile};
use crate::sim::network::{Delay, Weather};
use std::collections::BTreeMap;

struct Exodus {
    rng: Rng,
    rounds: usize,
    /// Since when those on their way out leave.
    leaving: BTreeMap<usize, Instant>,
    /// Those that are to come back.
    gone: Vec<usize>,
}

const NODES: usize = 8;
const ROUNDS: usize = 4;

/// On a calm network; in one run of three a datagram in fifty is lost.
pub fn stage(seed: u64) -> Swarm {
    let mut rng = Rng::new(seed ^ 0x000E_80D5);
    let loss = if rng.chance(0.33) { 0.02 } else { 0.0 };
    let delay = Delay::Between(Duration::from_micros(50), Duration::from_millis([1, 5, 30][rng.index(3)]));
    let calm = profile(NODES, 8, &mut rng);
    let profile = Profile {
        weather: Weather { delay, loss, ..Weather::QUIET },
        think: Duration::from_millis(60),
        clients: 8,
        keys: 60,
        ..calm
    };
    let rules = Rules { run_min: Duration::ZERO, ..Rules::default() };
    let scene = Exodus { rng, rounds: 0, leaving: BTreeMap::new(), gone: Vec::new() };
    Swarm::staged(seed, profile, Config::default(), rules, Box::new(scene))
}

impl Exodus {
    /// Chooses those that leave together.
    fn choose(&mut self, run: &Swarm) -> Vec<usize> {
        let mut order = run.ring_order();
        let count = 1 + self.rng.index(5);
        if self.rng.chance(0.5) {
            let at = self.rng.index(order.len());
            order.rotate_left(at);
        } else {
            for at in 0..count {
                let other = at + self.rng.index(order.len() - at);
                order.swap(at, other);
            }
        }
        order.truncate(count);
        order
    }
}

impl Scene for Exodus {
    fn step(&mut self, run: &mut Swarm) -> Option<Duration> {
        let now = run.world.now();
        run.chaos.bound.review(&run.world, run.clients.keys());
        let back = (0..NODES).all(|host| run.world.host(host).is_ready(now));
        if self.leaving.is_empty() {
            if let Some(host) = self.gone.pop() {
                run.start(host);
            } else if back && self.rounds == ROUNDS {
                return None;
            } else if back {
                self.rounds += 1;
                for host in self.choose(run) {
                    self.leaving.insert(host, now);
                    run.chaos.bound.disturb(host, now + Duration::from_secs(1));
                    run.world.leave(host);
                }
            }
        }
        Some(self.rng.between(Duration::from_millis(100), Duration::from_secs(4)))
    }

    fn left(&mut self, run: &mut Swarm, host: usize, handed_over: bool) {
        let Some(since) = self.leaving.remove(&host) else { return };
        self.gone.push(host);
        run.figure("s until a leaver was gone", run.world.now().since(since).as_secs_f64());
        if !handed_over {
            run.fail(&format!("{host} has left and did not hand over"));
        }
        // Those that stay, and those that are about to leave, hold what this one held.
        let keys = run.clients.keys();
        let lost: Vec<usize> = (0..keys.len()).filter(|&key| keys.holders(&run.world, key) == 0).collect();
        if !lost.is_empty() {
            run.fail(&format!("{host} has left, and of keys {lost:?} there is no copy"));
        }
        if self.leaving.is_empty() {
            let copies = run.world.members().count().min(3);
            let keys = run.clients.keys();
            let short = (0..keys.len()).filter(|&key| keys.holders(&run.world, key) < copies).count();
            run.figure("keys with a copy too few when the last leaver was gone", short as f64);
        }
    }
}
