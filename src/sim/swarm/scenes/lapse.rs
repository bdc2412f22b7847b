//! An owner begins a write, lapses before both neighbours have stored it, and settles again. Somebody reads the key
//! there at that very moment, and with the answer the owner dies: what was told must be on others by then.

use super::asks::Asks;
use super::{Config, Duration, Rng, Rules, Scene, Swarm, list_length, profile};
use crate::node::Reply;
use crate::sim::ledger::Act;
use crate::time::Instant;
use crate::wire::Peer;

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// The value that will be the older one.
    Older,
    Newer,
    /// Until the owner lapses, which its predecessor does a little later.
    Lapse,
    /// Until it has settled again.
    Settle,
    Read,
    /// Until nobody waits for an answer, and the next owner has settled.
    Rest,
}

struct Lapse {
    rng: Rng,
    asks: Asks,
    stage: Stage,
    key: usize,
    owner: usize,
    /// The predecessor, which the write does not reach.
    before: usize,
    /// The successor, which stores it, and dies with the owner.
    after: usize,
    until: Instant,
}

/// How often the owner is looked at.
const LOOK: Duration = Duration::from_millis(2);
/// A value of so many bytes comes in parts: whoever lacks it has it only a while after it has asked.
const LONG: usize = 10_000;
/// An owner that has not settled again by then is left alone.
const PATIENCE: Duration = Duration::from_secs(20);
const REST: Duration = Duration::from_secs(8);

/// 8 to 16 nodes, of which two neighbours die: the promises hold.
pub fn stage(seed: u64) -> Swarm {
    let mut rng = Rng::new(seed ^ 0x0001_A95E);
    let nodes = 8 + rng.index(9);
    let profile = profile(nodes, list_length(nodes, &mut rng), &mut rng);
    let rules = Rules { run_min: Duration::ZERO, ..Rules::default() };
    let (key, asks) = (rng.index(profile.keys), Asks::new(rng.fork()));
    let scene = Lapse { rng, asks, stage: Stage::Older, key, owner: 0, before: 0, after: 0, until: Instant::ZERO };
    Swarm::staged(seed, profile, Config::default(), rules, Box::new(scene))
}

impl Lapse {
    /// The owner and its predecessor do not hear each other, and a write begins.
    fn part(&mut self, run: &mut Swarm) {
        let Some((owner, node)) = run.clients.keys().speaker(&run.world, self.key) else { return };
        let host_of = |peer: Peer| run.world.host_at(peer.addr());
        let (before, after) = (node.predecessor(), node.successors().first().copied());
        let Some((before, after)) = before.and_then(host_of).zip(after.and_then(host_of)) else { return };
        (self.owner, self.before, self.after) = (owner, before, after);
        for host in [owner, after] {
            run.chaos.bound.disturb(host, Instant::FAR);
        }
        self.keep_apart(run);
        self.asks.write(run, owner, self.key, LONG);
        (self.stage, self.until) = (Stage::Lapse, run.world.now() + PATIENCE);
    }

    fn keep_apart(&self, run: &mut Swarm) {
        let until = run.world.now() + LOOK * 2;
        run.world.network.cut(self.owner, self.before, until);
        run.world.network.cut(self.before, self.owner, until);
    }

    fn speaks(&self, run: &Swarm) -> bool {
        run.world.host(self.owner).is_settled_for(run.world.now(), run.speakers.ids()[self.key])
    }

    /// The owner speaks again, and holds what nobody was told of.
    fn holds_untold(&self, run: &Swarm) -> bool {
        let held =
            run.world.host(self.owner).node().and_then(|node| node.version_of(run.clients.keys().name(self.key)));
        held > run.clients.keys().acknowledged(self.key)
    }
}

impl Scene for Lapse {
    fn step(&mut self, run: &mut Swarm) -> Option<Duration> {
        let now = run.world.now();
        match self.stage {
            Stage::Older => {
                self.asks.write(run, 0, self.key, 0);
                (self.stage, self.until) = (Stage::Newer, now + PATIENCE);
                return Some(self.rng.between(Duration::from_secs(1), Duration::from_secs(3)));
            }
            Stage::Newer | Stage::Settle if now > self.until => self.stage = Stage::Rest,
            Stage::Newer => self.part(run),
            Stage::Lapse if self.speaks(run) => self.keep_apart(run),
            Stage::Lapse => {
                // It settles before its predecessor has all of what it lacks: that takes more turns to and fro.
                let slow = self.rng.between(Duration::from_millis(60), Duration::from_millis(140));
                run.world.network.delay(self.owner, self.before, now + PATIENCE, slow);
                self.stage = Stage::Settle;
            }
            Stage::Settle if self.speaks(run) => {
                self.stage = Stage::Read;
                // Mostly at once; later its neighbours may have asked for what they lack.
                let late = if self.rng.chance(0.7) { 0 } else { 400 };
                return Some(self.rng.between(Duration::ZERO, Duration::from_millis(late)));
            }
            Stage::Settle => {}
            Stage::Read => {
                self.asks.read(run, self.owner, self.key);
                (self.stage, self.until) = (Stage::Rest, now + REST);
            }
            Stage::Rest => return (self.asks.is_waiting() || now < self.until).then_some(LOOK),
        }
        Some(LOOK)
    }

    fn replied(&mut self, run: &mut Swarm, tag: u64, reply: Option<&Reply>) {
        let untold = self.holds_untold(run);
        let Some(question) = self.asks.replied(run, tag, reply) else { return };
        if question.act == Act::Get && matches!(reply, Some(Reply::Value { .. })) {
            if untold {
                let after = run.world.now().since(question.start);
                run.figure("s until what nobody was told of was read", after.as_secs_f64());
            }
            [self.owner, self.after].into_iter().for_each(|host| run.kill(host));
        }
    }
}
