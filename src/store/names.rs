//! The names of clients' writes that an entry has no room for in its log.
//!
//! A client may repeat a write under its own name at any time, so such a name is remembered for a while, whatever was
//! written since. Which names are remembered is part of the entry: an owner and its neighbours hold the same ones of
//! each version, and a write that lost has left none. A copy of an entry tells only how many there are, and their sum.
//! Whoever takes it has had the entry before, as a rule, and knows what has left the log since; it is compared with the
//! sum, and asked for where it differs.
//!
//! Time is what the node's own monotonic clock tells: a name travels with what is left of its time.

use super::{Store, Stored, Untaken};
use crate::id::{Arc, Id};
use crate::limits::{NAME_COST, NAMED_COST, NAMES_KEPT, NAMES_MAX, NAMES_SHARE, OPERATIONS_MAX};
use crate::time::Instant;
use crate::wire::{Kept, Logged, NamesSum, OperationId, OperationLog, Version};
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
    pub fn cost(&self, here: Option<&Stored>, log: &OperationLog, now: Instant) -> usize {
        let names = here.and_then(|stored| stored.names.as_deref());
        let kept = match self {
            Self::GoesOn { drops, moved } => names.map_or(0, |names| names.kept.len()) + moved.len() - drops,
            Self::Anew(kept) => kept.len(),
        };
        let logged = brings_name(here, log) || names.is_some_and(|names| names.logged > now);
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

/// True if the log has a client's name that is not in the log of what is here.
pub(super) fn brings_name(here: Option<&Stored>, log: &OperationLog) -> bool {
    let known = |id: OperationId| here.is_some_and(|stored| stored.log.find(id).is_some());
    log.iter().any(|write| write.mark.named() && !known(write.id))
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

    /// What it remembers beside its log, in short.
    pub(super) fn names_sum(&self) -> Option<NamesSum> {
        let names = self.names.as_deref().filter(|names| !names.kept.is_empty())?;
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

    /// The lowest version of a tombstone of an arc that remembers names.
    pub fn first_remembering_tombstone(&self, arc: Arc) -> Option<Version> {
        let ids = self.due.iter().map(|(_, id)| *id).filter(|id| arc.contains(*id));
        let dead = ids.flat_map(|id| self.under(id)).filter(|(.., stored)| stored.value.is_none());
        dead.map(|(.., stored)| stored.rank.version).min()
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
mod tests {
    use super::*;
    use crate::store::Content;
    use crate::wire::{Condition, Entry, Mark, Rank};
    use core::time::Duration;

    fn logged(n: u64, is_named: bool) -> Logged {
        let version = Version { term: 1, time_ms: n, writer: 7 };
        let mark = Mark::new(None, Condition::None, is_named).creating(n == 1);
        Logged { id: OperationId(u128::from(n).to_be_bytes()), version, mark }
    }

    /// An owner, and a neighbour of it.
    #[derive(Default)]
    struct Group {
        owner: Store,
        neighbour: Store,
        written: u64,
    }

    impl Group {
        fn write(&mut self, is_named: bool) {
            self.written += 1;
            let write = logged(self.written, is_named);
            let mut log = self.owner.get(b"k").map_or_else(OperationLog::default, |stored| stored.log.clone());
            log.push(write);
            let content = (self.written % 3 != 0).then(|| Content::new(*b"v", b"", 0));
            assert_eq!(self.owner.write(b"k", Rank::of_write(write.version), log, content), Ok(true));
        }

        fn entry(&self) -> Entry<'_> {
            self.owner.fetch_key(b"k").unwrap()
        }

        fn copy(&mut self) -> Result<bool, Untaken> {
            self.neighbour.merge(&self.owner.fetch_key(b"k").unwrap())
        }

        fn pass(&mut self, to: Duration) {
            self.owner.pass(Instant::ZERO + to);
            self.neighbour.pass(Instant::ZERO + to);
        }

        fn finds(&self, n: u64) -> [Option<Logged>; 2] {
            let id = logged(n, true).id;
            [&self.owner, &self.neighbour].map(|store| store.get(b"k").unwrap().find(id))
        }
    }

    #[test]
    fn a_clients_name_is_remembered_by_owner_and_neighbour_until_its_time_is_over() {
        let mut group = Group::default();
        for n in 1..=30 {
            group.write(n % 10 == 1);
            assert_eq!(group.copy(), Ok(true), "{n}");
        }
        for n in [1, 11, 21] {
            assert_eq!(group.finds(n), [Some(logged(n, true)); 2], "{n}");
        }
        assert_eq!(group.finds(2), [None; 2], "nobody but its coordinator has that name");
        assert_eq!((group.owner.names(), group.neighbour.names()), (3, 3));
        let memory = [group.owner.memory(), group.neighbour.memory()];
        group.pass(NAMES_KEPT - Duration::from_secs(1));
        assert_eq!(group.finds(1), [Some(logged(1, true)); 2]);
        group.write(false);
        assert_eq!(group.copy(), Ok(true));
        group.pass(NAMES_KEPT);
        assert_eq!(group.finds(1), [None; 2]);
        assert_eq!((group.owner.names(), group.neighbour.names()), (0, 0));
        assert!(group.owner.memory() < memory[0] && group.owner.memory() == group.neighbour.memory());
        assert!(!group.owner.get(b"k").unwrap().remembers());
    }

    #[test]
    fn one_forgets_earlier_than_the_other_and_both_go_on() {
        let mut group = Group::default();
        (0..7).for_each(|_| group.write(true));
        let came: Vec<Kept> = group.owner.names_from(Id::of_key(b"k"), u64::MAX, 0).copied().collect();
        assert_eq!(group.neighbour.merge(&Entry { came: &came, ..group.owner.fetch_key(b"k").unwrap() }), Ok(true));
        group.owner.pass(Instant::ZERO + NAMES_KEPT);
        group.write(true);
        assert_eq!(group.copy(), Ok(true));
        assert_eq!(group.finds(4)[0], None);
        group.neighbour.pass(Instant::ZERO + 2 * NAMES_KEPT);
        (0..9).for_each(|_| group.write(true));
        assert_eq!(group.copy(), Err(Untaken::Nameless), "writes were missed");
    }

    #[test]
    fn who_missed_writes_or_has_another_history_takes_no_copy_without_the_names() {
        let mut group = Group::default();
        group.write(true);
        assert_eq!(group.copy(), Ok(true));
        (0..9).for_each(|_| group.write(true));
        assert_eq!(group.copy(), Err(Untaken::Nameless));
        let before = group.entry().log.iter().next().unwrap().version.time_ms;
        let names =
            |group: &Group| -> Vec<Kept> { group.owner.names_from(Id::of_key(b"k"), before, 0).copied().collect() };
        let came = names(&group);
        assert_eq!(came.len(), 6);
        let short = Entry { came: &came[1..], ..group.owner.fetch_key(b"k").unwrap() };
        assert_eq!(group.neighbour.merge(&short), Err(Untaken::Nameless));
        // It is asked for while the owner goes on: what is asked for is the same.
        let entry = OwnedCopy::of(&group.entry());
        group.write(true);
        assert_eq!(names(&group), came);
        assert_eq!(group.neighbour.merge(&entry.with(&came)), Ok(true));
        assert_eq!(group.copy(), Ok(true));
        assert_eq!(group.finds(1), [Some(logged(1, true)); 2]);
        assert!(logged(1, true).mark.created());
        // A write that lost has left no name.
        let mut lost = group.neighbour.clone();
        let mut log = group.entry().log;
        log.push(logged(1000, true));
        let version = Version { term: 1, time_ms: 1000, writer: 9 };
        lost.write(b"k", Rank::of_write(version), log, None).unwrap();
        let won = Rank { ballot: 3, ..group.entry().rank };
        let came: Vec<Kept> = group.owner.names_from(Id::of_key(b"k"), u64::MAX, 0).copied().collect();
        let entry = Entry { rank: won, came: &came, ..group.owner.fetch_key(b"k").unwrap() };
        assert_eq!(lost.merge(&entry), Ok(true));
        assert_eq!(lost.get(b"k").unwrap().find(logged(1000, true).id), None);
        assert_eq!(lost.get(b"k").unwrap().find(logged(1, true).id), Some(logged(1, true)));
    }

    /// What a copy tells, apart from the store that it is of.
    struct OwnedCopy(Rank, OperationLog, Option<NamesSum>);

    impl OwnedCopy {
        fn of(entry: &Entry<'_>) -> Self {
            Self(entry.rank, entry.log.clone(), entry.names)
        }

        fn with<'a>(&self, came: &'a [Kept]) -> Entry<'a> {
            Entry { key: b"k", rank: self.0, log: self.1.clone(), names: self.2, value: None, came }
        }
    }

    #[test]
    fn there_is_room_for_so_many_names_of_a_key_and_for_so_many_in_all() {
        let mut group = Group::default();
        while group.owner.has_room_for_name(b"k") {
            group.write(true);
        }
        assert_eq!(group.written, NAMES_MAX as u64);
        assert!(group.owner.has_room_for_name(b"other") && !group.owner.is_full_of_names());
        let mut store = Store::new(4 << 20);
        let mut n = 0u64;
        while store.has_room_for_name(&n.to_be_bytes()) {
            let mut log = OperationLog::default();
            log.push(logged(n, true));
            store.write(&n.to_be_bytes(), Rank::of_write(logged(n, true).version), log, None).unwrap();
            n += 1;
        }
        assert!(store.is_full_of_names() && n as usize == (4 << 20) / NAMES_SHARE / cost(0, 1), "{n}");
        assert_eq!(store.names(), n as usize);
        for _ in 0..n {
            store.pass(Instant::ZERO + NAMES_KEPT);
        }
        assert_eq!((store.names(), store.is_full_of_names()), (0, false));
    }

    #[test]
    fn a_name_reads_back_from_what_is_sent_and_lives_no_longer_than_names_do() {
        let (now, later) = (Instant::from_millis(5), Instant::from_millis(90));
        let kept = Kept { write: logged(3, true), until: now + NAMES_KEPT };
        let read = Kept::from_bytes(&kept.to_bytes(now), later).unwrap();
        assert_eq!(read, Kept { until: later + NAMES_KEPT, ..kept });
        let mut bytes = kept.to_bytes(now);
        bytes[48..].fill(0xff);
        assert_eq!(Kept::from_bytes(&bytes, later), Some(read));
        assert_eq!(Kept::from_bytes(&Kept { write: logged(3, false), ..kept }.to_bytes(now), now), None);
    }
}
