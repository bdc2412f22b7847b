//! What clients were told, key by key, and whether one history explains it.

use skynode::sim::history::{self, Needs, Operation, State, Verdict};
use skynode::time::Instant;
use skynode::wire::Version;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// One answer, or an outcome that stayed open.
#[derive(Clone, Debug)]
struct Told {
    operation: Operation,
    /// The version that a refusal named; it says what was met once its value is known.
    named: Option<Version>,
    /// What was asked, through whom, and what came.
    what: String,
}

/// One key.
#[derive(Debug, Default)]
struct Key {
    told: Vec<Told>,
    states: BTreeMap<Version, State>,
    /// The newest version that somebody read or wrote.
    seen: Option<Version>,
    /// The highest that was acknowledged.
    acknowledged: Option<Version>,
    /// The values whose write was refused, with nothing changed.
    refused: Vec<history::Value>,
}

#[derive(Debug, Default)]
struct Pages {
    keys: Vec<Key>,
    /// For each value the key that it was made for.
    values: Vec<usize>,
    /// The first key of those that are written to now.
    current: usize,
}

/// All that the clients of one ring were told.
#[derive(Debug)]
pub struct Ledger {
    begun: std::time::Instant,
    pages: Mutex<Pages>,
}

impl Ledger {
    pub fn new() -> Self {
        Self { begun: std::time::Instant::now(), pages: Mutex::default() }
    }

    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn now(&self) -> Instant {
        Instant::from_micros(self.begun.elapsed().as_micros() as u64)
    }

    /// From now on new keys are written to, so many. The old ones are only read, so that no history grows too long.
    pub fn turn_page(&self, count: usize) {
        let mut pages = self.pages();
        pages.current = pages.keys.len();
        pages.keys.extend((0..count).map(|_| Key::default()));
    }

    /// The keys that are written to.
    pub fn current(&self) -> std::ops::Range<usize> {
        let pages = self.pages();
        pages.current..pages.keys.len()
    }

    /// How a key is called.
    pub fn name(key: usize) -> String {
        format!("key-{key}")
    }

    /// The number of a new value for a key.
    pub fn new_value(&self, key: usize) -> history::Value {
        let mut pages = self.pages();
        pages.values.push(key);
        (pages.values.len() - 1) as history::Value
    }

    /// How the value of this number looks: its number, its key, and some bytes so that lengths differ.
    pub fn text_of(value: history::Value, key: usize) -> String {
        format!("{value} of {key} {}", ".".repeat(value as usize * 37 % 400))
    }

    /// Which value these bytes are; `None` if nobody wrote them under this key.
    pub fn number_of(&self, bytes: &[u8], key: usize) -> State {
        let digits = bytes.split(|&byte| byte == b' ').next()?;
        let value: history::Value = str::from_utf8(digits).ok()?.parse().ok()?;
        let known = self.pages().values.get(value as usize) == Some(&key);
        (known && Self::text_of(value, key).as_bytes() == bytes).then_some(value)
    }

    /// The newest version of a key that somebody read or wrote, for conditions.
    pub fn seen(&self, key: usize) -> Option<Version> {
        self.pages().keys[key].seen
    }

    /// The value of a version, if somebody was told.
    pub fn state_at(&self, key: usize, version: Version) -> Option<State> {
        self.pages().keys[key].states.get(&version).copied()
    }

    /// Somebody was told that the key had this state in this version.
    ///
    /// # Errors
    /// It was said to have another state in that version before.
    pub fn learn(&self, key: usize, version: Version, state: State) -> Result<(), String> {
        let mut pages = self.pages();
        let page = &mut pages.keys[key];
        page.seen = page.seen.max(Some(version));
        let known = *page.states.entry(version).or_insert(state);
        if known == state {
            return Ok(());
        }
        Err(format!("key {key}: version {version} is both {known:?} and {state:?}"))
    }

    /// A write of this version was acknowledged.
    pub fn acknowledge(&self, key: usize, version: Version) {
        let mut pages = self.pages();
        let page = &mut pages.keys[key];
        page.acknowledged = page.acknowledged.max(Some(version));
    }

    /// The highest acknowledged versions.
    pub fn acknowledged(&self) -> Vec<(usize, Version)> {
        let pages = self.pages();
        pages.keys.iter().enumerate().filter_map(|(key, page)| Some((key, page.acknowledged?))).collect()
    }

    /// The keys of which something was acknowledged or read.
    pub fn told_of(&self) -> Vec<usize> {
        let pages = self.pages();
        (0..pages.keys.len()).filter(|&key| !pages.keys[key].states.is_empty()).collect()
    }

    pub fn record(&self, key: usize, operation: Operation, named: Option<Version>, what: String) {
        self.pages().keys[key].told.push(Told { operation, named, what });
    }

    /// A write was refused, with nothing changed: it is no operation, and nobody may ever read its value.
    pub fn nothing_changed(&self, key: usize, value: history::Value) {
        self.pages().keys[key].refused.push(value);
    }

    /// How many operations are in it, and how many of them are open.
    pub fn counts(&self) -> (usize, usize) {
        let pages = self.pages();
        let told = || pages.keys.iter().flat_map(|page| &page.told);
        (told().count(), told().filter(|told| told.operation.end == Instant::FAR).count())
    }

    /// Whether one history for each key explains all that was told; if not, what does not fit.
    pub fn judge(&self) -> Vec<String> {
        let pages = self.pages();
        pages.keys.iter().enumerate().filter_map(|(key, page)| page.judge(key)).collect()
    }
}

impl Key {
    fn judge(&self, key: usize) -> Option<String> {
        let resolve = |told: &Told| {
            let met = told.named.and_then(|version| self.states.get(&version));
            Operation { needs: met.map_or(told.operation.needs, |&state| Needs::Exactly(state)), ..told.operation }
        };
        let operations: Vec<Operation> = self.told.iter().map(resolve).collect();
        match history::check(&operations) {
            Verdict::Explained => None,
            Verdict::TooMany => Some(format!("key {key}: its history has too many open ends to be judged")),
            Verdict::Wrong { operation } => Some(self.tell_wrong(key, &operations, operation)),
        }
    }

    /// The wrong answer and what was told around it.
    fn tell_wrong(&self, key: usize, operations: &[Operation], wrong: usize) -> String {
        let end = operations[wrong].end;
        let mut before: Vec<usize> = (0..operations.len()).filter(|&at| operations[at].start <= end).collect();
        before.sort_by_key(|&at| operations[at].start);
        let kind = match operations[wrong].needs {
            Needs::Exactly(None) => "nothing was found, but something was there",
            Needs::Exactly(Some(value)) if self.refused.contains(&value) => {
                "the value of a write was found that was refused with nothing changed"
            }
            Needs::Exactly(_) => "a wrong value was found",
            _ => "an answer does not fit",
        };
        let mut text = format!("key {key}: {kind}");
        for &at in &before[before.len().saturating_sub(30)..] {
            let (o, mark) = (&operations[at], if at == wrong { "  <-- wrong" } else { "" });
            let end = if o.end == Instant::FAR { String::from("open") } else { o.end.to_string() };
            let _ = write!(
                text,
                "\n    {} to {end} {}: met {:?}, left {:?}{mark}",
                o.start, self.told[at].what, o.needs, o.sets
            );
        }
        text
    }
}
