//! A batch of machines: they come together, side by side and around one key, and often stop on the way.

use super::{Phase, Plan, Swarm};
use crate::id::Id;
use crate::rng::Rng;
use core::time::Duration;

/// The key that a batch comes around.
const KEY: usize = 0;

/// For how long all clients use that key then.
const HOT: Duration = Duration::from_secs(4);

/// What a key is called.
pub(super) fn key_name(seed: u64, key: usize) -> Box<[u8]> {
    format!("key {key} of {seed}").into_bytes().into()
}

/// Somewhere near that key, on either side, where hardly anyone else is.
pub(super) fn place(seed: u64, machine: usize) -> Id {
    let mut rng = Rng::new(seed ^ 0x5349_4445 ^ (machine as u64) << 32);
    let offset = u128::from(rng.next_u64()) << 54;
    Id::of_key(&key_name(seed, KEY)).plus(offset.wrapping_sub(1 << 117))
}

impl Swarm {
    /// A batch comes. As if it were on one slow machine, it may stop just then.
    pub(super) fn start_batch(&mut self, hosts: &[usize]) {
        let now = self.world.now();
        for &host in hosts {
            self.start(host);
            self.chaos.bound.welcome(host, now);
        }
        self.clients.heat(KEY, now + HOT);
        if self.rng.chance(0.8) {
            let after = self.rng.between(Duration::ZERO, self.world.network.weather.delay.longest() * 12);
            self.plan(after, Plan::Stall);
        }
    }

    /// One of a batch has come to its place: soon two beside it may die.
    pub(super) fn beset(&mut self, joiner: usize) {
        if self.phase == Phase::Chaos && self.chaos.bound.is_newcomer(joiner) && self.rng.chance(0.6) {
            let after = self.rng.between(Duration::ZERO, self.world.network.weather.delay.longest() * 6);
            self.plan(after, Plan::Beside { joiner });
        }
    }

    pub(super) fn crash_beside(&mut self, joiner: usize) {
        let enough = self.may_lose();
        let orders = self.chaos.crash_beside(&self.world, self.clients.keys(), joiner, enough);
        self.obey(&orders);
    }

    /// Nobody knows those that have no place yet, so nobody takes them for dead.
    pub(super) fn stall(&mut self) {
        let longest = Duration::from_millis([300, 1000, 3000][self.rng.index(3)]);
        let until = self.world.now() + self.rng.between(longest / 8, longest);
        for host in self.profile.batched() {
            let on_its_way = self.world.host(host).node().is_some_and(|node| !node.is_member());
            if on_its_way && self.chaos.bound.is_newcomer(host) {
                self.world.pause(host, until);
            }
        }
    }
}
