//! Many values of a second each are written, and nobody asks for them again. Meanwhile wall clocks jump, and a node may
//! die: all the same no node holds a value in the end.

use super::{Config, Duration, Profile, Rng, Rules, Scene, Swarm, profile};
use crate::node::{Command, Node};
use crate::store::Content;
use crate::time::Instant;
use crate::wire::Condition;

struct Sweep {
    rng: Rng,
    values: usize,
    written: usize,
    /// One that dies while the values end.
    victim: Option<usize>,
    /// Since when all are written.
    since: Option<Instant>,
}

/// Far beyond the numbers of the clients' operations.
const FIRST_TAG: u64 = 1 << 41;
/// Values that are written at one time.
const AT_ONCE: usize = 20;
/// The pause between two looks.
const LOOK: Duration = Duration::from_millis(100);
/// All must be gone by then, though one has died.
const SWEPT: Duration = Duration::from_secs(25);

/// One to eight nodes, and hundreds of values.
pub fn stage(seed: u64) -> Swarm {
    let mut rng = Rng::new(seed ^ 0x0053_5745_4550);
    let nodes = 1 + rng.index(8);
    let profile = Profile { clients: 0, wrong_walls: 0.5, ..profile(nodes, 8, &mut rng) };
    let victim = (nodes >= 4 && rng.chance(0.5)).then(|| rng.index(nodes));
    let scene = Sweep { values: 100 + rng.index(400), rng, written: 0, victim, since: None };
    let rules = Rules { run_min: Duration::ZERO, ..Rules::default() };
    Swarm::staged(seed, profile, Config::default(), rules, Box::new(scene))
}

impl Sweep {
    fn write(&mut self, run: &mut Swarm) {
        let ready = run.ready();
        for _ in 0..AT_ONCE.min(self.values - self.written) {
            self.written += 1;
            let key = format!("session {}", self.written).into_bytes().into();
            let (content, condition) = (Content::new(&b"brief"[..], b"", 0), Condition::None);
            let put = Command::Put { key, content, ttl_s: 1, condition, min_copies: 0, attempt: None };
            if let Some(host) = ready.get(self.rng.index(ready.len().max(1))) {
                run.world.submit(*host, FIRST_TAG + self.written as u64, put);
            }
        }
    }
}

impl Scene for Sweep {
    fn step(&mut self, run: &mut Swarm) -> Option<Duration> {
        let now = run.world.now();
        run.jump(&mut self.rng);
        if self.written < self.values {
            self.write(run);
            return Some(LOOK);
        }
        let since = now.since(*self.since.get_or_insert(now));
        if let Some(victim) = self.victim.take_if(|_| since > Duration::from_secs(1)) {
            run.kill(victim);
        }
        let held: usize = run.world.hosts().iter().filter_map(|host| host.node()).map(Node::values).sum();
        if held == 0 && since > Duration::from_secs(2) {
            run.figure("s until all have ended and are swept", since.as_secs_f64());
            return None;
        }
        if since > SWEPT {
            run.fail(&format!("{held} copies of values of a second are there after {SWEPT:?}"));
            return None;
        }
        Some(LOOK)
    }
}
