//! A node of a ring that formed apart zips its way back along this one, from predecessor to predecessor, just when a
//! node dies: it comes to the next one beyond, whose predecessor nobody hears any more, and those between live.

use super::{Config, Duration, Rng, Rules, Scene, Swarm, list_length, profile};
use crate::node::Node;
use crate::wire::Peer;

/// What comes next.
#[derive(Clone, Copy, Debug)]
enum Stage {
    Death,
    Way,
    End,
}

struct Astray {
    rng: Rng,
    stage: Stage,
    /// The ring, from the one whose predecessor dies on.
    order: Vec<Peer>,
}

/// Whoever notices the death soonest asks three times before, and another node last.
const NOTICED: Duration = Duration::from_millis(1500);
/// Twice as long as a claim waits for those who live, and longer.
const REST: Duration = Duration::from_secs(12);

/// 9 to 16 nodes, of which one dies, or two neighbours: the promises hold.
pub fn stage(seed: u64) -> Swarm {
    let mut rng = Rng::new(seed ^ 0x00A5_74A1);
    let nodes = 9 + rng.index(8);
    let profile = profile(nodes, list_length(nodes, &mut rng), &mut rng);
    let rules = Rules { run_min: Duration::ZERO, ..Rules::default() };
    Swarm::staged(seed, profile, Config::default(), rules, Box::new(Astray { rng, stage: Stage::Death, order: vec![] }))
}

impl Scene for Astray {
    fn step(&mut self, run: &mut Swarm) -> Option<Duration> {
        match self.stage {
            Stage::Death => {
                let mut order = run.ring_order();
                let n = order.len();
                order.rotate_left(self.rng.index(n));
                self.order = order.iter().filter_map(|host| run.world.host(*host).node().map(Node::me)).collect();
                run.kill(order[n - 1]);
                if self.rng.chance(0.5) {
                    run.kill(order[n - 2]);
                }
                self.stage = Stage::Way;
                Some(self.rng.between(Duration::ZERO, NOTICED))
            }
            Stage::Way => {
                // At least two live between the stray and the dead.
                let stray = self.rng.index(self.order.len() - 7) + 3;
                // It may have come as far as the dead one while that lived.
                let last = self.order.last().filter(|_| self.rng.chance(0.5));
                let list: Vec<Peer> = last.iter().copied().chain(&self.order[..stray]).copied().collect();
                // Its list skips those who live.
                run.wronged();
                if let Some(host) = run.world.host_at(self.order[stray].addr()) {
                    run.world.lead_astray(host, &list);
                }
                self.stage = Stage::End;
                Some(REST)
            }
            Stage::End => None,
        }
    }
}
