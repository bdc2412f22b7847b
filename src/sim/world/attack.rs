//! The attacker's datagrams, and what nodes send because of them. Nothing of it draws on the chance of the others: what
//! an attack does not move goes on as it would without.

use super::World;
use crate::sim::attacker::Attacker;
use crate::sim::host::{Host, INBOX_MAX, Input};
use crate::sim::queue::Due;
use crate::wire::Peer;
use core::time::Duration;
use std::net::SocketAddr;

/// How long what a node answers is on its way at the most.
const REFLECTION: Duration = Duration::from_millis(5);

impl World {
    /// From now on this attacker is at work, or none; returns the one that was.
    pub fn set_attacker(&mut self, attacker: Option<Attacker>) -> Option<Attacker> {
        let former = core::mem::replace(&mut self.attacker, attacker);
        if self.attacker.is_some() && former.is_none() {
            self.schedule(self.now, Due::Attack);
        }
        former
    }

    /// The attacker at work, if there is one.
    pub const fn attacker(&self) -> Option<&Attacker> {
        self.attacker.as_ref()
    }

    /// One datagram of the attacker.
    pub(super) fn attack(&mut self) {
        let Some(attacker) = &mut self.attacker else { return };
        let nodes: Vec<Peer> = self.hosts.iter().filter_map(Host::peer).collect();
        let (now, shot, pause) = (self.now, attacker.shoot(self.now, &nodes), attacker.pause());
        self.schedule(now + pause, Due::Attack);
        let Some((host, shot)) = shot.and_then(|shot| Some((self.host_at(shot.to)?, shot))) else { return };
        let it = &mut self.hosts[host];
        if it.is_paused() && it.inbox.len() >= INBOX_MAX / 2 {
            // What the system keeps for a stopped process is not all the attacker's.
            return;
        }
        self.arrive_attacked(host, Input::Datagram { source: shot.source, bytes: shot.bytes });
    }

    /// A process gets something that it would not without the attacker.
    pub(super) fn arrive_attacked(&mut self, host: usize, input: Input) {
        self.attacked = true;
        self.arrive(host, input);
        self.attacked = false;
    }

    /// What a node sends because of the attacker.
    pub(super) fn reflect(&mut self, from: usize, to: SocketAddr, bytes: &[u8]) {
        if let Some(attacker) = self.attacker.as_mut().filter(|_| to == Attacker::ADDR) {
            return attacker.hear(self.hosts[from].machine.addr, bytes);
        }
        let (Some(host), Some(attacker)) = (self.host_at(to), &mut self.attacker) else { return };
        let after = attacker.rng().between(Duration::ZERO, REFLECTION);
        if !self.network.is_open(self.now, from, host) {
            return;
        }
        let input = Input::Datagram { source: self.hosts[from].machine.addr, bytes: bytes.into() };
        self.schedule(self.now + after, Due::Reflection { host, input });
    }
}
