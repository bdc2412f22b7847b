//! Simulated clients: they read, write and delete a few keys through random nodes, repeat what had no clear outcome,
//! and write down what they were told.

mod burst;
mod choose;

use super::bound::Keys;
use super::ledger::{Act, Ledger, Question};
use super::lists::Lists;
use super::patience::{is_late, take_late};
use super::repeats::{Done, Repeats};
use super::world::World;
use crate::node::{Attempt as Naming, Command, Reply};
use crate::rng::Rng;
use crate::store::Content;
use crate::time::Instant;
use crate::wire::{OperationId, Version};
use core::fmt;
use std::collections::{BTreeMap, BTreeSet};

/// How often a write of unknown outcome is sent in all, before its outcome stays open.
const TRIES_MAX: u32 = 6;

/// How the operations ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcomes {
    /// Reads that found a value.
    pub values: u64,
    /// Reads and deletes that found nothing.
    pub not_found: u64,
    /// Writes and deletes done.
    pub stored: u64,
    /// Writes and deletes whose condition did not hold.
    pub conflicts: u64,
    /// Operations refused, with nothing changed.
    pub unavailable: u64,
    /// Answers that the outcome is not known.
    pub unknown: u64,
    /// Operations whose node died first.
    pub lost: u64,
    /// Writes sent again under the same name.
    pub repeated: u64,
    /// Writes whose outcome stayed open.
    pub open: u64,
    /// Writes of many at one moment.
    pub bursts: u64,
    /// Clear answers that came to guests.
    pub to_guests: u64,
}

impl Outcomes {
    /// Operations that ended with a clear answer.
    pub const fn answered(&self) -> u64 {
        self.values + self.not_found + self.stored + self.conflicts
    }
}

/// One operation, through all its tries.
#[derive(Clone, Copy, Debug)]
struct Attempt {
    question: Question,
    /// When this try was handed in.
    submitted: Instant,
    tries: u32,
    /// An earlier try may have been done.
    unsure: bool,
    /// Under which name it is asked for; `None` leaves that to the ring.
    name: Option<Naming>,
    /// The client chose the name.
    own: bool,
    /// A read that leaves the value out.
    glance: bool,
}

impl Attempt {
    /// The name that the client knows.
    fn id(&self) -> Option<OperationId> {
        Some(match self.name? {
            Naming::First(id) => id,
            Naming::Again(operation) => operation.id,
        })
    }
}

impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Question { key, act, host, .. } = self.question;
        write!(f, "key {key}: {act:?} through {host}, try {} of {}", self.tries, self.submitted)
    }
}

/// All clients of a world.
#[derive(Debug)]
pub struct Clients {
    /// What they were told.
    pub ledger: Ledger,
    /// Of so many of 256 writes a client chooses the name.
    named: u16,
    rng: Rng,
    attempts: BTreeMap<u64, Attempt>,
    lists: Lists,
    repeats: Repeats,
    /// For each client the operation that it will repeat; behind them for those who write together.
    again: Vec<Option<Attempt>>,
    next_tag: u64,
    outcomes: Outcomes,
    /// A key that all clients use for a while.
    hot: Option<(usize, Instant)>,
    /// The key of a write just submitted.
    writing: Option<usize>,
    failures: Vec<String>,
    /// Names of writes that did more than once what they may do once: no more is promised of that than of histories.
    applied_again: Vec<String>,
    /// What the last look found of each key: through every node the same, if all is well.
    last_look: Vec<BTreeSet<Option<Version>>>,
}

impl Clients {
    /// So many clients of these keys, that name so many of 256 writes; their choices come from the generator.
    pub fn new(count: usize, keys: Keys, named: u16, mut rng: Rng) -> Self {
        Self {
            named,
            last_look: vec![BTreeSet::new(); keys.len()],
            ledger: Ledger::new(keys),
            repeats: Repeats::new(rng.fork()),
            rng,
            attempts: BTreeMap::new(),
            lists: Lists::default(),
            again: vec![None; count + burst::BURST_MAX],
            next_tag: 0,
            outcomes: Outcomes::default(),
            hot: None,
            writing: None,
            failures: Vec::new(),
            applied_again: Vec::new(),
        }
    }

    /// The keys.
    pub const fn keys(&self) -> &Keys {
        &self.ledger.keys
    }

    /// The same, to take note of something.
    pub const fn keys_mut(&mut self) -> &mut Keys {
        &mut self.ledger.keys
    }

    /// How many clients there are.
    pub const fn count(&self) -> usize {
        self.again.len() - burst::BURST_MAX
    }

    /// How the operations ended so far.
    pub const fn outcomes(&self) -> Outcomes {
        self.outcomes
    }

    /// Answers that cannot be true whatever the history is. They are taken out.
    pub fn take_failures(&mut self) -> Vec<String> {
        core::mem::take(&mut self.failures)
    }

    /// All clients use this key until then.
    pub const fn heat(&mut self, key: usize, until: Instant) {
        self.hot = Some((key, until));
    }

    /// True while all clients use one key.
    pub fn is_hot(&self, now: Instant) -> bool {
        self.hot.is_some_and(|(_, until)| until > now)
    }

    /// The key of the last write submitted since the last call.
    pub const fn take_writing(&mut self) -> Option<usize> {
        self.writing.take()
    }

    /// The versions of a key that the last look found; `None` stands for nothing found.
    pub fn last_look(&self, key: usize) -> &BTreeSet<Option<Version>> {
        &self.last_look[key]
    }

    /// The machine that an operation was handed in at, and when, as long as it waits for its first answer.
    pub fn asked_first(&self, tag: u64) -> Option<(usize, Instant)> {
        let attempt = self.attempts.get(&tag).filter(|attempt| attempt.tries == 1)?;
        Some((attempt.question.host, attempt.submitted))
    }

    /// True while an operation waits for its answer.
    pub fn is_waiting(&self) -> bool {
        !self.attempts.is_empty() || self.lists.is_waiting() || self.repeats.is_waiting()
    }

    /// A client acts: it repeats what had no clear outcome, or begins something new.
    pub fn act(&mut self, world: &mut World, client: usize) {
        let Some(host) = self.choose_host(world) else { return };
        let attempt = match self.again[client].take() {
            Some(attempt) => {
                self.outcomes.repeated += 1;
                let question = Question { host, ..attempt.question };
                Attempt { question, submitted: world.now(), tries: attempt.tries + 1, ..attempt }
            }
            None => self.invent(world.now(), client, host),
        };
        self.submit(world, attempt);
        if Lists::is_due(self.next_tag) {
            self.list(world, host, false);
        }
        if Repeats::is_due(self.next_tag) {
            self.next_tag += 1;
            self.repeats.submit(world, self.next_tag, host, &self.ledger);
        }
    }

    fn list(&mut self, world: &mut World, host: usize, last: bool) {
        self.next_tag += 1;
        self.lists.submit(world, self.next_tag, host, last);
    }

    fn submit(&mut self, world: &mut World, attempt: Attempt) {
        let key: Box<[u8]> = self.keys().name(attempt.question.key).into();
        let name = attempt.name;
        let command = match attempt.question.act {
            Act::Get if attempt.glance => Command::Glance { key },
            Act::Get => Command::Get { key },
            Act::Put { value, condition } => {
                let content = Content::new(self.ledger.bytes_of(value), b"", 0);
                Command::Put { key, content, ttl_s: Ledger::ttl_of(value), condition, min_copies: 0, attempt: name }
            }
            Act::Delete { condition } => Command::Delete { key, condition, min_copies: 0, attempt: name },
        };
        if attempt.question.act != Act::Get {
            self.writing = Some(attempt.question.key);
        }
        self.next_tag += 1;
        self.attempts.insert(self.next_tag, attempt);
        world.submit(attempt.question.host, self.next_tag, command);
    }

    /// Takes an answer in; `None` if the process died first. Returns the client that may act again.
    pub fn reply(&mut self, world: &World, tag: u64, reply: Option<Reply>) -> Option<usize> {
        let listed = self.lists.reply(world.now(), tag, reply.as_ref(), &mut self.ledger);
        if let Some(judged) = listed {
            self.failures.extend(judged.err());
            return None;
        }
        if let Some(judged) = self.repeats.reply(tag, reply.as_ref()) {
            self.applied_again.extend(judged.err());
            return None;
        }
        let mut attempt = self.attempts.remove(&tag)?;
        if let Some(reply) = &reply {
            self.judge_alone(world, &attempt, reply);
        }
        let (question, now) = (attempt.question, world.now());
        let key = question.key;
        if question.client.is_none() {
            // What may end meanwhile counts as nothing found.
            let found = match &reply {
                Some(Reply::Value { version, left_ms, .. } | Reply::Seen { version, left_ms, .. }) => {
                    Some(*version).filter(|_| *left_ms == 0)
                }
                _ => None,
            };
            self.last_look[key].insert(found);
        }
        let before = self.outcomes.answered();
        match reply {
            Some(Reply::Value { version, content, .. }) => {
                self.outcomes.values += 1;
                let found = self.ledger.number_of(content.bytes(), key);
                let learned = self.ledger.learn(now, key, version, found);
                self.failures.extend(learned.err());
                self.ledger.read(question, now, found);
            }
            // Whether it is the version that reads found is looked at when all have ended.
            Some(Reply::Seen { .. }) => {}
            Some(Reply::Stored { version, created, .. }) => {
                self.outcomes.stored += 1;
                let learned = self.ledger.learn(now, key, version, question.act.sets().flatten());
                self.failures.extend(learned.err());
                let id = attempt.id().filter(|_| attempt.own);
                let done = Done { key, act: question.act, id, told: (version, created), at: now };
                self.failures.extend(self.repeats.learn(done).err());
                self.ledger.wrote(question, now);
            }
            Some(Reply::NotFound) if !attempt.unsure => {
                self.outcomes.not_found += 1;
                self.ledger.read(question, now, None);
            }
            Some(Reply::Conflict { version }) if !attempt.unsure => {
                self.outcomes.conflicts += 1;
                self.ledger.refused(question, now, version);
            }
            Some(Reply::Unavailable(_)) if !attempt.unsure => self.outcomes.unavailable += 1,
            // A refusal of a later try says nothing about an earlier one.
            _ => {
                let count = if reply.is_none() { &mut self.outcomes.lost } else { &mut self.outcomes.unknown };
                *count += 1;
                if question.act != Act::Get {
                    attempt.unsure = true;
                    match (reply, attempt.name) {
                        // It will not be known any more.
                        (Some(Reply::Forgotten), _) => self.leave_open(&attempt),
                        (Some(Reply::Unknown { operation }), name) => {
                            if self.rng.chance(0.5) || name.is_none() {
                                attempt.name = Some(Naming::Again(operation));
                            }
                            self.keep_on_or_leave_open(attempt);
                        }
                        // No answer told the name that the ring gave it.
                        (_, None) => self.leave_open(&attempt),
                        // Under the name that the client gave it may be repeated whatever the answer was.
                        _ => self.keep_on_or_leave_open(attempt),
                    }
                }
            }
        }
        if world.guests().contains(&question.host) {
            self.outcomes.to_guests += self.outcomes.answered() - before;
        }
        // Those who write together do so once.
        question.client.filter(|client| *client < self.count() || self.again[*client].is_some())
    }

    fn keep_on_or_leave_open(&mut self, attempt: Attempt) {
        let goes_on = attempt.tries < TRIES_MAX && self.rng.chance(0.8);
        match attempt.question.client.filter(|_| goes_on) {
            Some(client) => self.again[client] = Some(attempt),
            None => self.leave_open(&attempt),
        }
    }

    fn leave_open(&mut self, attempt: &Attempt) {
        if attempt.question.act != Act::Get {
            self.outcomes.open += 1;
            self.ledger.wrote(attempt.question, Instant::FAR);
        }
    }

    /// Answers that are wrong by themselves.
    fn judge_alone(&mut self, world: &World, attempt: &Attempt, reply: &Reply) {
        let Question { host, key, act, client, .. } = attempt.question;
        let is_its_name = |id| attempt.id().is_none_or(|own| own == id);
        let fits = match (act, reply) {
            (Act::Get, Reply::Value { content, .. }) => self.ledger.number_of(content.bytes(), key).is_some(),
            (Act::Get, Reply::Seen { .. }) => attempt.glance,
            (Act::Get | Act::Delete { .. }, Reply::NotFound) | (_, Reply::Unavailable(_)) => true,
            (Act::Put { .. } | Act::Delete { .. }, Reply::Stored { operation, copies, .. }) => {
                is_its_name(operation.id) && (1..=3).contains(copies)
            }
            (Act::Put { .. } | Act::Delete { .. }, Reply::Unknown { operation }) => is_its_name(operation.id),
            (Act::Put { .. } | Act::Delete { .. }, Reply::Forgotten) => matches!(attempt.name, Some(Naming::Again(_))),
            (Act::Put { condition, .. } | Act::Delete { condition }, Reply::Conflict { version }) => {
                !condition.holds(*version)
            }
            _ => false,
        };
        if !fits {
            self.failures.push(format!("{attempt}: odd answer {reply:?}"));
        }
        if is_late(world, host, attempt.submitted) {
            self.failures.push(format!("{attempt}: answered too late"));
        }
        if client.is_none() && !matches!(reply, Reply::Value { .. } | Reply::Seen { .. } | Reply::NotFound) {
            self.failures.push(format!("{attempt}: cannot be read after healing: {reply:?}"));
        }
    }

    /// What waits longer for an answer than it may. It is told once.
    pub fn take_overdue(&mut self, world: &World) -> Vec<String> {
        let taken = take_late(&mut self.attempts, world, |attempt| (attempt.question.host, attempt.submitted));
        taken.iter().for_each(|attempt| self.leave_open(attempt));
        let lists = self.lists.take_overdue(world);
        let repeats = self.repeats.take_overdue(world);
        taken.iter().map(|attempt| format!("{attempt}: no answer")).chain(lists).chain(repeats).collect()
    }

    /// What still waits or was to be repeated stays open; then the judgement over all that was told.
    pub fn judge(&mut self) -> Vec<String> {
        let waiting = core::mem::take(&mut self.attempts).into_values();
        let again = self.again.iter_mut().filter_map(Option::take);
        for attempt in waiting.chain(again).collect::<Vec<_>>() {
            self.leave_open(&attempt);
        }
        let misfits = self
            .last_look
            .iter()
            .enumerate()
            .filter_map(|(key, found)| self.lists.misfit(key, found, &self.ledger.keys));
        let applied_again = self.applied_again.drain(..);
        self.ledger.judge().into_iter().chain(misfits).chain(applied_again).collect()
    }
}
