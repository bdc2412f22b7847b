//! The last copy of a key is a stray: its holder was pushed away from the key's place by nodes that joined, and the
//! whole group dies at one moment. The next owner takes it from there, and dies as well before its neighbours have it.

use super::asks::Asks;
use super::{Config, Duration, Profile, Rng, Rules, Scene, Swarm, profile};
use crate::id::Id;
use crate::node::Reply;
use crate::sim::host::Machine;
use crate::sim::log::Detail;
use crate::time::Instant;
use std::net::SocketAddr;

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Write,
    Push,
    /// Until the joiners are ready, and one that was in the group before holds a stray.
    Pushed,
    /// Until the next owner speaks.
    Reopened,
    /// The next owner does not reach its neighbours, and may take the stray.
    Offered,
    /// It has taken it, and dies in a moment.
    Taken,
    Rest,
}

struct Strays {
    rng: Rng,
    asks: Asks,
    stage: Stage,
    /// Who holds the stray.
    holder: usize,
    owner: usize,
    tries: u32,
    until: Instant,
}

const KEY: usize = 0;
/// One more than are asked on either side by a node that settles: they do not find the stray.
const JOINERS: usize = 4;
/// How often the ring is looked at.
const LOOK: Duration = Duration::from_millis(5);
/// The next owner speaks for so long without its neighbours, most of the time.
const SPEAKS: Duration = Duration::from_millis(2200);
const PATIENCE: Duration = Duration::from_secs(60);
/// So often the stray may come too late.
const TRIES: u32 = 10;
const REST: Duration = Duration::from_secs(2);

/// 9 to 14 nodes and those that join. Whoever dies has no disk.
pub fn stage(seed: u64) -> Swarm {
    let mut rng = Rng::new(seed ^ 0x0057_4A75);
    let profile = Profile { keys: 1, clients: 0, ..profile(9 + rng.index(6), 8, &mut rng) };
    let reopen = rng.between(Duration::from_secs(2), Duration::from_secs(5));
    let config = Config { reopen_after: Some(reopen), ..Config::default() };
    let rules = Rules { strict: false, heal_max: Duration::from_secs(60), run_min: Duration::ZERO };
    let asks = Asks::new(rng.fork());
    let scene = Strays { rng, asks, stage: Stage::Write, holder: 0, owner: 0, tries: 0, until: Instant::ZERO };
    Swarm::staged(seed, profile, config, rules, Box::new(scene))
}

impl Strays {
    /// Four machines find their place between the owner of the key and the node before it.
    fn push(&mut self, run: &mut Swarm) {
        let Some((owner, node)) = run.clients.keys().speaker(&run.world, KEY) else { return };
        let before = node.predecessor().and_then(|peer| run.world.host_at(peer.addr()));
        let Some(holder) = before.filter(|_| run.clients.keys().acknowledged(KEY).is_some()) else { return };
        (self.owner, self.holder) = (owner, holder);
        let from = run.world.host(holder).id();
        let part = from.distance_to(key_id(run)) / (JOINERS as u128 + 1);
        let SocketAddr::V4(mut addr) = run.world.host(owner).addr() else { return };
        for place in 1..=JOINERS {
            let [a, b, c, _] = addr.ip().octets();
            addr.set_ip([a, b, c, 200 + place as u8].into());
            let clock = run.profile.clock(&mut self.rng);
            let id = Some(from.plus(part * place as u128));
            let host = run.world.add(Machine { addr: addr.into(), id, clock });
            run.start(host);
        }
        (self.stage, self.until) = (Stage::Pushed, run.world.now() + PATIENCE);
    }

    /// The owner, and those beside it.
    fn group(&self, run: &Swarm) -> Vec<usize> {
        let node = run.world.host(self.owner).node();
        let beside =
            node.into_iter().flat_map(|node| node.predecessor().into_iter().chain(node.successors().first().copied()));
        beside.filter_map(|peer| run.world.host_at(peer.addr())).chain([self.owner]).collect()
    }

    /// As soon as all but the group and the holder of the stray are rid of the key, the group dies.
    fn strike(&mut self, run: &mut Swarm) {
        let group = self.group(run);
        let mut order = run.ring_order();
        let expected = order.iter().filter(|host| group.contains(host) || **host == self.holder);
        let settled = order.iter().all(|&host| run.world.host(host).is_ready(run.world.now()));
        if group.len() != 3 || !settled || run.flaw().is_some() || !expected.copied().eq(holders(run)) {
            return;
        }
        let Some(at) = order.iter().position(|&host| host == self.owner) else { return };
        order.rotate_left(at);
        self.owner = order[2];
        group.iter().for_each(|&host| run.kill(host));
        (self.stage, self.until) = (Stage::Reopened, run.world.now() + PATIENCE);
    }

    /// Nothing gets from the holder of the stray to the owner for a moment.
    fn hold_back(&self, run: &mut Swarm) {
        let until = run.world.now() + LOOK * 2;
        run.world.network.cut(self.holder, self.owner, until);
    }
}

fn key_id(run: &Swarm) -> Id {
    Id::of_key(run.clients.keys().name(KEY))
}

/// Who holds the key, in ring order.
fn holders(run: &Swarm) -> Vec<usize> {
    let mut order = run.ring_order();
    order.retain(|&host| holds(run, host));
    order
}

fn holds(run: &Swarm, host: usize) -> bool {
    run.world.host(host).node().is_some_and(|node| node.version_of(run.clients.keys().name(KEY)).is_some())
}

impl Scene for Strays {
    fn step(&mut self, run: &mut Swarm) -> Option<Duration> {
        let now = run.world.now();
        match self.stage {
            Stage::Write => {
                self.asks.write(run, 0, KEY, 0);
                (self.stage, self.until) = (Stage::Push, now + PATIENCE);
                return Some(self.rng.between(Duration::from_secs(1), Duration::from_secs(3)));
            }
            Stage::Push => self.push(run),
            Stage::Pushed => {
                let pushed = run.world.host(self.holder).node().is_some_and(|node| {
                    node.successors().first().is_some_and(|head| head.addr() != run.world.host(self.owner).addr())
                });
                if pushed {
                    self.hold_back(run);
                    self.strike(run);
                }
            }
            Stage::Reopened => {
                self.hold_back(run);
                let ready = run.world.members().all(|(host, _)| run.world.host(host).is_ready(now));
                if ready && run.world.host(self.owner).is_settled_for(now, key_id(run)) {
                    for host in self.group(run).into_iter().filter(|&host| host != self.owner) {
                        run.world.network.cut(self.owner, host, now + SPEAKS + REST);
                        run.world.network.cut(host, self.owner, now + SPEAKS + REST);
                    }
                    (self.stage, self.until) = (Stage::Offered, now + SPEAKS);
                }
            }
            Stage::Offered => {
                if holds(run, self.owner) {
                    self.stage = Stage::Taken;
                    return Some(self.rng.between(Duration::from_millis(10), Duration::from_millis(200)));
                }
            }
            Stage::Taken => {
                run.kill(self.owner);
                run.figure("nodes that held the key when its owner died", holders(run).len() as f64);
                (self.stage, self.until) = (Stage::Rest, now + REST);
                return Some(REST);
            }
            Stage::Rest => return None,
        }
        if now > self.until {
            run.world.log.tell(Detail::Lives, now, format_args!("{:?} has taken too long", self.stage));
            self.tries += 1;
            let again = self.stage == Stage::Offered && self.tries < TRIES;
            self.stage = if again { Stage::Reopened } else { Stage::Rest };
            self.until = now + PATIENCE;
        }
        Some(LOOK)
    }

    fn replied(&mut self, run: &mut Swarm, tag: u64, reply: Option<&Reply>) {
        self.asks.replied(run, tag, reply);
    }
}
