//! What a process has to say after its turn: datagrams go to the network, events to the driver, and the machine knows
//! when to wake it next.

use super::{Happening, World};
use crate::limits::FRAME_MAX;
use crate::node::{Command, Event, Node};
use crate::sim::host::Input;
use crate::sim::log::Detail;
use crate::sim::queue::Due;
use crate::time::Instant;
use core::time::Duration;
use std::net::SocketAddr;

/// One wake-up of so many is late by up to [`World::lateness`], the others by a tenth of it.
const LATE_ONE_IN: f64 = 1.0 / 50.0;

impl World {
    pub(super) fn drain(&mut self, host: usize) {
        let mut buffer = [0; FRAME_MAX];
        while let Some(transmit) = self.hosts[host].node.as_mut().and_then(|node| node.poll_transmit(&mut buffer)) {
            if self.attacked {
                self.reflect(host, transmit.to, &buffer[..transmit.length]);
            } else {
                self.carry(host, transmit.to, &buffer[..transmit.length]);
            }
        }
        while let Some(event) = self.hosts[host].node.as_deref_mut().and_then(Node::poll_event) {
            self.tell(host, event);
        }
        if self.hosts[host].left.is_some() {
            self.save_last(host);
        } else {
            self.save_next(host);
        }
        if let Some(handed_over) = self.hosts[host].left.take()
            && let Some(counters) = self.end(host, "has left")
        {
            let counters = Box::new(counters);
            return self.happenings.push_back(Happening::Left { host, handed_over, counters });
        }
        self.sleep(host);
        self.happenings.push_back(Happening::Touched { host });
    }

    fn carry(&mut self, from: usize, to: SocketAddr, bytes: &[u8]) {
        // The last bytes are a hash over all before them.
        let mut tag = [0; 8];
        tag.copy_from_slice(bytes.last_chunk::<8>().unwrap_or(&[0; 8]));
        self.log.note(&[4, self.now.as_micros(), from as u64, u64::from_be_bytes(tag)]);
        let Some(host) = self.host_at(to) else {
            return self.happenings.push_back(Happening::Astray { host: from, to, bytes: bytes.into() });
        };
        if let Some(attacker) = &mut self.attacker {
            attacker.record(self.hosts[from].machine.addr, to, bytes);
        }
        let fates = self.network.send(self.now, from, host, bytes.len());
        if self.log.tells(Detail::Datagrams) {
            let frame = self.ring.decode(bytes);
            let text = frame.map_or_else(|flaw| flaw.to_string(), |frame| format!("{:?}", frame.message));
            let after: Vec<Duration> = fates.iter().map(|fate| fate.after).collect();
            self.log.tell(
                Detail::Datagrams,
                self.now,
                format_args!("{from} -> {host} {} B {after:?} {text:.300}", bytes.len()),
            );
        }
        self.note_list(from, host, bytes, &fates);
        self.tell_sent(from, host, bytes, &fates);
        let source = self.hosts[from].machine.addr;
        for fate in fates {
            let mut bytes: Box<[u8]> = bytes.into();
            if let Some(bit) = fate.flipped {
                let bit = bit as usize % (bytes.len() * 8);
                bytes[bit / 8] ^= 1 << (bit % 8);
            }
            self.schedule(self.now + fate.after, Due::Input { host, input: Input::Datagram { source, bytes } });
        }
    }

    fn tell(&mut self, host: usize, event: Event) {
        match event {
            Event::Reply(ticket, reply) => {
                if let Some(tag) = self.hosts[host].tickets.remove(&ticket) {
                    self.happenings.push_back(Happening::Reply { tag, reply: Some(reply) });
                }
            }
            Event::SeedsWanted { tries } => {
                let command = Box::new(Command::Seeds(self.hosts[host].seeds.iter().map(|seed| vec![*seed]).collect()));
                let after = self.chance.between(Duration::from_millis(1), Duration::from_millis(50));
                self.log.tell(Detail::Lives, self.now, format_args!("{host} wants seeds, try {tries:?}"));
                self.schedule(self.now + after, Due::Input { host, input: Input::Command { tag: None, command } });
            }
            Event::Left { handed_over } => self.hosts[host].left = Some(handed_over),
            Event::Life(life) => {
                self.log.note(&[5, self.now.as_micros(), host as u64]);
                self.log.tell(Detail::Lives, self.now, format_args!("{host} {life:?}"));
                self.happenings.push_back(Happening::Life { host, life });
            }
        }
    }

    /// Schedules the wake-up at the node's deadline, unless an earlier one stands.
    pub(super) fn sleep(&mut self, host: usize) {
        let chance = match &mut self.attacker {
            Some(attacker) if self.attacked => attacker.rng(),
            _ => &mut self.chance,
        };
        let late = if chance.chance(LATE_ONE_IN) { self.lateness } else { self.lateness / 10 };
        let late = chance.between(Duration::ZERO, late);
        let it = &mut self.hosts[host];
        let Some(node) = &it.node else { return };
        let deadline = it.machine.clock.when(node.poll_timeout());
        if deadline == Instant::FAR {
            return;
        }
        // At least a microsecond later, so that time goes on even if a node asks to be woken in the past.
        let at = (deadline + late).max(self.now + Duration::from_micros(1));
        if at < it.wake {
            it.wake = at;
            self.schedule(at, Due::Wake { host });
        }
    }
}
