//! Processes come to life and die; what is on the disks of their machines stays.

use super::{Happening, World, numbers};
use crate::count::Count;
use crate::node::{Counters, Identity, Node};
use crate::sim::host::Input;
use crate::sim::log::Detail;
use crate::time::Instant;
use std::net::SocketAddr;

impl World {
    /// Starts a process on a machine where none is alive; without seeds it creates a ring.
    pub fn start(&mut self, host: usize, seeds: &[SocketAddr]) {
        if self.hosts[host].node.is_none() {
            self.give_birth(host, seeds);
            self.drain(host);
        }
    }

    pub(super) fn give_birth(&mut self, host: usize, seeds: &[SocketAddr]) {
        let mut entropy = [0; 32];
        for eight in entropy.chunks_exact_mut(8) {
            eight.copy_from_slice(&self.chance.next_u64().to_be_bytes());
        }
        let (now, guests) = (self.now, self.guests());
        let it = &mut self.hosts[host];
        let identity = Identity { addr: it.machine.addr, id: it.machine.id };
        let (config, seeded, local) = (self.config.clone(), !seeds.is_empty(), it.local(now));
        let node = match &it.disk {
            Some(disk) => {
                let saved = disk.restore(config.memory_max);
                Node::with_disk(config, identity, seeded, entropy, local, saved)
            }
            None if guests.contains(&host) => Node::guest(config, entropy, local),
            None => Node::new(config, identity, seeded, entropy, local),
        };
        it.node = Some(Box::new(node));
        it.seeds = seeds.to_vec();
        it.lives += 1;
        (it.born, it.running_since, it.wake) = (now, now, Instant::FAR);
        self.log.note(&[1, now.as_micros(), host as u64]);
        self.log.tell(Detail::Lives, now, format_args!("{host} starts with {}", Count(seeds.len(), "seed", "seeds")));
    }

    /// A machine is given another address. Its process goes on, and what it sends comes from there; what is sent to the
    /// former address reaches nobody. A process that saves what it holds keeps its id.
    pub fn readdress(&mut self, host: usize, addr: SocketAddr) {
        let it = &mut self.hosts[host];
        if it.disk.is_some() {
            it.machine.id = Some(it.id());
        }
        let former = core::mem::replace(&mut it.machine.addr, addr);
        self.places.remove(&numbers(former));
        self.places.insert(numbers(addr), host);
        self.log.note(&[6, self.now.as_micros(), host as u64]);
        self.log.tell(Detail::Lives, self.now, format_args!("{host} is at {addr} now, and was at {former}"));
    }

    /// Kills the process on a machine, with its memory; what was counted in its life is returned.
    pub fn crash(&mut self, host: usize) -> Option<Counters> {
        self.end(host, "crashes")
    }

    pub(super) fn end(&mut self, host: usize, how: &str) -> Option<Counters> {
        let it = &mut self.hosts[host];
        let node = it.node.take()?;
        let saved = it.disk.is_some() && self.chance.chance(0.5);
        if let Some(disk) = &mut it.disk {
            disk.end(saved);
        }
        (it.paused, it.ended) = (None, self.now);
        let waiting = core::mem::take(&mut it.inbox).into_iter().filter_map(|input| match input {
            Input::Command { tag, .. } => tag,
            _ => None,
        });
        let lost = waiting.chain(core::mem::take(&mut it.tickets).into_values());
        self.happenings.extend(lost.map(|tag| Happening::Reply { tag, reply: None }));
        self.log.note(&[2, self.now.as_micros(), host as u64]);
        self.log.tell(Detail::Lives, self.now, format_args!("{host} {how}"));
        Some(*node.counters())
    }
}
