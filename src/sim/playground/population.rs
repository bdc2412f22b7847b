//! Who there is: machines are added as nodes join, and taken by chance as nodes go or clients ask.

use super::plan::{Plan, Start};
use crate::id::Id;
use crate::rng::Rng;
use crate::sim::clock::Clock;
use crate::sim::host::Machine;
use crate::sim::world::World;
use std::net::SocketAddr;

/// Where every node listens.
const PORT: u16 = 4321;

/// The machines with a process on them.
#[derive(Debug)]
pub struct Population {
    rng: Rng,
    /// How far clocks may be off.
    clocks: Clock,
    /// Chance of their own, so that all else is as it would be with right clocks.
    clock_rng: Rng,
    /// In no order, so that one is taken out at once.
    alive: Vec<usize>,
    /// For each machine its place among the living.
    places: Vec<Option<usize>>,
}

impl Population {
    /// Nobody yet; clocks will be off by no more than this one.
    pub const fn new(rng: Rng, clocks: Clock, clock_rng: Rng) -> Self {
        Self { rng, clocks, clock_rng, alive: Vec::new(), places: Vec::new() }
    }

    /// The positions of the nodes of a plan; none if they follow from the addresses.
    pub fn positions(&mut self, plan: &Plan) -> Vec<Id> {
        if !plan.ids.is_empty() {
            return plan.ids.iter().map(|number| plan.position(*number)).collect();
        }
        if plan.bits >= Id::BITS {
            return Vec::new();
        }
        let mut taken = std::collections::BTreeSet::new();
        while taken.len() < plan.nodes {
            taken.insert(plan.random_position(&mut self.rng));
        }
        taken.into_iter().collect()
    }

    /// Adds a machine, with no process yet; without a position it follows from the address.
    pub fn add_machine(&mut self, world: &mut World, id: Option<Id>) -> usize {
        // 10.0.0.0/8, and no address that ends in 0 or 255.
        let number = world.hosts().len() as u32;
        let [_, a, b, c] = (number / 254 * 256 + number % 254 + 1).to_be_bytes();
        let addr = SocketAddr::from(([10, a, b, c], PORT));
        self.places.push(None);
        world.add(Machine { addr, id, clock: self.clocks.draw_within(&mut self.clock_rng) })
    }

    /// Starts the first nodes.
    pub fn begin(&mut self, world: &mut World, start: Start) {
        let hosts: Vec<usize> = (0..world.hosts().len()).collect();
        if start == Start::Joining {
            self.start(world, hosts[0], &[]);
        } else {
            world.start_amid(&hosts);
            hosts.iter().for_each(|host| self.note(*host));
        }
    }

    /// Starts a process on a machine that joins through these.
    pub fn start(&mut self, world: &mut World, host: usize, seeds: &[SocketAddr]) {
        world.start(host, seeds);
        self.note(host);
    }

    fn note(&mut self, host: usize) {
        self.places[host] = Some(self.alive.len());
        self.alive.push(host);
    }

    /// The process of this machine has ended.
    pub fn lost(&mut self, host: usize) {
        let Some(place) = self.places.get_mut(host).and_then(Option::take) else { return };
        self.alive.swap_remove(place);
        if let Some(moved) = self.alive.get(place) {
            self.places[*moved] = Some(place);
        }
    }

    /// The machines with a process on them.
    pub fn alive(&self) -> &[usize] {
        &self.alive
    }

    /// One of the living, by chance.
    pub fn any(&mut self) -> Option<usize> {
        (!self.alive.is_empty()).then(|| self.alive[self.rng.index(self.alive.len())])
    }

    /// One of the living that has settled, by chance; `None` if some tries do not find one.
    pub fn any_settled(&mut self, world: &World) -> Option<usize> {
        (0..64).find_map(|_| self.any().filter(|host| world.host(*host).is_ready(world.now())))
    }

    /// So large a share of the living, by chance.
    pub fn share(&mut self, share: f64) -> Vec<usize> {
        let mut all = self.alive.clone();
        let wanted = (all.len() as f64 * share).round() as usize;
        (0..wanted.min(all.len())).map(|_| all.swap_remove(self.rng.index(all.len()))).collect()
    }
}
