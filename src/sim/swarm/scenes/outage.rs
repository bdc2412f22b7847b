//! A stretch of the ring shrinks to its two ends, one node after another; the ends are cut off, and then the power
//! fails everywhere. All come back with it, and those that had gone before stand between the ends again. What they
//! saved is of an older ring: they await nobody once they have seen the ends, which await others.

use super::{Config, Duration, Plan, Profile, Rng, Rules, Scene, Swarm, list_length, profile};
use crate::time::Instant;

/// What comes next.
#[derive(Clone, Copy, Debug)]
enum Stage {
    Going,
    Cut,
    Outage,
    Death,
    End,
}

struct Outage {
    rng: Rng,
    stage: Stage,
    going: Vec<usize>,
    gone: Vec<usize>,
    ends: Vec<usize>,
    /// One that has never been on the ring.
    newcomer: usize,
}

/// The others have settled without one that has gone.
const SETTLED: Duration = Duration::from_secs(8);
/// Those who are cut off, and those who are not, have found out by then.
const NOTICED: Duration = Duration::from_secs(12);
/// The last has its power back, and has asked around.
const BACK: Duration = Duration::from_secs(16);

/// 9 to 14 nodes, of which one to three go before and two that stay are cut off: no id may have two speakers.
pub fn stage(seed: u64) -> Swarm {
    let mut rng = Rng::new(seed ^ 0x0007_A6E5);
    let nodes = 9 + rng.index(6);
    let profile = Profile { disks: true, spares: 1, ..profile(nodes, list_length(nodes, &mut rng), &mut rng) };
    let rules = Rules { run_min: Duration::ZERO, ..Rules::default() };
    let scene = Outage { rng, stage: Stage::Going, going: vec![], gone: vec![], ends: vec![], newcomer: nodes };
    Swarm::staged(seed, profile, Config::default(), rules, Box::new(scene))
}

impl Outage {
    fn choose(&mut self, run: &Swarm) {
        let mut order = run.ring_order();
        let n = order.len();
        order.rotate_left(self.rng.index(n));
        order.truncate(3 + self.rng.index(3));
        if self.rng.chance(0.2) {
            // The ends are neighbours then, and those that go stand on one side of them.
            order.rotate_left(1);
        }
        self.ends = vec![order[0], order[order.len() - 1]];
        self.going = order[1..order.len() - 1].to_vec();
        if self.rng.chance(0.5) {
            self.going.reverse();
        }
    }

    fn go(&mut self, run: &mut Swarm, host: usize) {
        self.gone.push(host);
        run.chaos.bound.disturb(host, run.world.now() + SETTLED);
        if self.rng.chance(0.5) {
            run.world.leave(host);
        } else {
            run.forget(host);
            run.world.crash(host);
        }
    }

    /// The ends hear of none but each other and those that have gone; which most of the time are cut off with them.
    fn cut(&mut self, run: &mut Swarm) {
        let with_gone = self.rng.chance(0.7);
        let rest: Vec<usize> = run.ring_order().into_iter().filter(|host| !self.ends.contains(host)).collect();
        for &host in self.ends.iter().chain(self.gone.iter().filter(|_| with_gone)) {
            run.chaos.bound.disturb(host, Instant::FAR);
            for &other in &rest {
                run.world.network.cut(host, other, Instant::FAR);
                run.world.network.cut(other, host, Instant::FAR);
            }
        }
    }
}

impl Scene for Outage {
    fn step(&mut self, run: &mut Swarm) -> Option<Duration> {
        match self.stage {
            Stage::Going => {
                if self.ends.is_empty() {
                    self.choose(run);
                }
                match self.going.pop() {
                    Some(host) => self.go(run, host),
                    None => self.stage = Stage::Cut,
                }
                Some(SETTLED)
            }
            Stage::Cut => {
                self.cut(run);
                self.stage = Stage::Outage;
                Some(self.rng.between(Duration::ZERO, NOTICED))
            }
            Stage::Outage => {
                run.black_out();
                // One may be gone for good.
                if let Some(retired) = self.gone.first().filter(|_| self.rng.chance(0.3)) {
                    run.plans.retain(|_, plan| !matches!(plan, Plan::Start { host } if host == retired));
                }
                self.stage = Stage::Death;
                Some(self.rng.between(BACK / 4, BACK))
            }
            Stage::Death => {
                if self.rng.chance(0.8) {
                    run.kill(self.ends[self.rng.index(2)]);
                }
                if self.rng.chance(0.3) && run.chaos.bound.admits(&run.world, &[self.newcomer]) {
                    run.start(self.newcomer);
                }
                self.stage = Stage::End;
                Some(BACK)
            }
            Stage::End => None,
        }
    }
}
