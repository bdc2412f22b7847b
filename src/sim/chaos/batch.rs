//! Machines that come together, as when somebody adds two to a ring, and that go again; and nodes that die beside them
//! before they hold the copies that belong to their place.

use super::{Chaos, Orders};
use crate::node::Node;
use crate::sim::bound::Keys;
use crate::sim::world::World;
use crate::wire::Peer;
use core::time::Duration;

impl Chaos {
    /// The batch comes, if nobody of it is there; otherwise some of those who are leave, or die.
    pub(super) fn scale(&mut self, world: &World, enough: bool, orders: &mut Orders) {
        let is_there = |host: &usize| world.host(*host).node().is_some();
        if !self.batch.clone().any(|host| is_there(&host)) {
            let batch: Vec<usize> = self.batch.clone().collect();
            // Who died before and is still missed is no newcomer.
            let fresh = !batch.iter().any(|&host| self.bound.is_disturbed(host));
            if fresh && self.bound.admits_newcomers(world, &batch) {
                self.faults.batches += 1;
                orders.batch = batch;
            }
            return;
        }
        let free = |host: &usize| world.host(*host).is_running() && !self.bound.is_disturbed(*host);
        let mut go: Vec<usize> = self.batch.clone().filter(is_there).filter(free).collect();
        if !go.is_empty() {
            let first = self.rng.index(go.len());
            go.rotate_left(first);
        }
        go.truncate(2);
        if !self.bound.admits(world, &go) {
            go.truncate(1);
        }
        if go.is_empty() || !enough || !self.bound.admits(world, &go) {
            return;
        }
        if self.rng.chance(0.5) {
            self.disturb(&go, world.now());
            self.faults.crashes += go.len() as u64;
            self.faults.double_crashes += u64::from(go.len() == 2);
            orders.crash = go;
        } else {
            self.disturb(&go, world.now() + Duration::from_secs(1));
            self.faults.leaves += go.len() as u64;
            orders.leave = go;
        }
    }

    /// The two after one that has just joined die, or the two before it.
    pub fn crash_beside(&mut self, world: &World, keys: &Keys, joiner: usize, enough: bool) -> Orders {
        self.bound.review(world, keys);
        let Some(node) = world.host(joiner).node().filter(|_| enough) else { return Orders::default() };
        let host = |peer: Peer| world.node_of(peer).map(|(host, _)| host).filter(|host| !self.bound.is_newcomer(*host));
        let before = |host: usize| world.host(host).node().and_then(Node::predecessor);
        let hosts: Vec<usize> = if self.rng.chance(0.8) {
            node.successors().iter().copied().filter_map(host).take(2).collect()
        } else {
            let first = node.predecessor().and_then(host);
            first.into_iter().chain(first.and_then(before).and_then(host)).collect()
        };
        let fit = |host: &usize| world.host(*host).is_running() && !self.bound.is_disturbed(*host);
        if hosts.len() < 2 || !hosts.iter().all(fit) || !self.bound.admits(world, &hosts) {
            return Orders::default();
        }
        self.disturb(&hosts, world.now());
        self.faults.crashes += 2;
        self.faults.double_crashes += 1;
        self.faults.beside += 1;
        Orders { crash: hosts, ..Orders::default() }
    }
}
