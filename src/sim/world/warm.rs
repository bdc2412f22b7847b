//! A ring that stands at once: as if all its nodes had joined long ago.

use super::World;
use crate::id::Id;
use crate::routing::Fingers;
use crate::wire::Peer;

impl World {
    /// Starts a process on each of these machines, where none is alive yet, with all tables as on the ideal ring of
    /// just these. Within a few seconds all will have settled. A machine without others beside it creates a ring.
    pub fn start_amid(&mut self, hosts: &[usize]) {
        let [first, _, ..] = hosts else {
            return hosts.iter().for_each(|host| self.start(*host, &[]));
        };
        let seed = self.hosts[*first].addr();
        hosts.iter().for_each(|host| self.give_birth(*host, &[seed]));
        let born = |host: &usize| self.hosts[*host].node().map(|node| (node.me(), *host));
        let mut ring: Vec<(Peer, usize)> = hosts.iter().filter_map(born).collect();
        ring.sort_by_key(|(peer, _)| peer.id());
        let peers: Vec<Peer> = ring.iter().map(|(peer, _)| *peer).collect();
        let listed = self.config.successors.min(peers.len() - 1);
        for (at, (me, host)) in ring.iter().enumerate() {
            let before = peers[(at + peers.len() - 1) % peers.len()];
            let after: Vec<Peer> = peers.iter().cycle().skip(at + 1).take(listed).copied().collect();
            let fingers = fingers_of(*me, &after, &peers);
            let halves = if self.config.halves { halves_of(*me, &fingers, &peers) } else { Vec::new() };
            if let Some(node) = &mut self.hosts[*host].node {
                node.stand_amid(before, &after, &fingers, &halves);
            }
            self.drain(*host);
        }
    }

    /// Has a member take these for the next: as a node of a ring that formed apart would, on its way back along this
    /// one. So what it has pledged to the one that in truth follows is forgotten: that node would have pledged nothing.
    pub fn lead_astray(&mut self, host: usize, after: &[Peer]) {
        if let Some(node) = &mut self.hosts[host].node
            && let Some(predecessor) = node.predecessor()
        {
            node.put_between(predecessor, after);
            node.forget_pledge_to_successor();
        }
        self.drain(host);
    }

    /// Bends the ring into a loop that agrees with itself and goes round so many times: each member's successor is the
    /// one so many places on.
    pub fn wind(&mut self, turns: usize) {
        let mut order: Vec<(Peer, usize)> = self.members().map(|(host, node)| (node.me(), host)).collect();
        order.sort_by_key(|(peer, _)| peer.id());
        let wound: Vec<(Peer, usize)> =
            (0..turns).flat_map(|first| order.iter().skip(first).step_by(turns)).copied().collect();
        for (at, (_, host)) in wound.iter().enumerate() {
            let after: Vec<Peer> =
                wound.iter().cycle().skip(at + 1).take(wound.len() - 1).map(|(peer, _)| *peer).collect();
            let before = wound[(at + wound.len() - 1) % wound.len()].0;
            if let Some(node) = &mut self.hosts[*host].node {
                node.put_between(before, &after);
            }
            self.drain(*host);
        }
    }
}

/// The fingers of a node on the ideal ring, those beyond its successor list, each node once.
fn fingers_of(me: Peer, successors: &[Peer], ring: &[Peer]) -> Vec<Peer> {
    let table = Fingers::new(me.id());
    let next = |last: &Peer| {
        let exponent = table.first_beyond(last.id())?;
        let owner = owner_of(table.target(exponent), ring);
        // Beyond the last one the ring has come round.
        (me.id().distance_to(owner.id()) >= 1 << exponent).then_some(owner)
    };
    core::iter::successors(successors.last().and_then(next), next).collect()
}

/// The owner of an id on the ideal ring.
fn owner_of(id: Id, ring: &[Peer]) -> Peer {
    ring[ring.partition_point(|peer| peer.id() < id) % ring.len()]
}

/// The nodes half-way from each finger to the next, with the exponent of the finger.
fn halves_of(me: Peer, fingers: &[Peer], ring: &[Peer]) -> Vec<(u8, Peer)> {
    let table = Fingers::new(me.id());
    let exponents = fingers.iter().map(|finger| table.first_beyond(finger.id()).unwrap_or(Id::BITS as u8) - 1);
    exponents.map(|exponent| (exponent, owner_of(table.half(exponent), ring))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::sim::oracle::{self, Ring};
    use crate::sim::{Clock, Machine};
    use crate::time::Instant;

    #[test]
    fn all_settle_where_they_stand_and_nothing_moves() {
        for nodes in [1, 2, 3, 9, 10, 64] {
            let mut world = World::new(nodes, Config::default());
            let machine =
                |n: u64| Machine { addr: ([10, 0, 0, n as u8], 4321).into(), id: None, clock: Clock::default() };
            let hosts: Vec<usize> = (0..nodes).map(|n| world.add(machine(n))).collect();
            world.start_amid(&hosts);
            let tables = |world: &World| {
                let fingers = |node: &crate::node::Node| node.status(Instant::ZERO).fingers;
                let fingers: Vec<_> = world.members().map(|(_, node)| format!("{:?}", fingers(node))).collect();
                (Ring::of(world), fingers)
            };
            let before = tables(&world);
            assert_eq!(oracle::flaw_of_ideal(&before.0, 8), None);
            while world.next(Instant::from_millis(300_000)).is_some() {
                if world.now() > Instant::from_millis(8_000) {
                    let all = hosts.iter().all(|host| world.host(*host).is_ready(world.now()));
                    assert!(all, "of {nodes} some are not ready at {}", world.now());
                }
            }
            assert_eq!(tables(&world), before, "the fingers, looked up by the nodes themselves, are the same");
        }
    }
}
