//! The names of clients' writes that an entry has no room for in its log.
//!
//! A client may repeat a write under its own name at any time, so such a name is remembered for a while, whatever was
//! written since. Which names are remembered is part of the entry: an owner and its neighbours hold the same ones of
//! each version, and a write that lost has left none. A copy of an entry tells only how many there are, and their sum.
//! Whoever takes it has had the entry before, as a rule, and knows what has left the log since; it is compared with the
//! sum, and asked for where it differs.
//!
//! Time is what the node's own monotonic clock tells: a name travels with what is left of its time.

use super::journal::Changed;
use super::{Store, Stored, Untaken};
use crate::id::{Arc, Id};
use crate::limits::{NAME_COST, NAMED_COST, NAMES_KEPT, NAMES_MAX, NAMES_SHARE, OPERATIONS_MAX};
use crate::time::Instant;
use crate::wire::{Kept, Logged, NamesSum, OperationId, OperationLog};
use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;

/// The names that an entry remembers beside its log, and for how long those in the log count.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    /// In the order of their writes.
    kept: VecDeque<Kept>,
    sum: u64,
    /// The newest of those in the log is remembered until then.
    logged: Instant,
    /// Bytes that all this is reckoned to take.
    cost: usize,
    /// When it is looked at next, as something may have come to its end.
    due: Instant,
}

impl Names {
    /// As they were saved.
    pub fn restored(logged: Instant, kept: VecDeque<Kept>) -> Self {
        let sum = sum_of(kept.iter());
        Self { kept, sum, logged, ..Self::default() }
    }

    /// Until when those of the log count.
    pub const fn logged(&self) -> Instant {
        self.logged
    }

    /// Those that are not in the log.
    pub fn kept(&self) -> impl Iterator<Item = &Kept> {
        self.kept.iter()
    }

    fn push(&mut self, kept: Kept) {
        self.sum = self.sum.wrapping_add(kept.write.hash());
        if self.kept.len() == self.kept.capacity() {
            // Not twice as many: most keys have few.
            self.kept.reserve_exact(2.max(self.kept.len() / 4));
        }
        self.kept.push_back(kept);
    }

    fn drop_first(&mut self) {
        if let Some(dropped) = self.kept.pop_front() {
            self.sum = self.sum.wrapping_sub(dropped.write.hash());
        }
    }

    fn drop_ended(&mut self, now: Instant) {
        while self.kept.front().is_some_and(|first| first.until <= now) {
            self.drop_first();
        }
        self.give_back();
    }

    /// Memory of names that are forgotten, which is not reckoned any more.
    fn give_back(&mut self) {
        if self.kept.capacity() > 2 * self.kept.len() + 8 {
            self.kept.shrink_to_fit();
        }
    }

    /// True if nothing of it counts any more.
    fn is_over(&self, now: Instant) -> bool {
        self.kept.is_empty() && self.logged <= now
    }
}

fn sum_of<'a>(kept: impl Iterator<Item = &'a Kept>) -> u64 {
    kept.fold(0, |sum, kept| sum.wrapping_add(kept.write.hash()))
}

pub(super) fn named(log: &OperationLog) -> usize {
    log.iter().filter(|write| write.mark.named()).count()
}

const fn cost(kept: usize, logged: usize) -> usize {
    NAMED_COST + NAME_COST * (kept + logged)
}

/// Which names an entry is to have.
#[derive(Clone, Copy, Debug)]
pub(super) enum Wanted<'a> {
    /// It is a write of this node as owner: those that it has, but for what has come to its end.
    Own,
    /// It is a copy: these, as its sender says; and those that came with it, if they had to be asked for.
    Exactly(Option<NamesSum>, &'a [Kept]),
}

/// How the names of a key change as an entry takes the place of another.
#[derive(Debug)]
pub(super) enum Change {
    /// So many of the oldest go, and these have left the log.
    GoesOn { drops: usize, moved: heapless::Vec<Logged, OPERATIONS_MAX> },
    /// These take their place.
    Anew(Vec<Kept>),
}

impl Change {
    /// From an entry that is here to one with this log.
    ///
    /// # Errors
    /// [`Untaken::Nameless`]: what is here does not come to the names of the entry, and they did not come with it.
    pub fn to(here: Option<&Stored>, log: &OperationLog, wanted: Wanted<'_>, now: Instant) -> Result<Self, Untaken> {
        let names = here.and_then(|stored| stored.names.as_deref());
        let from = log.iter().next().map_or(0, |oldest| oldest.version.time_ms);
        let left = |write: &&Logged| write.mark.named() && write.version.time_ms < from;
        let moved: heapless::Vec<Logged, OPERATIONS_MAX> =
            here.into_iter().flat_map(|stored| stored.log.iter()).filter(left).copied().collect();
        match wanted {
            Wanted::Own => Ok(match names {
                None => Self::GoesOn { drops: 0, moved: heapless::Vec::new() },
                Some(names) => {
                    let drops = names.kept().take_while(|kept| kept.until <= now).count();
                    Self::GoesOn { drops, moved }
                }
            }),
            Wanted::Exactly(sum, came) => {
                let kept = names.map_or(0, |names| names.kept.len());
                let Some(NamesSum { count, sum }) = sum else {
                    return Ok(Self::GoesOn { drops: kept + moved.len(), moved });
                };
                if let Some(drops) = (kept + moved.len()).checked_sub(count.into()) {
                    let mut ours = names.map_or(0, |names| names.sum);
                    ours = moved.iter().fold(ours, |sum, write| sum.wrapping_add(write.hash()));
                    let oldest = names.into_iter().flat_map(Names::kept).map(|kept| &kept.write).chain(&moved);
                    ours = oldest.take(drops).fold(ours, |sum, write| sum.wrapping_sub(write.hash()));
                    if ours == sum {
                        return Ok(Self::GoesOn { drops, moved });
                    }
                }
                let same = came.len() == usize::from(count) && sum_of(came.iter()) == sum;
                if same { Ok(Self::Anew(came.to_vec())) } else { Err(Untaken::Nameless) }
            }
        }
    }

    /// Bytes that the names will be reckoned to take.
    pub fn cost(&self, here: Option<&Stored>, log: &OperationLog, brings_name: bool, now: Instant) -> usize {
        let names = here.and_then(|stored| stored.names.as_deref());
        let kept = match self {
            Self::GoesOn { drops, moved } => names.map_or(0, |names| names.kept.len()) + moved.len() - drops,
            Self::Anew(kept) => kept.len(),
        };
        let logged = brings_name || names.is_some_and(|names| names.logged > now);
        if kept > 0 || logged { cost(kept, named(log)) } else { 0 }
    }

    /// True if there are no names before, and none after.
    pub fn is_none(&self, here: Option<&Stored>) -> bool {
        here.is_none_or(|stored| stored.names.is_none())
            && match self {
                Self::GoesOn { drops, moved } => *drops == moved.len(),
                Self::Anew(kept) => kept.is_empty(),
            }
    }

    /// The names after it.
    fn done(self, former: Option<Box<Names>>, brings_name: bool, now: Instant) -> Option<Box<Names>> {
        let mut names = former.unwrap_or_default();
        match self {
            Self::GoesOn { drops, moved } => {
                let of_kept = drops.min(names.kept.len());
                (0..of_kept).for_each(|_| names.drop_first());
                let until = now + NAMES_KEPT;
                moved.into_iter().skip(drops - of_kept).for_each(|write| names.push(Kept { write, until }));
                names.give_back();
            }
            Self::Anew(kept) => {
                names.sum = sum_of(kept.iter());
                names.kept = kept.into();
            }
        }
        if brings_name {
            names.logged = now + NAMES_KEPT;
        }
        (!names.is_over(now)).then_some(names)
    }
}

/// True if the log has a client's name that is not in the log of what is here. A copy from a node that has forgotten
/// such names brings none.
pub(super) fn brings_name(here: Option<&Stored>, log: &OperationLog, wanted: Wanted<'_>) -> bool {
    let known = |id: OperationId| here.is_some_and(|stored| stored.log.find(id).is_some());
    !matches!(wanted, Wanted::Exactly(None, _)) && log.iter().any(|write| write.mark.named() && !known(write.id))
}

impl Stored {
    /// The write of this name, if it is remembered.
    pub fn find(&self, id: OperationId) -> Option<Logged> {
        let kept = || self.names.iter().flat_map(|names| names.kept()).find(|kept| kept.write.id == id);
        self.log.find(id).or_else(|| kept().map(|kept| kept.write))
    }

    /// True while a client's own name of a write of the key is to be remembered.
    pub const fn remembers(&self) -> bool {
        self.names.is_some()
    }

    /// What it remembers beside its log, in short; `None` if it remembers nothing, of the log neither.
    pub(super) fn names_sum(&self) -> Option<NamesSum> {
        let names = self.names.as_deref()?;
        Some(NamesSum { count: names.kept.len() as u16, sum: names.sum })
    }

    pub(super) fn names_cost(&self) -> usize {
        self.names.as_ref().map_or(0, |names| names.cost)
    }
}

/// How many keys are looked at in one go.
const WORK: usize = 64;

impl Store {
    /// Time has gone on up to now: names that have come to their end are forgotten.
    pub fn pass(&mut self, now: Instant) {
        self.now = now;
        for _ in 0..WORK {
            let Some(&(due, id)) = self.due.first().filter(|(due, _)| *due <= now) else { return };
            self.due.remove(&(due, id));
            let keys: Vec<Box<[u8]>> = self.under(id).map(|(_, key, _)| key.into()).collect();
            for key in keys {
                if let Some(mut names) = self.take_names(&key) {
                    names.drop_ended(now);
                    self.set_names(&key, (!names.is_over(now)).then_some(names));
                    // What is saved next says so too.
                    self.note(&key, Changed::Head, false);
                }
            }
        }
    }

    /// The clock shows this as a node is started with what it has saved: names count on from now, and what is changed
    /// is to be saved.
    pub fn wake(&mut self, now: Instant) {
        self.keep_journal();
        self.now = now;
        let later = core::time::Duration::from_micros(now.as_micros());
        let keys: Vec<Box<[u8]>> =
            self.due.iter().flat_map(|(_, id)| self.under(*id).map(|(_, key, _)| key.into())).collect();
        for key in keys {
            if let Some(mut names) = self.take_names(&key) {
                names.logged = names.logged + later;
                names.kept.iter_mut().for_each(|kept| kept.until = kept.until + later);
                self.set_names(&key, Some(names));
            }
        }
    }

    /// How many names of clients' writes are remembered.
    pub const fn names(&self) -> usize {
        self.names
    }

    /// True if it remembers as many names, in all, as it may.
    pub const fn is_full_of_names(&self) -> bool {
        self.names_bytes + cost(0, 1) > self.limit / NAMES_SHARE
    }

    /// True if one more name can be remembered of a key.
    pub fn has_room_for_name(&self, key: &[u8]) -> bool {
        let of_key = |stored: &Stored| named(&stored.log) + stored.names.as_ref().map_or(0, |names| names.kept.len());
        !self.is_full_of_names() && self.get(key).is_none_or(|stored| of_key(stored) < NAMES_MAX)
    }

    /// The names remembered under an id of writes before this time of a version, from one of a number on.
    pub fn names_from(&self, id: Id, before_ms: u64, first: usize) -> impl Iterator<Item = &Kept> {
        let names = self.under(id).filter_map(|(.., stored)| stored.names.as_deref());
        let kept = names.take(1).flat_map(Names::kept).skip(first);
        kept.take_while(move |kept| kept.write.version.time_ms < before_ms)
    }

    fn under(&self, id: Id) -> impl Iterator<Item = (Id, &[u8], &Stored)> {
        self.range(Arc::new(id.plus(u128::MAX), id))
    }

    /// The names of a key as it changes so; they are not with the key any more.
    pub(super) fn change_names(&mut self, key: &[u8], change: Change, brings_name: bool) -> Option<Box<Names>> {
        let former = self.take_names(key);
        change.done(former, brings_name, self.now)
    }

    pub(super) fn take_names(&mut self, key: &[u8]) -> Option<Box<Names>> {
        let names = self.get_mut(key)?.names.take()?;
        self.discount_names(Id::of_key(key), &names);
        Some(names)
    }

    pub(super) fn set_names(&mut self, key: &[u8], names: Option<Box<Names>>) {
        let Some(mut names) = names else { return };
        let Some(logged) = self.get(key).map(|stored| named(&stored.log)) else { return };
        self.count_names(Id::of_key(key), logged, &mut names);
        if let Some(stored) = self.get_mut(key) {
            stored.names = Some(names);
        }
    }

    /// Takes names of a key with so many in its log into the account.
    pub(super) fn count_names(&mut self, id: Id, logged: usize, names: &mut Names) {
        names.cost = cost(names.kept.len(), logged);
        names.due = names.kept.front().map_or(names.logged, |first| first.until);
        self.names += (names.cost - NAMED_COST) / NAME_COST;
        self.names_bytes += names.cost;
        self.due.insert((names.due, id));
    }

    pub(super) fn discount_names(&mut self, id: Id, names: &Names) {
        self.names -= (names.cost - NAMED_COST) / NAME_COST;
        self.names_bytes -= names.cost;
        self.due.remove(&(names.due, id));
    }
}

#[cfg(test)]
mod tests;
