//! Faults drawn from a seed, swarm style: each run has its own rates, and some of them are zero, so that faults are
//! seen alone as well as together (after A. Groce and others, "Swarm testing", 2012).

mod batch;
mod faults;
mod profile;

pub use faults::{FAULTS, Fault, Faults, Orders};
pub use profile::Profile;

use super::bound::{Bound, Keys};
use super::clock::WRONG_WALLS;
use super::world::World;
use crate::node::Node;
use crate::rng::Rng;
use crate::time::Instant;
use core::ops::Range;
use core::time::Duration;

/// In a ring of three nobody is stopped or cut off: whoever is left cannot tell that from two crashes.
const SMALLEST: usize = 3;

/// Draws faults within the bound.
#[derive(Debug)]
pub struct Chaos {
    /// Who is disturbed.
    pub bound: Bound,
    rng: Rng,
    rates: [u64; FAULTS.len()],
    faults: Faults,
    /// A fault waits for the next write.
    armed: bool,
    /// An owner that is to be hit cannot reach its neighbours.
    stranded: Option<usize>,
    /// The owner that answers next dies at once: this one from a time on, or whoever it is.
    doomed: Option<(Option<usize>, Instant)>,
    /// Machines that come together.
    batch: Range<usize>,
}

impl Chaos {
    /// Faults at these rates. The batch may be empty.
    pub fn new(rates: [u64; FAULTS.len()], batch: Range<usize>, rng: Rng) -> Self {
        Self {
            bound: Bound::default(),
            rng,
            rates,
            faults: Faults::default(),
            armed: false,
            stranded: None,
            doomed: None,
            batch,
        }
    }

    /// All machines are disturbed at once, each until then at least.
    pub fn black_out(&mut self, hosts: &[usize], until: Instant) {
        self.faults.blackouts += 1;
        self.disturb(hosts, until);
    }

    /// What it did so far.
    pub const fn faults(&self) -> Faults {
        self.faults
    }

    /// One of these durations in milliseconds, up to a fifth longer.
    fn some_of(&mut self, ms: &[u64]) -> Duration {
        let base = Duration::from_millis(ms[self.rng.index(ms.len())]);
        self.rng.between(base, base + base / 5)
    }

    /// A running member, or it and its successor, if the bound admits that they are disturbed.
    fn choose(&mut self, world: &World) -> Option<Vec<usize>> {
        let members: Vec<usize> = world.members().map(|(host, _)| host).collect();
        if members.len() <= SMALLEST {
            return None;
        }
        let first = *members.get(self.rng.index(members.len()))?;
        let mut hosts = vec![first];
        if self.rng.chance(0.5) {
            let next = world.host(first).node().and_then(|node| node.successors().first().copied());
            hosts.extend(next.and_then(|peer| world.node_of(peer)).map(|(host, _)| host));
        }
        let fit = |host: &usize| world.host(*host).is_running() && !self.bound.is_disturbed(*host);
        (hosts.iter().all(fit) && self.bound.admits(world, &hosts)).then_some(hosts)
    }

    /// True if a machine may be disturbed, or is so already by more than that it joins.
    fn may_hit(&self, world: &World, host: usize) -> bool {
        let is_hit = self.bound.is_disturbed(host) && !self.bound.is_newcomer(host);
        is_hit || self.bound.admits(world, &[host])
    }

    fn disturb(&mut self, hosts: &[usize], until: Instant) {
        for &host in hosts {
            self.bound.disturb(host, until);
        }
    }

    /// Perhaps brings a fault about. `enough` says that another member may die.
    pub fn act(&mut self, world: &mut World, keys: &Keys, enough: bool) -> Orders {
        self.bound.review(world, keys);
        let mut orders = Orders::default();
        let mut draw = self.rng.below(self.rates.iter().sum());
        let Some(fault) = FAULTS.into_iter().zip(self.rates).find_map(|(fault, rate)| {
            let hit = draw < rate;
            draw = draw.saturating_sub(rate);
            hit.then_some(fault)
        }) else {
            return orders;
        };
        match fault {
            Fault::Crash if enough => orders.crash = self.crash(world),
            Fault::Leave if enough => orders.leave = self.leave(world),
            Fault::Crash | Fault::Leave => {}
            Fault::Clock => self.set_clock(world),
            Fault::Pause => {
                if let Some(hosts) = self.choose(world) {
                    let until = world.now() + self.some_of(&[300, 1000, 2500, 4000, 6000, 9000, 15_000]);
                    self.pause(world, &hosts, until);
                }
            }
            Fault::Isolate => self.isolate(world),
            Fault::Cut => self.cut(world),
            Fault::Join if !self.batch.is_empty() => self.scale(world, enough, &mut orders),
            Fault::Join => orders.join = 1 + usize::from(self.rng.chance(0.3)),
            Fault::Strike if self.rng.chance(0.2) => self.doomed = Some((None, world.now())),
            Fault::Strike => self.armed = true,
        }
        orders
    }

    fn pause(&mut self, world: &mut World, hosts: &[usize], until: Instant) {
        self.disturb(hosts, until);
        for &host in hosts {
            self.faults.pauses += 1;
            world.pause(host, until);
        }
    }

    /// Whoever is to die: two of the well, or one that is disturbed already.
    fn crash(&mut self, world: &World) -> Vec<usize> {
        if self.rng.chance(0.3) {
            let disturbed: Vec<usize> = self.bound.hosts().filter(|&host| world.host(host).node().is_some()).collect();
            let chosen = disturbed.get(self.rng.index(disturbed.len())).copied();
            let chosen = chosen.filter(|&host| self.may_hit(world, host));
            self.faults.crashes += u64::from(chosen.is_some());
            chosen.into_iter().for_each(|host| self.bound.disturb(host, world.now()));
            return chosen.into_iter().collect();
        }
        let Some(hosts) = self.choose(world) else { return Vec::new() };
        self.disturb(&hosts, world.now());
        self.faults.crashes += hosts.len() as u64;
        self.faults.double_crashes += u64::from(hosts.len() == 2);
        hosts
    }

    fn leave(&mut self, world: &World) -> Vec<usize> {
        let Some(hosts) = self.choose(world) else { return Vec::new() };
        // Whoever leaves still lives for a while.
        self.disturb(&hosts, world.now() + Duration::from_secs(1));
        self.faults.leaves += hosts.len() as u64;
        hosts
    }

    /// A wall clock is put wrong, on or back, or is corrected: that of a node or of a guest. Nothing but versions rests
    /// on wall clocks, so nobody is disturbed.
    fn set_clock(&mut self, world: &mut World) {
        let host = self.rng.index(world.guests().end);
        let wrong = self.rng.chance(0.6).then(|| WRONG_WALLS[self.rng.index(WRONG_WALLS.len())]);
        let skew_ms = wrong.unwrap_or_else(|| [-6000, 0, 0, 6000][self.rng.index(4)]);
        self.faults.jumps += 1;
        world.set_wall_clock(host, skew_ms);
    }

    fn isolate(&mut self, world: &mut World) {
        let Some(hosts) = self.choose(world) else { return };
        let until = world.now() + self.some_of(&[700, 1500, 2500, 4000, 8000, 15_000]);
        self.disturb(&hosts, until);
        self.faults.isolations += hosts.len() as u64;
        if self.rng.chance(0.4) {
            return self.part_from_neighbours(world, &hosts, until);
        }
        world.network.isolate(hosts.iter().copied().collect(), until);
        world.log.tell(super::Detail::Lives, world.now(), format_args!("{hosts:?} cut off until {until}"));
    }

    /// Nobody near hears them, and they hear nobody near; those farther away do.
    fn part_from_neighbours(&mut self, world: &mut World, hosts: &[usize], until: Instant) {
        let mut ring: Vec<usize> = world.members().map(|(host, _)| host).collect();
        ring.sort_by_key(|&host| world.host(host).id());
        let reach = 2 + self.rng.index(2);
        let places = ring.iter().enumerate().filter(|(_, host)| hosts.contains(host)).map(|(place, _)| place);
        let near: Vec<usize> = places
            .flat_map(|place| (0..=2 * reach).map(move |step| place + step))
            .map(|place| ring[(place + ring.len() * 2 - reach) % ring.len()])
            .filter(|host| !hosts.contains(host))
            .collect();
        for (&one, &other) in hosts.iter().flat_map(|one| near.iter().map(move |other| (one, other))) {
            world.network.cut(one, other, until);
            world.network.cut(other, one, until);
        }
        world.log.tell(super::Detail::Lives, world.now(), format_args!("{hosts:?} parted from {near:?} until {until}"));
    }

    fn cut(&mut self, world: &mut World) {
        let members: Vec<usize> = world.members().map(|(host, _)| host).collect();
        if members.len() <= SMALLEST {
            return;
        }
        let one = members[self.rng.index(members.len())];
        let near = |node: &Node| {
            let after = node.successors().iter().copied().take(2);
            node.predecessor().into_iter().chain(after).collect::<Vec<_>>()
        };
        let neighbours: Vec<usize> = world
            .host(one)
            .node()
            .into_iter()
            .flat_map(near)
            .filter_map(|peer| world.node_of(peer).map(|(host, _)| host))
            .collect();
        let pool = if neighbours.is_empty() || self.rng.chance(0.2) { members } else { neighbours };
        let other = pool[self.rng.index(pool.len())];
        if other == one || !self.bound.admits(world, &[one, other]) {
            return;
        }
        let until = world.now() + self.some_of(&[600, 1500, 3000, 6000]);
        self.disturb(&[one, other], until);
        self.faults.cuts += 1;
        let ways = self.rng.below(3);
        if ways != 0 {
            world.network.cut(one, other, until);
        }
        if ways != 1 {
            world.network.cut(other, one, until);
        }
        world.log.tell(super::Detail::Lives, world.now(), format_args!("{one} and {other} cut ({ways}) until {until}"));
    }

    /// A write of this key was submitted: if a strike waits for one, the key's owner is to be hit, and when.
    pub fn aim(&mut self, world: &mut World, keys: &Keys, key: usize) -> Option<(usize, Instant)> {
        if !core::mem::take(&mut self.armed) {
            return None;
        }
        let (owner, node) = keys.speaker(world, key)?;
        let beside = node.predecessor().into_iter().chain(node.successors().first().copied());
        let beside: Vec<usize> = beside.filter_map(|peer| world.node_of(peer)).map(|(host, _)| host).collect();
        self.bound.review(world, keys);
        let covered = world.members().count() > SMALLEST;
        if covered && !self.bound.is_disturbed(owner) && self.bound.admits(world, &[owner]) && self.rng.chance(0.6) {
            self.strand(world, owner, &beside);
        }
        Some((owner, world.now() + self.rng.between(Duration::ZERO, world.network.weather.delay.longest() * 5)))
    }

    /// What an owner has to say to its neighbours does not get there, or only when others may have taken over.
    fn strand(&mut self, world: &mut World, owner: usize, beside: &[usize]) {
        let (now, lost) = (world.now(), self.rng.chance(0.5));
        let late = self.some_of(&[800, 2500, 4500, 7000]);
        let until = now + if lost { late } else { world.network.weather.delay.longest() * 6 };
        self.bound.disturb(owner, now + late);
        if lost && self.rng.chance(0.5) {
            // It comes back with what only it has, and dies as soon as it has told anyone.
            self.doomed = Some((Some(owner), now + late));
        } else {
            self.stranded = Some(owner);
        }
        for &host in beside {
            if lost {
                world.network.cut(owner, host, until);
            } else {
                world.network.delay(owner, host, until, late);
            }
        }
        world.log.tell(super::Detail::Lives, now, format_args!("{owner} stranded (lost: {lost}) for {late:?}"));
    }

    /// An owner has answered: perhaps it dies at once.
    pub fn answered(&mut self, world: &World, keys: &Keys, owner: usize, enough: bool) -> Orders {
        let is_it =
            |(who, from): &(Option<usize>, Instant)| *from <= world.now() && who.is_none_or(|doomed| doomed == owner);
        let mut orders = Orders::default();
        if !enough || self.doomed.take_if(|doomed| is_it(doomed)).is_none() || !world.host(owner).is_running() {
            return orders;
        }
        self.bound.review(world, keys);
        if self.may_hit(world, owner) {
            self.disturb(&[owner], world.now());
            self.faults.strikes += 1;
            self.faults.crashes += 1;
            orders.crash.push(owner);
        }
        orders
    }

    /// Hits an owner that was aimed at: it stops, perhaps with a neighbour, or dies.
    pub fn strike(&mut self, world: &mut World, keys: &Keys, owner: usize, enough: bool) -> Orders {
        self.bound.review(world, keys);
        let mut orders = Orders::default();
        let stranded = self.stranded.take() == Some(owner);
        let disturbed = self.bound.is_disturbed(owner) && !stranded;
        if disturbed || !world.host(owner).is_running() || !self.bound.admits(world, &[owner]) {
            return orders;
        }
        self.faults.strikes += 1;
        if enough && self.rng.chance(0.4) {
            self.disturb(&[owner], world.now());
            self.faults.crashes += 1;
            orders.crash.push(owner);
            return orders;
        }
        let mut hosts = vec![owner];
        let node = world.host(owner).node();
        let beside = if self.rng.chance(0.5) { node.and_then(Node::predecessor) } else { None };
        if let Some((host, _)) = beside.and_then(|peer| world.node_of(peer))
            && self.bound.admits(world, &[owner, host])
        {
            hosts.push(host);
        }
        let until = world.now() + self.some_of(&[2000, 3000, 4500, 6000, 9000]);
        self.pause(world, &hosts, until);
        orders
    }
}
