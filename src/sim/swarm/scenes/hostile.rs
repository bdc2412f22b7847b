//! A quiet ring of eight with clients, and an attacker: nothing moves, nobody is refused, nothing grows, and every
//! datagram is counted.

use super::{Config, Duration, Profile, Rng, Rules, Scene, Swarm, profile};
use crate::id::Arc;
use crate::node::{Node, Reply};
use crate::sim::network::Weather;
use crate::wire::Peer;

const NODES: usize = 8;
/// Its datagrams, each second.
const RATE: u64 = 10_000;
/// How often the ring is looked at.
const LOOK: Duration = Duration::from_millis(100);

/// What must not change: who a node is, its neighbours, its arcs and their term, and what it counted of troubles.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Still {
    me: Peer,
    predecessor: Option<Peer>,
    successors: Vec<Peer>,
    claim: Option<Arc>,
    settled: Option<Arc>,
    term: u64,
    troubles: [u64; 5],
}

struct Hostile {
    datagrams: u64,
    before: Vec<Still>,
    begun: bool,
}

/// A ring that is sent so many datagrams.
pub fn stage(seed: u64, datagrams: u64) -> Swarm {
    let calm = profile(NODES, 8, &mut Rng::new(seed));
    let profile = Profile { weather: Weather::QUIET, clients: 6, keys: 12, ..calm };
    let rules = Rules { run_min: Duration::ZERO, ..Rules::default() };
    let scene = Hostile { datagrams, before: Vec::new(), begun: false };
    Swarm::staged(seed, profile, Config::default(), rules, Box::new(scene))
}

impl Hostile {
    fn look(run: &Swarm) -> Vec<Still> {
        let now = run.world.now();
        let still = |host: usize, node: &Node| {
            let status = node.status(run.world.host(host).local(now).at);
            let c = status.counters;
            Still {
                me: status.me,
                predecessor: status.predecessor,
                successors: status.successors,
                claim: status.claim,
                settled: status.settled,
                term: status.term,
                troubles: [c.suspicions, c.lapses, c.takeovers, c.silences, c.settlements],
            }
        };
        run.world.members().map(|(host, node)| still(host, node)).collect()
    }

    /// What nothing but a member fills holds members only, and the stores hold what clients wrote.
    fn grown(run: &Swarm) -> Option<String> {
        let limit = |table: &str| match table {
            "paths and relations" => 2 * NODES,
            "dropped nodes and acquaintances" => NODES,
            "terms" => 2 * NODES,
            _ => 64 * NODES,
        };
        run.world.members().find_map(|(host, node)| {
            let full = node.load().tables().find(|(table, held)| !table.starts_with("bytes") && *held > limit(table));
            let entries = node.status(run.world.host(host).local(run.world.now()).at).entries;
            let stored = (entries > run.clients.keys().len()).then_some(("entries", entries));
            full.or(stored).map(|(table, held)| format!("{host} has {held} {table}"))
        })
    }
}

impl Scene for Hostile {
    fn step(&mut self, run: &mut Swarm) -> Option<Duration> {
        if !self.begun {
            // The attacker has had no time to record anything, so it begins slowly.
            self.begun = true;
            self.before = Self::look(run);
            run.attack(RATE);
        }
        let now = Self::look(run);
        if now != self.before {
            let changed: Vec<_> = self.before.iter().zip(&now).filter(|(before, now)| before != now).collect();
            run.fail(&format!("the ring has changed: {changed:?}"));
            self.before = now;
        }
        if let Some(grown) = Self::grown(run) {
            run.fail(&grown);
        }
        let sent = run.world.attacker().map_or(0, |attacker| attacker.sent());
        if sent < self.datagrams {
            return Some(LOOK);
        }
        run.figure("datagrams", sent as f64);
        None
    }

    fn replied(&mut self, run: &mut Swarm, tag: u64, reply: Option<&Reply>) {
        if matches!(reply, Some(Reply::Unavailable(_) | Reply::Unknown { .. }) | None) {
            run.fail(&format!("operation {tag} under attack: {reply:?}"));
        }
    }

    fn healed(&mut self, run: &mut Swarm, _after: Duration) {
        let totals: Vec<_> = run.world.members().map(|(_, node)| *node.counters()).collect();
        let mut figure = |name: &str, sum: u64| run.figure(name, sum as f64);
        figure("answers that nobody waited for", totals.iter().map(|c| c.unasked).sum());
        figure("flawed", totals.iter().flat_map(|c| c.flawed).sum());
        figure("refused", totals.iter().flat_map(|c| c.refused).sum());
        figure("answered", totals.iter().map(|c| c.answered).sum());
        figure("repeated", totals.iter().map(|c| c.repeated).sum());
    }
}
