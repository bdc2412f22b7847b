//! What a client does next, and through whom.

use super::super::ledger::{Act, Question};
use super::super::world::World;
use super::{Attempt, Clients};
use crate::node::Attempt as Naming;
use crate::time::Instant;
use crate::wire::{Condition, OperationId, Version};

impl Clients {
    /// Mostly a running node, now and then a paused one; where there are guests, as often one of them.
    pub(super) fn choose_host(&mut self, world: &World) -> Option<usize> {
        let guests = world.guests();
        if !guests.is_empty() && self.rng.chance(0.5) {
            return Some(guests.start + self.rng.index(guests.len()));
        }
        let paused_too = self.rng.chance(0.15);
        let hosts = world.hosts().iter().enumerate();
        let fit = hosts.filter(|(_, host)| host.is_running() || paused_too && host.is_paused());
        let fit: Vec<usize> = fit.map(|(number, _)| number).collect();
        fit.get(self.rng.index(fit.len())).copied()
    }

    /// Lists all keys, and reads every key through every running node and guest, and glances at it, for the last
    /// judgement.
    pub fn read_everywhere(&mut self, world: &mut World) {
        let members = world.members().map(|(host, _)| host);
        let all = members.chain(world.guests());
        let hosts: Vec<usize> = all.filter(|&host| world.host(host).is_running()).collect();
        hosts.iter().for_each(|&host| self.list(world, host, true));
        for key in 0..self.keys().len() {
            for (&host, glance) in hosts.iter().flat_map(|host| [(host, false), (host, true)]) {
                let question = Question { client: None, host, key, act: Act::Get, start: world.now() };
                let (submitted, name, own) = (world.now(), None, false);
                self.submit(world, Attempt { question, submitted, tries: 1, unsure: false, name, own, glance });
            }
        }
    }

    pub(super) fn invent(&mut self, now: Instant, client: usize, host: usize) -> Attempt {
        let key = match self.hot.filter(|&(_, until)| until > now) {
            Some((key, _)) if self.rng.chance(0.8) => key,
            _ => self.rng.index(self.keys().len()),
        };
        let seen = self.ledger.seen(key);
        let as_seen = seen.map_or(Condition::None, Condition::Match);
        let list = seen.map(|seen| [Version::NONE, seen, Version::NONE, Version::NONE]);
        let one_of = list.map_or(Condition::None, Condition::OneOf);
        let none_of = list.map_or(Condition::None, |versions| Condition::NoneOf { versions, absent: true });
        let mut put = |condition| Act::Put { value: self.ledger.new_value(key), condition };
        let act = match self.rng.below(20) {
            0..=8 => Act::Get,
            9 | 10 => put(Condition::Absent),
            11 => put(as_seen),
            12 => put(one_of),
            13 => put(Condition::Present),
            14 | 15 => put(Condition::None),
            16 => put(none_of),
            17 => Act::Delete { condition: as_seen },
            _ => Act::Delete { condition: Condition::None },
        };
        let mut name = [0; 16];
        name[..8].copy_from_slice(&self.rng.next_u64().to_be_bytes());
        name[8..].copy_from_slice(&self.rng.next_u64().to_be_bytes());
        let question = Question { client: Some(client), host, key, act, start: now };
        let name = (u16::from(name[0]) < self.named).then_some(Naming::First(OperationId(name)));
        let own = name.is_some();
        Attempt { question, submitted: now, tries: 1, unsure: false, name, own, glance: false }
    }
}
