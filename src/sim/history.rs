//! What clients were told about one key, and whether one history explains it: a checker for linearizability.
//!
//! Each operation takes effect at one moment between its question and its answer; of an operation without an answer
//! it is open whether it took effect, and when. The checker sweeps over questions and answers in the order of time
//! and keeps every set of guesses that is still possible (a *configuration*: which of the open operations have taken
//! effect, and the state that came of it). An answer removes the guesses under which it would be wrong; when none is
//! left, the answer was wrong. Operations take effect only when an answer forces them to, which keeps the sets small
//! (after G. Lowe, "Testing for linearizability", 2017).

use crate::time::Instant;
use std::collections::{BTreeMap, BTreeSet};

/// The number of a written value; each write has its own.
pub type Value = u32;

/// What a key holds.
pub type State = Option<Value>;

/// What an operation's answer says about the state that it met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// Nothing.
    Any,
    /// It was this.
    Exactly(State),
    /// There was a value.
    Present,
    /// It was anything but this value.
    Other(Value),
}

impl Needs {
    fn holds(self, state: State) -> bool {
        match self {
            Self::Any => true,
            Self::Exactly(expected) => state == expected,
            Self::Present => state.is_some(),
            Self::Other(value) => state != Some(value),
        }
    }
}

/// One operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operation {
    /// When it was asked.
    pub start: Instant,
    /// When it was answered; [`Instant::FAR`] if never: then it may also never take effect.
    pub end: Instant,
    /// What it met.
    pub needs: Needs,
    /// What it left, if it changed anything.
    pub sets: Option<State>,
}

impl Operation {
    const fn is_open(&self) -> bool {
        self.end.as_micros() == Instant::FAR.as_micros()
    }
}

/// What the checker found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// One history explains all answers.
    Explained,
    /// No history explains the answer of this operation, beside those before it.
    Wrong {
        /// Its number in the list.
        operation: usize,
    },
    /// More guesses than [`GUESSES_MAX`] are possible, or more operations open at a time than fit: not judged.
    TooMany,
}

/// How many configurations are kept at the most.
pub const GUESSES_MAX: usize = 2_000_000;

/// How many operations may be under way at one time, open ones included.
const SLOTS: usize = u128::BITS as usize;

/// The value of every open write that no answer mentions.
const UNMENTIONED: Value = Value::MAX;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Configuration {
    state: State,
    /// The operations under way that have taken effect, by their slots.
    done: u128,
}

/// The operations under way.
struct UnderWay {
    slots: [Option<Operation>; SLOTS],
    /// The slots of open operations: nothing forces these to take effect.
    open: u128,
}

impl UnderWay {
    fn add(&mut self, operation: Operation) -> Option<usize> {
        let free = self.slots.iter().position(Option::is_none)?;
        self.slots[free] = Some(operation);
        self.open |= u128::from(operation.is_open()) << free;
        Some(free)
    }

    /// Takes out open operations that wait for a value which is over: each is written once, so that nothing leads back
    /// to it. (Without that the ends of values that live for a time would fill all slots.)
    fn forget_hopeless(&mut self, possible: BTreeSet<Configuration>) -> BTreeSet<Configuration> {
        let mut hopeless = 0;
        for slot in (0..SLOTS).filter(|slot| self.open >> slot & 1 == 1) {
            let Some(Operation { needs: Needs::Exactly(Some(value)), .. }) = self.slots[slot] else { continue };
            let written = |other: &Operation| other.sets == Some(Some(value));
            if !self.slots.iter().flatten().any(written) && !possible.iter().any(|it| it.state == Some(value)) {
                self.slots[slot] = None;
                hopeless |= 1 << slot;
            }
        }
        self.open &= !hopeless;
        possible.into_iter().map(|guess| Configuration { done: guess.done & !hopeless, ..guess }).collect()
    }

    /// The guess with every read done that fits its state: it changes nothing, and is done with.
    fn with_reads(&self, mut guess: Configuration) -> Configuration {
        for (slot, taken) in self.slots.iter().enumerate() {
            if taken.is_some_and(|operation| operation.sets.is_none() && operation.needs.holds(guess.state)) {
                guess.done |= 1 << slot;
            }
        }
        guess
    }

    /// The operations that may take effect next: of open ones that do the same, the first will do.
    fn next(&self, done: u128) -> impl Iterator<Item = (usize, Operation)> {
        let left = move |slot: &usize| done >> slot & 1 == 0;
        let same = move |slot: usize, other: usize| match (self.slots[slot], self.slots[other]) {
            (Some(a), Some(b)) => a.is_open() && b.is_open() && (a.needs, a.sets) == (b.needs, b.sets),
            _ => false,
        };
        let used = self.slots.iter().rposition(Option::is_some).map_or(0, |last| last + 1);
        (0..used)
            .filter(left)
            .filter(move |&slot| !(0..slot).any(|other| left(&other) && same(slot, other)))
            .filter_map(|slot| Some((slot, self.slots[slot]?)))
    }
}

/// Judges what clients were told about a key that held nothing at first.
pub fn check(operations: &[Operation]) -> Verdict {
    let used = relevant(operations);
    // Questions before answers at the same moment: they may have overlapped.
    let mut events: Vec<(Instant, bool, usize)> = Vec::with_capacity(2 * used.len());
    for (at, (_, operation)) in used.iter().enumerate() {
        events.push((operation.start, false, at));
        if !operation.is_open() {
            events.push((operation.end, true, at));
        }
    }
    events.sort_unstable();

    let mut under_way = UnderWay { slots: [None; SLOTS], open: 0 };
    let mut slots = vec![0; used.len()];
    let mut possible = BTreeSet::from([Configuration { done: 0, state: None }]);
    for (_, is_answer, at) in events {
        if !is_answer {
            let Some(slot) = under_way.add(used[at].1) else { return Verdict::TooMany };
            slots[at] = slot;
            continue;
        }
        let Some(after) = answered(&under_way, slots[at], possible) else { return Verdict::TooMany };
        if after.is_empty() {
            return Verdict::Wrong { operation: used[at].0 };
        }
        under_way.slots[slots[at]] = None;
        possible = under_way.forget_hopeless(after);
    }
    Verdict::Explained
}

/// The guesses left when the operation in a slot is answered: those in which it has taken effect by now.
fn answered(under_way: &UnderWay, slot: usize, possible: BTreeSet<Configuration>) -> Option<BTreeSet<Configuration>> {
    let mut after = BTreeSet::new();
    let mut seen: BTreeSet<Configuration> = possible.into_iter().map(|guess| under_way.with_reads(guess)).collect();
    let mut todo: Vec<Configuration> = seen.iter().copied().collect();
    while let Some(guess) = todo.pop() {
        if guess.done >> slot & 1 == 1 {
            after.insert(Configuration { done: guess.done & !(1 << slot), ..guess });
            continue;
        }
        for (other, operation) in under_way.next(guess.done) {
            if operation.needs.holds(guess.state) {
                let state = operation.sets.unwrap_or(guess.state);
                let next = under_way.with_reads(Configuration { done: guess.done | 1 << other, state });
                if seen.insert(next) {
                    todo.push(next);
                }
            }
        }
        if seen.len() > GUESSES_MAX {
            return None;
        }
    }
    Some(without_needless(under_way.open, &after))
}

/// Leaves out the guesses that used up open operations which another guess with the same rest did without.
fn without_needless(open: u128, guesses: &BTreeSet<Configuration>) -> BTreeSet<Configuration> {
    let mut kept: BTreeMap<(State, u128), Vec<u128>> = BTreeMap::new();
    let mut by_use: Vec<Configuration> = guesses.iter().copied().collect();
    by_use.sort_by_key(|guess| (guess.done & open).count_ones());
    for guess in by_use {
        let used = guess.done & open;
        let less = kept.entry((guess.state, guess.done & !open)).or_default();
        if !less.iter().any(|&other| other & !used == 0) {
            less.push(used);
        }
    }
    let whole = |((state, rest), used): ((State, u128), Vec<u128>)| {
        used.into_iter().map(move |used| Configuration { state, done: rest | used })
    };
    kept.into_iter().flat_map(whole).collect()
}

/// The operations that can matter, with their numbers, in a form that leaves less to guess.
///
/// An open write whose value was read had taken effect by then. One whose value no answer mentions may be thought
/// never to have taken effect, unless some answer says just that there was some value, or another one; then all such
/// are alike.
fn relevant(operations: &[Operation]) -> Vec<(usize, Operation)> {
    let vague = operations.iter().any(|o| matches!(o.needs, Needs::Present | Needs::Other(_)));
    let mut mentioned: BTreeMap<Value, Instant> = BTreeMap::new();
    for operation in operations {
        if let Needs::Exactly(Some(value)) = operation.needs {
            let first = mentioned.entry(value).or_insert(operation.end);
            *first = operation.end.min(*first);
        }
    }
    let excluded = |value| operations.iter().any(|o| o.needs == Needs::Other(value));
    let in_short = |o: &Operation| match o.sets {
        _ if !o.is_open() => Some(*o),
        Some(Some(value)) => match mentioned.get(&value) {
            Some(&end) if end >= o.start => Some(Operation { end, ..*o }),
            // Read before it was written: that answer will be found wrong.
            Some(_) => Some(*o),
            None if excluded(value) => Some(*o),
            None => vague.then_some(Operation { sets: Some(Some(UNMENTIONED)), ..*o }),
        },
        Some(None) => Some(*o),
        None => None,
    };
    operations.iter().enumerate().filter_map(|(at, o)| Some((at, in_short(o)?))).collect()
}

#[cfg(test)]
mod tests;
