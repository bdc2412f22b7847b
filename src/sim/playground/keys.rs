//! Keys that are in the ring before anything disturbs it. Clients write them as any others: at the nodes that own them.

use super::run::Due;
use super::{Phase, Playground};
use crate::id::Id;
use crate::node::{Command, Reply};
use crate::rng::Rng;
use crate::store::Content;
use crate::wire::Condition;
use core::time::Duration;

/// How often it is looked whether all is written and copied.
const LOOK: Duration = Duration::from_secs(1);
/// Without a further key written for so long the run goes on with those that are.
const STUCK_AFTER: Duration = Duration::from_secs(60);
/// So many are being written at one time for each node of the ring: none has more in work than it takes.
const AT_ONCE: usize = 8;
/// From here on tags name writes; lookups have lower ones.
const TAGS: u64 = 1 << 63;

/// True for the tag of a write.
pub(super) const fn is_write(tag: u64) -> bool {
    tag & TAGS != 0
}

/// The keys of a run, by their numbers.
#[derive(Debug)]
pub(super) struct Keys {
    /// They follow from the seed, and none is in two rings.
    salt: u64,
    written: Vec<bool>,
    /// The next one that nobody has tried to write.
    next: usize,
    /// Those that could not be written.
    again: Vec<usize>,
    under_way: usize,
}

impl Keys {
    /// So many, and none written yet.
    pub fn new(seed: u64, keys: usize) -> Self {
        let salt = Rng::new(seed ^ 0x00DA_7A00).next_u64();
        Self { salt, written: vec![false; keys], next: 0, again: Vec::new(), under_way: 0 }
    }

    /// How many there are to be.
    pub const fn wanted(&self) -> usize {
        self.written.len()
    }

    /// How many a node acknowledged.
    pub fn written(&self) -> usize {
        self.written.iter().filter(|written| **written).count()
    }

    /// The key of this number.
    fn key(&self, number: usize) -> [u8; 16] {
        (u128::from(self.salt) << 64 | number as u128).to_be_bytes()
    }

    /// The number of the written key that these bytes are.
    pub fn number_of(&self, key: &[u8]) -> Option<usize> {
        let number = usize::try_from(u64::from_be_bytes(*key.last_chunk()?)).ok()?;
        (self.written.get(number) == Some(&true) && self.key(number) == *key).then_some(number)
    }

    /// The next one to be written.
    fn take(&mut self) -> Option<usize> {
        self.again.pop().or_else(|| {
            let next = self.next;
            self.next += usize::from(next < self.written.len());
            (next < self.written.len()).then_some(next)
        })
    }
}

impl Playground {
    /// The ring has formed: keys are written, if there are to be any, and then all that disturbs begins.
    pub(super) fn formed(&mut self) {
        if self.keys.wanted() == 0 {
            return self.warm_up();
        }
        self.phase = Phase::Filling(self.world.now());
        self.alarm(Duration::ZERO, Due::Fill);
    }

    /// Begins with the keys once all have settled, and ends when all are written, and each is known to be copied.
    pub(super) fn fill(&mut self) {
        let now = self.world.now();
        let Phase::Filling(last) = self.phase else { return };
        let stuck = now >= last + STUCK_AFTER;
        let all_written =
            self.keys.next == self.keys.wanted() && self.keys.again.is_empty() && self.keys.under_way == 0;
        if stuck || all_written && self.statuses().all(|status| status.under_copied == 0) {
            self.repairs.begin(self.population.alive(), &self.world);
            return self.warm_up();
        }
        if self.keys.next > 0 || self.population.alive().iter().all(|host| self.world.host(*host).is_ready(now)) {
            self.write_some();
        }
        self.alarm(LOOK, Due::Fill);
    }

    /// Keeps as many writes under way as may be.
    fn write_some(&mut self) {
        while self.keys.under_way < self.population.alive().len() * AT_ONCE {
            let Some(number) = self.keys.take() else { return };
            let key = self.keys.key(number);
            let owner = self.lookups.owner(Id::of_key(&key)).and_then(|owner| self.world.node_of(owner));
            let Some((host, _)) = owner else { return self.keys.again.push(number) };
            let content = Content::new([key, key].concat(), b"", 0);
            let (key, condition) = (Box::from(key), Condition::None);
            let put = Command::Put { key, content, ttl_s: 0, condition, min_copies: 0, attempt: None };
            self.world.submit(host, TAGS | number as u64, put);
            self.keys.under_way += 1;
        }
    }

    /// A write has ended; `None` if the process died first.
    pub(super) fn has_written(&mut self, tag: u64, reply: Option<&Reply>) {
        let number = (tag & !TAGS) as usize;
        self.keys.under_way -= 1;
        if matches!(reply, Some(Reply::Stored { .. })) {
            self.keys.written[number] = true;
            if matches!(self.phase, Phase::Filling(_)) {
                self.phase = Phase::Filling(self.world.now());
                self.write_some();
            }
        } else {
            // It is tried again at the next look, not at once: who refuses now would refuse again.
            self.keys.again.push(number);
        }
    }
}
