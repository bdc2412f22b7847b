//! Many that write one key at one moment.

use super::super::ledger::{Act, Question};
use super::super::world::World;
use super::Clients;
use crate::wire::Condition;

/// So many write at one moment at the most: more than a log has room for. More than these, and who judges has too much
/// to guess.
pub(super) const BURST_MAX: usize = 7;

/// With so many open ends no more is written at one moment, for the same reason.
const OPEN_MAX: usize = 12;

impl Clients {
    /// Some write the key, or delete it, each once but for repetitions, through any nodes.
    pub fn burst(&mut self, world: &mut World, key: usize) {
        if self.ledger.open_ends(key) >= OPEN_MAX {
            return;
        }
        let writers = 5 + self.rng.index(BURST_MAX - 4);
        for client in self.count()..self.count() + writers {
            let waits = self.attempts.values().any(|attempt| attempt.question.client == Some(client));
            let Some(host) = self.choose_host(world).filter(|_| !waits && self.again[client].is_none()) else {
                continue;
            };
            let mut attempt = self.invent(world.now(), client, host);
            let as_seen = self.ledger.seen(key).map_or(Condition::None, Condition::Match);
            let mut put = |condition| Act::Put { value: self.ledger.new_value(key), condition };
            let act = match self.rng.below(10) {
                0 => put(Condition::Absent),
                1 => put(as_seen),
                2 => Act::Delete { condition: Condition::None },
                _ => put(Condition::None),
            };
            attempt.question = Question { key, act, ..attempt.question };
            self.outcomes.bursts += 1;
            self.submit(world, attempt);
        }
    }

    /// The key that is in use most just now.
    pub fn busiest(&mut self, world: &World) -> usize {
        let hot = self.hot.filter(|&(_, until)| until > world.now()).map(|(key, _)| key);
        hot.unwrap_or_else(|| self.rng.index(self.keys().len()))
    }
}
