//! Two rings form apart from each other, of nodes that were given the same two seeds, one in either; then they meet.

use super::{Config, Duration, Profile, Rng, Rules, Scene, Swarm, profile};
use crate::sim::oracle::{self, Member, Ring};

struct Apart {
    /// The machines of one ring; the others form the other.
    one: Vec<usize>,
    begun: bool,
}

/// Rings of one to eight nodes each.
pub fn stage(seed: u64) -> Swarm {
    let mut rng = Rng::new(seed ^ 0x0A9A_0217);
    let nodes = [1 + rng.index(8), 1 + rng.index(8)];
    let profile = Profile { founders: 2, ..profile(nodes[0] + nodes[1], 8, &mut rng) };
    let rules = Rules { strict: false, heal_max: Duration::from_secs(120), run_min: Duration::ZERO };
    let scene = Apart { one: core::iter::once(0).chain(2..=nodes[0]).collect(), begun: false };
    Swarm::staged(seed, profile, Config::default(), rules, Box::new(scene))
}

impl Scene for Apart {
    fn begin(&mut self, run: &mut Swarm) {
        run.cut_off(&self.one);
    }

    fn has_formed(&mut self, run: &mut Swarm) -> bool {
        let ring = Ring::of(&run.world);
        let side = |inside: bool| {
            let ours = |member: &&Member| {
                run.world.host_at(member.me.addr()).is_some_and(|host| self.one.contains(&host) == inside)
            };
            ring.members().iter().filter(ours).cloned().collect::<Ring>()
        };
        let ready = run.world.hosts().iter().all(|host| host.is_ready(run.world.now()));
        ready && [true, false].iter().all(|&inside| oracle::is_ideal(&side(inside), run.profile.successors))
    }

    fn step(&mut self, _run: &mut Swarm) -> Option<Duration> {
        (!core::mem::replace(&mut self.begun, true)).then_some(Duration::from_secs(15))
    }

    fn healed(&mut self, run: &mut Swarm, after: Duration) {
        run.figure("s until the rings are one", after.as_secs_f64());
    }
}
