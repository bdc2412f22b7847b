//! What a scene asks for itself, beside the clients: it goes into the same ledger, and is judged with it.

use super::{Rng, Swarm};
use crate::node::{Attempt, Command, Reply};
use crate::sim::ledger::{Act, Ledger, Question};
use crate::store::Content;
use crate::time::Instant;
use crate::wire::{Condition, OperationId};
use std::collections::BTreeMap;

/// Far beyond the numbers of the clients' operations.
const FIRST_TAG: u64 = 1 << 40;

/// Reads and writes that a scene waits for.
pub(super) struct Asks {
    rng: Rng,
    waiting: BTreeMap<u64, Question>,
    next_tag: u64,
}

impl Asks {
    pub(super) const fn new(rng: Rng) -> Self {
        Self { rng, waiting: BTreeMap::new(), next_tag: FIRST_TAG }
    }

    /// True while something has no answer yet.
    pub(super) fn is_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Reads a key through a machine.
    pub(super) fn read(&mut self, run: &mut Swarm, host: usize, key: usize) {
        let name = run.clients.keys().name(key).into();
        self.submit(run, host, key, Act::Get, Command::Get { key: name });
    }

    /// Writes a new value of at least so many bytes, which does not end, through a machine.
    pub(super) fn write(&mut self, run: &mut Swarm, host: usize, key: usize, least: usize) {
        let ledger = &mut run.clients.ledger;
        let mut value = ledger.new_value(key);
        while Ledger::ttl_of(value) != 0 || ledger.bytes_of(value).len() < least {
            value = ledger.new_value(key);
        }
        let content = Content::new(ledger.bytes_of(value), b"", 0);
        let (condition, mut id) = (Condition::None, [0; 16]);
        id[..8].copy_from_slice(&self.rng.next_u64().to_be_bytes());
        let attempt = Some(Attempt::First(OperationId(id)));
        let name = ledger.keys.name(key).into();
        let command = Command::Put { key: name, content, ttl_s: 0, condition, min_copies: 0, attempt };
        self.submit(run, host, key, Act::Put { value, condition }, command);
    }

    fn submit(&mut self, run: &mut Swarm, host: usize, key: usize, act: Act, command: Command) {
        let client = Some(run.clients.count());
        self.next_tag += 1;
        self.waiting.insert(self.next_tag, Question { client, host, key, act, start: run.world.now() });
        run.world.submit(host, self.next_tag, command);
    }

    /// Takes the answer down, if the question was asked here.
    pub(super) fn replied(&mut self, run: &mut Swarm, tag: u64, reply: Option<&Reply>) -> Option<Question> {
        let question = self.waiting.remove(&tag)?;
        let (key, now, ledger) = (question.key, run.world.now(), &mut run.clients.ledger);
        let learned = match (question.act, reply) {
            (Act::Get, Some(Reply::Value { version, content, .. })) => {
                let found = ledger.number_of(content.bytes(), key);
                ledger.read(question, now, found);
                ledger.learn(now, key, *version, found)
            }
            (Act::Get, Some(Reply::NotFound)) => {
                ledger.read(question, now, None);
                Ok(())
            }
            (Act::Put { value, .. }, Some(Reply::Stored { version, .. })) => {
                ledger.wrote(question, now);
                ledger.learn(now, key, *version, Some(value))
            }
            (_, Some(Reply::Unavailable(_))) | (Act::Get, None) => Ok(()),
            (Act::Put { .. }, Some(Reply::Unknown { .. }) | None) => {
                ledger.wrote(question, Instant::FAR);
                Ok(())
            }
            _ => Err(format!("key {key}: odd answer {reply:?}")),
        };
        if let Err(failure) = learned {
            run.fail(&failure);
        }
        Some(question)
    }
}
