//! One to three pairs of nodes, neighbours or not, never hear each other, though all others hear both.

use super::{Config, Duration, Rng, Rules, Scene, Swarm, list_length, profile};
use crate::sim::log::Detail;
use crate::time::Instant;

struct Pairs {
    pairs: usize,
    lasts: Duration,
    rng: Rng,
    begun: Option<Instant>,
    /// Looks at a sampled id, and those that found nobody who answers for it.
    looks: u64,
    unspoken: u64,
    neighbours: usize,
}

const LOOK: Duration = Duration::from_millis(200);

/// For 60 to 90 seconds.
pub fn stage(seed: u64) -> Swarm {
    let mut rng = Rng::new(seed ^ 0x0000_9A12);
    let nodes = 8 + rng.index(9);
    let profile = profile(nodes, list_length(nodes, &mut rng), &mut rng);
    let rules = Rules { run_min: Duration::ZERO, ..Rules::default() };
    let lasts = rng.between(Duration::from_secs(60), Duration::from_secs(90));
    let pairs = 1 + seed as usize % 3;
    let scene = Pairs { pairs, lasts, rng, begun: None, looks: 0, unspoken: 0, neighbours: 0 };
    Swarm::staged(seed, profile, Config::default(), rules, Box::new(scene))
}

impl Scene for Pairs {
    fn step(&mut self, run: &mut Swarm) -> Option<Duration> {
        let now = run.world.now();
        let Some(begun) = self.begun else {
            self.begun = Some(now);
            let order = run.ring_order();
            for _ in 0..self.pairs {
                let at = self.rng.index(order.len());
                let away = if self.rng.chance(0.5) { 1 } else { 1 + self.rng.index(order.len() - 1) };
                self.neighbours += usize::from(away == 1 || away == order.len() - 1);
                let (a, b) = (order[at], order[(at + away) % order.len()]);
                run.world.network.cut(a, b, Instant::FAR);
                run.world.network.cut(b, a, Instant::FAR);
                run.world.log.tell(Detail::Lives, now, format_args!("{a} and {b} never hear each other"));
            }
            return Some(LOOK);
        };
        let hosts = run.world.hosts();
        let spoken = |id| hosts.iter().any(|host| host.is_settled_for(now, id));
        self.looks += run.speakers.ids().len() as u64;
        self.unspoken += run.speakers.ids().iter().filter(|&&id| !spoken(id)).count() as u64;
        if now.since(begun) < self.lasts {
            return Some(LOOK);
        }
        let share = 100.0 * self.unspoken as f64 / self.looks as f64;
        let name = format!("% of ids and time without a speaker, {} of the pairs neighbours", self.neighbours);
        run.figure(&name, share);
        None
    }

    fn healed(&mut self, run: &mut Swarm, after: Duration) {
        run.figure("s to heal", after.as_secs_f64());
    }
}
