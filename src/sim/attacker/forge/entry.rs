//! Forged entries, and what writes ask for.

use super::{BYTES, KIND, Material};
use crate::limits::{FIRST_MAX, KIND_MAX, VALUE_MAX};
use crate::rng::Rng;
use crate::wire::{Body, Condition, Entry, Logged, NamesSum, OperationLog, Value};

impl Material {
    pub(super) fn entry<'a>(&self, rng: &mut Rng, key: &'a [u8]) -> Entry<'a> {
        let (rank, mut log) = (self.rank(rng), OperationLog::default());
        for _ in 0..rng.below(6) {
            let (id, version) = (self.operation(rng).id, self.rank(rng).version);
            log.push(Logged { id, version, mark: rng.next_u64().into() });
        }
        let value = rng.chance(0.7).then(|| Self::value(rng));
        let names = rng.chance(0.1).then(|| NamesSum { count: rng.next_u64() as u16, sum: rng.next_u64() });
        Entry { key, rank, log, names, value, came: &[] }
    }

    /// One that is whole, or lacks a part that nobody has, or says a length that cannot be.
    pub(super) fn body(rng: &mut Rng) -> Body<'static> {
        let whole = Body::whole(&BYTES[..rng.index(FIRST_MAX + 1)]);
        let length = [whole.length, whole.length + 3000, VALUE_MAX as u32, u32::MAX, 0][rng.index(5)];
        if rng.chance(0.6) { whole } else { Body { length, hash: [rng.next_u64() as u8; 32], ..whole } }
    }

    pub(super) fn value(rng: &mut Rng) -> Value<'static> {
        let kind = if rng.chance(0.2) { &KIND[..rng.index(KIND_MAX + 1)] } else { &[] };
        let left_ms = if rng.chance(0.2) { rng.next_u64() } else { 0 };
        Value { kind, left_ms, restored: rng.chance(0.2), body: Self::body(rng) }
    }

    pub(super) fn condition(&self, rng: &mut Rng) -> Condition {
        match rng.below(6) {
            0 => Condition::Absent,
            1 => Condition::Present,
            2 => Condition::Match(self.rank(rng).version),
            3 => Condition::OneOf([self.rank(rng).version; 4]),
            4 => Condition::NoneOf { versions: [self.rank(rng).version; 4], absent: rng.chance(0.5) },
            _ => Condition::None,
        }
    }
}
