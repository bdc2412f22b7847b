//! What clients were told, key by key, and whether it can all be true.

use super::bound::Keys;
use super::history::{self, Needs, State, Verdict};
use crate::id::Id;
use crate::time::Instant;
use crate::wire::{Condition, Version};
use core::fmt::Write as _;
use core::time::Duration;
use std::collections::BTreeMap;

/// What a client asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// Read.
    Get,
    /// Write the value of this number.
    Put {
        /// Its number.
        value: history::Value,
        /// When to refuse.
        condition: Condition,
    },
    /// Delete.
    Delete {
        /// When to refuse.
        condition: Condition,
    },
}

impl Act {
    /// What it leaves behind when done; `None` for a read.
    pub const fn sets(self) -> Option<State> {
        match self {
            Self::Get => None,
            Self::Put { value, .. } => Some(Some(value)),
            Self::Delete { .. } => Some(None),
        }
    }
}

/// Who asked, through whom, for what, and when.
#[derive(Clone, Copy, Debug)]
pub struct Question {
    /// The client; `None` for the last look at the end.
    pub client: Option<usize>,
    /// The machine that was asked.
    pub host: usize,
    /// The key's number.
    pub key: usize,
    /// What for.
    pub act: Act,
    /// When it was first asked.
    pub start: Instant,
}

#[derive(Clone, Copy, Debug)]
struct Told {
    question: Question,
    operation: history::Operation,
    /// The version that the answer named; it says more about `needs` once its value is known.
    named: Option<Version>,
}

/// All that clients were told.
#[derive(Debug)]
pub struct Ledger {
    /// The keys.
    pub keys: Keys,
    /// For each value the key that it was written to.
    values: Vec<usize>,
    versions: BTreeMap<(usize, Version), State>,
    /// The newest version of each key that somebody read or wrote.
    seen: Vec<Option<Version>>,
    told: Vec<Vec<Told>>,
    /// How much faster or slower a clock may run, in parts per million.
    rate_ppm: u32,
    /// By so much a value may outlive its time.
    late: Duration,
}

impl Ledger {
    /// Nothing told yet.
    pub fn new(keys: Keys) -> Self {
        let (seen, told) = (vec![None; keys.len()], vec![Vec::new(); keys.len()]);
        let (values, versions, rate_ppm, late) = (Vec::new(), BTreeMap::new(), 0, Duration::ZERO);
        Self { keys, values, versions, seen, told, rate_ppm, late }
    }

    /// The number of a new value for a key.
    pub fn new_value(&mut self, key: usize) -> history::Value {
        self.values.push(key);
        (self.values.len() - 1) as history::Value
    }

    /// How the value of this number looks: its number, and some bytes so that lengths differ. Some take many datagrams.
    pub fn bytes_of(&self, value: history::Value) -> Box<[u8]> {
        let mut text = format!("{value} of key {} ", self.values.get(value as usize).copied().unwrap_or_default());
        let rest = value as usize * 37 % 400;
        let more = match value % 40 {
            7 => 60 * rest,
            n if n % 5 == 0 => 10 * rest,
            _ => 0,
        };
        text.extend(core::iter::repeat_n('.', rest + more));
        text.into_bytes().into()
    }

    /// For how many seconds the value of this number lives, zero for ever: one of 29 values ends. Each
    /// leaves an end open that the judge has to reckon with.
    pub const fn ttl_of(value: history::Value) -> u32 {
        if value % 29 == 4 { 1 + value % 13 } else { 0 }
    }

    /// How lives may differ from what was said: the clocks that count them run at rates of their own; and what is on
    /// its way to a copy, or on the disk of a machine that is off, counts no time.
    pub fn lives_differ(&mut self, rate_ppm: u32, late: Duration) {
        (self.rate_ppm, self.late) = (self.rate_ppm.max(rate_ppm), self.late.max(late));
    }

    /// For how long the value of this number lives, as it was told, and by how much its clock may be off by then.
    fn life_of(&self, value: history::Value) -> Option<(Duration, Duration)> {
        let ttl = Duration::from_secs(Self::ttl_of(value).into());
        // A tenth more than the rate, as it is of the longer of two times; and what is lost in rounding.
        let off = ttl * self.rate_ppm / 1_000_000;
        (ttl > Duration::ZERO).then_some((ttl, off + off / 10 + Duration::from_millis(2)))
    }

    /// Which value these bytes are; `None` if nobody wrote them under this key.
    pub fn number_of(&self, bytes: &[u8], key: usize) -> State {
        let digits = bytes.split(|&b| b == b' ').next()?;
        let value: history::Value = core::str::from_utf8(digits).ok()?.parse().ok()?;
        let written = self.values.get(value as usize) == Some(&key) && *self.bytes_of(value) == *bytes;
        written.then_some(value)
    }

    /// The newest version of a key that somebody read or wrote, for conditions. In a list it stands second.
    pub fn seen(&self, key: usize) -> Option<Version> {
        self.seen[key]
    }

    /// Somebody was told that the key had this state in this version.
    ///
    /// # Errors
    /// What is wrong: it was said to have another state in that version before.
    pub fn learn(&mut self, now: Instant, key: usize, version: Version, state: State) -> Result<(), String> {
        self.keys.acknowledge(now, key, version);
        if state.is_some() {
            self.seen[key] = self.seen[key].max(Some(version));
        }
        let known = *self.versions.entry((key, version)).or_insert(state);
        if known == state {
            Ok(())
        } else {
            Err(format!("key {key}: version {version} is both {known:?} and {state:?}"))
        }
    }

    fn at_version(&self, key: usize, version: Version) -> Option<Needs> {
        self.versions.get(&(key, version)).map(|&state| Needs::Exactly(state))
    }

    /// Something was read: this, or nothing.
    pub fn read(&mut self, question: Question, end: Instant, state: State) {
        self.record(question, end, Needs::Exactly(state), None, None);
    }

    /// A write was done; or its outcome is open, if the end is [`Instant::FAR`].
    pub fn wrote(&mut self, question: Question, end: Instant) {
        let needs = match question.act {
            Act::Delete { condition: Condition::None } => Needs::Present,
            Act::Get => Needs::Any,
            Act::Put { condition, .. } | Act::Delete { condition } => match condition {
                Condition::None => Needs::Any,
                Condition::Absent => Needs::Exactly(None),
                Condition::Present => Needs::Present,
                Condition::Match(version) | Condition::OneOf([_, version, ..]) => {
                    self.at_version(question.key, version).unwrap_or(Needs::Present)
                }
                Condition::NoneOf { versions: [_, version, ..], .. } => {
                    let excluded = self.versions.get(&(question.key, version)).copied().flatten();
                    excluded.map_or(Needs::Any, Needs::Other)
                }
            },
        };
        self.record(question, end, needs, question.act.sets(), None);
    }

    /// A write was refused since the key has another version than it was to have, or none.
    pub fn refused(&mut self, question: Question, end: Instant, version: Option<Version>) {
        let expected = match question.act {
            Act::Put { condition: Condition::Match(expected) | Condition::OneOf([_, expected, ..]), .. }
            | Act::Delete { condition: Condition::Match(expected) | Condition::OneOf([_, expected, ..]) } => {
                self.versions.get(&(question.key, expected)).copied().flatten()
            }
            _ => None,
        };
        let needs = match version {
            None => Needs::Exactly(None),
            Some(_) => expected.map_or(Needs::Present, Needs::Other),
        };
        self.record(question, end, needs, None, version);
    }

    fn record(&mut self, question: Question, end: Instant, needs: Needs, sets: Option<State>, named: Option<Version>) {
        let operation = history::Operation { start: question.start, end, needs, sets };
        self.told[question.key].push(Told { question, operation, named });
    }

    /// How many writes of a key stay open.
    pub fn open_ends(&self, key: usize) -> usize {
        self.told[key].iter().filter(|told| told.operation.end == Instant::FAR).count()
    }

    /// Whether one history for each key explains all that was told; if not, what does not fit.
    pub fn judge(&self) -> Vec<String> {
        (0..self.told.len()).filter_map(|key| self.judge_key(key)).collect()
    }

    fn judge_key(&self, key: usize) -> Option<String> {
        let resolve = |told: &Told| {
            let needs = told.named.and_then(|version| self.at_version(key, version)).unwrap_or(told.operation.needs);
            history::Operation { needs, ..told.operation }
        };
        let told = self.told[key].iter();
        if let Some(outlived) = told.clone().find(|told| self.is_outlived(key, told)) {
            let (question, needs) = (outlived.question, outlived.operation.needs);
            return Some(format!("key {key}: {needs:?} was read at {}, after its end", question.start));
        }
        let ends = told.clone().filter_map(|told| self.end_of(told));
        let operations: Vec<history::Operation> = told.map(resolve).chain(ends).collect();
        match history::check(&operations) {
            Verdict::Explained => None,
            Verdict::TooMany => Some(format!("key {key}: its history has too many open ends to be judged")),
            Verdict::Wrong { operation } => Some(self.tell_wrong(key, &operations, operation)),
        }
    }

    /// The end of a value that lives for a time: at some moment its owner may write a tombstone in its place.
    fn end_of(&self, told: &Told) -> Option<history::Operation> {
        let value = told.operation.sets.flatten()?;
        let (ttl, off) = self.life_of(value)?;
        let (start, needs) = (told.operation.start + ttl.saturating_sub(off), Needs::Exactly(Some(value)));
        Some(history::Operation { start, end: Instant::FAR, needs, sets: Some(None) })
    }

    /// True if it is the answer to a read of a value whose end was over before.
    fn is_outlived(&self, key: usize, read: &Told) -> bool {
        let (Act::Get, Needs::Exactly(Some(value))) = (read.question.act, read.operation.needs) else { return false };
        let Some((ttl, off)) = self.life_of(value) else { return false };
        let mut writes = self.told[key].iter().filter(|told| told.operation.sets == Some(Some(value)));
        let is_over = |write: &Told| write.operation.end + ttl + off + self.late < read.question.start;
        writes.any(|write| write.operation.end != Instant::FAR && is_over(write))
    }

    /// The wrong answer and what happened around it.
    fn tell_wrong(&self, key: usize, operations: &[history::Operation], wrong: usize) -> String {
        let end = operations[wrong].end;
        let mut before: Vec<usize> = (0..operations.len()).filter(|&at| operations[at].start <= end).collect();
        before.sort_by_key(|&at| operations[at].start);
        let kind = match operations[wrong].needs {
            Needs::Exactly(None) => "nothing was found, but something was there",
            Needs::Exactly(_) => "an old value was found",
            _ => "an answer does not fit",
        };
        let mut text = format!("key {key} ({}): {kind}", Id::of_key(self.keys.name(key)));
        for &at in &before[before.len().saturating_sub(24)..] {
            let o = &operations[at];
            let Some(Told { question, .. }) = self.told[key].get(at) else {
                let _ = write!(text, "\n    from {} on it may end: met {:?}", o.start, o.needs);
                continue;
            };
            let end = if o.end == Instant::FAR { String::from("open") } else { o.end.to_string() };
            let client = question.client.map_or_else(|| String::from("last look"), |client| format!("client {client}"));
            let mark = if at == wrong { "  <-- wrong" } else { "" };
            let (start, host) = (o.start, question.host);
            let _ =
                write!(text, "\n    {start} to {end} {client} at {host}: met {:?}, left {:?}{mark}", o.needs, o.sets);
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ledger() -> Ledger {
        Ledger::new(Keys::new(vec![b"a"[..].into(), b"b"[..].into()]))
    }

    fn question(act: Act, start: u64) -> Question {
        Question { client: Some(0), host: 0, key: 0, act, start: Instant::from_millis(start) }
    }

    fn version(time_ms: u64) -> Version {
        Version { time_ms, ..Version::default() }
    }

    #[test]
    fn values_are_known_by_their_bytes_under_their_key_only() {
        let mut ledger = ledger();
        let (a, b) = (ledger.new_value(0), ledger.new_value(1));
        let bytes = ledger.bytes_of(b);
        assert_eq!((ledger.number_of(&bytes, 1), ledger.number_of(&bytes, 0)), (Some(b), None));
        assert_eq!(ledger.number_of(&bytes[..bytes.len() - 1], 1), None);
        assert_eq!(ledger.number_of(&ledger.bytes_of(a), 0), Some(a));
        assert_eq!(ledger.number_of(b"2 of key 0 ", 0), None, "never written");
    }

    #[test]
    fn a_version_stands_for_one_value() {
        let mut ledger = ledger();
        assert!(
            ledger.learn(Instant::ZERO, 0, version(1), Some(1)).is_ok()
                && ledger.learn(Instant::ZERO, 0, version(1), Some(1)).is_ok()
        );
        assert!(
            ledger.learn(Instant::ZERO, 1, version(1), Some(2)).is_ok()
                && ledger.learn(Instant::ZERO, 0, version(1), None).is_err()
        );
        assert_eq!((ledger.seen(0), ledger.keys.acknowledged(0)), (Some(version(1)), Some(version(1))));
    }

    #[test]
    fn a_value_that_lives_for_a_time_may_end_then_and_is_not_read_long_after() {
        let read_at = |ms: i64, state: fn(history::Value) -> State, (rate_ppm, late)| {
            let mut ledger = ledger();
            let values: Vec<history::Value> = (0..5).map(|_| ledger.new_value(0)).collect();
            let (value, ttl_ms) = (values[4], u64::from(Ledger::ttl_of(values[4])) * 1000);
            assert!(ttl_ms > 0 && Ledger::ttl_of(values[3]) == 0);
            ledger.lives_differ(rate_ppm, Duration::from_millis(late));
            ledger.wrote(question(Act::Put { value, condition: Condition::None }, 0), Instant::from_millis(1));
            let asked = ttl_ms.saturating_add_signed(ms);
            ledger.read(question(Act::Get, asked), Instant::from_millis(asked + 1), state(value));
            ledger.judge().len()
        };
        let exact = (0, 0);
        assert_eq!((read_at(0, Some, exact), read_at(1, |_| None, exact)), (0, 0));
        assert_eq!(read_at(50, Some, exact), 1, "it has outlived its time");
        assert_eq!(read_at(50, Some, (0, 100)), 0, "it came late");
        assert_eq!(read_at(50, Some, (20_000, 0)), 0, "by a slow clock");
        assert_eq!(read_at(-50, |_| None, exact), 1, "it was there yet");
        assert_eq!(read_at(-50, |_| None, (0, 100)), 1, "nothing ends it early");
        assert_eq!(read_at(-50, |_| None, (20_000, 0)), 0, "but a fast clock");
    }

    #[test]
    fn a_conflict_that_names_a_version_counts_as_having_met_its_value() {
        let mut ledger = ledger();
        let (one, two) = (ledger.new_value(0), ledger.new_value(0));
        let put = |value| Act::Put { value, condition: Condition::None };
        let create = Act::Put { value: ledger.new_value(0), condition: Condition::Absent };
        ledger.wrote(question(put(one), 0), Instant::from_millis(1));
        ledger.wrote(question(put(two), 2), Instant::from_millis(3));
        ledger.refused(question(create, 4), Instant::from_millis(5), Some(version(1)));
        assert_eq!(ledger.judge(), [""; 0], "some value was there");
        ledger.learn(Instant::ZERO, 0, version(1), Some(one)).expect("its first state");
        let judged = ledger.judge();
        assert!(judged.len() == 1 && judged[0].contains("an old value was found"), "{judged:?}");
        assert!(judged[0].contains("<-- wrong"), "{judged:?}");
    }
}
