//! Machines are given another address while their nodes run, one after another, as by DHCP: each node finds that out
//! and is back on the ring under the new one. In a third of the runs ids are fixed. In another third nodes have disks,
//! which fixes ids too: then a node comes back to a place that its neighbours still hold for its former address.

use super::{Config, Duration, Instant, Profile, Rng, Rules, Scene, Swarm, list_length, profile};
use std::net::SocketAddr;

struct Moves {
    rng: Rng,
    rounds: u8,
    /// Who has another address, since when.
    moving: Option<(usize, SocketAddr, Instant)>,
}

const ROUNDS: u8 = 4;

/// By then a node must be back.
const BACK_MAX: Duration = Duration::from_secs(30);

/// Three to eight nodes on a network that loses a datagram in a hundred in some runs.
pub fn stage(seed: u64) -> Swarm {
    let mut rng = Rng::new(seed ^ 0x0000_D4C9);
    let nodes = 3 + rng.index(6);
    let calm = profile(nodes, list_length(nodes, &mut rng), &mut rng);
    let profile = Profile { crowded: seed % 3 == 1, disks: seed % 3 == 2, founders: nodes.min(3), ..calm };
    let rules = Rules { run_min: Duration::ZERO, ..Rules::default() };
    let config = Config { follows_address: true, ..Config::default() };
    Swarm::staged(seed, profile, config, rules, Box::new(Moves { rng, rounds: 0, moving: None }))
}

impl Scene for Moves {
    fn step(&mut self, run: &mut Swarm) -> Option<Duration> {
        let now = run.world.now();
        run.chaos.bound.review(&run.world, run.clients.keys());
        let Some((host, addr, since)) = self.moving else {
            if self.rounds == ROUNDS {
                return None;
            }
            self.rounds += 1;
            let order = run.ring_order();
            let host = order[self.rng.index(order.len())];
            let addr = SocketAddr::from(([172, 16, self.rounds, host as u8], 4321));
            self.moving = Some((host, addr, now));
            run.chaos.bound.disturb(host, now + Duration::from_secs(1));
            run.world.readdress(host, addr);
            run.count_hurt();
            return Some(Duration::from_millis(50));
        };
        let back = run.world.host(host);
        if back.is_ready(now) && back.node().is_some_and(|node| node.me().addr() == addr) {
            run.figure(
                "s until a node serves again after its machine got another address",
                now.since(since).as_secs_f64(),
            );
            self.moving = None;
            return Some(self.rng.between(Duration::from_secs(1), Duration::from_secs(8)));
        }
        if now.since(since) > BACK_MAX {
            run.fail(&format!("{host} has had the address {addr} since {since}, and is not back"));
            return None;
        }
        Some(Duration::from_millis(50))
    }
}
