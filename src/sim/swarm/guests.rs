//! Guests: clients that speak to the ring themselves, over the same network as its nodes. Their processes stop and die
//! as well; of those that die nobody knows what became of their writes.

use super::{Plan, Swarm};
use crate::rng::Rng;
use crate::sim::chaos::Profile;
use crate::sim::host::Machine;
use crate::sim::world::World;
use core::time::Duration;
use std::net::SocketAddr;

/// The longest time between two things that befall a guest.
const PACE: Duration = Duration::from_secs(20);
/// The longest time that one is stopped.
const PAUSE_MAX: Duration = Duration::from_secs(4);

/// Adds the machines of the guests, and returns the chance that is theirs: without them all goes as it would.
pub(super) fn add(world: &mut World, profile: &Profile, seed: u64) -> Rng {
    let mut rng = Rng::new(seed ^ 0x0047_5545_5354);
    for number in 0..profile.guests {
        let addr = SocketAddr::from(([198, 51, 100, number as u8 + 1], 4321));
        world.add_guest(Machine { addr, id: None, clock: profile.clock(&mut rng) });
    }
    rng
}

impl Swarm {
    /// The ring has formed: the guests come.
    pub(super) fn start_guests(&mut self) {
        for guest in self.world.guests() {
            self.start_guest(guest);
        }
        self.plan_guest();
    }

    /// It knows where all nodes may be: of those that a client is told some must be there.
    fn start_guest(&mut self, guest: usize) {
        let nodes: Vec<SocketAddr> = self.world.hosts().iter().map(|host| host.addr()).collect();
        self.world.start(guest, &nodes);
    }

    fn plan_guest(&mut self) {
        if !self.world.guests().is_empty() {
            let after = self.guests.between(Duration::ZERO, PACE);
            self.plan(after, Plan::Guest);
        }
    }

    /// One of them stops for a while, or dies and comes back at once, with nothing that it knew.
    pub(super) fn disturb_guest(&mut self) {
        let guests = self.world.guests();
        let guest = guests.start + self.guests.index(guests.len());
        if self.guests.chance(0.6) {
            let pause = self.guests.between(Duration::ZERO, PAUSE_MAX);
            self.world.pause(guest, self.world.now() + pause);
        } else {
            self.world.crash(guest);
            self.start_guest(guest);
        }
        self.plan_guest();
    }
}
